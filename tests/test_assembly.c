/* Sets of elements as a system: forces are those of hand-made gradients, adjoints are transposes of tangents,
   worlds side by side have the bits of one alone, and what is wrong is named. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

static const double tight = sizeof(ds_real) == 4 ? 2e-4 : 1e-12;

/* >>scene ----

   A cloth of side x side points: springs along rows, muscles along columns, whose lengths are controls, and
   triangles of the type below. */

/* Sheet: E = k A/2 ((|a|^2 - g |A|^2)^2 + (a.b - g A.B)^2) with edges a, b at point 0, at rest A, B, and
   growth g; R = d A/2 (|v1 - v0|^2 + |v2 - v0|^2); F = p/6 a x b - d/8 |v|^2 v at each point. */
static ds_var3 edge(ds_element *e, size_t i) { return ds_sub3(ds_point(e, i), ds_point(e, 0)); }
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

static scene *scene_make(size_t side, size_t worlds)
{
    scene *const s = (scene *)calloc(1, sizeof *s);
    const size_t n = side * side;
    if (!s) abort();
    s->side = side;
    s->n = n;
    s->worlds = worlds;
    s->n_springs = side * (side - 1);
    s->n_sheets = 2 * (side - 1) * (side - 1);
    s->springs = (int32_t *)calloc(2 * s->n_springs, sizeof(int32_t));
    s->muscles = (int32_t *)calloc(2 * s->n_springs, sizeof(int32_t));
    s->sheets = (int32_t *)calloc(3 * s->n_sheets, sizeof(int32_t));
    s->rest = (ds_real *)calloc(3 * n, sizeof(ds_real));
    s->mass = (ds_real *)calloc(n, sizeof(ds_real));
    s->acceleration = (ds_real *)calloc(3 * n, sizeof(ds_real));
    s->pinned = (unsigned char *)calloc(n, 1);
    if (!s->springs || !s->muscles || !s->sheets || !s->rest || !s->mass || !s->acceleration || !s->pinned)
        abort();
    scene_fill(s);
    scene_sets(s);
    s->desc.n_points = n;
    s->desc.n_sets = SETS;
    s->desc.sets = s->sets;
    s->desc.n_control = 1 + s->n_springs;
    s->desc.rest = s->rest;
    s->desc.mass = s->mass;
    s->desc.acceleration = s->acceleration;
    s->desc.pinned = s->pinned;
    s->desc.worlds = worlds;
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

/* <f_bar, f_dot> = <bars, dots>, of each input alone; and the tangent is a difference quotient */
static void check_force(const ds_system *s, numbers *r, const char *scene_name)
{
    numbers bars = numbers_make(s), dots = numbers_make(s), only = numbers_make(s), up = numbers_make(s);
    const ds_system_io io = io_of(r), io_up = io_of(&up);
    const ds_system_bar bar = bar_of(&bars);
    const ds_system_dot dot = dot_of(&only);
    const double h = sizeof(ds_real) == 4 ? 1e-2 : 1e-5;
    ds_real *const f_bar = (ds_real *)calloc(s->n, sizeof *f_bar);
    numbers_random(&dots, 17);
    memcpy(f_bar, dots.at[F], s->n * sizeof *f_bar);
    TAP_OK(!s->force_vjp(s->user, &io, f_bar, &bar), "%s: vjp", scene_name);
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

static void test_derivatives(void)
{
    for (size_t i = 0; i < COUNT(variants); i++) {
        scene *const s = scene_make(4, variants[i].worlds);
        ds_energies *e;
        numbers r;
        s->desc.worlds_have_params = variants[i].have_params;
        s->desc.rest_is_param = variants[i].rest_is_param;
        e = energies_make(&s->desc);
        r = numbers_make(ds_energies_system(e));
        scene_numbers(s, e, ds_energies_system(e), &r);
        check_force(ds_energies_system(e), &r, variants[i].name);
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
static int shared_are_near(const ds_energies *e, const numbers *b1, numbers *bw, int have_params)
{
    ds_real *const got[] = { bw->at[CONTROL], bw->at[PARAM] + ds_energies_param_at(e, SPRINGS, 0),
                             bw->at[PARAM] + ds_energies_param_at(e, SHEETS, 0) };
    const ds_real *const want[] = { b1->at[CONTROL], b1->at[PARAM] + ds_energies_param_at(e, SPRINGS, 0),
                                    b1->at[PARAM] + ds_energies_param_at(e, SHEETS, 0) };
    int near = 1;
    for (size_t k = 0; k < (have_params ? COUNT(got) : 1); k++) {
        near &= fabs((double)*got[k] - (double)*want[k]) <= tight * (1 + fabs((double)*want[k]));
        *got[k] = *want[k];
    }
    return near;
}

static void test_worlds(size_t worlds, int have_params, int rest_is_param)
{
    scene *const s = scene_make(4, worlds), *const alone = scene_make(4, 1);
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
        same[6] += (size_t)shared_are_near(one, &b1, &bw, have_params);
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

int main(void)
{
    test_by_hand(0);
    test_by_hand(1);
    test_derivatives();
    test_worlds(2, 0, 0);
    test_worlds(8, 1, 1);
    test_worlds(37, 1, 0);
    return tap_end();
}
