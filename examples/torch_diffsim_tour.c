/* What the package torch-diffsim offers for deformable solids: the stiffness of each element of a beam, found
   from how the beam moves; then, as a small second scene, the two numbers of a uniform block.

   The beam is stiff where it is held and soft at its end: E = 1e5 (1 + 4 (1 - x / L)) Pa. It falls under its
   weight, its end hits the floor, and all of its points are seen ten times. From 2e5 Pa everywhere an
   optimizer moves the logarithm of each element's modulus until the motion is the one seen; then the moduli
   are right to 3 % on average. (What is seen was computed with the same elements, without noise: with a
   camera it would be harder.) On the way:

     moduli of elements  as logarithms, so that they stay positive, and kept between bounds
     material            NEO_HOOKEAN_J1_CLAMPED: log J with J clamped to [0.1, 5], as the package has it;
                         beyond the clamp nothing keeps up the volume, and other rows of the table are better
     contact             softplus: smooth, felt before the floor is touched
     held points         a mask: no force reaches them
     speed               a smooth clamp, LOW_BIAS; TANH, the other one, slows all motion
     optimizers          Adam and AdamW, with the gradient's length clipped; AdamW's decay is towards the
                         start, since what moves is log (E / start)
     smoothness          0.1 times the mean of (log E_i - log E_i+1)^2 over the elements in their order:
                         without it elements are far off that the motion hardly feels
     memory              the same gradient, to the bit, from every state kept, from segments, and from a few
                         states that move: ds_rollout_plan tells what each takes before it runs
     certificate         central differences and the Taylor test through the whole motion

   The block stands on the ground that holds it and sinks under its weight: from E = 5e5 Pa and a Poisson's
   ratio of 0.3 Adam finds 1e5 Pa and 0.4. It is damped so that it creeps: an oscillation that is out of step
   with the one seen would have other minima, where gradients lead as well.

   make -C examples torch_diffsim_tour && examples/build/torch_diffsim_tour
   prints all that; draws moduli.png (from top to bottom: true, by Adam, by AdamW; from 1e5 Pa, dark, to 5e5,
   yellow), motion.png (the beam as it is seen last, its end on the floor) and tour.png (the loss). */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

enum { STEPS = 50, EVERY = 5, FRAMES = STEPS / EVERY };
enum { ITERATIONS = 400 };
static const double LENGTH = 1, SIDE = 0.25, FLOOR = -0.1, DT = 5e-3; /* m, s */
static const double START = 2e5, LEAST = 2e4, MOST = 1e6;             /* Pa; above, steps are unstable */
static const double SMOOTHNESS = 0.1, SEEN = 1e-3;                   /* 1; m: a miss by it counts 1 */

typedef struct tour {
    ds_mesh mesh;
    ds_world *world;
    ds_rollout *rollout;
    ds_param young, poisson;
    size_t n_tets, n_points;
    ds_real *truth; /* [n_tets] log E */
    ds_real *seen; /* [FRAMES][n_points][3] (m) */
    ds_real *param; /* [n_param] as they are tried */
    int recording; /* the loss writes what it sees */
} tour;

/* half the mean squared distance, in SEEN, from where the points were seen */
static ds_result unlike(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    tour *const t = (tour *)user;
    const size_t n = 3 * t->n_points;
    if (!io->step || io->step % EVERY) return DSIM_OK;
    ds_real *const seen = t->seen + (io->step / EVERY - 1) * n;
    const ds_real weight = (ds_real)(1 / (SEEN * SEEN * FRAMES * (double)t->n_points));
    if (t->recording) memcpy(seen, io->state, n * sizeof *seen);
    for (size_t i = 0; i < n; i++) {
        const ds_real off = io->state[i] - seen[i];
        *value += weight * off * off / 2;
        if (bar && bar->state_bar) bar->state_bar[i] += weight * off;
    }
    return DSIM_OK;
}

/* E of each element by its middle */
static void gradation(const ds_mesh *mesh, ds_real *young)
{
    for (size_t i = 0; i < mesh->n_tets; i++) {
        double x = 0;
        for (int k = 0; k < 4; k++) x += (double)mesh->points[3 * mesh->tets[4 * i + (size_t)k]] / 4;
        young[i] = (ds_real)(1e5 * (1 + 4 * (1 - x / LENGTH)));
    }
}

static ds_rollout_desc described(tour *t)
{
    ds_rollout_desc desc = { 0 };
    desc.steps = STEPS;
    desc.loss = unlike;
    desc.loss_user = t;
    return desc;
}

/* a world for a mesh, without a body yet; damping (1/s) */
static void begin(tour *t, const ds_mesh_box_desc *box, double damping)
{
    ds_world_desc desc = { 0 };
    ds_error error;
    memset(t, 0, sizeof *t);
    if (ds_mesh_box(box, &t->mesh, &error)) show_stop(error.text);
    t->n_tets = t->mesh.n_tets;
    t->n_points = t->mesh.n_points;
    t->truth = show_numbers(t->n_tets);
    t->seen = show_numbers(3 * FRAMES * t->n_points);
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    desc.integrator.dt = DT;
    desc.integrator.substeps = box->ny > 2 ? 5 : 3; /* stable up to MOST */
    desc.integrator.damping = damping;
    desc.integrator.clamp = DSIM_SPEED_CLAMP_LOW_BIAS;
    desc.integrator.speed_limit = 20;
    t->world = ds_world_create(&desc);
}

/* holds the points with x (axis 0) or y (1) 0, completes the world, and sees how it moves */
static void complete(tour *t, ds_body body, size_t axis)
{
    ds_rollout_desc desc = described(t);
    for (size_t i = 0; i < t->n_points; i++) {
        const int32_t held = (int32_t)i;
        if ((double)t->mesh.points[3 * i + axis] < 1e-9) ds_world_pin(t->world, body, &held, 1);
    }
    t->young = ds_world_param(t->world, body, "young");
    t->poisson = ds_world_param(t->world, body, "poisson");
    t->rollout = ds_world_rollout(t->world, &desc);
    if (!t->rollout) show_stop(ds_world_error(t->world)->text);
    const size_t n = ds_world_stepper(t->world)->n_param;
    t->param = show_numbers(n);
    memcpy(t->param, ds_world_params(t->world), n * sizeof *t->param);
    t->recording = 1;
    if (ds_rollout_forward(t->rollout)) show_stop(ds_rollout_error(t->rollout)->text);
    t->recording = 0;
}

static void destroy(tour *t)
{
    ds_rollout_destroy(t->rollout);
    ds_world_destroy(t->world);
    ds_mesh_destroy(&t->mesh);
    free(t->truth);
    free(t->seen);
    free(t->param);
}

static void build_beam(tour *t, int quick)
{
    ds_mesh_box_desc box = { 0 };
    ds_solid solid = { 0 };
    ds_contact floor = { 0 };
    box.size = ds_v3_make((ds_real)LENGTH, (ds_real)SIDE, (ds_real)SIDE);
    box.nx = quick ? 6 : 12;
    box.ny = box.nz = quick ? 2 : 3;
    begin(t, &box, 0);
    gradation(&t->mesh, t->truth);
    solid.model = DSIM_ENERGY_NEO_HOOKEAN_J1_CLAMPED;
    solid.young.each = t->truth;
    solid.young.logarithmic = 1;
    solid.poisson = ds_number_make(0.3);
    solid.density = ds_number_make(1000);
    const ds_body body = ds_world_add_solid(t->world, &t->mesh, &solid);
    floor.law = DSIM_CONTACT_SOFTPLUS;
    floor.stiffness = ds_number_make(5e6 * SIDE * LENGTH / (double)t->n_points); /* N/m of each point */
    floor.width = ds_number_make(5e-3);
    ds_world_add_plane(t->world, ds_v3_make(0, 1, 0), (ds_real)FLOOR, &floor);
    complete(t, body, 0);
    memcpy(t->truth, t->param + t->young.first, t->n_tets * sizeof *t->truth); /* log E from here on */
}

/* the loss of offsets u [n_tets] = log (E / START), with smoothness: what is minimised and what is checked */
static ds_result loss_of(void *user, const ds_real *u, size_t n, ds_real *value, ds_real *grad)
{
    tour *const t = (tour *)user;
    const ds_real rough = (ds_real)(SMOOTHNESS / (double)n);
    for (size_t i = 0; i < n; i++) t->param[t->young.first + i] = (ds_real)log(START) + u[i];
    ds_result result = ds_rollout_set_param(t->rollout, t->param);
    if (!result) result = grad ? ds_rollout_backward(t->rollout) : ds_rollout_forward(t->rollout);
    if (result) return result;
    *value = (ds_real)ds_rollout_loss(t->rollout);
    if (grad) memcpy(grad, ds_rollout_param_grad(t->rollout) + t->young.first, n * sizeof *grad);
    for (size_t i = 0; i + 1 < n; i++) {
        const ds_real step = u[i] - u[i + 1];
        *value += rough * step * step;
        if (!grad) continue;
        grad[i] += 2 * rough * step;
        grad[i + 1] -= 2 * rough * step;
    }
    return DSIM_OK;
}

/* correlation of true and found log E, and the mean error of E */
typedef struct match { double correlation, error; } match;
static match compare(const tour *t, const ds_real *u)
{
    const double n = (double)t->n_tets, start = log(START);
    double a = 0, b = 0, aa = 0, bb = 0, ab = 0, error = 0;
    for (size_t i = 0; i < t->n_tets; i++) {
        const double p = (double)t->truth[i], q = start + (double)u[i];
        a += p / n, b += q / n, aa += p * p / n, bb += q * q / n, ab += p * q / n;
        error += fabs(exp(q - p) - 1) / n;
    }
    const double spread = (aa - a * a) * (bb - b * b);
    const match m = { spread > 0 ? (ab - a * b) / sqrt(spread) : 0, error };
    return m;
}

static ds_optimizer *make_optimizer(size_t n, const ds_optimizer_desc *desc, void **memory)
{
    *memory = malloc(ds_optimizer_bytes(n));
    ds_optimizer *const o = *memory ? ds_optimizer_init(*memory, ds_optimizer_bytes(n), n, desc) : NULL;
    if (o) return o;
    fprintf(stderr, "no memory for an optimizer, or its desc is bad\n");
    exit(1);
}

/* from START on; losses [iterations]; u [n_tets] out */
static void find(show *s, tour *t, ds_optimizer_rule rule, size_t iterations, ds_real *losses, ds_real *u)
{
    static const char *const NAMES[2] = { "Adam", "AdamW" };
    const size_t n = t->n_tets;
    ds_real *const lower = show_numbers(3 * n), *const upper = lower + n, *const grad = upper + n;
    for (size_t i = 0; i < n; i++) {
        lower[i] = (ds_real)log(LEAST / START);
        upper[i] = (ds_real)log(MOST / START);
    }
    ds_optimizer_desc desc = { 0 };
    desc.rule = rule;
    desc.learning_rate = s->quick ? 0.15 : 0.05;
    desc.weight_decay = rule == DSIM_OPTIMIZER_ADAMW ? 0.02 : 0;
    desc.clip_norm = 10;
    desc.schedule.kind = DSIM_SCHEDULE_COSINE;
    desc.schedule.period = iterations;
    desc.schedule.to = 0.1;
    desc.lower = lower;
    desc.upper = upper;
    void *memory;
    ds_optimizer *const o = make_optimizer(n, &desc, &memory);
    for (size_t k = 0; k < iterations; k++) {
        if (loss_of(t, u, n, &losses[k], grad)) show_stop(ds_rollout_error(t->rollout)->text);
        if (ds_optimizer_step(o, u, grad)) show_stop(ds_optimizer_error(o)->text);
        const match m = compare(t, u);
        show_progress(s, (long)k + 1, (long)iterations, "%s: loss %.3g, correlation %.3f",
                      NAMES[rule == DSIM_OPTIMIZER_ADAMW], (double)losses[k], m.correlation);
    }
    free(memory);
    free(lower);
}

/* what budgets and schedules take, and that gradients are the same bits. Returns 1 if they are; memory: that
   of segments over that of all states */
static int remember(tour *t, double *memory)
{
    const ds_stepper *const stepper = ds_world_stepper(t->world);
    const size_t bytes = stepper->n_param * sizeof(ds_real);
    const ds_checkpoints kinds[3] = { DSIM_CHECKPOINTS_ALL, DSIM_CHECKPOINTS_EVERY,
                                      DSIM_CHECKPOINTS_BINOMIAL };
    ds_real *const first = show_numbers(stepper->n_param);
    ds_rollout_desc desc = described(t);
    ds_checkpoint_plan plan;
    size_t all = 0;
    int same = 1;
    ds_rollout_plan(stepper, &desc, &plan);
    all = plan.bytes;
    for (int k = 0; k < 4; k++) {
        static const size_t PARTS[4] = { 1, 4, 8, 64 };
        desc.memory_limit = all / PARTS[k];
        ds_rollout_plan(stepper, &desc, &plan);
        printf("budget %8.0f bytes: %s\n", (double)desc.memory_limit, plan.text);
    }
    desc.memory_limit = 0;
    for (int k = 0; k < 3; k++) {
        desc.checkpoints = kinds[k];
        ds_rollout_plan(stepper, &desc, &plan);
        ds_rollout *const r = ds_world_rollout(t->world, &desc);
        if (!r || ds_rollout_set_param(r, t->param) || ds_rollout_backward(r))
            show_stop(ds_rollout_error(r)->text);
        if (!k) memcpy(first, ds_rollout_param_grad(r), bytes);
        same = same && !memcmp(first, ds_rollout_param_grad(r), bytes);
        printf("%-8s %8.0f bytes, %3d steps run again%s\n", ds_checkpoints_name(kinds[k]), (double)plan.bytes,
               (int)ds_rollout_again(r), k ? same ? ": the same bits" : ": other bits" : "");
        if (kinds[k] == DSIM_CHECKPOINTS_EVERY) *memory = (double)plan.bytes / (double)all;
        ds_rollout_destroy(r);
    }
    free(first);
    return same;
}

/* the tetrahedron that has a face */
static size_t owner(const ds_mesh *mesh, const int32_t *face)
{
    for (size_t i = 0; i < mesh->n_tets; i++) {
        int found = 0;
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 3; j++) found += mesh->tets[4 * i + (size_t)k] == face[j];
        if (found == 3) return i;
    }
    return 0;
}

/* z comes towards the viewer, down and to the left */
static void oblique(double x, double y, double z, ds_real *p)
{
    p[0] = (ds_real)(x - 0.35 * z);
    p[1] = (ds_real)(y - 0.45 * z);
}

/* oblique view of the surface, colours by log_young [n_tets] less shift; lift (m): where in the picture */
typedef struct face { double depth; ds_real p[3][2]; uint32_t colour; } face;
static int farther(const void *a, const void *b)
{
    const double p = ((const face *)a)->depth, q = ((const face *)b)->depth;
    return (p > q) - (p < q);
}
static void draw_solid(show_canvas *c, const tour *t, const ds_real *x, const ds_real *log_young,
                       double shift, double lift)
{
    ds_mesh_list list;
    if (ds_mesh_boundary(&t->mesh, &list, NULL)) return;
    face *const faces = (face *)calloc(list.n, sizeof *faces);
    for (size_t i = 0; faces && i < list.n; i++) {
        const int32_t *const points = list.points + 3 * i;
        const double young = (double)log_young[owner(&t->mesh, points)] + shift;
        for (int k = 0; k < 3; k++) {
            const ds_real *const q = x + 3 * points[k];
            oblique((double)q[0], (double)q[1] + lift, (double)q[2], faces[i].p[k]);
            faces[i].depth += (double)q[2] + 0.45 * (double)q[1] + 0.35 * (double)q[0];
        }
        const uint32_t colour = show_heat((young - log(1e5)) / log(5));
        const ds_real *const a = x + 3 * points[0], *const b = x + 3 * points[1];
        const ds_real *const d = x + 3 * points[2];
        const ds_v3 n = ds_v3_cross(ds_v3_make(b[0] - a[0], b[1] - a[1], b[2] - a[2]),
                                    ds_v3_make(d[0] - a[0], d[1] - a[1], d[2] - a[2]));
        const double up = (double)n.y / (double)ds_v3_norm(n);
        faces[i].colour = show_mix(colour, SHOW_INK, up > 0.5 ? 0 : 0.22);
    }
    if (faces) qsort(faces, list.n, sizeof *faces, farther);
    for (size_t i = 0; faces && i < list.n; i++)
        show_triangle(c, faces[i].p[0], faces[i].p[1], faces[i].p[2], faces[i].colour);
    free(faces);
    ds_mesh_list_destroy(&list);
}

static void draw(show *s, const tour *t, const ds_real *adam, const ds_real *adamw)
{
    show_canvas *c = show_canvas_create(900, -0.15, 1.06, -0.15, 1.4);
    show_clear(c, SHOW_WHITE);
    draw_solid(c, t, t->mesh.points, t->truth, 0, 1.1);
    draw_solid(c, t, t->mesh.points, adam, log(START), 0.55);
    draw_solid(c, t, t->mesh.points, adamw, log(START), 0);
    show_canvas_save(c, s, "moduli.png");
    show_canvas_destroy(c);

    ds_real ground[4][2];
    for (int k = 0; k < 4; k++)
        oblique(k % 2 ? LENGTH + 0.15 : -0.1, FLOOR, k / 2 ? SIDE + 0.15 : -0.15, ground[k]);
    c = show_canvas_create(900, -0.28, 1.24, -0.32, 0.3);
    show_clear(c, SHOW_WHITE);
    show_triangle(c, ground[0], ground[1], ground[2], SHOW_PALE);
    show_triangle(c, ground[1], ground[2], ground[3], SHOW_PALE);
    draw_solid(c, t, t->seen + 3 * t->n_points * (FRAMES - 1), t->truth, 0, 0);
    show_canvas_save(c, s, "motion.png");
    show_canvas_destroy(c);
}

/* E (Pa) and Poisson's ratio of a block of 4 x 4 x 4 bricks, by Adam */
static void find_two(show *s, size_t iterations, double *young, double *poisson)
{
    tour t;
    ds_mesh_box_desc box = { 0 };
    ds_solid solid = { 0 };
    box.size = ds_v3_make((ds_real)0.5, (ds_real)0.5, (ds_real)0.5);
    box.nx = box.ny = box.nz = s->quick ? 2 : 4;
    begin(&t, &box, 60);
    solid.model = DSIM_ENERGY_NEO_HOOKEAN_J1_CLAMPED;
    solid.young = ds_number_make(1e5);
    solid.young.logarithmic = 1;
    solid.poisson = ds_number_make(0.4);
    solid.density = ds_number_make(1000);
    complete(&t, ds_world_add_solid(t.world, &t.mesh, &solid), 1);

    ds_optimizer_desc desc = { 0 };
    ds_real u[2] = { (ds_real)log(5e5), (ds_real)0.3 };
    const ds_real lower[2] = { (ds_real)log(1e4), 0 }, upper[2] = { (ds_real)log(MOST), (ds_real)0.45 };
    void *memory;
    desc.learning_rate = 0.1;
    desc.schedule.kind = DSIM_SCHEDULE_COSINE;
    desc.schedule.period = iterations;
    desc.lower = lower;
    desc.upper = upper;
    ds_optimizer *const o = make_optimizer(2, &desc, &memory);
    for (size_t k = 0; k < iterations; k++) {
        t.param[t.young.first] = u[0];
        t.param[t.poisson.first] = u[1];
        if (ds_rollout_set_param(t.rollout, t.param) || ds_rollout_backward(t.rollout))
            show_stop(ds_rollout_error(t.rollout)->text);
        const ds_real *const g = ds_rollout_param_grad(t.rollout);
        const ds_real grad[2] = { g[t.young.first], g[t.poisson.first] };
        show_progress(s, (long)k + 1, (long)iterations, "block: E %.3g Pa, ratio %.3f", exp((double)u[0]),
                      (double)u[1]);
        if (ds_optimizer_step(o, u, grad)) show_stop(ds_optimizer_error(o)->text);
    }
    *young = exp((double)u[0]);
    *poisson = (double)u[1];
    free(memory);
    destroy(&t);
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "torch-diffsim in one scene: a modulus for each element", NULL, 0);
    const size_t iterations = s.quick ? 30 : ITERATIONS;
    ds_real losses[2][ITERATIONS];
    tour t;
    build_beam(&t, s.quick);
    printf("%d tetrahedra, %d points, material %s\n", (int)t.n_tets, (int)t.n_points,
           ds_energy_get_type(DSIM_ENERGY_NEO_HOOKEAN_J1_CLAMPED)->name);

    ds_real *const u[2] = { show_numbers(t.n_tets), show_numbers(t.n_tets) };
    ds_check_report report;
    ds_check_desc few = { 0 };
    few.max_entries = 6;
    /* not where all are alike: smoothness has no slope there */
    for (size_t i = 0; i < t.n_tets; i++) u[1][i] = (ds_real)(0.3 * sin((double)i));
    ds_check_gradient(loss_of, &t, u[1], t.n_tets, &few, &report);
    memset(u[1], 0, t.n_tets * sizeof *u[1]);
    printf("%s\n", report.text);
    double memory = 0;
    const int same = remember(&t, &memory);

    const ds_optimizer_rule rules[2] = { DSIM_OPTIMIZER_ADAM, DSIM_OPTIMIZER_ADAMW };
    match found[2];
    for (int k = 0; k < 2; k++) {
        find(&s, &t, rules[k], iterations, losses[k], u[k]);
        found[k] = compare(&t, u[k]);
        printf("%-6s loss %9.3g -> %9.3g, correlation of log E %.4f, mean error of E %.1f %%\n",
               k ? "AdamW:" : "Adam:", (double)losses[k][0], (double)losses[k][iterations - 1],
               found[k].correlation, 100 * found[k].error);
    }
    double young, poisson;
    find_two(&s, s.quick ? 120 : 300, &young, &poisson);
    printf("block: E %.6g Pa, Poisson's ratio %.5f (true: 1e5, 0.4)\n", young, poisson);
    draw(&s, &t, u[0], u[1]);
    show_plot p = { 0 };
    p.title = "the motion is learned";
    p.x_label = "iteration";
    p.y_label = "loss";
    p.log_y = 1;
    show_curve(&p, "Adam", NULL, losses[0], iterations);
    show_curve(&p, "AdamW", NULL, losses[1], iterations);
    show_plot_save(&p, &s, "tour");
    show_result(&s, "checked", report.result == DSIM_OK);
    show_result(&s, "same_bits", same);
    show_result(&s, "segments_memory", memory);
    show_result(&s, "adam_correlation", found[0].correlation);
    show_result(&s, "adamw_correlation", found[1].correlation);
    show_result(&s, "adam_error", found[0].error);
    show_result(&s, "block_young", young);
    show_result(&s, "block_poisson", poisson);
    show_result(&s, "adam_loss_ratio", (double)losses[0][iterations - 1] / (double)losses[0][0]);
    show_result(&s, "adamw_loss_ratio", (double)losses[1][iterations - 1] / (double)losses[1][0]);
    for (int k = 0; k < 2; k++) free(u[k]);
    destroy(&t);
    return show_end(&s);
}
