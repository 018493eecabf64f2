/* Whole rollouts as lists of launches: a cloth of springs (W1_64), as a system of forces, too, and a wave
   (W2_128), loss and gradient against numbers on which a hand-written adjoint, JAX, Taichi and Warp agree to
   3e-13. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static const double tight = sizeof(ds_real) == 4 ? 2e-3 : 1e-9;

/* |g| and the sum of g_q cos(0.37 q) */
static void checksums(const double *g, size_t n, double *length, double *waved)
{
    double a = 0, b = 0;
    for (size_t q = 0; q < n; q++) {
        a += g[q] * g[q];
        b += g[q] * cos(0.37 * (double)q);
    }
    *length = sqrt(a);
    *waved = b;
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* forward and backward; says how long, with what the first launch allocates */
static void run(ds_rollout *r, const char *name, const ds_real *state, const ds_real *param, size_t steps)
{
    const double begin = seconds();
    ds_rollout_set_state(r, state);
    if (param) ds_rollout_set_param(r, param);
    if (!TAP_OK(!ds_rollout_backward(r), "%s: %s", name, ds_rollout_get_plan(r)->text))
        tap_diag("%s", ds_rollout_error(r)->text);
    tap_diag("%s: %.1f microseconds a step, forward and backward", name,
             1e6 * (seconds() - begin) / (double)steps);
}

/* W1: v' = (v + h (f + g)) damp mask, x' = x + h v'; state x, v; parameters: stiffness */
enum { W1 = 64, W1_POINTS = W1 * W1, W1_STEPS = 200 };
enum { W1_SPRINGS = 2 * W1 * (W1 - 1) + 2 * (W1 - 1) * (W1 - 1) };
static int32_t w1_ends[W1_SPRINGS][2];
static ds_real w1_rest[W1_SPRINGS], w1_stiff[W1_SPRINGS], w1_mask[W1_POINTS], w1_state[6 * W1_POINTS];

static size_t w1_family(size_t s, int di, int dj, double length)
{
    const double stretched = length / (W1 - 1);
    for (int i = 0; i + di < W1; i++)
        for (int j = dj < 0; j + (dj > 0 ? dj : 0) < W1; j++, s++) {
            w1_ends[s][0] = i * W1 + j;
            w1_ends[s][1] = (i + di) * W1 + j + dj;
            w1_rest[s] = (ds_real)stretched;
            w1_stiff[s] = (ds_real)(1000 * (1 + 0.1 * sin(0.1 * (double)s)));
        }
    return s;
}

static void w1_data(void)
{
    const double d = 1.0 / (W1 - 1);
    size_t s = w1_family(0, 0, 1, 1);
    s = w1_family(s, 1, 0, 1);
    s = w1_family(s, 1, 1, sqrt(2.0));
    /* (i, j + 1) - (i + 1, j) in the order of (i, j) */
    for (int i = 0; i + 1 < W1; i++)
        for (int j = 0; j + 1 < W1; j++, s++) {
            w1_ends[s][0] = i * W1 + j + 1;
            w1_ends[s][1] = (i + 1) * W1 + j;
            w1_rest[s] = (ds_real)(sqrt(2.0) * d);
            w1_stiff[s] = (ds_real)(1000 * (1 + 0.1 * sin(0.1 * (double)s)));
        }
    for (int i = 0; i < W1; i++)
        for (int j = 0; j < W1; j++) {
            ds_real *const x = w1_state + 3 * (i * W1 + j);
            x[0] = (ds_real)(i * d + 0.1 * d * sin(0.7 * i + 0.3 * j));
            x[1] = (ds_real)(j * d + 0.1 * d * cos(0.5 * i - 0.2 * j));
            x[2] = (ds_real)(0.1 * d * sin(0.3 * i) * cos(0.6 * j));
            w1_mask[i * W1 + j] = i > 0;
        }
}

static ds_kernel *w1_force(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "cloth_force");
    const ds_arg ends = ds_arg_index(k, "ends", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    const ds_arg stiff = ds_arg_in(k, "stiff", 1), force = ds_arg_sum(k, "force", 3);
    const ds_index s = ds_lane(k), i = ds_load_index(ends, s, 0), j = ds_load_index(ends, s, 1);
    const ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi);
    const ds_var c = ds_load(stiff, s), l = ds_load(rest, s);
    const ds_var3 f = ds_scale3(d, ds_mul(c, ds_sub(ds_c(1), ds_div(l, ds_norm3(d)))));
    ds_add_at3(force, i, f);
    ds_add_at3(force, j, ds_neg3(f));
    ds_kernel_end(k);
    return k;
}
static ds_kernel *w1_move(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "cloth_move");
    const ds_arg x = ds_arg_update(k, "x", 3), v = ds_arg_update(k, "v", 3);
    const ds_arg force = ds_arg_in(k, "force", 3), mask = ds_arg_in(k, "mask", 1);
    const ds_index p = ds_lane(k);
    const ds_var m = ds_load(mask, p), damp = ds_mul(m, ds_c(1 - 1e-3)), h = ds_c(1e-3);
    const ds_var3 f = ds_load3(force, p), v0 = ds_load3(v, p), x0 = ds_load3(x, p);
    const ds_var3 pulled = ds_pack3(ds_x(f), ds_y(f), ds_add(ds_z(f), ds_c(-9.8)));
    const ds_var3 v1 = ds_scale3(ds_axpy3(h, pulled, v0), damp);
    ds_store3(v, p, v1);
    ds_store3(x, p, ds_axpy3(h, v1, x0));
    ds_kernel_end(k);
    return k;
}

static ds_result w1_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const double d = 1.0 / (W1 - 1);
    double sum = 0;
    (void)user;
    if (io->left) return DSIM_OK;
    for (int p = 0; p < W1_POINTS; p++) {
        const double target[3] = { p / W1 * d, p % W1 * d, -0.1 };
        for (int c = 0; c < 3; c++) {
            const double miss = (double)io->state[3 * p + c] - target[c];
            sum += miss * miss;
            if (bar) bar->state_bar[3 * p + c] += (ds_real)(2 * miss / W1_POINTS);
        }
    }
    *value += (ds_real)(sum / W1_POINTS);
    return DSIM_OK;
}

/* loss and gradient of the cloth */
static void check_cloth(const ds_rollout *r)
{
    static double stiff_bar[W1_SPRINGS], x_bar[3 * W1_POINTS];
    double a, c;
    for (size_t i = 0; i < W1_SPRINGS; i++) stiff_bar[i] = (double)ds_rollout_param_grad(r)[i];
    for (size_t i = 0; i < 3 * W1_POINTS; i++) x_bar[i] = (double)ds_rollout_state_grad(r)[i];
    TAP_NEAR(ds_rollout_loss(r), 0.006853346447758, tight, "W1_64: loss");
    checksums(stiff_bar, W1_SPRINGS, &a, &c);
    TAP_NEAR(a, 3.715312419068e-09, tight, "by stiffness");
    TAP_NEAR(c / 3.715312419068e-09, 6.975593807761e-10 / 3.715312419068e-09, tight, "each with its own");
    checksums(x_bar, 3 * W1_POINTS, &a, &c);
    TAP_NEAR(a, 0.002583056639568, tight, "by positions");
    TAP_NEAR(c / 0.002583056639568, -0.0001002265984029 / 0.002583056639568, 30 * tight,
             "each with its own");
}

static void test_cloth(void)
{
    const size_t springs = W1_SPRINGS, points = W1_POINTS;
    ds_kernel *const force = w1_force(), *const move = w1_move();
    const ds_binding x = ds_bind(DSIM_BOUND_STATE, 0, points, 3);
    const ds_binding f = ds_bind(DSIM_BOUND_SCRATCH, 0, points, 3);
    ds_launch_list_desc d;
    ds_rollout_desc rd;
    ds_launch_list *list;
    ds_rollout *r;
    ds_binding b[5];
    w1_data();
    memset(&d, 0, sizeof d);
    d.n_state = 6 * W1_POINTS;
    d.n_param = W1_SPRINGS;
    d.n_scratch = 3 * W1_POINTS;
    list = ds_launch_list_create(&d);
    b[0] = ds_bind_constant(ds_array_indices(&w1_ends[0][0], springs, 2));
    b[0].array.id = 1;
    b[1] = x;
    b[2] = ds_bind_constant(ds_array_reals(w1_rest, springs, 1));
    b[3] = ds_bind(DSIM_BOUND_PARAM, 0, springs, 1);
    b[4] = f;
    ds_launch_list_add(list, force, &springs, b, 5);
    b[0] = x;
    b[1] = ds_bind(DSIM_BOUND_STATE, 3 * points, points, 3);
    b[2] = f;
    b[3] = ds_bind_constant(ds_array_reals(w1_mask, points, 1));
    ds_launch_list_add(list, move, &points, b, 4);
    memset(&rd, 0, sizeof rd);
    rd.steps = W1_STEPS;
    rd.loss = w1_loss;
    rd.memory_limit = (size_t)20 << 20;
    TAP_OK(ds_launch_list_stepper(list) && !ds_launch_list_stepper(list)->trace_bytes,
           "a cloth keeps no trace");
    r = ds_rollout_create(ds_launch_list_stepper(list), &rd);
    run(r, "W1_64", w1_state, w1_stiff, W1_STEPS);
    check_cloth(r);
    ds_rollout_destroy(r);
    ds_launch_list_destroy(list);
    ds_kernel_destroy(force);
    ds_kernel_destroy(move);
}

/* The same as a system of forces and an integrator: kernels launched by hand. */
typedef struct cloth {
    ds_runner *runner;
    ds_kernel *force, *adjoint;
} cloth;

static void cloth_args(ds_array *args, const ds_system_io *io)
{
    args[0] = ds_array_indices(&w1_ends[0][0], W1_SPRINGS, 2);
    args[0].id = 1;
    args[1] = ds_array_reals((ds_real *)(uintptr_t)io->x, W1_POINTS, 3);
    args[2] = ds_array_reals(w1_rest, W1_SPRINGS, 1);
    args[3] = ds_array_reals((ds_real *)(uintptr_t)io->param, W1_SPRINGS, 1);
}
static ds_result cloth_force(void *user, const ds_system_io *io, ds_real *f)
{
    cloth *const c = (cloth *)user;
    ds_array args[5];
    memset(f, 0, 3 * W1_POINTS * sizeof *f);
    cloth_args(args, io);
    args[4] = ds_array_reals(f, W1_POINTS, 3);
    return ds_launch(c->runner, c->force, W1_SPRINGS, args, 5);
}
static ds_result cloth_vjp(void *user, const ds_system_io *io, const ds_real *f_bar, const ds_system_bar *bar)
{
    cloth *const c = (cloth *)user;
    ds_array args[10];
    memset(args, 0, sizeof args);
    cloth_args(args, io);
    args[6] = ds_array_reals(bar->x_bar, W1_POINTS, 3);
    args[8] = ds_array_reals(bar->param_bar, W1_SPRINGS, 1);
    args[9] = ds_array_reals((ds_real *)(uintptr_t)f_bar, W1_POINTS, 3);
    return ds_launch(c->runner, c->adjoint, W1_SPRINGS, args, 10);
}

static void test_cloth_system(void)
{
    static ds_real im[3 * W1_POINTS], g[3 * W1_POINTS];
    ds_integrator_desc d;
    ds_rollout_desc rd;
    ds_integrator *it;
    ds_system s;
    ds_rollout *r;
    cloth c;
    w1_data();
    c.runner = ds_runner_create(NULL);
    c.force = w1_force();
    c.adjoint = ds_kernel_adjoint(c.force, "x stiff");
    for (int i = 0; i < 3 * W1_POINTS; i++) {
        im[i] = w1_mask[i / 3];
        g[i] = i % 3 == 2 ? (ds_real)-9.8 : 0;
    }
    memset(&s, 0, sizeof s);
    s.user = &c;
    s.n = 3 * W1_POINTS;
    s.n_param = W1_SPRINGS;
    s.inverse_mass = im;
    s.acceleration = g;
    s.force = cloth_force;
    s.force_vjp = cloth_vjp;
    memset(&d, 0, sizeof d);
    d.dt = 1e-3;
    d.velocity_loss = 1e-3;
    it = ds_integrator_create(&s, &d);
    memset(&rd, 0, sizeof rd);
    rd.steps = W1_STEPS;
    rd.loss = w1_loss;
    rd.memory_limit = (size_t)20 << 20;
    r = ds_rollout_create(ds_integrator_stepper(it), &rd);
    run(r, "W1_64 as a system", w1_state, w1_stiff, W1_STEPS);
    check_cloth(r);
    ds_rollout_destroy(r);
    ds_integrator_destroy(it);
    ds_kernel_destroy(c.force);
    ds_kernel_destroy(c.adjoint);
    ds_runner_destroy(c.runner);
}

/* W2: u_t = 2 u_{t-1} - u_{t-2} + a lap u_{t-1} - b lap u_{t-2}, zero outside: cells with a border of zeros.
   Lanes are whole rows with their borders, which a mask keeps at 0; arguments that are stored, and the mask,
   begin at the first of them. */
enum { W2 = 128, W2_ROW = W2 + 2, W2_CELLS = W2_ROW * W2_ROW, W2_STEPS = 256 };
static ds_real w2_state[2 * W2_CELLS];
static double w2_target[W2_CELLS];
static ds_real w2_numbers[2], w2_mask[W2_CELLS];

static ds_var five(ds_arg u, ds_index at, ds_var now)
{
    const ds_var left = ds_load(u, ds_index_sub(at, ds_i(1))), right = ds_load(u, ds_index_add(at, ds_i(1)));
    const ds_var up = ds_load(u, ds_index_sub(at, ds_i(W2_ROW)));
    const ds_var down = ds_load(u, ds_index_add(at, ds_i(W2_ROW)));
    const ds_var along = ds_add(left, right), across = ds_add(up, down);
    return ds_sub(ds_add(along, across), ds_mul(ds_c(4), now));
}

static ds_kernel *w2_kernel(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "wave");
    const ds_arg u = ds_arg_in(k, "u", 1), before = ds_arg_in(k, "before", 1);
    const ds_arg next = ds_arg_out(k, "next", 1), kept = ds_arg_out(k, "kept", 1);
    const ds_var a = ds_scalar(k, "a"), b = ds_scalar(k, "b");
    const ds_arg mask = ds_arg_in(k, "mask", 1);
    const ds_index at = ds_index_add(ds_lane(k), ds_i(W2_ROW));
    const ds_var now = ds_load(u, at), then = ds_load(before, at);
    const ds_var lap = five(u, at, now), lap_then = five(before, at, then);
    const ds_var inert = ds_sub(ds_mul(ds_c(2), now), then);
    const ds_var moved = ds_add(inert, ds_sub(ds_mul(a, lap), ds_mul(b, lap_then)));
    ds_store(next, ds_lane(k), ds_mul(ds_load(mask, ds_lane(k)), moved));
    ds_store(kept, ds_lane(k), now);
    ds_kernel_end(k);
    return k;
}

static void w2_data(void)
{
    const double dx = 0.02, c = 340, al = 1e-3, n = W2, dt = (sqrt(al * al + dx * dx / 3) - al) / c;
    w2_numbers[0] = (ds_real)((c * c * dt * dt + c * al * dt) / (dx * dx));
    w2_numbers[1] = (ds_real)(c * al * dt / (dx * dx));
    for (int i = 0; i < W2; i++)
        for (int j = 0; j < W2; j++) {
            const int at = (i + 1) * W2_ROW + j + 1;
            const double x = i - 0.4 * n, y = j - 0.55 * n, X = i - 0.5 * n, Y = j - 0.5 * n;
            const double u = exp(-(x * x + y * y) / (2 * (0.05 * n) * (0.05 * n)));
            w2_mask[at] = 1;
            w2_state[at] = w2_state[W2_CELLS + at] = (ds_real)u;
            w2_target[at] = 0.5 * exp(-(X * X + Y * Y) / (2 * (0.08 * n) * (0.08 * n)));
        }
}

static ds_result w2_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    double sum = 0;
    (void)user;
    if (io->left) return DSIM_OK;
    for (int i = 1; i <= W2; i++)
        for (int at = i * W2_ROW + 1; at <= i * W2_ROW + W2; at++) {
            const double miss = (double)io->state[at] - w2_target[at];
            sum += miss * miss;
            if (bar) bar->state_bar[at] += (ds_real)(2 * miss / (W2 * W2));
        }
    *value += (ds_real)(sum / (W2 * W2));
    return DSIM_OK;
}

static void test_wave(void)
{
    static double u_bar[W2 * W2];
    const size_t rows = W2 * W2_ROW;
    ds_kernel *const wave = w2_kernel();
    const ds_real *g;
    ds_launch_list_desc d;
    ds_rollout_desc rd;
    ds_launch_list *list;
    ds_rollout *r;
    ds_binding b[7];
    double a, c;
    w2_data();
    memset(&d, 0, sizeof d);
    d.n_state = 2 * W2_CELLS;
    list = ds_launch_list_create(&d);
    b[0] = ds_bind(DSIM_BOUND_BEFORE, 0, W2_CELLS, 1);
    b[1] = ds_bind(DSIM_BOUND_BEFORE, W2_CELLS, W2_CELLS, 1);
    b[2] = ds_bind(DSIM_BOUND_STATE, W2_ROW, rows, 1);
    b[3] = ds_bind(DSIM_BOUND_STATE, W2_CELLS + W2_ROW, rows, 1);
    b[4] = ds_bind_constant(ds_array_reals(w2_numbers, 1, 1));
    b[5] = ds_bind_constant(ds_array_reals(w2_numbers + 1, 1, 1));
    b[6] = ds_bind_constant(ds_array_reals(w2_mask + W2_ROW, rows, 1));
    ds_launch_list_add(list, wave, &rows, b, 7);
    memset(&rd, 0, sizeof rd);
    rd.steps = W2_STEPS;
    rd.loss = w2_loss;
    TAP_OK(ds_launch_list_stepper(list) && !ds_launch_list_stepper(list)->trace_bytes,
           "a wave keeps no trace");
    r = ds_rollout_create(ds_launch_list_stepper(list), &rd);
    run(r, "W2_128", w2_state, NULL, W2_STEPS);
    g = ds_rollout_state_grad(r);
    for (int i = 0; i < W2; i++)
        for (int j = 0; j < W2; j++) {
            const int at = (i + 1) * W2_ROW + j + 1;
            u_bar[i * W2 + j] = (double)g[at] + (double)g[W2_CELLS + at];
        }
    TAP_NEAR(ds_rollout_loss(r), 0.0082831757854279, tight, "W2_128: loss");
    checksums(u_bar, W2 * W2, &a, &c);
    TAP_NEAR(a, 0.000720592331755, tight, "by the first state");
    TAP_NEAR(c / 0.000720592331755, 7.379545214209e-07 / 0.000720592331755, 1e3 * tight, "each with its own");
    ds_rollout_destroy(r);
    ds_launch_list_destroy(list);
    ds_kernel_destroy(wave);
}

int main(void)
{
    test_cloth();
    test_cloth_system();
    test_wave();
    return tap_end();
}
