"""peer_torch_diffsim.py DIRECTORY ... - torch-diffsim, a version in each directory, on an elastic cube:
seconds per step, memory, loss, and its gradient by the log of each tetrahedron's Young's modulus, which
central differences check. Where it is not finite, the operations that made it so.

    --reps N          runs of which the least time counts
    --threads N       at most so many; where others use the cores two take far longer than one
    --ours FILE ...   what cubes_double and cubes_float printed, to stand beside it
    --oracle          instead: ../oracle/torch_diffsim.h, in double
"""

import argparse
import importlib.util
import math
import multiprocessing
import os
import resource
import sys
import textwrap
import time
import types

STEPS = 50
CELLS = 6, 13           # along each edge: 1296 and 13 182 tetrahedra, 6 to a cell as in its create_cube()
INSTALL = "make -C tests/bench torch_diffsim PEERS=1"

# rest: every default; its cube stands where its floor is. touch: as high as its contact reaches, sliding, in
# steps in which contact and friction of the lightest vertices are stable. held: its example of materials by
# element, above the floor on its fixed bottom.
SCENES = {
    "rest": {"height": 0.0, "fixed": 0.0, "velocity": (0.0, 0.0, 0.0), "solver": {}},
    "touch": {"height": 0.02, "fixed": 0.0, "velocity": (0.3, 0.0, 0.2), "solver": {"dt": 0.002}},
    "held": {"height": 0.5, "fixed": 0.58, "velocity": (0.0, 0.0, 0.0),
             "solver": {"dt": 0.005, "damping": 0.98}},
}


def load(directory, real, threads):
    """torch and the package, which reads mesh files with meshio that nothing here needs."""
    global torch, diffsim
    sys.path.insert(0, directory)
    sys.modules.setdefault("meshio", types.ModuleType("meshio"))
    import torch
    torch.set_num_threads(threads)
    torch.set_default_dtype(getattr(torch, real))
    import diffsim


def cube(cells, height):
    """Mesh of the unit cube, its bottom at height (m); vertex (i, j, k) is (i*n + j)*n + k, n = cells + 1."""
    n = cells + 1
    axis = torch.arange(n, dtype=torch.float64) / cells
    points = torch.cartesian_prod(axis, axis, axis) + torch.tensor([0.0, height, 0.0], dtype=torch.float64)
    i, j, k = torch.cartesian_prod(*[torch.arange(cells)] * 3).T
    corner = (i * n + j) * n + k
    x, y, z = n * n, n, 1
    ways = (z, y + z), (z, x + z), (x, x + z), (x, x + y), (y, y + z), (y, x + y)
    tets = [torch.stack([corner, corner + a, corner + b, corner + x + y + z], 1) for a, b in ways]
    return diffsim.TetrahedralMesh(points.to(torch.get_default_dtype()), torch.stack(tets, 1).reshape(-1, 4))


def build(scene, cells):
    """Its differentiable simulator; E is 1e5 Pa times exp(0.2 sin e) in element e, except at rest."""
    s = SCENES[scene]
    mesh = cube(cells, s["height"])
    material = diffsim.SpatiallyVaryingMaterial(mesh.num_elements)
    if scene != "rest":
        material.log_E.data += 0.2 * torch.sin(torch.arange(mesh.num_elements, dtype=torch.float64))
    sim = diffsim.DifferentiableSimulator(mesh, material, diffsim.DifferentiableSolver(**s["solver"]))
    fixed = torch.where(mesh.vertices[:, 1] <= s["fixed"])[0]
    if s["fixed"] > 0:
        sim.set_fixed_vertices(fixed)
    return sim


def leaves(sim, scene):
    """What the loss depends on: by element, and the state at the start."""
    sim.reset()
    sim.velocities = sim.velocities + torch.tensor(SCENES[scene]["velocity"])
    sim.velocities.requires_grad_(True)
    sim.material.zero_grad()
    return {"log_E": sim.material.log_E, "x": sim.positions, "v": sim.velocities}


def loss_of(sim):
    """Mean square of the components of the displacement after all steps (m^2)."""
    for _ in range(STEPS):
        sim.step()
    return sim.compute_loss(sim.mesh.vertices)


def wave(a):
    """cos 0.37 q for the q-th entry: a direction, and the weights of a checksum."""
    return torch.cos(0.37 * torch.arange(a.numel(), dtype=a.dtype)).reshape(a.shape)


def central_difference(sim, scene, name):
    """Of the loss along wave(), by the leaf of that name."""
    step = 1e-4 if name == "log_E" else 1e-6
    sides = []
    for sign in 1, -1:
        leaf = leaves(sim, scene)[name]
        was = leaf.data.clone()
        leaf.data += sign * step * wave(leaf)
        sides.append(loss_of(sim).item())
        leaf.data = was
    return (sides[0] - sides[1]) / (2 * step)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(directory, scene, cells, real, threads, reps):
    """A row of the first table."""
    load(directory, real, threads)
    sim = build(scene, cells)
    before, forward, both = memory(), [], []
    clock = time.process_time if threads == 1 else time.perf_counter
    for _ in range(reps):
        leaf = leaves(sim, scene)["log_E"]
        start = clock()
        loss = loss_of(sim)
        forward.append(clock() - start)
        loss.backward()
        both.append(clock() - start)
    peak, plain = memory() - before, []
    for _ in range(reps):
        simple = diffsim.Simulator(sim.mesh, diffsim.StableNeoHookean(1e5, 0.4),
                                   diffsim.SemiImplicitSolver(**SCENES[scene]["solver"]))
        start = clock()
        for _ in range(STEPS):
            simple.step()
        plain.append(clock() - start)
    bad = (~torch.isfinite(leaf.grad)).sum().item()
    found = "%d of %d not finite" % (bad, leaf.numel()) if bad else "%.3e" % leaf.grad.norm().item()
    return [min(t) / STEPS for t in (plain, forward, both)] + [peak, loss.item(), found]


def check(directory, scene, cells):
    """A row of the second table: loss, gradient along wave(), the same by central differences."""
    load(directory, "float64", 1)
    sim = build(scene, cells)
    leaf = leaves(sim, scene)["log_E"]
    loss = loss_of(sim)
    loss.backward()
    along = (leaf.grad * wave(leaf)).sum().item()
    return loss.item(), along, central_difference(sim, scene, "log_E")


def graph(outputs):
    """Nodes that the outputs come from."""
    found, rest = set(), [a.grad_fn for a in outputs]
    while rest:
        node = rest.pop()
        if node is not None and node not in found:
            found.add(node)
            rest += [following for following, _ in node.next_functions]
    return found


def statement(node):
    """Line of the package that made the node, or made the one whose derivative it is."""
    node = node.metadata.get("parent_") or node
    frame = [frame for frame in node.metadata["traceback_"] if "diffsim" in frame][-1]
    return frame.split("\n")[1].strip()


def watch(node, found):
    """Notes the first Inf and the first NaN: adjoints meet in the node, or it makes one of them."""
    def hook(to_inputs, from_outputs):
        for way, adjoints in ("sum into", from_outputs), ("result of", to_inputs):
            for name, test in ("Inf", torch.isinf), ("NaN", torch.isnan):
                if name not in found and any(a is not None and test(a).any() for a in adjoints):
                    found[name] = "%s: %s %s of  %s" % (name, way, node.name(), statement(node))
    return node.register_hook(hook)


def why(directory, scene, cells):
    """The adjoint of a float run, a substep at a time: lines on its size, its first Inf and its first NaN."""
    load(directory, "float32", 1)
    sim = build(scene, cells)
    substeps = STEPS * sim.solver.substeps
    sim.solver.dt, sim.solver.substeps = sim.solver.dt / sim.solver.substeps, 1
    states, found, lines = [list(leaves(sim, scene).values())[1:]], {}, []
    for _ in range(substeps):
        sim.step()
        states.append([a.detach().requires_grad_() for a in (sim.positions, sim.velocities)])
        sim.positions, sim.velocities = states[-1]
    loss, end = sim.compute_loss(sim.mesh.vertices), states.pop()
    bars = torch.autograd.grad(loss, end[0]) + (torch.zeros_like(end[1]),)
    for back in range(1, substeps + 1):
        largest = max(a[torch.isfinite(a)].abs().max().item() for a in bars)
        if back % 20 == 1:
            lines.append("%3d substeps before the end: adjoints up to %.0e" % (back - 1, largest))
        state = sim.positions, sim.velocities = states.pop()
        close = largest > 1e30
        with torch.autograd.set_detect_anomaly(close):      # nodes remember their lines
            sim.step()
        after = sim.positions, sim.velocities
        hooks, had = [watch(node, found) for node in graph(after)] if close else [], len(found)
        bars = torch.autograd.grad(after, state, bars)
        lines += ["%3d substeps before the end: %s" % (back, line) for line in list(found.values())[had:]]
        if "NaN" in found:
            break
        for h in hooks:
            h.remove()
    return lines


def facts(directory, scene, cells, every):
    """A row of the oracle: loss, then length, part along wave() and some entries of places and gradients."""
    load(directory, "float64", 1)
    sim = build(scene, cells)
    leaf = leaves(sim, scene)
    loss = loss_of(sim)
    found = [sim.positions.detach(), *torch.autograd.grad(loss, list(leaf.values()))]
    vectors = [[a.norm().item(), (a * wave(a)).sum().item(), *a.flatten()[::every].tolist()] for a in found]
    lines = [textwrap.fill("{ %s }" % ", ".join("%.17g" % x for x in a), 102) for a in vectors]
    return '    { "%s", "%s", %.17g, {\n%s } },' % (diffsim.__version__, scene, loss.item(),
                                               textwrap.indent(",\n".join(lines), " " * 8))


ORACLE = """\
/* torch_diffsim.h - torch-diffsim 0.1.0 and 0.2.0 (PyPI, MIT) on the scenes of bench/peer_torch_diffsim.py,
   which has printed this with --oracle: cubes of %d cells along each edge, %d steps, double. Loss; then of
   the places at the end and of the gradients by log E, by the places and by the velocities at the start:
   length, the sum of a[q] cos 0.37 q, and the first, then each %dth number. */

#ifndef ORACLE_TORCH_DIFFSIM_H
#define ORACLE_TORCH_DIFFSIM_H

enum { ORACLE_CUBE_CELLS = %d, ORACLE_CUBE_EVERY = %d };
static const struct { const char *version, *scene; double loss, vectors[4][%d]; } ORACLE_CUBES[] = {
%s
};

#endif"""


def oracle(directories):
    cells, every = 3, 17
    print(ORACLE % (cells, STEPS, every, cells, every, 2 + (3 * (cells + 1) ** 3 + every - 1) // every,
                    "\n".join(apart(facts, d, scene, cells, every) for d in directories for scene in SCENES
                              if scene != "rest" or "0.1.0" not in d)))


def apart(function, *arguments):
    """In a process of its own: a version, a real type and the peak of the memory belong to the process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def rows_of(files):
    """Rows of cubes.c by what comes before their numbers: version, scene, tets, and real, threads, way, or
    the kind of friction."""
    rows = {}
    for file in files:
        for words in map(str.split, open(file)):
            n = 6 if "rest" in words and words[3:4] in (["float"], ["double"]) else 4
            if len(words) > n and words[1] in SCENES:
                rows[tuple(words[:n])] = [float(w) for w in words[n:]]
    return rows


def beside(ours, name, cells, real, threads, theirs):
    """Our seconds for a gradient, interpreted and printed, and how many times theirs are those; nothing where
    the gradient was refused."""
    real = {"float32": "float", "float64": "double"}[real]
    key = name.split("-")[-1], "rest", str(6 * cells ** 3), real, str(threads)
    rows = [ours.get((*key, way)) for way in ("interpreter", "printed")]
    if not all(rows) or any(math.isnan(row[-1]) for row in rows):
        return ""
    times = [row[1] for row in rows]
    return "".join("%9.5f" % t for t in times) + "".join("%7.1f" % (theirs / t) for t in times)


def tables(directories, reps, most_threads, ours):
    print("torch-diffsim, %d steps of 4 substeps, the least of %d runs; seconds per step, of the processor\n"
          "with one thread: Simulator (stress by hand, no gradient), DifferentiableSimulator, that with its\n"
          "gradient; MB that the latter takes; the gradient as a world, interpreted and printed, and how\n"
          "many times faster each is\n" % (STEPS, reps))
    layout = "%-19s %-4s %6s %-7s %7s %9s %9s %9s %6s %12s %20s %s"
    print(layout % ("", "", "tets", "real", "threads", "Simulator", "forward", "gradient", "MB", "loss",
                    "|gradient by log E|", "   world  printed times  times" if ours else ""))
    broken = set()
    for directory in directories:
        name = os.path.basename(os.path.normpath(directory))
        for cells in CELLS:
            for real, threads in ("float32", 1), ("float32", 2), ("float64", 1):
                if threads > most_threads:
                    continue
                *seconds, peak, loss, found = apart(measure, directory, "rest", cells, real, threads, reps)
                print(layout % (name, "rest", 6 * cells ** 3, real, threads, *["%.5f" % s for s in seconds],
                                "%.0f" % peak, "%.6e" % loss, found,
                                beside(ours, name, cells, real, threads, seconds[2])), flush=True)
                if "not finite" in found:
                    broken.add((directory, "rest", cells))
    print("\ndouble; the gradient by log E along a fixed direction, the same by central differences; how\n"
          "far off loss and gradient of the world are, friction detached where it is in the package\n")
    layout = "%-19s %-6s %6s %16s %12s %12s %9s %9s %9s"
    print(layout % ("", "scene", "tets", "loss", "gradient", "differences", "error",
                    *(("loss", "gradient") if ours else ("", ""))))
    for directory in directories:
        name = os.path.basename(os.path.normpath(directory))
        for scene in SCENES:
            loss, along, difference = apart(check, directory, scene, CELLS[0])
            key = name.split("-")[-1], scene, str(6 * CELLS[0] ** 3)
            row = ours.get((*key, "detached"), ours.get((*key, "exact")))
            off = ["%.1e" % abs(a / b - 1) for a, b in zip(row, (loss, along))] if row else ["", ""]
            print(layout % (name, scene, key[2], "%.12e" % loss, "%.5e" % along, "%.5e" % difference,
                            "%.1e" % abs(along / difference - 1), *off), flush=True)
    for directory, scene, cells in sorted(broken):
        print("\nwhy the gradient of %s at %s is not finite, %d tetrahedra, float:" % (
            os.path.basename(os.path.normpath(directory)), scene, 6 * cells ** 3))
        print("\n".join(apart(why, directory, scene, cells)))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--ours", nargs="*", default=[])
    parser.add_argument("directories", nargs="*")
    options = parser.parse_args()
    directories = [d for d in options.directories if os.path.isdir(os.path.join(d, "diffsim"))]
    if not directories or not importlib.util.find_spec("torch"):
        what = "torch" if directories else "torch-diffsim"
        print("skipped: %s is not here; to have it type: %s" % (what, INSTALL))
    elif options.oracle:
        oracle(directories)
    else:
        tables(directories, options.reps, options.threads, rows_of(options.ours))


if __name__ == "__main__":
    main()
