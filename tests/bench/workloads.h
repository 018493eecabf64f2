/* workloads.h - computations with known derivatives, on which the tape is measured against plain C.

   An operation is one of + - * / sqrt log tanh on doubles with an operand that depends on an input.
   The counts in wl_table were taken by running the value functions of plain.c on a type that counts. */

#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

/* A: a hundred particles on springs (i, i+1), then (i, i+2), then (i, i+3); gravity, drag, particle 0 pinned.
   Semi-implicit Euler; the loss is |mean position at the end - target|^2. */
enum { A_POINTS = 100, A_STEPS = 100, A_SPRINGS = 294, A_INPUTS = 2 * A_SPRINGS };

#define A_DT       2e-3     /* s */
#define A_MASS     0.1      /* kg */
#define A_GRAVITY  (-9.81)  /* along y, m/s^2 */

typedef struct springs {
    int    a[A_SPRINGS], b[A_SPRINGS];                  /* the two ends */
    double in[A_INPUTS];                                /* stiffness of every spring, then rest length */
    double x0[3 * A_POINTS];
    double drag[A_POINTS];                              /* N s/m */
    double target[3];
    double path[(A_STEPS + 1) * 3 * A_POINTS];          /* positions at every step, kept for the adjoint */
} springs;

/* B: energy of a block of 10 x 10 x 4 cubes, five tetrahedra each, deformed.
   psi = mu/2 (Ic - 3) + lam/2 (J - alpha)^2 - mu/2 log(Ic + 1), Ic = |F|^2, J = det F (stable neo-Hookean) */
enum { B_NX = 10, B_NY = 10, B_NZ = 4, B_VERTICES = (B_NX + 1) * (B_NY + 1) * (B_NZ + 1) };
enum { B_TETS = 5 * B_NX * B_NY * B_NZ, B_INPUTS = 3 * B_VERTICES };

#define B_MU     1.0
#define B_LAM    2.5
#define B_ALPHA  (1 + B_MU / B_LAM - B_MU / (4 * B_LAM))    /* makes the rest shape free of stress */

typedef struct tets {
    int    t[4 * B_TETS];                               /* vertices, positively oriented at rest */
    double in[B_INPUTS];                                /* deformed positions */
    double rest[B_INPUTS];
    double Dm_inv[9 * B_TETS];                          /* inverse of the matrix of rest edges, row-major */
    double volume[B_TETS];
} tets;

/* C1: the product of a thousand numbers (Speelpenning) */
enum { C1_INPUTS = 1000 };

typedef struct product {
    double in[C1_INPUTS];
} product;

/* C2: a network 32-64-64-8 with tanh between the layers; the loss is |output - target|^2 */
enum { C2_N0 = 32, C2_N1 = 64, C2_N2 = 64, C2_N3 = 8 };
enum { C2_W1 = 0, C2_B1 = C2_W1 + C2_N1 * C2_N0 };      /* where weights [rows][columns] and offsets begin */
enum { C2_W2 = C2_B1 + C2_N1, C2_B2 = C2_W2 + C2_N2 * C2_N1 };
enum { C2_W3 = C2_B2 + C2_N2, C2_B3 = C2_W3 + C2_N3 * C2_N2 };
enum { C2_INPUTS = C2_B3 + C2_N3 };

typedef struct network {
    double in[C2_INPUTS];                               /* W1 b1 W2 b2 W3 b3 */
    double x[C2_N0];
    double target[C2_N3];
} network;

/* D: the energy of one tetrahedron of B; its Hessian, row-major, and its product with a direction */
enum { D_TET = 777, D_INPUTS = 12, D_HESSIAN = D_INPUTS * D_INPUTS };

typedef struct tet {
    double in[D_INPUTS];                                /* the four positions */
    double direction[D_INPUTS];
    double Dm_inv[9], volume;
} tet;

typedef struct workloads {
    springs a;
    tets    b;
    product c1;
    network c2;
    tet     d;
} workloads;

enum { WL_A, WL_B, WL_C1, WL_C2, WL_D, WL_DV, WL_COUNT, WL_MAX_OUTPUTS = C2_INPUTS };

/* Outputs are the gradient, in D the Hessian, in Dv its product. */
typedef struct wl_facts {
    const char *name;
    int         ops, inputs, outputs;
    double      loss, norm, first, last;
} wl_facts;

extern const wl_facts wl_table[WL_COUNT];

void workloads_make(workloads *w);
double *workloads_inputs(workloads *w, int workload);   /* [inputs] */

/* plain.c: the loss, and the loss with its outputs by hand-derived adjoints and second derivatives */
double springs_value(workloads *w);
double springs_adjoint(workloads *w, double *g);
double tets_value(workloads *w);
double tets_adjoint(workloads *w, double *g);
double product_value(workloads *w);
double product_adjoint(workloads *w, double *g);
double network_value(workloads *w);
double network_adjoint(workloads *w, double *g);
double tet_value(workloads *w);
double tet_hessian(workloads *w, double *H);
double tet_hessian_vector(workloads *w, double *Hv);

#endif
