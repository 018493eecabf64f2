/* peers.hpp - the losses of the workloads over any number type, for libraries that overload operators. */

#ifndef BENCH_PEERS_HPP
#define BENCH_PEERS_HPP

#include "peers.h"

#include <cmath>
#include <vector>

/* >>A springs ---- */

template <class T> void spring_forces(const springs &d, const T *in, const T *x, const T *v, T *f)
{
    using std::sqrt;
    const T *k = in, *l = in + A_SPRINGS;
    for (int i = 0; i < A_POINTS; i++) {
        f[3 * i] = -d.drag[i] * v[3 * i];
        f[3 * i + 1] = A_MASS * A_GRAVITY - d.drag[i] * v[3 * i + 1];
        f[3 * i + 2] = -d.drag[i] * v[3 * i + 2];
    }
    for (int s = 0; s < A_SPRINGS; s++) {
        int i = 3 * d.a[s], j = 3 * d.b[s];
        T dx = x[j] - x[i], dy = x[j + 1] - x[i + 1], dz = x[j + 2] - x[i + 2];
        T len = sqrt(dx * dx + dy * dy + dz * dz);
        T c = k[s] * (len - l[s]) / len;
        T fx = c * dx, fy = c * dy, fz = c * dz;
        f[i] += fx, f[i + 1] += fy, f[i + 2] += fz;
        f[j] -= fx, f[j + 1] -= fy, f[j + 2] -= fz;
    }
}

template <class T> T springs_loss(const springs &d, const T *in)
{
    std::vector<T> x(d.x0, d.x0 + 3 * A_POINTS), v(3 * A_POINTS), f(3 * A_POINTS);
    for (T &component : v) component = 0.0;
    for (int step = 0; step < A_STEPS; step++) {
        spring_forces(d, in, x.data(), v.data(), f.data());
        for (int i = 3; i < 3 * A_POINTS; i++) {
            v[i] += (A_DT / A_MASS) * f[i];
            x[i] += A_DT * v[i];
        }
    }
    T loss = 0.0;
    for (int c = 0; c < 3; c++) {
        T m = x[c];
        for (int i = 1; i < A_POINTS; i++) m += x[3 * i + c];
        T e = m * (1.0 / A_POINTS) - d.target[c];
        loss += e * e;
    }
    return loss;
}

/* >>B tetrahedra, and D ---- */

template <class T>
T tet_loss(const T *x0, const T *x1, const T *x2, const T *x3, const double *B, double volume)
{
    using std::log;
    T F[9];
    for (int r = 0; r < 3; r++) {
        T d1 = x1[r] - x0[r], d2 = x2[r] - x0[r], d3 = x3[r] - x0[r];
        for (int c = 0; c < 3; c++) F[3 * r + c] = d1 * B[c] + d2 * B[3 + c] + d3 * B[6 + c];
    }
    T Ic = F[0] * F[0] + F[1] * F[1] + F[2] * F[2] + F[3] * F[3] + F[4] * F[4] + F[5] * F[5]
         + F[6] * F[6] + F[7] * F[7] + F[8] * F[8];
    T J = F[0] * (F[4] * F[8] - F[5] * F[7]) - F[1] * (F[3] * F[8] - F[5] * F[6])
        + F[2] * (F[3] * F[7] - F[4] * F[6]);
    T j = J - B_ALPHA;
    return volume * ((0.5 * B_MU) * (Ic - 3.0) + (0.5 * B_LAM) * (j * j) - (0.5 * B_MU) * log(Ic + 1.0));
}

template <class T> T tets_loss(const tets &d, const T *x)
{
    T E = 0.0;
    for (int e = 0; e < B_TETS; e++) {
        const int *t = d.t + 4 * e;
        E += tet_loss(x + 3 * t[0], x + 3 * t[1], x + 3 * t[2], x + 3 * t[3], d.Dm_inv + 9 * e, d.volume[e]);
    }
    return E;
}

/* >>C product and network ---- */

template <class T> T product_loss(const T *x)
{
    T p = x[0];
    for (int i = 1; i < C1_INPUTS; i++) p *= x[i];
    return p;
}

/* y[rows] = W x + b */
template <class T, class X> void affine(const T *W, const T *b, const X *x, T *y, int rows, int columns)
{
    for (int r = 0; r < rows; r++) {
        T s = b[r];
        for (int c = 0; c < columns; c++) s += W[r * columns + c] * x[c];
        y[r] = s;
    }
}

template <class T> T network_loss(const network &d, const T *p)
{
    using std::tanh;
    T h1[C2_N1], h2[C2_N2], y[C2_N3];
    affine(p + C2_W1, p + C2_B1, d.x, h1, C2_N1, C2_N0);
    for (T &h : h1) h = tanh(h);
    affine(p + C2_W2, p + C2_B2, h1, h2, C2_N2, C2_N1);
    for (T &h : h2) h = tanh(h);
    affine(p + C2_W3, p + C2_B3, h2, y, C2_N3, C2_N2);
    T loss = 0.0;
    for (int i = 0; i < C2_N3; i++) {
        T e = y[i] - d.target[i];
        loss += e * e;
    }
    return loss;
}

/* >>any ---- */

template <class T> T loss_of(const workloads &w, int workload, const T *in)
{
    switch (workload) {
    case WL_A: return springs_loss(w.a, in);
    case WL_B: return tets_loss(w.b, in);
    case WL_C1: return product_loss(in);
    case WL_C2: return network_loss(w.c2, in);
    default: return tet_loss(in, in + 3, in + 6, in + 9, w.d.Dm_inv, w.d.volume);
    }
}

#endif
