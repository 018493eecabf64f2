/* test_misuse.c - bad calls and bad numbers: each is refused with its own code and sentence, nothing is
   half-written, and reset makes the tape good again */
#define DIFFSIM_IMPLEMENTATION
#ifndef DIFFSIM_DEBUG
#define DIFFSIM_DEBUG
#endif
#include "../diffsim.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>

/* what a misuse works on: a tape, another tape, and variables from before anything went wrong */
typedef struct scene {
    ds_tape *t, *other;
    ds_tape *told; /* the other one that a mixture is told to */
    ds_var x, y;
    ds_var3 p;
    ds_vars block;
    int logged, line;
    char text[400];
} scene;

typedef struct misuse {
    const char *name;
    ds_result (*commit)(scene *s);
    ds_result code;
    size_t index;
    const char *words;
} misuse;

static void keep_log(void *user, ds_result code, const char *text)
{
    scene *s = (scene *)user;
    (void)code;
    s->logged++;
    snprintf(s->text, sizeof s->text, "%s", text);
}

static ds_result code_of(const scene *s) { return ds_tape_error(s->t)->code; }
static ds_real not_a_number(void) { return (ds_real)nan(""); }
static ds_real infinity_itself(void) { return (ds_real)HUGE_VAL; }

/* the misuses; each returns the code that the caller is told */
static ds_result after_reset(scene *s)
{
    ds_tape_reset(s->t);
    ds_add(ds_input(s->t, 1), s->x);
    return code_of(s);
}
static ds_result after_rewind(scene *s)
{
    ds_mark mark = ds_tape_mark(s->t);
    ds_var late = ds_square(s->x);
    ds_tape_rewind(s->t, mark);
    ds_mul(late, s->x);
    return code_of(s);
}
static ds_result after_rewind_in_a_list(scene *s)
{
    ds_mark mark = ds_tape_mark(s->t);
    ds_var list[3];
    list[0] = s->x;
    list[1] = s->y;
    list[2] = ds_square(s->x);
    ds_tape_rewind(s->t, mark);
    ds_square(s->x);
    ds_sum(list, 3);
    return code_of(s);
}
static ds_result two_tapes(scene *s)
{
    ds_add(s->x, ds_input(s->other, 1));
    return code_of(s);
}
static ds_result two_tapes_in_a_list(scene *s)
{
    ds_var list[2];
    list[0] = s->x;
    list[1] = ds_input(s->other, 1);
    ds_dot(list, list, 2);
    return code_of(s);
}
static ds_result two_tapes_in_backward(scene *s)
{
    ds_var f[2];
    const ds_real seeds[2] = { 1, 1 };
    f[0] = s->x;
    f[1] = ds_input(s->other, 1);
    return ds_backward_many(f, seeds, 2);
}
static ds_result foreign_mark(scene *s) { return ds_tape_rewind(s->t, ds_tape_mark(s->other)); }
static ds_result stale_mark(scene *s)
{
    ds_mark mark = ds_tape_mark(s->t);
    ds_tape_reset(s->t);
    s->x = ds_input(s->t, 1);
    return ds_tape_rewind(s->t, mark);
}
static ds_result mark_beyond_a_rewind(scene *s)
{
    ds_mark early = ds_tape_mark(s->t), late;
    ds_square(s->x);
    late = ds_tape_mark(s->t);
    ds_tape_rewind(s->t, early);
    ds_square(s->x);
    ds_square(s->x);
    return ds_tape_rewind(s->t, late);
}
static ds_result nan_input(scene *s)
{
    ds_input(s->t, (double)not_a_number());
    return code_of(s);
}
static ds_result infinite_input(scene *s)
{
    ds_real x[4] = { 1, 2, 0, 4 };
    x[2] = infinity_itself();
    ds_inputs(s->t, x, 4);
    return code_of(s);
}
static ds_result nan_vector(scene *s)
{
    ds_input3(s->t, ds_v3_make(1, not_a_number(), 0));
    return code_of(s);
}
static ds_result null_inputs(scene *s)
{
    ds_inputs(s->t, NULL, 5);
    return code_of(s);
}
static ds_result nan_seed(scene *s)
{
    const ds_real seeds[1] = { not_a_number() };
    return ds_backward_many(&s->x, seeds, 1);
}
static ds_result nan_weight(scene *s)
{
    ds_var list[3];
    const ds_real w[3] = { 1, not_a_number(), 1 };
    list[0] = list[1] = list[2] = s->x;
    ds_weighted_sum(w, list, 3);
    return code_of(s);
}
static ds_result nan_weight3(scene *s)
{
    ds_var3 list[2];
    const ds_real w[2] = { infinity_itself(), 1 };
    list[0] = list[1] = s->p;
    ds_weighted_sum3(w, list, 2);
    return code_of(s);
}
static ds_result through_floor(scene *s) { return ds_backward(ds_mul(ds_floor(s->x), s->y)); }
static ds_result through_sign(scene *s) { return ds_backward(ds_sign(s->x)); }
static ds_result through_comparison(scene *s) { return ds_backward(ds_add(ds_lt(s->x, s->y), s->x)); }
static ds_result through_exponent(scene *s) { return ds_backward(ds_powi(s->x, s->y)); }
static ds_result division_by_zero(scene *s)
{
    ds_var z = ds_div(s->x, ds_sub(s->y, s->y));
    return ds_backward(ds_mul(ds_exp(ds_neg(z)), ds_add(z, s->x)));
}
static ds_result overflow(scene *s) { return ds_backward(ds_square(ds_exp(ds_mul(s->x, ds_c(1e6))))); }
static ds_result root_of_zero(scene *s) { return ds_backward(ds_sqrt(ds_sub(s->x, s->x))); }
static ds_result length_of_zero(scene *s) { return ds_backward(ds_norm3(ds_sub3(s->p, s->p))); }
static ds_result direction_of_zero(scene *s) { return ds_backward(ds_x(ds_normalize3(ds_sub3(s->p, s->p)))); }
static ds_result nan_constant(scene *s) { return ds_backward(ds_mul(s->x, ds_c((double)not_a_number()))); }
static ds_result wrong_sizes(scene *s)
{
    ds_affine(ds_vars_slice(s->block, 0, 5), ds_vars_slice(s->block, 0, 2), ds_vars_slice(s->block, 0, 2));
    return code_of(s);
}
static ds_result wrong_dot(scene *s)
{
    ds_vars_dot(ds_vars_slice(s->block, 0, 5), ds_vars_slice(s->block, 0, 4));
    return code_of(s);
}
static ds_result slice_outside(scene *s)
{
    ds_vars_slice(s->block, 4, 3);
    return code_of(s);
}
static ds_result entry_outside(scene *s)
{
    ds_vars_at(s->block, 6);
    return code_of(s);
}
static ds_result point_outside(scene *s)
{
    ds_vars_at3(s->block, 2);
    return code_of(s);
}
static ds_result huge_slice(scene *s)
{
    ds_vars_slice(s->block, 1, (size_t)-1);
    return code_of(s);
}
static ds_result constant_vector(scene *s)
{
    ds_add3(s->p, ds_pack3(ds_c(1), ds_c(2), ds_c(3)));
    return code_of(s);
}
static ds_result zero_block(scene *s)
{
    ds_vars none;
    memset(&none, 0, sizeof none);
    ds_affine(s->block, none, none);
    return code_of(s);
}
static ds_result told_the_line(scene *s)
{
    ds_tape_reset(s->t);
    s->y = ds_input(s->t, 2);
    s->line = __LINE__ + 1;
    ds_atan2(s->x, s->y);
    return code_of(s);
}

static ds_result told_the_line_of_seeds(scene *s)
{
    const ds_real seed = not_a_number();
    s->line = __LINE__ + 1;
    return ds_backward_many(&s->x, &seed, 1);
}
static ds_result told_the_line_of_a_rewind(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->other);
    s->line = __LINE__ + 1;
    return ds_tape_rewind(s->t, mark);
}
static ds_result backward_of_a_removed_variable(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->t);
    const ds_var late = ds_square(s->x);
    ds_tape_rewind(s->t, mark);
    return ds_backward(late);
}
static ds_result floor_behind_lists(scene *s)
{
    ds_var list[3];
    list[0] = ds_floor(s->x);
    list[1] = s->y;
    list[2] = s->x;
    list[0] = ds_sum(list, 3);
    return ds_backward(ds_add(ds_dot(list, list, 3), ds_c(100)));
}
static ds_result infinity_behind_a_list(scene *s)
{
    ds_var list[3];
    list[0] = ds_c(3);
    list[1] = ds_div(s->x, ds_sub(s->y, s->y));
    list[2] = s->y;
    return ds_backward(ds_exp(ds_sum(list, 3)));
}
static ds_result nothing_dot_block(scene *s)
{
    ds_vars none;
    memset(&none, 0, sizeof none);
    ds_vars_dot(none, s->block);
    return code_of(s);
}
static ds_result map_of_nothing(scene *s)
{
    ds_vars none;
    memset(&none, 0, sizeof none);
    ds_affine(none, s->block, s->block);
    return code_of(s);
}
static ds_result constant_point_first(scene *s)
{
    ds_var3 points[2];
    points[0] = ds_pack3(ds_c(1), ds_c(2), ds_c(3));
    points[1] = s->p;
    ds_sum3(points, 2);
    return code_of(s);
}
static ds_result row_outside(scene *s)
{
    ds_row(ds_input33(s->t, ds_m3_identity()), 3);
    return code_of(s);
}
static ds_result entry_outside_matrix(scene *s)
{
    ds_m(ds_input33(s->t, ds_m3_identity()), 1, 3);
    return code_of(s);
}
static ds_result row_of_entry_outside_matrix(scene *s)
{
    ds_m(ds_input33(s->t, ds_m3_identity()), 4, 3);
    return code_of(s);
}
static ds_result column_outside(scene *s)
{
    ds_column(ds_input33(s->t, ds_m3_identity()), 5);
    return code_of(s);
}
static ds_result inverse_of_a_singular_matrix(scene *s)
{
    const ds_var33 m = ds_input33(s->t, ds_m3_diagonal(1, 2, 0));
    return ds_backward(ds_m(ds_inverse33(m), 0, 0));
}

/* directions and second derivatives */
static const ds_real ones[2] = { 1, 1 };
static ds_result direction_of_a_constant(scene *s)
{
    const ds_var list[2] = { s->x, ds_c(1) };
    return ds_forward(list, ones, 2);
}
static ds_result direction_of_two_tapes(scene *s)
{
    const ds_var list[2] = { s->x, ds_input(s->other, 1) };
    return ds_forward(list, ones, 2);
}
static ds_result direction_after_rewind(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->t);
    const ds_var list[2] = { s->x, ds_square(s->x) };
    ds_tape_rewind(s->t, mark);
    return ds_forward(list, ones, 2);
}
static ds_result nan_direction(scene *s)
{
    const ds_real x_dot[2] = { 1, not_a_number() };
    const ds_var list[2] = { s->x, s->y };
    return ds_forward(list, x_dot, 2);
}
static ds_result tangent_through_floor(scene *s)
{
    const ds_var f = ds_mul(ds_floor(s->x), s->y);
    ds_forward(&s->x, ones, 1);
    ds_tangent(f);
    return code_of(s);
}
static ds_result tangent_of_a_root_of_zero(scene *s)
{
    const ds_var f = ds_sqrt(ds_sub(s->x, ds_c(0.5)));
    ds_forward(&s->x, ones, 1);
    ds_tangent(f);
    return code_of(s);
}
static ds_result hessian_through_floor(scene *s)
{
    ds_real H[1];
    return ds_hessian(ds_floor(s->x), &s->x, 1, H);
}
static ds_result hessian_not_finite(scene *s)
{
    ds_real H[1];
    return ds_hessian(ds_pow(ds_sub(s->x, ds_c(0.5)), ds_c(1.5)), &s->x, 1, H);
}
static ds_result hessian_of_a_removed_variable(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->t);
    const ds_var late = ds_square(s->x);
    ds_real H[1];
    ds_tape_rewind(s->t, mark);
    return ds_hessian(late, &s->x, 1, H);
}
static ds_result hessian_of_two_tapes(scene *s)
{
    ds_real H[1];
    return ds_hessian(ds_input(s->other, 1), &s->x, 1, H);
}
static ds_result hessian_by_another_tape(scene *s)
{
    const ds_var list[2] = { s->x, ds_input(s->other, 1) };
    ds_real H[4];
    return ds_hessian(ds_square(s->x), list, 2, H);
}
static ds_result product_with_nan(scene *s)
{
    const ds_real direction = not_a_number();
    ds_real Hv[1];
    return ds_hessian_vector(ds_square(s->x), &s->x, &direction, 1, Hv);
}
static ds_result product_by_a_constant(scene *s)
{
    const ds_var list[2] = { s->x, ds_c(3) };
    ds_real Hv[2];
    return ds_hessian_vector(ds_square(s->x), list, ones, 2, Hv);
}
static ds_result explain_after_rewind(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->t);
    const ds_var late = ds_square(s->x);
    char text[200];
    ds_tape_rewind(s->t, mark);
    return ds_explain(s->x, late, text, sizeof text);
}

/* replay */
static ds_result set_a_result(scene *s) { return ds_set_input(ds_square(s->x), 3); }
static ds_result set_many_results(scene *s)
{
    const ds_real six[6] = { 1, 2, 3, 4, 5, 6 };
    return ds_set_inputs(ds_vars_tanh(s->block), six);
}
static ds_result set_to_nan(scene *s) { return ds_set_input(s->y, (double)not_a_number()); }
static ds_result set_many_to_nan(scene *s)
{
    ds_real six[6] = { 1, 2, 3, 4, 5, 6 };
    six[4] = infinity_itself();
    return ds_set_inputs(s->block, six);
}
static ds_result set_a_vector_to_nan(scene *s)
{
    return ds_set_input3(s->p, ds_v3_make(1, 2, not_a_number()));
}
static ds_result set_after_reset(scene *s)
{
    ds_tape_reset(s->t);
    return ds_set_input(s->x, 1);
}
static ds_result backward_before_replay(scene *s)
{
    const ds_var f = ds_square(s->x);
    ds_set_input(s->x, 3);
    return ds_backward(f);
}
static ds_result replay_of_another_branch(scene *s)
{
    ds_branch(ds_lt(s->x, ds_c(1)));
    ds_set_input(s->x, 3);
    return ds_replay(s->t);
}
static ds_result replay_after_a_read(scene *s)
{
    if (ds_value(s->x) < 1) ds_square(s->x);
    return ds_replay(s->t);
}
static ds_result branch_after_rewind(scene *s)
{
    const ds_mark mark = ds_tape_mark(s->t);
    const ds_var late = ds_square(s->x);
    ds_tape_rewind(s->t, mark);
    ds_branch(late);
    return code_of(s);
}

/* custom nodes and checkpoints */
static ds_result pass(const ds_custom_io *io)
{
    io->out[0] = io->in[0];
    return DSIM_OK;
}
static ds_result pass_reverse(const ds_custom_io *io)
{
    io->in_bar[0] += io->out_bar[0];
    return DSIM_OK;
}
static ds_result pass_tangent(const ds_custom_io *io)
{
    io->out_dot[0] += io->in_dot[0];
    return DSIM_OK;
}
static ds_result never(const ds_custom_io *io)
{
    (void)io;
    return DSIM_ERROR_SINGULAR;
}
static const ds_custom_type whole = { "whole", pass, pass_reverse, pass_tangent, NULL };
static const ds_custom_type blind = { "blind", pass, NULL, NULL, NULL };
static const ds_custom_type empty = { "empty", NULL, NULL, NULL, NULL };
static const ds_custom_type refusing = { "refusing", never, NULL, NULL, NULL };
static const ds_custom_type half_way = { "half way", pass, never, never, NULL };

static ds_var custom_of(const ds_custom_type *type, ds_var x)
{
    return ds_vars_at(ds_custom(type, NULL, &x, 1, 1), 0);
}
static ds_result custom_without_type(scene *s)
{
    ds_custom(NULL, NULL, &s->x, 1, 1);
    return code_of(s);
}
static ds_result custom_without_forward(scene *s)
{
    ds_custom(&empty, NULL, &s->x, 1, 2);
    return code_of(s);
}
static ds_result custom_without_outputs(scene *s)
{
    ds_custom(&whole, NULL, &s->x, 1, 0);
    return code_of(s);
}
static ds_result custom_with_endless_outputs(scene *s)
{
    ds_custom(&whole, NULL, &s->x, 1, (size_t)-1);
    return code_of(s);
}
static ds_result custom_of_two_tapes(scene *s)
{
    const ds_var list[2] = { s->x, ds_input(s->other, 1) };
    ds_custom(&whole, NULL, list, 2, 1);
    return code_of(s);
}
static ds_result custom_that_refuses(scene *s)
{
    ds_custom(&refusing, NULL, &s->x, 1, 1);
    return code_of(s);
}
static ds_result custom_without_reverse(scene *s) { return ds_backward(custom_of(&blind, s->x)); }
static ds_result custom_without_tangent(scene *s)
{
    const ds_var f = custom_of(&blind, s->x);
    ds_forward(&s->x, ones, 1);
    ds_tangent(f);
    return code_of(s);
}
static ds_result custom_without_second(scene *s)
{
    ds_real H[1];
    return ds_hessian(custom_of(&whole, s->x), &s->x, 1, H);
}
static ds_result custom_that_fails_back(scene *s) { return ds_backward(custom_of(&half_way, s->x)); }
static ds_result custom_that_fails_forth(scene *s)
{
    custom_of(&half_way, s->x);
    return ds_forward(&s->x, ones, 1);
}

static ds_result fail_body(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)user, (void)t;
    out[0] = in[0];
    return DSIM_ERROR_SINGULAR;
}
static ds_result nan_body(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)user;
    out[0] = ds_mul(in[0], ds_input(t, (double)not_a_number()));
    return DSIM_OK;
}
static ds_result parent_body(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)t;
    (void)in;
    out[0] = *(ds_var *)user;
    return DSIM_OK;
}
static ds_result counting_body(void *user, ds_tape *t, const ds_var *in, ds_var *out)
{
    (void)t;
    out[0] = ds_mul(in[0], ds_c(++*(int *)user));
    return DSIM_OK;
}
static ds_result checkpoint_of(scene *s, ds_segment *body, void *user)
{
    ds_checkpoint(body, user, &s->x, 1, 1);
    return code_of(s);
}
static ds_result checkpoint_without_body(scene *s) { return checkpoint_of(s, NULL, NULL); }
static ds_result checkpoint_that_fails(scene *s) { return checkpoint_of(s, fail_body, NULL); }
static ds_result checkpoint_with_nan(scene *s) { return checkpoint_of(s, nan_body, NULL); }
static ds_result checkpoint_of_the_outside(scene *s)
{
    s->told = s->t;
    return checkpoint_of(s, parent_body, &s->y);
}
/* recorded, then run again by a quick sweep and by a careful one, since sqrt has no finite slope at 0; a
   third time to find the operation to name. That ended as if nothing had been wrong. */
static ds_result late_body(void *user, ds_tape *tape, const ds_var *in, ds_var *out)
{
    (void)tape;
    out[0] = ds_mul(in[0], in[0]);
    out[0] = ds_add(out[0], in[0]);
    return ++*(int *)user == 4 ? DSIM_ERROR_CALLBACK : DSIM_OK;
}
static ds_result checkpoint_that_fails_late(scene *s)
{
    int count = 0;
    const ds_var root = ds_sqrt(ds_sub(s->x, s->x));
    return ds_backward(ds_vars_at(ds_checkpoint(late_body, &count, &root, 1, 1), 0));
}
static ds_result checkpoint_that_changes(scene *s)
{
    int count = 0;
    return ds_backward(ds_vars_at(ds_checkpoint(counting_body, &count, &s->x, 1, 1), 0));
}

static const misuse misuses[] = {
    {"a variable from before a reset", after_reset, DSIM_ERROR_STALE, 2, "ds_add: operand 2"},
    {"a variable from before a rewind", after_rewind, DSIM_ERROR_STALE, 1, "ds_mul: operand 1"},
    {"such a variable in a list", after_rewind_in_a_list, DSIM_ERROR_STALE, 3, "ds_sum: operand 3"},
    {"two tapes in one operation", two_tapes, DSIM_ERROR_MIXED, 2, "ds_add: operand 2"},
    {"two tapes in one list", two_tapes_in_a_list, DSIM_ERROR_MIXED, 2, "ds_dot: operand 2"},
    {"two tapes in backward", two_tapes_in_backward, DSIM_ERROR_MIXED, 2, "ds_backward: operand 2"},
    {"another tape's mark", foreign_mark, DSIM_ERROR_FOREIGN, 0, "ds_tape_rewind: the mark"},
    {"a mark from before a reset", stale_mark, DSIM_ERROR_STALE, (size_t)-1, "ds_tape_rewind: the mark"},
    {"a mark that a rewind removed", mark_beyond_a_rewind, DSIM_ERROR_STALE, (size_t)-1, "the mark at node"},
    {"a NaN input", nan_input, DSIM_ERROR_NON_FINITE, 0, "ds_input: number 0"},
    {"an infinite input", infinite_input, DSIM_ERROR_NON_FINITE, 2, "ds_inputs: number 2"},
    {"a NaN in a vector", nan_vector, DSIM_ERROR_NON_FINITE, 1, "ds_input3: number 1"},
    {"inputs from NULL", null_inputs, DSIM_ERROR_ARGUMENT, 5, "ds_inputs: numbers is NULL"},
    {"a NaN seed", nan_seed, DSIM_ERROR_NON_FINITE, 0, "ds_backward: seed 0"},
    {"a NaN weight", nan_weight, DSIM_ERROR_NON_FINITE, 1, "ds_weighted_sum: weight 1"},
    {"an infinite weight of a point", nan_weight3, DSIM_ERROR_NON_FINITE, 0, "ds_weighted_sum3: weight 0"},
    {"backward through floor", through_floor, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'floor' (node 1) with operands 0.5 gave 0:"},
    {"backward through sign", through_sign, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'sign' (node 1) with operands 0.5 gave 1:"},
    {"backward through a comparison", through_comparison, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'lt' (node 1) with operands 0.5, 2 gave 1:"},
    {"the derivative by an integer exponent", through_exponent, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'powi' (node 1) with operands 0.5, 2 gave 0.25:"},
    {"a division by zero", division_by_zero, DSIM_ERROR_NON_FINITE, 2,
     "value: 'div' (node 2) with operands 0.5, 0 gave inf:"},
    {"an overflow", overflow, DSIM_ERROR_NON_FINITE, 2,
     "value: 'exp' (node 2) with operands 500000 gave inf:"},
    {"the root of zero", root_of_zero, DSIM_ERROR_NON_FINITE, 2,
     "adjoint: 'sqrt' (node 2) with operands 0 gave 0, adjoint 1:"},
    {"the length of zero", length_of_zero, DSIM_ERROR_NON_FINITE, 2,
     "adjoint: 'norm3' (node 2) with operands 0, 0, 0 gave 0, adjoint 1:"},
    {"the direction of zero", direction_of_zero, DSIM_ERROR_NON_FINITE, 2,
     "value: 'normalize3' (node 2) with operands 0, 0, 0 gave nan, nan, nan:"},
    {"a NaN constant", nan_constant, DSIM_ERROR_NON_FINITE, 1,
     "value: 'mul' (node 1) with operands 0.5, nan gave nan:"},
    {"an affine map of the wrong sizes", wrong_sizes, DSIM_ERROR_ARGUMENT, 2, "have 5, 2 and 2"},
    {"a dot product of the wrong sizes", wrong_dot, DSIM_ERROR_ARGUMENT, 4, "5, 4"},
    {"a slice outside its block", slice_outside, DSIM_ERROR_ARGUMENT, 4,
     "ds_vars_slice: 3 entries from 4 of a block of 6"},
    {"an entry outside its block", entry_outside, DSIM_ERROR_ARGUMENT, 6,
     "ds_vars_at: 1 entry from 6 of a block of 6"},
    {"a point outside its block", point_outside, DSIM_ERROR_ARGUMENT, 6,
     "ds_vars_at3: 3 entries from 6 of a block of 6"},
    {"a slice that wraps", huge_slice, DSIM_ERROR_ARGUMENT, 1, "of a block of 6"},
    {"a vector of constants without a tape", constant_vector, DSIM_ERROR_NO_RECORDER, 2,
     "ds_add3: a vector of"},
    {"a block of nothing", zero_block, DSIM_ERROR_NO_RECORDER, 2, "ds_affine"},
    {"a block of nothing first", nothing_dot_block, DSIM_ERROR_NO_RECORDER, 1, "ds_vars_dot"},
    {"an affine map of nothing", map_of_nothing, DSIM_ERROR_NO_RECORDER, 1, "ds_affine"},
    {"a point without a tape first", constant_point_first, DSIM_ERROR_NO_RECORDER, 1, "ds_sum3"},
    {"a row outside its matrix", row_outside, DSIM_ERROR_ARGUMENT, 3,
     "ds_row: 1 entry from 3 of a block of 3"},
    {"an entry outside its matrix", entry_outside_matrix, DSIM_ERROR_ARGUMENT, 3,
     "ds_m: 1 entry from 3 of a block of 3"},
    {"an entry in a row outside its matrix", row_of_entry_outside_matrix, DSIM_ERROR_ARGUMENT, 4,
     "ds_m: 1 entry from 4 of a block of 3"},
    {"a column outside its matrix", column_outside, DSIM_ERROR_ARGUMENT, 5,
     "ds_column: 1 entry from 5 of a block of 3"},
    {"the inverse of a singular matrix", inverse_of_a_singular_matrix, DSIM_ERROR_NON_FINITE, 1,
     "'inverse33' (node 1) with operands 1, 0, 0, 0, 2, 0, 0, 0, 0 gave"},
    {"backward of what a rewind removed", backward_of_a_removed_variable, DSIM_ERROR_STALE, 1,
     "ds_backward: operand 1"},
    {"backward through floor behind lists", floor_behind_lists, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'floor' (node 1) with operands 0.5 gave 0:"},
    {"an infinity behind a list", infinity_behind_a_list, DSIM_ERROR_NON_FINITE, 2,
     "value: 'div' (node 2) with operands 0.5, 0 gave inf:"},
    {"a direction of a constant", direction_of_a_constant, DSIM_ERROR_NO_RECORDER, 2, "ds_forward: "},
    {"a direction of two tapes", direction_of_two_tapes, DSIM_ERROR_MIXED, 2, "ds_forward: operand 2"},
    {"a direction of what a rewind removed", direction_after_rewind, DSIM_ERROR_STALE, 2,
     "ds_forward: operand 2"},
    {"a NaN direction", nan_direction, DSIM_ERROR_NON_FINITE, 1, "ds_forward: direction 1"},
    {"a tangent through floor", tangent_through_floor, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "ds_tangent: first non-finite tangent: 'floor' (node 1"},
    {"a tangent of the root of zero", tangent_of_a_root_of_zero, DSIM_ERROR_NON_FINITE, 2,
     "ds_tangent: first non-finite tangent: 'sqrt' (node 2"},
    {"a Hessian through floor", hessian_through_floor, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'floor' (node 1) with operands 0.5 gave 0:"},
    {"a Hessian that is not finite", hessian_not_finite, DSIM_ERROR_NON_FINITE, 0,
     "ds_hessian: a second derivative is not finite in the row of x number 0"},
    {"a Hessian of what a rewind removed", hessian_of_a_removed_variable, DSIM_ERROR_STALE, 1, "operand 1"},
    {"a Hessian of two tapes", hessian_of_two_tapes, DSIM_ERROR_MIXED, 0, "ds_hessian: operand 0"},
    {"a Hessian by another tape", hessian_by_another_tape, DSIM_ERROR_MIXED, 2, "ds_hessian: operand 2"},
    {"a Hessian times NaN", product_with_nan, DSIM_ERROR_NON_FINITE, 0, "ds_hessian_vector: direction 0"},
    {"a Hessian by a constant", product_by_a_constant, DSIM_ERROR_NO_RECORDER, 2, "ds_hessian_vector: "},
    {"an explanation by what a rewind removed", explain_after_rewind, DSIM_ERROR_STALE, 1,
     "ds_explain: operand 1"},
    {"a result set like an input", set_a_result, DSIM_ERROR_ARGUMENT, 0, "ds_set_input: not an input"},
    {"results set like inputs", set_many_results, DSIM_ERROR_ARGUMENT, 0,
     "ds_set_inputs: not an input"},
    {"an input set to NaN", set_to_nan, DSIM_ERROR_NON_FINITE, 0, "ds_set_input: number 0"},
    {"inputs set to infinity", set_many_to_nan, DSIM_ERROR_NON_FINITE, 4, "ds_set_inputs: number 4"},
    {"a vector set to NaN", set_a_vector_to_nan, DSIM_ERROR_NON_FINITE, 2, "ds_set_input3: number 2"},
    {"an input set after a reset", set_after_reset, DSIM_ERROR_STALE, 1, "ds_set_input: operand 1"},
    {"backward before the replay", backward_before_replay, DSIM_ERROR_REPLAY, 0, "after ds_set_input"},
    {"a replay on another branch", replay_of_another_branch, DSIM_ERROR_BRANCH, 2,
     "ds_replay: 'branch' (node 2"},
    {"a replay after a read", replay_after_a_read, DSIM_ERROR_NOT_REPLAYABLE, 1,
     "when the tape had 1 nodes, and it has 2"},
    {"a branch on what a rewind removed", branch_after_rewind, DSIM_ERROR_STALE, 1, "ds_branch: operand 1"},
    {"a custom node without a type", custom_without_type, DSIM_ERROR_ARGUMENT, 1, "ds_custom: its name"},
    {"a custom node without a forward", custom_without_forward, DSIM_ERROR_ARGUMENT, 2,
     "ds_custom: its name, forward"},
    {"a custom node without outputs", custom_without_outputs, DSIM_ERROR_ARGUMENT, 0,
     "is missing, or outputs: 0"},
    {"a custom node with endless outputs", custom_with_endless_outputs, DSIM_ERROR_OVERFLOW, (size_t)-1,
     "ds_custom: too many"},
    {"a custom node of two tapes", custom_of_two_tapes, DSIM_ERROR_MIXED, 2, "ds_custom: operand 2"},
    {"a custom node that refuses", custom_that_refuses, DSIM_ERROR_CALLBACK, (size_t)-1,
     "ds_custom: custom node 'refusing'"},
    {"a custom node without a reverse", custom_without_reverse, DSIM_ERROR_NOT_DIFFERENTIABLE, (size_t)-1,
     "ds_backward: 'blind' (node"},
    {"a custom node without a tangent", custom_without_tangent, DSIM_ERROR_NOT_DIFFERENTIABLE, (size_t)-1,
     "ds_tangent: first non-finite tangent: 'blind' (node"},
    {"a custom node without a second", custom_without_second, DSIM_ERROR_NOT_DIFFERENTIABLE, (size_t)-1,
     "ds_hessian: custom node 'whole' has no second derivative"},
    {"a custom node that fails in reverse", custom_that_fails_back, DSIM_ERROR_CALLBACK, (size_t)-1,
     "ds_backward: 'half way' (node"},
    {"a custom node that fails in tangent", custom_that_fails_forth, DSIM_ERROR_CALLBACK, (size_t)-1,
     "ds_forward: custom node 'half way'"},
    {"a checkpoint without a body", checkpoint_without_body, DSIM_ERROR_ARGUMENT, 1,
     "ds_checkpoint: its name, forward or body is missing"},
    {"a checkpoint that fails", checkpoint_that_fails, DSIM_ERROR_CALLBACK, (size_t)-1,
     "ds_checkpoint: its body returned an error"},
    {"a checkpoint that fails when a bad adjoint is looked for", checkpoint_that_fails_late,
     DSIM_ERROR_CALLBACK, (size_t)-1, "ds_checkpoint: its body returned an error"},
    {"a checkpoint with NaN inside", checkpoint_with_nan, DSIM_ERROR_NON_FINITE, (size_t)-1,
     "ds_checkpoint: "},
    {"a checkpoint that gives what is outside", checkpoint_of_the_outside, DSIM_ERROR_MIXED, (size_t)-1,
     "ds_checkpoint: "},
    {"a checkpoint that changes", checkpoint_that_changes, DSIM_ERROR_CALLBACK, (size_t)-1,
     "ds_checkpoint: its body has other outputs when recorded again"},
    {"the line is told", told_the_line, DSIM_ERROR_STALE, 1, "ds_atan2: operand 1"},
    {"the line of seeds is told", told_the_line_of_seeds, DSIM_ERROR_NON_FINITE, 0, "seed 0"},
    {"the line of a rewind is told", told_the_line_of_a_rewind, DSIM_ERROR_FOREIGN, 0, "the mark"},
};

static void begin(scene *s)
{
    const ds_real six[6] = { 1, 2, 3, 4, 5, 6 };
    s->x = ds_input(s->t, 0.5);
    s->y = ds_input(s->t, 2);
    s->p = ds_input3(s->t, ds_v3_make(1, 2, 3));
    s->block = ds_inputs(s->t, six, 6);
}

static void check(const misuse *m)
{
    ds_tape_desc desc;
    ds_tape_info before, after;
    const ds_error *error;
    char place[60];
    ds_result told;
    int logs;
    scene s;
    memset(&s, 0, sizeof s);
    memset(&desc, 0, sizeof desc);
    desc.log.write = keep_log;
    desc.log.user = &s;
    s.t = ds_tape_create(&desc);
    s.told = s.other = ds_tape_create(NULL);
    begin(&s);
    told = m->commit(&s);
    error = ds_tape_error(s.t);
    TAP_OK(told == m->code && error->code == m->code, "%s: %s", m->name, ds_result_name(m->code));
    TAP_HAS(error->text, m->words, "%s: the sentence names it", m->name);
    TAP_HAS(error->text, ds_result_text(m->code), "%s: and says what to do", m->name);
    if (m->code == DSIM_ERROR_MIXED)
        TAP_OK(ds_tape_error(s.told)->code == m->code, "%s: both tapes are told", m->name);
    if (m->index != (size_t)-1) TAP_OK(error->index == m->index, "%s: index %d", m->name, (int)error->index);
    logs = m->code != DSIM_ERROR_REPLAY; /* which says what to do next */
    TAP_OK(s.logged == logs && (!logs || !strcmp(s.text, error->text)), "%s: logged once", m->name);
    if (s.line) {
        snprintf(place, sizeof place, "test_misuse.c:%d: ", s.line);
        TAP_HAS(error->text, place, "%s: %s", m->name, place);
    }
    before = ds_tape_get_info(s.t);
    {
        ds_var z = ds_add(ds_square(s.x), ds_input(s.t, 1));
        after = ds_tape_get_info(s.t);
        TAP_OK(before.nodes == after.nodes && before.values == after.values, "%s: nothing more is recorded",
               m->name);
        TAP_OK(ds_value(z) != ds_value(z) && ds_grad(s.x) != ds_grad(s.x), "%s: values and gradients are NaN",
               m->name);
        TAP_OK(ds_backward(z) == m->code && s.logged == logs, "%s: the first error stays", m->name);
    }
    ds_tape_reset(s.t);
    s.x = ds_input(s.t, 3);
    TAP_OK(ds_backward(ds_square(s.x)) == DSIM_OK && ds_grad(s.x) == 6, "%s: reset makes the tape good",
           m->name);
    ds_tape_destroy(s.t);
    ds_tape_destroy(s.other);
}

/* refusals without a tape to tell: results and NaN */
static void test_without_a_tape(void)
{
    const ds_real one = 1;
    const ds_var constant = ds_c(2);
    ds_var nothing;
    ds_real out = 7;
    char text[100];
    memset(&nothing, 0, sizeof nothing);
    TAP_OK(ds_backward(constant) == DSIM_ERROR_NO_RECORDER, "backward of a constant");
    TAP_OK(ds_backward(nothing) == DSIM_ERROR_NO_RECORDER && ds_value(nothing) == 0, "{0} is the constant 0");
    TAP_OK(ds_backward_many(NULL, &one, 1) == DSIM_ERROR_ARGUMENT, "backward of NULL");
    TAP_OK(ds_backward_many(&constant, NULL, 1) == DSIM_ERROR_ARGUMENT, "backward without seeds");
    TAP_OK(ds_backward_many(&constant, &one, 0) == DSIM_ERROR_ARGUMENT, "backward of nothing");
    TAP_OK(ds_grad(constant) != ds_grad(constant), "a constant has no gradient");
    TAP_OK(ds_tape_error(NULL)->code == DSIM_ERROR_ARGUMENT, "the error of no tape");
    TAP_OK(ds_value(ds_input(NULL, 1)) != 1, "an input on no tape is NaN");
    TAP_OK(ds_tape_rewind(NULL, ds_tape_mark(NULL)) == DSIM_ERROR_ARGUMENT, "rewinding no tape");
    TAP_OK(ds_tape_get_info(NULL).nodes == 0, "the size of no tape");
    TAP_OK(ds_value(ds_sum(NULL, 3)) != 0 && ds_value(ds_sum(NULL, 0)) == 0, "sums of NULL and of nothing");
    TAP_OK(ds_value(ds_dot(&constant, NULL, 1)) != 4, "a dot product with NULL");
    TAP_OK(ds_value(ds_weighted_sum(NULL, &constant, 1)) != 2, "a weighted sum without weights");
    TAP_OK(ds_sum3(NULL, 1).rec == NULL && ds_weighted_sum3(&one, NULL, 1).rec == NULL, "sums of no points");
    {
        ds_vars none;
        memset(&none, 0, sizeof none);
        TAP_OK(ds_values(none, &out) == DSIM_ERROR_NO_RECORDER &&
                   ds_grads(none, &out) == DSIM_ERROR_NO_RECORDER && out == 7,
               "values and gradients of a block of nothing");
        TAP_OK(ds_vars_at(none, 0).rec == NULL && ds_vars_tanh(none).rec == NULL,
               "parts of a block of nothing");
    }
    TAP_OK(ds_forward(NULL, &one, 1) == DSIM_ERROR_ARGUMENT, "a direction of NULL");
    TAP_OK(ds_forward(&constant, NULL, 1) == DSIM_ERROR_ARGUMENT, "a direction without numbers");
    TAP_OK(ds_forward(&constant, &one, 1) == DSIM_ERROR_NO_RECORDER, "a direction of constants");
    TAP_OK(ds_hessian(constant, &constant, 1, &out) == DSIM_ERROR_NO_RECORDER, "a Hessian of constants");
    TAP_OK(ds_hessian(constant, &constant, 1, NULL) == DSIM_ERROR_ARGUMENT, "a Hessian into NULL");
    TAP_OK(ds_hessian_vector(constant, &constant, NULL, 1, &out) == DSIM_ERROR_ARGUMENT,
           "a Hessian times NULL");
    TAP_OK(ds_explain(constant, constant, text, sizeof text) == DSIM_ERROR_NO_RECORDER && text[0],
           "an explanation of constants");
    TAP_OK(ds_set_input(constant, 1) == DSIM_ERROR_NO_RECORDER, "a constant set");
    TAP_OK(ds_replay(NULL) == DSIM_ERROR_ARGUMENT, "a replay of no tape");
    TAP_OK(ds_custom(&whole, NULL, NULL, 1, 1).rec == NULL, "a custom node of NULL");
    ds_tape_destroy(NULL);
    ds_tape_reset(NULL);
    TAP_OK(1, "destroying and resetting no tape");
}

/* What has no tape: the result, the entry it is about, and a sentence where there is one. */
typedef struct object_misuse {
    const char *name;
    ds_result (*commit)(ds_error *told);
    ds_result code;
    size_t index;
    const char *words; /* NULL: said by result and index alone */
} object_misuse;

static ds_result square_of(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user, (void)n;
    *value = x[0] * x[0];
    if (grad) grad[0] = 2 * x[0], grad[1] = 0;
    return DSIM_OK;
}
static ds_result nan_of(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    square_of(user, x, n, value, grad);
    *value = not_a_number();
    return DSIM_OK;
}
static ds_result fail_of(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
{
    (void)user, (void)x, (void)n, (void)value, (void)grad;
    return DSIM_ERROR_SINGULAR;
}

static ds_result minimised(const ds_problem *problem, const ds_minimise_desc *desc, ds_real *x,
                           ds_error *told)
{
    ds_minimise_report report;
    const ds_result result = ds_minimise(problem, desc, x, &report);
    told->index = report.index;
    snprintf(told->text, sizeof told->text, "%s", report.text);
    return result;
}
static ds_result minimise_of(ds_objective_fn *f, double first, const ds_minimise_desc *desc, ds_error *told)
{
    ds_real x[2] = { 1, 2 };
    ds_problem problem;
    x[1] = (ds_real)first;
    memset(&problem, 0, sizeof problem);
    problem.n = 2;
    problem.objective = f;
    return minimised(&problem, desc, x, told);
}
static ds_result minimise_nothing(ds_error *told) { return minimised(NULL, NULL, NULL, told); }
static ds_result minimise_no_function(ds_error *told) { return minimise_of(NULL, 1, NULL, told); }
static ds_result minimise_from_nan(ds_error *told)
{
    return minimise_of(square_of, (double)not_a_number(), NULL, told);
}
static ds_result minimise_nan(ds_error *told) { return minimise_of(nan_of, 1, NULL, told); }
static ds_result minimise_failing(ds_error *told) { return minimise_of(fail_of, 1, NULL, told); }
static ds_result minimise_by_no_method(ds_error *told)
{
    ds_minimise_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.method = DSIM_METHOD_COUNT;
    return minimise_of(square_of, 1, &desc, told);
}
static ds_result minimise_without_residuals(ds_error *told)
{
    ds_minimise_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.method = DSIM_METHOD_GAUSS_NEWTON;
    return minimise_of(square_of, 1, &desc, told);
}
static ds_result minimise_in_no_room(ds_error *told)
{
    ds_minimise_desc desc;
    double room[1];
    memset(&desc, 0, sizeof desc);
    desc.memory = room;
    desc.memory_bytes = sizeof room;
    return minimise_of(square_of, 1, &desc, told);
}
static ds_result minimise_in_an_empty_box(ds_error *told)
{
    const ds_real lower[2] = { 0, 3 }, upper[2] = { 1, 2 };
    ds_real x[2] = { 1, 2 };
    ds_problem problem;
    memset(&problem, 0, sizeof problem);
    problem.n = 2;
    problem.objective = square_of;
    problem.lower = lower;
    problem.upper = upper;
    return minimised(&problem, NULL, x, told);
}

static ds_result optimize(ds_real *x, const ds_real *grad, ds_error *told)
{
    static double memory[512];
    const size_t bytes = ds_optimizer_bytes(2);
    ds_optimizer *o = bytes <= sizeof memory ? ds_optimizer_init(memory, sizeof memory, 2, NULL) : NULL;
    const ds_result result = ds_optimizer_step(o, x, grad);
    if (o) *told = *ds_optimizer_error(o);
    return result;
}
static ds_result optimize_nothing(ds_error *told)
{
    const ds_real grad[2] = { 1, 1 };
    return optimize(NULL, grad, told);
}
static ds_result optimize_by_nothing(ds_error *told)
{
    ds_real x[2] = { 1, 1 };
    return optimize(x, NULL, told);
}
static ds_result optimize_by_nan(ds_error *told)
{
    ds_real x[2] = { 1, 1 }, grad[2] = { 1, 1 };
    grad[1] = not_a_number();
    return optimize(x, grad, told);
}
static ds_result optimize_from_infinity(ds_error *told)
{
    ds_real x[2] = { 1, 1 };
    const ds_real grad[2] = { 1, 1 };
    x[0] = infinity_itself();
    return optimize(x, grad, told);
}

typedef enum dense_kind { LDLT, CHOLESKY, LU, QR, EIGEN } dense_kind;
static ds_result factor(dense_kind kind, ds_real *a, ds_error *told)
{
    ds_real more[4], values[2];
    int32_t pivots[2];
    ds_dense_info info;
    ds_qr qr;
    ds_result result;
    memset(&info, 0, sizeof info);
    qr.a = a, qr.m = qr.n = 2, qr.rank = 0, qr.tau = more, qr.columns = pivots;
    if (kind == LDLT) result = ds_ldlt_factor(a, 2, pivots, &info);
    else if (kind == CHOLESKY) result = ds_cholesky_factor(a, 2, &info);
    else if (kind == LU) result = ds_lu_factor(a, 2, pivots, &info);
    else if (kind == QR) result = ds_qr_factor(&qr, &info);
    else result = ds_symmetric_eigen(a, 2, values, more, &info);
    told->index = info.index;
    if (kind == QR && !result) {
        result = ds_qr_covariance(&qr, more);
        told->index = qr.rank;
    }
    return result;
}
static ds_result factor_of(dense_kind kind, double corner, double last, ds_error *told)
{
    ds_real a[4] = { 1, 1, 1, 1 };
    a[2] = (ds_real)corner;
    a[3] = (ds_real)last;
    return factor(kind, a, told);
}
static ds_result ldlt_nothing(ds_error *told) { return factor(LDLT, NULL, told); }
static ds_result ldlt_nan(ds_error *told) { return factor_of(LDLT, (double)not_a_number(), 1, told); }
static ds_result ldlt_singular(ds_error *told) { return factor_of(LDLT, 1, 1, told); }
static ds_result cholesky_indefinite(ds_error *told) { return factor_of(CHOLESKY, 1, -3, told); }
static ds_result lu_nothing(ds_error *told) { return factor(LU, NULL, told); }
static ds_result lu_singular(ds_error *told) { return factor_of(LU, 1, 1, told); }
static ds_result lu_infinite(ds_error *told) { return factor_of(LU, 1, (double)infinity_itself(), told); }
static ds_result qr_nothing(ds_error *told) { return factor(QR, NULL, told); }
static ds_result qr_of_rank_one(ds_error *told) { return factor_of(QR, 1, 1, told); }
static ds_result eigen_nan(ds_error *told) { return factor_of(EIGEN, 1, (double)not_a_number(), told); }

static const object_misuse object_misuses[] = {
    {"minimise no problem", minimise_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1,
     "problem or desc are incomplete or out of range"},
    {"minimise without a function", minimise_no_function, DSIM_ERROR_ARGUMENT, (size_t)-1,
     "problem or desc are incomplete or out of range"},
    {"minimise from NaN", minimise_from_nan, DSIM_ERROR_NON_FINITE, 1,
     "value or gradient are not finite, however short the step, entry 1"},
    {"minimise NaN", minimise_nan, DSIM_ERROR_NON_FINITE, 2, "the value, n = 2"},
    {"minimise what fails", minimise_failing, DSIM_ERROR_SINGULAR, (size_t)-1,
     "the callback returned an error"},
    {"minimise by no method", minimise_by_no_method, DSIM_ERROR_ARGUMENT, (size_t)-1,
     "problem or desc are incomplete or out of range"},
    {"Gauss and Newton without residuals", minimise_without_residuals, DSIM_ERROR_ARGUMENT, (size_t)-1,
     "problem or desc are incomplete or out of range"},
    {"minimise in no room", minimise_in_no_room, DSIM_ERROR_MEMORY, (size_t)-1, "ds_minimise_bytes"},
    {"minimise in an empty box", minimise_in_an_empty_box, DSIM_ERROR_ARGUMENT, (size_t)-1,
     "problem or desc are incomplete or out of range"},
    {"a step of nothing", optimize_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1, NULL},
    {"a step along nothing", optimize_by_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1, NULL},
    {"a step along NaN", optimize_by_nan, DSIM_ERROR_NON_FINITE, 1, "ds_optimizer_step"},
    {"a step from infinity", optimize_from_infinity, DSIM_ERROR_NON_FINITE, 0, "ds_optimizer_step"},
    {"ldlt of nothing", ldlt_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1, NULL},
    {"ldlt of NaN", ldlt_nan, DSIM_ERROR_NON_FINITE, 2, NULL},
    {"ldlt of a singular matrix", ldlt_singular, DSIM_ERROR_SINGULAR, 1, NULL},
    {"cholesky of an indefinite matrix", cholesky_indefinite, DSIM_ERROR_INDEFINITE, 1, NULL},
    {"lu of nothing", lu_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1, NULL},
    {"lu of a singular matrix", lu_singular, DSIM_ERROR_SINGULAR, 1, NULL},
    {"lu of infinity", lu_infinite, DSIM_ERROR_NON_FINITE, 3, NULL},
    {"qr of nothing", qr_nothing, DSIM_ERROR_ARGUMENT, (size_t)-1, NULL},
    {"a covariance of rank one", qr_of_rank_one, DSIM_ERROR_SINGULAR, 1, NULL},
    {"eigenvalues of NaN", eigen_nan, DSIM_ERROR_NON_FINITE, 3, NULL},
};

static void check_object(const object_misuse *m)
{
    ds_error told;
    ds_result result;
    memset(&told, 0, sizeof told);
    result = m->commit(&told);
    TAP_OK(result == m->code, "%s: %s (%s)", m->name, ds_result_name(m->code), ds_result_name(result));
    if (m->index != (size_t)-1) TAP_OK(told.index == m->index, "%s: index %d", m->name, (int)told.index);
    if (m->words) TAP_HAS(told.text, m->words, "%s: the sentence names it", m->name);
}

/* descs that are out of range make no optimizer */
static void test_optimizer_descs(void)
{
    static double memory[512];
    const ds_real lower[1] = { 1 }, upper[1] = { 0 };
    ds_optimizer_desc desc[5];
    memset(desc, 0, sizeof desc);
    desc[0].learning_rate = -1;
    desc[1].beta1 = 1;
    desc[2].clip_norm = (double)not_a_number();
    desc[3].lower = lower;
    desc[3].upper = upper;
    desc[4].rule = DSIM_OPTIMIZER_COUNT;
    for (int i = 0; i < 5; i++)
        TAP_OK(ds_optimizer_init(memory, sizeof memory, 1, &desc[i]) == NULL, "no optimizer: desc %d", i);
    TAP_OK(ds_optimizer_init(memory, ds_optimizer_bytes(1) - 1, 1, NULL) == NULL, "nor in too little room");
    TAP_OK(ds_optimizer_bytes((size_t)-1) == 0, "nor of endless parameters");
    TAP_OK(ds_optimizer_step(NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT, "nor a step of none");
}

static void test_reading(void)
{
    const ds_real two[2] = { 1, 2 };
    ds_real out[2] = { 7, 7 };
    ds_tape *t = ds_tape_create(NULL);
    ds_vars in = ds_inputs(t, two, 2), late;
    ds_var f = ds_vars_dot(in, in);
    TAP_OK(ds_grads(in, out) == DSIM_ERROR_ORDER && out[0] == 7, "gradients before backward");
    TAP_OK(ds_grad(f) != ds_grad(f), "a gradient before backward is NaN");
    TAP_OK(ds_grads(in, NULL) == DSIM_ERROR_ARGUMENT && ds_values(in, NULL) == DSIM_ERROR_ARGUMENT,
           "into NULL");
    ds_backward(f);
    late = ds_inputs(t, two, 2);
    TAP_OK(ds_grads(late, out) == DSIM_ERROR_ORDER && out[0] == 7, "gradients of what came after backward");
    TAP_OK(ds_grads(in, out) == DSIM_OK && out[1] == 4, "while the earlier ones are good");
    ds_backward(ds_floor(f));
    out[0] = 7;
    TAP_OK(ds_grads(in, out) == DSIM_ERROR_NOT_DIFFERENTIABLE && out[0] == 7,
           "a failed backward leaves no gradient");
    TAP_OK(ds_value(f) == 5 && ds_values(in, out) == DSIM_OK, "values stay readable after an error");
    ds_tape_reset(t);
    TAP_OK(ds_values(in, out) == DSIM_ERROR_STALE && ds_value(f) != 5, "values of stale variables");
    TAP_OK(ds_grads(in, out) == DSIM_ERROR_STALE, "gradients of stale variables");
    ds_tape_destroy(t);
}

static void test_limits(void)
{
    static char memory[1 << 16];
    ds_tape_desc desc;
    ds_tape *t;
    ds_var x;
    size_t bytes, n = 0;
    memset(&desc, 0, sizeof desc);
    TAP_OK(ds_tape_bytes(&desc) == 0 && ds_tape_bytes(NULL) == 0, "no size without max_nodes and max_values");
    desc.max_nodes = 10;
    desc.max_values = 20;
    bytes = ds_tape_bytes(&desc);
    TAP_OK(bytes > 0 && ds_tape_init(memory, bytes - 1, &desc) == NULL, "init with too little memory");
    TAP_OK(ds_tape_init(NULL, bytes, &desc) == NULL && ds_tape_init(memory + 1, bytes, &desc) == NULL,
           "init in no place");
    t = ds_tape_init(memory, bytes, &desc);
    x = ds_input(t, 1);
    while (!ds_tape_error(t)->code) x = ds_add(x, ds_c(1)), n++;
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_FULL && n == 10, "fixed memory is full after 10 nodes");
    TAP_HAS(ds_tape_error(t)->text, "holds 10 nodes and 19 values", "and says how full");
    TAP_OK(ds_tape_get_info(t).nodes == 10, "every node of it was used");
    ds_tape_destroy(t);

    t = ds_tape_create(&desc);
    x = ds_input(t, 1);
    for (n = 0; !ds_tape_error(t)->code; n++) x = ds_add(x, x);
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_FULL && n == 10, "max_nodes is a limit of a growing tape");
    ds_tape_destroy(t);
    desc.max_nodes = 0;
    t = ds_tape_create(&desc);
    x = ds_input(t, 1);
    for (n = 0; !ds_tape_error(t)->code; n++) x = ds_add(x, ds_c(1));
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_FULL && n == 10, "and so is max_values");
    ds_tape_destroy(t);
    if (sizeof(size_t) > 4) {
        desc.max_values = (size_t)-1;
        desc.max_nodes = 10;
        TAP_OK(ds_tape_create(&desc) == NULL && ds_tape_bytes(&desc) == 0,
               "more values than slots can count");
    }
}

/* debug tapes stop at the first non-finite value, with the line that made it */
static void test_debug(void)
{
    ds_tape_desc desc;
    ds_tape *t;
    ds_var x, y;
    char place[60];
    int line;
    memset(&desc, 0, sizeof desc);
    desc.debug = 1;
    t = ds_tape_create(&desc);
    x = ds_input(t, 2);
    line = __LINE__ + 1;
    y = ds_log(ds_sub(x, ds_c(2)));
    snprintf(place, sizeof place, "test_misuse.c:%d", line);
    TAP_OK(ds_tape_error(t)->code == DSIM_ERROR_NON_FINITE && ds_backward(y) == DSIM_ERROR_NON_FINITE,
           "debug: log(0)");
    TAP_HAS(ds_tape_error(t)->text, "'log'", "debug: names the operation");
    TAP_HAS(ds_tape_error(t)->text, place, "debug: and %s", place);
    TAP_HAS(ds_tape_error(t)->text, "with operands 0 gave -inf", "debug: and its operands");
    ds_tape_reset(t);
    x = ds_input(t, 0);
    line = __LINE__ + 1;
    y = ds_add(ds_sqrt(x), ds_c(1));
    snprintf(place, sizeof place, "test_misuse.c:%d", line);
    TAP_OK(ds_backward(y) == DSIM_ERROR_NON_FINITE, "debug: an adjoint that is not finite");
    TAP_HAS(ds_tape_error(t)->text, place, "debug: at %s", place);
    ds_tape_reset(t);
    x = ds_input(t, 3);
    TAP_OK(!ds_backward(ds_mul(x, ds_square(x))) && ds_grad(x) == 27, "debug: right gradients after that");
    ds_tape_destroy(t);
}

int main(void)
{
    size_t n;
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) check(&misuses[i]);
    for (size_t i = 0; i < sizeof object_misuses / sizeof object_misuses[0]; i++)
        check_object(&object_misuses[i]);
    n = sizeof misuses / sizeof misuses[0] + sizeof object_misuses / sizeof object_misuses[0];
    TAP_OK(n >= 40, "%d named misuses", (int)n);
    test_optimizer_descs();
    test_without_a_tape();
    test_reading();
    test_limits();
    test_debug();
    return tap_end();
}
