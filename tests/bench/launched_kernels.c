/* launched_kernels.c - the cases of kernels.h recorded as kernels of the library and launched, derivatives by
   ds_kernel_adjoint and ds_kernel_hessian: interpreted, as C that was printed, and on two threads. The
   library is part of this file, so that several number types and flags of it can be measured in one program.

   Their text comes first: without KERNEL_PRINTED, its file, this is the program that prints it. */

#ifdef __linux__
#define _GNU_SOURCE                                 /* sched_setaffinity */
#include <sched.h>
#else
#define _POSIX_C_SOURCE 200809L
#endif
#define DIFFSIM_STATIC
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../../diffsim.h"

#include "kernel_numbers.h"
#include "launched.h"

#include <stdio.h>
#include <time.h>

#ifdef KERNEL_PRINTED
#include KERNEL_PRINTED
#else
static const ds_printed_kernel *const printed[1] = { NULL };
#endif

enum { MOST_ARGS = 8, N_THREADS = 2 };
enum { STEPS, TEXT, THREADS, PARTS, N_WAYS };       /* PARTS: those of two threads, one after the other */

#ifdef __linux__
typedef cpu_set_t processors;
#else
typedef int processors;
#endif

typedef struct launched {
    numbers    numbers;                             /* first: see numbers_out */
    int        way;
    ds_kernel *forward, *adjoint;
    ds_runner *runner;
    ds_pool   *pool;
    processors all, own[N_THREADS];                 /* see seat_threads */
    int        seated[N_THREADS];
    ds_array   args[4 * MOST_ARGS];                 /* of forward, their adjoints, directions of both */
    size_t     n_args, rank, lanes[2];
} launched;

/* >>bodies ---- */

static ds_kernel *springs_body(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "springs");
    ds_arg ends = ds_arg_index(k, "ends", 2), x = ds_arg_in(k, "x", 3);
    ds_arg stiffness = ds_arg_in(k, "stiffness", 1), rest = ds_arg_in(k, "rest", 1);
    ds_arg force = ds_arg_sum(k, "force", 3);

    ds_index s = ds_lane(k), i = ds_load_index(ends, s, 0), j = ds_load_index(ends, s, 1);
    ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi);
    ds_var ks = ds_load(stiffness, s), l = ds_load(rest, s);
    ds_var strain = ds_sub(ds_c(1), ds_div(l, ds_norm3(d)));
    ds_var3 f = ds_scale3(d, ds_mul(ks, strain));
    ds_add_at3(force, i, f);
    ds_add_at3(force, j, ds_neg3(f));
    ds_kernel_end(k);
    return k;
}

/* its text is one for each length of the rows, and so is its name */
static ds_kernel *stencil_body(int64_t row)
{
    ds_kernel_desc desc;
    char name[40];
    memset(&desc, 0, sizeof desc);
    desc.rank = 2;
    sprintf(name, "stencil_%d", (int)row);
    ds_kernel *k = ds_kernel_begin(&desc, name);
    ds_arg one_back = ds_arg_in(k, "one_back", 1), two_back = ds_arg_in(k, "two_back", 1);
    ds_var a = ds_scalar(k, "a"), b = ds_scalar(k, "b");
    ds_arg u = ds_arg_out(k, "u", 1);

    ds_index i = ds_lane_axis(k, 0), j = ds_lane_axis(k, 1);
    ds_index first = ds_index_add(ds_index_mul(ds_index_add(i, ds_i(1)), ds_i(row)), ds_i(CELLS_BEFORE));
    ds_index at = ds_index_add(first, j);
    ds_var u1 = ds_load(one_back, at), u2 = ds_load(two_back, at);
    ds_var l1 = laplacian(one_back, at, u1, row), l2 = laplacian(two_back, at, u2, row);
    ds_var inert = ds_sub(ds_mul(ds_c(2), u1), u2);
    ds_store(u, at, ds_sub(ds_fma(a, l1, inert), ds_mul(b, l2)));
    ds_kernel_end(k);
    return k;
}

typedef struct columns { ds_var3 c[3]; } columns;
typedef struct numbers9 { ds_var n[9]; } numbers9;

static numbers9 load9(ds_arg arg, ds_index e)
{
    numbers9 r;
    for (size_t i = 0; i < 9; i++) r.n[i] = ds_load_part(arg, e, i);
    return r;
}

/* the columns of D B */
static columns deformation(const ds_var3 d[3], const numbers9 *B)
{
    columns F;
    for (int j = 0; j < 3; j++)
        F.c[j] = ds_axpy3(B->n[6 + j], d[2], ds_axpy3(B->n[3 + j], d[1], ds_scale3(d[0], B->n[j])));
    return F;
}

static columns cofactors(const columns *F)
{
    columns r;
    for (int j = 0; j < 3; j++) r.c[j] = ds_cross3(F->c[(j + 1) % 3], F->c[(j + 2) % 3]);
    return r;
}

static ds_var squares(const columns *F)
{
    ds_var a = ds_dot3(F->c[0], F->c[0]), b = ds_dot3(F->c[1], F->c[1]), c = ds_dot3(F->c[2], F->c[2]);
    return ds_add(ds_add(a, b), c);
}

static ds_kernel *tets_body(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "tets");
    ds_arg corners = ds_arg_index(k, "corners", 4), x = ds_arg_in(k, "x", 3), shape = ds_arg_in(k, "B", 9);
    ds_arg volume = ds_arg_in(k, "volume", 1), mu_of = ds_arg_in(k, "mu", 1), la_of = ds_arg_in(k, "la", 1);
    ds_arg force = ds_arg_sum(k, "force", 3);

    ds_index e = ds_lane(k), corner[4];
    ds_var3 at[4], d[3], h[3];
    for (size_t i = 0; i < 4; i++) {
        corner[i] = ds_load_index(corners, e, i);
        at[i] = ds_load3(x, corner[i]);
    }
    for (int i = 0; i < 3; i++) d[i] = ds_sub3(at[i + 1], at[0]);
    numbers9 B = load9(shape, e);
    ds_var vol = ds_load(volume, e), mu = ds_load(mu_of, e), la = ds_load(la_of, e);

    /* P = mu (1 - 1/(I+1)) F + (la (J-1) - 3/4 mu) cof F; column j of it times -vol */
    columns F = deformation(d, &B), C = cofactors(&F);
    ds_var J = ds_dot3(F.c[0], C.c[0]), q = ds_recip(ds_add(squares(&F), ds_c(1)));
    ds_var by_F = ds_mul(mu, ds_sub(ds_c(1), q));
    ds_var pressure = ds_mul(la, ds_sub(J, ds_c(1)));
    ds_var by_C = ds_sub(pressure, ds_mul(ds_c(0.75), mu));
    ds_var minus_vol = ds_neg(vol);
    by_F = ds_mul(minus_vol, by_F);
    by_C = ds_mul(minus_vol, by_C);
    ds_var3 p[3];
    for (int j = 0; j < 3; j++) p[j] = ds_axpy3(by_C, C.c[j], ds_scale3(F.c[j], by_F));
    for (int i = 0; i < 3; i++) {
        h[i] = ds_axpy3(B.n[3 * i + 2], p[2], ds_axpy3(B.n[3 * i + 1], p[1], ds_scale3(p[0], B.n[3 * i])));
        ds_add_at3(force, corner[i + 1], h[i]);
    }
    ds_add_at3(force, corner[0], ds_neg3(ds_add3(ds_add3(h[0], h[1]), h[2])));
    ds_kernel_end(k);
    return k;
}

/* I, the squares of F = D B, and J, its determinant; by edges d and rows of B they need no F, which leaves
   fewer operations to second derivatives */
typedef struct invariants { ds_var I, J; } invariants;
static invariants by_columns(const ds_var3 d[3], const numbers9 *B)
{
    invariants r;
    columns F = deformation(d, B);
    r.I = squares(&F);
    r.J = ds_dot3(F.c[0], ds_cross3(F.c[1], F.c[2]));
    return r;
}
static invariants by_edges(const ds_var3 d[3], const numbers9 *B)
{
    invariants r;
    ds_var3 row[3];
    for (int i = 0; i < 3; i++) row[i] = ds_pack3(B->n[3 * i], B->n[3 * i + 1], B->n[3 * i + 2]);
    r.I = ds_c(0);
    for (int i = 0; i < 3; i++)
        for (int j = i; j < 3; j++) {
            ds_var G = ds_dot3(row[i], row[j]), dd = ds_dot3(d[i], d[j]), part = ds_mul(G, dd);
            r.I = ds_add(r.I, i == j ? part : ds_mul(ds_c(2), part));
        }
    ds_var det_B = ds_dot3(row[0], ds_cross3(row[1], row[2])), det_D = ds_dot3(d[0], ds_cross3(d[1], d[2]));
    r.J = ds_mul(det_B, det_D);
    return r;
}

/* vol (mu/2 (I - 3 - log(I + 1)) + la/2 (J - 1)^2 - 3/4 mu (J - 1)) */
static ds_kernel *energy_body(int of_edges)
{
    ds_kernel *k = ds_kernel_begin(NULL, of_edges ? "energy_of_edges" : "energy");
    ds_arg x = ds_arg_in(k, "x", 12), shape = ds_arg_in(k, "B", 9);
    ds_arg volume = ds_arg_in(k, "volume", 1), mu_of = ds_arg_in(k, "mu", 1), la_of = ds_arg_in(k, "la", 1);
    ds_arg energy = ds_arg_out(k, "energy", 1);

    ds_index e = ds_lane(k);
    ds_var X[12];
    ds_var3 at[4], d[3];
    for (size_t i = 0; i < 12; i++) X[i] = ds_load_part(x, e, i);
    for (int i = 0; i < 4; i++) at[i] = ds_pack3(X[3 * i], X[3 * i + 1], X[3 * i + 2]);
    for (int i = 0; i < 3; i++) d[i] = ds_sub3(at[i + 1], at[0]);
    numbers9 B = load9(shape, e);
    ds_var vol = ds_load(volume, e), mu = ds_load(mu_of, e), la = ds_load(la_of, e);

    invariants F = of_edges ? by_edges(d, &B) : by_columns(d, &B);
    ds_var dilation = ds_sub(F.J, ds_c(1)), logarithm = ds_log(ds_add(F.I, ds_c(1)));
    ds_var stretch = ds_mul(ds_c(0.5), ds_sub(ds_sub(F.I, ds_c(3)), logarithm));
    ds_var by_mu = ds_sub(stretch, ds_mul(ds_c(0.75), dilation));
    ds_var by_la = ds_mul(ds_c(0.5), ds_square(dilation));
    ds_var a = ds_mul(mu, by_mu), b = ds_mul(la, by_la);
    ds_store(energy, e, ds_mul(vol, ds_add(a, b)));
    ds_kernel_end(k);
    return k;
}

static ds_kernel *small_body(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "small");
    ds_arg from = ds_arg_in(k, "x", 1), to = ds_arg_out(k, "y", 1);
    ds_index e = ds_lane(k);
    ds_var x = ds_load(from, e), sum = ds_c(1);
    for (int i = SMALL_DEGREE; i > 0; i--) sum = ds_add(ds_mul(sum, x), ds_c(1.0 / i));
    ds_store(to, e, sum);
    ds_kernel_end(k);
    return k;
}

/* a thousand operations that nothing simplifies: sums, products and now and then a curve */
static ds_kernel *made_body(void)
{
    enum { LIVE = 16 };
    ds_kernel *k = ds_kernel_begin(NULL, "made");
    ds_arg from = ds_arg_in(k, "x", LIVE), to = ds_arg_out(k, "y", LIVE);
    ds_index e = ds_lane(k);
    ds_var v[LIVE];
    for (size_t i = 0; i < LIVE; i++) v[i] = ds_load_part(from, e, i);
    for (int i = 0; i < MADE_OPERATIONS; i++) {
        ds_var a = v[i * 5 % LIVE], b = v[(i * 3 + 7) % LIVE], r;
        switch (i % 20) {
        case 0: r = ds_sin(a); break;
        case 10: r = ds_sqrt(b); break;
        default: r = i % 2 ? ds_mul(a, b) : i % 4 ? ds_sub(a, b) : ds_add(a, b); break;
        }
        v[i % LIVE] = r;
    }
    for (size_t i = 0; i < LIVE; i++) ds_store_part(to, e, i, v[i]);
    ds_kernel_end(k);
    return k;
}

/* >>arrays ---- */

/* n elements of so many components, one component after the other; returns where the next array begins */
static real *array(launched *l, real *at, size_t n, size_t components)
{
    ds_array *a = &l->args[l->n_args++];
    *a = ds_array_reals(at, n, components);
    a->stride = 1;
    a->pitch = n;
    return at + n * components;
}

static void indices(launched *l, size_t components)
{
    const kernel_case *c = l->numbers.c;
    ds_array *a = &l->args[l->n_args++];
    *a = ds_array_indices(c->index, c->lanes, components);
    a->stride = 1;
    a->pitch = c->lanes;
    a->id = 1;                                      /* a mesh that stays as it is */
}

static void nothing(launched *l, size_t count)
{
    memset(&l->args[l->n_args], 0, count * sizeof l->args[0]);
    l->n_args += count;
}

static void springs(launched *l)
{
    numbers *s = &l->numbers;
    const size_t points = s->c->points, lanes = s->c->lanes;
    l->forward = springs_body();
    l->adjoint = ds_kernel_adjoint(l->forward, "x stiffness");
    indices(l, 2);
    array(l, array(l, array(l, s->in, points, 3), lanes, 1), lanes, 1);
    array(l, s->out, points, 3);
    nothing(l, 1);
    array(l, array(l, s->grad, points, 3), lanes, 1);
    nothing(l, 1);
    array(l, s->out_bar, points, 3);
}

static void stencil(launched *l)
{
    numbers *s = &l->numbers;
    const size_t cells = s->c->points;
    l->forward = stencil_body((int64_t)cells_row(s->c));
    l->adjoint = ds_kernel_adjoint(l->forward, "one_back two_back");
    l->rank = 2;
    l->lanes[0] = l->lanes[1] = s->c->side;
    array(l, array(l, array(l, array(l, s->in, cells, 1), cells, 1), 1, 1), 1, 1);
    array(l, s->out, cells, 1);
    array(l, array(l, s->grad, cells, 1), cells, 1);
    nothing(l, 2);
    array(l, s->out_bar, cells, 1);
}

static void tets(launched *l)
{
    numbers *s = &l->numbers;
    const size_t points = s->c->points, lanes = s->c->lanes;
    real *at = s->in;
    l->forward = tets_body();
    l->adjoint = ds_kernel_adjoint(l->forward, "x mu la");
    indices(l, 4);
    at = array(l, at, points, 3);
    at = array(l, at, lanes, 9);
    array(l, array(l, array(l, at, lanes, 1), lanes, 1), lanes, 1);
    array(l, s->out, points, 3);
    nothing(l, 1);
    at = array(l, s->grad, points, 3);
    nothing(l, 2);
    array(l, array(l, at, lanes, 1), lanes, 1);
    array(l, s->out_bar, points, 3);
}

static void hessian(launched *l)
{
    numbers *s = &l->numbers;
    const size_t lanes = s->c->lanes;
    real *at = s->in;
    ds_kernel *energy = energy_body(s->c->of_edges);
    l->forward = ds_kernel_hessian(energy, "x");
    ds_kernel_destroy(energy);
    at = array(l, at, lanes, 12);
    at = array(l, at, lanes, 9);
    array(l, array(l, array(l, at, lanes, 1), lanes, 1), lanes, 1);
    nothing(l, 1);
    array(l, s->grad, lanes, 12);
    array(l, s->out, lanes, HESSIAN_NUMBERS);
}

/* the tangent of the gradient: behind its arguments, and their adjoints, the directions of both */
static void product(launched *l)
{
    numbers *s = &l->numbers;
    const size_t lanes = s->c->lanes;
    real *at = s->in;
    ds_kernel *energy = energy_body(s->c->of_edges), *gradient = ds_kernel_adjoint(energy, "x");
    l->forward = ds_kernel_tangent(gradient, "x");
    ds_kernel_destroy(energy);
    ds_kernel_destroy(gradient);
    at = array(l, at, lanes, 12);
    at = array(l, at, lanes, 9);
    at = array(l, array(l, array(l, at, lanes, 1), lanes, 1), lanes, 1);
    nothing(l, 6);
    array(l, at + 12 * lanes, lanes, 1);
    array(l, at, lanes, 12);
    nothing(l, 5);
    array(l, s->out, lanes, 12);
    nothing(l, 5);
}

static void small(launched *l)
{
    numbers *s = &l->numbers;
    const size_t lanes = s->c->lanes;
    l->forward = small_body();
    l->adjoint = ds_kernel_adjoint(l->forward, NULL);
    array(l, s->in, lanes, 1);
    array(l, s->out, lanes, 1);
    array(l, s->grad, lanes, 1);
    array(l, s->out_bar, lanes, 1);
}

/* >>threads ---- */

/* the one of these with number n; all, where that is not to be had */
static processors nth_of(const processors *all, size_t n)
{
    processors r = *all;
#ifdef __linux__
    for (size_t i = 0; n < (size_t)CPU_COUNT(all) && i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, all) || n--) continue;
        CPU_ZERO(&r);
        CPU_SET(i, &r);
        break;
    }
#else
    (void)n;
#endif
    return r;
}

/* this thread runs on none but these from now on */
static void stay_on(const processors *some)
{
#ifdef __linux__
    sched_setaffinity(0, sizeof *some, some);
#else
    (void)some;
#endif
}

static void seat(void *launch, size_t begin, size_t end, size_t worker)
{
    const struct timespec pause = { 0, 1000000 };   /* so that each thread takes a piece */
    launched *l = (launched *)launch;
    (void)begin, (void)end;
    if (worker) stay_on(&l->own[worker]);
    l->seated[worker] = 1;
    nanosleep(&pause, NULL);
}

/* Each thread of the pool has a processor of its own, and so has the one that calls while it launches: there
   are schedulers that would have threads share one, if they wake for less than some milliseconds. */
static void seat_threads(launched *l)
{
    const ds_jobs jobs = ds_pool_jobs(l->pool);
    memset(&l->all, 0, sizeof l->all);
#ifdef __linux__
    sched_getaffinity(0, sizeof l->all, &l->all);
#endif
    for (size_t i = 0; i < N_THREADS; i++) l->own[i] = nth_of(&l->all, i);
    for (int i = 0; i < 1000 && !l->seated[N_THREADS - 1]; i++) ds_parallel_for(&jobs, N_THREADS, 1, seat, l);
}

/* >>sides ---- */

static void destroy(void *state)
{
    launched *l = (launched *)state;
    if (!l) return;
    ds_kernel_destroy(l->forward);
    ds_kernel_destroy(l->adjoint);
    ds_runner_destroy(l->runner);
    ds_pool_destroy(l->pool);
    numbers_free(&l->numbers);
    free(l);
}

static void each_in_turn(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    (void)user, (void)grain;
    for (size_t i = 0; i < n; i++) fn(task, i, i + 1, 0);
}

static int runner(launched *l)
{
    ds_runner_desc desc;
    memset(&desc, 0, sizeof desc);
    if (l->way == TEXT) {
        desc.printed = printed;
        desc.n_printed = sizeof printed / sizeof printed[0];
    } else if (l->way == THREADS) {
        l->pool = ds_pool_create(N_THREADS, NULL);
        if (!l->pool) return 0;
        desc.jobs = ds_pool_jobs(l->pool);
        seat_threads(l);
    } else if (l->way == PARTS) {
        desc.jobs.parallel_for = each_in_turn;
        desc.jobs.n_workers = N_THREADS;
    }
    l->runner = ds_runner_create(&desc);
    return l->runner != NULL;
}

static void record(launched *l)
{
    switch (l->numbers.c->kind) {
    case CASE_SPRINGS: springs(l); break;
    case CASE_STENCIL: stencil(l); break;
    case CASE_TETS: tets(l); break;
    case CASE_HESSIAN: hessian(l); break;
    case CASE_PRODUCT: product(l); break;
    case CASE_SMALL: small(l); break;
    default: break;
    }
}

/* few lanes are one part, nothing to compare; parts in turn tell what sums cost, others have none */
static int is_run(const kernel_case *c, int way)
{
    if (c->kind == CASE_MAKE) return way == STEPS;
    if (way == PARTS) return c->kind == CASE_SPRINGS || c->kind == CASE_TETS;
    return way != THREADS || c->lanes >= DSI_PARALLEL_LANES;
}

static void *create(const kernel_case *c, int way)
{
    if (!is_run(c, way)) return NULL;
    launched *l = (launched *)calloc(1, sizeof *l);
    if (l) l->way = way;
    if (!l || !numbers_make(&l->numbers, c) || !runner(l)) {
        destroy(l);
        return NULL;
    }
    l->rank = 1;
    l->lanes[0] = c->lanes;
    record(l);
    return l;
}
static void *create_steps(const kernel_case *c) { return create(c, STEPS); }
static void *create_text(const kernel_case *c) { return create(c, TEXT); }
static void *create_threads(const kernel_case *c) { return create(c, THREADS); }
static void *create_parts(const kernel_case *c) { return create(c, PARTS); }

/* what was to run as text has run as text */
static int launch(launched *l, const ds_kernel *k)
{
    const size_t n = ds_kernel_get_info(k).args;
    if (l->pool) stay_on(&l->own[0]);
    const ds_result result = ds_launch_grid(l->runner, k, l->lanes, l->args, n);
    if (l->pool) stay_on(&l->all);
    const char *how = ds_runner_printed(l->runner);
    const int as_text = how[0] == 't';              /* "the kernel ran as printed text" */
    if (!result && as_text == (l->way == TEXT)) return 0;
    fprintf(stderr, "%s: %s\n", l->numbers.c->name, result ? ds_runner_error(l->runner)->text : how);
    return 1;
}

static int forward(void *state)
{
    launched *l = (launched *)state;
    if (l->numbers.c->kind != CASE_MAKE) return launch(l, l->forward);
    ds_kernel_destroy(l->forward);
    ds_kernel_destroy(l->adjoint);
    l->forward = made_body();
    l->adjoint = ds_kernel_adjoint(l->forward, NULL);
    return ds_kernel_get_info(l->adjoint).operations < MADE_OPERATIONS;
}

static int adjoint(void *state)
{
    launched *l = (launched *)state;
    return has_adjoint(l->numbers.c) ? launch(l, l->adjoint) : 0;
}

static size_t operations(const void *state, int of_adjoint)
{
    const launched *l = (const launched *)state;
    return ds_kernel_get_info(of_adjoint ? l->adjoint : l->forward).operations;
}

#define KERNEL_WAY(create) \
    { "launched", KERNEL_REAL, KERNEL_FLAGS, create, destroy, forward, adjoint, numbers_out, numbers_grad, \
      numbers_clear, operations }
extern const kernel_side KERNEL_SIDE[N_WAYS];
const kernel_side KERNEL_SIDE[N_WAYS] = {
    KERNEL_WAY(create_steps), KERNEL_WAY(create_text), KERNEL_WAY(create_threads), KERNEL_WAY(create_parts)
};

/* >>text ---- */

#ifndef KERNEL_PRINTED

int main(void)
{
    char list[2000] = "";
    int ok = 1;
    for (int i = 0; ok && i < N_KERNEL_CASES; i++) {
        kernel_case c;
        ok = kernel_case_make(&c, i);
        launched *l = i == 0 || c.kind != CASE_SPRINGS ? (launched *)create(&c, TEXT) : NULL;
        if (l) ok = print_kernel(l->forward, list) && print_kernel(l->adjoint, list);
        destroy(l);
        kernel_case_free(&c);
    }
    printf("static const ds_printed_kernel *const printed[] = {\n%s    NULL\n};\n", list);
    return !ok;
}

#endif
