/* Gradients without a heap: a tape in 16 KiB of static memory, as in firmware.

   A heater is driven by a model of the room. Every minute the model is recorded over the next hour, the
   gradient of the discomfort improves the power for that hour, and the tape is reset. The tape never asks
   for memory: realloc and free, all that the library would call, are counted here, and nobody calls. A
   block that is too small is an error with a sentence, not a crash.

   make -C examples no_malloc && examples/build/no_malloc
   prints room temperatures, the calls of realloc and free, and what a tape for 40 nodes says. */
#include <stdlib.h>
static int calls; /* of the heap */
static void *no_realloc(void *p, size_t n) { return (void)p, (void)n, calls++, (void *)0; }
static void no_free(void *p) { (void)p, calls++; }
#define realloc no_realloc
#define free no_free
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#undef realloc
#undef free
#include <stdio.h>

enum { HOUR = 12, MINUTES = 120 }; /* the model's steps in an hour, minutes of control */
static const double WANTED = 20, OUTSIDE = 5; /* degrees */
static const double GAIN = 2.5, LEAK = 0.08; /* of a step: degrees per kW, - */

static union block { double align; char bytes[16384]; } memory;

/* squared discomfort of the next hour under constant power (kW) */
static ds_var discomfort(ds_tape *t, double room, ds_var power)
{
    ds_var T = ds_input(t, room), sum = ds_c(0);
    for (int i = 0; i < HOUR; i++) {
        ds_var lost = ds_mul(ds_c(LEAK), ds_sub(T, ds_c(OUTSIDE)));
        T = ds_sub(ds_fma(ds_c(GAIN), power, T), lost);
        sum = ds_add(sum, ds_square(ds_sub(T, ds_c(WANTED))));
    }
    return sum;
}

int main(void)
{
    ds_tape_desc desc = { 0 };
    desc.max_nodes = 120; /* 9 nodes and numbers for a step, and the inputs */
    desc.max_values = 160;
    ds_tape *t = ds_tape_init(memory.bytes, sizeof memory.bytes, &desc);
    double room = 8, power = 0;
    if (!t) return fprintf(stderr, "%u bytes are needed\n", (unsigned)ds_tape_bytes(&desc)), 1;

    for (int minute = 0; minute < MINUTES; minute++) {
        ds_tape_reset(t);
        ds_var p = ds_input(t, power);
        if (ds_backward(discomfort(t, room, p))) return fprintf(stderr, "%s\n", ds_tape_error(t)->text), 1;
        power -= 1e-4 * (double)ds_grad(p);
        power = power < 0 ? 0 : power > 1 ? 1 : power; /* kW */
        room += (GAIN * power - LEAK * (room - OUTSIDE)) * HOUR / 60;
        if (minute % 30 == 29) printf("minute %3d: %.2f degrees, %.3f kW\n", minute + 1, room, power);
    }
    printf("%u of %u bytes, %d calls of the heap\n", (unsigned)ds_tape_bytes(&desc),
           (unsigned)sizeof memory.bytes, calls);

    desc.max_nodes = 40; /* too few */
    t = ds_tape_init(memory.bytes, sizeof memory.bytes, &desc);
    ds_result refused = ds_backward(discomfort(t, room, ds_input(t, power)));
    printf("a tape for 40 nodes: %s\n", ds_tape_error(t)->text);

    printf("result calls %d\nresult room %.17g\nresult power %.17g\nresult refused %d\n", calls, room, power,
           refused == DSIM_ERROR_FULL);
    ds_tape_destroy(t); /* nothing to do for a tape in your memory, and allowed */
    return 0;
}
