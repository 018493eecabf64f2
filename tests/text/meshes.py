# what meshio reads from a file, as the plain lines of meshes.c; or what it writes: meshes.py read FILE [single],
# meshes.py write FOLDER
import sys
import numpy
import meshio


def show(mesh, tags, fields):
    for x in mesh.points:
        print("point", *("%.17g" % float(c) for c in (list(x) + [0.0])[:3]))
    for kind in ("line", "triangle", "tetra"):
        for i, block in enumerate(mesh.cells):
            if block.type != kind:
                continue
            for j, cell in enumerate(block.data):
                tag = ("tag", int(mesh.cell_data[tags][i][j])) if tags in mesh.cell_data else ()
                print("cell", kind, *map(int, cell), *tag)
    for name in fields:
        if name in mesh.point_data:
            data = numpy.asarray(mesh.point_data[name])
        else:
            data = numpy.concatenate([numpy.asarray(part) for part in mesh.cell_data[name]])
        for number in data.reshape(-1):
            print(name, "%.17g" % float(number))


def write(folder):
    # a box of tetrahedra with its faces, tagged, in the formats that are read
    steps = 3
    points = [[i / 3.0, j / 7.0, k * 0.1] for i in range(steps) for j in range(steps) for k in range(steps)]
    ways = [(1, 3, 7), (1, 5, 7), (2, 3, 7), (2, 6, 7), (4, 5, 7), (4, 6, 7)]
    tets = []
    for i in range(steps - 1):
        for j in range(steps - 1):
            for k in range(steps - 1):
                at = lambda bits: ((i + (bits & 1)) * steps + j + (bits >> 1 & 1)) * steps + k + (bits >> 2)
                tets += [[at(0), at(a), at(b), at(c)] for a, b, c in ways]
    triangles = [[0, 1, 3], [1, 4, 3]]
    tags = [numpy.arange(len(triangles)) + 5, numpy.arange(len(tets)) % 3 + 1]
    cells = [("triangle", numpy.array(triangles)), ("tetra", numpy.array(tets))]
    data = {"gmsh:physical": tags, "gmsh:geometrical": tags}
    mesh = meshio.Mesh(numpy.array(points), cells, cell_data=data)
    meshio.write(folder + "/text22.msh", mesh, file_format="gmsh22", binary=False)
    meshio.write(folder + "/bytes22.msh", mesh, file_format="gmsh22", binary=True)
    meshio.write(folder + "/tetgen.node", meshio.Mesh(numpy.array(points), cells[1:]), file_format="tetgen")
    meshio.write(folder + "/skin.obj", meshio.Mesh(numpy.array(points), cells[:1]))


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    mesh = meshio.read(sys.argv[2])
    fields = ["heat", "velocity", "stress", "flow"] if sys.argv[2].endswith(".vtk") else []
    show(mesh, "gmsh:physical", fields)
