/* test_sdf.c - signed distances on a grid: those of a plain search over all triangles, with the sign of the
   winding number, for solids with sharp, dull and inward edges; the same bits for every number of workers;
   what is not closed, flat or wound inward is refused; nothing is left behind without memory */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "counter.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? (double)FLT_EPSILON : DBL_EPSILON)

static ds_error error;

static void minus(const double *a, const double *b, double *r)
{
    for (int k = 0; k < 3; k++) r[k] = a[k] - b[k];
}
static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
static void cross(const double *a, const double *b, double *r)
{
    for (int k = 0; k < 3; k++) r[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}

static double segment_distance(const double *a, const double *b, const double *p)
{
    double u[3], w[3];
    minus(b, a, u);
    minus(p, a, w);
    double t = dot(u, w) / dot(u, u);
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    for (int k = 0; k < 3; k++) w[k] -= t * u[k];
    return sqrt(dot(w, w));
}
/* of the plane where p is above the triangle, of the edges elsewhere */
static double triangle_distance(double x[3][3], const double *p)
{
    double u[3], v[3], n[3], w[3], least = HUGE_VAL;
    int inside = 1;
    minus(x[1], x[0], u);
    minus(x[2], x[0], v);
    cross(u, v, n);
    for (int k = 0; k < 3; k++) {
        double out[3];
        minus(x[(k + 1) % 3], x[k], u);
        minus(p, x[k], w);
        cross(u, n, out);
        inside &= dot(out, w) <= 0;
        const double d = segment_distance(x[k], x[(k + 1) % 3], p);
        if (d < least) least = d;
    }
    return inside ? fabs(dot(n, w)) / sqrt(dot(n, n)) : least;
}
/* the solid angle of a triangle, seen from p. From: Van Oosterom, Strackee 1983. */
static double solid_angle(double x[3][3], const double *p)
{
    double a[3], b[3], c[3], bc[3];
    minus(x[0], p, a);
    minus(x[1], p, b);
    minus(x[2], p, c);
    cross(b, c, bc);
    const double la = sqrt(dot(a, a)), lb = sqrt(dot(b, b)), lc = sqrt(dot(c, c));
    return 2 * atan2(dot(a, bc), la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb);
}
static void corners_of(const ds_mesh *m, size_t t, double x[3][3])
{
    for (size_t c = 0; c < 3; c++)
        for (size_t k = 0; k < 3; k++) x[c][k] = (double)m->points[3 * (size_t)m->triangles[3 * t + c] + k];
}

/* how far the grid is from the plain search */
static double worst_miss(const ds_mesh *m, const ds_distance_field *g, size_t *n_inside)
{
    double worst = 0;
    *n_inside = 0;
    for (size_t i = 0; i < g->nx; i++)
        for (size_t j = 0; j < g->ny; j++)
            for (size_t k = 0; k < g->nz; k++) {
                const double h = (double)g->spacing, p[3] = { (double)g->origin.x + h * (double)i,
                                                              (double)g->origin.y + h * (double)j,
                                                              (double)g->origin.z + h * (double)k };
                double least = HUGE_VAL, angle = 0, x[3][3];
                for (size_t t = 0; t < m->n_triangles; t++) {
                    corners_of(m, t, x);
                    const double d = triangle_distance(x, p);
                    if (d < least) least = d;
                    angle += solid_angle(x, p);
                }
                const double got = (double)g->values[(i * g->ny + j) * g->nz + k];
                const double want = angle > 6 ? -least : least, miss = fabs(got - want);
                *n_inside += angle > 6;
                if (!(miss <= worst)) worst = miss;
            }
    return worst;
}

/* a solid with an inward edge: a box of 3 x 3 x 1 cubes without the one in the middle, or at a corner */
static ds_mesh cubes_without(int missing, ds_mesh *box, ds_mesh_list *skin)
{
    ds_mesh_box_desc d = { 0 };
    ds_mesh view;
    memset(&view, 0, sizeof view);
    d.size = ds_v3_make((ds_real)1.1, (ds_real)1.3, (ds_real)0.4);
    d.nx = d.ny = 3;
    d.nz = 1;
    if (ds_mesh_box(&d, box, &error)) return view;
    memmove(box->tets + 20 * missing, box->tets + 20 * (missing + 1),
            (size_t)(20 * (8 - missing)) * sizeof *box->tets);
    box->n_tets -= 5;
    if (ds_mesh_boundary(box, skin, &error)) return view;
    view.n_points = box->n_points;
    view.points = box->points;
    view.n_triangles = skin->n;
    view.triangles = skin->points;
    return view;
}

static void see_solid(const ds_mesh *m, const char *name)
{
    ds_distance_field_desc d = { 0 };
    ds_distance_field g;
    size_t inside = 0;
    d.spacing = (ds_real)0.0717;
    if (!TAP_OK(!ds_distance_field_make(m, &d, &g, &error), "%s", name)) {
        tap_diag("%s", error.text);
        return;
    }
    const double worst = worst_miss(m, &g, &inside);
    TAP_OK(worst < 20 * EPSILON, "%s: distance and sign are those of a plain search", name);
    TAP_OK(inside > 5 && inside < g.nx * g.ny * g.nz / 2, "%s: some points are inside", name);
    if (worst >= 20 * EPSILON) tap_diag("off by %g, %lu inside", worst, (unsigned long)inside);
    ds_distance_field_destroy(&g);
    TAP_OK(!g.values && !g.nx, "%s: a grid that is destroyed is empty", name);
}

/* a spike with angles below 20 degrees, where the normal of one face alone has the wrong sign */
static ds_mesh spike(void)
{
    static ds_real points[] = { 0, 0,           0, 1, (ds_real)0.1, 0, 1, (ds_real)-0.1, 0, (ds_real)1.2,
                                0, (ds_real)0.2 };
    static int32_t triangles[] = { 1, 0, 3, 3, 0, 2, 2, 0, 1, 2, 1, 3 };
    ds_mesh m;
    memset(&m, 0, sizeof m);
    m.n_points = 4, m.points = points, m.n_triangles = 4, m.triangles = triangles;
    return m;
}

static void see_solids(void)
{
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh m, box;
    ds_mesh_list skin;
    ball.radius = (ds_real)0.4;
    ball.n = 3;
    ball.centre = ds_v3_make(1, 2, (ds_real)-0.5);
    ds_mesh_sphere(&ball, &m, &error);
    see_solid(&m, "sphere");
    ds_mesh_destroy(&m);
    for (int missing = 0; missing < 9; missing += 4) {
        static const char *const names[] = { "without a corner", "ring", "without the far corner" };
        m = cubes_without(missing, &box, &skin);
        see_solid(&m, names[missing / 4]);
        ds_mesh_list_destroy(&skin);
        ds_mesh_destroy(&box);
    }
    m = spike();
    see_solid(&m, "spike");
}

/* workers of different numbers: pieces in any order */
static void backwards(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    const size_t piece = grain * *(size_t *)user;
    for (size_t begin = (n - 1) / piece * piece;; begin -= piece) {
        fn(task, begin, begin + piece < n ? begin + piece : n, 0);
        if (!begin) break;
    }
}
static void see_bits(void)
{
    const uint64_t want = IS_FLOAT ? UINT64_C(0x66492e2d1f4cda6f) : UINT64_C(0xaae7865be7d003c8);
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh m;
    uint64_t first = 0;
    int same = 1;
    ball.n = 5;
    if (!TAP_OK(!ds_mesh_sphere(&ball, &m, &error), "a sphere")) return;
    for (size_t workers = 0; workers < 4; workers++) {
        ds_distance_field_desc d = { 0 };
        ds_distance_field g;
        if (workers) d.jobs.parallel_for = backwards, d.jobs.user = &workers, d.jobs.n_workers = workers;
        if (ds_distance_field_make(&m, &d, &g, &error)) return;
        TAP_OK(g.nx == 37 && g.ny == g.nx, "no spacing: 32 along the longest side, and margins");
        const uint64_t hash = ds_hash_reals(g.values, g.nx * g.ny * g.nz, 0);
        if (!workers) first = hash;
        same &= hash == first;
        ds_distance_field_destroy(&g);
    }
    ds_mesh_destroy(&m);
    TAP_OK(same, "the same bits for every number of workers");
    if (!ds_build_info().same_bits) {
        TAP_SKIP("this build has other bits", "bits of distances");
        return;
    }
    if (!TAP_OK(first == want, "bits of distances")) tap_diag("0x%016llx", (unsigned long long)first);
}

static void see_refusals(void)
{
    for (int way = 0; way < 13; way++) {
        static const char *const words[] = { "not closed",
                                             "same direction",
                                             "flat",
                                             "wound inward",
                                             "NaN",
                                             "triangle 1 has the point 9",
                                             "spacing or margin",
                                             "spacing or margin",
                                             "too small",
                                             "1e18",
                                             "none",
                                             "has two already",
                                             "too small" };
        static const ds_result codes[] = { DSIM_ERROR_MESH,     DSIM_ERROR_MESH,       DSIM_ERROR_MESH,
                                           DSIM_ERROR_MESH,     DSIM_ERROR_NON_FINITE, DSIM_ERROR_RANGE,
                                           DSIM_ERROR_ARGUMENT, DSIM_ERROR_ARGUMENT,   DSIM_ERROR_OVERFLOW,
                                           DSIM_ERROR_OVERFLOW, DSIM_ERROR_MESH,       DSIM_ERROR_MESH,
                                           DSIM_ERROR_OVERFLOW };
        ds_mesh m = spike();
        ds_real points[12];
        int32_t triangles[15];
        ds_distance_field_desc d = { 0 };
        ds_distance_field g;
        memcpy(points, m.points, sizeof points);
        memcpy(triangles, m.triangles, 12 * sizeof *triangles);
        memcpy(triangles + 12, m.triangles, 3 * sizeof *triangles);
        m.points = points;
        m.triangles = triangles;
        if (way == 0) m.n_triangles = 3;
        if (way == 1) triangles[0] = 0, triangles[1] = 1;
        if (way == 2) points[9] = 2, points[10] = (ds_real)0.2, points[11] = 0; /* on a line with 0 and 1 */
        if (way == 3)
            for (int t = 0; t < 4; t++) {
                const int32_t was = triangles[3 * t];
                triangles[3 * t] = triangles[3 * t + 1];
                triangles[3 * t + 1] = was;
            }
        if (way == 4) points[5] = (ds_real)NAN;
        if (way == 5) triangles[4] = 9;
        if (way == 6) d.spacing = -1;
        if (way == 7) d.margin = (ds_real)HUGE_VAL;
        if (way == 8) d.spacing = (ds_real)1e-12;
        if (way == 9) points[3] = (ds_real)1e19;
        if (way == 10) m.n_triangles = 0;
        if (way == 11) m.n_triangles = 5;
        if (way == 12) d.spacing = (ds_real)1e-9;
        memset(&g, 0xCD, sizeof g);
        const ds_result r = ds_distance_field_make(&m, &d, &g, &error);
        TAP_OK(r == codes[way] && error.code == r && !g.values && !g.nx, "way %d is refused: %s", way,
               ds_result_name(r));
        TAP_HAS(error.text, words[way], "way %d: says why", way);
    }
    const ds_mesh m = spike();
    TAP_OK(ds_distance_field_make(&m, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT, "no grid");
    ds_distance_field_destroy(NULL);
}

static void see_memory(void)
{
    int fine = 1, points = 0;
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh m;
    ball.n = 6;
    if (!TAP_OK(!ds_mesh_sphere(&ball, &m, &error), "a sphere")) return;
    for (size_t k = 1; k < 100; k++) {
        counter c;
        memset(&c, 0, sizeof c);
        c.for_good = 1;
        ds_distance_field_desc d = { 0 };
        ds_distance_field g;
        d.spacing = (ds_real)0.2;
        d.allocator = allocator_of(&c);
        c.fail_at = k;
        const ds_result r = ds_distance_field_make(&m, &d, &g, &error);
        if (!r) {
            fine &= c.calls < k && g.values != NULL;
            ds_distance_field_destroy(&g);
            fine &= !c.live;
            break;
        }
        fine &= r == DSIM_ERROR_MEMORY && !g.values && !c.live && strstr(error.text, "allocator") != NULL;
        points++;
    }
    ds_mesh_destroy(&m);
    TAP_OK(fine && points > 8, "fails %d times without memory, leaves nothing", points);
}

int main(void)
{
    see_solids();
    see_bits();
    see_refusals();
    see_memory();
    return tap_end();
}
