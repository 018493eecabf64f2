/* test_kernel_forms.c - kernels made of other things: of a recorded tape, of two kernels; and the validating
   mode, which looks before anything is written. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

enum { LANES = 70 };
static const double tolerance = sizeof(ds_real) == 4 ? 1e-5 : 1e-13;

/* f and g of three inputs, with every kind of node a tape has */
static void record(ds_tape *t, ds_var in[3], ds_var out[2])
{
    ds_var k = ds_input(t, 0.75), list[3];
    ds_var3 p, q;
    ds_real w[6] = { 1, 2, 3, 4, 5, 6 }, b[2] = { (ds_real)0.5, (ds_real)-0.5 }, x[3] = { 1, 2, 3 };
    ds_vars y;
    int i;
    in[0] = ds_input(t, 0.3);
    in[1] = ds_input(t, 1.2);
    in[2] = ds_input(t, -0.7);
    p = ds_pack3(in[0], in[1], in[2]);
    q = ds_cross3(p, ds_input3(t, ds_v3_make(1, 2, 3)));
    for (i = 0; i < 3; i++) list[i] = ds_mul(in[i], ds_c(i + 1));
    y = ds_vars_tanh(ds_affine(ds_inputs(t, w, 6), ds_inputs(t, x, 3), ds_inputs(t, b, 2)));
    out[0] = ds_add(ds_mul(k, ds_norm3(q)), ds_add(ds_sum(list, 3), ds_dot(list, in, 3)));
    out[1] = ds_mul(ds_weighted_sum(x, in, 3), ds_add(ds_vars_at(y, 1), ds_sigmoid(in[1])));
}

static void test_from_tape(ds_runner *r)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var in[3], out[2], extra;
    ds_real numbers[LANES][3], results[LANES][2], bars[LANES][2], in_bars[LANES][3];
    ds_array args[4];
    ds_kernel *k, *adjoint;
    int lane, i, good = 1, right = 1;
    record(t, in, out);
    k = ds_kernel_from_tape(t, "from_tape", in, 3, out, 2);
    adjoint = ds_kernel_adjoint(k, "in");
    TAP_OK(k && !ds_kernel_error(k)->code, "a tape becomes a kernel: %s", ds_kernel_error(k)->text);
    TAP_OK(adjoint && !ds_kernel_error(adjoint)->code, "which has an adjoint: %s",
           ds_kernel_error(adjoint)->text);
    for (lane = 0; lane < LANES; lane++) {
        for (i = 0; i < 3; i++) {
            numbers[lane][i] = (ds_real)(0.2 + 0.35 * i * i - 0.01 * lane);
            in_bars[lane][i] = 0;
        }
        bars[lane][0] = 1;
        bars[lane][1] = (ds_real)-0.5;
    }
    memset(args, 0, sizeof args);
    args[0] = ds_array_reals(numbers[0], LANES, 3);
    args[1] = ds_array_reals(results[0], LANES, 2);
    TAP_OK(!ds_launch(r, k, LANES, args, 2), "it runs: %s", ds_runner_error(r)->text);
    memset(args + 1, 0, sizeof args[1]);
    args[2] = ds_array_reals(in_bars[0], LANES, 3);
    args[3] = ds_array_reals(bars[0], LANES, 2);
    TAP_OK(!ds_launch(r, adjoint, LANES, args, 4), "its adjoint runs: %s", ds_runner_error(r)->text);
    for (lane = 0; lane < LANES; lane++) {
        ds_real seeds[2] = { 1, (ds_real)-0.5 };
        for (i = 0; i < 3; i++) ds_set_input(in[i], (double)numbers[lane][i]);
        if (ds_replay(t) || ds_backward_many(out, seeds, 2)) good = 0;
        for (i = 0; i < 2; i++) good = good && ds_value(out[i]) == results[lane][i];
        for (i = 0; i < 3; i++)
            right = right && fabs((double)(ds_grad(in[i]) - in_bars[lane][i])) <= tolerance * 100;
    }
    TAP_OK(good, "values are those of replays, to the bit");
    TAP_OK(right, "adjoints are those of the tape");
    ds_kernel_destroy(adjoint);
    ds_kernel_destroy(k);

    extra = ds_sin(in[0]); /* recorded after a value was read */
    k = ds_kernel_from_tape(t, "late", in, 3, &extra, 1);
    TAP_OK(ds_kernel_error(k)->code == DSIM_ERROR_NOT_REPLAYABLE, "what may depend on a value is refused");
    ds_kernel_destroy(k);
    ds_tape_reset(t);
    k = ds_kernel_from_tape(t, "stale", in, 3, out, 2);
    TAP_OK(ds_kernel_error(k)->code == DSIM_ERROR_STALE, "stale inputs are refused");
    ds_kernel_destroy(k);
    record(t, in, out);
    (void)ds_branch(ds_lt(in[0], in[1]));
    k = ds_kernel_from_tape(t, "branch", in, 3, out, 2);
    TAP_HAS(ds_kernel_error(k)->text, "branch", "a branch is refused by name");
    ds_kernel_destroy(k);
    TAP_OK(!ds_kernel_from_tape(NULL, "none", in, 3, out, 2), "no tape, no kernel");
    ds_tape_destroy(t);
}

/* y = x^2 and, from y, an energy; fused they are one */
static ds_kernel *first_kernel(void)
{
    ds_kernel *k = ds_kernel_begin(NULL, "square");
    ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1);
    ds_index lane = ds_lane(k);
    ds_store(y, lane, ds_square(ds_load(x, lane)));
    ds_kernel_end(k);
    return k;
}
static ds_kernel *second_kernel(int shift)
{
    ds_kernel *k = ds_kernel_begin(NULL, "sum");
    ds_arg y = ds_arg_in(k, "y", 1), c = ds_arg_in(k, "c", 1), e = ds_arg_sum(k, "e", 1);
    ds_index lane = ds_lane(k), at = ds_index_add(lane, ds_i(shift));
    ds_var loaded = ds_load(y, at), weight = ds_load(c, lane);
    ds_add_at(e, ds_i(0), ds_mul(ds_sin(loaded), weight));
    ds_kernel_end(k);
    return k;
}

static void test_fuse(ds_runner *r)
{
    ds_kernel *first = first_kernel(), *second = second_kernel(0), *shifted = second_kernel(1), *fused, *bad;
    ds_real x[LANES], y[LANES], c[LANES], apart = 0, together = 0, y2[LANES];
    ds_array args[4];
    int i;
    for (i = 0; i < LANES; i++) {
        x[i] = (ds_real)(0.1 * i);
        c[i] = (ds_real)(1 + 0.01 * i);
    }
    fused = ds_kernel_fuse(first, second);
    TAP_OK(fused && !ds_kernel_error(fused)->code, "two kernels fused: %s", ds_kernel_error(fused)->text);
    args[0] = ds_array_reals(x, LANES, 1);
    args[1] = ds_array_reals(y, LANES, 1);
    TAP_OK(!ds_launch(r, first, LANES, args, 2), "the first runs");
    args[0] = ds_array_reals(y, LANES, 1);
    args[1] = ds_array_reals(c, LANES, 1);
    args[2] = ds_array_reals(&apart, 1, 1);
    TAP_OK(!ds_launch(r, second, LANES, args, 3), "the second runs");
    args[0] = ds_array_reals(x, LANES, 1);
    args[1] = ds_array_reals(y2, LANES, 1);
    args[2] = ds_array_reals(c, LANES, 1);
    args[3] = ds_array_reals(&together, 1, 1);
    TAP_OK(!ds_launch(r, fused, LANES, args, 4), "both at once: %s", ds_runner_error(r)->text);
    TAP_OK(apart == together && !memcmp(y, y2, sizeof y), "the same numbers, to the bit");
    TAP_OK(ds_kernel_get_info(fused).loads == 2, "y is not loaded again");
    bad = ds_kernel_fuse(first, shifted);
    TAP_OK(ds_kernel_error(bad)->code == DSIM_ERROR_RACE, "what another lane stores cannot be loaded");
    TAP_HAS(ds_kernel_error(bad)->text, "'y'", "the argument is named");
    ds_kernel_destroy(bad);
    bad = ds_kernel_fuse(first, first);
    TAP_OK(ds_kernel_error(bad)->code == DSIM_ERROR_RACE, "both write: refused");
    ds_kernel_destroy(bad);
    TAP_OK(!ds_kernel_fuse(NULL, first), "NULL");
    ds_kernel_destroy(fused);
    ds_kernel_destroy(shifted);
    ds_kernel_destroy(second);
    ds_kernel_destroy(first);
}

/* e[lane] and e[0] gain factor (lane + 1) */
static ds_kernel *adding_kernel(const char *name, double factor)
{
    ds_kernel *k = ds_kernel_begin(NULL, name);
    ds_arg x = ds_arg_in(k, "x", 1), e = ds_arg_sum(k, "e", 1);
    ds_index lane = ds_lane(k);
    ds_var gain = ds_mul(ds_c(factor), ds_load(x, lane));
    ds_add_at(e, lane, gain);
    ds_add_at(e, ds_i(0), gain);
    ds_kernel_end(k);
    return k;
}

/* what both add to a number goes there once */
static void test_fuse_sums(ds_runner *r)
{
    ds_kernel *first = adding_kernel("one", 1), *second = adding_kernel("two", 2), *fused;
    ds_real x[LANES], e[LANES];
    ds_array args[2];
    int i, good;
    for (i = 0; i < LANES; i++) {
        x[i] = (ds_real)(i + 1);
        e[i] = 5;
    }
    args[0] = ds_array_reals(x, LANES, 1);
    args[1] = ds_array_reals(e, LANES, 1);
    fused = ds_kernel_fuse(first, second);
    TAP_OK(fused && !ds_kernel_error(fused)->code, "sums fused: %s", ds_kernel_error(fused)->text);
    TAP_OK(ds_kernel_get_info(fused).stores == ds_kernel_get_info(first).stores &&
               ds_kernel_get_info(fused).loads == 1,
           "both add to the same numbers: each is added to once");
    TAP_OK(!ds_launch(r, fused, LANES, args, 2), "they run: %s", ds_runner_error(r)->text);
    good = e[0] == (ds_real)(5 + 3 + 3 * LANES * (LANES + 1) / 2);
    for (i = 1; i < LANES; i++) good &= e[i] == (ds_real)(5 + 3 * (i + 1));
    TAP_OK(good, "and gain what both add");
    ds_kernel_destroy(fused);
    ds_kernel_destroy(second);
    ds_kernel_destroy(first);
}

/* y[to[lane]] = 1 / x[lane] */
static void test_validate(void)
{
    ds_runner_desc desc;
    ds_runner *r;
    ds_kernel *k = ds_kernel_begin(NULL, "scatter");
    ds_arg x = ds_arg_in(k, "x", 1), to = ds_arg_index(k, "to", 1), y = ds_arg_out(k, "y", 1);
    ds_index lane = ds_lane(k);
    ds_real numbers[LANES], results[LANES];
    int32_t targets[LANES];
    ds_array args[3];
    int i, same = 1;
    ds_store(y, ds_load_index(to, lane, 0), ds_recip(ds_load(x, lane)));
    ds_kernel_end(k);
    memset(&desc, 0, sizeof desc);
    desc.validate = 1;
    r = ds_runner_create(&desc);
    for (i = 0; i < LANES; i++) {
        numbers[i] = (ds_real)(1 + i);
        targets[i] = LANES - 1 - i;
        results[i] = 5;
    }
    args[0] = ds_array_reals(numbers, LANES, 1);
    args[1] = ds_array_indices(targets, LANES, 1);
    args[1].id = 7;
    args[2] = ds_array_reals(results, LANES, 1);
    targets[42] = 3;
    TAP_OK(ds_launch(r, k, LANES, args, 3) == DSIM_ERROR_RACE, "an element written twice is found");
    TAP_OK(ds_runner_error(r)->index == 66, "by the lane that is second: %d", (int)ds_runner_error(r)->index);
    TAP_HAS(ds_runner_error(r)->text, "element 3", "%s", ds_runner_error(r)->text);
    targets[42] = LANES - 1 - 42;
    numbers[11] = 0;
    TAP_OK(ds_launch(r, k, LANES, args, 3) == DSIM_ERROR_NON_FINITE, "a number that is not finite is found");
    TAP_OK(ds_runner_error(r)->index == 11 || strstr(ds_runner_error(r)->text, "lane 11"), "with its lane");
    for (i = 0; i < LANES; i++) same = same && results[i] == 5;
    TAP_OK(same, "nothing was written");
    numbers[11] = 12;
    TAP_OK(!ds_launch(r, k, LANES, args, 3) && results[LANES - 1 - 11] == (ds_real)1 / 12, "then it runs");
    targets[5] = LANES;
    TAP_OK(ds_launch(r, k, LANES, args, 3) == DSIM_ERROR_RANGE,
           "with an id that was not changed with the contents, too");
    ds_runner_destroy(r);
    ds_kernel_destroy(k);
}

/* in the adjoint of an adjoint, x_bar is what the first adds to; what it gains itself is x_bar2 */
static void test_names(void)
{
    ds_kernel *const k = ds_kernel_begin(NULL, "square");
    const ds_arg x = ds_arg_in(k, "x", 1), y = ds_arg_out(k, "y", 1);
    const ds_index lane = ds_lane(k);
    const ds_var v = ds_load(x, lane);
    static char text[1 << 16];
    ds_kernel *once, *twice, *thrice;
    ds_store(y, lane, ds_sin(v));
    ds_kernel_end(k);
    once = ds_kernel_adjoint(k, NULL), twice = ds_kernel_tangent(once, "x");
    thrice = ds_kernel_adjoint(once, "y_bar");
    TAP_OK(!ds_kernel_error(twice)->code && !ds_kernel_error(thrice)->code, "derivatives of a derivative");
    ds_kernel_print_c(thrice, text, sizeof text);
    TAP_HAS(text, "x_bar_bar[1]", "the adjoint of x_bar");
    TAP_HAS(text, "sum y_bar_bar[1]", "the adjoint of y_bar, which is asked for");
    ds_kernel_destroy(thrice);
    thrice = ds_kernel_adjoint(once, "x");
    ds_kernel_print_c(thrice, text, sizeof text);
    TAP_HAS(text, "sum x_bar2[1]", "that of x has another name than x_bar");
    ds_kernel_destroy(k), ds_kernel_destroy(once), ds_kernel_destroy(twice), ds_kernel_destroy(thrice);
}

int main(void)
{
    ds_runner *r = ds_runner_create(NULL);
    test_from_tape(r);
    test_fuse(r);
    test_fuse_sums(r);
    test_validate();
    ds_runner_destroy(r);
    test_names();
    return tap_end();
}
