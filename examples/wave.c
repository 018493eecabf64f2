/* Which ripples on a square pond run together to a picture?

   The wave equation on a grid: one time step is a kernel with one lane per cell, run by ds_launch_grid. Its
   adjoint takes the picture's error back through all steps; the gradient by the first surface, one number per
   cell, goes to L-BFGS. After the waves of DiffTaichi (Hu et al. 2020).

   make -C examples wave && examples/build/wave
   shows the error while it falls; draws begin.png and end.png: the surface found, and what becomes of it.
   A standing wave along one axis tells whether the steps are right: after t of them it is
   cos(w (t + 1/2)) / cos(w / 2) high, with cos w = 1 - C (1 - cos(pi / n)). */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

static const double C = 0.4; /* (wave speed * time step / cell)^2: at most 1/2 is stable */
static const double PI = 3.14159265358979323846;
enum { SIDE = 96, STEPS = 150, CELLS = SIDE * SIDE };

typedef struct pond {
    show *show; /* for its progress line */
    size_t side, cells, steps;
    ds_runner *runner;
    ds_kernel *step, *step_adjoint, *error, *error_adjoint;
    ds_real *surface[STEPS + 2]; /* [cells] each; 0 and 1 are the first one: it begins at rest */
} pond;
static ds_real memory[STEPS + 2][CELLS], bars[3][CELLS], picture[CELLS];

/* next = 2 u - before + C laplacian(u) */
static ds_kernel *record_step(void)
{
    ds_kernel_desc desc = { 0 };
    desc.rank = 2;
    ds_kernel *k = ds_kernel_begin(&desc, "wave");
    ds_arg before_arg = ds_arg_in(k, "before", 1), u_arg = ds_arg_in(k, "u", 1);
    ds_arg next = ds_arg_out(k, "next", 1);
    ds_grid grid = ds_grid_of_lanes(k, DSIM_WALL_CLAMP);
    ds_index cell[2] = { ds_lane_axis(k, 0), ds_lane_axis(k, 1) };
    ds_var u = ds_load(u_arg, ds_lane(k)), before = ds_load(before_arg, ds_lane(k));
    ds_var inertia = ds_sub(ds_mul(ds_c(2), u), before);
    ds_store(next, ds_lane(k), ds_fma(ds_c(C), ds_grid_laplacian(u_arg, 0, &grid, cell), inertia));
    ds_kernel_end(k);
    return k;
}

static ds_array cells_of(const pond *p, const ds_real *values) { return ds_array_reals(values, p->cells, 1); }

/* all surfaces from the first one */
static void run(pond *p, const ds_real *first)
{
    const size_t lanes[2] = { p->side, p->side };
    memcpy(p->surface[0], first, p->cells * sizeof *first);
    memcpy(p->surface[1], first, p->cells * sizeof *first);
    for (size_t t = 0; t < p->steps; t++) {
        ds_array args[3] = { cells_of(p, p->surface[t]), cells_of(p, p->surface[t + 1]),
                             cells_of(p, p->surface[t + 2]) };
        ds_launch_grid(p->runner, p->step, lanes, args, 3);
    }
}

/* grad = d value / d first: back through the steps with the bars of three surfaces at a time */
static void run_back(pond *p, ds_real *grad)
{
    const size_t lanes[2] = { p->side, p->side }, bytes = p->cells * sizeof *grad;
    ds_real one = 1, unused = 0, *next = bars[0], *u = bars[1], *before = bars[2];
    ds_array error[6] = { cells_of(p, p->surface[p->steps + 1]), cells_of(p, picture),
                          ds_array_reals(&unused, 1, 1), cells_of(p, next), cells_of(p, next),
                          ds_array_reals(&one, 1, 1) };
    memset(next, 0, bytes);
    memset(u, 0, bytes);
    ds_launch(p->runner, p->error_adjoint, p->cells, error, 6);
    for (size_t t = p->steps; t-- > 0;) {
        ds_array args[6] = { cells_of(p, p->surface[t]), cells_of(p, p->surface[t + 1]),
                             cells_of(p, p->surface[t + 2]) };
        ds_real *const done = next;
        memset(before, 0, bytes);
        args[3] = cells_of(p, before);
        args[4] = cells_of(p, u);
        args[5] = cells_of(p, next);
        ds_launch_grid(p->runner, p->step_adjoint, lanes, args, 6);
        next = u;
        u = before;
        before = done;
    }
    for (size_t i = 0; i < p->cells; i++) grad[i] = next[i] + u[i];
}

/* sum of (last surface - picture)^2, and its gradient by the first surface */
static ds_result misfit(void *user, const ds_real *first, size_t n, ds_real *value, ds_real *grad)
{
    pond *p = user;
    (void)n;
    run(p, first);
    ds_array args[3] = { cells_of(p, p->surface[p->steps + 1]), cells_of(p, picture),
                         ds_array_reals(value, 1, 1) };
    *value = 0;
    ds_launch(p->runner, p->error, p->cells, args, 3);
    if (grad) run_back(p, grad);
    return ds_runner_error(p->runner)->code;
}

/* the largest miss of a standing wave after all steps */
static double standing_wave(pond *p, ds_real *first)
{
    const double w = acos(1 - C * (1 - cos(PI / (double)p->side)));
    const double high = cos(w * ((double)p->steps + 0.5)) / cos(w / 2);
    double worst = 0;
    for (size_t i = 0; i < p->cells; i++)
        first[i] = (ds_real)cos(PI * ((double)(i % p->side) + 0.5) / (double)p->side);
    run(p, first);
    for (size_t i = 0; i < p->cells; i++)
        worst = fmax(worst, fabs((double)p->surface[p->steps + 1][i] - high * (double)first[i]));
    return worst;
}

/* a face: two eyes and a mouth */
static void draw_picture(const pond *p)
{
    for (size_t i = 0; i < p->cells; i++) {
        const double x = 2 * ((double)(i % p->side) + 0.5) / (double)p->side - 1;
        const double y = 2 * ((double)(i / p->side) + 0.5) / (double)p->side - 1;
        const double eye = hypot(fabs(x) - 0.35, y - 0.35) / 0.15, mouth = (hypot(x, y) - 0.6) / 0.1;
        picture[i] = (ds_real)(exp(-eye * eye) + exp(-mouth * mouth) / (1 + exp(25 * (y + 0.25))));
    }
}

static void draw(show *s, const pond *p, const char *name, const ds_real *surface)
{
    const ds_array cells = cells_of(p, surface);
    show_canvas *c = show_canvas_create(600, 0, 1, 0, 1);
    show_field(c, surface, (int)p->side, (int)p->side, ds_array_min(&cells), ds_array_max(&cells));
    show_canvas_save(c, s, "%s", name);
    show_canvas_destroy(c);
}

static int progress(void *user, const ds_real *first, size_t n, const ds_minimise_report *r)
{
    const pond *p = user;
    (void)first, (void)n;
    show_progress(p->show, (long)r->iterations, 60, "error %.3g", r->value);
    return 0;
}

int main(int argc, char **argv)
{
    static ds_real first[CELLS];
    show s = show_start(argc, argv, "finds the ripples that run together to a picture", NULL, 0);
    pond p = { 0 };
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    ds_minimise_report found;
    ds_check_desc check = { 0 };
    ds_check_report verdict;
    char text[400];

    p.show = &s;
    p.side = s.quick ? 24 : SIDE;
    p.cells = p.side * p.side;
    p.steps = s.quick ? 40 : STEPS;
    p.runner = ds_runner_create(NULL);
    p.step = record_step();
    p.step_adjoint = ds_kernel_adjoint(p.step, NULL);
    p.error = ds_kernel_reduction(NULL, DSIM_REDUCTION_DISTANCE, 1);
    p.error_adjoint = ds_kernel_adjoint(p.error, "a");
    for (size_t t = 0; t < p.steps + 2; t++) p.surface[t] = memory[t];
    ds_kernel_report(p.step_adjoint, text, sizeof text);
    printf("a step back: %s\n", text);

    const double standing = standing_wave(&p, first);
    draw_picture(&p);
    check.max_entries = 10;
    ds_check_gradient(misfit, &p, first, p.cells, &check, &verdict);
    printf("%s\n", verdict.text);

    memset(first, 0, sizeof first);
    problem.user = &p;
    problem.n = p.cells;
    problem.objective = misfit;
    desc.max_iterations = 60;
    desc.watch = progress;
    ds_minimise(&problem, &desc, first, &found);
    run(&p, first);
    draw(&s, &p, "begin.png", first);
    draw(&s, &p, "end.png", p.surface[p.steps + 1]);

    printf("%s\n", found.text);
    show_result(&s, "standing_wave", 1 + standing);
    show_result(&s, "certified", verdict.result == DSIM_OK);
    show_result(&s, "part_left", found.value / found.value_first);
    ds_kernel_destroy(p.step);
    ds_kernel_destroy(p.step_adjoint);
    ds_kernel_destroy(p.error);
    ds_kernel_destroy(p.error_adjoint);
    ds_runner_destroy(p.runner);
    return show_end(&s);
}
