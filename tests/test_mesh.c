/* test_mesh.c - generators: measures, Euler characteristic, faces that fit, quality, the mesh of W5; every
   flaw is found in a mesh that has it, by name, number and sentence; edges, boundary, border and hinges
   against a plain search; no memory, and senseless descs, leave nothing behind */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "counter.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? (double)FLT_EPSILON : DBL_EPSILON)
#define PI 3.141592653589793

static ds_error error;

/* plain vectors in double */
static void point_of(const ds_mesh *m, size_t i, double x[3])
{
    for (size_t k = 0; k < 3; k++) x[k] = (double)m->points[3 * i + k];
}
static void minus(const double *a, const double *b, double *r)
{
    for (int k = 0; k < 3; k++) r[k] = a[k] - b[k];
}
static void cross(const double *a, const double *b, double *r)
{
    for (int k = 0; k < 3; k++) r[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}
static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static double sum_of(const ds_mesh *m, size_t n, void (*measure)(const ds_mesh *, ds_real *), double *least)
{
    ds_real *out = (ds_real *)malloc(n * sizeof *out + 1);
    double sum = 0;
    measure(m, out);
    *least = HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        sum += (double)out[i];
        if ((double)out[i] < *least) *least = (double)out[i];
    }
    free(out);
    return sum;
}

/* the volume that triangles enclose, positive when they are wound outward */
static double enclosed(const ds_mesh *m, const int32_t *t, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double a[3], b[3], c[3], ab[3];
        point_of(m, (size_t)t[3 * i], a);
        point_of(m, (size_t)t[3 * i + 1], b);
        point_of(m, (size_t)t[3 * i + 2], c);
        cross(a, b, ab);
        sum += dot(ab, c) / 6;
    }
    return sum;
}

static ds_mesh view_of(const ds_mesh *m, int32_t *triangles, size_t n)
{
    ds_mesh view;
    memset(&view, 0, sizeof view);
    view.n_points = m->n_points;
    view.points = m->points;
    view.n_triangles = n;
    view.triangles = triangles;
    return view;
}

/* how many points are in a list */
static size_t points_in(const ds_mesh *m, const int32_t *points, size_t n)
{
    unsigned char *used = (unsigned char *)calloc(m->n_points + 1, 1);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!used[points[i]]) used[points[i]] = 1, count++;
    free(used);
    return count;
}

/* nothing wrong at all, warnings included */
static int is_clean(const ds_mesh *m)
{
    ds_mesh_report report;
    memset(&report, 0, sizeof report);
    const ds_result r = ds_mesh_check(m, &report, &error);
    if (r || report.n) tap_diag("%s, %lu flaws", error.text, (unsigned long)report.n);
    return !r && !report.n;
}

/* a solid that is one ball: V - E + F - T = 1, its boundary a sphere, V - E + F = 2, closed and outward */
static void see_solid(const ds_mesh *m, double volume, double tolerance, const char *name)
{
    ds_mesh_list edges, boundary, hinges, border;
    double least;
    const double sum = sum_of(m, m->n_tets, ds_mesh_volumes, &least);
    TAP_OK(is_clean(m), "%s: nothing is wrong with it", name);
    TAP_NEAR(sum, volume, tolerance, "%s: volume", name);
    TAP_OK(least > 0, "%s: no tetrahedron is inverted", name);
    if (!TAP_OK(!ds_mesh_edges(m, &edges, &error) && !ds_mesh_boundary(m, &boundary, &error), "%s: lists",
                name))
        return;
    const long faces = ((long)m->n_tets * 4 + (long)boundary.n) / 2;
    TAP_OK((long)m->n_points - (long)edges.n + faces - (long)m->n_tets == 1, "%s: Euler characteristic",
           name);
    TAP_NEAR(enclosed(m, boundary.points, boundary.n), volume, tolerance, "%s: the boundary encloses it",
             name);
    ds_mesh skin = view_of(m, boundary.points, boundary.n);
    TAP_OK(!ds_mesh_border(&skin, &border, &error) && !border.n, "%s: the boundary is closed", name);
    TAP_OK(!ds_mesh_hinges(&skin, &hinges, &error) && 2 * hinges.n == 3 * boundary.n, "%s: 3 / 2 hinges",
           name);
    TAP_OK((long)points_in(m, boundary.points, 3 * boundary.n) - (long)hinges.n + (long)boundary.n == 2,
           "%s: the boundary is a sphere", name);
    ds_mesh_list_destroy(&edges);
    ds_mesh_list_destroy(&boundary);
    ds_mesh_list_destroy(&border);
    ds_mesh_list_destroy(&hinges);
}

/* the smallest angle between two faces of a tetrahedron, in degrees; a regular one has 70.5 */
static double least_dihedral(const ds_mesh *m)
{
    double least = 180;
    for (size_t e = 0; e < m->n_tets; e++) {
        double x[4][3], n[4][3];
        for (int k = 0; k < 4; k++) point_of(m, (size_t)m->tets[4 * e + (size_t)k], x[k]);
        for (int k = 0; k < 4; k++) {
            double a[3], b[3], c[3];
            minus(x[(k + 2) % 4], x[(k + 1) % 4], a);
            minus(x[(k + 3) % 4], x[(k + 1) % 4], b);
            minus(x[k], x[(k + 1) % 4], c);
            cross(a, b, n[k]);
            const double side = dot(n[k], c) > 0 ? -1 : 1;
            for (int i = 0; i < 3; i++) n[k][i] *= side;
        }
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < j; k++) {
                const double c = -dot(n[j], n[k]) / sqrt(dot(n[j], n[j]) * dot(n[k], n[k]));
                const double angle = acos(c < -1 ? -1 : c > 1 ? 1 : c) * 180 / PI;
                if (angle < least) least = angle;
            }
    }
    return least;
}

static void sort_4(const int32_t *from, int32_t *to)
{
    for (int k = 0; k < 4; k++) {
        int j = k;
        for (; j > 0 && to[j - 1] > from[k]; j--) to[j] = to[j - 1];
        to[j] = from[k];
    }
}

/* W5 of the bench (bench/kernel_cases.c): 20 x 10 x 10 cubes of 0.1 m, its points to the bit, its tetrahedra
   in its order, but for the order of points within one */
static void see_w5(void)
{
    static const int cuts[2][5][4] = {
        { { 0, 1, 3, 5 }, { 0, 3, 2, 6 }, { 0, 5, 4, 6 }, { 3, 5, 6, 7 }, { 0, 3, 5, 6 } },
        { { 1, 0, 2, 4 }, { 1, 2, 3, 7 }, { 1, 4, 5, 7 }, { 2, 4, 6, 7 }, { 1, 2, 4, 7 } }
    };
    ds_mesh_box_desc d = { 0 };
    ds_mesh m;
    d.size = ds_v3_make(2, 1, 1);
    d.nx = 20;
    d.ny = d.nz = 10;
    if (!TAP_OK(!ds_mesh_box(&d, &m, &error), "W5 is made")) return;
    TAP_OK(m.n_points == 2541 && m.n_tets == 10000, "W5: 2541 points, 10000 tetrahedra");
    int same = 1, points = 1;
    for (int e = 0; e < 10000; e++) {
        const int cube = e / 5, i = cube / 100, j = cube / 10 % 10, k = cube % 10;
        int32_t want[4], got[4], corner[4];
        for (int c = 0; c < 4; c++) {
            const int bits = cuts[(i + j + k) % 2][e % 5][c];
            corner[c] = (int32_t)(((i + (bits & 1)) * 11 + j + (bits >> 1 & 1)) * 11 + k + (bits >> 2));
        }
        sort_4(corner, want);
        sort_4(m.tets + 4 * e, got);
        same &= !memcmp(want, got, sizeof want);
    }
    TAP_OK(same, "W5: the same tetrahedra");
    for (int p = 0; p < 2541; p++)
        points &= m.points[3 * p] == dsi_product((ds_real)0.1, (ds_real)(p / 121)) &&
                  m.points[3 * p + 1] == dsi_product((ds_real)0.1, (ds_real)(p / 11 % 11)) &&
                  m.points[3 * p + 2] == dsi_product((ds_real)0.1, (ds_real)(p % 11));
    TAP_OK(points, "W5: the same points, to the bit");
    see_solid(&m, 2, 1000 * EPSILON, "W5");
    ds_mesh_destroy(&m);
    TAP_OK(!m.points && !m.n_points && !m.memory, "a mesh that is destroyed is empty");
}

static void see_boxes(void)
{
    static const size_t counts[][3] = { { 1, 1, 1 }, { 2, 1, 1 }, { 3, 2, 4 }, { 1, 5, 2 } };
    for (int c = 0; c < (int)(sizeof counts / sizeof *counts); c++)
        for (int cut = 0; cut < DSIM_BOX_CUT_COUNT; cut++) {
            ds_mesh_box_desc d = { 0 };
            ds_mesh m;
            char name[80];
            d.origin = ds_v3_make((ds_real)-0.5, 1, (ds_real)0.25);
            d.size = ds_v3_make((ds_real)0.7, (ds_real)1.5, (ds_real)0.4);
            d.nx = counts[c][0];
            d.ny = counts[c][1];
            d.nz = counts[c][2];
            d.cut = (ds_box_cut)cut;
            sprintf(name, "box %d x %d x %d, cut %d", (int)d.nx, (int)d.ny, (int)d.nz, cut);
            if (!TAP_OK(!ds_mesh_box(&d, &m, &error), "%s", name)) continue;
            TAP_OK(m.n_tets == d.nx * d.ny * d.nz * (cut ? 6 : 5), "%s: tetrahedra", name);
            see_solid(&m, 0.7 * 1.5 * 0.4, 100 * EPSILON, name);
            TAP_OK(m.points[3 * (m.n_points - 1)] == d.origin.x + d.size.x &&
                       m.points[3 * m.n_points - 1] == d.origin.z + d.size.z,
                   "%s: the far corner is where it should be, to the bit", name);
            ds_mesh_destroy(&m);
        }
    ds_mesh_box_desc d = { 0 };
    ds_mesh m;
    int there = 1; /* 49 times 1/49 is not 1 */
    for (size_t n = 1; n <= 100; n++) {
        ds_mesh_box_desc row = { 0 };
        row.nx = n;
        row.ny = row.nz = 1;
        there &= !ds_mesh_box(&row, &m, NULL) && m.points[3 * (m.n_points - 1)] == 1;
        ds_mesh_destroy(&m);
    }
    TAP_OK(there, "rows of any length end where they should");
    TAP_OK(!ds_mesh_box(NULL, &m, NULL) && m.n_tets == 320, "no desc: a cube of 4 x 4 x 4");
    ds_mesh_destroy(&m);
    d.size = ds_v3_make(2, (ds_real)0.2, (ds_real)0.3);
    TAP_OK(!ds_mesh_box(&d, &m, &error) && m.n_tets == 40 * 4 * 6 * 5, "a beam without counts: 40 x 4 x 6");
    ds_mesh_destroy(&m);
    d.ny = 2;
    TAP_OK(!ds_mesh_box(&d, &m, &error) && m.n_tets == 20 * 2 * 3 * 5, "with one of three: 20 x 2 x 3");
    ds_mesh_destroy(&m);
    d.nx = 1;
    TAP_OK(!ds_mesh_box(&d, &m, &error) && m.n_tets == 1 * 2 * 3 * 5, "with two of three: 1 x 2 x 3");
    ds_mesh_destroy(&m);
}

static void see_balls(void)
{
    double before = 0;
    for (size_t n = 1; n <= 8; n++) {
        ds_mesh_ball_desc d = { 0 };
        ds_mesh ball, sphere;
        char name[40];
        double least, off = 0;
        d.centre = ds_v3_make(1, -2, (ds_real)0.5);
        d.radius = (ds_real)0.5;
        d.n = n;
        sprintf(name, "ball of %d", (int)n);
        if (!TAP_OK(!ds_mesh_ball(&d, &ball, &error) && !ds_mesh_sphere(&d, &sphere, &error), "%s", name))
            return;
        TAP_OK(ball.n_tets == 20 * n * n * n && sphere.n_triangles == 20 * n * n &&
                   sphere.n_points == 10 * n * n + 2,
               "%s: 20 n^3 tetrahedra, 20 n^2 triangles, 10 n^2 + 2 points", name);
        const double volume = enclosed(&sphere, sphere.triangles, sphere.n_triangles);
        TAP_OK(is_clean(&sphere), "%s: nothing is wrong with the sphere", name);
        see_solid(&ball, volume, 100 * EPSILON, name);
        TAP_OK(volume > before && volume < 4.0 / 3 * PI / 8, "%s: fuller than the one before", name);
        before = volume;
        for (size_t i = 0; i < sphere.n_points; i++) {
            double x[3];
            const double centre[3] = { 1, -2, 0.5 };
            point_of(&sphere, i, x);
            minus(x, centre, x);
            if (fabs(sqrt(dot(x, x)) - 0.5) > off) off = fabs(sqrt(dot(x, x)) - 0.5);
        }
        TAP_OK(off < 4 * EPSILON, "%s: points of the sphere are on it", name);
        const double area = sum_of(&sphere, sphere.n_triangles, ds_mesh_areas, &least);
        TAP_OK(area < PI && area > PI * (1 - 0.8 / (double)(n * n)), "%s: area", name);
        TAP_OK(least > 0.65 * area / (double)sphere.n_triangles, "%s: triangles are of much the same size",
               name);
        const double angle = least_dihedral(&ball);
        tap_diag("%s: least dihedral angle %.2f degrees, smallest triangle %.3f of the mean", name, angle,
                 least * (double)sphere.n_triangles / area);
        TAP_OK(angle > 35, "%s: the least dihedral angle is above 35 degrees", name);
        ds_mesh_destroy(&ball);
        ds_mesh_destroy(&sphere);
    }
}

static void see_cloth(void)
{
    static const size_t counts[][2] = { { 1, 1 }, { 3, 2 }, { 7, 1 }, { 4, 5 } };
    for (int c = 0; c < 4; c++)
        for (int cut = 0; cut < DSIM_CLOTH_CUT_COUNT; cut++) {
            const size_t nx = counts[c][0], ny = counts[c][1];
            ds_mesh_cloth_desc d = { 0 };
            ds_mesh m;
            ds_mesh_list edges, border, hinges;
            double least, facing = HUGE_VAL;
            char name[60];
            sprintf(name, "cloth %d x %d, cut %d", (int)nx, (int)ny, cut);
            d.origin = ds_v3_make(1, 2, 3);
            d.u = ds_v3_make(0, 0, (ds_real)1.5);
            d.v = ds_v3_make((ds_real)0.7, 0, 0);
            d.nx = nx;
            d.ny = ny;
            d.cut = (ds_cloth_cut)cut;
            if (!TAP_OK(!ds_mesh_cloth(&d, &m, &error), "%s", name)) continue;
            TAP_OK(is_clean(&m), "%s: nothing is wrong with it", name);
            TAP_NEAR(sum_of(&m, m.n_triangles, ds_mesh_areas, &least), 1.5 * 0.7, 100 * EPSILON, "%s: area",
                     name);
            for (size_t t = 0; t < m.n_triangles; t++) {
                double x[3][3], a[3], b[3], n[3];
                for (int k = 0; k < 3; k++) point_of(&m, (size_t)m.triangles[3 * t + (size_t)k], x[k]);
                minus(x[1], x[0], a);
                minus(x[2], x[0], b);
                cross(a, b, n);
                if (n[1] < facing) facing = n[1];
            }
            TAP_OK(facing > 0, "%s: faces u x v, up", name);
            if (!TAP_OK(!ds_mesh_edges(&m, &edges, &error) && !ds_mesh_border(&m, &border, &error) &&
                            !ds_mesh_hinges(&m, &hinges, &error),
                        "%s: lists", name))
                continue;
            TAP_OK(m.n_points + m.n_triangles == edges.n + 1, "%s: Euler characteristic", name);
            TAP_OK(border.n == 2 * (nx + ny), "%s: border", name);
            TAP_OK(hinges.n == edges.n - border.n, "%s: hinges", name);
            double bent = 0; /* both triangles of a hinge, (a, b, c) and (b, a, d), face the same way */
            for (size_t h = 0; h < hinges.n; h++) {
                const int32_t *p = hinges.points + 4 * h;
                double x[4][3], n[2][3], e[3], f[3], g[3], away[3];
                for (int k = 0; k < 4; k++) point_of(&m, (size_t)p[k], x[k]);
                minus(x[1], x[0], e);
                minus(x[2], x[0], f);
                minus(x[3], x[0], g);
                cross(e, f, n[0]);
                cross(g, e, n[1]);
                minus(n[0], n[1], away);
                if (!(n[0][1] > 0) || sqrt(dot(away, away)) > bent)
                    bent = n[0][1] > 0 ? sqrt(dot(away, away)) : 9;
            }
            TAP_OK(bent < 1e3 * EPSILON, "%s: hinges are flat, their triangles face u x v", name);
            /* one corner of a grid of alternating diagonals has both triangles or one */
            int fan = 0;
            for (size_t k = 0; k < 3 * m.n_triangles; k++)
                fan += (size_t)m.triangles[k] == (1 * (ny + 1) + 1);
            if (nx > 1 && ny > 1) TAP_OK(fan == (cut ? 6 : 8), "%s: triangles of an inner point", name);
            ds_mesh_list_destroy(&edges);
            ds_mesh_list_destroy(&border);
            ds_mesh_list_destroy(&hinges);
            ds_mesh_destroy(&m);
        }
    ds_mesh_cloth_desc d = { 0 };
    ds_mesh m;
    TAP_OK(!ds_mesh_cloth(NULL, &m, &error) && m.n_triangles == 200 && m.points[3 * 120 + 2] == -1,
           "no desc: a square of 10 x 10");
    ds_mesh_destroy(&m);
    d.u = ds_v3_make(0, 3, 0);
    d.v = ds_v3_make(1, 0, 0);
    TAP_OK(!ds_mesh_cloth(&d, &m, &error) && m.n_triangles == 2 * 30 * 10, "no counts: 30 x 10 squares");
    ds_mesh_destroy(&m);
}

static void see_rope(void)
{
    ds_mesh_rope_desc d = { 0 };
    ds_mesh m;
    double least;
    TAP_OK(!ds_mesh_rope(NULL, &m, &error) && m.n_edges == 10 && m.n_points == 11,
           "no desc: a rope of 10 edges");
    ds_mesh_destroy(&m);
    d.from = ds_v3_make(1, 2, 3);
    d.to = ds_v3_make(4, 6, 3);
    d.n = 7;
    TAP_OK(!ds_mesh_rope(&d, &m, &error) && is_clean(&m), "a rope of 7 edges");
    TAP_NEAR(sum_of(&m, m.n_edges, ds_mesh_lengths, &least), 5, 20 * EPSILON, "its length");
    TAP_OK(m.edges[0] == 0 && m.edges[1] == 1 && m.edges[12] == 6 && m.edges[13] == 7, "its edges");
    TAP_OK(m.points[21] == 4 && m.points[22] == 6, "its end, to the bit");
    ds_mesh_destroy(&m);
}

/* Bits of all generators, the same on every machine: recorded once with gcc -O1 on x86-64. */
static void see_bits(void)
{
    const uint64_t want = IS_FLOAT ? UINT64_C(0x1baa951b521c9038) : UINT64_C(0x050ce983323ae199);
    ds_mesh_box_desc box = { 0 };
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh_cloth_desc cloth = { 0 };
    ds_mesh_rope_desc rope = { 0 };
    ds_mesh m[5];
    uint64_t hash = 0;
    box.size = ds_v3_make((ds_real)1.1, (ds_real)0.3, (ds_real)0.7);
    box.cut = DSIM_BOX_CUT_SIX;
    ball.n = 7;
    ball.radius = (ds_real)0.3;
    cloth.u = ds_v3_make((ds_real)0.3, (ds_real)0.4, 1);
    cloth.v = ds_v3_make(1, (ds_real)0.1, 0);
    rope.to = ds_v3_make(1, (ds_real)0.1, (ds_real)0.7);
    int fine = !ds_mesh_box(&box, m, NULL) && !ds_mesh_ball(&ball, m + 1, NULL) &&
               !ds_mesh_sphere(&ball, m + 2, NULL) && !ds_mesh_cloth(&cloth, m + 3, NULL) &&
               !ds_mesh_rope(&rope, m + 4, NULL);
    TAP_OK(fine, "five meshes");
    for (int k = 0; k < 5; k++) {
        hash = ds_hash_reals(m[k].points, 3 * m[k].n_points, hash);
        for (size_t i = 0; i < 4 * m[k].n_tets; i++) hash = hash * 31 + (uint64_t)m[k].tets[i];
        for (size_t i = 0; i < 3 * m[k].n_triangles; i++) hash = hash * 31 + (uint64_t)m[k].triangles[i];
        ds_mesh_destroy(m + k);
    }
    if (!ds_build_info().same_bits) {
        TAP_SKIP("this build has other bits", "bits of generators");
        return;
    }
    if (!TAP_OK(hash == want, "bits of generators")) tap_diag("0x%016llx", (unsigned long long)hash);
}

/* descs that are refused: by which, and with what word in the sentence */
static void see_refusals(void)
{
    const ds_real bad = (ds_real)HUGE_VAL;
    ds_mesh m;
    for (int c = 0; c < 9; c++) {
        static const char *const words[] = { "size",   "negative", "cut",       "points",    "points",
                                             "points", "origin",   "too small", "tetrahedra" };
        ds_mesh_box_desc d = { 0 };
        counter memory = { 0, 0, 0, 0, 0, 0, 0 };
        d.allocator = allocator_of(&memory);
        if (c == 0) d.size.x = bad;
        if (c == 1) d.size.y = -1;
        if (c == 2) d.cut = (ds_box_cut)7;
        if (c == 3) d.nx = (size_t)-1;
        if (c == 4) d.nx = 2000, d.ny = 2000, d.nz = 2000;
        if (c == 5) d.nx = d.ny = (size_t)1 << (4 * sizeof(size_t) - 1);
        if (c == 6) d.origin.z = -bad;
        if (c == 7) d.origin.x = (ds_real)(IS_FLOAT ? 1e9 : 1e18);
        if (c == 8) d.nx = 1000, d.ny = 1000, d.nz = 1000;
        memset(&m, 0xCD, sizeof m);
        const ds_result r = ds_mesh_box(&d, &m, &error);
        TAP_OK(r && r == error.code && !m.memory && !m.points && !m.n_points && !memory.live,
               "box %d: refused", c);
        TAP_HAS(error.text, words[c], "box %d: says why", c);
        TAP_OK(r == (c == 0 || c == 6                       ? DSIM_ERROR_NON_FINITE
                     : c == 3 || c == 4 || c == 5 || c == 8 ? DSIM_ERROR_OVERFLOW
                                                            : DSIM_ERROR_ARGUMENT),
               "box %d: code", c);
    }
    for (int c = 0; c < 5; c++)
        for (int solid = 0; solid < 2; solid++) {
            static const char *const words[] = { "radius", "negative", "centre", "points", "too small" };
            ds_mesh_ball_desc d = { 0 };
            if (c == 0) d.radius = bad;
            if (c == 1) d.radius = -1;
            if (c == 2) d.centre.y = (ds_real)-HUGE_VAL;
            if (c == 3) d.n = (size_t)-1;
            if (c == 4) d.centre.x = (ds_real)(IS_FLOAT ? 1e9 : 1e18);
            const ds_result r = (solid ? ds_mesh_ball : ds_mesh_sphere)(&d, &m, &error);
            TAP_OK(r && !m.memory, "ball %d, %d: refused", c, solid);
            TAP_HAS(error.text, words[c], "ball %d, %d: says why", c, solid);
        }
    for (int c = 0; c < 5; c++) {
        static const char *const words[] = { "parallel", "parallel", "origin", "cut", "points" };
        ds_mesh_cloth_desc d = { 0 };
        if (c == 0) d.u.x = 1;
        if (c == 1) d.u.x = 1, d.v.x = 2;
        if (c == 2) d.origin.y = bad;
        if (c == 3) d.cut = (ds_cloth_cut)-1;
        if (c == 4) d.nx = d.ny = (size_t)-1;
        TAP_OK(ds_mesh_cloth(&d, &m, &error) && !m.memory, "cloth %d: refused", c);
        TAP_HAS(error.text, words[c], "cloth %d: says why", c);
    }
    for (int c = 0; c < 3; c++) {
        static const char *const words[] = { "one point", "from", "points" };
        ds_mesh_rope_desc d = { 0 };
        if (c == 0) d.from.x = d.to.x = 1;
        if (c == 1) d.to.y = bad;
        if (c == 2) d.n = (size_t)-1;
        TAP_OK(ds_mesh_rope(&d, &m, &error) && !m.memory, "rope %d: refused", c);
        TAP_HAS(error.text, words[c], "rope %d: says why", c);
    }
    TAP_OK(ds_mesh_box(NULL, NULL, NULL) && ds_mesh_ball(NULL, NULL, NULL) &&
               ds_mesh_cloth(NULL, NULL, NULL) && ds_mesh_rope(NULL, NULL, NULL) &&
               ds_mesh_check(NULL, NULL, NULL) && ds_mesh_edges(NULL, NULL, NULL),
           "no mesh: refused, and no error needed");
    ds_mesh_destroy(NULL);
    ds_mesh_list_destroy(NULL);
}

/* A solid with a skin and a wire: the boundary of a box as triangles, a rope through it. */
static ds_mesh everything(void)
{
    static ds_real points[3 * 28];
    static int32_t tets[4 * 40], triangles[3 * 100], edges[2 * 3];
    ds_mesh_box_desc d = { 0 };
    ds_mesh_list skin;
    ds_mesh box, m;
    memset(&m, 0, sizeof m);
    d.nx = d.ny = d.nz = 2;
    if (ds_mesh_box(&d, &box, NULL) || ds_mesh_boundary(&box, &skin, NULL)) return m;
    memcpy(points, box.points, 3 * box.n_points * sizeof *points);
    memcpy(tets, box.tets, 4 * box.n_tets * sizeof *tets);
    memcpy(triangles, skin.points, 3 * skin.n * sizeof *triangles);
    edges[0] = 0, edges[1] = 13, edges[2] = 13, edges[3] = 26, edges[4] = 26, edges[5] = 0;
    m.n_points = box.n_points;
    m.points = points;
    m.n_tets = box.n_tets;
    m.tets = tets;
    m.n_triangles = skin.n;
    m.triangles = triangles;
    m.n_edges = 3;
    m.edges = edges;
    ds_mesh_list_destroy(&skin);
    ds_mesh_destroy(&box);
    return m;
}

/* breaks the mesh in one way: what is to be found first */
typedef struct broken {
    ds_mesh_flaw_kind kind;
    int corners;
    size_t element, other;
    const char *words;
} broken;

static void swap(int32_t *p, int i, int j)
{
    const int32_t was = p[i];
    p[i] = p[j];
    p[j] = was;
}
enum { N_WAYS = 18 };
static broken break_mesh(ds_mesh *m, int way)
{
    broken b = { DSIM_MESH_NON_FINITE, 1, 0, 0, "" };
    const ds_real nan_ = (ds_real)NAN;
    b.element = 7;
#define BROKEN(KIND, CORNERS, WORDS) b.kind = DSIM_MESH_##KIND, b.corners = CORNERS, b.words = WORDS
    switch (way) {
    case 0: m->points[3 * 7 + 1] = nan_, BROKEN(NON_FINITE, 1, "point 7 is at no place"); break;
    case 1: m->points[3 * 7] = (ds_real)HUGE_VAL, BROKEN(NON_FINITE, 1, "point 7"); break;
    case 2:
        m->tets[4 * 7 + 2] = 27, BROKEN(INDEX, 4, "tetrahedron 7 has the point 27, but there are 27");
        break;
    case 3: m->tets[4 * 7 + 3] = -1, BROKEN(INDEX, 4, "tetrahedron 7 has the point -1"); break;
    case 4: m->triangles[3 * 7] = 0x7fffffff, BROKEN(INDEX, 3, "triangle 7"); break;
    case 5: m->edges[5] = 99, b.element = 2, BROKEN(INDEX, 2, "edge 2"); break;
    case 6: m->tets[4 * 7 + 1] = m->tets[4 * 7 + 3], BROKEN(REPEATED, 4, "tetrahedron 7"); break;
    case 7: m->triangles[3 * 7] = m->triangles[3 * 7 + 2], BROKEN(REPEATED, 3, "twice"); break;
    case 8: m->edges[2] = 26, b.element = 1, BROKEN(REPEATED, 2, "edge 1 has the point 26 twice"); break;
    case 9: swap(m->tets + 4 * 7, 0, 1), BROKEN(INVERTED, 4, "m^3; swap two"); break;
    case 10: { /* the lowest corner of the first cube onto its opposite face's plane: tetrahedron 0 */
        for (int k = 0; k < 3; k++) m->points[k] = m->points[3 * m->tets[1] + k];
        b.element = 0, BROKEN(FLAT, 4, "is flat: it measures 0 m^3");
        m->n_triangles = m->n_edges = 0;
        break;
    }
    case 11:
        memcpy(m->tets + 4 * 7, m->tets + 4 * 3, 4 * sizeof *m->tets), b.other = 3;
        BROKEN(DUPLICATE, 4, "has the points of 3 (");
        break;
    case 12:
        memcpy(m->triangles + 3 * 7, m->triangles + 3 * 3, 3 * sizeof *m->tets), b.other = 3;
        BROKEN(DUPLICATE, 3, "triangle 7");
        break;
    case 13: m->edges[4] = 13, m->edges[5] = 0, b.element = 2, BROKEN(DUPLICATE, 2, "edge 2"); break;
    case 14: { /* a new point, inside of tetrahedron 2, makes another one on its first face */
        memcpy(m->tets + 4 * 40 - 4, m->tets + 4 * 2, 4 * sizeof *m->tets);
        for (int k = 0; k < 3; k++) {
            ds_real sum = 0;
            for (int c = 0; c < 4; c++) sum += m->points[3 * m->tets[8 + c] + k];
            m->points[3 * 27 + k] = sum / 4;
        }
        m->tets[4 * 39] = 27;
        m->n_points = 28;
        b.element = 39, b.other = 2, BROKEN(OVERLAP, 4, "no room beside 2");
        break;
    }
    case 15: swap(m->triangles + 3 * 7, 1, 2), BROKEN(WINDING, 3, "same direction"); break;
    case 16:
        m->n_points = 28, m->points[81] = m->points[82] = m->points[83] = 5, b.element = 27;
        BROKEN(UNUSED, 1, "point 27 is in no element");
        break;
    case 17: { /* a fin: an edge of the skin and a point off it */
        int32_t *t = m->triangles + 3 * m->n_triangles;
        m->n_points = 28, m->points[81] = m->points[82] = m->points[83] = 5;
        t[0] = m->triangles[1], t[1] = m->triangles[0], t[2] = 27;
        b.element = m->n_triangles++, BROKEN(FORK, 3, "has two already");
        break;
    }
    default: break;
    }
#undef BROKEN
    return b;
}

static void see_flaws(void)
{
    ds_mesh m = everything();
    TAP_OK(m.n_tets == 40 && m.n_triangles == 48 && is_clean(&m), "solid, skin and wire: nothing is wrong");
    for (int way = 0; way < N_WAYS; way++) {
        ds_mesh_flaw flaws[400];
        ds_mesh_report report = { 0 };
        char text[400];
        m = everything();
        const broken b = break_mesh(&m, way);
        const char *name = ds_mesh_flaw_name(b.kind);
        report.flaws = flaws;
        report.capacity = 400;
        const ds_result r = ds_mesh_check(&m, &report, &error);
        const ds_mesh_flaw *f = NULL;
        for (size_t i = 0; i < report.n && i < 400 && !f; i++)
            if (flaws[i].kind == b.kind) f = flaws + i;
        if (!TAP_OK(f != NULL, "way %d: %s is found", way, name)) continue;
        /* an edge that runs the wrong way has two triangles, 7 is one of them */
        const int there = b.kind == DSIM_MESH_WINDING ? f->element == 7 || f->other == 7
                                                      : f->element == b.element && f->other == b.other;
        TAP_OK(there && f->corners == b.corners, "way %d: where it is", way);
        ds_mesh_flaw_text(f, text, sizeof text);
        TAP_HAS(text, b.words, "way %d: its sentence", way);
        if (f->fatal) {
            TAP_OK(r == DSIM_ERROR_MESH && error.code == r && error.index == b.element, "way %d: is an error",
                   way);
            TAP_OK(!strcmp(text, error.text), "way %d: of this sentence", way);
            TAP_OK(report.n_fatal > 0 && flaws[0].kind == b.kind, "way %d: comes first", way);
        } else {
            TAP_OK(!r && !error.code && report.n && !report.n_fatal, "way %d: is no error", way);
        }
        TAP_OK(ds_mesh_check(&m, NULL, NULL) == r, "way %d: the same without a report", way);
        const size_t all = report.n;
        report.capacity = 1;
        ds_mesh_check(&m, &report, NULL);
        TAP_OK(report.n == all && flaws[0].kind == f[0].kind, "way %d: a short list knows the number", way);
    }
    m = everything();
    m.tets = NULL;
    TAP_OK(ds_mesh_check(&m, NULL, &error) == DSIM_ERROR_ARGUMENT, "a count without an array");
    TAP_HAS(error.text, "40 tetrahedra and has no array", "says which");
    m = everything();
    ds_mesh_report nowhere = { NULL, 3, 0, 0 };
    TAP_OK(ds_mesh_check(&m, &nowhere, &error) == DSIM_ERROR_ARGUMENT,
           "a report with room that is not there");
    m.n_edges = (size_t)-1;
    TAP_OK(ds_mesh_check(&m, NULL, &error) == DSIM_ERROR_OVERFLOW, "a count beyond all");
    memset(&m, 0, sizeof m);
    TAP_OK(is_clean(&m), "an empty mesh is fine");
    TAP_OK(!strcmp(ds_mesh_flaw_name((ds_mesh_flaw_kind)99), "?") && ds_mesh_flaw_text(NULL, NULL, 0) > 0,
           "no flaw has a sentence, too");
}

/* an element is flat when it is so but for rounding, at every scale */
static void see_scales(void)
{
    const int most = IS_FLOAT ? 37 : 300;
    int flat = 1, fine = 1, inverted = 1, needles = 1;
    for (int e = -most; e <= most; e += IS_FLOAT ? 2 : 5) {
        const double scale = pow(10, e);
        for (int k = 0; k < (IS_FLOAT ? 20 : 320); k += 1) {
            ds_real x[12] = { 0, 0, 0, 1, 0, 0, 0, 1, 0, (ds_real)0.3, (ds_real)0.3, 0 };
            int32_t tet[4] = { 0, 1, 2, 3 };
            ds_mesh m;
            x[11] = (ds_real)pow(10, -k);
            for (int i = 0; i < 12; i++) x[i] = (ds_real)((double)x[i] * scale);
            memset(&m, 0, sizeof m);
            m.n_points = 4, m.points = x, m.n_tets = 1, m.tets = tet;
            const ds_result r = ds_mesh_check(&m, NULL, &error);
            if (k <= (IS_FLOAT ? 5 : 14)) fine &= !r;
            else if (k >= (IS_FLOAT ? 6 : 15))
                flat &= r == DSIM_ERROR_MESH && strstr(error.text, "flat") != NULL;
            tet[0] = 1, tet[1] = 0;
            if (k <= (IS_FLOAT ? 5 : 14)) {
                ds_mesh_check(&m, NULL, &error);
                inverted &= strstr(error.text, "inverted") != NULL;
            }
        }
    }
    for (int k = 0; k < (IS_FLOAT ? 6 : 15);
         k++) { /* a needle is thin, not flat: its volume is 1e-28 edges^3 */
        ds_real x[12] = { 0, 0, 0, 1, 0, 0, (ds_real)0.5, 0, 0, (ds_real)0.5, 0, 0 };
        int32_t tet[4] = { 0, 1, 2, 3 };
        ds_mesh m;
        x[7] = x[11] = (ds_real)pow(10, -k);
        memset(&m, 0, sizeof m);
        m.n_points = 4, m.points = x, m.n_tets = 1, m.tets = tet;
        needles &= !ds_mesh_check(&m, NULL, &error);
    }
    TAP_OK(needles, "a needle is not flat");
    TAP_OK(fine, "a tetrahedron of height 1e-14 (float: 1e-5) is one, at every scale");
    TAP_OK(flat, "one of height 1e-15 (float: 1e-6) or less is flat, at every scale");
    TAP_OK(inverted, "and inverted ones are inverted");
}

/* Random triangles and tetrahedra over few points: edges, boundary, border as a plain search finds them. */
static int has_edge(const int32_t *p, int corners, int32_t a, int32_t b)
{
    int found = 0;
    for (int k = 0; k < corners; k++) found += p[k] == a || p[k] == b;
    return found == 2;
}
static void random_element(ds_rng *rng, int32_t *p, int corners, int32_t n_points)
{
    for (int k = 0, again; k < corners; k++) do {
            p[k] = (int32_t)(ds_rng_bits(rng) % (uint64_t)n_points);
            again = 0;
            for (int j = 0; j < k; j++) again |= p[j] == p[k];
        } while (again);
}
static void see_lists(void)
{
    enum { POINTS = 9, MOST = 14 };
    ds_rng rng = ds_rng_make(5, 0);
    int edges_fine = 1, lone_fine = 1, hinges_fine = 1, n_hinges = 0, n_refused = 0;
    for (int round = 0; round < 2000; round++) {
        ds_real points[3 * POINTS] = { 0 };
        int32_t tets[4 * MOST], triangles[3 * MOST], edges[2];
        ds_mesh m;
        ds_mesh_list list;
        memset(&m, 0, sizeof m);
        m.n_points = POINTS, m.points = points, m.tets = tets, m.triangles = triangles, m.edges = edges;
        m.n_tets = ds_rng_bits(&rng) % MOST;
        m.n_triangles = ds_rng_bits(&rng) % (round % 2 ? 4 : MOST);
        m.n_edges = ds_rng_bits(&rng) % 2;
        for (size_t i = 0; i < m.n_tets; i++) random_element(&rng, tets + 4 * i, 4, POINTS);
        for (size_t i = 0; i < m.n_triangles; i++) random_element(&rng, triangles + 3 * i, 3, POINTS);
        random_element(&rng, edges, 2, POINTS);
        /* edges */
        if (ds_mesh_edges(&m, &list, &error)) edges_fine = 0;
        size_t n = 0;
        for (int32_t a = 0; a < POINTS; a++)
            for (int32_t b = a + 1; b < POINTS; b++) {
                int there = m.n_edges && has_edge(edges, 2, a, b);
                for (size_t i = 0; i < m.n_tets; i++) there |= has_edge(tets + 4 * i, 4, a, b);
                for (size_t i = 0; i < m.n_triangles; i++) there |= has_edge(triangles + 3 * i, 3, a, b);
                if (!there) continue;
                edges_fine &= n < list.n && list.points[2 * n] == a && list.points[2 * n + 1] == b;
                n++;
            }
        edges_fine &= n == list.n && list.width == 2;
        ds_mesh_list_destroy(&list);
        /* border: edges of one triangle, in its direction */
        if (ds_mesh_border(&m, &list, &error)) lone_fine = 0;
        n = 0;
        for (size_t i = 0; i < m.n_triangles; i++)
            for (int k = 0; k < 3; k++) {
                const int32_t a = triangles[3 * i + (size_t)k], b = triangles[3 * i + (size_t)(k + 1) % 3];
                int others = 0;
                for (size_t j = 0; j < m.n_triangles; j++)
                    others += j != i && has_edge(triangles + 3 * j, 3, a, b);
                if (others) continue;
                lone_fine &= n < list.n && list.points[2 * n] == a && list.points[2 * n + 1] == b;
                n++;
            }
        lone_fine &= n == list.n;
        ds_mesh_list_destroy(&list);
        /* boundary: faces of one tetrahedron */
        if (ds_mesh_boundary(&m, &list, &error)) lone_fine = 0;
        n = 0;
        for (size_t i = 0; i < m.n_tets; i++)
            for (int k = 0; k < 4; k++) {
                int others = 0;
                for (size_t j = 0; j < m.n_tets; j++) {
                    int found = 0;
                    for (int c = 0; c < 16; c++)
                        found += c / 4 != k && tets[4 * i + (size_t)c / 4] == tets[4 * j + (size_t)c % 4];
                    others += j != i && found == 3;
                }
                if (others) continue;
                int found = 0; /* the list has the face opposite of corner k */
                for (int c = 0; c < 3 && n < list.n; c++)
                    found += list.points[3 * n + (size_t)c] != tets[4 * i + (size_t)k];
                lone_fine &= found == 3;
                n++;
            }
        lone_fine &= n == list.n;
        ds_mesh_list_destroy(&list);
        /* hinges: none where an edge has three triangles or two in one direction */
        int refuse = 0, pairs = 0;
        for (int32_t a = 0; a < POINTS; a++)
            for (int32_t b = a + 1; b < POINTS; b++) {
                int up = 0, down = 0;
                for (size_t i = 0; i < m.n_triangles; i++)
                    for (int k = 0; k < 3; k++) {
                        const int32_t p = triangles[3 * i + (size_t)k],
                                      q = triangles[3 * i + (size_t)(k + 1) % 3];
                        up += p == a && q == b;
                        down += p == b && q == a;
                    }
                refuse |= up > 1 || down > 1;
                pairs += up && down;
            }
        const ds_result r = ds_mesh_hinges(&m, &list, &error);
        if (refuse) {
            hinges_fine &=
                r == DSIM_ERROR_MESH && !list.points && !list.n && strstr(error.text, "triangle") != NULL;
            n_refused++;
        } else {
            hinges_fine &= !r && list.n == (size_t)pairs && list.width == 4;
            n_hinges += pairs;
            for (size_t h = 0; !r && h < list.n; h++) {
                const int32_t *p = list.points + 4 * h;
                int one = 0, two = 0;
                for (size_t i = 0; i < m.n_triangles; i++)
                    for (int k = 0; k < 3; k++) {
                        const int32_t *t = triangles + 3 * i;
                        one += t[k] == p[0] && t[(k + 1) % 3] == p[1] && t[(k + 2) % 3] == p[2];
                        two += t[k] == p[1] && t[(k + 1) % 3] == p[0] && t[(k + 2) % 3] == p[3];
                    }
                hinges_fine &= one == 1 && two == 1;
            }
        }
        ds_mesh_list_destroy(&list);
    }
    tap_diag("%d hinges, %d meshes without", n_hinges, n_refused);
    TAP_OK(edges_fine, "edges are those of a plain search, sorted");
    TAP_OK(lone_fine, "border and boundary, too, in the order of elements");
    TAP_OK(hinges_fine && n_hinges > 100 && n_refused > 100,
           "hinges, too, and forks and windings are refused");
}

/* lists of bad meshes are refused */
static void see_bad_lists(void)
{
    static ds_result (*const lists[])(const ds_mesh *, ds_mesh_list *,
                                      ds_error *) = { ds_mesh_edges, ds_mesh_boundary, ds_mesh_border,
                                                      ds_mesh_hinges };
    for (int k = 0; k < 4; k++) {
        ds_mesh m = everything();
        ds_mesh_list list;
        m.tets[4 * 7 + 2] = 27;
        TAP_OK(lists[k](&m, &list, &error) == DSIM_ERROR_RANGE && error.index == 7 && !list.points,
               "list %d: a point out of range", k);
        TAP_HAS(error.text, "tetrahedron 7 has the point 27", "list %d: says where", k);
        m = everything();
        m.triangles[3 * 7] = m.triangles[3 * 7 + 1];
        TAP_OK(lists[k](&m, &list, &error) == DSIM_ERROR_MESH && error.index == 7, "list %d: a point twice",
               k);
        m.triangles = NULL;
        TAP_OK(lists[k](&m, &list, &error) == DSIM_ERROR_ARGUMENT, "list %d: no array", k);
        m = everything();
        TAP_OK(lists[k](&m, NULL, &error) == DSIM_ERROR_ARGUMENT, "list %d: no list", k);
        memset(&m, 0, sizeof m);
        TAP_OK(!lists[k](&m, &list, &error) && !list.n && !list.points, "list %d: of nothing", k);
        ds_mesh_list_destroy(&list);
    }
}

static double sum_27(const ds_real *x)
{
    double sum = 0;
    for (int i = 0; i < 27; i++) sum += (double)x[i];
    return sum;
}

/* masses: the whole is density times measure; a lone tetrahedron gives quarters */
static void see_masses(void)
{
    ds_mesh m = everything();
    ds_real masses[28];
    ds_mesh_density density = { 0, 0, 0 };
    double least;
    density.volume = 1000;
    ds_mesh_masses(&m, density, masses);
    TAP_NEAR(sum_27(masses), 1000, 100 * EPSILON, "masses of a solid");
    density.volume = 0;
    density.area = 2;
    ds_mesh_masses(&m, density, masses);
    TAP_NEAR(sum_27(masses), 12, 100 * EPSILON, "of its skin");
    TAP_OK(!(masses[13] > 0), "which does not touch the middle");
    density.area = 0;
    density.line = 3;
    ds_mesh_masses(&m, density, masses);
    TAP_NEAR(sum_27(masses), 3 * 2 * sqrt(3.0), 100 * EPSILON, "of its wires");
    TAP_NEAR((double)masses[13], 3 * 0.5 * sqrt(3.0), 100 * EPSILON, "whose middle has half of one");
    for (int i = 0; i < 40; i += 3) swap(m.tets + 4 * i, 0, i % 4 == 0 ? 1 : i % 4);
    TAP_OK(sum_of(&m, 40, ds_mesh_volumes, &least) < 1 && least < 0,
           "inverted tetrahedra have negative volume");
    TAP_OK(ds_mesh_orient(&m) == 14 && is_clean(&m), "ds_mesh_orient turns them, and only them");
}

/* everything that allocates, with an allocator */
static ds_result use_memory(int what, counter *c)
{
    ds_mesh_box_desc box = { 0 };
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh_cloth_desc cloth = { 0 };
    ds_mesh_rope_desc rope = { 0 };
    ds_mesh m = everything(), made;
    ds_mesh_list list;
    ds_result r = DSIM_OK;
    m.allocator = box.allocator = ball.allocator = cloth.allocator = rope.allocator = allocator_of(c);
    memset(&list, 0, sizeof list);
    memset(&made, 0, sizeof made);
    ball.n = 2;
    switch (what) {
    case 0: r = ds_mesh_box(&box, &made, &error); break;
    case 1: r = ds_mesh_ball(&ball, &made, &error); break;
    case 2: r = ds_mesh_sphere(&ball, &made, &error); break;
    case 3: r = ds_mesh_cloth(&cloth, &made, &error); break;
    case 4: r = ds_mesh_rope(&rope, &made, &error); break;
    case 5: r = ds_mesh_check(&m, NULL, &error); break;
    case 6: r = ds_mesh_edges(&m, &list, &error); break;
    case 7: r = ds_mesh_boundary(&m, &list, &error); break;
    case 8: m.n_triangles--, r = ds_mesh_border(&m, &list, &error); break;
    default: r = ds_mesh_hinges(&m, &list, &error); break;
    }
    if (r && (made.memory || list.points)) c->wrong++;
    if (r != error.code) c->wrong++;
    if (!r && what < 5 && !made.n_points) c->wrong++;
    if (!r && what > 5 && !list.n) c->wrong++;
    ds_mesh_destroy(&made);
    ds_mesh_list_destroy(&list);
    return r;
}
static void see_memory(void)
{
    for (int what = 0; what < 10; what++) {
        size_t points = 0;
        int fine = 1;
        for (int for_good = 0; for_good < 2; for_good++)
            for (size_t k = 1;; k++) {
                counter c = { 0, 0, 0, 0, 0, 0, 0 };
                c.fail_at = k;
                c.for_good = for_good;
                const ds_result r = use_memory(what, &c);
                fine &= !c.live && !c.wrong && (r == DSIM_OK || r == DSIM_ERROR_MEMORY);
                if (c.calls < k) {
                    fine &= !r;
                    break;
                }
                fine &= r == DSIM_ERROR_MEMORY && strstr(error.text, "allocator") != NULL;
                points++;
            }
        TAP_OK(fine && points > 0, "what %d: fails %d times without memory, leaves nothing", what,
               (int)points);
    }
}

/* large enough that anything but linear time would be felt */
static void see_large(void)
{
    ds_mesh_box_desc d = { 0 };
    ds_mesh m;
    ds_mesh_list list;
    d.nx = 40;
    d.ny = 40;
    d.nz = 40;
    if (!TAP_OK(!ds_mesh_box(&d, &m, &error), "a box of 320000 tetrahedra")) return;
    TAP_OK(is_clean(&m), "nothing is wrong with it");
    TAP_OK(!ds_mesh_edges(&m, &list, &error) && list.n == 3u * 40 * 41 * 41 + 3u * 40 * 40 * 41, "its edges");
    ds_mesh_list_destroy(&list);
    TAP_OK(!ds_mesh_boundary(&m, &list, &error) && list.n == 6u * 40 * 40 * 2, "its boundary");
    ds_mesh_list_destroy(&list);
    ds_mesh_destroy(&m);
}

int main(void)
{
    see_w5();
    see_boxes();
    see_balls();
    see_cloth();
    see_rope();
    see_bits();
    see_refusals();
    see_flaws();
    see_scales();
    see_lists();
    see_bad_lists();
    see_masses();
    see_memory();
    see_large();
    return tap_end();
}
