/* test_kernel_programs.c - what kernels do with memory: indices, gathers, sums, stencils, layouts, updates
   and random programs give the numbers of the plain loop, bit for bit, whatever the width of a block */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "launches.h"

#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
static const size_t widths[] = { 16, 48, 128, 512, 0 };
enum { WIDTHS = 5 };
static ds_runner *runners[WIDTHS];

static ds_real mul(ds_real a, ds_real b) /* never fused with what follows */
{
    volatile ds_real r = a * b;
    return r;
}
static ds_real between(ds_rng *rng, double low, double high)
{
    return (ds_real)(low + (high - low) * (double)ds_rng_uniform(rng));
}
static int64_t integer(ds_rng *rng, int64_t low, int64_t high) /* both included */
{
    return low + (int64_t)(ds_rng_bits(rng) % (uint64_t)(high - low + 1));
}
static int same(const ds_real *x, const ds_real *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i] && (x[i] == x[i] || y[i] == y[i])) return 0;
    return 1;
}
static int ends(ds_kernel *k)
{
    if (ds_kernel_end(k)) tap_diag("%s", ds_kernel_error(k)->text);
    return !ds_kernel_error(k)->code;
}
static int launch(ds_runner *r, const ds_kernel *k, size_t lanes, const ds_array *args, size_t n)
{
    if (!launch_all_ways(r, k, &lanes, args, n)) return 1;
    tap_diag("%s", ds_runner_error(r)->text);
    return 0;
}
static void *exactly(size_t bytes) /* behind the last byte the sanitizer watches */
{
    void *const p = malloc(bytes ? bytes : 1);
    if (!p) exit(1);
    memset(p, 0, bytes ? bytes : 1);
    return p;
}

/* Operations of indices. */
static int64_t wrapped(uint64_t bits)
{
    int64_t r;
    memcpy(&r, &bits, sizeof r);
    return r;
}
static int64_t plain_div(int64_t a, int64_t b)
{
    int64_t q;
    if (b == 0) return 0;
    if (b == -1) return wrapped(0 - (uint64_t)a);
    q = a / b;
    while (a % b != 0 && (a % b < 0) != (b < 0)) return q - 1;
    return q;
}
static int64_t plain(int op, int64_t a, int64_t b)
{
    switch (op) {
    case 0: return wrapped((uint64_t)a + (uint64_t)b);
    case 1: return wrapped((uint64_t)a - (uint64_t)b);
    case 2: return wrapped((uint64_t)a * (uint64_t)b);
    case 3: return plain_div(a, b);
    case 4: return b == 0 ? a : wrapped((uint64_t)a - (uint64_t)b * (uint64_t)plain_div(a, b));
    case 5: return a < b ? a : b;
    case 6: return a < b ? b : a;
    case 7: return a < b;
    case 8: return a <= b;
    case 9: return a == b;
    case 10: return a ? b : 7;
    default: return a < 3 ? (3 < b ? 3 : b) : a < b ? a : b; /* clamp to [3, b], the upper bound wins */
    }
}
enum { INDEX_OPS = 12 };
static ds_index record_index(int op, ds_index a, ds_index b)
{
    switch (op) {
    case 0: return ds_index_add(a, b);
    case 1: return ds_index_sub(a, b);
    case 2: return ds_index_mul(a, b);
    case 3: return ds_index_div(a, b);
    case 4: return ds_index_mod(a, b);
    case 5: return ds_index_min(a, b);
    case 6: return ds_index_max(a, b);
    case 7: return ds_index_lt(a, b);
    case 8: return ds_index_le(a, b);
    case 9: return ds_index_eq(a, b);
    case 10: return ds_index_select(a, b, ds_i(7));
    default: return ds_index_clamp(a, ds_i(3), b);
    }
}

/* operands: constants, lines, columns of an array that are lines for a while, what was floored */
enum { CONSTANTS = 6, SOURCES = 14, INDEX_LANES = 150, COLUMNS = 4 };
static const int64_t constants[CONSTANTS] = { -7, -1, 0, 1, 3, 60 };
static int32_t columns[INDEX_LANES * COLUMNS];
static ds_real fractions[INDEX_LANES];

static ds_index source(int which, ds_kernel *k, ds_arg column, ds_arg number)
{
    const ds_index lane = ds_lane(k);
    if (which < CONSTANTS) return ds_i(constants[which]);
    switch (which) {
    case 6: return lane;
    case 7: return ds_index_sub(ds_index_mul(lane, ds_i(3)), ds_i(100));
    case 8: return ds_index_sub(ds_i(70), lane);
    case 9: return ds_floor_index(ds_load(number, lane));
    default: return ds_load_index(column, lane, (size_t)which - 10);
    }
}
static int64_t source_value(int which, int64_t lane)
{
    if (which < CONSTANTS) return constants[which];
    switch (which) {
    case 6: return lane;
    case 7: return 3 * lane - 100;
    case 8: return 70 - lane;
    case 9: return (int64_t)floor((double)fractions[lane]);
    default: return columns[lane * COLUMNS + which - 10];
    }
}
static void fill_columns(void)
{
    ds_rng rng = ds_rng_make(21, 0);
    int32_t at = 0, step = 1;
    for (int i = 0; i < INDEX_LANES; i++) {
        if (integer(&rng, 0, 29) == 0)
            at = (int32_t)integer(&rng, -50, 50), step = (int32_t)integer(&rng, -2, 2);
        columns[i * COLUMNS + 0] = (int32_t)integer(&rng, -9, 9);
        columns[i * COLUMNS + 1] = at += step;
        columns[i * COLUMNS + 2] = i / 40 - 1;
        columns[i * COLUMNS + 3] = 75 - i;
        fractions[i] = between(&rng, -5, 5);
    }
    fractions[0] = -3, fractions[1] = 3, fractions[2] = 0; /* whole numbers stay */
}

static void test_index_operations(void)
{
    const ds_array args[3] = { ds_array_indices(columns, INDEX_LANES, COLUMNS),
                               ds_array_reals(fractions, INDEX_LANES, 1),
                               { 0, 0, 0, 0, 0, DSIM_ARRAY_REAL, 0 } };
    static ds_real got[INDEX_LANES * INDEX_OPS], want[INDEX_LANES * INDEX_OPS];
    int wrong[INDEX_OPS] = { 0 }, recorded = 1;
    for (int pair = 0; pair < SOURCES * SOURCES; pair++) {
        const int a = pair / SOURCES, b = pair % SOURCES;
        /* all operations in one kernel, or one alone, whose lines are cut by nothing else */
        const int alone = pair % (INDEX_OPS + 1) - 1;
        ds_kernel *const k = ds_kernel_begin(NULL, "index");
        const ds_arg column = ds_arg_index(k, "column", COLUMNS), number = ds_arg_in(k, "number", 1);
        const ds_arg out = ds_arg_out(k, "out", INDEX_OPS);
        ds_array all[3];
        const ds_index x = source(a, k, column, number), y = source(b, k, column, number);
        for (int op = 0; op < INDEX_OPS; op++)
            if (alone < 0 || alone == op)
                ds_store_part(out, ds_lane(k), (size_t)op, ds_index_number(k, record_index(op, x, y)));
        recorded &= ends(k);
        memset(want, 0, sizeof want);
        for (int i = 0; i < INDEX_LANES * INDEX_OPS; i++)
            if (alone < 0 || alone == i % INDEX_OPS)
                want[i] = (ds_real)plain(i % INDEX_OPS, source_value(a, i / INDEX_OPS),
                                         source_value(b, i / INDEX_OPS));
        memcpy(all, args, sizeof all);
        all[2] = ds_array_reals(got, INDEX_LANES, INDEX_OPS);
        for (int w = pair % 2; w < WIDTHS; w += 2) {
            memset(got, 0, sizeof got);
            recorded &= launch(runners[w], k, INDEX_LANES, all, 3);
            for (int i = 0; i < INDEX_LANES * INDEX_OPS; i++) wrong[i % INDEX_OPS] += got[i] != want[i];
        }
        ds_kernel_destroy(k);
    }
    TAP_OK(recorded, "index kernels end and run");
    for (int op = 0; op < INDEX_OPS; op++) TAP_OK(!wrong[op], "index operation %d: %d wrong", op, wrong[op]);
}

/* 64 bits to the end: wrapping is defined, and lines must not be cut by differences that wrap */
static void test_index_extremes(void)
{
    const int64_t far[] = { INT64_MIN,        INT64_MIN + 1,  INT64_MIN + 20, -((int64_t)1 << 62),
                            (int64_t)1 << 62, INT64_MAX - 20, INT64_MAX };
    enum { LANES = 40 };
    int wrong[INDEX_OPS] = { 0 }, ran = 1;
    for (size_t i = 0; i < COUNT(far) * COUNT(far); i++) {
        const int64_t a = far[i / COUNT(far)], b = far[i % COUNT(far)];
        ds_kernel *const k = ds_kernel_begin(NULL, "far");
        const ds_arg out = ds_arg_out(k, "out", 2 * INDEX_OPS);
        const ds_index x = ds_index_add(ds_lane(k), ds_i(a)), y = ds_index_sub(ds_i(b), ds_lane(k));
        ds_real got[LANES * 2 * INDEX_OPS];
        ds_array arg = ds_array_reals(got, LANES, 2 * INDEX_OPS);
        for (int op = 0; op < INDEX_OPS; op++) {
            const ds_index one = record_index(op, x, y), two = record_index(op, x, ds_i(b));
            ds_store_part(out, ds_lane(k), (size_t)op, ds_index_number(k, ds_index_mod(one, ds_i(1000))));
            ds_store_part(out, ds_lane(k), (size_t)op + INDEX_OPS,
                          ds_index_number(k, ds_index_mod(two, ds_i(1000))));
        }
        ran &= ends(k) && launch(runners[3], k, LANES, &arg, 1);
        for (int64_t lane = 0; lane < LANES; lane++)
            for (int op = 0; op < 2 * INDEX_OPS; op++) {
                const int64_t p = wrapped((uint64_t)lane + (uint64_t)a);
                const int64_t q = op < INDEX_OPS ? wrapped((uint64_t)b - (uint64_t)lane) : b;
                const int64_t want = plain(4, plain(op % INDEX_OPS, p, q), 1000);
                wrong[op % INDEX_OPS] += got[lane * 2 * INDEX_OPS + op] != (ds_real)want;
            }
        ds_kernel_destroy(k);
    }
    TAP_OK(ran, "far indices run");
    for (int op = 0; op < INDEX_OPS; op++)
        TAP_OK(!wrong[op], "far index operation %d: %d wrong", op, wrong[op]);
    { /* a column that wraps in 32 bits is no line */
        int32_t column[40];
        ds_real got[40];
        int good = 1;
        ds_kernel *const k = ds_kernel_begin(NULL, "wrap");
        const ds_arg c = ds_arg_index(k, "c", 1), out = ds_arg_out(k, "out", 1);
        ds_array args[2];
        ds_store(out, ds_lane(k),
                 ds_index_number(k, ds_index_mod(ds_load_index(c, ds_lane(k), 0), ds_i(1001))));
        for (int i = 0; i < 40; i++) column[i] = i < 10 ? INT32_MIN + 9 - i : INT32_MAX - (i - 10);
        args[0] = ds_array_indices(column, 40, 1), args[1] = ds_array_reals(got, 40, 1);
        good = ends(k) && launch(runners[3], k, 40, args, 2);
        for (int i = 0; i < 40; i++) good &= got[i] == (ds_real)plain(4, column[i], 1001);
        TAP_OK(good, "a column that wraps around in 32 bits");
        ds_kernel_destroy(k);
    }
}

/* Gathers and sums by index arrays: three statements per lane. */
enum { ELEMENTS = 97, MOST_LANES = 700 };
static ds_kernel *scatter_kernel(int vectors)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "scatter");
    const ds_arg pair = ds_arg_index(k, "pair", 2), x = ds_arg_in(k, "x", 3), c = ds_arg_in(k, "c", 1);
    const ds_arg sum = ds_arg_sum(k, "sum", 3);
    const ds_index lane = ds_lane(k), i = ds_load_index(pair, lane, 0), j = ds_load_index(pair, lane, 1);
    if (vectors) {
        const ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j),
                      f = ds_scale3(ds_sub3(xj, xi), ds_load(c, lane));
        ds_add_at3(sum, i, f);
        ds_add_at3(sum, j, ds_neg3(f));
    } else {
        const ds_var xi = ds_load(x, i), xj = ds_load_part(x, j, 1), f = ds_mul(ds_load(c, lane), xi);
        ds_add_at(sum, i, f);
        ds_add_at(sum, j, ds_sub(xj, f));
        ds_add_part(sum, i, 2, xj);
        ds_add_at(sum, i, xj);
    }
    ends(k);
    return k;
}
static void plain_scatter(int vectors, const int32_t *pair, const ds_real *x, const ds_real *c, ds_real *sum,
                          size_t lanes)
{
    for (size_t s = 0; s < lanes; s++) {
        const int32_t i = pair[2 * s], j = pair[2 * s + 1];
        ds_real f[3];
        if (vectors) {
            for (int m = 0; m < 3; m++) f[m] = mul(x[3 * j + m] - x[3 * i + m], c[s]);
            for (int m = 0; m < 3; m++) sum[3 * i + m] += f[m];
            for (int m = 0; m < 3; m++) sum[3 * j + m] -= f[m];
        } else {
            f[0] = mul(c[s], x[3 * i]);
            sum[3 * i] += f[0];
            sum[3 * j] += x[3 * j + 1] - f[0];
            sum[3 * i + 2] += x[3 * j + 1];
            sum[3 * i] += x[3 * j + 1];
        }
    }
}
static const char *const patterns[] = { "random", "ascending", "descending", "one element",
                                        "runs",   "repeated",  "steps",      "shifted" };
/* runs: `run` lanes that follow each other, then a jump */
static void fill_pattern(size_t pattern, ds_rng *rng, int32_t *pair, size_t lanes, size_t run)
{
    int64_t i = 0, j = 0;
    for (size_t s = 0; s < lanes; s++) {
        const int64_t at = (int64_t)s;
        switch (pattern) {
        case 0: i = integer(rng, 0, ELEMENTS - 1), j = integer(rng, 0, ELEMENTS - 1); break;
        case 1: i = at % (ELEMENTS - 1), j = i + 1; break;
        case 2: i = ELEMENTS - 1 - at % (ELEMENTS - 1), j = i - 1; break;
        case 3: i = 5, j = 5; break;
        case 4:
            i = run && s % run ? i + 1 : integer(rng, 0, ELEMENTS - 1);
            j = run && s % run ? j + 1 : integer(rng, 0, ELEMENTS - 1);
            break;
        case 5: i = at / 3 % ELEMENTS, j = at / 2 % ELEMENTS; break;
        case 6: i = 2 * at % ELEMENTS, j = (2 * at + 2) % ELEMENTS; break;
        default: i = at % (ELEMENTS - 7) + 7, j = at % (ELEMENTS - 7) + (at / 100) % 3; break;
        }
        i %= ELEMENTS, j %= ELEMENTS;
        pair[2 * s] = (int32_t)i, pair[2 * s + 1] = (int32_t)j;
    }
}
static void test_scatter(void)
{
    static const size_t lengths[] = { 0, 1, 15, 16, 17, 63, 64, 65, 511, 513 };
    ds_kernel *kernels[2];
    ds_rng rng = ds_rng_make(22, 0);
    static ds_real c[MOST_LANES], x[3 * ELEMENTS], want[3 * ELEMENTS], got[3 * ELEMENTS], begin[3 * ELEMENTS];
    kernels[0] = scatter_kernel(0), kernels[1] = scatter_kernel(1);
    for (size_t i = 0; i < MOST_LANES; i++) c[i] = between(&rng, -1, 1);
    for (size_t i = 0; i < 3 * ELEMENTS; i++) x[i] = between(&rng, -1, 1), begin[i] = between(&rng, -1, 1);
    for (size_t p = 0; p < COUNT(patterns); p++) {
        int good = 1;
        for (size_t l = 0; l < COUNT(lengths); l++)
            for (int v = 0; v < 2; v++) {
                /* of runs the length is that of a run, of the others that of the array */
                const size_t lanes = p == 4 ? MOST_LANES : lengths[l];
                int32_t *const pair = (int32_t *)exactly(2 * lanes * sizeof *pair);
                fill_pattern(p, &rng, pair, lanes, lengths[l]);
                memcpy(want, begin, sizeof want);
                plain_scatter(v, pair, x, c, want, lanes);
                for (int w = 0; w < WIDTHS; w++) {
                    ds_array args[4];
                    if (p == 4 && (w + (int)l) % 2) continue;
                    args[0] = ds_array_indices(pair, lanes, 2), args[1] = ds_array_reals(x, ELEMENTS, 3);
                    args[2] = ds_array_reals(c, lanes, 1), args[3] = ds_array_reals(got, ELEMENTS, 3);
                    memcpy(got, begin, sizeof got);
                    good &= launch(runners[w], kernels[v], lanes, args, 4) && same(got, want, 3 * ELEMENTS);
                }
                free(pair);
            }
        TAP_OK(good, "sums in the order of the plain loop: %s", patterns[p]);
    }
    ds_kernel_destroy(kernels[0]);
    ds_kernel_destroy(kernels[1]);
}

/* What a runner has found out about lists of indices is forgotten when they change: without an id always,
   with one when it changes, or the memory or the layout does. */
static void test_changed_indices(void)
{
    static const char *const ways[] = { "without an id", "short, without an id", "with another id",
                                        "in other memory", "in another layout" };
    ds_kernel *const k = scatter_kernel(1);
    static ds_real c[MOST_LANES], x[3 * ELEMENTS], want[3 * ELEMENTS], got[3 * ELEMENTS];
    static int32_t pairs[2][2 * MOST_LANES], columns_of[2 * MOST_LANES];
    ds_rng rng = ds_rng_make(31, 0);
    for (size_t i = 0; i < MOST_LANES; i++) c[i] = between(&rng, -1, 1);
    for (size_t i = 0; i < 3 * ELEMENTS; i++) x[i] = between(&rng, -1, 1);
    for (int way = 0; way < 5; way++) {
        const size_t lanes = way == 1 ? 30 : MOST_LANES;
        int good = 1;
        for (int w = 0; w < WIDTHS; w++)
            for (size_t turn = 0; turn < 6; turn++) {
                int32_t *const pair = pairs[way == 3 ? turn % 2 : 0];
                ds_array args[4];
                fill_pattern((1 + turn * 3) % 8, &rng, pair, lanes, 20); /* lines first, which are kept */
                memset(want, 0, sizeof want), memset(got, 0, sizeof got);
                plain_scatter(1, pair, x, c, want, lanes);
                args[0] = ds_array_indices(pair, lanes, 2), args[1] = ds_array_reals(x, ELEMENTS, 3);
                args[2] = ds_array_reals(c, lanes, 1), args[3] = ds_array_reals(got, ELEMENTS, 3);
                if (way >= 2) args[0].id = (uint64_t)way * 100 + (way == 2 ? turn : turn / 2);
                if (way == 4 && turn % 2) { /* the same memory would be other indices */
                    for (size_t i = 0; i < lanes; i++)
                        columns_of[i] = pair[2 * i], columns_of[i + lanes] = pair[2 * i + 1];
                    memcpy(pair, columns_of, 2 * lanes * sizeof *pair);
                    args[0].stride = 1, args[0].pitch = lanes;
                }
                good &= launch(runners[w], k, lanes, args, 4) && same(got, want, 3 * ELEMENTS);
                if (turn != 5 || way > 1) continue;
                pair[lanes] = ELEMENTS; /* after launches that went well */
                good &= ds_launch(runners[w], k, lanes, args, 4) == DSIM_ERROR_RANGE;
            }
        TAP_OK(good, "indices change, %s", ways[way]);
    }
    ds_kernel_destroy(k);
}

/* sums whose lines step by more, less or nothing, in one component; indices without arrays */
static void test_sums_along_lines(void)
{
    static const int step[][3] = { { 1, 1, 1 }, { 2, 2, 2 },  { -1, -1, -1 }, { 0, 0, 0 },
                                   { 1, 2, 1 }, { 1, 0, -1 }, { 3, 3, 3 } };
    static const int first[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 5, 5, 5 }, { 0, 16, 3 }, { 7, 0, 7 } };
    enum { LANES = 130, CELLS = 3 * 130 + 160 };
    ds_rng rng = ds_rng_make(23, 0);
    ds_real x[LANES], want[CELLS], got[CELLS];
    for (int i = 0; i < LANES; i++) x[i] = between(&rng, -1, 1);
    for (size_t c = 0; c < COUNT(step) * COUNT(first); c++) {
        const int *const by = step[c / COUNT(first)], *const from = first[c % COUNT(first)];
        ds_kernel *const k = ds_kernel_begin(NULL, "lines");
        const ds_arg in = ds_arg_in(k, "x", 1), sum = ds_arg_sum(k, "sum", 1);
        const ds_var v = ds_load(in, ds_lane(k));
        ds_array args[2];
        int good;
        for (int m = 0; m < 3; m++)
            ds_add_at(sum, ds_index_add(ds_index_mul(ds_lane(k), ds_i(by[m])), ds_i(from[m] + 135)),
                      m == 1   ? ds_square(v)
                      : m == 2 ? ds_c(0.1)
                               : v);
        good = ends(k);
        for (int i = 0; i < CELLS; i++) want[i] = (ds_real)(i % 7) / 3;
        for (int i = 0; i < LANES; i++) {
            want[i * by[0] + from[0] + 135] += x[i];
            want[i * by[1] + from[1] + 135] += mul(x[i], x[i]);
            want[i * by[2] + from[2] + 135] += (ds_real)0.1;
        }
        args[0] = ds_array_reals(x, LANES, 1), args[1] = ds_array_reals(got, CELLS, 1);
        for (int w = 0; w < WIDTHS; w++) {
            for (int i = 0; i < CELLS; i++) got[i] = (ds_real)(i % 7) / 3;
            good = good && launch(runners[w], k, LANES, args, 2) && same(got, want, CELLS);
        }
        TAP_OK(good, "three sums by steps %d %d %d from %d %d %d", by[0], by[1], by[2], from[0], from[1],
               from[2]);
        ds_kernel_destroy(k);
    }
}

/* Grids. */
static ds_kernel *begin_grid(size_t rank, const char *name)
{
    ds_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.rank = rank;
    return ds_kernel_begin(&desc, name);
}
static void test_stencil(int wraps)
{
    static const size_t sizes[][2] = { { 1, 1 },   { 1, 37 }, { 37, 1 }, { 7, 33 },
                                       { 3, 513 }, { 0, 5 },  { 5, 0 },  { 20, 16 } };
    ds_kernel *const k = begin_grid(2, "laplace");
    const ds_arg u = ds_arg_in(k, "u", 1), out = ds_arg_out(k, "out", 1), flow = ds_arg_sum(k, "flow", 1);
    const ds_index i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1), h = ds_lanes(k, 0), w = ds_lanes(k, 1);
    ds_index at[4];
    ds_var sum, here = ds_load(u, ds_lane(k));
    ds_rng rng = ds_rng_make(24, (uint64_t)wraps);
    int good = 1;
    for (int m = 0; m < 4; m++) {
        const ds_index up = ds_index_add(i, ds_i(m == 0 ? -1 : m == 1 ? 1 : 0));
        const ds_index right = ds_index_add(j, ds_i(m == 2 ? -1 : m == 3 ? 1 : 0));
        const ds_index row =
            wraps ? ds_index_mod(up, h) : ds_index_clamp(up, ds_i(0), ds_index_sub(h, ds_i(1)));
        const ds_index column =
            wraps ? ds_index_mod(right, w) : ds_index_clamp(right, ds_i(0), ds_index_sub(w, ds_i(1)));
        at[m] = ds_index_add(ds_index_mul(row, w), column);
    }
    sum = ds_mul(here, ds_c(-4));
    for (int m = 0; m < 4; m++) sum = ds_add(sum, ds_load(u, at[m]));
    ds_store(out, ds_lane(k), sum);
    for (int m = 0; m < 4; m++) ds_add_at(flow, at[m], ds_mul(here, ds_c(m + 1)));
    good = ends(k);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        const int64_t rows = (int64_t)sizes[s][0], cols = (int64_t)sizes[s][1];
        const size_t n = sizes[s][0] * sizes[s][1];
        ds_real *const x = (ds_real *)exactly(n * sizeof *x), *const want =
                                                                  (ds_real *)exactly(n * sizeof *want);
        ds_real *const got = (ds_real *)exactly(n * sizeof *got), *const total =
                                                                      (ds_real *)exactly(n * sizeof *got);
        ds_real *const all = (ds_real *)exactly(n * sizeof *got);
        for (size_t c = 0; c < n; c++) x[c] = between(&rng, -1, 1);
        for (int64_t p = 0; p < rows; p++)
            for (int64_t q = 0; q < cols; q++) {
                int64_t near4[4];
                ds_real v = x[p * cols + q] * -4;
                for (int m = 0; m < 4; m++) {
                    int64_t a = p + (m == 0 ? -1 : m == 1), b = q + (m == 2 ? -1 : m == 3);
                    a = wraps ? plain(4, a, rows) : a < 0 ? 0 : a < rows ? a : rows - 1;
                    b = wraps ? plain(4, b, cols) : b < 0 ? 0 : b < cols ? b : cols - 1;
                    near4[m] = a * cols + b;
                    v += x[near4[m]];
                }
                want[p * cols + q] = v;
                for (int m = 0; m < 4; m++) total[near4[m]] += mul(x[p * cols + q], (ds_real)(m + 1));
            }
        for (int r = 0; r < WIDTHS; r++) {
            ds_array args[3];
            args[0] = ds_array_reals(x, n, 1), args[1] = ds_array_reals(got, n, 1),
            args[2] = ds_array_reals(all, n, 1);
            for (size_t c = 0; c < n; c++) got[c] = all[c] = 0;
            if (launch_all_ways(runners[r], k, sizes[s], args, 3)) {
                tap_diag("%s", ds_runner_error(runners[r])->text);
                good = 0;
            }
            good &= same(got, want, n) && same(all, total, n);
        }
        free(x), free(want), free(got), free(total), free(all);
    }
    TAP_OK(good, "five points with %s", wraps ? "mod" : "clamp");
    ds_kernel_destroy(k);
}

/* rows of one picture go into one block: what stands between them is neither stored nor added, not even 0 */
static void test_joined_rows(void)
{
    enum { ROWS = 9, COLUMNS_OF_ROW = 40, PITCH = 48, CELLS = (ROWS + 2) * PITCH + 2, SUMS = 3 };
    static ds_real in[CELLS], out[CELLS], stored[CELLS];
    static ds_real sums[SUMS][CELLS], wanted[SUMS][CELLS];
    const size_t grid[2] = { ROWS, COLUMNS_OF_ROW };
    ds_kernel *const k = begin_grid(2, "joined");
    const ds_arg x = ds_arg_in(k, "x", 1), o = ds_arg_out(k, "o", 1);
    const ds_arg s0 = ds_arg_sum(k, "s0", 1), s1 = ds_arg_sum(k, "s1", 1), s2 = ds_arg_sum(k, "s2", 1);
    const ds_index row = ds_index_add(ds_index_mul(ds_lane_axis(k, 0), ds_i(PITCH)), ds_i(PITCH + 1));
    const ds_index at = ds_index_add(row, ds_lane_axis(k, 1)), after = ds_index_add(at, ds_i(1));
    const ds_index before = ds_index_sub(at, ds_i(1)), below = ds_index_add(at, ds_i(PITCH));
    const ds_index above = ds_index_sub(at, ds_i(PITCH));
    const ds_var here = ds_load(x, at), next = ds_load(x, after);
    const ds_var v = ds_mul(here, here), w = ds_mul(here, next);
    ds_array args[5];
    int good = 1;
    ds_add_at(s0, above, v), ds_add_at(s0, before, v), ds_add_at(s0, after, v), ds_add_at(s0, below, v);
    ds_add_at(s0, at, ds_neg(w));
    ds_add_at(s1, at, w), ds_add_at(s1, after, ds_neg(w)); /* the same number with both signs */
    ds_add_at(s2, below, here), ds_add_at(s2, at, v);      /* a load as it is */
    ds_store(o, at, ds_add(v, w));
    good = ends(k);
    for (int i = 0; i < CELLS; i++) {
        const int column = i % PITCH - 1;
        in[i] = column > COLUMNS_OF_ROW ? (ds_real)NAN : (ds_real)sin(0.7 * i);
        stored[i] = (ds_real)i;
        for (int s = 0; s < SUMS; s++) wanted[s][i] = i % 3 ? -(ds_real)0 : (ds_real)(i % 5);
    }
    for (int lane = 0; lane < ROWS * COLUMNS_OF_ROW; lane++) {
        const int e = (lane / COLUMNS_OF_ROW + 1) * PITCH + 1 + lane % COLUMNS_OF_ROW;
        const ds_real square = mul(in[e], in[e]), product = mul(in[e], in[e + 1]);
        wanted[0][e - PITCH] += square, wanted[0][e - 1] += square, wanted[0][e + 1] += square;
        wanted[0][e + PITCH] += square, wanted[0][e] -= product;
        wanted[1][e] += product, wanted[1][e + 1] -= product;
        wanted[2][e + PITCH] += in[e], wanted[2][e] += square;
        stored[e] = square + product;
    }
    for (int w2 = 0; w2 < WIDTHS; w2++) {
        for (int i = 0; i < CELLS; i++) {
            out[i] = (ds_real)i;
            for (int s = 0; s < SUMS; s++) sums[s][i] = i % 3 ? -(ds_real)0 : (ds_real)(i % 5);
        }
        args[0] = ds_array_reals(in, CELLS, 1), args[1] = ds_array_reals(out, CELLS, 1);
        for (int s = 0; s < SUMS; s++) args[2 + s] = ds_array_reals(sums[s], CELLS, 1);
        good = good && !launch_all_ways(runners[w2], k, grid, args, 5) && !memcmp(out, stored, sizeof out);
        good = good && !memcmp(sums, wanted, sizeof sums);
    }
    TAP_OK(good, "rows with gaps: what stands in the gaps stays, to the sign of a zero");
    ds_kernel_destroy(k);
}

/* a fixed bug: rows of a kernel that adds nothing were joined with 0 added to a pointer that is NULL */
static void test_joined_rows_without_sums(void)
{
    enum { ROWS = 5, ACROSS = 40, PITCH = 45 };
    static ds_real x[ROWS * PITCH], y[ROWS * PITCH];
    const size_t lanes[2] = { ROWS, ACROSS };
    ds_kernel *const k = begin_grid(2, "rows");
    const ds_arg in = ds_arg_in(k, "x", 1), out = ds_arg_out(k, "y", 1);
    const ds_index row = ds_index_mul(ds_lane_axis(k, 0), ds_i(PITCH));
    const ds_index at = ds_index_add(row, ds_lane_axis(k, 1));
    int good = 1;
    ds_array args[2];
    ds_store(out, at, ds_mul(ds_load(in, at), ds_c(3)));
    ds_kernel_end(k);
    for (int i = 0; i < ROWS * PITCH; i++) x[i] = (ds_real)i, y[i] = -1;
    args[0] = ds_array_reals(x, ROWS * PITCH, 1);
    args[1] = ds_array_reals(y, ROWS * PITCH, 1);
    TAP_OK(!ds_launch_grid(runners[WIDTHS - 1], k, lanes, args, 2), "rows that are joined, without a sum");
    for (int i = 0; i < ROWS * PITCH; i++)
        good = good && y[i] == (i % PITCH < ACROSS ? (ds_real)(3 * i) : (ds_real)-1);
    TAP_OK(good, "and nothing between them");
    ds_kernel_destroy(k);
}

static void test_three_axes(void)
{
    static const size_t sizes[][3] = { { 2, 3, 4 }, { 1, 1, 50 }, { 5, 20, 1 }, { 3, 2, 17 }, { 2, 2, 64 } };
    ds_kernel *const k = begin_grid(3, "axes");
    const ds_arg out = ds_arg_out(k, "out", 7);
    int good;
    for (size_t a = 0; a < 3; a++) {
        ds_store_part(out, ds_lane(k), a, ds_index_number(k, ds_lane_axis(k, a)));
        ds_store_part(out, ds_lane(k), a + 3, ds_index_number(k, ds_lanes(k, a)));
    }
    ds_store_part(out, ds_lane(k), 6, ds_index_number(k, ds_lane(k)));
    good = ends(k);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        const size_t *const n = sizes[s], all = n[0] * n[1] * n[2];
        for (int w = 0; w < WIDTHS; w++) {
            ds_real *const got = (ds_real *)exactly(7 * all * sizeof *got);
            const ds_array arg = ds_array_reals(got, all, 7);
            good &= !ds_launch_grid(runners[w], k, n, &arg, 1);
            for (size_t i = 0; i < all; i++) {
                const size_t want[7] = { i / (n[1] * n[2]), i / n[2] % n[1], i % n[2], n[0], n[1], n[2], i };
                for (size_t c = 0; c < 7; c++) good &= got[7 * i + c] == (ds_real)want[c];
            }
            free(got);
        }
    }
    TAP_OK(good, "coordinates of lanes in three dimensions");
    ds_kernel_destroy(k);
}

/* Floors: a semi-Lagrangian step, whose indices come from numbers that were loaded along clamped lines. */
static void test_floors(void)
{
    enum { CELLS = 200 };
    ds_kernel *const k = ds_kernel_begin(NULL, "advect");
    const ds_arg v = ds_arg_in(k, "v", 1), q = ds_arg_in(k, "q", 1), out = ds_arg_out(k, "out", 1);
    const ds_arg sum = ds_arg_sum(k, "sum", 1), table = ds_arg_index(k, "table", 1);
    const ds_var dt = ds_scalar(k, "dt");
    const ds_index lane = ds_lane(k), last = ds_i(CELLS - 1),
                   next = ds_index_clamp(ds_index_add(lane, ds_i(1)), ds_i(0), last);
    const ds_var here = ds_index_number(k, lane),
                 step = ds_mul(ds_add(ds_load(v, lane), ds_load(v, next)), dt);
    const ds_var p = ds_sub(here, step);
    const ds_index i = ds_floor_index(p), i0 = ds_index_clamp(i, ds_i(0), last);
    const ds_index i1 = ds_index_clamp(ds_index_add(i, ds_i(1)), ds_i(0), last);
    const ds_index j = ds_load_index(table,
                                     ds_index_add(ds_index_clamp(ds_index_add(lane, ds_i(3)), ds_i(0), last),
                                                  ds_floor_index(ds_mul(ds_load(v, lane), ds_c(0)))),
                                     0);
    const ds_var f = ds_sub(p, ds_index_number(k, i)), q0 = ds_load(q, i0), q1 = ds_load(q, i1);
    const ds_var a = ds_mul(q0, ds_sub(ds_c(1), f)), b = ds_mul(q1, f);
    ds_rng rng = ds_rng_make(25, 0);
    ds_real vs[CELLS], qs[CELLS], want[CELLS], got[CELLS], total[CELLS] = { 0 }, all[CELLS],
                                                           dts = (ds_real)1.7;
    int32_t permuted[CELLS];
    ds_array args[6];
    int good;
    ds_store(out, lane, ds_add(a, b));
    ds_add_at(sum, i1, a);
    ds_add_at(sum, i0, b);
    ds_add_at(sum, j, f);
    good = ends(k);
    for (int c = 0; c < CELLS; c++) {
        vs[c] = between(&rng, -3, 3), qs[c] = between(&rng, -1, 1);
        permuted[c] = (int32_t)(c * 7 % CELLS);
    }
    for (int c = 0; c < CELLS; c++) {
        const ds_real w = (ds_real)c - mul(vs[c] + vs[c + 1 < CELLS ? c + 1 : c], dts);
        const int64_t at = (int64_t)floor((double)w);
        const int64_t c0 = plain(5, plain(6, at, 0), CELLS - 1),
                      c1 = plain(5, plain(6, at + 1, 0), CELLS - 1);
        const ds_real part = w - (ds_real)at, left = mul(qs[c0], 1 - part), right = mul(qs[c1], part);
        want[c] = left + right;
        total[c1] += left;
        total[c0] += right;
        total[permuted[c + 3 < CELLS ? c + 3 : CELLS - 1]] += part;
    }
    args[0] = ds_array_reals(vs, CELLS, 1), args[1] = ds_array_reals(qs, CELLS, 1);
    args[2] = ds_array_reals(got, CELLS, 1), args[3] = ds_array_reals(all, CELLS, 1);
    args[4] = ds_array_indices(permuted, CELLS, 1), args[5] = ds_array_reals(&dts, 1, 1);
    for (int w = 0; w < WIDTHS; w++) {
        memset(all, 0, sizeof all);
        good &= launch(runners[w], k, CELLS, args, 6) && same(got, want, CELLS);
        TAP_OK(good && same(all, total, CELLS), "floors of loaded numbers, width %d", (int)widths[w]);
    }
    ds_kernel_destroy(k);
    { /* what is the same in all lanes, floored; numbers that have no integer */
        ds_kernel *const u = ds_kernel_begin(NULL, "uniform");
        const ds_arg to = ds_arg_out(u, "to", 2), from = ds_arg_in(u, "from", 1);
        const ds_var x = ds_scalar(u, "x");
        const ds_index whole = ds_floor_index(x);
        const ds_real odd[4] = { (ds_real)NAN, (ds_real)INFINITY, -(ds_real)INFINITY, (ds_real)1e30 };
        ds_real number = (ds_real)-2.5, back[40 * 2];
        ds_array arrays[3];
        ds_kernel *z;
        ds_store_part(to, ds_lane(u), 0, ds_index_number(u, whole));
        ds_store_part(to, ds_lane(u), 1, ds_load(from, ds_index_add(whole, ds_i(5))));
        good = ends(u);
        arrays[0] = ds_array_reals(back, 40, 2), arrays[1] = ds_array_reals(qs, CELLS, 1);
        arrays[2] = ds_array_reals(&number, 1, 1);
        good &= launch(runners[4], u, 40, arrays, 3);
        for (int c = 0; c < 40; c++) good &= back[2 * c] == -3 && back[2 * c + 1] == qs[2];
        TAP_OK(good, "the floor of a scalar");
        ds_kernel_destroy(u);
        z = ds_kernel_begin(NULL, "odd");
        {
            const ds_arg x4 = ds_arg_in(z, "x", 1), y4 = ds_arg_out(z, "y", 1);
            ds_store(y4, ds_lane(z),
                     ds_index_number(
                         z, ds_index_clamp(ds_floor_index(ds_load(x4, ds_lane(z))), ds_i(-5), ds_i(5))));
        }
        arrays[0] = ds_array_reals(odd, 4, 1), arrays[1] = ds_array_reals(back, 4, 1);
        good = ends(z) && launch(runners[4], z, 4, arrays, 2);
        TAP_OK(good && back[0] == -5 && back[1] == -5 && back[2] == -5 && back[3] == -5,
               "NaN, infinite and huge numbers have the least integer as floor");
        ds_kernel_destroy(z);
    }
}

/* Layouts. An array of a type, with stride and pitch; `room` numbers from `at` on, nothing behind. */
enum { LAYOUTS = 5 };
static const char *const layouts[LAYOUTS] = { "xyzxyz", "xyz-xyz-", "xx..yy..zz", "struct", "x-y-z-x-y-z" };
typedef struct layout {
    ds_array array;
    char *memory;
    size_t room;
} layout;
static layout lay_out(int kind, ds_array_type type, size_t n)
{
    static const size_t strides[LAYOUTS] = { 0, 4, 1, 7, 6 }, pitches[LAYOUTS] = { 0, 1, 0, 1, 2 };
    const size_t bytes = type == DSIM_ARRAY_REAL ? sizeof(ds_real) : type == DSIM_ARRAY_DOUBLE ? 8 : 4;
    const size_t stride = strides[kind] ? strides[kind] : 3, before = kind == 3 ? 2 : 0;
    layout r;
    memset(&r, 0, sizeof r);
    r.array.n = n, r.array.components = 3, r.array.type = type;
    r.array.stride = strides[kind], r.array.pitch = kind == 2 ? n : pitches[kind];
    r.room = before + (n ? (n - 1) * stride + 2 * (r.array.pitch ? r.array.pitch : 1) + 1 : 0);
    r.memory = (char *)exactly(r.room * bytes);
    memset(r.memory, 0x5A, r.room * bytes);
    r.array.data = r.memory + before * bytes;
    return r;
}
static size_t place_in(const ds_array *a, size_t i, size_t c)
{
    return i * (a->stride ? a->stride : 3) + c * (a->pitch ? a->pitch : 1);
}
static double number_at(const ds_array *a, size_t i, size_t c)
{
    const size_t at = place_in(a, i, c);
    if (a->type == DSIM_ARRAY_REAL) return (double)((ds_real *)a->data)[at];
    return a->type == DSIM_ARRAY_DOUBLE ? ((double *)a->data)[at] : (double)((float *)a->data)[at];
}
static void put_at(ds_array *a, size_t i, size_t c, double x)
{
    const size_t at = place_in(a, i, c);
    if (a->type == DSIM_ARRAY_REAL)
        ((ds_real *)a->data)[at] = (ds_real)x;
    else if (a->type == DSIM_ARRAY_DOUBLE)
        ((double *)a->data)[at] = x;
    else
        ((float *)a->data)[at] = (float)x;
}
static void gain_at(ds_array *a, size_t i, size_t c, ds_real x)
{
    const size_t at = place_in(a, i, c);
    if (a->type == DSIM_ARRAY_REAL)
        ((ds_real *)a->data)[at] += x;
    else if (a->type == DSIM_ARRAY_DOUBLE)
        ((double *)a->data)[at] += (double)x;
    else
        ((float *)a->data)[at] += (float)x;
}
static size_t bytes_of(const layout *l)
{
    return l->room * (l->array.type == DSIM_ARRAY_REAL     ? sizeof(ds_real)
                      : l->array.type == DSIM_ARRAY_DOUBLE ? 8
                                                           : 4);
}

static void test_layouts(void)
{
    static const size_t sizes[] = { 0, 1, 16, 33, 64 };
    ds_kernel *const k = ds_kernel_begin(NULL, "layouts");
    const ds_arg x = ds_arg_in(k, "x", 3), y = ds_arg_out(k, "y", 3), s = ds_arg_sum(k, "s", 3);
    const ds_arg p = ds_arg_update(k, "p", 3), at = ds_arg_index(k, "at", 1);
    const ds_index lane = ds_lane(k), other = ds_load_index(at, lane, 0);
    const ds_var3 here = ds_load3(x, lane), there = ds_load3(x, other), mine = ds_load3(p, lane);
    int good[LAYOUTS] = { 1, 1, 1, 1, 1 };
    ds_rng rng = ds_rng_make(26, 0);
    ds_store3(y, other, ds_sub3(here, mine));
    ds_add_at3(s, lane, there);
    ds_add_at3(s, other, here);
    ds_store3(p, lane, ds_add3(there, mine));
    TAP_OK(ends(k), "layouts: recorded");
    for (int round = 0; round < 15 * LAYOUTS; round++) {
        const size_t n = sizes[integer(&rng, 0, 4)];
        layout of[4], want[4];
        ds_array args[5];
        int32_t *const to = (int32_t *)exactly((n ? 3 * n - 2 : 0) * sizeof *to); /* every third */
        for (int a = 0; a < 4; a++) {
            const int kind = a ? (int)integer(&rng, 0, LAYOUTS - 1) : round % LAYOUTS;
            const ds_array_type type = (ds_array_type)integer(&rng, 0, 2);
            of[a] = lay_out(kind, type, n), want[a] = lay_out(kind, type, n);
            for (size_t i = 0; i < n; i++)
                for (size_t c = 0; c < 3; c++) {
                    put_at(&of[a].array, i, c, (double)between(&rng, -1, 1));
                    put_at(&want[a].array, i, c, number_at(&of[a].array, i, c));
                }
            args[a] = of[a].array;
        }
        for (size_t i = 0; i < n; i++) to[3 * i] = (int32_t)((i + n / 2) % n);
        args[4] = ds_array_indices(to, n, 1), args[4].stride = 3;
        for (size_t i = 0; i < n; i++) {
            const size_t j = (size_t)to[3 * i];
            ds_real here3[3], there3[3], mine3[3];
            for (size_t c = 0; c < 3; c++) {
                here3[c] = (ds_real)number_at(&want[0].array, i, c),
                there3[c] = (ds_real)number_at(&want[0].array, j, c);
                mine3[c] = (ds_real)number_at(&want[3].array, i, c);
                put_at(&want[1].array, j, c, (double)(here3[c] - mine3[c]));
                gain_at(&want[2].array, i, c, there3[c]);
                gain_at(&want[2].array, j, c, here3[c]);
                put_at(&want[3].array, i, c, (double)(there3[c] + mine3[c]));
            }
        }
        good[round % LAYOUTS] &= launch(runners[round % WIDTHS], k, n, args, 5);
        for (int a = 0; a < 4; a++) {
            good[round % LAYOUTS] &= !memcmp(of[a].memory, want[a].memory, bytes_of(of + a));
            free(of[a].memory), free(want[a].memory);
        }
        free(to);
    }
    for (int a = 0; a < LAYOUTS; a++) TAP_OK(good[a], "numbers and gaps of %s and others", layouts[a]);
    ds_kernel_destroy(k);
}

/* several arguments within one block of structs { x[3], v[3], m, f } */
static void test_structs(void)
{
    enum { N = 50, WIDE = 8 };
    ds_kernel *const k = ds_kernel_begin(NULL, "structs");
    const ds_arg x = ds_arg_update(k, "x", 3), v = ds_arg_update(k, "v", 3), m = ds_arg_in(k, "m", 1);
    const ds_arg f = ds_arg_sum(k, "f", 1);
    const ds_index lane = ds_lane(k);
    const ds_var3 moved = ds_axpy3(ds_c(0.5), ds_load3(v, lane), ds_load3(x, lane));
    ds_real *const data = (ds_real *)exactly(N * WIDE * sizeof *data), want[N * WIDE];
    ds_array args[4];
    int good;
    ds_store3(x, lane, moved);
    ds_store3(v, lane, ds_scale3(ds_load3(v, lane), ds_load(m, lane)));
    ds_add_at(f, ds_index_sub(ds_i(N - 1), lane), ds_load(m, lane));
    good = ends(k);
    for (int i = 0; i < N * WIDE; i++) want[i] = data[i] = (ds_real)(i % 13) / 8;
    args[0] = ds_array_reals(data, N, 3), args[1] = ds_array_reals(data + 3, N, 3);
    args[2] = ds_array_reals(data + 6, N, 1), args[3] = ds_array_reals(data + 7, N, 1);
    for (int a = 0; a < 4; a++) args[a].stride = WIDE;
    for (int i = 0; i < N; i++)
        for (int c = 0; c < 3; c++) {
            want[i * WIDE + c] += mul((ds_real)0.5, want[i * WIDE + 3 + c]);
            want[i * WIDE + 3 + c] = mul(want[i * WIDE + 3 + c], want[i * WIDE + 6]);
            if (c == 0) want[(N - 1 - i) * WIDE + 7] += want[i * WIDE + 6];
        }
    good &= launch(runners[4], k, N, args, 4);
    TAP_OK(good && same(data, want, N * WIDE), "four arguments in one array of structs");
    free(data);
    ds_kernel_destroy(k);
}

/* Updates: in place, exchanged, and their adjoint and tangent. */
static void test_updates(void)
{
    enum { N = 64 };
    ds_rng rng = ds_rng_make(27, 0);
    ds_real a[N], b[N], a0[N], b0[N], dts = (ds_real)0.1, pairs[2 * N], pairs0[2 * N], sum[1] = { 0 },
                                      total = 0;
    ds_array args[4];
    int good;
    for (int i = 0; i < N; i++) a[i] = a0[i] = between(&rng, -1, 1), b[i] = b0[i] = between(&rng, -1, 1);
    for (int i = 0; i < 2 * N; i++) pairs[i] = pairs0[i] = between(&rng, -1, 1);
    args[0] = ds_array_reals(a, N, 1), args[1] = ds_array_reals(b, N, 1),
    args[2] = ds_array_reals(&dts, 1, 1);
    {
        ds_kernel *const k = ds_kernel_begin(NULL, "swap");
        const ds_arg x = ds_arg_update(k, "x", 1), y = ds_arg_update(k, "y", 1);
        const ds_var p = ds_load(x, ds_lane(k)), q = ds_load(y, ds_lane(k));
        ds_store(x, ds_lane(k), q);
        ds_store(y, ds_lane(k), p);
        good = ends(k) && launch(runners[4], k, N, args, 2);
        TAP_OK(good && same(a, b0, N) && same(b, a0, N), "two updates exchange their numbers");
        ds_kernel_destroy(k);
    }
    {
        ds_kernel *const k = ds_kernel_begin(NULL, "turn");
        const ds_arg x = ds_arg_update(k, "x", 2), s = ds_arg_sum(k, "s", 1);
        const ds_var p = ds_load_part(x, ds_lane(k), 0), q = ds_load_part(x, ds_lane(k), 1);
        ds_array turn[2];
        turn[0] = ds_array_reals(pairs, N, 2), turn[0].stride = 1, turn[0].pitch = N;
        turn[1] = ds_array_reals(sum, 1, 1);
        ds_store_part(x, ds_lane(k), 0, q);
        ds_store_part(x, ds_lane(k), 1, p);
        ds_add_at(s, ds_i(0), p);
        good = ends(k) && launch(runners[4], k, N, turn, 2);
        for (int i = 0; i < N; i++) total += pairs0[i];
        TAP_OK(good && same(pairs, pairs0 + N, N) && same(pairs + N, pairs0, N),
               "two components of one update exchange their numbers");
        TAP_OK(good && fabs((double)(sum[0] - total)) < 1e-4, "and a sum adds what was there before");
        ds_kernel_destroy(k);
    }
    { /* v -= dt sin(x), x += dt v; against the tape of each lane */
        ds_kernel *const k = ds_kernel_begin(NULL, "swing");
        const ds_arg x = ds_arg_update(k, "x", 1), v = ds_arg_update(k, "v", 1);
        const ds_var dt = ds_scalar(k, "dt"), p = ds_load(x, ds_lane(k)), q = ds_load(v, ds_lane(k));
        const ds_var fast = ds_sub(q, ds_mul(dt, ds_sin(p)));
        ds_kernel *adjoint, *tangent;
        ds_tape *const t = ds_tape_create(NULL);
        ds_real xb[N], vb[N], xd[N], vd[N], dtb = 0, dtd = (ds_real)0.25;
        double worst = 0, dt_sum = 0;
        ds_array both[6];
        ds_store(x, ds_lane(k), ds_add(p, ds_mul(dt, fast)));
        ds_store(v, ds_lane(k), fast);
        good = ends(k);
        adjoint = ds_kernel_adjoint(k, NULL), tangent = ds_kernel_tangent(k, NULL);
        for (int i = 0; i < N; i++) a[i] = a0[i], b[i] = b0[i];
        for (int i = 0; i < N; i++)
            xb[i] = xd[i] = between(&rng, -1, 1), vb[i] = vd[i] = between(&rng, -1, 1);
        for (int i = 0; i < 3; i++) both[i] = args[i];
        both[3] = ds_array_reals(xd, N, 1), both[4] = ds_array_reals(vd, N, 1),
        both[5] = ds_array_reals(&dtd, 1, 1);
        good = good && launch(runners[4], tangent, N, both, 6);
        for (int i = 0; i < 2; i++) both[3 + i] = ds_array_reals(i ? vb : xb, N, 1);
        both[5] = ds_array_reals(&dtb, 1, 1);
        {
            ds_real seeds[N][2];
            for (int i = 0; i < N; i++) seeds[i][0] = xb[i], seeds[i][1] = vb[i];
            good = good && launch(runners[4], adjoint, N, both, 6) && launch(runners[4], k, N, args, 3);
            for (int i = 0; i < N; i++) {
                ds_var in[3], f[2];
                ds_real dot[3];
                ds_tape_reset(t);
                in[0] = ds_input(t, (double)a0[i]), in[1] = ds_input(t, (double)b0[i]),
                in[2] = ds_input(t, (double)dts);
                f[1] = ds_sub(in[1], ds_mul(in[2], ds_sin(in[0])));
                f[0] = ds_add(in[0], ds_mul(in[2], f[1]));
                good &= ds_value(f[0]) == a[i] && ds_value(f[1]) == b[i];
                ds_backward_many(f, seeds[i], 2);
                worst = fmax(worst,
                             fabs((double)(ds_grad(in[0]) - xb[i])) + fabs((double)(ds_grad(in[1]) - vb[i])));
                dt_sum += (double)ds_grad(in[2]);
                dot[0] = seeds[i][0], dot[1] = seeds[i][1], dot[2] = (ds_real)0.25;
                ds_forward(in, dot, 3);
                worst = fmax(worst, fabs((double)(ds_tangent(f[0]) - xd[i])) +
                                        fabs((double)(ds_tangent(f[1]) - vd[i])));
            }
        }
        TAP_OK(good, "an update in place");
        TAP_OK(worst < (IS_FLOAT ? 1e-5 : 1e-14), "adjoint and tangent of an update, in place (%.1e)", worst);
        TAP_NEAR(dtb, dt_sum, IS_FLOAT ? 1e-5 : 1e-13, "and by the time step");
        ds_tape_destroy(t);
        ds_kernel_destroy(k), ds_kernel_destroy(adjoint), ds_kernel_destroy(tangent);
    }
    { /* what is only read keeps its adjoint and gains, what is only written loses it */
        ds_kernel *const k = ds_kernel_begin(NULL, "half");
        const ds_arg x = ds_arg_update(k, "x", 2), y = ds_arg_out(k, "y", 1);
        ds_kernel *adjoint;
        ds_real two[2] = { 3, 5 }, out = 0, bar[2] = { 7, 11 }, seed = 13;
        ds_array arrays[4];
        ds_store(y, ds_lane(k), ds_square(ds_load_part(x, ds_lane(k), 0)));
        ds_store_part(x, ds_lane(k), 1, ds_c(1));
        good = ends(k);
        adjoint = ds_kernel_adjoint(k, NULL);
        arrays[0] = ds_array_reals(two, 1, 2), arrays[1] = ds_array_reals(&out, 1, 1);
        arrays[2] = ds_array_reals(bar, 1, 2), arrays[3] = ds_array_reals(&seed, 1, 1);
        good &= launch(runners[4], adjoint, 1, arrays, 4);
        TAP_OK(good && bar[0] == 7 + 13 * 6 && bar[1] == 0, "adjoints of numbers read only and written only");
        ds_kernel_destroy(k), ds_kernel_destroy(adjoint);
    }
}

/* Scalars of both kinds, no lanes, too many lanes. */
static void test_lanes(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "lanes");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1);
    const ds_index offset = ds_index_scalar(k, "offset");
    const ds_var c = ds_scalar(k, "c");
    ds_real in[30], out[20], factor = 3;
    int32_t shift = 10;
    ds_array args[4];
    int good;
    ds_store(y, ds_lane(k), ds_mul(c, ds_load(x, ds_index_add(ds_lane(k), offset))));
    good = ends(k);
    for (int i = 0; i < 30; i++) in[i] = (ds_real)i;
    memset(out, 0, sizeof out);
    args[0] = ds_array_reals(in, 30, 1), args[1] = ds_array_reals(out, 20, 1);
    args[2] = ds_array_indices(&shift, 1, 1), args[3] = ds_array_reals(&factor, 1, 1);
    TAP_OK(launch(runners[4], k, 0, args, 4) && out[0] == 0, "no lanes: nothing happens");
    good &= launch(runners[4], k, 20, args, 4);
    for (int i = 0; i < 20; i++) good &= out[i] == (ds_real)(3 * (i + 10));
    TAP_OK(good, "scalars: a number and an index");
    for (int i = 0; i < 20; i++) out[i] = -1;
    good = 1;
    TAP_OK(ds_launch(runners[4], k, 21, args, 4) == DSIM_ERROR_RANGE &&
               ds_runner_error(runners[4])->index == 20,
           "one lane too many is named");
    if (sizeof(size_t) > 4) {
        const size_t many = (size_t)1 << (sizeof(size_t) > 4 ? 32 : 0);
        TAP_OK(ds_launch(runners[4], k, many, args, 4) == DSIM_ERROR_RANGE, "2^32 lanes of short arrays");
        TAP_OK(ds_runner_error(runners[4])->index == 20, "the first lane outside is named");
        TAP_OK(ds_launch(runners[4], k, SIZE_MAX / 2, args, 4) == DSIM_ERROR_RANGE, "2^63 - 1 lanes");
    } else {
        TAP_SKIP("size_t has 32 bits", "2^32 lanes");
    }
    TAP_OK(ds_launch(runners[4], k, SIZE_MAX, args, 4) == DSIM_ERROR_OVERFLOW,
           "more lanes than an index can count");
    for (int i = 0; i < 20; i++) good &= out[i] == -1;
    TAP_OK(good, "and nothing was written");
    ds_kernel_destroy(k);
    { /* steps so large that the last lane wraps back into the array */
        ds_kernel *const far = ds_kernel_begin(NULL, "far");
        const ds_arg a = ds_arg_in(far, "a", 1), b = ds_arg_sum(far, "b", 1);
        const ds_index step = ds_index_mul(ds_lane(far), ds_i((int64_t)1 << 29));
        ds_add_at(b, ds_i(0), ds_load(a, ds_index_mul(step, ds_i((int64_t)1 << 33))));
        args[0] = ds_array_reals(in, 30, 1), args[1] = ds_array_reals(out, 20, 1);
        TAP_OK(ends(far) && ds_launch(runners[4], far, 5, args, 2) == DSIM_ERROR_RANGE,
               "a step that wraps around is outside");
        TAP_OK(ds_runner_error(runners[4])->index == 1, "from lane 1 on");
        ds_kernel_destroy(far);
    }
    { /* a sum of what is the same in all lanes */
        ds_kernel *const one = ds_kernel_begin(NULL, "count");
        const ds_arg total = ds_arg_sum(one, "total", 1);
        ds_real n = 0;
        ds_add_at(total, ds_i(0), ds_c(1));
        args[0] = ds_array_reals(&n, 1, 1);
        TAP_OK(ends(one) && launch(runners[4], one, 100000, args, 1) && n == 100000, "lanes counted");
        ds_kernel_destroy(one);
    }
}

/* Random programs. */
enum { NODES = 30, INPUTS = 5, PROGRAM_LANES = 19, RESULTS = 3 };
typedef struct program {
    int op[NODES], a[NODES], b[NODES], c[NODES]; /* operands: nodes; negative: constants */
    int result[RESULTS];
} program;
/* rows without edges, on numbers in about [-4, 4]; the last is a row for each two */
static ds_var apply(int op, ds_var a, ds_var b, ds_var c)
{
    switch (op) {
    case 0: return ds_add(a, b);
    case 1: return ds_sub(a, b);
    case 2: return ds_sin(ds_mul(a, b));
    case 3: return ds_neg(a);
    case 4: return ds_tanh(ds_fma(a, b, c));
    case 5: return ds_div(a, ds_add(ds_c(2), ds_square(b)));
    case 6: return ds_select(ds_lt(a, b), c, a);
    case 7: return ds_sqrt(ds_add(ds_square(a), ds_c(0.5)));
    case 8: return ds_exp(ds_neg(ds_abs(a)));
    case 9: return ds_cos(ds_sub(ds_neg(a), b));
    case 10: return ds_atan(ds_smooth_max(a, b, ds_c(2)));
    case 11: return ds_log(ds_add(ds_c(1.5), ds_square(ds_sin(a))));
    case 12: return ds_min(a, ds_neg(b));
    case 13: return ds_clamp(a, ds_c(-2), ds_c(2));
    case 14: {
        const ds_var3 p = ds_pack3(a, b, c), q = ds_pack3(b, ds_c(0.5), a), r = ds_cross3(p, q);
        return ds_sigmoid(ds_dot3(r, ds_add3(p, ds_neg3(q))));
    }
    case 15: return ds_erf(ds_div(a, ds_c(-4)));
    case 16: return ds_safe_div(a, ds_add(ds_softplus(b), ds_c(1)));
    default: return ds_mul(ds_tanh(a), ds_sub(ds_c(1), ds_smooth_step(b)));
    }
}
enum { ROWS_TRIED = 18 };
static ds_var operand(const ds_var *value, int which)
{
    return which < 0 ? ds_c(0.5 * which + 1) : value[which];
}
static void run_program(const program *p, ds_var *value, ds_var *result)
{
    for (int i = INPUTS; i < NODES; i++) /* at least one operand is a variable, for packs */
        value[i] = apply(p->op[i], operand(value, p->a[i]), operand(value, p->b[i]), operand(value, p->c[i]));
    for (int i = 0; i < RESULTS; i++) result[i] = value[p->result[i]];
}
static program random_program(ds_rng *rng)
{
    program p;
    memset(&p, 0, sizeof p);
    for (int i = INPUTS; i < NODES; i++) {
        p.op[i] = (int)integer(rng, 0, ROWS_TRIED - 1);
        p.a[i] = (int)integer(rng, 0, i - 1);
        p.b[i] = (int)integer(rng, -3, i - 1);
        p.c[i] = (int)integer(rng, -3, i - 1);
    }
    for (int i = 0; i < RESULTS; i++) p.result[i] = (int)integer(rng, NODES / 2, NODES - 1);
    return p;
}

static void test_random_programs(void)
{
    enum { ROUNDS = 200 };
    ds_rng rng = ds_rng_make(28, 0);
    ds_tape *const t = ds_tape_create(NULL);
    int values = 1, sums = 1, runs = 1;
    double worst = 0, worst2 = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const program p = random_program(&rng);
        ds_kernel *const k = ds_kernel_begin(NULL, "random");
        const ds_arg near_by = ds_arg_in(k, "near", 2), far_off = ds_arg_in(k, "far", 3);
        const ds_arg at = ds_arg_index(k, "at", 1), y = ds_arg_out(k, "y", RESULTS),
                     s = ds_arg_sum(k, "s", 1);
        const ds_index lane = ds_lane(k), j = ds_load_index(at, lane, 0);
        ds_kernel *adjoint, *tangent;
        ds_var value[NODES], result[RESULTS];
        ds_real x2[2 * PROGRAM_LANES], x3[3 * PROGRAM_LANES], out[RESULTS * PROGRAM_LANES],
            sum[PROGRAM_LANES];
        ds_real bar2[2 * PROGRAM_LANES], bar3[3 * PROGRAM_LANES], total[PROGRAM_LANES],
            want3[3 * PROGRAM_LANES];
        ds_real y_dot[RESULTS * PROGRAM_LANES], s_dot[PROGRAM_LANES];
        int32_t other[PROGRAM_LANES];
        ds_array args[10];
        double lhs = 0, rhs = 0;
        for (size_t i = 0; i < 2; i++) value[i] = ds_load_part(near_by, lane, i);
        for (size_t i = 0; i < 3; i++) value[2 + i] = ds_load_part(far_off, j, i);
        run_program(&p, value, result);
        for (size_t i = 0; i < RESULTS; i++) ds_store_part(y, lane, i, result[i]);
        ds_add_at(s, j, result[0]);
        ds_add_at(s, lane, result[1]);
        runs &= ends(k);
        for (int i = 0; i < PROGRAM_LANES; i++) other[i] = (int32_t)integer(&rng, 0, PROGRAM_LANES - 1);
        for (int i = 0; i < 2 * PROGRAM_LANES; i++) x2[i] = between(&rng, -2, 2), bar2[i] = 0;
        for (int i = 0; i < 3 * PROGRAM_LANES; i++) x3[i] = between(&rng, -2, 2), bar3[i] = want3[i] = 0;
        for (int i = 0; i < PROGRAM_LANES; i++) sum[i] = total[i] = s_dot[i] = 0;
        args[0] = ds_array_reals(x2, PROGRAM_LANES, 2), args[1] = ds_array_reals(x3, PROGRAM_LANES, 3);
        args[2] = ds_array_indices(other, PROGRAM_LANES, 1),
        args[3] = ds_array_reals(out, PROGRAM_LANES, RESULTS);
        args[4] = ds_array_reals(sum, PROGRAM_LANES, 1);
        runs &= launch(runners[round % WIDTHS], k, PROGRAM_LANES, args, 5);
        adjoint = ds_kernel_adjoint(k, "near far"), tangent = ds_kernel_tangent(k, "far near");
        memset(args + 7, 0, sizeof args[7]);
        args[5] = ds_array_reals(x2, PROGRAM_LANES, 2), args[6] = ds_array_reals(x3, PROGRAM_LANES, 3);
        args[8] = ds_array_reals(y_dot, PROGRAM_LANES, RESULTS),
        args[9] = ds_array_reals(s_dot, PROGRAM_LANES, 1);
        runs &= launch(runners[round % WIDTHS], tangent, PROGRAM_LANES, args, 10); /* along x itself */
        args[5] = ds_array_reals(bar2, PROGRAM_LANES, 2), args[6] = ds_array_reals(bar3, PROGRAM_LANES, 3);
        args[8] = ds_array_reals(out, PROGRAM_LANES, RESULTS),
        args[9] = ds_array_reals(sum, PROGRAM_LANES, 1);
        runs &= launch(runners[round % WIDTHS], adjoint, PROGRAM_LANES, args, 10); /* seeds: the results */
        for (int i = 0; i < PROGRAM_LANES; i++) {
            ds_var in[NODES], f[RESULTS];
            ds_real seeds[RESULTS], g;
            ds_tape_reset(t);
            for (int m = 0; m < 2; m++) in[m] = ds_input(t, (double)x2[2 * i + m]);
            for (int m = 0; m < 3; m++) in[2 + m] = ds_input(t, (double)x3[3 * other[i] + m]);
            run_program(&p, in, f);
            for (int m = 0; m < RESULTS; m++) values &= ds_value(f[m]) == out[RESULTS * i + m];
            total[other[i]] += ds_value(f[0]);
            total[i] += ds_value(f[1]);
            for (int m = 0; m < RESULTS; m++) seeds[m] = out[RESULTS * i + m];
            seeds[0] += sum[other[i]];
            seeds[1] += sum[i];
            runs &= !ds_backward_many(f, seeds, RESULTS);
            for (int m = 0; m < 2; m++) {
                g = ds_grad(in[m]);
                worst = fmax(worst, fabs((double)(g - bar2[2 * i + m])) / (1 + fabs((double)g)));
            }
            for (int m = 0; m < 3; m++) want3[3 * other[i] + m] += ds_grad(in[2 + m]);
        }
        for (int i = 0; i < 3 * PROGRAM_LANES; i++)
            worst = fmax(worst, fabs((double)(want3[i] - bar3[i])) / (1 + fabs((double)want3[i])));
        sums &= same(sum, total, PROGRAM_LANES);
        /* <y_bar, J x> = <J' y_bar, x> */
        for (int i = 0; i < RESULTS * PROGRAM_LANES; i++) lhs += (double)y_dot[i] * (double)out[i];
        for (int i = 0; i < PROGRAM_LANES; i++) lhs += (double)s_dot[i] * (double)sum[i];
        for (int i = 0; i < 2 * PROGRAM_LANES; i++) rhs += (double)bar2[i] * (double)x2[i];
        for (int i = 0; i < 3 * PROGRAM_LANES; i++) rhs += (double)bar3[i] * (double)x3[i];
        worst2 = fmax(worst2, fabs(lhs - rhs) / (1 + fabs(lhs)));
        ds_kernel_destroy(k), ds_kernel_destroy(adjoint), ds_kernel_destroy(tangent);
    }
    TAP_OK(runs, "%d random programs run", ROUNDS);
    TAP_OK(values, "their values are the tape's");
    TAP_OK(sums, "their sums are those of the plain loop");
    TAP_OK(worst < (IS_FLOAT ? 2e-3 : 1e-12), "their adjoints are the tape's (%.1e)", worst);
    TAP_OK(worst2 < (IS_FLOAT ? 2e-3 : 1e-12), "their tangents fit their adjoints (%.1e)", worst2);
    ds_tape_destroy(t);
}

/* The canonical form: what is the same has the same hash, in whatever order it was recorded. */
static uint64_t hash_of(int order)
{
    ds_kernel *const k = ds_kernel_begin(NULL, order ? "one" : "other");
    const ds_arg x = ds_arg_in(k, "x", 2), y = ds_arg_out(k, "y", 2);
    const ds_index lane = ds_lane(k),
                   i = order == 1 ? ds_index_add(ds_i(2), lane) : ds_index_add(lane, ds_i(2));
    ds_var a, b, c, d, e;
    uint64_t hash;
    if (order == 1)
        b = ds_load_part(x, i, 1), a = ds_load_part(x, lane, 0);
    else
        a = ds_load_part(x, lane, 0), b = ds_load_part(x, i, 1);
    if (order == 1) {
        ds_mul(b, b); /* dead */
        e = ds_neg(ds_sin(b));
        d = ds_mul(b, a);
        c = ds_sub(d, ds_neg(ds_add(e, ds_mul(ds_c(1), a))));
    } else {
        d = ds_mul(a, b);
        e = ds_sub(a, ds_sin(b));
        c = ds_add(e, order == 2 ? ds_mul(ds_neg(a), ds_neg(b)) : d);
    }
    ds_store_part(y, lane, 0, order == 3 ? ds_add(c, ds_c(1)) : c);
    ds_store_part(y, lane, 1, ds_square(order == 2 ? ds_neg(c) : c));
    ends(k);
    hash = ds_kernel_get_info(k).hash;
    ds_kernel_destroy(k);
    return hash;
}
static void test_hashes(void)
{
    const uint64_t hash = hash_of(0);
    TAP_OK(hash == hash_of(0), "the same body has the same hash");
    TAP_OK(hash == hash_of(1), "operands in another order, dead code and neutral numbers change nothing");
    TAP_OK(hash == hash_of(2), "nor do signs that cancel");
    TAP_OK(hash != hash_of(3), "another expression has another hash");
}

/* what ends a kernel's numbers in place: both operands of a row that calls functions die with it */
static void test_dying_operands(void)
{
    enum { N = 70 };
    ds_kernel *const k = ds_kernel_begin(NULL, "dying");
    const ds_arg x = ds_arg_in(k, "x", 2), y = ds_arg_out(k, "y", 5);
    const ds_index lane = ds_lane(k);
    const ds_var a = ds_add(ds_square(ds_load(x, lane)), ds_c(0.1)),
                 b = ds_sub(ds_load_part(x, lane, 1), ds_c(3));
    ds_real in[2 * N], out[5 * N];
    ds_array args[2];
    ds_rng rng = ds_rng_make(29, 0);
    double worst = 0;
    int good;
    ds_store(y, lane, ds_pow(a, b));
    ds_store_part(y, lane, 1, ds_pow(ds_c(2), ds_neg(ds_load(x, lane))));
    ds_store_part(y, lane, 2, ds_pow(ds_abs(ds_load(x, lane)), ds_c(0.3)));
    ds_store_part(y, lane, 3, ds_pow(ds_exp(ds_c(1)), ds_c(2)));
    ds_store_part(y, lane, 4, ds_atan2(ds_exp(ds_load(x, lane)), ds_tanh(ds_load(x, lane))));
    good = ends(k);
    for (int i = 0; i < 2 * N; i++) in[i] = between(&rng, -2, 2);
    args[0] = ds_array_reals(in, N, 2), args[1] = ds_array_reals(out, N, 5);
    good &= launch(runners[4], k, N, args, 2);
    for (int i = 0; i < N; i++) {
        const double p = (double)in[2 * i], q = (double)in[2 * i + 1];
        const double want[5] = { pow(p * p + 0.1, q - 3), pow(2, -p), pow(fabs(p), 0.3), exp(2),
                                 atan2(exp(p), tanh(p)) };
        for (int c = 0; c < 5; c++) worst = fmax(worst, fabs((double)out[5 * i + c] / want[c] - 1));
    }
    TAP_OK(good && worst < (IS_FLOAT ? 2e-5 : 1e-13), "powers and angles in place (%.1e)", worst);
    ds_kernel_destroy(k);
}

/* Numbers of a body are made up while it is recorded: what they give is no error. Matrices; divisors whose
   inverse is no number. */
static void test_made_up_numbers(void)
{
    enum { N = 33 };
    const double tiny = IS_FLOAT ? ldexp(1, -140) : ldexp(1, -1060);
    ds_kernel *const k = ds_kernel_begin(NULL, "made up");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 5), m = ds_arg_in(k, "m", 9);
    const ds_arg p = ds_arg_out(k, "p", 3);
    const ds_index lane = ds_lane(k);
    const ds_var a = ds_load(x, lane), far_off = ds_sub(a, ds_c(100)), zero = ds_sub(a, a);
    const ds_var33 M = ds_load33(m, ds_index_sub(ds_i(N - 1), lane));
    ds_real in[N], out[5 * N], matrix[9 * N], product[3 * N];
    ds_array args[4];
    int good;
    ds_store(y, lane, ds_sqrt(far_off));
    ds_store_part(y, lane, 1, ds_select(zero, ds_div(a, zero), ds_log(far_off)));
    ds_store_part(y, lane, 2, ds_mul(ds_c(0), ds_div(a, zero)));
    ds_store_part(y, lane, 3, ds_div(ds_mul(far_off, ds_c(tiny)), ds_c(tiny)));
    ds_store_part(y, lane, 4, ds_acos(ds_div(ds_c(101), a)));
    ds_store3(p, lane, ds_matvec3(ds_add33(M, M), ds_pack3(a, ds_c(2), a)));
    good = ends(k);
    for (int i = 0; i < N; i++) in[i] = (ds_real)(101 + i);
    for (int i = 0; i < 9 * N; i++) matrix[i] = (ds_real)(i % 11) / 4;
    args[0] = ds_array_reals(in, N, 1), args[1] = ds_array_reals(out, N, 5);
    args[2] = ds_array_reals(matrix, N, 9), args[3] = ds_array_reals(product, N, 3);
    good &= launch(runners[4], k, N, args, 4);
    for (int i = 0; i < N; i++) {
        const ds_real *const A = matrix + 9 * (N - 1 - i);
        good &= out[5 * i] == (ds_real)sqrt((double)(1 + i)) && out[5 * i + 3] == (ds_real)(1 + i);
        good &= fabs((double)out[5 * i + 1] - log(1 + i)) < 1e-5 && out[5 * i + 2] != out[5 * i + 2];
        good &= fabs((double)out[5 * i + 4] - acos(101 / (101.0 + i))) < 1e-3;
        for (int c = 0; c < 3; c++)
            good &= fabs((double)(product[3 * i + c] -
                                  2 * (A[3 * c] * in[i] + A[3 * c + 1] * 2 + A[3 * c + 2] * in[i]))) < 1e-3;
    }
    TAP_OK(good, "made-up numbers are no error");
    ds_kernel_destroy(k);
}

int main(void)
{
    for (int w = 0; w < WIDTHS; w++) {
        ds_runner_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.width = widths[w];
        runners[w] = ds_runner_create(&desc);
    }
    fill_columns();
    test_index_operations();
    test_index_extremes();
    test_scatter();
    test_changed_indices();
    test_sums_along_lines();
    test_stencil(0);
    test_stencil(1);
    test_joined_rows();
    test_joined_rows_without_sums();
    test_three_axes();
    test_floors();
    test_layouts();
    test_structs();
    test_updates();
    test_lanes();
    test_random_programs();
    test_hashes();
    test_dying_operands();
    test_made_up_numbers();
    for (int w = 0; w < WIDTHS; w++) ds_runner_destroy(runners[w]);
    return tap_end();
}
