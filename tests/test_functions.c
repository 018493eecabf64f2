/* The elementary functions: special values as in C99 annex F, exact cases, symmetries, monotone where the
   function is, near the C library, and the array form with the bits of the scalar. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? 1.2e-7 : 2.3e-16)
#define LEAST (IS_FLOAT ? 1.4e-45 : 4.9406564584124654e-324) /* the smallest denormal number */
#define MOST (IS_FLOAT ? (double)FLT_MAX : DBL_MAX)
#define POINTS 20000

typedef ds_real unary(ds_real);
typedef double unary_libm(double);
typedef ds_real binary(ds_real, ds_real);

static const double inf = HUGE_VAL;

/* the same number and the same sign of zero; one NaN is as good as another */
static int same_value(double got, double want)
{
    return want != want ? got != got : got == want && !signbit(got) == !signbit(want);
}

/* one row for each function: where the C library is asked, whether it is odd or even, where it rises (-1:
   falls) */
typedef struct function {
    const char *name;
    unary *own;
    unary_libm *libm;
    double low, high;
    int odd, rises; /* odd: 1; even: -1; neither: 0 */
} function;
static const function functions[] = {
    { "exp", ds_real_exp, exp, -80, 80, 0, 1 },
    { "expm1", ds_real_expm1, expm1, -40, 80, 0, 1 },
    { "log", ds_real_log, log, 1e-30, 50, 0, 1 },
    { "log1p", ds_real_log1p, log1p, -0.99, 50, 0, 1 },
    { "sin", ds_real_sin, sin, -1.5, 1.5, 1, 1 },
    { "sin", ds_real_sin, sin, -1e5, 1e5, 1, 0 },
    { "cos", ds_real_cos, cos, 0, 3.1, -1, -1 },
    { "cos", ds_real_cos, cos, -1e5, 1e5, -1, 0 },
    { "tan", ds_real_tan, tan, -1.5, 1.5, 1, 1 },
    { "tan", ds_real_tan, tan, -1e5, 1e5, 1, 0 },
    { "asin", ds_real_asin, asin, -1, 1, 1, 1 },
    { "acos", ds_real_acos, acos, -1, 1, 0, -1 },
    { "atan", ds_real_atan, atan, -50, 50, 1, 1 },
    { "sinh", ds_real_sinh, sinh, -80, 80, 1, 1 },
    { "cosh", ds_real_cosh, cosh, 0, 80, -1, 1 },
    { "tanh", ds_real_tanh, tanh, -25, 25, 1, 1 },
    { "cbrt", ds_real_cbrt, cbrt, -50, 50, 1, 1 },
    { "erf", ds_real_erf, erf, -7, 7, 1, 1 }
};

/* units in the last place of want, loosely */
static double ulp_apart(double got, double want)
{
    return got == want ? 0 : fabs(got - want) / (EPSILON * fabs(want) + LEAST);
}

static void against_libm(void)
{
    ds_rng rng = ds_rng_make(1, 2);
    size_t k;
    int i;
    for (k = 0; k < COUNT(functions); k++) {
        const function *f = &functions[k];
        double worst = 0, at = 0;
        for (i = 0; i < POINTS; i++) {
            const double u = (double)ds_rng_uniform(&rng);
            const ds_real x = (ds_real)(f->low * (1 - u) + f->high * u);
            const double apart = ulp_apart((double)f->own(x), f->libm((double)x));
            if (apart > worst) worst = apart, at = (double)x;
        }
        TAP_OK(worst < 4, "%s on [%g, %g] is within 4 ulp of libm: %.2f at %.17g", f->name, f->low, f->high,
               worst, at);
    }
}

/* f(-x) = -f(x) or f(x) in every bit; steps of many sizes never go the wrong way */
static void shapes(void)
{
    ds_rng rng = ds_rng_make(3, 4);
    size_t k;
    int i;
    for (k = 0; k < COUNT(functions); k++) {
        const function *f = &functions[k];
        int odd = 1, wrong = 0;
        for (i = 0; i < POINTS; i++) {
            const double u = (double)ds_rng_uniform(&rng), x = f->low * (1 - u) + f->high * u;
            const ds_real a = (ds_real)x, b = (ds_real)(x + ldexp(fabs(x) + 1e-3, -(i % 60)));
            const double at_a = (double)f->own(a), at_b = (double)f->own(b), back = (double)f->own(-a);
            if (f->odd) odd = odd && same_value(back, f->odd * -at_a);
            if (f->rises && (double)b <= f->high && f->rises * (at_b - at_a) < -2 * EPSILON * fabs(at_a))
                wrong++;
        }
        if (f->odd) TAP_OK(odd, "%s is %s to the bit", f->name, f->odd > 0 ? "odd" : "even");
        if (f->rises)
            TAP_OK(!wrong, "%s on [%g, %g] %s: %d steps the wrong way", f->name, f->low, f->high,
                   f->rises > 0 ? "rises" : "falls", wrong);
    }
}

/* special values; a column NaN means NaN */
static void special_values(void)
{
    const double nan_ = nan(""), pi = 3.14159265358979323846;
    const struct { const char *name; unary *own; double x, want; } rows[] = {
        { "exp", ds_real_exp, 0, 1 },           { "exp", ds_real_exp, -0.0, 1 },
        { "exp", ds_real_exp, inf, inf },       { "exp", ds_real_exp, -inf, 0 },
        { "exp", ds_real_exp, 711, inf },       { "exp", ds_real_exp, -746, 0 },
        { "exp", ds_real_exp, MOST, inf },      { "exp", ds_real_exp, -MOST, 0 },
        { "exp", ds_real_exp, LEAST, 1 },       { "expm1", ds_real_expm1, -0.0, -0.0 },
        { "expm1", ds_real_expm1, 0, 0 },       { "expm1", ds_real_expm1, -inf, -1 },
        { "expm1", ds_real_expm1, inf, inf },   { "expm1", ds_real_expm1, -LEAST, -LEAST },
        { "expm1", ds_real_expm1, -MOST, -1 },  { "expm1", ds_real_expm1, 711, inf },
        { "log", ds_real_log, 1, 0 },           { "log", ds_real_log, 0, -inf },
        { "log", ds_real_log, -0.0, -inf },     { "log", ds_real_log, -1, nan_ },
        { "log", ds_real_log, -inf, nan_ },     { "log", ds_real_log, inf, inf },
        { "log1p", ds_real_log1p, 0, 0 },       { "log1p", ds_real_log1p, -0.0, -0.0 },
        { "log1p", ds_real_log1p, -1, -inf },   { "log1p", ds_real_log1p, -2, nan_ },
        { "log1p", ds_real_log1p, inf, inf },   { "log1p", ds_real_log1p, LEAST, LEAST },
        { "sin", ds_real_sin, 0, 0 },           { "sin", ds_real_sin, -0.0, -0.0 },
        { "sin", ds_real_sin, inf, nan_ },      { "sin", ds_real_sin, -inf, nan_ },
        { "sin", ds_real_sin, LEAST, LEAST },   { "cos", ds_real_cos, 0, 1 },
        { "cos", ds_real_cos, -inf, nan_ },     { "cos", ds_real_cos, LEAST, 1 },
        { "tan", ds_real_tan, -0.0, -0.0 },     { "tan", ds_real_tan, inf, nan_ },
        { "tan", ds_real_tan, -LEAST, -LEAST }, { "asin", ds_real_asin, -0.0, -0.0 },
        { "asin", ds_real_asin, 1, pi / 2 },    { "asin", ds_real_asin, -1, -pi / 2 },
        { "asin", ds_real_asin, 1.0001, nan_ }, { "asin", ds_real_asin, LEAST, LEAST },
        { "acos", ds_real_acos, 1, 0 },         { "acos", ds_real_acos, -1, pi },
        { "acos", ds_real_acos, 0, pi / 2 },    { "acos", ds_real_acos, -inf, nan_ },
        { "atan", ds_real_atan, -0.0, -0.0 },   { "atan", ds_real_atan, inf, pi / 2 },
        { "atan", ds_real_atan, -inf, -pi / 2 }, { "atan", ds_real_atan, 1, pi / 4 },
        { "atan", ds_real_atan, LEAST, LEAST }, { "atan", ds_real_atan, MOST, pi / 2 },
        { "sinh", ds_real_sinh, -0.0, -0.0 },   { "sinh", ds_real_sinh, -inf, -inf },
        { "sinh", ds_real_sinh, 720, inf },     { "sinh", ds_real_sinh, LEAST, LEAST },
        { "cosh", ds_real_cosh, 0, 1 },         { "cosh", ds_real_cosh, -inf, inf },
        { "cosh", ds_real_cosh, -720, inf },    { "tanh", ds_real_tanh, -0.0, -0.0 },
        { "tanh", ds_real_tanh, inf, 1 },       { "tanh", ds_real_tanh, -inf, -1 },
        { "tanh", ds_real_tanh, 23, 1 },        { "tanh", ds_real_tanh, -LEAST, -LEAST },
        { "cbrt", ds_real_cbrt, -0.0, -0.0 },   { "cbrt", ds_real_cbrt, -27, -3 },
        { "cbrt", ds_real_cbrt, 1e30, 1e10 },   { "cbrt", ds_real_cbrt, -inf, -inf },
        { "erf", ds_real_erf, -0.0, -0.0 },     { "erf", ds_real_erf, inf, 1 },
        { "erf", ds_real_erf, -7, -1 },         { "erf", ds_real_erf, LEAST, LEAST }
    };
    size_t i;
    for (i = 0; i < COUNT(rows); i++) {
        const double got = (double)rows[i].own((ds_real)rows[i].x), want = (double)(ds_real)rows[i].want;
        TAP_OK(same_value(got, want), "%s(%g) is %g: %g", rows[i].name, rows[i].x, want, got);
    }
    for (i = 0; i < COUNT(functions); i++) {
        const double got = (double)functions[i].own((ds_real)nan_);
        TAP_OK(got != got, "%s(NaN) is NaN", functions[i].name);
    }
}

/* C99 F.9.4.4 and F.9.1.4, and exact powers */
static void special_pairs(void)
{
    const double nan_ = nan(""), pi = 3.14159265358979323846;
    const struct { const char *name; binary *own; double x, y, want; } rows[] = {
        { "pow", ds_real_pow, nan_, 0, 1 },        { "pow", ds_real_pow, 1, nan_, 1 },
        { "pow", ds_real_pow, -inf, -0.0, 1 },     { "pow", ds_real_pow, 2, nan_, nan_ },
        { "pow", ds_real_pow, nan_, 2, nan_ },     { "pow", ds_real_pow, 0, -3, inf },
        { "pow", ds_real_pow, -0.0, -3, -inf },    { "pow", ds_real_pow, -0.0, -2, inf },
        { "pow", ds_real_pow, -0.0, 3, -0.0 },     { "pow", ds_real_pow, -0.0, 2, 0 },
        { "pow", ds_real_pow, -0.0, 0.5, 0 },      { "pow", ds_real_pow, -0.0, -inf, inf },
        { "pow", ds_real_pow, -1, inf, 1 },        { "pow", ds_real_pow, -1, -inf, 1 },
        { "pow", ds_real_pow, 0.5, -inf, inf },    { "pow", ds_real_pow, -2, -inf, 0 },
        { "pow", ds_real_pow, -0.5, inf, 0 },      { "pow", ds_real_pow, 2, inf, inf },
        { "pow", ds_real_pow, -inf, -3, -0.0 },    { "pow", ds_real_pow, -inf, -2, 0 },
        { "pow", ds_real_pow, -inf, 3, -inf },     { "pow", ds_real_pow, -inf, 2.5, inf },
        { "pow", ds_real_pow, inf, -1, 0 },        { "pow", ds_real_pow, inf, 0.5, inf },
        { "pow", ds_real_pow, -8, 0.5, nan_ },     { "pow", ds_real_pow, -2, 3, -8 },
        { "pow", ds_real_pow, -2, 2, 4 },          { "pow", ds_real_pow, 3, 5, 243 },
        { "pow", ds_real_pow, 10, 10, 1e10 },      { "pow", ds_real_pow, 4, -1.5, 0.125 },
        { "pow", ds_real_pow, 2, -149, ldexp(1, -149) }, { "pow", ds_real_pow, 2, 127, ldexp(1, 127) },
        { "pow", ds_real_pow, 9, 1e30, inf },      { "pow", ds_real_pow, 0.9, 1e30, 0 },
        { "pow", ds_real_pow, -2, 1e30, inf },     { "pow", ds_real_pow, 2, -1e-40, 1 },
        { "atan2", ds_real_atan2, 0, 1, 0 },       { "atan2", ds_real_atan2, -0.0, 1, -0.0 },
        { "atan2", ds_real_atan2, 0, -1, pi },     { "atan2", ds_real_atan2, -0.0, -1, -pi },
        { "atan2", ds_real_atan2, 0, 0, 0 },       { "atan2", ds_real_atan2, -0.0, 0, -0.0 },
        { "atan2", ds_real_atan2, 0, -0.0, pi },   { "atan2", ds_real_atan2, -0.0, -0.0, -pi },
        { "atan2", ds_real_atan2, 1, 0, pi / 2 },  { "atan2", ds_real_atan2, -1, -0.0, -pi / 2 },
        { "atan2", ds_real_atan2, 1, inf, 0 },     { "atan2", ds_real_atan2, -1, inf, -0.0 },
        { "atan2", ds_real_atan2, 1, -inf, pi },   { "atan2", ds_real_atan2, -inf, 1, -pi / 2 },
        { "atan2", ds_real_atan2, inf, inf, pi / 4 },
        { "atan2", ds_real_atan2, -inf, -inf, -3 * pi / 4 },
        { "atan2", ds_real_atan2, nan_, 1, nan_ }, { "atan2", ds_real_atan2, 1, nan_, nan_ },
        { "atan2", ds_real_atan2, LEAST, 1, LEAST }, { "atan2", ds_real_atan2, LEAST, MOST, 0 },
        { "atan2", ds_real_atan2, -MOST, LEAST, -pi / 2 }, { "atan2", ds_real_atan2, 5, 5, pi / 4 },
        { "hypot", ds_real_hypot, 3, -4, 5 },      { "hypot", ds_real_hypot, 0, -0.0, 0 },
        { "hypot", ds_real_hypot, -inf, nan_, inf }, { "hypot", ds_real_hypot, nan_, 1, nan_ },
        { "hypot", ds_real_hypot, LEAST, 0, LEAST }, { "hypot", ds_real_hypot, MOST, MOST, inf },
        { "hypot", ds_real_hypot, 3e30, 4e30, 5e30 }
    };
    size_t i;
    for (i = 0; i < COUNT(rows); i++) {
        const double got = (double)rows[i].own((ds_real)rows[i].x, (ds_real)rows[i].y);
        const double want = (double)(ds_real)rows[i].want;
        TAP_OK(same_value(got, want), "%s(%g, %g) is %g: %g", rows[i].name, rows[i].x, rows[i].y, want,
               got);
    }
}

/* huge angles, to published and computed digits: 2^120, 1e22 (Ng 1992), and the double that comes nearest to
   a multiple of pi/2, 6381956970095103 2^797 (Muller 2016, sec. 11.2) */
static void huge_angles(void)
{
    if (IS_FLOAT) {
        TAP_SKIP("the angles are doubles", "huge angles");
        return;
    }
    TAP_NEAR(ds_real_sin((ds_real)1e22), -0.85220084976718880177, 2e-16, "sin(1e22)");
    TAP_NEAR(ds_real_cos((ds_real)1e22), 0.5232147853951389455, 2e-16, "cos(1e22)");
    TAP_NEAR(ds_real_cos((ds_real)ldexp(6381956970095103.0, 797)), -4.68716592425462761112e-19, 4e-16,
             "the angle nearest to a multiple of pi/2");
    TAP_NEAR(ds_real_sin((ds_real)ldexp(1, 120)), 0.37782010936075202, 4e-16, "sin(2^120)");
    TAP_NEAR(ds_real_tan((ds_real)DBL_MAX), -0.0049620158744448955, 4e-16, "tan of the largest double");
    TAP_OK(ds_real_sin((ds_real)-1e22) == -ds_real_sin((ds_real)1e22), "and odd");
    TAP_NEAR(ds_real_sin((ds_real)1048576), sin(1048576.0), 4e-16, "the seam of the reductions");
    TAP_NEAR(ds_real_sin((ds_real)1048576.0000000001), sin(1048576.0000000001), 4e-16, "and above it");
}

/* the array form: bits of the scalar form for any number, any length, out the same as x */
typedef void array_1(const ds_real *x, ds_real *out, size_t n);
static void arrays(void)
{
    const struct { const char *name; unary *scalar; array_1 *array; } rows[] = {
        { "exp", ds_real_exp, ds_reals_exp }, { "log", ds_real_log, ds_reals_log },
        { "sin", ds_real_sin, ds_reals_sin }, { "cos", ds_real_cos, ds_reals_cos },
        { "tanh", ds_real_tanh, ds_reals_tanh }
    };
    enum { LONG = 400 };
    const double odd_ones[] = { 0,     -0.0,  1,     -1,     HUGE_VAL, -HUGE_VAL, 1e30,
                                -1e30, 1e-30, 708.5, -708.5, -745,     2e6 };
    ds_real x[LONG], y[LONG], out[LONG], want[LONG];
    ds_rng rng = ds_rng_make(5, 6);
    size_t i, k, n;
    for (i = 0; i < LONG; i++) {
        x[i] = 60 * ds_rng_uniform(&rng) - 30;
        y[i] = 8 * ds_rng_uniform(&rng) - 4;
        if (i > 250 && i % 7 == 0) x[i] = (ds_real)odd_ones[i % COUNT(odd_ones)];
        if (i > 250 && i % 11 == 0) y[i] = (ds_real)odd_ones[i % COUNT(odd_ones)];
    }
    x[300] = (ds_real)nan("");
    for (k = 0; k <= COUNT(rows); k++) {
        int same = 1;
        for (n = 0; n < LONG; n += n < 40 ? 1 : 37) {
            memset(out, 0, sizeof out);
            for (i = 0; i < n; i++)
                want[i] = k < COUNT(rows) ? rows[k].scalar(x[i]) : ds_real_pow(x[i], y[i]);
            if (k < COUNT(rows)) rows[k].array(x, out, n);
            else ds_reals_pow(x, y, out, n);
            for (i = 0; i < n; i++) same = same && same_value((double)out[i], (double)want[i]);
            for (; i < LONG; i++) same = same && out[i] == 0;
            memcpy(out, x, sizeof out); /* in place */
            if (k < COUNT(rows)) rows[k].array(out, out, n);
            else ds_reals_pow(out, y, out, n);
            for (i = 0; i < n; i++) same = same && same_value((double)out[i], (double)want[i]);
            for (; i < LONG; i++) same = same && same_value((double)out[i], (double)x[i]);
        }
        TAP_OK(same, "ds_reals_%s has the values of ds_real_%s at every length, in place too",
               k < COUNT(rows) ? rows[k].name : "pow", k < COUNT(rows) ? rows[k].name : "pow");
    }
    ds_reals_exp(NULL, out, 3);
    ds_reals_pow(x, NULL, out, 3);
    TAP_OK(same_value((double)out[0], (double)want[0]), "NULL is refused: nothing is written");
}

int main(void)
{
    special_values();
    special_pairs();
    huge_angles();
    against_libm();
    shapes();
    arrays();
    return tap_end();
}
