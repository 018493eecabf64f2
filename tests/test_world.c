/* Worlds: a world of everything against differences, the scaling of all forces, W1, W5 and W6 against numbers
   that others agree on, names, worlds side by side, steps of a game, what is refused, memory that ends. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include <math.h>

#include "tap.h"

#include "rollouts.h"

static const int is_float = sizeof(ds_real) == 4;

static ds_number num(double value) { return ds_number_make(value); }
static ds_number logarithmic(double value)
{
    ds_number r = ds_number_make(value);
    r.logarithmic = 1;
    return r;
}
static ds_number control(double value)
{
    ds_number r = ds_number_make(value);
    r.control = 1;
    return r;
}
static ds_v3 v3(double x, double y, double z) { return ds_v3_make((ds_real)x, (ds_real)y, (ds_real)z); }

/* a type of the user's: a well of two slopes, k/2 (x^2 + z^2) + k y^4, with a drag of its own */
static ds_var well_energy(ds_element *e)
{
    const ds_var3 x = ds_point(e, 0);
    const ds_var flat = ds_add(ds_square(ds_x(x)), ds_square(ds_z(x)));
    return ds_mul(ds_parameter(e, 0), ds_add(ds_mul(ds_c(0.5), flat), ds_square(ds_square(ds_y(x)))));
}
static ds_var well_drag(ds_element *e)
{
    return ds_mul(ds_mul(ds_c(0.5), ds_parameter(e, 1)), ds_square(ds_x(ds_velocity(e, 0))));
}
static const ds_energy_type WELL = {
    "well", 1, 2, 0, "strength (N/m), slowing (N s/m)", well_energy, well_drag, NULL, NULL
};

/* the same, as deep as number 2 of a field tells */
static ds_var pot_energy(ds_element *e)
{
    return ds_mul(well_energy(e), ds_load(ds_field(e, 0), ds_i(2)));
}
static const ds_energy_type POT = {
    "pot", 1, 2, 0, "strength (N/m), slowing (N s/m)", pot_energy, well_drag, NULL, NULL
};

/* A world of everything: a solid, a cloth tied to it by springs, air, obstacles of every shape, targets, a
   well; BEADS: points with a mass of their own. */
enum { BEADS = 1, REST = 2, LOG = 4, MOST_BODIES = 12 };
enum { SOLID, CLOTH, SPRINGS, TARGETS, WELLS, PLANE, SPHERE, CAPSULE, BOX, GRID, N_BODIES };
typedef struct everything {
    ds_world *w;
    ds_body bodies[N_BODIES];
    ds_real young[5];
} everything;

static ds_contact rough(ds_contact_law law, ds_friction_law friction)
{
    ds_contact c;
    memset(&c, 0, sizeof c);
    c.law = law;
    c.friction_law = friction;
    c.stiffness = num(30);
    c.width = num(0.2);
    c.offset = num(0.01);
    c.friction = num(0.4);
    c.slip = num(0.3);
    c.damping = num(0.2);
    c.velocity[0] = num(0.1);
    return c;
}

/* The distances of a sphere about a point, on a grid that reaches twice as far, n points along x, a few more
   along y and z, so that no two sides are the same. */
#define SPHERE_VALUES(n) ((n) * ((n) + 1) * ((n) + 3))
static ds_distance_field sphere_on_grid(ds_v3 centre, double radius, size_t n, ds_real *values)
{
    const double h = 4 * radius / (double)(n - 1), to = -2 * radius;
    ds_distance_field f;
    memset(&f, 0, sizeof f);
    f.nx = n, f.ny = n + 1, f.nz = n + 3;
    f.values = values;
    f.spacing = (ds_real)h;
    f.origin = v3((double)centre.x + to, (double)centre.y + to, (double)centre.z + to);
    for (size_t i = 0; i < SPHERE_VALUES(n); i++) {
        const double x = (double)(i / f.nz / f.ny), y = (double)(i / f.nz % f.ny), z = (double)(i % f.nz);
        const double a = h * x + to, b = h * y + to, c = h * z + to;
        values[i] = (ds_real)(sqrt(a * a + b * b + c * c) - radius);
    }
    return f;
}

static void add_obstacles(everything *e)
{
    ds_number numbers[11];
    ds_real values[SPHERE_VALUES(9)];
    ds_distance_field ball = sphere_on_grid(v3(0, 0, 0), 0.6, 9, values);
    ds_contact c = rough(DSIM_CONTACT_SOFTPLUS, DSIM_FRICTION_SMOOTH);
    e->bodies[PLANE] = ds_world_add_plane(e->w, v3(0.1, 2, 0.2), -0.3, &c);
    numbers[0] = num(0.5), numbers[1] = num(-0.6), numbers[2] = num(0.4), numbers[3] = num(0.7);
    c = rough(DSIM_CONTACT_PENALTY, DSIM_FRICTION_TANH);
    e->bodies[SPHERE] = ds_world_add_contact(e->w, e->bodies[SOLID], DSIM_SHAPE_SPHERE, numbers, &c);
    for (int i = 0; i < 7; i++) numbers[i] = num(0.1 * i - 0.35);
    numbers[1] = num(1.5), numbers[4] = num(1.6), numbers[6] = num(0.6);
    c = rough(DSIM_CONTACT_PENALTY, DSIM_FRICTION_SMOOTH);
    e->bodies[CAPSULE] = ds_world_add_contact(e->w, e->bodies[CLOTH], DSIM_SHAPE_CAPSULE, numbers, &c);
    for (int i = 0; i < 11; i++) numbers[i] = num(0.3 + 0.02 * i);
    numbers[0] = num(1.25), numbers[1] = num(1.3), numbers[2] = num(0.1), numbers[10] = num(0.1);
    numbers[3] = num(0.8), numbers[4] = num(0), numbers[5] = num(0.6), numbers[6] = num(0);
    c = rough(DSIM_CONTACT_SOFTPLUS, DSIM_FRICTION_TANH);
    memset(c.velocity, 0, sizeof c.velocity);
    c.damping = num(0);
    e->bodies[BOX] = ds_world_add_contact(e->w, e->bodies[CLOTH], DSIM_SHAPE_BOX, numbers, &c);
    c = rough(DSIM_CONTACT_SOFTPLUS, DSIM_FRICTION_TANH);
    c.grid = &ball;
    c.stiffness = num(90);
    for (int i = 0; i < 3; i++) numbers[i] = num(i == 1 ? -1.7 : -0.9);
    numbers[3] = num(0.31);
    e->bodies[GRID] = ds_world_add_contact(e->w, e->bodies[SOLID], DSIM_SHAPE_GRID, numbers, &c);
    memset(values, 0xff, sizeof values); /* NaN: they were copied */
}

static void add_solid(everything *e, ds_mesh *mesh, int how)
{
    static const int32_t corner[1] = { 7 };
    ds_mesh_box_desc d;
    ds_solid s;
    memset(&d, 0, sizeof d);
    memset(&s, 0, sizeof s);
    d.size = v3(0.8, 0.7, 0.9);
    d.nx = d.ny = d.nz = 1;
    ds_mesh_box(&d, mesh, NULL);
    for (int i = 0; i < 5; i++) e->young[i] = (ds_real)(40 + 3 * i);
    s.young = how & LOG ? logarithmic(40) : num(40);
    s.young.each = e->young;
    s.poisson = num(0.3);
    s.density = how & LOG ? logarithmic(3) : num(3);
    s.viscosity = num(0.5);
    e->bodies[SOLID] = ds_world_add_solid(e->w, mesh, &s);
    ds_world_pin(e->w, e->bodies[SOLID], corner, 1);
    ds_world_set_velocity(e->w, e->bodies[SOLID], v3(0.3, -0.5, 0.2));
    ds_mesh_destroy(mesh);
}

static void add_cloth(everything *e, ds_mesh *mesh)
{
    ds_mesh_cloth_desc d;
    ds_cloth c;
    memset(&d, 0, sizeof d);
    memset(&c, 0, sizeof c);
    d.origin = v3(0, 1, 0);
    d.u = v3(1, 0.1, 0), d.v = v3(0.1, 0.2, -1);
    d.nx = d.ny = 2;
    ds_mesh_cloth(&d, mesh, NULL);
    mesh->points[3 * 4 + 1] += (ds_real)0.1; /* not flat */
    c.young = num(300), c.poisson = num(0.25), c.thickness = num(0.02), c.density = num(50);
    c.bending = num(0.1), c.bending_damping = num(0.02);
    c.drag = num(0.5), c.lift = num(0.3);
    c.wind[0] = control(1.5), c.wind[1] = num(0.4), c.wind[2] = control(-0.7);
    e->bodies[CLOTH] = ds_world_add_cloth(e->w, mesh, &c);
    ds_world_set_velocity(e->w, e->bodies[CLOTH], v3(0.1, 0.2, -0.1));
    ds_mesh_destroy(mesh);
}

static everything make_everything(int how, size_t worlds, const ds_allocator *allocator)
{
    static const int32_t pairs[4][2] = { { 2, 8 }, { 3, 11 }, { 6, 13 }, { 0, 16 } }, aims[2] = { 0, 5 };
    static const ds_real to[6] = { 0, 1, 0, 1, 1, (ds_real)-0.5 };
    static const ds_real beads[6] = { (ds_real)0.2, 2, 0, (ds_real)0.5, 2, (ds_real)0.1 };
    const ds_number aim = num(7), well[2] = { num(2), num(0.3) };
    everything e;
    ds_world_desc d;
    ds_springs s;
    ds_elements wells;
    ds_mesh mesh;
    memset(&e, 0, sizeof e);
    memset(&d, 0, sizeof d);
    if (allocator) d.runner.allocator = *allocator;
    d.integrator.dt = 0.02;
    d.gravity = v3(0.1, -1, 0);
    d.rest_is_param = (how & REST) != 0;
    d.worlds = worlds;
    d.worlds_have_params = worlds > 1;
    e.w = ds_world_create(&d);
    add_solid(&e, &mesh, how);
    add_cloth(&e, &mesh);
    s.stiffness = num(20), s.damping = num(0.6);
    {
        const ds_body none = { NULL, 0 };
        e.bodies[SPRINGS] = ds_world_add_springs(e.w, none, &pairs[0][0], 4, &s);
        e.bodies[TARGETS] = ds_world_add_targets(e.w, e.bodies[CLOTH], aims, 2, to, &aim);
        memset(&wells, 0, sizeof wells);
        wells.type = &WELL;
        wells.numbers = well;
        e.bodies[WELLS] = ds_world_add_elements(e.w, &wells);
    }
    add_obstacles(&e);
    if (how & BEADS) ds_world_add_points(e.w, beads, 2, 0.3);
    return e;
}

/* where all is at the end: sum of (x - x*)^2 and of a product, of the positions alone */
static ds_result where(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const size_t n = *(const size_t *)user;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)io->state[i], miss = x - 0.3 * sin((double)i);
        sum += miss * miss / 2;
        if (bar) bar->state_bar[i] += (ds_real)miss;
    }
    *value += (ds_real)sum;
    return DSIM_OK;
}

enum { STEPS = 6 };
static size_t coordinates;
static ds_rollout *rollout_of(ds_world *w)
{
    ds_rollout_desc d;
    memset(&d, 0, sizeof d);
    d.steps = STEPS;
    d.loss = where;
    d.loss_user = &coordinates;
    d.loss_at_end = 1;
    coordinates = 3 * ds_world_point_count(w);
    return ds_world_rollout(w, &d);
}

/* the stepper of a world of everything, some steps on */
static void test_stepper(void)
{
    everything e = make_everything(BEADS | REST | LOG, 1, NULL);
    ds_check_report report;
    ds_check_desc d;
    ds_step_io io;
    memset(&d, 0, sizeof d);
    memset(&io, 0, sizeof io);
    if (!TAP_OK(ds_world_stepper(e.w) != NULL, "a world of everything"))
        tap_diag("%s", ds_world_error(e.w)->text);
    TAP_OK(!ds_world_step(e.w, 0.0601, NULL, NULL), "moves");
    io.left = 1;
    io.state = ds_world_positions(e.w);
    io.param = ds_world_params(e.w);
    io.control = ds_world_controls(e.w);
    d.max_entries = 60;
    if (is_float) d.tolerance = 2e-2;
    if (!TAP_OK(!ds_check_stepper(ds_world_stepper(e.w), &io, &d, &report), "ds_check_stepper"))
        tap_diag("%s", report.text);
    ds_world_destroy(e.w);
}

/* One number of the rollout, moved there and back, against the gradient g. Returns the derivative. */
static double differs(ds_world *w, ds_real *number, double h)
{
    const ds_real kept = *number;
    double side[2] = { 0, 0 };
    double apart = 0;
    for (int k = 0; k < 2; k++) {
        ds_rollout *r;
        *number = (ds_real)((double)kept + (k ? h : -h));
        apart += k ? (double)*number : -(double)*number;
        r = rollout_of(w);
        if (!ds_rollout_forward(r)) side[k] = ds_rollout_loss(r);
        else tap_diag("%s", ds_rollout_error(r)->text);
        ds_rollout_destroy(r);
    }
    *number = kept;
    return (side[1] - side[0]) / apart;
}

/* n numbers from `numbers` on and their gradient, up to 6 of them, evenly spread */
static void check_numbers(ds_world *w, ds_real *numbers, const ds_real *gradient, size_t n, const char *name)
{
    double most = 0, wrong = 0;
    for (size_t i = 0; i < n; i += n > 6 ? n / 6 : 1) {
        const double size = fabs((double)numbers[i]) > 0.1 ? fabs((double)numbers[i]) : 0.1;
        const double by = differs(w, numbers + i, 1e-5 * size), g = (double)gradient[i];
        if (fabs(by) > most) most = fabs(by);
        if (!(fabs(g - by) <= wrong)) wrong = fabs(g - by);
    }
    /* rounding of the loss makes differences uncertain by some 1e-10 */
    if (!TAP_OK(most > 1e-5 && wrong <= 2e-6 * most + 1e-9, "gradient by %s", name))
        tap_diag("%zu numbers, the largest difference quotient %g, worst error %g", n, most, wrong);
}

static void check_named(everything *e, const ds_rollout *r, int body, const char *name)
{
    const ds_param p = ds_world_param(e->w, e->bodies[body], name);
    static ds_real sum[8];
    if (!TAP_OK(p.n > 0, "there is %s", name)) return;
    if (!p.is_control) {
        check_numbers(e->w, ds_world_params(e->w) + p.first, ds_rollout_param_grad(r) + p.first, p.n, name);
        return;
    }
    for (size_t i = 0; i < p.n; i++) { /* each step has the same */
        sum[i] = 0;
        for (size_t k = 0; k < STEPS; k++)
            sum[i] += ds_rollout_control_grad(r)[k * ds_world_stepper(e->w)->n_control + p.first + i];
    }
    check_numbers(e->w, ds_world_controls(e->w) + p.first, sum, p.n, name);
}

static void test_gradient(void)
{
    static const struct { int body; const char *name; } all[] = {
        { SOLID, "young" }, { SOLID, "poisson" }, { SOLID, "density" }, { SOLID, "viscosity" },
        { SOLID, "rest" }, { CLOTH, "young" }, { CLOTH, "poisson" }, { CLOTH, "thickness" },
        { CLOTH, "density" }, { CLOTH, "stiffness" }, { CLOTH, "activation" }, { CLOTH, "damping" },
        { CLOTH, "drag" }, { CLOTH, "lift" }, { CLOTH, "wind x" }, { CLOTH, "wind y" }, { CLOTH, "wind z" },
        { CLOTH, "rest" }, { SPRINGS, "stiffness" }, { SPRINGS, "rest length" }, { SPRINGS, "damping" },
        { TARGETS, "stiffness" }, { TARGETS, "target x" }, { WELLS, "strength" }, { WELLS, "slowing" },
        { PLANE, "height" }, { PLANE, "friction" }, { PLANE, "stiffness" }, { PLANE, "width" },
        { PLANE, "slip speed" }, { PLANE, "damping" }, { PLANE, "velocity x" }, { PLANE, "normal x" },
        { SPHERE, "centre y" }, { SPHERE, "radius" }, { SPHERE, "friction" }, { SPHERE, "stiffness" },
        { CAPSULE, "a x" }, { CAPSULE, "radius" }, { CAPSULE, "friction" },
        { BOX, "centre y" }, { BOX, "half x" }, { BOX, "turn w" }, { BOX, "stiffness" },
        { GRID, "origin x" }, { GRID, "origin y" }, { GRID, "spacing" }, { GRID, "stiffness" },
        { GRID, "friction" }, { GRID, "velocity x" }
    };
    for (int how = 0; how < 2; how++) {
        everything e = make_everything(how ? BEADS | REST | LOG : BEADS | REST, 1, NULL);
        ds_rollout *const r = rollout_of(e.w);
        const size_t half = 3 * ds_world_point_count(e.w);
        if (!TAP_OK(r && !ds_rollout_backward(r), "backward, %s", how ? "logarithms" : "plain")) {
            tap_diag("%s", r ? ds_rollout_error(r)->text : ds_world_error(e.w)->text);
        } else if (is_float) {
            TAP_SKIP("float", "differences");
        } else {
            for (size_t i = 0; i < (how ? 3 : COUNT(all)); i++) check_named(&e, r, all[i].body, all[i].name);
            check_numbers(e.w, ds_world_positions(e.w), ds_rollout_state_grad(r), half, "positions");
            check_numbers(e.w, ds_world_velocities(e.w), ds_rollout_state_grad(r) + half, half, "velocities");
        }
        ds_rollout_destroy(r);
        ds_world_destroy(e.w);
    }
}

/* All forces and masses times a factor move nothing: E dL/dE + rho dL/drho + kappa dL/dkappa + ... = 0. */
static void test_scaling(void)
{
    static const struct { int body; const char *name; } forces[] = {
        { SOLID, "young" }, { SOLID, "density" }, { SOLID, "viscosity" }, { CLOTH, "young" },
        { CLOTH, "density" }, { CLOTH, "stiffness" }, { CLOTH, "damping" }, { CLOTH, "drag" },
        { CLOTH, "lift" }, { SPRINGS, "stiffness" }, { SPRINGS, "damping" }, { TARGETS, "stiffness" },
        { WELLS, "strength" }, { WELLS, "slowing" }, { PLANE, "stiffness" }, { SPHERE, "stiffness" },
        { CAPSULE, "stiffness" }, { BOX, "stiffness" }, { GRID, "stiffness" }
    };
    everything e = make_everything(0, 1, NULL);
    ds_rollout *const r = rollout_of(e.w);
    double sum = 0, size = 0;
    TAP_OK(r && !ds_rollout_backward(r), "a world of elements with a density");
    for (size_t i = 0; r && i < COUNT(forces); i++) {
        const ds_param p = ds_world_param(e.w, e.bodies[forces[i].body], forces[i].name);
        for (size_t k = p.first; k < p.first + p.n; k++) {
            const double part = (double)ds_world_params(e.w)[k] * (double)ds_rollout_param_grad(r)[k];
            sum += part;
            size += fabs(part);
        }
        if (!p.n) tap_diag("no %s", forces[i].name);
    }
    if (!TAP_OK(size > 0 && fabs(sum) <= (is_float ? 1e-4 : 1e-10) * size, "forces scale as masses do"))
        tap_diag("sum %g of %g", sum, size);
    ds_rollout_destroy(r);
    ds_world_destroy(e.w);
}

/* what is asked of numbers on which others agree */
static void checksums(const double *g, size_t n, double length, double waved, const char *name)
{
    const double tight = is_float ? 2e-3 : 1e-9;
    double a = 0, b = 0;
    for (size_t q = 0; q < n; q++) {
        a += g[q] * g[q];
        b += g[q] * cos(0.37 * (double)q);
    }
    TAP_NEAR(sqrt(a), length, tight, "%s", name);
    TAP_NEAR(b / length, waved / length, tight, "%s, each with its own", name);
}

/* mean of |x - target|^2 of n points at the end */
typedef struct mean_loss { size_t n; double *target; } mean_loss;
static ds_result near_target(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const mean_loss *const l = (const mean_loss *)user;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t i = 0; i < 3 * l->n; i++) {
        const double miss = (double)io->state[i] - l->target[i];
        sum += miss * miss;
        if (bar) bar->state_bar[i] += (ds_real)(2 * miss / (double)l->n);
    }
    *value += (ds_real)(sum / (double)l->n);
    return DSIM_OK;
}

static ds_rollout *run_to_target(ds_world *w, size_t steps, mean_loss *loss, const char *name)
{
    ds_rollout_desc d;
    ds_rollout *r;
    memset(&d, 0, sizeof d);
    d.steps = steps;
    d.loss = near_target;
    d.loss_user = loss;
    d.loss_at_end = 1;
    d.memory_limit = (size_t)20 << 20;
    r = ds_world_rollout(w, &d);
    if (!TAP_OK(r && !ds_rollout_backward(r), "%s through a world", name))
        tap_diag("%s", r ? ds_rollout_error(r)->text : ds_world_error(w)->text);
    return r;
}

/* W1: a net of springs, each with its own stiffness */
enum { W1 = 64, W1_POINTS = W1 * W1, W1_SPRINGS = 2 * W1 * (W1 - 1) + 2 * (W1 - 1) * (W1 - 1) };
static int32_t w1_ends[W1_SPRINGS][2];
static ds_real w1_stiff[W1_SPRINGS], w1_rest[W1_SPRINGS], w1_x[3 * W1_POINTS];
static double w1_target[3 * W1_POINTS], w1_bar[W1_SPRINGS + 3 * W1_POINTS];

static size_t w1_family(size_t s, int i0, int i1, int down, double length)
{
    for (int i = 0; i + i1 < W1; i++)
        for (int j = 0; j + (down ? 1 : i0) < W1; j++, s++) {
            w1_ends[s][0] = i * W1 + j + down;
            w1_ends[s][1] = (i + i1) * W1 + j + (down ? 0 : i0);
            w1_rest[s] = (ds_real)(length / (W1 - 1));
            w1_stiff[s] = (ds_real)(1000 * (1 + 0.1 * sin(0.1 * (double)s)));
        }
    return s;
}

static void w1_data(void)
{
    const double d = 1.0 / (W1 - 1);
    size_t s = w1_family(0, 1, 0, 0, 1);
    s = w1_family(s, 0, 1, 0, 1);
    s = w1_family(s, 1, 1, 0, sqrt(2.0));
    w1_family(s, 0, 1, 1, sqrt(2.0));
    for (int p = 0; p < W1_POINTS; p++) {
        const int i = p / W1, j = p % W1;
        w1_x[3 * p] = (ds_real)(i * d + 0.1 * d * sin(0.7 * i + 0.3 * j));
        w1_x[3 * p + 1] = (ds_real)(j * d + 0.1 * d * cos(0.5 * i - 0.2 * j));
        w1_x[3 * p + 2] = (ds_real)(0.1 * d * sin(0.3 * i) * cos(0.6 * j));
        w1_target[3 * p] = i * d, w1_target[3 * p + 1] = j * d, w1_target[3 * p + 2] = -0.1;
    }
}

static void test_w1(void)
{
    mean_loss loss = { W1_POINTS, w1_target };
    int32_t pinned[W1];
    ds_number numbers[2];
    ds_world_desc d;
    ds_elements springs;
    ds_world *w;
    ds_rollout *r;
    ds_param k;
    w1_data();
    memset(&d, 0, sizeof d);
    d.integrator.dt = 1e-3;
    d.integrator.velocity_loss = 1e-3;
    d.gravity = v3(0, 0, -9.8);
    w = ds_world_create(&d);
    memset(&springs, 0, sizeof springs);
    springs.of = ds_world_add_points(w, w1_x, W1_POINTS, 1);
    for (int i = 0; i < W1; i++) pinned[i] = i;
    ds_world_pin(w, springs.of, pinned, W1);
    memset(numbers, 0, sizeof numbers);
    numbers[0].each = w1_stiff;
    numbers[1].each = w1_rest;
    springs.type = ds_energy_get_type(DSIM_ENERGY_SPRING);
    springs.n = W1_SPRINGS;
    springs.points = &w1_ends[0][0];
    springs.numbers = numbers;
    k = ds_world_param(w, ds_world_add_elements(w, &springs), "stiffness");
    r = run_to_target(w, 200, &loss, "W1_64");
    TAP_OK(k.n == W1_SPRINGS, "each spring has its stiffness");
    if (r && k.n == W1_SPRINGS) {
        TAP_NEAR(ds_rollout_loss(r), 0.006853346447758, is_float ? 2e-3 : 1e-9, "loss");
        for (size_t i = 0; i < W1_SPRINGS; i++) w1_bar[i] = (double)ds_rollout_param_grad(r)[k.first + i];
        checksums(w1_bar, W1_SPRINGS, 3.715312419068e-09, 6.975593807761e-10, "by stiffness");
        for (size_t i = 0; i < 3 * W1_POINTS; i++) w1_bar[i] = (double)ds_rollout_state_grad(r)[i];
        if (!is_float)
            checksums(w1_bar, 3 * W1_POINTS, 0.002583056639568, -0.0001002265984029, "by positions");
    }
    ds_rollout_destroy(r);
    ds_world_destroy(w);
}

/* W5: 20 x 10 x 10 cubes of five tetrahedra; mu and la of each become young and poisson */
enum { W5_CUBES = 2000, W5_TETS = 5 * W5_CUBES, W5_POINTS = 21 * 11 * 11 };
static int32_t w5_tets[W5_TETS][4], w5_fixed[121];
static ds_real w5_x[3 * W5_POINTS], w5_young[W5_TETS], w5_poisson[W5_TETS];
static double w5_target[3 * W5_POINTS], w5_mu[W5_TETS], w5_la[W5_TETS], w5_bar[2][W5_TETS];

static void w5_data(void)
{
    static const int cuts[2][5][4] = {
        { { 0, 1, 3, 5 }, { 0, 3, 2, 6 }, { 0, 5, 4, 6 }, { 3, 5, 6, 7 }, { 0, 3, 5, 6 } },
        { { 1, 0, 2, 4 }, { 1, 2, 3, 7 }, { 1, 4, 5, 7 }, { 2, 4, 6, 7 }, { 1, 2, 4, 7 } }
    };
    for (int e = 0; e < W5_TETS; e++) {
        const int cube = e / 5, i = cube / 100, j = cube / 10 % 10, k = cube % 10;
        const double mu = 1e5 * (1 + 0.2 * sin(0.01 * e)), la = 4e5 * (1 + 0.1 * cos(0.013 * e));
        for (int c = 0; c < 4; c++) {
            const int bits = cuts[(i + j + k) % 2][e % 5][c];
            w5_tets[e][c] = ((i + (bits & 1)) * 11 + j + (bits >> 1 & 1)) * 11 + k + (bits >> 2);
        }
        w5_mu[e] = mu, w5_la[e] = la;
        w5_young[e] = (ds_real)(mu * (3 * la + 2 * mu) / (la + mu));
        w5_poisson[e] = (ds_real)(la / (2 * (la + mu)));
    }
    for (int p = 0; p < W5_POINTS; p++) {
        static const double moved[3] = { 0, -0.05, 0.02 };
        const double x[3] = { 0.1 * (p / 121), 0.1 * (p / 11 % 11), 0.1 * (p % 11) };
        for (int c = 0; c < 3; c++) {
            w5_x[3 * p + c] = (ds_real)x[c];
            w5_target[3 * p + c] = x[c] + moved[c];
        }
    }
    for (int p = 0; p < 121; p++) w5_fixed[p] = p;
}

/* some tetrahedra of the workload are wound the other way, which the mesh puts right */
static ds_world *w5_world(ds_body *body)
{
    ds_world_desc d;
    ds_solid s;
    ds_mesh mesh;
    ds_world *w;
    memset(&d, 0, sizeof d);
    memset(&s, 0, sizeof s);
    memset(&mesh, 0, sizeof mesh);
    d.integrator.dt = 3e-4;
    d.integrator.velocity_loss = 1.5e-4;
    d.gravity = v3(0, -9.8, 0);
    w = ds_world_create(&d);
    mesh.n_points = W5_POINTS;
    mesh.n_tets = W5_TETS;
    mesh.points = w5_x;
    mesh.tets = &w5_tets[0][0];
    ds_mesh_orient(&mesh);
    s.model = DSIM_ENERGY_STABLE_NEO_HOOKEAN_RAW;
    s.young.each = w5_young;
    s.poisson.each = w5_poisson;
    s.density = num(1000);
    *body = ds_world_add_solid(w, &mesh, &s);
    ds_world_pin(w, *body, w5_fixed, 121);
    if (ds_world_velocities(w))
        for (int p = 121; p < W5_POINTS; p++) {
            ds_world_velocities(w)[3 * p + 1] = (ds_real)(-2 * (double)w5_x[3 * p]);
            ds_world_velocities(w)[3 * p + 2] = (ds_real)(0.5 * sin(3 * (double)w5_x[3 * p]));
        }
    return w;
}

static void test_w5(void)
{
    mean_loss loss = { W5_POINTS, w5_target };
    ds_body body;
    ds_world *w;
    ds_rollout *r;
    ds_param young, poisson;
    w5_data();
    w = w5_world(&body);
    young = ds_world_param(w, body, "young");
    poisson = ds_world_param(w, body, "poisson");
    r = run_to_target(w, 100, &loss, "W5");
    TAP_OK(young.n == W5_TETS && poisson.n == W5_TETS, "each tetrahedron has its numbers");
    if (r && young.n == W5_TETS && ds_rollout_param_grad(r)) {
        TAP_NEAR(ds_rollout_loss(r), 0.0019842040758047, is_float ? 2e-3 : 1e-9, "loss");
        for (size_t e = 0; e < W5_TETS; e++) {
            const double a = w5_mu[e], b = w5_la[e], s = (a + b) * (a + b);
            const double by_young = (double)ds_rollout_param_grad(r)[young.first + e];
            const double by_poisson = (double)ds_rollout_param_grad(r)[poisson.first + e];
            /* young = mu (3 la + 2 mu) / (la + mu), poisson = la / (2 (la + mu)) */
            w5_bar[0][e] = by_young * (3 * b * b + 4 * a * b + 2 * a * a) / s - by_poisson * b / (2 * s);
            w5_bar[1][e] = by_young * a * a / s + by_poisson * a / (2 * s);
        }
        checksums(w5_bar[0], W5_TETS, 1.584934768745e-11, -7.634199462757e-13, "by mu");
        checksums(w5_bar[1], W5_TETS, 1.958526060479e-13, 8.261335760577e-15, "by la");
    }
    ds_rollout_destroy(r);
    ds_world_destroy(w);
}

/* W6: chains of 12 masses on an anchor, in groups of worlds side by side with numbers of their own */
enum { CHAINS = 4096, GROUP = 64, LINKS = 12, CHAIN_POINTS = LINKS + 1 };
static double w6_bar[3][CHAINS];

static double chain_number(int which, double e)
{
    return which == 0 ? 400 * (1 + 0.3 * sin(0.01 * e))
         : which == 1 ? 0.1 * (1 + 0.05 * sin(0.013 * e)) : 0.5 * (1 + 0.2 * cos(0.017 * e));
}
static void chain_points(ds_real *x, double e)
{
    memset(x, 0, 3 * CHAIN_POINTS * sizeof *x);
    for (int m = 0; m < LINKS; m++) {
        x[3 * m + 3] = (ds_real)(0.1 * (m + 1));
        x[3 * m + 5] = (ds_real)(0.02 * sin(m + 0.01 * e));
    }
}

/* chains `first` ... of so many; parameters are stiffness, rest length, damping, each [worlds] */
static ds_world *chain_world(size_t worlds, double first)
{
    static const int32_t anchor[1] = { 0 };
    int32_t ends[LINKS][2];
    ds_real x[3 * CHAIN_POINTS];
    ds_number numbers[3];
    ds_world_desc d;
    ds_elements links;
    ds_world *w;
    memset(&d, 0, sizeof d);
    d.integrator.dt = 1e-3;
    d.gravity = v3(0, 0, -9.8);
    d.worlds = worlds;
    d.worlds_have_params = 1;
    w = ds_world_create(&d);
    chain_points(x, first);
    memset(&links, 0, sizeof links);
    links.of = ds_world_add_points(w, x, CHAIN_POINTS, 0.1);
    ds_world_pin(w, links.of, anchor, 1);
    for (int m = 0; m < LINKS; m++) ends[m][0] = m, ends[m][1] = m + 1;
    for (int i = 0; i < 3; i++) numbers[i] = num(chain_number(i, first));
    links.type = ds_energy_get_type(DSIM_ENERGY_DAMPED_SPRING);
    links.n = LINKS;
    links.points = &ends[0][0];
    links.numbers = numbers;
    ds_world_add_elements(w, &links);
    return w;
}

/* chains from `first` on into a world: its own state and parameters */
static void set_chains(ds_world *w, size_t worlds, size_t first)
{
    ds_real x[3 * CHAIN_POINTS], v[3 * CHAIN_POINTS] = { 0 };
    for (size_t e = 0; e < worlds; e++) {
        chain_points(x, (double)(first + e));
        ds_world_put(w, e, x, v, ds_world_positions(w));
        for (size_t i = 0; i < 3; i++)
            ds_world_params(w)[i * worlds + e] = (ds_real)chain_number((int)i, (double)(first + e));
    }
}

static ds_result last_link(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    static const double target[3] = { 0.5, 0, -0.8 };
    const size_t worlds = *(const size_t *)user;
    double sum = 0;
    if (io->left) return DSIM_OK;
    for (size_t c = 0; c < 3; c++)
        for (size_t e = 0; e < worlds; e++) {
            const size_t at = worlds == 1 ? 3 * LINKS + c : (c * CHAIN_POINTS + LINKS) * worlds + e;
            const double miss = (double)io->state[at] - target[c];
            sum += miss * miss;
            if (bar) bar->state_bar[at] += (ds_real)(2 * miss / CHAINS);
        }
    *value += (ds_real)(sum / CHAINS);
    return DSIM_OK;
}

static ds_rollout *chain_rollout(ds_world *w, size_t *worlds)
{
    ds_rollout_desc d;
    memset(&d, 0, sizeof d);
    d.steps = 200;
    d.loss = last_link;
    d.loss_user = worlds;
    d.loss_at_end = 1;
    return ds_world_rollout(w, &d);
}

static void test_w6(void)
{
    size_t worlds = GROUP;
    ds_world *const w = chain_world(worlds, 0);
    ds_rollout *const r = chain_rollout(w, &worlds);
    double loss = 0;
    int fine = r != NULL;
    for (size_t g = 0; fine && g < CHAINS; g += GROUP) {
        set_chains(w, GROUP, g);
        fine = !ds_rollout_set_state(r, ds_world_positions(w)) &&
               !ds_rollout_set_param(r, ds_world_params(w)) && !ds_rollout_backward(r);
        if (!fine) break;
        loss += ds_rollout_loss(r);
        for (size_t i = 0; i < 3 * GROUP; i++) /* k; c, l */
            w6_bar[i / GROUP ? 3 - i / GROUP : 0][g + i % GROUP] = (double)ds_rollout_param_grad(r)[i];
    }
    TAP_OK(fine, "W6 through worlds side by side");
    TAP_NEAR(loss, 0.84004285809277, is_float ? 2e-3 : 1e-9, "loss");
    checksums(w6_bar[0], CHAINS, 8.575903583465e-07, 2.044327269618e-09, "by stiffness");
    checksums(w6_bar[1], 2 * CHAINS, 0.2219612553036, -0.0009393636461192, "by damping and rest length");
    ds_rollout_destroy(r);
    ds_world_destroy(w);
}

/* each of several worlds has the bits of one alone: state, loss's gradient by state and parameters */
static void test_side_by_side(void)
{
    enum { N = 3 * CHAIN_POINTS };
    size_t worlds = 5, one = 1;
    ds_world *const all = chain_world(worlds, 0);
    ds_rollout *r;
    int same = 1, by_state = 1, by_param = 1, put = 1;
    set_chains(all, worlds, 100);
    r = chain_rollout(all, &worlds);
    if (!TAP_OK(r && !ds_rollout_backward(r), "five chains side by side")) return;
    for (size_t e = 0; e < worlds; e++) {
        ds_world *const w = chain_world(1, 100 + (double)e);
        ds_rollout *const alone = chain_rollout(w, &one);
        ds_real x[N], v[N];
        ds_rollout_backward(alone);
        ds_world_get(all, e, ds_rollout_state(r, NULL), x, v);
        same &= !memcmp(x, ds_rollout_state(alone, NULL), sizeof x) &&
                !memcmp(v, ds_rollout_state(alone, NULL) + N, sizeof v);
        ds_world_get(all, e, ds_rollout_state_grad(r), x, NULL);
        by_state &= !memcmp(x, ds_rollout_state_grad(alone), sizeof x);
        for (size_t i = 0; i < 3; i++) {
            const double a = (double)ds_rollout_param_grad(r)[i * worlds + e];
            const double b = (double)ds_rollout_param_grad(alone)[i];
            by_param &= fabs(a - b) <= (is_float ? 1e-3 : 1e-12) * fabs(b); /* a long sum, in another order */
        }
        ds_world_get(all, e, ds_world_positions(all), x, v);
        put &= !memcmp(x, ds_world_positions(w), sizeof x) && !memcmp(v, ds_world_velocities(w), sizeof v);
        ds_rollout_destroy(alone);
        ds_world_destroy(w);
    }
    TAP_OK(put, "what is put is got");
    TAP_OK(same, "each has the bits it has alone");
    TAP_OK(by_state, "so has the gradient by its state");
    TAP_OK(by_param, "that by its own parameters is the same sum");
    ds_rollout_destroy(r);
    ds_world_destroy(all);
}

/* A ball of radius 1 as an obstacle, on a grid of n points along each side, of its mesh if n is 0, with n = 1
   as a sphere. Beads fall on it, off its middle. */
enum { FALLING = 6 };
static ds_world *ball_world(size_t n, ds_contact c, ds_body *ball)
{
    static const ds_body all = { NULL, 0 };
    static ds_real values[SPHERE_VALUES(49)];
    ds_real x[3 * FALLING], v[3 * FALLING];
    ds_number sphere[4] = { num(0.1), num(0), num(-0.2), num(1) };
    ds_distance_field f;
    ds_world_desc d;
    ds_world *w;
    ds_body body;
    memset(&d, 0, sizeof d);
    memset(&f, 0, sizeof f);
    d.integrator.dt = 0.01;
    d.gravity = v3(0, -9.81, 0);
    w = ds_world_create(&d);
    for (int i = 0; i < 3 * FALLING; i++) {
        const double a = 0.3 + 0.8 * (i / 3);
        x[i] = (ds_real)(i % 3 == 0 ? 0.1 + 0.5 * cos(a) : i % 3 == 1 ? 1 + 0.01 * i : 0.5 * sin(a) - 0.2);
        v[i] = (ds_real)(i % 3 == 1 ? -1 : 0.1 * sin(5.0 * i));
    }
    body = ds_world_add_points(w, x, FALLING, 0.2);
    if (n == 1) *ball = ds_world_add_contact(w, body, DSIM_SHAPE_SPHERE, sphere, &c);
    else {
        if (n) f = sphere_on_grid(v3(0.1, 0, -0.2), 1, n, values);
        else {
            ds_mesh_ball_desc b;
            ds_distance_field_desc fine;
            ds_mesh mesh;
            memset(&b, 0, sizeof b);
            memset(&fine, 0, sizeof fine);
            b.centre = v3(0.1, 0, -0.2);
            b.n = 24;
            fine.spacing = (ds_real)(1.0 / 12);
            fine.margin = 1;
            ds_mesh_sphere(&b, &mesh, NULL);
            TAP_OK(!ds_distance_field_make(&mesh, &fine, &f, NULL), "distances of a mesh");
            ds_mesh_destroy(&mesh);
        }
        c.grid = &f;
        *ball = ds_world_add_contact(w, all, DSIM_SHAPE_GRID, NULL, &c);
        if (!n) ds_distance_field_destroy(&f);
    }
    ds_world_stepper(w);
    for (size_t i = 0; i < 3 * FALLING; i++) ds_world_velocities(w)[i] = v[i];
    return w;
}

/* how far beads are from those on the sphere after half a second, on a grid of this kind */
static double off_the_sphere(size_t n)
{
    ds_contact c = rough(DSIM_CONTACT_PENALTY, DSIM_FRICTION_SMOOTH);
    ds_world *w[2];
    ds_body ball;
    double most = 0, fell = 0;
    c.stiffness = num(400);
    c.width = num(0.05);
    w[0] = ball_world(n, c, &ball);
    w[1] = ball_world(1, c, &ball);
    for (int i = 0; i < 50; i++)
        for (int k = 0; k < 2; k++)
            if (ds_world_step(w[k], 0.01, NULL, NULL)) return HUGE_VAL;
    for (size_t i = 0; i < 3 * FALLING; i++) {
        const double there = (double)ds_world_positions(w[1])[i];
        most = fmax(most, fabs((double)ds_world_positions(w[0])[i] - there));
        if (i % 3 == 1) fell = fmax(fell, 1.1 - there);
    }
    TAP_OK(fell > 0.02, "beads have fallen by %.2g", fell);
    ds_world_destroy(w[0]);
    ds_world_destroy(w[1]);
    return most;
}

/* a ball on a grid is the sphere within the grid's error, of order 2; its gradient is exact */
static void test_grid(void)
{
    static const char *const names[] = { "origin x", "origin y", "spacing", "stiffness", "friction" };
    const double coarse = off_the_sphere(25), fine = off_the_sphere(49), of_mesh = off_the_sphere(0);
    TAP_OK(fine < 5e-3 && coarse > 3.5 * fine && coarse < 5 * fine,
           "a ball on a grid is a sphere but for %.2g, of half the spacing for %.2g", coarse, fine);
    TAP_OK(of_mesh < 5e-3, "that of a mesh but for %.2g", of_mesh);
    for (int law = 0; law < 3; law++) {
        ds_contact c = rough((ds_contact_law)law, law == 1 ? DSIM_FRICTION_TANH : DSIM_FRICTION_SMOOTH);
        ds_body ball;
        ds_world *const w = ball_world(25, c, &ball);
        ds_rollout *const r = rollout_of(w);
        const size_t half = 3 * FALLING;
        if (!TAP_OK(r && !ds_rollout_backward(r), "a ball on a grid, law %d: backward", law))
            tap_diag("%s", r ? ds_rollout_error(r)->text : ds_world_error(w)->text);
        for (size_t k = 0; r && k < COUNT(names); k++) {
            const ds_param p = ds_world_param(w, ball, names[k]);
            if (!TAP_OK(p.n == 1, "there is %s", names[k]) || is_float) continue;
            check_numbers(w, ds_world_params(w) + p.first, ds_rollout_param_grad(r) + p.first, 1, names[k]);
        }
        if (r) {
            const ds_real by_side = ds_rollout_param_grad(r)[ds_world_param(w, ball, "cells z").first];
            TAP_OK(!(by_side > 0 || by_side < 0), "no gradient by its sides");
        }
        if (r && !is_float) {
            check_numbers(w, ds_world_positions(w), ds_rollout_state_grad(r), half, "positions");
            check_numbers(w, ds_world_velocities(w), ds_rollout_state_grad(r) + half, half, "velocities");
        }
        ds_rollout_destroy(r);
        ds_world_destroy(w);
    }
}

/* a small world: a solid cube with a number of its own for each tetrahedron, and a plane */
static ds_world *cube_world(const ds_allocator *allocator, ds_body *body, ds_body *plane, double dt)
{
    ds_world_desc d;
    ds_mesh_box_desc box;
    ds_solid s;
    ds_contact c;
    ds_mesh mesh;
    ds_world *w;
    ds_body at;
    memset(&d, 0, sizeof d);
    memset(&box, 0, sizeof box);
    memset(&s, 0, sizeof s);
    memset(&c, 0, sizeof c);
    if (allocator) d.runner.allocator = *allocator;
    d.integrator.dt = dt;
    d.gravity = v3(0, -9.81, 0);
    d.most_steps = 4;
    w = ds_world_create(&d);
    box.nx = box.ny = box.nz = 1;
    ds_mesh_box(&box, &mesh, NULL);
    s.young = logarithmic(1e3);
    s.poisson = num(0.3);
    s.density = num(1000);
    at = ds_world_add_solid(w, &mesh, &s);
    if (body) *body = at;
    c.stiffness = num(1e4);
    at = ds_world_add_plane(w, v3(0, 1, 0), -0.1, &c);
    if (plane) *plane = at;
    ds_mesh_destroy(&mesh);
    return w;
}

static void test_names(void)
{
    everything e = make_everything(BEADS | LOG, 1, NULL);
    ds_world *const other = cube_world(NULL, NULL, NULL, 0.01);
    ds_body solid;
    ds_param p = ds_world_param(e.w, e.bodies[SOLID], "young");
    TAP_OK(p.n == 5 && p.logarithmic && !p.is_control, "young: one for each, logarithmic");
    TAP_NEAR(ds_world_params(e.w)[p.first + 2], log(46.0), is_float ? 1e-6 : 1e-15, "the logarithm is there");
    p = ds_world_param(e.w, e.bodies[CLOTH], "wind z");
    TAP_OK(p.n == 1 && p.is_control && p.first == 1, "wind z: the second control");
    TAP_NEAR(ds_world_controls(e.w)[p.first], -0.7, 1e-6, "as it was given");
    p = ds_world_param(e.w, e.bodies[CLOTH], "wind y");
    TAP_OK(p.n == 1 && !p.is_control, "wind y: a parameter");
    TAP_OK(!ds_world_error(e.w)->code, "no error so far");
    p = ds_world_param(e.w, e.bodies[CLOTH], "yuong");
    TAP_OK(!p.n && ds_world_error(e.w)->code == DSIM_ERROR_ARGUMENT, "an unknown name");
    TAP_HAS(ds_world_error(e.w)->text, "'yuong'", "is named");
    TAP_HAS(ds_world_error(e.w)->text, "young, poisson, thickness, density, stiffness",
            "and those there are");
    p = ds_world_param(e.w, e.bodies[CLOTH], NULL);
    TAP_OK(!p.n && ds_world_error(e.w)->code == DSIM_ERROR_ARGUMENT, "no name");
    p = ds_world_param(e.w, e.bodies[SOLID], "rest");
    TAP_OK(!p.n && ds_world_error(e.w)->code == DSIM_ERROR_ARGUMENT, "rest positions that are no parameters");
    p = ds_world_param(e.w, e.bodies[SOLID], "young");
    TAP_OK(p.n == 5 && !ds_world_error(e.w)->code, "errors are those of the last call");
    memset(&solid, 0, sizeof solid);
    solid.world = other;
    TAP_OK(!ds_world_param(e.w, solid, "young").n && ds_world_error(e.w)->code == DSIM_ERROR_FOREIGN,
           "a body of another world");
    TAP_OK(ds_world_points(e.w, e.bodies[CLOTH]).first == 8 && ds_world_points(e.w, e.bodies[CLOTH]).n == 9,
           "points of a body");
    TAP_OK(!ds_world_points(e.w, solid).n && !ds_world_points(e.w, e.bodies[PLANE]).n, "and of none");
    TAP_OK(ds_world_energies(e.w) && ds_world_integrator(e.w), "what it is made of");
    ds_world_destroy(other);
    ds_world_destroy(e.w);
}

/* the types and numbers that bodies become */
static void test_made_of(void)
{
    static const struct { int body, set; const char *type; } made[] = {
        { SOLID, 0, "stable_neo_hookean" }, { SOLID, 1, "objective_damping" },
        { CLOTH, 0, "membrane_neo_hookean" }, { CLOTH, 1, "hinge" }, { CLOTH, 2, "air" },
        { SPRINGS, 0, "damped_spring" }, { TARGETS, 0, "target" }, { WELLS, 0, "well" },
        { PLANE, 0, "plane_softplus_friction" }, { SPHERE, 0, "sphere_penalty_tanh" },
        { CAPSULE, 0, "capsule_penalty_friction" }, { BOX, 0, "box_softplus_tanh" },
        { GRID, 0, "grid_softplus_tanh" }
    };
    const ds_body none = ds_world_add_points(NULL, NULL, 0, 0);
    everything e = make_everything(BEADS, 1, NULL);
    const ds_real *const p = ds_world_params(e.w), *const x = ds_world_positions(e.w);
    const ds_param rest = ds_world_param(e.w, e.bodies[SPRINGS], "rest length");
    const ds_param aim = ds_world_param(e.w, e.bodies[TARGETS], "target y");
    const ds_param normal = ds_world_param(e.w, e.bodies[PLANE], "normal y");
    const ds_param origin = ds_world_param(e.w, e.bodies[GRID], "origin y");
    const ds_param spacing = ds_world_param(e.w, e.bodies[GRID], "spacing");
    double square = 0;
    for (size_t i = 0; i < COUNT(made); i++) {
        const ds_body body = e.bodies[made[i].body];
        const ds_energy_set *const set = ds_world_set(e.w, body, (size_t)made[i].set);
        const int is_last = i + 1 == COUNT(made) || made[i + 1].body != made[i].body;
        TAP_OK(set && !strcmp(set->type->name, made[i].type), "%s", made[i].type);
        if (is_last) TAP_OK(!ds_world_set(e.w, body, (size_t)made[i].set + 1), "and no more");
    }
    TAP_OK(!ds_world_set(NULL, e.bodies[0], 0) && !ds_world_set(e.w, none, 0), "no set of no body");
    TAP_OK(ds_world_set(e.w, e.bodies[WELLS], 0)->n == ds_world_point_count(e.w),
           "elements at all points, those added later too");
    for (int c = 0; c < 3; c++) square += pow((double)x[3 * 3 + c] - (double)x[3 * 11 + c], 2);
    TAP_NEAR(p[rest.first + 1], sqrt(square), is_float ? 1e-6 : 1e-14, "springs are as long as they are");
    TAP_NEAR(p[aim.first], 1, 0, "targets are where they were asked for");
    TAP_NEAR(p[aim.first + 1], 1, 0, "each of them");
    TAP_NEAR(p[origin.first], -1.7, 1e-6, "a grid stands where it was asked for");
    TAP_NEAR(p[spacing.first], 0.31, 1e-6, "as large as it was asked for");
    TAP_NEAR(p[normal.first], 2 / sqrt(4.05), is_float ? 1e-6 : 1e-14, "a normal becomes a unit vector");
    ds_world_destroy(e.w);
}

/* steps for games */
static void test_steps(void)
{
    ds_body body;
    meter m;
    const ds_allocator allocator = meter_allocator(&m);
    const double dt = 1.0 / 128;
    ds_world *const w = cube_world(&allocator, &body, NULL, dt);
    ds_world *const fresh = cube_world(NULL, NULL, NULL, dt);
    ds_param young;
    ds_real kept[48];
    size_t steps, calls;
    double left;
    TAP_OK(!ds_world_step(w, 2.5 * dt, &steps, &left) && steps == 2, "two steps and a half: two");
    TAP_NEAR(left, 0.5, 1e-12, "a half is left");
    calls = m.calls;
    TAP_OK(!ds_world_step(w, 0.5 * dt, &steps, &left) && steps == 1 && left < 1e-12, "which waits");
    TAP_OK(!ds_world_step(w, 10.25 * dt, &steps, &left) && steps == 4, "at most most_steps");
    TAP_NEAR(left, 0.25, 1e-12, "what is more is dropped, the part of a step is not");
    TAP_OK(!ds_world_step(w, 0, &steps, &left) && steps == 0, "no time, no step");
    TAP_OK(m.calls == calls, "nothing is allocated after the first call");
    young = ds_world_param(w, body, "young");
    memcpy(kept, ds_world_positions(w), 24 * sizeof *kept);
    memcpy(kept + 24, ds_world_velocities(w), 24 * sizeof *kept);
    ds_world_params(w)[young.first] = (ds_real)log(2e3);
    ds_world_step(w, 0.75 * dt, &steps, NULL);
    memcpy(ds_world_positions(fresh), kept, 24 * sizeof *kept);
    memcpy(ds_world_velocities(fresh), kept + 24, 24 * sizeof *kept);
    ds_world_params(fresh)[young.first] = (ds_real)log(2e3);
    ds_world_step(fresh, dt, NULL, NULL);
    TAP_OK(steps == 1 && !memcmp(ds_world_velocities(w), ds_world_velocities(fresh), 24 * sizeof *kept) &&
           memcmp(ds_world_velocities(w), kept + 24, 24 * sizeof *kept),
           "parameters changed in place are seen");
    TAP_OK(ds_world_step(w, -1, &steps, &left) == DSIM_ERROR_ARGUMENT && steps == 0,
           "time does not run back");
    TAP_OK(ds_world_step(w, (double)NAN, NULL, NULL) == DSIM_ERROR_ARGUMENT, "nor is it NaN");
    TAP_OK(!ds_world_step(w, 1e308, &steps, &left) && steps == 4 && left >= 0 && left < 1,
           "ages: four steps");
    TAP_OK(!ds_world_step(w, dt, &steps, NULL) && steps == 1, "and time goes on");
    memcpy(kept, ds_world_positions(w), 24 * sizeof *kept);
    ds_world_params(w)[young.first] = (ds_real)NAN;
    TAP_OK(ds_world_step(w, dt, &steps, &left) == DSIM_ERROR_NON_FINITE && steps == 0,
           "a parameter that is NaN");
    TAP_HAS(ds_world_error(w)->text, "NaN", "has a sentence");
    TAP_OK(!memcmp(kept, ds_world_positions(w), 24 * sizeof *kept), "and the world is as before");
    ds_world_params(w)[young.first] = (ds_real)log(2e3);
    TAP_OK(!ds_world_step(w, 0, &steps, NULL) && steps == 1 && !ds_world_error(w)->code,
           "put right, it goes on");
    TAP_OK(ds_world_step(NULL, 1, &steps, &left) == DSIM_ERROR_ARGUMENT && !steps && left == 0, "no world");
    ds_world_destroy(w);
    ds_world_destroy(fresh);
    TAP_OK(m.live == 0, "all memory is given back");
}

typedef struct written { size_t calls, first, last; } written;
static ds_real height_of(size_t step) { return (ds_real)(1 + 0.25 * (double)step); }
static void write_height(void *user, ds_world *world, size_t step)
{
    written *const is = (written *)user;
    if (!is->calls++) is->first = step;
    is->last = step;
    ds_world_controls(world)[0] = height_of(step);
}

/* a bead on a spring to a height that is a control, written before each step: the numbers of a rollout with
   the same controls */
static void test_before_step(void)
{
    static const ds_real x[3] = { 0, 1, 0 };
    written is = { 0, 0, 0 };
    ds_number numbers[4];
    ds_real controls[6];
    ds_elements to;
    ds_world_desc d;
    ds_rollout_desc rd;
    ds_world *w;
    ds_rollout *r;
    size_t steps = 0;
    memset(&d, 0, sizeof d);
    memset(&rd, 0, sizeof rd);
    memset(&to, 0, sizeof to);
    memset(numbers, 0, sizeof numbers);
    d.integrator.dt = 1.0 / 64;
    d.before_step = write_height;
    d.user = &is;
    w = ds_world_create(&d);
    ds_world_add_points(w, x, 1, 2);
    to.type = ds_energy_get_type(DSIM_ENERGY_TARGET);
    numbers[0].value = 50;
    numbers[2].control = 1;
    to.numbers = numbers;
    ds_world_add_elements(w, &to);
    rd.steps = COUNT(controls);
    for (size_t i = 0; i < COUNT(controls); i++) controls[i] = height_of(i);
    r = ds_world_rollout(w, &rd);
    TAP_OK(r && !ds_rollout_set_controls(r, controls, 0, COUNT(controls)) && !ds_rollout_forward(r),
           "a rollout with controls");
    ds_world_step(w, 2.5 / 64, NULL, NULL);
    TAP_OK(!ds_world_step(w, 3.5 / 64, &steps, NULL) && steps == 4, "the same steps in a game");
    TAP_OK(is.calls == 6 && is.first == 0 && is.last == 5, "each told before it is done, counted from 0");
    TAP_OK(r && !memcmp(ds_world_positions(w), ds_rollout_state(r, NULL), 3 * sizeof *x) &&
               ds_world_positions(w)[1] > 1,
           "moved by the control of each");
    ds_rollout_destroy(r);
    ds_world_destroy(w);
}

/* too long a step is told: when, where, and what would do */
static void test_unstable(void)
{
    ds_world *const w = cube_world(NULL, NULL, NULL, 0.5);
    ds_rollout_desc d;
    ds_rollout *r;
    ds_result result = DSIM_OK;
    memset(&d, 0, sizeof d);
    d.steps = 3000;
    r = ds_world_rollout(w, &d);
    TAP_OK(r && ds_rollout_forward(r) == DSIM_ERROR_NON_FINITE, "an unstable world");
    if (r) {
        TAP_HAS(ds_rollout_error(r)->text, "at step ", "which step: %s", ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, "dt is too long", "why");
        TAP_HAS(ds_rollout_error(r)->text, "stable up to dt = 0.4", "what dt");
        TAP_HAS(ds_rollout_error(r)->text, "element ", "which element");
    }
    for (int i = 0; i < 3000 && !result; i++) result = ds_world_step(w, 0.5, NULL, NULL);
    TAP_OK(result == DSIM_ERROR_NON_FINITE, "a game is told, too");
    TAP_HAS(ds_world_error(w)->text, "stable up to dt = 0.4", "with the same sentence");
    ds_rollout_destroy(r);
    ds_world_destroy(w);
}

/* What is refused. Each case spoils one thing of a world that is fine otherwise. */
typedef struct spoiled {
    ds_mesh mesh, sheet;
    ds_solid solid;
    ds_cloth cloth;
    ds_springs springs;
    ds_contact contact, grid_contact;
    ds_number aim, shape[11], place[4], numbers[2];
    ds_elements wells;
    ds_distance_field field;
    ds_energy_field of_depths;
    ds_real values[64], depths[4];
    ds_v3 velocity, normal;
    ds_world_desc desc;
    ds_shape kind;
    int32_t pairs[2], pins[1];
    ds_real points[6], each[8];
    double mass;
    ds_world *other;
    int no_mesh, no_solid, no_cloth, no_springs, no_contact, no_shape, no_elements, no_points, no_aim;
    int foreign, late, point_of_plane, no_grid, grid_numbers, gridless;
} spoiled;

static ds_world *spoiled_world(spoiled *s)
{
    ds_world *const w = ds_world_create(&s->desc);
    const ds_contact *const contact = s->no_contact ? NULL : &s->contact;
    ds_body plane, solid, points;
    solid = ds_world_add_solid(w, s->no_mesh ? NULL : &s->mesh, s->no_solid ? NULL : &s->solid);
    points = ds_world_add_points(w, s->no_points ? NULL : s->points, 2, s->mass);
    ds_world_add_cloth(w, &s->sheet, s->no_cloth ? NULL : &s->cloth);
    if (s->foreign) solid.world = s->other;
    ds_world_add_springs(w, points, s->pairs, 1, s->no_springs ? NULL : &s->springs);
    ds_world_add_contact(w, solid, s->kind, s->no_shape ? NULL : s->shape, contact);
    plane = ds_world_add_plane(w, s->normal, 0, contact);
    s->grid_contact.grid = s->no_grid ? NULL : &s->field;
    if (!s->gridless)
        ds_world_add_contact(w, solid, DSIM_SHAPE_GRID, s->grid_numbers ? s->place : NULL, &s->grid_contact);
    ds_world_add_targets(w, solid, NULL, 0, NULL, s->no_aim ? NULL : &s->aim);
    ds_world_add_elements(w, s->no_elements ? NULL : &s->wells);
    ds_world_pin(w, s->point_of_plane ? plane : solid, s->pins, 1);
    ds_world_set_velocity(w, solid, s->velocity);
    ds_world_stepper(w);
    if (s->late) ds_world_add_points(w, s->points, 2, 1);
    return w;
}

static void spoil_nothing(spoiled *s) { s->late = 0; }
static void invert(spoiled *s) {
    const int32_t t = s->mesh.tets[9];
    s->mesh.tets[9] = s->mesh.tets[8];
    s->mesh.tets[8] = t;
}
static void flatten(spoiled *s) { memcpy(s->mesh.points + 21, s->mesh.points, 3 * sizeof(ds_real)); }
static void bad_index(spoiled *s) { s->mesh.tets[4] = 99; }
static void repeat(spoiled *s) { s->mesh.tets[5] = s->mesh.tets[4]; }
static void flat_triangle(spoiled *s) { memcpy(s->sheet.points, s->sheet.points + 3, 3 * sizeof(ds_real)); }
static void nan_point(spoiled *s) { s->mesh.points[4] = (ds_real)NAN; }
static void half_poisson(spoiled *s) { s->solid.poisson = num(0.5); }
static void no_young(spoiled *s) { s->solid.young = num(0); }
static void each_young(spoiled *s) { s->each[3] = -1; s->solid.young.each = s->each; }
static void nan_density(spoiled *s) { s->solid.density = num((double)NAN); }
static void nan_viscosity(spoiled *s) { s->solid.viscosity = num((double)NAN); }
static void log_of_nothing(spoiled *s) { s->springs.stiffness = logarithmic(0); }
static void hinge_as_solid(spoiled *s) { s->solid.model = DSIM_ENERGY_HINGE; }
static void flat_as_cloth(spoiled *s) { s->cloth.model = DSIM_ENERGY_LINEAR_2D; }
static void nan_wind(spoiled *s) { s->cloth.wind[1] = num((double)NAN); }
static void nan_bending(spoiled *s) { s->cloth.bending = num((double)NAN); }
static void nan_slip(spoiled *s) { s->contact.slip = num((double)NAN); }
static void nan_friction(spoiled *s) { s->contact.friction = num((double)NAN); }
static void less_friction(spoiled *s) { s->contact.friction = num(-0.1); }
static void less_width(spoiled *s) { s->contact.width = num(-0.1); }
static void no_width(spoiled *s) { s->contact.law = DSIM_CONTACT_BARRIER; }
static void no_shape(spoiled *s) { s->kind = DSIM_SHAPE_COUNT; }
static void no_numbers(spoiled *s) { s->no_shape = 1; }
static void no_normal(spoiled *s) { s->normal = v3(0, 0, 0); }
static void nan_mass(spoiled *s) { s->mass = (double)NAN; }
static void less_mass(spoiled *s) { s->mass = -1; }
static void no_mass(spoiled *s) { s->mass = 0; }
static void nan_start(spoiled *s) { s->points[4] = (ds_real)NAN; }
static void null_points(spoiled *s) { s->no_points = 1; }
static void far_spring(spoiled *s) { s->pairs[1] = 2; }
static void less_spring(spoiled *s) { s->pairs[0] = -1; }
static void twice(spoiled *s) { s->pairs[1] = s->pairs[0]; }
static void null_springs(spoiled *s) { s->no_springs = 1; }
static void null_mesh(spoiled *s) { s->no_mesh = 1; }
static void null_solid(spoiled *s) { s->no_solid = 1; }
static void null_cloth(spoiled *s) { s->no_cloth = 1; }
static void null_contact(spoiled *s) { s->no_contact = 1; }
static void null_elements(spoiled *s) { s->no_elements = 1; }
static void null_aim(spoiled *s) { s->no_aim = 1; }
static void null_type(spoiled *s) { s->wells.type = NULL; }
static void each_of_all(spoiled *s) { s->numbers[0].each = s->each; }
static void foreign(spoiled *s) { s->foreign = 1; }
static void far_pin(spoiled *s) { s->pins[0] = 8; }
static void pin_plane(spoiled *s) { s->point_of_plane = 1; }
static void nan_velocity(spoiled *s) { s->velocity = v3(0, (double)NAN, 0); }
static void nan_gravity(spoiled *s) { s->desc.gravity = v3((double)NAN, 0, 0); }
static void less_dt(spoiled *s) { s->desc.integrator.dt = -1; }
static void control_of_constant(spoiled *s) { s->solid.density = control(10); }
static void late(spoiled *s) { s->late = 1; }
static void null_grid(spoiled *s) { s->no_grid = 1; }
static void grid_of_sphere(spoiled *s) { s->contact.grid = &s->field; }
static void thin_grid(spoiled *s) { s->field.ny = 3; }
static void endless_grid(spoiled *s) { s->field.nx = s->field.nz = (size_t)-1 / 2; }
static void empty_grid(spoiled *s) { s->field.values = NULL; }
static void nan_grid(spoiled *s) { s->values[13] = (ds_real)NAN; }
static void nan_origin(spoiled *s) { s->field.origin.z = (ds_real)NAN; }
static void no_spacing(spoiled *s) { s->field.spacing = 0; }
static void less_spacing(spoiled *s) { s->grid_numbers = 1; s->place[3] = num(-0.1); }
static void missing_field(spoiled *s) { s->wells.n_fields = 0; }
static void null_field(spoiled *s) { s->wells.fields = NULL; }
static void nan_field(spoiled *s) { s->depths[2] = (ds_real)INFINITY; }
static void field_of_none(spoiled *s) { s->wells.type = &WELL; }

static const struct refusal { void (*spoil)(spoiled *s); ds_result code; const char *text; } refusals[] = {
    { invert, DSIM_ERROR_MESH, "2" }, { flatten, DSIM_ERROR_MESH, "" }, { bad_index, DSIM_ERROR_MESH, "99" },
    { repeat, DSIM_ERROR_MESH, "1" }, { flat_triangle, DSIM_ERROR_MESH, "triangle" },
    { nan_point, DSIM_ERROR_MESH, "point 1" }, { half_poisson, DSIM_ERROR_ARGUMENT, "'poisson'" },
    { no_young, DSIM_ERROR_ARGUMENT, "'young'" }, { each_young, DSIM_ERROR_ARGUMENT, "'young', number 3" },
    { nan_density, DSIM_ERROR_NON_FINITE, "'density'" },
    { nan_viscosity, DSIM_ERROR_NON_FINITE, "'viscosity'" },
    { log_of_nothing, DSIM_ERROR_ARGUMENT, "'stiffness'" },
    { hinge_as_solid, DSIM_ERROR_ARGUMENT, "no model of tetrahedra" },
    { flat_as_cloth, DSIM_ERROR_ARGUMENT, "no model of membranes" },
    { nan_wind, DSIM_ERROR_NON_FINITE, "wind" }, { nan_bending, DSIM_ERROR_NON_FINITE, "'stiffness'" },
    { nan_slip, DSIM_ERROR_NON_FINITE, "slip" }, { nan_friction, DSIM_ERROR_NON_FINITE, "'friction'" },
    { less_friction, DSIM_ERROR_ARGUMENT, "'friction'" }, { less_width, DSIM_ERROR_ARGUMENT, "'width'" },
    { no_width, DSIM_ERROR_ARGUMENT, "a width" }, { no_shape, DSIM_ERROR_ARGUMENT, "a shape" },
    { no_numbers, DSIM_ERROR_ARGUMENT, "a shape" }, { no_normal, DSIM_ERROR_NON_FINITE, "'normal x'" },
    { nan_mass, DSIM_ERROR_ARGUMENT, "a mass" }, { less_mass, DSIM_ERROR_ARGUMENT, "a mass" },
    { no_mass, DSIM_ERROR_ARGUMENT, "mass" }, { nan_start, DSIM_ERROR_NON_FINITE, "number 1" },
    { null_points, DSIM_ERROR_ARGUMENT, "points need" }, { far_spring, DSIM_ERROR_RANGE, "number 0" },
    { less_spring, DSIM_ERROR_RANGE, "number 0" }, { twice, DSIM_ERROR_ARGUMENT, "" },
    { null_springs, DSIM_ERROR_ARGUMENT, "springs need" }, { null_mesh, DSIM_ERROR_ARGUMENT, "mesh" },
    { null_solid, DSIM_ERROR_ARGUMENT, "no model" }, { null_cloth, DSIM_ERROR_ARGUMENT, "no model" },
    { null_contact, DSIM_ERROR_ARGUMENT, "a contact needs" },
    { null_elements, DSIM_ERROR_ARGUMENT, "no elements" }, { null_aim, DSIM_ERROR_ARGUMENT, "a stiffness" },
    { null_type, DSIM_ERROR_ARGUMENT, "a type" }, { each_of_all, DSIM_ERROR_ARGUMENT, "'strength'" },
    { foreign, DSIM_ERROR_FOREIGN, "no body of this world" }, { far_pin, DSIM_ERROR_RANGE, "number 0" },
    { pin_plane, DSIM_ERROR_ARGUMENT, "without points" }, { nan_velocity, DSIM_ERROR_NON_FINITE, "velocity" },
    { nan_gravity, DSIM_ERROR_NON_FINITE, "gravity" }, { less_dt, DSIM_ERROR_ARGUMENT, "dt" },
    { control_of_constant, DSIM_ERROR_ARGUMENT, "control" }, { late, DSIM_ERROR_ORDER, "complete" },
    { null_grid, DSIM_ERROR_ARGUMENT, "ds_contact.grid" },
    { grid_of_sphere, DSIM_ERROR_ARGUMENT, "no other shape" },
    { thin_grid, DSIM_ERROR_ARGUMENT, "'cells y'" }, { endless_grid, DSIM_ERROR_ARGUMENT, "without values" },
    { empty_grid, DSIM_ERROR_ARGUMENT, "ds_world_add_contact: a field without values" },
    { nan_grid, DSIM_ERROR_NON_FINITE, "a field that is not finite, number 13" },
    { nan_origin, DSIM_ERROR_NON_FINITE, "'origin z'" }, { no_spacing, DSIM_ERROR_ARGUMENT, "'spacing'" },
    { less_spacing, DSIM_ERROR_ARGUMENT, "'spacing'" },
    { missing_field, DSIM_ERROR_ARGUMENT, "asks for so many fields: 1, the set brings 0" },
    { null_field, DSIM_ERROR_ARGUMENT, "ds_world_add_elements: no fields" },
    { nan_field, DSIM_ERROR_NON_FINITE, "a field that is not finite, number 2" },
    { field_of_none, DSIM_ERROR_ARGUMENT, "asks for so many fields: 0, the set brings 1" }
};

static void make_fine(spoiled *s, const ds_allocator *allocator)
{
    ds_mesh_box_desc box;
    ds_mesh_cloth_desc sheet;
    memset(s, 0, sizeof *s);
    memset(&box, 0, sizeof box);
    memset(&sheet, 0, sizeof sheet);
    box.nx = box.ny = box.nz = 1;
    sheet.nx = sheet.ny = 1;
    ds_mesh_box(&box, &s->mesh, NULL);
    ds_mesh_cloth(&sheet, &s->sheet, NULL);
    s->desc.runner.allocator = *allocator;
    s->solid.young = s->cloth.young = num(100);
    s->solid.poisson = num(0.3);
    s->solid.density = s->cloth.density = num(10);
    s->cloth.thickness = num(0.01);
    s->springs.stiffness = s->contact.stiffness = s->aim = num(1);
    s->shape[3] = num(1);
    s->kind = DSIM_SHAPE_SPHERE;
    s->numbers[0] = s->numbers[1] = num(1);
    s->wells.type = &POT;
    s->wells.numbers = s->numbers;
    s->pairs[1] = 1;
    s->points[3] = 1;
    s->normal = v3(0, 1, 0);
    s->mass = 1;
    for (int i = 0; i < 8; i++) s->each[i] = 1;
    s->field.nx = s->field.ny = s->field.nz = 4;
    s->field.spacing = 1;
    s->field.values = s->values;
    for (int i = 0; i < 64; i++) s->values[i] = 1;
    s->grid_contact.stiffness = num(1);
    for (int i = 0; i < 4; i++) s->depths[i] = 1;
    s->of_depths.values = s->depths;
    s->of_depths.n = 4;
    s->wells.fields = &s->of_depths;
    s->wells.n_fields = 1;
}

static void test_refusals(void)
{
    meter m;
    const ds_allocator allocator = meter_allocator(&m);
    ds_world *const other = cube_world(NULL, NULL, NULL, 0.01);
    for (size_t i = 0; i <= COUNT(refusals); i++) {
        spoiled s;
        ds_world *w;
        make_fine(&s, &allocator);
        s.other = other;
        if (i == COUNT(refusals)) spoil_nothing(&s);
        else refusals[i].spoil(&s);
        w = spoiled_world(&s);
        if (i == COUNT(refusals)) {
            memset(s.depths, 0, sizeof s.depths); /* they were copied */
            TAP_OK(ds_world_step(w, 1.0 / 60, NULL, NULL) == DSIM_OK, "it moves");
            TAP_OK(!ds_world_error(w)->code && ds_world_stepper(w), "and a world that is fine is taken");
        } else {
            TAP_OK(ds_world_error(w)->code == refusals[i].code, "refused %zu, %s", i,
                   ds_world_error(w)->text);
            TAP_HAS(ds_world_error(w)->text, refusals[i].text, "what and where");
            if (refusals[i].spoil != late && refusals[i].code != DSIM_ERROR_ORDER)
                TAP_OK(!ds_world_stepper(w) && !ds_world_positions(w) && !ds_world_params(w) &&
                       ds_world_step(w, 1, NULL, NULL) == refusals[i].code, "it sticks");
        }
        ds_world_destroy(w);
        ds_mesh_destroy(&s.mesh);
        ds_mesh_destroy(&s.sheet);
        TAP_OK(m.live == 0, "nothing is left behind");
    }
    ds_world_destroy(other);
}

static void test_no_world(void)
{
    const ds_body none = { NULL, 0 };
    const ds_contact c = rough(DSIM_CONTACT_PENALTY, DSIM_FRICTION_SMOOTH);
    ds_real x[3] = { 0, 0, 0 };
    ds_world *const w = ds_world_create(NULL);
    TAP_OK(!ds_world_add_points(NULL, x, 1, 1).world && !ds_world_add_solid(NULL, NULL, NULL).world &&
           !ds_world_add_cloth(NULL, NULL, NULL).world &&
           !ds_world_add_plane(NULL, v3(0, 1, 0), 0, &c).world &&
           !ds_world_add_springs(NULL, none, NULL, 0, NULL).world &&
           !ds_world_add_elements(NULL, NULL).world &&
           !ds_world_add_targets(NULL, none, NULL, 0, NULL, NULL).world, "nothing is added to no world");
    TAP_OK(ds_world_pin(NULL, none, NULL, 0) && ds_world_set_velocity(NULL, none, v3(0, 0, 0)) &&
           !ds_world_param(NULL, none, "young").n && !ds_world_stepper(NULL) &&
           !ds_world_rollout(NULL, NULL) &&
           !ds_world_positions(NULL) && !ds_world_points(NULL, none).n && !ds_world_point_count(NULL) &&
           ds_world_error(NULL)->code, "nor asked of it");
    ds_world_put(NULL, 0, x, x, x);
    ds_world_get(NULL, 0, x, x, x);
    ds_world_destroy(NULL);
    TAP_OK(!ds_world_stepper(w) && ds_world_error(w)->code == DSIM_ERROR_ARGUMENT, "a world without points");
    TAP_HAS(ds_world_error(w)->text, "no points", "says so");
    ds_world_destroy(w);
}

static size_t calls_to_complete; /* the last of them is for the state */

/* everything that allocates; 0: it worked, else the error */
static ds_result use_all(const ds_allocator *allocator)
{
    spoiled s;
    ds_world *w;
    ds_result result;
    ds_allocator standard;
    memset(&standard, 0, sizeof standard);
    make_fine(&s, &standard);
    s.desc.runner.allocator = *allocator;
    s.desc.rest_is_param = 1;
    s.cloth.bending = num(1);
    s.gridless = 1;
    w = spoiled_world(&s);
    result = w ? ds_world_error(w)->code : DSIM_ERROR_MEMORY;
    if (!result) calls_to_complete = ((const meter *)allocator->user)->calls;
    if (!result) result = ds_world_step(w, 0.02, NULL, NULL);
    if (result && w) {
        if (!ds_world_error(w)->text[0]) result = DSIM_ERROR_SINGULAR; /* no sentence */
        if (ds_world_stepper(w) && !ds_world_positions(w)) result = DSIM_ERROR_SINGULAR; /* half a world */
        else ds_world_step(w, 0.02, NULL, NULL);
    }
    ds_world_destroy(w);
    ds_mesh_destroy(&s.mesh);
    ds_mesh_destroy(&s.sheet);
    return result;
}

static void test_memory(void)
{
    meter m;
    ds_allocator allocator = meter_allocator(&m);
    size_t calls, complete, tried = 0, bad = 0;
    TAP_OK(!use_all(&allocator) && m.live == 0, "made, moved, destroyed");
    calls = m.calls;
    complete = calls_to_complete;
    /* the first and those around the world's completion all, of the rest, which record kernels, some */
    for (size_t k = 1; k <= calls; k += k < 100 || (k + 60 >= complete && k <= complete) ? 1 : 23) {
        ds_result result;
        allocator = meter_allocator(&m);
        m.fail_at = k;
        m.for_good = ++tried % 5 == 0;
        result = use_all(&allocator);
        if ((result && result != DSIM_ERROR_MEMORY) || m.live) {
            if (!bad++)
                tap_diag("allocation %zu of %zu: %d, %zu bytes left", k, calls, (int)result, m.live);
        }
    }
    TAP_OK(!bad, "%zu of %zu allocations may fail", tried, calls);
}

/* the same of a bead and a grid alone, whose kernels are long: each allocation of adding, some of those that
   follow */
static ds_result use_grid(const ds_allocator *allocator, size_t *calls_to_add)
{
    static const ds_real x[3] = { 0, (ds_real)1.2, 0 };
    ds_real values[SPHERE_VALUES(9)];
    ds_distance_field ball = sphere_on_grid(v3(0, 0, 0), 1, 9, values);
    ds_contact c = rough(DSIM_CONTACT_PENALTY, DSIM_FRICTION_SMOOTH);
    ds_world_desc d;
    ds_world *w;
    ds_result result;
    memset(&d, 0, sizeof d);
    d.runner.allocator = *allocator;
    c.grid = &ball;
    c.friction = c.damping = num(0);
    w = ds_world_create(&d);
    ds_world_add_contact(w, ds_world_add_points(w, x, 1, 1), DSIM_SHAPE_GRID, NULL, &c);
    *calls_to_add = ((const meter *)allocator->user)->calls;
    ds_world_stepper(w);
    result = w ? ds_world_error(w)->code : DSIM_ERROR_MEMORY;
    if (!result) result = ds_world_step(w, 0.02, NULL, NULL);
    ds_world_destroy(w);
    return result;
}
static void test_grid_memory(void)
{
    meter m;
    ds_allocator allocator = meter_allocator(&m);
    size_t add, unused, bad = 0, calls, failed = 0;
    TAP_OK(!use_grid(&allocator, &add) && m.live == 0, "a bead and a grid");
    calls = m.calls;
    for (size_t k = 1; k <= calls; k += k <= add ? 1 : 1 + calls / 40, failed++) {
        ds_result result;
        allocator = meter_allocator(&m);
        m.fail_at = k;
        m.for_good = k % 5 == 0;
        result = use_grid(&allocator, &unused);
        bad += (result && result != DSIM_ERROR_MEMORY) || m.live;
    }
    TAP_OK(!bad && add > 4 && failed > 40, "%zu of %zu allocations may fail", failed, calls);
}

int main(void)
{
    int optimised = 0;
    test_stepper();
    test_gradient();
    test_scaling();
    test_names();
    test_made_of();
    test_steps();
    test_before_step();
    test_side_by_side();
    test_grid();
    test_unstable();
    test_refusals();
    test_no_world();
    test_memory();
    test_grid_memory();
    test_w1();
#ifdef __OPTIMIZE__
    optimised = 1;
#endif
    if (optimised && !is_float) {
        test_w5();
        test_w6();
    } else {
        TAP_SKIP("they take long, and float is not what they are of", "W5 and W6");
    }
    return tap_end();
}
