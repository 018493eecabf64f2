/* Six ways to let a ball bounce, what each does to the flight and what to its gradient.

   A ball falls on an elastic floor, another is thrown at a target and bounces once on its way. Both have
   closed forms, so that each model has two errors: where the ball is in the end, and how that depends on the
   start (the drop height; the launch velocity). The models:

     naive           the velocity turns at the end of the step that finds the ball below the floor
     time of impact  the step is cut where the ball meets the floor, and that moment is differentiated
     penalty         a spring below the floor, its force twice differentiable
     softplus        a spring whose force begins smoothly above the floor
     barrier         a force that grows without limit towards the floor and ends at a small height (IPC)
     leaky           forward the plain spring k max(-y, 0); backward the slope of softplus, which also feels
                     a floor that the ball does not touch: not the gradient of what is computed

   The naive model is nearly right about the flight, and about its gradient wrong for ever, though its
   gradient is the exact derivative of what is computed: which step is the first below the floor is a jump.
   Springs are right about both, as far as the contact is short against the flight, and the step against the
   contact: with springs ten times as stiff and steps four times as long flights become better still, but
   their slopes a hundred times too large. (The end of a step in the contact then makes more of a difference
   than the start of the flight.)

   make -C examples bounce_models && examples/build/bounce_models
   prints a table; draws bounce.png, the slope of the final height over the drop height, and throw.png: the
   throws and, as lines beside their end, how far each gradient says that it moves if vy grows by 0.3 m/s. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { NAIVE, IMPACT, PENALTY, SOFTPLUS, BARRIER, LEAKY, MODELS, STEPS = 16000, POINTS = 200, HEIGHTS = 101 };
static const double GRAVITY = 9.81, MASS = 1, DURATION = 0.8; /* m/s^2, kg, s */
static const double STIFFNESS = 4e5, WIDTH = 2e-3, SHARPNESS = 1500; /* N/m, m, 1/m */
static const double RANGE = 2e-2, BARRIER_STIFFNESS = 1.5e5; /* m, N/m^2: kappa of E = kappa b(d) */

typedef struct bounce {
    const char *name;
    ds_gradient_label label;
    uint32_t colour;
} bounce;
static const bounce models[MODELS] = {
    { "naive", DSIM_GRADIENT_EXACT, SHOW_BLUE },
    { "time of impact", DSIM_GRADIENT_EVENT_CORRECTED, SHOW_RED },
    { "penalty", DSIM_GRADIENT_EXACT, SHOW_GREEN },
    { "softplus", DSIM_GRADIENT_EXACT, SHOW_ORANGE },
    { "barrier", DSIM_GRADIENT_EXACT, SHOW_PINK },
    { "leaky", DSIM_GRADIENT_STRAIGHT_THROUGH, SHOW_SKY },
};

/* the force of the floor on a ball at height y (N) */
static ds_var floor_force(int model, ds_var y)
{
    const ds_var depth = ds_neg(y), zero = ds_c(0);
    if (model == PENALTY) {
        /* compact ramp: t = (depth + w) / (2 w) in [0, 1], 2 w (t^3 - t^4 / 2), then depth itself */
        const ds_var t = ds_clamp(ds_div(ds_add(depth, ds_c(WIDTH)), ds_c(2 * WIDTH)), zero, ds_c(1));
        const ds_var cube = ds_mul(t, ds_square(t));
        const ds_var ramp = ds_mul(ds_c(2 * WIDTH), ds_sub(cube, ds_mul(ds_c(0.5), ds_mul(cube, t))));
        return ds_mul(ds_c(STIFFNESS), ds_select(ds_lt(depth, ds_c(WIDTH)), ramp, depth));
    }
    if (model == BARRIER) {
        /* -b'(d), b = -kappa (d - r)^2 ln(d / r) below r; a step never comes to d = 0 where it is stable */
        const ds_var d = ds_min(y, ds_c(RANGE)), off = ds_sub(d, ds_c(RANGE));
        const ds_var slope = ds_add(ds_mul(ds_mul(ds_c(2), off), ds_log(ds_div(d, ds_c(RANGE)))),
                                    ds_div(ds_square(off), d));
        return ds_mul(ds_c(BARRIER_STIFFNESS), slope);
    }
    const ds_var soft = ds_mul(ds_c(STIFFNESS / SHARPNESS), ds_softplus(ds_mul(ds_c(SHARPNESS), depth)));
    if (model == SOFTPLUS) return soft;
    /* the value of max(depth, 0) k, the derivative of soft */
    const ds_var hard = ds_mul(ds_c(STIFFNESS), ds_max(depth, zero));
    return ds_add(soft, ds_stop_gradient(ds_sub(hard, soft)));
}

/* state: x, y (m), vx, vy (m/s). Between contacts flights are exact: y + v h - g h^2 / 2 */
typedef struct flight { int model; double dt; } flight;

static void fly(ds_var *y, ds_var *v, ds_var time)
{
    const ds_var fall = ds_mul(ds_c(GRAVITY), time);
    *y = ds_add(*y, ds_mul(time, ds_sub(*v, ds_mul(ds_c(0.5), fall))));
    *v = ds_sub(*v, fall);
}

/* velocity Verlet for what has a force; the others fly, and turn */
static ds_result step(void *user, const ds_step_vars *at, ds_var *next)
{
    const flight *const f = (const flight *)user;
    const ds_var x = ds_vars_at(at->state, 0), vx = ds_vars_at(at->state, 2), h = ds_c(f->dt);
    ds_var y = ds_vars_at(at->state, 1), v = ds_vars_at(at->state, 3);
    if (f->model == NAIVE) {
        fly(&y, &v, h);
        if (ds_value(y) < 0 && ds_value(v) < 0) v = ds_neg(v);
    } else if (f->model == IMPACT) {
        ds_var end = y, speed = v;
        fly(&end, &speed, h);
        if (ds_value(end) < 0 && ds_value(speed) < 0) {
            /* y + v t - g t^2 / 2 = 0 */
            const ds_var root = ds_sqrt(ds_add(ds_square(v), ds_mul(ds_c(2 * GRAVITY), y)));
            const ds_var hit = ds_div(ds_add(v, root), ds_c(GRAVITY));
            fly(&y, &v, hit);
            speed = ds_neg(v);
            end = ds_sub(y, y); /* on the floor; y is rounding */
            fly(&end, &speed, ds_sub(h, hit));
        }
        y = end;
        v = speed;
    } else {
        const ds_var half = ds_c(0.5 * f->dt / MASS), weight = ds_c(-MASS * GRAVITY);
        v = ds_fma(half, ds_add(floor_force(f->model, y), weight), v);
        y = ds_fma(h, v, y);
        v = ds_fma(half, ds_add(floor_force(f->model, y), weight), v);
    }
    next[0] = ds_fma(h, vx, x);
    next[1] = y;
    next[2] = vx;
    next[3] = v;
    return DSIM_OK;
}

/* what is wanted of the end: its height, or half the squared distance from a target */
static const double TARGET[2] = { 2.2, 0.6 }; /* m */
static ds_result height_at_end(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    ds_real *const path = (ds_real *)user; /* [POINTS + 1][2] or NULL */
    const size_t every = STEPS / POINTS, at = io->step / every;
    for (int k = 0; k < 2 && path && io->step % every == 0; k++) path[at * 2 + (size_t)k] = io->state[k];
    if (io->left) return DSIM_OK;
    *value += io->state[1];
    if (bar && bar->state_bar) bar->state_bar[1] += 1;
    return DSIM_OK;
}
static ds_result miss_at_end(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    (void)user;
    for (int k = 0; k < 2 && !io->left; k++) {
        const ds_real off = io->state[k] - (ds_real)TARGET[k];
        *value += off * off / 2;
        if (bar && bar->state_bar) bar->state_bar[k] += off;
    }
    return DSIM_OK;
}

/* The exact end of a flight with one elastic bounce, and its derivatives by the start: with v the speed of
   impact, v^2 = vy^2 + 2 g y, and t = (vy + v) / g its time, the end is v s - g s^2 / 2 after s = T - t. */
typedef struct answer { double end[2], slope[2][4]; } answer; /* by x, y, vx, vy */
static answer exact(const ds_real *start)
{
    const double y = (double)start[1], vy = (double)start[3], g = GRAVITY;
    const double v = sqrt(vy * vy + 2 * g * y), t = (vy + v) / g, s = DURATION - t;
    const double v_by[2] = { g / v, vy / v }; /* by y, vy */
    answer a = { { (double)start[0] + (double)start[2] * DURATION, v * s - g * s * s / 2 },
                 { { 1, 0, DURATION, 0 }, { 0, 0, 0, 0 } } };
    for (int k = 0; k < 2; k++) {
        const double t_by = (v_by[k] + k) / g;
        a.slope[1][1 + 2 * k] = v_by[k] * s - (v - g * s) * t_by;
    }
    return a;
}

/* one model, one start: the end, the loss and its gradient by the start [4]. path [POINTS + 1][2] or NULL */
typedef struct outcome { double end[2], grad[4]; ds_gradient_label label; } outcome;
static int run(int model, const ds_real *start, ds_loss_fn *loss, ds_real *path, outcome *out)
{
    flight f = { model, DURATION / STEPS };
    ds_recorded_desc record = { 0 };
    ds_rollout_desc desc = { 0 };
    record.user = &f;
    record.n_state = 4;
    record.step = step;
    record.label = models[model].label;
    ds_recorded *recorded = ds_recorded_create(&record);
    desc.steps = STEPS;
    desc.loss = loss;
    desc.loss_user = path;
    ds_rollout *r = ds_rollout_create(ds_recorded_stepper(recorded), &desc);
    const int failed = !r || ds_rollout_set_state(r, start) || ds_rollout_backward(r);
    if (failed) fprintf(stderr, "%s: %s\n", models[model].name, ds_rollout_error(r)->text);
    for (int k = 0; k < 4 && !failed; k++) out->grad[k] = (double)ds_rollout_state_grad(r)[k];
    for (int k = 0; k < 2 && !failed; k++) out->end[k] = (double)ds_rollout_state(r, NULL)[k];
    out->label = ds_rollout_label(r);
    ds_rollout_destroy(r);
    ds_recorded_destroy(recorded);
    return failed;
}

static const ds_real DROP[4] = { 0, 1, 0, 0 }, THROW[4] = { 0, 1, (ds_real)2.4, 1 };

/* the slope of the final height over the drop height, 0.9 to 1.1 m: naive jumps, the others are smooth */
static int draw_slopes(show *s, int n)
{
    static ds_real heights[HEIGHTS], slopes[MODELS + 1][HEIGHTS];
    show_plot p = { 0 };
    outcome o;
    for (int i = 0; i < n; i++) {
        const ds_real start[4] = { 0, (ds_real)(0.9 + 0.2 * i / (n - 1)), 0, 0 };
        heights[i] = start[1];
        for (int m = 0; m < MODELS; m++) {
            if (run(m, start, height_at_end, NULL, &o)) return 1;
            slopes[m][i] = (ds_real)o.grad[1];
        }
        slopes[MODELS][i] = (ds_real)exact(start).slope[1][1];
        show_progress(s, i + 1, n, "drop height %.3f m", (double)start[1]);
    }
    p.title = "how the final height depends on the drop height";
    p.x_label = "drop height (m)";
    p.y_label = "d final height / d drop height";
    for (int m = 0; m < MODELS; m++) show_curve(&p, models[m].name, heights, slopes[m], (size_t)n);
    show_curve(&p, "exact", heights, slopes[MODELS], (size_t)n);
    show_plot_save(&p, s, "bounce");
    return 0;
}

/* the flights; at the end of each the way it moves, by its gradient, when vy grows */
static int draw_throws(show *s)
{
    show_canvas *c = show_canvas_create(1000, -0.1, 2.5, -0.1, 1.3);
    const answer a = exact(THROW);
    outcome end;
    show_clear(c, SHOW_WHITE);
    show_box(c, -0.1, -0.1, 2.5, 0, SHOW_PALE);
    for (int m = 0; m < MODELS; m++) {
        ds_real path[POINTS + 1][2];
        if (run(m, THROW, height_at_end, path[0], &end)) return 1;
        show_polyline(c, path[0], POINTS + 1, 2, 2, models[m].colour);
        const ds_real aside = path[POINTS][0] + (ds_real)(0.02 * (m + 1));
        const ds_real foot[2] = { aside, path[POINTS][1] };
        const ds_real tip[2] = { aside, path[POINTS][1] + (ds_real)(0.3 * end.grad[3]) };
        show_line(c, foot, tip, 4, models[m].colour);
    }
    const ds_real last[2] = { (ds_real)a.end[0], (ds_real)a.end[1] };
    const ds_real target[2] = { (ds_real)TARGET[0], (ds_real)TARGET[1] };
    show_disc(c, last, 0.012, SHOW_INK);
    show_disc(c, target, 0.02, SHOW_RED);
    show_canvas_save(c, s, "throw.png");
    show_canvas_destroy(c);
    return 0;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "one bounce, six models: errors of flight and gradient", NULL, 0);
    const answer drop = exact(DROP), thrown = exact(THROW);
    double miss[2], by_v[2] = { 0, 0 }, worst[MODELS][4];
    for (int k = 0; k < 2; k++) miss[k] = thrown.end[k] - TARGET[k];
    for (int k = 0; k < 2; k++)
        for (int j = 0; j < 2; j++) by_v[k] += miss[j] * thrown.slope[j][2 + k];
    printf("%-15s %12s %12s %12s %12s  %s\n", "", "height", "its slope", "throw ends", "its gradient",
           "label");
    for (int m = 0; m < MODELS; m++) {
        outcome o;
        if (run(m, DROP, height_at_end, NULL, &o)) return 1;
        worst[m][0] = fabs(o.end[1] - drop.end[1]);
        worst[m][1] = fabs(o.grad[1] - drop.slope[1][1]) / fabs(drop.slope[1][1]);
        if (run(m, THROW, miss_at_end, NULL, &o)) return 1;
        worst[m][2] = hypot(o.end[0] - thrown.end[0], o.end[1] - thrown.end[1]);
        worst[m][3] = hypot(o.grad[2] - by_v[0], o.grad[3] - by_v[1]) / hypot(by_v[0], by_v[1]);
        printf("%-15s %9.2e m %12.2e %9.2e m %12.2e  %s\n", models[m].name, worst[m][0], worst[m][1],
               worst[m][2], worst[m][3], ds_gradient_label_name(o.label));
    }
    printf("errors: of flights in m, of gradients relative to the exact ones\n");
    if (draw_slopes(&s, s.quick ? 5 : HEIGHTS) || (!s.quick && draw_throws(&s))) return 1;
    for (int m = 0; m < MODELS; m++) {
        static const char *const NAMES[MODELS] = { "naive", "impact", "penalty", "softplus", "barrier",
                                                   "leaky" };
        char name[40];
        snprintf(name, sizeof name, "%s_flight", NAMES[m]);
        show_result(&s, name, worst[m][0]);
        snprintf(name, sizeof name, "%s_gradient", NAMES[m]);
        show_result(&s, name, worst[m][1]);
    }
    return show_end(&s);
}
