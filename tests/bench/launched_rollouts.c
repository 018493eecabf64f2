/* launched_rollouts.c - the rollouts of rollouts.h as launch lists of the library, and as worlds:
   interpreted, and as C that was printed. Chains go in groups, each a rollout of its own, so that its states
   stay in the cache; those of the interpreter are larger, since it goes through them operation by operation,
   and so are those of worlds, in which the chains of a group stand side by side: a step is several launches.

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
enum { AS_LIST, AS_WORLD };
static const size_t groups_of[2][2] = { { 128, 128 / sizeof(real) }, { 256, 128 } }; /* [as][as_text] */

typedef struct launched {
    size_t          group;
    int             which, as;
    ds_kernel      *kernel, *move;
    ds_world       *world;
    int32_t        *index;
    real           *constants;                      /* rest lengths, or B and volumes; 1/m, masks */
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
    const launched *const l = (const launched *)user;
    /* numbers of a list stand mass by mass, those of a world, which has the anchor, too, axis by axis */
    const size_t first = l->as == AS_WORLD ? MASSES : 3 * (MASSES - 1);
    const size_t apart = l->as == AS_WORLD ? MASSES + 1 : 1;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t axis = 0; axis < 3; axis++)
        for (size_t e = 0; e < l->group; e++) {
            const size_t at = (first + axis * apart) * l->group + e;
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
        real *x = l->start + e / l->group * 2 * half + e % l->group;
        for (size_t m = 0; m < MASSES; m++) {
            x[3 * m * l->group] = (real)(0.1 * (double)(m + 1));
            x[(3 * m + 2) * l->group] = (real)chain_z(e, m);
        }
        for (int f = 0; f < 3; f++)
            l->param[(e / l->group * 3 + (size_t)f) * l->group + e % l->group] = (real)chain_number(f, e);
    }
    d->n_state = 2 * half;
    d->n_param = 3 * l->group;
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

/* >>W1 and W5 ---- */

/* v' = (v + h (f im + g)) damp where im > 0, x' = x + h v' */
static ds_kernel *move_kernel(const char *name, double h, double damp, int axis, double g)
{
    ds_kernel *k = ds_kernel_begin(NULL, name);
    ds_arg x = ds_arg_update(k, "x", 3), v = ds_arg_update(k, "v", 3);
    ds_arg force = ds_arg_in(k, "force", 3), inverse = ds_arg_in(k, "inverse_mass", 1);
    ds_arg moves = ds_arg_in(k, "moves", 1);
    ds_index p = ds_lane(k);
    ds_var3 f = ds_scale3(ds_load3(force, p), ds_load(inverse, p));
    f = axis == 1 ? ds_pack3(ds_x(f), ds_add(ds_y(f), ds_c(g)), ds_z(f))
                  : ds_pack3(ds_x(f), ds_y(f), ds_add(ds_z(f), ds_c(g)));
    ds_var3 next = ds_axpy3(ds_c(h), f, ds_load3(v, p));
    next = ds_scale3(next, ds_mul(ds_load(moves, p), ds_c(damp)));
    ds_store3(v, p, next);
    ds_store3(x, p, ds_axpy3(ds_c(h), next, ds_load3(x, p)));
    ds_kernel_end(k);
    return k;
}
static ds_kernel *net_move(void) { return move_kernel("net_move", 1e-3, 1 - 1e-3, 2, -9.8); }
static ds_kernel *block_move(void) { return move_kernel("block_move", 3e-4, 1 - 1.5e-4, 1, -9.8); }

static ds_kernel *net_kernel(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "net");
    ds_arg ends = ds_arg_index(k, "ends", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
    ds_arg stiffness = ds_arg_in(k, "stiffness", 1), force = ds_arg_sum(k, "force", 3);
    ds_index e = ds_lane(k), i = ds_load_index(ends, e, 0), j = ds_load_index(ends, e, 1);
    ds_var3 d = ds_sub3(ds_load3(x, j), ds_load3(x, i));
    ds_var strain = ds_sub(ds_c(1), ds_div(ds_load(rest, e), ds_norm3(d)));
    ds_var3 f = ds_scale3(d, ds_mul(ds_load(stiffness, e), strain));
    ds_add_at3(force, i, f);
    ds_add_at3(force, j, ds_neg3(f));
    ds_kernel_end(k);
    return k;
}

/* P = mu (1 - 1/(I + 1)) F + (la (J - 1) - 3/4 mu) cof F */
static ds_kernel *block_kernel(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "block");
    ds_arg corners = ds_arg_index(k, "corners", 4), x = ds_arg_in(k, "x", 3), shape = ds_arg_in(k, "B", 9);
    ds_arg volume = ds_arg_in(k, "volume", 1), mu_of = ds_arg_in(k, "mu", 1), la_of = ds_arg_in(k, "la", 1);
    ds_arg force = ds_arg_sum(k, "force", 3);
    ds_index e = ds_lane(k), corner[4];
    ds_var3 at[4], d[3], F[3], C[3], P[3], h[3];
    ds_var B[9], mu = ds_load(mu_of, e), la = ds_load(la_of, e), minus = ds_neg(ds_load(volume, e));
    for (size_t i = 0; i < 4; i++) at[i] = ds_load3(x, corner[i] = ds_load_index(corners, e, i));
    for (size_t i = 0; i < 9; i++) B[i] = ds_load_part(shape, e, i);
    for (int i = 0; i < 3; i++) d[i] = ds_sub3(at[i + 1], at[0]);
    for (int j = 0; j < 3; j++)
        F[j] = ds_axpy3(B[6 + j], d[2], ds_axpy3(B[3 + j], d[1], ds_scale3(d[0], B[j])));
    for (int j = 0; j < 3; j++) C[j] = ds_cross3(F[(j + 1) % 3], F[(j + 2) % 3]);
    ds_var J = ds_dot3(F[0], C[0]);
    ds_var I = ds_add(ds_add(ds_dot3(F[0], F[0]), ds_dot3(F[1], F[1])), ds_dot3(F[2], F[2]));
    ds_var by_F = ds_mul(mu, ds_sub(ds_c(1), ds_recip(ds_add(I, ds_c(1)))));
    ds_var pressure = ds_mul(la, ds_sub(J, ds_c(1)));
    ds_var by_C = ds_mul(minus, ds_sub(pressure, ds_mul(ds_c(0.75), mu)));
    by_F = ds_mul(minus, by_F);
    for (int j = 0; j < 3; j++) P[j] = ds_axpy3(by_C, C[j], ds_scale3(F[j], by_F));
    for (int i = 0; i < 3; i++) {
        h[i] = ds_axpy3(B[3 * i + 2], P[2], ds_axpy3(B[3 * i + 1], P[1], ds_scale3(P[0], B[3 * i])));
        ds_add_at3(force, corner[i + 1], h[i]);
    }
    ds_add_at3(force, corner[0], ds_neg3(ds_add3(ds_add3(h[0], h[1]), h[2])));
    ds_kernel_end(k);
    return k;
}

/* a block of springs or tetrahedra: how many points, elements, corners of each */
typedef struct sizes { size_t points, elements, corners; } sizes;
static sizes sizes_of(int which)
{
    const sizes net = { W1_POINTS, W1_SPRINGS, 2 }, block = { W5_POINTS, W5_TETS, 4 };
    return which == W5 ? block : net;
}

static ds_result body_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const launched *l = (const launched *)user;
    const size_t n = sizes_of(l->which).points;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < 3 * n; i++) {
        const double miss = (double)io->state[i] - l->target[i];
        sum += miss * miss;
        if (bar) bar->state_bar[i] += (ds_real)(2 * miss / (double)n);
    }
    *value += (ds_real)(sum / (double)n);
    return DSIM_OK;
}

/* inverse of the edges of a tetrahedron, row by row, and its volume; swapped if it is wound the other way */
static double edges_inverse(const real *x, int32_t *corner, double B[9])
{
    double D[3][3], det;
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < 3; r++) D[r][c] = (double)x[3 * corner[c + 1] + r] - (double)x[3 * corner[0] + r];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int r = (j + 1) % 3, s = (j + 2) % 3, t = (i + 1) % 3, u = (i + 2) % 3;
            B[3 * i + j] = D[r][t] * D[s][u] - D[r][u] * D[s][t];
        }
    det = D[0][0] * B[0] + D[0][1] * B[3] + D[0][2] * B[6];
    if (det < 0) {
        const int32_t last = corner[3];
        corner[3] = corner[2];
        corner[2] = last;
        return edges_inverse(x, corner, B);
    }
    for (int i = 0; i < 9; i++) B[i] /= det;
    return det / 6;
}

/* constants: W1 [springs] rest lengths; W5 [10][tets] B and volumes; then inverse masses and what moves */
static void body_data(launched *l)
{
    const sizes n = sizes_of(l->which);
    real *const inverse = l->constants + (l->which == W5 ? 10 : 1) * n.elements;
    real *const moves = inverse + n.points;
    for (size_t i = 0; i < 3 * n.points; i++) {
        l->start[i] = (real)body_start(l->which, i);
        l->start[3 * n.points + i] = (real)body_speed(l->which, i);
        l->target[i] = body_target(l->which, i);
    }
    for (size_t e = 0; e < n.elements; e++) {
        double B[9];
        for (size_t c = 0; c < n.corners; c++) l->index[e * n.corners + c] = body_corner(l->which, e, c);
        for (int f = 0; f < 2; f++) l->param[(size_t)f * n.elements + e] = (real)body_number(l->which, f, e);
        if (l->which != W5) {
            l->constants[e] = (real)net_rest(e);
            continue;
        }
        const double volume = edges_inverse(l->start, l->index + 4 * e, B);
        for (size_t i = 0; i < 9; i++) l->constants[i * n.elements + e] = (real)B[i];
        l->constants[9 * n.elements + e] = (real)volume;
        for (int c = 0; c < 4; c++) inverse[l->index[4 * e + (size_t)c]] += (real)(250 * volume);
    }
    for (size_t p = 0; p < n.points; p++) {
        inverse[p] = l->which == W5 ? 1 / inverse[p] : 1;
        moves[p] = p >= body_fixed(l->which);
    }
}

static int body_list(launched *l, ds_launch_list_desc *d)
{
    const sizes n = sizes_of(l->which);
    const int is_block = l->which == W5;
    real *const inverse = l->constants + (is_block ? 10 : 1) * n.elements;
    ds_binding b[7];
    size_t k = 0;
    d->n_state = 6 * n.points;
    d->n_param = (is_block ? 2 : 1) * n.elements;
    d->n_scratch = 3 * n.points;
    l->list = ds_launch_list_create(d);
    l->kernel = is_block ? block_kernel() : net_kernel();
    l->move = is_block ? block_move() : net_move();
    const ds_binding x = ds_bind(DSIM_BOUND_STATE, 0, n.points, 3);
    const ds_binding f = ds_bind(DSIM_BOUND_SCRATCH, 0, n.points, 3);
    b[k++] = ds_bind_constant(ds_array_indices(l->index, n.elements, n.corners));
    b[0].array.id = 1;
    b[k++] = x;
    if (is_block) {
        b[k] = ds_bind_constant(ds_array_reals(l->constants, n.elements, 9));
        b[k].array.stride = 1;
        b[k++].array.pitch = n.elements;
    }
    b[k++] = ds_bind_constant(ds_array_reals(l->constants + (is_block ? 9 : 0) * n.elements, n.elements, 1));
    for (size_t i = 0; i < d->n_param; i += n.elements) b[k++] = ds_bind(DSIM_BOUND_PARAM, i, n.elements, 1);
    b[k++] = f;
    ds_launch_list_add(l->list, l->kernel, &n.elements, b, k);
    b[0] = x;
    b[1] = ds_bind(DSIM_BOUND_STATE, 3 * n.points, n.points, 3);
    b[2] = f;
    b[3] = ds_bind_constant(ds_array_reals(inverse, n.points, 1));
    b[4] = ds_bind_constant(ds_array_reals(inverse + n.points, n.points, 1));
    ds_launch_list_add(l->list, l->move, &n.points, b, 5);
    return 1;
}

/* >>worlds ---- */

static ds_body net_world(launched *l)
{
    ds_number numbers[2];
    ds_elements springs;
    memset(numbers, 0, sizeof numbers);
    memset(&springs, 0, sizeof springs);
    springs.of = ds_world_add_points(l->world, l->start, W1_POINTS, 1);
    numbers[0].each = l->param;
    numbers[1].each = l->constants;
    springs.type = ds_energy_get_type(DSIM_ENERGY_SPRING);
    springs.n = W1_SPRINGS;
    springs.points = l->index;
    springs.numbers = numbers;
    ds_world_add_elements(l->world, &springs);
    return springs.of;
}

/* mu and la of param become young and poisson */
static ds_body block_world(launched *l)
{
    ds_mesh mesh;
    ds_solid s;
    memset(&mesh, 0, sizeof mesh);
    memset(&s, 0, sizeof s);
    for (size_t e = 0; e < W5_TETS; e++) {
        const double mu = body_number(W5, 0, e), la = body_number(W5, 1, e);
        l->param[e] = (real)(mu * (3 * la + 2 * mu) / (la + mu));
        l->param[W5_TETS + e] = (real)(la / (2 * (la + mu)));
    }
    mesh.n_points = W5_POINTS;
    mesh.n_tets = W5_TETS;
    mesh.points = l->start;
    mesh.tets = l->index;
    s.model = DSIM_ENERGY_STABLE_NEO_HOOKEAN_RAW;
    s.young.each = l->param;
    s.poisson.each = l->param + W5_TETS;
    s.density = ds_number_make(1000);
    return ds_world_add_solid(l->world, &mesh, &s);
}

static ds_body chain_world(launched *l)
{
    int32_t ends[2 * MASSES];
    real x[3 * (MASSES + 1)] = { 0 };
    ds_number numbers[3];
    ds_elements links;
    memset(&links, 0, sizeof links);
    for (int m = 0; m < MASSES; m++) {
        x[3 * m + 3] = (real)(0.1 * (m + 1));
        ends[2 * m] = m, ends[2 * m + 1] = m + 1;
    }
    for (int i = 0; i < 3; i++) numbers[i] = ds_number_make(1);
    links.of = ds_world_add_points(l->world, x, MASSES + 1, 0.1);
    links.type = ds_energy_get_type(DSIM_ENERGY_DAMPED_SPRING);
    links.n = MASSES;
    links.points = ends;
    links.numbers = numbers;
    ds_world_add_elements(l->world, &links);
    return links.of;
}

/* state and parameters of chains `group` l->group ... in the world: k, l, c side by side */
static void set_chain_world(launched *l, size_t group)
{
    real *const p = ds_world_params(l->world);
    for (size_t e = 0; e < l->group; e++) {
        const size_t chain = group * l->group + e;
        real x[3 * (MASSES + 1)] = { 0 }, v[3 * (MASSES + 1)] = { 0 };
        for (size_t m = 0; m < MASSES; m++) {
            x[3 * m + 3] = (real)(0.1 * (double)(m + 1));
            x[3 * m + 5] = (real)chain_z(chain, m);
        }
        ds_world_put(l->world, e, x, v, l->start + group * 6 * (MASSES + 1) * l->group);
        p[e] = l->param[3 * group * l->group + e] = (real)chain_number(0, chain);
        p[l->group + e] = l->param[(3 * group + 1) * l->group + e] = (real)chain_number(2, chain);
        p[2 * l->group + e] = l->param[(3 * group + 2) * l->group + e] = (real)chain_number(1, chain);
    }
}

static int world_make(launched *l, const ds_runner_desc *runner)
{
    const size_t fixed = body_fixed(l->which);
    int32_t pins[W5_FIXED];
    ds_world_desc d;
    ds_body body;
    memset(&d, 0, sizeof d);
    d.runner = *runner;
    d.integrator.dt = l->which == W5 ? 3e-4 : 1e-3;
    d.integrator.velocity_loss = l->which == W1_64 ? 1e-3 : l->which == W5 ? 1.5e-4 : 0;
    d.gravity = ds_v3_make(0, l->which == W5 ? (real)-9.8 : 0, l->which == W5 ? 0 : (real)-9.8);
    d.worlds = l->which == W6 ? l->group : 1;
    d.worlds_have_params = l->which == W6;
    l->world = ds_world_create(&d);
    body = l->which == W6 ? chain_world(l) : l->which == W5 ? block_world(l) : net_world(l);
    for (size_t i = 0; i < fixed; i++) pins[i] = (int32_t)i;
    ds_world_pin(l->world, body, pins, fixed);
    if (!ds_world_stepper(l->world)) {
        fprintf(stderr, "%s\n", ds_world_error(l->world)->text);
        return 0;
    }
    for (size_t group = 0; l->which == W6 && group < CHAINS / l->group; group++) set_chain_world(l, group);
    if (l->which != W6)
        memcpy(l->param, ds_world_params(l->world), ds_world_stepper(l->world)->n_param * sizeof(real));
    return 1;
}

/* adjoints of mu and la from those of young and poisson */
static void block_grad(launched *l, const real *bar)
{
    for (size_t e = 0; e < W5_TETS; e++) {
        const double a = body_number(W5, 0, e), b = body_number(W5, 1, e), s = (a + b) * (a + b);
        const double young = (double)bar[e], poisson = (double)bar[W5_TETS + e];
        l->grad[e] = young * (3 * b * b + 4 * a * b + 2 * a * a) / s - poisson * b / (2 * s);
        l->grad[W5_TETS + e] = young * a * a / s + poisson * a / (2 * s);
    }
}

/* >>side ---- */

static void destroy(void *state)
{
    launched *l = (launched *)state;
    if (!l) return;
    ds_rollout_destroy(l->rollout);
    ds_launch_list_destroy(l->list);
    ds_world_destroy(l->world);
    ds_kernel_destroy(l->kernel);
    ds_kernel_destroy(l->move);
    free(l->index);
    free(l->constants);
    free(l->start);
    free(l->numbers);
    free(l->param);
    free(l->target);
    free(l->grad);
    free(l);
}

static int is_body(int which) { return which == W1_64 || which == W5; }

static int make(launched *l, int as_text, ds_rollout_desc *r)
{
    ds_launch_list_desc d;
    memset(&d, 0, sizeof d);
    if (as_text) {
        d.runner.printed = printed;
        d.runner.n_printed = sizeof printed / sizeof printed[0];
    }
    if (is_body(l->which)) {
        body_data(l);
        r->steps = l->which == W5 ? W5_STEPS : W1_STEPS;
        r->loss = body_loss;
    }
    if (l->as == AS_LIST)
        return l->which == W6 ? chains_make(l, &d, r)
             : is_body(l->which) ? body_list(l, &d) : wave_make(l, &d, r);
    if (l->which == W6) {
        r->steps = W6_STEPS;
        r->loss = chain_loss;
    }
    return world_make(l, &d.runner);
}

static void *create(int which, int as, int as_text)
{
    const size_t n = wave_side(which);
    const size_t count = which == W6 ? 3 * CHAINS : is_body(which) ? 4 * W1_SPRINGS : n * n;
    const size_t n_start = which == W6 ? 6 * (MASSES + 1) * CHAINS
                         : is_body(which) ? 6 * W1_POINTS : 2 * cells_of(n);
    launched *l;
    ds_rollout_desc r;
    if (as == AS_WORLD && which != W6 && !is_body(which)) return NULL;
    l = (launched *)calloc(1, sizeof *l);
    if (!l) return NULL;
    l->which = which;
    l->as = as;
    l->group = groups_of[as][as_text];
    l->start = (real *)calloc(n_start, sizeof(real));
    l->numbers = (real *)calloc(2, sizeof(real));
    l->param = (real *)calloc(4 * W1_SPRINGS, sizeof(real));
    l->constants = (real *)calloc(10 * W5_TETS + 4 * W1_POINTS, sizeof(real));
    l->index = (int32_t *)calloc(4 * W5_TETS, sizeof *l->index);
    l->target = (double *)calloc(count, sizeof(double));
    l->grad = (double *)calloc(count, sizeof(double));
    memset(&r, 0, sizeof r);
    r.loss_user = l;
    r.loss_at_end = 1;
    if (l->start && l->numbers && l->param && l->constants && l->index && l->target && l->grad &&
        make(l, as_text, &r))
        l->rollout = as == AS_WORLD ? ds_world_rollout(l->world, &r)
                                    : ds_rollout_create(ds_launch_list_stepper(l->list), &r);
    if (l->rollout) return l;
    fprintf(stderr, "%s\n", l->list ? ds_launch_list_error(l->list)->text : "no memory, or no world");
    destroy(l);
    return NULL;
}
static void *create_steps(int which) { return create(which, AS_LIST, 0); }
static void *create_text(int which) { return create(which, AS_LIST, 1); }
static void *create_world(int which) { return create(which, AS_WORLD, 0); }
static void *create_world_text(int which) { return create(which, AS_WORLD, 1); }

static ds_result run_one(launched *l, const real *start, const real *param, int back)
{
    ds_result result = ds_rollout_set_state(l->rollout, start);
    if (!result && param) result = ds_rollout_set_param(l->rollout, param);
    if (!result) result = back ? ds_rollout_backward(l->rollout) : ds_rollout_forward(l->rollout);
    if (result) fprintf(stderr, "%s\n", ds_rollout_error(l->rollout)->text);
    return result;
}

/* numbers f of chains: k, c, l; in a world k, l, c */
static void keep_chains(launched *l, size_t g, const real *bar)
{
    for (size_t i = 0; i < 3 * l->group; i++) {
        const size_t f = i / l->group, to = l->as == AS_WORLD && f ? 3 - f : f;
        l->grad[to * CHAINS + g * l->group + i % l->group] = (double)bar[i];
    }
}

static void keep_body(launched *l)
{
    const real *const bar = ds_rollout_param_grad(l->rollout);
    if (l->which == W5 && l->as == AS_WORLD) {
        block_grad(l, bar);
        return;
    }
    const size_t n = l->which == W5 ? 2 * W5_TETS : W1_SPRINGS;
    for (size_t i = 0; i < n; i++) l->grad[i] = (double)bar[i];
    for (size_t i = 0; l->which == W1_64 && i < 3 * W1_POINTS; i++)
        l->grad[W1_SPRINGS + i] = (double)ds_rollout_state_grad(l->rollout)[i];
}

static int run(launched *l, int back)
{
    const size_t n = wave_side(l->which), groups = l->which == W6 ? CHAINS / l->group : 1;
    const size_t apart = l->as == AS_WORLD ? 6 * (MASSES + 1) * l->group : 2 * NUMBERS * l->group;
    const int has_param = l->which == W6 || is_body(l->which);
    l->loss = 0;
    for (size_t g = 0; g < groups; g++) {
        if (run_one(l, l->start + g * apart, has_param ? l->param + g * 3 * l->group : NULL, back)) return 1;
        l->loss += ds_rollout_loss(l->rollout);
        if (back && l->which == W6) keep_chains(l, g, ds_rollout_param_grad(l->rollout));
        if (back && is_body(l->which)) keep_body(l);
        for (size_t i = 0; back && !has_param && i < n * n; i++) {
            const real *bar = ds_rollout_state_grad(l->rollout);
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
extern const rollout_side ROLLOUT_SIDE[4];
const rollout_side ROLLOUT_SIDE[4] = {
    { "interpreter", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_steps, destroy, forward, both, loss, grad,
      plan },
    { "printed", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_text, destroy, forward, both, loss, grad, plan },
    { "world", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_world, destroy, forward, both, loss, grad, plan },
    { "printed", TEXT(DIFFSIM_REAL), KERNEL_FLAGS, create_world_text, destroy, forward, both, loss, grad,
      plan }
};
#else

/* those of a world are made when it is complete */
static int print_world(int which, char *list)
{
    launched *l = (launched *)create(which, AS_WORLD, 0);
    const ds_kernel *k;
    int ok = l != NULL;
    for (size_t i = 0; ok && (k = ds_energies_kernel(ds_world_energies(l->world), i)) != NULL; i++)
        ok = print_kernel(k, list);
    destroy(l);
    return ok;
}

int main(void)
{
    static ds_kernel *(*const made[])(void) = {
        chain_kernel, net_kernel, net_move, block_kernel, block_move
    };
    static const char *const by[] = { "x v stiffness_damping_rest", "x stiffness", "x v force", "x mu la",
                                      "x v force" };
    static const int worlds[] = { W6, W1_64, W5 };
    char list[8000] = "";
    int ok = 1;
    (void)create_steps, (void)create_text, (void)create_world, (void)create_world_text;
    (void)forward, (void)both, (void)loss, (void)grad, (void)plan;
    for (int i = 0; ok && i < 7; i++) {
        ds_kernel *k = i < 5 ? made[i]() : wave_kernel(i == 5 ? 128 : 512);
        ds_kernel *adjoint = ds_kernel_adjoint(k, i < 5 ? by[i] : "u v");
        ok = print_kernel(k, list) && print_kernel(adjoint, list);
        ds_kernel_destroy(adjoint);
        ds_kernel_destroy(k);
    }
    for (int i = 0; ok && i < 3; i++) ok = print_world(worlds[i], list);
    printf("static const ds_printed_kernel *const printed[] = {\n%s    NULL\n};\n", list);
    return !ok;
}

#endif
