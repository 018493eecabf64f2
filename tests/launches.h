/* launches.h - a launch in all ways that there are: ds_launch_grid, and prepared, where the arrays are and
   somewhere else, twice. They must have the same bits and the same refusals. C and C++; behind diffsim.h. */

#ifndef LAUNCHES_H
#define LAUNCHES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAUNCHES_MOST = 64 };

/* bytes from the first number to behind the last */
static inline size_t launches_extent(const ds_array *a)
{
    const size_t stride = a->stride ? a->stride : a->components, pitch = a->pitch ? a->pitch : 1;
    const size_t bytes = a->type == DSIM_ARRAY_REAL ? sizeof(ds_real) : a->type == DSIM_ARRAY_DOUBLE ? 8 : 4;
    return a->n ? ((a->n - 1) * stride + (a->components - 1) * pitch + 1) * bytes : 0;
}

/* numbers of all arrays that are no indices: from them into copies, one behind the other, or back */
static inline size_t launches_copy(const ds_array *args, size_t n, char *copies, int back)
{
    size_t i, bytes = 0;
    for (i = 0; i < n; i++) {
        const int numbers = args[i].type != DSIM_ARRAY_INT32 && args[i].data;
        const size_t extent = numbers ? launches_extent(args + i) : 0;
        if (copies && extent && back) memcpy(args[i].data, copies + bytes, extent);
        else if (copies && extent) memcpy(copies + bytes, args[i].data, extent);
        bytes += (extent + 15) / 16 * 16;
    }
    return bytes;
}

/* do arrays lie in each other's gaps? Then their copies have what others have written. */
static inline int launches_interleave(const ds_array *args, size_t n)
{
    size_t i, k;
    for (i = 0; i < n; i++)
        for (k = 0; k < i; k++) {
            const char *const a = (const char *)args[i].data, *const b = (const char *)args[k].data;
            if (a && b && a < b + launches_extent(args + k) && b < a + launches_extent(args + i)) return 1;
        }
    return 0;
}

/* in words, which ways of a launch differ; NULL: none. The arrays end as ds_launch_grid leaves them. */
static inline const char *launches_differ(ds_runner *runner, const ds_kernel *kernel, const size_t *lanes,
                                          const ds_array *args, size_t n, ds_result *result)
{
    const size_t bytes = launches_copy(args, n, NULL, 0);
    char *const before = (char *)calloc(3, bytes + 16), *const after = before + bytes + 16;
    char *const other = after + bytes + 16;
    void *data[LAUNCHES_MOST];
    const char *wrong = NULL;
    ds_prepared *p;
    ds_result now;
    const size_t step = launches_interleave(args, n) ? 2 : 1;
    size_t i, at = 0;
    if (!before || n > LAUNCHES_MOST) exit(1);
    launches_copy(args, n, before, 0);
    memcpy(other, before, bytes);
    p = ds_launch_prepare(runner, kernel, lanes, args, n);
    now = ds_runner_error(runner)->code;
    *result = ds_launch_grid(runner, kernel, lanes, args, n);
    launches_copy(args, n, after, 0);
    if (!p) {
        free(before);
        return now && now == *result ? NULL : "it cannot be prepared, or only prepared";
    }
    for (i = 0; i < n; i++) {
        data[i] = NULL;
        if (args[i].type == DSIM_ARRAY_INT32 || !args[i].data) continue;
        data[i] = other + at;
        at += (launches_extent(args + i) + 15) / 16 * 16;
    }
    for (i = 0; i < 4 && !wrong; i += step) { /* here, there, here, there */
        launches_copy(args, n, before, 1);
        memcpy(other, before, bytes);
        now = ds_prepared_run(p, i % 2 ? data : NULL);
        if (now != *result) wrong = "another result when prepared";
        else if (i % 2 && memcmp(other, after, bytes)) wrong = "other numbers when prepared, elsewhere";
        if (i % 2 || wrong) continue;
        launches_copy(args, n, other, 0);
        if (memcmp(other, after, bytes)) wrong = "other numbers when prepared";
    }
    launches_copy(args, n, after, 1);
    ds_prepared_destroy(p);
    free(before);
    return wrong;
}

/* as ds_launch_grid; HIDDEN_STATE if ways differ */
static inline ds_result launch_all_ways(ds_runner *runner, const ds_kernel *kernel, const size_t *lanes,
                                        const ds_array *args, size_t n)
{
    ds_result result = DSIM_OK;
    const char *const wrong = launches_differ(runner, kernel, lanes, args, n, &result);
    if (wrong) printf("# %s\n", wrong);
    return wrong ? DSIM_ERROR_HIDDEN_STATE : result;
}

#endif
