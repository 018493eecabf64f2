/* test_mesh_files.c - files of meshes: samples of Gmsh (text and bytes, 2.2 and 4.1), TetGen and OBJ are
   read; what is written is read back to the bit; a file that is cut at any byte, or has a wrong one, is
   refused with its line and what was expected, or is a mesh; nothing is left behind, whatever fails, and
   memory is bounded by the bytes there are */
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

/* a file in memory: read from `at` on; written up to `limit` */
typedef struct file {
    unsigned char *bytes;
    size_t n, at, limit;
} file;
static size_t read_file(void *user, void *bytes, size_t n)
{
    file *f = (file *)user;
    const size_t part = n < f->n - f->at ? n : f->n - f->at;
    if (part) memcpy(bytes, f->bytes + f->at, part);
    f->at += part;
    return part;
}
static size_t write_file(void *user, const void *bytes, size_t n)
{
    file *f = (file *)user;
    const size_t part = n < f->limit - f->n ? n : f->limit - f->n;
    if (part) memcpy(f->bytes + f->n, bytes, part);
    f->n += part;
    return part;
}
static ds_stream stream_of(file *f)
{
    ds_stream s;
    s.user = f;
    s.read = read_file;
    s.write = write_file;
    return s;
}

/* a file of data/, which lies beside this source; no bytes: it is not there */
static file load(const char *name)
{
    static const char here[] = __FILE__;
    char path[500];
    const char *const slash = strrchr(here, '/');
    file f = { NULL, 0, 0, 0 };
    sprintf(path, "%.*sdata/%s", slash ? (int)(slash + 1 - here) : 0, here, name);
    FILE *const in = fopen(path, "rb");
    if (in) {
        f.bytes = (unsigned char *)malloc(f.limit = 100000);
        if (f.bytes) f.n = fread(f.bytes, 1, f.limit - 1, in), f.bytes[f.n] = 0;
        fclose(in);
    }
    TAP_OK(f.n > 0 && f.n < f.limit, "data/%s is there", name);
    return f;
}

/* how a mesh is read: one of three kinds, TetGen's second file beside the first */
enum { OBJ, GMSH, TETGEN };
typedef struct source {
    int kind;
    const unsigned char *bytes, *other;
    size_t n, n_other;
} source;
static ds_result read_source(const source *s, counter *c, ds_mesh *m)
{
    const ds_allocator allocator = allocator_of(c);
    file f = { NULL, 0, 0, 0 }, g = { NULL, 0, 0, 0 };
    /* blocks of their exact size: a sanitizer sees what is read behind them */
    f.bytes = (unsigned char *)malloc(s->n + !s->n);
    g.bytes = (unsigned char *)malloc(s->n_other + !s->n_other);
    if (!f.bytes || !g.bytes) return DSIM_ERROR_MEMORY;
    if (s->n) memcpy(f.bytes, s->bytes, f.n = s->n);
    if (s->n_other) memcpy(g.bytes, s->other, g.n = s->n_other);
    const ds_stream from = stream_of(&f), other = stream_of(&g);
    memset(m, 0xCD, sizeof *m);
    const ds_result r = s->kind == OBJ    ? ds_mesh_read_obj(&from, &allocator, m, &error)
                        : s->kind == GMSH ? ds_mesh_read_gmsh(&from, &allocator, m, &error)
                                          : ds_mesh_read_tetgen(&from, &other, &allocator, m, &error);
    free(f.bytes);
    free(g.bytes);
    return r;
}
static ds_result read_text(int kind, const char *text, const char *other, counter *c, ds_mesh *m)
{
    source s;
    s.kind = kind;
    s.bytes = (const unsigned char *)text;
    s.n = strlen(text);
    s.other = (const unsigned char *)other;
    s.n_other = other ? strlen(other) : 0;
    return read_source(&s, c, m);
}

/* every number of an element is one of a point */
static int is_sound(const ds_mesh *m)
{
    int fine = 1;
    for (size_t i = 0; i < 2 * m->n_edges; i++) fine &= (size_t)m->edges[i] < m->n_points;
    for (size_t i = 0; i < 3 * m->n_triangles; i++) fine &= (size_t)m->triangles[i] < m->n_points;
    for (size_t i = 0; i < 4 * m->n_tets; i++) fine &= (size_t)m->tets[i] < m->n_points;
    for (size_t i = 0; i < 3 * m->n_points; i++) fine &= isfinite(m->points[i]) != 0;
    return fine;
}
static int same_ints(const int32_t *a, const int32_t *b, size_t n)
{
    return !n || (a && b && !memcmp(a, b, n * sizeof *a));
}
static int same_elements(const ds_mesh *a, const ds_mesh *b)
{
    return a->n_points == b->n_points && a->n_edges == b->n_edges && a->n_triangles == b->n_triangles &&
           a->n_tets == b->n_tets && same_ints(a->edges, b->edges, 2 * a->n_edges) &&
           same_ints(a->triangles, b->triangles, 3 * a->n_triangles) &&
           same_ints(a->tets, b->tets, 4 * a->n_tets);
}
static int same_tags(const ds_mesh *a, const ds_mesh *b)
{
    return same_ints(a->edge_tags, b->edge_tags, a->n_edges) &&
           same_ints(a->triangle_tags, b->triangle_tags, a->n_triangles) &&
           same_ints(a->tet_tags, b->tet_tags, a->n_tets);
}
static int same_points(const ds_mesh *a, const ds_mesh *b, double tolerance)
{
    int same = a->n_points == b->n_points;
    for (size_t i = 0; same && i < 3 * a->n_points; i++)
        same &= fabs((double)a->points[i] - (double)b->points[i]) <= tolerance;
    return same;
}

#define HEAD_22 "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n"
#define HEAD_41 "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n"
#define NODES_22 "$Nodes\n4\n1 0 0 0\n2 1 0 0\n3 0 1 0\n9 0 0 1\n$EndNodes\n"
#define NODES_41 "$Nodes\n1 3 1 9\n2 1 0 3\n1\n2\n9\n0 0 0\n1 0 0\n0 1 0\n$EndNodes\n"

static const char *const GMSH_FILES[] = { "two_volumes_22.msh", "two_volumes_22_bin.msh",
                                          "two_volumes_41.msh", "two_volumes_41_bin.msh" };

/* two tetrahedra, meshed by Gmsh: four files of one mesh */
static void see_gmsh(void)
{
    ds_mesh first, m;
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    memset(&first, 0, sizeof first);
    for (int k = 0; k < 4; k++) {
        file f = load(GMSH_FILES[k]);
        ds_real volumes[24];
        double sum[9] = { 0 };
        source s = { GMSH, f.bytes, NULL, f.n, 0 };
        if (!TAP_OK(!read_source(&s, &c, &m), "%s is read", GMSH_FILES[k])) tap_diag("%s", error.text);
        free(f.bytes);
        if (!TAP_OK(m.n_tets == 24 && m.n_triangles == 6 && m.n_edges == 2, "%s: elements", GMSH_FILES[k]))
            continue;
        TAP_OK(!ds_mesh_check(&m, NULL, &error), "%s: nothing is wrong", GMSH_FILES[k]);
        ds_mesh_volumes(&m, volumes);
        for (int e = 0; e < 24; e++) sum[m.tet_tags[e]] += (double)volumes[e];
        TAP_NEAR(sum[7], 1 * 1.1 * 1.3 / 6, 100 * EPSILON, "%s: volume of the group low", GMSH_FILES[k]);
        TAP_NEAR(sum[8], 2.77 / 6, 100 * EPSILON, "%s: volume of the group high", GMSH_FILES[k]);
        int floor_ = 0;
        for (int i = 0; i < 6; i++)
            for (int j = 0; j < 3; j++)
                floor_ += m.triangle_tags[i] == 3 && m.points[3 * m.triangles[3 * i + j] + 2] < (ds_real)1e-9;
        TAP_OK(floor_ == 18 && m.edge_tags[0] == 5 && m.edge_tags[1] == 5, "%s: tags of triangles and edges",
               GMSH_FILES[k]);
        if (!k) {
            first = m;
            continue;
        }
        TAP_OK(same_elements(&first, &m) && same_tags(&first, &m), "%s: elements are those of the first",
               GMSH_FILES[k]);
        TAP_OK(same_points(&first, &m, 2 * EPSILON), "%s: points, too", GMSH_FILES[k]);
        ds_mesh_destroy(&m);
    }
    ds_mesh_destroy(&first);
    TAP_OK(!c.live && !c.wrong, "nothing is left");
    /* without groups, sections in between, points on a curve, numbered as they like */
    if (!TAP_OK(!read_text(GMSH,
                           HEAD_41 "$Comments\n$End\n $EndComments\n$Entities\n0 1 0 0\n"
                                   "5 0 0 0 1 1 1 2 8 9 0\n$EndEntities\n$Nodes\n2 3 4 70\n1 5 1 2\n70\n4\n"
                                   "0 0 0 0.5\n1 0 0 0.75\n2 5 0 1\n5\n0 1 0\n$EndNodes\n"
                                   "$Elements\n3 3 1 3\n2 5 2 1\n1 70 4 5\n1 5 1 1\n2 4 70\n"
                                   "0 5 15 1\n3 70\n$EndElements\n",
                           NULL, &c, &m),
                "4.1 in all its parts"))
        tap_diag("%s", error.text);
    TAP_OK(m.n_triangles == 1 && m.triangles[0] == 0 && m.triangles[1] == 1 && m.triangles[2] == 2,
           "points are found by their numbers");
    TAP_OK(m.triangle_tags[0] == 0 && m.edge_tags[0] == 8 && m.edges[0] == 1,
           "the first group of an entity, or 0");
    ds_mesh_destroy(&m);
}

/* the numbers of a binary 2.2 file the other way around; where a section's bytes begin: behind its count */
static size_t behind(const file *f, const char *words)
{
    for (size_t i = 0; i + strlen(words) < f->n; i++)
        if (!memcmp(f->bytes + i, words, strlen(words))) {
            i += strlen(words);
            while (f->bytes[i] != '\n') i++;
            return i + 1;
        }
    return f->n;
}
static void turn(file *f, size_t at, size_t n)
{
    for (size_t k = 0; k < n / 2 && at + n <= f->n; k++) {
        const unsigned char was = f->bytes[at + k];
        f->bytes[at + k] = f->bytes[at + n - 1 - k];
        f->bytes[at + n - 1 - k] = was;
    }
}
static void see_other_order(void)
{
    file f = load("two_volumes_22_bin.msh");
    source s = { GMSH, f.bytes, NULL, f.n, 0 };
    ds_mesh m, turned;
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    TAP_OK(!read_source(&s, &c, &m), "a binary file");
    const size_t nodes = behind(&f, "$Nodes\n"), elements = behind(&f, "$Elements\n");
    turn(&f, behind(&f, "$MeshFormat\n"), 4);
    for (size_t i = 0; i < m.n_points; i++) {
        turn(&f, nodes + 28 * i, 4);
        for (size_t k = 0; k < 3; k++) turn(&f, nodes + 28 * i + 4 + 8 * k, 8);
    }
    for (size_t i = elements; memcmp(f.bytes + i, "\n$End", 5); i += 4) turn(&f, i, 4);
    if (!TAP_OK(!read_source(&s, &c, &turned), "and of the other byte order")) tap_diag("%s", error.text);
    TAP_OK(same_elements(&m, &turned) && same_tags(&m, &turned) && same_points(&m, &turned, 0),
           "are the same mesh");
    ds_mesh_destroy(&m);
    ds_mesh_destroy(&turned);
    free(f.bytes);
}

static int ints_are(const int32_t *a, const int32_t *want, size_t n) { return same_ints(a, want, n); }

static void see_tetgen(void)
{
    static const int32_t tets[8] = { 0, 1, 2, 3, 1, 2, 3, 4 };
    file node = load("two_tets.node"), ele = load("two_tets.ele");
    source s = { TETGEN, node.bytes, ele.bytes, node.n, ele.n };
    ds_mesh m;
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    if (!TAP_OK(!read_source(&s, &c, &m), "TetGen, from 1")) tap_diag("%s", error.text);
    TAP_OK(m.n_points == 5 && m.n_tets == 2 && ints_are(m.tets, tets, 8), "its elements");
    TAP_OK(m.tet_tags && m.tet_tags[0] == 10 && m.tet_tags[1] == -20, "its tags");
    TAP_OK(m.points[12] == (ds_real)2.5 && m.points[14] == (ds_real)2.5 && m.points[3] == 1, "its points");
    ds_mesh_destroy(&m);
    const ds_result r = read_text(TETGEN, "5 3 0 0 0 0 0 0 1 1 0 0 2 0 1 0 3 0 0 1\n4 9 9 9\n",
                                  "2 4 0\n0 0 1 2 3\n1 1 2 3 4\n", &c, &m);
    if (!TAP_OK(!r && ints_are(m.tets, tets, 8) && m.points[14] == 9 && m.tet_tags[0] == 0, "TetGen, from 0"))
        tap_diag("%s", error.text);
    ds_mesh_destroy(&m);
    free(node.bytes);
    free(ele.bytes);
    TAP_OK(!c.live && !c.wrong, "nothing is left");
}

static void see_obj(void)
{
    static const int32_t triangles[] = { 0, 1, 2, 0, 1, 2, 0, 2, 3, 0, 1, 2, 0, 1, 2, 0, 2,
                                         3, 4, 3, 2, 0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 5, 1 };
    static const int32_t edges[] = { 0, 1, 1, 2, 4, 0 };
    file f = load("forms.obj");
    source s = { OBJ, f.bytes, NULL, f.n, 0 };
    ds_mesh m;
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    if (!TAP_OK(!read_source(&s, &c, &m), "OBJ, all forms")) tap_diag("%s", error.text);
    TAP_OK(m.n_triangles == 11 && ints_are(m.triangles, triangles, 33), "its triangles");
    TAP_OK(m.n_edges == 3 && ints_are(m.edges, edges, 6), "its edges");
    TAP_OK(m.n_points == 6 && m.points[7] == (ds_real)1.5 && m.points[11] == (ds_real)-2.5 &&
               m.points[15] == (ds_real)3.0000000000000004 && m.points[16] == (ds_real)1e-320 &&
               m.points[17] == (ds_real)1.7e38,
           "its points, to the bit");
    TAP_OK(!m.triangle_tags && !m.edge_tags, "no tags");
    ds_mesh_destroy(&m);
    for (size_t i = 0, k = 0; i < f.n; i++) /* the same with the line ends of Windows */
        if (f.bytes[i] == '\n') {
            unsigned char *more = (unsigned char *)malloc(2 * f.n);
            for (size_t j = k = 0; more && j < f.n; j++) {
                if (f.bytes[j] == '\n') more[k++] = '\r';
                more[k++] = f.bytes[j];
            }
            s.bytes = more;
            s.n = k;
            TAP_OK(!read_source(&s, &c, &m) && ints_are(m.triangles, triangles, 33),
                   "with the other line ends");
            ds_mesh_destroy(&m);
            free(more);
            break;
        }
    free(f.bytes);
    TAP_OK(!c.live && !c.wrong, "nothing is left");
}

/* a mesh with random bits in its points, finite ones, and random tags */
static void scramble(ds_mesh *m, ds_rng *rng)
{
    for (size_t i = 0; i < 3 * m->n_points; i++) do {
            const uint64_t bits = ds_rng_bits(rng);
            memcpy(m->points + i, &bits, sizeof *m->points);
        } while (!isfinite(m->points[i]));
}

static void see_round_trips(void)
{
    ds_rng rng = ds_rng_make(11, 0);
    ds_mesh_ball_desc ball = { 0 };
    ds_mesh made, back;
    ds_mesh_list skin, edges;
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    ds_allocator allocator = allocator_of(&c);
    file f = { NULL, 0, 0, 1 << 20 };
    f.bytes = (unsigned char *)malloc(f.limit);
    const ds_stream s = stream_of(&f);
    ball.n = 3;
    if (!TAP_OK(f.bytes && !ds_mesh_ball(&ball, &made, NULL) && !ds_mesh_boundary(&made, &skin, NULL) &&
                    !ds_mesh_edges(&made, &edges, NULL),
                "a ball, its skin and edges"))
        return;
    scramble(&made, &rng);
    int32_t tags[3000];
    for (int i = 0; i < 3000; i++) tags[i] = (int32_t)(uint32_t)ds_rng_bits(&rng);
    tags[0] = INT32_MIN;
    ds_mesh all = made;
    all.n_triangles = skin.n, all.triangles = skin.points;
    all.n_edges = edges.n, all.edges = edges.points;
    all.tet_tags = tags, all.triangle_tags = tags + 600, all.edge_tags = tags + 1000;
    TAP_OK(!ds_mesh_write_gmsh(&all, &s, &error) && f.n > 10000, "is written for Gmsh");
    TAP_OK(!ds_mesh_read_gmsh(&s, &allocator, &back, &error) && same_elements(&all, &back), "and read back");
    TAP_OK(same_tags(&all, &back), "with its tags");
    TAP_OK(!memcmp(all.points, back.points, 3 * all.n_points * sizeof *all.points), "to the bit");
    const uint64_t hash = ds_hash_bytes(f.bytes, f.n, 0);
    f.n = f.at = 0;
    TAP_OK(!ds_mesh_write_gmsh(&back, &s, &error) && ds_hash_bytes(f.bytes, f.n, 0) == hash,
           "and again the same");
    ds_mesh_destroy(&back);
    all.n_tets = 0;
    f.n = f.at = 0;
    TAP_OK(!ds_mesh_write_obj(&all, &s, &error), "is written as OBJ");
    TAP_OK(!ds_mesh_read_obj(&s, &allocator, &back, &error) && same_elements(&all, &back), "and read back");
    TAP_OK(!memcmp(all.points, back.points, 3 * all.n_points * sizeof *all.points), "to the bit");
    ds_mesh_destroy(&back);
    /* a stream that takes so many bytes only */
    const size_t whole = f.n;
    int fine = 1;
    for (size_t limit = 0; limit < whole; limit += 97) {
        f.n = f.at = 0;
        f.limit = limit;
        fine &= ds_mesh_write_obj(&all, &s, &error) == DSIM_ERROR_CALLBACK && error.index <= limit;
    }
    TAP_OK(fine, "a stream that is full is an error");
    TAP_HAS(error.text, "writing stopped behind byte", "it says where");
    f.limit = 1 << 20;
    f.n = 0;
    all.n_tets = 1;
    TAP_OK(ds_mesh_write_obj(&all, &s, &error) == DSIM_ERROR_ARGUMENT && !f.n, "OBJ has no tetrahedra");
    TAP_HAS(error.text, "boundary", "it says what to do");
    all.points[3 * 7 + 1] = (ds_real)NAN;
    TAP_OK(ds_mesh_write_gmsh(&all, &s, &error) == DSIM_ERROR_NON_FINITE && error.index == 7 && !f.n,
           "a point that is NaN is not written");
    all.triangles[4] = -1;
    TAP_OK(ds_mesh_write_vtk(&all, NULL, 0, &s, &error) == DSIM_ERROR_RANGE && error.index == 1 && !f.n,
           "nor a bad element");
    ds_mesh_list_destroy(&skin);
    ds_mesh_list_destroy(&edges);
    ds_mesh_destroy(&made);
    free(f.bytes);
    TAP_OK(!c.live && !c.wrong, "nothing is left");
}

static void see_vtk(void)
{
    ds_real points[12] = { 0, 0, 0, 1, 0, 0, 0, (ds_real)0.5, 0, 0, 0, (ds_real)1e-30 };
    ds_real heat[4] = { 1, 2, (ds_real)-0.25, 4 }, push[9] = { 0, 0, 1, 0, 2, 0, 3, 0, 0 };
    int32_t edge[2] = { 0, 1 }, triangle[3] = { 0, 1, 2 }, tet[4] = { 0, 1, 2, 3 };
    ds_mesh_field fields[2] = { { "heat", NULL, 1, 0 }, { "push", NULL, 3, 1 } };
    char text[2000];
    file f = { NULL, 0, 0, sizeof text - 1 };
    const ds_stream s = stream_of(&f);
    ds_mesh m;
    f.bytes = (unsigned char *)text;
    memset(&m, 0, sizeof m);
    m.n_points = 4, m.points = points, m.n_edges = m.n_triangles = m.n_tets = 1;
    m.edges = edge, m.triangles = triangle, m.tets = tet;
    fields[0].values = heat;
    fields[1].values = push;
    if (!TAP_OK(!ds_mesh_write_vtk(&m, fields, 2, &s, &error), "VTK")) tap_diag("%s", error.text);
    text[f.n] = 0;
    TAP_HAS(text, "# vtk DataFile Version 3.0\ndiffsim\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 4 ",
            "its head");
    TAP_HAS(text, "\n0 0 0\n1 0 0\n0 0.5 0\n0 0 1", "points");
    TAP_HAS(text, "CELLS 3 12\n2 0 1\n3 0 1 2\n4 0 1 2 3\nCELL_TYPES 3\n3\n5\n10\n", "cells");
    TAP_HAS(text,
            IS_FLOAT ? "CELL_DATA 3\nVECTORS push float\n0 0 1\n0 2 0\n3 0 0\n"
                     : "CELL_DATA 3\nVECTORS push double\n0 0 1\n0 2 0\n3 0 0\n",
            "vectors of cells");
    TAP_HAS(text,
            IS_FLOAT ? "POINT_DATA 4\nSCALARS heat float 1\nLOOKUP_TABLE default\n1\n2\n-0.25\n4\n"
                     : "POINT_DATA 4\nSCALARS heat double 1\nLOOKUP_TABLE default\n1\n2\n-0.25\n4\n",
            "numbers of points");
    for (int k = 0; k < 6; k++) {
        ds_mesh_field bad = fields[0];
        if (k == 0) bad.name = NULL;
        if (k == 1) bad.name = "";
        if (k == 2) bad.name = "two words";
        if (k == 3) bad.components = 2;
        if (k == 4) bad.values = NULL;
        f.n = 0;
        TAP_OK(ds_mesh_write_vtk(&m, k == 5 ? NULL : &bad, 1, &s, &error) == DSIM_ERROR_ARGUMENT && !f.n,
               "bad field %d is refused", k);
    }
    ds_stream none = { NULL, NULL, NULL };
    TAP_OK(ds_mesh_write_vtk(&m, NULL, 0, NULL, &error) == DSIM_ERROR_ARGUMENT &&
               ds_mesh_write_vtk(&m, NULL, 0, &none, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_mesh_write_vtk(NULL, NULL, 0, &s, NULL) == DSIM_ERROR_ARGUMENT,
           "no mesh, no stream: refused");
    TAP_OK(ds_mesh_read_obj(&none, NULL, &m, &error) == DSIM_ERROR_ARGUMENT &&
               ds_mesh_read_obj(NULL, NULL, &m, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_mesh_read_gmsh(&s, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT &&
               ds_mesh_read_tetgen(&s, NULL, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT,
           "to read, too");
}

/* the sources that are cut and damaged below: the samples, and small ones */
enum { N_SOURCES = 6 };
static file files[N_SOURCES], second;
static source source_of(int k)
{
    source s = { GMSH, NULL, NULL, 0, 0 };
    s.bytes = files[k].bytes;
    s.n = files[k].n;
    if (k == 4) s.kind = TETGEN, s.other = second.bytes, s.n_other = second.n;
    if (k == 5) s.kind = OBJ;
    return s;
}

/* an error of a file says which, where, what it wants, and leaves nothing */
static int is_told(const ds_mesh *m, ds_result r, const counter *c)
{
    int told = r == error.code && r && !m->points && !m->memory && !m->n_points && !c->live && !c->wrong;
    told = told && strstr(error.text, " file, ") && strstr(error.text, "expected") && error.index > 0;
    if (r == DSIM_ERROR_FORMAT && strstr(error.text, "the file ends within a number")) told = 1;
    if (!told) tap_diag("%s: \"%s\"", ds_result_name(r), error.text);
    return told;
}

static void see_cuts(void)
{
    for (int k = 0; k < N_SOURCES; k++) {
        source s = source_of(k);
        const size_t whole = s.n;
        const size_t at_end = s.kind == GMSH ? 1 : 10; /* the last line end; the last comment */
        int fine = 1, refused = 0;
        for (s.n = 0; s.n < whole; s.n++) {
            counter c = { 0, 0, 0, 0, 0, 0, 0 };
            ds_mesh m;
            const ds_result r = read_source(&s, &c, &m);
            if (r) {
                fine &= is_told(&m, r, &c);
                refused++;
            } else { /* an OBJ ends between two lines, or in one that is passed over */
                size_t begin = s.n;
                while (begin && s.bytes[begin - 1] != '\n') begin--;
                while (begin < s.n && s.bytes[begin] == ' ') begin++;
                const int used = s.bytes[begin] && strchr("vfl ", s.bytes[begin]) &&
                                 (s.n == begin + 1 || strchr(" \t", s.bytes[begin + 1]));
                const int fits =
                    is_sound(&m) && (s.kind == OBJ ? begin == s.n || !used : whole - s.n <= at_end);
                if (!fits) tap_diag("source %d ends at byte %lu", k, (unsigned long)s.n);
                fine &= fits;
                ds_mesh_destroy(&m);
                fine &= !c.live && !c.wrong;
            }
        }
        TAP_OK(fine, "source %d: cut anywhere, an error that says where", k);
        TAP_OK(refused > (s.kind == OBJ ? 200 : (int)whole - 12), "source %d: %d of %d cuts are refused", k,
               refused, (int)whole);
        if (s.kind != TETGEN) continue;
        const size_t whole_other = s.n_other;
        for (s.n = whole, s.n_other = 0; s.n_other < whole_other; s.n_other++) {
            counter c = { 0, 0, 0, 0, 0, 0, 0 };
            ds_mesh m;
            const ds_result r = read_source(&s, &c, &m);
            /* behind the last number and a blank there are comments only */
            if (r) fine &= is_told(&m, r, &c);
            else fine &= strstr((const char *)s.other, "-20") + 3 < (const char *)s.other + s.n_other;
            if (!r) ds_mesh_destroy(&m);
        }
        TAP_OK(fine, "source %d: the same of its second file", k);
    }
}

static void see_damage(void)
{
    /* flips and random bytes; in text what could mean something, too */
    static const unsigned char bytes[] = { 0, '\n', ' ', '-', '9', '$', 255, '#', '/', '.', 'e', '1' };
    ds_rng rng = ds_rng_make(3, 0);
    for (int k = 0; k < N_SOURCES; k++) {
        source s = source_of(k);
        int fine = 1, refused = 0, rounds = 0;
        unsigned char *damaged = (unsigned char *)malloc(s.n);
        if (!damaged) return;
        memcpy(damaged, s.bytes, s.n);
        s.bytes = damaged;
        for (size_t i = 0; i < s.n; i++)
            for (int way = 0; way < (k % 2 ? 1 : 2); way++, rounds++) {
                counter c = { 0, 0, 0, 0, 0, 0, 0 };
                ds_mesh m;
                const unsigned char was = damaged[i];
                damaged[i] = way          ? bytes[ds_rng_bits(&rng) % sizeof bytes]
                             : i % 3 == 0 ? (unsigned char)ds_rng_bits(&rng)
                                          : (unsigned char)(was ^ (1u << i % 8));
                const ds_result r = read_source(&s, &c, &m);
                if (r) fine &= is_told(&m, r, &c);
                else fine &= is_sound(&m);
                refused += r != DSIM_OK;
                fine &= c.most <= 65536 + 20 * s.n;
                if (!r) ds_mesh_destroy(&m);
                fine &= !c.live && !c.wrong;
                damaged[i] = was;
            }
        tap_diag("source %d: %d of %d damages are refused", k, refused, rounds);
        TAP_OK(fine && refused > rounds / 8, "source %d: any byte is damaged: refused, or a mesh", k);
        free(damaged);
    }
}

/* no memory, once or from then on */
static void see_memory(void)
{
    for (int k = 0; k < N_SOURCES; k++) {
        const source s = source_of(k);
        int fine = 1, points = 0;
        for (int for_good = 0; for_good < 2; for_good++)
            for (size_t at = 1;; at++) {
                counter c = { 0, 0, 0, 0, 0, 0, 0 };
                ds_mesh m;
                c.fail_at = at;
                c.for_good = for_good;
                const ds_result r = read_source(&s, &c, &m);
                if (c.calls < at) {
                    fine &= !r;
                    ds_mesh_destroy(&m);
                    break;
                }
                fine &= r == DSIM_ERROR_MEMORY && strstr(error.text, "allocator") && !m.memory && !c.live &&
                        !c.wrong;
                points++;
            }
        TAP_OK(fine && points > 4, "source %d: fails %d times without memory, leaves nothing", k, points);
    }
}

/* what is wrong in a line, and how it is said */
static const struct {
    int kind;
    const char *text, *other;
    ds_result code;
    size_t line;
    const char *words;
} WRONG[] = {
    { OBJ, "", NULL, DSIM_ERROR_FORMAT, 1, "begins with v is expected, and the file ends" },
    { OBJ, "v 0 0\nf 1 1 1\n", NULL, DSIM_ERROR_FORMAT, 1,
      "line 1: a coordinate is expected, and the line ends" },
    { OBJ, "v 0 0 0\nv 0 0 zero\n", NULL, DSIM_ERROR_FORMAT, 2, "a coordinate is expected, not \"zero\"" },
    { OBJ, "v 0 0 1,5\n", NULL, DSIM_ERROR_FORMAT, 1, "not \"1,5\"" },
    { OBJ, "v 0 0 1e999\n", NULL, DSIM_ERROR_NON_FINITE, 1, "a coordinate of finite size is expected" },
    { OBJ, "v 0 nan 1\n", NULL, DSIM_ERROR_NON_FINITE, 1, "finite" },
    { OBJ, "v 0 0 -inf\n", NULL, DSIM_ERROR_NON_FINITE, 1, "finite" },
    { OBJ, "v 0 0 0", NULL, DSIM_ERROR_FORMAT, 1, "a line end is expected" },
    { OBJ, "v 0 0 0\nf 1 1\n", NULL, DSIM_ERROR_FORMAT, 2, "three points of a face are expected" },
    { OBJ, "v 0 0 0\nl 1\n", NULL, DSIM_ERROR_FORMAT, 2, "two points of a line are expected" },
    { OBJ, "v 0 0 0\nf 1 1 0\n", NULL, DSIM_ERROR_RANGE, 2, "from 1 or -1 on" },
    { OBJ, "v 0 0 0\nf 1 1 -2\n", NULL, DSIM_ERROR_RANGE, 2, "not \"-2\"" },
    { OBJ, "v 0 0 0\n\nf 1 1 2\nf 1 1 1\n", NULL, DSIM_ERROR_RANGE, 3, "line 3: more points are expected" },
    { OBJ, "v 0 0 0\nf 1 1 99999999999999999999\n", NULL, DSIM_ERROR_FORMAT, 2, "v//vn" },
    { OBJ, "v 0 0 0\nf 1 1 4000000000\n", NULL, DSIM_ERROR_RANGE, 2, "4000000000" },
    { OBJ, "v 0 0 0\nf 1 1 1/2/3/4\n", NULL, DSIM_ERROR_FORMAT, 2, "1/2/3/4" },
    { OBJ, "v 0 0 0\nf 1 1 1.0\n", NULL, DSIM_ERROR_FORMAT, 2, "not \"1.0\"" },
    { OBJ, "v 0 0 0\nf 1 1 1/x\n", NULL, DSIM_ERROR_FORMAT, 2, "not \"1/x\"" },
    { GMSH, "", NULL, DSIM_ERROR_FORMAT, 1, "$MeshFormat is expected, and the file ends" },
    { GMSH, "solid x\n", NULL, DSIM_ERROR_FORMAT, 1, "not \"solid\"" },
    { GMSH, "$MeshFormat\n4 0 8\n", NULL, DSIM_ERROR_VERSION, 2, "version 2.2 or 4.1 is expected" },
    { GMSH, "$MeshFormat\n2.2 2 8\n", NULL, DSIM_ERROR_FORMAT, 2, "0 for text" },
    { GMSH, "$MeshFormat\n2.2 0 4\n", NULL, DSIM_ERROR_FORMAT, 2, "the bytes of a number" },
    { GMSH, HEAD_22, NULL, DSIM_ERROR_FORMAT, 4, "$Nodes is expected" },
    { GMSH, HEAD_22 NODES_22, NULL, DSIM_ERROR_FORMAT, 11, "$Elements is expected" },
    { GMSH, HEAD_22 NODES_22 NODES_22, NULL, DSIM_ERROR_FORMAT, 11, "once, in this order" },
    { GMSH, HEAD_22 "$Elements\n0\n$EndElements\n", NULL, DSIM_ERROR_FORMAT, 4, "in this order" },
    { GMSH, HEAD_22 "$Nodes\n-1\n", NULL, DSIM_ERROR_FORMAT, 5, "the number of points is expected" },
    { GMSH, HEAD_22 "$Nodes\n1\n1 0 0 1e999\n$EndNodes\n", NULL, DSIM_ERROR_NON_FINITE, 6, "finite" },
    { GMSH, HEAD_22 "$Nodes\n2\n7 0 0 0\n7 1 0 0\n$EndNodes\n", NULL, DSIM_ERROR_FORMAT, 7,
      "different numbers" },
    { GMSH, HEAD_22 "$Nodes\n1\n1 0 0 0\n2 0 0 0\n$EndNodes\n", NULL, DSIM_ERROR_FORMAT, 7,
      "$EndNodes is expected" },
    { GMSH, HEAD_22 "$Nodes\n999999999999999\n1 0 0 0\n", NULL, DSIM_ERROR_FORMAT, 7, "and the file ends" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 5 2 0 1 1 2 3 9\n", NULL, DSIM_ERROR_FORMAT, 13,
      "a hexahedron" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 11 2 0 1 1 2 3 9\n", NULL, DSIM_ERROR_FORMAT, 13,
      "second order" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 99 2 0 1 1 2 3 9\n", NULL, DSIM_ERROR_FORMAT, 13,
      "not \"99\"" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 4 2 0 1 1 2 3 4\n", NULL, DSIM_ERROR_RANGE, 13, "of $Nodes" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 4 -2 1 2 3 4\n", NULL, DSIM_ERROR_FORMAT, 13, "of tags" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n1\n1 2 1 3000000000 1 2 3\n", NULL, DSIM_ERROR_FORMAT, 13, "a tag" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n0\n$EndElements\n$NodeData\n1 2 3\n", NULL, DSIM_ERROR_FORMAT, 16,
      "the end of a section is expected" },
    { GMSH, HEAD_22 NODES_22 "$Elements\n0\n$EndElements\nend\n", NULL, DSIM_ERROR_FORMAT, 14,
      "a section is expected" },
    { GMSH, HEAD_41 "$Nodes\n1 2 1 9\n2 1 0 1\n1\n0 0 0\n$EndNodes\n", NULL, DSIM_ERROR_FORMAT, 8,
      "as many points" },
    { GMSH, HEAD_41 "$Nodes\n1 1 1 9\n4 1 0 1\n1\n0 0 0\n$EndNodes\n", NULL, DSIM_ERROR_FORMAT, 6,
      "dimension" },
    { GMSH, HEAD_41 "$Nodes\n1 1 1 9\n2 1 0 888888888888\n1\n", NULL, DSIM_ERROR_FORMAT, 8,
      "and the file ends" },
    { GMSH, HEAD_41 NODES_41 "$Elements\n1 1 1 1\n3 1 2 1\n1 1 2 9\n", NULL, DSIM_ERROR_FORMAT, 16,
      "of the dimension" },
    { GMSH, HEAD_41 NODES_41 "$Elements\n1 2 1 1\n2 1 2 1\n1 1 2 9\n$EndElements\n", NULL, DSIM_ERROR_FORMAT,
      17, "as many elements" },
    { GMSH, HEAD_41 "$Entities\n0 0 0 77777777777\n$EndEntities\n", NULL, DSIM_ERROR_FORMAT, 6,
      "tag of an entity" },
    { TETGEN, "", "", DSIM_ERROR_FORMAT, 1, "TetGen .node file, line 1: the number of points is expected" },
    { TETGEN, "1 2 0 0\n1 0 0\n", "", DSIM_ERROR_FORMAT, 1, "3, the dimension, is expected" },
    { TETGEN, "1 3 0 0\n2 0 0 0\n", "", DSIM_ERROR_FORMAT, 2, "from 0 or 1 on, not \"2\"" },
    { TETGEN, "2 3 0 0\n0 0 0 0\n2 0 0 0\n", "", DSIM_ERROR_FORMAT, 3, "in order" },
    { TETGEN, "1 3 0 0\n0 0 0 0\n1 0 0 0\n", "", DSIM_ERROR_FORMAT, 3, "the end of the file is expected" },
    { TETGEN, "1 3 1 1\n0 0 0 0 1\n", "", DSIM_ERROR_FORMAT, 3, "an attribute or marker is expected" },
    { TETGEN, "1 3 0 0\n0 0 0 0\n", "1 10 0\n", DSIM_ERROR_FORMAT, 1, ".ele file, line 1: 4, the points" },
    { TETGEN, "1 3 0 0\n0 0 0 0\n", "1 4 0\n0 0 0 0 1\n", DSIM_ERROR_RANGE, 2, "a point of the .node file" },
    { TETGEN, "1 3 0 0\n1 0 0 0\n", "1 4 0\n1 0 1 1 1\n", DSIM_ERROR_RANGE, 2, "not \"0\"" },
    { TETGEN, "1 3 0 0\n1 0 0 0\n", "1 4 0\n0 1 1 1 1\n", DSIM_ERROR_FORMAT, 2,
      "the number of a tetrahedron" },
    { TETGEN, "1 3 0 0\n1 0 0 0\n", "1 4 1\n1 1 1 1 1\n", DSIM_ERROR_FORMAT, 3, "an attribute is expected" },
};

static void see_wrong(void)
{
    for (int k = 0; k < (int)(sizeof WRONG / sizeof *WRONG); k++) {
        counter c = { 0, 0, 0, 0, 0, 0, 0 };
        ds_mesh m;
        const ds_result r = read_text(WRONG[k].kind, WRONG[k].text, WRONG[k].other, &c, &m);
        const int told =
            r == WRONG[k].code && error.code == r && error.index == WRONG[k].line && !m.memory && !c.live;
        if (!TAP_OK(told, "wrong file %d: %s in line %d", k, ds_result_name(WRONG[k].code),
                    (int)WRONG[k].line))
            tap_diag("%s, line %lu: %s", ds_result_name(r), (unsigned long)error.index, error.text);
        TAP_HAS(error.text, WRONG[k].words, "wrong file %d: its sentence", k);
        if (!r) ds_mesh_destroy(&m);
    }
}

/* long words and lines, and counts without bytes behind them */
static void see_hostile(void)
{
    enum { LONG = 2000000 };
    char *text = (char *)malloc(LONG + 100);
    counter c = { 0, 0, 0, 0, 0, 0, 0 };
    ds_mesh m;
    if (!text) return;
    memset(text, '1', LONG);
    memcpy(text, "v 0 0 ", 6);
    memcpy(text + LONG, "\n", 2);
    TAP_OK(read_text(OBJ, text, NULL, &c, &m) == DSIM_ERROR_FORMAT && error.index == 1, "a number of 2 MB");
    TAP_HAS(error.text, "not \"1111111111111111111111111111111111111111...\"", "is told in short");
    memset(text, ' ', LONG);
    memcpy(text, "v 0 0", 5);
    memcpy(text + LONG, "7\n", 3);
    TAP_OK(!read_text(OBJ, text, NULL, &c, &m) && m.n_points == 1 && m.points[2] == 7, "2 MB of blanks");
    ds_mesh_destroy(&m);
    for (int i = 0; i < LONG; i += 2) memcpy(text + i, i ? "1 " : "f ", 2);
    memcpy(text + LONG, "\nv 0 0 0\n", 10);
    c.most = 0;
    TAP_OK(!read_text(OBJ, text, NULL, &c, &m) && m.n_triangles == LONG / 2 - 3,
           "a face of a million points");
    TAP_OK(c.most < 65536 + 20u * LONG, "takes %lu bytes for %d", (unsigned long)c.most, LONG);
    ds_mesh_destroy(&m);
    free(text);
    TAP_OK(!c.live && !c.wrong, "nothing is left");
}

int main(void)
{
    see_gmsh();
    see_other_order();
    see_tetgen();
    see_obj();
    see_round_trips();
    see_vtk();
    for (int k = 0; k < 4; k++) files[k] = load(GMSH_FILES[k]);
    files[4] = load("two_tets.node");
    second = load("two_tets.ele");
    files[5] = load("forms.obj");
    see_cuts();
    see_damage();
    see_memory();
    see_wrong();
    see_hostile();
    for (int k = 0; k < N_SOURCES; k++) free(files[k].bytes);
    free(second.bytes);
    return tap_end();
}
