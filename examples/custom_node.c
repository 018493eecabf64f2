/* A node of your own: an equation solved by iteration, differentiated without differentiating the iteration.

   Kepler: where on its ellipse is a planet at a given time? The eccentric anomaly E solves
   E - e sin E = M. Newton's method finds it; the implicit function theorem gives its derivatives at the
   solution, dE = (dM + sin E de) / (1 - e cos E), whatever the number of iterations. The node has a value, a
   reverse, a tangent and a second-order function, so gradients, directions and Hessians pass through it.

   make -C examples custom_node && examples/build/custom_node
   prints the place of the planet, its derivatives, and the same by differences. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include <math.h>
#include <stdio.h>

enum { M, ECC }; /* inputs: mean anomaly, eccentricity */

static ds_result kepler(const ds_custom_io *io)
{
    double E = io->in[M];
    for (int i = 0; i < 50; i++) {
        double step = (E - io->in[ECC] * sin(E) - io->in[M]) / (1 - io->in[ECC] * cos(E));
        E -= step;
        if (fabs(step) < 1e-15) break;
    }
    io->out[0] = E;
    return DSIM_OK;
}

/* E_M = 1 / d, E_e = sin E / d,  d = 1 - e cos E */
static ds_result kepler_reverse(const ds_custom_io *io)
{
    double E = io->out[0], d = 1 - io->in[ECC] * cos(E);
    io->in_bar[M] += io->out_bar[0] / d;
    io->in_bar[ECC] += io->out_bar[0] * sin(E) / d;
    return DSIM_OK;
}

static ds_result kepler_tangent(const ds_custom_io *io)
{
    double E = io->out[0];
    io->out_dot[0] += (io->in_dot[M] + sin(E) * io->in_dot[ECC]) / (1 - io->in[ECC] * cos(E));
    return DSIM_OK;
}

/* the reverse above along the tangent: d_dot = -e_dot cos E + e sin E E_dot */
static ds_result kepler_second(const ds_custom_io *io)
{
    double E = io->out[0], e = io->in[ECC], d = 1 - e * cos(E), g = io->out_bar[0];
    double E_dot = (io->in_dot[M] + sin(E) * io->in_dot[ECC]) / d;
    double d_dot = -io->in_dot[ECC] * cos(E) + e * sin(E) * E_dot;
    io->in_bar_dot[M] += io->out_bar_dot[0] / d - g * d_dot / (d * d);
    io->in_bar_dot[ECC] +=
        (io->out_bar_dot[0] * sin(E) + g * cos(E) * E_dot) / d - g * sin(E) * d_dot / (d * d);
    return DSIM_OK;
}

static const ds_custom_type KEPLER = { "kepler", kepler, kepler_reverse, kepler_tangent, kepler_second };

/* distance of the planet from the point (0, 1), in half axes of the ellipse */
static ds_var distance(const ds_var *in)
{
    ds_var E = ds_vars_at(ds_custom(&KEPLER, NULL, in, 2, 1), 0);
    ds_var x = ds_sub(ds_cos(E), in[ECC]);
    ds_var y = ds_mul(ds_sqrt(ds_sub(ds_c(1), ds_square(in[ECC]))), ds_sin(E));
    return ds_hypot(x, ds_sub(y, ds_c(1)));
}

static double distance_at(ds_tape *t, double anomaly, double eccentricity)
{
    ds_tape_reset(t);
    ds_var in[2] = { ds_input(t, anomaly), ds_input(t, eccentricity) };
    return ds_value(distance(in));
}

int main(void)
{
    const double h = 1e-5;
    ds_tape *t = ds_tape_create(NULL);
    ds_var in[2] = { ds_input(t, 1.0), ds_input(t, 0.6) }, f = distance(in);
    ds_real H[4];
    if (ds_hessian(f, in, 2, H)) return fprintf(stderr, "%s\n", ds_tape_error(t)->text), 1;
    double value = ds_value(f), by_M = ds_grad(in[M]), by_e = ds_grad(in[ECC]);
    printf("distance %.6f, by M %.6f, by e %.6f\n", value, by_M, by_e);
    printf("second derivatives %.6f %.6f %.6f\n", H[0], H[1], H[3]);
    double up = distance_at(t, 1, 0.6 + h), down = distance_at(t, 1, 0.6 - h);
    printf("by differences: by e %.6f, twice by e %.4f\n", (up - down) / (2 * h),
           (up - 2 * value + down) / (h * h));
    printf("result by_M %.17g\nresult by_e %.17g\nresult by_e_e %.17g\n", by_M, by_e, H[3]);
    printf("result error %.1e\nresult error2 %.1e\n", fabs(by_e - (up - down) / (2 * h)),
           fabs(H[3] - (up - 2 * value + down) / (h * h)));
    ds_tape_destroy(t);
    return 0;
}
