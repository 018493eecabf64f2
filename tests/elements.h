/* elements.h - one element of a type of energy as plain numbers: its energy, force, Hessian and derivatives
   by everything that its kernels read, and their checks by central differences. The file that includes it
   has tap.h and diffsim.h. */

#ifndef ELEMENTS_H
#define ELEMENTS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 4, MOST_NUMBERS = 24, MOST_COORDINATES = 3 * MOST_POINTS };

/* what an element is given; constants follow from rest and p */
typedef struct element {
    const ds_energy_type *type;
    ds_real rest[MOST_COORDINATES], x[MOST_COORDINATES], v[MOST_COORDINATES];
    ds_real p[MOST_NUMBERS], c[MOST_NUMBERS];
    const ds_real *field; /* field 0, or NULL */
    size_t n_field;
} element;

static const int is_float = sizeof(ds_real) == 4;
static ds_runner *element_runner;

/* the arrays of a kernel of a part, in the order of its arguments; out is its result */
static inline size_t element_arrays(element *e, ds_energy_part part, ds_real *out, size_t fields,
                                    ds_array *to)
{
    static const int32_t points[MOST_POINTS] = { 0, 1, 2, 3 };
    const ds_energy_type *const t = e->type;
    const int derives = part == DSIM_ENERGY_PART_DERIVE, forces = part == DSIM_ENERGY_PART_FORCE;
    size_t n = 0;
    to[n++] = ds_array_indices(points, 1, t->n_points);
    to[n++] = ds_array_reals(derives ? e->rest : e->x, t->n_points, 3);
    if (forces || part == DSIM_ENERGY_PART_DISSIPATION) to[n++] = ds_array_reals(e->v, t->n_points, 3);
    for (size_t i = 0; i < t->n_parameters; i++) to[n++] = ds_array_reals(e->p + i, 1, 1);
    if (derives) to[n++] = ds_array_reals(out, 1, t->n_constants);
    else if (t->n_constants) to[n++] = ds_array_reals(e->c, 1, t->n_constants);
    if (forces) to[n++] = ds_array_reals(out, t->n_points, 3);
    else if (!derives) to[n++] = ds_array_reals(out, 1, 1);
    if (fields) to[n++] = ds_array_reals(e->field, e->n_field, 1);
    return n;
}

static inline size_t element_results(const element *e, ds_energy_part part)
{
    return part == DSIM_ENERGY_PART_FORCE ? 3 * e->type->n_points
         : part == DSIM_ENERGY_PART_DERIVE ? e->type->n_constants : 1;
}

static inline int element_launch(const ds_kernel *k, const ds_array *arrays, size_t n)
{
    if (!element_runner) element_runner = ds_runner_create(NULL);
    if (!k || ds_kernel_error(k)->code || ds_launch(element_runner, k, 1, arrays, n)) {
        tap_diag("%s", !k ? "no kernel" : ds_kernel_error(k)->code ? ds_kernel_error(k)->text
                                        : ds_runner_error(element_runner)->text);
        return 0;
    }
    return 1;
}

/* kernels are made once: [type's place among those seen][part][value, adjoint, gradient, Hessian] */
typedef struct element_kernels { const ds_energy_type *type; ds_kernel *of[4][4]; } element_kernels;
static element_kernels element_seen[96];
static size_t element_n_seen;
static inline ds_kernel *element_kernel(const ds_energy_type *type, ds_energy_part part, int form)
{
    const char *const by = part == DSIM_ENERGY_PART_ENERGY ? "x" : "v";
    size_t i = 0;
    ds_kernel **k;
    while (i < element_n_seen && element_seen[i].type != type) i++;
    if (i == element_n_seen) element_seen[element_n_seen++].type = type;
    k = &element_seen[i].of[part][form];
    if (*k) return *k;
    if (form == 0) *k = ds_energy_kernel(NULL, type, part, NULL);
    else {
        const ds_kernel *const base = element_kernel(type, part, 0);
        *k = form == 1 ? ds_kernel_adjoint(base, NULL) : form == 2 ? ds_kernel_gradient(base, by)
                                                                   : ds_kernel_hessian(base, by);
    }
    return *k;
}
static inline void element_forget(void)
{
    for (size_t i = 0; i < element_n_seen; i++)
        for (int j = 0; j < 16; j++) ds_kernel_destroy(element_seen[i].of[j / 4][j % 4]);
    ds_runner_destroy(element_runner);
    element_runner = NULL;
    element_n_seen = 0;
    memset(element_seen, 0, sizeof element_seen);
}

/* the value of a part: out [element_results] */
static inline int element_value(element *e, ds_energy_part part, ds_real *out)
{
    ds_kernel *const k = element_kernel(e->type, part, 0);
    ds_array arrays[MOST_NUMBERS + 8];
    memset(out, 0, element_results(e, part) * sizeof *out);
    return element_launch(k, arrays, element_arrays(e, part, out, e->field != NULL, arrays));
}

static inline int element_derive(element *e)
{
    return !e->type->n_constants || element_value(e, DSIM_ENERGY_PART_DERIVE, e->c);
}

/* an element of zeros, to collect bars in; its field, if any, is `field` */
static inline element element_zero(const element *e, ds_real *field)
{
    element r;
    memset(&r, 0, sizeof r);
    r.type = e->type;
    r.n_field = e->n_field;
    if (e->field) r.field = field;
    for (size_t i = 0; e->field && i < e->n_field; i++) field[i] = 0;
    return r;
}

/* bar gains the adjoint of a part's value: seed [element_results] */
static inline int element_adjoint(element *e, ds_energy_part part, ds_real *seed, element *bar)
{
    ds_array arrays[2 * (MOST_NUMBERS + 8)];
    ds_real out[MOST_NUMBERS] = { 0 };
    const size_t n = element_arrays(e, part, out, e->field != NULL, arrays);
    element_arrays(bar, part, seed, e->field != NULL, arrays + n);
    return element_launch(element_kernel(e->type, part, 1), arrays, 2 * n);
}

/* energy's gradient by x, or the dissipation's by v, [3 n_points], and the Hessian [3 n_points]^2, which may
   be NULL */
static inline int element_gradient(element *e, ds_energy_part part, ds_real *gradient, ds_real *hessian)
{
    ds_kernel *const k = element_kernel(e->type, part, hessian ? 3 : 2);
    const size_t d = 3 * e->type->n_points;
    ds_array arrays[MOST_NUMBERS + 12];
    ds_real out[1] = { 0 }, upper[MOST_COORDINATES * (MOST_COORDINATES + 1) / 2];
    size_t n = element_arrays(e, part, out, e->field != NULL, arrays), at = 0;
    const size_t doubled = k ? ds_kernel_get_info(k).args - (hessian ? 2 : 1) : 0;
    if (doubled != n) {
        tap_diag("%d arguments, not %d", (int)doubled, (int)n);
        return 0;
    }
    arrays[n++] = ds_array_reals(gradient, 1, d);
    if (hessian) arrays[n++] = ds_array_reals(upper, 1, d * (d + 1) / 2);
    if (!element_launch(k, arrays, n)) return 0;
    for (size_t i = 0; hessian && i < d; i++)
        for (size_t j = i; j < d; j++, at++) hessian[i * d + j] = hessian[j * d + i] = upper[at];
    return 1;
}

/* does a type name each of its parameters, with a unit? */
static inline int element_is_named(const ds_energy_type *type)
{
    size_t commas = 0, units = 0;
    for (const char *at = type->parameters; *at; at++) {
        commas += *at == ',';
        units += *at == ')';
    }
    return commas + 1 == type->n_parameters && units == type->n_parameters;
}

/* largest |a - b| over the largest |b|, where that is not 0 */
static inline double apart(const ds_real *a, const double *b, size_t n)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double gap = fabs((double)a[i] - b[i]);
        if (!(gap <= most)) most = gap;
        if (fabs(b[i]) > size) size = fabs(b[i]);
    }
    return size > 0 ? most / size : most;
}

static inline int all_finite(const ds_real *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite((double)a[i])) return 0;
    return 1;
}

/* random numbers, the same everywhere */
static uint32_t element_seed = 1;
static inline double element_random(double low, double high)
{
    element_seed = element_seed * 1664525u + 1013904223u;
    return low + (high - low) * ((element_seed >> 8) / 16777216.0);
}

/* The numbers that a part depends on, and what it gives: the gradient by x or v, the force, or constants. */
static inline size_t element_outputs(const element *e, ds_energy_part part)
{
    return part == DSIM_ENERGY_PART_DERIVE ? e->type->n_constants : 3 * e->type->n_points;
}
static inline int element_output(element *e, ds_energy_part part, ds_real *out)
{
    if (part == DSIM_ENERGY_PART_ENERGY || part == DSIM_ENERGY_PART_DISSIPATION)
        return element_gradient(e, part, out, NULL);
    return element_value(e, part, out);
}

/* e + h dot */
static inline element element_moved(const element *e, const element *dot, double h, ds_real *field)
{
    element r = *e;
    for (size_t i = 0; i < MOST_COORDINATES; i++) {
        r.rest[i] = (ds_real)((double)e->rest[i] + h * (double)dot->rest[i]);
        r.x[i] = (ds_real)((double)e->x[i] + h * (double)dot->x[i]);
        r.v[i] = (ds_real)((double)e->v[i] + h * (double)dot->v[i]);
    }
    for (size_t i = 0; i < MOST_NUMBERS; i++) {
        r.p[i] = (ds_real)((double)e->p[i] + h * (double)dot->p[i]);
        r.c[i] = (ds_real)((double)e->c[i] + h * (double)dot->c[i]);
    }
    for (size_t i = 0; e->field && i < e->n_field; i++)
        field[i] = (ds_real)((double)e->field[i] + h * (double)dot->field[i]);
    if (e->field) r.field = field;
    return r;
}

/* sum of a_i b_i over what a part reads; *size gains the |products| */
static inline double element_dot(const element *a, const element *b, ds_energy_part part, double *size)
{
    const int derives = part == DSIM_ENERGY_PART_DERIVE, moves = part != DSIM_ENERGY_PART_ENERGY && !derives;
    double sum = 0;
    *size = 0;
    for (size_t i = 0; i < 3 * a->type->n_points; i++) {
        const double at_rest = (double)a->rest[i] * (double)b->rest[i];
        const double x = derives ? at_rest : (double)a->x[i] * (double)b->x[i];
        const double v = moves ? (double)a->v[i] * (double)b->v[i] : 0;
        sum += x + v;
        *size += fabs(x) + fabs(v);
    }
    for (size_t i = 0; i < MOST_NUMBERS; i++) {
        const double p = i < a->type->n_parameters ? (double)a->p[i] * (double)b->p[i] : 0;
        const double c = i < a->type->n_constants && !derives ? (double)a->c[i] * (double)b->c[i] : 0;
        sum += p + c;
        *size += fabs(p) + fabs(c);
    }
    for (size_t i = 0; a->field && i < a->n_field; i++) {
        sum += (double)a->field[i] * (double)b->field[i];
        *size += fabs((double)a->field[i] * (double)b->field[i]);
    }
    return sum;
}

/* y_dot = J dot, bar = J'y_bar, J the derivative of element_output by all that it reads */
static inline int element_products(element *e, ds_energy_part part, element *dot, ds_real *y_dot,
                                   ds_real *y_bar, element *bar)
{
    const int form = part == DSIM_ENERGY_PART_ENERGY || part == DSIM_ENERGY_PART_DISSIPATION ? 2 : 0;
    const ds_kernel *const base = element_kernel(e->type, part, form);
    ds_kernel *const tangent = ds_kernel_tangent(base, NULL), *const adjoint = ds_kernel_adjoint(base, NULL);
    const size_t n_out = element_outputs(e, part);
    ds_array arrays[2 * (MOST_NUMBERS + 12)];
    ds_real none[MOST_NUMBERS] = { 0 };
    size_t n = element_arrays(e, part, none, e->field != NULL, arrays);
    int good;
    if (form) arrays[n++] = ds_array_reals(none, 1, n_out);
    memset(y_dot, 0, n_out * sizeof *y_dot);
    element_arrays(dot, part, form ? none : y_dot, e->field != NULL, arrays + n);
    if (form) arrays[2 * n - 1] = ds_array_reals(y_dot, 1, n_out);
    good = element_launch(tangent, arrays, 2 * n);
    element_arrays(bar, part, form ? none : y_bar, e->field != NULL, arrays + n);
    if (form) arrays[2 * n - 1] = ds_array_reals(y_bar, 1, n_out);
    good = good && element_launch(adjoint, arrays, 2 * n);
    ds_kernel_destroy(tangent);
    ds_kernel_destroy(adjoint);
    return good;
}

/* worst error of derivatives of a part's output: of the dot-product identity, and of the tangent against
   differences (of fourth order, step h; 0 in float) */
typedef struct element_errors { double identity, difference; } element_errors;
static inline element_errors element_check(element *e, ds_energy_part part, double h)
{
    enum { MOST_FIELD = 4096 };
    static ds_real field_dot[MOST_FIELD], field_bar[MOST_FIELD], field_moved[MOST_FIELD];
    element_errors r = { HUGE_VAL, HUGE_VAL };
    element dot = *e, bar = element_zero(e, field_bar);
    const size_t n = element_outputs(e, part);
    ds_real y_dot[MOST_NUMBERS], y_bar[MOST_NUMBERS], y[4][MOST_NUMBERS];
    double fd[MOST_NUMBERS], size, left = 0, right, products = 0;
    for (size_t i = 0; i < MOST_COORDINATES; i++) {
        dot.rest[i] = (ds_real)element_random(-1, 1);
        dot.x[i] = (ds_real)element_random(-1, 1);
        dot.v[i] = (ds_real)element_random(-1, 1);
    }
    for (size_t i = 0; i < MOST_NUMBERS; i++) {
        dot.p[i] = (ds_real)(element_random(-1, 1) * (1e-3 + fabs((double)e->p[i])));
        dot.c[i] = (ds_real)(element_random(-1, 1) * (1e-3 + fabs((double)e->c[i])));
        y_bar[i] = (ds_real)element_random(-1, 1);
    }
    for (size_t i = 0; i < MOST_FIELD; i++) field_dot[i] = (ds_real)element_random(-1, 1);
    if (e->field) dot.field = field_dot;
    if (!element_products(e, part, &dot, y_dot, y_bar, &bar)) return r;
    for (size_t i = 0; i < n; i++) {
        left += (double)y_dot[i] * (double)y_bar[i];
        products += fabs((double)y_dot[i] * (double)y_bar[i]);
    }
    right = element_dot(&dot, &bar, part, &size);
    if (products > size) size = products;
    r.identity = size > 0 ? fabs(left - right) / size : fabs(left - right);
    r.difference = 0;
    if (is_float) return r;
    for (int k = 0; k < 4; k++) {
        static const double at[4] = { -2, -1, 1, 2 };
        element moved = element_moved(e, &dot, at[k] * h, field_moved);
        if (!element_output(&moved, part, y[k])) return r;
    }
    for (size_t i = 0; i < n; i++)
        fd[i] = ((double)y[0][i] - 8 * (double)y[1][i] + 8 * (double)y[2][i] - (double)y[3][i]) / (12 * h);
    r.difference = apart(y_dot, fd, n);
    return r;
}

/* the gradient of an energy or a dissipation against differences of its value */
static inline double element_first(element *e, ds_energy_part part, double h)
{
    ds_real gradient[MOST_COORDINATES], value[1];
    double fd[MOST_COORDINATES];
    const size_t n = 3 * e->type->n_points;
    if (!element_gradient(e, part, gradient, NULL)) return HUGE_VAL;
    if (is_float) return 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = -2; k <= 2; k++) {
            static const double weight[5] = { 1, -8, 0, 8, -1 };
            element moved = *e;
            ds_real *const at = part == DSIM_ENERGY_PART_ENERGY ? moved.x : moved.v;
            at[i] += (ds_real)(k * h);
            if (!element_value(&moved, part, value)) return HUGE_VAL;
            sum += weight[k + 2] * (double)value[0];
        }
        fd[i] = sum / (12 * h);
    }
    return apart(gradient, fd, n);
}

#endif
