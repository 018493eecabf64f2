/* One energy, three outputs: run as it is, printed as C, printed as CUDA.

   The energy of a tetrahedron is recorded once, from C that reads as on paper; its gradient and its Hessian
   are made from the record. Newton's method uses them to bring a bar of rubber to rest that begins with all
   its points thrown about, nearly half of its tetrahedra inside out. The kernels are written as text, too: as
   C, which this example runs instead of the record where it is built with it, and as CUDA.

   make -C examples energy && examples/build/energy
   prints the way to rest, what ran, a hash of the points found, and out/energy_kernel.h and .cu.
   make -C examples energy_printed && examples/build/energy_printed
   is the same example with that text: the same bits, in less time. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

#ifdef PRINTED
#include "energy_kernel.h"
static const ds_printed_kernel *const printed[] = { &energy_printed, &energy_hessian_printed };
#endif

/* Stable neo-Hookean energy of a tetrahedron, Smith, De Goes and Kim 2018: with the deformation F, I = F : F
   and J = det F,
       volume (mu/2 (I - 3 - log((I + 1) / 4)) + lambda/2 (J - 1)^2 - 3/4 mu (J - 1))
   0 at rest, where F is a rotation. No log(J), which is none where a tetrahedron is inside out: I + 1 is
   at least 1. */
static ds_kernel *record_energy(double mu, double lambda)
{
    ds_kernel *k = ds_kernel_begin(NULL, "energy");
    ds_arg corner_arg = ds_arg_index(k, "corner", 4), x_arg = ds_arg_in(k, "x", 3);
    ds_arg shape_arg = ds_arg_in(k, "shape", 9); /* from edges to F: inverse of the edges at rest */
    ds_arg volume_arg = ds_arg_in(k, "volume", 1), energy_arg = ds_arg_sum(k, "energy", 1);
    ds_index e = ds_lane(k);
    ds_var3 x[4];
    for (size_t i = 0; i < 4; i++) x[i] = ds_load3(x_arg, ds_load_index(corner_arg, e, i));
    ds_var3 a = ds_sub3(x[1], x[0]), b = ds_sub3(x[2], x[0]), c = ds_sub3(x[3], x[0]);
    ds_var33 edges = ds_columns33(a, b, c), shape = ds_load33(shape_arg, e), F = ds_mul33(edges, shape);

    ds_var I = ds_ddot33(F, F), growth = ds_sub(ds_det33(F), ds_c(1));
    ds_var barrier = ds_log(ds_mul(ds_c(0.25), ds_add(I, ds_c(1))));
    ds_var stretch = ds_mul(ds_c(0.5 * mu), ds_sub(ds_sub(I, ds_c(3)), barrier));
    ds_var squeeze = ds_mul(ds_c(0.5 * lambda), ds_square(growth));
    ds_var balance = ds_mul(ds_c(0.75 * mu), growth); /* so that rest is where the energy is least */
    ds_var density = ds_sub(ds_add(stretch, squeeze), balance);
    ds_add_at(energy_arg, ds_i(0), ds_mul(ds_load(volume_arg, e), density));
    ds_kernel_end(k);
    return k;
}

/* A bar of n[0] x n[1] x n[2] cubes of 0.1 m, 5 tetrahedra each; the points of its end at x = 0 stay. */
enum { LONG = 12, WIDE = 4, POINTS = (LONG + 1) * (WIDE + 1) * (WIDE + 1), TETS = 5 * LONG * WIDE * WIDE };
enum { CORNER, X, SHAPE, VOLUME, ENERGY, ARGS, GRADIENT = ARGS, HESSIAN }; /* arguments of the kernels */
typedef struct bar {
    int n[3];
    size_t n_points, n_tets;
    ds_kernel *energy, *hessian; /* the latter gives gradients, too */
    ds_runner *runner;
    ds_array args[HESSIAN + 1];
    ds_real held[3 * POINTS]; /* the unknowns that the Hessians belong to */
    double ns; /* of all launches of Hessians, per tetrahedron */
    int launches;
} bar;
static int32_t corners[TETS][4];
static ds_real rest[3 * POINTS], points[3 * POINTS], shapes[9][TETS], volumes[TETS], energy[1];
static ds_real gradients[12][TETS], hessians[78][TETS]; /* number by number, which is fastest to write */

static int point_at(const bar *b, int i, int j, int k) { return (i * (b->n[1] + 1) + j) * (b->n[2] + 1) + k; }

/* tetrahedra of a cube, two ways by turns so that neighbours fit; bits of a corner: along x, y, z */
static void cut_cube(bar *b, int i, int j, int k)
{
    static const int cuts[2][5][4] = {
        { { 0, 1, 3, 5 }, { 0, 3, 2, 6 }, { 0, 5, 4, 6 }, { 3, 5, 6, 7 }, { 0, 3, 5, 6 } },
        { { 1, 0, 2, 4 }, { 1, 2, 3, 7 }, { 1, 4, 5, 7 }, { 2, 4, 6, 7 }, { 1, 2, 4, 7 } }
    };
    for (int tet = 0; tet < 5; tet++, b->n_tets++)
        for (int c = 0; c < 4; c++) {
            const int bits = cuts[(i + j + k) % 2][tet][c];
            corners[b->n_tets][c] = point_at(b, i + (bits & 1), j + (bits >> 1 & 1), k + (bits >> 2));
        }
}

/* the edges of a tetrahedron as columns */
static ds_m3 edges_of(const ds_real *x, size_t tet)
{
    ds_m3 r = { { 0 } };
    for (int row = 0; row < 3; row++)
        for (int c = 0; c < 3; c++)
            r.m[3 * row + c] = x[3 * corners[tet][c + 1] + row] - x[3 * corners[tet][0] + row];
    return r;
}

static ds_array number_by_number(ds_real (*numbers)[TETS], size_t n, size_t components)
{
    ds_array r = ds_array_reals(numbers[0], n, components);
    r.stride = 1;
    r.pitch = TETS;
    return r;
}

static void build(bar *b, int quick)
{
    b->n[0] = quick ? 4 : LONG;
    b->n[1] = b->n[2] = quick ? 2 : WIDE;
    for (int i = 0; i <= b->n[0]; i++)
        for (int j = 0; j <= b->n[1]; j++)
            for (int k = 0; k <= b->n[2]; k++) {
                ds_real *at = rest + 3 * b->n_points++;
                at[0] = (ds_real)(0.1 * i), at[1] = (ds_real)(0.1 * j), at[2] = (ds_real)(0.1 * k);
                if (i < b->n[0] && j < b->n[1] && k < b->n[2]) cut_cube(b, i, j, k);
            }
    for (size_t e = 0; e < b->n_tets; e++) {
        const ds_m3 edges = edges_of(rest, e), shape = ds_m3_inverse(edges);
        for (int i = 0; i < 9; i++) shapes[i][e] = shape.m[i];
        volumes[e] = (ds_real)fabs((double)ds_m3_det(edges)) / 6;
    }
    b->args[CORNER] = ds_array_indices(corners[0], b->n_tets, 4);
    b->args[CORNER].id = 1; /* they do not change: looked through once, not in every launch */
    b->args[X] = ds_array_reals(points, b->n_points, 3);
    b->args[SHAPE] = number_by_number(shapes, b->n_tets, 9);
    b->args[VOLUME] = ds_array_reals(volumes, b->n_tets, 1);
    b->args[ENERGY] = ds_array_reals(energy, 1, 1);
    b->args[GRADIENT] = number_by_number(gradients, b->n_tets, 12);
    b->args[HESSIAN] = number_by_number(hessians, b->n_tets, 78);
    b->energy = record_energy(1e5, 4e5); /* Pa */
    b->hessian = ds_kernel_hessian(b->energy, "x");
}

/* the points before these stay; the unknowns of ds_minimise are the coordinates of the others */
static size_t first_free(const bar *b) { return 3 * (size_t)point_at(b, 1, 0, 0); }

/* gradients and Hessians of all tetrahedra, with the unknowns x */
static ds_result launch_hessians(bar *b, const ds_real *x, size_t n)
{
    const clock_t start = clock();
    memcpy(points + first_free(b), x, n * sizeof *x);
    memcpy(b->held, x, n * sizeof *x);
    ds_launch(b->runner, b->hessian, b->n_tets, b->args, HESSIAN + 1);
    b->ns += 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / (double)b->n_tets;
    b->launches++;
    return ds_runner_error(b->runner)->code;
}

/* the sum of all energies, and its gradient by the unknowns */
static ds_result total_energy(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    bar *b = user;
    const int fixed = (int)first_free(b);
    memcpy(points + fixed, x, n * sizeof *x);
    energy[0] = 0;
    if (ds_launch(b->runner, b->energy, b->n_tets, b->args, ARGS)) return ds_runner_error(b->runner)->code;
    *value = energy[0];
    if (!grad) return DSIM_OK;
    memset(grad, 0, n * sizeof *grad);
    const ds_result result = launch_hessians(b, x, n);
    for (size_t e = 0; e < b->n_tets; e++)
        for (int i = 0; i < 12; i++) {
            const int row = 3 * corners[e][i / 3] + i % 3 - fixed;
            if (row >= 0) grad[row] += gradients[i][e];
        }
    return result;
}

/* Hv = H v, tetrahedron by tetrahedron; of each Hessian the upper half is there */
static ds_result times_hessian(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv)
{
    bar *b = user;
    const int fixed = (int)first_free(b);
    ds_result result = DSIM_OK;
    if (memcmp(b->held, x, n * sizeof *x)) result = launch_hessians(b, x, n);
    memset(Hv, 0, n * sizeof *Hv);
    for (size_t e = 0; e < b->n_tets; e++)
        for (int i = 0, at = 0; i < 12; i++)
            for (int j = i; j < 12; j++, at++) {
                const int row = 3 * corners[e][i / 3] + i % 3 - fixed;
                const int column = 3 * corners[e][j / 3] + j % 3 - fixed;
                if (row < 0 || column < 0) continue;
                Hv[row] += hessians[at][e] * v[column];
                if (row != column) Hv[column] += hessians[at][e] * v[row];
            }
    return result;
}

static int n_inside_out(const bar *b)
{
    int n = 0;
    for (size_t e = 0; e < b->n_tets; e++)
        n += ds_m3_det(edges_of(points, e)) * ds_m3_det(edges_of(rest, e)) < 0;
    return n;
}

/* a row of the table in steps 0, 1, 2, 4, 8, ... */
static int row(void *user, const ds_real *x, size_t n, const ds_minimise_report *r)
{
    bar *b = user;
    const unsigned step = (unsigned)r->iterations;
    memcpy(points + first_free(b), x, n * sizeof *x);
    if (!(step & (step - 1))) printf("%4u %12.4g %12d\n", step, r->value, n_inside_out(b));
    return 0;
}

typedef size_t print_fn(const ds_kernel *kernel, char *text, size_t bytes);

/* both kernels as text in a file; says how it begins */
static void write_text(show *s, const bar *b, print_fn *print, const char *name, const char *use)
{
    static char text[1 << 18];
    char path[700];
    size_t shown = 0;
    const size_t length = print(b->hessian, text, sizeof text);
    const size_t more = print(b->energy, text + length, sizeof text - length);
    snprintf(path, sizeof path, "%s/%s", s->out, name);
    FILE *file = fopen(path, "w");
    if (!file || !length || !more || fputs(text, file) < 0) s->failed = 1;
    if (file && fclose(file)) s->failed = 1;
    for (int line = 0; line < 12; line++) shown += strcspn(text + shown, "\n") + 1;
    printf("\n%s, %s\n%.*s", path, use, (int)shown, text);
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "brings a bar to rest by an energy that is recorded once", NULL, 0);
    static bar b;
    static ds_real x[3 * POINTS];
    ds_runner_desc runner = { 0 };
    ds_minimise_desc desc = { 0 };
    ds_minimise_report found = { 0 };
    ds_check_report verdict, second;
    ds_problem problem = { 0 };
    ds_rng rng = ds_rng_make(s.seed, 0);
    char text[400];
    double worst = 0;

    build(&b, s.quick);
#ifdef PRINTED
    runner.printed = printed;
    runner.n_printed = sizeof printed / sizeof *printed;
#endif
    b.runner = ds_runner_create(&runner);
    if (!b.runner || ds_kernel_error(b.hessian)->code) {
        fprintf(stderr, "%s\n", ds_kernel_error(b.hessian)->text);
        return 1;
    }
    ds_kernel_report(b.hessian, text, sizeof text);
    printf("gradient and Hessian: %s\n\n", text);

    const size_t fixed = first_free(&b), n = 3 * b.n_points - fixed;
    memcpy(points, rest, sizeof points);
    for (size_t i = 0; i < n; i++)
        x[i] = rest[fixed + i] + (ds_real)0.3 * (ds_rng_uniform(&rng) - (ds_real)0.5);
    problem.user = &b;
    problem.n = n;
    problem.objective = total_energy;
    problem.hessian = times_hessian;
    ds_check_gradient(total_energy, &b, x, n, NULL, &verdict);
    ds_check_hessian(&problem, x, NULL, &second);
    printf("%s\n%s\n\n", verdict.text, second.text);

    printf("%4s %12s %12s\n", "step", "energy, J", "inside out");
    total_energy(&b, x, n, &energy[0], NULL);
    found.value = (double)energy[0];
    row(&b, x, n, &found);
    desc.method = DSIM_METHOD_NEWTON_CG;
    desc.watch = row;
    desc.gradient_tolerance = 1e-5;
    ds_minimise(&problem, &desc, x, &found);
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)(x[i] - rest[fixed + i])));
    printf("%s\n", found.text);
    printf("%d tetrahedra, points within %.1g m of rest; hash of their bits %016llx\n", (int)b.n_tets, worst,
           (unsigned long long)ds_hash_bytes(x, n * sizeof *x, 0));
    printf("%s; %.0f ns for a gradient and Hessian\n", ds_runner_printed(b.runner), b.ns / b.launches);
    write_text(&s, &b, ds_kernel_print_c, "energy_kernel.h", "for make -C examples energy_printed:");
    write_text(&s, &b, ds_kernel_print_cuda, "energy_kernel.cu", "for nvcc -c energy_kernel.cu:");
    show_result(&s, "certified", verdict.result == DSIM_OK && second.result == DSIM_OK);
    show_result(&s, "shape", 1 + worst);
    ds_kernel_destroy(b.energy);
    ds_kernel_destroy(b.hessian);
    ds_runner_destroy(b.runner);
    return show_end(&s);
}
