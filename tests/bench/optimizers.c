/* optimizers.c - how many evaluations the methods of ds_minimise need, on classical problems and on least
   squares of NIST recorded on the tape. Solved is a value within 1e-8 of the least one, or 1e-10. As a shared
   library (optimizers.py) it gives the same functions to SciPy and counts its evaluations alike. */
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"

#include "../oracle/nist_strd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* >>problems ---- */

enum { MOST_N = 7, MOST_M = 37, N_NIST = sizeof NIST / sizeof *NIST };

/* f = |r|^2 / 2; r [m] recorded from x [n] */
static void rosenbrock(const ds_var *x, ds_var *r)
{
    r[0] = ds_mul(ds_c(10), ds_sub(x[1], ds_square(x[0])));
    r[1] = ds_sub(ds_c(1), x[0]);
}

static void beale(const ds_var *x, ds_var *r)
{
    static const double y[3] = { 1.5, 2.25, 2.625 };
    for (int i = 0; i < 3; i++)
        r[i] = ds_sub(ds_c(y[i]), ds_mul(x[0], ds_sub(ds_c(1), ds_powi(x[1], ds_c(i + 1)))));
}

static void powell(const ds_var *x, ds_var *r)
{
    r[0] = ds_fma(ds_c(10), x[1], x[0]);
    r[1] = ds_mul(ds_c(sqrt(5)), ds_sub(x[2], x[3]));
    r[2] = ds_square(ds_fma(ds_c(-2), x[2], x[1]));
    r[3] = ds_mul(ds_c(sqrt(10)), ds_square(ds_sub(x[0], x[3])));
}

typedef struct classical {
    const char *name;
    void      (*residuals)(const ds_var *x, ds_var *r);
    int         n, m;
    double      start[4];
} classical;

static const classical CLASSICAL[] = {
    { "Rosenbrock", rosenbrock, 2, 2, { -1.2, 1 } },
    { "Beale", beale, 2, 3, { 1, 1 } },
    { "Powell singular", powell, 4, 4, { 3, -1, 0, 1 } },
};

enum { N_CLASSICAL = sizeof CLASSICAL / sizeof *CLASSICAL };
enum { N_PROBLEMS = N_CLASSICAL + 2 * N_NIST };         /* NIST gives two starting points */

/* c0 + x (c1 + x (c2 + ...)) */
static ds_var horner(const ds_var *c, int n, double x)
{
    ds_var y = c[n - 1];
    for (int i = n - 2; i >= 0; i--) y = ds_fma(ds_c(x), y, c[i]);
    return y;
}

static ds_var nist_model(const char *name, const ds_var *b, double x)
{
    if (!strcmp(name, "Misra1a")) return ds_mul(b[0], ds_neg(ds_expm1(ds_mul(b[1], ds_c(-x)))));
    if (!strcmp(name, "DanWood")) return ds_mul(b[0], ds_pow(ds_c(x), b[1]));
    if (!strcmp(name, "MGH17")) {
        ds_var y = ds_fma(b[1], ds_exp(ds_mul(ds_c(-x), b[3])), b[0]);
        return ds_fma(b[2], ds_exp(ds_mul(ds_c(-x), b[4])), y);
    }
    if (!strcmp(name, "Thurber"))
        return ds_div(horner(b, 4, x), ds_fma(ds_c(x), horner(b + 4, 3, x), ds_c(1)));
    if (!strcmp(name, "MGH09")) {
        ds_var up = ds_fma(ds_c(x), b[1], ds_c(x * x)), down = ds_fma(ds_c(x), b[2], ds_c(x * x));
        return ds_div(ds_mul(b[0], up), ds_add(down, b[3]));
    }
    /* Eckerle4 */
    ds_var u = ds_div(ds_sub(ds_c(x), b[2]), b[1]);
    return ds_mul(ds_div(b[0], b[1]), ds_exp(ds_mul(ds_c(-0.5), ds_square(u))));
}

/* >>the open problem ---- */

/* prototypes of what optimizers.py calls */
int problem_open(int index, double *x, int *m);
int problem_solved_at(void);
ds_result problem_value(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad);
ds_result problem_residuals(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian);
ds_result problem_product(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv);

static struct {
    int      index, n, m;
    double   least;
    double   last[MOST_N];
    int      points, solved_at;                         /* evaluated; the first one that was low enough */
    ds_tape *tape;
    ds_var   x[MOST_N], r[MOST_M], f;
} at;

static const nist_problem *nist_of(int index)
{
    return index < N_CLASSICAL ? NULL : &NIST[(index - N_CLASSICAL) / 2];
}

/* Writes the starting point x and the number of residuals m; returns the number of unknowns, 0: no more. */
int problem_open(int index, double *x, int *m)
{
    if (!at.tape) at.tape = ds_tape_create(NULL);
    if (index >= N_PROBLEMS || !at.tape) return 0;
    const nist_problem *nist = nist_of(index);
    const classical *c = nist ? NULL : &CLASSICAL[index];
    at.index = index;
    at.n = nist ? nist->n : c->n;
    at.m = nist ? nist->m : c->m;
    at.least = nist ? nist->sum_of_squares / 2 : 0;
    at.points = at.solved_at = 0;
    memcpy(x, nist ? nist->start[(index - N_CLASSICAL) % 2] : c->start, (size_t)at.n * sizeof *x);
    *m = at.m;
    return at.n;
}

int problem_solved_at(void)
{
    return at.solved_at;
}

static ds_result record(const double *x)
{
    const nist_problem *nist = nist_of(at.index);
    ds_tape_reset(at.tape);
    for (int i = 0; i < at.n; i++) at.x[i] = ds_input(at.tape, x[i]);
    if (!nist) CLASSICAL[at.index].residuals(at.x, at.r);
    for (int i = 0; nist && i < at.m; i++)
        at.r[i] = ds_sub(nist_model(nist->name, at.x, nist->x[i]), ds_c(nist->y[i]));
    at.f = ds_mul(ds_c(0.5), ds_dot(at.r, at.r, (size_t)at.m));
    return ds_tape_error(at.tape)->code;
}

/* a point asked for twice in a row counts once */
static ds_result record_and_count(const double *x)
{
    const ds_result result = record(x);
    if (!at.points || memcmp(at.last, x, (size_t)at.n * sizeof *x)) at.points++;
    memcpy(at.last, x, (size_t)at.n * sizeof *x);
    if (!at.solved_at && ds_value(at.f) <= at.least * (1 + 1e-8) + 1e-10) at.solved_at = at.points;
    return result;
}

ds_result problem_value(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user;
    ds_result result = record_and_count(x);
    *value = ds_value(at.f);
    if (!result && grad) result = ds_backward(at.f);
    for (size_t i = 0; grad && i < n; i++) grad[i] = ds_grad(at.x[i]);
    return result;
}

ds_result problem_residuals(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian)
{
    (void)user;
    ds_result result = record_and_count(x);
    for (int i = 0; i < at.m; i++) r[i] = ds_value(at.r[i]);
    for (size_t j = 0; jacobian && j < n && !result; j++) {
        double unit[MOST_N] = { 0 };
        unit[j] = 1;
        result = ds_forward(at.x, unit, n);
        for (size_t i = 0; i < (size_t)at.m; i++) jacobian[i * n + j] = ds_tangent(at.r[i]);
    }
    return result;
}

ds_result problem_product(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    (void)user;
    const ds_result result = record(x);
    return result ? result : ds_hessian_vector(at.f, at.x, v, n, Hv);
}

/* >>table ---- */

static const struct column {
    ds_method   method;
    const char *name;
    int         enough[2];                              /* evaluations; classical, NIST; 0: may fail */
} COLUMNS[] = {
    { DSIM_METHOD_GRADIENT_DESCENT, "descent", { 0, 0 } },
    { DSIM_METHOD_CONJUGATE_GRADIENT, "CG", { 200, 0 } },
    { DSIM_METHOD_LBFGS, "L-BFGS", { 60, 0 } },
    { DSIM_METHOD_NEWTON_CG, "Newton", { 120, 0 } },
    { DSIM_METHOD_GAUSS_NEWTON, "GN", { 40, 0 } },
    { DSIM_METHOD_LEVENBERG_MARQUARDT, "LM", { 40, 700 } },
};

enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS };

/* evaluations to solve, 0: not solved */
static int solve(int index, ds_method method)
{
    double x[MOST_N];
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    int m;
    problem.n = (size_t)problem_open(index, x, &m);
    if (method >= DSIM_METHOD_GAUSS_NEWTON) {
        problem.residuals = problem_residuals;
        problem.n_residuals = (size_t)m;
    } else {
        problem.objective = problem_value;
        problem.hessian = problem_product;
    }
    desc.method = method;
    ds_minimise(&problem, &desc, x, NULL);
    return at.solved_at;
}

int main(void)
{
    int bad = 0;
    printf("%-18s", "evals. to solve");
    for (int c = 0; c < N_COLUMNS; c++) printf(" %8s", COLUMNS[c].name);
    printf("\n");
    for (int i = 0; i < N_PROBLEMS; i++) {
        const nist_problem *nist = nist_of(i);
        char name[32];
        snprintf(name, sizeof name, nist ? "%s, start %d" : "%s", nist ? nist->name : CLASSICAL[i].name,
                 (i - N_CLASSICAL) % 2 + 1);
        printf("%-18s", name);
        for (int c = 0; c < N_COLUMNS; c++) {
            const int evaluations = solve(i, COLUMNS[c].method), enough = COLUMNS[c].enough[nist != NULL];
            if (evaluations) printf(" %8d", evaluations);
            else printf(" %8s", "-");
            if (!enough || (evaluations && evaluations <= enough)) continue;
            bad = 1;
            fprintf(stderr, "%s does not solve %s in %d evaluations\n", COLUMNS[c].name, name, enough);
        }
        printf("\n");
    }
    ds_tape_destroy(at.tape);
    return bad;
}
