/* launched.h - what files that record kernels share: a stencil, and how kernels are printed. Behind
   diffsim.h. */

#ifndef BENCH_LAUNCHED_H
#define BENCH_LAUNCHED_H

#include <stdio.h>
#include <string.h>

/* the five-point sum less four times the middle */
static inline ds_var laplacian(ds_arg u, ds_index at, ds_var middle, int64_t row)
{
    ds_var left = ds_load(u, ds_index_sub(at, ds_i(1))), right = ds_load(u, ds_index_add(at, ds_i(1)));
    ds_var up = ds_load(u, ds_index_sub(at, ds_i(row))), down = ds_load(u, ds_index_add(at, ds_i(row)));
    ds_var along = ds_add(left, right), across = ds_add(up, down);
    return ds_sub(ds_add(along, across), ds_mul(ds_c(4), middle));
}

/* the kernel as C; what its constant is called goes to the list, a line for each */
static inline int print_kernel(const ds_kernel *k, char *list)
{
    static const char before[] = "static const ds_printed_kernel ";
    static char text[1 << 20];
    if (!k) return 1;
    const size_t length = ds_kernel_print_c(k, text, sizeof text);
    const char *name = length && length < sizeof text ? strstr(text, before) : NULL;
    if (!name) return 0;
    name += strlen(before);
    sprintf(list + strlen(list), "    &%.*s,\n", (int)strcspn(name, " "), name);
    puts(text);
    return 1;
}

#endif
