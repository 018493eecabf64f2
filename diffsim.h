/* diffsim.h - v0.3.0 - differentiable physics in one C header - Unlicense OR MIT-0

   Put this in ONE source file, and include the header without the macro everywhere else:

       #define DIFFSIM_IMPLEMENTATION
       #include "diffsim.h"

   Build: any C99 or C++11 compiler, nothing but the C library:  cc -O2 program.c -lm

   THE FIRST GRADIENT

       #define DIFFSIM_IMPLEMENTATION
       #include "diffsim.h"
       #include <stdio.h>

       int main(void)
       {
           ds_tape *t = ds_tape_create(NULL);
           ds_var x = ds_input(t, 2.0), y = ds_input(t, 3.0);
           ds_var f = ds_mul(y, ds_sin(ds_mul(x, y)));
           ds_backward(f);
           printf("f %g  df/dx %g  df/dy %g\n", ds_value(f), ds_grad(x), ds_grad(y));
           ds_tape_destroy(t);
           return 0;
       }

   prints

       f -0.838246  df/dx 8.64153  df/dy 5.48161

   WHAT IT DOES

   Records what your program computes and gives the exact gradient of any result by any input: reverse-mode
   automatic differentiation, with vectors as single nodes and blocks of numbers for networks; tangents and
   Hessians; replay with new inputs; custom nodes and checkpoints; minimisers and optimizers that use the
   gradients; one call that certifies a gradient and one that explains it. Kernels: what is recorded for one
   element is run over millions, on all cores, differentiated and printed as C and CUDA.

   - A gradient is never silently wrong: an operation without a derivative, a stale or foreign variable,
     the first NaN are errors with a sentence that says where and what to do.
   - The same bits on every IEEE machine, compiler and optimisation level, exp, sin and their kin included:
     they are the library's own. ds_build_info() says when a build forbids it.

   WHAT IT DOES NOT DO

   - No threads, files, output, global variables, abort or exit of its own; no allocation but by the
     function you give it. (Threads only if you ask for them: DIFFSIM_THREADS.)
   - It does not differentiate your branches: `if (ds_value(x) > 0)` records the branch taken; ds_branch says
     so to a replay, ds_select records both.
   - One tape belongs to one thread at a time. Distinct tapes run concurrently.

   THE WHOLE TAPE IN 60 LINES

   The idea without the errors, the constants and the speed. Everything in section 6 is this, made to last.

       #include <math.h>
       #include <stdio.h>

       enum { INPUT, ADD, MUL, SIN };
       typedef struct { int op, a, b; double value, adjoint; } node;
       static node tape[100];
       static int n;

       static int push(int op, int a, int b, double value)  // record by running
       {
           tape[n].op = op;
           tape[n].a = a;
           tape[n].b = b;
           tape[n].value = value;
           return n++;
       }
       static int input(double x) { return push(INPUT, 0, 0, x); }
       static int add(int a, int b) { return push(ADD, a, b, tape[a].value + tape[b].value); }
       static int mul(int a, int b) { return push(MUL, a, b, tape[a].value * tape[b].value); }
       static int sine(int a) { return push(SIN, a, 0, sin(tape[a].value)); }

       static void backward(int f)  // walk back: each node hands its adjoint to its operands
       {
           for (int i = 0; i < n; i++) tape[i].adjoint = 0;
           tape[f].adjoint = 1;                              // df/df
           for (int i = f; i >= 0; i--) {
               node *v = &tape[i], *a = &tape[v->a], *b = &tape[v->b];
               switch (v->op) {
               case ADD:
                   a->adjoint += v->adjoint;
                   b->adjoint += v->adjoint;
                   break;
               case MUL:
                   a->adjoint += v->adjoint * b->value;
                   b->adjoint += v->adjoint * a->value;
                   break;
               case SIN:
                   a->adjoint += v->adjoint * cos(a->value);
                   break;
               }
           }
       }

       int main(void)
       {
           int x = input(2), y = input(3), f = mul(y, sine(mul(x, y)));
           backward(f);
           printf("f %g  df/dx %g  df/dy %g\n", tape[f].value, tape[x].adjoint, tape[y].adjoint);
           return 0;
       }

   CONVENTIONS

   SI units. Column vectors, row-major matrices, quaternions (w, x, y, z), right-handed. Outputs overwrite,
   adjoints add. ds_ public, dsi_ and DSI_ private, DSIM_ constants, DIFFSIM_ knobs. Arguments: context,
   inputs, outputs. `{0}` is a valid desc of everything (C++: `{}`).

   CONTENTS (search for >>api n, >>inline n, >>impl n)

     1 base     results, memory, jobs, numbers as text, random numbers, hash, what the build does to floats
     2 maths    exp, sin and their kin, the same bits everywhere; ds_v3, ds_m3, ds_q4 by value; 3x3
                singular values, polar rotation, eigenvectors
     3 linear algebra  ds_ldlt, ds_cholesky, ds_lu, ds_qr, ds_symmetric_eigen: dense matrices
     4 minimise  ds_minimise: line searches, L-BFGS, Newton, least squares, bounds
     5 ops      THE table of operations: value, derivative, test interval
     6 tape     ds_tape, ds_var, ds_var3, ds_vars: record, reverse, Hessians, replay, custom nodes, ds_explain
     7 kernels  ds_kernel: a program for one lane, recorded once, run over many; its adjoint, tangent,
                gradient and Hessian are kernels, too; ds_launch; ds_kernel_print_c; splines, grids,
                reductions
    15 learning  ds_optimizer: Adam and its kin, clipping, schedules, bounds
    16 checks   ds_check_gradient, ds_check_hessian, ds_check_adjoint: a certificate for any derivative

   KNOBS (define before including)

     DIFFSIM_IMPLEMENTATION   the code, in one source file
     DIFFSIM_REAL             double (default) or float, the same in all files, or they do not link
     DIFFSIM_STATIC           all functions static: private to the file, may stand in several
     DIFFSIM_API              replaces `extern` before every function (a DLL's export or import)
     DIFFSIM_NO_INLINE        recording functions are called, not inlined: faster to compile, slower to run
     DIFFSIM_OPERATORS        C++: x * sin(y) instead of ds_mul(x, ds_sin(y)), vectors too
     DIFFSIM_THREADS          ds_pool, a small pool of threads for ds_jobs; compile and link with -pthread
     DIFFSIM_DEBUG            files that record tell their lines, so that errors name file:line
     DIFFSIM_ASSERT(truth)    called on a caller's bug (NULL); nothing by default, and the call returns safely

   ERRORS

   Bad calls and bad numbers are refused; nothing is half-written. The first refusal sticks to the tape,
   later calls do nothing, ds_backward returns it, ds_tape_error says it in a sentence, ds_tape_reset or
   _rewind clears it. A variable made by a failed call is never valid, ds_value and ds_grad of it are NaN.
   Numbers are checked where they enter (ds_input) and where gradients leave; with ds_tape_desc.debug every
   value is checked when it is made.

   MEMORY

   One ds_allocator per object, or none at all: ds_tape_init works in a block of yours. A node takes 16
   bytes, a number 8 for its value and 8 for its adjoint (float: 4 and 4). Arrays double when full; reset
   and rewind keep them, so from the second round on nothing is allocated.

   LIMITS

   2^32 - 65 numbers and as many nodes on a tape; a list has at most 2^30 entries; error sentences are cut
   at 399 characters. Kernels: three dimensions of lanes, 4096 components of an argument, 89 coordinates of a
   Hessian, 64 parts of a launch. */

#ifndef DIFFSIM_H
#define DIFFSIM_H

#define DIFFSIM_VERSION_MAJOR 0
#define DIFFSIM_VERSION_MINOR 3
#define DIFFSIM_VERSION_PATCH 0
#define DIFFSIM_VERSION_NUMBER \
    (DIFFSIM_VERSION_MAJOR * 10000 + DIFFSIM_VERSION_MINOR * 100 + DIFFSIM_VERSION_PATCH)
#define DIFFSIM_VERSION_STRING "0.3.0"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* >>api 1 base ------------------------------------------------------------------------------------

   What every other layer stands on: the number type, results and their sentences, memory, jobs, text, random
   numbers, hashes, and what the build did to floating point. */

#ifndef DIFFSIM_REAL
#define DIFFSIM_REAL double
#endif
typedef DIFFSIM_REAL ds_real;

/* Objects of a float and of a double build must not meet, or they would misread each other's numbers: what
   every program calls to hand numbers over has another name in float, so that the linker refuses. */
#define DSI_REAL_IS_float 1
#define DSI_REAL_IS_double 0
#define DSI_IS_FLOAT_2(dsi_type) DSI_REAL_IS_##dsi_type
#define DSI_IS_FLOAT(dsi_type) DSI_IS_FLOAT_2(dsi_type)
#if DSI_IS_FLOAT(DIFFSIM_REAL)
#define ds_hash_reals ds_hash_reals_float
#define ds_rng_uniform ds_rng_uniform_float
#define ds_rng_normal ds_rng_normal_float
#define ds_m3_svd ds_m3_svd_float
#define ds_m3_polar ds_m3_polar_float
#define ds_m3_symmetric_eigen ds_m3_symmetric_eigen_float
#define ds_ldlt_factor ds_ldlt_factor_float
#define ds_ldlt_solve ds_ldlt_solve_float
#define ds_cholesky_factor ds_cholesky_factor_float
#define ds_cholesky_solve ds_cholesky_solve_float
#define ds_lu_factor ds_lu_factor_float
#define ds_lu_solve ds_lu_solve_float
#define ds_lu_solve_transposed ds_lu_solve_transposed_float
#define ds_qr_factor ds_qr_factor_float
#define ds_qr_solve ds_qr_solve_float
#define ds_qr_covariance ds_qr_covariance_float
#define ds_symmetric_eigen ds_symmetric_eigen_float
#define ds_minimise ds_minimise_float
#define ds_covariance ds_covariance_float
#define ds_optimizer_init ds_optimizer_init_float
#define ds_optimizer_step ds_optimizer_step_float
#define ds_tape_create ds_tape_create_float
#define ds_tape_init ds_tape_init_float
#define ds_kernel_begin ds_kernel_begin_float
#define ds_kernel_from_tape ds_kernel_from_tape_float
#define ds_kernel_reduction ds_kernel_reduction_float
#define ds_array_reals ds_array_reals_float
#define ds_array_sum ds_array_sum_float
#define ds_array_dot ds_array_dot_float
#define ds_array_min ds_array_min_float
#define ds_array_max ds_array_max_float
#define ds_array_smooth_max ds_array_smooth_max_float
#define ds_array_smooth_max_vjp ds_array_smooth_max_vjp_float
#define ds_runner_create ds_runner_create_float
#define ds_launch ds_launch_float
#define ds_launch_grid ds_launch_grid_float
#define ds_check_gradient ds_check_gradient_float
#define ds_check_hessian ds_check_hessian_float
#define ds_check_adjoint ds_check_adjoint_float
#endif

/* the difference between C and C++, and between compilers, ends with this block */
#if defined(__GNUC__) || defined(__clang__)
#define DSI_UNUSED __attribute__((unused))
#define DSI_LIKELY(dsi_truth) __builtin_expect(!!(dsi_truth), 1)
#else
#define DSI_UNUSED
#define DSI_LIKELY(dsi_truth) (dsi_truth)
#endif
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__TINYC__)
#define DSI_KNOWN(dsi_truth) (__builtin_constant_p(dsi_truth) && (dsi_truth)) /* true at compile time */
#define DSI_INLINE static inline __attribute__((always_inline, unused))
#define DSI_APART static __attribute__((noinline)) /* seldom run: not inlined, quick to compile */
#define DSI_RESTRICT __restrict__
#else
#define DSI_KNOWN(dsi_truth) 0
#define DSI_INLINE static inline
#define DSI_APART static
#define DSI_RESTRICT
#endif
#ifndef DIFFSIM_API
#ifdef DIFFSIM_STATIC
#define DIFFSIM_API static DSI_UNUSED
#else
#define DIFFSIM_API extern
#endif
#endif
#ifdef DIFFSIM_NO_INLINE
#define DSI_RECORDS DIFFSIM_API /* recording functions live in the implementation */
#else
#define DSI_RECORDS static inline DSI_UNUSED /* recording functions are inlined into user code */
#endif
#ifdef __cplusplus
#define DSI_ZEROED {} /* the initialiser of a zero struct */
#else
#define DSI_ZEROED { 0 }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Results. One row: name, sentence. DSIM_OK is zero; the sentence says what is wrong and what to do. */
#define DSI_RESULTS(DSI_ROW) \
    DSI_ROW(OK, "everything went well") \
    DSI_ROW(ERROR_ARGUMENT, "an argument is missing or out of its range") \
    DSI_ROW(ERROR_MEMORY, "the allocator returned NULL; free memory or record less") \
    DSI_ROW(ERROR_FULL, "the fixed memory or the limit of the desc is used up; give more or rewind earlier") \
    DSI_ROW(ERROR_OVERFLOW, "a size does not fit its integer; ask for less") \
    DSI_ROW(ERROR_NON_FINITE, \
            "a number is NaN or infinite; mend the input, or use a guarded operation such as ds_safe_norm3") \
    DSI_ROW(ERROR_NO_RECORDER, "the variable is a constant: it was never recorded on a tape") \
    DSI_ROW(ERROR_STALE, \
            "the variable or mark was made before a reset or rewind that removed it; record it again") \
    DSI_ROW(ERROR_FOREIGN, "the variable or mark belongs to another tape; use the tape that made it") \
    DSI_ROW(ERROR_MIXED, "one operation got variables of two tapes; record both operands on one tape") \
    DSI_ROW(ERROR_NOT_DIFFERENTIABLE, \
            "the gradient passes an operation without a derivative; use a smooth one or ds_stop_gradient") \
    DSI_ROW(ERROR_ORDER, "there is no gradient yet; call ds_backward first") \
    DSI_ROW(ERROR_REPLAY, "inputs have been set since the values were computed; call ds_replay, or reset") \
    DSI_ROW(ERROR_BRANCH, "the replay takes another branch than the recording; reset and record again") \
    DSI_ROW(ERROR_NOT_REPLAYABLE, \
            "what is recorded after a value was read may depend on it; use ds_select or ds_branch") \
    DSI_ROW(ERROR_CALLBACK, "a function of yours returned an error") \
    DSI_ROW(ERROR_WRONG_GRADIENT, \
            "the gradient does not fit the function; the report names the worst entry") \
    DSI_ROW(ERROR_SINGULAR, "a pivot of the matrix is zero: its equations depend on each other") \
    DSI_ROW(ERROR_INDEFINITE, "the matrix is not positive definite; use ds_ldlt, or add to its diagonal") \
    DSI_ROW(ERROR_NO_VALUE, \
            "a variable of a kernel has no value; use ds_select, and launch the kernel") \
    DSI_ROW(ERROR_RACE, \
            "lanes would read, or write twice, what others write; declare the argument as it is used") \
    DSI_ROW(ERROR_RANGE, "an index points outside of its array; mend the index or pass a larger array") \
    DSI_ROW(ERROR_NOT_CONVERGED, "an iteration stopped before its tolerance was reached; the report says why")

typedef enum ds_result {
#define DSI_ROW(NAME, sentence) DSIM_##NAME,
    DSI_RESULTS(DSI_ROW)
#undef DSI_ROW
    DSIM_RESULT_COUNT
} ds_result;

DIFFSIM_API const char *ds_result_name(ds_result result); /* "DSIM_ERROR_STALE"; never NULL */
DIFFSIM_API const char *ds_result_text(ds_result result); /* the sentence of the table; never NULL */

/* What went wrong, where (index: which element, operand, node, byte ...), and what to do. Fixed size, no
   pointers. */
typedef struct ds_error {
    ds_result code;
    size_t index;
    char text[400];
} ds_error;

/* Memory comes from one function: grow, shrink, allocate (pointer NULL) and free (new_bytes 0). It returns
   NULL when it cannot, and leaves the old block as it was. Blocks are aligned for any type. {0} means
   realloc and free. */
typedef struct ds_allocator {
    void *(*resize)(void *user, void *pointer, size_t old_bytes, size_t new_bytes);
    void *user;
} ds_allocator;

/* Called once for each refusal, with its sentence. {0} means silence. */
typedef struct ds_logger {
    void (*write)(void *user, ds_result code, const char *text);
    void *user;
} ds_logger;

/* Parallel loops: fn(task, begin, end, worker) is called so that [0, n) is covered exactly once, in pieces
   of at least `grain` but for the last; worker < n_workers, and no two calls with the same worker overlap.
   The hook returns when all pieces are done. {0} means the calling thread does it all. */
typedef void ds_task_fn(void *task, size_t begin, size_t end, size_t worker);
typedef struct ds_jobs {
    void (*parallel_for)(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task);
    void *user;
    size_t n_workers;
} ds_jobs;
DIFFSIM_API void ds_parallel_for(const ds_jobs *jobs, size_t n, size_t grain, ds_task_fn *fn, void *task);

#ifdef DIFFSIM_THREADS
/* A small pool of threads, for those who have no job system: put ds_pool_jobs(pool) into a desc. n_threads
   counts the thread that calls; 0: one for each processor. A loop that begins while the pool is busy with
   another, within it or in another thread, runs in its caller alone, as worker 0. Nothing is allocated after
   ds_pool_create. NULL: no memory or no threads; ds_pool_jobs(NULL) is {0}, and all goes on in one thread.
   Destroy it when no loop runs. DIFFSIM_THREADS stands in the file of the implementation and in those that
   use the pool. POSIX threads: compile and link with -pthread; on Windows its own. */
typedef struct ds_pool ds_pool;
DIFFSIM_API ds_pool *ds_pool_create(size_t n_threads, const ds_allocator *allocator); /* NULL means {0} */
DIFFSIM_API ds_jobs ds_pool_jobs(ds_pool *pool);
DIFFSIM_API void ds_pool_destroy(ds_pool *pool); /* NULL is fine */
#endif

/* Sizes. Product and sum that refuse to wrap: DSIM_ERROR_OVERFLOW, and *out stays as it was. */
DIFFSIM_API ds_result ds_size_mul(size_t left, size_t right, size_t *out);
DIFFSIM_API ds_result ds_size_add(size_t left, size_t right, size_t *out);

/* Arena: memory handed out front to back and given back to a mark. Over the caller's block it never
   allocates; with an allocator it chains blocks of at least block_bytes. All memory is zeroed when handed
   out.
   ds_arena_alloc: count objects of `bytes` each, aligned for any type; NULL when there is no room (error
   set). */
typedef struct dsi_block dsi_block;
typedef struct ds_arena {
    ds_allocator allocator;
    size_t block_bytes;
    dsi_block *block; /* the newest; NULL: none yet */
    char *begin, *end; /* what is left of the newest block */
    char *memory; /* the caller's block, or NULL */
    ds_error error; /* the first refusal */
} ds_arena;
typedef struct ds_arena_place {
    dsi_block *block;
    char *begin;
} ds_arena_place;
DIFFSIM_API void ds_arena_init(ds_arena *arena, void *memory, size_t bytes);
DIFFSIM_API void ds_arena_create(ds_arena *arena, const ds_allocator *allocator, size_t block_bytes);
DIFFSIM_API void *ds_arena_alloc(ds_arena *arena, size_t count, size_t bytes);
DIFFSIM_API ds_arena_place ds_arena_mark(const ds_arena *arena);
DIFFSIM_API ds_result ds_arena_release(ds_arena *arena, ds_arena_place place); /* everything since the mark */
DIFFSIM_API void ds_arena_destroy(ds_arena *arena);

/* Numbers as text, whatever the locale says.
   ds_text_from_real: the shortest decimal text that reads back as the same double (digits 0), or `digits`
   significant digits (1..17), correctly rounded; "nan", "inf", "-inf". Returns the length, at most 24,
   without the closing zero; with a capacity too small it writes what fits and still returns the full
   length.
   ds_real_from_text: reads [+-]digits[.digits][(e|E)[+-]digits], inf or nan from [begin, end), correctly
   rounded to double; returns the end of what it read, or NULL (and *out as it was) when no number stands
   there. */
DIFFSIM_API size_t ds_text_from_real(char *out, size_t capacity, double number, int digits);
DIFFSIM_API const char *ds_real_from_text(const char *begin, const char *end, double *out);

/* Random numbers from a counter: Philox4x32-10 (Salmon et al. 2011). The n-th number of a stream depends
   on seed, stream and n only, so any thread can draw any part. State is the caller's; copying it forks the
   sequence. */
typedef struct ds_rng {
    uint64_t seed, stream, count; /* count: how many blocks were drawn */
} ds_rng;
DIFFSIM_API void ds_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
DIFFSIM_API ds_rng ds_rng_make(uint64_t seed, uint64_t stream);
DIFFSIM_API uint64_t ds_rng_bits(ds_rng *rng);
DIFFSIM_API ds_real ds_rng_uniform(ds_rng *rng); /* in [0, 1), multiples of 2^-53 (float: 2^-24) */

/* 64-bit hash of bytes (XXH64, Collet 2012), and of numbers: little-endian IEEE bytes on every machine, so
   that the hash of a state is the same everywhere. Chain by passing the last hash as seed. */
DIFFSIM_API uint64_t ds_hash_bytes(const void *data, size_t bytes, uint64_t seed);
DIFFSIM_API uint64_t ds_hash_reals(const ds_real *data, size_t n, uint64_t seed);

/* Same bits: compilers for machines with fused multiply-add contract a * b + c into one rounding,
   differently at each optimisation level. A product that passes an empty asm statement cannot be fused;
   the fence costs nothing. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__TINYC__) && !defined(__CUDA_ARCH__) && \
    (defined(__FMA__) || defined(__FMA4__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMA) || \
     defined(__FP_FAST_FMAF) || defined(__s390x__) || defined(__powerpc__) || defined(__riscv_flen))
#if defined(__x86_64__) || defined(__i386__)
#define DSI_FENCE(dsi_number) __asm__("" : "+x"(dsi_number))
#elif defined(__aarch64__) || defined(__arm__)
#define DSI_FENCE(dsi_number) __asm__("" : "+w"(dsi_number))
#elif defined(__s390x__) || defined(__riscv_flen)
#define DSI_FENCE(dsi_number) __asm__("" : "+f"(dsi_number))
#else
#define DSI_FENCE(dsi_number) __asm__("" : "+m"(dsi_number))
#endif
#else
#define DSI_FENCE(dsi_number) ((void)0)
#endif

/* left * right, rounded, never fused with what follows */
DSI_INLINE ds_real dsi_product(ds_real left, ds_real right)
{
    ds_real result = left * right;
    DSI_FENCE(result);
    return result;
}

/* What the build and the process do to floating point, measured when called. same_bits: the library's own
   arithmetic gives the bits of every other strict IEEE build of the same precision. text: one sentence
   with the reason if not. */
typedef struct ds_build {
    const char *version; /* DIFFSIM_VERSION_STRING of the implementation */
    size_t real_bytes; /* 4 or 8 */
    int contraction; /* a * b + c of this translation unit is rounded once: the compiler fuses */
    int own_contraction; /* the library's own products are fused in spite of its fences and pragmas */
    int fast_math; /* NaN is optimised away, or sums are reordered */
    int x87; /* intermediate results carry extra precision, in x87 registers as a rule */
    int flush_to_zero; /* denormal numbers become zero */
    int rounding; /* the rounding mode is not to nearest */
    int same_bits;
    char text[240];
} ds_build;
DIFFSIM_API ds_build ds_build_info(void);
DIFFSIM_API const char *ds_version(void); /* of the implementation; compare with DIFFSIM_VERSION_STRING */
DIFFSIM_API int ds_version_number(void); /* of the implementation; compare with DIFFSIM_VERSION_NUMBER */

/* >>api 2 maths -----------------------------------------------------------------------------------

   Elementary functions. Vectors, 3x3 matrices and quaternions by value: column vectors, row-major
   matrices, quaternions (w, x, y, z) in Hamilton's convention; unit quaternions rotate body to world.
   Nothing is guarded here: normalising zero gives NaN. */

/* Elementary functions: the same bits on every IEEE machine, compiler and level, in scalar and array form.
   In double within 1 ulp of the exact value, denormal results and huge angles included; a float is the
   double's, rounded. Special values are those of C99, annex F: NaN gives NaN, exact cases are exact, the
   sign of zero is kept. */
DIFFSIM_API ds_real ds_real_exp(ds_real x); /* above 709.78 inf */
DIFFSIM_API ds_real ds_real_expm1(ds_real x); /* e^x - 1 */
DIFFSIM_API ds_real ds_real_log(ds_real x); /* 0: -inf; x < 0: NaN */
DIFFSIM_API ds_real ds_real_log1p(ds_real x); /* log(1 + x); -1: -inf; x < -1: NaN */
DIFFSIM_API ds_real ds_real_pow(ds_real x, ds_real y); /* x^0 and 1^y are 1; x < 0: y an integer, or NaN */
DIFFSIM_API ds_real ds_real_sin(ds_real x); /* radians; inf: NaN */
DIFFSIM_API ds_real ds_real_cos(ds_real x);
DIFFSIM_API ds_real ds_real_tan(ds_real x);
DIFFSIM_API ds_real ds_real_asin(ds_real x); /* in [-pi/2, pi/2]; |x| > 1: NaN */
DIFFSIM_API ds_real ds_real_acos(ds_real x); /* in [0, pi]; |x| > 1: NaN */
DIFFSIM_API ds_real ds_real_atan(ds_real x); /* in [-pi/2, pi/2] */
DIFFSIM_API ds_real ds_real_atan2(ds_real y, ds_real x); /* angle of (x, y) in [-pi, pi]; (0, 0): as C */
DIFFSIM_API ds_real ds_real_sinh(ds_real x); /* |x| above 710.47: +-inf */
DIFFSIM_API ds_real ds_real_cosh(ds_real x);
DIFFSIM_API ds_real ds_real_tanh(ds_real x);
DIFFSIM_API ds_real ds_real_cbrt(ds_real x); /* of any sign */
DIFFSIM_API ds_real ds_real_erf(ds_real x);
DIFFSIM_API ds_real ds_real_hypot(ds_real x, ds_real y); /* sqrt(x^2 + y^2) without overflow */

/* out[i] = f(x[i]) for i < n, a vector of lanes at a time; out may be x or y, but overlap no other way */
DIFFSIM_API void ds_reals_exp(const ds_real *x, ds_real *out, size_t n);
DIFFSIM_API void ds_reals_log(const ds_real *x, ds_real *out, size_t n);
DIFFSIM_API void ds_reals_sin(const ds_real *x, ds_real *out, size_t n);
DIFFSIM_API void ds_reals_cos(const ds_real *x, ds_real *out, size_t n);
DIFFSIM_API void ds_reals_tanh(const ds_real *x, ds_real *out, size_t n);
DIFFSIM_API void ds_reals_pow(const ds_real *x, const ds_real *y, ds_real *out, size_t n); /* x[i]^y[i] */

/* a number of mean 0 and variance 1 (Box and Muller 1958) */
DIFFSIM_API ds_real ds_rng_normal(ds_rng *rng);

typedef struct ds_v3 { ds_real x, y, z; } ds_v3;
typedef struct ds_m3 { ds_real m[9]; } ds_m3; /* row-major: m[3 * row + column] */
typedef struct ds_q4 { ds_real w, x, y, z; } ds_q4;

DSI_INLINE ds_v3 ds_v3_make(ds_real x, ds_real y, ds_real z)
{
    ds_v3 r;
    r.x = x;
    r.y = y;
    r.z = z;
    return r;
}
DSI_INLINE ds_v3 ds_v3_add(ds_v3 a, ds_v3 b) { return ds_v3_make(a.x + b.x, a.y + b.y, a.z + b.z); }
DSI_INLINE ds_v3 ds_v3_sub(ds_v3 a, ds_v3 b) { return ds_v3_make(a.x - b.x, a.y - b.y, a.z - b.z); }
DSI_INLINE ds_v3 ds_v3_neg(ds_v3 a) { return ds_v3_make(-a.x, -a.y, -a.z); }
DSI_INLINE ds_v3 ds_v3_scale(ds_v3 a, ds_real s)
{
    return ds_v3_make(dsi_product(a.x, s), dsi_product(a.y, s), dsi_product(a.z, s));
}
DSI_INLINE ds_v3 ds_v3_axpy(ds_real s, ds_v3 x, ds_v3 y)
{
    return ds_v3_add(ds_v3_scale(x, s), y);
} /* s x + y */
DSI_INLINE ds_v3 ds_v3_lerp(ds_v3 a, ds_v3 b, ds_real t) { return ds_v3_axpy(t, ds_v3_sub(b, a), a); }
DSI_INLINE ds_real ds_v3_dot(ds_v3 a, ds_v3 b)
{
    return dsi_product(a.x, b.x) + dsi_product(a.y, b.y) + dsi_product(a.z, b.z);
}
DSI_INLINE ds_v3 ds_v3_cross(ds_v3 a, ds_v3 b)
{
    return ds_v3_make(dsi_product(a.y, b.z) - dsi_product(a.z, b.y),
                      dsi_product(a.z, b.x) - dsi_product(a.x, b.z),
                      dsi_product(a.x, b.y) - dsi_product(a.y, b.x));
}
DSI_INLINE ds_real ds_v3_norm(ds_v3 a) { return (ds_real)sqrt((double)ds_v3_dot(a, a)); }
DSI_INLINE ds_v3 ds_v3_normalize(ds_v3 a)
{
    const ds_real length = ds_v3_norm(a);
    return ds_v3_make(a.x / length, a.y / length, a.z / length);
}

DSI_INLINE ds_m3 ds_m3_from_rows(ds_v3 r0, ds_v3 r1, ds_v3 r2)
{
    ds_m3 r;
    r.m[0] = r0.x, r.m[1] = r0.y, r.m[2] = r0.z;
    r.m[3] = r1.x, r.m[4] = r1.y, r.m[5] = r1.z;
    r.m[6] = r2.x, r.m[7] = r2.y, r.m[8] = r2.z;
    return r;
}
DSI_INLINE ds_v3 ds_m3_row(ds_m3 a, int i) { return ds_v3_make(a.m[3 * i], a.m[3 * i + 1], a.m[3 * i + 2]); }
DSI_INLINE ds_v3 ds_m3_column(ds_m3 a, int j) { return ds_v3_make(a.m[j], a.m[3 + j], a.m[6 + j]); }
DSI_INLINE ds_m3 ds_m3_diagonal(ds_real x, ds_real y, ds_real z)
{
    return ds_m3_from_rows(ds_v3_make(x, 0, 0), ds_v3_make(0, y, 0), ds_v3_make(0, 0, z));
}
DSI_INLINE ds_m3 ds_m3_identity(void) { return ds_m3_diagonal(1, 1, 1); }
DSI_INLINE ds_m3 ds_m3_transpose(ds_m3 a)
{
    return ds_m3_from_rows(ds_m3_column(a, 0), ds_m3_column(a, 1), ds_m3_column(a, 2));
}
DSI_INLINE ds_m3 ds_m3_add(ds_m3 a, ds_m3 b)
{
    return ds_m3_from_rows(ds_v3_add(ds_m3_row(a, 0), ds_m3_row(b, 0)),
                           ds_v3_add(ds_m3_row(a, 1), ds_m3_row(b, 1)),
                           ds_v3_add(ds_m3_row(a, 2), ds_m3_row(b, 2)));
}
DSI_INLINE ds_m3 ds_m3_scale(ds_m3 a, ds_real s)
{
    return ds_m3_from_rows(ds_v3_scale(ds_m3_row(a, 0), s), ds_v3_scale(ds_m3_row(a, 1), s),
                           ds_v3_scale(ds_m3_row(a, 2), s));
}
DSI_INLINE ds_v3 ds_m3_mul_v3(ds_m3 a, ds_v3 v)
{
    return ds_v3_make(ds_v3_dot(ds_m3_row(a, 0), v), ds_v3_dot(ds_m3_row(a, 1), v),
                      ds_v3_dot(ds_m3_row(a, 2), v));
}
DSI_INLINE ds_m3 ds_m3_mul(ds_m3 a, ds_m3 b)
{
    const ds_m3 t = ds_m3_transpose(b); /* row i of a b is b' times row i of a */
    return ds_m3_from_rows(ds_m3_mul_v3(t, ds_m3_row(a, 0)), ds_m3_mul_v3(t, ds_m3_row(a, 1)),
                           ds_m3_mul_v3(t, ds_m3_row(a, 2)));
}
DSI_INLINE ds_m3 ds_m3_outer(ds_v3 a, ds_v3 b) /* a b' */
{
    return ds_m3_from_rows(ds_v3_scale(b, a.x), ds_v3_scale(b, a.y), ds_v3_scale(b, a.z));
}
DSI_INLINE ds_m3 ds_m3_cofactor(ds_m3 a) /* det(a) a^-T, from minors, never by division */
{
    return ds_m3_from_rows(ds_v3_cross(ds_m3_row(a, 1), ds_m3_row(a, 2)),
                           ds_v3_cross(ds_m3_row(a, 2), ds_m3_row(a, 0)),
                           ds_v3_cross(ds_m3_row(a, 0), ds_m3_row(a, 1)));
}
DSI_INLINE ds_real ds_m3_det(ds_m3 a) { return ds_v3_dot(ds_m3_row(a, 0), ds_m3_row(ds_m3_cofactor(a), 0)); }
DSI_INLINE ds_m3 ds_m3_inverse(ds_m3 a)
{
    return ds_m3_scale(ds_m3_transpose(ds_m3_cofactor(a)), 1 / ds_m3_det(a));
}

DSI_INLINE ds_q4 ds_q4_make(ds_real w, ds_real x, ds_real y, ds_real z)
{
    ds_q4 r;
    r.w = w;
    r.x = x;
    r.y = y;
    r.z = z;
    return r;
}
DSI_INLINE ds_q4 ds_q4_identity(void) { return ds_q4_make(1, 0, 0, 0); }
DSI_INLINE ds_q4 ds_q4_conjugate(ds_q4 a) { return ds_q4_make(a.w, -a.x, -a.y, -a.z); }
DSI_INLINE ds_v3 ds_q4_vector(ds_q4 a) { return ds_v3_make(a.x, a.y, a.z); }
DSI_INLINE ds_q4 ds_q4_mul(ds_q4 a, ds_q4 b)
{
    const ds_v3 u = ds_q4_vector(a), v = ds_q4_vector(b);
    const ds_v3 r = ds_v3_axpy(a.w, v, ds_v3_axpy(b.w, u, ds_v3_cross(u, v)));
    return ds_q4_make(dsi_product(a.w, b.w) - ds_v3_dot(u, v), r.x, r.y, r.z);
}
DSI_INLINE ds_q4 ds_q4_normalize(ds_q4 a)
{
    const ds_real square = dsi_product(a.w, a.w) + ds_v3_dot(ds_q4_vector(a), ds_q4_vector(a));
    const ds_real length = (ds_real)sqrt((double)square);
    return ds_q4_make(a.w / length, a.x / length, a.y / length, a.z / length);
}
DSI_INLINE ds_q4 ds_q4_from_axis_angle(ds_v3 axis, ds_real angle) /* axis not zero, angle in radians */
{
    const ds_v3 n = ds_v3_scale(ds_v3_normalize(axis), ds_real_sin(angle / 2));
    return ds_q4_make(ds_real_cos(angle / 2), n.x, n.y, n.z);
}
DSI_INLINE ds_v3 ds_q4_rotate(ds_q4 q, ds_v3 v) /* v + 2 w (u x v) + 2 u x (u x v) for unit q = (w, u) */
{
    const ds_v3 u = ds_q4_vector(q), t = ds_v3_cross(u, v), s = ds_v3_axpy(q.w, t, ds_v3_cross(u, t));
    return ds_v3_axpy(2, s, v);
}
DSI_INLINE ds_m3 ds_q4_to_m3(ds_q4 q)
{
    return ds_m3_transpose(ds_m3_from_rows(ds_q4_rotate(q, ds_v3_make(1, 0, 0)),
                                           ds_q4_rotate(q, ds_v3_make(0, 1, 0)),
                                           ds_q4_rotate(q, ds_v3_make(0, 0, 1))));
}

/* Singular values and their kin: three rotations of the axes and three numbers. Results are right to a few
   units of rounding of the largest entry for every finite matrix of any scale: singular, inverted, equal
   values, zero (whose rotations are the identity). At most a fixed number of steps, + - * / sqrt only.
   A NaN or infinity anywhere makes every result NaN; a value beyond the range of ds_real is infinite.

   ds_m3_svd: a = u diag(s) v', det u = det v = 1, |s.x| >= |s.y| >= |s.z|. s.x and s.y are not negative;
   s.z has the sign of det a, so that u and v stay rotations and s moves smoothly through an inversion.
   a  [3x3]   u, v  [3x3] rotations   s  [3] signed singular values
   ds_m3_polar: a = r p, r the rotation nearest to a, inverted or not, p symmetric (its eigenvalues are s).
   a  [3x3]   r  [3x3] a rotation     p  [3x3] symmetric to the bit
   ds_m3_symmetric_eigen: a = v diag(w) v', w.x >= w.y >= w.z. Reads the diagonal of a and what is above.
   a  [3x3]   w  [3] eigenvalues      v  [3x3] a rotation: column i belongs to the i-th value
   Where values are equal their vectors are one choice of many, and have no derivative.
   From: Irving, Teran, Fedkiw 2004 (the sign convention); method at >>impl 2. */
DIFFSIM_API void ds_m3_svd(ds_m3 a, ds_m3 *u, ds_v3 *s, ds_m3 *v);
DIFFSIM_API void ds_m3_polar(ds_m3 a, ds_m3 *r, ds_m3 *p);
DIFFSIM_API void ds_m3_symmetric_eigen(ds_m3 a, ds_v3 *w, ds_m3 *v);

/* >>api 3 linear algebra --------------------------------------------------------------------------

   Dense matrices in the caller's memory, row-major: a[columns * row + column]. A factorisation overwrites
   its matrix, solves read it and overwrite the right-hand side with the solution; nothing is allocated.
   Symmetric routines read and write the lower triangle, ds_symmetric_eigen all of it.

   Which one: ds_ldlt for symmetric matrices of any sign (saddle points), ds_cholesky for positive
   definite ones, ds_lu for the rest, ds_qr for more equations than unknowns or unknown rank.

   From: Golub and Van Loan 2013, ch. 3-5 and 8. n = 0 is a matrix like any other. */

/* What a factorisation saw. info may be NULL everywhere. */
typedef struct ds_dense_info {
    ds_result result;
    size_t index; /* NON_FINITE: the entry (or the pivot), else the row of the first bad pivot */
    size_t rank; /* pivots above epsilon * the larger size * the largest entry (ds_qr: first pivot) */
    size_t positive, negative, zero; /* signs of the pivots; ds_ldlt: of the eigenvalues (Sylvester) */
    double smallest, largest; /* |pivot|; their quotient is a rough measure of condition */
    double log_determinant; /* log |determinant|, zero pivots left out */
    int sign; /* of the determinant: -1, 0, 1 */
    size_t sweeps; /* ds_symmetric_eigen: what it took */
} ds_dense_info;

/* P A P' = L D L' of a symmetric matrix, D of blocks 1x1 and 2x2; about n^3/3 operations.
   a       [n][n]  lower triangle in; L and D in it out, the upper triangle is never touched
   pivots  [n]     exchanges; negative in the rows of a 2x2 block
   Errors: ARGUMENT; NON_FINITE (index: the entry); SINGULAR (index: the row of A whose pivot is exactly
   zero; inertia and rank are right all the same).   From: Bunch and Kaufman 1977, algorithm A. */
DIFFSIM_API ds_result ds_ldlt_factor(ds_real *a, size_t n, int32_t *pivots, ds_dense_info *info);
/* x [n]: b in, A^-1 b out. Errors: SINGULAR, x as it was. */
DIFFSIM_API ds_result ds_ldlt_solve(const ds_real *ldlt, size_t n, const int32_t *pivots, ds_real *x);

/* A = L L' of a symmetric positive definite matrix.
   a  [n][n]  lower triangle in, L in it out
   Errors: ARGUMENT; NON_FINITE; INDEFINITE (index: the row where a pivot is not positive). */
DIFFSIM_API ds_result ds_cholesky_factor(ds_real *a, size_t n, ds_dense_info *info);
DIFFSIM_API ds_result ds_cholesky_solve(const ds_real *l, size_t n, ds_real *x); /* x [n]: b in */

/* P A = L U, partial pivoting, L with a unit diagonal.
   a  [n][n]  A in, L below and U on and above the diagonal out        pivots  [n] exchanges of rows
   Errors: ARGUMENT; NON_FINITE; SINGULAR (index: the column without a pivot). */
DIFFSIM_API ds_result ds_lu_factor(ds_real *a, size_t n, int32_t *pivots, ds_dense_info *info);
/* x [n]: b in, A^-1 b out; the other A'^-1 b. Errors: SINGULAR, x as it was. */
DIFFSIM_API ds_result ds_lu_solve(const ds_real *lu, size_t n, const int32_t *pivots, ds_real *x);
DIFFSIM_API ds_result ds_lu_solve_transposed(const ds_real *lu, size_t n, const int32_t *pivots, ds_real *x);

/* A P = Q R with exchange of columns: Householder reflections I - tau v v', v below the diagonal of a. The
   caller sets a, m, n, tau, columns; ds_qr_factor sets rank and fills the arrays. */
typedef struct ds_qr {
    ds_real *a; /* [m][n] A in, reflections and R out */
    size_t m, n, rank;
    ds_real *tau; /* [least of m, n] */
    int32_t *columns; /* [n] column k of A P is column columns[k] of A */
} ds_qr;
/* Any m and n. A rank below n is no error: info->rank, and solve gives the n - rank other unknowns 0.
   Errors: ARGUMENT; NON_FINITE.   From: Businger and Golub 1965. */
DIFFSIM_API ds_result ds_qr_factor(ds_qr *qr, ds_dense_info *info);
/* Least squares: x [n] makes |A x - b| least.
   b  [m]  right-hand side in; Q'b out, whose entries from `rank` on are as long as the residual */
DIFFSIM_API ds_result ds_qr_solve(const ds_qr *qr, ds_real *b, ds_real *x);
/* c [n][n] = (A'A)^-1. Errors: SINGULAR if rank < n (index is qr->rank). */
DIFFSIM_API ds_result ds_qr_covariance(const ds_qr *qr, ds_real *c);

/* Eigenvalues, rising, and eigenvectors of a symmetric matrix, by Jacobi's rotations: each value within a
   few epsilon |A|, vectors orthogonal to rounding. About 6 sweeps of 6 n^3 operations: for n up to hundreds.
   a        [n][n]  lower triangle in; destroyed
   values   [n]     rising
   vectors  [n][n]  column k belongs to values[k]; NULL: not wanted
   Errors: ARGUMENT; NON_FINITE; NOT_CONVERGED after 60 sweeps (never seen).   From: Rutishauser 1966. */
DIFFSIM_API ds_result ds_symmetric_eigen(ds_real *a, size_t n, ds_real *values, ds_real *vectors,
                                         ds_dense_info *info);

/* >>api 4 minimise --------------------------------------------------------------------------------

   Finds x that makes f(x) least, inside a box if wanted. f comes from a callback: a tape, a rollout, or
   numbers computed by hand. Every method goes downhill only: x is the best point so far whenever it stops,
   and the report says why it stopped. A trial point where the callback fails, or gives a NaN, counts as
   infinitely high: the step is shortened.

   ds_objective_fn: value f(x) and, if grad is not NULL, its gradient. ds_hessian_fn: Hv = H(x) v.
   ds_residual_fn, for f = |r|^2 / 2: r [n_residuals] and, if not NULL, jacobian [n_residuals][n]. */
typedef ds_result ds_objective_fn(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad);
typedef ds_result ds_hessian_fn(void *user, const ds_real *x, size_t n, const ds_real *v, ds_real *Hv);
typedef ds_result ds_residual_fn(void *user, const ds_real *x, size_t n, ds_real *r, ds_real *jacobian);

/* Which f. objective or residuals; residuals are enough for every method. Nothing is copied. */
typedef struct ds_problem {
    void *user; /* handed to the callbacks */
    size_t n, n_residuals;
    ds_objective_fn *objective;
    ds_hessian_fn *hessian; /* NEWTON_CG; NULL: differences of gradients, a little beyond bounds too */
    ds_residual_fn *residuals;
    const ds_real *lower, *upper; /* [n] or NULL; infinite entries are no bound */
} ds_problem;

/* Methods. One row: name, direction, strong Wolfe line search (else Armijo), its curvature constant, needs
   residuals, what it is. Bounds: steps are clipped to the box and searched by Armijo's rule (Bertsekas
   1982); what a bound holds is left out of the direction. */
#define DSI_METHODS(DSI_ROW) \
    DSI_ROW(AUTO, NULL, 0, 0, 0, "LEVENBERG_MARQUARDT if there are residuals, else LBFGS") \
    DSI_ROW(GRADIENT_DESCENT, dsi_descent, 0, 0, 0, "steepest descent") \
    DSI_ROW(CONJUGATE_GRADIENT, dsi_conjugate, 1, 0.1, 0, "Polak and Ribiere, restarts of Powell 1977") \
    DSI_ROW(LBFGS, dsi_lbfgs, 1, 0.9, 0, "limited memory BFGS: Nocedal 1980") \
    DSI_ROW(NEWTON_CG, dsi_newton_cg, 1, 0.9, 0, "truncated Newton: Dembo and Steihaug 1983") \
    DSI_ROW(GAUSS_NEWTON, dsi_gauss_newton, 0, 0, 1, "least squares, linearised, with a line search") \
    DSI_ROW(LEVENBERG_MARQUARDT, NULL, 0, 0, 1, "least squares, damped: Marquardt 1963, Nielsen 1999")
typedef enum ds_method {
#define DSI_ROW(NAME, direction, wolfe, curvature, residuals, sentence) DSIM_METHOD_##NAME,
    DSI_METHODS(DSI_ROW)
#undef DSI_ROW
    DSIM_METHOD_COUNT
} ds_method;

/* Why it stopped. One row: name, result, sentence. */
#define DSI_STOPS(DSI_ROW) \
    DSI_ROW(NOT_YET, OK, "it has not stopped") \
    DSI_ROW(GRADIENT, OK, "the gradient is zero within its tolerance") \
    DSI_ROW(VALUE, OK, "the value falls no more within its tolerance") \
    DSI_ROW(STEP, OK, "the step is zero within its tolerance") \
    DSI_ROW(WATCH, OK, "the watch asked for it") \
    DSI_ROW(ITERATIONS, ERROR_NOT_CONVERGED, "max_iterations is reached; allow more, or scale the unknowns") \
    DSI_ROW(EVALUATIONS, ERROR_NOT_CONVERGED, "max_evaluations is reached; allow more") \
    DSI_ROW(LINE_SEARCH, ERROR_NOT_CONVERGED, \
            "no lower value is found downhill; check the gradient with ds_check_gradient") \
    DSI_ROW(UNBOUNDED, ERROR_NOT_CONVERGED, "the value falls without end; bound the unknowns") \
    DSI_ROW(NON_FINITE, ERROR_NON_FINITE, "value or gradient are not finite, however short the step") \
    DSI_ROW(CALLBACK, ERROR_ARGUMENT, "the callback returned an error, however short the step") \
    DSI_ROW(ARGUMENT, ERROR_ARGUMENT, "problem or desc are incomplete or out of range") \
    DSI_ROW(MEMORY, ERROR_MEMORY, "there is no memory, or less than ds_minimise_bytes in the desc")
typedef enum ds_stop {
#define DSI_ROW(NAME, result, sentence) DSIM_STOP_##NAME,
    DSI_STOPS(DSI_ROW)
#undef DSI_ROW
    DSIM_STOP_COUNT
} ds_stop;
DIFFSIM_API const char *ds_method_name(ds_method method); /* "LBFGS"; never NULL */
DIFFSIM_API const char *ds_stop_name(ds_stop stop); /* "GRADIENT"; never NULL */

typedef struct ds_minimise_report {
    ds_result result; /* of the table of stops; CALLBACK: what the callback returned */
    ds_stop stop;
    ds_method method; /* what AUTO meant */
    size_t index; /* NON_FINITE: the entry of x or of the gradient; n: the value */
    size_t iterations, evaluations, gradients, products; /* calls; gradients: of these with derivatives */
    double value, value_first;
    /* largest entry of the gradient that no bound holds; GAUSS_NEWTON and LEVENBERG_MARQUARDT: largest cosine
       of r with a column of its Jacobian, which has no unit */
    double gradient, step; /* step: largest change of an unknown in the last iteration */
    double damping; /* LEVENBERG_MARQUARDT: at the end */
    char text[240]; /* all that in one sentence */
} ds_minimise_report;

/* Called after each iteration with the report so far; not 0 stops it. */
typedef int ds_watch_fn(void *user, const ds_real *x, size_t n, const ds_minimise_report *so_far);

typedef struct ds_minimise_desc {
    ds_method method;
    size_t max_iterations, max_evaluations; /* 0: 1000, ten times max_iterations */
    /* of report.gradient. 0: sqrt(epsilon), relative to 1 + |f|; a cosine epsilon^(3/4), because in narrow
       valleys the residuals are nearly orthogonal to the Jacobian far from the end */
    double gradient_tolerance;
    double value_tolerance; /* |change of f| / |f| in an iteration. 0: epsilon */
    double step_tolerance; /* change of each x / its size. 0: epsilon */
    size_t history; /* LBFGS: pairs kept. 0: 8 */
    double armijo, curvature; /* c1, c2 of the line searches. 0: 1e-4, and the table of methods */
    double damping; /* LEVENBERG_MARQUARDT: at the start, in units of |column of J|^2. 0: 1e-3 */
    ds_watch_fn *watch;
    ds_allocator allocator; /* scratch, given back at the end */
    void *memory; /* scratch instead of the allocator: ds_minimise_bytes, aligned for any type */
    size_t memory_bytes;
} ds_minimise_desc;

/* Minimises from x [n], which becomes the best point found. Returns report->result. desc and report may be
   NULL.   From: Nocedal and Wright 2006, ch. 3, 5, 7, 10. */
DIFFSIM_API ds_result ds_minimise(const ds_problem *problem, const ds_minimise_desc *desc, ds_real *x,
                                  ds_minimise_report *report);
DIFFSIM_API size_t ds_minimise_bytes(const ds_problem *problem, const ds_minimise_desc *desc); /* 0: bad */

/* Covariance of fitted parameters: c [n][n] = (J'J)^-1 |r|^2 / (n_residuals - n) at x; standard errors are
   the roots of its diagonal. Bounds are not looked at. Errors: those of ds_minimise; ARGUMENT if there are
   not more residuals than unknowns; SINGULAR if J has not rank n. */
DIFFSIM_API ds_result ds_covariance(const ds_problem *problem, const ds_minimise_desc *desc, const ds_real *x,
                                    ds_real *c);

/* >>api 5 ops -------------------------------------------------------------------------------------

   THE table. A row is an operation: its value, its derivative and where the tests try it, written once and
   expanded by every interpreter: numbers here and in the reverse sweep, a loop over a block, emission of a
   record, C and CUDA text.

   Columns. a, b, c are the operands, v is the value, g the adjoint of v; a derivative column is what an
   operand's adjoint gains. Columns are written in calls of other rows, never infix, so that an interpreter
   only says what a call means:

       #define DSI_1(name, x) ...   #define DSI_2(name, x, y) ...   #define DSI_3(name, x, y, z) ...
       #define DSI_K(number) ...    the constant number

   Only DSI_RAW(expression), the value of a primitive, is C (and C++ and CUDA, where ds_real_sin is another
   name of sin). DSI_NONE as a derivative: there is none, backward fails with the name. DSI_ZERO: it is
   zero, on purpose.

   Rule of the record: an adjoint that is exactly zero contributes nothing, whatever the partial
   derivative. So the branch that ds_select did not take gives no 0 * inf = NaN. It holds for every
   interpreter of the derivative columns.

   Shape: what the second derivatives look like. DSI_TERMS(terms): the value is a polynomial of first order
   in each operand's components; term DSI_T(0, -, a, 2, b, 1): component 0 of it loses a[2] b[1],
   DSI_U(0, +, c, 0): it gains c[0]. All derivatives follow from the terms. DSI_FLAT: second derivatives are
   zero. DSI_CURVED: they come from the derivative columns, read as dual numbers.

   Ties: min, max and clamp pass the adjoint to the later operand, as DiffTaichi does; abs has derivative 0
   at 0. */

#define DSI_NEG(x) DSI_1(neg, x)
#define DSI_ABS(x) DSI_1(abs, x)
#define DSI_SQRT(x) DSI_1(sqrt, x)
#define DSI_SAFE_SQRT(x) DSI_1(safe_sqrt, x)
#define DSI_SQUARE(x) DSI_1(square, x)
#define DSI_EXP(x) DSI_1(exp, x)
#define DSI_LOG(x) DSI_1(log, x)
#define DSI_LOG1P(x) DSI_1(log1p, x)
#define DSI_SIN(x) DSI_1(sin, x)
#define DSI_COS(x) DSI_1(cos, x)
#define DSI_SINH(x) DSI_1(sinh, x)
#define DSI_COSH(x) DSI_1(cosh, x)
#define DSI_SIGMOID(x) DSI_1(sigmoid, x)
#define DSI_ADD(x, y) DSI_2(add, x, y)
#define DSI_SUB(x, y) DSI_2(sub, x, y)
#define DSI_MUL(x, y) DSI_2(mul, x, y)
#define DSI_DIV(x, y) DSI_2(div, x, y)
#define DSI_SAFE_DIV(x, y) DSI_2(safe_div, x, y)
#define DSI_MIN(x, y) DSI_2(min, x, y)
#define DSI_MAX(x, y) DSI_2(max, x, y)
#define DSI_POW(x, y) DSI_2(pow, x, y)
#define DSI_LT(x, y) DSI_2(lt, x, y)
#define DSI_CLAMP(x, y, z) DSI_3(clamp, x, y, z)
#define DSI_SELECT(x, y, z) DSI_3(select, x, y, z)
#define DSI_SCALE3(x, y) DSI_2(scale3, x, y)
#define DSI_ADD3(x, y) DSI_2(add3, x, y)
#define DSI_SUB3(x, y) DSI_2(sub3, x, y)
#define DSI_NEG3(x) DSI_1(neg3, x)
#define DSI_DOT3(x, y) DSI_2(dot3, x, y)
#define DSI_CROSS3(x, y) DSI_2(cross3, x, y)
#define DSI_NORM3(x) DSI_1(norm3, x)
#define DSI_AXPY3(x, y, z) DSI_3(axpy3, x, y, z)
#define DSI_PACK3(x, y, z) DSI_3(pack3, x, y, z)
#define DSI_PACK4(x, y) DSI_2(pack4, x, y)
#define DSI_PACK33(x, y, z) DSI_3(pack33, x, y, z)
#define DSI_NEG33(x) DSI_1(neg33, x)
#define DSI_TRANSPOSE33(x) DSI_1(transpose33, x)
#define DSI_TRACE33(x) DSI_1(trace33, x)
#define DSI_COFACTOR33(x) DSI_1(cofactor33, x)
#define DSI_ADD33(x, y) DSI_2(add33, x, y)
#define DSI_SCALE33(x, y) DSI_2(scale33, x, y)
#define DSI_DDOT33(x, y) DSI_2(ddot33, x, y)
#define DSI_MUL33(x, y) DSI_2(mul33, x, y)
#define DSI_MATVEC3(x, y) DSI_2(matvec3, x, y)
#define DSI_TMATVEC3(x, y) DSI_2(tmatvec3, x, y)
#define DSI_OUTER33(x, y) DSI_2(outer33, x, y)
#define DSI_ROTATE3(x, y) DSI_2(rotate3, x, y)
#define DSI_ZERO DSI_K(0.0)

/* scalar, one operand:  name, value, what a gains, shape, test interval of a. Where the result v or a part of
   it is the derivative, the column uses it instead of a second call:
       exp: v    sqrt: 1/(2 v)    cbrt: 1/(3 v^2)    rsqrt: -v/(2 a)    recip: -v^2    expm1: v + 1
       tan: 1 + v^2    tanh: 1 - v^2    sigmoid: v sigmoid(-a)    hypot, norm3: a/v    div by b: -v/b
   Guards are written with DSI_SELECT and DSI_LT, never as C branches: then dual numbers and generated text
   have them, too. What is not obvious, by rows:
       abs             sign(a) g, and 0 at a = 0
       stop_gradient   no terms: tangents and second derivatives are 0 as well
       safe_sqrt       v is 0 for a <= 0, where the slope 1 / (2 v) would be infinite: 0 is taken. A NaN
                       stays: 0 > a is false
       asin, acos      1 - a^2 as (1 - a) (1 + a): near 1 the rounding of a^2 would spoil the difference
       sigmoid         e = exp(-|a|) <= 1: 1 / (1 + e) for a >= 0, e / (1 + e) below. 1 - v is sigmoid(-a)
       softplus        log(1 + exp(a)) = max(a, 0) + log(1 + exp(-|a|)): no overflow for large a
       erf             2 / sqrt(pi) exp(-a^2)
       smooth_step     t^3 (10 + t (6 t - 15)), slope 30 (t (1 - t))^2: 0 outside [0, 1] */
#define DSI_OPS_1(DSI_ROW) \
    DSI_ROW(neg, DSI_RAW(-a), DSI_NEG(g), DSI_TERMS(DSI_U(0, -, a, 0)), -3, 3) \
    DSI_ROW(abs, DSI_RAW(DSI_LIBM(fabs)(a)), \
            DSI_SELECT(DSI_LT(a, DSI_ZERO), DSI_NEG(g), DSI_SELECT(DSI_LT(DSI_ZERO, a), g, DSI_ZERO)), \
            DSI_FLAT, \
            -3, 3) \
    DSI_ROW(sign, DSI_RAW((a > 0 ? 1 : 0) - (a < 0 ? 1 : 0)), DSI_NONE, DSI_FLAT, -3, 3) \
    DSI_ROW(floor, DSI_RAW(DSI_LIBM(floor)(a)), DSI_NONE, DSI_FLAT, -3, 3) \
    DSI_ROW(stop_gradient, DSI_RAW(a), DSI_ZERO, DSI_TERMS(), -3, 3) \
    DSI_ROW(sqrt, DSI_RAW(DSI_LIBM(sqrt)(a)), DSI_DIV(DSI_MUL(DSI_K(0.5), g), v), DSI_CURVED, 0.1, 9) \
    DSI_ROW(safe_sqrt, DSI_RAW(DSI_LIBM(sqrt)(0 > a ? 0 : a)), \
            DSI_SELECT(v, DSI_DIV(DSI_MUL(DSI_K(0.5), g), v), DSI_ZERO), DSI_CURVED, 0.1, 9) \
    DSI_ROW(cbrt, DSI_RAW(ds_real_cbrt(a)), DSI_DIV(g, DSI_MUL(DSI_K(3.0), DSI_SQUARE(v))), \
            DSI_CURVED, 0.1, 9) \
    DSI_ROW(rsqrt, DSI_DIV(DSI_K(1.0), DSI_SQRT(a)), \
            DSI_MUL(DSI_MUL(DSI_K(-0.5), g), DSI_DIV(v, a)), DSI_CURVED, 0.1, 9) \
    DSI_ROW(square, DSI_MUL(a, a), DSI_MUL(g, DSI_ADD(a, a)), DSI_TERMS(DSI_T(0, +, a, 0, a, 0)), -3, 3) \
    DSI_ROW(recip, DSI_DIV(DSI_K(1.0), a), DSI_NEG(DSI_MUL(g, DSI_SQUARE(v))), DSI_CURVED, 0.2, 3) \
    DSI_ROW(exp, DSI_RAW(ds_real_exp(a)), DSI_MUL(g, v), DSI_CURVED, -3, 3) \
    DSI_ROW(expm1, DSI_RAW(ds_real_expm1(a)), DSI_MUL(g, DSI_ADD(v, DSI_K(1.0))), DSI_CURVED, -3, 3) \
    DSI_ROW(log, DSI_RAW(ds_real_log(a)), DSI_DIV(g, a), DSI_CURVED, 0.1, 9) \
    DSI_ROW(log1p, DSI_RAW(ds_real_log1p(a)), DSI_DIV(g, DSI_ADD(DSI_K(1.0), a)), DSI_CURVED, -0.8, 3) \
    DSI_ROW(sin, DSI_RAW(ds_real_sin(a)), DSI_MUL(g, DSI_COS(a)), DSI_CURVED, -7, 7) \
    DSI_ROW(cos, DSI_RAW(ds_real_cos(a)), DSI_NEG(DSI_MUL(g, DSI_SIN(a))), DSI_CURVED, -7, 7) \
    DSI_ROW(tan, DSI_RAW(ds_real_tan(a)), DSI_MUL(g, DSI_ADD(DSI_K(1.0), DSI_SQUARE(v))), \
            DSI_CURVED, -1.2, 1.2) \
    DSI_ROW(asin, DSI_RAW(ds_real_asin(a)), \
            DSI_DIV(g, DSI_SQRT(DSI_MUL(DSI_SUB(DSI_K(1.0), a), DSI_ADD(DSI_K(1.0), a)))), \
            DSI_CURVED, -0.9, 0.9) \
    DSI_ROW(acos, DSI_RAW(ds_real_acos(a)), \
            DSI_NEG(DSI_DIV(g, DSI_SQRT(DSI_MUL(DSI_SUB(DSI_K(1.0), a), DSI_ADD(DSI_K(1.0), a))))), \
            DSI_CURVED, \
            -0.9, 0.9) \
    DSI_ROW(atan, DSI_RAW(ds_real_atan(a)), DSI_DIV(g, DSI_ADD(DSI_K(1.0), DSI_SQUARE(a))), \
            DSI_CURVED, -3, 3) \
    DSI_ROW(sinh, DSI_RAW(ds_real_sinh(a)), DSI_MUL(g, DSI_COSH(a)), DSI_CURVED, -3, 3) \
    DSI_ROW(cosh, DSI_RAW(ds_real_cosh(a)), DSI_MUL(g, DSI_SINH(a)), DSI_CURVED, -3, 3) \
    DSI_ROW(tanh, DSI_RAW(ds_real_tanh(a)), DSI_MUL(g, DSI_SUB(DSI_K(1.0), DSI_SQUARE(v))), \
            DSI_CURVED, -3, 3) \
    DSI_ROW(sigmoid, \
            DSI_DIV(DSI_SELECT(DSI_LT(a, DSI_ZERO), DSI_EXP(DSI_NEG(DSI_ABS(a))), DSI_K(1.0)), \
                    DSI_ADD(DSI_K(1.0), DSI_EXP(DSI_NEG(DSI_ABS(a))))), \
            DSI_MUL(g, DSI_MUL(v, DSI_SIGMOID(DSI_NEG(a)))), DSI_CURVED, -6, 6) \
    DSI_ROW(softplus, DSI_ADD(DSI_MAX(a, DSI_ZERO), DSI_LOG1P(DSI_EXP(DSI_NEG(DSI_ABS(a))))), \
            DSI_MUL(g, DSI_SIGMOID(a)), DSI_CURVED, -6, 6) \
    DSI_ROW(erf, DSI_RAW(ds_real_erf(a)), \
            DSI_MUL(g, DSI_MUL(DSI_K(1.1283791670955126), DSI_EXP(DSI_NEG(DSI_SQUARE(a))))), \
            DSI_CURVED, -3, 3) \
    DSI_ROW(relu, DSI_MAX(a, DSI_ZERO), DSI_SELECT(DSI_LT(DSI_ZERO, a), g, DSI_ZERO), DSI_FLAT, -3, 3) \
    DSI_ROW(smooth_step, \
            DSI_MUL(DSI_MUL(DSI_UNIT(a), DSI_SQUARE(DSI_UNIT(a))), \
                    DSI_ADD(DSI_K(10.0), \
                            DSI_MUL(DSI_UNIT(a), DSI_SUB(DSI_MUL(DSI_K(6.0), DSI_UNIT(a)), DSI_K(15.0))))), \
            DSI_MUL(g, DSI_MUL(DSI_K(30.0), \
                               DSI_SQUARE(DSI_MUL(DSI_UNIT(a), DSI_SUB(DSI_K(1.0), DSI_UNIT(a)))))), \
            DSI_CURVED, \
            -0.5, 1.5)
#define DSI_UNIT(x) DSI_CLAMP(x, DSI_ZERO, DSI_K(1.0))

/* scalar, two operands:  name, value, what a and b gain, shape, test intervals of a and b. By rows:
       min, max        a NaN on either side is kept: a != a picks that of a, and a comparison with a NaN b is
                       false and picks b. fmin and fmax of the C library drop it
       pow             b a^(b - 1) and a^b log a; guards for 0 * 0^(-1) at b = 0 and 0 * log 0 at a = 0
       hypot           its function avoids overflow of a^2; safe_norm and smooth_abs are the plain root
       atan2           the angle of the point (b, a): (b da - a db) / (a^2 + b^2)
       safe_norm       v = 0 only at the origin (or where the squares underflow): slopes 0 there
       clip_gradient   b != b: a bound that is NaN shows in the value. Its terms are those of a copy of a */
#define DSI_OPS_2(DSI_ROW) \
    DSI_ROW(add, DSI_RAW(a + b), g, g, DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, +, b, 0)), -3, 3, -3, 3) \
    DSI_ROW(sub, DSI_RAW(a - b), g, DSI_NEG(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, -, b, 0)), -3, 3, -3, 3) \
    DSI_ROW(mul, DSI_RAW(dsi_product(a, b)), DSI_MUL(g, b), DSI_MUL(g, a), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0)), -3, 3, -3, 3) \
    DSI_ROW(div, DSI_RAW(a / b), DSI_DIV(g, b), DSI_NEG(DSI_MUL(DSI_DIV(g, b), v)), \
            DSI_CURVED, -3, 3, 0.3, 3) \
    DSI_ROW(min, DSI_RAW(a < b || a != a ? a : b), DSI_SELECT(DSI_LT(a, b), g, DSI_ZERO), \
            DSI_SELECT(DSI_LT(a, b), DSI_ZERO, g), DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(max, DSI_RAW(a > b || a != a ? a : b), DSI_SELECT(DSI_LT(b, a), g, DSI_ZERO), \
            DSI_SELECT(DSI_LT(b, a), DSI_ZERO, g), DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(pow, DSI_RAW(ds_real_pow(a, b)), \
            DSI_SELECT(DSI_ADD(DSI_ABS(a), DSI_ABS(b)), /* b = 0: what b gains has slope 1 / a */ \
                       DSI_MUL(g, DSI_MUL(b, DSI_POW(a, DSI_SUB(b, DSI_K(1.0))))), DSI_ZERO), \
            DSI_SELECT(a, DSI_MUL(g, DSI_MUL(v, DSI_LOG(a))), DSI_ZERO), DSI_CURVED, 0.2, 3, -2, 2) \
    DSI_ROW(powi, DSI_POW(a, b), \
            DSI_SELECT(b, DSI_MUL(g, DSI_MUL(b, DSI_POW(a, DSI_SUB(b, DSI_K(1.0))))), DSI_ZERO), DSI_NONE, \
            DSI_CURVED, \
            0.2, 3, 3, 3) \
    DSI_ROW(hypot, DSI_RAW(ds_real_hypot(a, b)), DSI_MUL(g, DSI_DIV(a, v)), DSI_MUL(g, DSI_DIV(b, v)), \
            DSI_CURVED, \
            -3, 3, 0.3, 3) \
    DSI_ROW(atan2, DSI_RAW(ds_real_atan2(a, b)), \
            DSI_DIV(DSI_MUL(g, b), DSI_ADD(DSI_SQUARE(a), DSI_SQUARE(b))), \
            DSI_NEG(DSI_DIV(DSI_MUL(g, a), DSI_ADD(DSI_SQUARE(a), DSI_SQUARE(b)))), \
            DSI_CURVED, -3, 3, 0.3, 3) \
    DSI_ROW(safe_norm, DSI_SQRT(DSI_ADD(DSI_SQUARE(a), DSI_SQUARE(b))), \
            DSI_SELECT(v, DSI_MUL(g, DSI_DIV(a, v)), DSI_ZERO), \
            DSI_SELECT(v, DSI_MUL(g, DSI_DIV(b, v)), DSI_ZERO), DSI_CURVED, \
            -3, 3, -3, 3) \
    DSI_ROW(safe_div, DSI_SELECT(b, DSI_DIV(a, b), DSI_ZERO), DSI_SELECT(b, DSI_DIV(g, b), DSI_ZERO), \
            DSI_SELECT(b, DSI_NEG(DSI_MUL(DSI_DIV(g, b), v)), DSI_ZERO), DSI_CURVED, -3, 3, 0.3, 3) \
    DSI_ROW(smooth_abs, DSI_SQRT(DSI_ADD(DSI_SQUARE(a), DSI_SQUARE(b))), DSI_MUL(g, DSI_DIV(a, v)), \
            DSI_MUL(g, DSI_DIV(b, v)), DSI_CURVED, -3, 3, 0.1, 1) \
    DSI_ROW(clip_gradient, DSI_RAW(b != b ? b : a), DSI_CLAMP(g, DSI_NEG(DSI_ABS(b)), DSI_ABS(b)), \
            DSI_ZERO, DSI_TERMS(DSI_U(0, +, a, 0)), -3, 3, 50, 60) \
    DSI_ROW(lt, DSI_RAW(a < b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(le, DSI_RAW(a <= b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(gt, DSI_RAW(a > b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(ge, DSI_RAW(a >= b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(eq, DSI_RAW(a == b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3) \
    DSI_ROW(ne, DSI_RAW(a != b ? 1 : 0), DSI_NONE, DSI_NONE, DSI_FLAT, -3, 3, -3, 3)

/* scalar, three operands:  name, value, what a, b, c gain, shape, test intervals of a, b, c. clamp is
   min(max(a, b), c) with the ties of both: on a bound the bound gains, not a. The condition of select gains
   zero on purpose, so that a comparison may stand there.

   smooth_min and smooth_max: with s = -1 or +1 and E = exp(s c a) + exp(s c b),
       v = s log(E) / c,   p = exp(s c a) / E,   q = exp(s c b) / E = 1 - p,
       dv/da = p,   dv/db = q,   dv/dc = (a p + b q - v) / c
   DSI_DIP is the depth below the sharp minimum, log(1 + exp(-c |a - b|)) / c, at most log(2) / c: its
   exponential cannot overflow. */
#define DSI_OPS_3(DSI_ROW) \
    DSI_ROW(fma, DSI_ADD(DSI_MUL(a, b), c), DSI_MUL(g, b), DSI_MUL(g, a), g, \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_U(0, +, c, 0)), -3, 3, -3, 3, -3, 3) \
    DSI_ROW(clamp, DSI_MIN(DSI_MAX(a, b), c), \
            DSI_SELECT(DSI_LT(b, a), DSI_SELECT(DSI_LT(a, c), g, DSI_ZERO), DSI_ZERO), \
            DSI_SELECT(DSI_LT(b, a), DSI_ZERO, DSI_SELECT(DSI_LT(b, c), g, DSI_ZERO)), \
            DSI_SELECT(DSI_LT(DSI_MAX(a, b), c), DSI_ZERO, g), DSI_FLAT, -3, 3, -2, -1, 1, 2) \
    DSI_ROW(select, DSI_RAW(a != 0 ? b : c), DSI_ZERO, DSI_SELECT(a, g, DSI_ZERO), \
            DSI_SELECT(a, DSI_ZERO, g), DSI_FLAT, 0, 1, -3, 3, -3, 3) \
    DSI_ROW(smooth_min, DSI_SUB(DSI_MIN(a, b), DSI_DIP(a, b, c)), DSI_MUL(g, DSI_SHARE(b, a, c)), \
            DSI_MUL(g, DSI_SHARE(a, b, c)), \
            DSI_MUL(g, DSI_DIV(DSI_SUB(DSI_ADD(DSI_MUL(a, DSI_SHARE(b, a, c)), \
                                               DSI_MUL(b, DSI_SHARE(a, b, c))), v), c)), DSI_CURVED, \
            -3, 3, -3, 3, 0.5, 4) \
    DSI_ROW(smooth_max, DSI_ADD(DSI_MAX(a, b), DSI_DIP(a, b, c)), DSI_MUL(g, DSI_SHARE(a, b, c)), \
            DSI_MUL(g, DSI_SHARE(b, a, c)), \
            DSI_MUL(g, DSI_DIV(DSI_SUB(DSI_ADD(DSI_MUL(a, DSI_SHARE(a, b, c)), \
                                               DSI_MUL(b, DSI_SHARE(b, a, c))), v), c)), DSI_CURVED, \
            -3, 3, -3, 3, 0.5, 4)
#define DSI_DIP(p, q, c) DSI_DIV(DSI_LOG1P(DSI_EXP(DSI_NEG(DSI_MUL(c, DSI_ABS(DSI_SUB(p, q)))))), c)
#define DSI_SHARE(p, q, c) DSI_SIGMOID(DSI_MUL(c, DSI_SUB(p, q))) /* exp(c p) / (exp(c p) + exp(c q)) */

/* Vectors: rows of their own, because one node of three numbers is cheaper than three nodes. The kinds r1,
   r3, r4, r9 are a number, ds_v3, ds_q4 and ds_m3. The value is a tuple of scalar calls, one for each
   component of the result: that is the lowering kernels use. Then what each operand gains, in calls of
   vector rows, and the shape. */

/* name, kinds of result and operand, value, what a gains, shape. By rows:
       norm3           v = |a|: dv = a.da / v
       normalize3      v = a / |a|: dv = (I - v v') da / |a|, symmetric; what g has along v is lost
       trace33         d tr A = I : dA
       det33           d det A = cof A : dA
       cofactor33      row r is a_s x a_t, a_s and a_t the rows behind it: bilinear, so that derivatives are
                       exact for singular matrices, too
       inverse33       dV = -V dA V, so A gains -V' G V'. By minors, times 1 / det */
#define DSI_VOPS_1(DSI_ROW) \
    DSI_ROW(neg3, r3, r3, (DSI_NEG(a.x), DSI_NEG(a.y), DSI_NEG(a.z)), DSI_NEG3(g), \
            DSI_TERMS(DSI_U(0, -, a, 0) DSI_U(1, -, a, 1) DSI_U(2, -, a, 2))) \
    DSI_ROW(norm3, r1, r3, (DSI_SQRT(DSI_SUM3(a, a))), DSI_SCALE3(a, DSI_DIV(g, v)), \
            DSI_CURVED) \
    DSI_ROW(safe_norm3, r1, r3, (DSI_SAFE_SQRT(DSI_SUM3(a, a))), \
            DSI_SCALE3(a, DSI_SELECT(v, DSI_DIV(g, v), DSI_ZERO)), \
            DSI_CURVED) \
    DSI_ROW(normalize3, r3, r3, \
            (DSI_DIV(a.x, DSI_SQRT(DSI_SUM3(a, a))), DSI_DIV(a.y, DSI_SQRT(DSI_SUM3(a, a))), \
             DSI_DIV(a.z, DSI_SQRT(DSI_SUM3(a, a)))), \
            DSI_SCALE3(DSI_SUB3(g, DSI_SCALE3(v, DSI_DOT3(v, g))), DSI_DIV(DSI_K(1.0), DSI_NORM3(a))), \
            DSI_CURVED) \
    DSI_ROW(safe_normalize3, r3, r3, \
            (DSI_SAFE_DIV(a.x, DSI_SQRT(DSI_SUM3(a, a))), DSI_SAFE_DIV(a.y, DSI_SQRT(DSI_SUM3(a, a))), \
             DSI_SAFE_DIV(a.z, DSI_SQRT(DSI_SUM3(a, a)))), \
            DSI_SCALE3(DSI_SUB3(g, DSI_SCALE3(v, DSI_DOT3(v, g))), DSI_SAFE_DIV(DSI_K(1.0), DSI_NORM3(a))), \
            DSI_CURVED) \
    DSI_ROW(neg33, r9, r9, \
            (DSI_NEG(a.m[0]), DSI_NEG(a.m[1]), DSI_NEG(a.m[2]), DSI_NEG(a.m[3]), DSI_NEG(a.m[4]), \
             DSI_NEG(a.m[5]), DSI_NEG(a.m[6]), DSI_NEG(a.m[7]), DSI_NEG(a.m[8])), \
            DSI_NEG33(g), \
            DSI_TERMS(DSI_U(0, -, a, 0) DSI_U(1, -, a, 1) DSI_U(2, -, a, 2) DSI_U(3, -, a, 3) \
                      DSI_U(4, -, a, 4) DSI_U(5, -, a, 5) DSI_U(6, -, a, 6) DSI_U(7, -, a, 7) \
                      DSI_U(8, -, a, 8))) \
    DSI_ROW(transpose33, r9, r9, \
            (a.m[0], a.m[3], a.m[6], a.m[1], a.m[4], a.m[7], a.m[2], a.m[5], a.m[8]), \
            DSI_TRANSPOSE33(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, a, 3) DSI_U(2, +, a, 6) DSI_U(3, +, a, 1) \
                      DSI_U(4, +, a, 4) DSI_U(5, +, a, 7) DSI_U(6, +, a, 2) DSI_U(7, +, a, 5) \
                      DSI_U(8, +, a, 8))) \
    DSI_ROW(trace33, r1, r9, (DSI_ADD(DSI_ADD(a.m[0], a.m[4]), a.m[8])), DSI_DIAGONAL(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, +, a, 4) DSI_U(0, +, a, 8))) \
    DSI_ROW(det33, r1, r9, (DSI_DET(a)), DSI_SCALE33(DSI_COFACTOR33(a), g), DSI_CURVED) \
    DSI_ROW(cofactor33, r9, r9, \
            (DSI_MINOR(a.m[4], a.m[8], a.m[5], a.m[7]), DSI_MINOR(a.m[5], a.m[6], a.m[3], a.m[8]), \
             DSI_MINOR(a.m[3], a.m[7], a.m[4], a.m[6]), DSI_MINOR(a.m[7], a.m[2], a.m[8], a.m[1]), \
             DSI_MINOR(a.m[8], a.m[0], a.m[6], a.m[2]), DSI_MINOR(a.m[6], a.m[1], a.m[7], a.m[0]), \
             DSI_MINOR(a.m[1], a.m[5], a.m[2], a.m[4]), DSI_MINOR(a.m[2], a.m[3], a.m[0], a.m[5]), \
             DSI_MINOR(a.m[0], a.m[4], a.m[1], a.m[3])), \
            DSI_PACK33(DSI_COFACTOR_BAR(3, 4, 5, 6, 7, 8), DSI_COFACTOR_BAR(6, 7, 8, 0, 1, 2), \
                       DSI_COFACTOR_BAR(0, 1, 2, 3, 4, 5)), \
            DSI_TERMS(DSI_T(0, +, a, 4, a, 8) DSI_T(0, -, a, 5, a, 7) DSI_T(1, +, a, 5, a, 6) \
                      DSI_T(1, -, a, 3, a, 8) DSI_T(2, +, a, 3, a, 7) DSI_T(2, -, a, 4, a, 6) \
                      DSI_T(3, +, a, 7, a, 2) DSI_T(3, -, a, 8, a, 1) DSI_T(4, +, a, 8, a, 0) \
                      DSI_T(4, -, a, 6, a, 2) DSI_T(5, +, a, 6, a, 1) DSI_T(5, -, a, 7, a, 0) \
                      DSI_T(6, +, a, 1, a, 5) DSI_T(6, -, a, 2, a, 4) DSI_T(7, +, a, 2, a, 3) \
                      DSI_T(7, -, a, 0, a, 5) DSI_T(8, +, a, 0, a, 4) DSI_T(8, -, a, 1, a, 3))) \
    DSI_ROW(inverse33, r9, r9, \
            (DSI_MUL(DSI_MINOR(a.m[4], a.m[8], a.m[5], a.m[7]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[7], a.m[2], a.m[8], a.m[1]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[1], a.m[5], a.m[2], a.m[4]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[5], a.m[6], a.m[3], a.m[8]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[8], a.m[0], a.m[6], a.m[2]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[2], a.m[3], a.m[0], a.m[5]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[3], a.m[7], a.m[4], a.m[6]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[6], a.m[1], a.m[7], a.m[0]), DSI_UPON(a)), \
             DSI_MUL(DSI_MINOR(a.m[0], a.m[4], a.m[1], a.m[3]), DSI_UPON(a))), \
            DSI_NEG33(DSI_MUL33(DSI_TRANSPOSE33(v), DSI_MUL33(g, DSI_TRANSPOSE33(v)))), \
            DSI_CURVED)
#define DSI_SUM3(p, q) DSI_ADD(DSI_ADD(DSI_MUL(p.x, q.x), DSI_MUL(p.y, q.y)), DSI_MUL(p.z, q.z))
#define DSI_MINOR(p, q, r, s) DSI_SUB(DSI_MUL(p, q), DSI_MUL(r, s))
#define DSI_DET(p) \
    DSI_ADD(DSI_ADD(DSI_MUL(p.m[0], DSI_MINOR(p.m[4], p.m[8], p.m[5], p.m[7])), \
                    DSI_MUL(p.m[1], DSI_MINOR(p.m[5], p.m[6], p.m[3], p.m[8]))), \
            DSI_MUL(p.m[2], DSI_MINOR(p.m[3], p.m[7], p.m[4], p.m[6])))
#define DSI_UPON(p) DSI_DIV(DSI_K(1.0), DSI_DET(p))
#define DSI_DIAGONAL(p) \
    DSI_PACK33(DSI_PACK3(p, DSI_K(0.0), DSI_K(0.0)), DSI_PACK3(DSI_K(0.0), p, DSI_K(0.0)), \
               DSI_PACK3(DSI_K(0.0), DSI_K(0.0), p))
/* the rows behind row r, s = r + 1 and t = r + 2, of a and of g: a_s x g_t + g_s x a_t */
#define DSI_COFACTOR_BAR(s0, s1, s2, t0, t1, t2) \
    DSI_ADD3(DSI_CROSS3(DSI_TRIPLE(a, s0, s1, s2), DSI_TRIPLE(g, t0, t1, t2)), \
             DSI_CROSS3(DSI_TRIPLE(g, s0, s1, s2), DSI_TRIPLE(a, t0, t1, t2)))

/* name, kinds of result and operands, value, what a and b gain, shape. By rows:
       cross3          g.(da x b) = da.(b x g),  g.(a x db) = db.(g x a)
       matvec3         v = A b: A gains g b', b gains A' g
       tmatvec3        v = A' b: A gains b g', b gains A g
       outer33         V = a b' with the adjoint G: a gains G b, b gains G' a
       scale33         b gains G : A
       shift33         A + b I: b gains tr G
       ddot33          A : B, the sum of products of entries
       mul33           V = A B: A gains G B', B gains A' G
       rotate3         v = R b with R = I + 2 w [u] + 2 [u]^2, [u] the matrix of u x: b gains R' g, and
                       u to -u transposes R, a unit quaternion or not */
#define DSI_VOPS_2(DSI_ROW) \
    DSI_ROW(add3, r3, r3, r3, (DSI_ADD(a.x, b.x), DSI_ADD(a.y, b.y), DSI_ADD(a.z, b.z)), g, g, \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, +, b, 0) DSI_U(1, +, a, 1) DSI_U(1, +, b, 1) \
                      DSI_U(2, +, a, 2) DSI_U(2, +, b, 2))) \
    DSI_ROW(sub3, r3, r3, r3, (DSI_SUB(a.x, b.x), DSI_SUB(a.y, b.y), DSI_SUB(a.z, b.z)), g, DSI_NEG3(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, -, b, 0) DSI_U(1, +, a, 1) DSI_U(1, -, b, 1) \
                      DSI_U(2, +, a, 2) DSI_U(2, -, b, 2))) \
    DSI_ROW(scale3, r3, r3, r1, (DSI_MUL(a.x, b), DSI_MUL(a.y, b), DSI_MUL(a.z, b)), DSI_SCALE3(g, b), \
            DSI_DOT3(g, a), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 1, b, 0) DSI_T(2, +, a, 2, b, 0))) \
    DSI_ROW(dot3, r1, r3, r3, (DSI_SUM3(a, b)), DSI_SCALE3(b, g), DSI_SCALE3(a, g), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(0, +, a, 1, b, 1) DSI_T(0, +, a, 2, b, 2))) \
    DSI_ROW(cross3, r3, r3, r3, \
            (DSI_MINOR(a.y, b.z, a.z, b.y), DSI_MINOR(a.z, b.x, a.x, b.z), DSI_MINOR(a.x, b.y, a.y, b.x)), \
            DSI_CROSS3(b, g), DSI_CROSS3(g, a), \
            DSI_TERMS(DSI_T(0, +, a, 1, b, 2) DSI_T(0, -, a, 2, b, 1) DSI_T(1, +, a, 2, b, 0) \
                      DSI_T(1, -, a, 0, b, 2) DSI_T(2, +, a, 0, b, 1) DSI_T(2, -, a, 1, b, 0))) \
    DSI_ROW(smooth_norm3, r1, r3, r1, (DSI_SQRT(DSI_ADD(DSI_SUM3(a, a), DSI_MUL(b, b)))), \
            DSI_SCALE3(a, DSI_DIV(g, v)), DSI_MUL(g, DSI_DIV(b, v)), \
            DSI_CURVED) \
    DSI_ROW(matvec3, r3, r9, r3, \
            (DSI_ADD(DSI_ADD(DSI_MUL(a.m[0], b.x), DSI_MUL(a.m[1], b.y)), DSI_MUL(a.m[2], b.z)), \
             DSI_ADD(DSI_ADD(DSI_MUL(a.m[3], b.x), DSI_MUL(a.m[4], b.y)), DSI_MUL(a.m[5], b.z)), \
             DSI_ADD(DSI_ADD(DSI_MUL(a.m[6], b.x), DSI_MUL(a.m[7], b.y)), DSI_MUL(a.m[8], b.z))), \
            DSI_OUTER33(g, b), DSI_TMATVEC3(a, g), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 3, b, 0) DSI_T(2, +, a, 6, b, 0) \
                      DSI_T(0, +, a, 1, b, 1) DSI_T(1, +, a, 4, b, 1) DSI_T(2, +, a, 7, b, 1) \
                      DSI_T(0, +, a, 2, b, 2) DSI_T(1, +, a, 5, b, 2) DSI_T(2, +, a, 8, b, 2))) \
    DSI_ROW(tmatvec3, r3, r9, r3, \
            (DSI_ADD(DSI_ADD(DSI_MUL(a.m[0], b.x), DSI_MUL(a.m[3], b.y)), DSI_MUL(a.m[6], b.z)), \
             DSI_ADD(DSI_ADD(DSI_MUL(a.m[1], b.x), DSI_MUL(a.m[4], b.y)), DSI_MUL(a.m[7], b.z)), \
             DSI_ADD(DSI_ADD(DSI_MUL(a.m[2], b.x), DSI_MUL(a.m[5], b.y)), DSI_MUL(a.m[8], b.z))), \
            DSI_OUTER33(b, g), DSI_MATVEC3(a, g), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 1, b, 0) DSI_T(2, +, a, 2, b, 0) \
                      DSI_T(0, +, a, 3, b, 1) DSI_T(1, +, a, 4, b, 1) DSI_T(2, +, a, 5, b, 1) \
                      DSI_T(0, +, a, 6, b, 2) DSI_T(1, +, a, 7, b, 2) DSI_T(2, +, a, 8, b, 2))) \
    DSI_ROW(outer33, r9, r3, r3, \
            (DSI_MUL(a.x, b.x), DSI_MUL(a.x, b.y), DSI_MUL(a.x, b.z), DSI_MUL(a.y, b.x), DSI_MUL(a.y, b.y), \
             DSI_MUL(a.y, b.z), DSI_MUL(a.z, b.x), DSI_MUL(a.z, b.y), DSI_MUL(a.z, b.z)), \
            DSI_MATVEC3(g, b), DSI_TMATVEC3(g, a), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 0, b, 1) DSI_T(2, +, a, 0, b, 2) \
                      DSI_T(3, +, a, 1, b, 0) DSI_T(4, +, a, 1, b, 1) DSI_T(5, +, a, 1, b, 2) \
                      DSI_T(6, +, a, 2, b, 0) DSI_T(7, +, a, 2, b, 1) DSI_T(8, +, a, 2, b, 2))) \
    DSI_ROW(add33, r9, r9, r9, \
            (DSI_ADD(a.m[0], b.m[0]), DSI_ADD(a.m[1], b.m[1]), DSI_ADD(a.m[2], b.m[2]), \
             DSI_ADD(a.m[3], b.m[3]), DSI_ADD(a.m[4], b.m[4]), DSI_ADD(a.m[5], b.m[5]), \
             DSI_ADD(a.m[6], b.m[6]), DSI_ADD(a.m[7], b.m[7]), DSI_ADD(a.m[8], b.m[8])), \
            g, g, \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, +, b, 0) DSI_U(1, +, a, 1) DSI_U(1, +, b, 1) \
                      DSI_U(2, +, a, 2) DSI_U(2, +, b, 2) DSI_U(3, +, a, 3) DSI_U(3, +, b, 3) \
                      DSI_U(4, +, a, 4) DSI_U(4, +, b, 4) DSI_U(5, +, a, 5) DSI_U(5, +, b, 5) \
                      DSI_U(6, +, a, 6) DSI_U(6, +, b, 6) DSI_U(7, +, a, 7) DSI_U(7, +, b, 7) \
                      DSI_U(8, +, a, 8) DSI_U(8, +, b, 8))) \
    DSI_ROW(sub33, r9, r9, r9, \
            (DSI_SUB(a.m[0], b.m[0]), DSI_SUB(a.m[1], b.m[1]), DSI_SUB(a.m[2], b.m[2]), \
             DSI_SUB(a.m[3], b.m[3]), DSI_SUB(a.m[4], b.m[4]), DSI_SUB(a.m[5], b.m[5]), \
             DSI_SUB(a.m[6], b.m[6]), DSI_SUB(a.m[7], b.m[7]), DSI_SUB(a.m[8], b.m[8])), \
            g, DSI_NEG33(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(0, -, b, 0) DSI_U(1, +, a, 1) DSI_U(1, -, b, 1) \
                      DSI_U(2, +, a, 2) DSI_U(2, -, b, 2) DSI_U(3, +, a, 3) DSI_U(3, -, b, 3) \
                      DSI_U(4, +, a, 4) DSI_U(4, -, b, 4) DSI_U(5, +, a, 5) DSI_U(5, -, b, 5) \
                      DSI_U(6, +, a, 6) DSI_U(6, -, b, 6) DSI_U(7, +, a, 7) DSI_U(7, -, b, 7) \
                      DSI_U(8, +, a, 8) DSI_U(8, -, b, 8))) \
    DSI_ROW(scale33, r9, r9, r1, \
            (DSI_MUL(a.m[0], b), DSI_MUL(a.m[1], b), DSI_MUL(a.m[2], b), DSI_MUL(a.m[3], b), \
             DSI_MUL(a.m[4], b), DSI_MUL(a.m[5], b), DSI_MUL(a.m[6], b), DSI_MUL(a.m[7], b), \
             DSI_MUL(a.m[8], b)), \
            DSI_SCALE33(g, b), DSI_DDOT33(g, a), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 1, b, 0) DSI_T(2, +, a, 2, b, 0) \
                      DSI_T(3, +, a, 3, b, 0) DSI_T(4, +, a, 4, b, 0) DSI_T(5, +, a, 5, b, 0) \
                      DSI_T(6, +, a, 6, b, 0) DSI_T(7, +, a, 7, b, 0) DSI_T(8, +, a, 8, b, 0))) \
    DSI_ROW(shift33, r9, r9, r1, \
            (DSI_ADD(a.m[0], b), a.m[1], a.m[2], a.m[3], DSI_ADD(a.m[4], b), a.m[5], a.m[6], a.m[7], \
             DSI_ADD(a.m[8], b)), \
            g, DSI_TRACE33(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, a, 1) DSI_U(2, +, a, 2) DSI_U(3, +, a, 3) \
                      DSI_U(4, +, a, 4) DSI_U(5, +, a, 5) DSI_U(6, +, a, 6) DSI_U(7, +, a, 7) \
                      DSI_U(8, +, a, 8) DSI_U(0, +, b, 0) DSI_U(4, +, b, 0) DSI_U(8, +, b, 0))) \
    DSI_ROW(ddot33, r1, r9, r9, \
            (DSI_ADD(DSI_ADD(DSI_LINE(0, 1, 2, 0, 1, 2), DSI_LINE(3, 4, 5, 3, 4, 5)), \
                     DSI_LINE(6, 7, 8, 6, 7, 8))), \
            DSI_SCALE33(b, g), DSI_SCALE33(a, g), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(0, +, a, 1, b, 1) DSI_T(0, +, a, 2, b, 2) \
                      DSI_T(0, +, a, 3, b, 3) DSI_T(0, +, a, 4, b, 4) DSI_T(0, +, a, 5, b, 5) \
                      DSI_T(0, +, a, 6, b, 6) DSI_T(0, +, a, 7, b, 7) DSI_T(0, +, a, 8, b, 8))) \
    DSI_ROW(mul33, r9, r9, r9, \
            (DSI_LINE(0, 1, 2, 0, 3, 6), DSI_LINE(0, 1, 2, 1, 4, 7), DSI_LINE(0, 1, 2, 2, 5, 8), \
             DSI_LINE(3, 4, 5, 0, 3, 6), DSI_LINE(3, 4, 5, 1, 4, 7), DSI_LINE(3, 4, 5, 2, 5, 8), \
             DSI_LINE(6, 7, 8, 0, 3, 6), DSI_LINE(6, 7, 8, 1, 4, 7), DSI_LINE(6, 7, 8, 2, 5, 8)), \
            DSI_MUL33(g, DSI_TRANSPOSE33(b)), DSI_MUL33(DSI_TRANSPOSE33(a), g), \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 0, b, 1) DSI_T(2, +, a, 0, b, 2) \
                      DSI_T(3, +, a, 3, b, 0) DSI_T(4, +, a, 3, b, 1) DSI_T(5, +, a, 3, b, 2) \
                      DSI_T(6, +, a, 6, b, 0) DSI_T(7, +, a, 6, b, 1) DSI_T(8, +, a, 6, b, 2) \
                      DSI_T(0, +, a, 1, b, 3) DSI_T(1, +, a, 1, b, 4) DSI_T(2, +, a, 1, b, 5) \
                      DSI_T(3, +, a, 4, b, 3) DSI_T(4, +, a, 4, b, 4) DSI_T(5, +, a, 4, b, 5) \
                      DSI_T(6, +, a, 7, b, 3) DSI_T(7, +, a, 7, b, 4) DSI_T(8, +, a, 7, b, 5) \
                      DSI_T(0, +, a, 2, b, 6) DSI_T(1, +, a, 2, b, 7) DSI_T(2, +, a, 2, b, 8) \
                      DSI_T(3, +, a, 5, b, 6) DSI_T(4, +, a, 5, b, 7) DSI_T(5, +, a, 5, b, 8) \
                      DSI_T(6, +, a, 8, b, 6) DSI_T(7, +, a, 8, b, 7) DSI_T(8, +, a, 8, b, 8))) \
    DSI_ROW(pack4, r4, r1, r3, (a, b.x, b.y, b.z), g.w, DSI_PART(g), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, b, 0) DSI_U(2, +, b, 1) DSI_U(3, +, b, 2))) \
    DSI_ROW(rotate3, r3, r4, r3, /* b + 2 (w t + u x t),  a = (w, u),  t = u x b */ \
            (DSI_TURN(x, DSI_TURN_X, DSI_MINOR(a.y, DSI_TURN_Z, a.z, DSI_TURN_Y)), \
             DSI_TURN(y, DSI_TURN_Y, DSI_MINOR(a.z, DSI_TURN_X, a.x, DSI_TURN_Z)), \
             DSI_TURN(z, DSI_TURN_Z, DSI_MINOR(a.x, DSI_TURN_Y, a.y, DSI_TURN_X))), \
            /* w gains 2 g.t;  u gains 2 (w b x g + (u.b) g + (u.g) b - 2 (b.g) u) */ \
            DSI_PACK4(DSI_MUL(DSI_K(2.0), DSI_DOT3(g, DSI_CROSS3(DSI_PART(a), b))), \
                      DSI_SCALE3(DSI_AXPY3(a.w, DSI_CROSS3(b, g), \
                                           DSI_TURN_BAR(DSI_PART(a), b, g)), \
                                 DSI_K(2.0))), \
            DSI_ROTATE3(DSI_PACK4(a.w, DSI_NEG3(DSI_PART(a))), g), \
            DSI_CURVED)
#define DSI_PART(p) DSI_PACK3(p.x, p.y, p.z)
#define DSI_LINE(i, j, k, p, q, r) \
    DSI_ADD(DSI_ADD(DSI_MUL(a.m[i], b.m[p]), DSI_MUL(a.m[j], b.m[q])), DSI_MUL(a.m[k], b.m[r]))
#define DSI_TURN_X DSI_MINOR(a.y, b.z, a.z, b.y)
#define DSI_TURN_Y DSI_MINOR(a.z, b.x, a.x, b.z)
#define DSI_TURN_Z DSI_MINOR(a.x, b.y, a.y, b.x)
#define DSI_TURN(i, t, u_cross_t) DSI_ADD(b.i, DSI_MUL(DSI_K(2.0), DSI_ADD(DSI_MUL(a.w, t), u_cross_t)))
#define DSI_TURN_BAR(u, p, q) \
    DSI_AXPY3(DSI_DOT3(u, p), q, \
              DSI_AXPY3(DSI_DOT3(u, q), p, DSI_SCALE3(u, DSI_MUL(DSI_K(-2.0), DSI_DOT3(p, q)))))


/* name, kinds of result and operands, value, what a, b, c gain, shape. By rows:
       naxpy3          c - a b: one node instead of neg and axpy3
       lerp3           a + c (b - a): a gains g - c g, b gains c g, c gains g.(b - a) */
#define DSI_VOPS_3(DSI_ROW) \
    DSI_ROW(axpy3, r3, r1, r3, r3, \
            (DSI_ADD(DSI_MUL(a, b.x), c.x), DSI_ADD(DSI_MUL(a, b.y), c.y), DSI_ADD(DSI_MUL(a, b.z), c.z)), \
            DSI_DOT3(g, b), DSI_SCALE3(g, a), g, \
            DSI_TERMS(DSI_T(0, +, a, 0, b, 0) DSI_T(1, +, a, 0, b, 1) DSI_T(2, +, a, 0, b, 2) \
                      DSI_U(0, +, c, 0) DSI_U(1, +, c, 1) DSI_U(2, +, c, 2))) \
    DSI_ROW(naxpy3, r3, r1, r3, r3, \
            (DSI_SUB(c.x, DSI_MUL(a, b.x)), DSI_SUB(c.y, DSI_MUL(a, b.y)), DSI_SUB(c.z, DSI_MUL(a, b.z))), \
            DSI_NEG(DSI_DOT3(g, b)), DSI_SCALE3(g, DSI_NEG(a)), g, \
            DSI_TERMS(DSI_T(0, -, a, 0, b, 0) DSI_T(1, -, a, 0, b, 1) DSI_T(2, -, a, 0, b, 2) \
                      DSI_U(0, +, c, 0) DSI_U(1, +, c, 1) DSI_U(2, +, c, 2))) \
    DSI_ROW(lerp3, r3, r3, r3, r1, \
            (DSI_ADD(a.x, DSI_MUL(c, DSI_SUB(b.x, a.x))), DSI_ADD(a.y, DSI_MUL(c, DSI_SUB(b.y, a.y))), \
             DSI_ADD(a.z, DSI_MUL(c, DSI_SUB(b.z, a.z)))), \
            DSI_SUB3(g, DSI_SCALE3(g, c)), DSI_SCALE3(g, c), DSI_DOT3(g, DSI_SUB3(b, a)), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, a, 1) DSI_U(2, +, a, 2) DSI_T(0, +, b, 0, c, 0) \
                      DSI_T(1, +, b, 1, c, 0) DSI_T(2, +, b, 2, c, 0) DSI_T(0, -, a, 0, c, 0) \
                      DSI_T(1, -, a, 1, c, 0) DSI_T(2, -, a, 2, c, 0))) \
    DSI_ROW(pack3, r3, r1, r1, r1, (a, b, c), g.x, g.y, g.z, \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, b, 0) DSI_U(2, +, c, 0))) \
    DSI_ROW(pack33, r9, r3, r3, r3, (a.x, a.y, a.z, b.x, b.y, b.z, c.x, c.y, c.z), \
            DSI_TRIPLE(g, 0, 1, 2), DSI_TRIPLE(g, 3, 4, 5), DSI_TRIPLE(g, 6, 7, 8), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, a, 1) DSI_U(2, +, a, 2) DSI_U(3, +, b, 0) \
                      DSI_U(4, +, b, 1) DSI_U(5, +, b, 2) DSI_U(6, +, c, 0) DSI_U(7, +, c, 1) \
                      DSI_U(8, +, c, 2))) \
    DSI_ROW(columns33, r9, r3, r3, r3, (a.x, b.x, c.x, a.y, b.y, c.y, a.z, b.z, c.z), \
            DSI_TRIPLE(g, 0, 3, 6), DSI_TRIPLE(g, 1, 4, 7), DSI_TRIPLE(g, 2, 5, 8), \
            DSI_TERMS(DSI_U(0, +, a, 0) DSI_U(1, +, b, 0) DSI_U(2, +, c, 0) DSI_U(3, +, a, 1) \
                      DSI_U(4, +, b, 1) DSI_U(5, +, c, 1) DSI_U(6, +, a, 2) DSI_U(7, +, b, 2) \
                      DSI_U(8, +, c, 2)))
#define DSI_TRIPLE(p, i, j, k) DSI_PACK3(p.m[i], p.m[j], p.m[k])

/* All rows in one shape, for expansions that treat numbers and vectors alike: signatures only, with the
   value, or with the derivatives. DSI_EACH_1(name, R, A), DSI_EACH_2(name, R, A, B), DSI_EACH_3(name, R,
   A, B, C), then the columns. (A column that an expansion does not use is not passed: the preprocessor
   would expand it for nothing.) An expansion sets DSI_EACH_1 to _3, names one of the lists below, and
   undefines the three again. The order of all lists is the same: operation codes and the rows of dsi_ops
   agree by it. */
#define DSI_EVERY_SIGNATURE \
    DSI_OPS_1(DSI_SIGNATURE_1) DSI_OPS_2(DSI_SIGNATURE_2) DSI_OPS_3(DSI_SIGNATURE_3) \
    DSI_VOPS_1(DSI_SIGNATURE_V1) DSI_VOPS_2(DSI_SIGNATURE_V2) DSI_VOPS_3(DSI_SIGNATURE_V3)
#define DSI_SIGNATURE_1(name, value, da, shape, la, ha) DSI_EACH_1(name, r1, r1)
#define DSI_SIGNATURE_2(name, value, da, db, shape, la, ha, lb, hb) DSI_EACH_2(name, r1, r1, r1)
#define DSI_SIGNATURE_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    DSI_EACH_3(name, r1, r1, r1, r1)
#define DSI_SIGNATURE_V1(name, R, A, value, da, shape) DSI_EACH_1(name, R, A)
#define DSI_SIGNATURE_V2(name, R, A, B, value, da, db, shape) DSI_EACH_2(name, R, A, B)
#define DSI_SIGNATURE_V3(name, R, A, B, C, value, da, db, dc, shape) DSI_EACH_3(name, R, A, B, C)
#define DSI_EVERY_VALUE \
    DSI_OPS_1(DSI_VALUE_1) DSI_OPS_2(DSI_VALUE_2) DSI_OPS_3(DSI_VALUE_3) \
    DSI_VOPS_1(DSI_VALUE_V1) DSI_VOPS_2(DSI_VALUE_V2) DSI_VOPS_3(DSI_VALUE_V3)
#define DSI_VALUE_1(name, value, da, shape, la, ha) DSI_EACH_1(name, r1, r1, (value), shape)
#define DSI_VALUE_2(name, value, da, db, shape, la, ha, lb, hb) \
    DSI_EACH_2(name, r1, r1, r1, (value), shape)
#define DSI_VALUE_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    DSI_EACH_3(name, r1, r1, r1, r1, (value), shape)
#define DSI_VALUE_V1(name, R, A, value, da, shape) DSI_EACH_1(name, R, A, value, shape)
#define DSI_VALUE_V2(name, R, A, B, value, da, db, shape) DSI_EACH_2(name, R, A, B, value, shape)
#define DSI_VALUE_V3(name, R, A, B, C, value, da, db, dc, shape) \
    DSI_EACH_3(name, R, A, B, C, value, shape)
#define DSI_EVERY_DERIVATIVE \
    DSI_OPS_1(DSI_DERIVATIVE_1) DSI_OPS_2(DSI_DERIVATIVE_2) DSI_OPS_3(DSI_DERIVATIVE_3) \
    DSI_VOPS_1(DSI_DERIVATIVE_V1) DSI_VOPS_2(DSI_DERIVATIVE_V2) DSI_VOPS_3(DSI_DERIVATIVE_V3)
#define DSI_DERIVATIVE_1(name, value, da, shape, la, ha) DSI_EACH_1(name, r1, r1, da, shape)
#define DSI_DERIVATIVE_2(name, value, da, db, shape, la, ha, lb, hb) \
    DSI_EACH_2(name, r1, r1, r1, da, db, shape)
#define DSI_DERIVATIVE_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    DSI_EACH_3(name, r1, r1, r1, r1, da, db, dc, shape)
#define DSI_DERIVATIVE_V1(name, R, A, value, da, shape) DSI_EACH_1(name, R, A, da, shape)
#define DSI_DERIVATIVE_V2(name, R, A, B, value, da, db, shape) DSI_EACH_2(name, R, A, B, da, db, shape)
#define DSI_DERIVATIVE_V3(name, R, A, B, C, value, da, db, dc, shape) \
    DSI_EACH_3(name, R, A, B, C, da, db, dc, shape)

/* >>api 6 tape ------------------------------------------------------------------------------------

   Record by running, then walk back. A ds_var is 16 bytes by value: the recorder it lives on, its value
   slot, and the epoch it was made in. ds_c(0.5) is a variable without a recorder that carries the number
   itself; it makes no node and mixes with everything. A ds_var3 is three numbers in one node.

   A node is 16 bytes: operation and operand slots. Values lie in one array in the order of recording; a
   node's constants lie just before its result, so the slot of a result follows from walking and costs no
   memory. Leaves cost no reverse work: neighbours share one node.

   Errors stick: the first refusal is kept in the tape with a sentence, later calls record nothing and
   return a variable that is never valid, and ds_backward returns the first error. ds_tape_reset and
   ds_tape_rewind clear it. */

typedef struct dsi_node { uint32_t op, a, b, c; } dsi_node;

/* What recording functions see of a tape; the rest is behind it. */
typedef struct ds_recorder {
    size_t n_nodes, n_values;
    size_t most_nodes, most_values; /* below both there is room for any one node; 0: ask the library */
    dsi_node *nodes;
    ds_real *values;
    uint64_t epoch; /* in the upper half, as in the handles */
    const char *file; /* DIFFSIM_DEBUG: where the next node is recorded */
    int line;
} ds_recorder;

/* at: epoch << 32 | slot; without a recorder, the bits of a constant double. Whole words, so that a handle
   travels in two registers and never through one for floating point. */
typedef struct ds_var { ds_recorder *rec; uint64_t at; } ds_var; /* a number */
typedef struct ds_var3 { ds_recorder *rec; uint64_t at; } ds_var3; /* (x, y, z) */
typedef struct ds_var4 { ds_recorder *rec; uint64_t at; } ds_var4; /* quaternion (w, x, y, z) */
typedef struct ds_var33 { ds_recorder *rec; uint64_t at; } ds_var33; /* 3x3 matrix, row-major */
typedef struct ds_vars { ds_recorder *rec; uint64_t at; size_t n; } ds_vars; /* a block of n numbers */

typedef struct ds_tape ds_tape;

/* {0} is a tape on the heap that grows by doubling. */
typedef struct ds_tape_desc {
    ds_allocator allocator;
    ds_logger log;
    size_t max_nodes, max_values; /* ds_tape_init: room to reserve. ds_tape_create: limits, 0 means none */
    size_t directions; /* ds_tape_init: room for ds_forward and second derivatives: 1, or for a ds_hessian
                          that goes along so many directions at once 4, 8, 12 or 16 */
    int debug; /* check every value when it is made, keep file:line of each node (see DIFFSIM_DEBUG) */
} ds_tape_desc;

/* Life. create: NULL if there is no memory. bytes and init: the same in the caller's memory (aligned for
   any type), for max_nodes and max_values; such a tape never allocates. init returns NULL if bytes is less
   than ds_tape_bytes(desc). */
DIFFSIM_API ds_tape *ds_tape_create(const ds_tape_desc *desc); /* NULL means {0} */
DIFFSIM_API size_t ds_tape_bytes(const ds_tape_desc *desc); /* 0: the desc is bad */
DIFFSIM_API ds_tape *ds_tape_init(void *memory, size_t bytes, const ds_tape_desc *desc);
DIFFSIM_API void ds_tape_destroy(ds_tape *tape); /* NULL is fine */
DIFFSIM_API const ds_error *ds_tape_error(const ds_tape *tape); /* code DSIM_OK: nothing went wrong */

/* Forget everything but the memory. Older variables become stale. */
DIFFSIM_API void ds_tape_reset(ds_tape *tape);
/* Forget what was recorded since the mark. Variables from before the mark stay valid. */
typedef struct ds_mark { const ds_tape *tape; size_t n_nodes, n_values; uint64_t epoch; } ds_mark;
DIFFSIM_API ds_mark ds_tape_mark(ds_tape *tape);
DIFFSIM_API ds_result ds_tape_rewind(ds_tape *tape, ds_mark mark);

/* bytes_used: nodes, values and adjoints of what is recorded now; bytes_reserved: what the tape holds. */
typedef struct ds_tape_info { size_t nodes, values, bytes_used, bytes_reserved; } ds_tape_info;
DIFFSIM_API ds_tape_info ds_tape_get_info(const ds_tape *tape);

/* Leaves. The number must be finite. A constant vector is a leaf too: its gradient is simply not asked
   for. */
DIFFSIM_API ds_var ds_input(ds_tape *tape, double number);
DIFFSIM_API ds_var3 ds_input3(ds_tape *tape, ds_v3 vector);
DIFFSIM_API ds_var4 ds_input4(ds_tape *tape, ds_q4 quaternion);
DIFFSIM_API ds_var33 ds_input33(ds_tape *tape, ds_m3 matrix);
DIFFSIM_API ds_vars ds_inputs(ds_tape *tape, const ds_real *numbers, size_t n);

/* Values. NaN if the variable is not valid. */
DIFFSIM_API ds_real ds_value(ds_var var);
DIFFSIM_API ds_v3 ds_value3(ds_var3 var);
DIFFSIM_API ds_q4 ds_value4(ds_var4 var);
DIFFSIM_API ds_m3 ds_value33(ds_var33 var);
DIFFSIM_API ds_result ds_values(ds_vars vars, ds_real *out); /* [n] */

/* Reverse sweep: after it ds_grad(x) is df/dx for every variable recorded before the call, x an input or
   not. The many-seed form gives d(sum_i seeds[i] f[i])/dx. A refusal leaves no gradient: ds_grad is NaN.
   Errors: the tape's own first one; NO_RECORDER, STALE, MIXED (f, with its index); NON_FINITE, with the
   first operation that made a NaN or infinite value or adjoint; NOT_DIFFERENTIABLE, with the operation. */
DIFFSIM_API ds_result ds_backward(ds_var f);
DIFFSIM_API ds_result ds_backward_many(const ds_var *f, const ds_real *seeds, size_t n);
DIFFSIM_API ds_real ds_grad(ds_var var);
DIFFSIM_API ds_v3 ds_grad3(ds_var3 var);
DIFFSIM_API ds_q4 ds_grad4(ds_var4 var);
DIFFSIM_API ds_m3 ds_grad33(ds_var33 var);
DIFFSIM_API ds_result ds_grads(ds_vars vars, ds_real *out); /* [n]; out as it was on error */

/* Replay: evaluate the record again with other inputs, without recording. Set inputs (only those: index 0
   otherwise), then replay; in between values and gradients are refused. What is recorded after a value was
   read may depend on what was read: such a tape is NOT_REPLAYABLE. ds_branch is the way to branch in C on a
   recorded number: it returns whether it is not zero, and the replay checks that it still is so (BRANCH:
   record again). */
DIFFSIM_API ds_result ds_set_input(ds_var input, double number);
DIFFSIM_API ds_result ds_set_input3(ds_var3 input, ds_v3 vector);
DIFFSIM_API ds_result ds_set_inputs(ds_vars inputs, const ds_real *numbers); /* [n] */
DIFFSIM_API ds_result ds_replay(ds_tape *tape);
DIFFSIM_API int ds_branch(ds_var condition);

/* Custom nodes: an operation of yours with any number of inputs and outputs, such as a linear solve or
   another library's function. Each function gets one ds_custom_io; J = d out / d in at `in`. Bars and dots
   add. reverse NULL: no gradient passes; tangent NULL: no direction; second NULL: no Hessian; each refused
   by name where it is needed. What type and user point to is not copied. The functions must not record on
   the tape that calls them. An error they return makes the call fail: CALLBACK, index: the node. */
typedef struct ds_custom_io {
    void *user;
    size_t n_in, n_out;
    const ds_real *in;
    ds_real *out; /* forward writes it, the others read it */
    const ds_real *out_bar; /* reverse, second */
    ds_real *in_bar; /* reverse: in_bar += J' out_bar */
    const ds_real *in_dot; /* tangent, second */
    ds_real *out_dot; /* tangent: out_dot += J in_dot */
    const ds_real *out_bar_dot; /* second: in_bar_dot += J' out_bar_dot + (dJ/dt)' out_bar, */
    ds_real *in_bar_dot; /*                        dJ/dt the change of J along in_dot */
} ds_custom_io;
typedef ds_result ds_custom_function(const ds_custom_io *io);
typedef struct ds_custom_type {
    const char *name;
    ds_custom_function *forward, *reverse, *tangent, *second;
} ds_custom_type;
DIFFSIM_API ds_vars ds_custom(const ds_custom_type *type, void *user, const ds_var *in, size_t n_in,
                              size_t n_out);

/* A segment as one node: body records n_out outputs from n_in inputs on a tape of its own, of which only the
   outputs stay; the reverse sweep records it again. Memory for time: a rollout in k segments of m steps needs
   the nodes of k + m steps. body must record the same each time (its outputs are compared); its other numbers
   are constants. */
typedef ds_result ds_segment(void *user, ds_tape *tape, const ds_var *in, ds_var *out);
DIFFSIM_API ds_vars ds_checkpoint(ds_segment *body, void *user, const ds_var *in, size_t n_in, size_t n_out);

/* Directions: how does everything move when the variables x move by x_dot? One sweep forward; afterwards
   ds_tangent(f) = sum_i df/dx[i] x_dot[i] for every f on the tape. An f that no direction reaches through
   finite derivatives has the tangent NaN, and the tape an error that names the operation. */
DIFFSIM_API ds_result ds_forward(const ds_var *x, const ds_real *x_dot, size_t n);
DIFFSIM_API ds_real ds_tangent(ds_var var);
DIFFSIM_API ds_v3 ds_tangent3(ds_var3 var);

/* Second derivatives, tangent over reverse: exact, one reverse and one forward sweep and one more back.
   ds_hessian_vector: out [n] = H direction, H [n][n] the second derivatives of f by the variables x.
   ds_hessian: out [n][n] = H, up to 16 rows at a time. Both run ds_backward(f) unless it was the last; the
   gradient is there afterwards. Errors: those of ds_backward; FULL on a tape in the caller's memory whose
   desc has no directions; NON_FINITE, index of the variable with a second derivative that is not finite (out
   is then of no use). Griewank and Walther 2008, ch. 5. */
DIFFSIM_API ds_result ds_hessian_vector(ds_var f, const ds_var *x, const ds_real *direction, size_t n,
                                        ds_real *out);
DIFFSIM_API ds_result ds_hessian(ds_var f, const ds_var *x, size_t n, ds_real *out);

/* Why is df/dx zero, huge or NaN? Writes sentences into text (cut at `bytes`): the way from x to f along the
   largest contributions, the factor of each operation, and which one stops the gradient or blows it up. Runs
   ds_backward(f) unless it was the last; its error, if any, is returned and explained. */
DIFFSIM_API ds_result ds_explain(ds_var f, ds_var x, char *text, size_t bytes);

/* a constant: no node, on any recorder */
typedef union dsi_bits { double number; uint64_t bits; } dsi_bits;
DSI_INLINE ds_var ds_c(double number)
{
    ds_var r;
    dsi_bits word;
    word.number = number;
    r.rec = NULL;
    r.at = word.bits;
    return r;
}

/* Components are views: no node, no cost. The view of a bad variable is bad. */
#define DSI_NOWHERE (UINT64_C(0x7ff8) << 48) /* a part of nothing: as a constant it is NaN */
DSI_INLINE ds_var dsi_view(ds_recorder *rec, uint64_t at)
{
    ds_var r;
    r.rec = rec;
    r.at = at;
    return r;
}
DSI_INLINE ds_var3 dsi_view3(ds_recorder *rec, uint64_t at)
{
    ds_var3 r;
    r.rec = rec;
    r.at = at;
    return r;
}
DSI_INLINE ds_var dsi_part(ds_recorder *rec, uint64_t at) { return dsi_view(rec, rec ? at : DSI_NOWHERE); }
DSI_INLINE ds_var ds_x(ds_var3 p) { return dsi_part(p.rec, p.at); }
DSI_INLINE ds_var ds_y(ds_var3 p) { return dsi_part(p.rec, p.at + 1); }
DSI_INLINE ds_var ds_z(ds_var3 p) { return dsi_part(p.rec, p.at + 2); }
DSI_INLINE ds_var ds_scalar_part(ds_var4 q) { return dsi_part(q.rec, q.at); } /* w */
DSI_INLINE ds_var3 ds_vector_part(ds_var4 q) { return dsi_view3(q.rec, q.at + 1); } /* (x, y, z) */
/* refuses n entries from `first` of `size`; the variable returned is never valid */
DIFFSIM_API ds_var dsi_bad_part(ds_recorder *rec, const char *function, size_t size, size_t first, size_t n);
DSI_INLINE ds_var3 (ds_row)(ds_var33 p, size_t i) /* errors: ARGUMENT, index i */
{
    if (DSI_LIKELY(i < 3)) return dsi_view3(p.rec, p.at + 3 * i);
    return dsi_view3(p.rec, dsi_bad_part(p.rec, "row", 3, i, 1).at);
}

DSI_INLINE ds_var (ds_m)(ds_var33 p, size_t i, size_t j) /* row i, column j; errors: ARGUMENT, i or j */
{
    if (DSI_LIKELY(i < 3 && j < 3)) return dsi_view(p.rec, p.rec ? p.at + 3 * i + j : DSI_NOWHERE);
    return dsi_bad_part(p.rec, "m", 3, i < 3 ? j : i, 1);
}

/* Parts of a block are views, too. A part that is not there is an error of the tape: ARGUMENT, index
   first. */
DSI_INLINE ds_vars (ds_vars_slice)(ds_vars vars, size_t first, size_t n) /* entries first .. first + n - 1 */
{
    const int good = first <= vars.n && n <= vars.n - first;
    vars.at =
        DSI_LIKELY(good) ? vars.at + first : dsi_bad_part(vars.rec, "vars_slice", vars.n, first, n).at;
    vars.n = good ? n : 0;
    return vars;
}
DSI_INLINE ds_var (ds_vars_at)(ds_vars vars, size_t i)
{
    if (DSI_LIKELY(i < vars.n)) return dsi_view(vars.rec, vars.at + i);
    return dsi_bad_part(vars.rec, "vars_at", vars.n, i, 1);
}
DSI_INLINE ds_var3 (ds_vars_at3)(ds_vars vars, size_t i) /* entries 3i, 3i + 1, 3i + 2 as a point */
{
    if (DSI_LIKELY(i < vars.n && 3 * i + 2 < vars.n)) return dsi_view3(vars.rec, vars.at + 3 * i);
    return dsi_view3(vars.rec, dsi_bad_part(vars.rec, "vars_at3", vars.n, i < vars.n ? 3 * i : i, 3).at);
}

/* Operations. One line each; values, derivatives and ties stand in the table of section 5. Comparisons
   give 1 or 0. */
DSI_RECORDS ds_var ds_neg(ds_var a);
DSI_RECORDS ds_var ds_abs(ds_var a);
DSI_RECORDS ds_var ds_sign(ds_var a); /* no derivative */
DSI_RECORDS ds_var ds_floor(ds_var a); /* no derivative */
DSI_RECORDS ds_var ds_stop_gradient(ds_var a); /* a, with derivative zero on purpose */
DSI_RECORDS ds_var ds_sqrt(ds_var a);
DSI_RECORDS ds_var ds_safe_sqrt(ds_var a); /* sqrt(max(a, 0)); derivative 0 for a <= 0 */
DSI_RECORDS ds_var ds_cbrt(ds_var a);
DSI_RECORDS ds_var ds_rsqrt(ds_var a); /* 1 / sqrt(a) */
DSI_RECORDS ds_var ds_square(ds_var a);
DSI_RECORDS ds_var ds_recip(ds_var a); /* 1 / a */
DSI_RECORDS ds_var ds_exp(ds_var a);
DSI_RECORDS ds_var ds_expm1(ds_var a); /* exp(a) - 1 */
DSI_RECORDS ds_var ds_log(ds_var a);
DSI_RECORDS ds_var ds_log1p(ds_var a); /* log(1 + a) */
DSI_RECORDS ds_var ds_sin(ds_var a);
DSI_RECORDS ds_var ds_cos(ds_var a);
DSI_RECORDS ds_var ds_tan(ds_var a);
DSI_RECORDS ds_var ds_asin(ds_var a);
DSI_RECORDS ds_var ds_acos(ds_var a);
DSI_RECORDS ds_var ds_atan(ds_var a);
DSI_RECORDS ds_var ds_sinh(ds_var a);
DSI_RECORDS ds_var ds_cosh(ds_var a);
DSI_RECORDS ds_var ds_tanh(ds_var a);
DSI_RECORDS ds_var ds_sigmoid(ds_var a); /* 1 / (1 + exp(-a)), without overflow */
DSI_RECORDS ds_var ds_softplus(ds_var a); /* log(1 + exp(a)), without overflow */
DSI_RECORDS ds_var ds_erf(ds_var a);
DSI_RECORDS ds_var ds_relu(ds_var a); /* max(a, 0); derivative 0 at 0 */
DSI_RECORDS ds_var ds_smooth_step(ds_var a); /* 6 t^5 - 15 t^4 + 10 t^3, t = a clamped to [0, 1] */
DSI_RECORDS ds_var ds_add(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_sub(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_mul(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_div(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_min(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_max(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_pow(ds_var a, ds_var b); /* a < 0 needs a constant integer b */
DSI_RECORDS ds_var ds_powi(ds_var a, ds_var b); /* b = ds_c(an integer); no derivative by b */
DSI_RECORDS ds_var ds_hypot(ds_var a, ds_var b); /* sqrt(a^2 + b^2) without overflow */
DSI_RECORDS ds_var ds_atan2(ds_var a, ds_var b); /* angle of the point (b, a) */
DSI_RECORDS ds_var ds_safe_norm(ds_var a, ds_var b); /* sqrt(a^2 + b^2); derivative 0 at the origin */
DSI_RECORDS ds_var ds_safe_div(ds_var a, ds_var b); /* a / b; for b = 0 it is 0 with derivative 0 */
/* a; its adjoint is clipped to [-|b|, |b|] on the way back. What arrives behind is no derivative, but keeps
   long rollouts from exploding. Tangents pass unclipped. */
DSI_RECORDS ds_var ds_clip_gradient(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_smooth_abs(ds_var a, ds_var b); /* sqrt(a^2 + b^2): |a| rounded over the width b > 0 */
DSI_RECORDS ds_var ds_lt(ds_var a, ds_var b); /* comparisons: no derivative; ds_select needs none */
DSI_RECORDS ds_var ds_le(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_gt(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_ge(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_eq(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_ne(ds_var a, ds_var b);
DSI_RECORDS ds_var ds_fma(ds_var a, ds_var b, ds_var c); /* a b + c in two roundings, everywhere */
DSI_RECORDS ds_var ds_clamp(ds_var a, ds_var b, ds_var c); /* a between b and c, b <= c */
DSI_RECORDS ds_var ds_select(ds_var a, ds_var b, ds_var c); /* a != 0 ? b : c, and so the gradient */
DSI_RECORDS ds_var ds_smooth_min(ds_var a, ds_var b, ds_var c); /* -log(exp(-c a) + exp(-c b)) / c, c > 0 */
DSI_RECORDS ds_var ds_smooth_max(ds_var a, ds_var b, ds_var c); /* log(exp(c a) + exp(c b)) / c */

DSI_RECORDS ds_var3 ds_pack3(ds_var a, ds_var b, ds_var c); /* (a, b, c); at least one is not a constant */
DSI_RECORDS ds_var3 ds_neg3(ds_var3 a);
DSI_RECORDS ds_var3 ds_add3(ds_var3 a, ds_var3 b);
DSI_RECORDS ds_var3 ds_sub3(ds_var3 a, ds_var3 b);
DSI_RECORDS ds_var3 ds_scale3(ds_var3 a, ds_var b);
DSI_RECORDS ds_var3 ds_axpy3(ds_var a, ds_var3 b, ds_var3 c); /* a b + c */
DSI_RECORDS ds_var3 ds_naxpy3(ds_var a, ds_var3 b, ds_var3 c); /* c - a b */
DSI_RECORDS ds_var3 ds_lerp3(ds_var3 a, ds_var3 b, ds_var c); /* a + c (b - a) */
DSI_RECORDS ds_var ds_dot3(ds_var3 a, ds_var3 b);
DSI_RECORDS ds_var3 ds_cross3(ds_var3 a, ds_var3 b);
DSI_RECORDS ds_var ds_norm3(ds_var3 a); /* sqrt(a.a); no derivative at 0: the error names it */
DSI_RECORDS ds_var ds_safe_norm3(ds_var3 a); /* sqrt(a.a); derivative 0 at 0 */
DSI_RECORDS ds_var ds_smooth_norm3(ds_var3 a, ds_var b); /* sqrt(a.a + b^2): smooth for b != 0 */
DSI_RECORDS ds_var3 ds_normalize3(ds_var3 a);
DSI_RECORDS ds_var3 ds_safe_normalize3(ds_var3 a); /* 0 with derivative 0 at 0 */
DSI_RECORDS ds_var4 ds_pack4(ds_var a, ds_var3 b); /* quaternion: scalar part a, vector part b */
DSI_RECORDS ds_var3 ds_rotate3(ds_var4 a, ds_var3 b); /* by the unit quaternion a */
DSI_RECORDS ds_var33 ds_pack33(ds_var3 a, ds_var3 b, ds_var3 c); /* matrix of three rows */
DSI_RECORDS ds_var33 ds_columns33(ds_var3 a, ds_var3 b, ds_var3 c); /* matrix of three columns */
DSI_RECORDS ds_var33 ds_neg33(ds_var33 a);
DSI_RECORDS ds_var33 ds_add33(ds_var33 a, ds_var33 b);
DSI_RECORDS ds_var33 ds_sub33(ds_var33 a, ds_var33 b);
DSI_RECORDS ds_var33 ds_scale33(ds_var33 a, ds_var b);
DSI_RECORDS ds_var33 ds_shift33(ds_var33 a, ds_var b); /* a + b I */
DSI_RECORDS ds_var33 ds_mul33(ds_var33 a, ds_var33 b);
DSI_RECORDS ds_var33 ds_transpose33(ds_var33 a);
DSI_RECORDS ds_var ds_trace33(ds_var33 a);
DSI_RECORDS ds_var ds_ddot33(ds_var33 a, ds_var33 b); /* a : b = tr(a' b) */
DSI_RECORDS ds_var ds_det33(ds_var33 a);
DSI_RECORDS ds_var33 ds_cofactor33(ds_var33 a); /* det(a) a^-T, for singular a, too */
DSI_RECORDS ds_var33 ds_inverse33(ds_var33 a); /* not finite if det(a) is 0: the error names it */
DSI_RECORDS ds_var33 ds_outer33(ds_var3 a, ds_var3 b); /* a b' */
DSI_RECORDS ds_var3 ds_matvec3(ds_var33 a, ds_var3 b);
DSI_RECORDS ds_var3 ds_tmatvec3(ds_var33 a, ds_var3 b); /* a' b */

/* column j, copied out by a pack3 node. Errors: ARGUMENT, index j */
DIFFSIM_API ds_var3 ds_column(ds_var33 a, size_t j);

/* Rotation, stretch, eigenvalues of a 3x3 matrix: one node each, values by ds_m3_polar, ds_m3_symmetric_eigen
   and ds_m3_svd, derivatives of every order from the equations that the results fulfil, never through the
   iterations.
   ds_polar33: the rotation R nearest to a = R S. No derivative exists where two singular values sum to 0 (a
   squeezed flat in two directions, or inverted at its smallest stretch): there and within 8 units of rounding
   of it that sum counts as 8 units of rounding of tr S; at a = 0 the derivative is 0.
   ds_stretch33: tr S, so that |a - R|^2 = a : a - 2 tr S + 3: cheaper than through R.
   ds_symmetric_eigen33: of (a + a') / 2 = v diag(w) v'. ds_svd33: a = u diag(s) v'. Any result may be NULL.
   Equal values have a derivative only if it counts for nothing in f; else ds_backward says NON_FINITE with
   the name: u and v where two values are equal (of ds_svd33: or sum to 0), and second derivatives of w, s
   there. */
DIFFSIM_API ds_var33 ds_polar33(ds_var33 a);
DIFFSIM_API ds_var ds_stretch33(ds_var33 a);
DIFFSIM_API void ds_symmetric_eigen33(ds_var33 a, ds_var3 *w, ds_var33 *v);
DIFFSIM_API void ds_svd33(ds_var33 a, ds_var33 *u, ds_var3 *s, ds_var33 *v);

/* 2x2 matrices are four numbers, row-major; these functions record a few scalar operations each. out may be
   an operand. polar22: the rotation nearest to a, ((a0 + a3, a1 - a2), (a2 - a1, a0 + a3)) normalised, of
   which the length is the stretch, the trace of what is left; where that is 0, the identity with derivative
   0. */
DIFFSIM_API void ds_mul22(const ds_var a[4], const ds_var b[4], ds_var out[4]);
DIFFSIM_API ds_var ds_det22(const ds_var a[4]);
DIFFSIM_API void ds_inverse22(const ds_var a[4], ds_var out[4]);
DIFFSIM_API void ds_polar22(const ds_var a[4], ds_var out[4]);
DIFFSIM_API ds_var ds_stretch22(const ds_var a[4]);

/* One node for a whole list, summed in order. x, a, b: [n] variables of one tape or constants; w: [n]
   finite numbers. */
DIFFSIM_API ds_var ds_sum(const ds_var *x, size_t n);
DIFFSIM_API ds_var ds_weighted_sum(const ds_real *w, const ds_var *x, size_t n);
DIFFSIM_API ds_var ds_dot(const ds_var *a, const ds_var *b, size_t n);
DIFFSIM_API ds_var3 ds_sum3(const ds_var3 *x, size_t n); /* n >= 1 */
DIFFSIM_API ds_var3 ds_weighted_sum3(const ds_real *w, const ds_var3 *x, size_t n); /* n >= 1 */

/* Blocks: dot product, w x + b (w row-major [b.n][x.n]), tanh of each. Errors: ARGUMENT when sizes do not
   fit. */
DIFFSIM_API ds_var ds_vars_dot(ds_vars a, ds_vars b);
DIFFSIM_API ds_vars ds_affine(ds_vars w, ds_vars x, ds_vars b);
DIFFSIM_API ds_vars ds_vars_tanh(ds_vars x);

/* the long way: any operands, any state of the recorder; what the inlined functions fall back to */
DIFFSIM_API ds_var dsi_record(unsigned op, ds_var a, ds_var b, ds_var c);

/* >>api 7 kernels ---------------------------------------------------------------------------------

   A kernel is a program for one lane, recorded once and run over many: springs, tetrahedra, cells of a grid.
   Its body is C that calls the operations of section 6 on numbers loaded from arrays; it runs once, to be
   recorded. Derivatives of kernels are kernels: they simplify, run, print and differentiate like any other.

       ds_kernel *k = ds_kernel_begin(NULL, "spring_force");
       ds_arg edge = ds_arg_index(k, "edge", 2), x = ds_arg_in(k, "x", 3), rest = ds_arg_in(k, "rest", 1);
       ds_arg force = ds_arg_sum(k, "force", 3);
       ds_index s = ds_lane(k), i = ds_load_index(edge, s, 0), j = ds_load_index(edge, s, 1);
       ds_var3 xi = ds_load3(x, i), xj = ds_load3(x, j), d = ds_sub3(xj, xi);
       ds_var l = ds_safe_norm3(d), r = ds_load(rest, s), f = ds_sub(l, r);
       ds_var3 g = ds_scale3(d, ds_div(f, l));
       ds_add_at3(force, i, g);
       ds_add_at3(force, j, ds_neg3(g));
       if (ds_kernel_end(k)) puts(ds_kernel_error(k)->text);

       ds_array args[] = { edges, positions, lengths, forces };
       ds_launch(runner, k, n_springs, args, 4);

   What an argument is used for is declared, so that races are refused when they are recorded: what is summed
   into or written is not read, no element is written twice by a lane. Indices (ds_index) and numbers (ds_var)
   are distinct; indices carry no derivative. Variables of a kernel have no values: ds_value, ds_branch and
   ds_backward refuse them. Branches and loops of C run while recording; ds_select chooses in each lane.
   Custom nodes and checkpoints are refused; ds_polar33 and its kin are called lane by lane, and make no
   index.

   Sums have the order of the plain loop, lane by lane, statement by statement; those into an element that is
   the same for all lanes go by chunks of 4096 lanes. Either way the bits are the same for every width of
   block, number of threads and machine. Errors stick to the kernel; ds_kernel_end returns the first. */

typedef struct ds_kernel ds_kernel;
typedef struct ds_arg { ds_kernel *kernel; size_t at; } ds_arg;
typedef struct ds_index { ds_kernel *kernel; int64_t at; } ds_index; /* without a kernel: the number at */

/* {0}: on the heap, silent, lanes in one dimension. rank: 1 to 3 dimensions of lanes; 0 means 1. */
typedef struct ds_kernel_desc {
    ds_allocator allocator;
    ds_logger log;
    size_t rank;
} ds_kernel_desc;

/* Life. begin: NULL if there is no memory or the desc is bad. end: the body is complete; derivatives and
   launches come after it. The name is copied, at most 47 characters. */
DIFFSIM_API ds_kernel *ds_kernel_begin(const ds_kernel_desc *desc, const char *name); /* NULL means {0} */
/* a second time: ORDER, and the kernel stays as it is; what makes a kernel of others has ended it */
DIFFSIM_API ds_result ds_kernel_end(ds_kernel *kernel);
DIFFSIM_API void ds_kernel_destroy(ds_kernel *kernel); /* NULL is fine */
DIFFSIM_API const ds_error *ds_kernel_error(const ds_kernel *kernel);

/* Arguments, in the order in which a launch passes their arrays. components: numbers per element, 1 to 4096.
   in: read. out: written, each element at most once in a launch. sum: added to. update: one element per lane,
   read and written at the lane's own index. index: integers, read. scalar: one number for all lanes. */
DIFFSIM_API ds_arg ds_arg_in(ds_kernel *kernel, const char *name, size_t components);
DIFFSIM_API ds_arg ds_arg_out(ds_kernel *kernel, const char *name, size_t components);
DIFFSIM_API ds_arg ds_arg_sum(ds_kernel *kernel, const char *name, size_t components);
DIFFSIM_API ds_arg ds_arg_update(ds_kernel *kernel, const char *name, size_t components);
DIFFSIM_API ds_arg ds_arg_index(ds_kernel *kernel, const char *name, size_t components);
DIFFSIM_API ds_var ds_scalar(ds_kernel *kernel, const char *name); /* ds_load(ds_arg_in(k, name, 1), 0) */
DIFFSIM_API ds_index ds_index_scalar(ds_kernel *kernel, const char *name);

/* Indices. ds_lane counts from 0 over all lanes, ds_lane_axis along one axis (0, the slowest, to rank - 1),
   ds_lanes is how many there are along it. ds_i(3) is the constant 3. Division rounds down, mod has the sign
   of the divisor, both are 0 for a divisor of 0; comparisons give 1 or 0; select is a != 0 ? b : c. */
DIFFSIM_API ds_index ds_lane(ds_kernel *kernel);
DIFFSIM_API ds_index ds_lane_axis(ds_kernel *kernel, size_t axis);
DIFFSIM_API ds_index ds_lanes(ds_kernel *kernel, size_t axis);
DIFFSIM_API ds_index ds_load_index(ds_arg arg, ds_index element, size_t component);
DIFFSIM_API ds_index ds_floor_index(ds_var number); /* the largest integer not above it; no derivative */
DIFFSIM_API ds_var ds_index_number(ds_kernel *kernel, ds_index index); /* as a number, derivative 0 */
DSI_INLINE ds_index ds_i(int64_t number)
{
    ds_index r;
    r.kernel = NULL;
    r.at = number;
    return r;
}
DIFFSIM_API ds_index ds_index_add(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_sub(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_mul(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_div(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_mod(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_min(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_max(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_lt(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_le(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_eq(ds_index a, ds_index b);
DIFFSIM_API ds_index ds_index_select(ds_index a, ds_index b, ds_index c);
DIFFSIM_API ds_index ds_index_clamp(ds_index a, ds_index low, ds_index high); /* min(max(a, low), high) */

/* Loads of element `element`: its number 0, number `component`, or its first 3 or 9 numbers. */
DIFFSIM_API ds_var ds_load(ds_arg arg, ds_index element);
DIFFSIM_API ds_var ds_load_part(ds_arg arg, ds_index element, size_t component);
DIFFSIM_API ds_var3 ds_load3(ds_arg arg, ds_index element);
DIFFSIM_API ds_var33 ds_load33(ds_arg arg, ds_index element);
/* What happens to arrays: store into out and update, add to sum. */
DIFFSIM_API void ds_store(ds_arg arg, ds_index element, ds_var number);
DIFFSIM_API void ds_store_part(ds_arg arg, ds_index element, size_t component, ds_var number);
DIFFSIM_API void ds_store3(ds_arg arg, ds_index element, ds_var3 vector);
DIFFSIM_API void ds_add_at(ds_arg arg, ds_index element, ds_var number);
DIFFSIM_API void ds_add_part(ds_arg arg, ds_index element, size_t component, ds_var number);
DIFFSIM_API void ds_add_at3(ds_arg arg, ds_index element, ds_var3 vector);

/* Derivatives are new kernels, made from one that has ended. by: names of in and update arguments, separated
   by blanks; NULL: all of them. Arguments of the new kernel: those of the old one, then as many again, named
   x_bar or x_dot (x_bar2 if x_bar is one of the old); what the new kernel has no use for is of kind none, and
   its array is not looked at.

   adjoint: reads y_bar of each result y, adds to x_bar of each x in `by`; an update x has x_bar as an update:
   what the lane read of it is replaced by the adjoint of what it read.
   tangent: reads x_dot for each x in `by`, writes or adds to y_dot of each result. Results themselves are
   computed by neither.
   NULL if there is no memory for a kernel; else ask ds_kernel_error: NOT_DIFFERENTIABLE names the operation.
       */
DIFFSIM_API ds_kernel *ds_kernel_adjoint(const ds_kernel *kernel, const char *by);
DIFFSIM_API ds_kernel *ds_kernel_tangent(const ds_kernel *kernel, const char *by);

/* Per lane: the numbers that a lane loads from the arguments in `by` are its n coordinates, in the order of
   loading; of an energy that is the sum of what the kernel stores or adds, gradient writes n numbers to a new
   last argument "gradient", hessian writes n (n + 1) / 2 more to "hessian": the upper half, row by row. */
DIFFSIM_API ds_kernel *ds_kernel_gradient(const ds_kernel *kernel, const char *by);
DIFFSIM_API ds_kernel *ds_kernel_hessian(const ds_kernel *kernel, const char *by);

/* A recorded tape as a kernel: lane by lane, element e of the argument "in" gives the n_in inputs, leaves of
   the tape, and element e of "out" gets the n_out outputs. All other leaves are constants. The tape must be
   one that can be replayed, without branches, custom nodes and checkpoints; it stays as it is. */
DIFFSIM_API ds_kernel *ds_kernel_from_tape(ds_tape *tape, const char *name, const ds_var *in, size_t n_in,
                                           const ds_var *out, size_t n_out);

/* Two kernels over the same lanes as one: each lane does the first, then the second; numbers in between stay
   in
   registers. Arguments of the same name are one argument; the others follow in their order. What the second
   loads from a result of the first is the number that the same lane has stored there, at the same index; any
   other way of meeting is refused as a RACE. */
DIFFSIM_API ds_kernel *ds_kernel_fuse(const ds_kernel *first, const ds_kernel *second);

/* What became of the body. operations: arithmetic per lane when run, loads and stores not counted; recorded:
   nodes before simplification; slots: numbers that live at once; loads,
       stores: numbers per lane; hash: of the
   program, the same on every machine. */
typedef struct ds_kernel_info {
    size_t args, recorded, operations, slots, loads, stores, index_operations;
    size_t bytes_per_lane, flops_per_lane;
    uint64_t hash;
} ds_kernel_info;
DIFFSIM_API ds_kernel_info ds_kernel_get_info(const ds_kernel *kernel);
DIFFSIM_API size_t ds_kernel_report(const ds_kernel *kernel, char *text, size_t bytes); /* as sentences */

/* Arrays are the caller's memory. Number c of element e is at data[e * stride + c * pitch]; stride 0 means
   components, pitch 0 means 1. So { p, n, 3 } is xyzxyz..., and { p, n, 3, 1, n } is xx..yy..zz.. */
typedef enum ds_array_type { DSIM_ARRAY_REAL, DSIM_ARRAY_DOUBLE, DSIM_ARRAY_FLOAT,
    DSIM_ARRAY_INT32 } ds_array_type;
typedef struct ds_array {
    void *data;
    size_t n, components; /* elements; numbers of each */
    size_t stride, pitch; /* in numbers */
    ds_array_type type;
    uint64_t id; /* of an index array: yours, another one whenever its contents change; 0: none */
} ds_array;
DIFFSIM_API ds_array ds_array_reals(const ds_real *data, size_t n, size_t components);
DIFFSIM_API ds_array ds_array_indices(const int32_t *data, size_t n, size_t components);

/* A kernel as C. ds_kernel_print_c writes a source file, to be kept beside the program and included behind
   this header: a function over lanes, and a constant <name>_printed for ds_runner_desc.printed. A runner then
   calls that function wherever it would interpret the same kernel; the bits are the same, and what surrounds
   it (arrays, bounds, the order of sums) stays the runner's. Text of a kernel that has changed since is
   ignored; ds_runner_printed tells. Returns the length of the whole text, as snprintf does, however much of
   it had room; 0: the kernel has an error or more than 4000 operations. ds_polar33 and its kin bring the code
   of their decomposition along, as functions dsp_* (in CUDA dsc_*) that all texts in a source file share. */
typedef void ds_printed_fn(size_t n, const ds_real *const *in, const ds_real *uniforms, ds_real *const *out,
                           int adds);
typedef struct ds_printed_kernel {
    uint64_t hash;
    unsigned real_bytes, format;
    const char *name;
    ds_printed_fn *fn; /* n: a multiple of 16; in [loads][n]; out [effects][n]: values, or what gains them */
} ds_printed_kernel;
DIFFSIM_API size_t ds_kernel_print_c(const ds_kernel *kernel, char *text, size_t bytes);
/* The same for CUDA, on its own: __global__ void <name>_cuda(ds_cuda_launch launch), a thread for each lane.
   It checks no index and adds with atomicAdd, so sums are in any order. 0: also for over 32 arguments. */
DIFFSIM_API size_t ds_kernel_print_cuda(const ds_kernel *kernel, char *text, size_t bytes);

/* A runner executes kernels: it owns the scratch memory, and nothing of the caller's. One launch at a time.
   width: lanes of a block, 0: chosen by the working set. jobs: a launch of many lanes runs in parts, one for
   each worker (at most 64), with the same bits. Parts share out the elements of sums and repeat the blocks
   that several of them add to: where neighbouring lanes add far apart, that is most of the work. printed
   [n_printed] is not copied. */
typedef struct ds_runner ds_runner;
typedef struct ds_runner_desc {
    ds_allocator allocator;
    ds_logger log;
    ds_jobs jobs;
    size_t width;
    /* before anything is written, look for elements written twice and numbers that are not finite */
    int validate;
    const ds_printed_kernel *const *printed;
    size_t n_printed;
} ds_runner_desc;
DIFFSIM_API ds_runner *ds_runner_create(const ds_runner_desc *desc); /* NULL means {0} */
DIFFSIM_API void ds_runner_destroy(ds_runner *runner); /* NULL is fine */
DIFFSIM_API const ds_error *ds_runner_error(const ds_runner *runner); /* of the last launch */
DIFFSIM_API const char *ds_runner_printed(const ds_runner *runner); /* did it run printed text? why not? */

/* Runs all lanes. Sizes and types of the arrays, and every index that a lane will use, are checked before
   anything is written: on error the arrays are as they were. index of the error: the argument,
       or the lane. */
DIFFSIM_API ds_result ds_launch(ds_runner *runner, const ds_kernel *kernel, size_t lanes,
                                const ds_array *args,
                                size_t n_args);
DIFFSIM_API ds_result ds_launch_grid(ds_runner *runner, const ds_kernel *kernel, const size_t *lanes,
                                     const ds_array *args, size_t n_args); /* lanes [rank] */

/* Programs that simulators share: recorded with the operations above, so derivatives come with those.

   Splines. The weights w of a position x on the knots base, base + 1, ... at the integers: they sum to 1, and
   the knots weighted by them to x. Returns the base. The derivative of the weights is that by fx = x - base,
   in a kernel ds_sub(x, ds_index_number(kernel, base)); the base has derivative 0. The forms that take fx
   have no index and work on a tape, too.

       2   base = floor(x - 1/2), 1/2 <= fx < 3/2:   (3/2 - fx)^2 / 2,   3/4 - (fx - 1)^2,   (fx - 1/2)^2 / 2
       3   base = floor(x) - 1,   1 <= fx < 2, with s = 2 - fx, t = fx - 1:
           s^3 / 6,   2/3 - t^2 + t^3 / 2,   2/3 - s^2 + s^3 / 2,   t^3 / 6

   From: Stomakhin et al. 2013 (cubic); Jiang et al. 2016, the material point method course (both). */
DIFFSIM_API ds_index ds_bspline2(ds_var x, ds_var w[3]);
DIFFSIM_API ds_index ds_bspline3(ds_var x, ds_var w[4]);
DIFFSIM_API void ds_bspline2_weights(ds_var fx, ds_var w[3]);
DIFFSIM_API void ds_bspline3_weights(ds_var fx, ds_var w[4]);

/* Grids. The cells of a grid are elements of an argument, row by row: cell (i, j, k) of n[0] x n[1] x n[2] is
   element (i n[1] + j) n[2] + k. Lengths are in cells: for a spacing h divide slopes by h, a Laplacian by
   h^2. Walls, per axis: beyond is what the last cell before it holds (CLAMP: no flux through a wall half a
   cell behind the last ones), or the grid begins anew (PERIODIC). Errors stick to the kernel: ARGUMENT for
   a rank that is not 1, 2 or 3. */
typedef enum ds_wall { DSIM_WALL_CLAMP, DSIM_WALL_PERIODIC } ds_wall;
typedef struct ds_grid {
    size_t rank; /* axes */
    ds_index n[3]; /* cells along each: a constant, ds_lanes or ds_index_scalar */
    ds_wall wall[3];
} ds_grid;
DIFFSIM_API ds_grid ds_grid_make(size_t rank, const ds_index *n, ds_wall wall); /* n [rank] */
DIFFSIM_API ds_grid ds_grid_of_lanes(ds_kernel *kernel, ds_wall wall); /* one lane is one cell */

/* the element of cell i [rank], which may lie behind the walls */
DIFFSIM_API ds_index ds_grid_at(const ds_grid *grid, const ds_index *i);

/* A number of the grid at position x [rank], linear between cells, which lie at integer positions: of 2, 4
   or 8 cells, a + t (b - a) along the last axis, then along the one before. A field that is constant or
   linear is met but for rounding. x may lie far behind the walls. Differentiable by the field, a scatter-add,
   and by x: at a cell's own position the slope is that towards larger x, behind a CLAMP wall it is 0. */
DIFFSIM_API ds_var ds_grid_sample(ds_arg field, size_t component, const ds_grid *grid, const ds_var *x);

/* Central differences at cell i [rank], which is inside. With f+ and f- the neighbours along an axis:
       laplacian    sum over the axes of f+ + f-, minus 2 rank f
       gradient     slope[axis] = (f+ - f-) / 2
       divergence   sum over the axes of (f+ - f-) / 2, f the component of that number along that axis */
DIFFSIM_API ds_var ds_grid_laplacian(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i);
DIFFSIM_API void ds_grid_gradient(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i,
                                  ds_var *slope); /* [rank] */
DIFFSIM_API ds_var ds_grid_divergence(ds_arg field, const ds_grid *grid, const ds_index *i);

/* Reductions as kernels, one lane per element: arguments "a", "b" if there are two, and "total", a sum of one
   component that gains the terms of all components (set it to 0 before).
   One row: name, arguments, term of the numbers a and b and of how many there are, what it is. */
#define DSI_REDUCTIONS(DSI_ROW) \
    DSI_ROW(SUM, 1, a, "sum of a") \
    DSI_ROW(MEAN, 1, ds_div(a, count), "mean of a") \
    DSI_ROW(SQUARES, 1, ds_square(a), "squared norm: sum of a^2") \
    DSI_ROW(DOT, 2, ds_mul(a, b), "dot product, sum of a with weights b") \
    DSI_ROW(DISTANCE, 2, ds_square(ds_sub(a, b)), "sum of (a - b)^2") \
    DSI_ROW(WEIGHTED_SQUARES, 2, ds_mul(b, ds_square(a)), "sum of b a^2")
typedef enum ds_reduction {
#define DSI_ROW(NAME, n_args, term, sentence) DSIM_REDUCTION_##NAME,
    DSI_REDUCTIONS(DSI_ROW)
#undef DSI_ROW
    DSIM_REDUCTION_COUNT
} ds_reduction;
DIFFSIM_API ds_kernel *ds_kernel_reduction(const ds_kernel_desc *desc, ds_reduction what, size_t components);

/* Arrays at once, on the spot: all numbers of an array of any type and layout, element by element, in double.
   A NaN in it stays. NaN: the array is NULL or bad, or sizes differ. Of no numbers the sum is 0, the minimum
   infinity, the maximum -infinity.

   smooth_max: log(sum of exp(c a)) / c with the sharpness c > 0, from the maximum to log(n) / c above it,
   without overflow. Its derivative by a number a is exp(c (a - v)), v the value: shares that sum to 1. vjp
   adds v_bar times that to a_bar, an array of the same size, not of integers. Errors: ARGUMENT; NON_FINITE,
   nothing is added. The plain maximum and minimum have no derivative. */
DIFFSIM_API double ds_array_sum(const ds_array *a);
DIFFSIM_API double ds_array_dot(const ds_array *a, const ds_array *b);
DIFFSIM_API double ds_array_min(const ds_array *a);
DIFFSIM_API double ds_array_max(const ds_array *a);
DIFFSIM_API double ds_array_smooth_max(const ds_array *a, double sharpness);
DIFFSIM_API ds_result ds_array_smooth_max_vjp(const ds_array *a, double sharpness, double v_bar,
                                              const ds_array *a_bar);

/* >>api 15 learning -------------------------------------------------------------------------------

   Small steps along gradients that are noisy or many. The state is a block of the caller's without any
   pointer in it: its bytes, copied, go on with the same bits.

   A step: the gradient is changed to that of log x where wanted, clipped, turned into a change by the rule,
   scaled by learning rate and schedule, and the parameters are put back between their bounds. */

/* Rules. One row: name, change per unit of learning rate, what it is; g is the gradient, x the parameter,
   m and s its two numbers of state. */
#define DSI_OPTIMIZERS(DSI_ROW) \
    DSI_ROW(ADAM, dsi_adam(o, g, m, s), "Adam: Kingma and Ba 2015") \
    DSI_ROW(ADAMW, dsi_adam(o, g, m, s) + dsi_times(o->d.weight_decay, x), \
            "Adam, x decays beside the gradient: Loshchilov and Hutter 2019") \
    DSI_ROW(DESCENT, g, "gradient descent") \
    DSI_ROW(MOMENTUM, dsi_velocity(o, g, m), "m = momentum m + g, x -= rate m: Polyak 1964") \
    DSI_ROW(NESTEROV, g + dsi_times(o->d.momentum, dsi_velocity(o, g, m)), \
            "m as above, x -= rate (g + momentum m): Sutskever et al. 2013")
typedef enum ds_optimizer_rule {
#define DSI_ROW(NAME, change, sentence) DSIM_OPTIMIZER_##NAME,
    DSI_OPTIMIZERS(DSI_ROW)
#undef DSI_ROW
    DSIM_OPTIMIZER_COUNT
} ds_optimizer_rule;

/* Schedules. One row: name, factor of the learning rate; part is steps done / period, down a factor, to the
   factor at the end. After the period COSINE stays there, STEP and EXPONENTIAL go on. */
#define DSI_SCHEDULES(DSI_ROW) \
    DSI_ROW(CONSTANT, 1.0) \
    DSI_ROW(STEP, dsi_double_pow(down, floor(part))) \
    DSI_ROW(EXPONENTIAL, dsi_double_pow(down, part)) \
    DSI_ROW(COSINE, to + dsi_times(1 - to, \
                                   0.5 + 0.5 * dsi_double_cos(3.141592653589793 * (part < 1 ? part : 1))))
typedef enum ds_schedule_kind {
#define DSI_ROW(NAME, factor) DSIM_SCHEDULE_##NAME,
    DSI_SCHEDULES(DSI_ROW)
#undef DSI_ROW
    DSIM_SCHEDULE_COUNT
} ds_schedule_kind;
typedef struct ds_schedule {
    ds_schedule_kind kind;
    uint64_t warm_up; /* first so many steps: factor 1/warm_up, 2/warm_up, ...; then the period */
    uint64_t period; /* steps. 0: 1000 */
    double down; /* STEP, EXPONENTIAL: factor per period. 0: 0.1 */
    double to; /* COSINE */
} ds_schedule;
DIFFSIM_API double ds_schedule_factor(const ds_schedule *schedule, uint64_t step); /* 0: the first step */

typedef struct ds_optimizer_desc {
    ds_optimizer_rule rule;
    double learning_rate; /* 0: 1e-3 */
    double momentum; /* MOMENTUM, NESTEROV. 0: 0.9 */
    double beta1, beta2, epsilon; /* ADAM, ADAMW. 0: 0.9, 0.999, 1e-8 */
    double weight_decay; /* ADAMW */
    double clip_value, clip_norm; /* largest |entry|, then largest Euclidean length of the gradient. 0: any */
    ds_schedule schedule;
    const ds_real *lower, *upper; /* [n] or NULL: copied */
    const unsigned char *logarithmic; /* [n] or NULL: not 0 where log x is what moves (x > 0): copied */
} ds_optimizer_desc;

typedef struct ds_optimizer ds_optimizer;

/* State in the caller's memory, aligned for any type. init: NULL if bytes is less than ds_optimizer_bytes(n),
   or the desc is bad: numbers not finite or negative, betas or momentum not below 1, bounds crossed. */
DIFFSIM_API size_t ds_optimizer_bytes(size_t n); /* 0: too many */
DIFFSIM_API ds_optimizer *ds_optimizer_init(void *memory, size_t bytes, size_t n,
                                            const ds_optimizer_desc *desc);

/* x [n] moves by one step; grad [n]. A refused step changes nothing, the next may go well.
   Errors: ARGUMENT; NON_FINITE, with the entry of grad or x, or of what x would become. */
DIFFSIM_API ds_result ds_optimizer_step(ds_optimizer *optimizer, ds_real *x, const ds_real *grad);
DIFFSIM_API const ds_error *ds_optimizer_error(const ds_optimizer *optimizer); /* of the last step */
DIFFSIM_API uint64_t ds_optimizer_count(const ds_optimizer *optimizer); /* steps done */
DIFFSIM_API double ds_optimizer_rate(const ds_optimizer *optimizer); /* learning rate of the next step */

/* >>api 16 checks ---------------------------------------------------------------------------------

   A certificate for any derivative, from a tape, a kernel or your own hand, in one call and one sentence:

     ds_check_gradient   grad is the gradient of f: central differences and the Taylor test
     ds_check_hessian    Hv is the Hessian of f times v: differences of gradients, the Taylor test of second
                         order, linearity and symmetry
     ds_check_adjoint    the adjoint is the transpose of the tangent: the dot-product test, and linearity

   The functions must write all of what they return and give the same bits for the same input. An error of
   theirs ends the check. desc may be NULL. What is checked is not changed. All return report->result. */

/* What a gradient is meant to be. One row: name, sentence. The report says it beside the verdict, which is
   the same for all: against the function as it is computed. */
#define DSI_GRADIENT_LABELS(DSI_ROW) \
    DSI_ROW(EXACT, "the derivative of the function as it is computed") \
    DSI_ROW(SUBGRADIENT, "at a kink the derivative of one side, or one between both") \
    DSI_ROW(EVENT_CORRECTED, "the derivative of a motion whose events move in time, not of its time steps") \
    DSI_ROW(SMOOTHED, "the derivative of a smoother function in its place") \
    DSI_ROW(STRAIGHT_THROUGH, "a step, a clamp or a rounding is passed as if it were not there") \
    DSI_ROW(CLIPPED, "large parts are shortened on the way") \
    DSI_ROW(TRUNCATED, "parts are left out, such as early steps or the end of an iteration")
typedef enum ds_gradient_label {
#define DSI_ROW(NAME, sentence) DSIM_GRADIENT_##NAME,
    DSI_GRADIENT_LABELS(DSI_ROW)
#undef DSI_ROW
    DSIM_GRADIENT_LABEL_COUNT
} ds_gradient_label;
DIFFSIM_API const char *ds_gradient_label_name(ds_gradient_label label); /* "SMOOTHED"; never NULL */
DIFFSIM_API const char *ds_gradient_label_text(ds_gradient_label label); /* its sentence; never NULL */

typedef struct ds_check_desc {
    ds_allocator allocator; /* scratch: 5 n numbers, ds_check_hessian 8 n, ds_check_adjoint 5 of n or m */
    uint64_t seed; /* of the random directions */
    size_t max_entries; /* how many entries get a central difference; 0 means 1000, more are spread evenly */
    size_t directions; /* of ds_check_hessian and ds_check_adjoint; 0 means 4 */
    double step; /* relative step of the central differences; 0 means cbrt(epsilon) */
    /* relative to the largest entry; 0 means epsilon^(2/5): 5.5e-7, float 1.7e-3. ds_check_adjoint: relative
       to the sum of |products|; 0 means epsilon^(2/3): 3.7e-11, float 2.4e-5 */
    double tolerance;
    ds_gradient_label label;
} ds_check_desc;

enum { DSIM_CHECK_LEVELS = 16 };
typedef struct ds_check_report {
    ds_result result; /* DSIM_OK: the derivative fits */
    ds_gradient_label label; /* of the desc */
    double value; /* f(x) */
    /* Taylor test along a random direction p: remainder[k] = |f(x + h p) - f(x) - h g.p|, the larger one of h
       and -h, falls as h^slope; 2 means right, 1 means the gradient is wrong. ds_check_hessian takes away
       h^2/2 p.Hp, too, and each is one more. slope is NaN when the remainders are rounding noise (f is linear
       along p, or quadratic). */
    double steps[DSIM_CHECK_LEVELS], remainders[DSIM_CHECK_LEVELS], slope;
    double noise; /* remainders below this are rounding */
    /* central differences, step h max(1, |x_i|); ds_check_hessian: entries of H p and differences of
       gradients; ds_check_adjoint, if the products disagree: entries of J'y_bar and what the tangent says */
    size_t checked, worst_entry;
    double worst_gradient, worst_difference, worst_error; /* of that entry; |gradient - difference| / scale */
    double scale; /* the largest |entry| of gradient and differences, or change of it within a step */
    /* ds_check_gradient: how many of all entries are exactly 0; of those checked, how many though f changes
       there (missing, and the first of them), and how many where f does not change (flat) */
    size_t zeros, zeros_missing, first_missing, zeros_flat;
    /* <y_bar, J x_dot> and <J'y_bar, x_dot> of the first direction where they disagree, or of the worst;
       ds_check_hessian: <q, H p> and <H q, p>. error: relative to the larger sum of |products| */
    double dot_tangent, dot_adjoint, dot_error;
    char text[500]; /* the verdict in one sentence */
} ds_check_report;

/* Checks grad against f at x [n].
   Errors: ARGUMENT (another value for the same x, too), MEMORY, NON_FINITE (index in the text: not written is
   NaN), the function's own, WRONG_GRADIENT.
   From: Griewank and Walther 2008 (Taylor test); step sizes as in Press et al. 2007, sec. 5.7. */
DIFFSIM_API ds_result ds_check_gradient(ds_objective_fn *function, void *user, const ds_real *x, size_t n,
                                        const ds_check_desc *desc, ds_check_report *report);

/* Checks problem->hessian at x [n] against problem->objective and its gradient, which is taken to be right:
   run ds_check_gradient first. Bounds are not looked at. Errors: those of ds_check_gradient. */
DIFFSIM_API ds_result ds_check_hessian(const ds_problem *problem, const ds_real *x, const ds_check_desc *desc,
                                       ds_check_report *report);

/* A Jacobian J [m][n] by its products, at a point that `user` knows. tangent: out [m] = J in [n]; adjoint:
   out [n] = J' in [m]. Outputs are overwritten. */
typedef ds_result ds_linear_fn(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out);
typedef struct ds_jacobian {
    void *user; /* handed to both */
    size_t n, m;
    ds_linear_fn *tangent, *adjoint;
} ds_jacobian;

/* Checks that both are linear and <y_bar, J x_dot> = <J'y_bar, x_dot>, in random directions. It does not see
   what both have wrong: check one of them by differences (ds_check_gradient of a weighted sum of outputs).
   Errors: those of ds_check_gradient; WRONG_GRADIENT: not linear, or not each other's transpose. */
DIFFSIM_API ds_result ds_check_adjoint(const ds_jacobian *jacobian, const ds_check_desc *desc,
                                       ds_check_report *report);

#ifdef __cplusplus
}

/* C++: a desc by reference, so that a temporary may stand where C writes &(desc){ ... }:
   ds_tape_create(ds_tape_desc{}), since C++20 ds_tape_create({ .max_nodes = 1000 }). One row for each
   function that only reads its desc: result, name, parameters, what they become. (ds_custom keeps the
   address of its type, so it has none.) */
#ifdef DIFFSIM_THREADS
#define DSI_REFERENCES_THREADS(DSI_ROW) \
    DSI_ROW(ds_pool *, ds_pool_create, (size_t n_threads, const ds_allocator &allocator), \
            (n_threads, &allocator))
#else
#define DSI_REFERENCES_THREADS(DSI_ROW)
#endif
#define DSI_REFERENCES(DSI_ROW) \
    DSI_REFERENCES_THREADS(DSI_ROW) \
    DSI_ROW(void, ds_parallel_for, \
            (const ds_jobs &jobs, size_t n, size_t grain, ds_task_fn *fn, void *task), \
            (&jobs, n, grain, fn, task)) \
    DSI_ROW(void, ds_arena_create, (ds_arena *arena, const ds_allocator &allocator, size_t block_bytes), \
            (arena, &allocator, block_bytes)) \
    DSI_ROW(ds_result, ds_minimise, \
            (const ds_problem &problem, const ds_minimise_desc &desc, ds_real *x, \
             ds_minimise_report *report), \
            (&problem, &desc, x, report)) \
    DSI_ROW(size_t, ds_minimise_bytes, (const ds_problem &problem, const ds_minimise_desc &desc), \
            (&problem, &desc)) \
    DSI_ROW(ds_result, ds_covariance, \
            (const ds_problem &problem, const ds_minimise_desc &desc, const ds_real *x, ds_real *c), \
            (&problem, &desc, x, c)) \
    DSI_ROW(ds_tape *, ds_tape_create, (const ds_tape_desc &desc), (&desc)) \
    DSI_ROW(size_t, ds_tape_bytes, (const ds_tape_desc &desc), (&desc)) \
    DSI_ROW(ds_tape *, ds_tape_init, (void *memory, size_t bytes, const ds_tape_desc &desc), \
            (memory, bytes, &desc)) \
    DSI_ROW(ds_kernel *, ds_kernel_begin, (const ds_kernel_desc &desc, const char *name), (&desc, name)) \
    DSI_ROW(ds_kernel *, ds_kernel_reduction, \
            (const ds_kernel_desc &desc, ds_reduction what, size_t components), (&desc, what, components)) \
    DSI_ROW(ds_runner *, ds_runner_create, (const ds_runner_desc &desc), (&desc)) \
    DSI_ROW(double, ds_schedule_factor, (const ds_schedule &schedule, uint64_t step), (&schedule, step)) \
    DSI_ROW(ds_optimizer *, ds_optimizer_init, \
            (void *memory, size_t bytes, size_t n, const ds_optimizer_desc &desc), \
            (memory, bytes, n, &desc)) \
    DSI_ROW(ds_result, ds_check_gradient, \
            (ds_objective_fn *function, void *user, const ds_real *x, size_t n, const ds_check_desc &desc, \
             ds_check_report *report), \
            (function, user, x, n, &desc, report)) \
    DSI_ROW(ds_result, ds_check_hessian, \
            (const ds_problem &problem, const ds_real *x, const ds_check_desc &desc, \
             ds_check_report *report), \
            (&problem, x, &desc, report)) \
    DSI_ROW(ds_result, ds_check_adjoint, \
            (const ds_jacobian &jacobian, const ds_check_desc &desc, ds_check_report *report), \
            (&jacobian, &desc, report))
extern "C++" {
/* DSI_INLINE size_t (ds_tape_bytes)(const ds_tape_desc &desc) { return (ds_tape_bytes)(&desc); } */
#define DSI_ROW(type, name, parameters, arguments) \
    DSI_INLINE type (name) parameters { return (name) arguments; }
DSI_REFERENCES(DSI_ROW)
#undef DSI_ROW
}
#endif

/* >>api end */
#endif /* DIFFSIM_H */

/* What is inlined into user code: the table expanded as plain numbers, and the recording functions. Under
   DIFFSIM_NO_INLINE only the implementation sees it. */
#if (!defined(DIFFSIM_NO_INLINE) || (defined(DIFFSIM_IMPLEMENTATION) && !defined(DSI_IMPLEMENTED))) && \
    !defined(DSI_INLINE_PART)
#define DSI_INLINE_PART
#ifdef __cplusplus
extern "C" {
#endif

/* >>inline 5 ops ---------------------------------------------------------------------------------- */

/* The interpreter that is always in force: plain numbers. DSI_MUL(a, b) is dsi_mul(a, b), a function made
   from the row. So the row cos with the column DSI_NEG(DSI_MUL(g, DSI_SIN(a))) reads dsi_neg(dsi_mul(g,
   dsi_sin(a))). Section 5 of the implementation sets the same four macros to dual numbers for a while. */
#define DSI_1(name, x) dsi_##name(x)
#define DSI_2(name, x, y) dsi_##name(x, y)
#define DSI_3(name, x, y, z) dsi_##name(x, y, z)
#define DSI_K(number) ((ds_real)(number))
#define DSI_RAW(expression) ((ds_real)(expression))
/* DSI_LIBM(fabs) is fabs or fabsf: DIFFSIM_REAL is a macro, and ## does not expand its operands, so one
   level hands it on, the next has it as the word double or float, and the last pastes. */
#define DSI_LIBM(function) DSI_LIBM_OF(DIFFSIM_REAL)(function)
#define DSI_LIBM_OF(real) DSI_LIBM_PASTE(real)
#define DSI_LIBM_PASTE(real) DSI_LIBM_##real
#define DSI_LIBM_double(function) function
#define DSI_LIBM_float(function) function##f

/* kinds: the number type, and a number made from its components. A row's kinds are pasted: DSI_TYPE_##R is
   the C type, dsi_make_##R, dsi_load_##R, dsi_store_##R its functions. So one expansion serves numbers and
   vectors. */
#define DSI_TYPE_r1 ds_real
#define DSI_TYPE_r3 ds_v3
#define DSI_TYPE_r4 ds_q4
#define DSI_TYPE_r9 ds_m3
DSI_INLINE ds_real dsi_make_r1(ds_real x) { return x; }
DSI_INLINE ds_v3 dsi_make_r3(ds_real x, ds_real y, ds_real z) { return ds_v3_make(x, y, z); }
DSI_INLINE ds_q4 dsi_make_r4(ds_real w, ds_real x, ds_real y, ds_real z) { return ds_q4_make(w, x, y, z); }
DSI_INLINE ds_m3 dsi_make_r9(ds_real m0, ds_real m1, ds_real m2, ds_real m3, ds_real m4, ds_real m5,
                             ds_real m6, ds_real m7, ds_real m8)
{
    return ds_m3_from_rows(ds_v3_make(m0, m1, m2), ds_v3_make(m3, m4, m5), ds_v3_make(m6, m7, m8));
}

/* kinds in memory: so many numbers, one after the other. DSI_WIDTH: 1, 3, 4 or 9. Vectors in the arrays of
   a tape are bare numbers at any slot, so they are copied number by number and not read through a pointer
   to a struct. */
#define DSI_WIDTH(kind) (sizeof(DSI_TYPE_##kind) / sizeof(ds_real))
DSI_INLINE ds_real dsi_load_r1(const ds_real *from) { return from[0]; }
DSI_INLINE ds_v3 dsi_load_r3(const ds_real *from) { return ds_v3_make(from[0], from[1], from[2]); }
DSI_INLINE ds_q4 dsi_load_r4(const ds_real *from) { return ds_q4_make(from[0], from[1], from[2], from[3]); }
DSI_INLINE ds_m3 dsi_load_r9(const ds_real *from)
{
    return ds_m3_from_rows(dsi_load_r3(from), dsi_load_r3(from + 3), dsi_load_r3(from + 6));
}
DSI_INLINE void dsi_store_r1(ds_real *to, ds_real number) { to[0] = number; }
DSI_INLINE void dsi_store_r3(ds_real *to, ds_v3 v)
{
    to[0] = v.x;
    to[1] = v.y;
    to[2] = v.z;
}
DSI_INLINE void dsi_store_r4(ds_real *to, ds_q4 q)
{
    to[0] = q.w;
    to[1] = q.x;
    to[2] = q.y;
    to[3] = q.z;
}
DSI_INLINE void dsi_store_r9(ds_real *to, ds_m3 m)
{
    dsi_store_r3(to, ds_m3_row(m, 0));
    dsi_store_r3(to + 3, ds_m3_row(m, 1));
    dsi_store_r3(to + 6, ds_m3_row(m, 2));
}

/* what an operand can be: none, a number (perhaps a constant), a vector (never one). dsi_widths in section
   5 of the implementation has the widths in this order. */
enum { DSI_OPERAND_NONE, DSI_OPERAND_r1, DSI_OPERAND_r3, DSI_OPERAND_r4, DSI_OPERAND_r9 };

/* static ds_real dsi_sin(ds_real a);   first all prototypes, since rows call each other */
#define DSI_EACH_1(name, R, A) static DSI_UNUSED DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a);
#define DSI_EACH_2(name, R, A, B) static DSI_UNUSED DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a, DSI_TYPE_##B b);
#define DSI_EACH_3(name, R, A, B, C) \
    static DSI_UNUSED DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a, DSI_TYPE_##B b, DSI_TYPE_##C c);
DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* static ds_real dsi_sin(ds_real a) { return dsi_make_r1 (((ds_real)(ds_real_sin(a)))); }
   The value of a vector row is a tuple in parentheses, which dsi_make_r3 takes as its arguments; that of a
   scalar row gets its parentheses from DSI_VALUE_1. Polynomials and choices are always inlined; curved rows,
   some of which are long, as the compiler likes. */
#define DSI_ROW_DSI_TERMS(...) DSI_INLINE
#define DSI_ROW_DSI_FLAT DSI_INLINE
#define DSI_ROW_DSI_CURVED static inline DSI_UNUSED
#define DSI_EACH_1(name, R, A, value, shape) \
    DSI_ROW_##shape DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a) { return dsi_make_##R value; }
#define DSI_EACH_2(name, R, A, B, value, shape) \
    DSI_ROW_##shape DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a, DSI_TYPE_##B b) { return dsi_make_##R value; }
#define DSI_EACH_3(name, R, A, B, C, value, shape) \
    DSI_ROW_##shape DSI_TYPE_##R dsi_##name(DSI_TYPE_##A a, DSI_TYPE_##B b, DSI_TYPE_##C c) \
    { \
        return dsi_make_##R value; \
    }
DSI_EVERY_VALUE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_ROW_DSI_TERMS
#undef DSI_ROW_DSI_FLAT
#undef DSI_ROW_DSI_CURVED

/* DSI_OP_sin, ...: the operation codes. Behind the table: nodes with a list of operands, blocks, and
   bookkeeping. */
#define DSI_LIST_OPS(DSI_ROW) \
    DSI_ROW(sum) DSI_ROW(weighted_sum) DSI_ROW(dot) DSI_ROW(sum3) DSI_ROW(weighted_sum3) DSI_ROW(affine) \
    DSI_ROW(vars_tanh)
enum {
#define DSI_EACH_1(name, R, A) DSI_OP_##name,
#define DSI_EACH_2(name, R, A, B) DSI_OP_##name,
#define DSI_EACH_3(name, R, A, B, C) DSI_OP_##name,
    DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
/* codes below DSI_OP_sum are rows of the table, those below DSI_OP_affine lists of operands */
#define DSI_ROW(name) DSI_OP_##name,
    DSI_LIST_OPS(DSI_ROW)
#undef DSI_ROW
    DSI_OP_leaves, /* inputs: no reverse work */
    DSI_OP_epoch, /* what follows was recorded after a rewind */
    DSI_OP_branch, /* a guard: operand a was not zero (b = 1) or zero (b = 0) */
    DSI_OP_custom, /* n_in a, n_out b; behind its list of operands and its pointers */
    DSI_OP_COUNT
};
/* in a node: which operands are constants held by the node itself (bits 1, 2, 4). The code of mul with a
   constant second operand, x * 2, is DSI_OP_mul * 8 + 2. op / 8 is the operation, op & 7 the constants;
   one switch over the whole word tells both at once. */
#define DSI_CODE(op, constants) ((uint32_t)(op) * 8u + (uint32_t)(constants))

/* >>inline 6 tape --------------------------------------------------------------------------------- */

/* Recording, inlined. The short way needs live operands on one recorder with room; anything else, errors
   included, goes through dsi_record. A constant operand takes the short way where the compiler sees that
   it is one. The same pasting for handles: DSI_HANDLE_##R is the handle's type, dsi_any_##R makes it a
   ds_var, which is what dsi_open and dsi_record take, dsi_as_##R goes back. */
#define DSI_HANDLE_r1 ds_var
#define DSI_HANDLE_r3 ds_var3
#define DSI_HANDLE_r4 ds_var4
#define DSI_HANDLE_r9 ds_var33

/* handles of any kind as a ds_var, and back */
DSI_INLINE ds_var dsi_any_r1(ds_var var) { return var; }
DSI_INLINE ds_var dsi_any_r3(ds_var3 var) { return dsi_view(var.rec, var.at); }
DSI_INLINE ds_var dsi_any_r4(ds_var4 var) { return dsi_view(var.rec, var.at); }
DSI_INLINE ds_var dsi_any_r9(ds_var33 var) { return dsi_view(var.rec, var.at); }
DSI_INLINE ds_var dsi_as_r1(ds_var var) { return var; }
DSI_INLINE ds_var3 dsi_as_r3(ds_var var) { return dsi_view3(var.rec, var.at); }
DSI_INLINE ds_var4 dsi_as_r4(ds_var var)
{
    ds_var4 r;
    r.rec = var.rec;
    r.at = var.at;
    return r;
}
DSI_INLINE ds_var33 dsi_as_r9(ds_var var)
{
    ds_var33 r;
    r.rec = var.rec;
    r.at = var.at;
    return r;
}
/* what dsi_open found out for dsi_push */
typedef struct dsi_operands {
    ds_recorder *rec;
    uint32_t a, b, c; /* slots */
    uint32_t constants; /* bits 1, 2, 4: held by the node */
} dsi_operands;

/* made on this recorder in its current epoch. One comparison for the epoch: where the upper halves agree,
   ^ clears them and leaves slot ^ 0, at most UINT32_MAX; where they do not, a bit above it stays. A
   constant has no recorder, so it is not live. */
DSI_INLINE int dsi_is_live(const ds_recorder *rec, ds_var var)
{
    return var.rec == rec && (var.at ^ rec->epoch) <= UINT32_MAX;
}
/* the lower half of a handle's word */
DSI_INLINE uint32_t dsi_slot(ds_var var) { return (uint32_t)var.at; }
/* the number whose bits are the word of a constant */
DSI_INLINE double dsi_number(ds_var constant)
{
    dsi_bits word;
    word.bits = constant.at;
    return word.number;
}

/* a constant operand moves into the slot before the result. Values of a node, from the oldest slot:
   constants of a, b, c as far as held, then the result. For x * 2 with x in slot 5 and 8 values on the
   tape: values[8] = 2, the result in slot 9, node {mul with 2, 5, 8, -}. */
DSI_INLINE uint32_t dsi_hold(ds_recorder *rec, double number)
{
    rec->values[rec->n_values] = (ds_real)number;
    return (uint32_t)rec->n_values++;
}

/* finds the slots of the operands; 0 if the short way is closed. The kinds are constants, so all but one
   path vanishes. Everything is checked before anything is held: a closed way leaves the recorder as it
   was. The limits most_nodes and most_values leave room for the largest node, so one comparison each is
   enough. On a tape with an error or in debug mode most_nodes is 0, which closes the way. If all operands
   are constants, rec is NULL. */
DSI_INLINE int dsi_open(dsi_operands *s, ds_var a, int kind_a, ds_var b, int kind_b, ds_var c, int kind_c)
{
    const int fixed_a = kind_a == DSI_OPERAND_r1 && DSI_KNOWN(a.rec == NULL);
    const int fixed_b = kind_b == DSI_OPERAND_r1 && DSI_KNOWN(b.rec == NULL);
    const int fixed_c = kind_c == DSI_OPERAND_r1 && DSI_KNOWN(c.rec == NULL);
    ds_recorder *const rec = !fixed_a ? a.rec : !fixed_b ? b.rec : c.rec;
    if (!rec || rec->n_nodes >= rec->most_nodes || rec->n_values >= rec->most_values ||
        (!fixed_a && !dsi_is_live(rec, a)) || (!fixed_b && kind_b && !dsi_is_live(rec, b)) ||
        (!fixed_c && kind_c && !dsi_is_live(rec, c)))
        return 0;
    s->rec = rec;
    s->constants = (fixed_a ? 1u : 0u) + (fixed_b ? 2u : 0u) + (fixed_c ? 4u : 0u);
    s->a = fixed_a ? dsi_hold(rec, dsi_number(a)) : dsi_slot(a);
    s->b = fixed_b ? dsi_hold(rec, dsi_number(b)) : kind_b ? dsi_slot(b) : 0;
    s->c = fixed_c ? dsi_hold(rec, dsi_number(c)) : kind_c ? dsi_slot(c) : 0;
    return 1;
}

/* appends the node; its result, `width` values, is stored by the caller at the slot of the variable
   returned. The slot fits below the epoch: n_values stays under 2^32 - 64, so | adds them. */
DSI_INLINE ds_var dsi_push(const dsi_operands *s, uint32_t op, int operands, size_t width)
{
    ds_recorder *const rec = s->rec;
    dsi_node *const node = rec->nodes + rec->n_nodes++;
    const uint64_t at = rec->epoch | rec->n_values;
    node->op = DSI_CODE(op, s->constants);
    node->a = s->a;
    if (operands > 1) node->b = s->b; /* what an operation has no operand for is never read */
    if (operands > 2) node->c = s->c;
    rec->n_values += width;
    return dsi_view(rec, at);
}

/* ds_var ds_sin(ds_var p): if the short way is open, push the node and store dsi_sin(value of p); else
   dsi_record. The name stands in parentheses, since DIFFSIM_DEBUG has a macro of that name that tells file
   and line first. Locals begin with dsi_, so that no macro of a user's, like N or r, rewrites them. The
   value is computed by the same dsi_sin on both ways and in a replay: the same bits. */
#define DSI_EACH_1(name, R, A) \
    DSI_RECORDS DSI_HANDLE_##R (ds_##name)(DSI_HANDLE_##A dsi_p) \
    { \
        dsi_operands dsi_s; \
        if (DSI_LIKELY(dsi_open(&dsi_s, dsi_any_##A(dsi_p), DSI_OPERAND_##A, ds_c(0), 0, ds_c(0), 0))) { \
            const ds_var dsi_r = dsi_push(&dsi_s, DSI_OP_##name, 1, DSI_WIDTH(R)); \
            ds_real *const dsi_v = dsi_s.rec->values; \
            dsi_store_##R(dsi_v + dsi_slot(dsi_r), dsi_##name(dsi_load_##A(dsi_v + dsi_s.a))); \
            return dsi_as_##R(dsi_r); \
        } \
        return dsi_as_##R(dsi_record(DSI_OP_##name, dsi_any_##A(dsi_p), ds_c(0), ds_c(0))); \
    }
/* In C the whole of ds_mul(x, y) is: compare recorder, epochs and room, write a node, multiply, store. */
#define DSI_EACH_2(name, R, A, B) \
    DSI_RECORDS DSI_HANDLE_##R (ds_##name)(DSI_HANDLE_##A dsi_p, DSI_HANDLE_##B dsi_q) \
    { \
        dsi_operands dsi_s; \
        if (DSI_LIKELY(dsi_open(&dsi_s, dsi_any_##A(dsi_p), DSI_OPERAND_##A, dsi_any_##B(dsi_q), \
                                DSI_OPERAND_##B, ds_c(0), 0))) { \
            const ds_var dsi_r = dsi_push(&dsi_s, DSI_OP_##name, 2, DSI_WIDTH(R)); \
            ds_real *const dsi_v = dsi_s.rec->values; \
            dsi_store_##R(dsi_v + dsi_slot(dsi_r), \
                          dsi_##name(dsi_load_##A(dsi_v + dsi_s.a), dsi_load_##B(dsi_v + dsi_s.b))); \
            return dsi_as_##R(dsi_r); \
        } \
        return dsi_as_##R(dsi_record(DSI_OP_##name, dsi_any_##A(dsi_p), dsi_any_##B(dsi_q), ds_c(0))); \
    }
#define DSI_EACH_3(name, R, A, B, C) \
    DSI_RECORDS DSI_HANDLE_##R (ds_##name)(DSI_HANDLE_##A dsi_p, DSI_HANDLE_##B dsi_q, DSI_HANDLE_##C dsi_t) \
    { \
        dsi_operands dsi_s; \
        if (DSI_LIKELY(dsi_open(&dsi_s, dsi_any_##A(dsi_p), DSI_OPERAND_##A, dsi_any_##B(dsi_q), \
                                DSI_OPERAND_##B, dsi_any_##C(dsi_t), DSI_OPERAND_##C))) { \
            const ds_var dsi_r = dsi_push(&dsi_s, DSI_OP_##name, 3, DSI_WIDTH(R)); \
            ds_real *const dsi_v = dsi_s.rec->values; \
            dsi_store_##R(dsi_v + dsi_slot(dsi_r), \
                          dsi_##name(dsi_load_##A(dsi_v + dsi_s.a), dsi_load_##B(dsi_v + dsi_s.b), \
                                     dsi_load_##C(dsi_v + dsi_s.c))); \
            return dsi_as_##R(dsi_r); \
        } \
        return dsi_as_##R( \
            dsi_record(DSI_OP_##name, dsi_any_##A(dsi_p), dsi_any_##B(dsi_q), dsi_any_##C(dsi_t))); \
    }
DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

#ifdef __cplusplus
}
#endif
#endif /* DSI_INLINE_PART */

/* C++ with DIFFSIM_OPERATORS: expressions as on paper, for recorded and plain numbers and vectors. An
   operator is the function by name, inlined: the same node, the same errors, no cost. A template serves both:

       template <class T> T energy(T x, T y) { return 0.5 * x * x + sin(x * y); }

   Every operation of the table has an overload with its bare name: sin(x), select(x < 0, -x, 1.0),
   axpy3(dt, v, p); for ds_var3 and ds_v3 also dot, cross, norm, normalize, for ds_var33 and ds_m3 transpose,
   inverse, det. A plain number may stand for any ds_var, as ds_c of it, but not for all of them at once. T
   sum{} is zero for numbers and variables. With plain numbers sin is that of the C library, and not always to
   the last bit that of a record.

   < <= > >= record 1 or 0, as ds_lt does; `if (x < y)` does not compile: ds_branch(x < y) makes it a truth.
   There is no == and !=, which might compare handles: eq(x, y) compares numbers. p / s is p * (1 / s).

   Order: C++ leaves open which operand of + is evaluated first, and which argument of a call. In f(x) * g(x)
   the nodes of g may come first with another compiler. Values and gradients are right either way, but x sums
   its adjoints in another order, with other last bits. Where bits count, give the parts names, in order:
   ds_var u = f(x), v = g(x); then u * v. */
#if defined(__cplusplus) && defined(DIFFSIM_OPERATORS) && !defined(DSI_OPERATORS_PART)
#define DSI_OPERATORS_PART
extern "C++" {

/* The classes of functions below: dsi_given makes operands of numbers, dsi_tell keeps the place of a call,
   DSI_OVERLOAD_n makes the bare names of the table, DSI_OPERATOR and DSI_ASSIGNING make the symbols. */
/* what a recording function takes: a number becomes a constant */
DSI_INLINE ds_var dsi_given(double number) { return ds_c(number); }
template <class dsi_handle> DSI_INLINE dsi_handle dsi_given(dsi_handle handle) { return handle; }

#ifdef DIFFSIM_DEBUG
/* where a call stands, told to the recorders of its operands; compilers: gcc 4.8, clang 9, MSVC 2019 */
struct dsi_caller {
    const char *file;
    int line;
    dsi_caller(const char *in_file = __builtin_FILE(), int at_line = __builtin_LINE())
        : file(in_file), line(at_line) {}
};
/* plain numbers have no recorder to tell */
template <class dsi_number_type> DSI_INLINE void dsi_tell(const dsi_number_type &, dsi_caller) {}
/* DSI_INLINE void dsi_tell(ds_var var, dsi_caller caller) { its recorder gets file and line }
   the recorder keeps the last file and line that it was told */
#define DSI_ROW(type) \
    DSI_INLINE void dsi_tell(type var, dsi_caller caller) \
    { \
        if (!var.rec) return; \
        var.rec->file = caller.file; \
        var.rec->line = caller.line; \
    }
DSI_ROW(ds_var) DSI_ROW(ds_var3) DSI_ROW(ds_var4) DSI_ROW(ds_var33)
#undef DSI_ROW
/* an operator has no room for a caller; the conversion of its operands has */
template <class dsi_type> struct dsi_told {
    dsi_type operand;
    dsi_caller caller;
    dsi_told(dsi_type given, dsi_caller from = dsi_caller()) : operand(given), caller(from)
    {
        dsi_tell(operand, caller);
    }
    operator dsi_type() const { return operand; }
};
/* a default argument is evaluated where the call stands, so it holds the line of the user's call */
#define DSI_CALLER , dsi_caller caller = dsi_caller()
#define DSI_TELL(var, caller) dsi_tell(var, caller)
#define DSI_TOLD(type) dsi_told<type>
#else
#define DSI_CALLER
#define DSI_TELL(var, caller) ((void)0)
#define DSI_TOLD(type) type
#endif

/* names. DSI_INLINE ds_var (pow)(ds_var a, double b) { return (ds_pow)(dsi_given(a), dsi_given(b)); }
   name: what is declared; call: what it calls; R, A, B, C: types. Parentheses around names keep macros of
   those names out. */
#define DSI_OVERLOAD_1(name, call, R, A) \
    DSI_INLINE R (name)(A a DSI_CALLER) \
    { \
        DSI_TELL(a, caller); \
        return (call)(a); \
    }
#define DSI_OVERLOAD_2(name, call, R, A, B) \
    DSI_INLINE R (name)(A a, B b DSI_CALLER) \
    { \
        DSI_TELL(a, caller); \
        DSI_TELL(b, caller); \
        return (call)(dsi_given(a), dsi_given(b)); \
    }
#define DSI_OVERLOAD_3(name, R, A, B, C) \
    DSI_INLINE R (name)(A a, B b, C c DSI_CALLER) \
    { \
        DSI_TELL(a, caller); \
        DSI_TELL(b, caller); \
        DSI_TELL(c, caller); \
        return (ds_##name)(dsi_given(a), dsi_given(b), dsi_given(c)); \
    }
/* an operand of kind r1 may be a number, but not every operand (under DIFFSIM_NO_INLINE the handles of the
   kinds are not seen here, so they stand here again). pow(ds_var, double) and pow(double, ds_var) exist,
   pow(double, double) does not: it would clash with the C library's. Of the eight choices for three
   operands all exist but three numbers. */
#define DSI_KIND_r1 ds_var
#define DSI_KIND_r3 ds_var3
#define DSI_KIND_r4 ds_var4
#define DSI_KIND_r9 ds_var33
#define DSI_IF_r1(overload) overload
#define DSI_IF_r3(overload)
#define DSI_IF_r4(overload)
#define DSI_IF_r9(overload)
#define DSI_EACH_1(name, R, A) DSI_OVERLOAD_1(name, ds_##name, DSI_KIND_##R, DSI_KIND_##A)
#define DSI_EACH_2(name, R, A, B) \
    DSI_OVERLOAD_2(name, ds_##name, DSI_KIND_##R, DSI_KIND_##A, DSI_KIND_##B) \
    DSI_IF_##A(DSI_OVERLOAD_2(name, ds_##name, DSI_KIND_##R, double, DSI_KIND_##B)) \
    DSI_IF_##B(DSI_OVERLOAD_2(name, ds_##name, DSI_KIND_##R, DSI_KIND_##A, double))
#define DSI_EACH_3(name, R, A, B, C) \
    DSI_OVERLOAD_3(name, DSI_KIND_##R, DSI_KIND_##A, DSI_KIND_##B, DSI_KIND_##C) \
    DSI_IF_##A(DSI_OVERLOAD_3(name, DSI_KIND_##R, double, DSI_KIND_##B, DSI_KIND_##C)) \
    DSI_IF_##B(DSI_OVERLOAD_3(name, DSI_KIND_##R, DSI_KIND_##A, double, DSI_KIND_##C)) \
    DSI_IF_##C(DSI_OVERLOAD_3(name, DSI_KIND_##R, DSI_KIND_##A, DSI_KIND_##B, double)) \
    DSI_IF_##A(DSI_IF_##B(DSI_OVERLOAD_3(name, DSI_KIND_##R, double, double, DSI_KIND_##C))) \
    DSI_IF_##A(DSI_IF_##C(DSI_OVERLOAD_3(name, DSI_KIND_##R, double, DSI_KIND_##B, double))) \
    DSI_IF_##B(DSI_IF_##C(DSI_OVERLOAD_3(name, DSI_KIND_##R, DSI_KIND_##A, double, double)))
DSI_EVERY_SIGNATURE
DSI_OVERLOAD_1(norm, ds_norm3, ds_var, ds_var3)
DSI_OVERLOAD_1(normalize, ds_normalize3, ds_var3, ds_var3)
DSI_OVERLOAD_2(dot, ds_dot3, ds_var, ds_var3, ds_var3)
DSI_OVERLOAD_2(cross, ds_cross3, ds_var3, ds_var3, ds_var3)
DSI_OVERLOAD_1(norm, ds_v3_norm, ds_real, ds_v3)
DSI_OVERLOAD_1(normalize, ds_v3_normalize, ds_v3, ds_v3)
DSI_OVERLOAD_2(dot, ds_v3_dot, ds_real, ds_v3, ds_v3)
DSI_OVERLOAD_2(cross, ds_v3_cross, ds_v3, ds_v3, ds_v3)
DSI_OVERLOAD_1(transpose, ds_transpose33, ds_var33, ds_var33)
DSI_OVERLOAD_1(inverse, ds_inverse33, ds_var33, ds_var33)
DSI_OVERLOAD_1(det, ds_det33, ds_var, ds_var33)
DSI_OVERLOAD_1(polar33, ds_polar33, ds_var33, ds_var33)
DSI_OVERLOAD_1(stretch33, ds_stretch33, ds_var, ds_var33)
DSI_OVERLOAD_1(transpose, ds_m3_transpose, ds_m3, ds_m3)
DSI_OVERLOAD_1(inverse, ds_m3_inverse, ds_m3, ds_m3)
DSI_OVERLOAD_1(det, ds_m3_det, ds_real, ds_m3)

/* operators: result, symbol, operands, what is called; ASSIGNING ones have the form a += b, too. p / s is
   p * (1 / s), one reciprocal for three components. */
#define DSI_NEGATION(R, call) \
    DSI_INLINE R operator-(DSI_TOLD(R) a) { return call; }
#define DSI_OPERATOR(R, symbol, A, B, call) \
    DSI_INLINE R operator symbol(DSI_TOLD(A) a, DSI_TOLD(B) b) { return call; }
#define DSI_ASSIGNING(R, symbol, A, B, call) \
    DSI_OPERATOR(R, symbol, A, B, call) \
    DSI_INLINE R &operator symbol##=(R &a, DSI_TOLD(B) b) \
    { \
        DSI_TELL(a, b.caller); \
        return a = call; \
    }
/* a += b makes a new node and lets the handle a name it: the old value stays on the tape, as reverse needs
   it */
#define DSI_ROW(symbol, name) \
    DSI_ASSIGNING(ds_var, symbol, ds_var, ds_var, (ds_##name)(a, b)) \
    DSI_ASSIGNING(ds_var, symbol, ds_var, double, (ds_##name)(a, ds_c(b))) \
    DSI_OPERATOR(ds_var, symbol, double, ds_var, (ds_##name)(ds_c(a), b))
DSI_ROW(+, add) DSI_ROW(-, sub) DSI_ROW(*, mul) DSI_ROW(/, div)
#undef DSI_ROW
#define DSI_ROW(symbol, name) \
    DSI_OPERATOR(ds_var, symbol, ds_var, ds_var, (ds_##name)(a, b)) \
    DSI_OPERATOR(ds_var, symbol, ds_var, double, (ds_##name)(a, ds_c(b))) \
    DSI_OPERATOR(ds_var, symbol, double, ds_var, (ds_##name)(ds_c(a), b))
DSI_ROW(<, lt) DSI_ROW(<=, le) DSI_ROW(>, gt) DSI_ROW(>=, ge)
#undef DSI_ROW
DSI_NEGATION(ds_var, (ds_neg)(a))

DSI_NEGATION(ds_var3, (ds_neg3)(a))
DSI_ASSIGNING(ds_var3, +, ds_var3, ds_var3, (ds_add3)(a, b))
DSI_ASSIGNING(ds_var3, -, ds_var3, ds_var3, (ds_sub3)(a, b))
DSI_ASSIGNING(ds_var3, *, ds_var3, ds_var, (ds_scale3)(a, b))
DSI_ASSIGNING(ds_var3, *, ds_var3, double, (ds_scale3)(a, ds_c(b)))
DSI_OPERATOR(ds_var3, *, ds_var, ds_var3, (ds_scale3)(b, a))
DSI_OPERATOR(ds_var3, *, double, ds_var3, (ds_scale3)(b, ds_c(a)))
DSI_ASSIGNING(ds_var3, /, ds_var3, ds_var, (ds_scale3)(a, (ds_recip)(b)))
DSI_ASSIGNING(ds_var3, /, ds_var3, double, (ds_scale3)(a, ds_c(1 / b)))
DSI_NEGATION(ds_var33, (ds_neg33)(a))
DSI_ASSIGNING(ds_var33, +, ds_var33, ds_var33, (ds_add33)(a, b))
DSI_ASSIGNING(ds_var33, -, ds_var33, ds_var33, (ds_sub33)(a, b))
DSI_ASSIGNING(ds_var33, *, ds_var33, ds_var33, (ds_mul33)(a, b))
DSI_ASSIGNING(ds_var33, *, ds_var33, ds_var, (ds_scale33)(a, b))
DSI_ASSIGNING(ds_var33, *, ds_var33, double, (ds_scale33)(a, ds_c(b)))
DSI_OPERATOR(ds_var33, *, ds_var, ds_var33, (ds_scale33)(b, a))
DSI_OPERATOR(ds_var33, *, double, ds_var33, (ds_scale33)(b, ds_c(a)))
DSI_ASSIGNING(ds_var33, /, ds_var33, ds_var, (ds_scale33)(a, (ds_recip)(b)))
DSI_ASSIGNING(ds_var33, /, ds_var33, double, (ds_scale33)(a, ds_c(1 / b)))
DSI_OPERATOR(ds_var3, *, ds_var33, ds_var3, (ds_matvec3)(a, b))

DSI_NEGATION(ds_v3, ds_v3_neg(a))
DSI_ASSIGNING(ds_v3, +, ds_v3, ds_v3, ds_v3_add(a, b))
DSI_ASSIGNING(ds_v3, -, ds_v3, ds_v3, ds_v3_sub(a, b))
DSI_ASSIGNING(ds_v3, *, ds_v3, ds_real, ds_v3_scale(a, b))
DSI_OPERATOR(ds_v3, *, ds_real, ds_v3, ds_v3_scale(b, a))
DSI_ASSIGNING(ds_v3, /, ds_v3, ds_real, ds_v3_scale(a, 1 / b))
DSI_NEGATION(ds_m3, ds_m3_scale(a, -1))
DSI_ASSIGNING(ds_m3, +, ds_m3, ds_m3, ds_m3_add(a, b))
DSI_ASSIGNING(ds_m3, -, ds_m3, ds_m3, ds_m3_add(a, ds_m3_scale(b, -1)))
DSI_ASSIGNING(ds_m3, *, ds_m3, ds_m3, ds_m3_mul(a, b))
DSI_ASSIGNING(ds_m3, *, ds_m3, ds_real, ds_m3_scale(a, b))
DSI_OPERATOR(ds_m3, *, ds_real, ds_m3, ds_m3_scale(b, a))
DSI_OPERATOR(ds_v3, *, ds_m3, ds_v3, ds_m3_mul_v3(a, b))
DSI_ASSIGNING(ds_q4, *, ds_q4, ds_q4, ds_q4_mul(a, b))

#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_OVERLOAD_1
#undef DSI_OVERLOAD_2
#undef DSI_OVERLOAD_3
#undef DSI_KIND_r1
#undef DSI_KIND_r3
#undef DSI_KIND_r4
#undef DSI_KIND_r9
#undef DSI_IF_r1
#undef DSI_IF_r3
#undef DSI_IF_r4
#undef DSI_IF_r9
#undef DSI_NEGATION
#undef DSI_OPERATOR
#undef DSI_ASSIGNING
#undef DSI_CALLER
#undef DSI_TELL
#undef DSI_TOLD
}
#endif /* DSI_OPERATORS_PART */

#if defined(DIFFSIM_IMPLEMENTATION) && !defined(DSI_IMPLEMENTED)
#define DSI_IMPLEMENTED
#ifdef DIFFSIM_THREADS
#ifndef _WIN32
#include <pthread.h>
#include <unistd.h>
#else
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#endif
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* >>impl 1 base -----------------------------------------------------------------------------------

   What every later section stands on, in this order: the words of results; a double and its bits; sizes,
   memory and jobs; sentences in fixed buffers, of which errors are made; the arena; numbers as text; random
   numbers; hash; what the build does to floats. Text, random numbers and hash are integer arithmetic, but
   for exact divisions: the same on every machine, whatever its floating point. */

#include <float.h>
#include <stdlib.h>
#include <string.h>

#ifndef DIFFSIM_ASSERT
#define DIFFSIM_ASSERT(dsi_truth) ((void)0)
#endif

DIFFSIM_API const char *ds_version(void) { return DIFFSIM_VERSION_STRING; }
DIFFSIM_API int ds_version_number(void) { return DIFFSIM_VERSION_NUMBER; }

/* The tables by number. A row (STALE, ...) becomes "DSIM_ERROR_STALE" here and its sentence below. As an
   unsigned number a negative result is large, so one comparison guards both ends. */
DIFFSIM_API const char *ds_result_name(ds_result result)
{
    static const char *const names[] = {
#define DSI_ROW(NAME, sentence) "DSIM_" #NAME,
        DSI_RESULTS(DSI_ROW)
#undef DSI_ROW
    };
    return (unsigned)result < DSIM_RESULT_COUNT ? names[result] : "unknown result";
}

DIFFSIM_API const char *ds_result_text(ds_result result)
{
    static const char *const sentences[] = {
#define DSI_ROW(NAME, sentence) sentence,
        DSI_RESULTS(DSI_ROW)
#undef DSI_ROW
    };
    return (unsigned)result < DSIM_RESULT_COUNT ? sentences[result] : "not a result of this library";
}

/* A double and its 64 bits: sign 1, exponent 11 (bias 1023), fraction 52. memcpy is the way that C and C++
   both define; a cast of the pointer would break the aliasing rules. */
DSI_INLINE uint64_t dsi_to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
DSI_INLINE double dsi_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* NaN and infinity by their bits: x != x is dead under -ffast-math */
static int dsi_double_is_finite(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & UINT64_C(0x7ff0000000000000)) != UINT64_C(0x7ff0000000000000);
}

/* the same for a ds_real, by its own bits: a float that overflowed is an infinite float */
static int dsi_is_finite(ds_real x)
{
    if (sizeof(ds_real) == sizeof(uint32_t)) {
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        return (bits & 0x7f800000u) != 0x7f800000u;
    }
    return dsi_double_is_finite((double)x);
}

/* Bit 63 of the result is set where *x is NaN or infinite; the others mean nothing. Adding 1 to an exponent
   of all ones carries into the sign, which was cleared before:
       infinity  7ff0... + 0010... = 8000...      largest finite  7fef... + 0010... = 7fff... */
DSI_INLINE uint64_t dsi_non_finite_bit(const ds_real *x)
{
    if (sizeof(ds_real) == 4) {
        uint32_t bits;
        memcpy(&bits, x, sizeof bits);
        return (uint64_t)((bits & 0x7fffffffu) + 0x00800000u) << 32;
    } else {
        uint64_t bits;
        memcpy(&bits, x, sizeof bits);
        return (bits & UINT64_C(0x7fffffffffffffff)) + UINT64_C(0x0010000000000000);
    }
}

/* 1: every x[i], i < n, is finite. The bits of all are gathered and looked at once: no branch in the loop,
   because the answer is yes as a rule; four at a time, so that they do not wait for each other. */
static int dsi_all_finite(const ds_real *x, size_t n)
{
    uint64_t any = 0;
    for (; n >= 4; n -= 4, x += 4)
        any |= (dsi_non_finite_bit(x) | dsi_non_finite_bit(x + 1)) |
               (dsi_non_finite_bit(x + 2) | dsi_non_finite_bit(x + 3));
    for (; n; n--, x++) any |= dsi_non_finite_bit(x);
    return !(any >> 63);
}

/* The first entry that is NaN or infinite; n: all are finite. Later sections report it as the index of
   an error: the fast question first, the search only where there is something to find. */
static size_t dsi_first_non_finite(const ds_real *x, size_t n)
{
    size_t i;
    if (dsi_all_finite(x, n)) return n;
    for (i = 0; i < n && dsi_is_finite(x[i]); i++) continue;
    return i;
}

/* a quiet NaN by its bits: 0 / 0 may raise a flag or be folded away, and is dead under -ffast-math */
static ds_real dsi_nan(void)
{
    const uint64_t bits = UINT64_C(0x7ff8000000000000);
    double x;
    memcpy(&x, &bits, sizeof x);
    return (ds_real)x;
}

/* left right > max exactly where left > floor(max / right), and left + right > max where left > max - right:
   neither test can wrap itself */
DIFFSIM_API ds_result ds_size_mul(size_t left, size_t right, size_t *out)
{
    if (right && left > (size_t)-1 / right) return DSIM_ERROR_OVERFLOW;
    *out = left * right;
    return DSIM_OK;
}

DIFFSIM_API ds_result ds_size_add(size_t left, size_t right, size_t *out)
{
    if (left > (size_t)-1 - right) return DSIM_ERROR_OVERFLOW;
    *out = left + right;
    return DSIM_OK;
}

static size_t dsi_least(size_t left, size_t right) { return left < right ? left : right; }

/* realloc(pointer, 0) is left out: what it returns differs between C libraries */
static void *dsi_default_resize(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    (void)user;
    (void)old_bytes;
    if (new_bytes) return realloc(pointer, new_bytes);
    free(pointer);
    return NULL;
}

/* the wanted one, or realloc and free where NULL or {0} was given */
static ds_allocator dsi_allocator(const ds_allocator *wanted)
{
    ds_allocator r;
    r.resize = wanted && wanted->resize ? wanted->resize : dsi_default_resize;
    r.user = wanted ? wanted->user : NULL;
    return r;
}

/* a loop of one grain or less is not worth a hook: it runs here, as worker 0 */
DIFFSIM_API void ds_parallel_for(const ds_jobs *jobs, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    /* a grain of 0 becomes 1, so that a hook may divide by it */
    if (jobs && jobs->parallel_for && n > grain)
        jobs->parallel_for(jobs->user, n, grain ? grain : 1, fn, task);
    else if (n)
        fn(task, 0, n, 0);
}

#ifdef DIFFSIM_THREADS
/* The pool. One lock guards all of it; pieces are few and long, so each is taken under the lock, and a thread
   that comes late finds none left. Threads wait for an event: awake at first, looking at its count without
   the lock, because the next loop often follows at once; then asleep, because the processor may be shared. */

#ifdef _WIN32
typedef SRWLOCK dsi_lock;
typedef CONDITION_VARIABLE dsi_condition;
typedef HANDLE dsi_thread;
static int dsi_lock_begin(dsi_lock *lock)
{
    InitializeSRWLock(lock);
    return 1;
}
static int dsi_condition_begin(dsi_condition *condition)
{
    InitializeConditionVariable(condition);
    return 1;
}
static void dsi_lock_end(dsi_lock *lock) { (void)lock; }
static void dsi_condition_end(dsi_condition *condition) { (void)condition; }
static void dsi_lock_take(dsi_lock *lock) { AcquireSRWLockExclusive(lock); }
static void dsi_lock_give(dsi_lock *lock) { ReleaseSRWLockExclusive(lock); }
static void dsi_condition_wait(dsi_condition *condition, dsi_lock *lock)
{
    SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}
static void dsi_condition_wake(dsi_condition *condition) { WakeAllConditionVariable(condition); }
static size_t dsi_processors(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return (size_t)info.dwNumberOfProcessors;
}
#else
typedef pthread_mutex_t dsi_lock;
typedef pthread_cond_t dsi_condition;
typedef pthread_t dsi_thread;
static int dsi_lock_begin(dsi_lock *lock) { return !pthread_mutex_init(lock, NULL); }
static int dsi_condition_begin(dsi_condition *condition) { return !pthread_cond_init(condition, NULL); }
static void dsi_lock_end(dsi_lock *lock) { pthread_mutex_destroy(lock); }
static void dsi_condition_end(dsi_condition *condition) { pthread_cond_destroy(condition); }
static void dsi_lock_take(dsi_lock *lock) { pthread_mutex_lock(lock); }
static void dsi_lock_give(dsi_lock *lock) { pthread_mutex_unlock(lock); }
static void dsi_condition_wait(dsi_condition *condition, dsi_lock *lock)
{
    pthread_cond_wait(condition, lock);
}
static void dsi_condition_wake(dsi_condition *condition) { pthread_cond_broadcast(condition); }
static size_t dsi_processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}
#endif

/* the count of an event goes up under the lock and is looked at without: a hint, so no order is asked for */
#if defined(__ATOMIC_RELAXED) && !defined(__TINYC__)
typedef unsigned dsi_count;
#define DSI_COUNT_UP(dsi_event_) ((void)__atomic_fetch_add(&(dsi_event_)->count, 1, __ATOMIC_RELAXED))
#define DSI_COUNT_NOW(dsi_event_) __atomic_load_n(&(dsi_event_)->count, __ATOMIC_RELAXED)
#elif defined(_WIN32) && !defined(__TINYC__)
typedef volatile LONG dsi_count;
#define DSI_COUNT_UP(dsi_event_) ((void)InterlockedIncrement(&(dsi_event_)->count))
#define DSI_COUNT_NOW(dsi_event_) ((dsi_event_)->count)
#else
typedef unsigned dsi_count;
#define DSI_COUNT_UP(dsi_event_) ((void)(dsi_event_)->count++)
#endif
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define DSI_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__) && defined(__GNUC__)
#define DSI_PAUSE() __asm__ __volatile__("yield")
#elif defined(_WIN32)
#define DSI_PAUSE() YieldProcessor()
#else
#define DSI_PAUSE() ((void)0)
#endif

typedef struct dsi_event {
    dsi_count count;
    size_t n_asleep;
    dsi_condition condition;
} dsi_event;
typedef struct dsi_pool_worker {
    ds_pool *pool;
    size_t number; /* 0 is whoever calls */
    dsi_thread thread;
} dsi_pool_worker;
struct ds_pool {
    ds_allocator allocator;
    dsi_pool_worker *workers; /* those that have a thread of their own [n_threads - 1] */
    size_t n_threads, n_started;
    dsi_lock lock;
    dsi_event begun, ended; /* a loop, or the pool at its end; the last piece of a loop */
    int busy, closing;
    /* the loop: pieces from `next` on are free, n_running are being done */
    ds_task_fn *fn;
    void *task;
    size_t n, next, piece, n_running;
};
enum { DSI_SPINS = 200, DSI_PIECES = 4 }; /* looks at a count, some microseconds; pieces for each thread */

/* all of these with the lock taken */
static void dsi_event_raise(dsi_event *event)
{
    DSI_COUNT_UP(event);
    if (event->n_asleep) dsi_condition_wake(&event->condition);
}
/* until the count is another than it was */
static void dsi_event_wait(ds_pool *pool, dsi_event *event, dsi_count was)
{
#ifdef DSI_COUNT_NOW
    int i;
    dsi_lock_give(&pool->lock);
    for (i = 0; i < DSI_SPINS && DSI_COUNT_NOW(event) == was; i++) DSI_PAUSE();
    dsi_lock_take(&pool->lock);
#endif
    event->n_asleep++;
    while (event->count == was) dsi_condition_wait(&event->condition, &pool->lock);
    event->n_asleep--;
}
static void dsi_pool_do_pieces(ds_pool *pool, size_t worker)
{
    while (pool->next < pool->n) {
        ds_task_fn *const fn = pool->fn;
        void *const task = pool->task;
        const size_t begin = pool->next, end = begin + dsi_least(pool->piece, pool->n - begin);
        pool->next = end;
        pool->n_running++;
        dsi_lock_give(&pool->lock);
        fn(task, begin, end, worker);
        dsi_lock_take(&pool->lock);
        if (!--pool->n_running && pool->next == pool->n) dsi_event_raise(&pool->ended);
    }
}

static void dsi_pool_work(const dsi_pool_worker *worker)
{
    ds_pool *const pool = worker->pool;
    dsi_lock_take(&pool->lock);
    while (!pool->closing) {
        const dsi_count seen = pool->begun.count;
        dsi_pool_do_pieces(pool, worker->number);
        if (!pool->closing && pool->begun.count == seen) dsi_event_wait(pool, &pool->begun, seen);
    }
    dsi_lock_give(&pool->lock);
}

#ifdef _WIN32
static DWORD WINAPI dsi_pool_thread(LPVOID worker)
{
    dsi_pool_work((const dsi_pool_worker *)worker);
    return 0;
}
static int dsi_thread_begin(dsi_pool_worker *worker)
{
    worker->thread = CreateThread(NULL, 0, dsi_pool_thread, worker, 0, NULL);
    return worker->thread != NULL;
}
static void dsi_thread_join(dsi_pool_worker *worker)
{
    WaitForSingleObject(worker->thread, INFINITE);
    CloseHandle(worker->thread);
}
#else
static void *dsi_pool_thread(void *worker)
{
    dsi_pool_work((const dsi_pool_worker *)worker);
    return NULL;
}
static int dsi_thread_begin(dsi_pool_worker *worker)
{
    return !pthread_create(&worker->thread, NULL, dsi_pool_thread, worker);
}
static void dsi_thread_join(dsi_pool_worker *worker) { pthread_join(worker->thread, NULL); }
#endif

/* the parallel_for of ds_pool_jobs */
static void dsi_pool_for(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    ds_pool *const pool = (ds_pool *)user;
    size_t piece;
    if (!n) return;
    piece = (n - 1) / (DSI_PIECES * pool->n_threads) + 1;
    if (piece < grain) piece = grain;
    dsi_lock_take(&pool->lock);
    if (pool->busy || pool->n_threads == 1 || n <= piece) {
        dsi_lock_give(&pool->lock);
        fn(task, 0, n, 0);
        return;
    }
    pool->busy = 1;
    pool->fn = fn;
    pool->task = task;
    pool->n = n;
    pool->next = 0;
    pool->piece = piece;
    dsi_event_raise(&pool->begun);
    dsi_pool_do_pieces(pool, 0);
    while (pool->n_running) {
        const dsi_count seen = pool->ended.count;
        dsi_event_wait(pool, &pool->ended, seen);
    }
    pool->busy = 0;
    dsi_lock_give(&pool->lock);
}

/* the threads that were started end, then the pool; its lock and conditions are there */
static void dsi_pool_close(ds_pool *pool)
{
    const ds_allocator allocator = pool->allocator;
    size_t i;
    dsi_lock_take(&pool->lock);
    pool->closing = 1;
    dsi_event_raise(&pool->begun);
    dsi_lock_give(&pool->lock);
    for (i = 0; i < pool->n_started; i++) dsi_thread_join(pool->workers + i);
    dsi_condition_end(&pool->ended.condition);
    dsi_condition_end(&pool->begun.condition);
    dsi_lock_end(&pool->lock);
    allocator.resize(allocator.user, pool, sizeof *pool + (pool->n_threads - 1) * sizeof *pool->workers, 0);
}

/* the lock and the conditions, all or none */
static int dsi_pool_begin(ds_pool *pool)
{
    if (!dsi_lock_begin(&pool->lock)) return 0;
    if (dsi_condition_begin(&pool->begun.condition)) {
        if (dsi_condition_begin(&pool->ended.condition)) return 1;
        dsi_condition_end(&pool->begun.condition);
    }
    dsi_lock_end(&pool->lock);
    return 0;
}

DIFFSIM_API ds_pool *ds_pool_create(size_t n_threads, const ds_allocator *allocator)
{
    const ds_allocator memory = dsi_allocator(allocator);
    const size_t n = n_threads ? n_threads : dsi_processors();
    size_t bytes;
    ds_pool *pool;
    if (ds_size_mul(n - 1, sizeof(dsi_pool_worker), &bytes) || ds_size_add(bytes, sizeof *pool, &bytes))
        return NULL;
    pool = (ds_pool *)memory.resize(memory.user, NULL, 0, bytes);
    if (!pool) return NULL;
    memset(pool, 0, bytes);
    pool->allocator = memory;
    pool->workers = (dsi_pool_worker *)(void *)(pool + 1);
    pool->n_threads = n;
    if (!dsi_pool_begin(pool)) {
        memory.resize(memory.user, pool, bytes, 0);
        return NULL;
    }
    while (pool->n_started < n - 1) {
        dsi_pool_worker *const worker = pool->workers + pool->n_started;
        worker->pool = pool;
        worker->number = pool->n_started + 1;
        if (!dsi_thread_begin(worker)) {
            dsi_pool_close(pool);
            return NULL;
        }
        pool->n_started++;
    }
    return pool;
}

DIFFSIM_API ds_jobs ds_pool_jobs(ds_pool *pool)
{
    ds_jobs r = DSI_ZEROED;
    if (!pool) return r;
    r.parallel_for = dsi_pool_for;
    r.user = pool;
    r.n_workers = pool->n_threads;
    return r;
}

DIFFSIM_API void ds_pool_destroy(ds_pool *pool)
{
    if (pool) dsi_pool_close(pool);
}
#endif

/* Sentences in fixed buffers: what does not fit is cut, the closing zero always stands. dsi_text_into begins
   one, dsi_put and its kin append. No snprintf: it obeys the locale. */
typedef struct dsi_text {
    char *out;
    size_t n, capacity;
} dsi_text;

static dsi_text dsi_text_into(char *out, size_t capacity)
{
    dsi_text t;
    t.out = out;
    t.n = 0;
    t.capacity = capacity;
    out[0] = 0;
    return t;
}

DSI_APART void dsi_put(dsi_text *t, const char *words)
{
    while (*words && t->n + 1 < t->capacity) t->out[t->n++] = *words++;
    t->out[t->n] = 0;
}

/* in decimal: 2^64 - 1 has 20 digits */
DSI_APART void dsi_put_size(dsi_text *t, size_t number)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = 0;
    do digits[--i] = (char)('0' + number % 10);
    while (number /= 10);
    dsi_put(t, digits + i);
}

/* six significant digits, with a point whatever the locale says */
DSI_APART void dsi_put_real(dsi_text *t, double number)
{
    char digits[32];
    ds_text_from_real(digits, sizeof digits, number, 6);
    dsi_put(t, digits);
}

/* the end of a refusal: the sentence of its code, behind what t has put into the error's text; the logger is
   told. Returns the code. */
DSI_APART DSI_UNUSED ds_result dsi_end_refusal(const ds_error *error, const ds_logger *log, dsi_text *t)
{
    dsi_put(t, ": ");
    dsi_put(t, ds_result_text(error->code));
    if (log->write) log->write(log->user, error->code, error->text);
    return error->code;
}

/* Arena. A block is a header and its bytes; over the caller's memory there is one block that is not ours.

       block -> [ dsi_block, rounded up to 16 | handed out ... | left ]
                                                               ^ arena->begin   ^ arena->end

   Blocks form a list from the newest to the oldest. A new one begins when the newest has no room; what was
   left of that stays unused until a release returns to it, so each block remembers the cursor before it. */
struct dsi_block {
    struct dsi_block *older;
    size_t bytes; /* the header included; 0: the caller's memory */
    char *begin, *end; /* where the arena stood when this block was begun */
};

/* C99 has no name for the strictest alignment (max_align_t is C11); the header of a block is rounded up to
   it, too, so that objects are aligned as the block itself is */
enum { DSI_ALIGN = 16 };

static size_t dsi_round_up(size_t bytes) { return (bytes + DSI_ALIGN - 1) / DSI_ALIGN * DSI_ALIGN; }

/* the first refusal is kept: later ones are its consequences, as a rule */
static void dsi_arena_refuse(ds_arena *arena, ds_result code, size_t bytes)
{
    dsi_text t;
    if (arena->error.code) return;
    arena->error.code = code;
    arena->error.index = bytes;
    t = dsi_text_into(arena->error.text, sizeof arena->error.text);
    dsi_put(&t, "arena: no room for ");
    dsi_put_size(&t, bytes);
    dsi_put(&t, " bytes: ");
    dsi_put(&t, ds_result_text(code));
}

DIFFSIM_API void ds_arena_init(ds_arena *arena, void *memory, size_t bytes)
{
    /* bytes up to the next multiple of 16; a piece shorter than that becomes an arena without room */
    const size_t skip = (DSI_ALIGN - (uintptr_t)memory % DSI_ALIGN) % DSI_ALIGN;
    memset(arena, 0, sizeof *arena);
    if (!memory) return;
    arena->memory = arena->begin = (char *)memory + dsi_least(skip, bytes);
    arena->end = (char *)memory + bytes;
}

DIFFSIM_API void ds_arena_create(ds_arena *arena, const ds_allocator *allocator, size_t block_bytes)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = dsi_allocator(allocator);
    arena->block_bytes = block_bytes ? block_bytes : 65536;
}

/* A new block with room for `bytes`, in front of the list. On failure the arena is as it was. Over the
   caller's memory there is no allocator, and the block is full. */
static ds_result dsi_arena_grow(ds_arena *arena, size_t bytes)
{
    const size_t head = dsi_round_up(sizeof(dsi_block));
    size_t whole = arena->block_bytes;
    dsi_block *block;
    if (!arena->allocator.resize) return DSIM_ERROR_FULL;
    if (whole < bytes) whole = bytes;
    if (ds_size_add(whole, head, &whole)) return DSIM_ERROR_OVERFLOW;
    block = (dsi_block *)arena->allocator.resize(arena->allocator.user, NULL, 0, whole);
    if (!block) return DSIM_ERROR_MEMORY;
    block->older = arena->block;
    block->bytes = whole;
    block->begin = arena->begin;
    block->end = arena->end;
    arena->block = block;
    arena->begin = (char *)block + head;
    arena->end = (char *)block + whole;
    return DSIM_OK;
}

DIFFSIM_API void *ds_arena_alloc(ds_arena *arena, size_t count, size_t bytes)
{
    /* bytes becomes the product; count only receives the sum that proves that rounding up does not wrap */
    ds_result result = ds_size_mul(count, bytes, &bytes);
    void *r;
    if (!result) result = ds_size_add(bytes, DSI_ALIGN - 1, &count);
    if (!result) {
        /* nothing takes 16 bytes, too: two objects never share an address */
        bytes = dsi_round_up(bytes ? bytes : 1);
        if ((size_t)(arena->end - arena->begin) < bytes) result = dsi_arena_grow(arena, bytes);
    }
    if (result) {
        dsi_arena_refuse(arena, result, bytes);
        return NULL;
    }
    r = arena->begin;
    arena->begin += bytes;
    return memset(r, 0, bytes);
}

/* a mark is the newest block and the cursor in it: what is newer than both is released to it */
DIFFSIM_API ds_arena_place ds_arena_mark(const ds_arena *arena)
{
    ds_arena_place r;
    r.block = arena->block;
    r.begin = arena->begin;
    return r;
}

/* where the memory of a block (NULL: the caller's) begins */
static char *dsi_block_begin(const ds_arena *arena, dsi_block *block)
{
    return block ? (char *)block + dsi_round_up(sizeof(dsi_block)) : arena->memory;
}

DIFFSIM_API ds_result ds_arena_release(ds_arena *arena, ds_arena_place place)
{
    /* `used` is the cursor within `block`: of the newest the arena's, of an older one where the next began.
       A mark beyond it, or of a block that is gone, is stale; nothing is freed before that is known. */
    dsi_block *block = arena->block;
    char *used = arena->begin;
    for (; block && block != place.block; block = block->older) used = block->begin;
    if (block != place.block || place.begin < dsi_block_begin(arena, block) || place.begin > used)
        return DSIM_ERROR_STALE;
    while (arena->block != place.block) {
        dsi_block *const newest = arena->block;
        arena->block = newest->older;
        arena->begin = newest->begin;
        arena->end = newest->end;
        arena->allocator.resize(arena->allocator.user, newest, newest->bytes, 0);
    }
    arena->begin = place.begin;
    return DSIM_OK;
}

DIFFSIM_API void ds_arena_destroy(ds_arena *arena)
{
    /* the mark of an arena that has no block yet: all blocks are newer */
    ds_arena_place empty;
    if (!arena || !arena->allocator.resize) return;
    empty.block = NULL;
    empty.begin = NULL;
    ds_arena_release(arena, empty);
    arena->end = NULL;
}

/* Numbers as text, exactly: a number is a ratio of two big integers, and rounding looks at the true
   remainder. Slower than tables of powers, with nothing to trust but long division. At most 800 digits are
   kept; what follows them only tells whether the rest is zero. That is enough to round: a point midway
   between two doubles has at most 768 significant digits (those of (2^54 - 1) 5^1075).

   Both directions write a number as 0.d0 d1 d2 ... * 10^point, d0 not 0: 314.15 has the digits 31415 and the
   point 3. dsi_big is the arithmetic, without checks of its room: the largest integer is 10^(801 + 330), the
   800 digits and one more over the lowest point, with 53 bits for the quotient: below 3820 bits, and 136
   limbs have 4352. */
enum { DSI_BIG_LIMBS = 136, DSI_DIGITS = 800 };
typedef struct dsi_big {
    int n;
    uint32_t limb[DSI_BIG_LIMBS]; /* least significant first, no leading zero limb */
} dsi_big;

/* zero has no limbs */
static void dsi_big_set(dsi_big *x, uint64_t number)
{
    x->n = 0;
    for (; number; number >>= 32) x->limb[x->n++] = (uint32_t)number;
}

static void dsi_big_mul_add(dsi_big *x, uint32_t factor, uint32_t carry) /* x = x * factor + carry */
{
    /* (2^32 - 1)^2 + 2^32 - 1 < 2^64: limb, factor and carry never overflow */
    uint64_t rest = carry;
    int i;
    for (i = 0; i < x->n; i++, rest >>= 32) {
        rest += (uint64_t)x->limb[i] * factor;
        x->limb[i] = (uint32_t)rest;
    }
    if (rest) x->limb[x->n++] = (uint32_t)rest;
}

/* x *= 10^power, power >= 0; 10^9 is the largest power of ten in a limb */
static void dsi_big_mul_pow10(dsi_big *x, int power)
{
    for (; power >= 9; power -= 9) dsi_big_mul_add(x, 1000000000u, 0);
    for (; power > 0; power--) dsi_big_mul_add(x, 10u, 0);
}

static void dsi_big_shift(dsi_big *x, int bits) /* x <<= bits */
{
    /* the rest of 32 by a multiplication, which may be by 1; whole limbs by a move */
    const int limbs = bits / 32;
    dsi_big_mul_add(x, (uint32_t)1 << bits % 32, 0);
    if (!x->n || !limbs) return;
    memmove(x->limb + limbs, x->limb, (size_t)x->n * sizeof x->limb[0]);
    memset(x->limb, 0, (size_t)limbs * sizeof x->limb[0]);
    x->n += limbs;
}

/* the length of x in bits: 0 for 0, 1 for 1, 2 for 2 and 3 */
static int dsi_big_bits(const dsi_big *x)
{
    int bits = 32 * x->n;
    uint32_t top;
    if (!bits) return 0;
    for (top = x->limb[x->n - 1]; !(top >> 31); top <<= 1) bits--;
    return bits;
}

/* -1, 0 or 1 as x is below, equal to or above y: no leading zero limbs, so more limbs are more */
static int dsi_big_compare(const dsi_big *x, const dsi_big *y)
{
    int i;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    for (i = x->n - 1; i >= 0; i--)
        if (x->limb[i] != y->limb[i]) return x->limb[i] < y->limb[i] ? -1 : 1;
    return 0;
}

static void dsi_big_subtract(dsi_big *x, const dsi_big *y) /* x -= y, x >= y */
{
    uint64_t borrow = 0;
    int i;
    for (i = 0; i < x->n; i++) {
        /* below zero d wraps, and its highest bit is the borrow */
        const uint64_t d = (uint64_t)x->limb[i] - (i < y->n ? y->limb[i] : 0u) - borrow;
        x->limb[i] = (uint32_t)d;
        borrow = d >> 63;
    }
    while (x->n && !x->limb[x->n - 1]) x->n--;
}

/* 0.d0 d1 d2 ... * 10^point, correctly rounded (ties to even); rest: non-zero digits follow the last one.
   digits [n], n <= 800, the first not '0'; n = 0 is zero. The number is num / den; shifted by a power of two,
   its integer part is the fraction of the double and its remainder decides the rounding. */
static double dsi_double_from_digits(const char *digits, int n, int rest, int point)
{
    dsi_big num, den;
    uint64_t quotient = 0, bits;
    double x;
    int i, shift, steps, order;
    while (n && digits[n - 1] == '0' && !rest) n--; /* fewer digits, smaller integers */
    /* 10^-330 is far below half of the smallest double, 2^-1075 = 2.5e-324; 10^310 is above the largest,
       1.8e308: one digit and a large point are as infinite as the whole number, and shorter */
    if (!n || point < -330) return 0.0;
    if (point > 310) point = 400, n = 1;
    dsi_big_set(&num, 0);
    dsi_big_set(&den, 1);
    for (i = 0; i < n; i++) dsi_big_mul_add(&num, 10u, (uint32_t)(digits[i] - '0'));
    /* a digit 1 stands for all that follow: it moves a tie, and cannot reach the next one */
    if (rest) dsi_big_mul_add(&num, 10u, 1u), n++;
    if (point >= n) dsi_big_mul_pow10(&num, point - n);
    else dsi_big_mul_pow10(&den, n - point);
    /* num / den * 2^shift in [2^52, 2^54), unless that is below the smallest unit 2^-1074 */
    shift = 53 - (dsi_big_bits(&num) - dsi_big_bits(&den));
    if (shift > 1074) shift = 1074;
    if (shift > 0) dsi_big_shift(&num, shift);
    else dsi_big_shift(&den, -shift);
    /* Align den with num, then divide. In each pass num < 2 den, so the next bit of the quotient is a
       comparison; instead of halving den, num is doubled. The last pass leaves num = the remainder. */
    steps = dsi_big_bits(&num) - dsi_big_bits(&den);
    if (steps > 0) dsi_big_shift(&den, steps);
    for (i = steps > 0 ? steps : 0; i >= 0; i--) { /* schoolbook division, one bit at a time */
        quotient <<= 1;
        if (dsi_big_compare(&num, &den) >= 0) dsi_big_subtract(&num, &den), quotient |= 1;
        if (i) dsi_big_mul_add(&num, 2u, 0);
    }
    /* order: the remainder against half a unit of the quotient: below -1, a tie 0, above 1 */
    if (quotient >> 53) { /* one bit too many: it is the half */
        order = !(quotient & 1) ? -1 : num.n ? 1 : 0;
        quotient >>= 1;
        shift--;
    } else {
        dsi_big_mul_add(&num, 2u, 0);
        order = dsi_big_compare(&num, &den);
    }
    if (order > 0 || (order == 0 && (quotient & 1))) quotient++;
    /* rounded up to 2^53: a power of two, half of it with the next exponent. The value is quotient 2^-shift,
       and infinite from 2^52 2^972 on. A quotient below 2^52 is subnormal: shift is 1074, quotient is its
       pattern. */
    if (quotient >> 53) quotient >>= 1, shift--;
    if (shift < -971) return HUGE_VAL;
    bits =
        quotient >> 52 ? ((uint64_t)(1075 - shift) << 52) | (quotient & UINT64_C(0xfffffffffffff)) : quotient;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 18 digits of |x| and whether more follow, x finite and not zero; returns the point: 0.d0 d1 ... *
   10^point. Digits are cut, not rounded: the callers round what they keep of them, once. */
static int dsi_digits_from_double(double x, char digits[18], int *rest)
{
    dsi_big num, den;
    uint64_t bits, fraction;
    int exponent, point, i;
    memcpy(&bits, &x, sizeof bits);
    fraction = bits & UINT64_C(0xfffffffffffff);
    exponent = (int)(bits >> 52 & 2047);
    if (exponent) fraction |= UINT64_C(1) << 52;
    else exponent = 1;
    exponent -= 1075; /* |x| = fraction * 2^exponent */
    dsi_big_set(&num, fraction);
    dsi_big_set(&den, 1);
    dsi_big_shift(exponent > 0 ? &num : &den, exponent > 0 ? exponent : -exponent);
    /* |x| has the bits of num less those of den, give or take one: times log10(2) = 0.30103 that estimates
       the point; the loop below mends it, until num / den = 0.d0 d1 ... < 1 */
    point = (dsi_big_bits(&num) - dsi_big_bits(&den)) * 30103 / 100000 - 1; /* never above, not far below */
    if (point >= 0) dsi_big_mul_pow10(&den, point);
    else dsi_big_mul_pow10(&num, -point);
    while (dsi_big_compare(&num, &den) >= 0) dsi_big_mul_add(&den, 10u, 0), point++;
    for (i = 0; i < 18; i++) {
        /* num < den: the digit is floor(10 num / den), by at most nine subtractions */
        dsi_big_mul_add(&num, 10u, 0);
        for (digits[i] = '0'; dsi_big_compare(&num, &den) >= 0; digits[i]++) dsi_big_subtract(&num, &den);
    }
    *rest = num.n != 0;
    return point;
}

/* 18 digits (and a rest) cut to n <= 17 of them, or the next above; the point moves when 99.. becomes
   100.. Returns the point of out: 1996.. cut above to 3 digits is 200; 9996.. is 100, a point more. */
static int dsi_cut_digits(const char digits[18], int point, int n, int up, char out[18])
{
    int i;
    memcpy(out, digits, (size_t)n);
    /* one unit up: a 9 becomes 0 and carries on, another digit ends it */
    for (i = n - 1; up && i >= 0; i--) {
        up = out[i] == '9';
        out[i] = (char)(up ? '0' : out[i] + 1);
    }
    if (!up) return point;
    out[0] = '1';
    return point + 1;
}

/* is the cut to n digits nearer from above? ties to even */
static int dsi_rounds_up(const char digits[18], int rest, int n)
{
    int i;
    for (i = n + 1; i < 18; i++) rest |= digits[i] != '0';
    return digits[n] > '5' || (digits[n] == '5' && (rest || (digits[n - 1] - '0') % 2));
}

/* Do n digits, cut below or above, read back as |x|? Unless x is subnormal, only if what is cut off is
   nothing or nearly one unit, as 15 digits tell at once. Above a power of two the next double is farther
   off than below, so the nearer cut may fail and the other not.
   The 15 digits: a decimal of so many survives the way to a normal double and back (DBL_DIG), so where n of
   them read back as x, the next ones of x up to the 15th are all 0 (x above) or all 9 (x below). 0.1 has the
   digits 100000000000000005: one digit is tried. Most n fail here without a division.
   bits: of x, the sign included.   *up: the cut that was found, or the nearer one. */
static int dsi_reads_back(const char digits[18], int rest, int point, int n, uint64_t bits, int *up)
{
    const int nearer = dsi_rounds_up(digits, rest, n);
    char d[18];
    int i, k;
    for (i = n; i < 15 && digits[i] == digits[n] && (digits[n] == '0' || digits[n] == '9');) i++;
    if (i < 15 && bits << 1 >> 53) return 0;
    for (k = 0; k < 2; k++) {
        double back;
        uint64_t back_bits;
        *up = k ? !nearer : nearer;
        back = dsi_double_from_digits(d, n, 0, dsi_cut_digits(digits, point, n, *up, d));
        memcpy(&back_bits, &back, sizeof back_bits);
        if (back_bits == bits << 1 >> 1) return 1;
    }
    *up = nearer;
    return 0;
}

/* The shortest text is found by trying 1, 2, ... digits; 17 always read back. Plain notation where the point
   is in -3..17, the other elsewhere: 0.0001 and 10000000000000000, 1e-5 and 1e17. The longest is
   -d.dddddddddddddddde-308, 24 characters; it is made in `text`, and copied as far as there is room. */
DIFFSIM_API size_t ds_text_from_real(char *out, size_t capacity, double number, int digits)
{
    char all[18], d[18], text[32];
    dsi_text t = dsi_text_into(text, sizeof text);
    int rest, point, n, i;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (!dsi_double_is_finite(number)) {
        dsi_put(&t, bits << 12 ? "nan" : bits >> 63 ? "-inf" : "inf");
    } else if (!(bits << 1)) {
        dsi_put(&t, bits >> 63 ? "-0" : "0");
    } else {
        const int first = dsi_digits_from_double(number, all, &rest);
        int up = 0;
        /* the shortest search leaves its cut in up; with given digits, or all 17, the nearer cut is taken */
        n = digits < 1 ? 1 : digits > 17 ? 17 : digits;
        while (digits < 1 && n < 17 && !dsi_reads_back(all, rest, first, n, bits, &up)) n++;
        if (digits >= 1 || n == 17) up = dsi_rounds_up(all, rest, n);
        point = dsi_cut_digits(all, first, n, up, d);
        /* zeros at the end say nothing: 1.50 is written 1.5 */
        while (n > 1 && d[n - 1] == '0') n--;
        if (bits >> 63) dsi_put(&t, "-");
        if (point > 17 || point < -3) { /* d.ddde<point - 1> */
            text[t.n++] = d[0];
            if (n > 1) text[t.n++] = '.';
            for (i = 1; i < n; i++) text[t.n++] = d[i];
            dsi_put(&t, point < 1 ? "e-" : "e");
            dsi_put_size(&t, (size_t)(point < 1 ? 1 - point : point - 1));
        } else {
            if (point <= 0) dsi_put(&t, "0.");
            for (i = point; i < 0; i++) text[t.n++] = '0';
            for (i = 0; i < n || i < point; i++) {
                if (i == point && i) text[t.n++] = '.';
                text[t.n++] = i < n ? d[i] : '0';
            }
        }
    }
    text[t.n] = 0;
    if (out && capacity) {
        dsi_text copy = dsi_text_into(out, capacity);
        dsi_put(&copy, text);
    }
    return t.n;
}

/* reads `word` (lower case) whatever its case (| 32 makes lower case); the position behind it or NULL */
static const char *dsi_read_word(const char *p, const char *end, const char *word)
{
    for (; *word; word++, p++)
        if (p == end || (*p | 32) != *word) return NULL;
    return p;
}

/* Digits are kept from the first that is not 0, and the point counted along: 0012.5 gives 125 and 2, 0.0012
   gives 12 and -2. Nothing of the C library is used, so the locale has no say. */
DIFFSIM_API const char *ds_real_from_text(const char *begin, const char *end, double *out)
{
    const char *p = begin, *after;
    char digits[DSI_DIGITS];
    int n = 0, rest = 0, point = 0, seen = 0, dot = 0, negative;
    double x;
    if (!begin || !end || begin >= end || !out) return NULL;
    negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    if ((after = dsi_read_word(p, end, "inf")) != NULL) {
        const char *const longer = dsi_read_word(after, end, "inity");
        *out = negative ? -HUGE_VAL : HUGE_VAL;
        return longer ? longer : after;
    }
    if ((after = dsi_read_word(p, end, "nan")) != NULL) {
        *out = (double)dsi_nan();
        return after;
    }
    for (; p < end && ((*p >= '0' && *p <= '9') || (*p == '.' && !dot)); p++) {
        if (*p == '.') {
            dot = 1;
            continue;
        }
        /* one dot at most; zeros before the first other digit only move the point */
        seen = 1;
        if (!n && *p == '0') point -= dot; /* a leading zero */
        else if (n < DSI_DIGITS) digits[n++] = *p, point += !dot;
        else rest |= *p != '0', point += !dot;
        if (point > 1000000000) point = 1000000000; /* so long a number is infinite */
        if (point < -1000000000) point = -1000000000;
    }
    if (!seen) return NULL;
    if (p < end && (*p | 32) == 'e') {
        /* an e without digits is not read: of 2em the number is 2, and the rest begins at e. The limits of
           point and exponent, 1e9 each, keep their sum within an int. */
        const char *q = p + 1;
        const int minus = q < end && *q == '-';
        int exponent = 0;
        if (q < end && (*q == '-' || *q == '+')) q++;
        if (q < end && *q >= '0' && *q <= '9') {
            for (; q < end && *q >= '0' && *q <= '9'; q++)
                if (exponent < 100000000) exponent = exponent * 10 + (*q - '0');
            point += minus ? -exponent : exponent;
            p = q;
        }
    }
    x = dsi_double_from_digits(digits, n, rest, point);
    *out = negative ? -x : x;
    return p;
}

/* Philox4x32-10: ten rounds of two 32x32 multiplications and a Weyl key. From: Salmon et al. 2011, sec.
   3.3. One round, hi and lo the halves of a 64-bit product:
       (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0))
   For a fixed key this is a bijection of the 2^128 counters: blocks of one stream do not repeat. */
DIFFSIM_API void ds_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    int round;
    /* the keys grow by the fractions of the golden ratio and of sqrt(3), in units of 2^-32 */
    for (round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* nothing to warm up: the seed is the key, the stream one half of the counter */
DIFFSIM_API ds_rng ds_rng_make(uint64_t seed, uint64_t stream)
{
    ds_rng r;
    r.seed = seed;
    r.stream = stream;
    r.count = 0;
    return r;
}

/* Block number count of the stream: the counter is (count, stream), the key is the seed. Half of the block is
   left, so that the n-th number is block n and nothing has to be kept between calls. */
DIFFSIM_API uint64_t ds_rng_bits(ds_rng *rng)
{
    uint32_t counter[4], key[2], out[4];
    counter[0] = (uint32_t)rng->count;
    counter[1] = (uint32_t)(rng->count >> 32);
    counter[2] = (uint32_t)rng->stream;
    counter[3] = (uint32_t)(rng->stream >> 32);
    key[0] = (uint32_t)rng->seed;
    key[1] = (uint32_t)(rng->seed >> 32);
    ds_philox(counter, key, out);
    rng->count++;
    return out[0] | (uint64_t)out[1] << 32;
}

DIFFSIM_API ds_real ds_rng_uniform(ds_rng *rng)
{
    /* as many high bits as a ds_real has: the quotient is exact, so that no rounding reaches 1 */
    const uint64_t bits = ds_rng_bits(rng);
    if (sizeof(ds_real) == 4) return (ds_real)((double)(bits >> 40) / 16777216.0);
    return (ds_real)((double)(bits >> 11) / 9007199254740992.0);
}

/* XXH64: four lanes of multiply and rotate, then an avalanche. From: Collet 2012, the published
   specification. All arithmetic is modulo 2^64. Bytes are put together one by one, so that neither the
   alignment of the data nor the byte order of the machine matters. */
#define DSI_PRIME1 UINT64_C(0x9E3779B185EBCA87)
#define DSI_PRIME2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define DSI_PRIME3 UINT64_C(0x165667B19E3779F9)
#define DSI_PRIME4 UINT64_C(0x85EBCA77C2B2AE63)
#define DSI_PRIME5 UINT64_C(0x27D4EB2F165667C5)

/* to the left, 0 < bits < 64 */
static uint64_t dsi_rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }
/* one word into one lane */
static uint64_t dsi_hash_round(uint64_t lane, uint64_t word)
{
    return dsi_rotate(lane + word * DSI_PRIME2, 31) * DSI_PRIME1;
}

/* `bytes` bytes from i on as a number, the lowest first; flip: the low bits to flip in each byte's position,
   0 or the size of a number less one */
static uint64_t dsi_word(const unsigned char *p, size_t i, int bytes, size_t flip)
{
    uint64_t word = 0;
    while (bytes--) word = word << 8 | p[(i + (size_t)bytes) ^ flip];
    return word;
}

/* Stripes of 32 bytes go to four lanes that do not wait for each other, and are merged; what is left, below
   32 bytes, by eights, fours and ones. The last lines spread every bit over the whole hash. */
static uint64_t dsi_hash(const unsigned char *p, size_t bytes, uint64_t seed, size_t flip)
{
    uint64_t lane[4], hash = seed + DSI_PRIME5;
    size_t i = 0, j;
    if (bytes >= 32) {
        lane[0] = seed + DSI_PRIME1 + DSI_PRIME2;
        lane[1] = seed + DSI_PRIME2;
        lane[2] = seed;
        lane[3] = seed - DSI_PRIME1;
        for (; bytes - i >= 32; i += 32)
            for (j = 0; j < 4; j++) lane[j] = dsi_hash_round(lane[j], dsi_word(p, i + 8 * j, 8, flip));
        hash = dsi_rotate(lane[0], 1) + dsi_rotate(lane[1], 7) + dsi_rotate(lane[2], 12) +
               dsi_rotate(lane[3], 18);
        for (j = 0; j < 4; j++) hash = (hash ^ dsi_hash_round(0, lane[j])) * DSI_PRIME1 + DSI_PRIME4;
    }
    hash += bytes;
    for (; bytes - i >= 8; i += 8)
        hash = dsi_rotate(hash ^ dsi_hash_round(0, dsi_word(p, i, 8, flip)), 27) * DSI_PRIME1 + DSI_PRIME4;
    for (; bytes - i >= 4; i += 4)
        hash = dsi_rotate(hash ^ dsi_word(p, i, 4, flip) * DSI_PRIME1, 23) * DSI_PRIME2 + DSI_PRIME3;
    for (; i < bytes; i++) hash = dsi_rotate(hash ^ p[i ^ flip] * DSI_PRIME5, 11) * DSI_PRIME1;
    hash = (hash ^ hash >> 33) * DSI_PRIME2;
    hash = (hash ^ hash >> 29) * DSI_PRIME3;
    return hash ^ hash >> 32;
}

DIFFSIM_API uint64_t ds_hash_bytes(const void *data, size_t bytes, uint64_t seed)
{
    return dsi_hash((const unsigned char *)data, bytes, seed, 0);
}

/* On a big-endian machine the bytes of each number are read backwards: position i becomes i ^ (size - 1).
   For doubles 0 1 2 ... 7 8 9 ... becomes 7 6 5 ... 0 15 14 ...; the size is a power of two, and the
   number of bytes a multiple of it, so no position leaves its number. */
DIFFSIM_API uint64_t ds_hash_reals(const ds_real *data, size_t n, uint64_t seed)
{
    const uint16_t one = 1;
    unsigned char little;
    memcpy(&little, &one, 1);
    return dsi_hash((const unsigned char *)data, n * sizeof *data, seed, little ? 0 : sizeof *data - 1);
}

/* vector instructions beyond the build's, asked of the machine: 0 none, 1 AVX2, 2 AVX-512. The arrays of
   section 2 choose their copy of a loop by it. */
#if defined(__GNUC__) && !defined(__TINYC__) && defined(__x86_64__)
#define DSI_WIDE
static int dsi_wide(void)
{
    return __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
}
#else
static int dsi_wide(void) { return 0; }
#endif

/* as the elementary functions are compiled: no contraction, unless clang's command line forces it; then that
   shows where the instructions are there */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif
/* x y - z, in the arithmetic of section 2; AVX-512 has fused instructions, AVX2 alone has none */
static double dsi_product_less(double x, double y, double z) { return x * y - z; }
#ifdef DSI_WIDE
__attribute__((target("avx512f"))) static double dsi_product_less_wide(double x, double y, double z)
{
    return x * y - z;
}
#else
#define dsi_product_less_wide dsi_product_less
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC pop_options
#endif

/* a * b + c rounded once and rounded twice differ for (1 + e)(1 - e) - 1: -e^2 against 0, with e^2 below
   half a unit. Every operand passes a volatile: a compiler that works the test out itself would report on its
   own arithmetic, not on the program's. The modes (rounding, denormals) are those of the calling thread at
   the time of the call. */
DIFFSIM_API ds_build ds_build_info(void)
{
    const int is_float = sizeof(ds_real) == 4;
    const ds_real e = (ds_real)(is_float ? 1.0 / 8192 : 1.0 / 134217728); /* 2^-13, 2^-27 */
    volatile ds_real up = 1 + e, down = 1 - e, unit = 1,
                     least = is_float ? (ds_real)FLT_MIN : (ds_real)DBL_MIN,
                     most = is_float ? (ds_real)FLT_MAX : (ds_real)DBL_MAX, back_to_most;
    volatile ds_real not_a_number = dsi_nan();
    const ds_real whole = unit, part = least; /* reordered, whole + part - whole is part */
    volatile double one = 1, three = 3, huge = DBL_MAX, third, back;
    volatile double above = 1 + 1.0 / 134217728, below = 1 - 1.0 / 134217728;
    dsi_text t;
    ds_build r;
    memset(&r, 0, sizeof r);
    /* NaN equals itself only where the compiler assumes that there is none. Twice the largest number, halved,
       is finite only in registers of more range. Half the least normal number is 0 only if flushed. */
    r.version = DIFFSIM_VERSION_STRING;
    r.real_bytes = sizeof(ds_real);
    r.contraction = up * down - unit < 0; /* each reads its own operands, lest the product is shared */
    r.own_contraction = dsi_product(up, down) - unit < 0 || dsi_product_less(above, below, one) < 0;
    if (dsi_wide() == 2) r.own_contraction |= dsi_product_less_wide(above, below, one) < 0;
    r.fast_math = not_a_number == not_a_number || (whole + part) - whole > 0;
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
    r.fast_math = 1;
#endif
    back_to_most = most * 2 / 2;
    r.x87 = dsi_double_is_finite(huge * 2 / 2) || dsi_is_finite(back_to_most); /* registers of more range */
    r.x87 = r.x87 && !r.fast_math;
    r.flush_to_zero = !(least / 2 > 0);
    third = one / three;
    back = third * three; /* exactly one only when rounding to nearest */
    r.rounding = back < 1 || back > 1;
    r.same_bits = !(r.own_contraction || r.fast_math || r.x87 || r.flush_to_zero || r.rounding);
    t = dsi_text_into(r.text, sizeof r.text);
    dsi_put(&t, r.same_bits ? "strict IEEE arithmetic: the bits of any other strict build of this precision"
                            : "other bits than a strict build:");
    if (r.own_contraction && !r.x87) dsi_put(&t, " products are fused in spite of the fences;");
    if (r.fast_math) dsi_put(&t, " built with fast-math, drop it;");
    if (r.x87) dsi_put(&t, " extra precision in between, use -msse2 -mfpmath=sse -fexcess-precision=fast;");
    if (r.flush_to_zero) dsi_put(&t, " denormals are flushed, often by a linked fast-math object;");
    if (r.rounding) dsi_put(&t, " the rounding mode is not to nearest;");
    return r;
}

/* >>impl 2 maths ----------------------------------------------------------------------------------

   Vectors and matrices are inlined. Here are the elementary functions, made of + - * / sqrt and integer
   operations only, each rounded once, so that their bits are the same on every IEEE machine; where the
   machine has a fused multiply-add, a pragma keeps the compiler from using it. All is computed in double.

   Method: reduce the argument without error, evaluate a polynomial on a small interval, put the parts
   together so that only the last sum rounds visibly. Numbers of more than 53 bits are unevaluated sums
   hi + lo (Dekker 1971); reductions are those of Cody and Waite 1980 and, for huge angles, of Payne and
   Hanek 1983. See Muller, Elementary Functions, 3rd ed. 2016, ch. 4, 11 and Muller et al., Handbook of
   Floating-Point Arithmetic, 2nd ed. 2018, ch. 4. Coefficients: interpolation at Chebyshev nodes in 400
   bits, then rounded; each polynomial names its interval and its error.

   dsi_core_* are branch-free, so that a loop over them becomes vector code: both arms of a choice are
   computed. dsi_full_* take every argument; where they need no more than the core there is none.
   dsi_rare_* say, without a branch either, which arguments the core does not take: magnitudes compare as
   their bit patterns do, so bound - pattern wraps below zero, and has its highest bit set, beyond the
   bound and for NaN.

   Polynomials are summed by pairs, pairs of pairs and so on (Estrin's scheme), so that the products do not
   wait for each other as in Horner's. The parentheses are part of the result: another order gives other
   bits. A power of two in a comment after an interval is the error of the polynomial in what it is used
   for. */

#if defined(__clang__)
#if __clang_major__ >= 13 && !defined(__wasm__)
#pragma float_control(precise, on, push) /* sets contraction, too: first */
#endif
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=off", "no-trapping-math", "no-math-errno", "tree-vectorize")
#endif

typedef struct dsi_pair { double hi, lo; } dsi_pair; /* hi + lo, |lo| <= ulp(hi) / 2 or nearly */

#define DSI_NAN dsi_from_bits(UINT64_C(0x7ff8000000000000))
#define DSI_INFINITY dsi_from_bits(UINT64_C(0x7ff0000000000000))
/* 1.5 2^52: x + this holds x, rounded to an integer, in its low bits, for |x| < 2^51. There a unit is 1, and
   the half of 2^52 keeps negative x in the same binade: -2.7 gives DSI_ROUND - 3. Less DSI_ROUND, that is the
   integer as a double; less the pattern of DSI_ROUND, the pattern is the integer in two's complement. */
#define DSI_ROUND 6755399441055744.0
#define DSI_LN2_HI 0.6931471805598903 /* 42 bits: times an exponent, 11 bits, it is exact */
#define DSI_LN2_LO 5.497923018708371e-14
#define DSI_PIO2_HI 1.5707963267948966
#define DSI_PIO2_LO 6.123233995736766e-17

/* mask is all ones: yes, zero: no. A choice of bits: no branch, and the arm not taken may be NaN. */
DSI_INLINE double dsi_pick(uint64_t mask, double yes, double no)
{
    return dsi_from_bits((dsi_to_bits(yes) & mask) | (dsi_to_bits(no) & ~mask));
}
DSI_INLINE double dsi_absolute(double x)
{
    return dsi_from_bits(dsi_to_bits(x) & UINT64_C(0x7fffffffffffffff));
}
/* the magnitude, which is not negative, with the sign bit of `sign`: -0 counts as negative */
DSI_INLINE double dsi_signed_as(double magnitude, double sign)
{
    return dsi_from_bits(dsi_to_bits(magnitude) | (dsi_to_bits(sign) & UINT64_C(0x8000000000000000)));
}

/* x + y exactly, whichever is larger (Knuth, TAOCP 4.2.2): hi is the rounded sum, lo what it lacks */
DSI_INLINE dsi_pair dsi_two_sum(double x, double y)
{
    dsi_pair r;
    double part;
    r.hi = x + y;
    part = r.hi - x;
    r.lo = (x - (r.hi - part)) + (y - part);
    return r;
}
/* the same in three operations instead of six, where |x| >= |y| or x is 0 (Dekker 1971) */
DSI_INLINE dsi_pair dsi_quick_sum(double x, double y)
{
    dsi_pair r;
    r.hi = x + y;
    r.lo = y - (r.hi - x);
    return r;
}
/* x y, exact to 2^-106 (Dekker 1971): the heads have 26 bits, cut off by a mask, which cannot overflow */
DSI_INLINE dsi_pair dsi_two_product(double x, double y)
{
    const double xh = dsi_from_bits(dsi_to_bits(x) & UINT64_C(0xfffffffff8000000)), xl = x - xh;
    const double yh = dsi_from_bits(dsi_to_bits(y) & UINT64_C(0xfffffffff8000000)), yl = y - yh;
    dsi_pair r;
    r.hi = x * y;
    r.lo = (((xh * yh - r.hi) + xh * yl) + xl * yh) + xl * yl;
    return r;
}
/* (x.hi + x.lo) / (y.hi + y.lo), nearly to twice the precision: one division, then its remainder:
   q = x.hi (1 / y.hi), lo = (x - q y) / y.hi. x.hi - product.hi is exact, the two being neighbours. */
DSI_INLINE dsi_pair dsi_quotient(dsi_pair x, dsi_pair y)
{
    const double inverse = 1 / y.hi;
    dsi_pair r, product;
    r.hi = x.hi * inverse;
    product = dsi_two_product(r.hi, y.hi);
    r.lo = ((((x.hi - product.hi) - product.lo) + x.lo) - r.hi * y.lo) * inverse;
    return r;
}

/* x 2^k for -1080 < k <= 1025, rounded once where x is in [0.5, 2]; n is k in two's complement.
   x 2^floor(k / 2) 2^ceil(k / 2): 2^k alone may be out of range where x 2^k is not. The first product is
   exact, only the second can overflow or become denormal. k = -1075: x 2^-538 2^-537. */
DSI_INLINE double dsi_scale(double x, uint64_t n)
{
    const uint64_t half = (n + 2048) >> 1; /* 1024 + floor(k / 2) */
    return x * dsi_from_bits((half - 1) << 52) * dsi_from_bits((n + 2047 - half) << 52);
}

/* exp and its kin: e^x = 2^k (1 + head + tail), |head| <= 0.3466. x = k ln 2 + r with k the nearest
   integer; head is r, tail the rest of the series, so that exp, expm1, tanh, sinh, cosh, pow and erf can
   each put 2^k, 1 and head together in the order that loses least. */
typedef struct dsi_exponent { double k, head, tail; uint64_t n; } dsi_exponent; /* n: bits of k */

/* x in [-746, 711]. Polynomial: (e^r - 1 - r - r^2 / 2) / r^3, |r| <= 0.3467, 2^-60 in e^r.
   r = (x - k LN2_HI) - k LN2_LO: the first product and difference are exact (Cody and Waite 1980). */
DSI_INLINE dsi_exponent dsi_exp_parts(double x)
{
    const double t = x * 1.4426950408889634 + DSI_ROUND;
    dsi_exponent e;
    dsi_pair r;
    double r2, r4, p;
    e.k = t - DSI_ROUND;
    e.n = dsi_to_bits(t) - dsi_to_bits(DSI_ROUND);
    r = dsi_quick_sum(x - e.k * DSI_LN2_HI, e.k * -DSI_LN2_LO);
    r2 = r.hi * r.hi;
    r4 = r2 * r2;
    p = ((0.16666666666666669 + 0.041666666666666664 * r.hi) +
         r2 * (0.008333333333330055 + 0.0013888888888886548 * r.hi)) +
        r4 * (((0.00019841269863088255 + 2.4801587317169235e-05 * r.hi) +
               r2 * (2.7557268406190795e-06 + 2.7557282931125736e-07 * r.hi)) +
              r4 * (2.51004110820149e-08 + 2.091125490208877e-09 * r.hi));
    e.head = r.hi;
    e.tail = (0.5 * r2 + r2 * (r.hi * p)) + r.lo;
    return e;
}
/* 1 + head + tail = e^x / 2^k, about [0.7, 1.42] */
DSI_INLINE dsi_pair dsi_mantissa(dsi_exponent e)
{
    const dsi_pair r = dsi_quick_sum(1, e.head);
    return dsi_quick_sum(r.hi, r.lo + e.tail);
}
/* e^(x + low), |low| <= ulp(x): e^x (1 + low), the square of low is nothing */
DSI_INLINE dsi_exponent dsi_exp_parts_pair(double x, double low)
{
    dsi_exponent e = dsi_exp_parts(x);
    e.tail += low + low * (e.head + e.tail);
    return e;
}
/* 2^-k for k >= -1000; above 60 it is 2^-60, which is as good as zero */
DSI_INLINE double dsi_unit(double k)
{
    const double t = (k > 60 ? 60 : k) + DSI_ROUND;
    return dsi_from_bits((1023 - dsi_to_bits(t)) << 52); /* the high bits of DSI_ROUND are shifted out */
}
/* e^x - 1 = 2^k (hi + lo), x in [-40, 711]: 1 - 2^-k first, so that the small part is added last. Near 0,
   k is 0 and 1 - 2^-k is 0: what is left is head + tail, of full precision however small x is. */
DSI_INLINE dsi_pair dsi_expm1_parts(dsi_exponent e)
{
    const double unit = dsi_unit(e.k);
    const dsi_pair a = dsi_two_sum(1, -unit), b = dsi_two_sum(a.hi, e.head);
    return dsi_quick_sum(b.hi, b.lo + (a.lo + e.tail));
}
DSI_INLINE double dsi_clamp_to(double x, double low, double high) /* NaN stays NaN */
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* beyond the clamps the result is 0 or infinite; dsi_scale makes it so at -746 and 710 */
DSI_INLINE double dsi_core_exp(double x)
{
    const dsi_exponent e = dsi_exp_parts(dsi_clamp_to(x, -746, 710));
    return dsi_scale(dsi_mantissa(e).hi, e.n);
}
/* the same where neither the result nor 2^k is denormal or infinite: k is added to the exponent field */
DSI_INLINE uint64_t dsi_rare_exp(double x) /* 1: |x| > 708, or NaN */
{
    return (UINT64_C(0x4086200000000000) - dsi_to_bits(dsi_absolute(x))) >> 63;
}
DSI_INLINE double dsi_quick_exp(double x)
{
    const dsi_exponent e = dsi_exp_parts(x);
    return dsi_from_bits(dsi_to_bits(dsi_mantissa(e).hi) + (e.n << 52));
}

/* e^-40 - 1 rounds to -1: below -40 nothing changes */
static double dsi_core_expm1(double x)
{
    const dsi_exponent e = dsi_exp_parts(dsi_clamp_to(x, -40, 710));
    const double r = dsi_scale(dsi_expm1_parts(e).hi, e.n);
    return dsi_absolute(x) < 5e-17 ? x : r; /* 2^-54: keeps -0 */
}

/* tanh |x| = t / (t + 2), t = e^2|x| - 1: nothing cancels, near 0 either, as (e^x - e^-x) / (e^x + e^-x)
   would. The sign is put back last: the function is odd to the bit. */
DSI_INLINE double dsi_core_tanh(double x)
{
    const double size = dsi_absolute(x), twice = dsi_clamp_to(size + size, 0, 44); /* tanh 22 rounds to 1 */
    const dsi_exponent e = dsi_exp_parts(twice);
    /* k is in 0..63: 2^k is normal, and multiplies without rounding */
    const double scale = dsi_from_bits((e.n + 1023) << 52);
    dsi_pair t = dsi_expm1_parts(e), plus, r;
    double result;
    t.hi *= scale;
    t.lo *= scale;
    plus = dsi_two_sum(t.hi, 2);
    plus.lo += t.lo;
    r = dsi_quotient(t, plus);
    result = size < 1e-9 ? size : r.hi + r.lo; /* x^2 / 3 < 2^-54 */
    return dsi_signed_as(result, x);
}

/* sinh x = (e^x - e^-x) / 2 with e^|x| = 2^k m: 2^(k - 1) (m - 4^-k / m) from 1 on; below it, where that
   difference cancels, x + x^3 P(x^2): 2^-56. cosh has the sum instead, which never cancels. Neither
   computes e^|x| itself: above 709.78 it is infinite where its half is not. */
static double dsi_core_sinh(double x)
{
    const double size = dsi_absolute(x), z = size * size, z2 = z * z;
    const dsi_exponent e = dsi_exp_parts(dsi_clamp_to(size, 0, 711));
    const dsi_pair m = dsi_mantissa(e);
    const double unit = dsi_unit(e.k), big = dsi_scale(m.hi + (m.lo - unit * unit / m.hi), e.n - 1);
    const double p = ((0.16666666666666666 + z * 0.008333333333333299) +
                      z2 * (0.00019841269841324198 + z * 2.7557319191381816e-06)) +
                     z2 * z2 * ((2.5052117695907823e-08 + z * 1.6057679623801638e-10) +
                                z2 * 7.746178593018827e-13);
    return dsi_signed_as(size < 1 ? size + size * z * p : big, x);
}
static double dsi_core_cosh(double x)
{
    /* 2^(k - 1) (m + 4^-k / m); 1 / (m.hi + m.lo) is 1 / m.hi - m.lo / m.hi^2 */
    const dsi_exponent e = dsi_exp_parts(dsi_clamp_to(dsi_absolute(x), 0, 711));
    const dsi_pair m = dsi_mantissa(e);
    const double unit = dsi_unit(e.k), inverse = unit * unit / m.hi;
    const dsi_pair sum = dsi_two_sum(m.hi, inverse);
    return dsi_scale(sum.hi + (sum.lo + (m.lo - inverse * m.lo / m.hi)), e.n - 1);
}

/* Logarithms: x = 2^k m, m in [sqrt(1/2), sqrt(2)), for positive finite x. Returns m. Around 1, so that
   k is 0 next to x = 1 and no k ln 2 cancels there. 1 - sqrt(1/2), as a difference of patterns, is added to
   the pattern: it carries into the exponent just where the fraction is that of sqrt(2) or more, and leaves
   the fraction counted from sqrt(1/2). x = 1.5 gives k = 1, m = 0.75. A denormal x is multiplied by 2^54. */
DSI_INLINE double dsi_log_parts(double x, double *k)
{
    const int tiny = x < 2.2250738585072014e-308;
    const uint64_t root = UINT64_C(0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    const uint64_t shift = UINT64_C(0x3ff0000000000000) - root;
    const uint64_t bits = dsi_to_bits(tiny ? x * 18014398509481984.0 : x) + shift; /* 2^54 */
    /* an integer below 2^52 becomes a double when it is put behind the exponent of 2^52 */
    *k = dsi_from_bits(UINT64_C(0x4330000000000000) | bits >> 52) -
         (tiny ? 4503599627371573.0 : 4503599627371519.0); /* 2^52 + 1023 (+ 54) */
    return dsi_from_bits((bits & UINT64_C(0x000fffffffffffff)) + root);
}
/* k ln 2 + log(1 + f) + c, |c| small: log(1 + f) = f - (h - s (h + R)), h = f^2 / 2, s = f / (2 + f)
   (Muller 2016, sec. 11.3). Polynomial: (log((1 + s) / (1 - s)) / s - 2) / s^2, |s| <= 0.1716: 2^-57 */
DSI_INLINE double dsi_log_sum(double k, double f, double c)
{
    const double s = f / (2 + f), z = s * s, h = 0.5 * f * f;
    const double z2 = z * z;
    const double p = z * ((0.666666666666667 + 0.3999999999989889 * z) +
                          z2 * ((0.28571428626253836 + 0.22222211089379496 * z) +
                                z2 * ((0.1818289243253687 + 0.15331611722055008 * z) +
                                      z2 * 0.14617807153417325)));
    const dsi_pair t = dsi_quick_sum(k * DSI_LN2_HI, f);
    return t.hi + (t.lo - (h - (s * (h + p) + (k * DSI_LN2_LO + c))));
}
/* what log(x) is where x is no positive finite number: chosen after the sum, which means nothing there */
DSI_INLINE double dsi_log_special(double x, double result)
{
    result = x < DSI_INFINITY ? result : x; /* NaN too */
    result = x == 0 ? -DSI_INFINITY : result;
    return x < 0 ? DSI_NAN : result;
}

DSI_INLINE double dsi_core_log(double x)
{
    double k;
    const double m = dsi_log_parts(x, &k);
    return dsi_log_special(x, dsi_log_sum(k, m - 1, 0));
}

/* u = 1 + x rounded; log(1 + x) = log(u) + log(1 + u.lo / u.hi), and the last is its argument to this
   precision. Without scaling (k = 0) f is x itself, and nothing is lost. */
static double dsi_core_log1p(double x)
{
    const dsi_pair u = dsi_two_sum(1, x);
    double k, r;
    const double m = dsi_log_parts(u.hi, &k), lost = u.lo / u.hi;
    r = dsi_log_sum(k, k == 0 ? x : m - 1, k == 0 ? 0 : lost);
    r = dsi_absolute(x) < 5e-17 ? x : r; /* 2^-54: keeps -0 */
    return dsi_log_special(u.hi, r);
}

/* log(x) to 2^-66, x positive and finite: 2 s (1 + z / 3 + z^2 V(z)), z = s^2, with s, z and the third in
   pairs. Polynomial: 1/5 + z / 7 + ..., z <= 0.0295: 2^-66. s = (m - 1) / (m + 1), and
   log m = 2 (s + s^3 / 3 + s^5 / 5 + ...). So exact because x^y = e^(y log x): what is wrong with y log x,
   which reaches 745, is the relative error of the power: 745 2^-66 < 2^-56. */
DSI_INLINE dsi_pair dsi_log_pair(double x)
{
    double k, z2, p;
    const double m = dsi_log_parts(x, &k);
    dsi_pair s, z, w, y, u, sum, f, g;
    f.hi = m - 1;
    f.lo = 0;
    g.hi = m + 1;
    g.lo = m - (g.hi - 1);
    s = dsi_quotient(f, g);
    z = dsi_two_product(s.hi, s.hi);
    z.lo += 2 * s.hi * s.lo;
    z2 = z.hi * z.hi;
    p = z.hi * (((0.2 + z.hi * 0.14285714285714685) +
                 z2 * (0.11111111110826383 + z.hi * 0.09090909168049924)) +
                z2 * z2 * ((0.0769229744350359 + z.hi * 0.0666740439940617) +
                           z2 * (0.05853063232281699 + z.hi * 0.058621635304233734)));
    w = dsi_quick_sum(0.3333333333333333, p);
    w.lo += 1.850371707708594e-17;
    y = dsi_two_product(z.hi, w.hi);
    y.lo += z.hi * w.lo + z.lo * w.hi;
    u = dsi_two_product(s.hi, y.hi);
    u.lo += s.hi * y.lo + s.lo * y.hi;
    sum = dsi_quick_sum(s.hi, u.hi);
    sum.lo += s.lo + u.lo;
    w = dsi_two_sum(k * DSI_LN2_HI, 2 * sum.hi);
    return dsi_quick_sum(w.hi, w.lo + (2 * sum.lo + k * DSI_LN2_LO));
}

/* x^y for positive finite x and finite y: e^(y log x), log and product in pairs. Where the product is
   clamped its low part is dropped: beside the bound it is out of proportion. */
DSI_INLINE double dsi_core_pow(double x, double y)
{
    const double power = dsi_clamp_to(y, -4e19, 4e19); /* beyond 2^65 every x but 1 under- or overflows */
    const dsi_pair log_x = dsi_log_pair(x);
    const dsi_pair product = dsi_two_product(power, log_x.hi);
    const double low = product.lo + power * log_x.lo;
    const double size = dsi_clamp_to(product.hi, -746, 711);
    const dsi_exponent e = dsi_exp_parts_pair(size, size == product.hi ? low : 0);
    return dsi_scale(dsi_mantissa(e).hi, e.n);
}

/* x is zero, negative, infinite or NaN, or y is infinite or NaN: the cases of C99, annex F.9.4.4.
   whole: y is an integer, as all from 2^53 on are, infinity too; odd: an odd one, below 2^53 only. */
static double dsi_full_pow(double x, double y)
{
    const double size = dsi_absolute(x), power = dsi_absolute(y);
    const int whole = !(power < 9007199254740992.0) || (double)(int64_t)power == power; /* 2^53 */
    const int odd = power < 9007199254740992.0 && whole && ((int64_t)power & 1);
    double r;
    /* in this order: 1 even for NaN; then NaN; then infinite y; then x = 0 or infinite, where only the
       sign of y and the parity are left to ask */
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return DSI_NAN;
    if (power == DSI_INFINITY)
        return size == 1 ? 1 : (size > 1) == (y > 0) ? DSI_INFINITY : 0;
    if (size == 0 || size == DSI_INFINITY) r = (size == 0) == (y > 0) ? 0 : DSI_INFINITY;
    else if (x < 0 && !whole) return DSI_NAN;
    else r = dsi_core_pow(size, y);
    return odd ? dsi_signed_as(r, x) : r;
}
DSI_INLINE uint64_t dsi_rare_pow(double x, double y) /* 1 where the core is not enough */
{
    /* the first term shows x = 0, which wraps, and negative x; the second infinity, NaN and -0; the last y */
    const uint64_t largest = UINT64_C(0x7fefffffffffffff), bits = dsi_to_bits(x);
    return ((bits - 1) | (largest - bits) | (largest - dsi_to_bits(dsi_absolute(y)))) >> 63;
}

/* Angles: x = quadrant pi / 2 + hi + lo, |hi + lo| <= pi / 4. Of the quadrant only the two lowest bits
   count. dsi_reduce serves the cores, dsi_reduce_large the full functions; dsi_sin_of and dsi_tan_of take
   the angles of both, and cos x is sin(x + pi / 2), one quadrant on. */
typedef struct dsi_angle { double hi, lo; uint64_t quadrant; } dsi_angle;

/* |x| <= 2^20, where k has at most 20 bits: times the parts of 33 bits it is exact (Cody and Waite 1980).
   Four parts of pi/2, because next to a multiple of pi/2 the first differences cancel to nothing, and what
   is left still has to have all its bits. */
DSI_INLINE dsi_angle dsi_reduce(double x)
{
    const double t = x * 0.6366197723675814 + DSI_ROUND, k = t - DSI_ROUND;
    const dsi_pair a = dsi_two_sum(x - k * 1.5707963267341256, k * -6.077100506303966e-11);
    const dsi_pair b = dsi_two_sum(a.hi, k * -2.0222662487111665e-21);
    const dsi_pair r = dsi_quick_sum(b.hi, (a.lo + b.lo) - k * 8.4784276603689e-32);
    dsi_angle angle;
    angle.hi = r.hi;
    angle.lo = r.lo;
    angle.quadrant = dsi_to_bits(t);
    return angle;
}

/* x 2/pi mod 4 in units of 2^-190, the highest word first, |x| >= 2^20 (Payne and Hanek 1983): x = M 2^e with
   an integer M needs only 192 bits of 2/pi, from the one that M 2^e lifts to 2 on; what the rest would add is
   below 2^-137, the smallest distance of a double to a multiple of pi/2 above 2^-62 */
static void dsi_quarter_turns(double x, uint64_t turns[3])
{
    /* 64 zeros and 1216 bits of 2/pi */
    static const uint64_t two_over_pi[20] = {
        0, UINT64_C(0xa2f9836e4e441529), UINT64_C(0xfc2757d1f534ddc0), UINT64_C(0xdb6295993c439041),
        UINT64_C(0xfe5163abdebbc561), UINT64_C(0xb7246e3a424dd2e0), UINT64_C(0x06492eea09d1921c),
        UINT64_C(0xfe1deb1cb129a73e), UINT64_C(0xe88235f52ebb4484), UINT64_C(0xe99c7026b45f7e41),
        UINT64_C(0x3991d639835339f4), UINT64_C(0x9c845f8bbdf9283b), UINT64_C(0x1ff897ffde05980f),
        UINT64_C(0xef2f118b5a0a6d1f), UINT64_C(0x6d367ecf27cb09b7), UINT64_C(0x4f463f669e5fea2d),
        UINT64_C(0x7527bac7ebe5f17b), UINT64_C(0x3d0739f78a5292ea), UINT64_C(0x6bfb5fb11f8d5d08),
        UINT64_C(0x56033046fc7b6bab)
    };
    const uint64_t bits = dsi_to_bits(x), integer = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(1) << 52;
    /* bit b of the table, counted from its head, has the weight 2^(63 - b); times 2^e, e = field - 1075,
       bit e + 62 has the weight 2. At |x| = 2^20 that is bit 30, hence the zeros; at the largest field,
       infinity's, the last word read is the last of the table. Words of 32 bits: piece, factor, half and
       carry stay below 2^64. */
    const int first = (int)(bits >> 52 & 2047) - 1075 - 2 + 64; /* of the 192 bits */
    uint64_t half[6] = { 0, 0, 0, 0, 0, 0 }; /* the product mod 2^192 in words of 32 bits, the lowest first */
    int i, j;
    for (j = 0; j < 2; j++) {
        const uint64_t factor = j ? integer >> 32 : integer & 0xffffffffu;
        uint64_t carry = 0;
        for (i = 0; i + j < 6; i++) {
            const int at = first + 32 * (5 - i), shift = at % 64;
            const uint64_t *word = two_over_pi + at / 64;
            const uint64_t piece = (shift ? word[0] << shift | word[1] >> (64 - shift) : word[0]) >> 32;
            carry += piece * factor + half[i + j];
            half[i + j] = carry & 0xffffffffu;
            carry >>= 32;
        }
    }
    for (i = 0; i < 3; i++) turns[i] = half[5 - 2 * i] << 32 | half[4 - 2 * i];
}

/* Any finite |x| >= 2^20. The top two bits of the turns are the quadrant, the rest is a fraction of a
   quarter turn, made -1/2..1/2 and shifted up until its highest bit is set, so that small fractions keep
   all their bits: 53 go to top, 53 to rest, and their sum times pi / 2 is the angle. Negative x: all is
   odd in x. */
static dsi_angle dsi_reduce_large(double x)
{
    const int minus = (int)(dsi_to_bits(x) >> 63);
    uint64_t t[3], flip;
    double scale = 1, top, rest, sign;
    dsi_angle angle;
    dsi_pair r;
    int i;
    dsi_quarter_turns(x, t);
    flip = 0 - (t[0] >> 61 & 1); /* the fraction is a half or more: one quadrant on, and back */
    angle.quadrant = (t[0] >> 62) - flip;
    t[0] = (t[0] << 2 | t[1] >> 62) ^ flip; /* ~ is - but for one unit */
    t[1] = (t[1] << 2 | t[2] >> 62) ^ flip;
    t[2] = t[2] << 2 ^ flip;
    for (i = 0; i < 128 && !(t[0] >> 63); i++) {
        t[0] = t[0] << 1 | t[1] >> 63;
        t[1] = t[1] << 1 | t[2] >> 63;
        t[2] <<= 1;
        scale *= 0.5;
    }
    top = (double)(int64_t)(t[0] >> 11) * scale * 1.1102230246251565e-16; /* 2^-53 */
    rest = (double)(int64_t)((t[0] & 2047) << 42 | t[1] >> 22) * scale * 1.232595164407831e-32; /* 2^-106 */
    r = dsi_two_product(top, DSI_PIO2_HI);
    r = dsi_quick_sum(r.hi, r.lo + (top * DSI_PIO2_LO + rest * DSI_PIO2_HI));
    sign = (flip & 1) == (uint64_t)minus ? 1 : -1;
    angle.hi = sign * r.hi;
    angle.lo = sign * r.lo;
    angle.quadrant = minus ? 0 - angle.quadrant : angle.quadrant;
    return angle;
}
/* sin r = r + r^3 S(r^2), |r| <= pi / 4: 2^-57; r.lo counts times cos r = 1 - r^2 / 2 */
DSI_INLINE dsi_pair dsi_sin_pair(dsi_angle r)
{
    const double z = r.hi * r.hi;
    const double p = (-0.16666666666666632 + z * 0.008333333333322413) +
                     z * z * ((-0.0001984126982980749 + z * 2.755731369198108e-06) +
                              z * z * (-2.505075814911691e-08 + z * 1.5896798862290768e-10));
    return dsi_quick_sum(r.hi, r.hi * z * p + (r.lo - 0.5 * z * r.lo));
}
/* cos r = 1 - r^2 / 2 + r^4 C(r^2), |r| <= pi / 4: 2^-60; r.lo counts times -sin r = -r.
   lost: what r.hi^2 is more than its rounded value, or 0 */
DSI_INLINE dsi_pair dsi_cos_pair(dsi_angle r, double lost)
{
    const double z = r.hi * r.hi;
    const double p = (0.041666666666666664 + z * -0.0013888888888887398) +
                     z * z * ((2.480158729876456e-05 + z * -2.7557317271145144e-07) +
                              z * z * (2.087614614655861e-09 + z * -1.1382623647474604e-11));
    const dsi_pair w = dsi_quick_sum(1, -0.5 * z);
    return dsi_quick_sum(w.hi, w.lo + ((z * z * p - r.hi * r.lo) - 0.5 * lost));
}
/* sin of the whole angle: sin, cos, -sin, -cos of hi + lo in quadrants 0 to 3; bit 1 becomes the sign */
DSI_INLINE double dsi_sin_of(dsi_angle r)
{
    const double wave = dsi_pick(0 - (r.quadrant & 1), dsi_cos_pair(r, 0).hi, dsi_sin_pair(r).hi);
    return dsi_from_bits(dsi_to_bits(wave) ^ (r.quadrant & 2) << 62);
}
DSI_INLINE double dsi_tan_of(dsi_angle r)
{
    /* tan(r + pi / 2) = -cos r / sin r; numerator and denominator are chosen before the one division */
    const uint64_t odd = 0 - (r.quadrant & 1);
    const dsi_pair s = dsi_sin_pair(r), c = dsi_cos_pair(r, dsi_two_product(r.hi, r.hi).lo);
    dsi_pair above, below, q;
    above.hi = dsi_pick(odd, -c.hi, s.hi);
    above.lo = dsi_pick(odd, -c.lo, s.lo);
    below.hi = dsi_pick(odd, s.hi, c.hi);
    below.lo = dsi_pick(odd, s.lo, c.lo);
    q = dsi_quotient(above, below);
    return q.hi + q.lo;
}

DSI_INLINE uint64_t dsi_rare_angle(double x) /* 1: |x| > 2^20, or NaN */
{
    return (UINT64_C(0x4130000000000000) - dsi_to_bits(dsi_absolute(x))) >> 63;
}
DSI_INLINE double dsi_core_sin(double x)
{
    const double r = dsi_sin_of(dsi_reduce(x));
    return dsi_absolute(x) < 1e-8 ? x : r; /* x^2 / 6 < 2^-54; keeps -0 */
}
DSI_INLINE double dsi_core_cos(double x)
{
    dsi_angle r = dsi_reduce(x);
    r.quadrant++;
    return dsi_sin_of(r);
}
static double dsi_core_tan(double x)
{
    const double r = dsi_tan_of(dsi_reduce(x));
    return dsi_absolute(x) < 1e-8 ? x : r; /* x^2 / 3 < 2^-54; keeps -0 */
}
static double dsi_full_sin(double x)
{
    return x - x == 0 ? dsi_sin_of(dsi_reduce_large(x)) : DSI_NAN;
}
static double dsi_full_cos(double x)
{
    dsi_angle r = dsi_reduce_large(x);
    r.quadrant++;
    return x - x == 0 ? dsi_sin_of(r) : DSI_NAN;
}
static double dsi_full_tan(double x)
{
    return x - x == 0 ? dsi_tan_of(dsi_reduce_large(x)) : DSI_NAN;
}

/* Arcs. K + sign atan(n / d) for 0 <= n <= d, d positive and finite: with c = 0, 1/2 or 1 next to n / d
   atan(n / d) = atan(c) + atan t, t = (n - c d) / (d + c n), the numerator exact, |t| <= 1/4.
   Polynomial: (atan(t) / t - 1) / t^2: 2^-59 */
static double dsi_arc(double n, double d, double sign, dsi_pair K)
{
    const int middle = n >= 0.25 * d, upper = n > 0.72 * d;
    /* 0.25 and 0.72 keep |t| <= 1/4 on all three pieces; base is atan(c), in a pair */
    const double c = upper ? 1 : middle ? 0.5 : 0;
    const double base_hi = upper ? 0.7853981633974483 : middle ? 0.4636476090008061 : 0;
    const double base_lo = upper ? 3.061616997868383e-17 : middle ? 2.2698777452961687e-17 : 0;
    dsi_pair above, t, base, sum;
    double z, z2, p;
    above.hi = n - c * d;
    above.lo = 0;
    t = dsi_quotient(above, dsi_two_sum(d, c * n));
    z = t.hi * t.hi;
    z2 = z * z;
    p = ((-0.3333333333333333 + z * 0.19999999999998921) +
         z2 * (-0.14285714285253562 + z * 0.11111111035291911)) +
        z2 * z2 * (((-0.09090902827435111 + z * 0.07692016123431836) +
                    z2 * (-0.06658651772903566 + z * 0.05752619086241913)) +
                   z2 * z2 * -0.04101828156464053);
    base = dsi_two_sum(K.hi, sign * base_hi);
    sum = dsi_two_sum(base.hi, sign * t.hi);
    return sum.hi + (sum.lo + (base.lo + (K.lo + sign * (base_lo + (t.lo + t.hi * z * p)))));
}

/* atan x = pi / 2 - atan(1 / x) above 1: the arc's n and d are 1 and x, no quotient is rounded in between */
static double dsi_core_atan(double x)
{
    const double size = dsi_clamp_to(dsi_absolute(x), 0, 1e18); /* atan 1e18 rounds to pi/2 */
    const int steep = size > 1;
    dsi_pair K;
    double r;
    K.hi = steep ? DSI_PIO2_HI : 0;
    K.lo = steep ? DSI_PIO2_LO : 0;
    r = dsi_arc(steep ? 1 : size, steep ? size : 1, steep ? -1 : 1, K);
    return dsi_signed_as(size < 1e-8 ? size : r, x); /* x^2 / 3 < 2^-54 */
}

/* The angle of (|x|, |y|), turned back: 0 + arc, steep (|y| > |x|) pi/2 - arc, back (x negative, -0 too)
   pi - arc, both pi/2 + arc; then the sign of y. The arc is that of the smaller over the larger. */
static double dsi_full_atan2(double y, double x)
{
    double n = dsi_absolute(y), d = dsi_absolute(x);
    const int steep = n > d, back = (int)(dsi_to_bits(x) >> 63);
    dsi_pair K;
    if (x != x || y != y) return DSI_NAN;
    if (steep) {
        const double swap = n;
        n = d;
        d = swap;
    }
    /* two infinities count as equal: 45 or 135 degrees; one makes the quotient 0 */
    if (d == DSI_INFINITY) {
        n = n == d ? 1 : 0;
        d = 1;
    }
    if (d == 0) d = 1;
    if (n < d * 8.673617379884035e-19) { /* 2^-60: the arc is the quotient, or too small to be seen */
        if (!steep && !back) return y == 0 || d == 1 ? dsi_signed_as(n / d, y) : y / x;
        n = 0;
        d = 1;
    }
    /* both by a power of two: the products that dsi_arc takes apart stay in range, with their tails */
    if (d > 1e270) n *= 1.142987391282275e-100, d *= 1.142987391282275e-100; /* 2^-332 */
    if (d < 1e-270) n *= 8.749002899132048e+99, d *= 8.749002899132048e+99;
    K.hi = steep ? DSI_PIO2_HI : back ? 3.141592653589793 : 0;
    K.lo = steep ? DSI_PIO2_LO : back ? 1.2246467991473532e-16 : 0;
    return dsi_signed_as(dsi_arc(n, d, steep == back ? 1 : -1, K), y);
}

/* asin(s) = s + s^3 B(s^2), s <= 1/2: 2^-59; above, asin(x) = pi/2 - 2 asin(s), s^2 = (1 - x) / 2 */
typedef struct dsi_chord { double s, lost, bend; int large; } dsi_chord; /* s + lost, s^3 B */
/* size = |x|; for the large ones 1 - size is exact, and lost = (s'^2 - s^2) / (2 s) is what the root s
   lost by rounding, s'^2 being z. z > 0: at size = 1 there is nothing to divide by. Beyond 1 the callers
   return NaN. */
static dsi_chord dsi_chord_of(double size)
{
    dsi_chord r;
    double z, z2, p;
    dsi_pair square;
    r.large = size > 0.5;
    z = r.large ? 0.5 * (1 - size) : size * size;
    r.s = r.large ? sqrt(z) : size;
    square = dsi_two_product(r.s, r.s);
    r.lost = r.large && z > 0 ? ((z - square.hi) - square.lo) / (r.s + r.s) : 0;
    z2 = z * z;
    p = ((0.16666666666666752 + z * 0.0749999999997315) +
         z2 * (0.04464285717236861 + z * 0.030381942815076998)) +
        z2 * z2 * (((0.022372211982030567 + z * 0.0173516655888634) +
                    z2 * (0.013980184093834582 + z * 0.011404068082388074)) +
                   z2 * z2 * (((0.010751656079494408 + z * 0.003813270416705725) +
                               z2 * (0.021450242779625966 + z * -0.020638983964698716)) +
                              z2 * z2 * 0.032405832749597234));
    r.bend = r.s * z * p;
    return r;
}
/* both arms: s + s^3 B up to 1/2, and pi/2 - 2 (s + s^3 B) above; the sign last */
static double dsi_core_asin(double x)
{
    const dsi_chord c = dsi_chord_of(dsi_absolute(x));
    const dsi_pair sum = dsi_quick_sum(DSI_PIO2_HI, -2 * c.s);
    const double large = sum.hi + (sum.lo + (DSI_PIO2_LO - 2 * (c.lost + c.bend)));
    const double r = dsi_signed_as(c.large ? large : c.s + c.bend, x);
    return dsi_absolute(x) <= 1 ? r : DSI_NAN;
}
/* acos x = pi/2 - asin x in the middle; 2 asin(s) next to 1, where pi/2 - asin x would cancel;
   pi - 2 asin(s) next to -1. Computed side by side, one is taken. */
static double dsi_core_acos(double x)
{
    const dsi_chord c = dsi_chord_of(dsi_absolute(x));
    const double turn = x < 0 ? -1 : 1; /* acos(-x) = pi - acos(x) */
    const dsi_pair sum = dsi_quick_sum(DSI_PIO2_HI, -turn * c.s);
    const double middle = sum.hi + (sum.lo + (DSI_PIO2_LO - turn * c.bend));
    const double right = 2 * (c.s + (c.lost + c.bend));
    const dsi_pair pi = dsi_quick_sum(2 * DSI_PIO2_HI, -2 * c.s);
    const double left = pi.hi + (pi.lo + (2 * DSI_PIO2_LO - 2 * (c.lost + c.bend)));
    const double r = c.large ? (x < 0 ? left : right) : middle;
    return dsi_absolute(x) <= 1 ? r : DSI_NAN;
}

/* Roots. Two steps of Halley from a third of the exponent, cut to 26 bits, and one with an exact
   remainder: t += t (x - t^3) / (2 t^3 + x). The start: a third of the pattern has a third of the
   exponent; the constant puts back two thirds of the bias (0x2aa0...) less 1/32, which evens out the
   error. Each step cubes the relative error, but for a factor. */
static double dsi_full_cbrt(double x)
{
    double size = dsi_absolute(x), scale = 1, t, cube;
    dsi_pair product;
    int i;
    if (x == 0 || x - x != 0) return x;
    if (size < 1e-300) { /* 2^108 and its cube root: no denormal, no overflow below */
        size *= 3.2451855365842673e+32;
        scale = 1.4551915228366852e-11;
    } else if (size > 1e300) {
        size *= 3.0814879110195774e-33;
        scale = 68719476736.0;
    }
    t = dsi_from_bits(dsi_to_bits(size) / 3 + UINT64_C(0x2a9f800000000000));
    for (i = 0; i < 2; i++) {
        cube = t * t * t;
        t += t * ((size - cube) / (2 * cube + size));
    }
    /* t has 26 bits: t t is exact, and the product below is t^3 with all its bits */
    t = dsi_from_bits(dsi_to_bits(t) & UINT64_C(0xfffffffff8000000));
    product = dsi_two_product(t * t, t);
    t += t * (((size - product.hi) - product.lo) / (2 * product.hi + size));
    return dsi_signed_as(t * scale, x);
}

/* An infinity wins over NaN (C99, F.9.4.3). Scaled so that squares neither overflow nor lose their tails;
   then h = sqrt(x^2 + y^2) and one step of Newton, h += (x^2 + y^2 - h^2) / (2 h), with the squares in
   pairs. */
static double dsi_full_hypot(double x, double y)
{
    double big = dsi_absolute(x), little = dsi_absolute(y), scale = 1, root;
    dsi_pair a, b, sum, square;
    if (big == DSI_INFINITY || little == DSI_INFINITY) return DSI_INFINITY;
    if (x != x || y != y) return DSI_NAN;
    if (little > big) {
        root = big;
        big = little;
        little = root;
    }
    if (little <= big * 1.0842021724855044e-19) return big + little; /* 2^-63; zero too */
    if (big > 1e150) scale = 4.149515568880993e+180; /* 2^600 */
    if (big < 1e-130) scale = 2.409919865102884e-181;
    big /= scale;
    little /= scale;
    a = dsi_two_product(big, big);
    b = dsi_two_product(little, little);
    sum = dsi_quick_sum(a.hi, b.hi);
    root = sqrt(sum.hi);
    square = dsi_two_product(root, root);
    root += (((sum.hi - square.hi) - square.lo) + (sum.lo + (a.lo + b.lo))) / (root + root);
    return root * scale;
}

/* erf x = 2 / sqrt(pi) (x - x^3 / 3 + x^5 / 10 - ...). Below 1: x (1 + c0 + z (c1 + z P(z))), z = x^2, c0
   and c1 in pairs, P: 2^-56. c0 = 2 / sqrt(pi) - 1, c1 = -2 / (3 sqrt(pi)). The 1 stands apart so that the
   last sum is x and something smaller. */
static double dsi_erf_small(double x, dsi_pair z)
{
    const double z2 = z.hi * z.hi;
    const double p = ((0.11283791670955126 + z.hi * -0.02686617064513071) +
                      z2 * (0.005223977625420569 + z.hi * -0.0008548327020069282)) +
                     z2 * z2 * (((0.0001205533271014096 + z.hi * -1.4925637604110248e-05) +
                                 z2 * (1.6461740037191124e-06 + z.hi * -1.6358759430582305e-07)) +
                                z2 * z2 * ((1.472041265743429e-08 + z.hi * -1.162097459507822e-09) +
                                           z2 * 6.398372809849577e-11));
    const dsi_pair w = dsi_quick_sum(-0.37612638903183754, z.hi * p), zw = dsi_two_product(z.hi, w.hi);
    const dsi_pair v = dsi_two_sum(0.1283791670955126, zw.hi), xv = dsi_two_product(x, v.hi);
    const double w_lo = w.lo + 1.3391897206030649e-17;
    const double v_lo = v.lo + (zw.lo + (z.hi * w_lo + z.lo * w.hi) - 1.2420116002463032e-17);
    const dsi_pair sum = dsi_quick_sum(x, xv.hi);
    return sum.hi + (sum.lo + (xv.lo + x * v_lo));
}
/* from 1 to 6: 1 - exp(-z) Q(t), t = (x - 1) / (x + 2), 2^-60 in erf (the form is Schonfelder's, 1978).
   z = x^2 in a pair: an error of z is a relative error of the exponential. Q(0) = e erfc(1) = 0.4276. */
static double dsi_erf_large(double x, dsi_pair z)
{
    const double t = (x - 1) / (x + 2), t2 = t * t;
    const double p = ((-0.8196360443516939 + t * 0.5697080079951589) +
                      t2 * (-0.1800761010500735 + t * -0.02563237897011171)) +
                     t2 * t2 * (((0.027560999749426343 + t * 0.006425131201422231) +
                                 t2 * (-0.004426733150930606 + t * -0.0025556081757766563)) +
                                t2 * t2 * ((0.0003009017564358759 + t * 0.0005771613287018219) +
                                           t2 * (0.0005669006646965264 + t * -0.00039892629688399473)));
    const dsi_exponent e = dsi_exp_parts_pair(-z.hi, -z.lo);
    const dsi_pair m = dsi_mantissa(e), q = dsi_quick_sum(0.427583576155807, t * p);
    /* k is in -52..0: 2^k is normal */
    const double scale = dsi_from_bits((e.n + 1023) << 52);
    const dsi_pair mq = dsi_two_product(m.hi * scale, q.hi), sum = dsi_quick_sum(1, -mq.hi);
    return sum.hi + (sum.lo - (mq.lo + scale * (m.lo * q.hi + m.hi * q.lo)));
}
static double dsi_core_erf(double x)
{
    const double size = dsi_clamp_to(dsi_absolute(x), 0, 6); /* erf 6 rounds to 1 */
    const dsi_pair z = dsi_two_product(size, size);
    /* below 1e-9 even the cubic term is out of sight: x + (2 / sqrt(pi) - 1) x */
    const double near_zero = dsi_erf_small(size, z), large = dsi_erf_large(size, z);
    return dsi_signed_as(size >= 1 ? large : size < 1e-9 ? size + size * 0.1283791670955126 : near_zero, x);
}

/* The functions, for numbers of the build's precision. DSI_UNARY(log, dsi_core_log(x)) becomes
       ds_real ds_real_log(ds_real number)
       {
           const double x = (double)number;
           return (ds_real)(dsi_core_log(x));
       } */
#define DSI_UNARY(name, expression) \
    DIFFSIM_API ds_real ds_real_##name(ds_real number) \
    { \
        const double x = (double)number; \
        return (ds_real)(expression); \
    }
#define DSI_BINARY(name, expression) \
    DIFFSIM_API ds_real ds_real_##name(ds_real left, ds_real right) \
    { \
        const double x = (double)left, y = (double)right; \
        return (ds_real)(expression); \
    }
DSI_UNARY(exp, dsi_core_exp(x))
DSI_UNARY(expm1, dsi_core_expm1(x))
DSI_UNARY(log, dsi_core_log(x))
DSI_UNARY(log1p, dsi_core_log1p(x))
DSI_UNARY(sin, dsi_rare_angle(x) ? dsi_full_sin(x) : dsi_core_sin(x))
DSI_UNARY(cos, dsi_rare_angle(x) ? dsi_full_cos(x) : dsi_core_cos(x))
DSI_UNARY(tan, dsi_rare_angle(x) ? dsi_full_tan(x) : dsi_core_tan(x))
DSI_UNARY(asin, dsi_core_asin(x))
DSI_UNARY(acos, dsi_core_acos(x))
DSI_UNARY(atan, dsi_core_atan(x))
DSI_UNARY(sinh, dsi_core_sinh(x))
DSI_UNARY(cosh, dsi_core_cosh(x))
DSI_UNARY(tanh, dsi_core_tanh(x))
DSI_UNARY(cbrt, dsi_full_cbrt(x))
DSI_UNARY(erf, dsi_core_erf(x))
DSI_BINARY(pow, dsi_rare_pow(x, y) ? dsi_full_pow(x, y) : dsi_core_pow(x, y))
DSI_BINARY(atan2, dsi_full_atan2(x, y))
DSI_BINARY(hypot, dsi_full_hypot(x, y))
#undef DSI_UNARY
#undef DSI_BINARY

/* in double whatever ds_real is, for the sections that follow: they stand here, where nothing is fused */
static DSI_UNUSED double dsi_double_exp(double x) { return dsi_core_exp(x); }
static DSI_UNUSED double dsi_double_log(double x) { return dsi_core_log(x); }
static DSI_UNUSED double dsi_double_cos(double x)
{
    return dsi_rare_angle(x) ? dsi_full_cos(x) : dsi_core_cos(x);
}
static DSI_UNUSED double dsi_double_pow(double x, double y)
{
    return dsi_rare_pow(x, y) ? dsi_full_pow(x, y) : dsi_core_pow(x, y);
}

/* sqrt(-2 log(1 - u)) cos(2 pi w), u and w uniform in [0, 1). The sine would be a second number; it is
   left, so that the state stays a counter. Two statements, so that u is drawn before w. */
DIFFSIM_API ds_real ds_rng_normal(ds_rng *rng)
{
    const double radius = sqrt(-2 * dsi_core_log(1 - (double)ds_rng_uniform(rng))); /* 1 - u is never zero */
    return (ds_real)(radius * dsi_core_cos(6.283185307179586 * (double)ds_rng_uniform(rng)));
}

/* Arrays. One row: name, core, 1 where the core is not enough, any number. Within a row a and b are the
   operands as doubles, x and y as ds_real. The rows make the numbers DSI_BLOCK_sin, the loops
   dsi_block_sin_plain, _avx2 and _avx512, the table of them and the cases of dsi_block_scalar. A core
   without a rare argument has 0 there. */
#define DSI_BLOCKS(DSI_ROW) \
    DSI_ROW(exp, dsi_quick_exp(a), dsi_rare_exp(a), ds_real_exp(x)) \
    DSI_ROW(log, dsi_core_log(a), 0, ds_real_log(x)) \
    DSI_ROW(sin, dsi_core_sin(a), dsi_rare_angle(a), ds_real_sin(x)) \
    DSI_ROW(cos, dsi_core_cos(a), dsi_rare_angle(a), ds_real_cos(x)) \
    DSI_ROW(tanh, dsi_core_tanh(a), 0, ds_real_tanh(x)) \
    DSI_ROW(pow, dsi_core_pow(a, b), dsi_rare_pow(a, b), ds_real_pow(x, y))

/* lanes of the inner loop: one AVX-512 vector of doubles, two of AVX2; lanes of a block on the stack */
#define DSI_LANES ((size_t)8)
#define DSI_BLOCK_LANES ((size_t)128)
enum {
#define DSI_ROW(name, core, rare, scalar) DSI_BLOCK_##name,
    DSI_BLOCKS(DSI_ROW)
#undef DSI_ROW
    DSI_BLOCK_COUNT
};

/* at -O3 a loop of fixed length would be unrolled before it is a vector, and then never become one */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define DSI_NO_UNROLL _Pragma("GCC unroll 1")
#else
#define DSI_NO_UNROLL
#endif
/* static uint64_t dsi_block_sin_avx2(x, y, out, n): out [n] by the core, n a multiple of DSI_LANES; not 0: a
   lane needs more. One copy for each instruction set; the arithmetic, and so the bits, are the same in all.
   The inner loop has a fixed length, so that it becomes a few vectors without a rest. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__) && !defined(__CUDACC__)
#define DSI_IVDEP _Pragma("GCC ivdep") DSI_NO_UNROLL
#else
#define DSI_IVDEP
#endif
typedef uint64_t dsi_block_fn(const ds_real *x, const ds_real *y, ds_real *out, size_t n);
#define DSI_BLOCK(name, core, rare, target, attribute) \
    attribute static uint64_t dsi_block_##name##_##target(const ds_real *x, const ds_real *y, ds_real *out, \
                                                          size_t n) \
    { \
        uint64_t any = 0; \
        size_t at, i; \
        for (at = 0; at < n; at += DSI_LANES, x += DSI_LANES, y += DSI_LANES, out += DSI_LANES) \
            DSI_IVDEP for (i = 0; i < DSI_LANES; i++) { \
                const double a = (double)x[i], b = (double)y[i]; \
                (void)b; \
                out[i] = (ds_real)(core); \
                any |= rare; \
            } \
        return any; \
    }
#ifdef DSI_WIDE
#define DSI_ROW(name, core, rare, scalar) \
    DSI_BLOCK(name, core, rare, plain, ) \
    DSI_BLOCK(name, core, rare, avx2, __attribute__((target("avx2")))) \
    DSI_BLOCK(name, core, rare, avx512, __attribute__((target("avx512f"))))
DSI_BLOCKS(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, core, rare, scalar) \
    { dsi_block_##name##_plain, dsi_block_##name##_avx2, dsi_block_##name##_avx512 },
#else
#define DSI_ROW(name, core, rare, scalar) DSI_BLOCK(name, core, rare, plain, )
DSI_BLOCKS(DSI_ROW)
#undef DSI_ROW
#define DSI_ROW(name, core, rare, scalar) { dsi_block_##name##_plain, NULL, NULL },
#endif
static dsi_block_fn *const dsi_block_fns[DSI_BLOCK_COUNT][3] = { DSI_BLOCKS(DSI_ROW) };
#undef DSI_ROW

/* one lane by the function of any number */
static ds_real dsi_block_scalar(int function, ds_real x, ds_real y)
{
    (void)y;
    switch (function) {
/* case DSI_BLOCK_sin: return ds_real_sin(x); */
#define DSI_ROW(name, core, rare, scalar) \
    case DSI_BLOCK_##name: return scalar;
        DSI_BLOCKS(DSI_ROW)
#undef DSI_ROW
    default: return x;
    }
}

/* out[i] = f(x[i], y[i]), i < n, in blocks of 128 lanes that stay in the first cache. One operand: y is x.
   Results wait in r, so that out may be x; the last vector is filled with ones, which no core finds rare.
   A block with a rare lane is done again by the scalar functions, which have the same bits where the core
   was enough. */
static void dsi_run_blocks(int function, const ds_real *x, const ds_real *y, ds_real *out, size_t n)
{
    dsi_block_fn *const block = dsi_block_fns[function][dsi_wide()];
    ds_real a[DSI_BLOCK_LANES], b[DSI_BLOCK_LANES], r[DSI_BLOCK_LANES];
    size_t count, whole, i;
    for (; n > 0; n -= count, x += count, y += count, out += count) {
        const ds_real *from_x = x, *from_y = y;
        count = n < DSI_BLOCK_LANES ? n : DSI_BLOCK_LANES;
        whole = (count + DSI_LANES - 1) / DSI_LANES * DSI_LANES;
        if (whole > count) {
            memcpy(a, x, count * sizeof *a);
            memcpy(b, y, count * sizeof *b);
            for (i = count; i < whole; i++) a[i] = b[i] = 1;
            from_x = a;
            from_y = b;
        }
        if (DSI_LIKELY(!block(from_x, from_y, r, whole))) memcpy(out, r, count * sizeof *r);
        else
            for (i = 0; i < count; i++) out[i] = dsi_block_scalar(function, x[i], y[i]);
    }
}

#define DSI_ARRAY(name) \
    DIFFSIM_API void ds_reals_##name(const ds_real *x, ds_real *out, size_t n) \
    { \
        DIFFSIM_ASSERT((x && out) || n == 0); \
        if (x && out) dsi_run_blocks(DSI_BLOCK_##name, x, x, out, n); \
    }
/* ds_reals_exp(x, out, n) and so on; without x or out nothing is done */
DSI_ARRAY(exp)
DSI_ARRAY(log)
DSI_ARRAY(sin)
DSI_ARRAY(cos)
DSI_ARRAY(tanh)
#undef DSI_ARRAY
DIFFSIM_API void ds_reals_pow(const ds_real *x, const ds_real *y, ds_real *out, size_t n)
{
    DIFFSIM_ASSERT((x && y && out) || n == 0);
    if (x && y && out) dsi_run_blocks(DSI_BLOCK_pow, x, y, out, n);
}

#undef DSI_IVDEP
#if defined(__clang__)
#if __clang_major__ >= 13 && !defined(__wasm__)
#pragma float_control(pop)
#endif
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC pop_options
#endif

/* 3x3 matrices. What follows diagonalises a 3x3 matrix by plane rotations
   from both sides (Kogbetliantz 1955; Forsythe and Henrici 1960): the 2x2 block of two axes is made
   symmetric by a turn from the left and diagonal by one Jacobi turn, and so on around the three pairs of
   axes. Products of rotations stay rotations whatever the rank, and nothing is squared, so that nothing
   underflows. Convergence is quadratic: 3 to 6 sweeps as a rule. A symmetric matrix needs no turn to make
   its blocks symmetric, gets the same turns from both sides to the bit, and so its eigenvectors.

   dsi_turn_of makes an angle, dsi_m3_pivot treats one block, dsi_m3_diagonalise sweeps; it serves
   ds_m3_symmetric_eigen, and through dsi_m3_signed_svd, which orders and signs, ds_m3_svd and ds_m3_polar.
   Here the compiler's own contraction is back: products that meet a sum pass dsi_product.

   Printed kernels (section 7) bring this code along, in C and CUDA. It is written once:
   DSI_QUOTED(name, "what it does", functions) compiles the functions and keeps name, sentence and code as
   words, in dsi_quoted_name. Matrices are nine numbers here, row by row, and seven functions are all
   that is called from outside: dsi_product, dsi_all_finite, dsi_nan, and the four that follow. */

#define DSI_QUOTED(name, sentence, ...) \
    __VA_ARGS__ \
    static const char *const dsi_quoted_##name[3] = { #name, sentence, #__VA_ARGS__ };

static ds_real dsi_root(ds_real x) { return (ds_real)sqrt((double)x); }
/* of the distance from 1 to the next number */
static ds_real dsi_eighth_unit(void)
{
    return sizeof(ds_real) == 4 ? (ds_real)(FLT_EPSILON / 8) : (ds_real)(DBL_EPSILON / 8);
}
/* 2^exponent; and the exponent of x, which is in [1/2, 1) 2^exponent; 0 has the exponent 0 */
static ds_real dsi_power(int exponent) { return (ds_real)ldexp(1, exponent); }
static int dsi_exponent_of(ds_real x)
{
    int exponent;
    (void)frexp((double)x, &exponent);
    return exponent;
}

DSI_QUOTED(turns, "plane rotations [c -s; s c]: by an angle, by half an angle, by the sum of two",

typedef struct dsi_turn { ds_real c, s; } dsi_turn;

static ds_real dsi_m3_size(ds_real x) { return x < 0 ? -x : x; }
/* sqrt(1 + tangent^2) */
static ds_real dsi_secant(ds_real tangent) { return dsi_root(1 + dsi_product(tangent, tangent)); }

/* by the angle in [-90, 90] degrees whose tangent is y / x; 0 / 0 does not turn. The smaller is divided by
   the larger: the quotient is at most 1, and its square does not overflow as x^2 + y^2 might. */
static dsi_turn dsi_turn_of(ds_real x, ds_real y)
{
    dsi_turn r;
    if (dsi_m3_size(x) >= dsi_m3_size(y)) {
        const ds_real tangent = x < 0 || x > 0 ? y / x : 0;
        r.c = 1 / dsi_secant(tangent);
        r.s = dsi_product(r.c, tangent);
    } else {
        const ds_real cotangent = x / y, sine = 1 / dsi_secant(cotangent);
        r.s = cotangent < 0 ? -sine : sine;
        r.c = dsi_product(r.s, cotangent);
    }
    return r;
}

/* by half that angle, a: tan(a / 2) = sin a / (1 + cos a). cos a is not negative, so the sum does not
   cancel, and the half is in [-45, 45] degrees. */
static dsi_turn dsi_half_turn_of(ds_real x, ds_real y)
{
    const dsi_turn twice = dsi_turn_of(x, y);
    return dsi_turn_of(1 + twice.c, twice.s);
}

/* the sum of the two angles: plane rotations commute */
static dsi_turn dsi_turn_both(dsi_turn first, dsi_turn second)
{
    dsi_turn r;
    r.c = dsi_product(first.c, second.c) - dsi_product(first.s, second.s);
    r.s = dsi_product(first.s, second.c) + dsi_product(first.c, second.s);
    return r;
}

/* p' = c p + s q and q' = c q - s p for the lines p and q of m: rows (across 3, along 1) or columns (1, 3) */
static void dsi_m3_turn(ds_real *m, int p, int q, int across, int along, dsi_turn turn)
{
    ds_real *line_p = m + across * p, *line_q = m + across * q;
    int k;
    for (k = 0; k < 3; k++, line_p += along, line_q += along) {
        const ds_real old_p = *line_p, old_q = *line_q;
        *line_p = dsi_product(turn.c, old_p) + dsi_product(turn.s, old_q);
        *line_q = dsi_product(turn.c, old_q) - dsi_product(turn.s, old_p);
    }
}
)

DSI_QUOTED(diagonal, "a = 2^exponent u diag(d) v': rotations from both sides, one pair of axes at a time",

/* the block of axes p and q becomes diagonal: a -> l' a r, u -> u l, v -> v r. Returns 0 if it was, within
   an eighth of a unit of rounding of its smaller entry.
   even' [pp pq; qp qq] is symmetric where c pq + s qq = c qp - s pp: tan = (qp - pq) / (pp + qq).
   Of that symmetric block S the Jacobi turn by a has tan 2 a = 2 S_pq / (S_pp - S_qq), 2 S_pq taken as
   S_pq + S_qp. Then l = even r, and l' a r = r' (even' a) r.
   A symmetric block has qp - pq = 0: even does not turn, and l is r. */
static int dsi_m3_pivot(ds_real *a, int p, int q, ds_real *u, ds_real *v)
{
    const ds_real pp = a[4 * p], pq = a[3 * p + q], qp = a[3 * q + p], qq = a[4 * q];
    const ds_real p_size = dsi_m3_size(pp), q_size = dsi_m3_size(qq);
    const ds_real negligible = (p_size < q_size ? p_size : q_size) * dsi_eighth_unit();
    const dsi_turn even = dsi_turn_of(pp + qq, qp - pq);
    dsi_turn left, right;
    ds_real even_pp, even_pq, even_qp, even_qq;
    if (dsi_m3_size(pq) <= negligible && dsi_m3_size(qp) <= negligible) return 0;
    even_pp = dsi_product(even.c, pp) + dsi_product(even.s, qp);
    even_pq = dsi_product(even.c, pq) + dsi_product(even.s, qq);
    even_qp = dsi_product(even.c, qp) - dsi_product(even.s, pp);
    even_qq = dsi_product(even.c, qq) - dsi_product(even.s, pq);
    right = dsi_half_turn_of(even_pp - even_qq, even_pq + even_qp);
    left = dsi_turn_both(even, right);
    dsi_m3_turn(a, p, q, 3, 1, left);
    dsi_m3_turn(a, p, q, 1, 3, right);
    dsi_m3_turn(u, p, q, 1, 3, left);
    dsi_m3_turn(v, p, q, 1, 3, right);
    a[3 * p + q] = a[3 * q + p] = 0;
    return 1;
}

/* a is multiplied by 2^exponent, in two steps: the whole power may be out of range. Only the last product
   rounds, where a result is denormal. */
static void dsi_m3_scale(ds_real *a, int n, int exponent)
{
    const ds_real half = dsi_power(exponent / 2), rest = dsi_power(exponent - exponent / 2);
    int k;
    for (k = 0; k < n; k++) a[k] = a[k] * half * rest;
}

/* a = 2^exponent u diag(d) v', d in any order with any signs; returns the exponent. That of the largest entry
   is taken out: powers of two round only what becomes denormal, nothing beside that entry. A matrix with a
   NaN or infinity takes no sweep, and everything is NaN. 24 sweeps are a bound, far above what is needed, so
   that the loop ends whatever happens. */
static int dsi_m3_diagonalise(const ds_real *matrix, ds_real *u, ds_real *d, ds_real *v)
{
    const int finite = dsi_all_finite(matrix, 9);
    ds_real a[9], most = 0;
    int k, exponent, sweep, turned = finite;
    for (k = 0; k < 9; k++) {
        a[k] = finite ? matrix[k] : dsi_nan();
        u[k] = v[k] = finite ? (ds_real)(k % 4 == 0) : dsi_nan();
        most = dsi_m3_size(a[k]) > most ? dsi_m3_size(a[k]) : most;
    }
    exponent = dsi_exponent_of(most);
    dsi_m3_scale(a, 9, -exponent);
    for (sweep = 0; sweep < 24 && turned; sweep++) {
        turned = dsi_m3_pivot(a, 0, 1, u, v);
        turned |= dsi_m3_pivot(a, 0, 2, u, v);
        turned |= dsi_m3_pivot(a, 1, 2, u, v);
    }
    for (k = 0; k < 3; k++) d[k] = a[4 * k];
    return exponent;
}

/* d[p] and d[q] change places by a quarter turn of u and v: column p becomes q, column q becomes minus p.
   A bare exchange of columns would be a reflection; the minus stands in both, and u diag(d) v' stays. */
static void dsi_m3_swap(ds_real *u, ds_real *d, ds_real *v, int p, int q)
{
    const ds_real kept = d[p];
    dsi_turn quarter;
    quarter.c = 0;
    quarter.s = 1;
    d[p] = d[q];
    d[q] = kept;
    dsi_m3_turn(u, p, q, 1, 3, quarter);
    dsi_m3_turn(v, p, q, 1, 3, quarter);
}
)

DSI_QUOTED(signs, "the same with magnitudes of d falling and only the last sign free",

/* column j and the last change sign: u remains a rotation, d[j] d[2] as it was. 0 - d never gives -0. */
static void dsi_m3_flip(ds_real *u, ds_real *d, int j)
{
    int i;
    for (i = 0; i < 3; i++) {
        u[3 * i + j] = 0 - u[3 * i + j];
        u[3 * i + 2] = 0 - u[3 * i + 2];
    }
    d[j] = 0 - d[j];
    d[2] = 0 - d[2];
}

/* d[2] has the sign of the product of all three, which is that of det a, as det u = det v = 1. Three
   comparisons sort three; then minus signs go to the last, in pairs. */
static int dsi_m3_signed_svd(const ds_real *a, ds_real *u, ds_real *d, ds_real *v)
{
    const int exponent = dsi_m3_diagonalise(a, u, d, v);
    if (dsi_m3_size(d[0]) < dsi_m3_size(d[1])) dsi_m3_swap(u, d, v, 0, 1);
    if (dsi_m3_size(d[1]) < dsi_m3_size(d[2])) dsi_m3_swap(u, d, v, 1, 2);
    if (dsi_m3_size(d[0]) < dsi_m3_size(d[1])) dsi_m3_swap(u, d, v, 0, 1);
    if (d[0] < 0) dsi_m3_flip(u, d, 0);
    if (d[1] < 0) dsi_m3_flip(u, d, 1);
    return exponent;
}
)

DSI_QUOTED(svd, "a = u diag(s) v' with rotations u and v; s may be infinite",

static void dsi_m3_svd(const ds_real *a, ds_real *u, ds_real *s, ds_real *v)
{
    const int exponent = dsi_m3_signed_svd(a, u, s, v);
    dsi_m3_scale(s, 3, exponent);
}
)

DSI_QUOTED(polar, "the polar form a = r p, r a rotation: a = u diag(d) v' = (u v') (v diag(d) v')",

/* a diag(d) b' */
static void dsi_m3_rebuild(const ds_real *a, const ds_real *d, const ds_real *b, ds_real *to)
{
    int i, j;
    for (i = 0; i < 9; i += 3)
        for (j = 0; j < 9; j += 3)
            to[i + j / 3] = dsi_product(a[i] * d[0], b[j]) + dsi_product(a[i + 1] * d[1], b[j + 1]) +
                            dsi_product(a[i + 2] * d[2], b[j + 2]);
}

static void dsi_m3_polar(const ds_real *a, ds_real *r, ds_real *p)
{
    ds_real u[9], d[3], v[9], one[3];
    const int exponent = dsi_m3_signed_svd(a, u, d, v);
    one[0] = one[1] = one[2] = 1;
    dsi_m3_rebuild(u, one, v, r);
    dsi_m3_rebuild(v, d, v, p);
    p[3] = p[1]; /* the two halves may differ by rounding */
    p[6] = p[2];
    p[7] = p[5];
    dsi_m3_scale(p, 9, exponent);
}
)

DSI_QUOTED(eigen, "a = v diag(w) v' of a symmetric matrix, w falling",

/* What is below the diagonal is not read. u is v, turn by turn; values keep their signs and fall by value,
   not by magnitude */
static void dsi_m3_symmetric_eigen(const ds_real *a, ds_real *w, ds_real *v)
{
    ds_real whole[9], u[9];
    int k, exponent;
    for (k = 0; k < 9; k++) whole[k] = a[k / 3 > k % 3 ? 3 * (k % 3) + k / 3 : k];
    exponent = dsi_m3_diagonalise(whole, u, w, v);
    if (w[0] < w[1]) dsi_m3_swap(u, w, v, 0, 1);
    if (w[1] < w[2]) dsi_m3_swap(u, w, v, 1, 2);
    if (w[0] < w[1]) dsi_m3_swap(u, w, v, 0, 1);
    dsi_m3_scale(w, 3, exponent);
}
)

DIFFSIM_API void ds_m3_svd(ds_m3 a, ds_m3 *u, ds_v3 *s, ds_m3 *v)
{
    ds_real d[3];
    DIFFSIM_ASSERT(u && s && v);
    if (!u || !s || !v) return;
    dsi_m3_svd(a.m, u->m, d, v->m);
    *s = ds_v3_make(d[0], d[1], d[2]);
}

DIFFSIM_API void ds_m3_polar(ds_m3 a, ds_m3 *r, ds_m3 *p)
{
    DIFFSIM_ASSERT(r && p);
    if (r && p) dsi_m3_polar(a.m, r->m, p->m);
}

DIFFSIM_API void ds_m3_symmetric_eigen(ds_m3 a, ds_v3 *w, ds_m3 *v)
{
    ds_real d[3];
    DIFFSIM_ASSERT(w && v);
    if (!w || !v) return;
    dsi_m3_symmetric_eigen(a.m, d, v->m);
    *w = ds_v3_make(d[0], d[1], d[2]);
}

/* >>impl 3 linear algebra -------------------------------------------------------------------------

   Inner loops run along rows. Decisions and sums of products are made in double; products that enter a sum
   are rounded first, as everywhere, so that the bits do not depend on the compiler: a fused multiply-add
   would round once where two roundings are written. Sums run in the order of the loop. With float the
   products in double are exact, and only the sums round.

   Each factorisation is begun by dsi_dense_begin, which refuses bad numbers and sets the threshold of the
   rank, and reports its pivots to dsi_note_pivot, which keeps inertia, rank, determinant and the first error.
   ds_qr_* serve Gauss-Newton and Levenberg-Marquardt of section 4, too.

   Where a triangular system is solved by columns, rows of the stored factor are its columns: then
   dsi_add_multiple takes what is known out of all that is left, and memory is read in order as well. */

/* distance from 1 to the next ds_real: 2^-52 (float: 2^-23) */
static double dsi_epsilon(void) { return sizeof(ds_real) == 4 ? (double)FLT_EPSILON : DBL_EPSILON; }
/* the larger; y if one of them is NaN */
static double dsi_greater(double x, double y) { return x > y ? x : y; }
/* left * right in double, rounded, never fused with what follows (dsi_product: the same in ds_real) */
static double dsi_times(double left, double right)
{
    double result = left * right;
    DSI_FENCE(result);
    return result;
}

/* x.y, in order */
static double dsi_inner(const ds_real *x, const ds_real *y, size_t n)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) sum += dsi_times((double)x[i], (double)y[i]);
    return sum;
}

/* y += s x */
static void dsi_add_multiple(ds_real *y, ds_real s, const ds_real *x, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) y[i] += dsi_product(s, x[i]);
}

/* largest |x_i|; 0 if n = 0. A NaN may be lost: callers look for those before */
static double dsi_largest(const ds_real *x, size_t n)
{
    double most = 0;
    size_t i;
    for (i = 0; i < n; i++) most = dsi_greater(most, fabs((double)x[i]));
    return most;
}

/* Euclidean, every stride-th entry; scaled by the largest, so that squares neither overflow nor vanish.
   The largest part is 1, so that the sum is between 1 and n */
static double dsi_norm(const ds_real *x, size_t n, size_t stride)
{
    double most = 0, sum = 0;
    size_t i;
    for (i = 0; i < n; i++) most = dsi_greater(most, fabs((double)x[i * stride]));
    if (!(most > 0)) return 0;
    for (i = 0; i < n; i++) {
        const double part = (double)x[i * stride] / most;
        sum += dsi_times(part, part);
    }
    return most * sqrt(sum);
}

static void dsi_exchange(ds_real *x, ds_real *y)
{
    const ds_real z = *x;
    *x = *y;
    *y = z;
}

/* rows i and j of a [.][n] change places, whole rows */
static void dsi_exchange_rows(ds_real *a, size_t n, size_t i, size_t j)
{
    size_t k;
    for (k = 0; i != j && k < n; k++) dsi_exchange(a + i * n + k, a + j * n + k);
}

/* Looks through a [rows][columns], or with columns = 0 through the lower triangle of a [rows][rows], and
   clears info; false: refused, info->result says why. *tiny = epsilon max(rows, columns) max |a_ij|: a
   pivot below it cannot be told from rounding of a zero. Sizes are limited to those that pivots of 32 bits
   can name. */
static int dsi_dense_begin(const ds_real *a, size_t rows, size_t columns, ds_dense_info *info, double *tiny)
{
    const size_t stride = columns ? columns : rows;
    double most = 0;
    size_t i;
    memset(info, 0, sizeof *info);
    info->sign = 1;
    if (rows > INT32_MAX || stride > INT32_MAX || (!a && rows && stride)) {
        info->result = DSIM_ERROR_ARGUMENT;
        return 0;
    }
    for (i = 0; i < rows; i++) {
        const size_t n = columns ? columns : i + 1, bad = dsi_first_non_finite(a + i * stride, n);
        if (bad < n) {
            info->result = DSIM_ERROR_NON_FINITE;
            info->index = i * stride + bad;
            return 0;
        }
        most = dsi_greater(most, dsi_largest(a + i * stride, n));
    }
    *tiny = most * dsi_epsilon() * (double)(rows > stride ? rows : stride);
    return 1;
}

/* Counts a pivot; the first that is zero or not finite is the error, `row` its index. sign is a running
   product and stays 0 after a zero pivot. log_determinant is a sum of logarithms, because the product
   itself overflows for matrices of a few hundred rows. A NaN is neither > 0 nor < 0: it counts as zero and
   is NON_FINITE. */
static void dsi_note_pivot(ds_dense_info *info, double pivot, double tiny, size_t row)
{
    const double size = fabs(pivot);
    const int first = info->positive + info->negative + info->zero == 0;
    if (pivot > 0) info->positive++;
    else if (pivot < 0) info->negative++;
    else info->zero++;
    if (size > tiny) info->rank++;
    if (first || size < info->smallest) info->smallest = size;
    info->largest = dsi_greater(info->largest, size);
    if (size > 0) info->log_determinant += dsi_double_log(size);
    info->sign = pivot > 0 ? info->sign : pivot < 0 ? -info->sign : 0;
    if (info->result || (size > 0 && dsi_double_is_finite(size))) return;
    info->result = dsi_double_is_finite(size) ? DSIM_ERROR_SINGULAR : DSIM_ERROR_NON_FINITE;
    info->index = row;
}

/* x becomes P x, or with back P'x: the exchanges (k, pivots[k]) in the order they were made, or the other
   way round, which undoes them. ds_ldlt marks both rows of a 2x2 block by storing ~p = -1 - p in place of
   p, which is negative for row 0, too: ~0 = -1, ~5 = -6, ~-6 = 5. */
static size_t dsi_partner(int32_t pivot) { return (size_t)(pivot < 0 ? ~pivot : pivot); }
static void dsi_permute(const int32_t *pivots, size_t n, ds_real *x, int back)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const size_t k = back ? n - 1 - i : i;
        dsi_exchange(x + k, x + dsi_partner(pivots[k]));
    }
}

/* the row of A that stands at row k after k exchanges: undoes the exchanges from the last to the first */
static size_t dsi_original_row(const int32_t *pivots, size_t k)
{
    size_t row = k, i;
    for (i = k + 1; i-- > 0;) {
        const size_t p = dsi_partner(pivots[i]);
        row = row == i ? p : row == p ? i : row;
    }
    return row;
}

/* Rows and columns i < j of a symmetric matrix [n][n] change places, only the lower triangle is there.
   With the finished part of L left of column i, entries move in four groups, a_ji stays where it is:
     a_ik <-> a_jk for k < i (rows, L included)         a_ii <-> a_jj
     a_ki <-> a_jk for i < k < j (column with row)      a_ki <-> a_kj for k > j (columns) */
static void dsi_exchange_both(ds_real *a, size_t n, size_t i, size_t j)
{
    size_t k;
    if (i == j) return;
    for (k = 0; k < i; k++) dsi_exchange(a + i * n + k, a + j * n + k);
    dsi_exchange(a + i * n + i, a + j * n + j);
    for (k = i + 1; k < j; k++) dsi_exchange(a + k * n + i, a + j * n + k);
    for (k = j + 1; k < n; k++) dsi_exchange(a + k * n + i, a + k * n + j);
}

/* Which pivot for column k: its own, a distant one (*with is its row), or a 2x2 block with it. Returns 1
   or 2, the size. alpha = (1 + sqrt 17) / 8 balances the growth of two 1x1 steps against one 2x2 step.
   With column = |a_rk| the largest below the diagonal of column k, and row the largest off the diagonal of
   row r (so row >= column), the tests are, in this order:
     |a_kk| >= alpha column                 1x1, a_kk
     |a_kk| row >= alpha column^2           1x1, a_kk (as a quotient: a square may overflow)
     |a_rr| >= alpha row                    1x1, a_rr
     else                                   2x2, rows k and r
   In the last case |a_kk a_rr| < alpha^2 a_rk^2: the block has a negative determinant. The first of equal
   entries is taken. */
static size_t dsi_choose_pivot(const ds_real *a, size_t n, size_t k, size_t *with)
{
    const double alpha = 0.6403882032022076, own = fabs((double)a[k * n + k]);
    double column = 0, row = 0;
    size_t i, r = k;
    for (i = k + 1; i < n; i++)
        if (fabs((double)a[i * n + k]) > column) column = fabs((double)a[(r = i) * n + k]);
    *with = k;
    if (own >= alpha * column) return 1;
    /* row r of what is left: left of the diagonal it is stored as a row, below as a column */
    for (i = k; i < n; i++)
        if (i != r) row = dsi_greater(row, fabs((double)(i < r ? a[r * n + i] : a[i * n + r])));
    if (own * (row / column) >= alpha * column) return 1;
    *with = r;
    return fabs((double)a[r * n + r]) >= alpha * row ? 1 : 2;
}

/* A_22 -= l d l', l = a_k / d. Column k becomes l, rows from the last to the first, so that the entries above
   still hold A where they are needed. A zero pivot has a zero column: nothing to do. */
static void dsi_eliminate_1(ds_real *a, size_t n, size_t k)
{
    const ds_real d = a[k * n + k];
    size_t i, j;
    for (i = n; d != 0 && --i > k;) {
        const ds_real l = a[i * n + k] / d;
        for (j = k + 1; j <= i; j++) a[i * n + j] -= dsi_product(l, a[j * n + k]);
        a[i * n + k] = l;
    }
}

/* The same with D = [d11 d21; d21 d22]: rows [l1 l2] = [p q] D^-1, A_22 -= l D l'. With everything divided
   by d21 no product of two entries is needed, which might overflow (as in LAPACK's dsytf2):
     d11 <- D_22 / d21, d22 <- D_11 / d21        l1 = (d11 p - q) / (d21 (d11 d22 - 1))
                                                 l2 = (d22 q - p) / (d21 (d11 d22 - 1))
   d11 d22 - 1 is between -1 - alpha^2 and -1 + alpha^2 (dsi_choose_pivot), never near zero. */
static void dsi_eliminate_2(ds_real *a, size_t n, size_t k)
{
    const ds_real d21 = a[(k + 1) * n + k], d11 = a[(k + 1) * n + k + 1] / d21, d22 = a[k * n + k] / d21;
    const ds_real scale = 1 / dsi_product(d21, dsi_product(d11, d22) - 1); /* |d11 d22| < alpha^2 */
    size_t i, j;
    for (i = n; --i > k + 1;) {
        const ds_real p = a[i * n + k], q = a[i * n + k + 1];
        const ds_real l1 = dsi_product(scale, dsi_product(d11, p) - q);
        const ds_real l2 = dsi_product(scale, dsi_product(d22, q) - p);
        for (j = k + 2; j <= i; j++)
            a[i * n + j] -= dsi_product(l1, a[j * n + k]) + dsi_product(l2, a[j * n + k + 1]);
        a[i * n + k] = l1;
        a[i * n + k + 1] = l2;
    }
}

/* The eigenvalues of the block [p r; r q] at k, one of either sign because its determinant is negative:
     (p + q)/2 +- |r| sqrt(1 + ((p - q) / 2r)^2)
   Halved before they are added, so that a sum does not overflow. */
static void dsi_note_block(const ds_real *a, size_t n, const int32_t *pivots, size_t k, ds_dense_info *info,
                           double tiny)
{
    const double p = (double)a[k * n + k], q = (double)a[(k + 1) * n + k + 1], r = (double)a[(k + 1) * n + k];
    const double mean = p / 2 + q / 2, half = (p / 2 - q / 2) / r;
    const double root = fabs(r) * sqrt(1 + dsi_times(half, half));
    /* the larger one, and the other from the determinant: their difference would cancel */
    const double large = mean < 0 ? mean - root : mean + root;
    const double other = dsi_times(p / large, q) - dsi_times(r / large, r);
    dsi_note_pivot(info, large, tiny, dsi_original_row(pivots, k));
    dsi_note_pivot(info, other, tiny, dsi_original_row(pivots, k + 1));
}

DIFFSIM_API ds_result ds_ldlt_factor(ds_real *a, size_t n, int32_t *pivots, ds_dense_info *info)
{
    ds_dense_info own;
    double tiny;
    size_t k, size, with;
    DIFFSIM_ASSERT(!n || (a && pivots));
    if (n && !pivots) return DSIM_ERROR_ARGUMENT;
    if (!info) info = &own;
    if (!dsi_dense_begin(a, n, 0, info, &tiny)) return info->result;
    /* columns before k are finished: L, and D on the diagonal and beside it; from k on stands what is left
       of A */
    for (k = 0; k < n; k += size) {
        size = dsi_choose_pivot(a, n, k, &with);
        dsi_exchange_both(a, n, k + size - 1, with);
        if (size == 1) {
            pivots[k] = (int32_t)with;
            dsi_note_pivot(info, (double)a[k * n + k], tiny, dsi_original_row(pivots, k));
            dsi_eliminate_1(a, n, k);
        } else {
            pivots[k] = ~(int32_t)k;
            pivots[k + 1] = ~(int32_t)with;
            dsi_note_block(a, n, pivots, k, info, tiny);
            dsi_eliminate_2(a, n, k);
        }
    }
    return info->result;
}

DIFFSIM_API ds_result ds_ldlt_solve(const ds_real *ldlt, size_t n, const int32_t *pivots, ds_real *x)
{
    const ds_real *const a = ldlt;
    size_t i, k;
    DIFFSIM_ASSERT(!n || (a && pivots && x));
    if (n && (!a || !pivots || !x)) return DSIM_ERROR_ARGUMENT;
    for (k = 0; k < n; k++)
        if (pivots[k] >= 0 && !(fabs((double)a[k * n + k]) > 0)) return DSIM_ERROR_SINGULAR;
    /* x = P' L'^-1 D^-1 L^-1 P b. k says in the loops over L whether row i has met one row of its block:
       the two rows of a block have negative pivots, and the entry between them is d21, not L */
    dsi_permute(pivots, n, x, 0);
    for (i = k = 0; i < n; i++) { /* L: within a block there is no L */
        const size_t end = pivots[i] < 0 && k ? i - 1 : i;
        k = pivots[i] < 0 && !k;
        x[i] -= (ds_real)dsi_inner(a + i * n, x, end);
    }
    for (k = 0; k < n; k++) { /* D */
        if (pivots[k] >= 0) {
            x[k] /= a[k * n + k];
        } else {
            /* [x_k x_k+1] D^-1 of dsi_eliminate_2, the right-hand side divided by d21 first */
            const ds_real d21 = a[(k + 1) * n + k];
            const ds_real d11 = a[(k + 1) * n + k + 1] / d21, d22 = a[k * n + k] / d21;
            const ds_real p = x[k] / d21, q = x[k + 1] / d21, t = dsi_product(d11, d22) - 1;
            x[k] = (dsi_product(d11, p) - q) / t;
            x[++k] = (dsi_product(d22, q) - p) / t;
        }
    }
    for (k = 0, i = n; i-- > 0;) { /* L' */
        k = pivots[i] < 0 && !k;
        dsi_add_multiple(x, -x[i], a + i * n, k ? i - 1 : i);
    }
    dsi_permute(pivots, n, x, 1);
    return DSIM_OK;
}

DIFFSIM_API ds_result ds_cholesky_factor(ds_real *a, size_t n, ds_dense_info *info)
{
    ds_dense_info own;
    double tiny;
    size_t i, j;
    DIFFSIM_ASSERT(!n || a);
    if (!info) info = &own;
    if (!dsi_dense_begin(a, n, 0, info, &tiny)) return info->result;
    for (i = 0; i < n; i++) { /* l_ij = (a_ij - sum_k<j l_ik l_jk) / l_jj: rows with rows */
        ds_real *const row = a + i * n;
        double d;
        for (j = 0; j < i; j++)
            row[j] = (ds_real)(((double)row[j] - dsi_inner(row, a + j * n, j)) / (double)a[j * n + j]);
        /* l_ii^2 = a_ii - sum_k<i l_ik^2: the pivot. Not positive: A is not, up to rounding, and row i is
           the first to show it */
        d = (double)row[i] - dsi_inner(row, row, i);
        dsi_note_pivot(info, d, tiny, i);
        if (!(d > 0)) {
            info->result = DSIM_ERROR_INDEFINITE;
            info->index = i;
        }
        if (info->result) return info->result;
        row[i] = (ds_real)sqrt(d);
    }
    return DSIM_OK;
}

DIFFSIM_API ds_result ds_cholesky_solve(const ds_real *l, size_t n, ds_real *x)
{
    size_t i;
    DIFFSIM_ASSERT(!n || (l && x));
    if (n && (!l || !x)) return DSIM_ERROR_ARGUMENT;
    for (i = 0; i < n; i++) /* L z = b by rows */
        x[i] = (ds_real)(((double)x[i] - dsi_inner(l + i * n, x, i)) / (double)l[i * n + i]);
    /* L'x = z: row i of L is column i of L' */
    for (i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        dsi_add_multiple(x, -x[i], l + i * n, i);
    }
    return DSIM_OK;
}

DIFFSIM_API ds_result ds_lu_factor(ds_real *a, size_t n, int32_t *pivots, ds_dense_info *info)
{
    ds_dense_info own;
    double tiny;
    size_t i, k, p;
    DIFFSIM_ASSERT(!n || (a && pivots));
    if (n && !pivots) return DSIM_ERROR_ARGUMENT;
    if (!info) info = &own;
    if (!dsi_dense_begin(a, n, n, info, &tiny)) return info->result;
    for (k = 0; k < n; k++) {
        /* the largest of column k, the first of equals: every multiplier is at most 1 in size */
        for (p = k, i = k + 1; i < n; i++)
            if (fabs((double)a[i * n + k]) > fabs((double)a[p * n + k])) p = i;
        pivots[k] = (int32_t)p;
        if (p != k) info->sign = -info->sign;
        dsi_exchange_rows(a, n, k, p);
        dsi_note_pivot(info, (double)a[k * n + k], tiny, k);
        /* rows below lose their multiple of row k; without a pivot there is nothing below it either */
        for (i = k + 1; a[k * n + k] != 0 && i < n; i++) {
            a[i * n + k] /= a[k * n + k];
            dsi_add_multiple(a + i * n + k + 1, -a[i * n + k], a + k * n + k + 1, n - k - 1);
        }
    }
    return info->result;
}

/* no argument is missing and no pivot is zero; else the result of the solves */
static ds_result dsi_lu_usable(const ds_real *lu, size_t n, const int32_t *pivots, const ds_real *x)
{
    size_t k;
    DIFFSIM_ASSERT(!n || (lu && pivots && x));
    if (n && (!lu || !pivots || !x)) return DSIM_ERROR_ARGUMENT;
    for (k = 0; k < n; k++)
        if (!(fabs((double)lu[k * n + k]) > 0)) return DSIM_ERROR_SINGULAR;
    return DSIM_OK;
}

/* L z = P b, U x = z. Both by rows, their sums in double */
DIFFSIM_API ds_result ds_lu_solve(const ds_real *lu, size_t n, const int32_t *pivots, ds_real *x)
{
    const ds_result result = dsi_lu_usable(lu, n, pivots, x);
    size_t i;
    if (result) return result;
    dsi_permute(pivots, n, x, 0);
    for (i = 0; i < n; i++) x[i] -= (ds_real)dsi_inner(lu + i * n, x, i);
    for (i = n; i-- > 0;) {
        const ds_real *const u = lu + i * n;
        x[i] = (ds_real)(((double)x[i] - dsi_inner(u + i + 1, x + i + 1, n - i - 1)) / (double)u[i]);
    }
    return DSIM_OK;
}

/* A' = U'L'P: U'z = b, L'w = z, x = P'w. Rows of U and L are columns of U' and L' */
DIFFSIM_API ds_result ds_lu_solve_transposed(const ds_real *lu, size_t n, const int32_t *pivots, ds_real *x)
{
    const ds_result result = dsi_lu_usable(lu, n, pivots, x);
    size_t i;
    if (result) return result;
    for (i = 0; i < n; i++) {
        x[i] /= lu[i * n + i];
        dsi_add_multiple(x + i + 1, -x[i], lu + i * n + i + 1, n - i - 1);
    }
    for (i = n; i-- > 0;) dsi_add_multiple(x, -x[i], lu + i * n, i);
    dsi_permute(pivots, n, x, 1);
    return DSIM_OK;
}

/* x [m] becomes (I - tau v v') x = x - v tau (v'x), where v is 0 above row k, 1 in row k, and column k of
   qr->a below it. x has a stride: n for a column of a, 1 for a right-hand side */
static void dsi_reflect(const ds_qr *qr, size_t k, ds_real *x, size_t stride)
{
    const ds_real *const v = qr->a + k;
    double sum = (double)x[k * stride];
    size_t i;
    for (i = k + 1; i < qr->m; i++) sum += dsi_times((double)v[i * qr->n], (double)x[i * stride]);
    sum *= (double)qr->tau[k];
    x[k * stride] -= (ds_real)sum;
    for (i = k + 1; i < qr->m; i++) x[i * stride] -= dsi_product(v[i * qr->n], (ds_real)sum);
}

/* The longest of the columns from k on, measured from row k on, comes to k, the first of equals; returns
   its length. Lengths are measured anew: taking the last row off the squares of the old ones is cheaper,
   but cancels where a column nearly depends on those before */
static double dsi_next_column(ds_qr *qr, size_t k)
{
    const int32_t column = qr->columns[k];
    double most = -1;
    size_t i, best = k;
    for (i = k; i < qr->n; i++) {
        const double length = dsi_norm(qr->a + k * qr->n + i, qr->m - k, qr->n);
        if (length > most) most = length, best = i;
    }
    for (i = 0; i < qr->m; i++) dsi_exchange(qr->a + i * qr->n + k, qr->a + i * qr->n + best);
    qr->columns[k] = qr->columns[best];
    qr->columns[best] = column;
    return most;
}

DIFFSIM_API ds_result ds_qr_factor(ds_qr *qr, ds_dense_info *info)
{
    ds_dense_info own;
    double tiny;
    size_t i, k;
    DIFFSIM_ASSERT(qr);
    if (!info) info = &own;
    if (!qr || (qr->n && !qr->columns) || (qr->m && qr->n && !qr->tau)) return DSIM_ERROR_ARGUMENT;
    if (!dsi_dense_begin(qr->a, qr->n ? qr->m : 0, qr->n, info, &tiny)) return info->result;
    for (k = 0; k < qr->n; k++) qr->columns[k] = (int32_t)k;
    for (k = 0; k < dsi_least(qr->m, qr->n); k++) {
        ds_real *const a = qr->a + k * qr->n + k;
        const int32_t first = qr->columns[k];
        double length = dsi_next_column(qr, k);
        if (qr->columns[k] != first) info->sign = -info->sign;
        /* no later pivot is longer than the first, but for rounding: rank is relative to it */
        if (k == 0) tiny = length * dsi_epsilon() * (double)(qr->m > qr->n ? qr->m : qr->n);
        /* (I - tau v v') a = length e_1 with v = (a - length e_1) / (a_1 - length) and tau = (length - a_1) /
           length; the sign of length is the one that cancels nothing, and makes 1 <= tau <= 2 */
        if ((double)a[0] > 0) length = -length;
        dsi_note_pivot(info, length, tiny, k);
        qr->tau[k] = 0;
        /* all columns that are left are zero: no reflection, tau = 0, and R has zeros here */
        if (!(fabs(length) > 0)) continue;
        info->sign = -info->sign; /* the determinant of a reflection */
        qr->tau[k] = (ds_real)((length - (double)a[0]) / length);
        for (i = 1; i < qr->m - k; i++)
            a[i * qr->n] = (ds_real)((double)a[i * qr->n] / ((double)a[0] - length));
        a[0] = (ds_real)length;
        for (i = k + 1; i < qr->n; i++) dsi_reflect(qr, k, qr->a + i, qr->n);
    }
    qr->rank = info->rank;
    if (info->result == DSIM_ERROR_SINGULAR) info->result = DSIM_OK, info->index = 0;
    return info->result;
}

/* A P = Q R, so R_11 z = the first `rank` entries of Q'b, and x = P z with zeros for the columns beyond
   the rank: with rank < n one solution among many, not the shortest as a rule. z is never stored: its entry
   k is x[columns[k]] */
DIFFSIM_API ds_result ds_qr_solve(const ds_qr *qr, ds_real *b, ds_real *x)
{
    size_t i, k;
    DIFFSIM_ASSERT(qr && b && x);
    if (!qr || (qr->m && !b) || (qr->n && !x)) return DSIM_ERROR_ARGUMENT;
    for (k = 0; k < dsi_least(qr->m, qr->n); k++) dsi_reflect(qr, k, b, 1);
    for (k = 0; k < qr->n; k++) x[k] = 0;
    for (k = qr->rank; k-- > 0;) {
        const ds_real *const R = qr->a + k * qr->n;
        double sum = (double)b[k];
        for (i = k + 1; i < qr->rank; i++) sum -= dsi_times((double)R[i], (double)x[qr->columns[i]]);
        x[qr->columns[k]] = (ds_real)(sum / (double)R[k]);
    }
    return DSIM_OK;
}

/* (A'A)^-1 = P (R'R)^-1 P': column by column, entry k of column j in row columns[k] */
DIFFSIM_API ds_result ds_qr_covariance(const ds_qr *qr, ds_real *c)
{
    const size_t n = qr ? qr->n : 0;
    size_t i, j, k;
    DIFFSIM_ASSERT(qr && c);
    if (!qr || (n && !c)) return DSIM_ERROR_ARGUMENT;
    if (qr->rank < n) return DSIM_ERROR_SINGULAR;
    for (j = 0; j < n; j++) { /* R'R z = e_j */
        ds_real *const z = c + qr->columns[j];
        for (k = 0; k < n; k++) {
            double sum = k == j;
            for (i = 0; i < k; i++)
                sum -= dsi_times((double)qr->a[i * n + k], (double)z[(size_t)qr->columns[i] * n]);
            z[(size_t)qr->columns[k] * n] = (ds_real)(sum / (double)qr->a[k * n + k]);
        }
        /* R of R'R z = e_j, backwards */
        for (k = n; k-- > 0;) {
            double sum = (double)z[(size_t)qr->columns[k] * n];
            for (i = k + 1; i < n; i++)
                sum -= dsi_times((double)qr->a[k * n + i], (double)z[(size_t)qr->columns[i] * n]);
            z[(size_t)qr->columns[k] * n] = (ds_real)(sum / (double)qr->a[k * n + k]);
        }
    }
    return DSIM_OK;
}

/* n pairs (x, y) become (c x - s y, s x + c y); turn [2]: s and tau = (1 - c) / s = tan(angle / 2), so
   that
     c x - s y = x - s (y + tau x)        s x + c y = y + s (x - tau y)
   At small angles c rounds to 1, here nothing is lost: what is added is small, and right to rounding
   (Rutishauser 1966). */
static void dsi_jacobi_turn(ds_real *x, ds_real *y, size_t n, size_t stride, const ds_real turn[2])
{
    size_t i;
    for (i = 0; i < n * stride; i += stride) {
        const ds_real p = x[i], q = y[i];
        x[i] = p - dsi_product(turn[0], q + dsi_product(turn[1], p));
        y[i] = q + dsi_product(turn[0], p - dsi_product(turn[1], q));
    }
}

/* One sweep over all pairs p < q, row by row: A <- J'A J with a turn J in the plane (p, q) that makes a_pq
   zero. False when no entry off the diagonal was above tiny. Both triangles of a [n][n] are kept, so that
   rows turn in order of memory. Rows of v [n][n] (or NULL) turn along: v holds the transpose of the
   eigenvectors. */
static int dsi_jacobi_sweep(ds_real *a, size_t n, ds_real *v, double tiny)
{
    int turned = 0;
    size_t p, q;
    for (p = 0; p < n; p++) {
        for (q = p + 1; q < n; q++) {
            const double off = (double)a[p * n + q];
            double theta, t, c;
            ds_real turn[2];
            if (!(fabs(off) > tiny)) continue;
            /* t, the tangent of the smaller angle that makes a_pq zero: t^2 + 2 theta t = 1, |t| <= 1. The
               root is written so that nothing cancels; the smaller angle changes A least (Golub and Van Loan
               2013, sec. 8.5) */
            theta = ((double)a[q * n + q] - (double)a[p * n + p]) / off / 2;
            t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(dsi_times(theta, theta) + 1));
            c = 1 / sqrt(dsi_times(t, t) + 1);
            turn[0] = (ds_real)(t * c);
            turn[1] = (ds_real)(t * c / (1 + c));
            dsi_jacobi_turn(a + p * n, a + q * n, n, 1, turn);
            dsi_jacobi_turn(a + p, a + q, n, n, turn);
            /* what the turns left there is rounding */
            a[p * n + q] = a[q * n + p] = 0;
            if (v) dsi_jacobi_turn(v + p * n, v + q * n, n, 1, turn);
            turned = 1;
        }
    }
    return turned;
}

DIFFSIM_API ds_result ds_symmetric_eigen(ds_real *a, size_t n, ds_real *values, ds_real *vectors,
                                         ds_dense_info *info)
{
    ds_dense_info own;
    double tiny;
    size_t i, j, least;
    int turned = 1;
    DIFFSIM_ASSERT(!n || (a && values));
    if (n && !values) return DSIM_ERROR_ARGUMENT;
    if (!info) info = &own;
    if (!dsi_dense_begin(a, n, 0, info, &tiny)) return info->result;
    /* the upper triangle from the lower; vectors begin as the identity: entries 0, n + 1, 2 n + 2, ... */
    for (i = 0; i < n; i++)
        for (j = 0; j < i; j++) a[j * n + i] = a[i * n + j];
    for (i = 0; vectors && i < n * n; i++) vectors[i] = i % (n + 1) == 0;
    for (; turned && info->sweeps < 60; info->sweeps++)
        turned = dsi_jacobi_sweep(a, n, vectors, n ? tiny / (double)n / 2 : 0); /* epsilon |A| / 2 */
    if (turned) info->result = DSIM_ERROR_NOT_CONVERGED;
    for (i = 0; i < n; i++) values[i] = a[i * n + i];
    for (i = 0; i < n; i++) { /* rising: exchange with the least of the rest; n^2 beside n^3 */
        for (least = i, j = i + 1; j < n; j++)
            if (values[j] < values[least]) least = j;
        dsi_exchange(values + i, values + least);
        if (vectors) dsi_exchange_rows(vectors, n, i, least);
    }
    for (i = 0; vectors && i < n; i++) /* rows were turned; columns are promised */
        for (j = 0; j < i; j++) dsi_exchange(vectors + i * n + j, vectors + j * n + i);
    return info->result;
}

/* >>impl 4 minimise -------------------------------------------------------------------------------

   A method is a direction. An iteration finds it, searches along it, and moves to the best trial; only
   Levenberg-Marquardt has its own iteration. Three points exist: where we are (x, g, f), the trial (xt, gt,
   ft), and the best trial of a search so far (xl, gl, fl); they change places by exchange of pointers.

   ds_minimise reads the desc (dsi_minimise_understand), lays out its scratch (dsi_minimise_room), evaluates
   the first point (dsi_minimise_start) and iterates (dsi_minimise_loop). An iteration is dsi_step_line,
   which takes a direction from the table of methods and searches with dsi_armijo or dsi_wolfe, or
   dsi_step_damped. All of them evaluate through dsi_value_at and move through dsi_accept_best, which leaves
   to dsi_new_point what depends on x, g and f alone.

   A ds_stop of 0 is DSIM_STOP_NOT_YET: `if (stop)` means that something ended. */

typedef struct dsi_minimiser {
    const ds_problem *p;
    ds_minimise_desc d; /* with the defaults filled in */
    ds_minimise_report *r;
    size_t n, m; /* m residuals; 0: f is the objective */
    int squares; /* GAUSS_NEWTON or LEVENBERG_MARQUARDT */
    int still; /* the last step is zero within its tolerance */
    ds_result failure; /* of the callback */
    ds_real *x; /* [n] the caller's */
    ds_real *g, *pg, *dir; /* [n] gradient, its part that no bound holds, direction */
    ds_real *xt, *gt, *xl, *gl; /* [n] */
    ds_real *s, *y; /* [n] the last step and what it changed of the gradient */
    ds_real *S, *Y, *sy, *alpha; /* [history][n], [history][n], [history], [history]: LBFGS */
    size_t pairs, since; /* LBFGS: pairs ever kept; steps since the direction was the steepest */
    ds_real *res, *rt, *J, *D, *b; /* [m] at x, [m] at the trial, [m][n], [n] column lengths, [m + n] */
    ds_qr qr;
    double f, ft, fl, slope, along, gg, nu; /* along: the multiple of dir taken; 0: none */
} dsi_minimiser;

/* scratch is handed out front to back; without a base it is only counted. Each array is a whole number of
   ds_real, so all are aligned if the base is */
typedef struct dsi_scratch {
    char *base;
    size_t used;
    ds_result result;
} dsi_scratch;

/* the next rows * columns numbers; NULL when only counted. Too many for size_t: room->result */
static ds_real *dsi_take_reals(dsi_scratch *room, size_t rows, size_t columns)
{
    ds_real *const r = room->base ? (ds_real *)(void *)(room->base + room->used) : NULL;
    size_t bytes = 0;
    if (ds_size_mul(rows, columns, &bytes) || ds_size_mul(bytes, sizeof(ds_real), &bytes) ||
        ds_size_add(bytes, room->used, &room->used))
        room->result = DSIM_ERROR_OVERFLOW;
    return r;
}

/* Hands out all arrays, in the same order at each call: once to count the bytes, once to set the pointers.
   What a method does not need has no entries: only LBFGS has S, Y, sy, alpha, only least squares have D, b
   and qr, whose matrix [m + n][n] is J with the damping below it. J is there if f comes from residuals. */
static void dsi_lay_out(dsi_minimiser *m, dsi_scratch *room)
{
    const size_t n = m->n, h = m->r->method == DSIM_METHOD_LBFGS ? m->d.history : 0, one = m->squares != 0;
    ds_real *columns;
    const struct { ds_real **at; size_t rows, columns; } parts[] = {
        { &m->g, n, 1 }, { &m->pg, n, 1 }, { &m->dir, n, 1 }, { &m->xt, n, 1 }, { &m->gt, n, 1 },
        { &m->xl, n, 1 }, { &m->gl, n, 1 }, { &m->s, n, 1 }, { &m->y, n, 1 },
        { &m->S, h, n }, { &m->Y, h, n }, { &m->sy, h, 1 }, { &m->alpha, h, 1 },
        { &m->res, m->m, 1 }, { &m->rt, m->m, 1 }, { &m->J, m->m, n },
        { &m->D, one, n }, { &m->b, one, m->m + n }, { &m->qr.a, one * n, m->m + n }, { &m->qr.tau, one, n },
        { &columns, one, n } };
    size_t i;
    for (i = 0; i < sizeof parts / sizeof *parts; i++)
        *parts[i].at = dsi_take_reals(room, parts[i].rows, parts[i].columns);
    m->qr.columns = (int32_t *)(void *)columns; /* no larger than ds_real */
    m->qr.n = n;
}

/* x_i = number for all i */
static void dsi_fill_reals(ds_real *x, ds_real number, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) x[i] = number;
}

/* f and, if g is not NULL, its gradient. With residuals f = r.r / 2 and g = J'r, r in rt [m] and J [m][n].
   What the callback leaves out is NaN. One look at g is enough: an entry of J that is not finite makes g
   so, because 0 * inf is NaN. The report's index is the first bad entry of g, or n. J is overwritten by
   every call that wants g: it belongs to the last such point, wherever it was. */
static ds_stop dsi_value_at(dsi_minimiser *m, const ds_real *x, double *f, ds_real *g)
{
    const ds_problem *const p = m->p;
    ds_real value = dsi_nan();
    size_t i;
    if (m->r->evaluations >= m->d.max_evaluations) return DSIM_STOP_EVALUATIONS;
    m->r->evaluations++;
    if (g) m->r->gradients++;
    if (g) dsi_fill_reals(g, m->m ? 0 : value, m->n);
    if (m->m) {
        dsi_fill_reals(m->rt, value, m->m);
        if (g) dsi_fill_reals(m->J, value, m->m * m->n);
        m->failure = p->residuals(p->user, x, m->n, m->rt, g ? m->J : NULL);
        value = (ds_real)(dsi_inner(m->rt, m->rt, m->m) / 2);
        for (i = 0; g && i < m->m; i++) dsi_add_multiple(g, m->rt[i], m->J + i * m->n, m->n);
    } else {
        m->failure = p->objective(p->user, x, m->n, &value, g);
    }
    if (m->failure) return DSIM_STOP_CALLBACK;
    *f = (double)value;
    m->r->index = g && dsi_is_finite(value) ? dsi_first_non_finite(g, m->n) : m->n;
    return dsi_is_finite(value) && m->r->index == m->n ? DSIM_STOP_NOT_YET : DSIM_STOP_NON_FINITE;
}

/* at a bound that the value would fall beyond: moving x_i against g_i would leave the box */
static int dsi_is_held(const dsi_minimiser *m, size_t i)
{
    const ds_problem *const p = m->p;
    return (p->lower && m->x[i] <= p->lower[i] && m->g[i] > 0) ||
           (p->upper && m->x[i] >= p->upper[i] && m->g[i] < 0);
}

/* x_i moved to the nearest end of [lower_i, upper_i]. Bounds that are infinite, or not there, hold nothing */
static ds_real dsi_into_box(const ds_problem *p, size_t i, ds_real x)
{
    if (p->lower && x < p->lower[i]) x = p->lower[i];
    return p->upper && x > p->upper[i] ? p->upper[i] : x;
}

/* xt = x + a dir, entry by entry moved into the box; false if no entry moved by more than step_tolerance
   |x_i|. An entry at 0 has moved if it changed at all */
static int dsi_trial_point(dsi_minimiser *m, double a)
{
    int moved = 0;
    size_t i;
    for (i = 0; i < m->n; i++) {
        const double x = (double)m->x[i];
        m->xt[i] = dsi_into_box(m->p, i, (ds_real)(x + dsi_times(a, (double)m->dir[i])));
        moved |= fabs((double)m->xt[i] - x) > m->d.step_tolerance * fabs(x);
    }
    return moved;
}

/* What is to be known at a new x, g, f: pg, the gradient without what bounds hold, and the report's
   gradient. That is max |pg_i|, or for least squares the largest cosine of the angles between r and the
   columns of J, where J_i.r = g_i:
     max_i |g_i| / (|J_i| |r|)
   It has no unit, and so does not change with the scale of an unknown or of the residuals. D_i is the
   longest that column i has been; it never shrinks (More 1978), so that an unknown does not leap where its
   column happens to be short. Zero columns and zero residuals have no angle and count as 0. */
static void dsi_new_point(dsi_minimiser *m)
{
    const double size = m->squares ? dsi_norm(m->res, m->m, 1) : 0;
    size_t i;
    for (i = 0; i < m->n; i++) m->pg[i] = dsi_is_held(m, i) ? 0 : m->g[i];
    m->r->value = m->f;
    m->r->gradient = m->squares ? 0 : dsi_largest(m->pg, m->n);
    for (i = 0; m->squares && i < m->n; i++) {
        const double length = dsi_norm(m->J + i, m->m, m->n);
        m->D[i] = (ds_real)dsi_greater((double)m->D[i], length);
        if (length * size > 0)
            m->r->gradient = dsi_greater(m->r->gradient, fabs((double)m->pg[i]) / length / size);
    }
}

/* two names change places; no number is copied */
static void dsi_exchange_vectors(ds_real **x, ds_real **y)
{
    ds_real *const z = *x;
    *x = *y;
    *y = z;
}

/* the trial becomes the best of the search; the vectors of the best before it are the next trial's */
static void dsi_keep_trial(dsi_minimiser *m, double a)
{
    dsi_exchange_vectors(&m->xt, &m->xl);
    dsi_exchange_vectors(&m->gt, &m->gl);
    m->fl = m->ft;
    m->along = a;
}

/* The best of the search becomes where we are: s = xl - x and y = gl - g for LBFGS and conjugate
   gradients, then x and g. The caller's x is copied into, not exchanged. res and rt change places without
   a look at which point rt belongs to: least squares only move to the trial evaluated last (dsi_armijo,
   dsi_step_damped), the others do not read res. */
static void dsi_accept_best(dsi_minimiser *m)
{
    size_t i;
    m->still = 1;
    for (i = 0; i < m->n; i++) {
        m->s[i] = m->xl[i] - m->x[i];
        m->y[i] = m->gl[i] - m->g[i];
        if (fabs((double)m->s[i]) > m->d.step_tolerance * fabs((double)m->xl[i])) m->still = 0;
        m->x[i] = m->xl[i];
    }
    m->r->step = dsi_largest(m->s, m->n);
    dsi_exchange_vectors(&m->g, &m->gl);
    dsi_exchange_vectors(&m->res, &m->rt);
    m->f = m->fl;
    m->r->iterations++;
    m->since++;
    dsi_new_point(m);
}

/* Backtracking from the trial step a: f(x + s) <= f(x) + c1 g.s, s the step inside the box, which is not a
   multiple of dir where bounds clip it. With fall = g.s < 0 and rise = f(x + s) - f(x), the parabola
   through value, slope and trial is least at the part
     fall / 2 / (fall - rise)
   of the step, kept between a tenth and a half; a half where the trial has no value. The value must fall
   in any case: when c1 g.s is below the rounding of f, the first test alone would be content with no
   change. A NaN in the quotient gives a tenth. 60 halvings are more than the 53 bits of a double. */
static ds_stop dsi_armijo(dsi_minimiser *m, double a)
{
    ds_stop bad = DSIM_STOP_LINE_SEARCH;
    int k;
    for (k = 0; k < 60 && dsi_trial_point(m, a); k++) {
        const ds_stop stop = dsi_value_at(m, m->xt, &m->ft, m->gt);
        double fall = 0, part;
        size_t i;
        if (stop == DSIM_STOP_EVALUATIONS) return stop;
        for (i = 0; i < m->n; i++) fall += dsi_times((double)m->g[i], (double)m->xt[i] - (double)m->x[i]);
        if (!stop && fall < 0 && m->ft < m->f && m->ft <= m->f + dsi_times(m->d.armijo, fall)) {
            dsi_keep_trial(m, a);
            return DSIM_STOP_NOT_YET;
        }
        bad = stop ? stop : DSIM_STOP_LINE_SEARCH;
        part = stop ? 0.5 : fall / 2 / (fall - (m->ft - m->f));
        a *= part > 0.1 ? part < 0.5 ? part : 0.5 : 0.1;
    }
    return bad;
}

/* a point of a line search: x + a dir, its value, and the slope g.dir there */
typedef struct dsi_line_point { double a, f, slope; } dsi_line_point;

/* Where the cubic with these values and slopes at p and q is least (Nocedal and Wright 2006, eq. 3.59):
     d1 = f'_p + f'_q - 3 (f_q - f_p) / (a_q - a_p),   d2 = sign(a_q - a_p) sqrt(d1^2 - f'_p f'_q)
     a = a_p + part (a_q - a_p),   part = 1 - (f'_q + d2 - d1) / (f'_q - f'_p + 2 d2)
   A tenth of the way from both ends at least, so that the interval shrinks. The middle if the quotient is
   not finite; a negative square, where there is no least point, counts as 0. */
static double dsi_cubic(const dsi_line_point *p, const dsi_line_point *q)
{
    const double width = q->a - p->a, d1 = p->slope + q->slope - dsi_times(3, (q->f - p->f) / width);
    const double square = dsi_times(d1, d1) - dsi_times(p->slope, q->slope);
    const double d2 = square > 0 ? (width < 0 ? -sqrt(square) : sqrt(square)) : 0;
    double part = 1 - (q->slope + d2 - d1) / (q->slope - p->slope + 2 * d2);
    if (!dsi_double_is_finite(part)) part = 0.5;
    part = part > 0.1 ? part < 0.9 ? part : 0.9 : 0.1;
    return p->a + dsi_times(part, width);
}

/* Strong Wolfe conditions, f' the slope along dir at x + a dir:
     f(a) <= f(0) + c1 a f'(0)   and   |f'(a)| <= c2 |f'(0)|
   lo is the best point that fulfils the first; once there is a hi, a point that fulfils both lies between
   them. Before, steps grow by the secant of the slopes, tenfold at most. hi may be on either side of lo.
   The second condition makes s.y > 0, which L-BFGS needs. If the trials run out, lo is good enough if
   there was a hi and lo is not x itself. (Nocedal and Wright 2006, algorithms 3.5, 3.6.) */
static ds_stop dsi_wolfe(dsi_minimiser *m, double a)
{
    const double c2 = dsi_times(m->d.curvature, -m->slope);
    ds_stop bad = DSIM_STOP_UNBOUNDED; /* if there is never a hi */
    dsi_line_point lo, hi, t;
    int bracketed = 0, blind = 0, k; /* blind: no finite value at hi */
    lo.a = 0;
    lo.f = m->f;
    lo.slope = m->slope;
    hi = lo;
    for (k = 0; k < 30; k++) {
        ds_stop stop;
        dsi_trial_point(m, a);
        stop = dsi_value_at(m, m->xt, &m->ft, m->gt);
        if (stop == DSIM_STOP_EVALUATIONS) return stop;
        t.a = a;
        t.f = m->ft;
        t.slope = stop ? 0 : dsi_inner(m->gt, m->dir, m->n);
        /* too high, or no value: hi. Else it is the new lo, and the old one becomes hi where the slope says
           that the least point lies between them */
        if (stop || t.f >= lo.f || t.f > m->f + dsi_times(m->d.armijo, dsi_times(a, m->slope))) {
            bad = stop ? stop : DSIM_STOP_LINE_SEARCH;
            hi = t;
            blind = stop != DSIM_STOP_NOT_YET;
            bracketed = 1;
        } else {
            const dsi_line_point last = lo;
            dsi_keep_trial(m, a);
            if (fabs(t.slope) <= c2) return DSIM_STOP_NOT_YET;
            lo = t;
            if (bracketed ? t.slope * (hi.a - last.a) >= 0 : t.slope >= 0) {
                hi = last;
                blind = 0;
                bracketed = 1;
                bad = DSIM_STOP_LINE_SEARCH;
            }
            /* where the secant of the slopes of lo and trial is zero; tenfold where they do not rise */
            a = t.a - dsi_times(t.slope / (t.slope - last.slope), t.a - last.a);
            if (!(t.slope > last.slope && a < 10 * t.a)) a = 10 * t.a;
        }
        if (!bracketed) continue;
        /* what is left between them changes f by rounding only */
        if (!blind && dsi_times(fabs(hi.a - lo.a), -m->slope) <= dsi_epsilon() * fabs(m->f)) break;
        a = blind ? (lo.a + hi.a) / 2 : dsi_cubic(&lo, &hi);
    }
    return lo.a > 0 && bracketed ? DSIM_STOP_NOT_YET : bad;
}

/* Directions. Each fills dir from pg and returns the first trial of the line search, a multiple of dir: 1
   for the methods of second order, whose full step is right near the solution. s, y, xt, gt and gl may be
   scratch for a direction, as long as it has read s and y: the search and the move that follow set them
   anew. */

/* dir = -pg, and a first step whose length is 1 at most, because f says nothing about its scale yet. Also
   begins anew what methods remember: the pairs of LBFGS, the count of conjugate directions. */
static double dsi_steepest(dsi_minimiser *m)
{
    const double size = dsi_norm(m->pg, m->n, 1);
    size_t i;
    for (i = 0; i < m->n; i++) m->dir[i] = -m->pg[i];
    m->pairs = m->since = 0;
    return size > 1 ? 1 / size : 1;
}

/* twice the last step: backtracking halves it where that is too long */
static double dsi_descent(dsi_minimiser *m)
{
    const double first = dsi_steepest(m);
    return m->r->iterations ? 2 * m->along : first;
}

/* d = -g + beta d, beta = max(0, g.(g - g_old) / g_old.g_old) (Polak and Ribiere). Again from -g after n
   steps, or when gradients that follow each other are far from orthogonal: |g.g_old| >= 0.2 g.g (Powell
   1977). g.g_old is taken as g.g - g.y, so that no old gradient is stored. The first trial changes f as
   much as the last step did, to first order: a g.d = a_last slope_last. */
static double dsi_conjugate(dsi_minimiser *m)
{
    const double gg = dsi_inner(m->pg, m->pg, m->n), gy = dsi_inner(m->pg, m->y, m->n), last = m->slope;
    double beta;
    size_t i;
    if (!m->r->iterations) {
        m->gg = gg;
        return dsi_steepest(m);
    }
    beta = m->since >= m->n || !m->since || fabs(gg - gy) >= 0.2 * gg ? 0 : dsi_greater(0, gy / m->gg);
    if (!(beta > 0)) m->since = 0;
    for (i = 0; i < m->n; i++) m->dir[i] = (ds_real)dsi_times(beta, (double)m->dir[i]) - m->pg[i];
    m->gg = gg;
    return m->along * (last / dsi_inner(m->pg, m->dir, m->n)); /* the same first-order change as last time */
}

/* dir = -H g, H the inverse Hessian that the kept pairs (s, y) imply: the two loops of Nocedal 1980, begun
   with H_0 = s.y / y.y of the newest (Nocedal and Wright 2006, algorithm 7.4, eq. 7.20). With q = -g,
   newest to oldest and back:
     alpha_k = s_k.q / s_k.y_k,   q -= alpha_k y_k;      q *= H_0;      q += (alpha_k - y_k.q / s_k.y_k) s_k
   A pair with s.y <= 1e-10 |s| |y| is not kept: H stays positive definite. S and Y are rings of `history`
   rows, pair k in row k % history; `pairs` counts all that were ever kept, and the oldest is overwritten. */
static double dsi_lbfgs(dsi_minimiser *m)
{
    const size_t n = m->n, h = m->d.history;
    const double sy = m->r->iterations ? dsi_inner(m->s, m->y, n) : 0;
    size_t k, used;
    if (sy > 1e-10 * dsi_norm(m->s, n, 1) * dsi_norm(m->y, n, 1) && (ds_real)sy > 0) {
        memcpy(m->S + m->pairs % h * n, m->s, n * sizeof *m->S);
        memcpy(m->Y + m->pairs % h * n, m->y, n * sizeof *m->Y);
        m->sy[m->pairs++ % h] = (ds_real)sy;
    }
    used = dsi_least(m->pairs, h);
    if (!used) return dsi_steepest(m);
    for (k = 0; k < n; k++) m->dir[k] = -m->pg[k];
    for (k = 1; k <= used; k++) { /* newest to oldest */
        const size_t slot = (m->pairs - k) % h;
        m->alpha[slot] = (ds_real)(dsi_inner(m->S + slot * n, m->dir, n) / (double)m->sy[slot]);
        dsi_add_multiple(m->dir, -m->alpha[slot], m->Y + slot * n, n);
        if (k == used) {
            const size_t newest = (m->pairs - 1) % h;
            const ds_real *const y = m->Y + newest * n;
            const double scale = (double)m->sy[newest] / dsi_inner(y, y, n);
            size_t i;
            for (i = 0; i < n; i++) m->dir[i] = (ds_real)dsi_times(scale, (double)m->dir[i]);
        }
    }
    for (k = used; k > 0; k--) { /* oldest to newest */
        const size_t slot = (m->pairs - k) % h;
        const ds_real beta = (ds_real)(dsi_inner(m->Y + slot * n, m->dir, n) / (double)m->sy[slot]);
        dsi_add_multiple(m->dir, m->alpha[slot] - beta, m->S + slot * n, n);
    }
    return 1;
}

/* Hv = H v among the unknowns that no bound holds; v is zero in the others. Without a callback, forward
   differences of gradients, whose step balances rounding (epsilon / h) against bending (h):
     H v = (g(x + h v) - g(x)) / h,   h = sqrt(epsilon) (1 + max |x_i|) / max |v_i|
   False: there is none, because the callback failed, a number is not finite or no evaluation is left. */
static int dsi_hessian_times(dsi_minimiser *m, const ds_real *v, ds_real *Hv)
{
    const double h = sqrt(dsi_epsilon()) * (1 + dsi_largest(m->x, m->n)) / dsi_largest(v, m->n);
    size_t i;
    m->r->products++;
    if (m->p->hessian) {
        dsi_fill_reals(Hv, dsi_nan(), m->n);
        if (m->p->hessian(m->p->user, m->x, m->n, v, Hv)) return 0;
    } else {
        for (i = 0; i < m->n; i++) m->xt[i] = (ds_real)((double)m->x[i] + dsi_times(h, (double)v[i]));
        if (dsi_value_at(m, m->xt, &m->ft, m->gt)) return 0;
        for (i = 0; i < m->n; i++) Hv[i] = (ds_real)(((double)m->gt[i] - (double)m->g[i]) / h);
    }
    for (i = 0; i < m->n; i++)
        if (dsi_is_held(m, i)) Hv[i] = 0;
    return dsi_all_finite(Hv, m->n);
}

/* Conjugate gradients on H z = -g until |H z + g| <= min(1/2, sqrt |g|) |g|, or until the curvature along
   d is not positive: then z so far, or -g (Nocedal and Wright 2006, algorithm 7.1). The forcing term makes
   early steps cheap and the last ones converge faster than linearly. r = H z + g in s, d in y, H d in gl,
   z in dir. n rounds end it in exact arithmetic, ten more are for rounding. */
static double dsi_newton_cg(dsi_minimiser *m)
{
    ds_real *const z = m->dir, *const r = m->s, *const d = m->y, *const Hd = m->gl;
    const size_t n = m->n;
    const double size = dsi_norm(m->pg, n, 1), part = size < 0.25 ? sqrt(size) : 0.5;
    double rr = dsi_inner(m->pg, m->pg, n), last;
    size_t i, k;
    dsi_fill_reals(z, 0, n);
    memcpy(r, m->pg, n * sizeof *r);
    for (i = 0; i < n; i++) d[i] = -r[i];
    for (k = 0; k < n + 10; k++) {
        const double curvature = dsi_hessian_times(m, d, Hd) ? dsi_inner(d, Hd, n) : 0;
        if (!(curvature > dsi_epsilon() * dsi_inner(d, d, n))) {
            if (k == 0) return dsi_steepest(m);
            break;
        }
        dsi_add_multiple(z, (ds_real)(rr / curvature), d, n);
        dsi_add_multiple(r, (ds_real)(rr / curvature), Hd, n);
        last = rr;
        rr = dsi_inner(r, r, n);
        if (sqrt(rr) <= part * size) break;
        for (i = 0; i < n; i++) d[i] = (ds_real)dsi_times(rr / last, (double)d[i]) - r[i];
    }
    return 1;
}

/* dir makes |J dir + r|^2 + damping |D dir|^2 least: least squares with the rows of J above a diagonal,
     [ J               ]         [ -r ]
     [ sqrt(damping) D ] dir  =  [  0 ]        [m + n][n], or [m][n] without damping
   by QR, because J'J has the square of the condition. Columns of unknowns at their bounds are zero: their
   dir is 0, from the row of D or from the rank. Where D_j is 0 the unknown does nothing, and a 1 keeps the
   rank full. */
static void dsi_solve_damped(dsi_minimiser *m, double damping)
{
    const size_t n = m->n, rows = m->m + (damping > 0 ? n : 0);
    size_t i, j;
    memcpy(m->qr.a, m->J, m->m * n * sizeof *m->J);
    dsi_fill_reals(m->qr.a + m->m * n, 0, (rows - m->m) * n);
    for (i = 0; i < rows; i++) m->b[i] = i < m->m ? -m->res[i] : 0;
    for (j = 0; j < n; j++) {
        for (i = 0; i < m->m && dsi_is_held(m, j); i++) m->qr.a[i * n + j] = 0;
        if (damping > 0)
            m->qr.a[(m->m + j) * n + j] = m->D[j] > 0 ? (ds_real)(sqrt(damping) * (double)m->D[j]) : 1;
    }
    m->qr.m = rows;
    if (!ds_qr_factor(&m->qr, NULL)) ds_qr_solve(&m->qr, m->b, m->dir);
    else dsi_steepest(m); /* the factors overflow */
}

/* dir from J dir = -r in least squares, without damping: the full step; the line search shortens it */
static double dsi_gauss_newton(dsi_minimiser *m)
{
    dsi_solve_damped(m, 0);
    return 1;
}

/* A row of the table of methods: direction NULL is Levenberg-Marquardt, and AUTO, which is never run under
   its name. Expands to
     { "LBFGS", dsi_lbfgs, 1, 0.9, 0 }, */
typedef struct dsi_method_row {
    const char *name;
    double (*direction)(dsi_minimiser *m);
    int wolfe;
    double curvature;
    int residuals;
} dsi_method_row;
static const dsi_method_row dsi_methods[] = {
#define DSI_ROW(NAME, direction, wolfe, curvature, residuals, sentence) \
    { #NAME, direction, wolfe, curvature, residuals },
    DSI_METHODS(DSI_ROW)
#undef DSI_ROW
};

/* The fall that was hoped for, -a g.dir, cannot be seen: it is rounding of f, or f is the square of the
   rounding of its first residuals. Then a search that finds nothing has arrived, and is no failure. */
static int dsi_is_rounding(const dsi_minimiser *m, double hope)
{
    const double epsilon = dsi_epsilon();
    if (m->squares && m->f <= epsilon * epsilon * m->r->value_first) return 1;
    return hope <= 100 * epsilon * fabs(m->f);
}

/* One direction and the search along it; if nothing lower is there, the steepest, once. slope = pg.dir,
   which the clipped direction must have negative. Bounds are searched by Armijo's rule, because the value
   along a clipped path has kinks. Whatever the search says, its best trial is kept: x never gets worse. */
static ds_stop dsi_step_line(dsi_minimiser *m)
{
    const dsi_method_row *const row = &dsi_methods[m->r->method];
    double first = row->direction(m), hope = 0;
    int steepest = 0;
    size_t i;
    for (;; steepest = 1) {
        ds_stop stop = DSIM_STOP_LINE_SEARCH;
        if (steepest) first = dsi_steepest(m);
        for (i = 0; i < m->n; i++)
            if (dsi_is_held(m, i)) m->dir[i] = 0;
        m->slope = dsi_inner(m->pg, m->dir, m->n);
        m->along = 0;
        if (m->slope < 0 && dsi_double_is_finite(m->slope)) {
            if (!(hope > 0) || -m->slope * first < hope) hope = -m->slope * first;
            stop = row->wolfe && !m->p->lower && !m->p->upper ? dsi_wolfe(m, first) : dsi_armijo(m, first);
        }
        if (m->along > 0) dsi_accept_best(m); /* the best there was, also if the search was cut short */
        if (m->along > 0 || stop == DSIM_STOP_EVALUATIONS) return stop;
        if (steepest && stop == DSIM_STOP_LINE_SEARCH && dsi_is_rounding(m, hope)) return DSIM_STOP_VALUE;
        if (steepest) return stop;
    }
}

/* how much the linearised residuals promise for the step s = xt - x in the box: -(g.s + |J s|^2 / 2),
   summed by residuals, as g.s = r.(J s). Leaves s in m->s. Negative where clipping has spoilt the step */
static double dsi_promised_fall(const dsi_minimiser *m)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < m->n; i++) m->s[i] = m->xt[i] - m->x[i];
    for (i = 0; i < m->m; i++) {
        const double Js = dsi_inner(m->J + i * m->n, m->s, m->n);
        sum -= dsi_times(Js, (double)m->res[i]) + dsi_times(Js, Js) / 2;
    }
    return sum;
}

/* Damped steps until one is good: gain = real fall of f / promised fall > 1e-4. Damping follows it
   smoothly,
     good:    damping *= max(1/3, 1 - (2 gain - 1)^3),   nu = 2
     failed:  damping *= nu,   nu *= 2
   so that failures in a row are left quickly (Nielsen 1999). A trial is evaluated without its Jacobian
   first: a failed one costs less, and J stays that of x, which the next trial needs. Only if the Jacobian
   of a good trial is bad, J at x is evaluated again. */
static ds_stop dsi_step_damped(dsi_minimiser *m)
{
    ds_minimise_report *const r = m->r;
    ds_stop stop = DSIM_STOP_NOT_YET;
    double gain = 0, moved;
    for (;; r->damping *= m->nu, m->nu *= 2) {
        double promise;
        dsi_solve_damped(m, r->damping);
        if (!dsi_trial_point(m, 1)) return stop ? stop : DSIM_STOP_STEP;
        if (!(r->damping < 1e30)) return stop ? stop : DSIM_STOP_LINE_SEARCH;
        promise = dsi_promised_fall(m);
        if (promise >= 0 && promise <= m->d.value_tolerance * m->f) return stop ? stop : DSIM_STOP_VALUE;
        stop = dsi_value_at(m, m->xt, &m->ft, NULL);
        if (stop == DSIM_STOP_EVALUATIONS) return stop;
        if (!stop) gain = (m->f - m->ft) / promise;
        if (stop || !(promise > 0 && gain > 1e-4)) continue;
        stop = dsi_value_at(m, m->xt, &m->ft, m->gt);
        if (!stop) break;
        if (stop == DSIM_STOP_EVALUATIONS) return stop;
        if (dsi_value_at(m, m->x, &m->f, m->g)) return stop; /* J at x again */
    }
    moved = 2 * gain - 1;
    r->damping *= dsi_greater(1.0 / 3, 1 - dsi_times(moved, dsi_times(moved, moved)));
    m->nu = 2;
    dsi_keep_trial(m, 1);
    dsi_accept_best(m);
    return DSIM_STOP_NOT_YET;
}

/* Fills the defaults in, a 0 of the desc meaning "the default"; false: problem or desc are bad. Called by
   ds_minimise, ds_minimise_bytes and ds_covariance, so that the second counts what the first takes. m->m
   decides where f comes from: 0 the objective, else so many residuals; those are used by least squares,
   and by any method if there is no objective. */
static int dsi_minimise_understand(dsi_minimiser *m, const ds_problem *p, const ds_minimise_desc *desc)
{
    ds_minimise_desc *const d = &m->d;
    const double e = dsi_epsilon();
    double numbers[6];
    size_t i;
    if (desc) *d = *desc;
    if (!p || !p->n || p->n > INT32_MAX || (!p->objective && !(p->residuals && p->n_residuals))) return 0;
    if ((unsigned)d->method >= DSIM_METHOD_COUNT) return 0;
    m->p = p;
    m->n = p->n;
    if (!d->method)
        d->method = p->residuals && p->n_residuals ? DSIM_METHOD_LEVENBERG_MARQUARDT : DSIM_METHOD_LBFGS;
    m->r->method = d->method;
    m->squares = dsi_methods[d->method].residuals;
    m->m = p->objective && !m->squares ? 0 : p->n_residuals;
    if (m->squares && !(p->residuals && p->n_residuals)) return 0;
    if (!d->max_iterations) d->max_iterations = 1000;
    if (!d->max_evaluations) d->max_evaluations = 10 * dsi_least(d->max_iterations, (size_t)-1 / 10);
    if (!d->history) d->history = 8;
    if (d->gradient_tolerance == 0)
        d->gradient_tolerance = m->squares ? sqrt(e) * sqrt(sqrt(e)) : sqrt(e);
    numbers[0] = d->gradient_tolerance;
    numbers[1] = d->value_tolerance = d->value_tolerance != 0 ? d->value_tolerance : e;
    numbers[2] = d->step_tolerance = d->step_tolerance != 0 ? d->step_tolerance : e;
    numbers[3] = d->armijo = d->armijo != 0 ? d->armijo : 1e-4;
    numbers[4] = d->curvature != 0 ? d->curvature : dsi_methods[d->method].curvature;
    d->curvature = numbers[4];
    numbers[5] = m->r->damping = d->damping = d->damping != 0 ? d->damping : 1e-3;
    for (i = 0; i < 6; i++)
        if (!(numbers[i] >= 0 && dsi_double_is_finite(numbers[i]))) return 0;
    for (i = 0; i < p->n && (p->lower || p->upper); i++) {
        /* with one bound only it is compared with itself: false for NaN */
        const ds_real low = p->lower ? p->lower[i] : p->upper[i], high = p->upper ? p->upper[i] : low;
        if (!(low <= high)) return 0; /* nor NaN */
    }
    /* c1 < c2 < 1, or no step may fulfil both Wolfe conditions */
    return d->armijo < 1 && d->curvature < 1 && (d->curvature > d->armijo || !dsi_methods[d->method].wolfe);
}

/* The scratch of a run, counted first, then taken and laid out; NULL stays in *own when it is the
   caller's. Cleared, because D begins at 0 and no method may depend on what was there. */
static ds_stop dsi_minimise_room(dsi_minimiser *m, void **own, size_t *bytes)
{
    dsi_scratch room;
    memset(&room, 0, sizeof room);
    dsi_lay_out(m, &room);
    *bytes = room.used;
    if (room.result) return DSIM_STOP_MEMORY;
    room.used = 0;
    room.base = (char *)m->d.memory;
    m->d.allocator = dsi_allocator(&m->d.allocator);
    if (!room.base) room.base = (char *)(*own = m->d.allocator.resize(m->d.allocator.user, NULL, 0, *bytes));
    else if (m->d.memory_bytes < *bytes) return DSIM_STOP_MEMORY;
    if (!room.base) return DSIM_STOP_MEMORY;
    memset(room.base, 0, *bytes);
    dsi_lay_out(m, &room);
    return DSIM_STOP_NOT_YET;
}

/* the first value; x outside its bounds is moved to them. dsi_value_at leaves residuals in rt, those of x
   belong in res */
static ds_stop dsi_minimise_start(dsi_minimiser *m, ds_real *x)
{
    ds_stop stop;
    size_t i;
    m->x = x;
    m->nu = 2;
    m->r->index = dsi_first_non_finite(x, m->n);
    if (m->r->index < m->n) return DSIM_STOP_NON_FINITE;
    for (i = 0; i < m->n; i++) x[i] = dsi_into_box(m->p, i, x[i]);
    stop = dsi_value_at(m, x, &m->f, m->g);
    if (stop) return stop;
    m->r->value_first = m->f;
    dsi_exchange_vectors(&m->res, &m->rt);
    dsi_new_point(m);
    return DSIM_STOP_NOT_YET;
}

/* iterations until there is a reason to stop: those of the last point first, then those of the last step.
   The gradient is looked at before the count of iterations, so that a start at the solution is no failure */
static ds_stop dsi_minimise_loop(dsi_minimiser *m)
{
    ds_minimise_report *const r = m->r;
    const double scale = m->squares ? 0 : 1; /* a cosine has no unit */
    for (;;) {
        const double before = m->f;
        const size_t done = r->iterations;
        ds_stop stop;
        if (r->gradient <= m->d.gradient_tolerance * (1 + scale * fabs(m->f))) return DSIM_STOP_GRADIENT;
        if (done >= m->d.max_iterations) return DSIM_STOP_ITERATIONS;
        stop = dsi_methods[r->method].direction ? dsi_step_line(m) : dsi_step_damped(m);
        if (r->iterations > done && m->d.watch && m->d.watch(m->p->user, m->x, m->n, r) && !stop)
            return DSIM_STOP_WATCH;
        if (stop) return stop;
        if (before - m->f <= m->d.value_tolerance * fabs(before)) return DSIM_STOP_VALUE;
        if (m->still) return DSIM_STOP_STEP;
    }
}

/* name and sentence of a stop, its result below: { "GRADIENT", "the gradient is ..." }, DSIM_OK */
static const char *const dsi_stops[][2] = {
#define DSI_ROW(NAME, result, sentence) { #NAME, sentence },
    DSI_STOPS(DSI_ROW)
#undef DSI_ROW
};
static const ds_result dsi_stop_results[] = {
#define DSI_ROW(NAME, result, sentence) DSIM_##result,
    DSI_STOPS(DSI_ROW)
#undef DSI_ROW
};

DIFFSIM_API const char *ds_method_name(ds_method method)
{
    return (unsigned)method < DSIM_METHOD_COUNT ? dsi_methods[method].name : "unknown method";
}

DIFFSIM_API const char *ds_stop_name(ds_stop stop)
{
    return (unsigned)stop < DSIM_STOP_COUNT ? dsi_stops[stop][0] : "unknown stop";
}

/* the report's end: reason, result, sentence. A callback's own error is the result if it gave one */
static ds_result dsi_stops_with(dsi_minimiser *m, ds_stop stop)
{
    ds_minimise_report *const r = m->r;
    dsi_text t = dsi_text_into(r->text, sizeof r->text);
    r->stop = stop;
    r->result = stop == DSIM_STOP_CALLBACK && m->failure ? m->failure : dsi_stop_results[stop];
    dsi_put(&t, ds_method_name(r->method));
    dsi_put(&t, ", iteration ");
    dsi_put_size(&t, r->iterations);
    dsi_put(&t, ", value ");
    dsi_put_real(&t, r->value);
    dsi_put(&t, ": ");
    dsi_put(&t, dsi_stops[stop][1]);
    if (stop != DSIM_STOP_NON_FINITE) {
        r->index = 0;
    } else {
        dsi_put(&t, r->index < m->n ? ", entry " : ", the value, n = ");
        dsi_put_size(&t, r->index);
    }
    return r->result;
}

/* the count of dsi_lay_out without a base; alignment is not in it */
DIFFSIM_API size_t ds_minimise_bytes(const ds_problem *problem, const ds_minimise_desc *desc)
{
    ds_minimise_report report;
    dsi_minimiser m;
    dsi_scratch room;
    memset(&m, 0, sizeof m);
    memset(&report, 0, sizeof report);
    memset(&room, 0, sizeof room);
    m.r = &report;
    if (!dsi_minimise_understand(&m, problem, desc)) return 0;
    dsi_lay_out(&m, &room);
    return room.result ? 0 : room.used;
}

DIFFSIM_API ds_result ds_minimise(const ds_problem *problem, const ds_minimise_desc *desc, ds_real *x,
                                  ds_minimise_report *report)
{
    ds_minimise_report other;
    dsi_minimiser m;
    void *own = NULL;
    size_t bytes = 0;
    ds_stop stop;
    DIFFSIM_ASSERT(problem && x);
    memset(&m, 0, sizeof m);
    m.r = report ? report : &other;
    memset(m.r, 0, sizeof *m.r);
    stop = dsi_minimise_understand(&m, problem, desc) && x ? DSIM_STOP_NOT_YET : DSIM_STOP_ARGUMENT;
    if (!stop) stop = dsi_minimise_room(&m, &own, &bytes);
    if (!stop) stop = dsi_minimise_start(&m, x);
    if (!stop) stop = dsi_minimise_loop(&m);
    if (own) m.d.allocator.resize(m.d.allocator.user, own, bytes, 0);
    return dsi_stops_with(&m, stop);
}

DIFFSIM_API ds_result ds_covariance(const ds_problem *problem, const ds_minimise_desc *desc, const ds_real *x,
                                    ds_real *c)
{
    ds_minimise_report report;
    ds_minimise_desc d;
    dsi_minimiser m;
    void *own = NULL;
    size_t bytes = 0, i;
    ds_result result = DSIM_ERROR_ARGUMENT;
    ds_stop stop;
    DIFFSIM_ASSERT(problem && x && c);
    memset(&d, 0, sizeof d);
    if (desc) d = *desc;
    d.method = DSIM_METHOD_LEVENBERG_MARQUARDT;
    memset(&m, 0, sizeof m);
    memset(&report, 0, sizeof report);
    m.r = &report;
    if (!dsi_minimise_understand(&m, problem, &d) || !x || !c || m.m <= m.n) return DSIM_ERROR_ARGUMENT;
    stop = dsi_minimise_room(&m, &own, &bytes);
    if (!stop) {
        /* x is the caller's and const: evaluated at a copy */
        memcpy(m.xt, x, m.n * sizeof *x);
        stop = dsi_value_at(&m, m.xt, &m.f, m.g);
    }
    result = stop == DSIM_STOP_CALLBACK ? m.failure : dsi_stop_results[stop];
    if (!stop) {
        memcpy(m.qr.a, m.J, m.m * m.n * sizeof *m.J);
        m.qr.m = m.m;
        result = ds_qr_factor(&m.qr, NULL);
        if (!result) result = ds_qr_covariance(&m.qr, c);
    }
    /* f = |r|^2 / 2: 2 f / (m - n) is the estimated variance of a residual */
    for (i = 0; !result && i < m.n * m.n; i++) c[i] *= (ds_real)(2 * m.f / (double)(m.m - m.n));
    if (own) m.d.allocator.resize(m.d.allocator.user, own, bytes, 0);
    return result;
}

/* >>impl 5 ops ------------------------------------------------------------------------------------ */

/* What the interpreters in C know of a row at run time: terms for polynomials, kinds and widths for walking,
   dsi_evaluate for values, dsi_curve for second derivatives. All are expansions of the table; section 6 calls
   them by operation code.

   The shape column is pasted to a prefix, not passed: DSI_LIST_##shape with the shape DSI_TERMS(DSI_U(0,
   +, a, 0)) is DSI_LIST_DSI_TERMS(DSI_U(0, +, a, 0)), with DSI_FLAT it is DSI_LIST_DSI_FLAT. So one column
   chooses among macros with and without arguments. sign is a bare + or -, so `sign 1` is +1 or -1. */
/* a term of a polynomial: the result's number `out` gains sign x[i] y[j], x and y operands 0, 1, 2; or sign
   x[i]. A list of terms ends with sign 0. */
typedef struct dsi_term { signed char sign; unsigned char single, out, x, i, y, j; } dsi_term;
enum { DSI_INDEX_a, DSI_INDEX_b, DSI_INDEX_c };
#define DSI_T(out, sign, x, i, y, j) { sign 1, 0, out, DSI_INDEX_##x, i, DSI_INDEX_##y, j },
#define DSI_U(out, sign, x, i) { sign 1, 1, out, DSI_INDEX_##x, i, DSI_INDEX_##x, i },
#define DSI_LIST_DSI_TERMS(...) { __VA_ARGS__ { 0, 0, 0, 0, 0, 0, 0 } }
#define DSI_LIST_DSI_FLAT { { 0, 0, 0, 0, 0, 0, 0 } }
#define DSI_LIST_DSI_CURVED DSI_LIST_DSI_FLAT
/* static const dsi_term dsi_terms_mul[] = { { +1, 0, 0, 0, 0, 1, 0 }, { 0, 0, 0, 0, 0, 0, 0 } };
   The last row of zeros ends the list; flat and curved rows have nothing else, which no one reads as a
   polynomial: the shape is asked first. */
#define DSI_EACH_1(name, R, A, da, shape) static const dsi_term dsi_terms_##name[] = DSI_LIST_##shape;
#define DSI_EACH_2(name, R, A, B, da, db, shape) DSI_EACH_1(name, R, A, da, shape)
#define DSI_EACH_3(name, R, A, B, C, da, db, dc, shape) DSI_EACH_1(name, R, A, da, shape)
DSI_EVERY_DERIVATIVE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_T
#undef DSI_U

/* what the interpreters need to know of an operation besides its columns */
enum { DSI_SHAPE_NONE, DSI_SHAPE_POLYNOMIAL, DSI_SHAPE_FLAT, DSI_SHAPE_CURVED };
typedef struct dsi_op_info {
    const char *name;
    unsigned char operands, width; /* of the result; 0 for operations with a list */
    unsigned char kind[3]; /* DSI_OPERAND_r1 ... */
    unsigned char shape;
    const dsi_term *terms;
} dsi_op_info;

#define DSI_SHAPE_DSI_TERMS(...) DSI_SHAPE_POLYNOMIAL
#define DSI_SHAPE_DSI_FLAT DSI_SHAPE_FLAT
#define DSI_SHAPE_DSI_CURVED DSI_SHAPE_CURVED
/* The table at operation code `op`: the same order as the enum of codes. The last rows stand for the
   lists, the blocks and DSI_OP_leaves (called input), _epoch (rewind), _branch and _custom. */
static const dsi_op_info dsi_ops[] = {
#define DSI_EACH_1(name, R, A, da, shape) \
    { #name, 1, DSI_WIDTH(R), { DSI_OPERAND_##A, 0, 0 }, DSI_SHAPE_##shape, dsi_terms_##name },
#define DSI_EACH_2(name, R, A, B, da, db, shape) \
    { #name, 2, DSI_WIDTH(R), { DSI_OPERAND_##A, DSI_OPERAND_##B, 0 }, DSI_SHAPE_##shape, dsi_terms_##name },
#define DSI_EACH_3(name, R, A, B, C, da, db, dc, shape) \
    { #name, 3, DSI_WIDTH(R), { DSI_OPERAND_##A, DSI_OPERAND_##B, DSI_OPERAND_##C }, DSI_SHAPE_##shape, \
      dsi_terms_##name },
    DSI_EVERY_DERIVATIVE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#define DSI_ROW(name) { #name, 0, 0, { 0, 0, 0 }, DSI_SHAPE_NONE, NULL },
    DSI_LIST_OPS(DSI_ROW)
    DSI_ROW(input) DSI_ROW(rewind) DSI_ROW(branch) DSI_ROW(custom)
#undef DSI_ROW
};

/* widths of kinds */
static const unsigned char dsi_widths[] = { 0, 1, 3, 4, 9 };

/* of 3 bits: the number of constants that a node holds */
static unsigned dsi_bit_count3(unsigned bits) { return (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1); }

/* value of any row: the operands' numbers in, the result's numbers out. op: any row. pa, pb, pc: those
   that the row has, of the widths of its kinds; out [width]. The sums are those of the inlined functions,
   so a record by the long way and a replay have their bits. */
static void dsi_evaluate(unsigned op, const ds_real *pa, const ds_real *pb, const ds_real *pc, ds_real *out)
{
    switch (op) {
/* case DSI_OP_sin: dsi_store_r1(out, dsi_sin(dsi_load_r1(pa))); break; */
#define DSI_EACH_1(name, R, A) \
    case DSI_OP_##name: dsi_store_##R(out, dsi_##name(dsi_load_##A(pa))); break;
#define DSI_EACH_2(name, R, A, B) \
    case DSI_OP_##name: dsi_store_##R(out, dsi_##name(dsi_load_##A(pa), dsi_load_##B(pb))); break;
#define DSI_EACH_3(name, R, A, B, C) \
    case DSI_OP_##name: \
        dsi_store_##R(out, dsi_##name(dsi_load_##A(pa), dsi_load_##B(pb), dsi_load_##C(pc))); \
        break;
        DSI_EVERY_SIGNATURE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
    default: break;
    }
}

/* Dual numbers: a number and how it moves; vectors of them for the vector rows. Derivative columns read as
   dual numbers give second derivatives. The functions come from the table: of a scalar row from its
   derivative columns, which are linear in g, so that g = the operand's tangent gives what the result's
   tangent gains; of a vector row from its value. */
typedef struct dsi_dual_r1 { ds_real v, d; } dsi_dual_r1;
typedef struct dsi_dual_r3 { dsi_dual_r1 x, y, z; } dsi_dual_r3;
typedef struct dsi_dual_r4 { dsi_dual_r1 w, x, y, z; } dsi_dual_r4;
typedef struct dsi_dual_r9 { dsi_dual_r1 m[9]; } dsi_dual_r9;

/* (v, d): the number v, which moves by d. Rows that no column calls leave their function unused, hence
   DSI_UNUSED. */
static DSI_UNUSED dsi_dual_r1 dsi_dual(ds_real v, ds_real d)
{
    dsi_dual_r1 r;
    r.v = v;
    r.d = d;
    return r;
}
static DSI_UNUSED dsi_dual_r1 dsi_dual_make_r1(dsi_dual_r1 x) { return x; }
static DSI_UNUSED dsi_dual_r3 dsi_dual_make_r3(dsi_dual_r1 x, dsi_dual_r1 y, dsi_dual_r1 z)
{
    dsi_dual_r3 r;
    r.x = x;
    r.y = y;
    r.z = z;
    return r;
}
static DSI_UNUSED dsi_dual_r4 dsi_dual_make_r4(dsi_dual_r1 w, dsi_dual_r1 x, dsi_dual_r1 y, dsi_dual_r1 z)
{
    dsi_dual_r4 r;
    r.w = w;
    r.x = x;
    r.y = y;
    r.z = z;
    return r;
}
static DSI_UNUSED dsi_dual_r9 dsi_dual_make_r9(dsi_dual_r1 m0, dsi_dual_r1 m1, dsi_dual_r1 m2, dsi_dual_r1 m3,
                                        dsi_dual_r1 m4, dsi_dual_r1 m5, dsi_dual_r1 m6, dsi_dual_r1 m7,
                                        dsi_dual_r1 m8)
{
    const dsi_dual_r9 r = { { m0, m1, m2, m3, m4, m5, m6, m7, m8 } };
    return r;
}

/* dsi_dual_r1 dsi_dual_sin(dsi_dual_r1 p) { a = p.v; v = sin(a); d = cos(a) g with g = p.d; (v, d) }. An
   operand that does not move gains nothing, whatever its partial derivative. What has no derivative is
   piecewise constant. What DSI_MOVE is for: chain rule d = sum over operands of (dv/da) a', where the
   column says (dv/da) g with g = a'. For pow with a constant exponent only da is evaluated, so log of a
   negative a is not asked for. (void)g: the column DSI_ZERO does not read it. */
#define DSI_NONE DSI_K(0.0)
/* g: the operand's tangent, which no column sees if it is 0 */
#define DSI_MOVE(t, column) \
    if ((t) != 0) { \
        const ds_real g = (t); \
        (void)g; \
        d += column; \
    }
/* la, ha and so on are test intervals, of no use here */
#define DSI_EACH_1(name, value, da, shape, la, ha) \
    DSI_APART DSI_UNUSED dsi_dual_r1 dsi_dual_##name(dsi_dual_r1 p) \
    { \
        const ds_real a = p.v, v = dsi_##name(a); \
        ds_real d = 0; \
        DSI_MOVE(p.d, da) \
        return dsi_dual(v, d); \
    }
#define DSI_EACH_2(name, value, da, db, shape, la, ha, lb, hb) \
    DSI_APART DSI_UNUSED dsi_dual_r1 dsi_dual_##name(dsi_dual_r1 p, dsi_dual_r1 q) \
    { \
        const ds_real a = p.v, b = q.v, v = dsi_##name(a, b); \
        ds_real d = 0; \
        DSI_MOVE(p.d, da) \
        DSI_MOVE(q.d, db) \
        return dsi_dual(v, d); \
    }
#define DSI_EACH_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    DSI_APART DSI_UNUSED dsi_dual_r1 dsi_dual_##name(dsi_dual_r1 p, dsi_dual_r1 q, dsi_dual_r1 s) \
    { \
        const ds_real a = p.v, b = q.v, c = s.v, v = dsi_##name(a, b, c); \
        ds_real d = 0; \
        DSI_MOVE(p.d, da) \
        DSI_MOVE(q.d, db) \
        DSI_MOVE(s.d, dc) \
        return dsi_dual(v, d); \
    }
DSI_OPS_1(DSI_EACH_1)
DSI_OPS_2(DSI_EACH_2)
DSI_OPS_3(DSI_EACH_3)
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_MOVE
#undef DSI_NONE

/* the interpreter of dual numbers; plain numbers again at the end of this section. A vector row's dual
   number is its tuple of scalar calls, read with dual numbers: dot3 is three dsi_dual_mul and two
   dsi_dual_add. */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#define DSI_1(name, x) dsi_dual_##name(x)
#define DSI_2(name, x, y) dsi_dual_##name(x, y)
#define DSI_3(name, x, y, z) dsi_dual_##name(x, y, z)
#define DSI_K(number) dsi_dual((ds_real)(number), 0)
#define DSI_EACH_1(name, R, A, value, da, shape) \
    static DSI_UNUSED dsi_dual_##R dsi_dual_##name(dsi_dual_##A a) { return dsi_dual_make_##R value; }
#define DSI_EACH_2(name, R, A, B, value, da, db, shape) \
    static DSI_UNUSED dsi_dual_##R dsi_dual_##name(dsi_dual_##A a, dsi_dual_##B b) \
    { \
        return dsi_dual_make_##R value; \
    }
#define DSI_EACH_3(name, R, A, B, C, value, da, db, dc, shape) \
    static DSI_UNUSED dsi_dual_##R dsi_dual_##name(dsi_dual_##A a, dsi_dual_##B b, dsi_dual_##C c) \
    { \
        return dsi_dual_make_##R value; \
    }
DSI_VOPS_1(DSI_EACH_1)
DSI_VOPS_2(DSI_EACH_2)
DSI_VOPS_3(DSI_EACH_3)
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* in memory: numbers x and how they move, dx. What is stored is the motion alone. */
static DSI_UNUSED dsi_dual_r1 dsi_dual_load_r1(const ds_real *x, const ds_real *dx)
{
    return dsi_dual(x[0], dx[0]);
}
static DSI_UNUSED dsi_dual_r3 dsi_dual_load_r3(const ds_real *x, const ds_real *dx)
{
    return dsi_dual_make_r3(dsi_dual(x[0], dx[0]), dsi_dual(x[1], dx[1]), dsi_dual(x[2], dx[2]));
}
static DSI_UNUSED dsi_dual_r4 dsi_dual_load_r4(const ds_real *x, const ds_real *dx)
{
    return dsi_dual_make_r4(dsi_dual(x[0], dx[0]), dsi_dual(x[1], dx[1]), dsi_dual(x[2], dx[2]),
                            dsi_dual(x[3], dx[3]));
}
static DSI_UNUSED dsi_dual_r9 dsi_dual_load_r9(const ds_real *x, const ds_real *dx)
{
    dsi_dual_r9 r;
    int i;
    for (i = 0; i < 9; i++) r.m[i] = dsi_dual(x[i], dx[i]);
    return r;
}
static void dsi_dual_store_r1(ds_real *d, dsi_dual_r1 x) { d[0] = x.d; }
static void dsi_dual_store_r3(ds_real *d, dsi_dual_r3 x)
{
    d[0] = x.x.d;
    d[1] = x.y.d;
    d[2] = x.z.d;
}
static void dsi_dual_store_r4(ds_real *d, dsi_dual_r4 x)
{
    d[0] = x.w.d;
    d[1] = x.x.d;
    d[2] = x.y.d;
    d[3] = x.z.d;
}
static void dsi_dual_store_r9(ds_real *d, dsi_dual_r9 x)
{
    int i;
    for (i = 0; i < 9; i++) d[i] = x.m[i].d;
}

/* How what the operands of a curved row gain moves, with them. x: the operands' numbers, one after the other,
   dx: how they move; v, dv: the value; g: its adjoint, which stands still. With G_i(x) = sum over o of g[o]
   dv[o]/dx[i], which is what the derivative columns say,
       gain[i] = sum over j of (d G_i / d x[j]) dx[j],
   so unit vectors dx give the columns of the curvature. Flat rows and polynomials have no case: the shape
   chooses DSI_KEEP or DSI_DROP for what stands in parentheses behind it,
       DSI_WHEN_DSI_CURVED (case ... break;)   gives   case ... break;
       DSI_WHEN_DSI_FLAT (case ... break;)     gives   nothing */
#define DSI_KEEP(...) __VA_ARGS__
#define DSI_DROP(...)
#define DSI_WHEN_DSI_CURVED DSI_KEEP
#define DSI_WHEN_DSI_FLAT DSI_DROP
#define DSI_WHEN_DSI_TERMS(...) DSI_DROP
/* DSI_CASE opens a case with v, g and a, DSI_OPERAND adds b or c, `before` numbers behind the start of x:
   names as in the columns, dual numbers all. (void): not every column reads each. */
#define DSI_CASE(name, R, A) \
    case DSI_OP_##name: { \
        const dsi_dual_##R v = dsi_dual_load_##R(pv, dv), g = dsi_dual_load_##R(pg, still); \
        const dsi_dual_##A a = dsi_dual_load_##A(x, dx); \
        (void)v; \
        (void)a;
#define DSI_OPERAND(B, b, before) \
        const dsi_dual_##B b = dsi_dual_load_##B(x + (before), dx + (before)); \
        (void)b;
#define DSI_EACH_1(name, R, A, da, shape) \
    DSI_WHEN_##shape (DSI_CASE(name, R, A) \
        dsi_dual_store_##A(gain, da); \
    } break;)
#define DSI_EACH_2(name, R, A, B, da, db, shape) \
    DSI_WHEN_##shape (DSI_CASE(name, R, A) \
        DSI_OPERAND(B, b, DSI_WIDTH(A)) \
        dsi_dual_store_##A(gain, da); \
        dsi_dual_store_##B(gain + DSI_WIDTH(A), db); \
    } break;)
#define DSI_EACH_3(name, R, A, B, C, da, db, dc, shape) \
    DSI_WHEN_##shape (DSI_CASE(name, R, A) \
        DSI_OPERAND(B, b, DSI_WIDTH(A)) \
        DSI_OPERAND(C, c, DSI_WIDTH(A) + DSI_WIDTH(B)) \
        dsi_dual_store_##A(gain, da); \
        dsi_dual_store_##B(gain + DSI_WIDTH(A), db); \
        dsi_dual_store_##C(gain + DSI_WIDTH(A) + DSI_WIDTH(B), dc); \
    } break;)
#define DSI_NONE DSI_K(0.0)
/* op: a curved row; x, dx, gain [n_in], pv, dv, pg [n_out]; gain is written for curved rows only. */
static void dsi_curve(unsigned op, const ds_real *x, const ds_real *dx, const ds_real *pv, const ds_real *dv,
                      const ds_real *pg, ds_real *gain)
{
    static const ds_real still[9] = { 0 };
    switch (op) {
    DSI_EVERY_DERIVATIVE
    default: break;
    }
}
#undef DSI_NONE
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_CASE
#undef DSI_WHEN_DSI_CURVED
#undef DSI_WHEN_DSI_FLAT
#undef DSI_WHEN_DSI_TERMS
#undef DSI_OPERAND
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#define DSI_1(name, x) dsi_##name(x)
#define DSI_2(name, x, y) dsi_##name(x, y)
#define DSI_3(name, x, y, z) dsi_##name(x, y, z)
#define DSI_K(number) ((ds_real)(number))

/* >>impl 6 tape -----------------------------------------------------------------------------------

   Walking. Nodes are read from the newest to the oldest, with `top` the number of values before which
   everything is still to be walked: a node's result is the last of its slots, its constants stand before
   it. List nodes are preceded by data nodes that hold the slots of their operands.

   Epochs. A handle is good if the segment of the tape that holds its slot was recorded in its epoch. Reset
   begins a new epoch; so does a rewind, which leaves a node `epoch` (a: first slot, b: the epoch, c: the
   previous such node + 1) where the new segment begins. Handles of the current epoch take the short way;
   older ones are looked up in that chain.

   A list node {op, n, held, flags} has `held` constants before its result, the weights last. The data node
   before it says where its lists begin {a, b, -, -}; before that stand the slots of list a, then of list
   b, four to a data node, unless they follow each other. The data node of an affine map holds its two
   sizes. A custom node has copies of its inputs before its outputs, so that both are contiguous; before it
   stand a data node {type, user}, one {body, -} and its operands' slots, that of the copy for constants. */

/* Example: x = input 2, y = input 3, p = x y, s = sin p, f = s * 5 with the constant 5.

       node                      slots of values       walking back, top before and after
       0  {leaves, 2, 0, 0}      0: 2   1: 3           2 -> 0
       1  {mul, 0, 1, -}         2: 6                  3 -> 2
       2  {sin, 2, -, -}         3: sin 6              4 -> 3
       3  {mul with 2, 3, 4, -}  4: 5   5: 5 sin 6     6 -> 4

   The 2 in `mul with 2` says that operand b is a constant of the node's own. Adjoints have the same slots. */
typedef struct dsi_place { const char *file; int line; } dsi_place;

/* Groups of this section, in their order: refusals; growth of the arrays; life, epochs and marks; how lists
   and custom nodes lie in memory; walking; recording the long way, lists, blocks; reverse, with the calls of
   custom nodes; forward, that is tangents and Hessians; explanations; replay; recording of custom nodes and
   checkpoints; reading.

   Who writes what: recording functions nodes and values, ds_set_input and ds_replay values, ds_backward
   adjoints, ds_forward and second derivatives motion, dsi_find_steps the order. What changes the record
   takes back n_gradients and n_tangents as far as they no longer hold, sweeps set them again, and reading
   goes by them. */
/* The nodes in the order of recording with the slots of their results, for sweeps forward. Found by
   walking back when first needed, good as long as nothing is recorded. The array is filled from its end,
   as the walk goes, and data nodes and rewinds take no step; hence `first`. */
typedef struct dsi_step { uint32_t node, result; } dsi_step;
typedef struct dsi_steps {
    dsi_step *all;
    size_t n, first, capacity; /* the order is all[first] .. all[n - 1] */
    size_t others; /* blocks and custom nodes among them */
    size_t n_nodes, n_values; /* of the tape when it was found */
    uint64_t epoch;
} dsi_steps;

struct ds_tape {
    ds_recorder rec; /* first: a ds_recorder of a tape is the tape */
    ds_real *adjoints;
    size_t cap_nodes, cap_places, cap_values, cap_adjoints; /* the last with the gap before them */
    size_t n_gradients; /* slots below have an adjoint from the last sweep; 0: none */
    size_t no_merge; /* leaves may join the node before only above this one */
    uint32_t first_epoch, next_epoch; /* of the tape's beginning; the next to be used */
    uint32_t last_epoch_node; /* newest node `epoch` + 1, or 0 */
    int fixed; /* in the caller's memory */
    int careful; /* sweeps look at each adjoint: one ended badly without */
    void *symbolic; /* the kernel whose body is recorded: there are no values */
    int torn; /* inputs are set, values not computed from them: nothing is read or saved until they are */
    dsi_place *places; /* debug: where each node was recorded */
    dsi_steps steps; /* the order forward */
    ds_real *motion; /* [2][n_values][directions]: tangents, then those of the adjoints */
    size_t cap_motion;
    size_t n_tangents; /* slots below have a tangent from the last ds_forward; 0: none */
    uint64_t gradient_of; /* the handle of the f of the last ds_backward */
    size_t n_read; /* nodes + 1 when a value was first read; 0: none was */
    dsi_place read_at; /* debug: where */
    ds_tape *child; /* for checkpoints */
    ds_var *work; /* and their inputs and outputs */
    size_t cap_work;
    ds_tape_desc desc;
    ds_error error;
};

static const size_t dsi_most_slots = UINT32_MAX - 64u;

/* Numbers before the first adjoint. Allocators begin large blocks at the same place of a page, and the
   processors that compare only the lower 12 bits of addresses would take each load of values[k] for a load
   of the adjoints[k] just stored, and wait. */
enum { DSI_ADJOINT_GAP = 272 };

/* Directions of a Hessian that go together: DSI_ABREAST in a loop and at most so many, if their numbers
   stay in the cache; one by one if there would be more than DSI_MOTION_LIMIT. Numbers here are ds_real:
   2^16 doubles are 512 KiB, 2^20 are 8 MiB. */
#define DSI_ABREAST ((size_t)4)
#define DSI_MOST_ABREAST ((size_t)16)
#define DSI_MOTION_CACHED ((size_t)1 << 16)
#define DSI_MOTION_LIMIT ((size_t)1 << 20)

/* slots that an inlined recording function takes at most: a matrix and a constant (scale33) */
enum { DSI_MOST_INLINE = 10 };

/* Between the two types of the same thing: rec is the first member of a tape. */
static ds_tape *dsi_tape_of(ds_recorder *rec) { return (ds_tape *)rec; }
static const ds_recorder *dsi_rec_of(const ds_tape *tape) { return &tape->rec; }
static ds_var dsi_dead(ds_tape *tape) { return dsi_view(&tape->rec, 0); } /* no epoch is 0 */

/* "spring.c:7" between two words, or nothing where no place was told */
DSI_APART void dsi_put_place(dsi_text *t, const char *before, const char *file, int line, const char *behind)
{
    if (!file) return;
    dsi_put(t, before);
    dsi_put(t, file);
    dsi_put(t, ":");
    dsi_put_size(t, (size_t)line);
    dsi_put(t, behind);
}

/* Refusals: the first sticks and closes the short way. Begin, put words, end. Every refusal of this
   section goes through these three. dsi_refuse begins the sentence with file:line if that is known,
   dsi_refused ends it with the sentence of its code and tells the logger; n_gradients and n_tangents are 0
   from then on, so that ds_grad and ds_tangent give NaN. code, index: what ds_tape_error shows. Returns
   the text to go on with, begun in the tape's own buffer. */
DSI_APART dsi_text dsi_refuse(ds_tape *tape, ds_result code, size_t index)
{
    dsi_text t = dsi_text_into(tape->error.text, sizeof tape->error.text);
    tape->rec.most_nodes = 0;
    tape->n_gradients = tape->n_tangents = 0;
    tape->error.code = code;
    tape->error.index = index;
    dsi_put_place(&t, "", tape->rec.file, tape->rec.line, ": ");
    return t;
}

/* returns the code, so that callers refuse and return in one statement */
DSI_APART ds_result dsi_refused(ds_tape *tape, dsi_text *t)
{
    return dsi_end_refusal(&tape->error, &tape->desc.log, t);
}

/* "ds_mul: operand 2 ...". function: the name without ds_; what: from the colon on, ending in a word for
   the index that follows. */
DSI_APART ds_result dsi_refuse_at(ds_tape *tape, ds_result code, size_t index, const char *function,
                                  const char *what)
{
    dsi_text t = dsi_refuse(tape, code, index);
    dsi_put(&t, "ds_");
    dsi_put(&t, function);
    dsi_put(&t, what);
    dsi_put_size(&t, index);
    return dsi_refused(tape, &t);
}

/* variables of a kernel have no values: what asks for one, or for a derivative, goes through here. DSIM_OK on
   a tape */
static ds_result dsi_refuse_symbolic(ds_tape *tape, const char *function)
{
    if (!tape->symbolic) return DSIM_OK;
    if (tape->error.code) return tape->error.code;
    return dsi_refuse_at(tape, DSIM_ERROR_NO_VALUE, tape->rec.n_nodes, function,
                         ": the body of a kernel is being recorded, nodes so far ");
}

/* opens the short way as far as there is room, or closes it. Below most_values, DSI_MOST_INLINE values
   more still fit. */
static void dsi_set_limits(ds_tape *tape)
{
    const int open = !tape->desc.debug && !tape->error.code && tape->cap_values >= DSI_MOST_INLINE;
    tape->rec.most_nodes = open ? tape->cap_nodes : 0;
    tape->rec.most_values = open ? tape->cap_values - DSI_MOST_INLINE + 1 : 0;
}

/* one array to at least `need` elements, doubling; the old one stays if there is no memory. So n elements
   one by one cost O(n) copies in all. capacity < most / 2 keeps the doubled number within `most`, which
   itself fits a size_t. element: bytes of one. Errors: OVERFLOW, MEMORY; then array and capacity are as
   they were. */
static ds_result dsi_grow(const ds_allocator *allocator, void **array, size_t *capacity, size_t need,
                          size_t most, size_t element)
{
    size_t wanted = *capacity < most / 2 ? *capacity * 2 : most, bytes;
    void *larger;
    if (wanted < 256) wanted = dsi_least(256, most);
    if (wanted < need) wanted = need;
    if (ds_size_mul(wanted, element, &bytes)) return DSIM_ERROR_OVERFLOW;
    larger = allocator->resize(allocator->user, *array, *capacity * element, bytes);
    if (!larger) return DSIM_ERROR_MEMORY;
    *array = larger;
    *capacity = wanted;
    return DSIM_OK;
}

/* Nodes, and in debug mode a place for each. Arrays and their capacities change together, so a tape whose
   second array found no memory is whole: it has room for more nodes than it uses. */
static ds_result dsi_grow_nodes(ds_tape *tape, size_t need)
{
    /* a desc without limits has those of the slots: 32 bits in a node, and room below 2^32 for what an
       inlined call adds */
    const size_t most = tape->desc.max_nodes ? tape->desc.max_nodes : dsi_most_slots;
    void *nodes = tape->rec.nodes, *places = tape->places;
    ds_result result = DSIM_OK;
    if (tape->fixed || need > most) return DSIM_ERROR_FULL;
    if (need > tape->cap_nodes)
        result =
            dsi_grow(&tape->desc.allocator, &nodes, &tape->cap_nodes, need, most, sizeof *tape->rec.nodes);
    tape->rec.nodes = (dsi_node *)nodes;
    if (!result && tape->desc.debug && need > tape->cap_places)
        result =
            dsi_grow(&tape->desc.allocator, &places, &tape->cap_places, need, most, sizeof *tape->places);
    tape->places = (dsi_place *)places;
    return result;
}

/* values to at least `need`; the limits of the short way are set by dsi_room, which calls this */
static ds_result dsi_grow_values(ds_tape *tape, size_t need)
{
    const size_t most = tape->desc.max_values ? tape->desc.max_values : dsi_most_slots;
    void *values = tape->rec.values;
    ds_result result;
    if (tape->fixed || need > most) return DSIM_ERROR_FULL;
    result =
        dsi_grow(&tape->desc.allocator, &values, &tape->cap_values, need, most, sizeof *tape->rec.values);
    tape->rec.values = (ds_real *)values;
    return result;
}

/* as many adjoints as there is room for values. Only sweeps need them, so they grow when a sweep begins: a
   tape that is never differentiated has none. The pointer kept is that behind the gap. */
static ds_result dsi_grow_adjoints(ds_tape *tape)
{
    const size_t need = tape->cap_values + DSI_ADJOINT_GAP;
    void *block = tape->adjoints ? tape->adjoints - DSI_ADJOINT_GAP : NULL;
    ds_result result;
    if (tape->cap_adjoints >= need) return DSIM_OK;
    result = dsi_grow(&tape->desc.allocator, &block, &tape->cap_adjoints, need, need, sizeof(ds_real));
    if (!result) tape->adjoints = (ds_real *)block + DSI_ADJOINT_GAP;
    return result;
}

/* room for so many more nodes and values, or a refusal. nodes, values: how many more. Where it returns
   DSIM_OK the recorder may write that many without another look; the arrays may have moved, so pointers
   into them are taken afterwards. */
static ds_result dsi_room(ds_tape *tape, size_t nodes, size_t values, const char *function)
{
    ds_result result = DSIM_OK;
    size_t need_nodes = 0, need_values = 0;
    /* need_nodes and need_values may be more than any limit: dsi_grow_nodes and dsi_grow_values compare */
    if (ds_size_add(tape->rec.n_nodes, nodes, &need_nodes) ||
        ds_size_add(tape->rec.n_values, values, &need_values))
        result = DSIM_ERROR_OVERFLOW;
    if (!result && (need_nodes > tape->cap_nodes || (tape->desc.debug && need_nodes > tape->cap_places)))
        result = dsi_grow_nodes(tape, need_nodes);
    if (!result && need_values > tape->cap_values) result = dsi_grow_values(tape, need_values);
    if (result) {
        dsi_text t = dsi_refuse(tape, result, tape->rec.n_nodes);
        dsi_put(&t, "ds_");
        dsi_put(&t, function);
        dsi_put(&t, ": the tape holds ");
        dsi_put_size(&t, tape->rec.n_nodes);
        dsi_put(&t, " nodes and ");
        dsi_put_size(&t, tape->rec.n_values);
        dsi_put(&t, " values and has no room for ");
        dsi_put_size(&t, nodes);
        dsi_put(&t, " and ");
        dsi_put_size(&t, values);
        dsi_put(&t, " more");
        return dsi_refused(tape, &t);
    }
    dsi_set_limits(tape);
    return DSIM_OK;
}

/* Life. */
static int dsi_desc_is_good(const ds_tape_desc *desc)
{
    return !desc || (desc->max_nodes <= dsi_most_slots && desc->max_values <= dsi_most_slots);
}

/* A tape without arrays: the first node finds no room and goes the long way, which allocates. Epochs count
   from 1, since 0 is that of dead variables. */
static void dsi_tape_begin(ds_tape *tape, const ds_tape_desc *desc)
{
    memset(tape, 0, sizeof *tape);
    if (desc) tape->desc = *desc;
    tape->desc.allocator = dsi_allocator(desc ? &desc->allocator : NULL);
    tape->first_epoch = 1;
    tape->rec.epoch = (uint64_t)tape->first_epoch << 32;
    tape->next_epoch = 2;
}

/* only the struct: the arrays come with the first node */
DIFFSIM_API ds_tape *ds_tape_create(const ds_tape_desc *desc)
{
    const ds_allocator allocator = dsi_allocator(desc ? &desc->allocator : NULL);
    ds_tape *tape;
    if (!dsi_desc_is_good(desc)) return NULL;
    tape = (ds_tape *)allocator.resize(allocator.user, NULL, 0, sizeof *tape);
    if (tape) dsi_tape_begin(tape, desc);
    return tape;
}

/* the arrays of a fixed tape, one behind the other: nodes, values, adjoints, places, steps, motion; 0: the
   sizes do not fit a size_t */
enum { DSI_ARRAYS = 6 };
/* offset [DSI_ARRAYS]: where each begins, bytes from the start of the tape; returned is where the last
   ends. */
static size_t dsi_fixed_layout(const ds_tape_desc *desc, size_t offset[DSI_ARRAYS])
{
    size_t end = dsi_round_up(sizeof(ds_tape)), bytes[DSI_ARRAYS];
    int i;
    if (ds_size_mul(desc->max_nodes, sizeof(dsi_node), &bytes[0]) ||
        ds_size_mul(desc->max_values, sizeof(ds_real), &bytes[1]) ||
        ds_size_add(bytes[1], DSI_ADJOINT_GAP * sizeof(ds_real), &bytes[2]) ||
        ds_size_mul(desc->debug ? desc->max_nodes : 0, sizeof(dsi_place), &bytes[3]) ||
        ds_size_mul(desc->max_nodes, sizeof(dsi_step), &bytes[4]) ||
        ds_size_mul(bytes[1], desc->directions, &bytes[5]) || ds_size_mul(bytes[5], 2, &bytes[5]))
        return 0;
    /* each array begins aligned; the second sum only asks whether rounding up can overflow */
    for (i = 0; i < DSI_ARRAYS; i++) {
        offset[i] = end;
        if (ds_size_add(end, bytes[i], &end) || ds_size_add(end, DSI_ALIGN, &bytes[i])) return 0;
        end = dsi_round_up(end);
    }
    return end;
}

DIFFSIM_API size_t ds_tape_bytes(const ds_tape_desc *desc)
{
    size_t offset[DSI_ARRAYS];
    if (!desc || !dsi_desc_is_good(desc) || !desc->max_nodes || !desc->max_values) return 0;
    return dsi_fixed_layout(desc, offset);
}

/* offsets are from the start of the block: the tape lies in its own memory, as its first part */
DIFFSIM_API ds_tape *ds_tape_init(void *memory, size_t bytes, const ds_tape_desc *desc)
{
    const size_t need = ds_tape_bytes(desc);
    ds_tape *const tape = (ds_tape *)memory;
    size_t offset[DSI_ARRAYS];
    if (!memory || !need || bytes < need || (uintptr_t)memory % sizeof(void *)) return NULL;
    dsi_fixed_layout(desc, offset);
    dsi_tape_begin(tape, desc);
    tape->fixed = 1;
    tape->rec.nodes = (dsi_node *)(void *)((char *)memory + offset[0]);
    tape->rec.values = (ds_real *)(void *)((char *)memory + offset[1]);
    tape->adjoints = (ds_real *)(void *)((char *)memory + offset[2]) + DSI_ADJOINT_GAP;
    tape->steps.all = (dsi_step *)(void *)((char *)memory + offset[4]);
    tape->steps.capacity = desc->max_nodes;
    if (desc->directions) tape->motion = (ds_real *)(void *)((char *)memory + offset[5]);
    tape->cap_motion = 2 * desc->directions * desc->max_values;
    if (desc->debug) tape->places = (dsi_place *)(void *)((char *)memory + offset[3]);
    tape->cap_nodes = desc->max_nodes;
    tape->cap_places = desc->debug ? desc->max_nodes : 0;
    tape->cap_values = desc->max_values;
    tape->cap_adjoints = desc->max_values + DSI_ADJOINT_GAP;
    dsi_set_limits(tape);
    return tape;
}

DIFFSIM_API void ds_tape_destroy(ds_tape *tape)
{
    ds_allocator allocator;
    if (!tape || tape->fixed) return;
    /* a copy: the tape that holds it goes last */
    allocator = tape->desc.allocator;
    if (tape->rec.nodes)
        allocator.resize(allocator.user, tape->rec.nodes, tape->cap_nodes * sizeof *tape->rec.nodes, 0);
    if (tape->rec.values)
        allocator.resize(allocator.user, tape->rec.values, tape->cap_values * sizeof *tape->rec.values, 0);
    if (tape->adjoints)
        allocator.resize(allocator.user, tape->adjoints - DSI_ADJOINT_GAP,
                         tape->cap_adjoints * sizeof *tape->adjoints, 0);
    if (tape->places)
        allocator.resize(allocator.user, tape->places, tape->cap_places * sizeof *tape->places, 0);
    if (tape->work) allocator.resize(allocator.user, tape->work, tape->cap_work * sizeof *tape->work, 0);
    ds_tape_destroy(tape->child);
    if (tape->steps.all)
        allocator.resize(allocator.user, tape->steps.all, tape->steps.capacity * sizeof *tape->steps.all, 0);
    if (tape->motion)
        allocator.resize(allocator.user, tape->motion, tape->cap_motion * sizeof *tape->motion, 0);
    allocator.resize(allocator.user, tape, sizeof *tape, 0);
}

DIFFSIM_API const ds_error *ds_tape_error(const ds_tape *tape)
{
    static const ds_error no_tape = {DSIM_ERROR_ARGUMENT, 0,
                                     "the tape is NULL: ds_tape_create found no memory"};
    return tape ? &tape->error : &no_tape;
}

/* and the place that DIFFSIM_DEBUG told last: the next call tells its own */
static void dsi_clear_error(ds_tape *tape)
{
    memset(&tape->error, 0, sizeof tape->error);
    tape->rec.file = NULL;
    tape->rec.line = 0;
}

/* does an error close the way to a replay? Not one that other inputs may mend. Such errors: REPLAY, inputs
   are set and wait; BRANCH and CALLBACK, this time a guard did not hold or a custom node failed. All three
   leave the record itself whole. */
static int dsi_is_final(const ds_tape *tape)
{
    const ds_result code = tape->error.code;
    return code && !(tape->torn && (code == DSIM_ERROR_REPLAY || code == DSIM_ERROR_BRANCH ||
                                    code == DSIM_ERROR_CALLBACK));
}

/* a number that no living segment has, unless 2^32 - 1 others were begun since it was */
static uint32_t dsi_new_epoch(ds_tape *tape)
{
    if (!tape->next_epoch) tape->next_epoch = 1; /* 0 means dead; after 2^32 rewinds the count begins again */
    return tape->next_epoch++;
}

/* Nothing is written to the arrays: a new epoch makes all handles stale at once. */
DIFFSIM_API void ds_tape_reset(ds_tape *tape)
{
    DIFFSIM_ASSERT(tape);
    if (!tape) return;
    tape->rec.n_nodes = tape->rec.n_values = 0;
    tape->n_gradients = tape->n_tangents = tape->no_merge = tape->n_read = 0;
    tape->last_epoch_node = 0;
    tape->torn = 0;
    tape->first_epoch = dsi_new_epoch(tape);
    tape->rec.epoch = (uint64_t)tape->first_epoch << 32;
    dsi_clear_error(tape);
    dsi_set_limits(tape);
}

/* in which epoch the segment of a slot was recorded. Epoch nodes form a list from the newest back; the
   first whose segment begins at or before the slot is the one. Example: 20 values in epoch 1, rewind to
   10, which is epoch 2, and 5 values more. Slots 0 .. 9 are of epoch 1, slots 10 .. 14 of epoch 2; a
   handle (1, 12) is stale, (1, 7) is good. */
static uint32_t dsi_epoch_of_slot(const ds_tape *tape, size_t slot)
{
    uint32_t k = tape->last_epoch_node;
    while (k && tape->rec.nodes[k - 1].a > slot) k = tape->rec.nodes[k - 1].c;
    return k ? tape->rec.nodes[k - 1].b : tape->first_epoch;
}

/* As dsi_is_live, for variables of older epochs, too. An older handle is good if its epoch is the one that
   its slot has now: what was rewound may be recorded anew. */
static int dsi_is_alive(const ds_tape *tape, ds_var var)
{
    if (dsi_is_live(&tape->rec, var)) return 1;
    return dsi_slot(var) < tape->rec.n_values && var.at >> 32 == dsi_epoch_of_slot(tape, dsi_slot(var));
}

DIFFSIM_API ds_mark ds_tape_mark(ds_tape *tape)
{
    ds_mark r;
    memset(&r, 0, sizeof r);
    DIFFSIM_ASSERT(tape);
    if (!tape) return r;
    r.tape = tape;
    /* leaves recorded later must not join a node before the mark: a rewind could not cut it */
    r.n_nodes = tape->no_merge = tape->rec.n_nodes;
    r.n_values = tape->rec.n_values;
    r.epoch = tape->rec.epoch;
    return r;
}

/* a mark is good if the segment that was current when it was taken still reaches it. The newest epoch node
   before the mark tells the epoch that its place has now. */
static int dsi_mark_is_alive(const ds_tape *tape, ds_mark mark)
{
    uint32_t k = tape->last_epoch_node;
    while (k && k > mark.n_nodes) k = tape->rec.nodes[k - 1].c;
    return mark.n_nodes <= tape->rec.n_nodes && mark.n_values <= tape->rec.n_values &&
           mark.epoch >> 32 == (k ? tape->rec.nodes[k - 1].b : tape->first_epoch);
}

DIFFSIM_API ds_result (ds_tape_rewind)(ds_tape *tape, ds_mark mark)
{
    DIFFSIM_ASSERT(tape);
    if (!tape) return DSIM_ERROR_ARGUMENT;
    if (mark.tape != tape || !dsi_mark_is_alive(tape, mark)) {
        const ds_result code = mark.tape == tape ? DSIM_ERROR_STALE : DSIM_ERROR_FOREIGN;
        if (tape->error.code) return tape->error.code;
        return dsi_refuse_at(tape, code, mark.n_nodes, "tape_rewind", ": the mark at node ");
    }
    if (tape->torn) return tape->error.code;
    /* A number read before the rewind may steer what is recorded after it: it counts as read at the mark.
       Gradients and tangents of what stays are kept. If nothing was recorded since the mark there is
       nothing to forget, and no epoch is spent. */
    dsi_clear_error(tape);
    if (tape->n_read) tape->n_read = dsi_least(tape->n_read, mark.n_nodes + 1);
    if (tape->rec.n_nodes > mark.n_nodes) { /* so there is room for one node */
        dsi_node *const node = tape->rec.nodes + mark.n_nodes;
        /* epoch nodes behind the mark go with the rest */
        while (tape->last_epoch_node > mark.n_nodes)
            tape->last_epoch_node = tape->rec.nodes[tape->last_epoch_node - 1].c;
        node->op = DSI_CODE(DSI_OP_epoch, 0);
        node->a = (uint32_t)mark.n_values;
        node->b = dsi_new_epoch(tape);
        tape->rec.epoch = (uint64_t)node->b << 32;
        node->c = tape->last_epoch_node;
        tape->rec.n_nodes = tape->no_merge = mark.n_nodes + 1;
        tape->last_epoch_node = (uint32_t)tape->rec.n_nodes;
        tape->rec.n_values = mark.n_values;
        tape->n_gradients = dsi_least(tape->n_gradients, mark.n_values);
        tape->n_tangents = dsi_least(tape->n_tangents, mark.n_values);
    }
    dsi_set_limits(tape);
    return DSIM_OK;
}

/* what a child of checkpoints reserves counts as well */
DIFFSIM_API ds_tape_info ds_tape_get_info(const ds_tape *tape)
{
    ds_tape_info r;
    memset(&r, 0, sizeof r);
    if (!tape) return r;
    r.nodes = tape->rec.n_nodes;
    r.values = tape->rec.n_values;
    r.bytes_used = r.nodes * sizeof(dsi_node) + 2 * r.values * sizeof(ds_real);
    r.bytes_reserved = sizeof *tape + tape->cap_nodes * sizeof(dsi_node) +
                       (tape->cap_values + tape->cap_adjoints + tape->cap_motion) * sizeof(ds_real) +
                       tape->cap_places * sizeof *tape->places +
                       tape->steps.capacity * sizeof *tape->steps.all + tape->cap_work * sizeof *tape->work +
                       ds_tape_get_info(tape->child).bytes_reserved;
    return r;
}

/* How list nodes are laid out, see the head of this section. In memory, from older to newer; a table is there
   only if its list is no run of slots:

       slots of b, 4 to a node | slots of a, 4 to a node | {first a, first b, -, -} | {op, n, held, flags}

   dsi_record_list and dsi_sum3_shortly write them, dsi_view_list reads them, everything else goes through
   the view. */
enum { DSI_LIST_A_CONTIGUOUS = 1, DSI_LIST_B_CONTIGUOUS = 2, DSI_LIST_PAIR = 4 };

/* the slots of a list: a table, or steps of `stride` from the first */
typedef struct dsi_slots { const uint32_t *table; size_t first, stride; } dsi_slots;

/* the slot of entry i, of its first number if entries are vectors */
DSI_INLINE size_t dsi_list_slot(const dsi_slots *s, size_t i)
{
    return s->table ? s->table[i] : s->first + s->stride * i;
}

/* do `n` weights stand before the result? */
DSI_INLINE int dsi_has_weights(unsigned op)
{
    return op == DSI_OP_weighted_sum || op == DSI_OP_weighted_sum3;
}

/* n entries of width 1 or 3; `held` values before the result, which are constants of list b, then of list
   a, then weights. */
typedef struct dsi_list_view {
    size_t n, held, width, data; /* data: nodes before this one that hold slots */
    dsi_slots a, b;
} dsi_list_view;

/* Flags say which lists are runs and whether there is a second one. A table is read in place: nodes
   consist of uint32_t and nothing else, four of them each. */
DSI_INLINE dsi_list_view dsi_view_list(const dsi_node *node)
{
    const unsigned op = node->op / 8u;
    const size_t nodes = ((size_t)node->a + 3) / 4;
    dsi_list_view r;
    r.n = node->a;
    r.held = node->b;
    r.width = op == DSI_OP_sum3 || op == DSI_OP_weighted_sum3 ? 3 : 1;
    r.data = 1;
    r.a.table = r.b.table = NULL;
    r.a.first = (node - 1)->a;
    r.b.first = (node - 1)->b;
    r.a.stride = r.b.stride = r.width;
    if (!(node->c & DSI_LIST_A_CONTIGUOUS)) {
        r.data += nodes;
        r.a.table = (const uint32_t *)(const void *)(node - r.data);
    }
    if ((node->c & DSI_LIST_PAIR) && !(node->c & DSI_LIST_B_CONTIGUOUS)) {
        r.data += nodes;
        r.b.table = (const uint32_t *)(const void *)(node - r.data);
    }
    return r;
}

/* A custom node, in memory:

       slots of the inputs, 4 to a node | {type, user} | {body, -} | {custom, n_in, n_out, -}

   and its values: copies of the inputs [n_in], outputs [n_out]. */
typedef struct dsi_custom {
    const ds_custom_type *type;
    void *user;
    ds_segment *body; /* of a checkpoint */
    const uint32_t *slots;
    size_t n_in, n_out, data;
} dsi_custom;

/* Pointers lie across the words of a data node, which is aligned for uint32_t alone: so they are copied. */
static dsi_custom dsi_view_custom(const dsi_node *node)
{
    dsi_custom r;
    r.n_in = node->a;
    r.n_out = node->b;
    r.data = 2 + (r.n_in + 3) / 4;
    memcpy(&r.type, node - 2, sizeof r.type);
    memcpy(&r.user, (const char *)(node - 2) + sizeof r.type, sizeof r.user);
    memcpy(&r.body, node - 1, sizeof r.body);
    r.slots = (const uint32_t *)(const void *)(node - r.data);
    return r;
}

/* Walking. Nothing in a node says where its result lies. Walking back from the end of the tape does: from
   `top`, the number of values before which all is still to come, each node takes its width and what it
   holds. */

/* what a node takes: data nodes before it, and values (constants and result, the result last) */
typedef struct dsi_extent { size_t data, held, width; } dsi_extent;

/* The branches follow the order of operation codes: the table, lists, blocks, custom nodes, bookkeeping.
   That of affine has rows and columns in its data node, {rows, columns, -, -}. */
static dsi_extent dsi_extent_of(const dsi_node *node)
{
    const unsigned op = node->op / 8u;
    dsi_extent r;
    r.data = r.held = 0;
    /* rows of the table: op is below that of the first list */
    if (op < DSI_OP_sum) {
        r.held = dsi_bit_count3(node->op & 7u);
        r.width = dsi_ops[op].width;
    } else if (op < DSI_OP_affine) {
        const dsi_list_view list = dsi_view_list(node);
        r.data = list.data;
        r.held = list.held;
        r.width = list.width;
    } else if (op == DSI_OP_affine) {
        r.data = 1;
        r.width = (node - 1)->op;
    } else if (op == DSI_OP_vars_tanh) {
        r.width = node->b;
    } else if (op == DSI_OP_custom) {
        r.data = 2 + ((size_t)node->a + 3) / 4;
        r.held = node->a;
        r.width = node->b;
    } else {
        r.width = op == DSI_OP_leaves ? node->a : 0;
    }
    return r;
}

/* the node that holds a slot, seen from node k (exclusive) with `*top` values before it; *top: behind its
   result. Linear in the number of nodes that are passed. A slot of a held constant belongs to its node as
   well. */
static size_t dsi_find_node(const ds_tape *tape, size_t k, size_t *top, size_t slot)
{
    while (k--) {
        const dsi_extent e = dsi_extent_of(tape->rec.nodes + k);
        if (slot >= *top - e.width - e.held) break;
        *top -= e.width + e.held;
        k -= e.data;
    }
    return k;
}

/* the k-th slot that a node reads, or SIZE_MAX. In order: operands a, b, c; or list a, then list b; or w,
   x, b of an affine map; or the inputs. O(k) for rows of the table, O(1) for others. Used where words are
   made and by ds_explain, never by sweeps. */
static size_t dsi_operand_slot(const dsi_node *node, size_t k)
{
    const unsigned op = node->op / 8u;
    if (op < DSI_OP_sum) {
        size_t i, width;
        for (i = 0; i < dsi_ops[op].operands; i++, k -= width) {
            static const unsigned char widths[] = { 0, 1, 3, 4, 9 };
            width = widths[dsi_ops[op].kind[i]];
            if (k < width) return (i == 0 ? node->a : i == 1 ? node->b : node->c) + k;
        }
    } else if (op < DSI_OP_affine) {
        const dsi_list_view s = dsi_view_list(node);
        if (k < s.n * s.width) return dsi_list_slot(&s.a, k / s.width) + k % s.width;
        k -= s.n * s.width;
        if ((node->c & DSI_LIST_PAIR) && k < s.n) return dsi_list_slot(&s.b, k);
    } else if (op == DSI_OP_affine) {
        const size_t rows = (node - 1)->op, columns = (node - 1)->a;
        if (k < rows * columns) return node->a + k;
        if (k - rows * columns < columns) return node->b + k - rows * columns;
        if (k - rows * columns - columns < rows) return node->c + k - rows * columns - columns;
    } else if (op == DSI_OP_vars_tanh && k < node->b) {
        return node->a + k;
    } else if (op == DSI_OP_custom && k < node->a) {
        return dsi_view_custom(node).slots[k];
    } else if (op == DSI_OP_branch && k == 0) {
        return node->a;
    }
    return (size_t)-1;
}

/* the name in sentences: that of the row, or that the user gave the custom type */
static const char *dsi_name_of(const dsi_node *node)
{
    const unsigned op = node->op / 8u;
    return op == DSI_OP_custom ? dsi_view_custom(node).type->name : dsi_ops[op].name;
}

/* "'div' (node 12, spring.c:7) with operands 1, 0 gave inf". k: the node; top: behind its result, whose
   numbers are told from there. */
DSI_APART void dsi_describe(const ds_tape *tape, dsi_text *t, size_t k, size_t top)
{
    const dsi_node *const node = tape->rec.nodes + k;
    const dsi_extent e = dsi_extent_of(node);
    size_t i, slot;
    dsi_put(t, "'");
    dsi_put(t, dsi_name_of(node));
    dsi_put(t, "' (node ");
    dsi_put_size(t, k);
    if (tape->places) dsi_put_place(t, ", ", tape->places[k].file, tape->places[k].line, "");
    dsi_put(t, ")");
    /* at most nine operands and four results are told */
    for (i = 0; i < 9 && (slot = dsi_operand_slot(node, i)) != (size_t)-1; i++) {
        dsi_put(t, i ? ", " : " with operands ");
        dsi_put_real(t, (double)tape->rec.values[slot]);
    }
    for (i = 0; i < e.width && i < 4; i++) {
        dsi_put(t, i ? ", " : " gave ");
        dsi_put_real(t, (double)tape->rec.values[top - e.width + i]);
    }
}

/* Recording, the long way. Any state of the tape and any operands: it grows the arrays, looks up old
   epochs, folds constants and writes the errors. The nodes are the same as those of the short way, to the
   bit. */

/* debug: where the node just appended was recorded */
static void dsi_keep_place(ds_tape *tape)
{
    if (!tape->places) return;
    tape->places[tape->rec.n_nodes - 1].file = tape->rec.file;
    tape->places[tape->rec.n_nodes - 1].line = tape->rec.line;
}

/* appends a node for which dsi_room was asked */
static dsi_node *dsi_add_node(ds_tape *tape, uint32_t op, size_t a, size_t b, size_t c)
{
    dsi_node *const node = tape->rec.nodes + tape->rec.n_nodes++;
    node->op = op;
    node->a = (uint32_t)a;
    node->b = (uint32_t)b;
    node->c = (uint32_t)c;
    dsi_keep_place(tape);
    return node;
}

/* room for n leaves; the slot of the first, or a refusal. Neighbours share one node {leaves, n}: a
   thousand inputs cost 16 bytes of nodes and one check in a sweep. Unless a mark stands between them.
   numbers [n]: finite, or none is taken. Nothing is recorded if it does not return DSIM_OK. */
static ds_result dsi_leaves(ds_tape *tape, const ds_real *numbers, size_t n, const char *function,
                            size_t *slot)
{
    ds_result result = tape->error.code;
    size_t bad;
    if (result) return result;
    bad = dsi_first_non_finite(numbers, n);
    if (bad < n) return dsi_refuse_at(tape, DSIM_ERROR_NON_FINITE, bad, function, ": number ");
    result = dsi_room(tape, 1, n, function);
    if (result) return result;
    if (tape->rec.n_nodes > tape->no_merge &&
        tape->rec.nodes[tape->rec.n_nodes - 1].op == DSI_CODE(DSI_OP_leaves, 0))
        tape->rec.nodes[tape->rec.n_nodes - 1].a += (uint32_t)n;
    else
        dsi_add_node(tape, DSI_CODE(DSI_OP_leaves, 0), n, 0, 0);
    *slot = tape->rec.n_values;
    if (n) memcpy(tape->rec.values + *slot, numbers, n * sizeof *numbers);
    tape->rec.n_values += n;
    return DSIM_OK;
}

/* a few leaves in one handle */
static ds_var dsi_input(ds_tape *tape, const ds_real *numbers, size_t n, const char *function)
{
    size_t slot = 0;
    DIFFSIM_ASSERT(tape);
    if (!tape) return ds_c((double)dsi_nan());
    if (dsi_leaves(tape, numbers, n, function, &slot)) return dsi_dead(tape);
    return dsi_view(&tape->rec, tape->rec.epoch | slot);
}

/* Inputs of all kinds are leaves: a vector is three, four or nine in a row, and its handle names the
   first. */
DIFFSIM_API ds_var (ds_input)(ds_tape *tape, double number)
{
    const ds_real x = (ds_real)number;
    return dsi_input(tape, &x, 1, "input");
}

DIFFSIM_API ds_var3 (ds_input3)(ds_tape *tape, ds_v3 vector)
{
    ds_real x[3];
    dsi_store_r3(x, vector);
    return dsi_as_r3(dsi_input(tape, x, 3, "input3"));
}

DIFFSIM_API ds_var4 (ds_input4)(ds_tape *tape, ds_q4 quaternion)
{
    ds_real x[4];
    dsi_store_r4(x, quaternion);
    return dsi_as_r4(dsi_input(tape, x, 4, "input4"));
}

DIFFSIM_API ds_var33 (ds_input33)(ds_tape *tape, ds_m3 matrix)
{
    return dsi_as_r9(dsi_input(tape, matrix.m, 9, "input33"));
}

/* the block of n entries whose first is given */
static ds_vars dsi_block_of(ds_var first, size_t n)
{
    ds_vars r;
    r.rec = first.rec;
    r.at = first.at;
    r.n = n;
    return r;
}

/* n = 0 gives an empty block that is good */
DIFFSIM_API ds_vars (ds_inputs)(ds_tape *tape, const ds_real *numbers, size_t n)
{
    if (tape && n && !numbers && !tape->error.code)
        dsi_refuse_at(tape, DSIM_ERROR_ARGUMENT, n, "inputs", ": numbers is NULL, n is ");
    return dsi_block_of(dsi_input(tape, numbers, n, "inputs"), n);
}

/* all operands are constants: so is the result; a vector without a recorder stays without. Numbers are
   rounded to ds_real first, as on a tape. */
static ds_var dsi_fold(unsigned op, const ds_var operand[3])
{
    ds_real numbers[3], out[9];
    int i;
    for (i = 0; i < 3; i++) numbers[i] = (ds_real)dsi_number(operand[i]);
    for (i = 0; i < dsi_ops[op].operands; i++)
        if (dsi_ops[op].kind[i] != DSI_OPERAND_r1) return dsi_view(NULL, DSI_NOWHERE);
    dsi_evaluate(op, &numbers[0], &numbers[1], &numbers[2], out);
    return dsi_ops[op].width == 1 ? ds_c((double)out[0]) : dsi_view(NULL, DSI_NOWHERE);
}

/* the tape that records an operation: that of the first operand with a recorder; NULL: every one is a
   constant */
static ds_tape *dsi_choose_tape(const ds_var *operand, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (operand[i].rec) return dsi_tape_of(operand[i].rec);
    return NULL;
}

/* is operand number `index` (from 1) good for the tape?. Where two tapes meet, both get the error: either
   may be the one that the caller asks. Errors: NO_RECORDER, MIXED, STALE, each with a sentence on the
   tape. */
static ds_result dsi_check_operand(ds_tape *tape, ds_var operand, size_t index, const char *function)
{
    if (!operand.rec)
        return dsi_refuse_at(
            tape, DSIM_ERROR_NO_RECORDER, index, function,
            ": a vector of constants, made without a tape (make it with ds_input3): operand ");
    if (operand.rec != dsi_rec_of(tape)) {
        ds_tape *const other = dsi_tape_of(operand.rec);
        if (!other->error.code) dsi_refuse_at(other, DSIM_ERROR_MIXED, index, function, ": operand ");
        return dsi_refuse_at(tape, DSIM_ERROR_MIXED, index, function, ": operand ");
    }
    if (!dsi_is_alive(tape, operand))
        return dsi_refuse_at(tape, DSIM_ERROR_STALE, index, function, ": operand ");
    return DSIM_OK;
}

/* debug: the value just made must be finite, but for those made up in kernels. Returns its handle. Without
   debug nothing is looked at here: what is not finite shows in ds_backward. slot, width: where the result
   lies. */
static ds_var dsi_made(ds_tape *tape, size_t slot, size_t width)
{
    if (tape->desc.debug && !tape->symbolic && dsi_first_non_finite(tape->rec.values + slot, width) < width) {
        dsi_text t = dsi_refuse(tape, DSIM_ERROR_NON_FINITE, tape->rec.n_nodes - 1);
        dsi_put(&t, "debug: ");
        dsi_describe(tape, &t, tape->rec.n_nodes - 1, tape->rec.n_values);
        dsi_refused(tape, &t);
        return dsi_dead(tape);
    }
    return dsi_view(&tape->rec, tape->rec.epoch | slot);
}

/* All operands are judged before there is room, room is there before anything is written. */
DIFFSIM_API ds_var dsi_record(unsigned op, ds_var a, ds_var b, ds_var c)
{
    const dsi_op_info *const info = &dsi_ops[op];
    const size_t n = info->operands;
    ds_var operand[3];
    ds_tape *tape;
    uint32_t constants = 0, slot[3] = { 0, 0, 0 };
    size_t i, result;
    operand[0] = a;
    operand[1] = b;
    operand[2] = c;
    tape = dsi_choose_tape(operand, n);
    if (!tape) return dsi_fold(op, operand);
    if (tape->error.code) return dsi_dead(tape);
    /* a vector without a recorder is no constant but a mistake, and dsi_check_operand says so */
    for (i = 0; i < n; i++) {
        if (!operand[i].rec && info->kind[i] == DSI_OPERAND_r1) constants |= 1u << i;
        else if (dsi_check_operand(tape, operand[i], i + 1, info->name)) return dsi_dead(tape);
    }
    if (dsi_room(tape, 1, info->width + dsi_bit_count3(constants), info->name)) return dsi_dead(tape);
    /* constants take the slots before the result, in the order a, b, c: as on the short way */
    for (i = 0; i < n; i++)
        slot[i] = constants >> i & 1 ? dsi_hold(&tape->rec, dsi_number(operand[i])) : dsi_slot(operand[i]);
    dsi_add_node(tape, DSI_CODE(op, constants), slot[0], slot[1], slot[2]);
    result = tape->rec.n_values;
    tape->rec.n_values += info->width;
    dsi_evaluate(op, tape->rec.values + slot[0], tape->rec.values + slot[1], tape->rec.values + slot[2],
                 tape->rec.values + result);
    return dsi_made(tape, result, info->width);
}

/* Lists of operands: one node, see the head of this section. One node of n operands in place of n - 1
   additions. ds_sum3 and ds_weighted_sum3 try dsi_sum3_shortly first, everything else goes through
   dsi_record_list: choose the tape, see which lists are runs, make room, write the tables, end with the
   node. Sums go in the order of the list, by one chain of additions: the same bits everywhere. */

/* a loop over slots p of a list, with and without a table, so that each is a plain loop. The statement
   sees i, the number of the entry, and p, its slot. */
#define DSI_FOR_SLOTS(list, statement) \
    do { \
        size_t i, p; \
        if ((list).table) { \
            for (i = 0; i < s->n; i++) { \
                p = (list).table[i]; \
                statement; \
            } \
        } else { \
            for (i = 0, p = (list).first; i < s->n; i++, p += (list).stride) { statement; } \
        } \
    } while (0)

/* x and, for the second list of a dot product, y are arrays of a number for each slot: the values, or
   their tangents; w are the weights, if any. So sum_i w[i] x[p_i], or sum_i x[p_i] y[q_i] with p and q the
   slots of the two lists. w [n], result [width]. */
static void dsi_evaluate_list(unsigned op, const dsi_list_view *s, const ds_real *w, const ds_real *x,
                              const ds_real *y, ds_real *result)
{
    ds_v3 sum3 = ds_v3_make(0, 0, 0);
    ds_real sum = 0;
    switch (op) {
    case DSI_OP_sum: DSI_FOR_SLOTS(s->a, sum += x[p]); break;
    case DSI_OP_weighted_sum: DSI_FOR_SLOTS(s->a, sum += dsi_product(w[i], x[p])); break;
    case DSI_OP_dot: DSI_FOR_SLOTS(s->a, sum += dsi_product(x[p], y[dsi_list_slot(&s->b, i)])); break;
    case DSI_OP_sum3: DSI_FOR_SLOTS(s->a, sum3 = ds_v3_add(sum3, dsi_load_r3(x + p))); break;
    default: DSI_FOR_SLOTS(s->a, sum3 = ds_v3_axpy(w[i], dsi_load_r3(x + p), sum3));
    }
    if (s->width == 1) result[0] = sum;
    else dsi_store_r3(result, sum3);
}

/* what the operands gain from the adjoint g of the result; x as above.
       sum: x_bar[i] += g     weighted: x_bar[i] += w[i] g     dot: a_bar[i] += g b[i],  b_bar[i] += g a[i]
   An entry that occurs twice gains twice. x is [slots]; a zero g contributes nothing. */
static void dsi_reverse_list(unsigned op, const dsi_list_view *s, const ds_real *w,
                             const ds_real *DSI_RESTRICT x, const ds_real *g_of, ds_real *DSI_RESTRICT bar)
{
    if (s->width == 3) {
        const ds_v3 g = dsi_load_r3(g_of);
        if (op == DSI_OP_sum3)
            DSI_FOR_SLOTS(s->a, dsi_store_r3(bar + p, ds_v3_add(dsi_load_r3(bar + p), g)));
        else
            DSI_FOR_SLOTS(s->a, dsi_store_r3(bar + p, ds_v3_axpy(w[i], g, dsi_load_r3(bar + p))));
    } else if (g_of[0] != 0) {
        const ds_real g = g_of[0];
        if (op == DSI_OP_sum) DSI_FOR_SLOTS(s->a, bar[p] += g);
        else if (op == DSI_OP_weighted_sum) DSI_FOR_SLOTS(s->a, bar[p] += dsi_product(g, w[i]));
        else
            DSI_FOR_SLOTS(s->a, {
                const size_t q = dsi_list_slot(&s->b, i);
                bar[p] += dsi_product(g, x[q]);
                bar[q] += dsi_product(g, x[p]);
            });
    }
}
#undef DSI_FOR_SLOTS

/* lists as they are given: numbers in x, or vectors in points. So one text serves ds_var and ds_var3;
   where it is inlined points is NULL or not at compile time. */
DSI_INLINE ds_var dsi_entry(const ds_var *x, const ds_var3 *points, size_t i)
{
    return points ? dsi_any_r3(points[i]) : x[i];
}

/* do the entries follow each other, all live? (their words then count up, the epoch included). One pass of
   comparisons; it ends at the first that does not follow. */
DSI_INLINE int dsi_is_run(const ds_recorder *rec, const ds_var *x, const ds_var3 *points, size_t n)
{
    const uint64_t stride = points ? 3 : 1;
    uint64_t next = dsi_entry(x, points, 0).at;
    size_t i;
    /* the first entry decides the epoch; later ones differ from it in their slot alone */
    if (!dsi_is_live(rec, dsi_entry(x, points, 0))) return 0;
    for (i = 0; i < n; i++, next += stride) {
        const ds_var e = dsi_entry(x, points, i);
        if (e.rec != rec || e.at != next) return 0;
    }
    return 1;
}

/* the slots, if every entry is a live variable. slots [n]. 0: one is a constant, older or foreign, and
   what was written means nothing. */
DSI_INLINE int dsi_take_slots(const ds_recorder *rec, const ds_var *x, const ds_var3 *points, size_t n,
                              uint32_t *slots)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const ds_var e = dsi_entry(x, points, i);
        if (!dsi_is_live(rec, e)) return 0;
        slots[i] = dsi_slot(e);
    }
    return 1;
}

/* the same for any entries: constants get slots before the result, the first bad one is refused. It begins
   at entry 0 again: the quick one has counted nothing yet. */
static ds_result dsi_take_slots_slowly(ds_tape *tape, const ds_var *x, const ds_var3 *points, size_t n,
                                       uint32_t *slots, const char *name)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const ds_var e = dsi_entry(x, points, i);
        if (!e.rec && !points) slots[i] = dsi_hold(&tape->rec, dsi_number(e));
        else if (dsi_check_operand(tape, e, i + 1, name)) return tape->error.code;
        else slots[i] = dsi_slot(e);
    }
    return DSIM_OK;
}

/* all entries constants: so is the sum. n = 0: the empty sum, 0. w, xb: NULL if there are none */
static ds_var dsi_fold_list(const ds_real *w, const ds_var *xa, const ds_var *xb, size_t n)
{
    ds_real sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        const ds_real x = (ds_real)dsi_number(xa[i]);
        sum += w ? dsi_product(w[i], x) : xb ? dsi_product(x, (ds_real)dsi_number(xb[i])) : x;
    }
    return ds_c((double)sum);
}

/* The short way of sum3 and weighted_sum3: one loop checks, keeps and sums. 0 if it is closed. Nothing
   counts until the node is there, so a closed way leaves the tape as it was. A weight that is not finite
   shows in the sum. w [n] or NULL, x [n]. Here x[i] is read once, where the long way goes over it to find
   the tape, to see a run, to keep slots and to sum. It keeps a table even for a run. */
static int dsi_sum3_shortly(ds_tape *tape, unsigned op, size_t n, const ds_real *w, const ds_var3 *x,
                            ds_var3 *out)
{
    ds_recorder *const rec = &tape->rec;
    const size_t table = (n + 3) / 4, held = w ? n : 0, at = rec->n_values + held;
    const uint64_t epoch = rec->epoch;
    dsi_node *const node = rec->nodes + rec->n_nodes + table;
    uint32_t *const slots = (uint32_t *)(void *)(rec->nodes + rec->n_nodes);
    const ds_real *const val = rec->values;
    /* the weights go where they stay: just before the result */
    ds_real *const weights = rec->values + rec->n_values;
    ds_v3 sum = ds_v3_make(0, 0, 0);
    size_t i;
    if (rec->n_nodes + table + 2 > rec->most_nodes || at + 3 > tape->cap_values) return 0;
    for (i = 0; i < n; i++) {
        /* val + slot is read only after the check: the slot of another tape may lie outside */
        const uint64_t slot = x[i].at ^ epoch; /* of this epoch: its upper half cancels */
        if (x[i].rec != rec || slot > UINT32_MAX) return 0;
        slots[i] = (uint32_t)slot;
        if (w) weights[i] = w[i];
        sum = w ? ds_v3_axpy(w[i], dsi_load_r3(val + slot), sum) : ds_v3_add(sum, dsi_load_r3(val + slot));
    }
    dsi_store_r3(rec->values + at, sum);
    if (!dsi_all_finite(val + at, 3)) return 0;
    /* the rest of the last data node: never read */
    for (; i % 4; i++) slots[i] = 0;
    node[0].op = node[0].a = node[0].b = node[0].c = 0;
    node[1].op = DSI_CODE(op, 0);
    node[1].a = (uint32_t)n;
    node[1].b = (uint32_t)held;
    node[1].c = 0;
    rec->n_nodes += table + 2;
    rec->n_values = at + 3;
    *out = dsi_view3(rec, epoch | at);
    return 1;
}

/* the slots of a list that is no run, in data nodes; the first bad entry is refused. They are written
   behind the last node, into room that dsi_room has made, and count when n_nodes does. */
DSI_INLINE void dsi_put_list(ds_tape *tape, const ds_var *x, const ds_var3 *points, size_t n,
                             const char *name)
{
    uint32_t *const slots = (uint32_t *)(void *)(tape->rec.nodes + tape->rec.n_nodes);
    if (!dsi_take_slots(&tape->rec, x, points, n, slots))
        dsi_take_slots_slowly(tape, x, points, n, slots, name);
    tape->rec.n_nodes += (n + 3) / 4;
}

/* the node behind its lists; its constants so far are those from slot `held` on. The data node with the
   firsts, then the list node. Returns the result or, in debug mode, a dead variable. */
static ds_var dsi_end_list(ds_tape *tape, unsigned op, size_t n, const ds_real *w, uint32_t first_a,
                           uint32_t first_b, uint32_t flags, size_t held)
{
    const size_t width = op == DSI_OP_sum3 || op == DSI_OP_weighted_sum3 ? 3 : 1;
    dsi_list_view view;
    size_t result, i;
    /* weights stand last among the values held, at result - n */
    for (i = 0; w && i < n; i++) tape->rec.values[tape->rec.n_values++] = w[i];
    result = tape->rec.n_values;
    dsi_add_node(tape, 0, first_a, first_b, 0);
    view = dsi_view_list(dsi_add_node(tape, DSI_CODE(op, 0), n, result - held, flags));
    tape->rec.n_values += width;
    dsi_evaluate_list(op, &view, tape->rec.values + result - n, tape->rec.values, tape->rec.values,
                      tape->rec.values + result);
    return dsi_made(tape, result, width);
}

/* how many slots dsi_take_slots_slowly will hold */
static size_t dsi_count_constants(const ds_var *x, size_t n)
{
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += x[i].rec == NULL;
    return count;
}

/* xa and perhaps xb, or points; n > 0 for points. op: the operation; w [n] or NULL: its weights. Returns
   the result or a dead variable. A list that is a run costs two nodes whatever its length. */
static ds_var dsi_record_list(unsigned op, size_t n, const ds_real *w, const ds_var *xa, const ds_var *xb,
                              const ds_var3 *points)
{
    const char *const name = dsi_ops[op].name;
    const size_t table = (n + 3) / 4, width = points ? 3 : 1;
    size_t bad = n, i = 0, n_nodes, n_values, constants = 0;
    uint32_t first_a, first_b, flags = xb ? DSI_LIST_PAIR : 0;
    ds_tape *tape = points ? NULL : dsi_choose_tape(xa, n);
    /* the tape: that of the first entry, of either list, that has one */
    for (; points && i < n && !tape; i++) tape = points[i].rec ? dsi_tape_of(points[i].rec) : NULL;
    if (!tape && xb) tape = dsi_choose_tape(xb, n);
    if (!tape) return points ? dsi_view(NULL, DSI_NOWHERE) : dsi_fold_list(w, xa, xb, n);
    if (tape->error.code) return dsi_dead(tape);
    first_a = dsi_slot(dsi_entry(xa, points, 0));
    first_b = xb ? dsi_slot(xb[0]) : 0;
    /* runs need no table and hold no constants; any other list may hold some */
    if (points ? dsi_is_run(&tape->rec, NULL, points, n) : dsi_is_run(&tape->rec, xa, NULL, n))
        flags |= DSI_LIST_A_CONTIGUOUS;
    else if (!points) constants += dsi_count_constants(xa, n);
    if (xb && dsi_is_run(&tape->rec, xb, NULL, n)) flags |= DSI_LIST_B_CONTIGUOUS;
    else if (xb) constants += dsi_count_constants(xb, n);
    /* n fits a node's 32 bits with room to spare, so that the sums of sizes below cannot overflow */
    if (n > dsi_most_slots / 4) dsi_refuse_at(tape, DSIM_ERROR_OVERFLOW, n, name, ": entries: ");
    else if (w && (bad = dsi_first_non_finite(w, n)) < n)
        dsi_refuse_at(tape, DSIM_ERROR_NON_FINITE, bad, name, ": weight ");
    else
        dsi_room(tape, 2 + (flags & DSI_LIST_A_CONTIGUOUS ? 0 : table) +
                           (!xb || flags & DSI_LIST_B_CONTIGUOUS ? 0 : table),
                 constants + (w ? n : 0) + width, name);
    if (tape->error.code) return dsi_dead(tape);
    n_nodes = tape->rec.n_nodes;
    n_values = tape->rec.n_values;
    /* b before a, as dsi_view_list finds them */
    if (xb && !(flags & DSI_LIST_B_CONTIGUOUS)) dsi_put_list(tape, xb, NULL, n, name);
    if (!tape->error.code && !(flags & DSI_LIST_A_CONTIGUOUS)) {
        if (points) dsi_put_list(tape, NULL, points, n, name);
        else dsi_put_list(tape, xa, NULL, n, name);
    }
    if (tape->error.code) { /* nothing is half-written */
        tape->rec.n_nodes = n_nodes;
        tape->rec.n_values = n_values;
        return dsi_dead(tape);
    }
    return dsi_end_list(tape, op, n, w, first_a, first_b, flags, n_values);
}

/* x NULL with n > 0 is a caller's bug that has no tape to stick to: a constant NaN */
DIFFSIM_API ds_var (ds_sum)(const ds_var *x, size_t n)
{
    DIFFSIM_ASSERT(x || !n);
    return x || !n ? dsi_record_list(DSI_OP_sum, n, NULL, x, NULL, NULL) : ds_c((double)dsi_nan());
}

DIFFSIM_API ds_var (ds_weighted_sum)(const ds_real *w, const ds_var *x, size_t n)
{
    DIFFSIM_ASSERT((x && w) || !n);
    return (x && w) || !n ? dsi_record_list(DSI_OP_weighted_sum, n, w, x, NULL, NULL)
                          : ds_c((double)dsi_nan());
}

DIFFSIM_API ds_var (ds_dot)(const ds_var *a, const ds_var *b, size_t n)
{
    DIFFSIM_ASSERT((a && b) || !n);
    return (a && b) || !n ? dsi_record_list(DSI_OP_dot, n, NULL, a, b, NULL) : ds_c((double)dsi_nan());
}

/* the short way if it is open, else the long one, which repeats the sum from the start */
static ds_var3 dsi_record_sum3(unsigned op, size_t n, const ds_real *w, const ds_var3 *x)
{
    ds_var3 r;
    if (x->rec && dsi_sum3_shortly(dsi_tape_of(x->rec), op, n, w, x, &r)) return r;
    return dsi_as_r3(dsi_record_list(op, n, w, NULL, NULL, x));
}

DIFFSIM_API ds_var3 (ds_sum3)(const ds_var3 *x, size_t n)
{
    DIFFSIM_ASSERT(x && n);
    return x && n ? dsi_record_sum3(DSI_OP_sum3, n, NULL, x) : dsi_view3(NULL, DSI_NOWHERE);
}

DIFFSIM_API ds_var3 (ds_weighted_sum3)(const ds_real *w, const ds_var3 *x, size_t n)
{
    DIFFSIM_ASSERT(w && x && n);
    return w && x && n ? dsi_record_sum3(DSI_OP_weighted_sum3, n, w, x) : dsi_view3(NULL, DSI_NOWHERE);
}

/* Blocks. A block is a run of slots by construction, so its nodes hold first slots and sizes only.
   Constants are no blocks: every operand has a slot. */
static ds_var dsi_first_of(ds_vars block) { return dsi_view(block.rec, block.at); }

/* the tape of one to three blocks that are all good; NULL: they are not, and a tape, if there is any, has
   the error. An empty block is checked as well: its handle must be live, though it has no entry. */
static ds_tape *dsi_tape_of_blocks(const ds_vars *block, size_t n, const char *function)
{
    ds_tape *tape = NULL;
    size_t i;
    for (i = 0; i < n && !tape; i++) tape = block[i].rec ? dsi_tape_of(block[i].rec) : NULL;
    for (i = 0; tape && !tape->error.code && i < n; i++)
        dsi_check_operand(tape, dsi_first_of(block[i]), i + 1, function);
    return tape && !tape->error.code ? tape : NULL;
}

/* an empty block that is never valid */
static ds_vars dsi_dead_block(ds_recorder *rec) { return dsi_block_of(dsi_part(rec, 0), 0); }

/* Called by the inlined views of blocks and rows when an index is out of range. */
DIFFSIM_API ds_var dsi_bad_part(ds_recorder *rec, const char *function, size_t size, size_t first, size_t n)
{
    ds_tape *const tape = rec ? dsi_tape_of(rec) : NULL;
    if (tape && !tape->error.code) {
        dsi_text t = dsi_refuse(tape, DSIM_ERROR_ARGUMENT, first);
        dsi_put(&t, "ds_");
        dsi_put(&t, function);
        dsi_put(&t, ": ");
        dsi_put_size(&t, n);
        dsi_put(&t, n == 1 ? " entry from " : " entries from ");
        dsi_put_size(&t, first);
        dsi_put(&t, " of a block of ");
        dsi_put_size(&t, size);
        dsi_refused(tape, &t);
    }
    return dsi_part(rec, 0);
}

DIFFSIM_API ds_var3 (ds_column)(ds_var33 a, size_t j)
{
    if (j >= 3) return dsi_as_r3(dsi_bad_part(a.rec, "column", 3, j, 1));
    return (ds_pack3)((ds_m)(a, 0, j), (ds_m)(a, 1, j), (ds_m)(a, 2, j));
}

/* three sizes that do not fit, at the end of the sentence `what` */
DSI_APART ds_vars dsi_refuse_sizes(ds_tape *tape, const char *what, size_t m, size_t n, size_t k)
{
    dsi_text t = dsi_refuse(tape, DSIM_ERROR_ARGUMENT, n);
    dsi_put(&t, what);
    dsi_put_size(&t, m);
    dsi_put(&t, ", ");
    dsi_put_size(&t, n);
    dsi_put(&t, " and ");
    dsi_put_size(&t, k);
    dsi_refused(tape, &t);
    return dsi_dead_block(&tape->rec);
}

/* the list node of ds_dot with two runs */
DIFFSIM_API ds_var (ds_vars_dot)(ds_vars a, ds_vars b)
{
    ds_vars block[2];
    ds_tape *tape;
    block[0] = a;
    block[1] = b;
    tape = dsi_tape_of_blocks(block, 2, "vars_dot");
    if (!tape) return dsi_first_of(dsi_dead_block(a.rec ? a.rec : b.rec));
    if (a.n != b.n)
        return dsi_first_of(dsi_refuse_sizes(tape, "ds_vars_dot: a, b and their smaller have sizes ", a.n,
                                             b.n, dsi_least(a.n, b.n)));
    if (dsi_room(tape, 2, 1, "vars_dot")) return dsi_dead(tape);
    return dsi_end_list(tape, DSI_OP_dot, a.n, NULL, (uint32_t)a.at, (uint32_t)b.at,
                        DSI_LIST_PAIR | DSI_LIST_A_CONTIGUOUS | DSI_LIST_B_CONTIGUOUS, tape->rec.n_values);
}

/* out = w x + b; each sum in the order of a plain loop, four rows at a time so that they do not wait for
   each other. w [rows][columns], x [columns], b and out [rows]. */
static void dsi_affine_value(const ds_real *DSI_RESTRICT w, const ds_real *DSI_RESTRICT x,
                             const ds_real *DSI_RESTRICT b, ds_real *DSI_RESTRICT out, size_t rows,
                             size_t columns)
{
    size_t i = 0, j;
    for (; i + 4 <= rows; i += 4, w += 4 * columns) {
        const ds_real *const w1 = w + columns, *const w2 = w1 + columns, *const w3 = w2 + columns;
        ds_real s0 = b[i], s1 = b[i + 1], s2 = b[i + 2], s3 = b[i + 3];
        for (j = 0; j < columns; j++) {
            const ds_real xj = x[j];
            s0 += dsi_product(w[j], xj);
            s1 += dsi_product(w1[j], xj);
            s2 += dsi_product(w2[j], xj);
            s3 += dsi_product(w3[j], xj);
        }
        out[i] = s0;
        out[i + 1] = s1;
        out[i + 2] = s2;
        out[i + 3] = s3;
    }
    for (; i < rows; i++, w += columns) {
        out[i] = b[i];
        for (j = 0; j < columns; j++) out[i] += dsi_product(w[j], x[j]);
    }
}

/* the node {affine, w, x, b} has first slots; the sizes stand in the data node {rows, columns, -, -}
   before it */
DIFFSIM_API ds_vars (ds_affine)(ds_vars w, ds_vars x, ds_vars b)
{
    size_t product = 0, result;
    ds_vars block[3];
    ds_tape *tape;
    block[0] = w;
    block[1] = x;
    block[2] = b;
    tape = dsi_tape_of_blocks(block, 3, "affine");
    if (!tape) return dsi_dead_block(w.rec ? w.rec : x.rec ? x.rec : b.rec);
    if (ds_size_mul(b.n, x.n, &product) || product != w.n)
        return dsi_refuse_sizes(tape, "ds_affine: w must have b.n * x.n entries, but w, x and b have ", w.n,
                                x.n, b.n);
    if (dsi_room(tape, 2, b.n, "affine")) return dsi_dead_block(&tape->rec);
    dsi_add_node(tape, (uint32_t)b.n, x.n, 0, 0);
    dsi_add_node(tape, DSI_CODE(DSI_OP_affine, 0), (uint32_t)w.at, (uint32_t)x.at, (uint32_t)b.at);
    result = tape->rec.n_values;
    tape->rec.n_values += b.n;
    /* an affine map's parts may be views of one block; out is new and overlaps none */
    dsi_affine_value(tape->rec.values + (uint32_t)w.at, tape->rec.values + (uint32_t)x.at,
                     tape->rec.values + (uint32_t)b.at, tape->rec.values + result, b.n, x.n);
    return dsi_block_of(dsi_made(tape, result, b.n), b.n);
}

/* the node {vars_tanh, first slot, n, -} */
DIFFSIM_API ds_vars (ds_vars_tanh)(ds_vars x)
{
    ds_tape *const tape = dsi_tape_of_blocks(&x, 1, "vars_tanh");
    size_t i, result;
    if (!tape || dsi_room(tape, 1, x.n, "vars_tanh")) return dsi_dead_block(x.rec);
    dsi_add_node(tape, DSI_CODE(DSI_OP_vars_tanh, 0), (uint32_t)x.at, x.n, 0);
    result = tape->rec.n_values;
    tape->rec.n_values += x.n;
    for (i = 0; i < x.n; i++) tape->rec.values[result + i] = dsi_tanh(tape->rec.values[(uint32_t)x.at + i]);
    return dsi_block_of(dsi_made(tape, result, x.n), x.n);
}

/* Reverse. ds_backward seeds the adjoints and sweeps from the newest node that matters to the oldest. At a
   node with the result v and its adjoint g each operand x gains g dv/dx. Order of gains: nodes from new to
   old, in a node a, b, c: so the sums, and their bits, are always the same. */

/* an adjoint through an operation without a derivative; see DSI_NONE. NaN, also != 0, counts as an
   adjoint. */
DSI_INLINE ds_real dsi_no_derivative(ds_real adjoint, int *none)
{
    *none = adjoint != 0;
    return adjoint != 0 ? dsi_nan() : 0;
}

/* the zero of a derivative column: here an adjoint may be dropped, NaN or not */
DSI_INLINE ds_real dsi_zero(int *drops)
{
    *drops = 1;
    return 0;
}

/* n numbers that are all +0 or -0: integer arithmetic, because comparing floats takes three instructions
   each. The shift drops the sign. */
DSI_INLINE int dsi_all_zero(const ds_real *x, size_t n)
{
    size_t i;
    if (sizeof(ds_real) == 4) {
        uint32_t any = 0, bits;
        for (i = 0; i < n; i++) {
            memcpy(&bits, x + i, sizeof bits);
            any |= bits;
        }
        return any << 1 == 0;
    } else {
        uint64_t any = 0, bits;
        for (i = 0; i < n; i++) {
            memcpy(&bits, x + i, sizeof bits);
            any |= bits;
        }
        return any << 1 == 0;
    }
}

/* outputs overwrite, adjoints add */
DSI_INLINE void dsi_gain_r1(ds_real *to, ds_real x) { to[0] += x; }
DSI_INLINE void dsi_gain_r3(ds_real *to, ds_v3 v)
{
    to[0] += v.x;
    to[1] += v.y;
    to[2] += v.z;
}
DSI_INLINE void dsi_gain_r4(ds_real *to, ds_q4 q)
{
    to[0] += q.w;
    to[1] += q.x;
    to[2] += q.y;
    to[3] += q.z;
}
DSI_INLINE void dsi_gain_r9(ds_real *to, ds_m3 m)
{
    dsi_gain_r3(to, ds_m3_row(m, 0));
    dsi_gain_r3(to + 3, ds_m3_row(m, 1));
    dsi_gain_r3(to + 6, ds_m3_row(m, 2));
}

/* n rows (1 or 2) of w_bar += g x' and x_bar += w' g; two at a time save half the loads and stores of
   x_bar. The bars may overlap, being views of the user's choice. w, w_bar: at the first of the rows,
   [rows][columns]; x, x_bar [columns]; rows is a constant where this is inlined. */
DSI_INLINE void dsi_affine_bar(const ds_real *DSI_RESTRICT w, const ds_real *DSI_RESTRICT x, ds_real g0,
                               ds_real g1, ds_real *w_bar, ds_real *x_bar, size_t columns, int rows)
{
    size_t j;
    for (j = 0; j < columns; j++) {
        const ds_real xj = x[j];
        w_bar[j] += dsi_product(g0, xj);
        if (rows == 2) w_bar[columns + j] += dsi_product(g1, xj);
        x_bar[j] += dsi_product(g0, w[j]);
        if (rows == 2) x_bar[j] += dsi_product(g1, w[columns + j]);
    }
}

/* out = w x + b with the adjoint g of out [rows]: b_bar += g, then w_bar and x_bar row by row. Rows with g
   = 0, such as those that a relu behind cuts off, are skipped: they contribute nothing. */
static void dsi_reverse_affine(const dsi_node *node, const ds_real *DSI_RESTRICT val,
                               ds_real *DSI_RESTRICT adj, size_t result)
{
    const size_t rows = (node - 1)->op, n = (node - 1)->a;
    const ds_real *const w = val + node->a, *const x = val + node->b, *const g = adj + result;
    ds_real *const w_bar = adj + node->a, *const x_bar = adj + node->b;
    size_t i;
    for (i = 0; i < rows; i++) adj[node->c + i] += g[i];
    for (i = 0; i < rows; i++) {
        if (g[i] == 0) continue;
        if (i + 1 < rows && g[i + 1] != 0) {
            dsi_affine_bar(w + i * n, x, g[i], g[i + 1], w_bar + i * n, x_bar, n, 2);
            i++;
        } else {
            dsi_affine_bar(w + i * n, x, g[i], 0, w_bar + i * n, x_bar, n, 1);
        }
    }
}

/* v = tanh(x): x_bar += g (1 - v^2) */
static void dsi_reverse_vars_tanh(const dsi_node *node, const ds_real *DSI_RESTRICT v,
                                  ds_real *DSI_RESTRICT adj, size_t result)
{
    size_t i;
    for (i = 0; i < node->b; i++)
        if (adj[result + i] != 0)
            adj[node->a + i] += dsi_product(adj[result + i], 1 - dsi_product(v[result + i], v[result + i]));
}

/* Custom nodes. A function of the user's wants its inputs side by side, the tape has them anywhere. So the
   node keeps copies before its outputs: dsi_gather fills them (values before forward, tangents before
   tangent), dsi_scatter hands what they gained to the operands (after reverse and second). */

enum { DSI_FORWARD, DSI_REVERSE, DSI_TANGENT, DSI_SECOND };
/* the function of a type for one of the four purposes */
static ds_custom_function *dsi_custom_function(const ds_custom_type *type, int what)
{
    if (what == DSI_FORWARD) return type->forward;
    if (what == DSI_REVERSE) return type->reverse;
    return what == DSI_TANGENT ? type->tangent : type->second;
}

/* a checkpoint is a custom node whose functions run the body on the child tape. it lives on the stack of
   dsi_call_custom, for one call; its body gets the user pointer that ds_checkpoint was given */
typedef struct dsi_checkpoint { ds_tape *tape; ds_segment *body; void *user; } dsi_checkpoint;

/* calls one function of a custom node; tan and dot are what there is of tangents and moving adjoints. io
   points into the tape: the arrays must not move, so no function may record on it. */
static ds_result dsi_call_custom(ds_tape *tape, const dsi_node *node, size_t result, int what, ds_real *tan,
                                 ds_real *dot)
{
    const dsi_custom c = dsi_view_custom(node);
    const size_t in = result - c.n_in;
    dsi_checkpoint run;
    ds_custom_io io;
    memset(&io, 0, sizeof io);
    io.user = c.user;
    if (c.body) {
        run.tape = tape;
        run.body = c.body;
        run.user = c.user;
        io.user = &run;
    }
    io.n_in = c.n_in;
    io.n_out = c.n_out;
    io.in = tape->rec.values + in;
    io.out = tape->rec.values + result;
    /* in_bar are the adjoints of the copies: 0 until the function adds to them */
    if (what == DSI_REVERSE || what == DSI_SECOND) {
        io.out_bar = tape->adjoints + result;
        io.in_bar = tape->adjoints + in;
    }
    if (tan) {
        io.in_dot = tan + in;
        io.out_dot = tan + result;
    }
    if (dot) {
        io.out_bar_dot = dot + result;
        io.in_bar_dot = dot + in;
    }
    return dsi_custom_function(c.type, what)(&io);
}

/* copies[i] = numbers[slots[i]], unless it is a constant's own copy. copies: the slot of the first copy;
   numbers: values or tangents of the whole tape */
static void dsi_gather(const dsi_custom *c, ds_real *numbers, size_t copies)
{
    size_t i;
    for (i = 0; i < c->n_in; i++) numbers[copies + i] = numbers[c->slots[i]];
}

/* numbers[slots[i]] += copies[i]; a constant has no slot but its copy */
static void dsi_scatter(const dsi_custom *c, ds_real *numbers, size_t copies)
{
    size_t i;
    for (i = 0; i < c->n_in; i++)
        if (c->slots[i] != copies + i) numbers[c->slots[i]] += numbers[copies + i];
}

/* The node's part of a reverse sweep. Without a reverse function there is no derivative, which matters
   only where an adjoint arrives. */
static ds_result dsi_reverse_custom(ds_tape *tape, const dsi_node *node, size_t result, int *no_derivative)
{
    const dsi_custom c = dsi_view_custom(node);
    ds_result failed;
    if (!c.type->reverse) {
        *no_derivative = !dsi_all_zero(tape->adjoints + result, c.n_out);
        return DSIM_OK;
    }
    failed = dsi_call_custom(tape, node, result, DSI_REVERSE, NULL, NULL);
    if (!failed) dsi_scatter(&c, tape->adjoints, result - c.n_in);
    return failed;
}

/* what a sweep goes over, and what it found out. Sweeps of part of a tape, or over one row elsewhere in
   memory (dsi_find_partials), set the same fields. */
typedef struct dsi_sweep {
    ds_tape *tape;
    const dsi_node *nodes;
    const ds_real *values;
    ds_real *adjoints;
    size_t node, top; /* where it stopped, and the values before that node */
    int no_derivative; /* at that node */
    int non_finite; /* a leaf has such an adjoint */
    ds_result failed; /* what a custom node's function returned */
} dsi_sweep;

/* a sweep over the tape, with `top` values before the node where it begins */
static dsi_sweep dsi_sweep_of(ds_tape *tape, size_t top)
{
    dsi_sweep r;
    memset(&r, 0, sizeof r);
    r.tape = tape;
    r.nodes = tape->rec.nodes;
    r.values = tape->rec.values;
    r.adjoints = tape->adjoints;
    r.top = top;
    return r;
}

/* The reverse interpreter: the derivative columns of the table as cases of a switch over node->op, operation
   and constants together. Where a node's op is x * 2, b is a constant, and nothing is gained at its slot. For
   mul the case without constants is, with all macros gone,

       case DSI_CODE(DSI_OP_mul, 0): {
           const size_t result = top - 1;
           const ds_real v = val[result], g = adj[result], a = val[node->a], b = val[node->b];
           top = result;
           adj[node->a] += dsi_mul(g, b);
           adj[node->b] += dsi_mul(g, a);
           break;
       }

   In x * x both gains go to one slot, one after the other. none and drops are set by columns that call
   dsi_no_derivative and dsi_zero; in all other cases the compiler sees that they stay 0. */
#define DSI_NONE dsi_no_derivative(g, &none)
#undef DSI_ZERO
#define DSI_ZERO dsi_zero(&drops)
/* case DSI_OP_mul, no constants: g, v of the result, a, b of the operands; a and b gain what the table
   says. DSI_BEGIN finds where the result lies and loads g and v; DSI_END ends the case, or the sweep.
   DSI_CASE_n has one load for each operand and one gain for each that is no constant. */
#define DSI_BITS(constants) (((constants) & 1) + ((constants) >> 1 & 1) + ((constants) >> 2 & 1))
#define DSI_BEGIN(R, constants) \
    { \
        int none = 0, drops = 0; \
        const size_t result = top - DSI_WIDTH(R); \
        const DSI_TYPE_##R v = dsi_load_##R(val + result), g = dsi_load_##R(adj + result); \
        top = result - DSI_BITS(constants); \
        (void)v; \
        (void)g;
#define DSI_END(R) \
        if (drops && !careful && !dsi_all_finite(adj + result, DSI_WIDTH(R))) r->non_finite = 1; \
        if (none) { \
            r->no_derivative = 1; \
            goto stop; \
        } \
        break; \
    }
#define DSI_CASE_1(name, R, A, da) \
    case DSI_CODE(DSI_OP_##name, 0): \
        DSI_BEGIN(R, 0) \
        const DSI_TYPE_##A a = dsi_load_##A(val + node->a); \
        (void)a; \
        dsi_gain_##A(adj + node->a, da); \
        DSI_END(R)
#define DSI_CASE_2(cases, constants, R, A, B, da, db) \
    cases \
        DSI_BEGIN(R, constants) \
        const DSI_TYPE_##A a = dsi_load_##A(val + node->a); \
        const DSI_TYPE_##B b = dsi_load_##B(val + node->b); \
        (void)a; \
        (void)b; \
        if (!((constants) & 1)) dsi_gain_##A(adj + node->a, da); \
        if (!((constants) & 2)) dsi_gain_##B(adj + node->b, db); \
        DSI_END(R)
#define DSI_CASE_3(cases, constants, R, A, B, C, da, db, dc) \
    cases \
        DSI_BEGIN(R, constants) \
        const DSI_TYPE_##A a = dsi_load_##A(val + node->a); \
        const DSI_TYPE_##B b = dsi_load_##B(val + node->b); \
        const DSI_TYPE_##C c = dsi_load_##C(val + node->c); \
        (void)a; \
        (void)b; \
        (void)c; \
        if (!((constants) & 1)) dsi_gain_##A(adj + node->a, da); \
        if (!((constants) & 2)) dsi_gain_##B(adj + node->b, db); \
        if (!((constants) & 4)) dsi_gain_##C(adj + node->c, dc); \
        DSI_END(R)
/* Only numbers can be constants. Polynomials, the most frequent rows, have cases for choices of constants;
   any other row has one for all, for the sake of the time to compile. DSI_OFTEN_2 of mul gives three
   cases: no constant, a, b. DSI_SELDOM_2 of div gives one with three labels that tests the bits at run
   time. All operands constant is no case: dsi_fold keeps it off the tape. */
#define DSI_IF_r1(cases) cases
#define DSI_IF_r3(cases)
#define DSI_IF_r4(cases)
#define DSI_IF_r9(cases)
#define DSI_AS(name, constants) case DSI_CODE(DSI_OP_##name, constants):
#define DSI_AS_2(name, A, B) DSI_IF_##A(DSI_AS(name, 1)) DSI_IF_##B(DSI_AS(name, 2))
#define DSI_AS_3(name) \
    DSI_AS(name, 1) DSI_AS(name, 2) DSI_AS(name, 3) DSI_AS(name, 4) DSI_AS(name, 5) DSI_AS(name, 6)
#define DSI_OFTEN_2(name, R, A, B, da, db) \
    DSI_CASE_2(DSI_AS(name, 0), 0, R, A, B, da, db) \
    DSI_IF_##A(DSI_CASE_2(DSI_AS(name, 1), 1, R, A, B, da, db)) \
    DSI_IF_##B(DSI_CASE_2(DSI_AS(name, 2), 2, R, A, B, da, db))
#define DSI_SELDOM_2(name, R, A, B, da, db) \
    DSI_CASE_2(DSI_AS(name, 0) DSI_AS_2(name, A, B), node->op & 7u, R, A, B, da, db)
#define DSI_OFTEN_3(name, R, A, B, C, da, db, dc) \
    DSI_CASE_3(DSI_AS(name, 0), 0, R, A, B, C, da, db, dc) \
    DSI_CASE_3(DSI_AS_3(name), node->op & 7u, R, A, B, C, da, db, dc)
#define DSI_SELDOM_3(name, R, A, B, C, da, db, dc) \
    DSI_CASE_3(DSI_AS(name, 0) DSI_AS_3(name), node->op & 7u, R, A, B, C, da, db, dc)
#define DSI_CASES_2_DSI_TERMS(...) DSI_OFTEN_2
#define DSI_CASES_2_DSI_FLAT DSI_SELDOM_2
#define DSI_CASES_2_DSI_CURVED DSI_SELDOM_2
#define DSI_CASES_3_DSI_TERMS(...) DSI_OFTEN_3
#define DSI_CASES_3_DSI_FLAT DSI_SELDOM_3
#define DSI_CASES_3_DSI_CURVED DSI_SELDOM_3
#define DSI_EACH_1(name, R, A, da, shape) DSI_CASE_1(name, R, A, da)
#define DSI_EACH_2(name, R, A, B, da, db, shape) DSI_CASES_2_##shape (name, R, A, B, da, db)
#define DSI_EACH_3(name, R, A, B, C, da, db, dc, shape) DSI_CASES_3_##shape (name, R, A, B, C, da, db, dc)

/* Walks from node `end` down to `begin`, with r->top values before `end`. The rule that a zero adjoint
   contributes nothing matters only where a partial derivative is not finite: then 0 * inf = NaN arrives at
   the leaves. So the first sweep goes without looking; if it ends badly, a careful one looks at each
   adjoint. Where both end well they agree bit for bit, since adding 0 * finite = +-0 to a sum that began
   as +0 changes nothing. (Columns with a zero can drop a NaN on its way: they look.) Node end - 1 must not
   be a data node. The stop at `none` leaves in r->node the operation without a derivative, with its gain,
   a NaN, already handed on. */
static void dsi_run_sweep(dsi_sweep *r, size_t begin, size_t end, int careful)
{
    const dsi_node *const nodes = r->nodes;
    const ds_real *DSI_RESTRICT const val = r->values;
    ds_real *DSI_RESTRICT const adj = r->adjoints;
    const dsi_node *node = nodes + end;
    size_t top = r->top;
    while (node > nodes + begin) {
        node--;
        /* the rule: a zero adjoint, and the node is passed over, its columns not evaluated */
        if (careful && node->op / 8u < DSI_OP_sum) {
            const size_t width = dsi_ops[node->op / 8u].width;
            if (dsi_all_zero(adj + top - width, width)) {
                top -= width + dsi_bit_count3(node->op);
                continue;
            }
        }
        switch (node->op) {
        DSI_EVERY_DERIVATIVE
        /* what is not finite arrives here, unless a column with a zero drops it on the way */
        case DSI_CODE(DSI_OP_leaves, 0):
            top -= node->a;
            if (!dsi_all_finite(adj + top, node->a)) r->non_finite = 1;
            break;
        case DSI_CODE(DSI_OP_epoch, 0):
        case DSI_CODE(DSI_OP_branch, 0):
            break;
        /* a custom node is asked only if an adjoint arrives; the rule holds for it in quick sweeps, too */
        case DSI_CODE(DSI_OP_custom, 0):
            top -= node->b;
            if (!dsi_all_finite(adj + top, node->b)) { /* no function gets such bars */
                r->non_finite = 1;
                goto stop;
            }
            if (!dsi_all_zero(adj + top, node->b))
                r->failed = dsi_reverse_custom(r->tape, node, top, &r->no_derivative);
            top -= node->a;
            if (r->failed || r->no_derivative) goto stop;
            node -= dsi_view_custom(node).data;
            break;
        case DSI_CODE(DSI_OP_affine, 0):
            top -= (node - 1)->op;
            dsi_reverse_affine(node, val, adj, top);
            node--;
            break;
        case DSI_CODE(DSI_OP_vars_tanh, 0):
            top -= node->b;
            dsi_reverse_vars_tanh(node, val, adj, top);
            break;
        /* lists: all that is left */
        default: {
            const dsi_list_view list = dsi_view_list(node);
            top -= list.width;
            dsi_reverse_list(node->op / 8u, &list, val + top - list.n, val, adj + top, adj);
            top -= list.held;
            node -= list.data;
        }
        }
    }
/* node, top: where the sweep stands; on success `begin` and the values before it */
stop:
    r->node = (size_t)(node - nodes);
    r->top = top;
}
#undef DSI_NONE
#undef DSI_ZERO
#define DSI_ZERO DSI_K(0.0)
#undef DSI_BITS
#undef DSI_BEGIN
#undef DSI_END
#undef DSI_CASE_1
#undef DSI_CASE_2
#undef DSI_CASE_3
#undef DSI_CASES_2_DSI_TERMS
#undef DSI_CASES_2_DSI_FLAT
#undef DSI_CASES_2_DSI_CURVED
#undef DSI_CASES_3_DSI_TERMS
#undef DSI_CASES_3_DSI_FLAT
#undef DSI_CASES_3_DSI_CURVED
#undef DSI_OFTEN_2
#undef DSI_SELDOM_2
#undef DSI_OFTEN_3
#undef DSI_SELDOM_3
#undef DSI_AS_2
#undef DSI_AS_3
#undef DSI_IF_r1
#undef DSI_IF_r3
#undef DSI_IF_r4
#undef DSI_IF_r9
#undef DSI_AS
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* All adjoints 0 but those of f, which are the seeds. An output that occurs twice gets both. */
static void dsi_seed(ds_tape *tape, const ds_var *f, const ds_real *seeds, size_t n)
{
    size_t i;
    memset(tape->adjoints, 0, tape->rec.n_values * sizeof *tape->adjoints);
    for (i = 0; i < n; i++)
        if (f[i].rec) tape->adjoints[dsi_slot(f[i])] += seeds[i];
}

/* a number that is not finite came from somewhere: follow it to the first operation that made one of
   finite operands. numbers: the values of the tape or their tangents. The node, and *top behind its
   result. slot: of a number that is not finite. Each round goes to the first operand that is not finite,
   as long as there is one before this node: a node that holds such a constant itself is the culprit. */
static size_t dsi_first_non_finite_node(const ds_tape *tape, const ds_real *numbers, size_t slot, size_t *top)
{
    size_t k = tape->rec.n_nodes, i, from = slot;
    dsi_extent e;
    *top = tape->rec.n_values;
    do {
        slot = from;
        k = dsi_find_node(tape, k, top, slot) + 1;
        e = dsi_extent_of(tape->rec.nodes + k - 1);
        for (i = 0; (from = dsi_operand_slot(tape->rec.nodes + k - 1, i)) != (size_t)-1; i++)
            if (!dsi_is_finite(numbers[from])) break;
    } while (from != (size_t)-1 && from < *top - e.width - e.held);
    return k - 1;
}

/* the value at `slot` is not finite: names the operation that made it of finite operands */
DSI_APART ds_result dsi_blame_value(ds_tape *tape, size_t slot)
{
    size_t top;
    const size_t k = dsi_first_non_finite_node(tape, tape->rec.values, slot, &top);
    dsi_text t = dsi_refuse(tape, DSIM_ERROR_NON_FINITE, k);
    dsi_put(&t, "ds_backward: first non-finite value: ");
    dsi_describe(tape, &t, k, top);
    return dsi_refused(tape, &t);
}

/* sweep again, node by node, to the first that makes a non-finite adjoint of a finite one. f, seeds, n: as
   for dsi_seed; k, top: where the sweep begins. DSIM_OK if none does. */
DSI_APART ds_result dsi_blame_adjoint(ds_tape *tape, const ds_var *f, const ds_real *seeds, size_t n,
                                      size_t k, size_t top)
{
    dsi_sweep r = dsi_sweep_of(tape, top);
    dsi_text t;
    dsi_seed(tape, f, seeds, n);
    while (k) {
        const size_t before = r.top, now = k - 1;
        const dsi_node *const node = tape->rec.nodes + now;
        size_t i, slot;
        k = now - dsi_extent_of(node).data;
        /* one node at a time: slower, but it stops at the first */
        dsi_run_sweep(&r, k, now + 1, 1);
        for (i = 0; (slot = dsi_operand_slot(node, i)) != (size_t)-1; i++) {
            if (dsi_is_finite(tape->adjoints[slot])) continue;
            t = dsi_refuse(tape, DSIM_ERROR_NON_FINITE, now);
            dsi_put(&t, "ds_backward: first non-finite adjoint: ");
            dsi_describe(tape, &t, now, before);
            dsi_put(&t, ", adjoint ");
            dsi_put_real(&t, (double)tape->adjoints[before - dsi_extent_of(node).width]);
            return dsi_refused(tape, &t);
        }
    }
    return DSIM_OK;
}

/* the tape of f, or the reason why there is none; which is DSIM_OK for a tape with an error. f, seeds [n].
   Constants among f are passed over; all of them constants: NO_RECORDER. */
static ds_result dsi_check_outputs(const ds_var *f, const ds_real *seeds, size_t n, ds_tape **tape)
{
    size_t i;
    *tape = f && seeds ? dsi_choose_tape(f, n) : NULL;
    if (!*tape) return f && seeds && n ? DSIM_ERROR_NO_RECORDER : DSIM_ERROR_ARGUMENT;
    if ((*tape)->error.code) return (*tape)->error.code;
    if (dsi_refuse_symbolic(*tape, "backward")) return (*tape)->error.code;
    for (i = 0; i < n; i++) {
        if (f[i].rec && dsi_check_operand(*tape, f[i], i + 1, "backward")) return (*tape)->error.code;
        if (!dsi_is_finite(seeds[i]))
            return dsi_refuse_at(*tape, DSIM_ERROR_NON_FINITE, i, "backward", ": seed ");
        if (f[i].rec && !dsi_is_finite((*tape)->rec.values[dsi_slot(f[i])]))
            return dsi_blame_value(*tape, dsi_slot(f[i]));
    }
    return DSIM_OK;
}

/* At most two sweeps: a quick one, and a careful one if that ends badly. The tape remembers: its next
   sweeps are careful from the start. */
DIFFSIM_API ds_result (ds_backward_many)(const ds_var *f, const ds_real *seeds, size_t n)
{
    ds_tape *tape;
    ds_result result = dsi_check_outputs(f, seeds, n, &tape);
    dsi_sweep r;
    size_t i, last = 0, top, k;
    if (result) return result;
    tape->n_gradients = 0;
    tape->gradient_of = 0; /* no handle of a variable is 0 */
    result = dsi_grow_adjoints(tape);
    if (result) return dsi_refuse_at(tape, result, tape->rec.n_values, "backward", ": adjoints wanted: ");
    dsi_seed(tape, f, seeds, n);
    /* seeds may be finite and their sum not */
    for (i = 0; i < n; i++) {
        if (!f[i].rec) continue;
        if (!dsi_is_finite(tape->adjoints[dsi_slot(f[i])]))
            return dsi_refuse_at(tape, DSIM_ERROR_NON_FINITE, i, "backward", ": sum of seeds of output ");
        if (dsi_slot(f[i]) > last) last = dsi_slot(f[i]);
    }
    /* adjoints behind the last output stay 0 */
    top = tape->rec.n_values;
    k = dsi_find_node(tape, tape->rec.n_nodes, &top, last) + 1; /* later nodes have no part */
    /* a careful sweep is the last; a quick one, too, if it ended well or a custom node failed */
    for (;; dsi_seed(tape, f, seeds, n)) {
        const int careful = tape->careful;
        r = dsi_sweep_of(tape, top);
        dsi_run_sweep(&r, 0, k, careful);
        tape->careful |= r.no_derivative || r.non_finite;
        if (careful || !tape->careful || r.failed) break;
    }
    if (r.failed && tape->error.code) return tape->error.code; /* the body of a checkpoint has said it */
    if (r.no_derivative || r.failed) {
        const dsi_extent taken = dsi_extent_of(tape->rec.nodes + r.node);
        dsi_text t =
            dsi_refuse(tape, r.failed ? DSIM_ERROR_CALLBACK : DSIM_ERROR_NOT_DIFFERENTIABLE, r.node);
        dsi_put(&t, "ds_backward: ");
        dsi_describe(tape, &t, r.node, r.top + taken.held + taken.width);
        return dsi_refused(tape, &t);
    }
    if (r.non_finite) return dsi_blame_adjoint(tape, f, seeds, n, k, top);
    tape->n_gradients = tape->rec.n_values;
    return DSIM_OK;
}

/* Remembers which f it was: second derivatives and ds_explain need not sweep again. */
DIFFSIM_API ds_result (ds_backward)(ds_var f)
{
    const ds_real one = 1;
    const ds_result result = ds_backward_many(&f, &one, 1);
    if (!result) dsi_tape_of(f.rec)->gradient_of = f.at;
    return result;
}

/* Forward. Sweeps from old to new need to know where results lie before they come to them. dsi_find_steps
   walks back once and writes it down; ds_forward, Hessians, ds_explain and replays go over that order. */

/* finds the order of the nodes. Nothing to do if the tape has not changed: the same nodes, values and
   epoch. Result: steps.all[first .. n - 1]. Errors: no memory, which becomes an error of the tape. */
static ds_result dsi_find_steps(ds_tape *tape, const char *function)
{
    dsi_steps *const steps = &tape->steps;
    size_t k = tape->rec.n_nodes, top = tape->rec.n_values, i = k;
    /* steps->n is 0 until an order was found */
    if (steps->n && steps->n_nodes == k && steps->n_values == top && steps->epoch == tape->rec.epoch)
        return DSIM_OK;
    if (k > steps->capacity) {
        void *all = steps->all;
        const ds_result result = dsi_grow(&tape->desc.allocator, &all, &steps->capacity, tape->cap_nodes,
                                          tape->cap_nodes, sizeof *steps->all);
        steps->all = (dsi_step *)all;
        if (result) return dsi_refuse_at(tape, result, k, function, ": the order of the nodes, so many: ");
    }
    steps->others = 0;
    while (k--) {
        const dsi_extent e = dsi_extent_of(tape->rec.nodes + k);
        const unsigned op = tape->rec.nodes[k].op / 8u;
        top -= e.width;
        if (op != DSI_OP_epoch) {
            steps->others += op == DSI_OP_affine || op == DSI_OP_vars_tanh || op == DSI_OP_custom;
            i--;
            steps->all[i].node = (uint32_t)k;
            steps->all[i].result = (uint32_t)top;
        }
        top -= e.held;
        k -= e.data;
    }
    steps->first = i;
    steps->n = steps->n_nodes = tape->rec.n_nodes;
    steps->n_values = tape->rec.n_values;
    steps->epoch = tape->rec.epoch;
    return DSIM_OK;
}

/* Motion: how the values of a tape move when variables do (tangents), and how its adjoints do then. Along n
   directions at once, numbers stand as [slot][n]. Rows that are polynomials move by their terms,

       v += s a b:   v' += s (b a' + a b'),   a_bar' += s (b v_bar' + v_bar b'),   b_bar' likewise,

   any others by their partial derivatives, which the reverse sweep over that row alone gives, and by the
   tangents of those, its derivative columns read as dual numbers. Griewank and Walther 2008, ch. 5. val,
   adj [slot]; tan, dot [slot][n]: tangents of val and of adj, dot NULL if only values move. */
typedef struct dsi_motion {
    ds_tape *tape;
    const ds_real *val, *adj;
    ds_real *tan, *dot;
    size_t n; /* 1, or a multiple of DSI_ABREAST */
    size_t at; /* the node that failed */
} dsi_motion;

/* a row that is not a polynomial. At most a matrix goes in and comes out (inverse33). */
enum { DSI_MOST_IN = 9, DSI_MOST_OUT = 9 };
typedef struct dsi_partials {
    size_t n_in, n_out, slot[DSI_MOST_IN];
    int constant[DSI_MOST_IN]; /* held by the node: does not move */
    ds_real x[DSI_MOST_IN + DSI_MOST_OUT]; /* operands, result */
    ds_real by[DSI_MOST_OUT][DSI_MOST_IN]; /* d result[o] / d x[i] */
    ds_real curve[DSI_MOST_IN][DSI_MOST_IN]; /* sum over o of adjoint[o] d2 result[o] / d x[i] d x[j] */
} dsi_partials;

/* NaN where there is no derivative: a select or a zero factor later drops it, anything else shows it.
   Fills p but for the curvature. The node is copied into a tape of its own, one row long: operands at x[0
   .. n_in), the result behind them. A reverse sweep from each component o of the result with the adjoint 1
   gives the row by[o]. An operand that occurs twice, as in hypot(x, x), has two places here and so two
   partials; both lead to the same slot. Partials by constants stay 0. */
static void dsi_find_partials(const dsi_node *node, size_t result, const ds_real *val, dsi_partials *p)
{
    const dsi_op_info *const op = dsi_ops + node->op / 8u;
    const uint32_t from[3] = { node->a, node->b, node->c };
    uint32_t to[3] = { 0, 0, 0 };
    ds_real bar[DSI_MOST_IN + DSI_MOST_OUT];
    dsi_node row = *node;
    dsi_sweep sweep;
    size_t i, k, o;
    p->n_in = 0;
    for (k = 0; k < op->operands; k++) {
        to[k] = (uint32_t)p->n_in;
        for (i = 0; i < dsi_widths[op->kind[k]]; i++, p->n_in++) {
            p->slot[p->n_in] = from[k] + i;
            p->constant[p->n_in] = (int)(node->op >> k & 1);
            p->x[p->n_in] = val[from[k] + i];
        }
    }
    row.a = to[0];
    row.b = to[1];
    row.c = to[2];
    p->n_out = op->width;
    memcpy(p->x + p->n_in, val + result, p->n_out * sizeof *val);
    memset(&sweep, 0, sizeof sweep);
    sweep.nodes = &row;
    sweep.values = p->x;
    sweep.adjoints = bar;
    /* bar is [n_in + n_out], as x: adjoints of operands, then of the result */
    for (o = 0; o < p->n_out; o++) {
        memset(bar, 0, sizeof bar);
        bar[p->n_in + o] = 1;
        sweep.top = p->n_in + p->n_out;
        dsi_run_sweep(&sweep, 0, 1, 0);
        memcpy(p->by[o], bar, p->n_in * sizeof *bar);
    }
}

/* curve[i][j] of the result's adjoint g [n_out]: row i is how the gains move along unit vector i, see
   dsi_curve. Constants do not move, so their rows are 0. */
static void dsi_find_curvature(const dsi_node *node, const ds_real *g, dsi_partials *p)
{
    ds_real direction[DSI_MOST_IN] = { 0 }, v_dot[DSI_MOST_OUT];
    size_t i, o;
    for (i = 0; i < p->n_in; i++) {
        memset(p->curve[i], 0, sizeof p->curve[i]);
        if (p->constant[i]) continue;
        direction[i] = 1;
        for (o = 0; o < p->n_out; o++) v_dot[o] = p->by[o][i];
        dsi_curve(node->op / 8u, p->x, direction, p->x + p->n_in, v_dot, g, p->curve[i]);
        direction[i] = 0;
    }
}

/* the lists and blocks: all linear but dot, affine and tanh. Sum of w[i] x'[i]; for dot, sum of x'[i] y[i]
   and then of x[i] y'[i]: the same loops with tangents in place of values. val, tan [slot], one direction */
static void dsi_move_list(const dsi_node *node, size_t result, const ds_real *val, ds_real *tan)
{
    const dsi_list_view s = dsi_view_list(node);
    const ds_real *const w = val + result - s.n;
    const unsigned op = node->op / 8u;
    ds_real d[3];
    dsi_evaluate_list(op, &s, w, tan, val, d);
    if (s.width == 3) dsi_gain_r3(tan + result, dsi_load_r3(d));
    else tan[result] += d[0];
    if (op != DSI_OP_dot) return;
    dsi_evaluate_list(op, &s, w, val, tan, d);
    tan[result] += d[0];
}

/* v' = b' + w' x + w x', each [rows], one direction */
static void dsi_move_affine(const dsi_node *node, size_t result, const ds_real *val, ds_real *tan)
{
    const size_t rows = (node - 1)->op, n = (node - 1)->a, x = node->b;
    size_t w = node->a, i, j;
    for (i = 0; i < rows; i++, w += n) {
        ds_real sum = tan[node->c + i];
        for (j = 0; j < n; j++)
            sum += dsi_product(val[x + j], tan[w + j]) + dsi_product(val[w + j], tan[x + j]);
        tan[result + i] += sum;
    }
}

/* 1 - v^2, the derivative of v = tanh(x). of the result, so no tanh is computed again */
DSI_INLINE ds_real dsi_tanh_slope(ds_real v) { return 1 - dsi_product(v, v); }

/* Without a tangent function the outputs move by NaN, if an input moves at all; and if it moves by what is
   not finite, which no function gets. The tangents of the copies are filled first, and stay for the sweep
   back, which wants them as in_dot. */
static ds_result dsi_move_custom(ds_tape *tape, const dsi_node *node, size_t result, ds_real *tan)
{
    const dsi_custom c = dsi_view_custom(node);
    size_t i;
    dsi_gather(&c, tan, result - c.n_in);
    if (dsi_all_zero(tan + result - c.n_in, c.n_in)) return DSIM_OK;
    if (c.type->tangent && dsi_all_finite(tan + result - c.n_in, c.n_in))
        return dsi_call_custom(tape, node, result, DSI_TANGENT, tan, NULL);
    for (i = 0; i < c.n_out; i++) tan[result + i] = dsi_nan();
    return DSIM_OK;
}

/* blocks and custom nodes, one direction. CALLBACK if a custom node's function returns an error */
static ds_result dsi_move_other(const dsi_motion *m, const dsi_node *node, size_t result)
{
    const ds_real *const val = m->val;
    size_t i;
    switch (node->op / 8u) {
    case DSI_OP_affine: dsi_move_affine(node, result, val, m->tan); break;
    case DSI_OP_vars_tanh:
        for (i = 0; i < node->b; i++)
            m->tan[result + i] += dsi_product(dsi_tanh_slope(val[result + i]), m->tan[node->a + i]);
        break;
    case DSI_OP_custom: return dsi_move_custom(m->tape, node, result, m->tan) ? DSIM_ERROR_CALLBACK : DSIM_OK;
    default: break;
    }
    return DSIM_OK;
}

/* One direction. Of a linear list the adjoints move as they do in reverse, with dot for adj; of a dot
   product a_bar' += b g' + b' g and b_bar' likewise, g the adjoint of the result. */
static void dsi_move_adjoint_list(const dsi_node *node, size_t result, const ds_real *val, const ds_real *adj,
                                  const ds_real *tan, ds_real *dot)
{
    const dsi_list_view s = dsi_view_list(node);
    const ds_real *const w = val + result - s.n;
    const unsigned op = node->op / 8u;
    dsi_reverse_list(op, &s, w, val, dot + result, dot);
    if (op == DSI_OP_dot) dsi_reverse_list(op, &s, w, tan, adj + result, dot);
}

/* w_bar += g x',  x_bar += w' g,  b_bar += g. So with a dot for the motion along the direction: w_bar' +=
   g' x + g x', x_bar' += w g' + w' g (here ' is motion, not the transpose). */
static void dsi_move_adjoint_affine(const dsi_node *node, size_t result, const ds_real *val,
                                    const ds_real *adj, const ds_real *tan, ds_real *dot)
{
    const size_t rows = (node - 1)->op, n = (node - 1)->a, x = node->b;
    size_t w = node->a, i, j;
    for (i = 0; i < rows; i++, w += n) {
        const ds_real g = adj[result + i], g_dot = dot[result + i];
        dot[node->c + i] += g_dot;
        for (j = 0; j < n; j++) {
            dot[w + j] += dsi_product(g_dot, val[x + j]) + dsi_product(g, tan[x + j]);
            dot[x + j] += dsi_product(g_dot, val[w + j]) + dsi_product(g, tan[w + j]);
        }
    }
}

/* v = tanh(x), s = 1 - v^2:  x_bar += g s,  s' = -2 v s x'. So x_bar' += s g' - 2 v g s x'; `bend` is 2 v
   g s. */
static void dsi_move_adjoint_tanh(const dsi_node *node, size_t result, const ds_real *val, const ds_real *adj,
                                  const ds_real *tan, ds_real *dot)
{
    size_t i;
    for (i = 0; i < node->b; i++) {
        const ds_real v = val[result + i], slope = dsi_tanh_slope(v);
        const ds_real bend = dsi_product(dsi_product(2 * v, adj[result + i]), slope);
        dot[node->a + i] += dsi_product(slope, dot[result + i]) - dsi_product(bend, tan[node->a + i]);
    }
}

/* The node's part of the sweep back: NOT_DIFFERENTIABLE without a second function, if any adjoint arrives;
   NaN to the inputs where what would go in is not finite, which no function gets. */
static ds_result dsi_move_adjoint_custom(const dsi_motion *m, const dsi_node *node, size_t result)
{
    const dsi_custom c = dsi_view_custom(node);
    const size_t in = result - c.n_in;
    size_t i;
    if (dsi_all_zero(m->adj + result, c.n_out) && dsi_all_zero(m->dot + result, c.n_out)) return DSIM_OK;
    if (!c.type->second) return DSIM_ERROR_NOT_DIFFERENTIABLE;
    if (!dsi_all_finite(m->tan + in, c.n_in) || !dsi_all_finite(m->dot + result, c.n_out))
        for (i = 0; i < c.n_in; i++) m->dot[in + i] = dsi_nan();
    else if (dsi_call_custom(m->tape, node, result, DSI_SECOND, m->tan, m->dot)) return DSIM_ERROR_CALLBACK;
    dsi_scatter(&c, m->dot, in);
    return DSIM_OK;
}

/* blocks and custom nodes, one direction */
static ds_result dsi_move_adjoint_other(const dsi_motion *m, const dsi_node *node, size_t result)
{
    switch (node->op / 8u) {
    case DSI_OP_affine: dsi_move_adjoint_affine(node, result, m->val, m->adj, m->tan, m->dot); break;
    case DSI_OP_vars_tanh: dsi_move_adjoint_tanh(node, result, m->val, m->adj, m->tan, m->dot); break;
    case DSI_OP_custom: return dsi_move_adjoint_custom(m, node, result);
    default: break;
    }
    return DSIM_OK;
}

/* The sweeps. What several directions do, they do DSI_ABREAST at a time, in loops of fixed length that become
   a few vector instructions; there is a copy for each instruction set, with the same bits. A zero contributes
   nothing, whatever it is multiplied by: that rule takes looking at each number, which `careful` sweeps along
   one direction do; the others are for when no number turns out not to be finite. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

/* QUICKLY: one direction, each number multiplied and added. CAREFULLY: one direction, and a zero factor
   gives zero even times NaN or infinity. TOGETHER: n directions, as QUICKLY in each. The pace is a
   constant where the functions below are inlined, so each gets a loop of its own. */
enum dsi_pace { DSI_QUICKLY, DSI_CAREFULLY, DSI_TOGETHER };

/* DSI_ABREAST numbers. A vector type of the compiler's where there is one: it is aligned as a number,
   since [slot][n] has no better, and aliases numbers. Elsewhere, and where products of two ds_real are of a
   wider type (x87, float on s390x), k counts in a loop of fixed length. */
#if defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__) && FLT_EVAL_METHOD == 0
typedef ds_real dsi_abreast
    __attribute__((vector_size(DSI_ABREAST * sizeof(ds_real)), aligned(sizeof(ds_real)), may_alias));
#define DSI_GAIN_ABREAST(y, gain) *(dsi_abreast *)(y) += gain
#define DSI_ALL(x) (*(const dsi_abreast *)(x))
#else
#define DSI_GAIN_ABREAST(y, gain) for (k = 0; k < DSI_ABREAST; k++) (y)[k] += gain
#define DSI_ALL(x) ((x)[k])
#endif

/* y += p x + q z, each [n]. n is used by TOGETHER alone, a multiple of DSI_ABREAST. The sums are plain *
   and +: within these pragmas nothing is fused. */
DSI_INLINE void dsi_gain_two(enum dsi_pace pace, size_t n, ds_real *y, ds_real p, const ds_real *x, ds_real q,
                             const ds_real *z)
{
    size_t i, k;
    (void)k;
    if (pace == DSI_QUICKLY) y[0] += p * x[0] + q * z[0];
    else if (pace == DSI_CAREFULLY)
        y[0] += (p != 0 && x[0] != 0 ? p * x[0] : 0) + (q != 0 && z[0] != 0 ? q * z[0] : 0);
    else
        for (i = 0; i < n; i += DSI_ABREAST) DSI_GAIN_ABREAST(y + i, p * DSI_ALL(x + i) + q * DSI_ALL(z + i));
}

/* y += p x, each [n] */
DSI_INLINE void dsi_gain_one(enum dsi_pace pace, size_t n, ds_real *y, ds_real p, const ds_real *x)
{
    size_t i, k;
    (void)k;
    if (pace == DSI_QUICKLY) y[0] += p * x[0];
    else if (pace == DSI_CAREFULLY) y[0] += p != 0 && x[0] != 0 ? p * x[0] : 0;
    else
        for (i = 0; i < n; i += DSI_ABREAST) DSI_GAIN_ABREAST(y + i, p * DSI_ALL(x + i));
}

/* polynomials along one direction, not careful: straight code. 0: the row is none. The terms of mul, DSI_T(0,
   +, a, 0, b, 0), become

       case DSI_OP_mul:
           v_dot[0] += + (val[node->b + 0] * tan[node->a + 0] + val[node->a + 0] * tan[node->b + 0]);
           return 1;

   and DSI_DROP eats the () behind. Constants need no care: their slots have tangent 0, and what the motion
   of their adjoints gains is never read. */
#define DSI_WHEN_DSI_TERMS(...) __VA_ARGS__ return 1; DSI_DROP
#define DSI_WHEN_DSI_FLAT return 0; DSI_DROP
#define DSI_WHEN_DSI_CURVED DSI_WHEN_DSI_FLAT
#define DSI_EACH_1(name, R, A, da, shape) case DSI_OP_##name: DSI_WHEN_##shape ()
#define DSI_EACH_2(name, R, A, B, da, db, shape) case DSI_OP_##name: DSI_WHEN_##shape ()
#define DSI_EACH_3(name, R, A, B, C, da, db, dc, shape) case DSI_OP_##name: DSI_WHEN_##shape ()
#define DSI_T(out, sign, x, i, y, j) \
    v_dot[out] += sign (val[node->y + j] * tan[node->x + i] + val[node->x + i] * tan[node->y + j]);
#define DSI_U(out, sign, x, i) v_dot[out] += sign tan[node->x + i];
/* v_dot: tan at the result's slot. It is added to, so a result that is itself a direction's variable keeps
   its part. */
DSI_INLINE int dsi_move_polynomial(const dsi_node *node, const ds_real *DSI_RESTRICT val,
                                   const ds_real *DSI_RESTRICT tan, ds_real *DSI_RESTRICT v_dot)
{
    switch (node->op / 8u) {
    DSI_EVERY_DERIVATIVE
    default: return 0;
    }
}
#undef DSI_T
#undef DSI_U
/* The same terms as derivatives of v' = s (b a' + a b') and of v = s a b: with g the adjoint of v, g_dot its
   motion,
       a_bar' += s (b g_dot + g b'),   b_bar' += s (a g_dot + g a') */
#define DSI_T(out, sign, x, i, y, j) \
    dot[node->x + i] += sign (val[node->y + j] * g_dot[out] + g[out] * tan[node->y + j]); \
    dot[node->y + j] += sign (val[node->x + i] * g_dot[out] + g[out] * tan[node->x + i]);
#define DSI_U(out, sign, x, i) dot[node->x + i] += sign g_dot[out];
DSI_INLINE int dsi_move_polynomial_adjoint(const dsi_node *node, const ds_real *DSI_RESTRICT val,
                                           const ds_real *DSI_RESTRICT tan, const ds_real *DSI_RESTRICT g,
                                           const ds_real *DSI_RESTRICT g_dot, ds_real *DSI_RESTRICT dot)
{
    switch (node->op / 8u) {
    DSI_EVERY_DERIVATIVE
    default: return 0;
    }
}
#undef DSI_T
#undef DSI_U
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_WHEN_DSI_TERMS
#undef DSI_WHEN_DSI_FLAT
#undef DSI_WHEN_DSI_CURVED
#undef DSI_KEEP
#undef DSI_DROP

/* slots of a term */
typedef struct dsi_slots_of_term { size_t out, x, y; } dsi_slots_of_term;
DSI_INLINE dsi_slots_of_term dsi_term_slots(const dsi_term *t, const dsi_node *node, size_t result)
{
    const uint32_t base[3] = { node->a, node->b, node->c };
    dsi_slots_of_term s;
    s.out = result + t->out;
    s.x = base[t->x] + t->i;
    s.y = base[t->y] + t->j;
    return s;
}

/* tangents of all values from those in tan, which are added to what an operation gives. Four kinds of
   nodes: polynomials by straight code or by their terms; other rows by their partials; lists; blocks and
   custom nodes, which go one direction at a time only. n is m->n; as an argument it is a constant where it
   is 1. Errors: CALLBACK, with m->at the custom node. */
DSI_INLINE ds_result dsi_move_values(dsi_motion *m, size_t n, enum dsi_pace pace)
{
    const ds_real *const val = m->val;
    ds_real *const tan = m->tan;
    const dsi_steps *const steps = &m->tape->steps;
    size_t i, k, o;
    for (k = steps->first; k < steps->n; k++) {
        const dsi_node *const node = m->tape->rec.nodes + steps->all[k].node;
        const size_t result = steps->all[k].result;
        const unsigned op = node->op / 8u;
        if (pace == DSI_QUICKLY && dsi_move_polynomial(node, val, tan, tan + result)) continue;
        /* a term s a b: tan[out] += (s b) a' + (s a) b'; a single one: tan[out] += s a' */
        if (pace != DSI_QUICKLY && dsi_ops[op].shape == DSI_SHAPE_POLYNOMIAL) {
            const dsi_term *t;
            for (t = dsi_ops[op].terms; t->sign; t++) {
                const dsi_slots_of_term s = dsi_term_slots(t, node, result);
                const ds_real sign = t->sign < 0 ? (ds_real)-1 : (ds_real)1;
                if (t->single) dsi_gain_one(pace, n, tan + s.out * n, sign, tan + s.x * n);
                else dsi_gain_two(pace, n, tan + s.out * n, sign * val[s.y], tan + s.x * n, sign * val[s.x],
                                  tan + s.y * n);
            }
        } else if (op < DSI_OP_sum) {
            dsi_partials p;
            dsi_find_partials(node, result, val, &p);
            for (i = 0; i < p.n_in; i++)
                for (o = 0; o < p.n_out; o++)
                    dsi_gain_one(pace, n, tan + (result + o) * n, p.by[o][i], tan + p.slot[i] * n);
        } else if (op < DSI_OP_affine && pace != DSI_TOGETHER) {
            dsi_move_list(node, result, val, tan);
        } else if (op < DSI_OP_affine) {
            const dsi_list_view s = dsi_view_list(node);
            const ds_real *const w = dsi_has_weights(op) ? val + result - s.n : NULL;
            /* for vectors the three components of all directions are one run of 3 n numbers */
            for (i = 0; i < s.n; i++) {
                const size_t a = dsi_list_slot(&s.a, i), b = op == DSI_OP_dot ? dsi_list_slot(&s.b, i) : a;
                if (op == DSI_OP_dot)
                    dsi_gain_two(pace, n, tan + result * n, val[b], tan + a * n, val[a], tan + b * n);
                else
                    dsi_gain_one(pace, s.width * n, tan + result * n, w ? w[i] : 1, tan + a * n);
            }
        } else {
            /* TOGETHER never meets these: dsi_begin_motion has asked for one direction then */
            m->at = steps->all[k].node;
            if (pace != DSI_TOGETHER && dsi_move_other(m, node, result)) return DSIM_ERROR_CALLBACK;
        }
    }
    return DSIM_OK;
}

/* from the newest node to the oldest. The motion of the adjoints: for a row with partials J and adjoint g of
   its result
       x_bar' += J' g' + C x',   C = sum over o of g[o] d2 v[o] / dx dx,
   where C vanishes for flat rows and at g = 0. m->dot begins as the motion of the seeds, mostly 0. Errors:
   CALLBACK and NOT_DIFFERENTIABLE of the custom node m->at. */
DSI_INLINE ds_result dsi_move_adjoints(dsi_motion *m, size_t n, enum dsi_pace pace)
{
    const ds_real *const val = m->val, *const adj = m->adj, *const tan = m->tan;
    ds_real *const dot = m->dot;
    const dsi_steps *const steps = &m->tape->steps;
    size_t i, j, k, o;
    ds_result failed;
    for (k = steps->n; k-- > steps->first;) {
        const dsi_node *const node = m->tape->rec.nodes + steps->all[k].node;
        const size_t result = steps->all[k].result;
        const unsigned op = node->op / 8u;
        if (pace == DSI_QUICKLY &&
            dsi_move_polynomial_adjoint(node, val, tan, adj + result, dot + result, dot))
            continue;
        if (pace != DSI_QUICKLY && dsi_ops[op].shape == DSI_SHAPE_POLYNOMIAL) {
            const dsi_term *t;
            for (t = dsi_ops[op].terms; t->sign; t++) {
                const dsi_slots_of_term s = dsi_term_slots(t, node, result);
                const ds_real sign = t->sign < 0 ? (ds_real)-1 : (ds_real)1, g = sign * adj[s.out];
                const ds_real *const g_dot = dot + s.out * n;
                if (t->single) {
                    dsi_gain_one(pace, n, dot + s.x * n, sign, g_dot);
                } else {
                    dsi_gain_two(pace, n, dot + s.x * n, sign * val[s.y], g_dot, g, tan + s.y * n);
                    dsi_gain_two(pace, n, dot + s.y * n, sign * val[s.x], g_dot, g, tan + s.x * n);
                }
            }
        } else if (op < DSI_OP_sum) {
            /* C is 0 where g is: then the columns need not be read as dual numbers */
            const int curved = dsi_ops[op].shape == DSI_SHAPE_CURVED &&
                               !dsi_all_zero(adj + result, dsi_ops[op].width);
            dsi_partials p;
            dsi_find_partials(node, result, val, &p);
            if (curved) dsi_find_curvature(node, adj + result, &p);
            for (i = 0; i < p.n_in; i++) {
                ds_real *const x_dot = dot + p.slot[i] * n;
                for (o = 0; o < p.n_out; o++)
                    dsi_gain_one(pace, n, x_dot, p.by[o][i], dot + (result + o) * n);
                for (j = 0; curved && j < p.n_in; j++)
                    dsi_gain_one(pace, n, x_dot, p.curve[j][i], tan + p.slot[j] * n);
            }
        } else if (op < DSI_OP_affine && pace != DSI_TOGETHER) {
            dsi_move_adjoint_list(node, result, val, adj, tan, dot);
        } else if (op < DSI_OP_affine) {
            const dsi_list_view s = dsi_view_list(node);
            const ds_real *const w = dsi_has_weights(op) ? val + result - s.n : NULL;
            /* as forward, with the roles of operand and result exchanged */
            for (i = 0; i < s.n; i++) {
                const size_t a = dsi_list_slot(&s.a, i), b = op == DSI_OP_dot ? dsi_list_slot(&s.b, i) : a;
                if (op == DSI_OP_dot) {
                    dsi_gain_two(pace, n, dot + a * n, val[b], dot + result * n, adj[result], tan + b * n);
                    dsi_gain_two(pace, n, dot + b * n, val[a], dot + result * n, adj[result], tan + a * n);
                } else
                    dsi_gain_one(pace, s.width * n, dot + a * n, w ? w[i] : 1, dot + result * n);
            }
        } else {
            m->at = steps->all[k].node;
            failed = pace == DSI_TOGETHER ? DSIM_OK : dsi_move_adjoint_other(m, node, result);
            if (failed) return failed;
        }
    }
    return DSIM_OK;
}

/* Two functions and not one with an argument: each is compiled for its pace. */
static ds_result dsi_move_quickly(dsi_motion *m)
{
    const ds_result failed = dsi_move_values(m, 1, DSI_QUICKLY);
    return failed || !m->dot ? failed : dsi_move_adjoints(m, 1, DSI_QUICKLY);
}
static ds_result dsi_move_carefully(dsi_motion *m)
{
    const ds_result failed = dsi_move_values(m, 1, DSI_CAREFULLY);
    return failed || !m->dot ? failed : dsi_move_adjoints(m, 1, DSI_CAREFULLY);
}

/* along n directions; no blocks, no custom nodes */
static void dsi_move_abreast_plain(dsi_motion *m)
{
    (void)(dsi_move_values(m, m->n, DSI_TOGETHER) || dsi_move_adjoints(m, m->n, DSI_TOGETHER));
}
/* the same code for processors with four doubles to a register; dsi_wide tells at run time */
#ifdef DSI_WIDE
__attribute__((target("avx2"))) static void dsi_move_abreast_avx2(dsi_motion *m)
{
    (void)(dsi_move_values(m, m->n, DSI_TOGETHER) || dsi_move_adjoints(m, m->n, DSI_TOGETHER));
}
#else
#define dsi_move_abreast_avx2 dsi_move_abreast_plain
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC pop_options
#endif

/* a custom node's function refuses. code: CALLBACK, or NOT_DIFFERENTIABLE where a second function is
   wanted; k: the node. */
DSI_APART ds_result dsi_refuse_custom(ds_tape *tape, ds_result code, size_t k, const char *function)
{
    dsi_text t;
    if (tape->error.code) return tape->error.code; /* the body of a checkpoint has said it */
    t = dsi_refuse(tape, code, k);
    dsi_put(&t, "ds_");
    dsi_put(&t, function);
    dsi_put(&t, ": custom node '");
    dsi_put(&t, dsi_view_custom(tape->rec.nodes + k).type->name);
    dsi_put(&t, code == DSIM_ERROR_CALLBACK ? "'" : "' has no second derivative (give its type's second)");
    return dsi_refused(tape, &t);
}

/* A motion of all zeros: planes 1 for tangents, 2 with the adjoints' motion. directions: how many are
   wanted, and how many there are. They are cut to what stays in the cache, but not below DSI_ABREAST; and
   to one if even that is too much, or if the tape has blocks or custom nodes. All memory that a sweep
   needs is here. Needed: planes x values x directions numbers, [plane][slot][direction]. Tangents of an
   earlier ds_forward are gone. */
static ds_result dsi_begin_motion(ds_tape *tape, size_t planes, size_t *directions, const char *function,
                                  dsi_motion *m)
{
    const size_t plane = tape->rec.n_values;
    size_t need;
    ds_result result = dsi_find_steps(tape, function);
    if (result) return result;
    /* a fixed tape has what desc.directions gave it; on the heap the cache is the measure */
    need = tape->fixed ? tape->cap_motion : DSI_MOTION_CACHED;
    while (*directions > DSI_ABREAST && planes * plane * *directions > need) *directions -= DSI_ABREAST;
    need = planes * plane * *directions;
    if (tape->steps.others || need > (tape->fixed ? tape->cap_motion : DSI_MOTION_LIMIT)) {
        *directions = 1;
        need = planes * plane;
    }
    if (need > tape->cap_motion) {
        void *motion = tape->motion;
        result = tape->fixed ? DSIM_ERROR_FULL
                             : dsi_grow(&tape->desc.allocator, &motion, &tape->cap_motion, need,
                                        2 * tape->cap_values * *directions, sizeof *tape->motion);
        tape->motion = (ds_real *)motion;
        if (result)
            return dsi_refuse_at(tape, result, need, function, ": numbers wanted (see desc.directions): ");
    }
    memset(tape->motion, 0, need * sizeof *tape->motion);
    tape->n_tangents = 0;
    m->tape = tape;
    m->val = tape->rec.values;
    m->adj = tape->adjoints;
    m->tan = tape->motion;
    m->dot = planes == 2 ? tape->motion + plane * *directions : NULL;
    m->n = *directions;
    m->at = 0;
    return DSIM_OK;
}

/* the tape of the variables x, which are all good for it, and perhaps their finite direction; or the
   reason why there is none. Live variables are let through at once: dsi_check_operand looks at old epochs
   and writes the words. x_dot [n] or NULL. */
static ds_result dsi_check_direction(const ds_var *x, const ds_real *x_dot, size_t n, const char *function,
                                     ds_tape **tape)
{
    size_t i;
    *tape = x ? dsi_choose_tape(x, n) : NULL;
    if (!*tape) return x && n ? DSIM_ERROR_NO_RECORDER : DSIM_ERROR_ARGUMENT;
    if ((*tape)->error.code) return (*tape)->error.code;
    if (dsi_refuse_symbolic(*tape, function)) return (*tape)->error.code;
    for (i = 0; i < n; i++)
        if (!dsi_is_live(&(*tape)->rec, x[i]) && dsi_check_operand(*tape, x[i], i + 1, function))
            return (*tape)->error.code;
    i = x_dot ? dsi_first_non_finite(x_dot, n) : n;
    if (i < n) return dsi_refuse_at(*tape, DSIM_ERROR_NON_FINITE, i, function, ": direction ");
    return DSIM_OK;
}

/* a variable named twice moves by the sum */
DIFFSIM_API ds_result (ds_forward)(const ds_var *x, const ds_real *x_dot, size_t n)
{
    ds_tape *tape;
    dsi_motion m;
    size_t i, one = 1;
    ds_result result = x_dot ? dsi_check_direction(x, x_dot, n, "forward", &tape) : DSIM_ERROR_ARGUMENT;
    int careful;
    /* careful only if the quick sweep leaves a tangent that is not finite */
    for (careful = 0; !result; careful = 1) {
        result = dsi_begin_motion(tape, 1, &one, "forward", &m);
        if (result) return result;
        for (i = 0; i < n; i++) m.tan[dsi_slot(x[i])] += x_dot[i];
        result = careful ? dsi_move_carefully(&m) : dsi_move_quickly(&m);
        if (result) return dsi_refuse_custom(tape, result, m.at, "forward");
        if (careful || dsi_all_finite(m.tan, tape->rec.n_values)) break;
    }
    if (!result) tape->n_tangents = tape->rec.n_values;
    return result;
}

/* a tangent that is not finite: which operation made it, and whether it has no derivative at all. (A sweep
   over that node alone asks.) The adjoints are overwritten for that sweep. dsi_refuse, which follows, says
   that there are no gradients any more. */
DSI_APART void dsi_blame_tangent(ds_tape *tape, size_t slot)
{
    size_t top;
    const size_t k = dsi_first_non_finite_node(tape, tape->motion, slot, &top);
    const dsi_extent e = dsi_extent_of(tape->rec.nodes + k);
    dsi_sweep r;
    dsi_text t;
    memset(&r, 0, sizeof r);
    if (!dsi_grow_adjoints(tape)) {
        r = dsi_sweep_of(tape, top);
        memset(tape->adjoints, 0, tape->rec.n_values * sizeof *tape->adjoints);
        /* the component in question gets the adjoint 1, of a row of the table the first one, too */
        for (; e.width && slot >= top - e.width && slot < top; slot = top) tape->adjoints[slot] = 1;
        if (tape->rec.nodes[k].op / 8u < DSI_OP_sum) tape->adjoints[top - e.width] = 1;
        dsi_run_sweep(&r, k - e.data, k + 1, 1);
    }
    if (tape->rec.nodes[k].op == DSI_CODE(DSI_OP_custom, 0))
        r.no_derivative = !dsi_view_custom(tape->rec.nodes + k).type->tangent;
    t = dsi_refuse(tape, r.no_derivative ? DSIM_ERROR_NOT_DIFFERENTIABLE : DSIM_ERROR_NON_FINITE, k);
    dsi_put(&t, "ds_tangent: first non-finite tangent: ");
    dsi_describe(tape, &t, k, top);
    dsi_refused(tape, &t);
}

/* out [rows][n]: how the adjoints of x [n] move along the first `rows` directions. Is all of it finite? */
static int dsi_take_motion(const dsi_motion *m, size_t rows, const ds_var *x, size_t n, ds_real *out)
{
    size_t i, k;
    for (i = 0; i < n; i++)
        for (k = 0; k < rows; k++) out[k * n + i] = m->dot[dsi_slot(x[i]) * m->n + k];
    return dsi_all_finite(out, rows * n);
}

/* out [n] = H direction; without a direction, that of x number `unit`. Tangent over reverse: tan begins as
   the direction, dot as 0, since the seed df/df = 1 does not move. After both sweeps dot at x is (d/dt)
   df/dx along the direction. Quickly first, carefully if that is not finite. Errors: NON_FINITE with the
   index in x of the first bad entry; those of custom nodes and of memory. */
static ds_result dsi_second_order(ds_tape *tape, const ds_var *x, size_t n, const ds_real *direction,
                                  size_t unit, ds_real *out, const char *function)
{
    size_t i, one = 1;
    int careful;
    for (careful = 0;; careful = 1) {
        dsi_motion m;
        ds_result result = dsi_begin_motion(tape, 2, &one, function, &m);
        if (result) return result;
        for (i = 0; direction && i < n; i++) m.tan[dsi_slot(x[i])] += direction[i];
        if (!direction) m.tan[dsi_slot(x[unit])] = 1;
        result = careful ? dsi_move_carefully(&m) : dsi_move_quickly(&m);
        if (result) return dsi_refuse_custom(tape, result, m.at, function);
        if (dsi_take_motion(&m, 1, x, n, out)) return DSIM_OK;
        if (careful) break;
    }
    return dsi_refuse_at(tape, DSIM_ERROR_NON_FINITE, dsi_first_non_finite(out, n), function,
                         ": a second derivative is not finite in the row of x number ");
}

/* checks, and the gradient of f unless it is there. The gradient is there if the last ds_backward was of
   this very f and no value was recorded since. direction [n] or NULL; out only must not be NULL. */
static ds_result dsi_prepare_second(ds_var f, const ds_var *x, const ds_real *direction, size_t n,
                                    const ds_real *out, const char *function, ds_tape **tape)
{
    ds_result result = out ? dsi_check_direction(x, direction, n, function, tape) : DSIM_ERROR_ARGUMENT;
    if (result) return result;
    if (f.rec && f.rec != x[0].rec) return dsi_check_operand(*tape, f, 0, function);
    if (f.rec && (*tape)->gradient_of == f.at && (*tape)->n_gradients == (*tape)->rec.n_values)
        return DSIM_OK;
    return ds_backward(f);
}

/* result is set first: direction NULL is an ARGUMENT */
DIFFSIM_API ds_result (ds_hessian_vector)(ds_var f, const ds_var *x, const ds_real *direction, size_t n,
                                          ds_real *out)
{
    ds_tape *tape;
    ds_result result = DSIM_ERROR_ARGUMENT;
    if (direction) result = dsi_prepare_second(f, x, direction, n, out, "hessian_vector", &tape);
    return result ? result : dsi_second_order(tape, x, n, direction, 0, out, "hessian_vector");
}

/* Several rows at a time; if they end badly, and on tapes with blocks or custom nodes, one by one. */
DIFFSIM_API ds_result (ds_hessian)(ds_var f, const ds_var *x, size_t n, ds_real *out)
{
    ds_tape *tape;
    size_t row = 0, k;
    ds_result result = dsi_prepare_second(f, x, NULL, n, out, "hessian", &tape);
    while (!result && row < n) {
        const size_t rows = dsi_least(n - row, DSI_MOST_ABREAST);
        size_t directions = (rows + DSI_ABREAST - 1) / DSI_ABREAST * DSI_ABREAST, end;
        dsi_motion m;
        result = dsi_begin_motion(tape, 2, &directions, "hessian", &m);
        if (result) break;
        /* rows row .. end - 1 at once: direction k is the unit vector of x number row + k; spare
           directions stay 0 */
        end = row + dsi_least(rows, directions);
        for (k = 0; row + k < end; k++) m.tan[dsi_slot(x[row + k]) * directions + k] = 1;
        if (directions > 1 && dsi_wide()) dsi_move_abreast_avx2(&m);
        else if (directions > 1) dsi_move_abreast_plain(&m);
        /* what does not come out finite is done again, row by row, by sweeps that can be careful and can
           say where */
        if (directions > 1 && dsi_take_motion(&m, end - row, x, n, out + row * n)) row = end;
        for (; !result && row < end; row++)
            result = dsi_second_order(tape, x, n, NULL, row, out + row * n, "hessian");
    }
    return result;
}

/* Explanations. ds_explain follows a change of x: among the operations that read it, the one through which
   df/dx gains most; then the same from its result; until f is reached, a factor is 0, or nothing reads the
   number. Factors come from a forward sweep over one node, gains from the adjoints of the last
   ds_backward. */

/* one operation between x and f: df/dx gains f_bar[out] * factor through it */
typedef struct dsi_link {
    size_t step, out; /* index in the steps; the slot of the result that matters most */
    ds_real factor; /* d value[out] / d value[slot] */
    ds_real gain; /* sum over its results of adjoint * factor */
} dsi_link;

/* what a way counts: what it gains; one that gains nothing but goes on, less than any that gains */
static double dsi_weight(double gain, double factor)
{
    return gain != 0 ? dsi_absolute(gain) : factor != 0 ? DBL_MIN : 0;
}

/* how step k hands on a change of `slot`; 0 if it does not read it. link->gain: what df/dx gains through
   this node by way of all components of its result; out and factor: of the one that weighs most. */
static int dsi_link_of(ds_tape *tape, size_t k, size_t slot, dsi_link *link)
{
    const dsi_step step = tape->steps.all[k];
    const dsi_node *const node = tape->rec.nodes + step.node;
    const size_t width = dsi_extent_of(node).width;
    dsi_steps *const steps = &tape->steps;
    const size_t first = steps->first, n = steps->n;
    dsi_motion m;
    double largest = -1;
    size_t i, read;
    /* is the slot among those that the node reads? */
    for (i = 0; (read = dsi_operand_slot(node, i)) != (size_t)-1 && read != slot; i++) {}
    if (read != slot) return 0;
    memset(link, 0, sizeof *link);
    link->step = k;
    link->out = step.result;
    memset(&m, 0, sizeof m);
    m.tape = tape;
    m.val = tape->rec.values;
    m.tan = tape->motion;
    m.tan[slot] = 1;
    /* tan is 0 but at the slot; what it moves is cleared below (copies of a custom node's inputs are
       filled anew each time) */
    steps->first = k; /* a forward sweep over this node alone */
    steps->n = k + 1;
    if (dsi_move_carefully(&m)) m.tan[step.result] = dsi_nan();
    steps->first = first;
    steps->n = n;
    m.tan[slot] = 0;
    for (i = 0; i < width; i++) {
        const ds_real factor = m.tan[step.result + i], part = tape->adjoints[step.result + i] * factor;
        const double size = dsi_weight((double)part, (double)factor);
        link->gain += part;
        if (size > largest) {
            largest = size;
            link->out = step.result + i;
            link->factor = factor;
        }
        m.tan[step.result + i] = 0;
    }
    return 1;
}

/* the next operation on the way from a slot: of those that read it the one that gains most; 0: none does.
   readers: how many do. Looked for among steps from `after` on whose results do not lie behind slot
   `last`, which is f. A comparison with NaN is false, so a NaN wins: it is what the question is about.
   best: that operation, if there is a reader at all. */
static int dsi_next_link(ds_tape *tape, size_t after, size_t slot, size_t last, dsi_link *best,
                         size_t *readers)
{
    double largest = -1;
    dsi_link link;
    size_t k;
    *readers = 0;
    for (k = after; k < tape->steps.n && tape->steps.all[k].result <= last; k++) {
        double size;
        if (!dsi_link_of(tape, k, slot, &link)) continue;
        ++*readers;
        size = dsi_weight((double)link.gain, (double)link.factor);
        if (!(size <= largest)) {
            largest = size;
            *best = link;
        }
    }
    return *readers > 0;
}

/* one line: the operation with its numbers, and the factor */
DSI_APART void dsi_put_link(const ds_tape *tape, dsi_text *t, const dsi_link *link)
{
    const dsi_step step = tape->steps.all[link->step];
    dsi_describe(tape, t, step.node, step.result + dsi_extent_of(tape->rec.nodes + step.node).width);
    dsi_put(t, ": factor ");
    dsi_put_real(t, (double)link->factor);
    dsi_put(t, "\n");
}

/* the way from x to f and its end. Each round prints one link and goes on from its result; steps only
   rise, so it ends. x, f: slots. */
DSI_APART void dsi_put_way(ds_tape *tape, dsi_text *t, size_t x, size_t f)
{
    size_t slot = x, after = tape->steps.first, readers;
    dsi_link link, largest;
    largest.factor = 0;
    for (;;) {
        if (slot == f) {
            if (tape->adjoints[x] == 0)
                dsi_put(t, "this way is open, but what x gains through several ways cancels\n");
            else if (largest.factor != 0) {
                dsi_put(t, "largest factor: ");
                dsi_put_link(tape, t, &largest);
            }
            return;
        }
        if (!dsi_next_link(tape, after, slot, f, &link, &readers)) {
            dsi_put(t, slot == x ? "nothing that leads to f reads it: f does not depend on it\n"
                                 : "nothing that leads to f reads this result: f does not depend on it\n");
            return;
        }
        dsi_put_link(tape, t, &link);
        if (link.factor == 0) {
            dsi_put(t, "here the gradient ends: the derivative of this operation is 0 at these operands");
            dsi_put(t, readers > 1 ? ", and so it is at all others that read the number\n" : "\n");
            return;
        }
        /* kept with the comparison turned round, so that a NaN counts as the largest */
        if (!(dsi_absolute((double)link.factor) <= dsi_absolute((double)largest.factor))) largest = link;
        slot = link.out;
        after = link.step + 1;
    }
}

DIFFSIM_API ds_result (ds_explain)(ds_var f, ds_var x, char *text, size_t bytes)
{
    ds_tape *tape = NULL;
    dsi_text t;
    dsi_motion m;
    size_t one = 1;
    ds_real g;
    ds_result result;
    if (!text || !bytes) return DSIM_ERROR_ARGUMENT;
    t = dsi_text_into(text, bytes);
    /* the same checks as for a Hessian of one row; g is not written, it only stands for the result */
    result = dsi_prepare_second(f, &x, NULL, 1, &g, "explain", &tape);
    if (!result) result = dsi_begin_motion(tape, 1, &one, "explain", &m);
    if (result) {
        dsi_put(&t, tape && tape->error.code ? tape->error.text : ds_result_text(result));
        return result;
    }
    g = tape->adjoints[dsi_slot(x)];
    dsi_put(&t, "df/dx is ");
    dsi_put_real(&t, (double)g);
    dsi_put(&t, g == 0 ? ". The way of a change of x:\n" : ". The way that gains most from x to f:\n");
    dsi_put_way(tape, &t, dsi_slot(x), dsi_slot(f));
    if (tape->error.code) dsi_put(&t, tape->error.text); /* a checkpoint on the way could not be run again */
    return tape->error.code;
}

/* Replay. The record is evaluated again from old to new. ds_set_input writes numbers and leaves the tape
   torn, with the sticky error REPLAY, so that nothing is recorded, read or differentiated until ds_replay
   has made the values agree. A guard (ds_branch) that goes the other way makes the record that of another
   program: BRANCH. */

/* n_read is one more than the nodes there were at the first reading */
DSI_APART ds_result dsi_refuse_replay(ds_tape *tape)
{
    dsi_text t = dsi_refuse(tape, DSIM_ERROR_NOT_REPLAYABLE, tape->n_read - 1);
    dsi_put(&t, "ds_replay: a value was read");
    dsi_put_place(&t, " (", tape->read_at.file, tape->read_at.line, ")");
    dsi_put(&t, " when the tape had ");
    dsi_put_size(&t, tape->n_read - 1);
    dsi_put(&t, " nodes, and it has ");
    dsi_put_size(&t, tape->rec.n_nodes);
    return dsi_refused(tape, &t);
}

/* n inputs from this one on get new numbers. All n must lie in one node of leaves. That node is found in
   the order of the steps by bisection: results rise. numbers [n]: finite, or nothing is set. */
static ds_result dsi_set(ds_var first, const ds_real *numbers, size_t n, const char *function)
{
    ds_tape *const tape = first.rec ? dsi_tape_of(first.rec) : NULL;
    const size_t slot = dsi_slot(first);
    size_t low, high, bad;
    const dsi_step *step;
    if (!tape) return DSIM_ERROR_NO_RECORDER;
    if (dsi_is_final(tape)) return tape->error.code;
    if (dsi_refuse_symbolic(tape, function)) return tape->error.code;
    if (!dsi_is_alive(tape, first)) return dsi_refuse_at(tape, DSIM_ERROR_STALE, 1, function, ": operand ");
    bad = dsi_first_non_finite(numbers, n);
    if (bad < n) return dsi_refuse_at(tape, DSIM_ERROR_NON_FINITE, bad, function, ": number ");
    if (dsi_find_steps(tape, function)) return tape->error.code;
    /* the last step whose result does not lie behind the slot. Invariant: the step sought is in [low,
       high) */
    for (low = tape->steps.first, high = tape->steps.n; high - low > 1;) {
        const size_t middle = low + (high - low) / 2;
        if (tape->steps.all[middle].result <= slot) low = middle;
        else high = middle;
    }
    step = tape->steps.all + low;
    if (tape->rec.nodes[step->node].op != DSI_CODE(DSI_OP_leaves, 0) ||
        slot + n > step->result + tape->rec.nodes[step->node].a)
        return dsi_refuse_at(tape, DSIM_ERROR_ARGUMENT, 0, function, ": not an input, operand ");
    memcpy(tape->rec.values + slot, numbers, n * sizeof *numbers);
    tape->torn = 1;
    /* refused like an error, so that the short way closes and all later calls see the code */
    if (!tape->error.code) {
        dsi_text t = dsi_refuse(tape, DSIM_ERROR_REPLAY, slot);
        dsi_put(&t, "after ds_");
        dsi_put(&t, function);
        dsi_put(&t, ": ");
        dsi_put(&t, ds_result_text(DSIM_ERROR_REPLAY)); /* not a failure, so nothing is logged */
    }
    return DSIM_OK;
}

DIFFSIM_API ds_result (ds_set_input)(ds_var input, double number)
{
    const ds_real x = (ds_real)number;
    return dsi_set(input, &x, 1, "set_input");
}

DIFFSIM_API ds_result (ds_set_input3)(ds_var3 input, ds_v3 vector)
{
    ds_real x[3];
    dsi_store_r3(x, vector);
    return dsi_set(dsi_any_r3(input), x, 3, "set_input3");
}

DIFFSIM_API ds_result (ds_set_inputs)(ds_vars inputs, const ds_real *numbers)
{
    if (!numbers) return DSIM_ERROR_ARGUMENT;
    return dsi_set(dsi_first_of(inputs), numbers, inputs.n, "set_inputs");
}

/* the value of one node anew; 0: a guard does not hold, or a custom node failed. Held constants and
   weights are still in place before the result. result: the slot of its result. */
static int dsi_replay_node(ds_tape *tape, const dsi_node *node, size_t result)
{
    ds_real *const val = tape->rec.values;
    const unsigned op = node->op / 8u;
    size_t i;
    if (op < DSI_OP_sum) {
        dsi_evaluate(op, val + node->a, val + node->b, val + node->c, val + result);
    } else if (op < DSI_OP_affine) {
        const dsi_list_view s = dsi_view_list(node);
        dsi_evaluate_list(op, &s, val + result - s.n, val, val, val + result);
    } else if (op == DSI_OP_affine) {
        dsi_affine_value(val + node->a, val + node->b, val + node->c, val + result, (node - 1)->op,
                         (node - 1)->a);
    } else if (op == DSI_OP_vars_tanh) {
        for (i = 0; i < node->b; i++) val[result + i] = dsi_tanh(val[node->a + i]);
    } else if (op == DSI_OP_branch) {
        /* b is 1 or 0, as ds_branch found */
        return (val[node->a] != 0) == (int)node->b;
    } else if (op == DSI_OP_custom) {
        const dsi_custom c = dsi_view_custom(node);
        dsi_gather(&c, val, result - c.n_in);
        return dsi_call_custom(tape, node, result, DSI_FORWARD, NULL, NULL) == DSIM_OK;
    }
    return 1;
}

DIFFSIM_API ds_result (ds_replay)(ds_tape *tape)
{
    size_t k;
    DIFFSIM_ASSERT(tape);
    if (!tape) return DSIM_ERROR_ARGUMENT;
    if (dsi_is_final(tape)) return tape->error.code;
    if (tape->n_read && tape->rec.n_nodes > tape->n_read - 1) return dsi_refuse_replay(tape);
    dsi_clear_error(tape);
    tape->n_gradients = tape->n_tangents = 0;
    if (dsi_find_steps(tape, "replay")) return tape->error.code;
    /* old and new values are mixed until the loop is through; an error leaves the tape torn, and other
       inputs may mend it */
    tape->torn = 1;
    for (k = tape->steps.first; k < tape->steps.n; k++) {
        const dsi_step step = tape->steps.all[k];
        const dsi_node *const node = tape->rec.nodes + step.node;
        dsi_text t;
        if (dsi_replay_node(tape, node, step.result)) continue;
        /* the body of a checkpoint has said it */
        if (tape->error.code) return tape->error.code;
        t = dsi_refuse(tape, node->op == DSI_CODE(DSI_OP_branch, 0) ? DSIM_ERROR_BRANCH : DSIM_ERROR_CALLBACK,
                       step.node);
        dsi_put(&t, "ds_replay: ");
        dsi_describe(tape, &t, step.node, step.result + dsi_extent_of(node).width);
        return dsi_refused(tape, &t);
    }
    tape->torn = 0;
    dsi_set_limits(tape);
    return DSIM_OK;
}

/* the guard is a node without a value: operand a, what was found in b */
DIFFSIM_API int (ds_branch)(ds_var condition)
{
    ds_tape *const tape = condition.rec ? dsi_tape_of(condition.rec) : NULL;
    int taken;
    if (!tape) return dsi_number(condition) != 0;
    if (tape->error.code || dsi_refuse_symbolic(tape, "branch") ||
        dsi_check_operand(tape, condition, 1, "branch") || dsi_room(tape, 1, 0, "branch"))
        return 0;
    taken = tape->rec.values[dsi_slot(condition)] != 0;
    dsi_add_node(tape, DSI_CODE(DSI_OP_branch, 0), dsi_slot(condition), (size_t)taken, 0);
    return taken;
}

/* Recording custom nodes. */

/* operations of the library's own that are custom nodes, see below */
enum { DSI_MOST_QUOTED = 5 };
typedef struct dsi_composite {
    size_t n_in, n_out;
    void (*value)(const ds_real *x, ds_real *y);
    void (*rule)(ds_vars x, ds_vars y, ds_vars x_dot, ds_var *y_dot); /* y_dot [n_out] */
    /* for printed kernels: dsi_<name>_value, and what has to stand before it */
    const char *name;
    const char *const *words[DSI_MOST_QUOTED];
} dsi_composite;
static ds_result dsi_composite_forward(const ds_custom_io *io)
{
    const dsi_composite *const c = (const dsi_composite *)io->user;
    c->value(io->in, io->out);
    return DSIM_OK;
}
static int dsi_is_composite(const ds_custom_type *type)
{
    return type && type->forward == dsi_composite_forward;
}

/* type NULL, or without a part that it needs: refused. The node is complete before forward is called: io
   is made from it, as in all later calls. If forward fails, it is taken back. name: of the public
   function, for the words of errors. in [n_in]; returns the block of n_out outputs. */
static ds_vars dsi_record_custom(const char *name, const ds_custom_type *type, ds_segment *body, void *user,
                                 const ds_var *in, size_t n_in, size_t n_out)
{
    ds_tape *const tape = in ? dsi_choose_tape(in, n_in) : NULL;
    const size_t table = (n_in + 3) / 4, n_nodes = tape ? tape->rec.n_nodes : 0;
    uint32_t *slots;
    dsi_node *node;
    size_t i, copies, result;
    if (!tape) return dsi_block_of(dsi_view(NULL, DSI_NOWHERE), 0);
    /* in a kernel composites alone have a meaning; what their user points to is a dsi_composite */
    if (tape->error.code || (!dsi_is_composite(type) && dsi_refuse_symbolic(tape, name)))
        return dsi_dead_block(&tape->rec);
    if (!n_out || !type || !type->forward || !type->name)
        dsi_refuse_at(tape, DSIM_ERROR_ARGUMENT, n_out, name,
                      ": its name, forward or body is missing, or outputs: ");
    else if (n_in > dsi_most_slots || n_out > dsi_most_slots)
        dsi_refuse_at(tape, DSIM_ERROR_OVERFLOW, n_out, name, ": too many inputs or outputs: ");
    if (tape->error.code) return dsi_dead_block(&tape->rec);
    /* constants may stand among the inputs; at least one input is a variable, it gave the tape */
    for (i = 0; i < n_in; i++)
        if (in[i].rec && dsi_check_operand(tape, in[i], i + 1, name)) return dsi_dead_block(&tape->rec);
    if (dsi_room(tape, table + 3, n_in + n_out, name)) return dsi_dead_block(&tape->rec);
    copies = tape->rec.n_values;
    slots = (uint32_t *)(void *)(tape->rec.nodes + tape->rec.n_nodes);
    for (i = 0; i < 4 * table; i++) slots[i] = 0;
    for (i = 0; i < n_in; i++) {
        slots[i] = in[i].rec ? dsi_slot(in[i]) : (uint32_t)(copies + i);
        tape->rec.values[copies + i] = in[i].rec ? tape->rec.values[slots[i]] : (ds_real)dsi_number(in[i]);
    }
    tape->rec.n_nodes += table;
    node = dsi_add_node(tape, 0, 0, 0, 0);
    memcpy(node, &type, sizeof type);
    memcpy((char *)node + sizeof type, &user, sizeof user);
    node = dsi_add_node(tape, 0, 0, 0, 0);
    memcpy(node, &body, sizeof body);
    node = dsi_add_node(tape, DSI_CODE(DSI_OP_custom, 0), n_in, n_out, 0);
    result = copies + n_in;
    tape->rec.n_values = result + n_out;
    /* an output that forward does not write is 0, not what the array held */
    memset(tape->rec.values + result, 0, n_out * sizeof(ds_real));
    if (dsi_call_custom(tape, node, result, DSI_FORWARD, NULL, NULL)) {
        dsi_refuse_custom(tape, DSIM_ERROR_CALLBACK, tape->rec.n_nodes - 1, name);
        tape->rec.n_nodes = n_nodes; /* nothing is half-written */
        tape->rec.n_values = copies;
        return dsi_dead_block(&tape->rec);
    }
    return dsi_block_of(dsi_made(tape, result, n_out), n_out);
}

/* no body: body NULL is what tells a custom node from a checkpoint */
DIFFSIM_API ds_vars (ds_custom)(const ds_custom_type *type, void *user, const ds_var *in, size_t n_in,
                                size_t n_out)
{
    return dsi_record_custom("custom", type, NULL, user, in, n_in, n_out);
}

/* ds_value without its mark: the body may be recorded again at any time. numbers: the values or tangents
   of the tape it lives on */
static ds_real dsi_peek(ds_var var, const ds_real *numbers, ds_real constant)
{
    return var.rec ? numbers[dsi_slot(var)] : constant;
}

/* a child's error becomes the parent's. Its sentence follows "ds_checkpoint: "; the index is the number of
   nodes. */
DSI_APART ds_result dsi_adopt(ds_tape *tape)
{
    const ds_error *const error = &tape->child->error;
    dsi_text t;
    if (tape->error.code) return tape->error.code; /* it was told itself: the body mixes the two tapes */
    t = dsi_refuse(tape, error->code, tape->rec.n_nodes);
    dsi_put(&t, "ds_checkpoint: ");
    dsi_put(&t, error->text);
    if (tape->desc.log.write) tape->desc.log.write(tape->desc.log.user, error->code, tape->error.text);
    return error->code;
}

/* what is wrong with the body or its memory, in a sentence of the parent */
DSI_APART ds_result dsi_refuse_body(ds_tape *tape, ds_result code, const char *what)
{
    dsi_text t = dsi_refuse(tape, code, tape->rec.n_nodes);
    dsi_put(&t, "ds_checkpoint: ");
    dsi_put(&t, what);
    return dsi_refused(tape, &t);
}

/* the outputs of the body are those of the first time, bit for bit: it was recorded as then. y [n_out].
   Compared by memcmp: a NaN equals itself and -0 is not 0. */
static int dsi_is_repeated(const ds_custom_io *io, const ds_tape *child, const ds_var *y)
{
    size_t i;
    for (i = 0; i < io->n_out; i++) {
        const ds_real now = dsi_peek(y[i], child->rec.values, (ds_real)dsi_number(y[i]));
        if (memcmp(&now, io->out + i, sizeof now)) return 0;
    }
    return 1;
}

/* records the body on the child tape, `again` or for the first time; x and y: its inputs and outputs. One
   child serves all checkpoints of a tape, one after the other; checkpoints within a body have a child of
   the child. x and y lie in tape->work, good until the next call. An output may be a constant, and is one
   unless the body writes it. io->in are the numbers of the copies, io->out those of the first time.
   Errors: of the child, adopted; CALLBACK, if the body fails or differs; FULL, MEMORY. */
static ds_result dsi_run_body(const ds_custom_io *io, int again, ds_var **x, ds_var **y)
{
    const dsi_checkpoint *const run = (const dsi_checkpoint *)io->user;
    ds_tape *const tape = run->tape;
    const size_t need = io->n_in + io->n_out;
    ds_vars in;
    size_t i;
    ds_result result = DSIM_OK;
    /* the child is made at the first checkpoint, with the parent's allocator; it has no logger, the
       parent's tells */
    if (!tape->child) {
        ds_tape_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.allocator = tape->desc.allocator;
        desc.debug = tape->desc.debug;
        tape->child = tape->fixed ? NULL : ds_tape_create(&desc);
        if (!tape->child)
            return dsi_refuse_body(tape, tape->fixed ? DSIM_ERROR_FULL : DSIM_ERROR_MEMORY,
                                   "no memory for its own tape");
    }
    if (need > tape->cap_work) {
        void *work = tape->work;
        result = dsi_grow(&tape->desc.allocator, &work, &tape->cap_work, need, need, sizeof *tape->work);
        tape->work = (ds_var *)work;
        if (result) return dsi_refuse_body(tape, result, "no memory for its inputs and outputs");
    }
    *x = tape->work;
    *y = tape->work + io->n_in;
    /* its inputs are leaves of the child, its outputs constants 0 until the body writes them */
    ds_tape_reset(tape->child);
    in = ds_inputs(tape->child, io->in, io->n_in);
    for (i = 0; i < io->n_in; i++) (*x)[i] = dsi_view(in.rec, in.at + i);
    for (i = 0; i < io->n_out; i++) (*y)[i] = ds_c(0);
    result = run->body(run->user, tape->child, *x, *y);
    if (tape->child->error.code) return dsi_adopt(tape);
    if (result) return dsi_refuse_body(tape, DSIM_ERROR_CALLBACK, "its body returned an error");
    for (i = 0; i < io->n_out; i++)
        if ((*y)[i].rec && dsi_check_operand(tape->child, (*y)[i], i + 1, "checkpoint"))
            return dsi_adopt(tape);
    if (again && !dsi_is_repeated(io, tape->child, *y))
        return dsi_refuse_body(tape, DSIM_ERROR_CALLBACK, "its body has other outputs when recorded again");
    return DSIM_OK;
}

/* The four functions of a checkpoint record the body anew and ask the child: its values, its
   ds_backward_many with the bars as seeds, its ds_forward, or both orders at once. Bars and dots add. */
static ds_result dsi_checkpoint_forward(const ds_custom_io *io)
{
    ds_var *x, *y;
    size_t i;
    const ds_result result = dsi_run_body(io, 0, &x, &y);
    for (i = 0; !result && i < io->n_out; i++)
        io->out[i] = dsi_peek(y[i], dsi_tape_of(x->rec)->rec.values, (ds_real)dsi_number(y[i]));
    return result;
}

/* outputs that are all constants hand nothing back */
static ds_result dsi_checkpoint_reverse(const ds_custom_io *io)
{
    ds_tape *const tape = ((const dsi_checkpoint *)io->user)->tape;
    ds_var *x, *y;
    size_t i;
    ds_result result = dsi_run_body(io, 1, &x, &y);
    if (result || !dsi_choose_tape(y, io->n_out)) return result;
    if (ds_backward_many(y, io->out_bar, io->n_out))
        return dsi_adopt(tape);
    for (i = 0; i < io->n_in; i++) io->in_bar[i] += tape->child->adjoints[dsi_slot(x[i])];
    return DSIM_OK;
}

/* an output that is a constant does not move */
static ds_result dsi_checkpoint_tangent(const ds_custom_io *io)
{
    ds_tape *const tape = ((const dsi_checkpoint *)io->user)->tape;
    ds_var *x, *y;
    size_t i;
    ds_result result = dsi_run_body(io, 1, &x, &y);
    if (result) return result;
    if (ds_forward(x, io->in_dot, io->n_in))
        return dsi_adopt(tape);
    for (i = 0; i < io->n_out; i++) io->out_dot[i] += dsi_peek(y[i], tape->child->motion, 0);
    return DSIM_OK;
}

/* the adjoints of the body, and how they move. As dsi_second_order, but here the seeds move as well: dot
   begins as out_bar_dot. */
static ds_result dsi_checkpoint_second(const ds_custom_io *io)
{
    ds_tape *const tape = ((const dsi_checkpoint *)io->user)->tape;
    ds_tape *child;
    ds_var *x, *y;
    dsi_motion m;
    size_t i, one = 1;
    ds_result result = dsi_run_body(io, 1, &x, &y);
    if (result || !dsi_choose_tape(y, io->n_out)) return result;
    child = tape->child;
    result = ds_backward_many(y, io->out_bar, io->n_out);
    if (!result) result = dsi_begin_motion(child, 2, &one, "checkpoint", &m);
    if (result) return dsi_adopt(tape);
    for (i = 0; i < io->n_in; i++) m.tan[dsi_slot(x[i])] += io->in_dot[i];
    for (i = 0; i < io->n_out; i++)
        if (y[i].rec) m.dot[dsi_slot(y[i])] += io->out_bar_dot[i];
    result = dsi_move_carefully(&m);
    if (result) {
        dsi_refuse_custom(child, result, m.at, "checkpoint");
        return dsi_adopt(tape);
    }
    for (i = 0; i < io->n_in; i++) io->in_bar_dot[i] += m.dot[dsi_slot(x[i])];
    return DSIM_OK;
}

static const ds_custom_type dsi_checkpoint_type = {
    "checkpoint", dsi_checkpoint_forward, dsi_checkpoint_reverse, dsi_checkpoint_tangent,
    dsi_checkpoint_second
};

DIFFSIM_API ds_vars (ds_checkpoint)(ds_segment *body, void *user, const ds_var *in, size_t n_in, size_t n_out)
{
    return dsi_record_custom("checkpoint", body ? &dsi_checkpoint_type : NULL, body, user, in, n_in, n_out);
}

/* Composites: operations whose values y come from iterations and whose derivatives from one rule, which
   records y_dot = J x_dot, linear in x_dot, from x and y. On a tape they are custom nodes. Each of their
   functions records the rule on a small tape on the stack and asks it: its numbers are the tangent, a reverse
   sweep from y_dot gives J' y_bar at x_dot, and the tangent of that sweep, with x moving by x_dot and y by J
   x_dot, the second derivatives. From: Griewank and Walther 2008, ch. 5 and 15. */
enum { DSI_RULE_IN = 9, DSI_RULE_OUT = 21, DSI_RULE_NODES = 96, DSI_RULE_VALUES = 256 };

/* memory: what ds_tape_bytes asks for; DSI_ARRAYS + 1 roundings up */
typedef struct dsi_rule_run {
    union {
        double number;
        void *pointer;
        uint64_t word;
        unsigned char bytes[sizeof(ds_tape) + DSI_RULE_NODES * (sizeof(dsi_node) + sizeof(dsi_step)) +
                            (4 * DSI_RULE_VALUES + DSI_ADJOINT_GAP) * sizeof(ds_real) +
                            (DSI_ARRAYS + 1) * DSI_ALIGN];
    } memory;
    ds_tape *tape;
    ds_vars x, y, x_dot;
    ds_var y_dot[DSI_RULE_OUT];
} dsi_rule_run;

/* records the rule; 0: x or y is not finite, and so is no derivative. x_dot: NULL for zeros, on which J does
   not depend */
static int dsi_run_rule(const ds_custom_io *io, const ds_real *x_dot, dsi_rule_run *run)
{
    static const ds_real still[DSI_RULE_IN] = { 0 };
    const dsi_composite *const c = (const dsi_composite *)io->user;
    ds_tape_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.max_nodes = DSI_RULE_NODES;
    desc.max_values = DSI_RULE_VALUES;
    desc.directions = 1;
    run->tape = ds_tape_init(&run->memory, sizeof run->memory, &desc);
    if (!run->tape) return 0;
    run->x = ds_inputs(run->tape, io->in, io->n_in);
    run->y = ds_inputs(run->tape, io->out, io->n_out);
    run->x_dot = ds_inputs(run->tape, x_dot ? x_dot : still, io->n_in);
    c->rule(run->x, run->y, run->x_dot, run->y_dot);
    return run->tape->error.code == DSIM_OK;
}

/* the adjoints of the rule's tape from out_bar; a zero contributes nothing, so the sweep is careful. What is
   not finite is handed on: the sweep that asks will find and name the node */
static ds_real *dsi_reverse_rule(const ds_custom_io *io, dsi_rule_run *run)
{
    ds_tape *const tape = run->tape;
    dsi_sweep r = dsi_sweep_of(tape, tape->rec.n_values);
    size_t i;
    memset(tape->adjoints, 0, tape->rec.n_values * sizeof *tape->adjoints);
    for (i = 0; i < io->n_out; i++) tape->adjoints[dsi_slot(run->y_dot[i])] += io->out_bar[i];
    dsi_run_sweep(&r, 0, tape->rec.n_nodes, 1);
    return tape->adjoints + (uint32_t)run->x_dot.at;
}

static ds_result dsi_composite_reverse(const ds_custom_io *io)
{
    dsi_rule_run run;
    const ds_real *const gain = dsi_run_rule(io, NULL, &run) ? dsi_reverse_rule(io, &run) : NULL;
    size_t i;
    for (i = 0; i < io->n_in; i++) io->in_bar[i] += gain ? gain[i] : dsi_nan();
    return DSIM_OK;
}

static ds_result dsi_composite_tangent(const ds_custom_io *io)
{
    dsi_rule_run run;
    const int good = dsi_run_rule(io, io->in_dot, &run);
    size_t i;
    for (i = 0; i < io->n_out; i++)
        io->out_dot[i] += good ? run.tape->rec.values[dsi_slot(run.y_dot[i])] : dsi_nan();
    return DSIM_OK;
}

/* in_bar = J(x, y)' out_bar: moves with out_bar, with x, and with y, which moves by J in_dot */
static ds_result dsi_composite_second(const ds_custom_io *io)
{
    dsi_rule_run run;
    dsi_motion m;
    size_t i, one = 1;
    if (!dsi_run_rule(io, io->in_dot, &run)) {
        for (i = 0; i < io->n_in; i++) io->in_bar_dot[i] = dsi_nan();
        return DSIM_OK;
    }
    dsi_reverse_rule(io, &run);
    if (dsi_begin_motion(run.tape, 2, &one, "composite", &m)) return DSIM_ERROR_MEMORY;
    for (i = 0; i < io->n_in; i++) m.tan[(uint32_t)run.x.at + i] = io->in_dot[i];
    for (i = 0; i < io->n_out; i++) {
        m.tan[(uint32_t)run.y.at + i] = run.tape->rec.values[dsi_slot(run.y_dot[i])];
        m.dot[dsi_slot(run.y_dot[i])] += io->out_bar_dot[i];
    }
    (void)dsi_move_carefully(&m); /* no custom nodes in a rule: nothing fails */
    for (i = 0; i < io->n_in; i++) io->in_bar_dot[i] += m.dot[(uint32_t)run.x_dot.at + i];
    return DSIM_OK;
}

/* parts of a block as a vector and a matrix; the rows of m [w], which are m_r x w */
static ds_var3 dsi_block3(ds_vars block, size_t first) { return dsi_view3(block.rec, block.at + first); }
static ds_var33 dsi_block33(ds_vars block, size_t first)
{
    return dsi_as_r9(dsi_view(block.rec, block.at + first));
}
static void dsi_put_rows(ds_var33 m, ds_var *out)
{
    size_t i;
    for (i = 0; i < 9; i++) out[i] = ds_m(m, i / 3, i % 3);
}
static void dsi_put_turned(ds_var33 m, ds_var3 w, ds_var *out)
{
    size_t r;
    for (r = 0; r < 3; r++) {
        const ds_var3 row = ds_cross3(ds_row(m, r), w);
        out[3 * r] = ds_x(row);
        out[3 * r + 1] = ds_y(row);
        out[3 * r + 2] = ds_z(row);
    }
}

/* m^-1 b for a symmetric m, of which what is above the diagonal is read, by m = L D L'. Pivots below `least`
   are raised to it. */
static ds_var3 dsi_solve_symmetric(ds_var33 m, ds_var3 b, double least)
{
    const ds_var d0 = ds_max(ds_m(m, 0, 0), ds_c(least));
    const ds_var l10 = ds_div(ds_m(m, 0, 1), d0), l20 = ds_div(ds_m(m, 0, 2), d0);
    const ds_var m11 = ds_sub(ds_m(m, 1, 1), ds_mul(l10, ds_m(m, 0, 1)));
    const ds_var m12 = ds_sub(ds_m(m, 1, 2), ds_mul(l10, ds_m(m, 0, 2)));
    const ds_var d1 = ds_max(m11, ds_c(least)), l21 = ds_div(m12, d1);
    const ds_var m22 = ds_sub(ds_m(m, 2, 2), ds_mul(l20, ds_m(m, 0, 2)));
    const ds_var d2 = ds_max(ds_sub(m22, ds_mul(l21, m12)), ds_c(least));
    const ds_var y1 = ds_sub(ds_y(b), ds_mul(l10, ds_x(b)));
    const ds_var z2 = ds_sub(ds_z(b), ds_mul(l20, ds_x(b))), y2 = ds_sub(z2, ds_mul(l21, y1));
    const ds_var z = ds_div(y2, d2), z1 = ds_div(y1, d1), y = ds_sub(z1, ds_mul(l21, z));
    const ds_var z0 = ds_div(ds_x(b), d0), x0 = ds_sub(z0, ds_mul(l10, y));
    return ds_pack3(ds_sub(x0, ds_mul(l20, z)), y, z);
}

/* y: R [9], tr S. R' F = S, so R' dR S + dS = R' dF =: A, and with R' dR = [w], dS being symmetric, the
   skew part says (tr S I - S) w = ax A; d tr S = R : dF. Divided by tr S, so that nothing underflows. */
DSI_QUOTED(polar_value, "y: the rotation [9] and the trace of the stretch",

DSI_APART void dsi_polar_value(const ds_real *x, ds_real *y)
{
    ds_real p[9];
    dsi_m3_polar(x, y, p);
    y[9] = p[0] + p[4] + p[8];
}
)
static void dsi_polar_rule(ds_vars x, ds_vars y, ds_vars x_dot, ds_var *y_dot)
{
    const ds_var33 R = dsi_block33(y, 0), dF = dsi_block33(x_dot, 0), Rt = ds_transpose33(R);
    const ds_var33 S = ds_mul33(Rt, dsi_block33(x, 0)), A = ds_mul33(Rt, dF);
    const ds_var part = ds_safe_div(ds_c(1), ds_vars_at(y, 9)), minus = ds_neg(part);
    const ds_var33 m = ds_shift33(ds_scale33(S, minus), ds_c(1));
    const ds_var ax = ds_sub(ds_m(A, 2, 1), ds_m(A, 1, 2)), ay = ds_sub(ds_m(A, 0, 2), ds_m(A, 2, 0));
    const ds_var az = ds_sub(ds_m(A, 1, 0), ds_m(A, 0, 1));
    const ds_var3 b = ds_scale3(ds_pack3(ax, ay, az), part);
    dsi_put_turned(R, dsi_solve_symmetric(m, b, 8 * dsi_epsilon()), y_dot);
    y_dot[9] = ds_ddot33(R, dF);
}

/* y: w [3], v [9]. With B = v' dA v, dA made symmetric: dw_i = B_ii, v' dv has B_ij / (w_j - w_i) */
DSI_QUOTED(eigen_value, "y: eigenvalues [3] and eigenvectors [9] of the symmetric part",

DSI_APART void dsi_eigen_value(const ds_real *x, ds_real *y)
{
    ds_real a[9];
    int k;
    for (k = 0; k < 9; k++) a[k] = (x[k] + x[k % 3 * 3 + k / 3]) / 2;
    dsi_m3_symmetric_eigen(a, y, y + 3);
}
)
/* half of (m_ij + sign m_ji) / (q + sign_q p), with p and q numbers of i and j */
static ds_var dsi_half_over(ds_var33 m, size_t i, size_t j, ds_vars y, size_t first, int minus)
{
    const ds_var p = ds_vars_at(y, first + i), q = ds_vars_at(y, first + j);
    const ds_var mij = ds_m(m, i, j), mji = ds_m(m, j, i);
    const ds_var part = minus ? ds_sub(mij, mji) : ds_add(mij, mji);
    const ds_var over = minus ? ds_add(q, p) : ds_sub(q, p);
    return ds_div(ds_mul(ds_c(0.5), part), over);
}
static void dsi_eigen_rule(ds_vars x, ds_vars y, ds_vars x_dot, ds_var *y_dot)
{
    const ds_var33 V = dsi_block33(y, 3), AV = ds_mul33(dsi_block33(x_dot, 0), V);
    const ds_var33 B = ds_mul33(ds_transpose33(V), AV);
    const ds_var wx = dsi_half_over(B, 2, 1, y, 0, 0), wy = dsi_half_over(B, 0, 2, y, 0, 0);
    const ds_var wz = dsi_half_over(B, 1, 0, y, 0, 0);
    (void)x;
    y_dot[0] = ds_m(B, 0, 0);
    y_dot[1] = ds_m(B, 1, 1);
    y_dot[2] = ds_m(B, 2, 2);
    dsi_put_turned(V, ds_pack3(wx, wy, wz), y_dot + 3);
}

/* y: u [9], s [3], v [9]. P = u' dF v = [p] diag(s) + diag(ds) - diag(s) [q] with [p] = u' du, [q] = v' dv:
   P_ij + P_ji = (p_ij + q_ij) (s_j - s_i),  P_ij - P_ji = (p_ij - q_ij) (s_j + s_i) */
DSI_QUOTED(svd_value, "y: u [9], s [3] and v [9]",

DSI_APART void dsi_svd_value(const ds_real *x, ds_real *y)
{
    dsi_m3_svd(x, y, y + 9, y + 12);
}
)
static void dsi_svd_rule(ds_vars x, ds_vars y, ds_vars x_dot, ds_var *y_dot)
{
    static const unsigned char row[3] = { 2, 0, 1 }, column[3] = { 1, 2, 0 };
    const ds_var33 U = dsi_block33(y, 0), V = dsi_block33(y, 12);
    const ds_var33 FV = ds_mul33(dsi_block33(x_dot, 0), V), P = ds_mul33(ds_transpose33(U), FV);
    ds_var p[3], q[3];
    size_t k;
    (void)x;
    for (k = 0; k < 3; k++) {
        const ds_var sum = dsi_half_over(P, row[k], column[k], y, 9, 0);
        const ds_var difference = dsi_half_over(P, row[k], column[k], y, 9, 1);
        p[k] = ds_add(sum, difference);
        q[k] = ds_sub(sum, difference);
        y_dot[9 + k] = ds_m(P, k, k);
    }
    dsi_put_turned(U, ds_pack3(p[0], p[1], p[2]), y_dot);
    dsi_put_turned(V, ds_pack3(q[0], q[1], q[2]), y_dot + 12);
}

static const dsi_composite dsi_polar = {
    9, 10, dsi_polar_value, dsi_polar_rule, "polar",
    { dsi_quoted_turns, dsi_quoted_diagonal, dsi_quoted_signs, dsi_quoted_polar, dsi_quoted_polar_value }
};
static const dsi_composite dsi_eigen = {
    9, 12, dsi_eigen_value, dsi_eigen_rule, "eigen",
    { dsi_quoted_turns, dsi_quoted_diagonal, dsi_quoted_eigen, dsi_quoted_eigen_value, NULL }
};
static const dsi_composite dsi_svd = {
    9, 21, dsi_svd_value, dsi_svd_rule, "svd",
    { dsi_quoted_turns, dsi_quoted_diagonal, dsi_quoted_signs, dsi_quoted_svd, dsi_quoted_svd_value }
};
/* by number: for kernels */
static const dsi_composite *const dsi_composites[] = { &dsi_polar, &dsi_eigen, &dsi_svd };
/* of all composites; the name is that of the function */
#define DSI_COMPOSITE(name) \
    static const ds_custom_type dsi_##name##_type = { #name, dsi_composite_forward, dsi_composite_reverse, \
                                                      dsi_composite_tangent, dsi_composite_second };
DSI_COMPOSITE(polar33)
DSI_COMPOSITE(stretch33)
DSI_COMPOSITE(symmetric_eigen33)
DSI_COMPOSITE(svd33)
#undef DSI_COMPOSITE

/* the block of the outputs; the composite is only read, the pointer of a custom node is not const */
static ds_vars dsi_record_composite(const ds_custom_type *type, const dsi_composite *c, ds_var33 a)
{
    ds_var in[9];
    dsi_put_rows(a, in);
    return dsi_record_custom(type->name, type, NULL, (void *)c, in, c->n_in, c->n_out);
}

/* A block that was refused is dead, and so are the views of it. */
DIFFSIM_API ds_var33 (ds_polar33)(ds_var33 a)
{
    return dsi_block33(dsi_record_composite(&dsi_polar33_type, &dsi_polar, a), 0);
}

DIFFSIM_API ds_var (ds_stretch33)(ds_var33 a)
{
    const ds_vars y = dsi_record_composite(&dsi_stretch33_type, &dsi_polar, a);
    return dsi_part(y.rec, y.at + 9);
}

DIFFSIM_API void (ds_symmetric_eigen33)(ds_var33 a, ds_var3 *w, ds_var33 *v)
{
    const ds_vars y = dsi_record_composite(&dsi_symmetric_eigen33_type, &dsi_eigen, a);
    if (w) *w = dsi_block3(y, 0);
    if (v) *v = dsi_block33(y, 3);
}

DIFFSIM_API void (ds_svd33)(ds_var33 a, ds_var33 *u, ds_var3 *s, ds_var33 *v)
{
    const ds_vars y = dsi_record_composite(&dsi_svd33_type, &dsi_svd, a);
    if (u) *u = dsi_block33(y, 0);
    if (s) *s = dsi_block3(y, 9);
    if (v) *v = dsi_block33(y, 12);
}

/* 2x2 matrices. One operation a line: the order of arguments is open. */
DIFFSIM_API void (ds_mul22)(const ds_var a[4], const ds_var b[4], ds_var out[4])
{
    ds_var r[4];
    size_t i;
    DIFFSIM_ASSERT(a && b && out);
    if (!a || !b || !out) return;
    for (i = 0; i < 4; i++) {
        const ds_var first = ds_mul(a[i & 2], b[i & 1]);
        r[i] = ds_fma(a[(i & 2) + 1], b[(i & 1) + 2], first);
    }
    for (i = 0; i < 4; i++) out[i] = r[i];
}

DIFFSIM_API ds_var (ds_det22)(const ds_var a[4])
{
    ds_var other;
    DIFFSIM_ASSERT(a);
    if (!a) return ds_c((double)dsi_nan());
    other = ds_mul(a[1], a[2]);
    return ds_sub(ds_mul(a[0], a[3]), other);
}

DIFFSIM_API void (ds_inverse22)(const ds_var a[4], ds_var out[4])
{
    ds_var first, part, minus;
    DIFFSIM_ASSERT(a && out);
    if (!a || !out) return;
    first = a[0];
    part = ds_recip((ds_det22)(a));
    minus = ds_neg(part);
    out[0] = ds_mul(a[3], part);
    out[1] = ds_mul(a[1], minus);
    out[2] = ds_mul(a[2], minus);
    out[3] = ds_mul(first, part);
}

DIFFSIM_API ds_var (ds_stretch22)(const ds_var a[4])
{
    ds_var c;
    DIFFSIM_ASSERT(a);
    if (!a) return ds_c((double)dsi_nan());
    c = ds_add(a[0], a[3]);
    return ds_safe_norm(c, ds_sub(a[2], a[1]));
}

DIFFSIM_API void (ds_polar22)(const ds_var a[4], ds_var out[4])
{
    ds_var c, s, length;
    DIFFSIM_ASSERT(a && out);
    if (!a || !out) return;
    c = ds_add(a[0], a[3]);
    s = ds_sub(a[2], a[1]);
    length = ds_safe_norm(c, s);
    c = ds_safe_div(c, length);
    out[0] = out[3] = ds_select(length, c, ds_c(1));
    out[2] = ds_safe_div(s, length);
    out[1] = ds_neg(out[2]);
}

/* Reading. All readers go through dsi_read: numbers of a variable that is not good, of a torn tape, or of
   a sweep that has not been, are NaN. The first to read anything marks the tape (n_read): what is recorded
   later may depend on it. */

/* the tape on which a variable of some kind is good, or NULL. good: live, or of an older epoch whose
   segment still stands */
static ds_tape *dsi_good_tape(ds_var var)
{
    ds_tape *const tape = var.rec ? dsi_tape_of(var.rec) : NULL;
    return tape && dsi_is_alive(tape, var) ? tape : NULL;
}

enum { DSI_READ_VALUE, DSI_READ_GRADIENT, DSI_READ_TANGENT };
/* out [n]: the numbers from the variable's slot on. A tangent that is not finite makes an error, see
   dsi_blame_tangent; gradients are not looked at again. */
static void dsi_read(ds_var var, int what, ds_real *out, size_t n)
{
    static const char *const words[] = { "value", "grad", "tangent" };
    ds_tape *tape = dsi_good_tape(var);
    const size_t slot = dsi_slot(var);
    const ds_real *from = NULL;
    size_t i;
    if (tape && (tape->torn || dsi_refuse_symbolic(tape, words[what]))) tape = NULL;
    if (tape && !tape->n_read) {
        tape->n_read = tape->rec.n_nodes + 1;
        tape->read_at.file = tape->rec.file;
        tape->read_at.line = tape->rec.line;
    }
    if (tape && what == DSI_READ_VALUE) from = tape->rec.values;
    if (tape && what == DSI_READ_GRADIENT && slot < tape->n_gradients) from = tape->adjoints;
    if (tape && what == DSI_READ_TANGENT && slot < tape->n_tangents) from = tape->motion;
    for (i = 0; i < n; i++) out[i] = from ? from[slot + i] : dsi_nan();
    if (what == DSI_READ_TANGENT && from && (i = dsi_first_non_finite(out, n)) < n)
        dsi_blame_tangent(tape, slot + i);
}

/* a constant is its own value, reading it marks no tape; it has tangent 0 and no gradient (NaN) */
DIFFSIM_API ds_real (ds_value)(ds_var var)
{
    ds_real r;
    if (!var.rec) return (ds_real)dsi_number(var);
    dsi_read(var, DSI_READ_VALUE, &r, 1);
    return r;
}

DIFFSIM_API ds_real ds_grad(ds_var var)
{
    ds_real r;
    dsi_read(var, DSI_READ_GRADIENT, &r, 1);
    return r;
}

DIFFSIM_API ds_real ds_tangent(ds_var var)
{
    ds_real r;
    if (!var.rec) return 0;
    dsi_read(var, DSI_READ_TANGENT, &r, 1);
    return r;
}

/* ds_v3 ds_value3(ds_var3 var) { read 3 numbers }, and so on */
#define DSI_READER(function, kind, what) \
    DIFFSIM_API DSI_TYPE_##kind function(DSI_HANDLE_##kind var) \
    { \
        ds_real r[DSI_WIDTH(kind)]; \
        dsi_read(dsi_any_##kind(var), what, r, DSI_WIDTH(kind)); \
        return dsi_load_##kind(r); \
    }
DSI_READER(ds_value3, r3, DSI_READ_VALUE)
DSI_READER(ds_value4, r4, DSI_READ_VALUE)
DSI_READER(ds_value33, r9, DSI_READ_VALUE)
DSI_READER(ds_grad3, r3, DSI_READ_GRADIENT)
DSI_READER(ds_grad4, r4, DSI_READ_GRADIENT)
DSI_READER(ds_grad33, r9, DSI_READ_GRADIENT)
DSI_READER(ds_tangent3, r3, DSI_READ_TANGENT)
#undef DSI_READER

/* The blocks' readers say why there is nothing to read, and leave out as it was. */
DIFFSIM_API ds_result ds_values(ds_vars vars, ds_real *out)
{
    const ds_tape *const tape = dsi_good_tape(dsi_first_of(vars));
    if (!vars.rec) return DSIM_ERROR_NO_RECORDER;
    if (!tape)
        return dsi_tape_of(vars.rec)->error.code ? dsi_tape_of(vars.rec)->error.code : DSIM_ERROR_STALE;
    if (tape->torn) return tape->error.code;
    if (!out) return DSIM_ERROR_ARGUMENT;
    if (tape->symbolic) return DSIM_ERROR_NO_VALUE;
    dsi_read(dsi_first_of(vars), DSI_READ_VALUE, out, vars.n);
    return DSIM_OK;
}

DIFFSIM_API ds_result ds_grads(ds_vars vars, ds_real *out)
{
    const ds_tape *const tape = dsi_good_tape(dsi_first_of(vars));
    if (!vars.rec) return DSIM_ERROR_NO_RECORDER;
    if (dsi_tape_of(vars.rec)->error.code) return dsi_tape_of(vars.rec)->error.code;
    if (!tape) return DSIM_ERROR_STALE;
    if (!out) return DSIM_ERROR_ARGUMENT;
    if (vars.n && (uint32_t)vars.at >= tape->n_gradients) return DSIM_ERROR_ORDER;
    dsi_read(dsi_first_of(vars), DSI_READ_GRADIENT, out, vars.n);
    return DSIM_OK;
}

/* >>impl 7 kernels --------------------------------------------------------------------------------

   Recording. A kernel owns a tape on which the operations of its body are recorded with made-up numbers; each
   load is an input of it. Before every load and store what is new on the tape is turned into expressions, in
   a dsi_body: scalar rows of the table, loads, indices. Vector rows become scalars by their value columns,
   which loses nothing: their derivatives follow from those of the scalars.

   Expressions. dsi_emit is the only maker. It folds constants, simplifies what is exact, orders the operands
   of + and * by a hash of their structure and looks whether the same was made before; so equal expressions
   have one number, and none depends on the order in which C evaluates arguments. dsi_rebuild walks from the
   effects (stores and sums) down and copies what they need, operands first, the larger half first: that drops
   dead code and gives the order in which a program runs.

   Derivatives are emitted from the columns of the table. Where a column may meet 0 * infinity, the rule of
   zeros is written out: `gate`, g != 0 ? gain : 0, behind curved rows and before choices. Afterwards rows
   that are made of others are expanded, until only primitives are left, which the interpreter has loops for.

   A composite (section 6) is an expression of a list of its inputs; its outputs are expressions of it. To
   differentiate it, its rule is recorded, translated with placeholders for x_dot, and swept forward or back,
   so that a derivative holds nothing but rows of the table and the composite's outputs. When run, the value
   function is called lane by lane; printed text brings its code along.

   Running. A program works on blocks of lanes. In each block every index is a line first + step * lane, if
   it can be: then loads are plain reads of the caller's memory. Elsewhere indices are computed for each lane
   and numbers are gathered. Slots of the block's numbers are reused as soon as they are free, so that a block
   stays in the first cache. */

/* Example: y[lane] = 3 x[lane]^2 and its adjoint.

       the body                  the adjoint                its program of a block, three slots at most
       0  constant 0             0  constant 0
       1  lane                   1  lane                    once: uniform 0 = 0, uniform 1 = 3, uniform 2 = 2
       2  load x [1]             2  load y_bar [1]          load y_bar in place, or into slot 0
       3  mul 2 2                3  constant 3
       4  constant 3             4  mul 2 3                 slot 0 = y_bar * uniform 1
       5  mul 3 4                5  load x [1]              load x in place, or into slot 1
          y [1] = 5              6  mul 4 5                 slot 1 = slot 0 * x
                                 7  constant 2
                                 8  mul 6 7                 slot 1 = slot 1 * uniform 2
                                    x_bar [1] += 8          add slot 1

   The square became a product when it was recorded. Its derivative, g a + g a, met itself: a sum of two equal
   numbers is a product with 2, and powers of two move outwards. */

/* Making kernels is not what takes the time: compiled quickly, it runs a little slower. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__) && !defined(__CUDACC__) && \
    defined(__OPTIMIZE__)
#define DSI_QUICKLY_COMPILED
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
/* operations beyond those of a tape. DSI_INDEX_OPS: name, operands, value from the integers a, b, c. */
#define DSI_INDEX_OPS(DSI_ROW) \
    DSI_ROW(add, 2, dsi_wrap((uint64_t)a + (uint64_t)b)) \
    DSI_ROW(sub, 2, dsi_wrap((uint64_t)a - (uint64_t)b)) \
    DSI_ROW(mul, 2, dsi_wrap((uint64_t)a * (uint64_t)b)) \
    DSI_ROW(div, 2, dsi_floor_div(a, b)) \
    DSI_ROW(mod, 2, dsi_wrap((uint64_t)a - (uint64_t)b * (uint64_t)dsi_floor_div(a, b))) \
    DSI_ROW(min, 2, a < b ? a : b) \
    DSI_ROW(max, 2, a > b ? a : b) \
    DSI_ROW(lt, 2, a < b) \
    DSI_ROW(le, 2, a <= b) \
    DSI_ROW(eq, 2, a == b) \
    DSI_ROW(select, 3, a ? b : c)
enum {
    DSI_X_constant = DSI_OP_COUNT, /* a, b: the bits of a double */
    DSI_X_load, /* a: argument, b: index, c: component */
    DSI_X_gate, /* a != 0 ? b : 0, where b = a c: at a = 0 it moves with a alone, by c */
    DSI_X_number, /* of the index a */
    DSI_X_store, /* in programs: a: value, b: effect */
    DSI_X_mul_add, /* in programs: a b + c, each rounded */
    DSI_X_mul_sub, /* a b - c */
    DSI_X_sub_mul, /* c - a b */
    DSI_X_list, /* a: the list before, or 0; b: its last entry */
    DSI_X_composite, /* a: list of inputs, b: number in dsi_composites; in programs a: call */
    DSI_X_output, /* of the composite a, number b */
    DSI_X_seed, /* a: number; what a rule is linear in, while it is differentiated */
    DSI_X_first_index, /* those behind are integers */
    DSI_X_integer = DSI_X_first_index, /* a, b: the bits of an int64_t */
    DSI_X_lane, /* a: axis, or DSI_FLAT */
    DSI_X_lanes, /* a: axis */
    DSI_X_load_index, /* as load */
    DSI_X_floor, /* of the number a */
#define DSI_ROW(name, operands, value) DSI_X_index_##name,
    DSI_INDEX_OPS(DSI_ROW)
#undef DSI_ROW
    DSI_X_COUNT
};
enum { DSI_FLAT_LANE = 3, DSI_MOST_COMPONENTS = 4096 };
#define DSI_NO_EXPR UINT32_MAX /* no expression; as a gain: there is no derivative */

typedef struct dsi_expr { uint32_t op, a, b, c; } dsi_expr;
/* What a lane does to arrays: number `component` of element `index` of argument `arg` becomes, or gains,
   value; with `minus` it loses value. at: expressions that stand before it in a program. */
typedef struct dsi_effect { uint32_t arg, index, component, value, at, minus; } dsi_effect;

/* expressions in an order in which operands come first; number 0 is the constant 0 */
typedef struct dsi_body {
    ds_allocator allocator;
    ds_result result; /* MEMORY: the body is of no use */
    dsi_expr *exprs;
    uint64_t *hashes; /* of the structure */
    uint32_t *table; /* where expressions are looked up; 0: free */
    dsi_effect *effects;
    uint32_t *loads; /* numbers loaded, in the order of recording */
    dsi_place here; /* where the user stands, if DIFFSIM_DEBUG has told */
    dsi_place *places; /* and stood when an expression was new, [cap_places]; the others have no file */
    size_t n_exprs, n_effects, n_loads, cap_exprs, cap_hashes, cap_table, cap_effects, cap_loads, cap_places;
} dsi_body;

enum { DSI_ARG_NONE, DSI_ARG_IN, DSI_ARG_OUT, DSI_ARG_SUM, DSI_ARG_UPDATE, DSI_ARG_INDEX };
static const char *const dsi_arg_words[] = { "none", "in", "out", "sum", "update", "index" };
typedef struct dsi_argument {
    char name[48];
    int kind;
    size_t components;
} dsi_argument;

/* a step of a program: numbers stand at places. The place of a value is its slot, of a constant or a number
   that is the same in all lanes a uniform, of a load its own. */
typedef struct dsi_instruction { uint32_t op, out, a, b, c; } dsi_instruction;
/* where the numbers of each place are, and 0 for those that are the same in all lanes */
typedef struct dsi_numbers {
    ds_real **at;
    size_t *mask;
} dsi_numbers;
/* what runs a step: n lanes, a multiple of DSI_STRIDE */
typedef void dsi_lanes_fn(const dsi_numbers *x, const dsi_instruction *step, size_t n);
typedef struct dsi_stream { /* a load */
    uint32_t arg, index, component, slot;
    uint32_t copied; /* of an update, and another effect's value: it may be overwritten first */
} dsi_stream;
/* an element that lanes use: `index` of argument `arg`. shared: 1 + the number of the argument among those
   that several lanes add to, or 0 */
typedef struct dsi_use { uint32_t arg, index, shared; } dsi_use;
/* what is added: the value of an effect, where it stands, and the number of its index among the integers.
   again: an earlier adder of the sum adds the same number */
typedef struct dsi_adder { uint32_t effect, place, line, minus, again; } dsi_adder;
/* Effects that add to one component of an argument: adders[first .. first + count - 1] of the program. own:
   each element gains from one lane only; reduced: the element is the same for all lanes; shared: anything
   else. alike: sums from this one on whose adders have the same indices and signs: components of a vector.
   clears: what stands between joined rows may be cleared: no number is a load, which is read in place, or has
   both signs */
enum { DSI_SUM_OWN, DSI_SUM_REDUCED, DSI_SUM_SHARED };
enum { DSI_MOST_ALIKE = 3 };
typedef struct dsi_sum { uint32_t arg, component, first, count, kind, number, alike, clears; } dsi_sum;
/* a composite in a program: places of its inputs and outputs, DSI_NO_EXPR: not wanted */
typedef struct dsi_call {
    const dsi_composite *composite;
    uint32_t in[DSI_RULE_IN], out[DSI_RULE_OUT];
} dsi_call;
typedef struct dsi_program {
    dsi_body body; /* primitives only */
    dsi_call *calls;
    dsi_instruction *steps; /* [n_once] for all lanes at once, then [n_steps - n_once] for each block */
    dsi_stream *streams;
    uint32_t *places; /* of each expression */
    uint8_t *uniform; /* of each expression: the same in all lanes */
    uint32_t *once; /* those expressions, integers too, [n_uniform] */
    dsi_lanes_fn **fns; /* of the steps; NULL: loads, stores, calls and numbers of indices */
    uint32_t *sources; /* of effects in printed text: 0 a uniform, k input k - 1, then results of effects */
    int adds; /* printed text can store and add everything itself */
    uint32_t *indices; /* integers, and numbers below a floor */
    uint32_t *index_at; /* of an expression, its number among the integers or those numbers */
    dsi_use *uses;
    dsi_sum *sums;
    dsi_adder *adders;
    size_t n_uses, n_sums, n_adders, n_shared, n_reduced, cap_uses, cap_sums, cap_adders;
    int floors; /* indices depend on numbers */
    size_t n_calls, cap_calls;
    int updates; /* an argument is read and written */
    int joins; /* rows may be joined: nothing but rows of the table, loads, stores and sums by element */
    size_t n_steps, n_once, n_streams, n_slots, n_uniforms, n_places, operations;
    size_t n_indices, n_lines, n_before; /* in all; integers; numbers below a floor */
    size_t n_uniform, n_inputs; /* inputs of printed text: loads, then numbers of indices */
    size_t cap_steps, cap_streams, cap_places, cap_uniform, cap_indices, cap_index_at;
    size_t cap_once, cap_fns, cap_sources;
    uint64_t hash, text_hash;
} dsi_program;

struct ds_kernel {
    ds_recorder *rec; /* first, where DIFFSIM_DEBUG finds it: that of the tape; a derivative has none */
    ds_kernel_desc desc;
    ds_error error;
    char name[48];
    int ended;
    ds_tape *tape; /* while it is recorded */
    size_t n_nodes, n_values; /* of the tape, that are expressions already */
    uint32_t *expr_of; /* the expression of each value of the tape */
    dsi_step *steps;
    size_t cap_expr_of, cap_steps;
    dsi_argument *args;
    size_t n_args, cap_args;
    size_t recorded;
    dsi_body body;
    dsi_program program;
};

/* Refusals: as on a tape, the first sticks; with the place if it is known. */
DSI_APART dsi_text dsi_kernel_refuse(ds_kernel *kernel, ds_result code, size_t index)
{
    dsi_text t = dsi_text_into(kernel->error.text, sizeof kernel->error.text);
    kernel->error.code = code;
    kernel->error.index = index;
    dsi_put(&t, "kernel '");
    dsi_put(&t, kernel->name);
    dsi_put(&t, "': ");
    dsi_put_place(&t, "", kernel->body.here.file, kernel->body.here.line, ": ");
    return t;
}

/* ends the sentence and tells the logger; returns the code, so that callers refuse and return at once */
DSI_APART ds_result dsi_kernel_refused(ds_kernel *kernel, dsi_text *t)
{
    return dsi_end_refusal(&kernel->error, &kernel->desc.log, t);
}

/* "kernel 'k': ds_load: what 'name'" */
DSI_APART ds_result dsi_kernel_refuse_at(ds_kernel *kernel, ds_result code, size_t index,
                                         const char *function, const char *what, const char *name)
{
    dsi_text t = dsi_kernel_refuse(kernel, code, index);
    dsi_put(&t, function);
    dsi_put(&t, what);
    if (name) {
        dsi_put(&t, " '");
        dsi_put(&t, name);
        dsi_put(&t, "'");
    }
    return dsi_kernel_refused(kernel, &t);
}

/* an error of the kernel, its tape's or a lack of memory; the first becomes the kernel's */
static ds_result dsi_kernel_failed(ds_kernel *kernel)
{
    if (kernel->error.code) return kernel->error.code;
    if (kernel->tape && kernel->tape->error.code) {
        dsi_text t;
        kernel->body.here.file = NULL; /* the tape's text has its place */
        t = dsi_kernel_refuse(kernel, kernel->tape->error.code, kernel->tape->error.index);
        dsi_put(&t, kernel->tape->error.text);
        if (kernel->desc.log.write)
            kernel->desc.log.write(kernel->desc.log.user, kernel->error.code, kernel->error.text);
    } else if (kernel->body.result || kernel->program.body.result) {
        dsi_kernel_refuse_at(kernel, DSIM_ERROR_MEMORY, kernel->body.n_exprs, "no memory for expressions", "",
                             NULL);
    }
    return kernel->error.code;
}

/* Expressions. */

/* which of a, b, c are expressions: bits 1, 2, 4 */
static unsigned dsi_operands_of(unsigned op)
{
    if (op < DSI_OP_sum) return (1u << dsi_ops[op].operands) - 1;
    switch (op) {
    case DSI_X_gate: return 7;
    case DSI_X_list: return 3;
    case DSI_X_load: case DSI_X_load_index: return 2;
    case DSI_X_number: case DSI_X_floor: case DSI_X_composite: case DSI_X_output: return 1;
#define DSI_ROW(name, operands, value) case DSI_X_index_##name: return (1u << operands) - 1;
    DSI_INDEX_OPS(DSI_ROW)
#undef DSI_ROW
    default: return 0;
    }
}

/* may the operands be exchanged without a change of a single bit? min and max are not among these: they tell
   their operands apart in ties and for NaN */
static int dsi_is_symmetric(unsigned op)
{
    return op == DSI_OP_add || op == DSI_OP_mul || op == DSI_X_index_add || op == DSI_X_index_mul;
}

/* an array of the body grows; 0 if it cannot */
static int dsi_body_grow(dsi_body *body, void **array, size_t *capacity, size_t need, size_t element)
{
    if (need <= *capacity) return 1;
    if (!body->result)
        body->result = dsi_grow(&body->allocator, array, capacity, need, (size_t)UINT32_MAX / 2, element);
    return !body->result;
}

/* the same for an array of type T behind the pointer p */
#define DSI_GROW(body, T, p, capacity, need) (dsi_grown = (p), \
    dsi_body_grow(body, &dsi_grown, &(capacity), need, sizeof(T)) ? ((p) = (T *)dsi_grown, 1) : 0)

/* one word more in a hash; multiplication spreads low bits upwards, the shift brings high ones down */
static uint64_t dsi_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* of the structure: operands count by their own hashes, not by their numbers, which depend on the order in
   which C evaluates arguments */
static uint64_t dsi_hash_expr(const dsi_body *body, const dsi_expr *e)
{
    const unsigned operands = dsi_operands_of(e->op);
    uint64_t hash = dsi_mix(1, e->op);
    hash = dsi_mix(hash, operands & 1 ? body->hashes[e->a] : e->a);
    hash = dsi_mix(hash, operands & 2 ? body->hashes[e->b] : e->b);
    return dsi_mix(hash, operands & 4 ? body->hashes[e->c] : e->c);
}

/* the place of e in the table, free if it is not there */
static size_t dsi_look_up(const dsi_body *body, const dsi_expr *e, uint64_t hash)
{
    size_t at = (size_t)hash & (body->cap_table - 1);
    while (body->table[at] && memcmp(body->exprs + body->table[at], e, sizeof *e))
        at = (at + 1) & (body->cap_table - 1);
    return at;
}

/* twice as large a table; half of it stays free */
static int dsi_grow_table(dsi_body *body)
{
    const size_t larger = body->cap_table ? 2 * body->cap_table : 512;
    uint32_t *table = NULL;
    size_t i;
    if (body->result) return 0;
    table = (uint32_t *)body->allocator.resize(body->allocator.user, NULL, 0, larger * sizeof *table);
    if (!table) {
        body->result = DSIM_ERROR_MEMORY;
        return 0;
    }
    if (body->table)
        body->allocator.resize(body->allocator.user, body->table, body->cap_table * sizeof *table, 0);
    memset(table, 0, larger * sizeof *table);
    body->table = table;
    body->cap_table = larger;
    for (i = 1; i < body->n_exprs; i++)
        table[dsi_look_up(body, body->exprs + i, body->hashes[i])] = (uint32_t)i;
    return 1;
}

/* expression i is new: it keeps the place, if one is known */
static void dsi_keep_expr_place(dsi_body *body, size_t i)
{
    const size_t had = body->cap_places;
    void *dsi_grown;
    if (!body->here.file || !DSI_GROW(body, dsi_place, body->places, body->cap_places, i + 1)) return;
    memset(body->places + had, 0, (body->cap_places - had) * sizeof *body->places);
    body->places[i] = body->here;
}
/* what is made now was recorded where expression i of another body was */
static void dsi_carry_place(dsi_body *body, const dsi_body *from, size_t i)
{
    body->here.file = NULL;
    if (i < from->cap_places) body->here = from->places[i];
}

/* the number of this expression as it stands */
static uint32_t dsi_intern(dsi_body *body, unsigned op, uint32_t a, uint32_t b, uint32_t c)
{
    dsi_expr e;
    uint64_t hash;
    size_t at;
    void *dsi_grown;
    e.op = op;
    e.a = a;
    e.b = b;
    e.c = c;
    if (!DSI_GROW(body, dsi_expr, body->exprs, body->cap_exprs, body->n_exprs + 1) ||
        !DSI_GROW(body, uint64_t, body->hashes, body->cap_hashes, body->n_exprs + 1))
        return 0;
    if (2 * body->n_exprs >= body->cap_table && !dsi_grow_table(body)) return 0;
    hash = dsi_hash_expr(body, &e);
    at = dsi_look_up(body, &e, hash);
    if (body->table[at]) return body->table[at];
    if (body->n_exprs) body->table[at] = (uint32_t)body->n_exprs;
    body->exprs[body->n_exprs] = e;
    body->hashes[body->n_exprs] = hash;
    dsi_keep_expr_place(body, body->n_exprs);
    return (uint32_t)body->n_exprs++;
}

/* a leaf of 64 bits: a double, or an integer */
static uint32_t dsi_bits_expr(dsi_body *body, unsigned op, uint64_t bits)
{
    return dsi_intern(body, op, (uint32_t)bits, (uint32_t)(bits >> 32), 0);
}
/* zero of either sign is expression 0 */
static uint32_t dsi_constant(dsi_body *body, double number)
{
    const double rounded = (double)(ds_real)number;
    return rounded == 0 ? 0 : dsi_bits_expr(body, DSI_X_constant, dsi_to_bits(rounded));
}
static uint32_t dsi_integer(dsi_body *body, int64_t number)
{
    return dsi_bits_expr(body, DSI_X_integer, (uint64_t)number);
}
static uint64_t dsi_bits_of(const dsi_expr *e) { return (uint64_t)e->b << 32 | e->a; }
static int dsi_is_op(const dsi_body *body, uint32_t x, unsigned op) { return body->exprs[x].op == op; }
static int dsi_is_constant(const dsi_body *body, uint32_t x) { return dsi_is_op(body, x, DSI_X_constant); }
static double dsi_constant_of(const dsi_body *body, uint32_t x)
{
    return dsi_from_bits(dsi_bits_of(body->exprs + x));
}
/* is x this very constant? */
static int dsi_is_equal(const dsi_body *body, uint32_t x, double number)
{
    return dsi_is_constant(body, x) && dsi_constant_of(body, x) == number;
}

/* an empty body with expression 0 */
static void dsi_body_begin(dsi_body *body, const ds_allocator *allocator)
{
    memset(body, 0, sizeof *body);
    body->allocator = *allocator;
    dsi_intern(body, DSI_X_constant, 0, 0, 0);
}
/* gives an array back, if there is one */
static void dsi_release(const ds_allocator *allocator, void *array, size_t bytes)
{
    if (array) allocator->resize(allocator->user, array, bytes, 0);
}
static void dsi_body_end(dsi_body *body)
{
    dsi_release(&body->allocator, body->exprs, body->cap_exprs * sizeof *body->exprs);
    dsi_release(&body->allocator, body->hashes, body->cap_hashes * sizeof *body->hashes);
    dsi_release(&body->allocator, body->table, body->cap_table * sizeof *body->table);
    dsi_release(&body->allocator, body->effects, body->cap_effects * sizeof *body->effects);
    dsi_release(&body->allocator, body->loads, body->cap_loads * sizeof *body->loads);
    dsi_release(&body->allocator, body->places, body->cap_places * sizeof *body->places);
    memset(body, 0, sizeof *body);
}

/* the integer with these bits; sums and products are made of unsigned words, which wrap instead of being
   undefined */
static int64_t dsi_wrap(uint64_t bits)
{
    int64_t r;
    memcpy(&r, &bits, sizeof r);
    return r;
}
/* rounded down; 0 for a divisor of 0. The one quotient that overflows is negated with wrapping. */
static int64_t dsi_floor_div(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (b == -1) return dsi_wrap(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
/* an operation on integers: the value column of its row */
static int64_t dsi_index_value(unsigned op, int64_t a, int64_t b, int64_t c)
{
    (void)c;
    switch (op) {
#define DSI_ROW(name, operands, value) case DSI_X_index_##name: return value;
    DSI_INDEX_OPS(DSI_ROW)
#undef DSI_ROW
    default: return 0;
    }
}

/* indices: constants are folded, neutral operands dropped */
static uint32_t dsi_emit_index(dsi_body *body, unsigned op, uint32_t a, uint32_t b, uint32_t c)
{
    const unsigned operands = dsi_operands_of(op);
    const int known_a = dsi_is_op(body, a, DSI_X_integer), known_b = dsi_is_op(body, b, DSI_X_integer);
    const int known_c = !(operands & 4) || dsi_is_op(body, c, DSI_X_integer);
    const int64_t x = known_a ? dsi_wrap(dsi_bits_of(body->exprs + a)) : 0;
    const int64_t y = known_b ? dsi_wrap(dsi_bits_of(body->exprs + b)) : 0;
    const int64_t z = known_c && operands & 4 ? dsi_wrap(dsi_bits_of(body->exprs + c)) : 0;
    if (known_a && known_b && known_c) return dsi_integer(body, dsi_index_value(op, x, y, z));
    if (op == DSI_X_index_add && known_a && x == 0) return b;
    if ((op == DSI_X_index_add || op == DSI_X_index_sub) && known_b && y == 0) return a;
    if (op == DSI_X_index_mul && known_a && x == 1) return b;
    if ((op == DSI_X_index_mul || op == DSI_X_index_div) && known_b && y == 1) return a;
    if (op == DSI_X_index_select && known_a) return x ? b : c;
    if (dsi_is_symmetric(op) && body->hashes[a] > body->hashes[b]) return dsi_intern(body, op, b, a, c);
    return dsi_intern(body, op, a, b, c);
}

static uint32_t dsi_emit(dsi_body *body, unsigned op, uint32_t a, uint32_t b, uint32_t c);
static uint32_t dsi_emit_neg(dsi_body *body, uint32_t a) { return dsi_emit(body, DSI_OP_neg, a, 0, 0); }

/* x times a constant, in canonical order, as it stands */
static uint32_t dsi_intern_mul(dsi_body *body, uint32_t x, double factor)
{
    const uint32_t c = dsi_constant(body, factor);
    if (body->result) return 0;
    return body->hashes[x] > body->hashes[c] ? dsi_intern(body, DSI_OP_mul, c, x, 0)
                                             : dsi_intern(body, DSI_OP_mul, x, c, 0);
}

/* is 1 / number exact? */
static int dsi_is_power_of_two(double number)
{
    const double inverse = 1 / number;
    return (dsi_to_bits(number) & (UINT64_MAX >> 12)) == 0 &&
           (dsi_to_bits(inverse) & (UINT64_MAX >> 12)) == 0 && inverse != 0 &&
           (ds_real)inverse - (ds_real)inverse == 0;
}

/* x without a factor that is minus or a power of two, which *factor is multiplied by */
static uint32_t dsi_bare(const dsi_body *body, uint32_t x, double *factor)
{
    for (;;) {
        const dsi_expr *const e = body->exprs + x;
        if (e->op == DSI_OP_neg) {
            *factor = -*factor;
            x = e->a;
        } else if (e->op == DSI_OP_mul && dsi_is_constant(body, e->a) &&
                   dsi_is_power_of_two(dsi_constant_of(body, e->a))) {
            *factor *= dsi_constant_of(body, e->a);
            x = e->b;
        } else if (e->op == DSI_OP_mul && dsi_is_constant(body, e->b) &&
                   dsi_is_power_of_two(dsi_constant_of(body, e->b))) {
            *factor *= dsi_constant_of(body, e->b);
            x = e->a;
        } else
            return x;
    }
}

/* x times a factor that is plus or minus a power of two */
static uint32_t dsi_emit_scaled(dsi_body *body, uint32_t x, double factor)
{
    const uint32_t sized =
        factor == 1 || factor == -1 ? x : dsi_intern_mul(body, x, factor < 0 ? -factor : factor);
    return factor < 0 ? dsi_emit_neg(body, sized) : sized;
}

/* products and quotients: signs and powers of two move out of them, where they meet others and vanish
   */
static uint32_t dsi_simpler_product(dsi_body *body, unsigned op, uint32_t a, uint32_t b)
{
    double factor = 1, divisor = 1;
    const uint32_t bare_a = dsi_bare(body, a, &factor);
    const uint32_t bare_b = dsi_bare(body, b, op == DSI_OP_div ? &divisor : &factor);
    const double scale = factor / divisor;
    if ((bare_a != a || bare_b != b) && dsi_is_power_of_two(scale) && !dsi_is_constant(body, bare_a) &&
        !dsi_is_constant(body, bare_b))
        return dsi_emit_scaled(body, dsi_emit(body, op, bare_a, bare_b, 0), scale);
    if (op == DSI_OP_mul) {
        const uint32_t constant = dsi_is_constant(body, a) ? a : b, other = dsi_is_constant(body, a) ? b : a;
        double of_other = 1;
        const uint32_t bare = dsi_bare(body, other, &of_other);
        if (!dsi_is_constant(body, constant)) return DSI_NO_EXPR;
        if (bare != other || dsi_constant_of(body, constant) == 1 || dsi_constant_of(body, constant) == -1) {
            const double product = of_other * dsi_constant_of(body, constant);
            if (dsi_is_power_of_two(product)) return dsi_emit_scaled(body, bare, product);
            return product - product == 0 && product != 0 ? dsi_intern_mul(body, bare, product) : DSI_NO_EXPR;
        }
    } else if (dsi_is_constant(body, b) && dsi_is_power_of_two(dsi_constant_of(body, b)))
        return dsi_emit(body, DSI_OP_mul, a, dsi_constant(body, 1 / dsi_constant_of(body, b)), 0);
    return DSI_NO_EXPR;
}

/* the same for gates: with a = p a' and b = q b', p and q such factors, b = a c is b' = a' (p c / q) */
static uint32_t dsi_simpler_gate(dsi_body *body, uint32_t a, uint32_t b, uint32_t c)
{
    double p = 1, q = 1;
    const uint32_t bare_a = dsi_bare(body, a, &p), bare_b = dsi_bare(body, b, &q);
    if (a == 0 || b == 0) return 0;
    if (dsi_is_constant(body, a)) return b;
    if ((bare_a == a && bare_b == b) || !dsi_is_power_of_two(p / q)) return DSI_NO_EXPR;
    if (p / q != 1) c = dsi_emit(body, DSI_OP_mul, c, dsi_constant(body, p / q), 0);
    return dsi_emit_scaled(body, dsi_emit(body, DSI_X_gate, bare_a, bare_b, c), q);
}

/* have a and b the same factor, but for the sign, and is it none of 1 and -1? */
static int dsi_is_scaled_alike(const dsi_body *body, uint32_t a, uint32_t b)
{
    double of_a = 1, of_b = 1;
    dsi_bare(body, a, &of_a);
    dsi_bare(body, b, &of_b);
    return (of_a == of_b || of_a == -of_b) && of_a != 1 && of_a != -1;
}

/* a + sign b of such */
static uint32_t dsi_simpler_sum(dsi_body *body, uint32_t a, uint32_t b, double sign)
{
    double of_a = 1, of_b = sign;
    const uint32_t bare_a = dsi_bare(body, a, &of_a), bare_b = dsi_bare(body, b, &of_b);
    return dsi_emit_scaled(body, dsi_emit(body, of_a == of_b ? DSI_OP_add : DSI_OP_sub, bare_a, bare_b, 0),
                           of_a);
}

/* What is simpler and gives the same number, but for the sign of zero and where numbers leave the range of
   normal ones; DSI_NO_EXPR: nothing is. Minus signs move outwards, where sums take them in. */
static uint32_t dsi_simpler(dsi_body *body, unsigned op, uint32_t a, uint32_t b, uint32_t c)
{
    const int minus_a = dsi_is_op(body, a, DSI_OP_neg), minus_b = dsi_is_op(body, b, DSI_OP_neg);
    const uint32_t bare_a = minus_a ? body->exprs[a].a : a, bare_b = minus_b ? body->exprs[b].a : b;
    double factor = 1;
    switch (op) {
    case DSI_OP_neg: return minus_a ? bare_a : DSI_NO_EXPR;
    case DSI_OP_abs:
    case DSI_OP_cos:
    case DSI_OP_cosh: return minus_a ? dsi_emit(body, op, bare_a, 0, 0) : DSI_NO_EXPR;
    case DSI_OP_square: return dsi_emit(body, DSI_OP_mul, a, a, 0);
    case DSI_OP_fma: return dsi_emit(body, DSI_OP_add, dsi_emit(body, DSI_OP_mul, a, b, 0), c, 0);
    case DSI_OP_add:
        if (a == 0 || b == 0) return a ? a : b;
        if (a == b) return dsi_emit(body, DSI_OP_mul, a, dsi_constant(body, 2), 0);
        if (dsi_is_scaled_alike(body, a, b)) return dsi_simpler_sum(body, a, b, 1);
        if (minus_b) return dsi_emit(body, DSI_OP_sub, a, bare_b, 0);
        return minus_a ? dsi_emit(body, DSI_OP_sub, b, bare_a, 0) : DSI_NO_EXPR;
    case DSI_OP_sub:
        if (b == 0) return a;
        if (a == 0) return dsi_emit_neg(body, b);
        if (dsi_is_scaled_alike(body, a, b)) return dsi_simpler_sum(body, a, b, -1);
        if (minus_b) return dsi_emit(body, DSI_OP_add, a, bare_b, 0);
        return minus_a ? dsi_emit_neg(body, dsi_emit(body, DSI_OP_add, bare_a, b, 0)) : DSI_NO_EXPR;
    case DSI_OP_mul:
    case DSI_OP_div: return dsi_simpler_product(body, op, a, b);
    case DSI_OP_select:
        if (b == c) return b;
        if (c == 0 && dsi_bare(body, b, &factor) != b && !dsi_is_constant(body, b)) {
            factor = 1;
            b = dsi_bare(body, b, &factor);
            return dsi_emit_scaled(body, dsi_emit(body, op, a, b, 0), factor);
        }
        return dsi_is_constant(body, a) ? (dsi_constant_of(body, a) != 0 ? b : c) : DSI_NO_EXPR;
    case DSI_X_gate: return dsi_simpler_gate(body, a, b, c);
    default: return DSI_NO_EXPR;
    }
}

/* the expression op(a, b, c), as simple as it is found to be. Operands an op does not have are 0. */
static uint32_t dsi_emit(dsi_body *body, unsigned op, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t simpler;
    if (body->result) return 0;
    if (op < DSI_OP_sum && dsi_is_constant(body, a) && dsi_is_constant(body, b) && dsi_is_constant(body, c)) {
        const ds_real x = (ds_real)dsi_constant_of(body, a), y = (ds_real)dsi_constant_of(body, b);
        const ds_real z = (ds_real)dsi_constant_of(body, c);
        ds_real v;
        dsi_evaluate(op, &x, &y, &z, &v);
        return dsi_constant(body, (double)v);
    }
    if (op > DSI_X_floor) return dsi_emit_index(body, op, a, b, c);
    simpler = dsi_simpler(body, op, a, b, c);
    if (simpler != DSI_NO_EXPR) return simpler;
    if (dsi_is_symmetric(op) && body->hashes[a] > body->hashes[b]) return dsi_intern(body, op, b, a, c);
    return dsi_intern(body, op, a, b, c);
}

/* a number of an array. New ones go to the list of loads, which tells the coordinates of a lane in the order
   of recording. */
static uint32_t dsi_emit_load(dsi_body *body, size_t arg, uint32_t index, size_t component)
{
    const size_t before = body->n_exprs;
    const uint32_t x = dsi_intern(body, DSI_X_load, (uint32_t)arg, index, (uint32_t)component);
    void *dsi_grown;
    if (body->n_exprs > before && DSI_GROW(body, uint32_t, body->loads, body->cap_loads, body->n_loads + 1))
        body->loads[body->n_loads++] = x;
    return x;
}

/* the inputs of a composite; its list begins at the last */
static void dsi_inputs_of(const dsi_body *body, uint32_t at, uint32_t *x)
{
    uint32_t list = body->exprs[at].a;
    size_t i = dsi_composites[body->exprs[at].b]->n_in;
    while (i-- > 0) {
        x[i] = body->exprs[list].b;
        list = body->exprs[list].a;
    }
}

/* e of another body, whose operands' copies are in map */
static uint32_t dsi_copy_expr(dsi_body *to, const dsi_expr *e, const uint32_t *map)
{
    const unsigned operands = dsi_operands_of(e->op);
    const uint32_t a = operands & 1 ? map[e->a] : e->a, b = operands & 2 ? map[e->b] : e->b;
    const uint32_t c = operands & 4 ? map[e->c] : e->c;
    if (e->op == DSI_X_constant && !e->a && !e->b) return 0;
    if (e->op == DSI_X_load) return dsi_emit_load(to, a, b, c);
    if (e->op == DSI_X_load_index || !operands) return dsi_intern(to, e->op, a, b, c);
    return dsi_emit(to, e->op, a, b, c);
}

/* a store or a sum; which of both follows from the kind of the argument */
static void dsi_emit_effect(dsi_body *body, size_t arg, uint32_t index, size_t component, uint32_t value)
{
    void *dsi_grown;
    dsi_effect *e;
    if (!DSI_GROW(body, dsi_effect, body->effects, body->cap_effects, body->n_effects + 1)) return;
    e = body->effects + body->n_effects++;
    e->arg = (uint32_t)arg;
    e->index = index;
    e->component = (uint32_t)component;
    e->value = value;
    e->at = (uint32_t)body->n_exprs;
    e->minus = 0;
}

/* The table, three times. First what rows are made of: a row whose value is a primitive is itself, others are
   emitted by their value columns, until only primitives are left. In the columns a, b, c are numbers of
   expressions here. */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#undef DSI_RAW
#define DSI_1(name, x) dsi_expand(dsi_body_, DSI_OP_##name, x, 0, 0)
#define DSI_2(name, x, y) dsi_expand(dsi_body_, DSI_OP_##name, x, y, 0)
#define DSI_3(name, x, y, z) dsi_expand(dsi_body_, DSI_OP_##name, x, y, z)
#define DSI_K(number) dsi_constant(dsi_body_, (double)(number))
#define DSI_RAW(expression) dsi_emit(dsi_body_, op, a, b, c)
#define DSI_EACH_1(name, value, da, shape, la, ha) case DSI_OP_##name: return value;
#define DSI_EACH_2(name, value, da, db, shape, la, ha, lb, hb) case DSI_OP_##name: return value;
#define DSI_EACH_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) case DSI_OP_##name: return value;
/* case DSI_OP_square: return dsi_expand(dsi_body_, DSI_OP_mul, a, a, 0); */
static uint32_t dsi_expand(dsi_body *dsi_body_, unsigned op, uint32_t a, uint32_t b, uint32_t c)
{
    switch (op) {
    case DSI_OP_stop_gradient: return a;
    case DSI_OP_powi:
    case DSI_OP_pow:
        /* a few products for a small integer exponent */
        if (dsi_is_equal(dsi_body_, b, 1)) return a;
        if (dsi_is_equal(dsi_body_, b, 2)) return DSI_MUL(a, a);
        if (dsi_is_equal(dsi_body_, b, 3)) return DSI_MUL(DSI_MUL(a, a), a);
        if (dsi_is_equal(dsi_body_, b, 4)) return DSI_MUL(DSI_MUL(a, a), DSI_MUL(a, a));
        if (dsi_is_equal(dsi_body_, b, -1)) return DSI_DIV(DSI_K(1.0), a);
        if (dsi_is_equal(dsi_body_, b, -2)) return DSI_DIV(DSI_K(1.0), DSI_MUL(a, a));
        return dsi_emit(dsi_body_, DSI_OP_pow, a, b, c);
    default: break;
    }
    switch (op) {
        DSI_OPS_1(DSI_EACH_1)
        DSI_OPS_2(DSI_EACH_2)
        DSI_OPS_3(DSI_EACH_3)
    default: return dsi_emit(dsi_body_, op, a, b, c);
    }
}
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3

/* From here on a call of a row is the row itself, kept whole for its derivatives. */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#define DSI_1(name, x) dsi_emit(dsi_body_, DSI_OP_##name, x, 0, 0)
#define DSI_2(name, x, y) dsi_emit(dsi_body_, DSI_OP_##name, x, y, 0)
#define DSI_3(name, x, y, z) dsi_emit(dsi_body_, DSI_OP_##name, x, y, z)

/* Second, vector rows as scalar ones. Vectors are numbers of expressions. */
typedef uint32_t dsi_expr_r1;
typedef struct dsi_expr_r3 { uint32_t x, y, z; } dsi_expr_r3;
typedef struct dsi_expr_r4 { uint32_t w, x, y, z; } dsi_expr_r4;
typedef struct dsi_expr_r9 { uint32_t m[9]; } dsi_expr_r9;
static dsi_expr_r1 dsi_expr_load_r1(const uint32_t *from) { return from[0]; }
static dsi_expr_r3 dsi_expr_load_r3(const uint32_t *from)
{
    dsi_expr_r3 r;
    memcpy(&r, from, sizeof r);
    return r;
}
static dsi_expr_r4 dsi_expr_load_r4(const uint32_t *from)
{
    dsi_expr_r4 r;
    memcpy(&r, from, sizeof r);
    return r;
}
static dsi_expr_r9 dsi_expr_load_r9(const uint32_t *from)
{
    dsi_expr_r9 r;
    memcpy(&r, from, sizeof r);
    return r;
}
/* The value of a vector row is a tuple in parentheses: (dsi_emit(...), ...), and as the tail of
   `const uint32_t parts[] = DSI_BRACES value` it loses them. */
#define DSI_BRACES(...) { __VA_ARGS__ }
#define DSI_EACH_1(name, R, A, value, da, shape) \
    case DSI_OP_##name: { \
        const dsi_expr_##A a = dsi_expr_load_##A(pa); \
        const uint32_t parts[] = DSI_BRACES value; \
        memcpy(out, parts, sizeof parts); \
    } break;
#define DSI_EACH_2(name, R, A, B, value, da, db, shape) \
    case DSI_OP_##name: { \
        const dsi_expr_##A a = dsi_expr_load_##A(pa); \
        const dsi_expr_##B b = dsi_expr_load_##B(pb); \
        const uint32_t parts[] = DSI_BRACES value; \
        memcpy(out, parts, sizeof parts); \
    } break;
#define DSI_EACH_3(name, R, A, B, C, value, da, db, dc, shape) \
    case DSI_OP_##name: { \
        const dsi_expr_##A a = dsi_expr_load_##A(pa); \
        const dsi_expr_##B b = dsi_expr_load_##B(pb); \
        const dsi_expr_##C c = dsi_expr_load_##C(pc); \
        const uint32_t parts[] = DSI_BRACES value; \
        memcpy(out, parts, sizeof parts); \
    } break;
/* pa, pb, pc: expressions of the operands' numbers; out: those of the result's */
static void dsi_emit_vector(dsi_body *dsi_body_, unsigned op, const uint32_t *pa, const uint32_t *pb,
                            const uint32_t *pc, uint32_t *out)
{
    switch (op) {
        DSI_VOPS_1(DSI_EACH_1)
        DSI_VOPS_2(DSI_EACH_2)
        DSI_VOPS_3(DSI_EACH_3)
    default: break;
    }
}
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_BRACES

/* Third, derivatives: what the operands gain from the adjoint g of the value v = op(a, b, c). wanted: bits 1,
   2, 4; gain [3] is written for those. DSI_NO_EXPR: there is no derivative. The columns are linear in g, so
   with g an operand's tangent they are what the value's tangent gains. */
#define DSI_NONE DSI_NO_EXPR
#define DSI_EACH_1(name, value, da, shape, la, ha) \
    case DSI_OP_##name: \
        if (wanted & 1) gain[0] = da; \
        break;
#define DSI_EACH_2(name, value, da, db, shape, la, ha, lb, hb) \
    case DSI_OP_##name: \
        if (wanted & 1) gain[0] = da; \
        if (wanted & 2) gain[1] = db; \
        break;
#define DSI_EACH_3(name, value, da, db, dc, shape, la, ha, lb, hb, lc, hc) \
    case DSI_OP_##name: \
        if (wanted & 1) gain[0] = da; \
        if (wanted & 2) gain[1] = db; \
        if (wanted & 4) gain[2] = dc; \
        break;
/* e: the expression v with its operands; g: its adjoint, or with the columns read forward a tangent */
static void dsi_emit_gains(dsi_body *dsi_body_, const dsi_expr *e, uint32_t v, uint32_t g, unsigned wanted,
                           uint32_t gain[3])
{
    const uint32_t a = e->a, b = e->b, c = e->c;
    (void)v;
    switch (e->op) {
        DSI_OPS_1(DSI_EACH_1)
        DSI_OPS_2(DSI_EACH_2)
        DSI_OPS_3(DSI_EACH_3)
    case DSI_X_gate: /* the gate is open and passes all, or closed: then only the slope counts */
        if (wanted & 1) gain[0] = dsi_emit(dsi_body_, DSI_OP_select, a, 0, DSI_MUL(g, c));
        if (wanted & 2) gain[1] = dsi_emit(dsi_body_, DSI_OP_select, a, g, 0);
        gain[2] = 0;
        break;
    default: gain[0] = gain[1] = gain[2] = 0; break;
    }
}
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef DSI_NONE
#undef DSI_1
#undef DSI_2
#undef DSI_3
#undef DSI_K
#undef DSI_RAW
#define DSI_1(name, x) dsi_##name(x)
#define DSI_2(name, x, y) dsi_##name(x, y)
#define DSI_3(name, x, y, z) dsi_##name(x, y, z)
#define DSI_K(number) ((ds_real)(number))
#define DSI_RAW(expression) ((ds_real)(expression))

/* Walking down from what is wanted. The larger half of an expression is copied first: fewer numbers wait. */
typedef struct dsi_walk {
    const dsi_body *from;
    dsi_body *to;
    int expanded; /* rows become primitives */
    uint32_t *map; /* expression of `to`, or DSI_NO_EXPR */
    uint32_t *stack;
    uint16_t *need; /* numbers that wait while it is computed, as if nothing were shared (Sethi,
            Ullman 1970) */
} dsi_walk;

/* of gates that become choices the slope is not wanted any more */
static unsigned dsi_walk_operands(const dsi_walk *w, unsigned op)
{
    return w->expanded && op == DSI_X_gate ? 3 : dsi_operands_of(op);
}

/* need: a number needs one place while it waits. Of two operands that need p and q, the larger is computed
   first, so both take max(p, q), or p + 1 if p = q. */
static int dsi_walk_begin(dsi_walk *w, const dsi_body *from, dsi_body *to, int expanded)
{
    const ds_allocator *const allocator = &to->allocator;
    const size_t n = from->n_exprs;
    size_t i;
    memset(w, 0, sizeof *w);
    w->from = from;
    w->to = to;
    w->expanded = expanded;
    w->map = (uint32_t *)allocator->resize(allocator->user, NULL, 0, n * sizeof *w->map);
    w->stack = (uint32_t *)allocator->resize(allocator->user, NULL, 0, 4 * n * sizeof *w->stack);
    w->need = (uint16_t *)allocator->resize(allocator->user, NULL, 0, n * sizeof *w->need);
    if (!w->map || !w->stack || !w->need) {
        to->result = DSIM_ERROR_MEMORY;
        return 0;
    }
    for (i = 0; i < n; i++) {
        const dsi_expr *const e = from->exprs + i;
        const unsigned operands = dsi_walk_operands(w, e->op);
        uint32_t most = 0, at_most = 0, k;
        for (k = 0; k < 3; k++)
            if (operands >> k & 1) {
                const uint32_t x = w->need[k == 0 ? e->a : k == 1 ? e->b : e->c];
                at_most = x > most ? 1 : at_most + (x == most);
                most = x > most ? x : most;
            }
        most += operands ? at_most - 1 : 1;
        w->need[i] = (uint16_t)(most < 60000 ? most : 60000);
        w->map[i] = DSI_NO_EXPR;
    }
    w->map[0] = 0; /* expression 0 is 0 in both, and stands for operands that are not there */
    return 1;
}

static void dsi_walk_end(dsi_walk *w)
{
    const ds_allocator *const allocator = &w->to->allocator;
    const size_t n = w->from->n_exprs;
    w->to->here.file = NULL;
    dsi_release(allocator, w->map, n * sizeof *w->map);
    dsi_release(allocator, w->stack, 4 * n * sizeof *w->stack);
    dsi_release(allocator, w->need, n * sizeof *w->need);
}

/* the copy of e, whose operands have been copied */
static uint32_t dsi_walk_copy(dsi_walk *w, uint32_t x)
{
    const dsi_expr *const e = w->from->exprs + x;
    const uint32_t *const map = w->map;
    const unsigned operands = dsi_walk_operands(w, e->op);
    dsi_carry_place(w->to, w->from, x);
    if (w->expanded && e->op == DSI_X_gate) return dsi_emit(w->to, DSI_OP_select, map[e->a], map[e->b], 0);
    if (!w->expanded || e->op >= DSI_OP_sum) return dsi_copy_expr(w->to, e, map);
    return dsi_expand(w->to, e->op, map[e->a], operands & 2 ? map[e->b] : 0, operands & 4 ? map[e->c] : 0);
}

/* root and all it needs; each expression puts its operands on the stack once, so 3 n and the root fit */
static uint32_t dsi_walk_down(dsi_walk *w, uint32_t root)
{
    size_t n = 0;
    w->stack[n++] = root;
    while (n && !w->to->result) {
        const uint32_t x = w->stack[n - 1];
        const dsi_expr *const e = w->from->exprs + x;
        const unsigned operands = dsi_walk_operands(w, e->op);
        const size_t before = n;
        uint32_t part[3];
        int k;
        if (w->map[x] != DSI_NO_EXPR) {
            n--;
            continue;
        }
        /* the stack hands out what was put last: that is the largest, and of equals the first */
        part[0] = operands & 4 ? e->c : 0;
        part[1] = operands & 2 ? e->b : 0;
        part[2] = operands & 1 ? e->a : 0;
        for (k = 0; k < 3; k++) {
            const int i = k % 2; /* pairs (0, 1), (1, 2), (0, 1) */
            if (w->need[part[i]] > w->need[part[i + 1]]) {
                const uint32_t swapped = part[i];
                part[i] = part[i + 1];
                part[i + 1] = swapped;
            }
        }
        for (k = 0; k < 3; k++)
            if (w->map[part[k]] == DSI_NO_EXPR) w->stack[n++] = part[k];
        if (n == before) {
            w->map[x] = dsi_walk_copy(w, x);
            n--;
        }
    }
    return w->to->result ? 0 : w->map[root];
}

/* Recording. What the tape holds beyond what was seen is turned into expressions. */

/* the expression of the number at a slot of the tape */
static uint32_t dsi_expr_at(const ds_kernel *kernel, size_t slot) { return kernel->expr_of[slot]; }

/* list nodes: sums from left to right, as on a tape */
static void dsi_translate_list(ds_kernel *kernel, const dsi_node *node, size_t result)
{
    const unsigned op = node->op / 8u;
    const dsi_list_view s = dsi_view_list(node);
    dsi_body *const body = &kernel->body;
    size_t i, k;
    for (k = 0; k < s.width; k++) {
        uint32_t sum = 0;
        for (i = 0; i < s.n; i++) {
            uint32_t x = dsi_expr_at(kernel, dsi_list_slot(&s.a, i) + k);
            if (dsi_has_weights(op))
                x = dsi_emit(body, DSI_OP_mul, dsi_expr_at(kernel, result - s.n + i), x, 0);
            if (op == DSI_OP_dot)
                x = dsi_emit(body, DSI_OP_mul, x, dsi_expr_at(kernel, dsi_list_slot(&s.b, i)), 0);
            sum = dsi_emit(body, DSI_OP_add, sum, x, 0);
        }
        kernel->expr_of[result + k] = sum;
    }
}

/* w x + b and tanh of a block */
static void dsi_translate_block(ds_kernel *kernel, const dsi_node *node, size_t result)
{
    dsi_body *const body = &kernel->body;
    size_t i, j;
    if (node->op / 8u == DSI_OP_vars_tanh) {
        for (i = 0; i < node->b; i++)
            kernel->expr_of[result + i] = dsi_emit(body, DSI_OP_tanh, dsi_expr_at(kernel, node->a + i), 0, 0);
        return;
    }
    for (i = 0; i < (node - 1)->op; i++) {
        const size_t columns = (node - 1)->a;
        uint32_t sum = dsi_expr_at(kernel, node->c + i);
        for (j = 0; j < columns; j++) {
            const uint32_t w = dsi_expr_at(kernel, node->a + i * columns + j);
            sum = dsi_emit(body, DSI_OP_add, sum,
                           dsi_emit(body, DSI_OP_mul, w, dsi_expr_at(kernel, node->b + j), 0), 0);
        }
        kernel->expr_of[result + i] = sum;
    }
}

/* a composite; no other custom node is recorded in a kernel */
static void dsi_translate_composite(ds_kernel *kernel, const dsi_node *node, size_t result)
{
    const dsi_custom c = dsi_view_custom(node);
    dsi_body *const body = &kernel->body;
    uint32_t x = 0, number = 0;
    size_t i;
    while (dsi_composites[number] != (const dsi_composite *)c.user) number++;
    for (i = 0; i < c.n_in; i++) x = dsi_emit(body, DSI_X_list, x, dsi_expr_at(kernel, c.slots[i]), 0);
    x = dsi_emit(body, DSI_X_composite, x, number, 0);
    for (i = 0; i < c.n_out; i++)
        kernel->expr_of[result + i] = dsi_emit(body, DSI_X_output, x, (uint32_t)i, 0);
}

/* a node of the tape, whose numbers begin at slot `result` */
static void dsi_translate(ds_kernel *kernel, const dsi_node *node, size_t result)
{
    const unsigned op = node->op / 8u;
    const dsi_extent e = dsi_extent_of(node);
    uint32_t *const x = kernel->expr_of;
    dsi_body *const body = &kernel->body;
    size_t i;
    /* what the node holds are constants, copies of a custom node's inputs apart */
    for (i = result - e.held; i < result; i++) x[i] = dsi_constant(body, (double)kernel->tape->rec.values[i]);
    if (op < DSI_OP_sum && dsi_ops[op].width == 1 && dsi_ops[op].kind[0] == DSI_OPERAND_r1)
        x[result] = dsi_emit(body, op, x[node->a], dsi_ops[op].operands > 1 ? x[node->b] : 0,
                             dsi_ops[op].operands > 2 ? x[node->c] : 0);
    else if (op < DSI_OP_sum)
        dsi_emit_vector(body, op, x + node->a, dsi_ops[op].operands > 1 ? x + node->b : NULL,
                        dsi_ops[op].operands > 2 ? x + node->c : NULL, x + result);
    else if (op < DSI_OP_affine)
        dsi_translate_list(kernel, node, result);
    else if (op <= DSI_OP_vars_tanh)
        dsi_translate_block(kernel, node, result);
    else if (op == DSI_OP_custom)
        dsi_translate_composite(kernel, node, result);
}

/* everything recorded so far; the kernel's error */
static ds_result dsi_catch_up(ds_kernel *kernel)
{
    ds_tape *const tape = kernel->tape;
    const dsi_place here = kernel->body.here;
    size_t k = tape->rec.n_nodes, top = tape->rec.n_values, n = 0;
    void *dsi_grown;
    if (dsi_kernel_failed(kernel)) return kernel->error.code;
    if (!DSI_GROW(&kernel->body, uint32_t, kernel->expr_of, kernel->cap_expr_of, top + 1) ||
        !DSI_GROW(&kernel->body, dsi_step, kernel->steps, kernel->cap_steps, k - kernel->n_nodes + 1))
        return dsi_kernel_failed(kernel);
    while (k > kernel->n_nodes) {
        const dsi_extent e = dsi_extent_of(tape->rec.nodes + --k);
        kernel->steps[n].node = (uint32_t)k;
        top -= e.width;
        kernel->steps[n++].result = (uint32_t)top;
        top -= e.held;
        k -= e.data;
    }
    while (n--) {
        if (tape->places) kernel->body.here = tape->places[kernel->steps[n].node];
        dsi_translate(kernel, tape->rec.nodes + kernel->steps[n].node, kernel->steps[n].result);
    }
    kernel->body.here = here;
    kernel->n_nodes = tape->rec.n_nodes;
    kernel->n_values = tape->rec.n_values;
    return dsi_kernel_failed(kernel);
}

/* Life. */
static ds_kernel *dsi_kernel_create(const ds_kernel_desc *desc, const char *name)
{
    const ds_allocator allocator = dsi_allocator(desc ? &desc->allocator : NULL);
    ds_kernel *kernel;
    dsi_text t;
    if (desc && desc->rank > 3) return NULL;
    kernel = (ds_kernel *)allocator.resize(allocator.user, NULL, 0, sizeof *kernel);
    if (!kernel) return NULL;
    memset(kernel, 0, sizeof *kernel);
    if (desc) kernel->desc = *desc;
    kernel->desc.allocator = allocator;
    if (!kernel->desc.rank) kernel->desc.rank = 1;
    t = dsi_text_into(kernel->name, sizeof kernel->name);
    dsi_put(&t, name ? name : "");
    dsi_body_begin(&kernel->body, &allocator);
    kernel->program.body.allocator = allocator;
    return kernel;
}

/* the tape has the kernel's allocator and a pointer to it: symbolic */
DIFFSIM_API ds_kernel *ds_kernel_begin(const ds_kernel_desc *desc, const char *name)
{
    ds_kernel *const kernel = dsi_kernel_create(desc, name);
    ds_tape_desc tape_desc;
    if (!kernel) return NULL;
    memset(&tape_desc, 0, sizeof tape_desc);
    tape_desc.allocator = kernel->desc.allocator;
    tape_desc.debug = 1; /* it keeps places */
    kernel->tape = ds_tape_create(&tape_desc);
    if (!kernel->tape) {
        ds_kernel_destroy(kernel);
        return NULL;
    }
    kernel->tape->symbolic = kernel;
    kernel->rec = &kernel->tape->rec;
    return kernel;
}

static void dsi_program_end(dsi_program *p)
{
    const ds_allocator allocator = p->body.allocator;
    dsi_release(&allocator, p->calls, p->cap_calls * sizeof *p->calls);
    dsi_release(&allocator, p->steps, p->cap_steps * sizeof *p->steps);
    dsi_release(&allocator, p->streams, p->cap_streams * sizeof *p->streams);
    dsi_release(&allocator, p->places, p->cap_places * sizeof *p->places);
    dsi_release(&allocator, p->uniform, p->cap_uniform);
    dsi_release(&allocator, p->once, p->cap_once * sizeof *p->once);
    dsi_release(&allocator, p->fns, p->cap_fns * sizeof *p->fns);
    dsi_release(&allocator, p->sources, p->cap_sources * sizeof *p->sources);
    dsi_release(&allocator, p->indices, p->cap_indices * sizeof *p->indices);
    dsi_release(&allocator, p->uses, p->cap_uses * sizeof *p->uses);
    dsi_release(&allocator, p->sums, p->cap_sums * sizeof *p->sums);
    dsi_release(&allocator, p->adders, p->cap_adders * sizeof *p->adders);
    dsi_release(&allocator, p->index_at, p->cap_index_at * sizeof *p->index_at);
    dsi_body_end(&p->body);
}

DIFFSIM_API void ds_kernel_destroy(ds_kernel *kernel)
{
    ds_allocator allocator;
    if (!kernel) return;
    allocator = kernel->desc.allocator;
    ds_tape_destroy(kernel->tape);
    dsi_release(&allocator, kernel->expr_of, kernel->cap_expr_of * sizeof *kernel->expr_of);
    dsi_release(&allocator, kernel->steps, kernel->cap_steps * sizeof *kernel->steps);
    dsi_release(&allocator, kernel->args, kernel->cap_args * sizeof *kernel->args);
    dsi_program_end(&kernel->program);
    dsi_body_end(&kernel->body);
    allocator.resize(allocator.user, kernel, sizeof *kernel, 0);
}

DIFFSIM_API const ds_error *ds_kernel_error(const ds_kernel *kernel)
{
    static const ds_error no_kernel = {DSIM_ERROR_ARGUMENT, 0,
                                       "the kernel is NULL: no memory for it, or its desc is bad"};
    return kernel ? &kernel->error : &no_kernel;
}

/* what a variable is when there is none; a derivative has no tape */
static ds_var dsi_kernel_dead(ds_kernel *kernel)
{
    return kernel->tape ? dsi_dead(kernel->tape) : ds_c((double)dsi_nan());
}

/* may the body go on? DSIM_OK, or why not */
static ds_result dsi_kernel_open(ds_kernel *kernel, const char *function)
{
    DIFFSIM_ASSERT(kernel);
    if (!kernel) return DSIM_ERROR_ARGUMENT;
    if (dsi_kernel_failed(kernel)) return kernel->error.code;
    if (kernel->rec) {
        kernel->body.here.file = kernel->rec->file;
        kernel->body.here.line = kernel->rec->line;
    }
    if (kernel->ended)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ORDER, 0, function,
                                    ": the body has ended; begin another kernel", NULL);
    return DSIM_OK;
}

/* Arguments. */
static size_t dsi_add_arg(ds_kernel *kernel, const char *name, const char *suffix, int kind,
                          size_t components)
{
    dsi_argument *arg;
    dsi_text t;
    size_t i, n;
    void *dsi_grown;
    if (!DSI_GROW(&kernel->body, dsi_argument, kernel->args, kernel->cap_args, kernel->n_args + 1)) return 0;
    arg = kernel->args + kernel->n_args;
    for (n = 1; n <= kernel->n_args + 1; n++) { /* "x_bar"; where there is one, "x_bar2" and so on */
        t = dsi_text_into(arg->name, sizeof arg->name);
        dsi_put(&t, name);
        dsi_put(&t, suffix);
        if (n > 1) dsi_put_size(&t, n);
        for (i = 0; i < kernel->n_args && strcmp(kernel->args[i].name, arg->name) != 0; i++) continue;
        if (i == kernel->n_args) break;
    }
    arg->kind = kind;
    arg->components = components;
    return kernel->n_args++;
}

/* the names of a kernel's arguments are distinct, since derivatives and fused kernels go by them */
static ds_arg dsi_declare(ds_kernel *kernel, const char *name, int kind, size_t components)
{
    ds_arg r;
    size_t i;
    r.kernel = kernel;
    r.at = (size_t)-1;
    if (dsi_kernel_open(kernel, "ds_arg")) return r;
    if (!name || !name[0] || components < 1 || components > DSI_MOST_COMPONENTS) {
        dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, kernel->n_args, "ds_arg",
                             ": an argument needs a name and 1 to 4096 components", name);
        return r;
    }
    for (i = 0; i < kernel->n_args; i++)
        if (!strcmp(kernel->args[i].name, name)) {
            dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, i, "ds_arg", ": there is already an argument",
                                 name);
            return r;
        }
    r.at = dsi_add_arg(kernel, name, "", kind, components);
    return r;
}

DIFFSIM_API ds_arg (ds_arg_in)(ds_kernel *kernel, const char *name, size_t components)
{
    return dsi_declare(kernel, name, DSI_ARG_IN, components);
}
DIFFSIM_API ds_arg (ds_arg_out)(ds_kernel *kernel, const char *name, size_t components)
{
    return dsi_declare(kernel, name, DSI_ARG_OUT, components);
}
DIFFSIM_API ds_arg (ds_arg_sum)(ds_kernel *kernel, const char *name, size_t components)
{
    return dsi_declare(kernel, name, DSI_ARG_SUM, components);
}
DIFFSIM_API ds_arg (ds_arg_update)(ds_kernel *kernel, const char *name, size_t components)
{
    return dsi_declare(kernel, name, DSI_ARG_UPDATE, components);
}
DIFFSIM_API ds_arg (ds_arg_index)(ds_kernel *kernel, const char *name, size_t components)
{
    return dsi_declare(kernel, name, DSI_ARG_INDEX, components);
}
DIFFSIM_API ds_var (ds_scalar)(ds_kernel *kernel, const char *name)
{
    return ds_load(ds_arg_in(kernel, name, 1), ds_i(0));
}
DIFFSIM_API ds_index (ds_index_scalar)(ds_kernel *kernel, const char *name)
{
    return ds_load_index(ds_arg_index(kernel, name, 1), ds_i(0), 0);
}

/* Indices. The handle holds the number of an expression; after an error it is that of a constant. */
static ds_index dsi_index_of(ds_kernel *kernel, uint32_t expr)
{
    ds_index r;
    r.kernel = kernel;
    r.at = expr;
    return r;
}

/* the expression of a handle in this kernel; an integer in any case */
static uint32_t dsi_index_expr(ds_kernel *kernel, ds_index index, const char *function)
{
    if (!index.kernel) return dsi_integer(&kernel->body, index.at);
    if (index.kernel == kernel && (uint64_t)index.at < kernel->body.n_exprs &&
        kernel->body.exprs[index.at].op >= DSI_X_first_index)
        return (uint32_t)index.at;
    if (!dsi_kernel_failed(kernel))
        dsi_kernel_refuse_at(kernel, DSIM_ERROR_MIXED, 0, function, ": an index belongs to another kernel",
                             NULL);
    return dsi_integer(&kernel->body, 0);
}

/* constants alone are computed here and now; else the first operand with a kernel says whose body it is */
static ds_index dsi_index_op(unsigned op, const char *function, const ds_index *operand, size_t n)
{
    uint32_t x[3] = {0, 0, 0};
    ds_kernel *kernel = NULL;
    size_t i;
    for (i = 0; i < n && !kernel; i++) kernel = operand[i].kernel;
    if (!kernel) return ds_i(dsi_index_value(op, operand[0].at, operand[1].at, n > 2 ? operand[2].at : 0));
    if (dsi_kernel_open(kernel, function)) return dsi_index_of(kernel, 0);
    for (i = 0; i < n; i++) x[i] = dsi_index_expr(kernel, operand[i], function);
    return dsi_index_of(kernel, dsi_emit(&kernel->body, op, x[0], x[1], x[2]));
}

#define DSI_INDEX_2(name) \
    DIFFSIM_API ds_index (ds_index_##name)(ds_index a, ds_index b) \
    { \
        ds_index operand[2]; \
        operand[0] = a; \
        operand[1] = b; \
        return dsi_index_op(DSI_X_index_##name, "ds_index_" #name, operand, 2); \
    }
/* ds_index ds_index_add(ds_index a, ds_index b), and so on */
DSI_INDEX_2(add)
DSI_INDEX_2(sub)
DSI_INDEX_2(mul)
DSI_INDEX_2(div)
DSI_INDEX_2(mod)
DSI_INDEX_2(min)
DSI_INDEX_2(max)
DSI_INDEX_2(lt)
DSI_INDEX_2(le)
DSI_INDEX_2(eq)
#undef DSI_INDEX_2
DIFFSIM_API ds_index (ds_index_select)(ds_index a, ds_index b, ds_index c)
{
    ds_index operand[3];
    operand[0] = a;
    operand[1] = b;
    operand[2] = c;
    return dsi_index_op(DSI_X_index_select, "ds_index_select", operand, 3);
}
DIFFSIM_API ds_index (ds_index_clamp)(ds_index a, ds_index low, ds_index high)
{
    return ds_index_min(ds_index_max(a, low), high);
}

/* lane and lanes: op with an axis */
static ds_index dsi_axis(ds_kernel *kernel, unsigned op, size_t axis, size_t n, const char *function)
{
    if (dsi_kernel_open(kernel, function)) return dsi_index_of(kernel, 0);
    if (axis >= n) {
        dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, axis, function,
                             ": the axis is not below the rank of the kernel", NULL);
        return dsi_index_of(kernel, 0);
    }
    return dsi_index_of(kernel, dsi_intern(&kernel->body, op, (uint32_t)axis, 0, 0));
}
DIFFSIM_API ds_index (ds_lane)(ds_kernel *kernel)
{
    return dsi_axis(kernel, DSI_X_lane, DSI_FLAT_LANE, DSI_FLAT_LANE + 1, "ds_lane");
}
DIFFSIM_API ds_index (ds_lane_axis)(ds_kernel *kernel, size_t axis)
{
    return dsi_axis(kernel, DSI_X_lane, axis, kernel ? kernel->desc.rank : 0, "ds_lane_axis");
}
DIFFSIM_API ds_index (ds_lanes)(ds_kernel *kernel, size_t axis)
{
    return dsi_axis(kernel, DSI_X_lanes, axis, kernel ? kernel->desc.rank : 0, "ds_lanes");
}

/* may the element be used so? index: its expression, where DSIM_OK is returned. kinds: bits 1 << DSI_ARG_IN
   and so on. Sets the kernel's error otherwise. */
static ds_result dsi_touch(ds_arg arg, ds_index element, size_t component, size_t n, unsigned kinds,
                           const char *function, uint32_t *index)
{
    ds_kernel *const kernel = arg.kernel;
    dsi_argument *a;
    ds_result result = dsi_kernel_open(kernel, function);
    if (result) return result;
    if (dsi_catch_up(kernel)) return kernel->error.code;
    if (arg.at >= kernel->n_args)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, arg.at, function,
                                    ": the argument was not declared", NULL);
    a = kernel->args + arg.at;
    if (!(kinds >> a->kind & 1)) {
        dsi_text t = dsi_kernel_refuse(kernel, DSIM_ERROR_RACE, arg.at);
        dsi_put(&t, function);
        dsi_put(&t, ": argument '");
        dsi_put(&t, a->name);
        dsi_put(&t, "' is declared as ");
        dsi_put(&t, dsi_arg_words[a->kind]);
        return dsi_kernel_refused(kernel, &t);
    }
    if (n > a->components || component > a->components - n)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, component, function,
                                    ": so many components has not the argument", a->name);
    *index = dsi_index_expr(kernel, element, function);
    if (a->kind == DSI_ARG_UPDATE && *index != dsi_intern(&kernel->body, DSI_X_lane, DSI_FLAT_LANE, 0, 0))
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_RACE, arg.at, function,
                                    ": an update argument is read and written at ds_lane(kernel) only",
                                    a->name);
    return dsi_kernel_failed(kernel);
}

DIFFSIM_API ds_index (ds_load_index)(ds_arg arg, ds_index element, size_t component)
{
    uint32_t index = 0;
    if (dsi_touch(arg, element, component, 1, 1u << DSI_ARG_INDEX, "ds_load_index", &index))
        return dsi_index_of(arg.kernel, 0);
    return dsi_index_of(arg.kernel, dsi_intern(&arg.kernel->body, DSI_X_load_index, (uint32_t)arg.at, index,
                                               (uint32_t)component));
}

/* n inputs of the tape that stand for expressions, as a handle; their values are made up: finite, and no
   two the same, so that no operation is likely to be at an edge */
static ds_var dsi_stand_in(ds_kernel *kernel, const uint32_t *exprs, size_t n)
{
    ds_real made_up[9];
    ds_var r;
    size_t i;
    void *dsi_grown;
    for (i = 0; i < n; i++) made_up[i] = (ds_real)0.5 + (ds_real)((kernel->n_values + i) % 64) / 256;
    r = dsi_input(kernel->tape, made_up, n, "load");
    if (dsi_kernel_failed(kernel) ||
        !DSI_GROW(&kernel->body, uint32_t, kernel->expr_of, kernel->cap_expr_of, kernel->tape->rec.n_values))
        return dsi_kernel_dead(kernel);
    memcpy(kernel->expr_of + kernel->n_values, exprs, n * sizeof *exprs);
    kernel->n_nodes = kernel->tape->rec.n_nodes;
    kernel->n_values = kernel->tape->rec.n_values;
    return r;
}

/* n numbers of an element from `component` on, as one handle */
static ds_var dsi_load(ds_arg arg, ds_index element, size_t component, size_t n, const char *function)
{
    uint32_t index = 0, exprs[9];
    size_t i;
    if (!arg.kernel) return ds_c((double)dsi_nan());
    if (dsi_touch(arg, element, component, n, 1u << DSI_ARG_IN | 1u << DSI_ARG_UPDATE, function, &index))
        return dsi_kernel_dead(arg.kernel);
    for (i = 0; i < n; i++) exprs[i] = dsi_emit_load(&arg.kernel->body, arg.at, index, component + i);
    return dsi_stand_in(arg.kernel, exprs, n);
}
DIFFSIM_API ds_var (ds_load)(ds_arg arg, ds_index element) { return dsi_load(arg, element, 0, 1, "ds_load"); }
DIFFSIM_API ds_var (ds_load_part)(ds_arg arg, ds_index element, size_t component)
{
    return dsi_load(arg, element, component, 1, "ds_load_part");
}
DIFFSIM_API ds_var3 (ds_load3)(ds_arg arg, ds_index element)
{
    return dsi_as_r3(dsi_load(arg, element, 0, 3, "ds_load3"));
}
DIFFSIM_API ds_var33 (ds_load33)(ds_arg arg, ds_index element)
{
    return dsi_as_r9(dsi_load(arg, element, 0, 9, "ds_load33"));
}

DIFFSIM_API ds_var (ds_index_number)(ds_kernel *kernel, ds_index index)
{
    uint32_t expr;
    DIFFSIM_ASSERT(kernel);
    if (!kernel) return ds_c((double)dsi_nan());
    if (dsi_kernel_open(kernel, "ds_index_number") || dsi_catch_up(kernel)) return dsi_kernel_dead(kernel);
    if (!index.kernel) return ds_c((double)index.at);
    expr = dsi_intern(&kernel->body, DSI_X_number, dsi_index_expr(kernel, index, "ds_index_number"), 0, 0);
    return dsi_stand_in(kernel, &expr, 1);
}

/* the kernel that records a variable, or NULL */
static ds_kernel *dsi_kernel_of(ds_var var)
{
    return var.rec ? (ds_kernel *)dsi_tape_of(var.rec)->symbolic : NULL;
}

/* the expression of a variable's number k; 0 after an error */
static uint32_t dsi_var_expr(ds_kernel *kernel, ds_var var, size_t k, const char *function)
{
    if (!var.rec && k == 0) return dsi_constant(&kernel->body, dsi_number(var));
    if (!dsi_kernel_failed(kernel)) dsi_check_operand(kernel->tape, var, 1, function + 3);
    return dsi_kernel_failed(kernel) ? 0 : dsi_expr_at(kernel, dsi_slot(var) + k);
}

/* the least integer for what has none */
static int64_t dsi_floor_of(double number)
{
    return number >= -9e18 && number <= 9e18 ? (int64_t)floor(number) : INT64_MIN;
}

DIFFSIM_API ds_index (ds_floor_index)(ds_var number)
{
    ds_kernel *const kernel = dsi_kernel_of(number);
    if (!number.rec) return ds_i(dsi_floor_of(dsi_number(number)));
    if (!kernel) { /* no kernel hears of it: an index that no array has */
        dsi_refuse_at(dsi_tape_of(number.rec), DSIM_ERROR_MIXED, 0, "floor_index",
                      ": the variable is of a tape, not of a kernel; operand ");
        return ds_i(INT64_MIN);
    }
    if (dsi_kernel_open(kernel, "ds_floor_index") || dsi_catch_up(kernel)) return dsi_index_of(kernel, 0);
    return dsi_index_of(kernel, dsi_intern(&kernel->body, DSI_X_floor,
                                           dsi_var_expr(kernel, number, 0, "ds_floor_index"), 0, 0));
}

/* stores and sums of n numbers */
static void dsi_effects(ds_arg arg, ds_index element, size_t component, ds_var var, size_t n, unsigned kinds,
                        const char *function)
{
    ds_kernel *const kernel = arg.kernel;
    uint32_t index = 0;
    size_t i, k;
    if (dsi_touch(arg, element, component, n, kinds, function, &index)) return;
    for (k = 0; k < n; k++) {
        const uint32_t value = dsi_var_expr(kernel, var, k, function);
        for (i = 0; kernel->args[arg.at].kind != DSI_ARG_SUM && i < kernel->body.n_effects; i++) {
            const dsi_effect *const e = kernel->body.effects + i;
            if (e->arg != arg.at || e->component != component + k || e->index != index) continue;
            dsi_kernel_refuse_at(kernel, DSIM_ERROR_RACE, arg.at, function,
                                 ": a lane writes the same number twice, argument",
                                 kernel->args[arg.at].name);
            return;
        }
        if (dsi_kernel_failed(kernel)) return;
        dsi_emit_effect(&kernel->body, arg.at, index, component + k, value);
    }
}

enum { DSI_WRITTEN = 1 << DSI_ARG_OUT | 1 << DSI_ARG_UPDATE, DSI_SUMMED = 1 << DSI_ARG_SUM };
DIFFSIM_API void (ds_store)(ds_arg arg, ds_index element, ds_var number)
{
    dsi_effects(arg, element, 0, number, 1, DSI_WRITTEN, "ds_store");
}
DIFFSIM_API void (ds_store_part)(ds_arg arg, ds_index element, size_t component, ds_var number)
{
    dsi_effects(arg, element, component, number, 1, DSI_WRITTEN, "ds_store_part");
}
DIFFSIM_API void (ds_store3)(ds_arg arg, ds_index element, ds_var3 vector)
{
    dsi_effects(arg, element, 0, dsi_any_r3(vector), 3, DSI_WRITTEN, "ds_store3");
}
DIFFSIM_API void (ds_add_at)(ds_arg arg, ds_index element, ds_var number)
{
    dsi_effects(arg, element, 0, number, 1, DSI_SUMMED, "ds_add_at");
}
DIFFSIM_API void (ds_add_part)(ds_arg arg, ds_index element, size_t component, ds_var number)
{
    dsi_effects(arg, element, component, number, 1, DSI_SUMMED, "ds_add_part");
}
DIFFSIM_API void (ds_add_at3)(ds_arg arg, ds_index element, ds_var3 vector)
{
    dsi_effects(arg, element, 0, dsi_any_r3(vector), 3, DSI_SUMMED, "ds_add_at3");
}

/* Programs. The body is copied with its rows expanded, in an order in which few numbers wait; each number
   then gets a slot that no other needs at that time. */

/* copies all effects of `from`, and with `loads` all loads; 0 if there is no memory */
static int dsi_rebuild(const dsi_body *from, dsi_body *to, int expanded, int loads)
{
    dsi_walk w;
    size_t i;
    int good = dsi_walk_begin(&w, from, to, expanded);
    /* loads first: their order, which is that of coordinates, is the order of recording */
    for (i = 0; good && loads && i < from->n_loads; i++) dsi_walk_down(&w, from->loads[i]);
    for (i = 0; good && i < from->n_effects; i++) {
        const dsi_effect *const e = from->effects + i;
        const uint32_t index = dsi_walk_down(&w, e->index), value = dsi_walk_down(&w, e->value);
        dsi_emit_effect(to, e->arg, index, e->component, value);
    }
    dsi_walk_end(&w);
    return !to->result;
}

/* the same with rows expanded. Their parts are emitted as C evaluates arguments, in any order: the second
   copy puts them into that of the walk. */
static int dsi_rebuild_expanded(const dsi_body *from, dsi_body *to)
{
    dsi_body expanded;
    dsi_body_begin(&expanded, &to->allocator);
    if (!dsi_rebuild(from, &expanded, 1, 0) || !dsi_rebuild(&expanded, to, 0, 0))
        to->result = DSIM_ERROR_MEMORY;
    dsi_body_end(&expanded);
    return !to->result;
}

/* which numbers are the same in all lanes, and which integers: those that no lane enters. uniform [n_exprs]
   */
static void dsi_find_uniform(const dsi_body *body, uint8_t *uniform)
{
    size_t i;
    for (i = 0; i < body->n_exprs; i++) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        /* composites are computed in each lane */
        if (e->op == DSI_X_list || e->op == DSI_X_composite || e->op == DSI_X_output) {
            uniform[i] = 0;
            continue;
        }
        uniform[i] = (uint8_t)(e->op != DSI_X_lane && (!(operands & 1) || uniform[e->a]) &&
                               (!(operands & 2) || uniform[e->b]) && (!(operands & 4) || uniform[e->c]));
    }
}

/* 0: there is no memory */
static int dsi_add_step(dsi_program *p, uint32_t op, uint32_t out, uint32_t a, uint32_t b, uint32_t c)
{
    dsi_instruction *step;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, dsi_instruction, p->steps, p->cap_steps, p->n_steps + 1)) return 0;
    step = p->steps + p->n_steps++;
    step->op = op;
    step->out = out;
    step->a = a;
    step->b = b;
    step->c = c;
    return 1;
}

/* Slots: one is free again behind the last use of its number. Sums are added when the block is done, so their
   values stay to the end. last [n_exprs]: the effect or expression that uses each last, counted from 1 in the
   order of the program, where an effect stands behind the expressions before it. */
typedef struct dsi_slotting {
    uint32_t *last, *free_slots, *slot_of, *uses, *fused;
    size_t n_free;
} dsi_slotting;

/* steps are named by the expressions they compute */
static void dsi_find_last_uses(const dsi_program *p, const ds_kernel *kernel, dsi_slotting *s)
{
    const dsi_body *const body = &p->body;
    size_t i;
    memset(s->last, 0, body->n_exprs * sizeof *s->last);
    for (i = 0; i < body->n_exprs; i++) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        /* a product is computed where it is taken in, and so read what it is made of */
        const uint32_t at = s->fused[i] ? s->fused[i] : (uint32_t)i;
        if (!s->uses[i] && e->op < DSI_X_first_index) continue;
        if (operands & 1 && s->last[e->a] < at) s->last[e->a] = at;
        if (operands & 2 && s->last[e->b] < at) s->last[e->b] = at;
        if (operands & 4 && s->last[e->c] < at) s->last[e->c] = at;
        if (e->op == DSI_X_composite) { /* what is in its list is read here */
            uint32_t x[DSI_RULE_IN];
            size_t k;
            dsi_inputs_of(body, (uint32_t)i, x);
            for (k = 0; k < dsi_composites[e->b]->n_in; k++) s->last[x[k]] = (uint32_t)i;
        }
    }
    for (i = 0; i < body->n_effects; i++) {
        const dsi_effect *const e = body->effects + i;
        if (kernel->args[e->arg].kind != DSI_ARG_OUT)
            s->last[e->value] = UINT32_MAX;
        else if (s->last[e->value] < e->at)
            s->last[e->value] = e->at;
    }
}

/* the slot of x is free if step i was the last to read it */
static void dsi_free_slot(dsi_slotting *s, uint32_t x, size_t i)
{
    if (s->slot_of[x] == DSI_NO_EXPR || s->last[x] > i) return;
    s->free_slots[s->n_free++] = s->slot_of[x];
    s->last[x] = UINT32_MAX; /* once */
}

/* the slot that was freed last is still in the cache */
static uint32_t dsi_take_slot(dsi_program *p, dsi_slotting *s)
{
    return s->n_free ? s->free_slots[--s->n_free] : (uint32_t)p->n_slots++;
}

/* While slots are being counted, places of uniforms and loads are counted from 0 and marked; afterwards
   places are slots, uniforms, loads, in this order. */
#define DSI_IN_UNIFORM (UINT32_C(1) << 31)
#define DSI_IN_STREAM (UINT32_C(1) << 30)
static uint32_t dsi_place_of(const dsi_program *p, uint32_t place)
{
    if (place & DSI_IN_UNIFORM) return (uint32_t)p->n_slots + (place & ~DSI_IN_UNIFORM);
    return place & DSI_IN_STREAM ? (uint32_t)(p->n_slots + p->n_uniforms) + (place & ~DSI_IN_STREAM) : place;
}

/* steps of the numbers that are the same in all lanes: each has a place of its own */
static int dsi_assign_uniform(dsi_program *p)
{
    size_t i;
    for (i = 0; i < p->body.n_exprs; i++) {
        const dsi_expr *const e = p->body.exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        const int whole = operands && e->op < DSI_X_load; /* its operands are numbers */
        if (!p->uniform[i] || e->op >= DSI_X_first_index) continue;
        p->places[i] = (uint32_t)p->n_uniforms++ | DSI_IN_UNIFORM;
        if (!dsi_add_step(p, e->op, p->places[i], whole ? p->places[e->a] : (uint32_t)i,
                          whole && operands & 2 ? p->places[e->b] : 0,
                          whole && operands & 4 ? p->places[e->c] : 0))
            return 0;
    }
    p->n_once = p->n_steps;
    return 1;
}

/* a load: a stream with a slot, for blocks in which it is not read in place */
static int dsi_assign_load(dsi_program *p, dsi_slotting *s, size_t i, int is_update)
{
    const dsi_expr *const e = p->body.exprs + i;
    dsi_stream *stream;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, dsi_stream, p->streams, p->cap_streams, p->n_streams + 1)) return 0;
    stream = p->streams + p->n_streams;
    stream->arg = e->a;
    stream->index = e->b;
    stream->component = e->c;
    stream->slot = s->slot_of[i] = dsi_take_slot(p, s);
    stream->copied = is_update && s->last[i] == UINT32_MAX;
    p->places[i] = (uint32_t)p->n_streams | DSI_IN_STREAM;
    return dsi_add_step(p, DSI_X_load, p->places[i], (uint32_t)p->n_streams++, 0, 0);
}

/* an operation, or the number of an index */
static int dsi_assign_value(dsi_program *p, dsi_slotting *s, size_t i)
{
    const dsi_expr *const e = p->body.exprs + i;
    const unsigned operands = dsi_operands_of(e->op);
    if (e->op == DSI_X_number) {
        s->slot_of[i] = p->places[i] = dsi_take_slot(p, s);
        return dsi_add_step(p, e->op, p->places[i], e->a, 0, 0);
    }
    p->operations++;
    if (s->fused[i]) return 1;
    if (operands & 1) dsi_free_slot(s, e->a, i);
    if (operands & 2) dsi_free_slot(s, e->b, i);
    if (operands & 4) dsi_free_slot(s, e->c, i);
    if (e->op == DSI_OP_add || e->op == DSI_OP_sub) {
        const int second = s->fused[e->b] == i;
        const uint32_t other = second ? e->a : e->b, product = second ? e->b : e->a;
        const dsi_expr *const m = p->body.exprs + product;
        if (s->fused[product] == i) {
            dsi_free_slot(s, m->a, i);
            dsi_free_slot(s, m->b, i);
            s->slot_of[i] = p->places[i] = dsi_take_slot(p, s);
            return dsi_add_step(p,
                                e->op == DSI_OP_add ? DSI_X_mul_add
                                : second            ? DSI_X_sub_mul
                                                    : DSI_X_mul_sub,
                                p->places[i], p->places[m->a], p->places[m->b], p->places[other]);
        }
    }
    s->slot_of[i] = p->places[i] = dsi_take_slot(p, s);
    return dsi_add_step(p, e->op, p->places[i], p->places[e->a],
                        operands & 2 ? p->places[e->b] : p->places[e->a],
                        operands & 4 ? p->places[e->c] : p->places[e->a]);
}

/* a composite: its outputs get their slots here. They may be those of its inputs: a lane's are read first */
static int dsi_assign_composite(dsi_program *p, dsi_slotting *s, size_t i)
{
    const dsi_body *const body = &p->body;
    const dsi_composite *const c = dsi_composites[body->exprs[i].b];
    uint32_t x[DSI_RULE_IN];
    dsi_call *call;
    size_t k;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, dsi_call, p->calls, p->cap_calls, p->n_calls + 1)) return 0;
    call = p->calls + p->n_calls;
    call->composite = c;
    dsi_inputs_of(body, (uint32_t)i, x);
    for (k = 0; k < c->n_in; k++) call->in[k] = p->places[x[k]];
    for (k = 0; k < c->n_in; k++) dsi_free_slot(s, x[k], i);
    for (k = 0; k < c->n_out; k++) call->out[k] = DSI_NO_EXPR;
    for (k = i + 1; k < body->n_exprs; k++) {
        const dsi_expr *const e = body->exprs + k;
        if (e->op == DSI_X_output && e->a == i && s->uses[k])
            call->out[e->b] = s->slot_of[k] = p->places[k] = dsi_take_slot(p, s);
    }
    p->operations++;
    return dsi_add_step(p, DSI_X_composite, 0, (uint32_t)p->n_calls++, 0, 0);
}

/* steps of a block, in the order of the body, each store where its value has just been made */
static int dsi_assign(ds_kernel *kernel, dsi_slotting *s)
{
    dsi_program *const p = &kernel->program;
    const dsi_body *const body = &p->body;
    size_t i, next = 0;
    for (i = 0; i < body->n_exprs; i++) s->slot_of[i] = DSI_NO_EXPR;
    for (i = 0; i <= body->n_exprs; i++) {
        for (; next < body->n_effects && body->effects[next].at <= i; next++) {
            const dsi_effect *const f = body->effects + next;
            if (kernel->args[f->arg].kind != DSI_ARG_OUT) continue;
            if (!dsi_add_step(p, DSI_X_store, 0, p->places[f->value], (uint32_t)next, 0)) return 0;
            dsi_free_slot(s, f->value, i);
        }
        if (i == body->n_exprs || body->exprs[i].op >= DSI_X_first_index || p->uniform[i] || !s->uses[i] ||
            body->exprs[i].op == DSI_X_list || body->exprs[i].op == DSI_X_output)
            continue;
        if (body->exprs[i].op == DSI_X_load) {
            const int is_update = kernel->args[body->exprs[i].a].kind == DSI_ARG_UPDATE;
            if (!dsi_assign_load(p, s, i, is_update)) return 0;
        } else if (!(body->exprs[i].op == DSI_X_composite ? dsi_assign_composite(p, s, i)
                                                          : dsi_assign_value(p, s, i))) {
            return 0;
        }
    }
    return 1;
}

/* What indices are made of: all integers, and the numbers below a floor, in the order of the body. Those
   numbers are computed before the block, at places of their own behind all others. */
static int dsi_find_indices(dsi_program *p, uint8_t *below)
{
    const dsi_body *const body = &p->body;
    size_t i;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, uint32_t, p->indices, p->cap_indices, body->n_exprs) ||
        !DSI_GROW(&p->body, uint32_t, p->index_at, p->cap_index_at, body->n_exprs))
        return 0;
    memset(below, 0, body->n_exprs);
    for (i = body->n_exprs; i-- > 0;) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        if (e->op != DSI_X_floor && (!below[i] || e->op > DSI_X_gate)) continue;
        if (operands & 1) below[e->a] = 1;
        if (operands & 2) below[e->b] = 1;
        if (operands & 4) below[e->c] = 1;
    }
    for (i = 0; i < body->n_exprs; i++) {
        const int integer = body->exprs[i].op >= DSI_X_first_index;
        p->index_at[i] = DSI_NO_EXPR;
        if (!integer && (!below[i] || p->uniform[i])) continue;
        p->index_at[i] = integer ? (uint32_t)p->n_lines++ : (uint32_t)p->n_before++;
        p->indices[p->n_indices++] = (uint32_t)i;
        p->floors |= body->exprs[i].op == DSI_X_floor;
    }
    return 1;
}

/* who adds to an argument, and so who may add to it at the same time */
static uint32_t dsi_sum_kind(const dsi_program *p, uint32_t arg)
{
    const dsi_body *const body = &p->body;
    int own = 1, reduced = 1;
    size_t i;
    for (i = 0; i < body->n_effects; i++) {
        const dsi_expr *const e = body->exprs + body->effects[i].index;
        if (body->effects[i].arg != arg) continue;
        own = own && e->op == DSI_X_lane && e->a == DSI_FLAT_LANE;
        reduced = reduced && p->uniform[body->effects[i].index];
    }
    return reduced ? DSI_SUM_REDUCED : own ? DSI_SUM_OWN : DSI_SUM_SHARED;
}

/* each pair of argument and index once */
static int dsi_add_use(dsi_program *p, uint32_t arg, uint32_t index, uint32_t shared)
{
    size_t i;
    void *dsi_grown;
    for (i = 0; i < p->n_uses; i++)
        if (p->uses[i].arg == arg && p->uses[i].index == index) return 1;
    if (!DSI_GROW(&p->body, dsi_use, p->uses, p->cap_uses, p->n_uses + 1)) return 0;
    p->uses[p->n_uses].arg = arg;
    p->uses[p->n_uses].index = index;
    p->uses[p->n_uses++].shared = shared;
    return 1;
}

/* the sum that begins with effect i, and all effects that belong to it */
static int dsi_add_sum(dsi_program *p, size_t i)
{
    const dsi_body *const body = &p->body;
    const dsi_effect *const e = body->effects + i;
    dsi_sum *sum;
    size_t k;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, dsi_sum, p->sums, p->cap_sums, p->n_sums + 1)) return 0;
    sum = p->sums + p->n_sums;
    sum->arg = e->arg;
    sum->component = e->component;
    sum->first = (uint32_t)p->n_adders;
    sum->alike = 1;
    sum->kind = dsi_sum_kind(p, e->arg);
    for (k = i; k < body->n_effects; k++)
        if (body->effects[k].arg == e->arg && body->effects[k].component == e->component)
            p->adders[p->n_adders++].effect = (uint32_t)k;
    sum->count = (uint32_t)p->n_adders - sum->first;
    sum->number = 0;
    if (sum->kind == DSI_SUM_REDUCED) {
        sum->number = (uint32_t)p->n_reduced;
        p->n_reduced += sum->count;
    } else if (sum->kind == DSI_SUM_SHARED) { /* components of an argument share its number */
        for (k = 0; k < p->n_sums && p->sums[k].arg != e->arg; k++) continue;
        sum->number = k < p->n_sums ? p->sums[k].number : (uint32_t)p->n_shared++;
    }
    p->n_sums++;
    return 1;
}

/* sums by argument and component, and the elements that lanes use */
static int dsi_find_sums(ds_kernel *kernel)
{
    dsi_program *const p = &kernel->program;
    const dsi_body *const body = &p->body;
    size_t i, k;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, dsi_adder, p->adders, p->cap_adders, body->n_effects + 1)) return 0;
    for (i = 0; i < p->n_streams; i++)
        if (!dsi_add_use(p, p->streams[i].arg, p->streams[i].index, 0)) return 0;
    for (i = 0; i < body->n_effects; i++) {
        const dsi_effect *const e = body->effects + i;
        uint32_t shared = 0;
        p->updates |= kernel->args[e->arg].kind == DSI_ARG_UPDATE;
        for (k = 0; k < i; k++)
            if (body->effects[k].arg == e->arg && body->effects[k].component == e->component) break;
        if (kernel->args[e->arg].kind == DSI_ARG_SUM && k == i && !dsi_add_sum(p, i)) return 0;
        for (k = 0; k < p->n_sums; k++)
            if (p->sums[k].arg == e->arg && p->sums[k].kind == DSI_SUM_SHARED) shared = p->sums[k].number + 1;
        if (!dsi_add_use(p, e->arg, e->index, shared)) return 0;
    }
    return 1;
}

/* do two sums differ in nothing but the component and the values? */
static int dsi_is_alike(const dsi_program *p, const dsi_sum *a, const dsi_sum *b)
{
    size_t k;
    if (a->arg != b->arg || a->kind != b->kind || a->count != b->count) return 0;
    for (k = 0; k < a->count; k++)
        if (p->adders[a->first + k].line != p->adders[b->first + k].line ||
            p->adders[a->first + k].minus != p->adders[b->first + k].minus)
            return 0;
    return 1;
}

/* when places are known */
static void dsi_find_adders(dsi_program *p)
{
    size_t i, k, m;
    for (i = 0; i < p->n_sums; i++) {
        dsi_sum *const sum = p->sums + i;
        dsi_adder *const adders = p->adders + sum->first;
        sum->clears = 1;
        for (k = 0; k < sum->count; k++) {
            dsi_adder *const a = adders + k;
            const dsi_effect *const e = p->body.effects + a->effect;
            a->place = p->places[e->value];
            a->line = p->index_at[e->index];
            a->minus = e->minus;
            for (m = 0; adders[m].place != a->place; m++) continue;
            a->again = m < k;
            sum->clears = sum->clears && a->place < p->n_slots && adders[m].minus == a->minus;
        }
    }
    for (i = 0; i < p->n_sums; i += p->sums[i].alike)
        for (k = i + 1; k < p->n_sums && k < i + DSI_MOST_ALIKE && p->sums[i].kind != DSI_SUM_REDUCED; k++) {
            if (!dsi_is_alike(p, p->sums + i, p->sums + k)) break;
            p->sums[i].alike++;
        }
    p->joins = !p->n_calls && !p->n_reduced && !p->floors && !p->updates;
    for (i = p->n_once; i < p->n_steps; i++) p->joins = p->joins && p->steps[i].op != DSI_X_number;
}

/* sums take a minus sign in: what is added negated is subtracted as it is */
static void dsi_subtract_sums(ds_kernel *kernel)
{
    dsi_body *const body = &kernel->program.body;
    size_t i;
    for (i = 0; i < body->n_effects; i++) {
        dsi_effect *const e = body->effects + i;
        if (kernel->args[e->arg].kind != DSI_ARG_SUM || body->exprs[e->value].op != DSI_OP_neg) continue;
        e->value = body->exprs[e->value].a;
        e->minus = 1;
    }
}

/* a b + c, a b - c and c - a b are one step where no one else wants the product: it is rounded all the same.
   fused [n_exprs]: for a product, the sum that takes it in; elsewhere 0 */
static void dsi_find_fused(const dsi_program *p, uint32_t *uses, uint32_t *fused)
{
    const dsi_body *const body = &p->body;
    size_t i;
    memset(uses, 0, body->n_exprs * sizeof *uses);
    memset(fused, 0, body->n_exprs * sizeof *fused);
    for (i = 0; i < body->n_effects; i++) uses[body->effects[i].value] += 2;
    for (i = body->n_exprs; i-- > 0;) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        if (!uses[i] && e->op < DSI_X_first_index) continue; /* dead */
        if (operands & 1) uses[e->a]++;
        if (operands & 2) uses[e->b]++;
        if (operands & 4) uses[e->c]++;
    }
    for (i = 0; i < body->n_exprs; i++) {
        const dsi_expr *const e = body->exprs + i;
        if ((e->op != DSI_OP_add && e->op != DSI_OP_sub) || !uses[i] || p->uniform[i]) continue;
        if (body->exprs[e->b].op == DSI_OP_mul && uses[e->b] == 1 && !p->uniform[e->b])
            fused[e->b] = (uint32_t)i;
        else if (body->exprs[e->a].op == DSI_OP_mul && uses[e->a] == 1 && !p->uniform[e->a])
            fused[e->a] = (uint32_t)i;
    }
}

/* characters before the next c */
static size_t dsi_length_to(const char *text, char c)
{
    size_t n = 0;
    while (text[n] && text[n] != c) n++;
    return n;
}
/* of code, word by word: compilers need not agree on blanks */
static uint64_t dsi_hash_code(const char *code, uint64_t hash)
{
    size_t n;
    for (; *code; code += n + (code[n] == ' ')) {
        n = dsi_length_to(code, ' ');
        hash = ds_hash_bytes(code, n, hash);
    }
    return hash;
}

/* Of all that printed text depends on: every expression in its order, by which loads, uniforms and effects
   are numbered, and the kinds of arguments. Kernels that compute the same can differ in that order, so
   program.hash is not enough. Rows count by name: their codes are others in another version of the table. */
static uint64_t dsi_hash_text(const ds_kernel *kernel)
{
    const dsi_program *const p = &kernel->program;
    uint64_t hash = dsi_mix(p->hash, p->body.n_exprs);
    size_t i, k;
    for (i = 0; i < p->body.n_exprs; i++) {
        const dsi_expr *const e = p->body.exprs + i;
        const char *const name = e->op < DSI_OP_sum ? dsi_ops[e->op].name : "";
        hash = dsi_mix(hash, ds_hash_bytes(name, strlen(name), e->op < DSI_OP_sum ? 0 : e->op - DSI_OP_sum));
        hash = dsi_mix(dsi_mix(dsi_mix(hash, e->a), e->b), e->c);
        for (k = 0; e->op == DSI_X_composite && k < DSI_MOST_QUOTED; k++) {
            const char *const *const quoted = dsi_composites[e->b]->words[k];
            if (quoted) hash = dsi_hash_code(quoted[2], hash);
        }
    }
    for (i = 0; i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        hash = dsi_mix(dsi_mix(hash, (uint64_t)kernel->args[e->arg].kind), e->value);
    }
    return hash;
}

static dsi_lanes_fn *dsi_lanes_of(unsigned op, int wide);

/* when all slots are given: places are numbers now */
static void dsi_settle(dsi_program *p)
{
    size_t i, k;
    for (i = 0; i < p->n_steps; i++) {
        dsi_instruction *const step = p->steps + i;
        step->out = dsi_place_of(p, step->out);
        if (step->op < DSI_X_constant || (step->op >= DSI_X_store && step->op <= DSI_X_sub_mul)) {
            step->a = dsi_place_of(p, step->a);
            if (step->op != DSI_X_store) step->b = dsi_place_of(p, step->b);
            step->c = dsi_place_of(p, step->c);
        }
    }
    for (i = 0; i < p->body.n_exprs; i++) p->places[i] = dsi_place_of(p, p->places[i]);
    dsi_find_adders(p);
    for (i = 0; i < p->n_calls; i++) {
        dsi_call *const call = p->calls + i;
        for (k = 0; k < call->composite->n_in; k++) call->in[k] = dsi_place_of(p, call->in[k]);
    }
    p->n_places = p->n_slots + p->n_uniforms + p->n_streams + p->n_before;
}

/* What runs each step, what is done once for all lanes, and where printed text has the values of effects: it
   computes them all but for uniforms, loads and numbers of indices, a value of several effects for the first.
   where [n_exprs] is scratch. */
static int dsi_find_runners(dsi_program *p, uint32_t *where)
{
    const dsi_body *const body = &p->body;
    const int wide = dsi_wide();
    size_t i;
    void *dsi_grown;
    if (!DSI_GROW(&p->body, uint32_t, p->once, p->cap_once, body->n_exprs) ||
        !DSI_GROW(&p->body, dsi_lanes_fn *, p->fns, p->cap_fns, p->n_steps + 1) ||
        !DSI_GROW(&p->body, uint32_t, p->sources, p->cap_sources, body->n_effects + 1))
        return 0;
    for (i = 0; i < p->n_steps; i++) {
        const uint32_t op = p->steps[i].op;
        const int plain =
            op < DSI_X_constant || op == DSI_X_gate || (op >= DSI_X_mul_add && op <= DSI_X_sub_mul);
        p->fns[i] = plain ? dsi_lanes_of(op, wide) : NULL;
    }
    p->n_inputs = p->n_streams;
    for (i = 0; i < body->n_exprs; i++) {
        const unsigned op = body->exprs[i].op;
        where[i] = 0;
        if (p->uniform[i])
            p->once[p->n_uniform++] = (uint32_t)i;
        else if (op == DSI_X_load)
            where[i] = (uint32_t)(p->places[i] - p->n_slots - p->n_uniforms) + 1;
        else if (op == DSI_X_number)
            where[i] = (uint32_t)++p->n_inputs;
    }
    for (i = 0; i < body->n_effects; i++) {
        const uint32_t x = body->effects[i].value;
        if (!p->uniform[x] && !where[x]) where[x] = (uint32_t)(p->n_inputs + i) + 1;
        p->sources[i] = where[x];
    }
    p->adds = !p->n_reduced && !p->updates;
    for (i = 0; i < body->n_effects; i++) p->adds = p->adds && p->sources[i] > p->n_inputs;
    return 1;
}

/* the program of a kernel whose body is complete; 0 if there is no memory */
static int dsi_compile(ds_kernel *kernel)
{
    dsi_program *const p = &kernel->program;
    const ds_allocator *const allocator = &kernel->desc.allocator;
    dsi_slotting s;
    uint32_t *work;
    uint8_t *below;
    size_t n, i;
    int good;
    void *dsi_grown;
    dsi_body_begin(&p->body, allocator);
    if (!dsi_rebuild_expanded(&kernel->body, &p->body)) return 0;
    dsi_subtract_sums(kernel);
    n = p->body.n_exprs;
    work = (uint32_t *)allocator->resize(allocator->user, NULL, 0, 5 * n * sizeof *work);
    below = (uint8_t *)allocator->resize(allocator->user, NULL, 0, n);
    good = work && below && DSI_GROW(&p->body, uint32_t, p->places, p->cap_places, n) &&
           DSI_GROW(&p->body, uint8_t, p->uniform, p->cap_uniform, n);
    if (good) {
        s.last = work;
        s.free_slots = work + n;
        s.slot_of = work + 2 * n;
        s.uses = work + 3 * n;
        s.fused = work + 4 * n;
        s.n_free = 0;
        memset(p->places, 0, n * sizeof *p->places);
        dsi_find_uniform(&p->body, p->uniform);
        dsi_find_fused(p, s.uses, s.fused);
        dsi_find_last_uses(p, kernel, &s);
        good = dsi_assign_uniform(p) && dsi_assign(kernel, &s) && dsi_find_indices(p, below) &&
               dsi_find_sums(kernel);
        for (i = 0; good && i < n; i++)
            if (below[i] && p->body.exprs[i].op == DSI_X_output && !kernel->error.code) {
                dsi_carry_place(&kernel->body, &p->body, i);
                dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, i, "ds_floor_index",
                                     ": no index can be made of polar33, stretch33, symmetric_eigen33, svd33",
                                     NULL);
            }
    }
    dsi_release(allocator, below, n);
    if (good) dsi_settle(p);
    good = good && dsi_find_runners(p, work);
    dsi_release(allocator, work, 5 * n * sizeof *work);
    if (!good) {
        p->body.result = DSIM_ERROR_MEMORY;
        return 0;
    }
    p->hash = 0;
    for (i = 0; i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        p->hash = dsi_mix(dsi_mix(p->hash, e->arg), e->component + ((uint64_t)e->minus << 32));
        p->hash = dsi_mix(dsi_mix(p->hash, p->body.hashes[e->index]), p->body.hashes[e->value]);
    }
    p->text_hash = dsi_hash_text(kernel);
    return 1;
}

/* the body in canonical order, and its program */
static ds_result dsi_kernel_finish(ds_kernel *kernel)
{
    dsi_body canonical;
    kernel->recorded = kernel->body.n_exprs;
    kernel->ended = 1;
    if (dsi_kernel_failed(kernel)) return kernel->error.code;
    dsi_body_begin(&canonical, &kernel->desc.allocator);
    dsi_rebuild(&kernel->body, &canonical, 0, 1);
    canonical.here = kernel->body.here;
    dsi_body_end(&kernel->body);
    kernel->body = canonical;
    if (!dsi_kernel_failed(kernel)) dsi_compile(kernel);
    return dsi_kernel_failed(kernel);
}

/* from here on the tape is not wanted; it stays, empty, so that variables of the body are stale, not wild */
DIFFSIM_API ds_result (ds_kernel_end)(ds_kernel *kernel)
{
    ds_result result;
    if (kernel && kernel->ended) return kernel->error.code ? kernel->error.code : DSIM_ERROR_ORDER;
    result = dsi_kernel_open(kernel, "ds_kernel_end");
    if (!result) result = dsi_catch_up(kernel);
    if (kernel && kernel->tape) ds_tape_reset(kernel->tape);
    if (!result && !kernel->body.n_effects)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, 0, "ds_kernel_end",
                                    ": the kernel neither stores nor adds anything", NULL);
    return result ? result : dsi_kernel_finish(kernel);
}

#ifdef DSI_QUICKLY_COMPILED
#pragma GCC pop_options
#endif
/* Loops over lanes: out[i] = op(a[i], b[i], c[i]) for n lanes, a multiple of DSI_STRIDE; a mask of 0 makes an
   operand the same in all lanes. One copy for each instruction set, with the same bits: each rounds once, so
   that there is nothing to fuse. DSI_LANE_OPS: the rows that are a few instructions; the others call. */
#define DSI_LANE_OPS(DSI_ROW) \
    DSI_ROW(neg, 1) DSI_ROW(abs, 1) DSI_ROW(sign, 1) DSI_ROW(sqrt, 1) DSI_ROW(safe_sqrt, 1) \
    DSI_ROW(add, 2) DSI_ROW(sub, 2) \
    DSI_ROW(mul, 2) DSI_ROW(div, 2) DSI_ROW(min, 2) DSI_ROW(max, 2) DSI_ROW(clip_gradient, 2) DSI_ROW(lt, 2) \
    DSI_ROW(le, 2) DSI_ROW(gt, 2) DSI_ROW(ge, 2) DSI_ROW(eq, 2) DSI_ROW(ne, 2) DSI_ROW(select, 3)
#define DSI_STRIDE ((size_t)16)
enum { DSI_MOST_WIDTH = 1024, DSI_FEW_LANES = 8 };

#if defined(__clang__)
#if __clang_major__ >= 13 && !defined(__wasm__)
#pragma float_control(precise, on, push)
#endif
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=off", "no-trapping-math", "no-math-errno", "tree-vectorize")
#endif
#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__) && !defined(__CUDACC__)
#define DSI_IVDEP _Pragma("GCC ivdep") DSI_NO_UNROLL
#else
#define DSI_IVDEP
#endif
/* a sqrt that may set errno is not made a vector instruction; so it is declared once more, and may not */
#if defined(__GLIBC__) && defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#ifdef __cplusplus
extern "C"
#endif
ds_real DSI_LIBM(sqrt)(ds_real) __attribute__((const));
#pragma GCC diagnostic pop
#endif

/* the rows as numbers once more, always inlined, and products without a fence, which keeps loops from
   becoming vectors */
#undef DSI_1
#undef DSI_2
#undef DSI_3
#define DSI_1(name, x) dsi_in_lane_##name(x)
#define DSI_2(name, x, y) dsi_in_lane_##name(x, y)
#define DSI_3(name, x, y, z) dsi_in_lane_##name(x, y, z)
#define dsi_product(x, y) ((x) * (y))
#define DSI_EACH_1(name, R, A) DSI_INLINE DSI_TYPE_##R dsi_in_lane_##name(DSI_TYPE_##A a);
#define DSI_EACH_2(name, R, A, B) DSI_INLINE DSI_TYPE_##R dsi_in_lane_##name(DSI_TYPE_##A a, DSI_TYPE_##B b);
#define DSI_EACH_3(name, R, A, B, C) \
    DSI_INLINE DSI_TYPE_##R dsi_in_lane_##name(DSI_TYPE_##A a, DSI_TYPE_##B b, DSI_TYPE_##C c);
DSI_OPS_1(DSI_SIGNATURE_1)
DSI_OPS_2(DSI_SIGNATURE_2)
DSI_OPS_3(DSI_SIGNATURE_3)
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#define DSI_EACH_1(name, R, A, value, shape) \
    DSI_INLINE ds_real dsi_in_lane_##name(ds_real a) { return value; }
#define DSI_EACH_2(name, R, A, B, value, shape) \
    DSI_INLINE ds_real dsi_in_lane_##name(ds_real a, ds_real b) { return value; }
#define DSI_EACH_3(name, R, A, B, C, value, shape) \
    DSI_INLINE ds_real dsi_in_lane_##name(ds_real a, ds_real b, ds_real c) { return value; }
DSI_OPS_1(DSI_VALUE_1)
DSI_OPS_2(DSI_VALUE_2)
DSI_OPS_3(DSI_VALUE_3)
#undef DSI_EACH_1
#undef DSI_EACH_2
#undef DSI_EACH_3
#undef dsi_product
#undef DSI_1
#undef DSI_2
#undef DSI_3
#define DSI_1(name, x) dsi_##name(x)
#define DSI_2(name, x, y) dsi_##name(x, y)
#define DSI_3(name, x, y, z) dsi_##name(x, y, z)

/* static void dsi_lanes_add_avx2(x, step, n): n lanes of one instruction */
#define DSI_CALL_1(name) dsi_in_lane_##name(a[at_a + i])
#define DSI_CALL_2(name) dsi_in_lane_##name(a[at_a + i], b[at_b + i])
#define DSI_CALL_3(name) dsi_in_lane_##name(a[at_a + i], b[at_b + i], c[at_c + i])
#define DSI_CALL_4(name) a[at_a + i] * b[at_b + i] + c[at_c + i]
#define DSI_CALL_5(name) a[at_a + i] * b[at_b + i] - c[at_c + i]
#define DSI_CALL_6(name) c[at_c + i] - a[at_a + i] * b[at_b + i]
#define DSI_LANES_OF(name, operands, target, attribute) \
    attribute static void dsi_lanes_##name##_##target(const dsi_numbers *x, const dsi_instruction *step, \
                                                      size_t n) \
    { \
        const ds_real *const a = x->at[step->a], *const b = x->at[step->b], *const c = x->at[step->c]; \
        const size_t mask_a = x->mask[step->a], mask_b = x->mask[step->b], mask_c = x->mask[step->c]; \
        ds_real *const out = x->at[step->out]; \
        size_t at, i; \
        (void)b, (void)c, (void)mask_b, (void)mask_c; \
        for (at = 0; at < n; at += DSI_STRIDE) { \
            const size_t at_a = at & mask_a, at_b = at & mask_b, at_c = at & mask_c; \
            (void)at_b, (void)at_c; \
            DSI_IVDEP for (i = 0; i < DSI_STRIDE; i++) out[at + i] = DSI_CALL_##operands(name); \
        } \
    }
/* to[i] + sign[0] from[0][i] + ..., term after term, n of them, any number; signs are +1 or -1 */
typedef void dsi_gain_fn(ds_real *to, const ds_real *const *from, const ds_real *sign, size_t n);
enum { DSI_MOST_GAINS = 5 };
#define DSI_GAINED_1(i) to[i] + s0 * f0[i]
#define DSI_GAINED_2(i) DSI_GAINED_1(i) + s1 * f1[i]
#define DSI_GAINED_3(i) DSI_GAINED_2(i) + s2 * f2[i]
#define DSI_GAINED_4(i) DSI_GAINED_3(i) + s3 * f3[i]
#define DSI_GAINED_5(i) DSI_GAINED_4(i) + s4 * f4[i]
#define DSI_GAIN_OF(count, target, attribute) \
    attribute static void dsi_gain_##count##_##target(ds_real *to, const ds_real *const *from, \
                                                      const ds_real *sign, size_t n) \
    { \
        const ds_real *const f0 = from[0], *const f1 = from[count > 1 ? 1 : 0]; \
        const ds_real *const f2 = from[count > 2 ? 2 : 0], *const f3 = from[count > 3 ? 3 : 0]; \
        const ds_real *const f4 = from[count > 4 ? 4 : 0]; \
        const ds_real s0 = sign[0], s1 = sign[count > 1 ? 1 : 0], s2 = sign[count > 2 ? 2 : 0]; \
        const ds_real s3 = sign[count > 3 ? 3 : 0], s4 = sign[count > 4 ? 4 : 0]; \
        size_t i, k; \
        (void)f1, (void)f2, (void)f3, (void)f4, (void)s1, (void)s2, (void)s3, (void)s4; \
        for (i = 0; i + DSI_STRIDE <= n; i += DSI_STRIDE) \
            DSI_IVDEP for (k = 0; k < DSI_STRIDE; k++) to[i + k] = DSI_GAINED_##count(i + k); \
        for (; i < n; i++) to[i] = DSI_GAINED_##count(i); \
    }
#define DSI_GAINS_OF(target, attribute) \
    DSI_GAIN_OF(1, target, attribute) \
    DSI_GAIN_OF(2, target, attribute) \
    DSI_GAIN_OF(3, target, attribute) \
    DSI_GAIN_OF(4, target, attribute) \
    DSI_GAIN_OF(5, target, attribute) \
    static dsi_gain_fn *const dsi_lanes_gain_##target[DSI_MOST_GAINS] = { \
        dsi_gain_1_##target, dsi_gain_2_##target, dsi_gain_3_##target, dsi_gain_4_##target, \
        dsi_gain_5_##target};
#ifdef DSI_WIDE
#define DSI_AVX2 __attribute__((target("avx2")))
#define DSI_AVX512 __attribute__((target("avx512f")))
#define DSI_ROW(name, operands) \
    DSI_LANES_OF(name, operands, plain, ) \
    DSI_LANES_OF(name, operands, avx2, DSI_AVX2) \
    DSI_LANES_OF(name, operands, avx512, DSI_AVX512)
DSI_GAINS_OF(plain, )
DSI_GAINS_OF(avx2, DSI_AVX2)
DSI_GAINS_OF(avx512, DSI_AVX512)
#else
#define DSI_ROW(name, operands) DSI_LANES_OF(name, operands, plain, )
DSI_GAINS_OF(plain, )
#endif
DSI_LANE_OPS(DSI_ROW)
DSI_ROW(mul_add, 4)
DSI_ROW(mul_sub, 5)
DSI_ROW(sub_mul, 6)
#undef DSI_ROW
#undef DSI_CALL_4
#undef DSI_CALL_5
#undef DSI_CALL_6
#undef DSI_CALL_1
#undef DSI_CALL_2
#undef DSI_CALL_3
#undef DSI_LANES_OF
#undef DSI_GAINS_OF
#undef DSI_GAIN_OF
#undef DSI_GAINED_1
#undef DSI_GAINED_2
#undef DSI_GAINED_3
#undef DSI_GAINED_4
#undef DSI_GAINED_5
#undef DSI_IVDEP
#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__) && !defined(__CUDACC__)
#define DSI_UNROLL _Pragma("GCC unroll 4")
#else
#define DSI_UNROLL
#endif
#if defined(__clang__)
#if __clang_major__ >= 13 && !defined(__wasm__)
#pragma float_control(pop)
#endif
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)
#pragma GCC pop_options
#endif

#ifdef DSI_WIDE
#define DSI_BY_WIDTH(name, wide) \
    ((wide) == 2 ? dsi_lanes_##name##_avx512 : (wide) ? dsi_lanes_##name##_avx2 : dsi_lanes_##name##_plain)
#else
#define DSI_BY_WIDTH(name, wide) ((void)(wide), dsi_lanes_##name##_plain)
#endif

/* An operand of the others, which call a function for each lane or for arrays. A uniform operand is one
   number in DSI_STRIDE copies, of which the first is taken. */
static const ds_real *dsi_operand_at(const dsi_numbers *x, uint32_t place, size_t i)
{
    return x->at[place] + (i & x->mask[place]);
}
static void dsi_lanes_each(const dsi_numbers *x, const dsi_instruction *s, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        dsi_evaluate(s->op, dsi_operand_at(x, s->a, i), dsi_operand_at(x, s->b, i),
                     dsi_operand_at(x, s->c, i), x->at[s->out] + i);
}
/* static void dsi_lanes_exp(x, s, n): by ds_reals_exp; a uniform is as short as it is */
#define DSI_ROW(name) \
    static void dsi_lanes_##name(const dsi_numbers *x, const dsi_instruction *s, size_t n) \
    { \
        if (x->mask[s->a]) ds_reals_##name(x->at[s->a], x->at[s->out], n); \
        else dsi_lanes_each(x, s, n); \
    }
DSI_ROW(exp)
DSI_ROW(log) DSI_ROW(sin) DSI_ROW(cos) DSI_ROW(tanh)
#undef DSI_ROW
    static void dsi_lanes_pow(const dsi_numbers *x, const dsi_instruction *s, size_t n)
{
    ds_real spread[DSI_MOST_WIDTH];
    const ds_real *exponent = x->at[s->b];
    size_t i;
    if (!x->mask[s->a]) {
        dsi_lanes_each(x, s, n);
        return;
    }
    for (i = 0; !x->mask[s->b] && i < n; i++) spread[i] = exponent[0];
    ds_reals_pow(x->at[s->a], x->mask[s->b] ? exponent : spread, x->at[s->out], n);
}

/* what runs an instruction */
static dsi_lanes_fn *dsi_lanes_of(unsigned op, int wide)
{
    switch (op) {
#define DSI_ROW(name, operands) case DSI_OP_##name: return DSI_BY_WIDTH(name, wide);
    DSI_LANE_OPS(DSI_ROW)
#undef DSI_ROW
    case DSI_X_mul_add: return DSI_BY_WIDTH(mul_add, wide);
    case DSI_X_mul_sub: return DSI_BY_WIDTH(mul_sub, wide);
    case DSI_X_sub_mul: return DSI_BY_WIDTH(sub_mul, wide);
#define DSI_ROW(name) case DSI_OP_##name: return dsi_lanes_##name;
    DSI_ROW(exp) DSI_ROW(log) DSI_ROW(sin) DSI_ROW(cos) DSI_ROW(tanh) DSI_ROW(pow)
#undef DSI_ROW
    default: return dsi_lanes_each;
    }
}

/* Runs. */

/* an index in a block: first + step * lane in lanes below `valid`; or, for all, a table */
typedef struct dsi_line { int64_t first, step; const int64_t *table; size_t valid; } dsi_line;

/* A block of lanes, neighbours along the last axis. Rows whose elements stand in memory like the rows of one
   picture go into one block: row after row, `pitch` apart, as the elements are. What stands between two rows
   is computed, too, and neither stored nor added. */
typedef struct dsi_lane_block {
    size_t flat, coordinate[3]; /* of the first lane */
    size_t n; /* lanes in a row */
    size_t rows, pitch;
    size_t extent; /* (rows - 1) pitch + n */
    int contested; /* it adds to elements that other parts own */
} dsi_lane_block;

/* The blocks of a launch, found when its indices are checked. reach: the lowest and highest element of each
   shared sum that a block adds to, [n_blocks][n_shared][2]. */
typedef struct dsi_planned {
    size_t flat;
    uint32_t n, rows, pitch; /* as in a block */
    uint8_t as_table, kept; /* kept: its lines */
    uint8_t home, contested; /* home: a part; contested: others reach the block, too */
} dsi_planned;
typedef struct dsi_plan {
    dsi_planned *blocks;
    int64_t *reach;
    struct dsi_line *lines; /* of each block, [n_blocks][n_lines], if there are not too many */
    size_t n_blocks, cap_blocks, cap_reach, cap_lines;
    uint64_t key, used; /* key 0: not to be used again; the launch that used it last */
} dsi_plan;

/* where a stream comes from; packed: its first element, if neighbours are neighbours in memory */
typedef struct dsi_source {
    uint32_t line;
    ds_real *packed, *slot;
    uint64_t n;
    int whole; /* read in place only where no lane behind the last is read */
} dsi_source;

/* printed text in the place of steps, if there is some */
typedef struct dsi_printed_run {
    const ds_printed_kernel *kernel; /* NULL: steps */
    ds_real *numbers; /* [n_inputs + n_effects][width], where loads are gathered and results wait */
    ds_real *uniforms;
    const ds_real **in; /* [n_inputs]: loads, then numbers of indices */
    ds_real **out; /* of effects; NULL: what is no result of the text, or is that of an earlier effect */
    ds_real **to; /* of effects: where the first lane of a block stores or adds it */
} dsi_printed_run;

/* A run is one part of a launch: it does what its part owns, with scratch memory of its own. */
typedef struct dsi_run {
    const ds_kernel *kernel;
    const dsi_program *program;
    const ds_array *args;
    dsi_plan *plan;
    size_t lanes[3], rank, inner, n_lanes; /* of the grid; along its last axis; in all */
    size_t width; /* lanes of a block at most, a multiple of DSI_STRIDE */
    size_t part, n_parts;
    int late; /* does what waits until all parts have read what they read */
    int validates;
    int wide;
    dsi_numbers x;
    dsi_gain_fn *const *gains; /* of 1 to DSI_MOST_GAINS terms */
    ds_real *numbers; /* slots [width], numbers below floors [width], uniforms [DSI_STRIDE] */
    dsi_line *lines, *own_lines; /* of the block: the plan's, or its own */
    dsi_source *sources; /* of the streams */
    int64_t *tables; /* [n_lines][width] */
    uint32_t *order; /* of adders in their sums, [n_adders] */
    dsi_printed_run text;
    int64_t *owned; /* the elements [low, high) that the part owns, [n_shared][2] */
    ds_real *reducing; /* [n_reduced][DSI_STRIDE] */
    ds_real *reduced; /* [chunks][n_reduced], of all parts */
    /* what is wrong: an index beyond its array */
    size_t bad_lane, bad_arg;
    int64_t bad_index;
    int is_bad; /* a number is not finite, or an element is written twice */
} dsi_run;

/* the integer of lane i of the block */
DSI_INLINE int64_t dsi_line_at(const dsi_line *line, size_t i)
{
    return line->table ? line->table[i]
                       : dsi_wrap((uint64_t)line->first + (uint64_t)line->step * (uint64_t)i);
}

/* lanes i < n from 0 on with d + step i <= 0; d <= 0 */
static size_t dsi_stays(int64_t d, int64_t step, size_t n)
{
    uint64_t count;
    if (step <= 0) return n;
    count = (0 - (uint64_t)d) / (uint64_t)step + 1;
    return count < n ? (size_t)count : n;
}

/* Are differences and products of this line's numbers far from 64 bits? The others become tables. */
static int dsi_is_near(const dsi_line *line)
{
    const int64_t most = (int64_t)1 << 30, far_off = (int64_t)1 << 60;
    return line->first > -far_off && line->first < far_off && line->step > -most && line->step < most;
}

/* op of lines, as a line as far as it is one. Returns 0 where it is none, even at the beginning. */
static int dsi_line_op(unsigned op, const dsi_line *a, const dsi_line *b, const dsi_line *c, size_t n,
                       dsi_line *r)
{
    const int64_t d = dsi_wrap((uint64_t)a->first - (uint64_t)b->first);
    const int64_t move = dsi_wrap((uint64_t)a->step - (uint64_t)b->step);
    const int64_t quotient = dsi_floor_div(a->first, b->first);
    r->table = NULL;
    if (!dsi_is_near(a) || !dsi_is_near(b) || !dsi_is_near(c)) return 0;
    r->first = dsi_index_value(op, a->first, b->first, c->first);
    r->step = 0;
    r->valid = n;
    switch (op) {
    case DSI_X_index_add: r->step = dsi_wrap((uint64_t)a->step + (uint64_t)b->step); break;
    case DSI_X_index_sub: r->step = move; break;
    case DSI_X_index_mul:
        if (a->step && b->step) return 0;
        r->step = dsi_wrap((uint64_t)a->step * (uint64_t)b->first + (uint64_t)b->step * (uint64_t)a->first);
        break;
    case DSI_X_index_div:
    case DSI_X_index_mod: /* as long as the quotient stays */
        if (b->step || (a->step && b->first <= 0)) return 0;
        if (op == DSI_X_index_mod) r->step = a->step;
        r->valid = a->step > 0 ? dsi_stays(a->first - (quotient * b->first + b->first - 1), a->step, n)
                               : dsi_stays(quotient * b->first - a->first, -a->step, n);
        break;
    case DSI_X_index_min:
        r->step = d < 0 || (d == 0 && move < 0) ? a->step : b->step;
        r->valid = d < 0 || (d == 0 && move < 0) ? dsi_stays(d, move, n) : dsi_stays(-d, -move, n);
        break;
    case DSI_X_index_max:
        r->step = d > 0 || (d == 0 && move > 0) ? a->step : b->step;
        r->valid = d > 0 || (d == 0 && move > 0) ? dsi_stays(-d, -move, n) : dsi_stays(d, move, n);
        break;
    case DSI_X_index_lt: r->valid = d < 0 ? dsi_stays(d + 1, move, n) : dsi_stays(-d, -move, n); break;
    case DSI_X_index_le: r->valid = d <= 0 ? dsi_stays(d, move, n) : dsi_stays(1 - d, -move, n); break;
    case DSI_X_index_eq:
        r->valid = move == 0 ? n
                   : d == 0  ? 1
                   : d < 0   ? dsi_stays(d + 1, move, n)
                             : dsi_stays(1 - d, -move, n);
        break;
    case DSI_X_index_select:
        if (a->step) return 0;
        r->step = a->first ? b->step : c->step;
        break;
    default: return 0;
    }
    if (r->valid > a->valid) r->valid = a->valid;
    if (r->valid > b->valid) r->valid = b->valid;
    if (r->valid > c->valid) r->valid = c->valid;
    return 1;
}

/* Where number `component` of element 0 stands, and the distance to that of element 1, in numbers. */
static size_t dsi_stride_of(const ds_array *array)
{
    return array->stride ? array->stride : array->components;
}
static size_t dsi_component_at(const ds_array *array, size_t component)
{
    return component * (array->pitch ? array->pitch : 1);
}

/* the lowest and the highest of lanes [0, n) */
static void dsi_reach_of(const dsi_line *line, size_t n, int64_t *low, int64_t *high)
{
    /* the second, too: a large step may come back by wrapping */
    const int64_t last = dsi_line_at(line, n - 1), second = n > 1 ? dsi_line_at(line, 1) : last;
    size_t i;
    *low = *high = dsi_line_at(line, 0);
    *low = second < *low ? second : *low;
    *high = second > *high ? second : *high;
    for (i = 1; line->table && i < n; i++) {
        const int64_t x = line->table[i];
        *low = x < *low ? x : *low;
        *high = x > *high ? x : *high;
    }
    *low = last < *low ? last : *low;
    *high = last > *high ? last : *high;
}

/* is what lanes [0, n) of a line use an element of the array? If not, sets what is bad. */
static int dsi_is_inside(dsi_run *run, const dsi_line *line, size_t n, size_t arg, size_t flat)
{
    const uint64_t most = run->args[arg].n;
    int64_t low, high;
    size_t i;
    dsi_reach_of(line, n, &low, &high);
    if (low >= 0 && (uint64_t)high < most) return 1;
    for (i = 0; i + 1 < n && (uint64_t)dsi_line_at(line, i) < most; i++) continue;
    run->bad_lane = flat + i;
    run->bad_arg = arg;
    run->bad_index = dsi_line_at(line, i);
    return 0;
}

/* how many integers from the first on go up or down in equal steps */
static size_t dsi_run_length(const int32_t *from, size_t stride, size_t n, int64_t step)
{
    size_t i = 1, k;
    while (i + 16 < n) {
        uint32_t any = 0;
        for (k = i; k < i + 16; k++)
            any |= (uint32_t)from[k * stride] - (uint32_t)from[(k - 1) * stride] - (uint32_t)step;
        /* the end is looked at with 64 bits: differences of 32 wrap */
        if (any || (int64_t)from[(i + 15) * stride] - from[0] != step * (int64_t)(i + 15)) break;
        i += 16;
    }
    while (i < n && (int64_t)from[i * stride] - from[(i - 1) * stride] == step) i++;
    return i;
}

/* all n integers of a column, of which fewer make a line */
static void dsi_fill_table(const ds_array *array, size_t component, const dsi_line *at, size_t n, dsi_line *r,
                           int64_t *table)
{
    const size_t stride = dsi_stride_of(array);
    const ptrdiff_t step = (ptrdiff_t)(at->step * (int64_t)stride);
    const int32_t *const from =
        (const int32_t *)array->data + dsi_component_at(array, component) + (size_t)at->first * stride;
    size_t i;
    if (step == 1) for (i = 0; i < n; i++) table[i] = from[i];
    else for (i = 0; i < n; i++) table[i] = from[(ptrdiff_t)i * step];
    r->table = table;
}

/* a column of an index array read along a line. known: it is one as far as the block goes, and inside */
static int dsi_line_load(dsi_run *run, const dsi_expr *e, const dsi_line *at, const dsi_lane_block *block,
                         int known, int64_t *table, dsi_line *r)
{
    const ds_array *const array = run->args + e->a;
    const size_t stride = dsi_stride_of(array);
    const int32_t *const from = (const int32_t *)array->data + dsi_component_at(array, e->c);
    const size_t n = at->table ? block->n : at->valid < block->n ? at->valid : block->n;
    size_t i;
    if (!known && !dsi_is_inside(run, at, n, e->a, block->flat)) return 0;
    if (at->table) {
        for (i = 0; i < n; i++) table[i] = from[(size_t)at->table[i] * stride];
        r->table = table;
        return 1;
    }
    r->table = NULL;
    r->first = from[(size_t)at->first * stride];
    r->step = 0;
    r->valid = n;
    if (n > 1 && at->step) {
        if (known) {
            r->step = (int64_t)from[(size_t)(at->first + at->step) * stride] - r->first;
            return 1;
        }
        r->step = (int64_t)from[(size_t)(at->first + at->step) * stride] - r->first;
        if (at->step > 0)
            r->valid =
                dsi_run_length(from + (size_t)at->first * stride, (size_t)at->step * stride, n, r->step);
        else
            for (r->valid = 2; r->valid < n; r->valid++)
                if ((int64_t)from[(size_t)dsi_line_at(at, r->valid) * stride] != dsi_line_at(r, r->valid))
                    break;
    }
    return 1;
}

/* numbers of n lanes from an array, in whatever type it has */
#define DSI_GATHER(type) \
    do { \
        const type *const from = (const type *)array->data + first; \
        if (table && stride == 1) for (i = 0; i < n; i++) out[i] = (ds_real)from[table[i]]; \
        else if (table) for (i = 0; i < n; i++) out[i] = (ds_real)from[(size_t)table[i] * stride]; \
        else for (i = 0; i < n; i++) out[i] = (ds_real)from[(ptrdiff_t)i * step]; \
    } while (0)
/* an index that is a line reads every step-th number, a table any */
static void dsi_load_lanes(const ds_array *array, size_t component, const dsi_line *line, ds_real *out,
                           size_t n)
{
    const size_t stride = dsi_stride_of(array);
    const size_t first =
        dsi_component_at(array, component) + (line->table ? 0 : (size_t)line->first * stride);
    const ptrdiff_t step = line->table ? 0 : (ptrdiff_t)(line->step * (int64_t)stride);
    const int64_t *const table = line->table;
    size_t i;
    if (array->type == DSIM_ARRAY_REAL && step == 1)
        memcpy(out, (const ds_real *)array->data + first, n * sizeof *out);
    else if (array->type == DSIM_ARRAY_REAL)
        DSI_GATHER(ds_real);
    else if (array->type == DSIM_ARRAY_FLOAT)
        DSI_GATHER(float);
    else
        DSI_GATHER(double);
}
#undef DSI_GATHER

/* n lanes in whole strides: what stands behind the last is computed, too, and not looked at */
static size_t dsi_whole(size_t n) { return (n + DSI_STRIDE - 1) / DSI_STRIDE * DSI_STRIDE; }

/* where a number below a floor, or one that is the same in all lanes, stands before the block */
static uint32_t dsi_place_before(const dsi_program *p, uint32_t x)
{
    if (p->index_at[x] == DSI_NO_EXPR) return p->places[x];
    return (uint32_t)(p->n_slots + p->n_uniforms + p->n_streams) + p->index_at[x];
}

/* of an integer expression, in the block at hand */
static const dsi_line *dsi_line_of(const dsi_run *run, uint32_t expr)
{
    return run->lines + run->program->index_at[expr];
}

/* An integer of a block. DSI_LINE: a line as far as it is one, or a table; DSI_TABLE: a line only if it holds
   in the whole block; DSI_LINE_KNOWN: a line, as was found before. 0: an index is outside. */
enum dsi_how { DSI_LINE, DSI_TABLE, DSI_LINE_KNOWN };
static int dsi_find_line(dsi_run *run, uint32_t x, const dsi_lane_block *block, enum dsi_how how)
{
    const dsi_expr *const e = run->program->body.exprs + x;
    const uint32_t k = run->program->index_at[x];
    const unsigned operands = dsi_operands_of(e->op);
    int64_t *const table = run->tables + (size_t)k * run->width;
    dsi_line *const r = run->lines + k;
    const dsi_line *a, *b, *c;
    uint32_t place;
    size_t i;
    r->table = NULL;
    r->step = 0;
    r->valid = block->n;
    switch (e->op) {
    case DSI_X_integer: r->first = dsi_wrap(dsi_bits_of(e)); return 1;
    case DSI_X_lanes: r->first = (int64_t)run->lanes[e->a]; return 1;
    case DSI_X_lane:
        r->first = (int64_t)(e->a == DSI_FLAT_LANE ? block->flat : block->coordinate[e->a]);
        r->step = e->a == DSI_FLAT_LANE || e->a + 1 == run->rank;
        return 1;
    case DSI_X_floor:
        place = dsi_place_before(run->program, e->a);
        for (i = 0; i < block->n; i++)
            table[i] = dsi_floor_of((double)run->x.at[place][i & run->x.mask[place]]);
        r->table = table;
        return 1;
    case DSI_X_load_index:
        a = dsi_line_of(run, e->b);
        if (!dsi_line_load(run, e, a, block, how == DSI_LINE_KNOWN, table, r)) return 0;
        if (how == DSI_TABLE && !r->table && r->valid < block->n)
            dsi_fill_table(run->args + e->a, e->c, a, block->n, r, table);
        return 1;
    default: break;
    }
    a = operands & 1 ? dsi_line_of(run, e->a) : NULL;
    b = operands & 2 ? dsi_line_of(run, e->b) : a;
    c = operands & 4 ? dsi_line_of(run, e->c) : a;
    if (!a->table && !b->table && !c->table && dsi_line_op(e->op, a, b, c, block->n, r) &&
        (how != DSI_TABLE || r->valid >= block->n))
        return 1;
    for (i = 0; i < block->n; i++)
        table[i] = dsi_index_value(e->op, dsi_line_at(a, i), dsi_line_at(b, i), dsi_line_at(c, i));
    r->table = table;
    return 1;
}

/* a number below a floor: before the block, at its own place; a load looks whether it is inside */
static int dsi_find_number(dsi_run *run, uint32_t x, const dsi_lane_block *block)
{
    const dsi_program *const p = run->program;
    const dsi_expr *const e = p->body.exprs + x;
    const unsigned operands = dsi_operands_of(e->op);
    ds_real *const out = run->x.at[dsi_place_before(p, x)];
    size_t i;
    if (e->op == DSI_X_load) {
        if (!dsi_is_inside(run, dsi_line_of(run, e->b), block->n, e->a, block->flat)) return 0;
        dsi_load_lanes(run->args + e->a, e->c, dsi_line_of(run, e->b), out, block->n);
    } else if (e->op == DSI_X_number) {
        for (i = 0; i < block->n; i++) out[i] = (ds_real)dsi_line_at(dsi_line_of(run, e->a), i);
    } else {
        dsi_instruction step;
        step.op = e->op;
        step.out = dsi_place_before(p, x);
        step.a = dsi_place_before(p, e->a);
        step.b = operands & 2 ? dsi_place_before(p, e->b) : step.a;
        step.c = operands & 4 ? dsi_place_before(p, e->c) : step.a;
        dsi_lanes_of(e->op, run->wide)(&run->x, &step, dsi_whole(block->n));
    }
    return 1;
}

/* All indices of a block, which shrinks to where they hold as lines: at once, since lanes behind are not what
   a line says, and no index may be read there. */
static int dsi_find_all_lines(dsi_run *run, dsi_lane_block *block, enum dsi_how how)
{
    const dsi_program *const p = run->program;
    size_t i;
    for (i = 0; i < p->n_indices; i++) {
        const uint32_t x = p->indices[i];
        if (p->body.exprs[x].op < DSI_X_first_index) {
            if (!dsi_find_number(run, x, block)) return 0;
            continue;
        }
        if (!dsi_find_line(run, x, block, how)) return 0;
        if (how == DSI_LINE && !dsi_line_of(run, x)->table)
            block->n = dsi_least(block->n, dsi_line_of(run, x)->valid);
    }
    return 1;
}

enum { DSI_CHUNK = 4096 }; /* lanes whose sums into one element are added apart, see dsi_run_reduced */

/* the block of at most `width` lanes that begins at a lane */
static void dsi_begin_block(const dsi_run *run, size_t flat, dsi_lane_block *block)
{
    size_t rest = flat, axis = run->rank;
    block->flat = flat;
    while (axis-- > 1) {
        block->coordinate[axis] = rest % run->lanes[axis];
        rest /= run->lanes[axis];
    }
    block->coordinate[0] = rest;
    block->n = dsi_least(run->width, run->inner - block->coordinate[run->rank - 1]);
    if (run->program->n_reduced) block->n = dsi_least(block->n, DSI_CHUNK - flat % DSI_CHUNK);
}

/* Does a block of few lanes end where lines begin, or begin anew? So it is at the walls of a grid. Of up to
   three blocks behind it, most lanes of one must hold as lines. */
static int dsi_is_border(dsi_run *run, const dsi_lane_block *block)
{
    size_t flat = block->flat + block->n, k;
    for (k = 0; k < 3 && flat < run->n_lanes && !run->program->floors; k++) {
        dsi_lane_block behind;
        size_t whole;
        dsi_begin_block(run, flat, &behind);
        whole = behind.n;
        if (!dsi_find_all_lines(run, &behind, DSI_LINE)) return 0;
        if (4 * behind.n >= 3 * whole) return 1;
        flat += behind.n;
    }
    return 0;
}

/* Plans the block that begins at a lane: it shrinks to where all indices hold as lines; if that would leave
   only a few lanes, those that do not hold become tables. Then looks whether all elements are inside. */
static int dsi_plan_block(dsi_run *run, dsi_lane_block *block, dsi_planned *planned, int64_t *reach)
{
    const dsi_program *const p = run->program;
    const size_t n = block->n;
    size_t i, valid;
    planned->as_table = 0;
    if (!dsi_find_all_lines(run, block, DSI_LINE)) return 0;
    if (block->n < n && block->n < DSI_FEW_LANES) {
        planned->as_table = !dsi_is_border(run, block);
        if (planned->as_table) block->n = n;
        if (!dsi_find_all_lines(run, block, planned->as_table ? DSI_TABLE : DSI_LINE)) return 0;
    }
    valid = block->n;
    planned->flat = block->flat;
    planned->n = (uint32_t)valid;
    planned->rows = 1;
    planned->pitch = (uint32_t)valid;
    for (i = 0; i < 2 * p->n_shared; i += 2) {
        reach[i] = INT64_MAX;
        reach[i + 1] = INT64_MIN;
    }
    for (i = 0; i < p->n_uses; i++) {
        const dsi_use *const use = p->uses + i;
        int64_t low, high, *const r = use->shared ? reach + 2 * (use->shared - 1) : NULL;
        dsi_reach_of(dsi_line_of(run, use->index), valid, &low, &high);
        if (low < 0 || (uint64_t)high >= run->args[use->arg].n)
            return dsi_is_inside(run, dsi_line_of(run, use->index), valid, use->arg, block->flat);
        if (r) {
            r[0] = low < r[0] ? low : r[0];
            r[1] = high > r[1] ? high : r[1];
        }
    }
    return 1;
}

/* the numbers of a load: read in place where they lie one after the other and the last stride ends within the
   array, else gathered into its slot */
static void dsi_run_load(dsi_run *run, uint32_t stream, uint32_t place, size_t n)
{
    const dsi_source *const source = run->sources + stream;
    const dsi_line *const line = run->lines + source->line;
    if (source->packed && !line->table && line->step == 1 && !(source->whole && n != dsi_whole(n)) &&
        (uint64_t)line->first + dsi_whole(n) <= source->n) {
        run->x.at[place] = source->packed + line->first;
        return;
    }
    run->x.at[place] = source->slot;
    dsi_load_lanes(run->args + run->program->streams[stream].arg, run->program->streams[stream].component,
                   line, source->slot, n);
}

/* What the n numbers at `from` are for their elements: values, or what is added or subtracted. mask 0: they
   are one number. */
enum dsi_storing { DSI_STORE, DSI_ADD_TO, DSI_SUBTRACT_FROM };
#define DSI_SCATTER(type, assign) \
    do { \
        type *const to = (type *)array->data + first; \
        if (line->table) \
            for (i = 0; i < n; i++) to[(size_t)line->table[i] * stride] assign (type)from[i & mask]; \
        else if (step == 1) for (i = 0; i < n; i++) to[i] assign (type)from[i & mask]; \
        else for (i = 0; i < n; i++) to[(ptrdiff_t)i * step] assign (type)from[i & mask]; \
    } while (0)
#define DSI_SCATTER_ANY(assign) \
    do { \
        if (array->type == DSIM_ARRAY_REAL) DSI_SCATTER(ds_real, assign); \
        else if (array->type == DSIM_ARRAY_FLOAT) DSI_SCATTER(float, assign); \
        else DSI_SCATTER(double, assign); \
    } while (0)
static void dsi_store_lanes(const ds_array *array, size_t component, const dsi_line *line,
                            const ds_real *from, size_t mask, size_t n, enum dsi_storing how)
{
    const size_t stride = dsi_stride_of(array);
    const size_t first =
        dsi_component_at(array, component) + (line->table ? 0 : (size_t)line->first * stride);
    const ptrdiff_t step = line->table ? 0 : (ptrdiff_t)(line->step * (int64_t)stride);
    size_t i;
    if (how == DSI_STORE && array->type == DSIM_ARRAY_REAL && !line->table && step == 1 && mask) {
        ds_real *const to = (ds_real *)array->data + first;
        memcpy(to, from, n * sizeof *to);
    } else if (how == DSI_STORE)
        DSI_SCATTER_ANY(=);
    else if (how == DSI_ADD_TO)
        DSI_SCATTER_ANY(+=);
    else
        DSI_SCATTER_ANY(-=);
}
#undef DSI_SCATTER_ANY
#undef DSI_SCATTER

/* the values of an effect, row by row */
static void dsi_store_rows(const dsi_run *run, const dsi_effect *e, const ds_real *from, size_t mask,
                           const dsi_lane_block *block)
{
    dsi_line line = *dsi_line_of(run, e->index);
    size_t row;
    for (row = 0; row < block->rows; row++, line.first += (int64_t)block->pitch)
        dsi_store_lanes(run->args + e->arg, e->component, &line, from + (row * block->pitch & mask), mask,
                        block->n, DSI_STORE);
}

/* the first element of n that a part owns; that of the part behind the last is n */
static int64_t dsi_first_owned(const dsi_run *run, uint64_t n, size_t part)
{
    const uint64_t parts = run->n_parts;
    return (int64_t)(n / parts * part + n % parts * part / parts);
}

/* the elements of each shared sum that the part of a run owns */
static void dsi_find_owned(const dsi_run *run)
{
    const dsi_program *const p = run->program;
    size_t i;
    for (i = 0; i < p->n_sums; i++) {
        int64_t *const owned = run->owned + 2 * p->sums[i].number;
        if (p->sums[i].kind != DSI_SUM_SHARED) continue;
        owned[0] = dsi_first_owned(run, run->args[p->sums[i].arg].n, run->part);
        owned[1] = dsi_first_owned(run, run->args[p->sums[i].arg].n, run->part + 1);
    }
}

/* the lanes [*begin, *end) of [0, n) whose elements on a line lie in [low, high) */
static void dsi_clip(const dsi_line *line, int64_t low, int64_t high, size_t n, size_t *begin, size_t *end)
{
    *begin = 0;
    *end = n;
    while (*begin < *end && (dsi_line_at(line, *begin) < low || dsi_line_at(line, *begin) >= high)) ++*begin;
    while (*begin < *end && (dsi_line_at(line, *end - 1) < low || dsi_line_at(line, *end - 1) >= high))
        --*end;
}

/* An order in which the adders of a sum can be taken one after the other, each with all its lanes; 0: lanes
   must go one by one. Where all are lines with the same positive step, those that begin later meet an element
   in an earlier lane: so a number gets its terms in the order of the plain loop if adders go in descending
   order of their beginnings. order: that of the block before, which is right as a rule. */
static int dsi_order_sum(const dsi_run *run, const dsi_adder *adders, size_t count, uint32_t *order)
{
    const int64_t step = run->lines[adders->line].step;
    size_t i, k;
    if (count == 1) return !run->lines[adders->line].table;
    for (i = 0; i < count; i++) {
        const dsi_line *const line = run->lines + adders[i].line;
        if (line->table || line->step != step || step <= 0) return 0;
    }
    for (i = 1; i < count; i++) {
        const uint32_t moved = order[i];
        const int64_t first = run->lines[adders[moved].line].first;
        for (k = i; k > 0; k--) {
            const int64_t before = run->lines[adders[order[k - 1]].line].first;
            if (before > first || (before == first && order[k - 1] < moved)) break;
            order[k] = order[k - 1];
        }
        order[k] = moved;
    }
    return 1;
}

/* an adder of sums that are alike: which elements, and what each of the sums gains */
typedef struct dsi_adding {
    const int64_t *table;
    int64_t first, step;
    const ds_real *from[DSI_MOST_ALIKE];
    size_t mask[DSI_MOST_ALIKE];
    ds_real sign;
} dsi_adding;
enum { DSI_MOST_ADDING = 16 };

/* lane by lane, in each adder by adder; elements in [low, high), all if `all`. at: of the components */
#define DSI_ADD_LANES(type) \
    for (i = 0; i < n; i++) \
        for (k = 0; k < count; k++) { \
            const dsi_adding *const a = adding + k; \
            const int64_t element = a->table ? a->table[i] : a->first + a->step * (int64_t)i; \
            type *const to = (type *)array->data + (size_t)element * stride; \
            for (c = 0; c < alike && (all || (element >= low && element < high)); c++) \
                to[at[c]] += (type)(a->sign * a->from[c][i & a->mask[c]]); \
        }
static void dsi_add_lanes(const ds_array *array, const size_t *at, size_t alike, const dsi_adding *adding,
                          size_t count, size_t n, int all, int64_t low, int64_t high)
{
    const size_t stride = dsi_stride_of(array);
    size_t i, k, c;
    if (array->type == DSIM_ARRAY_REAL)
        DSI_ADD_LANES(ds_real)
    else if (array->type == DSIM_ARRAY_FLOAT)
        DSI_ADD_LANES(float)
    else
        DSI_ADD_LANES(double)
}
#undef DSI_ADD_LANES

/* the same where nothing is in the way: tables, no uniforms, all elements; counts known to the compiler */
DSI_INLINE void dsi_add_tables(const ds_array *array, const size_t *at, const size_t alike,
                               const dsi_adding *adding, const size_t count, size_t n)
{
    const size_t stride = dsi_stride_of(array);
    ds_real *const data = (ds_real *)array->data, *const x = data + at[0];
    ds_real *const y = alike > 1 ? data + at[1] : x, *const z = alike > 2 ? data + at[2] : x;
    size_t i, k;
    for (i = 0; i < n; i++)
        DSI_UNROLL for (k = 0; k < count; k++) {
            const dsi_adding *const a = adding + k;
            const size_t element = (size_t)a->table[i] * stride;
            x[element] += a->sign * a->from[0][i];
            if (alike > 1) y[element] += a->sign * a->from[1][i];
            if (alike > 2) z[element] += a->sign * a->from[2][i];
        }
}

/* Adders in groups: more than DSI_MOST_ADDING would have to be lane by lane across groups, so each lane goes
   alone there. */
static void dsi_sum_lanes(const dsi_run *run, const dsi_sum *sum, const dsi_lane_block *block, int64_t low,
                          int64_t high)
{
    const ds_array *const array = run->args + sum->arg;
    const int all = !block->contested || sum->kind != DSI_SUM_SHARED, alone = sum->count > DSI_MOST_ADDING;
    const size_t n = block->n;
    dsi_adding adding[DSI_MOST_ADDING];
    size_t at[DSI_MOST_ALIKE], begin, lane, k, c, count;
    for (c = 0; c < sum->alike; c++) at[c] = dsi_component_at(array, sum[c].component);
    for (lane = 0; lane < (alone ? n : 1); lane++)
        for (begin = 0; begin < sum->count; begin += count) {
            int plain = all && !alone && array->type == DSIM_ARRAY_REAL;
            count = dsi_least(sum->count - begin, DSI_MOST_ADDING);
            for (k = 0; k < count; k++) {
                const dsi_adder *a = run->program->adders + sum->first + begin + k;
                const dsi_line *const line = run->lines + a->line;
                adding[k].table = line->table ? line->table + lane : NULL;
                adding[k].first = line->table ? 0 : dsi_line_at(line, lane);
                adding[k].step = line->step;
                adding[k].sign = (ds_real)(a->minus ? -1 : 1);
                plain = plain && line->table;
                for (c = 0; c < sum->alike; c++, a += sum->count) {
                    adding[k].mask[c] = run->x.mask[a->place];
                    adding[k].from[c] = run->x.at[a->place] + (lane & adding[k].mask[c]);
                    plain = plain && adding[k].mask[c];
                }
            }
            if (plain && count == 4 && sum->alike == 3)
                dsi_add_tables(array, at, 3, adding, 4, n);
            else if (plain && count == 2 && sum->alike == 3)
                dsi_add_tables(array, at, 3, adding, 2, n);
            else if (plain && sum->alike == 1)
                dsi_add_tables(array, at, 1, adding, count, n);
            else
                dsi_add_lanes(array, at, sum->alike, adding, count, alone ? 1 : n, all, low, high);
        }
}

/* do the lanes of a block use neighbours in memory, one after the other? */
static int dsi_is_side_by_side(const ds_array *array, const dsi_line *line)
{
    return array->type == DSIM_ARRAY_REAL && dsi_stride_of(array) == 1 && !line->table && line->step == 1;
}

/* The numbers between rows become zeros that change nothing: x + -0 is x, of whatever sign; so is x - 0. */
static void dsi_clear_between(const dsi_run *run, const dsi_adder *adders, size_t count,
                              const dsi_lane_block *block)
{
    size_t row, i, k;
    for (i = 0; i < count; i++) {
        const ds_real zero = adders[i].minus ? 0 : -(ds_real)0, nothing[4] = {zero, zero, zero, zero};
        for (row = 0; row + 1 < block->rows && !adders[i].again; row++) {
            ds_real *const end = run->x.at[adders[i].place] + (row + 1) * block->pitch;
            for (k = block->pitch - block->n; k >= 4; k -= 4) memcpy(end - k, nothing, sizeof nothing);
            for (; k > 0; k--) end[-(ptrdiff_t)k] = zero;
        }
    }
}

/* Adders that go one after the other and add n numbers each to neighbours in memory, from begin[i] on: as
   many as meet an element are added to it in one go. Elements in [low, high); begin descends. */
static void dsi_add_packed(const dsi_run *run, ds_real *data, const int64_t *begin,
                           const ds_real *const *from, const ds_real *sign, size_t count, int64_t n,
                           int64_t low, int64_t high)
{
    size_t p = count, q = count, i, k, some; /* adders [p, q) reach the element */
    int64_t at = begin[count - 1] > low ? begin[count - 1] : low;
    while (at < high) {
        const ds_real *source[DSI_MOST_GAINS];
        int64_t end;
        while (p > 0 && begin[p - 1] <= at) p--;
        while (q > 0 && begin[q - 1] + n <= at) q--;
        if (!p && !q) return;
        end = p > 0 ? begin[p - 1] : INT64_MAX; /* where the next comes in, or the last goes */
        if (q > p && begin[q - 1] + n < end) end = begin[q - 1] + n;
        end = end < high ? end : high;
        for (i = p; i < q; i += some) {
            some = dsi_least(q - i, DSI_MOST_GAINS);
            for (k = 0; k < some; k++) source[k] = from[i + k] + (at - begin[i + k]);
            run->gains[some - 1](data + at, source, sign + i, (size_t)(end - at));
        }
        at = end;
    }
}

/* numbers for neighbours in memory? */
static int dsi_is_packed(const dsi_run *run, const dsi_sum *sum)
{
    const ds_array *const array = run->args + sum->arg;
    const dsi_adder *const adders = run->program->adders + sum->first;
    size_t i;
    if (!dsi_is_side_by_side(array, run->lines + adders->line) || sum->count > DSI_MOST_ADDING) return 0;
    for (i = 0; i < sum->count * sum->alike; i++)
        if (!run->x.mask[adders[i].place]) return 0;
    return 1;
}
static void dsi_sum_packed(const dsi_run *run, const dsi_sum *sum, const dsi_lane_block *block, int64_t low,
                           int64_t high)
{
    const ds_array *const array = run->args + sum->arg;
    const uint32_t *const order = run->order + sum->first;
    const dsi_adder *adders = run->program->adders + sum->first;
    int64_t begin[DSI_MOST_ADDING];
    const ds_real *from[DSI_MOST_ADDING];
    ds_real sign[DSI_MOST_ADDING];
    size_t c, i, at;
    for (c = 0; c < sum->alike; c++, adders += sum->count) {
        ds_real *const data = (ds_real *)array->data + dsi_component_at(array, sum[c].component);
        const int joined = block->rows > 1 && sum[c].clears;
        const size_t n = joined ? block->extent : block->n, step = joined ? block->extent : block->pitch;
        if (joined) dsi_clear_between(run, adders, sum->count, block);
        for (at = 0; at < block->extent; at += step) { /* all at once, or row by row */
            for (i = 0; i < sum->count; i++) {
                const dsi_adder *const a = adders + order[i];
                begin[i] = run->lines[a->line].first + (int64_t)at;
                from[i] = run->x.at[a->place] + at;
                sign[i] = (ds_real)(a->minus ? -1 : 1);
            }
            dsi_add_packed(run, data, begin, from, sign, sum->count, (int64_t)n, low, high);
        }
    }
}

/* one adder of sums that are alike, a row of the block */
static void dsi_sum_row(const dsi_run *run, const dsi_sum *sum, size_t adder, const dsi_lane_block *block,
                        size_t row, int64_t low, int64_t high)
{
    const dsi_adder *a = run->program->adders + sum->first + adder;
    dsi_line line = run->lines[a->line];
    size_t begin = 0, end = block->n, c;
    line.first += (int64_t)(row * block->pitch);
    if (block->contested) dsi_clip(&line, low, high, block->n, &begin, &end);
    line.first = dsi_line_at(&line, begin);
    for (c = 0; begin < end && c < sum->alike; c++, a += sum->count) {
        const size_t mask = run->x.mask[a->place];
        dsi_store_lanes(run->args + sum->arg, sum[c].component, &line,
                        run->x.at[a->place] + ((row * block->pitch + begin) & mask), mask, end - begin,
                        a->minus ? DSI_SUBTRACT_FROM : DSI_ADD_TO);
    }
}

/* What the adders of sums that are alike add to elements that the part owns, in the order of the plain
   loop. */
static void dsi_run_sum(dsi_run *run, const dsi_sum *sum, const dsi_lane_block *block)
{
    uint32_t *const order = run->order + sum->first;
    const int shared = sum->kind == DSI_SUM_SHARED;
    const int64_t low = shared ? run->owned[2 * sum->number] : 0;
    const int64_t high = shared ? run->owned[2 * sum->number + 1] : INT64_MAX;
    size_t i, row;
    if (!dsi_order_sum(run, run->program->adders + sum->first, sum->count, order))
        dsi_sum_lanes(run, sum, block, low, high); /* of one row: joined rows are lines */
    else if (dsi_is_packed(run, sum))
        dsi_sum_packed(run, sum, block, low, high);
    else
        for (row = 0; row < block->rows; row++)
            for (i = 0; i < sum->count; i++) dsi_sum_row(run, sum, order[i], block, row, low, high);
}

/* Sums into elements that are the same for all lanes: chunks of lanes from fixed boundaries, in each
   DSI_STRIDE partial sums by lane, added up in pairs; then chunk after chunk. No width of blocks and no
   number of parts changes that. */
static void dsi_run_reduced(dsi_run *run, const dsi_sum *sum, const dsi_lane_block *block)
{
    const dsi_program *const p = run->program;
    const size_t end = block->flat + block->n;
    size_t i, k, half;
    for (k = 0; k < sum->count; k++) {
        const dsi_adder *const a = p->adders + sum->first + k;
        const ds_real *const from = run->x.at[a->place];
        const size_t mask = run->x.mask[a->place];
        ds_real *const part = run->reducing + (sum->number + k) * DSI_STRIDE;
        if (block->flat % DSI_CHUNK == 0) memset(part, 0, DSI_STRIDE * sizeof *part);
        for (i = 0; i < block->n; i++) part[(block->flat + i) % DSI_STRIDE] += from[i & mask];
        if (end % DSI_CHUNK != 0 && end != run->n_lanes) continue;
        for (half = DSI_STRIDE / 2; half; half /= 2)
            for (i = 0; i < half; i++) part[i] += part[i + half];
        run->reduced[block->flat / DSI_CHUNK * p->n_reduced + sum->number + k] =
            a->minus ? -part[0] : part[0];
    }
}

/* What is done with the numbers of a block. Shared sums: by each part that the block reaches. At home: what
   no other part does. Updates: at home, and where others read what they change, when those have done so. */
enum { DSI_DO_SHARED = 1, DSI_DO_HOME = 2, DSI_DO_UPDATES = 4, DSI_DO_LOOK = 8 };

/* sums and updates, when all numbers of the block are there */
static void dsi_run_effects(dsi_run *run, const dsi_lane_block *block, unsigned what)
{
    const dsi_body *const body = &run->program->body;
    size_t i;
    for (i = 0; i < run->program->n_sums; i += run->program->sums[i].alike) {
        const dsi_sum *const sum = run->program->sums + i;
        if (!(what & (sum->kind == DSI_SUM_SHARED ? DSI_DO_SHARED : DSI_DO_HOME))) continue;
        if (sum->kind == DSI_SUM_REDUCED)
            dsi_run_reduced(run, sum, block);
        else
            dsi_run_sum(run, sum, block);
    }
    for (i = 0; what & DSI_DO_UPDATES && i < body->n_effects; i++) {
        const dsi_effect *const e = body->effects + i;
        const uint32_t place = run->program->places[e->value];
        if (run->kernel->args[e->arg].kind == DSI_ARG_UPDATE)
            dsi_store_rows(run, e, run->x.at[place], run->x.mask[place], block);
    }
}

/* the values of an effect; sets what is bad */
static void dsi_look_at(dsi_run *run, size_t effect, const dsi_lane_block *block)
{
    const dsi_effect *const e = run->program->body.effects + effect;
    const uint32_t place = run->program->places[e->value];
    size_t i;
    for (i = 0; i < block->n && !run->is_bad; i++)
        if (!dsi_is_finite(run->x.at[place][i & run->x.mask[place]])) {
            run->is_bad = 1;
            run->bad_lane = block->flat + i;
            run->bad_arg = e->arg;
        }
}

/* the value function of a composite, lane by lane */
static void dsi_run_call(dsi_run *run, const dsi_call *call, size_t n)
{
    const dsi_composite *const c = call->composite;
    ds_real x[DSI_RULE_IN], y[DSI_RULE_OUT];
    size_t i, k;
    for (i = 0; i < n; i++) {
        for (k = 0; k < c->n_in; k++) x[k] = *dsi_operand_at(&run->x, call->in[k], i);
        c->value(x, y);
        for (k = 0; k < c->n_out; k++)
            if (call->out[k] != DSI_NO_EXPR) run->x.at[call->out[k]][i] = y[k];
    }
}

/* all numbers of a block, slot by slot; stores go out on the way, sums and updates at the end */
static void dsi_run_steps(dsi_run *run, const dsi_lane_block *block, unsigned what)
{
    const dsi_program *const p = run->program;
    const size_t whole = dsi_whole(block->extent);
    size_t i, k;
    for (i = p->n_once; i < p->n_steps; i++) {
        const dsi_instruction *const step = p->steps + i;
        if (p->fns[i])
            p->fns[i](&run->x, step, whole);
        else if (step->op == DSI_X_load)
            dsi_run_load(run, step->a, step->out, block->extent);
        else if (step->op == DSI_X_composite)
            dsi_run_call(run, p->calls + step->a, block->n);
        else if (step->op == DSI_X_number) {
            for (k = 0; k < block->n; k++)
                run->x.at[step->out][k] = (ds_real)dsi_line_at(dsi_line_of(run, step->a), k);
        } else if (what & DSI_DO_LOOK) {
            dsi_look_at(run, step->b, block);
        } else if (what & DSI_DO_HOME) { /* a store */
            const dsi_effect *const e = p->body.effects + step->b;
            dsi_store_rows(run, e, run->x.at[step->a], run->x.mask[step->a], block);
        }
    }
    dsi_run_effects(run, block, what);
    for (i = 0; what & DSI_DO_LOOK && i < p->body.n_effects; i++)
        if (run->kernel->args[p->body.effects[i].arg].kind != DSI_ARG_OUT) dsi_look_at(run, i, block);
}

/* Printed text, in the place of steps. When uniforms are known: them, and where the values of effects will
   be; x.at of sums and updates is set, since their places are no others'. */
static void dsi_prepare_text(dsi_run *run)
{
    dsi_printed_run *const t = &run->text;
    const dsi_program *const p = run->program;
    size_t i;
    for (i = 0; i < p->n_uniforms; i++) t->uniforms[i] = run->x.at[p->n_slots + i][0];
    for (i = 0; i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        const size_t source = p->sources[i];
        t->out[i] = source == p->n_inputs + i + 1 ? t->numbers + (source - 1) * run->width : NULL;
        if (run->kernel->args[e->arg].kind != DSI_ARG_OUT && source > p->n_streams)
            run->x.at[p->places[e->value]] = t->numbers + (source - 1) * run->width;
    }
}

/* where the numbers of a block may be written by whole strides, or NULL */
static ds_real *dsi_in_place(const ds_array *array, size_t component, const dsi_line *line,
                             const dsi_lane_block *block)
{
    if (!dsi_is_side_by_side(array, line) || block->n % DSI_STRIDE || block->extent != block->n * block->rows)
        return NULL;
    return (ds_real *)array->data + (size_t)line->first + dsi_component_at(array, component);
}

/* May the text add to the sums of a block itself? Then each effect has neighbours in memory of its own, which
   no other part adds to, nor another effect of its sum in the same row. */
static int dsi_may_add(const dsi_run *run, const dsi_lane_block *block)
{
    const dsi_program *const p = run->program;
    size_t i, k, m;
    if (!p->adds || block->contested) return 0;
    for (i = 0; i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        const ds_array *const array = run->args + e->arg;
        const dsi_line *const line = dsi_line_of(run, e->index);
        if (!dsi_is_side_by_side(array, line)) return 0;
        run->text.to[i] = (ds_real *)array->data + dsi_component_at(array, e->component) + line->first;
    }
    for (i = 0; i < p->n_sums; i += p->sums[i].alike)
        for (k = 0; k < p->sums[i].count; k++)
            for (m = 0; m < k; m++) {
                const dsi_adder *const adders = p->adders + p->sums[i].first;
                const int64_t from = run->lines[adders[k].line].first - run->lines[adders[m].line].first;
                if ((from < 0 ? -from : from) < (int64_t)block->n) return 0;
            }
    return 1;
}

/* row by row. The last lanes, fewer than a stride, go to the buffers, and are added or stored from there. */
static void dsi_run_adding_text(const dsi_run *run, const dsi_lane_block *block)
{
    const dsi_printed_run *const t = &run->text;
    const dsi_program *const p = run->program;
    const size_t whole = block->n / DSI_STRIDE * DSI_STRIDE, rest = block->n - whole;
    size_t row, i;
    for (row = 0; row < block->rows; row++) {
        if (whole) t->kernel->fn(whole, t->in, t->uniforms, t->to, 1);
        for (i = 0; i < p->n_inputs; i++) t->in[i] += whole;
        if (rest) t->kernel->fn(DSI_STRIDE, t->in, t->uniforms, t->out, 0);
        for (i = 0; i < p->body.n_effects; i++) {
            const dsi_effect *const e = p->body.effects + i;
            const ds_real *const from = t->out[p->sources[i] - 1 - p->n_inputs];
            const ds_real sign = (ds_real)(e->minus ? -1 : 1);
            if (rest && run->kernel->args[e->arg].kind == DSI_ARG_OUT)
                memcpy(t->to[i] + whole, from, rest * sizeof *from);
            else if (rest)
                run->gains[0](t->to[i] + whole, &from, &sign, rest);
            t->to[i] += block->pitch;
        }
        for (i = 0; i < p->n_inputs; i++) t->in[i] += block->pitch - whole;
    }
}

/* what: as for steps; only at home results may go where they are stored, if no sum waits for them */
static void dsi_run_text(dsi_run *run, const dsi_lane_block *block, unsigned what)
{
    const int home = (what & DSI_DO_HOME) != 0;
    dsi_printed_run *const t = &run->text;
    const dsi_program *const p = run->program;
    const dsi_instruction *step;
    size_t i, k;
    for (i = 0; i < p->n_streams; i++) {
        const size_t place = p->n_slots + p->n_uniforms + i;
        dsi_run_load(run, (uint32_t)i, (uint32_t)place, block->extent);
        t->in[i] = run->x.at[place];
    }
    for (step = p->steps + p->n_once; i < p->n_inputs; step++) {
        ds_real *const at = t->numbers + i * run->width;
        if (step->op != DSI_X_number) continue;
        for (k = 0; k < block->n; k++) at[k] = (ds_real)dsi_line_at(dsi_line_of(run, step->a), k);
        t->in[i++] = at;
    }
    for (i = 0; i < p->body.n_effects; i++)
        if (t->out[i]) t->out[i] = t->numbers + (p->n_inputs + i) * run->width;
    if (home && dsi_may_add(run, block)) {
        dsi_run_adding_text(run, block);
        return;
    }
    for (i = 0; i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        ds_real *const buffer = t->out[i];
        if (!buffer || run->x.at[p->places[e->value]] == buffer) continue;
        t->out[i] = dsi_in_place(run->args + e->arg, e->component, dsi_line_of(run, e->index), block);
        if (!t->out[i] || !home || run->kernel->args[e->arg].kind != DSI_ARG_OUT) t->out[i] = buffer;
    }
    t->kernel->fn(dsi_whole(block->extent), t->in, t->uniforms, t->out, 0);
    for (i = 0; home && i < p->body.n_effects; i++) {
        const dsi_effect *const e = p->body.effects + i;
        const uint32_t source = p->sources[i];
        const ds_real *const from = !source                  ? run->x.at[p->places[e->value]]
                                    : source <= p->n_inputs ? t->in[source - 1]
                                                            : t->out[source - 1 - p->n_inputs];
        if (run->kernel->args[e->arg].kind == DSI_ARG_OUT &&
            (!t->out[i] || t->out[i] == t->numbers + (p->n_inputs + i) * run->width))
            dsi_store_rows(run, e, from, source ? (size_t)-1 : 0, block);
    }
    dsi_run_effects(run, block, what);
}

/* what is the same in all lanes, integers too; 0: an index is outside */
static int dsi_run_once(dsi_run *run)
{
    const dsi_program *const p = run->program;
    const dsi_body *const body = &p->body;
    dsi_lane_block block;
    size_t i, k, next = 0;
    memset(&block, 0, sizeof block);
    block.n = 1;
    for (i = 0; i < p->n_uniform; i++) {
        const dsi_expr *const e = body->exprs + p->once[i];
        const dsi_instruction *const step = p->steps + next;
        ds_real number = 0;
        if (e->op >= DSI_X_first_index) {
            if (!dsi_find_line(run, p->once[i], &block, DSI_LINE)) return 0;
            continue;
        }
        next++;
        if (e->op < DSI_X_constant || e->op == DSI_X_gate) {
            p->fns[next - 1](&run->x, step, DSI_STRIDE);
            continue;
        }
        if (e->op == DSI_X_constant)
            number = (ds_real)dsi_from_bits(dsi_bits_of(e));
        else if (e->op == DSI_X_number)
            number = (ds_real)dsi_line_at(dsi_line_of(run, e->a), 0);
        else {
            if (!dsi_is_inside(run, dsi_line_of(run, e->b), 1, e->a, 0)) return 0;
            dsi_load_lanes(run->args + e->a, e->c, dsi_line_of(run, e->b), &number, 1);
        }
        for (k = 0; k < DSI_STRIDE; k++) run->x.at[step->out][k] = number;
    }
    return 1;
}

/* room for one block more; its lines are kept as long as all of them are below DSI_KEPT_LINES */
enum { DSI_KEPT_LINES = 1 << 20 };
static ds_result dsi_grow_plan(dsi_plan *plan, const ds_allocator *allocator, size_t n_lines, size_t shared)
{
    const size_t most = SIZE_MAX / 64, need = plan->n_blocks + 1;
    void *blocks = plan->blocks, *reach = plan->reach, *lines = plan->lines;
    ds_result result = DSIM_OK;
    if (need > plan->cap_blocks)
        result = dsi_grow(allocator, &blocks, &plan->cap_blocks, need, most, sizeof *plan->blocks);
    plan->blocks = (dsi_planned *)blocks;
    if (!result && 2 * shared * need > plan->cap_reach)
        result = dsi_grow(allocator, &reach, &plan->cap_reach, 2 * shared * need, most, sizeof *plan->reach);
    plan->reach = (int64_t *)reach;
    if (!result && n_lines * need > plan->cap_lines && n_lines * need <= DSI_KEPT_LINES)
        result = dsi_grow(allocator, &lines, &plan->cap_lines, n_lines * need, most, sizeof *plan->lines);
    plan->lines = (dsi_line *)lines;
    return result;
}

/* Does the block that was planned last, of which run->lines are known, go on where the one before it ends,
   as one more row? Then that one takes it in. */
static int dsi_join_row(const dsi_run *run)
{
    const dsi_program *const p = run->program;
    const dsi_plan *const plan = run->plan;
    const size_t last = plan->n_blocks - 1, before = last ? last - 1 : 0;
    dsi_planned *const row = plan->blocks + last, *const above = plan->blocks + before;
    const dsi_line *const begin = plan->lines + before * p->n_lines;
    int64_t pitch = 0, *reach;
    size_t i;
    if (!last || !p->joins || run->validates || !row->kept || !above->kept || row->n != above->n ||
        row->n < DSI_STRIDE)
        return 0;
    for (i = 0; i < p->n_uses; i++) {
        const dsi_line *const line = run->lines + p->index_at[p->uses[i].index];
        const dsi_line *const first = begin + p->index_at[p->uses[i].index];
        const int64_t from = (int64_t)((uint64_t)line->first - (uint64_t)first->first);
        if (line->step != first->step || (line->step && line->step != 1)) return 0;
        if (!line->step && (from || p->uses[i].shared)) return 0;
        if (!line->step) continue;
        if (pitch && from != pitch * (int64_t)above->rows) return 0;
        pitch = from / (int64_t)above->rows;
        if (from != pitch * (int64_t)above->rows || pitch < (int64_t)row->n ||
            pitch > (int64_t)(row->n + row->n / 4) || (above->rows > 1 && pitch != (int64_t)above->pitch) ||
            (size_t)from + row->n > run->width)
            return 0;
    }
    above->pitch = (uint32_t)pitch;
    above->rows++;
    for (i = 0, reach = plan->reach + 2 * before * p->n_shared; i < 2 * p->n_shared; i += 2) {
        reach[i] = reach[i] < reach[2 * p->n_shared + i] ? reach[i] : reach[2 * p->n_shared + i];
        reach[i + 1] = reach[i + 1] > reach[2 * p->n_shared + i + 1] ? reach[i + 1]
                                                                     : reach[2 * p->n_shared + i + 1];
    }
    return 1;
}

/* All blocks of the launch; every index is inside. Errors: RANGE (what is bad is set), MEMORY. */
static ds_result dsi_make_plan(dsi_run *run, const ds_allocator *allocator)
{
    dsi_plan *const plan = run->plan;
    const size_t shared = run->program->n_shared, n_lines = run->program->n_lines;
    size_t flat = 0, i;
    plan->n_blocks = 0;
    while (flat < run->n_lanes) {
        dsi_planned *planned;
        dsi_lane_block block;
        if (dsi_grow_plan(plan, allocator, n_lines, shared)) return DSIM_ERROR_MEMORY;
        planned = plan->blocks + plan->n_blocks;
        dsi_begin_block(run, flat, &block);
        if (!dsi_plan_block(run, &block, planned, shared ? plan->reach + 2 * shared * plan->n_blocks : NULL))
            return DSIM_ERROR_RANGE;
        plan->n_blocks++;
        planned->kept = n_lines * plan->n_blocks <= plan->cap_lines;
        for (i = 0; i < n_lines; i++) planned->kept = planned->kept && !run->lines[i].table;
        if (planned->kept)
            memcpy(plan->lines + n_lines * (plan->n_blocks - 1), run->lines, n_lines * sizeof *plan->lines);
        flat += block.n;
        plan->n_blocks -= (size_t)dsi_join_row(run);
    }
    return DSIM_OK;
}

/* Whose is a block? Each part owns a range of elements of every shared sum, and runs all blocks that reach
   it. What a block stores, and sums of its own, are done where it is at home. */
static size_t dsi_home(const dsi_run *run, size_t k)
{
    const dsi_plan *const plan = run->plan;
    const dsi_program *const p = run->program;
    const size_t parts = run->n_parts, chunks = run->n_lanes / DSI_CHUNK + 1;
    size_t i, n, part;
    if (p->n_reduced)
        return (size_t)((double)(plan->blocks[k].flat / DSI_CHUNK) / (double)chunks * (double)parts);
    if (!p->n_shared) return (size_t)((double)k / (double)plan->n_blocks * (double)parts);
    for (i = 0; p->sums[i].kind != DSI_SUM_SHARED; i++) continue; /* the first has number 0 */
    n = run->args[p->sums[i].arg].n;
    for (part = 0; part + 1 < parts; part++)
        if (plan->reach[2 * p->n_shared * k] < dsi_first_owned(run, n, part + 1)) break;
    return part;
}

/* does the block add to elements that the part owns? */
static int dsi_is_reached(const dsi_run *run, size_t k)
{
    const size_t n = run->program->n_shared;
    const int64_t *const reach = run->plan->reach + 2 * n * k, *const owned = run->owned;
    size_t i;
    for (i = 0; i < 2 * n; i += 2)
        if (reach[i] < owned[i + 1] && reach[i + 1] >= owned[i]) return 1;
    return 0;
}

/* the indices of a planned block */
static void dsi_find_planned(dsi_run *run, size_t k, dsi_lane_block *block)
{
    const dsi_planned *const planned = run->plan->blocks + k;
    block->flat = planned->flat;
    block->n = planned->n;
    block->rows = planned->rows;
    block->pitch = planned->pitch;
    block->extent = (block->rows - 1) * block->pitch + block->n;
    block->contested = planned->contested;
    run->lines = planned->kept ? run->plan->lines + k * run->program->n_lines : run->own_lines;
    if (planned->kept) return;
    dsi_begin_block(run, planned->flat, block);
    block->n = planned->n;
    dsi_find_all_lines(run, block, planned->as_table ? DSI_TABLE : DSI_LINE_KNOWN);
}

/* of all blocks: where they are at home, and whether other parts reach them. runs [n_parts] */
static void dsi_find_homes(const dsi_run *runs)
{
    const dsi_plan *const plan = runs->plan;
    size_t k, part;
    for (k = 0; k < plan->n_blocks; k++) {
        dsi_planned *const planned = plan->blocks + k;
        const size_t home = runs->n_parts == 1 ? 0 : dsi_home(runs, k);
        planned->home = (uint8_t)home;
        planned->contested = 0;
        for (part = 0; runs->program->n_shared && part < runs->n_parts; part++)
            if (part != home && dsi_is_reached(runs + part, k)) planned->contested = 1;
    }
}

/* what a part does with a block */
static unsigned dsi_what_to_do(const dsi_run *run, size_t k)
{
    const dsi_planned *const planned = run->plan->blocks + k;
    const int waits = run->program->updates && planned->contested;
    if (planned->home != run->part) return !run->late && planned->contested && dsi_is_reached(run, k);
    if (run->late) return waits ? DSI_DO_UPDATES : 0;
    return DSI_DO_SHARED | DSI_DO_HOME | (waits ? 0 : DSI_DO_UPDATES);
}

/* blocks in their order: each element gets its terms in the order of lanes, whoever adds them */
static void dsi_run_part(dsi_run *run)
{
    size_t k;
    for (k = 0; k < run->plan->n_blocks; k++) {
        const unsigned what = dsi_what_to_do(run, k);
        dsi_lane_block block;
        if (!what) continue;
        dsi_find_planned(run, k, &block);
        if (run->text.kernel)
            dsi_run_text(run, &block, what);
        else
            dsi_run_steps(run, &block, what);
    }
}

/* a task of parallel_for: parts [begin, end) */
static void dsi_run_parts(void *task, size_t begin, size_t end, size_t worker)
{
    (void)worker;
    for (; begin < end; begin++) dsi_run_part((dsi_run *)task + begin);
}

/* what reductions came to, chunk after chunk */
static void dsi_add_reduced(const dsi_run *run)
{
    const dsi_program *const p = run->program;
    const size_t chunks = (run->n_lanes + DSI_CHUNK - 1) / DSI_CHUNK;
    size_t c, i, k;
    for (c = 0; p->n_reduced && c < chunks; c++)
        for (i = 0; i < p->n_sums; i++)
            for (k = 0; p->sums[i].kind == DSI_SUM_REDUCED && k < p->sums[i].count; k++) {
                const dsi_effect *const e = p->body.effects + p->adders[p->sums[i].first + k].effect;
                dsi_store_lanes(run->args + e->arg, e->component, dsi_line_of(run, e->index),
                                run->reduced + c * p->n_reduced + p->sums[i].number + k, 0, 1, DSI_ADD_TO);
            }
}

/* all parts. runs [n_parts] */
static void dsi_run_all(const ds_jobs *jobs, dsi_run *runs)
{
    const size_t n = runs->n_parts;
    size_t i;
    if (n == 1)
        dsi_run_part(runs);
    else
        ds_parallel_for(jobs, n, 1, dsi_run_parts, runs);
    if (n > 1 && runs->program->updates && runs->program->n_shared) {
        for (i = 0; i < n; i++) runs[i].late = 1;
        ds_parallel_for(jobs, n, 1, dsi_run_parts, runs);
    }
    dsi_add_reduced(runs);
}

/* Launches. */
enum { DSI_PLANS = 16, DSI_SHORT_INDEX = 64, DSI_MOST_PARTS = 64, DSI_PARALLEL_LANES = 2048 };
struct ds_runner {
    ds_runner_desc desc;
    ds_error error;
    const char *printed; /* what became of printed text in the last launch */
    void *memory; /* scratch: grows only */
    size_t cap_memory;
    dsi_plan plans[DSI_PLANS];
    uint64_t launches;
};

/* scratch memory and plans come with the launches that need them */
DIFFSIM_API ds_runner *ds_runner_create(const ds_runner_desc *desc)
{
    const ds_allocator allocator = dsi_allocator(desc ? &desc->allocator : NULL);
    ds_runner *const runner = (ds_runner *)allocator.resize(allocator.user, NULL, 0, sizeof *runner);
    if (!runner) return NULL;
    memset(runner, 0, sizeof *runner);
    if (desc) runner->desc = *desc;
    runner->desc.allocator = allocator;
    return runner;
}
DIFFSIM_API void ds_runner_destroy(ds_runner *runner)
{
    ds_allocator allocator;
    size_t i;
    if (!runner) return;
    allocator = runner->desc.allocator;
    for (i = 0; i < DSI_PLANS; i++) {
        dsi_plan *const plan = runner->plans + i;
        dsi_release(&allocator, plan->blocks, plan->cap_blocks * sizeof *plan->blocks);
        dsi_release(&allocator, plan->reach, plan->cap_reach * sizeof *plan->reach);
        dsi_release(&allocator, plan->lines, plan->cap_lines * sizeof *plan->lines);
    }
    dsi_release(&allocator, runner->memory, runner->cap_memory);
    allocator.resize(allocator.user, runner, sizeof *runner, 0);
}
DIFFSIM_API const ds_error *ds_runner_error(const ds_runner *runner)
{
    static const ds_error no_runner = {DSIM_ERROR_ARGUMENT, 0,
                                       "the runner is NULL: ds_runner_create found no memory"};
    return runner ? &runner->error : &no_runner;
}

DIFFSIM_API const char *ds_runner_printed(const ds_runner *runner)
{
    return runner && runner->printed ? runner->printed : "nothing was launched";
}

/* a character as printed text has it in comments and strings */
static char dsi_harmless(char c)
{
    const int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return plain || c == ' ' || c == '.' || c == '-' ? c : '_';
}

/* the printed text of a kernel, or NULL; the runner remembers why */
enum { DSI_PRINTED_FORMAT = 2 };
static const ds_printed_kernel *dsi_find_printed(ds_runner *runner, const ds_kernel *kernel)
{
    size_t i, k;
    runner->printed = runner->desc.n_printed ? "interpreted: no printed kernel has this name or content"
                                             : "interpreted: the runner has no printed kernels";
    for (i = 0; runner->desc.printed && i < runner->desc.n_printed; i++) {
        const ds_printed_kernel *const printed = runner->desc.printed[i];
        if (!printed || !printed->fn || !printed->name) continue;
        if (printed->hash == kernel->program.text_hash) {
            if (printed->real_bytes == sizeof(ds_real) && printed->format == DSI_PRINTED_FORMAT) {
                runner->printed = "the kernel ran as printed text";
                return printed;
            }
            runner->printed =
                printed->format == DSI_PRINTED_FORMAT
                    ? "interpreted: the printed kernel is for numbers of another size; print it again"
                    : "interpreted: the printed kernel has the format of another version; print it again";
            continue;
        }
        for (k = 0; kernel->name[k] && printed->name[k] == dsi_harmless(kernel->name[k]); k++) continue;
        if (!kernel->name[k] && !printed->name[k])
            runner->printed = "interpreted: the kernel has changed since it was printed; print it again";
    }
    return NULL;
}

DIFFSIM_API ds_array ds_array_reals(const ds_real *data, size_t n, size_t components)
{
    ds_array r;
    memset(&r, 0, sizeof r);
    r.data = (void *)(uintptr_t)data;
    r.n = n;
    r.components = components;
    return r;
}
DIFFSIM_API ds_array ds_array_indices(const int32_t *data, size_t n, size_t components)
{
    ds_array r;
    memset(&r, 0, sizeof r);
    r.data = (void *)(uintptr_t)data;
    r.n = n;
    r.components = components;
    r.type = DSIM_ARRAY_INT32;
    return r;
}

/* "kernel 'k', argument 'x': ", code and index */
static dsi_text dsi_launch_refuse(ds_runner *runner, const ds_kernel *kernel, ds_result code, size_t index,
                                  size_t arg)
{
    dsi_text t = dsi_text_into(runner->error.text, sizeof runner->error.text);
    runner->error.code = code;
    runner->error.index = index;
    dsi_put(&t, "ds_launch: kernel '");
    dsi_put(&t, kernel->name);
    dsi_put(&t, "'");
    if (arg < kernel->n_args) {
        dsi_put(&t, ", argument '");
        dsi_put(&t, kernel->args[arg].name);
        dsi_put(&t, "'");
    }
    dsi_put(&t, ": ");
    return t;
}
static ds_result dsi_launch_refused(ds_runner *runner, dsi_text *t)
{
    return dsi_end_refusal(&runner->error, &runner->desc.log, t);
}
static ds_result dsi_launch_refuse_arg(ds_runner *runner, const ds_kernel *kernel, size_t arg,
                                       const char *what)
{
    dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_ARGUMENT, arg, arg);
    dsi_put(&t, what);
    return dsi_launch_refused(runner, &t);
}

/* of a number in an array; integers are of 32 bits */
static size_t dsi_bytes_of(ds_array_type type)
{
    return type == DSIM_ARRAY_REAL ? sizeof(ds_real) : type == DSIM_ARRAY_DOUBLE ? sizeof(double) : 4;
}

/* bytes from the first number of an array to behind its last; 0: none */
static size_t dsi_extent_of_array(const ds_array *a)
{
    if (!a->n) return 0;
    return ((a->n - 1) * dsi_stride_of(a) + dsi_component_at(a, a->components - 1) + 1) *
           dsi_bytes_of(a->type);
}

/* May a, which is written, and b be the same memory? Arrays of the same stride that lie in each other's gaps
   do not meet. */
static int dsi_is_overlapping(const ds_array *a, const ds_array *b)
{
    const uintptr_t a0 = (uintptr_t)a->data, b0 = (uintptr_t)b->data;
    const size_t stride = dsi_stride_of(a) * dsi_bytes_of(a->type);
    size_t gap;
    if (a0 >= b0 + dsi_extent_of_array(b) || b0 >= a0 + dsi_extent_of_array(a)) return 0;
    if (stride != dsi_stride_of(b) * dsi_bytes_of(b->type) || a->pitch > 1 || b->pitch > 1) return 1;
    gap = (size_t)(b0 > a0 ? b0 - a0 : a0 - b0) % stride;
    if (b0 > a0)
        return gap < a->components * dsi_bytes_of(a->type) ||
               gap + b->components * dsi_bytes_of(b->type) > stride;
    return gap < b->components * dsi_bytes_of(b->type) ||
           gap + a->components * dsi_bytes_of(a->type) > stride;
}

/* everything that can be told from the array alone; indices are looked at later, with the plan */
static ds_result dsi_check_array(ds_runner *runner, const ds_kernel *kernel, const ds_array *a, size_t arg)
{
    const dsi_argument *const info = kernel->args + arg;
    const size_t stride = dsi_stride_of(a), pitch = a->pitch ? a->pitch : 1;
    size_t bytes;
    if (!a->data && a->n) return dsi_launch_refuse_arg(runner, kernel, arg, "data is NULL");
    if (a->components != info->components)
        return dsi_launch_refuse_arg(runner, kernel, arg, "the array has another number of components");
    if ((int)a->type < 0 || a->type > DSIM_ARRAY_INT32 ||
        (a->type == DSIM_ARRAY_INT32) != (info->kind == DSI_ARG_INDEX))
        return dsi_launch_refuse_arg(runner, kernel, arg,
                                     "index arguments take arrays of int32, others arrays of numbers");
    if (ds_size_mul(a->n, stride, &bytes) || ds_size_mul(pitch, a->components, &bytes) ||
        bytes > PTRDIFF_MAX / 16 || a->n > (size_t)(PTRDIFF_MAX / 16) / stride)
        return dsi_launch_refuse_arg(runner, kernel, arg, "the array is larger than the address space");
    /* elements stand one behind the other, or components do */
    if (a->n > 1 && stride <= pitch * (a->components - 1) && pitch <= stride * (a->n - 1))
        return dsi_launch_refuse_arg(runner, kernel, arg, "stride or pitch is so small that numbers overlap");
    if (a->n &&
        (uintptr_t)a->data % (dsi_bytes_of(a->type) > 4 && sizeof(void *) == 4 ? 4 : dsi_bytes_of(a->type)))
        return dsi_launch_refuse_arg(runner, kernel, arg, "data is not aligned for its type");
    return DSIM_OK;
}

/* each array, and that nothing written is also something else */
static ds_result dsi_check_arrays(ds_runner *runner, const ds_kernel *kernel, const ds_array *args,
                                  size_t n_args)
{
    size_t i, k;
    if (n_args != kernel->n_args || (n_args && !args)) {
        dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_ARGUMENT, n_args, (size_t)-1);
        dsi_put(&t, "the kernel has so many arguments: ");
        dsi_put_size(&t, kernel->n_args);
        return dsi_launch_refused(runner, &t);
    }
    for (i = 0; i < n_args; i++)
        if (kernel->args[i].kind != DSI_ARG_NONE && dsi_check_array(runner, kernel, args + i, i))
            return runner->error.code;
    for (i = 0; i < n_args; i++) {
        const int kind = kernel->args[i].kind;
        if (kind != DSI_ARG_OUT && kind != DSI_ARG_SUM && kind != DSI_ARG_UPDATE) continue;
        for (k = 0; k < n_args; k++)
            if (k != i && kernel->args[k].kind != DSI_ARG_NONE && dsi_is_overlapping(args + i, args + k)) {
                dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_RACE, i, i);
                dsi_put(&t, "is written and overlaps argument '");
                dsi_put(&t, kernel->args[k].name);
                dsi_put(&t, "'");
                return dsi_launch_refused(runner, &t);
            }
    }
    return DSIM_OK;
}

/* Scratch memory of a run: one block, cut into arrays. memory NULL: only counts. Returns its bytes. */
static size_t dsi_lay_out_run(dsi_run *run, char *memory)
{
    const dsi_program *const p = run->program;
    size_t end = 63, i, k; /* so that the first array can be aligned */
#define DSI_CUT(T, array, count) \
    end = (end + 63) / 64 * 64; \
    if (memory) (array) = (T *)(void *)(memory - (uintptr_t)memory % 64 + end); \
    end += (count) * sizeof(T);
    DSI_CUT(ds_real, run->numbers, (p->n_slots + p->n_before) * run->width + p->n_uniforms * DSI_STRIDE)
    DSI_CUT(int64_t, run->tables, p->n_lines * run->width)
    DSI_CUT(ds_real *, run->x.at, p->n_places)
    DSI_CUT(size_t, run->x.mask, p->n_places)
    DSI_CUT(dsi_line, run->own_lines, p->n_lines)
    DSI_CUT(dsi_source, run->sources, p->n_streams)
    DSI_CUT(uint32_t, run->order, p->n_adders)
    DSI_CUT(int64_t, run->owned, 2 * p->n_shared)
    DSI_CUT(ds_real, run->reducing, p->n_reduced * DSI_STRIDE)
    if (run->text.kernel) {
        dsi_printed_run *const t = &run->text;
        DSI_CUT(ds_real, t->numbers, (p->n_inputs + p->body.n_effects) * run->width)
        DSI_CUT(ds_real, t->uniforms, p->n_uniforms)
        DSI_CUT(const ds_real *, t->in, p->n_inputs)
        DSI_CUT(ds_real *, t->out, p->body.n_effects)
        DSI_CUT(ds_real *, t->to, p->body.n_effects)
    }
#undef DSI_CUT
    run->lines = run->own_lines;
    for (i = 0; memory && i < p->n_places; i++) {
        ds_real *const uniforms = run->numbers + (p->n_slots + p->n_before) * run->width;
        const size_t behind = p->n_slots + p->n_uniforms + p->n_streams;
        run->x.mask[i] = (size_t)-1;
        if (i < p->n_slots) run->x.at[i] = run->numbers + i * run->width;
        else if (i < p->n_slots + p->n_uniforms) {
            run->x.at[i] = uniforms + (i - p->n_slots) * DSI_STRIDE;
            run->x.mask[i] = 0;
        } else run->x.at[i] = i < behind ? NULL : run->numbers + (p->n_slots + i - behind) * run->width;
    }
    run->gains = DSI_BY_WIDTH(gain, run->wide);
    for (i = 0; memory && i < p->n_sums; i++)
        for (k = 0; k < p->sums[i].count; k++) run->order[p->sums[i].first + k] = (uint32_t)k;
    for (i = 0; memory && i < p->n_streams; i++) {
        const dsi_stream *const stream = p->streams + i;
        const ds_array *const array = run->args + stream->arg;
        dsi_source *const source = run->sources + i;
        source->line = p->index_at[stream->index];
        source->slot = run->text.kernel ? run->text.numbers + i * run->width
                                        : run->numbers + stream->slot * run->width;
        source->n = array->n;
        source->packed = array->data && array->type == DSIM_ARRAY_REAL && dsi_stride_of(array) == 1 &&
                                 !stream->copied
                             ? (ds_real *)array->data + dsi_component_at(array, stream->component)
                             : NULL;
        /* other parts may write behind the last lane */
        source->whole = run->n_parts > 1 && run->kernel->args[stream->arg].kind == DSI_ARG_UPDATE;
    }
    return end;
}

/* Lanes of a block: as many as keep its numbers in a first cache, but not so few that the steps themselves
   cost more than what they do. Of printed text the numbers are those that it reads and writes. */
static size_t dsi_choose_width(const dsi_program *p, size_t wanted, int printed)
{
    const size_t places = (printed ? p->n_streams + p->body.n_effects : p->n_slots) + p->n_before + 1;
    size_t width = wanted ? wanted : 32768 / (places * sizeof(ds_real));
    if (width > DSI_MOST_WIDTH) width = DSI_MOST_WIDTH;
    if (width < (printed ? 512 : 128) && !wanted) width = printed ? 512 : 128;
    return dsi_whole(width);
}

/* What a plan depends on: the program, the grid, lengths, and the contents of index arrays by their ids;
   short ones are read. Lines are in the order of expressions, so it is the hash of that order. 0: on more
   than that. */
static uint64_t dsi_plan_key(const dsi_run *run)
{
    const ds_kernel *const kernel = run->kernel;
    uint64_t key = dsi_mix(kernel->program.text_hash, run->width);
    size_t i, k, c;
    if (run->program->floors) return 0;
    for (i = 0; i < run->rank; i++) key = dsi_mix(key, run->lanes[i]);
    for (i = 0; i < kernel->n_args; i++) {
        const ds_array *const a = run->args + i;
        if (kernel->args[i].kind == DSI_ARG_NONE) continue;
        key = dsi_mix(dsi_mix(key, (uint64_t)kernel->args[i].kind), a->n); /* what is summed has a reach */
        if (kernel->args[i].kind != DSI_ARG_INDEX) continue;
        if (a->n * a->components <= DSI_SHORT_INDEX) {
            for (k = 0; k < a->n; k++)
                for (c = 0; c < a->components; c++)
                    key = dsi_mix(
                        key,
                        (uint32_t)((const int32_t *)a->data)[k * dsi_stride_of(a) + dsi_component_at(a, c)]);
            continue;
        }
        if (!a->id) return 0;
        key = dsi_mix(dsi_mix(key, a->id), (uint64_t)(uintptr_t)a->data);
        key = dsi_mix(dsi_mix(key, a->stride), a->pitch);
    }
    return key ? key : 1;
}

/* the plan for this key, or the one that was used least lately, to be made anew */
static dsi_plan *dsi_find_plan(ds_runner *runner, uint64_t key)
{
    dsi_plan *oldest = runner->plans;
    size_t i;
    runner->launches++;
    for (i = 0; i < DSI_PLANS; i++) {
        if (key && runner->plans[i].key == key) return runner->plans + i;
        if (runner->plans[i].used < oldest->used) oldest = runner->plans + i;
    }
    oldest->key = 0;
    return oldest;
}

/* "lane 7 uses element 12 of 10" */
static ds_result dsi_refuse_range(ds_runner *runner, const dsi_run *run)
{
    dsi_text t = dsi_launch_refuse(runner, run->kernel, DSIM_ERROR_RANGE, run->bad_lane, run->bad_arg);
    dsi_put(&t, "lane ");
    dsi_put_size(&t, run->bad_lane);
    dsi_put(&t, " uses element ");
    if (run->bad_index < 0) dsi_put(&t, "-");
    dsi_put_size(&t, run->bad_index < 0 ? (size_t)(0 - (uint64_t)run->bad_index) : (size_t)run->bad_index);
    dsi_put(&t, " of ");
    dsi_put_size(&t, run->args[run->bad_arg].n);
    return dsi_launch_refused(runner, &t);
}

/* at least so many bytes of scratch memory */
static ds_result dsi_reserve(ds_runner *runner, const ds_kernel *kernel, size_t bytes)
{
    const ds_allocator *const allocator = &runner->desc.allocator;
    void *larger;
    if (bytes <= runner->cap_memory) return DSIM_OK;
    larger = allocator->resize(allocator->user, runner->memory, runner->cap_memory, bytes);
    if (!larger) {
        dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_MEMORY, 0, (size_t)-1);
        dsi_put(&t, "no memory for the numbers of a block, in bytes ");
        dsi_put_size(&t, bytes);
        return dsi_launch_refused(runner, &t);
    }
    runner->memory = larger;
    runner->cap_memory = bytes;
    memset(larger, 0, bytes); /* lanes behind the last of a block are computed, too: with numbers */
    return DSIM_OK;
}

/* what is asked of a launch, as a run; scratch memory comes later */
static ds_result dsi_launch_begin(ds_runner *runner, const ds_kernel *kernel, const size_t *lanes,
                                  const ds_array *args, dsi_run *run)
{
    size_t i;
    memset(run, 0, sizeof *run);
    run->kernel = kernel;
    run->program = &kernel->program;
    run->args = args;
    run->rank = kernel->desc.rank;
    run->n_lanes = run->n_parts = 1;
    for (i = 0; i < run->rank; i++) {
        run->lanes[i] = lanes[i];
        if (ds_size_mul(run->n_lanes, lanes[i], &run->n_lanes) || run->n_lanes > PTRDIFF_MAX) {
            dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_OVERFLOW, i, (size_t)-1);
            dsi_put(&t, "there are too many lanes");
            return dsi_launch_refused(runner, &t);
        }
    }
    run->inner = run->lanes[run->rank - 1];
    run->text.kernel = dsi_find_printed(runner, kernel);
    run->width = dsi_choose_width(run->program, runner->desc.width, run->text.kernel != NULL);
    run->wide = dsi_wide();
    run->validates = runner->desc.validate != 0;
    if (runner->desc.jobs.parallel_for && run->n_lanes >= DSI_PARALLEL_LANES)
        run->n_parts =
            dsi_least(runner->desc.jobs.n_workers ? runner->desc.jobs.n_workers : 1, DSI_MOST_PARTS);
    return DSIM_OK;
}

/* Does any lane write an element that another has written? seen: a bit for each number of an argument. */
static void dsi_look_for_twins(dsi_run *run, size_t arg, uint8_t *seen)
{
    const dsi_body *const body = &run->program->body;
    size_t k, i, lane;
    for (k = 0; k < run->plan->n_blocks; k++) {
        dsi_lane_block block;
        dsi_find_planned(run, k, &block);
        for (i = 0; i < body->n_effects; i++) {
            const dsi_effect *const e = body->effects + i;
            for (lane = 0; e->arg == arg && lane < block.n; lane++) {
                const int64_t element = dsi_line_at(dsi_line_of(run, e->index), lane);
                const size_t bit = (size_t)element * run->kernel->args[arg].components + e->component;
                if (seen[bit / 8] >> bit % 8 & 1) {
                    run->is_bad = 1;
                    run->bad_lane = block.flat + lane;
                    run->bad_arg = arg;
                    run->bad_index = element;
                    return;
                }
                seen[bit / 8] = (uint8_t)(seen[bit / 8] | 1u << bit % 8);
            }
        }
    }
}

/* The validating mode: everything is computed and looked at before anything is written. */
static ds_result dsi_validate(ds_runner *runner, dsi_run *run)
{
    const ds_allocator *const allocator = &runner->desc.allocator;
    const ds_kernel *const kernel = run->kernel;
    dsi_text t;
    size_t i, k;
    for (i = 0; i < kernel->n_args && !run->is_bad; i++) {
        const size_t bytes =
            kernel->args[i].kind == DSI_ARG_OUT ? run->args[i].n * kernel->args[i].components / 8 + 1 : 0;
        uint8_t *seen;
        if (!bytes) continue;
        seen = (uint8_t *)allocator->resize(allocator->user, NULL, 0, bytes);
        if (!seen) {
            t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_MEMORY, i, i);
            dsi_put(&t, "no memory to look for elements written twice");
            return dsi_launch_refused(runner, &t);
        }
        memset(seen, 0, bytes);
        dsi_look_for_twins(run, i, seen);
        dsi_release(allocator, seen, bytes);
    }
    if (run->is_bad) {
        t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_RACE, run->bad_lane, run->bad_arg);
        dsi_put(&t, "lane ");
        dsi_put_size(&t, run->bad_lane);
        dsi_put(&t, " writes what another lane has written, element ");
        dsi_put_size(&t, (size_t)run->bad_index);
        return dsi_launch_refused(runner, &t);
    }
    for (k = 0; k < run->plan->n_blocks && !run->is_bad; k++) {
        dsi_lane_block block;
        dsi_find_planned(run, k, &block);
        dsi_run_steps(run, &block, DSI_DO_LOOK);
    }
    if (!run->is_bad) return DSIM_OK;
    t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_NON_FINITE, run->bad_lane, run->bad_arg);
    dsi_put(&t, "would get a number that is not finite from lane ");
    dsi_put_size(&t, run->bad_lane);
    return dsi_launch_refused(runner, &t);
}

/* Scratch memory: runs [n_parts], what reductions come to, then that of each part. Plans with the first run,
   then does all parts. */
static ds_result dsi_launch_run(ds_runner *runner, dsi_run *run)
{
    const size_t chunks = (run->n_lanes + DSI_CHUNK - 1) / DSI_CHUNK, n_parts = run->n_parts;
    const size_t head = dsi_round_up(n_parts * sizeof *run);
    const size_t reduced = dsi_round_up(chunks * run->program->n_reduced * sizeof(ds_real));
    const size_t each = dsi_lay_out_run(run, NULL) + 64;
    dsi_run *runs;
    uint64_t key;
    size_t i;
    ds_result result = dsi_reserve(runner, run->kernel, head + reduced + n_parts * each);
    if (result) return result;
    runs = (dsi_run *)runner->memory;
    run->reduced = (ds_real *)(void *)((char *)runner->memory + head);
    for (i = 0; i < n_parts; i++) {
        runs[i] = *run;
        runs[i].part = i;
        dsi_lay_out_run(runs + i, (char *)runner->memory + head + reduced + i * each);
        dsi_find_owned(runs + i);
        if (!dsi_run_once(runs + i)) return dsi_refuse_range(runner, runs + i);
        if (run->text.kernel) dsi_prepare_text(runs + i);
    }
    key = runner->desc.validate ? 0 : dsi_plan_key(run);
    runs->plan = dsi_find_plan(runner, key);
    runs->plan->used = runner->launches;
    for (i = 1; i < n_parts; i++) runs[i].plan = runs->plan;
    if (!runs->plan->key) {
        result = dsi_make_plan(runs, &runner->desc.allocator);
        if (result == DSIM_ERROR_RANGE) return dsi_refuse_range(runner, runs);
        if (result) {
            dsi_text t = dsi_launch_refuse(runner, run->kernel, result, 0, (size_t)-1);
            dsi_put(&t, "no memory for the plan of so many lanes: ");
            dsi_put_size(&t, run->n_lanes);
            return dsi_launch_refused(runner, &t);
        }
        dsi_find_homes(runs);
        runs->plan->key = key;
    }
    if (runner->desc.validate && (result = dsi_validate(runner, runs)) != DSIM_OK) return result;
    dsi_run_all(&runner->desc.jobs, runs);
    return DSIM_OK;
}

/* refusals first: nothing is written before every index is known to be inside */
DIFFSIM_API ds_result ds_launch_grid(ds_runner *runner, const ds_kernel *kernel, const size_t *lanes,
                                     const ds_array *args, size_t n_args)
{
    dsi_run run;
    DIFFSIM_ASSERT(runner && kernel && lanes);
    if (!runner || !kernel || !lanes) return DSIM_ERROR_ARGUMENT;
    memset(&runner->error, 0, sizeof runner->error);
    if (kernel->error.code || !kernel->ended) {
        const ds_result code = kernel->error.code ? kernel->error.code : DSIM_ERROR_ORDER;
        dsi_text t = dsi_launch_refuse(runner, kernel, code, 0, (size_t)-1);
        dsi_put(&t, kernel->error.code ? kernel->error.text : "its body has not ended: ds_kernel_end");
        return dsi_launch_refused(runner, &t);
    }
    if (dsi_check_arrays(runner, kernel, args, n_args) || dsi_launch_begin(runner, kernel, lanes, args, &run))
        return runner->error.code;
    return run.n_lanes ? dsi_launch_run(runner, &run) : DSIM_OK;
}

DIFFSIM_API ds_result ds_launch(ds_runner *runner, const ds_kernel *kernel, size_t lanes,
                                const ds_array *args, size_t n_args)
{
    if (runner && kernel && kernel->desc.rank > 1) {
        dsi_text t = dsi_launch_refuse(runner, kernel, DSIM_ERROR_ARGUMENT, kernel->desc.rank, (size_t)-1);
        dsi_put(&t, "its lanes have more than one dimension; use ds_launch_grid");
        return dsi_launch_refused(runner, &t);
    }
    return ds_launch_grid(runner, kernel, &lanes, args, n_args);
}

#ifdef DSI_QUICKLY_COMPILED
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
/* Derivatives. A new kernel gets a copy of the body, then what the columns of the table say. */

/* does the list of names, separated by blanks, have this one? */
static int dsi_is_listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    if (!list) return 1;
    while (*list) {
        const char *end = list;
        while (*end && *end != ' ') end++;
        if ((size_t)(end - list) == length && !memcmp(list, name, length)) return 1;
        list = *end ? end + 1 : end;
    }
    return 0;
}

/* What a derivative is made with. dot or bar: expressions by those of the new body, or 0: none. */
typedef struct dsi_deriving {
    const ds_kernel *from;
    ds_kernel *to;
    uint32_t *map; /* [from->body.n_exprs] */
    uint32_t *bar; /* [n] adjoints or tangents; n: expressions of the new body that are differentiated */
    uint8_t *active; /* [n]: depends on a number of `by` */
    uint8_t *gated; /* [n]: what is made of it goes through a choice */
    uint8_t *risky; /* [n]: made of curved rows, so perhaps not finite where a choice leaves it out */
    size_t n;
} dsi_deriving;

/* what was kept while deriving; the new kernel stays */
static void dsi_derive_end(dsi_deriving *d)
{
    const ds_allocator *const allocator = &d->to->desc.allocator;
    dsi_release(allocator, d->map, d->from->body.n_exprs * sizeof *d->map);
    dsi_release(allocator, d->bar, d->n * sizeof *d->bar);
    dsi_release(allocator, d->active, d->n);
    dsi_release(allocator, d->gated, d->n);
    dsi_release(allocator, d->risky, d->n);
}

static int dsi_is_curved(unsigned op) { return op < DSI_OP_sum && dsi_ops[op].shape == DSI_SHAPE_CURVED; }
/* May a row hand an adjoint of exactly zero to what it is made of, while that may be infinite? Choices do. */
static int dsi_is_choice(unsigned op)
{
    if (op == DSI_X_gate || op == DSI_OP_safe_sqrt || op == DSI_OP_safe_norm || op == DSI_OP_safe_div ||
        op == DSI_OP_smooth_step)
        return 1;
    return op < DSI_OP_sum && dsi_ops[op].shape == DSI_SHAPE_FLAT;
}
/* risky from the leaves up, gated from the results down */
static void dsi_find_gated(dsi_deriving *d)
{
    const dsi_body *const body = &d->to->body;
    size_t i;
    memset(d->gated, 0, d->n);
    for (i = 0; i < d->n; i++) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        d->risky[i] = (uint8_t)(e->op < DSI_X_first_index &&
                                (dsi_is_curved(e->op) || (operands & 1 && d->risky[e->a]) ||
                                 (operands & 2 && d->risky[e->b]) || (operands & 4 && d->risky[e->c])));
        if (e->op == DSI_X_load || e->op == DSI_X_number) d->risky[i] = 0;
    }
    for (i = d->n; i-- > 0;) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        if (e->op >= DSI_X_first_index || !(d->gated[i] || dsi_is_choice(e->op)) || e->op == DSI_X_load)
            continue;
        if (operands & 1) d->gated[e->a] = 1;
        if (operands & 2) d->gated[e->b] = 1;
        if (operands & 4) d->gated[e->c] = 1;
    }
}

/* name_adjoint; a long name loses its end, not the suffix */
static void dsi_append_name(char *name, size_t capacity, const char *suffix)
{
    const size_t length = dsi_least(strlen(name), capacity - 1 - strlen(suffix));
    memcpy(name + length, suffix, strlen(suffix) + 1);
}

/* the new kernel with the arguments of the old one, which it reads at most, and its expressions; NULL: no
   memory at all */
static ds_kernel *dsi_derive_begin(dsi_deriving *d, const ds_kernel *from, const char *by,
                                   const char *function)
{
    const dsi_body *body;
    const ds_allocator *allocator;
    const char *rest = by;
    size_t i;
    memset(d, 0, sizeof *d);
    d->from = from;
    DIFFSIM_ASSERT(from);
    if (!from) return NULL;
    body = &from->body;
    d->to = dsi_kernel_create(&from->desc, from->name);
    if (!d->to) return NULL;
    dsi_append_name(d->to->name, sizeof d->to->name, function + strlen("ds_kernel"));
    allocator = &d->to->desc.allocator;
    d->to->ended = 1;
    if (from->error.code || !from->ended) {
        dsi_text t = dsi_kernel_refuse(d->to, from->error.code ? from->error.code : DSIM_ERROR_ORDER, 0);
        dsi_put(&t, function);
        dsi_put(&t, from->error.code ? ": the kernel has an error" : ": its body has not ended");
        dsi_kernel_refused(d->to, &t);
        return d->to;
    }
    for (i = 0; i < from->n_args; i++) {
        const int kind = from->args[i].kind;
        dsi_add_arg(d->to, from->args[i].name, "",
                    kind == DSI_ARG_UPDATE                        ? DSI_ARG_IN
                    : kind == DSI_ARG_IN || kind == DSI_ARG_INDEX ? kind
                                                                  : DSI_ARG_NONE,
                    from->args[i].components);
    }
    /* each name in `by` must be there */
    while (rest && *rest) {
        char name[sizeof from->args->name];
        size_t length = 0;
        while (*rest == ' ') rest++;
        while (*rest && *rest != ' ' && length + 1 < sizeof name) name[length++] = *rest++;
        name[length] = 0;
        for (i = 0; i < from->n_args && strcmp(name, from->args[i].name); i++) continue;
        if (!length) continue;
        if (i == from->n_args || (from->args[i].kind != DSI_ARG_IN && from->args[i].kind != DSI_ARG_UPDATE)) {
            dsi_kernel_refuse_at(d->to, DSIM_ERROR_ARGUMENT, i, function,
                                 ": there is no in or update argument", name);
            return d->to;
        }
    }
    d->map = (uint32_t *)allocator->resize(allocator->user, NULL, 0, body->n_exprs * sizeof *d->map);
    if (!d->map) d->to->body.result = DSIM_ERROR_MEMORY;
    for (i = 0; d->map && i < body->n_exprs; i++) {
        dsi_carry_place(&d->to->body, body, i);
        d->map[i] = dsi_copy_expr(&d->to->body, body->exprs + i, d->map);
    }
    d->to->body.here.file = NULL;
    d->n = d->to->body.n_exprs;
    d->bar = (uint32_t *)allocator->resize(allocator->user, NULL, 0, d->n * sizeof *d->bar);
    d->active = (uint8_t *)allocator->resize(allocator->user, NULL, 0, d->n);
    d->gated = (uint8_t *)allocator->resize(allocator->user, NULL, 0, d->n);
    d->risky = (uint8_t *)allocator->resize(allocator->user, NULL, 0, d->n);
    if (!d->bar || !d->active || !d->gated || !d->risky) d->to->body.result = DSIM_ERROR_MEMORY;
    if (dsi_kernel_failed(d->to)) return d->to;
    memset(d->bar, 0, d->n * sizeof *d->bar);
    dsi_find_gated(d);
    for (i = 0; i < d->n; i++) {
        const dsi_expr *const e = d->to->body.exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        d->active[i] = 0;
        if (e->op == DSI_X_load)
            d->active[i] = (uint8_t)dsi_is_listed(by, from->args[e->a].name);
        else if (e->op < DSI_X_first_index && e->op != DSI_X_number)
            d->active[i] = (uint8_t)((operands & 1 && d->active[e->a]) || (operands & 2 && d->active[e->b]) ||
                                     (operands & 4 && d->active[e->c]));
    }
    return d->to;
}

/* Does a gain need the gate? Where values are finite and slopes are not, always: roots at 0 and their kin. In
   what a choice may leave out, wherever a number may not be finite: curved rows, and all made of them. */
static int dsi_is_steep(unsigned op)
{
    return op == DSI_OP_sqrt || op == DSI_OP_cbrt || op == DSI_OP_asin || op == DSI_OP_acos ||
           op == DSI_OP_pow || op == DSI_OP_powi || op == DSI_OP_hypot || op == DSI_OP_atan2 ||
           op == DSI_OP_smooth_abs;
}

/* the rule of zeros for gain = g slope, which expression i is the reason of: g = 0 gives 0 */
static uint32_t dsi_guard(const dsi_deriving *d, size_t i, uint32_t g, uint32_t gain, uint32_t slope)
{
    dsi_body *const body = &d->to->body;
    const dsi_expr e = body->exprs[i];
    const unsigned operands = dsi_operands_of(e.op);
    const int risky = dsi_is_curved(e.op) || (operands & 1 && d->risky[e.a]) ||
                      (operands & 2 && d->risky[e.b]) || (operands & 4 && d->risky[e.c]);
    if (gain == g || gain == dsi_emit_neg(body, g)) return gain;
    return dsi_is_steep(e.op) || (d->gated[i] && risky) ? dsi_emit(body, DSI_X_gate, g, gain, slope) : gain;
}

/* what operand k of an expression gains from g = 1 */
static uint32_t dsi_slope_of(dsi_body *body, const dsi_expr *e, uint32_t v, size_t k)
{
    uint32_t gain[3] = {0, 0, 0};
    dsi_emit_gains(body, e, v, dsi_constant(body, 1), 1u << k, gain);
    return gain[k];
}

/* names the row without a derivative; expression i is one of the table's */
static ds_result dsi_derive_refuse(dsi_deriving *d, size_t i, const char *function)
{
    dsi_text t;
    dsi_carry_place(&d->to->body, &d->to->body, i);
    t = dsi_kernel_refuse(d->to, DSIM_ERROR_NOT_DIFFERENTIABLE, i);
    dsi_put(&t, function);
    dsi_put(&t, ": '");
    dsi_put(&t, dsi_ops[d->to->body.exprs[i].op].name);
    dsi_put(&t, "' has no derivative");
    return dsi_kernel_refused(d->to, &t);
}

/* The rule of the composite `at`, recorded on a tape of its own and translated: y_dot [n_out] become
   expressions of the seeds. Returns the first seed; all that depends on a seed stands behind it. */
static uint32_t dsi_emit_rule(dsi_deriving *d, uint32_t at, uint32_t *y_dot)
{
    ds_kernel *const kernel = d->to;
    dsi_body *const body = &kernel->body;
    const dsi_composite *const c = dsi_composites[body->exprs[at].b];
    ds_tape_desc desc;
    uint32_t x[DSI_RULE_IN + DSI_RULE_OUT + DSI_RULE_IN];
    ds_var first = ds_c(0), out[DSI_RULE_OUT];
    size_t i;
    const size_t n = 2 * c->n_in + c->n_out;
    dsi_inputs_of(body, at, x);
    for (i = 0; i < c->n_out; i++) x[c->n_in + i] = dsi_emit(body, DSI_X_output, at, (uint32_t)i, 0);
    for (i = 0; i < c->n_in; i++) x[c->n_in + c->n_out + i] = dsi_intern(body, DSI_X_seed, (uint32_t)i, 0, 0);
    memset(&desc, 0, sizeof desc);
    desc.allocator = kernel->desc.allocator;
    kernel->tape = ds_tape_create(&desc);
    kernel->n_nodes = kernel->n_values = 0;
    if (!kernel->tape) body->result = DSIM_ERROR_MEMORY;
    if (!dsi_kernel_failed(kernel)) {
        kernel->tape->symbolic = kernel;
        for (i = 0; i < n; i++) {
            const ds_var leaf = dsi_stand_in(kernel, x + i, 1);
            first = i ? first : leaf;
        }
        c->rule(dsi_block_of(first, c->n_in), dsi_block_of(dsi_view(first.rec, first.at + c->n_in), c->n_out),
                dsi_block_of(dsi_view(first.rec, first.at + c->n_in + c->n_out), c->n_in), out);
        if (!dsi_catch_up(kernel))
            for (i = 0; i < c->n_out; i++) y_dot[i] = dsi_expr_at(kernel, dsi_slot(out[i]));
    }
    ds_tape_destroy(kernel->tape);
    kernel->tape = NULL;
    return x[c->n_in + c->n_out];
}

/* one expression of a rule: what its operands gain from g, or with `forward` g from theirs. bar, active: of
   expressions from `first` on. The rule is linear, so no gain is made of a seed. */
static void dsi_sweep_expr(dsi_body *body, size_t i, size_t first, int forward, int gated, uint32_t *bar,
                           const uint8_t *active)
{
    const dsi_expr e = body->exprs[i];
    const unsigned operands = dsi_operands_of(e.op);
    const int curved = e.op < DSI_OP_sum && dsi_ops[e.op].shape == DSI_SHAPE_CURVED;
    const uint32_t part[3] = {e.a, e.b, e.c};
    size_t k;
    for (k = 0; k < 3; k++) {
        uint32_t gain[3] = {0, 0, 0}, g;
        if (!(operands >> k & 1) || part[k] < first || !active[part[k] - first]) continue;
        g = forward ? bar[part[k] - first] : bar[i - first];
        if (!g) continue;
        dsi_emit_gains(body, &e, (uint32_t)i, g, 1u << k, gain);
        if (gain[k] != g && (curved || gated))
            gain[k] = dsi_emit(body, DSI_X_gate, g, gain[k], dsi_slope_of(body, &e, (uint32_t)i, k));
        if (forward)
            bar[i - first] = dsi_emit(body, DSI_OP_add, bar[i - first], gain[k], 0);
        else
            bar[part[k] - first] = dsi_emit(body, DSI_OP_add, bar[part[k] - first], gain[k], 0);
    }
}

/* got = J given with `forward`, else J' given, J the derivative of the composite `at` */
static void dsi_derive_composite(dsi_deriving *d, uint32_t at, int forward, const uint32_t *given,
                                 uint32_t *got)
{
    dsi_body *const body = &d->to->body;
    const ds_allocator *const allocator = &body->allocator;
    const dsi_composite *const c = dsi_composites[body->exprs[at].b];
    uint32_t y_dot[DSI_RULE_OUT] = {0};
    const size_t first = dsi_emit_rule(d, at, y_dot), n = body->n_exprs - first;
    uint32_t *const bar = (uint32_t *)allocator->resize(allocator->user, NULL, 0, n * sizeof *bar);
    uint8_t *const active = (uint8_t *)allocator->resize(allocator->user, NULL, 0, n);
    size_t i, k;
    if (!bar || !active) body->result = DSIM_ERROR_MEMORY;
    if (!body->result) {
        memset(bar, 0, n * sizeof *bar);
        for (i = 0; i < n; i++) {
            const dsi_expr *const e = body->exprs + first + i;
            const unsigned operands = dsi_operands_of(e->op);
            active[i] =
                (uint8_t)(e->op == DSI_X_seed || (operands & 1 && e->a >= first && active[e->a - first]) ||
                          (operands & 2 && e->b >= first && active[e->b - first]) ||
                          (operands & 4 && e->c >= first && active[e->c - first]));
            if (e->op == DSI_X_seed && forward) bar[i] = given[e->a];
        }
        for (k = 0; !forward && k < c->n_out; k++)
            if (y_dot[k] >= first)
                bar[y_dot[k] - first] = dsi_emit(body, DSI_OP_add, bar[y_dot[k] - first], given[k], 0);
        for (i = 0; i < n; i++) {
            const size_t x = first + (forward ? i : n - 1 - i);
            if (active[x - first]) dsi_sweep_expr(body, x, first, forward, d->gated[at], bar, active);
        }
        for (k = 0; forward && k < c->n_out; k++) got[k] = y_dot[k] >= first ? bar[y_dot[k] - first] : 0;
        for (i = 0; !forward && i < n; i++)
            if (body->exprs[first + i].op == DSI_X_seed) got[body->exprs[first + i].a] = bar[i];
    }
    dsi_release(allocator, bar, n * sizeof *bar);
    dsi_release(allocator, active, n);
}

/* what the inputs of the composite i gain, when all its outputs have their adjoints; the other way round, the
   tangents of its outputs */
static void dsi_reverse_composite(dsi_deriving *d, size_t i)
{
    dsi_body *const body = &d->to->body;
    uint32_t x[DSI_RULE_IN], y_bar[DSI_RULE_OUT] = {0}, x_bar[DSI_RULE_IN] = {0};
    size_t k, any = 0;
    for (k = i + 1; k < d->n; k++) {
        if (body->exprs[k].op != DSI_X_output || body->exprs[k].a != i) continue;
        y_bar[body->exprs[k].b] = d->bar[k];
        any += d->bar[k] != 0;
    }
    if (!any) return;
    dsi_inputs_of(body, (uint32_t)i, x);
    dsi_derive_composite(d, (uint32_t)i, 0, y_bar, x_bar);
    for (k = 0; k < dsi_composites[body->exprs[i].b]->n_in; k++)
        if (d->active[x[k]]) d->bar[x[k]] = dsi_emit(body, DSI_OP_add, d->bar[x[k]], x_bar[k], 0);
}
static void dsi_forward_composite(dsi_deriving *d, size_t i)
{
    const dsi_body *const body = &d->to->body;
    uint32_t x[DSI_RULE_IN], x_dot[DSI_RULE_IN] = {0}, y_dot[DSI_RULE_OUT] = {0};
    size_t k, any = 0;
    dsi_inputs_of(body, (uint32_t)i, x);
    for (k = 0; k < dsi_composites[body->exprs[i].b]->n_in; k++) any += (x_dot[k] = d->bar[x[k]]) != 0;
    if (!any) return;
    dsi_derive_composite(d, (uint32_t)i, 1, x_dot, y_dot);
    for (k = i + 1; k < d->n; k++)
        if (body->exprs[k].op == DSI_X_output && body->exprs[k].a == i) d->bar[k] = y_dot[body->exprs[k].b];
}

/* Reverse: adjoints of all that is active, from those that bar has. */
static ds_result dsi_derive_reverse(dsi_deriving *d, const char *function)
{
    dsi_body *const body = &d->to->body;
    size_t i, k;
    for (i = d->n; i-- > 0;) {
        const dsi_expr e = body->exprs[i]; /* a copy: the array grows */
        const unsigned operands = dsi_operands_of(e.op);
        const uint32_t part[3] = {e.a, e.b, e.c}, g = d->bar[i];
        uint32_t gain[3] = {0, 0, 0};
        unsigned wanted = 0;
        if (d->active[i] && e.op == DSI_X_composite) dsi_reverse_composite(d, i);
        if (!d->active[i] || !g || e.op == DSI_X_load || e.op == DSI_X_output) continue;
        for (k = 0; k < 3; k++) wanted |= (operands >> k & 1) && d->active[part[k]] ? 1u << k : 0;
        dsi_emit_gains(body, &e, (uint32_t)i, g, wanted, gain);
        for (k = 0; k < 3; k++) {
            if (!(wanted >> k & 1) || !gain[k]) continue;
            if (gain[k] == DSI_NO_EXPR) return dsi_derive_refuse(d, i, function);
            gain[k] = dsi_guard(d, i, g, gain[k], dsi_slope_of(body, &e, (uint32_t)i, k));
            if (k == 0 && part[0] == part[1] && wanted & 2 && gain[1] != DSI_NO_EXPR) {
                gain[1] = dsi_guard(d, i, g, gain[1], dsi_slope_of(body, &e, (uint32_t)i, 1));
                gain[0] = dsi_emit(body, DSI_OP_add, gain[0], gain[1], 0);
                gain[1] = 0;
            }
            d->bar[part[k]] = dsi_emit(body, DSI_OP_add, d->bar[part[k]], gain[k], 0);
        }
        if (body->result) return dsi_kernel_failed(d->to);
    }
    return DSIM_OK;
}

/* the row that is why expression i has no tangent; the condition of a select is asked last */
static size_t dsi_find_none(const dsi_deriving *d, size_t i)
{
    size_t next = i;
    do {
        const dsi_expr *const e = d->to->body.exprs + next;
        const unsigned operands = dsi_operands_of(e->op);
        i = next;
        if (operands & 1 && d->bar[e->a] == DSI_NO_EXPR) next = e->a;
        if (operands & 2 && d->bar[e->b] == DSI_NO_EXPR) next = e->b;
        if (operands & 4 && d->bar[e->c] == DSI_NO_EXPR) next = e->c;
    } while (next != i);
    return i;
}

/* Forward: tangents of all that is active, from those that bar has. DSI_NO_EXPR: it has none, which is no
   error as long as only conditions depend on it. Behind a gate the tangent passes where g or its tangent is
   not zero. */
static ds_result dsi_derive_forward(dsi_deriving *d)
{
    dsi_body *const body = &d->to->body;
    const uint32_t one = dsi_constant(body, 1);
    size_t i, k;
    for (i = 0; i < d->n && !body->result; i++) {
        const dsi_expr e = body->exprs[i];
        const unsigned operands = dsi_operands_of(e.op);
        const uint32_t part[3] = {e.a, e.b, e.c};
        if (e.op >= DSI_X_first_index || e.op == DSI_X_load || e.op == DSI_X_number) continue;
        if (e.op == DSI_X_composite) dsi_forward_composite(d, i);
        if (e.op == DSI_X_list || e.op == DSI_X_composite || e.op == DSI_X_output) continue;
        if (e.op == DSI_X_gate) { /* moves as b, or where it is closed as a does, times the slope */
            const uint32_t a_dot = d->bar[e.a], b_dot = d->bar[e.b];
            if (a_dot == DSI_NO_EXPR || b_dot == DSI_NO_EXPR)
                d->bar[i] = DSI_NO_EXPR;
            else if (a_dot || b_dot)
                d->bar[i] = dsi_emit(
                    body, DSI_OP_select, e.a, b_dot,
                    a_dot ? dsi_emit(body, DSI_X_gate, a_dot, dsi_emit(body, DSI_OP_mul, a_dot, e.c, 0), e.c)
                          : 0);
            continue;
        }
        for (k = 0; k < 3 && d->bar[i] != DSI_NO_EXPR; k++) {
            uint32_t gain[3] = {0, 0, 0};
            const uint32_t g = operands >> k & 1 ? d->bar[part[k]] : 0;
            if (!g) continue;
            dsi_emit_gains(body, &e, (uint32_t)i, g == DSI_NO_EXPR ? one : g, 1u << k, gain);
            if (e.op == DSI_OP_clip_gradient && k == 0) gain[k] = g; /* clipping is for adjoints only */
            if (gain[k] && (g == DSI_NO_EXPR || gain[k] == DSI_NO_EXPR))
                d->bar[i] = DSI_NO_EXPR;
            else if (gain[k])
                d->bar[i] = dsi_emit(body, DSI_OP_add, d->bar[i],
                                     dsi_guard(d, i, g, gain[k], dsi_slope_of(body, &e, (uint32_t)i, k)), 0);
        }
    }
    return dsi_kernel_failed(d->to);
}

/* the tangent of x is what number `component` of an argument gets */
static void dsi_tangent_effect(dsi_deriving *d, size_t arg, uint32_t index, size_t component, uint32_t x,
                               const char *function)
{
    if (d->bar[x] == DSI_NO_EXPR)
        dsi_derive_refuse(d, dsi_find_none(d, x), function);
    else
        dsi_emit_effect(&d->to->body, arg, index, component, d->bar[x]);
}

/* the arguments of the derivative: as many as the kernel has again, with these kinds by the old ones */
static void dsi_derive_args(dsi_deriving *d, const char *by, const char *suffix, int of_in, int of_out,
                            int of_sum, int of_update)
{
    const ds_kernel *const from = d->from;
    size_t i;
    for (i = 0; i < from->n_args; i++) {
        int kind = DSI_ARG_NONE;
        switch (from->args[i].kind) {
        case DSI_ARG_IN: kind = dsi_is_listed(by, from->args[i].name) ? of_in : DSI_ARG_NONE; break;
        case DSI_ARG_OUT: kind = of_out; break;
        case DSI_ARG_SUM: kind = of_sum; break;
        case DSI_ARG_UPDATE: kind = of_update; break;
        default: break;
        }
        dsi_add_arg(d->to, from->args[i].name, suffix, kind, from->args[i].components);
    }
}

/* adjoints of results are loaded where the results would be stored, those of loads are added where they were
   loaded */
DIFFSIM_API ds_kernel *ds_kernel_adjoint(const ds_kernel *kernel, const char *by)
{
    dsi_deriving d;
    size_t i;
    if (!dsi_derive_begin(&d, kernel, by, "ds_kernel_adjoint")) return NULL;
    if (!dsi_kernel_failed(d.to)) {
        dsi_body *const body = &d.to->body;
        dsi_derive_args(&d, by, "_bar", DSI_ARG_SUM, DSI_ARG_IN, DSI_ARG_IN, DSI_ARG_UPDATE);
        for (i = 0; i < kernel->body.n_effects; i++) {
            const dsi_effect *const e = kernel->body.effects + i;
            const uint32_t bar = dsi_emit_load(body, kernel->n_args + e->arg, d.map[e->index], e->component);
            const uint32_t x = d.map[e->value];
            if (!body->result) d.bar[x] = dsi_emit(body, DSI_OP_add, d.bar[x], bar, 0);
        }
        if (!dsi_kernel_failed(d.to)) dsi_derive_reverse(&d, "ds_kernel_adjoint");
        /* what loads gain; numbers of updates that are written lose what they had before */
        for (i = 0; i < d.n && !dsi_kernel_failed(d.to); i++) {
            const dsi_expr e = body->exprs[i];
            if (e.op == DSI_X_load && d.active[i] && d.bar[i] && kernel->args[e.a].kind == DSI_ARG_IN)
                dsi_emit_effect(body, kernel->n_args + e.a, e.b, e.c, d.bar[i]);
        }
        for (i = 0; i < kernel->n_args && !dsi_kernel_failed(d.to); i++) {
            size_t c, k;
            for (c = 0; kernel->args[i].kind == DSI_ARG_UPDATE && c < kernel->args[i].components; c++) {
                const uint32_t lane = dsi_intern(body, DSI_X_lane, DSI_FLAT_LANE, 0, 0);
                const dsi_expr load = {DSI_X_load, (uint32_t)i, lane, (uint32_t)c};
                uint32_t x = 0, bar;
                for (k = 1; k < d.n && !x; k++)
                    if (!memcmp(body->exprs + k, &load, sizeof load)) x = (uint32_t)k;
                bar = x && d.active[x] ? d.bar[x] : 0;
                for (k = 0; k < kernel->body.n_effects; k++)
                    if (kernel->body.effects[k].arg == i && kernel->body.effects[k].component == c) break;
                if (k == kernel->body.n_effects) { /* not written: what it had stays */
                    if (!bar) continue;
                    bar =
                        dsi_emit(body, DSI_OP_add, dsi_emit_load(body, kernel->n_args + i, lane, c), bar, 0);
                }
                dsi_emit_effect(body, kernel->n_args + i, lane, c, bar);
            }
        }
        dsi_kernel_finish(d.to);
    }
    dsi_derive_end(&d);
    return d.to;
}

/* tangents of loads are loaded, those of results stored or added, each at the place of its number */
DIFFSIM_API ds_kernel *ds_kernel_tangent(const ds_kernel *kernel, const char *by)
{
    dsi_deriving d;
    size_t i;
    if (!dsi_derive_begin(&d, kernel, by, "ds_kernel_tangent")) return NULL;
    if (!dsi_kernel_failed(d.to)) {
        dsi_body *const body = &d.to->body;
        dsi_derive_args(&d, by, "_dot", DSI_ARG_IN, DSI_ARG_OUT, DSI_ARG_SUM, DSI_ARG_UPDATE);
        for (i = 0; i < d.n && !body->result; i++) {
            const dsi_expr e = body->exprs[i];
            if (e.op == DSI_X_load && d.active[i])
                d.bar[i] = dsi_emit_load(body, kernel->n_args + e.a, e.b, e.c);
        }
        if (!dsi_kernel_failed(d.to)) dsi_derive_forward(&d);
        for (i = 0; i < kernel->body.n_effects && !dsi_kernel_failed(d.to); i++) {
            const dsi_effect *const e = kernel->body.effects + i;
            dsi_tangent_effect(&d, kernel->n_args + e->arg, d.map[e->index], e->component, d.map[e->value],
                               "ds_kernel_tangent");
        }
        dsi_kernel_finish(d.to);
    }
    dsi_derive_end(&d);
    return d.to;
}

/* the coordinates of a lane: its loads from `by`, expressions of the new body; their number */
static size_t dsi_coordinate(const dsi_deriving *d, size_t k)
{
    size_t i;
    for (i = 0; i < d->from->body.n_loads; i++) {
        const uint32_t x = d->map[d->from->body.loads[i]];
        if (d->active[x] && k-- == 0) return x;
    }
    return 0;
}

/* Second derivatives by edge pushing (Gower and Mello 2012). The second differential of the energy is kept as

       d2E = sum over i of w[i][i] di^2 + sum over i < j of 2 w[i][j] di dj

   with di the differential of expression i. Expressions are taken from the newest to the oldest; each puts
   its di = sum of c[k] dk over its operands in, and adds what its own second derivatives make of its
   adjoint. In the end only leaves are left, and w is the Hessian.

   Where all coordinates enter by differences, as points of an element do, those are leaves at first, and the
   coordinates come last: the rows of the point that is subtracted are sums. With `stopping`, a branching
   expression that depends on many leaves is one, too: a determinant, an invariant. What meets in two of them
   is an outer product of their gradients. */
typedef struct dsi_edge { uint32_t other, expr, next; } dsi_edge;
typedef struct dsi_pushing {
    dsi_deriving *d;
    dsi_body *body;
    dsi_edge *weights;
    uint32_t *head; /* [n]: 1 + the first weight of an expression, or 0 */
    uint32_t *base; /* [n]: the leaves that gradients are taken by */
    uint64_t *reach; /* [n][words]: on which of those an expression depends */
    uint8_t *leaf; /* [n]: DSI_INNER and so on */
    size_t n_weights, cap_weights, n_base, words;
    int stopping;
} dsi_pushing;
enum { DSI_INNER, DSI_WIDE_LEAF, DSI_BASE_LEAF, DSI_MANY_LEAVES = 7 };

/* Templates: rows of operands that are not there yet; leaf k stands for operand k, leaf 3 for the value. So a
   derivative of a column sees what depends on an operand, whatever the operand is made of. */
static uint32_t dsi_placeholder(dsi_body *body, uint32_t k)
{
    return dsi_intern(body, DSI_X_load, UINT32_MAX, 0, k);
}
/* a template with its holes filled */
static uint32_t dsi_substitute(dsi_body *body, uint32_t x, const uint32_t operand[4])
{
    const dsi_expr e = body->exprs[x];
    const unsigned operands = dsi_operands_of(e.op);
    uint32_t a, b, c;
    if (e.op == DSI_X_load) return operand[e.c];
    if (!operands || body->result) return x;
    a = operands & 1 ? dsi_substitute(body, e.a, operand) : 0;
    b = operands & 2 ? dsi_substitute(body, e.b, operand) : 0;
    c = operands & 4 ? dsi_substitute(body, e.c, operand) : 0;
    return dsi_emit(body, e.op, a, b, c);
}

/* d x / d operand `which` of a template x; slope: that of the value */
static uint32_t dsi_template_slope(dsi_body *body, uint32_t x, uint32_t which, uint32_t slope)
{
    const dsi_expr e = body->exprs[x];
    const unsigned operands = dsi_operands_of(e.op);
    const uint32_t part[3] = {e.a, e.b, e.c};
    uint32_t k, sum = 0;
    if (e.op == DSI_X_load) return e.c == which ? dsi_constant(body, 1) : e.c == 3 ? slope : 0;
    for (k = 0; k < 3 && !body->result; k++) {
        uint32_t gain[3] = {0, 0, 0};
        const uint32_t g = operands >> k & 1 ? dsi_template_slope(body, part[k], which, slope) : 0;
        if (!g) continue;
        dsi_emit_gains(body, &e, x, g, 1u << k, gain);
        if (gain[k] != DSI_NO_EXPR) sum = dsi_emit(body, DSI_OP_add, sum, gain[k], 0);
    }
    return sum;
}

/* first and second derivatives of an expression by its operands: slope [3], second [3][3], upper half */
static void dsi_find_slopes(dsi_body *body, const dsi_expr *e, uint32_t value, uint32_t slope[3],
                            uint32_t second[3][3])
{
    const unsigned operands = dsi_operands_of(e->op);
    uint32_t hole[4], actual[4], template_slope[3] = {0, 0, 0}, i, k;
    dsi_expr row = *e;
    for (k = 0; k < 4; k++) hole[k] = dsi_placeholder(body, k);
    row.a = hole[0];
    row.b = hole[1];
    row.c = hole[2];
    actual[0] = e->a;
    actual[1] = e->b;
    actual[2] = e->c;
    actual[3] = value;
    /* clipping is for adjoints only: the value is a copy */
    if (e->op == DSI_OP_clip_gradient)
        template_slope[0] = dsi_constant(body, 1);
    else
        dsi_emit_gains(body, &row, hole[3], dsi_constant(body, 1), operands, template_slope);
    for (k = 0; k < 3; k++) {
        if (!(operands >> k & 1) || template_slope[k] == DSI_NO_EXPR) template_slope[k] = 0;
        slope[k] = dsi_substitute(body, template_slope[k], actual);
    }
    for (i = 0; i < 3; i++)
        for (k = i; k < 3; k++) {
            second[i][k] = 0;
            if (template_slope[i] && operands >> k & 1)
                second[i][k] = dsi_substitute(
                    body, dsi_template_slope(body, template_slope[i], k, template_slope[k]), actual);
        }
}

/* where w[i][j] is kept: with the one that is taken first. Those taken out on the way come first, then wide
   leaves, then the base and coordinates. */
static uint32_t dsi_owner(const dsi_pushing *p, uint32_t i, uint32_t j)
{
    if (p->leaf[i] != p->leaf[j]) return p->leaf[i] < p->leaf[j] ? i : j;
    return i > j ? i : j;
}

/* w[i][j], or NULL where it is 0; the pointer is good until the next edge is added */
static dsi_edge *dsi_find_edge(const dsi_pushing *p, uint32_t i, uint32_t j)
{
    const uint32_t owner = dsi_owner(p, i, j), other = owner == i ? j : i;
    uint32_t k;
    for (k = p->head[owner]; k; k = p->weights[k - 1].next)
        if (p->weights[k - 1].other == other) return p->weights + k - 1;
    return NULL;
}

/* w[i][j] += expr */
static void dsi_add_edge(dsi_pushing *p, uint32_t i, uint32_t j, uint32_t expr)
{
    const uint32_t owner = dsi_owner(p, i, j);
    dsi_edge *w = dsi_find_edge(p, i, j);
    void *dsi_grown;
    if (!expr || p->body->result) return;
    if (w) {
        w->expr = dsi_emit(p->body, DSI_OP_add, w->expr, expr, 0);
        return;
    }
    if (!DSI_GROW(p->body, dsi_edge, p->weights, p->cap_weights, p->n_weights + 1)) return;
    w = p->weights + p->n_weights++;
    w->other = owner == i ? j : i;
    w->expr = expr;
    w->next = p->head[owner];
    p->head[owner] = (uint32_t)p->n_weights;
}

/* 0 times anything is 0 here: what is 0 was never there */
static uint32_t dsi_emit_times(dsi_body *body, uint32_t a, uint32_t b)
{
    return a && b ? dsi_emit(body, DSI_OP_mul, a, b, 0) : 0;
}
static uint32_t dsi_emit_twice(dsi_body *body, uint32_t a)
{
    return a ? dsi_emit(body, DSI_OP_add, a, a, 0) : 0;
}

/* the operands of an expression that are differentiated, each once, with slopes and second derivatives by
   them; returns how many */
static size_t dsi_find_parts(const dsi_pushing *p, uint32_t x, uint32_t part[3], uint32_t slope[3],
                             uint32_t second[3][3])
{
    dsi_body *const body = p->body;
    const dsi_expr e = body->exprs[x];
    const unsigned operands = dsi_operands_of(e.op);
    const uint32_t operand[3] = {e.a, e.b, e.c};
    uint32_t all_slopes[3], all_second[3][3], i, k, at[3] = {3, 3, 3};
    size_t n = 0, j;
    dsi_find_slopes(body, &e, x, all_slopes, all_second);
    for (i = 0; i < 3; i++) {
        if (!(operands >> i & 1) || !p->d->active[operand[i]]) continue;
        for (j = 0; j < n && part[j] != operand[i]; j++) continue;
        at[i] = (uint32_t)j;
        if (j < n) {
            slope[j] = dsi_emit(body, DSI_OP_add, slope[j], all_slopes[i], 0);
            continue;
        }
        part[n] = operand[i];
        slope[n++] = all_slopes[i];
    }
    for (i = 0; i < 3; i++)
        for (k = 0; k < 3; k++) second[i][k] = 0;
    for (i = 0; i < 3; i++)
        for (k = i; k < 3; k++) {
            const uint32_t low = at[i] < at[k] ? at[i] : at[k], high = at[i] < at[k] ? at[k] : at[i];
            uint32_t term = all_second[i][k];
            if (high > 2 || !term) continue;
            if (i != k && low == high) term = dsi_emit_twice(body, term); /* x x: both mixed ones */
            second[low][high] = dsi_emit(body, DSI_OP_add, second[low][high], term, 0);
        }
    return n;
}

/* does it depend on many leaves? */
static int dsi_is_wide(const dsi_pushing *p, uint32_t x)
{
    size_t i, count = 0;
    uint64_t bits;
    for (i = 0; i < p->words; i++)
        for (bits = p->reach[x * p->words + i]; bits; bits &= bits - 1) count++;
    return count >= DSI_MANY_LEAVES;
}

/* takes expression x out: its weights go to its operands */
static void dsi_push_edges(dsi_pushing *p, uint32_t x)
{
    dsi_body *const body = p->body;
    const dsi_deriving *const d = p->d;
    const uint32_t bar = d->bar[x];
    uint32_t part[3] = {0, 0, 0}, slope[3] = {0, 0, 0}, second[3][3], weight = p->head[x], i, k;
    size_t n;
    if (!weight && !bar) return;
    n = dsi_find_parts(p, x, part, slope, second);
    for (i = 0; i < n; i++)
        for (k = i; k < n; k++)
            dsi_add_edge(p, part[i], part[k],
                         bar && second[i][k]
                             ? dsi_guard(d, x, bar, dsi_emit_times(body, bar, second[i][k]), second[i][k])
                             : 0);
    if (p->stopping && n > 1 && weight && dsi_is_wide(p, x)) {
        p->head[x] = 0;
        p->leaf[x] = DSI_WIDE_LEAF;
        for (; weight; weight = p->weights[weight - 1].next) {
            const dsi_edge w = p->weights[weight - 1];
            dsi_add_edge(p, x, w.other, w.expr);
        }
        return;
    }
    for (; weight && !body->result; weight = p->weights[weight - 1].next) {
        const dsi_edge w = p->weights[weight - 1];
        for (i = 0; i < n; i++) {
            const uint32_t moved = dsi_guard(d, x, w.expr, dsi_emit_times(body, slope[i], w.expr), slope[i]);
            if (w.other == x)
                for (k = i; k < n; k++)
                    dsi_add_edge(p, part[i], part[k],
                                 dsi_guard(d, x, moved, dsi_emit_times(body, moved, slope[k]), slope[k]));
            else
                dsi_add_edge(p, part[i], w.other, part[i] == w.other ? dsi_emit_twice(body, moved) : moved);
        }
    }
    p->head[x] = 0;
}

/* What met in leaves that are no coordinates: outer products of their gradients. wide: such an expression and
   its gradient by the base. */
static void dsi_finish_wide(dsi_pushing *p, uint32_t x, uint32_t *const *gradients)
{
    dsi_body *const body = p->body;
    uint32_t weight = p->head[x];
    size_t m, n;
    p->head[x] = 0;
    for (; weight && !body->result; weight = p->weights[weight - 1].next) {
        const dsi_edge w = p->weights[weight - 1];
        const uint32_t *const g = gradients[x];
        const uint32_t *const h =
            w.other != x && p->leaf[w.other] == DSI_WIDE_LEAF ? gradients[w.other] : NULL;
        for (m = 0; m < p->n_base; m++) {
            const uint32_t scaled = dsi_guard(p->d, x, w.expr, dsi_emit_times(body, w.expr, g[m]), g[m]);
            for (n = w.other == x ? m : 0; n < p->n_base && (h || w.other == x); n++) {
                const uint32_t other = h ? h[n] : g[n];
                const uint32_t product =
                    dsi_guard(p->d, x, scaled, dsi_emit_times(body, scaled, other), other);
                dsi_add_edge(p, p->base[m], p->base[n],
                             h && m == n ? dsi_emit_twice(body, product) : product);
            }
            if (w.other == x || h) continue;
            dsi_add_edge(p, p->base[m], w.other,
                         p->base[m] == w.other ? dsi_emit_twice(body, scaled) : scaled);
        }
    }
}

/* gradients of all wide leaves first, since two of them may meet; a reverse sweep for each */
static void dsi_finish_all_wide(dsi_pushing *p, const char *function)
{
    const ds_allocator *const allocator = &p->body->allocator;
    const size_t n = p->d->n;
    uint32_t **gradients = NULL, *numbers = NULL;
    size_t i, m, wide = 0, used = 0;
    for (i = 0; i < n; i++) wide += p->leaf[i] == DSI_WIDE_LEAF;
    if (!wide) return;
    gradients = (uint32_t **)allocator->resize(allocator->user, NULL, 0, n * sizeof *gradients);
    numbers = (uint32_t *)allocator->resize(allocator->user, NULL, 0, wide * p->n_base * sizeof *numbers);
    if (!gradients || !numbers) p->body->result = DSIM_ERROR_MEMORY;
    for (i = 0; i < n && !p->body->result; i++) {
        gradients[i] = NULL;
        if (p->leaf[i] != DSI_WIDE_LEAF) continue;
        gradients[i] = numbers + p->n_base * used++;
        memset(p->d->bar, 0, n * sizeof *p->d->bar);
        p->d->bar[i] = dsi_constant(p->body, 1);
        dsi_derive_reverse(p->d, function);
        for (m = 0; m < p->n_base; m++) gradients[i][m] = p->d->bar[p->base[m]];
    }
    for (i = n; i-- > 0 && !p->body->result;)
        if (p->leaf[i] == DSI_WIDE_LEAF) dsi_finish_wide(p, (uint32_t)i, gradients);
    dsi_release(allocator, gradients, n * sizeof *gradients);
    dsi_release(allocator, numbers, wide * p->n_base * sizeof *numbers);
}

/* Leaves at first: differences of two coordinates, if the coordinates enter in no other way and there are not
   more of them; else the coordinates. */
static void dsi_find_base(dsi_pushing *p, const uint32_t *coordinate, size_t n)
{
    const dsi_body *const body = p->body;
    size_t i, k, differences = 0;
    int good = 1;
    for (i = 0; i < p->d->n; i++) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        const uint32_t part[3] = {e->a, e->b, e->c};
        size_t loads = 0;
        if (!p->d->active[i] || e->op == DSI_X_load) continue;
        for (k = 0; k < 3; k++)
            loads += (operands >> k & 1) && p->d->active[part[k]] && body->exprs[part[k]].op == DSI_X_load;
        if (loads) good = good && loads == 2 && (e->op == DSI_OP_sub || e->op == DSI_OP_add);
        if (loads == 2) p->base[differences++] = (uint32_t)i;
    }
    p->n_base = differences;
    if (!good || differences > n) {
        memcpy(p->base, coordinate, n * sizeof *coordinate);
        p->n_base = n;
    }
    for (i = 0; i < p->n_base; i++) p->leaf[p->base[i]] = DSI_BASE_LEAF;
    for (i = 0; i < n; i++) p->leaf[coordinate[i]] = DSI_BASE_LEAF;
}

/* on which leaves each expression depends */
static void dsi_find_reach(dsi_pushing *p)
{
    size_t i, k;
    memset(p->reach, 0, p->d->n * p->words * sizeof *p->reach);
    for (i = 0; i < p->n_base; i++) p->reach[p->base[i] * p->words + i / 64] |= (uint64_t)1 << i % 64;
    for (i = 0; i < p->d->n; i++) {
        const dsi_expr *const e = p->body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        const uint32_t part[3] = {e->a, e->b, e->c};
        size_t j;
        if (!p->d->active[i] || p->leaf[i] || e->op == DSI_X_load) continue;
        for (k = 0; k < 3; k++)
            for (j = 0; (operands >> k & 1) && j < p->words; j++)
                p->reach[i * p->words + j] |= p->reach[part[k] * p->words + j];
    }
}

/* the second derivatives of the energy whose adjoints d->bar holds: hessian [n (n + 1) / 2] */
static void dsi_derive_by_pushing(dsi_deriving *d, const uint32_t *coordinate, size_t n, int stopping,
                                  uint32_t *hessian, const char *function)
{
    const ds_allocator *const allocator = &d->to->desc.allocator;
    dsi_pushing p;
    size_t i, k, words = n / 64 + 1;
    memset(&p, 0, sizeof p);
    p.d = d;
    p.body = &d->to->body;
    p.words = words;
    p.stopping = stopping;
    p.head = (uint32_t *)allocator->resize(allocator->user, NULL, 0, d->n * sizeof *p.head);
    p.base = (uint32_t *)allocator->resize(allocator->user, NULL, 0, d->n * sizeof *p.base);
    p.reach = (uint64_t *)allocator->resize(allocator->user, NULL, 0, d->n * words * sizeof *p.reach);
    p.leaf = (uint8_t *)allocator->resize(allocator->user, NULL, 0, d->n);
    if (!p.head || !p.base || !p.reach || !p.leaf) p.body->result = DSIM_ERROR_MEMORY;
    if (!p.body->result) {
        memset(p.head, 0, d->n * sizeof *p.head);
        memset(p.leaf, 0, d->n);
        dsi_find_base(&p, coordinate, n);
        dsi_find_reach(&p);
        for (i = d->n; i-- > 0 && !p.body->result;)
            if (d->active[i] && !p.leaf[i]) dsi_push_edges(&p, (uint32_t)i);
        dsi_finish_all_wide(&p, function);
        /* differences are taken out last; they have no adjoints any more */
        memset(d->bar, 0, d->n * sizeof *d->bar);
        p.stopping = 0;
        for (i = 0; i < p.n_base; i++)
            p.leaf[p.base[i]] = p.body->exprs[p.base[i]].op == DSI_X_load ? DSI_BASE_LEAF : DSI_INNER;
        for (i = d->n; i-- > 0 && !p.body->result;)
            if (d->active[i] && !p.leaf[i]) dsi_push_edges(&p, (uint32_t)i);
        for (i = 0; i < n && !p.body->result; i++)
            for (k = i; k < n; k++) {
                const dsi_edge *const w = dsi_find_edge(&p, coordinate[i], coordinate[k]);
                *hessian++ = w ? w->expr : 0;
            }
    }
    dsi_release(allocator, p.head, d->n * sizeof *p.head);
    dsi_release(allocator, p.base, d->n * sizeof *p.base);
    dsi_release(allocator, p.reach, d->n * words * sizeof *p.reach);
    dsi_release(allocator, p.leaf, d->n);
    dsi_release(allocator, p.weights, p.cap_weights * sizeof *p.weights);
}

/* the second derivatives as tangents of the gradient, one coordinate at a time: hessian [n (n + 1) / 2] */
static void dsi_derive_by_tangents(dsi_deriving *d, const uint32_t *coordinate, const uint32_t *gradient,
                                   size_t n, uint32_t *hessian, const char *function)
{
    const ds_allocator *const allocator = &d->to->desc.allocator;
    dsi_deriving g; /* over the expressions of the gradient, too */
    size_t i, k;
    memset(&g, 0, sizeof g);
    g.from = d->from;
    g.to = d->to;
    g.n = d->to->body.n_exprs;
    g.bar = (uint32_t *)allocator->resize(allocator->user, NULL, 0, g.n * sizeof *g.bar);
    g.gated = (uint8_t *)allocator->resize(allocator->user, NULL, 0, g.n);
    g.risky = (uint8_t *)allocator->resize(allocator->user, NULL, 0, g.n);
    if (!g.bar || !g.gated || !g.risky)
        d->to->body.result = DSIM_ERROR_MEMORY;
    else
        dsi_find_gated(&g);
    for (i = 0; i < n && !dsi_kernel_failed(d->to); i++) {
        memset(g.bar, 0, g.n * sizeof *g.bar);
        g.bar[coordinate[i]] = dsi_constant(&d->to->body, 1);
        if (dsi_derive_forward(&g)) break;
        for (k = i; k < n; k++) {
            *hessian = g.bar[gradient[k]];
            if (*hessian++ != DSI_NO_EXPR) continue;
            dsi_derive_refuse(&g, dsi_find_none(&g, gradient[k]), function);
            break;
        }
    }
    dsi_derive_end(&g);
}

/* what a lane's coordinates are, and their gradient and Hessian: expressions of the new body */
typedef struct dsi_local {
    uint32_t *coordinate, *gradient, *hessian;
    size_t n, n_second;
} dsi_local;
enum dsi_way { DSI_FIRST_ONLY, DSI_BY_TANGENTS, DSI_BY_PUSHING, DSI_BY_STOPPING };

/* coordinates and room; 0: there are none, or too many, or there is no memory */
static int dsi_local_begin(dsi_deriving *d, enum dsi_way way, const char *function, dsi_local *local)
{
    const ds_allocator *const allocator = &d->to->desc.allocator;
    size_t i, n = 0;
    while (dsi_coordinate(d, n)) n++;
    local->n = n;
    local->n_second = way == DSI_FIRST_ONLY ? 0 : n * (n + 1) / 2;
    if (!n || n > DSI_MOST_COMPONENTS || local->n_second > DSI_MOST_COMPONENTS) {
        dsi_text t = dsi_kernel_refuse(d->to, DSIM_ERROR_ARGUMENT, n);
        dsi_put(&t, function);
        dsi_put(&t, ": a lane must load 1 to 4096 numbers (hessian: 1 to 89) from `by`, and loads ");
        dsi_put_size(&t, n);
        dsi_kernel_refused(d->to, &t);
        return 0;
    }
    local->coordinate =
        (uint32_t *)allocator->resize(allocator->user, NULL, 0, (2 * n + local->n_second) * sizeof(uint32_t));
    if (!local->coordinate) d->to->body.result = DSIM_ERROR_MEMORY;
    if (dsi_kernel_failed(d->to)) return 0;
    local->gradient = local->coordinate + n;
    local->hessian = local->gradient + n;
    for (i = 0; i < n; i++) local->coordinate[i] = (uint32_t)dsi_coordinate(d, i);
    return 1;
}

/* gradient and, in one of three ways, Hessian */
static void dsi_local_derive(dsi_deriving *d, enum dsi_way way, const char *function, dsi_local *local)
{
    const dsi_body *const from = &d->from->body;
    dsi_body *const body = &d->to->body;
    const uint32_t lane = dsi_intern(body, DSI_X_lane, DSI_FLAT_LANE, 0, 0);
    size_t i, arg;
    for (i = 0; i < from->n_effects; i++) {
        const uint32_t x = d->map[from->effects[i].value];
        d->bar[x] = dsi_emit(body, DSI_OP_add, d->bar[x], dsi_constant(body, 1), 0);
    }
    if (dsi_derive_reverse(d, function)) return;
    for (i = 0; i < local->n; i++) local->gradient[i] = d->bar[local->coordinate[i]];
    if (way == DSI_BY_TANGENTS)
        dsi_derive_by_tangents(d, local->coordinate, local->gradient, local->n, local->hessian, function);
    else if (way != DSI_FIRST_ONLY)
        dsi_derive_by_pushing(d, local->coordinate, local->n, way == DSI_BY_STOPPING, local->hessian,
                              function);
    if (dsi_kernel_failed(d->to)) return;
    arg = dsi_add_arg(d->to, "gradient", "", DSI_ARG_OUT, local->n);
    for (i = 0; i < local->n; i++) dsi_emit_effect(body, arg, lane, i, local->gradient[i]);
    if (!local->n_second) return;
    arg = dsi_add_arg(d->to, "hessian", "", DSI_ARG_OUT, local->n_second);
    for (i = 0; i < local->n_second; i++) dsi_emit_effect(body, arg, lane, i, local->hessian[i]);
}

/* coordinates, then the derivatives in the way that is asked for */
static ds_kernel *dsi_derive_local(const ds_kernel *kernel, const char *by, enum dsi_way way,
                                   const char *function)
{
    dsi_deriving d;
    dsi_local local;
    if (!dsi_derive_begin(&d, kernel, by, function)) return NULL;
    memset(&local, 0, sizeof local);
    if (!dsi_kernel_failed(d.to) && dsi_local_begin(&d, way, function, &local))
        dsi_local_derive(&d, way, function, &local);
    dsi_release(&d.to->desc.allocator, local.coordinate, (2 * local.n + local.n_second) * sizeof(uint32_t));
    if (!dsi_kernel_failed(d.to)) dsi_kernel_finish(d.to);
    dsi_derive_end(&d);
    return d.to;
}

DIFFSIM_API ds_kernel *ds_kernel_gradient(const ds_kernel *kernel, const char *by)
{
    return dsi_derive_local(kernel, by, DSI_FIRST_ONLY, "ds_kernel_gradient");
}

/* of three ways, the one with the fewest operations; composites have tangents only */
DIFFSIM_API ds_kernel *ds_kernel_hessian(const ds_kernel *kernel, const char *by)
{
    int way = DSI_BY_STOPPING;
    ds_kernel *best;
    size_t i;
    for (i = 0; kernel && i < kernel->body.n_exprs; i++)
        if (kernel->body.exprs[i].op == DSI_X_composite) way = DSI_BY_TANGENTS;
    best = dsi_derive_local(kernel, by, (enum dsi_way)way, "ds_kernel_hessian");
    while (best && !best->error.code && --way >= DSI_BY_TANGENTS) {
        ds_kernel *other = dsi_derive_local(kernel, by, (enum dsi_way)way, "ds_kernel_hessian");
        if (!other || other->error.code == DSIM_ERROR_MEMORY) { /* the choice must not depend on luck */
            ds_kernel_destroy(best);
            return other;
        }
        if (!other->error.code && other->program.operations < best->program.operations) {
            ds_kernel *const worse = best;
            best = other;
            other = worse;
        }
        ds_kernel_destroy(other);
    }
    return best;
}

/* Kernels from tapes. Slots of the tape become expressions as those of a body do, but for the inputs. */

/* may the tape be taken as a kernel? What is wrong is the kernel's error. */
static ds_result dsi_check_source(ds_kernel *kernel, ds_tape *tape, const ds_var *in, size_t n_in,
                                  const ds_var *out, size_t n_out)
{
    static const char *const function = "ds_kernel_from_tape";
    size_t i;
    if (!in || !out || n_in < 1 || n_out < 1 || n_in > DSI_MOST_COMPONENTS || n_out > DSI_MOST_COMPONENTS)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, n_in, function,
                                    ": between 1 and 4096 inputs and outputs are needed", NULL);
    if (tape->error.code || tape->symbolic)
        return dsi_kernel_refuse_at(
            kernel, tape->error.code ? tape->error.code : DSIM_ERROR_ARGUMENT, 0, function,
            tape->error.code ? ": the tape has an error" : ": the tape is a kernel's", NULL);
    if (tape->n_read && tape->rec.n_nodes > tape->n_read - 1)
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_NOT_REPLAYABLE, tape->n_read - 1, function,
                                    ": a value was read while the tape was recorded", NULL);
    for (i = 0; i < n_in + n_out; i++) {
        const ds_var var = i < n_in ? in[i] : out[i - n_in];
        if (i >= n_in && !var.rec) continue; /* a constant output */
        if (var.rec != dsi_rec_of(tape) || !dsi_is_alive(tape, var))
            return dsi_kernel_refuse_at(kernel, var.rec ? DSIM_ERROR_STALE : DSIM_ERROR_NO_RECORDER, i,
                                        function, ": an input or output is not of this tape", NULL);
    }
    if (dsi_find_steps(tape, "kernel_from_tape"))
        return dsi_kernel_refuse_at(kernel, DSIM_ERROR_MEMORY, 0, function, ": no memory", NULL);
    for (i = tape->steps.first; i < tape->steps.n; i++) {
        const dsi_node *const node = tape->rec.nodes + tape->steps.all[i].node;
        if (node->op / 8u == DSI_OP_custom || node->op / 8u == DSI_OP_branch)
            return dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, tape->steps.all[i].node, function,
                                        ": lanes cannot do what the tape does", dsi_name_of(node));
    }
    return DSIM_OK;
}

/* the tape is walked in the order of recording, as a replay does */
DIFFSIM_API ds_kernel *ds_kernel_from_tape(ds_tape *tape, const char *name, const ds_var *in, size_t n_in,
                                           const ds_var *out, size_t n_out)
{
    ds_kernel *kernel;
    ds_kernel_desc desc;
    size_t i, k;
    uint32_t lane;
    void *dsi_grown;
    DIFFSIM_ASSERT(tape);
    if (!tape) return NULL;
    memset(&desc, 0, sizeof desc);
    desc.allocator = tape->desc.allocator;
    desc.log = tape->desc.log;
    kernel = dsi_kernel_create(&desc, name);
    if (!kernel) return NULL;
    kernel->ended = 1;
    if (dsi_check_source(kernel, tape, in, n_in, out, n_out)) return kernel;
    dsi_add_arg(kernel, "in", "", DSI_ARG_IN, n_in);
    dsi_add_arg(kernel, "out", "", DSI_ARG_OUT, n_out);
    lane = dsi_intern(&kernel->body, DSI_X_lane, DSI_FLAT_LANE, 0, 0);
    if (!DSI_GROW(&kernel->body, uint32_t, kernel->expr_of, kernel->cap_expr_of, tape->rec.n_values + 1)) {
        dsi_kernel_failed(kernel);
        return kernel;
    }
    kernel->tape = tape; /* borrowed while its nodes are read */
    for (i = 0; i < tape->rec.n_values; i++) kernel->expr_of[i] = DSI_NO_EXPR;
    for (i = 0; i < n_in; i++) kernel->expr_of[dsi_slot(in[i])] = dsi_emit_load(&kernel->body, 0, lane, i);
    for (i = tape->steps.first; i < tape->steps.n && !kernel->body.result; i++) {
        const dsi_node *const node = tape->rec.nodes + tape->steps.all[i].node;
        const size_t result = tape->steps.all[i].result;
        if (node->op != DSI_CODE(DSI_OP_leaves, 0)) dsi_translate(kernel, node, result);
        for (k = result; node->op == DSI_CODE(DSI_OP_leaves, 0) && k < result + node->a; k++)
            if (kernel->expr_of[k] == DSI_NO_EXPR)
                kernel->expr_of[k] = dsi_constant(&kernel->body, (double)tape->rec.values[k]);
    }
    kernel->tape = NULL;
    for (i = 0; i < n_out && !kernel->body.result; i++)
        dsi_emit_effect(&kernel->body, 1, lane, i,
                        out[i].rec ? kernel->expr_of[dsi_slot(out[i])]
                                   : dsi_constant(&kernel->body, dsi_number(out[i])));
    dsi_kernel_finish(kernel);
    return kernel;
}

/* Fusion. */
typedef struct dsi_fusing {
    ds_kernel *to;
    uint32_t *map; /* of the kernel that is being copied */
    uint32_t *arg; /* its arguments in the new kernel */
    size_t n_first; /* effects of the first */
} dsi_fusing;

static ds_result dsi_fuse_refuse(ds_kernel *to, size_t arg, const char *what)
{
    return dsi_kernel_refuse_at(to, DSIM_ERROR_RACE, arg, "ds_kernel_fuse", what, to->args[arg].name);
}

/* the argument of the second kernel in the new one: a new one, or that of the same name */
static ds_result dsi_fuse_arg(dsi_fusing *f, const dsi_argument *arg, uint32_t *at)
{
    ds_kernel *const to = f->to;
    size_t i;
    for (i = 0; i < to->n_args && strcmp(to->args[i].name, arg->name); i++) continue;
    *at = (uint32_t)i;
    if (i == to->n_args) {
        dsi_add_arg(to, arg->name, "", arg->kind, arg->components);
        return dsi_kernel_failed(to);
    }
    if (to->args[i].components != arg->components)
        return dsi_fuse_refuse(to, i, ": the kernels have different numbers of components of");
    if (to->args[i].kind == DSI_ARG_NONE) to->args[i].kind = arg->kind;
    if (arg->kind == DSI_ARG_NONE || arg->kind == to->args[i].kind ||
        ((to->args[i].kind == DSI_ARG_OUT || to->args[i].kind == DSI_ARG_UPDATE) && arg->kind == DSI_ARG_IN))
        return DSIM_OK;
    return dsi_fuse_refuse(to, i, ": the kernels use in different ways, and not one after the other,");
}

/* a load of the second kernel: what the first has stored there, or from an array */
static uint32_t dsi_fuse_load(dsi_fusing *f, const dsi_expr *e)
{
    dsi_body *const body = &f->to->body;
    const uint32_t arg = f->arg[e->a], index = f->map[e->b];
    size_t i;
    for (i = f->n_first; i-- > 0;)
        if (body->effects[i].arg == arg && body->effects[i].component == e->c &&
            body->effects[i].index == index)
            return body->effects[i].value;
    if (f->to->args[arg].kind == DSI_ARG_OUT)
        dsi_fuse_refuse(f->to, arg, ": the second kernel loads what the same lane did not store, of");
    return dsi_emit_load(body, arg, index, e->c);
}

/* copies expressions and effects of a kernel into the new one */
static void dsi_fuse_copy(dsi_fusing *f, const ds_kernel *from)
{
    dsi_body *const body = &f->to->body;
    size_t i, k;
    for (i = 0; i < from->body.n_exprs && !dsi_kernel_failed(f->to); i++) {
        dsi_expr e = from->body.exprs[i];
        dsi_carry_place(body, &from->body, i);
        if (e.op == DSI_X_load_index) e.a = f->arg[e.a];
        f->map[i] = e.op == DSI_X_load ? dsi_fuse_load(f, &e) : dsi_copy_expr(body, &e, f->map);
    }
    body->here.file = NULL;
    for (i = 0; i < from->body.n_effects && !dsi_kernel_failed(f->to); i++) {
        const dsi_effect *const e = from->body.effects + i;
        const uint32_t arg = f->arg[e->arg];
        for (k = 0; k < f->n_first && f->to->args[arg].kind != DSI_ARG_SUM; k++)
            if (body->effects[k].arg == arg) {
                dsi_fuse_refuse(f->to, arg, ": both kernels write");
                return;
            }
        dsi_emit_effect(body, arg, f->map[e->index], e->component, f->map[e->value]);
    }
}

/* the first is copied as it is, the second with the first's results in place of its loads of them */
DIFFSIM_API ds_kernel *ds_kernel_fuse(const ds_kernel *first, const ds_kernel *second)
{
    dsi_fusing f;
    const ds_kernel *kernels[2];
    const ds_allocator *allocator;
    dsi_text name;
    size_t exprs, n_args, i, k;
    DIFFSIM_ASSERT(first && second);
    if (!first || !second) return NULL;
    memset(&f, 0, sizeof f);
    kernels[0] = first;
    kernels[1] = second;
    f.to = dsi_kernel_create(&first->desc, first->name);
    if (!f.to) return NULL;
    f.to->ended = 1;
    name.out = f.to->name;
    name.capacity = sizeof f.to->name;
    name.n = strlen(f.to->name);
    dsi_put(&name, "+");
    dsi_put(&name, second->name);
    if (first->error.code || second->error.code || !first->ended || !second->ended ||
        first->desc.rank != second->desc.rank) {
        dsi_kernel_refuse_at(f.to,
                             first->error.code    ? first->error.code
                             : second->error.code ? second->error.code
                                                  : DSIM_ERROR_ARGUMENT,
                             0, "ds_kernel_fuse",
                             ": both must have ended without an error, with the same rank", NULL);
        return f.to;
    }
    allocator = &f.to->desc.allocator;
    exprs = first->body.n_exprs > second->body.n_exprs ? first->body.n_exprs : second->body.n_exprs;
    n_args = first->n_args > second->n_args ? first->n_args : second->n_args;
    f.map = (uint32_t *)allocator->resize(allocator->user, NULL, 0, (exprs + n_args + 1) * sizeof *f.map);
    if (!f.map) f.to->body.result = DSIM_ERROR_MEMORY;
    f.arg = f.map + exprs;
    for (k = 0; k < 2 && !dsi_kernel_failed(f.to); k++) {
        f.n_first = f.to->body.n_effects;
        for (i = 0; i < kernels[k]->n_args && !f.to->error.code; i++)
            dsi_fuse_arg(&f, kernels[k]->args + i, f.arg + i);
        if (!f.to->error.code) dsi_fuse_copy(&f, kernels[k]);
    }
    dsi_release(allocator, f.map, (exprs + n_args + 1) * sizeof *f.map);
    if (!dsi_kernel_failed(f.to)) dsi_kernel_finish(f.to);
    return f.to;
}

/* Reports. */
DIFFSIM_API ds_kernel_info ds_kernel_get_info(const ds_kernel *kernel)
{
    ds_kernel_info r;
    size_t i;
    memset(&r, 0, sizeof r);
    if (!kernel) return r;
    r.args = kernel->n_args;
    r.recorded = kernel->recorded;
    r.operations = r.flops_per_lane = kernel->program.operations;
    r.slots = kernel->program.n_slots;
    r.loads = kernel->program.n_streams;
    r.stores = kernel->program.body.n_effects;
    for (i = 0; i < kernel->program.n_indices; i++) {
        const unsigned op = kernel->program.body.exprs[kernel->program.indices[i]].op;
        r.index_operations += op > DSI_X_lanes;
        if (op == DSI_X_load_index) r.bytes_per_lane += sizeof(int32_t);
    }
    r.bytes_per_lane += (r.loads + r.stores) * sizeof(ds_real);
    for (i = 0; i < kernel->program.body.n_effects; i++) /* sums are read, too */
        if (kernel->args[kernel->program.body.effects[i].arg].kind == DSI_ARG_SUM)
            r.bytes_per_lane += sizeof(ds_real);
    r.hash = kernel->program.hash;
    return r;
}

DIFFSIM_API size_t ds_kernel_report(const ds_kernel *kernel, char *text, size_t bytes)
{
    const ds_kernel_info info = ds_kernel_get_info(kernel);
    dsi_text t;
    if (!text || !bytes) return 0;
    t = dsi_text_into(text, bytes);
    if (!kernel) return 0;
    dsi_put(&t, "kernel '");
    dsi_put(&t, kernel->name);
    dsi_put(&t, "': ");
    dsi_put_size(&t, info.recorded);
    dsi_put(&t, " expressions recorded, ");
    dsi_put_size(&t, info.operations);
    dsi_put(&t, " operations in ");
    dsi_put_size(&t, info.slots);
    dsi_put(&t, " slots run; per lane ");
    dsi_put_size(&t, info.loads);
    dsi_put(&t, " numbers loaded, ");
    dsi_put_size(&t, info.stores);
    dsi_put(&t, " stored or added, ");
    dsi_put_size(&t, info.bytes_per_lane);
    dsi_put(&t, " bytes");
    return t.n;
}

/* Printed text. The body of a program, one statement for each operation, in a loop over lanes that compilers
   turn into vectors. Functions, which would keep them from it, are called between such loops: an operation
   stands in the stage behind the last function that it needs, or later, where it is first used; what crosses
   from one loop to another waits in arrays of a few lanes. A composite is a function of several outputs; its
   code (DSI_QUOTED, section 2) is laid out again and stands before. */

/* rows that are a few instructions, as C of their operands A, B, C; @ is f in float. All others are functions
   of the same name. */
#define DSI_PRINTED_OPS(DSI_ROW) \
    DSI_ROW(neg, "-A") DSI_ROW(abs, "fabs@(A)") DSI_ROW(sign, "(ds_real)((A > 0) - (A < 0))") \
    DSI_ROW(floor, "floor@(A)") DSI_ROW(sqrt, "sqrt@(A)") DSI_ROW(safe_sqrt, "sqrt@(0 > A ? 0 : A)") \
    DSI_ROW(add, "A + B") DSI_ROW(sub, "A - B") DSI_ROW(mul, "A * B") DSI_ROW(div, "A / B") \
    DSI_ROW(min, "A < B || A != A ? A : B") DSI_ROW(max, "A > B || A != A ? A : B") \
    DSI_ROW(clip_gradient, "B != B ? B : A") DSI_ROW(lt, "(ds_real)(A < B)") \
    DSI_ROW(le, "(ds_real)(A <= B)") DSI_ROW(gt, "(ds_real)(A > B)") DSI_ROW(ge, "(ds_real)(A >= B)") \
    DSI_ROW(eq, "(ds_real)(A == B)") DSI_ROW(ne, "(ds_real)(A != B)") DSI_ROW(select, "A != 0 ? B : C")
static const char *dsi_printed_op(unsigned op)
{
    switch (op) {
#define DSI_ROW(name, text) case DSI_OP_##name: return text;
    DSI_PRINTED_OPS(DSI_ROW)
#undef DSI_ROW
    default: return NULL;
    }
}

enum { DSI_MOST_PRINTED = 4000, DSI_PRINTED_CHUNK = 64, DSI_MOST_WAITING = 64 };
typedef struct dsi_printer {
    dsi_text text;
    char none; /* where text goes that has no room at all */
    size_t n; /* characters in full */
    const ds_kernel *kernel;
    const dsi_program *program;
    char name[64]; /* of the kernel, as an identifier */
    uint32_t *stage; /* of expressions; functions: they are called at its end */
    uint32_t *shown; /* 1 + the last stage in which the expression has a name */
    uint32_t *waits; /* 1: in an array, to be read in another loop */
    size_t n_stages, n_waiting, n_functions, n_statements;
    unsigned composites; /* bits: those of dsi_composites that are used */
    int has_sqrt, cuda;
} dsi_printer;

/* words; $ is the kernel's name, ~ the type of numbers, @ is f in float, ` f or d */
static void dsi_print(dsi_printer *p, const char *words)
{
    const int is_float = sizeof(ds_real) == 4;
    char c[2] = {0, 0};
    for (; *words; words++) {
        const char *const more = *words == '$'   ? p->name
                                 : *words == '~' ? (is_float ? "float" : "double")
                                 : *words == '@' ? (is_float ? "f" : "")
                                 : *words == '`' ? (is_float ? "f" : "d")
                                                 : c;
        c[0] = *words;
        p->n += strlen(more);
        dsi_put(&p->text, more);
    }
}
static void dsi_print_size(dsi_printer *p, size_t number)
{
    char digits[24];
    dsi_text t = dsi_text_into(digits, sizeof digits);
    dsi_put_size(&t, number);
    dsi_print(p, digits);
}
/* "before 3 after" */
static void dsi_print_with(dsi_printer *p, const char *before, size_t number, const char *after)
{
    dsi_print(p, before);
    dsi_print_size(p, number);
    dsi_print(p, after);
}
static void dsi_print_harmless(dsi_printer *p, const char *name)
{
    char c[2] = {0, 0};
    for (; *name; name++) {
        c[0] = dsi_harmless(*name);
        dsi_print(p, c);
    }
}

static char dsi_in_name(char c)
{
    const char harmless = dsi_harmless(c);
    return harmless == ' ' || harmless == '.' || harmless == '-' ? '_' : harmless;
}

/* a name as an identifier: what is none, or might be taken for such a one, is numbered */
static void dsi_put_identifier(dsi_text *t, const char *name, size_t number)
{
    const char *c;
    char one[2] = {0, 0};
    int plain = (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z');
    for (c = name; *c; c++) plain = plain && dsi_in_name(*c) == *c;
    if (!plain || (name[0] == 'K' && name[1] >= '0' && name[1] <= '9')) {
        dsi_put(t, "K");
        dsi_put_size(t, number);
        dsi_put(t, "_");
    }
    for (c = name; *c; c++) {
        one[0] = dsi_in_name(*c);
        dsi_put(t, one);
    }
}

/* an operation, a function or an output of a composite: it has a value in each lane */
static int dsi_is_printed(const dsi_printer *p, uint32_t x)
{
    const unsigned op = p->program->body.exprs[x].op;
    return !p->program->uniform[x] && (op < DSI_X_constant || op == DSI_X_output);
}
/* a composite, and the list of its inputs: they hand on what their values wait for */
static int dsi_is_between(const dsi_printer *p, uint32_t x)
{
    const unsigned op = p->program->body.exprs[x].op;
    return op == DSI_X_list || op == DSI_X_composite;
}
static int dsi_is_function(const dsi_printer *p, uint32_t x)
{
    return dsi_is_printed(p, x) && !dsi_printed_op(p->program->body.exprs[x].op);
}

/* the number of an input: a load's stream; then numbers of indices in the order of the body */
static size_t dsi_input_of(const dsi_printer *p, uint32_t x)
{
    const dsi_program *const program = p->program;
    size_t k = program->n_streams, i;
    if (program->body.exprs[x].op == DSI_X_load)
        return program->places[x] - program->n_slots - program->n_uniforms;
    for (i = 0; i < x; i++) k += program->body.exprs[i].op == DSI_X_number && !program->uniform[i];
    return k;
}

/* the first effect that x is the value of, or n_effects */
static size_t dsi_effect_of(const dsi_printer *p, uint32_t x)
{
    const dsi_body *const body = &p->program->body;
    size_t i;
    for (i = 0; i < body->n_effects && body->effects[i].value != x; i++) continue;
    return i;
}

/* stages; the operands of a function wait for it, and so does its value */
static void dsi_find_stages(dsi_printer *p)
{
    const dsi_body *const body = &p->program->body;
    size_t i, k;
    for (i = 0; i < body->n_exprs; i++) { /* the earliest, in p->shown for now */
        const dsi_expr *const e = body->exprs + i;
        const uint32_t part[3] = {e->a, e->b, e->c};
        p->stage[i] = UINT32_MAX;
        p->shown[i] = p->waits[i] = 0;
        if (!dsi_is_printed(p, (uint32_t)i) && !dsi_is_between(p, (uint32_t)i)) continue;
        p->has_sqrt |= e->op == DSI_OP_sqrt || e->op == DSI_OP_safe_sqrt;
        for (k = 0; k < 3; k++)
            if (dsi_operands_of(e->op) >> k & 1) {
                const uint32_t after = p->shown[part[k]] + (uint32_t)dsi_is_function(p, part[k]);
                p->shown[i] = p->shown[i] < after ? after : p->shown[i];
            }
    }
    for (i = body->n_exprs; i-- > 0;) {
        const dsi_expr *const e = body->exprs + i;
        const uint32_t part[3] = {e->a, e->b, e->c};
        const int between = dsi_is_between(p, (uint32_t)i), function = dsi_is_function(p, (uint32_t)i);
        const int counts = e->op < DSI_OP_sum || e->op == DSI_X_composite;
        const size_t stored = dsi_effect_of(p, (uint32_t)i) < body->n_effects;
        if (!(between || dsi_is_printed(p, (uint32_t)i)) || (p->stage[i] == UINT32_MAX && !stored))
            continue; /* dead */
        if (function || p->stage[i] == UINT32_MAX) p->stage[i] = p->shown[i];
        p->n_functions += (size_t)(counts && (function || between));
        p->n_statements += (size_t)counts;
        if (e->op == DSI_X_composite) p->composites |= 1u << e->b;
        if (p->n_stages < p->stage[i] + 1 + (function && stored))
            p->n_stages = p->stage[i] + 1 + (function && stored);
        p->waits[i] |= (uint32_t)function;
        for (k = 0; k < 3; k++)
            if (dsi_operands_of(e->op) >> k & 1 &&
                (dsi_is_printed(p, part[k]) || dsi_is_between(p, part[k]))) {
                uint32_t *const stage = p->stage + part[k];
                p->waits[part[k]] |= dsi_is_printed(p, part[k]) &&
                                     (function || between || (*stage != UINT32_MAX && *stage != p->stage[i]));
                *stage = *stage < p->stage[i] ? *stage : p->stage[i];
            }
    }
    for (i = 0; i < body->n_exprs; i++) {
        p->shown[i] = 0;
        p->n_waiting += p->waits[i];
    }
}

/* a load by its argument, component and, behind the first index at which the argument is read, a letter */
static void dsi_print_load(dsi_printer *p, uint32_t x)
{
    const dsi_program *const program = p->program;
    const dsi_expr *const e = program->body.exprs + x;
    char name[80];
    dsi_text t = dsi_text_into(name, sizeof name);
    size_t i, k, others = 0;
    for (i = 0; i < program->n_streams; i++) {
        const dsi_stream *const s = program->streams + i;
        if (s->arg == e->a && s->index == e->b) break;
        for (k = 0; k < i; k++)
            if (program->streams[k].arg == s->arg && program->streams[k].index == s->index) break;
        others += k == i && s->arg == e->a;
    }
    dsi_put_identifier(&t, p->kernel->args[e->a].name, e->a);
    dsi_put(&t, "_");
    dsi_put_size(&t, e->c);
    if (others) dsi_put(&t, "at");
    if (others) dsi_put_size(&t, others);
    dsi_print(p, name);
}

/* an operand as it is called within a loop of statements */
static void dsi_print_operand(dsi_printer *p, uint32_t x)
{
    const dsi_expr *const e = p->program->body.exprs + x;
    char digits[40];
    const double number = dsi_from_bits(dsi_bits_of(e));
    if (e->op == DSI_X_constant && p->cuda && !dsi_double_is_finite(number)) {
        dsi_print(p, number > 0 ? "(ds_real)INFINITY" : number < 0 ? "(ds_real)-INFINITY" : "(ds_real)NAN");
    } else if (e->op == DSI_X_constant && dsi_double_is_finite(dsi_from_bits(dsi_bits_of(e)))) {
        ds_text_from_real(digits, sizeof digits, dsi_from_bits(dsi_bits_of(e)), 0);
        dsi_print(p, "(ds_real)");
        dsi_print(p, digits);
    } else if (p->cuda)
        dsi_print_with(p, "v", x, "");
    else if (p->program->uniform[x])
        dsi_print_with(p, "u", p->program->places[x] - p->program->n_slots, "");
    else if (e->op == DSI_X_load)
        dsi_print_load(p, x);
    else
        dsi_print_with(p, "v", x, "");
}

/* the same where only arrays have it: whole, from their lane `at` or 0 on, or one lane of it */
static void dsi_print_array(dsi_printer *p, uint32_t x, int whole)
{
    if (p->program->uniform[x]) {
        dsi_print_operand(p, x);
        return;
    }
    if (dsi_is_printed(p, x))
        dsi_print_with(p, "w", x, whole ? "" : "[i]");
    else
        dsi_print_with(p, "in", dsi_input_of(p, x), whole ? " + at" : "[at + i]");
}

/* op of a, b, c in C */
static void dsi_print_value(dsi_printer *p, const dsi_expr *e)
{
    const char *pattern = dsi_printed_op(e->op);
    char c[2] = {0, 0};
    for (; *pattern; pattern++) {
        c[0] = *pattern;
        if (*pattern >= 'A' && *pattern <= 'C')
            dsi_print_operand(p, *pattern == 'A' ? e->a : *pattern == 'B' ? e->b : e->c);
        else
            dsi_print(p, c);
    }
}

/* statements stand in two loops, or three */
static const char *dsi_indent(const dsi_printer *p) { return &"                "[p->n_functions ? 0 : 4]; }

/* gives x a name in this loop, if it comes from elsewhere */
static void dsi_print_arrival(dsi_printer *p, uint32_t x, uint32_t stage)
{
    if (p->program->uniform[x] || p->shown[x] == stage + 1) return;
    p->shown[x] = stage + 1;
    dsi_print(p, dsi_indent(p));
    dsi_print(p, "const ds_real ");
    dsi_print_operand(p, x);
    dsi_print(p, " = ");
    dsi_print_array(p, x, 0);
    dsi_print(p, ";\n");
}

/* out5[at + i] = v25; with sums that the text adds to, out5[at + i] = adds ? out5[at + i] + v25 : v25, and
   the other effects of v25 where adds is not 0 */
static void dsi_print_results(dsi_printer *p, uint32_t x, const char *name, const char *behind)
{
    const dsi_body *const body = &p->program->body;
    const size_t first = dsi_effect_of(p, x);
    size_t i;
    for (i = first; i < body->n_effects && (i == first || p->program->adds); i++) {
        const dsi_effect *const e = body->effects + i;
        const int sum = p->program->adds && p->kernel->args[e->arg].kind == DSI_ARG_SUM;
        if (e->value != x) continue;
        dsi_print(p, dsi_indent(p));
        dsi_print_with(p, i > first ? "if (adds) out" : "out", i, "[at + i] ");
        if (i > first) dsi_print(p, !sum ? "= " : e->minus ? "-= " : "+= ");
        else if (sum) dsi_print_with(p, "= adds ? out", i, e->minus ? "[at + i] - " : "[at + i] + ");
        else dsi_print(p, "= ");
        if (i == first && sum) {
            dsi_print_with(p, name, x, behind);
            dsi_print(p, " : ");
        }
        dsi_print_with(p, name, x, behind);
        dsi_print(p, ";\n");
    }
}

/* an operation, and where its value goes */
static void dsi_print_statement(dsi_printer *p, uint32_t x)
{
    const dsi_expr *const e = p->program->body.exprs + x;
    const unsigned operands = dsi_operands_of(e->op);
    const size_t effect = dsi_effect_of(p, x);
    if (operands & 1) dsi_print_arrival(p, e->a, p->stage[x]);
    if (operands & 2) dsi_print_arrival(p, e->b, p->stage[x]);
    if (operands & 4) dsi_print_arrival(p, e->c, p->stage[x]);
    dsi_print(p, dsi_indent(p));
    dsi_print_with(p, "const ds_real v", x, " = ");
    dsi_print_value(p, e);
    dsi_print(p, ";\n");
    p->shown[x] = p->stage[x] + 1;
    if (p->waits[x]) {
        dsi_print(p, dsi_indent(p));
        dsi_print_with(p, "w", x, "[i] = ");
        dsi_print_with(p, "v", x, ";\n");
    }
    if (effect < p->program->body.n_effects) dsi_print_results(p, x, "v", "");
}

/* a function of a chunk: by arrays if there is such a one, else lane by lane */
static void dsi_print_function(dsi_printer *p, uint32_t x)
{
    const dsi_expr *const e = p->program->body.exprs + x;
    const unsigned operands = dsi_operands_of(e->op);
    int whole = e->op == DSI_OP_pow && !p->program->uniform[e->a] && !p->program->uniform[e->b];
#define DSI_ROW(name) whole |= e->op == DSI_OP_##name;
    DSI_ROW(exp) DSI_ROW(log) DSI_ROW(sin) DSI_ROW(cos) DSI_ROW(tanh)
#undef DSI_ROW
    dsi_print(p, "        ");
    if (!whole) dsi_print_with(p, "for (i = 0; i < m; i++) w", x, "[i] = ");
    dsi_print(p, whole ? "ds_reals_" : "ds_real_");
    dsi_print(p, dsi_ops[e->op].name);
    dsi_print(p, "(");
    dsi_print_array(p, e->a, whole);
    if (operands & 2) dsi_print(p, ", ");
    if (operands & 2) dsi_print_array(p, e->b, whole);
    if (whole) dsi_print_with(p, ", w", x, ", m");
    dsi_print(p, ");\n");
}

/* of functions that printed kernels share */
static const char *dsi_prefix(const dsi_printer *p) { return p->cuda ? "dsc_" : "dsp_"; }

/* "const ds_real x[9] = { ... };", "ds_real y[10];", "dsp_polar_value(x, y);", of the composite x at this
   indentation; in C of lane i, in CUDA with the number of the composite in the names */
static void dsi_print_composite(dsi_printer *p, uint32_t at, const char *indent)
{
    const dsi_composite *const c = dsi_composites[p->program->body.exprs[at].b];
    uint32_t x[DSI_RULE_IN];
    char number[24] = "";
    dsi_text t = dsi_text_into(number, sizeof number);
    size_t k;
    if (p->cuda) dsi_put_size(&t, at);
    dsi_inputs_of(&p->program->body, at, x);
    dsi_print(p, indent);
    dsi_print(p, "const ds_real x");
    dsi_print(p, number);
    dsi_print_with(p, "[", c->n_in, "] = { ");
    for (k = 0; k < c->n_in; k++) {
        if (p->cuda) dsi_print_operand(p, x[k]);
        else dsi_print_array(p, x[k], 0);
        dsi_print(p, k + 1 == c->n_in ? " };\n" : k % 5 < 4 ? ", " : ",\n    ");
        if (k % 5 == 4) dsi_print(p, indent);
    }
    dsi_print(p, indent);
    dsi_print(p, "ds_real y");
    dsi_print(p, number);
    dsi_print_with(p, "[", c->n_out, "];\n");
    dsi_print(p, indent);
    dsi_print(p, dsi_prefix(p));
    dsi_print(p, c->name);
    dsi_print(p, "_value(x");
    dsi_print(p, number);
    dsi_print(p, ", y");
    dsi_print(p, number);
    dsi_print(p, ");\n");
}

/* a composite of a chunk, lane by lane */
static void dsi_print_call(dsi_printer *p, uint32_t at)
{
    const dsi_body *const body = &p->program->body;
    uint32_t x;
    dsi_print(p, "        for (i = 0; i < m; i++) {\n");
    dsi_print_composite(p, at, "            ");
    for (x = at; x < body->n_exprs; x++)
        if (body->exprs[x].op == DSI_X_output && body->exprs[x].a == at && p->stage[x] != UINT32_MAX) {
            dsi_print_with(p, "            w", x, "[i] = ");
            dsi_print_with(p, "y[", body->exprs[x].b, "];\n");
        }
    dsi_print(p, "        }\n");
}

/* what is in the loop of a stage: a statement; and effect i, a value of a function before it */
static int dsi_is_in_loop(const dsi_printer *p, uint32_t x, uint32_t stage)
{
    return dsi_is_printed(p, x) && !dsi_is_function(p, x) && p->stage[x] == stage;
}
static int dsi_is_stored_in_loop(const dsi_printer *p, size_t i, uint32_t stage)
{
    const uint32_t x = p->program->body.effects[i].value;
    return dsi_is_function(p, x) && p->stage[x] + 1 == stage && dsi_effect_of(p, x) == i;
}

static void dsi_print_loop(dsi_printer *p, uint32_t stage)
{
    const dsi_body *const body = &p->program->body;
    uint32_t x;
    size_t i, n = 0;
    for (x = 1; x < body->n_exprs; x++) n += (size_t)dsi_is_in_loop(p, x, stage);
    for (i = 0; i < body->n_effects; i++) n += (size_t)dsi_is_stored_in_loop(p, i, stage);
    if (!n) return;
    dsi_print(p, p->n_functions ? "        for (k = 0; k < m; k += 16) {\n"
                                  "            DSI_EACH_LANE for (i = k; i < k + 16; i++) {\n"
                                : "        DSI_EACH_LANE for (i = 0; i < 16; i++) {\n");
    for (x = 1; x < body->n_exprs; x++)
        if (dsi_is_in_loop(p, x, stage)) dsi_print_statement(p, x);
    for (i = 0; i < body->n_effects; i++)
        if (dsi_is_stored_in_loop(p, i, stage)) dsi_print_results(p, body->effects[i].value, "w", "[i]");
    dsi_print(p, p->n_functions ? "            }\n        }\n" : "        }\n");
}

/* the loop, then the functions that end the stage */
static void dsi_print_stage(dsi_printer *p, uint32_t stage)
{
    const dsi_body *const body = &p->program->body;
    uint32_t x;
    dsi_print_loop(p, stage);
    for (x = 1; x < body->n_exprs; x++) {
        if (p->stage[x] != stage) continue;
        if (body->exprs[x].op == DSI_X_composite) dsi_print_call(p, x);
        else if (body->exprs[x].op != DSI_X_output && dsi_is_function(p, x)) dsi_print_function(p, x);
    }
}

/* Quoted code, laid out again, n characters as a line. dsi_ becomes dsp_, or dsc_ in CUDA. A long line is
   broken at a blank behind column 40, in as few parentheses as there are, best behind a comma. */
static void dsi_print_code_line(dsi_printer *p, const char *code, size_t n, size_t indent)
{
    const size_t skip = indent || !p->cuda                 ? 0
                        : !strncmp(code, "static ", 7)     ? 7
                        : !strncmp(code, "DSI_APART ", 10) ? 10
                                                           : 0;
    char line[2000], c[2] = {0, 0};
    const char *from = line;
    dsi_text t = dsi_text_into(line, sizeof line);
    size_t i, width = 100 - indent;
    if (skip) dsi_put(&t, "static __device__ ");
    for (i = skip; i < n; i++) {
        const int is_name = !strncmp(code + i, "dsi_", 4);
        c[0] = code[i];
        dsi_put(&t, is_name ? dsi_prefix(p) : c);
        i += is_name ? 3 : 0;
    }
    for (;;) {
        size_t best = 0, at;
        int depth = 0, least = 1000;
        for (at = 0; from[at] && at < width; at++) {
            depth += 2 * ((from[at] == '(' || from[at] == '[') - (from[at] == ')' || from[at] == ']'));
            if (from[at] != ' ' || at < 40 || depth + (from[at - 1] != ',') > least) continue;
            least = depth + (from[at - 1] != ',');
            best = at;
        }
        for (i = 0; i < indent; i++) dsi_print(p, " ");
        if (!from[at] || !best) break;
        line[(size_t)(from - line) + best] = 0;
        dsi_print(p, from);
        dsi_print(p, "\n");
        from += best + 1;
        indent += from - line == (ptrdiff_t)best + 1 ? 4 : 0;
        width = 100 - indent;
    }
    dsi_print(p, from);
    dsi_print(p, "\n");
}

/* the characters of a line: to ; or { or, for a short function, to its }. Else and the name of a type alone
   follow a } in its line; there are no braces but those of blocks. */
static size_t dsi_line_of_code(const char *code, size_t depth)
{
    size_t n, more;
    int parentheses = 0;
    if (*code == '}' && strncmp(code, "} else", 6) && (depth || strncmp(code, "} dsi_", 6))) return 1;
    for (n = 0; parentheses || (code[n] != ';' && code[n] != '{'); n++)
        parentheses += (code[n] == '(') - (code[n] == ')');
    if (!depth && code[n] == '{' && code[n - 2] == ')') {
        more = n + dsi_length_to(code + n, ';') + 2;
        return more < 80 && code[more] == '}' ? more + 1 : n + 1;
    }
    return n + 1;
}
static void dsi_print_code(dsi_printer *p, const char *code)
{
    size_t depth = 0, n;
    while (*code) {
        const int closes = *code == '}';
        depth -= (size_t)closes;
        n = dsi_line_of_code(code, depth);
        if (!depth && code[n - 1] == '{' && code[n - 3] == ')') { /* of a function: in a line of its own */
            dsi_print_code_line(p, code, n - 2, 0);
            dsi_print(p, "{\n");
        } else
            dsi_print_code_line(p, code, n, 4 * depth);
        if (!depth && code[n - 1] != '{') dsi_print(p, "\n");
        depth += code[n - 1] == '{';
        for (code += n; *code == ' '; code++) continue;
    }
}

/* What the code of composites calls: product, and parts of numbers. gcc 12 fuses c x + s y, c y - s x even
   where it is told not to. DSI_FENCE keeps it from that on the machine it compiles for, and values are not
   inlined (DSI_APART) into functions for other machines. CUDA has a product that is left alone. */
static const char dsi_printed_product[] =
    "static ds_real dsi_product(ds_real left, ds_real right) "
    "{ ds_real result = left * right; DSI_FENCE(result); return result; }";
static const char dsi_printed_cuda_product[] =
    "static ds_real dsi_product(ds_real left, ds_real right) { return __`mul_rn(left, right); }";
static const char dsi_printed_numbers[] =
    "static int dsi_all_finite(const ds_real *x, int n) { int i, all = 1; "
    "for (i = 0; i < n; i++) all &= x[i] - x[i] == 0; return all; } "
    "static ds_real dsi_nan(void) { return (ds_real)NAN; } "
    "static ds_real dsi_power(int exponent) { return ldexp@((ds_real)1, exponent); } "
    "static ds_real dsi_root(ds_real x) { return sqrt@(x); } "
    "static ds_real dsi_eighth_unit(void) { return dsi_power(sizeof(ds_real) == 4 ? -26 : -55); } "
    "static int dsi_exponent_of(ds_real x) { int exponent; (void)frexp@(x, &exponent); return exponent; }";

/* A part once: kernels in one source file share it. What it is called has the hash of its code, so that the
   compiler refuses to mix versions. */
static void dsi_print_quoted(dsi_printer *p, const char *name, const char *sentence, const char *code)
{
    const uint64_t hash = dsi_hash_code(code, 0);
    int k;
    for (k = 0; k < 2; k++) {
        dsi_print(p, k ? "\n#define " : "#ifndef ");
        dsi_print(p, dsi_prefix(p));
        dsi_print(p, name);
        dsi_print_with(p, "_", (size_t)(hash >> 40), "");
    }
    dsi_print(p, "\n/* ");
    dsi_print(p, sentence);
    dsi_print(p, " */\n");
    dsi_print_code(p, code);
    dsi_print(p, "#endif\n\n");
}

/* the code of all composites that are used, each part once */
static void dsi_print_composites(dsi_printer *p)
{
    const char *const *shown[sizeof dsi_composites / sizeof *dsi_composites * DSI_MOST_QUOTED];
    size_t i, j, k, n = 0;
    if (!p->composites) return;
    dsi_print(p, "/* 3x3 matrices, row by row. What is done and why: section 2 of diffsim.h. */\n");
    dsi_print_quoted(p, "product", "rounded before it meets a sum",
                     p->cuda ? dsi_printed_cuda_product : dsi_printed_product);
    dsi_print_quoted(p, "numbers", "roots, powers of two, what is finite", dsi_printed_numbers);
    for (i = 0; i < sizeof dsi_composites / sizeof *dsi_composites; i++)
        for (j = 0; j < DSI_MOST_QUOTED && p->composites >> i & 1; j++) {
            const char *const *const quoted = dsi_composites[i]->words[j];
            for (k = 0; k < n && shown[k] != quoted; k++) continue;
            if (k < n || !quoted) continue;
            shown[n++] = quoted;
            dsi_print_quoted(p, quoted[0], quoted[1], quoted[2]);
        }
}

/* an index for a comment: edge[lane][0]; what is deep inside is left out */
static void dsi_print_index(dsi_printer *p, uint32_t x, int depth)
{
    const dsi_expr *const e = p->program->body.exprs + x;
    const unsigned operands = dsi_operands_of(e->op);
    const int64_t number = dsi_wrap(dsi_bits_of(e));
    static const char *const words[] = {
#define DSI_ROW(name, operands, value) #name,
        DSI_INDEX_OPS(DSI_ROW)
#undef DSI_ROW
    };
    if (!depth) dsi_print(p, "...");
    else if (e->op == DSI_X_integer) {
        dsi_print(p, number < 0 ? "-" : "");
        dsi_print_size(p, number < 0 ? (size_t)(0 - (uint64_t)number) : (size_t)number);
    } else if (e->op == DSI_X_lane && e->a == DSI_FLAT_LANE) dsi_print(p, "lane");
    else if (e->op == DSI_X_lane) dsi_print_with(p, "lane_", e->a, "");
    else if (e->op == DSI_X_lanes) dsi_print_with(p, "lanes_", e->a, "");
    else if (e->op == DSI_X_floor) dsi_print(p, "floor(...)");
    else if (e->op == DSI_X_load_index) {
        dsi_print_harmless(p, p->kernel->args[e->a].name);
        dsi_print(p, "[");
        dsi_print_index(p, e->b, depth - 1);
        dsi_print_with(p, "][", e->c, "]");
    } else if (e->op <= DSI_X_index_mul) {
        dsi_print(p, "(");
        dsi_print_index(p, e->a, depth - 1);
        dsi_print(p, e->op == DSI_X_index_add ? " + " : e->op == DSI_X_index_sub ? " - " : " * ");
        dsi_print_index(p, e->b, depth - 1);
        dsi_print(p, ")");
    } else {
        dsi_print(p, words[e->op - DSI_X_index_add]);
        dsi_print(p, "(");
        dsi_print_index(p, e->a, depth - 1);
        if (operands & 2) dsi_print(p, ", ");
        if (operands & 2) dsi_print_index(p, e->b, depth - 1);
        if (operands & 4) dsi_print(p, ", ");
        if (operands & 4) dsi_print_index(p, e->c, depth - 1);
        dsi_print(p, ")");
    }
}
static void dsi_print_place(dsi_printer *p, uint32_t arg, uint32_t index, size_t component)
{
    dsi_print(p, " /* ");
    dsi_print_harmless(p, p->kernel->args[arg].name);
    dsi_print(p, "[");
    dsi_print_index(p, index, 5);
    dsi_print_with(p, "][", component, "] */\n");
}

/* arrays and uniforms that are used, by names */
static void dsi_print_declarations(dsi_printer *p)
{
    const dsi_program *const program = p->program;
    const dsi_body *const body = &program->body;
    uint32_t x;
    size_t i, k;
    for (x = 1; x < body->n_exprs; x++) { /* uniforms are shown where they are operands */
        const dsi_expr *const e = body->exprs + x;
        const uint32_t part[3] = {e->a, e->b, e->c};
        for (k = 0; k < 3 && p->stage[x] != UINT32_MAX; k++)
            if (dsi_operands_of(e->op) >> k & 1) p->shown[part[k]] = 1;
    }
    for (x = 0; x < body->n_exprs; x++) {
        const dsi_expr *const e = body->exprs + x;
        if (!p->shown[x]) continue;
        if (program->uniform[x] &&
            !(e->op == DSI_X_constant && dsi_double_is_finite(dsi_from_bits(dsi_bits_of(e))))) {
            dsi_print_with(p, "    const ds_real u", program->places[x] - program->n_slots, " = uniforms[");
            dsi_print_with(p, "", program->places[x] - program->n_slots, "];\n");
        }
        if (program->uniform[x] || (e->op != DSI_X_load && e->op != DSI_X_number)) continue;
        dsi_print_with(p, "    const ds_real *const in", dsi_input_of(p, x), " = in[");
        dsi_print_with(p, "", dsi_input_of(p, x), "];");
        if (e->op == DSI_X_load)
            dsi_print_place(p, e->a, e->b, e->c);
        else
            dsi_print(p, " /* an index as a number */\n");
    }
    for (x = 0; x < body->n_exprs; x++) p->shown[x] = 0;
    for (i = 0; i < body->n_effects; i++) {
        const dsi_effect *const e = body->effects + i;
        if (!dsi_is_printed(p, e->value) || (!program->adds && dsi_effect_of(p, e->value) != i)) continue;
        dsi_print_with(p, "    ds_real *const out", i, " = out[");
        dsi_print_with(p, "", i, "];");
        dsi_print_place(p, e->arg, e->index, e->component);
    }
    for (x = 0, i = 0; x < body->n_exprs; x++) /* eight a line */
        if (p->waits[x]) {
            dsi_print_with(p, i % 8 == 0 ? "    ds_real w" : ", w", x, "[");
            dsi_print_size(p, p->n_waiting > DSI_MOST_WAITING ? 16 : DSI_PRINTED_CHUNK);
            dsi_print(p, ++i % 8 == 0 || i == p->n_waiting ? "];\n" : "]");
        }
}

/* the function over lanes */
static void dsi_print_lanes(dsi_printer *p)
{
    uint32_t stage;
    dsi_print(p, "DSI_INLINE void $_lanes(size_t n, const ds_real *const *in, const ds_real *uniforms,\n"
                 "    ds_real *const *out, const int adds)\n{\n");
    dsi_print_declarations(p);
    if (p->n_stages) dsi_print(p, p->n_functions ? "    size_t at, i, k, m;\n" : "    size_t at, i;\n");
    dsi_print(p, "    (void)n, (void)in, (void)uniforms, (void)out, (void)adds;\n");
    if (p->n_functions) {
        dsi_print(p, "    for (at = 0; at < n; at += m) {\n");
        if (p->n_waiting > DSI_MOST_WAITING)
            dsi_print(p, "        m = 16;\n");
        else
            dsi_print_with(p, "        m = n - at < 64 ? n - at : ", DSI_PRINTED_CHUNK, ";\n");
    } else if (p->n_stages)
        dsi_print(p, "    for (at = 0; at < n; at += 16) {\n");
    for (stage = 0; stage < p->n_stages; stage++) dsi_print_stage(p, stage);
    dsi_print(p, p->n_stages ? "    }\n}\n" : "}\n");
}

/* what is known of the kernel, as a comment */
static void dsi_print_head(dsi_printer *p, const char *as)
{
    const ds_kernel_info info = ds_kernel_get_info(p->kernel);
    size_t i;
    dsi_print(p, "/* Kernel '");
    dsi_print_harmless(p, p->kernel->name);
    dsi_print(p, "' as ");
    dsi_print(p, as);
    dsi_print_with(p, ", format ", DSI_PRINTED_FORMAT, ".\n");
    dsi_print(p, "   Made again when the kernel changes, not by hand.\n");
    dsi_print(p, p->cuda ? "\n"
                         : "   To be included behind diffsim.h; a runner uses it by "
                           "ds_runner_desc.printed.\n\n");
    for (i = 0; i < p->kernel->n_args; i++) {
        const dsi_argument *const arg = p->kernel->args + i;
        if (arg->kind == DSI_ARG_NONE) continue;
        dsi_print(p, "       ");
        dsi_print(p, dsi_arg_words[arg->kind]);
        dsi_print(p, " ");
        dsi_print_harmless(p, arg->name);
        dsi_print_with(p, "[", arg->components, "]\n");
    }
    dsi_print_with(p, "\n   Per lane: ", p->n_statements, " operations");
    dsi_print_with(p, ", ", p->n_functions, " of them functions");
    dsi_print_with(p, "; ", info.loads, " numbers loaded, ");
    dsi_print_with(p, "", info.stores, " stored or added. */\n\n");
}

static const char dsi_printed_begin[] =
    "/* strict arithmetic, and vectors: no lane reads what another writes */\n"
    "#if defined(__clang__)\n"
    "#if __clang_major__ >= 13 && !defined(__wasm__)\n"
    "#pragma float_control(precise, on, push)\n"
    "#endif\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#pragma clang diagnostic push\n"
    "#pragma clang diagnostic ignored \"-Wpass-failed\"\n"
    "#define DSI_EACH_LANE _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)\n"
    "#pragma GCC push_options\n"
    "#pragma GCC optimize(\"no-fast-math\", \"fp-contract=off\", \"no-trapping-math\", \"no-math-errno\", "
    "\"tree-vectorize\")\n"
    "#define DSI_EACH_LANE _Pragma(\"GCC ivdep\")\n"
    "#else\n"
    "#define DSI_EACH_LANE\n"
    "#endif\n";
static const char dsi_printed_sqrt[] =
    "/* a sqrt that may set errno is not made a vector instruction */\n"
    "#if defined(__GLIBC__) && defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)\n"
    "#pragma GCC diagnostic push\n"
    "#pragma GCC diagnostic ignored \"-Wredundant-decls\"\n"
    "#ifdef __cplusplus\n"
    "extern \"C\"\n"
    "#endif\n"
    "ds_real sqrt@(ds_real) __attribute__((const));\n"
    "#pragma GCC diagnostic pop\n"
    "#endif\n";
static const char dsi_printed_end[] =
    "\n#if defined(__GNUC__) && !defined(__TINYC__) && defined(__x86_64__)\n"
    "__attribute__((target(\"avx512f\"))) static void $_avx512(size_t n, const ds_real *const *in,\n"
    "    const ds_real *uniforms, ds_real *const *out, int adds)\n"
    "{\n"
    "    $_both(n, in, uniforms, out, adds);\n"
    "}\n"
    "__attribute__((target(\"avx2\"))) static void $_avx2(size_t n, const ds_real *const *in,\n"
    "    const ds_real *uniforms, ds_real *const *out, int adds)\n"
    "{\n"
    "    $_both(n, in, uniforms, out, adds);\n"
    "}\n"
    "#endif\n"
    "static void $_any(size_t n, const ds_real *const *in, const ds_real *uniforms,\n"
    "    ds_real *const *out, int adds)\n"
    "{\n"
    "#if defined(__GNUC__) && !defined(__TINYC__) && defined(__x86_64__)\n"
    "    if (__builtin_cpu_supports(\"avx512f\")) $_avx512(n, in, uniforms, out, adds);\n"
    "    else if (__builtin_cpu_supports(\"avx2\")) $_avx2(n, in, uniforms, out, adds);\n"
    "    else\n"
    "#endif\n"
    "    $_both(n, in, uniforms, out, adds);\n"
    "}\n\n"
    "#undef DSI_EACH_LANE\n"
    "#if defined(__clang__)\n"
    "#pragma clang diagnostic pop\n"
    "#if __clang_major__ >= 13 && !defined(__wasm__)\n"
    "#pragma float_control(pop)\n"
    "#endif\n"
    "#pragma STDC FP_CONTRACT DEFAULT\n"
    "#elif defined(__GNUC__) && !defined(__TINYC__) && !defined(__CUDACC__)\n"
    "#pragma GCC pop_options\n"
    "#endif\n\n";

static void dsi_print_file(dsi_printer *p)
{
    static const char digit[] = "0123456789abcdef";
    const dsi_program *const program = p->program;
    char hash[17];
    int adds = 0;
    size_t i;
    dsi_print_head(p, "C, by ds_kernel_print_c");
    dsi_print(p, dsi_printed_begin);
    if (p->has_sqrt) dsi_print(p, dsi_printed_sqrt);
    dsi_print(p, "\n");
    dsi_print_composites(p);
    dsi_print_lanes(p);
    dsi_print(p, "\nDSI_INLINE void $_both(size_t n, const ds_real *const *in, const ds_real *uniforms,\n"
                 "    ds_real *const *out, int adds)\n{\n");
    for (i = 0; i < program->body.n_effects; i++) /* has `adds` a meaning? */
        adds |= program->adds && (program->n_sums || program->sources[i] != program->n_inputs + i + 1);
    dsi_print(p, adds ? "    if (adds) $_lanes(n, in, uniforms, out, 1);\n"
                        "    else $_lanes(n, in, uniforms, out, 0);\n}\n"
                      : "    (void)adds;\n    $_lanes(n, in, uniforms, out, 0);\n}\n");
    dsi_print(p, dsi_printed_end);
    for (i = 0; i < 16; i++) hash[i] = digit[p->program->text_hash >> (60 - 4 * i) & 15];
    hash[16] = 0;
    dsi_print(p, "static const ds_printed_kernel $_printed =\n    { UINT64_C(0x");
    dsi_print(p, hash);
    dsi_print_with(p, "), ", sizeof(ds_real), ", ");
    dsi_print_with(p, "", DSI_PRINTED_FORMAT, ", \"");
    dsi_print_harmless(p, p->kernel->name);
    dsi_print(p, "\", $_any };\n");
}

static const char dsi_printed_cuda[] =
    "#ifndef DS_CUDA_LAUNCH\n"
    "#define DS_CUDA_LAUNCH\n"
    "#ifndef __CUDACC_RTC__\n"
    "#include <math.h>\n"
    "#elif !defined(NAN)\n"
    "#define NAN nan(\"\")\n"
    "#endif\n"
    "typedef ~ ds_real;\n"
    "/* number c of element e is data[e * stride + c * pitch]; lanes along each axis, 1 beyond the rank */\n"
    "typedef struct ds_cuda_array { void *data; long long stride, pitch; } ds_cuda_array;\n"
    "typedef struct ds_cuda_launch { long long lanes[3]; ds_cuda_array args[32]; } ds_cuda_launch;\n"
    "static __device__ long long ds_cuda_div(long long a, long long b) /* rounded down; 0 for b = 0 */\n"
    "{\n"
    "    return b == 0 ? 0 : a / b - (a % b != 0 && (a % b < 0) != (b < 0));\n"
    "}\n"
    "#endif\n\n";
static const char dsi_printed_thread[] =
    "__global__ void $_cuda(ds_cuda_launch launch)\n"
    "{\n"
    "    const long long lane = (long long)blockIdx.x * blockDim.x + threadIdx.x;\n"
    "    const long long lane_2 = lane % launch.lanes[2];\n"
    "    const long long lane_1 = lane / launch.lanes[2] % launch.lanes[1];\n"
    "    const long long lane_0 = lane / launch.lanes[2] / launch.lanes[1];\n"
    "    (void)lane_1, (void)lane_2;\n"
    "    if (lane_0 >= launch.lanes[0]) return;\n";

/* an element of an argument: ((const ds_real *)launch.args[1].data)[i5 * ... + 2 * ...] */
static void dsi_print_element(dsi_printer *p, const char *type, uint32_t arg, uint32_t index,
                              size_t component)
{
    dsi_print(p, "((");
    dsi_print(p, type);
    dsi_print_with(p, " *)launch.args[", arg, "].data)[");
    dsi_print_with(p, "i", index, " * ");
    dsi_print_with(p, "launch.args[", arg, "].stride + ");
    dsi_print_with(p, "", component, " * ");
    dsi_print_with(p, "launch.args[", arg, "].pitch]");
}

/* an integer by its operands */
static void dsi_print_integer(dsi_printer *p, const dsi_expr *e)
{
    /* by DSI_INDEX_OPS; A, B, C: operands */
    static const char *const patterns[] = {"A + B",
                                           "A - B",
                                           "A * B",
                                           "ds_cuda_div(A, B)",
                                           "A - B * ds_cuda_div(A, B)",
                                           "A < B ? A : B",
                                           "A > B ? A : B",
                                           "A < B",
                                           "A <= B",
                                           "A == B",
                                           "A ? B : C"};
    const int64_t number = dsi_wrap(dsi_bits_of(e));
    const char *c;
    char one[2] = {0, 0};
    if (e->op == DSI_X_integer) {
        dsi_print(p, number < 0 ? "-" : "");
        dsi_print_size(p, number < 0 ? (size_t)(0 - (uint64_t)number) : (size_t)number);
    } else if (e->op == DSI_X_lane && e->a == DSI_FLAT_LANE)
        dsi_print(p, "lane");
    else if (e->op == DSI_X_lane)
        dsi_print_with(p, "lane_", e->a, "");
    else if (e->op == DSI_X_lanes)
        dsi_print_with(p, "launch.lanes[", e->a, "]");
    else if (e->op == DSI_X_load_index)
        dsi_print_element(p, "const int", e->a, e->b, e->c);
    else if (e->op == DSI_X_floor) {
        dsi_print(p, "(long long)floor((double)");
        dsi_print_operand(p, e->a);
        dsi_print(p, ")");
    } else
        for (c = patterns[e->op - DSI_X_index_add]; *c; c++) {
            one[0] = *c;
            if (*c < 'A' || *c > 'C')
                dsi_print(p, one);
            else
                dsi_print_with(p, "i", *c == 'A' ? e->a : *c == 'B' ? e->b : e->c, "");
        }
}

/* an expression as a statement of one lane */
static void dsi_print_in_thread(dsi_printer *p, uint32_t x)
{
    const dsi_expr *const e = p->program->body.exprs + x;
    const int integer = e->op >= DSI_X_first_index;
    if (e->op == DSI_X_composite) dsi_print_composite(p, x, "    ");
    if (e->op == DSI_X_constant || dsi_is_between(p, x)) return;
    dsi_print_with(p, integer ? "    const long long i" : "    const ds_real v", x, " = ");
    if (integer)
        dsi_print_integer(p, e);
    else if (e->op == DSI_X_load)
        dsi_print_element(p, "const ds_real", e->a, e->b, e->c);
    else if (e->op == DSI_X_number)
        dsi_print_with(p, "(ds_real)i", e->a, "");
    else if (e->op == DSI_X_output) {
        dsi_print_with(p, "y", e->a, "[");
        dsi_print_with(p, "", e->b, "]");
    } else if (dsi_printed_op(e->op))
        dsi_print_value(p, e);
    else {
        dsi_print(p, dsi_ops[e->op].name);
        dsi_print(p, "@(");
        dsi_print_operand(p, e->a);
        if (dsi_operands_of(e->op) & 2) dsi_print(p, ", ");
        if (dsi_operands_of(e->op) & 2) dsi_print_operand(p, e->b);
        dsi_print(p, ")");
    }
    dsi_print(p, ";\n");
}

static void dsi_print_cuda_file(dsi_printer *p)
{
    const dsi_body *const body = &p->program->body;
    uint32_t x;
    size_t i;
    dsi_print_head(p, "CUDA, by ds_kernel_print_cuda");
    dsi_print(p, dsi_printed_cuda);
    dsi_print_composites(p);
    dsi_print(p, dsi_printed_thread);
    for (x = 0; x < body->n_exprs; x++)
        if (p->shown[x]) dsi_print_in_thread(p, x);
    for (i = 0; i < body->n_effects; i++) {
        const dsi_effect *const e = body->effects + i;
        const int sum = p->kernel->args[e->arg].kind == DSI_ARG_SUM;
        dsi_print(p, sum ? "    atomicAdd(&" : "    ");
        dsi_print_element(p, "ds_real", e->arg, e->index, e->component);
        dsi_print(p, !sum ? " = " : e->minus ? ", -" : ", ");
        dsi_print_operand(p, e->value);
        dsi_print(p, sum ? ");\n" : ";\n");
    }
    dsi_print(p, "}\n");
}

/* what effects need, in p->shown */
static void dsi_find_needed(dsi_printer *p)
{
    const dsi_body *const body = &p->program->body;
    size_t i;
    for (i = 0; i < body->n_exprs; i++) p->shown[i] = 0;
    for (i = 0; i < body->n_effects; i++)
        p->shown[body->effects[i].value] = p->shown[body->effects[i].index] = 1;
    for (i = body->n_exprs; i-- > 0;) {
        const dsi_expr *const e = body->exprs + i;
        const unsigned operands = dsi_operands_of(e->op);
        if (!p->shown[i]) continue;
        if (operands & 1) p->shown[e->a] = 1;
        if (operands & 2) p->shown[e->b] = 1;
        if (operands & 4) p->shown[e->c] = 1;
    }
}

static size_t dsi_print_kernel(const ds_kernel *kernel, char *text, size_t bytes, int cuda)
{
    dsi_printer p;
    dsi_text name;
    uint32_t *work;
    size_t n;
    memset(&p, 0, sizeof p);
    p.text = text && bytes ? dsi_text_into(text, bytes) : dsi_text_into(&p.none, 1);
    if (!kernel || kernel->error.code || !kernel->ended || (cuda && kernel->n_args > 32)) return 0;
    n = kernel->program.body.n_exprs;
    work =
        (uint32_t *)kernel->desc.allocator.resize(kernel->desc.allocator.user, NULL, 0, 3 * n * sizeof *work);
    if (!work) return 0;
    p.kernel = kernel;
    p.program = &kernel->program;
    p.cuda = cuda;
    p.stage = work;
    p.shown = work + n;
    p.waits = work + 2 * n;
    name = dsi_text_into(p.name, sizeof p.name);
    dsi_put_identifier(&name, kernel->name, 0);
    dsi_find_stages(&p);
    if (cuda) dsi_find_needed(&p);
    if (p.n_statements <= DSI_MOST_PRINTED) (cuda ? dsi_print_cuda_file : dsi_print_file)(&p);
    dsi_release(&kernel->desc.allocator, work, 3 * n * sizeof *work);
    return p.n;
}
DIFFSIM_API size_t ds_kernel_print_c(const ds_kernel *kernel, char *text, size_t bytes)
{
    return dsi_print_kernel(kernel, text, bytes, 0);
}
DIFFSIM_API size_t ds_kernel_print_cuda(const ds_kernel *kernel, char *text, size_t bytes)
{
    return dsi_print_kernel(kernel, text, bytes, 1);
}

/* Programs that simulators share. */

static ds_var dsi_index_as_number(ds_index index)
{
    return index.kernel ? ds_index_number(index.kernel, index) : ds_c((double)index.at);
}

DIFFSIM_API void (ds_bspline2_weights)(ds_var fx, ds_var w[3])
{
    const ds_var left = ds_square(ds_sub(ds_c(1.5), fx)), right = ds_square(ds_sub(fx, ds_c(0.5)));
    w[0] = ds_mul(ds_c(0.5), left);
    w[1] = ds_sub(ds_c(0.75), ds_square(ds_sub(fx, ds_c(1))));
    w[2] = ds_mul(ds_c(0.5), right);
}

/* weights of the knots at distance 1 + t and t, 0 <= t <= 1, s = 1 - t: s^3 / 6 and 2/3 - t^2 + t^3 / 2 */
static void dsi_cubic_half(ds_var s, ds_var t, ds_var *outer, ds_var *inner)
{
    const ds_var s2 = ds_square(s), t2 = ds_square(t), s3 = ds_mul(s2, s);
    const ds_var slope = ds_fma(ds_c(0.5), t, ds_c(-1));
    *outer = ds_mul(ds_c(1.0 / 6), s3);
    *inner = ds_fma(t2, slope, ds_c(2.0 / 3));
}

DIFFSIM_API void (ds_bspline3_weights)(ds_var fx, ds_var w[4])
{
    const ds_var s = ds_sub(ds_c(2), fx), t = ds_sub(fx, ds_c(1));
    dsi_cubic_half(s, t, w, w + 1);
    dsi_cubic_half(t, s, w + 3, w + 2);
}

DIFFSIM_API ds_index (ds_bspline2)(ds_var x, ds_var w[3])
{
    const ds_index base = ds_floor_index(ds_sub(x, ds_c(0.5)));
    ds_bspline2_weights(ds_sub(x, dsi_index_as_number(base)), w);
    return base;
}

DIFFSIM_API ds_index (ds_bspline3)(ds_var x, ds_var w[4])
{
    const ds_index base = ds_index_sub(ds_floor_index(x), ds_i(1));
    ds_bspline3_weights(ds_sub(x, dsi_index_as_number(base)), w);
    return base;
}

/* Grids. */
DIFFSIM_API ds_grid ds_grid_make(size_t rank, const ds_index *n, ds_wall wall)
{
    ds_grid r;
    size_t axis;
    r.rank = rank;
    for (axis = 0; axis < 3; axis++) {
        r.n[axis] = n && axis < rank ? n[axis] : ds_i(1);
        r.wall[axis] = wall;
    }
    return r;
}

DIFFSIM_API ds_grid (ds_grid_of_lanes)(ds_kernel *kernel, ds_wall wall)
{
    const size_t rank = kernel ? kernel->desc.rank : 0;
    ds_index n[3];
    size_t axis;
    for (axis = 0; axis < rank; axis++) n[axis] = ds_lanes(kernel, axis);
    return ds_grid_make(rank, n, wall);
}

/* may the grid be used? The kernel's error says what it is not */
static int dsi_is_grid(ds_kernel *kernel, const ds_grid *grid, const void *at, const char *function)
{
    DIFFSIM_ASSERT(grid && at);
    if (grid && at && grid->rank >= 1 && grid->rank <= 3) return 1;
    if (kernel && !dsi_kernel_open(kernel, function))
        dsi_kernel_refuse_at(kernel, DSIM_ERROR_ARGUMENT, grid ? grid->rank : 0, function,
                             ": a grid has 1, 2 or 3 axes, and a place on it", NULL);
    return 0;
}

/* what a number is after an error */
static ds_var dsi_no_number(ds_kernel *kernel)
{
    return kernel ? dsi_kernel_dead(kernel) : ds_c((double)dsi_nan());
}

/* index i along an axis, brought back between the walls */
static ds_index dsi_between_walls(const ds_grid *grid, size_t axis, ds_index i)
{
    if (grid->wall[axis] == DSIM_WALL_PERIODIC) return ds_index_mod(i, grid->n[axis]);
    return ds_index_clamp(i, ds_i(0), ds_index_sub(grid->n[axis], ds_i(1)));
}

DIFFSIM_API ds_index (ds_grid_at)(const ds_grid *grid, const ds_index *i)
{
    ds_index at = ds_i(0);
    size_t axis;
    if (!dsi_is_grid(grid && i ? i[0].kernel : NULL, grid, i, "ds_grid_at")) return at;
    for (axis = 0; axis < grid->rank; axis++)
        at = ds_index_add(ds_index_mul(at, grid->n[axis]), dsi_between_walls(grid, axis, i[axis]));
    return at;
}

/* Sampling: the cells before x and how far x lies behind them. dsi_sample goes on from the axes below `axis`,
   along which cells have been chosen: `at` is their element on a grid of these axes. */
typedef struct dsi_sampling { ds_arg field; size_t component; ds_index i[3]; ds_var t[3]; } dsi_sampling;
static ds_var dsi_sample(const dsi_sampling *s, const ds_grid *grid, size_t axis, ds_index at)
{
    ds_var side[2];
    ds_index row;
    int k;
    if (axis == grid->rank) return ds_load_part(s->field, at, s->component);
    row = ds_index_mul(at, grid->n[axis]);
    for (k = 0; k < 2; k++) {
        const ds_index i = ds_index_add(s->i[axis], ds_i(k));
        side[k] = dsi_sample(s, grid, axis + 1, ds_index_add(row, dsi_between_walls(grid, axis, i)));
    }
    return ds_fma(s->t[axis], ds_sub(side[1], side[0]), side[0]);
}

DIFFSIM_API ds_var (ds_grid_sample)(ds_arg field, size_t component, const ds_grid *grid, const ds_var *x)
{
    dsi_sampling s;
    size_t axis;
    if (!dsi_is_grid(field.kernel, grid, x, "ds_grid_sample")) return dsi_no_number(field.kernel);
    s.field = field;
    s.component = component;
    for (axis = 0; axis < grid->rank; axis++) {
        s.i[axis] = ds_floor_index(x[axis]);
        s.t[axis] = ds_sub(x[axis], dsi_index_as_number(s.i[axis]));
    }
    return dsi_sample(&s, grid, 0, ds_i(0));
}

/* the number in cell i, which is inside, or one cell before it (step -1) or behind (1) along an axis: that is
   one wall to look at, not two along each axis as in ds_grid_at */
static ds_var dsi_neighbour(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i,
                            size_t axis, int step)
{
    ds_index at = ds_i(0);
    size_t k;
    for (k = 0; k < grid->rank; k++) {
        ds_index place = i[k];
        if (k == axis && step) {
            place = ds_index_add(place, ds_i(step));
            if (grid->wall[k] == DSIM_WALL_PERIODIC)
                place = ds_index_mod(place, grid->n[k]);
            else if (step < 0)
                place = ds_index_max(place, ds_i(0));
            else
                place = ds_index_min(place, ds_index_sub(grid->n[k], ds_i(1)));
        }
        at = ds_index_mul(at, grid->n[k]);
        at = ds_index_add(at, place);
    }
    return ds_load_part(field, at, component);
}

DIFFSIM_API ds_var (ds_grid_laplacian)(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i)
{
    ds_var sum = ds_c(0);
    size_t axis;
    if (!dsi_is_grid(field.kernel, grid, i, "ds_grid_laplacian")) return dsi_no_number(field.kernel);
    for (axis = 0; axis < grid->rank; axis++) {
        sum = ds_add(sum, dsi_neighbour(field, component, grid, i, axis, -1));
        sum = ds_add(sum, dsi_neighbour(field, component, grid, i, axis, 1));
    }
    return ds_fma(ds_c(-2 * (double)grid->rank), dsi_neighbour(field, component, grid, i, 0, 0), sum);
}

/* (f+ - f-) / 2 along an axis */
static ds_var dsi_central(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i, size_t axis)
{
    const ds_var before = dsi_neighbour(field, component, grid, i, axis, -1);
    const ds_var behind = dsi_neighbour(field, component, grid, i, axis, 1);
    return ds_mul(ds_c(0.5), ds_sub(behind, before));
}

DIFFSIM_API void (ds_grid_gradient)(ds_arg field, size_t component, const ds_grid *grid, const ds_index *i,
                                  ds_var *slope)
{
    size_t axis;
    if (!dsi_is_grid(field.kernel, grid, i, "ds_grid_gradient")) return;
    for (axis = 0; axis < grid->rank; axis++) slope[axis] = dsi_central(field, component, grid, i, axis);
}

DIFFSIM_API ds_var (ds_grid_divergence)(ds_arg field, const ds_grid *grid, const ds_index *i)
{
    ds_var sum = ds_c(0);
    size_t axis;
    if (!dsi_is_grid(field.kernel, grid, i, "ds_grid_divergence")) return dsi_no_number(field.kernel);
    for (axis = 0; axis < grid->rank; axis++) sum = ds_add(sum, dsi_central(field, axis, grid, i, axis));
    return sum;
}

/* Reductions. */
static ds_var dsi_reduction_term(ds_reduction what, ds_var a, ds_var b, ds_var count)
{
    switch (what) {
#define DSI_ROW(NAME, n_args, term, sentence) case DSIM_REDUCTION_##NAME: return term;
    DSI_REDUCTIONS(DSI_ROW)
#undef DSI_ROW
    default: return a;
    }
}

DIFFSIM_API ds_kernel *ds_kernel_reduction(const ds_kernel_desc *desc, ds_reduction what, size_t components)
{
#define DSI_ROW(NAME, n_args, term, sentence) n_args,
    static const uint8_t n_args[] = { DSI_REDUCTIONS(DSI_ROW) };
#undef DSI_ROW
    const int known = (int)what >= 0 && what < DSIM_REDUCTION_COUNT;
    ds_kernel *const k = ds_kernel_begin(desc, "reduction");
    ds_arg a, b, total;
    ds_var count;
    size_t i;
    if (!k) return NULL;
    if (!known) dsi_kernel_refuse_at(k, DSIM_ERROR_ARGUMENT, (size_t)what, "ds_kernel_reduction",
                                     ": there is no such reduction", NULL);
    a = ds_arg_in(k, "a", components);
    b = known && n_args[what] > 1 ? ds_arg_in(k, "b", components) : a;
    total = ds_arg_sum(k, "total", 1);
    count = ds_c((double)components);
    for (i = 0; i < k->desc.rank; i++) count = ds_mul(count, ds_index_number(k, ds_lanes(k, i)));
    for (i = 0; i < components && !k->error.code; i++) {
        const ds_var x = ds_load_part(a, ds_lane(k), i), y = ds_load_part(b, ds_lane(k), i);
        ds_add_at(total, ds_i(0), dsi_reduction_term(what, x, y, count));
    }
    ds_kernel_end(k);
    return k;
}

/* Arrays at once. */
static int dsi_is_array(const ds_array *a)
{
    return a && a->components && (a->data || !a->n) && (int)a->type >= 0 && a->type <= DSIM_ARRAY_INT32;
}

/* number i of n * components, element by element */
static size_t dsi_array_at(const ds_array *a, size_t i)
{
    return i / a->components * dsi_stride_of(a) + dsi_component_at(a, i % a->components);
}
static double dsi_array_number(const ds_array *a, size_t i)
{
    const size_t at = dsi_array_at(a, i);
    switch (a->type) {
    case DSIM_ARRAY_INT32: return (double)((const int32_t *)a->data)[at];
    case DSIM_ARRAY_FLOAT: return (double)((const float *)a->data)[at];
    case DSIM_ARRAY_DOUBLE: return ((const double *)a->data)[at];
    default: return (double)((const ds_real *)a->data)[at];
    }
}

DIFFSIM_API double ds_array_sum(const ds_array *a)
{
    double sum = 0;
    size_t i;
    if (!dsi_is_array(a)) return (double)dsi_nan();
    for (i = 0; i < a->n * a->components; i++) sum += dsi_array_number(a, i);
    return sum;
}

DIFFSIM_API double ds_array_dot(const ds_array *a, const ds_array *b)
{
    double sum = 0;
    size_t i;
    if (!dsi_is_array(a) || !dsi_is_array(b) || a->n != b->n || a->components != b->components)
        return (double)dsi_nan();
    for (i = 0; i < a->n * a->components; i++)
        sum += dsi_times(dsi_array_number(a, i), dsi_array_number(b, i));
    return sum;
}

/* the largest number times sign; a NaN is kept */
static double dsi_array_most(const ds_array *a, double sign)
{
    double most = -DSI_INFINITY;
    size_t i;
    if (!dsi_is_array(a)) return (double)dsi_nan();
    for (i = 0; i < a->n * a->components; i++) {
        const double x = sign * dsi_array_number(a, i);
        if (x != x) return x;
        most = x > most ? x : most;
    }
    return most;
}
DIFFSIM_API double ds_array_max(const ds_array *a) { return dsi_array_most(a, 1); }
DIFFSIM_API double ds_array_min(const ds_array *a) { return -dsi_array_most(a, -1); }

/* exp(c (a - m)) of number i, m the maximum, and the sum of these: v = m + log(sum) / c */
static double dsi_array_share(const ds_array *a, size_t i, double sharpness, double most)
{
    return dsi_double_exp(dsi_times(sharpness, dsi_array_number(a, i) - most));
}
static double dsi_array_shares(const ds_array *a, double sharpness, double most)
{
    double sum = 0;
    size_t i;
    for (i = 0; i < a->n * a->components; i++) sum += dsi_array_share(a, i, sharpness, most);
    return sum;
}

DIFFSIM_API double ds_array_smooth_max(const ds_array *a, double sharpness)
{
    const double most = ds_array_max(a);
    if (!(sharpness > 0) || sharpness - sharpness != 0) return (double)dsi_nan();
    if (most - most != 0) return most;
    return most + dsi_double_log(dsi_array_shares(a, sharpness, most)) / sharpness;
}

DIFFSIM_API ds_result ds_array_smooth_max_vjp(const ds_array *a, double sharpness, double v_bar,
                                              const ds_array *a_bar)
{
    double most, sum;
    size_t i;
    DIFFSIM_ASSERT(a && a_bar);
    if (!dsi_is_array(a) || !dsi_is_array(a_bar) || a->n != a_bar->n || a->components != a_bar->components ||
        a_bar->type == DSIM_ARRAY_INT32 || !(sharpness > 0) || sharpness - sharpness != 0)
        return DSIM_ERROR_ARGUMENT;
    if (!a->n) return DSIM_OK;
    most = ds_array_max(a);
    if (most - most != 0 || v_bar - v_bar != 0) return DSIM_ERROR_NON_FINITE;
    sum = dsi_array_shares(a, sharpness, most);
    for (i = 0; i < a->n * a->components; i++) {
        const double gain = dsi_times(v_bar, dsi_array_share(a, i, sharpness, most) / sum);
        const size_t at = dsi_array_at(a_bar, i);
        if (a_bar->type == DSIM_ARRAY_FLOAT)
            ((float *)a_bar->data)[at] += (float)gain;
        else if (a_bar->type == DSIM_ARRAY_DOUBLE)
            ((double *)a_bar->data)[at] += gain;
        else
            ((ds_real *)a_bar->data)[at] += (ds_real)gain;
    }
    return DSIM_OK;
}

#ifdef DSI_QUICKLY_COMPILED
#pragma GCC pop_options
#endif
/* >>impl 15 learning ------------------------------------------------------------------------------

   One step of entry i, with z = x_i, or log x_i where logarithmic_i is set:
     g = df/dz = grad_i, or grad_i x_i        each entry clipped to clip_value (dsi_clipped)
     g *= clip_norm / |g|                     if the whole is longer than clip_norm
     z -= rate change(g, z, m_i, s_i)         the row of DSI_OPTIMIZERS (dsi_rule_change)
     x_i = z or exp z, between its bounds
   Computed in double, state and x rounded to ds_real when they are stored: a copy of the bytes knows all that
   the next step depends on. */

/* The head of the caller's block, padded to DSI_ALIGN; behind it, without gaps
     m [n], s [n], lower [n], upper [n]   ds_real        logarithmic [n]   bytes
   No pointers: the bytes may be copied. All five are always there; bounds that the desc has not given
   are not read, and logarithmic is then zero. */
struct ds_optimizer {
    ds_optimizer_desc d; /* with the defaults filled in; pointers say only whether there were any */
    uint64_t n, count;
    double fade1, fade2; /* 1 - beta^count: Adam's correction for having begun at zero */
    ds_error error;
};

enum { DSI_OPTIMIZER_HEAD = (sizeof(struct ds_optimizer) + DSI_ALIGN - 1) / DSI_ALIGN * DSI_ALIGN };
/* array k behind the head: m, s, lower, upper, logarithmic. Found from the address of the head, which may
   have changed since the last step. const is cast away, as by strchr */
static ds_real *dsi_optimizer_array(const ds_optimizer *o, size_t k)
{
    return (ds_real *)(void *)((char *)(uintptr_t)o + DSI_OPTIMIZER_HEAD) + k * (size_t)o->n;
}

/* With t steps done, this one included (Kingma and Ba 2015, algorithm 1):
     m = beta1 m + (1 - beta1) g,   s = beta2 s + (1 - beta2) g^2
     change = m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon)
   The divisors undo that m and s began at zero. At t = 1 the change is g / (|g| + epsilon), whatever the
   scale of g. */
static double dsi_adam(const ds_optimizer *o, double g, double *m, double *s)
{
    const double beta1 = o->d.beta1, beta2 = o->d.beta2;
    *m = dsi_times(beta1, *m) + dsi_times(1 - beta1, g);
    *s = dsi_times(beta2, *s) + dsi_times(1 - beta2, dsi_times(g, g));
    return *m / o->fade1 / (sqrt(*s / o->fade2) + o->d.epsilon);
}

/* m = momentum m + g, the new m; a sum and no mean: a constant g makes it g / (1 - momentum) */
static double dsi_velocity(const ds_optimizer *o, double g, double *m)
{
    return *m = dsi_times(o->d.momentum, *m) + g;
}

/* the row of the rule: what x loses per unit of learning rate; m and s move on. x is log x where that is
   what moves, so the weight decay of ADAMW pulls log x to 0, x to 1 */
static double dsi_rule_change(const ds_optimizer *o, double g, double x, double *m, double *s)
{
    (void)x;
    (void)s;
    switch (o->d.rule) {
/* case DSIM_OPTIMIZER_ADAM: return dsi_adam(o, g, m, s); */
#define DSI_ROW(NAME, change, sentence) \
    case DSIM_OPTIMIZER_##NAME: return change;
        DSI_OPTIMIZERS(DSI_ROW)
#undef DSI_ROW
    default: return 0;
    }
}

/* down and period have their defaults here, too: a schedule may come from the caller, not only from an
   optimizer. part counts periods since the warm-up; a step is an integer, so the factor has no history and
   any step may be asked for. */
DIFFSIM_API double ds_schedule_factor(const ds_schedule *schedule, uint64_t step)
{
    static const ds_schedule constant = { DSIM_SCHEDULE_CONSTANT, 0, 0, 0, 0 };
    const ds_schedule *const s = schedule ? schedule : &constant;
    const double down = s->down > 0 ? s->down : 0.1, to = s->to;
    const uint64_t period = s->period ? s->period : 1000;
    double part;
    if (step < s->warm_up) return (double)(step + 1) / (double)s->warm_up;
    part = (double)(step - s->warm_up) / (double)period;
    switch (s->kind) {
/* case DSIM_SCHEDULE_EXPONENTIAL: return dsi_double_pow(down, part); */
#define DSI_ROW(NAME, factor) \
    case DSIM_SCHEDULE_##NAME: return factor;
        DSI_SCHEDULES(DSI_ROW)
#undef DSI_ROW
    default: return 1;
    }
}

/* four numbers and one byte for each parameter, behind the head */
DIFFSIM_API size_t ds_optimizer_bytes(size_t n)
{
    size_t bytes = 0;
    const int bad = ds_size_mul(n, 4 * sizeof(ds_real) + 1, &bytes) ||
                    ds_size_add(bytes, DSI_OPTIMIZER_HEAD, &bytes);
    return bad ? 0 : bytes;
}

/* Fills the defaults in, wanted[i] = 0 becomes otherwise[i]; false: the desc is bad. Where the default is
   0, zero is a value: no decay, no clipping, a schedule down to nothing. !(a <= b) refuses NaN as well.
   betas and momentum of 1 would never forget, and divide by 1 - beta^t = 0. */
static int dsi_optimizer_understand(ds_optimizer_desc *d, size_t n)
{
    double *const wanted[] = { &d->learning_rate, &d->momentum, &d->beta1, &d->beta2, &d->epsilon,
                               &d->weight_decay, &d->clip_value, &d->clip_norm, &d->schedule.down,
                               &d->schedule.to };
    static const double otherwise[] = { 1e-3, 0.9, 0.9, 0.999, 1e-8, 0, 0, 0, 0.1, 0 };
    size_t i;
    for (i = 0; i < sizeof otherwise / sizeof *otherwise; i++) {
        if (!(*wanted[i] >= 0 && dsi_double_is_finite(*wanted[i]))) return 0;
        if (!(*wanted[i] > 0)) *wanted[i] = otherwise[i];
    }
    for (i = 0; d->lower && d->upper && i < n; i++)
        if (!(d->lower[i] <= d->upper[i])) return 0;
    return (unsigned)d->rule < DSIM_OPTIMIZER_COUNT && (unsigned)d->schedule.kind < DSIM_SCHEDULE_COUNT &&
           d->momentum < 1 && d->beta1 < 1 && d->beta2 < 1;
}

DIFFSIM_API ds_optimizer *ds_optimizer_init(void *memory, size_t bytes, size_t n,
                                            const ds_optimizer_desc *desc)
{
    ds_optimizer *const o = (ds_optimizer *)memory;
    const size_t need = ds_optimizer_bytes(n);
    ds_optimizer_desc d;
    memset(&d, 0, sizeof d);
    if (desc) d = *desc;
    DIFFSIM_ASSERT(memory);
    if (!memory || !need || bytes < need || !dsi_optimizer_understand(&d, n)) return NULL;
    memset(memory, 0, need);
    o->d = d;
    o->n = n;
    if (d.lower) memcpy(dsi_optimizer_array(o, 2), d.lower, n * sizeof(ds_real));
    if (d.upper) memcpy(dsi_optimizer_array(o, 3), d.upper, n * sizeof(ds_real));
    if (d.logarithmic) memcpy(dsi_optimizer_array(o, 4), d.logarithmic, n);
    return o;
}

/* the error of the last step: "ds_optimizer_step: <what>, entry <index>: <sentence>"; returns code */
static ds_result dsi_optimizer_refuses(ds_optimizer *o, ds_result code, const char *what, size_t index)
{
    dsi_text t = dsi_text_into(o->error.text, sizeof o->error.text);
    o->error.code = code;
    o->error.index = index;
    dsi_put(&t, "ds_optimizer_step: ");
    dsi_put(&t, what);
    dsi_put(&t, ", entry ");
    dsi_put_size(&t, index);
    dsi_put(&t, ": ");
    dsi_put(&t, ds_result_text(code));
    return code;
}

/* g_i as the rule is to see it, but for the length of the whole: by the chain rule df/d(log x) = x df/dx,
   then between -clip_value and clip_value. Computed again where it is needed: no scratch */
static double dsi_clipped(const ds_optimizer *o, const ds_real *x, const ds_real *grad, size_t i, int in_log)
{
    const double g = in_log ? dsi_times((double)grad[i], (double)x[i]) : (double)grad[i];
    const double c = o->d.clip_value;
    return c > 0 && g > c ? c : c > 0 && g < -c ? -c : g;
}

/* Twice over all entries, first to see whether all that comes out is finite, then to store it: nothing is
   half-written. fade1 and fade2 alone are, and every step computes them anew. Bounds are no reason to
   refuse: they are put on what is finite already. x = exp(log x - change) is computed as x exp(-change),
   so that log x is not rounded on the way. */
DIFFSIM_API ds_result ds_optimizer_step(ds_optimizer *optimizer, ds_real *x, const ds_real *grad)
{
    ds_optimizer *const o = optimizer;
    const size_t n = o ? (size_t)o->n : 0;
    ds_real *m, *s;
    const ds_real *lower, *upper;
    const unsigned char *logs;
    double length = 0, shorten = 1, rate;
    size_t i;
    int store;
    DIFFSIM_ASSERT(o && x && grad);
    if (!o || !x || !grad) return DSIM_ERROR_ARGUMENT;
    m = dsi_optimizer_array(o, 0);
    s = dsi_optimizer_array(o, 1);
    lower = dsi_optimizer_array(o, 2);
    upper = dsi_optimizer_array(o, 3);
    logs = (const unsigned char *)dsi_optimizer_array(o, 4);
    if ((i = dsi_first_non_finite(grad, n)) < n)
        return dsi_optimizer_refuses(o, DSIM_ERROR_NON_FINITE, "the gradient", i);
    if ((i = dsi_first_non_finite(x, n)) < n) return dsi_optimizer_refuses(o, DSIM_ERROR_NON_FINITE, "x", i);
    for (i = 0; i < n; i++) {
        const double g = dsi_clipped(o, x, grad, i, logs[i]);
        if (logs[i] && !(x[i] > 0))
            return dsi_optimizer_refuses(o, DSIM_ERROR_ARGUMENT, "the logarithm of x", i);
        length += dsi_times(g, g);
    }
    length = sqrt(length);
    if (!dsi_double_is_finite(length))
        return dsi_optimizer_refuses(o, DSIM_ERROR_NON_FINITE, "the length of the gradient", n);
    if (o->d.clip_norm > 0 && length > o->d.clip_norm) shorten = o->d.clip_norm / length;
    /* of this step: count is still that of the steps done */
    rate = ds_optimizer_rate(o);
    o->fade1 = 1 - dsi_double_pow(o->d.beta1, (double)o->count + 1);
    o->fade2 = 1 - dsi_double_pow(o->d.beta2, (double)o->count + 1);
    for (store = 0; store < 2; store++) {
        for (i = 0; i < n; i++) {
            const double old = logs[i] ? dsi_double_log((double)x[i]) : (double)x[i];
            const double g = dsi_times(shorten, dsi_clipped(o, x, grad, i, logs[i]));
            double mi = (double)m[i], si = (double)s[i];
            const double change = dsi_times(rate, dsi_rule_change(o, g, old, &mi, &si));
            ds_real to = (ds_real)(logs[i] ? dsi_times((double)x[i], dsi_double_exp(-change)) : old - change);
            if (!store && !(dsi_is_finite((ds_real)mi) && dsi_is_finite((ds_real)si) && dsi_is_finite(to)))
                return dsi_optimizer_refuses(o, DSIM_ERROR_NON_FINITE, "the step", i);
            if (!store) continue;
            if (o->d.lower && to < lower[i]) to = lower[i];
            if (o->d.upper && to > upper[i]) to = upper[i];
            x[i] = to;
            m[i] = (ds_real)mi;
            s[i] = (ds_real)si;
        }
    }
    o->count++;
    memset(&o->error, 0, sizeof o->error);
    return DSIM_OK;
}

DIFFSIM_API const ds_error *ds_optimizer_error(const ds_optimizer *optimizer)
{
    static const ds_error none = { DSIM_ERROR_ARGUMENT, 0,
                                   "the optimizer is NULL: ds_optimizer_init refused memory or desc" };
    return optimizer ? &optimizer->error : &none;
}

DIFFSIM_API uint64_t ds_optimizer_count(const ds_optimizer *optimizer)
{
    return optimizer ? optimizer->count : 0;
}
DIFFSIM_API double ds_optimizer_rate(const ds_optimizer *optimizer)
{
    if (!optimizer) return 0;
    return optimizer->d.learning_rate * ds_schedule_factor(&optimizer->d.schedule, optimizer->count);
}

/* >>impl 16 checks --------------------------------------------------------------------------------

   Each check is begun by dsi_check_begin, runs its tests, and ends with one sentence in the report. A test
   returns an error when it could not be made (dsi_check_ends has written the sentence then); a derivative
   that is found wrong is no error of the test, but report->result = WRONG_GRADIENT.

     ds_check_gradient   dsi_check_start, dsi_taylor_test, dsi_difference_test
     ds_check_hessian    dsi_linear_test, dsi_check_start, dsi_curvature_test for each direction,
                         dsi_taylor_test for the first, dsi_dot_test of H with itself
     ds_check_adjoint    dsi_linear_test of both, dsi_dot_test, dsi_blame_entry if that fails

   The Taylor test looks at all entries at once, but sees none that is small among large ones; differences
   look at each entry, but cost two values each. So both are made.

   Every output is filled with NaN before a callback is to write it: what is left out is found. All sums and
   decisions are made in double, with the epsilon of ds_real. */

static const char *const dsi_label_words[][2] = {
/* { "EXACT", "the derivative of ..." }, */
#define DSI_ROW(NAME, sentence) { #NAME, sentence },
    DSI_GRADIENT_LABELS(DSI_ROW)
#undef DSI_ROW
    { "?", "there is no such label" }
};
/* name (k = 0) or sentence (k = 1); the last row stands for all that is no label */
static const char *dsi_label_word(ds_gradient_label label, int k)
{
    return dsi_label_words[dsi_least((size_t)label, DSIM_GRADIENT_LABEL_COUNT)][k];
}
DIFFSIM_API const char *ds_gradient_label_name(ds_gradient_label label) { return dsi_label_word(label, 0); }
DIFFSIM_API const char *ds_gradient_label_text(ds_gradient_label label) { return dsi_label_word(label, 1); }

/* everything a check works on. Tests share the eight vectors v: those of the linear and of the dot-product
   test lie over the named ones, so in ds_check_hessian the first comes before the gradient is stored, and
   the second after its last use */
typedef struct dsi_check {
    const char *name; /* of the public function */
    const char *what, *entries; /* its words: "the Hessian", " of H p" */
    int order; /* of a right Taylor remainder */
    ds_problem problem;
    const ds_real *x;
    size_t n; /* as problem.n; ds_check_adjoint: inputs */
    ds_check_desc d; /* with the defaults filled in */
    double epsilon;
    ds_rng rng;
    ds_real *v[8]; /* scratch; the first five are free for what is linear */
    ds_real *gradient, *moved, *direction, *difference, *margin, *above, *below, *product; /* names of them */
    double scale, worst, worst_alone; /* of the entries judged so far */
    size_t worst_entry, worst_alone_entry, flat;
    ds_check_report *report;
    ds_arena scratch;
} dsi_check;

/* A number of the report, as in a sentence: its letter below. r is the relative difference of gradient and
   difference; s the slope in hundredths, for a verdict needs no more digits; o and u are the slopes of a
   right and of a wrong derivative. */
static double dsi_reported(const dsi_check *c, char letter)
{
    const ds_check_report *const r = c->report;
    const double g = r->worst_gradient, d = r->worst_difference, s = r->slope;
    switch (letter) {
    case 'g': return g;
    case 'd': return d;
    case 'r': return dsi_absolute(g - d) / dsi_greater(dsi_absolute(g), dsi_absolute(d));
    case 'e': return r->worst_error;
    case 's': return (double)(long)(s * 100 + (s < 0 ? -0.5 : 0.5)) / 100;
    case 't': return r->dot_tangent;
    case 'a': return r->dot_adjoint;
    case 'x': return r->dot_error;
    case 'o': return c->order;
    case 'u': return c->order - 1;
    case 'i': return (double)r->worst_entry;
    case 'c': return (double)r->checked;
    case 'n': return (double)c->n;
    case 'z': return (double)r->zeros_missing;
    case 'f': return (double)r->first_missing;
    default: return (double)c->d.directions; /* 'k' */
    }
}

/* A sentence about the report: "entry %i is %g" has the numbers in the places of their letters, "%W" what
   is checked ("the Hessian"), "%H" of what the entries are (" of H p"). Letters of counts and indices
   print as integers, the other ones as numbers. Example: "%c of %n entries%H" says "12 of 12 entries of H
   p". */
static void dsi_say(const dsi_check *c, dsi_text *t, const char *sentence)
{
    char one[2] = {0, 0};
    for (; *sentence; sentence++) {
        const char letter = *sentence == '%' ? *++sentence : (char)0;
        one[0] = *sentence;
        if (letter && memchr("icnzfk", letter, 6))
            dsi_put_size(t, (size_t)dsi_reported(c, letter));
        else if (letter && !memchr("WH", letter, 2))
            dsi_put_real(t, dsi_reported(c, letter));
        else
            dsi_put(t, letter == 'W' ? c->what : letter == 'H' ? c->entries : one);
    }
}

/* the sentence of the report, empty: the verdict goes there */
static dsi_text dsi_verdict(const dsi_check *c)
{
    return dsi_text_into(c->report->text, sizeof c->report->text);
}
/* four texts in a row; "" for none */
DSI_APART void dsi_put_words(dsi_text *t, const char *first, const char *second, const char *third,
                             const char *last)
{
    const char *const words[] = {first, second, third, last};
    size_t k;
    for (k = 0; k < sizeof words / sizeof *words; k++) dsi_put(t, words[k]);
}
/* the end of a verdict: what the gradient is meant to be */
DSI_APART void dsi_put_label(const dsi_check *c, dsi_text *t)
{
    const ds_gradient_label label = c->d.label;
    dsi_put_words(t, "; its label says ", ds_gradient_label_name(label), ": ", ds_gradient_label_text(label));
}

/* a refusal that ends the check: "<name>: <who><what><index>: <sentence>". For example "ds_check_gradient:
   the gradient, entry 3: ..." with the sentence of NON_FINITE. Returns code */
static ds_result dsi_check_ends(const dsi_check *c, ds_result code, const char *who, const char *what,
                                size_t index)
{
    dsi_text t = dsi_verdict(c);
    c->report->result = code;
    dsi_put_words(&t, c->name, ": ", who, what);
    dsi_put_size(&t, index);
    dsi_put_words(&t, ": ", ds_result_text(code), "", "");
    return code;
}

/* x_i = with for all i */
static void dsi_fill(ds_real *x, size_t n, ds_real with)
{
    while (n--) x[n] = with;
}

/* check and report before any test: no slope (NaN), result DSIM_OK */
static void dsi_check_clear(dsi_check *c, ds_check_report *report, const char *name)
{
    memset(c, 0, sizeof *c);
    memset(report, 0, sizeof *report);
    c->report = report;
    c->name = name;
    c->epsilon = dsi_epsilon();
    report->slope = (double)dsi_nan();
}

/* Fills the defaults in (a tolerance of epsilon^power) and takes `vectors` of `length` from the allocator;
   length 0: something is missing. The step cbrt(epsilon) balances the two errors of a central difference,
   rounding epsilon |f| / h and truncation h^2 |third derivative of f| / 6. */
static ds_result dsi_check_begin(dsi_check *c, const ds_check_desc *desc, double power, size_t vectors,
                                 size_t length)
{
    ds_check_desc *const d = &c->d;
    size_t i;
    if (desc) *d = *desc;
    ds_arena_create(&c->scratch, &d->allocator, 1);
    if (!length)
        return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "a function, x or n is missing, n = ", "", c->n);
    if (!(d->step >= 0 && d->step < 1) || !(d->tolerance >= 0 && dsi_double_is_finite(d->tolerance)))
        return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "desc: 0 <= step < 1 and tolerance >= 0",
                              ", n = ", c->n);
    if ((unsigned)d->label >= DSIM_GRADIENT_LABEL_COUNT)
        return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "desc: there is no label ", "", (size_t)d->label);
    if (c->x && (i = dsi_first_non_finite(c->x, c->n)) < c->n)
        return dsi_check_ends(c, DSIM_ERROR_NON_FINITE, "x", ", entry ", i);
    if (!d->max_entries) d->max_entries = 1000;
    if (!d->directions) d->directions = 4;
    if (!(d->step > 0)) d->step = dsi_double_pow(c->epsilon, 1.0 / 3);
    if (!(d->tolerance > 0)) d->tolerance = dsi_double_pow(c->epsilon, power);
    c->rng = ds_rng_make(d->seed, 0);
    c->report->label = d->label;
    for (i = 0; i < vectors; i++) {
        c->v[i] = (ds_real *)ds_arena_alloc(&c->scratch, length, sizeof *c->v[i]);
        if (!c->v[i]) return dsi_check_ends(c, c->scratch.error.code, "scratch", " for vectors of ", length);
    }
    c->gradient = c->v[0], c->moved = c->v[1], c->direction = c->v[2], c->difference = c->v[3];
    c->margin = c->v[4], c->above = c->v[5], c->below = c->v[6], c->product = c->v[7];
    return DSIM_OK;
}

/* what a step of 1 is for entry i: max(1, |x_i|), or 1 where there is no x (ds_check_adjoint) */
static double dsi_reach(const dsi_check *c, size_t i)
{
    return c->x ? dsi_greater(1, dsi_absolute((double)c->x[i])) : 1;
}

/* p [n] uniform in [-1, 1), times reach: h p moves each entry by h of its own size at most */
static void dsi_random(dsi_check *c, ds_real *p, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) p[i] = (2 * ds_rng_uniform(&c->rng) - 1) * (ds_real)dsi_reach(c, i);
}

/* which entry is the k-th of those checked: k, or k n / checked rounded down, which rises with k and
   begins at 0 */
static size_t dsi_spread(const dsi_check *c, size_t k)
{
    const size_t m = c->report->checked;
    return m < c->n ? (size_t)((double)k * ((double)c->n / (double)m)) : k;
}

/* f and its gradient at x, finite, and the same value, to the bit, again without the gradient: a function
   with a memory, or with random numbers in it, has no derivative to check. The function gets a copy of x. */
static ds_result dsi_check_start(const dsi_check *c)
{
    const ds_problem *const p = &c->problem;
    ds_real value = dsi_nan(), again = dsi_nan();
    size_t bad;
    ds_result result;
    memcpy(c->moved, c->x, c->n * sizeof *c->moved);
    dsi_fill(c->gradient, c->n, dsi_nan());
    result = p->objective(p->user, c->moved, c->n, &value, c->gradient);
    if (result)
        return dsi_check_ends(c, result, "the function failed at x", ", asked for a gradient of entries ",
                              c->n);
    bad = dsi_first_non_finite(c->gradient, c->n);
    if (bad < c->n) return dsi_check_ends(c, DSIM_ERROR_NON_FINITE, "the gradient", ", entry ", bad);
    result = p->objective(p->user, c->moved, c->n, &again, NULL);
    if (result)
        return dsi_check_ends(c, result, "the function failed at x", ", asked for the value only, call ", 2);
    if (!dsi_is_finite(value))
        return dsi_check_ends(c, DSIM_ERROR_NON_FINITE, "the value at x", ", call ", 1);
    if (memcmp(&value, &again, sizeof value) != 0)
        return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "the same x gave another value without the gradient",
                              ", call ", 2);
    c->report->value = (double)value;
    return DSIM_OK;
}

/* f at x + h p and, if wanted, its gradient, both finite. The point is rounded to ds_real */
static ds_result dsi_check_along(const dsi_check *c, double h, double *value, ds_real *grad)
{
    ds_real v = dsi_nan();
    ds_result result;
    size_t i;
    for (i = 0; i < c->n; i++)
        c->moved[i] = (ds_real)((double)c->x[i] + dsi_times(h, (double)c->direction[i]));
    if (grad) dsi_fill(grad, c->n, dsi_nan());
    result = c->problem.objective(c->problem.user, c->moved, c->n, &v, grad);
    *value = (double)v;
    if (!result && (!dsi_is_finite(v) || (grad && dsi_first_non_finite(grad, c->n) < c->n)))
        result = DSIM_ERROR_NON_FINITE;
    return result;
}

/* The order of the remainders c h^slope: their slope over the last four above the noise,
     log(remainder_from / remainder_last) / log(h_from / h_last)
   The last, because there the leading power of h is alone; levels at the start where f has no value are
   left out. NaN if fewer than two are above the noise. */
static double dsi_taylor_slope(const ds_check_report *r)
{
    int k = 0, first, last, from;
    /* remainders first ... last are finite and above the noise; the next one is not, or there is none */
    while (k < DSIM_CHECK_LEVELS && !dsi_double_is_finite(r->remainders[k])) k++;
    for (first = k; k < DSIM_CHECK_LEVELS && r->remainders[k] > r->noise;) k++;
    last = k - 1;
    from = last - first > 3 ? last - 3 : first;
    if (last <= from) return (double)dsi_nan();
    return dsi_double_log(r->remainders[from] / r->remainders[last]) /
           dsi_double_log(r->steps[from] / r->steps[last]);
}

/* |f(x + h p) - f(x) - h g.p - h^2/2 p.Hp| along the direction p for 16 halving h, from 1/32, or 1/4 with
   H; product is Hp, or NULL for 0. It falls as h^2 with a right g, as h with a wrong one; with H as h^3
   and h^2. The larger one of h and -h: where two powers of h cancel on one side, they add on the other.
   Steps that leave the domain (a value that is not finite, or an error) are left out: NaN if both sides
   do. The loop runs over h, -h, h/2, -h/2, ...: k/2 is the level. Below the noise, an estimate of the
   rounding of f and of x + h p seen through g (and H), the remainder means nothing. */
static void dsi_taylor_test(const dsi_check *c, const ds_real *product)
{
    ds_check_report *const r = c->report;
    const double along = dsi_inner(c->gradient, c->direction, c->n);
    double h = product ? 1.0 / 4 : 1.0 / 32; /* h^3 meets the noise earlier */
    double curve = product ? dsi_inner(c->direction, product, c->n) / 2 : 0, sum = 0, value;
    int k;
    size_t i;
    /* an entry moves by h reach at most: rounding of x + h p is epsilon reach there, and g times that in f */
    for (i = 0; i < c->n; i++) {
        sum += dsi_times(dsi_absolute((double)c->gradient[i]), dsi_reach(c, i));
        if (product) sum += dsi_absolute(dsi_times((double)c->direction[i], (double)product[i])) / 32;
    }
    r->noise = 32 * c->epsilon * (dsi_absolute(r->value) + sum) + DBL_MIN; /* of the values and of x + h p */
    for (k = 0; k < 2 * DSIM_CHECK_LEVELS; k++) {
        double *const most = &r->remainders[k / 2];
        /* of both signs the larger counts: NaN to begin with, any number replaces it */
        if (k % 2 == 0) r->steps[k / 2] = h, *most = (double)dsi_nan();
        if (!dsi_check_along(c, h, &value, NULL)) {
            value -= r->value + dsi_times(h, along) + dsi_times(dsi_times(h, h), curve);
            if (!(dsi_absolute(value) < *most)) *most = dsi_absolute(value); /* true for NaN */
        }
        h = k % 2 ? -h / 2 : -h;
    }
    r->slope = dsi_taylor_slope(r);
}

/* no entry is judged yet; the first is worse than nothing */
static void dsi_judge_begin(dsi_check *c)
{
    c->scale = 0;
    c->worst = c->worst_alone = -DBL_MAX;
}

/* A claimed entry meets its central difference. `full` is the one with the whole step, D + c h^2 + ...,
   `half` the one with half of it, D + c h^2/4 + ...; extrapolated (Richardson) they give
     (4 half - full) / 3 = D + O(h^4)
   and the one that fits better counts: a function that bends is not blamed for it. bend: the change of the
   entry within the step; noise: the rounding of a difference. Two margins come of it: miss, beyond 4
   noise, for the test against the scale, and beyond, past 64 noise and a thousandth of the entry itself,
   for the test of the entry alone. The largest of each is kept, with its entry. */
static void dsi_judge_entry(dsi_check *c, size_t i, double claimed, double full, double half, double bend,
                            double noise)
{
    /* the size of the entry: what it is said to be, what it seems to be, what it becomes within the step.
       An entry near zero that changes quickly is judged by its change */
    const double own = dsi_greater(dsi_absolute(claimed), dsi_greater(dsi_absolute(full), bend));
    const double better = (4 * half - full) / 3; /* NaN if there is no half */
    const double difference = dsi_absolute(claimed - better) < dsi_absolute(claimed - full) ? better : full;
    const double miss = dsi_absolute(claimed - difference) - 4 * noise;
    const double beyond = miss - 60 * noise - 1e-3 * own;
    c->difference[i] = (ds_real)difference;
    c->margin[i] = (ds_real)beyond;
    c->flat += !(own > 0);
    c->scale = dsi_greater(c->scale, own);
    if (miss > c->worst) c->worst = miss, c->worst_entry = i;
    if (beyond > c->worst_alone) c->worst_alone = beyond, c->worst_alone_entry = i;
}

/* what is rounding for an entry by itself: an error of 100 epsilon of the largest entry, divided by the
   step */
static double dsi_rounding(const dsi_check *c) { return c->epsilon / c->d.step * 100 * c->scale; }

/* An entry is wrong if it misses by the tolerance times the scale, the largest entry or change of one
   within a step (nearly zero at a minimum is not wrong); or if it misses by a thousandth of itself,
   however small it is, as long as that is more than rounding. The report keeps the worst entry of all
   directions. Errors along different directions are compared as |miss| / scale; an entry that is wrong
   replaces what was there. */
static void dsi_judge(dsi_check *c, const ds_real *claimed)
{
    ds_check_report *const r = c->report;
    /* off: against the scale; alone: against itself. The entry to report is the one that convicts */
    const int off = c->worst > c->d.tolerance * c->scale, alone = c->worst_alone > dsi_rounding(c);
    const size_t i = !off && alone ? c->worst_alone_entry : c->worst_entry;
    const double miss = dsi_absolute((double)claimed[i] - (double)c->difference[i]);
    const double error = c->scale > 0 ? miss / c->scale : 0;
    if (off || alone)
        r->result = DSIM_ERROR_WRONG_GRADIENT;
    else if (error < r->worst_error)
        return;
    r->scale = c->scale;
    r->worst_entry = i;
    r->worst_gradient = (double)claimed[i];
    r->worst_difference = (double)c->difference[i];
    r->worst_error = error;
}

/* Zeros of the gradient: all of them; of those checked, how many where f does not change (flat), and how
   many where it changes beyond rounding (missing). From the last to the first, so that first_missing ends
   as the first. */
static void dsi_count_zeros(const dsi_check *c)
{
    ds_check_report *const r = c->report;
    size_t i, k;
    for (i = 0; i < c->n; i++) r->zeros += !(dsi_absolute((double)c->gradient[i]) > 0);
    r->zeros_flat = c->flat;
    for (k = r->checked; k-- > 0;) {
        i = dsi_spread(c, k);
        if (dsi_absolute((double)c->gradient[i]) > 0 || !((double)c->margin[i] > dsi_rounding(c))) continue;
        r->zeros_missing++;
        r->first_missing = i;
    }
}

/* f at x with entry i moved to `to`; c->moved is a copy of x before and after. Here a value that is not
   finite ends the check: x must have room for a step */
static ds_result dsi_moved_value(const dsi_check *c, size_t i, ds_real to, double *value)
{
    ds_real v = dsi_nan();
    ds_result result;
    c->moved[i] = to;
    result = c->problem.objective(c->problem.user, c->moved, c->n, &v, NULL);
    c->moved[i] = c->x[i];
    if (!result && !dsi_is_finite(v)) result = DSIM_ERROR_NON_FINITE;
    *value = (double)v;
    return result ? dsi_check_ends(c, result, "the value near x", ", with a change of entry ", i) : DSIM_OK;
}

/* (f(x + h) - f(x - h)) / 2h along entry i, and how much the gradient bends within the step:
   |f(x + h) - 2 f(x) + f(x - h)| / h, about h |f''|. Divided by what the entry has really moved, because
   x + h and x - h are rounded. */
static ds_result dsi_central_difference(const dsi_check *c, size_t i, double h, double *difference,
                                        double *bend)
{
    const ds_real up = (ds_real)((double)c->x[i] + h), down = (ds_real)((double)c->x[i] - h);
    double above = 0, below = 0;
    ds_result result = DSIM_OK;
    /* x so large, or the step so small, that it is rounded away */
    if (!(up > down))
        return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "the step vanishes beside x", ", entry ", i);
    result = dsi_moved_value(c, i, up, &above);
    if (!result) result = dsi_moved_value(c, i, down, &below);
    if (result) return result;
    *difference = (above - below) / ((double)up - (double)down);
    *bend = dsi_absolute(above - 2 * c->report->value + below) / h;
    return DSIM_OK;
}

/* central differences of f along up to max_entries axes, spread evenly. Half a step is tried only where
   the whole one does not fit within a quarter of the tolerance: a right gradient costs two values an
   entry, as a rule */
static ds_result dsi_difference_test(dsi_check *c)
{
    size_t k;
    c->report->checked = dsi_least(c->n, c->d.max_entries);
    memcpy(c->moved, c->x, c->n * sizeof *c->moved);
    dsi_judge_begin(c);
    for (k = 0; k < c->report->checked; k++) {
        const size_t i = dsi_spread(c, k);
        const double h = dsi_times(c->d.step, dsi_reach(c, i)), g = (double)c->gradient[i];
        double full, half = (double)dsi_nan(), bend, half_bend;
        ds_result result = dsi_central_difference(c, i, h, &full, &bend);
        /* NaN for the half step means: not needed */
        if (!result && dsi_absolute(g - full) > c->d.tolerance / 4 * dsi_absolute(g))
            result = dsi_central_difference(c, i, h / 2, &half, &half_bend);
        if (result) return result;
        dsi_judge_entry(c, i, g, full, half, bend, c->epsilon * dsi_absolute(c->report->value) / h);
    }
    dsi_judge(c, c->gradient);
    dsi_count_zeros(c);
    return DSIM_OK;
}

/* the sentence about entries and slope; a slope that is too low convicts, too: a wrong entry that was not
   checked, or a kink, shows there alone. Half an order below the right one is the limit; a NaN, which
   means rounding only, convicts nobody. For example
     the gradient is right: 3 of 3 entries within 2e-11 of central differences, the Taylor remainder
     falls with slope 2 (2 is right, 1 is wrong) */
DSI_APART void dsi_put_verdict(const dsi_check *c, dsi_text *t)
{
    ds_check_report *const r = c->report;
    /* order 2 is ds_check_gradient, which may have left entries out; 3 is ds_check_hessian, which has
       compared all of them, so that the gradient is left to blame */
    const int kink = !r->result && r->slope < c->order - 0.5; /* false for NaN */
    dsi_say(c, t, kink ? "the differences fit, but f has a kink or jump near x, or " : "%W is ");
    dsi_say(c, t,
            r->result       ? "wrong: "
            : !kink         ? "right: "
            : c->order == 2 ? "an entry not checked is wrong: "
                            : "its gradient is wrong: ");
    if (r->result)
        dsi_say(c, t, "entry %i%H is %g, its central difference is %d (relative error %r)");
    else
        dsi_say(c, t, "%c of %n entries%H within %e of central differences");
    if (!r->result && !(r->scale > 0))
        dsi_put(t, c->order == 2 ? " (all are zero: f does not depend on them)" : " (all are zero)");
    if (r->zeros_missing) dsi_say(c, t, ", %z are 0 though f changes there, the first is %f");
    if (kink) r->result = DSIM_ERROR_WRONG_GRADIENT;
    dsi_say(c, t,
            dsi_double_is_finite(r->slope)
                ? ", the Taylor remainder falls with slope %s (%o is right, %u is wrong)"
                : ", the Taylor remainder is rounding only");
}

/* Both tests are always made: entries decide about the verdict first, the slope of the Taylor test only if
   they fit. */
DIFFSIM_API ds_result ds_check_gradient(ds_objective_fn *function, void *user, const ds_real *x, size_t n,
                                        const ds_check_desc *desc, ds_check_report *report)
{
    dsi_check c;
    ds_result result;
    DIFFSIM_ASSERT(report);
    if (!report) return DSIM_ERROR_ARGUMENT;
    dsi_check_clear(&c, report, "ds_check_gradient");
    c.what = "the gradient";
    c.entries = "";
    c.order = 2;
    c.problem.objective = function;
    c.problem.user = user;
    c.x = x;
    c.n = n;
    result = dsi_check_begin(&c, desc, 0.4, 5, function && x ? n : 0);
    if (!result) result = dsi_check_start(&c);
    if (!result) {
        dsi_random(&c, c.direction, n);
        dsi_taylor_test(&c, NULL);
        result = dsi_difference_test(&c);
    }
    if (!result) {
        dsi_text t = dsi_verdict(&c);
        dsi_put_verdict(&c, &t);
        dsi_put_label(&c, &t);
    }
    ds_arena_destroy(&c.scratch);
    return report->result;
}

/* what is to be linear: a tangent, an adjoint, a Hessian at x */
typedef struct dsi_operator {
    const char *name;
    ds_linear_fn *function;
    void *user;
    size_t n_in, n_out;
} dsi_operator;

/* the five as a struct: C++11 has no compound literals */
static dsi_operator dsi_operator_of(const char *name, ds_linear_fn *function, void *user, size_t n_in,
                                    size_t n_out)
{
    dsi_operator op;
    op.name = name;
    op.function = function;
    op.user = user;
    op.n_in = n_in;
    op.n_out = n_out;
    return op;
}

/* out [n_out] = F in [n_in], filled with NaN before and finite after; else the check ends with the name of
   F */
static ds_result dsi_apply(const dsi_check *c, const dsi_operator *op, const ds_real *in, ds_real *out)
{
    ds_result result;
    size_t bad;
    dsi_fill(out, op->n_out, dsi_nan());
    result = op->function(op->user, in, op->n_in, out, op->n_out);
    if (result) return dsi_check_ends(c, result, op->name, " failed, asked for entries ", op->n_out);
    bad = dsi_first_non_finite(out, op->n_out);
    return bad < op->n_out ? dsi_check_ends(c, DSIM_ERROR_NON_FINITE, op->name, ", entry ", bad) : DSIM_OK;
}

/* F p again has the same bits, and F(p + q) = F p + F q for random p, q. The difference is measured by the
   largest |F p|_i + |F q|_i. Multiples need no test of their own: what adds up and is continuous is
   linear. Same bits first: else noise would be called non-linear. */
static ds_result dsi_linear_test(dsi_check *c, const dsi_operator *op)
{
    ds_check_report *const r = c->report;
    ds_real *const p = c->v[0], *const q = c->v[1], *const Fp = c->v[2], *const Fq = c->v[3],
                   *const F = c->v[4];
    double scale = 0, worst = -1;
    ds_result result;
    size_t i;
    dsi_random(c, p, op->n_in);
    dsi_random(c, q, op->n_in);
    result = dsi_apply(c, op, p, Fp);
    if (!result) result = dsi_apply(c, op, q, Fq);
    if (!result) result = dsi_apply(c, op, p, F);
    for (i = 0; !result && i < op->n_out; i++)
        if (memcmp(F + i, Fp + i, sizeof *F) != 0)
            result = dsi_check_ends(c, DSIM_ERROR_ARGUMENT, op->name,
                                    " gave another result for the same input, entry ", i);
    if (result) return result;
    dsi_add_multiple(q, 1, p, op->n_in);
    result = dsi_apply(c, op, q, F);
    for (i = 0; !result && i < op->n_out; i++) {
        const double sum = (double)Fp[i] + (double)Fq[i], miss = dsi_absolute((double)F[i] - sum);
        scale = dsi_greater(scale, dsi_absolute((double)Fp[i]) + dsi_absolute((double)Fq[i]));
        if (!(miss > worst)) continue;
        worst = miss;
        r->worst_entry = i;
        r->worst_gradient = (double)F[i];
        r->worst_difference = sum;
    }
    if (!result && worst > c->d.tolerance * scale) {
        dsi_text t = dsi_verdict(c);
        dsi_put(&t, op->name);
        dsi_say(c, &t, " is not linear: entry %i of F(p + q) is %g, that of F p + F q %d");
        dsi_put_label(c, &t);
        result = r->result = DSIM_ERROR_WRONG_GRADIENT;
    }
    return result;
}

/* <y_bar, J x_dot> = <J'y_bar, x_dot> in random directions; the last ones stay in v[0 ...]: x_dot, y_bar,
   J x_dot, J'y_bar. The difference is relative to the larger sum of |products|, not to the product itself,
   which may be nearly zero by chance. Ends with the first direction that fails; else the report has the
   worst */
static ds_result dsi_dot_test(dsi_check *c, const dsi_operator *J, const dsi_operator *Jt)
{
    ds_check_report *const r = c->report;
    ds_real *const x_dot = c->v[0], *const y_bar = c->v[1], *const y_dot = c->v[2], *const x_bar = c->v[3];
    ds_result result = DSIM_OK;
    size_t i, k;
    for (k = 0; k < c->d.directions && !result && !r->result; k++) {
        double tangent, adjoint, sizes[2] = {0, 0}, size, error;
        dsi_random(c, x_dot, J->n_in);
        dsi_random(c, y_bar, J->n_out);
        result = dsi_apply(c, J, x_dot, y_dot);
        if (!result) result = dsi_apply(c, Jt, y_bar, x_bar);
        if (result) break;
        for (i = 0; i < J->n_out; i++)
            sizes[0] += dsi_absolute(dsi_times((double)y_bar[i], (double)y_dot[i]));
        for (i = 0; i < J->n_in; i++) sizes[1] += dsi_absolute(dsi_times((double)x_bar[i], (double)x_dot[i]));
        size = dsi_greater(sizes[0], sizes[1]);
        tangent = dsi_inner(y_bar, y_dot, J->n_out);
        adjoint = dsi_inner(x_bar, x_dot, J->n_in);
        error = size > 0 ? dsi_absolute(tangent - adjoint) / size : 0;
        /* written so that a NaN is wrong, too */
        if (!(error <= c->d.tolerance)) r->result = DSIM_ERROR_WRONG_GRADIENT;
        if (k && error < r->dot_error) continue;
        r->dot_tangent = tangent;
        r->dot_adjoint = adjoint;
        r->dot_error = error;
    }
    return result;
}

/* Which entry of J'y_bar is to blame? x_dot along axis i asks for one entry: <y_bar, J e_i> = (J'y_bar)_i.
   y_bar and x_bar are those that dsi_dot_test left. The one that misses most is reported. */
DSI_APART ds_result dsi_blame_entry(dsi_check *c, const dsi_operator *J)
{
    ds_check_report *const r = c->report;
    ds_real *const x_dot = c->v[0], *const y_bar = c->v[1], *const y_dot = c->v[2], *const x_bar = c->v[3];
    double worst = -1;
    ds_result result = DSIM_OK;
    size_t k;
    r->checked = dsi_least(c->n, c->d.max_entries);
    dsi_fill(x_dot, c->n, 0);
    for (k = 0; k < r->checked && !result; k++) {
        const size_t i = dsi_spread(c, k);
        double wanted, miss;
        x_dot[i] = 1;
        result = dsi_apply(c, J, x_dot, y_dot);
        x_dot[i] = 0;
        wanted = dsi_inner(y_bar, y_dot, J->n_out);
        miss = dsi_absolute((double)x_bar[i] - wanted);
        r->scale = dsi_greater(r->scale, dsi_greater(dsi_absolute((double)x_bar[i]), dsi_absolute(wanted)));
        if (!(miss > worst)) continue;
        worst = miss;
        r->worst_entry = i;
        r->worst_gradient = (double)x_bar[i];
        r->worst_difference = wanted;
    }
    r->worst_error = r->scale > 0 ? worst / r->scale : 0;
    return result;
}

/* Vectors have the length of the longer side, because each of them stands on both: x_dot [n] in one test
   is F p [m] in another. c.x is NULL: random directions are not scaled. */
DIFFSIM_API ds_result ds_check_adjoint(const ds_jacobian *jacobian, const ds_check_desc *desc,
                                       ds_check_report *report)
{
    const ds_jacobian *const j = jacobian;
    dsi_operator tangent, adjoint;
    dsi_check c;
    ds_result result;
    DIFFSIM_ASSERT(report);
    if (!report) return DSIM_ERROR_ARGUMENT;
    dsi_check_clear(&c, report, "ds_check_adjoint");
    c.what = "the adjoint";
    c.n = j ? j->n : 0;
    result = dsi_check_begin(&c, desc, 2.0 / 3, 5,
                             c.n && j->m && j->tangent && j->adjoint ? c.n > j->m ? c.n : j->m : 0);
    if (!result) {
        tangent = dsi_operator_of("the tangent", j->tangent, j->user, j->n, j->m);
        adjoint = dsi_operator_of("the adjoint", j->adjoint, j->user, j->m, j->n);
        result = dsi_linear_test(&c, &tangent);
        if (!result) result = dsi_linear_test(&c, &adjoint);
        if (!result) result = dsi_dot_test(&c, &tangent, &adjoint);
        if (!result && report->result) result = dsi_blame_entry(&c, &tangent);
    }
    if (!result) {
        dsi_text t = dsi_verdict(&c);
        dsi_say(
            &c, &t,
            report->result
                ? "%W is not the transpose of the tangent: <y_bar, J x_dot> is %t, <J'y_bar, x_dot> is %a "
                  "(relative error %x), entry %i of J'y_bar is %g, the tangent says %d"
                : "%W is the transpose of the tangent: both are linear, <y_bar, J x_dot> is %t, "
                  "<J'y_bar, x_dot> is %a (relative error %x at most, in %k directions)");
        dsi_put_label(&c, &t);
    }
    ds_arena_destroy(&c.scratch);
    return report->result;
}

/* H p of the problem as an operator; user is the check */
static ds_result dsi_hessian_operator(void *user, const ds_real *in, size_t n_in, ds_real *out, size_t n_out)
{
    const dsi_check *const c = (const dsi_check *)user;
    (void)n_out;
    return c->problem.hessian(c->problem.user, c->x, n_in, in, out);
}

/* gradients at x + h p and x - h p in above and below */
static ds_result dsi_gradients_beside(const dsi_check *c, double h)
{
    double value;
    ds_result result = dsi_check_along(c, h, &value, c->above);
    if (!result) result = dsi_check_along(c, -h, &value, c->below);
    return result ? dsi_check_ends(c, result, "the gradient near x", ", of entries ", c->n) : DSIM_OK;
}

/* A direction p whose steps are exact: x + h/2 p is a number, and so is x + h p, as a rule. p is what is
   left of a random direction when x + h/2 p has been rounded: p = (rounded - x) / (h/2). Without it, a
   difference of gradients would be divided by 2h, while the entries have moved by something else, each by
   its own. Where x is so large that nothing moves, p is zero. */
static ds_result dsi_exact_direction(dsi_check *c)
{
    const double half = c->d.step / 2;
    size_t i;
    dsi_random(c, c->direction, c->n);
    for (i = 0; i < c->n; i++) {
        const double x = (double)c->x[i];
        c->direction[i] =
            (ds_real)(((double)(ds_real)(x + dsi_times(half, (double)c->direction[i])) - x) / half);
    }
    if (dsi_largest(c->direction, c->n) > 0) return DSIM_OK;
    return dsi_check_ends(c, DSIM_ERROR_ARGUMENT, "the step vanishes beside x", ", entry ", 0);
}

/* H p against differences of gradients along p,
     (g(x + h p) - g(x - h p)) / 2h,   bend |g(x + h p) - 2 g(x) + g(x - h p)| / h
   and the same with h/2, for dsi_judge_entry. difference and margin [n] hold quotient and bend of the
   whole step until entry i is judged, which overwrites both with its own. */
static ds_result dsi_curvature_test(dsi_check *c, const dsi_operator *H)
{
    const double h = c->d.step, noise = c->epsilon * dsi_largest(c->gradient, c->n) / h;
    ds_result result = dsi_exact_direction(c);
    size_t i;
    if (!result) result = dsi_apply(c, H, c->direction, c->product);
    if (!result) result = dsi_gradients_beside(c, h);
    if (result) return result;
    for (i = 0; i < c->n; i++) {
        const double above = (double)c->above[i], below = (double)c->below[i];
        c->difference[i] = (ds_real)((above - below) / (2 * h));
        c->margin[i] = (ds_real)(dsi_absolute(above - 2 * (double)c->gradient[i] + below) / h); /* the bend */
    }
    result = dsi_gradients_beside(c, h / 2);
    if (result) return result;
    c->report->checked = c->n;
    dsi_judge_begin(c);
    for (i = 0; i < c->n; i++)
        dsi_judge_entry(c, i, (double)c->product[i], (double)c->difference[i],
                        ((double)c->above[i] - (double)c->below[i]) / h, (double)c->margin[i], noise);
    dsi_judge(c, c->product);
    return DSIM_OK;
}

/* Linear; then entries along each direction, the Taylor test along the first; then symmetric, as <q, H p>
   = <H q, p>. *symmetric is 0 only if that is what fails: a verdict on entries comes first. */
static ds_result dsi_hessian_tests(dsi_check *c, int *symmetric)
{
    ds_check_report *const r = c->report;
    const dsi_operator H = dsi_operator_of("the Hessian", dsi_hessian_operator, c, c->n, c->n);
    ds_result result = dsi_linear_test(c, &H);
    size_t k;
    if (!result) result = dsi_check_start(c);
    for (k = 0; k < c->d.directions && !result && !r->result; k++) {
        result = dsi_curvature_test(c, &H);
        if (!result && k == 0) dsi_taylor_test(c, c->product);
    }
    if (result || r->result) return result;
    result = dsi_dot_test(c, &H, &H);
    *symmetric = !r->result;
    return result;
}

/* The gradient of the objective is what H is compared with; f itself enters by the Taylor test only. If H is
   found wrong before, symmetry is not looked at. */
DIFFSIM_API ds_result ds_check_hessian(const ds_problem *problem, const ds_real *x, const ds_check_desc *desc,
                                       ds_check_report *report)
{
    dsi_check c;
    ds_result result;
    int symmetric = 1;
    DIFFSIM_ASSERT(report);
    if (!report) return DSIM_ERROR_ARGUMENT;
    dsi_check_clear(&c, report, "ds_check_hessian");
    c.what = "the Hessian";
    c.entries = " of H p";
    c.order = 3;
    if (problem) c.problem = *problem;
    c.x = x;
    c.n = c.problem.n;
    result = dsi_check_begin(&c, desc, 0.4, 8, c.problem.objective && c.problem.hessian && x ? c.n : 0);
    if (!result) result = dsi_hessian_tests(&c, &symmetric);
    if (!result) {
        dsi_text t = dsi_verdict(&c);
        if (symmetric)
            dsi_put_verdict(&c, &t);
        else
            dsi_say(&c, &t, "%W is not symmetric: <q, H p> is %t, <H q, p> is %a (relative error %x)");
        if (!report->result) dsi_say(&c, &t, ", symmetric within %x");
        dsi_put_label(&c, &t);
    }
    ds_arena_destroy(&c.scratch);
    return report->result;
}

/* >>impl end */

#ifdef __cplusplus
}
#endif
#endif /* DIFFSIM_IMPLEMENTATION */

/* Under DIFFSIM_DEBUG each recording call first tells the recorder of its operands where it stands. */
#if defined(DIFFSIM_DEBUG) && !defined(DSI_DEBUG_PART)
#define DSI_DEBUG_PART
DSI_INLINE void dsi_here(ds_recorder *rec, const char *file, int line)
{
    if (!rec) return;
    rec->file = file;
    rec->line = line;
}
/* a kernel begins with the pointer to its recorder */
DSI_INLINE ds_recorder *dsi_kernel_rec(ds_kernel *kernel)
{
    return kernel ? *(ds_recorder **)(void *)kernel : NULL;
}
/* DSI_INLINE ds_var dsi_here_r1(ds_var var, file, line) { tell its recorder; return var; } */
#define DSI_ROW(kind, type, recorder) \
    DSI_INLINE type dsi_here_##kind(type var, const char *file, int line) \
    { \
        dsi_here(recorder, file, line); \
        return var; \
    }
DSI_ROW(r1, ds_var, var.rec)
DSI_ROW(r3, ds_var3, var.rec)
DSI_ROW(r4, ds_var4, var.rec)
DSI_ROW(r9, ds_var33, var.rec)
DSI_ROW(block, ds_vars, var.rec)
DSI_ROW(tape, ds_tape *, (ds_recorder *)(void *)var) /* a tape begins with its recorder */
DSI_ROW(kernel, ds_kernel *, dsi_kernel_rec(var))
DSI_ROW(arg, ds_arg, dsi_kernel_rec(var.kernel))
DSI_ROW(index, ds_index, dsi_kernel_rec(var.kernel))
#undef DSI_ROW
#define DSI_HERE(kind, var) dsi_here_##kind(var, __FILE__, __LINE__)
#define DSI_HERE_1(name, A, p) (name)(DSI_HERE(A, p))
#define DSI_HERE_2(name, A, B, p, q) (name)(DSI_HERE(A, p), DSI_HERE(B, q))
#define DSI_HERE_3(name, A, B, C, p, q, s) (name)(DSI_HERE(A, p), DSI_HERE(B, q), DSI_HERE(C, s))
#define ds_neg(p) DSI_HERE_1(ds_neg, r1, p)
#define ds_abs(p) DSI_HERE_1(ds_abs, r1, p)
#define ds_sign(p) DSI_HERE_1(ds_sign, r1, p)
#define ds_floor(p) DSI_HERE_1(ds_floor, r1, p)
#define ds_stop_gradient(p) DSI_HERE_1(ds_stop_gradient, r1, p)
#define ds_sqrt(p) DSI_HERE_1(ds_sqrt, r1, p)
#define ds_safe_sqrt(p) DSI_HERE_1(ds_safe_sqrt, r1, p)
#define ds_cbrt(p) DSI_HERE_1(ds_cbrt, r1, p)
#define ds_rsqrt(p) DSI_HERE_1(ds_rsqrt, r1, p)
#define ds_square(p) DSI_HERE_1(ds_square, r1, p)
#define ds_recip(p) DSI_HERE_1(ds_recip, r1, p)
#define ds_exp(p) DSI_HERE_1(ds_exp, r1, p)
#define ds_expm1(p) DSI_HERE_1(ds_expm1, r1, p)
#define ds_log(p) DSI_HERE_1(ds_log, r1, p)
#define ds_log1p(p) DSI_HERE_1(ds_log1p, r1, p)
#define ds_sin(p) DSI_HERE_1(ds_sin, r1, p)
#define ds_cos(p) DSI_HERE_1(ds_cos, r1, p)
#define ds_tan(p) DSI_HERE_1(ds_tan, r1, p)
#define ds_asin(p) DSI_HERE_1(ds_asin, r1, p)
#define ds_acos(p) DSI_HERE_1(ds_acos, r1, p)
#define ds_atan(p) DSI_HERE_1(ds_atan, r1, p)
#define ds_sinh(p) DSI_HERE_1(ds_sinh, r1, p)
#define ds_cosh(p) DSI_HERE_1(ds_cosh, r1, p)
#define ds_tanh(p) DSI_HERE_1(ds_tanh, r1, p)
#define ds_sigmoid(p) DSI_HERE_1(ds_sigmoid, r1, p)
#define ds_softplus(p) DSI_HERE_1(ds_softplus, r1, p)
#define ds_erf(p) DSI_HERE_1(ds_erf, r1, p)
#define ds_relu(p) DSI_HERE_1(ds_relu, r1, p)
#define ds_smooth_step(p) DSI_HERE_1(ds_smooth_step, r1, p)
#define ds_add(p, q) DSI_HERE_2(ds_add, r1, r1, p, q)
#define ds_sub(p, q) DSI_HERE_2(ds_sub, r1, r1, p, q)
#define ds_mul(p, q) DSI_HERE_2(ds_mul, r1, r1, p, q)
#define ds_div(p, q) DSI_HERE_2(ds_div, r1, r1, p, q)
#define ds_min(p, q) DSI_HERE_2(ds_min, r1, r1, p, q)
#define ds_max(p, q) DSI_HERE_2(ds_max, r1, r1, p, q)
#define ds_pow(p, q) DSI_HERE_2(ds_pow, r1, r1, p, q)
#define ds_powi(p, q) DSI_HERE_2(ds_powi, r1, r1, p, q)
#define ds_hypot(p, q) DSI_HERE_2(ds_hypot, r1, r1, p, q)
#define ds_atan2(p, q) DSI_HERE_2(ds_atan2, r1, r1, p, q)
#define ds_safe_norm(p, q) DSI_HERE_2(ds_safe_norm, r1, r1, p, q)
#define ds_safe_div(p, q) DSI_HERE_2(ds_safe_div, r1, r1, p, q)
#define ds_clip_gradient(p, q) DSI_HERE_2(ds_clip_gradient, r1, r1, p, q)
#define ds_smooth_abs(p, q) DSI_HERE_2(ds_smooth_abs, r1, r1, p, q)
#define ds_lt(p, q) DSI_HERE_2(ds_lt, r1, r1, p, q)
#define ds_le(p, q) DSI_HERE_2(ds_le, r1, r1, p, q)
#define ds_gt(p, q) DSI_HERE_2(ds_gt, r1, r1, p, q)
#define ds_ge(p, q) DSI_HERE_2(ds_ge, r1, r1, p, q)
#define ds_eq(p, q) DSI_HERE_2(ds_eq, r1, r1, p, q)
#define ds_ne(p, q) DSI_HERE_2(ds_ne, r1, r1, p, q)
#define ds_fma(p, q, s) DSI_HERE_3(ds_fma, r1, r1, r1, p, q, s)
#define ds_clamp(p, q, s) DSI_HERE_3(ds_clamp, r1, r1, r1, p, q, s)
#define ds_select(p, q, s) DSI_HERE_3(ds_select, r1, r1, r1, p, q, s)
#define ds_smooth_min(p, q, s) DSI_HERE_3(ds_smooth_min, r1, r1, r1, p, q, s)
#define ds_smooth_max(p, q, s) DSI_HERE_3(ds_smooth_max, r1, r1, r1, p, q, s)
#define ds_pack3(p, q, s) DSI_HERE_3(ds_pack3, r1, r1, r1, p, q, s)
#define ds_neg3(p) DSI_HERE_1(ds_neg3, r3, p)
#define ds_add3(p, q) DSI_HERE_2(ds_add3, r3, r3, p, q)
#define ds_sub3(p, q) DSI_HERE_2(ds_sub3, r3, r3, p, q)
#define ds_scale3(p, q) DSI_HERE_2(ds_scale3, r3, r1, p, q)
#define ds_axpy3(p, q, s) DSI_HERE_3(ds_axpy3, r1, r3, r3, p, q, s)
#define ds_naxpy3(p, q, s) DSI_HERE_3(ds_naxpy3, r1, r3, r3, p, q, s)
#define ds_lerp3(p, q, s) DSI_HERE_3(ds_lerp3, r3, r3, r1, p, q, s)
#define ds_dot3(p, q) DSI_HERE_2(ds_dot3, r3, r3, p, q)
#define ds_cross3(p, q) DSI_HERE_2(ds_cross3, r3, r3, p, q)
#define ds_norm3(p) DSI_HERE_1(ds_norm3, r3, p)
#define ds_safe_norm3(p) DSI_HERE_1(ds_safe_norm3, r3, p)
#define ds_smooth_norm3(p, q) DSI_HERE_2(ds_smooth_norm3, r3, r1, p, q)
#define ds_normalize3(p) DSI_HERE_1(ds_normalize3, r3, p)
#define ds_safe_normalize3(p) DSI_HERE_1(ds_safe_normalize3, r3, p)
#define ds_pack4(p, q) DSI_HERE_2(ds_pack4, r1, r3, p, q)
#define ds_rotate3(p, q) DSI_HERE_2(ds_rotate3, r4, r3, p, q)
#define ds_pack33(p, q, s) DSI_HERE_3(ds_pack33, r3, r3, r3, p, q, s)
#define ds_columns33(p, q, s) DSI_HERE_3(ds_columns33, r3, r3, r3, p, q, s)
#define ds_neg33(p) DSI_HERE_1(ds_neg33, r9, p)
#define ds_add33(p, q) DSI_HERE_2(ds_add33, r9, r9, p, q)
#define ds_sub33(p, q) DSI_HERE_2(ds_sub33, r9, r9, p, q)
#define ds_scale33(p, q) DSI_HERE_2(ds_scale33, r9, r1, p, q)
#define ds_shift33(p, q) DSI_HERE_2(ds_shift33, r9, r1, p, q)
#define ds_mul33(p, q) DSI_HERE_2(ds_mul33, r9, r9, p, q)
#define ds_transpose33(p) DSI_HERE_1(ds_transpose33, r9, p)
#define ds_trace33(p) DSI_HERE_1(ds_trace33, r9, p)
#define ds_ddot33(p, q) DSI_HERE_2(ds_ddot33, r9, r9, p, q)
#define ds_det33(p) DSI_HERE_1(ds_det33, r9, p)
#define ds_cofactor33(p) DSI_HERE_1(ds_cofactor33, r9, p)
#define ds_inverse33(p) DSI_HERE_1(ds_inverse33, r9, p)
#define ds_outer33(p, q) DSI_HERE_2(ds_outer33, r3, r3, p, q)
#define ds_matvec3(p, q) DSI_HERE_2(ds_matvec3, r9, r3, p, q)
#define ds_tmatvec3(p, q) DSI_HERE_2(ds_tmatvec3, r9, r3, p, q)
#define ds_polar33(p) DSI_HERE_1(ds_polar33, r9, p)
#define ds_stretch33(p) DSI_HERE_1(ds_stretch33, r9, p)
#define ds_symmetric_eigen33(p, w, v) (ds_symmetric_eigen33)(DSI_HERE(r9, p), w, v)
#define ds_svd33(p, u, s, v) (ds_svd33)(DSI_HERE(r9, p), u, s, v)
#define ds_vars_dot(p, q) DSI_HERE_2(ds_vars_dot, block, block, p, q)
#define ds_affine(p, q, s) DSI_HERE_3(ds_affine, block, block, block, p, q, s)
#define ds_vars_tanh(p) DSI_HERE_1(ds_vars_tanh, block, p)
#define ds_vars_at(p, i) (ds_vars_at)(DSI_HERE(block, p), i)
#define ds_vars_at3(p, i) (ds_vars_at3)(DSI_HERE(block, p), i)
#define ds_vars_slice(p, i, n) (ds_vars_slice)(DSI_HERE(block, p), i, n)
#define ds_branch(p) (ds_branch)(DSI_HERE(r1, p))
#define ds_value(p) (ds_value)(DSI_HERE(r1, p))
#define ds_set_input(p, x) (ds_set_input)(DSI_HERE(r1, p), x)
#define ds_input(t, x) (ds_input)(DSI_HERE(tape, t), x)
#define ds_input3(t, x) (ds_input3)(DSI_HERE(tape, t), x)
#define ds_input4(t, x) (ds_input4)(DSI_HERE(tape, t), x)
#define ds_input33(t, x) (ds_input33)(DSI_HERE(tape, t), x)
#define ds_inputs(t, x, n) (ds_inputs)(DSI_HERE(tape, t), x, n)
#define ds_row(p, i) (ds_row)(DSI_HERE(r9, p), i)
#define ds_m(p, i, j) (ds_m)(DSI_HERE(r9, p), i, j)
#define ds_column(p, j) (ds_column)(DSI_HERE(r9, p), j)
#define ds_backward(f) (ds_backward)(DSI_HERE(r1, f))
#define ds_tape_rewind(t, mark) (ds_tape_rewind)(DSI_HERE(tape, t), mark)
/* kernels */
#define ds_arg_in(k, name, n) (ds_arg_in)(DSI_HERE(kernel, k), name, n)
#define ds_arg_out(k, name, n) (ds_arg_out)(DSI_HERE(kernel, k), name, n)
#define ds_arg_sum(k, name, n) (ds_arg_sum)(DSI_HERE(kernel, k), name, n)
#define ds_arg_update(k, name, n) (ds_arg_update)(DSI_HERE(kernel, k), name, n)
#define ds_arg_index(k, name, n) (ds_arg_index)(DSI_HERE(kernel, k), name, n)
#define ds_scalar(k, name) (ds_scalar)(DSI_HERE(kernel, k), name)
#define ds_index_scalar(k, name) (ds_index_scalar)(DSI_HERE(kernel, k), name)
#define ds_lane(k) (ds_lane)(DSI_HERE(kernel, k))
#define ds_lane_axis(k, axis) (ds_lane_axis)(DSI_HERE(kernel, k), axis)
#define ds_lanes(k, axis) (ds_lanes)(DSI_HERE(kernel, k), axis)
#define ds_index_number(k, i) (ds_index_number)(DSI_HERE(kernel, k), i)
#define ds_kernel_end(k) (ds_kernel_end)(DSI_HERE(kernel, k))
#define ds_grid_of_lanes(k, wall) (ds_grid_of_lanes)(DSI_HERE(kernel, k), wall)
#define ds_load(a, i) (ds_load)(DSI_HERE(arg, a), i)
#define ds_load_part(a, i, c) (ds_load_part)(DSI_HERE(arg, a), i, c)
#define ds_load3(a, i) (ds_load3)(DSI_HERE(arg, a), i)
#define ds_load33(a, i) (ds_load33)(DSI_HERE(arg, a), i)
#define ds_load_index(a, i, c) (ds_load_index)(DSI_HERE(arg, a), i, c)
#define ds_store(a, i, p) (ds_store)(DSI_HERE(arg, a), i, p)
#define ds_store_part(a, i, c, p) (ds_store_part)(DSI_HERE(arg, a), i, c, p)
#define ds_store3(a, i, p) (ds_store3)(DSI_HERE(arg, a), i, p)
#define ds_add_at(a, i, p) (ds_add_at)(DSI_HERE(arg, a), i, p)
#define ds_add_part(a, i, c, p) (ds_add_part)(DSI_HERE(arg, a), i, c, p)
#define ds_add_at3(a, i, p) (ds_add_at3)(DSI_HERE(arg, a), i, p)
#define ds_grid_sample(a, c, grid, x) (ds_grid_sample)(DSI_HERE(arg, a), c, grid, x)
#define ds_grid_laplacian(a, c, grid, i) (ds_grid_laplacian)(DSI_HERE(arg, a), c, grid, i)
#define ds_grid_gradient(a, c, grid, i, slope) (ds_grid_gradient)(DSI_HERE(arg, a), c, grid, i, slope)
#define ds_grid_divergence(a, grid, i) (ds_grid_divergence)(DSI_HERE(arg, a), grid, i)
#define ds_floor_index(p) (ds_floor_index)(DSI_HERE(r1, p))
#define ds_bspline2(p, w) (ds_bspline2)(DSI_HERE(r1, p), w)
#define ds_bspline3(p, w) (ds_bspline3)(DSI_HERE(r1, p), w)
#define ds_bspline2_weights(p, w) (ds_bspline2_weights)(DSI_HERE(r1, p), w)
#define ds_bspline3_weights(p, w) (ds_bspline3_weights)(DSI_HERE(r1, p), w)
#define ds_index_add(p, q) DSI_HERE_2(ds_index_add, index, index, p, q)
#define ds_index_sub(p, q) DSI_HERE_2(ds_index_sub, index, index, p, q)
#define ds_index_mul(p, q) DSI_HERE_2(ds_index_mul, index, index, p, q)
#define ds_index_div(p, q) DSI_HERE_2(ds_index_div, index, index, p, q)
#define ds_index_mod(p, q) DSI_HERE_2(ds_index_mod, index, index, p, q)
#define ds_index_min(p, q) DSI_HERE_2(ds_index_min, index, index, p, q)
#define ds_index_max(p, q) DSI_HERE_2(ds_index_max, index, index, p, q)
#define ds_index_lt(p, q) DSI_HERE_2(ds_index_lt, index, index, p, q)
#define ds_index_le(p, q) DSI_HERE_2(ds_index_le, index, index, p, q)
#define ds_index_eq(p, q) DSI_HERE_2(ds_index_eq, index, index, p, q)
#define ds_index_select(p, q, s) DSI_HERE_3(ds_index_select, index, index, index, p, q, s)
#define ds_index_clamp(p, q, s) DSI_HERE_3(ds_index_clamp, index, index, index, p, q, s)
/* the indices of a cell, [rank] of the grid */
DSI_INLINE const ds_index *dsi_here_grid(const ds_grid *grid, const ds_index *i, const char *file, int line)
{
    size_t axis;
    for (axis = 0; grid && i && axis < grid->rank && axis < 3; axis++)
        dsi_here(dsi_kernel_rec(i[axis].kernel), file, line);
    return i;
}
#define ds_grid_at(grid, i) (ds_grid_at)(grid, dsi_here_grid(grid, i, __FILE__, __LINE__))
/* a list: the first entry that has a recorder is told */
DSI_INLINE size_t dsi_here_list(const ds_var *x, size_t n, const char *file, int line)
{
    size_t i;
    for (i = 0; x && i < n; i++)
        if (x[i].rec) {
            dsi_here(x[i].rec, file, line);
            break;
        }
    return n;
}
DSI_INLINE ds_var dsi_here_sum(const ds_var *x, size_t n, const char *file, int line)
{
    return ds_sum(x, dsi_here_list(x, n, file, line));
}
DSI_INLINE ds_var dsi_here_weighted_sum(const ds_real *w, const ds_var *x, size_t n, const char *file,
                                        int line)
{
    return ds_weighted_sum(w, x, dsi_here_list(x, n, file, line));
}
DSI_INLINE ds_var dsi_here_dot(const ds_var *a, const ds_var *b, size_t n, const char *file, int line)
{
    return ds_dot(a, b, dsi_here_list(b, dsi_here_list(a, n, file, line), file, line));
}
DSI_INLINE ds_var3 dsi_here_sum3(const ds_var3 *x, size_t n, const char *file, int line)
{
    if (x && n) dsi_here(x->rec, file, line);
    return ds_sum3(x, n);
}
DSI_INLINE ds_var3 dsi_here_weighted_sum3(const ds_real *w, const ds_var3 *x, size_t n, const char *file,
                                          int line)
{
    if (x && n) dsi_here(x->rec, file, line);
    return ds_weighted_sum3(w, x, n);
}
DSI_INLINE ds_result dsi_here_backward(const ds_var *f, const ds_real *seeds, size_t n, const char *file,
                                       int line)
{
    return ds_backward_many(f, seeds, dsi_here_list(f, n, file, line));
}
/* a 2x2 matrix */
DSI_INLINE const ds_var *dsi_here_22(const ds_var *x, const char *file, int line)
{
    return dsi_here_list(x, 4, file, line) ? x : NULL;
}
#define ds_mul22(p, q, out) (ds_mul22)(dsi_here_22(p, __FILE__, __LINE__), q, out)
#define ds_det22(p) (ds_det22)(dsi_here_22(p, __FILE__, __LINE__))
#define ds_inverse22(p, out) (ds_inverse22)(dsi_here_22(p, __FILE__, __LINE__), out)
#define ds_polar22(p, out) (ds_polar22)(dsi_here_22(p, __FILE__, __LINE__), out)
#define ds_stretch22(p) (ds_stretch22)(dsi_here_22(p, __FILE__, __LINE__))
#define ds_backward_many(f, seeds, n) dsi_here_backward(f, seeds, n, __FILE__, __LINE__)
#define ds_sum(x, n) dsi_here_sum(x, n, __FILE__, __LINE__)
#define ds_weighted_sum(w, x, n) dsi_here_weighted_sum(w, x, n, __FILE__, __LINE__)
#define ds_dot(a, b, n) dsi_here_dot(a, b, n, __FILE__, __LINE__)
#define ds_sum3(x, n) dsi_here_sum3(x, n, __FILE__, __LINE__)
#define ds_weighted_sum3(w, x, n) dsi_here_weighted_sum3(w, x, n, __FILE__, __LINE__)
#endif /* DIFFSIM_DEBUG */

/* Changes

   0.3.0  Hessians many rows at a time; C++ operators and descs by reference; ds_check_hessian,
          ds_check_adjoint, gradient labels, zero gradients counted; ds_clip_gradient
   0.2.0  second derivatives, replay, custom nodes, checkpoints, ds_explain; dense linear algebra,
          minimisers, optimizers; 3x3 decompositions
   0.1.0  the first gradient: base, maths, the table of operations, the tape, gradient checks

   ----------------------------------------------------------------------------------------------------
   This software is available under 2 licenses; choose whichever you prefer.
   ----------------------------------------------------------------------------------------------------
   ALTERNATIVE A - Public domain (www.unlicense.org)

   This is free and unencumbered software released into the public domain. Anyone is free to copy, modify,
   publish, use, compile, sell, or distribute this software, either in source code form or as a compiled
   binary, for any purpose, commercial or non-commercial, and by any means.

   In jurisdictions that recognize copyright laws, the author or authors of this software dedicate any and
   all copyright interest in the software to the public domain. We make this dedication for the benefit of
   the public at large and to the detriment of our heirs and successors. We intend this dedication to be an
   overt act of relinquishment in perpetuity of all present and future rights to this software under
   copyright law.

   THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
   LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
   NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
   CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
   DEALINGS IN THE SOFTWARE.

   For more information, please refer to <http://unlicense.org/>
   ----------------------------------------------------------------------------------------------------
   ALTERNATIVE B - MIT No Attribution

   Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
   associated documentation files (the "Software"), to deal in the Software without restriction, including
   without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
   copies of the Software, and to permit persons to whom the Software is furnished to do so.

   THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
   LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
   NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
   WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
   SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE. */
