/* kernel_cases.c - the data of kernels.h. */

#include "kernels.h"

#include <math.h>
#include <stdlib.h>

const char *const kernel_case_names[N_KERNEL_CASES] = {
    "W1_64", "W1_256", "W2_128", "W2_512", "W5", "Hessian", "Hess_d", "Product", "small", "make"
};

static int allocate(kernel_case *c)
{
    c->n_grad = c->grads[0] + c->grads[1] + c->grads[2];
    c->index = (int32_t *)calloc(c->n_index + 1, sizeof *c->index);
    c->in = (double *)calloc(c->n_in + 1, sizeof *c->in);
    c->out_bar = (double *)calloc(c->n_out + 1, sizeof *c->out_bar);
    if (!c->index || !c->in || !c->out_bar) return 0;
    for (size_t i = 0; i < c->n_out; i++) c->out_bar[i] = cos(0.37 * (double)i);
    return 1;
}

void kernel_case_free(kernel_case *c)
{
    free(c->index);
    free(c->in);
    free(c->out_bar);
}

/* >>springs ---- */

/* Springs in families, each row by row: (i,j)-(i,j+1), (i,j)-(i+1,j), (i,j)-(i+1,j+1), (i,j+1)-(i+1,j). */
static void connect_points(kernel_case *c, double *rest)
{
    static const int di[4][2] = { { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 } };
    static const int dj[4][2] = { { 0, 1 }, { 0, 0 }, { 0, 1 }, { 1, 0 } };
    const int n = (int)c->side;
    const double d = 1.0 / (n - 1);
    size_t s = 0;
    for (int family = 0; family < 4; family++)
        for (int i = 0; i < n - (family != 0); i++)
            for (int j = 0; j < n - (family != 1); j++, s++) {
                for (int end = 0; end < 2; end++)
                    c->index[(size_t)end * c->lanes + s] = (i + di[family][end]) * n + j + dj[family][end];
                rest[s] = family < 2 ? d : d * sqrt(2.0);
            }
}

static int make_springs(kernel_case *c, size_t n)
{
    c->kind = CASE_SPRINGS;
    c->side = n;
    c->points = n * n;
    c->lanes = 2 * n * (n - 1) + 2 * (n - 1) * (n - 1);
    c->n_index = 2 * c->lanes;
    c->n_in = 3 * c->points + 2 * c->lanes;
    c->n_out = 3 * c->points;
    c->grads[0] = 3 * c->points;
    c->grads[1] = c->lanes;
    if (!allocate(c)) return 0;

    double *x = c->in, *y = x + c->points, *z = y + c->points, *k = z + c->points;
    const double d = 1.0 / (double)(n - 1);
    for (size_t p = 0; p < c->points; p++) {
        const double i = (double)(p / n), j = (double)(p % n);
        x[p] = i * d + 0.1 * d * sin(0.7 * i + 0.3 * j);
        y[p] = j * d + 0.1 * d * cos(0.5 * i - 0.2 * j);
        z[p] = 0.1 * d * sin(0.3 * i) * cos(0.6 * j);
    }
    for (size_t s = 0; s < c->lanes; s++) k[s] = 1000 * (1 + 0.1 * sin(0.1 * (double)s));
    connect_points(c, k + c->lanes);
    return 1;
}

/* >>stencil ---- */

/* not down to zero: denormal numbers would take most of the time */
static double bump(double i, double j, double at_i, double at_j, double width)
{
    return 0.01 + exp(-((i - at_i) * (i - at_i) + (j - at_j) * (j - at_j)) / (2 * width * width));
}

static int make_stencil(kernel_case *c, size_t n)
{
    c->kind = CASE_STENCIL;
    c->side = n;
    c->lanes = n * n;
    c->points = cells_count(c);
    c->n_in = 2 * c->points + 2;
    c->n_out = c->points;
    c->grads[0] = c->grads[1] = c->points;
    if (!allocate(c)) return 0;

    double *one_back = c->in, *two_back = one_back + c->points, *scalars = two_back + c->points;
    const double side = (double)n;
    for (size_t q = 0; q < c->points; q++) {
        const size_t i = q / cells_row(c), j = q % cells_row(c) - CELLS_BEFORE; /* wraps before a row */
        if (i < 1 || i > n || j >= n) {
            c->out_bar[q] = 0;
            continue;
        }
        const double row = (double)(i - 1), column = (double)j;
        one_back[q] = bump(row, column, 0.4 * side, 0.55 * side, 0.05 * side);
        two_back[q] = bump(row, column, 0.4 * side, 0.54 * side, 0.05 * side);
    }
    const double dx = 0.02, speed = 340, damping = 1e-3;
    const double dt = (sqrt(damping * damping + dx * dx / 3) - damping) / speed;
    scalars[0] = (speed * speed * dt * dt + speed * damping * dt) / (dx * dx);
    scalars[1] = speed * damping * dt / (dx * dx);
    return 1;
}

/* >>tets ---- */

/* B [3][3] is the inverse of the matrix of edges, whose columns are points 1, 2, 3 less point 0. Points are
   X [3][points]. Returns the volume. */
static double invert_edges(const double *X, size_t points, const int32_t *corner, double B[9])
{
    double D[3][3];
    for (int column = 0; column < 3; column++)
        for (size_t row = 0; row < 3; row++)
            D[row][column] = X[row * points + (size_t)corner[column + 1]]
                           - X[row * points + (size_t)corner[0]];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int r = (j + 1) % 3, s = (j + 2) % 3, t = (i + 1) % 3, u = (i + 2) % 3;
            B[3 * i + j] = D[r][t] * D[s][u] - D[r][u] * D[s][t];
        }
    const double det = D[0][0] * B[0] + D[0][1] * B[3] + D[0][2] * B[6];
    for (int i = 0; i < 9; i++) B[i] /= det;
    return fabs(det) / 6;
}

enum { CUBES_X = 20, CUBES_Y = 10, CUBES_Z = 10, CUBES = CUBES_X * CUBES_Y * CUBES_Z };
enum { MESH_POINTS = (CUBES_X + 1) * (CUBES_Y + 1) * (CUBES_Z + 1), MESH_TETS = 5 * CUBES };

/* Tetrahedra of a cube, two ways by turns so that neighbours fit. Bits of a corner: x, y, z. */
static void cut_cubes(int32_t *corners)
{
    static const int cuts[2][5][4] = {
        { { 0, 1, 3, 5 }, { 0, 3, 2, 6 }, { 0, 5, 4, 6 }, { 3, 5, 6, 7 }, { 0, 3, 5, 6 } },
        { { 1, 0, 2, 4 }, { 1, 2, 3, 7 }, { 1, 4, 5, 7 }, { 2, 4, 6, 7 }, { 1, 2, 4, 7 } }
    };
    for (int cube = 0, e = 0; cube < CUBES; cube++) {
        const int i = cube / (CUBES_Y * CUBES_Z), j = cube / CUBES_Z % CUBES_Y, k = cube % CUBES_Z;
        for (int tet = 0; tet < 5; tet++, e++)
            for (int corner = 0; corner < 4; corner++) {
                const int bits = cuts[(i + j + k) % 2][tet][corner];
                const int x = i + (bits & 1), y = j + (bits >> 1 & 1), z = k + (bits >> 2);
                corners[corner * MESH_TETS + e] = (x * (CUBES_Y + 1) + y) * (CUBES_Z + 1) + z;
            }
    }
}

static void rest_points(double *X)
{
    for (int p = 0; p < MESH_POINTS; p++) {
        X[p] = 0.1 * (p / ((CUBES_Y + 1) * (CUBES_Z + 1)));
        X[MESH_POINTS + p] = 0.1 * (p / (CUBES_Z + 1) % (CUBES_Y + 1));
        X[2 * MESH_POINTS + p] = 0.1 * (p % (CUBES_Z + 1));
    }
}

static void deform(double *x)
{
    for (int p = 0; p < MESH_POINTS; p++) {
        const double X = x[p], Y = x[MESH_POINTS + p], Z = x[2 * MESH_POINTS + p];
        x[p] = X + 0.05 * sin(3 * Y);
        x[MESH_POINTS + p] = Y - 0.05 * X * X;
        x[2 * MESH_POINTS + p] = Z + 0.02 * cos(2 * X + Z);
    }
}

/* B [9], volume, mu, la of tetrahedron e of n, each [n] */
static void fill_tet(double *out, size_t n, size_t e, const double *X, const int32_t *corners)
{
    double B[9];
    int32_t corner[4];
    for (size_t k = 0; k < 4; k++) corner[k] = corners[k * MESH_TETS + e];
    out[9 * n + e] = invert_edges(X, MESH_POINTS, corner, B);
    for (size_t k = 0; k < 9; k++) out[k * n + e] = B[k];
    out[10 * n + e] = 1e5 * (1 + 0.2 * sin(0.01 * (double)e));
    out[11 * n + e] = 4e5 * (1 + 0.1 * cos(0.013 * (double)e));
}

static int make_tets(kernel_case *c)
{
    c->kind = CASE_TETS;
    c->points = MESH_POINTS;
    c->lanes = MESH_TETS;
    c->n_index = 4 * c->lanes;
    c->n_in = 3 * c->points + 12 * c->lanes;
    c->n_out = 3 * c->points;
    c->grads[0] = 3 * c->points;
    c->grads[1] = c->grads[2] = c->lanes;
    if (!allocate(c)) return 0;
    rest_points(c->in);
    cut_cubes(c->index);
    for (size_t e = 0; e < c->lanes; e++)
        fill_tet(c->in + 3 * c->points, c->lanes, e, c->in, c->index);
    deform(c->in);
    return 1;
}

/* the first tetrahedra of W5, few enough to stay in the second cache; no power of two, so that components do
   not share the sets of the first */
static int make_hessian(kernel_case *c, int kind, int of_edges)
{
    kernel_case tets = { 0 };
    const int is_product = kind == CASE_PRODUCT;
    c->kind = kind;
    c->of_edges = of_edges;
    c->lanes = 528;
    c->n_in = (size_t)(is_product ? 37 : 24) * c->lanes;
    c->n_out = (size_t)(is_product ? 12 : HESSIAN_NUMBERS) * c->lanes;
    c->grads[0] = is_product ? 0 : 12 * c->lanes;
    const int ok = make_tets(&tets) && allocate(c);
    for (size_t e = 0; ok && e < c->lanes; e++) {
        const double *from = tets.in + 3 * MESH_POINTS;
        for (size_t k = 0; k < 12; k++) {
            const size_t point = (size_t)tets.index[k / 3 * MESH_TETS + e];
            c->in[k * c->lanes + e] = tets.in[k % 3 * MESH_POINTS + point];
            c->in[(12 + k) * c->lanes + e] = from[k * MESH_TETS + e];
        }
    }
    for (size_t i = 24 * c->lanes; ok && i < c->n_in; i++)
        c->in[i] = i < 36 * c->lanes ? sin(0.7 * (double)i) : 1;
    kernel_case_free(&tets);
    return ok;
}

/* >>others ---- */

static int make_small(kernel_case *c)
{
    c->kind = CASE_SMALL;
    c->lanes = c->n_in = c->n_out = c->grads[0] = 64;
    if (!allocate(c)) return 0;
    for (size_t i = 0; i < c->lanes; i++) c->in[i] = cos((double)i);
    return 1;
}

int kernel_case_make(kernel_case *c, int which)
{
    const kernel_case none = { 0 };
    *c = none;
    c->name = kernel_case_names[which];
    switch (which) {
    case 0: return make_springs(c, 64);
    case 1: return make_springs(c, 256);
    case 2: return make_stencil(c, 128);
    case 3: return make_stencil(c, 512);
    case 4: return make_tets(c);
    case 5: return make_hessian(c, CASE_HESSIAN, 0);
    case 6: return make_hessian(c, CASE_HESSIAN, 1);
    case 7: return make_hessian(c, CASE_PRODUCT, 0);
    case 8: return make_small(c);
    default:
        c->kind = CASE_MAKE;
        c->lanes = 1;
        return allocate(c);
    }
}
