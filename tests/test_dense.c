/* test_dense.c - dense factorisations: small residuals and orthogonal factors on random, graded and
   ill-conditioned matrices, inertia equal to the signs of the eigenvalues, ranks, determinants, and errors
   that name the pivot or the entry */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <float.h>
#include <math.h>

#define EPSILON (sizeof(ds_real) == 4 ? (double)FLT_EPSILON : DBL_EPSILON)
enum { MOST = 40 };

static ds_rng rng;
static ds_real A[MOST * MOST], F[MOST * MOST], V[MOST * MOST], x[MOST], b[MOST], values[MOST], tau[MOST];
static int32_t pivots[MOST];

static double uniform(void) { return 2 * (double)ds_rng_uniform(&rng) - 1; }
static double largest(const ds_real *v, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)v[i]));
    return most;
}

/* b = A x (or A' x), A [m][n] */
static void multiply(const ds_real *a, size_t m, size_t n, int transposed, const ds_real *v, ds_real *out)
{
    for (size_t i = 0; i < (transposed ? n : m); i++) {
        double sum = 0;
        for (size_t j = 0; j < (transposed ? m : n); j++)
            sum += (double)(transposed ? a[j * n + i] : a[i * n + j]) * (double)v[j];
        out[i] = (ds_real)sum;
    }
}

/* |A x - b| / (|A| |x| + |b|) in epsilon, with b = A [some vector] and x by the solver */
static double residual(const ds_real *a, size_t n, int transposed)
{
    ds_real Ax[MOST];
    double most = 0;
    multiply(a, n, n, transposed, x, Ax);
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)Ax[i] - (double)b[i]));
    return n ? most / (largest(a, n * n) * largest(x, n) * (double)n + largest(b, n)) / EPSILON : 0;
}

static void copy(ds_real *to, const ds_real *from, size_t n) { memcpy(to, from, n * sizeof *to); }

/* the kinds of matrices that are tried; each fills A [n][n] */
static void random_matrix(size_t n)
{
    for (size_t i = 0; i < n * n; i++) A[i] = (ds_real)uniform();
}
static void symmetric(size_t n)
{
    random_matrix(n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) A[j * n + i] = A[i * n + j];
}
static void zero_diagonal(size_t n) /* needs 2x2 pivots; singular for odd n only by chance */
{
    symmetric(n);
    for (size_t i = 0; i < n; i++) A[i * n + i] = 0;
    if (n == 1) A[0] = 3;
}
static void saddle(size_t n) /* [K B'; B 0], as constraints make it */
{
    symmetric(n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (i >= n - n / 3 && j >= n - n / 3)
                A[i * n + j] = 0;
            else if (i < n - n / 3 && j < n - n / 3)
                A[i * n + j] = i == j ? (ds_real)(2 + uniform()) : 0;
}
static void graded(size_t n) /* rows and columns from 1 to 1e-6 */
{
    symmetric(n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) A[i * n + j] *= (ds_real)pow(10, -3.0 * (double)(i + j) / (double)n);
}
static void definite(size_t n) /* B B' + a little */
{
    random_matrix(n);
    copy(F, A, n * n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = i == j ? 1e-3 : 0;
            for (size_t k = 0; k < n; k++) sum += (double)F[i * n + k] * (double)F[j * n + k];
            A[i * n + j] = (ds_real)sum;
        }
}
static void hilbert(size_t n) /* condition beyond 1/epsilon from n = 13 (float: 6) */
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) A[i * n + j] = (ds_real)(1.0 / (double)(i + j + 1));
}
static const struct kind {
    const char *name;
    void (*fill)(size_t n);
    int symmetric, definite, hopeless; /* hopeless: solutions are large, residuals still small */
} KINDS[] = { { "random", random_matrix, 0, 0, 0 },
              { "symmetric", symmetric, 1, 0, 0 },
              { "zero diagonal", zero_diagonal, 1, 0, 0 },
              { "saddle", saddle, 1, 0, 0 },
              { "graded", graded, 1, 0, 0 },
              { "definite", definite, 1, 1, 0 },
              { "Hilbert", hilbert, 1, 0, 1 } };
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };
static const size_t SIZES[] = { 0, 1, 2, 3, 4, 7, 12, 25, 40 };
enum { N_SIZES = sizeof SIZES / sizeof *SIZES };

static void right_side(size_t n)
{
    for (size_t i = 0; i < n; i++) b[i] = (ds_real)uniform();
    copy(x, b, n);
}

/* log and sign of the determinant of two factorisations agree */
static int same_determinant(const ds_dense_info *p, const ds_dense_info *q, size_t n)
{
    return p->sign == q->sign &&
           fabs(p->log_determinant - q->log_determinant) <= 1e4 * EPSILON * (1 + (double)n);
}

static void solves(const struct kind *k, size_t n)
{
    ds_dense_info lu, ldlt, other;
    double worst;
    k->fill(n);
    copy(F, A, n * n);
    right_side(n);
    TAP_OK(!ds_lu_factor(F, n, pivots, &lu) && !ds_lu_solve(F, n, pivots, x), "lu, %s %d: solved", k->name,
           (int)n);
    worst = residual(A, n, 0);
    copy(x, b, n);
    ds_lu_solve_transposed(F, n, pivots, x);
    TAP_OK(worst < 8 && residual(A, n, 1) < 8, "lu, %s %d: residuals are %.1f and, transposed, %.1f epsilon",
           k->name, (int)n, worst, residual(A, n, 1));
    TAP_OK(lu.positive + lu.negative == n && lu.zero == 0, "lu, %s %d: pivots are counted", k->name, (int)n);
    if (!k->symmetric) return;

    copy(F, A, n * n);
    for (size_t i = 0; i < n; i++) /* nothing looks above the diagonal */
        for (size_t j = i + 1; j < n; j++) F[i * n + j] = (ds_real)nan("");
    copy(x, b, n);
    TAP_OK(!ds_ldlt_factor(F, n, pivots, &ldlt) && !ds_ldlt_solve(F, n, pivots, x), "ldlt, %s %d: solved",
           k->name, (int)n);
    TAP_OK(residual(A, n, 0) < 8, "ldlt, %s %d: residual is %.1f epsilon", k->name, (int)n,
           residual(A, n, 0));
    TAP_OK(k->hopeless || same_determinant(&lu, &ldlt, n), "lu and ldlt, %s %d: log |det| %.4g, sign %d",
           k->name, (int)n, ldlt.log_determinant, ldlt.sign);

    copy(F, A, n * n);
    const ds_result result = ds_symmetric_eigen(F, n, values, V, &other);
    TAP_OK(!result, "eigen, %s %d: %d sweeps", k->name, (int)n, (int)other.sweeps);
    if (!k->hopeless) {
        size_t above = 0;
        for (size_t i = 0; i < n; i++) above += values[i] > 0;
        TAP_OK(ldlt.positive == above && ldlt.negative == n - above,
               "inertia, %s %d: %d positive eigenvalues, %d negative", k->name, (int)n, (int)above,
               (int)(n - above));
    }
    if (!k->definite) return;
    copy(F, A, n * n);
    copy(x, b, n);
    TAP_OK(!ds_cholesky_factor(F, n, &other) && !ds_cholesky_solve(F, n, x), "Cholesky, %s %d: solved",
           k->name, (int)n);
    TAP_OK(residual(A, n, 0) < 8 && same_determinant(&lu, &other, n) && other.rank == n,
           "Cholesky, %s %d: residual is %.1f epsilon", k->name, (int)n, residual(A, n, 0));
}

static void eigenvectors(const struct kind *k, size_t n)
{
    double miss = 0, skew = 0, size;
    k->fill(n);
    copy(F, A, n * n);
    size = largest(A, n * n) * (double)n + DBL_MIN;
    ds_symmetric_eigen(F, n, values, V, NULL);
    for (size_t i = 0; i < n; i++) {
        ds_real v[MOST], Av[MOST];
        for (size_t j = 0; j < n; j++) v[j] = V[j * n + i];
        multiply(A, n, n, 0, v, Av);
        for (size_t j = 0; j < n; j++) {
            double dot = 0;
            for (size_t r = 0; r < n; r++) dot += (double)V[r * n + i] * (double)V[r * n + j];
            skew = fmax(skew, fabs(dot - (i == j)));
            miss = fmax(miss, fabs((double)Av[j] - (double)values[i] * (double)v[j]));
        }
        if (i && !(values[i - 1] <= values[i])) miss = DBL_MAX;
    }
    TAP_OK(miss < 4 * EPSILON * size && skew < (8 + (double)n) * EPSILON,
           "eigen, %s %d: A v - v lambda is %.1f epsilon, V'V - 1 is %.1f", k->name, (int)n,
           n ? miss / EPSILON / size : 0, skew / EPSILON);
}

/* eigenvalues of the second difference: 2 - 2 cos(k pi / (n + 1)) */
static void known_spectrum(void)
{
    enum { N = 20 };
    double miss = 0;
    for (size_t i = 0; i < N * N; i++) {
        const size_t row = i / N, column = i % N;
        F[i] = row == column ? 2 : row == column + 1 || column == row + 1 ? -1 : 0;
    }
    ds_symmetric_eigen(F, N, values, NULL, NULL);
    for (int k = 0; k < N; k++)
        miss = fmax(miss, fabs((double)values[k] - 2 + 2 * cos((k + 1) * 3.14159265358979323846 / (N + 1))));
    TAP_OK(miss < 40 * EPSILON, "the spectrum of the second difference, without vectors: off by %.2g", miss);
}

/* A of given rank: a product of random [m][rank] and [rank][n] */
static void product(size_t m, size_t n, size_t rank)
{
    for (size_t i = 0; i < m * n; i++) A[i] = 0;
    for (size_t k = 0; k < rank; k++) {
        for (size_t i = 0; i < m; i++) values[i] = (ds_real)uniform();
        for (size_t j = 0; j < n; j++) x[j] = (ds_real)uniform();
        for (size_t i = 0; i < m * n; i++) A[i] += values[i / n] * x[i % n];
    }
}

static ds_qr qr_of(size_t m, size_t n)
{
    ds_qr qr;
    copy(F, A, m * n);
    qr.a = F;
    qr.m = m;
    qr.n = n;
    qr.rank = 0;
    qr.tau = tau;
    qr.columns = pivots;
    return qr;
}

/* ds_qr_factor says the sign of det A: reflections and exchanges of columns change that of its pivots */
static void qr_sign(void)
{
    for (size_t n = 1; n <= 12; n++) {
        ds_dense_info lu, info;
        ds_result result;
        ds_qr qr;
        for (size_t i = 0; i < n * n; i++) A[i] = (ds_real)uniform();
        copy(F, A, n * n);
        ds_lu_factor(F, n, pivots, &lu);
        qr = qr_of(n, n);
        result = ds_qr_factor(&qr, &info);
        TAP_OK(result == DSIM_OK && same_determinant(&lu, &info, n),
               "qr and lu %d: log |det| %.4g, sign %d", (int)n, info.log_determinant, info.sign);
    }
}

/* a block 2x2 whose eigenvalues differ by 1e10: the small one is no difference of large ones */
static void inertia_of_a_wide_block(void)
{
    const double wide = sizeof(ds_real) == 4 ? 5e4 : 5e10;
    const double entries[9] = { 0, 1, 0, 1, wide, 2 * wide, 0, 2 * wide, 1 }; /* determinant -1 */
    ds_dense_info info;
    ds_result result;
    for (int i = 0; i < 9; i++) F[i] = (ds_real)entries[i];
    result = ds_ldlt_factor(F, 3, pivots, &info);
    TAP_OK(result == DSIM_OK && info.positive == 2 && info.negative == 1 &&
               info.sign == -1 && fabs(info.log_determinant) < 1e-5,
           "inertia +%d -%d 0:%d, log |det| %.1e", (int)info.positive, (int)info.negative, (int)info.zero,
           info.log_determinant);
}

/* the residual of least squares is orthogonal to the columns, and as long as the end of Q'b */
static void least_squares(size_t m, size_t n, size_t rank)
{
    ds_dense_info info;
    ds_qr qr;
    ds_real r[MOST], Ar[MOST], Qb[MOST];
    double length = 0, end = 0, normal;
    product(m, n, rank);
    qr = qr_of(m, n);
    for (size_t i = 0; i < m; i++) b[i] = Qb[i] = (ds_real)uniform();
    const ds_result result = ds_qr_factor(&qr, &info);
    TAP_OK(!result && qr.rank == rank && info.rank == rank, "qr %dx%d: rank %d", (int)m, (int)n,
           (int)info.rank);
    ds_qr_solve(&qr, Qb, x);
    multiply(A, m, n, 0, x, r);
    for (size_t i = 0; i < m; i++) {
        r[i] -= b[i];
        length += (double)r[i] * (double)r[i];
        if (i >= rank) end += (double)Qb[i] * (double)Qb[i];
    }
    multiply(A, m, n, 1, r, Ar);
    normal = m && n ? largest(Ar, n) / ((largest(A, m * n) + DBL_MIN) * (double)m * (1 + largest(x, n))) : 0;
    TAP_OK(normal < 8 * EPSILON && fabs(sqrt(length) - sqrt(end)) < 100 * EPSILON * (1 + largest(x, n)),
           "qr %dx%d of rank %d: A'r is %.1f epsilon, |r| is %.3g", (int)m, (int)n, (int)rank,
           normal / EPSILON, sqrt(length));
    size_t nonzero = 0;
    for (size_t j = 0; j < n; j++) nonzero += x[j] != 0;
    TAP_OK(nonzero <= rank, "qr %dx%d of rank %d: the other unknowns are 0", (int)m, (int)n, (int)rank);
}

static void covariance(void)
{
    enum { M = 12, N = 4 };
    ds_real c[N * N];
    ds_qr qr;
    double miss = 0;
    product(M, N, N);
    qr = qr_of(M, N);
    ds_qr_factor(&qr, NULL);
    TAP_OK(!ds_qr_covariance(&qr, c), "covariance made");
    for (size_t i = 0; i < N; i++) /* (A'A) c = 1 */
        for (size_t j = 0; j < N; j++) {
            ds_real column[N], Ac[M], AAc[N];
            for (size_t k = 0; k < N; k++) column[k] = c[k * N + j];
            multiply(A, M, N, 0, column, Ac);
            multiply(A, M, N, 1, Ac, AAc);
            miss = fmax(miss, fabs((double)AAc[i] - (i == j)));
        }
    TAP_OK(miss < 1e4 * EPSILON, "(A'A) c = 1 within %.1f epsilon", miss / EPSILON);
    product(M, N, N - 1);
    qr = qr_of(M, N);
    ds_qr_factor(&qr, NULL);
    TAP_OK(ds_qr_covariance(&qr, c) == DSIM_ERROR_SINGULAR, "no covariance without full rank");
}

/* zeroes row and column i of a symmetric matrix */
static void empty_row(size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++) A[i * n + k] = A[k * n + i] = 0;
}

static void errors(void)
{
    enum { N = 7 };
    ds_dense_info info;
    for (size_t bad = 0; bad < N; bad++) {
        symmetric(N);
        empty_row(N, bad);
        copy(F, A, N * N);
        ds_result result = ds_ldlt_factor(F, N, pivots, &info);
        TAP_OK(result == DSIM_ERROR_SINGULAR && info.index == bad && info.rank == N - 1 && info.zero == 1 &&
                   info.sign == 0,
               "ldlt: row %d is named, rank %d", (int)bad, (int)info.rank);
        right_side(N);
        TAP_OK(ds_ldlt_solve(F, N, pivots, x) == DSIM_ERROR_SINGULAR && memcmp(x, b, N * sizeof *x) == 0,
               "ldlt: nothing is solved, x is as it was");
        copy(F, A, N * N);
        TAP_OK(ds_lu_factor(F, N, pivots, &info) == DSIM_ERROR_SINGULAR && info.index == bad &&
                   info.rank == N - 1 && ds_lu_solve(F, N, pivots, x) == DSIM_ERROR_SINGULAR &&
                   ds_lu_solve_transposed(F, N, pivots, x) == DSIM_ERROR_SINGULAR,
               "lu: column %d is named", (int)bad);
        definite(N);
        A[bad * N + bad] = -1;
        copy(F, A, N * N);
        TAP_OK(ds_cholesky_factor(F, N, &info) == DSIM_ERROR_INDEFINITE && info.index == bad,
               "Cholesky: row %d is not positive", (int)bad);
    }
    symmetric(N);
    A[5 * N + 2] = (ds_real)nan("");
    A[6 * N + 1] = (ds_real)INFINITY;
    copy(F, A, N * N);
    TAP_OK(ds_ldlt_factor(F, N, pivots, &info) == DSIM_ERROR_NON_FINITE && info.index == 5 * N + 2 &&
               memcmp(F, A, sizeof(ds_real) * N * N) == 0,
           "ldlt: a NaN is named, nothing is changed");
    TAP_OK(ds_cholesky_factor(F, N, &info) == DSIM_ERROR_NON_FINITE && info.index == 5 * N + 2,
           "Cholesky: NaN");
    TAP_OK(ds_lu_factor(F, N, pivots, &info) == DSIM_ERROR_NON_FINITE && info.index == 5 * N + 2, "lu: NaN");
    TAP_OK(ds_symmetric_eigen(F, N, values, V, &info) == DSIM_ERROR_NON_FINITE && info.index == 5 * N + 2,
           "eigen: NaN");
    copy(V, A, N * N);
    ds_qr qr = qr_of(N, N);
    TAP_OK(ds_qr_factor(&qr, &info) == DSIM_ERROR_NON_FINITE && info.index == 5 * N + 2, "qr: NaN");
    TAP_OK(ds_lu_factor(NULL, 2, pivots, &info) == DSIM_ERROR_ARGUMENT &&
               ds_lu_factor(F, 2, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_ldlt_factor(NULL, 2, pivots, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_cholesky_factor(NULL, 2, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_symmetric_eigen(F, 2, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_qr_factor(NULL, NULL) == DSIM_ERROR_ARGUMENT,
           "what is missing is refused");
}

int main(void)
{
    rng = ds_rng_make(3, 0);
    for (size_t k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < N_SIZES; i++) {
            if (KINDS[k].hopeless && SIZES[i] > (sizeof(ds_real) == 4 ? 7 : 12)) continue;
            solves(&KINDS[k], SIZES[i]);
            if (KINDS[k].symmetric) eigenvectors(&KINDS[k], SIZES[i]);
        }
    known_spectrum();
    static const size_t shape[][3] = { { 5, 5, 5 }, { 9, 4, 4 }, { 9, 4, 2 },    { 4, 9, 4 },
                                       { 4, 9, 3 }, { 1, 1, 1 }, { 1, 1, 0 },    { 3, 2, 0 },
                                       { 5, 0, 0 }, { 0, 5, 0 }, { 38, 30, 30 }, { 38, 30, 11 } };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        least_squares(shape[i][0], shape[i][1], shape[i][2]);
    qr_sign();
    inertia_of_a_wide_block();
    covariance();
    errors();
    return tap_end();
}
