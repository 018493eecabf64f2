/* test_checks.c - gradients, Hessians and adjoints: right ones are certified, wrong ones are convicted with
   the worst entry, and where a check cannot judge it says why */
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

/* zeros of three kinds: entry 0 is a true zero (a minimum; alone, an inflection), 1 and 3 are forgotten,
   2 does not matter */
static ds_result forgetful(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    if (n == 1) *value = x[0] * x[0] * x[0] + x[0] * x[0] * x[0] * x[0] * x[0];
    else *value = x[0] * x[0] + 2 * x[1] + (ds_real)0.5 * x[3] * x[3] + 5 * x[4];
    for (size_t i = 0; grad && i < n; i++) grad[i] = i == 4 ? 5 : 0;
    return DSIM_OK;
}

static ds_result leaves_out(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    const size_t skipped = *(const size_t *)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += x[i];
        if (grad && i != skipped) grad[i] = 1;
    }
    return DSIM_OK;
}

static void test_zeros(void)
{
    const ds_real x[5] = { 0, 1, 2, 3, 4 };
    const size_t skipped = 3;
    ds_check_report r;
    TAP_OK(ds_check_gradient(forgetful, NULL, x, 5, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT, "forgotten: %s",
           r.text);
    TAP_OK(r.zeros == 4 && r.zeros_missing == 2 && r.first_missing == 1 && r.zeros_flat == 1,
           "4 zeros: 2 missing, 1 flat, 1 true");
    TAP_HAS(r.text, "2 are 0 though f changes there, the first is 1", "the sentence says so");
    TAP_OK(!ds_check_gradient(forgetful, NULL, x, 1, NULL, &r) && r.zeros == 1 && !r.zeros_missing &&
               !r.zeros_flat,
           "a true zero alone is no error: %s", r.text);
    TAP_OK(!ds_check_gradient(constant, NULL, x, 5, NULL, &r) && r.zeros == 5 && r.zeros_flat == 5 &&
               !r.zeros_missing,
           "all flat");
    TAP_HAS(r.text, "f does not depend on them", "and that is said");
    TAP_OK(!ds_check_gradient(wavy, NULL, x, 5, NULL, &r) && !r.zeros && !r.zeros_flat, "no zeros");
    TAP_OK(ds_check_gradient(leaves_out, (void *)(size_t)&skipped, x, 5, NULL, &r) == DSIM_ERROR_NON_FINITE,
           "what is not written is not taken for 0: %s", r.text);
    TAP_HAS(r.text, "the gradient, entry 3", "and named");
}

static void test_labels(void)
{
    const spoil s = { 1, 2, 0 };
    ds_real x[N];
    ds_check_desc desc;
    ds_check_report r;
    fill(x, N);
    memset(&desc, 0, sizeof desc);
    for (int label = 0; label < DSIM_GRADIENT_LABEL_COUNT; label++) {
        char says[200];
        desc.label = (ds_gradient_label)label;
        snprintf(says, sizeof says, "its label says %s: %s", ds_gradient_label_name(desc.label),
                 ds_gradient_label_text(desc.label));
        TAP_OK(!ds_check_gradient(wavy, NULL, x, N, &desc, &r) && r.label == desc.label, "right and %s",
               ds_gradient_label_name(desc.label));
        TAP_HAS(r.text, says, "says so");
        TAP_OK(ds_check_gradient(wavy, (void *)(size_t)&s, x, N, &desc, &r) == DSIM_ERROR_WRONG_GRADIENT,
               "wrong and %s", ds_gradient_label_name(desc.label));
        TAP_HAS(r.text, says, "says so, and ends in time: %d characters", (int)strlen(r.text));
    }
    TAP_OK(!strcmp(ds_gradient_label_name(DSIM_GRADIENT_EXACT), "EXACT") && DSIM_GRADIENT_EXACT == 0,
           "no label means exact");
    desc.label = (ds_gradient_label)DSIM_GRADIENT_LABEL_COUNT;
    TAP_OK(ds_check_gradient(wavy, NULL, x, N, &desc, &r) == DSIM_ERROR_ARGUMENT, "no such label: %s",
           r.text);
    TAP_HAS(ds_gradient_label_name(desc.label), "?", "its name");
}

/* what is done to a right operator: nothing, one of the bugs below */
typedef enum bug { NO_BUG, FACTOR, ONE_SIDED, OFFSET, MOODY, NOT_A_NUMBER, NOT_WRITTEN, FAILS, ABSENT } bug;
typedef struct operation {
    bug bug;
    size_t entry;
    int calls;
} operation;

static ds_result spoil_result(operation *o, const ds_real *in, ds_real *out, size_t n)
{
    const ds_real right = out[o->entry];
    (void)n;
    o->calls++;
    switch (o->bug) {
    case FACTOR: out[o->entry] = right * (ds_real)1.01; break;
    case ONE_SIDED: out[o->entry] += in[(o->entry + 2) % n] / 4; break;
    case OFFSET: out[o->entry] = right + 1; break;
    case MOODY: out[o->entry] = right * (ds_real)o->calls; break;
    case NOT_A_NUMBER: out[o->entry] = (ds_real)nan(""); break;
    case FAILS: return DSIM_ERROR_FULL;
    case ABSENT: out[o->entry] = 0; break;
    default: break;
    }
    return DSIM_OK;
}

/* the Hessian of wavy */
static operation hessian_of;
static ds_result wavy_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    operation *const o = &hessian_of;
    (void)user;
    for (size_t i = 0; i < n; i++) {
        if (o->bug == NOT_WRITTEN && i == o->entry) continue;
        Hv[i] = (ds_real)(-sin((double)x[i]) * (double)(i + 1) * (double)v[i] + (double)v[(i + 1) % n] +
                          (double)v[(i + n - 1) % n]);
    }
    return o->bug == NOT_WRITTEN ? DSIM_OK : spoil_result(o, v, Hv, n);
}

/* f = x'Ax/2 with a "gradient" B x and the "Hessian" B that fits it. Strange 0: B = A = 1; 1: B = A is not
   symmetric (at 0 that fits f, too); 2: A = 1, B = 2 */
static ds_real strange_row(int strange, const ds_real *x, size_t n, size_t i)
{
    return x[i] + (strange ? x[strange == 1 ? (i + 1) % n : i] : 0);
}
static ds_result quadratic(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    const int strange = *(const int *)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += x[i] * strange_row(strange & 1, x, n, i) / 2;
        if (grad) grad[i] = strange_row(strange, x, n, i);
    }
    return DSIM_OK;
}
static ds_result quadratic_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    (void)x;
    for (size_t i = 0; i < n; i++) Hv[i] = strange_row(*(const int *)user, v, n, i);
    return DSIM_OK;
}

/* x |x|: at 0 gradient and Hessian are 0, and differences of gradients too */
static ds_result bent(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        *value += x[i] * (ds_real)fabs((double)x[i]);
        if (grad) grad[i] = 2 * (ds_real)fabs((double)x[i]);
    }
    return DSIM_OK;
}
static ds_result zero_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    (void)user, (void)x, (void)v;
    for (size_t i = 0; i < n; i++) Hv[i] = 0;
    return DSIM_OK;
}

/* x^3 - b x^4: at 0 the two powers cancel at the step 1/b on one side */
static ds_result cancelling(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    const ds_real b = *(const ds_real *)user;
    (void)n;
    *value = x[0] * x[0] * x[0] * (1 - b * x[0]);
    if (grad) *grad = x[0] * x[0] * (3 - 4 * b * x[0]);
    return DSIM_OK;
}

static ds_problem problem_of(ds_objective_fn *objective, ds_hessian_fn *hessian, size_t n)
{
    ds_problem p;
    memset(&p, 0, sizeof p);
    p.objective = objective;
    p.hessian = hessian;
    p.n = n;
    return p;
}

/* each bug, what the check returns for it, and what it says; hessian and adjoint alike but for their words */
typedef struct expectation {
    bug bug;
    ds_result result;
    const char *hessian, *tangent, *adjoint;
} expectation;
static const expectation expectations[] = {
    { FACTOR, DSIM_ERROR_WRONG_GRADIENT, "the Hessian is wrong: entry 2 of H p is ",
      "the adjoint is not the transpose", "entry 2 of J'y_bar is " },
    { ONE_SIDED, DSIM_ERROR_WRONG_GRADIENT, "the Hessian is wrong: entry 2 of H p is ",
      "the adjoint is not the transpose", "entry 2 of J'y_bar is " },
    { ABSENT, DSIM_ERROR_WRONG_GRADIENT, "the Hessian is wrong: entry 2 of H p is 0",
      "the adjoint is not the transpose", "entry 2 of J'y_bar is 0, the tangent says " },
    { OFFSET, DSIM_ERROR_WRONG_GRADIENT, "the Hessian is not linear: entry 2 of F(p + q) is ",
      "the tangent is not linear: entry 2", "the adjoint is not linear: entry 2" },
    { MOODY, DSIM_ERROR_ARGUMENT, "the Hessian gave another result for the same input, entry 2",
      "the tangent gave another result for the same input, entry 2",
      "the adjoint gave another result for the same input, entry 2" },
    { NOT_A_NUMBER, DSIM_ERROR_NON_FINITE, "the Hessian, entry 2", "the tangent, entry 2",
      "the adjoint, entry 2" },
    { NOT_WRITTEN, DSIM_ERROR_NON_FINITE, "the Hessian, entry 2", "the tangent, entry 2",
      "the adjoint, entry 2" },
    { FAILS, DSIM_ERROR_FULL, "the Hessian failed", "the tangent failed", "the adjoint failed" },
};
enum { N_EXPECTATIONS = sizeof expectations / sizeof expectations[0] };

static void test_hessian(void)
{
    const ds_real zeros[N] = { 0, 0, 0, 0, 0, 0 };
    ds_real x[N], before[N];
    ds_problem p = problem_of(wavy, wavy_hessian, N);
    ds_check_desc desc;
    ds_check_report r;
    int strange = 0, alarms = 0;
    fill(x, N);
    memcpy(before, x, sizeof x);
    memset(&desc, 0, sizeof desc);
    memset(&hessian_of, 0, sizeof hessian_of);
    TAP_OK(!ds_check_hessian(&p, x, NULL, &r), "a right Hessian: %s", r.text);
    TAP_HAS(r.text, "the Hessian is right: 6 of 6 entries of H p", "says so");
    TAP_OK(r.worst_error < (IS_FLOAT ? 2e-3 : 1e-8), "worst error %.1e", r.worst_error);
    if (!IS_FLOAT) TAP_OK(r.slope > 2.9 && r.slope < 3.2, "Taylor slope %.3f", r.slope);
    TAP_OK(r.dot_error < (IS_FLOAT ? 1e-5 : 1e-14) && r.dot_tangent * r.dot_adjoint > 0,
           "symmetric within %.1e", r.dot_error);
    TAP_OK(!memcmp(before, x, sizeof x), "x is not changed");
    for (int i = 0; i < N_EXPECTATIONS; i++) {
        const expectation *e = &expectations[i];
        memset(&hessian_of, 0, sizeof hessian_of);
        hessian_of.bug = e->bug;
        hessian_of.entry = 2;
        TAP_OK(ds_check_hessian(&p, x, NULL, &r) == e->result && r.result == e->result, "%s", r.text);
        TAP_HAS(r.text, e->hessian, "the bug is named");
        if (e->result == DSIM_ERROR_WRONG_GRADIENT) TAP_OK(r.worst_entry == 2, "and its entry");
        if (e->bug == ABSENT && !IS_FLOAT) TAP_OK(r.slope < 2.2, "Taylor slope %.2f tells as well", r.slope);
    }
    memset(&hessian_of, 0, sizeof hessian_of);
    p = problem_of(quadratic, quadratic_hessian, N);
    p.user = &strange;
    TAP_OK(!ds_check_hessian(&p, x, NULL, &r) && !(r.slope == r.slope), "quadratic: no slope, %s", r.text);
    strange = 1;
    TAP_OK(ds_check_hessian(&p, zeros, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT && r.dot_error > 0.01,
           "a twisted one: %s", r.text);
    TAP_HAS(r.text, "the Hessian is not symmetric: <q, H p> is ", "is not symmetric");
    strange = 2;
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT && r.slope < 1.2,
           "a wrong gradient with a Hessian that fits it: %s", r.text);
    TAP_HAS(r.text, "its gradient is wrong", "and its sentence");
    p = problem_of(cancelling, zero_hessian, 1);
    for (int i = 0; i < 320; i++) {
        ds_real b = (ds_real)((i % 2 ? -1 : 1) * pow(2, i / 16.0));
        p.user = &b;
        alarms += ds_check_hessian(&p, zeros, NULL, &r) != DSIM_OK;
    }
    TAP_OK(alarms == 0, "%d false alarms where powers of the step cancel", alarms);
    p = problem_of(bent, zero_hessian, N);
    TAP_OK(ds_check_hessian(&p, zeros, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT && r.slope < 2.1,
           "a bend that jumps: %s", r.text);
    p = problem_of(constant, zero_hessian, N);
    TAP_OK(!ds_check_hessian(&p, x, NULL, &r), "a constant: %s", r.text);
    p = problem_of(wavy, wavy_hessian, 0);
    TAP_OK(ds_check_hessian(NULL, x, NULL, &r) == DSIM_ERROR_ARGUMENT, "no problem: %s", r.text);
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_ARGUMENT, "no entries");
    p = problem_of(wavy, NULL, N);
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_ARGUMENT, "no Hessian");
    p = problem_of(NULL, wavy_hessian, N);
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_ARGUMENT, "no function");
    p = problem_of(wavy, wavy_hessian, N);
    TAP_OK(ds_check_hessian(&p, NULL, NULL, &r) == DSIM_ERROR_ARGUMENT, "no x");
    TAP_OK(ds_check_hessian(&p, x, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no report");
    desc.step = 1e-300;
    TAP_OK(ds_check_hessian(&p, x, &desc, &r) == DSIM_ERROR_ARGUMENT, "a step that vanishes: %s", r.text);
    p = problem_of(nan_gradient, wavy_hessian, N);
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_NON_FINITE, "NaN in the gradient: %s", r.text);
    p = problem_of(narrow, wavy_hessian, N);
    p.user = &x[2];
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_ORDER, "an error near x: %s", r.text);
    x[4] = (ds_real)nan("");
    TAP_OK(ds_check_hessian(&p, x, NULL, &r) == DSIM_ERROR_NON_FINITE, "NaN in x");
}

/* J [M][N] with J[i][j] = 1 / (i + 2 j + 1) - 1/5, and its transpose */
enum { M = 4 };
typedef struct matrix {
    operation tangent, adjoint;
    int zero;
} matrix;

static ds_result times_matrix(const matrix *a, operation *o, const ds_real *in, size_t n_in, ds_real *out,
                              size_t n_out, int transposed)
{
    for (size_t i = 0; i < n_out; i++) {
        double sum = 0;
        for (size_t j = 0; j < n_in; j++)
            sum += (1 / (double)(transposed ? j + 2 * i + 1 : i + 2 * j + 1) - 0.2) * (double)in[j];
        if (o->bug != NOT_WRITTEN || i != o->entry) out[i] = a->zero ? 0 : (ds_real)sum;
    }
    return o->bug == NOT_WRITTEN ? DSIM_OK : spoil_result(o, in, out, n_in);
}
static ds_result matrix_tangent(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    matrix *const a = (matrix *)user;
    return times_matrix(a, &a->tangent, in, n_in, out, n_out, 0);
}
static ds_result matrix_adjoint(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    matrix *const a = (matrix *)user;
    return times_matrix(a, &a->adjoint, in, n_in, out, n_out, 1);
}

static ds_jacobian jacobian_of(ds_linear_fn *tangent, ds_linear_fn *adjoint, void *user, size_t n, size_t m)
{
    ds_jacobian j;
    j.tangent = tangent;
    j.adjoint = adjoint;
    j.user = user;
    j.n = n;
    j.m = m;
    return j;
}

static void test_adjoint(void)
{
    matrix a;
    ds_jacobian j = jacobian_of(matrix_tangent, matrix_adjoint, &a, N, M);
    ds_check_desc desc;
    ds_check_report r;
    memset(&a, 0, sizeof a);
    memset(&desc, 0, sizeof desc);
    TAP_OK(!ds_check_adjoint(&j, NULL, &r), "a right pair: %s", r.text);
    TAP_HAS(r.text, "the adjoint is the transpose of the tangent", "says so");
    TAP_HAS(r.text, "in 4 directions", "in how many directions");
    TAP_NEAR(r.dot_tangent, r.dot_adjoint, IS_FLOAT ? 1e-4 : 1e-12, "the products agree");
    TAP_OK(a.tangent.calls == 8 && a.adjoint.calls == 8, "4 + 4 calls of each");
    desc.directions = 9;
    desc.seed = 5;
    TAP_OK(!ds_check_adjoint(&j, &desc, &r) && a.tangent.calls == 8 + 13, "9 directions");
    for (int i = 0; i < 2 * N_EXPECTATIONS; i++) {
        const expectation *e = &expectations[i / 2];
        operation *const o = i % 2 ? &a.adjoint : &a.tangent;
        memset(&a, 0, sizeof a);
        o->bug = e->bug;
        o->entry = 2;
        TAP_OK(ds_check_adjoint(&j, NULL, &r) == e->result && r.result == e->result, "%s", r.text);
        TAP_HAS(r.text, i % 2 ? e->adjoint : e->tangent, "the bug is named");
        if (e->result != DSIM_ERROR_WRONG_GRADIENT || !(r.dot_error > 0)) continue;
        TAP_NEAR(r.worst_error, fabs(r.worst_gradient - r.worst_difference) / r.scale, 1e-12, "its error");
        TAP_OK(fabs(r.dot_tangent - r.dot_adjoint) > 1e-5, "and the products");
    }
    memset(&a, 0, sizeof a);
    a.zero = 1;
    TAP_OK(!ds_check_adjoint(&j, NULL, &r) && !(r.dot_error > 0), "all zero: %s", r.text);
    memset(&a, 0, sizeof a);
    j = jacobian_of(matrix_tangent, matrix_tangent, &a, M, M);
    TAP_OK(ds_check_adjoint(&j, NULL, &r) == DSIM_ERROR_WRONG_GRADIENT, "the transpose forgotten: %s",
           r.text);
    j = jacobian_of(matrix_tangent, matrix_adjoint, &a, 1, 1);
    TAP_OK(!ds_check_adjoint(&j, NULL, &r), "one by one");
    j.m = 3000;
    TAP_OK(!ds_check_adjoint(&j, NULL, &r), "a tall one: %s", r.text);
    TAP_OK(ds_check_adjoint(NULL, NULL, &r) == DSIM_ERROR_ARGUMENT, "no Jacobian: %s", r.text);
    TAP_OK(ds_check_adjoint(&j, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no report");
    desc.tolerance = -1;
    TAP_OK(ds_check_adjoint(&j, &desc, &r) == DSIM_ERROR_ARGUMENT, "a negative tolerance");
    j.m = 0;
    TAP_OK(ds_check_adjoint(&j, NULL, &r) == DSIM_ERROR_ARGUMENT, "no outputs");
    j = jacobian_of(matrix_tangent, NULL, &a, 2, 2);
    TAP_OK(ds_check_adjoint(&j, NULL, &r) == DSIM_ERROR_ARGUMENT, "no adjoint");
    j = jacobian_of(NULL, matrix_adjoint, &a, 2, 2);
    TAP_OK(ds_check_adjoint(&j, NULL, &r) == DSIM_ERROR_ARGUMENT, "no tangent");
}

/* the way a user certifies a tape; x [6] becomes `list` */
static ds_var rollout_value(ds_tape *t, const ds_real *x, size_t n, ds_var *list)
{
    ds_vars in;
    ds_var3 p, v;
    ds_tape_reset(t);
    in = ds_inputs(t, x, n);
    for (size_t i = 0; i < n; i++) list[i] = ds_vars_at(in, i);
    p = ds_vars_at3(in, 0);
    v = ds_vars_at3(in, 1);
    for (int i = 0; i < 50; i++) {
        ds_var pull = ds_mul(ds_c(-0.1), ds_tanh(ds_norm3(p)));
        v = ds_axpy3(pull, ds_normalize3(p), v);
        p = ds_axpy3(ds_c(0.05), v, p);
    }
    return ds_add(ds_dot3(p, p), ds_sin(ds_x(v)));
}
static ds_result rollout(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = (ds_tape *)user;
    ds_var list[6];
    const ds_var f = rollout_value(t, x, n, list);
    *value = ds_value(f);
    if (grad && ds_backward(f)) return ds_tape_error(t)->code;
    for (size_t i = 0; grad && i < n; i++) grad[i] = ds_grad(list[i]);
    return ds_tape_error(t)->code;
}

static ds_result rollout_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    ds_tape *t = (ds_tape *)user;
    ds_var list[6];
    const ds_var f = rollout_value(t, x, n, list);
    return ds_hessian_vector(f, list, v, n, Hv);
}

/* tangent and adjoint of two outputs by two inputs and a vector, on a tape that stands */
typedef struct recorded {
    ds_var in[5], out[3];
} recorded;

static void record_outputs(ds_tape *t, recorded *r)
{
    const ds_var3 v = ds_input3(t, ds_v3_make(1, 2, (ds_real)0.5));
    ds_var3 w;
    r->in[0] = ds_input(t, 0.7);
    r->in[1] = ds_input(t, -1.3);
    r->in[2] = ds_x(v), r->in[3] = ds_y(v), r->in[4] = ds_z(v);
    w = ds_cross3(v, ds_scale3(ds_normalize3(v), r->in[0]));
    w = ds_axpy3(r->in[1], v, w);
    r->out[0] = ds_mul(ds_exp(r->in[0]), ds_norm3(w));
    r->out[1] = ds_atan2(ds_y(w), r->in[1]);
    r->out[2] = ds_c(3); /* does not depend on anything */
}
static ds_result recorded_tangent(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    const recorded *const r = (const recorded *)user;
    const ds_result result = ds_forward(r->in, in, n_in);
    for (size_t i = 0; i < n_out; i++) out[i] = i < 2 ? ds_tangent(r->out[i]) : 0;
    return result;
}
static ds_result recorded_adjoint(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    const recorded *const r = (const recorded *)user;
    const ds_result result = ds_backward_many(r->out, in, n_in < 2 ? n_in : 2);
    for (size_t i = 0; i < n_out; i++) out[i] = ds_grad(r->in[i]);
    return result;
}

static void test_tape(void)
{
    ds_real x[6] = { 1, (ds_real)0.5, (ds_real)-0.25, (ds_real)0.1, 0, (ds_real)0.3 };
    ds_problem p = problem_of(rollout, rollout_hessian, 6);
    recorded outputs;
    ds_jacobian j = jacobian_of(recorded_tangent, recorded_adjoint, &outputs, 5, 3);
    ds_check_report r;
    ds_tape *t = ds_tape_create(NULL);
    p.user = t;
    TAP_OK(!ds_check_gradient(rollout, t, x, 6, NULL, &r), "a rollout on a tape: %s", r.text);
    TAP_OK(!ds_check_hessian(&p, x, NULL, &r), "its Hessian: %s", r.text);
    ds_tape_reset(t);
    record_outputs(t, &outputs);
    TAP_OK(!ds_check_adjoint(&j, NULL, &r), "ds_forward and ds_backward_many: %s", r.text);
    TAP_OK(r.dot_error < (IS_FLOAT ? 1e-5 : 1e-14), "agree within %.1e", r.dot_error);
    ds_tape_destroy(t);
}

int main(void)
{
    test_right();
    test_wrong();
    test_report();
    test_refusals();
    test_zeros();
    test_labels();
    test_hessian();
    test_adjoint();
    test_tape();
    return tap_end();
}
