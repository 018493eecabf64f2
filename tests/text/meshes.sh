#!/bin/sh
# Mesh files that are written here are read by meshio as the same points, cells, tags and fields, to the bit; what
# meshio and Gmsh write is read here as meshio reads it.

. text/tap.sh

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1 || ! "$python" -c 'import meshio' 2>/dev/null; then
    skip "mesh files against meshio" "no meshio: apt-get install python3-meshio"
    finish
fi
diag "meshio $("$python" -c 'import meshio; print(meshio.__version__)')"

# shows that the lines of two files are the same: NAME GOT WANT
same_lines()
{
    check "$1: there are lines" test "$(wc -l <"$2")" -gt 20
    diff "$2" "$3" >"$work/difference" 2>&1
    empty "$1" "$work/difference"
}
# what meshio has to say, without the empty line in which it warns
meshio() { "$python" text/meshes.py "$@" 2>"$work/meshio.err" | grep . || sed 's/^/# /; 20q' "$work/meshio.err"; }

for real in double float; do
    mkdir -p "$work/$real"
    check "$real: builds" $object_cc -O0 -I"$(dirname "$header")" -DDIFFSIM_REAL=$real text/meshes.c \
        "$(object $real)" -o "$work/meshes_$real" -lm -pthread
    check "$real: writes" "$work/meshes_$real" write "$work/$real"
    for name in msh vtk obj; do
        meshio read "$work/$real/ball.$name" >"$work/$real/$name.read"
        test $name = obj && sed -i.all '/^cell line/d' "$work/$real/ball.obj.txt" # meshio passes over them
        same_lines "$real: meshio reads our .$name" "$work/$real/$name.read" "$work/$real/ball.$name.txt"
    done
done

meshio write "$work"
for name in text22 bytes22; do
    meshio read "$work/$name.msh" >"$work/want"
    "$work/meshes_double" gmsh "$work/$name.msh" >"$work/got" 2>&1
    same_lines "we read meshio's $name.msh" "$work/got" "$work/want"
done
meshio read "$work/skin.obj" >"$work/want"
"$work/meshes_double" obj "$work/skin.obj" >"$work/got" 2>&1
same_lines "we read meshio's skin.obj" "$work/got" "$work/want"
meshio read "$work/tetgen.node" >"$work/want"
"$work/meshes_double" tetgen "$work/tetgen.node" "$work/tetgen.ele" 2>&1 | sed 's/ tag 0$//' >"$work/got"
same_lines "we read meshio's tetgen.node and .ele" "$work/got" "$work/want"

# what Gmsh wrote, text and bytes
for name in 22 22_bin 41 41_bin; do
    meshio read data/two_volumes_$name.msh >"$work/want"
    "$work/meshes_double" gmsh data/two_volumes_$name.msh >"$work/got" 2>&1
    same_lines "we read Gmsh's two_volumes_$name.msh as meshio does" "$work/got" "$work/want"
done

finish
