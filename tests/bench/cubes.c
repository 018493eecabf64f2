/* cubes.c - the elastic cube of torch-diffsim as a world: seconds per step with one thread and with two,
   interpreted and as C that was printed, and what its gradient by the logs of Young's moduli is worth.

   cubes_double [--reps N] [--quick]        and cubes_float

   Printed C must give the bits of the interpreter. The gradient along a fixed direction must be what the
   tangent of the whole rollout says, and, where a motion is not chaotic, what central differences say.
   --quick: the small cube, one run. peer_torch_diffsim.py reads what this prints.

   Without CUBES_PRINTED, the text of the kernels, this is the program that prints it. */

#define _POSIX_C_SOURCE 200809L
#define DIFFSIM_THREADS
#define DIFFSIM_STATIC
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"

#include "../torch_diffsim.h"
#include "launched.h"

#include <time.h>

static const size_t CELLS[2] = { 6, 13 }; /* 1296 and 13 182 tetrahedra */

#ifdef CUBES_PRINTED
#include CUBES_PRINTED

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
static const char REAL[] = TEXT(DIFFSIM_REAL);
static const int is_double = sizeof(ds_real) == 8;

/* of one thread the time of the processor, which does not count what others do meanwhile */
static double seconds(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int made(cube *c, int version, const cube_scene *scene, size_t cells, int detached,
                const ds_runner_desc *runner)
{
    memset(c, 0, sizeof *c);
    c->cells = cells;
    c->version = version;
    c->scene = scene;
    c->detached = detached;
    const char *const wrong = cube_create(c, runner);
    if (wrong) fprintf(stderr, "%s\n", wrong);
    return !wrong;
}

/* of the gradient by log E: its length, or its part along the waves */
static double length_of(const cube *c, int along)
{
    const ds_real *const g = ds_rollout_param_grad(c->rollout);
    double sum = 0;
    for (size_t i = 0; g && i < c->n_tets; i++) {
        const double a = (double)g[c->log_E.first + i];
        sum += a * (along ? cube_wave(i) : a);
    }
    return !g ? (double)NAN : along ? sum : sqrt(sum);
}

/* >>speed ---- */

enum { WAYS = 4 };
static const struct { const char *name; int threads, printed; } ways[WAYS] = {
    { "interpreter", 1, 0 }, { "printed", 1, 1 }, { "interpreter", 2, 0 }, { "printed", 2, 1 }
};

/* the same bits in loss and gradient */
static int same(const cube *a, const cube *b)
{
    const ds_real *const p = ds_rollout_param_grad(a->rollout), *const q = ds_rollout_param_grad(b->rollout);
    const double f = ds_rollout_loss(a->rollout), g = ds_rollout_loss(b->rollout);
    return !memcmp(&f, &g, sizeof f) && !p == !q && (!p || !memcmp(p, q, a->n_param * sizeof *p));
}

/* Rows of one cube at rest, in turns, of which the least times count. A float does not hold the gradient of
   the large cube of 0.1.0: it is refused, in all ways alike, and its row has no number. */
static int measure(int version, size_t cells, int reps, ds_pool *pool)
{
    cube c[WAYS];
    double least[WAYS][2];
    int wrong = 0;
    for (int k = 0; k < WAYS; k++) {
        ds_runner_desc runner;
        memset(&runner, 0, sizeof runner);
        if (ways[k].printed) runner.printed = printed;
        if (ways[k].printed) runner.n_printed = sizeof printed / sizeof printed[0] - 1;
        if (ways[k].threads > 1) runner.jobs = ds_pool_jobs(pool);
        wrong += !made(&c[k], version, &CUBES[CUBE_REST], cells, 0, &runner);
    }
    for (int round = 0; round < reps && !wrong; round++)
        for (int k = 0; k < WAYS; k++)
            for (int both = 0; both < 2; both++) {
                ds_rollout_set_param(c[k].rollout, c[k].param);
                const double start = seconds(ways[k].threads);
                if (both) ds_rollout_backward(c[k].rollout);
                else wrong += ds_rollout_forward(c[k].rollout) != DSIM_OK;
                const double time = seconds(ways[k].threads) - start;
                least[k][both] = round ? fmin(least[k][both], time) : time;
            }
    for (int k = 0; k < WAYS && !wrong; k++) {
        const int bad = !same(&c[0], &c[k]) || (is_double && !ds_rollout_param_grad(c[k].rollout));
        if (bad) fprintf(stderr, "%s, %s: other bits, or no gradient\n", REAL, ways[k].name);
        wrong += bad;
        printf("%s rest %6d %-6s %d %-11s %9.6f %9.6f %6.0f %16.9e %11.4e\n", CUBE_VERSION[version],
               (int)c[k].n_tets, REAL, ways[k].threads, ways[k].name, least[k][0] / CUBE_STEPS,
               least[k][1] / CUBE_STEPS, (double)ds_rollout_get_plan(c[k].rollout)->bytes / 1e6,
               ds_rollout_loss(c[k].rollout), length_of(&c[k], 0));
    }
    const ds_error *const error = ds_rollout_error(c[0].rollout);
    if (error && error->code) printf("# %s\n", error->text);
    for (int k = 0; k < WAYS; k++) cube_destroy(&c[k]);
    return wrong;
}

/* >>gradients ---- */

/* the loss with log E moved along the waves */
static double moved(cube *c, const ds_real *direction, double by)
{
    for (size_t i = 0; i < c->n_param; i++) c->param[i] += (ds_real)by * direction[i];
    ds_rollout_set_param(c->rollout, c->param);
    memcpy(c->param, ds_world_params(c->world), c->n_param * sizeof *c->param);
    return ds_rollout_forward(c->rollout) ? (double)NAN : ds_rollout_loss(c->rollout);
}

/* least error of the differences over some steps */
static double differences(cube *c, const ds_real *direction, double want)
{
    double best = (double)NAN;
    for (double by = 1e-2; by > 1e-6; by /= 10) {
        const double d = (moved(c, direction, by) - moved(c, direction, -by)) / (2 * by);
        if (!(fabs(d - want) >= fabs(best - want))) best = d;
    }
    return best;
}

static int check(int version, int scene, size_t cells, int detached)
{
    cube c;
    double dot = (double)NAN;
    int wrong = 1;
    if (made(&c, version, &CUBES[scene], cells, detached, NULL) && !ds_rollout_backward(c.rollout)) {
        const double loss = ds_rollout_loss(c.rollout), along = length_of(&c, 1);
        ds_real *const direction = (ds_real *)calloc(c.n_param, sizeof *direction);
        ds_direction by;
        memset(&by, 0, sizeof by);
        by.param = direction;
        for (size_t i = 0; direction && i < c.n_tets; i++)
            direction[c.log_E.first + i] = (ds_real)cube_wave(i);
        ds_rollout_tangent(c.rollout, &by, NULL, &dot);
        const double slope = differences(&c, direction, along);
        const int is_chaotic = version == CUBE_010 && scene == CUBE_REST;
        const double off = fabs(slope / along - 1);
        wrong = !(fabs(dot / along - 1) < 1e-9) || !(detached || is_chaotic || off < 1e-6);
        printf("%s %-5s %6d %-8s %19.12e %14.7e %14.7e %7.1e %14.7e %7.1e\n", CUBE_VERSION[version],
               c.scene->name, (int)c.n_tets, detached ? "detached" : "exact", loss, along, dot,
               fabs(dot / along - 1), slope, off);
        free(direction);
    }
    cube_destroy(&c);
    return wrong;
}

int main(int argc, char **argv)
{
    int reps = 5, quick = 0, wrong = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quick")) quick = reps = 1;
        else if (!strcmp(argv[i], "--reps") && i + 1 < argc) reps = atoi(argv[++i]);
        else reps = 0;
    }
    if (reps < 1) {
        fprintf(stderr, "usage: cubes_%s [--reps N] [--quick]\n", REAL);
        return 2;
    }
    ds_pool *const pool = ds_pool_create(2, NULL);
    printf("the same as a world, %d steps of %d substeps, the least of %d runs; seconds per step; MB of the\n"
           "rollout; loss and length of the gradient by log E; library: %s\n\n"
           "%-5s %-4s %6s %-6s %s %-9s %9s %9s %6s %16s %11s\n", CUBE_STEPS, CUBE_SUBSTEPS, reps,
           KERNEL_FLAGS, "", "", "tets", "real", "threads", "", "forward", "gradient", "MB", "loss",
           "length");
    for (int cells = 0; cells < 2 - quick; cells++)
        for (int version = 0; version < CUBE_VERSIONS; version++)
            wrong += measure(version, CELLS[cells], reps, pool);
    ds_pool_destroy(pool);
    if (is_double) {
        printf("\nthe gradient by log E along a fixed direction, of the step or with friction detached; the\n"
               "same by the tangent and by central differences\n\n"
               "%-5s %-5s %6s %-8s %19s %14s %14s %7s %14s %7s\n", "", "scene", "tets", "friction", "loss",
               "gradient", "tangent", "error", "differences", "error");
        for (int version = 0; version < CUBE_VERSIONS; version++)
            for (int scene = 0; scene < CUBE_SCENES; scene++)
                wrong += check(version, scene, CELLS[0], 0);
        for (int scene = 0; scene < CUBE_HELD; scene++) wrong += check(CUBE_010, scene, CELLS[0], 1);
        for (int version = 0; version < CUBE_VERSIONS && !quick; version++)
            wrong += check(version, CUBE_REST, CELLS[1], 0);
    }
    return wrong > 0;
}
#else

int main(void)
{
    char list[8000] = "";
    int ok = 1;
    for (int version = 0; version < CUBE_VERSIONS && ok; version++) {
        cube c;
        const ds_kernel *k;
        memset(&c, 0, sizeof c);
        c.cells = 1;
        c.version = version;
        c.scene = &CUBES[CUBE_REST];
        ok = !cube_create(&c, NULL);
        for (size_t i = 0; ok && (k = ds_energies_kernel(ds_world_energies(c.world), i)) != NULL; i++)
            ok = print_kernel(k, list);
        cube_destroy(&c);
    }
    printf("static const ds_printed_kernel *const printed[] = {\n%s    NULL\n};\n", list);
    (void)CELLS;
    return !ok;
}

#endif
