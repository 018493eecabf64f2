/* same.c - a computation recorded and differentiated, once and twice, and the elementary functions over
   their whole range: one hash on every IEEE machine, compiler and optimisation level. C leaves open which
   argument of a call is evaluated first, so no call here records two arguments: that order is the order of
   the tape.
   SAME_DECLARES: the implementation is in another file. SAME_NO_MAIN and SAME_TWICE: two files of one
   program. */

#if !defined(SAME_DECLARES)
#define DIFFSIM_IMPLEMENTATION
#endif
#include "diffsim.h"
#include <stdio.h>

enum { POINTS = 12, STEPS = 30, WIDE = 20, PROBES = 999, MATRICES = 300, SECOND = 12 };

typedef struct same { uint64_t values, gradients, hessians, matrices; double f; } same;

static void take(uint64_t *hash, ds_real number) { *hash = ds_hash_reals(&number, 1, *hash); }

/* scalars: an oscillator with a soft spring, and every operation without an elementary function */
static ds_var scalars(ds_var x, ds_var v)
{
    ds_var sum = ds_c(0);
    int i;
    for (i = 0; i < STEPS; i++) {
        ds_var pull = ds_div(x, ds_add(ds_c(1), ds_square(x)));
        ds_var less, round, tip, wide;
        v = ds_sub(v, ds_mul(ds_c(0.1), pull));
        x = ds_fma(ds_c(0.1), v, x);
        less = ds_lt(x, v);
        round = ds_smooth_abs(x, ds_c(0.3));
        tip = ds_recip(ds_add(ds_square(v), ds_c(2)));
        sum = ds_add(sum, ds_select(less, round, tip));
        round = ds_safe_sqrt(v);
        sum = ds_add(sum, ds_min(round, x));
        tip = ds_rsqrt(ds_add(ds_square(x), ds_c(0.7)));
        wide = ds_clamp(v, ds_c(-0.5), ds_c(0.5));
        sum = ds_sub(sum, ds_max(tip, wide));
        sum = ds_add(sum, ds_smooth_step(ds_neg(x)));
        wide = ds_safe_norm(x, v);
        sum = ds_add(sum, ds_safe_div(ds_relu(v), wide));
    }
    return sum;
}

/* [n] numbers in [0, 1) */
static void draw(ds_rng *rng, ds_real *numbers, int n)
{
    int i;
    for (i = 0; i < n; i++) numbers[i] = ds_rng_uniform(rng);
}

/* elementary functions: every operation that has one in its value or derivative */
static ds_var elementary(ds_var x, ds_var v)
{
    ds_var sum = ds_c(0);
    int i;
    for (i = 0; i < STEPS; i++) {
        ds_var s = ds_sin(x), c = ds_cos(v), part[20], small, above;
        x = ds_fma(ds_c(0.7), s, ds_mul(ds_c(1.3), c));
        small = ds_mul(ds_c(0.4), x);
        above = ds_add(ds_square(x), ds_c(0.3));
        part[0] = ds_exp(x);
        part[1] = ds_expm1(small);
        part[2] = ds_log(above);
        part[3] = ds_log1p(above);
        part[4] = ds_tan(small);
        part[5] = ds_asin(small);
        part[6] = ds_acos(small);
        part[7] = ds_atan(x);
        part[8] = ds_sinh(x);
        part[9] = ds_cosh(small);
        part[10] = ds_tanh(x);
        part[11] = ds_sigmoid(x);
        part[12] = ds_softplus(x);
        part[13] = ds_erf(x);
        part[14] = ds_cbrt(above);
        part[15] = ds_pow(above, x);
        part[16] = ds_powi(above, ds_c(3));
        part[17] = ds_hypot(x, above);
        part[18] = ds_atan2(x, small);
        part[19] = ds_smooth_max(ds_smooth_min(x, v, ds_c(2)), small, ds_c(3));
        v = ds_sub(ds_mul(ds_c(0.02), ds_sum(part, 20)), s);
        sum = ds_add(sum, v);
    }
    return sum;
}

/* their values, at numbers of every size and sign; NaN has more than one pattern and counts as one */
static void take_functions(uint64_t *hash, ds_rng *rng)
{
    ds_real x[PROBES], y[PROBES], wide[7][PROBES];
    int i, k;
    for (i = 0; i < PROBES; i++) {
        /* differences first: a product last cannot be fused */
        const double size = 40 * ((double)ds_rng_uniform(rng) - 0.5);
        const double power = 300 * ((double)ds_rng_uniform(rng) - 0.5);
        x[i] = i % 3 ? (ds_real)size : (ds_real)(sizeof(ds_real) == 4 ? size : ldexp(size, (int)(5 * power)));
        y[i] = i % 2 ? (ds_real)(power / 20) : (ds_real)(int)(power / 20);
    }
    ds_reals_exp(x, wide[0], PROBES);
    ds_reals_log(x, wide[1], PROBES);
    ds_reals_sin(x, wide[2], PROBES);
    ds_reals_cos(x, wide[3], PROBES);
    ds_reals_tanh(x, wide[4], PROBES);
    ds_reals_pow(x, y, wide[5], PROBES);
    for (i = 0; i < PROBES; i++) wide[6][i] = ds_rng_normal(rng);
    for (i = 0; i < PROBES; i++) {
        const ds_real a = x[i], unit = a / (1 + (a < 0 ? -a : a));
        ds_real r[25];
        r[0] = ds_real_exp(a), r[1] = ds_real_expm1(a), r[2] = ds_real_log(a), r[3] = ds_real_log1p(a);
        r[4] = ds_real_sin(a), r[5] = ds_real_cos(a), r[6] = ds_real_tan(a), r[7] = ds_real_asin(unit);
        r[8] = ds_real_acos(unit), r[9] = ds_real_atan(a), r[10] = ds_real_sinh(a), r[11] = ds_real_cosh(a);
        r[12] = ds_real_tanh(a), r[13] = ds_real_cbrt(a), r[14] = ds_real_erf(a);
        r[15] = ds_real_pow(a, y[i]), r[16] = ds_real_atan2(a, y[i]), r[17] = ds_real_hypot(a, y[i]);
        for (k = 0; k < 7; k++) r[18 + k] = wide[k][i];
        for (k = 0; k < 25; k++) take(hash, r[k] == r[k] ? r[k] : (ds_real)0.5);
    }
}

/* vectors: a hanging chain, semi-implicit, turned by a quaternion and sheared by a matrix */
static ds_var vectors(ds_tape *t, ds_rng *rng)
{
    const ds_real weights[3] = { 1, (ds_real)-0.7, (ds_real)0.3 };
    ds_var3 x[POINTS], v[POINTS], force[POINTS], left, right;
    ds_real r[4];
    ds_var4 q;
    ds_var33 m;
    ds_var part[4];
    int i, step;
    draw(rng, r, 4);
    q = ds_input4(t, ds_q4_normalize(ds_q4_make(r[0], r[1], 1, 2)));
    m = ds_input33(t, ds_m3_inverse(ds_m3_from_rows(ds_v3_make(2, r[2], 0), ds_v3_make(0, 3, 1),
                                                    ds_v3_make(1, 0, r[3] + 2))));
    for (i = 0; i < POINTS; i++) {
        draw(rng, r, 2);
        x[i] = ds_input3(t, ds_v3_make((ds_real)i, r[0], r[1]));
        v[i] = ds_input3(t, ds_v3_make(0, 0, 0));
    }
    for (step = 0; step < STEPS; step++) {
        for (i = 0; i < POINTS; i++) force[i] = ds_input3(t, ds_v3_make(0, (ds_real)-9.81, 0));
        for (i = 0; i + 1 < POINTS; i++) {
            ds_var3 d = ds_sub3(x[i + 1], x[i]);
            ds_var pull = ds_mul(ds_c(70), ds_sub(ds_norm3(d), ds_c(1)));
            ds_var3 along = ds_normalize3(d);
            force[i] = ds_axpy3(pull, along, force[i]);
            force[i + 1] = ds_naxpy3(pull, along, force[i + 1]);
        }
        for (i = 1; i < POINTS; i++) {
            v[i] = ds_axpy3(ds_c(0.01), force[i], v[i]);
            x[i] = ds_axpy3(ds_c(0.01), v[i], x[i]);
        }
    }
    m = ds_add33(m, ds_outer33(x[3], x[4]));
    left = ds_rotate3(q, x[5]);
    right = ds_matvec3(m, x[6]);
    part[0] = ds_dot3(left, right);
    left = ds_tmatvec3(m, x[7]);
    right = ds_lerp3(x[8], x[9], ds_c(0.3));
    part[1] = ds_safe_norm3(ds_cross3(left, right));
    part[2] = ds_smooth_norm3(ds_weighted_sum3(weights, x, 3), ds_c(0.1));
    part[3] = ds_norm3(ds_sum3(v, POINTS));
    return ds_sum(part, 4);
}

/* blocks: two linear layers, then lists with a rational function of each entry */
static ds_var blocks(ds_tape *t, ds_rng *rng)
{
    ds_real numbers[WIDE * WIDE], weights[WIDE];
    ds_var entry[WIDE], bent[WIDE], part[3];
    ds_vars w, b, y;
    int i;
    draw(rng, numbers, WIDE * WIDE);
    draw(rng, weights, WIDE);
    for (i = 0; i < WIDE * WIDE; i++) numbers[i] -= (ds_real)0.5;
    w = ds_inputs(t, numbers, WIDE * WIDE);
    b = ds_inputs(t, weights, WIDE);
    y = ds_affine(w, ds_affine(w, b, b), b);
    for (i = 0; i < WIDE; i++) {
        entry[i] = ds_vars_at(y, (size_t)i);
        bent[i] = ds_div(entry[i], ds_add(ds_c(1), ds_abs(entry[i])));
    }
    part[0] = ds_dot(entry, bent, WIDE);
    part[1] = ds_weighted_sum(weights, bent, WIDE);
    part[2] = ds_vars_dot(ds_vars_slice(y, 0, 10), ds_vars_slice(y, 10, 10));
    return ds_sum(part, 3);
}

/* singular values, polar rotation, eigenvectors: random matrices, every third of rank two, every fifth of
   small integers */
static uint64_t matrices(ds_rng *rng)
{
    uint64_t hash = 0;
    int i, k;
    for (i = 0; i < MATRICES; i++) {
        ds_m3 a, out[5];
        ds_v3 s, w;
        draw(rng, a.m, 9);
        for (k = 0; k < 9; k++)
            a.m[k] = i % 5 ? a.m[k] - (ds_real)0.5 : (ds_real)((int)(a.m[k] * 4) - 2);
        for (k = 0; k < 3 && i % 3 == 0; k++) a.m[k] = a.m[k + 6];
        ds_m3_svd(a, &out[0], &s, &out[1]);
        ds_m3_polar(a, &out[2], &out[3]);
        ds_m3_symmetric_eigen(a, &w, &out[4]);
        hash = ds_hash_reals(out[0].m, 45, hash);
        hash = ds_hash_reals(&s.x, 3, hash);
        hash = ds_hash_reals(&w.x, 3, hash);
    }
    return hash;
}

/* second derivatives of f by n variables, and their products with two directions */
static void take_second(uint64_t *hash, ds_var f, const ds_var *x, int n)
{
    ds_real H[SECOND * SECOND], Hv[SECOND], direction[SECOND];
    int i, k;
    if (ds_hessian(f, x, (size_t)n, H)) printf("%s\n", ds_tape_error((ds_tape *)f.rec)->text);
    *hash = ds_hash_reals(H, (size_t)(n * n), *hash);
    for (k = 0; k < 2; k++) {
        for (i = 0; i < n; i++) direction[i] = (ds_real)(1 + i * k) / (ds_real)(n + k);
        if (ds_hessian_vector(f, x, direction, (size_t)n, Hv))
            printf("%s\n", ds_tape_error((ds_tape *)f.rec)->text);
        *hash = ds_hash_reals(Hv, (size_t)n, *hash);
    }
}

/* vectors of two points, a quaternion and a matrix, with every row for them */
static ds_var second_vectors(ds_var *x)
{
    ds_var3 p = ds_pack3(x[0], x[1], x[2]), q = ds_pack3(x[3], x[4], x[5]), list[3], turned, other;
    ds_var4 around = ds_pack4(x[6], p);
    ds_var33 m;
    ds_var part[8];
    ds_real weights[3];
    turned = ds_cross3(p, q);
    m = ds_pack33(p, q, turned);
    m = ds_add33(m, ds_outer33(q, p));
    list[0] = ds_rotate3(around, q);
    list[1] = ds_matvec3(m, p);
    list[2] = ds_tmatvec3(m, turned);
    weights[0] = (ds_real)0.5, weights[1] = (ds_real)-0.25, weights[2] = 2;
    turned = ds_normalize3(p);
    other = ds_safe_normalize3(q);
    turned = ds_lerp3(turned, other, x[7]);
    turned = ds_naxpy3(x[6], turned, p);
    other = ds_axpy3(x[7], p, ds_neg3(q));
    part[0] = ds_dot3(other, turned);
    part[1] = ds_norm3(ds_weighted_sum3(weights, list, 3));
    part[2] = ds_safe_norm3(ds_sum3(list, 3));
    part[3] = ds_smooth_norm3(ds_scale3(ds_sub3(p, ds_add3(q, p)), x[6]), x[7]);
    part[4] = ds_dot(x, x + 2, 6);
    part[5] = ds_weighted_sum(weights, x + 1, 3);
    part[6] = ds_sum(x, 8);
    part[7] = ds_tanh(part[4]);
    part[7] = ds_mul(part[7], ds_mul(part[1], part[2]));
    return ds_sum(part, 8);
}

/* two layers of a network */
static ds_var second_blocks(ds_vars in)
{
    ds_vars w = ds_vars_slice(in, 0, 6), x = ds_vars_slice(in, 6, 3), b = ds_vars_slice(in, 9, 2);
    ds_vars y = ds_vars_tanh(ds_affine(w, x, b));
    ds_var dot = ds_vars_dot(y, b);
    return ds_add(dot, ds_square(ds_vars_at(y, 0)));
}

static uint64_t hessians(ds_rng *rng)
{
    uint64_t hash = 0;
    ds_tape *t = ds_tape_create(NULL);
    ds_real numbers[SECOND];
    ds_var x[SECOND];
    ds_vars in;
    int i, way;
    for (way = 0; way < 4; way++) {
        ds_var f;
        ds_tape_reset(t);
        draw(rng, numbers, SECOND);
        in = ds_inputs(t, numbers, SECOND);
        for (i = 0; i < SECOND; i++) x[i] = ds_vars_at(in, (size_t)i);
        if (way == 0) f = scalars(x[0], x[1]);
        else if (way == 1) f = elementary(x[0], x[1]);
        else if (way == 2) f = second_vectors(x);
        else f = second_blocks(in);
        take_second(&hash, f, x, SECOND);
    }
    ds_tape_destroy(t);
    return hash;
}

static same compute(void)
{
    same r = { 0, 0, 0, 0, 0 };
    ds_rng rng = ds_rng_make(7, 1);
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 0.3), v = ds_input(t, (double)ds_rng_uniform(&rng));
    ds_var f = scalars(x, v), g = vectors(t, &rng), h = blocks(t, &rng), e = elementary(x, v);
    ds_var all = ds_add(ds_fma(f, g, ds_div(h, g)), e);
    const ds_recorder *rec = all.rec;
    size_t i;
    if (ds_backward(all)) printf("%s\n", ds_tape_error(t)->text);
    for (i = 0; rec && i < rec->n_values; i++) {
        ds_var each = x;
        each.at = rec->epoch | i;
        take(&r.values, ds_value(each));
        take(&r.gradients, ds_grad(each));
    }
    take_functions(&r.values, &rng);
    r.f = (double)ds_value(all);
    r.matrices = matrices(&rng);
    r.hessians = hessians(&rng);
    ds_tape_destroy(t);
    return r;
}

#if defined(SAME_NO_MAIN)
uint64_t same_elsewhere(void);
uint64_t same_elsewhere(void)
{
    const same r = compute();
    return r.values ^ r.gradients ^ r.hessians ^ r.matrices;
}
#else
static void show(const char *name, uint64_t hash)
{
    printf("%s %08lx%08lx ", name, (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
}

int main(void)
{
    const same r = compute();
    show("values", r.values);
    show("gradients", r.gradients);
    show("hessians", r.hessians);
    show("matrices", r.matrices);
    printf("f %.9g\n", r.f);
#if defined(SAME_TWICE)
    {
        extern uint64_t same_elsewhere(void);
        if (same_elsewhere() != (r.values ^ r.gradients ^ r.hessians ^ r.matrices)) return 1;
    }
#endif
    return !(r.f - r.f == 0); /* NaN and infinity are failures */
}
#endif
