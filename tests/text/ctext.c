/* Kernels as C text, for ctext.sh. `print`, `cuda`: their text. Otherwise all are run, by the interpreter
   and, where the text was compiled in (-DPRINTED='"file"'), by it; results must have the same bits, whose
   hash is printed, and what the runner says of each kernel. */
#include "diffsim.h"
#include "launches.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PRINTED
#include PRINTED
#endif
#ifdef CUDA
#include "text/cuda_shim.h"
#include CUDA
#endif

enum { LANES = 2331, SIDE = 40, MOST_KERNELS = 32, MOST_ARGS = 24 };

static struct {
    ds_kernel *kernel;
    size_t rank, n_args;
    int components[MOST_ARGS]; /* below 0: so many integers, else numbers */
} all[MOST_KERNELS];
static size_t n_all;

/* a kernel with arguments of these components */
static ds_kernel *begin(const char *name, size_t rank, size_t n_args, const int *components)
{
    ds_kernel_desc desc = DSI_ZEROED;
    desc.rank = rank;
    all[n_all].rank = rank;
    all[n_all].n_args = n_args;
    memcpy(all[n_all].components, components, n_args * sizeof *components);
    return all[n_all++].kernel = ds_kernel_begin(&desc, name);
}

/* a derivative of kernel `of`: its arguments, then as many again; or a gradient and a Hessian of `local` */
static ds_kernel *derived(ds_kernel *kernel, size_t of, int local)
{
    const size_t n = all[of].n_args;
    size_t i;
    all[n_all].kernel = kernel;
    all[n_all].rank = all[of].rank;
    all[n_all].n_args = ds_kernel_get_info(kernel).args;
    for (i = 0; i < 2 * n; i++) {
        const int components = all[of].components[i % n];
        all[n_all].components[i] = i < n ? components : abs(components);
    }
    if (local) all[n_all].components[n] = local;
    if (local) all[n_all].components[n + 1] = local * (local + 1) / 2;
    return all[n_all++].kernel;
}

static ds_kernel *spring(void)
{
    static const int components[] = { -2, 3, 1, 1, 3 };
    ds_kernel *k = begin("spring_force", 1, 5, components);
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
    static const int components[] = { 1, 1, 1, 1 };
    ds_kernel *k = begin("2D wave */ \"step\"?" "?/", 2, 4, components);
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
    static const int components[] = { 4, 8, 2, 1, 1 };
    ds_kernel *k = begin("energy", 1, 5, components);
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
    static const int components[] = { 1, 1, 1 };
    ds_kernel *k = begin("copy", 1, 3, components);
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_sum(k, "z", 1);
    ds_var a = ds_load(x, ds_lane(k));
    ds_store(y, ds_lane(k), a);
    ds_add_at(z, ds_lane(k), a);
    return k;
}

/* one value for two arrays, both written in place */
static ds_kernel *twice(void)
{
    static const int components[] = { 1, 1, 1 };
    ds_kernel *k = begin("twice", 1, 3, components);
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1), z = ds_arg_out(k, "z", 1);
    ds_var a = ds_load(x, ds_lane(k)), b = ds_mul(a, a);
    ds_store(y, ds_lane(k), b);
    ds_store(z, ds_lane(k), b);
    return k;
}

/* stable neo-Hookean tetrahedron: Smith, De Goes, Kim 2018, eq. 14 */
static ds_kernel *tet(void)
{
    static const int components[] = { -4, 3, 9, 3, 1 };
    ds_kernel *k = begin("tet", 1, 5, components);
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

/* mu |F - R|^2 + la (tr S - 3)^2 / 2: one decomposition for both */
static ds_kernel *corotated(void)
{
    static const int components[] = { 9, 1, 1, 1 };
    ds_kernel *k = begin("corotated", 1, 4, components);
    ds_arg f = ds_arg_in(k, "F", 9), material = ds_arg_in(k, "mu", 1), out = ds_arg_out(k, "energy", 1);
    ds_index s = ds_lane(k);
    ds_var33 F = ds_load33(f, s), R = ds_polar33(F), D = ds_sub33(F, R);
    ds_var mu = ds_load(material, s), trace = ds_sub(ds_stretch33(F), ds_c(3)), la = ds_scalar(k, "la");
    ds_var shape = ds_mul(mu, ds_ddot33(D, D)), volume = ds_mul(ds_mul(ds_c(0.5), la), ds_square(trace));
    ds_store(out, s, ds_add(shape, volume));
    return k;
}

/* all three; what goes into one comes out of another, a function and constants; some outputs are not used */
static ds_kernel *decomposed(void)
{
    static const int components[] = { 9, 9, 3, 3 };
    ds_kernel *k = begin("decomposed", 1, 4, components);
    ds_arg f = ds_arg_in(k, "F", 9), u_out = ds_arg_out(k, "u", 9), s_out = ds_arg_out(k, "s", 3);
    ds_arg w_out = ds_arg_out(k, "w", 3);
    ds_index at = ds_lane(k);
    ds_var33 F = ds_load33(f, at), U, V, Q, R;
    ds_var3 s, w;
    ds_var bent;
    size_t i;
    ds_svd33(F, &U, &s, &V);
    for (i = 0; i < 9; i++) ds_store_part(u_out, at, i, ds_m(U, i / 3, i % 3));
    ds_store3(s_out, at, s);
    bent = ds_exp(ds_m(V, 0, 0));
    R = ds_polar33(ds_pack33(ds_pack3(bent, ds_c(0.5), ds_c(0)), ds_row(F, 1), ds_row(V, 2)));
    ds_symmetric_eigen33(ds_mul33(R, F), &w, &Q);
    ds_store_part(w_out, at, 0, ds_x(w));
    ds_store_part(w_out, at, 1, ds_m(Q, 1, 2));
    ds_store_part(w_out, at, 2, ds_sin(ds_add(ds_y(w), ds_c(1))));
    return k;
}

/* one output of a composite alone */
static ds_kernel *stretch(void)
{
    static const int components[] = { 9, 1 };
    ds_kernel *k = begin("stretch", 1, 2, components);
    ds_arg f = ds_arg_in(k, "F", 9), out = ds_arg_out(k, "energy", 1);
    ds_var trace = ds_sub(ds_stretch33(ds_load33(f, ds_lane(k))), ds_c(3));
    ds_store(out, ds_lane(k), ds_square(trace));
    return k;
}

/* eigenvalues alone */
static ds_kernel *modes(void)
{
    static const int components[] = { 9, 1 };
    ds_kernel *k = begin("modes", 1, 2, components);
    ds_arg f = ds_arg_in(k, "strain", 9), sum = ds_arg_sum(k, "total", 1);
    ds_index s = ds_lane(k);
    ds_var3 w;
    ds_symmetric_eigen33(ds_load33(f, s), &w, NULL);
    ds_add_at(sum, ds_i(0), ds_norm3(w));
    return k;
}

/* Each lane adds to two neighbours, and some apart: text adds in the order of statements, or the other way
   round; the last lanes together with some before them. exp: between its loops. */
static ds_kernel *chain(const char *name, int later_first, int calls)
{
    static const int components[] = { 1, 1, 2, 1 };
    ds_kernel *k = begin(name, 1, 4, components);
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_in(k, "y", 1), sum = ds_arg_sum(k, "sum", 2);
    ds_arg out = ds_arg_out(k, "out", 1);
    ds_index s = ds_lane(k), next = ds_index_add(s, ds_i(1)), far = ds_index_add(s, ds_i(40));
    ds_var a = ds_load(x, s), b = ds_load(y, s), c = ds_mul(a, b), d;
    if (calls) c = ds_exp(c);
    d = ds_sub(ds_mul(c, b), a);
    ds_add_part(sum, later_first ? next : s, 0, c);
    ds_add_part(sum, later_first ? s : next, 0, ds_neg(d));
    ds_add_part(sum, far, 1, d);
    ds_add_part(sum, s, 1, b); /* as it was loaded */
    ds_store(out, s, c);
    return k;
}

/* Neighbours all around gain: text goes by elements. Rows stand 60 apart, of 19 or 58 lanes; or one is
   all. */
static ds_kernel *spread(void)
{
    static const int components[] = { 1, 1, 2 };
    static const int apart[5] = { 0, 1, -60, -1, 60 }, more[3] = { 61, -2, 0 };
    ds_kernel *k = begin("spread", 2, 3, components);
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_in(k, "y", 1), sum = ds_arg_sum(k, "sum", 2);
    ds_index i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1);
    ds_index row = ds_index_mul(ds_index_add(i, ds_i(2)), ds_i(60)), at = ds_index_add(row, j);
    ds_var a = ds_load(x, at), b = ds_load(y, ds_index_sub(at, ds_i(1))), c = ds_mul(a, b), d = ds_sub(c, a);
    size_t n;
    for (n = 0; n < 5; n++) ds_add_part(sum, ds_index_add(at, ds_i(apart[n])), 0, n % 2 ? c : ds_neg(d));
    for (n = 0; n < 3; n++) ds_add_part(sum, ds_index_add(at, ds_i(more[n])), 1, n ? d : ds_sqrt(ds_abs(c)));
    ds_add_part(sum, at, 1, ds_neg(b));
    return k;
}
static ds_kernel *smear(void)
{
    static const int components[] = { 1, 1, 1 };
    ds_kernel *k = begin("smear", 1, 3, components);
    ds_arg x = ds_arg_in(k, "x", 1), sum = ds_arg_sum(k, "sum", 1);
    ds_var rate = ds_scalar(k, "rate"), a = ds_load(x, ds_index_add(ds_lane(k), ds_i(20)));
    ds_var b = ds_mul(rate, a);
    ds_add_at(sum, ds_lane(k), b);
    ds_add_at(sum, ds_index_add(ds_lane(k), ds_i(1)), ds_sub(b, a));
    ds_add_at(sum, ds_index_add(ds_lane(k), ds_i(2)), ds_neg(b));
    return k;
}

/* a time step in three kernels: forces move velocities, those points, and points are counted in cells */
static ds_kernel *kick(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "kick");
    ds_arg f = ds_arg_in(k, "f", 3), v = ds_arg_update(k, "v", 3);
    ds_index s = ds_lane(k);
    ds_var dt = ds_scalar(k, "dt"), damping = ds_exp(ds_neg(dt));
    ds_var3 old = ds_load3(v, s), by = ds_load3(f, s), less = ds_scale3(old, damping);
    ds_store3(v, s, ds_axpy3(dt, by, less));
    ds_kernel_end(k);
    return k;
}
static ds_kernel *move(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "move");
    ds_arg v = ds_arg_in(k, "v", 3), x = ds_arg_update(k, "x", 3), e = ds_arg_out(k, "e", 1);
    ds_index s = ds_lane(k);
    ds_var3 old = ds_load3(x, s), by = ds_load3(v, s);
    ds_var dt = ds_scalar(k, "dt"), speed = ds_norm3(by);
    ds_store3(x, s, ds_axpy3(dt, by, old));
    ds_store(e, s, ds_tanh(speed));
    ds_kernel_end(k);
    return k;
}
static ds_kernel *bin(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "bin");
    ds_arg cell = ds_arg_index(k, "cell", 2), x = ds_arg_in(k, "x", 3), e = ds_arg_in(k, "e", 1);
    ds_arg sum = ds_arg_sum(k, "sum", 3), total = ds_arg_sum(k, "total", 1);
    ds_index s = ds_lane(k), i = ds_load_index(cell, s, 0);
    ds_var3 at = ds_load3(x, s);
    ds_var energy = ds_load(e, s);
    ds_add_at3(sum, i, ds_scale3(at, energy));
    ds_add_at3(sum, s, ds_neg3(at));
    ds_add_at(total, ds_i(0), energy);
    ds_kernel_end(k);
    return k;
}
/* the three as one: f, v, dt, x, e, cell, sum, total */
static const int step_components[] = { 3, 3, 1, 3, 1, -2, 3, 1 };
static ds_kernel *step(void)
{
    ds_kernel *const three[3] = { kick(), move(), bin() }, *two = ds_kernel_fuse(three[0], three[1]), *k;
    int i;
    all[n_all].rank = 1;
    all[n_all].n_args = 8;
    memcpy(all[n_all].components, step_components, sizeof step_components);
    k = all[n_all++].kernel = ds_kernel_fuse(two, three[2]);
    for (i = 0; i < 3; i++) ds_kernel_destroy(three[i]);
    ds_kernel_destroy(two);
    return k;
}

static int make(void)
{
    ds_kernel *k = spring();
    size_t i;
    ds_kernel_end(k);
    derived(ds_kernel_adjoint(k, NULL), 0, 0);
    derived(ds_kernel_tangent(k, "x"), 0, 0);
    k = energy(); /* 3 */
    ds_kernel_end(k);
    derived(ds_kernel_adjoint(k, NULL), 3, 0);
    k = tet(); /* 5 */
    ds_kernel_end(k);
    derived(ds_kernel_gradient(k, "x"), 5, 12);
    derived(ds_kernel_hessian(k, "x"), 5, 12);
    ds_kernel_end(stencil());
    ds_kernel_end(copy());
    ds_kernel_end(twice());
    k = step(); /* 11 */
    derived(ds_kernel_adjoint(k, NULL), 11, 0);
    k = corotated(); /* 13 */
    ds_kernel_end(k);
    derived(ds_kernel_adjoint(k, NULL), 13, 0);
    derived(ds_kernel_tangent(k, "F"), 13, 0);
    k = decomposed(); /* 16 */
    ds_kernel_end(k);
    derived(ds_kernel_adjoint(k, NULL), 16, 0);
    k = stretch(); /* 18 */
    ds_kernel_end(k);
    derived(ds_kernel_hessian(k, NULL), 18, 9);
    ds_kernel_end(modes());
    ds_kernel_end(chain("chain", 0, 0));
    ds_kernel_end(chain("chain_later_first", 1, 0));
    ds_kernel_end(chain("chain_exp", 0, 1));
    ds_kernel_end(spread());
    ds_kernel_end(smear());
    for (i = 0; i < n_all; i++)
        if (ds_kernel_error(all[i].kernel)->code) return puts(ds_kernel_error(all[i].kernel)->text) < 0;
    return 1;
}

#ifdef PRINTED
static const ds_printed_kernel *const printed[] = {
    &spring_force_printed, &spring_force_adjoint_printed, &spring_force_tangent_printed, NULL,
    &energy_printed, &energy_adjoint_printed, &tet_printed, &tet_gradient_printed, &tet_hessian_printed,
    &K0_2D_wave_____step_____printed, &copy_printed, &twice_printed, &K0_kick_move_bin_printed,
    &K0_kick_move_bin_adjoint_printed, &corotated_printed, &corotated_adjoint_printed,
    &corotated_tangent_printed, &decomposed_printed, &decomposed_adjoint_printed, &stretch_printed,
    &stretch_hessian_printed, &modes_printed, &chain_printed, &chain_later_first_printed, &chain_exp_printed,
    &spread_printed, &smear_printed
};
#endif

/* numbers of a few bits, so that every build has the same */
static double random_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 44) / 524288 - 0.875;
}

/* the hash of an array's numbers, of bytes; all NaNs become the same */
static uint64_t hash_array(ds_array *a, size_t n, uint64_t hash)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (a->type == DSIM_ARRAY_FLOAT) {
            float *const x = (float *)a->data + i;
            if (*x != *x) *x = 12345;
        } else {
            ds_real *const x = (ds_real *)a->data + i;
            if (*x != *x) *x = 12345;
        }
    return ds_hash_bytes(a->data, n * (a->type == DSIM_ARRAY_FLOAT ? 4 : sizeof(ds_real)), hash);
}

/* an array of n elements. layout 0: as elements, 1: component by component, from element 600 on with NaN,
   infinity and -0, 2: by component in float. Half of the indices are in a row. */
static ds_array make_array(int components, int layout, size_t n, uint64_t *state)
{
    const size_t c = (size_t)abs(components);
    ds_array a = ds_array_reals((const ds_real *)calloc(n * c, 8), n, c);
    volatile double zero = 0;
    size_t i;
    if (components < 0) {
        a.type = DSIM_ARRAY_INT32;
        for (i = 0; i < n * c; i++)
            ((int32_t *)a.data)[i] = (int32_t)(i < 400 * c ? i / c + i % c : (i * 7919 + i % c) % n);
        return a;
    }
    if (layout) a.stride = 1;
    if (layout) a.pitch = n;
    if (layout == 2) a.type = DSIM_ARRAY_FLOAT;
    for (i = 0; i < n * c; i++) {
        double x = random_number(state);
        if (i % n >= 600 && layout == 1 && i % 7 == 0)
            x = i % 11 < 4 ? 0 / zero : i % 11 < 8 ? 1 / zero : -zero;
        if (layout == 2) ((float *)a.data)[i] = (float)x;
        else ((ds_real *)a.data)[i] = (ds_real)x;
    }
    return a;
}

/* what a launch of kernel k leaves in the arrays, as a hash */
static uint64_t run(ds_runner *runner, size_t k, int layout, size_t lanes)
{
    ds_array args[MOST_ARGS];
    size_t grid[2];
    const size_t n = LANES + 400, n_args = all[k].n_args;
    uint64_t state = 1, hash = 0;
    size_t i;
    grid[0] = all[k].rank == 2 ? (size_t)SIDE : lanes;
    memset(args, 0, sizeof args);
    grid[1] = lanes / SIDE;
    for (i = 0; i < n_args; i++) args[i] = make_array(all[k].components[i], layout, n, &state);
    if (launch_all_ways(runner, all[k].kernel, grid, args, n_args)) puts(ds_runner_error(runner)->text);
    for (i = 0; i < n_args; i++) {
        if (args[i].type != DSIM_ARRAY_INT32) hash = hash_array(args + i, n * args[i].components, hash);
        free(args[i].data);
    }
    return hash;
}

/* three parts, the last first: text runs in parts, the interpreter in one */
static void in_parts(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    (void)user, (void)grain;
    while (n-- > 0) fn(task, n, n + 1, 0);
}

static int compare(void)
{
    ds_runner_desc desc = DSI_ZEROED;
    ds_runner *interpreter = ds_runner_create(&desc), *text;
    uint64_t hash = 0;
    size_t i, lanes;
    int layout, good = 1;
#ifdef PRINTED
    desc.printed = printed;
    desc.n_printed = sizeof printed / sizeof *printed;
#endif
    desc.jobs.parallel_for = in_parts;
    desc.jobs.n_workers = 3;
    text = ds_runner_create(&desc);
    for (i = 0; i < n_all; i++) {
        for (layout = 0; layout < 3; layout++)
            for (lanes = 777; lanes <= LANES; lanes += 1554) { /* 9 and 11 beyond a multiple of 16 */
                const uint64_t by_steps = run(interpreter, i, layout, lanes);
                const uint64_t by_text = run(text, i, layout, lanes);
                hash = ds_hash_bytes(&by_text, sizeof by_text, hash);
                if (by_steps == by_text) continue;
                good = 0;
                printf("kernel %d, layout %d, %d lanes: other numbers\n", (int)i, layout, (int)lanes);
            }
        puts(ds_runner_printed(text));
    }
    printf("%08lx%08lx\n", (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
    ds_runner_destroy(text);
    ds_runner_destroy(interpreter);
    return good;
}

/* the fused step leaves the bits of its kernels one after the other, as text and by the interpreter */
static int one_by_one(void)
{
    static const int of_kick[] = { 0, 1, 2 }, of_move[] = { 1, 3, 4, 2 }, of_bin[] = { 5, 3, 4, 6, 7 };
    static const int *const of[3] = { of_kick, of_move, of_bin };
    static const size_t n_of[3] = { 3, 4, 5 };
    ds_kernel *three[3];
    ds_runner_desc desc = DSI_ZEROED;
    ds_runner *runner;
    uint64_t hashes[3];
    size_t i, way, k;
    int good = 1;
    three[0] = kick(), three[1] = move(), three[2] = bin();
    for (way = 0; way < 3; way++) { /* apart, fused, fused as text */
        ds_array args[8], some[8];
        uint64_t state = 1;
#ifdef PRINTED
        if (way == 2) desc.printed = printed;
        if (way == 2) desc.n_printed = sizeof printed / sizeof *printed;
#endif
        runner = ds_runner_create(&desc);
        for (i = 0; i < 8; i++) args[i] = make_array(step_components[i], 0, LANES, &state);
        for (k = 0; k < 3 && way == 0; k++) {
            for (i = 0; i < n_of[k]; i++) some[i] = args[of[k][i]];
            good &= !ds_launch(runner, three[k], LANES, some, n_of[k]);
        }
        if (way) good &= !ds_launch(runner, all[11].kernel, LANES, args, 8);
        hashes[way] = 0;
        for (i = 0; i < 8; i++) {
            if (i != 5) hashes[way] = hash_array(args + i, LANES * args[i].components, hashes[way]);
            free(args[i].data);
        }
        ds_runner_destroy(runner);
    }
    good &= hashes[0] == hashes[1] && hashes[0] == hashes[2];
    for (k = 0; k < 3; k++) ds_kernel_destroy(three[k]);
    if (!good) puts("fused kernels are not their parts one after the other");
    return good;
}

/* all kernels; their lengths are those of the whole text, whatever the room */
static int print(size_t (*to_text)(const ds_kernel *, char *, size_t))
{
    static char text[1 << 20], part[100];
    size_t i;
    int good = 1;
    for (i = 0; i < n_all; i++) {
        const size_t length = to_text(all[i].kernel, text, sizeof text);
        puts(text);
        good &= length > 1000 && length == strlen(text);
        good &= to_text(all[i].kernel, NULL, 0) == length;
        good &= to_text(all[i].kernel, part, sizeof part) == length;
        good &= strlen(part) == 99 && !memcmp(part, text, 99);
    }
    return good;
}

/* more than 4000 operations are refused, and so is a kernel that is not complete */
static int refuse(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "long");
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1);
    ds_var a = ds_load(x, ds_lane(k)), v = a;
    int i, good = ds_kernel_print_c(k, NULL, 0) == 0 && ds_kernel_print_c(NULL, NULL, 0) == 0;
    for (i = 0; i < 4001; i++) v = ds_mul(ds_add(v, a), a);
    ds_store(y, ds_lane(k), v);
    good &= ds_kernel_end(k) == DSIM_OK && ds_kernel_print_c(k, NULL, 0) == 0;
    ds_kernel_destroy(k);
    return good;
}

#ifdef CUDA
/* kernels as CUDA, a thread after the other, against the interpreter: to rounding, since sums have another
   order */
static int compare_cuda(void)
{
    static void (*const fns[])(ds_cuda_launch) = {
        spring_force_cuda, spring_force_adjoint_cuda, spring_force_tangent_cuda, energy_cuda,
        energy_adjoint_cuda, tet_cuda, tet_gradient_cuda, tet_hessian_cuda, K0_2D_wave_____step_____cuda,
        copy_cuda, twice_cuda, K0_kick_move_bin_cuda, K0_kick_move_bin_adjoint_cuda, corotated_cuda,
        corotated_adjoint_cuda, corotated_tangent_cuda, decomposed_cuda, decomposed_adjoint_cuda,
        stretch_cuda, stretch_hessian_cuda, modes_cuda, chain_cuda, chain_later_first_cuda,
        chain_exp_cuda, spread_cuda, smear_cuda
    };
    const size_t n = LANES + 400, lanes = 400;
    ds_runner *runner = ds_runner_create(NULL);
    size_t k, i, j;
    int good = 1;
    blockDim.x = 32;
    for (k = 0; k < n_all; k++) {
        ds_array a[MOST_ARGS], b[MOST_ARGS];
        ds_cuda_launch launch;
        size_t grid[2] = { SIDE, lanes / SIDE };
        uint64_t state = 1, again = 1;
        memset(&launch, 0, sizeof launch);
        if (all[k].rank == 1) grid[0] = lanes;
        launch.lanes[0] = (long long)grid[0];
        launch.lanes[1] = all[k].rank == 1 ? 1 : (long long)grid[1];
        launch.lanes[2] = 1;
        for (i = 0; i < all[k].n_args; i++) {
            a[i] = make_array(all[k].components[i], 0, n, &state);
            b[i] = make_array(all[k].components[i], 0, n, &again);
            launch.args[i].data = b[i].data;
            launch.args[i].stride = (long long)b[i].components;
            launch.args[i].pitch = 1;
        }
        good &= !ds_launch_grid(runner, all[k].kernel, grid, a, all[k].n_args);
        for (blockIdx.x = 0; blockIdx.x < 20; blockIdx.x++)
            for (threadIdx.x = 0; threadIdx.x < 32; threadIdx.x++) fns[k](launch);
        for (i = 0; i < all[k].n_args; i++) {
            for (j = 0; a[i].type != DSIM_ARRAY_INT32 && j < n * a[i].components; j++) {
                const double x = (double)((ds_real *)a[i].data)[j], y = (double)((ds_real *)b[i].data)[j];
                const double bound = sizeof(ds_real) == 4 ? 1e-3 : 1e-9;
                if (fabs(x - y) <= bound * (1 + fabs(x)) || (x != x && y != y) || x == y) continue;
                printf("kernel %d, argument %d, %d: %g %g\n", (int)k, (int)i, (int)j, x, y);
                good = 0;
                break;
            }
            free(a[i].data);
            free(b[i].data);
        }
    }
    ds_runner_destroy(runner);
    return good;
}
#endif

/* two updates that exchange their numbers: neither sees what the other wrote */
static int exchange(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "exchange");
    ds_arg a = ds_arg_update(k, "a", 1), b = ds_arg_update(k, "b", 1);
    ds_var x = ds_load(a, ds_lane(k)), y = ds_load(b, ds_lane(k));
    ds_runner *runner = ds_runner_create(NULL);
    ds_real one[48], two[48];
    ds_array args[2];
    int i, good;
    for (i = 0; i < 48; i++) one[i] = 1;
    for (i = 0; i < 48; i++) two[i] = 2;
    args[0] = ds_array_reals(one, 48, 1);
    args[1] = ds_array_reals(two, 48, 1);
    ds_store(a, ds_lane(k), y);
    ds_store(b, ds_lane(k), x);
    good = ds_kernel_end(k) == DSIM_OK && ds_launch(runner, k, 48, args, 2) == DSIM_OK;
    for (i = 0; i < 48; i++) good &= one[i] > 1 && two[i] < 2;
    if (!good) puts("numbers were not exchanged");
    ds_runner_destroy(runner);
    ds_kernel_destroy(k);
    return good;
}

int main(int n, char **words)
{
    int good = make();
    size_t i;
    if (!good) return 1;
    if (n > 1 && !strcmp(words[1], "print")) good = print(ds_kernel_print_c) && refuse();
    else if (n > 1 && !strcmp(words[1], "cuda")) good = print(ds_kernel_print_cuda);
    else good = compare() && exchange() && one_by_one();
#ifdef CUDA
    good &= compare_cuda();
#endif
    for (i = 0; i < n_all; i++) ds_kernel_destroy(all[i].kernel);
    return !good;
}
