/* Ten thousand worlds at once, each with parameters of its own, forward and backward.

   An elastic chain is let go from the horizontal. Where its end is after a second and a half is seen; how
   stiff are its links, and how much does the air hold it back? Two numbers are to be found from two, but the
   chain whips, and the loss over stiffness and drag has valleys that lead nowhere. So the question is asked
   from 10 000 starts, a grid over both parameters, all at the same time: 100 worlds stand side by side in one
   ds_world, lanes of the same kernels, and groups of 100 are shared out to threads by ds_rollout_batch. One
   gradient of the sum of their losses has every world's own gradient in it, for no world knows of another,
   and each goes down its own way, with a step length of its own.

   make -C examples world_batch && examples/build/world_batch --threads 2
   prints how many worlds go forward and backward in a second, with 1 thread and with more; that a world has
   the bits that it has alone; how many starts find the chain. Draws batch_map.png, the loss over the
   parameters (stiffness to the right, drag upwards, both logarithmic) with its downhill arrows and a ring
   where the chain is, and batch_found.png, the same with a dot where each search has ended. */
#ifndef _WIN32
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#endif
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { LINKS = 6, N = LINKS + 1, SIDE_BY_SIDE = 100, STEPS = 300, MOST_THREADS = 64, ALONE = 12 };
enum { STIFFNESS, DRAG, KINDS };
static const double LINK = 0.2, MASS = 0.1, DT = 5e-3; /* m, kg of each point, s */
static const double LOW[KINDS] = { 10, 3e-3 }, HIGH[KINDS] = { 400, 0.3 }; /* N/m, N s/m */
static const double TRUTH[KINDS] = { 30, 0.1 }, FOUND = 1e-8; /* of the chain that was seen; m^2: 0.14 mm */

/* a world of so many chains, and what sets it going */
typedef struct chains {
    size_t side_by_side;
    ds_world *world;
    ds_param of[KINDS]; /* where stiffness and drag are among the parameters: one for each world */
    ds_rollout *rollout;
    ds_real target[2]; /* m */
} chains;

/* coordinate k of the chain's end in world w, in a state of all */
static size_t end_of(const chains *c, size_t k, size_t w)
{
    return (k * N + LINKS) * c->side_by_side + w;
}

/* half the squared distance from the target, summed over worlds */
static ds_result miss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const chains *const c = (const chains *)user;
    for (size_t i = 0; i < 2 * c->side_by_side; i++) {
        const size_t k = i % 2;
        const size_t at = c->side_by_side == 1 ? 3 * LINKS + k : end_of(c, k, i / 2);
        const ds_real off = io->state[at] - c->target[k];
        *value += off * off / 2;
        if (bar && bar->state_bar) bar->state_bar[at] += off;
    }
    return DSIM_OK;
}

static int build(chains *c, size_t side_by_side, const ds_real target[2])
{
    ds_world_desc desc = { 0 };
    ds_rollout_desc roll = { 0 };
    ds_real x[N][3] = { { 0 } };
    int32_t ends[LINKS][2];
    const int32_t pin = 0;
    desc.integrator.dt = DT;
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    desc.worlds = side_by_side;
    desc.worlds_have_params = 1;
    ds_world *w = ds_world_create(&desc);
    for (int i = 0; i < N; i++) x[i][0] = (ds_real)(LINK * i);
    for (int i = 0; i < LINKS; i++) ends[i][0] = i, ends[i][1] = i + 1;
    const ds_body points = ds_world_add_points(w, x[0], N, MASS);
    ds_springs springs;
    springs.stiffness = ds_number_make(TRUTH[STIFFNESS]);
    springs.stiffness.logarithmic = 1;
    springs.damping = ds_number_make(0.1);
    const ds_body links = ds_world_add_springs(w, points, ends[0], LINKS, &springs);
    ds_number drag = ds_number_make(TRUTH[DRAG]);
    ds_elements air = { 0 };
    drag.logarithmic = 1;
    air.type = ds_energy_get_type(DSIM_ENERGY_DRAG);
    air.of = points;
    air.numbers = &drag;
    const ds_body held = ds_world_add_elements(w, &air);
    ds_world_pin(w, points, &pin, 1);
    c->side_by_side = side_by_side;
    c->world = w;
    c->of[STIFFNESS] = ds_world_param(w, links, "stiffness");
    c->of[DRAG] = ds_world_param(w, held, "drag");
    c->target[0] = target[0], c->target[1] = target[1];
    roll.steps = STEPS;
    roll.loss = miss;
    roll.loss_at_end = 1;
    roll.loss_user = c;
    c->rollout = ds_world_rollout(w, &roll);
    if (!c->rollout) fprintf(stderr, "%s\n", ds_world_error(w)->text);
    return c->rollout != NULL;
}

static void end(chains *c)
{
    ds_rollout_destroy(c->rollout);
    ds_world_destroy(c->world);
}

/* all worlds: log stiffness and log drag, [KINDS][n], what comes of them, and the chains of each worker */
typedef struct all_worlds {
    size_t n;
    ds_real *u, *grad; /* [KINDS][n] */
    ds_real *loss; /* [n] (m^2) */
    ds_real (*state)[6 * N]; /* [n] in the end: x, v */
    chains workers[MOST_THREADS];
    ds_rollout *rollouts[MOST_THREADS];
    size_t n_workers;
} all_worlds;

/* worlds `group` * side_by_side and on, in the chains that this rollout is of */
static ds_result run_group(void *user, ds_rollout *rollout, size_t group)
{
    all_worlds *const a = (all_worlds *)user;
    const chains *c = a->workers;
    while (c->rollout != rollout) c++;
    const size_t W = c->side_by_side, first = group * W;
    ds_real *const param = ds_world_params(c->world);
    for (size_t k = 0; k < KINDS; k++)
        memcpy(param + c->of[k].first, a->u + k * a->n + first, W * sizeof *param);
    ds_result result = ds_rollout_set_param(rollout, param);
    if (!result) result = ds_rollout_backward(rollout);
    if (result) return result;
    const ds_real *const state = ds_rollout_state(rollout, NULL);
    for (size_t k = 0; k < KINDS; k++)
        memcpy(a->grad + k * a->n + first, ds_rollout_param_grad(rollout) + c->of[k].first,
               W * sizeof *param);
    for (size_t w = 0; w < W; w++) {
        ds_real *const mine = a->state[first + w];
        ds_world_get(c->world, w, state, mine, mine + 3 * N);
        const ds_real x = mine[3 * LINKS] - c->target[0], y = mine[3 * LINKS + 1] - c->target[1];
        a->loss[first + w] = (x * x + y * y) / 2;
    }
    return DSIM_OK;
}

static double seconds(void)
{
#ifdef _WIN32
    return (double)clock() / CLOCKS_PER_SEC; /* wall time there */
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#endif
}

/* losses and gradients of all worlds with so many threads; worlds per second, 0 if it failed */
static double run(all_worlds *a, size_t threads)
{
    ds_pool *const pool = ds_pool_create(threads, NULL);
    ds_batch_desc batch = { 0 };
    ds_error error = { 0 };
    batch.jobs = ds_pool_jobs(pool);
    batch.task = run_group;
    batch.user = a;
    batch.rollouts = a->rollouts;
    batch.n_rollouts = threads;
    const double start = seconds();
    const ds_result result = ds_rollout_batch(&batch, a->n / SIDE_BY_SIDE, &error);
    const double time = seconds() - start;
    ds_pool_destroy(pool);
    if (result) fprintf(stderr, "%s\n", error.text);
    return result ? 0 : (double)a->n / time;
}

/* Some worlds again, each by itself: how many have other bits in the end, and how far the gradient is off,
   relative to its length. Its sums over the links go in another order there. */
static void compare_alone(const all_worlds *a, chains *one, double *differ, double *off)
{
    *differ = *off = 0;
    for (size_t j = 0; j < ALONE; j++) {
        const size_t i = j * (a->n - 1) / (ALONE - 1);
        ds_real *const param = ds_world_params(one->world), state[6 * N];
        double miss2 = 0, length2 = 0;
        for (size_t k = 0; k < KINDS; k++) param[one->of[k].first] = a->u[k * a->n + i];
        if (ds_rollout_set_param(one->rollout, param) || ds_rollout_backward(one->rollout)) *differ += 1;
        ds_world_get(one->world, 0, ds_rollout_state(one->rollout, NULL), state, state + 3 * N);
        *differ += memcmp(state, a->state[i], sizeof state) != 0;
        for (size_t k = 0; k < KINDS; k++) {
            const double alone = (double)ds_rollout_param_grad(one->rollout)[one->of[k].first];
            const double d = alone - (double)a->grad[k * a->n + i];
            miss2 += d * d;
            length2 += alone * alone;
        }
        *off = fmax(*off, sqrt(miss2 / length2));
    }
}

/* The logarithm of the loss on the grid of starts, with arrows downhill if there is a gradient, and dots
   where the searches have ended, [KINDS][n], if there are such. */
static void draw(show *s, const char *name, const ds_real *loss, const ds_real *grad, const ds_real *ends,
                 size_t side)
{
    const double low[KINDS] = { log(LOW[0]), log(LOW[1]) }, high[KINDS] = { log(HIGH[0]), log(HIGH[1]) };
    show_canvas *c = show_canvas_create(900, low[0], high[0], low[1], high[1]);
    const size_t n = side * side, apart = side > 25 ? side / 25 : 1;
    const double arrow = 0.8 * (high[0] - low[0]) * (double)apart / (double)side;
    ds_real *const decades = (ds_real *)malloc(n * sizeof *decades);
    const ds_real truth[2] = { (ds_real)log(TRUTH[0]), (ds_real)log(TRUTH[1]) };
    if (!decades) return;
    for (size_t i = 0; i < n; i++) decades[i] = (ds_real)log10((double)loss[i] + 1e-12);
    show_field(c, decades, (int)side, (int)side, -4, 0);
    for (size_t i = 0; grad && i < n; i++) {
        const size_t at[2] = { i % side, i / side };
        const double length = hypot((double)grad[i], (double)grad[n + i]);
        ds_real from[2], to[2];
        if (at[0] % apart != apart / 2 || at[1] % apart != apart / 2) continue;
        for (size_t k = 0; k < 2; k++) {
            const double middle = low[k] + (high[k] - low[k]) * ((double)at[k] + 0.5) / (double)side;
            const double half = arrow / 2 * (double)grad[k * n + i] / length;
            from[k] = (ds_real)(middle + half);
            to[k] = (ds_real)(middle - half);
        }
        show_line(c, from, to, 1.5, SHOW_WHITE);
        show_dot(c, to, 5, SHOW_WHITE);
    }
    for (size_t i = 0; ends && i < n; i++) {
        const ds_real at[2] = { ends[i], ends[n + i] };
        show_dot(c, at, 6, show_fade(SHOW_PINK, 0.6));
    }
    show_dot(c, truth, 18, SHOW_RED);
    show_dot(c, truth, 8, SHOW_WHITE);
    show_canvas_save(c, s, name);
    show_canvas_destroy(c);
    free(decades);
}

/* One step downhill of world i, whose number k is at k n + i: of the length that the last step and the change
   of the gradient along it suggest, s.s / s.y (Barzilai and Borwein 1988), or LONGEST where that is longer or
   the loss curves down. before: u and gradient of the step before, NULL: there is none. */
static const double LONGEST = 0.3; /* of the logarithms */
static void go_down(const all_worlds *a, size_t i, const ds_real *before, ds_real *next)
{
    double ss = 0, sy = 0, gg = 0;
    for (size_t k = 0; k < KINDS; k++) {
        const size_t at = k * a->n + i;
        const double g = (double)a->grad[at], s = before ? (double)(a->u[at] - before[at]) : 0;
        ss += s * s;
        sy += before ? s * (g - (double)before[KINDS * a->n + at]) : 0;
        gg += g * g;
    }
    double length = gg > 0 ? LONGEST / sqrt(gg) : 0;
    if (sy > 0 && ss / sy < length) length = ss / sy;
    for (size_t k = 0; k < KINDS; k++) {
        const size_t at = k * a->n + i;
        const double to = (double)a->u[at] - length * (double)a->grad[at];
        next[at] = (ds_real)fmin(fmax(to, log(LOW[k] / 2)), log(HIGH[k] * 2));
    }
}

/* downhill from all starts at once */
static int search(show *s, all_worlds *a, size_t threads, int iterations)
{
    const size_t n = KINDS * a->n;
    ds_real *const before = (ds_real *)malloc(2 * n * sizeof *before);
    ds_real *const next = (ds_real *)malloc(n * sizeof *next);
    int good = before && next;
    for (int k = 0; good && k < iterations; k++) {
        size_t found = 0;
        for (size_t i = 0; i < a->n; i++) go_down(a, i, k ? before : NULL, next);
        memcpy(before, a->u, n * sizeof *before);
        memcpy(before + n, a->grad, n * sizeof *before);
        memcpy(a->u, next, n * sizeof *next);
        good = run(a, threads) > 0;
        for (size_t i = 0; i < a->n; i++) found += (double)a->loss[i] < FOUND;
        show_progress(s, k + 1, iterations, "%d of %d have found it", (int)found, (int)a->n);
    }
    free(before);
    free(next);
    return good;
}

/* the starts: a grid, stiffness by stiffness for each drag */
static int begin(all_worlds *a, size_t side, size_t n_workers, const ds_real target[2])
{
    int good = 1;
    memset(a, 0, sizeof *a);
    a->n = side * side;
    a->u = (ds_real *)malloc(KINDS * a->n * sizeof *a->u);
    a->grad = (ds_real *)malloc(KINDS * a->n * sizeof *a->grad);
    a->loss = (ds_real *)malloc(a->n * sizeof *a->loss);
    a->state = (ds_real(*)[6 * N])malloc(a->n * sizeof *a->state);
    if (!a->u || !a->grad || !a->loss || !a->state) return 0;
    for (size_t i = 0; i < KINDS * a->n; i++) {
        const size_t k = i / a->n, at = k ? i % a->n / side : i % side;
        a->u[i] = (ds_real)(log(LOW[k]) + log(HIGH[k] / LOW[k]) * ((double)at + 0.5) / (double)side);
    }
    for (; good && a->n_workers < n_workers; a->n_workers++) {
        good = build(&a->workers[a->n_workers], SIDE_BY_SIDE, target);
        a->rollouts[a->n_workers] = a->workers[a->n_workers].rollout;
    }
    return good;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "10 000 worlds with parameters and gradients of their own", NULL, 0);
    const size_t side = s.quick ? 20 : 100, threads = s.threads < MOST_THREADS ? (size_t)s.threads : 64;
    const size_t most = threads > 1 ? threads : 2;
    ds_real target[2] = { 0 };
    static all_worlds a;
    chains one;
    if (!build(&one, 1, target) || ds_rollout_forward(one.rollout)) return 1;
    memcpy(target, ds_rollout_state(one.rollout, NULL) + 3 * LINKS, sizeof target);
    memcpy(one.target, target, sizeof target);
    printf("the chain's end was seen at %.3f, %.3f m\n", (double)target[0], (double)target[1]);
    if (!begin(&a, side, most, target)) return 1;

    /* with 1 thread and with more: the same bits */
    const size_t grad_bytes = KINDS * a.n * sizeof *a.grad, state_bytes = a.n * sizeof *a.state;
    ds_real *const grad = (ds_real *)malloc(grad_bytes), *const state = (ds_real *)malloc(state_bytes);
    ds_real *const loss = (ds_real *)malloc(a.n * sizeof *loss);
    double speed[2], differ, off;
    if (!grad || !state || !loss) return 1;
    run(&a, 1); /* the first launch makes what later ones need */
    speed[0] = run(&a, 1);
    memcpy(grad, a.grad, grad_bytes);
    memcpy(state, a.state, state_bytes);
    memcpy(loss, a.loss, a.n * sizeof *loss);
    run(&a, most);
    speed[1] = run(&a, most);
    if (!(speed[0] > 0 && speed[1] > 0)) return 1;
    printf("worlds per second, forward and backward through %d steps: %.0f with 1 thread, %.0f with %d\n",
           (int)STEPS, speed[0], speed[1], (int)most);
    const int threads_differ = memcmp(grad, a.grad, grad_bytes) || memcmp(state, a.state, state_bytes);
    compare_alone(&a, &one, &differ, &off);
    if (!s.quick) draw(&s, "batch_map.png", loss, grad, NULL, side);

    if (!search(&s, &a, threads, s.quick ? 20 : 40)) return 1;
    if (!s.quick) draw(&s, "batch_found.png", loss, NULL, a.u, side);
    size_t found = 0, best = 0;
    for (size_t i = 0; i < a.n; i++) {
        found += (double)a.loss[i] < FOUND;
        if (a.loss[i] < a.loss[best]) best = i;
    }
    show_result(&s, "worlds", (double)a.n);
    show_result(&s, "threads_differ", threads_differ);
    show_result(&s, "alone_differ", differ);
    show_result(&s, "alone_gradient_off", off);
    show_result(&s, "found", (double)found / (double)a.n);
    show_result(&s, "best_stiffness", exp((double)a.u[best]));
    show_result(&s, "best_drag", exp((double)a.u[a.n + best]));
    show_result(&s, "best_loss", (double)a.loss[best]);
    for (size_t i = 0; i < a.n_workers; i++) end(&a.workers[i]);
    end(&one);
    free(a.u), free(a.grad), free(a.loss), free(a.state), free(grad), free(state), free(loss);
    return show_end(&s);
}
