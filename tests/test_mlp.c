/* test_mlp.c - networks: the batch has the values of the tape and of a plain loop, and their gradients by
   parameters and inputs, for every activation, depth and number of samples; adjoint and differences agree;
   weights are drawn as said; whatever is missing, too small or not finite is named and changes nothing */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define IS_FLOAT (sizeof(ds_real) == 4)
#define EPSILON (IS_FLOAT ? (double)FLT_EPSILON : DBL_EPSILON)
enum { MOST = 4000, SAMPLES = 75 };

/* networks of one to four layers; sizes that are and are not multiples of the lanes */
static const size_t ONE[] = { 3, 2 }, SMALL[] = { 1, 1, 1 }, DEEP[] = { 9, 17, 8, 5, 4 };
static const size_t WIDE[] = { 12, 64, 33 };
static const struct { const char *name; const size_t *sizes; size_t n_sizes; } NETS[] = {
    { "3-2", ONE, 2 }, { "1-1-1", SMALL, 3 }, { "9-17-8-5-4", DEEP, 5 }, { "12-64-33", WIDE, 3 },
};
enum { N_NETS = sizeof NETS / sizeof *NETS };
static const char *const ACTIVATIONS[] = {
#define DSI_ROW(NAME, array, record, slope) #NAME,
    DSI_ACTIVATIONS(DSI_ROW)
#undef DSI_ROW
};
static const char *const WEIGHTS[] = {
#define DSI_ROW(NAME, weight, from) #NAME,
    DSI_MLP_WEIGHTS(DSI_ROW)
#undef DSI_ROW
};

static ds_real params[MOST], params_bar[MOST], direction[MOST], x[12 * SAMPLES], x_bar[12 * SAMPLES];
static ds_real y[33 * SAMPLES], y_bar[33 * SAMPLES], y_dot[33 * SAMPLES];
static ds_error error;

static ds_mlp net_of(int i, int activation, int active_output)
{
    ds_mlp net = { 0 };
    net.sizes = NETS[i].sizes;
    net.n_sizes = NETS[i].n_sizes;
    net.activation = (ds_activation)activation;
    net.active_output = active_output;
    return net;
}

static void draw(ds_rng *rng, ds_real *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = ds_rng_normal(rng);
}

/* a batch with memory of its exact size, random numbers and bars of 0 */
static ds_mlp_batch batch_of(const ds_mlp *net, size_t n, ds_rng *rng)
{
    ds_mlp_batch b = { 0 };
    b.n = n;
    b.bytes = ds_mlp_bytes(net, n);
    b.memory = malloc(b.bytes);
    b.params = params, b.x = x, b.y = y, b.y_bar = y_bar, b.params_bar = params_bar, b.x_bar = x_bar;
    b.error = &error;
    memset(b.memory, 0x55, b.bytes);
    draw(rng, params, ds_mlp_params(net));
    draw(rng, x, n * net->sizes[0]);
    draw(rng, y_bar, n * net->sizes[net->n_sizes - 1]);
    memset(params_bar, 0, sizeof params_bar);
    memset(x_bar, 0, sizeof x_bar);
    return b;
}

/* one sample as the textbook has it, in double */
static void plain(const ds_mlp *net, const ds_real *from, double *to)
{
    const ds_real *w = params;
    double in[64], out[64];
    for (size_t j = 0; j < net->sizes[0]; j++) in[j] = (double)from[j];
    for (size_t layer = 0; layer + 1 < net->n_sizes; layer++) {
        const size_t columns = net->sizes[layer], rows = net->sizes[layer + 1];
        for (size_t i = 0; i < rows; i++) {
            out[i] = (double)w[rows * columns + i];
            for (size_t j = 0; j < columns; j++) out[i] += (double)w[i * columns + j] * in[j];
            if (layer + 2 < net->n_sizes || net->active_output)
                out[i] = net->activation == DSIM_ACTIVATION_TANH ? tanh(out[i]) : fmax(out[i], 0);
        }
        memcpy(in, out, rows * sizeof *in);
        w += rows * (columns + 1);
    }
    memcpy(to, in, net->sizes[net->n_sizes - 1] * sizeof *to);
}

/* the largest difference, relative to the largest number */
static double off(const ds_real *got, const ds_real *want, size_t n)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
        size = fmax(size, fabs((double)want[i]));
    }
    return size > 0 ? most / size : most;
}

/* the same numbers on a tape: sum over samples of y_bar . network(x) */
static void on_a_tape(const ds_mlp *net, const char *name, const ds_mlp_batch *b, ds_tape *t)
{
    static ds_real values[33 * SAMPLES], by_params[MOST], by_x[12 * SAMPLES];
    static ds_var loss[SAMPLES];
    const size_t n_in = net->sizes[0], n_out = net->sizes[net->n_sizes - 1], n_params = ds_mlp_params(net);
    ds_tape_reset(t);
    ds_vars p = ds_inputs(t, params, n_params), in = ds_inputs(t, x, b->n * n_in);
    for (size_t s = 0; s < b->n; s++) {
        ds_vars out = ds_mlp_record(net, p, ds_vars_slice(in, s * n_in, n_in));
        ds_values(out, values + s * n_out);
        loss[s] = ds_vars_dot(out, ds_inputs(t, y_bar + s * n_out, n_out));
    }
    if (!TAP_OK(!ds_backward(ds_sum(loss, b->n)), "%s, %zu samples: on a tape", name, b->n)) return;
    ds_grads(p, by_params);
    ds_grads(in, by_x);
    TAP_OK(!memcmp(values, y, b->n * n_out * sizeof *y), "... the batch has the bits of its values");
    TAP_OK(off(params_bar, by_params, n_params) < 40 * EPSILON, "... its gradient by parameters, off by %.1e",
           off(params_bar, by_params, n_params));
    TAP_OK(off(x_bar, by_x, b->n * n_in) < 40 * EPSILON, "... by inputs, off by %.1e",
           off(x_bar, by_x, b->n * n_in));
}

static void values_and_gradients(void)
{
    static const size_t COUNTS[] = { 1, 8, 31, 32, SAMPLES };
    ds_tape *const t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(1, 0);
    for (int i = 0; i < N_NETS; i++)
        for (int kind = 0; kind < 2 * DSIM_ACTIVATION_COUNT; kind++) {
            const ds_mlp net = net_of(i, kind / 2, kind % 2);
            const size_t n_out = net.sizes[net.n_sizes - 1];
            for (size_t c = 0; c < sizeof COUNTS / sizeof *COUNTS; c++) {
                char name[80];
                double most = 0;
                if (c != (size_t)(i + kind) % 5 && i != 2) continue; /* all of one network, one of others */
                ds_mlp_batch b = batch_of(&net, COUNTS[c], &rng);
                snprintf(name, sizeof name, "%s %s%s", NETS[i].name, ACTIVATIONS[kind / 2],
                         kind % 2 ? ", output too" : "");
                TAP_OK(!ds_mlp_forward(&net, &b) && !ds_mlp_vjp(&net, &b), "%s, %zu samples: a batch", name,
                       b.n);
                for (size_t s = 0; s < b.n; s++) {
                    double want[64];
                    plain(&net, x + s * net.sizes[0], want);
                    for (size_t k = 0; k < n_out; k++)
                        most = fmax(most, fabs((double)y[s * n_out + k] - want[k]) / (1 + fabs(want[k])));
                }
                TAP_OK(most < 200 * EPSILON, "... as in a textbook, off by %.1e", most);
                on_a_tape(&net, name, &b, t);
                free(b.memory);
            }
        }
    ds_tape_destroy(t);
}

/* <y_bar, J dot> = <J' y_bar, dot>, the tangent from the tape; and the slope of differences */
static void adjoints(void)
{
    ds_tape *const t = ds_tape_create(NULL);
    ds_rng rng = ds_rng_make(2, 0);
    for (int i = 0; i < N_NETS; i++)
        for (int kind = 0; kind < 2 * DSIM_ACTIVATION_COUNT; kind++) {
            const ds_mlp net = net_of(i, kind / 2, kind % 2);
            const size_t n_in = net.sizes[0], n_params = ds_mlp_params(&net), n = n_params + n_in;
            const size_t n_out = net.sizes[net.n_sizes - 1];
            ds_var *const all = (ds_var *)malloc(n * sizeof *all);
            ds_mlp_batch b = batch_of(&net, 1, &rng);
            double left = 0, right = 0, size = 0, slope, ahead = 0, behind = 0;
            const double h = IS_FLOAT ? 1e-2 : 1e-6;
            draw(&rng, direction, n);
            ds_mlp_forward(&net, &b);
            ds_mlp_vjp(&net, &b);
            ds_tape_reset(t);
            ds_vars p = ds_inputs(t, params, n_params), in = ds_inputs(t, x, n_in);
            for (size_t k = 0; k < n; k++)
                all[k] = k < n_params ? ds_vars_at(p, k) : ds_vars_at(in, k - n_params);
            ds_vars out = ds_mlp_record(&net, p, in);
            ds_forward(all, direction, n);
            for (size_t k = 0; k < n_out; k++) {
                left += (double)y_bar[k] * (double)ds_tangent(ds_vars_at(out, k));
                size += fabs((double)y_bar[k] * (double)ds_tangent(ds_vars_at(out, k)));
            }
            for (size_t k = 0; k < n; k++) {
                const double bar = (double)(k < n_params ? params_bar[k] : x_bar[k - n_params]);
                right += bar * (double)direction[k];
                size += fabs(bar * (double)direction[k]);
            }
            TAP_OK(fabs(left - right) <= (IS_FLOAT ? 1e-5 : 1e-12) * size,
                   "%s %s%s: <y_bar, J v> = <J'y_bar, v>", NETS[i].name, ACTIVATIONS[kind / 2],
                   kind % 2 ? ", output too" : "");
            for (int side = 0; side < 2; side++) {
                const double step = side ? -2 * h : h;
                for (size_t k = 0; k < n_params; k++) params[k] += (ds_real)step * direction[k];
                for (size_t k = 0; k < n_in; k++) x[k] += (ds_real)step * direction[n_params + k];
                ds_mlp_forward(&net, &b);
                for (size_t k = 0; k < n_out; k++)
                    *(side ? &behind : &ahead) += (double)y_bar[k] * (double)y[k];
            }
            slope = (ahead - behind) / (2 * h);
            TAP_OK(fabs(slope - right) <= (IS_FLOAT ? 0.05 : 1e-6) * (1 + size),
                   "... and differences: %.9g is %.9g", right, slope);
            free(b.memory);
            free(all);
        }
    ds_tape_destroy(t);
}

/* a batch once more, in parts, without one of the bars */
static void parts(void)
{
    static ds_real again[MOST], x_again[12 * SAMPLES], y_again[33 * SAMPLES];
    const ds_mlp net = net_of(2, DSIM_ACTIVATION_TANH, 0);
    const size_t n_params = ds_mlp_params(&net);
    ds_rng rng = ds_rng_make(3, 0);
    ds_mlp_batch b = batch_of(&net, SAMPLES, &rng);
    ds_mlp_forward(&net, &b);
    ds_mlp_vjp(&net, &b);
    memcpy(y_again, y, sizeof y);
    memcpy(again, params_bar, sizeof again);
    memcpy(x_again, x_bar, sizeof x_again);
    memset(params_bar, 0, sizeof params_bar);
    memset(x_bar, 0, sizeof x_bar);
    for (size_t s = 0; s < SAMPLES; s += 25) {
        ds_mlp_batch part = b;
        part.n = 25;
        part.x += s * net.sizes[0];
        part.y += s * net.sizes[4];
        part.y_bar += s * net.sizes[4];
        part.x_bar += s * net.sizes[0];
        ds_mlp_forward(&net, &part);
        ds_mlp_vjp(&net, &part);
    }
    TAP_OK(!memcmp(y, y_again, sizeof y) && !memcmp(x_bar, x_again, sizeof x_bar) &&
               !memcmp(params_bar, again, n_params * sizeof *again),
           "in parts of 25: the same bits, of the sums over samples, too");
    b.params_bar = NULL;
    ds_mlp_forward(&net, &b);
    TAP_OK(!ds_mlp_vjp(&net, &b) && !memcmp(params_bar, again, sizeof again), "params_bar is not wanted");
    TAP_OK(off(x_bar, x_again, SAMPLES * 9) > 0.9, "... x_bar gains once more");
    b.params_bar = params_bar;
    b.x_bar = NULL;
    memset(params_bar, 0, sizeof params_bar);
    TAP_OK(!ds_mlp_vjp(&net, &b) && !memcmp(params_bar, again, sizeof again), "x_bar is not wanted");
    b.n = 0;
    b.x = NULL, b.y = NULL, b.y_bar = NULL, b.error = NULL;
    TAP_OK(!ds_mlp_forward(&net, &b) && !ds_mlp_vjp(&net, &b), "no samples are fine");
    free(b.memory);
    /* the promise of the same bits, with exact inputs */
    b = batch_of(&net, SAMPLES, &rng);
    for (size_t i = 0; i < n_params; i++) params[i] = (ds_real)((int)(i * 37 % 101) - 50) / 64;
    for (size_t i = 0; i < SAMPLES * 9; i++) x[i] = (ds_real)((int)(i * 29 % 97) - 48) / 32;
    for (size_t i = 0; i < SAMPLES * 4; i++) y_bar[i] = (ds_real)((int)(i * 11 % 31) - 15) / 16;
    ds_mlp_forward(&net, &b);
    ds_mlp_vjp(&net, &b);
    const uint64_t hash = ds_hash_reals(params_bar, n_params, ds_hash_reals(y, SAMPLES * 4, 0));
    const uint64_t want = IS_FLOAT ? UINT64_C(0xafc472cb39eacbe4) : UINT64_C(0x6e4867fae086e046);
    if (!ds_build_info().same_bits) TAP_SKIP("this build has other bits", "the bits of every machine");
    else TAP_OK(hash == want, "the bits of every machine: %016llx", (unsigned long long)hash);
    free(b.memory);
}

/* mean, deviation and largest of the weights of a layer of 64 by 64 */
static void weights(void)
{
    static const size_t SIZES[] = { 64, 32, 16 };
    static const double VARIANCE[] = { 2 / 96.0, 2 / 96.0, 2 / 64.0, 1 };
    enum { WEIGHTS_1 = 64 * 32, ALL = WEIGHTS_1 + 32 + 32 * 16 + 16 };
    ds_mlp net = { 0 };
    net.sizes = SIZES;
    net.n_sizes = 3;
    TAP_OK(ds_mlp_params(&net) == ALL, "parameters are counted");
    for (int kind = 0; kind < DSIM_MLP_WEIGHTS_COUNT; kind++) {
        ds_rng rng = ds_rng_make(4, (uint64_t)kind), same = rng;
        ds_real again[ALL];
        double mean = 0, square = 0, largest = 0;
        int zero = 1;
        TAP_OK(!ds_mlp_randomise(&net, (ds_mlp_weights)kind, 3, &rng, params), "%s", WEIGHTS[kind]);
        for (int i = 0; i < WEIGHTS_1; i++) {
            mean += (double)params[i] / WEIGHTS_1;
            square += (double)params[i] * (double)params[i] / WEIGHTS_1;
            largest = fmax(largest, fabs((double)params[i]));
        }
        for (int i = 0; i < 32 + 16; i++) zero &= params[i < 32 ? WEIGHTS_1 + i : ALL - 16 + i - 32] == 0;
        TAP_OK(zero, "... biases are 0");
        TAP_NEAR(square, 9 * VARIANCE[kind], 0.1, "... the variance is that of its formula, times 9");
        TAP_OK(fabs(mean) < 3 * sqrt(square / WEIGHTS_1), "... the mean is 0: %.2g", mean);
        if (kind == DSIM_MLP_GLOROT)
            TAP_OK(largest <= 3 * sqrt(6 / 96.0) && largest > 2.9 * sqrt(6 / 96.0),
                   "... uniform between its bounds");
        else TAP_OK(largest > 3 * sqrt(square), "... with normal tails");
        ds_mlp_randomise(&net, (ds_mlp_weights)kind, 3, &same, again);
        TAP_OK(!memcmp(again, params, sizeof again), "... the same seed, the same weights");
    }
}

static void refused(ds_result got, ds_result want, size_t index, const char *sentence, const char *name)
{
    TAP_OK(got == want && error.code == want && error.index == index, "%s is %s, index %zu", name,
           ds_result_name(want), index);
    TAP_HAS(error.text, sentence, "... %s", error.text);
}

static void misuse(void)
{
    static const size_t ZERO[] = { 3, 0, 2 }, HUGE_SIZES[] = { 3, SIZE_MAX / 2, 9 };
    static char small[64];
    ds_rng rng = ds_rng_make(5, 0);
    const ds_mlp good = net_of(2, 0, 0);
    ds_mlp bad = good;
    ds_mlp_batch b = batch_of(&good, 4, &rng), c = b;
    ds_real before[4 * 4];
    memcpy(before, y, sizeof before);

    bad.sizes = NULL;
    TAP_OK(!ds_mlp_params(&bad) && !ds_mlp_bytes(&bad, 1) && !ds_mlp_params(NULL), "no sizes, no parameters");
    refused(ds_mlp_forward(&bad, &b), DSIM_ERROR_ARGUMENT, 0, "sizes is NULL", "no sizes");
    refused(ds_mlp_forward(NULL, &b), DSIM_ERROR_ARGUMENT, 0, "the network is NULL", "no network");
    bad = good;
    bad.n_sizes = 1;
    refused(ds_mlp_forward(&bad, &b), DSIM_ERROR_ARGUMENT, 0, "2 or more", "one size");
    bad.sizes = ZERO;
    bad.n_sizes = 3;
    refused(ds_mlp_forward(&bad, &b), DSIM_ERROR_ARGUMENT, 1, "size 0 1", "a layer of size 0");
    bad.sizes = HUGE_SIZES;
    refused(ds_mlp_forward(&bad, &b), DSIM_ERROR_ARGUMENT, 1, "too large", "a layer that is too large");
    bad = good;
    bad.activation = DSIM_ACTIVATION_COUNT;
    refused(ds_mlp_forward(&bad, &b), DSIM_ERROR_ARGUMENT, 0, "activation", "an unknown activation");
    TAP_OK(ds_mlp_forward(&good, NULL) == DSIM_ERROR_ARGUMENT, "no batch");
    TAP_OK(!ds_mlp_bytes(&good, SIZE_MAX) && !ds_mlp_bytes(&good, SIZE_MAX / 64), "too many samples");
    c.n = SIZE_MAX / 64;
    refused(ds_mlp_forward(&good, &c), DSIM_ERROR_OVERFLOW, SIZE_MAX / 64, "samples", "too many samples");
    for (int what = 0; what < 5; what++) {
        static const char *const NAMES[] = { "params is NULL", "x is NULL", "y is NULL", "y_bar is NULL",
                                             "memory is NULL" };
        c = b;
        if (what == 0) c.params = NULL;
        if (what == 1) c.x = NULL;
        if (what == 2) c.y = NULL;
        if (what == 3) c.y_bar = NULL;
        if (what == 4) c.memory = NULL;
        refused(what == 3 ? ds_mlp_vjp(&good, &c) : ds_mlp_forward(&good, &c), DSIM_ERROR_ARGUMENT, 0,
                NAMES[what], "missing");
    }
    c = b;
    c.memory = small;
    c.bytes = sizeof small;
    refused(ds_mlp_forward(&good, &c), DSIM_ERROR_ARGUMENT, b.bytes, "too small", "little memory");
    c = b;
    c.bytes--;
    refused(ds_mlp_forward(&good, &c), DSIM_ERROR_ARGUMENT, b.bytes, "too small", "a byte too little");
    refused(ds_mlp_vjp(&good, &b), DSIM_ERROR_ARGUMENT, 0, "ds_mlp_vjp: memory is not what",
            "vjp before forward");
    x[7] = (ds_real)HUGE_VAL;
    refused(ds_mlp_forward(&good, &b), DSIM_ERROR_NON_FINITE, 7, "x, number 7", "x");
    x[7] = 0;
    params[11] = (ds_real)NAN;
    refused(ds_mlp_forward(&good, &b), DSIM_ERROR_NON_FINITE, 11, "params, number 11", "a parameter");
    params[11] = 0;
    TAP_OK(!memcmp(before, y, sizeof before), "nothing was written");
    TAP_OK(!ds_mlp_forward(&good, &b) && !error.code && !error.text[0], "all is well again");
    y_bar[3] = (ds_real)NAN;
    refused(ds_mlp_vjp(&good, &b), DSIM_ERROR_NON_FINITE, 3, "y_bar, number 3", "y_bar");
    y_bar[3] = 0;
    bad = good;
    bad.activation = DSIM_ACTIVATION_RELU;
    refused(ds_mlp_vjp(&bad, &b), DSIM_ERROR_ARGUMENT, 0, "this network", "the memory of another network");
    c = b;
    c.n = 3;
    refused(ds_mlp_vjp(&good, &c), DSIM_ERROR_ARGUMENT, 0, "this network and n", "the memory of another n");
    /* the last row of 5 weights and its bias: the largest numbers, and inputs near 1 */
    const size_t n = ds_mlp_params(&good);
    for (size_t i = 0; i < n; i++) params[i] = i < n - 9 ? 1 : 0;
    const ds_real largest = IS_FLOAT ? (ds_real)FLT_MAX : (ds_real)DBL_MAX;
    for (size_t i = 0; i < 6; i++) params[i ? n - 4 - i : n - 1] = largest;
    for (int i = 0; i < 9; i++) x[i] = 9;
    refused(ds_mlp_forward(&good, &b), DSIM_ERROR_NON_FINITE, 3, "y, number 3", "an output that overflows");
    refused(ds_mlp_vjp(&good, &b), DSIM_ERROR_ARGUMENT, 0, "memory is not what", "vjp after that");
    b.error = NULL;
    TAP_OK(ds_mlp_vjp(&good, &b) == DSIM_ERROR_ARGUMENT, "errors without a sentence");
    free(b.memory);

    params[0] = 5;
    TAP_OK(ds_mlp_randomise(&good, DSIM_MLP_WEIGHTS_COUNT, 1, &rng, params) == DSIM_ERROR_ARGUMENT &&
               ds_mlp_randomise(NULL, DSIM_MLP_HE, 1, &rng, params) == DSIM_ERROR_ARGUMENT &&
               ds_mlp_randomise(&good, DSIM_MLP_HE, HUGE_VAL, &rng, params) == DSIM_ERROR_ARGUMENT &&
               ds_mlp_randomise(&good, DSIM_MLP_HE, 1, NULL, params) == DSIM_ERROR_ARGUMENT &&
               ds_mlp_randomise(&good, DSIM_MLP_HE, 1, &rng, NULL) == DSIM_ERROR_ARGUMENT && params[0] == 5,
           "weights are refused");
}

/* on a tape the sentence sticks */
static void misuse_on_a_tape(void)
{
    static const size_t ZERO[] = { 3, 0, 2 };
    ds_mlp net = net_of(0, 0, 0);
    const ds_real eight[8] = { 0 };
    ds_tape *t = ds_tape_create(NULL);
    ds_vars p = ds_inputs(t, eight, 8), in = ds_inputs(t, eight, 3);
    TAP_OK(ds_mlp_record(&net, p, in).n == 2 && !ds_tape_error(t)->code,
           "3-2 takes 8 parameters and 3 numbers");
    ds_vars r = ds_mlp_record(&net, ds_vars_slice(p, 0, 7), in);
    TAP_OK(r.n == 0 && ds_tape_error(t)->code == DSIM_ERROR_ARGUMENT, "7 parameters are refused");
    TAP_HAS(ds_tape_error(t)->text, "parameters given, those of the network, its layers: 7, 8 and 1",
            "... so");
    ds_tape_reset(t);
    p = ds_inputs(t, eight, 8), in = ds_inputs(t, eight, 4);
    ds_mlp_record(&net, p, in);
    TAP_HAS(ds_tape_error(t)->text, "numbers in x, inputs of the network, its layers: 4, 3 and 1",
            "4 numbers");
    ds_tape_reset(t);
    net.sizes = ZERO;
    net.n_sizes = 3;
    p = ds_inputs(t, eight, 8), in = ds_inputs(t, eight, 3);
    ds_mlp_record(&net, p, in);
    TAP_OK(ds_tape_error(t)->index == 1, "a layer of size 0");
    TAP_HAS(ds_tape_error(t)->text, "ds_mlp_record: a layer has the size 0", "... so");
    TAP_OK(ds_mlp_record(&net, p, in).n == 0, "after an error nothing is recorded");
    ds_tape_reset(t);
    ds_mlp_record(&net, p, ds_inputs(t, eight, 3));
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_STALE, "stale parameters");
    ds_tape_destroy(t);
}

/* variables from anywhere as a block */
static void packs(void)
{
    ds_tape *t = ds_tape_create(NULL), *other;
    const ds_real numbers[] = { 1, 2, 3, 4, 5, 6, 7 };
    ds_real got[8], w[8], grad[7];
    int right = 1;
    ds_vars in = ds_inputs(t, numbers, 7), same, mixed;
    ds_var list[8];
    for (size_t i = 0; i < 7; i++) list[i] = ds_vars_at(in, i);
    same = ds_vars_pack(list + 2, 4);
    TAP_OK(same.at == in.at + 2 && same.n == 4, "neighbours are a block already");
    for (size_t n = 1; n <= 8; n++) { /* every second is a constant, the others backwards */
        for (size_t i = 0; i < n; i++)
            list[i] = i % 2 ? ds_c(10.0 + (double)i) : ds_square(ds_vars_at(in, 6 - i / 2));
        mixed = ds_vars_pack(list, n);
        right &= mixed.n == n && !ds_values(mixed, got);
        for (size_t i = 0; i < n; i++) {
            const ds_real number = 7 - (ds_real)i / 2;
            right &= got[i] == (i % 2 ? 10 + (ds_real)i : number * number);
            w[i] = (ds_real)(i + 1);
        }
        right &= !ds_backward(ds_vars_dot(mixed, ds_inputs(t, w, n)));
        ds_grads(in, grad);
        for (size_t i = 0; i < n; i += 2) right &= grad[6 - i / 2] == 2 * numbers[6 - i / 2] * w[i];
    }
    TAP_OK(right, "others are copied, with constants among them: values and gradients");
    other = ds_tape_create(NULL);
    list[0] = ds_vars_at(in, 0);
    list[1] = ds_input(other, 2);
    TAP_OK(ds_vars_pack(list, 2).n == 0 && ds_tape_error(t)->code == DSIM_ERROR_MIXED,
           "two tapes are refused");
    list[0] = list[1] = ds_c(1);
    TAP_OK(!ds_vars_pack(list, 2).rec && !ds_vars_pack(NULL, 0).rec, "constants alone have no tape");
    ds_tape_destroy(other);
    ds_tape_destroy(t);
}

int main(void)
{
    values_and_gradients();
    adjoints();
    parts();
    weights();
    misuse();
    misuse_on_a_tape();
    packs();
    return tap_end();
}
