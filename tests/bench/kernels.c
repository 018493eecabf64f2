/* kernels.c - kernels of the library against the same in plain C: nanoseconds per lane and launch.

   build/kernels [--reps N] [--quick] [--only CASE]

   Every way to run a case is checked first: values and derivatives of all are those of plain C, or no time is
   printed. Then they take turns, as in bench.c, all cases in each round, so that a slow minute of a shared
   machine falls on all of them. A time is the least of the rounds: in a sample nothing happens but the
   kernel, so what makes it longer is not its own. --quick checks, and measures one round. */

#define _POSIX_C_SOURCE 200809L

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLE_NS 200e3     /* launches shorter than this are repeated within a sample */

/* >>columns ---- */

/* lists of the files that the makefile compiles several times: BENCH_FLAGS or free, double or float */
extern const kernel_side plain_double[2], plain_float[2], plain_free_double[2], plain_free_float[2];
extern const kernel_side launched_double[4], launched_float[4];
extern const kernel_side launched_native_double[4], launched_native_float[4];

/* PLAIN is what the others are checked against, but of kernels those behind LAUNCHED with it, whose bits they
   have. PARTS is no column of the table: what two threads do, one after the other. */
enum { PLAIN, FREE, LIST, LAUNCHED, NATIVE, PRINTED, THREADS, PARTS, N_COLUMNS, N_SHOWN = PARTS };
typedef struct contender {
    const char        *name, *ratio;                /* ratio: heading of a ratio of times; NULL: none */
    int                over, under;                 /* the columns of that ratio */
    const kernel_side *sides[2];                    /* double, float */
} contender;
static const contender columns[N_COLUMNS] = {
    { "plain",    NULL,        0, 0, { &plain_double[0], &plain_float[0] } },
    { "free",     NULL,        0, 0, { &plain_free_double[0], &plain_free_float[0] } },
    { "by list",  NULL,        0, 0, { &plain_free_double[1], &plain_free_float[1] } },
    { "launched", "launched/", LAUNCHED, FREE, { &launched_double[0], &launched_float[0] } },
    { "native",   "native/",   NATIVE, FREE, { &launched_native_double[0], &launched_native_float[0] } },
    { "printed",  "printed/",  PRINTED, FREE, { &launched_double[1], &launched_float[1] } },
    { "threads",  "speedup",   LAUNCHED, THREADS, { &launched_double[2], &launched_float[2] } },
    { "in turn",  NULL,        0, 0, { &launched_double[3], &launched_float[3] } },
};

/* agreement with PLAIN of the same numbers, relative to the largest; PLAIN in float with PLAIN in double,
   which only says that it is the same function */
static const double tolerances[2] = { 1e-12, 1e-4 };
#define TOLERANCE_OF_TYPES 1e-2

/* one case in one number type */
typedef struct contest {
    const kernel_case *c;
    int                is_float;
    void              *state[N_COLUMNS];            /* NULL: does not run this */
    int                inner[N_COLUMNS][2];         /* launches in a sample: forward, adjoint */
    double             ns[N_COLUMNS][2];            /* per launch, the least */
} contest;

typedef struct bench {
    kernel_case cases[N_KERNEL_CASES];
    contest     contests[N_KERNEL_CASES][2];
    int         reps;
    const char *only;                               /* a case, or NULL: all */
} bench;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const kernel_side *side_of(const contest *t, int column)
{
    return columns[column].sides[t->is_float];
}

static int run(const contest *t, int column, int adjoint)
{
    const kernel_side *side = side_of(t, column);
    return adjoint ? side->adjoint(t->state[column]) : side->forward(t->state[column]);
}

static int is_wanted(const bench *b, int which)
{
    return !b->only || !strcmp(b->only, kernel_case_names[which]);
}

static int n_wanted(const bench *b)
{
    int n = 0;
    for (int i = 0; i < N_KERNEL_CASES; i++) n += is_wanted(b, i);
    return n;
}

/* >>set up ---- */

static int bench_make(bench *b)
{
    int ok = 1;
    for (int i = 0; i < N_KERNEL_CASES; i++) {
        if (!is_wanted(b, i)) continue;
        ok = kernel_case_make(&b->cases[i], i) && ok;
        for (int is_float = 0; ok && is_float < 2; is_float++) {
            contest *t = &b->contests[i][is_float];
            t->c = &b->cases[i];
            t->is_float = is_float;
            for (int k = 0; k < N_COLUMNS; k++) t->state[k] = side_of(t, k)->create(t->c);
        }
    }
    return ok;
}

static void bench_free(bench *b)
{
    for (int i = 0; i < N_KERNEL_CASES; i++) {
        for (int is_float = 0; is_float < 2; is_float++) {
            const contest *t = &b->contests[i][is_float];
            for (int k = 0; k < N_COLUMNS; k++)
                if (t->state[k]) side_of(t, k)->destroy(t->state[k]);
        }
        kernel_case_free(&b->cases[i]);
    }
}

/* >>check ---- */

/* the border of a stencil gathers adjoints that nobody reads */
static int is_compared(const kernel_case *c, size_t i)
{
    if (c->kind != CASE_STENCIL) return 1;
    const size_t row = i % c->points / cells_row(c), at = i % cells_row(c) - CELLS_BEFORE; /* wraps before */
    return row >= 1 && row <= c->side && at < c->side;
}

/* what a column is compared with */
static int base_column(int k) { return k > LAUNCHED ? LAUNCHED : PLAIN; }

typedef double number_fn(const void *state, size_t i);

/* the numbers of two sides, [begin, end): largest difference / largest number; NaN, and nothing but zeros,
   are an infinite difference */
static double difference(const contest *t, int k, const contest *base, int of_grad, size_t begin, size_t end)
{
    const int of = base_column(k);
    const kernel_side *side = side_of(t, k), *other = side_of(base, of);
    number_fn *get = of_grad ? side->grad : side->out, *get_base = of_grad ? other->grad : other->out;
    double worst = 0, scale = 0;
    for (size_t i = begin; i < end; i++) {
        if (!is_compared(t->c, i)) continue;
        const double x = get(t->state[k], i), y = get_base(base->state[of], i), error = fabs(x - y);
        if (!(error <= 1e300)) return (double)INFINITY;
        worst = fmax(worst, error);
        scale = fmax(scale, fabs(y));
    }
    return scale > 0 ? worst / scale : (double)INFINITY;
}

/* each array of derivatives by its own largest number */
static double difference_of_grads(const contest *t, int k, const contest *base)
{
    double worst = 0;
    size_t begin = 0;
    for (int part = 0; part < 3; part++) {
        const size_t end = begin + t->c->grads[part];
        if (end > begin) worst = fmax(worst, difference(t, k, base, 1, begin, end));
        begin = end;
    }
    return worst;
}

static int agrees(const contest *t, int k, const contest *base, double tolerance)
{
    const double out = difference(t, k, base, 0, 0, t->c->n_out), grad = difference_of_grads(t, k, base);
    if (out <= tolerance && grad <= tolerance) return 1;
    fprintf(stderr, "%s, %s, %s: values differ by %.1e, derivatives by %.1e\n", t->c->name,
            side_of(t, k)->real, columns[k].name, out, grad);
    return 0;
}

/* runs everything once; returns how much is wrong */
static int check(bench *b)
{
    int wrong = 0;
    for (int i = 0; i < N_KERNEL_CASES; i++)
        for (int is_float = 0; is_float < 2; is_float++) {
            const contest *t = &b->contests[i][is_float];
            for (int k = 0; k < N_COLUMNS; k++) {
                if (!t->state[k]) continue;
                side_of(t, k)->clear(t->state[k]);
                const int failed = run(t, k, 0) || (has_adjoint(t->c) && run(t, k, 1));
                if (failed) fprintf(stderr, "%s, %s: failed\n", t->c->name, columns[k].name);
                wrong += failed;
                if (t->c->kind == CASE_MAKE || failed || (k == PLAIN && !is_float)) continue;
                if (k == PLAIN) wrong += !agrees(t, k, &b->contests[i][0], TOLERANCE_OF_TYPES);
                else wrong += !agrees(t, k, t, k > LAUNCHED ? 0 : tolerances[is_float]);
            }
        }
    return wrong;
}

/* >>measure ---- */

static double sample(const contest *t, int column, int adjoint, int inner)
{
    const double start = now_ns();
    for (int i = 0; i < inner; i++) run(t, column, adjoint);
    return (now_ns() - start) / inner;
}

/* a round: every contender takes one sample; the first finds out how many launches that is */
static void measure(contest *t, int round)
{
    const int ways = has_adjoint(t->c) ? 2 : 1;
    for (int k = 0; k < N_COLUMNS; k++)
        for (int adjoint = 0; t->state[k] && adjoint < ways; adjoint++) {
            int *inner = &t->inner[k][adjoint];
            double *least = &t->ns[k][adjoint];
            if (!round) *inner = 1 + (int)(SAMPLE_NS / sample(t, k, adjoint, 2));
            else run(t, k, adjoint);
            const double ns = sample(t, k, adjoint, *inner);
            *least = round ? fmin(*least, ns) : ns;
        }
}

/* >>report ---- */

static double time_of(const contest *t, int column, int way)
{
    if (!t->state[column]) return (double)NAN;
    return way < 2 ? t->ns[column][way] : t->ns[column][0] + t->ns[column][1];
}

static void print_number(const char *format, double x, int width)
{
    if (x == x) printf(format, width, x);
    else printf(" %*s", width, "-");
}

static const char *const ways[] = { "forward", "adjoint", "both" };

static void print_row(const contest *t, int way)
{
    size_t operations = 0;
    for (int k = 0; k < 2; k++)
        if (way == k || way == 2) operations += side_of(t, LAUNCHED)->operations(t->state[LAUNCHED], k);
    printf("%-8s %-7s %-8s %5lu ", t->c->name, t->is_float ? "float" : "double", ways[way],
           (unsigned long)operations);
    for (int k = 0; k < N_SHOWN; k++)
        print_number(" %*.2f", time_of(t, k, way) / (double)t->c->lanes, 8);
    printf(" |");
    for (int k = 0; k < N_SHOWN; k++)
        if (columns[k].ratio)
            print_number(" %*.2f", time_of(t, columns[k].over, way) / time_of(t, columns[k].under, way), 9);
    printf("\n");
}

static void print_head(void)
{
    printf("plain: plain C, %s; free: with %s\n", plain_double[0].flags, plain_free_double[0].flags);
    printf("by list: free, but by the list of indices as the kernel has it (free works row by row);\n");
    printf("         Hessians where the kernel has them (free: those of a vector together)\n");
    printf("launched: ds_launch, %s; native: with %s\n", launched_double[0].flags,
           launched_native_double[0].flags);
    printf("printed: launched, as text of ds_kernel_print_c, %s\n", launched_double[1].flags);
    printf("threads: launched on a ds_pool of two; speedup: launched / threads (W1_256, W5: >= 1.7)\n");
    printf("ns per lane, the least; operations of the kernel per lane; then times / free\n\n");
    printf("%-8s %-7s %-8s %5s ", "", "", "", "ops");
    for (int k = 0; k < N_SHOWN; k++) printf(" %8s", columns[k].name);
    printf(" |");
    for (int k = 0; k < N_SHOWN; k++)
        if (columns[k].ratio) printf(" %9s", columns[k].ratio);
    printf("\n");
}

/* a line of the cases that have no lanes to be divided by */
static void print_other(const char *what, const contest *t, double unit)
{
    if (!t->c) return;
    printf("%-52s %-6s", what, t->is_float ? "float" : "double");
    for (int k = LAUNCHED; k < THREADS; k++) print_number(" %*.2f", time_of(t, k, 0) / unit, 8);
    printf("\n");
}

/* what it costs that sums have the same bits in two parts, without what threads cost */
static void print_in_turn(const contest *t)
{
    if (!t->c || !t->state[PARTS]) return;
    printf("%-8s %-6s  two parts in turn, one thread / launched: ", t->c->name,
           t->is_float ? "float" : "double");
    for (int way = 0; way < 3; way++)
        printf(" %s %.2f", ways[way], time_of(t, PARTS, way) / time_of(t, LAUNCHED, way));
    printf("\n");
}

static void print_operations(const contest *t)
{
    if (!t->c || t->c->kind != CASE_HESSIAN) return;
    printf("%-8s gradient and Hessian of a tetrahedron, operations (<= 900): %lu, by hand about 500\n",
           t->c->name, (unsigned long)side_of(t, LAUNCHED)->operations(t->state[LAUNCHED], 0));
}

static void print_others(bench *b)
{
    const contest *small_case = &b->contests[N_KERNEL_CASES - 2][0];
    const contest *make_case = &b->contests[N_KERNEL_CASES - 1][0];
    char small[80], make[80];
    sprintf(small, "launch of %d operations over 64 lanes, us (<= 2)", 2 * SMALL_DEGREE);
    sprintf(make, "record %d operations, take the adjoint, ms (<= 5)", MADE_OPERATIONS);
    if (small_case->c || make_case->c) {
        printf("\n%-59s", "");
        for (int k = LAUNCHED; k < THREADS; k++) printf(" %8s", columns[k].name);
        printf("\n");
    }
    for (int is_float = 1; is_float >= 0; is_float--) {
        print_other(small, &b->contests[N_KERNEL_CASES - 2][is_float], 1e3);
        print_other(make, &b->contests[N_KERNEL_CASES - 1][is_float], 1e6);
    }
    for (int i = 0; i < 2 * N_KERNEL_CASES; i++) print_in_turn(&b->contests[i / 2][1 - i % 2]);
    for (int i = 0; i < N_KERNEL_CASES; i++) print_operations(&b->contests[i][0]);
}

static void report(bench *b)
{
    print_head();
    for (int i = 0; i < N_KERNEL_CASES - 2; i++)
        for (int is_float = 1; is_float >= 0; is_float--) {
            const contest *t = &b->contests[i][is_float];
            for (int way = 0; t->c && way < (has_adjoint(t->c) ? 3 : 1); way++) print_row(t, way);
        }
    print_others(b);
}

/* >>main ---- */

int main(int argc, char **argv)
{
    static bench b;                                 /* large */
    b.reps = 50;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quick")) b.reps = 1;
        else if (!strcmp(argv[i], "--reps") && i + 1 < argc) b.reps = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--only") && i + 1 < argc) b.only = argv[++i];
        else b.reps = 0;
    }
    if (b.reps < 1 || !n_wanted(&b)) {
        fprintf(stderr, "usage: kernels [--reps N] [--quick] [--only CASE]\n");
        return 2;
    }
    int failed = !bench_make(&b);
    if (failed) fprintf(stderr, "out of memory\n");
    else failed = check(&b) > 0;
    for (int round = 0; round < b.reps && !failed; round++)
        for (int i = 0; i < 2 * N_KERNEL_CASES; i++)
            if (is_wanted(&b, i / 2)) measure(&b.contests[i / 2][i % 2], round);
    if (!failed) report(&b);
    bench_free(&b);
    return failed;
}
