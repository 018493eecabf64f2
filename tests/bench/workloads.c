/* workloads.c - the data of the workloads and their reference values. */

#include "workloads.h"

#include <math.h>
#include <string.h>

/* Losses and outputs of hand-derived adjoints, themselves checked against central differences.
   The weights of C2 take the sine of numbers near 1e4, so a compiler that contracts a product and a sum
   into one rounding moves its values by 1e-12. */
const wl_facts wl_table[WL_COUNT] = {
    { "A", 773067, A_INPUTS, A_INPUTS,
      0.53256006873857309, 0.031384858834462369, -3.7108352485690859e-06, -0.00038156747247799789 },
    { "B", 194000, B_INPUTS, B_INPUTS,
      -225.62915583528934, 4.6190543836058549, -0.068484661128241628, 0.062384846635869018 },
    { "C1", 999, C1_INPUTS, C1_INPUTS,
      0.98312305361174435, 31.091166285061032, 0.98214254715058169, 0.99134471450095973 },
    { "C2", 13464, C2_INPUTS, C2_INPUTS,
      2.8118342491099697, 15.39212911553383, -0.025643141558253205, -1.7462811980703581 },
    { "D", 96, D_INPUTS, D_HESSIAN,
      -0.091774102603817423, 3.375783986580061, 0.83306091147143257, 0.59954590030499477 },
    { "Dv", 96, D_INPUTS, D_INPUTS,
      -0.091774102603817423, 0.97972102592321542, 0.26596367910918278, 0.57378385556096967 },
};

/* >>A springs ---- */

static double distance(const double *x, int i, int j)
{
    double q = 0;
    for (int c = 0; c < 3; c++) {
        double d = x[3 * j + c] - x[3 * i + c];
        q += d * d;
    }
    return sqrt(q);
}

static void springs_make(springs *d)
{
    for (int i = 0; i < A_POINTS; i++) {
        d->x0[3 * i] = 0.1 * i;
        d->x0[3 * i + 1] = 0.05 * sin(0.7 * i);
        d->x0[3 * i + 2] = 0.05 * cos(0.7 * i);
        d->drag[i] = 0.1 * (1 + 0.5 * sin((double)i));
    }
    int s = 0;
    for (int reach = 1; reach <= 3; reach++) {
        for (int i = 0; i + reach < A_POINTS; i++, s++) {
            d->a[s] = i;
            d->b[s] = i + reach;
            d->in[s] = 50 + 10 * cos((double)s);
            d->in[A_SPRINGS + s] = distance(d->x0, i, i + reach) * (1 + 0.02 * sin((double)s));
        }
    }
    d->target[0] = 5;
    d->target[1] = 0.5;
    d->target[2] = -0.25;
}

/* >>B tetrahedra ---- */

static int vertex(int i, int j, int k)
{
    return (i * (B_NY + 1) + j) * (B_NZ + 1) + k;
}

static void place_vertex(tets *d, int i, int j, int k)
{
    double *X = d->rest + 3 * vertex(i, j, k), *x = d->in + 3 * vertex(i, j, k);
    X[0] = i;
    X[1] = j;
    X[2] = k;
    x[0] = 1.1 * X[0] + 0.08 * sin(1.3 * X[1] + 0.5 * X[2]);
    x[1] = 0.95 * X[1] + 0.07 * cos(1.1 * X[0]);
    x[2] = X[2] + 0.06 * sin(0.9 * X[0] * X[1] * 0.1 + X[2]);
}

/* D has the three rest edges of tetrahedron v as columns; returns its determinant */
static double rest_edges(const tets *d, const int *v, double *D)
{
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < 3; r++) D[3 * r + c] = d->rest[3 * v[c + 1] + r] - d->rest[3 * v[0] + r];
    return D[0] * (D[4] * D[8] - D[5] * D[7]) - D[1] * (D[3] * D[8] - D[5] * D[6])
         + D[2] * (D[3] * D[7] - D[4] * D[6]);
}

static void place_tet(tets *d, int e, int v0, int v1, int v2, int v3)
{
    int *v = d->t + 4 * e;
    double D[9];
    v[0] = v0, v[1] = v1, v[2] = v2, v[3] = v3;
    double det = rest_edges(d, v, D);
    if (det < 0) {
        v[2] = v3, v[3] = v2;
        det = rest_edges(d, v, D);
    }
    const double adjugate[9] = {
        D[4] * D[8] - D[5] * D[7], D[2] * D[7] - D[1] * D[8], D[1] * D[5] - D[2] * D[4],
        D[5] * D[6] - D[3] * D[8], D[0] * D[8] - D[2] * D[6], D[2] * D[3] - D[0] * D[5],
        D[3] * D[7] - D[4] * D[6], D[1] * D[6] - D[0] * D[7], D[0] * D[4] - D[1] * D[3]
    };
    for (int m = 0; m < 9; m++) d->Dm_inv[9 * e + m] = adjugate[m] / det;
    d->volume[e] = det / 6;
}

/* cubes alternate between two splittings, so that neighbours share the diagonals of their common face */
static void place_cube(tets *d, int cube, int i, int j, int k)
{
    static const int split[2][5][4] = {
        { { 0, 1, 3, 4 }, { 2, 3, 1, 6 }, { 5, 4, 6, 1 }, { 7, 6, 4, 3 }, { 1, 3, 4, 6 } },
        { { 1, 2, 0, 5 }, { 3, 0, 2, 7 }, { 4, 5, 7, 0 }, { 6, 7, 5, 2 }, { 0, 2, 7, 5 } }
    };
    const int corner[8] = {
        vertex(i, j, k), vertex(i + 1, j, k), vertex(i + 1, j + 1, k), vertex(i, j + 1, k),
        vertex(i, j, k + 1), vertex(i + 1, j, k + 1), vertex(i + 1, j + 1, k + 1), vertex(i, j + 1, k + 1)
    };
    for (int q = 0; q < 5; q++) {
        const int *s = split[(i + j + k) & 1][q];
        place_tet(d, 5 * cube + q, corner[s[0]], corner[s[1]], corner[s[2]], corner[s[3]]);
    }
}

static void tets_make(tets *d)
{
    for (int i = 0; i <= B_NX; i++)
        for (int j = 0; j <= B_NY; j++)
            for (int k = 0; k <= B_NZ; k++) place_vertex(d, i, j, k);
    int cube = 0;
    for (int i = 0; i < B_NX; i++)
        for (int j = 0; j < B_NY; j++)
            for (int k = 0; k < B_NZ; k++) place_cube(d, cube++, i, j, k);
}

/* >>C product and network ---- */

static void product_make(product *d)
{
    for (int i = 0; i < C1_INPUTS; i++) d->in[i] = 1.0 + 0.01 * sin(0.37 * i + 0.1);
}

static void network_make(network *d)
{
    for (int i = 0; i < C2_INPUTS; i++) d->in[i] = 0.15 * sin(1.7 * i + 0.3) + 0.05 * cos(0.013 * i);
    for (int i = 0; i < C2_N0; i++) d->x[i] = sin(0.5 * i + 0.2);
    for (int i = 0; i < C2_N3; i++) d->target[i] = 0.5 * cos(0.9 * i);
}

/* >>D one tetrahedron ---- */

static void tet_make(tet *d, const tets *b)
{
    for (int i = 0; i < D_INPUTS; i++) {
        d->in[i] = b->in[3 * b->t[4 * D_TET + i / 3] + i % 3];
        d->direction[i] = cos(1.1 * i + 0.4);
    }
    memcpy(d->Dm_inv, b->Dm_inv + 9 * D_TET, sizeof d->Dm_inv);
    d->volume = b->volume[D_TET];
}

void workloads_make(workloads *w)
{
    springs_make(&w->a);
    tets_make(&w->b);
    product_make(&w->c1);
    network_make(&w->c2);
    tet_make(&w->d, &w->b);
}

double *workloads_inputs(workloads *w, int workload)
{
    double *const inputs[WL_COUNT] = { w->a.in, w->b.in, w->c1.in, w->c2.in, w->d.in, w->d.in };
    return inputs[workload];
}
