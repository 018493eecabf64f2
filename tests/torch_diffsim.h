/* torch_diffsim.h - the elastic cube of torch-diffsim as a world: its material, floor, friction, clamp of
   speeds, damping and held points, step by step, as bench/peer_torch_diffsim.py runs them. Behind diffsim.h.

   The step of version 0.1.0 differs from that of 0.2.0 in three things, and its gradient in a fourth:

               material                 floor, d = y above it          divided by    friction's velocity
       0.1.0   NEO_HOOKEAN_J1_CLAMPED   sigmoid(100 (w - d)) barrier   m + 1e-6 kg   detached
       0.2.0   STABLE_NEO_HOOKEAN       k/3 max(w - d, 0)^3            m             differentiated */

#ifndef TORCH_DIFFSIM_H
#define TORCH_DIFFSIM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CUBE_STEPS = 50, CUBE_SUBSTEPS = 4 };
enum { CUBE_010, CUBE_020, CUBE_VERSIONS };
enum { CUBE_REST, CUBE_TOUCH, CUBE_HELD, CUBE_SCENES };

/* rest: every default; the cube stands where the floor is. touch: as high as contact reaches, sliding. held:
   above the floor, what is at `fixed` or below (m) held. waved: log E is not the same everywhere */
typedef struct cube_scene {
    const char *name;
    double height, fixed, speed[3], dt, damping;
    int waved;
} cube_scene;
static const cube_scene CUBES[CUBE_SCENES] = {
    { "rest", 0, -1, { 0, 0, 0 }, 0.01, 0.99, 0 },
    { "touch", 0.02, -1, { 0.3, 0, 0.2 }, 0.002, 0.99, 1 },
    { "held", 0.5, 0.58, { 0, 0, 0 }, 0.005, 0.98, 1 }
};
static const char *const CUBE_VERSION[CUBE_VERSIONS] = { "0.1.0", "0.2.0" };

static const double CUBE_GRAVITY = -9.8, CUBE_YOUNG = 1e5, CUBE_POISSON = 0.4, CUBE_DENSITY = 1000;
static const double CUBE_STIFFNESS = 1e4, CUBE_WIDTH = 0.02, CUBE_FRICTION = 0.3, CUBE_SPEED = 50;

/* >>floors: forces on a point, numbers as they stand in the package's code ---- */

/* normal force f, and friction -0.3 f by the velocity along the floor: for small speeds only */
static inline ds_var3 cube_slide(ds_var f, ds_var3 v, ds_var weight)
{
    const ds_var drag = ds_mul(ds_c(-CUBE_FRICTION), ds_abs(f));
    return ds_pack3(ds_mul(drag, ds_x(v)), ds_add(f, weight), ds_mul(drag, ds_z(v)));
}

/* -d/dd of  k sigmoid(100 (w - d)) b(s),  b = -(s - w)^2 log(s/w + 1e-12),  s = max(d, 1e-6) */
static inline ds_var cube_barrier(ds_var d)
{
    const ds_var s = ds_max(d, ds_c(1e-6)), r = ds_sub(ds_c(CUBE_WIDTH), s);
    const ds_var q = ds_add(ds_mul(s, ds_c(1 / CUBE_WIDTH)), ds_c(1e-12)), l = ds_log(q);
    const ds_var b = ds_neg(ds_mul(ds_square(r), l));
    const ds_var twice = ds_mul(ds_add(r, r), l), fall = ds_div(ds_square(r), ds_mul(ds_c(CUBE_WIDTH), q));
    const ds_var slope = ds_select(ds_lt(d, ds_c(1e-6)), ds_c(0), ds_sub(twice, fall));
    const ds_var a = ds_sigmoid(ds_mul(ds_c(100), ds_sub(ds_c(CUBE_WIDTH), d)));
    const ds_var fade = ds_mul(ds_c(100), ds_mul(a, ds_sub(ds_c(1), a)));
    return ds_mul(ds_c(CUBE_STIFFNESS), ds_sub(ds_mul(fade, b), ds_mul(a, slope)));
}

/* gravity stands here, too: it is m g, which is then divided by more than m */
static inline void cube_floor_010(ds_element *e, ds_var3 *force)
{
    const ds_var f = cube_barrier(ds_y(ds_point(e, 0)));
    force[0] = cube_slide(f, ds_velocity(e, 0), ds_mul(ds_parameter(e, 0), ds_c(CUBE_GRAVITY)));
}

static inline void cube_floor_010_detached(ds_element *e, ds_var3 *force)
{
    const ds_var f = cube_barrier(ds_y(ds_point(e, 0)));
    const ds_var3 v = ds_velocity(e, 0);
    const ds_var x = ds_stop_gradient(ds_x(v)), z = ds_stop_gradient(ds_z(v));
    const ds_var weight = ds_mul(ds_parameter(e, 0), ds_c(CUBE_GRAVITY));
    force[0] = cube_slide(f, ds_pack3(x, ds_c(0), z), weight);
}

static inline void cube_floor_020(ds_element *e, ds_var3 *force)
{
    const ds_var gap = ds_relu(ds_sub(ds_c(CUBE_WIDTH), ds_y(ds_point(e, 0))));
    force[0] = cube_slide(ds_mul(ds_c(CUBE_STIFFNESS), ds_square(gap)), ds_velocity(e, 0), ds_c(0));
}

static const ds_energy_type CUBE_FLOORS[3] = {
    { "cube_floor_010", 1, 1, 0, "mass (kg)", NULL, NULL, cube_floor_010, NULL },
    { "cube_floor_020", 1, 0, 0, "", NULL, NULL, cube_floor_020, NULL },
    { "cube_floor_010_detached", 1, 1, 0, "mass (kg)", NULL, NULL, cube_floor_010_detached, NULL }
};

/* >>cube: cells along each edge, six tetrahedra in each ---- */

static inline size_t cube_points(size_t cells) { return (cells + 1) * (cells + 1) * (cells + 1); }
static inline size_t cube_tets(size_t cells) { return 6 * cells * cells * cells; }

/* coordinate `axis` of vertex p, which is (i, j, k) with p = (i n + j) n + k, n = cells + 1 */
static inline double cube_place(size_t cells, const cube_scene *s, size_t p, size_t axis)
{
    const size_t n = cells + 1, at = axis == 0 ? p / (n * n) : axis == 1 ? p / n % n : p % n;
    return (double)at / (double)cells + (axis == 1 ? s->height : 0);
}

static inline void cube_corners(size_t cells, size_t e, int32_t corner[4])
{
    const size_t n = cells + 1, x = n * n, y = n, z = 1, cell = e / 6;
    const size_t ways[6][2] = { { z, y + z }, { z, x + z }, { x, x + z },
                                { x, x + y }, { y, y + z }, { y, x + y } };
    const size_t first = (cell / (cells * cells) * n + cell / cells % cells) * n + cell % cells;
    corner[0] = (int32_t)first;
    corner[1] = (int32_t)(first + ways[e % 6][0]);
    corner[2] = (int32_t)(first + ways[e % 6][1]);
    corner[3] = (int32_t)(first + x + y + z);
}

/* by which checksums are weighted, and a direction */
static inline double cube_wave(size_t i) { return cos(0.37 * (double)i); }

/* detached: the gradient of 0.1.0 as the package has it */
typedef struct cube {
    size_t cells, n_points, n_tets, n_param;
    int version, detached;
    const cube_scene *scene;
    ds_world *world;
    ds_body points, tets;
    ds_rollout *rollout;
    ds_param log_E;
    ds_real *start, *param; /* places at the start and at rest [n_points][3]; parameters to be tried */
} cube;

/* mean square of the components of the displacement (m^2) */
static inline ds_result cube_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const cube *const c = (const cube *)user;
    const size_t n = 3 * c->n_points;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < n; i++) {
        const double moved = (double)io->state[i] - (double)c->start[i];
        sum += moved * moved;
        if (bar && bar->state_bar) bar->state_bar[i] += (ds_real)(2 * moved / (double)n);
    }
    *value += (ds_real)(sum / (double)n);
    return DSIM_OK;
}

static inline int cube_is_held(const cube *c, size_t p)
{
    return cube_place(c->cells, c->scene, p, 1) <= c->scene->fixed;
}

/* points, tetrahedra, floor; corners [n_tets][4], each [2][n_tets]: room for what the world copies */
static inline void cube_fill(cube *c, int32_t *corners, ds_real *each)
{
    const int is_old = c->version == CUBE_010;
    ds_number numbers[3];
    ds_elements tets, floor;
    memset(numbers, 0, sizeof numbers);
    memset(&tets, 0, sizeof tets);
    memset(&floor, 0, sizeof floor);
    for (size_t e = 0; e < c->n_tets; e++) {
        cube_corners(c->cells, e, corners + 4 * e);
        each[e] = (ds_real)CUBE_YOUNG;
        each[c->n_tets + e] = (ds_real)CUBE_POISSON;
    }
    for (size_t i = 0; i < 3 * c->n_points; i++)
        c->start[i] = (ds_real)cube_place(c->cells, c->scene, i / 3, i % 3);
    tets.type = ds_energy_get_type(is_old ? DSIM_ENERGY_NEO_HOOKEAN_J1_CLAMPED
                                          : DSIM_ENERGY_STABLE_NEO_HOOKEAN);
    tets.of = c->points = ds_world_add_points(c->world, c->start, c->n_points, is_old ? 1e-6 : 0);
    tets.n = c->n_tets;
    tets.points = corners;
    tets.numbers = numbers;
    numbers[0].each = each;
    numbers[0].logarithmic = 1;
    numbers[1].each = each + c->n_tets;
    numbers[2] = ds_number_make(CUBE_DENSITY);
    c->tets = ds_world_add_elements(c->world, &tets);

    memset(each, 0, c->n_points * sizeof *each); /* masses */
    for (size_t i = 0; i < 4 * c->n_tets; i++)
        each[corners[i]] += (ds_real)(CUBE_DENSITY / (4 * (double)c->n_tets));
    memset(numbers, 0, sizeof numbers);
    numbers[0].each = each;
    floor.type = &CUBE_FLOORS[is_old && c->detached ? 2 : c->version];
    floor.of = c->points;
    floor.n = c->n_points;
    floor.numbers = numbers;
    ds_world_add_elements(c->world, &floor);
}

static inline void cube_describe(const cube *c, ds_world_desc *d)
{
    memset(d, 0, sizeof *d);
    d->integrator.dt = c->scene->dt;
    d->integrator.substeps = CUBE_SUBSTEPS;
    d->integrator.velocity_loss = 1 - c->scene->damping;
    d->integrator.clamp = DSIM_SPEED_CLAMP_TANH;
    d->integrator.speed_limit = CUBE_SPEED;
    d->gravity = ds_v3_make(0, c->version == CUBE_010 ? 0 : (ds_real)CUBE_GRAVITY, 0);
}

static inline void cube_destroy(cube *c)
{
    ds_rollout_destroy(c->rollout);
    ds_world_destroy(c->world);
    free(c->start);
    free(c->param);
    memset(c, 0, sizeof *c);
}

/* cells, version, scene and detached are given, all else 0; runner NULL: {0}. The rollout begins with the
   scene. Returns NULL or what went wrong; destroy it in any case. */
static inline const char *cube_create(cube *c, const ds_runner_desc *runner)
{
    const double *const v = c->scene->speed;
    ds_world_desc world;
    ds_rollout_desc desc;
    cube_describe(c, &world);
    if (runner) world.runner = *runner;
    c->n_points = cube_points(c->cells);
    c->n_tets = cube_tets(c->cells);
    c->start = (ds_real *)calloc(3 * c->n_points, sizeof *c->start);
    int32_t *const corners = (int32_t *)calloc(4 * c->n_tets, sizeof *corners);
    ds_real *const each = (ds_real *)calloc(2 * c->n_tets, sizeof *each);
    c->world = ds_world_create(&world);
    if (c->start && corners && each && c->world) {
        cube_fill(c, corners, each);
        ds_world_set_velocity(c->world, c->points,
                              ds_v3_make((ds_real)v[0], (ds_real)v[1], (ds_real)v[2]));
        for (size_t p = 0; p < c->n_points; p++) {
            const int32_t point = (int32_t)p;
            if (cube_is_held(c, p)) ds_world_pin(c->world, c->points, &point, 1);
        }
        c->log_E = ds_world_param(c->world, c->tets, "young");
    }
    free(corners);
    free(each);
    if (!c->world) return "no memory";
    if (!ds_world_stepper(c->world)) return ds_world_error(c->world)->text;

    ds_real *const log_E = ds_world_params(c->world) + c->log_E.first;
    for (size_t e = 0; e < c->n_tets; e++)
        log_E[e] = (ds_real)(log(CUBE_YOUNG) + (c->scene->waved ? 0.2 * sin((double)e) : 0));
    c->n_param = ds_world_stepper(c->world)->n_param;
    c->param = (ds_real *)calloc(c->n_param, sizeof *c->param);
    memset(&desc, 0, sizeof desc);
    desc.steps = CUBE_STEPS;
    desc.loss = cube_loss;
    desc.loss_user = c;
    desc.loss_at_end = 1;
    c->rollout = c->param ? ds_world_rollout(c->world, &desc) : NULL;
    if (!c->rollout) return c->param ? ds_world_error(c->world)->text : "no memory";
    memcpy(c->param, ds_world_params(c->world), c->n_param * sizeof *c->param);
    return NULL;
}

#endif
