/* Which wind moves the flag? A flag that is held at its staff flutters; a camera sees three marks on it,
   forty times a second. The wind, three components, is found by the gradient through the whole motion.

   make -C examples cloth && examples/build/cloth
   prints a certificate for the gradient and the wind, draws cloth.png (the flag in the end: in the true wind,
   in the wind that is found, in that of the first guess), cloth_loss.png and the film cloth.mp4.

   The flag is a membrane with bending at its edges; air drags on each triangle and lifts it. The wind is
   three numbers that all triangles share. Bending is that of a stiff fabric: with a twentieth of it and of
   its damping the flag crumples, and though the gradient is right the way down ends at a wrong wind. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { MARKS = 3, FRAMES = 40, ITERATIONS = 60, MOST_POINTS = 400 };
static const double WIND[3] = { 5, 1, 2.5 }, GUESS[3] = { 2, 0, 0.5 }; /* m/s: the truth, the first guess */
static const double FRAME = 0.025; /* s */

typedef ds_real motion[FRAMES + 1][3 * MOST_POINTS]; /* all points at each frame (m) */

typedef struct flag {
    ds_rollout_view view; /* first, so that its address is that of all */
    ds_mesh mesh;
    ds_world *world;
    size_t at[3];                                    /* where the wind is among the parameters */
    size_t every;                                    /* steps from frame to frame */
    int32_t marks[MARKS];
    motion now, truth;                               /* of the last run; in the true wind */
    show *show;
    ds_real losses[ITERATIONS + 1];
} flag;

/* the loss, and a film as it goes: squared distances of the marks, half their mean over frames */
static ds_result watch(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    flag *const f = user;
    if (io->step % f->every) return DSIM_OK;
    const size_t frame = io->step / f->every;
    memcpy(f->now[frame], io->state, 3 * f->mesh.n_points * sizeof(ds_real));
    for (size_t i = 0; i < MARKS; i++)
        for (size_t k = 3 * (size_t)f->marks[i]; k < 3 * (size_t)f->marks[i] + 3; k++) {
            const ds_real off = io->state[k] - f->truth[frame][k];
            *value += off * off / (2 * FRAMES);
            if (bar && bar->state_bar) bar->state_bar[k] += off / FRAMES;
        }
    return DSIM_OK;
}

/* a flag of 1.2 m x 0.8 m, 3 n x 2 n cells, with one side at the staff */
static int build(flag *f, int n, double dt)
{
    ds_mesh_cloth_desc sheet = { 0 };
    ds_world_desc desc = { 0 };
    ds_cloth fabric = { 0 };
    ds_rollout_desc rd = { 0 };
    ds_error error;
    int32_t staff[64];
    sheet.u = ds_v3_make((ds_real)1.2, 0, 0);
    sheet.v = ds_v3_make(0, (ds_real)0.8, 0);
    sheet.nx = (size_t)(3 * n);
    sheet.ny = (size_t)(2 * n);
    if (ds_mesh_cloth(&sheet, &f->mesh, &error)) return 1;
    f->marks[0] = 3 * n * (2 * n + 1);               /* the free corners, and the middle */
    f->marks[1] = f->marks[0] + 2 * n;
    f->marks[2] = 3 * n / 2 * (2 * n + 1) + n;

    desc.integrator.dt = dt;
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    f->world = ds_world_create(&desc);
    fabric.young = ds_number_make(2e5);
    fabric.poisson = ds_number_make(0.3);
    fabric.thickness = ds_number_make(1e-3);
    fabric.density = ds_number_make(200);
    fabric.bending = ds_number_make(2e-3);
    fabric.bending_damping = ds_number_make(2e-3);
    fabric.drag = ds_number_make(0.7);
    fabric.lift = ds_number_make(0.4);
    const ds_body cloth = ds_world_add_cloth(f->world, &f->mesh, &fabric);
    for (int i = 0; i <= 2 * n; i++) staff[i] = i;
    ds_world_pin(f->world, cloth, staff, (size_t)(2 * n + 1));
    f->at[0] = ds_world_param(f->world, cloth, "wind x").first;
    f->at[1] = ds_world_param(f->world, cloth, "wind y").first;
    f->at[2] = ds_world_param(f->world, cloth, "wind z").first;
    f->every = (size_t)(FRAME / dt + 0.5);
    rd.steps = FRAMES * f->every;
    rd.loss = watch;
    rd.loss_user = f;
    f->view.param = ds_world_params(f->world);
    f->view.at = f->at;
    f->view.rollout = ds_world_params(f->world) ? ds_world_rollout(f->world, &rd) : NULL;
    return f->view.rollout == NULL;
}

static int progress(void *user, const ds_real *wind, size_t n, const ds_minimise_report *r)
{
    flag *const f = user;
    (void)n;
    f->losses[r->iterations] = (ds_real)r->value;
    show_progress(f->show, (long)r->iterations, ITERATIONS, "wind %.3f %.3f %.3f m/s, loss %.2e m^2",
                  (double)wind[0], (double)wind[1], (double)wind[2], r->value);
    return r->value < 1e-16;
}

/* three flags beside each other */
static void draw(const flag *f, show_canvas *c, const ds_real *const flags[3])
{
    static const uint32_t colours[3] = { SHOW_GREEN, SHOW_BLUE, SHOW_ORANGE };
    const show_view view = { 0.35, 0.2 };
    show_clear(c, SHOW_WHITE);
    for (int i = 0; i < 3; i++) {
        ds_real moved[3 * MOST_POINTS], foot[3] = { 0, (ds_real)-0.7, 0 }, top[3] = { 0, (ds_real)0.85, 0 };
        ds_real a[2], b[2];
        const double aside = 1.6 * i;
        memcpy(moved, flags[i], sizeof moved);
        for (size_t k = 0; k < f->mesh.n_points; k++) {
            moved[3 * k] += (ds_real)(aside * cos(view.turn));
            moved[3 * k + 2] -= (ds_real)(aside * sin(view.turn));
        }
        foot[0] = top[0] = (ds_real)(aside * cos(view.turn));
        foot[2] = top[2] = (ds_real)(-aside * sin(view.turn));
        show_see(view, foot, a);
        show_see(view, top, b);
        show_line(c, a, b, 6, SHOW_GREY);
        show_surface(c, view, moved, f->mesh.triangles, f->mesh.n_triangles, colours[i]);
        for (int m = 0; m < MARKS; m++) {
            show_see(view, moved + 3 * f->marks[m], a);
            show_dot(c, a, 9, SHOW_INK);
        }
    }
}

static void draw_all(flag *f, motion guessed)
{
    show_canvas *c = show_canvas_create(1200, -0.1, 4.5, -0.75, 1.0);
    show_film film = { 0 };
    if (!f->show->quick) film = show_film_begin(f->show, "cloth");
    for (int i = 0; i <= FRAMES; i++) {
        const ds_real *const flags[3] = { f->truth[i], f->now[i], guessed[i] };
        draw(f, c, flags);
        show_film_frame(&film, c);
    }
    show_film_end(&film, (int)(0.5 / FRAME + 0.5)); /* half as fast */
    show_canvas_save(c, f->show, "cloth.png");
    show_canvas_destroy(c);
}

/* how far the upper free corner ever is from the top of the staff, in widths of the flag: 1 at rest */
static double reach(const flag *f, int n)
{
    double most = 0;
    for (size_t t = 0; t <= FRAMES; t++) {
        const ds_real *const a = f->now[t] + 3 * 2 * n, *const b = f->now[t] + 3 * f->marks[1];
        const double d[3] = { (double)(b[0] - a[0]), (double)(b[1] - a[1]), (double)(b[2] - a[2]) };
        most = fmax(most, sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) / 1.2);
    }
    return most;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "finds the wind from how it moves a flag", NULL, 0);
    const int n = s.quick ? 2 : 3;
    static flag f;
    static motion guessed;
    ds_real truth[3], wind[3], loss;
    ds_check_report check;
    ds_minimise_report report;
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    show_plot p = { 0 };
    for (int i = 0; i < 3; i++) truth[i] = (ds_real)WIND[i], wind[i] = (ds_real)GUESS[i];
    f.show = &s;
    if (build(&f, n, s.quick ? 2.5e-3 : 5e-4) || ds_rollout_objective(&f, truth, 3, &loss, NULL)) {
        fprintf(stderr, "%s\n",
                (f.view.rollout ? ds_rollout_error(f.view.rollout) : ds_world_error(f.world))->text);
        return 1;
    }
    memcpy(f.truth, f.now, sizeof f.truth);          /* this is what the camera saw */
    ds_check_gradient(ds_rollout_objective, &f, wind, 3, NULL, &check);
    printf("%s\n", check.text);
    ds_rollout_objective(&f, wind, 3, &f.losses[0], NULL);
    memcpy(guessed, f.now, sizeof guessed);

    problem.user = &f;
    problem.n = 3;
    problem.objective = ds_rollout_objective;
    desc.max_iterations = ITERATIONS - 1;
    desc.gradient_tolerance = 1e-14; /* m^2 / (m/s) */
    desc.watch = progress;
    ds_minimise(&problem, &desc, wind, &report);
    show_progress(&s, (long)report.iterations, (long)report.iterations, "wind %.4f %.4f %.4f m/s",
                  (double)wind[0], (double)wind[1], (double)wind[2]);
    printf("%s\n", report.text);
    ds_rollout_objective(&f, wind, 3, &loss, NULL);
    draw_all(&f, guessed);
    p.x_label = "iteration";
    p.y_label = "half the mean squared distance (m^2)";
    p.log_y = 1;
    show_curve(&p, NULL, NULL, f.losses, report.iterations + 1);
    show_plot_save(&p, &s, "cloth_loss");
    show_result(&s, "wind_x", (double)wind[0]);
    show_result(&s, "wind_y", (double)wind[1]);
    show_result(&s, "wind_z", (double)wind[2]);
    show_result(&s, "loss_first", (double)f.losses[0]);
    show_result(&s, "loss", (double)loss);
    show_result(&s, "reach", reach(&f, n));
    show_result(&s, "gradient_error", check.worst_error);
    ds_rollout_destroy(f.view.rollout);
    ds_world_destroy(f.world);
    ds_mesh_destroy(&f.mesh);
    return show_end(&s);
}
