/* test_grids.c - what simulators share on kernels: splines, sampling and differences on grids, reductions,
   maxima of arrays: against plain C, tangents against differences, adjoints as transposes of tangents */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? 1.2e-7 : 2.3e-16)
enum { MOST_ARGS = 8, ROOM = 4000 };

static ds_rng rng;
static double between(double low, double high) { return low + (high - low) * (double)ds_rng_uniform(&rng); }

/* A kernel with its arguments; bits of `inputs`: what it is differentiated by, of `results`: what it makes */
typedef struct scene {
    ds_kernel *kernel;
    const char *by;
    size_t rank, lanes[3], n;
    unsigned inputs, results;
    ds_array args[MOST_ARGS];
} scene;

static ds_real memory[4 * MOST_ARGS][ROOM]; /* of arrays */
static size_t used;

static ds_array fresh(size_t n, size_t components)
{
    if (used == 4 * MOST_ARGS || n * components > ROOM) {
        printf("Bail out! more room\n");
        exit(1);
    }
    memset(memory[used], 0, sizeof memory[used]);
    return ds_array_reals(memory[used++], n, components);
}
static ds_array randoms(size_t n, size_t components)
{
    const ds_array a = fresh(n, components);
    for (size_t i = 0; i < n * components; i++) ((ds_real *)a.data)[i] = (ds_real)between(-1, 1);
    return a;
}
static ds_real *at(const ds_array *a, size_t element, size_t component)
{
    const size_t stride = a->stride ? a->stride : a->components, pitch = a->pitch ? a->pitch : 1;
    return (ds_real *)a->data + element * stride + component * pitch;
}
static ds_real *numbers(const scene *s, size_t arg) { return (ds_real *)s->args[arg].data; }

static int refused; /* launches */
static ds_result launch(const ds_kernel *kernel, const size_t *lanes, const ds_array *args, size_t n,
                        size_t width)
{
    ds_runner_desc d = { 0 };
    d.width = width;
    ds_runner *const r = ds_runner_create(&d);
    const ds_result result = ds_launch_grid(r, kernel, lanes, args, n);
    if (result) tap_diag("%s", ds_runner_error(r)->text);
    refused += result != DSIM_OK;
    ds_runner_destroy(r);
    return result;
}
static void clear(const ds_array *a)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t c = 0; c < a->components; c++) *at(a, i, c) = 0;
}
/* results from zero on */
static ds_result run(const scene *s, size_t width)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->results >> i & 1) clear(&s->args[i]);
    return launch(s->kernel, s->lanes, s->args, s->n, width);
}

static double dot(const ds_array *a, const ds_array *b, double *size)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t c = 0; c < a->components; c++) {
            const double term = (double)*at(a, i, c) * (double)*at(b, i, c);
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

/* <y_bar, J x_dot> = <J' y_bar, x_dot>, with random y_bar and x_dot; and J x_dot against differences of y */
static void check_derivatives(const scene *s, const char *name)
{
    ds_kernel *const tangent = ds_kernel_tangent(s->kernel, s->by);
    ds_kernel *const adjoint = ds_kernel_adjoint(s->kernel, s->by);
    const size_t n = s->n, mark = used;
    const double h = IS_FLOAT ? 1.0 / 128 : 1.0 / 65536;
    ds_array dots[2 * MOST_ARGS], bars[2 * MOST_ARGS];
    double left = 0, right = 0, size = 0, other = 0, worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        const ds_array a = s->args[i];
        const int real = a.type != DSIM_ARRAY_INT32;
        dots[i] = bars[i] = a;
        dots[n + i] = s->inputs >> i & 1 ? randoms(a.n, a.components) : real ? fresh(a.n, a.components) : a;
        bars[n + i] = s->results >> i & 1 ? randoms(a.n, a.components) : real ? fresh(a.n, a.components) : a;
    }
    TAP_OK(!launch(tangent, s->lanes, dots, 2 * n, 0), "%s: tangent runs: %s", name,
           ds_kernel_error(tangent)->text);
    TAP_OK(!launch(adjoint, s->lanes, bars, 2 * n, 0), "%s: adjoint runs: %s", name,
           ds_kernel_error(adjoint)->text);
    for (size_t i = 0; i < n; i++) {
        if (s->results >> i & 1) left += dot(&bars[n + i], &dots[n + i], &size);
        if (s->inputs >> i & 1) right += dot(&bars[n + i], &dots[n + i], &other);
    }
    TAP_OK(size > 0 && fabs(left - right) <= (IS_FLOAT ? 1e-4 : 1e-12) * size,
           "%s: adjoint is the transpose of the tangent (%g, %g of %g)", name, left, right, size);

    for (int side = 1; side >= -1; side -= 2) {
        for (size_t i = 0; i < n; i++)
            for (size_t e = 0; s->inputs >> i & 1 && e < s->args[i].n; e++)
                for (size_t c = 0; c < s->args[i].components; c++)
                    *at(&s->args[i], e, c) += (ds_real)((side > 0 ? 1 : -2) * h) * *at(&dots[n + i], e, c);
        run(s, 0);
        /* what differences say is taken off the tangent, which must become 0 */
        for (size_t i = 0; i < n; i++)
            for (size_t e = 0; s->results >> i & 1 && e < s->args[i].n; e++)
                for (size_t c = 0; c < s->args[i].components; c++) {
                    ds_real *const v = at(&dots[n + i], e, c);
                    if (side > 0) largest = fmax(largest, fabs((double)*v));
                    *v -= (ds_real)(side / (2 * h)) * *at(&s->args[i], e, c);
                    if (side < 0) worst = fmax(worst, fabs((double)*v));
                }
    }
    TAP_OK(largest > 0 && worst <= (IS_FLOAT ? 2e-3 : 1e-8) * (1 + largest),
           "%s: tangent by differences (off by %g of %g)", name, worst, largest);
    ds_kernel_destroy(tangent);
    ds_kernel_destroy(adjoint);
    used = mark;
}

/* Splines. */
static double cubic(double d)
{
    d = fabs(d);
    return d < 1 ? 2.0 / 3 - d * d + d * d * d / 2 : d < 2 ? (2 - d) * (2 - d) * (2 - d) / 6 : 0;
}
static double cubic_slope(double d)
{
    const double sign = d < 0 ? -1 : 1;
    d = fabs(d);
    return sign * (d < 1 ? -2 * d + 1.5 * d * d : d < 2 ? -(2 - d) * (2 - d) / 2 : 0);
}
static double quadratic(double d)
{
    d = fabs(d);
    return d < 0.5 ? 0.75 - d * d : d < 1.5 ? (1.5 - d) * (1.5 - d) / 2 : 0;
}
static double quadratic_slope(double d)
{
    const double sign = d < 0 ? -1 : 1;
    d = fabs(d);
    return sign * (d < 0.5 ? -2 * d : d < 1.5 ? d - 1.5 : 0);
}
typedef struct spline {
    const char *name;
    size_t n;
    double low, high; /* of fx */
    double (*value)(double), (*slope)(double);
    void (*weights)(ds_var fx, ds_var *w);
    ds_index (*record)(ds_var x, ds_var *w);
} spline;
static const spline splines[] = {
    { "bspline2", 3, 0.5, 1.5, quadratic, quadratic_slope, ds_bspline2_weights, ds_bspline2 },
    { "bspline3", 4, 1, 2, cubic, cubic_slope, ds_bspline3_weights, ds_bspline3 },
};

static void test_weights_on_a_tape(const spline *p)
{
    ds_tape *const t = ds_tape_create(NULL);
    double off_value = 0, off_slope = 0, off_one = 0, off_zero = 0, off_mean = 0;
    for (int k = 0; k <= 100; k++) {
        const double fx = p->low + (p->high - p->low) * k / 100.0;
        ds_var x, w[4], sum = ds_c(0), mean = ds_c(0);
        ds_tape_reset(t);
        x = ds_input(t, fx);
        p->weights(x, w);
        for (size_t i = 0; i < p->n; i++) {
            sum = ds_add(sum, w[i]);
            mean = ds_fma(ds_c((double)i), w[i], mean);
            off_value = fmax(off_value, fabs((double)ds_value(w[i]) - p->value(fx - (double)i)));
            ds_backward(w[i]);
            off_slope = fmax(off_slope, fabs((double)ds_grad(x) - p->slope(fx - (double)i)));
        }
        off_one = fmax(off_one, fabs((double)ds_value(sum) - 1));
        off_mean = fmax(off_mean, fabs((double)ds_value(mean) - fx));
        ds_backward(sum);
        off_zero = fmax(off_zero, fabs((double)ds_grad(x)));
        ds_backward(mean);
        off_slope = fmax(off_slope, fabs((double)ds_grad(x) - 1));
    }
    TAP_OK(off_value < 4 * EPSILON, "%s: weights on a tape (%g)", p->name, off_value);
    TAP_OK(off_slope < 16 * EPSILON, "%s: their slopes (%g)", p->name, off_slope);
    TAP_OK(off_one < 4 * EPSILON, "%s: they sum to 1 (%g)", p->name, off_one);
    TAP_OK(off_zero < 8 * EPSILON, "%s: the slopes sum to 0 (%g)", p->name, off_zero);
    TAP_OK(off_mean < 8 * EPSILON, "%s: the weighted knots sum to the position (%g)", p->name, off_mean);
    TAP_OK(!ds_tape_error(t)->code, "%s: %s", p->name, ds_tape_error(t)->text);
    ds_tape_destroy(t);
}

/* x -> base, weights */
static void test_weights_in_a_kernel(const spline *p)
{
    scene s = { 0 };
    ds_kernel *const k = s.kernel = ds_kernel_begin(NULL, p->name);
    const ds_arg x = ds_arg_in(k, "x", 1), out = ds_arg_out(k, "out", 1 + p->n);
    double off = 0;
    size_t wrong = 0;
    ds_var w[4];
    ds_index base;
    used = 0;
    s.rank = 1;
    s.lanes[0] = 301;
    s.n = 2;
    s.inputs = 1;
    s.results = 2;
    s.args[0] = fresh(301, 1);
    s.args[1] = fresh(301, 1 + p->n);
    base = p->record(ds_load(x, ds_lane(k)), w);
    ds_store_part(out, ds_lane(k), 0, ds_index_number(k, base));
    for (size_t i = 0; i < p->n; i++) ds_store_part(out, ds_lane(k), 1 + i, w[i]);
    TAP_OK(!ds_kernel_end(k), "%s is recorded: %s", p->name, ds_kernel_error(k)->text);
    for (size_t e = 0; e < 301; e++) /* multiples of 1/4, and others, of either sign */
        numbers(&s, 0)[e] = (ds_real)(e < 100 ? ((double)e - 50) / 4 : between(-1000, 1000));
    run(&s, 0);
    for (size_t e = 0; e < 301; e++) {
        const double v = (double)numbers(&s, 0)[e], first = (double)*at(&s.args[1], e, 0);
        const double want = p->n == 3 ? floor(v - 0.5) : floor(v) - 1;
        wrong += first != want;
        for (size_t i = 0; i < p->n; i++)
            off = fmax(off, fabs((double)*at(&s.args[1], e, 1 + i) - p->value(v - first - (double)i)));
    }
    TAP_OK(!wrong, "%s: the base (%zu wrong)", p->name, wrong);
    TAP_OK(off < 4 * EPSILON, "%s: weights in a kernel (%g)", p->name, off);
    for (size_t e = 0; e < 301; e++) {
        const double whole = floor(between(-50, 50));
        numbers(&s, 0)[e] = (ds_real)(whole + between(0.55, 0.95));
    }
    check_derivatives(&s, p->name);
    ds_kernel_destroy(k);

    s.kernel = ds_kernel_begin(NULL, "constant");
    {
        const ds_arg y = ds_arg_out(s.kernel, "y", 4);
        base = p->record(ds_c(-2.25), w);
        TAP_OK(!base.kernel && base.at == (p->n == 3 ? -3 : -4), "%s of a constant: base", p->name);
        for (size_t i = 0; i < p->n; i++) ds_store_part(y, ds_lane(s.kernel), i, w[i]);
        TAP_OK(!ds_kernel_end(s.kernel), "%s of a constant", p->name);
        s.args[0] = fresh(1, 4);
        s.lanes[0] = 1;
        launch(s.kernel, s.lanes, s.args, 1, 0);
        TAP_NEAR(numbers(&s, 0)[1], p->value(-2.25 - (double)base.at - 1), 4 * EPSILON, "%s of a constant",
                 p->name);
    }
    ds_kernel_destroy(s.kernel);
}

/* Grids, in plain C: rank, cells and walls in numbers. */
typedef struct plain_grid {
    const char *name;
    size_t rank, n[3];
    ds_wall wall[3];
} plain_grid;
static const plain_grid grids[] = {
    { "line, clamp", 1, { 37, 1, 1 }, { DSIM_WALL_CLAMP, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } },
    { "line, periodic", 1, { 150, 1, 1 }, { DSIM_WALL_PERIODIC, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } },
    { "plane, clamp", 2, { 9, 14, 1 }, { DSIM_WALL_CLAMP, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } },
    { "plane, periodic", 2, { 5, 150, 1 }, { DSIM_WALL_PERIODIC, DSIM_WALL_PERIODIC, DSIM_WALL_CLAMP } },
    { "channel", 2, { 8, 33, 1 }, { DSIM_WALL_CLAMP, DSIM_WALL_PERIODIC, DSIM_WALL_CLAMP } },
    { "one cell", 2, { 1, 1, 1 }, { DSIM_WALL_PERIODIC, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } },
    { "box, clamp", 3, { 5, 4, 7 }, { DSIM_WALL_CLAMP, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } },
    { "box, periodic", 3, { 4, 5, 19 }, { DSIM_WALL_PERIODIC, DSIM_WALL_PERIODIC, DSIM_WALL_PERIODIC } },
    { "tube", 3, { 6, 3, 40 }, { DSIM_WALL_CLAMP, DSIM_WALL_PERIODIC, DSIM_WALL_CLAMP } },
};
static size_t cells(const plain_grid *g) { return g->n[0] * g->n[1] * g->n[2]; }
static size_t element(const plain_grid *g, const long *i)
{
    size_t e = 0;
    for (size_t axis = 0; axis < g->rank; axis++) {
        const long n = (long)g->n[axis];
        const long inside = g->wall[axis] == DSIM_WALL_PERIODIC ? (i[axis] % n + n) % n
                            : i[axis] < 0 ? 0 : i[axis] >= n ? n - 1 : i[axis];
        e = e * (size_t)n + (size_t)inside;
    }
    return e;
}
static void cell_of(const plain_grid *g, size_t e, long *i)
{
    for (size_t axis = g->rank; axis-- > 0; e /= g->n[axis]) i[axis] = (long)(e % g->n[axis]);
}
static double value_at(const plain_grid *g, const ds_array *field, size_t component, const long *i)
{
    return (double)*at(field, element(g, i), component);
}
static double neighbour(const plain_grid *g, const ds_array *field, size_t component, const long *i,
                        size_t axis, long step)
{
    long place[3] = { i[0], i[1], i[2] };
    place[axis] += step;
    return value_at(g, field, component, place);
}
/* the sum of all corners of x, each with its weight */
static double sample_at(const plain_grid *g, const ds_array *field, size_t component, const double *x)
{
    double sum = 0;
    for (unsigned corner = 0; corner < 1u << g->rank; corner++) {
        double weight = 1;
        long i[3] = { 0, 0, 0 };
        for (size_t axis = 0; axis < g->rank; axis++) {
            const double t = x[axis] - floor(x[axis]);
            i[axis] = (long)floor(x[axis]) + (long)(corner >> axis & 1);
            weight *= corner >> axis & 1 ? t : 1 - t;
        }
        sum += weight * value_at(g, field, component, i);
    }
    return sum;
}

/* a grid of numbers that are launched, not baked, along the first axis */
static ds_grid recorded_grid(ds_kernel *k, const plain_grid *g)
{
    ds_index n[3];
    ds_grid r;
    for (size_t axis = 0; axis < g->rank; axis++)
        n[axis] = axis ? ds_i((int64_t)g->n[axis]) : ds_index_scalar(k, "n");
    r = ds_grid_make(g->rank, n, DSIM_WALL_CLAMP);
    for (size_t axis = 0; axis < g->rank; axis++) r.wall[axis] = g->wall[axis];
    return r;
}

/* field [cells][2], x [lanes][rank] -> y [lanes][2] */
enum { FIELD, POSITION, SAMPLE, SIZE, POINTS = 203 };
static int32_t first_size[1];
static scene sampling(const plain_grid *g)
{
    scene s = { 0 };
    ds_kernel *const k = s.kernel = ds_kernel_begin(NULL, "sampling");
    const ds_arg field = ds_arg_in(k, "field", 2), x = ds_arg_in(k, "x", g->rank), y = ds_arg_out(k, "y", 2);
    const ds_grid grid = recorded_grid(k, g);
    ds_var place[3];
    for (size_t axis = 0; axis < g->rank; axis++) place[axis] = ds_load_part(x, ds_lane(k), axis);
    for (size_t c = 0; c < 2; c++) ds_store_part(y, ds_lane(k), c, ds_grid_sample(field, c, &grid, place));
    TAP_OK(!ds_kernel_end(k), "%s: sampling is recorded: %s", g->name, ds_kernel_error(k)->text);
    first_size[0] = (int32_t)g->n[0];
    used = 0;
    s.rank = 1;
    s.lanes[0] = POINTS;
    s.n = 4;
    s.by = "field x";
    s.inputs = 1u << FIELD | 1u << POSITION;
    s.results = 1u << SAMPLE;
    s.args[FIELD] = randoms(cells(g), 2);
    s.args[POSITION] = fresh(POINTS, g->rank);
    s.args[SAMPLE] = fresh(POINTS, 2);
    s.args[SIZE] = ds_array_indices(first_size, 1, 1);
    return s;
}

static double worst_sample(const scene *s, const plain_grid *g)
{
    double worst = 0, x[3] = { 0, 0, 0 };
    for (size_t e = 0; e < POINTS; e++) {
        for (size_t axis = 0; axis < g->rank; axis++) x[axis] = (double)*at(&s->args[POSITION], e, axis);
        for (size_t c = 0; c < 2; c++) {
            const double want = sample_at(g, &s->args[FIELD], c, x);
            worst = fmax(worst, fabs((double)*at(&s->args[SAMPLE], e, c) - want));
        }
    }
    return worst;
}

static void test_sampling(const plain_grid *g)
{
    scene s = sampling(g);
    ds_real kept[2 * POINTS];
    for (size_t e = 0; e < POINTS; e++)
        for (size_t axis = 0; axis < g->rank; axis++) {
            const double n = (double)g->n[axis], far_out = e % 3 ? 0.3 * n : 50 * n;
            const double x = between(-far_out, n + far_out);
            *at(&s.args[POSITION], e, axis) = (ds_real)(e % 5 ? floor(x) + between(0.1, 0.9) : floor(x));
        }
    run(&s, 0);
    TAP_OK(worst_sample(&s, g) < 8 * EPSILON, "%s: samples (%g)", g->name, worst_sample(&s, g));
    memcpy(kept, s.args[SAMPLE].data, sizeof kept);
    for (size_t width = 16; width <= 256; width *= 4) {
        run(&s, width);
        TAP_OK(!memcmp(kept, s.args[SAMPLE].data, sizeof kept), "%s: the same bits in blocks of %zu", g->name,
               width);
    }
    for (size_t e = 0; e < POINTS; e += 5) /* away from edges, where differences are right */
        for (size_t axis = 0; axis < g->rank; axis++) *at(&s.args[POSITION], e, axis) += (ds_real)0.5;
    for (size_t e = 0; IS_FLOAT && e < POINTS; e++) /* where a difference is one */
        for (size_t axis = 0; axis < g->rank; axis++)
            *at(&s.args[POSITION], e, axis) = (ds_real)fmod((double)*at(&s.args[POSITION], e, axis), 10);
    check_derivatives(&s, g->name);
    ds_kernel_destroy(s.kernel);
}

/* whole numbers in the field and eighths in x: no rounding */
static void test_exact_samples(const plain_grid *g)
{
    scene s = sampling(g);
    size_t wrong = 0, wrong_constant = 0;
    for (size_t e = 0; e < cells(g); e++) {
        long i[3];
        cell_of(g, e, i);
        *at(&s.args[FIELD], e, 0) = 3;
        for (size_t axis = 0; axis < g->rank; axis++)
            *at(&s.args[FIELD], e, 0) += (ds_real)((long)(axis + 2) * i[axis]);
        *at(&s.args[FIELD], e, 1) = (ds_real)0.1;
    }
    for (size_t e = 0; e < POINTS; e++)
        for (size_t axis = 0; axis < g->rank; axis++)
            *at(&s.args[POSITION], e, axis) = (ds_real)(floor(8 * between(-2, 3) * (double)g->n[axis]) / 8);
    run(&s, 0);
    for (size_t e = 0; e < POINTS; e++) {
        double want = 3;
        int inside = 1;
        for (size_t axis = 0; axis < g->rank; axis++) {
            const double most = (double)g->n[axis] - 1;
            double x = (double)*at(&s.args[POSITION], e, axis);
            if (g->wall[axis] == DSIM_WALL_PERIODIC) x -= floor(x / (most + 1)) * (most + 1);
            else x = x < 0 ? 0 : x > most ? most : x;
            inside = inside && x <= most; /* between the last cell and the first nothing is linear */
            want += (double)(axis + 2) * x;
        }
        wrong += inside && want != (double)*at(&s.args[SAMPLE], e, 0);
        wrong_constant += *at(&s.args[SAMPLE], e, 1) != (ds_real)0.1;
    }
    TAP_OK(!wrong, "%s: samples of a linear field are exact, wrapped and at walls, too (%zu wrong)", g->name,
           wrong);
    TAP_OK(!wrong_constant, "%s: so are those of a constant (%zu wrong)", g->name, wrong_constant);
    ds_kernel_destroy(s.kernel);
}

/* behind a wall, and at cells: slopes by x */
static void test_slopes_of_samples(void)
{
    const plain_grid g = { "slopes", 1, { 4, 1, 1 }, { DSIM_WALL_CLAMP, DSIM_WALL_CLAMP, DSIM_WALL_CLAMP } };
    const double x[] = { -7, -0.5, 0, 1, 2.5, 3, 3.5, 1e9 }, want[] = { 0, 0, 3, -5, 1, 0, 0, 0 };
    const ds_real values[4] = { 1, 4, -1, 0 };
    scene s = sampling(&g);
    ds_kernel *const adjoint = ds_kernel_adjoint(s.kernel, "x");
    ds_array args[8];
    size_t wrong = 0;
    for (size_t e = 0; e < 4; e++) *at(&s.args[FIELD], e, 0) = values[e];
    for (size_t e = 0; e < POINTS; e++) *at(&s.args[POSITION], e, 0) = (ds_real)x[e % 8];
    for (size_t i = 0; i < 4; i++) args[i] = args[4 + i] = s.args[i];
    args[4 + POSITION] = fresh(POINTS, 1);
    args[4 + SAMPLE] = fresh(POINTS, 2);
    for (size_t e = 0; e < POINTS; e++) *at(&args[4 + SAMPLE], e, 0) = 1;
    launch(adjoint, s.lanes, args, 8, 0);
    for (size_t e = 0; e < POINTS; e++) wrong += (double)*at(&args[4 + POSITION], e, 0) != want[e % 8];
    TAP_OK(!wrong, "slopes behind walls are 0, at cells those of the larger side (%zu wrong)", wrong);
    ds_kernel_destroy(adjoint);
    ds_kernel_destroy(s.kernel);
}

/* field [cells][rank] -> y [cells][rank + 2]: Laplacian, divergence, gradient. planar: xx..yy.. */
static scene differences(const plain_grid *g, int planar)
{
    scene s = { 0 };
    ds_kernel_desc d = { 0 };
    d.rank = g->rank;
    ds_kernel *const k = s.kernel = ds_kernel_begin(&d, "differences");
    const ds_arg field = ds_arg_in(k, "field", g->rank), y = ds_arg_out(k, "y", g->rank + 2);
    ds_grid grid = ds_grid_of_lanes(k, DSIM_WALL_CLAMP);
    ds_index i[3];
    ds_var slope[3];
    for (size_t axis = 0; axis < g->rank; axis++) {
        grid.wall[axis] = g->wall[axis];
        i[axis] = ds_lane_axis(k, axis);
        s.lanes[axis] = g->n[axis];
    }
    ds_store_part(y, ds_lane(k), 0, ds_grid_laplacian(field, 0, &grid, i));
    ds_store_part(y, ds_lane(k), 1, ds_grid_divergence(field, &grid, i));
    ds_grid_gradient(field, g->rank - 1, &grid, i, slope);
    for (size_t axis = 0; axis < g->rank; axis++) ds_store_part(y, ds_lane(k), 2 + axis, slope[axis]);
    TAP_OK(!ds_kernel_end(k), "%s: differences are recorded: %s", g->name, ds_kernel_error(k)->text);
    used = 0;
    s.rank = g->rank;
    s.n = 2;
    s.by = "field";
    s.inputs = 1;
    s.results = 2;
    s.args[0] = randoms(cells(g), g->rank);
    s.args[1] = fresh(cells(g), g->rank + 2);
    if (planar) {
        s.args[0].stride = s.args[1].stride = 1;
        s.args[0].pitch = s.args[1].pitch = cells(g);
    }
    return s;
}

static void test_differences(const plain_grid *g, int planar)
{
    scene s = differences(g, planar);
    const size_t last = g->rank - 1;
    double off = 0;
    run(&s, 0);
    for (size_t e = 0; e < cells(g); e++) {
        const ds_array *const f = &s.args[0];
        double laplacian = 0, divergence = 0, slope;
        long i[3] = { 0, 0, 0 };
        cell_of(g, e, i);
        for (size_t axis = 0; axis < g->rank; axis++) {
            laplacian += neighbour(g, f, 0, i, axis, 1) + neighbour(g, f, 0, i, axis, -1);
            laplacian -= 2 * value_at(g, f, 0, i);
            divergence += (neighbour(g, f, axis, i, axis, 1) - neighbour(g, f, axis, i, axis, -1)) / 2;
            slope = neighbour(g, f, last, i, axis, 1) / 2 - neighbour(g, f, last, i, axis, -1) / 2;
            off = fmax(off, fabs(slope - (double)*at(&s.args[1], e, 2 + axis)));
        }
        off = fmax(off, fabs(laplacian - (double)*at(&s.args[1], e, 0)));
        off = fmax(off, fabs(divergence - (double)*at(&s.args[1], e, 1)));
    }
    TAP_OK(off < 32 * EPSILON, "%s: differences%s (%g)", g->name, planar ? " of components apart" : "", off);
    if (cells(g) > 1) check_derivatives(&s, g->name); /* of one cell all are 0 */
    ds_kernel_destroy(s.kernel);
}

/* f = sum of (axis + 1) i^2 + i j in whole numbers */
static void test_exact_differences(const plain_grid *g)
{
    scene s = differences(g, 0);
    size_t wrong = 0, inner = 0;
    for (size_t e = 0; e < cells(g); e++) {
        long i[3] = { 0, 0, 0 }, f = 0;
        cell_of(g, e, i);
        for (size_t axis = 0; axis < g->rank; axis++) f += (long)(axis + 1) * i[axis] * i[axis];
        f += i[0] * i[1] + 2 * i[1] * i[2];
        for (size_t c = 0; c < g->rank; c++) *at(&s.args[0], e, c) = (ds_real)f;
    }
    run(&s, 0);
    for (size_t e = 0; e < cells(g); e++) {
        long i[3] = { 0, 0, 0 }, laplacian = 0, divergence = 0, slope[3];
        int inside = 1;
        cell_of(g, e, i);
        for (size_t axis = 0; axis < g->rank; axis++)
            inside = inside && i[axis] > 0 && i[axis] + 1 < (long)g->n[axis];
        if (!inside) continue;
        inner++;
        slope[0] = 2 * i[0] + i[1];
        slope[1] = 4 * i[1] + i[0] + 2 * i[2];
        slope[2] = 6 * i[2] + 2 * i[1];
        for (size_t axis = 0; axis < g->rank; axis++) {
            laplacian += 2 * (long)(axis + 1);
            divergence += slope[axis];
            wrong += (double)*at(&s.args[1], e, 2 + axis) != (double)slope[axis];
        }
        wrong += (double)*at(&s.args[1], e, 0) != (double)laplacian;
        wrong += (double)*at(&s.args[1], e, 1) != (double)divergence;
    }
    TAP_OK(!wrong && (inner || cells(g) == 1), "%s: differences of quadratics are exact inside (%zu wrong)",
           g->name, wrong);
    ds_kernel_destroy(s.kernel);
}

/* each particle's mass goes to the cells around it by quadratic weights, and arrives whole */
static void test_particles_to_grid(void)
{
    const plain_grid g = { "", 2, { 12, 20, 1 },
                           { DSIM_WALL_PERIODIC, DSIM_WALL_PERIODIC, DSIM_WALL_PERIODIC } };
    scene s = { 0 };
    ds_kernel *const k = s.kernel = ds_kernel_begin(NULL, "particles");
    const ds_arg x = ds_arg_in(k, "x", 2), m = ds_arg_in(k, "m", 1), mass = ds_arg_sum(k, "mass", 1);
    const ds_index n[2] = { ds_i(12), ds_i(20) };
    const ds_grid grid = ds_grid_make(2, n, DSIM_WALL_PERIODIC);
    ds_var u[3], v[3];
    ds_index i[2], place[2];
    const ds_var weight = ds_load(m, ds_lane(k));
    double total = 0, want = 0, off = 0;
    ds_real plain[240] = { 0 };
    i[0] = ds_bspline2(ds_load_part(x, ds_lane(k), 0), u);
    i[1] = ds_bspline2(ds_load_part(x, ds_lane(k), 1), v);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            place[0] = ds_index_add(i[0], ds_i(a));
            place[1] = ds_index_add(i[1], ds_i(b));
            ds_add_at(mass, ds_grid_at(&grid, place), ds_mul(weight, ds_mul(u[a], v[b])));
        }
    TAP_OK(!ds_kernel_end(k), "particles to grid: %s", ds_kernel_error(k)->text);
    used = 0;
    s.lanes[0] = 100;
    s.n = 3;
    s.by = "x m";
    s.inputs = 3;
    s.results = 4;
    s.args[0] = fresh(100, 2);
    s.args[1] = randoms(100, 1);
    s.args[2] = fresh(240, 1);
    for (size_t e = 0; e < 200; e++) {
        const double whole = floor(between(-5, 25));
        numbers(&s, 0)[e] = (ds_real)(whole + between(0.6, 0.9));
    }
    run(&s, 0);
    for (size_t e = 0; e < 100; e++) {
        const double p = (double)numbers(&s, 0)[2 * e], q = (double)numbers(&s, 0)[2 * e + 1];
        want += (double)numbers(&s, 1)[e];
        for (long a = (long)floor(p) - 2; a < (long)floor(p) + 4; a++)
            for (long b = (long)floor(q) - 2; b < (long)floor(q) + 4; b++) {
                const long at_node[3] = { a, b, 0 };
                plain[element(&g, at_node)] += numbers(&s, 1)[e] * (ds_real)(quadratic(p - (double)a) *
                                                                              quadratic(q - (double)b));
            }
    }
    for (size_t e = 0; e < 240; e++) {
        total += (double)numbers(&s, 2)[e];
        off = fmax(off, fabs((double)numbers(&s, 2)[e] - (double)plain[e]));
    }
    TAP_OK(off < 32 * EPSILON, "particles to grid: the masses (%g)", off);
    TAP_OK(fabs(total - want) < 200 * EPSILON, "particles to grid: no mass is lost (%g)", total - want);
    check_derivatives(&s, "particles to grid");
    ds_kernel_destroy(k);
}

/* Reductions. */
static double term(ds_reduction what, double a, double b, double count)
{
    switch (what) {
    case DSIM_REDUCTION_SUM: return a;
    case DSIM_REDUCTION_MEAN: return a / count;
    case DSIM_REDUCTION_SQUARES: return a * a;
    case DSIM_REDUCTION_DOT: return a * b;
    case DSIM_REDUCTION_DISTANCE: return (a - b) * (a - b);
    case DSIM_REDUCTION_WEIGHTED_SQUARES: return b * a * a;
    default: return NAN;
    }
}

static void test_reduction(ds_reduction what, size_t components)
{
    static const char *const names[] = {
#define DSI_ROW(NAME, n_args, of, sentence) #NAME,
        DSI_REDUCTIONS(DSI_ROW)
#undef DSI_ROW
    };
    static const size_t n_args[] = {
#define DSI_ROW(NAME, n_args, of, sentence) n_args,
        DSI_REDUCTIONS(DSI_ROW)
#undef DSI_ROW
    };
    scene s = { 0 };
    double want = 0;
    used = 0;
    s.kernel = ds_kernel_reduction(NULL, what, components);
    TAP_OK(!ds_kernel_error(s.kernel)->code, "%s: %s", names[what], ds_kernel_error(s.kernel)->text);
    s.lanes[0] = 307;
    s.n = n_args[what] + 1;
    s.inputs = n_args[what] > 1 ? 3 : 1;
    s.results = n_args[what] > 1 ? 4 : 2;
    s.args[0] = randoms(307, components);
    s.args[1] = randoms(307, components);
    s.args[s.n - 1] = fresh(1, 1);
    for (size_t e = 0; e < 307 * components; e++)
        want += term(what, (double)numbers(&s, 0)[e], (double)numbers(&s, 1)[e], 307 * (double)components);
    run(&s, 0);
    TAP_OK(fabs((double)numbers(&s, s.n - 1)[0] - want) < 1000 * EPSILON * (1 + fabs(want)), "%s: %g",
           names[what], want);
    check_derivatives(&s, names[what]);
    ds_kernel_destroy(s.kernel);
}

/* on lanes in three dimensions; and what is refused */
static void test_other_reductions(void)
{
    const size_t lanes[3] = { 3, 4, 5 };
    ds_kernel_desc d = { 0 };
    ds_array args[2];
    ds_kernel *k;
    d.rank = 3;
    used = 0;
    args[0] = randoms(60, 2);
    args[1] = fresh(1, 1);
    k = ds_kernel_reduction(&d, DSIM_REDUCTION_MEAN, 2);
    launch(k, lanes, args, 2, 0);
    TAP_NEAR(*at(&args[1], 0, 0), ds_array_sum(&args[0]) / 120, 400 * EPSILON, "mean over a box of lanes");
    ds_kernel_destroy(k);
    k = ds_kernel_reduction(NULL, DSIM_REDUCTION_COUNT, 1);
    TAP_HAS(ds_kernel_error(k)->text, "no such reduction", "an unknown reduction");
    ds_kernel_destroy(k);
    k = ds_kernel_reduction(NULL, DSIM_REDUCTION_SUM, 0);
    TAP_HAS(ds_kernel_error(k)->text, "1 to 4096 components", "no components");
    ds_kernel_destroy(k);
}

/* Arrays at once. */
static void test_arrays(void)
{
    double doubles[12], sum = 0, squares = 0, share = 0, most = 0;
    float floats[12];
    int32_t integers[12] = { 0 };
    ds_array a = { 0 }, b, of_integers = ds_array_indices(integers, 4, 3), bad;
    ds_real bars[12] = { 0 }, kept;
    ds_array bar = ds_array_reals(bars, 4, 3);
    for (int i = 0; i < 12; i++) {
        doubles[i] = between(-1, 1) + 1000;
        floats[i] = (float)(i % 5);
        integers[i] = 3 * i - 10;
    }
    a.data = doubles;
    a.n = 4;
    a.components = 2;
    a.stride = 3;
    a.type = DSIM_ARRAY_DOUBLE;
    for (int i = 0; i < 12; i++)
        if (i % 3 < 2) {
            sum += doubles[i];
            squares += doubles[i] * doubles[i];
            most = fmax(most, doubles[i]);
        }
    doubles[2] = 5000; /* in a gap */
    TAP_NEAR(ds_array_sum(&a), sum, 1e-15, "sum of an array with gaps");
    TAP_NEAR(ds_array_dot(&a, &a), squares, 1e-14, "dot product");
    TAP_NEAR(ds_array_max(&a), most, 0, "maximum");
    b = a;
    b.n = 6;
    b.components = b.stride = 1;
    b.pitch = 6;
    b.components = 2;
    b.type = DSIM_ARRAY_FLOAT;
    b.data = floats;
    TAP_NEAR(ds_array_sum(&b), 21, 0, "sum of floats, component by component");
    TAP_NEAR(ds_array_sum(&of_integers), 78, 0, "sum of integers");
    TAP_NEAR(ds_array_min(&of_integers), -10, 0, "minimum of integers");
    TAP_NEAR(ds_array_max(&of_integers), 23, 0, "maximum of integers");
    TAP_OK(isnan(ds_array_dot(&a, &b)), "NaN: arrays of different sizes");
    TAP_OK(isnan(ds_array_sum(NULL)) && isnan(ds_array_max(NULL)), "NaN: no array");
    bad = a;
    bad.components = 0;
    TAP_OK(isnan(ds_array_sum(&bad)) && isnan(ds_array_min(&bad)), "NaN: no components");
    b = a;
    b.n = 0;
    TAP_OK(ds_array_sum(&b) == 0 && isinf(ds_array_max(&b)) && ds_array_max(&b) < 0 && ds_array_min(&b) > 0,
           "of no numbers");
    TAP_OK(!ds_array_smooth_max_vjp(&b, 1, 1, &b), "of no numbers there is no slope");

    /* smooth maximum: numbers near 1000, where exp overflows */
    sum = ds_array_smooth_max(&a, 5);
    TAP_OK(sum >= most && sum <= most + log(8.0) / 5, "smooth maximum");
    TAP_NEAR(ds_array_smooth_max(&a, 1e4), most, 1e-6, "a sharp one is the maximum");
    sum = 0;
    for (int i = 0; i < 12; i++) sum += i % 3 < 2 ? exp(5 * (doubles[i] - 1000)) : 0;
    TAP_NEAR(ds_array_smooth_max(&a, 5), 1000 + log(sum) / 5, 1e-14, "by its formula");
    bar.components = 2;
    bar.stride = 3;
    bars[1] = 7;
    TAP_OK(!ds_array_smooth_max_vjp(&a, 5, 2, &bar), "its vjp");
    for (int i = 0; i < 12; i++) {
        const double got = (double)bars[i] - (i == 1 ? 7 : 0);
        if (i % 3 < 2) share = fmax(share, fabs(got - 2 * exp(5 * (doubles[i] - 1000)) / sum));
        else share = fmax(share, fabs(got));
    }
    TAP_OK(share < 64 * EPSILON, "the shares by their formula (%g)", share);
    TAP_OK(ds_array_smooth_max_vjp(&a, 0, 1, &bar) == DSIM_ERROR_ARGUMENT &&
           ds_array_smooth_max_vjp(&a, 1, 1, &of_integers) == DSIM_ERROR_ARGUMENT &&
           isnan(ds_array_smooth_max(&a, -1)), "a sharpness of 0, integers");
    kept = bars[0];
    doubles[4] = NAN;
    TAP_OK(isnan(ds_array_sum(&a)) && isnan(ds_array_max(&a)) && isnan(ds_array_min(&a)) &&
           isnan(ds_array_smooth_max(&a, 5)), "a NaN stays");
    TAP_OK(ds_array_smooth_max_vjp(&a, 5, 1, &bar) == DSIM_ERROR_NON_FINITE && bars[0] == kept,
           "a NaN has no slope, and nothing is added");
}

static void test_refusals(void)
{
    for (size_t rank = 0; rank <= 4; rank += 4) {
        ds_kernel *const k = ds_kernel_begin(NULL, "k");
        const ds_arg f = ds_arg_in(k, "f", 1), y = ds_arg_out(k, "y", 1);
        const ds_index n[3] = { ds_i(3), ds_i(3), ds_i(3) };
        ds_grid g = ds_grid_make(1, n, DSIM_WALL_CLAMP);
        g.rank = rank;
        ds_store(y, ds_lane(k), ds_grid_laplacian(f, 0, &g, n));
        TAP_OK(ds_kernel_end(k) == DSIM_ERROR_ARGUMENT, "a grid with %zu axes", rank);
        TAP_HAS(ds_kernel_error(k)->text, "ds_grid_laplacian: a grid has 1, 2 or 3 axes", "its sentence");
        TAP_OK(ds_kernel_error(k)->index == rank, "its index");
        ds_kernel_destroy(k);
    }
    ds_kernel *const k = ds_kernel_begin(NULL, "k");
    const ds_arg f = ds_arg_in(k, "f", 2), y = ds_arg_out(k, "y", 1);
    const ds_grid g = ds_grid_of_lanes(k, DSIM_WALL_PERIODIC);
    const ds_var x = ds_c(1.5);
    ds_store(y, ds_lane(k), ds_grid_sample(f, 2, &g, &x));
    TAP_HAS(ds_kernel_error(k)->text, "so many components has not the argument 'f'", "a component too many");
    TAP_OK(ds_kernel_end(k) == DSIM_ERROR_ARGUMENT, "and the kernel has an error");
    ds_kernel_destroy(k);
}

/* every allocation fails once: an error, never a crash or a leak */
static size_t left, held;
static void *resize(void *user, void *block, size_t old_bytes, size_t bytes)
{
    (void)user;
    if (bytes > old_bytes && left-- == 0) {
        left = 0;
        return NULL;
    }
    held += bytes - old_bytes;
    if (bytes) return realloc(block, bytes);
    free(block);
    return NULL;
}
static ds_kernel *record_all(const ds_kernel_desc *d)
{
    ds_kernel *const k = ds_kernel_begin(d, "all");
    if (!k) return NULL;
    const ds_arg f = ds_arg_in(k, "f", 2), x = ds_arg_in(k, "x", 2), y = ds_arg_out(k, "y", 6);
    const ds_grid g = ds_grid_of_lanes(k, DSIM_WALL_CLAMP);
    const ds_index i[2] = { ds_lane_axis(k, 0), ds_lane_axis(k, 1) };
    const ds_var place[2] = { ds_load_part(x, ds_lane(k), 0), ds_load_part(x, ds_lane(k), 1) };
    ds_var slope[2], w[4];
    ds_grid_gradient(f, 0, &g, i, slope);
    ds_store_part(y, ds_lane(k), 0, slope[0]);
    ds_store_part(y, ds_lane(k), 1, ds_grid_laplacian(f, 0, &g, i));
    ds_store_part(y, ds_lane(k), 2, ds_grid_divergence(f, &g, i));
    ds_store_part(y, ds_lane(k), 3, ds_grid_sample(f, 1, &g, place));
    ds_bspline2(place[0], w);
    ds_store_part(y, ds_lane(k), 4, w[1]);
    ds_bspline3(place[1], w);
    ds_store_part(y, ds_lane(k), 5, w[3]);
    ds_kernel_end(k);
    return k;
}
static void test_no_memory(int reduction)
{
    ds_kernel_desc d = { 0 };
    size_t wrong = 0, n = 0;
    int failed = 1;
    d.rank = 2;
    d.allocator.resize = resize;
    for (; failed && n < 2000; n++) {
        left = n;
        ds_kernel *const k = reduction ? ds_kernel_reduction(&d, DSIM_REDUCTION_MEAN, 2) : record_all(&d);
        failed = !k || ds_kernel_error(k)->code;
        wrong += k && failed && ds_kernel_error(k)->code != DSIM_ERROR_MEMORY;
        ds_kernel_destroy(k);
        wrong += held != 0;
    }
    TAP_OK(!wrong && !failed && n > 10, "%s: none of %zu allocations is missed (%zu wrong)",
           reduction ? "a reduction" : "a grid kernel", n, wrong);
}

static void test_nothing(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "k");
    const ds_arg f = ds_arg_in(k, "f", 1);
    const ds_grid g = ds_grid_make(2, NULL, DSIM_WALL_CLAMP);
    TAP_OK(g.rank == 2 && !g.n[1].kernel && g.n[1].at == 1, "a grid of no numbers has one cell");
    TAP_OK(ds_grid_of_lanes(NULL, DSIM_WALL_CLAMP).rank == 0, "a grid of no kernel");
    ds_grid_laplacian(f, 0, NULL, NULL);
    TAP_OK(ds_kernel_error(k)->code == DSIM_ERROR_ARGUMENT, "no grid is an error");
    ds_kernel_destroy(k);
    TAP_OK(ds_array_smooth_max_vjp(NULL, 1, 1, NULL) == DSIM_ERROR_ARGUMENT, "no array is an error");
}

int main(void)
{
    rng = ds_rng_make(7, 1);
    for (size_t i = 0; i < sizeof splines / sizeof *splines; i++) {
        test_weights_on_a_tape(splines + i);
        test_weights_in_a_kernel(splines + i);
    }
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++) {
        test_sampling(grids + i);
        test_exact_samples(grids + i);
        test_differences(grids + i, 0);
        if (cells(grids + i) > 1) test_differences(grids + i, 1);
        test_exact_differences(grids + i);
    }
    test_slopes_of_samples();
    test_particles_to_grid();
    for (int what = 0; what < DSIM_REDUCTION_COUNT; what++) {
        test_reduction((ds_reduction)what, 1);
        test_reduction((ds_reduction)what, 3);
    }
    test_other_reductions();
    test_arrays();
    test_refusals();
    test_no_memory(0);
    test_no_memory(1);
    test_nothing();
    TAP_OK(!refused, "no launch is refused (%d are)", refused);
    return tap_end();
}
