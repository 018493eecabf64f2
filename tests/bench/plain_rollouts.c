/* plain_rollouts.c - the rollouts of rollouts.h as one writes them by hand in C, adjoints included. Compiled
   once with the flags of the header's program and once with free ones, as plain_kernels.c. */

#define _POSIX_C_SOURCE 200809L

#include "rollouts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

typedef DIFFSIM_REAL real;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#ifdef KERNEL_SIMD
#define SIMD _Pragma("omp simd")
#else
#define SIMD
#endif

enum { LINE = 64 / sizeof(real) };

typedef struct plain {
    int    which;
    size_t n_grad;
    void  *memory;
    real  *field[3], *target;                       /* W2 */
    real  *number[3], *history;                     /* W6 */
    real  *start;                                   /* [n n], or z [CHAINS][MASSES] */
    double *grad, loss;
} plain;

static real *cut(real **at, size_t n)
{
    real *r = *at;
    *at += (n + LINE - 1) / LINE * LINE;
    return r;
}
static real *aligned(plain *p, size_t n)
{
    p->memory = calloc(n + 2 * LINE, sizeof(real));
    if (!p->memory) return NULL;
    real *at = (real *)p->memory;
    return at + (LINE - (uintptr_t)at / sizeof(real) % LINE) % LINE;
}

/* >>W2 ---- */

/* rows have a border of zeros: 8 cells before and behind, a row above and below */
static size_t wave_row(size_t n) { return n + 16; }
static size_t wave_cells(size_t n) { return (n + 2) * wave_row(n); }
static size_t wave_at(size_t n, size_t i, size_t j) { return (i + 1) * wave_row(n) + 8 + j; }

static int wave_make(plain *p)
{
    const size_t n = wave_side(p->which), cells = wave_cells(n);
    real *at = aligned(p, 4 * cells + 4 * LINE);
    if (!at) return 0;
    for (int f = 0; f < 3; f++) p->field[f] = cut(&at, cells);
    p->target = cut(&at, cells);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) p->target[wave_at(n, i, j)] = (real)wave_target(n, i, j);
    return 1;
}

/* o = 2 u - v + a lap u - b lap v; the adjoint of a step is a step, too, as lap is its own transpose */
static void wave_step(size_t n, real a, real b, const real *u, const real *v, real *o)
{
    const size_t row = wave_row(n);
    for (size_t i = 0; i < n; i++) {
        const real *restrict p = u + wave_at(n, i, 0), *restrict q = v + wave_at(n, i, 0);
        real *restrict r = o + wave_at(n, i, 0);
        SIMD
        for (size_t j = 0; j < n; j++) {
            const real lap_p = p[j - 1] + p[j + 1] + *(p + j - row) + p[j + row] - 4 * p[j];
            const real lap_q = q[j - 1] + q[j + 1] + *(q + j - row) + q[j + row] - 4 * q[j];
            r[j] = 2 * p[j] - q[j] + a * lap_p - b * lap_q;
        }
    }
}

/* what was the first becomes the second, and the third the first */
static void rotate(real **u, real **v, real **o)
{
    real *last = *v;
    *v = *u;
    *u = *o;
    *o = last;
}

static void wave_run(plain *p, int back)
{
    const size_t n = wave_side(p->which), row = wave_row(n);
    const double count = (double)n * (double)n;
    real *u = p->field[0], *v = p->field[1], *o = p->field[2];
    double a, b, sum = 0;
    wave_numbers(&a, &b);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) u[wave_at(n, i, j)] = v[wave_at(n, i, j)] = p->start[i * n + j];
    for (int k = 0; k < W2_STEPS; k++, rotate(&u, &v, &o)) wave_step(n, (real)a, (real)b, u, v, o);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t at = wave_at(n, i, j);
            const real miss = u[at] - p->target[at];
            sum += (double)miss * (double)miss;
            v[at] = (real)(2 / count) * miss;
            o[at] = 0;
        }
    p->loss = sum / count;
    if (!back) return;
    real *bar = v, *later = o, *next = u;           /* adjoints of the last surface, and of none after it */
    for (int k = 0; k < W2_STEPS; k++, rotate(&bar, &later, &next))
        wave_step(n, (real)a, (real)b, bar, later, next);
    for (size_t i = 0; i < n; i++)                  /* the surface before the first is the first, too */
        for (size_t j = 0; j < n; j++) {
            const real *q = later + wave_at(n, i, j);
            const real lap = q[-1] + q[1] + *(q - row) + q[row] - 4 * q[0];
            p->grad[i * n + j] = bar[wave_at(n, i, j)] - q[0] - (real)b * lap;
        }
}

/* >>W6 ---- */

/* Chains go in groups as wide as a vector, whose history stays in the cache:
   [step][mass][x y z u v w][LINE]. */
enum { GROUP = LINE, NUMBERS = 6 * MASSES };
static const real dt = (real)1e-3, per_mass = 10, gravity = (real)-9.8;

static int chains_make(plain *p)
{
    real *at = aligned(p, 3 * CHAINS + (W6_STEPS + 1) * NUMBERS * GROUP + 4 * LINE);
    if (!at) return 0;
    for (int f = 0; f < 3; f++) {
        p->number[f] = cut(&at, CHAINS);
        for (size_t e = 0; e < CHAINS; e++) p->number[f][e] = (real)chain_number(f, e);
    }
    p->history = cut(&at, (W6_STEPS + 1) * NUMBERS * GROUP);
    return 1;
}

typedef struct link { real x, y, z, u, v, w; } link; /* how far the mass is from the one before, how fast */
static inline link link_of(const real *q, size_t m, size_t e)
{
    link r = { q[e], q[GROUP + e], q[2 * GROUP + e], q[3 * GROUP + e], q[4 * GROUP + e], q[5 * GROUP + e] };
    if (m) {
        const real *a = q - 6 * GROUP;
        r.x -= a[e], r.y -= a[GROUP + e], r.z -= a[2 * GROUP + e];
        r.u -= a[3 * GROUP + e], r.v -= a[4 * GROUP + e], r.w -= a[5 * GROUP + e];
    }
    return r;
}

static void chain_step(const real *X, real *restrict Y, const real *k, const real *c, const real *l)
{
    real f[3 * MASSES][GROUP];
    memset(f, 0, sizeof f);
    for (size_t m = 0; m < MASSES; m++)
        SIMD
        for (size_t e = 0; e < GROUP; e++) {
            const link d = link_of(X + 6 * m * GROUP, m, e);
            const real square = d.x * d.x + d.y * d.y + d.z * d.z, inverse = 1 / sqrt(square);
            const real speed = (d.x * d.u + d.y * d.v + d.z * d.w) * inverse;
            const real s = (k[e] * (square * inverse - l[e]) + c[e] * speed) * inverse;
            f[3 * m][e] -= s * d.x, f[3 * m + 1][e] -= s * d.y, f[3 * m + 2][e] -= s * d.z;
            if (m) f[3 * m - 3][e] += s * d.x, f[3 * m - 2][e] += s * d.y, f[3 * m - 1][e] += s * d.z;
        }
    for (size_t m = 0; m < MASSES; m++)
        for (size_t axis = 0; axis < 3; axis++) {
            const real *x = X + (6 * m + axis) * GROUP, *v = x + 3 * GROUP, g = axis == 2 ? gravity : 0;
            real *restrict to = Y + (6 * m + axis) * GROUP;
            SIMD
            for (size_t e = 0; e < GROUP; e++) {
                const real next = v[e] + dt * (f[3 * m + axis][e] * per_mass + g);
                to[3 * GROUP + e] = next;
                to[e] = x[e] + dt * next;
            }
        }
}

/* a [NUMBERS][GROUP]: adjoint of the state behind the step, then before it */
static void chain_adjoint(const real *X, real a[NUMBERS][GROUP], const real *k, const real *c, const real *l,
                          real *k_bar, real *c_bar, real *l_bar)
{
    real f[3 * MASSES][GROUP];
    for (size_t m = 0; m < MASSES; m++)
        for (size_t axis = 0; axis < 3; axis++)
            SIMD
            for (size_t e = 0; e < GROUP; e++) {
                a[6 * m + 3 + axis][e] += dt * a[6 * m + axis][e];
                f[3 * m + axis][e] = dt * per_mass * a[6 * m + 3 + axis][e];
            }
    for (size_t m = 0; m < MASSES; m++)
        SIMD
        for (size_t e = 0; e < GROUP; e++) {
            const link d = link_of(X + 6 * m * GROUP, m, e);
            real x = -f[3 * m][e], y = -f[3 * m + 1][e], z = -f[3 * m + 2][e];
            if (m) x += f[3 * m - 3][e], y += f[3 * m - 2][e], z += f[3 * m - 1][e];
            const real square = d.x * d.x + d.y * d.y + d.z * d.z, inverse = 1 / sqrt(square);
            const real length = square * inverse, n0 = d.x * inverse, n1 = d.y * inverse, n2 = d.z * inverse;
            const real speed = d.u * n0 + d.v * n1 + d.w * n2, s_bar = x * n0 + y * n1 + z * n2;
            const real s = k[e] * (length - l[e]) + c[e] * speed, damped = s_bar * c[e];
            k_bar[e] += s_bar * (length - l[e]), l_bar[e] -= s_bar * k[e], c_bar[e] += s_bar * speed;
            const real a0 = s * x + damped * d.u, a1 = s * y + damped * d.v, a2 = s * z + damped * d.w;
            const real along = s_bar * k[e] - (a0 * n0 + a1 * n1 + a2 * n2) * inverse;
            const real g0 = along * n0 + a0 * inverse, g1 = along * n1 + a1 * inverse;
            const real g2 = along * n2 + a2 * inverse;
            const real h0 = damped * n0, h1 = damped * n1, h2 = damped * n2;
            real(*to)[GROUP] = a + 6 * m;
            to[0][e] += g0, to[1][e] += g1, to[2][e] += g2, to[3][e] += h0, to[4][e] += h1, to[5][e] += h2;
            if (!m) continue;
            to -= 6;
            to[0][e] -= g0, to[1][e] -= g1, to[2][e] -= g2, to[3][e] -= h0, to[4][e] -= h1, to[5][e] -= h2;
        }
}

static void chains_run(plain *p, int back)
{
    p->loss = 0;
    for (size_t first = 0; first < CHAINS; first += GROUP) {
        const real *k = p->number[0] + first, *c = p->number[1] + first, *l = p->number[2] + first;
        const size_t size = NUMBERS * GROUP;
        real *h = p->history, a[NUMBERS][GROUP], bars[3][GROUP];
        memset(h, 0, size * sizeof *h);
        for (size_t m = 0; m < MASSES; m++)
            for (size_t e = 0; e < GROUP; e++) {
                h[6 * m * GROUP + e] = (real)(0.1 * (double)(m + 1));
                h[(6 * m + 2) * GROUP + e] = p->start[(first + e) * MASSES + m];
            }
        for (size_t s = 0; s < W6_STEPS; s++) chain_step(h + s * size, h + (s + 1) * size, k, c, l);
        memset(a, 0, sizeof a);
        memset(bars, 0, sizeof bars);
        for (size_t e = 0; e < GROUP; e++) {
            const real *q = h + W6_STEPS * size + 6 * (MASSES - 1) * GROUP + e;
            const double miss[3] = { (double)q[0] - 0.5, (double)q[GROUP], (double)q[2 * GROUP] + 0.8 };
            for (size_t axis = 0; axis < 3; axis++) {
                p->loss += miss[axis] * miss[axis] / CHAINS;
                a[6 * (MASSES - 1) + axis][e] = (real)(2 * miss[axis] / CHAINS);
            }
        }
        for (size_t s = W6_STEPS; back && s-- > 0;)
            chain_adjoint(h + s * size, a, k, c, l, bars[0], bars[1], bars[2]);
        for (size_t f = 0; back && f < 3; f++)
            for (size_t e = 0; e < GROUP; e++) p->grad[f * CHAINS + first + e] = (double)bars[f][e];
    }
}

/* >>side ---- */

static void destroy(void *state)
{
    plain *p = (plain *)state;
    if (!p) return;
    free(p->memory);
    free(p->grad);
    free(p->start);
    free(p);
}

static void *create(int which)
{
    const size_t n = wave_side(which), count = which == W6 ? 3 * CHAINS : n * n;
    plain *p = which > W6 ? NULL : (plain *)calloc(1, sizeof *p);
    if (!p) return NULL;
    p->which = which;
    p->grad = (double *)calloc(count, sizeof *p->grad);
    p->start = (real *)calloc(which == W6 ? CHAINS * MASSES : count, sizeof *p->start);
    if (!p->grad || !p->start || !(which == W6 ? chains_make(p) : wave_make(p))) {
        destroy(p);
        return NULL;
    }
    for (size_t i = 0; which != W6 && i < count; i++) p->start[i] = (real)wave_start(n, i / n, i % n);
    for (size_t i = 0; which == W6 && i < CHAINS * MASSES; i++)
        p->start[i] = (real)chain_z(i / MASSES, i % MASSES);
    return p;
}

static int run(plain *p, int back)
{
    if (p->which == W6) chains_run(p, back);
    else wave_run(p, back);
    return 0;
}
static int forward(void *state) { return run((plain *)state, 0); }
static int both(void *state) { return run((plain *)state, 1); }
static double loss(const void *state) { return ((const plain *)state)->loss; }
static double grad(const void *state, size_t i) { return ((const plain *)state)->grad[i]; }

extern const rollout_side ROLLOUT_SIDE[1];
const rollout_side ROLLOUT_SIDE[1] = {
    { "plain", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create, destroy, forward, both, loss, grad, NULL }
};
