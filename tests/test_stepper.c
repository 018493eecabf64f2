/* Steppers: a step recorded on a tape and a list of launches have the numbers of one written by hand, with
   every schedule; ds_check_stepper passes what is right and names what is wrong. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

static const double tight = sizeof(ds_real) == 4 ? 1e-4 : 1e-12;

/* The pendulum on a tape; user: what is to go wrong. */
enum { RIGHT, FAILS, READS, FOREIGN, LEAVES_OUT, BRANCHES, CONSTANT, NOT_SMOOTH };
typedef struct recorded_case {
    int what;
    ds_tape *other;
    size_t records;
} recorded_case;

static ds_result record_step(void *user, const ds_step_vars *at, ds_var *next)
{
    recorded_case *const c = (recorded_case *)user;
    const ds_var q = ds_vars_at(at->state, 0), v = ds_vars_at(at->state, 1), u = ds_vars_at(at->control, 0);
    ds_var force = ds_sub(u, ds_mul(ds_vars_at(at->param, 0), ds_sin(q)));
    c->records++;
    force = ds_sub(force, ds_mul(ds_vars_at(at->param, 1), v));
    next[1] = ds_add(v, ds_mul(ds_c((double)pendulum_h), force));
    next[0] = ds_add(q, ds_mul(ds_c((double)pendulum_h), next[1]));
    switch (c->what) {
    case FAILS: return DSIM_ERROR_ARGUMENT;
    case READS: if (ds_value(q) > 0) next[1] = ds_add(next[1], ds_c(0)); break;
    case FOREIGN: next[0] = ds_input(c->other, 1); break;
    case LEAVES_OUT: next[1] = ds_c((double)NAN); break;
    case BRANCHES: if (ds_branch(ds_gt(v, ds_c(0)))) next[1] = ds_mul(next[1], ds_c(0.5)); break;
    case CONSTANT: next[0] = next[1] = ds_c(1); break;
    case NOT_SMOOTH: next[1] = ds_floor(next[1]); break;
    default: break;
    }
    return DSIM_OK;
}

static ds_result record_loss(void *user, const ds_step_vars *at, ds_var *loss)
{
    const ds_var miss = ds_sub(ds_vars_at(at->state, 0), ds_c(1));
    (void)user;
    *loss = ds_mul(ds_c(0.5), ds_square(miss));
    if (at->left) {
        *loss = ds_add(*loss, ds_mul(ds_c(0.1), ds_square(ds_vars_at(at->control, 0))));
    } else {
        const ds_var g = ds_vars_at(at->param, 0);
        *loss = ds_add(*loss, ds_square(ds_sub(g, ds_c(2))));
        *loss = ds_add(*loss, ds_mul(g, ds_vars_at(at->state, 1)));
    }
    return DSIM_OK;
}

static ds_recorded_desc recorded_desc(recorded_case *c, int what, int replay)
{
    ds_recorded_desc d;
    memset(&d, 0, sizeof d);
    memset(c, 0, sizeof *c);
    c->what = what;
    d.user = c;
    d.n_state = d.n_param = 2;
    d.n_control = 1;
    d.step = record_step;
    d.loss = record_loss;
    d.replay = replay;
    return d;
}

static ds_rollout_desc recorded_rollout(ds_recorded *recorded, size_t steps)
{
    ds_rollout_desc d;
    memset(&d, 0, sizeof d);
    d.steps = steps;
    d.loss = ds_recorded_loss;
    d.loss_second = ds_recorded_loss_second;
    d.loss_user = recorded;
    d.second = 1;
    return d;
}

/* gradient, tangents and products, one behind the other [3 n + 3] */
static int all_numbers(ds_rollout *r, const ds_real *x, const ds_real *along, size_t steps, ds_real *out)
{
    const size_t n = 4 + steps;
    const ds_direction direction = direction_of(along);
    const ds_direction_out to = out_of(out + n), to_gn = out_of(out + 2 * n);
    double loss_dot = 0;
    int bad = rollout_set(r, x, steps) || ds_rollout_backward(r);
    rollout_gradient(r, out, steps);
    bad |= ds_rollout_tangent(r, &direction, out + 3 * n, &loss_dot) != DSIM_OK;
    out[3 * n + 2] = (ds_real)loss_dot;
    bad |= ds_rollout_hessian_vector(r, &direction, &to) || ds_rollout_gauss_newton(r, &direction, &to_gn);
    return bad;
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

static const struct { ds_checkpoints checkpoints; size_t slots; } schedules[] = {
    { DSIM_CHECKPOINTS_ALL, 0 }, { DSIM_CHECKPOINTS_EVERY, 0 }, { DSIM_CHECKPOINTS_BINOMIAL, 3 } };

static void test_recorded(void)
{
    enum { STEPS = 40, N = 4 + STEPS, ALL = 3 * N + 3 };
    static ds_real x[N], along[N], want[ALL], got[ALL];
    ds_rng rng = ds_rng_make(5, 0);
    pendulum p;
    const ds_stepper by_hand = pendulum_stepper(&p, 0);
    ds_rollout_desc d = pendulum_desc(STEPS);
    uint64_t hash = 0;
    ds_rollout *r;
    pendulum_start(x, STEPS);
    for (size_t i = 0; i < N; i++) along[i] = between(&rng);
    d.second = 1;
    r = ds_rollout_create(&by_hand, &d);
    all_numbers(r, x, along, STEPS, want);
    ds_rollout_destroy(r);
    for (int replay = 0; replay < 2; replay++) {
        recorded_case c;
        ds_recorded_desc rd = recorded_desc(&c, RIGHT, replay);
        ds_recorded *const recorded = ds_recorded_create(&rd);
        for (size_t i = 0; i < COUNT(schedules); i++) {
            uint64_t now;
            d = recorded_rollout(recorded, STEPS);
            d.checkpoints = schedules[i].checkpoints;
            d.slots = schedules[i].slots;
            d.validate = i == 1;
            r = ds_rollout_create(ds_recorded_stepper(recorded), &d);
            TAP_OK(!all_numbers(r, x, along, STEPS, got), "recorded, %s, replay %d",
                   ds_checkpoints_name(d.checkpoints), replay);
            TAP_NEAR(largest_miss(got, want, ALL), 0, 10 * tight, "as by hand");
            now = ds_hash_reals(got, ALL, 0);
            if (!hash) hash = now;
            TAP_OK(now == hash, "the same bits for each schedule, replayed or not");
            ds_rollout_destroy(r);
        }
        TAP_OK(replay ? c.records == 1 : c.records > STEPS, "steps recorded: %d", (int)c.records);
        ds_recorded_destroy(recorded);
    }
}

static void test_recorded_failures(void)
{
    static const struct { int what, replay; ds_result code; const char *words; } cases[] = {
        { FAILS, 0, DSIM_ERROR_CALLBACK, "a function of yours" },
        { READS, 0, DSIM_OK, "" },
        { READS, 1, DSIM_ERROR_NOT_REPLAYABLE, "a value was read" },
        { FOREIGN, 0, DSIM_ERROR_MIXED, "two tapes" },
        { LEAVES_OUT, 0, DSIM_ERROR_NON_FINITE, "not finite after step 0, entry 1" },
        { BRANCHES, 0, DSIM_OK, "" },
        { BRANCHES, 1, DSIM_OK, "" },
        { CONSTANT, 0, DSIM_OK, "" },
        { NOT_SMOOTH, 0, DSIM_ERROR_NOT_DIFFERENTIABLE, "floor" },
    };
    enum { STEPS = 12 };
    static ds_real x[4 + STEPS], g[2][4 + STEPS];
    pendulum_start(x, STEPS);
    for (size_t i = 0; i < COUNT(cases); i++) {
        recorded_case c;
        ds_recorded_desc rd = recorded_desc(&c, cases[i].what, cases[i].replay);
        ds_recorded *const recorded = ds_recorded_create(&rd);
        ds_rollout_desc d = recorded_rollout(recorded, STEPS);
        ds_rollout *const r = ds_rollout_create(ds_recorded_stepper(recorded), &d);
        c.other = ds_tape_create(NULL);
        rollout_set(r, x, STEPS);
        TAP_OK(ds_rollout_backward(r) == cases[i].code, "case %d: %s", (int)i, ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, cases[i].words, "is named");
        if (cases[i].what == BRANCHES) rollout_gradient(r, g[cases[i].replay], STEPS);
        if (cases[i].what == CONSTANT)
            TAP_OK(ds_rollout_state_grad(r)[1] == 0, "constants hand nothing back");
        ds_rollout_destroy(r);
        ds_recorded_destroy(recorded);
        ds_tape_destroy(c.other);
    }
    TAP_OK(!memcmp(g[0], g[1], sizeof g[0]), "a replay that takes another branch is recorded again");
    {
        recorded_case c;
        ds_recorded_desc rd = recorded_desc(&c, RIGHT, 0);
        TAP_OK(!ds_recorded_create(NULL), "no desc");
        rd.step = NULL;
        TAP_OK(!ds_recorded_create(&rd), "no step");
        rd = recorded_desc(&c, RIGHT, 0);
        rd.n_state = 0;
        TAP_OK(!ds_recorded_create(&rd), "no state");
        rd.n_state = (size_t)-1 / 2;
        TAP_OK(!ds_recorded_create(&rd), "too large a state");
        rd.n_param = (size_t)-1;
        TAP_OK(!ds_recorded_create(&rd), "and parameters beyond all sizes");
        TAP_OK(!ds_recorded_stepper(NULL), "no stepper of nothing");
        ds_recorded_destroy(NULL);
        TAP_OK(ds_recorded_loss(NULL, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
                   ds_recorded_loss_second(NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT,
               "no loss of nothing");
    }
}

/* a custom node without second derivatives: gradients, but no Hessian */
static ds_result twice_forward(const ds_custom_io *io)
{
    io->out[0] = 2 * io->in[0];
    return DSIM_OK;
}
static ds_result twice_reverse(const ds_custom_io *io)
{
    io->in_bar[0] += 2 * io->out_bar[0];
    return DSIM_OK;
}
static ds_result twice_tangent(const ds_custom_io *io)
{
    io->out_dot[0] += 2 * io->in_dot[0];
    return DSIM_OK;
}
static ds_result record_custom(void *user, const ds_step_vars *at, ds_var *next)
{
    static const ds_custom_type type = { "twice", twice_forward, twice_reverse, twice_tangent, NULL };
    const ds_var v = ds_vars_at(at->state, 1);
    (void)user;
    next[0] = ds_mul(ds_c(0.5), ds_vars_at(ds_custom(&type, NULL, &v, 1, 1), 0));
    next[1] = ds_mul(ds_c(0.5), ds_vars_at(at->state, 0));
    return DSIM_OK;
}
static void test_no_second(void)
{
    static ds_real along[10];
    const ds_direction direction = direction_of(along);
    const ds_direction_out out = out_of(along);
    recorded_case c;
    ds_recorded_desc rd = recorded_desc(&c, RIGHT, 0);
    ds_recorded *recorded;
    ds_rollout_desc d;
    ds_rollout *r;
    rd.step = record_custom;
    recorded = ds_recorded_create(&rd);
    d = recorded_rollout(recorded, 5);
    r = ds_rollout_create(ds_recorded_stepper(recorded), &d);
    TAP_OK(!ds_rollout_backward(r) && !ds_rollout_gauss_newton(r, &direction, &out),
           "a custom node without second derivatives: the gradient, and Gauss-Newton");
    TAP_OK(ds_rollout_hessian_vector(r, &direction, &out) != DSIM_OK, "no Hessian: %s",
           ds_rollout_error(r)->text);
    TAP_HAS(ds_rollout_error(r)->text, "twice", "and the node is named");
    ds_rollout_destroy(r);
    ds_recorded_destroy(recorded);
}

/* the allocator fails at each allocation; after the first run there are none */
static void test_allocation(void)
{
    enum { STEPS = 5 };
    static ds_real x[4 + STEPS], along[4 + STEPS], out[3 * (4 + STEPS) + 3];
    pendulum_start(x, STEPS);
    pendulum_start(along, STEPS);
    for (int for_good = 0; for_good < 2; for_good++) {
        size_t k, points = 0;
        int named = 1, clean = 1, quiet = 1, done = 0;
        for (k = 1; k < 1000 && !done; k++) {
            recorded_case c;
            meter m;
            ds_recorded_desc rd = recorded_desc(&c, RIGHT, 1);
            ds_recorded *recorded;
            ds_rollout_desc d;
            ds_rollout *r = NULL;
            ds_result result = DSIM_ERROR_MEMORY;
            rd.allocator = meter_allocator(&m);
            m.fail_at = k;
            m.for_good = for_good;
            recorded = ds_recorded_create(&rd);
            d = recorded_rollout(recorded, STEPS);
            d.allocator = rd.allocator;
            if (recorded) r = ds_rollout_create(ds_recorded_stepper(recorded), &d);
            if (r) {
                all_numbers(r, x, along, STEPS, out);
                result = ds_rollout_error(r)->code;
            }
            done = m.calls < k;
            if (done) {
                const size_t calls = m.calls;
                named &= !result;
                quiet &= !all_numbers(r, x, along, STEPS, out) && m.calls == calls;
            } else {
                points++;
            }
            ds_rollout_destroy(r);
            ds_recorded_destroy(recorded);
            clean &= !m.live;
        }
        TAP_OK(named && done && points > 5 && clean, "memory fails at each of %d points: nothing leaks",
               (int)points);
        TAP_OK(quiet, "and a second run allocates nothing");
    }
}

/* ds_check_stepper */
static ds_result wrong_vjp(void *user, const ds_step_io *io, const void *trace, const ds_step_bar *bar)
{
    const ds_result result = pendulum_vjp(user, io, trace, bar);
    if (bar->param_bar) bar->param_bar[1] = -bar->param_bar[1];
    return result;
}
static ds_result wrong_jvp(void *user, const ds_step_io *io, const void *trace, const ds_step_dot *dot)
{
    const ds_result result = pendulum_jvp(user, io, trace, dot);
    dot->next_dot[0] += dot->control_dot[0];
    return result;
}
static ds_result wrong_second(void *user, const ds_step_io *io, const void *trace, const ds_step_second *s)
{
    const ds_result result = pendulum_second(user, io, trace, s);
    s->state_bar_dot[0] += s->state_dot[0];
    return result;
}
static ds_result wrong_derive_vjp(void *user, const ds_real *param, const ds_real *derived,
                                  const ds_real *derived_bar, ds_real *param_bar)
{
    const ds_result result = pendulum_derive_vjp(user, param, derived, derived_bar, param_bar);
    param_bar[1] += derived_bar[1];
    return result;
}
static ds_result wrong_derive_jvp(void *user, const ds_real *param, const ds_real *derived,
                                  const ds_real *param_dot, ds_real *derived_dot)
{
    const ds_result result = pendulum_derive_jvp(user, param, derived, param_dot, derived_dot);
    derived_dot[1] += param_dot[1];
    return result;
}
static ds_result wrong_derive_second(void *user, const ds_real *param, const ds_real *derived,
                                     const ds_derive_second *s)
{
    const ds_result result = pendulum_derive_second(user, param, derived, s);
    s->param_bar_dot[0] += s->param_dot[0];
    return result;
}
static ds_result lazy_step(void *user, const ds_step_io *io, void *trace)
{
    const ds_real kept = io->next[0];
    const ds_result result = pendulum_step(user, io, trace);
    io->next[0] = kept;
    return result;
}

static void test_check(void)
{
    const ds_real state[2] = { (ds_real)0.5, (ds_real)-0.75 }, param[2] = { (ds_real)1.5, (ds_real)0.25 },
                  control[1] = { (ds_real)0.375 };
    pendulum p;
    derived_pendulum dp;
    recorded_case c;
    ds_recorded_desc rd = recorded_desc(&c, RIGHT, 1);
    ds_recorded *const recorded = ds_recorded_create(&rd);
    ds_check_report report;
    ds_step_io io;
    ds_stepper s = pendulum_stepper(&p, 0);
    memset(&io, 0, sizeof io);
    io.state = state;
    io.param = param;
    io.control = control;
    TAP_OK(!ds_check_stepper(&s, &io, NULL, &report), "by hand: %s", report.text);
    s = pendulum_stepper(&p, 1);
    TAP_OK(!ds_check_stepper(&s, &io, NULL, &report), "with a trace: %s", report.text);
    TAP_OK(!ds_check_stepper(ds_recorded_stepper(recorded), &io, NULL, &report), "recorded: %s", report.text);
    ds_recorded_destroy(recorded);
#define FOUND(change, code, words) \
    do { \
        s = pendulum_stepper(&p, 1); \
        change; \
        TAP_OK(ds_check_stepper(&s, &io, NULL, &report) == code && report.result == code, "found: %s", \
               #change); \
        TAP_HAS(report.text, words, "and named"); \
    } while (0)
    FOUND(s.vjp = wrong_vjp, DSIM_ERROR_WRONG_GRADIENT, "entry 3");
    FOUND(s.jvp = wrong_jvp, DSIM_ERROR_WRONG_GRADIENT, "not the transpose");
    FOUND(s.second = wrong_second, DSIM_ERROR_WRONG_GRADIENT, "entry 0");
    FOUND(p.bad_kind = 3, DSIM_ERROR_HIDDEN_STATE, "done again");
    FOUND(p.bad_kind = 2, DSIM_ERROR_NOT_CONVERGED, "the step failed");
    FOUND(s.step = lazy_step, DSIM_ERROR_NON_FINITE, "entry 0");
    FOUND(s.step = NULL, DSIM_ERROR_ARGUMENT, "missing");
    FOUND((s.vjp = NULL), DSIM_OK, "same bytes");
    s = derived_stepper(&dp, 1, 0);
    TAP_OK(!ds_check_stepper(&s, &io, NULL, &report), "derived numbers: %s", report.text);
#define DERIVED (s = derived_stepper(&dp, 1, 0))
    FOUND((DERIVED, s.derive_vjp = wrong_derive_vjp), DSIM_ERROR_WRONG_GRADIENT, "entry 3");
    FOUND((DERIVED, s.derive_jvp = wrong_derive_jvp), DSIM_ERROR_WRONG_GRADIENT, "not the transpose");
    FOUND((DERIVED, s.derive_second = wrong_derive_second), DSIM_ERROR_WRONG_GRADIENT, "entry 2");
    FOUND((DERIVED, dp.bad_kind = 3), DSIM_ERROR_HIDDEN_STATE, "done again");
    FOUND((DERIVED, dp.bad_kind = 2), DSIM_ERROR_SINGULAR, "the step failed");
    FOUND((DERIVED, dp.bad_kind = 1), DSIM_ERROR_NON_FINITE, "entry 0");
    FOUND((DERIVED, s.derive = NULL), DSIM_ERROR_ARGUMENT, "missing");
    FOUND((DERIVED, s.derive_vjp = NULL), DSIM_OK, "same bytes");
    FOUND((DERIVED, s.derive_jvp = NULL), DSIM_OK, "gradient");
    FOUND((DERIVED, s.derive_second = NULL), DSIM_OK, "transpose");
#undef DERIVED
#undef FOUND
    {
        ds_check_desc d;
        size_t k;
        int named = 1, done = 0;
        meter m;
        memset(&d, 0, sizeof d);
        s = pendulum_stepper(&p, 1);
        for (k = 1; k < 100 && !done; k++) {
            ds_result result;
            d.allocator = meter_allocator(&m);
            m.fail_at = k;
            result = ds_check_stepper(&s, &io, &d, &report);
            done = m.calls < k;
            named &= result == (done ? DSIM_OK : DSIM_ERROR_MEMORY) && !m.live;
        }
        TAP_OK(named && done, "memory of a check fails at each of %d points", (int)k - 2);
    }
    TAP_OK(ds_check_stepper(NULL, &io, NULL, &report) == DSIM_ERROR_ARGUMENT, "no stepper");
    TAP_OK(ds_check_stepper(&s, NULL, NULL, &report) == DSIM_ERROR_ARGUMENT, "no io");
    TAP_OK(ds_check_stepper(&s, &io, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no report");
}

/* Launch lists: masses on springs with drag that is not linear, as kernels and on a tape. State: x, v [n][3];
   parameters: stiffness of each spring, drag; control: a force on the last mass. */
enum { MASSES = 7, SPRINGS = 10, LIST_STATE = 6 * MASSES, LIST_PARAM = SPRINGS + 1, LIST_CONTROL = 3 };
static int32_t spring_ends[SPRINGS][2];
static ds_kernel_desc of_kernels;
static ds_real rest_lengths[SPRINGS], time_step[1] = { (ds_real)0.03125 };

static ds_kernel *force_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(&of_kernels, "springs");
    const ds_arg ends = ds_arg_index(k, "ends", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    const ds_arg stiff = ds_arg_in(k, "stiff", 1), force = ds_arg_sum(k, "force", 3);
    const ds_index s = ds_lane(k), i = ds_load_index(ends, s, 0), j = ds_load_index(ends, s, 1);
    const ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi);
    const ds_var l = ds_safe_norm3(d), r = ds_load(rest, s), c = ds_load(stiff, s), stretch = ds_sub(l, r);
    const ds_var pull = ds_div(ds_mul(c, stretch), l);
    const ds_var3 g = ds_scale3(d, pull);
    ds_add_at3(force, i, g);
    ds_add_at3(force, j, ds_neg3(g));
    ds_kernel_end(k);
    return k;
}
/* v <- v + h (f - c |v| v), in place */
static ds_kernel *velocity_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(&of_kernels, "velocities");
    const ds_arg v = ds_arg_update(k, "v", 3), force = ds_arg_in(k, "force", 3);
    const ds_var h = ds_scalar(k, "h"), c = ds_scalar(k, "drag");
    const ds_index i = ds_lane(k);
    const ds_var3 vi = ds_load3(v, i), f = ds_load3(force, i);
    const ds_var drag = ds_mul(c, ds_safe_norm3(vi));
    const ds_var3 a = ds_naxpy3(drag, vi, f);
    ds_store3(v, i, ds_axpy3(h, a, vi));
    ds_kernel_end(k);
    return k;
}
/* x <- x + h v + h^2 |v|^2 v / 8: reads the new v, not linear in it */
static ds_kernel *position_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(&of_kernels, "positions");
    const ds_arg x = ds_arg_update(k, "x", 3), v = ds_arg_in(k, "v", 3);
    const ds_var h = ds_scalar(k, "h");
    const ds_index i = ds_lane(k);
    const ds_var3 vi = ds_load3(v, i), xi = ds_load3(x, i);
    const ds_var vv = ds_dot3(vi, vi), hh = ds_mul(ds_mul(h, h), ds_c(0.125)), more = ds_mul(hh, vv);
    const ds_var3 moved = ds_axpy3(h, vi, xi);
    ds_store3(x, i, ds_axpy3(more, vi, moved));
    ds_kernel_end(k);
    return k;
}
/* v <- v / (1 + |v|^2 / 64), in place once more, so that two launches write v */
static ds_kernel *brake_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(&of_kernels, "brake");
    const ds_arg v = ds_arg_update(k, "v", 3);
    const ds_index i = ds_lane(k);
    const ds_var3 vi = ds_load3(v, i);
    const ds_var vv = ds_dot3(vi, vi), slow = ds_recip(ds_add(ds_c(1), ds_mul(ds_c(1.0 / 64), vv)));
    ds_store3(v, i, ds_scale3(vi, slow));
    ds_kernel_end(k);
    return k;
}
/* what pulls at the last mass: into the last element of the force */
static ds_kernel *control_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(&of_kernels, "control");
    const ds_arg u = ds_arg_in(k, "u", 3), force = ds_arg_sum(k, "force", 3);
    ds_add_at3(force, ds_i(MASSES - 1), ds_load3(u, ds_lane(k)));
    ds_kernel_end(k);
    return k;
}

typedef struct list_case {
    ds_launch_list *list;
    ds_kernel *kernels[5];
} list_case;

/* interleaved: x0 v0 x1 v1 ..., with strides; else x0 x1 ... v0 v1 ... */
static const ds_stepper *make_list(list_case *c, int interleaved, const ds_runner_desc *runner)
{
    const size_t springs = SPRINGS, masses = MASSES, one = 1;
    ds_launch_list_desc d;
    ds_binding x = ds_bind(DSIM_BOUND_STATE, 0, MASSES, 3), v, bindings[5];
    const ds_binding force = ds_bind(DSIM_BOUND_SCRATCH, 0, MASSES, 3);
    const ds_binding h = ds_bind_constant(ds_array_reals(time_step, 1, 1));
    memset(&d, 0, sizeof d);
    if (runner) d.runner = *runner;
    d.n_state = LIST_STATE;
    d.n_param = LIST_PARAM;
    d.n_control = LIST_CONTROL;
    d.n_scratch = 3 * MASSES;
    c->list = ds_launch_list_create(&d);
    c->kernels[0] = force_kernel();
    c->kernels[1] = velocity_kernel();
    c->kernels[2] = position_kernel();
    c->kernels[3] = brake_kernel();
    c->kernels[4] = control_kernel();
    v = ds_bind(DSIM_BOUND_STATE, interleaved ? 3 : 3 * MASSES, MASSES, 3);
    if (interleaved) x.array.stride = v.array.stride = 6;
    bindings[0] = ds_bind_constant(ds_array_indices(&spring_ends[0][0], SPRINGS, 2));
    bindings[1] = x;
    bindings[2] = ds_bind_constant(ds_array_reals(rest_lengths, SPRINGS, 1));
    bindings[3] = ds_bind(DSIM_BOUND_PARAM, 0, SPRINGS, 1);
    bindings[4] = force;
    ds_launch_list_add(c->list, c->kernels[0], &springs, bindings, 5);
    bindings[0] = ds_bind(DSIM_BOUND_CONTROL, 0, 1, 3);
    bindings[1] = force;
    ds_launch_list_add(c->list, c->kernels[4], &one, bindings, 2);
    bindings[0] = v;
    ds_launch_list_add(c->list, c->kernels[3], &masses, bindings, 1);
    bindings[0] = v;
    bindings[1] = force;
    bindings[2] = h;
    bindings[3] = ds_bind(DSIM_BOUND_PARAM, SPRINGS, 1, 1);
    ds_launch_list_add(c->list, c->kernels[1], &masses, bindings, 4);
    bindings[0] = x;
    bindings[1] = v;
    ds_launch_list_add(c->list, c->kernels[2], &masses, bindings, 3);
    bindings[0] = v;
    ds_launch_list_add(c->list, c->kernels[3], &masses, bindings, 1);
    return ds_launch_list_stepper(c->list);
}
static void end_list(list_case *c)
{
    ds_launch_list_destroy(c->list);
    for (size_t i = 0; i < COUNT(c->kernels); i++) ds_kernel_destroy(c->kernels[i]);
}

/* Stiffnesses that derive from the parameters, p^2 / 8 + p: once for all steps, or by a launch of each step
   into scratch. */
static size_t stiffness_calls;
static ds_result stiffness(void *user, const ds_real *param, ds_real *derived)
{
    (void)user;
    stiffness_calls++;
    for (size_t s = 0; s < SPRINGS; s++) derived[s] = param[s] * param[s] / 8 + param[s];
    return DSIM_OK;
}
static ds_result stiffness_vjp(void *user, const ds_real *param, const ds_real *derived,
                               const ds_real *derived_bar, ds_real *param_bar)
{
    (void)user, (void)derived;
    stiffness_calls++;
    for (size_t s = 0; s < SPRINGS; s++) param_bar[s] += (param[s] / 4 + 1) * derived_bar[s];
    return DSIM_OK;
}
static ds_result stiffness_jvp(void *user, const ds_real *param, const ds_real *derived,
                               const ds_real *param_dot, ds_real *derived_dot)
{
    (void)user, (void)derived;
    for (size_t s = 0; s < SPRINGS; s++) derived_dot[s] = (param[s] / 4 + 1) * param_dot[s];
    return DSIM_OK;
}
static ds_result stiffness_second(void *user, const ds_real *param, const ds_real *derived,
                                  const ds_derive_second *d)
{
    (void)user, (void)derived;
    for (size_t s = 0; s < SPRINGS; s++)
        d->param_bar_dot[s] +=
            (param[s] / 4 + 1) * d->derived_bar_dot[s] + d->param_dot[s] / 4 * d->derived_bar[s];
    return DSIM_OK;
}
static ds_kernel *stiffness_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "stiffness");
    const ds_arg p = ds_arg_in(k, "p", 1), out = ds_arg_out(k, "stiff", 1);
    const ds_var pi = ds_load(p, ds_lane(k));
    ds_store(out, ds_lane(k), ds_add(ds_mul(ds_c(0.125), ds_square(pi)), pi));
    ds_kernel_end(k);
    return k;
}
/* derived: once; else in each step. kernels [2] are destroyed by the caller */
static ds_launch_list *stiffness_list(int derived, ds_kernel **kernels)
{
    const size_t springs = SPRINGS, masses = MASSES;
    const ds_binding x = ds_bind(DSIM_BOUND_BEFORE, 0, MASSES, 3);
    const ds_binding v = ds_bind(DSIM_BOUND_STATE, 0, MASSES, 3);
    const ds_binding h = ds_bind_constant(ds_array_reals(time_step, 1, 1));
    ds_binding b[5];
    ds_launch_list_desc d;
    ds_launch_list *list;
    memset(&d, 0, sizeof d);
    d.n_state = LIST_STATE;
    d.n_param = LIST_PARAM;
    d.n_control = LIST_CONTROL;
    d.n_scratch = 3 * MASSES + SPRINGS;
    if (derived) {
        d.n_derived = SPRINGS;
        d.derive = stiffness;
        d.derive_vjp = stiffness_vjp;
        d.derive_jvp = stiffness_jvp;
        d.derive_second = stiffness_second;
    }
    list = ds_launch_list_create(&d);
    kernels[0] = stiffness_kernel();
    kernels[1] = force_kernel();
    kernels[2] = velocity_kernel();
    b[0] = ds_bind(DSIM_BOUND_PARAM, 0, SPRINGS, 1);
    b[1] = ds_bind(DSIM_BOUND_SCRATCH, 3 * MASSES, SPRINGS, 1);
    if (!derived) ds_launch_list_add(list, kernels[0], &springs, b, 2);
    b[3] = derived ? ds_bind(DSIM_BOUND_DERIVED, 0, SPRINGS, 1) : b[1];
    b[0] = ds_bind_constant(ds_array_indices(&spring_ends[0][0], SPRINGS, 2));
    b[1] = x;
    b[2] = ds_bind_constant(ds_array_reals(rest_lengths, SPRINGS, 1));
    b[4] = ds_bind(DSIM_BOUND_SCRATCH, 0, MASSES, 3);
    ds_launch_list_add(list, kernels[1], &springs, b, 5);
    b[0] = v;
    b[1] = b[4];
    b[2] = h;
    b[3] = ds_bind(DSIM_BOUND_PARAM, SPRINGS, 1, 1);
    ds_launch_list_add(list, kernels[2], &masses, b, 4);
    return list;
}

/* the same on a tape, x first */
static ds_result springs_on_tape(void *user, const ds_step_vars *at, ds_var *next)
{
    ds_var3 x[MASSES], v[MASSES], f[MASSES];
    const ds_var h = ds_c((double)time_step[0]), hh = ds_c((double)(time_step[0] * time_step[0]) / 8);
    (void)user;
    for (size_t i = 0; i < MASSES; i++) {
        x[i] = ds_vars_at3(at->state, i);
        v[i] = ds_vars_at3(at->state, MASSES + i);
        f[i] = ds_input3(at->tape, ds_v3_make(0, 0, 0));
    }
    for (size_t s = 0; s < SPRINGS; s++) {
        const size_t i = (size_t)spring_ends[s][0], j = (size_t)spring_ends[s][1];
        const ds_var3 d = ds_sub3(x[j], x[i]);
        const ds_var l = ds_safe_norm3(d), stretch = ds_sub(l, ds_c((double)rest_lengths[s]));
        const ds_var3 g = ds_scale3(d, ds_div(ds_mul(ds_vars_at(at->param, s), stretch), l));
        f[i] = ds_add3(f[i], g);
        f[j] = ds_sub3(f[j], g);
    }
    f[MASSES - 1] = ds_add3(f[MASSES - 1], ds_vars_at3(at->control, 0));
    for (size_t i = 0; i < MASSES; i++) {
        ds_var vv = ds_dot3(v[i], v[i]);
        ds_var3 a;
        v[i] = ds_scale3(v[i], ds_recip(ds_add(ds_c(1), ds_mul(ds_c(1.0 / 64), vv))));
        a = ds_naxpy3(ds_mul(ds_vars_at(at->param, SPRINGS), ds_safe_norm3(v[i])), v[i], f[i]);
        v[i] = ds_axpy3(h, a, v[i]);
        x[i] = ds_axpy3(ds_mul(hh, ds_dot3(v[i], v[i])), v[i], ds_axpy3(h, v[i], x[i]));
        vv = ds_dot3(v[i], v[i]);
        v[i] = ds_scale3(v[i], ds_recip(ds_add(ds_c(1), ds_mul(ds_c(1.0 / 64), vv))));
        next[3 * i] = ds_x(x[i]), next[3 * i + 1] = ds_y(x[i]), next[3 * i + 2] = ds_z(x[i]);
        next[3 * (MASSES + i)] = ds_x(v[i]);
        next[3 * (MASSES + i) + 1] = ds_y(v[i]);
        next[3 * (MASSES + i) + 2] = ds_z(v[i]);
    }
    return DSIM_OK;
}

/* |x_T - (1, 2, 3, ...)|^2 / 2 over everything, and every 3rd state a little */
static ds_result list_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const ds_real weight = io->left ? (ds_real)(io->step % 3 == 0) / 16 : 1;
    (void)user;
    for (size_t i = 0; i < LIST_STATE; i++) {
        const ds_real miss = io->state[i] - (ds_real)(i % 5) / 4;
        *value += weight * miss * miss / 2;
        if (bar) bar->state_bar[i] += weight * miss;
    }
    return DSIM_OK;
}
static ds_result list_loss_second(void *user, const ds_step_io *io, const ds_step_second *s)
{
    const ds_real weight = io->left ? (ds_real)(io->step % 3 == 0) / 16 : 1;
    (void)user;
    for (size_t i = 0; i < LIST_STATE; i++) s->state_bar_dot[i] += weight * s->state_dot[i];
    return DSIM_OK;
}

enum { LIST_STEPS = 24, LIST_ALL = LIST_STATE + LIST_PARAM + LIST_CONTROL * LIST_STEPS };
static ds_real list_x[LIST_ALL], list_along[LIST_ALL];
static void list_data(void)
{
    ds_rng rng = ds_rng_make(7, 0);
    for (int s = 0; s < SPRINGS; s++) {
        spring_ends[s][0] = s < MASSES - 1 ? s : (s - MASSES + 1) * 2 % MASSES;
        spring_ends[s][1] = s < MASSES - 1 ? s + 1 : ((s - MASSES + 1) * 2 + 3) % MASSES;
        rest_lengths[s] = (ds_real)0.75 + between(&rng) / 8;
    }
    for (size_t i = 0; i < LIST_ALL; i++) {
        list_x[i] = between(&rng);
        list_along[i] = between(&rng);
    }
    for (size_t i = LIST_STATE; i < LIST_STATE + LIST_PARAM; i++) list_x[i] += 4;
}

static ds_direction list_direction(void)
{
    ds_direction d;
    d.state = list_along;
    d.param = list_along + LIST_STATE;
    d.control = list_along + LIST_STATE + LIST_PARAM;
    return d;
}
static ds_direction_out list_out(ds_real *out)
{
    ds_direction_out d;
    d.state = out;
    d.param = out + LIST_STATE;
    d.control = out + LIST_STATE + LIST_PARAM;
    return d;
}
/* gradient, Hessian product, Gauss-Newton product [3 LIST_ALL], and the last tangent */
static int list_numbers(ds_rollout *r, ds_real *out)
{
    const ds_direction along = list_direction();
    const ds_direction_out product = list_out(out + LIST_ALL), gn = list_out(out + 2 * LIST_ALL);
    int bad = ds_rollout_set_state(r, list_x) || ds_rollout_set_param(r, list_x + LIST_STATE) ||
              ds_rollout_set_controls(r, list_x + LIST_STATE + LIST_PARAM, 0, LIST_STEPS);
    bad |= ds_rollout_backward(r) != DSIM_OK;
    if (bad) return bad;
    memcpy(out, ds_rollout_state_grad(r), LIST_STATE * sizeof *out);
    memcpy(out + LIST_STATE, ds_rollout_param_grad(r), LIST_PARAM * sizeof *out);
    memcpy(out + LIST_STATE + LIST_PARAM, ds_rollout_control_grad(r),
           LIST_CONTROL * LIST_STEPS * sizeof *out);
    bad = ds_rollout_tangent(r, &along, out + 3 * LIST_ALL, NULL) != DSIM_OK;
    return bad || ds_rollout_hessian_vector(r, &along, &product) || ds_rollout_gauss_newton(r, &along, &gn);
}

static void test_list(void)
{
    enum { NUMBERS = 3 * LIST_ALL + LIST_STATE };
    static ds_real want[NUMBERS], got[NUMBERS];
    ds_recorded_desc rd;
    ds_recorded *recorded;
    ds_rollout_desc d;
    ds_rollout *r;
    uint64_t hash = 0;
    list_data();
    memset(&rd, 0, sizeof rd);
    rd.n_state = LIST_STATE;
    rd.n_param = LIST_PARAM;
    rd.n_control = LIST_CONTROL;
    rd.step = springs_on_tape;
    rd.replay = 1;
    recorded = ds_recorded_create(&rd);
    memset(&d, 0, sizeof d);
    d.steps = LIST_STEPS;
    d.loss = list_loss;
    d.loss_second = list_loss_second;
    d.second = 1;
    r = ds_rollout_create(ds_recorded_stepper(recorded), &d);
    TAP_OK(!list_numbers(r, want), "springs on a tape");
    ds_rollout_destroy(r);
    ds_recorded_destroy(recorded);
    for (size_t i = 0; i < COUNT(schedules); i++) {
        list_case c;
        const ds_stepper *const s = make_list(&c, 0, NULL);
        if (!TAP_OK(s != NULL, "a list: %s", ds_launch_list_error(c.list)->text)) return;
        d.checkpoints = schedules[i].checkpoints;
        d.slots = schedules[i].slots;
        r = ds_rollout_create(s, &d);
        if (!TAP_OK(!list_numbers(r, got), "springs as a list of launches, %s",
                    ds_checkpoints_name(d.checkpoints)))
            tap_diag("%s", ds_rollout_error(r)->text);
        TAP_NEAR(largest_miss(got, want, LIST_ALL), 0, 10 * tight, "the gradient of the tape");
        TAP_NEAR(largest_miss(got + LIST_ALL, want + LIST_ALL, LIST_ALL), 0, 10 * tight,
                 "its Hessian product");
        TAP_NEAR(largest_miss(got + 2 * LIST_ALL, want + 2 * LIST_ALL, LIST_ALL), 0, 10 * tight,
                 "its Gauss-Newton product");
        TAP_NEAR(largest_miss(got + 3 * LIST_ALL, want + 3 * LIST_ALL, LIST_STATE), 0, 10 * tight,
                 "its tangent");
        if (!i) hash = ds_hash_reals(got, NUMBERS, 0);
        TAP_OK(ds_hash_reals(got, NUMBERS, 0) == hash, "the same bits with every schedule");
        /* kept is v before and after the launch in the middle: x and the first v are in the state before */
        TAP_OK(s->trace_bytes == 2 * 3 * MASSES * sizeof(ds_real), "the trace keeps what it must, %d bytes",
               (int)s->trace_bytes);
        ds_rollout_destroy(r);
        end_list(&c);
    }
}

/* derived numbers of a list: those of a launch in each step, and computed once */
static void test_derived_list(void)
{
    enum { NUMBERS = 3 * LIST_ALL + LIST_STATE };
    static ds_real want[NUMBERS], got[NUMBERS];
    ds_rollout_desc d;
    uint64_t hash = 0;
    list_data();
    memset(&d, 0, sizeof d);
    d.steps = LIST_STEPS;
    d.loss = list_loss;
    d.loss_second = list_loss_second;
    d.second = 1;
    for (int derived = 0; derived < 2; derived++)
        for (size_t i = 0; i < COUNT(schedules); i++) {
            ds_real *const to = derived ? got : want;
            ds_kernel *kernels[3];
            ds_launch_list *const list = stiffness_list(derived, kernels);
            ds_rollout *r;
            d.checkpoints = schedules[i].checkpoints;
            d.slots = schedules[i].slots;
            r = ds_rollout_create(ds_launch_list_stepper(list), &d);
            stiffness_calls = 0;
            if (!TAP_OK(r && !list_numbers(r, to), "stiffnesses, %s, %s",
                        derived ? "derived" : "in each step", ds_checkpoints_name(d.checkpoints)))
                tap_diag("%s; %s", ds_launch_list_error(list)->text, ds_rollout_error(r)->text);
            TAP_OK(stiffness_calls == (derived ? 4 : 0), "derived once, and back once for each way back");
            if (!i) hash = ds_hash_reals(to, NUMBERS, 0);
            TAP_OK(hash == ds_hash_reals(to, NUMBERS, 0), "the same bits with every schedule");
            ds_rollout_destroy(r);
            ds_launch_list_destroy(list);
            for (size_t k = 0; k < 3; k++) ds_kernel_destroy(kernels[k]);
        }
    TAP_NEAR(largest_miss(got, want, LIST_ALL), 0, 10 * tight, "derived numbers of a list: the gradient");
    TAP_NEAR(largest_miss(got + LIST_ALL, want + LIST_ALL, LIST_ALL), 0, 10 * tight, "the Hessian product");
    TAP_NEAR(largest_miss(got + 3 * LIST_ALL, want + 3 * LIST_ALL, LIST_STATE), 0, 10 * tight, "the tangent");
}

/* every list against ds_check_stepper */
static void check_list(const ds_stepper *s, const ds_launch_list *list, const char *name)
{
    static ds_real x[1000];
    ds_rng rng = ds_rng_make(11, 0);
    ds_check_report report;
    ds_step_io io;
    if (!TAP_OK(s != NULL, "a list: %s", name)) {
        tap_diag("%s", ds_launch_list_error(list)->text);
        return;
    }
    for (size_t i = 0; i < COUNT(x); i++) x[i] = between(&rng);
    for (size_t i = s->n_state; i < s->n_state + s->n_param; i++) x[i] += 4;
    memset(&io, 0, sizeof io);
    io.state = x;
    io.param = x + s->n_state;
    io.control = io.param + s->n_param;
    if (!TAP_OK(!ds_check_stepper(s, &io, NULL, &report), "%s: %s", name, report.text))
        tap_diag("%s", ds_launch_list_error(list)->text);
}

/* a wave on a grid: u and the u before it; walls stay as they are, so that not every element is stored; two
   steps in one, so that a launch overwrites what the first has stored */
static ds_kernel *wave_kernel(void)
{
    ds_kernel_desc kd;
    ds_kernel *k;
    ds_index i, j, at, columns;
    ds_arg u, before, next;
    ds_var c, lap, now;
    memset(&kd, 0, sizeof kd);
    kd.rank = 2;
    k = ds_kernel_begin(&kd, "wave");
    u = ds_arg_in(k, "u", 1);
    before = ds_arg_in(k, "before", 1);
    next = ds_arg_out(k, "next", 1);
    c = ds_scalar(k, "c");
    i = ds_index_add(ds_lane_axis(k, 0), ds_i(1));
    j = ds_index_add(ds_lane_axis(k, 1), ds_i(1));
    columns = ds_index_add(ds_lanes(k, 1), ds_i(2));
    at = ds_index_add(ds_index_mul(i, columns), j);
    now = ds_load(u, at);
    lap = ds_add(ds_add(ds_load(u, ds_index_add(at, ds_i(1))), ds_load(u, ds_index_sub(at, ds_i(1)))),
                 ds_add(ds_load(u, ds_index_add(at, columns)), ds_load(u, ds_index_sub(at, columns))));
    lap = ds_sub(lap, ds_mul(ds_c(4), now));
    lap = ds_sub(lap, ds_mul(ds_c(0.125), ds_mul(now, ds_square(now))));
    ds_store(next, at, ds_add(ds_sub(ds_mul(ds_c(2), now), ds_load(before, at)), ds_mul(c, lap)));
    ds_kernel_end(k);
    return k;
}
/* without the cube */
static ds_kernel *linear_wave_kernel(void)
{
    ds_kernel_desc kd;
    ds_kernel *k;
    ds_index at, columns;
    ds_arg u, before, next;
    ds_var c, lap, now;
    memset(&kd, 0, sizeof kd);
    kd.rank = 2;
    k = ds_kernel_begin(&kd, "linear_wave");
    u = ds_arg_in(k, "u", 1);
    before = ds_arg_in(k, "before", 1);
    next = ds_arg_out(k, "next", 1);
    c = ds_scalar(k, "c");
    columns = ds_index_add(ds_lanes(k, 1), ds_i(2));
    at = ds_index_mul(ds_index_add(ds_lane_axis(k, 0), ds_i(1)), columns);
    at = ds_index_add(at, ds_index_add(ds_lane_axis(k, 1), ds_i(1)));
    now = ds_load(u, at);
    lap = ds_add(ds_load(u, ds_index_add(at, ds_i(1))), ds_load(u, ds_index_sub(at, columns)));
    ds_store(next, at, ds_add(ds_sub(now, ds_load(before, at)), ds_mul(c, lap)));
    ds_kernel_end(k);
    return k;
}
static double inner_product(const ds_real *x, const ds_real *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}
static ds_kernel *copy_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "copy");
    const ds_arg from = ds_arg_in(k, "from", 1), to = ds_arg_out(k, "to", 1);
    const ds_index i = ds_lane(k);
    ds_store(to, i, ds_load(from, i));
    ds_kernel_end(k);
    return k;
}

static void test_wave(void)
{
    enum { ROWS = 6, COLUMNS = 7, CELLS = ROWS * COLUMNS };
    const size_t inside[2] = { ROWS - 2, COLUMNS - 2 }, cells = CELLS;
    ds_kernel *const wave = wave_kernel(), *const copy = copy_kernel();
    const ds_binding u = ds_bind(DSIM_BOUND_STATE, 0, CELLS, 1);
    const ds_binding v = ds_bind(DSIM_BOUND_STATE, CELLS, CELLS, 1);
    const ds_binding u0 = ds_bind(DSIM_BOUND_BEFORE, 0, CELLS, 1);
    const ds_binding v0 = ds_bind(DSIM_BOUND_BEFORE, CELLS, CELLS, 1);
    const ds_binding c = ds_bind(DSIM_BOUND_PARAM, 0, 1, 1), w = ds_bind(DSIM_BOUND_SCRATCH, 0, CELLS, 1);
    for (int variant = 0; variant < 3; variant++) {
        ds_launch_list_desc d;
        ds_launch_list *list;
        ds_binding b[4];
        memset(&d, 0, sizeof d);
        d.n_state = 2 * CELLS;
        d.n_param = 1;
        d.n_scratch = CELLS;
        list = ds_launch_list_create(&d);
        b[3] = c;
        if (variant == 0) { /* from the state before into the state */
            b[0] = u0, b[1] = v0, b[2] = u;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = u0, b[1] = v;
            ds_launch_list_add(list, copy, &cells, b, 2);
        } else if (variant == 1) { /* two steps: v becomes the new one, then u */
            b[0] = u, b[1] = v0, b[2] = v;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = v, b[1] = u0, b[2] = u;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = u, b[1] = u0, b[2] = v;
            ds_launch_list_add(list, wave, inside, b, 4);
        } else { /* by way of scratch, which an adjoint reads, and which is written twice */
            b[0] = u, b[1] = v, b[2] = w;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = w, b[1] = u, b[2] = v;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = v, b[1] = u, b[2] = w;
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = w, b[1] = u;
            ds_launch_list_add(list, copy, &cells, b, 2);
        }
        check_list(ds_launch_list_stepper(list), list,
                   variant == 0 ? "a wave" : variant == 1 ? "two steps of it" : "by way of scratch");
        ds_launch_list_destroy(list);
    }
    ds_kernel_destroy(wave);
    ds_kernel_destroy(copy);
}

/* ds_floor_index in an index: the eraser reads what the adjoint does not */
static void test_moved_store(void)
{
    enum { N = 5 };
    ds_kernel *const k = ds_kernel_begin(NULL, "moved");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_in(k, "z", 1);
    const ds_index i = ds_lane(k), at = ds_index_mod(ds_index_add(ds_floor_index(ds_load(x, i)), i), ds_i(N));
    const size_t lanes = 2;
    ds_launch_list_desc d;
    ds_launch_list *list;
    ds_binding b[3];
    ds_store(y, at, ds_square(ds_load(z, i)));
    ds_kernel_end(k);
    memset(&d, 0, sizeof d);
    d.n_state = 3 * N;
    list = ds_launch_list_create(&d);
    b[0] = ds_bind(DSIM_BOUND_STATE, 0, N, 1);
    b[1] = ds_bind(DSIM_BOUND_STATE, N, N, 1);
    b[2] = ds_bind(DSIM_BOUND_STATE, 2 * N, N, 1);
    ds_launch_list_add(list, k, &lanes, b, 3);
    b[0] = ds_bind(DSIM_BOUND_STATE, N, N, 1);
    b[1] = ds_bind(DSIM_BOUND_STATE, 2 * N, N, 1);
    b[2] = ds_bind(DSIM_BOUND_STATE, 0, N, 1);
    ds_launch_list_add(list, k, &lanes, b, 3);
    check_list(ds_launch_list_stepper(list), list, "stores at places that numbers decide");
    ds_launch_list_destroy(list);
    ds_kernel_destroy(k);
}

/* what is wrong with a list is named when it is added */
static void test_list_misuse(void)
{
    enum { X, V, F, H, C };
    ds_kernel *const open = ds_kernel_begin(NULL, "open"), *const bad = ds_kernel_begin(NULL, "bad");
    ds_kernel *const good = velocity_kernel(), *const springs = force_kernel(), *k;
    const size_t masses = MASSES, many[3] = { 1, 1, 1 };
    ds_binding right[4], b[5];
    ds_launch_list_desc d;
    ds_launch_list *list;
    ds_arg a;
    memset(&d, 0, sizeof d);
    TAP_OK(!ds_launch_list_create(NULL) && !ds_launch_list_create(&d), "no list without a state");
    TAP_HAS(ds_launch_list_error(NULL)->text, "NULL", "is named");
    TAP_OK(ds_launch_list_add(NULL, good, many, right, 4) == DSIM_ERROR_ARGUMENT &&
               !ds_launch_list_stepper(NULL),
           "no list, no launch");
    ds_launch_list_destroy(NULL);
    d.n_state = LIST_STATE;
    d.n_param = LIST_PARAM;
    d.n_control = LIST_CONTROL;
    d.n_scratch = 3 * MASSES;
    ds_kernel_end(bad);
    right[0] = ds_bind(DSIM_BOUND_STATE, 3 * MASSES, MASSES, 3);
    right[1] = ds_bind(DSIM_BOUND_SCRATCH, 0, MASSES, 3);
    right[2] = ds_bind_constant(ds_array_reals(time_step, 1, 1));
    right[3] = ds_bind(DSIM_BOUND_PARAM, SPRINGS, 1, 1);
    memset(b, 0, sizeof b);
#define REFUSED(change, kernel, n, code, words) \
    do { \
        list = ds_launch_list_create(&d); \
        k = kernel; \
        memcpy(b, right, sizeof right); \
        change; \
        TAP_OK(ds_launch_list_add(list, k, &masses, b, n) == code && \
                   ds_launch_list_add(list, good, &masses, right, 4) == code && \
                   !ds_launch_list_stepper(list), \
               "refused: %s, %s", #change, ds_launch_list_error(list)->text); \
        TAP_HAS(ds_launch_list_error(list)->text, words, "and named"); \
        ds_launch_list_destroy(list); \
    } while (0)
    REFUSED((void)0, NULL, 4, DSIM_ERROR_ARGUMENT, "NULL");
    REFUSED((void)0, open, 4, DSIM_ERROR_ORDER, "ds_kernel_end");
    REFUSED((void)0, bad, 0, DSIM_ERROR_ARGUMENT, "neither stores nor adds");
    REFUSED((void)0, good, 3, DSIM_ERROR_ARGUMENT, "another number of arguments");
    REFUSED(b[0].to = DSIM_BOUND_BEFORE, good, 4, DSIM_ERROR_ARGUMENT, "argument 'v': is written");
    REFUSED(b[0].to = (ds_bound)9, good, 4, DSIM_ERROR_ARGUMENT, "no such binding");
    REFUSED(b[0].offset++, good, 4, DSIM_ERROR_ARGUMENT, "beyond the numbers");
    REFUSED(b[0].to = DSIM_BOUND_DERIVED, good, 4, DSIM_ERROR_ARGUMENT, "argument 'v': is written");
    REFUSED(b[3].to = DSIM_BOUND_DERIVED, good, 4, DSIM_ERROR_ARGUMENT, "argument 'drag': the binding goes");
    REFUSED(b[1].array.n++, good, 4, DSIM_ERROR_ARGUMENT, "argument 'force': the binding goes beyond");
    REFUSED(b[1].array.stride = (size_t)-1, good, 4, DSIM_ERROR_ARGUMENT, "beyond the numbers");
    REFUSED(b[1].array.components = 2, good, 4, DSIM_ERROR_ARGUMENT, "number of components");
    REFUSED(b[1].array.type = DSIM_ARRAY_FLOAT, good, 4, DSIM_ERROR_ARGUMENT, "DSIM_ARRAY_REAL");
    REFUSED(b[1] = b[0], good, 4, DSIM_ERROR_RACE, "shares numbers");
    REFUSED((b[0] = b[1], b[1] = b[2] = b[3] = b[4] = ds_bind(DSIM_BOUND_PARAM, 0, 1, 1)), springs, 5,
            DSIM_ERROR_ARGUMENT, "number of components");
#undef REFUSED
    /* a complete list takes no more; indices that leave their array are found in the step */
    list = ds_launch_list_create(&d);
    b[0] = ds_bind_constant(ds_array_indices(&spring_ends[0][0], SPRINGS, 2));
    b[1] = ds_bind(DSIM_BOUND_STATE, 0, 2, 3);
    b[2] = ds_bind_constant(ds_array_reals(rest_lengths, SPRINGS, 1));
    b[3] = ds_bind(DSIM_BOUND_PARAM, 0, SPRINGS, 1);
    b[4] = right[1];
    {
        const size_t n = SPRINGS;
        ds_rollout_desc rd;
        ds_rollout *r;
        memset(&rd, 0, sizeof rd);
        rd.steps = 3;
        rd.loss = list_loss;
        ds_launch_list_add(list, springs, &n, b, 5);
        r = ds_rollout_create(ds_launch_list_stepper(list), &rd);
        TAP_OK(ds_launch_list_stepper(list) && ds_launch_list_add(list, good, &masses, right, 4) ==
               DSIM_ERROR_ORDER, "a complete list takes no more");
        TAP_OK(ds_rollout_forward(r) == DSIM_ERROR_RANGE, "an index outside: %s", ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, "step 0: launch 0: ds_launch: kernel 'springs', argument 'x'",
                "named from the step to the argument");
        ds_rollout_destroy(r);
    }
    ds_launch_list_destroy(list);
    /* no derivative: forward goes, backward says why */
    k = ds_kernel_begin(NULL, "steps");
    a = ds_arg_update(k, "v", 3);
    ds_store(a, ds_lane(k), ds_floor(ds_load(a, ds_lane(k))));
    ds_kernel_end(k);
    list = ds_launch_list_create(&d);
    ds_launch_list_add(list, k, &masses, right, 1);
    {
        ds_rollout_desc rd;
        ds_rollout *r;
        memset(&rd, 0, sizeof rd);
        rd.steps = 3;
        rd.loss = list_loss;
        r = ds_rollout_create(ds_launch_list_stepper(list), &rd);
        TAP_OK(!ds_rollout_forward(r), "floor: forward");
        TAP_OK(ds_rollout_backward(r) == DSIM_ERROR_NOT_DIFFERENTIABLE, "not backward: %s",
               ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, "floor", "and the operation is named");
        ds_rollout_destroy(r);
    }
    ds_launch_list_destroy(list);
    ds_kernel_destroy(k);
    ds_kernel_destroy(open);
    ds_kernel_destroy(bad);
    ds_kernel_destroy(good);
    ds_kernel_destroy(springs);
}

/* the allocator fails at each allocation of list and rollout; after the first run there are none */
static void test_list_allocation(void)
{
    static ds_real out[3 * LIST_ALL + LIST_STATE];
    size_t k, points = 0;
    int clean = 1, named = 1, quiet = 1, done = 0;
    for (k = 1; k < 5000 && !done; k += points < 60 ? 1 : 13) {
        ds_runner_desc runner;
        ds_rollout_desc d;
        ds_rollout *r = NULL;
        list_case c;
        meter m;
        const ds_stepper *s;
        memset(&runner, 0, sizeof runner);
        memset(&d, 0, sizeof d);
        memset(&c, 0, sizeof c);
        d.allocator = runner.allocator = of_kernels.allocator = meter_allocator(&m);
        d.steps = LIST_STEPS;
        d.loss = list_loss;
        d.loss_second = list_loss_second;
        d.second = 1;
        m.fail_at = k;
        s = make_list(&c, 0, &runner);
        if (s) r = ds_rollout_create(s, &d);
        if (r && list_numbers(r, out)) named &= ds_rollout_error(r)->code == DSIM_ERROR_MEMORY;
        if (c.list && !s) named &= ds_launch_list_error(c.list)->code != DSIM_OK;
        done = m.calls < k;
        points += !done;
        if (done) {
            const size_t calls = m.calls;
            quiet &= !list_numbers(r, out) && m.calls == calls;
        }
        ds_rollout_destroy(r);
        end_list(&c);
        clean &= !m.live;
    }
    memset(&of_kernels, 0, sizeof of_kernels);
    TAP_OK(clean && named && done, "memory of a list fails at each of %d points: named, nothing leaks",
           (int)points);
    TAP_OK(quiet, "and a second run allocates nothing");
}

/* a constant goes to places that numbers decide, which are overwritten then: nothing is to be differentiated,
   but what was there before has no part in the end */
static void test_stored_constant(void)
{
    enum { N = 5 };
    ds_kernel *const k = ds_kernel_begin(NULL, "stored"), *const twice = ds_kernel_begin(NULL, "twice");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_update(twice, "z", 1);
    const ds_index i = ds_lane(k), at = ds_index_mod(ds_index_add(ds_floor_index(ds_load(x, i)), i), ds_i(N));
    const size_t one = 1, all = N;
    ds_launch_list_desc d;
    ds_launch_list *list;
    ds_binding b[2];
    ds_store(y, at, ds_c(0.5));
    ds_kernel_end(k);
    ds_store(z, ds_lane(twice), ds_add(ds_c(1), ds_mul(ds_c(2), ds_load(z, ds_lane(twice)))));
    ds_kernel_end(twice);
    memset(&d, 0, sizeof d);
    d.n_state = 2 * N;
    list = ds_launch_list_create(&d);
    b[0] = ds_bind(DSIM_BOUND_STATE, 0, N, 1);
    b[1] = ds_bind(DSIM_BOUND_STATE, N, N, 1);
    ds_launch_list_add(list, twice, &all, b, 1);
    ds_launch_list_add(list, k, &one, b, 2);
    ds_launch_list_add(list, twice, &all, b, 1);
    check_list(ds_launch_list_stepper(list), list, "a constant is stored where numbers decide");
    ds_launch_list_destroy(list);
    ds_kernel_destroy(k);
    ds_kernel_destroy(twice);
}

/* what a linear list needs no state for: two frames, the bits of a rollout that keeps all, less memory */
static ds_result last_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    ++*(size_t *)user;
    for (size_t i = 0; !io->left && i < 84; i++) {
        *value += io->state[i] * io->state[i] / 2;
        if (bar) bar->state_bar[i] += io->state[i];
    }
    return DSIM_OK;
}
static void test_stateless(void)
{
    enum { ROWS = 6, COLUMNS = 7, CELLS = ROWS * COLUMNS };
    const size_t inside[2] = { ROWS - 2, COLUMNS - 2 };
    static const ds_real half[1] = { (ds_real)0.5 };
    static ds_real start[2 * CELLS], direction[2 * CELLS], want[2 * CELLS + 1];
    const ds_direction along = { direction, NULL, NULL };
    for (int linear = 0; linear < 2; linear++) {
        ds_kernel *const wave = linear ? linear_wave_kernel() : wave_kernel();
        ds_rng rng = ds_rng_make(9, 0);
        for (size_t i = 0; i < 2 * CELLS; i++) start[i] = between(&rng), direction[i] = between(&rng);
        for (int at_end = 0; at_end < 2; at_end++) {
            const ds_stepper *stepper;
            ds_launch_list_desc d;
            ds_launch_list *list;
            ds_rollout_desc rd;
            ds_rollout *r;
            ds_binding b[4];
            size_t calls = 0;
            double loss_dot;
            memset(&d, 0, sizeof d);
            memset(&rd, 0, sizeof rd);
            d.n_state = 2 * CELLS;
            list = ds_launch_list_create(&d);
            b[0] = ds_bind(DSIM_BOUND_BEFORE, 0, CELLS, 1);
            b[1] = ds_bind(DSIM_BOUND_BEFORE, CELLS, CELLS, 1);
            b[2] = ds_bind(DSIM_BOUND_STATE, CELLS, CELLS, 1);
            b[3] = ds_bind_constant(ds_array_reals(half, 1, 1));
            ds_launch_list_add(list, wave, inside, b, 4);
            b[0] = b[2];
            b[1] = ds_bind(DSIM_BOUND_BEFORE, 0, CELLS, 1);
            b[2] = ds_bind(DSIM_BOUND_STATE, 0, CELLS, 1);
            ds_launch_list_add(list, wave, inside, b, 4);
            stepper = ds_launch_list_stepper(list);
            TAP_OK(stepper && stepper->stateless == linear, "a wave: stateless %d", linear);
            rd.steps = 21;
            rd.loss = last_loss;
            rd.loss_user = &calls;
            rd.loss_at_end = at_end;
            r = ds_rollout_create(stepper, &rd);
            ds_rollout_set_state(r, start);
            TAP_OK(!ds_rollout_backward(r) && calls == (at_end ? 2 : 44), "calls of the loss: %d",
                   (int)calls);
            TAP_OK(!strstr(ds_rollout_get_plan(r)->text, "no state kept") == !(linear && at_end), "%s",
                   ds_rollout_get_plan(r)->text);
            if (!at_end) {
                memcpy(want, ds_rollout_state_grad(r), 2 * CELLS * sizeof *want);
                want[2 * CELLS] = (ds_real)ds_rollout_loss(r);
            }
            TAP_OK(!memcmp(want, ds_rollout_state_grad(r), 2 * CELLS * sizeof *want) &&
                       want[2 * CELLS] == (ds_real)ds_rollout_loss(r),
                   "the same bits");
            ds_rollout_tangent(r, &along, NULL, &loss_dot);
            TAP_NEAR(loss_dot, inner_product(ds_rollout_state_grad(r), direction, 2 * CELLS), 10 * tight,
                     "the loss moves by <gradient, direction>");
            ds_rollout_set_state(r, start);
            ds_rollout_tangent(r, &along, NULL, NULL);
            TAP_OK(!ds_rollout_backward(r) &&
                       !memcmp(want, ds_rollout_state_grad(r), 2 * CELLS * sizeof *want),
                   "again, behind a tangent");
            check_list(stepper, list, "a wave whose walls stay");
            ds_rollout_destroy(r);
            ds_launch_list_destroy(list);
        }
        ds_kernel_destroy(wave);
    }
}

/* Stores numbers and a constant in parts of the state; what was there before goes on into the end only where
   nothing is stored. */
static void test_partly_stored(void)
{
    enum { N = 60 };
    ds_kernel *const k = ds_kernel_begin(NULL, "partly"), *const all = ds_kernel_begin(NULL, "all");
    const ds_arg from = ds_arg_in(k, "from", 1), to = ds_arg_out(k, "to", 1), z = ds_arg_update(all, "z", 1);
    const ds_index i = ds_lane(k), at = ds_index_add(ds_index_mul(i, ds_i(30)), ds_i(1));
    const size_t lanes = 2, every = N;
    for (int before = 0; before < 2; before++) {
        ds_launch_list_desc d;
        ds_launch_list *list;
        ds_binding b[2];
        if (!before) {
            for (int j = 0; j < 20; j++) ds_store(to, ds_index_add(at, ds_i(j)), ds_square(ds_load(from, i)));
            ds_store(to, ds_index_add(at, ds_i(20)), ds_c(0.5));
            ds_kernel_end(k);
            ds_store(z, ds_lane(all), ds_square(ds_load(z, ds_lane(all))));
            ds_kernel_end(all);
        }
        memset(&d, 0, sizeof d);
        d.n_state = 2 * N;
        list = ds_launch_list_create(&d);
        b[0] = ds_bind(DSIM_BOUND_STATE, N, N, 1);
        if (before) ds_launch_list_add(list, all, &every, b, 1);
        b[0] = ds_bind(DSIM_BOUND_BEFORE, 0, N, 1);
        b[1] = ds_bind(DSIM_BOUND_STATE, N, N, 1);
        ds_launch_list_add(list, k, &lanes, b, 2);
        b[0] = b[1];
        ds_launch_list_add(list, all, &every, b, 1);
        check_list(ds_launch_list_stepper(list), list, before ? "stored over others" : "stored in part");
        TAP_OK(list->n_kept == (before ? 1 : 3), "parts that are copied: %d", (int)list->n_kept);
        ds_launch_list_destroy(list);
    }
    ds_kernel_destroy(k);
    ds_kernel_destroy(all);
}

/* parts in the middle, at the end and at the beginning of the state are filled, the others stay */
static void test_first_touch(void)
{
    enum { N = 4 };
    ds_kernel *const copy = copy_kernel();
    const size_t lanes = N;
    static const size_t to[][2] = { { 2 * N, 4 * N }, { 4 * N, 0 }, { 0, 2 * N } };
    for (size_t k = 0; k < COUNT(to); k++) {
        ds_launch_list_desc d;
        ds_launch_list *list;
        ds_binding b[2];
        memset(&d, 0, sizeof d);
        d.n_state = 5 * N;
        list = ds_launch_list_create(&d);
        for (size_t i = 0; i < 2; i++) {
            b[0] = ds_bind(DSIM_BOUND_BEFORE, (1 + 2 * i) * N, N, 1);
            b[1] = ds_bind(DSIM_BOUND_STATE, to[k][i], N, 1);
            ds_launch_list_add(list, copy, &lanes, b, 2);
        }
        check_list(ds_launch_list_stepper(list), list, "filled parts of a state");
        ds_launch_list_destroy(list);
    }
    ds_kernel_destroy(copy);
}

static void test_list_checks(void)
{
    list_data();
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        list_case c;
        const ds_stepper *const s = make_list(&c, interleaved, NULL);
        check_list(s, c.list, interleaved ? "springs, x and v interleaved" : "springs");
        end_list(&c);
    }
    {
        ds_kernel *kernels[3];
        ds_launch_list *const list = stiffness_list(1, kernels);
        check_list(ds_launch_list_stepper(list), list, "derived stiffnesses");
        ds_launch_list_destroy(list);
        for (size_t k = 0; k < 3; k++) ds_kernel_destroy(kernels[k]);
    }
    test_wave();
    test_moved_store();
    test_stored_constant();
    test_first_touch();
    test_partly_stored();
    test_stateless();
    test_list_misuse();
    test_list_allocation();
}

int main(void)
{
    test_list();
    test_derived_list();
    test_list_checks();
    test_recorded();
    test_recorded_failures();
    test_no_second();
    test_allocation();
    test_check();
    return tap_end();
}
