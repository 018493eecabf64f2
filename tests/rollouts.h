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
