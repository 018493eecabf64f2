/* Contact and friction: laws and distances against an oracle and plain formulas, every row of the table
   against differences and the dot-product identity, what contact must and must not do, and where distances
   have no direction. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "elements.h"
#include "oracle/contact.h"

static const double identical = sizeof(ds_real) == 4 ? 1e-4 : 1e-12;
#define PICK(in_float, in_double) (is_float ? (in_float) : (in_double))

/* a law at (x, w): value, first and second derivative by x, derivative by w */
typedef ds_var law_fn(ds_var x, ds_var w);
typedef struct law_at { double value, slope, curve, by_w; } law_at;
static law_at law_of(law_fn *law, double x, double w)
{
    law_at r;
    ds_tape *const t = ds_tape_create(NULL);
    ds_var in[2], f;
    ds_real h[4];
    in[0] = ds_input(t, x);
    in[1] = ds_input(t, w);
    f = law(in[0], in[1]);
    r.value = (double)ds_value(f);
    ds_backward(f);
    r.slope = (double)ds_grad(in[0]);
    r.by_w = (double)ds_grad(in[1]);
    r.curve = ds_hessian(f, in, 2, h) ? (double)NAN : (double)h[0];
    ds_tape_destroy(t);
    return r;
}
static ds_var ramp(ds_var x, ds_var w) { return ds_ramp(x, w); }
static ds_var ramp_potential(ds_var x, ds_var w) { return ds_ramp_potential(x, w); }
static ds_var softplus_potential(ds_var x, ds_var w) { return (void)w, ds_softplus_potential(x); }
static ds_var barrier(ds_var x, ds_var w) { return ds_barrier(x, w); }
static ds_var friction_smooth(ds_var x, ds_var w) { return ds_friction_smooth(ds_square(x), w); }
static ds_var friction_tanh(ds_var x, ds_var w) { return ds_friction_tanh(ds_square(x), w); }

static void barriers(void)
{
    for (size_t i = 0; i < sizeof ORACLE_BARRIERS / sizeof *ORACLE_BARRIERS; i++) {
        const oracle_barrier *const o = ORACLE_BARRIERS + i;
        const double near = o->d / o->range; /* in float 1 - d/range has few digits near 1 */
        const double tolerance = PICK(near > 0.99 && near < 1 ? 2e-3 : 2e-5, 1e-10);
        const law_at got = law_of(barrier, o->d, o->range);
        TAP_NEAR(got.value, o->b, tolerance, "barrier at %g of %g", o->d, o->range);
        TAP_NEAR(got.slope, o->b1, tolerance, "its slope");
        TAP_NEAR(got.curve, o->b2, tolerance, "its curvature");
    }
    {
        /* by the range: 2 (d - r) log(d / r) + (d - r)^2 / r */
        const law_at got = law_of(barrier, 0.4, 1);
        TAP_NEAR(got.by_w, 2 * (0.4 - 1) * log(0.4) + 0.36, PICK(1e-5, 1e-13), "by its range");
    }
    for (int side = -1; side <= 1; side++) {
        const law_at got = law_of(barrier, 1 + side * PICK(1e-5, 1e-9), 1);
        TAP_OK(got.value <= 1e-14 && fabs(got.slope) < 1e-8 && fabs(got.curve) < PICK(1e-3, 1e-7),
               "C2 at its range, side %d", side);
        if (side >= 0) TAP_OK(got.value == 0 && got.slope == 0 && got.curve == 0, "nothing from there on");
    }
    TAP_OK(law_of(barrier, 0, 1).value == HUGE_VAL, "infinite at 0");
    TAP_OK(isnan(law_of(barrier, -0.5, 1).value), "NaN below");
}

static void frictions(void)
{
    for (size_t i = 0; i < sizeof ORACLE_FRICTION / sizeof *ORACLE_FRICTION; i++) {
        const oracle_friction *const o = ORACLE_FRICTION + i;
        const law_at got = law_of(friction_smooth, o->y, o->slip);
        const int at_join = o->y > 0.99 * o->slip && o->y <= o->slip;
        TAP_NEAR(got.value, o->f0, PICK(1e-5, 1e-13), "friction at %g of %g", o->y, o->slip);
        TAP_NEAR(got.slope, o->f1, PICK(1e-5, 1e-12), "its slope");
        if (at_join) TAP_OK(fabs(got.curve - o->f2) < PICK(1e-4, 1e-8) / o->slip, "its curvature there");
        else TAP_NEAR(got.curve, o->f2, PICK(1e-4, 1e-10), "its curvature, %.17g", got.curve);
    }
    for (double y = 0; y < 40; y = y < 0.1 ? y + 0.01 : y * 1.3) {
        const double c = 0.3, z = y / c, t = tanh(z);
        const double value = z < 0.01 ? z * z / 2 - z * z * z * z / 12 : z + log1p(exp(-2 * z)) - log(2.0);
        const law_at got = law_of(friction_tanh, y, c);
        TAP_NEAR(got.value, c * value, PICK(1e-4, 1e-11), "tanh at speed %g", y);
        TAP_NEAR(got.slope, t, PICK(1e-5, 1e-13), "its slope");
        TAP_OK(fabs(got.curve - (1 - t * t) / c) < PICK(1e-4, 1e-11) / c, "its curvature");
    }
    /* the series meets the rest: sqrt(0.02) */
    {
        const double y = 0.2 * sqrt(0.02), h = PICK(1e-6, 1e-10);
        const law_at a = law_of(friction_tanh, y - h, 0.2), b = law_of(friction_tanh, y + h, 0.2);
        TAP_NEAR(a.curve, b.curve, PICK(1e-2, 1e-8), "series and logarithm meet");
    }
}

static double integral_of_softplus(double a)
{
    double sum = 0;
    if (a <= -0.5) {
        for (int k = 60; k >= 1; k--) sum += (k % 2 ? 1 : -1) * exp(k * a) / ((double)k * k);
        return sum;
    } else {
        const int n = 2000;
        const double h = (a + 0.5) / n;
        for (int k = 0; k <= n; k++) {
            const double x = -0.5 + k * h, weight = k == 0 || k == n ? 1 : k % 2 ? 4 : 2;
            sum += weight * (x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
        }
        return integral_of_softplus(-0.5) + sum * h / 3;
    }
}

static void softpluses(void)
{
    for (double a = -30; a < 40; a += 1.25) {
        const law_at got = law_of(softplus_potential, a, 1);
        const double soft = a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)), share = 1 / (1 + exp(-a));
        TAP_NEAR(got.value, integral_of_softplus(a), PICK(1e-5, 1e-11), "softplus potential at %g", a);
        TAP_NEAR(got.slope, soft, PICK(1e-5, 1e-13), "its slope is softplus");
        TAP_NEAR(got.curve, share, PICK(1e-5, 1e-12), "its curvature");
    }
    TAP_NEAR(law_of(softplus_potential, 0, 1).value, 9.8696044010893586 / 12, PICK(1e-6, 1e-15), "pi^2 / 12");
}

static void ramps(void)
{
    static const double w = 0.25;
    const law_at left = law_of(ramp_potential, -w, w), right = law_of(ramp_potential, w, w);
    TAP_OK(left.value == 0 && left.slope == 0 && left.curve == 0, "ramp: nothing up to -w");
    TAP_NEAR(right.value, 0.6 * w * w, PICK(1e-6, 1e-15), "3/5 w^2 at w");
    TAP_NEAR(right.slope, w, PICK(1e-6, 1e-15), "slope w there");
    TAP_NEAR(right.curve, 1, PICK(1e-6, 1e-15), "curvature 1");
    TAP_NEAR(law_of(ramp, 0, w).value, 3 * w / 16, PICK(1e-6, 1e-15), "3/16 w in the middle");
    for (double x = -0.5; x < 0.5; x += 0.0371) {
        const law_at r = law_of(ramp, x, w), p = law_of(ramp_potential, x, w);
        const double h = 1e-4;
        TAP_NEAR(p.slope, r.value, PICK(1e-5, 1e-13), "the ramp is its potential's slope at %g", x);
        TAP_NEAR(p.curve, r.slope, PICK(1e-5, 1e-13), "and so on");
        if (!is_float) {
            const double less = law_of(ramp_potential, x, w - h).value;
            const double by_w = (law_of(ramp_potential, x, w + h).value - less) / (2 * h);
            TAP_OK(fabs(p.by_w - by_w) < 1e-7, "by its width");
        }
    }
    /* C2: no jump of the second derivative larger than a step times the bounded third */
    for (int side = -1; side <= 1; side += 2) {
        const double h = PICK(1e-4, 1e-8);
        const law_at a = law_of(ramp, side * w - h, w), b = law_of(ramp, side * w + h, w);
        TAP_OK(fabs(a.curve - b.curve) < 20 * 2 * h / (w * w) && fabs(a.slope - b.slope) < 2 * h / w,
               "C2 at %d w", side);
    }
    TAP_OK(law_of(ramp, -1, 0).value == 0 && law_of(ramp, 2, 0).value == 2 && law_of(ramp, 2, 0).slope == 1,
           "width 0: max(x, 0)");
    TAP_NEAR(law_of(ramp_potential, 2, 0).value, 2, 1e-15, "x^2 / 2");
}

/* Shapes, their numbers, and plain formulas of their distances. */
enum { PLANE, SPHERE, CAPSULE, BOX, GRID, SHAPES };
static const char *const shape_names[SHAPES] = { "plane", "sphere", "capsule", "box", "grid" };
static const size_t shape_numbers[SHAPES] = { 4, 4, 7, 11, 7 };
static const double numbers[SHAPES][11] = {
    { 0.48, 0.6, 0.64, 0.2 },
    { 0.3, -0.2, 0.5, 0.4 },
    { -0.3, 0.1, 0, 0.5, 0.2, 0.3, 0.25 },
    { 0.1, 0.2, -0.1, 0.8, 0.36, -0.48, 0, 0.4, 0.3, 0.5, 0.1 },
    { -1.1, -1, -0.9, 0.25, 10, 9, 8 },
};
enum { CELLS = 10 * 9 * 8 };
static ds_real cells[CELLS];
static void fill_cells(void)
{
    for (int i = 0; i < CELLS; i++) {
        const double x = -1.1 + 0.25 * (i / 72), y = -1 + 0.25 * (i / 8 % 9), z = -0.9 + 0.25 * (i % 8);
        cells[i] = (ds_real)(sqrt(x * x + y * y + 1.5 * z * z + 0.01) - 0.5 + 0.02 * sin(5 * x + 3 * y - z));
    }
}

static double clamped(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
static void turned_back(const double *q, const double *a, double *out)
{
    /* rows of the rotation by q are its axes */
    const double w = q[0], x = q[1], y = q[2], z = q[3];
    const double r[9] = { 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                          2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                          2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y) };
    for (int i = 0; i < 3; i++) out[i] = r[i] * a[0] + r[3 + i] * a[1] + r[6 + i] * a[2];
}
static double box_distance(const double *p, const double *x)
{
    const double a[3] = { x[0] - p[0], x[1] - p[1], x[2] - p[2] };
    double y[3], out = 0, largest = -HUGE_VAL;
    turned_back(p + 3, a, y);
    for (int i = 0; i < 3; i++) {
        const double q = fabs(y[i]) - p[7 + i];
        if (q > largest) largest = q;
        if (q > 0) out += q * q;
    }
    return (largest > 0 ? sqrt(out) : largest) - p[10];
}
/* cubic B-spline of the distance t */
static double spline(double t)
{
    t = fabs(t);
    return t < 1 ? 2.0 / 3 - t * t + t * t * t / 2 : t < 2 ? (2 - t) * (2 - t) * (2 - t) / 6 : 0;
}
static double grid_distance(const double *p, const double *x)
{
    double y[3], beyond = 0, sum = 0;
    for (int i = 0; i < 3; i++) {
        const double in_cells = (x[i] - p[i]) / p[3];
        y[i] = clamped(in_cells, 1, p[4 + i] - 2);
        beyond += p[3] * p[3] * (in_cells - y[i]) * (in_cells - y[i]);
    }
    for (int i = 0; i < CELLS; i++)
        sum += (double)cells[i] * spline(y[0] - i / 72) * spline(y[1] - i / 8 % 9) * spline(y[2] - i % 8);
    return sum + sqrt(beyond);
}
static double distance(int shape, const double *p, const double *x)
{
    double t = 0, length = 0, sum = 0;
    switch (shape) {
    case PLANE: return p[0] * x[0] + p[1] * x[1] + p[2] * x[2] - p[3];
    case SPHERE:
        for (int i = 0; i < 3; i++) sum += (x[i] - p[i]) * (x[i] - p[i]);
        return sqrt(sum) - p[3];
    case CAPSULE:
        for (int i = 0; i < 3; i++) {
            t += (x[i] - p[i]) * (p[3 + i] - p[i]);
            length += (p[3 + i] - p[i]) * (p[3 + i] - p[i]);
        }
        t = length > 0 ? clamped(t / length, 0, 1) : 0;
        for (int i = 0; i < 3; i++) {
            const double away = x[i] - p[i] - t * (p[3 + i] - p[i]);
            sum += away * away;
        }
        return sqrt(sum) - p[6];
    case BOX: return box_distance(p, x);
    default: return grid_distance(p, x);
    }
}

/* on a tape, too: distances, and the slope as the gradient by x, in a few thousand places */
static void slopes(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    for (int shape = PLANE; shape < GRID; shape++) {
        const double *const p = numbers[shape];
        double worst = 0, off = 0, length = 0;
        for (int k = 0; k < 1000; k++) {
            double x[3], want;
            ds_var3 at, n, centre, other;
            ds_var d;
            ds_v3 g, s;
            for (int i = 0; i < 3; i++) x[i] = element_random(-1, 1);
            want = distance(shape, p, x);
            ds_tape_reset(t);
            at = ds_input3(t, ds_v3_make((ds_real)x[0], (ds_real)x[1], (ds_real)x[2]));
            centre = ds_input3(t, ds_v3_make((ds_real)p[0], (ds_real)p[1], (ds_real)p[2]));
            other = ds_input3(t, ds_v3_make((ds_real)p[3], (ds_real)p[4], (ds_real)p[5]));
            if (shape == PLANE) d = ds_sdf_plane(at, centre, ds_c(p[3]), &n);
            else if (shape == SPHERE) d = ds_sdf_sphere(at, centre, ds_c(p[3]), &n);
            else if (shape == CAPSULE) d = ds_sdf_capsule(at, centre, other, ds_c(p[6]), &n);
            else {
                const double unturned[11] = { 0, 0, 0, 1, 0, 0, 0, 0.1, 0.2, 0.3, 0.05 };
                other = ds_input3(t, ds_v3_make((ds_real)0.1, (ds_real)0.2, (ds_real)0.3));
                d = ds_sdf_box(at, other, ds_c(0.05), &n);
                want = distance(BOX, unturned, x);
            }
            worst = fmax(worst, fabs((double)ds_value(d) - want));
            ds_backward(d);
            g = ds_grad3(at);
            s = ds_value3(n);
            off = fmax(off, (double)ds_v3_norm(ds_v3_sub(g, s)));
            length = fmax(length, fabs((double)ds_v3_norm(s) - 1));
        }
        TAP_OK(worst < PICK(1e-6, 1e-14), "%s: distance, %.2g", shape_names[shape], worst);
        TAP_OK(off < PICK(1e-5, 1e-13), "its slope is the gradient, %.2g", off);
        TAP_OK(length < PICK(1e-6, 1e-14), "of length 1");
    }
    ds_tape_destroy(t);
}

/* the table's contacts */
#define DSI_ROW(NAME, type, parameters, sentence) DSIM_ENERGY_##NAME,
static const ds_energy contacts[] = { DSI_ENERGIES_CONTACT(DSI_ROW) };
#undef DSI_ROW
enum { CONTACTS = sizeof contacts / sizeof *contacts };

enum { PENALTY, SOFTPLUS, BARRIER };
typedef struct contact { element e; int shape, law, resists; } contact;
static contact make(size_t row)
{
    static const double law[3] = { 300, 0.1, 0.05 }, slip[6] = { 0.4, 0.5, 0.8, 0.1, 0.2, -0.3 };
    contact c;
    const char *name;
    memset(&c, 0, sizeof c);
    c.e.type = ds_energy_get_type(contacts[row]);
    name = c.e.type->name;
    for (int i = 0; i < SHAPES; i++)
        if (!strncmp(name, shape_names[i], strlen(shape_names[i]))) c.shape = i;
    c.law = strstr(name, "penalty") ? PENALTY : strstr(name, "softplus") ? SOFTPLUS : BARRIER;
    c.resists = strstr(name, "friction") || strstr(name, "tanh");
    for (size_t i = 0; i < 3; i++) c.e.p[i] = (ds_real)law[i];
    for (size_t i = 0; i < shape_numbers[c.shape]; i++) c.e.p[3 + i] = (ds_real)numbers[c.shape][i];
    for (size_t i = 0; c.resists && i < 6; i++) c.e.p[3 + shape_numbers[c.shape] + i] = (ds_real)slip[i];
    if (c.shape == GRID) c.e.field = cells, c.e.n_field = CELLS;
    return c;
}
static double gap_at(const contact *c, const double *x)
{
    double p[11];
    for (size_t i = 0; i < shape_numbers[c->shape]; i++) p[i] = (double)c->e.p[3 + i];
    return distance(c->shape, p, x) - (double)c->e.p[2];
}
static void gap_slope(const contact *c, const double *x, double *slope)
{
    for (int i = 0; i < 3; i++) {
        double moved[2];
        for (int k = 0; k < 2; k++) {
            double y[3] = { x[0], x[1], x[2] };
            y[i] += k ? 1e-5 : -1e-5;
            moved[k] = gap_at(c, y);
        }
        slope[i] = (moved[1] - moved[0]) / 2e-5;
    }
}
/* puts the point where the gap is, from a random place */
static void place(contact *c, double gap)
{
    double x[3], slope[3];
    for (int i = 0; i < 3; i++) {
        x[i] = element_random(-0.7, 0.7);
        c->e.v[i] = (ds_real)element_random(-1, 1);
    }
    for (int k = 0; k < 30; k++) {
        double square = 0;
        const double miss = gap_at(c, x) - gap;
        gap_slope(c, x, slope);
        for (int i = 0; i < 3; i++) square += slope[i] * slope[i];
        for (int i = 0; i < 3; i++) x[i] -= miss * slope[i] / square;
    }
    for (int i = 0; i < 3; i++) c->e.x[i] = (ds_real)x[i];
}
static double random_gap(const contact *c)
{
    return c->law == PENALTY ? element_random(-0.12, 0.08)
         : c->law == SOFTPLUS ? element_random(-0.1, 0.25) : element_random(0.02, 0.09);
}

/* energy and force of a law of the gap, plainly */
static double law_energy(int law, double k, double w, double gap)
{
    if (law == SOFTPLUS) return k * w * w * integral_of_softplus(-gap / w);
    if (law == BARRIER) return gap < w ? -k * (gap - w) * (gap - w) * log(gap / w) : 0;
    if (gap >= w) return 0;
    if (gap <= -w) return k * (gap * gap / 2 + w * w / 10);
    {
        const double t = (w - gap) / (2 * w);
        return k * w * w * t * t * t * t * (1 - 0.4 * t);
    }
}
static double law_force(int law, double k, double w, double gap)
{
    if (law == SOFTPLUS) return k * w * log1p(exp(-gap / w));
    if (law == BARRIER) {
        const double past = gap - w;
        return gap < w ? k * (2 * past * log(gap / w) + past * past / gap) : 0;
    }
    if (gap >= w) return 0;
    if (gap <= -w) return -k * gap;
    {
        const double t = (w - gap) / (2 * w);
        return k * 2 * w * t * t * t * (1 - t / 2);
    }
}

/* values and forces of all energies against the plain formulas */
static void values(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        double worst = 0, worst_force = 0;
        if (c.resists) continue;
        for (int k = 0; k < 20; k++) {
            ds_real value[1], gradient[3];
            double x[3], slope[3], want[3], gap, energy;
            place(&c, random_gap(&c));
            for (int i = 0; i < 3; i++) x[i] = (double)c.e.x[i];
            gap = gap_at(&c, x);
            energy = law_energy(c.law, 300, 0.1, gap);
            gap_slope(&c, x, slope);
            for (int i = 0; i < 3; i++) want[i] = -law_force(c.law, 300, 0.1, gap) * slope[i];
            if (!element_value(&c.e, DSIM_ENERGY_PART_ENERGY, value) ||
                !element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, gradient, NULL)) break;
            worst = fmax(worst, fabs((double)value[0] - energy) / (energy + 1e-2));
            worst_force = fmax(worst_force, apart(gradient, want, 3));
        }
        TAP_OK(worst < PICK(1e-3, 1e-9), "%s: energy, %.2g", c.e.type->name, worst);
        TAP_OK(worst_force < PICK(5e-3, 1e-6), "force, %.2g", worst_force);
    }
}

/* all derivatives of all rows */
static void derivatives(void)
{
    for (size_t row = 0; row < CONTACTS; row++)
        for (int part = 0; part < 2; part++) {
            contact c = make(row);
            double first = 0, second = 0;
            element_errors errors = { 0, 0 };
            if (part && !c.resists) continue;
            for (int k = 0; k < 6; k++) {
                const double h = 2.5e-5; /* small: derivatives jump where shapes have joins */
                ds_real gradient[3], hessian[9];
                element_errors now;
                place(&c, random_gap(&c));
                first = fmax(first, element_first(&c.e, (ds_energy_part)part, h));
                now = element_check(&c.e, (ds_energy_part)part, h);
                errors.identity = fmax(errors.identity, now.identity);
                errors.difference = fmax(errors.difference, now.difference);
                if (!element_gradient(&c.e, (ds_energy_part)part, gradient, hessian)) second = HUGE_VAL;
                for (int i = 0; i < 3 && !is_float; i++) {
                    ds_real g[2][3];
                    double fd[3], scale = 1e-3;
                    for (int s = 0; s < 2; s++) {
                        element moved = c.e;
                        (part ? moved.v : moved.x)[i] += (ds_real)(s ? 1e-5 : -1e-5);
                        element_gradient(&moved, (ds_energy_part)part, g[s], NULL);
                    }
                    for (int j = 0; j < 3; j++) {
                        fd[j] = ((double)g[1][j] - (double)g[0][j]) / 2e-5;
                        for (int m = 0; m < 9; m++) scale = fmax(scale, fabs((double)hessian[m]));
                    }
                    for (int j = 0; j < 3; j++)
                        second = fmax(second, fabs(fd[j] - (double)hessian[3 * i + j]) / scale);
                }
            }
            TAP_OK(first < 1e-5, "%s, part %d: gradient by differences, %.2g", c.e.type->name, part, first);
            TAP_OK(second < 1e-5, "Hessian, %.2g", second);
            TAP_OK(errors.difference < 1e-5, "its derivative by everything, %.2g", errors.difference);
            TAP_OK(errors.identity < identical, "adjoint = tangent transposed, %.2g", errors.identity);
        }
}

/* beyond the width of penalty and barrier nothing is left, exactly */
static void beyond(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        ds_real value[1], gradient[3], hessian[9];
        int none = 1;
        if (c.law == SOFTPLUS) continue;
        for (int k = 0; k < 10; k++) {
            place(&c, element_random(0.11, 0.6));
            for (int part = 0; part <= c.resists; part++) {
                none &= element_value(&c.e, (ds_energy_part)part, value) && value[0] == 0;
                none &= element_gradient(&c.e, (ds_energy_part)part, gradient, hessian);
                for (int i = 0; i < 3; i++) none &= gradient[i] == 0;
                for (int i = 0; i < 9; i++) none &= hessian[i] == 0;
            }
        }
        TAP_OK(none, "%s: nothing beyond the width", c.e.type->name);
    }
}

static double norm_of(const double *a) { return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]); }

/* Friction and damping: no force at the obstacle's velocity, never power, the cone; the normal force is not
   below 0. */
static void resistance(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        const ds_real *const slip = c.e.p + 3 + shape_numbers[c.shape];
        double still = 0, power = -HUGE_VAL, cone = -HUGE_VAL, pull = HUGE_VAL, slant = 0, seen = 0;
        if (!c.resists) continue;
        for (int k = 0; k < 60; k++) {
            ds_real push[3], rub[3];
            double n[3], u[3], t[3], f[3], along = 0, away = 0, f_n, work = 0, cross = 0, normal;
            place(&c, random_gap(&c));
            if (k % 3 != 1)
                for (int i = 0; i < 3; i++) c.e.v[i] *= (ds_real)(k % 3 ? 0.1 : 10);
            element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, push, NULL);
            element_gradient(&c.e, DSIM_ENERGY_PART_DISSIPATION, rub, NULL);
            for (int i = 0; i < 3; i++) n[i] = -(double)push[i];
            f_n = norm_of(n);
            for (int i = 0; i < 3; i++) {
                n[i] /= f_n;
                u[i] = (double)c.e.v[i] - (double)slip[3 + i];
                f[i] = -(double)rub[i];
                away += u[i] * n[i];
                along += f[i] * n[i];
                work += f[i] * u[i];
            }
            for (int i = 0; i < 3; i++) {
                t[i] = f[i] - along * n[i];
                u[i] -= away * n[i];
            }
            for (int i = 0; i < 3; i++) {
                const double a = t[(i + 1) % 3] * u[(i + 2) % 3] - t[(i + 2) % 3] * u[(i + 1) % 3];
                cross += a * a;
            }
            normal = f_n + along;
            seen = fmax(seen, norm_of(t) / f_n);
            power = fmax(power, work / f_n);
            cone = fmax(cone, norm_of(t) / f_n - 0.4);
            pull = fmin(pull, normal / f_n);
            slant = fmax(slant, sqrt(cross) / (1e-9 + norm_of(t) * norm_of(u)));
            for (int i = 0; i < 3; i++) c.e.v[i] = slip[3 + i];
            element_gradient(&c.e, DSIM_ENERGY_PART_DISSIPATION, rub, NULL);
            for (int i = 0; i < 3; i++) still = fmax(still, fabs((double)rub[i]));
        }
        TAP_OK(still == 0, "%s: no force without motion", c.e.type->name);
        TAP_OK(power <= 0, "it takes power");
        TAP_OK(cone <= PICK(1e-5, 1e-12) && seen > 0.39, "within the cone, and up to it: %.3g", seen);
        TAP_OK(pull >= PICK(-1e-5, -1e-12) && pull < 0.1, "damping takes all of the normal force, no more");
        TAP_OK(slant < PICK(1e-2, 1e-6), "against the motion along the surface, %.2g", slant);
    }
}

/* isotropy: turned about the plane's normal, the velocity has the turned force */
static void isotropy(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        const ds_v3 n = ds_v3_make((ds_real)0.48, (ds_real)0.6, (ds_real)0.64);
        const ds_q4 q = ds_q4_from_axis_angle(n, (ds_real)1.1);
        ds_real f[3], g[3];
        ds_v3 turned;
        if (!c.resists || c.shape != PLANE) continue;
        for (size_t i = 0; i < 3; i++) c.e.p[7 + 3 + i] = 0;
        place(&c, 0.05);
        element_gradient(&c.e, DSIM_ENERGY_PART_DISSIPATION, f, NULL);
        turned = ds_q4_rotate(q, ds_v3_make(c.e.v[0], c.e.v[1], c.e.v[2]));
        c.e.v[0] = turned.x, c.e.v[1] = turned.y, c.e.v[2] = turned.z;
        element_gradient(&c.e, DSIM_ENERGY_PART_DISSIPATION, g, NULL);
        turned = ds_v3_sub(ds_q4_rotate(q, ds_v3_make(f[0], f[1], f[2])), ds_v3_make(g[0], g[1], g[2]));
        TAP_OK((double)ds_v3_norm(turned) < PICK(1e-4, 1e-13), "%s: the same in all directions",
               c.e.type->name);
    }
}

/* The obstacle feels the opposite force: the energy is the same when point and obstacle move together, so
   derivatives by the places of the obstacle sum to the negative of the point's; torques likewise. */
static void reactions(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        static ds_real field[CELLS];
        element bar = element_zero(&c.e, field);
        ds_real one[1] = { 1 }, sum[3], scale = 0;
        double most = 0;
        if (c.resists) continue;
        place(&c, random_gap(&c));
        if (!element_adjoint(&c.e, DSIM_ENERGY_PART_ENERGY, one, &bar)) continue;
        for (size_t i = 0; i < 3; i++) {
            sum[i] = bar.x[i];
            if (c.shape == PLANE) sum[i] += bar.p[6] * c.e.p[3 + i]; /* height by normal . shift */
            else sum[i] += bar.p[3 + i] + (c.shape == CAPSULE ? bar.p[6 + i] : 0);
            scale += bar.x[i] * bar.x[i];
            most = fmax(most, fabs((double)sum[i]));
        }
        TAP_OK(scale > 0 && most < PICK(1e-4, 1e-12) * sqrt((double)scale), "%s: the opposite force",
               c.e.type->name);
    }
}

/* the same place in a world that is turned and moved: the same energy and dissipation, the turned force */
static void rigid_motions(void)
{
    const ds_q4 q = ds_q4_from_axis_angle(ds_v3_make(1, -2, (ds_real)0.5), (ds_real)2.1);
    const ds_v3 shift = ds_v3_make(2, 1, -1);
    for (size_t row = 0; row < CONTACTS; row++)
        for (int part = 0; part < 2; part++) {
            contact c = make(row), d = c;
            ds_real *const p = d.e.p + 3, f[3], g[3], value[2];
            ds_real *const u = d.e.p + 3 + shape_numbers[c.shape] + 3;
            ds_v3 a, b;
            double size;
            if (c.shape == GRID || (part && !c.resists)) continue;
            place(&c, random_gap(&c));
            a = ds_v3_add(ds_q4_rotate(q, ds_v3_make(c.e.x[0], c.e.x[1], c.e.x[2])), shift);
            b = ds_q4_rotate(q, ds_v3_make(c.e.v[0], c.e.v[1], c.e.v[2]));
            d.e.x[0] = a.x, d.e.x[1] = a.y, d.e.x[2] = a.z;
            d.e.v[0] = b.x, d.e.v[1] = b.y, d.e.v[2] = b.z;
            a = ds_q4_rotate(q, ds_v3_make(p[0], p[1], p[2]));
            if (c.shape == PLANE) p[3] += ds_v3_dot(a, shift);
            else a = ds_v3_add(a, shift);
            p[0] = a.x, p[1] = a.y, p[2] = a.z;
            if (c.shape == CAPSULE) {
                a = ds_v3_add(ds_q4_rotate(q, ds_v3_make(p[3], p[4], p[5])), shift);
                p[3] = a.x, p[4] = a.y, p[5] = a.z;
            }
            if (c.shape == BOX) {
                const ds_q4 turn = ds_q4_mul(q, ds_q4_make(p[3], p[4], p[5], p[6]));
                p[3] = turn.w, p[4] = turn.x, p[5] = turn.y, p[6] = turn.z;
            }
            if (c.resists) {
                a = ds_q4_rotate(q, ds_v3_make(u[0], u[1], u[2]));
                u[0] = a.x, u[1] = a.y, u[2] = a.z;
            }
            element_value(&c.e, (ds_energy_part)part, value);
            element_value(&d.e, (ds_energy_part)part, value + 1);
            element_gradient(&c.e, (ds_energy_part)part, f, NULL);
            element_gradient(&d.e, (ds_energy_part)part, g, NULL);
            a = ds_q4_rotate(q, ds_v3_make(f[0], f[1], f[2]));
            b = ds_v3_make(g[0], g[1], g[2]);
            size = (double)ds_v3_norm(b);
            TAP_NEAR(value[1], value[0], PICK(1e-3, 1e-11), "%s, part %d, turned", c.e.type->name, part);
            TAP_OK(size > 0 && (double)ds_v3_norm(ds_v3_sub(a, b)) < PICK(1e-3, 1e-11) * size,
                   "its force turns along");
        }
}

/* Over joins: the Hessian is the same just before and behind them, up to a step times a third derivative. */
static void joins(void)
{
    const double h = PICK(2e-5, 1e-7);
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        for (int join = 0; join < 2 && !c.resists; join++) {
            ds_real gradient[3], hessian[2][9];
            double worst = 0;
            if (c.law == SOFTPLUS || (join && c.law == BARRIER)) continue;
            for (int side = 0; side < 2; side++) {
                const uint32_t seed = element_seed;
                place(&c, (join ? -0.1 : 0.1) + (side ? h : -h));
                if (!side) element_seed = seed;
                if (!element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, gradient, hessian[side]))
                    worst = HUGE_VAL;
            }
            for (int i = 0; i < 9; i++)
                worst = fmax(worst, fabs((double)hessian[0][i] - (double)hessian[1][i]));
            /* third derivatives are below 300 * 6 / 0.1 here, besides the curvature of the shape */
            TAP_OK(worst < 2 * h * 6e4, "%s: C2 at %s, %.2g", c.e.type->name, join ? "-w" : "w", worst);
        }
    }
}

/* cells' borders: the grid's energy is C2 there */
static void cell_borders(void)
{
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        double worst = 0;
        const double h = PICK(1e-4, 1e-7);
        if (c.shape != GRID || c.resists || c.law != PENALTY) continue;
        c.e.p[1] = 2;
        for (int axis = 0; axis < 3; axis++) {
            ds_real gradient[3], hessian[2][9];
            for (int side = 0; side < 2; side++) {
                for (int i = 0; i < 3; i++) c.e.x[i] = (ds_real)(numbers[GRID][i] + 0.25 * (4.3 + 0.1 * i));
                c.e.x[axis] = (ds_real)(numbers[GRID][axis] + 0.25 * 4 + (side ? h : -h));
                element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, gradient, hessian[side]);
            }
            for (int i = 0; i < 9; i++)
                worst = fmax(worst, fabs((double)hessian[0][i] - (double)hessian[1][i]));
        }
        TAP_OK(worst > 0 && worst < 2 * h * 3e4, "%s: C2 from cell to cell, %.2g", c.e.type->name, worst);
    }
}

/* where distances have no direction, or kinks: finite in value and all derivatives */
static void odd_places(void)
{
    static const double odd[SHAPES][8][3] = {
        { { 0, 0, 0 }, { 0.096, 0.12, 0.128 } },
        { { 0.3, -0.2, 0.5 }, { 0.7, -0.2, 0.5 } },
        { { -0.3, 0.1, 0 }, { 0.5, 0.2, 0.3 }, { 0.1, 0.15, 0.15 }, { -0.5, 0.1, 0 } },
        { { 0.1, 0.2, -0.1 } },
        { { -1.1, -1, -0.9 }, { 5, 5, 5 }, { -0.85, -0.75, -0.65 }, { 0.9, 0.5, 0.35 }, { 0, 0, 0 } },
    };
    for (size_t row = 0; row < CONTACTS; row++) {
        contact c = make(row);
        int good = 1;
        if (c.law == BARRIER) continue;
        for (int k = 0; k < 8; k++)
            for (int part = 0; part <= c.resists; part++) {
                static ds_real field[CELLS];
                element bar = element_zero(&c.e, field);
                ds_real one[1] = { 1 }, gradient[3], hessian[9], y[3] = { 0 }, y_bar[3] = { 1, 1, 1 };
                element dot = c.e;
                for (int i = 0; i < 3; i++) c.e.x[i] = (ds_real)odd[c.shape][k][i];
                if (c.shape == BOX && k) { /* middles of sides, edges, corners in the box's frame */
                    const ds_v3 at = ds_v3_make((ds_real)(k & 1 ? 0.4 : 0), (ds_real)(k & 2 ? 0.3 : 0),
                                                (ds_real)(k & 4 ? -0.5 : 0));
                    const ds_q4 turn = ds_q4_make(c.e.p[6], c.e.p[7], c.e.p[8], c.e.p[9]);
                    const ds_v3 w = ds_q4_rotate(turn, at);
                    c.e.x[0] += w.x, c.e.x[1] += w.y, c.e.x[2] += w.z;
                }
                good &= element_gradient(&c.e, (ds_energy_part)part, gradient, hessian);
                good &= all_finite(gradient, 3) && all_finite(hessian, 9);
                good &= element_adjoint(&c.e, (ds_energy_part)part, one, &bar) && all_finite(bar.x, 3);
                good &= element_products(&c.e, (ds_energy_part)part, &dot, y, y_bar, &bar);
                good &= all_finite(y, 3) && all_finite(bar.x, 3) && all_finite(bar.v, 3);
                good &= all_finite(bar.p, c.e.type->n_parameters) && all_finite(bar.field, c.e.n_field);
            }
        TAP_OK(good, "%s: finite at odd places", c.e.type->name);
    }
}

/* exactly on a flat side of a sharp box, and of one that is turned, the force is that side's */
static void sides(void)
{
    contact c;
    ds_real gradient[3];
    for (size_t row = 0; row < CONTACTS; row++) {
        c = make(row);
        if (c.shape == BOX && c.law == PENALTY && !c.resists) break;
    }
    c.e.p[2] = 0;
    for (int i = 0; i < 3; i++) c.e.p[3 + i] = 0, c.e.p[10 + i] = (ds_real)0.5;
    c.e.p[6] = 1, c.e.p[7] = c.e.p[8] = c.e.p[9] = c.e.p[13] = 0;
    for (int axis = 0; axis < 3; axis++)
        for (int sign = -1; sign <= 1; sign += 2) {
            for (int i = 0; i < 3; i++) c.e.x[i] = (ds_real)(i == axis ? 0.5 * sign : 0.1);
            element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, gradient, NULL);
            TAP_NEAR(gradient[axis], -sign * 300 * 3 * 0.1 / 16, PICK(1e-5, 1e-13), "on side %d of axis %d",
                     sign, axis);
            TAP_OK(gradient[(axis + 1) % 3] == 0 && gradient[(axis + 2) % 3] == 0, "straight");
        }
    for (size_t i = 0; i < 3; i++) c.e.p[3 + i] = 1;
    c.e.p[6] = 0;
    for (int i = 0; i < 3; i++) c.e.x[i] = (ds_real)(i == 1 ? 1.5 : 1.1);
    element_gradient(&c.e, DSIM_ENERGY_PART_ENERGY, gradient, NULL);
    TAP_NEAR(gradient[1], -300 * 3 * 0.1 / 16, PICK(1e-4, 1e-13), "a quaternion of zeros does not turn");
}

/* what the grid's smoothing does: a linear field is met, also outside; weights of the field sum to 1 */
static void linear_field(void)
{
    static ds_real linear[CELLS], bars[CELLS];
    contact c;
    double worst = 0, sum = 0;
    for (size_t row = 0; row < CONTACTS; row++) {
        c = make(row);
        if (c.shape == GRID && c.law == PENALTY && !c.resists) break;
    }
    for (int i = 0; i < CELLS; i++)
        linear[i] = (ds_real)(0.25 * (0.6 * (i / 72) - 0.8 * (i % 8)) - 1.3);
    c.e.field = linear;
    c.e.p[1] = 0, c.e.p[2] = 0, c.e.p[0] = 2;
    for (int k = 0; k < 20; k++) {
        ds_real value[1];
        double y[3], gap;
        for (int i = 0; i < 3; i++) {
            y[i] = element_random(1, numbers[GRID][4 + i] - 2);
            c.e.x[i] = (ds_real)(numbers[GRID][i] + 0.25 * y[i]);
        }
        gap = 0.25 * (0.6 * y[0] - 0.8 * y[2]) - 1.3;
        element_value(&c.e, DSIM_ENERGY_PART_ENERGY, value);
        worst = fmax(worst, fabs((double)value[0] - (gap < 0 ? gap * gap : 0)));
    }
    TAP_OK(worst < PICK(1e-5, 1e-13), "a linear field is met, %.2g", worst);
    {
        element bar = element_zero(&c.e, bars);
        ds_real one[1] = { 1 }, value[1];
        element_value(&c.e, DSIM_ENERGY_PART_ENERGY, value);
        element_adjoint(&c.e, DSIM_ENERGY_PART_ENERGY, one, &bar);
        for (int i = 0; i < CELLS; i++) sum += (double)bars[i];
        TAP_NEAR(sum, -2 * sqrt((double)value[0]), PICK(1e-4, 1e-13), "weights of the field sum to 1");
    }
    /* two metres beyond the border along y */
    {
        ds_real value[1];
        c.e.x[0] = (ds_real)(-1.1 + 0.25 * 2), c.e.x[1] = (ds_real)(-1 + 0.25 - 0.2), c.e.x[2] = (ds_real)0.1;
        element_value(&c.e, DSIM_ENERGY_PART_ENERGY, value);
        TAP_NEAR(value[0], pow(0.25 * (0.6 * 2 - 0.8 * 4) - 1.3 + 0.2, 2), PICK(1e-5, 1e-13),
                 "outside: how far is added");
    }
}

/* a block at speed v on a floor with friction comes to rest after v^2 / (2 mu g) and what slow creep adds */
static double stop_after(double v, double mu)
{
    contact c;
    double x = 0, h = 1e-4;
    for (size_t row = 0; row < CONTACTS; row++) {
        c = make(row);
        if (c.shape == PLANE && c.law == PENALTY && c.resists) break;
    }
    c.e.p[0] = (ds_real)1000, c.e.p[1] = 0, c.e.p[2] = 0;
    c.e.p[3] = c.e.p[4] = 0, c.e.p[5] = 1, c.e.p[6] = 0;
    c.e.p[7] = (ds_real)mu, c.e.p[8] = (ds_real)1e-2, c.e.p[9] = 0;
    c.e.p[10] = c.e.p[11] = c.e.p[12] = 0;
    c.e.x[2] = (ds_real)(-9.81 / 1000); /* where k depth = m g, m = 1 */
    while (v > 1e-6) {
        ds_real rub[3];
        double middle;
        for (int half = 0; half < 2; half++) {
            c.e.v[0] = (ds_real)(half ? middle : v), c.e.v[1] = c.e.v[2] = 0;
            element_gradient(&c.e, DSIM_ENERGY_PART_DISSIPATION, rub, NULL);
            if (!half) middle = v - 0.5 * h * (double)rub[0];
        }
        x += h * middle;
        v -= h * (double)rub[0];
    }
    return x;
}
static void coulomb(void)
{
    const double slip = 1e-2, more = slip * slip * (log(2.0) - 0.5) / (0.3 * 9.81);
    const double x = stop_after(2, 0.3);
    TAP_NEAR(x - more, 0.6795786612300374, PICK(1e-4, 1e-6), "stopping distance");
    if (is_float) return;
    TAP_NEAR((stop_after(2.01, 0.3) - stop_after(1.99, 0.3)) / 0.02, 0.6795786612300374, 1e-4, "by speed");
    TAP_NEAR((stop_after(2, 0.301) - stop_after(2, 0.299)) / 0.002, -2.2652622041001247, 1e-3, "by friction");
}

/* One ball for all points: its numbers are shared, the stiffness by its logarithm; derivatives by them are
   the sums of those of the points. */
static void shared_obstacle(void)
{
    enum { POINTS = 5, NUMBERS = 7 };
    ds_parameter_kind kinds[NUMBERS];
    int32_t points[POINTS];
    ds_real x[3 * POINTS], x_bar[3 * POINTS], p[NUMBERS], p_bar[NUMBERS], out[1] = { 0 }, one[1] = { 1 };
    double want[NUMBERS + 1], got[NUMBERS];
    ds_array arrays[2 * (NUMBERS + 3)];
    const ds_energy_type *type;
    ds_kernel *k, *adjoint;
    size_t n = 2;
    memset(want, 0, sizeof want);
    for (size_t i = 0; i < POINTS; i++) {
        contact c = make(0);
        for (size_t row = 0; row < CONTACTS && (c.shape != SPHERE || c.law != PENALTY || c.resists); row++)
            c = make(row);
        element bar = element_zero(&c.e, NULL);
        ds_real value[1];
        place(&c, random_gap(&c));
        memcpy(x + 3 * i, c.e.x, 3 * sizeof *x);
        memcpy(p, c.e.p, sizeof p);
        element_value(&c.e, DSIM_ENERGY_PART_ENERGY, value);
        element_adjoint(&c.e, DSIM_ENERGY_PART_ENERGY, one, &bar);
        want[NUMBERS] += (double)value[0];
        for (size_t q = 0; q < NUMBERS; q++) want[q] += (double)bar.p[q];
        points[i] = (int32_t)i;
    }
    want[0] *= (double)p[0]; /* by its logarithm */
    p[0] = ds_real_log(p[0]);
    for (size_t q = 0; q < NUMBERS; q++) kinds[q] = q ? DSIM_PARAMETER_SHARED : DSIM_PARAMETER_SHARED_LOG;
    type = ds_energy_get_type(DSIM_ENERGY_SPHERE_PENALTY);
    k = ds_energy_kernel(NULL, type, DSIM_ENERGY_PART_ENERGY, kinds);
    adjoint = ds_kernel_adjoint(k, NULL);
    memset(x_bar, 0, sizeof x_bar);
    memset(p_bar, 0, sizeof p_bar);
    arrays[0] = ds_array_indices(points, POINTS, 1);
    arrays[1] = ds_array_reals(x, POINTS, 3);
    for (size_t q = 0; q < NUMBERS; q++) arrays[n++] = ds_array_reals(p + q, 1, 1);
    arrays[n++] = ds_array_reals(out, 1, 1);
    for (size_t i = 0; i < n; i++) arrays[n + i] = arrays[i];
    arrays[n + 1].data = x_bar;
    for (size_t q = 0; q < NUMBERS; q++) arrays[n + 2 + q].data = p_bar + q;
    arrays[2 * n - 1].data = one;
    TAP_OK(!ds_launch(element_runner, k, POINTS, arrays, n) &&
           !ds_launch(element_runner, adjoint, POINTS, arrays, 2 * n), "one ball for all points");
    TAP_NEAR(out[0], want[NUMBERS], PICK(1e-5, 1e-13), "the sum of energies");
    for (size_t q = 0; q < NUMBERS; q++) got[q] = fabs((double)p_bar[q] - want[q]) / (1e-3 + fabs(want[q]));
    for (size_t q = 0; q < NUMBERS; q++)
        TAP_OK(got[q] < PICK(1e-3, 1e-11), "derivative by its number %d, %.2g", (int)q, got[q]);
    ds_kernel_destroy(k);
    ds_kernel_destroy(adjoint);
}

/* what is refused */
static ds_var asks_too_much(ds_element *e) { return ds_load(ds_field(e, 4), ds_i(0)); }
static ds_var asks_for_two(ds_element *e)
{
    const ds_var b = ds_load(ds_field(e, 1), ds_i(0)), a = ds_load(ds_field(e, 0), ds_i(1));
    return ds_mul(ds_x(ds_point(e, 0)), ds_sub(a, b));
}
static ds_var flat_grid(ds_element *e)
{
    const ds_index n[2] = { ds_i(4), ds_i(4) };
    const ds_grid grid = ds_grid_make(2, n, DSIM_WALL_CLAMP);
    return ds_sdf_grid(ds_field(e, 0), &grid, ds_point(e, 0), ds_c(1), NULL);
}
static void misuse(void)
{
    static const int32_t point[1] = { 0 };
    static const ds_real x[3] = { 2, 0, 0 }, a[2] = { 5, 7 }, b[2] = { 3, 4 };
    ds_energy_type type = { "mine", 1, 0, 0, "", asks_too_much, NULL, NULL, NULL };
    ds_kernel *k = ds_energy_kernel(NULL, &type, DSIM_ENERGY_PART_ENERGY, NULL);
    ds_array arrays[5];
    ds_real out[1] = { 0 };
    TAP_OK(ds_kernel_error(k)->code == DSIM_ERROR_ARGUMENT && ds_kernel_error(k)->index == 4, "field 4");
    TAP_HAS(ds_kernel_error(k)->text, "no field 4", "its sentence");
    ds_kernel_destroy(k);
    type.energy = flat_grid;
    k = ds_energy_kernel(NULL, &type, DSIM_ENERGY_PART_ENERGY, NULL);
    TAP_HAS(ds_kernel_error(k)->text, "3 axes", "a flat grid");
    {
        const ds_arg nowhere = { NULL, 0 };
        const ds_var3 x0 = { NULL, 0 };
        const ds_grid grid = ds_grid_make(3, NULL, DSIM_WALL_CLAMP);
        const ds_var d = ds_sdf_grid(nowhere, &grid, x0, ds_c(1), NULL);
        TAP_OK(!d.rec, "no field, no number");
    }
    ds_kernel_destroy(k);
    type.energy = asks_for_two;
    k = ds_energy_kernel(NULL, &type, DSIM_ENERGY_PART_ENERGY, NULL);
    TAP_OK(!ds_kernel_error(k)->code && ds_kernel_get_info(k).args == 5, "fields are behind the result");
    arrays[0] = ds_array_indices(point, 1, 1);
    arrays[1] = ds_array_reals(x, 1, 3);
    arrays[2] = ds_array_reals(out, 1, 1);
    arrays[3] = ds_array_reals(a, 2, 1);
    arrays[4] = ds_array_reals(b, 2, 1);
    TAP_OK(element_launch(k, arrays, 5) && (double)out[0] == 2 * (7 - 3), "in their order");
    ds_kernel_destroy(k);
    /* fewer cells than the counts say: the launch is refused */
    {
        contact c;
        for (size_t row = 0; row < CONTACTS; row++) {
            c = make(row);
            if (c.shape == GRID && !c.resists) break;
        }
        c.e.n_field = 100;
        c.e.x[0] = (ds_real)0.8;
        tap_diag("a refusal is meant:");
        TAP_OK(!element_value(&c.e, DSIM_ENERGY_PART_ENERGY, out), "a field with too few cells");
    }
}

int main(void)
{
    fill_cells();
    TAP_OK(CONTACTS == 45, "five shapes, three laws, with two kinds of friction or none");
    for (size_t row = 0; row < CONTACTS; row++)
        TAP_OK(element_is_named(ds_energy_get_type(contacts[row])), "%s: names and units",
               ds_energy_get_type(contacts[row])->name);
    barriers();
    frictions();
    softpluses();
    ramps();
    slopes();
    values();
    derivatives();
    beyond();
    resistance();
    isotropy();
    reactions();
    rigid_motions();
    joins();
    cell_borders();
    odd_places();
    sides();
    linear_field();
    coulomb();
    shared_obstacle();
    misuse();
    element_forget();
    return tap_end();
}
