/* A weight on a spring was filmed; the measured positions are noisy. What are amplitude, damping and
   frequency, and how sure can we be?

   The model, written once in ds_ operations, is recorded on a tape for one measurement after the other;
   ds_backward gives the row of the Jacobian. Levenberg-Marquardt (ds_minimise) fits the five parameters, and
   ds_covariance gives their standard errors.

   make -C examples fit_a_curve && examples/build/fit_a_curve
   prints why the fit ended and each parameter with its error beside the truth; draws fit.png: measurements as
   error bars, the guess, the fit. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { AMPLITUDE, DECAY, OMEGA, PHASE, OFFSET, PARAMETERS, MEASUREMENTS = 120, CURVE = 400 };
static const char *const NAME[] = { "amplitude", "decay", "omega", "phase", "offset" };
static const char *const UNIT[] = { "m", "1/s", "rad/s", "rad", "m" };
static const ds_real TRUTH[] = { (ds_real)0.8, (ds_real)0.25, 4, (ds_real)0.6, (ds_real)0.1 };
static const ds_real GUESS[] = { 1, (ds_real)0.1, (ds_real)3.6, 0, 0 };
static const double NOISE = 0.05, DURATION = 10; /* m, s */

typedef struct film {
    ds_tape *tape;
    ds_real t[MEASUREMENTS], y[MEASUREMENTS]; /* s, m */
} film;

/* A exp(-c t) cos(w t + phi) + y0 */
static ds_var position(ds_vars p, double t)
{
    ds_var angle = ds_add(ds_mul(ds_vars_at(p, OMEGA), ds_c(t)), ds_vars_at(p, PHASE));
    ds_var size = ds_mul(ds_vars_at(p, AMPLITUDE), ds_exp(ds_mul(ds_vars_at(p, DECAY), ds_c(-t))));
    return ds_add(ds_mul(size, ds_cos(angle)), ds_vars_at(p, OFFSET));
}

/* r [MEASUREMENTS] = (model - measured) / noise; each is recorded, differentiated and rewound */
static ds_result misses(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian)
{
    film *f = user;
    ds_tape_reset(f->tape);
    ds_vars p = ds_inputs(f->tape, x, n);
    ds_mark mark = ds_tape_mark(f->tape);
    for (size_t i = 0; i < MEASUREMENTS; i++) {
        ds_var off = ds_sub(position(p, (double)f->t[i]), ds_c((double)f->y[i]));
        ds_var miss = ds_mul(off, ds_c(1 / NOISE));
        r[i] = ds_value(miss);
        if (jacobian && (ds_backward(miss) || ds_grads(p, jacobian + i * n))) break;
        if (ds_tape_rewind(f->tape, mark)) break;
    }
    return ds_tape_error(f->tape)->code;
}

static void curve(ds_tape *t, const ds_real *x, ds_real *time, ds_real *y)
{
    for (int i = 0; i < CURVE; i++) {
        ds_tape_reset(t);
        time[i] = (ds_real)(DURATION * i / (CURVE - 1));
        y[i] = ds_value(position(ds_inputs(t, x, PARAMETERS), (double)time[i]));
    }
}

static int progress(void *user, const ds_real *x, size_t n, const ds_minimise_report *r)
{
    (void)user, (void)x, (void)n;
    fprintf(stderr, "iteration %2d: |r|^2 / 2 = %.6g, damping %.1g\n", (int)r->iterations, r->value,
            r->damping);
    return 0;
}

static void draw(show *s, film *f, const ds_real *fitted)
{
    static ds_real bar_t[3 * MEASUREMENTS], bar_y[3 * MEASUREMENTS], t[CURVE], guess[CURVE], fit[CURVE];
    show_plot p = { 0 };
    for (int i = 0; i < MEASUREMENTS; i++)
        for (int k = 0; k < 3; k++) { /* low end, high end, gap */
            bar_t[3 * i + k] = f->t[i];
            bar_y[3 * i + k] = k < 2 ? f->y[i] + (ds_real)(k ? NOISE : -NOISE) : (ds_real)NAN;
        }
    curve(f->tape, GUESS, t, guess);
    curve(f->tape, fitted, t, fit);
    p.title = "A damped oscillation, fitted";
    p.x_label = "time (s)";
    p.y_label = "position (m)";
    show_curve(&p, "measured, one standard deviation", bar_t, bar_y, 3 * MEASUREMENTS);
    show_curve(&p, "fit", t, fit, CURVE);
    show_curve(&p, "guess", t, guess, CURVE);
    show_plot_save(&p, s, "fit");
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "fits a decaying oscillation to noisy measurements", NULL, 0);
    ds_rng rng = ds_rng_make((uint64_t)s.seed, 0);
    ds_real x[PARAMETERS], covariance[PARAMETERS * PARAMETERS];
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    ds_minimise_report report;
    double worst = 0;
    film f;

    f.tape = ds_tape_create(NULL);
    for (int i = 0; i < MEASUREMENTS; i++) {
        ds_tape_reset(f.tape);
        f.t[i] = (ds_real)(DURATION * i / MEASUREMENTS);
        f.y[i] = ds_value(position(ds_inputs(f.tape, TRUTH, PARAMETERS), (double)f.t[i]));
        f.y[i] += (ds_real)NOISE * ds_rng_normal(&rng);
    }
    memcpy(x, GUESS, sizeof x);
    problem.user = &f;
    problem.n = PARAMETERS;
    problem.n_residuals = MEASUREMENTS;
    problem.residuals = misses;
    desc.watch = progress;
    if (ds_minimise(&problem, &desc, x, &report) || ds_covariance(&problem, &desc, x, covariance)) {
        fprintf(stderr, "%s\n", report.text);
        return 1;
    }
    draw(&s, &f, x);

    printf("%s\n", report.text);
    for (int i = 0; i < PARAMETERS; i++) {
        const double error = sqrt((double)covariance[i * PARAMETERS + i]), off = (double)(x[i] - TRUTH[i]);
        printf("%-9s %8.4f +- %.4f %-5s  (truth %g)\n", NAME[i], (double)x[i], error, UNIT[i],
               (double)TRUTH[i]);
        if (fabs(off) / error > worst) worst = fabs(off) / error;
    }
    for (int i = 0; i < PARAMETERS; i++) show_result(&s, NAME[i], (double)x[i]);
    show_result(&s, "chi_square_per_freedom", 2 * report.value / (MEASUREMENTS - PARAMETERS));
    show_result(&s, "worst_in_standard_errors", worst);
    show_result(&s, "iterations", (double)report.iterations);
    ds_tape_destroy(f.tape);
    return show_end(&s);
}
