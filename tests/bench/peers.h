/* peers.h - other libraries on the same workloads, each in a C++ file of its own that is built where the
   library is installed. */

#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#ifdef __cplusplus
extern "C" {
#endif

#include "workloads.h"

typedef struct peer {
    int         workload;
    const char *name;
    int         replays;                                /* records once, not in every evaluation */
    double    (*outputs)(workloads *w, double *out);    /* returns the loss */
} peer;

/* The makefile defines BENCH_PEERS as PEER(adolc) PEER(casadi) and so on; each list ends with {0}. */
#ifndef BENCH_PEERS
#define BENCH_PEERS
#endif
#define PEER(library) extern const peer library##_peers[];
BENCH_PEERS
#undef PEER

#ifdef __cplusplus
}
#endif

#endif
