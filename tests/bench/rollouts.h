/* rollouts.h - whole rollouts that are measured, forward and backward.

   W2_n  a damped wave on n x n cells, 256 steps, by the first surface
   W6    4096 chains of 12 masses, springs with dampers between them, 200 steps, by stiffness, damping and
         rest length of each chain
   W1_64 a net of 64 x 64 masses and 16002 springs, 200 steps, by the stiffness of each and the first places
   W5    a block of 10000 tetrahedra of stable neo-Hookean material, 100 steps, by mu and lambda of each

   Inputs are computed in double. Each way to run them is a file compiled with flags and a number type of its
   own that exports a list of sides. */

#ifndef BENCH_ROLLOUTS_H
#define BENCH_ROLLOUTS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { W2_128, W2_512, W6, W1_64, W5, N_ROLLOUTS };
enum { W2_STEPS = 256, W6_STEPS = 200, CHAINS = 4096, MASSES = 12 };
enum { NET = 64, W1_STEPS = 200, W1_POINTS = NET * NET,
       W1_SPRINGS = 2 * NET * (NET - 1) + 2 * (NET - 1) * (NET - 1) };
enum { W5_STEPS = 100, W5_TETS = 10000, W5_POINTS = 21 * 11 * 11, W5_FIXED = 121 };

/* create: NULL if there is no memory or the side does not run this one. forward: the loss; both: the loss and
   its gradient; return 0 if it worked. grad: [n n] of the first surface, [3][CHAINS] of k, c, l,
   [W1_SPRINGS] of k with [W1_POINTS][3] of x, [2][W5_TETS] of mu, lambda. */
typedef struct rollout_side {
    const char *name, *real, *flags;
    void      *(*create)(int which);
    void       (*destroy)(void *state);
    int        (*forward)(void *state);
    int        (*both)(void *state);
    double     (*loss)(const void *state);
    double     (*grad)(const void *state, size_t i);
    const char *(*plan)(const void *state);         /* in words, or NULL */
} rollout_side;

static inline size_t wave_side(int which) { return which == W2_128 ? 128 : 512; }

/* the first surface, and the one wanted at the end */
static inline double wave_start(size_t n, size_t i, size_t j)
{
    const double x = (double)i - 0.4 * (double)n, y = (double)j - 0.55 * (double)n, w = 0.05 * (double)n;
    return exp(-(x * x + y * y) / (2 * w * w));
}
static inline double wave_target(size_t n, size_t i, size_t j)
{
    const double x = (double)i - 0.5 * (double)n, y = (double)j - 0.5 * (double)n, w = 0.08 * (double)n;
    return 0.5 * exp(-(x * x + y * y) / (2 * w * w));
}
/* u' = 2 u - v + a lap u - b lap v */
static inline void wave_numbers(double *a, double *b)
{
    const double dx = 0.02, c = 340, damping = 1e-3;
    const double dt = (sqrt(damping * damping + dx * dx / 3) - damping) / c;
    *a = (c * c * dt * dt + c * damping * dt) / (dx * dx);
    *b = c * damping * dt / (dx * dx);
}

/* stiffness, damping and rest length of chain e; where its mass m begins: (0.1 (m + 1), 0, z) */
static inline double chain_number(int which, size_t e)
{
    if (which == 0) return 400 * (1 + 0.3 * sin(0.01 * (double)e));
    if (which == 1) return 0.5 * (1 + 0.2 * cos(0.017 * (double)e));
    return 0.1 * (1 + 0.05 * sin(0.013 * (double)e));
}
static inline double chain_z(size_t e, size_t m) { return 0.02 * sin((double)m + 0.01 * (double)e); }

/* nets and blocks. Coordinate i of places, speeds and where they should be: xyzxyz... */
static inline double body_start(int which, size_t i)
{
    const size_t p = i / 3, axis = i % 3;
    const double d = 1.0 / (NET - 1), x = (double)(p / NET), y = (double)(p % NET);
    if (which == W5) return 0.1 * (double)(axis == 0 ? p / 121 : axis == 1 ? p / 11 % 11 : p % 11);
    if (axis == 0) return x * d + 0.1 * d * sin(0.7 * x + 0.3 * y);
    if (axis == 1) return y * d + 0.1 * d * cos(0.5 * x - 0.2 * y);
    return 0.1 * d * sin(0.3 * x) * cos(0.6 * y);
}
static inline double body_speed(int which, size_t i)
{
    const double x = body_start(which, i / 3 * 3);
    if (which != W5 || i % 3 == 0) return 0;
    return i % 3 == 1 ? -2 * x : 0.5 * sin(3 * x);
}
static inline double body_target(int which, size_t i)
{
    static const double moved[3] = { 0, -0.05, 0.02 };
    const double d = 1.0 / (NET - 1);
    if (which == W5) return body_start(which, i) + moved[i % 3];
    return i % 3 == 0 ? (double)(i / 3 / NET) * d : i % 3 == 1 ? (double)(i / 3 % NET) * d : -0.1;
}
/* points 0 ... do not move */
static inline size_t body_fixed(int which) { return which == W5 ? W5_FIXED : which == W6 ? 1 : NET; }

/* springs to the next in j, in i, and the two diagonals: the family, and which of it */
static inline size_t net_family(size_t *e)
{
    const size_t straight = NET * (NET - 1), diagonal = (NET - 1) * (NET - 1);
    if (*e < 2 * straight) {
        const size_t family = *e / straight;
        *e %= straight;
        return family;
    }
    *e -= 2 * straight;
    const size_t family = 2 + *e / diagonal;
    *e %= diagonal;
    return family;
}
static inline double net_rest(size_t e)
{
    return (net_family(&e) < 2 ? 1 : sqrt(2.0)) / (NET - 1);
}
static inline int32_t net_end(size_t e, size_t c)
{
    const size_t family = net_family(&e), row = family == 1 ? NET : NET - 1;
    const size_t at = e / row * NET + e % row + (family == 3 && !c ? 1 : 0);
    static const size_t away[4] = { 1, NET, NET + 1, NET };
    const size_t first = e / row * NET + e % row;
    return (int32_t)(c ? first + away[family] : at);
}
static inline int32_t body_corner(int which, size_t e, size_t c)
{
    static const int cuts[2][5][4] = {
        { { 0, 1, 3, 5 }, { 0, 3, 2, 6 }, { 0, 5, 4, 6 }, { 3, 5, 6, 7 }, { 0, 3, 5, 6 } },
        { { 1, 0, 2, 4 }, { 1, 2, 3, 7 }, { 1, 4, 5, 7 }, { 2, 4, 6, 7 }, { 1, 2, 4, 7 } }
    };
    const int cube = (int)(e / 5), i = cube / 100, j = cube / 10 % 10, k = cube % 10;
    if (which != W5) return net_end(e, c);
    const int bits = cuts[(i + j + k) % 2][e % 5][c];
    return ((i + (bits & 1)) * 11 + j + (bits >> 1 & 1)) * 11 + k + (bits >> 2);
}
/* W1: stiffness; W5: mu, lambda */
static inline double body_number(int which, int f, size_t e)
{
    if (which != W5) return 1000 * (1 + 0.1 * sin(0.1 * (double)e));
    return f ? 4e5 * (1 + 0.1 * cos(0.013 * (double)e)) : 1e5 * (1 + 0.2 * sin(0.01 * (double)e));
}

#endif
