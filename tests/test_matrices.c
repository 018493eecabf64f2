/* test_matrices.c - 3x3 matrices on a tape: rows against plain matrices, bit for bit; identities of their
   derivatives, singular matrices included; views */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <string.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
static double tolerance(void) { return IS_FLOAT ? 2e-5 : 2e-13; }

static ds_m3 random_m3(ds_rng *rng)
{
    ds_m3 m;
    for (int i = 0; i < 9; i++) m.m[i] = 2 * ds_rng_uniform(rng) - 1;
    return m;
}
static double distance(ds_m3 a, ds_m3 b)
{
    double most = 0;
    for (int i = 0; i < 9; i++) most = fmax(most, fabs((double)(a.m[i] - b.m[i])));
    return most;
}
static int same(ds_m3 a, ds_m3 b) { return !memcmp(a.m, b.m, sizeof a.m); }
static double contract(ds_m3 a, ds_m3 b)
{
    double sum = 0;
    for (int i = 0; i < 9; i++) sum += (double)(a.m[i] * b.m[i]);
    return sum;
}

/* what the rows compute is what the plain functions do */
static void test_values(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(1, 0);
    int product = 1, turned = 1, minors = 1, det = 1, inverse = 1, columns = 1, views = 1;
    double ddot = 0, shift = 0;
    for (int trial = 0; trial < 200; trial++) {
        const ds_m3 a = random_m3(&rng), b = random_m3(&rng);
        ds_var33 A, B;
        ds_tape_reset(t);
        A = ds_input33(t, a), B = ds_input33(t, b);
        product &= same(ds_value33(ds_mul33(A, B)), ds_m3_mul(a, b));
        turned &= same(ds_value33(ds_transpose33(A)), ds_m3_transpose(a));
        minors &= same(ds_value33(ds_cofactor33(A)), ds_m3_cofactor(a));
        det &= ds_value(ds_det33(A)) == ds_m3_det(a);
        inverse &= same(ds_value33(ds_inverse33(A)), ds_m3_inverse(a));
        columns &= same(ds_value33(ds_columns33(ds_column(A, 0), ds_column(A, 1), ds_column(A, 2))), a);
        for (int i = 0; i < 9; i++)
            views &= ds_value(ds_m(A, (size_t)i / 3, (size_t)i % 3)) == a.m[i];
        ddot = fmax(ddot, fabs((double)ds_value(ds_ddot33(A, B)) - contract(a, b)));
        shift = fmax(shift, distance(ds_value33(ds_shift33(A, ds_c(2))),
                                     ds_m3_add(a, ds_m3_diagonal(2, 2, 2))));
    }
    TAP_OK(product, "mul33 is ds_m3_mul, bit for bit");
    TAP_OK(turned, "transpose33 is ds_m3_transpose");
    TAP_OK(minors, "cofactor33 is ds_m3_cofactor, bit for bit");
    TAP_OK(det, "det33 is ds_m3_det, bit for bit");
    TAP_OK(inverse, "inverse33 is ds_m3_inverse, bit for bit");
    TAP_OK(columns, "three columns are the matrix");
    TAP_OK(views, "ds_m(A, i, j) is the entry in row i and column j");
    TAP_OK(ddot <= tolerance() && shift <= tolerance(), "ddot33 and shift33 (%.1e, %.1e)", ddot, shift);
    ds_tape_destroy(t);
}

/* d det = cof : dA and d cof from minors: no division, so a rank of 2, 1 or 0 is no special case */
static void test_singular(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(2, 0);
    for (int rank = 0; rank < 4; rank++) {
        const ds_m3 u = random_m3(&rng), v = random_m3(&rng), g = random_m3(&rng);
        const ds_m3 s = ds_m3_diagonal(rank > 0, rank > 1, rank > 2), a = ds_m3_mul(ds_m3_mul(u, s), v);
        ds_m3 gradient, two;
        ds_var33 A, C;
        ds_var f, x[9];
        ds_real H[81];
        double error = 0;
        ds_tape_reset(t);
        A = ds_input33(t, a);
        f = ds_det33(A);
        TAP_OK(ds_backward(f) == DSIM_OK && same(ds_grad33(A), ds_m3_cofactor(a)),
               "rank %d: d det / dA is the cofactor matrix", rank);
        /* g : cof is quadratic: its gradient in A is g : (cof(A + dA) - cof(A) - cof(dA)) for any dA */
        C = ds_cofactor33(A);
        f = ds_ddot33(ds_input33(t, g), C);
        if (ds_backward(f)) tap_diag("%s", ds_tape_error(t)->text);
        gradient = ds_grad33(A);
        two = ds_m3_add(ds_m3_cofactor(ds_m3_add(a, v)), ds_m3_scale(ds_m3_cofactor(a), -1));
        two = ds_m3_add(two, ds_m3_scale(ds_m3_cofactor(v), -1));
        TAP_NEAR(contract(gradient, v), contract(g, two), tolerance(), "rank %d: d (g : cof)", rank);
        /* the Hessian of det: its column k is how cof changes with entry k */
        for (size_t i = 0; i < 9; i++) x[i] = ds_m(A, i / 3, i % 3);
        f = ds_det33(A);
        TAP_OK(ds_hessian(f, x, 9, H) == DSIM_OK, "rank %d: the Hessian of det", rank);
        for (int k = 0; k < 9; k++) {
            ds_m3 unit = ds_m3_diagonal(0, 0, 0), column;
            unit.m[k] = 1;
            two = ds_m3_add(ds_m3_cofactor(ds_m3_add(a, unit)), ds_m3_scale(ds_m3_cofactor(a), -1));
            for (int i = 0; i < 9; i++) column.m[i] = H[9 * i + k];
            error = fmax(error, distance(column, two));
        }
        TAP_OK(error <= tolerance(), "rank %d: is exact (%.1e)", rank, error);
    }
    ds_tape_destroy(t);
}

/* A inverse(A) = I whatever A is, so it has no derivative but 0, of any order */
static void test_inverse(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(3, 0);
    double first = 0, second = 0;
    for (int trial = 0; trial < 20; trial++) {
        const ds_m3 a = ds_m3_add(random_m3(&rng), ds_m3_diagonal(2, 2, 2)), g = random_m3(&rng);
        ds_var33 A;
        ds_var f, x[9];
        ds_real H[81];
        ds_tape_reset(t);
        A = ds_input33(t, a);
        f = ds_ddot33(ds_mul33(A, ds_inverse33(A)), ds_input33(t, g));
        for (size_t i = 0; i < 9; i++) x[i] = ds_m(A, i / 3, i % 3);
        if (ds_hessian(f, x, 9, H)) tap_diag("%s", ds_tape_error(t)->text);
        first = fmax(first, distance(ds_grad33(A), ds_m3_diagonal(0, 0, 0)));
        for (int i = 0; i < 81; i++) second = fmax(second, fabs((double)H[i]));
    }
    TAP_OK(first <= tolerance() && second <= tolerance(), "g : A inverse(A) has derivatives 0 (%.1e, %.1e)",
           first, second);
    ds_tape_destroy(t);
}

int main(void)
{
    test_values();
    test_singular();
    test_inverse();
    return tap_end();
}
