/* launched_rollouts.c - the rollouts of rollouts.h as launch lists of the library: interpreted, and as C that
   was printed. Chains go in groups, each a rollout of its own, so that its states stay in the cache; those of
   the interpreter are larger, since it goes through them operation by operation.

   Without ROLLOUT_PRINTED, the text of the kernels, this is the program that prints it. */

#define _POSIX_C_SOURCE 200809L
#define DIFFSIM_STATIC
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"

#include "launched.h"
#include "rollouts.h"

#include <stdlib.h>

#ifdef ROLLOUT_PRINTED
#include ROLLOUT_PRINTED
#else
static const ds_printed_kernel *const printed[1] = { NULL };
#endif

typedef ds_real real;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

enum { NUMBERS = 3 * MASSES, MOST_BINDINGS = 8 };
static const size_t groups_of[2] = { 128, 32 };         /* chains: interpreted, printed */

typedef struct launched {
    int             which;
    size_t          group;
    ds_kernel      *kernel;
    ds_launch_list *list;
    ds_rollout     *rollout;
    real           *start, *numbers, *param;        /* states one after the other; a, b; [groups][3][group] */
    double         *target, *grad, loss;
} launched;

/* >>W2 ---- */

/* rows have a border of zeros as in plain_rollouts.c; the state is two surfaces, the later one first */
static size_t row_of(size_t n) { return n + 16; }
static size_t cells_of(size_t n) { return (n + 2) * row_of(n); }
static size_t cell_at(size_t n, size_t i, size_t j) { return (i + 1) * row_of(n) + 8 + j; }

/* next from the two surfaces before it; its text is one for each length of the rows */
static ds_kernel *wave_kernel(size_t n)
{
    const int64_t row = (int64_t)row_of(n);
    ds_kernel_desc desc;
    char name[40];
    memset(&desc, 0, sizeof desc);
    desc.rank = 2;
    sprintf(name, "wave_%d", (int)n);
    ds_kernel *k = ds_kernel_begin(&desc, name);
    ds_arg u = ds_arg_in(k, "u", 1), v = ds_arg_in(k, "v", 1), next = ds_arg_out(k, "next", 1);
    ds_var a = ds_scalar(k, "a"), b = ds_scalar(k, "b");
    ds_index i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1);
    ds_index first = ds_index_add(ds_index_mul(ds_index_add(i, ds_i(1)), ds_i(row)), ds_i(8));
    ds_index at = ds_index_add(first, j);
    ds_var un = ds_load(u, at), vn = ds_load(v, at);
    ds_var lap_u = laplacian(u, at, un, row), lap_v = laplacian(v, at, vn, row);
    ds_var inert = ds_sub(ds_mul(ds_c(2), un), vn);
    ds_store(next, at, ds_sub(ds_fma(a, lap_u, inert), ds_mul(b, lap_v)));
    ds_kernel_end(k);
    return k;
}

static ds_result wave_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const launched *l = (const launched *)user;
    const size_t n = wave_side(l->which);
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double miss = (double)io->state[cell_at(n, i, j)] - l->target[i * n + j];
            sum += miss * miss;
            if (bar) bar->state_bar[cell_at(n, i, j)] += (ds_real)(2 * miss / (double)(n * n));
        }
    *value += (ds_real)(sum / (double)(n * n));
    return DSIM_OK;
}

/* A step is two of the wave: the older surface becomes the next, then the later one that after it, so that
   nothing is copied from one to the other. */
static int wave_make(launched *l, ds_launch_list_desc *d, ds_rollout_desc *r)
{
    const size_t n = wave_side(l->which), cells = cells_of(n), lanes[2] = { n, n };
    double a, b;
    wave_numbers(&a, &b);
    l->numbers[0] = (real)a, l->numbers[1] = (real)b;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            l->start[cell_at(n, i, j)] = l->start[cells + cell_at(n, i, j)] = (real)wave_start(n, i, j);
            l->target[i * n + j] = wave_target(n, i, j);
        }
    d->n_state = 2 * cells;
    l->list = ds_launch_list_create(d);
    l->kernel = wave_kernel(n);
    const ds_binding later = ds_bind(DSIM_BOUND_STATE, 0, cells, 1);
    const ds_binding older = ds_bind(DSIM_BOUND_STATE, cells, cells, 1);
    const ds_binding later_before = ds_bind(DSIM_BOUND_BEFORE, 0, cells, 1);
    const ds_binding older_before = ds_bind(DSIM_BOUND_BEFORE, cells, cells, 1);
    const ds_binding by_a = ds_bind_constant(ds_array_reals(l->numbers, 1, 1));
    const ds_binding by_b = ds_bind_constant(ds_array_reals(l->numbers + 1, 1, 1));
    const ds_binding first[] = { later_before, older_before, older, by_a, by_b };
    const ds_binding second[] = { older, later_before, later, by_a, by_b };
    ds_launch_list_add(l->list, l->kernel, lanes, first, 5);
    ds_launch_list_add(l->list, l->kernel, lanes, second, 5);
    r->steps = W2_STEPS / 2;
    r->loss = wave_loss;
    return 1;
}

/* >>W6 ---- */

static ds_var3 part3(const ds_var *x, size_t m) { return ds_pack3(x[3 * m], x[3 * m + 1], x[3 * m + 2]); }

static ds_kernel *chain_kernel(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "chain");
    ds_arg x_in = ds_arg_in(k, "x", NUMBERS), v_in = ds_arg_in(k, "v", NUMBERS);
    ds_arg number = ds_arg_in(k, "stiffness_damping_rest", 3);
    ds_arg x_out = ds_arg_out(k, "x_next", NUMBERS), v_out = ds_arg_out(k, "v_next", NUMBERS);
    ds_index e = ds_lane(k);
    ds_var x[NUMBERS], v[NUMBERS], dt = ds_c(1e-3);
    ds_var3 f[MASSES];
    for (size_t i = 0; i < NUMBERS; i++) x[i] = ds_load_part(x_in, e, i);
    for (size_t i = 0; i < NUMBERS; i++) v[i] = ds_load_part(v_in, e, i);
    ds_var stiff = ds_load_part(number, e, 0), damp = ds_load_part(number, e, 1);
    ds_var rest = ds_load_part(number, e, 2);
    for (size_t m = 0; m < MASSES; m++) {
        ds_var3 d = part3(x, m), speed = part3(v, m);
        if (m) d = ds_sub3(d, part3(x, m - 1)), speed = ds_sub3(speed, part3(v, m - 1));
        ds_var square = ds_dot3(d, d), inverse = ds_recip(ds_sqrt(square)), along = ds_dot3(d, speed);
        ds_var length = ds_mul(square, inverse), rate = ds_mul(along, inverse);
        ds_var pull = ds_mul(stiff, ds_sub(length, rest)), drag = ds_mul(damp, rate);
        ds_var3 force = ds_scale3(d, ds_mul(ds_add(pull, drag), inverse));
        f[m] = ds_neg3(force);
        if (m) f[m - 1] = ds_add3(f[m - 1], force);
    }
    for (size_t m = 0; m < MASSES; m++) {
        const ds_var parts[3] = { ds_x(f[m]), ds_y(f[m]), ds_z(f[m]) };
        for (size_t axis = 0; axis < 3; axis++) {
            ds_var pushed = ds_mul(parts[axis], ds_c(10));
            if (axis == 2) pushed = ds_sub(pushed, ds_c(9.8));
            ds_var next = ds_fma(dt, pushed, v[3 * m + axis]);
            ds_store_part(v_out, e, 3 * m + axis, next);
            ds_store_part(x_out, e, 3 * m + axis, ds_fma(dt, next, x[3 * m + axis]));
        }
    }
    ds_kernel_end(k);
    return k;
}

static ds_result chain_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    static const double target[3] = { 0.5, 0, -0.8 };
    const size_t group = ((const launched *)user)->group;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t axis = 0; axis < 3; axis++)
        for (size_t e = 0; e < group; e++) {
            const size_t at = (3 * (MASSES - 1) + axis) * group + e;
            const double miss = (double)io->state[at] - target[axis];
            sum += miss * miss;
            if (bar) bar->state_bar[at] += (ds_real)(2 * miss / CHAINS);
        }
    *value += (ds_real)(sum / CHAINS);
    return DSIM_OK;
}

/* so many numbers of each chain, number by number */
static ds_binding by_number(const launched *l, ds_bound to, size_t offset, size_t components)
{
    ds_binding b = ds_bind(to, offset, l->group, components);
    b.array.stride = 1;
    b.array.pitch = l->group;
    return b;
}

static int chains_make(launched *l, ds_launch_list_desc *d, ds_rollout_desc *r)
{
    const size_t lanes = l->group, half = NUMBERS * l->group;
    for (size_t e = 0; e < CHAINS; e++) {
        real *x = l->start + e / lanes * 2 * half + e % lanes;
        for (size_t m = 0; m < MASSES; m++) {
            x[3 * m * lanes] = (real)(0.1 * (double)(m + 1));
            x[(3 * m + 2) * lanes] = (real)chain_z(e, m);
        }
        for (int f = 0; f < 3; f++)
            l->param[(e / lanes * 3 + (size_t)f) * lanes + e % lanes] = (real)chain_number(f, e);
    }
    d->n_state = 2 * half;
    d->n_param = 3 * lanes;
    l->list = ds_launch_list_create(d);
    l->kernel = chain_kernel();
    const ds_binding bindings[] = {
        by_number(l, DSIM_BOUND_BEFORE, 0, NUMBERS), by_number(l, DSIM_BOUND_BEFORE, half, NUMBERS),
        by_number(l, DSIM_BOUND_PARAM, 0, 3), by_number(l, DSIM_BOUND_STATE, 0, NUMBERS),
        by_number(l, DSIM_BOUND_STATE, half, NUMBERS)
    };
    ds_launch_list_add(l->list, l->kernel, &lanes, bindings, 5);
    r->steps = W6_STEPS;
    r->loss = chain_loss;
    return 1;
}

/* >>side ---- */

static void destroy(void *state)
{
    launched *l = (launched *)state;
    if (!l) return;
    ds_rollout_destroy(l->rollout);
    ds_launch_list_destroy(l->list);
    ds_kernel_destroy(l->kernel);
    free(l->start);
    free(l->numbers);
    free(l->param);
    free(l->target);
    free(l->grad);
    free(l);
}

static void *create(int which, int as_text)
{
    const size_t n = wave_side(which), count = which == W6 ? 3 * CHAINS : n * n;
    const size_t n_start = which == W6 ? 2 * NUMBERS * CHAINS : 2 * cells_of(n);
    launched *l = (launched *)calloc(1, sizeof *l);
    ds_launch_list_desc d;
    ds_rollout_desc r;
    if (!l) return NULL;
    l->which = which;
    l->group = groups_of[as_text];
    l->start = (real *)calloc(n_start, sizeof(real));
    l->numbers = (real *)calloc(2, sizeof(real));
    l->param = (real *)calloc(3 * CHAINS, sizeof(real));
    l->target = (double *)calloc(count, sizeof(double));
    l->grad = (double *)calloc(count, sizeof(double));
    memset(&d, 0, sizeof d);
    memset(&r, 0, sizeof r);
    if (as_text) {
        d.runner.printed = printed;
        d.runner.n_printed = sizeof printed / sizeof printed[0];
    }
    r.loss_user = l;
    r.loss_at_end = 1;
    if (l->start && l->numbers && l->param && l->target && l->grad &&
        (which == W6 ? chains_make(l, &d, &r) : wave_make(l, &d, &r)))
        l->rollout = ds_rollout_create(ds_launch_list_stepper(l->list), &r);
    if (l->rollout) return l;
    fprintf(stderr, "%s\n", l->list ? ds_launch_list_error(l->list)->text : "no memory");
    destroy(l);
    return NULL;
}
static void *create_steps(int which) { return create(which, 0); }
static void *create_text(int which) { return create(which, 1); }

static ds_result run_one(launched *l, const real *start, const real *param, int back)
{
    ds_result result = ds_rollout_set_state(l->rollout, start);
    if (!result && param) result = ds_rollout_set_param(l->rollout, param);
    if (!result) result = back ? ds_rollout_backward(l->rollout) : ds_rollout_forward(l->rollout);
    if (result) fprintf(stderr, "%s\n", ds_rollout_error(l->rollout)->text);
    return result;
}

static int run(launched *l, int back)
{
    const size_t n = wave_side(l->which), groups = l->which == W6 ? CHAINS / l->group : 1;
    l->loss = 0;
    for (size_t g = 0; g < groups; g++) {
        if (run_one(l, l->start + g * 2 * NUMBERS * l->group,
                    l->which == W6 ? l->param + g * 3 * l->group : NULL, back))
            return 1;
        l->loss += ds_rollout_loss(l->rollout);
        const real *bar =
            l->which == W6 ? ds_rollout_param_grad(l->rollout) : ds_rollout_state_grad(l->rollout);
        for (size_t i = 0; back && l->which == W6 && i < 3 * l->group; i++)
            l->grad[i / l->group * CHAINS + g * l->group + i % l->group] = (double)bar[i];
        for (size_t i = 0; back && l->which != W6 && i < n * n; i++) {
            const size_t at = cell_at(n, i / n, i % n);
            l->grad[i] = (double)bar[at] + (double)bar[cells_of(n) + at];
        }
    }
    return 0;
}
static int forward(void *state) { return run((launched *)state, 0); }
static int both(void *state) { return run((launched *)state, 1); }
static double loss(const void *state) { return ((const launched *)state)->loss; }
static double grad(const void *state, size_t i) { return ((const launched *)state)->grad[i]; }
static const char *plan(const void *state)
{
    return ds_rollout_get_plan(((const launched *)state)->rollout)->text;
}

#ifdef ROLLOUT_PRINTED
extern const rollout_side ROLLOUT_SIDE[2];
const rollout_side ROLLOUT_SIDE[2] = {
    { "interpreter", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_steps, destroy, forward, both, loss, grad,
      plan },
    { "printed", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_text, destroy, forward, both, loss, grad, plan }
};
#else

int main(void)
{
    static const char *const by[N_ROLLOUTS] = { "u v", "u v", "x v stiffness_damping_rest" };
    char list[2000] = "";
    int ok = 1;
    (void)create_steps, (void)create_text, (void)forward, (void)both, (void)loss, (void)grad, (void)plan;
    for (int which = 0; ok && which < N_ROLLOUTS; which++) {
        ds_kernel *k = which == W6 ? chain_kernel() : wave_kernel(wave_side(which));
        ds_kernel *adjoint = ds_kernel_adjoint(k, by[which]);
        ok = print_kernel(k, list) && print_kernel(adjoint, list);
        ds_kernel_destroy(adjoint);
        ds_kernel_destroy(k);
    }
    printf("static const ds_printed_kernel *const printed[] = {\n%s    NULL\n};\n", list);
    return !ok;
}

#endif
