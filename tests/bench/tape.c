/* tape.c - the workloads recorded on the tape, each in the words in which one would write it.

   Loops, branches and structs are the plain code's own; what depends on an input is a ds_var (a number) or a
   ds_var3 (a vector, one node), and what does not is a double. */

#include "tape.h"

#include <math.h>

static void begin(recording *r, const double *in, int n)
{
    ds_tape_reset(r->tape);
    r->in = ds_inputs(r->tape, in, (size_t)n);
}

static ds_var input(const recording *r, int i)
{
    return ds_vars_at(r->in, (size_t)i);
}

void recording_replay(recording *r, const double *in)
{
    ds_set_inputs(r->in, in);
    ds_replay(r->tape);
}

double sweep_gradient(const recording *r, const workloads *w, double *g)
{
    (void)w;
    if (ds_backward(r->loss) != DSIM_OK || ds_grads(r->in, g) != DSIM_OK) return (double)NAN;
    return ds_value(r->loss);
}

const char *recording_error(const recording *r)
{
    return ds_tape_error(r->tape)->text;
}

/* >>A springs ---- */

static ds_v3 v3(const double *x)
{
    return ds_v3_make(x[0], x[1], x[2]);
}

static void spring_forces(const recording *r, const springs *d, const ds_var3 *x, const ds_var3 *v,
                          ds_var3 *f)
{
    ds_var3 weight = ds_input3(r->tape, ds_v3_make(0, A_MASS * A_GRAVITY, 0));
    for (int i = 0; i < A_POINTS; i++) f[i] = ds_axpy3(ds_c(-d->drag[i]), v[i], weight);
    for (int s = 0; s < A_SPRINGS; s++) {
        int i = d->a[s], j = d->b[s];
        ds_var k = input(r, s), l = input(r, A_SPRINGS + s);
        ds_var3 e = ds_sub3(x[j], x[i]);
        ds_var len = ds_norm3(e);
        ds_var c = ds_div(ds_mul(k, ds_sub(len, l)), len);
        f[i] = ds_axpy3(c, e, f[i]);
        f[j] = ds_naxpy3(c, e, f[j]);
    }
}

void record_springs(recording *r, const workloads *w)
{
    const springs *d = &w->a;
    ds_var3 x[A_POINTS], v[A_POINTS], f[A_POINTS];
    begin(r, d->in, A_INPUTS);
    for (int i = 0; i < A_POINTS; i++) {
        x[i] = ds_input3(r->tape, v3(d->x0 + 3 * i));
        v[i] = ds_input3(r->tape, ds_v3_make(0, 0, 0));
    }
    for (int step = 0; step < A_STEPS; step++) {
        spring_forces(r, d, x, v, f);
        for (int i = 1; i < A_POINTS; i++) {
            v[i] = ds_axpy3(ds_c(A_DT / A_MASS), f[i], v[i]);
            x[i] = ds_axpy3(ds_c(A_DT), v[i], x[i]);
        }
    }
    ds_var3 mean = ds_scale3(ds_sum3(x, A_POINTS), ds_c(1.0 / A_POINTS));
    ds_var3 miss = ds_sub3(mean, ds_input3(r->tape, v3(d->target)));
    r->loss = ds_dot3(miss, miss);
}

/* >>B tetrahedra ---- */

static void record_vertices(recording *r, const tets *d, ds_var3 *x)
{
    begin(r, d->in, B_INPUTS);
    for (int i = 0; i < B_VERTICES; i++) x[i] = ds_vars_at3(r->in, (size_t)i);
}

/* energy density of one tetrahedron from the columns of its deformation gradient */
static ds_var tet_density(ds_var3 F0, ds_var3 F1, ds_var3 F2)
{
    ds_var Ic = ds_add(ds_add(ds_dot3(F0, F0), ds_dot3(F1, F1)), ds_dot3(F2, F2));
    ds_var J = ds_dot3(F0, ds_cross3(F1, F2));
    ds_var psi = ds_fma(ds_c(0.5 * B_MU), Ic, ds_c(-1.5 * B_MU));
    psi = ds_fma(ds_c(0.5 * B_LAM), ds_square(ds_sub(J, ds_c(B_ALPHA))), psi);
    return ds_fma(ds_c(-0.5 * B_MU), ds_log(ds_add(Ic, ds_c(1))), psi);
}

/* column c of F = D Dm_inv, D with the columns d1 d2 d3 */
static ds_var3 column(const double *Dm_inv, int c, ds_var3 d1, ds_var3 d2, ds_var3 d3)
{
    ds_var3 F = ds_scale3(d1, ds_c(Dm_inv[c]));
    F = ds_axpy3(ds_c(Dm_inv[3 + c]), d2, F);
    return ds_axpy3(ds_c(Dm_inv[6 + c]), d3, F);
}

void record_tets(recording *r, const workloads *w)
{
    const tets *d = &w->b;
    ds_var3 x[B_VERTICES];
    ds_var E = ds_c(0);
    record_vertices(r, d, x);
    for (int e = 0; e < B_TETS; e++) {
        const int *t = d->t + 4 * e;
        const double *B = d->Dm_inv + 9 * e;
        ds_var3 d1 = ds_sub3(x[t[1]], x[t[0]]);
        ds_var3 d2 = ds_sub3(x[t[2]], x[t[0]]);
        ds_var3 d3 = ds_sub3(x[t[3]], x[t[0]]);
        ds_var3 F0 = column(B, 0, d1, d2, d3), F1 = column(B, 1, d1, d2, d3), F2 = column(B, 2, d1, d2, d3);
        E = ds_fma(ds_c(d->volume[e]), tet_density(F0, F1, F2), E);
    }
    r->loss = E;
}

/* column c of F as one node: the four points weighed by column c of [-1 -1 -1; 1 0 0; 0 1 0; 0 0 1] Dm_inv */
static ds_var3 column_fused(const double *Dm_inv, int c, const ds_var3 *x)
{
    const double b1 = Dm_inv[c], b2 = Dm_inv[3 + c], b3 = Dm_inv[6 + c];
    const double weights[4] = { -(b1 + b2 + b3), b1, b2, b3 };
    return ds_weighted_sum3(weights, x, 4);
}

static ds_var tet_density_fused(const double *Dm_inv, const ds_var3 *x)
{
    ds_var3 F0 = column_fused(Dm_inv, 0, x);
    ds_var3 F1 = column_fused(Dm_inv, 1, x);
    ds_var3 F2 = column_fused(Dm_inv, 2, x);
    return tet_density(F0, F1, F2);
}

void record_tets_fused(recording *r, const workloads *w)
{
    const tets *d = &w->b;
    ds_var3 x[B_VERTICES];
    ds_var psi[B_TETS];
    record_vertices(r, d, x);
    for (int e = 0; e < B_TETS; e++) {
        const int *t = d->t + 4 * e;
        const ds_var3 points[4] = { x[t[0]], x[t[1]], x[t[2]], x[t[3]] };
        psi[e] = tet_density_fused(d->Dm_inv + 9 * e, points);
    }
    r->loss = ds_weighted_sum(d->volume, psi, B_TETS);
}

/* >>C product and network ---- */

void record_product(recording *r, const workloads *w)
{
    begin(r, w->c1.in, C1_INPUTS);
    ds_var p = input(r, 0);
    for (int i = 1; i < C1_INPUTS; i++) p = ds_mul(p, input(r, i));
    r->loss = p;
}

static ds_var squared_miss(const network *d, const ds_var *y)
{
    ds_var loss = ds_c(0);
    for (int i = 0; i < C2_N3; i++) loss = ds_add(loss, ds_square(ds_sub(y[i], ds_c(d->target[i]))));
    return loss;
}

/* y[rows] = W x + b */
static void affine(const ds_var *W, const ds_var *b, const ds_var *x, ds_var *y, int rows, int columns)
{
    for (int r = 0; r < rows; r++) y[r] = ds_add(b[r], ds_dot(W + r * columns, x, (size_t)columns));
}

static void tanh_all(ds_var *y, int n)
{
    for (int i = 0; i < n; i++) y[i] = ds_tanh(y[i]);
}

/* one node per dot product */
void record_network_dots(recording *r, const workloads *w)
{
    const network *d = &w->c2;
    ds_var p[C2_INPUTS], h1[C2_N1], h2[C2_N2], y[C2_N3];
    begin(r, d->in, C2_INPUTS);
    for (int i = 0; i < C2_INPUTS; i++) p[i] = input(r, i);

    for (int q = 0; q < C2_N1; q++)
        h1[q] = ds_add(p[C2_B1 + q], ds_weighted_sum(d->x, p + C2_W1 + q * C2_N0, C2_N0));
    tanh_all(h1, C2_N1);
    affine(p + C2_W2, p + C2_B2, h1, h2, C2_N2, C2_N1);
    tanh_all(h2, C2_N2);
    affine(p + C2_W3, p + C2_B3, h2, y, C2_N3, C2_N2);
    r->loss = squared_miss(d, y);
}

static ds_vars part(const recording *r, int first, int n)
{
    return ds_vars_slice(r->in, (size_t)first, (size_t)n);
}

/* one node per layer */
void record_network_blocks(recording *r, const workloads *w)
{
    const network *d = &w->c2;
    begin(r, d->in, C2_INPUTS);
    ds_vars x = ds_inputs(r->tape, d->x, C2_N0);
    ds_vars h1 = ds_affine(part(r, C2_W1, C2_N1 * C2_N0), x, part(r, C2_B1, C2_N1));
    ds_vars h2 = ds_affine(part(r, C2_W2, C2_N2 * C2_N1), ds_vars_tanh(h1), part(r, C2_B2, C2_N2));
    ds_vars out = ds_affine(part(r, C2_W3, C2_N3 * C2_N2), ds_vars_tanh(h2), part(r, C2_B3, C2_N3));

    ds_var y[C2_N3];
    for (int i = 0; i < C2_N3; i++) y[i] = ds_vars_at(out, (size_t)i);
    r->loss = squared_miss(d, y);
}

/* >>D one tetrahedron ---- */

void record_tet(recording *r, const workloads *w)
{
    const tet *d = &w->d;
    ds_var3 x[4];
    begin(r, d->in, D_INPUTS);
    for (size_t i = 0; i < 4; i++) x[i] = ds_vars_at3(r->in, i);
    ds_var psi = tet_density_fused(d->Dm_inv, x);
    r->loss = ds_weighted_sum(&d->volume, &psi, 1);
}

double sweep_hessian(const recording *r, const workloads *w, double *H)
{
    ds_var x[D_INPUTS];
    (void)w;
    for (int i = 0; i < D_INPUTS; i++) x[i] = input(r, i);
    return ds_hessian(r->loss, x, D_INPUTS, H) == DSIM_OK ? ds_value(r->loss) : (double)NAN;
}

double sweep_hessian_vector(const recording *r, const workloads *w, double *Hv)
{
    ds_var x[D_INPUTS];
    for (int i = 0; i < D_INPUTS; i++) x[i] = input(r, i);
    if (ds_hessian_vector(r->loss, x, w->d.direction, D_INPUTS, Hv) != DSIM_OK) return (double)NAN;
    return ds_value(r->loss);
}
