/* test_wave.c - the pond of examples/wave.h: loss and gradient for DiffTaichi's target are those of its
   public program to 1e-9; steps of descent follow the closed form of the linear problem, in sines, for both
   beginnings; the adjoint is that of the run to 1e-12; all surfaces as one step, or in pairs within a budget,
   give the same numbers; the same bits everywhere */
#define DIFFSIM_IMPLEMENTATION
#include "../examples/wave.h"
#include "oracle/wave.h"

#include "tap.h"

#include <math.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { SIDE = 256, SURFACES = 256, SMALL = 16, SMALL_SURFACES = 38, STEPS = 200 };
#ifdef __OPTIMIZE__
enum { OPTIMISED = 1 };
#else
enum { OPTIMISED = 0 }; /* one step of the large pond must do */
#endif
static const double PI = 3.14159265358979323846;

static ds_real first[SIDE * SIDE], grad[SIDE * SIDE];
static double sines[SIDE * SIDE], modes[SIDE * SIDE], half[SIDE * SIDE], gain[SIDE * SIDE];

/* all surfaces one step of the rollout, or pairs */
static int make(pond *p, size_t side, int starts_at_rest, int in_pairs, size_t memory_limit)
{
    ds_checkpoint_plan plan;
    memset(p, 0, sizeof *p);
    p->side = side;
    p->surfaces = side == SIDE ? SURFACES : SMALL_SURFACES;
    p->starts_at_rest = starts_at_rest;
    p->in_pairs = in_pairs;
    p->memory_limit = memory_limit;
    return TAP_OK(pond_create(p, &plan), "a pond of %d by %d: %s", (int)side, (int)side, plan.text);
}

static void unpack_target(ds_real *to)
{
    size_t at = 0;
    for (size_t i = 0; i < sizeof ORACLE_TARGET / sizeof *ORACLE_TARGET; i++)
        for (const char *c = ORACLE_TARGET[i]; *c; c++) {
            char *end;
            long count = strtol(c, &end, 10);
            if (end == c) count = 1;
            c = end;
            double white = *c == 'w';
            if (*c == '=') {
                white = (double)strtol(c + 1, &end, 16) / (255 * 262144.0);
                c = end; /* the comma */
            }
            while (count-- > 0 && at < SIDE * SIDE) to[at++] = (ds_real)(white - ORACLE_MEAN);
        }
    TAP_OK(at == SIDE * SIDE, "the target has %d numbers", (int)at);
}

/* modes = the sine transform of picture, which is its own inverse: S picture S with S[a][i] =
   sqrt(2 / (n + 1)) sin(pi (a + 1) (i + 1) / (n + 1)); gain: how high a mode with height 1 is at the end */
static void transform(const pond *p)
{
    const size_t n = p->side;
    for (size_t a = 0; a < n; a++)
        for (size_t i = 0; i < n; i++)
            sines[a * n + i] = sqrt(2 / ((double)n + 1)) *
                               sin(PI * (double)((a + 1) * (i + 1) % (2 * n + 2)) / ((double)n + 1));
    for (size_t a = 0; a < n; a++)
        for (size_t i = 0; i < n; i++) {
            double *const to = &half[a * n + i];
            *to = 0;
            for (size_t k = 0; k < n; k++) *to += sines[a * n + k] * (double)p->picture[k * n + i];
        }
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++) {
            const double fall = (-4 + 2 * cos(PI * (double)(a + 1) / ((double)n + 1)) +
                                 2 * cos(PI * (double)(b + 1) / ((double)n + 1))) / 3;
            double before = 1, now = p->starts_at_rest, next;
            modes[a * n + b] = 0;
            for (size_t k = 0; k < n; k++) modes[a * n + b] += half[a * n + k] * sines[b * n + k];
            for (size_t t = 2; t < p->surfaces; t++) {
                next = 2 * now - before + fall * now;
                before = now;
                now = next;
            }
            gain[a * n + b] = now;
        }
}

/* the loss before step k of descent with this rate: every mode by itself */
static double closed_form(const pond *p, double rate, int k)
{
    double sum = 0;
    for (size_t i = 0; i < p->cells; i++) {
        const double left = 1 - 2 * rate / (double)p->cells * gain[i] * gain[i];
        sum += modes[i] * modes[i] * pow(left * left, k);
    }
    return sum / (double)p->cells;
}

/* the program's target and its steps of length 1 */
static void oracle(void)
{
    pond p;
    ds_real loss = 0;
    double square = 0, sum = 0;
    const double close = IS_FLOAT ? 1e-3 : 1e-9;
    if (!make(&p, SIDE, 0, 0, 0)) return;
    unpack_target(p.picture);
    if (OPTIMISED) transform(&p);
    for (int k = 0; k <= 10 && OPTIMISED; k++)
        TAP_NEAR(closed_form(&p, 1, 20 * k), ORACLE_CURVE[k], IS_FLOAT ? 1e-5 : 1e-12,
                 "its closed form before step %d", 20 * k);
    for (int k = 0; k < 1 + OPTIMISED; k++) {
        TAP_OK(!pond_misfit(&p, first, p.cells, &loss, grad), "there and back");
        TAP_NEAR(loss, ORACLE_LOSS[k], close, "... the loss before step %d", k);
        for (size_t i = 0; i < p.cells && k == 0; i++) {
            square += (double)grad[i] * (double)grad[i];
            sum += (double)grad[i];
        }
        for (size_t i = 0; i < p.cells; i++) first[i] -= grad[i];
        if (k) continue;
        TAP_NEAR(sqrt(square), ORACLE_GRADIENT_NORM, close, "... the norm of the gradient");
        TAP_NEAR(sum, ORACLE_GRADIENT_SUM, close, "... its sum");
        for (int i = 0; i < 6; i++)
            TAP_NEAR(grad[ORACLE_GRADIENT[i].row * SIDE + ORACLE_GRADIENT[i].column],
                     ORACLE_GRADIENT[i].gradient, close, "... at (%d, %d)", ORACLE_GRADIENT[i].row,
                     ORACLE_GRADIENT[i].column);
    }
    pond_destroy(&p);
}

/* 200 steps of descent on a small pond, each where the closed form says */
static void descent(int starts_at_rest)
{
    pond p;
    ds_real loss = 0;
    double worst = 0, largest = 0;
    ds_rng rng = ds_rng_make(1, 0);
    if (!make(&p, SMALL, starts_at_rest, 0, 0)) return;
    for (size_t i = 0; i < p.cells; i++) p.picture[i] = ds_rng_normal(&rng);
    transform(&p);
    for (size_t i = 0; i < p.cells; i++) largest = fmax(largest, fabs(gain[i]));
    const double rate = 0.3 * (double)p.cells / (largest * largest);
    memset(first, 0, p.cells * sizeof *first);
    for (int k = 0; k <= STEPS; k++) {
        if (pond_misfit(&p, first, p.cells, &loss, grad)) break;
        worst = fmax(worst, fabs((double)loss / closed_form(&p, rate, k) - 1));
        for (size_t i = 0; i < p.cells; i++) first[i] -= (ds_real)rate * grad[i];
    }
    TAP_OK(worst < (IS_FLOAT ? 1e-3 : 1e-11), "%s: 200 steps follow the closed form, off by %.1e",
           starts_at_rest ? "at rest" : "as the original", worst);
    TAP_OK((double)loss < 0.9 * closed_form(&p, rate, 0), "... down to %.3f", (double)loss);
    pond_destroy(&p);
}

/* <picture, P first> = <P' picture, first>: with the last surface 0 the gradient is -2 / cells P' picture */
static void adjoint(int starts_at_rest)
{
    pond p;
    ds_real loss = 0;
    double left = 0, right = 0, size = 0;
    ds_rng rng = ds_rng_make(2, 0);
    if (!make(&p, SMALL, starts_at_rest, 1, 0)) return;
    for (size_t i = 0; i < p.cells; i++) {
        p.picture[i] = ds_rng_normal(&rng);
        first[i] = 0;
    }
    pond_misfit(&p, first, p.cells, &loss, grad);
    for (size_t i = 0; i < p.cells; i++) {
        first[i] = ds_rng_normal(&rng);
        right += -0.5 * (double)p.cells * (double)grad[i] * (double)first[i];
    }
    const ds_real *last = pond_run(&p, first);
    for (size_t i = 0; i < p.cells; i++) {
        left += (double)last[i] * (double)p.picture[i];
        size += fabs((double)last[i] * (double)p.picture[i]);
    }
    TAP_OK(fabs(left - right) < (IS_FLOAT ? 1e-5 : 1e-12) * size, "<y, P x> = <P'y, x>, off by %.1e",
           fabs(left - right) / size);
    pond_destroy(&p);
}

/* loss and gradient of exact numbers: all surfaces at once, and in pairs of which few are kept */
static void same_bits(void)
{
    static ds_real again[SMALL * SMALL];
    pond p, pairs;
    ds_real loss = 0, loss_again = 0;
    int same = 1;
    if (!make(&p, SMALL, 1, 0, 0) || !make(&pairs, SMALL, 1, 1, sizeof loss * 120000)) return;
    for (size_t i = 0; i < p.cells; i++) {
        p.picture[i] = pairs.picture[i] = (ds_real)((int)(i * 37 % 101) - 50) / 64;
        first[i] = (ds_real)((int)(i * 29 % 97) - 48) / 32;
    }
    pond_misfit(&p, first, p.cells, &loss, grad);
    pond_misfit(&pairs, first, p.cells, &loss_again, again);
    for (size_t i = 0; i < p.cells; i++) same = same && grad[i] == again[i];
    TAP_OK(same && loss == loss_again && ds_rollout_again(pairs.rollout) > 0,
           "the same gradient with %d steps run again", (int)ds_rollout_again(pairs.rollout));
    const uint64_t hash = ds_hash_reals(grad, p.cells, ds_hash_reals(&loss, 1, 0));
    const uint64_t want = IS_FLOAT ? UINT64_C(0x3334afb87d31677c) : UINT64_C(0xd748842ac136b0fe);
    const ds_build build = ds_build_info(); /* contraction: in the slopes of pond_loss */
    if (!build.same_bits || build.contraction)
        TAP_SKIP("this build has other bits", "the bits of every machine");
    else TAP_OK(hash == want, "the bits of every machine: %016llx", (unsigned long long)hash);
    pond_destroy(&p);
    pond_destroy(&pairs);
}

int main(void)
{
    oracle();
    for (int rest = 0; rest < 2; rest++) {
        descent(rest);
        adjoint(rest);
    }
    same_bits();
    return tap_end();
}
