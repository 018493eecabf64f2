/* mass_spring_robots.h: walking robots of points and springs; see mass_spring_robots.c.

   After DiffTaichi (Hu et al. 2020). A robot is built of squares and triangles on a lattice. Some of its
   springs are muscles: they change their rest length as a network of two layers wants it, which sees ten
   sines of the time and all points. The loss is minus the place of point 0 at the end.

   robot_build       a robot from its number
   robot_randomise   weights as numpy's RandomState makes them, so that runs can be compared
   robot_step        records one step on a tape: from points, velocities, weights and sines of the time
   robot_walk_begin  a rollout of them: the loss, and its gradient by the weights
   robot_learn       changes the weights
   robot_practise    does both, for one of many trainings in ds_rollout_batch */
#ifndef MASS_SPRING_ROBOTS_H
#define MASS_SPRING_ROBOTS_H

#include "../diffsim.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROBOT_STRIDES = 3, ROBOT_STRIDE = 227, ROBOT_STEPS = ROBOT_STRIDES * ROBOT_STRIDE };
enum { ROBOT_ITERATIONS = 100 };
enum { ROBOT_POINTS = 30, ROBOT_SPRINGS = 70, ROBOT_HIDDEN = 32, ROBOT_SINES = 10 };
enum { ROBOT_PARAMS = (12 + 4 * ROBOT_POINTS + 1) * ROBOT_HIDDEN + (ROBOT_HIDDEN + 1) * ROBOT_SPRINGS };
static const double ROBOT_DT = 0.004, ROBOT_GRAVITY = -4.8, ROBOT_DAMPING = 15; /* s, m/s^2, 1/s */
static const double ROBOT_GROUND = 0.1, ROBOT_GOAL[2] = { 0.9, 0.2 };           /* m */
static const double ROBOT_FREQUENCY = 10, ROBOT_STIFFNESS = 3e4;                /* 1/s, N/m; masses 1 kg */

typedef struct robot_spring { int a, b; double rest, actuation; } robot_spring; /* actuation 0: no muscle */
typedef struct robot {
    int n_points, n_springs;
    int place[ROBOT_POINTS][2]; /* on the lattice, in half cells */
    ds_v3 point[ROBOT_POINTS];  /* where it begins; z is 0 */
    robot_spring spring[ROBOT_SPRINGS];
    size_t sizes[3];
    ds_mlp brain;               /* points into sizes: a robot is not copied */
    size_t n_state, n_params;   /* positions and velocities; weights and biases */
    int time_of_impact;         /* not 0: a point stops where and when it hits the ground */
} robot;

/* ---- the body ---- */

/* the point at a place in half cells, made if there is none */
static int robot_point(robot *r, int i, int j)
{
    int k;
    for (k = 0; k < r->n_points; k++)
        if (r->place[k][0] == i && r->place[k][1] == j) return k;
    r->place[k][0] = i;
    r->place[k][1] = j;
    r->point[k] = ds_v3_make((ds_real)(0.05 * (0.5 * i) + 0.1), (ds_real)(0.05 * (0.5 * j) + 0.1), 0);
    return r->n_points++;
}

/* a spring, unless these two points have one */
static void robot_connect(robot *r, int a, int b, double actuation)
{
    int k;
    for (k = 0; k < r->n_springs; k++) {
        const robot_spring *s = &r->spring[k];
        if ((s->a == a && s->b == b) || (s->a == b && s->b == a)) return;
    }
    r->spring[k].a = a;
    r->spring[k].b = b;
    r->spring[k].rest = hypot((double)r->point[a].x - (double)r->point[b].x,
                              (double)r->point[a].y - (double)r->point[b].y);
    r->spring[k].actuation = actuation;
    r->n_springs++;
}

/* n corners, each tied to each */
static void robot_tie(robot *r, const int *corner, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) robot_connect(r, corner[i], corner[j], 0);
}

/* the cell with the lower left corner (i, j): its upright sides may be muscles */
static void robot_square(robot *r, int i, int j, double actuation)
{
    int corner[4];
    corner[0] = robot_point(r, 2 * i, 2 * j);
    corner[1] = robot_point(r, 2 * i, 2 * j + 2);
    corner[2] = robot_point(r, 2 * i + 2, 2 * j);
    corner[3] = robot_point(r, 2 * i + 2, 2 * j + 2);
    robot_connect(r, corner[0], corner[1], actuation);
    robot_connect(r, corner[2], corner[3], actuation);
    robot_tie(r, corner, 4);
}

/* a foot: from the middle of the cell to its upper side */
static void robot_triangle(robot *r, int i, int j)
{
    int corner[3];
    corner[0] = robot_point(r, 2 * i + 1, 2 * j + 1);
    corner[1] = robot_point(r, 2 * i, 2 * j + 2);
    corner[2] = robot_point(r, 2 * i + 2, 2 * j + 2);
    robot_tie(r, corner, 3);
}

/* number: 1 to 3. 0: there is no such robot. */
static int robot_build(robot *r, int number, int time_of_impact)
{
    const double muscle = 0.15;
    memset(r, 0, sizeof *r);
    if (number < 1 || number > 3) return 0;
    if (number == 1) {
        robot_triangle(r, 2, 0);
        robot_triangle(r, 0, 0);
    } else {
        robot_square(r, 2, 0, muscle);
        robot_square(r, 0, 0, muscle);
    }
    robot_square(r, 0, 1, muscle);
    robot_square(r, 0, 2, 0);
    robot_square(r, 1, 2, 0);
    robot_square(r, 2, 1, muscle);
    robot_square(r, 2, 2, 0);
    if (number >= 2) {
        robot_square(r, 2, 3, 0);
        robot_square(r, 2, 4, 0);
    }
    if (number == 3) {
        robot_square(r, 3, 1, 0);
        robot_square(r, 4, 0, muscle);
        robot_square(r, 4, 1, muscle);
    }
    r->sizes[0] = ROBOT_SINES + 4 * (size_t)r->n_points + 2;
    r->sizes[1] = ROBOT_HIDDEN;
    r->sizes[2] = (size_t)r->n_springs;
    r->brain.sizes = r->sizes;
    r->brain.n_sizes = 3;
    r->brain.activation = DSIM_ACTIVATION_TANH;
    r->brain.active_output = 1;
    r->n_state = 6 * (size_t)r->n_points;
    r->n_params = ds_mlp_params(&r->brain);
    r->time_of_impact = time_of_impact;
    return 1;
}

/* ---- the numbers of numpy.random.RandomState: MT19937 (Matsumoto and Nishimura 1998), polar method ---- */

typedef struct robot_random {
    uint32_t word[624];
    int at, has_second;
    double second;
} robot_random;

static robot_random robot_random_make(uint32_t seed)
{
    robot_random r;
    memset(&r, 0, sizeof r);
    r.word[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        r.word[i] = UINT32_C(1812433253) * (r.word[i - 1] ^ r.word[i - 1] >> 30) + i;
    r.at = 624;
    return r;
}

static uint32_t robot_random_bits(robot_random *r)
{
    uint32_t y;
    if (r->at == 624) {
        for (int i = 0; i < 624; i++) {
            y = (r->word[i] & UINT32_C(0x80000000)) | (r->word[(i + 1) % 624] & UINT32_C(0x7fffffff));
            r->word[i] = r->word[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? UINT32_C(0x9908b0df) : 0);
        }
        r->at = 0;
    }
    y = r->word[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

/* in [-1, 1), 53 bits */
static double robot_random_uniform(robot_random *r)
{
    const double high = robot_random_bits(r) >> 5, low = robot_random_bits(r) >> 6;
    return 2 * ((high * 67108864 + low) / 9007199254740992) - 1;
}

/* Two at a time; the second waits. The library's logarithm: the same bits everywhere. */
static double robot_random_normal(robot_random *r)
{
    double x, y, square, factor;
    if (r->has_second) {
        r->has_second = 0;
        return r->second;
    }
    do {
        x = robot_random_uniform(r);
        y = robot_random_uniform(r);
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    factor = sqrt(-2 * (double)ds_real_log((ds_real)square) / square);
    r->second = factor * x;
    r->has_second = 1;
    return factor * y;
}

/* params [n_params]: w1 [hidden][inputs], b1 [hidden], w2 [springs][hidden], b2 [springs] */
static void robot_randomise(const robot *r, robot_random *random, ds_real *params)
{
    const double gain[2] = { 2, 3 };
    for (int layer = 0; layer < 2; layer++) {
        const size_t inputs = r->sizes[layer], outputs = r->sizes[layer + 1];
        for (size_t i = 0; i < inputs * outputs; i++)
            *params++ = (ds_real)(robot_random_normal(random) * gain[layer] *
                                  sqrt(2 / (double)(inputs + outputs)));
        for (size_t i = 0; i < outputs; i++) *params++ = 0;
    }
}

/* ---- the motion ---- */

/* the muscles' wishes in -1 .. 1 [springs], from the sines of step k of a stride, from where the points are,
   seen from their middle, how fast they are, and where the goal is */
static ds_vars robot_think(const robot *r, const ds_step_vars *at, size_t k, const ds_var3 *x,
                           const ds_var3 *v)
{
    const size_t n = (size_t)r->n_points;
    const ds_var3 goal = ds_input3(at->tape, ds_v3_make((ds_real)ROBOT_GOAL[0], (ds_real)ROBOT_GOAL[1], 0));
    const ds_var3 middle = ds_scale3(ds_sum3(x, n), ds_c(1.0 / (double)n)), away = ds_sub3(goal, middle);
    const ds_var3 centre = ds_scale3(middle, ds_c(-0.05));
    ds_var sense[ROBOT_SINES + 4 * ROBOT_POINTS + 2], *s = sense;
    for (size_t i = 0; i < ROBOT_SINES; i++) *s++ = ds_vars_at(at->control, k * ROBOT_SINES + i);
    for (size_t i = 0; i < n; i++) {
        const ds_var3 place = ds_axpy3(ds_c(0.05), x[i], centre), speed = ds_scale3(v[i], ds_c(0.05));
        *s++ = ds_x(place);
        *s++ = ds_y(place);
        *s++ = ds_x(speed);
        *s++ = ds_y(speed);
    }
    *s++ = ds_x(away);
    *s++ = ds_y(away);
    return ds_mlp_record(&r->brain, at->param, ds_vars_pack(sense, (size_t)(s - sense)));
}

/* the rest length that muscle number k wishes */
static ds_var robot_rest(const robot_spring *s, ds_vars wish, int k)
{
    return ds_fma(ds_vars_at(wish, (size_t)k), ds_c(s->rest * s->actuation), ds_c(s->rest));
}

/* adds to gain[i] the change of velocity of point i by all springs in one step */
static void robot_pull(const robot *r, const ds_var3 *x, ds_vars wish, ds_var3 *gain)
{
    const double impulse = ROBOT_DT * ROBOT_STIFFNESS;
    for (int k = 0; k < r->n_springs; k++) {
        const robot_spring *s = &r->spring[k];
        const ds_var3 d = ds_sub3(x[s->a], x[s->b]);
        const ds_var length = ds_add(ds_norm3(d), ds_c(1e-4));
        const ds_var ratio = s->actuation != 0 ? ds_div(robot_rest(s, wish, k), length)
                                               : ds_div(ds_c(s->rest), length);
        const ds_var pull = ds_fma(ds_c(-impulse), ratio, ds_c(impulse)); /* impulse (1 - rest / length) */
        gain[s->a] = ds_naxpy3(pull, d, gain[s->a]);
        gain[s->b] = ds_axpy3(pull, d, gain[s->b]);
    }
}

/* Does the point go on freely? If not it is at the ground, and has moved, without speed, as far as it goes:
   naively a point that is below and falls stops where it is; with the time of impact one that would be below
   after the step stops where and when it hits. */
static int robot_lands(const robot *r, ds_var3 *x, ds_var3 v)
{
    if (!r->time_of_impact)
        return ds_branch(ds_lt(ds_y(*x), ds_c(ROBOT_GROUND))) && ds_branch(ds_lt(ds_y(v), ds_c(0)));
    const ds_var low = ds_fma(ds_c(ROBOT_DT), ds_y(v), ds_y(*x));
    if (!ds_branch(ds_lt(low, ds_c(ROBOT_GROUND))) || !ds_branch(ds_lt(ds_y(v), ds_c(-1e-4)))) return 0;
    const ds_var impact = ds_div(ds_sub(ds_c(ROBOT_GROUND), ds_y(*x)), ds_y(v));
    *x = ds_axpy3(impact, v, *x);
    return 1;
}

/* step k of a stride: moves points x with velocities v [n_points] */
static void robot_step(const robot *r, const ds_step_vars *at, size_t k, ds_var3 *x, ds_var3 *v)
{
    const int n = r->n_points;
    const ds_var3 still = ds_input3(at->tape, ds_v3_make(0, 0, 0));
    const ds_var3 fall = ds_input3(at->tape, ds_v3_make(0, (ds_real)(ROBOT_DT * ROBOT_GRAVITY), 0));
    const ds_var damped = ds_c(exp(-ROBOT_DT * ROBOT_DAMPING));
    ds_var3 gain[ROBOT_POINTS];
    for (int i = 0; i < n; i++) gain[i] = fall;
    robot_pull(r, x, robot_think(r, at, k, x, v), gain);
    for (int i = 0; i < n; i++) {
        v[i] = ds_axpy3(damped, v[i], gain[i]);
        if (robot_lands(r, &x[i], v[i])) v[i] = still;
        else x[i] = ds_axpy3(ds_c(ROBOT_DT), v[i], x[i]);
    }
}

/* A robot on its way: a rollout with the weights as parameters and the sines as controls. Its steps are
   strides of so many steps of the robot: for each stride the thousands of weights are handed in, and their
   derivatives collected, once. */
typedef struct robot_walk {
    const robot *r;
    size_t stride;
    ds_recorded *recorded;
    ds_rollout *rollout;
    ds_real *film; /* NULL, or [strides + 1][n_state]: where all states of a run go */
} robot_walk;

/* positions, then velocities, three numbers each, after a stride */
static ds_result robot_stride(void *user, const ds_step_vars *at, ds_var *next)
{
    const robot_walk *const w = (const robot_walk *)user;
    const size_t n = (size_t)w->r->n_points;
    ds_var3 x[2 * ROBOT_POINTS], *const v = x + n;
    for (size_t i = 0; i < 2 * n; i++) x[i] = ds_vars_at3(at->state, i);
    for (size_t k = 0; k < w->stride; k++) robot_step(w->r, at, k, x, v);
    for (size_t i = 0; i < 2 * n; i++) {
        *next++ = ds_x(x[i]);
        *next++ = ds_y(x[i]);
        *next++ = ds_z(x[i]);
    }
    return DSIM_OK;
}

/* minus how far point 0 has come at the end */
static ds_result robot_loss(void *user, const ds_step_io *io, ds_real *value, const ds_step_bar *bar)
{
    const robot_walk *const w = (const robot_walk *)user;
    const size_t n = w->r->n_state;
    if (w->film) memcpy(w->film + io->step * n, io->state, n * sizeof *io->state);
    if (io->left) return DSIM_OK;
    *value -= io->state[0];
    if (bar) bar->state_bar[0] -= 1;
    return DSIM_OK;
}

/* sin(w t + 2 pi j / 10) before step k: the clock of the robot */
static void robot_clock(size_t k, ds_real *sines)
{
    const double whole = 2 * 3.14159265358979323846;
    for (int j = 0; j < ROBOT_SINES; j++)
        sines[j] = ds_real_sin((ds_real)(ROBOT_FREQUENCY * (double)k * ROBOT_DT + whole / ROBOT_SINES * j));
}

/* At rest, before so many strides. w and r stay where they are. 0: there is no memory. */
static int robot_walk_begin(robot_walk *w, const robot *r, size_t strides, size_t stride)
{
    ds_recorded_desc record = { 0 };
    ds_rollout_desc desc = { 0 };
    ds_real state[6 * ROBOT_POINTS] = { 0 };
    memset(w, 0, sizeof *w);
    w->r = r;
    w->stride = stride;
    record.user = desc.loss_user = w;
    record.n_state = r->n_state;
    record.n_param = r->n_params;
    record.n_control = stride * ROBOT_SINES;
    record.step = robot_stride;
    w->recorded = ds_recorded_create(&record);
    desc.steps = strides;
    desc.loss = robot_loss;
    ds_real *const clock = (ds_real *)malloc(strides * record.n_control * sizeof *clock);
    if (w->recorded && clock) w->rollout = ds_rollout_create(ds_recorded_stepper(w->recorded), &desc);
    for (size_t k = 0; clock && k < strides * stride; k++) robot_clock(k, clock + k * ROBOT_SINES);
    for (int i = 0; i < r->n_points; i++) {
        state[3 * i] = r->point[i].x;
        state[3 * i + 1] = r->point[i].y;
    }
    const int good = w->rollout && !ds_rollout_set_state(w->rollout, state) &&
                     !ds_rollout_set_controls(w->rollout, clock, 0, strides);
    free(clock);
    return good;
}

static void robot_walk_end(robot_walk *w)
{
    ds_rollout_destroy(w->rollout);
    ds_recorded_destroy(w->recorded);
}

/* ---- learning ---- */

/* A way to learn. The paper's is { 0.2, 0, 0 }: a step of that length, whatever the gradient's is. */
typedef struct robot_learner {
    double rate, momentum; /* velocity = momentum velocity + gradient / its length; params -= rate velocity */
    int patience;          /* 0, or after so many steps without gain: back to the best, at half the rate */
    int waited;
    ds_real best_loss;     /* 0: none yet */
    ds_real best[ROBOT_PARAMS], velocity[ROBOT_PARAMS];
} robot_learner;
static const double ROBOT_PAPER[] = { 0.2, 0, 0 }, ROBOT_CAREFUL[] = { 0.15, 0.5, 12 };

static void robot_learner_begin(robot_learner *l, const double *way)
{
    memset(l, 0, sizeof *l);
    l->rate = way[0];
    l->momentum = way[1];
    l->patience = (int)way[2];
}

/* Changes params [n_params], which have this loss and gradient. Returns the gradient's length. */
static double robot_learn(const robot *r, robot_learner *l, ds_real *params, double loss, const ds_real *grad)
{
    double square = 0, length;
    for (size_t i = 0; i < r->n_params; i++) square += (double)grad[i] * (double)grad[i];
    length = sqrt(square);
    l->waited++;
    if (loss < (double)l->best_loss) {
        l->best_loss = (ds_real)loss;
        l->waited = 0;
        memcpy(l->best, params, r->n_params * sizeof *params);
    }
    if (l->patience && l->waited >= l->patience) {
        l->rate *= 0.5;
        l->waited = 0;
        memcpy(params, l->best, r->n_params * sizeof *params);
        memset(l->velocity, 0, sizeof l->velocity);
        return length;
    }
    for (size_t i = 0; i < r->n_params; i++) {
        l->velocity[i] = (ds_real)(l->momentum * (double)l->velocity[i] + (double)grad[i] / (length + 1e-6));
        params[i] -= (ds_real)(l->rate * (double)l->velocity[i]);
    }
    return length;
}

/* one training of many */
typedef struct robot_training {
    const robot *r;
    int done; /* iterations */
    ds_real loss[ROBOT_ITERATIONS], params[ROBOT_PARAMS]; /* the loss before each; the weights */
    robot_learner learner;
} robot_training;

/* one iteration of training i, as ds_rollout_batch wants it: user is an array of them */
static ds_result robot_practise(void *user, ds_rollout *rollout, size_t i)
{
    robot_training *const it = (robot_training *)user + i;
    ds_result result = ds_rollout_set_param(rollout, it->params);
    if (!result) result = ds_rollout_backward(rollout);
    if (result) return result;
    const double loss = ds_rollout_loss(rollout);
    it->loss[it->done++] = (ds_real)loss;
    robot_learn(it->r, &it->learner, it->params, loss, ds_rollout_param_grad(rollout));
    return DSIM_OK;
}

#endif
