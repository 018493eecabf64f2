/* kernels.h - kernels that are measured one launch at a time: their data, and the ways to run them.

   W1_n  springs between the points of an n x n cloth, by a list of indices: forces, and adjoints of positions
         and stiffnesses
   W2_n  one step of a damped wave equation on n x n cells: u from the two before it, and their adjoints
   W5    5 * 2000 tetrahedra of stable neo-Hookean material: forces, and adjoints of positions, mu and lambda
   Hessian, Hess_d   and gradients of one tetrahedron by its 12 coordinates; the energy is recorded by its
         deformation F, as one writes it, and by its edges d, as in the closed form
   Product   of that Hessian, by F, and a direction p
   and a small launch, and how long making a kernel takes.

   The data are computed in double. Each way to run them is a file compiled with flags and a number type of
   its own; it copies them into its numbers and exports a list of sides. */

#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { CASE_SPRINGS, CASE_STENCIL, CASE_TETS, CASE_HESSIAN, CASE_PRODUCT, CASE_SMALL, CASE_MAKE };

/* Arrays of several components are stored one component after the other. In their order, and [components]:

             index [4 or 2]   in                                     out          grad
   springs   ends             x [3] of points, k, rest length        force [3]    x_bar [3], k_bar
   stencil   -                one back, two back [cells], a, b       u [cells]    both [cells]
   tets      corners          x [3] of points, B [9], vol, mu, la    force [3]    x_bar [3], mu_bar, la_bar
   Hessian   -                x [12], B [9], vol, mu, la             [78], row by row    gradient [12]
   Product   -                the same, p [12], 1                    H p [12]               -
   small     -                x                                      a polynomial of degree 10
   make      -                -                                      -                                      */
typedef struct kernel_case {
    const char *name;
    int         kind;
    size_t      side;                               /* points or cells along one side */
    size_t      lanes, points;
    int         of_edges;                           /* Hess_d */
    size_t      n_index, n_in, n_out, n_grad;
    size_t      grads[3];                           /* numbers of each array in grad; the rest is 0 */
    int32_t    *index;
    double     *in, *out_bar;                       /* [n_in], [n_out] */
} kernel_case;

/* first derivatives are all there is of the others */
static inline int has_adjoint(const kernel_case *c)
{
    return c->kind != CASE_HESSIAN && c->kind != CASE_PRODUCT && c->kind != CASE_MAKE;
}

/* cells of the stencil have a border of zeros; a row begins 8 numbers before its first cell */
enum { CELLS_BEFORE = 8, CELLS_BESIDE = 16 };
static inline size_t cells_row(const kernel_case *c) { return c->side + CELLS_BESIDE; }
static inline size_t cells_count(const kernel_case *c) { return (c->side + 2) * cells_row(c); }
enum { HESSIAN_NUMBERS = 78, SMALL_DEGREE = 10, MADE_OPERATIONS = 1000 };

/* A way to run cases. create: NULL if it does not run this one. forward: out = (stencil, Hessian with its
   gradient, small), out += (springs, tets, Product); adjoint: grad +=; both return 0 if it worked. */
typedef struct kernel_side {
    const char *name, *real, *flags;
    void      *(*create)(const kernel_case *c);
    void       (*destroy)(void *state);
    int        (*forward)(void *state);
    int        (*adjoint)(void *state);
    double     (*out)(const void *state, size_t i);
    double     (*grad)(const void *state, size_t i);
    void       (*clear)(void *state);               /* out and grad */
    size_t     (*operations)(const void *state, int adjoint); /* per lane; NULL: not counted */
} kernel_side;

enum { N_KERNEL_CASES = 10 };
extern const char *const kernel_case_names[N_KERNEL_CASES];
int kernel_case_make(kernel_case *c, int which);    /* 0: no memory */
void kernel_case_free(kernel_case *c);

#endif
