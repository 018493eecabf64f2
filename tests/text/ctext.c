/* Kernels as C text, for ctext.sh. `print`: their text. `run`: all are run, by the interpreter and, where the
   text was compiled in (-DPRINTED='"file"'), by it; results must have the same bits, whose hash is printed. */
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"
#include <stdio.h>

#ifdef PRINTED
#include PRINTED
#endif

enum { LANES = 777, SIDE = 40, MOST_KERNELS = 16, MOST_ARGS = 24 };

static ds_kernel *kernels[MOST_KERNELS];
static size_t n_kernels;

static ds_kernel *begin(const char *name)
{
    ds_kernel_desc desc = DSI_ZEROED;
    desc.rank = name[0] == '2' ? 2 : 1;
    return kernels[n_kernels++] = ds_kernel_begin(&desc, name);
}

static ds_kernel *spring(void)
{
    ds_kernel *k = begin("spring_force");
    ds_arg edge = ds_arg_index(k, "edge", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    ds_arg stiff = ds_arg_in(k, "stiffness", 1), force = ds_arg_sum(k, "force", 3);
    ds_index s = ds_lane(k), i = ds_load_index(edge, s, 0), j = ds_load_index(edge, s, 1);
    ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi), g;
    ds_var l = ds_safe_norm3(d), r = ds_load(rest, s), f = ds_sub(l, r), c = ds_load(stiff, s);
    f = ds_mul(c, f);
    g = ds_scale3(d, ds_div(f, l));
    ds_add_at3(force, i, g);
    ds_add_at3(force, j, ds_neg3(g));
    return k;
}

/* names that are no identifiers, a grid, a uniform */
static ds_kernel *stencil(void)
{
    ds_kernel *k = begin("2D wave */ \"step\"?" "?/");
    ds_arg u = ds_arg_in(k, "u.now", 1), old = ds_arg_in(k, "u_now", 1), next = ds_arg_out(k, "3", 1);
    ds_var a = ds_scalar(k, "int"), sum = ds_c(0), rate;
    ds_index n = ds_lanes(k, 1), i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1), at = ds_lane(k);
    int way;
    rate = ds_exp(a);
    for (way = 0; way < 4; way++) {
        ds_index p = ds_index_add(i, ds_i(way == 0 ? -1 : way == 1)), q;
        ds_var neighbour;
        p = ds_index_clamp(p, ds_i(0), ds_index_sub(ds_lanes(k, 0), ds_i(1)));
        q = ds_index_add(j, ds_i(way == 2 ? -1 : way == 3));
        q = ds_index_clamp(q, ds_i(0), ds_index_sub(n, ds_i(1)));
        neighbour = ds_load(u, ds_index_add(ds_index_mul(p, n), q));
        sum = ds_add(sum, neighbour);
    }
    {
        ds_var here = ds_load(u, at), before = ds_load(old, at), lap = ds_sub(sum, ds_mul(ds_c(4), here));
        ds_var moved = ds_mul(rate, lap), twice = ds_mul(ds_c(2), here);
        ds_store(next, at, ds_add(ds_sub(twice, before), moved));
    }
    return k;
}

/* functions of several depths, choices, and what is written without an operation */
static ds_kernel *energy(void)
{
    ds_kernel *k = begin("energy");
    ds_arg x = ds_arg_in(k, "x", 4), to = ds_arg_out(k, "to", 8), sum = ds_arg_sum(k, "sum", 2);
    ds_arg state = ds_arg_update(k, "state", 1);
    ds_index s = ds_lane(k);
    ds_var dt = ds_scalar(k, "dt"), a = ds_load_part(x, s, 0), b = ds_load_part(x, s, 1);
    ds_var c = ds_load_part(x, s, 2), d = ds_load_part(x, s, 3), n = ds_index_number(k, s), old, t, w, root;
    ds_var limit = ds_c(0.25), p, e;
    old = ds_load(state, s);
    t = ds_exp(ds_mul(a, b));
    root = ds_sqrt(ds_add(ds_mul(c, c), ds_c(0.1)));
    p = ds_pow(root, d);
    w = ds_select(ds_lt(a, b), ds_log(ds_add(t, ds_c(1))), ds_mul(root, t));
    e = ds_atan2(w, ds_add(p, dt));
    ds_store_part(to, s, 0, e);
    ds_store_part(to, s, 1, t);
    ds_store_part(to, s, 2, a);
    ds_store_part(to, s, 3, dt);
    ds_store_part(to, s, 4, n);
    ds_store_part(to, s, 5, ds_clip_gradient(ds_min(ds_max(w, limit), ds_c(1e30)), c));
    ds_store_part(to, s, 6, ds_stop_gradient(ds_add(ds_floor(ds_mul(w, ds_c(7))), ds_sign(b))));
    ds_store_part(to, s, 7, ds_mul(ds_tanh(ds_sin(ds_add(n, dt))), ds_hypot(ds_erf(a), ds_cbrt(b))));
    ds_add_part(sum, ds_i(0), 0, t);
    ds_add_part(sum, ds_index_mod(s, ds_i(5)), 1, ds_softplus(w));
    ds_add_part(sum, ds_i(0), 1, old);
    ds_store(state, s, ds_add(ds_mul(old, dt), e));
    return k;
}

/* nothing to compute, and one place less to write than values */
static ds_kernel *copy(void)
{
    ds_kernel *k = begin("copy");
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_sum(k, "z", 1);
    ds_var a = ds_load(x, ds_lane(k));
    ds_store(y, ds_lane(k), a);
    ds_add_at(z, ds_lane(k), a);
    return k;
}

/* one value for two arrays, both written in place */
static ds_kernel *twice(void)
{
    ds_kernel *k = begin("twice");
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_out(k, "z", 1);
    ds_var a = ds_load(x, ds_lane(k)), b = ds_mul(a, a);
    ds_store(y, ds_lane(k), b);
    ds_store(z, ds_lane(k), b);
    return k;
}

/* stable neo-Hookean tetrahedron: Smith, De Goes, Kim 2018, eq. 14 */
static ds_kernel *tet(void)
{
    ds_kernel *k = begin("tet");
    ds_arg node = ds_arg_index(k, "node", 4), x = ds_arg_in(k, "x", 3), inverse = ds_arg_in(k, "inverse", 9);
    ds_arg material = ds_arg_in(k, "material", 3), out = ds_arg_out(k, "energy", 1);
    ds_index s = ds_lane(k), p[4];
    ds_var mu, la, volume, ic = ds_c(0), J, alpha, part, half, e;
    ds_var3 xp[4], d[3], f[3], area;
    size_t i, j;
    for (i = 0; i < 4; i++) p[i] = ds_load_index(node, s, i);
    for (i = 0; i < 4; i++) xp[i] = ds_load3(x, p[i]);
    mu = ds_load_part(material, s, 0);
    la = ds_load_part(material, s, 1);
    volume = ds_load_part(material, s, 2);
    for (i = 0; i < 3; i++) d[i] = ds_sub3(xp[i + 1], xp[0]);
    for (j = 0; j < 3; j++) { /* columns of the deformation gradient */
        for (i = 0; i < 3; i++) {
            const ds_var b = ds_load_part(inverse, s, 3 * i + j);
            const ds_var3 more = ds_scale3(d[i], b);
            f[j] = i ? ds_add3(f[j], more) : more;
        }
        ic = ds_add(ic, ds_dot3(f[j], f[j]));
    }
    area = ds_cross3(f[1], f[2]);
    J = ds_dot3(f[0], area);
    alpha = ds_div(mu, la);
    alpha = ds_add(ds_mul(alpha, ds_c(0.75)), ds_c(1));
    part = ds_square(ds_sub(J, alpha));
    half = ds_mul(ds_c(0.5), mu);
    e = ds_mul(half, ds_sub(ic, ds_c(3)));
    part = ds_mul(ds_mul(ds_c(0.5), la), part);
    e = ds_add(e, part);
    part = ds_mul(half, ds_log(ds_add(ic, ds_c(1))));
    e = ds_sub(e, part);
    ds_store(out, s, ds_mul(volume, e));
    return k;
}

static int end(ds_kernel *k)
{
    if (k && !ds_kernel_error(k)->code && !k->ended) ds_kernel_end(k);
    if (k && !ds_kernel_error(k)->code) return 1;
    printf("%s\n", ds_kernel_error(k)->text);
    return 0;
}

static int make(void)
{
    ds_kernel *k = spring();
    if (!end(k)) return 0;
    kernels[n_kernels++] = ds_kernel_adjoint(k, NULL);
    kernels[n_kernels++] = ds_kernel_tangent(k, "x");
    if (!end(stencil())) return 0;
    k = energy();
    if (!end(k)) return 0;
    kernels[n_kernels++] = ds_kernel_adjoint(k, NULL);
    k = tet();
    if (!end(k)) return 0;
    kernels[n_kernels++] = ds_kernel_gradient(k, "x");
    kernels[n_kernels++] = ds_kernel_hessian(k, "x");
    return end(copy()) && end(twice()) && end(kernels[1]) && end(kernels[2]) && end(kernels[5]) &&
           end(kernels[7]) && end(kernels[8]);
}

#ifdef PRINTED
static const ds_printed_kernel *const printed[] = {
    &spring_force_printed, &spring_force_adjoint_printed, &spring_force_tangent_printed, &K0_2D_wave_____step_____printed,
    &energy_printed, &energy_adjoint_printed, &tet_printed, &tet_gradient_printed, &tet_hessian_printed,
    &copy_printed, &twice_printed
};
#endif

/* arrays of every kind: made of integers and a division, so that every build has the same numbers */
static ds_real random_real(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (ds_real)((double)(*state >> 40) / 16777216.0 * 2 - 0.9);
}

/* runs kernel k; its numbers become a hash. layout 0: as they are, 1: component by component, 2: float */
static uint64_t run(ds_runner *runner, ds_kernel *k, int layout, size_t lanes, ds_result *result)
{
    ds_array args[MOST_ARGS];
    const size_t grid[2] = { SIDE, lanes / SIDE };
    uint64_t state = 1, hash = 0;
    size_t i, j;
    const size_t n = LANES + 100;
    if (k->desc.rank == 2) lanes = grid[0] * grid[1];
    for (i = 0; i < k->n_args; i++) {
        const size_t components = k->args[i].components;
        const int integers = k->args[i].kind == DSI_ARG_INDEX;
        args[i] = ds_array_reals((const ds_real *)malloc(n * components * 8), n, components);
        if (layout == 1 && !integers) {
            args[i].stride = 1;
            args[i].pitch = n;
        }
        if (layout == 2 && !integers) args[i].type = DSIM_ARRAY_FLOAT;
        if (integers) args[i].type = DSIM_ARRAY_INT32;
        for (j = 0; j < n * components; j++) {
            const ds_real x = random_real(&state);
            /* half of the indices in a row, half at random */
            if (integers) ((int32_t *)args[i].data)[j] =
                (int32_t)(j < 400 * components ? j / components + j % components : (j * 7919 + j % components) % n);
            else if (layout == 2) ((float *)args[i].data)[j] = (float)x;
            else ((ds_real *)args[i].data)[j] = x;
        }
    }
    *result = ds_launch_grid(runner, k, k->desc.rank == 2 ? grid : &lanes, args, k->n_args);
    for (i = 0; i < k->n_args; i++) {
        for (j = 0; j < n * k->args[i].components; j++) {
            const double x = k->args[i].kind == DSI_ARG_INDEX ? 0 : layout == 2 ? (double)((float *)args[i].data)[j]
                             : (double)((ds_real *)args[i].data)[j];
            const double y = x != x ? 1e300 : x; /* NaNs are equal */
            hash = ds_hash_bytes(&y, sizeof y, hash);
        }
        free(args[i].data);
    }
    return hash;
}

static int compare(void)
{
    ds_runner_desc desc = DSI_ZEROED;
    ds_runner *interpreter = ds_runner_create(&desc), *text;
    uint64_t all = 0;
    size_t i, lanes;
    int layout, good = 1;
#ifdef PRINTED
    desc.printed = printed;
    desc.n_printed = sizeof printed / sizeof *printed;
#endif
    text = ds_runner_create(&desc);
    for (i = 0; i < n_kernels; i++)
        for (layout = 0; layout < 3; layout++)
            for (lanes = 0; lanes <= LANES; lanes += 111) {
                ds_result a, b;
                const uint64_t by_steps = run(interpreter, kernels[i], layout, lanes, &a);
                const uint64_t by_text = run(text, kernels[i], layout, lanes, &b);
                all = ds_hash_bytes(&by_text, sizeof by_text, all);
                if (by_steps == by_text && a == DSIM_OK && b == DSIM_OK) continue;
                good = 0;
                printf("kernel %d, layout %d, %d lanes: %s %s\n", (int)i, layout, (int)lanes,
                       by_steps == by_text ? "" : "other numbers", ds_runner_error(text)->text);
            }
#ifdef PRINTED
    for (i = 0; i < n_kernels; i++) {
        ds_result a;
        run(text, kernels[i], 0, LANES, &a);
        if (!strcmp(ds_runner_printed(text), "the kernel ran as printed text")) continue;
        good = 0;
        printf("kernel %d: %s\n", (int)i, ds_runner_printed(text));
    }
#else
    printf("%s\n", ds_runner_printed(text));
#endif
    ds_runner_destroy(text);
    ds_runner_destroy(interpreter);
    printf("%08lx%08lx\n", (unsigned long)(all >> 32), (unsigned long)(all & 0xffffffffu));
    return good;
}

int main(int n, char **words)
{
    static char text[1 << 20];
    size_t i;
    int good = make();
    if (good && n > 1 && !strcmp(words[1], "print"))
        for (i = 0; i < n_kernels; i++) {
            good &= ds_kernel_print_c(kernels[i], text, sizeof text) == strlen(text) && text[0];
            puts(text);
        }
    else if (good) good = compare();
    for (i = 0; i < n_kernels; i++) ds_kernel_destroy(kernels[i]);
    return !good;
}
