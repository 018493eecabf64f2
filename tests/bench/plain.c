/* plain.c - the workloads as one writes them by hand in C: the loss, its gradient by a derived adjoint, in D
   its second derivatives.

   Every adjoint is the forward code read backwards; x_bar stands for d loss / d x. */

#include "workloads.h"

#include <math.h>
#include <string.h>

/* >>A springs ---- */

static void spring_forces(const springs *d, const double *x, const double *v, double *f)
{
    const double *k = d->in, *l = d->in + A_SPRINGS;
    for (int i = 0; i < A_POINTS; i++) {
        f[3 * i] = -d->drag[i] * v[3 * i];
        f[3 * i + 1] = A_MASS * A_GRAVITY - d->drag[i] * v[3 * i + 1];
        f[3 * i + 2] = -d->drag[i] * v[3 * i + 2];
    }
    for (int s = 0; s < A_SPRINGS; s++) {
        int i = 3 * d->a[s], j = 3 * d->b[s];
        double dx = x[j] - x[i], dy = x[j + 1] - x[i + 1], dz = x[j + 2] - x[i + 2];
        double len = sqrt(dx * dx + dy * dy + dz * dz);
        double c = k[s] * (len - l[s]) / len;
        double fx = c * dx, fy = c * dy, fz = c * dz;
        f[i] += fx, f[i + 1] += fy, f[i + 2] += fz;
        f[j] -= fx, f[j + 1] -= fy, f[j + 2] -= fz;
    }
}

/* e[c] = mean of component c over the particles - target; the loss is |e|^2 */
static double springs_loss(const springs *d, const double *x, double *e)
{
    double loss = 0;
    for (int c = 0; c < 3; c++) {
        double m = x[c];
        for (int i = 1; i < A_POINTS; i++) m += x[3 * i + c];
        e[c] = m * (1.0 / A_POINTS) - d->target[c];
        loss += e[c] * e[c];
    }
    return loss;
}

double springs_value(workloads *w)
{
    const springs *d = &w->a;
    double x[3 * A_POINTS], v[3 * A_POINTS] = { 0 }, f[3 * A_POINTS], e[3];
    memcpy(x, d->x0, sizeof x);
    for (int step = 0; step < A_STEPS; step++) {
        spring_forces(d, x, v, f);
        for (int i = 3; i < 3 * A_POINTS; i++) {
            v[i] += (A_DT / A_MASS) * f[i];
            x[i] += A_DT * v[i];
        }
    }
    return springs_loss(d, x, e);
}

/* fills d->path */
static void springs_rollout(springs *d)
{
    double v[3 * A_POINTS] = { 0 }, f[3 * A_POINTS];
    memcpy(d->path, d->x0, sizeof d->x0);
    for (int step = 0; step < A_STEPS; step++) {
        const double *x = d->path + step * 3 * A_POINTS;
        double *x_next = d->path + (step + 1) * 3 * A_POINTS;
        spring_forces(d, x, v, f);
        for (int i = 0; i < 3; i++) x_next[i] = x[i];
        for (int i = 3; i < 3 * A_POINTS; i++) {
            v[i] += (A_DT / A_MASS) * f[i];
            x_next[i] = x[i] + A_DT * v[i];
        }
    }
}

/* Adjoint of f_i += c d, f_j -= c d with d = x_j - x_i, len = |d|, c = k (len - l) / len:
   c_bar = (f_bar_i - f_bar_j) . d, and dc/dlen = k l / len^2 */
static void spring_forces_adjoint(const springs *d, const double *x, const double *f_bar, double *x_bar,
                                  double *g)
{
    const double *k = d->in, *l = d->in + A_SPRINGS;
    double *k_bar = g, *l_bar = g + A_SPRINGS;
    for (int s = 0; s < A_SPRINGS; s++) {
        int i = 3 * d->a[s], j = 3 * d->b[s];
        double dx = x[j] - x[i], dy = x[j + 1] - x[i + 1], dz = x[j + 2] - x[i + 2];
        double len = sqrt(dx * dx + dy * dy + dz * dz), inv = 1 / len;
        double c = k[s] * (len - l[s]) * inv;

        double bx = f_bar[i] - f_bar[j], by = f_bar[i + 1] - f_bar[j + 1], bz = f_bar[i + 2] - f_bar[j + 2];
        double c_bar = bx * dx + by * dy + bz * dz;
        k_bar[s] += c_bar * (len - l[s]) * inv;
        l_bar[s] -= c_bar * k[s] * inv;

        double w = c_bar * k[s] * l[s] * inv * inv * inv;
        double dx_bar = c * bx + w * dx, dy_bar = c * by + w * dy, dz_bar = c * bz + w * dz;
        x_bar[j] += dx_bar, x_bar[j + 1] += dy_bar, x_bar[j + 2] += dz_bar;
        x_bar[i] -= dx_bar, x_bar[i + 1] -= dy_bar, x_bar[i + 2] -= dz_bar;
    }
}

double springs_adjoint(workloads *w, double *g)
{
    springs *d = &w->a;
    double x_bar[3 * A_POINTS], v_bar[3 * A_POINTS] = { 0 }, f_bar[3 * A_POINTS] = { 0 }, e[3];
    springs_rollout(d);
    double loss = springs_loss(d, d->path + A_STEPS * 3 * A_POINTS, e);

    for (int i = 0; i < 3 * A_POINTS; i++) x_bar[i] = 2 * e[i % 3] / A_POINTS;
    for (int s = 0; s < A_INPUTS; s++) g[s] = 0;
    for (int step = A_STEPS - 1; step >= 0; step--) {
        /* v' = v + dt/m f, x' = x + dt v'; the pinned particle keeps f_bar = 0 */
        for (int i = 3; i < 3 * A_POINTS; i++) {
            v_bar[i] += A_DT * x_bar[i];
            f_bar[i] = (A_DT / A_MASS) * v_bar[i];
        }
        spring_forces_adjoint(d, d->path + step * 3 * A_POINTS, f_bar, x_bar, g);
        for (int i = 0; i < 3 * A_POINTS; i++) v_bar[i] -= d->drag[i / 3] * f_bar[i];
    }
    return loss;
}

/* >>B tetrahedra ---- */

/* F = D B, D the deformed edges as columns, B = Dm_inv */
static inline void edges_to_F(const double *x0, const double *x1, const double *x2, const double *x3,
                              const double *B, double *F)
{
    for (int r = 0; r < 3; r++) {
        double d1 = x1[r] - x0[r], d2 = x2[r] - x0[r], d3 = x3[r] - x0[r];
        for (int c = 0; c < 3; c++) F[3 * r + c] = d1 * B[c] + d2 * B[3 + c] + d3 * B[6 + c];
    }
}

static inline void deformation_gradient(const tets *d, int e, double *F)
{
    const int *t = d->t + 4 * e;
    edges_to_F(d->in + 3 * t[0], d->in + 3 * t[1], d->in + 3 * t[2], d->in + 3 * t[3], d->Dm_inv + 9 * e, F);
}

static inline double norm_squared(const double *F)
{
    return F[0] * F[0] + F[1] * F[1] + F[2] * F[2] + F[3] * F[3] + F[4] * F[4] + F[5] * F[5]
         + F[6] * F[6] + F[7] * F[7] + F[8] * F[8];
}

static inline double energy_density(double Ic, double J)
{
    double j = J - B_ALPHA;
    return (0.5 * B_MU) * (Ic - 3.0) + (0.5 * B_LAM) * (j * j) - (0.5 * B_MU) * log(Ic + 1.0);
}

static inline double determinant(const double *F)
{
    return F[0] * (F[4] * F[8] - F[5] * F[7]) - F[1] * (F[3] * F[8] - F[5] * F[6])
         + F[2] * (F[3] * F[7] - F[4] * F[6]);
}

double tets_value(workloads *w)
{
    const tets *d = &w->b;
    double E = 0;
    for (int e = 0; e < B_TETS; e++) {
        double F[9];
        deformation_gradient(d, e, F);
        E += d->volume[e] * energy_density(norm_squared(F), determinant(F));
    }
    return E;
}

/* K = dJ/dF, the cofactors of F */
static inline void cofactors(const double *F, double *K)
{
    K[0] = F[4] * F[8] - F[5] * F[7], K[1] = F[5] * F[6] - F[3] * F[8], K[2] = F[3] * F[7] - F[4] * F[6];
    K[3] = F[2] * F[7] - F[1] * F[8], K[4] = F[0] * F[8] - F[2] * F[6], K[5] = F[1] * F[6] - F[0] * F[7];
    K[6] = F[1] * F[5] - F[2] * F[4], K[7] = F[2] * F[3] - F[0] * F[5], K[8] = F[0] * F[4] - F[1] * F[3];
}

/* x_bar += P Dm_inv^T, column c of it at vertex c + 1 and the negative sum at vertex 0 */
static inline void scatter(const tets *d, int e, const double *P, double *x_bar)
{
    const int *t = d->t + 4 * e;
    const double *B = d->Dm_inv + 9 * e;
    for (int r = 0; r < 3; r++) {
        double sum = 0;
        for (int c = 0; c < 3; c++) {
            double h = P[3 * r] * B[3 * c] + P[3 * r + 1] * B[3 * c + 1] + P[3 * r + 2] * B[3 * c + 2];
            x_bar[3 * t[c + 1] + r] += h;
            sum += h;
        }
        x_bar[3 * t[0] + r] -= sum;
    }
}

double tets_adjoint(workloads *w, double *g)
{
    const tets *d = &w->b;
    double E = 0;
    for (int i = 0; i < B_INPUTS; i++) g[i] = 0;
    for (int e = 0; e < B_TETS; e++) {
        double F[9], K[9], P[9], vol = d->volume[e];
        deformation_gradient(d, e, F);
        cofactors(F, K);
        double Ic = norm_squared(F), J = F[0] * K[0] + F[1] * K[1] + F[2] * K[2];
        E += vol * energy_density(Ic, J);

        /* P = dE/dF, with dIc/dF = 2 F and dJ/dF = K */
        double a = vol * B_MU * (1 - 1 / (Ic + 1)), b = vol * B_LAM * (J - B_ALPHA);
        for (int i = 0; i < 9; i++) P[i] = a * F[i] + b * K[i];
        scatter(d, e, P, g);
    }
    return E;
}

/* >>C product and network ---- */

double product_value(workloads *w)
{
    const double *x = w->c1.in;
    double p = x[0];
    for (int i = 1; i < C1_INPUTS; i++) p *= x[i];
    return p;
}

/* dp/dx_i = (product of what stands before) (product of what stands after) */
double product_adjoint(workloads *w, double *g)
{
    const double *x = w->c1.in;
    double before[C1_INPUTS], p = 1, after = 1;
    for (int i = 0; i < C1_INPUTS; i++) {
        before[i] = p;
        p *= x[i];
    }
    for (int i = C1_INPUTS - 1; i >= 0; i--) {
        g[i] = before[i] * after;
        after *= x[i];
    }
    return p;
}

/* y[rows] = W x + b */
static void affine(const double *W, const double *b, const double *x, double *y, int rows, int columns)
{
    for (int r = 0; r < rows; r++) {
        double s = b[r];
        for (int c = 0; c < columns; c++) s += W[r * columns + c] * x[c];
        y[r] = s;
    }
}

static void tanh_all(double *y, int n)
{
    for (int i = 0; i < n; i++) y[i] = tanh(y[i]);
}

/* h1, h2: the hidden layers, e = output - target; returns |e|^2 */
static double network_forward(const network *d, double *h1, double *h2, double *e)
{
    const double *p = d->in;
    double loss = 0;
    affine(p + C2_W1, p + C2_B1, d->x, h1, C2_N1, C2_N0);
    tanh_all(h1, C2_N1);
    affine(p + C2_W2, p + C2_B2, h1, h2, C2_N2, C2_N1);
    tanh_all(h2, C2_N2);
    affine(p + C2_W3, p + C2_B3, h2, e, C2_N3, C2_N2);
    for (int i = 0; i < C2_N3; i++) {
        e[i] -= d->target[i];
        loss += e[i] * e[i];
    }
    return loss;
}

double network_value(workloads *w)
{
    double h1[C2_N1], h2[C2_N2], e[C2_N3];
    return network_forward(&w->c2, h1, h2, e);
}

/* Adjoint of y = W x + b: W_bar = y_bar x^T, b_bar = y_bar, x_bar = W^T y_bar (unless x_bar is NULL) */
static void affine_adjoint(const double *W, const double *x, const double *y_bar,
                           double *W_bar, double *b_bar, double *x_bar, int rows, int columns)
{
    for (int c = 0; x_bar && c < columns; c++) x_bar[c] = 0;
    for (int r = 0; r < rows; r++) {
        double s = y_bar[r];
        b_bar[r] = s;
        for (int c = 0; c < columns; c++) W_bar[r * columns + c] = s * x[c];
        for (int c = 0; x_bar && c < columns; c++) x_bar[c] += s * W[r * columns + c];
    }
}

/* y_bar on entry, the adjoint of tanh's argument on return; y = tanh */
static void tanh_adjoint(const double *y, double *y_bar, int n)
{
    for (int i = 0; i < n; i++) y_bar[i] *= 1 - y[i] * y[i];
}

double network_adjoint(workloads *w, double *g)
{
    const network *d = &w->c2;
    const double *p = d->in;
    double h1[C2_N1], h2[C2_N2], e[C2_N3], h1_bar[C2_N1], h2_bar[C2_N2];
    double loss = network_forward(d, h1, h2, e);

    for (int i = 0; i < C2_N3; i++) e[i] *= 2;
    affine_adjoint(p + C2_W3, h2, e, g + C2_W3, g + C2_B3, h2_bar, C2_N3, C2_N2);
    tanh_adjoint(h2, h2_bar, C2_N2);
    affine_adjoint(p + C2_W2, h1, h2_bar, g + C2_W2, g + C2_B2, h1_bar, C2_N2, C2_N1);
    tanh_adjoint(h1, h1_bar, C2_N1);
    affine_adjoint(p + C2_W1, d->x, h1_bar, g + C2_W1, g + C2_B1, NULL, C2_N1, C2_N0);
    return loss;
}

/* >>D one tetrahedron ---- */

static inline double dot3(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline void cross3(const double *a, const double *b, double *c)
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static inline void matvec3(const double *M, const double *x, double *y)
{
    for (int r = 0; r < 3; r++) y[r] = dot3(M + 3 * r, x);
}

static inline void tet_F(const double *x, const double *Dm_inv, double *F)
{
    edges_to_F(x, x + 3, x + 6, x + 9, Dm_inv, F);
}

double tet_value(workloads *w)
{
    const tet *d = &w->d;
    double F[9];
    tet_F(d->in, d->Dm_inv, F);
    return d->volume * energy_density(norm_squared(F), determinant(F));
}

/* P = dE/dF = a F + b K, and its change with dF:  dP = a dF + b dK + c (F:dF) F + e (K:dF) K */
typedef struct tet_state {
    double F[9], K[9], W[4][3];                         /* F = sum over the vertices of x_m W_m^T */
    double a, b, c, e, E;
} tet_state;

static inline void tet_at(const tet *d, tet_state *s)
{
    tet_F(d->in, d->Dm_inv, s->F);
    cofactors(s->F, s->K);
    for (int c = 0; c < 3; c++) {
        for (int m = 0; m < 3; m++) s->W[m + 1][c] = d->Dm_inv[3 * m + c];
        s->W[0][c] = -(s->W[1][c] + s->W[2][c] + s->W[3][c]);
    }
    double Ic = norm_squared(s->F), J = dot3(s->F, s->K), inv = 1 / (Ic + 1);
    s->E = d->volume * energy_density(Ic, J);
    s->a = d->volume * B_MU * (1 - inv);
    s->b = d->volume * B_LAM * (J - B_ALPHA);
    s->c = d->volume * 2 * B_MU * inv * inv;
    s->e = d->volume * B_LAM;
}

/* Blocks of vertices m, n:  a (W_m.W_n) I + b [h]' + c F W_m (F W_n)' + e K W_m (K W_n)', where
   h = F (W_m x W_n) and [h]' v = v x h, since K is the cross products of the rows of F */
double tet_hessian(workloads *w, double *H)
{
    tet_state s;
    double p[4][3], q[4][3];
    tet_at(&w->d, &s);
    for (int m = 0; m < 4; m++) {
        matvec3(s.F, s.W[m], p[m]);
        matvec3(s.K, s.W[m], q[m]);
    }
    for (int m = 0; m < 4; m++) {
        for (int n = m; n < 4; n++) {
            double normal[3], h[3], block[9], diagonal = s.a * dot3(s.W[m], s.W[n]);
            cross3(s.W[m], s.W[n], normal);
            matvec3(s.F, normal, h);
            for (int r = 0; r < 3; r++)
                for (int c = 0; c < 3; c++)
                    block[3 * r + c] = s.c * p[m][r] * p[n][c] + s.e * q[m][r] * q[n][c];
            block[0] += diagonal, block[4] += diagonal, block[8] += diagonal;
            block[1] += s.b * h[2], block[3] -= s.b * h[2];
            block[2] -= s.b * h[1], block[6] += s.b * h[1];
            block[5] += s.b * h[0], block[7] -= s.b * h[0];
            for (int r = 0; r < 3; r++)
                for (int c = 0; c < 3; c++)
                    H[12 * (3 * m + r) + 3 * n + c] = H[12 * (3 * n + c) + 3 * m + r] = block[3 * r + c];
        }
    }
    return s.E;
}

double tet_hessian_vector(workloads *w, double *Hv)
{
    tet_state s;
    double dF[9], dK[9], dP[9], F_dF = 0, K_dF = 0;
    tet_at(&w->d, &s);
    tet_F(w->d.direction, w->d.Dm_inv, dF);
    for (int r = 0; r < 3; r++) {
        /* K_r = F_i x F_j */
        int i = 3 * ((r + 1) % 3), j = 3 * ((r + 2) % 3);
        double left[3], right[3];
        cross3(dF + i, s.F + j, left);
        cross3(s.F + i, dF + j, right);
        for (int c = 0; c < 3; c++) dK[3 * r + c] = left[c] + right[c];
        F_dF += dot3(s.F + 3 * r, dF + 3 * r);
        K_dF += dot3(s.K + 3 * r, dF + 3 * r);
    }
    for (int i = 0; i < 9; i++)
        dP[i] = s.a * dF[i] + s.b * dK[i] + s.c * F_dF * s.F[i] + s.e * K_dF * s.K[i];
    for (int m = 0; m < 4; m++) matvec3(dP, s.W[m], Hv + 3 * m);
    return s.E;
}
