/* test_alloc.c - the allocator fails at every single allocation, once or from then on: each time a named
   error, nothing leaks, nothing is written to freed memory, and after a failure the work can be done again */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "counter.h"

#include <stdlib.h>

static ds_tape *make_tape(counter *c, int debug)
{
    ds_tape_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.allocator = allocator_of(c);
    desc.debug = debug;
    return ds_tape_create(&desc);
}

/* a scenario works on a counter and returns the first error; DSIM_OK only when its result is right */
typedef ds_result scenario(counter *c);

static ds_result expect(ds_tape *t, int right)
{
    if (ds_tape_error(t)->code) return ds_tape_error(t)->code;
    return right ? DSIM_OK : DSIM_ERROR_WRONG_GRADIENT;
}

static ds_result first_gradient(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        ds_var x = ds_input(t, 2), y = ds_input(t, 3), f = ds_mul(y, ds_square(x));
        r = ds_backward(f);
        if (!r) r = expect(t, ds_grad(x) == 12 && ds_grad(y) == 4);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result long_chain(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        ds_var x = ds_input(t, 1), f = x;
        for (int i = 0; i < 100000; i++) f = ds_add(f, i % 2 ? x : ds_neg(x));
        r = ds_backward(f);
        if (!r) r = expect(t, ds_grad(x) == 1);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result debug_tape(counter *c)
{
    ds_tape *t = make_tape(c, 1);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        ds_var x = ds_input(t, 1), f = x;
        for (int i = 0; i < 2000; i++) f = ds_sub(f, ds_mul(x, ds_c(0.5)));
        r = ds_backward(f);
        if (!r) r = expect(t, ds_grad(x) == -999);
    }
    ds_tape_destroy(t);
    return r;
}

/* the hash of the gradient of a layer and two lists by its weights */
static ds_result layer_gradient(ds_tape *t, uint64_t *hash)
{
    enum { N = 300 };
    static ds_real numbers[N * N], grads[N * N];
    static ds_var list[N];
    ds_vars w, x, b, y;
    ds_var f;
    ds_result r;
    for (int i = 0; i < N * N; i++) numbers[i] = (ds_real)(i % 7 - 3) / 8;
    w = ds_inputs(t, numbers, N * N);
    x = ds_inputs(t, numbers, N);
    b = ds_inputs(t, numbers, N);
    y = ds_vars_tanh(ds_affine(w, x, b));
    for (int i = 0; i < N; i++) list[i] = i % 3 ? ds_vars_at(y, (size_t)(N - 1 - i)) : ds_c(1);
    f = ds_add(ds_dot(list, list, N), ds_weighted_sum(numbers, list, N));
    r = ds_backward(f);
    if (!r) r = ds_grads(w, grads);
    *hash = r ? 0 : ds_hash_reals(grads, N * N, 0);
    return r;
}

static ds_result lists_and_blocks(counter *c)
{
    ds_tape *plain = ds_tape_create(NULL), *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    uint64_t right = 1, hash = 2;
    layer_gradient(plain, &right);
    ds_tape_destroy(plain);
    if (t) r = layer_gradient(t, &hash);
    if (!r) r = expect(t, hash == right);
    ds_tape_destroy(t);
    return r;
}

static ds_result rewind_loop(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        ds_var x = ds_input(t, 3), f = x;
        ds_mark mark = ds_tape_mark(t);
        for (int i = 1; i < 200 && !ds_tape_error(t)->code; i++) {
            ds_tape_rewind(t, mark);
            f = ds_square(x);
            for (int k = 0; k < 10 * i; k++) f = ds_add(f, ds_c(1));
            if (ds_backward(f)) break;
        }
        r = expect(t, ds_grad(x) == 6);
    }
    ds_tape_destroy(t);
    return r;
}

/* what failed once is done again on the same tape */
static ds_result try_again(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY, first = DSIM_OK;
    if (t) {
        for (int attempt = 0; attempt < 2; attempt++) {
            ds_var x, f;
            ds_tape_reset(t);
            x = f = ds_input(t, 2);
            for (int k = 0; k < 1000; k++) f = ds_add(f, x);
            r = ds_backward(f);
            if (!r) r = expect(t, ds_grad(x) == 1001);
            if (attempt == 0) first = r;
        }
        if (r && !c->for_good) r = DSIM_ERROR_WRONG_GRADIENT; /* the second attempt had all memory */
    }
    ds_tape_destroy(t);
    return first ? first : r;
}

static ds_result sphere(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += x[i] * x[i];
        if (grad) grad[i] = 2 * x[i];
    }
    return DSIM_OK;
}

static ds_result gradient_check(counter *c)
{
    const ds_real x[5] = { 1, 2, 3, 4, 5 };
    ds_check_desc desc;
    ds_check_report report;
    memset(&desc, 0, sizeof desc);
    desc.allocator = allocator_of(c);
    return ds_check_gradient(sphere, NULL, x, 5, &desc, &report);
}

static ds_result twice(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    (void)user, (void)n_in;
    for (size_t i = 0; i < n_out; i++) out[i] = 2 * in[i];
    return DSIM_OK;
}
static ds_result sphere_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    (void)x;
    return twice(user, v, n, Hv, n);
}

static ds_result hessian_and_adjoint_check(counter *c)
{
    const ds_real x[5] = { 1, 2, 3, 4, 5 };
    ds_problem p;
    ds_jacobian j;
    ds_check_desc desc;
    ds_check_report report;
    ds_result r;
    memset(&p, 0, sizeof p);
    p.n = j.n = j.m = 5;
    p.objective = sphere;
    p.hessian = sphere_hessian;
    j.user = NULL;
    j.tangent = j.adjoint = twice;
    memset(&desc, 0, sizeof desc);
    desc.allocator = allocator_of(c);
    r = ds_check_hessian(&p, x, &desc, &report);
    return r ? r : ds_check_adjoint(&j, &desc, &report);
}

/* x0^2 x1 + ... of so many additions that every array grows */
static ds_var cubic(const ds_var *x)
{
    ds_var f = ds_mul(ds_square(x[0]), x[1]);
    for (int i = 0; i < 400; i++) f = ds_add(f, ds_mul(x[0], ds_c(1)));
    return f;
}

static ds_result second_derivatives(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        const ds_real direction[2] = { 1, 1 };
        ds_real H[4], v[2];
        const ds_var x[2] = { ds_input(t, 2), ds_input(t, 3) };
        r = ds_hessian(cubic(x), x, 2, H);
        if (!r) r = ds_hessian_vector(cubic(x), x, direction, 2, v);
        if (!r) r = expect(t, H[0] == 6 && H[1] == 4 && H[3] == 0 && v[0] == 10 && v[1] == 4);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result a_direction(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        const ds_real direction[2] = { 1, 1 };
        const ds_var x[2] = { ds_input(t, 2), ds_input(t, 3) }, f = cubic(x);
        r = ds_forward(x, direction, 2);
        if (!r) r = expect(t, ds_tangent(f) == 12 + 4 + 400);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result a_replay(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        const ds_var x[2] = { ds_input(t, 2), ds_input(t, 3) }, f = cubic(x);
        r = ds_set_input(x[1], 5);
        if (!r) r = ds_replay(t);
        if (!r) r = expect(t, ds_value(f) == 20 + 800);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result sum_forward(const ds_custom_io *io)
{
    for (size_t i = 0; i < io->n_in; i++) io->out[0] += io->in[i];
    return DSIM_OK;
}
static ds_result sum_reverse(const ds_custom_io *io)
{
    for (size_t i = 0; i < io->n_in; i++) io->in_bar[i] += io->out_bar[0];
    return DSIM_OK;
}

static ds_result custom_nodes(counter *c)
{
    static const ds_custom_type type = { "sum", sum_forward, sum_reverse, NULL, NULL };
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    if (t) {
        ds_var x[2], f;
        x[0] = ds_input(t, 2);
        x[1] = f = ds_input(t, 3);
        for (int i = 0; i < 300; i++) x[1] = ds_vars_at(ds_custom(&type, NULL, x, 2, 1), 0);
        r = ds_backward(x[1]);
        if (!r) r = expect(t, ds_grad(x[0]) == 300 && ds_grad(f) == 1);
    }
    ds_tape_destroy(t);
    return r;
}

/* twice its input, perhaps by way of a segment that does the same: user says how often */
static ds_result double_it(void *user, ds_tape *tape, const ds_var *in, ds_var *out)
{
    static int fewer[] = { 0, 0, 1 };
    const int depth = *(const int *)user;
    (void)tape;
    out[0] = in[0];
    if (depth) out[0] = ds_vars_at(ds_checkpoint(double_it, &fewer[depth], in, 1, 1), 0);
    for (int i = 0; i < 300; i++) out[0] = ds_add(out[0], ds_c(0));
    out[0] = ds_mul(out[0], ds_c(2));
    return DSIM_OK;
}

static ds_result checkpoints(counter *c)
{
    ds_tape *t = make_tape(c, 0);
    ds_result r = DSIM_ERROR_MEMORY;
    int depth = 2;
    if (t) {
        const ds_var x = ds_input(t, 3);
        const ds_var f = ds_vars_at(ds_checkpoint(double_it, &depth, &x, 1, 1), 0);
        r = ds_tape_error(t)->code ? ds_tape_error(t)->code : ds_backward(f);
        if (!r) r = expect(t, ds_value(f) == 24 && ds_grad(x) == 8);
    }
    ds_tape_destroy(t);
    return r;
}

static ds_result arena_of_blocks(counter *c)
{
    const ds_allocator allocator = allocator_of(c);
    ds_result r = DSIM_OK;
    ds_arena arena;
    ds_arena_create(&arena, &allocator, 256);
    for (int i = 0; i < 50 && !r; i++) {
        const ds_arena_place place = ds_arena_mark(&arena);
        char *p = (char *)ds_arena_alloc(&arena, (size_t)(i + 1), 10);
        if (!p) r = arena.error.code;
        else if (p[0] || p[10 * i + 9]) r = DSIM_ERROR_WRONG_GRADIENT; /* not zeroed */
        else memset(p, 1, (size_t)(10 * i + 10));
        if (i % 3 == 0 && ds_arena_release(&arena, place)) r = DSIM_ERROR_WRONG_GRADIENT;
    }
    ds_arena_destroy(&arena);
    return r;
}

static const struct { const char *name; scenario *run; } scenarios[] = {
    { "the first gradient", first_gradient },
    { "a chain of 100000", long_chain },
    { "a debug tape", debug_tape },
    { "lists and blocks", lists_and_blocks },
    { "a rewind loop", rewind_loop },
    { "trying again", try_again },
    { "a gradient check", gradient_check },
    { "checks of a Hessian and of an adjoint", hessian_and_adjoint_check },
    { "an arena", arena_of_blocks },
    { "a Hessian", second_derivatives },
    { "a direction", a_direction },
    { "a replay", a_replay },
    { "custom nodes", custom_nodes },
    { "checkpoints in checkpoints", checkpoints },
};

int main(void)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        for (int for_good = 0; for_good < 2; for_good++) {
            size_t k, points = 0;
            int named = 1, clean = 1, done = 0;
            for (k = 1; k < 1000 && !done; k++) {
                counter c;
                ds_result r;
                memset(&c, 0, sizeof c);
                c.fail_at = k;
                c.for_good = for_good;
                r = scenarios[i].run(&c);
                clean &= !c.live && !c.blocks && !c.wrong;
                done = c.calls < k; /* the failure was never reached: all went well */
                if (done) named &= r == DSIM_OK;
                else named &= r == DSIM_ERROR_MEMORY, points++;
            }
            TAP_OK(named && done && points > 0, "%s, failing %s: %d points, each a named error",
                   scenarios[i].name, for_good ? "for good" : "once", (int)points);
            TAP_OK(clean, "%s, failing %s: nothing leaks, sizes are right", scenarios[i].name,
                   for_good ? "for good" : "once");
        }
    return tap_end();
}
