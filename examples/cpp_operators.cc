/* C++: write down the energy of a double pendulum, and the tape finds the equations of motion.

   Hamilton's equations are q' = dH/dp and p' = -dH/dq. Here nobody differentiates H: it is one template.
   With ds_var it is recorded, and its gradient moves the pendulum; with double it tells whether the energy is
   conserved.

   make -C examples cpp_operators && examples/build/cpp_operators
   prints a certificate for the gradient, then the swing (o and * are the two bobs) with its energy. */
#define DIFFSIM_IMPLEMENTATION
#define DIFFSIM_OPERATORS
#include "../diffsim.h"
#include <stdio.h>

/* angles from the vertical and their momenta; two masses of 1 kg on two rods of 1 m (J) */
template <class T> static T energy(T q1, T q2, T p1, T p2)
{
    const T bend = q1 - q2, s = sin(bend);
    const T kinetic = (p1 * p1 + 2 * p2 * p2 - 2 * p1 * p2 * cos(bend)) / (2 + 2 * s * s);
    return kinetic - 9.81 * (2 * cos(q1) + cos(q2));
}

static ds_result gradient(void *user, const double *x, size_t n, double *value, double *grad)
{
    ds_tape *t = static_cast<ds_tape *>(user);
    ds_tape_reset(t);
    const ds_vars in = ds_inputs(t, x, n);
    const ds_var H = energy(ds_vars_at(in, 0), ds_vars_at(in, 1), ds_vars_at(in, 2), ds_vars_at(in, 3));
    *value = ds_value(H);
    return grad && !ds_backward(H) ? ds_grads(in, grad) : ds_tape_error(t)->code;
}

/* a step of Runge and Kutta's fourth order; x = (q1, q2, p1, p2), so x' = (dH/dp, -dH/dq) */
static void step(ds_tape *t, double *x, double dt)
{
    static const double part[4] = { 0, 0.5, 0.5, 1 }, weight[4] = { 1, 2, 2, 1 };
    double y[4], H, grad[4], slope[4] = { 0, 0, 0, 0 }, sum[4] = { 0, 0, 0, 0 };
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 4; i++) y[i] = x[i] + part[k] * dt * slope[i];
        gradient(t, y, 4, &H, grad);
        for (int i = 0; i < 4; i++) {
            slope[i] = i < 2 ? grad[i + 2] : -grad[i - 2];
            sum[i] += weight[k] * slope[i];
        }
    }
    for (int i = 0; i < 4; i++) x[i] += dt / 6 * sum[i];
}

int main()
{
    double x[4] = { 2, 2.4, 0, 0 }, worst = 0;
    const double start = energy(x[0], x[1], x[2], x[3]);
    ds_tape *t = ds_tape_create(ds_tape_desc{});
    ds_check_report report;

    ds_check_gradient(gradient, t, x, 4, {}, &report);
    printf("%s\n\n", report.text);
    for (int i = 0; i < 3000; i++) {
        const double drift = energy(x[0], x[1], x[2], x[3]) - start, side = sin(x[0]);
        if (i % 100 == 0) {
            char line[] = "                              |                              ";
            line[30 + (int)floor(15 * side + 0.5)] = 'o';
            line[30 + (int)floor(15 * (side + sin(x[1])) + 0.5)] = '*';
            printf("%3.1f s %s energy %.6f J\n", i * 1e-3, line, start + drift);
        }
        if (fabs(drift) > worst) worst = fabs(drift);
        step(t, x, 1e-3);
    }
    printf("\nthe energy is conserved to %.1g J\nresult drift %.17g\n", worst, worst);
    ds_tape_destroy(t);
    return report.result != DSIM_OK;
}
