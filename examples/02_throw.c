/* A ball is thrown through air so that it meets a target after two seconds: which launch velocity?

   The flight, with quadratic drag, is recorded on a tape; one gradient tells how the miss depends on the
   launch velocity, and gradient descent does the rest.

   make -C examples 02_throw && examples/build/02_throw
   prints the miss while it shrinks, the launch velocity and a certificate for the gradient; draws throw.png,
   the first flights in blue and the last in red. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { STEPS = 200, THROWS = 30 };
static const double DT = 0.01; /* s */
static const double GRAVITY = 9.81; /* m/s^2 */
static const double DRAG = 0.0061; /* 1/m: half air density * drag coefficient * area / mass of a baseball */
static const ds_v3 START = { 0, 2, 0 }, TARGET = { 45, 1, 0 }; /* m */

/* squared distance to the target after the flight (m^2); path [STEPS + 1], if wanted */
static ds_var miss(ds_tape *t, ds_var3 velocity, ds_v3 *path)
{
    ds_var3 x = ds_input3(t, START), v = velocity;
    ds_var3 fall = ds_input3(t, ds_v3_make(0, (ds_real)(-GRAVITY * DT), 0));
    for (int i = 0; i < STEPS; i++) {
        if (path) path[i] = ds_value3(x);
        ds_var slow = ds_mul(ds_c(-DRAG * DT), ds_norm3(v)); /* -k |v| dt */
        v = ds_add3(ds_axpy3(slow, v, v), fall);
        x = ds_axpy3(ds_c(DT), v, x);
    }
    if (path) path[STEPS] = ds_value3(x);
    ds_var3 off = ds_sub3(x, ds_input3(t, TARGET));
    return ds_dot3(off, off);
}

static ds_result throw_ball(void *user, const ds_real *v, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = user;
    ds_tape_reset(t);
    ds_vars in = ds_inputs(t, v, n);
    ds_var loss = miss(t, ds_vars_at3(in, 0), NULL);
    *value = ds_value(loss);
    return grad && !ds_backward(loss) ? ds_grads(in, grad) : ds_tape_error(t)->code;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "finds the launch velocity that hits a target through air drag", NULL, 0);
    show_canvas *c = show_canvas_create(1000, -2, 48, -1, 14);
    ds_tape *t = ds_tape_create(NULL);
    ds_real v[3] = { 15, 15, 0 }, grad[3], loss = 0; /* m/s */
    ds_check_report report;

    show_clear(c, SHOW_WHITE);
    show_box(c, -2, -1, 48, 0, SHOW_PALE);
    for (int i = 0; i < THROWS; i++) {
        ds_v3 path[STEPS + 1];
        if (throw_ball(t, v, 3, &loss, grad)) {
            fprintf(stderr, "%s\n", ds_tape_error(t)->text);
            return 1;
        }
        miss(t, ds_input3(t, ds_v3_make(v[0], v[1], v[2])), path);
        show_polyline(c, &path[0].x, STEPS + 1, 3, i + 1 < THROWS ? 1.5 : 4,
                      i + 1 < THROWS ? show_mix(SHOW_SKY, SHOW_BLUE, i / (double)THROWS) : SHOW_RED);
        show_progress(&s, i + 1, THROWS, "miss %.3g m", sqrt((double)loss));
        if (i + 1 < THROWS) /* without drag the end moves by 2 s * dv, so a step of 1/8 would be Newton's */
            for (int k = 0; k < 3; k++) v[k] -= (ds_real)(1.0 / 8) * grad[k];
    }
    show_disc(c, &TARGET.x, 0.4, SHOW_INK);
    show_canvas_save(c, &s, "throw.png");

    if (ds_check_gradient(throw_ball, t, v, 3, NULL, &report)) fprintf(stderr, "%s\n", report.text);
    const double speed = (double)ds_v3_norm(ds_v3_make(v[0], v[1], v[2]));
    printf("launch at %.3f m/s, %.2f degrees; the ball misses by %.2g m\n%s\n", speed,
           asin((double)v[1] / speed) * 180 / 3.14159265358979, sqrt((double)loss), report.text);
    show_result(&s, "miss", sqrt((double)loss));
    show_result(&s, "velocity_x", (double)v[0]);
    show_result(&s, "velocity_y", (double)v[1]);
    show_canvas_destroy(c);
    ds_tape_destroy(t);
    return show_end(&s);
}
