/* test_energies.c - every built-in energy: its value is the formula, its derivatives are those of its values
   and of independent programs, and it has the invariances that CLAIMS says; rest shapes, patches, small
   strains */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "oracle/energies.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
enum { POINTS = 16, COORDINATES = 3 * POINTS, PARAMETERS = 24, CONSTANTS = 24, ARGS = 5 + PARAMETERS };
enum { TANGENTS = COORDINATES * (COORDINATES + 1) / 2 };

static double tolerance(void) { return IS_FLOAT ? 2e-4 : 1e-12; }

/* >>elements: one element, its numbers and its kernels ---- */

typedef struct element {
    const ds_energy_type *type;
    ds_energy_part part;               /* ENERGY or DISSIPATION */
    size_t n;                          /* coordinates */
    ds_real X[COORDINATES], x[COORDINATES], v[COORDINATES], p[PARAMETERS], c[CONSTANTS];
    ds_kernel *derive, *energy, *adjoint, *gradient, *hessian, *energy_dot, *adjoint_dot, *mixed;
    ds_kernel *derive_dot, *derive_bar;
    ds_runner *runner;
} element;

/* a number and how it moves, for each argument of an energy */
typedef struct moves {
    ds_real X[COORDINATES], x[COORDINATES], v[COORDINATES], p[PARAMETERS], c[CONSTANTS], energy[1];
} moves;

static int launch(const element *e, const ds_kernel *k, const ds_array *args, size_t n)
{
    if (!ds_launch(e->runner, k, 1, args, n)) return 1;
    tap_diag("%s: %s", e->type->name, ds_runner_error(e->runner)->text);
    return 0;
}

/* the arguments of a part; what is NULL is no array. Returns their number. */
static size_t arguments(const element *e, ds_energy_part part, ds_array *a, const ds_real *x,
                        const ds_real *v, const ds_real *p, const ds_real *c, const ds_real *result)
{
    static const int32_t points[POINTS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const ds_array none = { NULL, 0, 0, 0, 0, DSIM_ARRAY_REAL, 0 };
    size_t n = 0;
    a[n++] = ds_array_indices(points, 1, e->type->n_points);
    a[n++] = x ? ds_array_reals(x, e->type->n_points, 3) : none;
    if (part == DSIM_ENERGY_PART_DISSIPATION)
        a[n++] = v ? ds_array_reals(v, e->type->n_points, 3) : none;
    for (size_t i = 0; i < e->type->n_parameters; i++) a[n++] = p ? ds_array_reals(p + i, 1, 1) : none;
    if (e->type->n_constants) a[n++] = c ? ds_array_reals(c, 1, e->type->n_constants) : none;
    if (part != DSIM_ENERGY_PART_DERIVE) a[n++] = result ? ds_array_reals(result, 1, 1) : none;
    return n;
}

static size_t of_moves(const element *e, ds_energy_part part, ds_array *a, const moves *m)
{
    const int derives = part == DSIM_ENERGY_PART_DERIVE;
    return m ? arguments(e, part, a, derives ? m->X : m->x, m->v, m->p, m->c, m->energy)
             : arguments(e, part, a, NULL, NULL, NULL, NULL, NULL);
}

static const char *by(const element *e) { return e->part == DSIM_ENERGY_PART_ENERGY ? "x" : "v"; }

/* kernels of the type; 0: one of them was refused */
static int element_begin(element *e, const ds_energy_type *type, ds_energy_part part)
{
    memset(e, 0, sizeof *e);
    e->type = type;
    e->part = part;
    e->n = 3 * type->n_points;
    e->runner = ds_runner_create(NULL);
    e->energy = ds_energy_kernel(NULL, type, part, NULL);
    e->adjoint = ds_kernel_adjoint(e->energy, by(e));
    e->gradient = ds_kernel_gradient(e->energy, by(e));
    e->hessian = ds_kernel_hessian(e->energy, by(e));
    e->energy_dot = ds_kernel_tangent(e->energy, NULL);
    e->adjoint_dot = ds_kernel_tangent(e->adjoint, NULL);
    e->mixed = ds_kernel_adjoint(e->adjoint, NULL);
    if (type->derive) {
        e->derive = ds_energy_kernel(NULL, type, DSIM_ENERGY_PART_DERIVE, NULL);
        e->derive_dot = ds_kernel_tangent(e->derive, NULL);
        e->derive_bar = ds_kernel_adjoint(e->derive, NULL);
    }
    const ds_kernel *const all[] = { e->energy, e->adjoint, e->gradient, e->hessian, e->energy_dot,
                                     e->adjoint_dot, e->mixed, e->derive, e->derive_dot, e->derive_bar };
    int good = e->runner != NULL;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (i < 7 || type->derive) {
            good = good && all[i] && !ds_kernel_error(all[i])->code;
            if (all[i] && ds_kernel_error(all[i])->code) tap_diag("%s", ds_kernel_error(all[i])->text);
        }
    return good;
}

static void element_end(element *e)
{
    ds_kernel_destroy(e->derive), ds_kernel_destroy(e->energy), ds_kernel_destroy(e->adjoint);
    ds_kernel_destroy(e->gradient), ds_kernel_destroy(e->hessian), ds_kernel_destroy(e->energy_dot);
    ds_kernel_destroy(e->adjoint_dot), ds_kernel_destroy(e->mixed), ds_kernel_destroy(e->derive_dot);
    ds_kernel_destroy(e->derive_bar);
    ds_runner_destroy(e->runner);
}

static void derive(element *e)
{
    ds_array a[ARGS];
    const size_t n = arguments(e, DSIM_ENERGY_PART_DERIVE, a, e->X, NULL, e->p, e->c, NULL);
    if (e->derive) launch(e, e->derive, a, n);
}

static double energy(const element *e)
{
    ds_array a[ARGS];
    ds_real sum[1] = { 0 };
    const size_t n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, sum);
    return launch(e, e->energy, a, n) ? (double)sum[0] : (double)NAN;
}

/* G [n] and the upper half H [n (n + 1) / 2] */
static void gradient(const element *e, ds_real *G)
{
    ds_array a[ARGS + 1];
    size_t n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, NULL);
    a[n++] = ds_array_reals(G, 1, e->n);
    launch(e, e->gradient, a, n);
}
static void hessian(const element *e, ds_real *G, ds_real *H)
{
    ds_array a[ARGS + 2];
    size_t n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, NULL);
    a[n++] = ds_array_reals(G, 1, e->n);
    a[n++] = ds_array_reals(H, 1, e->n * (e->n + 1) / 2);
    launch(e, e->hessian, a, n);
}
static double hessian_at(const element *e, const ds_real *H, size_t i, size_t j)
{
    const size_t low = i < j ? i : j, high = i < j ? j : i;
    return (double)H[low * e->n - low * (low + 1) / 2 + high];
}

/* how the gradient moves, G_dot [n], where x, v, p and c move by dot */
static void gradient_dot(const element *e, const moves *dot, ds_real *G_dot)
{
    ds_array a[4 * ARGS];
    moves bar_dot;
    ds_real one[1] = { 1 };
    size_t n;
    memset(&bar_dot, 0, sizeof bar_dot);
    n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, NULL);
    n += arguments(e, e->part, a + n, NULL, NULL, NULL, NULL, one);
    n += of_moves(e, e->part, a + n, dot);
    n += of_moves(e, e->part, a + n, &bar_dot); /* the energy's bar does not move: zero */
    launch(e, e->adjoint_dot, a, n);
    memcpy(G_dot, e->part == DSIM_ENERGY_PART_ENERGY ? bar_dot.x : bar_dot.v, e->n * sizeof *G_dot);
}

/* how the constants move with X and p */
static void constants_dot(const element *e, moves *dot)
{
    ds_array a[2 * ARGS];
    size_t n = arguments(e, DSIM_ENERGY_PART_DERIVE, a, e->X, NULL, e->p, NULL, NULL);
    n += of_moves(e, DSIM_ENERGY_PART_DERIVE, a + n, dot);
    if (e->derive_dot) launch(e, e->derive_dot, a, n);
}

/* what X and p gain from what the constants have */
static void constants_bar(const element *e, moves *bar)
{
    ds_array a[2 * ARGS];
    size_t n = arguments(e, DSIM_ENERGY_PART_DERIVE, a, e->X, NULL, e->p, NULL, NULL);
    n += of_moves(e, DSIM_ENERGY_PART_DERIVE, a + n, bar);
    if (e->derive_bar) launch(e, e->derive_bar, a, n);
}

/* what w.G gains by x, v, p, c: the adjoint of the adjoint */
static void mixed(const element *e, const ds_real *w, moves *bar)
{
    ds_array a[4 * ARGS];
    moves seed;
    ds_real one[1] = { 1 };
    size_t n;
    memset(&seed, 0, sizeof seed);
    memset(bar, 0, sizeof *bar);
    memcpy(e->part == DSIM_ENERGY_PART_ENERGY ? seed.x : seed.v, w, e->n * sizeof *w);
    n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, NULL);
    n += arguments(e, e->part, a + n, NULL, NULL, NULL, NULL, one);
    n += of_moves(e, e->part, a + n, bar);
    n += of_moves(e, e->part, a + n, &seed);
    launch(e, e->mixed, a, n);
}

/* >>formulas: what a row says, in plain C ---- */

/* F [3][3] of a solid, and of velocities; row by row; z stays in the plane */
static double deformation(const element *e, const ds_real *x, double F[9], double *volume)
{
    const int d = (int)e->type->n_points - 1;
    double Dm[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, Ds[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, det, I[9];
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) {
            Dm[3 * i + j] = (double)e->X[3 * (j + 1) + i] - (double)e->X[i];
            Ds[3 * i + j] = (double)x[3 * (j + 1) + i] - (double)x[i];
        }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int r = (j + 1) % 3, s = (j + 2) % 3, t = (i + 1) % 3, u = (i + 2) % 3;
            I[3 * i + j] = Dm[3 * r + t] * Dm[3 * s + u] - Dm[3 * r + u] * Dm[3 * s + t];
        }
    det = Dm[0] * I[0] + Dm[1] * I[3] + Dm[2] * I[6];
    for (int i = 0; i < 9; i++) {
        F[i] = 0;
        for (int k = 0; k < 3; k++) F[i] += Ds[3 * (i / 3) + k] * I[3 * k + i % 3] / det;
    }
    *volume = d == 3 ? fabs(det) / 6 : fabs(det) / 2 * (double)e->p[e->type->n_parameters - 1];
    return F[0] * (F[4] * F[8] - F[5] * F[7]) - F[1] * (F[3] * F[8] - F[5] * F[6])
         + F[2] * (F[3] * F[7] - F[4] * F[6]);
}

/* what formulas of solids are made of */
typedef struct strain {
    double d, F[9], J, I, volume, mu, la, trace, squares; /* trace and squares of F'F - 1 */
    double linear_trace, linear_squares; /* of sym F - 1 */
    double stretch;
} strain;

static strain strain_of(const element *e, const ds_real *x)
{
    strain s;
    double G[9] = { 0 };
    const double E = (double)e->p[0], nu = (double)e->p[1];
    s.d = (double)(e->type->n_points - 1);
    s.J = deformation(e, x, s.F, &s.volume);
    s.I = s.d - 3;
    s.trace = s.squares = s.linear_trace = s.linear_squares = 0;
    for (int i = 0; i < 9; i++) s.I += s.F[i] * s.F[i];
    for (int i = 0; i < 9; i++) {
        const double half = (s.F[i] + s.F[3 * (i % 3) + i / 3]) / 2 - (i % 4 == 0);
        for (int k = 0; k < 3; k++) G[i] += s.F[3 * k + i / 3] * s.F[3 * k + i % 3];
        G[i] -= i % 4 == 0;
        s.squares += G[i] * G[i];
        s.linear_squares += half * half;
        if (i % 4 == 0) s.trace += G[i], s.linear_trace += half;
    }
    s.mu = E / (2 * (1 + nu));
    s.la = E * nu / ((1 + nu) * (1 - 2 * nu));
    if (s.d < 3) {
        s.stretch = hypot(s.F[0] + s.F[4], s.F[3] - s.F[1]);
    } else {
        ds_m3 F, R, S;
        for (int i = 0; i < 9; i++) F.m[i] = (ds_real)s.F[i];
        ds_m3_polar(F, &R, &S);
        s.stretch = (double)S.m[0] + (double)S.m[4] + (double)S.m[8];
    }
    return s;
}

static double dot(const ds_real *a, const ds_real *b)
{
    return (double)a[0] * (double)b[0] + (double)a[1] * (double)b[1] + (double)a[2] * (double)b[2];
}
static double span(const element *e) /* from point 0 to point 1 */
{
    ds_real d[3];
    for (int i = 0; i < 3; i++) d[i] = e->x[3 + i] - e->x[i];
    return sqrt(dot(d, d));
}
static double square(double a) { return a * a; }

static double value_spring(const element *e)
{
    return (double)e->p[0] / 2 * square(span(e) - (double)e->p[1]);
}
static double value_actuated(const element *e)
{
    const double l0 = (double)e->p[1] * (1 + (double)e->p[2] * (double)e->p[3]);
    return (double)e->p[0] / 2 * square(span(e) - l0);
}
static double damped(const element *e, double c)
{
    double rate = 0;
    for (int i = 0; i < 3; i++) rate += (double)(e->v[3 + i] - e->v[i]) * (double)(e->x[3 + i] - e->x[i]);
    return c / 2 * square(rate / span(e));
}
static double value_damper(const element *e) { return damped(e, (double)e->p[0]); }
static double value_spring_damper(const element *e)
{
    return e->part == DSIM_ENERGY_PART_ENERGY ? value_spring(e) : damped(e, (double)e->p[2]);
}
static double value_zero_length(const element *e)
{
    const int moving = e->part == DSIM_ENERGY_PART_DISSIPATION;
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += square(moving ? (double)(e->v[3 + i] - e->v[i]) : (double)(e->x[3 + i] - e->x[i]));
    return (double)e->p[moving ? 1 : 0] / 2 * sum;
}
static double value_torsion(const element *e)
{
    ds_real a[3], b[3];
    for (int i = 0; i < 3; i++) a[i] = e->x[i] - e->x[3 + i], b[i] = e->x[6 + i] - e->x[3 + i];
    return (double)e->p[0] / 2 * square(acos(dot(a, b) / sqrt(dot(a, a) * dot(b, b))) - (double)e->p[1]);
}
static double value_torsion_2d(const element *e)
{
    const double a = atan2((double)(e->x[1] - e->x[4]), (double)(e->x[0] - e->x[3]));
    const double b = atan2((double)(e->x[7] - e->x[4]), (double)(e->x[6] - e->x[3]));
    return (double)e->p[0] / 2 * square(remainder(b - a - (double)e->p[1], 2 * acos(-1.0)));
}
static double value_gravity(const element *e) { return -(double)e->p[0] * dot(e->p + 1, e->x); }
static double value_drag(const element *e) { return (double)e->p[0] / 2 * dot(e->v, e->v); }
static double value_mass(const element *e) { return (double)(e->p[0] * e->p[1]) / 2 * dot(e->v, e->v); }
static double value_target(const element *e)
{
    ds_real d[3];
    for (int i = 0; i < 3; i++) d[i] = e->x[i] - e->p[1 + i];
    return (double)e->p[0] / 2 * dot(d, d);
}

static double linear_of(const strain *s, double la)
{
    return s->volume * (s->mu * s->linear_squares + la / 2 * square(s->linear_trace));
}
static double value_linear(const element *e)
{
    const strain s = strain_of(e, e->x);
    return linear_of(&s, s.la);
}
static double value_plane_stress(const element *e)
{
    const strain s = strain_of(e, e->x);
    return linear_of(&s, (double)e->p[0] * (double)e->p[1] / (1 - square((double)e->p[1])));
}
static double value_stvk(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * (s.mu / 4 * s.squares + s.la / 8 * square(s.trace));
}
static double rotated(const strain *s) { return s->mu * (s->I - 2 * s->stretch + s->d); }
static double value_arap(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * rotated(&s);
}
static double value_corotated(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * (rotated(&s) + s.la / 2 * square(s.stretch - s.d));
}
static double value_fixed_corotated(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * (rotated(&s) + s.la / 2 * square(s.J - 1));
}
static double value_neo_hookean(const element *e)
{
    const strain s = strain_of(e, e->x);
    const double u = (s.J - 0.1) / 0.1, L = s.J > 0.1 ? log(s.J) : log(0.1) + u - u * u / 2;
    return s.volume * (s.mu / 2 * (s.I - s.d) - s.mu * L + s.la / 2 * L * L);
}
static double j1_of(const strain *s, double J)
{
    return s->volume * (s->mu / 2 * (s->I - s->d) - s->mu * log(J) + s->la / 2 * square(J - 1));
}
static double value_j1(const element *e)
{
    const strain s = strain_of(e, e->x);
    return j1_of(&s, s.J);
}
static double value_clamped(const element *e)
{
    const strain s = strain_of(e, e->x);
    return j1_of(&s, fmin(fmax(s.J, 0.1), 5));
}
static double stable_of(const strain *s, double m, double l)
{
    const double a = 1 + m / l * (1 - 1 / (s->d + 1)), rest = l / 2 * square(1 - a) - m / 2 * log(s->d + 1);
    return s->volume * (m / 2 * (s->I - s->d) + l / 2 * square(s->J - a) - m / 2 * log(s->I + 1) - rest);
}
static double value_stable(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.d > 2 ? stable_of(&s, s.mu * 4 / 3, s.la + s.mu * 5 / 6)
                   : stable_of(&s, s.mu * 3 / 2, s.la + s.mu * 2 / 3);
}
static double value_raw(const element *e)
{
    const strain s = strain_of(e, e->x);
    return stable_of(&s, s.mu, s.la);
}
static double value_no_log(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * (s.mu / 2 * (s.I - s.d) - s.mu * (s.J - 1) + (s.la + s.mu) / 2 * square(s.J - 1));
}

/* by the squares of the singular values a, b, c of a 3x3 F: I1 = a + b + c, I2 = a b + b c + c a */
static double value_mooney_rivlin(const element *e)
{
    const strain s = strain_of(e, e->x);
    const double bulk = s.la + s.mu * 2 / 3, p = 1 / cbrt(s.J * s.J);
    ds_m3 C, V;
    ds_v3 w;
    for (int i = 0; i < 9; i++) {
        C.m[i] = 0;
        for (int k = 0; k < 3; k++) C.m[i] += (ds_real)(s.F[3 * k + i / 3] * s.F[3 * k + i % 3]);
    }
    ds_m3_symmetric_eigen(C, &w, &V);
    const double a = (double)w.x, b = (double)w.y, c = (double)w.z;
    return s.volume * (s.mu / 4 * (p * (a + b + c) + p * p * (a * b + b * c + c * a) - 6)
                       + bulk / 2 * square(s.J - 1));
}

/* |F m|^2 */
static double fibre(const element *e, double *volume)
{
    const int d = (int)e->type->n_points - 1;
    double F[9], length = 0, sum = 0;
    deformation(e, e->x, F, volume);
    for (int i = 0; i < d; i++) length += square((double)e->p[2 + i]);
    for (int i = 0; i < d; i++) {
        double part = 0;
        for (int k = 0; k < d; k++) part += F[3 * i + k] * (double)e->p[2 + k];
        sum += part * part / length;
    }
    return sum;
}
static double value_fibre(const element *e)
{
    double volume;
    const double sum = fibre(e, &volume);
    return volume * (double)e->p[0] * (double)e->p[1] / 2 * sum;
}
static double value_fibre_length(const element *e)
{
    double volume;
    const double sum = fibre(e, &volume);
    return volume * (double)e->p[1] / 2 * square(sqrt(sum) - (1 - (double)e->p[0]));
}
static double value_volume(const element *e)
{
    const strain s = strain_of(e, e->x);
    return s.volume * (double)e->p[0] * (double)e->p[1] * (s.J - 1);
}
/* d(sym F)/dt is sym F of the velocities */
static double value_rayleigh(const element *e)
{
    const int d = (int)e->type->n_points - 1;
    strain s = strain_of(e, e->x);
    double rate[9], volume, squares = 0, trace = 0;
    deformation(e, e->v, rate, &volume);
    for (int i = 0; i < d; i++) {
        trace += rate[4 * i];
        for (int j = 0; j < d; j++) squares += square((rate[3 * i + j] + rate[3 * j + i]) / 2);
    }
    return (double)e->p[2] * volume * (s.mu * squares + s.la / 2 * trace * trace);
}
static double value_objective(const element *e)
{
    const int d = (int)e->type->n_points - 1;
    double F[9], rate[9], volume, squares = 0;
    deformation(e, e->x, F, &volume);
    deformation(e, e->v, rate, &volume);
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) {
            double both = 0;
            for (int k = 0; k < d; k++)
                both += F[3 * k + i] * rate[3 * k + j] + rate[3 * k + i] * F[3 * k + j];
            squares += square(both / 2);
        }
    return (double)e->p[0] * volume * squares;
}

/* >>claims: what each row is held to ---- */

enum {
    MOVES = 1,       /* energy: unchanged where all points move alike, total force 0; dissipation: so for v */
    TURNS = 2,       /* energy: unchanged by rotations, total torque 0; dissipation: 0 in rigid rotation, and
                        unchanged where x and v are turned */
    TURNS_Z = 4,     /* the same about z */
    RESTS = 8,       /* 0, with a force of 0, at the rest shape; dissipation: at v = 0 */
    FINITE = 16,     /* value, gradient, Hessian are finite for flat, inverted, collapsed elements */
    PLANE = 32,      /* z takes no part */
    SOLID = 64,      /* the patch test; either orientation; a Hessian at rest as that of LINEAR, with the
                        moduli that `small` says */
    ISOTROPIC = 128  /* turned at rest, the same energy */
};
enum small { SAME, ONLY_MU, RAW, PLANE_STRESS };
typedef struct claim {
    ds_energy energy;
    unsigned holds;
    enum small small;
    double p[PARAMETERS];
    double (*value)(const element *e);
} claim;
#define SOLID_3D { 1000, 0.3, 1200 }
#define SOLID_2D { 1000, 0.3, 1200, 0.7 }
#define MATERIAL(NAME, holds, small, value) \
    { DSIM_ENERGY_##NAME, MOVES | RESTS | SOLID | (holds), small, SOLID_3D, value }, \
    { DSIM_ENERGY_##NAME##_2D, MOVES | RESTS | SOLID | PLANE | (((holds) & TURNS) ? TURNS_Z : 0) \
                               | ((holds) & ~(unsigned)TURNS), small, SOLID_2D, value }
#define TURNED (TURNS | ISOTROPIC)
static const claim CLAIMS[] = {
    { DSIM_ENERGY_SPRING, MOVES | TURNS | RESTS | FINITE, SAME, { 100, 1 }, value_spring },
    { DSIM_ENERGY_DAMPER, MOVES | TURNS | RESTS | FINITE, SAME, { 3 }, value_damper },
    { DSIM_ENERGY_DAMPED_SPRING, MOVES | TURNS | RESTS | FINITE, SAME, { 100, 1, 3 }, value_spring_damper },
    { DSIM_ENERGY_ACTUATED_SPRING, MOVES | TURNS | RESTS | FINITE, SAME, { 100, 1.25, 0.4, -0.5 },
      value_actuated },
    { DSIM_ENERGY_ZERO_LENGTH_SPRING, MOVES | FINITE, SAME, { 100, 3 }, value_zero_length },
    { DSIM_ENERGY_TORSION, MOVES | TURNS | RESTS | FINITE, SAME, { 10, 0.78539816339744831 },
      value_torsion },
    { DSIM_ENERGY_TORSION_2D, MOVES | TURNS_Z | RESTS | FINITE | PLANE, SAME, { 10, -0.78539816339744831 },
      value_torsion_2d },
    { DSIM_ENERGY_GRAVITY, FINITE, SAME, { 2, 0.5, -9.8, 0.25 }, value_gravity },
    { DSIM_ENERGY_DRAG, FINITE | RESTS, SAME, { 0.5 }, value_drag },
    { DSIM_ENERGY_MASS_DAMPING, FINITE | RESTS, SAME, { 2, 0.5 }, value_mass },
    { DSIM_ENERGY_TARGET, FINITE, SAME, { 50, 0.1, 0.2, 0.3 }, value_target },
    MATERIAL(LINEAR, FINITE, SAME, value_linear),
    { DSIM_ENERGY_LINEAR_PLANE_STRESS_2D, MOVES | RESTS | SOLID | PLANE | FINITE, PLANE_STRESS, SOLID_2D,
      value_plane_stress },
    MATERIAL(STVK, TURNED | FINITE, SAME, value_stvk),
    MATERIAL(COROTATED, TURNED | FINITE, SAME, value_corotated),
    MATERIAL(FIXED_COROTATED, TURNED | FINITE, SAME, value_fixed_corotated),
    MATERIAL(ARAP, TURNED | FINITE, ONLY_MU, value_arap),
    MATERIAL(NEO_HOOKEAN, TURNED | FINITE, SAME, value_neo_hookean),
    MATERIAL(NEO_HOOKEAN_J1, TURNED, SAME, value_j1),
    MATERIAL(NEO_HOOKEAN_J1_CLAMPED, TURNED | FINITE, SAME, value_clamped),
    MATERIAL(STABLE_NEO_HOOKEAN, TURNED | FINITE, SAME, value_stable),
    MATERIAL(STABLE_NEO_HOOKEAN_RAW, TURNED | FINITE, RAW, value_raw),
    MATERIAL(STABLE_NEO_HOOKEAN_NO_LOG, TURNED | FINITE, SAME, value_no_log),
    MATERIAL(MOONEY_RIVLIN, TURNED, SAME, value_mooney_rivlin),
    { DSIM_ENERGY_FIBRE, MOVES | TURNS | FINITE, SAME, { 0.3, 500, 1, 2, -1 }, value_fibre },
    { DSIM_ENERGY_FIBRE_2D, MOVES | TURNS_Z | FINITE | PLANE, SAME, { 0.3, 500, 1, 2, 0.7 }, value_fibre },
    { DSIM_ENERGY_FIBRE_LENGTH, MOVES | TURNS | FINITE, SAME, { 0.3, 500, 1, 2, -1 }, value_fibre_length },
    { DSIM_ENERGY_FIBRE_LENGTH_2D, MOVES | TURNS_Z | FINITE | PLANE, SAME, { 0.3, 500, 1, 2, 0.7 },
      value_fibre_length },
    { DSIM_ENERGY_VOLUME_ACTIVATION, MOVES | TURNED | FINITE, SAME, { 0.3, 500 }, value_volume },
    { DSIM_ENERGY_VOLUME_ACTIVATION_2D, MOVES | TURNS_Z | ISOTROPIC | FINITE | PLANE, SAME,
      { 0.3, 500, 0.7 }, value_volume },
    { DSIM_ENERGY_RAYLEIGH, MOVES | RESTS | FINITE, SAME, { 1000, 0.3, 0.01 }, value_rayleigh },
    { DSIM_ENERGY_RAYLEIGH_2D, MOVES | RESTS | FINITE | PLANE, SAME, { 1000, 0.3, 0.01, 0.7 },
      value_rayleigh },
    { DSIM_ENERGY_OBJECTIVE_DAMPING, MOVES | TURNED | RESTS | FINITE, SAME, { 20 }, value_objective },
    { DSIM_ENERGY_OBJECTIVE_DAMPING_2D, MOVES | TURNS_Z | ISOTROPIC | RESTS | FINITE | PLANE, SAME,
      { 20, 0.7 }, value_objective },
};
enum { N_CLAIMS = sizeof CLAIMS / sizeof CLAIMS[0] };

/* shapes at rest by the number of points; of two, they are 1 apart, of three, the angle at point 1 is 45
   degrees */
static void rest_shape(element *e, int flat)
{
    static const double pair[6] = { 0, 0, 0, 0.6, 0, 0.8 }, three[9] = { 0, 0, 0, 1, 0, 0, 0.25, 0.75, 0 };
    static const double four[12] = { 0, 0, 0, 1, 0.1, 0, 0.2, 0.9, 0.1, 0.1, 0.2, 1.1 };
    const double *const at = e->n == 6 ? pair : e->n == 9 ? three : four;
    for (size_t i = 0; i < e->n; i++) e->X[i] = i < 12 ? (ds_real)at[i] : (ds_real)(i % 7);
    for (size_t i = 2; flat && i < e->n; i += 3) e->X[i] = 0;
    memcpy(e->x, e->X, sizeof e->x);
}

static void parameters(element *e, const claim *c)
{
    for (size_t i = 0; i < e->type->n_parameters; i++) e->p[i] = (ds_real)c->p[i];
}

static double between(ds_rng *rng, double low, double high)
{
    return low + (high - low) * (double)ds_rng_uniform(rng);
}

/* moves points by up to so much, and gives them velocities */
static void shake(element *e, ds_rng *rng, double much)
{
    for (size_t i = 0; i < e->n; i++) {
        e->x[i] = e->X[i] + (ds_real)between(rng, -much, much);
        e->v[i] = (ds_real)between(rng, -1, 1);
    }
}

static double largest(const ds_real *a, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double size = fabs((double)a[i]);
        most = isfinite(size) ? fmax(most, size) : (double)INFINITY;
    }
    return most;
}
static double off(const ds_real *a, const ds_real *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double miss = fabs((double)a[i] - (double)b[i]);
        most = isfinite(miss) ? fmax(most, miss) : (double)INFINITY;
    }
    return most;
}

/* a rotation, about z or any axis, and its matrix */
static void rotation(ds_rng *rng, int about_z, double Q[9])
{
    double q[4], length = 0;
    for (int i = 0; i < 4; i++) q[i] = between(rng, -1, 1);
    if (about_z) q[1] = q[2] = 0;
    for (int i = 0; i < 4; i++) length += q[i] * q[i];
    for (int i = 0; i < 4; i++) q[i] /= sqrt(length);
    for (int i = 0; i < 9; i++) Q[i] = i % 4 == 0;
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        Q[4 * i] -= 2 * (q[j + 1] * q[j + 1] + q[k + 1] * q[k + 1]);
        Q[3 * i + j] = 2 * (q[i + 1] * q[j + 1] - q[0] * q[k + 1]);
        Q[3 * j + i] = 2 * (q[i + 1] * q[j + 1] + q[0] * q[k + 1]);
    }
}
static void turn(const double Q[9], ds_real *x, size_t n)
{
    for (size_t p = 0; p + 2 < n; p += 3) {
        const double old[3] = { (double)x[p], (double)x[p + 1], (double)x[p + 2] };
        for (size_t i = 0; i < 3; i++)
            x[p + i] = (ds_real)(Q[3 * i] * old[0] + Q[3 * i + 1] * old[1] + Q[3 * i + 2] * old[2]);
    }
}

/* >>derivatives ---- */

/* what moves: coordinates of x or v, parameters, rest positions */
static ds_real *number_of(element *e, int what, size_t i)
{
    if (what == 0) return (e->part == DSIM_ENERGY_PART_ENERGY ? e->x : e->v) + i;
    return what == 1 ? e->p + i : e->X + i;
}

/* the slope of the gradient (with G NULL, of the energy) by a number, from six points around it */
static double slope(element *e, int what, size_t i, double step, ds_real *G)
{
    static const double weight[3] = { 45.0 / 60, -9.0 / 60, 1.0 / 60 };
    ds_real *const number = number_of(e, what, i), old = *number, part[COORDINATES];
    double sum = 0, sums[COORDINATES] = { 0 };
    for (int k = 1; k <= 3; k++)
        for (int side = -1; side <= 1; side += 2) {
            const double w = side * weight[k - 1] / step;
            *number = old + (ds_real)(side * k * step);
            derive(e);
            if (G) {
                gradient(e, part);
                for (size_t j = 0; j < e->n; j++) sums[j] += w * (double)part[j];
            } else
                sum += w * energy(e);
        }
    *number = old;
    derive(e);
    for (size_t j = 0; G && j < e->n; j++) G[j] = (ds_real)sums[j];
    return sum;
}

#define SIDE(sum, size, a, b, n) \
    for (size_t i = 0; i < (n); i++) { \
        sum += (double)(a)[i] * (double)(b)[i]; \
        size += fabs((double)(a)[i] * (double)(b)[i]); \
    }

/* the tangent of the constants against their adjoint */
static double exact_constants(const element *e, ds_rng *rng)
{
    double forward = 0, back = 0, size = 1e-300;
    ds_real seed[CONSTANTS];
    moves dot, bar;
    memset(&dot, 0, sizeof dot);
    memset(&bar, 0, sizeof bar);
    for (size_t i = 0; i < COORDINATES; i++) dot.X[i] = (ds_real)between(rng, -1, 1);
    for (size_t i = 0; i < PARAMETERS; i++) dot.p[i] = (ds_real)between(rng, -1, 1) * e->p[i];
    constants_dot(e, &dot);
    for (size_t i = 0; i < CONSTANTS; i++) seed[i] = bar.c[i] = (ds_real)between(rng, -1, 1);
    constants_bar(e, &bar);
    SIDE(forward, size, seed, dot.c, CONSTANTS)
    SIDE(back, size, bar.X, dot.X, COORDINATES)
    SIDE(back, size, bar.p, dot.p, PARAMETERS)
    return fabs(forward - back) / size;
}

/* gradient, Hessian, tangents and adjoints of all kinds agree; returns the worst, relative to the largest */
static double exact(element *e, ds_rng *rng)
{
    static ds_real H[TANGENTS];
    ds_real G[COORDINATES], G_again[COORDINATES], G_dot[COORDINATES], w[COORDINATES], along[COORDINATES];
    ds_array a[2 * ARGS];
    moves move, bar;
    double worst, by_hand = 0, forward = 0, back = 0, size;
    size_t n;
    hessian(e, G, H);
    gradient(e, G_again);
    worst = off(G, G_again, e->n) / (largest(G, e->n) + 1e-300);
    /* the energy's tangent is G along x, the gradient's is H along x */
    memset(&move, 0, sizeof move);
    for (size_t i = 0; i < e->n; i++) {
        (e->part == DSIM_ENERGY_PART_ENERGY ? move.x : move.v)[i] = along[i] = (ds_real)between(rng, -1, 1);
        w[i] = (ds_real)between(rng, -1, 1);
        by_hand += (double)along[i] * (double)G[i];
    }
    n = arguments(e, e->part, a, e->x, e->v, e->p, e->c, NULL);
    n += of_moves(e, e->part, a + n, &move);
    launch(e, e->energy_dot, a, n);
    worst = fmax(worst, fabs(by_hand - (double)move.energy[0]) / (largest(G, e->n) + 1e-300));
    gradient_dot(e, &move, G_dot);
    for (size_t i = 0; i < e->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < e->n; j++) sum += hessian_at(e, H, i, j) * (double)along[j];
        size = largest(H, e->n * (e->n + 1) / 2) + 1e-300;
        worst = fmax(worst, fabs(sum - (double)G_dot[i]) / size);
    }
    /* w.(dG by everything) forward is the adjoint of w.G along everything */
    for (size_t i = 0; i < e->n; i++) {
        move.x[i] = (ds_real)between(rng, -1, 1);
        move.v[i] = (ds_real)between(rng, -1, 1);
    }
    for (size_t i = 0; i < PARAMETERS; i++) move.p[i] = (ds_real)between(rng, -1, 1) * e->p[i];
    for (size_t i = 0; i < CONSTANTS; i++) move.c[i] = (ds_real)between(rng, -1, 1) * e->c[i];
    gradient_dot(e, &move, G_dot);
    mixed(e, w, &bar);
    size = 1e-300;
    SIDE(back, size, bar.x, move.x, COORDINATES)
    SIDE(back, size, bar.v, move.v, COORDINATES)
    SIDE(back, size, bar.p, move.p, PARAMETERS)
    SIDE(back, size, bar.c, move.c, CONSTANTS)
    SIDE(forward, size, w, G_dot, e->n)
    worst = fmax(worst, fabs(forward - back) / size);
    return fmax(worst, exact_constants(e, rng));
}

/* the derivatives against differences: by coordinates, by parameters, by rest positions */
static void differences(element *e, double worst[4])
{
    static ds_real H[TANGENTS];
    ds_real G[COORDINATES], want[COORDINATES], got[COORDINATES];
    const int wants_rest = e->type->derive != NULL;
    hessian(e, G, H);
    for (size_t i = 0; i < e->n; i++) {
        const double size = largest(G, e->n) + 1e-3 * largest(H, e->n * (e->n + 1) / 2) + 1e-300;
        worst[0] = fmax(worst[0], fabs(slope(e, 0, i, 2e-3, NULL) - (double)G[i]) / size);
        slope(e, 0, i, 2e-3, want);
        for (size_t j = 0; j < e->n; j++) got[j] = (ds_real)hessian_at(e, H, i, j);
        /* a gradient that is constant has differences of its rounding */
        worst[1] = fmax(worst[1], off(got, want, e->n) /
                                      (largest(H, e->n * (e->n + 1) / 2) + 1e-3 * largest(G, e->n) + 1e-300));
    }
    for (int what = 1; what <= 1 + wants_rest; what++)
        for (size_t i = 0; i < (what == 1 ? e->type->n_parameters : e->n); i++) {
            const double number = fabs((double)*number_of(e, what, i));
            const double step = what == 2 ? 2e-3 : 4e-3 * (number > 0 ? number : 1);
            moves move;
            memset(&move, 0, sizeof move);
            (what == 1 ? move.p : move.X)[i] = 1;
            constants_dot(e, &move);
            gradient_dot(e, &move, got);
            slope(e, what, i, step, want);
            worst[1 + what] =
                fmax(worst[1 + what], off(got, want, e->n) * step / (2e-3 * largest(G, e->n) + 1e-300));
        }
}

/* >>invariances ---- */

static void total(const element *e, const ds_real *G, double force[3], double torque[3])
{
    for (int i = 0; i < 3; i++) force[i] = torque[i] = 0;
    for (size_t p = 0; p < e->n; p += 3)
        for (size_t i = 0; i < 3; i++) {
            const size_t j = (i + 1) % 3, k = (i + 2) % 3;
            force[i] += (double)G[p + i];
            torque[i] += (double)e->x[p + j] * (double)G[p + k] - (double)e->x[p + k] * (double)G[p + j];
        }
}

/* what MOVES, TURNS, PLANE and ISOTROPIC say, relative to the energy and the largest force */
static double invariances(element *e, const claim *c, ds_rng *rng)
{
    const element kept = *e;
    const int about_z = (c->holds & TURNS_Z) != 0, turns = about_z || (c->holds & TURNS);
    const int moving = e->part == DSIM_ENERGY_PART_DISSIPATION;
    const double E = energy(e);
    double Q[9], force[3], torque[3], worst = 0, size, f;
    ds_real G[COORDINATES];
    gradient(e, G);
    size = largest(G, e->n) + 1e-300, f = fabs(E) + size;
    total(e, G, force, torque);
    if (c->holds & MOVES) {
        for (int i = 0; i < 3; i++) worst = fmax(worst, fabs(force[i]) / size);
        for (size_t i = 0; i < e->n; i++) e->x[i] += (ds_real)0.5 + (ds_real)(i % 3);
        worst = fmax(worst, fabs(energy(e) - E) / f);
        *e = kept;
        for (size_t i = 0; moving && i < e->n; i++) e->v[i] = (ds_real)0.5 + (ds_real)(i % 3);
        if (moving) worst = fmax(worst, fabs(energy(e)) / f);
        *e = kept;
    }
    if (turns) {
        for (int i = about_z ? 2 : 0; i < 3; i++) worst = fmax(worst, fabs(torque[i]) / size);
        rotation(rng, about_z, Q);
        turn(Q, e->x, e->n), turn(Q, e->v, e->n);
        worst = fmax(worst, fabs(energy(e) - E) / f);
        *e = kept;
        for (size_t p = 0; moving && p < e->n; p += 3) { /* v = w x x about z, or another w */
            const double w[3] = { about_z ? 0 : 0.4, about_z ? 0 : -0.7, 0.9 };
            for (size_t i = 0; i < 3; i++) {
                const size_t j = (i + 1) % 3, k = (i + 2) % 3;
                e->v[p + i] = (ds_real)(w[j] * (double)e->x[p + k] - w[k] * (double)e->x[p + j]);
            }
        }
        if (moving) worst = fmax(worst, fabs(energy(e)) / f);
        *e = kept;
    }
    if (c->holds & ISOTROPIC) {
        rotation(rng, about_z, Q);
        turn(Q, e->X, e->n);
        derive(e);
        worst = fmax(worst, fabs(energy(e) - E) / f);
        *e = kept;
    }
    if (c->holds & PLANE) {
        for (size_t i = 2; i < e->n; i += 3)
            e->x[i] += (ds_real)i, e->v[i] -= (ds_real)i, e->X[i] += (ds_real)i;
        derive(e);
        worst = fmax(worst, fabs(energy(e) - E) / f);
        for (size_t i = 2; i < e->n; i += 3) worst = fmax(worst, fabs((double)G[i]));
        *e = kept;
    }
    if (c->holds & SOLID) { /* the other orientation */
        for (int i = 0; i < 3; i++) {
            e->X[i] = kept.X[3 + i], e->X[3 + i] = kept.X[i];
            e->x[i] = kept.x[3 + i], e->x[3 + i] = kept.x[i];
        }
        derive(e);
        worst = fmax(worst, fabs(energy(e) - E) / f);
        *e = kept;
    }
    return worst;
}

/* value, gradient and Hessian where elements are flat, in a line, in one place, inverted */
static int is_finite(element *e)
{
    static ds_real H[TANGENTS];
    const element kept = *e;
    ds_real G[COORDINATES];
    int good = 1;
    for (int way = 0; way < 6; way++) {
        for (size_t i = 0; i < e->n; i++) {
            const size_t axis = i % 3;
            const ds_real flat = axis == (e->n == 9 ? 1 : 2) ? 0 : kept.X[i];
            e->x[i] = way == 0 ? 0 : way == 1 ? flat : way == 2 ? (axis ? 0 : kept.X[i]) :
                      way == 3 ? (axis ? kept.X[i] : -kept.X[i]) : way == 4 ? (i < 6 ? 1 : kept.X[i]) :
                      (axis ? kept.X[i] : (ds_real)-3 * kept.x[i]);
        }
        hessian(e, G, H);
        if (!isfinite(energy(e)) || !isfinite(largest(G, e->n)) ||
            !isfinite(largest(H, e->n * (e->n + 1) / 2))) {
            tap_diag("%s is not finite in way %d", e->type->name, way);
            good = 0;
        }
    }
    *e = kept;
    return good;
}

/* the Hessian at rest is that of LINEAR, with the moduli of `small` */
static double off_linear(element *e, const claim *c)
{
    static ds_real H[TANGENTS], want[TANGENTS];
    const int plane = e->n == 9;
    const double E = (double)e->p[0], nu = (double)e->p[1];
    double mu = E / (2 * (1 + nu)), la = E * nu / ((1 + nu) * (1 - 2 * nu));
    element linear;
    ds_real G[COORDINATES];
    if (c->small == ONLY_MU) la = 0;
    if (c->small == RAW) la -= plane ? mu * 4 / 9 : mu * 5 / 8, mu *= plane ? 2.0 / 3 : 0.75;
    if (c->small == PLANE_STRESS) la = E * nu / (1 - nu * nu);
    element_begin(&linear, ds_energy_get_type(plane ? DSIM_ENERGY_LINEAR_2D : DSIM_ENERGY_LINEAR),
                  DSIM_ENERGY_PART_ENERGY);
    memcpy(linear.X, e->X, sizeof e->X), memcpy(linear.x, e->X, sizeof e->X);
    linear.p[0] = (ds_real)(mu * (3 * la + 2 * mu) / (la + mu));
    linear.p[1] = (ds_real)(la / (2 * (la + mu)));
    linear.p[2] = 1, linear.p[3] = e->p[3];
    derive(&linear);
    hessian(&linear, G, want);
    hessian(e, G, H);
    element_end(&linear);
    return off(H, want, e->n * (e->n + 1) / 2) / largest(want, e->n * (e->n + 1) / 2);
}

/* A simplex cut into d + 1 by a point inside: moved by any affine map, no force acts on that point. Returns
   the force there, relative to that on the others. */
static double patch(const element *e, ds_rng *rng)
{
    const size_t d = e->type->n_points - 1, lanes = d + 1, points = d + 2;
    const ds_array none = { NULL, 0, 0, 0, 0, DSIM_ARRAY_REAL, 0 };
    int32_t corner[4 * 4];
    ds_real X[15] = { 0 }, x[15] = { 0 }, F[9], c[4 * CONSTANTS], bar[15] = { 0 }, one[1] = { 1 };
    ds_real p[PARAMETERS][4];
    ds_array a[2 * ARGS], parts[PARAMETERS];
    size_t n = 0;
    for (size_t i = 0; i < 3 * lanes; i++) X[i] = e->X[i];
    for (size_t i = 0; i < d; i++) {
        double sum = 0;
        for (size_t k = 0; k < lanes; k++) sum += (double)X[3 * k + i] * (double)(k + 2);
        X[3 * lanes + i] = (ds_real)(sum / (d == 3 ? 14 : 9));
    }
    for (int i = 0; i < 9; i++) F[i] = (ds_real)(between(rng, -0.3, 0.3) + (i % 4 == 0));
    for (size_t k = 0; k < points; k++)
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++) x[3 * k + i] += F[3 * i + j] * X[3 * k + j];
    for (size_t lane = 0; lane < lanes; lane++)
        for (size_t k = 0; k < lanes; k++) corner[lanes * lane + k] = (int32_t)(k == lane ? lanes : k);
    for (size_t i = 0; i < e->type->n_parameters; i++) {
        for (size_t lane = 0; lane < lanes; lane++) p[i][lane] = e->p[i];
        parts[i] = ds_array_reals(p[i], lanes, 1);
    }
    a[n++] = ds_array_indices(corner, lanes, lanes);
    a[n++] = ds_array_reals(X, points, 3);
    for (size_t i = 0; i < e->type->n_parameters; i++) a[n++] = parts[i];
    a[n++] = ds_array_reals(c, lanes, e->type->n_constants);
    if (ds_launch(e->runner, e->derive, lanes, a, n)) return (double)INFINITY;
    a[1] = ds_array_reals(x, points, 3);
    a[n++] = none;
    a[n++] = none;
    a[n++] = ds_array_reals(bar, points, 3);
    for (size_t i = 0; i < e->type->n_parameters + 1; i++) a[n++] = none;
    a[n++] = ds_array_reals(one, 1, 1);
    if (ds_launch(e->runner, e->adjoint, lanes, a, n)) return (double)INFINITY;
    return largest(bar + 3 * lanes, 3) / largest(bar, 3 * lanes);
}

/* >>the table ---- */

static void test_row(const claim *c, ds_energy_part part, ds_rng *rng)
{
    const ds_energy_type *const type = ds_energy_get_type(c->energy);
    const char *const name = type->name, *const what = part == DSIM_ENERGY_PART_ENERGY ? "E" : "R";
    const int plane = type->n_points == 3 && (c->holds & PLANE);
    double value = 0, derivatives = 0, same = 0, far[4] = { 0, 0, 0, 0 };
    element e;
    ds_real G[COORDINATES];
    if (!TAP_OK(element_begin(&e, type, part), "%s %s: kernels and their derivatives", name, what)) return;
    parameters(&e, c);
    rest_shape(&e, plane);
    derive(&e);
    for (int trial = 0; trial < ((c->holds & SOLID) && (c->holds & FINITE) ? 8 : 5); trial++) {
        static const double squeeze[3] = { -0.4, 0.05, 7 }; /* along x: inverted, nearly flat, drawn out */
        shake(&e, rng, trial == 4 ? 0.05 : trial > 4 ? 0.01 : 0.25);
        for (size_t i = 0; trial > 4 && i < e.n; i += 3) e.x[i] *= (ds_real)squeeze[trial - 5];
        value = fmax(value, fabs(energy(&e) - c->value(&e)) / (fabs(c->value(&e)) + 1e-300));
        derivatives = fmax(derivatives, exact(&e, rng));
        same = fmax(same, invariances(&e, c, rng));
        if (!IS_FLOAT && (trial < 2 || trial > 4)) differences(&e, far);
    }
    TAP_OK(value <= (IS_FLOAT ? 2e-3 : 1e-11), "%s %s: the formula (%.1e)", name, what, value);
    TAP_OK(derivatives <= tolerance(), "%s %s: gradient, Hessian, tangents and adjoints agree (%.1e)", name,
           what, derivatives);
    if (!IS_FLOAT)
        TAP_OK(far[0] < 1e-8 && far[1] < 1e-8 && far[2] < 1e-8 && far[3] < 1e-8,
               "%s %s: by differences: gradient, Hessian, by parameters, by rest (%.0e %.0e %.0e %.0e)", name,
               what, far[0], far[1], far[2], far[3]);
    TAP_OK(same <= (IS_FLOAT ? 1e-3 : 1e-12), "%s %s: moved, turned and the like (%.1e)", name, what, same);
    if (c->holds & FINITE) TAP_OK(is_finite(&e), "%s %s: finite for flat and inverted elements", name, what);
    if (c->holds & RESTS) {
        const double size = largest(e.p, 1);
        memcpy(e.x, e.X, sizeof e.x);
        memset(e.v, 0, sizeof e.v);
        gradient(&e, G);
        TAP_OK(fabs(energy(&e)) <= tolerance() * size && largest(G, e.n) <= tolerance() * size,
               "%s %s: no energy and no force at rest (%.1e %.1e)", name, what, energy(&e), largest(G, e.n));
    }
    if (c->holds & SOLID) {
        const double small = off_linear(&e, c), force = patch(&e, rng);
        TAP_OK(small <= tolerance(), "%s: the Hessian at rest is that of LINEAR (%.1e)", name, small);
        TAP_OK(force <= tolerance(), "%s: the patch test (%.1e)", name, force);
    }
    element_end(&e);
}

/* points and solids; shells and contact, behind them, have programs of their own */
static void test_table(void)
{
    ds_rng rng = ds_rng_make(10, 0);
    for (int i = 0; i < DSIM_ENERGY_MEMBRANE_NEO_HOOKEAN; i++) {
        const ds_energy_type *const type = ds_energy_get_type((ds_energy)i);
        size_t k = 0, commas = 0;
        while (k < N_CLAIMS && CLAIMS[k].energy != (ds_energy)i) k++;
        if (!TAP_OK(k < N_CLAIMS, "%s has its claims", type->name)) continue;
        for (const char *at = type->parameters; *at; at++) commas += *at == ',';
        TAP_OK(commas + (*type->parameters != 0) == type->n_parameters, "%s: a name for each parameter",
               type->name);
        if (type->energy) test_row(CLAIMS + k, DSIM_ENERGY_PART_ENERGY, &rng);
        if (type->dissipation) test_row(CLAIMS + k, DSIM_ENERGY_PART_DISSIPATION, &rng);
    }
}

/* >>oracle ---- */

static double relative(double got, double want, double size) { return fabs(got - want) / size; }

/* the worst of energy, gradient, Hessian, by young, by poisson, by the rest positions */
static void against_tet(element *e, const oracle_tet *o, double worst[6])
{
    static ds_real H[TANGENTS];
    /* by so many mu the reference's la is above that of ds_lame */
    const double shear = !strcmp(o->material, "stable_neo_hookean_nolog") ? 1
                       : !strcmp(o->material, "mooney_rivlin_iso")        ? 2.0 / 3
                                                                          : 0;
    const double mu = o->mu, la = o->la - shear * mu;
    const double young = mu * (3 * la + 2 * mu) / (la + mu), nu = la / (2 * (la + mu));
    const double slopes[2][2] = { /* of mu, la by young, poisson */
        { 1 / (2 * (1 + nu)), -young / (2 * (1 + nu) * (1 + nu)) },
        { nu / ((1 + nu) * (1 - 2 * nu)),
          young * (1 + 2 * nu * nu) / ((1 + nu) * (1 + nu) * (1 - 2 * nu) * (1 - 2 * nu)) }
    };
    ds_real G[COORDINATES], w[COORDINATES];
    double F[9], volume, size[4] = { 0, 1e-300, 1e-300, 1e-300 }, rest = 0;
    for (size_t i = 0; i < 12; i++) e->X[i] = (ds_real)o->X[i], e->x[i] = (ds_real)o->x[i];
    e->p[0] = (ds_real)young, e->p[1] = (ds_real)nu, e->p[2] = 1;
    derive(e);
    hessian(e, G, H);
    deformation(e, e->x, F, &volume);
    if (!strcmp(o->material, "stable_neo_hookean_raw")) /* its energy is not 0 at rest */
        rest = volume * (la / 2 * square(0.75 * mu / la) - mu / 2 * log(4.0));
    size[0] = fmax(fabs(o->energy), mu * volume);
    for (int i = 0; i < 45; i++) size[2] = fmax(size[2], fabs(o->hessian[i]));
    for (int i = 0; i < 81; i++) size[3] = fmax(size[3], fabs(o->by_rest[i]));
    for (int i = 0; i < 9; i++) size[1] = fmax(size[1], fabs(o->gradient[i]));
    size[1] = fmax(size[1], size[2] * 0.1);
    worst[0] = fmax(worst[0], relative(energy(e), o->energy - rest, size[0]));
    for (size_t i = 0, at = 0; i < 9; i++) {
        worst[1] = fmax(worst[1], relative((double)G[3 + i], o->gradient[i], size[1]));
        for (size_t j = i; j < 9; j++, at++)
            worst[2] = fmax(worst[2], relative(hessian_at(e, H, 3 + i, 3 + j), o->hessian[at], size[2]));
    }
    for (size_t i = 0; i < 9; i++) { /* by young, poisson, nine rest coordinates: adjoint of the adjoint */
        const double by_la = o->by_la[i], by_mu = o->by_mu[i] + shear * by_la;
        moves bar;
        memset(w, 0, sizeof w);
        w[3 + i] = 1;
        mixed(e, w, &bar);
        constants_bar(e, &bar);
        for (size_t k = 0; k < 2; k++) {
            const double want = by_mu * slopes[0][k] + by_la * slopes[1][k];
            const double moduli = size[1] / (k == 0 ? young : 1 - 2 * nu);
            worst[3 + k] = fmax(worst[3 + k], relative((double)bar.p[k], want, moduli));
        }
        for (size_t k = 0; k < 9; k++)
            worst[5] = fmax(worst[5], relative((double)bar.X[3 + k], o->by_rest[9 * i + k], size[3]));
    }
}

static void test_tets(void)
{
    static const struct { const char *material; ds_energy energy; } names[] = {
        { "stable_neo_hookean_lame", DSIM_ENERGY_STABLE_NEO_HOOKEAN },
        { "stable_neo_hookean_raw", DSIM_ENERGY_STABLE_NEO_HOOKEAN_RAW },
        { "stable_neo_hookean_nolog", DSIM_ENERGY_STABLE_NEO_HOOKEAN_NO_LOG },
        { "neo_hookean_log", DSIM_ENERGY_NEO_HOOKEAN },
        { "neo_hookean_Jm1", DSIM_ENERGY_NEO_HOOKEAN_J1 },
        { "stvk", DSIM_ENERGY_STVK },
        { "linear", DSIM_ENERGY_LINEAR },
        { "arap", DSIM_ENERGY_ARAP },
        { "corotated", DSIM_ENERGY_COROTATED },
        { "fixed_corotated", DSIM_ENERGY_FIXED_COROTATED },
        { "mooney_rivlin_iso", DSIM_ENERGY_MOONEY_RIVLIN }
    };
    size_t all = 0;
    for (size_t m = 0; m < sizeof names / sizeof names[0]; m++) {
        double worst[6] = { 0, 0, 0, 0, 0, 0 };
        size_t n = 0;
        element e;
        if (!element_begin(&e, ds_energy_get_type(names[m].energy), DSIM_ENERGY_PART_ENERGY)) continue;
        for (size_t i = 0; i < sizeof ORACLE_TETS / sizeof ORACLE_TETS[0]; i++)
            if (!strcmp(ORACLE_TETS[i].material, names[m].material)) {
                against_tet(&e, ORACLE_TETS + i, worst);
                n++;
            }
        all += n;
        TAP_OK(n >= 6 && worst[0] <= (IS_FLOAT ? 1e-3 : 1e-10) && worst[1] <= tolerance() &&
               worst[2] <= tolerance() && worst[3] <= tolerance() && worst[4] <= tolerance() &&
               worst[5] <= tolerance(),
               "%s, %d tetrahedra of the reference: energy, gradient, Hessian, by young, poisson, rest "
               "(%.0e %.0e %.0e %.0e %.0e %.0e)", e.type->name, (int)n, worst[0], worst[1], worst[2],
               worst[3], worst[4], worst[5]);
        element_end(&e);
    }
    TAP_OK(all == sizeof ORACLE_TETS / sizeof ORACLE_TETS[0], "every tetrahedron of the reference was asked");
}

static void test_springs(void)
{
    static ds_real H[TANGENTS];
    double worst[4] = { 0, 0, 0, 0 };
    element e;
    element_begin(&e, ds_energy_get_type(DSIM_ENERGY_SPRING), DSIM_ENERGY_PART_ENERGY);
    for (size_t k = 0; k < sizeof ORACLE_SPRINGS / sizeof ORACLE_SPRINGS[0]; k++) {
        const oracle_spring *const o = ORACLE_SPRINGS + k;
        ds_real G[COORDINATES], G_dot[COORDINATES];
        moves move;
        memset(&move, 0, sizeof move);
        for (int i = 0; i < 6; i++) e.x[i] = (ds_real)o->x[i];
        e.p[0] = (ds_real)o->stiffness, e.p[1] = (ds_real)o->rest_length, move.p[1] = 1;
        hessian(&e, G, H);
        gradient_dot(&e, &move, G_dot);
        worst[0] = fmax(worst[0], relative(energy(&e), o->energy, o->energy));
        for (size_t i = 0; i < 6; i++) {
            worst[1] = fmax(worst[1], relative((double)G[i], o->gradient[i], o->stiffness));
            worst[2] = fmax(worst[2], relative((double)G_dot[i], o->by_rest_length[i], o->stiffness));
            for (size_t j = 0; j < 6; j++)
                worst[3] = fmax(worst[3], relative(hessian_at(&e, H, i, j), o->hessian[6 * i + j],
                                                   o->stiffness));
        }
    }
    TAP_OK(worst[0] <= 10 * tolerance() && worst[1] <= tolerance() && worst[2] <= tolerance() &&
           worst[3] <= tolerance(), "spring, the reference (%.0e %.0e %.0e %.0e)", worst[0], worst[1],
           worst[2], worst[3]);
    element_end(&e);
}

/* >>helpers ---- */

/* the force of RAYLEIGH is -time K v, K the Hessian of LINEAR at rest */
static void test_rayleigh(void)
{
    static ds_real H[TANGENTS];
    for (int plane = 0; plane < 2; plane++) {
        element e, linear;
        ds_real G[COORDINATES], K_v[COORDINATES], ignored[COORDINATES];
        ds_rng rng = ds_rng_make(11, 0);
        element_begin(&e, ds_energy_get_type(plane ? DSIM_ENERGY_RAYLEIGH_2D : DSIM_ENERGY_RAYLEIGH),
                      DSIM_ENERGY_PART_DISSIPATION);
        element_begin(&linear, ds_energy_get_type(plane ? DSIM_ENERGY_LINEAR_2D : DSIM_ENERGY_LINEAR),
                      DSIM_ENERGY_PART_ENERGY);
        e.p[0] = 1000, e.p[1] = (ds_real)0.3, e.p[2] = (ds_real)0.01, e.p[3] = 2;
        memcpy(linear.p, e.p, sizeof e.p);
        rest_shape(&e, plane), rest_shape(&linear, plane);
        derive(&e), derive(&linear);
        shake(&e, &rng, 0.3);
        hessian(&linear, ignored, H);
        gradient(&e, G);
        for (size_t i = 0; i < e.n; i++) {
            double sum = 0;
            for (size_t j = 0; j < e.n; j++) sum += hessian_at(&e, H, i, j) * (double)e.v[j];
            K_v[i] = (ds_real)(0.01 * sum);
        }
        TAP_OK(off(G, K_v, e.n) <= tolerance() * largest(G, e.n), "%s: time K v (%.1e)", e.type->name,
               off(G, K_v, e.n) / largest(G, e.n));
        element_end(&e), element_end(&linear);
    }
}

static void test_lame(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    const ds_var young = ds_input(t, 1000), poisson = ds_input(t, 0.3);
    ds_var mu, la, flat_mu, flat_la;
    ds_lame(young, poisson, &mu, &la);
    ds_lame_plane_stress(young, poisson, &flat_mu, &flat_la);
    TAP_NEAR(ds_value(mu), 1000 / 2.6, 4 * tolerance(), "mu");
    TAP_NEAR(ds_value(flat_mu), 1000 / 2.6, 4 * tolerance(), "mu of plane stress");
    TAP_NEAR(ds_value(la), 300 / (1.3 * 0.4), 4 * tolerance(), "la");
    TAP_NEAR(ds_value(flat_la), 300 / 0.91, 4 * tolerance(), "la of plane stress");
    ds_backward(la);
    TAP_NEAR(ds_grad(poisson), 1000 * 1.18 / (1.69 * 0.16), 10 * tolerance(), "la by poisson");
    ds_backward(flat_la);
    TAP_NEAR(ds_grad(poisson), 1000 * 1.09 / (0.91 * 0.91), 10 * tolerance(),
             "la of plane stress by poisson");
    ds_tape_destroy(t);
}

/* plane stress as a plane strain of other moduli, as the comment at DSI_ENERGIES_SOLID says */
static void test_plane_stress(void)
{
    static ds_real H[TANGENTS], want[TANGENTS];
    const double young = 1000, nu = 0.3;
    element stress, other;
    ds_real G[COORDINATES];
    element_begin(&stress, ds_energy_get_type(DSIM_ENERGY_LINEAR_PLANE_STRESS_2D), DSIM_ENERGY_PART_ENERGY);
    element_begin(&other, ds_energy_get_type(DSIM_ENERGY_STVK_2D), DSIM_ENERGY_PART_ENERGY);
    rest_shape(&stress, 1), rest_shape(&other, 1);
    stress.p[0] = (ds_real)young, stress.p[1] = (ds_real)nu, stress.p[3] = other.p[3] = 1;
    other.p[0] = (ds_real)(young * (1 + 2 * nu) / ((1 + nu) * (1 + nu)));
    other.p[1] = (ds_real)(nu / (1 + nu));
    derive(&stress), derive(&other);
    hessian(&stress, G, want);
    hessian(&other, G, H);
    TAP_OK(off(H, want, 45) <= tolerance() * largest(want, 45), "plane stress by other moduli");
    element_end(&stress), element_end(&other);
}

/* value, slope, curvature on both sides of the border and in a tie */
static void test_log(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    static const double at[] = { 3, 0.1000001, 0.1, 0.0999999, 0.05, 0, -2 };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        const double a = at[i], u = (a - 0.1) / 0.1, out = a >= 0.1;
        const double want[3] = { out != 0 ? log(a) : log(0.1) + u - u * u / 2, out != 0 ? 1 / a : 10 - 10 * u,
                                 out != 0 ? -1 / (a * a) : -100 };
        ds_real second[1];
        ds_var x, f;
        ds_tape_reset(t);
        x = ds_input(t, a);
        f = ds_log_guarded(x, (double)(ds_real)0.1);
        TAP_OK(!ds_hessian(f, &x, 1, second) &&
               relative((double)ds_value(f), want[0], 1) < 10 * tolerance() &&
               relative((double)ds_grad(x), want[1], 10) < 10 * tolerance() &&
               relative((double)second[0], want[2], 100) < (IS_FLOAT ? 1e-3 : 1e-11),
               "ds_log_guarded at %g: %g %g %g", a, (double)ds_value(f), (double)ds_grad(x),
               (double)second[0]);
    }
    TAP_OK(isnan((double)ds_value(ds_log_guarded(ds_input(t, 1), 0))), "a border of 0 is a NaN");
    ds_tape_destroy(t);
}

/* the factor at speed r for the limit 2, and the slope of the clamped speed along v, by formula */
static double clamped(int tanh_form, double r)
{
    const double c = 2;
    if (tanh_form) return r * (r > 0 ? tanh(c / r) : 1);
    return r > c ? c / pow(1 + pow(c / r, 8), 0.125) : r / pow(1 + pow(r / c, 8), 0.125);
}
static void test_speed(void)
{
    static const double speeds[] = { 0, 1e-9, 0.05, 1, 1.999, 2, 2.001, 5, 1e6 };
    ds_tape *const t = ds_tape_create(NULL);
    for (int form = 0; form < 2; form++)
        for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
            const double r = speeds[i], step = 1e-3 * (r > 0.01 ? r : 0);
            const double want = clamped(form, r);
            double slope_along = 1, across = r > 0 ? want / r : 1;
            ds_var3 v, w;
            ds_var limit, f;
            ds_v3 along, out;
            const ds_real direction[3] = { 1, 1, 1 };
            ds_real second[3];
            ds_var one[3];
            double across_slope = 0;
            if (step > 0)
                slope_along = (clamped(form, r - 2 * step) - 8 * clamped(form, r - step) +
                               8 * clamped(form, r + step) - clamped(form, r + 2 * step)) / (12 * step);
            ds_tape_reset(t);
            v = ds_input3(t, ds_v3_make((ds_real)(0.6 * r), 0, (ds_real)(0.8 * r)));
            limit = ds_input(t, 2);
            w = form ? ds_clamp_speed_tanh(v, limit) : ds_clamp_speed(v, limit);
            out = ds_value3(w);
            f = ds_add(ds_mul(ds_c(0.6), ds_x(w)), ds_mul(ds_c(0.8), ds_z(w)));
            ds_backward(f);
            along = ds_grad3(v);
            TAP_OK(relative((double)out.x * 0.6 + (double)out.z * 0.8, want, want > 1 ? want : 1) <
                   10 * tolerance(),
                   "%s at speed %g: %g", form ? "ds_clamp_speed_tanh" : "ds_clamp_speed", r, want);
            TAP_OK(relative((double)along.x * 0.6 + (double)along.z * 0.8, slope_along, 1) <
                   (IS_FLOAT ? 1e-3 : 1e-8), "its slope along v: %g", slope_along);
            f = ds_y(w);
            ds_backward(f);
            along = ds_grad3(v);
            TAP_OK(relative((double)along.y, across, 1) < 10 * tolerance(), "its slope across v: %g", across);
            one[0] = ds_x(v), one[1] = ds_y(v), one[2] = ds_z(v);
            if (step > 0)
                across_slope = (clamped(form, r + step) / (r + step) - clamped(form, r - step) / (r - step)) /
                               (2 * step);
            TAP_OK(!ds_hessian_vector(f, one, direction, 3, second) &&
                   relative((double)second[1], 1.4 * across_slope, 1) < (IS_FLOAT ? 1e-3 : 1e-5),
                   "how that changes: %g", (double)second[1]);
        }
    ds_tape_destroy(t);
}

/* on a tape: F = I at rest, the linear map where it is one, the volume */
static void test_gradients(void)
{
    static const double at[12] = { 0.1, 0.2, 0.3, 1.1, 0.1, 0, 0.2, 0.9, 0.1, 0.1, 0.2, 1.1 };
    static const double map[9] = { 1.2, 0.3, -0.1, 0, 0.8, 0.2, 0.4, 0.1, 1.1 };
    ds_tape *const t = ds_tape_create(NULL);
    ds_var3 X[4], x[4];
    ds_var33 inverse;
    ds_var flat[4], F22[4], area, volume;
    ds_m3 F;
    double worst = 0;
    for (int i = 0; i < 4; i++) {
        const double *const a = at + 3 * i;
        X[i] = ds_input3(t, ds_v3_make((ds_real)a[0], (ds_real)a[1], (ds_real)a[2]));
        x[i] = ds_input3(t, ds_v3_make((ds_real)(map[0] * a[0] + map[1] * a[1] + map[2] * a[2]),
                                       (ds_real)(map[3] * a[0] + map[4] * a[1] + map[5] * a[2]),
                                       (ds_real)(map[6] * a[0] + map[7] * a[1] + map[8] * a[2])));
    }
    volume = ds_rest_of_tet(X, &inverse);
    F = ds_value33(ds_gradient_of_tet(x, inverse));
    for (int i = 0; i < 9; i++) worst = fmax(worst, fabs((double)F.m[i] - map[i]));
    TAP_OK(worst < 10 * tolerance() && ds_value(volume) > 0, "F of a tetrahedron is the map (%.1e)", worst);
    TAP_NEAR(ds_value(ds_rest_of_tet(x, NULL)) / ds_value(volume),
             1.2 * (0.88 - 0.02) - 0.3 * -0.08 - 0.1 * -0.32, 10 * tolerance(), "the volume grows by det F");
    area = ds_rest_of_triangle(X, flat);
    ds_gradient_of_triangle(X, flat, F22);
    for (int i = 0; i < 4; i++)
        TAP_OK(relative((double)ds_value(F22[i]), i % 3 == 0, 1) < 10 * tolerance(),
               "F of a triangle at rest is I: entry %d", i);
    TAP_NEAR(ds_value(area), fabs((1.0 * 0.7 - -0.1 * 0.1) / 2), 10 * tolerance(), "its area");
    TAP_OK(isnan((double)ds_value(ds_rest_of_tet(NULL, NULL))) &&
           isnan((double)ds_value(ds_rest_of_triangle(NULL, NULL))), "no points: NaN");
    ds_lame(area, area, NULL, NULL);
    ds_lame_plane_stress(area, area, NULL, NULL);
    ds_gradient_of_triangle(NULL, flat, F22);
    TAP_OK(!ds_gradient_of_tet(NULL, inverse).rec, "nor a matrix");
    ds_tape_destroy(t);
}

/* a torsion spring that is straight at rest: smooth there, and on both sides of where the series ends */
static void test_straight(void)
{
    static const double bends[] = { 0, 1e-9, 1e-5, 0.9e-3, 1.1e-3, 0.1 };
    element e;
    element_begin(&e, ds_energy_get_type(DSIM_ENERGY_TORSION), DSIM_ENERGY_PART_ENERGY);
    e.p[0] = 10, e.p[1] = (ds_real)3.14159265358979323846;
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++) {
        static ds_real H[TANGENTS];
        const double f = bends[i];
        ds_real G[COORDINATES];
        double far[4] = { 0, 0, 0, 0 }, along, across;
        memset(e.x, 0, sizeof e.x);
        e.x[0] = -1;
        e.x[6] = (ds_real)(2 * cos(f)), e.x[7] = (ds_real)(2 * sin(f));
        hessian(&e, G, H);
        along = sin(f) * sin(f) * hessian_at(&e, H, 6, 6) - 2 * sin(f) * cos(f) * hessian_at(&e, H, 6, 7)
              + cos(f) * cos(f) * hessian_at(&e, H, 7, 7);
        across = f > 0 ? 2.5 * f / tan(f) : 2.5;
        TAP_OK(relative(energy(&e), 5 * f * f, 5 * f * f + 1e-6) < (IS_FLOAT ? 1e-3 : 1e-11) &&
               relative(hypot((double)G[6], (double)G[7]), 5 * f, 1) < (IS_FLOAT ? 1e-4 : 1e-12) &&
               relative(along, 2.5, 1) < (IS_FLOAT ? 5e-3 : 1e-9) &&
               relative(hessian_at(&e, H, 8, 8), across, 1) < (IS_FLOAT ? 1e-3 : 1e-9),
               "torsion bent by %g: energy, force, Hessian (%.9f %.9f)", f, along, hessian_at(&e, H, 8, 8));
        if (!IS_FLOAT && f < 1e-6) {
            memcpy(e.X, e.x, sizeof e.X);
            differences(&e, far);
            TAP_OK(far[1] < 1e-6, "its Hessian by differences (%.0e)", far[1]);
        }
    }
    element_end(&e);
}

/* parameters that are shared, or logarithms: the same numbers */
static void test_kinds(void)
{
    static const ds_parameter_kind kinds[2] = { DSIM_PARAMETER_SHARED_LOG, DSIM_PARAMETER_PER_ELEMENT };
    ds_kernel *const k =
        ds_energy_kernel(NULL, ds_energy_get_type(DSIM_ENERGY_SPRING), DSIM_ENERGY_PART_ENERGY, kinds);
    ds_runner *const r = ds_runner_create(NULL);
    ds_real x[12] = { 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0 }, log_k[1], l0[2] = { 1, 1 }, sum[1] = { 0 };
    int32_t points[4] = { 0, 1, 2, 3 };
    ds_array a[5];
    log_k[0] = ds_real_log(10);
    a[0] = ds_array_indices(points, 2, 2), a[1] = ds_array_reals(x, 4, 3), a[2] = ds_array_reals(log_k, 1, 1);
    a[3] = ds_array_reals(l0, 2, 1), a[4] = ds_array_reals(sum, 1, 1);
    TAP_OK(!ds_launch(r, k, 2, a, 5), "two springs of one stiffness, given as its logarithm");
    TAP_NEAR(sum[0], 5 * 1 + 5 * 4, 100 * tolerance(), "their energy");
    TAP_OK(!ds_energy_get_type((ds_energy)-1)->energy && !ds_energy_get_type(DSIM_ENERGY_COUNT)->energy,
           "an energy that is none is a type without a part");
    ds_runner_destroy(r);
    ds_kernel_destroy(k);
}

int main(void)
{
    test_table();
    test_tets();
    test_springs();
    test_rayleigh();
    test_lame();
    test_plane_stress();
    test_log();
    test_speed();
    test_gradients();
    test_straight();
    test_kinds();
    return tap_end();
}
