/* test_explain.c - ds_explain says why a gradient is zero, huge, cancelled or NaN, by the operations on its
   way */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <string.h>

static char text[2000];

static const char *explained(ds_var f, ds_var x)
{
    memset(text, 'x', sizeof text);
    return ds_explain(f, x, text, sizeof text) == DSIM_OK ? text : "";
}

static void test_way(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 2), y = ds_input(t, 3);
    const ds_var huge = ds_exp(ds_mul(ds_mul(x, y), ds_c(5)));
    const ds_var f = ds_add(ds_mul(huge, ds_sin(x)), ds_mul(x, ds_c(0.5)));
    const char *s = explained(f, x);
    TAP_HAS(s, "df/dx is 141", "the gradient itself");
    TAP_OK(strstr(s, "'mul' (node") && strstr(s, "'exp' (node") && strstr(s, "'add' (node"),
           "the way, node by node");
    TAP_HAS(strstr(s, "largest factor: ") ? strstr(s, "largest factor: ") : "", "'exp'", "what made it huge");
    TAP_OK(!strstr(s, "'sin'"), "of the ways the one that gains most");
    TAP_OK(ds_grad(y) != 0, "the gradient is there afterwards");
    ds_tape_destroy(t);
}

static void test_zero(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 2), y = ds_input(t, 3);
    ds_var f = ds_mul(ds_clamp(x, ds_c(5), ds_c(6)), y);
    TAP_HAS(explained(f, x), "'clamp' (node", "a clamp that is closed");
    TAP_HAS(text, "here the gradient ends", "ends the gradient");
    x = ds_input(t, 2);
    f = ds_add(ds_square(y), ds_mul(ds_sin(x), ds_c(0)));
    TAP_HAS(explained(f, x), "'mul'", "a factor of zero");
    x = ds_input(t, 2);
    ds_exp(ds_sin(x));
    f = ds_square(y);
    TAP_HAS(explained(f, x), "f does not depend on it", "an input that f does not read");
    x = ds_input(t, 2);
    f = ds_sub(ds_mul(x, ds_c(2)), ds_add(x, x));
    TAP_HAS(explained(f, x), "several ways cancels", "contributions that cancel");
    ds_tape_destroy(t);
}

static void test_nan(void)
{
    ds_tape *t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 2), f = ds_mul(x, ds_sqrt(ds_sub(x, x)));
    TAP_OK(ds_explain(f, x, text, sizeof text) == DSIM_ERROR_NON_FINITE, "a gradient that is not finite");
    TAP_HAS(text, "'sqrt' (node", "and what made it so");
    TAP_OK(ds_explain(f, x, NULL, 5) == DSIM_ERROR_ARGUMENT, "nowhere to write");
    TAP_OK(ds_explain(f, x, text, 0) == DSIM_ERROR_ARGUMENT, "nothing to write");
    ds_tape_destroy(t);
}

/* blocks, lists and custom nodes stand on the way like any other */
static ds_result half(const ds_custom_io *io)
{
    io->out[0] = io->in[0] / 2;
    return DSIM_OK;
}
static ds_result half_reverse(const ds_custom_io *io)
{
    io->in_bar[0] += io->out_bar[0] / 2;
    return DSIM_OK;
}
static ds_result half_tangent(const ds_custom_io *io)
{
    io->out_dot[0] += io->in_dot[0] / 2;
    return DSIM_OK;
}

static void test_all_nodes(void)
{
    static const ds_custom_type type = { "half", half, half_reverse, half_tangent, NULL };
    const ds_real numbers[4] = { (ds_real)0.1, (ds_real)0.2, (ds_real)0.3, (ds_real)0.4 };
    ds_tape *t = ds_tape_create(NULL);
    const ds_vars in = ds_inputs(t, numbers, 4);
    const ds_vars h = ds_vars_tanh(ds_affine(ds_vars_slice(in, 0, 2), ds_vars_slice(in, 2, 2),
                                             ds_vars_slice(in, 0, 1)));
    const ds_var y = ds_vars_at(h, 0);
    const ds_var list[3] = { y, ds_mul(y, y), ds_vars_at(ds_custom(&type, NULL, &y, 1, 1), 0) };
    const ds_var f = ds_square(ds_sum(list, 3));
    const char *s = explained(f, ds_vars_at(in, 1));
    TAP_OK(strstr(s, "'affine'") && strstr(s, "'vars_tanh'") && strstr(s, "'sum'"), "blocks and lists");
    s = explained(ds_square(list[2]), ds_vars_at(in, 1));
    TAP_HAS(s, "'half'", "a custom node");
    TAP_OK(ds_explain(f, ds_vars_at(in, 1), text, 30) == DSIM_OK && strlen(text) < 30, "a short text is cut");
    ds_tape_destroy(t);
}

/* a checkpoint on the way is run again for its factor; if that fails, so does the explanation */
static ds_result third_time(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)t;
    out[0] = ds_sin(in[0]);
    return ++*(int *)user < 3 ? DSIM_OK : DSIM_ERROR_SINGULAR;
}

static void test_failing_checkpoint(void)
{
    int count = 0;
    ds_tape *t = ds_tape_create(NULL);
    const ds_var x = ds_input(t, 1);
    const ds_var f = ds_vars_at(ds_checkpoint(third_time, &count, &x, 1, 1), 0);
    TAP_OK(ds_explain(f, x, text, sizeof text) == DSIM_ERROR_CALLBACK && count == 3,
           "a checkpoint that fails");
    TAP_HAS(text, "ds_checkpoint: its body returned an error", "is told at the end of the way");
    ds_tape_destroy(t);
}

int main(void)
{
    test_way();
    test_zero();
    test_nan();
    test_all_nodes();
    test_failing_checkpoint();
    return tap_end();
}
