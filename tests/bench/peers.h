/* peers.h - other libraries on the same workloads, each in a C++ file of its own that is built where the
   library is installed. */

#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "workloads.h"

typedef struct peer {
    int         workload;
    const char *name;
    int         replays;                                /* records once, not in every evaluation */
    double    (*outputs)(workloads *w, double *out);    /* returns the loss */
} peer;

/* adolc_peers and so on end with the name NULL; the makefile defines BENCH_PEERS as PEER(adolc) ... */
#ifndef BENCH_PEERS
#define BENCH_PEERS
#endif

#ifdef __cplusplus
extern "C" {
#endif
#define PEER(library) extern const peer library##_peers[];
BENCH_PEERS
#undef PEER
#ifdef __cplusplus
}
#endif

#endif
