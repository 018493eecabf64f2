/* bench.c - the tape against plain C and other libraries: time and memory of a loss with its derivatives.

   build/bench [--reps N] [--tsv] [--strict]

   Every contender is checked first; no time is printed unless all losses and derivatives are right.
   Then they take turns: in each repetition every contender takes one sample, so that a slow moment of a
   shared machine falls on all of them, and a ratio is the median over the repetitions of two times taken
   within the same one. Times are CPU times of this thread. Before a sample stand WARM evaluations that are
   not counted: each finds the caches as it leaves them itself. --strict makes a missed target an error. */

#define _POSIX_C_SOURCE 200809L

#include "peers.h"
#include "tape.h"
#include "workloads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOLERANCE  1e-10    /* of a loss by itself, of a gradient by its largest component */
#define SAMPLE_NS  200e3    /* evaluations shorter than this are repeated within a sample */
#define WARM       4        /* after one, long tapes are still 10 % slower */

/* >>contenders ---- */

typedef struct contender {
    int         workload;
    const char *name;
    double    (*value)(workloads *);                /* one of these three */
    double    (*adjoint)(workloads *, double *);    /* by hand, or a peer's */
    record_fn  *record;
    sweep_fn   *sweep;
    int         replays;                            /* records once, not in every evaluation */
    int         is_peer;
    double      max_adjoint, max_value, max_tape;   /* targets: times as slow; 0 is none */
    double      max_bytes;                          /* per op */
} contender;

#define BY_HAND(value, adjoint) value, adjoint, NULL, NULL, 0, 0, 0, 0, 0, 0
#define RECORDS(record, sweep)  NULL, NULL, record, sweep, 0, 0
#define REPLAYS(record, sweep)  NULL, NULL, record, sweep, 1, 0
static const contender contenders[] = {
    { WL_A,  "plain value",    BY_HAND(springs_value, NULL) },
    { WL_A,  "hand adjoint",   BY_HAND(NULL, springs_adjoint) },
    { WL_A,  "tape",           RECORDS(record_springs, sweep_gradient), 3.7, 0, 0, 18 },
    { WL_A,  "replay",         REPLAYS(record_springs, sweep_gradient), 0, 0, 0, 0 },
    { WL_B,  "plain value",    BY_HAND(tets_value, NULL) },
    { WL_B,  "hand adjoint",   BY_HAND(NULL, tets_adjoint) },
    { WL_B,  "tape",           RECORDS(record_tets, sweep_gradient), 3.8, 0, 0, 0 },
    { WL_B,  "tape, fused",    RECORDS(record_tets_fused, sweep_gradient), 3.0, 0, 0, 0 },
    { WL_B,  "replay, fused",  REPLAYS(record_tets_fused, sweep_gradient), 0, 0, 1, 0 },
    { WL_C1, "plain value",    BY_HAND(product_value, NULL) },
    { WL_C1, "hand adjoint",   BY_HAND(NULL, product_adjoint) },
    { WL_C1, "tape",           RECORDS(record_product, sweep_gradient), 0, 8, 0, 0 },
    { WL_C1, "replay",         REPLAYS(record_product, sweep_gradient), 0, 0, 0, 0 },
    { WL_C2, "plain value",    BY_HAND(network_value, NULL) },
    { WL_C2, "hand adjoint",   BY_HAND(NULL, network_adjoint) },
    { WL_C2, "tape, dots",     RECORDS(record_network_dots, sweep_gradient), 0, 10, 0, 0 },
    { WL_C2, "tape, blocks",   RECORDS(record_network_blocks, sweep_gradient), 0, 3.5, 0, 0 },
    { WL_C2, "replay, blocks", REPLAYS(record_network_blocks, sweep_gradient), 0, 0, 0, 0 },
    { WL_D,  "plain value",    BY_HAND(tet_value, NULL) },
    { WL_D,  "hand Hessian",   BY_HAND(NULL, tet_hessian) },
    { WL_D,  "tape",           RECORDS(record_tet, sweep_hessian), 0, 0, 0, 0 },
    { WL_D,  "replay",         REPLAYS(record_tet, sweep_hessian), 0, 0, 0, 0 },
    { WL_DV, "plain value",    BY_HAND(tet_value, NULL) },
    { WL_DV, "hand product",   BY_HAND(NULL, tet_hessian_vector) },
    { WL_DV, "tape",           RECORDS(record_tet, sweep_hessian_vector), 0, 0, 0, 0 },
    { WL_DV, "replay",         REPLAYS(record_tet, sweep_hessian_vector), 0, 0, 0, 0 },
};
#undef BY_HAND
#undef RECORDS
#undef REPLAYS

enum { N_CONTENDERS = sizeof contenders / sizeof contenders[0] };

#define PEER(library) library##_peers,
static const peer *const peers[] = { BENCH_PEERS NULL };
#undef PEER

typedef struct runner {
    contender       what;
    const wl_facts *facts;
    recording       rec;
    size_t          allocations;                    /* requests for memory by rec.tape so far */
    double          loss, out[WL_MAX_OUTPUTS];
    int             inner;                          /* evaluations in a sample */
    double         *total, *record;                 /* [reps] ns per evaluation, and recording's part */
} runner;

typedef struct bench {
    workloads w;
    runner   *runners;
    int       n_runners;
    double   *scratch;                              /* [reps] */
    size_t    late_allocations;                     /* after the first repetition */
    double    clock_ns;                             /* what reading the clock costs */
    int       reps, tsv, strict;
    int       missed;
} bench;

/* >>clock ---- */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double clock_cost(void)
{
    double least = 1e9;
    for (int i = 0; i < 2000; i++) {
        double start = now_ns(), end = now_ns();
        if (end - start < least) least = end - start;
    }
    return least;
}

/* >>set up ---- */

static void *count_and_resize(void *user, void *ptr, size_t old_bytes, size_t new_bytes)
{
    size_t *allocations = (size_t *)user;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    ++*allocations;
    return realloc(ptr, new_bytes);
}

static int runner_init(runner *r, int reps)
{
    r->facts = &wl_table[r->what.workload];
    r->total = (double *)calloc((size_t)reps, sizeof *r->total);
    r->record = (double *)calloc((size_t)reps, sizeof *r->record);
    if (r->what.record) {
        ds_tape_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.allocator.resize = count_and_resize;
        desc.allocator.user = &r->allocations;
        r->rec.tape = ds_tape_create(&desc);
        if (!r->rec.tape) return 0;
    }
    return r->total && r->record;
}

static void bench_destroy(bench *b)
{
    for (int i = 0; i < b->n_runners; i++) {
        runner *r = &b->runners[i];
        if (r->rec.tape) ds_tape_destroy(r->rec.tape);
        free(r->total);
        free(r->record);
    }
    free(b->runners);
    free(b->scratch);
    free(b);
}

/* The contenders, then those of every peer: returns how many, and copies them to runners unless NULL. */
static int list_contenders(runner *runners)
{
    int n = 0;
    for (; n < N_CONTENDERS; n++)
        if (runners) runners[n].what = contenders[n];
    for (int i = 0; peers[i]; i++) {
        for (const peer *p = peers[i]; p->name; p++, n++) {
            if (!runners) continue;
            contender *c = &runners[n].what;
            c->workload = p->workload;
            c->name = p->name;
            c->adjoint = p->outputs;
            c->replays = p->replays;
            c->is_peer = 1;
        }
    }
    return n;
}

static bench *bench_create(int reps)
{
    bench *b = (bench *)calloc(1, sizeof *b);
    if (!b) return NULL;
    b->reps = reps;
    b->clock_ns = clock_cost();
    b->scratch = (double *)calloc((size_t)reps, sizeof *b->scratch);
    workloads_make(&b->w);
    b->runners = (runner *)calloc((size_t)list_contenders(NULL), sizeof *b->runners);
    int ok = b->scratch && b->runners;
    if (ok) b->n_runners = list_contenders(b->runners);
    for (int i = 0; i < b->n_runners; i++) ok = runner_init(&b->runners[i], reps) && ok;
    if (ok) return b;
    bench_destroy(b);
    return NULL;
}

/* >>check ---- */

/* with other inputs than those of every replay to come */
static void record_elsewhere(runner *r, workloads *w)
{
    double *in = workloads_inputs(w, r->what.workload);
    size_t bytes = (size_t)r->facts->inputs * sizeof *in;
    memcpy(r->out, in, bytes);
    for (int i = 0; i < r->facts->inputs; i++) in[i] *= 1.0625;
    r->what.record(&r->rec, w);
    memcpy(in, r->out, bytes);
}

static void record(runner *r, workloads *w)
{
    if (r->what.replays) recording_replay(&r->rec, workloads_inputs(w, r->what.workload));
    else r->what.record(&r->rec, w);
}

static void evaluate(runner *r, workloads *w)
{
    if (r->what.value) r->loss = r->what.value(w);
    else if (r->what.adjoint) r->loss = r->what.adjoint(w, r->out);
    else {
        record(r, w);
        r->loss = r->what.sweep(&r->rec, w, r->out);
    }
}

static double largest(const double *g, int n)
{
    double m = 0;
    for (int i = 0; i < n; i++) m = fmax(m, fabs(g[i]));
    return m;
}

/* the larger of two errors; NaN if one is NaN */
static double worse(double a, double b)
{
    return a >= b ? a : b >= a ? b : a + b;
}

static double error_to_table(const runner *r)
{
    const wl_facts *f = r->facts;
    const double *out = r->out;
    double error = fabs(r->loss - f->loss) / fabs(f->loss);
    if (r->what.value) return error;
    double squares = 0, scale = largest(out, f->outputs);
    for (int i = 0; i < f->outputs; i++) squares += out[i] * out[i];
    error = worse(error, fabs(sqrt(squares) - f->norm) / f->norm);
    error = worse(error, fabs(out[0] - f->first) / scale);
    return worse(error, fabs(out[f->outputs - 1] - f->last) / scale);
}

static double error_to_adjoint(const runner *r, const runner *adjoint)
{
    double error = fabs(r->loss - adjoint->loss) / fabs(adjoint->loss);
    if (r->what.value) return error;
    double scale = largest(adjoint->out, r->facts->outputs);
    for (int i = 0; i < r->facts->outputs; i++)
        error = worse(error, fabs(r->out[i] - adjoint->out[i]) / scale);
    return error;
}

/* the plain value, or what is derived by hand */
static runner *base_of(bench *b, const runner *r, int adjoint)
{
    for (int i = 0; i < b->n_runners; i++) {
        runner *base = &b->runners[i];
        if (base->what.workload == r->what.workload && (adjoint ? base->what.adjoint != NULL
                                                                  : base->what.value != NULL)) return base;
    }
    return NULL;
}

/* the tape's last recording; for peers that replay, its replay */
static runner *tape_of(bench *b, const runner *r)
{
    int replays = r->what.is_peer && r->what.replays;
    for (int i = N_CONTENDERS - 1; i >= 0; i--) {
        const contender *c = &b->runners[i].what;
        if (c->workload == r->what.workload && c->record && c->replays == replays) return &b->runners[i];
    }
    return NULL;
}

/* Evaluates everything once; returns how many contenders are wrong. */
static int check(bench *b)
{
    int wrong = 0;
    for (int i = 0; i < b->n_runners; i++) {
        runner *r = &b->runners[i];
        if (r->what.record && r->what.replays) record_elsewhere(r, &b->w);
        evaluate(r, &b->w);
    }
    for (int i = 0; i < b->n_runners; i++) {
        const runner *r = &b->runners[i];
        double table = error_to_table(r), adjoint = error_to_adjoint(r, base_of(b, r, 1));
        if (table <= TOLERANCE && adjoint <= TOLERANCE) continue;
        wrong++;
        fprintf(stderr, "%s, %s: loss %.17g is wrong or its derivatives: error %.1e to the reference values, "
                "%.1e to what is derived by hand\n", r->facts->name, r->what.name, r->loss, table, adjoint);
        if (r->what.record) fprintf(stderr, "    the tape says: %s\n", recording_error(&r->rec));
    }
    return wrong;
}

/* >>measure ---- */

static double time_evaluations(const bench *b, runner *r, workloads *w)
{
    double start = now_ns();
    for (int i = 0; i < r->inner; i++) evaluate(r, w);
    return fmax(now_ns() - start - b->clock_ns, 1) / r->inner;
}

/* share of recording, or replaying, in the time of an evaluation */
static double time_recording(const bench *b, runner *r, workloads *w)
{
    double before = 0, sweeps = 0;
    for (int i = 0; i < r->inner; i++) {
        double start = now_ns();
        record(r, w);
        double middle = now_ns();
        r->loss = r->what.sweep(&r->rec, w, r->out);
        double end = now_ns();
        before += fmax(middle - start - b->clock_ns, 0);
        sweeps += fmax(end - middle - b->clock_ns, 0);
    }
    return before / fmax(before + sweeps, 1);
}

static void choose_inner(bench *b)
{
    for (int i = 0; i < b->n_runners; i++) {
        runner *r = &b->runners[i];
        r->inner = 3;
        r->inner = 1 + (int)(SAMPLE_NS / time_evaluations(b, r, &b->w));
    }
}

static size_t count_allocations(const bench *b)
{
    size_t n = 0;
    for (int i = 0; i < b->n_runners; i++) n += b->runners[i].allocations;
    return n;
}

static void measure(bench *b)
{
    size_t early = 0;
    choose_inner(b);
    for (int rep = 0; rep < b->reps; rep++) {
        for (int i = 0; i < b->n_runners; i++) {
            runner *r = &b->runners[i];
            for (int k = 0; k < WARM; k++) evaluate(r, &b->w);
            r->total[rep] = time_evaluations(b, r, &b->w);
            if (r->what.record) r->record[rep] = r->total[rep] * time_recording(b, r, &b->w);
        }
        if (rep == 0) early = count_allocations(b);
    }
    b->late_allocations = count_allocations(b) - early;
}

/* >>report ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sorts x */
static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

static double median_time(bench *b, const double *ns, double *least)
{
    memcpy(b->scratch, ns, (size_t)b->reps * sizeof *ns);
    double m = median(b->scratch, b->reps);
    if (least) *least = b->scratch[0];
    return m;
}

static double median_ratio(bench *b, const double *ns, const double *base)
{
    for (int i = 0; i < b->reps; i++) b->scratch[i] = ns[i] / base[i];
    return median(b->scratch, b->reps);
}

typedef struct row {
    double ns, least, per_op, record, sweeps, bytes;
    double to_adjoint, to_value, to_tape;
} row;

static row row_of(bench *b, const runner *r)
{
    row x;
    double ops = r->facts->ops;
    memset(&x, 0, sizeof x);
    x.ns = median_time(b, r->total, &x.least);
    x.per_op = x.ns / ops;
    x.to_adjoint = median_ratio(b, r->total, base_of(b, r, 1)->total);
    x.to_value = median_ratio(b, r->total, base_of(b, r, 0)->total);
    x.to_tape = median_ratio(b, r->total, tape_of(b, r)->total);
    if (r->what.record) {
        x.record = median_time(b, r->record, NULL) / ops;
        x.sweeps = x.per_op - x.record;
        x.bytes = (double)ds_tape_get_info(r->rec.tape).bytes_used / ops;
    }
    return x;
}

static void print_target(bench *b, const char *name, double value, double most)
{
    if (most <= 0) return;
    int met = value <= most;
    if (!met) b->missed++;
    printf("  %s <= %.1f %s", name, most, met ? "met" : "MISSED");
}

static void print_row(bench *b, const runner *r)
{
    row x = row_of(b, r);
    const contender *c = &r->what;
    if (b->tsv)
        printf("%s\t%s\t%.1f\t%.1f\t%.4f\t%.4f\t%.4f\t%.2f\t%.3f\t%.3f\t%.3f\t", r->facts->name,
               c->name, x.ns, x.least, x.per_op, x.record, x.sweeps, x.bytes, x.to_adjoint, x.to_value,
               x.to_tape);
    else {
        printf("%-4s %-14s %10.0f %10.0f %7.3f ", r->facts->name, c->name, x.ns, x.least, x.per_op);
        if (c->record) printf("%7.3f %7.3f %6.1f", x.record, x.sweeps, x.bytes);
        else printf("%7s %7s %6s", "-", "-", "-");
        printf(" %8.2f %7.2f %7.2f", x.to_adjoint, x.to_value, x.to_tape);
    }
    print_target(b, "hand", x.to_adjoint, c->max_adjoint);
    print_target(b, "value", x.to_value, c->max_value);
    print_target(b, "tape", x.to_tape, c->max_tape);
    print_target(b, "bytes", x.bytes, c->max_bytes);
    printf("\n");
}

static void report(bench *b)
{
    if (b->tsv)
        printf("workload\tcontender\tns\tleast_ns\tns_per_op\trecord\tsweeps\tbytes_per_op\t"
               "to_hand\tto_value\tto_tape\ttarget\n");
    else {
        printf("ns per evaluation, median and least of %d; per operation: ns, of which recording or replay\n"
               "and the sweeps after it, and bytes of tape; then the time as a multiple of what is derived\n"
               "by hand, of the plain value, and of the tape (its replay for libraries that record once)\n\n",
               b->reps);
        printf("%-4s %-14s %10s %10s %7s %7s %7s %6s %8s %7s %7s  target\n", "", "contender", "median",
               "least", "ns/op", "record", "sweeps", "bytes", "/hand", "/value", "/tape");
    }
    for (int workload = 0; workload < WL_COUNT; workload++)
        for (int i = 0; i < b->n_runners; i++)
            if (b->runners[i].what.workload == workload) print_row(b, &b->runners[i]);
    if (b->tsv) return;
    printf("\nallocations after the first repetition: %lu\n", (unsigned long)b->late_allocations);
    printf("targets missed: %d\n", b->missed);
}

/* >>main ---- */

static int usage(void)
{
    fprintf(stderr, "usage: bench [--reps N] [--tsv] [--strict]\n");
    return 2;
}

int main(int argc, char **argv)
{
    int reps = 101, tsv = 0, strict = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--tsv")) tsv = 1;
        else if (!strcmp(argv[i], "--strict")) strict = 1;
        else if (!strcmp(argv[i], "--reps") && i + 1 < argc) reps = atoi(argv[++i]);
        else return usage();
    }
    if (reps < 1 || reps > 1000000) return usage();

    bench *b = bench_create(reps);
    if (!b) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    b->tsv = tsv;
    int failed = check(b) > 0;
    if (!failed) {
        measure(b);
        report(b);
        failed = strict && (b->missed > 0 || b->late_allocations > 0);
    }
    bench_destroy(b);
    return failed;
}
