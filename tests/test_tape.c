/* The tape computes what plain C computes and gives its exact gradient, whatever the operands are (variables,
   constants, views, lists, blocks, themselves), wherever the tape lives, and after any sequence of marks,
   rewinds and resets. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TOLERANCE (sizeof(ds_real) == 4 ? 1e-4 : 1e-9)

static double larger(double x, double y) { return x > y || x != x ? x : y; }
static double apart(double got, double want) { return fabs(got - want) / (1 + fabs(want)); }

static int same_bits(ds_real left, ds_real right) { return memcmp(&left, &right, sizeof left) == 0; }

/* v, in a way that no compiler sees through */
static ds_var hidden(ds_var v)
{
    static ds_var box[2];
    volatile int in = 1, out = 1;
    box[in] = v;
    return box[out];
}

/* An allocator that counts, moves every block when it grows, and notices bytes written behind a block. */
typedef struct memory { size_t calls, live_blocks, live_bytes; int damaged; } memory;

enum { GUARD = 64 };

static void *guarded_resize(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    memory *const m = (memory *)user;
    unsigned char *r = NULL;
    size_t i;
    m->calls++;
    if (new_bytes) {
        r = (unsigned char *)malloc(new_bytes + GUARD);
        memset(r, 0xcd, new_bytes);
        memset(r + new_bytes, 0xa5, GUARD);
        m->live_blocks++;
        m->live_bytes += new_bytes;
    }
    if (pointer) {
        for (i = 0; i < GUARD; i++)
            if (((unsigned char *)pointer)[old_bytes + i] != 0xa5) m->damaged = 1;
        if (r) memcpy(r, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
        memset(pointer, 0xcd, old_bytes);
        m->live_blocks--;
        m->live_bytes -= old_bytes;
        free(pointer);
    }
    return r;
}

static ds_tape *guarded_tape(memory *m)
{
    ds_tape_desc desc;
    memset(m, 0, sizeof *m);
    memset(&desc, 0, sizeof desc);
    desc.allocator.resize = guarded_resize;
    desc.allocator.user = m;
    return ds_tape_create(&desc);
}

/* a tape in a block of exactly ds_tape_bytes, with a guard behind it */
static ds_tape *fixed_tape(size_t nodes, size_t values, memory *m, void **block, size_t *bytes)
{
    ds_tape_desc desc;
    memset(m, 0, sizeof *m);
    memset(&desc, 0, sizeof desc);
    desc.allocator.resize = guarded_resize;
    desc.allocator.user = m;
    desc.max_nodes = nodes;
    desc.max_values = values;
    *bytes = ds_tape_bytes(&desc);
    *block = guarded_resize(m, NULL, 0, *bytes);
    m->calls = 0;
    return ds_tape_init(*block, *bytes, &desc);
}

/* Programs on a tape, and the same in plain double. */

typedef struct program {
    const char *name;
    ds_var (*record)(const ds_var *x);
    double (*plain)(const double *x);
    size_t n;
    double x[6];
} program;

static ds_var first_record(const ds_var *x) { return ds_mul(x[1], ds_sin(ds_mul(x[0], x[1]))); }
static double first_plain(const double *x) { return x[1] * sin(x[0] * x[1]); }

static ds_var rosenbrock_record(const ds_var *x)
{
    ds_var f = ds_c(0);
    int i;
    for (i = 0; i < 3; i++)
        f = ds_add(f, ds_add(ds_mul(ds_c(100), ds_square(ds_sub(x[i + 1], ds_square(x[i])))),
                             ds_square(ds_sub(ds_c(1), x[i]))));
    return f;
}
static double rosenbrock_plain(const double *x)
{
    double f = 0;
    int i;
    for (i = 0; i < 3; i++) f += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return f;
}

static ds_var log_sum_exp_record(const ds_var *x)
{
    ds_var e[6];
    int i;
    for (i = 0; i < 6; i++) e[i] = ds_exp(x[i]);
    return ds_log(ds_sum(e, 6));
}
static double log_sum_exp_plain(const double *x)
{
    double sum = 0;
    int i;
    for (i = 0; i < 6; i++) sum += exp(x[i]);
    return log(sum);
}

static ds_var area_record(const ds_var *x)
{
    return ds_norm3(ds_cross3(ds_pack3(x[0], x[1], x[2]), ds_pack3(x[3], x[4], x[5])));
}
static double area_plain(const double *x)
{
    const double a = x[1] * x[5] - x[2] * x[4], b = x[2] * x[3] - x[0] * x[5], c = x[0] * x[4] - x[1] * x[3];
    return sqrt(a * a + b * b + c * c);
}

/* the first component of (1, 2, 3) turned by the quaternion, as a rotation matrix of any quaternion q /
   |q| */
static ds_var turn_record(const ds_var *x)
{
    const ds_var length = ds_sqrt(ds_add(ds_dot(x, x, 3), ds_square(x[3])));
    const ds_var4 q = ds_pack4(ds_div(x[0], length), ds_scale3(ds_pack3(x[1], x[2], x[3]), ds_recip(length)));
    const ds_var3 v = ds_pack3(ds_add(x[4], ds_sub(ds_c(1), x[4])), ds_c(2), ds_c(3));
    return ds_x(ds_rotate3(q, v));
}
static double turn_plain(const double *x)
{
    const double s = x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3];
    return (1 - 2 * (x[2] * x[2] + x[3] * x[3]) / s) + 2 * (2 * (x[1] * x[2] - x[0] * x[3]) / s) +
           3 * (2 * (x[1] * x[3] + x[0] * x[2]) / s);
}

static ds_var quadratic_form_record(const ds_var *x)
{
    const ds_var3 a = ds_pack3(x[0], x[1], x[2]), b = ds_pack3(x[3], x[4], x[5]);
    const ds_var33 m = ds_add33(ds_outer33(a, b), ds_pack33(a, b, ds_lerp3(a, b, x[0])));
    return ds_dot3(ds_matvec3(m, a), ds_tmatvec3(m, b));
}
static double quadratic_form_plain(const double *x)
{
    const double *const a = x, *const b = x + 3;
    double m[3][3], left[3] = { 0 }, right[3] = { 0 };
    int i, j;
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++)
            m[i][j] = a[i] * b[j] + (i == 0 ? a[j] : i == 1 ? b[j] : a[j] + x[0] * (b[j] - a[j]));
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++) left[i] += m[i][j] * a[j], right[i] += m[j][i] * b[j];
    return left[0] * right[0] + left[1] * right[1] + left[2] * right[2];
}

static ds_var pieces_record(const ds_var *x)
{
    const ds_var low = ds_min(x[0], x[1]), high = ds_max(x[2], ds_c(-0.25)),
                 bent = ds_clamp(x[3], ds_c(-1), x[4]);
    return ds_add(ds_mul(low, ds_abs(high)),
                  ds_select(ds_lt(x[0], x[1]), ds_square(bent), ds_mul(bent, x[5])));
}
static double pieces_plain(const double *x)
{
    const double low = x[0] < x[1] ? x[0] : x[1], high = x[2] > -0.25 ? x[2] : -0.25;
    const double over = x[3] < -1 ? -1 : x[3], bent = over < x[4] ? over : x[4];
    return low * fabs(high) + (x[0] < x[1] ? bent * bent : bent * x[5]);
}

static ds_var pendulum_record(const ds_var *x)
{
    ds_var q = x[0], v = x[1];
    int i;
    for (i = 0; i < 200; i++) {
        v = ds_sub(v, ds_mul(ds_c(0.01), ds_mul(x[2], ds_sin(q))));
        q = ds_fma(ds_c(0.01), v, q);
    }
    return ds_add(ds_square(q), v);
}
static double pendulum_plain(const double *x)
{
    double q = x[0], v = x[1];
    int i;
    for (i = 0; i < 200; i++) {
        v -= 0.01 * (x[2] * sin(q));
        q += 0.01 * v;
    }
    return q * q + v;
}

static ds_var lists_record(const ds_var *x)
{
    const ds_real w[4] = { 2, -3, (ds_real)0.5, 7 };
    const ds_var3 p[3] = {ds_pack3(x[0], x[1], x[2]), ds_pack3(x[3], x[4], ds_c(2)),
                          ds_pack3(x[5], x[0], x[1])};
    ds_var a[4], b[4];
    a[0] = x[5], a[1] = ds_c(0.3), a[2] = x[0], a[3] = x[5];
    b[0] = x[1], b[1] = x[2], b[2] = ds_c(-2), b[3] = x[5];
    return ds_add(ds_mul(ds_weighted_sum(w, a, 4), ds_dot(a, b, 4)),
                  ds_dot3(ds_sum3(p, 3), ds_weighted_sum3(w, p, 3)));
}
static double lists_plain(const double *x)
{
    const double w[3] = {2, -3, 0.5}, p[3][3] = {{x[0], x[1], x[2]}, {x[3], x[4], 2}, {x[5], x[0], x[1]}};
    double f =
        (2 * x[5] - 3 * 0.3 + 0.5 * x[0] + 7 * x[5]) * (x[5] * x[1] + 0.3 * x[2] - 2 * x[0] + x[5] * x[5]);
    int i, k;
    for (i = 0; i < 3; i++) {
        double sum = 0, weighted = 0;
        for (k = 0; k < 3; k++) sum += p[k][i], weighted += w[k] * p[k][i];
        f += sum * weighted;
    }
    return f;
}

static ds_var roots_record(const ds_var *x)
{
    const ds_var r = ds_hypot(x[0], x[1]), angle = ds_atan2(x[1], x[0]);
    return ds_add(ds_mul(ds_pow(r, x[2]), ds_cos(ds_mul(x[2], angle))),
                  ds_mul(ds_powi(x[1], ds_c(3)), ds_cbrt(x[3])));
}
static double roots_plain(const double *x)
{
    const double r = sqrt(x[0] * x[0] + x[1] * x[1]), angle = atan2(x[1], x[0]);
    return pow(r, x[2]) * cos(x[2] * angle) + x[1] * x[1] * x[1] * cbrt(x[3]);
}

static const program programs[] = {
    {"y sin(x y)", first_record, first_plain, 2, {2, 3}},
    {"Rosenbrock", rosenbrock_record, rosenbrock_plain, 4, {-1.2, 1, 0.7, 0.3}},
    {"log of a sum of exponentials", log_sum_exp_record, log_sum_exp_plain, 6, {1, -2, 0.5, 3, 0.25, -1}},
    {"area of a parallelogram", area_record, area_plain, 6, {1, 2, -1, 0.5, 1.5, 2}},
    {"a turned vector", turn_record, turn_plain, 5, {0.5, 0.4, -0.3, 0.8, 0.1}},
    {"a quadratic form", quadratic_form_record, quadratic_form_plain, 6, {0.3, -0.7, 1.1, 0.9, 0.2, -0.4}},
    {"pieces, one side", pieces_record, pieces_plain, 6, {0.4, 0.9, -0.6, 0.5, 2, 3}},
    {"pieces, the other side", pieces_record, pieces_plain, 6, {1.4, 0.9, 0.6, 2.5, 2, 3}},
    {"pieces, below", pieces_record, pieces_plain, 6, {1.4, 0.9, 0.6, -2.5, 2, 3}},
    {"200 steps of a pendulum", pendulum_record, pendulum_plain, 3, {1, 0.5, 9.81}},
    {"lists", lists_record, lists_plain, 6, {1, -2, 0.5, 3, 0.25, -1}},
    {"roots and powers", roots_record, roots_plain, 4, {0.8, 0.6, 2.3, 5}},
};

/* derivative of the plain function by entry i, to about 1e-11 */
static double plain_derivative(const program *p, size_t i)
{
    const double h = 1e-3;
    double x[6], f[4];
    int k;
    for (k = 0; k < 4; k++) {
        memcpy(x, p->x, sizeof x);
        x[i] += (k < 2 ? k - 2 : k - 1) * h;
        f[k] = p->plain(x);
    }
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
}

static void test_programs(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    size_t k, i;
    for (k = 0; k < COUNT(programs); k++) {
        const program *const p = &programs[k];
        ds_var x[6], f;
        double worst = 0;
        ds_tape_reset(t);
        for (i = 0; i < p->n; i++) x[i] = ds_input(t, p->x[i]);
        f = p->record(x);
        TAP_NEAR(ds_value(f), p->plain(p->x), TOLERANCE, "%s: the value of plain C", p->name);
        if (!TAP_OK(ds_backward(f) == DSIM_OK, "%s: goes backward", p->name))
            tap_diag("%s", ds_tape_error(t)->text);
        for (i = 0; i < p->n; i++)
            worst = larger(worst, apart((double)ds_grad(x[i]), plain_derivative(p, i)));
        if (!TAP_OK(worst < 10 * TOLERANCE, "%s: the gradient of its differences", p->name))
            tap_diag("off by %g", worst);
    }
    ds_tape_destroy(t);
}

/* Every operation of the table, reduced to one number, by the places of its operands in a pool. */

enum { POOL = 3, NUMBERS = POOL * (1 + 3 + 4 + 9) };
typedef struct pool {
    ds_var r1[POOL];
    ds_var3 r3[POOL];
    ds_var4 r4[POOL];
    ds_var33 r9[POOL];
} pool;

static ds_var reduce_r1(ds_var v) { return v; }
static ds_var reduce_r3(ds_var3 v)
{
    return (ds_add)(ds_x(v), (ds_add)((ds_mul)(ds_c(2), ds_y(v)), (ds_mul)(ds_z(v), ds_c(-3))));
}
static ds_var reduce_r4(ds_var4 v)
{
    return (ds_add)((ds_mul)(ds_c(5), ds_scalar_part(v)), reduce_r3(ds_vector_part(v)));
}
static ds_var reduce_r9(ds_var33 v)
{
    return (ds_add)(reduce_r3(ds_row(v, 0)),
                    (ds_sub)((ds_mul)(ds_c(4), reduce_r3(ds_row(v, 1))), reduce_r3(ds_row(v, 2))));
}

/* static ds_var every_sin(const pool *p, int i, int j, int k) { return reduce_r1(ds_sin(p->r1[i])); } */
#define DSI_EACH_1(name, R, A) \
    static ds_var every_##name(const pool *p, int i, int j, int k) \
    { \
        (void)j, (void)k; \
        return reduce_##R((ds_##name)(p->A[i])); \
    }
#define DSI_EACH_2(name, R, A, B) \
    static ds_var every_##name(const pool *p, int i, int j, int k) \
    { \
        (void)k; \
        return reduce_##R((ds_##name)(p->A[i], p->B[j])); \
    }
#define DSI_EACH_3(name, R, A, B, C) \
    static ds_var every_##name(const pool *p, int i, int j, int k) \
    { \
        return reduce_##R((ds_##name)(p->A[i], p->B[j], p->C[k])); \
    }
DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

typedef struct operation {
    const char *name;
    ds_var (*record)(const pool *p, int i, int j, int k);
    int operands;
} operation;
static const operation operations[] = {
#define DSI_EACH_1(name, R, A) { #name, every_##name, 1 },
#define DSI_EACH_2(name, R, A, B) { #name, every_##name, 2 },
#define DSI_EACH_3(name, R, A, B, C) { #name, every_##name, 3 },
    DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* fills one place of a pool; numbers in [0.35, 0.8], where every operation is smooth */
static void fill_place(ds_tape *t, pool *p, int place, ds_rng *rng)
{
    ds_real x[17];
    ds_m3 m;
    int i;
    for (i = 0; i < 17; i++) x[i] = (ds_real)0.35 + (ds_real)0.45 * ds_rng_uniform(rng);
    memcpy(m.m, x + 8, sizeof m.m);
    p->r1[place] = ds_input(t, (double)x[0]);
    p->r3[place] = ds_input3(t, ds_v3_make(x[1], x[2], x[3]));
    p->r4[place] = ds_input4(t, ds_q4_make(x[4], x[5], x[6], x[7]));
    p->r9[place] = ds_input33(t, m);
}

static pool make_pool(ds_tape *t, uint64_t seed)
{
    ds_rng rng = ds_rng_make(seed, 0);
    pool p;
    int i;
    for (i = 0; i < POOL; i++) fill_place(t, &p, i, &rng);
    return p;
}

/* the gradient of everything in the pool, one place after the other */
static void pool_gradient(const pool *p, ds_real *out)
{
    int i;
    for (i = 0; i < POOL; i++, out += 17) {
        const ds_v3 v = ds_grad3(p->r3[i]);
        const ds_q4 q = ds_grad4(p->r4[i]);
        const ds_m3 m = ds_grad33(p->r9[i]);
        out[0] = ds_grad(p->r1[i]);
        memcpy(out + 1, &v, 3 * sizeof *out);
        memcpy(out + 4, &q, 4 * sizeof *out);
        memcpy(out + 8, m.m, 9 * sizeof *out);
    }
}

/* result, value and gradient of one operation on a pool; the error, if any, is forgotten by rewinding */
typedef struct outcome { ds_result result; ds_real value, grad[NUMBERS]; } outcome;

static outcome outcome_of(ds_tape *t, const pool *p, int op, int i, int j, int k)
{
    const ds_mark here = ds_tape_mark(t);
    const ds_var f = operations[op].record(p, i, j, k);
    outcome r;
    memset(&r, 0, sizeof r);
    r.value = ds_value(f);
    r.result = ds_backward(f);
    if (!r.result) pool_gradient(p, r.grad);
    ds_tape_rewind(t, here);
    return r;
}

static int same_outcome(const outcome *left, const outcome *right)
{
    return left->result == right->result && same_bits(left->value, right->value) &&
           !memcmp(left->grad, right->grad, sizeof left->grad);
}

/* op(x, x, x) has the gradients of op(x, y, z) together, where x = y = z */
static void test_aliases(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    int op, i, bad = 0;
    for (op = 0; op < OPERATIONS; op++) {
        ds_rng rng[POOL];
        outcome same, apart3;
        double worst = 0;
        pool p;
        ds_tape_reset(t);
        for (i = 0; i < POOL; i++) {
            rng[i] = ds_rng_make(5, 5);
            fill_place(t, &p, i, &rng[i]);
        }
        same = outcome_of(t, &p, op, 0, 0, 0);
        apart3 = outcome_of(t, &p, op, 0, 1, 2);
        for (i = 0; i < 17; i++)
            worst = larger(worst,
                           apart((double)same.grad[i], (double)apart3.grad[i] + (double)apart3.grad[17 + i] +
                                                           (double)apart3.grad[34 + i]));
        if (same.result != apart3.result || !same_bits(same.value, apart3.value) || !(worst < TOLERANCE)) {
            tap_diag("%s of itself: off by %g", operations[op].name, worst);
            bad++;
        }
    }
    TAP_OK(!bad, "%d operations with the same variable as every operand", OPERATIONS);
    ds_tape_destroy(t);
}

/* Views. */

static void test_views(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var3 v = ds_input3(t, ds_v3_make(2, 3, 5));
    const ds_var4 q = ds_input4(t, ds_q4_make(7, 11, 13, 17));
    const ds_var33 m =
        ds_input33(t, ds_m3_from_rows(ds_v3_make(1, 2, 3), ds_v3_make(4, 5, 6), ds_v3_make(7, 8, 9)));
    const ds_real numbers[7] = { 1, 2, 3, 4, 5, 6, 7 };
    const ds_vars block = ds_inputs(t, numbers, 7), part = ds_vars_slice(block, 2, 4);
    ds_real grads[7];
    ds_var f;
    TAP_OK(ds_value(ds_y(v)) == 3 && ds_value(ds_z(ds_vector_part(q))) == 17 &&
               ds_value(ds_scalar_part(q)) == 7 && ds_value(ds_z(ds_row(m, 1))) == 6 &&
               ds_value(ds_vars_at(part, 3)) == 6 && ds_value(ds_x(ds_vars_at3(block, 1))) == 4,
           "components, rows and entries show their numbers");
    TAP_OK(ds_tape_get_info(t).nodes <= 4, "and cost no node");
    f = ds_add(ds_mul(ds_x(v), ds_y(v)), ds_dot3(v, v));
    TAP_OK(!ds_backward(f) && ds_grad3(v).x == 3 + 4 && ds_grad3(v).y == 2 + 6 && ds_grad3(v).z == 10 &&
               ds_grad(ds_y(v)) == 8, "a component and its vector share their gradient");
    f = ds_add(ds_mul(ds_scalar_part(q), ds_x(ds_vector_part(q))), ds_dot3(ds_row(m, 2), ds_row(m, 0)));
    TAP_OK(!ds_backward(f) && ds_grad4(q).w == 11 && ds_grad4(q).x == 7 && ds_grad33(m).m[7] == 2 &&
               ds_grad33(m).m[1] == 8 && ds_grad33(m).m[4] == 0 && ds_grad3(ds_row(m, 2)).z == 3,
           "so do parts of quaternions and rows");
    f = ds_add(ds_vars_dot(part, ds_vars_slice(block, 0, 4)),
               ds_x(ds_vars_at3(ds_vars_slice(block, 1, 6), 1)));
    ds_backward(f);
    TAP_OK(!ds_grads(block, grads) && grads[0] == 3 && grads[1] == 4 && grads[2] == 5 + 1 &&
               grads[3] == 6 + 2 && grads[4] == 3 + 1 && grads[5] == 4 && grads[6] == 0,
           "so do overlapping slices");
    TAP_OK(!ds_grads(part, grads) && grads[0] == 6 && grads[3] == 4 && ds_grad(ds_vars_at(part, 1)) == 8,
           "and a slice reads its part");
    TAP_OK(ds_vars_slice(block, 7, 0).n == 0 && ds_vars_slice(block, 3, 0).n == 0 && !ds_tape_error(t)->code,
           "a slice may be empty");
    ds_tape_destroy(t);
}

/* Constants. Known to the compiler, hidden from it, or beside variables in an array: the same numbers, the
   same nodes. */

typedef struct cost { ds_result result; ds_real value, grad; size_t nodes, values; } cost;

static cost cost_of(ds_var (*record)(ds_var x), double number)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, number), f = record(x);
    cost r;
    memset(&r, 0, sizeof r);
    r.nodes = ds_tape_get_info(t).nodes;
    r.values = ds_tape_get_info(t).values;
    r.value = ds_value(f);
    r.result = ds_backward(f);
    r.grad = r.result ? 0 : ds_grad(x);
    ds_tape_destroy(t);
    return r;
}

/* MIDDLE of a test interval, and a place off it */
#define MIDDLE(low, high) (0.5 * ((low) + (high)))
#define OFF(low, high) ((low) + 0.3 * ((high) - (low)))
#define LATER(number) hidden(ds_c(number))

/* static ds_var any_add(ds_var x, ds_var y) { return ds_add(x, y); }, for operands of which nothing is
   known */
#define DSI_ROW(name, value, da, shape, la, ha) \
    static ds_var any_##name(ds_var x) { return (ds_##name)(x); }
DSI_OPS_1(DSI_ROW)
#undef DSI_ROW
/* and known_add_a(x) is ds_add(ds_c(0), x), later_add_a(x) the same in a way that no compiler sees */
#define DSI_ROW(name, value, da, db, shape, la, ha, lb, hb) \
    static ds_var any_##name(ds_var x, ds_var y) { return (ds_##name)(x, y); } \
    static ds_var known_##name##_a(ds_var x) { return (ds_##name)(ds_c(MIDDLE(la, ha)), x); } \
    static ds_var known_##name##_b(ds_var x) { return (ds_##name)(x, ds_c(MIDDLE(lb, hb))); } \
    static ds_var later_##name##_a(ds_var x) { return any_##name(LATER(MIDDLE(la, ha)), x); } \
    static ds_var later_##name##_b(ds_var x) { return any_##name(hidden(x), LATER(MIDDLE(lb, hb))); }
DSI_OPS_2(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    static ds_var any_##name(ds_var x, ds_var y, ds_var z) { return (ds_##name)(x, y, z); } \
    static ds_var known_##name##_a(ds_var x) { return (ds_##name)(ds_c(MIDDLE(la, ha)), x, x); } \
    static ds_var known_##name##_b(ds_var x) { return (ds_##name)(x, ds_c(MIDDLE(lb, hb)), x); } \
    static ds_var known_##name##_c(ds_var x) { return (ds_##name)(x, x, ds_c(MIDDLE(lc, hc))); } \
    static ds_var known_##name##_ab(ds_var x) \
    { \
        return (ds_##name)(ds_c(MIDDLE(la, ha)), ds_c(MIDDLE(lb, hb)), x); \
    } \
    static ds_var known_##name##_ac(ds_var x) \
    { \
        return (ds_##name)(ds_c(MIDDLE(la, ha)), x, ds_c(MIDDLE(lc, hc))); \
    } \
    static ds_var known_##name##_bc(ds_var x) \
    { \
        return (ds_##name)(x, ds_c(MIDDLE(lb, hb)), ds_c(MIDDLE(lc, hc))); \
    } \
    static ds_var later_##name##_a(ds_var x) { return any_##name(LATER(MIDDLE(la, ha)), x, x); } \
    static ds_var later_##name##_b(ds_var x) { return any_##name(x, LATER(MIDDLE(lb, hb)), hidden(x)); } \
    static ds_var later_##name##_c(ds_var x) { return any_##name(x, x, LATER(MIDDLE(lc, hc))); } \
    static ds_var later_##name##_ab(ds_var x) \
    { \
        return any_##name(LATER(MIDDLE(la, ha)), ds_c(MIDDLE(lb, hb)), x); \
    } \
    static ds_var later_##name##_ac(ds_var x) \
    { \
        return any_##name(ds_c(MIDDLE(la, ha)), x, LATER(MIDDLE(lc, hc))); \
    } \
    static ds_var later_##name##_bc(ds_var x) \
    { \
        return any_##name(x, LATER(MIDDLE(lb, hb)), LATER(MIDDLE(lc, hc))); \
    }
DSI_OPS_3(DSI_ROW)
#undef DSI_ROW

static const struct constant_case {
    const char *name;
    ds_var (*known)(ds_var x), (*later)(ds_var x);
    double x;
} constant_cases[] = {
#define DSI_ROW(name, value, da, db, shape, la, ha, lb, hb) \
    { #name "(c, x)", known_##name##_a, later_##name##_a, OFF(lb, hb) }, \
    { #name "(x, c)", known_##name##_b, later_##name##_b, OFF(la, ha) },
    DSI_OPS_2(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    { #name "(c, x, x)", known_##name##_a, later_##name##_a, OFF(lc, hc) }, \
    { #name "(x, c, x)", known_##name##_b, later_##name##_b, OFF(lc, hc) }, \
    { #name "(x, x, c)", known_##name##_c, later_##name##_c, OFF(lb, hb) }, \
    { #name "(c, c, x)", known_##name##_ab, later_##name##_ab, OFF(lc, hc) }, \
    { #name "(c, x, c)", known_##name##_ac, later_##name##_ac, OFF(lb, hb) }, \
    { #name "(x, c, c)", known_##name##_bc, later_##name##_bc, OFF(la, ha) },
    DSI_OPS_3(DSI_ROW)
#undef DSI_ROW
};

static void test_constants_known_and_hidden(void)
{
    size_t k;
    int bad = 0, nodes = 0;
    for (k = 0; k < COUNT(constant_cases); k++) {
        const cost known = cost_of(constant_cases[k].known, constant_cases[k].x);
        const cost later = cost_of(constant_cases[k].later, constant_cases[k].x);
        if (known.result != later.result || !same_bits(known.value, later.value) ||
            !same_bits(known.grad, later.grad)) {
            tap_diag("%s: value %.17g and %.17g, gradient %.17g and %.17g", constant_cases[k].name,
                     (double)known.value, (double)later.value, (double)known.grad, (double)later.grad);
            bad++;
        }
        nodes += known.nodes != 2 || later.nodes != 2 || known.values != later.values;
    }
    TAP_OK(!bad, "%d placements of constants: the same bits whether the compiler knows them",
           (int)COUNT(constant_cases));
    TAP_OK(!nodes, "and one node each");
}

/* operations on nothing but constants are constants, of the value they would have had on a tape */
static int folds(ds_var known, ds_var later, ds_var recorded)
{
    return !known.rec && !later.rec && recorded.rec && same_bits(ds_value(known), ds_value(recorded)) &&
           same_bits(ds_value(later), ds_value(recorded));
}

static ds_var times(ds_var one, double number) { return ds_mul(one, ds_c(number)); }

static void test_folding(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var one = ds_input(t, 1);
    int bad = 0;
#define INPUT(number) times(one, number)
#define DSI_ROW(name, value, da, shape, la, ha) \
    bad += !folds((ds_##name)(ds_c(OFF(la, ha))), any_##name(LATER(OFF(la, ha))), \
        any_##name(INPUT(OFF(la, ha))));
    DSI_OPS_1(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, shape, la, ha, lb, hb) \
    bad += !folds((ds_##name)(ds_c(OFF(la, ha)), ds_c(MIDDLE(lb, hb))), \
                  any_##name(ds_c(OFF(la, ha)), LATER(MIDDLE(lb, hb))), \
                      any_##name(INPUT(OFF(la, ha)), INPUT(MIDDLE(lb, hb))));
    DSI_OPS_2(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    bad += !folds((ds_##name)(ds_c(OFF(la, ha)), ds_c(MIDDLE(lb, hb)), ds_c(OFF(lc, hc))), \
                  any_##name(LATER(OFF(la, ha)), ds_c(MIDDLE(lb, hb)), LATER(OFF(lc, hc))), \
                  any_##name(INPUT(OFF(la, ha)), INPUT(MIDDLE(lb, hb)), INPUT(OFF(lc, hc))));
    DSI_OPS_3(DSI_ROW)
#undef DSI_ROW
#undef INPUT
    TAP_OK(!bad && !ds_tape_error(t)->code,
           "operations on constants alone fold to the value they have on a tape");
    ds_tape_destroy(t);
}

/* a vector of constants lives on no tape: its numbers are lost, and must not look like numbers */
static void test_constant_vectors(void)
{
    const ds_var3 v = ds_pack3(ds_c(3), ds_c(4), ds_c(12));
    ds_var3 none3;
    ds_vars none;
    memset(&none3, 0, sizeof none3);
    memset(&none, 0, sizeof none);
    TAP_OK(isnan((double)ds_value(ds_norm3(v))), "the norm of a vector of constants is 13 or NaN, not 0");
    TAP_OK(isnan((double)ds_value(ds_dot3(v, v))), "nor is its dot product");
    TAP_OK(isnan((double)ds_value(ds_x(v))) && isnan((double)ds_value(ds_z(v))), "nor are its components");
    TAP_OK(isnan((double)ds_value(ds_x(ds_cross3(v, v)))) && isnan((double)ds_value(ds_x(ds_sum3(&v, 1)))),
           "nor what is computed of it");
    TAP_OK(isnan((double)ds_value(ds_x(none3))) && isnan((double)ds_value(ds_y(none3))),
           "a vector {0} has no components");
    TAP_OK(isnan((double)ds_value(ds_vars_at(none, 0))) && isnan((double)ds_value(ds_vars_dot(none, none))),
           "nor does a block {0} have entries");
}

/* Lists, against the same operation by operation. */

enum { SUM, WEIGHTED_SUM, DOT, LIST_OPS };
enum { CONTIGUOUS, REVERSED, SCATTERED, REPEATED, GAPS, CONSTANTS, OLD, LAYOUTS };
static const char *const layout_names[LAYOUTS] = {
    "contiguous", "reversed", "scattered", "repeated", "with gaps", "with constants", "from before a rewind"};
enum { MOST = 1000 };
typedef struct lists { ds_vars in; ds_var a[MOST], b[MOST]; ds_var3 p[MOST]; ds_real w[MOST]; } lists;

static size_t place_of(int layout, size_t i, size_t n)
{
    switch (layout) {
    case REVERSED: return n - 1 - i;
    case SCATTERED: return i * 7919 % n; /* a permutation: no n here is a multiple of 7919 */
    case REPEATED: return i % 3 % n;
    case GAPS: return i < n / 2 ? 2 * i : n - 1;
    default: return i;
    }
}

/* n numbers, the lists a and b of them in two layouts, the points likewise, and weights */
static void make_lists(ds_tape *t, lists *l, size_t n, int layout_a, int layout_b)
{
    ds_rng rng = ds_rng_make(n, 3);
    ds_real x[3 * MOST];
    ds_mark mark;
    size_t i;
    for (i = 0; i < 3 * MOST; i++) x[i] = 2 * ds_rng_uniform(&rng) - 1;
    for (i = 0; i < MOST; i++) l->w[i] = 2 * ds_rng_uniform(&rng) - 1;
    l->in = ds_inputs(t, x, 3 * (n ? n : 1));
    mark = ds_tape_mark(t);
    ds_square(ds_vars_at(l->in, 0));
    if (layout_a == OLD || layout_b == OLD) ds_tape_rewind(t, mark);
    for (i = 0; i < n; i++) {
        l->a[i] = ds_vars_at(l->in, place_of(layout_a, i, n));
        l->b[i] = ds_vars_at(l->in, n + place_of(layout_b, i, n));
        l->p[i] = ds_vars_at3(l->in, place_of(layout_a, i, n));
        if (layout_a == CONSTANTS && i % 3 == 1) l->a[i] = ds_c((double)x[i]);
        if (layout_b == CONSTANTS && i % 2 == 0) l->b[i] = ds_c((double)x[i]);
    }
}

static ds_var whole_list(int op, const lists *l, size_t n)
{
    return op == SUM ? ds_sum(l->a, n) : op == DOT ? ds_dot(l->a, l->b, n) : ds_weighted_sum(l->w, l->a, n);
}

static ds_var one_by_one(int op, const lists *l, size_t n)
{
    ds_var r = ds_c(0);
    size_t i;
    for (i = 0; i < n; i++)
        r = ds_add(r, op == SUM   ? l->a[i]
                      : op == DOT ? ds_mul(l->a[i], l->b[i])
                                  : ds_mul(ds_c((double)l->w[i]), l->a[i]));
    return r;
}

static ds_var3 whole_list3(int op, const lists *l, size_t n)
{
    return op == SUM ? ds_sum3(l->p, n) : ds_weighted_sum3(l->w, l->p, n);
}

static ds_var3 one_by_one3(ds_tape *t, int op, const lists *l, size_t n)
{
    ds_var3 r = ds_input3(t, ds_v3_make(0, 0, 0));
    size_t i;
    for (i = 0; i < n; i++) r = op == SUM ? ds_add3(r, l->p[i]) : ds_axpy3(ds_c((double)l->w[i]), l->p[i], r);
    return r;
}

/* value bits equal and gradients alike? The numbers of the two results are weighed alike. */
static int same_results(const lists *l, ds_var left, ds_var right)
{
    static ds_real gl[3 * MOST], gr[3 * MOST];
    double worst = 0;
    size_t i;
    if (!left.rec || !right.rec) return left.rec == right.rec && same_bits(ds_value(left), ds_value(right));
    if (!same_bits(ds_value(left), ds_value(right)) || ds_backward(left) || ds_grads(l->in, gl)) return 0;
    if (ds_backward(right) || ds_grads(l->in, gr)) return 0;
    for (i = 0; i < l->in.n; i++) worst = larger(worst, apart((double)gl[i], (double)gr[i]));
    return worst < TOLERANCE;
}

static void test_lists(void)
{
    static const size_t ns[] = { 0, 1, 2, 3, 4, 5, 8, 9, MOST };
    static lists l;
    ds_tape *const t = ds_tape_create(NULL);
    int layout, op, bad;
    size_t k;
    for (layout = 0; layout < LAYOUTS; layout++) {
        for (bad = 0, k = 0; k < COUNT(ns); k++)
            for (op = 0; op < LIST_OPS; op++) {
                ds_tape_reset(t);
                make_lists(t, &l, ns[k], layout, (layout + (int)k) % LAYOUTS);
                if (!same_results(&l, whole_list(op, &l, ns[k]), one_by_one(op, &l, ns[k]))) bad++;
            }
        if (!TAP_OK(!bad, "sum, weighted sum and dot of lists %s", layout_names[layout]))
            tap_diag("%s", ds_tape_error(t)->text);
    }
    for (layout = 0; layout < LAYOUTS; layout++) {
        for (bad = 0, k = 1; k < COUNT(ns); k++)
            for (op = 0; op < DOT; op++) {
                ds_tape_reset(t);
                make_lists(t, &l, ns[k], layout, layout);
                if (!same_results(&l, reduce_r3(whole_list3(op, &l, ns[k])),
                                  reduce_r3(one_by_one3(t, op, &l, ns[k]))))
                    bad++;
            }
        if (!TAP_OK(!bad, "sums of points %s", layout_names[layout])) tap_diag("%s", ds_tape_error(t)->text);
    }
    ds_tape_destroy(t);
}

static void test_lists_of_constants(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_real w[3] = { 2, 3, 4 };
    ds_var x[3], y[3];
    int i;
    for (i = 0; i < 3; i++) x[i] = ds_c(i + 1), y[i] = ds_input(t, 10 * i + 10);
    TAP_OK(!ds_sum(x, 3).rec && ds_value(ds_sum(x, 3)) == 6, "a sum of constants is one");
    TAP_OK(!ds_dot(x, x, 3).rec && ds_value(ds_dot(x, x, 3)) == 14, "so is their dot product");
    TAP_OK(!ds_weighted_sum(w, x, 3).rec && ds_value(ds_weighted_sum(w, x, 3)) == 20, "so is a weighted sum");
    TAP_OK(!ds_sum(NULL, 0).rec && ds_value(ds_dot(NULL, NULL, 0)) == 0, "an empty sum is zero");
    TAP_OK(!ds_backward(ds_dot(x, y, 3)) && ds_grad(y[2]) == 3 && !ds_backward(ds_dot(y, x, 3)) &&
               ds_grad(y[1]) == 2,
           "a list of constants on either side of a dot product");
    TAP_OK(!ds_backward(ds_dot(y, y, 3)) && ds_grad(y[2]) == 60, "a list times itself");
    ds_tape_destroy(t);
}

/* Blocks. */

/* w x + b entry by entry, then tanh, summed with weights */
static ds_var layer_one_by_one(ds_vars w, ds_vars x, ds_vars b)
{
    ds_var f = ds_c(0);
    size_t i, j;
    for (i = 0; i < b.n; i++) {
        ds_var s = ds_vars_at(b, i);
        for (j = 0; j < x.n; j++) s = ds_add(s, ds_mul(ds_vars_at(w, i * x.n + j), ds_vars_at(x, j)));
        f = ds_add(f, ds_mul(ds_c(1.0 / (1 + (double)i)), ds_tanh(s)));
    }
    return f;
}

static ds_var layer_whole(ds_vars w, ds_vars x, ds_vars b)
{
    const ds_vars y = ds_vars_tanh(ds_affine(w, x, b));
    ds_var f = ds_c(0);
    size_t i;
    for (i = 0; i < b.n; i++) f = ds_add(f, ds_mul(ds_c(1.0 / (1 + (double)i)), ds_vars_at(y, i)));
    return f;
}

static void test_affine(void)
{
    static const size_t rows[] = { 1, 2, 3, 4, 5, 8, 9 }, columns[] = { 1, 2, 3, 7 };
    static lists l;
    ds_tape *const t = ds_tape_create(NULL);
    size_t i, j, m, n;
    int bad = 0, overlap = 0, twice = 0;
    for (i = 0; i < COUNT(rows); i++)
        for (j = 0; j < COUNT(columns); j++) {
            m = rows[i], n = columns[j];
            ds_tape_reset(t);
            make_lists(t, &l, 100, CONTIGUOUS, CONTIGUOUS);
            {
                const ds_vars w = ds_vars_slice(l.in, 50, m * n), x = ds_vars_slice(l.in, 20, n),
                              b = ds_vars_slice(l.in, 0, m);
                const ds_vars near = ds_vars_slice(l.in, 51, n), over = ds_vars_slice(l.in, 52, m);
                const ds_vars y = ds_affine(w, x, b),
                              again = ds_affine(ds_vars_slice(l.in, 150, m * m), y, y);
                if (!same_results(&l, layer_whole(w, x, b), layer_one_by_one(w, x, b))) bad++;
                if (!same_results(&l, layer_whole(w, near, over), layer_one_by_one(w, near, over))) overlap++;
                if (!same_results(&l, ds_vars_dot(again, y), ds_add(ds_c(0), ds_vars_dot(y, again)))) twice++;
            }
        }
    TAP_OK(!bad, "affine maps and tanh of blocks, against one by one");
    TAP_OK(!overlap, "with w, x and b overlapping");
    TAP_OK(!twice, "a block used twice");
    ds_tape_destroy(t);
}

static void test_block_dot(void)
{
    static lists l;
    ds_tape *const t = ds_tape_create(NULL);
    const ds_real one = 1;
    ds_vars none, a, b;
    size_t n;
    int bad = 0;
    for (n = 0; n <= 20; n++) {
        ds_tape_reset(t);
        make_lists(t, &l, 20, CONTIGUOUS, CONTIGUOUS);
        a = ds_vars_slice(l.in, 3, n), b = ds_vars_slice(l.in, 5, n);
        if (n && !same_results(&l, ds_vars_dot(a, b), ds_dot(l.a + 3, l.a + 5, n < 16 ? n : 15)) && n < 16)
            bad++;
        if (!same_results(&l, ds_vars_dot(a, a), ds_add(ds_vars_dot(a, a), ds_c(0)))) bad++;
    }
    TAP_OK(!bad, "dot products of blocks, overlapping and with itself");
    ds_tape_reset(t);
    a = ds_inputs(t, &one, 1);
    none = ds_vars_slice(a, 1, 0);
    TAP_OK(ds_vars_tanh(none).n == 0 && ds_affine(none, a, none).n == 0 &&
               ds_value(ds_vars_dot(none, none)) == 0 && !ds_tape_error(t)->code,
           "empty blocks are fine");
    b = ds_affine(none, none, a);
    TAP_OK(b.n == 1 && ds_value(ds_vars_at(b, 0)) == 1, "a map of nothing is b");
    ds_tape_destroy(t);
}

static void test_empty_inputs(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_vars none = ds_inputs(t, NULL, 0);
    ds_real out = 7;
    ds_var x;
    TAP_OK(none.n == 0 && !ds_tape_error(t)->code && !ds_values(none, &out) && out == 7,
           "a block of no inputs");
    x = ds_input(t, 2);
    TAP_OK(!ds_backward(ds_square(x)) && ds_grad(x) == 4, "changes nothing");
    ds_tape_destroy(t);
}

/* Going backward. */

static void test_backward_again(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 0.7), y = ds_input(t, -1.3), xy = ds_mul(x, y), s = ds_sin(xy),
                 f = ds_mul(s, xy), g = ds_exp(x);
    ds_real dx, dy, dxy;
    ds_var later;
    TAP_OK(!ds_backward(f), "backward");
    dx = ds_grad(x), dy = ds_grad(y), dxy = ds_grad(xy);
    TAP_OK(ds_grad(f) == 1, "df/df is 1");
    TAP_NEAR(dxy, sin(-0.91) - 0.91 * cos(-0.91), TOLERANCE, "an intermediate variable has a gradient");
    TAP_NEAR(dx, -1.3 * (sin(-0.91) - 0.91 * cos(-0.91)), TOLERANCE, "and the inputs");
    TAP_OK(ds_grad(g) == 0, "what was recorded after f has gradient 0");
    TAP_OK(!ds_backward(f) && ds_grad(x) == dx && ds_grad(y) == dy && ds_grad(xy) == dxy,
           "backward again: the same bits");
    TAP_OK(!ds_backward(g) && ds_grad(y) == 0 && ds_grad(x) == ds_value(g) && ds_grad(f) == 0,
           "from another output");
    later = ds_mul(f, g);
    TAP_OK(ds_grad(x) == ds_value(g) && isnan((double)ds_grad(later)),
           "recording on keeps gradients; the new has none");
    TAP_OK(!ds_backward(x) && ds_grad(x) == 1 && ds_grad(y) == 0 && ds_grad(later) == 0,
           "an input is a function, too");
    ds_tape_destroy(t);
}

/* d(sum of seeds times outputs): linear in the seeds, whatever the outputs are */
static void test_many_seeds(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 0.7), y = ds_input(t, -1.3);
    ds_var f[6];
    ds_real seeds[6] = { 2, -3, (ds_real)0.5, 5, 7, -11 };
    double dx = 0, dy = 0;
    int i;
    f[0] = ds_mul(x, y), f[1] = x, f[2] = ds_exp(f[0]), f[3] = f[0], f[4] = ds_c(3), f[5] = ds_div(f[2], y);
    for (i = 0; i < 6; i++) {
        if (!f[i].rec) continue;
        ds_backward(f[i]);
        dx += (double)seeds[i] * (double)ds_grad(x);
        dy += (double)seeds[i] * (double)ds_grad(y);
    }
    TAP_OK(!ds_backward_many(f, seeds, 6), "many outputs, one of them twice, one a constant");
    TAP_NEAR(ds_grad(x), dx, TOLERANCE, "their gradients add up by x");
    TAP_NEAR(ds_grad(y), dy, TOLERANCE, "and by y");
    memset(seeds, 0, sizeof seeds);
    TAP_OK(!ds_backward_many(f, seeds, 6) && ds_grad(x) == 0 && ds_grad(y) == 0,
           "zero seeds, zero gradients");
    ds_tape_destroy(t);
}

/* the sum of two seeds may overflow: then there is no gradient, and ds_backward_many says so */
static void test_seeds_overflow(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    ds_real huge = sizeof(ds_real) == 4 ? (ds_real)3e38 : (ds_real)1.7e308, seeds[2];
    ds_var f[2];
    ds_result result;
    f[0] = f[1] = ds_input(t, 3);
    seeds[0] = seeds[1] = huge;
    result = ds_backward_many(f, seeds, 2);
    TAP_OK((result == DSIM_OK) == !isnan((double)ds_grad(f[0])), "success means that there are gradients");
    TAP_OK(result == DSIM_ERROR_NON_FINITE && ds_tape_error(t)->code == result,
           "seeds that overflow together are refused");
    ds_tape_destroy(t);
}

static void test_long_walk(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 1);
    ds_var f = x;
    int i;
    for (i = 0; i < 1000; i++) f = ds_stop_gradient(ds_add(f, x));
    TAP_OK(!ds_backward(f) && ds_value(f) == 1001 && ds_grad(x) == 0, "a stopped gradient is zero");
    for (i = 0; i < 3; i++) ds_sum(&f, 1);
    f = ds_add(x, ds_floor(ds_c(2.5)));
    TAP_OK(!ds_backward(f) && ds_value(f) == 3 && ds_grad(x) == 1, "floor of a constant needs no derivative");
    ds_tape_destroy(t);
}

/* Marks. */

static void test_marks(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 2), before = ds_square(x);
    const ds_mark outer = ds_tape_mark(t), twin = ds_tape_mark(t);
    const ds_var a = ds_mul(before, x);
    const ds_mark inner = ds_tape_mark(t);
    const ds_var b = ds_mul(a, x), doomed = ds_input(t, 5);
    ds_var c;
    ds_backward(b);
    TAP_OK(ds_grad(x) == 32 && ds_grad(a) == 2, "x^4 from three nodes");
    TAP_OK(!ds_tape_rewind(t, inner) && ds_value(a) == 8 && isnan((double)ds_value(b)) &&
               isnan((double)ds_value(doomed)),
           "rewind keeps what is before the mark, and nothing else");
    TAP_OK(ds_grad(x) == 32 && ds_grad(a) == 2 && isnan((double)ds_grad(b)), "gradients, too");
    c = ds_mul(a, ds_c(10));
    TAP_OK(isnan((double)ds_grad(c)) && isnan((double)ds_value(b)) && ds_value(c) == 80,
           "a new variable is not an old one");
    TAP_OK(!ds_backward(c) && ds_grad(x) == 120, "and has its own gradient");
    TAP_OK(!ds_tape_rewind(t, outer) && isnan((double)ds_value(a)) && isnan((double)ds_value(c)) &&
               ds_value(before) == 4,
           "the outer mark");
    TAP_OK(!ds_tape_rewind(t, twin) && !ds_tape_rewind(t, outer) && ds_value(before) == 4,
           "the same place again, and again");
    TAP_OK(ds_tape_rewind(t, inner) == DSIM_ERROR_STALE && ds_tape_error(t)->code == DSIM_ERROR_STALE,
           "the inner one is stale");
    TAP_OK(!ds_tape_rewind(t, outer) && !ds_tape_error(t)->code, "a rewind clears the error");
    TAP_OK(!ds_backward(before) && ds_grad(x) == 4, "and the tape is good");
    ds_tape_reset(t);
    TAP_OK(ds_tape_rewind(t, outer) == DSIM_ERROR_STALE && isnan((double)ds_value(x)),
           "reset ends all marks and variables");
    ds_tape_destroy(t);
}

/* leaves join the node before, but not across a mark */
static void test_marks_between_leaves(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_mark start = ds_tape_mark(t);
    const ds_var a = ds_input(t, 1), b = ds_input(t, 2);
    const ds_mark mark = ds_tape_mark(t);
    ds_var c = ds_input(t, 3), d;
    TAP_OK(!ds_tape_rewind(t, mark) && ds_value(b) == 2 && isnan((double)ds_value(c)),
           "a mark between leaves");
    d = ds_input(t, 4);
    TAP_OK(isnan((double)ds_value(c)) && ds_value(d) == 4 && !ds_backward(ds_mul(ds_mul(a, b), d)) &&
               ds_grad(d) == 2 && ds_grad(b) == 4,
           "keeps them apart");
    TAP_OK(!ds_tape_rewind(t, start) && isnan((double)ds_value(a)) && isnan((double)ds_value(d)),
           "a mark on an empty tape");
    c = ds_input(t, 6);
    TAP_OK(!ds_backward(ds_square(c)) && ds_grad(c) == 12, "which goes on from there");
    ds_tape_destroy(t);
}

/* every operation, with operands from before a rewind, from between two, and new: the bits of a fresh tape */
static void test_old_operands(void)
{
    ds_tape *const fresh = ds_tape_create(NULL), *const t = ds_tape_create(NULL);
    const pool plain = make_pool(fresh, 9);
    static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 0, 0, 2 } };
    ds_rng rng = ds_rng_make(9, 0);
    ds_mark marks[POOL];
    pool p;
    size_t k;
    int op, i, bad = 0;
    for (i = 0; i < POOL; i++) { /* each place is made in an epoch of its own */
        fill_place(t, &p, i, &rng);
        marks[i] = ds_tape_mark(t);
        ds_sin(p.r1[i]);
        ds_tape_rewind(t, marks[i]);
    }
    for (op = 0; op < OPERATIONS; op++)
        for (k = 0; k < COUNT(orders); k++) {
            const outcome want = outcome_of(fresh, &plain, op, orders[k][0], orders[k][1], orders[k][2]);
            const outcome got = outcome_of(t, &p, op, orders[k][0], orders[k][1], orders[k][2]);
            if (!same_outcome(&want, &got)) bad++;
        }
    TAP_OK(!bad, "%d operations with operands from three epochs", OPERATIONS);
    ds_tape_destroy(fresh);
    ds_tape_destroy(t);
}

/* every operation refuses an operand that a rewind took away, at each place */
static void test_stale_operands(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    int op, place, unnoticed = 0, misplaced = 0, unnamed = 0;
    for (op = 0; op < OPERATIONS; op++)
        for (place = 0; place < operations[op].operands; place++) {
            ds_rng rng = ds_rng_make(1, 1);
            ds_mark mark;
            ds_var f;
            pool p;
            char name[40];
            ds_tape_reset(t);
            fill_place(t, &p, 0, &rng);
            mark = ds_tape_mark(t);
            fill_place(t, &p, 1, &rng);
            ds_tape_rewind(t, mark);
            fill_place(t, &p, 2, &rng); /* the slots are taken again */
            f = operations[op].record(&p, place == 0, place == 1, place == 2);
            sprintf(name, "ds_%s: operand %d", operations[op].name, place + 1);
            if (ds_tape_error(t)->code != DSIM_ERROR_STALE || !isnan((double)ds_value(f))) unnoticed++;
            if (ds_tape_error(t)->index != (size_t)place + 1) misplaced++;
            if (!strstr(ds_tape_error(t)->text, name)) unnamed++;
        }
    TAP_OK(!unnoticed && !misplaced, "%d operations refuse a stale operand, and say which", OPERATIONS);
    TAP_OK(!unnamed, "in a sentence with the name of the operation");
    ds_tape_destroy(t);
}

/* A random walk of recordings, marks, rewinds and resets beside a model of what must be valid. A place is a
   number of nodes; rewinding to a place ends what came at or after it. */
enum { HANDLES = 64, WALK = 30000 };
typedef struct model {
    ds_var var[HANDLES];
    ds_real value[HANDLES];
    size_t var_place[HANDLES], mark_place[HANDLES];
    int var_alive[HANDLES], mark_alive[HANDLES];
    ds_mark mark[HANDLES];
} model;

static size_t nodes_of(const ds_tape *t) { return ds_tape_get_info(t).nodes; }

static void model_ends(model *m, size_t place)
{
    int i;
    for (i = 0; i < HANDLES; i++) {
        if (m->var_place[i] >= place) m->var_alive[i] = 0;
        if (m->mark_place[i] > place) m->mark_alive[i] = 0;
    }
}

static void model_records(model *m, ds_tape *t, ds_rng *rng)
{
    const int i = (int)(ds_rng_bits(rng) % HANDLES), from = (int)(ds_rng_bits(rng) % HANDLES);
    if (m->var_alive[from] && ds_rng_bits(rng) % 4) {
        m->var[i] = ds_mul(m->var[from], ds_c(-1));
        m->value[i] = -m->value[from];
    } else {
        m->value[i] = ds_rng_uniform(rng);
        m->var[i] = ds_input(t, (double)m->value[i]);
    }
    m->var_place[i] = nodes_of(t) - 1;
    m->var_alive[i] = 1;
}

/* 1: the tape did what the model says */
static int model_rewinds(model *m, ds_tape *t, ds_rng *rng)
{
    const int i = (int)(ds_rng_bits(rng) % HANDLES);
    const size_t nodes = nodes_of(t);
    const ds_result result = ds_tape_rewind(t, m->mark[i]);
    int k;
    if (!m->mark_alive[i]) { /* clear the error at a mark that is good, or begin anew */
        if (result != (m->mark[i].tape ? DSIM_ERROR_STALE : DSIM_ERROR_FOREIGN)) return 0;
        for (k = 0; k < HANDLES && !(m->mark_alive[k] && m->mark_place[k] + 30 > nodes); k++) continue;
        if (k < HANDLES)
            return ds_tape_rewind(t, m->mark[k]) == DSIM_OK
                       ? (nodes > m->mark_place[k] ? model_ends(m, m->mark_place[k]) : (void)0, 1)
                       : 0;
        ds_tape_reset(t);
        memset(m, 0, sizeof *m);
        return 1;
    }
    if (nodes > m->mark_place[i]) model_ends(m, m->mark_place[i]);
    return result == DSIM_OK;
}

static int model_agrees(const model *m)
{
    int i;
    for (i = 0; i < HANDLES; i++) {
        if (m->var_alive[i] && !same_bits(ds_value(m->var[i]), m->value[i])) return 0;
        if (!m->var_alive[i] && m->var[i].rec && !isnan((double)ds_value(m->var[i]))) return 0;
    }
    return 1;
}

static void test_random_walk(void)
{
    static model m;
    memory mem;
    ds_tape *const t = guarded_tape(&mem);
    ds_rng rng = ds_rng_make(77, 7);
    long step, rewinds = 0, good = 1;
    for (step = 0; step < WALK && good; step++) {
        const unsigned dice = (unsigned)(ds_rng_bits(&rng) % 100);
        const int i = (int)(ds_rng_bits(&rng) % HANDLES);
        if (dice < 70) {
            model_records(&m, t, &rng);
        } else if (dice < 85) {
            m.mark[i] = ds_tape_mark(t);
            m.mark_place[i] = nodes_of(t);
            m.mark_alive[i] = 1;
        } else if (dice < 99 || step % 16) {
            good = model_rewinds(&m, t, &rng);
            rewinds++;
        } else {
            ds_tape_reset(t);
            memset(&m, 0, sizeof m);
        }
        good = good && !ds_tape_error(t)->code && (step % 7 || model_agrees(&m));
    }
    TAP_OK(good, "%ld random steps with %ld rewinds: a model agrees which handles and marks are valid", step,
           rewinds);
    ds_tape_destroy(t);
    TAP_OK(!mem.live_blocks && !mem.damaged, "and no byte was written outside");
}

/* Memory. */

static void test_rewinding_costs_nothing(void)
{
    memory m;
    ds_tape *const t = guarded_tape(&m);
    const ds_var x = ds_input(t, 1.5);
    const ds_mark mark = ds_tape_mark(t);
    ds_tape_info first;
    size_t calls = 0;
    int round, i, good = 1;
    memset(&first, 0, sizeof first);
    for (round = 0; round < 1000; round++) {
        ds_var f = x;
        for (i = 0; i < 20; i++) f = ds_sin(ds_mul(f, ds_c(1.01)));
        good &= !ds_backward(f);
        if (round == 1) first = ds_tape_get_info(t), calls = m.calls;
        if (round > 1) good &= ds_tape_get_info(t).bytes_used == first.bytes_used && m.calls == calls;
        good &= !ds_tape_rewind(t, mark);
    }
    TAP_OK(good, "a thousand rewinds to one mark: the memory of the second");
    TAP_OK(ds_tape_get_info(t).nodes <= 2, "a rewound tape is short");
    ds_tape_destroy(t);
    TAP_OK(!m.live_blocks && !m.damaged, "and is given back");
}

static void test_resetting_allocates_nothing(void)
{
    memory m;
    ds_tape *const t = guarded_tape(&m);
    static lists l;
    size_t calls = 0;
    int round, good = 1;
    for (round = 0; round < 10000; round++) {
        ds_var x = ds_input(t, 0.5), f = x;
        int i;
        for (i = 0; i < 10; i++) f = ds_tanh(ds_add(ds_mul(f, x), ds_c(0.1)));
        if (round % 1000 == 0) {
            make_lists(t, &l, 20, SCATTERED, CONSTANTS);
            f = ds_add(f, ds_dot(l.a, l.b, 20));
        }
        good &= !ds_backward(f);
        if (round == 0) calls = m.calls;
        ds_tape_reset(t);
    }
    TAP_OK(good && m.calls == calls, "ten thousand resets: no allocation after the first round (%d)",
           (int)calls);
    ds_tape_destroy(t);
    TAP_OK(!m.live_blocks && !m.damaged, "and all is given back");
}

static void test_growth(void)
{
    enum { STEPS = 250000 };
    memory m;
    ds_tape *const t = guarded_tape(&m);
    const ds_var a = ds_input(t, 2), start = ds_input(t, 1);
    volatile ds_real x = 1, square, left, part;
    ds_var f = start;
    int i;
    for (i = 0; i < STEPS; i++) { /* Heron by small steps: x' = x - (x^2 - a) / 1024 */
        f = ds_sub(f, ds_mul(ds_sub(ds_mul(f, f), a), ds_c(1.0 / 1024)));
        square = x * x;
        left = square - 2;
        part = left * (ds_real)(1.0 / 1024);
        x = x - part;
    }
    TAP_OK(ds_tape_get_info(t).nodes > 1000000, "a million nodes");
    TAP_OK(same_bits(ds_value(f), x), "the bits of plain C");
    TAP_OK(!ds_backward(f), "backward");
    TAP_NEAR(ds_grad(a), 0.5 / sqrt(2.0), sizeof(ds_real) == 4 ? 1e-3 : 1e-10, "the derivative of a root");
    TAP_OK(fabs((double)ds_grad(start)) < 1e-6, "which forgot where it began");
    ds_tape_destroy(t);
    TAP_OK(!m.live_blocks && !m.damaged, "growth keeps inside its blocks");
}

/* many inputs at once leave little room for values: what follows must ask for more */
static void test_room_behind_inputs(void)
{
    static ds_real numbers[5000];
    ds_m3 wide;
    size_t n;
    int i, damaged = 0, wrong = 0;
    memset(&wide, 0, sizeof wide);
    for (n = 1; n < 5000; n += n < 600 ? 1 : 97) {
        memory m;
        ds_tape *const t = guarded_tape(&m);
        const ds_vars in = ds_inputs(t, numbers, n);
        ds_var33 sum = ds_input33(t, wide);
        for (i = 0; i < 40; i++) sum = ds_add33(sum, sum), ds_clamp(ds_vars_at(in, 0), ds_c(1), ds_c(2));
        for (i = 0; i < 40; i++) ds_pack3(ds_c(1), ds_vars_at(in, 0), ds_c(3));
        wrong += ds_backward(ds_x(ds_row(sum, 0))) != DSIM_OK || ds_grad33(sum).m[0] != 1;
        ds_tape_destroy(t);
        damaged += m.damaged || m.live_blocks;
    }
    TAP_OK(!damaged && !wrong, "any number of inputs, then wide operations: no byte outside");
}

/* A workload of every operation, lists and blocks, step by step, ending in a hash of all values and
   gradients. */
typedef struct work { ds_tape *t; pool p; ds_vars in; ds_var sum; } work;
enum { WORK_STEPS = OPERATIONS + 4 };
static int differentiable[OPERATIONS];

static work work_begin(ds_tape *t, uint64_t seed)
{
    ds_rng rng = ds_rng_make(seed, 8);
    ds_real x[40];
    work w;
    int i;
    for (i = 0; i < 40; i++) x[i] = ds_rng_uniform(&rng);
    w.t = t;
    w.p = make_pool(t, seed);
    w.in = ds_inputs(t, x, 40);
    w.sum = w.p.r1[0];
    return w;
}

static void work_step(work *w, int step)
{
    ds_real weights[10];
    ds_var list[10], term = w->sum;
    ds_var3 points[5];
    size_t i;
    for (i = 0; i < 10; i++) {
        weights[i] = (ds_real)i - 4;
        list[i] = i == 3 ? ds_c(0.5) : ds_vars_at(w->in, 39 - i * 2 % 9);
        points[i / 2] = ds_vars_at3(w->in, i);
    }
    if (step < OPERATIONS) term = operations[step].record(&w->p, step % 3, (step + 1) % 3, 2);
    else if (step == OPERATIONS) term = ds_weighted_sum(weights, list, 10);
    else if (step == OPERATIONS + 1) term = ds_dot(list, list + 1, 9);
    else if (step == OPERATIONS + 2) term = reduce_r3(ds_weighted_sum3(weights, points, 5));
    else
        term = ds_vars_dot(ds_vars_tanh(ds_affine(ds_vars_slice(w->in, 0, 12), ds_vars_slice(w->in, 10, 4),
                                                  ds_vars_slice(w->in, 20, 3))),
                           ds_vars_slice(w->in, 5, 3));
    if (step < OPERATIONS && !differentiable[step]) term = ds_stop_gradient(term);
    w->sum = ds_add(ds_mul(w->sum, ds_c(0.75)), term);
}

static uint64_t work_end(work *w)
{
    ds_real out[NUMBERS + 41];
    if (ds_backward(w->sum)) {
        tap_diag("%s", ds_tape_error(w->t)->text);
        return 0;
    }
    out[0] = ds_value(w->sum);
    pool_gradient(&w->p, out + 1);
    ds_grads(w->in, out + 1 + NUMBERS);
    return ds_hash_reals(out, COUNT(out), 1);
}

static uint64_t work_on(ds_tape *t, uint64_t seed)
{
    work w = work_begin(t, seed);
    int step;
    for (step = 0; step < WORK_STEPS; step++) work_step(&w, step);
    return work_end(&w);
}

/* which operations have a derivative by all their operands */
static void learn_derivatives(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const pool p = make_pool(t, 4);
    int op, n = 0;
    for (op = 0; op < OPERATIONS; op++) {
        const outcome o = outcome_of(t, &p, op, op % 3, (op + 1) % 3, 2);
        differentiable[op] = o.result == DSIM_OK;
        n += !differentiable[op];
        if (o.result && o.result != DSIM_ERROR_NOT_DIFFERENTIABLE)
            tap_diag("%s: %s", operations[op].name, ds_result_name(o.result));
    }
    TAP_OK(n == 9, "nine operations have no derivative: sign, floor, powi by its exponent, comparisons");
    ds_tape_destroy(t);
}

static void test_tapes_agree(void)
{
    memory m;
    ds_tape_desc desc;
    ds_tape *t = ds_tape_create(NULL);
    ds_tape_info info;
    void *block;
    size_t bytes;
    const uint64_t want = work_on(t, 1);
    TAP_OK(want != 0, "every operation, lists and blocks on one tape");
    info = ds_tape_get_info(t);
    TAP_OK(info.bytes_used == info.nodes * 16 + info.values * 2 * sizeof(ds_real),
           "bytes used are 16 a node and two numbers a value");
    ds_tape_destroy(t);
    t = guarded_tape(&m);
    TAP_OK(work_on(t, 1) == want, "on a tape whose blocks move: the same bits");
    TAP_OK(ds_tape_get_info(t).bytes_reserved == m.live_bytes, "bytes reserved are what the allocator gave");
    ds_tape_destroy(t);
    t = fixed_tape(info.nodes, info.values, &m, &block, &bytes);
    TAP_OK(t && work_on(t, 1) == want, "on a tape in exactly the memory it needs: the same bits");
    TAP_OK(t && ds_tape_get_info(t).bytes_reserved <= bytes && !m.calls, "and no allocation");
    ds_tape_reset(t);
    TAP_OK(t && work_on(t, 1) == want, "after a reset, too");
    ds_tape_destroy(t);
    guarded_resize(&m, block, bytes, 0);
    TAP_OK(!m.damaged, "nothing was written behind it");
    memset(&desc, 0, sizeof desc);
    desc.debug = 1;
    t = ds_tape_create(&desc);
    TAP_OK(work_on(t, 1) == want, "on a debug tape: the same bits");
    ds_tape_destroy(t);
}

/* each list in a tape that has exactly the nodes and values it takes */
static void test_exact_room_for_lists(void)
{
    static const size_t ns[] = { 1, 4, 5, 100 };
    static lists l;
    int layout, op, bad = 0;
    size_t k, bytes;
    for (layout = 0; layout < LAYOUTS; layout++)
        for (op = 0; op < LIST_OPS; op++)
            for (k = 0; k < COUNT(ns); k++) {
                ds_tape *t = ds_tape_create(NULL);
                ds_tape_info info;
                ds_real want;
                memory m;
                void *block;
                make_lists(t, &l, ns[k], layout, layout);
                want = ds_value(whole_list(op, &l, ns[k]));
                info = ds_tape_get_info(t);
                ds_tape_destroy(t);
                t = fixed_tape(info.nodes < 2 ? 2 : info.nodes,
                               info.values < 3 * ns[k] + 1 ? 3 * ns[k] + 1 : info.values, &m, &block, &bytes);
                make_lists(t, &l, ns[k], layout, layout);
                if (!same_bits(ds_value(whole_list(op, &l, ns[k])), want)) bad++;
                guarded_resize(&m, block, bytes, 0);
                bad += m.damaged;
            }
    TAP_OK(!bad, "lists fit into exactly what they take");
}

static void test_interleaved(void)
{
    enum { TAPES = 8 };
    ds_tape *t[TAPES];
    work w[TAPES];
    uint64_t want[TAPES];
    int i, step, bad = 0;
    for (i = 0; i < TAPES; i++) {
        t[i] = ds_tape_create(NULL);
        want[i] = work_on(t[i], (uint64_t)i);
        ds_tape_reset(t[i]);
    }
    for (i = 0; i < TAPES; i++) w[i] = work_begin(t[i], (uint64_t)i);
    for (step = 0; step < WORK_STEPS; step++)
        for (i = 0; i < TAPES; i++) work_step(&w[(i * 5 + step) % TAPES], step);
    for (i = 0; i < TAPES; i++) {
        bad += !want[i] || work_end(&w[i]) != want[i] || (i && want[i] == want[0]);
        ds_tape_destroy(t[i]);
    }
    TAP_OK(!bad, "eight tapes recorded in turns do not see each other");
}

/* Edges of functions. */

/* f is finite and so is its gradient, though the branch not taken is not */
static ds_var dead_division(ds_var x)
{
    return ds_select(ds_gt(x, ds_c(0)), ds_square(x), ds_div(ds_c(1), ds_sub(x, x)));
}
static ds_var dead_root(ds_var x)
{
    return ds_select(ds_gt(x, ds_c(0)), ds_square(x), ds_sqrt(ds_sub(x, x)));
}
static ds_var dead_log(ds_var x) { return ds_select(ds_lt(x, ds_c(0)), ds_log(ds_sub(x, x)), ds_square(x)); }
static ds_var dead_power(ds_var x)
{
    return ds_select(ds_lt(x, ds_c(0)), ds_pow(ds_sub(x, x), ds_c(-1)), ds_square(x));
}
static ds_var dead_norm(ds_var x)
{
    return ds_select(ds_lt(x, ds_c(0)), ds_norm3(ds_scale3(ds_pack3(x, x, x), ds_sub(x, x))), ds_square(x));
}
static ds_var dead_sum(ds_var x)
{
    ds_var list[3];
    list[0] = ds_log(ds_sub(x, x)), list[1] = x, list[2] = ds_c(1);
    return ds_select(ds_lt(x, ds_c(0)), ds_dot(list, list, 3), ds_square(x));
}
static void test_dead_branches(void)
{
    static const struct { const char *name; ds_var (*record)(ds_var x); } cases[] = {
        { "1 / 0", dead_division }, { "sqrt(0)", dead_root }, { "log(0)", dead_log }, { "0^-1", dead_power },
        { "norm3(0)", dead_norm }, { "a dot product with -inf", dead_sum },
    };
    ds_tape *const t = ds_tape_create(NULL);
    size_t k;
    for (k = 0; k < COUNT(cases); k++) {
        ds_var x;
        ds_tape_reset(t);
        x = ds_input(t, 3);
        if (!TAP_OK(!ds_backward(cases[k].record(x)) && ds_grad(x) == 6, "a branch not taken with %s",
                    cases[k].name))
            tap_diag("%s", ds_tape_error(t)->text);
    }
    ds_tape_destroy(t);
}

/* a variable between an input and a dead branch has the gradient 0 as well, though its input would hide a
   NaN */
static void test_dead_intermediates(void)
{
    static const struct {
        const char *name;
        ds_var (*record)(const pool *p, int i, int j, int k);
    } cases[] = {
        {"relu", every_relu},
        {"safe_sqrt", every_safe_sqrt},
        {"smooth_step", every_smooth_step},
        {"stop_gradient", every_stop_gradient},
        {"max", every_max},
        {"clamp", every_clamp},
    };
    size_t k;
    for (k = 0; k < COUNT(cases); k++) {
        ds_tape *const t = ds_tape_create(NULL);
        ds_var x, between, f;
        pool p;
        memset(&p, 0, sizeof p);
        x = p.r1[0] = ds_input(t, k == 3 ? 0 : -1), p.r1[1] = ds_input(t, 0), p.r1[2] = ds_input(t, 1);
        between = cases[k].record(&p, 0, 1, 2);
        f = ds_select(ds_gt(x, ds_c(0)), ds_div(ds_c(1), between), ds_mul(ds_c(3), x));
        TAP_OK(!ds_backward(f) && ds_grad(x) == 3 && ds_grad(between) == 0, "%s before a dead 1 / 0",
               cases[k].name);
        ds_tape_destroy(t);
    }
}

/* inf - inf in one row of an affine map; the loss looks at the other */
static void test_dead_row(void)
{
    const ds_real big = sizeof(ds_real) == 4 ? (ds_real)1e38 : (ds_real)1e308;
    const ds_real numbers[8] = { big, -big, (ds_real)0.01, (ds_real)0.02, 0, 0, 100, 100 };
    ds_tape *const t = ds_tape_create(NULL);
    const ds_vars in = ds_inputs(t, numbers, 8);
    const ds_vars y =
        ds_vars_tanh(ds_affine(ds_vars_slice(in, 0, 4), ds_vars_slice(in, 6, 2), ds_vars_slice(in, 4, 2)));
    ds_real grads[8];
    TAP_OK(isnan((double)ds_value(ds_vars_at(y, 0))), "a row of a layer that is NaN");
    if (!TAP_OK(!ds_backward(ds_vars_at(y, 1)) && !ds_grads(in, grads), "and not looked at"))
        tap_diag("%s", ds_tape_error(t)->text);
    else
        TAP_OK(grads[0] == 0 && grads[4] == 0 && grads[5] > 0 && grads[2] == 100 * grads[5],
               "leaves the gradient of the others");
    ds_tape_destroy(t);
}

/* where two branches meet: which operand gets the adjoint */
static void test_ties(void)
{
    static const struct {
        const char *name;
        ds_var (*record)(const pool *p, int i, int j, int k);
        double x, y, z, dx, dy, dz;
    } cases[] = {
        {"min(1, 1)", every_min, 1, 1, 0, 0, 1, 0},
        {"min(1, 2)", every_min, 1, 2, 0, 1, 0, 0},
        {"max(1, 1)", every_max, 1, 1, 0, 0, 1, 0},
        {"max(1, 2)", every_max, 1, 2, 0, 0, 1, 0},
        {"clamp below", every_clamp, -5, 0, 1, 0, 1, 0},
        {"clamp at low", every_clamp, 0, 0, 1, 0, 1, 0},
        {"clamp inside", every_clamp, 0.5, 0, 1, 1, 0, 0},
        {"clamp at high", every_clamp, 1, 0, 1, 0, 0, 1},
        {"clamp above", every_clamp, 5, 0, 1, 0, 0, 1},
        {"clamp to a point", every_clamp, 1, 1, 1, 0, 0, 1},
        {"abs(0)", every_abs, 0, 0, 0, 0, 0, 0},
        {"abs(-0)", every_abs, -0.0, 0, 0, 0, 0, 0},
        {"abs(-2)", every_abs, -2, 0, 0, -1, 0, 0},
        {"relu(0)", every_relu, 0, 0, 0, 0, 0, 0},
        {"relu(3)", every_relu, 3, 0, 0, 1, 0, 0},
        {"select(0)", every_select, 0, 2, 3, 0, 0, 1},
        {"select(-0.5)", every_select, -0.5, 2, 3, 0, 1, 0},
        {"select(-0)", every_select, -0.0, 2, 3, 0, 0, 1},
        {"safe_sqrt(0)", every_safe_sqrt, 0, 0, 0, 0, 0, 0},
        {"safe_sqrt(-1)", every_safe_sqrt, -1, 0, 0, 0, 0, 0},
        {"safe_sqrt(4)", every_safe_sqrt, 4, 0, 0, 0.25, 0, 0},
        {"safe_norm(0, 0)", every_safe_norm, 0, 0, 0, 0, 0, 0},
        {"safe_div(3, 0)", every_safe_div, 3, 0, 0, 0, 0, 0},
        {"safe_div(3, 2)", every_safe_div, 3, 2, 0, 0.5, -0.75, 0},
        {"stop_gradient", every_stop_gradient, 3, 0, 0, 0, 0, 0},
        {"pow(0, 2)", every_pow, 0, 2, 0, 0, 0, 0},
        {"pow(0, 1)", every_pow, 0, 1, 0, 1, 0, 0},
        {"smooth_step(0)", every_smooth_step, 0, 0, 0, 0, 0, 0},
        {"smooth_step(1)", every_smooth_step, 1, 0, 0, 0, 0, 0},
        {"smooth_step(2)", every_smooth_step, 2, 0, 0, 0, 0, 0},
    };
    ds_tape *const t = ds_tape_create(NULL);
    size_t k;
    for (k = 0; k < COUNT(cases); k++) {
        pool p;
        memset(&p, 0, sizeof p);
        ds_tape_reset(t);
        p.r1[0] = ds_input(t, cases[k].x), p.r1[1] = ds_input(t, cases[k].y),
        p.r1[2] = ds_input(t, cases[k].z);
        TAP_OK(!ds_backward(cases[k].record(&p, 0, 1, 2)) && (double)ds_grad(p.r1[0]) == cases[k].dx &&
                   (double)ds_grad(p.r1[1]) == cases[k].dy && (double)ds_grad(p.r1[2]) == cases[k].dz,
               "%s gives %g, %g, %g", cases[k].name, cases[k].dx, cases[k].dy, cases[k].dz);
    }
    ds_tape_destroy(t);
}

static void test_integer_powers(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    int n, bad = 0;
    for (n = -4; n <= 5; n++) {
        const ds_var x = ds_input(t, -1.5);
        double value = 1, slope;
        int i;
        for (i = 0; i < (n < 0 ? -n : n); i++) value *= -1.5;
        value = n < 0 ? 1 / value : value;
        slope = n * value / -1.5;
        bad += ds_backward(ds_powi(x, ds_c(n))) || apart((double)ds_grad(x), slope) > TOLERANCE;
        bad += ds_backward(ds_pow(x, ds_c(n))) || apart((double)ds_grad(x), slope) > TOLERANCE;
        bad += apart((double)ds_value(ds_powi(x, ds_c(n))), value) > TOLERANCE;
    }
    TAP_OK(!bad, "integer powers of a negative number");
    ds_tape_destroy(t);
}

/* NaN in, NaN out (or an error): a bound must not turn it into a number with a gradient */
static void test_nan_does_not_vanish(void)
{
    static const struct {
        const char *name;
        ds_var (*record)(const pool *p, int i, int j, int k);
    } cases[] = {
        {"min(nan, 1)", every_min},
        {"max(nan, 1)", every_max},
        {"clamp(nan, 1, 2)", every_clamp},
        {"relu(nan)", every_relu},
        {"safe_sqrt(nan)", every_safe_sqrt},
        {"smooth_step(nan)", every_smooth_step},
        {"abs(nan)", every_abs},
        {"softplus(nan)", every_softplus},
        {"sigmoid(nan)", every_sigmoid},
        {"smooth_min(nan, 1, 2)", every_smooth_min},
        {"safe_div(nan, 1)", every_safe_div},
        {"safe_norm(nan, 1)", every_safe_norm},
        {"hypot(nan, 1)", every_hypot},
    };
    ds_tape *const t = ds_tape_create(NULL);
    size_t k;
    int other;
    for (k = 0; k < COUNT(cases); k++)
        for (other = 0; other < 2; other++) {
            ds_result result;
            ds_var f;
            pool p;
            memset(&p, 0, sizeof p);
            ds_tape_reset(t);
            p.r1[0] = ds_log(ds_input(t, -1)), p.r1[1] = ds_input(t, 1), p.r1[2] = ds_input(t, 2);
            if (other && (!strstr(cases[k].name, ", ") || cases[k].record == every_clamp)) continue;
            f = cases[k].record(&p, other, !other, 2);
            result = ds_backward(f);
            TAP_OK(isnan((double)ds_value(f)) && result == DSIM_ERROR_NON_FINITE, "%s%s", cases[k].name,
                   other ? " the other way round" : "");
        }
    ds_tape_destroy(t);
}

/* variables of no use: all their numbers are NaN, and none is out of bounds */
static void test_dead_variables(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_real numbers[4] = { 1, 2, 3, 4 };
    const ds_mark mark = ds_tape_mark(t);
    const pool p = make_pool(t, 1);
    const ds_vars block = ds_inputs(t, numbers, 4);
    ds_real out[4] = { 7, 7, 7, 7 };
    ds_var none;
    memset(&none, 0, sizeof none);
    ds_backward(p.r1[0]);
    ds_tape_rewind(t, mark);
    TAP_OK(isnan((double)ds_value(p.r1[1])) && isnan((double)ds_value3(p.r3[1]).y) &&
               isnan((double)ds_value4(p.r4[1]).z) && isnan((double)ds_value33(p.r9[1]).m[8]),
           "values of stale variables are NaN");
    TAP_OK(isnan((double)ds_grad(p.r1[1])) && isnan((double)ds_grad3(p.r3[1]).x) &&
               isnan((double)ds_grad4(p.r4[1]).w) && isnan((double)ds_grad33(p.r9[1]).m[0]) &&
               isnan((double)ds_grad(ds_y(p.r3[0]))),
           "and their gradients");
    TAP_OK(ds_values(block, out) == DSIM_ERROR_STALE && ds_grads(block, out) == DSIM_ERROR_STALE &&
               out[0] == 7 && out[3] == 7,
           "a stale block is named, and leaves the output");
    TAP_OK(isnan((double)ds_grad(ds_c(3))) && isnan((double)ds_grad(none)), "constants have no gradient");
    ds_tape_destroy(t);
}

int main(void)
{
    test_programs();
    learn_derivatives();
    test_aliases();
    test_views();
    test_constants_known_and_hidden();
    test_folding();
    test_constant_vectors();
    test_lists();
    test_lists_of_constants();
    test_affine();
    test_block_dot();
    test_backward_again();
    test_many_seeds();
    test_seeds_overflow();
    test_long_walk();
    test_marks();
    test_marks_between_leaves();
    test_old_operands();
    test_stale_operands();
    test_random_walk();
    test_rewinding_costs_nothing();
    test_resetting_allocates_nothing();
    test_growth();
    test_room_behind_inputs();
    test_tapes_agree();
    test_exact_room_for_lists();
    test_interleaved();
    test_dead_branches();
    test_dead_intermediates();
    test_dead_row();
    test_ties();
    test_integer_powers();
    test_nan_does_not_vanish();
    test_dead_variables();
    test_empty_inputs();
    return tap_end();
}
