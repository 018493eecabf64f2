/* test_robots.c - walking robots of points and springs (examples/mass_spring_robots.h): the random numbers
   are numpy's, the bodies are DiffTaichi's, and so are losses and gradients to 1e-9; the adjoint of a whole
   run is that of its tangent to 1e-12 and of differences; a step hides no state; the same bits everywhere,
   however many trainings go on at once */
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../examples/mass_spring_robots.h"
#include "oracle/robots.h"

#include "tap.h"

#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
static const double CLOSE = IS_FLOAT ? 5e-3 : 1e-9;
static const char *const CONTACTS[] = { "naive", "time of impact" };

static ds_real params[ROBOT_PARAMS], direction[ROBOT_PARAMS];

static void random_numbers(void)
{
    const double want[] = { 1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458,
                            1.8675579901499675 };
    robot_random r = robot_random_make(0);
    for (int i = 0; i < 5; i++)
        TAP_NEAR(robot_random_normal(&r), want[i], IS_FLOAT ? 1e-6 : 1e-15, "RandomState(0).randn, number %d",
                 i);
    for (int i = 5; i < 2000; i++) robot_random_normal(&r); /* past a refill of the generator */
    TAP_NEAR(robot_random_normal(&r), -1.5329210534301279, IS_FLOAT ? 1e-6 : 1e-14, "... number 2000");
}

static void body(int number, const unsigned char (*springs)[3], int n_springs,
                 const unsigned char (*points)[2], int n_points)
{
    static robot r;
    int right = robot_build(&r, number, 0) && r.n_points == n_points && r.n_springs == n_springs;
    TAP_OK(right, "robot %d has %d points and %d springs", number, n_points, n_springs);
    for (int i = 0; right && i < n_points; i++)
        right = r.place[i][0] == points[i][0] && r.place[i][1] == points[i][1] &&
                fabs((double)r.point[i].x - 0.1 - 0.025 * points[i][0]) < 1e-7 &&
                fabs((double)r.point[i].y - 0.1 - 0.025 * points[i][1]) < 1e-7;
    TAP_OK(right, "... where they begin");
    for (int k = 0; right && k < n_springs; k++) {
        const robot_spring *const s = &r.spring[k];
        const int dx = r.place[s->a][0] - r.place[s->b][0], dy = r.place[s->a][1] - r.place[s->b][1];
        right = s->a == springs[k][0] && s->b == springs[k][1] &&
                s->actuation == (springs[k][2] ? 0.15 : 0) && fabs(s->rest - 0.025 * hypot(dx, dy)) < 1e-7;
    }
    TAP_OK(right, "... its springs, which of them are muscles, and their rest lengths");
}

static double norm(const ds_real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* the largest difference, in parts of the largest number */
static double off(const ds_real *got, const double *want, size_t n)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)got[i] - want[i]));
        size = fmax(size, fabs(want[i]));
    }
    return most / size;
}

static void compare_weights(const ds_real *w, size_t rows, size_t columns, const oracle_weights *want,
                            const char *name)
{
    double sum = 0;
    for (size_t i = 0; i < rows * columns; i++) sum += (double)w[i];
    TAP_NEAR(norm(w, rows * columns), want->norm, CLOSE, "... its norm in %s", name);
    TAP_OK(fabs(sum - want->sum) < CLOSE * want->norm * sqrt((double)(rows * columns)), "... its sum");
    TAP_NEAR(fabs((double)w[(size_t)want->row * columns + (size_t)want->column]), want->largest, CLOSE,
             "... the largest entry");
}

/* the loss and, if wanted, the gradient of a walk; NaN: it failed */
static double run(robot_walk *w, int back)
{
    ds_rollout_set_param(w->rollout, params);
    if (back ? ds_rollout_backward(w->rollout) : ds_rollout_forward(w->rollout)) return (double)NAN;
    return ds_rollout_loss(w->rollout);
}

/* robot 1 with the weights of the oracle */
static void oracle(int impact, size_t stride)
{
    const oracle_run *const want = &ORACLE_RUN[impact];
    robot_random random = robot_random_make(0);
    static robot r;
    static robot_walk w;
    static robot_learner learner;
    double finals[28];
    ds_real last[28];
    robot_build(&r, 1, impact);
    robot_randomise(&r, &random, params);
    if (!TAP_OK(robot_walk_begin(&w, &r, ROBOT_STEPS / stride, stride), "%s, strides of %d steps",
                CONTACTS[impact], (int)stride))
        return;
    const size_t n_in = r.sizes[0], w1 = ROBOT_HIDDEN * n_in, w2 = ROBOT_HIDDEN * r.sizes[2];
    TAP_NEAR(run(&w, 1), want->loss[0], CLOSE, "... the loss");
    const ds_real *const grad = ds_rollout_param_grad(w.rollout);
    const ds_real *const state = ds_rollout_state(w.rollout, NULL);
    const ds_real *const b1 = grad + w1, *const g2 = b1 + ROBOT_HIDDEN;
    for (int i = 0; i < 28; i++) {
        last[i] = state[3 * (i / 2) + i % 2];
        finals[i] = want->finals[i];
    }
    TAP_OK(off(last, finals, 28) < CLOSE, "... all points at the end, off by %.1e", off(last, finals, 28));
    compare_weights(grad, ROBOT_HIDDEN, n_in, &want->w1, "w1");
    compare_weights(g2, r.sizes[2], ROBOT_HIDDEN, &want->w2, "w2");
    TAP_OK(off(b1, want->b1, 32) < CLOSE, "... all of it in b1, off by %.1e", off(b1, want->b1, 32));
    TAP_OK(off(g2 + w2, want->b2, 30) < CLOSE, "... in b2, off by %.1e", off(g2 + w2, want->b2, 30));
    TAP_OK(off(grad, want->w1_row, 68) < CLOSE, "... in the first row of w1, off by %.1e",
           off(grad, want->w1_row, 68));
    TAP_OK(norm(g2, ROBOT_HIDDEN) == 0, "... nothing in the first row of w2: that spring is no muscle");

    robot_learner_begin(&learner, ROBOT_PAPER);
    for (int k = 0; k < 3 && !IS_FLOAT; k++) {
        const double loss = run(&w, 1);
        const double length = robot_learn(&r, &learner, params, loss, ds_rollout_param_grad(w.rollout));
        TAP_NEAR(loss, want->loss[k], 1e-9, "... the loss in iteration %d", k);
        TAP_NEAR(length * length, want->square[k], 1e-7, "... the squared norm of the gradient");
    }
    robot_walk_end(&w);
}

/* <gradient, v> = the tangent along v, and both are the slope of differences where no contact changes */
static void adjoints(void)
{
    ds_rng rng = ds_rng_make(1, 0);
    for (int number = 1; number <= 3; number++)
        for (int impact = 0; impact < 2; impact++) {
            robot_random random = robot_random_make(0);
            robot r;
            robot_walk w;
            ds_direction along = { NULL, direction, NULL };
            double back = 0, size = 0, loss_dot = (double)NAN, loss[2];
            robot_build(&r, number, impact);
            robot_randomise(&r, &random, params);
            if (!robot_walk_begin(&w, &r, number == 1 && impact ? ROBOT_STEPS / 3 : 50, 3)) continue;
            for (size_t i = 0; i < r.n_params; i++) direction[i] = ds_rng_normal(&rng);
            TAP_OK(isfinite(run(&w, 1)) && !ds_rollout_tangent(w.rollout, &along, NULL, &loss_dot),
                   "robot %d, %s: back and forward", number, CONTACTS[impact]);
            const ds_real *const grad = ds_rollout_param_grad(w.rollout);
            for (size_t i = 0; grad && i < r.n_params; i++) {
                back += (double)grad[i] * (double)direction[i];
                size += fabs((double)grad[i] * (double)direction[i]);
            }
            TAP_OK(fabs(back - loss_dot) <= (IS_FLOAT ? 1e-3 : 1e-12) * size,
                   "... <gradient, v> is the tangent along v, off by %.1e", fabs(back - loss_dot) / size);
            const ds_real h = (ds_real)1e-7;
            for (int side = 0; side < 2 && !IS_FLOAT; side++) {
                for (size_t i = 0; i < r.n_params; i++) params[i] += (side ? -2 * h : h) * direction[i];
                loss[side] = run(&w, 0);
            }
            if (!IS_FLOAT)
                TAP_NEAR((loss[0] - loss[1]) / (2 * (double)h), back, 2e-5, "... the slope of differences");
            robot_walk_end(&w);
        }
}

/* the 300th stride of one step depends on state, weights and sines alone, and its derivatives are right */
static void one_step(void)
{
    enum { STEP = 300 };
    static ds_real states[(STEP + 1) * 6 * ROBOT_POINTS];
    ds_real clock[ROBOT_SINES];
    robot_random random = robot_random_make(3);
    robot r;
    robot_walk w;
    ds_step_io io = { 0 };
    ds_check_desc desc = { 0 };
    ds_check_report report;
    robot_build(&r, 2, 1);
    robot_randomise(&r, &random, params);
    if (!TAP_OK(robot_walk_begin(&w, &r, STEP, 1), "robot 2")) return;
    w.film = states;
    run(&w, 0);
    robot_clock(STEP, clock);
    io.step = STEP;
    io.state = states + STEP * r.n_state;
    io.param = params;
    io.control = clock;
    desc.max_entries = 100;
    TAP_OK(!memcmp(io.state, ds_rollout_state(w.rollout, NULL), r.n_state * sizeof *states),
           "the film has all states");
    const ds_result result = ds_check_stepper(ds_recorded_stepper(w.recorded), &io, &desc, &report);
    /* springs as stiff as these are no good for differences in float */
    TAP_OK(!result || (IS_FLOAT && result == DSIM_ERROR_WRONG_GRADIENT), "... a step: %s", report.text);
    robot_walk_end(&w);
}

/* of the weights of three robots that have learnt, with so many workers */
static uint64_t learnt(int workers)
{
    enum { TRAININGS = 3, MOST = 2 };
    static robot_training all[TRAININGS];
    robot_random random = robot_random_make(0);
    static robot r;
    robot_walk walks[MOST];
    ds_rollout *rollouts[MOST];
    ds_pool *const pool = ds_pool_create((size_t)workers, NULL);
    ds_batch_desc batch = { 0 };
    ds_result result = DSIM_OK;
    uint64_t hash = 0;
    robot_build(&r, 1, 1);
    for (int i = 0; i < workers; i++) {
        if (!robot_walk_begin(&walks[i], &r, 4, 50)) return 0;
        rollouts[i] = walks[i].rollout;
    }
    memset(all, 0, sizeof all);
    for (int i = 0; i < TRAININGS; i++) {
        all[i].r = &r;
        robot_randomise(&r, &random, all[i].params);
        robot_learner_begin(&all[i].learner, ROBOT_CAREFUL);
    }
    batch.jobs = ds_pool_jobs(pool);
    batch.task = robot_practise;
    batch.user = all;
    batch.rollouts = rollouts;
    batch.n_rollouts = (size_t)workers;
    for (int k = 0; k < 4 && !result; k++) result = ds_rollout_batch(&batch, TRAININGS, NULL);
    for (int i = 0; i < TRAININGS; i++) hash = ds_hash_reals(all[i].params, r.n_params, hash);
    for (int i = 0; i < workers; i++) robot_walk_end(&walks[i]);
    ds_pool_destroy(pool);
    return result ? 0 : hash;
}

/* one after the other, and two at once; and the numbers of every machine */
static void same_bits(void)
{
    const uint64_t hash = learnt(1);
    const uint64_t want = IS_FLOAT ? UINT64_C(0xc4193169a6a723c9) : UINT64_C(0xed29ddcbef24d13e);
    const ds_build build = ds_build_info(); /* contraction: in the sums of robot_learn */
    TAP_OK(hash && hash == learnt(2), "two trainings at once give the same weights");
    if (!build.same_bits || build.contraction)
        TAP_SKIP("this build has other bits", "the bits of every machine");
    else TAP_OK(hash == want, "the bits of every machine: %016llx", (unsigned long long)hash);
}

/* the paper's way and the careful one, on a slope */
static void learning(void)
{
    static robot_learner l;
    robot r = { 0 };
    ds_real x[2] = { 1, 2 };
    const ds_real g[2] = { 3, -4 };
    r.n_params = 2;
    robot_learner_begin(&l, ROBOT_PAPER);
    TAP_NEAR(robot_learn(&r, &l, x, -1, g), 5, 1e-6, "the length of the gradient");
    TAP_OK(fabs((double)x[0] - 0.88) < 1e-6 && fabs((double)x[1] - 2.16) < 1e-6,
           "a step of length 0.2 against it");
    TAP_OK(l.best[0] == 1 && l.best_loss == -1, "the best is kept");
    robot_learner_begin(&l, ROBOT_CAREFUL);
    for (int k = 0; k < 13; k++) robot_learn(&r, &l, x, k == 0 ? -1 : 0, g);
    TAP_OK(fabs((double)x[0] - 0.88) < 1e-6 && l.rate == 0.075,
           "after 12 steps without gain: back, at half the rate");
    TAP_OK(!robot_build(&r, 0, 0) && !robot_build(&r, 4, 0), "there are no others");
}

int main(void)
{
    random_numbers();
#define BODY(k) \
    body(k, ORACLE_SPRINGS_##k, (int)(sizeof ORACLE_SPRINGS_##k / 3), ORACLE_POINTS_##k, \
         (int)(sizeof ORACLE_POINTS_##k / 2))
    BODY(1);
    BODY(2);
    BODY(3);
    for (int impact = 0; impact < 2; impact++) oracle(impact, impact ? ROBOT_STRIDE : 1);
    adjoints();
    one_step();
    same_bits();
    learning();
    return tap_end();
}
