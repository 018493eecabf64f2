/* Prepared launches: no run allocates, whatever else the runner did in between; new numbers, scalars and
   places are taken as a launch takes them; what is wrong is named, by prepare or by the run. (That the bits
   are those of launches is seen by all tests of kernels, with launches.h.) */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

enum { N = 100, ENDS = 60 };
static ds_real x[3 * N], y[3 * N], z[3 * N], a[1];
static int32_t ends[ENDS][2];

/* y[i] += a (x[j] - x[i]), and back: an index array, a uniform, a sum of three components */
static ds_kernel *pull_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "pull");
    const ds_arg end = ds_arg_index(k, "end", 2), from = ds_arg_in(k, "x", 3), to = ds_arg_sum(k, "y", 3);
    const ds_var by = ds_scalar(k, "a"), twice = ds_mul(by, ds_c(2));
    const ds_index s = ds_lane(k), i = ds_load_index(end, s, 0), j = ds_load_index(end, s, 1);
    const ds_var3 d = ds_scale3(ds_sub3(ds_load3(from, j), ds_load3(from, i)), twice);
    ds_add_at3(to, i, d);
    ds_add_at3(to, j, ds_neg3(d));
    ds_kernel_end(k);
    return k;
}
/* y[floor(x[i])] = x[i] */
static ds_kernel *floor_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "floors");
    const ds_arg from = ds_arg_in(k, "x", 1), to = ds_arg_out(k, "y", 1);
    const ds_var number = ds_load(from, ds_lane(k));
    ds_store(to, ds_floor_index(number), number);
    ds_kernel_end(k);
    return k;
}

static void fill(void)
{
    ds_rng rng = ds_rng_make(3, 0);
    for (size_t i = 0; i < 3 * N; i++) x[i] = between(&rng), y[i] = z[i] = 0;
    for (size_t i = 0; i < ENDS; i++) {
        ends[i][0] = (int32_t)(ds_rng_bits(&rng) % N);
        ends[i][1] = (int32_t)(ds_rng_bits(&rng) % N);
    }
    a[0] = (ds_real)0.25;
}
static void pull_args(ds_array *args)
{
    args[0] = ds_array_indices(&ends[0][0], ENDS, 2);
    args[1] = ds_array_reals(x, N, 3);
    args[2] = ds_array_reals(y, N, 3);
    args[3] = ds_array_reals(a, 1, 1);
}

static void test_runs(void)
{
    static ds_real want[3 * N], other[3 * N];
    const size_t lanes = ENDS, many = 20000;
    ds_kernel *const pull = pull_kernel(), *const wide = floor_kernel();
    ds_array args[4];
    void *data[4] = { NULL, other, z, a };
    ds_runner_desc d;
    ds_runner *runner;
    ds_prepared *p;
    meter m;
    size_t calls;
    int same = 1, good = 1;
    memset(&d, 0, sizeof d);
    fill();
    pull_args(args);
    d.allocator = meter_allocator(&m);
    runner = ds_runner_create(&d);
    p = ds_launch_prepare(runner, pull, &lanes, args, 4);
    TAP_OK(p != NULL, "prepared: %s", ds_runner_error(runner)->text);
    calls = m.calls;
    for (int run = 0; run < 5; run++) {
        for (size_t i = 0; i < 3 * N; i++) other[i] = x[i] * (ds_real)(run + 1), y[i] = z[i] = 0;
        a[0] = (ds_real)(run % 2) / 4; /* a uniform that changes, and stays */
        args[1].data = other;
        good &= !ds_launch(runner, pull, lanes, args, 4);
        args[1].data = x;
        memcpy(want, y, sizeof want);
        calls = run ? calls : m.calls;
        good &= !ds_prepared_run(p, data);
        same &= !memcmp(z, want, sizeof want);
    }
    TAP_OK(good && same, "other numbers, places and scalars");
    a[0] = (ds_real)0.25;
    memset(y, 0, sizeof y);
    ds_prepared_run(p, NULL);
    memcpy(want, y, sizeof want);
    {
        ds_real *const big = (ds_real *)calloc(many, sizeof *big);
        ds_real *const to = (ds_real *)calloc(many, sizeof *to);
        ds_array two[2];
        two[0] = ds_array_reals(big, many, 1);
        two[1] = ds_array_reals(to, many, 1);
        calls = m.calls;
        good = !ds_launch(runner, wide, many, two, 2);
        TAP_OK(good && m.calls > calls, "a launch that makes the runner's memory grow");
        free(big);
        free(to);
    }
    calls = m.calls;
    memset(y, 0, sizeof y);
    TAP_OK(!ds_prepared_run(p, NULL) && !memcmp(y, want, sizeof want), "what was prepared before follows it");
    for (int run = 0; run < 10; run++) good &= !ds_prepared_run(p, data) && !ds_prepared_run(p, NULL);
    TAP_OK(good && m.calls == calls, "no run allocates");
    TAP_HAS(ds_runner_printed(runner), "interpreted", "and the runner tells how it ran");
    ds_prepared_destroy(p);
    ds_prepared_destroy(NULL);
    ds_runner_destroy(runner);
    TAP_OK(!m.live, "nothing leaks");
    ds_kernel_destroy(pull);
    ds_kernel_destroy(wide);
}

static void test_refusals(void)
{
    static ds_real out[N];
    const size_t lanes = ENDS, few = 4, none = 0;
    ds_kernel *const pull = pull_kernel(), *const floors = floor_kernel();
    ds_kernel *const open = ds_kernel_begin(NULL, "open");
    ds_runner_desc d;
    ds_runner *const runner = ds_runner_create(NULL);
    ds_array args[4], two[2];
    void *data[4] = { NULL, x, z, a };
    ds_prepared *p;
    fill();
    pull_args(args);
#define REFUSED(call, why, words) \
    do { \
        TAP_OK(!(call) && ds_runner_error(runner)->code == why, "refused: %s", #call); \
        TAP_HAS(ds_runner_error(runner)->text, words, "and named"); \
    } while (0)
    REFUSED(ds_launch_prepare(runner, open, &lanes, args, 4), DSIM_ERROR_ORDER, "ds_kernel_end");
    REFUSED(ds_launch_prepare(runner, pull, &lanes, args, 3), DSIM_ERROR_ARGUMENT, "so many arguments");
    ends[7][1] = N;
    REFUSED(ds_launch_prepare(runner, pull, &lanes, args, 4), DSIM_ERROR_RANGE, "lane 7 uses element 100 of");
    ends[7][1] = 0;
    args[2].data = x + 3;
    REFUSED(ds_launch_prepare(runner, pull, &lanes, args, 4), DSIM_ERROR_RACE, "overlaps argument 'x'");
    args[2].data = NULL;
    REFUSED(ds_launch_prepare(runner, pull, &lanes, args, 4), DSIM_ERROR_ARGUMENT, "data is NULL");
    args[2].data = y;
#undef REFUSED
    TAP_OK(!ds_launch_prepare(NULL, pull, &lanes, args, 4), "no runner");
    TAP_OK(ds_prepared_run(NULL, NULL) == DSIM_ERROR_ARGUMENT, "nothing prepared");
    p = ds_launch_prepare(runner, pull, &none, args, 4);
    TAP_OK(p && !ds_prepared_run(p, NULL) && y[0] == 0, "no lanes, nothing to do");
    ds_prepared_destroy(p);
    p = ds_launch_prepare(runner, pull, &lanes, args, 4);
#define REFUSED(change, code, words) \
    do { \
        data[1] = x, data[2] = z; \
        change; \
        TAP_OK(ds_prepared_run(p, data) == code && z[0] == 0 && x[0] != 0, "refused in a run: %s", #change); \
        TAP_HAS(ds_runner_error(runner)->text, words, "and named"); \
    } while (0)
    REFUSED(data[1] = NULL, DSIM_ERROR_ARGUMENT, "argument 'x': data is NULL");
    REFUSED(data[2] = (char *)z + 1, DSIM_ERROR_ARGUMENT, "argument 'y': data is not aligned");
    REFUSED(data[2] = x + 3, DSIM_ERROR_RACE, "argument 'y': is written and overlaps argument 'x'");
    REFUSED(data[2] = ends, DSIM_ERROR_RACE, "overlaps argument 'end'");
    data[2] = z;
    TAP_OK(!ds_prepared_run(p, data) && !ds_runner_error(runner)->code, "and the next run goes well");
    ds_prepared_destroy(p);
    /* numbers decide where: RANGE in the run that has such numbers */
    for (size_t i = 0; i < N; i++) x[i] = (ds_real)(i % 50) + (ds_real)0.5;
    two[0] = ds_array_reals(x, few, 1);
    two[1] = ds_array_reals(out, 50, 1);
    p = ds_launch_prepare(runner, floors, &few, two, 2);
    TAP_OK(p && !ds_prepared_run(p, NULL) && out[2] == (ds_real)2.5, "elements that numbers decide");
    x[1] = 20;
    TAP_OK(!ds_prepared_run(p, NULL) && out[20] == 20, "are others when numbers are");
    x[1] = 60;
    out[0] = 7;
    TAP_OK(ds_prepared_run(p, NULL) == DSIM_ERROR_RANGE && out[0] == 7, "or refused, and nothing is written");
    ds_prepared_destroy(p);
    /* validate */
    memset(&d, 0, sizeof d);
    d.validate = 1;
    {
        ds_runner *const careful = ds_runner_create(&d);
        fill();
        p = ds_launch_prepare(careful, pull, &lanes, args, 4);
        TAP_OK(p && !ds_prepared_run(p, NULL), "validated");
        a[0] = (ds_real)NAN;
        memset(y, 0, sizeof y);
        TAP_OK(ds_prepared_run(p, NULL) == DSIM_ERROR_NON_FINITE && y[0] == 0,
               "a NaN is found before it is written");
        a[0] = 1;
        TAP_OK(!ds_prepared_run(p, NULL), "and afterwards all is well");
        ds_prepared_destroy(p);
        ds_runner_destroy(careful);
    }
    ds_runner_destroy(runner);
    ds_kernel_destroy(open);
    ds_kernel_destroy(pull);
    ds_kernel_destroy(floors);
}

static void test_allocation(void)
{
    const size_t lanes = ENDS;
    ds_kernel *const pull = pull_kernel();
    int named = 1, clean = 1, done = 0;
    size_t k;
    ds_array args[4];
    fill();
    pull_args(args);
    for (k = 1; k < 100 && !done; k++) {
        ds_runner_desc d;
        ds_runner *runner;
        ds_prepared *p = NULL;
        meter m;
        memset(&d, 0, sizeof d);
        d.allocator = meter_allocator(&m);
        m.fail_at = k;
        runner = ds_runner_create(&d);
        if (runner) p = ds_launch_prepare(runner, pull, &lanes, args, 4);
        done = m.calls < k;
        named &= done ? p && !ds_prepared_run(p, NULL) : !p;
        if (runner && !p) named &= ds_runner_error(runner)->code == DSIM_ERROR_MEMORY;
        ds_prepared_destroy(p);
        ds_runner_destroy(runner);
        clean &= !m.live;
    }
    TAP_OK(named && clean && done && k > 4, "memory fails at each of %d points: named, nothing leaks",
           (int)k - 2);
    ds_kernel_destroy(pull);
}

int main(void)
{
    test_runs();
    test_refusals();
    test_allocation();
    return tap_end();
}
