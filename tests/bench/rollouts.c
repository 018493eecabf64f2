/* rollouts.c - whole rollouts of the library, forward and backward, against the same in plain C: microseconds
   per step.

   build/rollouts [--reps N] [--quick] [--only CASE]

   Loss and gradient of every contender are checked first against numbers on which a hand-written adjoint,
   JAX, Taichi and Warp agree, or no time is printed. Then they take turns; a time is the least of the rounds.
   --quick checks, and measures one round. */

#define _POSIX_C_SOURCE 200809L

#include "rollouts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const rollout_side plain_rollouts_double[1], plain_rollouts_float[1];
extern const rollout_side free_rollouts_double[1], free_rollouts_float[1];
extern const rollout_side launched_rollouts_double[4], launched_rollouts_float[4];

enum { PLAIN, FREE, INTERPRETER, PRINTED, WORLD, WORLD_PRINTED, N_SIDES };
static const rollout_side *const sides[2][N_SIDES] = {
    { &plain_rollouts_double[0], &free_rollouts_double[0], &launched_rollouts_double[0],
      &launched_rollouts_double[1], &launched_rollouts_double[2], &launched_rollouts_double[3] },
    { &plain_rollouts_float[0], &free_rollouts_float[0], &launched_rollouts_float[0],
      &launched_rollouts_float[1], &launched_rollouts_float[2], &launched_rollouts_float[3] }
};

/* The loss; of the first `split` numbers of the gradient and of the others: the length, and of the first the
   sum of g_q cos(0.37 q). */
typedef struct rollout_case {
    const char *name;
    size_t      n_grad, split;
    int         steps;
    double      loss, length, waved, length_behind;
} rollout_case;
static const rollout_case cases[N_ROLLOUTS] = {
    { "W2_128", 128 * 128, 128 * 128, W2_STEPS, 0.0082831757854279, 0.000720592331755,
      7.379545214209e-07, 0 },
    { "W2_512", 512 * 512, 512 * 512, W2_STEPS, 0.010887545740642, 0.000329995057448,
      2.870675842573e-09, 0 },
    { "W6", 3 * CHAINS, CHAINS, W6_STEPS, 0.84004285809277, 8.575903583465e-07, 2.044327269618e-09,
      0.2219612553036 },
    { "W1_64", W1_SPRINGS + 3 * W1_POINTS, W1_SPRINGS, W1_STEPS, 0.006853346447758, 3.715312419068e-09,
      6.975593807761e-10, 0.002583056639568 },
    { "W5", 2 * W5_TETS, W5_TETS, W5_STEPS, 0.0019842040758047, 1.584934768745e-11, -7.634199462757e-13,
      1.958526060479e-13 }
};

/* plain C knows no nets and blocks: bare kernels are what worlds are measured by; waves are no worlds */
static int does(int side, int which)
{
    if (side <= FREE) return which < W1_64;
    return side < WORLD || which >= W6;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* the largest error, relative to what it is an error of */
static double error_of(const rollout_case *c, const rollout_side *side, const void *state)
{
    double first = 0, behind = 0, waved = 0;
    for (size_t i = 0; i < c->n_grad; i++) {
        const double g = side->grad(state, i);
        if (i < c->split) first += g * g, waved += g * cos(0.37 * (double)i);
        else behind += g * g;
    }
    double worst = fabs(side->loss(state) / c->loss - 1);
    worst = fmax(worst, fabs(sqrt(first) / c->length - 1));
    worst = fmax(worst, fabs(waved - c->waved) / c->length);
    if (c->length_behind > 0) worst = fmax(worst, fabs(sqrt(behind) / c->length_behind - 1));
    return worst == worst ? worst : (double)INFINITY;
}

/* ratios: over the free side, or the printed one where there is no plain C */
static void print_row(const rollout_case *c, const char *real, const char *way, const double *us)
{
    printf("%-7s %-7s %-8s", c->name, real, way);
    const int which = (int)(c - cases), by = does(FREE, which) ? FREE : PRINTED;
    for (int k = 0; k < N_SIDES; k++)
        if (does(k, which)) printf(" %11.2f", us[k] / c->steps);
        else printf(" %11s", "");
    for (int k = INTERPRETER; k < N_SIDES; k++)
        if (does(k, which)) printf(" %11.2f", us[k] / us[by]);
        else printf(" %11s", "");
    printf("\n");
}

/* one case in one number type; returns how much is wrong */
static int contest(int which, int is_float, int reps)
{
    const rollout_case *c = &cases[which];
    const rollout_side *const *side = sides[is_float];
    void *state[N_SIDES] = { NULL };
    double us[2][N_SIDES] = { { 0 } }, backward[N_SIDES];
    int wrong = 0;
    for (int k = 0; k < N_SIDES; k++) {
        if (!does(k, which)) continue;
        state[k] = side[k]->create(which);
        const int failed = !state[k] || side[k]->both(state[k]);
        const double error = failed ? (double)INFINITY : error_of(c, side[k], state[k]);
        const int bad = !(error <= (is_float ? 2e-3 : 1e-9));
        if (bad) fprintf(stderr, "%s, %s, %s: error %.1e\n", c->name, side[k]->real, side[k]->name, error);
        wrong += bad;
    }
    for (int round = 0; round < reps && !wrong; round++)
        for (int k = 0; k < N_SIDES; k++)
            for (int both = 0; both < 2 && does(k, which); both++) {
                const double start = now_us();
                wrong += both ? side[k]->both(state[k]) : side[k]->forward(state[k]);
                const double time = now_us() - start;
                us[both][k] = round ? fmin(us[both][k], time) : time;
            }
    if (!wrong) {
        for (int k = 0; k < N_SIDES; k++) backward[k] = us[1][k] - us[0][k];
        print_row(c, side[0]->real, "forward", us[0]);
        print_row(c, side[0]->real, "backward", backward);
        print_row(c, side[0]->real, "both", us[1]);
        printf("        %s\n", side[PRINTED]->plan(state[PRINTED]));
    }
    for (int k = 0; k < N_SIDES; k++) side[k]->destroy(state[k]);
    return wrong;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    int reps = 12, wrong = 0, n = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quick")) reps = 1;
        else if (!strcmp(argv[i], "--reps") && i + 1 < argc) reps = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--only") && i + 1 < argc) only = argv[++i];
        else reps = 0;
    }
    for (int i = 0; i < N_ROLLOUTS; i++) n += !only || !strcmp(only, cases[i].name);
    if (reps < 1 || !n) {
        fprintf(stderr, "usage: rollouts [--reps N] [--quick] [--only CASE]\n");
        return 2;
    }
    printf("plain C, %s; free: with %s; library: %s\n", plain_rollouts_double[0].flags,
           free_rollouts_double[0].flags, launched_rollouts_double[0].flags);
    printf("microseconds per step, the least; then times / free\n\n%-24s", "");
    for (int k = 0; k < N_SIDES; k++) printf(" %11s", k == FREE ? "free" : sides[0][k]->name);
    printf(" %11s %11s %11s %11s\n", "interpreter", "printed", "world", "printed");
    for (int i = 0; i < N_ROLLOUTS; i++)
        for (int is_float = 1; is_float >= 0; is_float--)
            if (!only || !strcmp(only, cases[i].name)) wrong += contest(i, is_float, reps);
    return wrong > 0;
}
