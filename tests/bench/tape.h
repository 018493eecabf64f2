/* tape.h - the workloads recorded on the tape. */

#ifndef BENCH_TAPE_H
#define BENCH_TAPE_H

#include "../../diffsim.h"
#include "workloads.h"

typedef struct recording {
    ds_tape *tape;
    ds_vars  in;                /* the inputs, in the order of the gradient */
    ds_var   loss;
} recording;

/* empties the tape and records the workload on it */
typedef void record_fn(recording *r, const workloads *w);

record_fn record_springs;
record_fn record_tets, record_tets_fused;
record_fn record_product;
record_fn record_network_dots, record_network_blocks;
record_fn record_tet;

/* evaluates the same recording with other inputs; an error shows in the sweep */
void recording_replay(recording *r, const double *in);

/* return the loss and write the outputs, or return NaN */
typedef double sweep_fn(const recording *r, const workloads *w, double *out);

sweep_fn sweep_gradient;
sweep_fn sweep_hessian, sweep_hessian_vector;           /* of D */

/* why it did not work, in a sentence */
const char *recording_error(const recording *r);

#endif
