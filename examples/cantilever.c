/* A beam that bends under its own weight, against the formula of the textbook: how fast do linear tetrahedra
   come to the right deflection, and is its gradient by Young's modulus right?

   A beam of 1 m x 0.1 m x 0.1 m is clamped at one end. By Timoshenko, with w the weight per length, the
   middle of its free end sinks by

       w L^4 / (8 E I) + w L^2 / (2 kappa G A),   kappa = 10 (1 + nu) / (12 + 11 nu)  (Cowper 1966)

   and since this goes as 1 / E, the derivative by E is -deflection / E. Poisson's ratio is 0 here: clamped
   points cannot move sideways, which no beam theory knows. (With a ratio of 0.3 meshes of the sizes below
   lead to about a hundredth less than the formula; with 0 to it.)

   Linear tetrahedra have one strain each and cannot bend: with one layer of them most of the deflection is
   missing. The error falls as h^2 in the end, but that begins late: it takes twelve layers to come near
   2 %. Two cuts of a brick, into five and into six, are refined.

   Two ways to the rest. The coarsest beam settles: damped explicit steps of a stable neo-Hookean solid, and
   the gradient comes back through all of them. Dynamics of fine meshes would be slow: the step goes down with
   h, the slowest vibration stays. There strains are small, the solid is LINEAR, and the rest is one linear
   system K u = f: conjugate gradients, with products by K from ds_energies_hessian_product. The gradient is
   that of an equilibrium: K lambda = d deflection / du, then lambda times d force / dE, which is one
   force_vjp.

   make -C examples cantilever && examples/build/cantilever
   prints a table; draws cantilever.png, the error over the size of bricks, and beam.png, the beam with its
   deflection ten times as large. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

static const double LENGTH = 1, HEIGHT = 0.1, YOUNG = 2e8, DENSITY = 1000, GRAVITY = 9.81;
static const double POISSON = 0;
static const double TOLERANCE = 1e-9; /* of conjugate gradients, relative */

static double analytic(void)
{
    const double area = HEIGHT * HEIGHT, inertia = area * area / 12, w = DENSITY * GRAVITY * area;
    const double shear = YOUNG / (2 * (1 + POISSON)), kappa = 10 * (1 + POISSON) / (12 + 11 * POISSON);
    return w * pow(LENGTH, 4) / (8 * YOUNG * inertia) + w * LENGTH * LENGTH / (2 * kappa * shear * area);
}

/* the lowest frequency of the beam (rad/s), Euler-Bernoulli */
static double lowest_frequency(void)
{
    return 1.8751 * 1.8751 * sqrt(YOUNG * HEIGHT * HEIGHT / (12 * DENSITY)) / (LENGTH * LENGTH);
}

typedef struct beam {
    ds_mesh mesh;
    ds_world *world;
    ds_param young;
    size_t n; /* degrees of freedom */
    ds_real *tip; /* [n] deflection = tip . u: minus the mean of the points at the free end */
} beam;

/* layers bricks high and wide, ten times as many long; dt (s) of the steps, if there will be any */
static beam build(size_t layers, ds_box_cut cut, ds_energy model, double dt)
{
    beam b;
    ds_mesh_box_desc box = { 0 };
    ds_world_desc desc = { 0 };
    ds_solid solid = { 0 };
    ds_error error;
    const size_t face = (layers + 1) * (layers + 1); /* points: the first are clamped, the last the end */
    int32_t *const clamped = (int32_t *)show_numbers(face);
    memset(&b, 0, sizeof b);
    box.size = ds_v3_make((ds_real)LENGTH, (ds_real)HEIGHT, (ds_real)HEIGHT);
    box.nx = 10 * layers, box.ny = box.nz = layers;
    box.cut = cut;
    if (ds_mesh_box(&box, &b.mesh, &error)) show_stop(error.text);
    desc.gravity = ds_v3_make(0, (ds_real)-GRAVITY, 0);
    desc.integrator.dt = dt;
    desc.integrator.damping = 2 * lowest_frequency();
    solid.model = model;
    solid.young = ds_number_make(YOUNG);
    solid.poisson = ds_number_make(POISSON);
    solid.density = ds_number_make(DENSITY);
    b.world = ds_world_create(&desc);
    const ds_body body = ds_world_add_solid(b.world, &b.mesh, &solid);
    for (size_t i = 0; i < face; i++) clamped[i] = (int32_t)i;
    ds_world_pin(b.world, body, clamped, face);
    b.young = ds_world_param(b.world, body, "young");
    b.n = 3 * b.mesh.n_points;
    b.tip = show_numbers(b.n);
    for (size_t i = b.mesh.n_points - face; i < b.mesh.n_points; i++) b.tip[3 * i + 1] = -1 / (ds_real)face;
    if (!ds_world_stepper(b.world)) show_stop(ds_world_error(b.world)->text);
    free(clamped);
    return b;
}

static void destroy(beam *b)
{
    ds_world_destroy(b->world);
    ds_mesh_destroy(&b->mesh);
    free(b->tip);
}

static double dot(const ds_real *a, const ds_real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* an equilibrium: K = -df/dx at rest, and what it takes */
typedef struct rest {
    ds_energies *energies;
    const ds_system *system;
    ds_system_io io;
    ds_real *derived, *v;
    const ds_real *inverse_mass; /* 0: clamped */
} rest;

/* K u = f for the degrees of freedom that move: conjugate gradients. Returns how many steps it took. */
static int solve(const rest *s, const ds_real *f, ds_real *u)
{
    const size_t n = s->system->n;
    ds_real *const r = show_numbers(3 * n), *const p = r + n, *const Kp = p + n;
    int count = 0;
    for (size_t i = 0; i < n; i++) r[i] = s->inverse_mass[i] > 0 ? f[i] : 0, p[i] = r[i], u[i] = 0;
    double rr = dot(r, r, n);
    const double enough = rr * TOLERANCE * TOLERANCE;
    for (; rr > enough && count < 100000; count++) {
        if (ds_energies_hessian_product(s->energies, &s->io, p, Kp))
            show_stop(ds_energies_error(s->energies)->text);
        for (size_t i = 0; i < n; i++)
            if (!(s->inverse_mass[i] > 0)) Kp[i] = 0;
        const double alpha = rr / dot(p, Kp, n), before = rr;
        for (size_t i = 0; i < n; i++) {
            u[i] += (ds_real)alpha * p[i];
            r[i] -= (ds_real)alpha * Kp[i];
        }
        rr = dot(r, r, n);
        for (size_t i = 0; i < n; i++) p[i] = r[i] + (ds_real)(rr / before) * p[i];
    }
    free(r);
    return count;
}

/* deflection (m) and its derivative by E (m/Pa) of a beam at rest; u [n] */
typedef struct bent { double deflection, by_young; int iterations; } bent;
static bent at_rest(beam *b, ds_real *u)
{
    rest s;
    bent out;
    memset(&s, 0, sizeof s);
    s.energies = ds_world_energies(b->world);
    s.system = ds_energies_system(s.energies);
    const ds_system *const y = s.system;
    const ds_real *const param = ds_world_params(b->world);
    ds_real *const scratch = show_numbers(3 * b->n), *const f = scratch, *const lambda = f + b->n;
    ds_real *const param_bar = show_numbers(y->n_param);
    ds_real *const derived_bar = show_numbers(y->n_derived);
    s.derived = show_numbers(y->n_derived);
    s.v = lambda + b->n; /* zero */
    s.io.x = ds_world_positions(b->world);
    s.io.v = s.v;
    s.io.param = param;
    s.io.derived = s.derived;
    if (y->derive && y->derive(y->user, param, s.derived)) show_stop(y->error(y->user)->text);
    s.inverse_mass = y->inverse_mass ? y->inverse_mass : s.derived + y->inverse_mass_at;
    /* the weight */
    for (size_t i = 0; i < b->n; i++)
        if (s.inverse_mass[i] > 0) f[i] = y->acceleration[i] / s.inverse_mass[i];
    out.iterations = solve(&s, f, u);
    out.deflection = dot(b->tip, u, b->n);

    /* 0 = force(x, E) + weight: K du = d force/dE, so d deflection/dE = lambda . d force/dE, if
       K lambda = tip */
    solve(&s, b->tip, lambda);
    ds_real *const x = ds_world_positions(b->world);
    for (size_t i = 0; i < b->n; i++) x[i] += u[i];
    ds_system_bar bar = { 0 };
    bar.param_bar = param_bar;
    bar.derived_bar = derived_bar;
    if (y->force_vjp(y->user, &s.io, lambda, &bar)) show_stop(y->error(y->user)->text);
    if (y->derive_vjp && y->derive_vjp(y->user, param, s.derived, derived_bar, param_bar))
        show_stop(y->error(y->user)->text);
    out.by_young = (double)param_bar[b->young.first];
    free(param_bar);
    free(derived_bar);
    free(s.derived);
    free(scratch);
    return out;
}

/* the deflection in the end, as a loss */
static ds_result deflection(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const beam *const b = (const beam *)user;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < b->n; i++) {
        *value += b->tip[i] * (io->state[i] - b->mesh.points[i]);
        if (bar && bar->state_bar) bar->state_bar[i] += b->tip[i];
    }
    return DSIM_OK;
}

/* the coarsest beam settles, 14 times the slowest vibration's time, in steps that are stable */
static bent settled(void)
{
    beam b = build(1, DSIM_BOX_CUT_FIVE, DSIM_ENERGY_STABLE_NEO_HOOKEAN, 0);
    ds_stability limit;
    ds_step_io io = { 0 };
    const ds_stepper *stepper = ds_world_stepper(b.world);
    ds_real *const state = show_numbers(stepper->n_state), *const derived = show_numbers(stepper->n_derived);
    memcpy(state, ds_world_positions(b.world), b.n * sizeof *state);
    io.state = state;
    io.param = ds_world_params(b.world);
    io.derived = derived;
    if (stepper->derive) stepper->derive(stepper->user, io.param, derived);
    if (ds_integrator_stability(ds_world_integrator(b.world), &io, &limit))
        show_stop(ds_integrator_error(ds_world_integrator(b.world))->text);
    printf("one layer: %s\n", limit.text);
    free(state);
    free(derived);
    destroy(&b);

    const double dt = 0.7 * limit.dt;
    b = build(1, DSIM_BOX_CUT_FIVE, DSIM_ENERGY_STABLE_NEO_HOOKEAN, dt);
    ds_rollout_desc desc = { 0 };
    bent out = { 0, 0, 0 };
    desc.steps = (size_t)(14 / (lowest_frequency() * dt));
    desc.loss = deflection;
    desc.loss_user = &b;
    desc.loss_at_end = 1;
    ds_rollout *const r = ds_world_rollout(b.world, &desc);
    if (!r) show_stop(ds_world_error(b.world)->text);
    if (ds_rollout_backward(r)) show_stop(ds_rollout_error(r)->text);
    out.deflection = ds_rollout_loss(r);
    out.by_young = (double)ds_rollout_param_grad(r)[b.young.first];
    out.iterations = (int)desc.steps;
    ds_rollout_destroy(r);
    destroy(&b);
    return out;
}

/* the beam from the side, at rest without weight and with it, ten times */
static void draw(show *s, const beam *b, const ds_real *u)
{
    show_canvas *const c = show_canvas_create(1000, -0.06, 1.04, -0.12, 0.14);
    ds_mesh_list faces;
    show_clear(c, SHOW_WHITE);
    show_box(c, -0.04, -0.06, 0, 0.13, SHOW_PALE);
    if (ds_mesh_boundary(&b->mesh, &faces, NULL)) return;
    for (int bends = 0; bends < 2; bends++) {
        for (size_t i = 0; i < faces.n; i++) {
            ds_real p[4][2];
            int front = 1;
            for (int k = 0; k < 4; k++) {
                const size_t at = (size_t)faces.points[3 * i + (size_t)(k % 3)];
                const ds_real *const x = b->mesh.points + 3 * at;
                front = front && (double)x[2] > 0.999 * HEIGHT;
                for (int d = 0; d < 2; d++) p[k][d] = x[d] + (ds_real)(bends * 10) * u[3 * at + (size_t)d];
            }
            if (!front) continue;
            show_triangle(c, p[0], p[1], p[2], bends ? 0xF7D9A8u : 0xF1F3F5u);
            show_polyline(c, p[0], 4, 2, 1, bends ? SHOW_ORANGE : 0xC5CAD0u);
        }
    }
    show_canvas_save(c, s, "beam.png");
    show_canvas_destroy(c);
    ds_mesh_list_destroy(&faces);
}

enum { MOST = 5 };
static const size_t LAYERS[MOST] = { 1, 2, 4, 8, 12 };

int main(int argc, char **argv)
{
    static const char *const NAMES[DSIM_BOX_CUT_COUNT] = { "five", "six" };
    show s = show_start(argc, argv, "a beam against the textbook: errors over element size", NULL, 0);
    const size_t refinements = s.quick ? 2 : MOST;
    const double exact = analytic();
    double worst = 0, deflections[DSIM_BOX_CUT_COUNT][MOST] = { { 0 } }, order = 0, limit = 0;
    ds_real sizes[MOST], errors[DSIM_BOX_CUT_COUNT][MOST], square[MOST];
    printf("textbook: deflection %.6f mm, by E %.6e m/Pa\n", 1e3 * exact, -exact / YOUNG);
    const bent slow = settled();
    printf("one layer, after %d damped steps: %.6f mm, by E %.6e m/Pa, -deflection/E %.6e m/Pa\n",
           slow.iterations, 1e3 * slow.deflection, slow.by_young, -slow.deflection / YOUNG);
    printf("%-5s %7s %11s %9s %7s %14s %15s %6s\n", "cut", "layers", "tetrahedra", "mm", "error",
           "by E (m/Pa)", "-deflection/E", "steps");
    for (int cut = 0; cut < DSIM_BOX_CUT_COUNT; cut++) {
        for (size_t k = 0; k < refinements; k++) {
            beam b = build(LAYERS[k], (ds_box_cut)cut, DSIM_ENERGY_LINEAR, 0);
            ds_real *const u = show_numbers(b.n);
            const bent o = at_rest(&b, u);
            const double formula = -o.deflection / YOUNG, off = fabs(o.by_young / formula - 1);
            deflections[cut][k] = o.deflection;
            sizes[k] = (ds_real)(1e3 * HEIGHT / (double)LAYERS[k]);
            errors[cut][k] = (ds_real)fabs(o.deflection / exact - 1);
            if (off > worst) worst = off;
            printf("%-5s %7d %11d %9.4f %5.1f %% %14.6e %15.6e %6d\n", NAMES[cut], (int)LAYERS[k],
                   (int)b.mesh.n_tets, 1e3 * o.deflection, 100 * (double)errors[cut][k], o.by_young, formula,
                   o.iterations);
            if (cut == DSIM_BOX_CUT_FIVE && k == refinements / 2) draw(&s, &b, u);
            free(u);
            destroy(&b);
        }
        const size_t e = refinements - 1;
        order = log((double)errors[cut][e - 1] / (double)errors[cut][e]) /
                log((double)sizes[e - 1] / (double)sizes[e]);
        /* were the error c h^2 from there on, it would end here */
        const double fine = (double)sizes[e - 1] / (double)sizes[e];
        limit = (fine * fine * deflections[cut][e] - deflections[cut][e - 1]) / (fine * fine - 1);
        printf("%s: order %.2f between the last two, by h^2 they lead to %.4f mm: off by %.1f %%\n",
               NAMES[cut], order, 1e3 * limit, 100 * (limit / exact - 1));
    }
    const size_t from = s.quick ? 0 : 2; /* where a line of slope 2 begins */
    for (size_t k = from; k < refinements; k++)
        square[k] = errors[0][refinements - 1] * sizes[k] * sizes[k] /
                    (sizes[refinements - 1] * sizes[refinements - 1]);
    show_plot p = { 0 };
    p.title = "deflection of a cantilever: error of linear tetrahedra";
    p.x_label = "side of a brick (mm)";
    p.y_label = "relative error";
    p.log_x = p.log_y = p.points = 1;
    show_curve(&p, "five tetrahedra in a brick", sizes, errors[0], refinements);
    show_curve(&p, "six", sizes, errors[1], refinements);
    show_curve(&p, "h^2", sizes + from, square + from, refinements - from);
    show_plot_save(&p, &s, "cantilever");
    show_result(&s, "settled_against_rest", slow.deflection / deflections[0][0] - 1);
    show_result(&s, "settled_gradient", -slow.by_young * YOUNG / slow.deflection);
    show_result(&s, "gradient_error", worst);
    show_result(&s, "error_one_layer", (double)errors[0][0]);
    show_result(&s, "error_finest", (double)errors[0][refinements - 1]);
    show_result(&s, "order", order);
    show_result(&s, "extrapolated_error", fabs(limit / exact - 1));
    return show_end(&s);
}
