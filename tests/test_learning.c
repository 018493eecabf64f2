/* test_learning.c - optimizer rules against their formulas written out, clipping, schedules, bounds and log
   parameters; the same bits after a restart from saved bytes; a refused step names the entry and changes
   nothing */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? (double)FLT_EPSILON : DBL_EPSILON)
enum { N = 5, ROOM = 2048 };

static union {
    char bytes[ROOM];
    double align;
} memory;

static const char *const RULES[] = {
#define DSI_ROW(NAME, change, sentence) #NAME,
    DSI_OPTIMIZERS(DSI_ROW)
#undef DSI_ROW
};
static const char *const SCHEDULES[] = {
#define DSI_ROW(NAME, factor) #NAME,
    DSI_SCHEDULES(DSI_ROW)
#undef DSI_ROW
};

static ds_optimizer *make(const ds_optimizer_desc *d)
{
    memset(memory.bytes, 7, ROOM);
    return ds_optimizer_init(memory.bytes, ROOM, N, d);
}

static void gradients(ds_rng *rng, ds_real *g)
{
    for (int i = 0; i < N; i++) g[i] = 2 * ds_rng_uniform(rng) - 1;
}

static double off(const ds_real *x, const double *want)
{
    double most = 0;
    for (int i = 0; i < N; i++) most = fmax(most, fabs((double)x[i] - want[i]));
    return most;
}

/* 30 steps against the formulas as the papers write them */
static void formulas(void)
{
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        const double a = 0.05, mu = 0.8, b1 = 0.85, b2 = 0.95, e = 1e-6, wd = 0.1;
        double x[N] = { 1, -2, 3, 0, 0.5 }, m[N] = { 0 }, s[N] = { 0 };
        ds_real y[N], g[N];
        ds_rng rng = ds_rng_make(1, 0);
        ds_optimizer_desc d = { 0 };
        d.rule = (ds_optimizer_rule)rule;
        d.learning_rate = a, d.momentum = mu, d.beta1 = b1, d.beta2 = b2, d.epsilon = e, d.weight_decay = wd;
        ds_optimizer *o = make(&d);
        for (int i = 0; i < N; i++) y[i] = (ds_real)x[i];
        for (int t = 1; t <= 30; t++) {
            gradients(&rng, g);
            for (int i = 0; i < N; i++) {
                const double gi = (double)g[i];
                const int velocity = rule == DSIM_OPTIMIZER_MOMENTUM || rule == DSIM_OPTIMIZER_NESTEROV;
                m[i] = velocity ? mu * m[i] + gi : b1 * m[i] + (1 - b1) * gi;
                s[i] = b2 * s[i] + (1 - b2) * gi * gi;
                const double adam = a * (m[i] / (1 - pow(b1, t))) / (sqrt(s[i] / (1 - pow(b2, t))) + e);
                x[i] -= rule == DSIM_OPTIMIZER_DESCENT    ? a * gi
                        : rule == DSIM_OPTIMIZER_MOMENTUM ? a * m[i]
                        : rule == DSIM_OPTIMIZER_NESTEROV ? a * (gi + mu * m[i])
                        : rule == DSIM_OPTIMIZER_ADAM     ? adam
                                                          : adam + a * wd * x[i];
            }
            if (ds_optimizer_step(o, y, g)) break;
        }
        TAP_OK(off(y, x) < 1000 * EPSILON && ds_optimizer_count(o) == 30,
               "%s: 30 steps as the formula, off by %.1e", RULES[rule], off(y, x));
    }
}

static void first_steps(void)
{
    ds_optimizer_desc d = { 0 };
    ds_real x[N] = { 1, 1, 1, 1, 1 }, g[N] = { 3, -7, (ds_real)0.01, 500, -4 };
    const ds_real none[N] = { 0 };
    int right = 1;
    d.learning_rate = 0.25;
    ds_optimizer *o = make(&d);
    ds_optimizer_step(o, x, g);
    for (int i = 0; i < N; i++) right &= fabs((double)x[i] - 1 + (g[i] > 0 ? 0.25 : -0.25)) < 1e-6;
    TAP_OK(right, "Adam's first step is the learning rate, against the sign of the gradient");
    d.rule = DSIM_OPTIMIZER_ADAMW;
    d.weight_decay = 0.5;
    o = make(&d);
    for (int i = 0; i < N; i++) x[i] = (ds_real)(i - 2);
    ds_optimizer_step(o, x, none);
    for (int i = 0; i < N; i++) right &= fabs((double)x[i] - (i - 2) * (1 - 0.25 * 0.5)) < 4 * EPSILON;
    TAP_OK(right, "AdamW without a gradient: x (1 - rate decay)");
    d.rule = DSIM_OPTIMIZER_ADAM;
    o = make(&d);
    ds_optimizer_step(o, x, none);
    TAP_OK(fabs((double)x[0] + 2 * (1 - 0.25 * 0.5)) < 4 * EPSILON, "Adam does not decay");
    make(NULL);
    TAP_NEAR(ds_optimizer_rate(make(NULL)), 1e-3, 1e-15, "the learning rate is 1e-3 unless wanted");
}

static void clipping(void)
{
    ds_optimizer_desc d = { 0 };
    ds_real x[N] = { 0 }, g[N] = { 3, -4, 0, 12, -84 };
    double length = 0;
    d.rule = DSIM_OPTIMIZER_DESCENT;
    d.learning_rate = 1;
    d.clip_value = 5;
    ds_optimizer_step(make(&d), x, g);
    TAP_OK(x[0] == -3 && x[1] == 4 && x[3] == -5 && x[4] == 5, "entries are clipped at 5");
    d.clip_value = 0;
    d.clip_norm = 2;
    memset(x, 0, sizeof x);
    ds_optimizer_step(make(&d), x, g);
    for (int i = 0; i < N; i++) length += (double)x[i] * (double)x[i];
    TAP_NEAR(sqrt(length), 2, 10 * EPSILON, "the length is clipped at 2");
    TAP_NEAR(x[4] / x[0], -28, 10 * EPSILON, "... the direction stays");
    d.clip_norm = 1e6;
    memset(x, 0, sizeof x);
    ds_optimizer_step(make(&d), x, g);
    TAP_OK(x[3] == -12, "a short gradient stays as it is");
    d.clip_value = 5;
    d.clip_norm = 5;
    memset(x, 0, sizeof x);
    ds_optimizer_step(make(&d), x, g);
    TAP_NEAR(x[0] / x[3], 3.0 / 5, 10 * EPSILON, "entries first, then the length");
}

static void schedules(void)
{
    for (int kind = 0; kind < DSIM_SCHEDULE_COUNT; kind++) {
        ds_schedule s = { 0 };
        int rises = 1;
        s.kind = (ds_schedule_kind)kind;
        s.warm_up = 4;
        s.period = 10;
        s.down = 0.5;
        s.to = 0.2;
        for (uint64_t t = 4; t < 60; t++) rises &= ds_schedule_factor(&s, t + 1) <= ds_schedule_factor(&s, t);
        TAP_OK(rises, "%s never rises after its warm-up", SCHEDULES[kind]);
        TAP_OK(ds_schedule_factor(&s, 0) == 0.25 && ds_schedule_factor(&s, 1) == 0.5 &&
                   ds_schedule_factor(&s, 3) == 1 && ds_schedule_factor(&s, 4) == 1,
               "... warm-up 1/4, 1/2, 3/4, 1, and then begins at 1");
        const double middle[] = { 1, 1, sqrt(0.5), 0.6 }, end[] = { 1, 0.5, 0.5, 0.2 },
                     beyond[] = { 1, 0.125, 0.125, 0.2 };
        TAP_NEAR(ds_schedule_factor(&s, 9), middle[kind], 1e-14, "... half a period");
        TAP_NEAR(ds_schedule_factor(&s, 14), end[kind], 1e-14, "... a period");
        TAP_NEAR(ds_schedule_factor(&s, 34), beyond[kind], 1e-14, "... three periods");

        ds_optimizer_desc d = { 0 };
        ds_real x[N] = { 0 }, g[N] = { 1, 0, 0, 0, 0 };
        double want = 0;
        d.rule = DSIM_OPTIMIZER_DESCENT;
        d.learning_rate = 0.5;
        d.schedule = s;
        ds_optimizer *o = make(&d);
        for (uint64_t t = 0; t < 20; t++) {
            want -= 0.5 * ds_schedule_factor(&s, t);
            ds_optimizer_step(o, x, g);
        }
        TAP_NEAR(x[0], want, 100 * EPSILON, "... scales the steps of an optimizer");
    }
    ds_schedule s = { 0 };
    s.kind = DSIM_SCHEDULE_STEP;
    TAP_NEAR(ds_schedule_factor(&s, 1999), 0.1, 1e-15, "the default falls to a tenth every 1000 steps");
}

/* x and -log x and their kin: f = (log x - 2)^2 has its minimum at e^2 */
static void logarithms(void)
{
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        const unsigned char logs[N] = { 1, 0, 1, 0, 1 };
        ds_optimizer_desc d = { 0 }, plain;
        ds_real x[N] = { 1, 2, (ds_real)0.001, 3, 1000 }, u[N], g[N], gu[N];
        double worst = 0;
        d.rule = (ds_optimizer_rule)rule;
        d.learning_rate = 0.02;
        d.weight_decay = 0.3;
        plain = d;
        d.logarithmic = logs;
        ds_optimizer *const o = make(&d);
        ds_optimizer *const p =
            ds_optimizer_init(malloc(ds_optimizer_bytes(N)), ds_optimizer_bytes(N), N, &plain);
        for (int i = 0; i < N; i++) u[i] = logs[i] ? (ds_real)log((double)x[i]) : x[i];
        for (int t = 0; t < 50; t++) { /* p moves u = log x itself */
            for (int i = 0; i < N; i++) {
                g[i] = logs[i] ? 2 * ((ds_real)log((double)x[i]) - 2) / x[i] : x[i] - 5;
                gu[i] = logs[i] ? 2 * (u[i] - 2) : u[i] - 5;
            }
            ds_optimizer_step(o, x, g);
            ds_optimizer_step(p, u, gu);
        }
        for (int i = 0; i < N; i++) {
            const double want = logs[i] ? exp((double)u[i]) : (double)u[i];
            worst = fmax(worst, fabs((double)x[i] / want - 1));
        }
        TAP_OK(worst < 1e4 * EPSILON, "%s: log parameters move like their logarithms, off by %.1e",
               RULES[rule], worst);
        free(p);
    }
}

static void bounds(void)
{
    ds_real lower[N] = { -1, -1, -1, -1, -1 }, upper[N] = { 1, 1, 1, 1, 1 };
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        ds_optimizer_desc d = { 0 };
        ds_real x[N] = { 0 }, g[N];
        int inside = 1;
        d.rule = (ds_optimizer_rule)rule;
        d.learning_rate = 0.1;
        d.lower = lower;
        d.upper = upper;
        ds_optimizer *o = make(&d);
        upper[0] = 9; /* copied: this changes nothing */
        for (int t = 0; t < 200; t++) {
            for (int i = 0; i < N; i++) g[i] = x[i] - (ds_real)(2 * i - 4); /* minima -4, -2, 0, 2, 4 */
            ds_optimizer_step(o, x, g);
            for (int i = 0; i < N; i++) inside &= x[i] >= -1 && x[i] <= 1;
        }
        upper[0] = 1;
        TAP_OK(inside && x[0] == -1 && x[1] == -1 && fabs((double)x[2]) < 0.05 && x[3] == 1 && x[4] == 1,
               "%s: stays between bounds, and at them", RULES[rule]);
    }
}

static void restart(void)
{
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        static union {
            char bytes[ROOM];
            double align;
        } saved;
        const size_t bytes = ds_optimizer_bytes(N);
        const unsigned char logs[N] = { 0, 1, 0, 0, 0 };
        ds_optimizer_desc d = { 0 };
        ds_real x[N] = { 1, 2, 3, 4, 5 }, y[N], g[N];
        ds_rng rng = ds_rng_make(2, 0), again;
        d.rule = (ds_optimizer_rule)rule;
        d.schedule.kind = DSIM_SCHEDULE_COSINE;
        d.schedule.warm_up = 10;
        d.clip_norm = 0.9;
        d.logarithmic = logs;
        ds_optimizer *o = make(&d);
        for (int t = 0; t < 40; t++) {
            if (t == 17) {
                memcpy(saved.bytes, memory.bytes, bytes);
                memcpy(y, x, sizeof x);
                again = rng;
            }
            gradients(&rng, g);
            ds_optimizer_step(o, x, g);
        }
        for (int t = 17; t < 40; t++) {
            gradients(&again, g);
            ds_optimizer_step((ds_optimizer *)(void *)saved.bytes, y, g);
        }
        TAP_OK(memcmp(x, y, sizeof x) == 0 && memcmp(saved.bytes, memory.bytes, bytes) == 0,
               "%s: goes on from saved bytes with the same bits", RULES[rule]);
        TAP_OK(memory.bytes[bytes] == 7, "... and writes nothing beyond them");
    }
}

/* the step is refused with this code and index; x and the state stay, and the next step goes well */
static void refused(const ds_optimizer_desc *d, ds_real *x, ds_real *g, ds_result code, size_t index,
                    const char *part)
{
    static char before[ROOM];
    ds_real y[N];
    const ds_real zero[N] = { 0 };
    ds_optimizer *o = make(d);
    const size_t head = ds_optimizer_bytes(N) - N * (4 * sizeof(ds_real) + 1);
    memcpy(before, memory.bytes, ROOM);
    memcpy(y, x, sizeof y);
    const ds_result result = ds_optimizer_step(o, x, g);
    const ds_error *e = ds_optimizer_error(o);
    TAP_OK(result == code && e->code == code && e->index == index && ds_optimizer_count(o) == 0,
           "%s: refused, entry %d is named", part, (int)e->index);
    TAP_HAS(e->text, part, "... \"%s\"", e->text);
    TAP_OK(memcmp(x, y, sizeof y) == 0 && memcmp(before + head, memory.bytes + head, ROOM - head) == 0,
           "... x and the state are as they were");
    for (int i = 0; i < N; i++) x[i] = 1;
    TAP_OK(!ds_optimizer_step(o, x, zero) && !ds_optimizer_error(o)->code, "... the next step goes well");
}

static void refusals(void)
{
    const unsigned char logs[N] = { 0, 0, 1, 0, 0 };
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        ds_optimizer_desc d = { 0 };
        ds_real x[N] = { 1, 1, 1, 1, 1 }, g[N] = { 1, 1, 1, (ds_real)nan(""), 1 };
        d.rule = (ds_optimizer_rule)rule;
        refused(&d, x, g, DSIM_ERROR_NON_FINITE, 3, "the gradient");
        g[3] = 1;
        x[1] = (ds_real)INFINITY;
        refused(&d, x, g, DSIM_ERROR_NON_FINITE, 1, "x");
        x[1] = 1;
        x[2] = 0;
        d.logarithmic = logs;
        refused(&d, x, g, DSIM_ERROR_ARGUMENT, 2, "logarithm");
        d.logarithmic = NULL;
        memset(g, 0, sizeof g);
        g[4] = 10;
        x[4] = IS_FLOAT ? (ds_real)-3e38 : (ds_real)-1.5e308;
        d.learning_rate = 1e308;
        refused(&d, x, g, DSIM_ERROR_NON_FINITE, 4, "the step");
        if (IS_FLOAT) continue;
        g[2] = (ds_real)1e200;
        refused(&d, x, g, DSIM_ERROR_NON_FINITE, N, "the length");
    }
    ds_optimizer_desc bad[12];
    memset(bad, 0, sizeof bad);
    const ds_real low[N] = { 2, 0, 0, 0, 0 }, high[N] = { 1, 1, 1, 1, 1 };
    bad[0].rule = DSIM_OPTIMIZER_COUNT;
    bad[1].learning_rate = -1;
    bad[2].momentum = 1;
    bad[3].beta1 = 1.5;
    bad[4].beta2 = nan("");
    bad[5].epsilon = -1;
    bad[6].weight_decay = INFINITY;
    bad[7].clip_norm = -1;
    bad[8].clip_value = nan("");
    bad[9].schedule.kind = DSIM_SCHEDULE_COUNT;
    bad[10].schedule.down = -0.1;
    bad[11].lower = low, bad[11].upper = high;
    for (int i = 0; i < 12; i++) TAP_OK(!make(&bad[i]), "bad desc %d is refused", i);
    TAP_OK(!ds_optimizer_init(memory.bytes, ds_optimizer_bytes(N) - 1, N, NULL),
           "too little memory is refused");
    TAP_OK(!ds_optimizer_init(NULL, ROOM, N, NULL), "no memory is refused");
    TAP_OK(ds_optimizer_bytes((size_t)-1 / 8) == 0, "too many parameters are refused");
    TAP_OK(ds_optimizer_step(make(NULL), NULL, low) == DSIM_ERROR_ARGUMENT &&
               ds_optimizer_step(NULL, NULL, low) == DSIM_ERROR_ARGUMENT,
           "what is missing is refused");
    TAP_OK(ds_optimizer_init(memory.bytes, ROOM, 0, NULL) != NULL, "no parameters are fine");
    TAP_HAS(ds_optimizer_error(NULL)->text, "NULL", "no optimizer has an error");
    TAP_OK(ds_optimizer_count(NULL) == 0 && ds_optimizer_rate(NULL) == 0 && ds_schedule_factor(NULL, 7) == 1,
           "... and answers");
}

/* every rule comes to the minimum of a stiff bowl */
static void bowl(void)
{
    for (int rule = 0; rule < DSIM_OPTIMIZER_COUNT; rule++) {
        ds_optimizer_desc d = { 0 };
        ds_real x[N] = { 5, -3, 2, 8, 0 }, g[N];
        const double want[N] = { 1, 1, 1, 1, 1 };
        d.rule = (ds_optimizer_rule)rule;
        d.learning_rate = rule <= DSIM_OPTIMIZER_ADAMW ? 0.3 : 0.005;
        d.schedule.kind = DSIM_SCHEDULE_COSINE;
        d.schedule.period = 3000;
        ds_optimizer *o = make(&d);
        for (int t = 0; t < 3000; t++) {
            for (int i = 0; i < N; i++) g[i] = (ds_real)pow(3, i) * (x[i] - 1);
            ds_optimizer_step(o, x, g);
        }
        TAP_OK(off(x, want) < 1e-2, "%s: the bottom of a bowl, off by %.1e", RULES[rule], off(x, want));
    }
}

int main(void)
{
    formulas();
    first_steps();
    clipping();
    schedules();
    logarithms();
    bounds();
    restart();
    refusals();
    bowl();
    return tap_end();
}
