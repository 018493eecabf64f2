/* test_matrices.c - 3x3 matrices on a tape: rows against plain matrices, bit for bit; identities of their
   derivatives, singular matrices included; views. Rotations, stretches, eigenvalues: against differences of
   the plain functions and the closed form of the Hessian; what happens where there is no derivative. The same
   in kernels: values, adjoints, tangents and Hessians are those of the tape */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
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

/* the composites as functions of nine numbers: all outputs in a row, plain and recorded */
enum { MOST = 21 };
static size_t plain(int which, ds_m3 a, double *out)
{
    ds_m3 p, q;
    ds_v3 s;
    size_t n = 0;
    int i;
    memset(&s, 0, sizeof s);
    if (which == 0) ds_m3_polar(a, &p, &q);
    else if (which == 2) ds_m3_svd(a, &p, &s, &q);
    else ds_m3_symmetric_eigen(ds_m3_scale(ds_m3_add(a, ds_m3_transpose(a)), (ds_real)0.5), &s, &p);
    for (i = 0; i < 9; i++) out[n++] = (double)p.m[i];
    if (which == 0) out[n++] = (double)(q.m[0] + q.m[4] + q.m[8]);
    else out[n++] = (double)s.x, out[n++] = (double)s.y, out[n++] = (double)s.z;
    for (i = 0; which == 2 && i < 9; i++) out[n++] = (double)q.m[i];
    return n;
}
static size_t recorded(int which, ds_var33 A, ds_var *out)
{
    ds_var33 p, q = A;
    ds_var3 s = ds_row(A, 0);
    size_t n = 0, i;
    ds_var trace = ds_c(0);
    if (which == 0) p = ds_polar33(A), trace = ds_stretch33(A);
    else if (which == 1) ds_symmetric_eigen33(A, &s, &p);
    else ds_svd33(A, &p, &s, &q);
    for (i = 0; i < 9; i++) out[n++] = ds_m(p, i / 3, i % 3);
    if (which == 0) out[n++] = trace;
    else out[n++] = ds_x(s), out[n++] = ds_y(s), out[n++] = ds_z(s);
    for (i = 0; which == 2 && i < 9; i++) out[n++] = ds_m(q, i / 3, i % 3);
    return n;
}
static const char *const names[] = { "polar33, stretch33", "symmetric_eigen33", "svd33" };

/* values are those of the plain functions; the Jacobian, row by row, is that of differences. Half of the
   matrices are inverted */
static void test_composites(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(4, 0);
    const double h = IS_FLOAT ? 5e-3 : 1e-5, close = IS_FLOAT ? 2e-2 : 2e-8;
    for (int which = 0; which < 3; which++) {
        double worst = 0;
        int same_values = 1, inverted = 0;
        size_t flips = 0;
        for (int trial = 0; trial < 40; trial++) {
            const ds_m3 r = random_m3(&rng);
            ds_m3 a, u, v, J[MOST];
            ds_v3 s;
            ds_var33 A;
            ds_var y[MOST];
            double up[MOST], down[MOST], value[MOST];
            size_t n, o, flipped;
            /* singular values 2, 1.2 and +-0.5, eigenvalues apart, too */
            ds_m3_svd(r, &u, &s, &v);
            if (which == 1) v = u;
            s = ds_v3_make(2, (ds_real)1.2, trial % 2 ? (ds_real)-0.5 : (ds_real)0.5);
            a = ds_m3_mul(ds_m3_mul(u, ds_m3_diagonal(s.x, s.y, s.z)), ds_m3_transpose(v));
            inverted += ds_m3_det(a) < 0;
            ds_tape_reset(t);
            A = ds_input33(t, a);
            n = recorded(which, A, y);
            plain(which, a, value);
            for (o = 0; o < n; o++) {
                same_values &= (double)ds_value(y[o]) == value[o];
                if (ds_backward(y[o])) tap_diag("%s", ds_tape_error(t)->text);
                J[o] = ds_grad33(A);
            }
            for (int i = 0; i < 9; i++) {
                ds_m3 moved = a;
                double width;
                moved.m[i] = a.m[i] + (ds_real)h;
                width = (double)moved.m[i];
                plain(which, moved, up);
                moved.m[i] = a.m[i] - (ds_real)h;
                width -= (double)moved.m[i];
                plain(which, moved, down);
                /* vectors may change sign in between: another choice of many */
                for (flipped = o = 0; o < n; o++) flipped |= fabs(up[o] - down[o]) > 0.5;
                flips += flipped;
                for (o = 0; o < n && !flipped; o++)
                    worst = fmax(worst, fabs((up[o] - down[o]) / width - (double)J[o].m[i]));
            }
        }
        TAP_OK(same_values, "%s: values of the plain function", names[which]);
        TAP_OK(inverted == 20 && flips < 20 && worst <= close, "%s: Jacobian of differences (%.1e)",
               names[which], worst);
    }
    ds_tape_destroy(t);
}

/* as-rigid-as-possible, |F - R|^2 / 2: its gradient is F - R; its Hessian is I less 2 / (s_i + s_j) along
   each twist U (E_ij - E_ji) V' / sqrt 2 */
static void test_arap(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(5, 0);
    double first[2] = { 0, 0 }, second[2] = { 0, 0 };
    for (int trial = 0; trial < 40; trial++) {
        const ds_m3 r = random_m3(&rng);
        ds_m3 a, u, v, R, S;
        ds_v3 s;
        double H[81], sigma[3];
        int i, j, k;
        ds_m3_svd(r, &u, &s, &v);
        s = ds_v3_make(2, (ds_real)1.2, trial % 2 ? (ds_real)-0.5 : 1);
        a = ds_m3_mul(ds_m3_mul(u, ds_m3_diagonal(s.x, s.y, s.z)), ds_m3_transpose(v));
        ds_m3_polar(a, &R, &S);
        sigma[0] = (double)s.x, sigma[1] = (double)s.y, sigma[2] = (double)s.z;
        for (i = 0; i < 81; i++) H[i] = i % 10 == 0;
        for (k = 0; k < 3; k++) {
            const int p = k, q = (k + 1) % 3;
            double twist[9];
            for (i = 0; i < 3; i++)
                for (j = 0; j < 3; j++)
                    twist[3 * i + j] = sqrt(0.5) * (double)(u.m[3 * i + p] * v.m[3 * j + q] -
                                                            u.m[3 * i + q] * v.m[3 * j + p]);
            for (i = 0; i < 81; i++) H[i] -= 2 / (sigma[p] + sigma[q]) * twist[i / 9] * twist[i % 9];
        }
        for (int way = 0; way < 2; way++) {
            ds_real got[81];
            ds_var x[9], f;
            ds_var33 A;
            ds_tape_reset(t);
            A = ds_input33(t, a);
            for (i = 0; i < 9; i++) x[i] = ds_m(A, (size_t)i / 3, (size_t)i % 3);
            if (way) {
                const ds_var33 D = ds_sub33(A, ds_polar33(A));
                f = ds_mul(ds_c(0.5), ds_ddot33(D, D));
            } else {
                const ds_var square = ds_mul(ds_c(0.5), ds_ddot33(A, A));
                f = ds_sub(square, ds_stretch33(A));
            }
            if (ds_hessian(f, x, 9, got)) tap_diag("%s", ds_tape_error(t)->text);
            first[way] = fmax(first[way], distance(ds_grad33(A), ds_m3_add(a, ds_m3_scale(R, -1))));
            for (i = 0; i < 81; i++) second[way] = fmax(second[way], fabs((double)got[i] - H[i]));
        }
    }
    TAP_OK(first[0] <= tolerance() && first[1] <= tolerance(), "ARAP: the gradient is F - R (%.1e, %.1e)",
           first[0], first[1]);
    TAP_OK(second[0] <= tolerance() && second[1] <= tolerance(),
           "ARAP: the Hessian is the closed form, by the trace and by R (%.1e, %.1e)", second[0], second[1]);
    ds_tape_destroy(t);
}

/* where no rotation is nearest, everything stays finite; the energy's own gradient stays right */
static void test_no_rotation(void)
{
    static const ds_real diagonals[][3] = {
        { 0, 0, 0 }, { 1, 0, 0 }, { 3, 2, -2 }, { 2, -2, 3 }, { 1, 1, -1 }, { -1, -1, -1 }
    };
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(6, 0);
    for (int k = 0; k < 6; k++) {
        const ds_real *d = diagonals[k];
        const ds_m3 g = random_m3(&rng);
        ds_m3 a = ds_m3_diagonal(d[0], d[1], d[2]), R, S;
        for (int turned = 0; turned < 2; turned++) {
            ds_m3 u, v;
            ds_v3 s;
            ds_var33 A;
            ds_var f, x[9];
            ds_real H[81];
            if (turned) {
                ds_m3_svd(random_m3(&rng), &u, &s, &v);
                a = ds_m3_mul(ds_m3_mul(u, a), ds_m3_transpose(v));
            }
            ds_m3_polar(a, &R, &S);
            ds_tape_reset(t);
            A = ds_input33(t, a);
            for (size_t i = 0; i < 9; i++) x[i] = ds_m(A, i / 3, i % 3);
            f = ds_ddot33(ds_input33(t, g), ds_polar33(A));
            if (!TAP_OK(ds_hessian(f, x, 9, H) == DSIM_OK, "(%g, %g, %g): finite derivatives of R",
                        (double)d[0], (double)d[1], (double)d[2]))
                tap_diag("%s", ds_tape_error(t)->text);
            f = ds_stretch33(A);
            TAP_OK(ds_backward(f) == DSIM_OK && distance(ds_grad33(A), R) == 0, "d tr S is R");
        }
    }
    ds_tape_destroy(t);
}

/* equal values: what counts is right, what has no derivative is refused by name */
static void test_equal_values(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(7, 0);
    const ds_m3 a = ds_m3_diagonal(2, 2, 1);
    const ds_var33 A = ds_input33(t, a), G = ds_input33(t, random_m3(&rng));
    const ds_mark mark = ds_tape_mark(t);
    ds_var3 w;
    ds_var33 u, v;
    ds_var sum, x[9];
    ds_real H[81];
    for (size_t i = 0; i < 9; i++) x[i] = ds_m(A, i / 3, i % 3);
    ds_symmetric_eigen33(A, &w, &v);
    sum = ds_add(ds_x(w), ds_y(w));
    TAP_OK(ds_backward(sum) == DSIM_OK && distance(ds_grad33(A), ds_m3_diagonal(1, 1, 0)) <= tolerance(),
           "two equal eigenvalues: their sum has a gradient");
    TAP_OK(ds_hessian(ds_x(w), x, 9, H) == DSIM_ERROR_NON_FINITE, "one of them has no second derivative");
    ds_tape_rewind(t, mark);
    ds_symmetric_eigen33(A, NULL, &v);
    TAP_OK(ds_backward(ds_ddot33(G, v)) == DSIM_ERROR_NON_FINITE, "their vectors have no derivative");
    TAP_HAS(ds_tape_error(t)->text, "'symmetric_eigen33'", "and it says which");
    ds_tape_rewind(t, mark);
    ds_svd33(A, &u, &w, NULL);
    TAP_OK(ds_backward(ds_dot3(w, w)) == DSIM_OK && distance(ds_grad33(A), ds_m3_scale(a, 2)) <= tolerance(),
           "two equal singular values: s.s has the gradient 2 A");
    TAP_OK(ds_backward(ds_ddot33(G, u)) == DSIM_ERROR_NON_FINITE, "their vectors have no derivative");
    TAP_HAS(ds_tape_error(t)->text, "'svd33'", "and it says which");
    ds_tape_reset(t);
    TAP_OK(ds_backward(ds_stretch33(A)) == DSIM_ERROR_STALE, "a stale matrix");
    TAP_HAS(ds_tape_error(t)->text, "ds_stretch33: operand 1", "is refused by name");
    ds_tape_destroy(t);
}

/* a tape in the caller's memory is enough, nothing is allocated; replay follows the inputs */
static void test_fixed(void)
{
    static union { double align; void *pointer; char bytes[40000]; } memory;
    ds_tape_desc desc = { 0 };
    ds_tape *t;
    ds_var33 A;
    ds_var x[9], f;
    ds_real H[81];
    desc.max_nodes = 100, desc.max_values = 300, desc.directions = 1;
    t = ds_tape_init(memory.bytes, sizeof memory.bytes, &desc);
    if (!TAP_OK(t != NULL, "a tape in static memory")) return;
    A = ds_input33(t, ds_m3_diagonal(1, 2, 3));
    for (size_t i = 0; i < 9; i++) x[i] = ds_m(A, i / 3, i % 3);
    f = ds_square(ds_stretch33(A));
    TAP_OK(ds_hessian(f, x, 9, H) == DSIM_OK, "takes derivatives of composites");
    TAP_NEAR(ds_grad33(A).m[4], 12, tolerance(), "d (tr S)^2 is 2 tr S R");
    TAP_NEAR(H[0], 2, tolerance(), "and its second derivative 2 R R' and more");
    ds_tape_reset(t);
    A = ds_input33(t, ds_m3_diagonal(1, 2, 3));
    f = ds_square(ds_stretch33(A));
    ds_set_input(ds_m(A, 0, 0), 5);
    TAP_OK(ds_replay(t) == DSIM_OK && ds_value(f) == 100, "replay follows the input");
}

/* energies of a matrix for kernel and tape; one recording call to an argument list, so that both record the
   same */
static ds_var energy_stretch(ds_var33 F)
{
    const ds_var square = ds_ddot33(F, F);
    return ds_fma(ds_c(-2), ds_stretch33(F), square);
}
static ds_var energy_polar(ds_var33 F)
{
    ds_var33 D = ds_polar33(F);
    D = ds_sub33(F, D);
    return ds_ddot33(D, D);
}
static ds_var energy_svd(ds_var33 F)
{
    ds_var3 s;
    ds_var33 u, v;
    ds_var f, g;
    ds_svd33(F, &u, &s, &v);
    f = ds_sin(ds_mul(ds_x(s), ds_y(s)));
    g = ds_mul(ds_m(u, 0, 1), ds_m(v, 1, 1));
    return ds_mul(ds_add(f, g), ds_z(s));
}
static ds_var energy_eigen(ds_var33 F)
{
    ds_var3 w;
    ds_var33 v;
    ds_var f, g;
    ds_symmetric_eigen33(F, &w, &v);
    f = ds_sin(ds_x(w));
    g = ds_mul(ds_m(v, 0, 1), ds_y(w));
    return ds_fma(f, g, ds_m(v, 2, 1));
}
static ds_var energy_rows(ds_var33 F)
{
    ds_var33 D = ds_inverse33(F);
    ds_var f, g;
    D = ds_mul33(D, ds_transpose33(F));
    f = ds_trace33(ds_mul33(D, D));
    g = ds_det33(F);
    D = ds_shift33(ds_neg33(ds_cofactor33(F)), g);
    return ds_fma(f, g, ds_ddot33(D, F));
}
/* a composite of composites; outputs that other outputs depend on */
static ds_var energy_deep(ds_var33 F)
{
    ds_var33 D = ds_polar33(F), u;
    ds_var f;
    D = ds_mul33(ds_transpose33(D), F);
    u = ds_polar33(ds_shift33(D, ds_c(0.1)));
    f = ds_trace33(ds_mul33(u, ds_scale33(F, ds_c(0.5))));
    u = ds_columns33(ds_row(F, 1), ds_row(F, 0), ds_row(F, 2));
    return ds_fma(ds_c(2), ds_stretch33(u), f);
}
/* an input of a composite that is made of another one: that one must wait for both */
static ds_var energy_shared(ds_var33 F)
{
    const ds_var p = ds_mul(ds_m(F, 0, 0), ds_m(F, 1, 1));
    const ds_var3 first = ds_pack3(p, ds_m(F, 0, 1), ds_m(F, 0, 2));
    const ds_var3 last = ds_pack3(ds_m(F, 2, 0), ds_m(F, 2, 1), ds_sin(p));
    return ds_trace33(ds_polar33(ds_pack33(first, ds_row(F, 1), last)));
}
/* of eigenvalues, which may be equal; their vectors count by a factor that is 0 when run */
static ds_var energy_trace(ds_var33 F)
{
    ds_var3 w;
    ds_var33 v;
    ds_var sum, zero;
    ds_symmetric_eigen33(F, &w, &v);
    sum = ds_add(ds_add(ds_x(w), ds_y(w)), ds_z(w));
    zero = ds_relu(ds_neg(ds_square(ds_x(w))));
    return ds_fma(zero, ds_m(v, 0, 1), sum);
}
typedef ds_var energy_function(ds_var33 F);
static energy_function *const energies[] = {
    energy_stretch, energy_polar, energy_svd, energy_eigen, energy_rows, energy_deep, energy_shared
};

static ds_kernel *energy_kernel(energy_function *energy, const ds_kernel_desc *desc)
{
    ds_kernel *const k = ds_kernel_begin(desc, "energy");
    ds_arg F, E;
    if (!k) return NULL;
    F = ds_arg_in(k, "F", 9);
    E = ds_arg_out(k, "E", 1);
    ds_store(E, ds_lane(k), energy(ds_load33(F, ds_lane(k))));
    ds_kernel_end(k);
    return k;
}
static void launch(ds_runner *r, const ds_kernel *k, size_t lanes, const ds_array *args)
{
    if (ds_launch(r, k, lanes, args, 4)) tap_diag("%s", ds_runner_error(r)->text);
}

enum { LANES = 67 };
static void test_kernels(void)
{
    static ds_real x[9 * LANES], x_dot[9 * LANES], E[LANES], E_dot[LANES], ones[LANES];
    static ds_real bar[9 * LANES], G[9 * LANES], H[45 * LANES];
    static const char *const words[] = {
        "stretch33", "polar33", "svd33", "symmetric_eigen33", "rows", "nested", "shared inputs"
    };
    ds_tape *t = ds_tape_create(NULL);
    ds_runner *r = ds_runner_create(NULL);
    ds_rng rng = ds_rng_make(8, 0);
    const ds_array nothing = { 0 };
    for (int i = 0; i < 9 * LANES; i++) {
        x[i] = 2 * ds_rng_uniform(&rng) - 1 + (i % 9 % 4 == 0 ? 2 + (ds_real)(i % 9) : 0);
        x_dot[i] = 2 * ds_rng_uniform(&rng) - 1;
    }
    for (int e = 0; e < 7; e++) {
        ds_kernel *const k = energy_kernel(energies[e], NULL);
        ds_kernel *const made[] = { ds_kernel_adjoint(k, "F"), ds_kernel_tangent(k, "F"),
                                    ds_kernel_hessian(k, "F") };
        const ds_array Fs = ds_array_reals(x, LANES, 9), Es = ds_array_reals(E, LANES, 1);
        const ds_array args[2] = { Fs, Es };
        const ds_array adjoint[4] = { Fs, nothing, ds_array_reals(bar, LANES, 9),
                                     ds_array_reals(ones, LANES, 1) };
        const ds_array tangent[4] = { Fs, nothing, ds_array_reals(x_dot, LANES, 9),
                                     ds_array_reals(E_dot, LANES, 1) };
        const ds_array hessian[4] = { Fs, nothing, ds_array_reals(G, LANES, 9),
                                      ds_array_reals(H, LANES, 45) };
        double worst[5] = { 0, 0, 0, 0, 0 };
        memset(bar, 0, sizeof bar);
        for (int i = 0; i < LANES; i++) ones[i] = 1;
        if (ds_launch(r, k, LANES, args, 2)) tap_diag("%s", ds_runner_error(r)->text);
        launch(r, made[0], LANES, adjoint);
        launch(r, made[1], LANES, tangent);
        launch(r, made[2], LANES, hessian);
        for (int i = 0; i < LANES; i++) {
            ds_m3 m, g;
            ds_var entry[9], f;
            ds_var33 F;
            ds_real full[81], dot = 0;
            double scale = 1;
            memcpy(m.m, x + 9 * i, sizeof m.m);
            ds_tape_reset(t);
            F = ds_input33(t, m);
            for (size_t p = 0; p < 9; p++) entry[p] = ds_m(F, p / 3, p % 3);
            f = energies[e](F);
            if (ds_hessian(f, entry, 9, full)) tap_diag("%s", ds_tape_error(t)->text);
            g = ds_grad33(F);
            for (int p = 0; p < 9; p++) dot += g.m[p] * x_dot[9 * i + p];
            for (int p = 0; p < 9; p++) scale = fmax(scale, fabs((double)g.m[p]));
            for (int p = 0; p < 81; p++) scale = fmax(scale, fabs((double)full[p]));
            worst[0] = fmax(worst[0], fabs((double)(E[i] - ds_value(f))) / (1 + fabs((double)E[i])));
            worst[2] = fmax(worst[2], fabs((double)(E_dot[i] - dot)) / scale);
            for (int p = 0, at = 45 * i; p < 9; p++) {
                worst[1] = fmax(worst[1], fabs((double)(bar[9 * i + p] - g.m[p])) / scale);
                worst[3] = fmax(worst[3], fabs((double)(G[9 * i + p] - g.m[p])) / scale);
                for (int q = p; q < 9; q++, at++)
                    worst[4] = fmax(worst[4], fabs((double)(H[at] - full[9 * p + q])) / scale);
            }
        }
        TAP_OK(worst[0] <= tolerance() && worst[1] <= tolerance() && worst[2] <= tolerance() &&
               worst[3] <= tolerance() && worst[4] <= tolerance(),
               "%s in a kernel: energy, adjoint, tangent, gradient, Hessian (%.0e %.0e %.0e %.0e %.0e)",
               words[e], worst[0], worst[1], worst[2], worst[3], worst[4]);
        ds_kernel_destroy(k);
        for (int i = 0; i < 3; i++) ds_kernel_destroy(made[i]);
    }
    ds_runner_destroy(r);
    ds_tape_destroy(t);
}

/* what is refused; equal eigenvalues of which the sum has a derivative all the same */
static ds_result no_forward(const ds_custom_io *io)
{
    io->out[0] = io->in[0];
    return DSIM_OK;
}
static void test_kernel_edges(void)
{
    static const ds_custom_type type = { "mine", no_forward, NULL, NULL, NULL };
    static ds_real x[18] = { 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 3 };
    static ds_real bar[18], one[2] = { 1, 1 }, dot[2];
    const ds_array nothing = { 0 }, xs = ds_array_reals(x, 2, 9);
    const ds_array args[4] = { xs, nothing, ds_array_reals(bar, 2, 9), ds_array_reals(one, 2, 1) };
    const ds_array moved[4] = { xs, nothing, xs, ds_array_reals(dot, 2, 1) };
    ds_runner *r = ds_runner_create(NULL);
    ds_kernel *k = energy_kernel(energy_trace, NULL), *a = ds_kernel_adjoint(k, "F"), *b;
    ds_arg F, E;
    ds_var v;
    int good = 1;
    launch(r, a, 2, args);
    for (int i = 0; i < 18; i++) good &= fabs((double)bar[i] - (i % 9 % 4 == 0)) <= tolerance();
    TAP_OK(good, "the sum of equal eigenvalues has the gradient I in a kernel");
    b = ds_kernel_tangent(k, "F");
    launch(r, b, 2, moved);
    TAP_NEAR(dot[0], 6, 10 * tolerance(), "and a tangent");
    ds_kernel_destroy(k), ds_kernel_destroy(a), ds_kernel_destroy(b);

    k = ds_kernel_begin(NULL, "index");
    F = ds_arg_in(k, "F", 9), E = ds_arg_out(k, "E", 1);
    v = ds_load_part(F, ds_floor_index(ds_stretch33(ds_load33(F, ds_lane(k)))), 0);
    ds_store(E, ds_lane(k), v);
    TAP_OK(ds_kernel_end(k) == DSIM_ERROR_ARGUMENT, "an index made of a stretch is refused");
    TAP_HAS(ds_kernel_error(k)->text, "ds_floor_index", "by name");
    ds_kernel_destroy(k);

    k = ds_kernel_begin(NULL, "custom");
    F = ds_arg_in(k, "F", 9), E = ds_arg_out(k, "E", 1);
    v = ds_load(F, ds_lane(k));
    ds_store(E, ds_lane(k), ds_vars_at(ds_custom(&type, NULL, &v, 1, 1), 0));
    TAP_OK(ds_kernel_end(k) == DSIM_ERROR_NO_VALUE, "a custom node of the user's has no place in a kernel");
    ds_kernel_destroy(k);
    ds_runner_destroy(r);
}

/* every allocation fails once: an error or NULL, nothing else */
static size_t allocations, failing;
static void *resize(void *user, void *block, size_t old_bytes, size_t bytes)
{
    const ds_allocator plain_one = *(const ds_allocator *)user;
    if (bytes && allocations++ == failing) return NULL;
    return plain_one.resize(plain_one.user, block, old_bytes, bytes);
}
static void *from_heap(void *user, void *block, size_t old_bytes, size_t bytes)
{
    (void)user, (void)old_bytes;
    if (bytes) return realloc(block, bytes);
    free(block);
    return NULL;
}
static void test_memory(void)
{
    ds_allocator heap = { 0 };
    ds_kernel_desc desc = { 0 };
    int good = 1, ended = 0;
    heap.resize = from_heap;
    desc.allocator.resize = resize;
    desc.allocator.user = &heap;
    for (failing = 0; failing < 2000 && !ended; failing++) {
        ds_kernel *k, *h = NULL;
        allocations = 0;
        k = energy_kernel(energy_polar, &desc);
        if (k) h = ds_kernel_hessian(k, "F");
        ended = allocations <= failing;
        good &= ended ? h && !ds_kernel_error(h)->code : !h || ds_kernel_error(h)->code;
        ds_kernel_destroy(h);
        ds_kernel_destroy(k);
    }
    TAP_OK(good && ended && failing > 40, "each of %d allocations fails once", (int)failing);
}

int main(void)
{
    test_values();
    test_singular();
    test_inverse();
    test_composites();
    test_arap();
    test_no_rotation();
    test_equal_values();
    test_fixed();
    test_kernels();
    test_kernel_edges();
    test_memory();
    return tap_end();
}
