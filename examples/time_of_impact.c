/* A gradient that is wrong at every step size, and its cure.

   A ball flies down, bounces on an elastic floor and flies up, no gravity. If it starts a little higher it
   hits the floor a little later and ends a little lower: the final height has the derivative -1 by the height
   of the start. A simulator that turns the velocity around at the first step that finds the ball below the
   floor gets +1, however small its step: values converge, the gradient never does. The number of steps
   before the bounce is a jump, and a gradient does not see jumps. One that finds the time of impact
   within the step, tau = (floor - y) / v, and differentiates it as well, gets -1 at every step size.
   (Figure 8 of the DiffTaichi paper, Hu et al., ICLR 2020.)

   make -C examples time_of_impact && examples/build/time_of_impact
   prints the derivatives for four step sizes; draws height.png, the final height over the height of the
   start, and descent.png, where gradient descent shall make the ball end at 0.4 m. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { STEP_SIZES = 4, POINTS = 561, ITERATIONS = 10, DESCENT_STEPS = 203 };
static const double DURATION = 0.406, FLOOR = 0.1; /* s, m */
static const double HEIGHT = 0.601, SPEED = -2; /* of the start: m, m/s */
static const double TARGET = 0.4, LEARNING_RATE = 0.1; /* of the descent: m, - */
static const int STEPS[STEP_SIZES] = { 7, 29, 203, 2030 };

/* the velocity turns after the step that went below the floor; y' = y + dt v for the old and the new one */
static void naive_step(ds_var *y, ds_var *v, double dt)
{
    if (ds_value(*y) < (ds_real)FLOOR && ds_value(*v) < 0) *v = ds_neg(*v);
    *y = ds_fma(ds_c(dt), *v, *y);
}

/* the step that would go below the floor is cut at the time of impact: tau with v, the rest with -v */
static void impact_step(ds_var *y, ds_var *v, double dt)
{
    ds_var next = ds_fma(ds_c(dt), *v, *y);
    if (ds_value(next) < (ds_real)FLOOR && ds_value(*v) < 0) {
        ds_var tau = ds_div(ds_sub(ds_c(FLOOR), *y), *v);
        ds_var at_floor = ds_fma(tau, *v, *y);
        *v = ds_neg(*v);
        next = ds_fma(ds_sub(ds_c(dt), tau), *v, at_floor);
    }
    *y = next;
}

typedef void step_fn(ds_var *y, ds_var *v, double dt);
typedef struct flight { double height, by_height, by_speed; } flight; /* m, 1, s */

/* the final height and its two derivatives; a tape with an error gives NaN */
static flight fly(ds_tape *t, step_fn *step, int steps, double height)
{
    flight r;
    ds_tape_reset(t);
    ds_var y0 = ds_input(t, height), v0 = ds_input(t, SPEED), y = y0, v = v0;
    for (int n = 0; n < steps; n++) step(&y, &v, DURATION / steps);
    if (ds_backward(y)) fprintf(stderr, "%s\n", ds_tape_error(t)->text);
    r.height = (double)ds_value(y);
    r.by_height = (double)ds_grad(y0);
    r.by_speed = (double)ds_grad(v0);
    return r;
}

/* final height over the height of the start: a saw of rising teeth, and the line they climb down */
static void draw_heights(show *s, ds_tape *t)
{
    static ds_real start[POINTS], coarse[POINTS], fine[POINTS], cured[POINTS];
    show_plot p = { 0 };
    for (int i = 0; i < POINTS; i++) {
        double height = 0.5 + 0.28 * i / (POINTS - 1);
        start[i] = (ds_real)height;
        coarse[i] = (ds_real)fly(t, naive_step, STEPS[0], height).height;
        fine[i] = (ds_real)fly(t, naive_step, STEPS[1], height).height;
        cured[i] = (ds_real)fly(t, impact_step, STEPS[0], height).height;
        show_progress(s, i + 1, POINTS, "start at %.3f m", height);
    }
    p.title = "Where the ball ends";
    p.x_label = "height of the start (m)";
    p.y_label = "final height (m)";
    show_curve(&p, "time of impact, 7 steps", start, cured, POINTS);
    show_curve(&p, "naive, 7 steps", start, coarse, POINTS);
    show_curve(&p, "naive, 29 steps", start, fine, POINTS);
    show_plot_save(&p, s, "height");
}

/* makes (height - TARGET)^2 small; error [ITERATIONS] (m). Returns the start that was found (m). */
static double descend(ds_tape *t, step_fn *step, ds_real *error)
{
    double start = 0.55;
    for (int k = 0; k < ITERATIONS; k++) {
        flight f = fly(t, step, DESCENT_STEPS, start);
        error[k] = (ds_real)fabs(f.height - TARGET);
        start -= LEARNING_RATE * 2 * (f.height - TARGET) * f.by_height;
    }
    return start;
}

static void print_table(ds_tape *t)
{
    printf("final height (m), its derivative by the height of the start, and by the first speed (s)\n");
    printf("  step (s)         naive                     time of impact\n");
    for (int i = 0; i < STEP_SIZES; i++) {
        flight naive = fly(t, naive_step, STEPS[i], HEIGHT), cured = fly(t, impact_step, STEPS[i], HEIGHT);
        printf("  %-8.4g %8.4f %+6.3f %+8.4f  %9.4f %+6.3f %+8.4f\n", DURATION / STEPS[i], naive.height,
               naive.by_height, naive.by_speed, cured.height, cured.by_height, cured.by_speed);
    }
}

static void show_flights(show *s, ds_tape *t, int steps)
{
    char name[64];
    flight naive = fly(t, naive_step, steps, HEIGHT), cured = fly(t, impact_step, steps, HEIGHT);
    snprintf(name, sizeof name, "naive_%d", steps);
    show_result(s, name, naive.by_height);
    snprintf(name, sizeof name, "impact_%d", steps);
    show_result(s, name, cured.by_height);
    snprintf(name, sizeof name, "impact_speed_%d", steps);
    show_result(s, name, cured.by_speed);
    snprintf(name, sizeof name, "impact_height_%d", steps);
    show_result(s, name, cured.height);
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "shows the wrong gradient of a bounce, and the right one", NULL, 0);
    ds_tape *t = ds_tape_create(NULL);
    ds_real naive_error[ITERATIONS], error[ITERATIONS];
    show_plot p = { 0 };

    draw_heights(&s, t);
    const double naive_start = descend(t, naive_step, naive_error), start = descend(t, impact_step, error);
    p.title = "Gradient descent to a final height of 0.4 m";
    p.x_label = "iteration";
    p.y_label = "distance from 0.4 m (m)";
    p.log_y = p.points = 1;
    show_curve(&p, "time of impact", NULL, error, ITERATIONS);
    show_curve(&p, "naive", NULL, naive_error, ITERATIONS);
    show_plot_save(&p, &s, "descent");

    print_table(t);
    printf("descent: the naive gradient goes to a start at %.3f m, the right one to %.3f m (exact 0.612 m)\n",
           naive_start, start);
    for (int i = 0; i < STEP_SIZES; i++) show_flights(&s, t, STEPS[i]);
    show_result(&s, "start_naive", naive_start);
    show_result(&s, "start_impact", start);
    ds_tape_destroy(t);
    return show_end(&s);
}
