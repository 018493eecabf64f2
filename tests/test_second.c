/* test_second.c - tangents and second derivatives of every row, of lists, blocks and whole programs: tangent
   against gradient, Hessian against differences of the gradient, and its symmetry */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { MOST = 24 }; /* inputs of one function */

/* A function of n numbers, recorded from single variables. */
typedef struct scene {
    const char *name;
    size_t n;
    double low[3], high[3];
    ds_var (*record)(ds_tape *t, const ds_var *x);
} scene;

/* every row as a function of single numbers: f = w + w^2 / 2 of a weighted sum w of its components */
static ds_var weigh(const ds_var *out, size_t n)
{
    ds_var w = ds_c(0);
    for (size_t i = 0; i < n; i++) w = ds_fma(ds_c(cos((double)i + 1)), out[i], w);
    return ds_fma(ds_mul(ds_c(0.5), w), w, w);
}
static ds_var weigh_r1(ds_var v) { return weigh(&v, 1); }
static ds_var weigh_r3(ds_var3 v)
{
    const ds_var out[3] = { ds_x(v), ds_y(v), ds_z(v) };
    return weigh(out, 3);
}
static ds_var weigh_r4(ds_var4 v)
{
    const ds_var3 u = ds_vector_part(v);
    const ds_var out[4] = { ds_scalar_part(v), ds_x(u), ds_y(u), ds_z(u) };
    return weigh(out, 4);
}
static ds_var weigh_r9(ds_var33 v)
{
    ds_var out[9];
    for (size_t i = 0; i < 3; i++) {
        const ds_var3 r = ds_row(v, i);
        out[3 * i] = ds_x(r), out[3 * i + 1] = ds_y(r), out[3 * i + 2] = ds_z(r);
    }
    return weigh(out, 9);
}
static ds_var take_r1(const ds_var **x) { return *(*x)++; }
static ds_var3 take_r3(const ds_var **x)
{
    *x += 3;
    return ds_pack3((*x)[-3], (*x)[-2], (*x)[-1]);
}
static ds_var4 take_r4(const ds_var **x)
{
    const ds_var w = take_r1(x);
    return ds_pack4(w, take_r3(x));
}
static ds_var33 take_r9(const ds_var **x)
{
    const ds_var3 a = take_r3(x), b = take_r3(x);
    return ds_pack33(a, b, take_r3(x));
}

#define DSI_EACH_1(name, R, A) \
    static ds_var scene_##name(ds_tape *t, const ds_var *x) \
    { \
        (void)t; \
        return weigh_##R((ds_##name)(take_##A(&x))); \
    }
#define DSI_EACH_2(name, R, A, B) \
    static ds_var scene_##name(ds_tape *t, const ds_var *x) \
    { \
        DSI_HANDLE_##A a = take_##A(&x); \
        (void)t; \
        return weigh_##R((ds_##name)(a, take_##B(&x))); \
    }
#define DSI_EACH_3(name, R, A, B, C) \
    static ds_var scene_##name(ds_tape *t, const ds_var *x) \
    { \
        DSI_HANDLE_##A a = take_##A(&x); \
        DSI_HANDLE_##B b = take_##B(&x); \
        (void)t; \
        return weigh_##R((ds_##name)(a, b, take_##C(&x))); \
    }
DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* lists, blocks, constants, views, shared operands */
static ds_var every_list(ds_tape *t, const ds_var *x)
{
    const ds_real w[4] = { 1, -2, (ds_real)0.5, 3 };
    ds_var3 p[2];
    const ds_var gaps[3] = { x[4], ds_mul(x[1], x[2]), ds_c(2) };
    (void)t;
    p[0] = ds_pack3(x[0], x[1], x[2]);
    p[1] = ds_pack3(x[3], ds_sin(x[0]), x[4]);
    p[0] = ds_cross3(ds_sum3(p, 2), ds_weighted_sum3(w, p, 2));
    return ds_add(ds_mul(ds_weighted_sum(w, x, 4), ds_dot(x, x + 1, 4)),
                  ds_mul(ds_add(ds_dot3(p[0], p[1]), ds_sum(gaps, 3)), ds_dot(gaps, x, 3)));
}

static ds_var every_block(ds_tape *t, const ds_var *x)
{
    const ds_real numbers[8] = { 1, (ds_real)-0.5, (ds_real)0.3, 2, (ds_real)0.1, (ds_real)0.7, 0, -1 };
    ds_vars in = ds_inputs(t, numbers, 8);
    ds_vars x4 = { 0 };
    ds_vars y;
    x4.rec = x[0].rec, x4.at = x[0].at, x4.n = 4; /* the inputs follow each other */
    y = ds_vars_tanh(ds_affine(ds_vars_slice(in, 0, 4), ds_vars_slice(x4, 0, 2), ds_vars_slice(x4, 2, 2)));
    y = ds_vars_tanh(ds_affine(x4, y, ds_vars_slice(in, 4, 2)));
    return ds_mul(ds_add(ds_vars_at(y, 0), x[1]), ds_vars_at(y, 1));
}

static ds_var constants(ds_tape *t, const ds_var *x)
{
    (void)t;
    return ds_add(ds_mul(ds_pow(ds_neg(x[0]), ds_c(2)), ds_powi(ds_c(1.5), ds_c(2))),
                  ds_fma(ds_c(2), ds_select(ds_gt(x[0], x[1]), ds_square(x[1]), ds_mul(x[0], x[1])),
                         ds_div(ds_pow(ds_c(2), x[1]), ds_smooth_max(x[0], ds_c(0.5), ds_c(3)))));
}

/* the square root that is not taken has no finite derivative at 0 */
static ds_var not_taken(ds_tape *t, const ds_var *x)
{
    const ds_var zero = ds_sub(x[0], x[0]);
    (void)t;
    return ds_mul(x[1], ds_select(ds_gt(zero, ds_c(0)), ds_sqrt(zero), ds_mul(x[0], ds_exp(x[1]))));
}

static ds_var long_chain(ds_tape *t, const ds_var *x)
{
    ds_var f = x[0];
    (void)t;
    for (int i = 0; i < 50; i++) f = ds_sin(ds_fma(f, x[1], ds_mul(x[2], ds_c(0.1))));
    return f;
}

/* composites, and what is made of them; weights far apart, so that f is no symmetric function of values */
static ds_var33 matrix_of(const ds_var *x)
{
    const ds_var *at = x;
    return take_r9(&at);
}
static ds_var polar(ds_tape *t, const ds_var *x)
{
    (void)t;
    return weigh_r9(ds_polar33(matrix_of(x)));
}
static ds_var stretch(ds_tape *t, const ds_var *x)
{
    (void)t;
    return weigh_r1(ds_stretch33(matrix_of(x)));
}
static ds_var eigen(ds_tape *t, const ds_var *x)
{
    ds_var3 w;
    ds_var33 v;
    (void)t;
    ds_symmetric_eigen33(matrix_of(x), &w, &v);
    return ds_add(weigh_r3(w), weigh_r9(v));
}
static ds_var svd(ds_tape *t, const ds_var *x)
{
    ds_var3 s;
    ds_var33 u, v;
    (void)t;
    ds_svd33(matrix_of(x), &u, &s, &v);
    return ds_add(ds_add(weigh_r9(u), weigh_r3(s)), weigh_r9(v));
}
/* |F - R|^2 through R, and fixed corotated elasticity */
static ds_var arap(ds_tape *t, const ds_var *x)
{
    const ds_var33 F = matrix_of(x), D = ds_sub33(F, ds_polar33(F));
    (void)t;
    return ds_ddot33(D, D);
}
static ds_var corotated(ds_tape *t, const ds_var *x)
{
    const ds_var33 F = matrix_of(x);
    const ds_var J = ds_det33(F), first = ds_fma(ds_c(-2), ds_stretch33(F), ds_ddot33(F, F));
    (void)t;
    return ds_fma(ds_c(3), ds_square(ds_sub(J, ds_c(1))), first);
}
static ds_result polar_segment(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)user;
    out[0] = polar(t, in);
    return DSIM_OK;
}
static ds_var polar_in_a_checkpoint(ds_tape *t, const ds_var *x)
{
    (void)t;
    return ds_vars_at(ds_checkpoint(polar_segment, NULL, x, 9, 1), 0);
}
static ds_var every_22(ds_tape *t, const ds_var *x)
{
    ds_var a[4], r[4], b[4];
    (void)t;
    ds_inverse22(x, a);
    ds_polar22(x, r);
    ds_mul22(a, r, b);
    ds_mul22(b, x, b);
    return ds_add(ds_add(weigh(b, 4), weigh(r, 4)), ds_mul(ds_det22(x), ds_stretch22(x)));
}

static const scene scenes[] = {
#define DSI_ROW(name, value, da, shape, la, ha) { #name, 1, { la, 0, 0 }, { ha, 0, 0 }, scene_##name },
    DSI_OPS_1(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, shape, la, ha, lb, hb) \
    { #name, 2, { la, lb, 0 }, { ha, hb, 0 }, scene_##name },
    DSI_OPS_2(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    { #name, 3, { la, lb, lc }, { ha, hb, hc }, scene_##name },
    DSI_OPS_3(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, R, A, value, da, shape) \
    { #name, DSI_WIDTH(A), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
    DSI_VOPS_1(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, R, A, B, value, da, db, shape) \
    { #name, DSI_WIDTH(A) + DSI_WIDTH(B), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
    DSI_VOPS_2(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, R, A, B, C, value, da, db, dc, shape) \
    { #name, DSI_WIDTH(A) + DSI_WIDTH(B) + DSI_WIDTH(C), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
    DSI_VOPS_3(DSI_ROW)
#undef DSI_ROW
    { "polar33", 9, { -1, -1, -1 }, { 1, 1, 1 }, polar },
    { "stretch33", 9, { -1, -1, -1 }, { 1, 1, 1 }, stretch },
    { "symmetric_eigen33", 9, { -1, -1, -1 }, { 1, 1, 1 }, eigen },
    { "svd33", 9, { -1, -1, -1 }, { 1, 1, 1 }, svd },
    { "arap", 9, { -1, -1, -1 }, { 1, 1, 1 }, arap },
    { "corotated", 9, { -1, -1, -1 }, { 1, 1, 1 }, corotated },
    { "polar_in_a_checkpoint", 9, { -1, -1, -1 }, { 1, 1, 1 }, polar_in_a_checkpoint },
    { "2x2", 4, { 0.3, -0.6, -0.2 }, { 1.5, -0.1, 0.2 }, every_22 },
    { "lists", 5, { -1, -1, -1 }, { 1, 1, 1 }, every_list },
    { "blocks", 4, { -1, -1, -1 }, { 1, 1, 1 }, every_block },
    { "constants", 2, { 0.3, 0.3, 0 }, { 1.5, 1.5, 0 }, constants },
    { "a branch not taken", 2, { 0.3, 0.3, 0 }, { 1.5, 1.5, 0 }, not_taken },
    { "a long chain", 3, { 0.3, 0.8, 0.3 }, { 1.5, 0.9, 1.5 }, long_chain },
};

static int is_one_of(const char *name, const char *list)
{
    const char *at = strstr(list, name);
    const size_t n = strlen(name);
    for (; at; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return 1;
    return 0;
}

static ds_var record(const scene *s, ds_tape *t, const double *at, ds_var *x)
{
    ds_tape_reset(t);
    for (size_t i = 0; i < s->n; i++) x[i] = ds_input(t, at[i]);
    return s->record(t, x);
}

static int gradient(const scene *s, ds_tape *t, const double *at, double *out)
{
    ds_var x[MOST];
    if (ds_backward(record(s, t, at, x))) return 0;
    for (size_t i = 0; i < s->n; i++) out[i] = (double)ds_grad(x[i]);
    return 1;
}

/* the largest difference of H from its transpose and from differences of the gradient, relative */
typedef struct errors {
    double tangent, symmetry, difference, product;
} errors;

static int examine(const scene *s, ds_tape *t, const double *at, const double *direction, errors *e)
{
    ds_var x[MOST];
    double up[MOST], down[MOST], scale = 1, sum = 0;
    ds_real H[MOST * MOST], v[MOST], Hv[MOST];
    const size_t n = s->n;
    const double h = IS_FLOAT ? 1e-2 : 1e-5;
    const ds_var f = record(s, t, at, x);
    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < n; i++) v[i] = (ds_real)direction[i];
    if (ds_backward(f) || ds_forward(x, v, n)) return 0;
    for (size_t i = 0; i < n; i++) sum += (double)ds_grad(x[i]) * (double)v[i];
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)ds_grad(x[i]) * (double)v[i]));
    e->tangent = fabs((double)ds_tangent(f) - sum) / scale;
    if (ds_hessian(f, x, n, H) || ds_hessian_vector(f, x, v, n, Hv)) return 0;
    for (size_t i = 0; i < n * n; i++) scale = fmax(scale, fabs((double)H[i]));
    for (size_t i = 0; i < n; i++) {
        double moved[MOST], product = 0;
        memcpy(moved, at, sizeof moved);
        moved[i] = at[i] + h;
        if (!gradient(s, t, moved, up)) return 0;
        moved[i] = at[i] - h;
        if (!gradient(s, t, moved, down)) return 0;
        for (size_t j = 0; j < n; j++) {
            const double want = (up[j] - down[j]) / (2 * h);
            e->symmetry = fmax(e->symmetry, fabs((double)(H[i * n + j] - H[j * n + i])) / scale);
            e->difference = fmax(e->difference, fabs((double)H[i * n + j] - want) / scale);
            product += (double)H[i * n + j] * (double)v[j];
        }
        e->product = fmax(e->product, fabs(product - (double)Hv[i]) / scale);
    }
    return 1;
}

static double uniform(ds_rng *r, double low, double high)
{
    return low + (high - low) * (double)ds_rng_uniform(r);
}

/* what has no derivative, and what has another one on purpose */
#define NO_DERIVATIVE "sign floor lt le gt ge eq ne powi"
#define ON_PURPOSE "stop_gradient"
#define FAR "inverse33 polar33 stretch33 symmetric_eigen33 svd33 arap corotated polar_in_a_checkpoint"

static void test_scenes(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(7, 0);
    const double exact = IS_FLOAT ? 3e-5 : 1e-12, close = IS_FLOAT ? 3e-2 : 1e-7;
    size_t k;
    for (k = 0; k < sizeof scenes / sizeof scenes[0]; k++) {
        const scene *s = scenes + k;
        errors worst = { 0, 0, 0, 0 };
        int all = 1;
        if (is_one_of(s->name, NO_DERIVATIVE)) continue;
        for (int trial = 0; trial < 20; trial++) {
            double at[MOST] = { 0 }, direction[MOST];
            errors e;
            for (size_t i = 0; i < s->n; i++) {
                at[i] = uniform(&rng, s->low[i % 3], s->high[i % 3]);
                direction[i] = uniform(&rng, -1, 1);
            }
            /* far from singular, values apart */
            if (is_one_of(s->name, FAR)) at[0] += 2, at[4] += 4, at[8] += 7;
            if (is_one_of(s->name, "2x2")) at[3] += 1;
            all &= examine(s, t, at, direction, &e);
            worst.tangent = fmax(worst.tangent, e.tangent);
            worst.symmetry = fmax(worst.symmetry, e.symmetry);
            worst.product = fmax(worst.product, e.product);
            /* a kink within the step of the difference is no error */
            if (e.difference < 1e-2 || !is_one_of(s->name, "abs min max relu clamp select smooth_step"))
                worst.difference = fmax(worst.difference, e.difference);
        }
        if (!TAP_OK(all, "%s: everything returns OK", s->name)) tap_diag("%s", ds_tape_error(t)->text);
        TAP_OK(worst.tangent <= exact, "%s: tangent = gradient . direction (%.1e)", s->name, worst.tangent);
        TAP_OK(worst.symmetry <= exact, "%s: H = H' (%.1e)", s->name, worst.symmetry);
        TAP_OK(worst.product <= exact, "%s: H v in one sweep = the matrix times v (%.1e)", s->name,
               worst.product);
        TAP_OK(worst.difference <= close || is_one_of(s->name, ON_PURPOSE),
               "%s: H = differences of the gradient (%.1e)", s->name, worst.difference);
    }
    ds_tape_destroy(t);
}

/* Known second derivatives. */
static void test_closed_forms(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const double a = 0.7, b = -1.3;
    const ds_var x[2] = { ds_input(t, a), ds_input(t, b) };
    const ds_var f = ds_mul(ds_exp(x[0]), ds_sin(x[1])); /* e^a sin b */
    ds_real H[4], dot[2] = { 2, 0 }, out[2];
    TAP_OK(ds_hessian(f, x, 2, H) == DSIM_OK, "a Hessian without ds_backward before");
    TAP_NEAR(H[0], exp(a) * sin(b), IS_FLOAT ? 1e-6 : 1e-15, "d2f/da2");
    TAP_NEAR(H[1], exp(a) * cos(b), IS_FLOAT ? 1e-6 : 1e-15, "d2f/dadb");
    TAP_NEAR(H[3], -exp(a) * sin(b), IS_FLOAT ? 1e-6 : 1e-15, "d2f/db2");
    TAP_NEAR(ds_grad(x[0]), exp(a) * sin(b), IS_FLOAT ? 1e-6 : 1e-15, "the gradient is there afterwards");
    TAP_OK(ds_hessian_vector(f, x, dot, 2, out) == DSIM_OK && out[0] == 2 * H[0] && out[1] == 2 * H[1],
           "H v is linear in v");
    TAP_OK(ds_forward(x, dot, 2) == DSIM_OK && ds_tangent(x[0]) == 2 && ds_tangent(ds_c(3)) == 0,
           "tangents of an input and of a constant");
    TAP_OK(ds_value(f) == ds_value(f) && ds_tangent(ds_input(t, 1)) != ds_tangent(x[0]),
           "what is recorded later has no tangent");
    ds_tape_destroy(t);
}

/* a Hessian takes the gradient that is there only if it is of the same f */
static void test_gradient_of_another(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 2), f = ds_mul(x, ds_square(x)), g = ds_sin(x);
    const ds_real seed = 5;
    ds_real H;
    ds_backward(f);
    ds_backward_many(&g, &seed, 1);
    TAP_OK(ds_hessian(f, &x, 1, &H) == DSIM_OK && H == 12, "a gradient with seeds in between");
    ds_backward(g);
    TAP_OK(ds_hessian(f, &x, 1, &H) == DSIM_OK && H == 12, "a gradient of another variable in between");
    TAP_OK(ds_grad(x) == 12, "the gradient is that of f afterwards");
    ds_tape_destroy(t);
}

/* What is refused, and what that leaves. */
static void test_refusals(void)
{
    ds_tape *t = ds_tape_create(NULL), *other = ds_tape_create(NULL);
    ds_var x = ds_input(t, 1.5), y = ds_input(other, 1);
    ds_real one = 1, out = 7, nan_direction = (ds_real)NAN;
    ds_var f = ds_mul(ds_floor(x), x);
    const ds_var mixed[2] = { x, y };
    const ds_real two[2] = { 1, 1 };

    TAP_OK(ds_forward(NULL, &one, 1) == DSIM_ERROR_ARGUMENT && ds_forward(&x, NULL, 1) == DSIM_ERROR_ARGUMENT,
           "NULL is refused");
    TAP_OK(ds_hessian(f, &x, 1, NULL) == DSIM_ERROR_ARGUMENT, "nowhere to write is refused");
    TAP_OK(ds_forward(&x, &one, 1) == DSIM_OK && isnan((double)ds_tangent(f)), "floor has no tangent: NaN");
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_NOT_DIFFERENTIABLE, "and the tape says why");
    TAP_HAS(ds_tape_error(t)->text, "'floor'", "by name");

    ds_tape_reset(t);
    x = ds_input(t, 0);
    f = ds_sqrt(x);
    TAP_OK(ds_forward(&x, &one, 1) == DSIM_OK && isinf((double)ds_tangent(f)), "sqrt at 0 moves infinitely");
    TAP_HAS(ds_tape_error(t)->text, "'sqrt'", "which is an error with a name, too");

    ds_tape_reset(t);
    x = ds_input(t, 1.5);
    f = ds_mul(ds_floor(x), x);
    TAP_OK(ds_hessian(f, &x, 1, &out) == DSIM_ERROR_NOT_DIFFERENTIABLE && out == 7,
           "a Hessian through floor is refused, out stays");
    ds_tape_reset(t);
    x = ds_input(t, 1.5);
    TAP_OK(ds_forward(mixed, two, 2) == DSIM_ERROR_STALE, "a stale variable is refused");
    ds_tape_reset(t);
    x = ds_input(t, 1.5);
    {
        const ds_var both[2] = { x, y };
        TAP_OK(ds_forward(both, two, 2) == DSIM_ERROR_MIXED && ds_tape_error(t)->index == 2,
               "a variable of another tape is refused with its number");
    }
    ds_tape_reset(t);
    x = ds_input(t, 1.5);
    f = ds_square(x);
    TAP_OK(ds_hessian_vector(f, &x, &nan_direction, 1, &out) == DSIM_ERROR_NON_FINITE && out == 7,
           "a NaN direction is refused");
    ds_tape_reset(t);
    x = ds_input(t, 0);
    f = ds_pow(x, ds_c(1.5));
    TAP_OK(ds_backward(f) == DSIM_OK && ds_grad(x) == 0, "x^1.5 has a first derivative at 0");
    TAP_OK(ds_hessian(f, &x, 1, &out) == DSIM_ERROR_NON_FINITE, "but no second: refused");
    TAP_HAS(ds_tape_error(t)->text, "ds_hessian", "with a sentence");
    ds_tape_destroy(t);
    ds_tape_destroy(other);
}

/* all numbers of rows that go together: f = sum of x[i] x[i + 1]^2 / 2 */
static void test_sizes(void)
{
    enum { ROWS = 35 };
    static ds_real H[ROWS * ROWS];
    ds_tape *t = ds_tape_create(NULL);
    for (size_t n = 2; n <= ROWS; n++) {
        ds_var x[ROWS], f = ds_c(0);
        int right = 1;
        ds_tape_reset(t);
        for (size_t i = 0; i < n; i++) x[i] = ds_input(t, (double)i + 1);
        for (size_t i = 0; i + 1 < n; i++) {
            const ds_var half = ds_mul(ds_c(0.5), ds_square(x[i + 1]));
            f = ds_fma(x[i], half, f);
        }
        right = ds_hessian(f, x, n, H) == DSIM_OK;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                const size_t up = i > j ? i : j;
                const size_t apart = 2 * up - i - j;
                const ds_real expected = apart == 0 ? (ds_real)i : apart == 1 ? (ds_real)up + 1 : 0;
                right &= H[i * n + j] == expected;
            }
        TAP_OK(right, "all entries of a Hessian of %d rows", (int)n);
    }
    ds_tape_destroy(t);
}

/* one row of many has an infinite entry that a zero drops: that one goes alone, and is right */
static void test_zero_times_infinity(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const ds_var x[3] = { ds_input(t, 0), ds_input(t, 2), ds_input(t, 3) };
    const ds_var taken = ds_mul(ds_square(x[1]), x[2]);
    const ds_var f = ds_select(ds_gt(x[0], ds_c(0)), ds_log(x[0]), taken);
    ds_real H[9];
    TAP_OK(ds_hessian(f, x, 3, H) == DSIM_OK && H[0] == 0 && H[4] == 6 && H[5] == 4 && H[7] == 4 && H[8] == 0,
           "the branch not taken says nothing in second derivatives");
    ds_tape_destroy(t);
}

/* smooth_norm3 with a constant b: every component of a is a variable */
static void test_constant_beside_a_vector(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const ds_var3 a = ds_input3(t, ds_v3_make(2, 3, 6));
    const ds_var x[3] = { ds_x(a), ds_y(a), ds_z(a) };
    ds_real H[9];
    const ds_result result = ds_hessian(ds_smooth_norm3(a, ds_c(sqrt(32.0))), x, 3, H); /* v = 9 */
    double worst = 0;
    for (int i = 0; i < 9; i++) {
        const double size[3] = { 2, 3, 6 };
        const double expected = ((i % 4 == 0) - size[i / 3] * size[i % 3] / 81) / 9;
        worst = fmax(worst, fabs((double)H[i] - expected));
    }
    TAP_OK(result == DSIM_OK && worst < (sizeof(ds_real) == 4 ? 1e-6 : 1e-15),
           "smooth_norm3(a, constant): (1 - a a' / v^2) / v (%.1e)", worst);
    ds_tape_destroy(t);
}

/* a tape in a block of the caller's */
static void test_fixed(void)
{
    static double block[2000];
    ds_tape_desc desc;
    ds_real H[4];
    for (size_t directions = 0; directions <= 8; directions = directions * 7 + 1) { /* 0, 1, 8 */
        ds_tape *t;
        memset(&desc, 0, sizeof desc);
        desc.max_nodes = 20;
        desc.max_values = 40;
        desc.directions = directions;
        t = ds_tape_init(block, sizeof block, &desc);
        if (!TAP_OK(t != NULL, "a fixed tape, directions %d", (int)directions)) return;
        {
            const ds_var x[2] = { ds_input(t, 2), ds_input(t, 3) };
            const ds_result result = ds_hessian(ds_mul(ds_square(x[0]), x[1]), x, 2, H);
            if (directions)
                TAP_OK(result == DSIM_OK && H[0] == 6 && H[1] == 4 && H[3] == 0, "has a Hessian");
            else TAP_OK(result == DSIM_ERROR_FULL, "without room for directions it is refused");
            if (!directions) TAP_HAS(ds_tape_error(t)->text, "desc.directions", "with what to do");
        }
    }
}

/* after rewinds and growth the order of the nodes is found anew */
static void test_rewind(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2), f = ds_square(x);
    const ds_real one = 1;
    ds_real H;
    for (int round = 0; round < 3; round++) {
        const ds_mark mark = ds_tape_mark(t);
        ds_var g = f;
        for (int i = 0; i < 300 * round; i++) g = ds_add(g, ds_c(0));
        g = ds_mul(g, x);
        TAP_OK(ds_hessian(g, &x, 1, &H) == DSIM_OK && H == 12, "(x^3)'' at 2, round %d", round);
        TAP_OK(ds_forward(&x, &one, 1) == DSIM_OK && ds_tangent(g) == 12, "(x^3)' at 2, round %d", round);
        TAP_OK(ds_tape_rewind(t, mark) == DSIM_OK && ds_tangent(x) == 1, "x keeps its tangent in a rewind");
    }
    ds_tape_destroy(t);
}

int main(void)
{
    test_scenes();
    test_closed_forms();
    test_gradient_of_another();
    test_refusals();
    test_sizes();
    test_zero_times_infinity();
    test_constant_beside_a_vector();
    test_fixed();
    test_rewind();
    return tap_end();
}
