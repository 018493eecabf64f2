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
    {"a slice outside its block", slice_outside, DSIM_ERROR_ARGUMENT, 4, "3 entries from 4 of a block of 6"},
    {"an entry outside its block", entry_outside, DSIM_ERROR_ARGUMENT, 6, "1 entry from 6 of a block of 6"},
    {"a point outside its block", point_outside, DSIM_ERROR_ARGUMENT, 6, "3 entries from 6 of a block of 6"},
    {"a slice that wraps", huge_slice, DSIM_ERROR_ARGUMENT, 1, "of a block of 6"},
    {"a vector of constants without a tape", constant_vector, DSIM_ERROR_NO_RECORDER, 2,
     "ds_add3: a vector of"},
    {"a block of nothing", zero_block, DSIM_ERROR_NO_RECORDER, 2, "ds_affine"},
    {"a block of nothing first", nothing_dot_block, DSIM_ERROR_NO_RECORDER, 1, "ds_vars_dot"},
    {"an affine map of nothing", map_of_nothing, DSIM_ERROR_NO_RECORDER, 1, "ds_affine"},
    {"a point without a tape first", constant_point_first, DSIM_ERROR_NO_RECORDER, 1, "ds_sum3"},
    {"a row outside its matrix", row_outside, DSIM_ERROR_ARGUMENT, 3, "3"},
    {"backward of what a rewind removed", backward_of_a_removed_variable, DSIM_ERROR_STALE, 1,
     "ds_backward: operand 1"},
    {"backward through floor behind lists", floor_behind_lists, DSIM_ERROR_NOT_DIFFERENTIABLE, 1,
     "'floor' (node 1) with operands 0.5 gave 0:"},
    {"an infinity behind a list", infinity_behind_a_list, DSIM_ERROR_NON_FINITE, 2,
     "value: 'div' (node 2) with operands 0.5, 0 gave inf:"},
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
    scene s;
    memset(&s, 0, sizeof s);
    memset(&desc, 0, sizeof desc);
    desc.log.write = keep_log;
    desc.log.user = &s;
    s.t = ds_tape_create(&desc);
    s.other = ds_tape_create(NULL);
    begin(&s);
    told = m->commit(&s);
    error = ds_tape_error(s.t);
    TAP_OK(told == m->code && error->code == m->code, "%s: %s", m->name, ds_result_name(m->code));
    TAP_HAS(error->text, m->words, "%s: the sentence names it", m->name);
    TAP_HAS(error->text, ds_result_text(m->code), "%s: and says what to do", m->name);
    if (m->code == DSIM_ERROR_MIXED)
        TAP_OK(ds_tape_error(s.other)->code == m->code, "%s: both tapes are told", m->name);
    if (m->index != (size_t)-1) TAP_OK(error->index == m->index, "%s: index %d", m->name, (int)error->index);
    TAP_OK(s.logged == 1 && !strcmp(s.text, error->text), "%s: logged once", m->name);
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
        TAP_OK(ds_backward(z) == m->code && s.logged == 1, "%s: the first error stays", m->name);
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
    ds_tape_destroy(NULL);
    ds_tape_reset(NULL);
    TAP_OK(1, "destroying and resetting no tape");
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
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) check(&misuses[i]);
    test_without_a_tape();
    test_reading();
    test_limits();
    test_debug();
    return tap_end();
}
