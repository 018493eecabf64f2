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

/* returns the loss and writes its gradient [inputs], or returns NaN */
double recording_reverse(const recording *r, double *g);

/* why it did not work, in a sentence */
const char *recording_error(const recording *r);

#endif
