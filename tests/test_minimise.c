/* test_minimise.c - every method finds the minima of the classical problems, inside bounds too, keeps the
   Wolfe conditions, survives callbacks that fail or give NaN, and stops for each reason of the table; least
   squares agree with NIST's certified parameters and standard deviations */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "oracle/nist_strd.h"
#include "tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { MOST = 40 };

/* the classical problems, as sums of squares: r [m], J [m][n]; f = |r|^2 / 2 */
typedef void residuals_fn(const double *x, int n, double *r, double (*J)[MOST]);

static void rosenbrock(const double *x, int n, double *r, double (*J)[MOST]) /* Rosenbrock 1960, extended */
{
    for (int i = 0; i < n; i += 2) {
        r[i] = 10 * (x[i + 1] - x[i] * x[i]);
        r[i + 1] = 1 - x[i];
        J[i][i] = -20 * x[i];
        J[i][i + 1] = 10;
        J[i + 1][i] = -1;
    }
}
static void beale(const double *x, int n, double *r, double (*J)[MOST]) /* Beale 1958 */
{
    static const double Y[] = { 1.5, 2.25, 2.625 };
    double power = 1;
    (void)n;
    for (int i = 0; i < 3; i++) {
        J[i][1] = x[0] * (i + 1) * power;
        power *= x[1];
        r[i] = Y[i] - x[0] * (1 - power);
        J[i][0] = power - 1;
    }
}
static void powell(const double *x, int n, double *r, double (*J)[MOST]) /* singular Hessian: Powell 1962 */
{
    const double a = x[1] - 2 * x[2], b = x[0] - x[3];
    (void)n;
    r[0] = x[0] + 10 * x[1];
    r[1] = sqrt(5) * (x[2] - x[3]);
    r[2] = a * a;
    r[3] = sqrt(10) * b * b;
    J[0][0] = 1, J[0][1] = 10;
    J[1][2] = sqrt(5), J[1][3] = -sqrt(5);
    J[2][1] = 2 * a, J[2][2] = -4 * a;
    J[3][0] = 2 * sqrt(10) * b, J[3][3] = -2 * sqrt(10) * b;
}
static double stiffness(int i, int n) { return pow(1e4, (double)i / (n - 1)); } /* 1 to 10^4 */
static void quadratic(const double *x, int n, double *r, double (*J)[MOST])
{
    for (int i = 0; i < n; i++) {
        r[i] = sqrt(stiffness(i, n)) * (x[i] - 1);
        J[i][i] = sqrt(stiffness(i, n));
    }
}
static void ten_weights(const double *x, int n, double *r, double (*J)[MOST]) /* Hessian 1, 2, ..., 10 */
{
    for (int i = 0; i < n; i++) {
        J[i][i] = sqrt(i + 1);
        r[i] = J[i][i] * (x[i] - 1);
    }
}
static const struct problem {
    const char *name;
    residuals_fn *residuals;
    int n, m;
    double start[4], solution[4]; /* repeated */
    double loose;                 /* how far x may be off, where f is flat */
} PROBLEMS[] = {
    { "Rosenbrock", rosenbrock, 2, 2, { -1.2, 1, -1.2, 1 }, { 1, 1, 1, 1 }, 1e-5 },
    { "extended Rosenbrock", rosenbrock, 20, 20, { -1.2, 1, -1.2, 1 }, { 1, 1, 1, 1 }, 1e-5 },
    { "Beale", beale, 2, 3, { 1, 1, 1, 1 }, { 3, 0.5, 3, 0.5 }, 1e-5 },
    { "Powell singular", powell, 4, 4, { 3, -1, 0, 1 }, { 0, 0, 0, 0 }, 0.1 },
    { "stiff quadratic", quadratic, 20, 20, { 0, 3, -2, 5 }, { 1, 1, 1, 1 }, 1e-5 },
};
enum { N_PROBLEMS = sizeof PROBLEMS / sizeof *PROBLEMS };

/* what a callback is to do besides */
typedef struct task {
    const struct problem *p;
    size_t calls, gradients, outside; /* seen by the callback; outside: of the bounds */
    const ds_real *lower, *upper;
    size_t bad_from, bad_to; /* calls that go wrong: */
    ds_result
        fails; /* ... with this, or with a NaN in entry bad_entry of the gradient, beyond it the value */
    size_t bad_entry;
    ds_real last_x[MOST], last_g[MOST], worst_fall, worst_slope; /* the watch: Wolfe conditions */
    double last_f;
    size_t watched, watch_until;
    double best; /* the lowest value given */
} task;

static ds_result residuals(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian)
{
    task *const t = (task *)user;
    double at[MOST], rr[MOST], J[MOST][MOST];
    memset(J, 0, sizeof J);
    t->calls++;
    t->gradients += jacobian != NULL;
    for (size_t i = 0; i < n; i++) {
        at[i] = (double)x[i];
        t->outside += (t->lower && x[i] < t->lower[i]) || (t->upper && x[i] > t->upper[i]);
    }
    t->p->residuals(at, (int)n, rr, J);
    for (size_t i = 0; i < (size_t)t->p->m; i++) {
        r[i] = (ds_real)rr[i];
        for (size_t j = 0; jacobian && j < n; j++) jacobian[i * n + j] = (ds_real)J[i][j];
    }
    if (t->bad_from && t->calls >= t->bad_from && t->calls <= t->bad_to) {
        if (t->fails) return t->fails;
        if (t->bad_entry >= n)
            r[0] = (ds_real)nan("");
        else if (jacobian)
            jacobian[t->bad_entry] = (ds_real)nan("");
    }
    return DSIM_OK;
}

static ds_result objective(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    task *const t = (task *)user;
    ds_real r[MOST], J[MOST * MOST];
    const ds_result result = residuals(user, x, n, r, J);
    double sum = 0;
    t->gradients -= !grad;
    for (size_t i = 0; i < (size_t)t->p->m; i++) sum += (double)r[i] * (double)r[i] / 2;
    for (size_t j = 0; grad && j < n; j++) {
        double slope = 0;
        for (size_t i = 0; i < (size_t)t->p->m; i++) slope += (double)r[i] * (double)J[i * n + j];
        grad[j] = (ds_real)slope;
    }
    *value = (ds_real)sum;
    if (t->calls == 1 || sum < t->best) t->best = sum;
    return result;
}

static ds_result quadratic_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    (void)user, (void)x;
    for (size_t i = 0; i < n; i++) Hv[i] = (ds_real)stiffness((int)i, (int)n) * v[i];
    return DSIM_OK;
}

static ds_problem setup(task *t, const struct problem *p, int squares, ds_real *x)
{
    ds_problem problem = { 0 };
    memset(t, 0, sizeof *t);
    t->p = p;
    problem.user = t;
    problem.n = (size_t)p->n;
    if (squares)
        problem.residuals = residuals, problem.n_residuals = (size_t)p->m;
    else
        problem.objective = objective;
    for (int i = 0; i < p->n; i++) x[i] = (ds_real)p->start[i % 4];
    return problem;
}

static int is_squares(ds_method method)
{
    return method == DSIM_METHOD_AUTO || method >= DSIM_METHOD_GAUSS_NEWTON;
}

static double miss(const struct problem *p, const ds_real *x)
{
    double most = 0;
    for (int i = 0; i < p->n; i++) most = fmax(most, fabs((double)x[i] - p->solution[i % 4]));
    return most;
}

/* every method on every problem, from an objective and from residuals */
static void methods(void)
{
    for (size_t k = 0; k < N_PROBLEMS; k++)
        for (int method = 0; method < DSIM_METHOD_COUNT; method++)
            for (int squares = is_squares((ds_method)method); squares < 2; squares++) {
                if (method == DSIM_METHOD_GRADIENT_DESCENT && squares) continue; /* slow */
                const struct problem *const p = &PROBLEMS[k];
                const int slow = method == DSIM_METHOD_GRADIENT_DESCENT;
                const double enough = (slow ? 1e-6 : 1e-9) * (IS_FLOAT ? 1e4 : 1);
                ds_minimise_desc d = { 0 };
                ds_minimise_report r;
                ds_real x[MOST];
                task t;
                ds_problem problem = setup(&t, p, squares, x);
                d.method = (ds_method)method;
                d.max_iterations = slow ? 40000 : 0;
                const ds_result result = ds_minimise(&problem, &d, x, &r);
                TAP_OK(result == r.result && (result == DSIM_OK || IS_FLOAT || slow) && r.value < enough,
                       "%s%s, %s: %d iterations, %d evaluations, f %.1e, %s", ds_method_name(d.method),
                       squares ? " of residuals" : "", p->name, (int)r.iterations, (int)r.evaluations,
                       r.value, ds_stop_name(r.stop));
                TAP_OK(slow || miss(p, x) < (IS_FLOAT ? 0.05 + 5 * p->loose : p->loose),
                       "... x is off by %.1e", miss(p, x));
                TAP_OK(r.evaluations == t.calls && r.gradients == t.gradients && r.value <= r.value_first,
                       "... calls are counted, the value fell");
            }
}

static void conjugate_directions(void)
{
    static const struct problem ten = { "ten", ten_weights, 10, 10, { 0, 3, -2, 5 }, { 1, 1, 1, 1 }, 0 };
    ds_minimise_desc d = { 0 };
    ds_minimise_report r, slow;
    ds_real x[MOST];
    task t;
    ds_problem problem = setup(&t, &ten, 0, x);
    d.method = DSIM_METHOD_CONJUGATE_GRADIENT;
    d.armijo = 1e-10;
    d.curvature = 1e-9; /* exact line searches */
    d.gradient_tolerance = IS_FLOAT ? 1e-3 : 1e-7;
    ds_minimise(&problem, &d, x, &r);
    TAP_OK(!r.result && r.iterations <= 10, "conjugate gradients: a quadratic in %d steps of n = 10",
           (int)r.iterations);

    problem = setup(&t, &PROBLEMS[4], 0, x);
    problem.hessian = quadratic_hessian;
    d = (ds_minimise_desc){ 0 };
    d.method = DSIM_METHOD_NEWTON_CG;
    ds_minimise(&problem, &d, x, &r);
    TAP_OK(!r.result && r.products <= 20 * r.iterations && r.evaluations <= r.iterations + 2,
           "Newton: %d products, %d evaluations of a quadratic", (int)r.products, (int)r.evaluations);

    problem = setup(&t, &PROBLEMS[4], 0, x);
    d = (ds_minimise_desc){ 0 };
    ds_minimise(&problem, &d, x, &r);
    problem = setup(&t, &PROBLEMS[4], 0, x);
    d.method = DSIM_METHOD_GRADIENT_DESCENT;
    d.max_evaluations = d.max_iterations = 10 * r.evaluations;
    ds_minimise(&problem, &d, x, &slow);
    TAP_OK(slow.stop == DSIM_STOP_EVALUATIONS && slow.value > 100 * r.value && r.method == DSIM_METHOD_LBFGS,
           "condition 10^4: %d evaluations of L-BFGS give %.1e, ten times as many of steepest descent %.1e",
           (int)r.evaluations, r.value, slow.value);
}

/* the Wolfe conditions from one x to the next */
static int wolfe_watch(void *user, const ds_real *x, size_t n, const ds_minimise_report *so_far)
{
    task *const t = (task *)user;
    task aside = *t;
    ds_real f, g[MOST];
    double slope = 0, end = 0;
    objective(&aside, x, n, &f, g);
    for (size_t i = 0; i < n; i++) {
        slope += (double)t->last_g[i] * ((double)x[i] - (double)t->last_x[i]);
        end += (double)g[i] * ((double)x[i] - (double)t->last_x[i]);
    }
    if (t->watched++ && so_far->value > 1e-6) {
        t->worst_fall = (ds_real)fmax((double)t->worst_fall, ((double)f - t->last_f) / fabs(slope) + 1e-4);
        t->worst_slope = (ds_real)fmax((double)t->worst_slope, fabs(end / slope));
    }
    memcpy(t->last_x, x, n * sizeof *x);
    memcpy(t->last_g, g, n * sizeof *x);
    t->last_f = (double)f;
    return t->watch_until && t->watched >= t->watch_until;
}

static void wolfe_conditions(void)
{
    static const ds_method SEARCHING[] = { DSIM_METHOD_LBFGS, DSIM_METHOD_CONJUGATE_GRADIENT };
    for (int k = 0; k < 2; k++)
        for (int p = 0; p < N_PROBLEMS; p++) {
            const double c2 = k ? 0.1 : 0.9;
            ds_minimise_desc d = { 0 };
            ds_minimise_report r;
            ds_real x[MOST];
            task t;
            ds_problem problem = setup(&t, &PROBLEMS[p], 0, x);
            t.worst_fall = -1;
            d.method = SEARCHING[k];
            d.watch = wolfe_watch;
            ds_minimise(&problem, &d, x, &r);
            TAP_OK(t.watched == r.iterations && t.worst_fall <= (IS_FLOAT ? (ds_real)1e-2 : 0) &&
                       (double)t.worst_slope <= c2 * (IS_FLOAT ? 1.1 : 1 + 1e-6),
                   "Wolfe, %s, %s: falls beyond c1 by %.1e, slopes fall to %.3f in %d iterations",
                   ds_method_name(d.method), PROBLEMS[p].name, -(double)t.worst_fall, (double)t.worst_slope,
                   (int)t.watched);
        }
}

static void bounds(void)
{
    const ds_real low[4] = { -3, (ds_real)-0.5, -3, -3 }, high[4] = { (ds_real)0.5, 9, 2, (ds_real)0.75 };
    ds_real lower[MOST], upper[MOST];
    for (int i = 0; i < MOST; i++) lower[i] = low[i % 4], upper[i] = high[i % 4];
    for (int method = 0; method < DSIM_METHOD_COUNT; method++)
        for (int k = 0; k < 2; k++) {
            const struct problem *const p = &PROBLEMS[k ? 4 : 0];
            ds_minimise_desc d = { 0 };
            ds_minimise_report r;
            ds_real x[MOST];
            double off = 0;
            task t;
            ds_problem problem = setup(&t, p, is_squares((ds_method)method), x);
            problem.lower = t.lower = lower;
            problem.upper = t.upper = upper;
            if (k)
                problem.hessian = quadratic_hessian; /* differences may look beyond a bound */
            else if (method == DSIM_METHOD_NEWTON_CG)
                t.lower = t.upper = NULL;
            d.method = (ds_method)method;
            d.max_iterations = 100000;
            d.gradient_tolerance = IS_FLOAT ? 1e-7 : 1e-13;
            x[0] = 7; /* outside: clipped */
            const ds_result result = ds_minimise(&problem, &d, x, &r);
            for (int i = 0; i < p->n; i++) { /* 1 clipped; Rosenbrock: x0 = 1/2, x1 = 1/4 */
                const double want = k ? fmin(fmax(1, (double)lower[i]), (double)upper[i]) : i ? 0.25 : 0.5;
                off = fmax(off, fabs((double)x[i] - want));
            }
            /* what the bounds hold makes f large, which hides what the weak springs still gain */
            const double near = method == DSIM_METHOD_GRADIENT_DESCENT && k ? 1e-3 : IS_FLOAT ? 1e-4 : 1e-6;
            TAP_OK(!result && off < near * (IS_FLOAT ? 2000 : 1),
                   "bounds, %s, %s: x is off by %.1e, %d iterations, %s", ds_method_name(d.method), p->name,
                   off, (int)r.iterations, ds_stop_name(r.stop));
            TAP_OK(t.outside == 0, "... no call outside the bounds");
        }
}

static ds_result downhill(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user, (void)n;
    *value = -x[0];
    if (grad) grad[0] = -1;
    return DSIM_OK;
}
static ds_result wrong_sign(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user, (void)n;
    *value = x[0] * x[0];
    if (grad) grad[0] = -2 * x[0];
    return DSIM_OK;
}
/* x - log x, and beyond 0 nothing */
static ds_result barrier(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)n;
    if (user && !(x[0] > 0)) return DSIM_ERROR_FULL;
    *value = (ds_real)((double)x[0] - log((double)x[0]));
    if (grad) grad[0] = 1 - 1 / x[0];
    return DSIM_OK;
}
static void *no_memory(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    (void)user, (void)pointer, (void)old_bytes, (void)new_bytes;
    return NULL;
}

static int reached[DSIM_STOP_COUNT];

/* stops for the reason expected; x is finite, and its value the one reported */
static void stops(const ds_problem *problem, const ds_minimise_desc *d, ds_real *x, ds_stop stop,
                  const char *name)
{
    ds_minimise_report r;
    const ds_result result = ds_minimise(problem, d, x, &r);
    reached[r.stop] = 1;
    TAP_OK(r.stop == stop && r.result == result && (result == DSIM_OK) == (r.stop <= DSIM_STOP_WATCH),
           "%s: stops with %s (%s)", name, ds_stop_name(r.stop), ds_result_name(result));
    TAP_HAS(r.text, ":", "... %s", r.text);
}

static void stop_reasons(void)
{
    const struct problem *const p = &PROBLEMS[0];
    ds_minimise_desc d = { 0 };
    ds_minimise_report r;
    ds_real x[MOST], one[1], lower[2] = { 1, 1 }, upper[2] = { 0, 2 };
    task t;
    ds_problem problem = setup(&t, p, 0, x), line = { 0 };
    stops(&problem, &d, x, DSIM_STOP_GRADIENT, "Rosenbrock");
    problem = setup(&t, p, 0, x);
    d.gradient_tolerance = 1e-300;
    d.value_tolerance = 0.5;
    stops(&problem, &d, x, DSIM_STOP_VALUE, "half the value is enough");
    problem = setup(&t, p, 0, x);
    d.value_tolerance = 1e-300;
    d.step_tolerance = 0.5;
    stops(&problem, &d, x, DSIM_STOP_STEP, "half the size is no step");
    d = (ds_minimise_desc){ 0 };
    problem = setup(&t, p, 0, x);
    t.watch_until = 3;
    d.watch = wolfe_watch;
    stops(&problem, &d, x, DSIM_STOP_WATCH, "a watch that waits three times");
    d.watch = NULL;
    problem = setup(&t, p, 0, x);
    d.max_iterations = 5;
    stops(&problem, &d, x, DSIM_STOP_ITERATIONS, "5 iterations");
    for (int method = 1; method < DSIM_METHOD_COUNT; method++)
        for (size_t most = 1; most < 12; most += 5) {
            double value;
            d = (ds_minimise_desc){ 0 };
            d.method = (ds_method)method;
            d.max_evaluations = most;
            problem = setup(&t, p, is_squares(d.method), x);
            ds_minimise(&problem, &d, x, &r);
            reached[r.stop] = 1;
            t.bad_from = 0;
            ds_real f;
            objective(&t, x, 2, &f, NULL);
            value = (double)f;
            TAP_OK(r.stop == DSIM_STOP_EVALUATIONS && r.evaluations == most &&
                       fabs(value - r.value) <= (IS_FLOAT ? 1e-5 : 1e-13) * value && value <= r.value_first,
                   "%s: %d evaluations, the best x is kept", ds_method_name(d.method), (int)most);
        }
    for (size_t most = 2; most < 60; most++) {
        d = (ds_minimise_desc){ 0 };
        d.method = DSIM_METHOD_CONJUGATE_GRADIENT;
        d.max_evaluations = most;
        problem = setup(&t, &PROBLEMS[4], 0, x);
        ds_minimise(&problem, &d, x, &r);
        TAP_OK(fabs(r.value - t.best) <= 1e-5 * t.best,
               "cut off in a line search after %d evaluations: best kept", (int)most);
    }
    d = (ds_minimise_desc){ 0 };
    line.n = 1;
    line.objective = wrong_sign;
    one[0] = 1;
    stops(&line, &d, one, DSIM_STOP_LINE_SEARCH, "a gradient of the wrong sign");
    TAP_OK(one[0] == 1, "... x is as it was");
    line.objective = downhill;
    stops(&line, &d, one, DSIM_STOP_UNBOUNDED, "f = -x");
    d.memory = x;
    d.memory_bytes = 8;
    stops(&line, &d, one, DSIM_STOP_MEMORY, "8 bytes");
    d.memory = NULL;
    d.allocator.resize = no_memory;
    stops(&line, &d, one, DSIM_STOP_MEMORY, "no memory");
    d = (ds_minimise_desc){ 0 };
    line.n_residuals = SIZE_MAX / 4;
    line.residuals = residuals;
    line.objective = NULL;
    stops(&line, &d, one, DSIM_STOP_MEMORY, "residuals beyond memory");
    TAP_OK(ds_minimise_bytes(&line, &d) == 0, "... have no size");
    line.objective = downhill;
    line.n = 0;
    stops(&line, &d, one, DSIM_STOP_ARGUMENT, "no unknowns");
    stops(NULL, &d, one, DSIM_STOP_ARGUMENT, "no problem");
    problem = setup(&t, p, 0, x);
    problem.lower = lower;
    problem.upper = upper;
    stops(&problem, &d, x, DSIM_STOP_ARGUMENT, "bounds that cross");
    problem.lower = problem.upper = NULL;
    d.method = DSIM_METHOD_GAUSS_NEWTON;
    stops(&problem, &d, x, DSIM_STOP_ARGUMENT, "Gauss-Newton without residuals");
    d.method = DSIM_METHOD_LBFGS;
    d.curvature = 1e-5;
    stops(&problem, &d, x, DSIM_STOP_ARGUMENT, "c2 below c1");
    d.curvature = nan("");
    stops(&problem, &d, x, DSIM_STOP_ARGUMENT, "a desc with a NaN");
    d.curvature = 0;
    x[1] = (ds_real)INFINITY;
    stops(&problem, &d, x, DSIM_STOP_NON_FINITE, "infinite x");
}

/* callbacks that go wrong: at once, for a while, from some call on */
static void bad_callbacks(void)
{
    ds_problem line = { 0 };
    ds_real one[1];
    line.n = 1;
    line.objective = barrier;
    for (int method = 1; method < DSIM_METHOD_GAUSS_NEWTON; method++)
        for (int fails = 0; fails < 2; fails++) {
            ds_minimise_desc d = { 0 };
            ds_minimise_report r;
            line.user = fails ? one : NULL;
            one[0] = 40; /* the first Newton step leads to -1520 */
            d.method = (ds_method)method;
            ds_minimise(&line, &d, one, &r);
            TAP_OK(!r.result && fabs((double)one[0] - 1) < (IS_FLOAT ? 1e-2 : 1e-6),
                   "%s: %s beyond 0, the minimum is found in %d evaluations", ds_method_name(d.method),
                   fails ? "errors" : "NaN", (int)r.evaluations);
        }
    for (int method = 1; method < DSIM_METHOD_COUNT; method++)
        for (int kind = 0; kind < 3; kind++) /* an error, a NaN in the gradient, a NaN as value */
            for (size_t from = 1; from < 10; from += 4)
                for (int for_good = 0; for_good < 2; for_good++) {
                    const ds_stop stop = kind ? DSIM_STOP_NON_FINITE : DSIM_STOP_CALLBACK;
                    ds_minimise_desc d = { 0 };
                    ds_minimise_report r;
                    ds_real x[MOST];
                    task t;
                    ds_problem problem = setup(&t, &PROBLEMS[0], is_squares((ds_method)method), x);
                    t.bad_from = from;
                    t.bad_to = for_good ? SIZE_MAX : from;
                    t.fails = kind ? DSIM_OK : DSIM_ERROR_FULL;
                    t.bad_entry = kind == 1 ? 1 : 2;
                    d.method = (ds_method)method;
                    d.max_iterations = 100000;
                    const ds_result result = ds_minimise(&problem, &d, x, &r);
                    reached[r.stop] = 1;
                    const int dies = for_good || from == 1;
                    TAP_OK(dies ? r.stop == stop && (kind || result == DSIM_ERROR_FULL) : result == DSIM_OK,
                           "%s, %s from call %d %s: %s", ds_method_name(d.method),
                           kind == 0   ? "error"
                           : kind == 1 ? "NaN in the gradient"
                                       : "NaN",
                           (int)from, for_good ? "on" : "once", ds_stop_name(r.stop));
                    TAP_OK(x[0] - x[0] == 0 && x[1] - x[1] == 0 && r.value <= r.value_first &&
                               (r.stop != stop || !kind || r.index == t.bad_entry),
                           "... x is finite, the value did not rise, entry %d is named", (int)r.index);
                }
}

/* one block for the scratch, given back; or the caller's; and no write beyond it */
static size_t blocks, bytes_asked;
static void *counting(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    (void)user, (void)old_bytes;
    if (new_bytes) {
        blocks++;
        bytes_asked = new_bytes;
        return realloc(pointer, new_bytes);
    }
    blocks -= 1000;
    free(pointer);
    return NULL;
}
static void memory(void)
{
    for (int method = 0; method < DSIM_METHOD_COUNT; method++) {
        ds_minimise_desc d = { 0 };
        ds_real x[MOST], y[MOST];
        task t;
        ds_problem problem = setup(&t, &PROBLEMS[1], is_squares((ds_method)method), x);
        ds_minimise_report r, s;
        setup(&t, &PROBLEMS[1], 0, y);
        d.method = (ds_method)method;
        d.max_iterations = 50;
        d.allocator.resize = counting;
        const size_t bytes = ds_minimise_bytes(&problem, &d);
        char *const block = (char *)malloc(bytes + 8);
        blocks = 1000;
        ds_minimise(&problem, &d, x, &r);
        TAP_OK(blocks == 1 && bytes_asked == bytes, "%s: one block of %d bytes, given back",
               ds_method_name(d.method), (int)bytes);
        memset(block, 7, bytes + 8);
        d.memory = block;
        d.memory_bytes = bytes;
        ds_minimise(&problem, &d, y, &s);
        TAP_OK(blocks == 1 && memcmp(x, y, problem.n * sizeof *x) == 0 && r.evaluations == s.evaluations &&
                   memcmp(block + bytes, "\7\7\7\7\7\7\7\7", 8) == 0,
               "... the same bits in the caller's memory, nothing beyond it");
        free(block);
    }
}

/* the models of oracle/nist_strd.h: value and gradient at b */
static double nist_model(int k, const double *b, double x, double *g)
{
    const char *const name = NIST[k].name;
    if (!strcmp(name, "Misra1a")) {
        g[0] = 1 - exp(-b[1] * x);
        g[1] = b[0] * x * exp(-b[1] * x);
        return b[0] * g[0];
    }
    if (!strcmp(name, "DanWood")) {
        g[0] = pow(x, b[1]);
        g[1] = b[0] * g[0] * log(x);
        return b[0] * g[0];
    }
    if (!strcmp(name, "MGH17")) {
        g[0] = 1;
        g[1] = exp(-x * b[3]);
        g[2] = exp(-x * b[4]);
        g[3] = -x * b[1] * g[1];
        g[4] = -x * b[2] * g[2];
        return b[0] + b[1] * g[1] + b[2] * g[2];
    }
    if (!strcmp(name, "Thurber")) {
        const double up = b[0] + x * (b[1] + x * (b[2] + x * b[3]));
        const double down = 1 + x * (b[4] + x * (b[5] + x * b[6]));
        for (int i = 0; i < 4; i++) g[i] = pow(x, i) / down;
        for (int i = 0; i < 3; i++) g[4 + i] = -up / down * pow(x, i + 1) / down;
        return up / down;
    }
    if (!strcmp(name, "MGH09")) {
        const double up = x * x + x * b[1], down = x * x + x * b[2] + b[3];
        g[0] = up / down;
        g[1] = b[0] * x / down;
        g[2] = -b[0] * up / down * x / down;
        g[3] = -b[0] * up / down / down;
        return b[0] * up / down;
    }
    /* Eckerle4 */
    const double u = (x - b[2]) / b[1], e = exp(-u * u / 2) / b[1];
    g[0] = e;
    g[1] = b[0] * e * (u * u - 1) / b[1];
    g[2] = b[0] * e * u / b[1];
    return b[0] * e;
}

static ds_result nist_residuals(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian)
{
    const int k = *(const int *)user;
    double b[7], g[7];
    for (size_t j = 0; j < n; j++) b[j] = (double)x[j];
    for (size_t i = 0; i < (size_t)NIST[k].m; i++) {
        r[i] = (ds_real)(nist_model(k, b, NIST[k].x[i], g) - NIST[k].y[i]);
        for (size_t j = 0; jacobian && j < n; j++) jacobian[i * n + j] = (ds_real)g[j];
    }
    return DSIM_OK;
}

static void nist(void)
{
    for (int k = 0; k < (int)(sizeof NIST / sizeof *NIST); k++)
        for (int start = 0; start < 2; start++) {
            ds_problem problem = { 0 };
            ds_minimise_report r;
            ds_real x[7], c[49];
            double off = 0, off_deviation = 0;
            problem.user = &k;
            problem.n = (size_t)NIST[k].n;
            problem.n_residuals = (size_t)NIST[k].m;
            problem.residuals = nist_residuals;
            for (int i = 0; i < NIST[k].n; i++) x[i] = (ds_real)NIST[k].start[start][i];
            const ds_result result = ds_minimise(&problem, NULL, x, &r);
            const ds_result second = ds_covariance(&problem, NULL, x, c);
            for (int i = 0; i < NIST[k].n; i++) {
                const double s = sqrt((double)c[i * NIST[k].n + i]);
                off = fmax(off, fabs((double)x[i] / NIST[k].certified[i] - 1));
                off_deviation = fmax(off_deviation, fabs(s / NIST[k].deviation[i] - 1));
            }
            if (IS_FLOAT) {
                TAP_OK(r.stop < DSIM_STOP_ARGUMENT && r.value <= r.value_first,
                       "NIST %s in float: f is %.6g of %.6g, %s", NIST[k].name, r.value,
                       NIST[k].sum_of_squares / 2, ds_stop_name(r.stop));
                continue;
            }
            TAP_OK(!result && off < 1e-6,
                   "NIST %s, start %d: b within %.0e, %d iterations, %d evaluations, %s", NIST[k].name,
                   start + 1, off, (int)r.iterations, (int)r.evaluations, ds_stop_name(r.stop));
            TAP_NEAR(2 * r.value, NIST[k].sum_of_squares, 1e-9, "... certified sum of squares");
            TAP_OK(!second && off_deviation < 1e-5, "... certified standard deviations within %.0e",
                   off_deviation);
        }
    int first = 0;
    ds_real x[7] = { 1, 1, 1, 1, 1, 1, 1 }, c[49];
    ds_problem problem = { 0 };
    problem.user = &first;
    problem.residuals = nist_residuals;
    problem.n = problem.n_residuals = 2;
    TAP_OK(ds_covariance(&problem, NULL, x, c) == DSIM_ERROR_ARGUMENT, "no covariance without freedom");
}

int main(void)
{
    methods();
    conjugate_directions();
    wolfe_conditions();
    bounds();
    stop_reasons();
    bad_callbacks();
    memory();
    nist();
    for (int k = 1; k < DSIM_STOP_COUNT; k++) TAP_OK(reached[k], "%s was reached", ds_stop_name((ds_stop)k));
    TAP_HAS(ds_stop_name((ds_stop)99), "unknown", "no such stop");
    TAP_HAS(ds_method_name((ds_method)99), "unknown", "no such method");
    return tap_end();
}
