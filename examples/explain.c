/* A NaN made, found and explained; and gradients that are zero and huge, explained.

   Two beads on a wire attract each other. Recorded with ds_norm3 the gradient is NaN where they meet; the
   tape refuses and names the operation. With a guarded operation it is finite. ds_explain tells the way of
   a gradient in sentences: which operation ends it, which one makes it huge.

   make -C examples explain && examples/build/explain
   prints what the library says. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include <stdio.h>
#include <string.h>

static char text[1000];

/* energy of a pair at distance |a - b|, from a naive or a guarded norm */
static ds_var attraction(ds_tape *t, ds_var x, int guarded)
{
    ds_var3 a = ds_input3(t, ds_v3_make(1, 0, 0)), b = ds_pack3(x, ds_c(0), ds_c(0));
    ds_var3 gap = ds_sub3(a, b);
    return ds_square(ds_sub(guarded ? ds_safe_norm3(gap) : ds_norm3(gap), ds_c(0.5)));
}

int main(void)
{
    ds_tape *t = ds_tape_create(NULL);
    ds_var x = ds_input(t, 1.0);
    ds_result naive = ds_backward(attraction(t, x, 0));
    printf("naive norm:   %s\n", ds_tape_error(t)->text);
    int named = strstr(ds_tape_error(t)->text, "'norm3'") != NULL;

    ds_tape_reset(t);
    x = ds_input(t, 1.0);
    ds_result guarded = ds_backward(attraction(t, x, 1));
    printf("guarded norm: df/dx %g\n\n", (double)ds_grad(x));

    /* a switch that saturates: the gradient is zero, and why */
    ds_tape_reset(t);
    x = ds_input(t, 9.0);
    ds_explain(ds_mul(ds_clamp(ds_mul(x, ds_c(3)), ds_c(-1), ds_c(1)), x), x, text, sizeof text);
    printf("a product with a closed clamp\n%s\n", text);
    ds_explain(ds_square(ds_clamp(ds_mul(x, ds_c(3)), ds_c(-1), ds_c(1))), x, text, sizeof text);
    printf("the square of a closed clamp\n%s\n", text);
    int ends = strstr(text, "'clamp'") && strstr(text, "here the gradient ends");

    /* a stiff exponential: the gradient is huge, and why */
    x = ds_input(t, 9.0);
    ds_explain(ds_add(ds_exp(ds_mul(x, ds_c(4))), x), x, text, sizeof text);
    printf("a stiff exponential\n%s\n", text);
    const char *largest = strstr(text, "largest factor");
    int blames = largest && strstr(largest, "'exp'");

    printf("result naive_refused %d\nresult named %d\n", naive == DSIM_ERROR_NON_FINITE, named);
    printf("result guarded_fine %d\n", guarded == DSIM_OK);
    printf("result end_found %d\nresult cause_found %d\n", ends, blames);
    ds_tape_destroy(t);
    return 0;
}
