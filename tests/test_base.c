/* The ground: results, sizes, arenas, parallel loops, numbers as text, random numbers, hashes and what the
   build did to floating point hold what section 1 promises, against the C library and published vectors. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "tap.h"
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int patient; /* `test_base all`: no loop is cut short */

/* at least the first number of rounds, at most the second, and between them until the time is over */
static int goes_on(long round, long least, long most, clock_t began, double seconds)
{
    return round < least ||
           (round < most && (patient || (double)(clock() - began) < seconds * CLOCKS_PER_SEC));
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* any finite double that is not zero: all exponents, every eighth one below the normal range */
static double random_double(ds_rng *rng)
{
    uint64_t bits;
    do bits = ds_rng_bits(rng) & ~(ds_rng_bits(rng) % 8 ? UINT64_C(0) : UINT64_C(0x7ff0000000000000));
    while (!(bits << 1) || (bits >> 52 & 2047) == 2047);
    return double_of(bits);
}

/* results */

static void test_results(void)
{
    static const int codes[] = { -1, DSIM_RESULT_COUNT, DSIM_RESULT_COUNT + 1, 1 << 30, -(1 << 30) };
    int i, j, named = 1, said = 1, distinct = 1, safe = 1;
    for (i = 0; i < DSIM_RESULT_COUNT; i++) {
        const char *const name = ds_result_name((ds_result)i), *const text = ds_result_text((ds_result)i);
        named &= strncmp(name, "DSIM_", 5) == 0 && strlen(name) > 6;
        said &= strlen(text) > 15 && text[strlen(text) - 1] != '.';
        for (j = 0; j < i; j++)
            distinct &=
                strcmp(name, ds_result_name((ds_result)j)) && strcmp(text, ds_result_text((ds_result)j));
    }
    for (i = 0; i < (int)COUNT(codes); i++)
        safe &= strncmp(ds_result_name((ds_result)codes[i]), "DSIM_", 5) != 0 &&
                strlen(ds_result_text((ds_result)codes[i])) > 0;
    TAP_OK(DSIM_OK == 0, "DSIM_OK is zero");
    TAP_OK(named && !strcmp(ds_result_name(DSIM_ERROR_STALE), "DSIM_ERROR_STALE"),
           "every result has its name");
    TAP_OK(said, "every result has a sentence");
    TAP_OK(distinct, "no two results share one");
    TAP_OK(safe, "codes that are no results have a text, too");
}

static void test_version(void)
{
    char text[32];
    sprintf(text, "%d.%d.%d", DIFFSIM_VERSION_MAJOR, DIFFSIM_VERSION_MINOR, DIFFSIM_VERSION_PATCH);
    TAP_OK(!strcmp(text, DIFFSIM_VERSION_STRING) && !strcmp(text, ds_version()), "version is %s everywhere",
           text);
    TAP_OK(ds_version_number() == DIFFSIM_VERSION_NUMBER, "and its number");
}

/* sizes */

static void test_sizes(void)
{
    const size_t most = (size_t)-1, half = most / 2;
    const struct { size_t left, right; int fits;
    } products[] = {
        {0, 0, 1},    {0, most, 1}, {most, 0, 1},     {1, most, 1},     {most, 1, 1},
        {2, half, 1}, {half, 2, 1}, {2, half + 1, 0}, {half + 1, 2, 0}, {most, most, 0},
        {most, 2, 0}, {half, 3, 0}, {3, most / 3, 1},
    };
    const struct { size_t left, right; int fits; } sums[] = {
        { 0, 0, 1 }, { 0, most, 1 }, { most, 0, 1 }, { most, 1, 0 }, { 1, most, 0 }, { half, half + 1, 1 },
        { half + 1, half + 1, 0 }, { most, most, 0 }, { most - 1, 1, 1 },
    };
    size_t i, out;
    int good = 1;
    for (i = 0; i < COUNT(products); i++) {
        out = 77;
        good &= ds_size_mul(products[i].left, products[i].right, &out) ==
                (products[i].fits ? DSIM_OK : DSIM_ERROR_OVERFLOW);
        good &= out == (products[i].fits ? products[i].left * products[i].right : 77);
    }
    TAP_OK(good, "products of sizes fit or refuse, and a refusal leaves *out");
    for (good = 1, i = 0; i < COUNT(sums); i++) {
        out = 77;
        good &=
            ds_size_add(sums[i].left, sums[i].right, &out) == (sums[i].fits ? DSIM_OK : DSIM_ERROR_OVERFLOW);
        good &= out == (sums[i].fits ? sums[i].left + sums[i].right : 77);
    }
    TAP_OK(good, "sums of sizes, too");
}

/* arenas */

typedef struct counts { size_t calls, live_blocks, live_bytes; int wrong_old_bytes; } counts;

/* an allocator that counts; before each block it keeps the block's size */
static void *counted_resize(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    counts *const c = (counts *)user;
    size_t *block = pointer ? (size_t *)pointer - 2 : NULL;
    c->calls++;
    if (block && block[0] != old_bytes) c->wrong_old_bytes = 1;
    if (block) c->live_blocks--, c->live_bytes -= old_bytes;
    if (!new_bytes) {
        free(block);
        return NULL;
    }
    block = (size_t *)realloc(block, new_bytes + 2 * sizeof *block);
    block[0] = new_bytes;
    c->live_blocks++;
    c->live_bytes += new_bytes;
    return block + 2;
}

static int all_zero(const void *p, size_t bytes)
{
    const unsigned char *const c = (const unsigned char *)p;
    size_t i;
    for (i = 0; i < bytes; i++)
        if (c[i]) return 0;
    return 1;
}

static void test_arena_in_memory(void)
{
    char memory[1024 + 16];
    ds_arena arena;
    ds_arena_place start, later;
    size_t taken = 0, bytes;
    char *p, *first;
    int good = 1;
    memset(memory, 0x5a, sizeof memory);
    ds_arena_init(&arena, memory + 3, 1024);
    start = ds_arena_mark(&arena);
    for (bytes = 1; (p = (char *)ds_arena_alloc(&arena, 1, bytes)) != NULL; bytes += 7) {
        good &=
            (uintptr_t)p % 16 == 0 && p >= memory + 3 && p + bytes <= memory + 3 + 1024 && all_zero(p, bytes);
        memset(p, 0xff, bytes);
        taken += bytes;
    }
    TAP_OK(good && taken > 512, "an arena over unaligned memory: aligned, zeroed, inside");
    TAP_OK(memory[2] == 0x5a && memory[3 + 1024] == 0x5a, "the bytes around it are untouched");
    TAP_OK(arena.error.code == DSIM_ERROR_FULL && arena.error.index >= bytes, "exhaustion is named");
    TAP_HAS(arena.error.text, ds_result_text(DSIM_ERROR_FULL), "with its sentence");
    TAP_OK(!ds_arena_alloc(&arena, 4096, 1) && arena.error.index < 4096, "the first refusal sticks");

    TAP_OK(!ds_arena_release(&arena, start), "release to the beginning");
    first = (char *)ds_arena_alloc(&arena, 3, 8);
    TAP_OK(first == memory + 3 + 16 - (uintptr_t)(memory + 3) % 16 && all_zero(first, 24),
           "the same bytes again, zeroed");
    later = ds_arena_mark(&arena);
    p = (char *)ds_arena_alloc(&arena, 1, 1);
    TAP_OK(!ds_arena_release(&arena, later) && ds_arena_alloc(&arena, 1, 1) == p, "a mark in the middle");
    ds_arena_release(&arena, start);
    TAP_OK(ds_arena_release(&arena, later) == DSIM_ERROR_STALE, "a mark above the end is stale");
    ds_arena_destroy(&arena);
}

static void test_arena_of_nothing(void)
{
    char memory[8];
    ds_arena arena;
    ds_arena_init(&arena, NULL, 0);
    TAP_OK(!ds_arena_alloc(&arena, 1, 1) && arena.error.code == DSIM_ERROR_FULL,
           "an arena over nothing is full");
    ds_arena_init(&arena, memory, sizeof memory);
    TAP_OK(!ds_arena_alloc(&arena, 1, 16) && arena.error.code == DSIM_ERROR_FULL, "so is one of a few bytes");
    ds_arena_destroy(&arena);
    ds_arena_destroy(NULL);
}

/* with blocks of 256 bytes: nested marks, large requests, everything given back */
static void test_arena_in_blocks(void)
{
    counts c = { 0, 0, 0, 0 };
    ds_allocator allocator = { counted_resize, NULL };
    ds_arena arena;
    ds_arena_place place[6];
    size_t blocks[6], i, j;
    int good = 1, given_back = 1;
    char *p;
    allocator.user = &c;
    ds_arena_create(&arena, &allocator, 256);
    TAP_OK(c.calls == 0, "an arena with an allocator begins without a block");
    for (i = 0; i < COUNT(place); i++) {
        place[i] = ds_arena_mark(&arena);
        blocks[i] = c.live_blocks;
        for (j = 0; j < 10; j++) {
            p = (char *)ds_arena_alloc(&arena, i + 1, 1 + j * 37);
            good &= p && (uintptr_t)p % 16 == 0 && all_zero(p, (i + 1) * (1 + j * 37));
            if (p) memset(p, 0xff, (i + 1) * (1 + j * 37));
        }
    }
    TAP_OK(good && c.live_blocks > 6, "small and large requests over %d blocks", (int)c.live_blocks);
    for (i = COUNT(place); i-- > 2;) {
        given_back &= ds_arena_release(&arena, place[i]) == DSIM_OK && c.live_blocks == blocks[i];
        for (j = i + 1; j < COUNT(place); j++)
            given_back &= ds_arena_release(&arena, place[j]) == DSIM_ERROR_STALE;
        p = (char *)ds_arena_alloc(&arena, 1, 40);
        given_back &= p && all_zero(p, 40);
    }
    TAP_OK(given_back, "nested marks give their blocks back, newer marks are stale, memory is zeroed again");
    TAP_OK(!ds_arena_release(&arena, place[0]) && c.live_blocks == 0, "the first mark gives everything back");
    TAP_OK(ds_arena_alloc(&arena, 1, 1) != NULL, "and the arena goes on");
    ds_arena_destroy(&arena);
    TAP_OK(c.live_blocks == 0 && c.live_bytes == 0 && !c.wrong_old_bytes, "destroy leaves nothing");
}

static void test_arena_overflow(void)
{
    const size_t most = (size_t)-1;
    const struct { size_t count, bytes; } wanted[] = {
        { most, 2 }, { most / 8 + 1, 8 }, { most, 1 }, { most - 14, 1 }, { 1, most - 3 }, { most / 16, 16 },
    };
    size_t i;
    int good = 1;
    for (i = 0; i < COUNT(wanted); i++) {
        counts c = { 0, 0, 0, 0 };
        ds_allocator allocator = { counted_resize, NULL };
        ds_arena arena;
        allocator.user = &c;
        ds_arena_create(&arena, &allocator, 0);
        good &= !ds_arena_alloc(&arena, wanted[i].count, wanted[i].bytes) && c.calls == 0 &&
                arena.error.code == DSIM_ERROR_OVERFLOW && strstr(arena.error.text, "arena") != NULL;
        ds_arena_destroy(&arena);
    }
    TAP_OK(good, "count * bytes that wraps is refused and never asked for");
}

static void test_arena_of_others(void)
{
    char memory[512];
    ds_arena low, high, blocks;
    char *p;
    ds_arena_init(&low, memory, 256);
    ds_arena_init(&high, memory + 256, 256);
    ds_arena_create(&blocks, NULL, 100);
    ds_arena_alloc(&blocks, 1, 1);
    ds_arena_release(&blocks, ds_arena_mark(&low));
    p = (char *)ds_arena_alloc(&blocks, 1, 16);
    TAP_OK(p + 16 <= memory || p >= memory + 512,
           "after a mark of another arena, blocks do not hand out its memory");
    ds_arena_release(&high, ds_arena_mark(&low));
    p = (char *)ds_arena_alloc(&high, 1, 16);
    TAP_OK(!p || (p >= memory + 256 && p + 16 <= memory + 512), "nor does an arena over other memory");
    ds_arena_destroy(&blocks);
}

/* parallel loops */

enum { MOST = 1000 };
typedef struct cover { int times[MOST + 1], bad; size_t grain, n, n_workers, pieces; } cover;

static void cover_piece(void *task, size_t begin, size_t end, size_t worker)
{
    cover *const c = (cover *)task;
    if (begin >= end || end > c->n || worker >= c->n_workers) c->bad = 1;
    if (end - begin < c->grain && end < c->n && c->pieces) c->bad = 1;
    c->pieces++;
    for (; begin < end && begin < MOST; begin++) c->times[begin]++;
}

typedef struct hook { size_t calls, least_grain; } hook;

/* pieces from the last to the first, each of another worker */
static void backwards_for(void *user, size_t n, size_t grain, ds_task_fn *fn, void *task)
{
    hook *const h = (hook *)user;
    size_t piece = (n + grain - 1) / grain;
    h->calls++;
    if (grain < h->least_grain) h->least_grain = grain;
    while (piece-- > 0) fn(task, piece * grain, (piece + 1) * grain < n ? (piece + 1) * grain : n, piece % 3);
}

static int covers_once(const ds_jobs *jobs, size_t n, size_t grain)
{
    cover c;
    size_t i;
    memset(&c, 0, sizeof c);
    c.n = n;
    c.grain = grain;
    c.n_workers = jobs && jobs->parallel_for ? jobs->n_workers : 1;
    ds_parallel_for(jobs, n, grain, cover_piece, &c);
    for (i = 0; i <= MOST; i++)
        if (c.times[i] != (i < n)) return 0;
    return !c.bad && (n || !c.pieces);
}

static void test_parallel_for(void)
{
    static const size_t ns[] = { 0, 1, 2, 7, 64, 999, MOST }, grains[] = { 0, 1, 3, 64, 999, 5000 };
    hook h = { 0, 5000 };
    ds_jobs none, jobs;
    size_t i, j;
    int alone = 1, hooked = 1;
    memset(&none, 0, sizeof none);
    jobs.parallel_for = backwards_for;
    jobs.user = &h;
    jobs.n_workers = 3;
    for (i = 0; i < COUNT(ns); i++)
        for (j = 0; j < COUNT(grains); j++) {
            alone &= covers_once(NULL, ns[i], grains[j]) && covers_once(&none, ns[i], grains[j]);
            hooked &= covers_once(&jobs, ns[i], grains[j]);
        }
    TAP_OK(alone, "a loop without a hook covers everything once");
    TAP_OK(hooked && h.calls > 10, "so does one with a hook, called %d times", (int)h.calls);
    TAP_OK(h.least_grain >= 1, "the hook never gets a grain of zero");
}

/* numbers as text */

/* significant digits of a decimal text and its point (0.d0 d1 ... * 10^point), to compare texts of any
   layout */
typedef struct decimal { char digits[40]; int n, point, negative; } decimal;

static decimal decimal_of(const char *text)
{
    decimal d;
    int dot = 0;
    memset(&d, 0, sizeof d);
    d.negative = *text == '-';
    for (text += d.negative; *text && *text != 'e'; text++) {
        if (*text == '.') {
            dot = 1;
        } else {
            if (d.n || *text != '0') d.digits[d.n++] = *text;
            d.point += d.n ? !dot : -dot;
        }
    }
    if (*text == 'e') d.point += atoi(text + 1);
    while (d.n && d.digits[d.n - 1] == '0') d.digits[--d.n] = 0;
    if (!d.n) d.point = 0;
    return d;
}

static int same_decimal(const char *left, const char *right)
{
    const decimal l = decimal_of(left), r = decimal_of(right);
    return l.negative == r.negative && l.point == r.point && !strcmp(l.digits, r.digits);
}

/* does the whole text read as these bits? */
static int reads_as(const char *text, size_t n, double want)
{
    double got = 12345;
    return ds_real_from_text(text, text + n, &got) == text + n && bits_of(got) == bits_of(want);
}

/* digits of random numbers, as many as a double can need and more, against the C library */
static void test_text_against_the_library(void)
{
    ds_rng rng = ds_rng_make(1, 1);
    const clock_t began = clock();
    long i, bad_digits = 0, bad_read = 0;
    char ours[32], theirs[64];
    for (i = 0; goes_on(i, 10000, 200000, began, 0.6); i++) {
        const double x = random_double(&rng);
        const int digits = i % 2 ? 17 : 1 + (int)(ds_rng_bits(&rng) % 17);
        const size_t n = ds_text_from_real(ours, sizeof ours, x, digits);
        sprintf(theirs, "%.*e", digits - 1, x);
        if (n != strlen(ours) || n > 24 || !same_decimal(ours, theirs)) bad_digits++;
        if (!reads_as(theirs, strlen(theirs), strtod(theirs, NULL)) ||
            (digits == 17 && !reads_as(ours, n, x)))
            bad_read++;
    }
    TAP_OK(!bad_digits, "%ld random doubles print the digits of printf", i);
    TAP_OK(!bad_read, "and texts of 1 to 17 digits read as strtod reads them");
}

static void test_text_of_many_digits(void)
{
    ds_rng rng = ds_rng_make(2, 1);
    const clock_t began = clock();
    long i, bad = 0;
    char text[1000];
    for (i = 0; goes_on(i, 2000, 50000, began, 0.15); i++) {
        const int digits = i % 64 ? 1 + (int)(ds_rng_bits(&rng) % 40) : 1 + (int)(ds_rng_bits(&rng) % 900);
        const int dot = (int)(ds_rng_bits(&rng) % (uint64_t)(digits + 1));
        int k, n = 0;
        for (k = 0; k < digits; k++) {
            if (k == dot) text[n++] = '.';
            text[n++] = (char)('0' + ds_rng_bits(&rng) % 10);
        }
        n += sprintf(text + n, "e%d", (int)(ds_rng_bits(&rng) % 680) - 340 - dot);
        if (!reads_as(text, (size_t)n, strtod(text, NULL))) bad++;
    }
    TAP_OK(!bad, "%ld random texts of up to 900 digits read as strtod reads them", i);
}

/* decimal digits of fraction * 2^exponent, exactly, most significant first: a shift is a loop over digits */
static int exact_digits(uint64_t fraction, int exponent, char *out, int *point)
{
    static char d[1200]; /* least significant first */
    int n = 0, i, carry;
    *point = 0;
    for (; fraction; fraction /= 10) d[n++] = (char)(fraction % 10);
    for (; exponent; exponent += exponent < 0 ? 1 : -1) {
        for (carry = 0, i = 0; i < n; i++) { /* a half is five tenths */
            carry += d[i] * (exponent < 0 ? 5 : 2);
            d[i] = (char)(carry % 10);
            carry /= 10;
        }
        if (carry) d[n++] = (char)carry;
        *point -= exponent < 0;
    }
    *point += n;
    for (i = 0; i < n; i++) out[i] = (char)('0' + d[n - 1 - i]);
    return n;
}

/* exactly between two doubles, and a trifle to either side */
static void test_text_halfway(void)
{
    ds_rng rng = ds_rng_make(3, 1);
    int i, bad_middle = 0, bad_below = 0, bad_above = 0;
    char text[1400];
    for (i = 0; i < 200; i++) {
        const uint64_t bits = bits_of(random_double(&rng)) << 1 >> 1;
        const int biased = (int)(bits >> 52);
        const uint64_t fraction = (bits & UINT64_C(0xfffffffffffff)) | (biased ? UINT64_C(1) << 52 : 0);
        const double low = double_of(bits), high = double_of(bits + 1);
        int point, n = exact_digits(2 * fraction + 1, (biased ? biased : 1) - 1076, text, &point), end;
        while (text[n - 1] == '0') n--;
        end = n + sprintf(text + n, "e%d", point - n);
        if (!reads_as(text, (size_t)end, fraction % 2 ? high : low)) bad_middle++;
        memset(text + n, '0', 400);
        end = n + 400 + sprintf(text + n + 400, "1e%d", point - n - 401);
        if (!reads_as(text, (size_t)end, high)) bad_above++;
        text[n - 1]--;
        memset(text + n, '9', 400);
        end = n + 400 + sprintf(text + n + 400, "e%d", point - n - 400);
        if (!reads_as(text, (size_t)end, low)) bad_below++;
    }
    TAP_OK(!bad_middle, "halfway between two doubles reads as the even one");
    TAP_OK(!bad_above, "a digit far behind the middle reads as the larger");
    TAP_OK(!bad_below, "below the middle as the smaller");
}

/* Is there no text with fewer digits? If one with n - 1 digits reads back, so does a neighbour of x among
   those. */
static int is_shortest(double x, const char *text)
{
    const decimal d = decimal_of(text);
    char shorter[64];
    int step;
    if (d.n < 2) return 1;
    sprintf(shorter, "%.*e", d.n - 2, x);
    for (step = -1; step <= 1; step++) {
        decimal s = decimal_of(shorter);
        long long number = 0;
        int k;
        for (k = 0; k < d.n - 1; k++) number = 10 * number + (k < s.n ? s.digits[k] - '0' : 0);
        sprintf(s.digits, "%s%llde%d", x < 0 ? "-" : "", number + step, s.point - (d.n - 1));
        if (bits_of(strtod(s.digits, NULL)) == bits_of(x)) return 0;
    }
    return 1;
}

static void check_shortest(double x, long *bad_read, long *bad_length)
{
    char text[32];
    const size_t n = ds_text_from_real(text, sizeof text, x, 0);
    if (!reads_as(text, n, x) || bits_of(strtod(text, NULL)) != bits_of(x)) (*bad_read)++;
    if (n > 24 || !is_shortest(x, text)) {
        if (!(*bad_length)++) tap_diag("not the shortest: %s", text);
    }
}

static void test_text_shortest(void)
{
    ds_rng rng = ds_rng_make(4, 1);
    const clock_t began = clock();
    long i, bad_read = 0, bad_length = 0;
    for (i = 0; goes_on(i, 500, 20000, began, 0.2); i++) {
        char human[32];
        double x = random_double(&rng);
        if (i % 4 == 0) {
            sprintf(human, "%.*e", (int)(ds_rng_bits(&rng) % 6), x);
            x = strtod(human, NULL);
        }
        if (isfinite(x)) check_shortest(x, &bad_read, &bad_length);
    }
    TAP_OK(!bad_read, "%ld shortest texts read back", i);
    TAP_OK(!bad_length, "and no shorter one does");
    for (bad_read = bad_length = 0, i = -1074; i <= 1023; i++)
        check_shortest(ldexp(1, (int)i), &bad_read, &bad_length);
    TAP_OK(!bad_read, "the shortest texts of all powers of two read back");
    TAP_OK(!bad_length, "and no shorter one does, though their neighbour below is nearer");
    for (bad_read = bad_length = 0, i = -324; i <= 308; i++) {
        char text[32];
        sprintf(text, "1e%ld", i);
        if (!reads_as(text, strlen(text), strtod(text, NULL))) bad_read++;
        if (i > -324) check_shortest(strtod(text, NULL), &bad_read, &bad_length);
    }
    TAP_OK(!bad_read && !bad_length, "powers of ten");
}

/* what is read of a text, and its value; read 0: refused. Whatever the C library also reads, it reads the
   same. */
static void test_text_cases(void)
{
    const struct { const char *text; int read; double value;
    } cases[] = {
        {"0", 1, 0.0},
        {"-0", 2, -0.0},
        {"+1", 2, 1},
        {"-1.5", 4, -1.5},
        {".5", 2, 0.5},
        {"5.", 2, 5},
        {"5.e1", 4, 50},
        {"1e", 1, 1},
        {"1e+", 1, 1},
        {"1e-x", 1, 1},
        {"1E5", 3, 1e5},
        {"1e+05", 5, 1e5},
        {"00000000000000000000000000000000000001", 38, 1},
        {"0000.00001e5", 12, 1},
        {"1.2.3", 3, 1.2},
        {"12abc", 2, 12},
        {"1 2", 1, 1},
        {"1,5", 1, 1},
        {"0e999999999", 11, 0},
        {"0.0e-999999999", 14, 0},
        {"1e999999999", 11, HUGE_VAL},
        {"-1e999999999", 12, -HUGE_VAL},
        {"1e-999999999", 12, 0},
        {"1e99999999999999999999999999", 28, HUGE_VAL},
        {"1e-99999999999999999999999999", 29, 0},
        {"inf", 3, HUGE_VAL},
        {"-inf", 4, -HUGE_VAL},
        {"InFiNiTy", 8, HUGE_VAL},
        {"infinit", 3, HUGE_VAL},
        {"2.2250738585072011e-308", 23, 2.2250738585072011e-308},
        {"2.2250738585072014e-308", 23, 2.2250738585072014e-308},
        {"1.7976931348623157e308", 22, DBL_MAX},
        {"1.7976931348623158e308", 22, DBL_MAX},
        {"1.7976931348623159e308", 22, HUGE_VAL},
        {"5e-324", 6, 4.9406564584124654e-324},
        {"2.4703282292062327e-324", 23, 0},
        {"2.4703282292062328e-324", 23, 4.9406564584124654e-324},
        {"9007199254740993", 16, 9007199254740992.0},
        {"9007199254740993.0000000000000000001", 36, 9007199254740994.0},
        {"0.500000000000000166533453693773481063544750213623046875", 56, 0.5000000000000002},
        {"3.518437208883201171875e13", 26, 35184372088832.01171875},
        {"62.5364939768271845828", 22, 62.5364939768271845828},
        {"8.10109172351e-10", 17, 8.10109172351e-10},
        {"1.50000000000000011102230246251565", 34, 1.5},
        {"6929495644600919.5", 18, 6929495644600920.0},
        {"2.2250738585072012e-308", 23, DBL_MIN},
        {"", 0, 0},
        {"-", 0, 0},
        {"+", 0, 0},
        {".", 0, 0},
        {"-.", 0, 0},
        {".e5", 0, 0},
        {"e5", 0, 0},
        {" 1", 0, 0},
        {"--1", 0, 0},
        {"in", 0, 0},
        {"na", 0, 0},
        {"x", 0, 0},
        {"- 1", 0, 0},
    };
    size_t i;
    for (i = 0; i < COUNT(cases); i++) {
        const char *const text = cases[i].text;
        double x = 12345, theirs = strtod(text, NULL);
        const char *const after = ds_real_from_text(text, text + strlen(text), &x);
        if (cases[i].read)
            TAP_OK(after == text + cases[i].read && bits_of(x) == bits_of(cases[i].value) &&
                       bits_of(x) == bits_of(theirs),
                   "\"%s\" is %.17g", text, cases[i].value);
        else
            TAP_OK(!after && bits_of(x) == bits_of(12345), "\"%s\" is no number, and *out stays", text);
    }
}

static void test_text_nan_and_ends(void)
{
    static const char *const nans[] = { "nan", "NaN", "-nan", "+NAN", "nan(12)" };
    const char *const number = "123.5e7";
    double x;
    size_t i;
    int good = 1;
    for (i = 0; i < COUNT(nans); i++) {
        x = 1;
        good &= ds_real_from_text(nans[i], nans[i] + strlen(nans[i]), &x) != NULL && x != x;
    }
    TAP_OK(good, "nan in any case and with any sign");
    for (good = 1, i = 1; i <= 7; i++) { /* the end of the text, not its closing zero, ends the number */
        char part[8] = { 0 };
        memcpy(part, number, i);
        good &= ds_real_from_text(number, number + i, &x) == number + (i == 6 ? 5 : i) &&
                bits_of(x) == bits_of(strtod(part, NULL));
    }
    TAP_OK(good, "a number ends where the text ends");
    TAP_OK(!ds_real_from_text(NULL, NULL, &x) && !ds_real_from_text(number, number, &x) &&
               !ds_real_from_text(number, number + 1, NULL), "missing arguments are refused");
}

/* the exponent may take back what zeros gave */
static void test_text_long_zeros(void)
{
    enum { ZEROS = 150000 };
    char *const text = (char *)malloc(ZEROS + 32);
    int n;
    memset(text, '0', ZEROS + 1);
    text[0] = '1';
    n = ZEROS + 1 + sprintf(text + ZEROS + 1, "e-%d", ZEROS);
    TAP_OK(reads_as(text, (size_t)n, 1), "1, %d zeros and e-%d is 1", ZEROS, ZEROS);
    memset(text, '0', ZEROS + 1);
    text[1] = '.';
    n = ZEROS + 1 + sprintf(text + ZEROS + 1, "1e%d", ZEROS);
    TAP_OK(reads_as(text, (size_t)n, 1), "0., zeros and 1e%d is 1", ZEROS);
    free(text);
}

static void test_text_layout(void)
{
    const struct { double x; int digits; const char *text;
    } cases[] = {
        {0, 0, "0"},
        {-0.0, 0, "-0"},
        {1, 0, "1"},
        {-1, 0, "-1"},
        {0.1, 0, "0.1"},
        {100, 0, "100"},
        {123456, 0, "123456"},
        {0.0001, 0, "0.0001"},
        {0.00001, 0, "1e-5"},
        {1e16, 0, "10000000000000000"},
        {1e17, 0, "1e17"},
        {1.5e300, 0, "1.5e300"},
        {-2.5e-300, 0, "-2.5e-300"},
        {5e-324, 0, "5e-324"},
        {DBL_MAX, 0, "1.7976931348623157e308"},
        {DBL_MIN, 0, "2.2250738585072014e-308"},
        {HUGE_VAL, 0, "inf"},
        {-HUGE_VAL, 0, "-inf"},
        {3.14159265358979, 3, "3.14"},
        {1e23, 0, "1e23"},
        {0.5, 1, "0.5"},
        {2.5, 1, "2"},
        {3.5, 1, "4"},
        {4.5, 1, "4"},
        {0.125, 2, "0.12"},
        {0.375, 2, "0.38"},
        {9.5, 1, "1e1"},
        {99.5, 2, "1e2"},
        {0.000099951171875, 1, "0.0001"},
        {2.5000000000000004, 1, "3"},
        {12345678, 3, "12300000"},
        {1.0 / 3, 17, "0.33333333333333331"},
        {1.0 / 3, 99, "0.33333333333333331"},
        {1.0 / 3, -5, "0.3333333333333333"},
        {1, 17, "1"},
    };
    char text[32];
    size_t i;
    for (i = 0; i < COUNT(cases); i++) {
        const size_t n = ds_text_from_real(text, sizeof text, cases[i].x, cases[i].digits);
        TAP_OK((!strcmp(text, cases[i].text) || same_decimal(text, cases[i].text)) && n == strlen(text),
               "%.17g with %d digits is %s", cases[i].x, cases[i].digits, cases[i].text);
    }
    ds_text_from_real(text, sizeof text, nan(""), 0);
    TAP_OK(!strcmp(text, "nan"), "nan is nan");
}

static void test_text_capacity(void)
{
    const char *const whole = "-1.7976931348623157e308";
    char text[32];
    size_t capacity;
    int good = 1;
    for (capacity = 0; capacity < sizeof text; capacity++) {
        const size_t fits = capacity > strlen(whole) ? strlen(whole) : capacity ? capacity - 1 : 0;
        memset(text, '#', sizeof text);
        good &=
            ds_text_from_real(text, capacity, -DBL_MAX, 0) == strlen(whole) && !strncmp(text, whole, fits);
        good &= (capacity ? text[fits] == 0 : text[0] == '#') &&
                (fits + 1 >= sizeof text || text[fits + 1] == '#');
    }
    TAP_OK(good, "too small a capacity gets what fits, and the full length");
    TAP_OK(ds_text_from_real(NULL, 0, 0.25, 0) == 4, "no room at all: only the length");
}

static void test_text_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",         "fr_FR.UTF-8", "fr_FR.utf8",
                                        "pl_PL.UTF-8", "ru_RU.UTF-8",        "da_DK.UTF-8", "de_DE",
                                        "fr_FR",       "German_Germany.1252"};
    char text[32], theirs[32];
    size_t i;
    for (i = 0; i < COUNT(names) && !setlocale(LC_NUMERIC, names[i]); i++) continue;
    sprintf(theirs, "%.1f", 0.5);
    ds_text_from_real(text, sizeof text, 1234.5, 0);
    if (strcmp(theirs, "0,5") != 0) TAP_SKIP("no such locale here", "numbers under a locale with commas");
    else
        TAP_OK(!strcmp(text, "1234.5") && reads_as("1234.5", 6, 1234.5), "numbers under %s have points",
               names[i]);
    setlocale(LC_NUMERIC, "C");
}

/* random numbers */

static void test_philox(void)
{
    static const uint32_t cases[][10] = {
        /* counter, key, result: Random123's kat_vectors */
        {0, 0, 0, 0, 0, 0, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
        {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du,
         0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
        {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u,
         0x94fdccebu, 0x5001e420u, 0x24126ea1u},
    };
    uint32_t out[4];
    size_t i;
    for (i = 0; i < COUNT(cases); i++) {
        ds_philox(cases[i], cases[i] + 4, out);
        TAP_OK(!memcmp(out, cases[i] + 6, sizeof out), "Philox4x32-10, published vector %d", (int)i);
    }
}

static void test_rng_is_a_counter(void)
{
    ds_rng rng = ds_rng_make(0, 0), a = ds_rng_make(7, 3), b, c = ds_rng_make(7, 4), d = ds_rng_make(8, 3);
    uint64_t tenth = 0;
    int i, same = 0;
    TAP_OK(ds_rng_bits(&rng) == UINT64_C(0xe169c58d6627e8d5) && rng.count == 1,
           "bits are the first half of a block");
    for (i = 0; i < 10; i++) tenth = ds_rng_bits(&a);
    b = ds_rng_make(7, 3);
    b.count = 9;
    TAP_OK(ds_rng_bits(&b) == tenth, "the tenth number is drawn without the nine before it");
    b = a;
    TAP_OK(ds_rng_bits(&b) == ds_rng_bits(&a), "a copy goes the same way");
    for (i = 0; i < 1000; i++) {
        const uint64_t x = ds_rng_bits(&a), y = ds_rng_bits(&c), z = ds_rng_bits(&d);
        same += x == y || x == z || y == z;
    }
    TAP_OK(!same, "other streams and seeds give other numbers");
}

/* mean and moments within five standard deviations of theirs, counts of a hundred bins by chi square */
static void test_rng_uniform(void)
{
    enum { N = 200000, BINS = 100 };
    const double unit = sizeof(ds_real) == 4 ? 16777216.0 : 9007199254740992.0;
    ds_rng rng = ds_rng_make(2024, 1);
    double sum = 0, square = 0, chi = 0;
    int counts_of[BINS] = { 0 }, i, inside = 1, whole = 1;
    for (i = 0; i < N; i++) {
        const double u = (double)ds_rng_uniform(&rng);
        if (!(u >= 0 && u < 1)) {
            inside = 0;
            break;
        }
        whole &= bits_of(floor(u * unit)) == bits_of(u * unit);
        sum += u;
        square += (u - 0.5) * (u - 0.5);
        counts_of[(int)(u * BINS)]++;
    }
    for (i = 0; i < BINS; i++)
        chi += (counts_of[i] - N / BINS) * (counts_of[i] - N / BINS) / (double)(N / BINS);
    TAP_OK(inside && whole, "uniform numbers lie in [0, 1), on the grid");
    TAP_OK(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N), "mean 1/2");
    TAP_OK(fabs(square / N - 1.0 / 12) < 5 * sqrt(1.0 / 180 / N), "variance 1/12");
    TAP_OK(fabs(chi - 99) < 5 * sqrt(2 * 99.0), "a hundred bins are equally full");
}

static void test_rng_normal(void)
{
    enum { N = 200000 };
    static const double moments[] = {0, 1, 0, 3, 0, 15},
                        spread[] = {1, 2, 15, 96, 945, 10170}; /* variances of x^k */
    ds_rng rng = ds_rng_make(2024, 2);
    double sum[6] = { 0 };
    int i, k, beyond_two = 0;
    for (i = 0; i < N; i++) {
        const double x = (double)ds_rng_normal(&rng);
        double power = 1;
        for (k = 0; k < 6; k++) sum[k] += power *= x;
        beyond_two += fabs(x) > 2;
    }
    for (k = 0; k < 6; k++)
        TAP_OK(fabs(sum[k] / N - moments[k]) < 5 * sqrt(spread[k] / N), "normal numbers: moment %d is %g",
               k + 1, moments[k]);
    TAP_OK(fabs(beyond_two / (double)N - 0.0455003) < 5 * sqrt(0.0455 / N), "and 4.55 %% lie beyond two");
}

/* hashes */

static void test_hash(void)
{
    static unsigned char data[1000000];
    static const struct { const char *text; uint64_t hash;
    } cases[] = {
        {"", UINT64_C(0xef46db3751d8e999)},
        {"a", UINT64_C(0xd24ec4f1a98c6e5b)},
        {"abc", UINT64_C(0x44bc2cf5ad770999)},
        {"Call me Ishmael. Some years ago--never mind how long precisely-", UINT64_C(0x02a2e85470d6fd96)},
    };
    uint64_t chain = 0;
    size_t i;
    int apart = 1;
    for (i = 0; i < COUNT(cases); i++)
        TAP_OK(ds_hash_bytes(cases[i].text, strlen(cases[i].text), 0) == cases[i].hash, "XXH64 of \"%s\"",
               cases[i].text);
    for (i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 131 + 7);
    for (i = 0; i <= 256; i++) chain = ds_hash_bytes(data, i, chain);
    TAP_OK(chain == UINT64_C(0x5e023d1f5f8b907f),
           "a chain over all lengths to 256, as by the xxhash library");
    TAP_OK(ds_hash_bytes(data, sizeof data, 0) == UINT64_C(0x91545ac39840a1cc), "a million bytes");
    TAP_OK(ds_hash_bytes(data, sizeof data, UINT64_C(0x123456789abcdef)) == UINT64_C(0x8519119a48316ada),
           "and with a seed");
    for (i = 1; i < 8; i++) {
        unsigned char moved[300];
        memcpy(moved + i, data, 257);
        apart &= ds_hash_bytes(moved + i, 257, 5) == ds_hash_bytes(data, 257, 5);
    }
    TAP_OK(apart, "wherever the bytes lie");
}

static void test_hash_of_reals(void)
{
    ds_real x[50];
    const uint16_t one = 1;
    size_t i;
    int good = 1;
    for (i = 0; i < COUNT(x); i++) x[i] = (ds_real)(1.0 / (1.0 + (double)i) - 0.3);
    for (i = 0; i <= COUNT(x); i++) good &= ds_hash_reals(x, i, i) == ds_hash_bytes(x, i * sizeof *x, i);
    if (*(const unsigned char *)&one)
        TAP_OK(good, "the hash of numbers is the hash of their little-endian bytes");
    else TAP_SKIP("big-endian machine", "the hash of numbers is the hash of their bytes");
    for (good = 1, i = 0; i < COUNT(x); i++) {
        const uint64_t before = ds_hash_reals(x, COUNT(x), 0);
        x[i] = -x[i];
        good &= ds_hash_reals(x, COUNT(x), 0) != before;
    }
    TAP_OK(good, "a sign changes it");
}

/* the build */

static void test_build(void)
{
    const ds_build build = ds_build_info();
    ds_build turned;
    TAP_OK(build.same_bits && !build.fast_math && !build.x87 && !build.flush_to_zero && !build.rounding &&
               !build.own_contraction, "this build is strict: %s", build.text);
    TAP_HAS(build.text, "strict IEEE", "and says so");
    TAP_OK(build.real_bytes == sizeof(ds_real) && !strcmp(build.version, ds_version()),
           "its number type and version");
    if (fesetround(FE_UPWARD)) {
        TAP_SKIP("the rounding mode cannot be set", "another rounding mode is seen");
        return;
    }
    turned = ds_build_info();
    fesetround(FE_TONEAREST);
    TAP_OK(turned.rounding && !turned.same_bits && strstr(turned.text, "rounding") != NULL,
           "another rounding mode is seen");
    TAP_OK(ds_build_info().same_bits, "and its end");
}

int main(int argc, char **argv)
{
    patient = argc > 1 && !strcmp(argv[1], "all");
    test_results();
    test_version();
    test_sizes();
    test_arena_in_memory();
    test_arena_of_nothing();
    test_arena_in_blocks();
    test_arena_overflow();
    test_arena_of_others();
    test_parallel_for();
    test_text_against_the_library();
    test_text_of_many_digits();
    test_text_halfway();
    test_text_shortest();
    test_text_cases();
    test_text_nan_and_ends();
    test_text_long_zeros();
    test_text_layout();
    test_text_capacity();
    test_text_locale();
    test_philox();
    test_rng_is_a_counter();
    test_rng_uniform();
    test_rng_normal();
    test_hash();
    test_hash_of_reals();
    test_build();
    return tap_end();
}
