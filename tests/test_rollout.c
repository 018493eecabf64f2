/* Rollouts: however few states are kept, the gradient has the same bits; the steps run again are as few as
   dynamic programming finds; the plan tells the bytes; tangents, adjoints and Hessian products fit each
   other; what is wrong is named. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

static const double tight = sizeof(ds_real) == 4 ? 1e-5 : 1e-12;

/* The least number of steps run again by dynamic programming: with s states, the first one included,
       R(n, s) = min over k of k + R(n - k, s - 1) + R(k, s),   R(n, 1) = n (n - 1) / 2,   R(1, s) = 0 */
enum { DP_STEPS = 120, DP_SLOTS = 12 };
static uint64_t dp[DP_STEPS + 1][DP_SLOTS + 1];
static void find_least(void)
{
    for (uint64_t n = 1; n <= DP_STEPS; n++)
        for (uint64_t s = 1; s <= DP_SLOTS; s++) {
            uint64_t least = n * (n - 1) / 2;
            for (uint64_t k = 1; s > 1 && k < n; k++) {
                const uint64_t here = k + dp[n - k][s - 1] + dp[k][s];
                if (here < least) least = here;
            }
            dp[n][s] = least;
        }
}

static void test_optimum(void)
{
    int planned = 1, run = 1;
    find_least();
    for (int traced = 0; traced < 2; traced++)
        for (size_t n = 1; n <= DP_STEPS; n++)
            for (size_t s = 1; s <= DP_SLOTS; s++) {
                pendulum p;
                const ds_stepper stepper = pendulum_stepper(&p, traced);
                const size_t kept = s < n ? s : n;
                const uint64_t least = dp[n][kept] - (traced ? 0 : n - 1);
                ds_rollout_desc d = pendulum_desc(n);
                ds_checkpoint_plan plan;
                d.checkpoints = DSIM_CHECKPOINTS_BINOMIAL;
                d.slots = s;
                planned &= !ds_rollout_plan(&stepper, &d, &plan) && plan.again == least && plan.slots == kept;
                if (n > 20 && n % 7 && n != DP_STEPS) continue;
                ds_rollout *const r = ds_rollout_create(&stepper, &d);
                run &= !ds_rollout_backward(r) && ds_rollout_again(r) == least &&
                       p.steps == n + least && p.vjps == n;
                ds_rollout_destroy(r);
            }
    TAP_OK(planned, "planned are as few steps again as dynamic programming finds, %d x %d cases", DP_STEPS,
           DP_SLOTS);
    TAP_OK(run, "and so many are run");
    TAP_OK(dp[10][3] == 15 && dp[56][3] == 210 && dp[100][5] == 316, "three known numbers");
}

/* every stepper with every schedule */
typedef struct schedule {
    ds_checkpoints checkpoints;
    size_t interval, slots;
} schedule;
static const schedule schedules[] = {
    { DSIM_CHECKPOINTS_ALL, 0, 0 },      { DSIM_CHECKPOINTS_EVERY, 0, 0 },
    { DSIM_CHECKPOINTS_EVERY, 1, 0 },    { DSIM_CHECKPOINTS_EVERY, 7, 0 },
    { DSIM_CHECKPOINTS_EVERY, 100, 0 },  { DSIM_CHECKPOINTS_EVERY, 1000, 0 },
    { DSIM_CHECKPOINTS_BINOMIAL, 0, 0 }, { DSIM_CHECKPOINTS_BINOMIAL, 0, 1 },
    { DSIM_CHECKPOINTS_BINOMIAL, 0, 2 }, { DSIM_CHECKPOINTS_BINOMIAL, 0, 5 },
    { DSIM_CHECKPOINTS_BINOMIAL, 0, 1000 },
};
enum { SIZE = 4 + MOST_STEPS };

/* everything that a rollout can tell, as one hash; in *again what the plan said less what was run */
static uint64_t everything(ds_rollout *r, const ds_real *x, const ds_real *along, size_t steps, int *bad)
{
    const ds_direction direction = direction_of(along);
    static ds_real out[SIZE];
    const ds_direction_out to = out_of(out);
    const size_t n = 4 + steps;
    ds_real numbers[3], final_dot[2];
    double loss_dot;
    uint64_t hash = 0;
    *bad |= rollout_set(r, x, steps) || ds_rollout_backward(r);
    *bad |= ds_rollout_again(r) != ds_rollout_get_plan(r)->again;
    rollout_gradient(r, out, steps);
    hash = ds_hash_reals(out, n, hash);
    hash = ds_hash_reals(ds_rollout_norms(r), steps + 1, hash);
    hash = ds_hash_reals(ds_rollout_state(r, NULL), 2, hash);
    *bad |= ds_rollout_tangent(r, &direction, final_dot, &loss_dot) || !ds_rollout_state_grad(r);
    hash = ds_hash_reals(final_dot, 2, hash);
    *bad |= ds_rollout_hessian_vector(r, &direction, &to) != DSIM_OK;
    hash = ds_hash_reals(out, n, hash);
    *bad |= ds_rollout_gauss_newton(r, &direction, &to) != DSIM_OK;
    hash = ds_hash_reals(out, n, hash);
    numbers[0] = (ds_real)ds_rollout_loss(r);
    numbers[1] = (ds_real)loss_dot;
    rollout_gradient(r, out, steps);
    hash = ds_hash_reals(numbers, 2, hash);
    return ds_hash_reals(out, n, hash);
}

static void test_schedules(void)
{
    static const size_t lengths[] = { 1, 2, 3, 10, 49, 100, 101, MOST_STEPS };
    static ds_real x[SIZE], along[SIZE];
    ds_rng rng = ds_rng_make(1, 0);
    for (size_t i = 0; i < SIZE; i++) along[i] = between(&rng);
    for (size_t l = 0; l < COUNT(lengths); l++) {
        uint64_t first = 0;
        int same = 1, bad = 0;
        pendulum_start(x, lengths[l]);
        for (int traced = 0; traced < 2; traced++)
            for (size_t i = 0; i < COUNT(schedules); i++) {
                pendulum p;
                const ds_stepper stepper = pendulum_stepper(&p, traced);
                ds_rollout_desc d = pendulum_desc(lengths[l]);
                ds_rollout *r;
                uint64_t hash;
                d.checkpoints = schedules[i].checkpoints;
                d.interval = schedules[i].interval;
                d.slots = schedules[i].slots;
                d.second = 1;
                d.validate = i % 2;
                r = ds_rollout_create(&stepper, &d);
                hash = everything(r, x, along, lengths[l], &bad);
                if (!traced && !i) first = hash;
                same &= hash == first;
                ds_rollout_destroy(r);
            }
        TAP_OK(same && !bad, "%d steps: one set of bits for 2 steppers and %d schedules", (int)lengths[l],
               (int)COUNT(schedules));
    }
}

/* the loss by state, parameters and controls, for the checks */
static ds_result objective(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_rollout *const r = (ds_rollout *)user;
    ds_result result = rollout_set(r, x, n - 4);
    if (!result) result = grad ? ds_rollout_backward(r) : ds_rollout_forward(r);
    *value = (ds_real)ds_rollout_loss(r);
    if (grad) rollout_gradient(r, grad, n - 4);
    return result;
}
static ds_result hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    ds_rollout *const r = (ds_rollout *)user;
    const ds_direction direction = direction_of(v);
    const ds_direction_out out = out_of(Hv);
    const ds_result result = rollout_set(r, x, n - 4);
    return result ? result : ds_rollout_hessian_vector(r, &direction, &out);
}

static double inner(const ds_real *a, const ds_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void test_derivatives(void)
{
    enum { STEPS = 40, N = STEPS + 4 };
    static ds_real x[N], g[N], v[N], w[N], Hv[N], Hw[N], Gv[N], Gw[N];
    ds_rng rng = ds_rng_make(2, 0);
    pendulum p;
    const ds_stepper stepper = pendulum_stepper(&p, 1);
    const ds_direction dv = direction_of(v), dw = direction_of(w);
    const ds_direction_out out_v = out_of(Hv), out_w = out_of(Hw), gn_v = out_of(Gv), gn_w = out_of(Gw);
    ds_rollout_desc d = pendulum_desc(STEPS);
    ds_check_report report;
    ds_problem problem;
    ds_rollout *r;
    double loss_dot;
    d.second = 1;
    d.checkpoints = DSIM_CHECKPOINTS_BINOMIAL;
    d.slots = 3;
    r = ds_rollout_create(&stepper, &d);
    pendulum_start(x, STEPS);
    memset(&problem, 0, sizeof problem);
    problem.user = r;
    problem.n = N;
    problem.objective = objective;
    problem.hessian = hessian;
    TAP_OK(!ds_check_gradient(objective, r, x, N, NULL, &report), "the gradient: %s", report.text);
    TAP_OK(!ds_check_hessian(&problem, x, NULL, &report), "Hessian products: %s", report.text);
    for (size_t i = 0; i < N; i++) v[i] = between(&rng), w[i] = between(&rng);
    objective(r, x, N, g, g);
    TAP_OK(!ds_rollout_tangent(r, &dv, NULL, &loss_dot), "a tangent");
    TAP_NEAR(loss_dot, inner(g, v, N), tight, "the loss moves by <gradient, direction>");
    TAP_OK(!ds_rollout_hessian_vector(r, &dv, &out_v) && !ds_rollout_hessian_vector(r, &dw, &out_w),
           "two Hessian products");
    TAP_NEAR(inner(w, Hv, N), inner(v, Hw, N), 100 * tight, "the Hessian is symmetric");
    TAP_OK(!ds_rollout_gauss_newton(r, &dv, &gn_v) && !ds_rollout_gauss_newton(r, &dw, &gn_w),
           "two Gauss-Newton products");
    TAP_NEAR(inner(w, Gv, N), inner(v, Gw, N), 100 * tight, "the Gauss-Newton matrix is symmetric");
    TAP_OK(memcmp(Gv, Hv, sizeof Gv) != 0, "and another one than the Hessian");
    ds_rollout_destroy(r);
}

/* v'S'HS v by tangents alone: along v the states move by S v, and at each the loss has the Hessian H */
typedef struct quadratic { double sum; ds_real dot[2]; } quadratic;
static ds_result final_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    (void)user;
    if (io->left) return DSIM_OK;
    *value += (io->state[0] * io->state[0] + io->state[1] * io->state[1]) / 2;
    if (bar) bar->state_bar[0] += io->state[0], bar->state_bar[1] += io->state[1];
    return DSIM_OK;
}
static ds_result final_loss_second(void *user, const ds_step_io *io, const ds_step_second *s)
{
    (void)user;
    if (io->left) return DSIM_OK;
    s->state_bar_dot[0] += s->state_dot[0];
    s->state_bar_dot[1] += s->state_dot[1];
    return DSIM_OK;
}
static void test_gauss_newton(void)
{
    enum { STEPS = 30, N = STEPS + 4 };
    static ds_real x[N], v[N], Gv[N];
    ds_rng rng = ds_rng_make(3, 0);
    pendulum p;
    ds_stepper stepper = pendulum_stepper(&p, 0);
    const ds_direction dv = direction_of(v);
    const ds_direction_out out = out_of(Gv);
    ds_rollout_desc d = pendulum_desc(STEPS);
    ds_real dot[2];
    ds_rollout *r;
    d.second = 1;
    d.loss = final_loss;
    d.loss_second = final_loss_second;
    stepper.second = NULL;
    r = ds_rollout_create(&stepper, &d);
    pendulum_start(x, STEPS);
    for (size_t i = 0; i < N; i++) v[i] = between(&rng);
    rollout_set(r, x, STEPS);
    TAP_OK(!ds_rollout_tangent(r, &dv, dot, NULL) && !ds_rollout_gauss_newton(r, &dv, &out),
           "Gauss-Newton without second derivatives of the step");
    TAP_NEAR(inner(v, Gv, N), inner(dot, dot, 2), tight, "v'J'J v = |J v|^2 for the last state");
    ds_rollout_destroy(r);
}

/* Numbers that derive from the parameters, once for all steps: the numbers of a stepper that has them inside
   each step, the same bits for every schedule, and no call too many. */
static void derived_numbers(ds_rollout *r, const ds_real *x, const ds_real *along, size_t steps, ds_real *out,
                            int *bad)
{
    const size_t n = 4 + steps;
    const ds_direction direction = direction_of(along);
    const ds_direction_out to = out_of(out + n), to_gn = out_of(out + 2 * n);
    double loss_dot = 0;
    *bad |= rollout_set(r, x, steps) || ds_rollout_backward(r);
    rollout_gradient(r, out, steps);
    *bad |= ds_rollout_hessian_vector(r, &direction, &to) || ds_rollout_gauss_newton(r, &direction, &to_gn);
    *bad |= ds_rollout_tangent(r, &direction, out + 3 * n, &loss_dot) != DSIM_OK;
    out[3 * n + 2] = (ds_real)loss_dot;
    out[3 * n + 3] = (ds_real)ds_rollout_loss(r);
}
static double largest_miss(const ds_real *a, const ds_real *b, size_t n)
{
    double miss = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double m = fabs((double)a[i] - (double)b[i]), z = fabs((double)b[i]);
        if (!(m <= miss)) miss = m;
        if (z > size) size = z;
    }
    return miss / size;
}
static void test_derived(void)
{
    enum { STEPS = 40, N = STEPS + 4, ALL = 3 * N + 4 };
    static ds_real x[N], along[N], want[ALL], got[ALL];
    ds_rng rng = ds_rng_make(4, 0);
    uint64_t first[2] = { 0, 0 };
    int bad = 0, same = 1, calls = 1, exact = 1;
    pendulum_start(x, STEPS);
    for (size_t i = 0; i < N; i++) along[i] = between(&rng);
    for (size_t state_only = 0; state_only < 2; state_only++)
        for (size_t truncated = 0; truncated < 2; truncated++)
            for (size_t i = 0; i < COUNT(schedules); i++) {
                derived_pendulum p, inside;
                const ds_stepper stepper = derived_stepper(&p, 1, 0), other = derived_stepper(&inside, 1, 1);
                ds_rollout_desc d = derived_desc(&p, STEPS);
                ds_rollout *r;
                size_t sets;
                meter m;
                d.second = 1;
                d.truncation = truncated ? 16 : 0;
                if (state_only) d.loss = final_loss, d.loss_second = final_loss_second;
                if (!i) {
                    memset(want, 0, sizeof want);
                    d.loss_user = &inside;
                    r = ds_rollout_create(&other, &d);
                    if (truncated) bad |= rollout_set(r, x, STEPS) || ds_rollout_backward(r);
                    if (truncated) rollout_gradient(r, want, STEPS);
                    else derived_numbers(r, x, along, STEPS, want, &bad);
                    ds_rollout_destroy(r);
                    d.loss_user = &p;
                }
                d.checkpoints = schedules[i].checkpoints;
                d.interval = schedules[i].interval;
                d.slots = schedules[i].slots;
                d.validate = i % 2;
                sets = 1 + i % 2;
                d.allocator = meter_allocator(&m);
                r = ds_rollout_create(&stepper, &d);
                memset(got, 0, sizeof got);
                if (truncated) {
                    bad |= rollout_set(r, x, STEPS) || ds_rollout_backward(r);
                    rollout_gradient(r, got, STEPS);
                    calls &= p.derives == sets && p.derive_vjps == 1;
                } else {
                    derived_numbers(r, x, along, STEPS, got, &bad);
                    calls &= p.derives == sets && p.derive_vjps == 3 && p.derive_jvps == 3;
                    calls &= p.derive_seconds == 1;
                }
                exact &= m.live == ds_rollout_get_plan(r)->bytes && m.calls == 1;
                if (!i) {
                    first[truncated] = ds_hash_reals(got, ALL, 0);
                    TAP_NEAR(largest_miss(got, want, N), 0, 10 * tight, "derived numbers: the gradient%s",
                             truncated ? ", truncated" : "");
                }
                if (!i && !truncated) {
                    TAP_NEAR(largest_miss(got + N, want + N, N), 0, 10 * tight, "the Hessian product");
                    if (state_only)
                        TAP_NEAR(largest_miss(got + 2 * N, want + 2 * N, N), 0, 10 * tight,
                                 "the Gauss-Newton product");
                    TAP_NEAR(largest_miss(got + 3 * N, want + 3 * N, 4), 0, 10 * tight, "tangents and loss");
                    TAP_NEAR((double)got[3 * N + 2], inner(got, along, N), 10 * tight,
                             "the loss moves by <gradient, direction>");
                }
                same &= ds_hash_reals(got, ALL, 0) == first[truncated];
                ds_rollout_set_state(r, x + 1);
                ds_rollout_backward(r);
                calls &= p.derives == sets;
                ds_rollout_set_param(r, x + 1);
                ds_rollout_backward(r);
                calls &= p.derives == 2 * sets;
                ds_rollout_destroy(r);
            }
    TAP_OK(!bad && same, "derived numbers: the same bits for every schedule");
    TAP_OK(calls, "derived once for each set of parameters, and back once for each gradient");
    TAP_OK(exact, "in the bytes that are planned");
}

/* what goes wrong where numbers derive, and what is missing */
static void test_derived_failures(void)
{
    enum { STEPS = 8 };
    static const struct { size_t kind; int validate; ds_result code; const char *words; } cases[] = {
        { 1, 0, DSIM_ERROR_NON_FINITE, "what derives from the parameters is not finite, number 1" },
        { 2, 0, DSIM_ERROR_SINGULAR, "what derives from the parameters failed" },
        { 3, 1, DSIM_ERROR_HIDDEN_STATE, "derived twice, with other results, number 0" },
        { 4, 0, DSIM_ERROR_SINGULAR, "the adjoint of what derives from the parameters failed" },
        { 5, 0, DSIM_ERROR_NON_FINITE, "the gradient by parameter 1" },
    };
    static ds_real x[STEPS + 4], out[STEPS + 4];
    ds_direction direction = direction_of(x);
    const ds_direction_out to = out_of(out);
    derived_pendulum p;
    ds_stepper s = derived_stepper(&p, 0, 0);
    ds_rollout_desc d = derived_desc(&p, STEPS);
    ds_checkpoint_plan plan;
    ds_rollout *r;
    void *memory;
    pendulum_start(x, STEPS);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t step = 9;
        d.validate = cases[i].validate;
        r = ds_rollout_create(&s, &d);
        rollout_set(r, x, STEPS);
        p.bad_kind = cases[i].kind;
        TAP_OK(ds_rollout_backward(r) == cases[i].code && !ds_rollout_param_grad(r), "kind %d: %s",
               (int)i + 1, ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, cases[i].words, "is named");
        if (cases[i].kind < 4)
            TAP_OK(ds_rollout_state(r, &step) && !step &&
                       !memcmp(ds_rollout_state(r, NULL), x, 2 * sizeof *x),
                   "the last good state is the first");
        p.bad_kind = 0;
        TAP_OK(!ds_rollout_backward(r) && ds_rollout_param_grad(r), "and all is well when it is mended");
        ds_rollout_destroy(r);
    }
    d = derived_desc(&p, STEPS);
    d.second = 1;
    s.derive_second = NULL;
    r = ds_rollout_create(&s, &d);
    rollout_set(r, x, STEPS);
    TAP_OK(ds_rollout_hessian_vector(r, &direction, &to) == DSIM_ERROR_ARGUMENT &&
               strstr(ds_rollout_error(r)->text, "derive_second is NULL") &&
               !ds_rollout_gauss_newton(r, &direction, &to),
           "no derive_second: no Hessian, but Gauss and Newton");
    ds_rollout_destroy(r);
    s.derive_jvp = NULL;
    r = ds_rollout_create(&s, &d);
    TAP_OK(ds_rollout_tangent(r, &direction, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               strstr(ds_rollout_error(r)->text, "derive_jvp is NULL") &&
               ds_rollout_gauss_newton(r, &direction, &to) && !ds_rollout_backward(r),
           "no derive_jvp: no tangent, but a gradient");
    ds_rollout_destroy(r);
    s.derive_vjp = NULL;
    r = ds_rollout_create(&s, &d);
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_ARGUMENT &&
               strstr(ds_rollout_error(r)->text, "derive_vjp is NULL") &&
               ds_rollout_gauss_newton(r, &direction, &to) && !ds_rollout_forward(r),
           "no derive_vjp: no gradient, but the way forward");
    TAP_OK(ds_rollout_gauss_newton(r, &direction, &to) == DSIM_ERROR_ARGUMENT &&
               strstr(ds_rollout_error(r)->text, "derive_vjp is NULL"),
           "and no product");
    ds_rollout_destroy(r);
    s.derive = NULL;
    TAP_OK(ds_rollout_plan(&s, &d, &plan) == DSIM_ERROR_ARGUMENT, "numbers that nothing derives");
    TAP_HAS(plan.text, "derive is NULL", "is named");
    s = derived_stepper(&p, 0, 0);
    ds_rollout_plan(&s, &d, &plan);
    memory = malloc(plan.bytes);
    r = ds_rollout_init(memory, plan.bytes, &s, &d);
    rollout_set(r, x, STEPS);
    TAP_OK(r && !ds_rollout_hessian_vector(r, &direction, &to), "derived numbers in the caller's memory");
    free(memory);
    s.n_derived = (size_t)-1;
    TAP_OK(ds_rollout_plan(&s, &d, &plan) == DSIM_ERROR_OVERFLOW, "too many to count");
}

/* Memory. */
static void test_budget(void)
{
    enum { STEPS = 100 };
    static ds_real x[SIZE], g[SIZE];
    uint64_t first = 0, fewest = UINT64_MAX;
    int fits = 1, exact = 1, same = 1, falls = 1, quiet = 1, kinds = 0;
    for (int traced = 0; traced < 2; traced++) {
        pendulum p;
        const ds_stepper stepper = pendulum_stepper(&p, traced);
        ds_rollout_desc d = pendulum_desc(STEPS);
        ds_checkpoint_plan all, plan;
        size_t limit;
        memset(&plan, 0, sizeof plan);
        ds_rollout_plan(&stepper, &d, &all);
        fewest = UINT64_MAX;
        for (limit = all.least_bytes; limit <= all.bytes + 64; limit += 48) {
            meter m;
            ds_rollout *r;
            d.allocator = meter_allocator(&m);
            d.memory_limit = limit;
            r = ds_rollout_create(&stepper, &d);
            if (!r) {
                fits = 0;
                break;
            }
            plan = *ds_rollout_get_plan(r);
            kinds |= 1 << plan.checkpoints;
            exact &= m.live == plan.bytes && m.calls == 1;
            fits &= plan.bytes <= limit;
            falls &= plan.again <= fewest;
            fewest = plan.again;
            pendulum_start(x, STEPS);
            quiet &= !rollout_set(r, x, STEPS) && !ds_rollout_backward(r) && m.calls == 1;
            rollout_gradient(r, g, STEPS);
            if (!first) first = ds_hash_reals(g, STEPS + 4, 0);
            same &= ds_hash_reals(g, STEPS + 4, 0) == first;
            ds_rollout_destroy(r);
            quiet &= !m.live;
        }
        TAP_OK(plan.checkpoints == DSIM_CHECKPOINTS_ALL && plan.again == 0, "in the end all states are kept");
    }
    TAP_OK(fits, "every budget from the least on works, and is kept");
    TAP_OK(exact && quiet, "one allocation, of the planned bytes");
    TAP_OK(same, "the same gradient, bit for bit, in every budget");
    TAP_OK(falls, "more memory never means more steps again");
    TAP_OK(kinds == 14, "all kinds of schedules have been chosen");
}

/* 100000 steps with 32 states */
static void test_long(void)
{
    enum { STEPS = 100000, SLOTS = 32 };
    pendulum p;
    const ds_stepper stepper = pendulum_stepper(&p, 1);
    ds_rollout_desc d = pendulum_desc(STEPS);
    ds_checkpoint_plan plan;
    uint64_t all, few;
    meter m;
    ds_rollout *r = ds_rollout_create(&stepper, &d);
    ds_rollout_backward(r);
    all = ds_hash_reals(ds_rollout_control_grad(r), STEPS, 0);
    ds_rollout_destroy(r);
    d.allocator = meter_allocator(&m);
    d.checkpoints = DSIM_CHECKPOINTS_BINOMIAL;
    d.slots = SLOTS;
    ds_rollout_plan(&stepper, &d, &plan);
    r = ds_rollout_create(&stepper, &d);
    TAP_OK(!ds_rollout_backward(r), "%s", plan.text);
    TAP_HAS(plan.text, "rollout: BINOMIAL, states kept 32: steps 100000, run again 433955, bytes ",
            "the plan in words");
    few = ds_hash_reals(ds_rollout_control_grad(r), STEPS, 0);
    TAP_OK(few == all, "the gradient of 100000 steps with 32 states is that with all, bit for bit");
    TAP_OK(m.most == plan.bytes, "%d bytes, as planned", (int)m.most);
    TAP_OK(ds_rollout_again(r) == plan.again && plan.again == 433955,
           "and as many steps again: 5 T - C(37, 33)");
    ds_rollout_destroy(r);
}

/* What is cut off: by hand, the gradient of the last window and the losses before it. */
static void test_truncation(void)
{
    enum { STEPS = 30, WINDOW = 10 };
    static ds_real x[STEPS + 4], g[STEPS + 4], last[STEPS + 4];
    ds_direction direction;
    ds_direction_out out;
    pendulum p;
    const ds_stepper stepper = pendulum_stepper(&p, 0);
    ds_rollout_desc d = pendulum_desc(STEPS);
    ds_rollout *r, *part;
    const ds_real *state;
    int same = 1;
    d.truncation = WINDOW;
    d.second = 1;
    r = ds_rollout_create(&stepper, &d);
    pendulum_start(x, STEPS);
    rollout_set(r, x, STEPS);
    TAP_OK(!ds_rollout_backward(r) && ds_rollout_label(r) == DSIM_GRADIENT_TRUNCATED, "a truncated gradient");
    rollout_gradient(r, g, STEPS);
    /* the controls of the last window have the gradient of a rollout that begins there */
    d = pendulum_desc(WINDOW);
    part = ds_rollout_create(&stepper, &d);
    {
        ds_rollout_desc before = pendulum_desc(STEPS - WINDOW);
        ds_rollout *const b = ds_rollout_create(&stepper, &before);
        rollout_set(b, x, STEPS - WINDOW);
        ds_rollout_forward(b);
        state = ds_rollout_state(b, NULL);
        ds_rollout_set_state(part, state);
        ds_rollout_destroy(b);
    }
    ds_rollout_set_param(part, x + 2);
    ds_rollout_set_controls(part, x + 4 + STEPS - WINDOW, 0, WINDOW);
    ds_rollout_backward(part);
    rollout_gradient(part, last, WINDOW);
    for (size_t k = 0; k < WINDOW; k++) same &= g[4 + STEPS - WINDOW + k] == last[4 + k];
    TAP_OK(same, "the last window has the gradient of a rollout of its own");
    TAP_OK(ds_rollout_label(part) == DSIM_GRADIENT_EXACT, "which is exact");
    direction = direction_of(x);
    out = out_of(g);
    TAP_OK(ds_rollout_hessian_vector(r, &direction, &out) == DSIM_ERROR_ARGUMENT, "no Hessian of it");
    TAP_HAS(ds_rollout_error(r)->text, "truncated", "and it says so");
    ds_rollout_destroy(part);
    ds_rollout_destroy(r);
}

/* Failures in the middle: named, the last good state is there, and afterwards all is well. */
static void test_failures(void)
{
    enum { STEPS = 25 };
    static const struct { size_t kind; ds_result code; const char *words; } cases[] = {
        { 1, DSIM_ERROR_NON_FINITE, "not finite after step 11, entry 1" },
        { 2, DSIM_ERROR_NOT_CONVERGED, "failed at step 11" },
        { 3, DSIM_ERROR_HIDDEN_STATE, "step 11, entry 0" },
    };
    static ds_real x[STEPS + 4];
    for (size_t s = 0; s < COUNT(schedules); s++)
        for (size_t i = 0; i < COUNT(cases); i++) {
            pendulum p;
            const ds_stepper stepper = pendulum_stepper(&p, 1);
            ds_rollout_desc d = pendulum_desc(STEPS);
            ds_rollout *r;
            size_t step = 0;
            d.checkpoints = schedules[s].checkpoints;
            d.interval = schedules[s].interval;
            d.slots = schedules[s].slots;
            d.validate = cases[i].kind == 3;
            r = ds_rollout_create(&stepper, &d);
            pendulum_start(x, STEPS);
            rollout_set(r, x, STEPS);
            ds_rollout_backward(r);
            rollout_set(r, x, STEPS);
            p.bad_step = 11;
            p.bad_kind = cases[i].kind;
            if (!(ds_rollout_backward(r) == cases[i].code && ds_rollout_error(r)->index == 11 &&
                  strstr(ds_rollout_error(r)->text, cases[i].words) && ds_rollout_state(r, &step) &&
                  step == 11 && !ds_rollout_state_grad(r) && !(ds_rollout_loss(r) < 1e9)))
                TAP_OK(0, "%s, kind %d: %s", ds_checkpoints_name(d.checkpoints), (int)i,
                       ds_rollout_error(r)->text);
            p.bad_kind = 0;
            if (ds_rollout_backward(r) || ds_rollout_error(r)->code || !ds_rollout_state_grad(r))
                TAP_OK(0, "again after a failure: %s", ds_rollout_error(r)->text);
            ds_rollout_destroy(r);
        }
    TAP_OK(1, "a NaN, an error and hidden state in the middle, with every schedule");
}

/* An adjoint that is not finite is named by step and entry, though all other entries are 0. */
static ds_result no_gradient(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    (void)user, (void)bar;
    *value += io->param[0];
    return DSIM_OK;
}
static ds_result large_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    (void)user, (void)io, (void)bar;
    *value += (ds_real)1e308;
    return DSIM_OK;
}
static void test_bad_adjoint(void)
{
    static const ds_direction nowhere = { NULL, NULL, NULL };
    pendulum p;
    const ds_stepper stepper = pendulum_stepper(&p, 0);
    ds_rollout_desc d = pendulum_desc(20);
    ds_rollout *r;
    d.loss = no_gradient;
    r = ds_rollout_create(&stepper, &d);
    p.bad_kind = 4;
    p.bad_step = 7;
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_NON_FINITE && ds_rollout_error(r)->index == 7 &&
               !ds_rollout_state_grad(r),
           "an adjoint that is not finite: %s", ds_rollout_error(r)->text);
    TAP_HAS(ds_rollout_error(r)->text, "the adjoint of the state before step 7, entry 0", "is named");
    p.bad_kind = 0;
    TAP_OK(!ds_rollout_backward(r) && ds_rollout_norms(r)[0] == 0, "and 0 when it is mended");
    p.bad_kind = 5;
    TAP_OK(ds_rollout_tangent(r, &nowhere, NULL, NULL) == DSIM_ERROR_NON_FINITE, "nor is a tangent");
    TAP_HAS(ds_rollout_error(r)->text, "the tangent after step 0, entry 1", "is named");
    ds_rollout_destroy(r);
    if (sizeof(ds_real) < sizeof(double)) return;
    d.loss = large_loss;
    r = ds_rollout_create(&stepper, &d);
    TAP_OK(ds_rollout_forward(r) == DSIM_ERROR_NON_FINITE, "a sum of losses beyond all numbers");
    TAP_HAS(ds_rollout_error(r)->text, "the sum of the losses", "is named");
    ds_rollout_destroy(r);
}

/* state that shows only when a state is computed again: the sweep, not the step, has changed it */
static ds_result late_step(void *user, const ds_step_io *io, void *trace)
{
    pendulum *const p = (pendulum *)user;
    const ds_result result = pendulum_step(user, io, trace);
    if (p->vjps) io->next[0] += (ds_real)1e-3;
    return result;
}

/* Misuse: each a named error. */
static void test_misuse(void)
{
    static const size_t nan_at = 3;
    const ds_real bad[2] = { 1, (ds_real)INFINITY };
    static ds_real x[14];
    ds_direction direction;
    ds_direction_out out;
    pendulum p;
    ds_stepper s = pendulum_stepper(&p, 0);
    ds_rollout_desc d = pendulum_desc(10);
    ds_checkpoint_plan plan;
    ds_rollout *r;
    void *const memory = malloc(100000);
    memset(&plan, 0, sizeof plan);
#define REFUSED(change, back, words) \
    do { \
        s = pendulum_stepper(&p, 0); \
        d = pendulum_desc(10); \
        change; \
        TAP_OK(ds_rollout_plan(&s, &d, &plan) == back && plan.result == back && \
                   !ds_rollout_create(&s, &d) && !ds_rollout_bytes(&s, &d) && \
                   !ds_rollout_init(memory, 100000, &s, &d), \
               "refused: %s", #change); \
        TAP_HAS(plan.text, words, "and named"); \
    } while (0)
    REFUSED(d.steps = 0, DSIM_ERROR_ARGUMENT, "steps is 0");
    REFUSED(s.step = NULL, DSIM_ERROR_ARGUMENT, "no step");
    REFUSED(s.n_state = 0, DSIM_ERROR_ARGUMENT, "n_state is 0");
    REFUSED(d.checkpoints = (ds_checkpoints)17, DSIM_ERROR_ARGUMENT, "no such checkpoints");
    REFUSED(s.label = (ds_gradient_label)17, DSIM_ERROR_ARGUMENT, "no such label");
    REFUSED((d.second = 1, s.jvp = NULL), DSIM_ERROR_ARGUMENT, "stepper.jvp is NULL");
    REFUSED(d.memory_limit = 100, DSIM_ERROR_FULL, "the least that works is ");
    REFUSED(s.n_state = (size_t)-1 / 4, DSIM_ERROR_OVERFLOW, "does not fit");
    REFUSED(s.n_param = (size_t)-1, DSIM_ERROR_OVERFLOW, "does not fit");
    REFUSED(s.trace_bytes = (size_t)-1, DSIM_ERROR_OVERFLOW, "does not fit");
    REFUSED(d.steps = UINT32_MAX, DSIM_ERROR_ARGUMENT, "more than 2^32 - 2 steps");
#undef REFUSED
    /* the sentence says the least that works: it does, and one byte less does not */
    s = pendulum_stepper(&p, 0);
    d = pendulum_desc(10);
    d.memory_limit = 100;
    ds_rollout_plan(&s, &d, &plan);
    d.memory_limit = plan.least_bytes - 1;
    TAP_OK(ds_rollout_plan(&s, &d, &plan) == DSIM_ERROR_FULL, "a byte less than the least is refused");
    d.memory_limit = plan.least_bytes;
    TAP_OK(!ds_rollout_plan(&s, &d, &plan) && plan.bytes == plan.least_bytes, "the least works");
    TAP_OK(!ds_rollout_init(memory, plan.bytes - 1, &s, &d), "less memory than planned: no rollout");
    r = ds_rollout_init(memory, plan.bytes, &s, &d);
    TAP_OK(r && !ds_rollout_backward(r), "in the caller's memory");
    ds_rollout_destroy(r);

    TAP_OK(ds_rollout_plan(NULL, &d, &plan) == DSIM_ERROR_ARGUMENT, "no stepper");
    TAP_OK(ds_rollout_plan(&s, NULL, &plan) == DSIM_ERROR_ARGUMENT, "no desc");
    TAP_OK(ds_rollout_plan(&s, &d, NULL) == DSIM_ERROR_ARGUMENT, "no plan");
    TAP_OK(!ds_rollout_create(NULL, NULL) && !ds_rollout_get_plan(NULL), "nothing at all");
    TAP_OK(ds_rollout_backward(NULL) == DSIM_ERROR_ARGUMENT && ds_rollout_forward(NULL) &&
               ds_rollout_set_state(NULL, bad) && ds_rollout_set_param(NULL, bad) &&
               ds_rollout_set_controls(NULL, bad, 0, 1) && ds_rollout_set_number(NULL, 0) &&
               ds_rollout_tangent(NULL, NULL, NULL, NULL) && ds_rollout_hessian_vector(NULL, NULL, NULL) &&
               ds_rollout_gauss_newton(NULL, NULL, NULL),
           "a rollout that is NULL");
    TAP_OK(!ds_rollout_state(NULL, NULL) && !ds_rollout_state_grad(NULL) && !ds_rollout_param_grad(NULL) &&
               !ds_rollout_control_grad(NULL) && !ds_rollout_norms(NULL) && !ds_rollout_again(NULL) &&
               ds_rollout_label(NULL) == DSIM_GRADIENT_EXACT && !(ds_rollout_loss(NULL) < 1e9),
           "has no results");
    TAP_HAS(ds_rollout_error(NULL)->text, "NULL", "and a sentence");

    d = pendulum_desc(10);
    r = ds_rollout_create(&s, &d);
    direction = direction_of(x);
    out = out_of(x);
    TAP_OK(!ds_rollout_state(r, NULL) && !ds_rollout_state_grad(r) && !(ds_rollout_loss(r) < 1e9),
           "no results before it runs");
    TAP_OK(ds_rollout_set_state(r, bad) == DSIM_ERROR_NON_FINITE && ds_rollout_error(r)->index == 1,
           "a state that is not finite");
    TAP_HAS(ds_rollout_error(r)->text, "the state, entry 1", "is named");
    TAP_OK(ds_rollout_set_param(r, NULL) == DSIM_ERROR_ARGUMENT, "parameters that are NULL");
    TAP_HAS(ds_rollout_error(r)->text, "the parameters is NULL", "are named");
    TAP_OK(ds_rollout_set_controls(r, x, 9, 2) == DSIM_ERROR_ARGUMENT, "controls behind the last step");
    TAP_HAS(ds_rollout_error(r)->text, "step 9", "are named");
    TAP_OK(ds_rollout_set_number(r, (size_t)-1) == DSIM_ERROR_OVERFLOW, "a number of steps that wraps");
    TAP_OK(ds_rollout_hessian_vector(r, &direction, &out) == DSIM_ERROR_ARGUMENT, "no room for second");
    TAP_HAS(ds_rollout_error(r)->text, "desc.second", "is named");
    TAP_OK(!ds_rollout_forward(r) && !ds_rollout_error(r)->code, "the next call may go well");
    TAP_OK(ds_rollout_hessian_vector(r, &direction, NULL) == DSIM_ERROR_ARGUMENT, "nowhere to put it");
    TAP_OK(ds_rollout_tangent(r, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no direction");
    x[5] = (ds_real)INFINITY;
    TAP_OK(ds_rollout_tangent(r, &direction, NULL, NULL) == DSIM_ERROR_NON_FINITE, "an infinite direction");
    TAP_HAS(ds_rollout_error(r)->text, "direction of control 1", "is named");
    x[5] = 0;
    ds_rollout_destroy(r);

    d.loss_user = (void *)(uintptr_t)&nan_at;
    r = ds_rollout_create(&s, &d);
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_NON_FINITE && ds_rollout_error(r)->index == 3, "a NaN loss");
    TAP_HAS(ds_rollout_error(r)->text, "the loss at step 3", "is named");
    ds_rollout_set_number(r, 2);
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_NON_FINITE && ds_rollout_error(r)->index == 3,
           "steps count from ds_rollout_set_number on");
    ds_rollout_destroy(r);

    d = pendulum_desc(10);
    d.loss = NULL;
    r = ds_rollout_create(&s, &d);
    TAP_OK(!ds_rollout_forward(r) && ds_rollout_state(r, NULL) && !(ds_rollout_loss(r) < 1e9),
           "no loss: forward");
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_ARGUMENT, "but not backward");
    TAP_HAS(ds_rollout_error(r)->text, "desc.loss is NULL", "which is named");
    ds_rollout_destroy(r);

    d = pendulum_desc(10);
    d.second = 1;
    d.loss_second = NULL;
    r = ds_rollout_create(&s, &d);
    ds_rollout_gauss_newton(r, &direction, &out);
    TAP_HAS(ds_rollout_error(r)->text, "the loss has no Hessian", "a loss without a Hessian is named");
    ds_rollout_destroy(r);
    s.second = NULL;
    d.loss_second = pendulum_loss_second;
    r = ds_rollout_create(&s, &d);
    ds_rollout_hessian_vector(r, &direction, &out);
    TAP_HAS(ds_rollout_error(r)->text, "stepper.second is NULL", "a stepper without one, too");
    ds_rollout_destroy(r);
    s.vjp = NULL;
    s.jvp = NULL;
    d.second = 0;
    r = ds_rollout_create(&s, &d);
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_ARGUMENT, "a stepper without an adjoint");
    TAP_HAS(ds_rollout_error(r)->text, "stepper.vjp is NULL", "is named");
    TAP_OK(ds_rollout_tangent(r, &direction, NULL, NULL) == DSIM_ERROR_ARGUMENT, "or without a tangent");
    TAP_HAS(ds_rollout_error(r)->text, "stepper.jvp is NULL", "is named");
    ds_rollout_destroy(r);

    s = pendulum_stepper(&p, 0);
    s.step = late_step;
    d = pendulum_desc(10);
    d.validate = 1;
    d.checkpoints = DSIM_CHECKPOINTS_EVERY;
    d.interval = 3;
    r = ds_rollout_create(&s, &d);
    TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_HIDDEN_STATE, "state that shows when computed again");
    TAP_HAS(ds_rollout_error(r)->text, "computed again", "is named");
    ds_rollout_destroy(r);
    free(memory);
}

static void test_allocation(void)
{
    pendulum p;
    const ds_stepper s = pendulum_stepper(&p, 0);
    ds_rollout_desc d = pendulum_desc(10);
    meter m;
    d.allocator = meter_allocator(&m);
    m.fail_at = 1;
    TAP_OK(!ds_rollout_create(&s, &d) && !m.live, "no memory, no rollout");
}

/* the loss by one of two parameters: its gradient is that entry of the rollout's, the other stays */
static void test_objective(void)
{
    static ds_real x[SIZE];
    pendulum p;
    const ds_stepper stepper = pendulum_stepper(&p, 0);
    const ds_rollout_desc d = pendulum_desc(10);
    ds_rollout *const r = ds_rollout_create(&stepper, &d);
    const size_t at[1] = { 1 }, beyond[1] = { 2 };
    ds_real param[2], value = 0, grad[2] = { 0, 0 }, both[2] = { 0, 0 };
    ds_rollout_view view = { NULL, NULL, NULL };
    ds_check_report report;
    pendulum_start(x, 10);
    if (!TAP_OK(r && !rollout_set(r, x, 10), "a rollout to look at")) return;
    view.rollout = r;
    view.param = param;
    view.at = at;
    param[0] = x[2], param[1] = 0;
    TAP_OK(!ds_rollout_objective(&view, x + 3, 1, &value, grad) && param[1] == x[3], "one parameter is set");
    TAP_OK(value == (ds_real)ds_rollout_loss(r) && grad[0] == ds_rollout_param_grad(r)[1] && grad[0] != 0,
           "value and gradient are the rollout's");
    TAP_OK(!ds_check_gradient(ds_rollout_objective, &view, x + 3, 1, NULL, &report), "%s", report.text);
    view.at = NULL;
    TAP_OK(!ds_rollout_objective(&view, x + 2, 2, &value, both) && both[1] == grad[0] && both[0] != both[1],
           "all of them, without a list");
    view.at = beyond;
    TAP_OK(ds_rollout_objective(&view, x, 1, &value, NULL) == DSIM_ERROR_RANGE && param[0] == x[2],
           "a parameter that there is not");
    TAP_OK(ds_rollout_objective(&view, NULL, 1, &value, NULL) == DSIM_ERROR_ARGUMENT &&
           ds_rollout_objective(NULL, x, 1, &value, NULL) == DSIM_ERROR_ARGUMENT, "nothing to look at");
    ds_rollout_destroy(r);
}

int main(void)
{
    test_objective();
    test_optimum();
    test_schedules();
    test_derivatives();
    test_gauss_newton();
    test_derived();
    test_derived_failures();
    test_budget();
    test_long();
    test_truncation();
    test_failures();
    test_bad_adjoint();
    test_misuse();
    test_allocation();
    return tap_end();
}
