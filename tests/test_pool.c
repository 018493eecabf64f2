/* Loops in parallel: the pool of threads covers every range once, within loops and from several threads too;
   a kernel gives the same bits alone, in parts, in parts from the last to the first, and in threads. */
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"

#include "launches.h"
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The pool. */

enum { MOST = 1000, MOST_THREADS = 8 };
typedef struct cover {
    int times[MOST + 1], calls[MOST_THREADS], inside[MOST_THREADS], bad[MOST_THREADS]; /* each worker's own */
    size_t grain, n, n_workers;
    volatile double burnt[MOST_THREADS];
    int work;
} cover;

static void cover_piece(void *task, size_t begin, size_t end, size_t worker)
{
    cover *const c = (cover *)task;
    const size_t w = worker < MOST_THREADS ? worker : 0;
    int i;
    if (begin >= end || end > c->n || worker >= c->n_workers || c->inside[w]++) c->bad[w] = 1;
    if (end - begin < c->grain && end < c->n) c->bad[w] = 1;
    c->calls[w]++;
    for (i = 0; i < c->work; i++) c->burnt[w] = c->burnt[w] + 1;
    for (; begin < end && begin < MOST; begin++) c->times[begin]++;
    c->inside[w]--;
}

/* [0, n) once; in *workers how many took part */
static int covers_once(const ds_jobs *jobs, size_t n, size_t grain, int work, size_t *workers)
{
    cover c;
    size_t i, used = 0;
    int good = 1;
    memset(&c, 0, sizeof c);
    c.n = n;
    c.grain = grain;
    c.work = work;
    c.n_workers = jobs->parallel_for ? jobs->n_workers : 1;
    ds_parallel_for(jobs, n, grain, cover_piece, &c);
    for (i = 0; i <= MOST; i++) good = good && c.times[i] == (i < n);
    for (i = 0; i < MOST_THREADS; i++) {
        good = good && !c.bad[i] && !c.inside[i];
        used += c.calls[i] > 0;
    }
    if (workers) *workers = used;
    return good;
}

static void test_ranges(void)
{
    static const size_t ns[] = { 0, 1, 2, 3, 7, 64, 999, MOST }, grains[] = { 0, 1, 3, 64, 999, 5000 };
    static const size_t threads[] = { 1, 2, 3, 8, 0 };
    size_t t, i, k, round, used;
    for (t = 0; t < COUNT(threads); t++) {
        ds_pool *const pool = ds_pool_create(threads[t], NULL);
        const ds_jobs jobs = ds_pool_jobs(pool);
        int good = 1;
        if (!TAP_OK(pool && jobs.parallel_for, "a pool of %d threads", (int)threads[t])) continue;
        if (threads[t] ? jobs.n_workers != threads[t] : jobs.n_workers < 1) good = 0;
        for (round = 0; threads[t] && round < 10; round++)
            for (i = 0; i < COUNT(ns); i++)
                for (k = 0; k < COUNT(grains); k++)
                    good = covers_once(&jobs, ns[i], grains[k], 0, NULL) && good;
        TAP_OK(good, "covers every range once, whatever the grain");
        jobs.parallel_for(jobs.user, 0, 1, NULL, NULL); /* nothing to do, so nothing is called */
        used = 1;
        for (round = 0; threads[t] > 1 && used < 2 && round < 2000; round++)
            good = covers_once(&jobs, 64, 1, 10000, &used) && good;
        if (threads[t] > 1) TAP_OK(good && used > 1, "threads share the work");
        ds_pool_destroy(pool);
    }
}

/* a loop whose pieces are loops: on the same pool, and on one of another's or of its own */
typedef struct nest { ds_jobs jobs; ds_pool *own[4]; int good[4]; } nest;
static void nest_piece(void *task, size_t begin, size_t end, size_t worker)
{
    nest *const s = (nest *)task;
    (void)worker;
    for (; begin < end; begin++) {
        const ds_jobs own = ds_pool_jobs(s->own[begin]);
        int round;
        for (round = 0; round < 50; round++)
            s->good[begin] = covers_once(&s->jobs, 500, 7, 0, NULL) && covers_once(&own, 300, 1, 0, NULL) &&
                             s->good[begin];
    }
}
static void test_nested(void)
{
    static const char *const names[] = { "loops within loops of the same pool", "one pool for two threads" };
    int way, i;
    for (way = 0; way < 2; way++) {
        ds_pool *const outer = ds_pool_create(3, NULL), *const inner = ds_pool_create(2, NULL);
        const ds_jobs jobs = ds_pool_jobs(outer);
        nest s;
        s.jobs = ds_pool_jobs(way ? inner : outer);
        for (i = 0; i < 4; i++) {
            s.good[i] = 1;
            s.own[i] = ds_pool_create(2, NULL);
        }
        ds_parallel_for(&jobs, 4, 1, nest_piece, &s);
        TAP_OK(s.good[0] && s.good[1] && s.good[2] && s.good[3], "%s, and each a pool of its own",
               names[way]);
        for (i = 0; i < 4; i++) ds_pool_destroy(s.own[i]);
        ds_pool_destroy(inner);
        ds_pool_destroy(outer);
    }
}

typedef struct counter { size_t calls, refuse_from, bytes; } counter;
static void *counted(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    counter *const c = (counter *)user;
    if (new_bytes && c->calls >= c->refuse_from) return NULL;
    c->calls++;
    c->bytes += new_bytes - old_bytes;
    if (new_bytes) return realloc(pointer, new_bytes);
    free(pointer);
    return NULL;
}
static void test_life(void)
{
    counter c = { 0, 1000, 0 };
    ds_allocator memory;
    ds_pool *pool;
    ds_jobs jobs;
    int i, good = 1;
    memory.resize = counted;
    memory.user = &c;
    for (i = 0; i < 200; i++) {
        pool = ds_pool_create((size_t)(1 + i % 4), &memory);
        jobs = ds_pool_jobs(pool);
        good = pool && (i % 3 || covers_once(&jobs, 100, 1, 0, NULL)) && good;
        ds_pool_destroy(pool);
    }
    TAP_OK(good, "created and destroyed 200 times");
    TAP_OK(c.bytes == 0 && c.calls == 400, "its memory is one block, given back");
    pool = ds_pool_create(3, &memory);
    c.refuse_from = 0;
    jobs = ds_pool_jobs(pool);
    for (i = 0; i < 50; i++) good = covers_once(&jobs, 1000, 1, 0, NULL) && good;
    TAP_OK(good && c.calls == 401, "a loop allocates nothing");
    ds_pool_destroy(pool);
    TAP_OK(!ds_pool_create(3, &memory) && c.bytes == 0, "no memory: NULL");
    TAP_OK(!ds_pool_create((size_t)-1, NULL), "more threads than memory can hold: NULL");
    jobs = ds_pool_jobs(NULL);
    TAP_OK(!jobs.parallel_for && covers_once(&jobs, 100, 1, 0, NULL), "the jobs of no pool are {0}");
    ds_pool_destroy(NULL);
}

/* Kernels: what they are launched with, and the hash of what they leave. */

enum { N_LANES = 4403, N_POINTS = 1900, MOST_ARGS = 20 }; /* lanes: more than a chunk of a reduction */
enum { T_REAL, T_DOUBLE, T_FLOAT, T_INDEX };
typedef struct shape { int type; size_t n, components; } shape;
typedef struct trial {
    const char *name;
    ds_kernel *(*record)(void);
    size_t rank, n_args;
    shape shapes[9];
} trial;

static ds_kernel *record_springs(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "springs");
    ds_arg edge = ds_arg_index(k, "edge", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    ds_arg force = ds_arg_sum(k, "force", 3);
    ds_index s = ds_lane(k), i = ds_load_index(edge, s, 0), j = ds_load_index(edge, s, 1);
    ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi), g;
    ds_var l = ds_safe_norm3(d), r = ds_load(rest, s), f = ds_sub(l, r);
    g = ds_scale3(d, ds_div(f, l));
    ds_add_at3(force, i, g);
    ds_add_at3(force, j, ds_neg3(g));
    return k;
}

/* sums of all kinds, in numbers of all sizes, and a store */
static ds_kernel *record_sums(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "sums");
    ds_arg edge = ds_arg_index(k, "edge", 2), x = ds_arg_in(k, "x", 1), w = ds_arg_in(k, "w", 1);
    ds_arg at_i = ds_arg_sum(k, "at_i", 1), far_off = ds_arg_sum(k, "far_off", 2);
    ds_arg all = ds_arg_sum(k, "all", 2), own = ds_arg_sum(k, "own", 1), out = ds_arg_out(k, "out", 1);
    ds_index s = ds_lane(k), i = ds_load_index(edge, s, 0), j = ds_load_index(edge, s, 1), m;
    ds_var a = ds_load(x, i), b = ds_load(x, j), c = ds_load(w, s), ab = ds_mul(a, b), e = ds_sin(ab);
    m = ds_index_mod(ds_index_mul(s, ds_i(7)), ds_i(N_POINTS));
    ds_add_at(at_i, i, ab);
    ds_add_at(at_i, j, ds_neg(c));
    ds_add_part(far_off, m, 1, e);
    ds_add_part(far_off, j, 0, c);
    ds_add_part(far_off, i, 0, ds_c(0.1));
    ds_add_part(all, ds_i(2), 0, ds_mul(c, e));
    ds_add_part(all, ds_i(2), 1, a);
    ds_add_part(all, ds_i(2), 1, ds_neg(b));
    ds_add_at(own, s, ds_sub(a, c));
    ds_store(out, s, ds_exp(ds_neg(ab)));
    return k;
}

/* updates that change what others than the block at home read, too */
static ds_kernel *record_updates(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "updates");
    ds_arg to = ds_arg_index(k, "to", 2), x = ds_arg_update(k, "x", 1), v = ds_arg_update(k, "v", 3);
    ds_arg sum = ds_arg_sum(k, "sum", 1), all = ds_arg_sum(k, "all", 1);
    ds_index s = ds_lane(k), i = ds_load_index(to, s, 0), j = ds_load_index(to, s, 1);
    ds_var a = ds_load(x, s), n;
    ds_var3 b = ds_load3(v, s);
    n = ds_norm3(b);
    ds_add_at(sum, i, a);
    ds_add_at(sum, j, ds_mul(a, n));
    ds_add_at(all, ds_i(0), ds_mul(n, a));
    ds_store(x, s, ds_add(ds_mul(a, a), n));
    ds_store3(v, s, ds_scale3(b, a));
    return k;
}

/* each takes the place of the other */
static ds_kernel *record_swap(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "swap");
    ds_arg to = ds_arg_index(k, "to", 2), x = ds_arg_update(k, "x", 1), y = ds_arg_update(k, "y", 1);
    ds_arg sum = ds_arg_sum(k, "sum", 1);
    ds_index s = ds_lane(k), i = ds_load_index(to, s, 0);
    ds_var a = ds_load(x, s), b = ds_load(y, s);
    ds_add_at(sum, i, ds_neg(a));
    ds_store(x, s, b);
    ds_store(y, s, a);
    return k;
}

/* one number out of many */
static ds_kernel *record_energy(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "energy");
    ds_arg x = ds_arg_in(k, "x", 2), energy = ds_arg_sum(k, "energy", 1);
    ds_var scale = ds_scalar(k, "scale");
    ds_index s = ds_lane(k);
    ds_var a = ds_load(x, s), b = ds_load_part(x, s, 1);
    ds_add_at(energy, ds_i(0), ds_mul(scale, ds_square(a)));
    ds_add_at(energy, ds_i(0), ds_neg(ds_cos(b)));
    return k;
}

/* a grid: neighbours, and sums into cells that a number chooses */
static ds_kernel *record_grid(void)
{
    const ds_kernel_desc desc = { { NULL, NULL }, { NULL, NULL }, 2 };
    ds_kernel *const k = ds_kernel_begin(&desc, "grid");
    ds_arg u = ds_arg_in(k, "u", 1), out = ds_arg_out(k, "out", 1), sum = ds_arg_sum(k, "sum", 1);
    ds_index s = ds_lane(k), i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1), columns, left, cell;
    ds_var a = ds_load(u, s), b;
    columns = ds_lanes(k, 1);
    left = ds_index_max(ds_index_sub(j, ds_i(1)), ds_i(0));
    b = ds_load(u, ds_index_add(ds_index_mul(i, columns), left));
    cell = ds_index_mod(ds_floor_index(ds_mul(a, ds_c(3000))), ds_i(N_POINTS));
    ds_store(out, s, ds_sub(a, b));
    ds_add_at(sum, cell, ds_mul(a, b));
    ds_add_at(sum, left, b);
    return k;
}

static const trial trials[] = {
    { "springs", record_springs, 1, 4,
      { { T_INDEX, N_LANES, 2 }, { T_REAL, N_POINTS, 3 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_POINTS, 3 } } },
    { "springs in float", record_springs, 1, 4,
      { { T_INDEX, N_LANES, 2 }, { T_DOUBLE, N_POINTS, 3 }, { T_FLOAT, N_LANES, 1 },
        { T_FLOAT, N_POINTS, 3 } } },
    { "sums", record_sums, 1, 8,
      { { T_INDEX, N_LANES, 2 }, { T_REAL, N_POINTS, 1 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_POINTS, 1 },
        { T_DOUBLE, N_POINTS, 2 }, { T_REAL, 3, 2 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_LANES, 1 } } },
    { "updates", record_updates, 1, 5,
      { { T_INDEX, N_LANES, 2 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_LANES, 3 }, { T_REAL, N_POINTS, 1 },
        { T_REAL, 1, 1 } } },
    { "swap", record_swap, 1, 4,
      { { T_INDEX, N_LANES, 2 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_POINTS, 1 } } },
    { "energy", record_energy, 1, 3, { { T_REAL, N_LANES, 2 }, { T_REAL, 1, 1 }, { T_REAL, 1, 1 } } },
    { "grid", record_grid, 2, 3,
      { { T_REAL, N_LANES, 1 }, { T_REAL, N_LANES, 1 }, { T_REAL, N_POINTS, 1 } } },
};

/* index lists: pairs of points */
enum { MESH, RANDOM, DESCENDING, FEW, N_PATTERNS };
static const char *const pattern_names[] = { "mesh", "random", "descending", "few points" };
static int32_t pairs[N_PATTERNS][N_LANES][2];
static void make_pairs(void)
{
    ds_rng rng = ds_rng_make(5, 0);
    int32_t s;
    for (s = 0; s < N_LANES; s++) {
        const int32_t i = s * 2 % (N_POINTS - 45);
        pairs[MESH][s][0] = s % 1700 % 41 + s % 1700 / 41 * 42; /* rows of 42 points */
        pairs[MESH][s][1] = pairs[MESH][s][0] + (s < 1700 ? 1 : s < 3400 ? 42 : 43);
        pairs[RANDOM][s][0] = (int32_t)(ds_rng_bits(&rng) % N_POINTS);
        pairs[RANDOM][s][1] = (int32_t)(ds_rng_bits(&rng) % N_POINTS);
        pairs[DESCENDING][s][0] = N_POINTS - 1 - i;
        pairs[DESCENDING][s][1] = N_POINTS - 2 - i;
        pairs[FEW][s][0] = s / 100 % 3 * 900;
        pairs[FEW][s][1] = 1 + s % 2;
    }
}

typedef struct data {
    ds_array args[MOST_ARGS];
    double memory[MOST_ARGS][N_LANES * 3];
    size_t n_args;
} data;

/* the arrays of a trial with fresh numbers in [0.25, 1.25) */
static void fill(data *d, const trial *t, size_t n_args, int pattern)
{
    static const ds_array_type types[] = { DSIM_ARRAY_REAL, DSIM_ARRAY_DOUBLE, DSIM_ARRAY_FLOAT };
    ds_rng rng = ds_rng_make(11, 1);
    size_t i, k;
    memset(d, 0, sizeof *d);
    d->n_args = n_args;
    for (i = 0; i < n_args; i++) {
        const shape *const s = t->shapes + i % t->n_args;
        ds_array *const a = d->args + i;
        *a = ds_array_indices(pairs[pattern][0], s->n, s->components);
        a->id = (uint64_t)pattern + 1;
        if (s->type == T_INDEX) continue;
        *a = ds_array_reals((const ds_real *)(void *)d->memory[i], s->n, s->components);
        a->type = types[s->type];
        for (k = 0; k < s->n * s->components; k++) {
            const ds_real number = ds_rng_uniform(&rng) + (ds_real)0.25;
            if (s->type == T_REAL) ((ds_real *)(void *)d->memory[i])[k] = number;
            else if (s->type == T_DOUBLE) d->memory[i][k] = (double)number;
            else ((float *)(void *)d->memory[i])[k] = (float)number;
        }
    }
}

static data at_work, fresh; /* what a launch changes; what it begins with */
/* the hash of what a launch makes of the fresh numbers; 0: it fails */
static uint64_t launch(ds_runner *runner, const ds_kernel *kernel, const trial *t, size_t n_args)
{
    static const size_t flat = N_LANES, grid[2] = { 37, 119 };
    uint64_t hash = 1;
    size_t i;
    for (i = 0; i < n_args; i++) {
        const shape *const s = t->shapes + i % t->n_args;
        at_work.args[i] = fresh.args[i];
        if (s->type == T_INDEX) continue;
        at_work.args[i].data = at_work.memory[i];
        memcpy(at_work.memory[i], fresh.memory[i], s->n * s->components * sizeof(double));
    }
    if (launch_all_ways(runner, kernel, t->rank == 2 ? grid : &flat, at_work.args, n_args)) {
        tap_diag("%s", ds_runner_error(runner)->text);
        return 0;
    }
    for (i = 0; i < n_args; i++) {
        const shape *const s = t->shapes + i % t->n_args;
        const size_t bytes = s->n * s->components * sizeof(double);
        if (s->type != T_INDEX) hash = ds_hash_bytes(at_work.memory[i], bytes, hash);
    }
    return hash;
}

/* pieces from the last to the first, one by one */
static void backwards_for(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    (void)user;
    (void)grain;
    while (n-- > 0) fn(task, n, n + 1, 0);
}

/* slow builds take turns */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_THREAD__)
enum { EACH = 1 };
#else
enum { EACH = 3 };
#endif

/* ways to run: parts, of which hook, how wide; the first is the plain one */
enum { N_WAYS = 1 + 3 * 9 };
static ds_runner *ways[N_WAYS];
static char way_names[N_WAYS][60];
static ds_pool *pools[3];
static void make_ways(void)
{
    static const size_t widths[] = { 16, 128, 512 }, parts[] = { 1, 2, 3, 5, 8 }, threads[] = { 2, 3, 8 };
    size_t i, k, n = 1;
    ways[0] = ds_runner_create(NULL);
    for (k = 0; k < COUNT(threads); k++) pools[k] = ds_pool_create(threads[k], NULL);
    for (i = 0; i < COUNT(widths); i++)
        for (k = 0; k < 1 + COUNT(parts) + COUNT(threads); k++, n++) {
            ds_runner_desc desc;
            memset(&desc, 0, sizeof desc);
            desc.width = widths[i];
            if (k > COUNT(parts)) desc.jobs = ds_pool_jobs(pools[k - COUNT(parts) - 1]);
            else if (k) {
                desc.jobs.parallel_for = backwards_for;
                desc.jobs.n_workers = parts[k - 1];
            }
            sprintf(way_names[n], "width %d, %d %s", (int)widths[i], (int)desc.jobs.n_workers,
                    k > COUNT(parts) ? "threads" : k ? "parts backwards" : "parts");
            ways[n] = ds_runner_create(&desc);
        }
}

static void test_same_bits(const ds_kernel *kernel, const trial *t, const char *what, size_t n_args)
{
    int pattern;
    for (pattern = 0; pattern < (t->shapes[0].type == T_INDEX ? N_PATTERNS : 1); pattern++) {
        uint64_t want;
        size_t i, bad = 0;
        fill(&fresh, t, n_args, pattern);
        want = launch(ways[0], kernel, t, n_args);
        for (i = 1 + (size_t)pattern % EACH; i < N_WAYS; i += EACH)
            if (launch(ways[i], kernel, t, n_args) != want && !bad++)
                tap_diag("other bits first with %s", way_names[i]);
        /* with the plan that is there already */
        for (i = 0; i < N_WAYS; i += 6) bad += launch(ways[i], kernel, t, n_args) != want;
        TAP_OK(want && !bad, "%s%s, %s: the same bits in %d ways", t->name, what,
               t->shapes[0].type == T_INDEX ? pattern_names[pattern] : "no list", (int)(N_WAYS / EACH));
    }
}

/* the swap by a plain loop: reads come before updates */
static void test_swap(void)
{
    static double plain[2][N_LANES];
    ds_kernel *const k = record_swap();
    const ds_real *const x = (const ds_real *)(void *)at_work.memory[1];
    const ds_real *const y = (const ds_real *)(void *)at_work.memory[2];
    const trial *const t = trials + 4;
    int i, good = !ds_kernel_end(k);
    fill(&at_work, t, t->n_args, MESH);
    for (i = 0; i < N_LANES; i++) {
        plain[0][i] = (double)x[i];
        plain[1][i] = (double)y[i];
    }
    good = good && !ds_launch(ways[0], k, N_LANES, at_work.args, t->n_args);
    for (i = 0; i < N_LANES; i++) good = good && (double)x[i] == plain[1][i] && (double)y[i] == plain[0][i];
    TAP_OK(good, "two updates swap");
    ds_kernel_destroy(k);
}

/* kernels that differ in how an argument is used only, on one runner */
static void test_plans(void)
{
    ds_array args[2];
    ds_runner_desc desc;
    ds_runner *runner;
    int i, add, good = 1;
    memset(&desc, 0, sizeof desc);
    desc.jobs.parallel_for = backwards_for;
    desc.jobs.n_workers = 3;
    runner = ds_runner_create(&desc);
    fill(&at_work, trials + 5, 2, 0);
    args[0] = ds_array_reals((const ds_real *)(void *)at_work.memory[0], N_LANES, 1);
    args[1] = ds_array_reals((const ds_real *)(void *)at_work.memory[1], N_LANES, 1);
    for (add = 0; add < 2; add++) {
        ds_kernel *const k = ds_kernel_begin(NULL, "move");
        ds_arg x = ds_arg_in(k, "x", 1), to = add ? ds_arg_sum(k, "to", 1) : ds_arg_out(k, "to", 1);
        ds_index at = ds_index_mod(ds_index_add(ds_lane(k), ds_i(9)), ds_lanes(k, 0));
        if (add) ds_add_at(to, at, ds_load(x, ds_lane(k)));
        else ds_store(to, at, ds_load(x, ds_lane(k)));
        good = good && !ds_kernel_end(k) && !ds_launch(runner, k, N_LANES, args, 2);
        ds_kernel_destroy(k);
    }
    for (i = 0; i < N_LANES; i++) {
        const ds_real *const x = (const ds_real *)args[0].data, *const to = (const ds_real *)args[1].data;
        good = good && to[(i + 9) % N_LANES] == 2 * x[i];
    }
    TAP_OK(good, "a store and a sum that are the same but for that");
    ds_runner_destroy(runner);
}

static void test_kernels(void)
{
    size_t i;
    make_pairs();
    make_ways();
    for (i = 0; i < COUNT(trials); i++) {
        const trial *const t = trials + i;
        ds_kernel *const k = t->record();
        ds_kernel *adjoint;
        if (!TAP_OK(!ds_kernel_end(k), "%s: recorded", t->name)) tap_diag("%s", ds_kernel_error(k)->text);
        adjoint = ds_kernel_adjoint(k, NULL);
        if (!TAP_OK(adjoint && !ds_kernel_error(adjoint)->code, "%s: adjoint", t->name) && adjoint)
            tap_diag("%s", ds_kernel_error(adjoint)->text);
        test_same_bits(k, t, "", t->n_args);
        if (adjoint) test_same_bits(adjoint, t, ", adjoint", 2 * t->n_args);
        ds_kernel_destroy(adjoint);
        ds_kernel_destroy(k);
    }
    test_swap();
    test_plans();
    for (i = 0; i < N_WAYS; i++) ds_runner_destroy(ways[i]);
    for (i = 0; i < COUNT(pools); i++) ds_pool_destroy(pools[i]);
}

int main(void)
{
    test_ranges();
    test_nested();
    test_life();
    test_kernels();
    return tap_end();
}
