/* Which ripples on a square pond run together to a picture?

   The wave equation of DiffTaichi (Hu et al. 2020): 256 x 256 cells, 256 surfaces. One step is a kernel with
   one lane for each cell; a list of its launches is the step of a rollout, which takes the picture's error
   back through all of them. The gradient by the first surface, one number per cell, goes to L-BFGS. The
   physics are in wave.h.

   make -C examples wave && examples/build/wave
   shows the error while it falls; draws begin.png and end.png: the surface found, and what becomes of it; and
   wave.mp4, how it does, where ffmpeg is. (High stripes at the beginning are a wave that is flat at the end.)
   make -C examples wave_printed && examples/build/wave_printed
   is the same with the kernels as C text, which wave has written to out/wave_kernel.h: the same bits, sooner.
   --memory 16 makes each pair of surfaces a state of the rollout, kept or computed again within 16 MB; else
   all surfaces are one step, of which the list keeps what the way back reads: nothing, as waves are linear.
   --original does what the paper's public program does: it leaves the second surface at 0, so that every wave
   begins with a blow, up to 57 times as high at the end as the first surface; and goes 200 steps of length 1
   against the gradient.

   A standing wave tells whether the steps are right: after t of them sin(a x) sin(b y) has become
   cos(w (t - 1/2)) / cos(w / 2) high, with cos w = 1 - (2 - cos a - cos b) / 3. */
#define DIFFSIM_IMPLEMENTATION
#include "wave.h"
#include "show.h"

#ifdef PRINTED
#include "wave_kernel.h"
static const ds_printed_kernel *const printed[] = { &wave_printed, &wave_adjoint_printed };
#endif

enum { SIDE = POND_MOST, SURFACES = 256, FILM_MEMORY = 16, ORIGINAL_STEPS = 200, ITERATIONS = 25 };
static const double PI = 3.14159265358979323846;

/* the largest miss of the standing wave with 3 and 2 crests, after all steps */
static double standing_wave(pond *p, ds_real *first)
{
    const double n = (double)p->side + 1, a = 3 * PI / n, b = 2 * PI / n;
    const double w = acos(1 - (2 - cos(a) - cos(b)) / 3);
    const double high = cos(w * ((double)p->surfaces - 1.5)) / cos(w / 2);
    double worst = 0;
    for (size_t i = 0; i < p->cells; i++)
        first[i] = (ds_real)(sin(a * (double)(i % p->side + 1)) * sin(b * (double)(i / p->side + 1)));
    const ds_real *last = pond_run(p, first);
    for (size_t i = 0; i < p->cells; i++)
        worst = fmax(worst, fabs((double)last[i] - high * (double)first[i]));
    return worst;
}

/* 1 inside of a disc, 0 outside, a cell between; lengths in parts of the side, from the middle */
static double disc(const pond *p, double x, double y, double middle, double radius)
{
    const double far = sqrt(x * x + (y - middle) * (y - middle));
    return fmin(fmax((radius - far) * (double)p->side + 0.5, 0), 1);
}

/* the sign of yin and yang: half of a disc, two discs of half its size, two eyes; less its mean */
static void draw_picture(pond *p)
{
    double mean = 0;
    for (size_t i = 0; i < p->cells; i++) {
        const double x = ((double)(i % p->side) + 0.5) / (double)p->side - 0.5;
        const double y = ((double)(i / p->side) + 0.5) / (double)p->side - 0.5, r = 0.36;
        double dark = fmin(fmax(0.5 - x * (double)p->side, 0), 1);
        dark += (1 - dark) * disc(p, x, y, r / 2, r / 2);
        dark *= 1 - disc(p, x, y, -r / 2, r / 2);
        dark += (1 - dark) * disc(p, x, y, -r / 2, r / 7) - dark * disc(p, x, y, r / 2, r / 7);
        p->picture[i] = (ds_real)(disc(p, x, y, 0, r) * (0.5 - dark));
        mean += (double)p->picture[i] / (double)p->cells;
    }
    for (size_t i = 0; i < p->cells; i++) p->picture[i] -= (ds_real)mean;
}

static void draw(show_canvas *c, const pond *p, const ds_real *surface, double high)
{
    show_field(c, surface, (int)p->side, (int)p->side, -high, high);
}

static void save(show *s, const pond *p, const char *name, const ds_real *surface)
{
    show_canvas *c = show_canvas_create(600, 0, 1, 0, 1);
    double high = 0;
    for (size_t i = 0; i < p->cells; i++) high = fmax(high, fabs((double)surface[i]));
    draw(c, p, surface, fmin(high, 0.7));
    show_canvas_save(c, s, "%s", name);
    show_canvas_destroy(c);
}

typedef struct cinema { show_film film; show_canvas *canvas; } cinema;
static void project(pond *p, size_t t)
{
    cinema *const k = (cinema *)p->user;
    (void)t;
    draw(k->canvas, p, p->surface, 0.7);
    show_film_frame(&k->film, k->canvas);
}

/* the way from the first surface on: a film of every other one, and the picture of the last */
static int present(show *s, const pond *like, const ds_real *first)
{
    pond p = *like;
    cinema k;
    ds_checkpoint_plan plan;
    p.in_pairs = 1;
    p.memory_limit = (size_t)FILM_MEMORY << 20;
    p.user = &k;
    p.watch = project;
    if (!pond_create(&p, &plan)) return 0;
    k.canvas = show_canvas_create(512, 0, 1, 0, 1);
    k.film = show_film_begin(s, "wave");
    const ds_real *last = pond_run(&p, first);
    for (int i = 0; last && i < 30; i++) project(&p, 0);
    show_film_end(&k.film, 30);
    show_canvas_destroy(k.canvas);
    if (last) save(s, &p, "end.png", last);
    pond_destroy(&p);
    return last != NULL;
}

static int progress(void *user, const ds_real *first, size_t n, const ds_minimise_report *r)
{
    const pond *const p = (const pond *)user;
    (void)first, (void)n;
    show_progress((show *)p->user, (long)r->iterations, ITERATIONS, "error %.3g", r->value);
    return 0;
}

/* L-BFGS; the errors at the beginning and at the end */
static void find(show *s, pond *p, ds_real *first, double error[2])
{
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    ds_minimise_report found;
    p->user = s;
    problem.user = p;
    problem.n = p->cells;
    problem.objective = pond_misfit;
    desc.max_iterations = ITERATIONS;
    desc.watch = progress;
    ds_minimise(&problem, &desc, first, &found);
    printf("%s\n", found.text);
    error[0] = found.value_first;
    error[1] = found.value;
}

/* the paper's way: steps of length 1, with the loss before each */
static void descend(show *s, pond *p, ds_real *first, double error[2])
{
    static ds_real grad[SIDE * SIDE], losses[ORIGINAL_STEPS];
    const int steps = s->quick ? 3 : ORIGINAL_STEPS;
    show_plot plot = { 0 };
    for (int k = 0; k < steps; k++) {
        pond_misfit(p, first, p->cells, &losses[k], grad);
        for (size_t i = 0; i < p->cells; i++) first[i] -= grad[i];
        show_progress(s, k + 1, steps, "error %.4f", (double)losses[k]);
    }
    plot.x_label = "iteration of gradient descent";
    plot.y_label = "mean square of the error";
    show_curve(&plot, NULL, NULL, losses, (size_t)steps);
    show_plot_save(&plot, s, "loss");
    error[0] = (double)losses[0];
    error[1] = (double)losses[steps - 1];
}

/* Do launches of this pond run as text? As a runner of its own tells, in one launch. */
static void print_how(pond *p)
{
    const ds_real one = 1;
    const size_t lanes[2] = { p->side, p->side };
    const ds_array args[3] = { ds_array_reals(&one, 1, 1), ds_array_reals(p->start, p->field, 1),
                               ds_array_reals(p->start + p->field, p->field, 1) };
    ds_runner_desc desc = { 0 };
    desc.printed = p->printed;
    desc.n_printed = p->n_printed;
    ds_runner *runner = ds_runner_create(&desc);
    ds_launch_grid(runner, p->kernel, lanes, args, 3);
    printf("%s\n", ds_runner_printed(runner));
    ds_runner_destroy(runner);
}

/* the kernels as text in a file */
static void write_text(show *s, const pond *p)
{
    static char text[1 << 17];
    char path[700];
    ds_kernel *const adjoint = ds_kernel_adjoint(p->kernel, "u");
    const size_t length = ds_kernel_print_c(p->kernel, text, sizeof text);
    const size_t more = ds_kernel_print_c(adjoint, text + length, sizeof text - length);
    snprintf(path, sizeof path, "%s/wave_kernel.h", s->out);
    FILE *file = fopen(path, "w");
    if (!file || !length || !more || fputs(text, file) < 0) s->failed = 1;
    if (file && fclose(file)) s->failed = 1;
    ds_kernel_destroy(adjoint);
}

int main(int argc, char **argv)
{
    static ds_real first[SIDE * SIDE], grad[SIDE * SIDE];
    int original = 0, memory = 0;
    const show_flag flags[] = { { "--original", SHOW_SWITCH, &original, "as the paper's public program" },
                                { "--memory", SHOW_INTEGER, &memory, "MB of the rollout, pair by pair" } };
    show s = show_start(argc, argv, "finds the ripples that run together to a picture", flags, 2);
    ds_check_desc check = { 0 };
    ds_check_report verdict;
    ds_checkpoint_plan plan;
    ds_real loss;
    double error[2];
    pond p = { 0 };

    p.side = s.quick ? 32 : SIDE;
    p.surfaces = s.quick ? 40 : SURFACES;
    p.starts_at_rest = 1;
    p.in_pairs = memory > 0;
    p.memory_limit = memory > 0 ? (size_t)memory << 20 : 0;
#ifdef PRINTED
    p.printed = printed;
    p.n_printed = sizeof printed / sizeof *printed;
#endif
    const int good = pond_create(&p, &plan);
    printf("%s\n", plan.text);
    if (!good) return 1;
    draw_picture(&p);
    pond_misfit(&p, first, p.cells, &loss, grad);
    printf("first gradient %.1f ms after the start\n", 1e3 * (double)clock() / CLOCKS_PER_SEC);
    print_how(&p);

    const double standing = standing_wave(&p, first);
    p.starts_at_rest = !original;
    check.max_entries = 10;
    ds_check_gradient(pond_misfit, &p, first, p.cells, &check, &verdict);
    printf("%s\n", verdict.text);

    memset(first, 0, sizeof first);
    if (original) descend(&s, &p, first, error);
    else find(&s, &p, first, error);
    save(&s, &p, "begin.png", first);
    if (!present(&s, &p, first)) s.failed = 1;
    write_text(&s, &p);

    show_result(&s, "standing_wave", 1 + standing);
    show_result(&s, "certified", verdict.result == DSIM_OK);
    show_result(&s, "error_first", error[0]);
    show_result(&s, "part_left", error[1] / error[0]);
    pond_destroy(&p);
    return show_end(&s);
}
