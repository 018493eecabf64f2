/* functions.c - what the elementary functions cost: nanoseconds per number in a loop of libm calls, in a loop
   of ds_real_* calls, and in ds_reals_*; the best of many rounds over 1000 numbers. Before it measures, the
   array form has to have the bits of the scalar form, and both to be near libm. */
#define _POSIX_C_SOURCE 199309L
#include "../../diffsim.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { COUNT = 1000, ROUNDS = 400 };

typedef void array_1(const ds_real *x, ds_real *out, size_t n);
typedef void loop_1(const ds_real *x, const ds_real *y, ds_real *out);
typedef struct row {
    const char *name;
    double low, high; /* x is drawn from */
    loop_1 *libm, *scalar, *array;
} row;

/* static void libm_exp(x, y, out), own_exp, arrays_exp: one pass over the numbers */
#define LOOP(name, value) \
    static void name(const ds_real *x, const ds_real *y, ds_real *out) \
    { \
        int i; \
        (void)y; \
        for (i = 0; i < COUNT; i++) out[i] = (ds_real)(value); \
    }
#define UNARY(name) \
    LOOP(libm_##name, name((double)x[i])) \
    LOOP(own_##name, ds_real_##name(x[i]))
#define ARRAY(name) \
    static void arrays_##name(const ds_real *x, const ds_real *y, ds_real *out) \
    { \
        (void)y; \
        ds_reals_##name(x, out, COUNT); \
    }
UNARY(exp)
UNARY(expm1)
UNARY(log)
UNARY(log1p)
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(sinh)
UNARY(cosh)
UNARY(tanh)
UNARY(cbrt)
UNARY(erf)
LOOP(libm_pow, pow((double)x[i], (double)y[i]))
LOOP(own_pow, ds_real_pow(x[i], y[i]))
LOOP(libm_atan2, atan2((double)x[i], (double)y[i]))
LOOP(own_atan2, ds_real_atan2(x[i], y[i]))
ARRAY(exp)
ARRAY(log)
ARRAY(sin)
ARRAY(cos)
ARRAY(tanh)
static void arrays_pow(const ds_real *x, const ds_real *y, ds_real *out)
{
    ds_reals_pow(x, y, out, COUNT);
}

static const row rows[] = {
    { "exp", -10, 10, libm_exp, own_exp, arrays_exp },
    { "log", 0.001, 100, libm_log, own_log, arrays_log },
    { "sin", -30, 30, libm_sin, own_sin, arrays_sin },
    { "cos", -30, 30, libm_cos, own_cos, arrays_cos },
    { "tanh", -3, 3, libm_tanh, own_tanh, arrays_tanh },
    { "pow", 0.1, 10, libm_pow, own_pow, arrays_pow },
    { "expm1", -3, 3, libm_expm1, own_expm1, NULL },
    { "log1p", -0.9, 10, libm_log1p, own_log1p, NULL },
    { "tan", -30, 30, libm_tan, own_tan, NULL },
    { "asin", -1, 1, libm_asin, own_asin, NULL },
    { "acos", -1, 1, libm_acos, own_acos, NULL },
    { "atan", -5, 5, libm_atan, own_atan, NULL },
    { "atan2", -5, 5, libm_atan2, own_atan2, NULL },
    { "sinh", -5, 5, libm_sinh, own_sinh, NULL },
    { "cosh", -5, 5, libm_cosh, own_cosh, NULL },
    { "cbrt", -9, 9, libm_cbrt, own_cbrt, NULL },
    { "erf", -3, 3, libm_erf, own_erf, NULL }
};

static ds_real x[COUNT], y[COUNT], out[COUNT], other[COUNT];

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* per number, the best of the rounds */
static double best_of(loop_1 *loop)
{
    double best = 1e30;
    int i;
    for (i = 0; i < ROUNDS; i++) {
        const double begin = nanoseconds();
        double took;
        loop(x, y, out);
        took = nanoseconds() - begin;
        if (took < best) best = took;
    }
    return best / COUNT;
}

/* 1: the three agree */
static int agree(const row *f)
{
    int i;
    f->scalar(x, y, out);
    if (f->array) {
        f->array(x, y, other);
        if (memcmp(out, other, sizeof out)) return 0;
    }
    f->libm(x, y, other);
    for (i = 0; i < COUNT; i++)
        if (!(fabs((double)(out[i] - other[i])) <= 4e-7 * fabs((double)other[i]))) return 0;
    return 1;
}

int main(void)
{
    ds_rng rng = ds_rng_make(3, 0);
    size_t r;
    int i, bad = 0;
    printf("%-6s %8s %8s %8s   ns per number; libm / array\n", "", "libm", "scalar", "array");
    for (r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const row *f = &rows[r];
        double libm, own, array;
        for (i = 0; i < COUNT; i++) {
            x[i] = (ds_real)(f->low + (f->high - f->low) * (double)ds_rng_uniform(&rng));
            y[i] = 4 * ds_rng_uniform(&rng) - 2;
        }
        if (!agree(f)) {
            printf("%-6s the forms do not agree\n", f->name);
            bad = 1;
            continue;
        }
        libm = best_of(f->libm);
        own = best_of(f->scalar);
        if (f->array) {
            array = best_of(f->array);
            printf("%-6s %8.2f %8.2f %8.2f   %.1f\n", f->name, libm, own, array, libm / array);
        } else {
            printf("%-6s %8.2f %8.2f\n", f->name, libm, own);
        }
    }
    return bad;
}
