/* test_checks.c - ds_check_gradient certifies right gradients, convicts wrong ones with the worst entry,
   and says why it cannot judge */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { N = 6 };

/* what is done to a right gradient */
typedef struct spoil {
    size_t entry;
    double factor, shift;
} spoil;

static void spoiled(const spoil *s, ds_real *grad, size_t n)
{
    if (s && grad && s->entry < n) grad[s->entry] = (ds_real)((double)grad[s->entry] * s->factor + s->shift);
}

static ds_result wavy(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sin((double)x[i]) * (double)(i + 1) + (double)x[i] * (double)x[(i + 1) % n];
        if (grad)
            grad[i] = (ds_real)(cos((double)x[i]) * (double)(i + 1) + (double)x[(i + 1) % n] +
                                (double)x[(i + n - 1) % n]);
    }
    *value = (ds_real)sum;
    spoiled((const spoil *)user, grad, n);
    return DSIM_OK;
}

static ds_result linear(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += (ds_real)(i + 1) * x[i];
        if (grad) grad[i] = (ds_real)(i + 1);
    }
    spoiled((const spoil *)user, grad, n);
    return DSIM_OK;
}

static ds_result constant(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)x;
    *value = 42;
    for (size_t i = 0; grad && i < n; i++) grad[i] = 0;
    spoiled((const spoil *)user, grad, n);
    return DSIM_OK;
}

/* a minimum at 1: the gradient there is zero and its differences are not quite */
static ds_result bowl(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    double sum = 0;
    (void)user;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - 1;
        sum += d * d + d * d * d;
        if (grad) grad[i] = (ds_real)(2 * d + 3 * d * d);
    }
    *value = (ds_real)sum;
    return DSIM_OK;
}

/* entries of very different size */
static ds_result badly_scaled(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    (void)n;
    *value = (ds_real)(1e3 * (double)x[0] * (double)x[0] + 1e-3 * sin((double)x[1]));
    if (grad) grad[0] = (ds_real)(2e3 * (double)x[0]), grad[1] = (ds_real)(1e-3 * cos((double)x[1]));
    return DSIM_OK;
}

/* a large and a small slope: a wrong small one must not hide behind the large one */
static ds_result steep_and_flat(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    *value = (ds_real)(100 * (double)x[0] + 0.01 * sin((double)x[1]));
    if (grad) grad[0] = 100, grad[1] = (ds_real)(0.01 * cos((double)x[1]));
    spoiled((const spoil *)user, grad, n);
    return DSIM_OK;
}

static ds_result kinked(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += (ds_real)fabs((double)x[i]);
        if (grad) grad[i] = 0; /* what central differences say at 0, too */
    }
    return DSIM_OK;
}

static ds_result logarithm(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += (ds_real)log((double)x[i]);
        if (grad) grad[i] = 1 / x[i];
    }
    return DSIM_OK;
}

static ds_result moody(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    int *calls = (int *)user;
    for (size_t i = 0; grad && i < n; i++) grad[i] = 1;
    *value = x[0] + (ds_real)++*calls;
    return DSIM_OK;
}

static ds_result nan_value(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    (void)x;
    for (size_t i = 0; grad && i < n; i++) grad[i] = 1;
    *value = (ds_real)nan("");
    return DSIM_OK;
}

static ds_result nan_gradient(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    *value = x[0];
    for (size_t i = 0; grad && i < n; i++) grad[i] = i == 2 ? (ds_real)nan("") : 1;
    return DSIM_OK;
}

static ds_result unwilling(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user, (void)x, (void)n, (void)value, (void)grad;
    return DSIM_ERROR_FULL;
}

static void fill(ds_real *x, size_t n)
{
    ds_rng rng = ds_rng_make(7, 0);
    for (size_t i = 0; i < n; i++) x[i] = 2 * ds_rng_uniform(&rng) - 1;
}

static void test_right(void)
{
    static ds_real many[5000];
    ds_real x[N], before[N], ones[N] = { 1, 1, 1, 1, 1, 1 }, big[2] = { 300, (ds_real)0.5 };
    ds_check_desc desc;
    ds_check_report r;
    fill(x, N);
    memcpy(before, x, sizeof x);
    TAP_OK(!ds_check_gradient(wavy, NULL, x, N, NULL, &r), "a right gradient: %s", r.text);
    TAP_HAS(r.text, "the gradient is right: 6 of 6 entries", "says so");
    TAP_OK(r.checked == N && r.worst_error < (IS_FLOAT ? 2e-3 : 1e-8), "worst error %.1e", r.worst_error);
    TAP_OK(r.slope > 1.9 && r.slope < (IS_FLOAT ? 3 : 2.1), "Taylor slope %.3f", r.slope);
    TAP_OK(!memcmp(before, x, sizeof x), "x is not changed");
    TAP_OK(r.steps[0] > r.steps[1] && r.remainders[0] > r.remainders[2] && r.noise > 0,
           "the remainders are there");
    TAP_OK(!ds_check_gradient(linear, NULL, x, N, NULL, &r) && !(r.slope == r.slope), "linear: no slope, %s",
           r.text);
    TAP_OK(!ds_check_gradient(constant, NULL, x, N, NULL, &r), "constant: %s", r.text);
    TAP_HAS(r.text, "all are zero", "constant: zero is said to be zero");
    TAP_OK(!ds_check_gradient(bowl, NULL, ones, N, NULL, &r), "a minimum: %s", r.text);
    for (int i = 0; i < N; i++) ones[i] = (ds_real)(1 + 1e-7 * (i - 2));
    TAP_OK(!ds_check_gradient(bowl, NULL, ones, N, NULL, &r), "near a minimum: %s", r.text);
    TAP_OK(!ds_check_gradient(badly_scaled, NULL, big, 2, NULL, &r), "badly scaled: %s", r.text);
    TAP_OK(!ds_check_gradient(wavy, NULL, x, 1, NULL, &r) && r.checked == 1, "one entry");
    fill(many, 5000);
    memset(&desc, 0, sizeof desc);
    desc.max_entries = 50;
    desc.seed = 9;
    TAP_OK(!ds_check_gradient(wavy, NULL, many, 5000, &desc, &r) && r.checked == 50, "50 entries of 5000: %s",
           r.text);
    TAP_OK(!ds_check_gradient(wavy, NULL, many, 5000, NULL, &r) && r.checked == 1000, "1000 by default");
    many[0] = (ds_real)0.1;
    TAP_OK(!ds_check_gradient(logarithm, NULL, many, 1, NULL, &r), "near the edge of a domain: %s", r.text);
}

static void test_wrong(void)
{
    static ds_real many[5000];
    const spoil spoils[] = { { 3, 1 + 2e-2, 0 }, { 0, -1, 0 }, { 5, 0, 0 }, { 2, 1, 0.5 }, { 4, 2, 0 } };
    ds_real x[N];
    ds_check_report r;
    char entry[40];
    fill(x, N);
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        spoil s = spoils[i];
        TAP_OK(ds_check_gradient(wavy, &s, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT, "spoiled: %s",
               r.text);
        TAP_OK(r.worst_entry == s.entry && r.result == DSIM_ERROR_WRONG_GRADIENT, "the worst entry is %d",
               (int)s.entry);
        snprintf(entry, sizeof entry, "entry %d is ", (int)s.entry);
        TAP_HAS(r.text, entry, "and the sentence says so");
        if (i) TAP_OK(r.slope < 1.2, "Taylor slope %.2f tells as well", r.slope);
    }
    if (!IS_FLOAT) {
        spoil small = { 1, 1 + 1e-5, 0 };
        TAP_OK(ds_check_gradient(wavy, &small, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT,
               "one part in 1e5: %s", r.text);
        TAP_HAS(r.text, "entry 1 is ", "by its difference, not only by the Taylor test");
    }
    {
        spoil s = { 1, 1, 0.25 };
        TAP_OK(ds_check_gradient(linear, &s, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT &&
                   r.worst_entry == 1,
               "linear");
        TAP_OK(ds_check_gradient(constant, &s, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT, "constant: %s",
               r.text);
    }
    if (!IS_FLOAT) {
        spoil s = { 1, 1.01, 0 };
        ds_real two[2] = { 1, 0.5 };
        TAP_OK(!ds_check_gradient(steep_and_flat, NULL, two, 2, NULL, &r),
               "a small entry beside a large one: %s", r.text);
        TAP_OK(ds_check_gradient(steep_and_flat, &s, two, 2, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT &&
                   r.worst_entry == 1,
               "and when it is wrong: %s", r.text);
    }
    if (!IS_FLOAT) { /* an entry that the differences do not visit: the Taylor test has it */
        spoil s = { 77, 1, 40 };
        ds_check_desc desc;
        fill(many, 5000);
        memset(&desc, 0, sizeof desc);
        desc.max_entries = 10;
        TAP_OK(ds_check_gradient(wavy, &s, many, 5000, &desc, &r) == DSIM_ERROR_WRONG_GRADIENT,
               "not visited: %s", r.text);
        TAP_HAS(r.text, "not checked", "says that it may be one not checked");
    }
    memset(x, 0, sizeof x);
    TAP_OK(ds_check_gradient(kinked, NULL, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT && r.slope < 1.1,
           "kink: %s", r.text);
    TAP_HAS(r.text, "kink", "a kink is called one");
}

static ds_result swapped(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    const ds_result r = wavy(user, x, n, value, grad);
    if (grad) {
        const ds_real g = grad[1];
        grad[1] = grad[4];
        grad[4] = g;
    }
    return r;
}

/* good at one x only: entry 2 must stay where it is */
static ds_result narrow(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    const ds_result r = wavy(NULL, x, n, value, grad);
    return x[2] != *(const ds_real *)user ? DSIM_ERROR_ORDER : r;
}

/* the report agrees with itself, with its sentence and with the function */
static void test_report(void)
{
    const spoil s = {3, 1.5, 0};
    ds_real x[N], before[N], value;
    ds_check_desc desc;
    ds_check_report r;
    char number[32];
    fill(x, N);
    memcpy(before, x, sizeof x);
    wavy(NULL, x, N, &value, NULL);
    memset(&desc, 0, sizeof desc);
    desc.max_entries = 100;
    ds_check_gradient(wavy, (void *)(size_t)&s, x, N, &desc, &r);
    TAP_OK(r.checked == N && r.value == (double)value, "more entries than there are: all, and the value");
    TAP_NEAR(r.worst_error, fabs(r.worst_gradient - r.worst_difference) / r.scale, 1e-12, "the worst error");
    TAP_NEAR(r.worst_gradient, 1.5 * r.worst_difference, IS_FLOAT ? 1e-2 : 1e-6, "is the one that was made");
    TAP_OK(r.scale >= fabs(r.worst_gradient) && r.scale >= fabs(r.worst_difference),
           "the scale is no smaller");
    ds_text_from_real(number, sizeof number, r.worst_gradient, 6);
    TAP_HAS(r.text, number, "the sentence has the entry");
    ds_text_from_real(number, sizeof number, r.worst_difference, 6);
    TAP_HAS(r.text, number, "and its difference");
    TAP_OK(!memcmp(before, x, sizeof x), "x is not changed by a verdict of guilty");
    TAP_OK(ds_check_gradient(swapped, NULL, x, N, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT &&
               (r.worst_entry == 1 || r.worst_entry == 4),
           "two entries swapped: %s", r.text);
    value = x[2];
    TAP_OK(ds_check_gradient(narrow, &value, x, N, NULL, &r) == DSIM_ERROR_ORDER, "an error near x: %s",
           r.text);
    TAP_HAS(r.text, "entry 2", "says which entry was moved");
    desc.step = 1e-300;
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, &desc, &r) == DSIM_ERROR_ARGUMENT,
           "a step that vanishes beside x certifies nothing: %s", r.text);
    TAP_OK(!memcmp(before, x, sizeof x), "x is not changed by a refusal");
}

static void test_refusals(void)
{
    ds_real x[N];
    ds_check_desc desc;
    ds_check_report r;
    int calls = 0;
    fill(x, N);
    TAP_OK(ds_check_gradient(NULL, NULL, x, N, NULL, &r) == DSIM_ERROR_ARGUMENT, "no function");
    TAP_OK(ds_check_gradient(wavy, NULL, NULL, N, NULL, &r) == DSIM_ERROR_ARGUMENT, "no x");
    TAP_OK(ds_check_gradient(wavy, NULL, x, 0, NULL, &r) == DSIM_ERROR_ARGUMENT, "no entries");
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no report");
    memset(&desc, 0, sizeof desc);
    desc.step = -1;
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, &desc, &r) == DSIM_ERROR_ARGUMENT, "a negative step");
    desc.step = 0;
    desc.tolerance = nan("");
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, &desc, &r) == DSIM_ERROR_ARGUMENT, "a NaN tolerance");
    TAP_OK(ds_check_gradient(moody, &calls, x, N, NULL, &r) == DSIM_ERROR_ARGUMENT,
           "another value each time: %s", r.text);
    TAP_OK(ds_check_gradient(nan_value, NULL, x, N, NULL, &r) == DSIM_ERROR_NON_FINITE, "NaN value: %s",
           r.text);
    TAP_OK(ds_check_gradient(nan_gradient, NULL, x, N, NULL, &r) == DSIM_ERROR_NON_FINITE, "NaN gradient");
    TAP_HAS(r.text, "entry 2", "and which entry");
    TAP_OK(ds_check_gradient(unwilling, NULL, x, N, NULL, &r) == DSIM_ERROR_FULL,
           "the function's own error: %s", r.text);
    x[4] = (ds_real)nan("");
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, NULL, &r) == DSIM_ERROR_NON_FINITE, "NaN in x");
    TAP_HAS(r.text, "x, entry 4", "and where");
    {
        ds_real edge[1] = { (ds_real)(IS_FLOAT ? 1e-4 : 1e-7) };
        TAP_OK(ds_check_gradient(logarithm, NULL, edge, 1, NULL, &r) == DSIM_ERROR_NON_FINITE,
               "beyond a domain: %s", r.text);
    }
}

/* the way a user certifies a tape */
static ds_result rollout(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = (ds_tape *)user;
    ds_vars in;
    ds_var3 p, v;
    ds_var f;
    ds_tape_reset(t);
    in = ds_inputs(t, x, n);
    p = ds_vars_at3(in, 0);
    v = ds_vars_at3(in, 1);
    for (int i = 0; i < 50; i++) {
        ds_var pull = ds_mul(ds_c(-0.1), ds_tanh(ds_norm3(p)));
        v = ds_axpy3(pull, ds_normalize3(p), v);
        p = ds_axpy3(ds_c(0.05), v, p);
    }
    f = ds_add(ds_dot3(p, p), ds_sin(ds_x(v)));
    *value = ds_value(f);
    if (!grad) return ds_tape_error(t)->code;
    return ds_backward(f) ? ds_tape_error(t)->code : ds_grads(in, grad);
}

int main(void)
{
    ds_real x[6] = { 1, (ds_real)0.5, (ds_real)-0.25, (ds_real)0.1, 0, (ds_real)0.3 };
    ds_check_report r;
    ds_tape *t = ds_tape_create(NULL);
    test_right();
    test_wrong();
    test_report();
    test_refusals();
    TAP_OK(!ds_check_gradient(rollout, t, x, 6, NULL, &r), "a rollout on a tape: %s", r.text);
    ds_tape_destroy(t);
    return tap_end();
}
