/* same_kernels.c - kernels and their derivatives, run in blocks of several widths and in several numbers of
   parts, the last part first: one hash on every IEEE machine, compiler and level. Springs with lists
   of indices, a stencil, an element with matrices, a composite, reductions. As in same.c no call records two
   arguments. SAME_DECLARES: the implementation is in another file. */
#if !defined(SAME_DECLARES)
#define DIFFSIM_IMPLEMENTATION
#endif
#include "diffsim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 4200, ROWS = 70, COLUMNS = 60, POINTS = 900, MOST_ARGS = 12, KERNELS = 24 };

/* a kernel; of each argument the components, below 0 so many integers, and the elements */
static struct {
    ds_kernel *kernel;
    size_t rank, n_args;
    int components[MOST_ARGS], elements[MOST_ARGS];
    char kind; /* v, a or h: values, adjoints and tangents, Hessians */
} all[KERNELS];
static size_t n_all;

static ds_kernel *begin(const char *name, size_t rank)
{
    ds_kernel_desc desc = DSI_ZEROED;
    desc.rank = rank;
    all[n_all].rank = rank;
    all[n_all].kind = 'v';
    return all[n_all].kernel = ds_kernel_begin(&desc, name);
}
static void argument(int components, int elements)
{
    const size_t n = all[n_all].n_args++;
    all[n_all].components[n] = components;
    all[n_all].elements[n] = elements;
}
/* what is derived from the kernel that was made last; n: coordinates of a lane for a Hessian, or 0 */
static void derive(const char *by, int n)
{
    const size_t of = n_all++;
    const ds_kernel *const k = all[of].kernel;
    int way;
    for (way = 0; way < (n ? 3 : 2); way++, n_all++) {
        size_t i;
        all[n_all] = all[of];
        all[n_all].kind = way == 2 ? 'h' : 'a';
        if (way == 0) all[n_all].kernel = ds_kernel_adjoint(k, by);
        if (way == 1) all[n_all].kernel = ds_kernel_tangent(k, by);
        if (way == 2) all[n_all].kernel = ds_kernel_hessian(k, by);
        for (i = 0; way < 2 && i < all[of].n_args; i++)
            argument(abs(all[of].components[i]), all[of].elements[i]);
        if (way == 2) argument(n, LANES);
        if (way == 2) argument(n * (n + 1) / 2, LANES);
    }
}
static void end(const char *by, int n)
{
    ds_kernel_end(all[n_all].kernel);
    derive(by, n);
}

/* springs between points of a list: energies for a Hessian, and forces */
static void springs(void)
{
    ds_kernel *k = begin("springs", 1);
    const ds_arg pair = ds_arg_index(k, "pair", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    const ds_arg force = ds_arg_sum(k, "force", 3), energy = ds_arg_sum(k, "energy", 1);
    const ds_index s = ds_lane(k), i = ds_load_index(pair, s, 0), j = ds_load_index(pair, s, 1);
    const ds_var3 a = ds_load3(x, i), b = ds_load3(x, j), d = ds_sub3(b, a);
    const ds_var l = ds_smooth_norm3(d, ds_c(0.1)), r = ds_load(rest, s), u = ds_sub(l, r), e = ds_square(u);
    const ds_var3 f = ds_scale3(d, ds_div(u, l));
    ds_add_at3(force, i, f);
    ds_add_at3(force, j, ds_neg3(f));
    ds_add_at(energy, ds_i(0), ds_mul(ds_c(0.5), e));
    argument(-2, LANES), argument(3, POINTS), argument(1, LANES), argument(3, POINTS), argument(1, 1);
    end(NULL, 7);
}

/* a wave on a grid, with an exponential, written in place */
static void stencil(void)
{
    ds_kernel *k = begin("stencil", 2);
    const ds_arg u = ds_arg_in(k, "u", 1), c = ds_arg_in(k, "c", 1), next = ds_arg_out(k, "next", 1);
    const ds_arg v = ds_arg_update(k, "v", 1), flow = ds_arg_sum(k, "flow", 1);
    const ds_grid grid = ds_grid_of_lanes(k, DSIM_WALL_CLAMP);
    const ds_var dt = ds_scalar(k, "dt"), speed = ds_load(c, ds_lane(k)), old = ds_load(v, ds_lane(k));
    ds_index at[2], right;
    ds_var lap, rate, moved, faster, here;
    at[0] = ds_lane_axis(k, 0), at[1] = ds_lane_axis(k, 1);
    lap = ds_grid_laplacian(u, 0, &grid, at);
    rate = ds_mul(ds_exp(speed), dt);
    faster = ds_fma(rate, lap, old);
    here = ds_load(u, ds_lane(k));
    moved = ds_fma(dt, faster, here);
    ds_store(next, ds_lane(k), moved);
    ds_store(v, ds_lane(k), faster);
    at[1] = ds_index_add(at[1], ds_i(1));
    right = ds_grid_at(&grid, at);
    ds_add_at(flow, right, ds_mul(ds_tanh(moved), dt));
    ds_add_at(flow, ds_lane(k), ds_sub(here, moved));
    argument(1, LANES), argument(1, LANES), argument(1, LANES), argument(1, LANES), argument(1, LANES);
    argument(1, 1);
    end(NULL, 0);
}

/* an element of three edges: det, inverse and products of matrices, a logarithm of what is above 0 */
static ds_var33 edges(ds_arg x, const ds_index *p)
{
    ds_var3 a = ds_load3(x, p[0]), b = ds_load3(x, p[1]), c = ds_load3(x, p[2]), o = ds_load3(x, p[3]);
    a = ds_sub3(a, o);
    b = ds_sub3(b, o);
    c = ds_sub3(c, o);
    return ds_columns33(a, b, c);
}
static void element(void)
{
    ds_kernel *k = begin("element", 1);
    const ds_arg node = ds_arg_index(k, "node", 4), x = ds_arg_in(k, "x", 3), m = ds_arg_in(k, "m", 9);
    const ds_arg energy = ds_arg_out(k, "energy", 1);
    const ds_index s = ds_lane(k);
    ds_index p[4];
    ds_var33 F, C, I;
    ds_var J, size, part, volume, e;
    size_t i;
    for (i = 0; i < 4; i++) p[i] = ds_load_index(node, s, i);
    F = edges(x, p);
    F = ds_mul33(F, ds_load33(m, s));
    C = ds_mul33(ds_transpose33(F), F);
    J = ds_det33(F);
    I = ds_inverse33(ds_shift33(C, ds_c(1)));
    size = ds_ddot33(F, F);
    part = ds_log(ds_add(size, ds_c(1)));
    volume = ds_square(ds_sub(J, ds_c(1)));
    e = ds_fma(ds_c(1.5), volume, part);
    part = ds_trace33(ds_mul33(I, C));
    ds_store(energy, s, ds_add(e, part));
    argument(-4, LANES), argument(3, POINTS), argument(9, LANES), argument(1, LANES);
    end("x", 12);
}

/* as rigid as possible: a composite is called lane by lane */
static void rigid(void)
{
    ds_kernel *k = begin("rigid", 1);
    const ds_arg m = ds_arg_in(k, "m", 9), to = ds_arg_out(k, "to", 3), sum = ds_arg_sum(k, "sum", 1);
    const ds_index s = ds_lane(k);
    const ds_var33 F = ds_shift33(ds_load33(m, s), ds_c(3)), R = ds_polar33(F), D = ds_sub33(F, R);
    const ds_var e = ds_ddot33(D, D);
    const ds_var3 row = ds_row(R, 1);
    ds_store3(to, s, row);
    ds_add_at(sum, ds_index_div(s, ds_i(7)), e);
    argument(9, LANES), argument(3, LANES), argument(1, LANES);
    end(NULL, 0);
}

/* reductions, over more than one chunk of lanes */
static void reduction(ds_reduction what, int two)
{
    all[n_all].rank = 1;
    all[n_all].kind = 'v';
    all[n_all].kernel = ds_kernel_reduction(NULL, what, 2);
    argument(2, LANES);
    if (two) argument(2, LANES);
    argument(1, 1);
    derive(NULL, 0);
}

/* numbers of a few bits between -1 and 1, the same in every build; indices in a row, and scattered */
static ds_array make_array(size_t n, int components, uint64_t *state)
{
    const size_t c = (size_t)abs(components);
    ds_array a = ds_array_reals((const ds_real *)calloc(n * c, 8), n, c);
    size_t i;
    if (components < 0) a.type = DSIM_ARRAY_INT32;
    for (i = 0; a.data && i < n * c; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (components < 0)
            ((int32_t *)a.data)[i] = (int32_t)((i < 1500 * c ? i / c + i % c : (i * 7919 + i % c)) % POINTS);
        else
            ((ds_real *)a.data)[i] = (ds_real)((double)(*state >> 46) / 131072 - 1);
    }
    return a;
}

/* what a launch leaves in the arrays */
static uint64_t run(ds_runner *runner, size_t k)
{
    ds_array args[MOST_ARGS];
    size_t grid[2], i;
    uint64_t state = 1, hash = 0;
    grid[0] = all[k].rank == 2 ? (size_t)ROWS : (size_t)LANES;
    grid[1] = COLUMNS;
    memset(args, 0, sizeof args);
    for (i = 0; i < all[k].n_args; i++)
        args[i] = make_array((size_t)all[k].elements[i], all[k].components[i], &state);
    if (ds_launch_grid(runner, all[k].kernel, grid, args, all[k].n_args))
        printf("%s\n", ds_runner_error(runner)->text);
    for (i = 0; i < all[k].n_args; i++) {
        if (args[i].type != DSIM_ARRAY_INT32) {
            const double sum = ds_array_sum(args + i);
            hash = ds_hash_reals((const ds_real *)args[i].data, args[i].n * args[i].components, hash);
            if (!(sum - sum == 0)) printf("kernel %d: argument %d is not finite; ", (int)k, (int)i);
        }
        free(args[i].data);
    }
    return hash;
}

static void in_parts(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    (void)user, (void)grain;
    while (n-- > 0) fn(task, n, n + 1, 0);
}
static ds_runner *make_runner(size_t width, size_t parts)
{
    ds_runner_desc desc = DSI_ZEROED;
    desc.width = width;
    desc.jobs.n_workers = parts;
    if (parts > 1) desc.jobs.parallel_for = in_parts;
    return ds_runner_create(&desc);
}

static void show(const char *name, uint64_t hash)
{
    printf("%s %08lx%08lx", name, (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
}

int main(void)
{
    static const size_t ways[][2] = { { 0, 1 }, { 16, 1 }, { 80, 3 }, { 512, 1 }, { 128, 8 }, { 0, 2 } };
    uint64_t hashes[128];
    ds_runner *runner;
    size_t i, way;
    int good = 1;
    memset(hashes, 0, sizeof hashes);
    springs();
    stencil();
    element();
    rigid();
    reduction(DSIM_REDUCTION_DISTANCE, 1);
    reduction(DSIM_REDUCTION_MEAN, 0);
    for (i = 0; i < n_all; i++) {
        uint64_t first = 0, *const hash = hashes + all[i].kind;
        for (way = 0; way < sizeof ways / sizeof *ways; way++) {
            uint64_t now;
            runner = make_runner(ways[way][0], ways[way][1]);
            now = run(runner, i);
            if (way == 0) first = now;
            if (now != first) printf("kernel %d: other numbers in way %d; ", (int)i, (int)way);
            good &= now == first && !ds_runner_error(runner)->code;
            ds_runner_destroy(runner);
        }
        *hash = (*hash ^ first) * UINT64_C(0x9e3779b97f4a7c15); /* bytes have an order */
        good &= !ds_kernel_error(all[i].kernel)->code;
        if (ds_kernel_error(all[i].kernel)->code) printf("%s\n", ds_kernel_error(all[i].kernel)->text);
        ds_kernel_destroy(all[i].kernel);
    }
    show("kernels", hashes['v']);
    show(" adjoints", hashes['a']);
    show(" Hessians", hashes['h']);
    printf("\n");
    return !good;
}
