/* Record once, run over a hundred thousand springs.

   A sheet of springs is pulled 25 % too wide. The force of one spring is recorded as a kernel and run over
   all of them; its adjoint, made from the record, gives the derivative of any function of the forces by all
   rest lengths, stiffnesses and positions in one more run. Here that function is the sum of |force|^2 over
   the points, and L-BFGS moves 99904 rest lengths until the points are at rest, but for 1 % of the sum.

   make -C examples kernels && examples/build/kernels
   prints what became of the record, nanoseconds per spring and the certificate of the gradient. Inside, the
   springs of a point pull against each other: the first sum is that of 4 borders of n points,
   4 n (k 0.25 m)^2, and the rest length of a spring that leads inwards from a border changes it by
   -2 k^2 0.25 m. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { SIDE = 224, POINTS = SIDE * SIDE, SPRINGS = 2 * SIDE * (SIDE - 1) };
static const double STRETCH = 1.25, STIFFNESS = 2; /* rest lengths are 1 m; N/m */

/* arguments of the spring kernel; those of its adjoint are these, and the same again as bars */
enum { EDGE, X, REST, STIFF, FORCE, ARGS };

typedef struct sheet {
    size_t side, n_springs;
    ds_runner *runner;
    ds_kernel *spring, *spring_adjoint, *norm, *norm_adjoint;
    ds_array args[2 * ARGS];
} sheet;
static int32_t edges[2 * SPRINGS];
static ds_real x[3 * POINTS], rest[SPRINGS], stiff[SPRINGS], force[3 * POINTS];
static ds_real rest_bar[SPRINGS], stiff_bar[SPRINGS], force_bar[3 * POINTS];

/* the force of one spring on its two points */
static ds_kernel *record_spring(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "spring");
    ds_arg edge_arg = ds_arg_index(k, "edge", 2), x_arg = ds_arg_in(k, "x", 3);
    ds_arg rest_arg = ds_arg_in(k, "rest", 1), stiff_arg = ds_arg_in(k, "stiffness", 1);
    ds_arg force_arg = ds_arg_sum(k, "force", 3);
    ds_index s = ds_lane(k), i = ds_load_index(edge_arg, s, 0), j = ds_load_index(edge_arg, s, 1);
    ds_var3 xi = ds_load3(x_arg, i), d = ds_sub3(ds_load3(x_arg, j), xi);
    ds_var l = ds_safe_norm3(d), stretch = ds_sub(l, ds_load(rest_arg, s));
    ds_var tension = ds_mul(stretch, ds_load(stiff_arg, s));
    ds_var3 f = ds_scale3(d, ds_div(tension, l));
    ds_add_at3(force_arg, i, f);
    ds_add_at3(force_arg, j, ds_neg3(f));
    ds_kernel_end(k);
    return k;
}

static void connect(sheet *s, size_t i, size_t j)
{
    edges[2 * s->n_springs] = (int32_t)i;
    edges[2 * s->n_springs + 1] = (int32_t)j;
    rest[s->n_springs] = 1;
    stiff[s->n_springs++] = (ds_real)STIFFNESS;
}

/* points at multiples of 1.25 m, springs along rows, then along columns */
static void build(sheet *s, size_t side)
{
    s->side = side;
    for (size_t p = 0; p < side * side; p++) {
        x[3 * p] = (ds_real)(STRETCH * (double)(p % side));
        x[3 * p + 1] = (ds_real)(STRETCH * (double)(p / side));
    }
    for (size_t p = 0; p < side * side; p++)
        if (p % side + 1 < side) connect(s, p, p + 1);
    for (size_t p = 0; p + side < side * side; p++) connect(s, p, p + side);
    s->args[EDGE] = ds_array_indices(edges, s->n_springs, 2);
    s->args[EDGE].id = 1; /* they do not change: looked through once, not in every launch */
    s->args[X] = ds_array_reals(x, side * side, 3);
    s->args[REST] = ds_array_reals(rest, s->n_springs, 1);
    s->args[STIFF] = ds_array_reals(stiff, s->n_springs, 1);
    s->args[FORCE] = ds_array_reals(force, side * side, 3);
    s->args[ARGS + REST] = ds_array_reals(rest_bar, s->n_springs, 1);
    s->args[ARGS + STIFF] = ds_array_reals(stiff_bar, s->n_springs, 1);
    s->args[ARGS + FORCE] = ds_array_reals(force_bar, side * side, 3);
    s->runner = ds_runner_create(NULL);
    s->spring = record_spring();
    s->spring_adjoint = ds_kernel_adjoint(s->spring, "rest stiffness");
    s->norm = ds_kernel_reduction(NULL, DSIM_REDUCTION_SQUARES, 3);
    s->norm_adjoint = ds_kernel_adjoint(s->norm, NULL);
}

/* value = sum of |force|^2, and its derivatives rest_bar and stiff_bar; what kernels add to begins at 0 */
static ds_result run(sheet *s, int derivatives, ds_real *value)
{
    const size_t points = s->side * s->side;
    ds_real one = 1;
    ds_array norm[4] = { s->args[FORCE], ds_array_reals(value, 1, 1), s->args[ARGS + FORCE],
                         ds_array_reals(&one, 1, 1) };
    *value = 0;
    memset(force, 0, 3 * points * sizeof *force);
    ds_launch(s->runner, s->spring, s->n_springs, s->args, ARGS);
    ds_launch(s->runner, s->norm, points, norm, 2);
    if (!derivatives) return ds_runner_error(s->runner)->code;
    memset(force_bar, 0, 3 * points * sizeof *force_bar);
    memset(rest_bar, 0, s->n_springs * sizeof *rest_bar);
    memset(stiff_bar, 0, s->n_springs * sizeof *stiff_bar);
    ds_launch(s->runner, s->norm_adjoint, points, norm, 4);
    ds_launch(s->runner, s->spring_adjoint, s->n_springs, s->args, 2 * ARGS);
    return ds_runner_error(s->runner)->code;
}

/* the same as a function of the rest lengths, for ds_minimise and ds_check_gradient */
static ds_result misfit(void *user, const ds_real *lengths, size_t n, ds_real *value, ds_real *grad)
{
    sheet *s = user;
    memcpy(rest, lengths, n * sizeof *rest);
    const ds_result result = run(s, grad != NULL, value);
    if (grad) memcpy(grad, rest_bar, n * sizeof *grad);
    return result;
}

static int progress(void *user, const ds_real *lengths, size_t n, const ds_minimise_report *r)
{
    (void)user, (void)lengths, (void)n;
    fprintf(stderr, "iteration %3d: sum of |force|^2 %.3g N^2\n", (int)r->iterations, r->value);
    return r->value < 0.01 * r->value_first;
}

/* nanoseconds per spring of a kernel, over some launches */
static double time_of(sheet *s, const ds_kernel *k, size_t n_args)
{
    const int times = 2000000 / (int)s->n_springs + 1;
    const clock_t start = clock();
    for (int i = 0; i < times; i++) ds_launch(s->runner, k, s->n_springs, s->args, n_args);
    return 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / times / (double)s->n_springs;
}

static void report(sheet *s, const char *what, const ds_kernel *k, size_t n_args)
{
    char text[400];
    ds_kernel_report(k, text, sizeof text);
    printf("%s: %s; %.1f ns per spring\n", what, text, time_of(s, k, n_args));
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "runs a recorded spring and its adjoint over a sheet", NULL, 0);
    static sheet sh;
    static ds_real start[SPRINGS];
    ds_check_desc check = { 0 };
    ds_check_report verdict;
    ds_minimise_desc desc = { 0 };
    ds_minimise_report found;
    ds_problem problem = { 0 };
    ds_real first;

    build(&sh, s.quick ? 24 : SIDE);
    if (ds_kernel_error(sh.spring_adjoint)->code || ds_kernel_error(sh.norm_adjoint)->code) {
        fprintf(stderr, "%s\n", ds_kernel_error(sh.spring_adjoint)->text);
        return 1;
    }
    report(&sh, "forces", sh.spring, ARGS);
    report(&sh, "adjoint", sh.spring_adjoint, 2 * ARGS);

    if (run(&sh, 1, &first)) {
        fprintf(stderr, "%s\n", ds_runner_error(sh.runner)->text);
        return 1;
    }
    const double border = (double)rest_bar[sh.side - 1], inside = (double)rest_bar[sh.side + sh.side / 2];
    const double by_all_stiffness = STIFFNESS * ds_array_sum(&sh.args[ARGS + STIFF]);
    memcpy(start, rest, sizeof start);
    check.max_entries = 20;
    ds_check_gradient(misfit, &sh, start, sh.n_springs, &check, &verdict);
    printf("%s\n", verdict.text);

    problem.user = &sh;
    problem.n = sh.n_springs;
    problem.objective = misfit;
    desc.watch = progress;
    ds_minimise(&problem, &desc, start, &found);
    printf("%d springs: sum of |force|^2 from %g to %.2g N^2 in %d iterations\n", (int)sh.n_springs,
           (double)first, found.value, (int)found.iterations);

    show_result(&s, "sum_per_border_point", (double)first / (double)sh.side);
    show_result(&s, "by_rest_border", border);
    show_result(&s, "by_rest_inside", inside);
    show_result(&s, "by_all_stiffness", by_all_stiffness / (double)first);
    show_result(&s, "certified", verdict.result == DSIM_OK);
    show_result(&s, "part_left", found.value / (double)first);
    ds_kernel_destroy(sh.spring);
    ds_kernel_destroy(sh.spring_adjoint);
    ds_kernel_destroy(sh.norm);
    ds_kernel_destroy(sh.norm_adjoint);
    ds_runner_destroy(sh.runner);
    return show_end(&s);
}
