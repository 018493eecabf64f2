/* How a gradient grows, or fades, with the number of steps it goes back through.

   A car with constant throttle and linear drag, 10 000 steps of a millisecond (figure 9 of the DiffTaichi
   paper, Hu et al., ICLR 2020): v' = s v + dt a, x' = x + dt v', s = exp(-beta dt). How does the way x_n
   depend on the throttle a, and how the speed v_n on the first speed? Both have closed forms, and the tape
   agrees:

       dx_n/da  = dt^2 [n / (1 - s) - s (1 - s^n) / (1 - s)^2]     without drag dt^2 n (n + 1) / 2
       dv_n/dv0 = s^n                                              exponential, growing or fading

   So twice the horizon needs a quarter of the learning rate without drag, half of it with drag, and with
   negative drag, an unstable system, there is no such rule: the gradient explodes.

   make -C examples gradient_explosion && examples/build/gradient_explosion
   prints the gradients at the end and by how much they differ from the closed forms; draws throttle.png and
   speed.png. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { STEPS = 10000, EVERY = 100, SHOWN = STEPS / EVERY, CARS = 5 };
static const double DT = 1e-3; /* s */
static const double THROTTLE = 1; /* m/s^2 */
static const struct { double beta; const char *legend, *name; } CAR[CARS] = {
    { -1, "drag -1/s (unstable)", "unstable" }, { 0, "no drag", "undamped" }, { 1, "drag 1/s", "damped_1" },
    { 3, "drag 3/s", "damped_3" }, { 10, "drag 10/s", "damped_10" },
};

/* what each car's plots show: gradients after EVERY, 2 EVERY, ... steps */
typedef struct history { ds_real by_throttle[SHOWN], by_speed[SHOWN]; } history;

static double exact_by_throttle(double beta, double n)
{
    double s = exp(-beta * DT), less = -expm1(-beta * DT); /* 1 - s */
    if (beta == 0) return DT * DT * n * (n + 1) / 2;
    return DT * DT * (n / less + s * expm1(-beta * DT * n) / (less * less));
}
static double exact_by_speed(double beta, double n) { return exp(-beta * DT * n); }

/* the car's whole way on one tape, and a gradient from every EVERY-th step back to the start */
static ds_result drive(ds_tape *t, double beta, history *h)
{
    static ds_var x[STEPS + 1], v[STEPS + 1];
    ds_tape_reset(t);
    ds_var a = ds_input(t, THROTTLE), push = ds_mul(ds_c(DT), a);
    x[0] = ds_input(t, 0);
    v[0] = ds_input(t, 0);
    for (int n = 0; n < STEPS; n++) {
        v[n + 1] = ds_fma(ds_c(exp(-beta * DT)), v[n], push);
        x[n + 1] = ds_fma(ds_c(DT), v[n + 1], x[n]);
    }
    for (int k = 0; k < SHOWN; k++) {
        ds_backward(x[(k + 1) * EVERY]);
        h->by_throttle[k] = ds_grad(a);
        ds_backward(v[(k + 1) * EVERY]);
        h->by_speed[k] = ds_grad(v[0]);
    }
    return ds_tape_error(t)->code;
}

/* the largest relative difference to the closed forms */
static double miss(double beta, const history *h)
{
    double worst = 0;
    for (int k = 0; k < SHOWN; k++) {
        double n = (k + 1.0) * EVERY, throttle = exact_by_throttle(beta, n), speed = exact_by_speed(beta, n);
        worst = fmax(worst, fabs((double)h->by_throttle[k] - throttle) / throttle);
        worst = fmax(worst, fabs((double)h->by_speed[k] - speed) / speed);
    }
    return worst;
}

static void draw(show *s, const history h[CARS])
{
    static ds_real steps[SHOWN];
    show_plot throttle = { 0 }, speed = { 0 };
    for (int k = 0; k < SHOWN; k++) steps[k] = (ds_real)((k + 1) * EVERY);
    throttle.title = "How the way depends on the throttle";
    throttle.y_label = "dx/da  (s^2)";
    throttle.log_x = throttle.log_y = 1;
    speed.title = "How the speed depends on the first speed";
    speed.y_label = "dv/dv0";
    speed.log_y = 1;
    throttle.x_label = speed.x_label = "steps";
    for (int i = 0; i < CARS; i++) {
        show_curve(&throttle, CAR[i].legend, steps, h[i].by_throttle, SHOWN);
        show_curve(&speed, CAR[i].legend, steps, h[i].by_speed, SHOWN);
    }
    show_plot_save(&throttle, s, "throttle");
    show_plot_save(&speed, s, "speed");
}

int main(int argc, char **argv)
{
    static history h[CARS];
    show s = show_start(argc, argv, "shows how gradients explode and vanish over many time steps", NULL, 0);
    ds_tape *t = ds_tape_create(NULL);
    double worst = 0;
    char name[64];

    for (int i = 0; i < CARS; i++) {
        if (drive(t, CAR[i].beta, &h[i])) {
            fprintf(stderr, "%s\n", ds_tape_error(t)->text);
            return 1;
        }
        worst = fmax(worst, miss(CAR[i].beta, &h[i]));
        show_progress(&s, i + 1, CARS, "%s", CAR[i].legend);
    }
    draw(&s, h);

    printf("after %d steps      dx/da (s^2)    of half the steps   dv/dv0\n", STEPS);
    for (int i = 0; i < CARS; i++)
        printf("%-20s %12.6g %12.3g times     %12.3g\n", CAR[i].legend, (double)h[i].by_throttle[SHOWN - 1],
               (double)(h[i].by_throttle[SHOWN - 1] / h[i].by_throttle[SHOWN / 2 - 1]),
               (double)h[i].by_speed[SHOWN - 1]);
    for (int i = 0; i < CARS; i++) {
        snprintf(name, sizeof name, "throttle_%s", CAR[i].name);
        show_result(&s, name, (double)h[i].by_throttle[SHOWN - 1]);
        snprintf(name, sizeof name, "speed_%s", CAR[i].name);
        show_result(&s, name, (double)h[i].by_speed[SHOWN - 1]);
    }
    show_result(&s, "difference", worst);
    ds_tape_destroy(t);
    return show_end(&s);
}
