/* The first gradient: f = y sin(x y) at (2, 3), and a certificate that its gradient is right.
   make -C examples 01_gradient && examples/build/01_gradient */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include <stdio.h>

static ds_result f(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    ds_tape *t = user;
    ds_tape_reset(t);
    ds_vars in = ds_inputs(t, x, n);
    ds_var out = ds_mul(ds_vars_at(in, 1), ds_sin(ds_mul(ds_vars_at(in, 0), ds_vars_at(in, 1))));
    *value = ds_value(out);
    return grad && !ds_backward(out) ? ds_grads(in, grad) : ds_tape_error(t)->code;
}

int main(void)
{
    ds_real x[2] = { 2, 3 }, value, grad[2];
    ds_tape *t = ds_tape_create(NULL);
    ds_check_report report;
    if (f(t, x, 2, &value, grad) || ds_check_gradient(f, t, x, 2, NULL, &report)) return 1;
    printf("f %g  df/dx %g  df/dy %g\n%s\n", (double)value, (double)grad[0], (double)grad[1], report.text);
    ds_tape_destroy(t);
}
