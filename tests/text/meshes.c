/* meshes.c - meshes in files, for meshes.sh: writes a ball with its skin and edges as NAME.obj, .msh and .vtk
   and the same as plain numbers for the other side to compare with; or reads a file and prints it as those.
   meshes write FOLDER    meshes obj|gmsh FILE    meshes tetgen FILE.node FILE.ele */
#include "diffsim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t read_file(void *user, void *bytes, size_t n) { return fread(bytes, 1, n, (FILE *)user); }
static size_t write_file(void *user, const void *bytes, size_t n)
{
    return fwrite(bytes, 1, n, (FILE *)user);
}
static ds_stream stream_of(FILE *f)
{
    ds_stream s;
    s.user = f;
    s.read = read_file;
    s.write = write_file;
    return s;
}

static void give_up(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* "cell triangle 0 1 2", with a tag behind if there are any */
static void print_elements(FILE *f, const char *name, const int32_t *p, const int32_t *tags, size_t n,
                           int corners)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "cell %s", name);
        for (int k = 0; k < corners; k++) fprintf(f, " %d", (int)*p++);
        if (tags) fprintf(f, " tag %d", (int)tags[i]);
        fprintf(f, "\n");
    }
}
static void print(FILE *f, const ds_mesh *m)
{
    for (size_t i = 0; i < m->n_points; i++)
        fprintf(f, "point %.17g %.17g %.17g\n", (double)m->points[3 * i], (double)m->points[3 * i + 1],
                (double)m->points[3 * i + 2]);
    print_elements(f, "line", m->edges, m->edge_tags, m->n_edges, 2);
    print_elements(f, "triangle", m->triangles, m->triangle_tags, m->n_triangles, 3);
    print_elements(f, "tetra", m->tets, m->tet_tags, m->n_tets, 4);
}

/* DIR/NAME, opened */
static FILE *open_in(const char *folder, const char *name)
{
    char path[1000];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    if (!f) give_up(path);
    return f;
}

static void write_all(const char *folder)
{
    ds_mesh_ball_desc desc = { 0 };
    ds_mesh ball, all;
    ds_mesh_list skin, edges;
    ds_error e;
    ds_mesh_field fields[4];
    static ds_real numbers[4][20000];
    static int32_t tags[20000];
    desc.n = 3;
    desc.centre = ds_v3_make((ds_real)0.1, (ds_real)1e-5, (ds_real)-1e9 / 3);
    desc.radius = (ds_real)1e8 / 3;
    if (ds_mesh_ball(&desc, &ball, &e) || ds_mesh_boundary(&ball, &skin, &e) ||
        ds_mesh_edges(&ball, &edges, &e))
        give_up(e.text);
    for (size_t i = 0; i < 20000; i++) {
        for (int k = 0; k < 4; k++)
            numbers[k][i] = (ds_real)(i + 1) / (ds_real)(7 + k) * (i % 2 ? (ds_real)1e-12 : 1);
        tags[i] = (int32_t)(i % 5 + 1);
    }
    memset(fields, 0, sizeof fields);
    fields[0].name = "heat", fields[0].components = 1;
    fields[1].name = "velocity", fields[1].components = 3;
    fields[2].name = "stress", fields[2].components = 1, fields[2].of_cells = 1;
    fields[3].name = "flow", fields[3].components = 3, fields[3].of_cells = 1;
    for (int k = 0; k < 4; k++) fields[k].values = numbers[k];
    all = ball;
    all.n_edges = edges.n, all.edges = edges.points;
    all.n_triangles = skin.n, all.triangles = skin.points;
    for (int k = 0; k < 3;
         k++) { /* msh with tags, vtk, obj without tetrahedra; what is in them beside each */
        static const char *const names[] = { "ball.msh", "ball.vtk", "ball.obj" };
        static const char *const plain[] = { "ball.msh.txt", "ball.vtk.txt", "ball.obj.txt" };
        FILE *const f = open_in(folder, names[k]), *const text = open_in(folder, plain[k]);
        const ds_stream to = stream_of(f);
        all.edge_tags = k ? NULL : tags;
        all.triangle_tags = k ? NULL : tags + 1;
        all.tet_tags = k ? NULL : tags + 2;
        if (k == 2) all.n_tets = 0;
        if (k == 0   ? ds_mesh_write_gmsh(&all, &to, &e)
            : k == 1 ? ds_mesh_write_vtk(&all, fields, 4, &to, &e)
                     : ds_mesh_write_obj(&all, &to, &e))
            give_up(e.text);
        print(text, &all);
        for (int field = 0; k == 1 && field < 4; field++) {
            const size_t n = fields[field].of_cells ? edges.n + skin.n + ball.n_tets : ball.n_points;
            for (size_t i = 0; i < n * fields[field].components; i++)
                fprintf(text, "%s %.17g\n", fields[field].name, (double)numbers[field][i]);
        }
        fclose(f);
        fclose(text);
    }
    ds_mesh_list_destroy(&skin);
    ds_mesh_list_destroy(&edges);
    ds_mesh_destroy(&ball);
}

int main(int n, char **argument)
{
    ds_mesh m;
    ds_error e;
    if (n < 3) give_up("meshes write FOLDER, meshes obj|gmsh FILE, meshes tetgen NODE ELE");
    if (!strcmp(argument[1], "write")) {
        write_all(argument[2]);
        return 0;
    }
    FILE *const f = fopen(argument[2], "rb"), *const other = n > 3 ? fopen(argument[3], "rb") : NULL;
    if (!f || (n > 3 && !other)) give_up("no such file");
    const ds_stream from = stream_of(f), second = stream_of(other);
    const ds_result r = !strcmp(argument[1], "obj")    ? ds_mesh_read_obj(&from, NULL, &m, &e)
                        : !strcmp(argument[1], "gmsh") ? ds_mesh_read_gmsh(&from, NULL, &m, &e)
                                                       : ds_mesh_read_tetgen(&from, &second, NULL, &m, &e);
    if (r) give_up(e.text);
    print(stdout, &m);
    ds_mesh_destroy(&m);
    fclose(f);
    if (other) fclose(other);
    return 0;
}
