/* test_ops.c - every row of the table of operations: value, derivative, recording, and the expansions that
   later layers need: plain arithmetic, a loop over a block, emission of a record. (C and CUDA text:
   text/ops_text.c.) */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { POINTS = 40, LANES = 257 };

static double difference_tolerance(void) { return IS_FLOAT ? 2e-2 : 2e-7; }
static double exact_tolerance(void) { return IS_FLOAT ? 1e-5 : 1e-13; }
static int same_bits(const ds_real *x, const ds_real *y, size_t n)
{
    return memcmp(x, y, n * sizeof *x) == 0;
}
static ds_real between(ds_rng *rng, double low, double high)
{
    return (ds_real)(low + (high - low) * (double)ds_rng_uniform(rng));
}

/* What a row says, as functions: ds_real row_sin_0(a, b, c, v, g). DSI_NONE sets `none`. */
static int none;
static ds_real no_derivative(void)
{
    none = 1;
    return 0;
}
#define DSI_NONE no_derivative()
#define IGNORE5 (void)a, (void)b, (void)c, (void)v, (void)g
#define GAIN(name, d, column) \
    static ds_real row_##name##_##d(ds_real a, ds_real b, ds_real c, ds_real v, ds_real g) \
    { \
        IGNORE5; \
        return column; \
    }
#define ROW1(name, value, da, shape, la, ha) GAIN(name, 0, da)
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) GAIN(name, 0, da) GAIN(name, 1, db)
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    GAIN(name, 0, da) GAIN(name, 1, db) GAIN(name, 2, dc)
DSI_OPS_1(ROW1)
DSI_OPS_2(ROW2)
DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

/* The same columns as a record: DSI_MUL(x, y) appends a node and returns its index. */
typedef struct emitted { int op, operand[3]; ds_real number; } emitted;
static emitted record[4096];
static int n_record;
static int emit(int op, int a, int b, int c)
{
    record[n_record].op = op;
    record[n_record].operand[0] = a;
    record[n_record].operand[1] = b;
    record[n_record].operand[2] = c;
    return n_record++;
}
static int emit_number(double number)
{
    record[n_record].number = (ds_real)number;
    return emit(-1, 0, 0, 0);
}
/* value of the last node; numbers are where op is -1 */
static ds_real run_record(ds_real *value)
{
    for (int i = 0; i < n_record; i++) {
        const emitted *e = &record[i];
        if (e->op < 0) value[i] = e->number;
        else
            dsi_evaluate((unsigned)e->op, &value[e->operand[0]], &value[e->operand[1]], &value[e->operand[2]],
                         &value[i]);
    }
    return value[n_record - 1];
}
#define ROW1(name, value, da, shape, la, ha) \
    static DSI_UNUSED int emit_##name(int a) { return emit(DSI_OP_##name, a, 0, 0); }
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    static DSI_UNUSED int emit_##name(int a, int b) { return emit(DSI_OP_##name, a, b, 0); }
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    static DSI_UNUSED int emit_##name(int a, int b, int c) { return emit(DSI_OP_##name, a, b, c); }
DSI_OPS_1(ROW1)
DSI_OPS_2(ROW2)
DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

/* every row once as data */
typedef ds_real gain_function(ds_real a, ds_real b, ds_real c, ds_real v, ds_real g);
typedef int emit_function(int a, int b, int c, int v, int g);
typedef struct row {
    const char *name;
    int op, operands;
    double low[3], high[3];
    gain_function *gain[3];
    emit_function *emit_gain[3];
    ds_var (*record)(ds_var a, ds_var b, ds_var c);
    void (*block)(const ds_real *a, const ds_real *b, const ds_real *c, ds_real *out, size_t n);
    void (*gain_block)(const ds_real *a, const ds_real *b, const ds_real *c, const ds_real *v,
                       const ds_real *g, ds_real *out, size_t n);
} row;

/* the interpreter "emission" is in force from here ... */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#undef DSI_NONE
#define DSI_1(name, x) emit_##name(x)
#define DSI_2(name, x, y) emit_##name(x, y)
#define DSI_3(name, x, y, z) emit_##name(x, y, z)
#define DSI_K(number) emit_number(number)
#define DSI_NONE emit_number(0)
#define EMIT_GAIN(name, d, column) \
    static int emit_##name##_##d(int a, int b, int c, int v, int g) \
    { \
        IGNORE5; \
        return column; \
    }
#define ROW1(name, value, da, shape, la, ha) EMIT_GAIN(name, 0, da)
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) EMIT_GAIN(name, 0, da) EMIT_GAIN(name, 1, db)
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    EMIT_GAIN(name, 0, da) EMIT_GAIN(name, 1, db) EMIT_GAIN(name, 2, dc)
DSI_OPS_1(ROW1)
DSI_OPS_2(ROW2)
DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

/* the lowering of vector rows: a, b, c are node numbers in the shape of their kind */
typedef struct node3 { int x, y, z; } node3;
typedef struct node4 { int w, x, y, z; } node4;
typedef struct node9 { int m[9]; } node9;
typedef int node1;
#define NODES_r1 node1
#define NODES_r3 node3
#define NODES_r4 node4
#define NODES_r9 node9
static node1 nodes_r1(const int *at) { return at[0]; }
static node3 nodes_r3(const int *at)
{
    node3 r;
    r.x = at[0], r.y = at[1], r.z = at[2];
    return r;
}
static node4 nodes_r4(const int *at)
{
    node4 r;
    r.w = at[0], r.x = at[1], r.y = at[2], r.z = at[3];
    return r;
}
static node9 nodes_r9(const int *at)
{
    node9 r;
    memcpy(r.m, at, sizeof r.m);
    return r;
}
#define AS_LIST(...) { __VA_ARGS__ }
#define LOWER(name, R, value) \
    { \
        const int list[] = AS_LIST value; \
        memcpy(out, list, sizeof list); \
    }
#define ROW1(name, R, A, value, da, shape) \
    static void lower_##name(const int *pa, const int *pb, const int *pc, int *out) \
    { \
        const NODES_##A a = nodes_##A(pa); \
        (void)pb, (void)pc; \
        LOWER(name, R, value) \
    }
#define ROW2(name, R, A, B, value, da, db, shape) \
    static void lower_##name(const int *pa, const int *pb, const int *pc, int *out) \
    { \
        const NODES_##A a = nodes_##A(pa); \
        const NODES_##B b = nodes_##B(pb); \
        (void)pc; \
        LOWER(name, R, value) \
    }
#define ROW3(name, R, A, B, C, value, da, db, dc, shape) \
    static void lower_##name(const int *pa, const int *pb, const int *pc, int *out) \
    { \
        const NODES_##A a = nodes_##A(pa); \
        const NODES_##B b = nodes_##B(pb); \
        const NODES_##C c = nodes_##C(pc); \
        LOWER(name, R, value) \
    }
DSI_VOPS_1(ROW1)
DSI_VOPS_2(ROW2)
DSI_VOPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

/* ... to here, where plain numbers are back */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#undef DSI_NONE
#define DSI_1(name, x) dsi_##name(x)
#define DSI_2(name, x, y) dsi_##name(x, y)
#define DSI_3(name, x, y, z) dsi_##name(x, y, z)
#define DSI_K(number) ((ds_real)(number))
#define DSI_NONE no_derivative()

/* a block: one loop over lanes for the value, one for what a gains; a zero adjoint contributes nothing */
#define RECORD(name, call) \
    static ds_var record_##name(ds_var a, ds_var b, ds_var c) \
    { \
        (void)a, (void)b, (void)c; \
        return call; \
    }
#define BLOCK(name, call, da) \
    static void block_##name(const ds_real *a, const ds_real *b, const ds_real *c, ds_real *out, size_t n) \
    { \
        (void)b, (void)c; \
        for (size_t i = 0; i < n; i++) out[i] = call; \
    } \
    static void gain_block_##name(const ds_real *pa, const ds_real *pb, const ds_real *pc, \
                                  const ds_real *pv, const ds_real *pg, ds_real *out, size_t n) \
    { \
        for (size_t i = 0; i < n; i++) { \
            const ds_real a = pa[i], b = pb[i], c = pc[i], v = pv[i], g = pg[i]; \
            IGNORE5; \
            out[i] = g == 0 ? 0 : da; \
        } \
    }
#define ROW1(name, value, da, shape, la, ha) RECORD(name, ds_##name(a)) BLOCK(name, dsi_##name(a[i]), da)
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    RECORD(name, ds_##name(a, b)) BLOCK(name, dsi_##name(a[i], b[i]), da)
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    RECORD(name, ds_##name(a, b, c)) BLOCK(name, dsi_##name(a[i], b[i], c[i]), da)
DSI_OPS_1(ROW1)
DSI_OPS_2(ROW2)
DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

static const row rows[] = {
#define ROW1(name, value, da, shape, la, ha) \
    { #name, DSI_OP_##name, 1, { la, 0, 0 }, { ha, 0, 0 }, { row_##name##_0, NULL, NULL }, \
      { emit_##name##_0, NULL, NULL }, record_##name, block_##name, gain_block_##name },
#define ROW2(name, value, da, db, shape, la, ha, lb, hb) \
    { #name, DSI_OP_##name, 2, { la, lb, 0 }, { ha, hb, 0 }, { row_##name##_0, row_##name##_1, NULL }, \
      { emit_##name##_0, emit_##name##_1, NULL }, record_##name, block_##name, gain_block_##name },
#define ROW3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    { #name, DSI_OP_##name, 3, { la, lb, lc }, { ha, hb, hc }, \
      { row_##name##_0, row_##name##_1, row_##name##_2 }, \
      { emit_##name##_0, emit_##name##_1, emit_##name##_2 }, record_##name, block_##name, gain_block_##name },
    DSI_OPS_1(ROW1)
    DSI_OPS_2(ROW2)
    DSI_OPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void pick(const row *r, ds_rng *rng, ds_real x[3])
{
    for (int k = 0; k < 3; k++) x[k] = k < r->operands ? between(rng, r->low[k], r->high[k]) : 0;
}

static ds_real value_of(const row *r, const ds_real x[3])
{
    ds_real out;
    dsi_evaluate((unsigned)r->op, &x[0], &x[1], &x[2], &out);
    return out;
}

static double central_difference(const row *r, const ds_real x[3], int k)
{
    const double h = IS_FLOAT ? 4e-3 : 3e-6;
    ds_real up[3], down[3];
    memcpy(up, x, sizeof up);
    memcpy(down, x, sizeof down);
    up[k] += (ds_real)h;
    down[k] -= (ds_real)h;
    return ((double)value_of(r, up) - (double)value_of(r, down)) / ((double)up[k] - (double)down[k]);
}

/* a kink or jump between x - h and x + h: there a difference quotient means nothing */
static int is_smooth_near(const row *r, const ds_real x[3])
{
    const double far = IS_FLOAT ? 0.02 : 1e-4;
    if (!strcmp(r->name, "abs") || !strcmp(r->name, "relu")) return fabs((double)x[0]) > far;
    if (!strcmp(r->name, "min") || !strcmp(r->name, "max")) return fabs((double)(x[0] - x[1])) > far;
    if (!strcmp(r->name, "clamp"))
        return fabs((double)(x[0] - x[1])) > far && fabs((double)(x[0] - x[2])) > far;
    if (!strcmp(r->name, "safe_norm")) return fabs((double)x[0]) + fabs((double)x[1]) > 0.2;
    return strcmp(r->name, "select") != 0;
}

static int row_has_none(const row *r)
{
    const ds_real x[3] = { 0.5, 0.25, 0.125 };
    none = 0;
    r->gain[0](x[0], x[1], x[2], value_of(r, x), 1);
    return none;
}

static void test_values_and_gradients(void)
{
    ds_rng rng = ds_rng_make(1, 0);
    ds_tape *t = ds_tape_create(NULL);
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        int values = 1, gradients = 1, constants = 1;
        double worst = 0;
        if (row_has_none(r)) continue;
        for (int p = 0; p < POINTS; p++) {
            ds_real x[3], v, g[3];
            ds_var in[3], f;
            pick(r, &rng, x);
            if (!strcmp(r->name, "select")) x[0] = (ds_real)(p % 2);
            ds_tape_reset(t);
            for (int k = 0; k < 3; k++) in[k] = ds_input(t, (double)x[k]);
            if (!strcmp(r->name, "powi")) in[1] = ds_c((double)x[1]);
            f = r->record(in[0], in[1], in[2]);
            v = ds_value(f);
            values &= v == value_of(r, x) && !ds_backward(f);
            for (int k = 0; k < 3; k++) g[k] = ds_grad(in[k]);
            for (int k = 0; k < r->operands; k++) {
                if (!in[k].rec) continue;
                gradients &= g[k] == r->gain[k](x[0], x[1], x[2], v, 1) || v != v;
                if (is_smooth_near(r, x) && strcmp(r->name, "stop_gradient")) {
                    const double d = central_difference(r, x, k);
                    const double off = fabs((double)g[k] - d) / (1 + fabs(d) + fabs((double)v));
                    if (!(off <= worst)) worst = off;
                }
                { /* the other operands as constants: the same derivative and, unrecorded, the same value */
                    ds_var some[3];
                    for (int m = 0; m < 3; m++) some[m] = m == k ? in[k] : ds_c((double)x[m]);
                    f = r->record(some[0], some[1], some[2]);
                    constants &= ds_value(f) == v && !ds_backward(f) && ds_grad(in[k]) == g[k];
                }
            }
            f = r->record(ds_c((double)x[0]), ds_c((double)x[1]), ds_c((double)x[2]));
            constants &= !f.rec && ds_value(f) == v;
        }
        TAP_OK(values, "%s: recorded value is the row's", r->name);
        TAP_OK(gradients, "%s: reverse gives the derivative columns", r->name);
        TAP_OK(worst < difference_tolerance(), "%s: central differences agree (worst %.1e)", r->name, worst);
        TAP_OK(constants, "%s: constant operands change nothing", r->name);
    }
    ds_tape_destroy(t);
}

static void test_none(void)
{
    ds_tape *t = ds_tape_create(NULL);
    int found = 0;
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        char quoted[40];
        if (!row_has_none(r)) continue;
        found++;
        ds_tape_reset(t);
        {
            ds_var x = ds_input(t, 0.5), y = ds_input(t, 0.25), f = r->record(x, y, y);
            snprintf(quoted, sizeof quoted, "'%s'", r->name);
            TAP_OK(ds_backward(ds_mul(f, x)) == DSIM_ERROR_NOT_DIFFERENTIABLE, "%s: backward fails", r->name);
            TAP_HAS(ds_tape_error(t)->text, quoted, "%s: and names it", r->name);
            ds_tape_reset(t);
            x = ds_input(t, 0.5);
            f = ds_select(r->record(x, ds_c(0.25), ds_c(0)), ds_square(x), ds_neg(x));
            TAP_OK(ds_backward(f) == DSIM_OK, "%s: as a condition it needs none", r->name);
        }
    }
    TAP_OK(found == 8, "sign, floor and six comparisons have no derivative");
    ds_tape_reset(t);
    {
        ds_var x = ds_input(t, 2), n = ds_input(t, 3);
        TAP_OK(ds_backward(ds_powi(x, n)) == DSIM_ERROR_NOT_DIFFERENTIABLE,
               "powi: no derivative by the exponent");
    }
    ds_tape_destroy(t);
}

/* the derivative columns as a record give the bits of the columns as numbers */
static void test_emission(void)
{
    static ds_real value[4096];
    ds_rng rng = ds_rng_make(2, 0);
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        int same = 1, nodes = 0;
        for (int k = 0; k < r->operands; k++)
            for (int p = 0; p < POINTS; p++) {
                ds_real x[3], direct;
                pick(r, &rng, x);
                direct = value_of(r, x);
                n_record = 0;
                for (int m = 0; m < 3; m++) emit_number((double)x[m]);
                emit_number((double)direct);
                emit_number(0.75);
                {
                    const int result = r->emit_gain[k](0, 1, 2, 3, 4);
                    const ds_real column = r->gain[k](x[0], x[1], x[2], direct, (ds_real)0.75);
                    run_record(value);
                    same &= same_bits(&value[result], &column, 1) ||
                            (column != column && value[result] != value[result]);
                    nodes = n_record;
                }
            }
        TAP_OK(same, "%s: emitted derivative has the same bits (%d nodes)", r->name, nodes - 5);
    }
}

static void test_blocks(void)
{
    static ds_real a[LANES], b[LANES], c[LANES], v[LANES], g[LANES], out[LANES];
    ds_rng rng = ds_rng_make(3, 0);
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        int values = 1, gains = 1;
        for (int l = 0; l < LANES; l++) {
            ds_real x[3];
            pick(r, &rng, x);
            a[l] = x[0], b[l] = x[1], c[l] = x[2];
            g[l] = l % 7 ? between(&rng, -1, 1) : 0;
        }
        r->block(a, b, c, v, LANES);
        r->gain_block(a, b, c, v, g, out, LANES);
        for (int l = 0; l < LANES; l++) {
            const ds_real x[3] = { a[l], b[l], c[l] }, one = value_of(r, x);
            const ds_real gain = g[l] == 0 ? 0 : r->gain[0](x[0], x[1], x[2], one, g[l]);
            values &= same_bits(&one, &v[l], 1);
            gains &= same_bits(&gain, &out[l], 1);
        }
        TAP_OK(values && gains, "%s: a loop over a block has the same bits", r->name);
    }
}

/* vectors: the tape's value is the lowering's, reverse and tangent are transposes, and differences agree */
typedef struct vector_row {
    const char *name;
    int op, operands, width, size[3];
    void (*lower)(const int *pa, const int *pb, const int *pc, int *out);
    ds_var (*record)(ds_recorder *rec, const uint64_t at[3], const ds_real *x[3], int constant);
} vector_row;

#define HANDLE_OF_r1(k) (constant == (k) ? ds_c((double)x[k][0]) : dsi_view(rec, at[k]))
#define HANDLE_OF_r3(k) dsi_view3(rec, at[k])
#define HANDLE_OF_r4(k) dsi_as_r4(dsi_view(rec, at[k]))
#define HANDLE_OF_r9(k) dsi_as_r9(dsi_view(rec, at[k]))
#define RECORD_V(name, R, call) \
    static ds_var vrecord_##name(ds_recorder *rec, const uint64_t at[3], const ds_real *x[3], int constant) \
    { \
        (void)rec, (void)at, (void)x, (void)constant; \
        return dsi_any_##R(call); \
    }
#define ROW1(name, R, A, value, da, shape) RECORD_V(name, R, ds_##name(HANDLE_OF_##A(0)))
#define ROW2(name, R, A, B, value, da, db, shape) \
    RECORD_V(name, R, ds_##name(HANDLE_OF_##A(0), HANDLE_OF_##B(1)))
#define ROW3(name, R, A, B, C, value, da, db, dc, shape) \
    RECORD_V(name, R, ds_##name(HANDLE_OF_##A(0), HANDLE_OF_##B(1), HANDLE_OF_##C(2)))
DSI_VOPS_1(ROW1)
DSI_VOPS_2(ROW2)
DSI_VOPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3

static const vector_row vector_rows[] = {
#define ROW1(name, R, A, value, da, shape) \
    { #name, DSI_OP_##name, 1, DSI_WIDTH(R), { DSI_WIDTH(A), 0, 0 }, lower_##name, vrecord_##name },
#define ROW2(name, R, A, B, value, da, db, shape) \
    { #name, DSI_OP_##name, 2, DSI_WIDTH(R), { DSI_WIDTH(A), DSI_WIDTH(B), 0 }, lower_##name, \
      vrecord_##name },
#define ROW3(name, R, A, B, C, value, da, db, dc, shape) \
    { #name, DSI_OP_##name, 3, DSI_WIDTH(R), { DSI_WIDTH(A), DSI_WIDTH(B), DSI_WIDTH(C) }, lower_##name, \
      vrecord_##name },
    DSI_VOPS_1(ROW1)
    DSI_VOPS_2(ROW2)
    DSI_VOPS_3(ROW3)
#undef ROW1
#undef ROW2
#undef ROW3
};
enum { VECTOR_ROWS = sizeof vector_rows / sizeof vector_rows[0] };

/* x, its direction dot and a cotangent g, all random */
typedef struct trial { ds_real x[3][9], dot[3][9], g[9]; } trial;
static void fill(trial *w, ds_rng *rng)
{
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 9; i++) w->x[k][i] = between(rng, -2, 2), w->dot[k][i] = between(rng, -1, 1);
    for (int i = 0; i < 9; i++) w->g[i] = between(rng, -1, 1);
}

static void pointers(ds_real m[3][9], const ds_real *p[3])
{
    for (int k = 0; k < 3; k++) p[k] = m[k];
}

static void lowered(const vector_row *r, const trial *w, ds_real *out)
{
    static ds_real value[4096];
    int at[3][9], result[9];
    n_record = 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 9; i++) at[k][i] = emit_number((double)w->x[k][i]);
    r->lower(at[0], at[1], at[2], result);
    run_record(value);
    for (int i = 0; i < r->width; i++) out[i] = value[result[i]];
}

/* <g, J dot> by ds_forward, <J' g, dot> by the reverse sweep; constant: which operand is one, if
   any */
static void both_products(const vector_row *r, trial *w, int constant, ds_tape *t, double *forward,
                          double *reverse, int *same_value)
{
    const ds_real *x[3];
    ds_real v[9], low[9];
    ds_vars in[3], block;
    ds_var seeds[9], out, all[27];
    uint64_t at[3];
    pointers(w->x, x);
    ds_tape_reset(t);
    for (int k = 0; k < 3; k++) in[k] = ds_inputs(t, w->x[k], 9), at[k] = in[k].at;
    for (int i = 0; i < 27; i++) all[i] = ds_vars_at(in[i / 9], (size_t)i % 9);
    if (constant >= 0) memset(w->dot[constant], 0, sizeof w->dot[constant]);
    out = r->record(in[0].rec, at, x, constant);
    block.rec = out.rec;
    block.at = out.at;
    block.n = (size_t)r->width;
    ds_values(block, v);
    lowered(r, w, low);
    *same_value = same_bits(v, low, (size_t)r->width);
    *forward = *reverse = 0;
    if (ds_forward(all, w->dot[0], 27)) *forward = 1e9;
    for (int i = 0; i < r->width; i++) {
        seeds[i] = dsi_view(out.rec, out.at + (uint64_t)i);
        *forward += (double)w->g[i] * (double)ds_tangent(seeds[i]);
    }
    if (ds_backward_many(seeds, w->g, (size_t)r->width)) *reverse = 1e9;
    for (int k = 0; k < r->operands; k++)
        for (int i = 0; i < r->size[k]; i++)
            *reverse += (double)ds_grad(ds_vars_at(in[k], (size_t)i)) * (double)w->dot[k][i];
}

static double difference_along(const vector_row *r, const trial *w)
{
    const double h = IS_FLOAT ? 4e-3 : 3e-6;
    trial up = *w, down = *w;
    ds_real above[9], below[9];
    double sum = 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 9; i++) {
            up.x[k][i] += (ds_real)h * w->dot[k][i];
            down.x[k][i] -= (ds_real)h * w->dot[k][i];
        }
    lowered(r, &up, above);
    lowered(r, &down, below);
    for (int i = 0; i < r->width; i++)
        sum += (double)w->g[i] * ((double)above[i] - (double)below[i]) / (2 * h);
    return sum;
}

static void test_vectors(void)
{
    ds_rng rng = ds_rng_make(4, 0);
    ds_tape *t = ds_tape_create(NULL);
    for (int i = 0; i < VECTOR_ROWS; i++) {
        const vector_row *r = &vector_rows[i];
        double worst_dot = 0, worst_difference = 0;
        int values = 1;
        for (int p = 0; p < POINTS; p++)
            for (int constant = -1; constant < r->operands; constant++) {
                trial w;
                double forward, reverse, difference;
                int same;
                if (constant >= 0 && r->size[constant] != 1) continue;
                if (constant >= 0 && r->operands == 1) continue;
                fill(&w, &rng);
                both_products(r, &w, constant, t, &forward, &reverse, &same);
                difference = difference_along(r, &w);
                values &= same;
                worst_dot = fmax(worst_dot, fabs(forward - reverse) / (1 + fabs(forward)));
                worst_difference = fmax(worst_difference, fabs(forward - difference) / (5 + fabs(forward)));
            }
        TAP_OK(values, "%s: the node's value is the lowering's, bit for bit", r->name);
        TAP_OK(worst_dot < exact_tolerance() * 100, "%s: <g, Jt> = <J'g, t> (%.1e)", r->name, worst_dot);
        TAP_OK(worst_difference < difference_tolerance(), "%s: differences agree (%.1e)", r->name,
               worst_difference);
    }
    ds_tape_destroy(t);
}

/* a polynomial's terms give its value */
static void test_terms(void)
{
    ds_rng rng = ds_rng_make(7, 0);
    int polynomials = 0;
    for (int op = 0; op < DSI_OP_sum; op++) {
        const dsi_op_info *const r = dsi_ops + op;
        double worst = 0;
        if (r->shape != DSI_SHAPE_POLYNOMIAL || op == DSI_OP_stop_gradient) continue;
        for (int round = 0; round < 20; round++) {
            trial w;
            ds_real v[9], sum[9] = { 0 };
            fill(&w, &rng);
            dsi_evaluate((unsigned)op, w.x[0], w.x[1], w.x[2], v);
            for (const dsi_term *t = r->terms; t->sign; t++)
                sum[t->out] += t->sign * w.x[t->x][t->i] * (t->single ? 1 : w.x[t->y][t->j]);
            for (int i = 0; i < r->width; i++) worst = fmax(worst, fabs((double)(v[i] - sum[i])));
        }
        polynomials++;
        TAP_OK(worst < exact_tolerance() * 10, "%s: the sum of its terms (%.1e)", r->name, worst);
    }
    TAP_OK(polynomials == 33, "%d polynomials", polynomials);
}

/* values that a formula could miss: known numbers, guards, ties, far ends */
static void test_edges(void)
{
    const double big = IS_FLOAT ? 50 : 400, tol = IS_FLOAT ? 1e-6 : 1e-15;
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 0), y = ds_input(t, 2), z = ds_input(t, 2);
    ds_var3 origin = ds_input3(t, ds_v3_make(0, 0, 0));
#define GRADIENT(f, by) (ds_backward(f) ? -99.0 : (double)ds_grad(by))
    TAP_NEAR(dsi_sigmoid((ds_real)-big), exp(-big), tol * 10, "sigmoid far down is exp");
    TAP_OK(dsi_sigmoid((ds_real)big) == 1 && dsi_softplus((ds_real)big) == (ds_real)big,
           "sigmoid and softplus far up");
    TAP_NEAR(dsi_softplus(0), log(2.0), IS_FLOAT ? 1e-6 : 1e-15, "softplus(0) = log 2");
    TAP_NEAR(GRADIENT(ds_sigmoid(ds_input(t, 30)), x), 0, 0, "a variable without influence has gradient 0");
    {
        ds_var far = ds_input(t, 30);
        TAP_NEAR(GRADIENT(ds_sigmoid(far), far), exp(-30.0), IS_FLOAT ? 1e-5 : 1e-12,
                 "sigmoid' keeps its digits far out");
    }
    TAP_OK(GRADIENT(ds_min(y, z), y) == 0 && GRADIENT(ds_min(y, z), z) == 1, "min: a tie goes to the second");
    TAP_OK(GRADIENT(ds_max(y, z), y) == 0 && GRADIENT(ds_max(y, z), z) == 1, "max: a tie goes to the second");
    TAP_OK(GRADIENT(ds_clamp(y, ds_c(2), ds_c(3)), y) == 0 && GRADIENT(ds_clamp(y, ds_c(1), ds_c(2)), y) == 0,
           "clamp: at a bound the bound has it");
    TAP_OK(GRADIENT(ds_abs(x), x) == 0 && GRADIENT(ds_relu(x), x) == 0, "abs and relu: 0 at 0");
    TAP_OK(ds_value(ds_safe_norm3(origin)) == 0 && GRADIENT(ds_safe_norm3(origin), ds_x(origin)) == 0,
           "safe_norm3: 0 with gradient 0 at 0");
    TAP_OK(ds_value3(ds_safe_normalize3(origin)).x == 0 &&
               GRADIENT(ds_x(ds_safe_normalize3(origin)), ds_x(origin)) == 0,
           "safe_normalize3 at 0");
    TAP_OK(GRADIENT(ds_safe_norm(x, x), x) == 0 && GRADIENT(ds_safe_sqrt(x), x) == 0,
           "safe_norm and safe_sqrt at 0");
    TAP_OK(ds_value(ds_safe_div(y, x)) == 0 && GRADIENT(ds_safe_div(y, x), y) == 0 &&
               GRADIENT(ds_safe_div(y, x), x) == 0,
           "safe_div by 0");
    TAP_OK(GRADIENT(ds_stop_gradient(y), y) == 0 && ds_value(ds_stop_gradient(y)) == 2, "stop_gradient");
    TAP_OK(GRADIENT(ds_mul(ds_clip_gradient(y, ds_c(2)), ds_c(-5)), y) == -2 &&
               GRADIENT(ds_mul(ds_clip_gradient(y, ds_c(-2)), ds_c(5)), y) == 2 &&
               GRADIENT(ds_mul(ds_clip_gradient(y, ds_c(2)), ds_c(1.5)), y) == 1.5,
           "clip_gradient: within +-|b|");
    TAP_OK(ds_value(ds_clip_gradient(y, ds_c(0))) == 2 && GRADIENT(ds_clip_gradient(y, ds_c(0)), y) == 0,
           "clip_gradient to 0");
    TAP_OK(GRADIENT(ds_powi(ds_neg(y), ds_c(3)), y) == -12, "powi of a negative number");
    TAP_OK(GRADIENT(ds_pow(x, ds_c(2)), x) == 0 && GRADIENT(ds_pow(x, y), y) == 0, "pow at 0");
    TAP_OK(GRADIENT(ds_pow(y, ds_c(0)), y) == 0, "pow with exponent 0");
    TAP_OK(ds_value(ds_smooth_step(ds_c(-1))) == 0 && ds_value(ds_smooth_step(ds_c(2))) == 1,
           "smooth_step outside");
    TAP_OK(ds_value(ds_select(ds_lt(x, y), ds_c(3), ds_c(4))) == 3, "select of constants by a variable");
    TAP_OK(GRADIENT(ds_select(ds_gt(x, ds_c(0)), ds_div(y, x), y), y) == 1,
           "select: the branch not taken says nothing");
    TAP_OK(GRADIENT(ds_select(ds_gt(x, ds_c(0)), ds_log(x), ds_mul(x, y)), x) == 2,
           "select: nor does its infinity");
    TAP_NEAR(dsi_smooth_max(1, 1, 10), 1 + log(2.0) / 10, tol * 10, "smooth_max of equals");
    TAP_NEAR(dsi_smooth_min(0, 1000, 10), 0, 0, "smooth_min far apart is min");
    TAP_NEAR(dsi_hypot((ds_real)(IS_FLOAT ? 1e30 : 1e200), (ds_real)(IS_FLOAT ? 1e30 : 1e200)),
             sqrt(2.0) * (IS_FLOAT ? 1e30 : 1e200), IS_FLOAT ? 1e-6 : 1e-15, "hypot does not overflow");
    {
        const ds_real e = IS_FLOAT ? (ds_real)(1.0 / 8192) : (ds_real)(1.0 / 134217728);
        TAP_OK(dsi_fma(1 + e, 1 - e, -1) == 0, "fma rounds twice");
    }
    {
        const ds_q4 q = ds_q4_normalize(ds_q4_make(1, 2, (ds_real)0.5, -1));
        const ds_v3 v = ds_v3_make(1, -2, 3), r = ds_q4_rotate(q, v), s = dsi_rotate3(q, v);
        TAP_NEAR(ds_v3_norm(ds_v3_sub(r, s)), 0, IS_FLOAT ? 1e-5 : 1e-14, "rotate3 is ds_q4_rotate");
        TAP_OK(dsi_dot3(r, s) == ds_v3_dot(r, s) && dsi_cross3(v, s).y == ds_v3_cross(v, s).y,
               "dot3, cross3: ds_v3's");
    }
    ds_tape_destroy(t);
}

int main(void)
{
    test_values_and_gradients();
    test_none();
    test_emission();
    test_blocks();
    test_vectors();
    test_terms();
    test_edges();
    return tap_end();
}
