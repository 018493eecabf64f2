/* wave.h: a square pond as a list of launches, and its adjoint through time; see wave.c.

   The surface u of a square pond obeys u'' = c^2 laplacian(u), with u = 0 outside of it. On a grid, with the
   time step that makes (c h / cell)^2 = 1/3,

       next + before = S u = 2 u + 1/3 laplacian(u),    laplacian(u) = sum of four neighbours - 4 u

   for the surfaces 2, 3, ... from 0 and 1. A pond at rest has surface 1 = surface 0; DiffTaichi's public
   program leaves surface 1 at 0. The loss is the mean over the cells of (last surface - picture)^2.

   Two fields a and b take turns. With the signs of every other pair of surfaces turned, a step is one sum,

       a -= S b,    b += S a,    a -= S b, ...    so that (a, b) = (-1)^k (surface 2 k, surface 2 k + 1).

   Around a field stands a border of zeros: all cells have four neighbours, at constant distances in memory,
   which is what printed text is fast with. The steps are linear, so the way back needs no surface of the way
   there, and all of them may be one step of a rollout, that keeps nothing. In pairs each pair is a state of
   the rollout, and a budget in bytes says how many of those are kept. */
#ifndef WAVE_H
#define WAVE_H

#include "../diffsim.h"

#include <stdlib.h>
#include <string.h>

/* cells along a side at most; from row to row in memory, for all ponds, so that they have the same record */
enum { POND_MOST = 256, POND_ROW = POND_MOST + 2 };
static const double WAVE_SPEED = 1.0 / 3;

typedef struct pond {
    /* set these: */
    size_t side, surfaces; /* surfaces from the first to the last: 4 or more, even */
    int starts_at_rest;    /* surface 1 is surface 0, else 0 */
    int in_pairs;          /* a step of the rollout is two surfaces, else all */
    size_t memory_limit;   /* of the rollout, bytes; 0: none */
    const ds_printed_kernel *const *printed; /* [n_printed] text of the kernels, if there is any */
    size_t n_printed;
    void (*watch)(struct pond *p, size_t t); /* NULL, or is told in a run that `surface` is number t */
    void *user;
    /* the rest is pond_create's: */
    size_t cells, field; /* side^2; numbers of a field with its border */
    ds_kernel *kernel;
    ds_launch_list *list;
    ds_rollout *rollout;
    ds_real *start;             /* [2][field] */
    ds_real *surface, *picture; /* [cells] */
} pond;

/* next += turn S u; lanes are cells */
static ds_kernel *pond_record(void)
{
    enum { FIRST = POND_ROW + 1 }; /* where cell 0 stands */
    static const int BESIDE[4] = { -POND_ROW, -1, 1, POND_ROW };
    ds_kernel_desc desc = { 0 };
    desc.rank = 2;
    ds_kernel *k = ds_kernel_begin(&desc, "wave");
    ds_arg turn = ds_arg_in(k, "turn", 1), u = ds_arg_in(k, "u", 1), next = ds_arg_sum(k, "next", 1);
    ds_index lane = ds_index_add(ds_index_mul(ds_lane_axis(k, 0), ds_i(POND_ROW)), ds_lane_axis(k, 1));
    ds_index cell = ds_index_add(lane, ds_i(FIRST));
    ds_var sign = ds_load(turn, ds_i(0)), here = ds_load(u, cell), around[4];
    for (int i = 0; i < 4; i++) around[i] = ds_load(u, ds_index_add(lane, ds_i(FIRST + BESIDE[i])));
    ds_var sum = ds_add(ds_add(around[0], around[1]), ds_add(around[2], around[3]));
    ds_var laplacian = ds_fma(ds_c(-4), here, sum);
    ds_var twice = ds_mul(ds_mul(ds_c(2), sign), here);
    ds_add_at(next, cell, ds_fma(ds_mul(ds_c(WAVE_SPEED), sign), laplacian, twice));
    ds_kernel_end(k);
    return k;
}

/* so many pairs of launches as one step */
static ds_launch_list *pond_list(const pond *p, size_t pairs)
{
    static const ds_real TURN[2] = { -1, 1 };
    const size_t lanes[2] = { p->side, p->side };
    const ds_binding a = ds_bind(DSIM_BOUND_STATE, 0, p->field, 1);
    const ds_binding b = ds_bind(DSIM_BOUND_STATE, p->field, p->field, 1);
    const ds_binding even[3] = { ds_bind_constant(ds_array_reals(&TURN[0], 1, 1)), b, a };
    const ds_binding odd[3] = { ds_bind_constant(ds_array_reals(&TURN[1], 1, 1)), a, b };
    ds_launch_list_desc desc = { 0 };
    desc.n_state = 2 * p->field;
    desc.runner.printed = p->printed;
    desc.runner.n_printed = p->n_printed;
    ds_launch_list *list = ds_launch_list_create(&desc);
    for (size_t i = 0; i < pairs; i++) {
        ds_launch_list_add(list, p->kernel, lanes, even, 3);
        ds_launch_list_add(list, p->kernel, lanes, odd, 3);
    }
    return list;
}

/* row `row` of a field, behind its border */
static size_t pond_row(size_t row) { return (row + 1) * POND_ROW + 1; }

/* surface = the first or the second surface of a state, which is pair k */
static void pond_look(pond *p, const ds_real *state, size_t k, int second)
{
    const ds_real *const field = state + (second ? p->field : 0), sign = k % 2 ? -1 : 1;
    for (size_t row = 0; row < p->side; row++)
        for (size_t i = 0; i < p->side; i++)
            p->surface[row * p->side + i] = sign * field[pond_row(row) + i];
}

/* the mean square of what the last surface misses */
static ds_result pond_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    pond *const p = (pond *)user;
    const size_t pairs = (p->surfaces - 2) / 2, k = io->left ? io->step : pairs;
    const ds_real sign = (ds_real)((k % 2 ? -2 : 2) / (double)p->cells);
    if (p->watch) {
        pond_look(p, io->state, k, 0);
        p->watch(p, 2 * k);
    }
    if (io->left) return DSIM_OK;
    pond_look(p, io->state, k, 1);
    double sum = 0;
    for (size_t row = 0; row < p->side; row++) { /* row by row: less is lost by rounding */
        ds_real *const miss = p->surface + row * p->side;
        const ds_array numbers = ds_array_reals(miss, p->side, 1);
        for (size_t i = 0; i < p->side; i++) miss[i] -= p->picture[row * p->side + i];
        sum += ds_array_dot(&numbers, &numbers);
        for (size_t i = 0; bar && i < p->side; i++)
            bar->state_bar[p->field + pond_row(row) + i] += sign * miss[i];
    }
    *value += (ds_real)(sum / (double)p->cells);
    return DSIM_OK;
}

static void pond_destroy(pond *p)
{
    free(p->start);
    ds_rollout_destroy(p->rollout);
    ds_launch_list_destroy(p->list);
    ds_kernel_destroy(p->kernel);
}

/* 0: there is not enough memory; the sentence goes to `why` */
static int pond_create(pond *p, ds_checkpoint_plan *why)
{
    const size_t pairs = (p->surfaces - 2) / 2;
    ds_stepper stepper = { 0 };
    ds_rollout_desc desc = { 0 };
    p->cells = p->side * p->side;
    p->field = (p->side + 2) * POND_ROW;
    p->kernel = pond_record();
    p->list = pond_list(p, p->in_pairs ? 1 : pairs);
    desc.steps = p->in_pairs ? pairs : 1;
    desc.memory_limit = p->memory_limit;
    desc.loss = pond_loss;
    desc.loss_user = p;
    if (ds_launch_list_stepper(p->list)) stepper = *ds_launch_list_stepper(p->list);
    stepper.jvp = NULL; /* no tangents are asked for: no room for them */
    stepper.second = NULL;
    ds_rollout_plan(&stepper, &desc, why);
    p->rollout = ds_rollout_create(&stepper, &desc);
    p->start = (ds_real *)calloc(2 * p->field + 2 * p->cells, sizeof *p->start);
    if (!p->rollout || !p->start) {
        pond_destroy(p);
        return 0;
    }
    p->surface = p->start + 2 * p->field;
    p->picture = p->surface + p->cells;
    return 1;
}

/* the first surface [cells] */
static void pond_begin(pond *p, const ds_real *first)
{
    const size_t bytes = p->side * sizeof *first;
    for (size_t row = 0; row < p->side; row++) {
        ds_real *const a = p->start + pond_row(row), *const b = a + p->field;
        memcpy(a, first + row * p->side, bytes);
        if (p->starts_at_rest) memcpy(b, a, bytes);
        else memset(b, 0, bytes);
    }
    ds_rollout_set_state(p->rollout, p->start);
}

/* the last surface [cells], from the first; NULL: it failed */
static const ds_real *pond_run(pond *p, const ds_real *first)
{
    pond_begin(p, first);
    if (ds_rollout_forward(p->rollout)) return NULL;
    pond_look(p, ds_rollout_state(p->rollout, NULL), (p->surfaces - 2) / 2, 1);
    return p->surface;
}

/* an objective of ds_minimise and ds_check_gradient: user is the pond, first [n = cells] */
static ds_result pond_misfit(void *user, const ds_real *first, size_t n, ds_real *value, ds_real *grad)
{
    pond *const p = (pond *)user;
    pond_begin(p, first);
    const ds_result result = grad ? ds_rollout_backward(p->rollout) : ds_rollout_forward(p->rollout);
    const ds_real *const by = ds_rollout_state_grad(p->rollout);
    *value = (ds_real)ds_rollout_loss(p->rollout);
    (void)n;
    for (size_t row = 0; grad && by && row < p->side; row++)
        for (size_t i = 0; i < p->side; i++) {
            const size_t at = pond_row(row) + i;
            grad[row * p->side + i] = p->starts_at_rest ? by[at] + by[p->field + at] : by[at];
        }
    return result;
}

#endif
