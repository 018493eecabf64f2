/* Singular values, polar rotation and eigenvectors of 3x3 matrices: what they promise holds to a few units of
   rounding for random, graded, singular, inverted and degenerate matrices at every scale. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EPSILON (sizeof(ds_real) == 4 ? (double)FLT_EPSILON : DBL_EPSILON)
#define TOLERANCE (40 * EPSILON)
enum { SAMPLES = 400 };

static double larger(double x, double y) { return x > y || x != x ? x : y; }
static ds_real random_real(ds_rng *rng) { return 2 * ds_rng_uniform(rng) - 1; }
static ds_m3 random_m3(ds_rng *rng)
{
    ds_m3 r;
    int i;
    for (i = 0; i < 9; i++) r.m[i] = random_real(rng);
    return r;
}
static ds_m3 random_rotation(ds_rng *rng)
{
    const ds_m3 r = random_m3(rng);
    return ds_q4_to_m3(ds_q4_normalize(ds_q4_make(r.m[0], r.m[1], r.m[2], r.m[3] + 2)));
}
static ds_m3 turned(ds_rng *rng, double x, double y, double z) /* singular values x y z, random rotations */
{
    const ds_m3 d = ds_m3_diagonal((ds_real)x, (ds_real)y, (ds_real)z), u = random_rotation(rng);
    return ds_m3_mul(ds_m3_mul(u, d), random_rotation(rng));
}
static double power_of_ten(ds_rng *rng, double least) { return pow(10, least * (double)ds_rng_uniform(rng)); }

/* the kinds of matrices, each from a stream of random numbers */

static ds_m3 plain(ds_rng *rng) { return random_m3(rng); }
static ds_m3 small_integers(ds_rng *rng) /* many zeros, equal values and low ranks */
{
    ds_m3 r;
    int i;
    for (i = 0; i < 9; i++) r.m[i] = (ds_real)floor(3 * (double)ds_rng_uniform(rng)) - 1;
    return r;
}
static ds_m3 rank_one(ds_rng *rng)
{
    const ds_m3 r = random_m3(rng);
    return ds_m3_outer(ds_m3_row(r, 0), ds_m3_row(r, 1));
}
static ds_m3 rank_two(ds_rng *rng)
{
    const ds_m3 r = random_m3(rng);
    return ds_m3_from_rows(ds_m3_row(r, 0), ds_m3_row(r, 1), ds_m3_row(r, 0));
}
static ds_m3 graded(ds_rng *rng) /* every entry of its own size */
{
    ds_m3 r = random_m3(rng);
    const double least = sizeof(ds_real) == 4 ? -38 : -300;
    int i;
    for (i = 0; i < 9; i++) r.m[i] = (ds_real)((double)r.m[i] * power_of_ten(rng, least));
    return r;
}
static ds_m3 graded_values(ds_rng *rng)
{
    const double e = power_of_ten(rng, sizeof(ds_real) == 4 ? -15 : -100);
    return turned(rng, 1, -e, e * e);
}
static ds_m3 rotation(ds_rng *rng) { return random_rotation(rng); }
static ds_m3 reflection(ds_rng *rng) { return turned(rng, 1, 1, -1); }
static ds_m3 inverted(ds_rng *rng) { return turned(rng, 1.5, 0.9, -0.3); }
static ds_m3 nearly_equal(ds_rng *rng)
{
    const double e = power_of_ten(rng, -18);
    return turned(rng, 1 + e, 1, 1 - 2 * e);
}
static ds_m3 nearly_rigid(ds_rng *rng)
{
    const ds_m3 strain = ds_m3_scale(random_m3(rng), (ds_real)power_of_ten(rng, -20));
    return ds_m3_mul(ds_m3_add(ds_m3_identity(), strain), random_rotation(rng));
}
static ds_m3 nearly_diagonal(ds_rng *rng)
{
    const ds_m3 r = ds_m3_scale(random_m3(rng), (ds_real)power_of_ten(rng, -20));
    return ds_m3_add(ds_m3_diagonal(1, random_real(rng), random_real(rng)), r);
}
static ds_m3 skew(ds_rng *rng)
{
    const ds_m3 r = random_m3(rng);
    return ds_m3_add(r, ds_m3_scale(ds_m3_transpose(r), -1));
}
static ds_m3 symmetric(ds_rng *rng)
{
    const ds_m3 r = random_m3(rng);
    return ds_m3_add(r, ds_m3_transpose(r));
}
static ds_m3 tiny(ds_rng *rng)
{
    return ds_m3_scale(random_m3(rng), (ds_real)(sizeof(ds_real) == 4 ? 1e-36 : 1e-300));
}
static ds_m3 huge_entries(ds_rng *rng)
{
    return ds_m3_scale(random_m3(rng), (ds_real)(sizeof(ds_real) == 4 ? 1e37 : 1e300));
}

#define ROW(kind) { #kind, kind }
static const struct { const char *name; ds_m3 (*make)(ds_rng *rng);
} kinds[] = {
    ROW(plain),
    ROW(small_integers),
    ROW(rank_one),
    ROW(rank_two),
    ROW(graded),
    ROW(graded_values),
    ROW(rotation),
    ROW(reflection),
    ROW(inverted),
    ROW(nearly_equal),
    ROW(nearly_rigid),
    ROW(nearly_diagonal),
    ROW(skew),
    ROW(symmetric),
    ROW(tiny),
    ROW(huge_entries),
};

/* what is asked: errors against the largest entry of a, worked out in double */

static double size_of(ds_m3 a)
{
    double r = 0;
    int i;
    for (i = 0; i < 9; i++) r = larger(r, fabs((double)a.m[i]));
    return r > 0 ? r : 1;
}
static ds_m3 unit_sized(ds_m3 a, double size) /* by a power of two: exact but for what underflows */
{
    int i, exponent;
    frexp(size, &exponent);
    for (i = 0; i < 9; i++) a.m[i] = (ds_real)ldexp((double)a.m[i], -exponent);
    return a;
}
static double difference(ds_m3 got, ds_m3 want)
{
    double r = 0;
    int i;
    for (i = 0; i < 9; i++) r = larger(r, fabs((double)got.m[i] - (double)want.m[i]));
    return r;
}
static double rotation_error(ds_m3 r)
{
    const double sides = larger(difference(ds_m3_mul(r, ds_m3_transpose(r)), ds_m3_identity()),
                                difference(ds_m3_mul(ds_m3_transpose(r), r), ds_m3_identity()));
    return larger(sides, fabs((double)ds_m3_det(r) - 1));
}
static ds_m3 rebuilt(ds_m3 u, ds_v3 s, ds_m3 v)
{
    return ds_m3_mul(ds_m3_mul(u, ds_m3_diagonal(s.x, s.y, s.z)), ds_m3_transpose(v));
}
static ds_v3 divided(ds_v3 s, double size)
{
    const ds_m3 d = unit_sized(ds_m3_diagonal(s.x, s.y, s.z), size);
    return ds_v3_make(d.m[0], d.m[4], d.m[8]);
}

static double svd_rebuilds(ds_m3 a)
{
    ds_m3 u, v;
    ds_v3 s;
    ds_m3_svd(a, &u, &s, &v);
    return difference(rebuilt(u, divided(s, size_of(a)), v), unit_sized(a, size_of(a)));
}
static double svd_rotates(ds_m3 a)
{
    ds_m3 u, v;
    ds_v3 s;
    ds_m3_svd(a, &u, &s, &v);
    return larger(rotation_error(u), rotation_error(v));
}
static double svd_orders(ds_m3 a) /* and the sign is that of det a, where rounding leaves it a sign */
{
    ds_m3 u, v;
    ds_v3 s;
    double det;
    ds_m3_svd(a, &u, &s, &v);
    det = (double)ds_m3_det(unit_sized(a, size_of(a)));
    if (fabs(det) > 100 * EPSILON && det * (double)s.z < 0) return 1;
    return s.x >= s.y && s.y >= (ds_real)fabs((double)s.z) ? 0 : 1;
}
static double svd_keeps_invariants(ds_m3 a) /* |a|^2 is the sum of squares, |cof a|^2 that of pairs, det */
{
    ds_m3 u, v;
    ds_v3 s;
    double aa = 0, cc = 0, xx, yy, zz;
    int i;
    ds_m3_svd(a, &u, &s, &v);
    s = divided(s, size_of(a));
    a = unit_sized(a, size_of(a));
    for (i = 0; i < 9; i++) {
        const double entry = (double)a.m[i], minor = (double)ds_m3_cofactor(a).m[i];
        aa += entry * entry;
        cc += minor * minor;
    }
    xx = (double)s.x * (double)s.x, yy = (double)s.y * (double)s.y, zz = (double)s.z * (double)s.z;
    return larger(larger(fabs(aa - (xx + yy + zz)) / 9, fabs(cc - (xx * yy + yy * zz + zz * xx)) / 36),
                  fabs((double)ds_m3_det(a) - (double)s.x * (double)s.y * (double)s.z) / 6);
}
static double svd_agrees_with_eigen(ds_m3 a) /* a'a has the squares; twice the size keeps float in range */
{
    ds_m3 u, v, w;
    ds_v3 s, squares;
    a = unit_sized(a, size_of(a));
    ds_m3_svd(a, &u, &s, &v);
    ds_m3_symmetric_eigen(ds_m3_mul(ds_m3_transpose(a), a), &squares, &w);
    return larger(larger(fabs((double)squares.x - (double)s.x * (double)s.x) / 9,
                         fabs((double)squares.y - (double)s.y * (double)s.y) / 9),
                  fabs((double)squares.z - (double)s.z * (double)s.z) / 9);
}
static double polar_rebuilds(ds_m3 a)
{
    ds_m3 r, p;
    ds_m3_polar(a, &r, &p);
    return difference(ds_m3_mul(r, unit_sized(p, size_of(a))), unit_sized(a, size_of(a)));
}
static double polar_rotates(ds_m3 a)
{
    ds_m3 r, p;
    ds_m3_polar(a, &r, &p);
    return larger(rotation_error(r), difference(p, ds_m3_transpose(p)) > 0 ? 1 : 0);
}
/* no rotation is nearer: trace(r'a) is the largest, s.x + s.y + s.z */
static double polar_is_nearest(ds_m3 a)
{
    ds_m3 r, p, other;
    double trace = 0, others;
    int i, k;
    ds_rng rng = ds_rng_make(5, 5);
    a = unit_sized(a, size_of(a));
    ds_m3_polar(a, &r, &p);
    for (i = 0; i < 9; i++) trace += (double)r.m[i] * (double)a.m[i];
    for (k = 0; k < 10; k++) {
        const ds_v3 axis = ds_m3_row(random_m3(&rng), 0);
        other = ds_m3_mul(r, ds_q4_to_m3(ds_q4_from_axis_angle(axis, (ds_real)power_of_ten(&rng, -5))));
        for (i = 0, others = 0; i < 9; i++) others += (double)other.m[i] * (double)a.m[i];
        if (others > trace + TOLERANCE) return others - trace;
    }
    return fabs(trace - (double)(p.m[0] + p.m[4] + p.m[8])) / 3;
}
static double eigen_rebuilds(ds_m3 a)
{
    const ds_m3 b = ds_m3_add(ds_m3_scale(a, (ds_real)0.5), ds_m3_scale(ds_m3_transpose(a), (ds_real)0.5));
    ds_m3 v;
    ds_v3 w;
    ds_m3_symmetric_eigen(b, &w, &v);
    return difference(rebuilt(v, divided(w, size_of(b)), v), unit_sized(b, size_of(b)));
}
static double eigen_rotates_and_orders(ds_m3 a) /* reads the diagonal and what is above it only */
{
    ds_m3 v, same = a, again;
    ds_v3 w, w_again;
    same.m[3] = same.m[6] = same.m[7] = 77;
    ds_m3_symmetric_eigen(a, &w, &v);
    ds_m3_symmetric_eigen(same, &w_again, &again);
    if (difference(v, again) > 0 || w.x != w_again.x || w.z != w_again.z) return 1;
    return w.x >= w.y && w.y >= w.z ? rotation_error(v) : 1;
}
static double eigen_finds_known(ds_m3 a) /* r diag(3 -1 -2) r' with the rotation of the polar form */
{
    ds_m3 r, p, v;
    ds_v3 w;
    ds_m3_polar(a, &r, &p);
    ds_m3_symmetric_eigen(rebuilt(r, ds_v3_make(3, -1, -2), r), &w, &v);
    return larger(larger(fabs((double)w.x - 3), fabs((double)w.y + 1)), fabs((double)w.z + 2)) / 3;
}

static const struct { const char *name; double (*error)(ds_m3 a);
} promises[] = {
    ROW(svd_rebuilds),
    ROW(svd_rotates),
    ROW(svd_orders),
    ROW(svd_keeps_invariants),
    ROW(svd_agrees_with_eigen),
    ROW(polar_rebuilds),
    ROW(polar_rotates),
    ROW(polar_is_nearest),
    ROW(eigen_rebuilds),
    ROW(eigen_rotates_and_orders),
    ROW(eigen_finds_known),
};

static void test_promise(double (*error)(ds_m3 a), const char *name)
{
    double worst = 0;
    size_t k, where = 0;
    for (k = 0; k < COUNT(kinds); k++) {
        ds_rng rng = ds_rng_make(20, k);
        int i;
        for (i = 0; i < SAMPLES; i++) {
            const double e = error(kinds[k].make(&rng));
            if (!(e <= worst)) worst = e, where = k;
        }
    }
    if (!TAP_OK(worst <= TOLERANCE, "%s", name)) tap_diag("error %g for %s", worst, kinds[where].name);
}

static int same_m3(ds_m3 a, ds_m3 b) { return memcmp(&a, &b, sizeof a) == 0; }

static void test_zero(void)
{
    const ds_m3 zero = ds_m3_diagonal(0, 0, 0), one = ds_m3_identity();
    ds_m3 u, v, r, p;
    ds_v3 s;
    ds_m3_svd(zero, &u, &s, &v);
    TAP_OK(same_m3(u, one) && same_m3(v, one) && s.x == 0 && s.y == 0 && s.z == 0, "svd of zero");
    ds_m3_polar(zero, &r, &p);
    TAP_OK(same_m3(r, one) && same_m3(p, zero), "polar form of zero");
    ds_m3_symmetric_eigen(zero, &s, &v);
    TAP_OK(same_m3(v, one) && s.x == 0 && s.z == 0, "eigenvectors of zero");
}

static void test_known_values(void)
{
    ds_m3 u, v;
    ds_v3 s;
    ds_m3_svd(ds_m3_diagonal(2, -7, 3), &u, &s, &v);
    TAP_OK(s.x == 7 && s.y == 3 && s.z == -2, "svd of a diagonal matrix is exact, the sign goes last");
    ds_m3_symmetric_eigen(ds_m3_diagonal(2, -7, 3), &s, &v);
    TAP_OK(s.x == 3 && s.y == 2 && s.z == -7, "eigenvalues of a diagonal matrix are exact");
    /* 2 on the diagonal, -1 beside it: 2 + sqrt 2, 2, 2 - sqrt 2 */
    ds_m3_symmetric_eigen(ds_m3_from_rows(ds_v3_make(2, -1, 0), ds_v3_make(-1, 2, -1), ds_v3_make(0, -1, 2)),
                          &s, &v);
    TAP_NEAR(s.x, 2 + sqrt(2), TOLERANCE, "the largest mode of a chain");
    TAP_NEAR(s.y, 2, TOLERANCE, "its middle one");
    TAP_NEAR(s.z, 2 - sqrt(2), TOLERANCE, "its lowest one");
}

/* a power of two scales the values and nothing else, down to the least denormal number */
static void test_scales(void)
{
    const int least = sizeof(ds_real) == 4 ? -148 : -1073, most = sizeof(ds_real) == 4 ? 125 : 1021;
    ds_rng rng = ds_rng_make(21, 0);
    int exponent, wrong = 0;
    for (exponent = least; exponent <= most; exponent++) {
        ds_m3 a = small_integers(&rng), b = a, u, v, u_scaled, v_scaled;
        ds_v3 s, scaled;
        int i;
        for (i = 0; i < 9; i++) b.m[i] = (ds_real)ldexp((double)a.m[i], exponent);
        ds_m3_svd(a, &u, &s, &v);
        ds_m3_svd(b, &u_scaled, &scaled, &v_scaled);
        wrong += !same_m3(u, u_scaled) || !same_m3(v, v_scaled) ||
                 scaled.x != (ds_real)ldexp((double)s.x, exponent) ||
                 scaled.z != (ds_real)ldexp((double)s.z, exponent);
    }
    TAP_OK(!wrong, "svd is the same at every power of two");
}

/* the branch-free polar form serves where the header says, near it and far from it; and many lanes with any
   instructions have the bits of one */
static void test_core_polar(void)
{
    static const double served[][3] = { { 1, 1, 1 }, { 1, 1.0 / 6, 0 }, { 1, 1, -0.4 }, { 6, 1, 1 } };
    static const double refused[][3] = {
        { 1, 1, -1 }, { 1, 0.1, -0.1 }, { 1, 0, 0 }, { 1e5, 1e5, 1e5 }, { 1e-5, 1e-5, 1e-5 }
    };
    ds_real x[9 * DSI_STRIDE], y[11 * DSI_STRIDE], one[11];
    ds_rng rng = ds_rng_make(22, 0);
    size_t k, i, c, wrong = 0, good = 0;
    for (k = 0; k < COUNT(served) * SAMPLES; k++) {
        const double *const s = served[k % COUNT(served)];
        dsi_core_polar_alone(turned(&rng, s[0], s[1], s[2]).m, one, 1);
        wrong += !(one[10] > 0);
    }
    for (k = 0; k < COUNT(refused) * SAMPLES; k++) {
        const double *const s = refused[k % COUNT(refused)];
        dsi_core_polar_alone(turned(&rng, s[0], s[1], s[2]).m, one, 1);
        wrong += one[10] > 0;
    }
    TAP_OK(!wrong, "the polar form without a branch serves where it is said to, and not beyond");
    for (k = 0, wrong = 0; k < COUNT(kinds) * 20; k++) {
        int wide;
        for (i = 0; i < DSI_STRIDE; i++) {
            const ds_m3 a = kinds[k % COUNT(kinds)].make(&rng);
            for (c = 0; c < 9; c++) x[c * DSI_STRIDE + i] = a.m[c];
        }
        for (wide = 0; wide <= dsi_wide(); wide++) {
            dsi_core_polar_lanes[wide](x, y);
            for (i = 0; i < DSI_STRIDE; i++) {
                ds_real alone[9];
                for (c = 0; c < 9; c++) alone[c] = x[c * DSI_STRIDE + i];
                dsi_core_polar_alone(alone, one, 1);
                good += one[10] > 0;
                for (c = 0; c < 11; c++) /* of NaN the sign is open */
                    wrong += one[c] == one[c] ? memcmp(one + c, y + c * DSI_STRIDE + i, sizeof *one) != 0
                                              : y[c * DSI_STRIDE + i] == y[c * DSI_STRIDE + i];
            }
        }
    }
    TAP_OK(good > 1000 && !wrong, "%s", "lanes have the bits of one");
}

static void test_not_finite(void)
{
    const ds_real bad[2] = { (ds_real)NAN, (ds_real)INFINITY };
    int i, k, wrong = 0;
    for (k = 0; k < 2; k++)
        for (i = 0; i < 9; i++) {
            ds_m3 a = ds_m3_identity(), u, v;
            ds_v3 s;
            a.m[i] = bad[k];
            ds_m3_svd(a, &u, &s, &v);
            wrong += !isnan((double)(u.m[i] + v.m[8] + s.x)) || !isnan((double)s.z);
            ds_m3_polar(a, &u, &v);
            wrong += !isnan((double)u.m[i]) || !isnan((double)v.m[i]);
            a.m[i % 3 * 3 + i / 3] = bad[k];
            ds_m3_symmetric_eigen(a, &s, &v);
            wrong += !isnan((double)s.y) || !isnan((double)v.m[i]);
        }
    TAP_OK(!wrong, "NaN and infinity anywhere make every result NaN");
    {
        const ds_real most = sizeof(ds_real) == 4 ? (ds_real)FLT_MAX : (ds_real)DBL_MAX;
        const ds_v3 row = ds_v3_make(most, most, most);
        ds_m3 u, v;
        ds_v3 s;
        ds_m3_svd(ds_m3_from_rows(row, row, row), &u, &s, &v);
        TAP_OK(isinf((double)s.x) && rotation_error(u) <= TOLERANCE && rotation_error(v) <= TOLERANCE,
               "a value out of range is infinite, the rotations are right");
    }
    ds_m3_svd(ds_m3_identity(), NULL, NULL, NULL);
    ds_m3_polar(ds_m3_identity(), NULL, NULL);
    ds_m3_symmetric_eigen(ds_m3_identity(), NULL, NULL);
    TAP_OK(1, "NULL outputs are refused");
}

int main(void)
{
    size_t k;
    for (k = 0; k < COUNT(promises); k++) test_promise(promises[k].error, promises[k].name);
    test_zero();
    test_known_values();
    test_scales();
    test_core_polar();
    test_not_finite();
    return tap_end();
}
