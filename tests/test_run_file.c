/* Rollouts as files: what was saved comes back; every missing byte and every wrong bit is found, and then
   nothing has changed. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "rollouts.h"

/* a file in memory; most: what write takes in all */
typedef struct file {
    unsigned char bytes[4096];
    size_t n, at, most;
} file;
static size_t file_read(void *user, void *bytes, size_t n)
{
    file *const f = (file *)user;
    if (n > f->n - f->at) n = f->n - f->at;
    memcpy(bytes, f->bytes + f->at, n);
    f->at += n;
    return n;
}
static size_t file_write(void *user, const void *bytes, size_t n)
{
    file *const f = (file *)user;
    if (n > f->most - f->n) n = f->most - f->n;
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
    return n;
}
static ds_stream stream_of(file *f)
{
    ds_stream s;
    s.user = f;
    s.read = file_read;
    s.write = file_write;
    return s;
}

enum { STEPS = 9 };
static ds_real start[4 + STEPS];

static ds_rollout *make(pendulum *p, size_t steps)
{
    const ds_stepper s = pendulum_stepper(p, 0);
    const ds_rollout_desc d = pendulum_desc(steps);
    return ds_rollout_create(&s, &d);
}

static uint64_t gradient_hash(ds_rollout *r)
{
    ds_real g[4 + STEPS];
    if (ds_rollout_backward(r)) return 0;
    rollout_gradient(r, g, STEPS);
    return ds_hash_reals(g, 4 + STEPS, 0);
}

static ds_result load(ds_rollout *r, file *f)
{
    const ds_stream s = stream_of(f);
    f->at = 0;
    return ds_rollout_load(r, &s);
}

static void test_round_trip(file *f)
{
    pendulum p;
    ds_rollout *const r = make(&p, STEPS), *const other = make(&p, STEPS);
    const ds_stream s = stream_of(f);
    const size_t bytes = 64 + 4 + (4 + STEPS) * sizeof(ds_real) + 4;
    file again;
    ds_stream s2 = stream_of(&again);
    pendulum_start(start, STEPS);
    rollout_set(r, start, STEPS);
    ds_rollout_set_number(r, 41);
    f->n = 0;
    f->most = sizeof f->bytes;
    TAP_OK(!ds_rollout_save(r, &s) && f->n == bytes, "saved, %d bytes", (int)f->n);
    TAP_OK(!load(other, f) && f->at == bytes, "and loaded: %s", ds_rollout_error(other)->text);
    TAP_OK(gradient_hash(other) == gradient_hash(r), "the same gradient");
    again.n = 0;
    again.most = sizeof again.bytes;
    ds_rollout_save(other, &s2);
    TAP_OK(again.n == f->n && !memcmp(again.bytes, f->bytes, f->n), "saved again, the same bytes");
    TAP_OK(ds_hash_bytes(f->bytes, f->n, 0) ==
               (sizeof(ds_real) == 4 ? UINT64_C(0xa093a2dc93a7ce15) : UINT64_C(0x0d425018f906be56)),
           "the bytes of every machine: %08x%08x", (unsigned)(ds_hash_bytes(f->bytes, f->n, 0) >> 32),
           (unsigned)ds_hash_bytes(f->bytes, f->n, 0));
    ds_rollout_destroy(r);
    ds_rollout_destroy(other);
}

static void test_damage(const file *good)
{
    pendulum p;
    ds_rollout *const r = make(&p, STEPS);
    static file f;
    uint64_t before;
    int named = 1, kept = 1;
    ds_result codes[4] = { DSIM_ERROR_FORMAT, DSIM_ERROR_VERSION, DSIM_ERROR_CRC, DSIM_OK };
    int seen = 0;
    start[0] = (ds_real)0.75;
    rollout_set(r, start, STEPS);
    before = gradient_hash(r);
    for (size_t n = 0; n < good->n; n++) {
        f = *good;
        f.n = n;
        named &= load(r, &f) == DSIM_ERROR_FORMAT && strstr(ds_rollout_error(r)->text, "it ends") &&
                 !ds_rollout_state(r, NULL);
        kept &= gradient_hash(r) == before;
    }
    TAP_OK(named, "every length below %d bytes is found and named", (int)good->n);
    TAP_OK(kept, "and nothing has changed");
    named = 1;
    for (size_t bit = 0; bit < 8 * good->n; bit++) {
        ds_result result;
        f = *good;
        f.bytes[bit / 8] = (unsigned char)(f.bytes[bit / 8] ^ 1u << bit % 8);
        result = load(r, &f);
        named &= result == DSIM_ERROR_FORMAT || result == DSIM_ERROR_VERSION || result == DSIM_ERROR_CRC;
        for (int k = 0; k < 3; k++) seen |= (result == codes[k]) << k;
        if (bit % 64 == 0) kept &= gradient_hash(r) == before;
    }
    TAP_OK(named, "every bit of %d that is wrong is found and named", (int)(8 * good->n));
    TAP_OK(seen == 7, "as format, version or checksum");
    TAP_OK(kept && gradient_hash(r) == before, "and nothing has changed");
    f = *good;
    TAP_OK(!load(r, &f) && gradient_hash(r) != before, "the good file can still be loaded");
    ds_rollout_destroy(r);
}

/* CRC-32C, bit by bit */
static uint32_t crc_of(const unsigned char *bytes, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < 8 * n; i++) {
        const uint32_t bit = (crc ^ (uint32_t)bytes[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* the checksum of the first n bytes, behind them */
static void put_crc(file *f, size_t n)
{
    const uint32_t crc = crc_of(f->bytes, n);
    for (size_t i = 0; i < 4; i++) f->bytes[n + i] = (unsigned char)(crc >> 8 * i);
}

/* a head that was made to fit */
static void change_head(file *f, size_t at, unsigned char to)
{
    f->bytes[at] = to;
    put_crc(f, 64);
}

static void test_other_files(const file *good)
{
    static const struct { size_t at; unsigned char to; ds_result code; const char *words; } cases[] = {
        { 0, 'X', DSIM_ERROR_FORMAT, "no rollout" },
        { 8, 2, DSIM_ERROR_VERSION, "another version" },
        { 12, 1, DSIM_ERROR_FORMAT, "no sense" },
        { 16, 2, DSIM_ERROR_VERSION, "another precision" },
        { 20, 1, DSIM_ERROR_FORMAT, "no sense" },
        { 32, STEPS + 1, DSIM_ERROR_FORMAT, "number of steps" },
        { 47, 0xff, DSIM_ERROR_FORMAT, "states have another size" },
        { 48, 3, DSIM_ERROR_FORMAT, "parameters have another size" },
        { 56, 2, DSIM_ERROR_FORMAT, "controls have another size" },
    };
    pendulum p;
    ds_rollout *const r = make(&p, STEPS);
    static file f;
    size_t n;
    int named = 1;
    ds_stream s;
    for (size_t i = 0; i < COUNT(cases); i++) {
        f = *good;
        change_head(&f, cases[i].at, cases[i].to);
        TAP_OK(load(r, &f) == cases[i].code, "refused: %s", ds_rollout_error(r)->text);
        TAP_HAS(ds_rollout_error(r)->text, cases[i].words, "and named");
    }
    f = *good;
    memset(f.bytes + 24, 0xff, 8);
    change_head(&f, 24, 0xff);
    TAP_OK(load(r, &f) == DSIM_ERROR_FORMAT, "a number of steps that wraps");
    /* a NaN with a checksum that fits */
    f = *good;
    memset(f.bytes + 68, 0xff, sizeof(ds_real));
    put_crc(&f, f.n - 4);
    TAP_OK(load(r, &f) == DSIM_ERROR_NON_FINITE, "numbers that are not finite");
    TAP_HAS(ds_rollout_error(r)->text, "state 0", "are named");
    /* writing that stops */
    for (n = 0; n < good->n; n++) {
        f.n = 0;
        f.most = n;
        s = stream_of(&f);
        named &= ds_rollout_save(r, &s) == DSIM_ERROR_CALLBACK;
    }
    TAP_OK(named, "writing that stops at any byte is found");
    TAP_HAS(ds_rollout_error(r)->text, "writing stopped", "and named");
    s.read = NULL;
    s.write = NULL;
    TAP_OK(ds_rollout_save(r, &s) == DSIM_ERROR_ARGUMENT && ds_rollout_load(r, &s) == DSIM_ERROR_ARGUMENT &&
               ds_rollout_save(r, NULL) && ds_rollout_load(r, NULL) && ds_rollout_save(NULL, &s) &&
               ds_rollout_load(NULL, &s),
           "no stream, no rollout");
    ds_rollout_destroy(r);
}

/* numbers that derive from parameters are not in the file: they are derived again */
static void test_derived(file *f)
{
    derived_pendulum p, q;
    const ds_stepper sp = derived_stepper(&p, 0, 0), sq = derived_stepper(&q, 0, 0);
    const ds_rollout_desc dp = derived_desc(&p, STEPS), dq = derived_desc(&q, STEPS);
    ds_rollout *const r = ds_rollout_create(&sp, &dp), *const other = ds_rollout_create(&sq, &dq);
    const ds_stream s = stream_of(f);
    rollout_set(r, start, STEPS);
    f->n = 0;
    f->most = sizeof f->bytes;
    TAP_OK(!ds_rollout_save(r, &s) && f->n == 64 + 4 + (4 + STEPS) * sizeof(ds_real) + 4,
           "derived numbers are not saved");
    TAP_OK(gradient_hash(other) != gradient_hash(r) && !load(other, f) &&
               gradient_hash(other) == gradient_hash(r) && q.derives == 2,
           "and derived anew when parameters are loaded");
    ds_rollout_destroy(r);
    ds_rollout_destroy(other);
}

int main(void)
{
    static file f;
    TAP_OK(crc_of((const unsigned char *)"123456789", 9) == 0xe3069283u, "the checksum of 123456789");
    test_round_trip(&f);
    test_damage(&f);
    test_other_files(&f);
    test_derived(&f);
    return tap_end();
}
