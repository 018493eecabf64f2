/* random_calls.c - sequences of random calls on three tapes, good and bad, beside a plain model that knows
   what each has to say: values bit for bit, <gradient, x_dot> = tangent, H symmetric and H v, which calls are
   refused, with which code, index and function, and that a refusal loses nothing.

       random_calls seconds 60 [FIRST]       so long; sequences FIRST, FIRST + 1, ... (else from the clock)
       random_calls calls 100000000 [FIRST]  so many
       random_calls replay SEED [CALL ...]   one sequence, without these calls, and says what it does

   A sequence that fails is reduced to the calls it needs, which are told; a crash counts as a failure. What a
   call does depends on SEED, its number and the state it finds, so that calls can be left out. POSIX. */

#define _GNU_SOURCE
#define DIFFSIM_IMPLEMENTATION
#include "diffsim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TAPES = 3, MOST_CALLS = 250, LIST = 12, BLOCK = 24, TIMEOUT = 60,
    SLOTS = 4000, THINGS = 700, STEPS = 900, READS = 9000, MARKS = 8, GONE = 24, /* of a model */
    OPS = DSI_OP_sum, OP_CUSTOM = DSI_OP_COUNT, OP_CHECKPOINT, OP_BRANCH, OP_INPUT
};

/* The model. A thing is a variable of n numbers, whose values stand in the model from `slot` on; a step is
   how they came to be: n_out numbers at `out` from n_in numbers, whose slots are reads[first ...]. */
typedef struct thing { ds_var var; size_t n, slot; int is_input; } thing;
typedef struct step { unsigned op; size_t first, n_in, out, n_out; } step;
typedef struct height { size_t slots, things, steps, reads; } height;
typedef struct mark { ds_mark mark; height at; int good; } mark;

/* memory that is counted, and runs out when `left` allocations are done; every block knows its size */
typedef struct supply { size_t blocks; long left; int wrong; } supply;

typedef struct model {
    ds_tape *tape;
    void *memory; /* of a fixed tape */
    int lean, debug; /* it may run out of memory */
    supply supply;
    ds_real values[SLOTS], grads[SLOTS];
    thing things[THINGS];
    step steps[STEPS];
    size_t reads[READS];
    height now;
    mark marks[MARKS];
    size_t n_marks;
    size_t n_grads; /* slots below have a gradient; 0: there is none */
    int torn; /* inputs are set, values not computed */
    size_t n_read; /* nodes + 1 when a value was first read; 0: none was */
    size_t nodes, n_values; /* of the tape, as last seen */
    ds_error error; /* as last seen */
} model;

typedef enum state { GOOD, CONSTANT, STALE, NOTHING } state;
typedef struct operand { ds_var var; state state; model *m; size_t n, slot; } operand;

typedef struct world {
    uint64_t seed, random;
    int telling; /* print what is done */
    int bad, wild,
        curious;  /* chances of a bad operand and a wild number in 1000; values are read on the way */
    long fail_in; /* the callback that fails, counted from now; 0: none */
    int failed; /* one has */
    size_t call;
    const char *function;
    model models[TAPES], *m;
    operand gone[GONE];
    size_t n_gone;
} world;
static world w;

/* Chance: splitmix64 (Steele et al. 2014). */
static uint64_t bits(void)
{
    uint64_t z = w.random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static size_t below(size_t n) { return (size_t)(bits() % n); }
static int chance(int in_1000) { return (int)below(1000) < in_1000; }

static double number(void)
{
    static const double wild[] = { 0.0, -0.0, 1e300, -1e300, 1e-300, 4e-324, 1e-30, 1e20, 745.5, -1e7 };
    const size_t k = below(40);
    if (chance(w.wild)) return k < 10 ? wild[k] : k < 16 ? (double)NAN : k < 22 ? HUGE_VAL : wild[k % 10];
    return k < 4 ? (double)k - 1 : ((double)below(4001) - 2000) / 500;
}
static void numbers(ds_real *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (ds_real)number();
}
static int is_finite(ds_real x) { return x - x == 0; }
static size_t first_bad(const ds_real *x, size_t n)
{
    size_t i;
    for (i = 0; i < n && is_finite(x[i]); i++) continue;
    return i;
}

/* Words. */
static void tell(const char *format, ...)
{
    va_list list;
    if (!w.telling) return;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    fflush(stdout);
}
static void fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "\nsequence %llu, call %zu, %s: ", (unsigned long long)w.seed, w.call, w.function);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    exit(1);
}
static void must(int truth, const char *what) { if (!truth) fail("%s", what); }
static int same_bits(const ds_real *a, const ds_real *b, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) && (a[i] == a[i] || b[i] == b[i])) return 0;
    return 1;
}

/* Memory. The header of a block: its size. */
enum { HEADER = 64 };
static void *supply_resize(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    supply *const s = (supply *)user;
    size_t *block = pointer ? (size_t *)(void *)((char *)pointer - HEADER) : NULL, *fresh;
    if ((block ? *block : 0) != old_bytes) s->wrong = 1;
    if (!new_bytes) {
        s->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if (s->left >= 0 && s->left-- == 0) {
        s->left = (long)below(3);
        return NULL;
    }
    fresh = (size_t *)malloc(new_bytes + HEADER);
    *fresh = new_bytes;
    if (block) memcpy((char *)fresh + HEADER, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
    s->blocks += !block;
    free(block);
    return (char *)fresh + HEADER;
}

/* Custom nodes and checkpoints: y[j] = (j + 1) (x[0] + ... + x[n - 1]) + x[0] x[n - 1] */
static ds_result callback(void)
{
    if (!w.fail_in || --w.fail_in) return DSIM_OK;
    w.failed = 1;
    return DSIM_ERROR_SINGULAR;
}
static void custom_value(const ds_real *x, size_t n, ds_real *y, size_t n_out)
{
    ds_real sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    for (size_t j = 0; j < n_out; j++) y[j] = dsi_mul((ds_real)(j + 1), sum) + dsi_mul(x[0], x[n - 1]);
}
static ds_result custom_forward(const ds_custom_io *io)
{
    custom_value(io->in, io->n_in, io->out, io->n_out);
    return callback();
}
/* in_bar += J' out_bar, or the same with the tangents of both */
static void custom_bar(const ds_custom_io *io, const ds_real *out_bar, const ds_real *x, ds_real *in_bar)
{
    ds_real all = 0, weighted = 0;
    for (size_t j = 0; j < io->n_out; j++) all += out_bar[j];
    for (size_t j = 0; j < io->n_out; j++) weighted += (ds_real)(j + 1) * out_bar[j];
    for (size_t i = 0; i < io->n_in && out_bar == io->out_bar && x == io->in; i++) in_bar[i] += weighted;
    for (size_t i = 0; i < io->n_in && out_bar != io->out_bar; i++) in_bar[i] += weighted;
    in_bar[0] += all * x[io->n_in - 1];
    in_bar[io->n_in - 1] += all * x[0];
}
static ds_result custom_reverse(const ds_custom_io *io)
{
    custom_bar(io, io->out_bar, io->in, io->in_bar);
    return callback();
}
static ds_result custom_tangent(const ds_custom_io *io)
{
    const size_t last = io->n_in - 1;
    ds_real sum = 0;
    for (size_t i = 0; i < io->n_in; i++) sum += io->in_dot[i];
    for (size_t j = 0; j < io->n_out; j++)
        io->out_dot[j] +=
            (ds_real)(j + 1) * sum + io->in_dot[0] * io->in[last] + io->in[0] * io->in_dot[last];
    return callback();
}
static ds_result custom_second(const ds_custom_io *io)
{
    custom_bar(io, io->out_bar_dot, io->in, io->in_bar_dot);
    custom_bar(io, io->out_bar, io->in_dot, io->in_bar_dot);
    return callback();
}
static const ds_custom_type custom_types[] = {
    { "whole", custom_forward, custom_reverse, custom_tangent, custom_second },
    { "one way", custom_forward, custom_reverse, NULL, NULL },
    { "blind", custom_forward, NULL, custom_tangent, NULL },
    { "nameless", NULL, NULL, NULL, NULL },
};

typedef struct shape { size_t n_in, n_out; int deep; } shape; /* what a body has to know; deep: two levels */
static const shape shapes[] = { { 1, 1, 0 }, { 2, 3, 0 }, { 5, 2, 0 }, { 3, 1, 1 } };
static ds_result segment(void *user, ds_tape *tape, const ds_var *in, ds_var *out)
{
    const shape *const s = (const shape *)user;
    (void)tape;
    if (s->deep) {
        const ds_vars y = ds_checkpoint(segment, (void *)(uintptr_t)&shapes[0], in, 1, 1);
        out[0] = ds_add(ds_vars_at(y, 0), ds_sum(in, s->n_in));
    } else {
        for (size_t j = 0; j < s->n_out; j++)
            out[j] = ds_fma(ds_sin(in[0]), in[s->n_in - 1], ds_mul(ds_c((double)j), ds_sum(in, s->n_in)));
        if (s->n_out > 2) out[2] = ds_c(7);
    }
    return callback();
}
static void segment_value(const ds_real *x, size_t n, ds_real *y, size_t n_out, int deep)
{
    ds_real sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    for (size_t j = 0; j < n_out; j++)
        y[j] = dsi_fma(dsi_sin(x[0]), x[deep ? 0 : n - 1], dsi_mul((ds_real)j, deep ? x[0] : sum));
    if (n_out > 2) y[2] = 7;
    if (deep) y[0] += sum;
}

/* The plain model of every operation: x, the numbers it reads, one operand after the other; of lists with
   weights, entries and then weights; of dot a and then b; of affine w, x, b. */
static void model_value(unsigned op, const ds_real *x, size_t n, ds_real *y, size_t n_out)
{
    size_t i, j;
#define DSI_EACH_1(name, R, A) \
    case DSI_OP_##name: dsi_store_##R(y, dsi_##name(dsi_load_##A(x))); break;
#define DSI_EACH_2(name, R, A, B) \
    case DSI_OP_##name: dsi_store_##R(y, dsi_##name(dsi_load_##A(x), dsi_load_##B(x + DSI_WIDTH(A)))); break;
#define DSI_EACH_3(name, R, A, B, C) \
    case DSI_OP_##name: \
        dsi_store_##R(y, dsi_##name(dsi_load_##A(x), dsi_load_##B(x + DSI_WIDTH(A)), \
                                    dsi_load_##C(x + DSI_WIDTH(A) + DSI_WIDTH(B)))); \
        break;
    switch (op) {
    DSI_EVERY_SIGNATURE
    case DSI_OP_sum:
        for (y[0] = 0, i = 0; i < n; i++) y[0] += x[i];
        break;
    case DSI_OP_weighted_sum:
    case DSI_OP_dot:
        for (y[0] = 0, i = 0; i < n / 2; i++) y[0] += dsi_mul(x[i], x[n / 2 + i]);
        break;
    case DSI_OP_sum3:
        for (y[0] = y[1] = y[2] = 0, i = 0; i < n; i++) y[i % 3] += x[i];
        break;
    case DSI_OP_weighted_sum3:
        for (y[0] = y[1] = y[2] = 0, i = 0; i < n / 4 * 3; i++)
            y[i % 3] += dsi_mul(x[n / 4 * 3 + i / 3], x[i]);
        break;
    case DSI_OP_affine: {
        const size_t columns = (n - n_out) / (n_out + 1);
        const ds_real *const right = x + n_out * columns, *const b = right + columns;
        for (i = 0; i < n_out; i++)
            for (y[i] = b[i], j = 0; j < columns; j++) y[i] += dsi_mul(x[i * columns + j], right[j]);
        break;
    }
    case DSI_OP_vars_tanh:
        for (i = 0; i < n; i++) y[i] = dsi_tanh(x[i]);
        break;
    case OP_CUSTOM: custom_value(x, n, y, n_out); break;
    case OP_CHECKPOINT: segment_value(x, n, y, n_out, n == 3); break;
    default: break;
    }
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
}

static void model_step(model *m, const step *s)
{
    ds_real x[2 * BLOCK + 64];
    for (size_t i = 0; i < s->n_in; i++) x[i] = m->values[m->reads[s->first + i]];
    if (s->op != OP_INPUT && s->op != OP_BRANCH)
        model_value(s->op, x, s->n_in, m->values + s->out, s->n_out);
}

static int step_is_finite(const model *m, const step *s)
{
    for (size_t i = 0; i < s->n_in; i++)
        if (!is_finite(m->values[m->reads[s->first + i]])) return 0;
    return first_bad(m->values + s->out, s->n_out) == s->n_out;
}

/* Watching. */

static void forget_gradient(model *m) { m->n_grads = 0; }

/* something was read in public */
static void has_read(model *m)
{
    if (!m->n_read && !m->torn) m->n_read = m->nodes + 1;
}

/* every value, and every gradient if there is one, is what the model says */
static void compare(model *m)
{
    ds_real x[BLOCK];
    if (!m->tape || m->torn) return;
    for (size_t i = 0; i < m->now.things; i++) {
        const thing *const v = m->things + i;
        const ds_vars block = dsi_block_of(v->var, v->n);
        must(ds_values(block, x) == DSIM_OK, "a good variable has no value");
        has_read(m);
        if (!same_bits(x, m->values + v->slot, v->n))
            fail("value %zu is %.17g, in the model %.17g", i, (double)x[0], (double)m->values[v->slot]);
        if (v->slot >= m->n_grads) continue;
        must(ds_grads(block, x) == DSIM_OK, "the gradient is lost");
        must(same_bits(x, m->grads + v->slot, v->n), "the gradient has changed");
    }
}

/* all errors are as before, but for tape m, which may have this one; other: a tape that is told, too */
static void expect(model *m, ds_result code, size_t index, model *other)
{
    if (other && ds_tape_error(m->tape)->code != code) other = NULL; /* it ran out of memory before */
    for (model *k = w.models; k < w.models + TAPES; k++) {
        const ds_error *const error = ds_tape_error(k->tape);
        const ds_tape_info info = ds_tape_get_info(k->tape);
        ds_result want = k == m || k == other ? code : DSIM_OK;
        must(!k->supply.wrong, "the allocator is told a wrong size");
        if (k->error.code) {
            must(!memcmp(error, &k->error, sizeof *error), "the first error has changed");
            must(info.nodes == k->nodes && info.values == k->n_values, "recorded in spite of an error");
            continue;
        }
        if (k == m && k->lean && (error->code == DSIM_ERROR_MEMORY || error->code == DSIM_ERROR_FULL))
            want = error->code;
        if (error->code != want)
            fail("%s expected, got %s: %s", ds_result_name(want), ds_result_name(error->code), error->text);
        if (error->code && k->error.code != error->code) {
            if (index != (size_t)-1 && want == code && error->index != index)
                fail("index %zu expected, got %zu: %s", index, error->index, error->text);
            must(strstr(error->text, w.function) || strstr(error->text, "debug: '") ||
                     strstr(error->text, "ds_backward") || strstr(error->text, "ds_checkpoint"),
                 "the error does not name the function");
            must(strstr(error->text, ds_result_text(error->code)) != NULL, "the error has no sentence");
            must(strlen(error->text) < sizeof error->text, "the sentence does not end");
            tell("    refused: %s\n", error->text);
            forget_gradient(k);
        }
        if (error->code && want == code && !(k->debug && code == DSIM_ERROR_NON_FINITE))
            must(info.nodes == k->nodes && info.values == k->n_values, "a refused call has recorded");
        k->error = *error;
        k->nodes = info.nodes;
        k->n_values = info.values;
    }
}

/* Operands. */

static operand constant(double x)
{
    operand o;
    memset(&o, 0, sizeof o);
    o.var = ds_c(x);
    o.state = CONSTANT;
    o.n = 1;
    return o;
}

/* n numbers of a good thing of a tape */
static operand good(model *m, size_t n)
{
    operand o;
    memset(&o, 0, sizeof o);
    o.state = NOTHING;
    o.n = n;
    for (int i = 0; i < 12 && m->now.things; i++) {
        const thing *const v = m->things + below(m->now.things);
        const size_t offset = v->n > n ? below(v->n - n + 1) : 0;
        if (v->n < n) continue;
        o.var = dsi_view(v->var.rec, v->var.at + offset);
        o.state = GOOD;
        o.m = m;
        o.slot = v->slot + offset;
        break;
    }
    return o;
}

static operand pick(size_t n)
{
    operand o;
    memset(&o, 0, sizeof o);
    o.n = n;
    o.state = NOTHING;
    if (!chance(w.bad)) o = n == 1 && chance(200) ? constant(number()) : good(w.m, n);
    else if (below(2)) o = good(&w.models[below(TAPES)], n);
    else if (w.n_gone && below(3)) o = w.gone[below(w.n_gone)];
    if (o.n < n) o.var.rec = NULL; /* a stale one that is too short */
    if (!o.var.rec && o.state != CONSTANT) o.state = NOTHING, o.n = n, o.m = NULL;
    return o.state == NOTHING && n == 1 ? constant(below(2) ? 0 : number()) : o;
}

/* what the library has to say of operands in this order: the tape that records them, and why it refuses */
typedef struct verdict { model *m, *other; ds_result code; size_t index; } verdict;
static model *judge_tape(const operand *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (o[i].var.rec) return o[i].m;
    return NULL;
}
static void judge(verdict *v, const operand *o, size_t n, int constants)
{
    for (size_t i = 0; v->m && !v->m->error.code && !v->code && i < n; i++) {
        if (constants && !o[i].var.rec && o[i].n == 1) continue;
        v->index = i + 1;
        if (!o[i].var.rec) v->code = DSIM_ERROR_NO_RECORDER;
        else if (o[i].m != v->m) v->code = DSIM_ERROR_MIXED;
        else if (o[i].state == STALE) v->code = DSIM_ERROR_STALE;
        if (v->code == DSIM_ERROR_MIXED) v->other = o[i].m;
    }
}
static verdict judged(const operand *o, size_t n, int constants)
{
    verdict v = { NULL, NULL, DSIM_OK, 0 };
    v.m = judge_tape(o, n);
    judge(&v, o, n, constants);
    return v;
}
static void refuse(verdict *v, ds_result code, size_t index)
{
    if (v->code) return;
    v->code = code;
    v->index = index;
}

/* adds a thing of the model; -1 where there is no room */
static thing *add_thing(model *m, ds_var var, size_t n, int is_input)
{
    thing *const v = m->things + m->now.things++;
    v->var = var;
    v->n = n;
    v->slot = m->now.slots;
    v->is_input = is_input;
    m->now.slots += n;
    return v;
}

/* a step that reads these operands; its numbers are computed, but nothing counts before keep_step */
static step *try_step(model *m, unsigned op, const operand *o, size_t n, const ds_real *weights,
                      size_t n_weights, size_t n_out, size_t *slots)
{
    step *const s = m->steps + m->now.steps;
    size_t k = m->now.reads;
    *slots = m->now.slots;
    for (size_t i = 0; i < n; i++) {
        if (o[i].state == CONSTANT) m->values[*slots] = (ds_real)dsi_number(o[i].var);
        for (size_t j = 0; j < o[i].n; j++) m->reads[k++] = o[i].state == CONSTANT ? *slots : o[i].slot + j;
        *slots += o[i].state == CONSTANT;
    }
    for (size_t i = 0; i < n_weights; i++) {
        m->values[*slots] = weights[i];
        m->reads[k++] = (*slots)++;
    }
    s->op = op;
    s->first = m->now.reads;
    s->n_in = k - m->now.reads;
    s->out = *slots;
    s->n_out = n_out;
    model_step(m, s);
    return s;
}

/* a call has recorded, or was refused: r is what it returned for n_out numbers of these operands */
static void made(verdict v, unsigned op, const operand *o, size_t n, const ds_real *weights, size_t n_weights,
                 ds_var r, size_t n_out)
{
    size_t slots;
    step *s;
    if (!v.m) return;
    if (v.m->error.code || v.code) {
        expect(v.m, v.code, v.index, v.other);
        must(r.rec != NULL && ds_value(r) != ds_value(r), "what a refused call returned has a value");
        return;
    }
    s = try_step(v.m, op, o, n, weights, n_weights, n_out, &slots);
    if (v.m->debug && first_bad(v.m->values + s->out, n_out) < n_out) v.code = DSIM_ERROR_NON_FINITE;
    if (w.failed) v.code = DSIM_ERROR_CALLBACK;
    if (op == OP_CHECKPOINT && !step_is_finite(v.m, s))
        v.code = ds_tape_error(v.m->tape)->code; /* may be refused */
    expect(v.m, v.code, (size_t)-1, NULL);
    if (v.m->error.code) {
        must(ds_value(r) != ds_value(r), "what a refused call returned has a value");
        return;
    }
    v.m->now.steps++;
    v.m->now.reads += s->n_in;
    v.m->now.slots = slots;
    add_thing(v.m, r, n_out, 0);
    tell("    -> thing %zu of tape %d: %.9g ...\n", v.m->now.things - 1, (int)(v.m - w.models),
         (double)v.m->values[s->out]);
    if (w.curious && chance(300)) {
        const ds_real x = ds_value(r);
        has_read(v.m);
        must(same_bits(&x, v.m->values + s->out, 1), "the new value is another than in the model");
    }
}

static const char *const states[] = { "good", "constant", "stale", "nothing" };
static void tell_operands(const operand *o, size_t n)
{
    for (size_t i = 0; w.telling && i < n; i++)
        printf("    %s tape %d slot %zu (%zu numbers, %.9g)\n", states[o[i].state],
               o[i].m ? (int)(o[i].m - w.models) : -1, o[i].slot, o[i].n,
               o[i].state == GOOD ? (double)o[i].m->values[o[i].slot]
                                  : o[i].state == CONSTANT ? dsi_number(o[i].var) : 0);
}

/* what a name in the text is: "ds_" in front of the operation */
static void named(const char *name)
{
    static char text[40];
    snprintf(text, sizeof text, "ds_%s", name);
    w.function = text;
    tell("call %zu: %s\n", w.call, text);
}

/* The calls. */

/* any row of the table */
static void call_row(void)
{
    static const size_t widths[] = { 0, 1, 3, 4, 9 };
    const unsigned op = (unsigned)below(OPS);
    const size_t n = dsi_ops[op].operands, n_out = dsi_ops[op].width;
    operand o[3];
    ds_var a, b, c, r = ds_c(0);
    verdict v;
    named(dsi_ops[op].name);
    memset(o, 0, sizeof o);
    for (size_t i = 0; i < n; i++) o[i] = pick(widths[dsi_ops[op].kind[i]]);
    for (size_t i = 0; i < n; i++) o[i].n = widths[dsi_ops[op].kind[i]];
    tell_operands(o, n);
    v = judged(o, n, 1);
    a = o[0].var;
    b = o[1].var;
    c = o[2].var;
#define DSI_EACH_1(name, R, A) case DSI_OP_##name: r = dsi_any_##R(ds_##name(dsi_as_##A(a))); break;
#define DSI_EACH_2(name, R, A, B) \
    case DSI_OP_##name: r = dsi_any_##R(ds_##name(dsi_as_##A(a), dsi_as_##B(b))); break;
#define DSI_EACH_3(name, R, A, B, C) \
    case DSI_OP_##name: r = dsi_any_##R(ds_##name(dsi_as_##A(a), dsi_as_##B(b), dsi_as_##C(c))); break;
    switch (op) {
    DSI_EVERY_SIGNATURE
    default: break;
    }
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
    if (!v.m) {
        ds_real x[27] = { 0 }, y[9];
        const ds_real got = ds_value(r);
        expect(NULL, DSIM_OK, 0, NULL);
        for (size_t i = 0; i < n; i++) x[i] = (ds_real)dsi_number(o[i].var);
        model_value(op, x, n, y, n_out); /* of vectors it is NaN */
        for (size_t i = 0; i < n; i++)
            if (o[i].n > 1 || n_out > 1) y[0] = (ds_real)NAN;
        must(same_bits(&got, y, 1), "an operation on constants");
        return;
    }
    made(v, op, o, n, NULL, 0, r, n_out);
}

/* entries of a list: a run of a block, or any */
static void pick_list(operand *o, size_t n, size_t width)
{
    const operand run = good(w.m, n * width);
    const int is_run = n && run.state == GOOD && below(2);
    for (size_t i = 0; i < n; i++) {
        o[i] = is_run ? run : pick(width);
        if (is_run) {
            o[i].var.at += i * width;
            o[i].slot += i * width;
        }
        o[i].n = width;
    }
    tell_operands(o, n);
}

static void call_list(void)
{
    static const unsigned ops[] = { DSI_OP_sum, DSI_OP_weighted_sum, DSI_OP_dot };
    const unsigned op = ops[below(3)];
    const size_t n = below(LIST + 1);
    operand o[2 * LIST];
    ds_var x[2 * LIST], r;
    ds_real weights[LIST];
    verdict v = { NULL, NULL, DSIM_OK, 0 };
    named(dsi_ops[op].name);
    pick_list(o, n, 1);
    if (op == DSI_OP_dot) pick_list(o + n, n, 1);
    numbers(weights, n);
    v.m = judge_tape(o, op == DSI_OP_dot ? 2 * n : n);
    if (op == DSI_OP_weighted_sum && first_bad(weights, n) < n && v.m)
        refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(weights, n));
    if (op == DSI_OP_dot) judge(&v, o + n, n, 1); /* looked at first */
    judge(&v, o, n, 1);
    for (size_t i = 0; i < 2 * n; i++)
        if (i < n || op == DSI_OP_dot) x[i] = o[i].var;
    r = op == DSI_OP_sum   ? ds_sum(x, n)
        : op == DSI_OP_dot ? ds_dot(x, x + n, n)
                           : ds_weighted_sum(weights, x, n);
    if (!v.m) must(r.rec == NULL, "a sum of constants is on a tape");
    made(v, op, o, op == DSI_OP_dot ? 2 * n : n, weights, op == DSI_OP_weighted_sum ? n : 0, r, 1);
}

static void call_list3(void)
{
    const int weighted = (int)below(2);
    const size_t n = 1 + below(LIST / 3);
    operand o[LIST];
    ds_var3 x[LIST], r;
    ds_real weights[LIST];
    verdict v = { NULL, NULL, DSIM_OK, 0 };
    named(weighted ? "weighted_sum3" : "sum3");
    pick_list(o, n, 3);
    numbers(weights, n);
    v.m = judge_tape(o, n);
    if (weighted && first_bad(weights, n) < n && v.m)
        refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(weights, n));
    judge(&v, o, n, 0);
    for (size_t i = 0; i < n; i++) x[i] = dsi_as_r3(o[i].var);
    r = weighted ? ds_weighted_sum3(weights, x, n) : ds_sum3(x, n);
    made(v, weighted ? DSI_OP_weighted_sum3 : DSI_OP_sum3, o, n, weights, weighted ? n : 0, dsi_any_r3(r), 3);
}

static ds_vars block_of(const operand *o) { return dsi_block_of(o->var, o->n); }

static void call_block(void)
{
    const size_t what = below(3), rows = 1 + below(3), columns = 1 + below(4);
    operand o[3];
    size_t n = what == 0 ? 3 : what == 1 ? 2 : 1, n_out = what == 0 ? rows : what == 1 ? 1 : columns;
    verdict v;
    ds_var r;
    named(what == 0 ? "affine" : what == 1 ? "vars_dot" : "vars_tanh");
    o[0] = pick(what == 0 ? rows * columns : columns);
    o[1] = pick(columns);
    o[2] = pick(rows);
    for (size_t i = 0; i < n; i++)
        if (o[i].state == CONSTANT) o[i] = good(w.m, o[i].n); /* no blocks of constants */
    o[0].n = what == 0 ? rows * columns : columns;
    o[1].n = columns;
    o[2].n = rows;
    if (what < 2 && chance(w.bad) && o[1].n > 1) o[1].n--;
    tell_operands(o, n);
    v = judged(o, n, 0);
    if (v.m && what == 0 && o[1].n * rows != o[0].n) refuse(&v, DSIM_ERROR_ARGUMENT, o[1].n);
    if (v.m && what == 1 && o[1].n != o[0].n) refuse(&v, DSIM_ERROR_ARGUMENT, o[1].n);
    if (what == 0) r = dsi_first_of(ds_affine(block_of(&o[0]), block_of(&o[1]), block_of(&o[2])));
    else if (what == 1) r = ds_vars_dot(block_of(&o[0]), block_of(&o[1]));
    else r = dsi_first_of(ds_vars_tanh(block_of(&o[0])));
    made(v, what == 0 ? DSI_OP_affine : what == 1 ? DSI_OP_dot : DSI_OP_vars_tanh, o, n, NULL, 0, r, n_out);
}

/* parts that are not there */
static void call_part(void)
{
    const operand o = good(w.m, 1 + below(4));
    verdict v = { o.m, NULL, DSIM_ERROR_ARGUMENT, 0 };
    const size_t what = below(6), beyond = o.n + below(3);
    ds_var r;
    static const char *const names[] = { "vars_slice", "vars_at", "vars_at3", "row", "m", "column" };
    if (o.state != GOOD || !chance(4 * w.bad)) return;
    named(names[what]);
    v.index = what == 2 && beyond < o.n ? 3 * beyond : beyond;
    if (what == 0) r = dsi_first_of(ds_vars_slice(block_of(&o), beyond, beyond == o.n ? 1 : (size_t)-1));
    else if (what == 1) r = ds_vars_at(block_of(&o), beyond);
    else if (what == 2) r = dsi_any_r3(ds_vars_at3(block_of(&o), beyond));
    else if (what == 3) r = dsi_any_r3(ds_row(dsi_as_r9(o.var), v.index = 3 + beyond));
    else if (what == 4) r = ds_m(dsi_as_r9(o.var), beyond % 4, v.index = 3);
    else r = dsi_any_r3(ds_column(dsi_as_r9(o.var), v.index = 3 + beyond));
    made(v, 0, NULL, 0, NULL, 0, r, 1);
}

static void call_input(void)
{
    static const char *const names[] = { "input", "input3", "input4", "input33", "inputs" };
    static const size_t sizes[] = { 1, 3, 4, 9 };
    const size_t what = below(5), n = what < 4 ? sizes[what] : 1 + below(BLOCK);
    verdict v = { w.m, NULL, DSIM_OK, 0 };
    ds_real x[BLOCK];
    ds_var r;
    named(names[what]);
    numbers(x, n);
    if (first_bad(x, n) < n) refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(x, n));
    if (what == 0) r = ds_input(w.m->tape, (double)x[0]);
    else if (what == 1) r = dsi_any_r3(ds_input3(w.m->tape, dsi_load_r3(x)));
    else if (what == 2) r = dsi_any_r4(ds_input4(w.m->tape, dsi_load_r4(x)));
    else if (what == 3) r = dsi_any_r9(ds_input33(w.m->tape, dsi_load_r9(x)));
    else r = dsi_first_of(ds_inputs(w.m->tape, x, n));
    memcpy(w.m->values + w.m->now.slots, x, n * sizeof *x);
    made(v, OP_INPUT, NULL, 0, NULL, 0, r, n);
    if (!v.code && !w.m->error.code) w.m->things[w.m->now.things - 1].is_input = 1;
}

static void call_custom(void)
{
    const int body = (int)below(2);
    const shape *const s = &shapes[below(4)];
    const ds_custom_type *const type = &custom_types[chance(w.bad) ? 3 : below(6) < 3 ? 0 : below(3)];
    const size_t n_out = chance(w.bad) ? 0 : s->n_out;
    operand o[5];
    ds_var x[5];
    ds_vars r;
    verdict v = { NULL, NULL, DSIM_OK, 0 };
    named(body ? "checkpoint" : "custom");
    pick_list(o, s->n_in, 1);
    for (size_t i = 0; i < s->n_in; i++) x[i] = o[i].var;
    v.m = judge_tape(o, s->n_in);
    if (v.m && (!n_out || !type->forward)) refuse(&v, DSIM_ERROR_ARGUMENT, n_out);
    judge(&v, o, s->n_in, 1);
    if (body) r = ds_checkpoint(type->forward ? segment : NULL, (void *)(uintptr_t)s, x, s->n_in, n_out);
    else r = ds_custom(type, NULL, x, s->n_in, n_out);
    made(v, body ? OP_CHECKPOINT : OP_CUSTOM, o, s->n_in, NULL, 0, dsi_first_of(r), n_out);
}

static void call_branch(void)
{
    const operand o = pick(1);
    verdict v = judged(&o, 1, 1);
    int taken;
    named("branch");
    tell_operands(&o, 1);
    taken = ds_branch(o.var);
    if (!v.m) {
        must(taken == (dsi_number(o.var) != 0), "ds_branch of a constant");
        return;
    }
    if (v.m->error.code || v.code) must(taken == 0, "a refused branch is taken");
    else {
        size_t slots;
        step *const s = try_step(v.m, OP_BRANCH, &o, 1, NULL, 0, (size_t)taken, &slots);
        const ds_result had = v.m->error.code;
        expect(v.m, v.code, v.index, v.other);
        if (!had && !v.m->error.code) {
            must(taken == (v.m->values[o.slot] != 0), "ds_branch takes the wrong way");
            v.m->now.steps++;
            v.m->now.reads += s->n_in;
        }
        return;
    }
    expect(v.m, v.code, v.index, v.other);
}

/* Life. */

/* what was recorded since that height has gone; a few handles of it are kept, to be refused */
static void bury(model *m, height to, int keep)
{
    for (size_t i = to.things; keep && i < m->now.things; i++) {
        operand *o = &w.gone[w.n_gone < GONE ? w.n_gone++ : below(GONE)];
        memset(o, 0, sizeof *o);
        o->var = m->things[i].var;
        o->state = STALE;
        o->m = m;
        o->n = m->things[i].n;
    }
    m->now = to;
}

static void call_mark(void)
{
    model *const m = w.m;
    mark *const k = m->marks + (m->n_marks < MARKS ? m->n_marks++ : below(MARKS));
    named("tape_mark");
    k->mark = ds_tape_mark(m->tape);
    k->at = m->now;
    k->good = 1;
}

static void clear_error(model *m)
{
    const ds_tape_info info = ds_tape_get_info(m->tape);
    memset(&m->error, 0, sizeof m->error);
    m->nodes = info.nodes;
    m->n_values = info.values;
}

static void call_rewind(void)
{
    model *const from = chance(w.bad) ? &w.models[below(TAPES)] : w.m;
    mark none, k;
    ds_result got;
    memset(&none, 0, sizeof none);
    k = from->n_marks ? from->marks[below(from->n_marks)] : none;
    if (!from->n_marks && !chance(w.bad)) return;
    if (!k.good && !chance(20 + 4 * w.bad)) return;
    if (k.mark.tape != w.m->tape) k.good = 0;
    named("tape_rewind");
    tell("    tape %d to node %zu, %s\n", (int)(w.m - w.models), k.mark.n_nodes, k.good ? "good" : "bad");
    if (w.curious && below(2)) compare(w.m);
    got = ds_tape_rewind(w.m->tape, k.mark);
    if (!k.good || w.m->torn) {
        const ds_result code = k.good ? DSIM_OK
                                      : k.mark.tape == w.m->tape ? DSIM_ERROR_STALE : DSIM_ERROR_FOREIGN;
        const ds_result had = w.m->error.code;
        expect(w.m, w.m->torn ? DSIM_OK : code, k.mark.n_nodes, NULL);
        must(got == (had ? had : code), "the result of a refused rewind");
        return;
    }
    must(got == DSIM_OK && !ds_tape_error(w.m->tape)->code, "a good rewind is refused");
    if (w.m->n_read > k.mark.n_nodes + 1) w.m->n_read = k.mark.n_nodes + 1;
    for (size_t i = 0; i < w.m->n_marks; i++)
        if (w.m->nodes > k.mark.n_nodes && w.m->marks[i].mark.n_nodes > k.mark.n_nodes)
            w.m->marks[i].good = 0;
    bury(w.m, k.at, 1);
    if (w.m->n_grads > w.m->now.slots) w.m->n_grads = w.m->now.slots;
    clear_error(w.m);
    expect(w.m, DSIM_OK, 0, NULL);
    if (w.curious) compare(w.m);
}

static const height empty;
static void call_reset(void)
{
    named("tape_reset");
    if (below(2)) compare(w.m);
    ds_tape_reset(w.m->tape);
    bury(w.m, empty, 1);
    for (size_t i = 0; i < w.m->n_marks; i++) w.m->marks[i].good = 0;
    w.m->n_grads = w.m->n_read = 0;
    w.m->torn = 0;
    clear_error(w.m);
    expect(w.m, DSIM_OK, 0, NULL);
}

static void end_tape(model *m)
{
    size_t n = 0;
    if (!m->tape) return;
    compare(m);
    ds_tape_destroy(m->tape);
    must(m->supply.blocks == 0 && !m->supply.wrong, "memory is not given back");
    free(m->memory);
    for (size_t i = 0; i < w.n_gone; i++) /* of a tape that is no more nothing may be asked */
        if (w.gone[i].m != m) w.gone[n++] = w.gone[i];
    w.n_gone = n;
    for (model *k = w.models; k < w.models + TAPES; k++)
        for (size_t i = 0; i < k->n_marks; i++)
            if (k->marks[i].mark.tape == m->tape) k->marks[i].good = 0;
    memset(m, 0, sizeof *m);
}

static void begin_tape(model *m)
{
    ds_tape_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.debug = m->debug = below(6) == 0;
    desc.directions = below(3) > 0;
    m->supply.left = -1;
    desc.allocator.resize = supply_resize;
    desc.allocator.user = &m->supply;
    m->lean = below(3) == 0;
    if (m->lean && below(2)) {
        m->supply.left = 1 + (long)below(12);
    } else if (m->lean) {
        desc.max_nodes = 1 + below(400);
        desc.max_values = 1 + below(900);
    }
    if (desc.max_nodes && below(3)) {
        const size_t bytes = ds_tape_bytes(&desc);
        m->memory = malloc(bytes);
        must(ds_tape_init(m->memory, bytes - 1, &desc) == NULL, "a tape in too little memory");
        m->tape = ds_tape_init(m->memory, bytes, &desc);
    } else {
        m->tape = ds_tape_create(&desc);
    }
    must(m->tape != NULL, "no tape");
    clear_error(m);
}

static void call_life(void)
{
    named("tape_create");
    end_tape(w.m);
    begin_tape(w.m);
}

/* the thing whose part an operand is */
static const thing *home_of(const operand *o)
{
    for (size_t i = 0; o->state == GOOD && i < o->m->now.things; i++) {
        const thing *const v = o->m->things + i;
        if (o->slot >= v->slot && o->slot < v->slot + v->n) return v;
    }
    return NULL;
}
static int is_input(const operand *o) { return home_of(o) && home_of(o)->is_input; }

/* Replay. */

/* an error that closes the way to a replay */
static int is_final(const model *m)
{
    const ds_result code = m->error.code;
    return code && !(m->torn &&
                     (code == DSIM_ERROR_REPLAY || code == DSIM_ERROR_BRANCH || code == DSIM_ERROR_CALLBACK));
}

static void call_set(void)
{
    const int block = (int)below(2);
    const size_t n = block ? 1 + below(3) : 1;
    operand o = pick(n);
    verdict v = { o.m, NULL, DSIM_OK, 0 };
    ds_real x[3];
    ds_result got;
    o.n = n;
    named(block ? "set_inputs" : "set_input");
    tell_operands(&o, 1);
    numbers(x, n);
    got = block ? ds_set_inputs(block_of(&o), x) : ds_set_input(o.var, (double)x[0]);
    if (!v.m) {
        must(got == DSIM_ERROR_NO_RECORDER, "a constant is set");
        return;
    }
    if (o.state == STALE) refuse(&v, DSIM_ERROR_STALE, 1);
    if (first_bad(x, n) < n) refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(x, n));
    if (!v.code && !is_input(&o)) refuse(&v, DSIM_ERROR_ARGUMENT, 0);
    if (is_final(v.m)) {
        must(got == v.m->error.code, "an input is set in spite of an error");
        expect(NULL, DSIM_OK, 0, NULL);
        return;
    }
    if (v.code) {
        memset(&v.m->error, 0, sizeof v.m->error);
        expect(v.m, v.code, v.index, NULL);
        must(got == ds_tape_error(v.m->tape)->code, "the result of a refused set");
        return;
    }
    if (!v.m->error.code) {
        expect(v.m, DSIM_ERROR_REPLAY, (size_t)-1, NULL); /* "... call ds_replay" */
    }
    if (v.m->lean && got) return;
    must(got == DSIM_OK, "an input cannot be set");
    memcpy(v.m->values + o.slot, x, n * sizeof *x);
    v.m->torn = 1;
    forget_gradient(v.m);
}

static void call_replay(void)
{
    model *const m = w.m;
    const ds_result had = is_final(m) ? m->error.code : DSIM_OK;
    ds_result want = DSIM_OK, got;
    named("replay");
    got = ds_replay(m->tape);
    if (had) {
        must(got == had, "a replay in spite of an error");
        expect(NULL, DSIM_OK, 0, NULL);
        return;
    }
    if (m->n_read && m->nodes > m->n_read - 1) want = DSIM_ERROR_NOT_REPLAYABLE;
    for (size_t i = 0; !want && i < m->now.steps; i++) {
        step *const s = m->steps + i;
        model_step(m, s);
        if (s->op == OP_BRANCH && (m->values[m->reads[s->first]] != 0) != (int)s->n_out)
            want = DSIM_ERROR_BRANCH;
        if (s->op == OP_CHECKPOINT && !step_is_finite(m, s) && got == DSIM_ERROR_NON_FINITE) want = got;
    }
    if (w.failed && got == DSIM_ERROR_CALLBACK) want = DSIM_ERROR_CALLBACK;
    if (got == DSIM_OK) {
        must(!want, "a replay is not refused");
        must(!ds_tape_error(m->tape)->code, "a good replay leaves an error");
        clear_error(m);
        forget_gradient(m);
        m->torn = 0;
        if (w.curious) compare(m);
        return;
    }
    memset(&m->error, 0, sizeof m->error); /* perhaps BRANCH again, at another place */
    expect(m, want, (size_t)-1, NULL);
    m->error = *ds_tape_error(m->tape);
    must(got == m->error.code, "the result of a refused replay");
    m->torn |= got == DSIM_ERROR_BRANCH || got == DSIM_ERROR_CALLBACK || got == DSIM_ERROR_NON_FINITE;
    forget_gradient(m);
}

/* Derivatives. */

static const double epsilon = sizeof(ds_real) == 4 ? 1.2e-7 : 2.3e-16;

/* reads all gradients of a tape that are there now */
static void keep_gradient(model *m)
{
    if (!w.curious) return; /* reading counts */
    for (size_t i = 0; i < m->now.things; i++) {
        const thing *const v = m->things + i;
        must(ds_grads(dsi_block_of(v->var, v->n), m->grads + v->slot) == DSIM_OK, "no gradient");
        has_read(m);
        if (v->is_input) must(first_bad(m->grads + v->slot, v->n) == v->n, "a gradient that is not finite");
    }
    m->n_grads = m->now.slots;
}

/* is every number of a size that lets rounding be told from errors? */
static int is_tame(const ds_real *x, size_t n, double least, double most)
{
    for (size_t i = 0; i < n; i++) {
        const double size = fabs((double)x[i]);
        if (!(size == 0 || (size >= least && size <= most))) return 0;
    }
    return 1;
}
static int tape_is_tame(const model *m, double least, double most)
{
    return is_tame(m->values, m->now.slots, least, most); /* constants, too */
}

/* inputs of a tape, number by number; how many */
static size_t inputs_of(const model *m, ds_var *x, size_t *slot, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < m->now.things; i++)
        for (size_t j = 0; m->things[i].is_input && j < m->things[i].n && n < most; j++, n++) {
            x[n] = dsi_view(m->things[i].var.rec, m->things[i].var.at + j);
            slot[n] = m->things[i].slot + j;
        }
    return n;
}

static double sum_of_sizes(model *m, ds_real *numbers_of, ds_real (*read)(ds_var))
{
    double sum = 1;
    for (size_t i = 0; i < m->now.things; i++)
        for (size_t j = 0; j < m->things[i].n; j++) {
            const ds_real x = read(dsi_view(m->things[i].var.rec, m->things[i].var.at + j));
            if (numbers_of) numbers_of[m->things[i].slot + j] = x;
            sum += fabs((double)x);
        }
    return sum;
}

/* which no derivative passes unchanged */
static int is_clipped(const model *m)
{
    for (size_t i = 0; i < m->now.steps; i++)
        if (m->steps[i].op == DSI_OP_clip_gradient) return 1;
    return 0;
}

/* <gradient, x_dot> = sum of seeds * tangents, for the gradient that is there */
static void check_dot(model *m, const ds_var *f, const ds_real *seeds, size_t n)
{
    enum { MOST = 400 };
    static ds_var x[MOST];
    static ds_real x_dot[MOST];
    static size_t slot[MOST];
    const size_t n_x = inputs_of(m, x, slot, MOST);
    double left = 0, right = 0, scale;
    if (!n_x || n_x == MOST || !w.curious || is_clipped(m)) return;
    for (size_t i = 0; i < n_x; i++) x_dot[i] = (ds_real)((int)below(5) - 2);
    if (ds_forward(x, x_dot, n_x)) {
        const ds_result code = ds_tape_error(m->tape)->code;
        w.function = "ds_forward";
        if (w.failed) expect(m, code, (size_t)-1, NULL);
        else expect(m, DSIM_OK, (size_t)-1, NULL);
        return;
    }
    scale = sum_of_sizes(m, NULL, ds_grad);
    for (size_t i = 0; i < n; i++) right += (double)seeds[i] * (double)ds_tangent(f[i]);
    for (size_t i = 0; i < n_x; i++) left += (double)ds_grad(x[i]) * (double)x_dot[i];
    if (!ds_tape_error(m->tape)->code) scale *= sum_of_sizes(m, NULL, ds_tangent);
    if (ds_tape_error(m->tape)->code) { /* a tangent that is not finite, and is named */
        w.function = "ds_tangent";
        must(ds_tape_error(m->tape)->code == DSIM_ERROR_NON_FINITE ||
                 ds_tape_error(m->tape)->code == DSIM_ERROR_NOT_DIFFERENTIABLE, "another error of a tangent");
        expect(m, ds_tape_error(m->tape)->code, (size_t)-1, NULL);
        return;
    }
    if (scale < 1e9 && tape_is_tame(m, 1e-3, 1e4) && fabs(left - right) > 5e6 * epsilon * scale)
        fail("gradient times x_dot is %.17g, the tangent %.17g, scale %g", left, right, scale);
}

static void call_backward(void)
{
    const int one = (int)below(2);
    const size_t n = one ? 1 : 1 + below(3);
    operand o[3];
    ds_var f[3];
    ds_real seeds[3] = { 1, 1, 1 };
    verdict v = { NULL, NULL, DSIM_OK, 0 };
    ds_result got, any;
    named("backward");
    if (!one) numbers(seeds, n);
    for (size_t i = 0; i < n; i++) o[i] = pick(1);
    for (size_t i = 0; i < n; i++) o[i].n = 1;
    for (size_t i = 0; i < n; i++) f[i] = o[i].var;
    tell_operands(o, n);
    v.m = judge_tape(o, n);
    got = one ? ds_backward(f[0]) : ds_backward_many(f, seeds, n);
    if (!v.m) {
        must(got == DSIM_ERROR_NO_RECORDER, "the gradient of a constant");
        return;
    }
    if (v.m->error.code) {
        must(got == v.m->error.code, "backward returns another error");
        expect(NULL, DSIM_OK, 0, NULL);
        return;
    }
    any = ds_tape_error(v.m->tape)->code;
    must(got == any, "backward returns another error than it keeps");
    for (size_t i = 0; i < n && !v.code; i++) {
        verdict k = { v.m, NULL, DSIM_OK, 0 };
        judge(&k, o + i, 1, 1);
        if (k.code) v = k, v.index = i + 1;
        else if (!is_finite(seeds[i])) refuse(&v, DSIM_ERROR_NON_FINITE, i);
        else if (o[i].state == GOOD && !is_finite(v.m->values[o[i].slot]))
            refuse(&v, DSIM_ERROR_NON_FINITE, (size_t)-1);
    }
    if (!v.code && (any == DSIM_ERROR_NON_FINITE || any == DSIM_ERROR_NOT_DIFFERENTIABLE || w.failed))
        refuse(&v, any, (size_t)-1);
    expect(v.m, v.code, v.index, v.other);
    forget_gradient(v.m);
    if (got) return;
    keep_gradient(v.m);
    check_dot(v.m, f, seeds, n);
}

static void call_forward(void)
{
    const size_t n = 1 + below(4);
    operand o[4];
    ds_var x[4];
    ds_real x_dot[4];
    verdict v;
    ds_result got;
    named("forward");
    for (size_t i = 0; i < n; i++) {
        o[i] = chance(w.bad) ? pick(1) : good(w.m, 1);
        o[i].n = 1;
        x[i] = o[i].var;
    }
    tell_operands(o, n);
    numbers(x_dot, n);
    v = judged(o, n, 0);
    got = ds_forward(x, x_dot, n);
    if (!v.m) {
        must(got == DSIM_ERROR_NO_RECORDER, "a direction of constants");
        return;
    }
    if (first_bad(x_dot, n) < n) refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(x_dot, n));
    if (w.failed && got == DSIM_ERROR_CALLBACK) refuse(&v, got, (size_t)-1);
    if (v.m->error.code) v.code = DSIM_OK;
    expect(v.m, v.code, v.index, v.other);
    must(got == ds_tape_error(v.m->tape)->code, "forward returns another error than it keeps");
}

/* Hessian, its products, and explanations: of one f by a few x */
static void call_second(void)
{
    const size_t what = below(3), n = what == 2 ? 1 : 1 + below(4), bytes = below(5) ? below(300) : below(3);
    operand o[4], f = pick(1);
    ds_var x[4];
    ds_real v_dot[4], H[16], Hv[4];
    char *const text = (char *)malloc(bytes);
    verdict v;
    ds_result got, any;
    named(what == 0 ? "hessian" : what == 1 ? "hessian_vector" : "explain");
    for (size_t i = 0; i < n; i++) {
        o[i] = chance(w.bad) ? pick(1) : good(w.m, 1);
        o[i].n = 1;
        x[i] = o[i].var;
    }
    f.n = 1;
    tell_operands(&f, 1);
    tell_operands(o, n);
    numbers(v_dot, n);
    v = judged(o, n, 0);
    if (what == 0) got = ds_hessian(f.var, x, n, H);
    else if (what == 1) got = ds_hessian_vector(f.var, x, v_dot, n, Hv);
    else {
        got = ds_explain(f.var, x[0], text, bytes);
        must(!bytes || memchr(text, 0, bytes) != NULL, "an explanation without an end");
        must(bytes < 2 || text[0] != 0, "an empty explanation");
    }
    free(text);
    if (what == 2 && !bytes) {
        must(got == DSIM_ERROR_ARGUMENT, "an explanation into nothing");
        expect(NULL, DSIM_OK, 0, NULL);
        return;
    }
    if (!v.m) {
        must(got == DSIM_ERROR_NO_RECORDER, "second derivatives by constants");
        return;
    }
    if (v.m->error.code) {
        must(got == v.m->error.code, "another error is returned");
        expect(NULL, DSIM_OK, 0, NULL);
        return;
    }
    any = ds_tape_error(v.m->tape)->code;
    if (what == 1 && first_bad(v_dot, n) < n) refuse(&v, DSIM_ERROR_NON_FINITE, first_bad(v_dot, n));
    if (!v.code && !f.var.rec) {
        must(got == DSIM_ERROR_NO_RECORDER, "second derivatives of a constant");
        expect(v.m, DSIM_OK, 0, NULL);
        return;
    }
    if (!v.code) {
        if (f.m != v.m) v.code = DSIM_ERROR_MIXED, v.other = f.m, v.index = 0;
        else judge(&v, &f, 1, 1);
    }
    if (!v.code && !is_finite(v.m->values[f.slot])) refuse(&v, DSIM_ERROR_NON_FINITE, (size_t)-1);
    if (any == DSIM_ERROR_NON_FINITE || any == DSIM_ERROR_NOT_DIFFERENTIABLE || w.failed)
        refuse(&v, any, (size_t)-1);
    expect(v.m, v.code, v.index, v.other);
    must(got == ds_tape_error(v.m->tape)->code, "it returns another error than it keeps");
    forget_gradient(v.m);
    if (got) return;
    keep_gradient(v.m);
    if (what == 0 && w.curious) {
        double scale = 1;
        for (size_t i = 0; i < n * n; i++) scale += fabs((double)H[i]);
        must(first_bad(H, n * n) == n * n, "a Hessian that is not finite");
        scale *= sum_of_sizes(v.m, NULL, ds_grad);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (scale < 1e9 && tape_is_tame(v.m, 1e-2, 1e2) &&
                    fabs((double)(H[i * n + j] - H[j * n + i])) > 5e7 * epsilon * scale)
                    fail("the Hessian is not symmetric: %.17g, %.17g", (double)H[i * n + j],
                         (double)H[j * n + i]);
        for (size_t i = 0; i < n; i++) v_dot[i] = (ds_real)((int)below(5) - 2);
        if (ds_hessian_vector(f.var, x, v_dot, n, Hv)) {
            any = ds_tape_error(v.m->tape)->code;
            w.function = "ds_hessian_vector";
            if (any)
                expect(v.m, w.failed || v.m->lean || any == DSIM_ERROR_NON_FINITE ? any : DSIM_OK, (size_t)-1,
                       NULL);
            return;
        }
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++) sum += (double)H[i * n + j] * (double)v_dot[j];
            for (size_t j = 0; j < i; j++) /* the same variable twice moves by the sum */
                if (x[i].at == x[j].at) return;
            if (scale < 1e9 && tape_is_tame(v.m, 1e-2, 1e2) &&
                fabs(sum - (double)Hv[i]) > 5e7 * epsilon * scale)
                fail("H v is %.17g, by the Hessian %.17g", (double)Hv[i], sum);
        }
    }
}

/* Reading. */

static void call_read(void)
{
    const operand o = pick(1 + below(3));
    const ds_vars block = block_of(&o);
    ds_real x[BLOCK], g[BLOCK];
    ds_result got, got_g;
    if (!w.curious && o.state == GOOD) return;
    named("values");
    tell_operands(&o, 1);
    got = ds_values(block, x);
    got_g = ds_grads(block, g);
    if (!o.var.rec) {
        must(got == DSIM_ERROR_NO_RECORDER && got_g == got, "a constant block is read");
    } else if (o.state == STALE) {
        must(got == (o.m->error.code ? o.m->error.code : DSIM_ERROR_STALE), "a stale value is read");
        must(got_g == got && ds_value(o.var) != ds_value(o.var), "a stale gradient is read");
    } else if (o.m->torn) {
        must(got == o.m->error.code && got_g == got, "a torn tape is read");
        must(ds_value(o.var) != ds_value(o.var), "a torn value is read");
    } else {
        has_read(o.m);
        must(got == DSIM_OK && same_bits(x, o.m->values + o.slot, o.n), "a value");
        if (o.m->error.code) must(got_g == o.m->error.code, "a gradient after an error");
        else if (o.slot < o.m->n_grads) must(!got_g && same_bits(g, o.m->grads + o.slot, o.n), "a gradient");
    }
    expect(NULL, DSIM_OK, 0, NULL);
}

/* calls on nothing, which lose nothing */
static void call_nothing(void)
{
    ds_var f = good(w.m, 1).var;
    const ds_real one = 1;
    ds_real none = 0;
    named("nothing");
    must(ds_tape_error(NULL)->code == DSIM_ERROR_ARGUMENT && ds_replay(NULL) == DSIM_ERROR_ARGUMENT,
         "no tape");
    must(ds_backward_many(NULL, &one, 1) == DSIM_ERROR_ARGUMENT, "backward of NULL");
    must(ds_backward_many(&f, NULL, 1) == DSIM_ERROR_ARGUMENT, "backward without seeds");
    must(ds_forward(NULL, &one, 1) == DSIM_ERROR_ARGUMENT, "forward of NULL");
    must(ds_forward(&f, NULL, 1) == DSIM_ERROR_ARGUMENT, "forward without a direction");
    must(ds_hessian(f, &f, 1, NULL) == DSIM_ERROR_ARGUMENT, "a Hessian into NULL");
    must(ds_hessian_vector(f, &f, NULL, 1, &none) == DSIM_ERROR_ARGUMENT, "a product without a direction");
    must(ds_explain(f, f, NULL, 9) == DSIM_ERROR_ARGUMENT, "an explanation into NULL");
    must(ds_value(ds_sum(NULL, 3)) != 0 && ds_sum3(NULL, 1).rec == NULL, "sums of NULL");
    must(ds_custom(custom_types, NULL, NULL, 1, 1).rec == NULL, "a custom node of NULL");
    expect(NULL, DSIM_OK, 0, NULL);
    if (w.curious) compare(w.m);
}

/* one of the next callbacks fails */
static void call_arm(void)
{
    if (!chance(4 * w.bad)) return;
    named("(a callback will fail)");
    w.fail_in = 1 + (long)below(5);
}

/* One row: what, how often. */
#define CALLS(ROW) \
    ROW(row, 40) ROW(list, 8) ROW(list3, 5) ROW(block, 6) ROW(part, 2) ROW(input, 10) ROW(custom, 4) \
    ROW(branch, 1) ROW(mark, 3) ROW(rewind, 3) ROW(reset, 1) ROW(life, 1) ROW(set, 2) ROW(replay, 3) \
    ROW(backward, 8) ROW(forward, 2) ROW(second, 4) ROW(read, 6) ROW(nothing, 1) ROW(arm, 1)
static const struct { void (*run)(void); size_t often; } calls[] = {
#define ROW(name, often) { call_##name, often },
    CALLS(ROW)
#undef ROW
};

static void one_call(void)
{
    size_t total = 0, k, i;
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++) total += calls[i].often;
    k = below(total);
    for (i = 0; k >= calls[i].often; i++) k -= calls[i].often;
    if (below(12) == 0) w.m = &w.models[below(TAPES)];
    if (w.m->error.code && below(4) == 0) i = below(2) ? 9 : 10; /* ways out of an error: rewind, reset */
    if (w.m->now.slots + 200 > SLOTS || w.m->now.things + 2 > THINGS || w.m->now.steps + 2 > STEPS ||
        w.m->now.reads + 200 > READS)
        i = 10;
    w.failed = 0;
    calls[i].run();
}

/* the sequence of a seed without some of its calls */
static size_t sequence(uint64_t seed, const char *skip, int telling)
{
    size_t n;
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.telling = telling;
    w.random = seed * 0x2545f4914f6cdd1du;
    w.function = "(begin)";
    w.bad = below(3) ? (int)below(60) : 0;
    w.wild = below(3) ? 0 : (int)below(100);
    w.curious = below(3) > 0;
    w.m = w.models;
    for (model *m = w.models; m < w.models + TAPES; m++) begin_tape(m);
    n = 1 + below(MOST_CALLS);
    for (w.call = 0; w.call < n; w.call++) {
        w.random = (seed ^ (uint64_t)w.call << 48) * 0x9e3779b97f4a7c15u;
        bits();
        if (!skip || !skip[w.call]) one_call();
    }
    w.function = "(end)";
    for (model *m = w.models; m < w.models + TAPES; m++) end_tape(m);
    return n;
}

/* Many sequences, in a process of their own: what is shared tells where it was when it died. */
typedef struct progress { volatile uint64_t seed, calls; } progress;
static progress *shared;

static int fails(uint64_t seed, const char *skip)
{
    int status = 0;
    const pid_t child = fork();
    if (!child) {
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        alarm(TIMEOUT);
        sequence(seed, skip, 0);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return status != 0;
}

/* leaves out calls, many at a time, then few, as long as it still fails */
static void reduce(uint64_t seed)
{
    static char skip[MOST_CALLS + 1], trial[MOST_CALLS + 1];
    size_t kept = 0;
    for (size_t width = 64; width; width /= 2)
        for (size_t i = 0; i < MOST_CALLS; i += width) {
            memcpy(trial, skip, sizeof skip);
            for (size_t k = i; k < i + width && k < MOST_CALLS; k++) trial[k] = 1;
            if (memcmp(trial, skip, sizeof skip) && fails(seed, trial)) memcpy(skip, trial, sizeof skip);
        }
    for (size_t i = 0; i < MOST_CALLS; i++) kept += !skip[i];
    printf("reduced to %zu calls:\n", kept);
    fflush(stdout);
    if (!fork()) {
        sequence(seed, skip, 1);
        _exit(0);
    }
    wait(NULL);
}

static int many(uint64_t first, double seconds, double most)
{
    int status = 0;
    pid_t child;
    shared =
        (progress *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 2;
    child = fork();
    if (!child) {
        const time_t begin = time(NULL);
        for (shared->seed = first; difftime(time(NULL), begin) < seconds && (double)shared->calls < most;
             shared->seed++) {
            alarm(TIMEOUT); /* a call that never ends */
            shared->calls += sequence(shared->seed, NULL, 0);
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("%llu calls in %llu sequences from %llu on\n", (unsigned long long)shared->calls,
           (unsigned long long)(shared->seed - first), (unsigned long long)first);
    fflush(stdout);
    if (!status) return 0;
    printf("sequence %llu fails: random_calls replay %llu\n", (unsigned long long)shared->seed,
           (unsigned long long)shared->seed);
    fflush(stdout);
    reduce(shared->seed);
    return 1;
}

int main(int argc, char **argv)
{
    const double amount = argc > 2 ? strtod(argv[2], NULL) : 0;
    const uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL) * 1000000u;
    if (argc > 2 && !strcmp(argv[1], "seconds")) return many(first, amount, 1e18);
    if (argc > 2 && !strcmp(argv[1], "calls")) return many(first, 1e9, amount);
    if (argc > 2 && !strcmp(argv[1], "replay")) {
        static char skip[MOST_CALLS + 1];
        for (int i = 3; i < argc; i++) skip[strtoul(argv[i], NULL, 10) % MOST_CALLS] = 1;
        sequence(strtoull(argv[2], NULL, 10), skip, 1);
        return 0;
    }
    fprintf(stderr, "random_calls seconds|calls N [FIRST], random_calls replay SEED [CALL ...]\n");
    return 2;
}
