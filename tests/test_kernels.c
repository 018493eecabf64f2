/* test_kernels.c - every row of the table as the body of a kernel: value, adjoint, tangent, gradient, Hessian
   and the derivatives of derivatives agree with the tape's in every lane, at smooth points and at edges */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "launches.h"

#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { MOST = 20, LANES = 41 }; /* coordinates of a body; lanes, not a whole number of strides */

/* A function of n numbers, recorded on a tape or in a kernel. */
typedef struct scene {
    const char *name;
    size_t n;
    double low[3], high[3];
    ds_var (*record)(const ds_var *x);
} scene;

/* every row as a function of single numbers: w + w^2 / 2 of a weighted sum w of its components. The operands
   are made one after the other: C leaves the order of arguments open. */
static ds_var weigh(const ds_var *out, size_t n)
{
    ds_var w = ds_c(0), half;
    for (size_t i = 0; i < n; i++) w = ds_fma(ds_c(1 / (double)(i + 1)), out[i], w);
    half = ds_mul(ds_c(0.5), w);
    return ds_fma(half, w, w);
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
    const ds_var3 a = take_r3(x), b = take_r3(x), c = take_r3(x);
    return ds_pack33(a, b, c);
}

#define DSI_EACH_1(name, R, A) \
    static ds_var scene_##name(const ds_var *x) { return weigh_##R((ds_##name)(take_##A(&x))); }
#define DSI_EACH_2(name, R, A, B) \
    static ds_var scene_##name(const ds_var *x) \
    { \
        DSI_HANDLE_##A a = take_##A(&x); \
        DSI_HANDLE_##B b = take_##B(&x); \
        return weigh_##R((ds_##name)(a, b)); \
    }
#define DSI_EACH_3(name, R, A, B, C) \
    static ds_var scene_##name(const ds_var *x) \
    { \
        DSI_HANDLE_##A a = take_##A(&x); \
        DSI_HANDLE_##B b = take_##B(&x); \
        DSI_HANDLE_##C c = take_##C(&x); \
        return weigh_##R((ds_##name)(a, b, c)); \
    }
DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* lists, constants as operands, powers that become products */
static ds_var every_list(const ds_var *x)
{
    const ds_real w[4] = { 1, -2, (ds_real)0.5, 3 };
    const ds_var gaps[3] = { x[4], ds_mul(x[1], x[2]), ds_c(2) };
    ds_var3 p[2], q;
    ds_var a, b, c;
    p[0] = ds_pack3(x[0], x[1], x[2]);
    p[1] = ds_pack3(x[3], ds_sin(x[0]), x[4]);
    q = ds_sum3(p, 2);
    q = ds_cross3(q, ds_weighted_sum3(w, p, 2));
    a = ds_weighted_sum(w, x, 4);
    a = ds_mul(a, ds_dot(x, x + 1, 4));
    b = ds_dot3(q, p[1]);
    b = ds_add(b, ds_sum(gaps, 3));
    c = ds_dot(gaps, x, 3);
    return ds_fma(b, c, a);
}
static ds_var powers(const ds_var *x)
{
    const double exponent[] = { -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4 };
    ds_var sum = ds_c(0);
    for (size_t i = 0; i < sizeof exponent / sizeof exponent[0]; i++)
        sum = ds_fma(x[1], ds_pow(x[0], ds_c(exponent[i])), sum);
    return ds_add(sum, ds_pow(ds_c(2), x[1]));
}
static ds_var integer_powers(const ds_var *x)
{
    ds_var sum = x[1];
    for (int i = -3; i < 6; i++) sum = ds_fma(sum, ds_c(0.125), ds_powi(x[0], ds_c(i)));
    return sum;
}
static ds_var constants(const ds_var *x)
{
    const ds_var a = ds_mul(ds_sub(ds_c(1), x[0]), ds_div(x[1], ds_c(4)));
    const ds_var b = ds_div(ds_c(3), ds_sub(x[0], ds_c(-2)));
    const ds_var c = ds_smooth_max(ds_neg(x[0]), ds_c(0.5), ds_c(3));
    return ds_sub(ds_fma(a, b, ds_neg(c)), ds_mul(ds_c(-1), ds_neg(x[1])));
}
static ds_var long_chain(const ds_var *x)
{
    ds_var f = x[0];
    for (int i = 0; i < 12; i++) f = ds_sin(ds_fma(f, x[1], ds_mul(x[2], ds_c(0.1))));
    return f;
}

#define DSI_ROW1(name, value, da, shape, la, ha) { #name, 1, { la, 0, 0 }, { ha, 0, 0 }, scene_##name },
#define DSI_ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    { #name, 2, { la, lb, 0 }, { ha, hb, 0 }, scene_##name },
#define DSI_ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    { #name, 3, { la, lb, lc }, { ha, hb, hc }, scene_##name },
#define DSI_ROW_V1(name, R, A, value, da, shape) \
    { #name, DSI_WIDTH(A), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
#define DSI_ROW_V2(name, R, A, B, value, da, db, shape) \
    { #name, DSI_WIDTH(A) + DSI_WIDTH(B), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
#define DSI_ROW_V3(name, R, A, B, C, value, da, db, dc, shape) \
    { #name, DSI_WIDTH(A) + DSI_WIDTH(B) + DSI_WIDTH(C), { 0.3, 0.3, 0.3 }, { 1.5, 1.5, 1.5 }, scene_##name },
static const scene scenes[] = {
    DSI_OPS_1(DSI_ROW1)
    DSI_OPS_2(DSI_ROW2)
    DSI_OPS_3(DSI_ROW3)
    DSI_VOPS_1(DSI_ROW_V1)
    DSI_VOPS_2(DSI_ROW_V2)
    DSI_VOPS_3(DSI_ROW_V3)
    { "lists", 5, { -1, -1, -1 }, { 1, 1, 1 }, every_list },
    { "powers", 2, { 0.3, 0.3, 0 }, { 1.5, 1.5, 0 }, powers },
    { "integer powers", 2, { -1.5, 0.3, 0 }, { -0.3, 1.5, 0 }, integer_powers },
    { "constants", 2, { 0.3, 0.3, 0 }, { 1.5, 1.5, 0 }, constants },
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
#define NO_DERIVATIVE "sign floor lt le gt ge eq ne powi"
#define WITH_POWERS "pow powi powers integer powers powers at 0" /* products may round another way */

/* What the tape says about each lane. */
typedef struct answer {
    ds_real value, tangent, gradient[MOST], hessian[MOST * MOST];
    ds_result backward, second;
} answer;
static answer answers[LANES];
static ds_real x_of[LANES][MOST], v_of[LANES][MOST]; /* points and directions */

static void ask_tape(const scene *s, ds_tape *t, size_t lane)
{
    answer *const a = answers + lane;
    ds_var x[MOST], f;
    ds_tape_reset(t);
    for (size_t i = 0; i < s->n; i++) x[i] = ds_input(t, (double)x_of[lane][i]);
    f = s->record(x);
    a->value = ds_value(f);
    a->backward = ds_backward(f);
    for (size_t i = 0; i < s->n; i++) a->gradient[i] = ds_grad(x[i]);
    a->second = a->backward ? a->backward : ds_hessian(f, x, s->n, a->hessian);
    a->tangent = a->backward || ds_forward(x, v_of[lane], s->n) ? (ds_real)NAN : ds_tangent(f);
    if (!isfinite((double)a->tangent)) a->second = DSIM_ERROR_NON_FINITE; /* an infinite slope has no slope */
}

/* x -> f, lane by lane */
static ds_kernel *record_kernel(const scene *s)
{
    ds_kernel *const k = ds_kernel_begin(NULL, s->name);
    const ds_arg in = ds_arg_in(k, "x", s->n), out = ds_arg_out(k, "f", 1);
    ds_var x[MOST];
    for (size_t i = 0; i < s->n; i++) x[i] = ds_load_part(in, ds_lane(k), i);
    ds_store(out, ds_lane(k), s->record(x));
    ds_kernel_end(k);
    return k;
}

/* arrays of a launch: all are [LANES][width] */
static ds_real out_f[LANES], out_1[LANES * MOST], out_2[LANES * MOST * MOST], ones[LANES];
static ds_array array_of(const ds_real *data, size_t components)
{
    return ds_array_reals(data, LANES, components);
}
static ds_array nothing(void)
{
    ds_array r;
    memset(&r, 0, sizeof r);
    return r;
}

typedef struct errors {
    double value, gradient, tangent, adjoint, hessian, reverse2, forward2;
} errors;

/* the largest difference, relative to the largest number; infinite for a NaN on one side */
static double off(const ds_real *got, const ds_real *want, size_t n)
{
    double most = 0, scale = 1;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - (double)want[i]) / scale;
        if (got[i] == want[i] || (got[i] != got[i] && want[i] != want[i])) continue;
        most = d <= most ? most : d == d ? d : (double)INFINITY;
    }
    return most;
}

/* H v of a lane, and rows of the upper half as a whole matrix */
static void times(const ds_real *H, const ds_real *v, size_t n, ds_real *out)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += (double)H[i * n + j] * (double)v[j];
        out[i] = (ds_real)sum;
    }
}
static void unpack(const ds_real *upper, size_t n, ds_real *H)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) H[i * n + j] = H[j * n + i] = *upper++;
}

static int launch(ds_runner *r, const ds_kernel *k, const ds_array *args, size_t n)
{
    const size_t lanes = LANES;
    if (ds_kernel_error(k)->code) tap_diag("%s", ds_kernel_error(k)->text);
    if (!launch_all_ways(r, k, &lanes, args, n)) return 1;
    tap_diag("%s", ds_runner_error(r)->text);
    return 0;
}

/* values and first derivatives of all lanes against the tape's */
static int examine_first(const scene *s, ds_runner *r, const ds_kernel *k, errors *e)
{
    const ds_array x = array_of(x_of[0], MOST), none = nothing();
    ds_kernel *const adjoint = ds_kernel_adjoint(k, "x"), *const tangent = ds_kernel_tangent(k, NULL);
    ds_kernel *const gradient = ds_kernel_gradient(k, NULL);
    ds_array args[4] = { x, none, none, none };
    int good;
    args[0].components = s->n, args[0].stride = MOST;
    args[1] = array_of(out_f, 1);
    good = launch(r, k, args, 2);
    for (size_t i = 0; good && i < LANES; i++)
        if (answers[i].value == answers[i].value)
            e->value = fmax(e->value, off(out_f + i, &answers[i].value, 1));
    args[1] = none;
    args[2] = array_of(out_1, s->n), args[3] = array_of(ones, 1);
    for (size_t i = 0; i < LANES * s->n; i++) out_1[i] = 0;
    good = good && launch(r, adjoint, args, 4);
    for (size_t i = 0; good && i < LANES; i++)
        if (!answers[i].backward)
            e->adjoint = fmax(e->adjoint, off(out_1 + i * s->n, answers[i].gradient, s->n));
    args[2] = array_of(v_of[0], s->n), args[3] = array_of(out_f, 1);
    args[2].stride = MOST;
    good = good && launch(r, tangent, args, 4);
    for (size_t i = 0; good && i < LANES; i++)
        if (isfinite((double)answers[i].tangent))
            e->tangent = fmax(e->tangent, off(out_f + i, &answers[i].tangent, 1));
    args[2] = array_of(out_1, s->n);
    good = good && launch(r, gradient, args, 3);
    for (size_t i = 0; good && i < LANES; i++)
        if (!answers[i].backward)
            e->gradient = fmax(e->gradient, off(out_1 + i * s->n, answers[i].gradient, s->n));
    ds_kernel_destroy(adjoint);
    ds_kernel_destroy(tangent);
    ds_kernel_destroy(gradient);
    return good;
}

/* the Hessian, and Hessian times direction as adjoint and as tangent of the adjoint */
static int examine_second(const scene *s, ds_runner *r, const ds_kernel *k, errors *e)
{
    const ds_array none = nothing();
    const size_t n = s->n, packed = n * (n + 1) / 2;
    ds_kernel *const hessian = ds_kernel_hessian(k, "x"), *const adjoint = ds_kernel_adjoint(k, "x");
    ds_kernel *const reverse2 = ds_kernel_adjoint(adjoint, "x");
    ds_kernel *const forward2 = ds_kernel_tangent(adjoint, "x");
    ds_array args[8];
    ds_real H[MOST * MOST], Hv[MOST];
    int good;
    for (int i = 0; i < 8; i++) args[i] = none;
    args[0] = array_of(x_of[0], n), args[0].stride = MOST;
    args[2] = array_of(out_1, n), args[3] = array_of(out_2, packed);
    good = launch(r, hessian, args, 4);
    for (size_t i = 0; good && i < LANES; i++) {
        if (answers[i].second) continue;
        unpack(out_2 + i * packed, n, H);
        e->hessian = fmax(e->hessian, off(H, answers[i].hessian, n * n));
        e->gradient = fmax(e->gradient, off(out_1 + i * n, answers[i].gradient, n));
    }
    /* of the adjoint: x, -, -, f_bar, then x_bar, -, x_bar_bar, -, or x_dot, -, x_bar_dot, - */
    args[2] = none, args[3] = array_of(ones, 1);
    args[4] = array_of(out_1, n), args[6] = array_of(v_of[0], n), args[6].stride = MOST;
    for (size_t i = 0; i < LANES * n; i++) out_1[i] = 0;
    good = good && launch(r, reverse2, args, 8);
    for (size_t i = 0; good && i < LANES; i++) {
        if (answers[i].second) continue;
        times(answers[i].hessian, v_of[i], n, Hv);
        e->reverse2 = fmax(e->reverse2, off(out_1 + i * n, Hv, n));
    }
    args[4] = args[6], args[6] = array_of(out_1, n);
    for (size_t i = 0; i < LANES * n; i++) out_1[i] = 0;
    good = good && launch(r, forward2, args, 8);
    for (size_t i = 0; good && i < LANES; i++) {
        if (answers[i].second) continue;
        times(answers[i].hessian, v_of[i], n, Hv);
        e->forward2 = fmax(e->forward2, off(out_1 + i * n, Hv, n));
    }
    ds_kernel_destroy(hessian);
    ds_kernel_destroy(reverse2);
    ds_kernel_destroy(forward2);
    ds_kernel_destroy(adjoint);
    return good;
}

/* FIRST: at the point the function has an infinite slope, and the tape only a gradient */
enum { ALL, FIRST };
static void examine(const scene *s, ds_runner *r, ds_tape *t, double exact, double exact2, int what)
{
    ds_kernel *const k = record_kernel(s);
    /* matrices made at random are nearly singular here and there */
    const double worse = strcmp(s->name, "inverse33") ? 1 : 1e4;
    errors e;
    memset(&e, 0, sizeof e);
    for (size_t i = 0; i < LANES; i++) ask_tape(s, t, i);
    if (TAP_OK(examine_first(s, r, k, &e) && examine_second(s, r, k, &e), "%s: everything returns OK",
               s->name)) {
        TAP_OK(e.value <= (is_one_of(s->name, WITH_POWERS) ? exact : 0), "%s: values (%.1e)", s->name,
               e.value);
        if (what == FIRST) e.tangent = e.hessian = e.forward2 = 0;
        if (what == FIRST) e.reverse2 = 0;
        TAP_OK(e.adjoint <= exact * worse && e.gradient <= exact * worse && e.tangent <= exact * worse,
               "%s: adjoint %.1e, gradient %.1e, tangent %.1e", s->name, e.adjoint, e.gradient, e.tangent);
        TAP_OK(e.hessian <= exact2, "%s: Hessian (%.1e)", s->name, e.hessian);
        TAP_OK(e.reverse2 <= exact2 * worse && e.forward2 <= exact2 * worse,
               "%s: adjoint %.1e and tangent %.1e of the adjoint", s->name, e.reverse2, e.forward2);
    }
    ds_kernel_destroy(k);
}

static double uniform(ds_rng *r, double low, double high)
{
    return low + (high - low) * (double)ds_rng_uniform(r);
}

static void examine_values(const scene *s, ds_runner *r, ds_tape *t)
{
    ds_kernel *const k = record_kernel(s);
    ds_array args[2] = { array_of(x_of[0], MOST), array_of(out_f, 1) };
    double worst = 0;
    args[0].components = s->n, args[0].stride = MOST;
    for (size_t i = 0; i < LANES; i++) ask_tape(s, t, i);
    TAP_OK(launch(r, k, args, 2), "%s: runs", s->name);
    for (size_t i = 0; i < LANES; i++) worst = fmax(worst, off(out_f + i, &answers[i].value, 1));
    TAP_OK(worst <= (is_one_of(s->name, WITH_POWERS) ? IS_FLOAT ? 1e-5 : 1e-14 : 0), "%s: values (%.1e)",
           s->name, worst);
    ds_kernel_destroy(k);
}

/* each way to differentiate refuses, and names the row */
static void examine_refusals(const scene *s)
{
    ds_kernel *const k = record_kernel(s);
    char quoted[40];
    snprintf(quoted, sizeof quoted, "'%s'", s->name);
    for (int way = 0; way < 4; way++) {
        ds_kernel *const d = way == 0   ? ds_kernel_adjoint(k, NULL)
                             : way == 1 ? ds_kernel_tangent(k, NULL)
                             : way == 2 ? ds_kernel_gradient(k, NULL)
                                        : ds_kernel_hessian(k, NULL);
        TAP_OK(ds_kernel_error(d)->code == DSIM_ERROR_NOT_DIFFERENTIABLE, "%s: derivative %d is refused",
               s->name, way);
        TAP_HAS(ds_kernel_error(d)->text, quoted, "%s: by name", s->name);
        ds_kernel_destroy(d);
    }
    TAP_OK(!ds_kernel_error(k)->code, "%s: the kernel itself stays good", s->name);
    ds_kernel_destroy(k);
}

static void test_scenes(ds_runner *r, ds_tape *t)
{
    ds_rng rng = ds_rng_make(11, 0);
    for (size_t k = 0; k < sizeof scenes / sizeof scenes[0]; k++) {
        const scene *const s = scenes + k;
        for (size_t i = 0; i < LANES; i++)
            for (size_t j = 0; j < s->n; j++) {
                x_of[i][j] = (ds_real)uniform(&rng, s->low[j % 3], s->high[j % 3]);
                v_of[i][j] = (ds_real)uniform(&rng, -1, 1);
            }
        if (!is_one_of(s->name, NO_DERIVATIVE))
            examine(s, r, t, IS_FLOAT ? 2e-5 : 2e-14, IS_FLOAT ? 1e-4 : 1e-12, ALL);
        else {
            examine_values(s, r, t);
            examine_refusals(s);
        }
    }
}

/* Edges: points at which a partial derivative is infinite or a choice is tied. In lane 0 all is there, in the
   others x moves away from it. */
typedef struct edge {
    const char *name;
    size_t n;
    double at[6];
    ds_var (*record)(const ds_var *x);
    int what;
} edge;

static ds_var if_positive(const ds_var *x, ds_var then)
{
    return ds_select(ds_gt(x[0], ds_c(0)), then, ds_mul(x[0], x[1]));
}
static ds_var3 vector_of(const ds_var *x) { return ds_pack3(x[0], x[1], x[2]); }
static ds_var dead_sqrt(const ds_var *x) { return if_positive(x, ds_sqrt(x[0])); }
static ds_var dead_rsqrt(const ds_var *x) { return if_positive(x, ds_rsqrt(x[0])); }
static ds_var dead_log(const ds_var *x) { return if_positive(x, ds_mul(x[1], ds_log(x[0]))); }
static ds_var dead_div(const ds_var *x) { return if_positive(x, ds_div(x[1], x[0])); }
static ds_var dead_recip(const ds_var *x) { return if_positive(x, ds_recip(ds_mul(x[0], x[1]))); }
static ds_var dead_cbrt(const ds_var *x) { return if_positive(x, ds_square(ds_cbrt(x[0]))); }
static ds_var dead_acos(const ds_var *x) { return if_positive(x, ds_acos(ds_sub(ds_c(1), x[0]))); }
static ds_var dead_pow(const ds_var *x) { return if_positive(x, ds_pow(x[0], ds_c(-0.5))); }
static ds_var dead_pow_2(const ds_var *x) { return if_positive(x, ds_pow(x[0], ds_neg(x[1]))); }
static ds_var dead_atan2(const ds_var *x) { return if_positive(x, ds_atan2(x[0], x[0])); }
static ds_var dead_hypot(const ds_var *x) { return if_positive(x, ds_hypot(x[0], x[0])); }
static ds_var dead_norm3(const ds_var *x) { return if_positive(x, ds_norm3(ds_pack3(x[0], x[0], x[0]))); }
static ds_var dead_normalize3(const ds_var *x)
{
    return if_positive(x, ds_y(ds_normalize3(ds_pack3(x[0], x[0], x[0]))));
}
static ds_var dead_in_min(const ds_var *x)
{
    return ds_min(ds_mul(x[1], x[1]), ds_add(ds_c(5), ds_sqrt(x[0])));
}
static ds_var dead_in_clamp(const ds_var *x)
{
    return ds_mul(x[1], ds_clamp(ds_sqrt(x[0]), ds_c(1), ds_c(2)));
}
static ds_var dead_in_relu(const ds_var *x)
{
    return ds_fma(x[1], x[1], ds_relu(ds_sub(ds_sqrt(x[0]), ds_c(1))));
}
static ds_var dead_in_abs(const ds_var *x) { return ds_fma(x[1], x[1], ds_abs(ds_sqrt(x[0]))); }
static ds_var safe_sqrt(const ds_var *x) { return ds_mul(x[1], ds_safe_sqrt(x[0])); }
static ds_var safe_norm(const ds_var *x) { return ds_fma(x[2], x[2], ds_safe_norm(x[0], x[1])); }
static ds_var safe_norm_of_root(const ds_var *x)
{
    return ds_mul(x[1], ds_safe_norm(ds_sqrt(x[0]), ds_sqrt(x[0])));
}
static ds_var safe_div(const ds_var *x) { return ds_fma(x[2], x[2], ds_safe_div(x[1], x[0])); }
static ds_var safe_norm3(const ds_var *x) { return ds_safe_norm3(vector_of(x)); }
static ds_var safe_normalize3(const ds_var *x) { return ds_y(ds_safe_normalize3(vector_of(x))); }
static ds_var relu_tie(const ds_var *x) { return ds_mul(x[1], ds_relu(x[0])); }
static ds_var min_tie(const ds_var *x) { return ds_min(ds_square(x[0]), ds_mul(x[1], x[0])); }
static ds_var max_tie(const ds_var *x) { return ds_max(ds_square(x[0]), ds_mul(x[1], x[0])); }
static ds_var clamp_tie(const ds_var *x) { return ds_clamp(ds_square(x[0]), x[1], ds_mul(x[0], x[0])); }
static ds_var abs_tie(const ds_var *x) { return ds_mul(ds_abs(x[0]), x[1]); }
static ds_var step_end(const ds_var *x) { return ds_mul(x[1], ds_smooth_step(x[0])); }
static ds_var zero_gain(const ds_var *x)
{
    const ds_var root = ds_sqrt(x[0]), square = ds_square(x[1]);
    return ds_mul(root, square);
}
static ds_var zero_gain_of_cbrt(const ds_var *x) { return ds_mul(ds_cbrt(x[0]), x[1]); }
static ds_var square_of_root(const ds_var *x) { return ds_add(ds_square(ds_sqrt(x[0])), x[1]); }
static ds_var stopped(const ds_var *x) { return ds_fma(x[1], x[1], ds_stop_gradient(ds_sqrt(x[0]))); }
static ds_var powers_at_0(const ds_var *x)
{
    return ds_add(ds_pow(x[0], ds_c(2)), ds_mul(x[1], ds_pow(x[0], ds_c(3))));
}
static ds_var no_power(const ds_var *x) { return ds_fma(x[1], x[1], ds_pow(x[0], ds_c(0))); }
/* a spring at rest: E = k / 2 (l - l0)^2 */
static ds_var at_rest(const ds_var *x)
{
    const ds_var3 a = vector_of(x), d = ds_sub3(ds_pack3(x[3], x[4], x[5]), a);
    const ds_var u = ds_sub(ds_norm3(d), ds_c(3));
    return ds_mul(ds_c(20), ds_square(u));
}
static ds_var at_rest_safe(const ds_var *x)
{
    const ds_var3 a = vector_of(x), d = ds_sub3(ds_pack3(x[3], x[4], x[5]), a);
    const ds_var u = ds_sub(ds_safe_norm3(d), ds_c(3));
    return ds_mul(ds_mul(u, u), ds_c(20));
}
static ds_var at_rest_root(const ds_var *x)
{
    const ds_var u = ds_sub(ds_sqrt(ds_fma(x[0], x[0], ds_square(x[1]))), ds_c(5));
    return ds_square(u);
}
static ds_var at_rest_log(const ds_var *x) { return ds_square(ds_log(ds_mul(x[0], x[1]))); }
static ds_var at_rest_chosen(const ds_var *x)
{
    const ds_var u = ds_log(ds_mul(x[0], x[1]));
    return ds_select(ds_ge(u, ds_c(0)), ds_square(u), ds_mul(ds_c(2), ds_square(u)));
}

static const edge edges[] = {
    { "select without sqrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_sqrt, ALL },
    { "select without rsqrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_rsqrt, ALL },
    { "select without log", 2, { 0, 2, 0, 0, 0, 0 }, dead_log, ALL },
    { "select without div", 2, { 0, 2, 0, 0, 0, 0 }, dead_div, ALL },
    { "select without recip", 2, { 0, 2, 0, 0, 0, 0 }, dead_recip, ALL },
    { "select without cbrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_cbrt, ALL },
    { "select without acos", 2, { 0, 2, 0, 0, 0, 0 }, dead_acos, ALL },
    { "select without pow", 2, { 0, 2, 0, 0, 0, 0 }, dead_pow, ALL },
    { "select without pow by both", 2, { 0, 2, 0, 0, 0, 0 }, dead_pow_2, ALL },
    { "select without atan2", 2, { 0, 2, 0, 0, 0, 0 }, dead_atan2, ALL },
    { "select without hypot", 2, { 0, 2, 0, 0, 0, 0 }, dead_hypot, ALL },
    { "select without norm3", 2, { 0, 2, 0, 0, 0, 0 }, dead_norm3, ALL },
    { "select without normalize3", 2, { 0, 2, 0, 0, 0, 0 }, dead_normalize3, ALL },
    { "min without sqrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_in_min, ALL },
    { "clamp without sqrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_in_clamp, ALL },
    { "relu without sqrt", 2, { 0, 2, 0, 0, 0, 0 }, dead_in_relu, ALL },
    { "abs of sqrt at 0", 2, { 0, 2, 0, 0, 0, 0 }, dead_in_abs, ALL },
    { "safe_sqrt at 0", 2, { 0, 2, 0, 0, 0, 0 }, safe_sqrt, ALL },
    { "safe_norm at 0", 3, { 0, 0, 1, 0, 0, 0 }, safe_norm, ALL },
    { "safe_norm of roots", 2, { 0, 2, 0, 0, 0, 0 }, safe_norm_of_root, ALL },
    { "safe_div by 0", 3, { 0, 2, 1, 0, 0, 0 }, safe_div, ALL },
    { "safe_norm3 at 0", 3, { 0, 0, 0, 0, 0, 0 }, safe_norm3, ALL },
    { "safe_normalize3 at 0", 3, { 0, 0, 0, 0, 0, 0 }, safe_normalize3, ALL },
    { "relu at 0", 2, { 0, 2, 0, 0, 0, 0 }, relu_tie, ALL },
    { "min of equals", 2, { 2, 2, 0, 0, 0, 0 }, min_tie, ALL },
    { "max of equals", 2, { 2, 2, 0, 0, 0, 0 }, max_tie, ALL },
    { "clamp on both bounds", 2, { 2, 4, 0, 0, 0, 0 }, clamp_tie, ALL },
    { "abs at 0", 2, { 0, 2, 0, 0, 0, 0 }, abs_tie, ALL },
    { "smooth_step at 0", 2, { 0, 2, 0, 0, 0, 0 }, step_end, ALL },
    { "smooth_step at 1", 2, { 1, 2, 0, 0, 0, 0 }, step_end, ALL },
    { "sqrt times zero", 2, { 0, 0, 0, 0, 0, 0 }, zero_gain, FIRST },
    { "cbrt times zero", 2, { 0, 0, 0, 0, 0, 0 }, zero_gain_of_cbrt, ALL },
    { "square of sqrt", 2, { 0, 2, 0, 0, 0, 0 }, square_of_root, ALL },
    { "stopped sqrt", 2, { 0, 2, 0, 0, 0, 0 }, stopped, ALL },
    { "powers at 0", 2, { 0, 2, 0, 0, 0, 0 }, powers_at_0, ALL },
    { "power 0 at 0", 2, { 0, 2, 0, 0, 0, 0 }, no_power, ALL },
    { "spring at rest", 6, { 1, 1, 1, 2, 3, 3 }, at_rest, ALL },
    { "spring at rest, safe", 6, { 1, 1, 1, 2, 3, 3 }, at_rest_safe, ALL },
    { "radius at rest", 2, { 3, 4, 0, 0, 0, 0 }, at_rest_root, ALL },
    { "log at rest", 2, { 4, 0.25, 0, 0, 0, 0 }, at_rest_log, ALL },
    { "log at rest, chosen", 2, { 4, 0.25, 0, 0, 0, 0 }, at_rest_chosen, ALL },
};

static void test_edges(ds_runner *r, ds_tape *t)
{
    ds_rng rng = ds_rng_make(12, 0);
    int refused = 0;
    for (size_t k = 0; k < sizeof edges / sizeof edges[0]; k++) {
        scene s;
        memset(&s, 0, sizeof s);
        s.name = edges[k].name, s.n = edges[k].n, s.record = edges[k].record;
        for (size_t i = 0; i < LANES; i++)
            for (size_t j = 0; j < s.n; j++) {
                x_of[i][j] = (ds_real)(edges[k].at[j] + (i % 3 ? uniform(&rng, 0.1, 0.5) : 0));
                v_of[i][j] = (ds_real)uniform(&rng, -1, 1);
            }
        examine(&s, r, t, IS_FLOAT ? 1e-4 : 1e-13, IS_FLOAT ? 1e-3 : 1e-12, edges[k].what);
        refused += answers[0].backward != DSIM_OK;
    }
    TAP_OK(refused == 0, "the tape has a gradient at each edge");
}

/* k n n' is what is left of a spring's Hessian at rest */
static void test_spring(ds_runner *r)
{
    const ds_real x[6] = { 1, 1, 1, 2, 3, 3 };
    const double n[3] = { 1 / 3.0, 2 / 3.0, 2 / 3.0 };
    scene s;
    ds_kernel *k, *h;
    ds_real f, g[6], H[21];
    ds_array args[4];
    double worst = 0;
    size_t at = 0;
    memset(&s, 0, sizeof s);
    s.name = "spring", s.n = 6, s.record = at_rest;
    k = record_kernel(&s);
    h = ds_kernel_hessian(k, "x");
    args[0] = ds_array_reals(x, 1, 6), args[1] = ds_array_reals(&f, 1, 1);
    args[2] = ds_array_reals(g, 1, 6), args[3] = ds_array_reals(H, 1, 21);
    TAP_OK(ds_launch(r, h, 1, args, 4) == DSIM_OK, "Hessian of a spring at rest");
    for (size_t i = 0; i < 6; i++)
        for (size_t j = i; j < 6; j++, at++)
            worst = fmax(worst, fabs((double)H[at] - ((i < 3) == (j < 3) ? 40 : -40) * n[i % 3] * n[j % 3]));
    TAP_OK(worst < (IS_FLOAT ? 1e-4 : 1e-13), "is k n n' (%.1e)", worst);
    TAP_OK(g[0] == 0 && g[5] == 0, "and its gradient is 0");
    ds_kernel_destroy(k);
    ds_kernel_destroy(h);
}

/* a clipped adjoint is no derivative: a tangent larger than the bound passes, as on a tape */
static void test_clipping(ds_runner *r)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "clip");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1);
    const ds_index lane = ds_lane(k);
    const ds_var value = ds_load(x, lane);
    ds_kernel *tangent, *adjoint;
    ds_real numbers[LANES], dots[LANES], got[LANES], back[LANES];
    ds_array args[4];
    int passes = 1, clips = 1;
    ds_store(y, lane, ds_clip_gradient(value, ds_c(0.5)));
    ds_kernel_end(k);
    tangent = ds_kernel_tangent(k, NULL), adjoint = ds_kernel_adjoint(k, NULL);
    for (int i = 0; i < LANES; i++) numbers[i] = 1, dots[i] = (ds_real)(i - 20), back[i] = 0;
    args[0] = array_of(numbers, 1), args[1] = nothing();
    args[2] = array_of(dots, 1), args[3] = array_of(got, 1);
    passes &= launch(r, tangent, args, 4);
    args[2] = array_of(back, 1), args[3] = array_of(dots, 1);
    clips &= launch(r, adjoint, args, 4);
    for (int i = 0; i < LANES; i++) {
        passes &= got[i] == dots[i];
        clips &= back[i] == (i < 20 ? (ds_real)-0.5 : i > 20 ? (ds_real)0.5 : 0);
    }
    TAP_OK(passes, "tangents are not clipped");
    TAP_OK(clips, "adjoints are");
    ds_kernel_destroy(k), ds_kernel_destroy(tangent), ds_kernel_destroy(adjoint);
}

/* x^y at y = 0 is 1, and what y gains, log x, has slope 1 / x: a guard on y = 0 lost that in Hessians */
static void test_power_with_exponent_zero(ds_runner *r)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "power");
    const ds_arg x = ds_arg_in(k, "x", 2), e = ds_arg_out(k, "e", 1);
    const ds_index lane = ds_lane(k);
    const ds_var base = ds_load_part(x, lane, 0), exponent = ds_load_part(x, lane, 1);
    ds_kernel *hessian;
    ds_real numbers[2 * LANES], gradient[2 * LANES], second[3 * LANES];
    ds_array args[4];
    int good = 1;
    ds_store(e, lane, ds_pow(base, exponent));
    ds_kernel_end(k);
    hessian = ds_kernel_hessian(k, "x");
    for (int i = 0; i < LANES; i++) numbers[2 * i] = (ds_real)i, numbers[2 * i + 1] = 0;
    args[0] = array_of(numbers, 2), args[1] = nothing();
    args[2] = array_of(gradient, 2), args[3] = array_of(second, 3);
    good &= launch(r, hessian, args, 4);
    for (int i = 1; i < LANES; i++) {
        const double slope = (double)second[3 * i + 1], log_x = log((double)i);
        good &= gradient[2 * i] == 0 && fabs((double)gradient[2 * i + 1] - log_x) < 1e-6;
        good &= second[3 * i] == 0 && fabs(slope * i - 1) < 1e-6;
        good &= fabs((double)second[3 * i + 2] - log_x * log_x) < 1e-5;
    }
    good &= gradient[0] == 0; /* 0^0: nothing, not 0 / 0 */
    TAP_OK(good, "second derivatives of a power with exponent 0");
    ds_kernel_destroy(k), ds_kernel_destroy(hessian);
}

int main(void)
{
    ds_runner *const r = ds_runner_create(NULL);
    ds_tape *const t = ds_tape_create(NULL);
    for (size_t i = 0; i < LANES; i++) ones[i] = 1;
    test_scenes(r, t);
    test_edges(r, t);
    test_spring(r);
    test_clipping(r);
    test_power_with_exponent_zero(r);
    ds_tape_destroy(t);
    ds_runner_destroy(r);
    return tap_end();
}
