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
   --threads 2 does two trainings at once, with the same bits.
   --seed 1, as if it were not given, has the weights of numpy's RandomState(0), with which the paper's
   program begins. */
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "mass_spring_robots.h"
#include "show.h"

enum { SEEDS = 5, FRAME = 8, ROWS = 6, CURVE = SEEDS * (ROBOT_ITERATIONS + 1) };
static const double ROW_HEIGHT = 0.36;

/* n trainings of one robot, each with the next weights of the stream; each worker has a rollout of its own */
static int train(show *s, const robot *r, const double *way, robot_random *random, robot_training *all, int n,
                 const char *name)
{
    const int iterations = s->quick ? 2 : ROBOT_ITERATIONS, workers = s->threads < n ? s->threads : n;
    ds_pool *const pool = ds_pool_create((size_t)workers, NULL);
    robot_walk walks[SEEDS];
    ds_rollout *rollouts[SEEDS];
    ds_batch_desc batch = { 0 };
    ds_error error = { 0 };
    static int told;
    int good = 1;
    for (int i = 0; i < workers; i++) {
        good = robot_walk_begin(&walks[i], r, ROBOT_STRIDES, ROBOT_STRIDE) && good;
        rollouts[i] = walks[i].rollout;
    }
    for (int i = 0; i < n; i++) {
        memset(&all[i], 0, sizeof all[i]);
        all[i].r = r;
        robot_randomise(r, random, all[i].params);
        robot_learner_begin(&all[i].learner, way);
    }
    batch.jobs = ds_pool_jobs(pool);
    batch.task = robot_practise;
    batch.user = all;
    batch.rollouts = rollouts;
    batch.n_rollouts = (size_t)workers;
    if (good && !told++) printf("%s\n", ds_rollout_get_plan(rollouts[0])->text);
    for (int k = 0; good && k < iterations; k++) {
        if (ds_rollout_batch(&batch, (size_t)n, &error)) {
            fprintf(stderr, "%s\n", error.text);
            good = 0;
        }
        show_progress(s, k + 1, iterations, "%s: loss %.3f", name, (double)all[0].loss[k]);
    }
    for (int i = 0; i < workers; i++) robot_walk_end(&walks[i]);
    ds_pool_destroy(pool);
    return good;
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
static int compare(show *s, const double *way, int seeds, show_plot *plot, const char *name)
{
    static const char *const KINDS[] = { "naive", "impact" };
    static const char *const LABELS[] = { "naive", "time of impact" };
    static ds_real x[2][CURVE], y[2][CURVE];
    static robot_training all[SEEDS];
    robot_random random = robot_random_make(s->seed - 1);
    robot r;
    for (int impact = 0; impact < 2; impact++) {
        double numbers[3][SEEDS];
        int n = 0;
        char text[80];
        robot_build(&r, 1, impact);
        snprintf(text, sizeof text, "%s, %s", name, LABELS[impact]);
        if (!train(s, &r, way, &random, all, seeds, text)) return 0;
        for (int seed = 0; seed < seeds; seed++) {
            const robot_training *const it = &all[seed];
            numbers[0][seed] = (double)it->loss[0];
            numbers[1][seed] = (double)it->loss[it->done - 1];
            numbers[2][seed] = (double)it->learner.best_loss;
            smooth(it->loss, it->done, y[impact] + n);
            for (int k = 0; k < it->done; k++) x[impact][n + k] = (ds_real)k;
            n += it->done;
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
static void draw(show_canvas *c, const robot *r, const ds_real *state, double up)
{
    ds_real p[ROBOT_POINTS][2];
    for (int i = 0; i < r->n_points; i++) {
        p[i][0] = state[3 * i];
        p[i][1] = state[3 * i + 1] + (ds_real)up;
    }
    show_box(c, -1, ROBOT_GROUND + up - 0.004, 3, ROBOT_GROUND + up, SHOW_INK);
    for (int k = 0; k < r->n_springs; k++) {
        const robot_spring *const spring = &r->spring[k];
        const ds_real *const a = p[spring->a], *const b = p[spring->b];
        const double length = hypot((double)(a[0] - b[0]), (double)(a[1] - b[1])), muscle = spring->actuation;
        const double stretch = muscle != 0 ? (length / spring->rest - 1) / muscle : 0; /* red: long */
        const uint32_t colour = show_mix(0x808080, stretch > 0 ? 0xff0000 : 0x0000ff, fmin(fabs(stretch), 1));
        if (muscle != 0) show_line(c, a, b, 6, colour);
        else show_line(c, a, b, 2.5, SHOW_INK);
    }
    for (int i = 0; i < r->n_points; i++) show_disc(c, p[i], 0.009, i ? 0x669999 : 0xcc334c);
}

/* trains one robot and shows how it walks, step by step */
static int walk(show *s, int number)
{
    static robot_training it;
    const int steps = s->quick ? ROBOT_STEPS / 4 : 2 * ROBOT_STEPS;
    robot_random random = robot_random_make(s->seed - 1);
    robot r;
    robot_walk w;
    char name[40];
    robot_build(&r, number, 1);
    snprintf(name, sizeof name, "robot %d", number);
    if (!train(s, &r, ROBOT_CAREFUL, &random, &it, 1, name)) return 0;
    if (!robot_walk_begin(&w, &r, (size_t)steps, 1)) return 0;
    w.film = (ds_real *)malloc((size_t)(steps + 1) * r.n_state * sizeof *w.film);
    if (!w.film || ds_rollout_set_param(w.rollout, it.learner.best) || ds_rollout_forward(w.rollout))
        return 0;

    snprintf(name, sizeof name, "robot_%d", number);
    show_canvas *c = show_canvas_create(640, 0, 1.1, 0.04, 0.04 + ROWS * ROW_HEIGHT);
    show_clear(c, SHOW_WHITE);
    for (int row = 0; row < ROWS; row++) {
        const size_t k = (size_t)(row * (steps - 1) / (ROWS - 1));
        draw(c, &r, w.film + k * r.n_state, (ROWS - 1 - row) * ROW_HEIGHT);
    }
    show_canvas_save(c, s, "%s.png", name);
    show_canvas_destroy(c);

    show_film f = show_film_begin(s, name);
    c = show_canvas_create(640, 0, 1.1, 0.04, 0.04 + 1.2 * ROW_HEIGHT);
    for (int k = 0; k < steps; k += FRAME) {
        show_clear(c, SHOW_WHITE);
        draw(c, &r, w.film + (size_t)k * r.n_state, 0);
        show_film_frame(&f, c);
    }
    show_canvas_destroy(c);
    show_film_end(&f, 30);
    show_result(s, name, (double)it.learner.best_loss);
    free(w.film);
    robot_walk_end(&w);
    return 1;
}

int main(int argc, char **argv)
{
    show s = show_start(argc, argv, "robots of springs learn to walk", NULL, 0);
    const int seeds = s.quick ? 1 : SEEDS;
    show_plot plot = { 0 }, careful = { 0 };
    plot.title = "A robot learns to walk, five times";
    plot.x_label = "iteration";
    plot.y_label = "loss: minus where it is after 2.7 s  (m)";
    int good = compare(&s, ROBOT_PAPER, seeds, &plot, "paper");
    show_plot_save(&plot, &s, "learning");
    good = good && compare(&s, ROBOT_CAREFUL, seeds, &careful, "careful");
    for (int number = 1; good && number <= 3; number++) good = walk(&s, number);
    return show_end(&s) || !good;
}
