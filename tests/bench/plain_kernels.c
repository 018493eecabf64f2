/* plain_kernels.c - the cases of kernels.h as one writes them by hand in C, adjoints included.

   Compiled once with the flags of the header's program and once with free ones (contraction, approximate
   order of sums, the widest vectors), where KERNEL_SIMD says that the loops of lanes may be vectors. */

#define _POSIX_C_SOURCE 200809L

#include "kernel_numbers.h"

#include <tgmath.h>

#ifdef KERNEL_SIMD
#define SIMD _Pragma("omp simd")
#else
#define SIMD
#endif

/* what a loop of lanes calls, however long: else it is none of vectors */
#ifdef __GNUC__
#define LANE static inline __attribute__((always_inline))
#else
#define LANE static inline
#endif

typedef struct v3 { real x, y, z; } v3;

static inline v3 v3_make(real x, real y, real z)
{
    const v3 r = { x, y, z };
    return r;
}
static inline v3 add(v3 a, v3 b) { return v3_make(a.x + b.x, a.y + b.y, a.z + b.z); }
static inline v3 sub(v3 a, v3 b) { return v3_make(a.x - b.x, a.y - b.y, a.z - b.z); }
static inline v3 scale(real s, v3 a) { return v3_make(s * a.x, s * a.y, s * a.z); }
static inline real dot(v3 a, v3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline v3 cross(v3 a, v3 b)
{
    return v3_make(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

/* numbers [3][points] */
static inline v3 load(const real *x, size_t points, size_t at)
{
    return v3_make(x[at], x[points + at], x[2 * points + at]);
}

/* >>W1 springs ---- */

enum { ROW = 256, BLOCK = 64 }; /* most points of a row; springs of a block */

/* f = k (1 - l/|d|) d */
static inline v3 spring_force(v3 d, real k, real rest)
{
    return scale(k * (1 - rest / sqrt(dot(d, d))), d);
}

/* Adjoint by d and k; u is that of the force: k_bar += (1 - l/|d|) d.u,
   d_bar = k (1 - l/|d|) u + k l/|d|^3 (d.u) d */
static inline v3 spring_force_adjoint(v3 d, real k, real rest, v3 u, real *k_bar)
{
    const real inverse = 1 / sqrt(dot(d, d)), q = rest * inverse, du = dot(d, u);
    *k_bar += (1 - q) * du;
    return add(scale(k * (1 - q), u), scale(k * q * inverse * inverse * du, d));
}

/* n springs from points p + j to p + j + offset; the first is `first`. That is what makes plain C fast:
   no list of indices is read, and all is in rows. */
typedef struct spring_row { size_t n, p, offset, first; real rest; } spring_row;

static inline void add_rows(const numbers *s, real *out, const spring_row *row, real (*t)[ROW], real sign)
{
    for (size_t axis = 0; axis < 3; axis++) {
        real *restrict near_end = out + axis * s->c->points + row->p;
        SIMD
        for (size_t j = 0; j < row->n; j++) near_end[j] += sign * t[axis][j];
        real *restrict far_end = near_end + row->offset;
        SIMD
        for (size_t j = 0; j < row->n; j++) far_end[j] -= sign * t[axis][j];
    }
}

static void row_forces(const numbers *s, const spring_row *row)
{
    const size_t points = s->c->points, offset = row->offset, n = row->n;
    const real *restrict x = s->in + row->p, *restrict k = s->in + 3 * points + row->first;
    const real rest = row->rest;
    real t[3][ROW];
    SIMD
    for (size_t j = 0; j < n; j++) {
        const v3 d = sub(load(x + offset, points, j), load(x, points, j));
        const v3 f = spring_force(d, k[j], rest);
        t[0][j] = f.x, t[1][j] = f.y, t[2][j] = f.z;
    }
    add_rows(s, s->out, row, t, 1);
}

static void row_adjoint(const numbers *s, const spring_row *row)
{
    const size_t points = s->c->points, offset = row->offset, n = row->n;
    const real *restrict x = s->in + row->p, *restrict k = s->in + 3 * points + row->first;
    const real *restrict u = s->out_bar + row->p;
    real *restrict k_bar = s->grad + 3 * points + row->first;
    const real rest = row->rest;
    real t[3][ROW];
    SIMD
    for (size_t j = 0; j < n; j++) {
        const v3 d = sub(load(x + offset, points, j), load(x, points, j));
        const v3 w = sub(load(u, points, j), load(u + offset, points, j));
        const v3 f = spring_force_adjoint(d, k[j], rest, w, k_bar + j);
        t[0][j] = f.x, t[1][j] = f.y, t[2][j] = f.z;
    }
    add_rows(s, s->grad, row, t, -1);
}

/* the springs of every row of points, while it is in the cache */
static void each_spring_row(const numbers *s, void (*run)(const numbers *, const spring_row *))
{
    const size_t n = s->c->side, straight = n * (n - 1), diagonal = (n - 1) * (n - 1);
    const real *rest = s->in + 3 * s->c->points + s->c->lanes;
    const real side = rest[0], across = rest[2 * straight];
    for (size_t i = 0; i < n; i++) {
        const spring_row along = { n - 1, i * n, 1, i * (n - 1), side };
        const spring_row down = { n, i * n, n, straight + i * n, side };
        const spring_row right = { n - 1, i * n, n + 1, 2 * straight + i * (n - 1), across };
        const spring_row left = { n - 1, i * n + 1, n - 1, 2 * straight + diagonal + i * (n - 1), across };
        run(s, &along);
        if (i + 1 == n) break;
        run(s, &down);
        run(s, &right);
        run(s, &left);
    }
}

/* the same by the list of ends: blocks of springs are computed as vectors, and added one by one */
static inline void add_block(const numbers *s, real *out, size_t first, size_t n, real (*t)[BLOCK], real sign)
{
    const int32_t *a = s->c->index + first, *b = a + s->c->lanes;
    real *x = out, *y = x + s->c->points, *z = y + s->c->points;
    for (size_t j = 0; j < n; j++) {
        const real tx = sign * t[0][j], ty = sign * t[1][j], tz = sign * t[2][j];
        x[a[j]] += tx, y[a[j]] += ty, z[a[j]] += tz;
        x[b[j]] -= tx, y[b[j]] -= ty, z[b[j]] -= tz;
    }
}

static void springs_list_forward(const numbers *s)
{
    const size_t points = s->c->points, lanes = s->c->lanes;
    const real *restrict x = s->in, *restrict k = x + 3 * points, *restrict rest = k + lanes;
    real t[3][BLOCK];
    for (size_t first = 0; first < lanes; first += BLOCK) {
        const size_t n = lanes - first < BLOCK ? lanes - first : BLOCK;
        const int32_t *restrict a = s->c->index + first, *restrict b = a + lanes;
        SIMD
        for (size_t j = 0; j < n; j++) {
            const v3 d = sub(load(x, points, (size_t)b[j]), load(x, points, (size_t)a[j]));
            const v3 f = spring_force(d, k[first + j], rest[first + j]);
            t[0][j] = f.x, t[1][j] = f.y, t[2][j] = f.z;
        }
        add_block(s, s->out, first, n, t, 1);
    }
}

static void springs_list_adjoint(const numbers *s)
{
    const size_t points = s->c->points, lanes = s->c->lanes;
    const real *restrict x = s->in, *restrict k = x + 3 * points, *restrict rest = k + lanes;
    const real *restrict u = s->out_bar;
    real *restrict k_bar = s->grad + 3 * points;
    real t[3][BLOCK];
    for (size_t first = 0; first < lanes; first += BLOCK) {
        const size_t n = lanes - first < BLOCK ? lanes - first : BLOCK;
        const int32_t *restrict a = s->c->index + first, *restrict b = a + lanes;
        SIMD
        for (size_t j = 0; j < n; j++) {
            const size_t p = (size_t)a[j], q = (size_t)b[j], e = first + j;
            const v3 d = sub(load(x, points, q), load(x, points, p));
            const v3 w = sub(load(u, points, p), load(u, points, q));
            const v3 f = spring_force_adjoint(d, k[e], rest[e], w, k_bar + e);
            t[0][j] = f.x, t[1][j] = f.y, t[2][j] = f.z;
        }
        add_block(s, s->grad, first, n, t, -1);
    }
}

/* >>W2 stencil ---- */

static inline real laplacian(const real *u, size_t row)
{
    return u[-1] + u[1] + *(u - row) + u[row] - 4 * u[0];
}

static void stencil_forward(const numbers *s)
{
    const size_t n = s->c->side, row = cells_row(s->c), cells = s->c->points;
    const real a = s->in[2 * cells], b = s->in[2 * cells + 1];
    for (size_t i = 0; i < n; i++) {
        const size_t first = (i + 1) * row + CELLS_BEFORE;
        const real *restrict u1 = s->in + first, *restrict u2 = u1 + cells;
        real *restrict u = s->out + first;
        SIMD
        for (size_t j = 0; j < n; j++)
            u[j] = 2 * u1[j] - u2[j] + a * laplacian(u1 + j, row) - b * laplacian(u2 + j, row);
    }
}

/* the stencil is its own transpose, since what lies outside is zero */
static void stencil_adjoint(const numbers *s)
{
    const size_t n = s->c->side, row = cells_row(s->c), cells = s->c->points;
    const real a = s->in[2 * cells], b = s->in[2 * cells + 1];
    for (size_t i = 0; i < n; i++) {
        const size_t first = (i + 1) * row + CELLS_BEFORE;
        const real *restrict u_bar = s->out_bar + first;
        real *restrict u1_bar = s->grad + first, *restrict u2_bar = u1_bar + cells;
        SIMD
        for (size_t j = 0; j < n; j++) {
            const real l = laplacian(u_bar + j, row);
            u1_bar[j] += 2 * u_bar[j] + a * l;
            u2_bar[j] += -u_bar[j] - b * l;
        }
    }
}

/* >>W5 tetrahedra ---- */

/* a matrix by its columns, or three vectors */
typedef struct m3 { v3 a, b, c; } m3;

static inline m3 m3_make(v3 a, v3 b, v3 c)
{
    const m3 r = { a, b, c };
    return r;
}
static inline m3 m3_mix(real s, m3 m, real t, m3 n)
{
    return m3_make(add(scale(s, m.a), scale(t, n.a)), add(scale(s, m.b), scale(t, n.b)),
                   add(scale(s, m.c), scale(t, n.c)));
}
static inline real m3_dot(m3 m, m3 n) { return dot(m.a, n.a) + dot(m.b, n.b) + dot(m.c, n.c); }
static inline v3 m3_times(m3 m, v3 v) { return add(add(scale(v.x, m.a), scale(v.y, m.b)), scale(v.z, m.c)); }
static inline m3 transpose(m3 m)
{
    return m3_make(v3_make(m.a.x, m.b.x, m.c.x), v3_make(m.a.y, m.b.y, m.c.y), v3_make(m.a.z, m.b.z, m.c.z));
}
static inline m3 product(m3 m, m3 n)
{
    return m3_make(m3_times(m, n.a), m3_times(m, n.b), m3_times(m, n.c));
}
static inline m3 cofactors(m3 F) { return m3_make(cross(F.b, F.c), cross(F.c, F.a), cross(F.a, F.b)); }

/* what the cofactors change by when F changes by p */
static inline m3 cofactors_change(m3 F, m3 p)
{
    return m3_make(add(cross(p.b, F.c), cross(F.b, p.c)), add(cross(p.c, F.a), cross(F.c, p.a)),
                   add(cross(p.a, F.b), cross(F.a, p.b)));
}

/* differences of numbers [3][points] at the corners: 1, 2, 3 less 0 */
static inline m3 edges(const real *x, const kernel_case *c, size_t e)
{
    const int32_t *t = c->index + e;
    const size_t n = c->lanes;
    const v3 origin = load(x, c->points, (size_t)t[0]);
    return m3_make(sub(load(x, c->points, (size_t)t[n]), origin),
                   sub(load(x, c->points, (size_t)t[2 * n]), origin),
                   sub(load(x, c->points, (size_t)t[3 * n]), origin));
}
static inline m3 load_B(const real *B, size_t n, size_t e)
{
    return transpose(m3_make(load(B, n, e), load(B + 3 * n, n, e), load(B + 6 * n, n, e)));
}

/* forces at corners 1, 2, 3: -vol P B', P = mu (1 - 1/(I+1)) F + (la (J-1) - 3/4 mu) cof F */
LANE m3 tet_forces(m3 F, m3 B, real vol, real mu, real la)
{
    const m3 C = cofactors(F);
    const real q = 1 / (m3_dot(F, F) + 1), J = dot(F.a, C.a);
    const m3 P = m3_mix(-vol * mu * (1 - q), F, -vol * (la * (J - 1) - (real)0.75 * mu), C);
    return product(P, transpose(B));
}

/* Adjoint by the edges; D_bar are differences of the adjoints of the forces. With p = -vol D_bar B:
   F_bar = mu (1-q) p + 2 mu q^2 (p:F) F + la (p:C) C + (la (J-1) - 3/4 mu) dC(p),
   mu_bar += (1-q) p:F - 3/4 p:C, la_bar += (J-1) p:C */
LANE m3 tet_forces_adjoint(m3 F, m3 B, m3 D_bar, real vol, real mu, real la, real *mu_bar, real *la_bar)
{
    const m3 C = cofactors(F), DB = product(D_bar, B), p = m3_mix(-vol, DB, 0, DB);
    const real q = 1 / (m3_dot(F, F) + 1), J = dot(F.a, C.a), pF = m3_dot(p, F), pC = m3_dot(p, C);
    *mu_bar += (1 - q) * pF - (real)0.75 * pC;
    *la_bar += (J - 1) * pC;
    const m3 curved = m3_mix(2 * mu * q * q * pF, F, la * pC, C);
    const m3 straight = m3_mix(mu * (1 - q), p, la * (J - 1) - (real)0.75 * mu, cofactors_change(F, p));
    return product(m3_mix(1, curved, 1, straight), transpose(B));
}

typedef real block_of_tets[9][BLOCK];

static inline void keep(block_of_tets t, size_t j, m3 H)
{
    t[0][j] = H.a.x, t[1][j] = H.a.y, t[2][j] = H.a.z;
    t[3][j] = H.b.x, t[4][j] = H.b.y, t[5][j] = H.b.z;
    t[6][j] = H.c.x, t[7][j] = H.c.y, t[8][j] = H.c.z;
}

static void add_corners(const kernel_case *c, real *out, size_t first, size_t n, block_of_tets t)
{
    const int32_t *corner = c->index + first;
    for (size_t j = 0; j < n; j++)
        for (size_t axis = 0; axis < 3; axis++) {
            real *to = out + axis * c->points;
            const real h1 = t[axis][j], h2 = t[3 + axis][j], h3 = t[6 + axis][j];
            to[corner[c->lanes + j]] += h1;
            to[corner[2 * c->lanes + j]] += h2;
            to[corner[3 * c->lanes + j]] += h3;
            to[corner[j]] -= h1 + h2 + h3;
        }
}

static void tets_forward(const numbers *s)
{
    const kernel_case *c = s->c;
    const size_t lanes = c->lanes;
    const real *B_of = s->in + 3 * c->points, *vol = B_of + 9 * lanes, *mu = vol + lanes, *la = mu + lanes;
    block_of_tets t;
    for (size_t first = 0; first < lanes; first += BLOCK) {
        const size_t n = lanes - first < BLOCK ? lanes - first : BLOCK;
        SIMD
        for (size_t j = 0; j < n; j++) {
            const size_t e = first + j;
            const m3 B = load_B(B_of, lanes, e), F = product(edges(s->in, c, e), B);
            keep(t, j, tet_forces(F, B, vol[e], mu[e], la[e]));
        }
        add_corners(c, s->out, first, n, t);
    }
}

static void tets_adjoint(const numbers *s)
{
    const kernel_case *c = s->c;
    const size_t lanes = c->lanes;
    const real *B_of = s->in + 3 * c->points, *vol = B_of + 9 * lanes, *mu = vol + lanes, *la = mu + lanes;
    real *mu_bar = s->grad + 3 * c->points, *la_bar = mu_bar + lanes;
    block_of_tets t;
    for (size_t first = 0; first < lanes; first += BLOCK) {
        const size_t n = lanes - first < BLOCK ? lanes - first : BLOCK;
        SIMD
        for (size_t j = 0; j < n; j++) {
            const size_t e = first + j;
            const m3 B = load_B(B_of, lanes, e), F = product(edges(s->in, c, e), B);
            const m3 D_bar = edges(s->out_bar, c, e);
            keep(t, j, tet_forces_adjoint(F, B, D_bar, vol[e], mu[e], la[e], mu_bar + e, la_bar + e));
        }
        add_corners(c, s->grad, first, n, t);
    }
}

/* >>Hessian ---- */

/* Hessians of GROUP tetrahedra, a vector of them, lie number by number, `step` apart: so a group is written
   to one place. By list, all do, as the kernel has it. */
enum { GROUP = 64 / sizeof(real) };

/* where row r, column c of the upper half stands */
#define UPPER(r, c) (size_t)((r) * 12 - (r) * ((r) - 1) / 2 + (c) - (r))
#define PUT(r, c, value) to[UPPER(r, c) * step] = (value)

/* a 3 x 3 block by its rows, written to the upper half at rows r, columns c; the symmetric one to both */
LANE void put_block(real *to, size_t step, int r, int c, m3 rows)
{
    PUT(r, c, rows.a.x), PUT(r, c + 1, rows.a.y), PUT(r, c + 2, rows.a.z);
    PUT(r + 1, c, rows.b.x), PUT(r + 1, c + 1, rows.b.y), PUT(r + 1, c + 2, rows.b.z);
    PUT(r + 2, c, rows.c.x), PUT(r + 2, c + 1, rows.c.y), PUT(r + 2, c + 2, rows.c.z);
}
LANE void put_symmetric(real *to, size_t step, int r, m3 rows)
{
    PUT(r, r, rows.a.x), PUT(r, r + 1, rows.a.y), PUT(r, r + 2, rows.a.z);
    PUT(r + 1, r + 1, rows.b.y), PUT(r + 1, r + 2, rows.b.z);
    PUT(r + 2, r + 2, rows.c.z);
}

static inline m3 outer(v3 u, v3 v) { return m3_make(scale(u.x, v), scale(u.y, v), scale(u.z, v)); }
static inline m3 m3_sum(m3 m, m3 n) { return m3_make(add(m.a, n.a), add(m.b, n.b), add(m.c, n.c)); }
static inline m3 minus_sum(m3 k, m3 m, m3 n)
{
    const m3 s = m3_sum(m3_sum(k, m), n);
    return m3_make(scale(-1, s.a), scale(-1, s.b), scale(-1, s.c));
}
static inline m3 plus_diagonal(m3 m, real s)
{
    m.a.x += s, m.b.y += s, m.c.z += s;
    return m;
}
/* the matrix of v -> v x w, by rows */
static inline m3 cross_with(v3 w)
{
    return m3_make(v3_make(0, w.z, -w.y), v3_make(-w.z, 0, w.x), v3_make(w.y, -w.x, 0));
}

static inline void put_gradient(real *to, size_t n, v3 g)
{
    to[0] = g.x, to[n] = g.y, to[2 * n] = g.z;
}
static inline void add_gradient(real *to, size_t n, v3 g)
{
    to[0] += g.x, to[n] += g.y, to[2 * n] += g.z;
}

/* G = B B' by rows, and det B */
typedef struct metric { v3 row1, row2, row3; real det_B; } metric;
static inline metric metric_of(const real *B, size_t n, size_t e)
{
    const v3 b1 = load(B, n, e), b2 = load(B + 3 * n, n, e), b3 = load(B + 6 * n, n, e);
    const real b12 = dot(b1, b2), b13 = dot(b1, b3), b23 = dot(b2, b3);
    const metric G = { v3_make(dot(b1, b1), b12, b13), v3_make(b12, dot(b2, b2), b23),
                       v3_make(b13, b23, dot(b3, b3)), dot(b1, cross(b2, b3)) };
    return G;
}
static inline v3 mixed(v3 row, v3 u, v3 v, v3 w)
{
    return add(add(scale(row.x, u), scale(row.y, v)), scale(row.z, w));
}

/* Hessian and gradient of vol (mu/2 (I - 3) - mu/2 log(I + 1) + la/2 (J - 1)^2 - 3/4 mu (J - 1)) by the 12
   coordinates, about 500 operations. All is said by edges d_a: with G = B B' (rows b_a), y_a = sum_c G_ac d_c
   = F b_a and c_a = det B d_b x d_c = cof F b_a, block (a, b) is
   mu (1-q) G_ab 1 + 2 mu q^2 y_a y_b' + la c_a c_b' + (la (J-1) - 3/4 mu) d2J/dd_a dd_b.
   The first point's blocks are minus the sums of the others. */
LANE void tet_hessian(const numbers *s, size_t e, real *to, size_t step)
{
    const size_t n = s->c->lanes;
    const real *x = s->in, *B_of = x + 12 * n;
    real *gradient = s->grad + e;
    const v3 x0 = load(x, n, e), d1 = sub(load(x + 3 * n, n, e), x0), d2 = sub(load(x + 6 * n, n, e), x0);
    const v3 d3 = sub(load(x + 9 * n, n, e), x0);
    const metric G = metric_of(B_of, n, e);
    const real vol = B_of[9 * n + e], mu = vol * B_of[10 * n + e], la = vol * B_of[11 * n + e];
    const v3 y1 = mixed(G.row1, d1, d2, d3), y2 = mixed(G.row2, d1, d2, d3), y3 = mixed(G.row3, d1, d2, d3);
    const v3 c1 = scale(G.det_B, cross(d2, d3)), c2 = scale(G.det_B, cross(d3, d1));
    const v3 c3 = scale(G.det_B, cross(d1, d2));
    const real q = 1 / (dot(d1, y1) + dot(d2, y2) + dot(d3, y3) + 1), J = dot(d1, c1);
    const real s1 = mu * (1 - q), s2 = 2 * mu * q * q;
    const real pressure = la * (J - 1) - (real)0.75 * mu, s3 = G.det_B * pressure;

    const v3 g1 = add(scale(s1, y1), scale(pressure, c1)), g2 = add(scale(s1, y2), scale(pressure, c2));
    const v3 g3 = add(scale(s1, y3), scale(pressure, c3));
    put_gradient(gradient, n, scale(-1, add(add(g1, g2), g3)));
    put_gradient(gradient + 3 * n, n, g1);
    put_gradient(gradient + 6 * n, n, g2);
    put_gradient(gradient + 9 * n, n, g3);

    const v3 z1 = scale(s2, y1), z2 = scale(s2, y2), z3 = scale(s2, y3);
    const v3 w1 = scale(la, c1), w2 = scale(la, c2), w3 = scale(la, c3);
    const m3 H11 = plus_diagonal(m3_sum(outer(y1, z1), outer(c1, w1)), s1 * G.row1.x);
    const m3 H22 = plus_diagonal(m3_sum(outer(y2, z2), outer(c2, w2)), s1 * G.row2.y);
    const m3 H33 = plus_diagonal(m3_sum(outer(y3, z3), outer(c3, w3)), s1 * G.row3.z);
    const m3 K12 = cross_with(scale(s3, d3)), K13 = cross_with(scale(-s3, d2));
    const m3 K23 = cross_with(scale(s3, d1));
    const m3 H12 = plus_diagonal(m3_sum(m3_sum(outer(y1, z2), outer(c1, w2)), K12), s1 * G.row1.y);
    const m3 H13 = plus_diagonal(m3_sum(m3_sum(outer(y1, z3), outer(c1, w3)), K13), s1 * G.row1.z);
    const m3 H23 = plus_diagonal(m3_sum(m3_sum(outer(y2, z3), outer(c2, w3)), K23), s1 * G.row2.z);

    const m3 H01 = minus_sum(H11, transpose(H12), transpose(H13));
    const m3 H02 = minus_sum(H12, H22, transpose(H23)), H03 = minus_sum(H13, H23, H33);
    put_symmetric(to, step, 0, minus_sum(H01, H02, H03));
    put_block(to, step, 0, 3, H01), put_block(to, step, 0, 6, H02), put_block(to, step, 0, 9, H03);
    put_symmetric(to, step, 3, H11), put_block(to, step, 3, 6, H12), put_block(to, step, 3, 9, H13);
    put_symmetric(to, step, 6, H22), put_block(to, step, 6, 9, H23);
    put_symmetric(to, step, 9, H33);
}

static void hessian_forward(const numbers *s)
{
    for (size_t first = 0; first < s->c->lanes; first += GROUP) {
        real *restrict to = s->out + first * HESSIAN_NUMBERS;
        SIMD
        for (size_t j = 0; j < GROUP; j++) tet_hessian(s, first + j, to + j, GROUP);
    }
}
static void hessian_list_forward(const numbers *s)
{
    SIMD
    for (size_t e = 0; e < s->c->lanes; e++) tet_hessian(s, e, s->out + e, s->c->lanes);
}

/* the product of that Hessian with p: the change of g_a = mu (1-q) y_a + (la (J-1) - 3/4 mu) c_a */
LANE void tet_product(const numbers *s, size_t e)
{
    const size_t n = s->c->lanes;
    const real *x = s->in, *B_of = x + 12 * n, *p = x + 24 * n;
    real *to = s->out + e;
    const v3 x0 = load(x, n, e), p0 = load(p, n, e);
    const v3 d1 = sub(load(x + 3 * n, n, e), x0), d2 = sub(load(x + 6 * n, n, e), x0);
    const v3 d3 = sub(load(x + 9 * n, n, e), x0), e1 = sub(load(p + 3 * n, n, e), p0);
    const v3 e2 = sub(load(p + 6 * n, n, e), p0), e3 = sub(load(p + 9 * n, n, e), p0);
    const metric G = metric_of(B_of, n, e);
    const real vol = B_of[9 * n + e], mu = vol * B_of[10 * n + e], la = vol * B_of[11 * n + e];
    const v3 y1 = mixed(G.row1, d1, d2, d3), y2 = mixed(G.row2, d1, d2, d3), y3 = mixed(G.row3, d1, d2, d3);
    const v3 z1 = mixed(G.row1, e1, e2, e3), z2 = mixed(G.row2, e1, e2, e3), z3 = mixed(G.row3, e1, e2, e3);
    const v3 c1 = cross(d2, d3), c2 = cross(d3, d1), c3 = cross(d1, d2);
    const real q = 1 / (dot(d1, y1) + dot(d2, y2) + dot(d3, y3) + 1), J = G.det_B * dot(d1, c1);
    const real s1 = mu * (1 - q), s2 = 2 * mu * q * q * (dot(e1, y1) + dot(e2, y2) + dot(e3, y3));
    const real s3 = G.det_B * (la * (J - 1) - (real)0.75 * mu);
    const real s4 = la * G.det_B * G.det_B * (dot(e1, c1) + dot(e2, c2) + dot(e3, c3));
    const v3 k1 = add(cross(e2, d3), cross(d2, e3)), k2 = add(cross(e3, d1), cross(d3, e1));
    const v3 k3 = add(cross(e1, d2), cross(d1, e2));
    const v3 h1 = add(add(scale(s1, z1), scale(s2, y1)), add(scale(s3, k1), scale(s4, c1)));
    const v3 h2 = add(add(scale(s1, z2), scale(s2, y2)), add(scale(s3, k2), scale(s4, c2)));
    const v3 h3 = add(add(scale(s1, z3), scale(s2, y3)), add(scale(s3, k3), scale(s4, c3)));
    add_gradient(to, n, scale(-1, add(add(h1, h2), h3)));
    add_gradient(to + 3 * n, n, h1), add_gradient(to + 6 * n, n, h2), add_gradient(to + 9 * n, n, h3);
}
static void product_forward(const numbers *s)
{
    SIMD
    for (size_t e = 0; e < s->c->lanes; e++) tet_product(s, e);
}

static double hessian_out(const void *state, size_t i)
{
    const numbers *s = (const numbers *)state;
    const size_t number = i / s->c->lanes, e = i % s->c->lanes;
    return (double)s->out[(e / GROUP * HESSIAN_NUMBERS + number) * GROUP + e % GROUP];
}

/* >>small ---- */

static void small_forward(const numbers *s)
{
    SIMD
    for (size_t e = 0; e < s->c->lanes; e++) {
        real sum = 1;
        for (int i = SMALL_DEGREE; i > 0; i--) sum = sum * s->in[e] + 1 / (real)i;
        s->out[e] = sum;
    }
}

static void small_adjoint(const numbers *s)
{
    SIMD
    for (size_t e = 0; e < s->c->lanes; e++) {
        real sum = 1, slope = 0;
        for (int i = SMALL_DEGREE; i > 0; i--) {
            slope = slope * s->in[e] + sum;
            sum = sum * s->in[e] + 1 / (real)i;
        }
        s->grad[e] += slope * s->out_bar[e];
    }
}

/* >>sides ---- */

static void *create(const kernel_case *c)
{
    if (c->kind == CASE_MAKE) return NULL;
    numbers *s = (numbers *)malloc(sizeof *s);
    if (s && numbers_make(s, c)) return s;
    free(s);
    return NULL;
}

static void *create_list(const kernel_case *c)
{
    return c->kind == CASE_SPRINGS || c->kind == CASE_HESSIAN ? create(c) : NULL;
}

static void destroy(void *state)
{
    numbers_free((numbers *)state);
    free(state);
}

static int forward(void *state)
{
    const numbers *s = (const numbers *)state;
    switch (s->c->kind) {
    case CASE_SPRINGS: each_spring_row(s, row_forces); break;
    case CASE_STENCIL: stencil_forward(s); break;
    case CASE_TETS: tets_forward(s); break;
    case CASE_HESSIAN: hessian_forward(s); break;
    case CASE_PRODUCT: product_forward(s); break;
    default: small_forward(s); break;
    }
    return 0;
}

static int adjoint(void *state)
{
    const numbers *s = (const numbers *)state;
    switch (s->c->kind) {
    case CASE_SPRINGS: each_spring_row(s, row_adjoint); break;
    case CASE_STENCIL: stencil_adjoint(s); break;
    case CASE_TETS: tets_adjoint(s); break;
    case CASE_SMALL: small_adjoint(s); break;
    default: break;
    }
    return 0;
}

static int list_forward(void *state)
{
    const numbers *s = (const numbers *)state;
    if (s->c->kind == CASE_SPRINGS) springs_list_forward(s);
    else hessian_list_forward(s);
    return 0;
}
static int list_adjoint(void *state)
{
    springs_list_adjoint((const numbers *)state);
    return 0;
}

static double out(const void *state, size_t i)
{
    return ((const numbers *)state)->c->kind == CASE_HESSIAN ? hessian_out(state, i) : numbers_out(state, i);
}

extern const kernel_side KERNEL_SIDE[2];
const kernel_side KERNEL_SIDE[2] = {
    { "plain", KERNEL_REAL, KERNEL_FLAGS, create, destroy, forward, adjoint, out, numbers_grad,
      numbers_clear, NULL },
    { "by list", KERNEL_REAL, KERNEL_FLAGS, create_list, destroy, list_forward, list_adjoint, numbers_out,
      numbers_grad, numbers_clear, NULL }
};
