/* What is the jelly made of? A cube is thrown, turning, and bounces from the floor. How it does so tells its
   Young's modulus and Poisson's ratio: a camera sees three of its corners, fifty times a second. From wrong
   values the two are found by the gradient through the whole motion: flight, impact, friction and wobble.

   make -C examples jelly && examples/build/jelly
   prints a certificate for the gradient and what is found, draws jelly.png (before, at and after the impact;
   red: where the first guess would be in the end) and jelly_loss.png, writes jelly_0.vtk ... for ParaView.

   The solid is stable neo-Hookean, the floor a smooth penalty with smooth friction. The modulus is sought as
   its logarithm, so that it stays positive; Poisson's ratio between bounds. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { SEEN = 3, FRAMES = 20, ITERATIONS = 40, MOST_POINTS = 1000, FILES = 5 };
static const double YOUNG = 2e4, POISSON = 0.42, GUESS[2] = { 1e4, 0.35 }; /* Pa, 1: the truth, the guess */
static const double SIDE = 0.2, FRAME = 0.02; /* m, s */

typedef struct jelly {
    ds_rollout_view view; /* first, so that its address is that of all */
    ds_mesh mesh;
    ds_mesh_list skin;
    ds_world *world;
    size_t at[2];                                /* where log young and poisson are among the parameters */
    size_t every;                                /* steps from frame to frame */
    int32_t seen[SEEN];                          /* points that the camera sees */
    ds_real camera[FRAMES + 1][SEEN][3];         /* where it saw them (m) */
    ds_real film[FRAMES + 1][3 * MOST_POINTS];   /* all points in the last run */
    show *show;
    ds_real losses[ITERATIONS + 1];
} jelly;

/* the loss, and a film as it goes: squared distances from what the camera saw, half their mean over frames */
static ds_result watch(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    jelly *const j = user;
    if (io->step % j->every) return DSIM_OK;
    const size_t frame = io->step / j->every;
    memcpy(j->film[frame], io->state, 3 * j->mesh.n_points * sizeof(ds_real));
    for (size_t i = 0; i < SEEN; i++)
        for (size_t k = 0; k < 3; k++) {
            const size_t entry = 3 * (size_t)j->seen[i] + k;
            const ds_real off = io->state[entry] - j->camera[frame][i][k];
            *value += off * off / (2 * FRAMES);
            if (bar && bar->state_bar) bar->state_bar[entry] += off / FRAMES;
        }
    return DSIM_OK;
}

/* the cube on its way: n bricks along each side, tilted, its centre 0.3 m above the floor */
static ds_result make_mesh(jelly *j, size_t n, ds_error *error)
{
    ds_mesh_box_desc box = { 0 };
    box.nx = box.ny = box.nz = n;
    box.size = ds_v3_make((ds_real)SIDE, (ds_real)SIDE, (ds_real)SIDE);
    box.origin = ds_v3_make((ds_real)(-SIDE / 2), (ds_real)(-SIDE / 2), (ds_real)(-SIDE / 2));
    if (ds_mesh_box(&box, &j->mesh, error) || ds_mesh_boundary(&j->mesh, &j->skin, error)) return error->code;
    const ds_real turn[3][3] = { { (ds_real)0.8, (ds_real)-0.6, 0 },      /* about z, 3-4-5 */
                                 { (ds_real)0.576, (ds_real)0.768, (ds_real)-0.28 },
                                 { (ds_real)0.168, (ds_real)0.224, (ds_real)0.96 } };  /* then x, 7-24-25 */
    for (size_t i = 0; i < j->mesh.n_points; i++) {
        ds_real *const x = j->mesh.points + 3 * i, a = x[0], b = x[1], c = x[2];
        for (size_t k = 0; k < 3; k++) x[k] = turn[k][0] * a + turn[k][1] * b + turn[k][2] * c;
        x[1] += (ds_real)0.3;
    }
    j->seen[0] = 0;
    j->seen[1] = (int32_t)n;
    j->seen[2] = (int32_t)(j->mesh.n_points - 1);
    return DSIM_OK;
}

/* a world with the floor and the cube, thrown at 2 m/s and 2 m/s down, turning at 4 rad/s as if it rolled */
static int build(jelly *j, size_t n, double dt)
{
    ds_error error;
    ds_world_desc desc = { 0 };
    ds_solid rubber = { 0 };
    ds_contact floor = { 0 };
    ds_rollout_desc rd = { 0 };
    if (make_mesh(j, n, &error)) return 1;
    desc.integrator.dt = dt;
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    j->world = ds_world_create(&desc);
    rubber.young = ds_number_make(YOUNG);
    rubber.young.logarithmic = 1;
    rubber.poisson = ds_number_make(POISSON);
    rubber.density = ds_number_make(1000);
    rubber.viscosity = ds_number_make(20);
    const ds_body cube = ds_world_add_solid(j->world, &j->mesh, &rubber);
    floor.stiffness = ds_number_make(4e4 / (double)(n * n));
    floor.width = ds_number_make(0.005);
    floor.friction = ds_number_make(0.3);
    floor.slip = ds_number_make(0.6);
    ds_world_add_plane(j->world, ds_v3_make(0, 1, 0), 0, &floor);
    j->at[0] = ds_world_param(j->world, cube, "young").first;
    j->at[1] = ds_world_param(j->world, cube, "poisson").first;
    ds_real *const v = ds_world_velocities(j->world);
    for (size_t i = 0; v && i < j->mesh.n_points; i++) {
        const ds_real *const x = j->mesh.points + 3 * i;
        v[3 * i] = 2 + 4 * (x[1] - (ds_real)0.3);
        v[3 * i + 1] = -2 - 4 * x[0];
    }
    j->every = (size_t)(FRAME / dt + 0.5);
    rd.steps = FRAMES * j->every;
    rd.loss = watch;
    rd.loss_user = j;
    j->view.param = ds_world_params(j->world);
    j->view.at = j->at;
    j->view.rollout = v ? ds_world_rollout(j->world, &rd) : NULL;
    return j->view.rollout == NULL;
}

static int progress(void *user, const ds_real *u, size_t n, const ds_minimise_report *r)
{
    jelly *const j = user;
    (void)n;
    j->losses[r->iterations] = (ds_real)r->value;
    show_progress(j->show, (long)r->iterations, ITERATIONS, "young %.0f Pa, poisson %.3f, loss %.2e m^2",
                  exp((double)u[0]), (double)u[1], r->value);
    return r->value < 1e-16;
}

/* the cube at three times with its shadow, and where the first guess would be at the last of them */
static void draw(jelly *j, const ds_real *guessed)
{
    const show_view view = { 0.4, 0.3 };
    const int times[3] = { 0, 7, FRAMES };
    show_canvas *c = show_canvas_create(1100, -0.2, 0.74, -0.13, 0.5);
    show_clear(c, SHOW_WHITE);
    for (int t = 0; t < 3; t++)
        for (size_t i = 0; i < j->skin.n; i++) {
            ds_real flat[3][2];
            for (size_t k = 0; k < 3; k++) {
                const ds_real *const x = j->film[times[t]] + 3 * j->skin.points[3 * i + k];
                const ds_real foot[3] = { x[0], 0, x[2] };
                show_see(view, foot, flat[k]);
            }
            show_triangle(c, flat[0], flat[1], flat[2], SHOW_PALE);
        }
    for (int t = 0; t < 3; t++)
        show_surface(c, view, j->film[times[t]], j->skin.points, j->skin.n, t < 2 ? SHOW_SKY : SHOW_GREEN);
    for (size_t i = 0; i < 3 * j->skin.n; i++) {
        ds_real a[2], b[2];
        show_see(view, guessed + 3 * j->skin.points[i], a);
        show_see(view, guessed + 3 * j->skin.points[i % 3 == 2 ? i - 2 : i + 1], b);
        show_line(c, a, b, 1, show_fade(SHOW_RED, 0.7));
    }
    show_canvas_save(c, j->show, "jelly.png");
    show_canvas_destroy(c);
}

static size_t put(void *user, const void *bytes, size_t n) { return fwrite(bytes, 1, n, user); }

/* the motion as jelly_0.vtk ..., with the height of each point as a field */
static void write_files(jelly *j)
{
    for (int i = 0; i < FILES; i++) {
        ds_mesh at = j->mesh; /* a view: the same tetrahedra between other points */
        char name[500];
        at.points = j->film[i * FRAMES / (FILES - 1)];
        snprintf(name, sizeof name, "%s/jelly_%d.vtk", j->show->out, i);
        FILE *file = fopen(name, "wb");
        const ds_stream to = { file, NULL, put };
        if (!file || ds_mesh_write_vtk(&at, NULL, 0, &to, NULL)) fprintf(stderr, "cannot write '%s'\n", name);
        if (file) fclose(file);
    }
}

/* the least height of any point in the film (m): the floor is at 0, and soft */
static double deepest(const jelly *j)
{
    double least = 1;
    for (size_t f = 0; f <= FRAMES; f++)
        for (size_t i = 0; i < j->mesh.n_points; i++) least = fmin(least, (double)j->film[f][3 * i + 1]);
    return least;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "finds what a jelly is made of from how it bounces", NULL, 0);
    static jelly j;
    static ds_real guessed[3 * MOST_POINTS];
    const ds_real truth[2] = { (ds_real)log(YOUNG), (ds_real)POISSON };
    const ds_real lower[2] = { (ds_real)log(2e3), 0 }, upper[2] = { (ds_real)log(1e5), (ds_real)0.48 };
    ds_real u[2] = { (ds_real)log(GUESS[0]), (ds_real)GUESS[1] }, loss;
    ds_check_report check;
    ds_minimise_report report;
    ds_problem problem = { 0 };
    ds_minimise_desc desc = { 0 };
    show_plot p = { 0 };
    j.show = &s;
    if (build(&j, s.quick ? 2 : 4, s.quick ? 1e-3 : 2.5e-4) ||
        ds_rollout_objective(&j, truth, 2, &loss, NULL)) {
        fprintf(stderr, "%s\n",
                (j.view.rollout ? ds_rollout_error(j.view.rollout) : ds_world_error(j.world))->text);
        return 1;
    }
    for (size_t f = 0; f <= FRAMES; f++) /* this is what the camera saw */
        for (size_t i = 0; i < SEEN; i++)
            memcpy(j.camera[f][i], j.film[f] + 3 * j.seen[i], sizeof j.camera[f][i]);
    ds_check_gradient(ds_rollout_objective, &j, u, 2, NULL, &check);
    printf("%s\n", check.text);
    ds_rollout_objective(&j, u, 2, &j.losses[0], NULL);
    memcpy(guessed, j.film[FRAMES], sizeof guessed);

    problem.user = &j;
    problem.n = 2;
    problem.objective = ds_rollout_objective;
    problem.lower = lower;
    problem.upper = upper;
    desc.max_iterations = ITERATIONS - 1;
    desc.gradient_tolerance = 1e-14; /* m^2 */
    desc.watch = progress;
    ds_minimise(&problem, &desc, u, &report);
    show_progress(&s, (long)report.iterations, (long)report.iterations, "young %.1f Pa, poisson %.4f",
                  exp((double)u[0]), (double)u[1]);
    printf("%s\n", report.text);
    ds_rollout_objective(&j, u, 2, &loss, NULL);
    draw(&j, guessed);
    write_files(&j);
    p.x_label = "iteration";
    p.y_label = "half the mean squared distance (m^2)";
    p.log_y = 1;
    show_curve(&p, NULL, NULL, j.losses, report.iterations + 1);
    show_plot_save(&p, &s, "jelly_loss");
    show_result(&s, "young", exp((double)u[0]));
    show_result(&s, "poisson", (double)u[1]);
    show_result(&s, "loss_first", (double)j.losses[0]);
    show_result(&s, "loss", (double)loss);
    show_result(&s, "deepest", deepest(&j));
    show_result(&s, "gradient_error", check.worst_error);
    ds_rollout_destroy(j.view.rollout);
    ds_world_destroy(j.world);
    ds_mesh_list_destroy(&j.skin);
    ds_mesh_destroy(&j.mesh);
    return show_end(&s);
}
