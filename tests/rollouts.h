/* rollouts.h - what the tests of rollouts share: a pendulum as a stepper by hand, its loss, and an allocator
   that counts

   State (q, v), parameters (g, c), control u:   v' = v + h (u - g sin q - c v),   q' = q + h v'
   Loss: sum over k of (q_k - 1)^2 / 2 + u_k^2 / 10, and (g - 2)^2 + v_T g at the end. */

#ifndef ROLLOUTS_H
#define ROLLOUTS_H

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MOST_STEPS = 200 };
static const ds_real pendulum_h = (ds_real)0.0625;

/* with a trace: sin q and cos q; without one they are computed again */
typedef struct pendulum {
    size_t steps, vjps; /* calls */
    /* from this step on: 1 NaN, 2 an error, 3 hidden state; at this step: 4 NaN in the adjoint; 5: and in
       the tangent, always */
    size_t bad_step, bad_kind;
    ds_real hidden;
} pendulum;

static inline ds_result pendulum_step(void *user, const ds_step_io *io, void *trace)
{
    pendulum *const p = (pendulum *)user;
    const ds_real q = io->state[0], v = io->state[1], sine = ds_real_sin(q);
    const ds_real next = v + pendulum_h * (io->control[0] - io->param[0] * sine - io->param[1] * v);
    p->steps++;
    if (trace) {
        ((ds_real *)trace)[0] = sine;
        ((ds_real *)trace)[1] = ds_real_cos(q);
    }
    io->next[0] = q + pendulum_h * next;
    io->next[1] = next;
    if (p->bad_kind && io->step >= p->bad_step) {
        if (p->bad_kind == 1) io->next[1] = (ds_real)NAN;
        if (p->bad_kind == 2) return DSIM_ERROR_NOT_CONVERGED;
        if (p->bad_kind == 3) io->next[0] += p->hidden += (ds_real)0.001;
    }
    return DSIM_OK;
}

static inline void pendulum_trig(const ds_step_io *io, const void *trace, ds_real *sine, ds_real *cosine)
{
    *sine = trace ? ((const ds_real *)trace)[0] : ds_real_sin(io->state[0]);
    *cosine = trace ? ((const ds_real *)trace)[1] : ds_real_cos(io->state[0]);
}

static inline ds_result pendulum_vjp(void *user, const ds_step_io *io, const void *trace,
                                     const ds_step_bar *bar)
{
    const ds_real moved = bar->next_bar[1] + pendulum_h * bar->next_bar[0], force = pendulum_h * moved;
    ds_real sine, cosine;
    pendulum_trig(io, trace, &sine, &cosine);
    ((pendulum *)user)->vjps++;
    if (bar->state_bar) {
        bar->state_bar[0] += bar->next_bar[0] - force * io->param[0] * cosine;
        bar->state_bar[1] += moved - force * io->param[1];
    }
    if (bar->param_bar) {
        bar->param_bar[0] -= force * sine;
        bar->param_bar[1] -= force * io->state[1];
    }
    if (bar->control_bar) bar->control_bar[0] += force;
    if (((pendulum *)user)->bad_kind == 4 && io->step == ((pendulum *)user)->bad_step) {
        bar->state_bar[0] = (ds_real)NAN;
        bar->state_bar[1] = 0;
    }
    return DSIM_OK;
}

static inline ds_result pendulum_jvp(void *user, const ds_step_io *io, const void *trace,
                                     const ds_step_dot *dot)
{
    const ds_real qd = dot->state_dot[0], vd = dot->state_dot[1];
    ds_real sine, cosine;
    pendulum_trig(io, trace, &sine, &cosine);
    dot->next_dot[1] =
        vd + pendulum_h * (dot->control_dot[0] - dot->param_dot[0] * sine - io->param[0] * cosine * qd -
                           dot->param_dot[1] * io->state[1] - io->param[1] * vd);
    dot->next_dot[0] = qd + pendulum_h * dot->next_dot[1];
    if (((pendulum *)user)->bad_kind == 5) dot->next_dot[1] = (ds_real)NAN;
    return DSIM_OK;
}

static inline ds_result pendulum_second(void *user, const ds_step_io *io, const void *trace,
                                        const ds_step_second *s)
{
    const ds_real qd = s->state_dot[0], vd = s->state_dot[1], gd = s->param_dot[0], cd = s->param_dot[1];
    const ds_real force = pendulum_h * (s->next_bar[1] + pendulum_h * s->next_bar[0]);
    const ds_real moved = s->next_bar_dot[1] + pendulum_h * s->next_bar_dot[0], moves = pendulum_h * moved;
    ds_real sine, cosine;
    (void)user;
    pendulum_trig(io, trace, &sine, &cosine);
    s->state_bar_dot[0] += s->next_bar_dot[0] - moves * io->param[0] * cosine -
                           force * (gd * cosine - io->param[0] * sine * qd);
    s->state_bar_dot[1] += moved - moves * io->param[1] - force * cd;
    if (s->param_bar_dot) {
        s->param_bar_dot[0] -= moves * sine + force * cosine * qd;
        s->param_bar_dot[1] -= moves * io->state[1] + force * vd;
    }
    if (s->control_bar_dot) s->control_bar_dot[0] += moves;
    return DSIM_OK;
}

/* user: NULL, or the step at which the loss is NaN */
static inline ds_result pendulum_loss(void *user, const ds_step_io *io, ds_real *value,
                                      const ds_step_bar *bar)
{
    const ds_real q = io->state[0] - 1, g = io->param[0];
    *value += q * q / 2;
    if (io->left) *value += io->control[0] * io->control[0] / 10;
    else *value += (g - 2) * (g - 2) + io->state[1] * g;
    if (user && io->step == *(const size_t *)user) *value = (ds_real)NAN;
    if (!bar) return DSIM_OK;
    bar->state_bar[0] += q;
    if (io->left) {
        bar->control_bar[0] += io->control[0] / 5;
    } else {
        bar->state_bar[1] += g;
        bar->param_bar[0] += 2 * (g - 2) + io->state[1];
    }
    return DSIM_OK;
}

static inline ds_result pendulum_loss_second(void *user, const ds_step_io *io, const ds_step_second *s)
{
    (void)user;
    s->state_bar_dot[0] += s->state_dot[0];
    if (io->left) {
        if (s->control_bar_dot) s->control_bar_dot[0] += s->control_dot[0] / 5;
    } else {
        s->state_bar_dot[1] += s->param_dot[0];
        if (s->param_bar_dot) s->param_bar_dot[0] += 2 * s->param_dot[0] + s->state_dot[1];
    }
    return DSIM_OK;
}

static inline ds_stepper pendulum_stepper(pendulum *p, int with_trace)
{
    ds_stepper s;
    memset(&s, 0, sizeof s);
    memset(p, 0, sizeof *p);
    s.user = p;
    s.n_state = s.n_param = 2;
    s.n_control = 1;
    s.trace_bytes = with_trace ? 2 * sizeof(ds_real) : 0;
    s.step = pendulum_step;
    s.vjp = pendulum_vjp;
    s.jvp = pendulum_jvp;
    s.second = pendulum_second;
    return s;
}

static inline ds_rollout_desc pendulum_desc(size_t steps)
{
    ds_rollout_desc d;
    memset(&d, 0, sizeof d);
    d.steps = steps;
    d.loss = pendulum_loss;
    d.loss_second = pendulum_loss_second;
    return d;
}

/* state, parameters and controls of a pendulum, as one vector: [2 + 2 + steps] */
static inline void pendulum_start(ds_real *x, size_t steps)
{
    size_t k;
    x[0] = (ds_real)0.5;
    x[1] = (ds_real)-0.25;
    x[2] = (ds_real)1.5;
    x[3] = (ds_real)0.125;
    for (k = 0; k < steps; k++) x[4 + k] = (ds_real)((double)(k % 7) / 8 - 0.25);
}

static inline ds_result rollout_set(ds_rollout *r, const ds_real *x, size_t steps)
{
    ds_result result = ds_rollout_set_state(r, x);
    if (!result) result = ds_rollout_set_param(r, x + 2);
    return result ? result : ds_rollout_set_controls(r, x + 4, 0, steps);
}

/* the gradient as one vector; all zero if there is none */
static inline void rollout_gradient(const ds_rollout *r, ds_real *g, size_t steps)
{
    memset(g, 0, (4 + steps) * sizeof *g);
    if (!ds_rollout_state_grad(r)) return;
    memcpy(g, ds_rollout_state_grad(r), 2 * sizeof *g);
    memcpy(g + 2, ds_rollout_param_grad(r), 2 * sizeof *g);
    memcpy(g + 4, ds_rollout_control_grad(r), steps * sizeof *g);
}

static inline ds_direction direction_of(const ds_real *x)
{
    ds_direction d;
    d.state = x;
    d.param = x + 2;
    d.control = x + 4;
    return d;
}
static inline ds_direction_out out_of(ds_real *x)
{
    ds_direction_out d;
    d.state = x;
    d.param = x + 2;
    d.control = x + 4;
    return d;
}

/* A pendulum whose g and c derive from two other parameters a and b, where a drives it, too:
     g = a^2 / 2 + b,   c = a b / 4,   u' = u + a / 4
   inside: they are computed in each step instead, as are their derivatives. */
typedef struct derived_pendulum {
    pendulum p; /* the first member: what pendulum_step and its kin are called with */
    int inside;
    size_t derives, derive_vjps, derive_jvps, derive_seconds; /* calls */
    size_t bad_kind; /* of derive: 1 NaN, 2 an error, 3 hidden state; 4 an error, 5 NaN in its adjoint */
    ds_real hidden;
} derived_pendulum;

static inline ds_result pendulum_derive(void *user, const ds_real *param, ds_real *derived)
{
    derived_pendulum *const d = (derived_pendulum *)user;
    d->derives++;
    derived[0] = param[0] * param[0] / 2 + param[1];
    derived[1] = param[0] * param[1] / 4;
    if (d->bad_kind == 1) derived[1] = (ds_real)NAN;
    if (d->bad_kind == 3) derived[0] += d->hidden += (ds_real)0.001;
    return d->bad_kind == 2 ? DSIM_ERROR_SINGULAR : DSIM_OK;
}
static inline ds_result pendulum_derive_vjp(void *user, const ds_real *param, const ds_real *derived,
                                            const ds_real *derived_bar, ds_real *param_bar)
{
    derived_pendulum *const d = (derived_pendulum *)user;
    (void)derived;
    d->derive_vjps++;
    param_bar[0] += param[0] * derived_bar[0] + param[1] * derived_bar[1] / 4;
    param_bar[1] += derived_bar[0] + param[0] * derived_bar[1] / 4;
    if (d->bad_kind == 5) param_bar[1] = (ds_real)NAN;
    return d->bad_kind == 4 ? DSIM_ERROR_SINGULAR : DSIM_OK;
}
static inline ds_result pendulum_derive_jvp(void *user, const ds_real *param, const ds_real *derived,
                                            const ds_real *param_dot, ds_real *derived_dot)
{
    (void)derived;
    ((derived_pendulum *)user)->derive_jvps++;
    derived_dot[0] = param[0] * param_dot[0] + param_dot[1];
    derived_dot[1] = (param[1] * param_dot[0] + param[0] * param_dot[1]) / 4;
    return DSIM_OK;
}
static inline ds_result pendulum_derive_second(void *user, const ds_real *param, const ds_real *derived,
                                               const ds_derive_second *s)
{
    const ds_real c_bar = s->derived_bar[1] / 4, c_bar_dot = s->derived_bar_dot[1] / 4;
    (void)derived;
    ((derived_pendulum *)user)->derive_seconds++;
    s->param_bar_dot[0] += param[0] * s->derived_bar_dot[0] + param[1] * c_bar_dot;
    s->param_bar_dot[0] += s->param_dot[0] * s->derived_bar[0] + s->param_dot[1] * c_bar;
    s->param_bar_dot[1] += s->derived_bar_dot[0] + param[0] * c_bar_dot + s->param_dot[0] * c_bar;
    return DSIM_OK;
}

/* what the pendulum itself is to see of a step: g, c and u', in numbers [3] */
static inline ds_step_io pendulum_sees(derived_pendulum *d, const ds_step_io *io, ds_real *numbers)
{
    ds_step_io r = *io;
    if (d->inside) pendulum_derive(d, io->param, numbers);
    r.param = d->inside ? numbers : io->derived;
    if (!io->control) return r;
    numbers[2] = io->control[0] + io->param[0] / 4;
    r.control = numbers + 2;
    return r;
}
/* adjoints of g, c and u' [3] to where they belong */
static inline void pendulum_hands_back(derived_pendulum *d, const ds_step_io *io, const ds_real *numbers,
                                       const ds_step_bar *bar)
{
    if (bar->control_bar) bar->control_bar[0] += numbers[2];
    if (bar->param_bar) bar->param_bar[0] += numbers[2] / 4;
    if (d->inside && bar->param_bar) pendulum_derive_vjp(d, io->param, NULL, numbers, bar->param_bar);
    if (!d->inside && bar->derived_bar) {
        bar->derived_bar[0] += numbers[0];
        bar->derived_bar[1] += numbers[1];
    }
}
/* bar with adjoints of g, c and u' in zero [3] */
static inline ds_step_bar pendulum_bars(const ds_step_bar *bar, ds_real *zero)
{
    ds_step_bar r = *bar;
    zero[0] = zero[1] = zero[2] = 0;
    r.param_bar = zero;
    r.control_bar = zero + 2;
    return r;
}
/* dots of g, c and u' in numbers [3] */
static inline void pendulum_dots(derived_pendulum *d, const ds_step_io *io, const ds_real *param_dot,
                                 const ds_real *control_dot, const ds_real *derived_dot, ds_real *numbers)
{
    numbers[2] = control_dot ? control_dot[0] + param_dot[0] / 4 : 0;
    if (d->inside) pendulum_derive_jvp(d, io->param, NULL, param_dot, numbers);
    else memcpy(numbers, derived_dot, 2 * sizeof *numbers);
}

static inline ds_result derived_step(void *user, const ds_step_io *io, void *trace)
{
    ds_real numbers[3];
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    return pendulum_step(user, &seen, trace);
}
static inline ds_result derived_vjp(void *user, const ds_step_io *io, const void *trace,
                                    const ds_step_bar *bar)
{
    ds_real numbers[3], bars[3];
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    const ds_step_bar own = pendulum_bars(bar, bars);
    const ds_result result = pendulum_vjp(user, &seen, trace, &own);
    pendulum_hands_back((derived_pendulum *)user, io, bars, bar);
    return result;
}
static inline ds_result derived_jvp(void *user, const ds_step_io *io, const void *trace,
                                    const ds_step_dot *dot)
{
    ds_real numbers[3], dots[3];
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    ds_step_dot own = *dot;
    pendulum_dots((derived_pendulum *)user, io, dot->param_dot, dot->control_dot, dot->derived_dot, dots);
    own.param_dot = dots;
    own.control_dot = dots + 2;
    return pendulum_jvp(user, &seen, trace, &own);
}
/* of a step or a loss: the pendulum's own, then from g, c and u' to where they belong; bars [3]: adjoints of
   those */
static inline ds_result derived_motion(derived_pendulum *d, const ds_step_io *io, const void *trace,
                                       const ds_real *bars, const ds_step_second *s)
{
    ds_real numbers[3], dots[3], bar_dots[3] = { 0, 0, 0 };
    const ds_step_io seen = pendulum_sees(d, io, numbers);
    ds_step_second own = *s;
    ds_step_bar to;
    pendulum_dots(d, io, s->param_dot, s->control_dot, s->derived_dot, dots);
    own.param_dot = dots;
    own.control_dot = dots + 2;
    own.param_bar_dot = bar_dots;
    own.control_bar_dot = bar_dots + 2;
    if (io->next) pendulum_second(d, &seen, trace, &own);
    else {
        own.state_bar_dot[0] += s->state_dot[0];
        if (io->left) bar_dots[2] += dots[2] / 5;
        else {
            own.state_bar_dot[1] += dots[0];
            bar_dots[0] += 2 * dots[0] + s->state_dot[1];
        }
    }
    memset(&to, 0, sizeof to);
    to.param_bar = s->param_bar_dot;
    to.control_bar = s->control_bar_dot;
    to.derived_bar = s->derived_bar_dot;
    pendulum_hands_back(d, io, bar_dots, &to);
    if (d->inside && s->param_bar_dot) { /* and g, c bend */
        const ds_real none[2] = { 0, 0 };
        ds_derive_second bend;
        bend.param_dot = s->param_dot;
        bend.derived_dot = dots;
        bend.derived_bar = bars;
        bend.derived_bar_dot = none;
        bend.param_bar_dot = s->param_bar_dot;
        pendulum_derive_second(d, io->param, NULL, &bend);
    }
    return DSIM_OK;
}
static inline ds_result derived_second(void *user, const ds_step_io *io, const void *trace,
                                       const ds_step_second *s)
{
    ds_real numbers[3], bars[3], state_bar[2] = { 0, 0 };
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    ds_step_bar bar, own;
    memset(&bar, 0, sizeof bar);
    bar.next_bar = s->next_bar;
    bar.state_bar = state_bar;
    own = pendulum_bars(&bar, bars);
    pendulum_vjp(user, &seen, trace, &own);
    return derived_motion((derived_pendulum *)user, io, trace, bars, s);
}

/* the loss of the pendulum with its g and u'; user: the derived_pendulum */
static inline ds_result derived_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    ds_real numbers[3], bars[3];
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    ds_step_bar own;
    if (!bar) return pendulum_loss(NULL, &seen, value, NULL);
    own = pendulum_bars(bar, bars);
    pendulum_loss(NULL, &seen, value, &own);
    pendulum_hands_back((derived_pendulum *)user, io, bars, bar);
    return DSIM_OK;
}
static inline ds_result derived_loss_second(void *user, const ds_step_io *io, const ds_step_second *s)
{
    ds_real numbers[3], bars[3], state_bar[2] = { 0, 0 }, value = 0;
    const ds_step_io seen = pendulum_sees((derived_pendulum *)user, io, numbers);
    ds_step_bar bar, own;
    memset(&bar, 0, sizeof bar);
    bar.state_bar = state_bar;
    own = pendulum_bars(&bar, bars);
    pendulum_loss(NULL, &seen, &value, &own);
    return derived_motion((derived_pendulum *)user, io, NULL, bars, s);
}

static inline ds_stepper derived_stepper(derived_pendulum *d, int with_trace, int inside)
{
    ds_stepper s = pendulum_stepper(&d->p, with_trace);
    memset(d, 0, sizeof *d);
    d->inside = inside;
    s.user = d;
    s.step = derived_step;
    s.vjp = derived_vjp;
    s.jvp = derived_jvp;
    s.second = derived_second;
    if (inside) return s;
    s.n_derived = 2;
    s.derive = pendulum_derive;
    s.derive_vjp = pendulum_derive_vjp;
    s.derive_jvp = pendulum_derive_jvp;
    s.derive_second = pendulum_derive_second;
    return s;
}
static inline ds_rollout_desc derived_desc(derived_pendulum *d, size_t steps)
{
    ds_rollout_desc r = pendulum_desc(steps);
    r.loss = derived_loss;
    r.loss_second = derived_loss_second;
    r.loss_user = d;
    return r;
}

/* an allocator that counts bytes and calls, and fails when told */
typedef struct meter {
    size_t calls, live, most, fail_at; /* fail_at 0: never */
    int for_good;
} meter;

static inline void *meter_resize(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    meter *const m = (meter *)user;
    void *r = NULL;
    if (new_bytes) {
        m->calls++;
        if (m->fail_at && (m->calls == m->fail_at || (m->for_good && m->calls > m->fail_at))) return NULL;
        r = malloc(new_bytes);
        if (!r) return NULL;
        memset(r, 0xCD, new_bytes);
        if (pointer) memcpy(r, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    free(pointer);
    m->live += new_bytes - old_bytes;
    if (m->live > m->most) m->most = m->live;
    return r;
}

static inline ds_allocator meter_allocator(meter *m)
{
    ds_allocator a;
    memset(m, 0, sizeof *m);
    a.resize = meter_resize;
    a.user = m;
    return a;
}

/* a number in [-1, 1) */
static inline ds_real between(ds_rng *rng) { return 2 * ds_rng_uniform(rng) - 1; }

#endif
