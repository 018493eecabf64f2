/* kernel_numbers.h - the numbers of a case in the number type of a side, DIFFSIM_REAL. */

#ifndef BENCH_KERNEL_NUMBERS_H
#define BENCH_KERNEL_NUMBERS_H

#include "kernels.h"

#include <stdlib.h>
#include <string.h>

typedef DIFFSIM_REAL real;

typedef struct numbers {
    const kernel_case *c;
    real              *in, *out, *out_bar, *grad;
    void              *memory;
} numbers;

/* each array begins at a cache line */
static int numbers_make(numbers *s, const kernel_case *c)
{
    enum { LINE = 64 / sizeof(real) };
    const size_t sizes[4] = { c->n_in, c->n_out, c->n_out, c->n_grad };
    real **const arrays[4] = { &s->in, &s->out, &s->out_bar, &s->grad };
    size_t total = LINE;
    for (int i = 0; i < 4; i++) total += (sizes[i] + LINE) / LINE * LINE;
    s->c = c;
    s->memory = calloc(total, sizeof(real));
    if (!s->memory) return 0;
    real *at = (real *)s->memory;
    at += (LINE - (uintptr_t)at / sizeof(real) % LINE) % LINE;
    for (int i = 0; i < 4; i++) {
        *arrays[i] = at;
        at += (sizes[i] + LINE) / LINE * LINE;
    }
    for (size_t i = 0; i < c->n_in; i++) s->in[i] = (real)c->in[i];
    for (size_t i = 0; i < c->n_out && c->out_bar; i++) s->out_bar[i] = (real)c->out_bar[i];
    return 1;
}

static void numbers_free(numbers *s) { free(s->memory); }

/* functions of a side whose state begins with its numbers */
static double numbers_out(const void *state, size_t i) { return (double)((const numbers *)state)->out[i]; }
static double numbers_grad(const void *state, size_t i) { return (double)((const numbers *)state)->grad[i]; }
static void numbers_clear(void *state)
{
    numbers *s = (numbers *)state;
    memset(s->out, 0, s->c->n_out * sizeof(real));
    memset(s->grad, 0, s->c->n_grad * sizeof(real));
}

#define KERNEL_TEXT_OF(x) #x
#define KERNEL_TEXT(x) KERNEL_TEXT_OF(x)
#define KERNEL_REAL KERNEL_TEXT(DIFFSIM_REAL)

#endif
