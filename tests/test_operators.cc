/* C++: operators and bare names record what the functions by name do, node for node and bit for bit;
   templates serve numbers and variables; descs may be temporaries. */
#define DIFFSIM_IMPLEMENTATION
#define DIFFSIM_OPERATORS
#include "../diffsim.h"
#include "tap.h"
#include <algorithm>
#include <cmath>
#include <complex> /* more overloads of sin and its kin */
#include <string.h>

/* the same inputs on two tapes; both are recorded and must be equal */
static ds_tape *tapes[2];
static ds_var x, y, z;
static ds_var3 p, q, s;
static ds_var4 r;
static ds_var33 F, G;
static ds_vars inputs;

static void begin(ds_tape *t)
{
    ds_real numbers[34];
    for (int i = 0; i < 34; i++) numbers[i] = (ds_real)(0.15 + 0.025 * ((i * 13 + 5) % 34)); /* in (0, 1) */
    ds_tape_reset(t);
    inputs = ds_inputs(t, numbers, 34);
    x = ds_vars_at(inputs, 0);
    y = ds_vars_at(inputs, 1);
    z = ds_vars_at(inputs, 2);
    p = ds_vars_at3(inputs, 1);
    q = ds_vars_at3(inputs, 2);
    s = ds_vars_at3(inputs, 3);
    r = ds_pack4(ds_vars_at(inputs, 12), ds_vars_at3(inputs, 4));
    F = ds_pack33(ds_vars_at3(inputs, 5), ds_vars_at3(inputs, 6), ds_vars_at3(inputs, 7));
    G = ds_pack33(ds_vars_at3(inputs, 8), ds_vars_at3(inputs, 9), ds_vars_at3(inputs, 10));
}

/* all there is to know of a record: operations, values, the result's entries and all gradients */
struct record {
    uint32_t ops[64];
    ds_real values[200], grads[34];
    size_t n_nodes, n_values, at, width;
    ds_result result;
    ds_recorder *rec;
};
static size_t entries(ds_var v, ds_var *out) { return out[0] = v, 1; }
static size_t entries(ds_var3 v, ds_var *out)
{
    return out[0] = ds_x(v), out[1] = ds_y(v), out[2] = ds_z(v), 3;
}
static size_t entries(ds_var4 v, ds_var *out)
{
    return out[0] = ds_scalar_part(v), 1 + entries(ds_vector_part(v), out + 1);
}
static size_t entries(ds_var33 v, ds_var *out)
{
    for (size_t i = 0; i < 3; i++) entries(ds_row(v, i), out + 3 * i);
    return 9;
}
template <class handle> static record taken(handle v)
{
    static const ds_real seeds[9] = { 1, -2, 3, (ds_real)0.5, 5, -6, 7, 8, -9 };
    record k;
    ds_var f[9];
    memset((void *)&k, 0, sizeof k);
    k.rec = v.rec;
    k.at = (uint32_t)v.at;
    k.width = entries(v, f);
    if (!v.rec) return k;
    k.n_nodes = v.rec->n_nodes;
    k.n_values = v.rec->n_values;
    if (k.n_nodes > 64 || k.n_values > 200) return k;
    for (size_t i = 0; i < k.n_nodes; i++) k.ops[i] = v.rec->nodes[i].op;
    memcpy(k.values, v.rec->values, k.n_values * sizeof(ds_real));
    k.result = ds_backward_many(f, seeds, k.width);
    if (!k.result) k.result = ds_grads(inputs, k.grads);
    return k;
}
static int same_records(const record &a, const record &b)
{
    return a.rec && b.rec && a.rec != b.rec && a.n_nodes == b.n_nodes && a.n_nodes <= 64 &&
           a.n_values == b.n_values && a.n_values <= 200 && a.at == b.at && a.width == b.width &&
           a.result == b.result && !memcmp(a.ops, b.ops, sizeof a.ops) &&
           !memcmp(a.values, b.values, sizeof a.values) && !memcmp(a.grads, b.grads, sizeof a.grads);
}
#define SAME(written, called) SAME_EXPANDED(written, called)
#define SAME_EXPANDED(written, called) \
    do { \
        begin(tapes[0]); \
        const record by_operator = taken(written); \
        begin(tapes[1]); \
        const record by_name = taken(called); \
        TAP_OK(same_records(by_operator, by_name), "%s", #written); \
    } while (0)

/* every row of the table by its bare name, with numbers in every place that may have one */
#define FIRST_r1 x
#define FIRST_r3 p
#define FIRST_r4 r
#define FIRST_r9 F
#define SECOND_r1 y
#define SECOND_r3 q
#define SECOND_r9 G
#define THIRD_r1 z
#define THIRD_r3 s
#define IF_r1(check) check
#define IF_r3(check)
#define IF_r4(check)
#define IF_r9(check)
#define DSI_EACH_1(name, R, A) SAME(name(FIRST_##A), ds_##name(FIRST_##A));
#define DSI_EACH_2(name, R, A, B) \
    SAME(name(FIRST_##A, SECOND_##B), ds_##name(FIRST_##A, SECOND_##B)); \
    IF_##A(SAME(name(0.625, SECOND_##B), ds_##name(ds_c(0.625), SECOND_##B));) \
    IF_##B(SAME(name(FIRST_##A, 2), ds_##name(FIRST_##A, ds_c(2)));)
#define DSI_EACH_3(name, R, A, B, C) \
    SAME(name(FIRST_##A, SECOND_##B, THIRD_##C), ds_##name(FIRST_##A, SECOND_##B, THIRD_##C)); \
    IF_##A(SAME(name(0.625, SECOND_##B, THIRD_##C), ds_##name(ds_c(0.625), SECOND_##B, THIRD_##C));) \
    IF_##B(SAME(name(FIRST_##A, 0.2, THIRD_##C), ds_##name(FIRST_##A, ds_c(0.2), THIRD_##C));) \
    IF_##C(SAME(name(FIRST_##A, SECOND_##B, 2), ds_##name(FIRST_##A, SECOND_##B, ds_c(2)));) \
    IF_##A(IF_##B(SAME(name(0.5, 0.3, THIRD_##C), ds_##name(ds_c(0.5), ds_c(0.3), THIRD_##C));)) \
    IF_##A(IF_##C(SAME(name(0.5, SECOND_##B, 2), ds_##name(ds_c(0.5), SECOND_##B, ds_c(2)));)) \
    IF_##B(IF_##C(SAME(name(FIRST_##A, 0.3, 2), ds_##name(FIRST_##A, ds_c(0.3), ds_c(2)));))
#define SCALARS \
    DSI_OPS_1(DSI_SIGNATURE_1) DSI_OPS_2(DSI_SIGNATURE_2) DSI_OPS_3(DSI_SIGNATURE_3)
#define VECTORS \
    DSI_VOPS_1(DSI_SIGNATURE_V1) DSI_VOPS_2(DSI_SIGNATURE_V2) DSI_VOPS_3(DSI_SIGNATURE_V3)
static void scalar_names(void) { SCALARS }
static void vector_names(void)
{
    VECTORS
    SAME(dot(p, q), ds_dot3(p, q));
    SAME(cross(p, q), ds_cross3(p, q));
    SAME(norm(p), ds_norm3(p));
    SAME(normalize(p), ds_normalize3(p));
}

static ds_var added(ds_var a, ds_var b) { return a += b; }
static ds_var subtracted(ds_var a, ds_var b) { return a -= b; }
static ds_var multiplied(ds_var a, ds_var b) { return a *= b; }
static ds_var divided(ds_var a, ds_var b) { return a /= b; }
static ds_var changed(ds_var a)
{
    a += 2;
    a -= 0.1;
    a *= 3.5;
    return a /= 7;
}
static ds_var3 changed(ds_var3 a, ds_var3 b, ds_var f, ds_var g)
{
    a += b;
    a *= f;
    a /= g;
    a *= 0.2;
    a /= 3;
    return a -= b;
}
/* the same by name; one call a line, because the order of arguments is open */
static ds_var3 changed_by_name(ds_var3 a, ds_var3 b, ds_var f, ds_var g)
{
    a = ds_add3(a, b);
    a = ds_scale3(a, f);
    g = ds_recip(g);
    a = ds_scale3(a, g);
    a = ds_scale3(a, ds_c(0.2));
    a = ds_scale3(a, ds_c(1 / 3.0));
    return ds_sub3(a, b);
}
static ds_var33 changed(ds_var33 a, ds_var33 b) { return a += b; }
static ds_var33 changed(ds_var33 a, ds_var33 b, ds_var f, ds_var g)
{
    a *= b;
    a *= f;
    a /= g;
    a *= 0.2;
    a /= 3;
    return a -= b;
}
static ds_var33 changed_by_name(ds_var33 a, ds_var33 b, ds_var f, ds_var g)
{
    a = ds_mul33(a, b);
    a = ds_scale33(a, f);
    g = ds_recip(g);
    a = ds_scale33(a, g);
    a = ds_scale33(a, ds_c(0.2));
    a = ds_scale33(a, ds_c(1 / 3.0));
    return ds_sub33(a, b);
}

static void scalar_operators(void)
{
    SAME(x + y, ds_add(x, y));
    SAME(x - y, ds_sub(x, y));
    SAME(x * y, ds_mul(x, y));
    SAME(x / y, ds_div(x, y));
    SAME(-x, ds_neg(x));
    SAME(x + 2, ds_add(x, ds_c(2)));
    SAME(x - 2, ds_sub(x, ds_c(2)));
    SAME(x * 2, ds_mul(x, ds_c(2)));
    SAME(x / 2, ds_div(x, ds_c(2)));
    SAME(0.1 + x, ds_add(ds_c(0.1), x));
    SAME(0.1 - x, ds_sub(ds_c(0.1), x));
    SAME(0.1 * x, ds_mul(ds_c(0.1), x));
    SAME(0.1 / x, ds_div(ds_c(0.1), x));
    SAME(x < y, ds_lt(x, y));
    SAME(x <= y, ds_le(x, y));
    SAME(x > y, ds_gt(x, y));
    SAME(x >= y, ds_ge(x, y));
    SAME(x < 0.3, ds_lt(x, ds_c(0.3)));
    SAME(x <= 0.3, ds_le(x, ds_c(0.3)));
    SAME(0 > x, ds_gt(ds_c(0), x));
    SAME(0 >= x, ds_ge(ds_c(0), x));
    SAME(added(x, y), ds_add(x, y));
    SAME(subtracted(x, y), ds_sub(x, y));
    SAME(multiplied(x, y), ds_mul(x, y));
    SAME(divided(x, y), ds_div(x, y));
    SAME(changed(x), ds_div(ds_mul(ds_sub(ds_add(x, ds_c(2)), ds_c(0.1)), ds_c(3.5)), ds_c(7)));
    SAME(x + ds_c(2), ds_add(x, ds_c(2)));
    SAME(ds_var() + x, ds_add(ds_c(0), x));
    /* as on paper: the operators' own precedence */
    SAME(x + y * z, ds_add(x, ds_mul(y, z)));
    SAME(x - y - z, ds_sub(ds_sub(x, y), z));
    SAME(-x * y / z, ds_div(ds_mul(ds_neg(x), y), z));
    SAME(select(x < y, x, 1), ds_select(ds_lt(x, y), x, ds_c(1)));
}

static void vector_operators(void)
{
    SAME(p + q, ds_add3(p, q));
    SAME(p - q, ds_sub3(p, q));
    SAME(-p, ds_neg3(p));
    SAME(p * x, ds_scale3(p, x));
    SAME(x * p, ds_scale3(p, x));
    SAME(p * 2, ds_scale3(p, ds_c(2)));
    SAME(0.1 * p, ds_scale3(p, ds_c(0.1)));
    SAME(p / x, ds_scale3(p, ds_recip(x)));
    SAME(p / 3, ds_scale3(p, ds_c(1 / 3.0)));
    SAME(changed(p, q, x, y), changed_by_name(p, q, x, y));
    SAME(F + G, ds_add33(F, G));
    SAME(changed(F, G), ds_add33(F, G));
    SAME(F * p, ds_matvec3(F, p));
    SAME(-F, ds_neg33(F));
    SAME(F - G, ds_sub33(F, G));
    SAME(F * G, ds_mul33(F, G));
    SAME(F * x, ds_scale33(F, x));
    SAME(x * F, ds_scale33(F, x));
    SAME(F * 2, ds_scale33(F, ds_c(2)));
    SAME(0.1 * F, ds_scale33(F, ds_c(0.1)));
    SAME(F / x, ds_scale33(F, ds_recip(x)));
    SAME(F / 3, ds_scale33(F, ds_c(1 / 3.0)));
    SAME(changed(F, G, x, y), changed_by_name(F, G, x, y));
    SAME(transpose(F), ds_transpose33(F));
    SAME(inverse(F), ds_inverse33(F));
    SAME(det(F), ds_det33(F));
    SAME(polar33(F), ds_polar33(F));
    SAME(stretch33(F), ds_stretch33(F));
}

template <class type> static int same(type a, type b) { return !memcmp(&a, &b, sizeof a); }
static void plain_vectors(void)
{
    const ds_real k = (ds_real)0.3;
    const ds_v3 a = ds_v3_make(1, (ds_real)-0.7, (ds_real)0.1), b = ds_v3_make((ds_real)0.2, 5, k);
    const ds_m3 m = ds_m3_from_rows(a, b, ds_v3_make(k, 3, 1));
    const ds_m3 n = ds_m3_from_rows(b, ds_v3_make(2, k, 1), a);
    const ds_q4 u = ds_q4_make(k, 1, 2, 3), v = ds_q4_make(2, k, -1, 4);
    ds_v3 c = a;
    ds_m3 o = m;
    ds_q4 w = u;
    TAP_OK(same(a + b, ds_v3_add(a, b)) && same(a - b, ds_v3_sub(a, b)) && same(-a, ds_v3_neg(a)), "v3: + -");
    TAP_OK(same(a * k, ds_v3_scale(a, k)) && same(k * a, ds_v3_scale(a, k)), "v3: *");
    TAP_OK(same(a / k, ds_v3_scale(a, 1 / k)), "v3: /");
    TAP_OK(same(dot(a, b), ds_v3_dot(a, b)) && same(cross(a, b), ds_v3_cross(a, b)), "v3: dot and cross");
    TAP_OK(same(norm(a), ds_v3_norm(a)) && same(normalize(a), ds_v3_normalize(a)), "v3: norm and normalize");
    c += b;
    c *= k;
    c -= a;
    c /= k;
    TAP_OK(same(c, ds_v3_scale(ds_v3_sub(ds_v3_scale(ds_v3_add(a, b), k), a), 1 / k)), "v3: += *= -= /=");
    TAP_OK(same(m + n, ds_m3_add(m, n)) && same(m * n, ds_m3_mul(m, n)), "m3: + *");
    TAP_OK(same(m - n, ds_m3_add(m, ds_m3_scale(n, -1))) && same(-m, ds_m3_scale(m, -1)), "m3: -");
    TAP_OK((m - n).m[5] == m.m[5] - n.m[5], "m3: - subtracts entries");
    TAP_OK(same(m * k, ds_m3_scale(m, k)) && same(k * m, ds_m3_scale(m, k)), "m3: * number");
    TAP_OK(same(m * a, ds_m3_mul_v3(m, a)), "m3: * v3");
    TAP_OK(same(transpose(m), ds_m3_transpose(m)) && same(inverse(m), ds_m3_inverse(m)) &&
           same(det(m), ds_m3_det(m)), "m3: transpose, inverse, det");
    o += n;
    o *= k;
    o -= m;
    o *= n;
    TAP_OK(same(o, ds_m3_mul(ds_m3_add(ds_m3_scale(ds_m3_add(m, n), k), ds_m3_scale(m, -1)), n)),
           "m3: += *= -=");
    w *= v;
    TAP_OK(same(u * v, ds_q4_mul(u, v)) && same(w, ds_q4_mul(u, v)), "q4: *");
}

/* one template, numbers and variables; names of std in reach, which must not win */
template <class T> static T energy(const T *u, size_t n)
{
    using namespace std;
    T sum{};
    for (size_t i = 1; i < n; i++) {
        const T d = u[i] - u[i - 1];
        sum += (ds_real)0.5 * d * d + (ds_real)0.1 * pow(u[i], (ds_real)3) - cos(u[i] * u[i - 1]) / 2;
        sum -= atan2(u[i], u[i - 1]) * exp(-u[i]);
    }
    sum *= 2;
    return sum + min(u[0], u[1]) * max(u[0], u[1]) + hypot(u[0], u[1]) + abs(-u[0]);
}
static ds_result objective(void *user, const ds_real *numbers, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = static_cast<ds_tape *>(user);
    ds_var u[8];
    ds_tape_reset(t);
    const ds_vars in = ds_inputs(t, numbers, n);
    for (size_t i = 0; i < n; i++) u[i] = ds_vars_at(in, i);
    const ds_var f = energy(u, n);
    *value = ds_value(f);
    return grad && !ds_backward(f) ? ds_grads(in, grad) : ds_tape_error(t)->code;
}
static void templates(void)
{
    const ds_real at[5] = { (ds_real)0.3, (ds_real)0.8, (ds_real)1.4, (ds_real)0.6, (ds_real)1.1 };
    const double near_one = sizeof(ds_real) == 4 ? 1e-6 : 1e-14;
    ds_real value, grad[5];
    ds_check_report report;
    TAP_OK(objective(tapes[0], at, 5, &value, grad) == DSIM_OK, "a template records");
    TAP_NEAR(value, energy(at, 5), near_one, "its value is that of the same template with numbers");
    TAP_OK(ds_check_gradient(objective, tapes[0], at, 5, {}, &report) == DSIM_OK, "%s", report.text);
}

/* a refusal through an operator is the refusal by name */
static void refusals(void)
{
    char text[400];
    ds_var other, old;
    for (int k = 0; k < 2; k++) {
        begin(tapes[0]);
        old = x;
        other = y;
        begin(tapes[1]);
        const ds_var bad = k ? x * other : ds_mul(x, other);
        const ds_error *const error = ds_tape_error(tapes[1]);
        TAP_OK(error->code == DSIM_ERROR_MIXED && error->index == 2, "variables of two tapes");
        TAP_OK(bad.rec && std::isnan(ds_value(bad)), "give a variable that is not valid");
        if (k) TAP_OK(!strcmp(error->text, text), "with the same sentence: %s", text);
        else TAP_HAS(strcpy(text, error->text), "mul", "the sentence names the function");
    }
    begin(tapes[0]);
    const ds_var late = sin(old) + x;
    TAP_OK(ds_tape_error(tapes[0])->code == DSIM_ERROR_STALE, "a stale variable in a sum");
    TAP_OK(ds_backward(late) == DSIM_ERROR_STALE, "and so says the reverse sweep");
    begin(tapes[0]);
    TAP_OK(ds_backward(floor(x) * 2) == DSIM_ERROR_NOT_DIFFERENTIABLE, "no derivative");
    TAP_HAS(ds_tape_error(tapes[0])->text, "floor", "and which");
}

/* descs by reference do what pointers do */
static void count_calls(void *task, size_t first, size_t end, size_t)
{
    *static_cast<size_t *>(task) += end - first;
}
static ds_result parabola(void *, const ds_real *at, size_t, ds_real *value, ds_real *grad)
{
    *value = (at[0] - 3) * (at[0] - 3);
    if (grad) grad[0] = 2 * (at[0] - 3);
    return DSIM_OK;
}
static ds_result line(void *, const ds_real *at, size_t, ds_real *rest, ds_real *jacobian)
{
    for (int i = 0; i < 3; i++) rest[i] = at[0] * (ds_real)i - (ds_real)(i * i);
    if (jacobian) jacobian[0] = 0, jacobian[1] = 1, jacobian[2] = 2;
    return DSIM_OK;
}
static void references(void)
{
    static union { double align; char bytes[1 << 16]; } memory;
    ds_tape_desc small_tape = ds_tape_desc();
    ds_problem problem = ds_problem(), fit = ds_problem();
    ds_schedule halves = ds_schedule();
    ds_real at[1] = { 1 }, by_reference, by_pointer;
    ds_minimise_report report;
    ds_arena arena;
    size_t n = 0;

    ds_tape *t = ds_tape_create(ds_tape_desc{});
    TAP_OK(t && ds_backward(ds_input(t, 2) * 3) == DSIM_OK, "ds_tape_create(ds_tape_desc{})");
    ds_tape_destroy(t);
    t = ds_tape_create({});
    TAP_OK(t != NULL, "ds_tape_create({})");
    ds_tape_destroy(t);
    small_tape.max_nodes = small_tape.max_values = 10;
    TAP_OK(ds_tape_bytes(small_tape) == ds_tape_bytes(&small_tape) && ds_tape_bytes(small_tape) > 0,
           "ds_tape_bytes");
    t = ds_tape_init(memory.bytes, sizeof memory.bytes, small_tape);
    TAP_OK(t && !ds_tape_init(memory.bytes, ds_tape_bytes(small_tape) - 1, small_tape), "ds_tape_init");

    problem.n = 1;
    problem.objective = parabola;
    TAP_OK(ds_minimise(problem, ds_minimise_desc{}, at, &report) == DSIM_OK, "ds_minimise");
    TAP_NEAR(at[0], 3, 1e-3, "finds the minimum");
    TAP_OK(ds_minimise_bytes(problem, {}) > 0 &&
           ds_minimise_bytes(problem, {}) == ds_minimise_bytes(&problem, NULL), "ds_minimise_bytes");
    fit.n = 1;
    fit.n_residuals = 3;
    fit.residuals = line;
    TAP_OK(!ds_covariance(fit, {}, at, &by_reference) && !ds_covariance(&fit, NULL, at, &by_pointer) &&
           same(by_reference, by_pointer) && by_pointer > 0, "ds_covariance");
    halves.kind = DSIM_SCHEDULE_EXPONENTIAL;
    halves.period = 5;
    TAP_OK(ds_schedule_factor(halves, 7) < 1 &&
           same(ds_schedule_factor(halves, 7), ds_schedule_factor(&halves, 7)), "ds_schedule_factor");
    TAP_OK(ds_optimizer_init(memory.bytes, sizeof memory.bytes, 1, ds_optimizer_desc{}) != NULL,
           "ds_optimizer_init");
    ds_parallel_for(ds_jobs{}, 100, 7, count_calls, &n);
    TAP_OK(n == 100, "ds_parallel_for");
    ds_arena_create(&arena, ds_allocator{}, 100);
    TAP_OK(ds_arena_alloc(&arena, 3, 8) != NULL, "ds_arena_create");
    ds_arena_destroy(&arena);
#if __cplusplus >= 202002L
    t = ds_tape_create({ .max_nodes = 1 });
    TAP_OK(t && ds_backward(-ds_input(t, 2)) == DSIM_ERROR_FULL, "ds_tape_create({ .max_nodes = 1 })");
    ds_tape_destroy(t);
#endif
}

int main()
{
    for (int k = 0; k < 2; k++) tapes[k] = ds_tape_create(NULL);
    scalar_names();
    vector_names();
    scalar_operators();
    vector_operators();
    plain_vectors();
    templates();
    refusals();
    references();
    for (int k = 0; k < 2; k++) ds_tape_destroy(tapes[k]);
    return tap_end();
}
