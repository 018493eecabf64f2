#!/bin/sh
# Bugs planted in meshes and their files (see planting).

. full/planting

begin test_mesh test_mesh_files test_sdf

script=test_mesh
plant 'cubes that are cut one way' 'Euler|boundary|nothing is wrong' \
    's/dsi_box_five\[(i + j + k) % 2\]/dsi_box_five[0]/'
plant 'a far corner that is rounded' 'rows of any length' \
    's/return i == n ? origin + size : origin + dsi_product/return origin + dsi_product/'
plant 'an edge of the icosahedron that is numbered backwards' 'inverted|nothing is wrong' \
    's/w\[face\[a\] < face\[b\] ? b : a\] - 1;/w[b] - 1;/'
plant 'octahedra that are cut anywhere' 'dihedral|bits of generators' \
    's/dsi_product((ds_real)0.999, square\[best\])/square[0] * 2/'
plant 'tetrahedra that are not turned' 'inverted|nothing is wrong' 's/p\[k < 2 || !turn ? k : 5 - k\]/p[k]/'
plant 'a sort that is not stable in its second column' 'edges are|border and|hinges' \
    's/^    size_t column = s->width, i;$/    size_t column = s->width - 1, i;/'
plant 'an overlap that is not seen' 'OVERLAP|way 14' 's/^        if (j > i + 2)$/        if (j > i + 9)/'
plant 'a winding that is not seen' 'WINDING|way 15|hinges' \
    's/turns ^= p\[at\[j\]\] > p\[at\[k\]\];/turns ^= p[at[j]] > 3;/'
plant 'a needle that is flat' 'needle' 's/^    if (across > 0) \*height = det \/ across;/    *height = det;/'
plant 'a hinge with its own corner' 'hinges' 's/q\[(two + 2) % 3\]/p[(one + 2) % 3]/'
plant 'a list that leaks' 'leaves nothing' 's/^    ds_arena_destroy(arena);$//'
plant 'coincident points of two elements' 'DUPLICATE|way 1[123]' \
    's/k < j \&\& whole; k++)/k < j \&\& 0; k++)/'

script=test_mesh_files
plant 'a number with more behind it' 'wrong file' \
    's/ds_real_from_text(r->word, end, out) != end/!ds_real_from_text(r->word, end, out)/'
plant 'numbers that end with the file' 'cut anywhere' 's/^    r->unended = c < 0;/    r->unended = 0;/'
plant 'a negative number that counts from the front' 'OBJ|its triangles' \
    's/number += (int64_t)r->points.n + 1;/number = -number;/'
plant 'a later point that never comes' 'wrong file|cut anywhere|damaged' \
    's/^    if (number > most->number) most->number/    if (0) most->number/'
plant 'bytes of the other order' 'other byte order' \
    's/^    r->swap = one == 0x01000000;//;s/r->swap = one == 0x01000000;/r->swap = 0;/'
plant 'points with the same number' 'wrong file|damaged' \
    's/^        if (a\[i\].id == a\[i - 1\].id) {/        if (0) {/'
plant 'the last group instead of the first' 'the first group' \
    's/^                if (!k) group = other;/                group = other;/'
plant 'parameters that are taken for points' '4.1 in all its parts' \
    's/k < dimension \* parametric; k++)/k < 0; k++)/'
plant 'room for all that is claimed' 'damaged|million|wrong file' \
    's/^    if (!dsi_gmsh_open(r, binary)) return 0;$/    if (!dsi_gmsh_open(r, binary) || !dsi_more(r, \&r->groups, 9000)) return 0;/'
plant 'a row that is kept' 'nothing is left|cut anywhere' \
    's/^        if (all\[k\]->data)$/        if (all[k]->data \&\& k)/'
plant 'a write that is not looked at' 'stream that is full' \
    's/w->buffer, w->n) != w->n;/w->buffer, w->n) == w->n + 1;/'
plant 'an element that is written from 1' 'VTK|cells' \
    's/dsi_spell_size(\&w, " ", (size_t)p\[k\], "");/dsi_spell_size(\&w, " ", (size_t)p[k] + 1, "");/'

script=test_sdf
plant 'the sign of the nearest face alone' 'distance and sign' 's/: where < 6 ? f->edges/: 0 ? f->edges/'
plant 'corners that are not weighted by angles' 'distance and sign|bits of' \
    's/^            for (j = 0; j < 3; j++) corner\[j\] += dsi_times(angle, normal\[j\]);/            for (j = 0; j < 3; j++) corner[j] = normal[j];/'
plant 'a search that gives up too early' 'distance and sign' \
    's/(fabs(last) + h) \* 1.000001/(fabs(last) + h) * 0.5/'
plant 'a box that misses a corner' 'distance and sign' \
    's/^            if (!c || x > box\[3 + k\]) box\[3 + k\] = x;/            if (!c) box[3 + k] = x;/'
plant 'an edge taken for another' 'distance and sign|bits of' 's/where = 5, t = d\[1\]/where = 4, t = d[1]/'
plant 'a surface that is open' 'not closed|way 0' 's/^    if (2 \* i != s->n_in) {/    if (0) {/'

finish
