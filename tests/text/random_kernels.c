/* random_kernels.c - random kernels three ways, for random_kernels.sh. One function records a body, on a
   kernel or for one lane on a tape: rows of the table, lists, computed indices, loads, stores, sums, updates.

       tape SECONDS SEED     kernels from SEED on: values, adjoints, tangents and Hessians of the tape
       print COUNT SEED      COUNT kernels and derivatives of them as C
       bits COUNT SEED       the same with -DPRINTED='"file"': the interpreter's bits, for every width of
                             block and number of parts

   A kernel that fails is said with its seed, from which it is made again. */
#include "diffsim.h"
#include "launches.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef PRINTED
#include PRINTED
#endif

/* what is drawn: the same in every build */
static int64_t integer(ds_rng *rng, int64_t low, int64_t high) /* both included */
{
    return low + (int64_t)(ds_rng_bits(rng) % (uint64_t)(high - low + 1));
}
static int one_in(ds_rng *rng, int64_t n) { return integer(rng, 1, n) == 1; }
static double eighths(ds_rng *rng, double low, double high) /* a number of few bits */
{
    return low == high ? low : low + (high - low) * (double)integer(rng, 0, 8) / 8;
}

/* Bodies. Arguments: numbers at the lane and elsewhere, matrices, indices, a scalar; results of all kinds. */
enum { A_HERE, A_THERE, A_MATRIX, A_AT, A_DT, A_Y, A_SUM, A_FORCE, A_TOTAL, A_STATE, ARGS };
static const char *const arg_names[ARGS] = { "here", "there", "matrix", "at",    "dt",
                                             "y",    "sum",   "force",  "total", "state" };
static const size_t arg_components[ARGS] = { 4, 3, 9, 3, 1, 5, 2, 3, 1, 2 };
enum { THERE = 23, TOTALS = 3, NUMBERS = 400, VECTORS = 90, PLACES = 24, LOADS = 64, EFFECTS = 48 };

typedef struct place { ds_index handle; int64_t number; } place; /* handle: in a kernel; number: on a tape */
typedef struct access { /* a load or an effect */
    int arg;
    place at;
    size_t component;
    ds_var value;
    int same_as; /* of a load: an earlier one, or itself */
} access;
typedef struct vector3 { ds_var3 v; int level; } vector3; /* level: how much it may have grown */
typedef struct vector9 { ds_var33 v; int level; } vector9;

typedef struct body {
    ds_kernel *kernel; /* or NULL: */
    ds_tape *tape;
    size_t grid[2], rank, flat; /* lanes; the lane that is recorded on the tape */
    const ds_array *arrays;
    ds_arg args[ARGS];
    uint64_t seed;
    ds_rng rng;
    int brief, may_compose, composites, rounds; /* rounds: there are powers, which round in another way */
    int clips; /* gradients are clipped, and what is clipped has no Hessian */
    ds_var r1[NUMBERS];
    vector3 r3[VECTORS];
    vector9 r9[VECTORS];
    place places[PLACES];
    access loads[LOADS], effects[EFFECTS];
    size_t n1, n3, n9, n_places, n_loads, n_effects;
    int level; /* of the operands picked for the row that is being recorded */
} body;

static double number_at(const ds_array *a, int64_t element, size_t component)
{
    const size_t at = (size_t)element * a->stride + component * a->pitch;
    if (a->type == DSIM_ARRAY_INT32) return (double)((const int32_t *)a->data)[at];
    return (double)((const ds_real *)a->data)[at];
}

/* Indices, in 64 bits on both sides. */
static place constant_place(body *b, int64_t number)
{
    place p;
    p.number = number;
    /* of the kernel, too, so that equal indices have equal handles */
    p.handle = b->kernel ? ds_index_select(ds_i(1), ds_i(number), ds_lane(b->kernel)) : ds_i(number);
    return p;
}
static int64_t divided(int64_t a, int64_t b)
{
    int64_t q = b ? a / b : 0;
    if (b && a % b != 0 && (a % b < 0) != (b < 0)) q--;
    return q;
}
static place place_op(int op, place a, place c, place d)
{
    const int64_t x = a.number, y = c.number;
    switch (op) {
    case 0: a.handle = ds_index_add(a.handle, c.handle), a.number = x + y; break;
    case 1: a.handle = ds_index_sub(a.handle, c.handle), a.number = x - y; break;
    case 2: a.handle = ds_index_mul(a.handle, c.handle), a.number = x * y; break;
    case 3: a.handle = ds_index_div(a.handle, c.handle), a.number = divided(x, y); break;
    case 4: a.handle = ds_index_mod(a.handle, c.handle), a.number = x - y * divided(x, y); break;
    case 5: a.handle = ds_index_min(a.handle, c.handle), a.number = x < y ? x : y; break;
    case 6: a.handle = ds_index_max(a.handle, c.handle), a.number = x > y ? x : y; break;
    case 7: a.handle = ds_index_lt(a.handle, c.handle), a.number = x < y; break;
    case 8: a.handle = ds_index_le(a.handle, c.handle), a.number = x <= y; break;
    case 9: a.handle = ds_index_eq(a.handle, c.handle), a.number = x == y; break;
    default: a.handle = ds_index_select(a.handle, c.handle, d.handle), a.number = x ? y : d.number; break;
    }
    /* a remainder of 0 is what ds_index_mod gives for a divisor of 0 */
    if (op == 4 && y == 0) a.number = x;
    return a;
}
enum { PLACE_OPS = 11 };

/* p as an element of n */
static place inside(body *b, place p, int64_t n)
{
    const place low = constant_place(b, 0), high = constant_place(b, n - 1), count = constant_place(b, n);
    if (one_in(&b->rng, 2)) return place_op(4, p, count, p);
    return place_op(5, place_op(6, p, low, p), high, p);
}
static place pick_place(body *b)
{
    if (one_in(&b->rng, 6)) return constant_place(b, integer(&b->rng, -3, 9));
    return b->places[integer(&b->rng, 0, (int64_t)b->n_places - 1)];
}
static void push_place(body *b, place p)
{
    if (b->n_places < PLACES) b->places[b->n_places++] = p;
}
static place lane_of(body *b)
{
    place p;
    p.number = (int64_t)b->flat;
    p.handle = b->kernel ? ds_lane(b->kernel) : ds_i(p.number);
    return p;
}
static place axis_of(body *b, size_t axis)
{
    place p;
    p.number = (int64_t)(b->rank == 1 ? b->flat : axis ? b->flat % b->grid[1] : b->flat / b->grid[1]);
    p.handle = b->kernel ? ds_lane_axis(b->kernel, axis) : ds_i(p.number);
    return p;
}
static place lanes_of(body *b, size_t axis)
{
    place p;
    p.number = (int64_t)b->grid[axis];
    p.handle = b->kernel ? ds_lanes(b->kernel, axis) : ds_i(p.number);
    return p;
}
static place load_place(body *b, place at, size_t component)
{
    place p;
    p.number = b->kernel ? 0 : (int64_t)number_at(b->arrays + A_AT, at.number, component);
    p.handle = b->kernel ? ds_load_index(b->args[A_AT], at.handle, component) : ds_i(p.number);
    return p;
}

static access *touch(access *a, size_t n, size_t most, int arg, place at, size_t component)
{
    if (n == most) abort();
    a[n].arg = arg;
    a[n].at = at;
    a[n].component = component;
    return a + n;
}

/* Loads; on a tape each is an input, unless the lane has loaded the same before. */
static ds_var loaded(body *b, int arg, place at, size_t component, ds_var value)
{
    access *const a = touch(b->loads, b->n_loads, LOADS, arg, at, component);
    if (b->kernel)
        for (a->same_as = 0; a->same_as < (int)b->n_loads; a->same_as++) {
            const access *const old = b->loads + a->same_as;
            if (old->arg == arg && old->at.handle.at == at.handle.at && old->component == component) break;
        }
    else if (a->same_as < (int)b->n_loads)
        value = b->loads[a->same_as].value;
    else
        value = ds_input(b->tape, number_at(b->arrays + arg, at.number, component));
    b->n_loads++;
    return a->value = value;
}
static ds_var load(body *b, int arg, place at, size_t component)
{
    const ds_var nothing = ds_c(0);
    return loaded(b, arg, at, component,
                  b->kernel ? ds_load_part(b->args[arg], at.handle, component) : nothing);
}
static ds_var3 load_vector(body *b, int arg, place at, size_t component)
{
    ds_var3 v = DSI_ZEROED;
    ds_var x[3];
    size_t i;
    for (i = 0; i < 3; i++) {
        x[i] = ds_c(0);
        if (b->kernel && arg == A_MATRIX) x[i] = ds_load_part(b->args[arg], at.handle, component + i);
        x[i] = loaded(b, arg, at, component + i, x[i]);
    }
    if (b->kernel && arg != A_MATRIX) v = ds_load3(b->args[arg], at.handle);
    return b->kernel && arg != A_MATRIX ? v : ds_pack3(x[0], x[1], x[2]);
}
static ds_var33 load_matrix(body *b, place at)
{
    const ds_var33 whole = b->kernel ? ds_load33(b->args[A_MATRIX], at.handle) : (ds_var33)DSI_ZEROED;
    const ds_var3 p = load_vector(b, A_MATRIX, at, 0), q = load_vector(b, A_MATRIX, at, 3);
    const ds_var3 r = load_vector(b, A_MATRIX, at, 6);
    return b->kernel ? whole : ds_pack33(p, q, r);
}

/* Numbers: pools of what was made; what an operation takes is brought into the interval of its row. */
static void push_r1(body *b, ds_var v)
{
    if (b->n1 < NUMBERS) b->r1[b->n1++] = v;
}
static ds_var tame(body *b, ds_var x, double low, double high)
{
    const double middle = (low + high) / 2, half = (high - low) / 2;
    ds_var size, share;
    switch (integer(&b->rng, 0, 3)) {
    case 0: return ds_clamp(x, ds_c(low), ds_c(high));
    case 1: share = ds_sin(x); break;
    case 2: share = ds_tanh(x); break;
    default:
        size = ds_add(ds_abs(x), ds_c(1));
        share = ds_div(x, size);
    }
    share = ds_mul(share, ds_c(half));
    return ds_add(share, ds_c(middle));
}
static ds_var variable(body *b, double low, double high)
{
    const ds_var x = b->r1[integer(&b->rng, one_in(&b->rng, 2) ? (int64_t)b->n1 / 2 : 0, (int64_t)b->n1 - 1)];
    return tame(b, x, low, high);
}
static ds_var pick_r1(body *b, double low, double high)
{
    if (low == high || one_in(&b->rng, 8)) return ds_c(eighths(&b->rng, low, high));
    return variable(b, low, high);
}
static ds_var3 tame3(ds_var3 v) /* |v| < 1 */
{
    const ds_var size = ds_smooth_norm3(v, ds_c(1));
    return ds_scale3(v, ds_recip(size));
}
static ds_var33 tame33(ds_var33 m) /* |m| <= 1/2 */
{
    const ds_var size = ds_add(ds_ddot33(m, m), ds_c(1));
    return ds_scale33(m, ds_recip(size));
}
static ds_var3 pick_r3(body *b)
{
    ds_var x, y, z;
    if (!one_in(&b->rng, 3)) {
        const vector3 *const p = b->r3 + integer(&b->rng, 0, (int64_t)b->n3 - 1);
        b->level += p->level;
        return p->v;
    }
    x = variable(b, -1.5, 1.5);
    y = pick_r1(b, -1.5, 1.5);
    z = pick_r1(b, -1.5, 1.5);
    return ds_pack3(x, y, z);
}
static ds_var4 pick_r4(body *b)
{
    const ds_var w = pick_r1(b, -1.5, 1.5);
    const ds_var3 u = pick_r3(b);
    return ds_pack4(w, u);
}
static ds_var33 pick_r9(body *b)
{
    ds_var3 p, q;
    if (!one_in(&b->rng, 4)) {
        const vector9 *const m = b->r9 + integer(&b->rng, 0, (int64_t)b->n9 - 1);
        b->level += m->level;
        return m->v;
    }
    p = pick_r3(b);
    q = pick_r3(b);
    return ds_outer33(p, q);
}
enum { MOST_LEVEL = 3 };
static void push_r3(body *b, ds_var3 v)
{
    const int wild = b->level >= MOST_LEVEL;
    if (wild) v = tame3(v);
    push_r1(b, integer(&b->rng, 0, 1) ? ds_x(v) : ds_z(v));
    if (b->n3 == VECTORS) return;
    b->r3[b->n3].v = v;
    b->r3[b->n3++].level = wild ? 0 : b->level + 1;
}
static void push_r4(body *b, ds_var4 q)
{
    push_r1(b, ds_scalar_part(q));
    push_r3(b, ds_vector_part(q));
}
static void push_r9(body *b, ds_var33 m)
{
    const int wild = b->level >= MOST_LEVEL;
    if (wild) m = tame33(m);
    if (b->n9 < VECTORS) {
        b->r9[b->n9].v = m;
        b->r9[b->n9++].level = wild ? 0 : b->level + 1;
    }
    push_r3(b, ds_row(m, (size_t)integer(&b->rng, 0, 2)));
}

/* rows with a point where they have no derivative: operands stay away from it */
static int is_steep(const char *name)
{
    static const char *const steep[] = { "norm3",      "safe_norm3",     "smooth_norm3",
                                         "normalize3", "safe_normalize3", "inverse33" };
    size_t i;
    for (i = 0; i < sizeof steep / sizeof *steep; i++)
        if (!strcmp(name, steep[i])) return 1;
    return 0;
}
static ds_var away_r1(const char *name, ds_var x) { return (void)name, x; }
static ds_var4 away_r4(const char *name, ds_var4 q) { return (void)name, q; }
static ds_var3 away_r3(const char *name, ds_var3 v)
{
    ds_var x;
    if (!is_steep(name)) return v;
    v = tame3(v);
    x = ds_add(ds_x(v), ds_c(2));
    return ds_pack3(x, ds_y(v), ds_z(v));
}
static ds_var33 away_r9(const char *name, ds_var33 m)
{
    return is_steep(name) ? ds_shift33(tame33(m), ds_c(2)) : m;
}

/* A function for each row. What has no derivative is a condition, or stopped. */
static ds_var without_slope(body *b, ds_var v)
{
    ds_var x, y;
    if (one_in(&b->rng, 2)) return ds_stop_gradient(v);
    x = variable(b, -3, 3);
    y = pick_r1(b, -3, 3);
    return ds_select(v, x, y);
}
#define NONE(derivative) !strcmp(#derivative, "DSI_NONE")
#define ROW_1(name, value, da, shape, la, ha) \
    static void row_##name(body *b) \
    { \
        ds_var x = variable(b, la, ha), v = (ds_##name)(x); \
        push_r1(b, NONE(da) ? without_slope(b, v) : v); \
    }
#define ROW_2(name, value, da, db, shape, la, ha, lb, hb) \
    static void row_##name(body *b) \
    { \
        ds_var x = variable(b, la, ha), y = pick_r1(b, lb, hb), v = (ds_##name)(x, y); \
        b->rounds |= !strcmp(#name, "powi") || (!strcmp(#name, "pow") && !y.rec); \
        b->clips |= !strcmp(#name, "clip_gradient"); \
        push_r1(b, NONE(da) ? without_slope(b, v) : v); \
    }
#define ROW_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    static void row_##name(body *b) \
    { \
        ds_var x = variable(b, la, ha), y = pick_r1(b, lb, hb), z = pick_r1(b, lc, hc); \
        push_r1(b, (ds_##name)(x, y, z)); \
    }
#define pick_vector_r1(b) pick_r1(b, -1.5, 1.5)
#define pick_vector_r3(b) pick_r3(b)
#define pick_vector_r4(b) pick_r4(b)
#define pick_vector_r9(b) pick_r9(b)
#define ROW_V1(name, R, A, value, da, shape) \
    static void row_##name(body *b) \
    { \
        DSI_HANDLE_##A x = pick_vector_##A(b); \
        x = away_##A(#name, x); \
        push_##R(b, (ds_##name)(x)); \
    }
#define ROW_V2(name, R, A, B, value, da, db, shape) \
    static void row_##name(body *b) \
    { \
        DSI_HANDLE_##A x = pick_vector_##A(b); \
        DSI_HANDLE_##B y = pick_vector_##B(b); \
        x = away_##A(#name, x); \
        push_##R(b, (ds_##name)(x, y)); \
    }
#define ROW_V3(name, R, A, B, C, value, da, db, dc, shape) \
    static void row_##name(body *b) \
    { \
        DSI_HANDLE_##A x = first_##A(b); \
        DSI_HANDLE_##B y = pick_vector_##B(b); \
        DSI_HANDLE_##C z = pick_vector_##C(b); \
        push_##R(b, (ds_##name)(x, y, z)); \
    }
#define first_r1(b) variable(b, -1.5, 1.5)
#define first_r3(b) pick_r3(b)
DSI_OPS_1(ROW_1)
DSI_OPS_2(ROW_2)
DSI_OPS_3(ROW_3)
DSI_VOPS_1(ROW_V1)
DSI_VOPS_2(ROW_V2)
DSI_VOPS_3(ROW_V3)

/* lists, and what becomes a number from an index */
static void row_lists(body *b)
{
    const ds_real w[3] = { 1, -2, (ds_real)0.5 };
    ds_var x[3], y[3];
    ds_var3 p[3];
    size_t i;
    for (i = 0; i < 3; i++) x[i] = variable(b, -2, 2);
    for (i = 0; i < 3; i++) y[i] = variable(b, -2, 2);
    for (i = 0; i < 3; i++) p[i] = pick_r3(b);
    push_r1(b, ds_sum(x, 3));
    push_r1(b, ds_dot(x, y, 3));
    push_r1(b, ds_weighted_sum(w, y, 3));
    push_r3(b, ds_sum3(p, 3));
    push_r3(b, ds_weighted_sum3(w, p, 2));
}
static void row_number(body *b)
{
    const place p = pick_place(b);
    ds_var v = ds_c(0);
    if (b->kernel) v = ds_index_number(b->kernel, p.handle);
    else v = ds_input(b->tape, (double)p.number);
    push_r1(b, v);
}
static void row_place(body *b)
{
    const int op = (int)integer(&b->rng, 0, PLACE_OPS - 1);
    const place p = pick_place(b), q = pick_place(b), r = pick_place(b);
    place v = place_op(op, p, q, r);
    if (op == 2) v = place_op(4, v, constant_place(b, 1000), v);
    push_place(b, v);
}
static void row_floor_place(body *b)
{
    const ds_var x = variable(b, -30, 30);
    place p;
    if (b->composites) return; /* of which no index can be made */
    p.number = b->kernel ? 0 : (int64_t)floor((double)ds_value(x));
    p.handle = b->kernel ? ds_floor_index(x) : ds_i(p.number);
    push_place(b, p);
}
/* composites, of matrices whose singular values are apart */
static void row_composite(body *b)
{
    ds_var33 m = tame33(pick_r9(b)), u, v;
    ds_var3 p = ds_row(m, 0), q = ds_row(m, 1), r = ds_row(m, 2), s;
    ds_var x = ds_add(ds_x(p), ds_c(1)), y = ds_add(ds_y(q), ds_c(3)), z = ds_add(ds_z(r), ds_c(5));
    if (!b->composites) return;
    p = ds_pack3(x, ds_y(p), ds_z(p));
    q = ds_pack3(ds_x(q), y, ds_z(q));
    r = ds_pack3(ds_x(r), ds_y(r), z);
    m = ds_pack33(p, q, r);
    switch (integer(&b->rng, 0, 3)) {
    case 0: push_r9(b, ds_polar33(m)); break;
    case 1: push_r1(b, ds_stretch33(m)); break;
    case 2:
        ds_symmetric_eigen33(m, &s, &v);
        push_r3(b, s);
        push_r9(b, v);
        break;
    default:
        ds_svd33(m, &u, &s, &v);
        push_r3(b, s);
        push_r9(b, u);
        push_r9(b, v);
    }
}

typedef void row_fn(body *b);
#define DSI_EACH_1(name, R, A) row_##name,
#define DSI_EACH_2(name, R, A, B) row_##name,
#define DSI_EACH_3(name, R, A, B, C) row_##name,
static row_fn *const rows[] = { DSI_EVERY_SIGNATURE row_lists, row_number, row_place, row_place, row_place,
                                row_floor_place, row_composite };
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* effects */
static ds_var result(body *b) /* new numbers rather than old ones; some are negated */
{
    const int64_t last = (int64_t)b->n1 - 1;
    const ds_var v = b->r1[integer(&b->rng, last * 2 / 3, last)];
    return one_in(&b->rng, 5) ? ds_neg(v) : v;
}
static void affected(body *b, int arg, place at, size_t component, ds_var value)
{
    access *const a = touch(b->effects, b->n_effects, EFFECTS, arg, at, component);
    a->value = value;
    b->n_effects++;
    if (!b->kernel) return;
    if (arg == A_Y || arg == A_STATE) ds_store_part(b->args[arg], at.handle, component, value);
    else ds_add_part(b->args[arg], at.handle, component, value);
}
static void add_vector(body *b, place at, ds_var3 v)
{
    const ds_var part[3] = { ds_x(v), ds_y(v), ds_z(v) };
    size_t i;
    if (b->kernel) ds_add_at3(b->args[A_FORCE], at.handle, v);
    for (i = 0; i < 3; i++) {
        access *const a = b->effects + b->n_effects++;
        if (b->n_effects > EFFECTS) abort();
        a->arg = A_FORCE;
        a->at = at;
        a->component = i;
        a->value = part[i];
    }
}
static void add_something(body *b, int own)
{
    const int64_t lanes = (int64_t)(b->grid[0] * b->grid[1]);
    const place p = inside(b, pick_place(b), lanes);
    const place total = constant_place(b, integer(&b->rng, 0, TOTALS - 1));
    const size_t component = (size_t)integer(&b->rng, 0, 1);
    const ds_var v = result(b); /* one thing that draws in each list of arguments */
    switch (integer(&b->rng, 0, 3)) {
    case 0: affected(b, A_SUM, p, component, v); break;
    case 1: affected(b, A_TOTAL, total, 0, v); break;
    case 2: add_vector(b, own ? lane_of(b) : p, pick_r3(b)); break;
    default: affected(b, A_FORCE, own ? lane_of(b) : p, 1, v);
    }
}

static void load_all(body *b)
{
    const place lane = lane_of(b);
    place p;
    size_t i;
    push_place(b, lane);
    for (i = 0; i < b->rank; i++) push_place(b, axis_of(b, i));
    for (i = 0; i < b->rank; i++) push_place(b, lanes_of(b, i));
    push_place(b, load_place(b, lane, 0));
    push_place(b, load_place(b, lane, 2));
    for (i = 0; i < 3; i++) row_place(b);
    for (i = 0; i < 3; i++) push_r1(b, load(b, A_HERE, lane, i));
    for (i = 0; i < 2; i++) {
        p = inside(b, pick_place(b), THERE);
        b->r3[b->n3].level = 1;
        b->r3[b->n3++].v = load_vector(b, A_THERE, p, 0);
    }
    p = inside(b, pick_place(b), THERE);
    b->r9[b->n9].level = 1;
    b->r9[b->n9++].v = load_matrix(b, p);
    push_r1(b, load(b, A_DT, constant_place(b, 0), 0));
    if (one_in(&b->rng, 2)) push_r1(b, load(b, A_STATE, lane, 0));
    if (one_in(&b->rng, 2)) push_r1(b, load(b, A_STATE, lane, 1));
}

/* the body; what is drawn depends on the seed alone */
static void record(body *b, uint64_t seed)
{
    const int64_t lanes = (int64_t)(b->grid[0] * b->grid[1]);
    int64_t n_rows, i;
    int own;
    place p;
    b->rng = ds_rng_make(seed, 1);
    b->n1 = b->n3 = b->n9 = b->n_places = b->n_loads = b->n_effects = 0;
    b->rounds = b->clips = 0;
    b->composites = one_in(&b->rng, 8) && b->may_compose;
    own = one_in(&b->rng, 3);
    n_rows = one_in(&b->rng, 12) ? integer(&b->rng, 60, 120) : integer(&b->rng, 3, 30);
    if (b->brief) n_rows = n_rows / 3 + 1;
    load_all(b);
    for (i = 0; i < n_rows; i++) {
        b->level = 0;
        rows[integer(&b->rng, 0, (int64_t)(sizeof rows / sizeof *rows) - 1)](b);
        if (one_in(&b->rng, 12)) push_r1(b, load(b, A_HERE, inside(b, pick_place(b), lanes), 3));
        if (one_in(&b->rng, 12) && b->n_effects + 16 < EFFECTS) add_something(b, own);
        if (b->n_loads + 16 > LOADS) break;
    }
    switch (integer(&b->rng, 0, 2)) { /* an element that no other lane writes */
    case 0: p = lane_of(b); break;
    case 1: p = load_place(b, lane_of(b), 1); break;
    default: p = place_op(1, constant_place(b, lanes - 1), lane_of(b), lane_of(b));
    }
    n_rows = integer(&b->rng, 1, 5);
    for (i = 0; i < n_rows; i++) affected(b, A_Y, p, (size_t)i, result(b));
    p = load_place(b, lane_of(b), 0);
    affected(b, A_SUM, p, 0, result(b)); /* not the same element for all lanes */
    affected(b, A_SUM, lane_of(b), 1, result(b));
    affected(b, A_FORCE, lane_of(b), 0, result(b));
    for (i = integer(&b->rng, 0, 3); i > 0; i--) add_something(b, own);
    if (one_in(&b->rng, 2)) affected(b, A_STATE, lane_of(b), 0, result(b));
    if (one_in(&b->rng, 2)) affected(b, A_STATE, lane_of(b), 1, result(b));
}

static ds_kernel *make_kernel(body *b, uint64_t seed)
{
    ds_kernel_desc desc = DSI_ZEROED;
    char name[48];
    int i;
    desc.rank = b->rank;
    sprintf(name, "r%lu", (unsigned long)seed);
    b->kernel = ds_kernel_begin(&desc, name);
    for (i = 0; i < ARGS; i++) {
        const size_t n = arg_components[i];
        if (i == A_AT) b->args[i] = ds_arg_index(b->kernel, arg_names[i], n);
        else if (i == A_Y) b->args[i] = ds_arg_out(b->kernel, arg_names[i], n);
        else if (i == A_STATE) b->args[i] = ds_arg_update(b->kernel, arg_names[i], n);
        else if (i < A_Y) b->args[i] = ds_arg_in(b->kernel, arg_names[i], n);
        else b->args[i] = ds_arg_sum(b->kernel, arg_names[i], n);
    }
    record(b, seed);
    ds_kernel_end(b->kernel);
    return b->kernel;
}

/* Launches. */
static ds_runner *runners[12];
enum { RUNNERS = 12 };
static void in_parts(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task) /* the last first */
{
    (void)user, (void)grain;
    while (n-- > 0) fn(task, n, n + 1, 0);
}
static ds_runner *make_runner(int which)
{
    static const size_t widths[] = { 0, 16, 48, 512 }, parts[] = { 1, 2, 7 };
    ds_runner_desc desc = DSI_ZEROED;
    desc.width = widths[which % 4];
    desc.jobs.n_workers = parts[which / 4];
    if (which >= 4) desc.jobs.parallel_for = in_parts;
    return ds_runner_create(&desc);
}

/* the lanes of this seed's kernel: few, or enough for parts */
static void choose_grid(body *b, uint64_t seed, int many)
{
    ds_rng rng = ds_rng_make(seed, 2);
    const size_t n = (size_t)(one_in(&rng, many ? 3 : 50) ? integer(&rng, 2048, 2400) : integer(&rng, 5, 60));
    b->rank = (size_t)integer(&rng, 1, 2);
    b->grid[1] = b->rank == 1 ? 1 : (size_t)integer(&rng, 1, 40);
    b->grid[0] = b->rank == 1 ? n : n / b->grid[1] + 1;
}

static size_t elements_of(const body *b, int arg)
{
    if (arg == A_THERE || arg == A_MATRIX) return THERE;
    if (arg == A_DT) return 1;
    if (arg == A_TOTAL) return TOTALS;
    return b->grid[0] * b->grid[1];
}
/* component by component or element by element; numbers of few bits; odd: NaN, infinity and -0 among them */
static ds_array make_array(ds_rng *rng, size_t n, size_t components, int odd)
{
    ds_real *const x = (ds_real *)calloc(n * components, sizeof *x);
    ds_array a = ds_array_reals(x, n, components);
    const int by_component = one_in(rng, 2);
    volatile double zero = 0;
    uint64_t state = ds_rng_bits(rng);
    size_t i;
    if (!x) exit(1);
    for (i = 0; i < n * components; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        x[i] = (ds_real)((double)(state >> 51) / 2048 - 1.9999);
    }
    for (i = 0; odd && i < n * components; i += (size_t)integer(rng, 1, 80))
        x[i] = (ds_real)(i % 11 < 4 ? 0 / zero : i % 11 < 8 ? 1 / zero : -zero);
    a.stride = by_component ? 1 : components;
    a.pitch = by_component ? n : 1;
    return a;
}
static ds_array make_indices(ds_rng *rng, const body *b)
{
    const size_t n = elements_of(b, A_AT), most = arg_components[A_AT];
    const int64_t shift = integer(rng, 0, (int64_t)n), run = integer(rng, 1, 40);
    int32_t *const x = (int32_t *)calloc(n * most, sizeof *x);
    ds_array a = ds_array_indices(x, n, most);
    int64_t at = 0, step = 1;
    size_t i;
    if (!x) exit(1);
    a.stride = most;
    a.pitch = 1;
    for (i = 0; i < n; i++) {
        if (one_in(rng, run)) at = integer(rng, 0, (int64_t)n - 1), step = integer(rng, -1, 2);
        x[most * i] = (int32_t)((at % (int64_t)n + (int64_t)n) % (int64_t)n);
        x[most * i + 1] = (int32_t)(((int64_t)i + shift) % (int64_t)n); /* a permutation */
        x[most * i + 2] = (int32_t)integer(rng, -5, 30);
        at += step;
    }
    return a;
}
static void make_arrays(ds_rng *rng, const body *b, ds_array *args, int odd)
{
    int i;
    for (i = 0; i < ARGS; i++)
        args[i] = i == A_AT ? make_indices(rng, b)
                            : make_array(rng, elements_of(b, i), arg_components[i], odd);
}
static void free_arrays(ds_array *args, size_t n)
{
    while (n-- > 0) free(args[n].data);
}
static int launch(ds_runner *r, const ds_kernel *k, const body *b, const ds_array *args, size_t n)
{
    if (ds_kernel_error(k)->code) return printf("# %s\n", ds_kernel_error(k)->text) < 0;
    if (!launch_all_ways(r, k, b->grid, args, n)) return 1;
    printf("# %s\n", ds_runner_error(r)->text);
    return 0;
}

/* The tape. */
static size_t bytes_of(const ds_array *a)
{
    return a->n * a->components * (a->type == DSIM_ARRAY_INT32 ? sizeof(int32_t) : sizeof(ds_real));
}
static void clear(const ds_array *a)
{
    if (a->type != DSIM_ARRAY_INT32) memset(a->data, 0, bytes_of(a));
}
static ds_array copy_array(const ds_array *a)
{
    ds_array r = *a;
    r.data = malloc(bytes_of(a));
    if (!r.data) exit(1);
    memcpy(r.data, a->data, bytes_of(a));
    return r;
}
static ds_real *entry(const ds_array *a, int64_t element, size_t component)
{
    return (ds_real *)a->data + (size_t)element * a->stride + component * a->pitch;
}

/* how far numbers are off: relative to the largest, or 0 or 1 for bits; NaN is infinitely far */
static double off(const ds_array *got, const ds_array *want, int bits)
{
    double most = 0, scale = 1;
    size_t i, c;
    for (i = 0; i < want->n; i++)
        for (c = 0; c < want->components; c++)
            scale = fmax(scale, fabs((double)*entry(want, (int64_t)i, c)));
    for (i = 0; i < want->n; i++)
        for (c = 0; c < want->components; c++) {
            const ds_real x = *entry(got, (int64_t)i, c), y = *entry(want, (int64_t)i, c);
            const double d = fabs((double)x - (double)y) / scale;
            if (x == y) continue;
            if (bits || !(d < 1)) return 1;
            most = fmax(most, d);
        }
    return most;
}
enum { COORDINATES = 40 };
typedef struct trial {
    body b;
    ds_kernel *kernel;
    ds_array args[ARGS], want[ARGS]; /* before a launch, and as the tape says after it */
    ds_array bars[ARGS], want_bars[ARGS]; /* adjoints of results, and of all */
    ds_array dots[ARGS], want_dots[ARGS]; /* tangents of what is loaded, and of results */
    int unknown; /* the tape says nothing about derivatives */
} trial;
static double worst[6];
static const char *const what[6] = { "values", "reductions and powers", "adjoints", "tangents", "gradients",
                                     "Hessians" };
static long n_unknown, n_tried, n_chaotic;


/* one lane on the tape: its results go to want, its gradients to want_bars */
static void ask_lane(trial *t, size_t lane, int derivatives)
{
    body *const b = &t->b;
    ds_var f[EFFECTS], x[LOADS];
    ds_real seeds[EFFECTS], direction[LOADS];
    size_t i, n = 0, n_x = 0;
    int written[2] = { 0, 0 };
    ds_tape_reset(b->tape);
    b->flat = lane;
    record(b, b->seed);
    for (i = 0; i < b->n_effects; i++) {
        const access *const e = b->effects + i;
        ds_real *const to = entry(t->want + e->arg, e->at.number, e->component);
        if (e->arg == A_Y || e->arg == A_STATE) *to = ds_value(e->value);
        else *to += ds_value(e->value);
        if (e->arg == A_STATE) written[e->component] = 1;
        if (!e->value.rec) continue;
        seeds[n] = *entry(t->bars + e->arg, e->at.number, e->component);
        f[n++] = e->value;
    }
    if (!derivatives || t->unknown) return;
    for (i = 0; i < 2; i++)
        if (written[i]) *entry(t->want_bars + A_STATE, (int64_t)lane, i) = 0;
    if (n && ds_backward_many(f, seeds, n)) {
        t->unknown = 1;
        return;
    }
    for (i = 0; i < b->n_loads; i++) {
        const access *const l = b->loads + i;
        if (l->same_as != (int)i) continue;
        if (n) *entry(t->want_bars + l->arg, l->at.number, l->component) += ds_grad(l->value);
        direction[n_x] = *entry(t->dots + l->arg, l->at.number, l->component);
        x[n_x++] = l->value;
    }
    if (ds_forward(x, direction, n_x)) t->unknown = 1;
    for (i = 0; i < b->n_effects && !t->unknown; i++) {
        const access *const e = b->effects + i;
        ds_real *const to = entry(t->want_dots + e->arg, e->at.number, e->component);
        const ds_real dot = e->value.rec ? ds_tangent(e->value) : 0;
        if (e->arg == A_Y || e->arg == A_STATE) *to = dot;
        else *to += dot;
    }
}

/* how many numbers a lane loads from these two arguments */
static size_t coordinates_of(const body *b, int one, int other)
{
    size_t i, n = 0;
    for (i = 0; i < b->n_loads; i++)
        n += b->loads[i].same_as == (int)i && (b->loads[i].arg == one || b->loads[i].arg == other);
    return n;
}

/* gradient and Hessian of the sum of all effects by what was loaded from here and there, of one lane */
static void ask_second(trial *t, size_t lane, const ds_array *gradient, const ds_array *hessian,
                       double *off_by)
{
    body *const b = &t->b;
    ds_var x[COORDINATES], f = ds_c(0);
    ds_real H[COORDINATES * COORDINATES];
    double scale = 1, scale1 = 1;
    size_t i, j, n = 0, at = 0;
    ds_tape_reset(b->tape);
    b->flat = lane;
    record(b, b->seed);
    for (i = 0; i < b->n_loads; i++)
        if (b->loads[i].same_as == (int)i && (b->loads[i].arg == A_HERE || b->loads[i].arg == A_THERE))
            x[n++] = b->loads[i].value;
    for (i = 0; i < b->n_effects; i++) f = ds_add(f, b->effects[i].value);
    if (gradient->components != n) off_by[4] = 1;
    if (gradient->components != n || ds_backward(f)) return;
    for (i = 0; i < n; i++) scale1 = fmax(scale1, fabs((double)ds_grad(x[i])));
    for (i = 0; i < n; i++) {
        const double d = fabs((double)(ds_grad(x[i]) - *entry(gradient, (int64_t)lane, i))) / scale1;
        off_by[4] = d <= off_by[4] ? off_by[4] : d < 1 ? d : 1;
    }
    if (b->clips || ds_hessian(f, x, n, H)) return;
    for (i = 0; i < n * n; i++) scale = fmax(scale, fabs((double)H[i]));
    for (i = 0; i < n; i++)
        for (j = i; j < n; j++) {
            const double d = fabs((double)(H[i * n + j] - *entry(hessian, (int64_t)lane, at++))) / scale;
            off_by[5] = d <= off_by[5] ? off_by[5] : d < 1 ? d : 1;
        }
}

/* a derivative of first order: with the arrays `second` of its second half it leaves the numbers of `want` */
static double try_first(trial *t, ds_runner *r, ds_kernel *k, const ds_array *second, const ds_array *want)
{
    ds_array all[2 * ARGS];
    double most = 0;
    int i;
    memcpy(all, t->args, sizeof t->args);
    for (i = 0; i < ARGS; i++) all[ARGS + i] = copy_array(second + i);
    if (!launch(r, k, &t->b, all, 2 * ARGS)) most = 1;
    for (i = 0; i < ARGS; i++) {
        if (i != A_AT) most = fmax(most, off(all + ARGS + i, want + i, 0));
        free(all[ARGS + i].data);
    }
    ds_kernel_destroy(k);
    return most;
}

static void try_second(trial *t, ds_runner *r, double *off_by)
{
    ds_kernel *const hessian = ds_kernel_hessian(t->kernel, "here there");
    ds_array all[ARGS + 2];
    const size_t lanes = elements_of(&t->b, A_HERE);
    const size_t n = coordinates_of(&t->b, A_HERE, A_THERE);
    size_t i;
    if (n <= COORDINATES) {
        memcpy(all, t->args, sizeof t->args);
        all[ARGS] = make_array(&t->b.rng, lanes, n, 0);
        all[ARGS + 1] = make_array(&t->b.rng, lanes, n * (n + 1) / 2, 0);
        if (!launch(r, hessian, &t->b, all, ARGS + 2)) off_by[5] = 1;
        for (i = 0; i < lanes && i < 10; i++) ask_second(t, i, all + ARGS, all + ARGS + 1, off_by);
        free(all[ARGS].data);
        free(all[ARGS + 1].data);
    }
    ds_kernel_destroy(hessian);
}

/* the kernel of a seed; off_by: as `what` says */
/* how far the results on the tape move when what is loaded moves by a rounding or two: floors and sines of
   huge numbers may go anywhere, and then a power that rounds in another way does, too */
static double shake(const trial *t)
{
    trial moved = *t;
    ds_array args[ARGS];
    double most = 0;
    size_t lane, k, c;
    int i;
    for (i = 0; i < ARGS; i++) {
        args[i] = copy_array(t->args + i);
        moved.want[i] = copy_array(t->args + i);
        for (k = 0; i < A_Y && args[i].type != DSIM_ARRAY_INT32 && k < args[i].n; k++)
            for (c = 0; c < args[i].components; c++)
                *entry(args + i, (int64_t)k, c) *= (ds_real)(1 + 4e-16 * ((double)((k + c) % 3) - 1));
    }
    moved.b.arrays = args;
    for (lane = 0; lane < elements_of(&t->b, A_HERE); lane++) ask_lane(&moved, lane, 0);
    for (i = A_Y; i < ARGS; i++) most = fmax(most, off(moved.want + i, t->want + i, 0));
    free_arrays(args, ARGS);
    free_arrays(moved.want, ARGS);
    return most;
}

static void try_seed(uint64_t seed, ds_tape *tape, double *off_by)
{
    static trial t;
    ds_rng rng = ds_rng_make(seed, 3);
    ds_runner *const r = runners[integer(&rng, 0, RUNNERS - 1)];
    const int derivatives = one_in(&rng, 2), second = one_in(&rng, 4);
    size_t lane;
    int i, chaotic;
    memset(&t, 0, sizeof t);
    t.b.seed = seed;
    t.b.may_compose = 1;
    choose_grid(&t.b, seed, 0);
    make_arrays(&rng, &t.b, t.args, 0);
    make_arrays(&rng, &t.b, t.bars, 0);
    make_arrays(&rng, &t.b, t.dots, 0);
    t.kernel = make_kernel(&t.b, seed);
    for (i = 0; i < ARGS; i++) {
        if (i < A_Y) clear(t.bars + i);
        if (i >= A_Y && i != A_STATE) clear(t.dots + i);
        t.want[i] = copy_array(t.args + i);
        t.want_bars[i] = copy_array(t.bars + i);
        t.want_dots[i] = copy_array(t.dots + i);
    }
    t.b.kernel = NULL;
    t.b.tape = tape;
    t.b.arrays = t.args;
    for (lane = 0; lane < elements_of(&t.b, A_HERE); lane++) ask_lane(&t, lane, derivatives);
    chaotic = t.b.rounds && shake(&t) > 1e-13;
    n_chaotic += chaotic;
    n_tried += derivatives;
    n_unknown += t.unknown;
    if (derivatives && !t.unknown) {
        off_by[2] = try_first(&t, r, ds_kernel_adjoint(t.kernel, NULL), t.bars, t.want_bars);
        off_by[3] = try_first(&t, r, ds_kernel_tangent(t.kernel, NULL), t.dots, t.want_dots);
    }
    if (second && !t.b.composites) try_second(&t, r, off_by);
    if (!launch(r, t.kernel, &t.b, t.args, ARGS)) off_by[0] = 1;
    for (i = A_Y; i < ARGS; i++) {
        const int exact = i != A_TOTAL && !t.b.rounds;
        off_by[!exact] = fmax(off_by[!exact], off(t.args + i, t.want + i, exact));
    }
    for (i = 1; i < 6 && chaotic; i++) off_by[i] = 0;
    free_arrays(t.args, ARGS);
    free_arrays(t.want, ARGS);
    free_arrays(t.bars, ARGS);
    free_arrays(t.want_bars, ARGS);
    free_arrays(t.dots, ARGS);
    free_arrays(t.want_dots, ARGS);
    ds_kernel_destroy(t.kernel);
}

static int against_tape(double seconds, uint64_t seed)
{
    static const double bound[6] = { 0, 1e-10, 1e-8, 1e-8, 1e-8, 1e-6 };
    const time_t begin = time(NULL);
    ds_tape *const tape = ds_tape_create(NULL);
    long n = 0, wrong = 0;
    int i;
    for (; difftime(time(NULL), begin) < seconds || n < 100; n++, seed++) {
        double off_by[6] = { 0, 0, 0, 0, 0, 0 };
        try_seed(seed, tape, off_by);
        for (i = 0; i < 6; i++) {
            worst[i] = fmax(worst[i], off_by[i]);
            if (off_by[i] <= bound[i]) continue;
            if (wrong++ >= 20) continue;
            printf("seed %lu: %s are off by %.1e\n", (unsigned long)seed, what[i], off_by[i]);
        }
        if (wrong && getenv("SEED")) break;
    }
    ds_tape_destroy(tape);
    printf("# %ld kernels;", n);
    for (i = 0; i < 6; i++) printf(" %s %.1e%s", what[i], worst[i], i < 5 ? "," : "");
    printf("; of %ld of %ld kernels the tape had no derivative, %ld were chaotic\n", n_unknown, n_tried,
           n_chaotic);
    if (n_unknown > n_tried / 5 || n_chaotic > n / 20) wrong++;
    return !wrong;
}

/* Text. What is made of a seed: kernel, adjoint, tangent; Hessian, adjoint of the adjoint, tangent of it. */
enum { VARIANTS = 6, MOST_ARGS = 4 * ARGS };
static ds_kernel *variant(const ds_kernel *k, const ds_kernel *adjoint, int which)
{
    switch (which) {
    case 2: return ds_kernel_tangent(k, "there matrix state");
    case 3: return ds_kernel_hessian(k, "there dt");
    case 4: return ds_kernel_adjoint(adjoint, "here there y_bar");
    default: return ds_kernel_tangent(adjoint, NULL);
    }
}
/* how many there are; each eighth seed has all */
static int variants_of(uint64_t seed, body *b, ds_kernel **all)
{
    const int n = seed % 8 ? 3 : VARIANTS;
    int i;
    memset(b, 0, sizeof *b);
    b->brief = 1;
    choose_grid(b, seed, 1);
    all[0] = make_kernel(b, seed);
    all[1] = ds_kernel_adjoint(all[0], "here there dt matrix");
    for (i = 2; i < n; i++) all[i] = variant(all[0], all[1], i);
    return n;
}

static int print(long count, uint64_t seed)
{
    static char text[1 << 21], list[1 << 20];
    ds_kernel *all[VARIANTS];
    static body b;
    size_t length = 0;
    int good = 1;
    for (; count-- > 0; seed++) {
        const int n = variants_of(seed, &b, all);
        int i;
        for (i = 0; i < n; i++) {
            static const char *const end[VARIANTS] = { "",          "_adjoint",         "_tangent",
                                                       "_hessian", "_adjoint_adjoint", "_adjoint_tangent" };
            if (ds_kernel_error(all[i])->code) good = puts(ds_kernel_error(all[i])->text) < 0;
            if (ds_kernel_print_c(all[i], text, sizeof text)) {
                puts(text);
                length += (size_t)sprintf(list + length, "    &r%lu%s_printed,\n", (unsigned long)seed,
                                          end[i]);
            }
            ds_kernel_destroy(all[i]);
        }
    }
    printf("static const ds_printed_kernel *const printed[] = {\n%s};\n", list);
    return good;
}

#ifdef PRINTED
/* the hash of what a launch leaves in the arrays; all NaNs are one */
static uint64_t run(ds_runner *r, const ds_kernel *k, const body *b, int which)
{
    const size_t n = ds_kernel_get_info(k).args, n_x = coordinates_of(b, A_THERE, A_DT);
    ds_rng rng = ds_rng_make(b->grid[0], (uint64_t)which);
    ds_array args[MOST_ARGS];
    uint64_t hash = 0;
    size_t i, j;
    for (i = 0; i < n; i++) {
        const int local = which == 3 && i >= ARGS; /* gradient and Hessian of each lane */
        size_t c = arg_components[i % ARGS];
        if (local) c = i == ARGS ? n_x : n_x * (n_x + 1) / 2;
        args[i] = i == A_AT ? make_indices(&rng, b)
                            : make_array(&rng, elements_of(b, local ? A_HERE : (int)(i % ARGS)), c, 1);
    }
    if (!launch(r, k, b, args, n)) hash = 1;
    for (i = 0; i < n; i++) {
        ds_real *const x = (ds_real *)args[i].data;
        const size_t numbers = args[i].n * args[i].components;
        if (i != A_AT)
            for (j = 0; j < numbers; j++)
                if (x[j] != x[j]) x[j] = 12345;
        if (i != A_AT) hash = ds_hash_bytes(x, numbers * sizeof *x, hash);
    }
    free_arrays(args, n);
    return hash;
}

static int bits(long count, uint64_t seed)
{
    static body b;
    ds_kernel *all[VARIANTS];
    ds_runner_desc desc = DSI_ZEROED;
    ds_runner *text[2];
    long ran = 0, wrong = 0, other = 0, i, w;
    desc.printed = printed;
    desc.n_printed = sizeof printed / sizeof *printed;
    text[0] = ds_runner_create(&desc);
    desc.jobs.parallel_for = in_parts;
    desc.jobs.n_workers = 3;
    desc.width = 80;
    text[1] = ds_runner_create(&desc);
    for (; count-- > 0; seed++) {
        const int n = variants_of(seed, &b, all);
        for (i = 0; i < n; i++) {
            const uint64_t hash = run(runners[0], all[i], &b, (int)i);
            w = 1 + (long)(seed + (uint64_t)i) % (RUNNERS - 1);
            if (run(runners[w], all[i], &b, (int)i) != hash && other++ < 10)
                printf("seed %lu, variant %ld: other bits with runner %ld\n", (unsigned long)seed, i, w);
            w = (long)(seed + (uint64_t)i) % 2;
            if (run(text[w], all[i], &b, (int)i) != hash && wrong++ < 10)
                printf("seed %lu, variant %ld: other bits as text\n", (unsigned long)seed, i);
            ran += !strcmp(ds_runner_printed(text[w]), "the kernel ran as printed text");
            ds_kernel_destroy(all[i]);
        }
    }
    ds_runner_destroy(text[0]);
    ds_runner_destroy(text[1]);
    printf("# %ld kernels as text\n", ran);
    return !wrong && !other && ran == (long)desc.n_printed;
}
#endif

int main(int n, char **words)
{
    const uint64_t seed = n > 3 ? (uint64_t)strtoul(words[3], NULL, 10) : 1;
    const char *const way = n > 3 ? words[1] : "";
    int good = 0, i;
    for (i = 0; i < RUNNERS; i++) runners[i] = make_runner(i);
    if (!strcmp(way, "tape")) good = against_tape(atof(words[2]), seed);
    if (!strcmp(way, "print")) good = print(atol(words[2]), seed);
#ifdef PRINTED
    if (!strcmp(way, "bits")) good = bits(atol(words[2]), seed);
#endif
    for (i = 0; i < RUNNERS; i++) ds_runner_destroy(runners[i]);
    return !good;
}
