/* ulp.c - the largest error of every elementary function against MPFR, in units of the last place of the
   exact value: ./ulp [points of each range]. A range is sampled evenly in its numbers, and evenly in their
   logarithms; overflow borders, denormal numbers and huge angles are ranges of their own. Fails over the
   limit of the row, and where the one is infinite or NaN and the other is not. */
#define DIFFSIM_IMPLEMENTATION
#include "diffsim.h"

#include <mpfr.h>
#include <stdio.h>

typedef int exact_1(mpfr_t, const mpfr_t, mpfr_rnd_t);
typedef int exact_2(mpfr_t, const mpfr_t, const mpfr_t, mpfr_rnd_t);
typedef ds_real own_1(ds_real);
typedef ds_real own_2(ds_real, ds_real);
typedef struct range { double low, high, low2, high2; } range; /* 0, 0: no second operand, or the end */
typedef struct row {
    const char *name;
    double limit;
    own_1 *own1;
    exact_1 *exact1;
    own_2 *own2;
    exact_2 *exact2;
    range ranges[8];
} row;

#define BIG (sizeof(ds_real) == 4 ? 3.4e38 : 1.79e308)
#define TINY (sizeof(ds_real) == 4 ? 2e-45 : 5e-324)
#define ONE(name) #name, 1, ds_real_##name, mpfr_##name, NULL, NULL
#define TWO(name) #name, 1, NULL, NULL, ds_real_##name, mpfr_##name
#define ANGLES \
    { { -0.8, 0.8, 0, 0 }, { -7, 7, 0, 0 }, { -1000, 1000, 0, 0 }, { -1048576, 1048576, 0, 0 }, \
      { 1048576, 1e9, 0, 0 }, { -BIG, BIG, 0, 0 } }

enum { ROWS = 18 };
static void fill(row *rows)
{
    const row all[ROWS] = {
        { ONE(exp), { { -0.4, 0.4, 0, 0 }, { -20, 20, 0, 0 }, { -746, 710, 0, 0 }, { -745.2, -708, 0, 0 },
                      { 709, 709.8, 0, 0 }, { -88, 89, 0, 0 } } },
        { ONE(expm1), { { -0.4, 0.4, 0, 0 }, { 0.34, 0.41, 0, 0 }, { -2, 2, 0, 0 }, { -40, 40, 0, 0 },
                        { -746, 710, 0, 0 }, { -1, 89, 0, 0 } } },
        { ONE(log), { { 0.7, 1.5, 0, 0 }, { 0.999, 1.001, 0, 0 }, { 0.2, 9, 0, 0 }, { TINY, BIG, 0, 0 },
                      { TINY, 1e-300, 0, 0 } } },
        { ONE(log1p), { { -0.3, 0.5, 0, 0 }, { -1, 9, 0, 0 }, { -1e-10, 1e-10, 0, 0 }, { -1, BIG, 0, 0 } } },
        { ONE(sin), ANGLES },
        { ONE(cos), ANGLES },
        { ONE(tan), ANGLES },
        { ONE(asin), { { -1, 1, 0, 0 }, { 0.49, 0.51, 0, 0 }, { 0.99, 1, 0, 0 } } },
        { ONE(acos), { { -1, 1, 0, 0 }, { 0.49, 0.51, 0, 0 }, { 0.99, 1, 0, 0 }, { -1, -0.99, 0, 0 } } },
        { ONE(atan), { { -1, 1, 0, 0 }, { -9, 9, 0, 0 }, { 0.7, 1.5, 0, 0 }, { -BIG, BIG, 0, 0 } } },
        { ONE(sinh), { { -1.1, 1.1, 0, 0 }, { 0.9, 3, 0, 0 }, { -30, 30, 0, 0 }, { -711, 711, 0, 0 },
                       { 709, 710.5, 0, 0 }, { -90, 90, 0, 0 } } },
        { ONE(cosh), { { -1.1, 1.1, 0, 0 }, { 0.9, 3, 0, 0 }, { -30, 30, 0, 0 }, { -711, 711, 0, 0 },
                       { 709, 710.5, 0, 0 }, { -90, 90, 0, 0 } } },
        { ONE(tanh), { { -0.4, 0.4, 0, 0 }, { -2, 2, 0, 0 }, { -25, 25, 0, 0 } } },
        { ONE(cbrt), { { -1, 9, 0, 0 }, { -BIG, BIG, 0, 0 }, { TINY, 1e-300, 0, 0 } } },
        { ONE(erf), { { -1.1, 1.1, 0, 0 }, { 0.9, 1.1, 0, 0 }, { -6.1, 6.1, 0, 0 } } },
        { TWO(pow), { { 0.1, 9, -9, 9 }, { 0.9, 1.1, -5000, 5000 }, { TINY, BIG, -2, 2 },
                      { TINY, 1e-300, -1, 1 }, { 0.99999, 1.00001, -7.3e7, 7.3e7 }, { 1, 3, -1075, 1024 },
                      { -30, 0, 2, 2 } } },
        { TWO(atan2), { { -3, 3, -3, 3 }, { -BIG, BIG, -BIG, BIG }, { TINY, 1e-300, TINY, 1e-300 },
                        { 1, 2, 1e8, 1e19 }, { 1, 2, -1e19, -1e8 } } },
        { TWO(hypot), { { -3, 3, -3, 3 }, { -BIG, BIG, -BIG, BIG }, { TINY, 1e-300, TINY, 1e-300 },
                        { 1, 2, 1e6, 1e11 } } }
    };
    memcpy(rows, all, sizeof all);
}

/* the exact value in `exact`; its error in ulp */
static double error_of(const mpfr_t exact, ds_real got, mpfr_t scratch)
{
    const int digits = sizeof(ds_real) == 4 ? 24 : 53, lowest = sizeof(ds_real) == 4 ? -148 : -1073;
    const double largest = sizeof(ds_real) == 4 ? 3.4028235677973366e38 : 0; /* where a float overflows */
    long exponent;
    double rounded = mpfr_get_d(exact, MPFR_RNDN);
    if (largest > 0 && fabs(rounded) >= largest) rounded = rounded > 0 ? HUGE_VAL : -HUGE_VAL;
    if (rounded - rounded != 0 || (double)got - (double)got != 0)
        return rounded == (double)got || (rounded != rounded && got != got) ? 0 : 1e9;
    if (mpfr_zero_p(exact)) return got == 0 ? 0 : 1e9;
    exponent = mpfr_get_exp(exact) - digits + 1; /* exact is in [1/2, 1) 2^exp */
    if (exponent < lowest) exponent = lowest;
    mpfr_sub_d(scratch, exact, (double)got, MPFR_RNDN);
    mpfr_mul_2si(scratch, scratch, 1 - exponent, MPFR_RNDN);
    return fabs(mpfr_get_d(scratch, MPFR_RNDN));
}

/* evenly, or evenly in the bits of a number, which is in its logarithm */
static ds_real draw(ds_rng *rng, double low, double high, int evenly)
{
    const double u = (double)(ds_rng_bits(rng) >> 11) / 9007199254740992.0;
    double from = low, to = high;
    uint64_t begin, end, at;
    if (evenly) return (ds_real)(low * (1 - u) + high * u);
    if (low < 0 && high > 0) {
        if (ds_rng_bits(rng) & 1) to = low;
        from = 0;
    }
    memcpy(&begin, &from, sizeof from);
    memcpy(&end, &to, sizeof to);
    if (from == 0 && to < 0) begin = (uint64_t)1 << 63;
    if (begin > end) at = begin, begin = end, end = at;
    at = begin + (uint64_t)(u * (double)(end - begin));
    memcpy(&from, &at, sizeof from);
    return (ds_real)from;
}

int main(int argc, char **argv)
{
    const long points = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    static row rows[ROWS];
    ds_rng rng = ds_rng_make(11, 0);
    mpfr_t x, y, exact, scratch;
    int bad = 0, r, k;
    mpfr_inits2(110, exact, scratch, (mpfr_ptr)0);
    mpfr_inits2(53, x, y, (mpfr_ptr)0);
    fill(rows);
    for (r = 0; r < ROWS; r++) {
        const row *f = &rows[r];
        double worst = 0, at = 0, at2 = 0, wrong = 0;
        long count = 0, i;
        if (argc > 2 && strcmp(argv[2], f->name)) continue;
        for (k = 0; k < 8 && (f->ranges[k].low < 0 || f->ranges[k].high > 0); k++)
            for (i = 0; i < points; i++, count++) {
                const range *span = &f->ranges[k];
                const ds_real a = draw(&rng, span->low, span->high, i & 1);
                const ds_real b = f->own2 ? draw(&rng, span->low2, span->high2, (i >> 1) & 1) : 0;
                mpfr_set_d(x, (double)a, MPFR_RNDN);
                mpfr_set_d(y, (double)b, MPFR_RNDN);
                if (f->own2) f->exact2(exact, x, y, MPFR_RNDN);
                else f->exact1(exact, x, MPFR_RNDN);
                wrong = error_of(exact, f->own2 ? f->own2(a, b) : f->own1(a), scratch);
                if (!(wrong <= worst)) worst = wrong, at = (double)a, at2 = (double)b;
            }
        if (f->own2) printf("# %-6s %6.3f ulp at %.17g, %.17g of %ld\n", f->name, worst, at, at2, count);
        else printf("# %-6s %6.3f ulp at %.17g of %ld\n", f->name, worst, at, count);
        fflush(stdout);
        if (!(worst <= f->limit)) bad++;
    }
    mpfr_clears(x, y, exact, scratch, (mpfr_ptr)0);
    return bad != 0;
}
