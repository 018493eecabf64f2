/* Many rollouts at once: the same bits for every number of threads, and the first failure is named. */
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

enum { TASKS = 37, STEPS = 50, MOST_THREADS = 8, N = 4 + STEPS };
typedef struct batch {
    ds_real gradients[TASKS][N];
    size_t bad[2]; /* tasks that go wrong */
} batch;

/* another start for each task; recorded steps branch, so that a replay may record anew */
static ds_result one_task(void *user, ds_rollout *r, size_t i)
{
    batch *const b = (batch *)user;
    ds_real x[N];
    ds_result result;
    pendulum_start(x, STEPS);
    x[0] += (ds_real)i / 64;
    x[3] = (ds_real)(i % 5) / 16;
    if (i == b->bad[0]) x[1] = (ds_real)NAN;
    if (i == b->bad[1]) return DSIM_ERROR_CALLBACK;
    result = rollout_set(r, x, STEPS);
    if (!result) result = ds_rollout_backward(r);
    rollout_gradient(r, b->gradients[i], STEPS);
    return result;
}

static ds_result record(void *user, const ds_step_vars *at, ds_var *next)
{
    const ds_var q = ds_vars_at(at->state, 0), v = ds_vars_at(at->state, 1), h = ds_c((double)pendulum_h);
    ds_var force = ds_sub(ds_vars_at(at->control, 0), ds_mul(ds_vars_at(at->param, 0), ds_sin(q)));
    (void)user;
    if (ds_branch(ds_gt(v, ds_c(0)))) force = ds_sub(force, ds_mul(ds_vars_at(at->param, 1), v));
    next[1] = ds_add(v, ds_mul(h, force));
    next[0] = ds_add(q, ds_mul(h, next[1]));
    return DSIM_OK;
}

static ds_result record_loss(void *user, const ds_step_vars *at, ds_var *loss)
{
    (void)user;
    if (!at->left) *loss = ds_square(ds_sub(ds_vars_at(at->state, 0), ds_c(1)));
    return DSIM_OK;
}

/* of a batch over so many threads; steppers and losses by hand or recorded */
static uint64_t run(size_t threads, int recorded, batch *b, ds_error *error)
{
    ds_pool *const pool = ds_pool_create(threads, NULL);
    pendulum p[MOST_THREADS];
    ds_recorded *steps[MOST_THREADS];
    ds_rollout *rollouts[MOST_THREADS];
    ds_rollout_desc d = pendulum_desc(STEPS);
    ds_batch_desc bd;
    ds_recorded_desc rd;
    memset(&bd, 0, sizeof bd);
    memset(&rd, 0, sizeof rd);
    memset(b->gradients, 0, sizeof b->gradients);
    rd.n_state = rd.n_param = 2;
    rd.n_control = 1;
    rd.step = record;
    rd.loss = record_loss;
    rd.replay = 1;
    for (size_t i = 0; i < threads; i++) {
        const ds_stepper by_hand = pendulum_stepper(&p[i], 1);
        steps[i] = ds_recorded_create(&rd);
        if (recorded) {
            d.loss = ds_recorded_loss;
            d.loss_second = ds_recorded_loss_second;
            d.loss_user = steps[i];
        }
        d.checkpoints = i % 2 ? DSIM_CHECKPOINTS_EVERY : DSIM_CHECKPOINTS_ALL;
        rollouts[i] = ds_rollout_create(recorded ? ds_recorded_stepper(steps[i]) : &by_hand, &d);
    }
    bd.jobs = ds_pool_jobs(pool);
    bd.task = one_task;
    bd.user = b;
    bd.rollouts = rollouts;
    bd.n_rollouts = threads;
    ds_rollout_batch(&bd, TASKS, error);
    for (size_t i = 0; i < threads; i++) {
        ds_rollout_destroy(rollouts[i]);
        ds_recorded_destroy(steps[i]);
    }
    ds_pool_destroy(pool);
    return ds_hash_reals(b->gradients[0], TASKS * N, 0);
}

static void test_bits(void)
{
    static const size_t threads[] = { 1, 2, 3, 4, 8 };
    static batch b;
    for (int recorded = 0; recorded < 2; recorded++) {
        uint64_t first = 0;
        int same = 1, good = 1;
        b.bad[0] = b.bad[1] = TASKS;
        for (size_t i = 0; i < COUNT(threads); i++) {
            ds_error error;
            const uint64_t hash = run(threads[i], recorded, &b, &error);
            if (!i) first = hash;
            same &= hash == first;
            good &= !error.code;
        }
        TAP_OK(same && good, "%s: the same gradients with 1 to 8 threads",
               recorded ? "recorded" : "by hand");
        if (recorded && ds_build_info().same_bits)
            TAP_OK(first == (sizeof(ds_real) == 4 ? UINT64_C(0x941702ed9edae834)
                                                  : UINT64_C(0xd8debde32f48699d)),
                   "those of every machine: %08x%08x", (unsigned)(first >> 32), (unsigned)first);
    }
}

static void test_failures(void)
{
    static batch b;
    int named = 1, done = 1;
    for (size_t threads = 1; threads <= MOST_THREADS; threads++) {
        ds_error error;
        b.bad[0] = 11;
        b.bad[1] = 5;
        run(threads, 0, &b, &error);
        named &= error.code == DSIM_ERROR_CALLBACK && error.index == 5 && strstr(error.text, "the task");
        b.bad[1] = 30;
        run(threads, 0, &b, &error);
        named &= error.code == DSIM_ERROR_NON_FINITE && error.index == 11 &&
                 strstr(error.text, "the state, entry 1");
        done &= b.gradients[TASKS - 1][0] != 0;
    }
    TAP_OK(named, "the failed task with the lowest number is named, whatever the threads");
    TAP_OK(done, "and the others are done");
}

/* a job system that begins at the end */
static void from_the_end(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    (void)user, (void)grain;
    while (n--) fn(task, n, n + 1, 0);
}
static void test_order(void)
{
    pendulum p;
    const ds_stepper s = pendulum_stepper(&p, 0);
    const ds_rollout_desc d = pendulum_desc(STEPS);
    ds_rollout *const r = ds_rollout_create(&s, &d);
    static batch b;
    ds_batch_desc bd;
    ds_error error;
    memset(&bd, 0, sizeof bd);
    bd.jobs.parallel_for = from_the_end;
    bd.jobs.n_workers = 1;
    bd.task = one_task;
    bd.user = &b;
    bd.rollouts = &r;
    bd.n_rollouts = 1;
    b.bad[0] = 3;
    b.bad[1] = 20;
    TAP_OK(ds_rollout_batch(&bd, TASKS, &error) == DSIM_ERROR_NON_FINITE && error.index == 3,
           "the lowest number is the first failure, in any order");
    ds_rollout_destroy(r);
}

static void test_misuse(void)
{
    pendulum p;
    const ds_stepper s = pendulum_stepper(&p, 0);
    const ds_rollout_desc d = pendulum_desc(3);
    ds_rollout *const r = ds_rollout_create(&s, &d), *const none = NULL;
    ds_pool *const pool = ds_pool_create(2, NULL);
    static batch b;
    ds_batch_desc bd;
    ds_error error;
    memset(&bd, 0, sizeof bd);
    bd.task = one_task;
    bd.user = &b;
    bd.rollouts = &r;
    bd.n_rollouts = 1;
    TAP_OK(!ds_rollout_batch(&bd, 0, &error) && !error.code, "no tasks");
    TAP_OK(ds_rollout_batch(NULL, 3, &error) == DSIM_ERROR_ARGUMENT, "no desc");
    TAP_OK(ds_rollout_batch(NULL, 3, NULL) == DSIM_ERROR_ARGUMENT, "no desc and no error");
    bd.jobs = ds_pool_jobs(pool);
    TAP_OK(ds_rollout_batch(&bd, 3, &error) == DSIM_ERROR_ARGUMENT, "too few rollouts");
    TAP_HAS(error.text, "there are 2", "are named");
    bd.jobs.parallel_for = NULL;
    bd.rollouts = &none;
    TAP_OK(ds_rollout_batch(&bd, 3, &error) == DSIM_ERROR_ARGUMENT, "a rollout that is NULL");
    ds_rollout_destroy(r);
    ds_pool_destroy(pool);
}

int main(void)
{
    test_bits();
    test_failures();
    test_order();
    test_misuse();
    return tap_end();
}
