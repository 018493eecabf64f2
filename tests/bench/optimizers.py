"""optimizers.py LIBRARY - columns beside those of optimizers.c: evaluations that SciPy's methods need on the
same functions. The shared library gives and counts them."""

import ctypes
import sys
import warnings

import numpy
import scipy.optimize

library = ctypes.CDLL(sys.argv[1])
POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t
library.problem_open.argtypes = [ctypes.c_int, POINTER, POINTER]
library.problem_value.argtypes = [POINTER, POINTER, SIZE, POINTER, POINTER]
library.problem_residuals.argtypes = [POINTER, POINTER, SIZE, POINTER, POINTER]
library.problem_product.argtypes = [POINTER, POINTER, SIZE, POINTER, POINTER]


def call(function, x, first, second):
    x = numpy.ascontiguousarray(x, dtype=float)
    pointers = [None if a is None else a.ctypes.data for a in (first, second)]
    return function(None, x.ctypes.data, x.size, *pointers)


def value(x):
    f, g = numpy.empty(1), numpy.zeros(x.size)
    failed = call(library.problem_value, x, f, g)
    return (numpy.inf, 0 * g) if failed else (f[0], g)


def product(x, v):
    Hv = numpy.zeros(x.size)
    call(library.problem_product, x, numpy.ascontiguousarray(v, dtype=float), Hv)
    return Hv


# tolerances so low that all go on until they are there
OPTIONS = {
    "CG": {"gtol": 1e-12},
    "BFGS": {"gtol": 1e-12},
    "L-BFGS-B": {"gtol": 1e-12, "ftol": 1e-15, "maxcor": 8},
    "Newton-CG": {"xtol": 1e-12},
    "trust-ncg": {"gtol": 1e-12},
}


def minimise(method):
    def run(x, m):
        with_product = {"hessp": product} if method in ("Newton-CG", "trust-ncg") else {}
        options = dict(OPTIONS[method], maxiter=1000)
        scipy.optimize.minimize(value, x, jac=True, method=method, options=options, **with_product)
    return run


def least_squares(method):
    def run(x, m):
        last = {}

        def residuals(x):
            last["r"], last["J"] = numpy.zeros(m), numpy.zeros((m, x.size))
            if call(library.problem_residuals, x, last["r"], last["J"]):
                last["r"][:] = 1e150
            return last["r"]

        def jacobian(x):
            residuals(x)  # the last point may be another one
            return last["J"]

        scipy.optimize.least_squares(residuals, x, jacobian, method=method, max_nfev=10000,
                                     xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return run


COLUMNS = [(name, minimise(name)) for name in OPTIONS]
COLUMNS += [(name, least_squares(name)) for name in ("trf", "lm")]

warnings.simplefilter("ignore")
numpy.seterr(all="ignore")
print("| SciPy " + scipy.__version__ + " ".join("%10s" % name for name, run in COLUMNS))
for index in range(1000):
    counts = []
    for name, run in COLUMNS:
        x, m = numpy.zeros(7), ctypes.c_int()
        n = library.problem_open(index, x.ctypes.data, ctypes.byref(m))
        if n:
            try:
                run(x[:n], m.value)
            except (ValueError, FloatingPointError):
                pass
            counts.append(library.problem_solved_at())
    if not counts:
        break
    print("| %12s" % "" + " ".join("%10s" % (count or "-") for count in counts))
