/* rollouts.h - whole rollouts that are measured, forward and backward.

   W2_n  a damped wave on n x n cells, 256 steps, by the first surface
   W6    4096 chains of 12 masses, springs with dampers between them, 200 steps, by stiffness, damping and
         rest length of each chain

   Inputs are computed in double. Each way to run them is a file compiled with flags and a number type of its
   own that exports a list of sides. */

#ifndef BENCH_ROLLOUTS_H
#define BENCH_ROLLOUTS_H

#include <math.h>
#include <stddef.h>

enum { W2_128, W2_512, W6, N_ROLLOUTS };
enum { W2_STEPS = 256, W6_STEPS = 200, CHAINS = 4096, MASSES = 12 };

/* create: NULL if there is no memory or the side does not run this one. forward: the loss; both: the loss and
   its gradient; return 0 if it worked. grad: [n n] of the first surface, [3][CHAINS] of k, c, l. */
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

#endif
