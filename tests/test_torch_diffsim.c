/* The elastic cube of torch-diffsim as a world: motion and gradients are those of the package, those of the
   step itself what tangents and central differences say. */

#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"
#include "oracle/torch_diffsim.h"
#include "torch_diffsim.h"

static const int is_double = sizeof(ds_real) == 8;

static int made(cube *c, int version, int scene, size_t cells, int detached)
{
    memset(c, 0, sizeof *c);
    c->cells = cells;
    c->version = version;
    c->scene = &CUBES[scene];
    c->detached = detached;
    const char *const wrong = cube_create(c, NULL);
    const int good = !wrong && !ds_rollout_backward(c->rollout);
    return TAP_OK(good, "%s, %s: %s", CUBE_VERSION[version], c->scene->name,
                  wrong ? wrong : good ? "runs" : ds_rollout_error(c->rollout)->text);
}

/* largest error of length, wave and entries, relative to the length */
static double vector_error(const ds_real *a, size_t n, const double *want)
{
    double length = 0, wave = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i];
        length += x * x;
        wave += x * cube_wave(i);
        if (i % ORACLE_CUBE_EVERY == 0) worst = fmax(worst, fabs(x - want[2 + i / ORACLE_CUBE_EVERY]));
    }
    worst = fmax(worst, fmax(fabs(sqrt(length) - want[0]), fabs(wave - want[1]))) / want[0];
    return worst == worst ? worst : (double)INFINITY;
}

static void against_package(size_t row)
{
    const int version = !strcmp(ORACLE_CUBES[row].version, CUBE_VERSION[CUBE_020]);
    /* sliding the cube hardly deforms: its loss depends on E by the last digits of a float */
    const double tolerance = is_double ? 1e-11 : 1e-2, *const want = ORACLE_CUBES[row].vectors[0];
    int scene = 0;
    cube c;
    while (scene < CUBE_SCENES - 1 && strcmp(ORACLE_CUBES[row].scene, CUBES[scene].name)) scene++;
    if (made(&c, version, scene, ORACLE_CUBE_CELLS, version == CUBE_010)) {
        static const char *const names[4] = { "places", "gradient by log E", "gradient by places",
                                              "gradient by velocities" };
        const size_t n = 3 * c.n_points, size = sizeof ORACLE_CUBES[row].vectors[0] / sizeof *want;
        ds_real *const by_v = (ds_real *)calloc(n, sizeof *by_v);
        const ds_real *const vectors[4] = {
            ds_rollout_state(c.rollout, NULL), ds_rollout_param_grad(c.rollout) + c.log_E.first,
            ds_rollout_state_grad(c.rollout), by_v
        };
        /* the package holds points by what velocities are multiplied with, so theirs has no gradient */
        for (size_t i = 0; by_v && i < n; i++)
            by_v[i] = cube_is_held(&c, i / 3) ? 0 : ds_rollout_state_grad(c.rollout)[n + i];
        TAP_NEAR(ds_rollout_loss(c.rollout), ORACLE_CUBES[row].loss, tolerance, "  its loss");
        for (size_t k = 0; by_v && k < 4; k++) {
            const double error = vector_error(vectors[k], k == 1 ? c.n_tets : n, want + k * size);
            TAP_OK(error < tolerance, "  its %s: %.1e", names[k], error);
        }
        free(by_v);
    }
    cube_destroy(&c);
}

/* along the waves: gradient, tangent, difference */
static void along_waves(cube *c, double got[3])
{
    ds_real *const direction = (ds_real *)calloc(c->n_param, sizeof *direction);
    const double step = 1e-4;
    double loss[2] = { 0, 0 };
    ds_direction by;
    memset(&by, 0, sizeof by);
    memset(got, 0, 3 * sizeof *got);
    by.param = direction;
    for (size_t i = 0; direction && i < c->n_tets; i++) {
        direction[c->log_E.first + i] = (ds_real)cube_wave(i);
        got[0] += (double)ds_rollout_param_grad(c->rollout)[c->log_E.first + i] * cube_wave(i);
    }
    ds_rollout_tangent(c->rollout, &by, NULL, &got[1]);
    for (int side = 0; direction && side < 2; side++) {
        for (size_t i = 0; i < c->n_tets; i++)
            c->param[c->log_E.first + i] += (ds_real)((side ? -2 : 1) * step * cube_wave(i));
        ds_rollout_set_param(c->rollout, c->param);
        ds_rollout_forward(c->rollout);
        loss[side] = ds_rollout_loss(c->rollout);
    }
    got[2] = (loss[0] - loss[1]) / (2 * step);
    free(direction);
}

/* friction takes part in the gradient of the step: without it, as in 0.1.0, the gradient is another */
static void own_gradient(int version, int scene)
{
    double got[3], detached[3];
    cube c;
    if (made(&c, version, scene, 3, 0)) {
        along_waves(&c, got);
        TAP_NEAR(got[1], got[0], is_double ? 1e-11 : 5e-3, "  its tangent is its gradient's");
        if (is_double && !(version == CUBE_010 && scene == CUBE_REST))
            TAP_NEAR(got[2], got[0], 1e-5, "  its gradient is that of differences");
    }
    cube_destroy(&c);
    if (version != CUBE_010 || scene != CUBE_TOUCH || !is_double) return;
    if (made(&c, version, scene, 3, 1)) {
        along_waves(&c, detached);
        TAP_NEAR(detached[2], got[2], 1e-9, "  detached: the same motion");
        TAP_OK(fabs(detached[0] / got[0] - 1) > 1e-3, "  another gradient: %g, not %g", detached[0], got[0]);
    }
    cube_destroy(&c);
}

int main(void)
{
    for (size_t i = 0; i < sizeof ORACLE_CUBES / sizeof *ORACLE_CUBES; i++) against_package(i);
    for (int version = 0; version < CUBE_VERSIONS; version++)
        for (int scene = 0; scene < CUBE_SCENES; scene++) own_gradient(version, scene);
    return tap_end();
}
