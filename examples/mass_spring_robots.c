/* Robots of points and springs learn to walk, and what the contact with the ground is good for.

   mass_spring of DiffTaichi (Hu et al. 2020): some of the springs are muscles, a network of two layers says
   how long they are to be, and what is learnt is the network: 681 steps, a gradient by some 3000 weights, a
   step of fixed length against it, a hundred times over. A point stops at the ground either naively, where it
   finds itself too low, or where and when it hits: with the time of impact. The values hardly differ, the
   gradients do: figure 10 of the paper. The physics are in mass_spring_robots.h.

   Steps of fixed length never come to rest, and naive ones lose again what they have won; so the robots that
   are shown learn more carefully, in the same number of steps: with momentum, and back to the best with half
   the length where nothing is gained.

   make -C examples mass_spring_robots && examples/build/mass_spring_robots
   trains the first robot ten times and draws learning.png; ten times more carefully; then robots 1 to 3, and
   draws how each walks, twice as long as it has learnt: robot_1.png, and robot_1.mp4 where ffmpeg is.
   --seed 1, as if it were not given, has the weights of numpy's RandomState(0), with which the paper's
   program begins. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "mass_spring_robots.h"
#include "show.h"

enum { ITERATIONS = 100, SEEDS = 5, FRAME = 8, ROWS = 6, CURVE = SEEDS * (ITERATIONS + 1) };
static const double ROW_HEIGHT = 0.36;

/* one training */
typedef struct training {
    const double *way;
    int iterations;
    ds_real loss[ITERATIONS], params[ROBOT_PARAMS];
    robot_learner learner;
} training;

static int train(show *s, const robot *r, ds_tape *t, robot_random *random, training *it, const char *name)
{
    static ds_real grad[ROBOT_PARAMS];
    robot_randomise(r, random, it->params);
    robot_learner_begin(&it->learner, it->way);
    for (int k = 0; k < it->iterations; k++) {
        if (robot_run(r, t, ROBOT_STEPS, it->params, &it->loss[k], grad, NULL)) {
            fprintf(stderr, "%s\n", ds_tape_error(t)->text);
            return 0;
        }
        robot_learn(r, &it->learner, it->params, (double)it->loss[k], grad);
        show_progress(s, k + 1, it->iterations, "%s: loss %.3f", name, (double)it->loss[k]);
    }
    return 1;
}

/* Gaussian of deviation 3, cut at 12; what lies before the first is the mirror image, likewise at the end */
static void smooth(const ds_real *from, int n, ds_real *to)
{
    for (int i = 0; i < n; i++) {
        double sum = 0, weights = 0;
        for (int k = -12; k <= 12; k++) {
            const int at = ((i + k) % (2 * n) + 2 * n) % (2 * n);
            const double weight = exp(-k * k / 18.0);
            sum += weight * (double)from[at < n ? at : 2 * n - 1 - at];
            weights += weight;
        }
        to[i] = (ds_real)(sum / weights);
    }
}

static double median(const double *from, int n)
{
    double sorted[SEEDS];
    for (int i = 0, k; i < n; i++) {
        for (k = i; k > 0 && sorted[k - 1] > from[i]; k--) sorted[k] = sorted[k - 1];
        sorted[k] = from[i];
    }
    return sorted[n / 2];
}

/* Trains the first robot, `seeds` times naively, then as often with the time of impact; all weights come from
   one stream. The curves go to the plot. Results: NAME_first, NAME_last, NAME_best of the two, the first of
   the first training, the others medians. */
static int compare(show *s, ds_tape *t, const double *way, int seeds, show_plot *plot, const char *name)
{
    static const char *const KINDS[] = { "naive", "impact" };
    static const char *const LABELS[] = { "naive", "time of impact" };
    static ds_real x[2][CURVE], y[2][CURVE];
    static training it;
    robot_random random = robot_random_make(s->seed - 1);
    robot r;
    it.way = way;
    it.iterations = s->quick ? 2 : ITERATIONS;
    for (int impact = 0; impact < 2; impact++) {
        double numbers[3][SEEDS];
        int n = 0;
        char text[80];
        robot_build(&r, 1, impact);
        for (int seed = 0; seed < seeds; seed++) {
            snprintf(text, sizeof text, "%s, %s, %d of %d", name, LABELS[impact], seed + 1, seeds);
            if (!train(s, &r, t, &random, &it, text)) return 0;
            numbers[0][seed] = (double)it.loss[0];
            numbers[1][seed] = (double)it.loss[it.iterations - 1];
            numbers[2][seed] = (double)it.learner.best_loss;
            smooth(it.loss, it.iterations, y[impact] + n);
            for (int k = 0; k < it.iterations; k++) x[impact][n + k] = (ds_real)k;
            n += it.iterations;
            x[impact][n] = y[impact][n] = (ds_real)NAN; /* a gap between the curves */
            n++;
        }
        show_curve(plot, LABELS[impact], x[impact], y[impact], (size_t)n - 1);
        for (int k = 0; k < 3; k++) {
            static const char *const WHAT[] = { "first", "last", "best" };
            snprintf(text, sizeof text, "%s_%s_%s", name, WHAT[k], KINDS[impact]);
            show_result(s, text, k ? median(numbers[k], seeds) : numbers[0][0]);
        }
    }
    return 1;
}

/* the robot and its ground, `up` higher than it is */
static void draw(show_canvas *c, const robot *r, const ds_real *state, const ds_real *wish, double up)
{
    ds_real p[ROBOT_POINTS][2];
    for (int i = 0; i < r->n_points; i++) {
        p[i][0] = state[3 * i];
        p[i][1] = state[3 * i + 1] + (ds_real)up;
    }
    show_box(c, -1, ROBOT_GROUND + up - 0.004, 3, ROBOT_GROUND + up, SHOW_INK);
    for (int k = 0; k < r->n_springs; k++) {
        const robot_spring *const spring = &r->spring[k];
        const double a = spring->actuation != 0 ? 0.5 * (double)wish[k] : 0; /* long is red, short is blue */
        const uint32_t colour = show_mix(0x808080, a > 0 ? 0xff0000 : 0x0000ff, 2 * fabs(a));
        if (spring->actuation != 0) show_line(c, p[spring->a], p[spring->b], 6, colour);
        else show_line(c, p[spring->a], p[spring->b], 2.5, SHOW_INK);
    }
    for (int i = 0; i < r->n_points; i++) show_disc(c, p[i], 0.009, i ? 0x669999 : 0xcc334c);
}

/* trains one robot and shows how it walks */
static int walk(show *s, ds_tape *t, int number)
{
    static training it;
    const int steps = s->quick ? ROBOT_STEPS / 4 : 2 * ROBOT_STEPS;
    robot_random random = robot_random_make(s->seed - 1);
    robot r;
    robot_film film;
    char name[40];
    ds_real loss;
    it.way = ROBOT_CAREFUL;
    it.iterations = s->quick ? 2 : ITERATIONS;
    robot_build(&r, number, 1);
    snprintf(name, sizeof name, "robot %d", number);
    if (!train(s, &r, t, &random, &it, name)) return 0;
    film.states = (ds_real *)malloc((size_t)(steps + 1) * r.n_state * sizeof *film.states);
    film.wishes = (ds_real *)malloc((size_t)steps * r.sizes[2] * sizeof *film.wishes);
    if (!film.states || !film.wishes) return 0;
    if (robot_run(&r, t, steps, it.learner.best, &loss, NULL, &film)) return 0;

    snprintf(name, sizeof name, "robot_%d", number);
    show_canvas *c = show_canvas_create(640, 0, 1.1, 0.04, 0.04 + ROWS * ROW_HEIGHT);
    show_clear(c, SHOW_WHITE);
    for (int row = 0; row < ROWS; row++) {
        const size_t k = (size_t)(row * (steps - 1) / (ROWS - 1));
        draw(c, &r, film.states + k * r.n_state, film.wishes + k * r.sizes[2],
             (ROWS - 1 - row) * ROW_HEIGHT);
    }
    show_canvas_save(c, s, "%s.png", name);
    show_canvas_destroy(c);

    show_film f = show_film_begin(s, name);
    c = show_canvas_create(640, 0, 1.1, 0.04, 0.04 + 1.2 * ROW_HEIGHT);
    for (int k = 0; k < steps; k += FRAME) {
        show_clear(c, SHOW_WHITE);
        draw(c, &r, film.states + (size_t)k * r.n_state, film.wishes + (size_t)k * r.sizes[2], 0);
        show_film_frame(&f, c);
    }
    show_canvas_destroy(c);
    show_film_end(&f, 30);
    show_result(s, name, (double)it.learner.best_loss);
    free(film.states);
    free(film.wishes);
    return 1;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "robots of springs learn to walk", NULL, 0);
    ds_tape *t = ds_tape_create(NULL);
    const int seeds = s.quick ? 1 : SEEDS;
    show_plot plot = { 0 }, careful = { 0 };
    plot.title = "A robot learns to walk, five times";
    plot.x_label = "iteration";
    plot.y_label = "loss: minus where it is after 2.7 s  (m)";
    int good = compare(&s, t, ROBOT_PAPER, seeds, &plot, "paper");
    show_plot_save(&plot, &s, "learning");
    good = good && compare(&s, t, ROBOT_CAREFUL, seeds, &careful, "careful");
    for (int number = 1; good && number <= 3; number++) good = walk(&s, t, number);
    ds_tape_destroy(t);
    return show_end(&s) || !good;
}
