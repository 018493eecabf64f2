/* wave.h: a square pond, recorded as a kernel, with its adjoint through time; see wave.c.

   The surface u of a square pond obeys u'' = c^2 laplacian(u), with u = 0 outside of it. On a grid, with the
   time step that makes (c h / cell)^2 = 1/3,

       next = 2 u - before + 1/3 laplacian(u),    laplacian(u) = sum of four neighbours - 4 u

   for the surfaces 2, 3, ... from 0 and 1. A pond at rest has surface 1 = surface 0; DiffTaichi's public
   program leaves surface 1 at 0. The loss is the mean over the cells of (last surface - picture)^2. The
   problem is linear, so the way back needs no surface of the way there. */
#ifndef WAVE_H
#define WAVE_H

#include "../diffsim.h"

#include <stdlib.h>
#include <string.h>

static const double WAVE_SPEED = 1.0 / 3;

typedef struct pond {
    size_t side, cells, surfaces; /* cells = side^2; surfaces from the first to the last */
    int starts_at_rest;           /* surface 1 is surface 0, else 0 */
    ds_runner *runner;
    ds_kernel *step, *step_adjoint, *error, *error_adjoint;
    ds_real *surface[3], *bar[3]; /* [cells] before, u and next in turn */
    ds_real *walls;               /* [cells] how many of its neighbours are outside */
    ds_real *picture;             /* [cells] */
    void (*watch)(struct pond *p, size_t t, const ds_real *surface); /* NULL, or sees all surfaces of a run */
    void *user;
} pond;

static ds_kernel *pond_record_step(void)
{
    ds_kernel_desc desc = { 0 };
    desc.rank = 2;
    ds_kernel *k = ds_kernel_begin(&desc, "wave");
    ds_arg before = ds_arg_in(k, "before", 1), u = ds_arg_in(k, "u", 1), walls = ds_arg_in(k, "walls", 1);
    ds_arg next = ds_arg_out(k, "next", 1);
    ds_grid grid = ds_grid_of_lanes(k, DSIM_WALL_CLAMP);
    ds_index cell[2] = { ds_lane_axis(k, 0), ds_lane_axis(k, 1) };
    ds_var here = ds_load(u, ds_lane(k));
    /* a neighbour outside counts as one like this cell; but it is 0 */
    ds_var curved = ds_sub(ds_grid_laplacian(u, 0, &grid, cell), ds_mul(ds_load(walls, ds_lane(k)), here));
    ds_var inertia = ds_sub(ds_mul(ds_c(2), here), ds_load(before, ds_lane(k)));
    ds_store(next, ds_lane(k), ds_fma(ds_c(WAVE_SPEED), curved, inertia));
    ds_kernel_end(k);
    return k;
}

static ds_array pond_array(const pond *p, const ds_real *values)
{
    return ds_array_reals(values, p->cells, 1);
}

/* 0: there is no memory */
static int pond_create(pond *p, size_t side, size_t surfaces, int starts_at_rest)
{
    ds_real *memory;
    memset(p, 0, sizeof *p);
    p->side = side;
    p->cells = side * side;
    p->surfaces = surfaces;
    p->starts_at_rest = starts_at_rest;
    p->runner = ds_runner_create(NULL);
    p->step = pond_record_step();
    p->step_adjoint = ds_kernel_adjoint(p->step, "before u");
    p->error = ds_kernel_reduction(NULL, DSIM_REDUCTION_DISTANCE, 1);
    p->error_adjoint = ds_kernel_adjoint(p->error, "a");
    memory = (ds_real *)calloc(8 * p->cells, sizeof *memory);
    if (!memory) return 0;
    for (int i = 0; i < 3; i++) {
        p->surface[i] = memory + (size_t)i * p->cells;
        p->bar[i] = memory + (size_t)(3 + i) * p->cells;
    }
    p->walls = memory + 6 * p->cells;
    p->picture = memory + 7 * p->cells;
    for (size_t i = 0; i < p->cells; i++) {
        const size_t column = i % side, row = i / side;
        p->walls[i] = (ds_real)((column == 0) + (column == side - 1) + (row == 0) + (row == side - 1));
    }
    return 1;
}

static void pond_destroy(pond *p)
{
    free(p->surface[0]);
    ds_kernel_destroy(p->step);
    ds_kernel_destroy(p->step_adjoint);
    ds_kernel_destroy(p->error);
    ds_kernel_destroy(p->error_adjoint);
    ds_runner_destroy(p->runner);
}

/* the last surface, from the first [cells] */
static const ds_real *pond_run(pond *p, const ds_real *first)
{
    const size_t lanes[2] = { p->side, p->side }, bytes = p->cells * sizeof *first;
    memcpy(p->surface[0], first, bytes);
    if (p->starts_at_rest) memcpy(p->surface[1], first, bytes);
    else memset(p->surface[1], 0, bytes);
    for (size_t t = 0; t + 2 < p->surfaces; t++) {
        ds_array args[4] = { pond_array(p, p->surface[t % 3]), pond_array(p, p->surface[(t + 1) % 3]),
                             pond_array(p, p->walls), pond_array(p, p->surface[(t + 2) % 3]) };
        if (p->watch) p->watch(p, t, p->surface[t % 3]);
        ds_launch_grid(p->runner, p->step, lanes, args, 4);
    }
    return p->surface[(p->surfaces - 1) % 3];
}

/* grad = d loss / d first, behind pond_run: back through the steps with the bars of three surfaces */
static void pond_run_back(pond *p, const ds_real *last, ds_real *grad)
{
    const size_t lanes[2] = { p->side, p->side }, bytes = p->cells * sizeof *grad;
    ds_real seed = (ds_real)(1 / (double)p->cells), *next = p->bar[0], *u = p->bar[1];
    ds_real *before = p->bar[2];
    const ds_array none = ds_array_reals(NULL, 0, 1); /* the kernels of the way back have no use for these */
    ds_array error[6] = { pond_array(p, last), pond_array(p, p->picture), none, pond_array(p, next), none,
                          ds_array_reals(&seed, 1, 1) };
    memset(next, 0, bytes);
    ds_launch(p->runner, p->error_adjoint, p->cells, error, 6);
    memset(u, 0, bytes);
    for (size_t t = p->surfaces - 2; t-- > 0;) {
        ds_real *const done = next;
        ds_array args[8] = { none, none, pond_array(p, p->walls), none,
                             pond_array(p, before), pond_array(p, u), none, pond_array(p, next) };
        memset(before, 0, bytes);
        ds_launch_grid(p->runner, p->step_adjoint, lanes, args, 8);
        next = u;
        u = before;
        before = done;
    }
    for (size_t i = 0; i < p->cells; i++) grad[i] = u[i] + (p->starts_at_rest ? next[i] : 0);
}

/* an objective of ds_minimise and ds_check_gradient: user is the pond, first [n = cells] */
static ds_result pond_misfit(void *user, const ds_real *first, size_t n, ds_real *value, ds_real *grad)
{
    pond *const p = (pond *)user;
    ds_real sum = 0;
    const ds_real *const last = pond_run(p, first);
    ds_array args[3] = { pond_array(p, last), pond_array(p, p->picture), ds_array_reals(&sum, 1, 1) };
    ds_launch(p->runner, p->error, p->cells, args, 3);
    *value = sum / (ds_real)n;
    if (grad) pond_run_back(p, last, grad);
    return ds_runner_error(p->runner)->code;
}

#endif
