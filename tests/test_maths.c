/* Vectors, matrices and quaternions keep the identities of algebra on random data, and agree with sums
   written out by hand. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EPSILON (sizeof(ds_real) == 4 ? 1.2e-7 : 2.3e-16)
#define TOLERANCE (500 * EPSILON)

/* what every identity gets: vectors and matrices with entries in [-2, 2], A far from singular, unit
   quaternions */
typedef struct sample {
    ds_v3 a, b, c;
    ds_m3 A, B;
    ds_q4 p, q;
    ds_real s, t;
} sample;

static ds_real random_real(ds_rng *rng) { return 4 * ds_rng_uniform(rng) - 2; }

static ds_v3 random_v3(ds_rng *rng)
{
    ds_v3 r;
    r.x = random_real(rng);
    r.y = random_real(rng);
    r.z = random_real(rng);
    return r;
}

static sample random_sample(ds_rng *rng)
{
    sample r;
    int i;
    r.a = random_v3(rng);
    r.b = random_v3(rng);
    r.c = random_v3(rng);
    r.s = random_real(rng);
    r.t = random_real(rng);
    do
        for (i = 0; i < 9; i++) r.A.m[i] = random_real(rng), r.B.m[i] = random_real(rng);
    while (fabs((double)ds_m3_det(r.A)) < 1);
    r.p = ds_q4_normalize(ds_q4_make(random_real(rng), random_real(rng), random_real(rng), random_real(rng)));
    r.q = ds_q4_normalize(ds_q4_make(random_real(rng), random_real(rng), random_real(rng), random_real(rng)));
    return r;
}

/* how far two results are apart, against one or their size */
static double apart(double got, double want) { return fabs(got - want) / (1 + fabs(want)); }
static double larger(double x, double y) { return x > y || x != x ? x : y; }
static double apart3(ds_v3 got, ds_v3 want)
{
    return larger(apart((double)got.x, (double)want.x),
                  larger(apart((double)got.y, (double)want.y), apart((double)got.z, (double)want.z)));
}
static double apart4(ds_q4 got, ds_q4 want)
{
    return larger(apart((double)got.w, (double)want.w), apart3(ds_q4_vector(got), ds_q4_vector(want)));
}
static double apart9(ds_m3 got, ds_m3 want)
{
    double r = 0;
    int i;
    for (i = 0; i < 9; i++) r = larger(r, apart((double)got.m[i], (double)want.m[i]));
    return r;
}

/* vectors */

static double parts(sample s)
{
    const ds_v3 sum = ds_v3_add(s.a, s.b), less = ds_v3_sub(s.a, s.b), neg = ds_v3_neg(s.a),
                scaled = ds_v3_scale(s.a, s.s);
    const int same = sum.x == s.a.x + s.b.x && sum.y == s.a.y + s.b.y && sum.z == s.a.z + s.b.z &&
                     less.x == s.a.x - s.b.x && less.y == s.a.y - s.b.y && less.z == s.a.z - s.b.z &&
                     neg.x == -s.a.x && neg.y == -s.a.y && neg.z == -s.a.z && scaled.x == s.a.x * s.s &&
                     scaled.y == s.a.y * s.s && scaled.z == s.a.z * s.s;
    return same ? 0 : 1;
}
static double dot_by_hand(sample s)
{
    return apart((double)ds_v3_dot(s.a, s.b), (double)s.a.x * (double)s.b.x + (double)s.a.y * (double)s.b.y +
                                                  (double)s.a.z * (double)s.b.z);
}
static double cross_orthogonal(sample s)
{
    const ds_v3 n = ds_v3_cross(s.a, s.b);
    return larger(fabs((double)ds_v3_dot(n, s.a)), fabs((double)ds_v3_dot(n, s.b)));
}
static double cross_anticommutes(sample s)
{
    return apart3(ds_v3_cross(s.a, s.b), ds_v3_neg(ds_v3_cross(s.b, s.a)));
}
static double cross_jacobi(sample s)
{
    const ds_v3 r =
        ds_v3_add(ds_v3_add(ds_v3_cross(s.a, ds_v3_cross(s.b, s.c)), ds_v3_cross(s.b, ds_v3_cross(s.c, s.a))),
                  ds_v3_cross(s.c, ds_v3_cross(s.a, s.b)));
    return (double)ds_v3_norm(r);
}
static double cross_lagrange(sample s) /* |a x b|^2 = |a|^2 |b|^2 - (a.b)^2 */
{
    const ds_v3 n = ds_v3_cross(s.a, s.b);
    const double aa = (double)ds_v3_dot(s.a, s.a), bb = (double)ds_v3_dot(s.b, s.b),
                 ab = (double)ds_v3_dot(s.a, s.b);
    return fabs((double)ds_v3_dot(n, n) - (aa * bb - ab * ab)) / (1 + aa * bb);
}
static double cross_right_handed(sample s)
{
    const ds_v3 x = ds_v3_make(1, 0, 0), y = ds_v3_make(0, 1, 0), z = ds_v3_make(0, 0, 1);
    (void)s;
    return larger(apart3(ds_v3_cross(x, y), z),
                  larger(apart3(ds_v3_cross(y, z), x), apart3(ds_v3_cross(z, x), y)));
}
static double norm_squared(sample s)
{
    return apart((double)ds_v3_norm(s.a) * (double)ds_v3_norm(s.a), (double)ds_v3_dot(s.a, s.a));
}
static double unit_length(sample s)
{
    const ds_v3 u = ds_v3_normalize(s.a);
    return larger(apart((double)ds_v3_norm(u), 1), apart3(ds_v3_scale(u, ds_v3_norm(s.a)), s.a));
}
static double lerp_ends(sample s)
{
    const double begin = apart3(ds_v3_lerp(s.a, s.b, 0), s.a) > 0 ? 1 : 0; /* exactly */
    const double middle =
        apart3(ds_v3_lerp(s.a, s.b, (ds_real)0.5), ds_v3_scale(ds_v3_add(s.a, s.b), (ds_real)0.5));
    return larger(begin, larger(middle, apart3(ds_v3_lerp(s.a, s.b, 1), s.b)));
}
static double axpy_by_parts(sample s)
{
    return apart3(ds_v3_axpy(s.s, s.a, s.b), ds_v3_add(ds_v3_scale(s.a, s.s), s.b));
}

/* matrices */

static double rows_and_columns(sample s)
{
    int i, j, same = 1;
    for (i = 0; i < 3; i++) {
        const ds_v3 row = ds_m3_row(s.A, i), column = ds_m3_column(s.A, i);
        const ds_real r[3] = { row.x, row.y, row.z }, c[3] = { column.x, column.y, column.z };
        for (j = 0; j < 3; j++) same &= r[j] == s.A.m[3 * i + j] && c[j] == s.A.m[3 * j + i];
    }
    return same && apart9(ds_m3_from_rows(ds_m3_row(s.A, 0), ds_m3_row(s.A, 1), ds_m3_row(s.A, 2)), s.A) == 0
               ? 0
               : 1;
}
static double product_by_hand(sample s)
{
    const ds_m3 AB = ds_m3_mul(s.A, s.B);
    double worst = 0;
    int i, j, k;
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++) {
            double sum = 0;
            for (k = 0; k < 3; k++) sum += (double)s.A.m[3 * i + k] * (double)s.B.m[3 * k + j];
            worst = larger(worst, apart((double)AB.m[3 * i + j], sum));
        }
    return worst;
}
static double product_composes(sample s)
{
    return apart3(ds_m3_mul_v3(ds_m3_mul(s.A, s.B), s.a), ds_m3_mul_v3(s.A, ds_m3_mul_v3(s.B, s.a)));
}
static double product_transposed(sample s)
{
    return apart9(ds_m3_transpose(ds_m3_mul(s.A, s.B)),
                  ds_m3_mul(ds_m3_transpose(s.B), ds_m3_transpose(s.A)));
}
static double transpose_twice(sample s)
{
    const double moves = (double)(ds_v3_dot(s.a, ds_m3_mul_v3(s.A, s.b)) -
                                  ds_v3_dot(ds_m3_mul_v3(ds_m3_transpose(s.A), s.a), s.b));
    return larger(apart9(ds_m3_transpose(ds_m3_transpose(s.A)), s.A), fabs(moves) / 20);
}
static double identity_and_diagonal(sample s)
{
    const ds_m3 D = ds_m3_diagonal(s.s, s.t, 2);
    const ds_v3 scaled = ds_v3_make(s.s * s.a.x, s.t * s.a.y, 2 * s.a.z);
    return larger(apart9(ds_m3_mul(ds_m3_identity(), s.A), s.A), apart3(ds_m3_mul_v3(D, s.a), scaled));
}
static double sum_and_scale(sample s)
{
    const ds_v3 together = ds_m3_mul_v3(ds_m3_add(s.A, ds_m3_scale(s.B, s.t)), s.a);
    return apart3(together, ds_v3_axpy(s.t, ds_m3_mul_v3(s.B, s.a), ds_m3_mul_v3(s.A, s.a)));
}
static double outer_product(sample s)
{
    return apart3(ds_m3_mul_v3(ds_m3_outer(s.a, s.b), s.c), ds_v3_scale(s.a, ds_v3_dot(s.b, s.c)));
}
static double det_of_product(sample s)
{
    return apart((double)ds_m3_det(ds_m3_mul(s.A, s.B)), (double)ds_m3_det(s.A) * (double)ds_m3_det(s.B));
}
static double det_is_volume(sample s)
{
    return apart((double)ds_m3_det(ds_m3_from_rows(s.a, s.b, s.c)),
                 (double)ds_v3_dot(s.a, ds_v3_cross(s.b, s.c)));
}
static double det_alternates(sample s)
{
    const ds_m3 A = ds_m3_from_rows(s.a, s.b, s.c), swapped = ds_m3_from_rows(s.b, s.a, s.c);
    return larger(apart((double)ds_m3_det(A), -(double)ds_m3_det(swapped)),
                  apart((double)ds_m3_det(ds_m3_transpose(A)), (double)ds_m3_det(A)));
}
static double inverse_both_sides(sample s)
{
    const ds_m3 inverse = ds_m3_inverse(s.A);
    return larger(apart9(ds_m3_mul(s.A, inverse), ds_m3_identity()),
                  apart9(ds_m3_mul(inverse, s.A), ds_m3_identity()));
}
static double cofactor_is_det_inverse_transpose(sample s)
{
    return apart9(ds_m3_cofactor(s.A), ds_m3_scale(ds_m3_transpose(ds_m3_inverse(s.A)), ds_m3_det(s.A)));
}
static double cofactor_turns_areas(sample s) /* cof(A) (a x b) = A a x A b */
{
    return apart3(ds_m3_mul_v3(ds_m3_cofactor(s.A), ds_v3_cross(s.a, s.b)),
                  ds_v3_cross(ds_m3_mul_v3(s.A, s.a), ds_m3_mul_v3(s.A, s.b)));
}
static double cofactor_of_singular(sample s) /* rank one has no minors, rank two has one */
{
    const ds_m3 two = ds_m3_from_rows(s.a, s.b, ds_v3_axpy(s.t, s.a, s.b));
    const ds_v3 n = ds_v3_cross(s.a, s.b);
    return larger(apart9(ds_m3_cofactor(ds_m3_outer(s.a, s.b)), ds_m3_scale(s.A, 0)),
                  apart9(ds_m3_cofactor(two), ds_m3_outer(ds_v3_make(-s.t, -1, 1), n)));
}

/* quaternions */

static double rotation_is_matrix(sample s)
{
    return apart3(ds_q4_rotate(s.q, s.a), ds_m3_mul_v3(ds_q4_to_m3(s.q), s.a));
}
static double rotation_matrix_by_hand(sample s) /* the matrix of the textbooks */
{
    const double w = (double)s.q.w, x = (double)s.q.x, y = (double)s.q.y, z = (double)s.q.z;
    const double R[9] = { 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                          2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                          2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y) };
    const ds_m3 got = ds_q4_to_m3(s.q);
    double worst = 0;
    int i;
    for (i = 0; i < 9; i++) worst = larger(worst, apart((double)got.m[i], R[i]));
    return worst;
}
static double rotation_keeps_lengths(sample s)
{
    const ds_m3 R = ds_q4_to_m3(s.q);
    return larger(
        apart((double)ds_v3_norm(ds_q4_rotate(s.q, s.a)), (double)ds_v3_norm(s.a)),
        larger(apart9(ds_m3_mul(R, ds_m3_transpose(R)), ds_m3_identity()), apart((double)ds_m3_det(R), 1)));
}
static double product_is_composition(sample s)
{
    return larger(apart3(ds_q4_rotate(ds_q4_mul(s.p, s.q), s.a), ds_q4_rotate(s.p, ds_q4_rotate(s.q, s.a))),
                  apart9(ds_q4_to_m3(ds_q4_mul(s.p, s.q)), ds_m3_mul(ds_q4_to_m3(s.p), ds_q4_to_m3(s.q))));
}
static double hamilton_units(sample s) /* i j = k, j k = i, k i = j, i i = -1 */
{
    const ds_q4 i = ds_q4_make(0, 1, 0, 0), j = ds_q4_make(0, 0, 1, 0), k = ds_q4_make(0, 0, 0, 1);
    (void)s;
    return larger(larger(apart4(ds_q4_mul(i, j), k), apart4(ds_q4_mul(j, k), i)),
                  larger(apart4(ds_q4_mul(k, i), j), apart4(ds_q4_mul(i, i), ds_q4_make(-1, 0, 0, 0))));
}
static double conjugate_is_inverse(sample s)
{
    return larger(apart4(ds_q4_mul(s.q, ds_q4_conjugate(s.q)), ds_q4_identity()),
                  apart3(ds_q4_rotate(ds_q4_conjugate(s.q), ds_q4_rotate(s.q, s.a)), s.a));
}
static double normalised_quaternion(sample s)
{
    const ds_q4 q = ds_q4_make(3 * s.q.w, 3 * s.q.x, 3 * s.q.y, 3 * s.q.z);
    return apart4(ds_q4_normalize(q), s.q);
}
static double axis_angle_by_rodrigues(sample s) /* a cos + (n x a) sin + n (n.a) (1 - cos) */
{
    const ds_v3 n = ds_v3_normalize(s.b), side = ds_v3_cross(n, s.a);
    const double c = cos((double)s.s), si = sin((double)s.s), along = (double)ds_v3_dot(n, s.a) * (1 - c);
    const ds_v3 turned = ds_v3_axpy((ds_real)c, s.a, ds_v3_scale(side, (ds_real)si));
    const ds_q4 q = ds_q4_from_axis_angle(s.b, s.s);
    return larger(apart3(ds_q4_rotate(q, s.a), ds_v3_axpy((ds_real)along, n, turned)),
                  apart3(ds_q4_rotate(q, s.b), s.b));
}
static double quarter_turn(sample s)
{
    const ds_q4 q = ds_q4_from_axis_angle(ds_v3_make(0, 0, 5), (ds_real)1.5707963267948966);
    (void)s;
    return apart3(ds_q4_rotate(q, ds_v3_make(1, 0, 0)), ds_v3_make(0, 1, 0));
}

#define ROW(identity) { #identity, identity }
static const struct { const char *name; double (*error)(sample s);
} identities[] = {
    ROW(parts),
    ROW(dot_by_hand),
    ROW(cross_orthogonal),
    ROW(cross_anticommutes),
    ROW(cross_jacobi),
    ROW(cross_lagrange),
    ROW(cross_right_handed),
    ROW(norm_squared),
    ROW(unit_length),
    ROW(lerp_ends),
    ROW(axpy_by_parts),
    ROW(rows_and_columns),
    ROW(product_by_hand),
    ROW(product_composes),
    ROW(product_transposed),
    ROW(transpose_twice),
    ROW(identity_and_diagonal),
    ROW(sum_and_scale),
    ROW(outer_product),
    ROW(det_of_product),
    ROW(det_is_volume),
    ROW(det_alternates),
    ROW(inverse_both_sides),
    ROW(cofactor_is_det_inverse_transpose),
    ROW(cofactor_turns_areas),
    ROW(cofactor_of_singular),
    ROW(rotation_is_matrix),
    ROW(rotation_matrix_by_hand),
    ROW(rotation_keeps_lengths),
    ROW(product_is_composition),
    ROW(hamilton_units),
    ROW(conjugate_is_inverse),
    ROW(normalised_quaternion),
    ROW(axis_angle_by_rodrigues),
    ROW(quarter_turn),
};

/* a product that was fused would leave what rounding cut off */
static void test_products_are_rounded(void)
{
    ds_rng rng = ds_rng_make(11, 0);
    int i, fused = 0;
    for (i = 0; i < 10000; i++) {
        const sample s = random_sample(&rng);
        volatile ds_real xx = s.a.x * s.b.x, yy = s.a.y * s.b.y, zz = s.a.z * s.b.z, want = xx + yy;
        want = want + zz;
        if (ds_v3_dot(s.a, s.b) != want || ds_v3_cross(s.a, s.a).x != 0) fused++;
    }
    TAP_OK(!fused, "sums of products are rounded like a plain loop, at every optimisation level");
}

int main(void)
{
    size_t k;
    int i;
    for (k = 0; k < COUNT(identities); k++) {
        ds_rng rng = ds_rng_make(10, k);
        double worst = 0;
        for (i = 0; i < 2000; i++) worst = larger(worst, identities[k].error(random_sample(&rng)));
        if (!TAP_OK(worst <= TOLERANCE, "%s", identities[k].name)) tap_diag("error %g", worst);
    }
    TAP_OK(isnan((double)ds_v3_normalize(ds_v3_make(0, 0, 0)).x), "normalising zero gives NaN");
    test_products_are_rounded();
    return tap_end();
}
