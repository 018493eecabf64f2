/* Sets of elements as a system: forces are those of hand-made gradients, adjoints are transposes of tangents,
   worlds side by side have the bits of one alone, and what is wrong is named. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "elements.h"
#include "rollouts.h"

static const double tight = sizeof(ds_real) == 4 ? 2e-4 : 1e-12;

/* >>scene ----

   A cloth of side x side points: springs along rows, muscles along columns, whose lengths are controls, and
   triangles of the type below. */

/* Sheet: E = k A/2 ((|a|^2 - g |A|^2)^2 + (a.b - g A.B)^2) with edges a, b at point 0, at rest A, B, and
   growth g; R = d A/2 (|v1 - v0|^2 + |v2 - v0|^2); F = p/6 a x b - d/8 |v|^2 v at each point. */
static ds_var3 edge(ds_element *e, size_t i)
{
    const ds_var3 end = ds_point(e, i); /* so points are loaded in the order 1, 0, 2 */
    return ds_sub3(end, ds_point(e, 0));
}
static ds_var sheet_energy(ds_element *e)
{
    const ds_var3 a = edge(e, 1), b = edge(e, 2);
    const ds_var stretch = ds_sub(ds_dot3(a, a), ds_constant(e, 0));
    const ds_var shear = ds_sub(ds_dot3(a, b), ds_constant(e, 1));
    const ds_var square = ds_add(ds_square(stretch), ds_square(shear));
    const ds_var half = ds_mul(ds_c(0.5), ds_constant(e, 2));
    return ds_mul(ds_mul(ds_parameter(e, 0), half), square);
}
static ds_var sheet_dissipation(ds_element *e)
{
    const ds_var3 v1 = ds_sub3(ds_velocity(e, 1), ds_velocity(e, 0));
    const ds_var3 v2 = ds_sub3(ds_velocity(e, 2), ds_velocity(e, 0));
    const ds_var half = ds_mul(ds_c(0.5), ds_constant(e, 2));
    const ds_var squares = ds_add(ds_dot3(v1, v1), ds_dot3(v2, v2));
    return ds_mul(ds_mul(ds_parameter(e, 2), half), squares);
}
static void sheet_force(ds_element *e, ds_var3 *force)
{
    const ds_var3 a = edge(e, 1), b = edge(e, 2);
    const ds_var3 push = ds_scale3(ds_cross3(a, b), ds_mul(ds_parameter(e, 3), ds_c(1.0 / 6)));
    const ds_var drag = ds_mul(ds_parameter(e, 2), ds_c(-0.125));
    size_t i;
    for (i = 0; i < 3; i++) {
        const ds_var3 v = ds_velocity(e, i);
        force[i] = ds_add3(push, ds_scale3(v, ds_mul(drag, ds_dot3(v, v))));
    }
}
static void sheet_derive(ds_element *e, ds_var *constants)
{
    const ds_var3 r0 = ds_rest(e, 0), r1 = ds_rest(e, 1), r2 = ds_rest(e, 2);
    const ds_var3 a = ds_sub3(r1, r0), b = ds_sub3(r2, r0);
    constants[0] = ds_mul(ds_parameter(e, 1), ds_dot3(a, a));
    constants[1] = ds_mul(ds_parameter(e, 1), ds_dot3(a, b));
    constants[2] = ds_mul(ds_c(0.5), ds_z(ds_cross3(a, b)));
}
static const ds_energy_type sheet = {
    "sheet", 3, 5, 3, "stiffness (N/m^5), growth (1), damping (kg/(m^2 s)), pressure (Pa), density (kg/m^2)",
    sheet_energy, sheet_dissipation, sheet_force, sheet_derive };

enum { SPRINGS, MUSCLES, SHEETS, SETS };
typedef struct scene {
    int on_fields; /* that of contacts with a grid, below */
    size_t side, n, worlds, n_springs, n_sheets;
    int32_t *springs, *muscles, *sheets;
    ds_real *rest, *mass, *acceleration;
    unsigned char *pinned;
    ds_energy_set sets[SETS];
    ds_energies_desc desc;
} scene;

static const ds_energy_parameter spring_parameters[] = {
    { DSIM_PARAMETER_SHARED_LOG, 0, 0 }, { DSIM_PARAMETER_PER_ELEMENT, 0, 0 } };
/* control 0 is the pressure; the lengths follow */
static const ds_energy_parameter muscle_parameters[] = {
    { DSIM_PARAMETER_PER_ELEMENT_LOG, 0, 0 }, { DSIM_PARAMETER_PER_ELEMENT, 1, 1 } };
static const ds_energy_parameter sheet_parameters[] = {
    { DSIM_PARAMETER_SHARED, 0, 0 }, { DSIM_PARAMETER_PER_ELEMENT, 0, 0 },
    { DSIM_PARAMETER_PER_ELEMENT_LOG, 0, 0 }, { DSIM_PARAMETER_SHARED, 1, 0 },
    { DSIM_PARAMETER_PER_ELEMENT_LOG, 0, 0 } };

static void scene_fill(scene *s)
{
    const size_t side = s->side;
    ds_rng rng = ds_rng_make(11, 0);
    size_t i, j, k = 0, m = 0;
    for (i = 0; i < side; i++)
        for (j = 0; j + 1 < side; j++, k++) {
            s->springs[2 * k] = (int32_t)(i * side + j);
            s->springs[2 * k + 1] = (int32_t)(i * side + j + 1);
            s->muscles[2 * k] = (int32_t)((j + 1) * side + i);
            s->muscles[2 * k + 1] = (int32_t)(j * side + i);
        }
    for (i = 0; i + 1 < side; i++)
        for (j = 0; j + 1 < side; j++) {
            const size_t at = i * side + j;
            const size_t corners[6] = { at, at + side, at + 1, at + side + 1, at + 1, at + side };
            for (k = 0; k < 6; k++) s->sheets[m++] = (int32_t)corners[k];
        }
    for (i = 0; i < s->n; i++) {
        s->rest[3 * i] = (ds_real)(i / side) + between(&rng) / 8;
        s->rest[3 * i + 1] = (ds_real)(i % side) + between(&rng) / 8;
        s->rest[3 * i + 2] = 0;
        s->mass[i] = (ds_real)0.25 + ds_rng_uniform(&rng);
        s->acceleration[3 * i + 1] = (ds_real)-9.81;
    }
    s->pinned[1] = 1;
}

static void scene_sets(scene *s)
{
    s->sets[SPRINGS].type = s->sets[MUSCLES].type = ds_energy_get_type(DSIM_ENERGY_SPRING);
    s->sets[SHEETS].type = &sheet;
    s->sets[SPRINGS].n = s->sets[MUSCLES].n = s->n_springs;
    s->sets[SHEETS].n = s->n_sheets;
    s->sets[SPRINGS].points = s->springs;
    s->sets[MUSCLES].points = s->muscles;
    s->sets[SHEETS].points = s->sheets;
    s->sets[SPRINGS].parameters = spring_parameters;
    s->sets[MUSCLES].parameters = muscle_parameters;
    s->sets[SHEETS].parameters = sheet_parameters;
    s->sets[MUSCLES].name = "muscles";
}

static scene *scene_of_points(size_t n, size_t worlds)
{
    scene *const s = (scene *)calloc(1, sizeof *s);
    if (!s) abort();
    s->n = n;
    s->worlds = worlds;
    s->rest = (ds_real *)calloc(3 * n, sizeof(ds_real));
    s->mass = (ds_real *)calloc(n, sizeof(ds_real));
    s->acceleration = (ds_real *)calloc(3 * n, sizeof(ds_real));
    s->pinned = (unsigned char *)calloc(n, 1);
    if (!s->rest || !s->mass || !s->acceleration || !s->pinned) abort();
    s->desc.n_points = n;
    s->desc.rest = s->rest;
    s->desc.mass = s->mass;
    s->desc.acceleration = s->acceleration;
    s->desc.pinned = s->pinned;
    s->desc.worlds = worlds;
    return s;
}

static scene *scene_make(size_t side, size_t worlds)
{
    scene *const s = scene_of_points(side * side, worlds);
    s->side = side;
    s->n_springs = side * (side - 1);
    s->n_sheets = 2 * (side - 1) * (side - 1);
    s->springs = (int32_t *)calloc(2 * s->n_springs, sizeof(int32_t));
    s->muscles = (int32_t *)calloc(2 * s->n_springs, sizeof(int32_t));
    s->sheets = (int32_t *)calloc(3 * s->n_sheets, sizeof(int32_t));
    if (!s->springs || !s->muscles || !s->sheets) abort();
    scene_fill(s);
    scene_sets(s);
    s->desc.n_sets = SETS;
    s->desc.sets = s->sets;
    s->desc.n_control = 1 + s->n_springs;
    return s;
}

static void scene_free(scene *s)
{
    free(s->springs);
    free(s->muscles);
    free(s->sheets);
    free(s->rest);
    free(s->mass);
    free(s->acceleration);
    free(s->pinned);
    free(s);
}

/* >>fields ----

   Contacts with the distances of a grid: three points for each row of the table, of a ball, some of them
   beyond its border; and ground, whose parts look up one field or two. */
#define DSI_ROW(NAME, type, parameters, sentence) DSIM_ENERGY_##NAME,
static const ds_energy contacts[] = { DSI_ENERGIES_CONTACT(DSI_ROW) };
#undef DSI_ROW

/* Ground: E = k/2 (y - c - height(x, z))^2 with c = field 1 at rest; F = -drag height v, and as much by a
   dissipation with field 1, which the energy does not look up; the last constant weighs. Heights are of 6 x 5
   cells, linear in between. */
static ds_var looked_up(ds_element *e, size_t field, ds_var3 x)
{
    const ds_index n[2] = { ds_i(6), ds_i(5) };
    const ds_var at[2] = { ds_x(x), ds_z(x) };
    const ds_grid grid = ds_grid_make(2, n, DSIM_WALL_CLAMP);
    return ds_grid_sample(ds_field(e, field), 0, &grid, at);
}
static ds_var ground_energy(ds_element *e)
{
    const ds_var3 x = ds_point(e, 0);
    const ds_var above = ds_sub(ds_sub(ds_y(x), ds_constant(e, 0)), looked_up(e, 0, x));
    return ds_mul(ds_mul(ds_c(0.5), ds_parameter(e, 0)), ds_square(above));
}
static ds_var ground_dissipation(ds_element *e)
{
    const ds_var3 v = ds_velocity(e, 0);
    const ds_var drag = ds_mul(ds_parameter(e, 1), looked_up(e, 1, ds_point(e, 0)));
    return ds_mul(ds_mul(ds_c(0.5), drag), ds_dot3(v, v));
}
static void ground_force(ds_element *e, ds_var3 *force)
{
    const ds_var height = looked_up(e, 0, ds_point(e, 0));
    force[0] = ds_scale3(ds_velocity(e, 0), ds_neg(ds_mul(ds_parameter(e, 1), height)));
}
static void ground_derive(ds_element *e, ds_var *constants)
{
    constants[0] = looked_up(e, 1, ds_rest(e, 0));
    constants[1] = ds_c(1);
}
static const ds_energy_type ground = {
    "ground", 1, 3, 2, "stiffness (N/m), drag (kg/(m s)), density (kg)", ground_energy, ground_dissipation,
    ground_force, ground_derive };

enum { GRIDS = 9, EACH = 3, ON_GROUND = 4, GRID_SETS = GRIDS + 1, CELLS = 10 * 9 * 8, HEIGHTS = 30 };
static ds_real cells[CELLS], heights[2][HEIGHTS];
static ds_energy_set grid_sets[GRID_SETS];
static ds_energy_field grid_fields[GRID_SETS][2];
static int32_t grid_points[GRIDS * EACH + ON_GROUND];
static ds_energy_parameter grid_kinds[GRID_SETS][MOST_NUMBERS];

/* number i of a type of this scene */
static double scene_number(const ds_energy_type *type, size_t i)
{
    static const double own[] = { 40, 0.3, 0.7 };
    static const double all[] = { 300, 0.4, 0.05, -1.1, -1, -0.9, 0.25, 10, 9, 8,
                                  0.4, 0.5, 0.8, 0.1, 0.2, -0.3 };
    return type == &ground ? own[i] : all[i];
}
static int is_logarithm(ds_parameter_kind kind)
{
    return kind == DSIM_PARAMETER_SHARED_LOG || kind == DSIM_PARAMETER_PER_ELEMENT_LOG;
}
static int is_shared(const ds_energy_parameter *p)
{
    return p->kind == DSIM_PARAMETER_SHARED || p->kind == DSIM_PARAMETER_SHARED_LOG;
}

static void fill_fields(void)
{
    for (int i = 0; i < CELLS; i++) {
        const double x = -1.1 + 0.25 * (i / 72), y = -1 + 0.25 * (i / 8 % 9), z = -0.9 + 0.25 * (i % 8);
        cells[i] = (ds_real)(sqrt(x * x + y * y + z * z) - 0.6 + 0.01 * sin(5 * x + 3 * y - z));
    }
    for (int i = 0; i < HEIGHTS; i++) {
        heights[0][i] = (ds_real)(0.3 + 0.2 * sin(2.0 * i));
        heights[1][i] = (ds_real)(0.1 * cos(3.0 * i));
    }
}

/* one row has a logarithm, one a control for all, one a control for each */
static void grid_scene_sets(void)
{
    size_t k = 0, i;
    memset(grid_sets, 0, sizeof grid_sets);
    memset(grid_kinds, 0, sizeof grid_kinds);
    for (i = 0; i < COUNT(contacts); i++) {
        const ds_energy_type *const type = ds_energy_get_type(contacts[i]);
        if (!strncmp(type->name, "grid_", 5) && k < GRIDS) grid_sets[k++].type = type;
    }
    grid_sets[k].type = &ground;
    for (k = 0; k < GRID_SETS; k++) {
        grid_sets[k].n = k < GRIDS ? EACH : ON_GROUND;
        grid_sets[k].points = grid_points + k * EACH;
        grid_sets[k].parameters = grid_kinds[k];
        grid_sets[k].fields = grid_fields[k];
        grid_sets[k].n_fields = k < GRIDS ? 1 : 2;
        grid_fields[k][0].values = k < GRIDS ? cells : heights[0];
        grid_fields[k][1].values = heights[1];
        grid_fields[k][0].n = k < GRIDS ? CELLS : HEIGHTS;
        grid_fields[k][1].n = HEIGHTS;
        for (i = 0; i < MOST_NUMBERS; i++) grid_kinds[k][i].kind = DSIM_PARAMETER_PER_ELEMENT;
    }
    grid_kinds[1][0].kind = DSIM_PARAMETER_SHARED_LOG;
    grid_kinds[2][4].kind = DSIM_PARAMETER_SHARED;
    grid_kinds[2][4].from_control = 1;
    grid_kinds[4][0].from_control = 1;
    grid_kinds[4][0].control_at = 1;
    grid_kinds[GRIDS][0].kind = DSIM_PARAMETER_SHARED;
}

/* a place at a gap that all laws reach, not at the grid's border, one spacing inside, where slopes jump */
static void place_near_ball(ds_rng *rng, double *x)
{
    static const double border[2][3] = { { -0.85, -0.75, -0.65 }, { 0.9, 0.75, 0.6 } };
    int apart_from_it = 0;
    while (!apart_from_it) {
        double square = 0, r = 0.85 + 0.05 * (double)between(rng);
        for (int c = 0; c < 3; c++) x[c] = (double)between(rng) + 1e-3, square += x[c] * x[c];
        apart_from_it = 1;
        for (int c = 0; c < 3; c++) {
            x[c] *= r / sqrt(square);
            if (fmin(fabs(x[c] - border[0][c]), fabs(x[c] - border[1][c])) < 0.08) apart_from_it = 0;
        }
    }
}

static scene *grid_scene_make(size_t worlds)
{
    scene *const s = scene_of_points(COUNT(grid_points), worlds);
    ds_rng rng = ds_rng_make(5, 0);
    size_t i, c;
    s->on_fields = 1;
    fill_fields();
    grid_scene_sets();
    for (i = 0; i < s->n; i++) {
        const int stands = i >= GRIDS * EACH;
        double x[3];
        grid_points[i] = (int32_t)i;
        place_near_ball(&rng, x);
        for (c = 0; c < 3; c++)
            s->rest[3 * i + c] = (ds_real)(stands ? (double)(i - GRIDS * EACH) + 0.3 + 0.1 * x[c] : x[c]);
        s->mass[i] = (ds_real)0.5;
    }
    s->desc.n_sets = GRID_SETS;
    s->desc.sets = grid_sets;
    s->desc.n_control = 1 + EACH;
    return s;
}

/* >>numbers ---- */

/* all that a force depends on, one array behind the other: x, v, param, derived, control; then f */
enum { X, V, PARAM, DERIVED, CONTROL, F, ARRAYS };
static const char *const names[] = { "x", "v", "parameters", "constants and masses", "controls" };
typedef struct numbers { ds_real *at[ARRAYS]; size_t n[ARRAYS]; } numbers;

static numbers numbers_make(const ds_system *s)
{
    numbers r;
    r.n[X] = r.n[V] = r.n[F] = s->n;
    r.n[PARAM] = s->n_param;
    r.n[DERIVED] = s->n_derived;
    r.n[CONTROL] = s->n_control;
    for (size_t i = 0; i < ARRAYS; i++) {
        r.at[i] = (ds_real *)calloc(r.n[i] + 1, sizeof(ds_real));
        if (!r.at[i]) abort();
    }
    return r;
}
static void numbers_free(numbers *r)
{
    for (size_t i = 0; i < ARRAYS; i++) free(r->at[i]);
}
static void numbers_random(numbers *r, uint64_t seed)
{
    ds_rng rng = ds_rng_make(seed, 0);
    for (size_t i = 0; i < ARRAYS; i++)
        for (size_t k = 0; k < r->n[i]; k++) r->at[i][k] = between(&rng);
}

static ds_system_io io_of(const numbers *r)
{
    ds_system_io io;
    memset(&io, 0, sizeof io);
    io.x = r->at[X];
    io.v = r->at[V];
    io.param = r->at[PARAM];
    io.derived = r->at[DERIVED];
    io.control = r->at[CONTROL];
    return io;
}
static ds_system_dot dot_of(const numbers *r)
{
    ds_system_dot dot;
    dot.x_dot = r->at[X];
    dot.v_dot = r->at[V];
    dot.param_dot = r->at[PARAM];
    dot.derived_dot = r->at[DERIVED];
    dot.control_dot = r->at[CONTROL];
    return dot;
}
static ds_system_bar bar_of(const numbers *r)
{
    ds_system_bar bar;
    bar.x_bar = r->at[X];
    bar.v_bar = r->at[V];
    bar.param_bar = r->at[PARAM];
    bar.derived_bar = r->at[DERIVED];
    bar.control_bar = r->at[CONTROL];
    return bar;
}

/* numbers of the table in place of random ones; where each world has its own they differ */
static void grid_scene_numbers(const scene *s, const ds_energies *e, numbers *r)
{
    const size_t W = s->worlds, P = s->desc.worlds_have_params ? W : 1;
    for (size_t k = 0; k < GRID_SETS; k++)
        for (size_t i = 0; i < grid_sets[k].type->n_parameters; i++) {
            const ds_energy_parameter *const p = grid_kinds[k] + i;
            const size_t n = is_shared(p) ? 1 : grid_sets[k].n, w = p->from_control ? W : P;
            ds_real *const to = p->from_control ? r->at[CONTROL] + p->control_at * W
                                                : r->at[PARAM] + ds_energies_param_at(e, k, i);
            const double number = scene_number(grid_sets[k].type, i);
            const int is_count = grid_sets[k].type != &ground && i > 6 && i < 10;
            for (size_t j = 0; j < n * w; j++) {
                const double own = is_count ? number : number * (1 + 0.002 * (double)(j % w));
                to[j] = (ds_real)(is_logarithm(p->kind) ? log(own) : own);
            }
        }
}

static size_t vector_at(const scene *s, size_t i, size_t c, size_t w)
{
    return s->worlds > 1 ? c * s->n * s->worlds + i * s->worlds + w : 3 * i + c;
}

/* a cloth that moves a little around its rest; logs of stiffnesses; worlds differ */
static void scene_numbers(const scene *s, const ds_energies *e, const ds_system *system, numbers *r)
{
    const size_t W = s->worlds ? s->worlds : 1, rest_at = ds_energies_rest_at(e);
    const size_t P = s->desc.worlds_have_params ? W : 1;
    numbers_random(r, 3);
    for (size_t i = 0; i < s->n; i++)
        for (size_t c = 0; c < 3; c++) {
            for (size_t w = 0; w < W; w++)
                r->at[X][vector_at(s, i, c, w)] = s->rest[3 * i + c] + r->at[X][vector_at(s, i, c, w)] / 4;
            for (size_t w = 0; rest_at != (size_t)-1 && w < P; w++)
                r->at[PARAM][rest_at + (P > 1 ? vector_at(s, i, c, w) : 3 * i + c)] = s->rest[3 * i + c];
        }
    if (s->on_fields) {
        grid_scene_numbers(s, e, r);
        for (size_t k = 0; k < s->n * 3 * W; k++) /* a little less: gaps stay within reach */
            r->at[X][k] = s->rest[W > 1 ? 3 * (k / W % s->n) + k / W / s->n : k] + r->at[V][k] / 50;
    }
    TAP_OK(!system->derive(system->user, r->at[PARAM], r->at[DERIVED]), "derived numbers, %d worlds", (int)W);
    if (ds_energies_error(e)->code) tap_diag("%s", ds_energies_error(e)->text);
}

static ds_energies *energies_make(const ds_energies_desc *desc)
{
    ds_energies *const e = ds_energies_create(desc);
    if (!TAP_OK(ds_energies_system(e), "energies are made")) tap_diag("%s", ds_energies_error(e)->text);
    return e;
}

/* >>by hand ---- */

typedef struct vec { double x[3]; } vec;
static vec vec_of(const ds_real *x, int32_t i)
{
    vec r;
    for (int c = 0; c < 3; c++) r.x[c] = (double)x[3 * i + c];
    return r;
}
static vec combine(double s, vec a, double t, vec b)
{
    for (int c = 0; c < 3; c++) a.x[c] = s * a.x[c] + t * b.x[c];
    return a;
}
static double dot3(vec a, vec b) { return a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2]; }
static vec cross3(vec a, vec b)
{
    vec r;
    for (int c = 0; c < 3; c++)
        r.x[c] = a.x[(c + 1) % 3] * b.x[(c + 2) % 3] - a.x[(c + 2) % 3] * b.x[(c + 1) % 3];
    return r;
}
static void push_on(double *f, int32_t i, double s, vec a)
{
    for (int c = 0; c < 3; c++) f[3 * i + c] += s * a.x[c];
}

static double spring_by_hand(const int32_t *p, const ds_real *x, double stiffness, double length, double *f)
{
    const vec d = combine(1, vec_of(x, p[1]), -1, vec_of(x, p[0]));
    const double l = sqrt(dot3(d, d)), pull = stiffness * (l - length) / l;
    push_on(f, p[0], pull, d);
    push_on(f, p[1], -pull, d);
    return stiffness * (l - length) * (l - length) / 2;
}

typedef struct sheet_numbers { double stiffness, growth, damping, pressure; } sheet_numbers;
static double sheet_by_hand(const int32_t *p, const ds_real *rest, const numbers *r, sheet_numbers k,
                            double *f)
{
    const ds_real *const x = r->at[X], *const v = r->at[V];
    const vec A = combine(1, vec_of(rest, p[1]), -1, vec_of(rest, p[0]));
    const vec B = combine(1, vec_of(rest, p[2]), -1, vec_of(rest, p[0]));
    const vec a = combine(1, vec_of(x, p[1]), -1, vec_of(x, p[0]));
    const vec b = combine(1, vec_of(x, p[2]), -1, vec_of(x, p[0]));
    const vec v1 = combine(1, vec_of(v, p[1]), -1, vec_of(v, p[0]));
    const vec v2 = combine(1, vec_of(v, p[2]), -1, vec_of(v, p[0]));
    const double area = cross3(A, B).x[2] / 2;
    const double stretch = dot3(a, a) - k.growth * dot3(A, A), shear = dot3(a, b) - k.growth * dot3(A, B);
    const vec by_a = combine(2 * stretch, a, shear, b);
    const vec f1 = combine(-k.stiffness * area, by_a, -k.damping * area, v1);
    const vec f2 = combine(-k.stiffness * area * shear, a, -k.damping * area, v2);
    push_on(f, p[1], 1, f1);
    push_on(f, p[2], 1, f2);
    push_on(f, p[0], -1, combine(1, f1, 1, f2));
    for (int i = 0; i < 3; i++) {
        const vec vi = vec_of(v, p[i]);
        push_on(f, p[i], k.pressure / 6, cross3(a, b));
        push_on(f, p[i], -k.damping / 8 * dot3(vi, vi), vi);
    }
    return k.stiffness * area / 2 * (stretch * stretch + shear * shear);
}

/* forces f [n], masses [n_points]; the energy */
static double scene_by_hand(const scene *s, const ds_energies *e, const numbers *r, double *f, double *mass)
{
    const ds_real *const param = r->at[PARAM], *const control = r->at[CONTROL];
    const ds_real *const rest =
        ds_energies_rest_at(e) == (size_t)-1 ? s->rest : param + ds_energies_rest_at(e);
    double energy = 0;
    size_t k, i;
    memset(f, 0, r->n[F] * sizeof *f);
    for (i = 0; i < s->n; i++) mass[i] = (double)s->mass[i];
    for (k = 0; k < s->n_springs; k++) {
        const double shared = exp((double)param[ds_energies_param_at(e, SPRINGS, 0)]);
        const double own = exp((double)param[ds_energies_param_at(e, MUSCLES, 0) + k]);
        const double length = (double)param[ds_energies_param_at(e, SPRINGS, 1) + k];
        energy += spring_by_hand(s->springs + 2 * k, r->at[X], shared, length, f);
        energy += spring_by_hand(s->muscles + 2 * k, r->at[X], own, (double)control[1 + k], f);
    }
    for (k = 0; k < s->n_sheets; k++) {
        const int32_t *const p = s->sheets + 3 * k;
        const vec A = combine(1, vec_of(rest, p[1]), -1, vec_of(rest, p[0]));
        const vec B = combine(1, vec_of(rest, p[2]), -1, vec_of(rest, p[0]));
        sheet_numbers q;
        q.stiffness = (double)param[ds_energies_param_at(e, SHEETS, 0)];
        q.growth = (double)param[ds_energies_param_at(e, SHEETS, 1) + k];
        q.damping = exp((double)param[ds_energies_param_at(e, SHEETS, 2) + k]);
        q.pressure = (double)control[0];
        energy += sheet_by_hand(p, rest, r, q, f);
        for (i = 0; i < 3; i++)
            mass[p[i]] +=
                exp((double)param[ds_energies_param_at(e, SHEETS, 4) + k]) * cross3(A, B).x[2] / 2 / 3;
    }
    return energy;
}

static void test_by_hand(int rest_is_param)
{
    scene *const s = scene_make(5, 1);
    ds_energies *e;
    const ds_system *system;
    numbers r;
    double f[75], mass[25], energy = 0, want, miss = 0, size = 0, mass_miss = 0;
    s->desc.rest_is_param = rest_is_param;
    e = energies_make(&s->desc);
    system = ds_energies_system(e);
    r = numbers_make(system);
    scene_numbers(s, e, system, &r);
    want = scene_by_hand(s, e, &r, f, mass);
    {
        const ds_system_io io = io_of(&r);
        TAP_OK(!system->force(system->user, &io, r.at[F]) && !system->energy(system->user, &io, &energy),
               "force and energy");
    }
    for (size_t i = 0; i < 75; i++) {
        const double inverse = (double)r.at[DERIVED][system->inverse_mass_at + i];
        miss = fmax(miss, fabs(f[i] - (double)r.at[F][i]));
        size = fmax(size, fabs(f[i]));
        mass_miss = fmax(mass_miss, fabs(inverse - (i / 3 == 1 ? 0 : 1 / mass[i / 3])));
    }
    TAP_OK(miss <= tight * size, "the force is that of hand-made gradients: off by %.2g of %.2g", miss, size);
    TAP_NEAR(energy, want, tight, "the energy");
    TAP_OK(mass_miss < tight, "inverse masses: off by %.2g", mass_miss);
    TAP_OK(!system->inverse_mass && system->acceleration && system->acceleration[1] < -9,
           "masses are derived, the acceleration is there");
    numbers_free(&r);
    ds_energies_destroy(e);
    scene_free(s);
}

/* >>derivatives ---- */

static double inner(const ds_real *a, const ds_real *b, size_t n, double *size)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
        *size += fabs((double)a[i] * (double)b[i]);
    }
    return sum;
}

/* <f_bar, f_dot> = <bars, dots>, of each input alone; and the tangent is a difference quotient, by h */
static void check_force(const ds_system *s, numbers *r, double h, const char *scene_name)
{
    numbers bars = numbers_make(s), dots = numbers_make(s), only = numbers_make(s), up = numbers_make(s);
    const ds_system_io io = io_of(r), io_up = io_of(&up);
    const ds_system_bar bar = bar_of(&bars);
    const ds_system_dot dot = dot_of(&only);
    ds_real *const f_bar = (ds_real *)calloc(s->n, sizeof *f_bar);
    numbers_random(&dots, 17);
    memcpy(f_bar, dots.at[F], s->n * sizeof *f_bar);
    TAP_OK(!s->force_vjp(s->user, &io, f_bar, &bar), "%s: vjp", scene_name);
    {   /* what is not wanted does not change the rest; adjoints add: 1 + bar */
        double miss = 0;
        ds_system_bar some = bar_of(&up);
        some.param_bar = some.derived_bar = NULL;
        for (size_t i = 0; i < F; i++)
            for (size_t k = 0; k < up.n[i]; k++) up.at[i][k] = 1;
        TAP_OK(!s->force_vjp(s->user, &io, f_bar, &some), "%s: vjp of state and controls", scene_name);
        for (size_t i = 0; i < F; i++)
            for (size_t k = 0; k < up.n[i]; k++) {
                const double want = i == PARAM || i == DERIVED ? 1 : 1 + (double)bars.at[i][k];
                miss = fmax(miss, fabs((double)up.at[i][k] - want) / (1 + fabs(want)));
            }
        TAP_OK(miss <= 10 * tight, "%s: the same as with all others: off by %.2g", scene_name, miss);
        some.x_bar = some.v_bar = NULL;
        some.control_bar = NULL;
        some.param_bar = up.at[PARAM];
        TAP_OK(!s->force_vjp(s->user, &io, f_bar, &some), "%s: vjp of parameters alone", scene_name);
        for (size_t k = 0; k < up.n[PARAM]; k++)
            miss = fmax(miss, fabs((double)up.at[PARAM][k] - 1 - (double)bars.at[PARAM][k]));
        TAP_OK(miss <= 20 * tight, "%s: they gain the same: off by %.2g", scene_name, miss);
    }
    for (size_t i = 0; i < F; i++) {
        double left, right, size = 0, miss = 0, moved = 0;
        for (size_t k = 0; k < F; k++) memset(only.at[k], 0, only.n[k] * sizeof(ds_real));
        memcpy(only.at[i], dots.at[i], dots.n[i] * sizeof(ds_real));
        if (s->force_jvp(s->user, &io, &dot, only.at[F])) TAP_OK(0, "jvp");
        left = inner(f_bar, only.at[F], s->n, &size);
        right = inner(bars.at[i], dots.at[i], dots.n[i], &size);
        TAP_OK(fabs(left - right) <= tight * size && size > 0,
               "%s: <f_bar, f_dot> = <bar, dot> by %s: off by %.2g", scene_name, names[i],
               fabs(left - right) / size);
        for (int sign = -1; sign <= 1; sign += 2) {
            for (size_t k = 0; k < F; k++) memcpy(up.at[k], r->at[k], r->n[k] * sizeof(ds_real));
            for (size_t k = 0; k < r->n[i]; k++) up.at[i][k] += (ds_real)(sign * h) * dots.at[i][k];
            if (s->force(s->user, &io_up, up.at[F])) TAP_OK(0, "force");
            for (size_t k = 0; k < s->n; k++) only.at[F][k] -= (ds_real)(sign / (2 * h)) * up.at[F][k];
        }
        for (size_t k = 0; k < s->n; k++) {
            miss = fmax(miss, fabs((double)only.at[F][k]));
            moved = fmax(moved, fabs((double)up.at[F][k]));
        }
        TAP_OK(miss < (sizeof(ds_real) == 4 ? 2e-2 : 1e-7) * moved,
               "%s: the tangent by %s is a quotient: off by %.2g of %.2g", scene_name, names[i], miss, moved);
    }
    free(f_bar);
    numbers_free(&bars);
    numbers_free(&dots);
    numbers_free(&only);
    numbers_free(&up);
}

/* the same of derived numbers */
static void check_derive(const ds_system *s, numbers *r, const char *scene_name)
{
    numbers bars = numbers_make(s), dots = numbers_make(s), up = numbers_make(s), kept = numbers_make(s);
    const double h = sizeof(ds_real) == 4 ? 1e-2 : 1e-5;
    double left, right, size = 0, miss = 0;
    numbers_random(&dots, 29);
    memcpy(bars.at[DERIVED], dots.at[DERIVED], s->n_derived * sizeof(ds_real));
    memcpy(kept.at[DERIVED], dots.at[DERIVED], s->n_derived * sizeof(ds_real));
    for (size_t k = 0; k < s->n_param; k++) bars.at[PARAM][k] = 2;
    TAP_OK(!s->derive_vjp(s->user, r->at[PARAM], r->at[DERIVED], bars.at[DERIVED], bars.at[PARAM]) &&
               !s->derive_jvp(s->user, r->at[PARAM], r->at[DERIVED], dots.at[PARAM], dots.at[DERIVED]),
           "%s: derivatives of derived numbers", scene_name);
    for (size_t k = 0; k < s->n_param; k++) bars.at[PARAM][k] -= 2; /* adjoints add */
    TAP_OK(!memcmp(bars.at[DERIVED], kept.at[DERIVED], s->n_derived * sizeof(ds_real)),
           "%s: adjoints of derived numbers stay as they are", scene_name);
    left = inner(bars.at[DERIVED], dots.at[DERIVED], s->n_derived, &size);
    right = inner(bars.at[PARAM], dots.at[PARAM], s->n_param, &size);
    TAP_OK(fabs(left - right) <= 10 * tight * size && size > 0,
           "%s: <derived_bar, derived_dot> = <bar, dot>: off by %.2g", scene_name, fabs(left - right) / size);
    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t k = 0; k < s->n_param; k++)
            up.at[PARAM][k] = r->at[PARAM][k] + (ds_real)(sign * h) * dots.at[PARAM][k];
        if (s->derive(s->user, up.at[PARAM], up.at[DERIVED])) TAP_OK(0, "derive");
        for (size_t k = 0; k < s->n_derived; k++)
            dots.at[DERIVED][k] -= (ds_real)(sign / (2 * h)) * up.at[DERIVED][k];
    }
    for (size_t k = 0; k < s->n_derived; k++) miss = fmax(miss, fabs((double)dots.at[DERIVED][k]));
    TAP_OK(miss < (sizeof(ds_real) == 4 ? 1e-2 : 1e-8),
           "%s: the tangent of derived numbers is a quotient: off by %.2g", scene_name, miss);
    numbers_free(&bars);
    numbers_free(&dots);
    numbers_free(&up);
    numbers_free(&kept);
}

static const struct { const char *name; size_t worlds; int have_params, rest_is_param; } variants[] = {
    { "one world", 1, 0, 0 }, { "one world, rest as parameters", 1, 0, 1 },
    { "3 worlds, one set of parameters", 3, 0, 0 }, { "3 worlds, one set, rest as parameters", 3, 0, 1 },
    { "3 worlds with parameters", 3, 1, 0 }, { "16 worlds with all parameters", 16, 1, 1 } };

static void test_derivatives(int on_fields)
{
    for (size_t i = 0; i < COUNT(variants); i++) {
        const size_t worlds = variants[i].worlds;
        scene *const s = on_fields ? grid_scene_make(worlds) : scene_make(4, worlds);
        ds_energies *e;
        numbers r;
        s->desc.worlds_have_params = variants[i].have_params;
        s->desc.rest_is_param = variants[i].rest_is_param;
        e = energies_make(&s->desc);
        r = numbers_make(ds_energies_system(e));
        scene_numbers(s, e, ds_energies_system(e), &r);
        check_force(ds_energies_system(e), &r, is_float ? on_fields ? 5e-4 : 1e-2 : on_fields ? 1e-6 : 1e-5,
                    variants[i].name);
        check_derive(ds_energies_system(e), &r, variants[i].name);
        numbers_free(&r);
        ds_energies_destroy(e);
        scene_free(s);
    }
}

/* >>worlds ---- */

/* numbers of world w, as one alone has them; back: the other way round */
static void take_world(const scene *s, const ds_energies *e, const ds_system *many, const numbers *from,
                       size_t w, numbers *to)
{
    const size_t W = s->worlds, P = s->desc.worlds_have_params ? W : 1, at = P > 1 ? w : 0;
    const size_t rest = ds_energies_rest_at(e), mass = many->inverse_mass_at;
    const size_t n_param = rest == (size_t)-1 ? to->n[PARAM] : rest / P;
    for (size_t i = 0; i < s->n; i++)
        for (size_t c = 0; c < 3; c++) {
            const size_t a = vector_at(s, i, c, w), b = 3 * i + c;
            to->at[X][b] = from->at[X][a];
            to->at[V][b] = from->at[V][a];
            to->at[F][b] = from->at[F][a];
            to->at[DERIVED][mass / P + b] = from->at[DERIVED][mass + a];
            if (rest != (size_t)-1) to->at[PARAM][rest / P + b] = from->at[PARAM][rest + (P > 1 ? a : b)];
        }
    for (size_t k = 0; k < n_param; k++) to->at[PARAM][k] = from->at[PARAM][k * P + at];
    for (size_t k = 0; k < mass / P; k++) to->at[DERIVED][k] = from->at[DERIVED][k * P + at];
    for (size_t k = 0; k < to->n[CONTROL]; k++) to->at[CONTROL][k] = from->at[CONTROL][k * W + w];
}

/* force, and all adjoints of one random f_bar (in bars.at[F]), and tangents (in dots, dots.at[F]) */
static int all_of(const ds_system *s, numbers *r, numbers *bars, numbers *dots)
{
    const ds_system_io io = io_of(r);
    const ds_system_bar bar = bar_of(bars);
    const ds_system_dot dot = dot_of(dots);
    int bad = s->force(s->user, &io, r->at[F]) || s->force_vjp(s->user, &io, bars->at[F], &bar) ||
              s->force_jvp(s->user, &io, &dot, dots->at[F]);
    if (bad) return bad;
    bad = s->derive_vjp(s->user, r->at[PARAM], r->at[DERIVED], bars->at[DERIVED], bars->at[PARAM]) != DSIM_OK;
    return bad || s->derive_jvp(s->user, r->at[PARAM], r->at[DERIVED], dots->at[PARAM], dots->at[DERIVED]);
}

static int same_numbers(const numbers *a, const numbers *b, size_t which)
{
    return !memcmp(a->at[which], b->at[which], a->n[which] * sizeof(ds_real));
}

/* Long sums go in another order: adjoints of shared numbers are near, and made the same. */
static int shared_are_near(const scene *s, const ds_energies *e, const numbers *b1, numbers *bw)
{
    int near = 1;
    for (size_t k = 0; k < s->desc.n_sets; k++)
        for (size_t i = 0; i < s->desc.sets[k].type->n_parameters; i++) {
            const ds_energy_parameter *const p = s->desc.sets[k].parameters + i;
            const size_t space = p->from_control ? CONTROL : PARAM;
            const size_t at = p->from_control ? p->control_at : ds_energies_param_at(e, k, i);
            ds_real *const got = bw->at[space] + at;
            const double want = (double)b1->at[space][at];
            if (!is_shared(p) || (space == PARAM && !s->desc.worlds_have_params)) continue;
            near &= fabs((double)*got - want) <= tight * (1 + fabs(want));
            *got = b1->at[space][at];
        }
    return near;
}

static void test_worlds(scene *s, scene *alone, int have_params, int rest_is_param)
{
    const size_t worlds = s->worlds;
    ds_energies *e, *one;
    const ds_system *many, *single;
    numbers r, bars, dots, r1, b1, d1, rw, bw, dw;
    size_t same[7] = { 0, 0, 0, 0, 0, 0, 0 };
    double sum = 0, energy = 0, each;
    s->desc.worlds_have_params = have_params;
    s->desc.rest_is_param = alone->desc.rest_is_param = rest_is_param;
    e = energies_make(&s->desc);
    one = energies_make(&alone->desc);
    many = ds_energies_system(e);
    single = ds_energies_system(one);
    r = numbers_make(many), bars = numbers_make(many), dots = numbers_make(many);
    r1 = numbers_make(single), b1 = numbers_make(single), d1 = numbers_make(single);
    rw = numbers_make(single), bw = numbers_make(single), dw = numbers_make(single);
    scene_numbers(s, e, many, &r);
    numbers_random(&dots, 41);
    memcpy(bars.at[F], dots.at[F], many->n * sizeof(ds_real));
    for (size_t w = 0; w < worlds; w++) {
        const ds_system_io io = io_of(&r1);
        take_world(s, e, many, &r, w, &r1);
        if (single->energy(single->user, &io, &each)) TAP_OK(0, "energy");
        sum += each;
    }
    {
        const ds_system_io io = io_of(&r);
        if (many->energy(many->user, &io, &energy)) TAP_OK(0, "energy");
    }
    TAP_OK(fabs(energy - sum) <= tight * fabs(sum), "%d worlds: the energy is that of all", (int)worlds);
    {
        const ds_system_io io = io_of(&r), io1 = io_of(&r1);
        double of_each[64], last = 0;
        take_world(s, e, many, &r, worlds - 1, &r1);
        TAP_OK(!ds_energies_energy(e, &io, of_each) && !single->energy(single->user, &io1, &last),
               "%d worlds: the energy of each", (int)worlds);
        TAP_NEAR(of_each[worlds - 1], last, tight, "%d worlds: that of the last", (int)worlds);
    }
    if (all_of(many, &r, &bars, &dots)) TAP_OK(0, "%s", ds_energies_error(e)->text);
    for (size_t w = 0; w < worlds; w++) {
        take_world(s, e, many, &r, w, &rw);
        take_world(s, e, many, &bars, w, &bw);
        take_world(s, e, many, &dots, w, &dw);
        for (size_t k = 0; k < ARRAYS; k++) {
            memcpy(r1.at[k], rw.at[k], rw.n[k] * sizeof(ds_real));
            memcpy(d1.at[k], dw.at[k], dw.n[k] * sizeof(ds_real));
            memset(b1.at[k], 0, b1.n[k] * sizeof(ds_real));
        }
        memcpy(b1.at[F], bw.at[F], bw.n[F] * sizeof(ds_real));
        {   /* tangents of derived numbers were replaced by those of derive */
            numbers was = numbers_make(many);
            numbers_random(&was, 41);
            take_world(s, e, many, &was, w, &d1);
            numbers_free(&was);
        }
        if (single->derive(single->user, r1.at[PARAM], r1.at[DERIVED]) || all_of(single, &r1, &b1, &d1))
            TAP_OK(0, "%s", ds_energies_error(one)->text);
        same[6] += (size_t)shared_are_near(s, one, &b1, &bw);
        same[0] += (size_t)(same_numbers(&r1, &rw, F) && same_numbers(&r1, &rw, DERIVED));
        same[1] += (size_t)(same_numbers(&b1, &bw, X) && same_numbers(&b1, &bw, V));
        same[2] += (size_t)same_numbers(&b1, &bw, CONTROL);
        same[3] += (size_t)(!have_params || same_numbers(&b1, &bw, PARAM));
        same[4] += (size_t)same_numbers(&d1, &dw, F);
        same[5] += (size_t)same_numbers(&d1, &dw, DERIVED);
    }
    TAP_OK(same[6] == worlds, "%d worlds: adjoints of shared numbers are near", (int)worlds);
    for (size_t k = 0; k < 6; k++)
        TAP_OK(same[k] == worlds, "%d worlds%s: %s have the bits of one alone", (int)worlds,
               have_params ? " with parameters" : "",
               k == 0 ? "forces and derived numbers" : k == 1 ? "adjoints of x and v"
               : k == 2 ? "adjoints of controls" : k == 3 ? "adjoints of parameters"
               : k == 4 ? "tangents of forces" : "tangents of derived numbers");
    {
        numbers *const all[] = { &r, &bars, &dots, &r1, &b1, &d1, &rw, &bw, &dw };
        for (size_t k = 0; k < COUNT(all); k++) numbers_free(all[k]);
    }
    ds_energies_destroy(e);
    ds_energies_destroy(one);
    scene_free(s);
    scene_free(alone);
}

/* >>second derivatives ---- */

/* out = K dx from the blocks of a world */
static void multiply(const scene *s, const ds_block_pattern *p, const ds_real *values, size_t w,
                     const ds_real *dx, double *out)
{
    memset(out, 0, 3 * p->n * sizeof *out);
    for (size_t i = 0; i < p->n; i++)
        for (size_t b = p->row[i]; b < p->row[i + 1]; b++) {
            const size_t j = (size_t)p->column[b];
            for (size_t r = 0; r < 3; r++)
                for (size_t c = 0; c < 3; c++) {
                    const double k = (double)values[9 * (w * p->n_blocks + b) + 3 * r + c];
                    out[3 * i + r] += k * (double)dx[vector_at(s, j, c, w)];
                    if (j != i) out[3 * j + c] += k * (double)dx[vector_at(s, i, r, w)];
                }
        }
}

/* elements one by one, into a dense matrix [3 n_points][3 n_points] of a world, and their gradients */
static int add_elements(const scene *s, ds_energies *e, const ds_system_io *io, size_t w, double *dense,
                        double *gradient)
{
    const size_t n = 3 * s->n;
    int bad = 0;
    for (size_t k = 0; k < SETS; k++)
        for (size_t i = 0; i < s->sets[k].n; i++) {
            const size_t m = s->sets[k].type->n_points;
            const int32_t *const p = s->sets[k].points + i * m;
            ds_real g[9], h[81];
            bad |= ds_energies_element(e, io, k, i, w, g, h) != DSIM_OK;
            for (size_t a = 0; a < 3 * m; a++) {
                gradient[3 * (size_t)p[a / 3] + a % 3] += (double)g[a];
                for (size_t b = 0; b < 3 * m; b++)
                    dense[(3 * (size_t)p[a / 3] + a % 3) * n + 3 * (size_t)p[b / 3] + b % 3] +=
                        (double)h[a * 3 * m + b];
            }
        }
    return bad;
}

static void test_hessian(size_t side, size_t worlds)
{
    scene *const s = scene_make(side, worlds);
    const size_t n = 3 * s->n, w = worlds - 1;
    ds_energies *e;
    const ds_system *system;
    const ds_block_pattern *p;
    numbers r, d, moved;
    ds_real *values;
    double *dense = (double *)calloc(n * n + 2 * n, sizeof *dense);
    double *const gradient = dense + n * n, *const by_blocks = gradient + n;
    double miss[5] = { 0, 0, 0, 0, 0 }, size = 0, h = sizeof(ds_real) == 4 ? 1e-2 : 1e-5;
    int ascends = 1, bad = 0;
    s->desc.hessian = 1;
    e = energies_make(&s->desc);
    system = ds_energies_system(e);
    r = numbers_make(system), d = numbers_make(system), moved = numbers_make(system);
    scene_numbers(s, e, system, &r);
    numbers_random(&d, 23);
    p = ds_energies_pattern(e);
    if (!TAP_OK(p && p->n == s->n && dense, "there is a pattern")) return;
    for (size_t i = 0; i < p->n; i++) {
        ascends &= (size_t)p->column[p->row[i]] == i;
        for (size_t b = p->row[i] + 1; b < p->row[i + 1]; b++) ascends &= p->column[b - 1] < p->column[b];
    }
    /* edges along both axes and one diagonal of each cell */
    TAP_OK(ascends && p->n_blocks == s->n + 2 * s->n_springs + s->n_sheets / 2 && p->row[p->n] == p->n_blocks,
           "%d blocks, each once, ascending from the diagonal", (int)p->n_blocks);
    values = (ds_real *)calloc(9 * p->n_blocks * worlds, sizeof *values);
    {
        const ds_system_io io = io_of(&r);
        ds_system_io io_moved = io;
        io_moved.x = moved.at[X];
        TAP_OK(!ds_energies_hessian(e, &io, values) && !ds_energies_hessian_product(e, &io, d.at[X], d.at[F]),
               "Hessian and product");
        TAP_OK(!add_elements(s, e, &io, w, dense, gradient), "each element");
        multiply(s, p, values, w, d.at[X], by_blocks);
        for (size_t i = 0; i < n; i++) {
            const size_t at = vector_at(s, i / 3, i % 3, w);
            double by_elements = 0;
            for (size_t j = 0; j < n; j++) {
                by_elements += dense[i * n + j] * (double)d.at[X][vector_at(s, j / 3, j % 3, w)];
                miss[2] = fmax(miss[2], fabs(dense[i * n + j] - dense[j * n + i]));
            }
            miss[0] = fmax(miss[0], fabs(by_blocks[i] - (double)d.at[F][at]));
            miss[1] = fmax(miss[1], fabs(by_blocks[i] - by_elements));
            size = fmax(size, fabs(by_blocks[i]));
        }
        /* forces of the energy alone: without velocity and pressure, the force is minus the gradient */
        memset(r.at[V], 0, r.n[V] * sizeof(ds_real));
        memset(r.at[CONTROL], 0, worlds * sizeof(ds_real));
        memset(by_blocks, 0, n * sizeof *by_blocks);
        for (int sign = -1; sign <= 1; sign += 2) {
            for (size_t i = 0; i < r.n[X]; i++)
                moved.at[X][i] = r.at[X][i] + (ds_real)(sign * h) * d.at[X][i];
            bad |= system->force(system->user, &io_moved, moved.at[F]) != DSIM_OK;
            for (size_t i = 0; i < n; i++)
                by_blocks[i] -= sign / (2 * h) * (double)moved.at[F][vector_at(s, i / 3, i % 3, w)];
        }
        bad |= system->force(system->user, &io, r.at[F]) != DSIM_OK;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t at = vector_at(s, i / 3, i % 3, w);
        miss[3] = fmax(miss[3], fabs(by_blocks[i] - (double)d.at[F][at]));
        miss[4] = fmax(miss[4], fabs(gradient[i] + (double)r.at[F][at]));
    }
    TAP_OK(miss[0] <= tight * size && size > 1, "world %d: blocks and product: off by %.2g", (int)w, miss[0]);
    TAP_OK(miss[1] <= tight * size, "world %d: blocks and elements: off by %.2g", (int)w, miss[1]);
    TAP_OK(miss[2] <= 0, "world %d: it is symmetric: off by %.2g", (int)w, miss[2]);
    TAP_OK(!bad && miss[3] <= (sizeof(ds_real) == 4 ? 2e-2 : 1e-7) * size,
           "world %d: a quotient of forces: off by %.2g", (int)w, miss[3]);
    TAP_OK(miss[4] <= tight * size, "world %d: gradients of elements sum up to minus the force: off by %.2g",
           (int)w, miss[4]);
    free(dense);
    free(values);
    numbers_free(&r);
    numbers_free(&d);
    numbers_free(&moved);
    ds_energies_destroy(e);
    scene_free(s);
}

/* >>memory and threads ---- */

/* forces, adjoints, tangents, energy, derived numbers, Hessian of a scene; a hash of all of it */
static ds_result run_scene(const scene *s, ds_energies *e, uint64_t *hash, size_t times, meter *m,
                           size_t *calls)
{
    const ds_system *const system = ds_energies_system(e);
    const ds_block_pattern *const p = ds_energies_pattern(e);
    ds_result result = ds_energies_error(e)->code;
    numbers r, bars, dots;
    ds_real *values;
    if (!system) return result;
    values = (ds_real *)calloc(9 * p->n_blocks * s->worlds, sizeof *values);
    r = numbers_make(system), bars = numbers_make(system), dots = numbers_make(system);
    numbers_random(&r, 3);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < 3 * s->worlds; k++)
            r.at[X][vector_at(s, i, k % 3, k / 3)] += s->rest[3 * i + k % 3];
    for (*hash = 0; times-- > 0 && !result;) {
        const ds_system_io io = io_of(&r);
        double energy = 0;
        if (calls && m) *calls = m->calls;
        numbers_random(&dots, 8);
        memset(bars.at[X], 0, bars.n[X] * sizeof(ds_real));
        memset(bars.at[PARAM], 0, bars.n[PARAM] * sizeof(ds_real));
        memset(bars.at[CONTROL], 0, bars.n[CONTROL] * sizeof(ds_real));
        memset(bars.at[V], 0, bars.n[V] * sizeof(ds_real));
        memset(bars.at[DERIVED], 0, bars.n[DERIVED] * sizeof(ds_real));
        memcpy(bars.at[F], dots.at[F], dots.n[F] * sizeof(ds_real));
        result = system->derive(system->user, r.at[PARAM], r.at[DERIVED]);
        if (!result && all_of(system, &r, &bars, &dots)) result = ds_energies_error(e)->code;
        if (!result) result = system->energy(system->user, &io, &energy);
        if (!result) result = ds_energies_hessian(e, &io, values);
        if (!result) result = ds_energies_hessian_product(e, &io, dots.at[X], dots.at[F]);
        *hash = ds_hash_reals(values, 9 * p->n_blocks * s->worlds, *hash);
        for (size_t i = 0; i < ARRAYS; i++) {
            *hash = ds_hash_reals(r.at[i], r.n[i], *hash);
            *hash = ds_hash_reals(bars.at[i], bars.n[i], *hash);
            *hash = ds_hash_reals(dots.at[i], dots.n[i], *hash);
        }
        *hash = ds_hash_bytes(&energy, sizeof energy, *hash);
    }
    free(values);
    numbers_free(&r);
    numbers_free(&bars);
    numbers_free(&dots);
    return result;
}

static void test_memory(void)
{
    scene *const s = scene_make(3, 2);
    meter m;
    uint64_t hash, want = 0;
    size_t calls = 0, points = 0, k;
    ds_energies *e;
    s->desc.hessian = 1;
    s->desc.worlds_have_params = 1;
    s->desc.runner.allocator = meter_allocator(&m);
    e = energies_make(&s->desc);
    TAP_OK(!run_scene(s, e, &want, 3, &m, &calls) && calls == m.calls,
           "after the first calls nothing is allocated");
    ds_energies_destroy(e);
    TAP_OK(!m.live, "nothing leaks");
    for (int for_good = 0; for_good < 2; for_good++) {
        int named = 1, clean = 1, done = 0;
        for (k = 1, points = 0; k < 20000 && !done; k += 1 + k / 64) {
            ds_result result;
            s->desc.runner.allocator = meter_allocator(&m);
            m.fail_at = k;
            m.for_good = for_good;
            e = ds_energies_create(&s->desc);
            result = e ? run_scene(s, e, &hash, 1, NULL, NULL) : DSIM_ERROR_MEMORY;
            done = m.calls < k;
            if (done) named &= result == DSIM_OK && !ds_energies_error(e)->code;
            else named &= result == DSIM_ERROR_MEMORY && ds_energies_error(e)->text[0], points++;
            ds_energies_destroy(e);
            clean &= !m.live;
        }
        TAP_OK(named && done && points > 100, "failing %s at %d points: each a named error",
               for_good ? "for good" : "once", (int)points);
        TAP_OK(clean, "failing %s: nothing leaks", for_good ? "for good" : "once");
    }
    scene_free(s);
}

/* the pieces of a loop, the last first */
static void backward_for(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    const size_t workers = *(const size_t *)user, piece = (n + workers - 1) / workers;
    (void)grain;
    for (size_t w = workers; w-- > 0;)
        if (w * piece < n) fn(task, w * piece, (w + 1) * piece < n ? (w + 1) * piece : n, w);
}

static void test_threads(size_t side, size_t worlds)
{
    scene *const s = scene_make(side, worlds);
    uint64_t hash[3] = { 0, 0, 0 };
    size_t workers[3] = { 1, 2, 5 };
    s->desc.hessian = 1;
    s->desc.worlds_have_params = worlds > 1;
    for (size_t k = 0; k < 3; k++) {
        ds_energies *e;
        if (k) {
            s->desc.runner.jobs.parallel_for = backward_for;
            s->desc.runner.jobs.user = workers + k;
            s->desc.runner.jobs.n_workers = workers[k];
        }
        e = energies_make(&s->desc);
        TAP_OK(!run_scene(s, e, hash + k, 1, NULL, NULL), "%d workers", (int)workers[k]);
        ds_energies_destroy(e);
    }
    TAP_OK(hash[0] && hash[0] == hash[1] && hash[0] == hash[2],
           "%d worlds of %d points: the same bits with 1, 2, 5 workers", (int)worlds, (int)s->n);
    scene_free(s);
}

/* two sets of a type share kernels; others have their own */
static size_t count_kernels(const ds_energies_desc *desc)
{
    ds_energies *const e = energies_make(desc);
    size_t n = 0;
    while (ds_energies_kernel(e, n)) n++;
    ds_energies_destroy(e);
    return n;
}
static void test_kernels(void)
{
    scene *const s = scene_make(3, 1);
    size_t one, two, other;
    ds_energy_set sets[2];
    sets[0] = sets[1] = s->sets[SPRINGS];
    s->desc.sets = sets;
    s->desc.n_sets = 1;
    one = count_kernels(&s->desc);
    s->desc.n_sets = 2;
    two = count_kernels(&s->desc);
    sets[1].parameters = NULL;
    other = count_kernels(&s->desc);
    TAP_OK(one > 0 && two == one && other == 2 * one, "sets of one type and kinds share kernels: %d, %d, %d",
           (int)one, (int)two, (int)other);
    s->desc.n_sets = 1;
    sets[0].parameters = NULL;
    sets[0].type = ds_energy_get_type(DSIM_ENERGY_SPRING);
    one = count_kernels(&s->desc);
    sets[0].type = ds_energy_get_type(DSIM_ENERGY_DAMPED_SPRING);
    two = count_kernels(&s->desc);
    TAP_OK(one == two, "energy and dissipation of a type have one force, and its derivatives: %d kernels, %d",
           (int)one, (int)two);
    scene_free(s);
}

/* >>contacts with fields ---- */

/* an element of a set of that scene, by itself; world w */
static element grid_element(const scene *s, const ds_energies *e, const numbers *r, size_t k, size_t i,
                            size_t w)
{
    const size_t W = s->worlds, P = s->desc.worlds_have_params ? W : 1;
    const size_t point = (size_t)grid_sets[k].points[i];
    element a;
    memset(&a, 0, sizeof a);
    a.type = grid_sets[k].type;
    a.field = cells;
    a.n_field = CELLS;
    for (size_t c = 0; c < 3; c++) {
        a.x[c] = r->at[X][vector_at(s, point, c, w)];
        a.v[c] = r->at[V][vector_at(s, point, c, w)];
    }
    for (size_t p = 0; p < a.type->n_parameters; p++) {
        const ds_energy_parameter *const kind = grid_kinds[k] + p;
        const size_t own = is_shared(kind) ? 0 : i, many = kind->from_control ? W : P;
        const size_t space = kind->from_control ? CONTROL : PARAM;
        const size_t first = kind->from_control ? kind->control_at * W : ds_energies_param_at(e, k, p);
        const ds_real number = r->at[space][first + own * many + (many > 1 ? w : 0)];
        a.p[p] = is_logarithm(kind->kind) ? (ds_real)exp((double)number) : number;
    }
    return a;
}

/* linear between cells */
static double height_by_hand(const ds_real *field, double x, double z)
{
    const int i = (int)floor(x), j = (int)floor(z);
    const double s = x - i, t = z - j;
    const ds_real *const at = field + 5 * i + j;
    return (1 - s) * ((1 - t) * (double)at[0] + t * (double)at[1]) +
           s * ((1 - t) * (double)at[5] + t * (double)at[6]);
}

/* force and Hessian of each element are those of the bare kernels; ground's are a formula's */
static void test_fields(size_t worlds, int have_params)
{
    scene *const s = grid_scene_make(worlds);
    ds_energies *e;
    const ds_system *system;
    const ds_block_pattern *pattern;
    numbers r;
    ds_real *values;
    size_t touched = 0;
    double wrong = 0, bent = 0, on_ground = 0, product = 0;
    s->desc.hessian = 1;
    s->desc.worlds_have_params = have_params;
    e = energies_make(&s->desc);
    system = ds_energies_system(e);
    pattern = ds_energies_pattern(e);
    r = numbers_make(system);
    scene_numbers(s, e, system, &r);
    values = (ds_real *)calloc(9 * pattern->n_blocks * worlds, sizeof *values);
    {
        const ds_system_io io = io_of(&r);
        TAP_OK(!system->force(system->user, &io, r.at[F]) && !ds_energies_hessian(e, &io, values),
               "contacts with a grid, %d worlds: force and Hessian", (int)worlds);
    }
    for (size_t k = 0; k < GRIDS; k++)
        for (size_t i = 0; i < EACH * worlds; i++) {
            const size_t w = i / EACH, at = (size_t)grid_sets[k].points[i % EACH];
            element a = grid_element(s, e, &r, k, i % EACH, w);
            ds_real g[3] = { 0, 0, 0 }, drag[3] = { 0, 0, 0 }, h[9];
            double f[3], K[9];
            if (!element_gradient(&a, DSIM_ENERGY_PART_ENERGY, g, h)) TAP_OK(0, "bare kernel");
            if (a.type->dissipation) element_gradient(&a, DSIM_ENERGY_PART_DISSIPATION, drag, NULL);
            touched += g[0] < 0 || g[0] > 0;
            for (size_t c = 0; c < 3; c++) f[c] = -(double)g[c] - (double)drag[c];
            for (size_t c = 0; c < 9; c++) K[c] = (double)h[c];
            for (size_t c = 0; c < 3; c++) g[c] = r.at[F][vector_at(s, at, c, w)];
            wrong = fmax(wrong, apart(g, f, 3));
            bent = fmax(bent, apart(values + 9 * (w * pattern->n_blocks + at), K, 9));
        }
    for (size_t i = 0; i < ON_GROUND * worlds; i++) {
        const size_t w = i / ON_GROUND, at = (size_t)grid_sets[GRIDS].points[i % ON_GROUND];
        const element a = grid_element(s, e, &r, GRIDS, i % ON_GROUND, w);
        const double x = (double)a.x[0], z = (double)a.x[2], d = 1e-4;
        const ds_real *const field = heights[0], *const X0 = s->rest + 3 * at;
        const double height = height_by_hand(field, x, z);
        const double rest = height_by_hand(heights[1], (double)X0[0], (double)X0[2]);
        const double press = (double)a.p[0] * ((double)a.x[1] - height - rest);
        const double by_x = (height_by_hand(field, x + d, z) - height_by_hand(field, x - d, z)) / (2 * d);
        const double by_z = (height_by_hand(field, x, z + d) - height_by_hand(field, x, z - d)) / (2 * d);
        const double drag = (double)a.p[1] * (height + height_by_hand(heights[1], x, z));
        const double f[3] = { press * by_x - drag * (double)a.v[0], -press - drag * (double)a.v[1],
                              press * by_z - drag * (double)a.v[2] };
        ds_real got[3];
        for (size_t c = 0; c < 3; c++) got[c] = r.at[F][vector_at(s, at, c, w)];
        on_ground = fmax(on_ground, apart(got, f, 3));
    }
    TAP_OK(touched == GRIDS * EACH * worlds, "all laws reach all points: %d", (int)touched);
    TAP_OK(wrong <= 10 * tight, "%d worlds: forces are those of bare kernels, %.2g", (int)worlds, wrong);
    TAP_OK(bent <= 10 * tight, "Hessians, too, %.2g", bent);
    TAP_OK(on_ground <= (is_float ? 1e-4 : 1e-10), "fields of all parts are looked up, %.2g", on_ground);
    {
        const ds_system_io io = io_of(&r);
        numbers d = numbers_make(system);
        double out[3 * COUNT(grid_points)];
        numbers_random(&d, 6);
        TAP_OK(!ds_energies_hessian_product(e, &io, d.at[X], d.at[F]), "product");
        multiply(s, pattern, values, worlds - 1, d.at[X], out);
        for (size_t i = 0; i < 3 * s->n; i++)
            product = fmax(product, fabs(out[i] - (double)d.at[F][vector_at(s, i / 3, i % 3, worlds - 1)]));
        numbers_free(&d);
    }
    TAP_OK(product <= 300 * tight, "K dx is that of the blocks, %.2g", product);
    free(values);
    numbers_free(&r);
    ds_energies_destroy(e);
    scene_free(s);
}

static void no_field(void) { grid_sets[3].n_fields = 0; }
static void null_fields(void) { grid_sets[3].fields = NULL; }
static void one_too_many(void) { grid_sets[3].n_fields = 2; }
static void one_too_few(void) { grid_sets[GRIDS].n_fields = 1; }
static void null_values(void) { grid_fields[GRIDS][1].values = NULL; }
static void no_values(void) { grid_fields[2][0].n = 0; }
static void nan_value(void) { heights[1][17] = (ds_real)NAN; }
static void endless_value(void) { cells[CELLS - 1] = (ds_real)INFINITY; }
static const struct { void (*spoil)(void); ds_result code; size_t set; const char *text; } field_misuses[] = {
    { no_field, DSIM_ERROR_ARGUMENT, 3,
      "set 3 'grid_softplus': its type asks for so many fields: 1, the set brings 0" },
    { null_fields, DSIM_ERROR_ARGUMENT, 3, "set 3: fields is NULL" },
    { one_too_many, DSIM_ERROR_ARGUMENT, 3, "asks for so many fields: 1, the set brings 2" },
    { one_too_few, DSIM_ERROR_ARGUMENT, GRIDS, "asks for so many fields: 2, the set brings 1" },
    { null_values, DSIM_ERROR_ARGUMENT, GRIDS, "a field without values: field 1" },
    { no_values, DSIM_ERROR_ARGUMENT, 2, "a field without values: field 0" },
    { nan_value, DSIM_ERROR_NON_FINITE, GRIDS, "a field that is not finite: field 1, number 17" },
    { endless_value, DSIM_ERROR_NON_FINITE, 0, "a field that is not finite: field 0, number 719" } };

static void test_field_misuse(void)
{
    for (size_t i = 0; i < COUNT(field_misuses); i++) {
        scene *const s = grid_scene_make(1);
        meter m;
        ds_energies *e;
        s->desc.runner.allocator = meter_allocator(&m);
        field_misuses[i].spoil();
        e = ds_energies_create(&s->desc);
        TAP_OK(!ds_energies_system(e) && ds_energies_error(e)->code == field_misuses[i].code &&
                   ds_energies_error(e)->index == field_misuses[i].set,
               "refused: %s", ds_energies_error(e)->text);
        TAP_HAS(ds_energies_error(e)->text, field_misuses[i].text, "it is named");
        ds_energies_destroy(e);
        TAP_OK(!m.live, "nothing is left");
        scene_free(s);
    }
    {   /* how long a field must be is known when numbers come in */
        scene *const s = grid_scene_make(1);
        ds_energies *e;
        numbers r;
        grid_fields[5][0].n = 100;
        e = energies_make(&s->desc);
        r = numbers_make(ds_energies_system(e));
        scene_numbers(s, e, ds_energies_system(e), &r);
        {
            const ds_system_io io = io_of(&r);
            const ds_system *const system = ds_energies_system(e);
            TAP_OK(system->force(system->user, &io, r.at[F]) == DSIM_ERROR_RANGE &&
                       ds_energies_error(e)->index == 5, "a field that is too short: %s",
                   ds_energies_error(e)->text);
        }
        numbers_free(&r);
        ds_energies_destroy(e);
        scene_free(s);
    }
}

/* >>misuse ---- */

static void wrong_no_points(scene *s) { s->desc.n_points = 0; }
static void wrong_no_sets(scene *s) { s->desc.sets = NULL; }
static void wrong_label(scene *s) { s->desc.label = DSIM_GRADIENT_LABEL_COUNT; }
static void wrong_type(scene *s) { s->sets[MUSCLES].type = NULL; }
static void wrong_parts(scene *s)
{
    static const ds_energy_type nothing = { "nothing", 2, 0, 0, "", NULL, NULL, NULL, NULL };
    s->sets[MUSCLES].type = &nothing;
}
static void wrong_built_in(scene *s) { s->sets[SPRINGS].type = ds_energy_get_type(DSIM_ENERGY_COUNT); }
static void wrong_count(scene *s) { s->sets[SPRINGS].n = 0; }
static void wrong_index(scene *s) { s->sheets[3 * 5 + 1] = (int32_t)s->n; }
static void wrong_negative(scene *s) { s->springs[7] = -1; }
static void wrong_twice(scene *s) { s->sheets[3 * 2 + 2] = s->sheets[3 * 2]; }
static void wrong_rest(scene *s) { s->rest[3 * 4 + 1] = (ds_real)NAN; }
static void wrong_no_rest(scene *s) { s->desc.rest = NULL; }
static void wrong_mass(scene *s) { s->mass[3] = -1; }
static void wrong_nan_mass(scene *s) { s->mass[2] = (ds_real)INFINITY; }
static void wrong_no_mass(scene *s)
{
    s->desc.n_sets = 2;
    s->mass[5] = 0;
}
static void wrong_acceleration(scene *s) { s->acceleration[3 * 6] = (ds_real)NAN; }
static void wrong_controls(scene *s) { s->desc.n_control--; }
static ds_energy_parameter wrong[5];
static void wrong_kind(scene *s)
{
    memcpy(wrong, sheet_parameters, sizeof wrong);
    wrong[2].kind = (ds_parameter_kind)7;
    s->sets[SHEETS].parameters = wrong;
}
static void wrong_derived_control(scene *s)
{
    memcpy(wrong, sheet_parameters, sizeof wrong);
    wrong[1].from_control = 1;
    wrong[1].kind = DSIM_PARAMETER_SHARED;
    wrong[1].control_at = 3;
    s->sets[SHEETS].parameters = wrong;
}
static void wrong_shared_control(scene *s)
{
    memcpy(wrong, sheet_parameters, sizeof wrong);
    wrong[0].from_control = 1;
    s->sets[SHEETS].parameters = wrong;
}
static void wrong_density(scene *s)
{
    memcpy(wrong, sheet_parameters, sizeof wrong);
    wrong[4].from_control = 1;
    s->sets[SHEETS].parameters = wrong;
}
static ds_var sheet_loads_too_much(ds_element *e) { return ds_dot3(ds_point(e, 3), ds_point(e, 0)); }
static void wrong_energy(scene *s)
{
    static const ds_energy_type bad = { "bad", 3, 5, 3, "", sheet_loads_too_much, NULL, NULL, sheet_derive };
    s->sets[SHEETS].type = &bad;
}

static const struct { void (*spoil)(scene *s); ds_result code; size_t index; const char *text; } misuses[] = {
    { wrong_no_points, DSIM_ERROR_ARGUMENT, 0, "n_points is 0" },
    { wrong_no_sets, DSIM_ERROR_ARGUMENT, 0, "sets is NULL" },
    { wrong_label, DSIM_ERROR_ARGUMENT, 0, "label" },
    { wrong_type, DSIM_ERROR_ARGUMENT, MUSCLES, "set 1: it has no type" },
    { wrong_parts, DSIM_ERROR_ARGUMENT, MUSCLES, "set 1: its type has neither energy nor" },
    { wrong_built_in, DSIM_ERROR_ARGUMENT, SPRINGS, "set 0: its type has neither energy nor" },
    { wrong_count, DSIM_ERROR_ARGUMENT, SPRINGS, "set 0: it has no elements" },
    { wrong_index, DSIM_ERROR_RANGE, SHEETS, "set 2, element 5: has the point 9 of 9" },
    { wrong_negative, DSIM_ERROR_RANGE, SPRINGS, "set 0, element 3: has the point -1 of 9" },
    { wrong_twice, DSIM_ERROR_ARGUMENT, SHEETS, "set 2, element 2: has twice the point" },
    { wrong_rest, DSIM_ERROR_NON_FINITE, 4, "point 4: its rest position" },
    { wrong_no_rest, DSIM_ERROR_ARGUMENT, SHEETS, "set 2: its type derives constants: give rest" },
    { wrong_mass, DSIM_ERROR_ARGUMENT, 3, "point 3: its mass is negative" },
    { wrong_nan_mass, DSIM_ERROR_ARGUMENT, 2, "point 2: its mass is negative or not finite" },
    { wrong_no_mass, DSIM_ERROR_ARGUMENT, 5, "point 5: it has no mass" },
    { wrong_acceleration, DSIM_ERROR_NON_FINITE, 6, "point 6: its acceleration" },
    { wrong_controls, DSIM_ERROR_ARGUMENT, MUSCLES, "set 1: parameter 1: its controls go beyond" },
    { wrong_kind, DSIM_ERROR_ARGUMENT, SHEETS, "set 2: parameter 2: there is no such kind" },
    { wrong_derived_control, DSIM_ERROR_ARGUMENT, SHEETS,
      "set 2 'sheet': its constants depend on a parameter that is a control, number 1" },
    { wrong_shared_control, DSIM_ERROR_RACE, SHEETS, "set 2: two of its parameters are the same controls" },
    { wrong_density, DSIM_ERROR_ARGUMENT, SHEETS, "set 2: a density is a parameter" },
    { wrong_energy, DSIM_ERROR_ARGUMENT, SHEETS, "there is no point 3" } };

static void test_misuse(void)
{
    for (size_t i = 0; i < COUNT(misuses); i++) {
        scene *const s = scene_make(3, 1);
        meter m;
        ds_energies *e;
        size_t live;
        s->desc.runner.allocator = meter_allocator(&m);
        e = energies_make(&s->desc);
        ds_energies_destroy(e);
        misuses[i].spoil(s);
        e = ds_energies_create(&s->desc);
        live = m.live;
        TAP_OK(!ds_energies_system(e) && !ds_energies_kernel(e, 0) &&
                   ds_energies_error(e)->code == misuses[i].code &&
                   ds_energies_error(e)->index == misuses[i].index,
               "refused: %s", misuses[i].text);
        TAP_HAS(ds_energies_error(e)->text, misuses[i].text, "it is named");
        ds_energies_destroy(e);
        TAP_OK(live < 16384 && !m.live, "nothing is half-built");
        scene_free(s);
    }
    TAP_OK(!ds_energies_create(NULL), "no desc");
    TAP_HAS(ds_energies_error(NULL)->text, "no desc", "what NULL means");
    TAP_OK(!ds_energies_system(NULL) && !ds_energies_kernel(NULL, 0) && !ds_energies_pattern(NULL) &&
               ds_energies_rest_at(NULL) == (size_t)-1 && ds_energies_param_at(NULL, 0, 0) == (size_t)-1 &&
               ds_energies_hessian(NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_energies_hessian_product(NULL, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_energies_energy(NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_energies_element(NULL, NULL, 0, 0, 0, NULL, NULL) == DSIM_ERROR_ARGUMENT,
           "NULL is safe");
    ds_energies_destroy(NULL);
}

static int derives(const ds_system *s, numbers *r, ds_result code)
{
    return s->derive(s->user, r->at[PARAM], r->at[DERIVED]) == code;
}

/* what is found when numbers come in */
static void test_bad_numbers(size_t worlds)
{
    scene *const s = scene_make(3, worlds);
    ds_energies *e;
    const ds_system *system;
    numbers r;
    double energy;
    ds_real kept, *at;
    s->desc.rest_is_param = s->desc.worlds_have_params = 1;
    e = energies_make(&s->desc);
    system = ds_energies_system(e);
    r = numbers_make(system);
    scene_numbers(s, e, system, &r);
    {
        const ds_system_io io = io_of(&r);
        /* point 5 of the last world: springs along its row meet it first */
        at = r.at[X] + vector_at(s, 5, 1, worlds - 1);
        kept = *at;
        *at = (ds_real)NAN;
        TAP_OK(system->force(system->user, &io, r.at[F]) == DSIM_ERROR_NON_FINITE, "a bad force");
        TAP_HAS(ds_energies_error(e)->text, "set 0 'spring', element 3", "its set and element");
        if (worlds > 1) TAP_HAS(ds_energies_error(e)->text, "world 2", "and world");
        TAP_OK(system->error(system->user) == ds_energies_error(e) && ds_energies_error(e)->index == SPRINGS,
               "by the error of the system");
        TAP_OK(system->energy(system->user, &io, &energy) == DSIM_ERROR_NON_FINITE, "an energy");
        *at = kept;
        TAP_OK(!system->force(system->user, &io, r.at[F]), "afterwards it goes on");
        TAP_OK(ds_energies_hessian(e, &io, r.at[F]) == DSIM_ERROR_ARGUMENT &&
                   ds_energies_element(e, &io, 0, 0, 0, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
                   !ds_energies_pattern(e),
               "no Hessian without its flag");
    }
    at = r.at[PARAM] + ds_energies_param_at(e, SHEETS, 1) + 4 * worlds;
    kept = *at;
    *at = (ds_real)INFINITY;
    TAP_OK(derives(system, &r, DSIM_ERROR_NON_FINITE), "a bad parameter");
    TAP_HAS(ds_energies_error(e)->text, "set 2 'sheet', element 4: parameter 1", "its name");
    *at = kept;
    at = r.at[PARAM] + ds_energies_rest_at(e) + vector_at(s, 7, 1, worlds - 1);
    kept = *at;
    *at = (ds_real)NAN;
    TAP_OK(derives(system, &r, DSIM_ERROR_NON_FINITE), "a bad rest position");
    TAP_HAS(ds_energies_error(e)->text, "point 7: its rest position", "its point");
    *at = kept + 5; /* point 7 crosses over: triangle 7 = (8, 5, 7) of the last cell turns round */
    TAP_OK(derives(system, &r, DSIM_ERROR_ARGUMENT), "an inverted rest shape");
    TAP_HAS(ds_energies_error(e)->text, "its rest shape is inverted or empty", "is named: %s",
            ds_energies_error(e)->text);
    *at = kept;
    TAP_OK(derives(system, &r, DSIM_OK), "and mended");
    at = r.at[PARAM] + ds_energies_param_at(e, SHEETS, 4);
    kept = *at;
    *at = 1000; /* the density is a logarithm */
    TAP_OK(derives(system, &r, DSIM_ERROR_ARGUMENT), "a mass that is infinite");
    TAP_HAS(ds_energies_error(e)->text, "its mass is not positive and finite", "is named: %s",
            ds_energies_error(e)->text);
    *at = kept;
    numbers_free(&r);
    ds_energies_destroy(e);
    scene_free(s);
}

/* an operation without a derivative: the force is there, its adjoint is refused by name */
static ds_var steps_energy(ds_element *e)
{
    const ds_var x = ds_x(ds_point(e, 0));
    return ds_mul(ds_floor(ds_parameter(e, 0)), ds_square(x));
}
static void test_not_differentiable(void)
{
    static const ds_energy_type steps = { "steps", 1, 1, 0, "height", steps_energy, NULL, NULL, NULL };
    static const int32_t point = 0;
    ds_energy_set set;
    ds_energies_desc desc;
    ds_energies *e;
    const ds_system *system;
    numbers r, bars;
    ds_real mass = 1;
    memset(&set, 0, sizeof set);
    memset(&desc, 0, sizeof desc);
    set.type = &steps;
    set.n = 1;
    set.points = &point;
    desc.n_points = 1;
    desc.mass = &mass;
    desc.sets = &set;
    desc.n_sets = 1;
    e = energies_make(&desc);
    system = ds_energies_system(e);
    r = numbers_make(system), bars = numbers_make(system);
    r.at[X][0] = 2;
    r.at[PARAM][0] = (ds_real)3.5;
    {
        const ds_system_io io = io_of(&r);
        ds_system_bar bar = bar_of(&bars);
        TAP_OK(!system->force(system->user, &io, r.at[F]) && r.at[F][0] == -12, "the force is there");
        TAP_OK(system->force_vjp(system->user, &io, r.at[F], &bar) == DSIM_ERROR_NOT_DIFFERENTIABLE,
               "its adjoint by the parameter is refused");
        TAP_HAS(ds_energies_error(e)->text, "floor", "by the name of the operation");
        bar.param_bar = bar.derived_bar = bar.control_bar = NULL;
        r.at[F][0] = 1;
        TAP_OK(!system->force_vjp(system->user, &io, r.at[F], &bar) && bars.at[X][0] == -6,
               "the adjoint by x alone is there");
    }
    numbers_free(&r);
    numbers_free(&bars);
    ds_energies_destroy(e);
}

int main(void)
{
    test_by_hand(0);
    test_by_hand(1);
    test_derivatives(0);
    test_worlds(scene_make(4, 2), scene_make(4, 1), 0, 0);
    test_worlds(scene_make(4, 8), scene_make(4, 1), 1, 1);
    test_worlds(scene_make(4, 37), scene_make(4, 1), 1, 0);
    test_hessian(4, 1);
    test_hessian(4, 3);
    test_hessian(8, 37); /* more lanes than are launched at once */
    test_memory();
    test_threads(40, 1);
    test_threads(7, 50);
    test_kernels();
    test_fields(1, 0);
    test_fields(3, 0);
    test_fields(4, 1);
    test_derivatives(1);
    test_worlds(grid_scene_make(5), grid_scene_make(1), 0, 0);
    test_worlds(grid_scene_make(6), grid_scene_make(1), 1, 1);
    test_field_misuse();
    element_forget();
    test_misuse();
    test_bad_numbers(1);
    test_bad_numbers(3);
    test_not_differentiable();
    return tap_end();
}
