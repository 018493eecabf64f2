/* Three points, three springs: which rest lengths make the triangle end with area 0.1?

   The first simulator of the DiffTaichi paper (Hu et al., ICLR 2020, figure 2). A second of damped motion,
   1023 steps of semi-implicit Euler, is recorded on one tape; ds_backward gives the derivative of the squared
   area error by the three rest lengths; gradient descent finds them in 25 iterations.

   make -C examples run    or    make -C examples mass_spring && examples/build/mass_spring
   shows the loss while it falls, the rest lengths found, and draws loss.png, before.png and after.png.
   --wall adds the wall at x = 0.4 that the paper's public code has and its text has not.

   The DiffTaichi listing divides by |d| + 1e-4; so does this, to give its numbers. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { STEPS = 1023, ITERATIONS = 25, FRAME = 33 };
static const double DT = 1e-3, STIFFNESS = 10, DAMPING = 20; /* s, 1/s^2 (masses are 1), 1/s */
static const double TARGET_AREA = 0.1, LEARNING_RATE = 5, WALL = 0.4;
static const int SPRING[3][2] = { { 0, 1 }, { 1, 2 }, { 2, 0 } };
static const ds_v3 POINT[3] = { { (ds_real)0.3, (ds_real)0.5, 0 },
                                { (ds_real)0.3, (ds_real)0.4, 0 },
                                { (ds_real)0.4, (ds_real)0.4, 0 } };

/* positions of the three points, every FRAME steps, for the pictures */
typedef struct film { ds_v3 frame[STEPS / FRAME + 1][3]; } film;

/* the velocity behind the wall: no way in, and friction along it. The branches are those of this run. */
static ds_var3 stop_at_wall(ds_var3 v)
{
    ds_var vx = ds_x(v), vy = ds_y(v), friction = ds_mul(ds_c(0.01), vx);
    if (ds_value(vy) > 0) vy = ds_sub(vy, ds_min(vy, friction));
    if (ds_value(vy) < 0) vy = ds_add(vy, ds_min(ds_neg(vy), friction));
    return ds_pack3(ds_c(0), vy, ds_z(v));
}

static void step(ds_var3 x[3], ds_var3 v[3], ds_vars rest, int wall)
{
    ds_var3 impulse[3];
    for (int i = 0; i < 3; i++) impulse[i] = ds_scale3(v[i], ds_c(exp(-DT * DAMPING)));
    for (int s = 0; s < 3; s++) {
        int a = SPRING[s][0], b = SPRING[s][1];
        ds_var3 d = ds_sub3(x[a], x[b]);
        ds_var length = ds_add(ds_norm3(d), ds_c(1e-4));
        ds_var stretch = ds_sub(length, ds_vars_at(rest, (size_t)s));
        ds_var pull = ds_div(ds_mul(ds_c(DT * STIFFNESS), stretch), length);
        impulse[a] = ds_naxpy3(pull, d, impulse[a]);
        impulse[b] = ds_axpy3(pull, d, impulse[b]);
    }
    for (int i = 0; i < 3; i++) {
        v[i] = impulse[i];
        x[i] = ds_axpy3(ds_c(DT), v[i], x[i]);
        if (wall && ds_value(ds_x(x[i])) > (ds_real)WALL && ds_value(ds_x(v[i])) > 0)
            v[i] = stop_at_wall(v[i]);
    }
}

/* the area at the end, from the rest lengths */
static ds_var simulate(ds_tape *t, ds_vars rest, int wall, film *f)
{
    ds_var3 x[3], v[3];
    for (int i = 0; i < 3; i++) {
        x[i] = ds_input3(t, POINT[i]);
        v[i] = ds_input3(t, ds_v3_make(0, 0, 0));
    }
    for (int n = 0; n < STEPS; n++) {
        for (int i = 0; i < 3 && n % FRAME == 0; i++) f->frame[n / FRAME][i] = ds_value3(x[i]);
        step(x, v, rest, wall);
    }
    for (int i = 0; i < 3; i++) f->frame[STEPS / FRAME][i] = ds_value3(x[i]);
    return ds_abs(ds_mul(ds_c(0.5), ds_z(ds_cross3(ds_sub3(x[0], x[1]), ds_sub3(x[0], x[2])))));
}

static void draw_triangle(show_canvas *c, const ds_v3 p[3], double width, uint32_t colour)
{
    for (int s = 0; s < 3; s++) show_line(c, &p[SPRING[s][0]].x, &p[SPRING[s][1]].x, width, colour);
}

/* the way of the triangle in pale lines, the start in grey, the end with its three points */
static void draw(show *s, const char *name, const film *f, int wall)
{
    const int last = STEPS / FRAME;
    show_canvas *c = show_canvas_create(800, 0, 0.8, 0.05, 0.85);
    show_clear(c, 0xf4f4f4);
    if (wall) show_box(c, WALL, 0, 0.8, 1, SHOW_PALE);
    for (int k = 0; k < last; k++)
        draw_triangle(c, f->frame[k], 1.5, show_mix(0xdcdcdc, SHOW_SKY, k / (double)last));
    draw_triangle(c, f->frame[0], 2.5, SHOW_GREY);
    draw_triangle(c, f->frame[last], 5, SHOW_BLUE);
    for (int i = 0; i < 3; i++) show_disc(c, &f->frame[last][i].x, 0.012, 0x3d4c40);
    show_canvas_save(c, s, name);
    show_canvas_destroy(c);
}

int main(int argc, char **argv)
{
    int wall = 0;
    const show_flag flags[] = { { "--wall", SHOW_SWITCH, &wall, "with the public code's wall at x = 0.4" } };
    show s = show_start(argc, argv, "finds the rest lengths that give a triangle of springs the area 0.1",
                        flags, 1);
    ds_tape *t = ds_tape_create(NULL);
    ds_real rest[3] = { (ds_real)0.1, (ds_real)0.1, (ds_real)0.14142135623730953 };
    ds_real first[3] = { 0 }, grad[3], losses[ITERATIONS], area;
    film f;

    for (int k = 0; k < ITERATIONS; k++) {
        ds_tape_reset(t);
        ds_vars length = ds_inputs(t, rest, 3);
        ds_var end = simulate(t, length, wall, &f);
        ds_var loss = ds_square(ds_sub(end, ds_c(TARGET_AREA)));
        if (ds_backward(loss) || ds_grads(length, grad)) {
            fprintf(stderr, "%s\n", ds_tape_error(t)->text);
            return 1;
        }
        losses[k] = ds_value(loss);
        if (k == 0) {
            draw(&s, "before.png", &f, wall);
            memcpy(first, grad, sizeof first);
        }
        for (int i = 0; i < 3; i++) rest[i] -= (ds_real)LEARNING_RATE * grad[i];
        show_progress(&s, k + 1, ITERATIONS, "loss %.3g, area %.4f", (double)losses[k],
                      (double)ds_value(end));
    }
    ds_tape_reset(t);
    area = ds_value(simulate(t, ds_inputs(t, rest, 3), wall, &f));
    draw(&s, "after.png", &f, wall);

    show_plot p = { 0 };
    p.title = "Area error of the triangle";
    p.x_label = "iteration of gradient descent";
    p.y_label = "(area - 0.1)^2  (m^4)";
    p.log_y = 1;
    show_curve(&p, wall ? "with the wall" : "mass-spring triangle", NULL, losses, ITERATIONS);
    show_plot_save(&p, &s, "loss");

    printf("rest lengths (%.3f, %.3f, %.3f) give the area %.4f\n", (double)rest[0], (double)rest[1],
           (double)rest[2], (double)area);
    show_result(&s, "loss_first", (double)losses[0]);
    show_result(&s, "gradient_0", (double)first[0]);
    show_result(&s, "gradient_1", (double)first[1]);
    show_result(&s, "gradient_2", (double)first[2]);
    show_result(&s, "loss_last", (double)losses[ITERATIONS - 1]);
    show_result(&s, "rest_0", (double)rest[0]);
    show_result(&s, "rest_1", (double)rest[1]);
    show_result(&s, "rest_2", (double)rest[2]);
    show_result(&s, "area", (double)area);
    ds_tape_destroy(t);
    return show_end(&s);
}
