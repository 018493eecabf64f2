/* Kernels under DIFFSIM_DEBUG: every call that records tells the line it stands on, so that what is refused
   there, or has no derivative, is named with its line. */
#define DIFFSIM_IMPLEMENTATION
#ifndef DIFFSIM_DEBUG
#define DIFFSIM_DEBUG
#endif
#include "../diffsim.h"
#include "tap.h"

/* a body with one of everything, not ended */
typedef struct body {
    ds_kernel *k;
    ds_arg x, y, sum, edge;
    ds_index lane;
    ds_var v;
    ds_var3 p, points[4];
    ds_var33 m;
    ds_var numbers[4];
    ds_grid grid;
} body;
static body begin(void)
{
    body b;
    int i;
    b.k = ds_kernel_begin(NULL, "lines");
    b.x = ds_arg_in(b.k, "x", 9);
    b.y = ds_arg_out(b.k, "y", 3);
    b.sum = ds_arg_sum(b.k, "sum", 3);
    b.edge = ds_arg_index(b.k, "edge", 2);
    b.lane = ds_lane(b.k);
    b.v = ds_load(b.x, b.lane);
    b.p = ds_load3(b.x, b.lane);
    b.m = ds_load33(b.x, b.lane);
    for (i = 0; i < 4; i++) b.points[i] = b.p, b.numbers[i] = b.v;
    b.grid = ds_grid_make(1, &b.lane, DSIM_WALL_CLAMP);
    return b;
}

static int names_line(const ds_kernel *k, int line)
{
    char place[60];
    snprintf(place, sizeof place, "test_kernel_lines.c:%d: ", line);
    return strstr(ds_kernel_error(k)->text, place) != NULL;
}

/* one call that records: the recorder knows its line */
#define TELLS(call) \
    do { \
        body b = begin(); \
        ds_recorder *const rec = b.v.rec; \
        rec->file = NULL; \
        rec->line = 0; \
        call; \
        TAP_OK(rec->file && strstr(rec->file, "test_kernel_lines.c") && rec->line == __LINE__, "%s", #call); \
        ds_kernel_destroy(b.k); \
    } while (0)

static void test_calls(void)
{
    ds_var w[4], slope[3];
    TELLS(ds_arg_in(b.k, "a", 1));
    TELLS(ds_arg_out(b.k, "a", 1));
    TELLS(ds_arg_sum(b.k, "a", 1));
    TELLS(ds_arg_update(b.k, "a", 1));
    TELLS(ds_arg_index(b.k, "a", 1));
    TELLS(ds_scalar(b.k, "a"));
    TELLS(ds_index_scalar(b.k, "a"));
    TELLS(ds_lane(b.k));
    TELLS(ds_lane_axis(b.k, 0));
    TELLS(ds_lanes(b.k, 0));
    TELLS(ds_load(b.x, b.lane));
    TELLS(ds_load_part(b.x, b.lane, 1));
    TELLS(ds_load3(b.x, b.lane));
    TELLS(ds_load33(b.x, b.lane));
    TELLS(ds_load_index(b.edge, b.lane, 1));
    TELLS(ds_floor_index(b.v));
    TELLS(ds_index_number(b.k, b.lane));
    TELLS(ds_index_add(b.lane, ds_i(1)));
    TELLS(ds_index_sub(b.lane, ds_i(1)));
    TELLS(ds_index_mul(b.lane, ds_i(2)));
    TELLS(ds_index_div(b.lane, ds_i(2)));
    TELLS(ds_index_mod(b.lane, ds_i(2)));
    TELLS(ds_index_min(ds_i(2), b.lane));
    TELLS(ds_index_max(b.lane, ds_i(2)));
    TELLS(ds_index_lt(b.lane, ds_i(2)));
    TELLS(ds_index_le(b.lane, ds_i(2)));
    TELLS(ds_index_eq(b.lane, ds_i(2)));
    TELLS(ds_index_select(ds_i(1), b.lane, ds_i(2)));
    TELLS(ds_index_clamp(b.lane, ds_i(1), ds_i(2)));
    TELLS(ds_store(b.y, b.lane, b.v));
    TELLS(ds_store_part(b.y, b.lane, 1, b.v));
    TELLS(ds_store3(b.y, b.lane, b.p));
    TELLS(ds_add_at(b.sum, b.lane, b.v));
    TELLS(ds_add_part(b.sum, b.lane, 1, b.v));
    TELLS(ds_add_at3(b.sum, b.lane, b.p));
    TELLS(ds_bspline2(b.v, w));
    TELLS(ds_bspline3(b.v, w));
    TELLS(ds_bspline2_weights(b.v, w));
    TELLS(ds_bspline3_weights(b.v, w));
    TELLS(ds_grid_of_lanes(b.k, DSIM_WALL_CLAMP));
    TELLS(ds_grid_at(&b.grid, &b.lane));
    TELLS(ds_grid_sample(b.x, 0, &b.grid, &b.v));
    TELLS(ds_grid_laplacian(b.x, 0, &b.grid, &b.lane));
    TELLS(ds_grid_gradient(b.x, 0, &b.grid, &b.lane, slope));
    TELLS(ds_grid_divergence(b.x, &b.grid, &b.lane));
    TELLS(ds_rest_of_tet(b.points, NULL));
    TELLS(ds_rest_of_triangle(b.points, NULL));
    TELLS(ds_gradient_of_tet(b.points, b.m));
    TELLS(ds_gradient_of_triangle(b.points, b.numbers, w));
    TELLS(ds_lame(b.v, ds_c(0.3), w, w + 1));
    TELLS(ds_lame_plane_stress(b.v, ds_c(0.3), w, w + 1));
    TELLS(ds_log_guarded(b.v, 0.1));
    TELLS(ds_clamp_speed(b.p, ds_c(2)));
    TELLS(ds_clamp_speed_tanh(b.p, ds_c(2)));
}

/* one call that is refused; what comes behind it does not take the blame */
#define REFUSED(call) \
    do { \
        body b = begin(); \
        int line; \
        line = __LINE__, call; \
        ds_index_add(b.lane, ds_i(1)); \
        ds_kernel_end(b.k); \
        TAP_OK(names_line(b.k, line), "refused: %s", #call); \
        ds_kernel_destroy(b.k); \
    } while (0)

static void test_refusals(void)
{
    body other = begin();
    REFUSED(ds_load(b.sum, b.lane));
    REFUSED(ds_store(b.x, b.lane, b.v));
    REFUSED((ds_store(b.y, b.lane, b.v), ds_store(b.y, b.lane, b.v)));
    REFUSED(ds_arg_in(b.k, "x", 1));
    REFUSED(ds_lanes(b.k, 1));
    REFUSED(ds_index_add(b.lane, other.lane));
    REFUSED(ds_add(b.v, other.v)); /* the tape's refusal */
    REFUSED(ds_kernel_end(b.k)); /* nothing is stored */
    REFUSED((ds_store(b.y, b.lane, b.v), ds_kernel_end(b.k), ds_lane(b.k))); /* too late */
    ds_kernel_destroy(other.k);
}

/* of derivatives, the line is that of the operation */
static void test_derivatives(void)
{
    static const char *const names[] = { "adjoint", "tangent", "gradient", "hessian", "adjoint, fused" };
    ds_kernel *made[5], *first, *apart, *fused;
    ds_arg in;
    ds_index i;
    ds_var v, cut;
    body b = begin();
    int line, floored, k;
    v = ds_square(b.v);
    floored = __LINE__ + 1;
    cut = ds_floor(v);
    ds_add_at(b.sum, b.lane, ds_mul(cut, b.v));
    ds_kernel_end(b.k);
    first = ds_kernel_begin(NULL, "first");
    in = ds_arg_in(first, "x", 9);
    i = ds_lane(first);
    ds_store(ds_arg_out(first, "z", 1), i, ds_load(in, i));
    ds_kernel_end(first);
    fused = ds_kernel_fuse(first, b.k);
    made[0] = ds_kernel_adjoint(b.k, "x");
    made[1] = ds_kernel_tangent(b.k, "x");
    made[2] = ds_kernel_gradient(b.k, "x");
    made[3] = ds_kernel_hessian(b.k, "x");
    made[4] = ds_kernel_adjoint(fused, "x");
    for (k = 0; k < 5; k++) {
        const ds_result code = ds_kernel_error(made[k])->code;
        TAP_OK(code == DSIM_ERROR_NOT_DIFFERENTIABLE && names_line(made[k], floored),
               "%s: 'floor' has its line", names[k]);
        ds_kernel_destroy(made[k]);
    }
    ds_kernel_destroy(fused);
    ds_kernel_destroy(b.k);

    apart = ds_kernel_begin(NULL, "apart");
    in = ds_arg_in(apart, "z", 1);
    line = __LINE__ + 1;
    v = ds_load(in, ds_index_add(ds_lane(apart), ds_i(1)));
    ds_store(ds_arg_out(apart, "r", 1), ds_lane(apart), v);
    ds_kernel_end(apart);
    fused = ds_kernel_fuse(first, apart);
    TAP_OK(ds_kernel_error(fused)->code == DSIM_ERROR_RACE && names_line(fused, line),
           "fused: a load has its line");
    ds_kernel_destroy(fused);
    ds_kernel_destroy(apart);
    ds_kernel_destroy(first);
}

int main(void)
{
    test_calls();
    test_refusals();
    test_derivatives();
    return tap_end();
}
