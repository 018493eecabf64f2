/* Integrators: order, adjoint and tangent of every method with every option, energy, reversal, momentum,
   clamps, the largest stable step, and what is refused. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include <math.h>

#include "tap.h"

#include "rollouts.h"

static const int is_float = sizeof(ds_real) == 4;

/* A ring of oscillators, each with a cubic spring, a linear one to its neighbours and a drag that grows with
   its speed:
     f_i = -k (x_i + x_i^3 / 2) - (2 x_i - x_{i-1} - x_{i+1}) / 2 - c v_i (1 + v_i^2 / 4)
           + u_{i mod 2} (1 + x_i / 2) + x_i sin(time) / 4,            k = p_0^2,  c = p_1
   DERIVED: k and inverse masses 1 / (p_2 (1 + i / 8)) are derived numbers. p_3 is dt. */
enum { DRAG = 1, DERIVED = 2, CONTROLS = 4, DAMPED = 8, LOSSY = 16, SUBSTEPS = 32, PINS = 64, BY_DT = 128,
       TIMED = 256, OPTIONS = 512 };
enum { N = 6, N_PARAM = 4, N_DERIVED = N + 1, MOST = 2 * N + N_PARAM + 2 + N_DERIVED };

typedef struct ring {
    int options;
    size_t forces; /* calls */
    size_t bad_step; /* 0: none; from this one on the force fails */
    ds_error error;
    ds_real im[N], g[N];
} ring;

static int is_pinned(const ring *r, size_t i) { return (r->options & PINS) && (i == 1 || i == 5); }
static ds_real ring_k(const ring *r, const ds_system_io *io)
{
    return r->options & DERIVED ? io->derived[0] : io->param[0] * io->param[0];
}
static ds_real ring_wave(const ring *r, double time)
{
    return r->options & TIMED ? ds_real_sin((ds_real)time) / 4 : 0;
}

static ds_result ring_force(void *user, const ds_system_io *io, ds_real *f)
{
    ring *const r = (ring *)user;
    const ds_real k = ring_k(r, io), c = r->options & DRAG ? io->param[1] : 0, wave = ring_wave(r, io->time);
    r->forces++;
    for (size_t i = 0; i < N; i++) {
        const ds_real x = io->x[i], v = io->v[i], left = io->x[(i + N - 1) % N], right = io->x[(i + 1) % N];
        f[i] = -k * (x + x * x * x / 2) - (2 * x - left - right) / 2 - c * v * (1 + v * v / 4) + x * wave;
        if (r->options & CONTROLS) f[i] += io->control[i % 2] * (1 + x / 2);
        if (is_pinned(r, i)) f[i] = (ds_real)INFINITY; /* must not matter */
    }
    if (!r->bad_step || io->step < r->bad_step) return DSIM_OK;
    r->error.code = DSIM_ERROR_NOT_CONVERGED;
    strcpy(r->error.text, "the ring is broken");
    return r->error.code;
}

static ds_result ring_vjp(void *user, const ds_system_io *io, const ds_real *b, const ds_system_bar *bar)
{
    const ring *const r = (const ring *)user;
    const ds_real k = ring_k(r, io), c = r->options & DRAG ? io->param[1] : 0, wave = ring_wave(r, io->time);
    for (size_t i = 0; i < N; i++) {
        const ds_real x = io->x[i], v = io->v[i];
        const ds_real k_bar = -b[i] * (x + x * x * x / 2);
        bar->x_bar[i] += b[i] * (-k * (1 + 3 * x * x / 2) - 1 + wave);
        bar->x_bar[(i + 1) % N] += b[i] / 2;
        bar->x_bar[(i + N - 1) % N] += b[i] / 2;
        bar->v_bar[i] -= b[i] * c * (1 + 3 * v * v / 4);
        if (r->options & DERIVED) {
            if (bar->derived_bar) bar->derived_bar[0] += k_bar;
        } else if (bar->param_bar) {
            bar->param_bar[0] += 2 * io->param[0] * k_bar;
        }
        if (bar->param_bar && (r->options & DRAG)) bar->param_bar[1] -= b[i] * v * (1 + v * v / 4);
        if (!(r->options & CONTROLS)) continue;
        bar->x_bar[i] += b[i] * io->control[i % 2] / 2;
        if (bar->control_bar) bar->control_bar[i % 2] += b[i] * (1 + x / 2);
    }
    return DSIM_OK;
}

static ds_result ring_jvp(void *user, const ds_system_io *io, const ds_system_dot *dot, ds_real *f)
{
    const ring *const r = (const ring *)user;
    const ds_real k = ring_k(r, io), c = r->options & DRAG ? io->param[1] : 0, wave = ring_wave(r, io->time);
    const ds_real k_dot = r->options & DERIVED ? dot->derived_dot[0] : 2 * io->param[0] * dot->param_dot[0];
    const ds_real c_dot = r->options & DRAG ? dot->param_dot[1] : 0;
    for (size_t i = 0; i < N; i++) {
        const ds_real x = io->x[i], v = io->v[i], xd = dot->x_dot[i], vd = dot->v_dot[i];
        f[i] = xd * (-k * (1 + 3 * x * x / 2) - 1 + wave) - k_dot * (x + x * x * x / 2);
        f[i] += (dot->x_dot[(i + 1) % N] + dot->x_dot[(i + N - 1) % N]) / 2;
        f[i] -= vd * c * (1 + 3 * v * v / 4) + c_dot * v * (1 + v * v / 4);
        if (r->options & CONTROLS)
            f[i] += xd * io->control[i % 2] / 2 + dot->control_dot[i % 2] * (1 + x / 2);
    }
    return DSIM_OK;
}

static ds_result ring_derive(void *user, const ds_real *p, ds_real *derived)
{
    derived[0] = p[0] * p[0];
    for (size_t i = 0; i < N; i++)
        derived[1 + i] = is_pinned((const ring *)user, i) ? 0 : 1 / (p[2] * (1 + (ds_real)i / 8));
    return DSIM_OK;
}
static ds_result ring_derive_vjp(void *user, const ds_real *p, const ds_real *derived, const ds_real *bar,
                                 ds_real *p_bar)
{
    (void)user;
    p_bar[0] += 2 * p[0] * bar[0];
    for (size_t i = 0; i < N; i++) p_bar[2] -= bar[1 + i] * derived[1 + i] / p[2];
    return DSIM_OK;
}
static ds_result ring_derive_jvp(void *user, const ds_real *p, const ds_real *derived, const ds_real *p_dot,
                                 ds_real *dot)
{
    (void)user;
    dot[0] = 2 * p[0] * p_dot[0];
    for (size_t i = 0; i < N; i++) dot[1 + i] = -p_dot[2] * derived[1 + i] / p[2];
    return DSIM_OK;
}
static const ds_error *ring_error(void *user) { return &((ring *)user)->error; }

static ds_system ring_system(ring *r, int options)
{
    ds_system s;
    memset(&s, 0, sizeof s);
    memset(r, 0, sizeof *r);
    r->options = options;
    s.user = r;
    s.n = N;
    s.n_param = N_PARAM;
    s.n_control = options & CONTROLS ? 2 : 0;
    for (size_t i = 0; i < N; i++) {
        r->im[i] = is_pinned(r, i) ? 0 : 1 / (1 + (ds_real)i / 8);
        r->g[i] = (ds_real)0.1 * (ds_real)i - (ds_real)0.3;
    }
    s.acceleration = r->g;
    if (options & DERIVED) {
        s.n_derived = N_DERIVED;
        s.inverse_mass_at = 1;
        s.derive = ring_derive;
        s.derive_vjp = ring_derive_vjp;
        s.derive_jvp = ring_derive_jvp;
    } else {
        s.inverse_mass = r->im;
    }
    s.force = ring_force;
    s.force_vjp = ring_vjp;
    s.force_jvp = ring_jvp;
    s.error = ring_error;
    return s;
}

static ds_integrator_desc desc_of(ds_integrator_kind kind, int options, double dt)
{
    ds_integrator_desc d;
    memset(&d, 0, sizeof d);
    d.kind = kind;
    d.dt = dt;
    if (options & DAMPED) d.damping = 0.7;
    if (options & LOSSY) d.velocity_loss = 0.02;
    if (options & SUBSTEPS) d.substeps = 3;
    if (options & BY_DT) d.dt_is_param = 1, d.dt_at = 3;
    return d;
}

static const ds_real ring_param[N_PARAM] = { (ds_real)1.5, (ds_real)0.3, (ds_real)1.25, (ds_real)0.0625 };
static const ds_real ring_control[2] = { (ds_real)0.5, (ds_real)-0.25 };

/* not with each other: a time that no derivative knows */
static int is_case(int options) { return !((options & BY_DT) && (options & TIMED)); }

/* a start between -1 and 1 */
static void ring_start(ds_real *x, size_t n, uint64_t seed)
{
    ds_rng rng = ds_rng_make(seed, 0);
    for (size_t i = 0; i < n; i++) x[i] = 2 * ds_rng_uniform(&rng) - 1;
}
static double inner(const ds_real *a, const ds_real *b, size_t n, double *size)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
        *size += fabs((double)a[i] * (double)b[i]);
    }
    return sum;
}

/* <bar, jvp> = <vjp, dot>: the miss, relative to the sum of |products| */
static double dot_product_miss(const ds_stepper *s, int *bad)
{
    static ds_real trace[100 * N];
    ds_real state[2 * N], next[2 * N], next_dot[2 * N], next_bar[2 * N], dot[MOST], bar[MOST];
    ds_real derived[N_DERIVED], alone[2 * N];
    ds_step_io io;
    ds_step_bar b;
    ds_step_dot d;
    double left, right, size = 0, other = 0;
    ring_start(state, 2 * N, 1);
    ring_start(dot, MOST, 2);
    ring_start(next_bar, 2 * N, 3);
    memset(&io, 0, sizeof io);
    memset(bar, 0, sizeof bar);
    io.step = 5;
    io.state = state;
    io.param = ring_param;
    io.control = ring_control;
    io.derived = derived;
    io.next = next;
    *bad |= s->n_derived && s->derive(s->user, ring_param, derived);
    d.state_dot = dot;
    d.param_dot = dot + 2 * N;
    d.control_dot = dot + 2 * N + N_PARAM;
    d.derived_dot = d.control_dot + 2;
    d.next_dot = next_dot;
    b.next_bar = next_bar;
    b.state_bar = bar;
    b.param_bar = bar + 2 * N;
    b.control_bar = bar + 2 * N + N_PARAM;
    b.derived_bar = b.control_bar + 2;
    b.spare = NULL;
    *bad |= s->trace_bytes > sizeof trace || s->step(s->user, &io, trace) ||
            s->vjp(s->user, &io, trace, &b) || s->jvp(s->user, &io, trace, &d);
    /* the state's alone are the same numbers */
    memset(alone, 0, sizeof alone);
    b.state_bar = alone;
    b.param_bar = b.control_bar = b.derived_bar = NULL;
    *bad |= s->vjp(s->user, &io, trace, &b) || memcmp(alone, bar, sizeof alone);
    left = inner(next_bar, next_dot, 2 * N, &size);
    right = inner(bar, dot, MOST, &other);
    return fabs(left - right) / (size > other ? size : other);
}

static ds_result check_step(const ds_stepper *s, ds_check_report *report)
{
    ds_real state[2 * N];
    ds_step_io io;
    ring_start(state, 2 * N, 4);
    memset(&io, 0, sizeof io);
    io.step = 3;
    io.state = state;
    io.param = ring_param;
    io.control = ring_control;
    return ds_check_stepper(s, &io, NULL, report);
}

/* every method, every clamp, every set of options */
static void test_derivatives(void)
{
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++)
        for (int clamp = 0; clamp < DSIM_SPEED_CLAMP_COUNT; clamp++) {
            const char *const name = ds_integrator_get_info((ds_integrator_kind)kind)->name;
            const char *const of = ds_speed_clamp_name((ds_speed_clamp)clamp);
            double worst = 0;
            int cases = 0, bad = 0, worst_options = 0, failed = 0;
            ds_check_report first;
            for (int options = 0; options < OPTIONS; options++) {
                ring r;
                const ds_system system = ring_system(&r, options);
                ds_integrator_desc d = desc_of((ds_integrator_kind)kind, options, 0.0625);
                ds_check_report report;
                ds_integrator *it;
                double miss;
                if (!is_case(options)) continue;
                d.clamp = (ds_speed_clamp)clamp;
                d.speed_limit = 0.9;
                it = ds_integrator_create(&system, &d);
                miss = dot_product_miss(ds_integrator_stepper(it), &bad);
                if (!(miss <= worst)) worst = miss, worst_options = options;
                if ((options % 3 == clamp || kind + clamp == 0) &&
                    check_step(ds_integrator_stepper(it), &report)) {
                    if (!failed++) first = report;
                }
                cases++;
                ds_integrator_destroy(it);
            }
            TAP_OK(!bad && cases > OPTIONS / 2, "%s, clamp %s: %d cases", name, of, cases);
            TAP_OK(worst < (is_float ? 2e-5 : 1e-12), "%s, clamp %s: dot products agree, %.2g (options %d)",
                   name, of, worst, worst_options);
            TAP_OK(!failed, "%s, clamp %s: ds_check_stepper passes %s", name, of, failed ? first.text : "");
        }
}

/* Orders. The end of a rollout over time 1, and its derivatives by the start and the parameters. */
enum { N_END = 2 * N + 2 * N + N_PARAM };
static ds_result end_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const ds_real *const w = (const ds_real *)user;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < 2 * N; i++) {
        *value += w[i] * io->state[i] * (1 + io->state[i]);
        if (bar && bar->state_bar) bar->state_bar[i] += w[i] * (1 + 2 * io->state[i]);
    }
    return DSIM_OK;
}

static int run_to_end(ds_integrator_kind kind, int options, size_t steps, ds_real *out)
{
    static ds_real weights[2 * N], state[2 * N];
    ring r;
    const ds_system system = ring_system(&r, options);
    const ds_integrator_desc d = desc_of(kind, options, 1.0 / (double)steps);
    ds_integrator *const it = ds_integrator_create(&system, &d);
    ds_rollout_desc rd;
    ds_rollout *rollout;
    int bad;
    memset(&rd, 0, sizeof rd);
    ring_start(weights, 2 * N, 8);
    ring_start(state, 2 * N, 9);
    rd.steps = steps;
    rd.loss = end_loss;
    rd.loss_user = weights;
    rollout = ds_rollout_create(ds_integrator_stepper(it), &rd);
    bad = ds_rollout_set_state(rollout, state) || ds_rollout_set_param(rollout, ring_param);
    for (size_t k = 0; k < steps && (options & CONTROLS); k++)
        bad |= ds_rollout_set_controls(rollout, ring_control, k, 1) != DSIM_OK;
    bad |= ds_rollout_backward(rollout) != DSIM_OK;
    if (!bad) {
        memcpy(out, ds_rollout_state(rollout, NULL), 2 * N * sizeof *out);
        memcpy(out + 2 * N, ds_rollout_state_grad(rollout), 2 * N * sizeof *out);
        memcpy(out + 4 * N, ds_rollout_param_grad(rollout), N_PARAM * sizeof *out);
    }
    ds_rollout_destroy(rollout);
    ds_integrator_destroy(it);
    return bad;
}

static double distance(const ds_real *a, const ds_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

static void test_order(void)
{
    static const size_t at[DSIM_INTEGRATOR_COUNT] = { 2048, 2048, 128, 64 };
    static const int options[] = {
        0, DRAG, DRAG | DAMPED | DERIVED, DRAG | CONTROLS | TIMED | PINS | DAMPED };
    static const struct { const char *name; size_t at, n; } parts[] = {
        { "positions", 0, N }, { "velocities", N, N }, { "gradient", 2 * N, 2 * N + 3 } };
    static ds_real exact[N_END], coarse[N_END], fine[N_END];
    if (is_float) {
        TAP_SKIP("rounding of a float hides the order", "orders");
        return;
    }
    for (size_t o = 0; o < COUNT(options); o++) {
        TAP_OK(!run_to_end(DSIM_INTEGRATOR_RK4, options[o], 2048, exact), "reference, options %d",
               options[o]);
        for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
            const ds_integrator_info *const info = ds_integrator_get_info((ds_integrator_kind)kind);
            const size_t steps = at[kind];
            int bad = run_to_end((ds_integrator_kind)kind, options[o], steps, coarse);
            bad |= run_to_end((ds_integrator_kind)kind, options[o], 2 * steps, fine);
            TAP_OK(!bad, "%s runs, options %d", info->name, options[o]);
            for (size_t p = 0; p < COUNT(parts); p++) {
                const double a = distance(coarse + parts[p].at, exact + parts[p].at, parts[p].n);
                const double b = distance(fine + parts[p].at, exact + parts[p].at, parts[p].n);
                TAP_NEAR(log(a / b) / log(2.0), info->order, 0.05, "%s, order of %s, options %d", info->name,
                         parts[p].name, options[o]);
            }
        }
    }
}

/* A pendulum of unit mass, x'' = -sin x, and one number. */
static ds_result swing_force(void *user, const ds_system_io *io, ds_real *f)
{
    (void)user;
    f[0] = -ds_real_sin(io->x[0]);
    return DSIM_OK;
}
static ds_result swing_vjp(void *user, const ds_system_io *io, const ds_real *b, const ds_system_bar *bar)
{
    (void)user;
    bar->x_bar[0] -= b[0] * ds_real_cos(io->x[0]);
    return DSIM_OK;
}
static ds_result swing_jvp(void *user, const ds_system_io *io, const ds_system_dot *dot, ds_real *f)
{
    (void)user;
    f[0] = -dot->x_dot[0] * ds_real_cos(io->x[0]);
    return DSIM_OK;
}
static ds_system swing_system(void)
{
    static const ds_real one[1] = { 1 };
    ds_system s;
    memset(&s, 0, sizeof s);
    s.n = 1;
    s.inverse_mass = one;
    s.force = swing_force;
    s.force_vjp = swing_vjp;
    s.force_jvp = swing_jvp;
    return s;
}
static int step_on(const ds_stepper *s, ds_real *state, size_t steps)
{
    ds_real next[2 * N];
    ds_step_io io;
    memset(&io, 0, sizeof io);
    io.state = state;
    io.next = next;
    for (io.step = 0; io.step < steps; io.step++) {
        if (s->step(s->user, &io, NULL)) return 1;
        memcpy(state, next, s->n_state * sizeof *state);
    }
    return 0;
}
static double swing_energy(const ds_real *s)
{
    return (double)s[1] * (double)s[1] / 2 + 1 - cos((double)s[0]);
}

/* what each method does with the energy in 1e5 steps, with time reversed, and with areas */
static void test_geometry(void)
{
    static const struct { int bounded, reversible, keeps_area; } is[DSIM_INTEGRATOR_COUNT] = {
        { 1, 0, 1 }, { 0, 0, 0 }, { 1, 1, 1 }, { 0, 0, 0 } };
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        const char *const name = ds_integrator_get_info((ds_integrator_kind)kind)->name;
        const ds_system system = swing_system();
        const ds_integrator_desc d = desc_of((ds_integrator_kind)kind, 0, 0.25);
        ds_integrator *const it = ds_integrator_create(&system, &d);
        const ds_stepper *const s = ds_integrator_stepper(it);
        ds_real state[2] = { 1, 0 }, next[2], dot[2], column[2], trace[16], J[4], param[1] = { 0 };
        double largest[2] = { 0, 0 }, early = 0, miss;
        const double begin = swing_energy(state);
        ds_step_io io;
        ds_step_dot sd;
        int bad = 0;
        memset(&io, 0, sizeof io);
        for (size_t k = 0; k < 1000; k++) {
            const double off = (bad |= step_on(s, state, 100), fabs(swing_energy(state) - begin));
            if (!(off <= largest[k >= 500])) largest[k >= 500] = off;
            if (k < 10 && off > early) early = off;
        }
        TAP_OK(!bad, "%s: 1e5 steps", name);
        TAP_OK(is[kind].bounded == (largest[1] < 1.02 * largest[0] && largest[0] < 0.1),
               "%s: energy %s, off by %.3g, then by %.3g", name, is[kind].bounded ? "is bounded" : "drifts",
               largest[0], largest[1]);
        TAP_OK(is[kind].bounded == (largest[1] < 3 * early), "%s: %.3g in the first 1000 steps", name, early);
        state[0] = 1;
        state[1] = (ds_real)0.25;
        step_on(s, state, 100);
        state[1] = -state[1];
        step_on(s, state, 100);
        miss = fabs((double)state[0] - 1) + fabs((double)state[1] + 0.25);
        TAP_OK(is[kind].reversible == (miss < (is_float ? 1e-4 : 1e-12)), "%s: back in time, off by %.3g",
               name, miss);
        state[0] = 1;
        state[1] = (ds_real)0.5;
        io.state = state;
        io.next = next;
        io.param = param;
        s->step(s->user, &io, trace);
        for (size_t i = 0; i < 2; i++) {
            dot[i] = 1;
            dot[1 - i] = 0;
            sd.state_dot = dot;
            sd.param_dot = sd.control_dot = param;
            sd.next_dot = column;
            s->jvp(s->user, &io, trace, &sd);
            J[i] = column[0];
            J[2 + i] = column[1];
        }
        miss = fabs((double)(J[0] * J[3] - J[1] * J[2]) - 1);
        TAP_OK(is[kind].keeps_area == (miss < (is_float ? 2e-7 : 1e-14)), "%s: area changes by %.3g", name,
               miss);
        ds_integrator_destroy(it);
    }
}

/* Points that attract each other only: n of three components, of different masses. */
enum { POINTS = 13, FLAT = 3 * POINTS };
static ds_result cloud_force(void *user, const ds_system_io *io, ds_real *f)
{
    (void)user;
    memset(f, 0, FLAT * sizeof *f);
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t c = 0; c < 3; c++) {
                const size_t a = 3 * i + c, b = 3 * j + c;
                const ds_real pull = io->x[b] - io->x[a] + (io->v[b] - io->v[a]) / 8;
                f[a] += pull;
                f[b] -= pull;
            }
    return DSIM_OK;
}
static ds_system cloud_system(ds_real *im)
{
    ds_system s;
    memset(&s, 0, sizeof s);
    for (size_t i = 0; i < FLAT; i++) im[i] = 1 / (1 + (ds_real)(i / 3) / 4);
    s.n = FLAT;
    s.inverse_mass = im;
    s.force = cloud_force;
    return s;
}

static void test_momentum(void)
{
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        ds_real im[FLAT], state[2 * FLAT], next[2 * FLAT];
        const ds_system system = cloud_system(im);
        const ds_integrator_desc d = desc_of((ds_integrator_kind)kind, 0, 0.03125);
        ds_integrator *const it = ds_integrator_create(&system, &d);
        const ds_stepper *const s = ds_integrator_stepper(it);
        double before[3] = { 0, 0, 0 }, after[3] = { 0, 0, 0 }, miss = 0, moved = 0;
        ds_step_io io;
        int bad = 0;
        ring_start(state, 2 * FLAT, 12);
        for (size_t i = 0; i < FLAT; i++) before[i % 3] += (double)state[FLAT + i] / (double)im[i];
        memset(&io, 0, sizeof io);
        io.state = state;
        io.next = next;
        for (io.step = 0; io.step < 200; io.step++) {
            bad |= s->step(s->user, &io, NULL) != DSIM_OK;
            moved += fabs((double)next[0] - (double)state[0]);
            memcpy(state, next, sizeof state);
        }
        for (size_t i = 0; i < FLAT; i++) after[i % 3] += (double)state[FLAT + i] / (double)im[i];
        for (size_t c = 0; c < 3; c++) miss += fabs(after[c] - before[c]);
        TAP_OK(!bad && moved > 1 && miss < (is_float ? 1e-4 : 1e-12), "%s: momentum changes by %.2g",
               ds_integrator_get_info((ds_integrator_kind)kind)->name, miss);
        TAP_OK(!s->vjp && !s->jvp, "no adjoint and no tangent without those of the force");
        ds_integrator_destroy(it);
    }
}

/* A force that is given, times the parameter if there is one. */
typedef struct given {
    size_t n;
    ds_real f[FLAT], im[FLAT], g[FLAT];
} given;
static ds_result given_force(void *user, const ds_system_io *io, ds_real *f)
{
    const given *const a = (const given *)user;
    for (size_t i = 0; i < a->n; i++) f[i] = io->param ? a->f[i] * io->param[0] : a->f[i];
    return DSIM_OK;
}
static ds_result given_vjp(void *user, const ds_system_io *io, const ds_real *b, const ds_system_bar *bar)
{
    const given *const a = (const given *)user;
    (void)io;
    for (size_t i = 0; i < a->n && bar->param_bar; i++) bar->param_bar[0] += a->f[i] * b[i];
    return DSIM_OK;
}
static ds_result given_jvp(void *user, const ds_system_io *io, const ds_system_dot *dot, ds_real *f)
{
    const given *const a = (const given *)user;
    (void)io;
    for (size_t i = 0; i < a->n; i++) f[i] = a->f[i] * dot->param_dot[0];
    return DSIM_OK;
}
/* without parameters */
static ds_system given_system(given *a, size_t n)
{
    ds_system s;
    memset(&s, 0, sizeof s);
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < n; i++) a->im[i] = 1;
    a->n = s.n = n;
    s.user = a;
    s.inverse_mass = a->im;
    s.acceleration = a->g;
    s.force = given_force;
    s.force_vjp = given_vjp;
    s.force_jvp = given_jvp;
    return s;
}

/* v' = (v + dt (f im + g)) damp mask, x' = x + dt v', bit for bit, however many there are */
static void test_plain_form(void)
{
    ds_real state[2 * FLAT], next[2 * FLAT];
    const ds_real dt = (ds_real)1e-3, damp = (ds_real)(1 - 1e-3);
    ds_integrator_desc d = desc_of(DSIM_INTEGRATOR_SEMI_IMPLICIT_EULER, 0, 1e-3);
    int same = 1;
    d.velocity_loss = 1e-3;
    for (size_t n = 1; n <= FLAT; n++) {
        given a;
        const ds_system system = given_system(&a, n);
        ds_integrator *it;
        ds_step_io io;
        ring_start(state, 2 * n, 20 + n);
        ring_start(a.f, n, 70 + n);
        for (size_t i = 0; i < n; i++) {
            a.g[i] = i % 3 == 2 ? (ds_real)-9.8 : 0;
            a.im[i] = i % 5 == 2 ? 0 : 1 / (1 + (ds_real)i / 7);
            if (i % 5 == 2) state[n + i] = 0;
        }
        it = ds_integrator_create(&system, &d);
        memset(&io, 0, sizeof io);
        io.state = state;
        io.next = next;
        ds_integrator_stepper(it)->step(it, &io, NULL);
        for (size_t i = 0; i < n; i++) {
            volatile ds_real v = a.f[i] * a.im[i], x; /* volatile: nothing is fused */
            v = v + a.g[i];
            v = dt * v;
            v = state[n + i] + v;
            v = a.im[i] > 0 ? v * damp : 0;
            x = dt * v;
            x = state[i] + x;
            same &= next[i] == x && next[n + i] == v;
        }
        ds_integrator_destroy(it);
    }
    TAP_OK(same, "semi-implicit Euler has the bits of the plain loop");
}

/* steps and adjoints of every method, clamp and width of vectors have the same bits in every build */
static void test_bits(void)
{
    const uint64_t want = is_float ? UINT64_C(0xe1840b45e7740b6c) : UINT64_C(0xfe3f05bd9f944570);
    static ds_real state[2 * FLAT], next[2 * FLAT], bar[2 * FLAT], back[2 * FLAT], trace[16 * FLAT];
    uint64_t hash = 0;
    int bad = 0;
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++)
        for (int clamp = 0; clamp < DSIM_SPEED_CLAMP_COUNT; clamp++) {
            given a;
            const ds_system system = given_system(&a, FLAT);
            ds_integrator_desc d = desc_of((ds_integrator_kind)kind, DAMPED | LOSSY | SUBSTEPS, 0.1);
            ds_integrator *it;
            const ds_stepper *s;
            ds_step_io io;
            ds_step_bar b;
            d.clamp = (ds_speed_clamp)clamp;
            d.speed_limit = 0.75;
            ring_start(a.f, FLAT, 100);
            ring_start(a.g, FLAT, 101);
            ring_start(state, 2 * FLAT, 102);
            ring_start(bar, 2 * FLAT, 103);
            for (size_t i = 0; i < FLAT; i++) a.im[i] = i % 5 == 2 ? 0 : 1 / (1 + (ds_real)i / 8);
            it = ds_integrator_create(&system, &d);
            s = ds_integrator_stepper(it);
            memset(&io, 0, sizeof io);
            memset(&b, 0, sizeof b);
            memset(back, 0, sizeof back);
            io.state = state;
            io.next = next;
            b.next_bar = bar;
            b.state_bar = back;
            bad |= s->trace_bytes > sizeof trace || s->step(s->user, &io, trace) ||
                   s->vjp(s->user, &io, trace, &b);
            hash = ds_hash_reals(next, 2 * FLAT, hash);
            hash = ds_hash_reals(back, 2 * FLAT, hash);
            ds_integrator_destroy(it);
        }
    TAP_OK(!bad && hash == want, "the bits of every machine: %08lx%08lx", (unsigned long)(hash >> 32),
           (unsigned long)(hash & 0xffffffffu));
}

/* one step without a force */
static ds_real speed_after(ds_integrator_desc *d, ds_real speed, ds_real *x)
{
    given a;
    const ds_system system = given_system(&a, 3);
    ds_integrator *const it = ds_integrator_create(&system, d);
    ds_real state[6] = { 0, 0, 0, 0, 0, 0 }, next[6];
    ds_step_io io;
    memset(&io, 0, sizeof io);
    state[3] = speed * (ds_real)0.6;
    state[5] = speed * (ds_real)-0.8;
    io.state = state;
    io.next = next;
    if (ds_integrator_stepper(it)->step(it, &io, NULL)) next[3] = next[5] = (ds_real)NAN;
    if (x) *x = next[0];
    ds_integrator_destroy(it);
    return (ds_real)hypot((double)next[3], (double)next[5]);
}

static void test_clamps(void)
{
    static const struct { ds_speed_clamp clamp; double half, whole; } is[] = {
        { DSIM_SPEED_CLAMP_NONE, 1, 1 },
        { DSIM_SPEED_CLAMP_TANH, 0.96402758007581688, 0.76159415595576489 },
        { DSIM_SPEED_CLAMP_LOW_BIAS, 0.99951278, 0.91700404320467124 } };
    const double near = is_float ? 2e-6 : 1e-8;
    for (size_t i = 0; i < COUNT(is); i++) {
        const char *const name = ds_speed_clamp_name(is[i].clamp);
        ds_integrator_desc d = desc_of(DSIM_INTEGRATOR_SEMI_IMPLICIT_EULER, 0, 0.5);
        ds_real x;
        d.clamp = is[i].clamp;
        d.speed_limit = 4;
        TAP_OK(speed_after(&d, 0, NULL) == 0, "%s: rest stays rest", name);
        TAP_NEAR(speed_after(&d, 2, NULL), 2 * is[i].half, near, "%s: half of the limit", name);
        TAP_NEAR(speed_after(&d, 4, &x), 4 * is[i].whole, near, "%s: the limit", name);
        TAP_NEAR(x, 0.5 * 0.6 * 4 * is[i].whole, near, "%s: the position takes the velocity behind it", name);
        if (!is[i].clamp) continue;
        TAP_NEAR(speed_after(&d, (ds_real)1e12, NULL), 4, near, "%s: fast points keep to it", name);
        TAP_NEAR(speed_after(&d, (ds_real)0.001, NULL), 0.001, near, "%s: slow points know nothing of it",
                 name);
        TAP_NEAR(speed_after(&d, (ds_real)(is_float ? 1e19 : 1e153), NULL), 4, near, "%s: nearly too fast",
                 name);
        if (!is_float)
            TAP_OK(!(speed_after(&d, (ds_real)1e160, NULL) >= 0), "%s: a speed without a square is refused",
                   name);
    }
}

/* a pinned point keeps its velocity, moves with it, and hands nothing back */
static void test_pins(void)
{
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        const char *const name = ds_integrator_get_info((ds_integrator_kind)kind)->name;
        ring r;
        ds_system system = ring_system(&r, DRAG | PINS | CONTROLS);
        ds_integrator_desc d = desc_of((ds_integrator_kind)kind, DAMPED | LOSSY, 0.25);
        ds_real state[2 * N], next[2 * N], trace[16 * N], bars[2 * N + N_PARAM + 2];
        ds_real next_bar[2 * N] = { 0 };
        ds_integrator *it;
        const ds_stepper *s;
        ds_step_io io;
        ds_step_bar bar;
        int silent = 1;
        d.clamp = DSIM_SPEED_CLAMP_TANH;
        d.speed_limit = 0.5;
        it = ds_integrator_create(&system, &d);
        s = ds_integrator_stepper(it);
        memset(&io, 0, sizeof io);
        memset(&bar, 0, sizeof bar);
        memset(bars, 0, sizeof bars);
        ring_start(state, 2 * N, 30);
        io.state = state;
        io.param = ring_param;
        io.control = ring_control;
        io.next = next;
        TAP_OK(s->trace_bytes <= sizeof trace && !s->step(s->user, &io, trace), "%s with pins", name);
        TAP_OK(next[N + 1] == state[N + 1] && next[N + 5] == state[N + 5], "%s: velocities stay", name);
        TAP_NEAR(next[1], (double)state[1] + 0.25 * (double)state[N + 1], is_float ? 1e-6 : 1e-14,
                 "%s: a pinned position moves evenly", name);
        next_bar[1] = next_bar[N + 5] = 1;
        bar.next_bar = next_bar;
        bar.state_bar = bars;
        bar.param_bar = bars + 2 * N;
        bar.control_bar = bars + 2 * N + N_PARAM;
        s->vjp(s->user, &io, trace, &bar);
        for (size_t i = 0; i < COUNT(bars); i++)
            if (i != 1 && i != N + 1 && i != N + 5) silent &= bars[i] == 0;
        TAP_OK(silent, "%s: pins hand nothing to forces", name);
        TAP_OK(bars[1] == 1 && bars[N + 5] == 1, "%s: but to themselves", name);
        TAP_NEAR(bars[N + 1], 0.25, is_float ? 1e-6 : 1e-15, "%s: and to their own velocities", name);
        /* only what is wanted: the same without a place for it */
        bar.state_bar = bar.param_bar = bar.control_bar = NULL;
        TAP_OK(!s->vjp(s->user, &io, trace, &bar), "%s: nothing wanted, nothing written", name);
        ds_integrator_destroy(it);
    }
}

/* substeps of a step are steps; schedules have the same bits */
static void test_substeps(void)
{
    static const struct { ds_checkpoints checkpoints; size_t slots; } schedules[] = {
        { DSIM_CHECKPOINTS_ALL, 0 }, { DSIM_CHECKPOINTS_EVERY, 0 }, { DSIM_CHECKPOINTS_BINOMIAL, 3 } };
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        const ds_integrator_info *const info = ds_integrator_get_info((ds_integrator_kind)kind);
        const char *const name = info->name;
        const int options = DRAG | DERIVED | TIMED | PINS;
        ring r;
        const ds_system system = ring_system(&r, options);
        ds_real weights[2 * N], state[2 * N];
        uint64_t hash[6];
        size_t forces[2];
        ring_start(weights, 2 * N, 40);
        ring_start(state, 2 * N, 41);
        for (size_t i = 0; i < COUNT(hash); i++) {
            ds_integrator_desc d = desc_of((ds_integrator_kind)kind, DAMPED, i < 3 ? 0.125 : 0.03125);
            ds_integrator *it;
            ds_rollout_desc rd;
            ds_rollout *rollout;
            d.substeps = i < 3 ? 4 : 0;
            d.time = 0.75;
            d.clamp = DSIM_SPEED_CLAMP_LOW_BIAS;
            d.speed_limit = 1;
            it = ds_integrator_create(&system, &d);
            memset(&rd, 0, sizeof rd);
            rd.steps = i < 3 ? 12 : 48;
            rd.loss = end_loss;
            rd.loss_user = weights;
            rd.validate = i == 1;
            rd.checkpoints = schedules[i % 3].checkpoints;
            rd.slots = schedules[i % 3].slots;
            rollout = ds_rollout_create(ds_integrator_stepper(it), &rd);
            r.forces = 0;
            if (ds_rollout_set_state(rollout, state) || ds_rollout_set_param(rollout, ring_param) ||
                ds_rollout_backward(rollout)) {
                hash[i] = i;
            } else {
                hash[i] = ds_hash_reals(ds_rollout_state(rollout, NULL), 2 * N, 0);
                hash[i] = ds_hash_reals(ds_rollout_state_grad(rollout), 2 * N, hash[i]);
                hash[i] = ds_hash_reals(ds_rollout_param_grad(rollout), N_PARAM, hash[i]);
            }
            if (i % 3 == 0) forces[i / 3] = r.forces;
            ds_rollout_destroy(rollout);
            ds_integrator_destroy(it);
        }
        TAP_OK(hash[0] == hash[1] && hash[0] == hash[2], "%s: the same bits for each schedule", name);
        TAP_OK(hash[3] == hash[4] && hash[3] == hash[5], "%s: and without substeps", name);
        TAP_OK(hash[0] == hash[3], "%s: four substeps have the bits of four steps", name);
        TAP_OK(forces[0] == forces[1] && forces[0] == 48 * (size_t)info->forces,
               "%s: the adjoint asks for no force again, %d", name, (int)forces[0]);
    }
}

/* The gradient of a whole rollout, x = (state, parameters, controls): against differences of fourth order,
   and by ds_check_gradient. */
enum { LONG = 20, N_ALL = 2 * N + N_PARAM + 2 * LONG };
static ds_result whole(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_rollout *const r = (ds_rollout *)user;
    const int bad = ds_rollout_set_state(r, x) || ds_rollout_set_param(r, x + 2 * N) ||
                    ds_rollout_set_controls(r, x + 2 * N + N_PARAM, 0, LONG);
    const ds_result result = grad ? ds_rollout_backward(r) : ds_rollout_forward(r);
    (void)n;
    if (bad || result) return result;
    *value = (ds_real)ds_rollout_loss(r);
    if (!grad) return DSIM_OK;
    memcpy(grad, ds_rollout_state_grad(r), 2 * N * sizeof *grad);
    memcpy(grad + 2 * N, ds_rollout_param_grad(r), N_PARAM * sizeof *grad);
    memcpy(grad + 2 * N + N_PARAM, ds_rollout_control_grad(r), 2 * LONG * sizeof *grad);
    return DSIM_OK;
}

static void test_whole_rollout(void)
{
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        const char *const name = ds_integrator_get_info((ds_integrator_kind)kind)->name;
        const int options = OPTIONS - 1 - TIMED;
        ring r;
        const ds_system system = ring_system(&r, options);
        ds_integrator_desc d = desc_of((ds_integrator_kind)kind, options, 0.0625);
        ds_real x[N_ALL], weights[2 * N], gradient[N_ALL], value[4];
        double worst = 0, size = 0;
        ds_integrator *it;
        ds_rollout *rollout;
        ds_rollout_desc rd;
        ds_check_report report;
        const double h = is_float ? 0.02 : 1e-3;
        int bad;
        d.clamp = DSIM_SPEED_CLAMP_TANH;
        d.speed_limit = 1.5;
        it = ds_integrator_create(&system, &d);
        memset(&rd, 0, sizeof rd);
        ring_start(weights, 2 * N, 50);
        ring_start(x, N_ALL, 51);
        memcpy(x + 2 * N, ring_param, sizeof ring_param);
        rd.steps = LONG;
        rd.loss = end_loss;
        rd.loss_user = weights;
        rollout = ds_rollout_create(ds_integrator_stepper(it), &rd);
        bad = whole(rollout, x, N_ALL, value, gradient) != DSIM_OK;
        for (size_t i = 0; i < N_ALL; i++) {
            static const double at[4] = { -2, -1, 1, 2 };
            const ds_real was = x[i];
            const double step = i == 2 * N + 3 ? h / 16 : h; /* dt is small */
            double slope;
            for (size_t k = 0; k < 4; k++) {
                x[i] = was + (ds_real)(at[k] * step);
                bad |= whole(rollout, x, N_ALL, value + k, NULL) != DSIM_OK;
            }
            x[i] = was;
            slope = 8 * ((double)value[2] - (double)value[1]) - ((double)value[3] - (double)value[0]);
            slope /= 12 * step;
            if (!(fabs(slope - (double)gradient[i]) <= worst)) worst = fabs(slope - (double)gradient[i]);
            if (fabs(slope) > size) size = fabs(slope);
        }
        TAP_OK(!bad && worst < (is_float ? 2e-3 : 1e-8) * size, "%s: gradient of all, off by %.2g of %.2g",
               name, worst, size);
        TAP_OK(!ds_check_gradient(whole, rollout, x, N_ALL, NULL, &report), "%s: %s", name, report.text);
        TAP_OK(is_float || fabs(report.slope - 2) < 0.05, "%s: Taylor slope %.3f", name, report.slope);
        ds_rollout_destroy(rollout);
        ds_integrator_destroy(it);
    }
}

/* a chain of points of masses im between walls, springs of stiffness k: the largest frequency is known */
enum { CHAIN = 3 * 20 };
typedef struct chain {
    ds_real k, c, im[CHAIN];
    int bad; /* a force is NaN, and 1: the tangent fails, 3: it is NaN, too */
} chain;
static ds_result chain_jvp(void *user, const ds_system_io *io, const ds_system_dot *dot, ds_real *f)
{
    const chain *const c = (const chain *)user;
    (void)io;
    for (size_t i = 0; i < CHAIN; i++) {
        const ds_real left = i < 3 ? 0 : dot->x_dot[i - 3], right = i + 3 < CHAIN ? dot->x_dot[i + 3] : 0;
        f[i] = c->k * (left + right - 2 * dot->x_dot[i]) - c->c * dot->v_dot[i];
    }
    if (c->bad == 3) f[4] = (ds_real)NAN;
    return c->bad == 1 ? DSIM_ERROR_SINGULAR : DSIM_OK;
}
static ds_result chain_force(void *user, const ds_system_io *io, ds_real *f)
{
    ds_system_dot dot;
    dot.x_dot = io->x;
    dot.v_dot = io->v;
    dot.param_dot = dot.derived_dot = dot.control_dot = NULL;
    chain_jvp(user, io, &dot, f);
    if (((const chain *)user)->bad) f[7] = (ds_real)NAN;
    return DSIM_OK;
}
static ds_system chain_system(chain *c, double k, double drag)
{
    ds_system s;
    memset(&s, 0, sizeof s);
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < CHAIN; i++) c->im[i] = 4;
    c->k = (ds_real)k;
    c->c = (ds_real)drag;
    s.user = c;
    s.n = CHAIN;
    s.inverse_mass = c->im;
    s.force = chain_force;
    s.force_jvp = chain_jvp;
    return s;
}
/* length of the state after some steps of dt, infinite where a step is refused */
static double length_after(const ds_system *system, ds_integrator_desc *d, double dt, size_t steps)
{
    static ds_real state[2 * CHAIN], next[2 * CHAIN];
    ds_integrator *it;
    ds_step_io io;
    double length = 0;
    d->dt = dt;
    it = ds_integrator_create(system, d);
    ring_start(state, 2 * CHAIN, 60);
    memset(&io, 0, sizeof io);
    io.state = state;
    io.next = next;
    for (io.step = 0; io.step < steps; io.step++) {
        if (ds_integrator_stepper(it)->step(it, &io, NULL)) break;
        memcpy(state, next, sizeof state);
    }
    for (size_t i = 0; i < CHAIN; i++) length += (double)state[i] * (double)state[i];
    if (io.step < steps) length = HUGE_VAL;
    ds_integrator_destroy(it);
    return sqrt(length);
}

static void test_stability(void)
{
    static const struct { double k, drag, damping; } is[] = {
        { 1000, 0, 0 }, { 1000, 2, 0 }, { 1000, 0, 3 }, { 10, 40, 0 }, { 1000, 6, 4 } };
    static ds_real state[2 * CHAIN];
    ds_stability s;
    ds_step_io io;
    memset(&io, 0, sizeof io);
    io.state = state;
    for (size_t i = 0; i < COUNT(is); i++)
        for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
            const char *const name = ds_integrator_get_info((ds_integrator_kind)kind)->name;
            const double pi = 3.14159265358979324;
            const double frequency = 2 * sqrt(is[i].k * 4) * sin(pi * 20 / 42.0);
            const double beyond = kind == DSIM_INTEGRATOR_EXPLICIT_EULER ? 2 : 1.2;
            const int never = kind == DSIM_INTEGRATOR_EXPLICIT_EULER && is[i].drag + is[i].damping <= 0;
            chain c;
            const ds_system system = chain_system(&c, is[i].k, is[i].drag);
            ds_integrator_desc d = desc_of((ds_integrator_kind)kind, 0, 0.01);
            ds_integrator *it;
            d.damping = is[i].damping;
            d.substeps = 2;
            it = ds_integrator_create(&system, &d);
            TAP_OK(!ds_integrator_stability(it, &io, &s), "%s: %s", name, s.text);
            TAP_NEAR(s.frequency, frequency, 0.01, "%s: frequency", name);
            TAP_NEAR(s.damping, is[i].drag * 4, 1e-5, "%s: damping", name);
            if (never) {
                TAP_OK(s.dt == 0, "%s: no dt is stable", name);
                TAP_HAS(s.text, "SEMI_IMPLICIT_EULER", "another method is named");
            } else {
                TAP_OK(length_after(&system, &d, 0.98 * s.dt, 2000) < 100, "%s: stable below", name);
                TAP_OK(!(length_after(&system, &d, beyond * s.dt, 20000) < 1e4), "%s: unstable beyond", name);
            }
            ds_integrator_destroy(it);
        }
}

/* nothing to be unstable, and what cannot be told */
static void test_no_stability(void)
{
    static ds_real state[2 * CHAIN];
    const ds_real one[1] = { 1 };
    ds_integrator_desc d = desc_of(DSIM_INTEGRATOR_RK4, 0, 0.1);
    ds_system system;
    ds_integrator *it;
    ds_stability s;
    ds_step_io io;
    chain c;
    given a;
    memset(&io, 0, sizeof io);
    io.state = state;
    io.param = one;
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        d.kind = (ds_integrator_kind)kind;
        system = given_system(&a, 3);
        it = ds_integrator_create(&system, &d);
        TAP_OK(!ds_integrator_stability(it, &io, &s) && s.frequency == 0 && s.damping == 0, "%s", s.text);
        TAP_OK(s.dt > 1e300, "a given force is stable with any dt");
        TAP_HAS(s.text, "any dt", "and so it says");
        ds_integrator_destroy(it);
    }
    system = chain_system(&c, 1, 0);
    it = ds_integrator_create(&system, &d);
    c.bad = 3;
    TAP_OK(ds_integrator_stability(it, &io, &s) == DSIM_ERROR_NON_FINITE, "%s",
           ds_integrator_error(it)->text);
    TAP_HAS(ds_integrator_error(it)->text, "the tangent of the force is not finite", "it is named");
    ds_integrator_destroy(it);
}

/* a rollout that blows up says where, and what would not */
static void test_blow_up(void)
{
    static ds_real state[2 * CHAIN];
    static const struct { ds_integrator_kind kind; int bad, steps; const char *words; } is[] = {
        { DSIM_INTEGRATOR_SEMI_IMPLICIT_EULER, 0, 4000, "is stable up to dt = 0.0158" },
        { DSIM_INTEGRATOR_RK4, 0, 4000, "is stable up to dt = 0.0224" },
        { DSIM_INTEGRATOR_EXPLICIT_EULER, 0, 4000, "is stable with no dt" },
        { DSIM_INTEGRATOR_VELOCITY_VERLET, 1, 1, "cannot be told" },
        { DSIM_INTEGRATOR_VELOCITY_VERLET, 2, 1, "dt is short enough" } };
    for (size_t i = 0; i < COUNT(is); i++) {
        chain c;
        const ds_system system = chain_system(&c, 1000, 0);
        const ds_integrator_desc d = desc_of(is[i].kind, 0, is[i].bad == 2 ? 0.01 : 0.1);
        ds_integrator *const it = ds_integrator_create(&system, &d);
        ds_rollout_desc rd;
        ds_rollout *rollout;
        memset(&rd, 0, sizeof rd);
        rd.steps = (size_t)is[i].steps;
        rollout = ds_rollout_create(ds_integrator_stepper(it), &rd);
        ring_start(state, 2 * CHAIN, 61);
        c.bad = is[i].bad;
        ds_rollout_set_state(rollout, state);
        TAP_OK(ds_rollout_forward(rollout) == DSIM_ERROR_NON_FINITE, "%s", ds_rollout_error(rollout)->text);
        TAP_HAS(ds_rollout_error(rollout)->text, is[i].words, "the dt that would be stable");
        TAP_HAS(ds_rollout_error(rollout)->text, is[i].bad ? "after step 0, entry " : "after step ",
                "the step");
        TAP_HAS(ds_rollout_error(rollout)->text, is[i].bad ? "the force" : "integrator: the", "what it is");
        TAP_HAS(ds_rollout_error(rollout)->text, "degree of freedom", "the degree of freedom");
        TAP_OK(ds_integrator_error(it)->index < CHAIN, "and as a number");
        if (is[i].bad) {
            TAP_OK(ds_integrator_error(it)->index == 7, "it is the right one");
            TAP_HAS(ds_integrator_error(it)->text, "7 (point 2, y)", "by point and component");
        }
        ds_rollout_destroy(rollout);
        ds_integrator_destroy(it);
    }
}

/* what is refused */
static size_t told;
static char last_told[400];
static void tell(void *user, ds_result code, const char *text)
{
    (void)user;
    (void)code;
    told++;
    strncpy(last_told, text, sizeof last_told - 1);
}
enum { NO_N, NO_FORCE, NO_DERIVE, NO_DERIVE_VJP, NO_DERIVE_JVP, BAD_LABEL, BAD_AT, MASS_NEGATIVE, MASS_NAN,
       G_INFINITE, BAD_KIND, NO_PARAM, DT_ZERO, DT_NEGATIVE, DT_NAN, DT_INFINITE, BAD_TIME, BAD_DAMPING,
       BAD_LOSS, LOSS_ABOVE, BAD_CLAMP, NO_LIMIT, NOT_POINTS, TOO_LARGE, TOO_MANY_SUBSTEPS, MISUSES };
static const char *const misuse_words[MISUSES] = {
    "no degree of freedom", "no function force", "no derive for", "no derive_vjp", "no derive_jvp", "label",
    "inverse_mass_at", "inverse mass is negative or not finite, number 2",
    "inverse mass is negative or not finite, number 3", "acceleration is not finite, number 4", "no kind 77",
    "no parameter dt_at, 4", "positive number of seconds", "positive number of seconds",
    "positive number of seconds", "positive number of seconds", "time is not finite", "damping",
    "velocity_loss", "velocity_loss", "no clamp 9", "speed_limit", "three components; n is 5", "no size",
    "no size" };

static void misuse(int what, ring *r, ds_system *s, ds_integrator_desc *d)
{
    switch (what) {
    case NO_N: s->n = 0; break;
    case NO_FORCE: s->force = NULL; break;
    case NO_DERIVE: s->derive = NULL; break;
    case NO_DERIVE_VJP: s->derive_vjp = NULL; break;
    case NO_DERIVE_JVP: s->derive_jvp = NULL; break;
    case BAD_LABEL: s->label = (ds_gradient_label)99; break;
    case BAD_AT: s->inverse_mass_at = 2; break;
    case MASS_NEGATIVE: r->im[2] = -1; break;
    case MASS_NAN: r->im[3] = (ds_real)NAN; break;
    case G_INFINITE: r->g[4] = (ds_real)INFINITY; break;
    case BAD_KIND: d->kind = (ds_integrator_kind)77; break;
    case NO_PARAM: d->dt_is_param = 1, d->dt_at = N_PARAM; break;
    case DT_ZERO: d->dt = 0; break;
    case DT_NEGATIVE: d->dt = -0.1; break;
    case DT_NAN: d->dt = (double)NAN; break;
    case DT_INFINITE: d->dt = HUGE_VAL; break;
    case BAD_TIME: d->time = HUGE_VAL; break;
    case BAD_DAMPING: d->damping = -1; break;
    case BAD_LOSS: d->velocity_loss = (double)NAN; break;
    case LOSS_ABOVE: d->velocity_loss = 1.5; break;
    case BAD_CLAMP: d->clamp = (ds_speed_clamp)9; break;
    case NO_LIMIT: d->clamp = DSIM_SPEED_CLAMP_TANH; break;
    case NOT_POINTS: d->clamp = DSIM_SPEED_CLAMP_TANH, d->speed_limit = 1, s->n = 5; break;
    case TOO_LARGE:
        s->n = (size_t)-1 / 3;
        s->n_derived = s->n + 9;
        s->acceleration = NULL;
        break;
    default: d->substeps = (size_t)-1 / 4;
    }
}

static void test_misuse(void)
{
    ring r;
    ds_system s;
    ds_integrator_desc d;
    ds_error error;
    for (int what = 0; what < MISUSES; what++) {
        const int derived =
            (what >= NO_DERIVE && what <= NO_DERIVE_JVP) || what == BAD_AT || what == TOO_LARGE;
        const ds_result code = what < TOO_LARGE ? DSIM_ERROR_ARGUMENT : DSIM_ERROR_OVERFLOW;
        s = ring_system(&r, derived ? DERIVED : 0);
        d = desc_of(DSIM_INTEGRATOR_RK4, 0, 0.1);
        d.log.write = tell;
        misuse(what, &r, &s, &d);
        told = 0;
        TAP_OK(ds_integrator_check(&s, &d, &error) == code, "%s", error.text);
        TAP_HAS(error.text, misuse_words[what], "misuse %d is named", what);
        TAP_OK(ds_integrator_check(&s, &d, NULL) == code && !told, "without a place for the sentence, too");
        TAP_OK(!ds_integrator_create(&s, &d) && told == 1, "and not made; the log is told once");
        TAP_HAS(last_told, misuse_words[what], "the same sentence");
        TAP_OK(!ds_integrator_bytes(&s, &d), "it has no bytes");
    }
    s = ring_system(&r, 0);
    d = desc_of(DSIM_INTEGRATOR_RK4, 0, 0.1);
    TAP_OK(ds_integrator_check(NULL, &d, &error) == DSIM_ERROR_ARGUMENT, "no system");
    TAP_OK(ds_integrator_check(&s, NULL, &error) == DSIM_ERROR_ARGUMENT, "no desc");
    TAP_OK(!ds_integrator_create(NULL, NULL) && !ds_integrator_stepper(NULL), "nothing of nothing");
    TAP_OK(ds_integrator_error(NULL)->code == DSIM_ERROR_ARGUMENT, "error of nothing");
    TAP_OK(ds_integrator_stability(NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT, "stability of nothing");
    TAP_OK(ds_integrator_get_info((ds_integrator_kind)-1)->name[0] == '?' &&
           ds_speed_clamp_name((ds_speed_clamp)-1)[0] == '?', "there is no such kind");
    ds_integrator_destroy(NULL);
}

/* errors of steps */
static void test_failures(void)
{
    ring r;
    ds_system s = ring_system(&r, DERIVED);
    ds_integrator_desc d = desc_of(DSIM_INTEGRATOR_VELOCITY_VERLET, BY_DT, 0);
    ds_real state[2 * N], next[2 * N], param[N_PARAM], derived[N_DERIVED];
    ds_stability stability;
    ds_integrator *it;
    ds_step_io io;
    d.log.write = tell;
    memset(&io, 0, sizeof io);
    memcpy(param, ring_param, sizeof param);
    ring_start(state, 2 * N, 80);
    ring_derive(&r, param, derived);
    io.step = 7;
    io.state = state;
    io.param = param;
    io.derived = derived;
    io.next = next;
    it = ds_integrator_create(&s, &d);
    told = 0;
    TAP_OK(!ds_integrator_stepper(it)->step(it, &io, NULL) && !told, "a step");
    param[3] = 0;
    TAP_OK(ds_integrator_stepper(it)->step(it, &io, NULL) == DSIM_ERROR_ARGUMENT && told == 1, "no dt");
    TAP_HAS(ds_integrator_error(it)->text, "parameter 3", "it is named");
    param[3] = (ds_real)0.1;
    r.bad_step = 7;
    TAP_OK(ds_integrator_stepper(it)->step(it, &io, NULL) == DSIM_ERROR_NOT_CONVERGED && told == 2, "%s",
           last_told);
    TAP_HAS(ds_integrator_error(it)->text, "force failed at step 7: the ring is broken",
            "in the words of the system");
    io.step = 6;
    TAP_OK(!ds_integrator_stepper(it)->step(it, &io, NULL) && !ds_integrator_error(it)->code,
           "and well again");
    io.derived = NULL;
    TAP_OK(ds_integrator_stability(it, &io, &stability) == DSIM_ERROR_ARGUMENT, "no derived numbers");
    ds_integrator_destroy(it);
    s = ring_system(&r, 0);
    s.force_jvp = NULL;
    it = ds_integrator_create(&s, &d);
    TAP_OK(!ds_integrator_stepper(it)->jvp && ds_integrator_stepper(it)->vjp, "an adjoint without a tangent");
    TAP_OK(ds_integrator_stability(it, &io, &stability) == DSIM_ERROR_ARGUMENT, "%s", last_told);
    ds_integrator_destroy(it);
    {
        chain c;
        s = chain_system(&c, 1, 0);
        it = ds_integrator_create(&s, &d);
        TAP_OK(!it, "dt is no parameter where there is none");
        d = desc_of(DSIM_INTEGRATOR_RK4, 0, 0.1);
        it = ds_integrator_create(&s, &d);
        c.bad = 1;
        TAP_OK(ds_integrator_stability(it, &io, &stability) == DSIM_ERROR_SINGULAR, "%s",
               ds_integrator_error(it)->text);
        ds_integrator_destroy(it);
    }
}

/* one block of memory, and none in steps */
static void test_memory(void)
{
    for (int kind = 0; kind < DSIM_INTEGRATOR_COUNT; kind++) {
        ring r;
        const ds_system s = ring_system(&r, DRAG);
        ds_integrator_desc d = desc_of((ds_integrator_kind)kind, SUBSTEPS | BY_DT | DAMPED, 0.1);
        meter m;
        const size_t bytes = ds_integrator_bytes(&s, &d);
        void *const memory = malloc(bytes + 1);
        ds_real state[2 * N];
        uint64_t hash[2] = { 0, 1 };
        ring_start(state, 2 * N, 90);
        for (size_t k = 0; k < 2; k++) {
            ds_integrator *it;
            ds_rollout_desc rd;
            ds_rollout *rollout;
            ds_direction along;
            size_t before;
            d.allocator = meter_allocator(&m);
            it = k ? ds_integrator_init(memory, bytes, &s, &d) : ds_integrator_create(&s, &d);
            TAP_OK(it && m.calls == 1 - k, "made in %d blocks", (int)m.calls);
            memset(&rd, 0, sizeof rd);
            rd.steps = 10;
            rd.allocator = d.allocator;
            rollout = ds_rollout_create(ds_integrator_stepper(it), &rd);
            before = m.calls;
            ds_rollout_set_state(rollout, state);
            ds_rollout_set_param(rollout, ring_param);
            along.state = state;
            along.param = ring_param;
            along.control = NULL;
            TAP_OK(!ds_rollout_tangent(rollout, &along, NULL, NULL) && m.calls == before,
                   "nothing is allocated in steps");
            hash[k] = ds_hash_reals(ds_rollout_state(rollout, NULL), 2 * N, 0);
            ds_rollout_destroy(rollout);
            ds_integrator_destroy(it);
        }
        TAP_OK(hash[0] == hash[1], "the same in any memory");
        TAP_OK(m.live == 0, "all is given back");
        TAP_OK(!ds_integrator_init(memory, bytes - 1, &s, &d), "a byte too few");
        d.allocator = meter_allocator(&m);
        m.fail_at = 1;
        TAP_OK(!ds_integrator_create(&s, &d), "no memory");
        free(memory);
    }
}

int main(void)
{
    test_derivatives();
    test_order();
    test_geometry();
    test_momentum();
    test_plain_form();
    test_bits();
    test_clamps();
    test_pins();
    test_substeps();
    test_whole_rollout();
    test_stability();
    test_no_stability();
    test_blow_up();
    test_misuse();
    test_failures();
    test_memory();
    return tap_end();
}
