/* Your own energy: written once as a scalar of a few points, it is a force, a Hessian and a gradient by each
   of its parameters; built-in energies are declared the same way.

   A rope of masses hangs between two pins. Its links are neither springs nor rods: below their length they
   are slack, above it they stiffen like rubber, E = k/3 max(l - l0, 0)^3 / l0. Which stiffness lets the rope
   come to rest with its middle a metre below the pins?

   make -C examples your_own_energy && examples/build/your_own_energy
   prints what the record has become, a certificate for the gradient through the whole fall, and the
   stiffness; draws rope.png, the rope at first and in the end. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"

/* E = k/3 r^3 / l0,  r = max(l - l0, 0): C2, so that Hessians are continuous */
static ds_var tether(ds_element *e)
{
    const ds_var stiffness = ds_parameter(e, 0), rest = ds_parameter(e, 1);
    const ds_var length = ds_safe_norm3(ds_sub3(ds_point(e, 1), ds_point(e, 0)));
    const ds_var taut = ds_max(ds_sub(length, rest), ds_c(0));
    return ds_mul(ds_div(stiffness, ds_mul(ds_c(3), rest)), ds_mul(taut, ds_square(taut)));
}
static const ds_energy_type TETHER = {
    "tether", 2, 2, 0, "stiffness (N/m), rest length (m)", tether, NULL, NULL, NULL
};

enum { LINKS = 20, STEPS = 3000, ITERATIONS = 12 };
static const double WIDTH = 2, SAG = 1; /* m: between the pins; wanted */

/* how deep the lowest point is in the end, minus the wanted depth, squared and halved */
static ds_result depth(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const size_t y = 3 * (LINKS / 2) + 1;
    (void)user;
    if (io->left) return DSIM_OK;
    const ds_real off = io->state[y] + (ds_real)SAG;
    *value += off * off / 2;
    if (bar && bar->state_bar) bar->state_bar[y] += off;
    return DSIM_OK;
}

static ds_world *build(ds_param *stiffness)
{
    ds_world_desc desc = { 0 };
    ds_real x[LINKS + 1][3] = { { 0 } };
    int32_t ends[LINKS][2];
    const int32_t pins[2] = { 0, LINKS };
    desc.integrator.dt = 1e-3;
    desc.integrator.damping = 4; /* 1/s */
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    ds_world *w = ds_world_create(&desc);
    for (int i = 0; i <= LINKS; i++) x[i][0] = (ds_real)(WIDTH * i / LINKS - WIDTH / 2);
    for (int i = 0; i < LINKS; i++) ends[i][0] = i, ends[i][1] = i + 1;
    const ds_body rope = ds_world_add_points(w, x[0], LINKS + 1, 0.02);
    ds_number numbers[2] = { { 0 } };
    numbers[0] = ds_number_make(200); /* N/m */
    numbers[0].logarithmic = 1;
    numbers[1] = ds_number_make(WIDTH / LINKS);
    ds_elements links = { 0 };
    links.type = &TETHER;
    links.of = rope;
    links.n = LINKS;
    links.points = ends[0];
    links.numbers = numbers;
    const ds_body tethers = ds_world_add_elements(w, &links);
    ds_world_pin(w, rope, pins, 2);
    *stiffness = ds_world_param(w, tethers, "stiffness");
    return w;
}

static void draw(show *s, const ds_real *x, const ds_real *before)
{
    show_canvas *c = show_canvas_create(900, -1.2, 1.2, -1.5, 0.2);
    show_clear(c, SHOW_WHITE);
    show_polyline(c, before, LINKS + 1, 3, 3, SHOW_SKY);
    show_polyline(c, x, LINKS + 1, 3, 5, SHOW_ORANGE);
    for (int i = 0; i <= LINKS; i++) show_disc(c, x + 3 * i, i % LINKS ? 0.015 : 0.03, SHOW_INK);
    show_canvas_save(c, s, "rope.png");
    show_canvas_destroy(c);
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "an energy of your own: how stiff is a rope that sags a metre?", NULL, 0);
    ds_param k;
    ds_world *w = build(&k);
    ds_rollout_desc desc = { 0 };
    desc.steps = STEPS;
    desc.loss = depth;
    ds_rollout *r = w ? ds_world_rollout(w, &desc) : NULL;
    if (!r) {
        fprintf(stderr, "%s\n", ds_world_error(w)->text);
        return 1;
    }
    char text[300];
    ds_check_report report;
    for (size_t i = 0; ds_energies_kernel(ds_world_energies(w), i); i++) {
        ds_kernel_report(ds_energies_kernel(ds_world_energies(w), i), text, sizeof text);
        printf("%s\n", text);
    }
    ds_rollout_view view = { r, ds_world_params(w), NULL };
    ds_real numbers[1 + LINKS], before[3 * (LINKS + 1)];
    const size_t n = ds_world_stepper(w)->n_param;
    memcpy(numbers, view.param, n * sizeof *numbers);
    ds_check_gradient(ds_rollout_objective, &view, numbers, n, NULL, &report);
    printf("%s\n", report.text);
    memcpy(view.param, numbers, n * sizeof *numbers);

    ds_real u = numbers[k.first], loss, slope; /* u: log of the stiffness */
    view.at = &k.first;
    for (int i = 0; i < ITERATIONS; i++) {
        if (ds_rollout_objective(&view, &u, 1, &loss, &slope)) {
            fprintf(stderr, "%s\n", ds_rollout_error(r)->text);
            return 1;
        }
        if (!i) memcpy(before, ds_rollout_state(r, NULL), sizeof before);
        show_progress(&s, i + 1, ITERATIONS, "stiffness %.1f N/m, loss %.3g", exp((double)u), (double)loss);
        /* loss = off^2 / 2, so off / (d off / du) is 2 loss / slope: Newton's step */
        if (slope < 0 || slope > 0) u -= 2 * loss / slope;
    }
    draw(&s, ds_rollout_state(r, NULL), before);
    show_result(&s, "stiffness", exp((double)u));
    show_result(&s, "loss", ds_rollout_loss(r));
    ds_rollout_destroy(r);
    ds_world_destroy(w);
    return show_end(&s);
}
