/* test_replay.c - a record evaluated again with new inputs has the bits of a new record; branches are
   guarded, reads are noticed; custom nodes and checkpoints have values and derivatives of every order */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EXACT (IS_FLOAT ? 1e-5 : 1e-13)

/* Replay. */

/* f of six numbers through every kind of node: rows, vectors, lists, blocks, leaves in between */
static ds_var everything(ds_tape *t, ds_vars in)
{
    const ds_real weights[4] = { 1, 2, -1, (ds_real)0.5 };
    const ds_var x[4] = { ds_vars_at(in, 0), ds_vars_at(in, 2), ds_vars_at(in, 5), ds_mul(ds_vars_at(in, 1),
                                                                                          ds_c(3)) };
    const ds_var3 p = ds_vars_at3(in, 0), q = ds_input3(t, ds_v3_make(1, -1, (ds_real)0.5));
    const ds_var3 points[2] = { p, ds_cross3(p, ds_vars_at3(in, 1)) };
    const ds_var3 sum = ds_weighted_sum3(weights, points, 2);
    const ds_vars h = ds_vars_tanh(ds_affine(ds_vars_slice(in, 0, 4), ds_vars_slice(in, 4, 2),
                                             ds_vars_slice(in, 1, 2)));
    ds_var f = ds_add(ds_weighted_sum(weights, x, 4), ds_dot(x, x + 1, 3));
    f = ds_fma(ds_norm3(ds_sub3(sum, q)), ds_vars_at(h, 0), ds_mul(f, ds_vars_at(h, 1)));
    return ds_add(ds_pow(ds_safe_norm(f, x[0]), ds_c(1.5)), ds_dot3(ds_sum3(points, 2), q));
}

static void test_same_bits(void)
{
    ds_tape *t = ds_tape_create(NULL), *fresh = ds_tape_create(NULL);
    ds_real x[6] = { 1, 2, (ds_real)0.5, -1, (ds_real)0.25, 3 }, g[6], h[6];
    ds_vars in = ds_inputs(t, x, 6);
    const ds_var f = everything(t, in);
    int values = 1, gradients = 1, returns = 1;
    for (int round = 0; round < 50; round++) {
        ds_vars again;
        ds_var f_again;
        for (int i = 0; i < 6; i++) x[i] = (ds_real)sin(1.3 * round + i);
        returns &= ds_set_inputs(in, x) == DSIM_OK && ds_replay(t) == DSIM_OK;
        ds_tape_reset(fresh);
        again = ds_inputs(fresh, x, 6);
        f_again = everything(fresh, again);
        values &= ds_value(f) == ds_value(f_again);
        returns &= ds_backward(f) == DSIM_OK && ds_backward(f_again) == DSIM_OK;
        returns &= ds_grads(in, g) == DSIM_OK && ds_grads(again, h) == DSIM_OK;
        gradients &= memcmp(g, h, sizeof g) == 0;
    }
    if (!TAP_OK(returns, "50 replays return OK")) tap_diag("%s", ds_tape_error(t)->text);
    TAP_OK(values, "their values have the bits of a new record");
    TAP_OK(gradients, "their gradients, too");
    ds_tape_destroy(t);
    ds_tape_destroy(fresh);
}

static void test_set_input(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2), y = ds_square(x);
    ds_var3 p = ds_input3(t, ds_v3_make(1, 2, 3));
    ds_var f = ds_mul(y, ds_norm3(p));
    TAP_OK(ds_set_input(x, 3) == DSIM_OK && isnan((double)ds_value(y)),
           "between set and replay a value is NaN");
    TAP_OK(ds_backward(f) == DSIM_ERROR_REPLAY, "and a gradient refused");
    TAP_HAS(ds_tape_error(t)->text, "call ds_replay", "with what to do");
    TAP_OK(isnan((double)ds_value(ds_mul(x, x))), "nothing is recorded");
    TAP_OK(ds_set_input3(p, ds_v3_make(2, 3, 6)) == DSIM_OK && ds_replay(t) == DSIM_OK,
           "a vector is set, too");
    TAP_OK(ds_value(f) == 63 && ds_backward(f) == DSIM_OK && ds_grad(x) == 42, "then value and gradient");
    TAP_OK(ds_set_input(y, 1) == DSIM_ERROR_ARGUMENT, "only inputs can be set");
    ds_tape_reset(t);
    TAP_OK(ds_set_input(x, 1) == DSIM_ERROR_STALE, "a stale variable is refused");
    ds_tape_reset(t);
    x = ds_input(t, 2);
    TAP_OK(ds_set_input(x, NAN) == DSIM_ERROR_NON_FINITE, "NaN is refused");
    TAP_OK(ds_set_input(ds_c(1), 1) == DSIM_ERROR_NO_RECORDER, "a constant is refused");
    ds_tape_destroy(t);
}

/* what is not computed yet is not saved by an error and a rewind that clears it */
static void test_torn(void)
{
    ds_tape *t = ds_tape_create(NULL);
    for (int way = 0; way < 3; way++) {
        ds_var x, y;
        ds_real v[1] = { 7 };
        ds_tape_reset(t);
        x = ds_input(t, 2), y = ds_square(x);
        if (way == 2) ds_value(y), y = ds_add(y, x);
        ds_set_input(x, 3);
        if (way == 0) TAP_OK(ds_set_input(y, 3) == DSIM_ERROR_ARGUMENT, "an input is set, a result refused");
        if (way == 1) TAP_OK(ds_set_input(x, NAN) == DSIM_ERROR_NON_FINITE, "an input is set, then to NaN");
        if (way == 2) TAP_OK(ds_replay(t) == DSIM_ERROR_NOT_REPLAYABLE, "an input is set, but no replay");
        TAP_OK(ds_tape_rewind(t, ds_tape_mark(t)) != DSIM_OK && isnan((double)ds_value(y)),
               "a rewind does not make the old values good");
        TAP_OK(ds_values((ds_vars){ y.rec, y.at, 1 }, v) != DSIM_OK && v[0] == 7, "nor are they read");
        ds_tape_reset(t);
        TAP_OK(ds_tape_error(t)->code == DSIM_OK, "a reset does");
    }
    ds_tape_destroy(t);
}

/* |x| by a branch in C */
static ds_var absolute(ds_var x)
{
    return ds_branch(ds_lt(x, ds_c(0))) ? ds_neg(x) : x;
}

static void test_branch(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2), f = ds_mul(absolute(x), x);
    TAP_OK(ds_value(f) == 4 && ds_branch(ds_c(1)) && !ds_branch(ds_c(0)), "ds_branch takes the branch");
    TAP_OK(ds_set_input(x, 5) == DSIM_OK && ds_replay(t) == DSIM_OK && ds_value(f) == 25, "the same: replay");
    TAP_OK(ds_backward(f) == DSIM_OK && ds_grad(x) == 10, "guards have no part in the gradient");
    TAP_OK(ds_set_input(x, -5) == DSIM_OK && ds_replay(t) == DSIM_ERROR_BRANCH, "the other: refused");
    TAP_HAS(ds_tape_error(t)->text, "record again", "with what to do");
    TAP_OK(isnan((double)ds_value(f)) && ds_backward(f) == DSIM_ERROR_BRANCH, "nothing can be read");
    TAP_OK(ds_tape_rewind(t, ds_tape_mark(t)) == DSIM_ERROR_BRANCH, "nor saved by a rewind");
    TAP_OK(ds_set_input(x, 7) == DSIM_OK && ds_replay(t) == DSIM_OK && ds_value(f) == 49,
           "the first again: good");
    ds_tape_destroy(t);
}

static void test_reads(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2), y = ds_square(x), f;
    f = ds_mul(y, ds_c((double)ds_value(y)));
    TAP_OK(ds_value(f) == 16 && ds_replay(t) == DSIM_ERROR_NOT_REPLAYABLE,
           "recording after a read: no replay");
    TAP_HAS(ds_tape_error(t)->text, "ds_branch", "with what to do instead");
    ds_tape_reset(t);
    x = ds_input(t, 2);
    f = ds_square(x);
    TAP_OK(ds_value(f) == 4 && ds_backward(f) == DSIM_OK && ds_replay(t) == DSIM_OK,
           "reading at the end is fine");
    ds_tape_destroy(t);
}

/* Custom nodes: (u, v) = (x y, sin x), with all derivatives */

static int fail_in; /* 1 forward, 2 reverse, 3 tangent, 4 second */

static ds_result product_forward(const ds_custom_io *io)
{
    io->out[0] = io->in[0] * io->in[1];
    io->out[1] = (ds_real)sin((double)io->in[0]);
    return fail_in == 1 ? DSIM_ERROR_ARGUMENT : DSIM_OK;
}
static ds_result product_reverse(const ds_custom_io *io)
{
    io->in_bar[0] += io->out_bar[0] * io->in[1] + io->out_bar[1] * (ds_real)cos((double)io->in[0]);
    io->in_bar[1] += io->out_bar[0] * io->in[0];
    return fail_in == 2 ? DSIM_ERROR_ARGUMENT : DSIM_OK;
}
static ds_result product_tangent(const ds_custom_io *io)
{
    io->out_dot[0] += io->in_dot[0] * io->in[1] + io->in[0] * io->in_dot[1];
    io->out_dot[1] += (ds_real)cos((double)io->in[0]) * io->in_dot[0];
    return fail_in == 3 ? DSIM_ERROR_ARGUMENT : DSIM_OK;
}
static ds_result product_second(const ds_custom_io *io)
{
    io->in_bar_dot[0] += io->out_bar_dot[0] * io->in[1] + io->out_bar[0] * io->in_dot[1] +
                         io->out_bar_dot[1] * (ds_real)cos((double)io->in[0]) -
                         io->out_bar[1] * io->out[1] * io->in_dot[0];
    io->in_bar_dot[1] += io->out_bar_dot[0] * io->in[0] + io->out_bar[0] * io->in_dot[0];
    return fail_in == 4 ? DSIM_ERROR_ARGUMENT : DSIM_OK;
}
static const ds_custom_type product = { "product", product_forward, product_reverse, product_tangent,
                                        product_second };

static ds_var by_rows(const ds_var *x)
{
    const ds_var u = ds_mul(x[0], x[1]), v = ds_sin(x[0]);
    return ds_mul(ds_square(u), ds_add(v, x[1]));
}
static ds_var by_custom(const ds_custom_type *type, const ds_var *x)
{
    const ds_vars r = ds_custom(type, NULL, x, 2, 2);
    return ds_mul(ds_square(ds_vars_at(r, 0)), ds_add(ds_vars_at(r, 1), x[1]));
}

/* the segment body: two steps of a pendulum, perhaps with a segment inside */
typedef struct pendulum { int inner, runs, fail; } pendulum;
static ds_result swing(void *user, ds_tape *tape, const ds_var *in, ds_var *out)
{
    pendulum *p = (pendulum *)user;
    ds_var angle = in[0], speed = in[1];
    p->runs++;
    if (p->fail == 3) speed = ds_mul(speed, ds_c(p->runs));
    for (int i = 0; i < 2; i++) {
        if (p->inner) {
            static pendulum plain; /* must outlive the tape */
            const ds_var state[3] = { angle, speed, in[2] };
            const ds_vars r = ds_checkpoint(swing, &plain, state, 3, 2);
            angle = ds_vars_at(r, 0), speed = ds_vars_at(r, 1);
        } else {
            speed = ds_sub(speed, ds_mul(in[2], ds_sin(angle)));
            angle = ds_add(angle, ds_mul(speed, ds_c(0.1)));
        }
    }
    out[0] = angle, out[1] = speed;
    if (p->fail == 2) ds_input(tape, NAN);
    return p->fail == 1 ? DSIM_ERROR_ARGUMENT : DSIM_OK;
}

/* eight steps, checkpointed or not: how depth 0, 1 and 2 compare */
static ds_var rollout(ds_tape *t, const ds_var *x, int depth, pendulum *p)
{
    ds_var state[3] = { x[0], x[1], ds_mul(x[2], ds_c(0.1)) };
    p->inner = depth == 2;
    for (int k = 0; k < (depth == 2 ? 2 : 4); k++) {
        if (depth) {
            const ds_vars r = ds_checkpoint(swing, p, state, 3, 2);
            state[0] = ds_vars_at(r, 0), state[1] = ds_vars_at(r, 1);
        } else {
            ds_var out[2];
            swing(p, t, state, out);
            state[0] = out[0], state[1] = out[1];
        }
    }
    return ds_mul(state[0], ds_add(state[1], ds_c(2)));
}

typedef struct orders { ds_real f, g[3], tangent, H[9]; int good; } orders;
static orders all_orders(ds_tape *t, ds_var f, const ds_var *x, size_t n)
{
    const ds_real direction[3] = { 1, (ds_real)-0.5, 2 };
    orders r;
    memset(&r, 0, sizeof r);
    r.good = ds_backward(f) == DSIM_OK && ds_forward(x, direction, n) == DSIM_OK;
    r.f = ds_value(f);
    r.tangent = ds_tangent(f);
    for (size_t i = 0; i < n; i++) r.g[i] = ds_grad(x[i]);
    r.good &= ds_hessian(f, x, n, r.H) == DSIM_OK;
    if (!r.good) tap_diag("%s", ds_tape_error(t)->text);
    return r;
}

static void same_orders(const orders *a, const orders *b, const char *what)
{
    double worst = 0;
    for (int i = 0; i < 3; i++) worst = fmax(worst, fabs((double)(a->g[i] - b->g[i])));
    TAP_OK(a->good && b->good, "%s: everything returns OK", what);
    TAP_NEAR(a->f, b->f, EXACT, "%s: value", what);
    TAP_OK(worst <= 10 * EXACT, "%s: gradient (%.1e)", what, worst);
    TAP_NEAR(a->tangent, b->tangent, 10 * EXACT, "%s: tangent", what);
    worst = 0;
    for (int i = 0; i < 9; i++) worst = fmax(worst, fabs((double)(a->H[i] - b->H[i])));
    TAP_OK(worst <= 100 * EXACT, "%s: Hessian (%.1e)", what, worst);
}

static void test_custom(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x[2] = { ds_input(t, 0.7), ds_input(t, -1.2) };
    ds_var f = by_custom(&product, x);
    const orders rows = all_orders(t, by_rows(x), x, 2), custom = all_orders(t, f, x, 2);
    same_orders(&custom, &rows, "custom node");
    ds_tape_reset(t);
    x[0] = ds_input(t, 0.7), x[1] = ds_c(3);
    f = by_custom(&product, x);
    TAP_OK(ds_backward(f) == DSIM_OK, "a constant among its inputs");
    TAP_NEAR(ds_grad(x[0]), 2 * 2.1 * 3 * (sin(0.7) + 3) + 2.1 * 2.1 * cos(0.7), 10 * EXACT,
             "and its gradient");
    ds_tape_reset(t);
    x[0] = ds_input(t, 1), x[1] = ds_input(t, 1);
    f = by_custom(&product, x);
    TAP_OK(!ds_set_input(x[0], 0.7) && !ds_set_input(x[1], -1.2) && !ds_replay(t), "replay");
    TAP_NEAR(ds_value(f), rows.f, EXACT, "calls it again");
    ds_tape_destroy(t);
}

static void test_custom_refusals(void)
{
    static const char *const where[] = { "", "ds_custom", "ds_backward", "ds_forward", "ds_hessian" };
    ds_tape *t = ds_tape_create(NULL);
    ds_custom_type partial = { "partial", product_forward, NULL, NULL, NULL };
    const ds_real one[2] = { 1, 1 };
    ds_real H[4];
    ds_var x[2], f;
    for (int k = 1; k <= 4; k++) {
        ds_result code = DSIM_OK;
        ds_tape_reset(t);
        x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
        if (k == 1) fail_in = 1;
        f = by_custom(&product, x);
        fail_in = k;
        if (k <= 2) code = ds_backward(f);
        if (k == 3) code = ds_forward(x, one, 2);
        if (k == 4) code = ds_hessian(f, x, 2, H);
        fail_in = 0;
        TAP_OK(code == DSIM_ERROR_CALLBACK, "a failing function of the user's, %s", where[k]);
        TAP_HAS(ds_tape_error(t)->text, where[k], "is named by who called it");
        TAP_HAS(ds_tape_error(t)->text, "'product'", "and by its own name");
    }
    ds_tape_reset(t);
    x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
    f = by_custom(&partial, x);
    TAP_OK(ds_forward(x, one, 2) == DSIM_OK && isnan((double)ds_tangent(f)), "no tangent function: NaN");
    TAP_HAS(ds_tape_error(t)->text, "'partial'", "by name");
    ds_tape_reset(t);
    x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
    TAP_OK(ds_backward(by_custom(&partial, x)) == DSIM_ERROR_NOT_DIFFERENTIABLE,
           "no reverse function: refused");
    TAP_HAS(ds_tape_error(t)->text, "'partial'", "by name");
    ds_tape_reset(t);
    x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
    partial.reverse = product_reverse;
    partial.tangent = product_tangent;
    f = by_custom(&partial, x);
    TAP_OK(ds_hessian(f, x, 2, H) == DSIM_ERROR_NOT_DIFFERENTIABLE, "no second function: no Hessian");
    TAP_HAS(ds_tape_error(t)->text, "second", "with what to give");
    ds_tape_reset(t);
    partial.forward = NULL;
    x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
    TAP_OK(ds_custom(&partial, NULL, x, 2, 2).n == 0 && ds_tape_error(t)->code == DSIM_ERROR_ARGUMENT,
           "no forward function: refused");
    ds_tape_reset(t);
    x[0] = ds_input(t, 0.7), x[1] = ds_input(t, -1.2);
    TAP_OK(ds_custom(&product, NULL, x, 2, (size_t)-1).n == 0 &&
               ds_tape_error(t)->code == DSIM_ERROR_OVERFLOW,
           "more outputs than slots: refused");
    ds_tape_destroy(t);
}

/* a forward that fails leaves no node behind */
static void test_half_written(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x[2] = { ds_input(t, 0.7), ds_input(t, -1.2) };
    const ds_real one[2] = { 1, 1 };
    const ds_tape_info before = ds_tape_get_info(t);
    ds_tape_info after;
    fail_in = 1;
    by_custom(&product, x);
    fail_in = 0;
    after = ds_tape_get_info(t);
    TAP_OK(after.nodes == before.nodes && after.values == before.values, "a failed node is not there");
    ds_tape_rewind(t, ds_tape_mark(t));
    TAP_OK(ds_forward(x, one, 2) == DSIM_OK && ds_replay(t) == DSIM_OK, "and not run by what comes after");
    ds_tape_destroy(t);
}

static ds_result sine_of_first(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)user, (void)t;
    out[0] = ds_sin(in[0]);
    return DSIM_OK;
}

static int custom_calls;
static ds_result constant_forward(const ds_custom_io *io)
{
    io->out[0] = 1;
    return DSIM_OK;
}
static ds_result counting_reverse(const ds_custom_io *io)
{
    (void)io;
    custom_calls++;
    return DSIM_ERROR_SINGULAR;
}
static const ds_custom_type counting = { "counting", constant_forward, counting_reverse, NULL, NULL };

/* a zero adjoint contributes nothing, whatever the partial derivative: no function is called with 0 * inf */
static void test_zero_bars(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2);
    const ds_var y = ds_vars_at(ds_checkpoint(sine_of_first, NULL, &x, 1, 1), 0);
    const ds_var f = ds_select(ds_c(0), ds_div(y, ds_sub(x, x)), ds_mul(ds_c(3), x));
    TAP_OK(ds_backward(f) == DSIM_OK && ds_grad(x) == 3, "a checkpoint before a division by zero not taken");
    ds_tape_reset(t);
    x = ds_input(t, 2);
    custom_calls = 0;
    ds_custom(&counting, NULL, &x, 1, 1);
    ds_div(x, ds_sub(x, x));
    TAP_OK(ds_backward(ds_square(x)) == DSIM_OK && ds_tape_error(t)->code == DSIM_OK && custom_calls == 0,
           "nor is one called that has no part");
    ds_tape_reset(t);
    x = ds_input(t, 2);
    TAP_OK(ds_checkpoint(NULL, NULL, &x, 1, 1).n == 0 && ds_tape_error(t)->code == DSIM_ERROR_ARGUMENT,
           "a checkpoint without a body");
    TAP_HAS(ds_tape_error(t)->text, "ds_checkpoint: ", "by name");
    ds_tape_destroy(t);
}

static void test_checkpoint(void)
{
    ds_tape *t = ds_tape_create(NULL);
    pendulum p = { 0, 0, 0 };
    orders at[3];
    size_t nodes[3];
    for (int depth = 0; depth < 3; depth++) {
        ds_var x[3], f;
        ds_tape_reset(t);
        x[0] = ds_input(t, 1), x[1] = ds_input(t, 0.3), x[2] = ds_input(t, 2.5);
        f = rollout(t, x, depth, &p);
        nodes[depth] = ds_tape_get_info(t).nodes;
        at[depth] = all_orders(t, f, x, 3);
    }
    same_orders(&at[1], &at[0], "checkpoints");
    same_orders(&at[2], &at[0], "checkpoints within checkpoints");
    TAP_OK(nodes[1] < nodes[0] + 8 && nodes[2] < nodes[1], "the tape is shorter: %d, %d, %d nodes",
           (int)nodes[0], (int)nodes[1], (int)nodes[2]);
    for (p.fail = 1; p.fail <= 2; p.fail++) {
        ds_var x[3];
        ds_tape_reset(t);
        x[0] = ds_input(t, 1), x[1] = ds_input(t, 0.3), x[2] = ds_input(t, 2.5);
        TAP_OK(ds_backward(rollout(t, x, 1, &p)) ==
                   (p.fail == 1 ? DSIM_ERROR_CALLBACK : DSIM_ERROR_NON_FINITE),
               "a failing body, way %d", p.fail);
        TAP_HAS(ds_tape_error(t)->text, p.fail == 1 ? "returned an error" : "ds_input", "is told");
        TAP_HAS(ds_tape_error(t)->text, ds_result_text(ds_tape_error(t)->code), "with what to do");
    }
    p.fail = 3;
    {
        ds_var x[3];
        ds_tape_reset(t);
        x[0] = ds_input(t, 1), x[1] = ds_input(t, 0.3), x[2] = ds_input(t, 2.5);
        TAP_OK(ds_backward(rollout(t, x, 1, &p)) == DSIM_ERROR_CALLBACK, "a body that counts its calls");
        TAP_HAS(ds_tape_error(t)->text, "when recorded again", "is found out");
    }
    ds_tape_destroy(t);
}

int main(void)
{
    test_same_bits();
    test_set_input();
    test_torn();
    test_branch();
    test_reads();
    test_custom();
    test_custom_refusals();
    test_half_written();
    test_zero_bars();
    test_checkpoint();
    return tap_end();
}
