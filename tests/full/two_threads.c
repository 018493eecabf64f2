/* Distinct tapes run concurrently: two threads record, differentiate and certify on tapes of their own and
   get the numbers of one thread; and they share a pool of threads, in loops that run at the same time. A
   thread sanitizer watches. SHARED_TAPE: both use one tape, SHARED_NUMBER: workers add to one number; it has
   to report that. */
#define DIFFSIM_THREADS
#define DIFFSIM_IMPLEMENTATION /* unless DSI_IMPLEMENTED says that another file has it */
#include "diffsim.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 40, STEPS = 200, SIZE = 6 };

typedef struct work {
    ds_tape *tape;
    ds_jobs jobs;
    uint64_t hash; /* of all gradients, and sums of the pool */
    ds_result result;
} work;

/* a chain of vectors that turns and stretches */
static ds_result chain(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = (ds_tape *)user;
    ds_vars in;
    ds_var3 a, b;
    ds_var f;
    int i;
    ds_tape_reset(t);
    in = ds_inputs(t, x, n);
    a = ds_vars_at3(in, 0);
    b = ds_vars_at3(in, 1);
    for (i = 0; i < STEPS; i++) {
        ds_var3 c = ds_normalize3(ds_axpy3(ds_c(0.1), ds_cross3(a, b), a));
        b = ds_add3(ds_scale3(b, ds_c(0.99)), ds_scale3(c, ds_sin(ds_x(b))));
        a = c;
    }
    f = ds_dot3(a, b);
    *value = ds_value(f);
    return grad && !ds_backward(f) ? ds_grads(in, grad) : ds_tape_error(t)->code;
}

/* sums of [0, n), by worker */
typedef struct sums { uint64_t of[4]; } sums;
static void add_piece(void *task, size_t begin, size_t end, size_t worker)
{
#ifdef SHARED_NUMBER
    worker = 0;
#endif
    for (; begin < end; begin++) ((sums *)task)->of[worker] += begin;
}
static uint64_t sum_up(const ds_jobs *jobs, size_t n)
{
    sums s = { { 0, 0, 0, 0 } };
    ds_parallel_for(jobs, n, 10, add_piece, &s);
    return s.of[0] + s.of[1] + s.of[2] + s.of[3];
}

static void *run(void *argument)
{
    work *w = (work *)argument;
    ds_rng rng = ds_rng_make(9, 0);
    ds_check_report report;
    ds_real x[SIZE], grad[SIZE], value;
    ds_m3 m, u, v;
    ds_v3 s;
    int round, i;
    for (round = 0; round < ROUNDS && !w->result; round++) {
        for (i = 0; i < SIZE; i++) x[i] = ds_rng_uniform(&rng) + (ds_real)0.1;
        for (i = 0; i < 9; i++) m.m[i] = x[i % SIZE] + (ds_real)i;
        w->result = chain(w->tape, x, SIZE, &value, grad);
        ds_m3_svd(m, &u, &s, &v);
        w->hash = ds_hash_reals(grad, SIZE, ds_hash_reals(&s.x, 3, w->hash));
        w->hash += sum_up(&w->jobs, 100000 + (size_t)round);
    }
    if (!w->result) w->result = ds_check_gradient(chain, w->tape, x, SIZE, NULL, &report);
    if (!ds_build_info().same_bits || ds_tape_error(w->tape)->code) w->hash = 0;
    return NULL;
}

int main(void)
{
    work alone, pair[2];
    pthread_t thread[2];
    ds_pool *pool = ds_pool_create(3, NULL);
    int i, good;
    memset(&alone, 0, sizeof alone);
    memset(pair, 0, sizeof pair);
    alone.tape = ds_tape_create(NULL);
    run(&alone);
    for (i = 0; i < 2; i++) {
        pair[i].tape = ds_tape_create(NULL);
        pair[i].jobs = ds_pool_jobs(pool);
    }
#ifdef SHARED_TAPE
    ds_tape_destroy(pair[1].tape);
    pair[1].tape = pair[0].tape;
#endif
    for (i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, run, &pair[i])) return 3;
    for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    good = pool && alone.hash && !alone.result;
    for (i = 0; i < 2; i++) good = good && !pair[i].result && pair[i].hash == alone.hash;
    ds_pool_destroy(pool);
    ds_tape_destroy(alone.tape);
    ds_tape_destroy(pair[0].tape);
#ifndef SHARED_TAPE
    ds_tape_destroy(pair[1].tape);
#endif
    printf("%s\n", good ? "the numbers of one thread" : "other numbers than one thread");
    return !good;
}
