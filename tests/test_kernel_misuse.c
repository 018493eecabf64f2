/* test_kernel_misuse.c - bad kernels and bad launches: each is refused with its code and a sentence that
   names kernel and argument, arrays stay as they were; and the allocator fails at every single allocation */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "counter.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* While a body is recorded: a good kernel so far, another one, a tape; then something goes wrong. */
typedef struct body {
    ds_kernel *k, *other;
    ds_tape *t;
    ds_arg x, y, s, u, e, other_x; /* in [3], out [1], sum [1], update [1], index [2] */
    ds_index lane;
    ds_var v, other_v, tape_v;
} body;
typedef struct misuse {
    const char *name;
    void (*commit)(body *b);
    ds_result code;
    const char *words;
} misuse;

static void read_sum(body *b) { ds_load(b->s, b->lane); }
static void read_out(body *b) { ds_load(b->y, b->lane); }
static void write_in(body *b) { ds_store(b->x, b->lane, b->v); }
static void write_sum(body *b) { ds_store(b->s, b->lane, b->v); }
static void add_to_out(body *b) { ds_add_at(b->y, b->lane, b->v); }
static void add_to_update(body *b) { ds_add_at(b->u, b->lane, b->v); }
static void add_to_in(body *b) { ds_add_at3(b->x, b->lane, ds_load3(b->x, b->lane)); }
static void index_from_numbers(body *b) { ds_load_index(b->x, b->lane, 0); }
static void number_from_indices(body *b) { ds_load(b->e, b->lane); }
static void store_twice(body *b)
{
    ds_store(b->y, b->lane, b->v);
    ds_store_part(b->y, ds_index_add(ds_lane(b->k), ds_i(0)), 0, ds_c(1));
}
static void update_twice(body *b)
{
    ds_store(b->u, b->lane, b->v);
    ds_store(b->u, b->lane, b->v);
}
static void read_update_elsewhere(body *b) { ds_load(b->u, ds_index_add(b->lane, ds_i(1))); }
static void write_update_elsewhere(body *b) { ds_store(b->u, ds_i(0), b->v); }
static void not_declared(body *b)
{
    b->x.at = 99;
    ds_load(b->x, b->lane);
}
static void not_declared_at_all(body *b)
{
    b->y.at = (size_t)-1;
    ds_store(b->y, b->lane, b->v);
}
static void foreign_index(body *b) { ds_load(b->x, ds_lane(b->other)); }
static void mixed_indices(body *b) { ds_index_add(b->lane, ds_lane(b->other)); }
static void foreign_index_as_number(body *b) { ds_index_number(b->k, ds_lane(b->other)); }
static void bad_index(body *b)
{
    b->lane.at = 1 << 20;
    ds_load(b->x, b->lane);
}
static void number_as_index(body *b)
{
    b->lane.at = 0;
    ds_load(b->x, b->lane);
}
static void variable_of_a_tape(body *b) { ds_store(b->y, b->lane, b->tape_v); }
static void variable_of_another_kernel(body *b) { ds_store(b->y, b->lane, b->other_v); }
static void mixed_with_a_tape(body *b) { ds_add(b->v, b->tape_v); }
static void mixed_with_another_kernel(body *b) { ds_mul(b->v, b->other_v); }
static void backward(body *b) { ds_backward(ds_square(b->v)); }
static void branch(body *b) { ds_branch(b->v); }
static ds_result no_function(const ds_custom_io *io) { return io ? DSIM_OK : DSIM_ERROR_ARGUMENT; }
static void custom(body *b)
{
    ds_custom_type type;
    memset(&type, 0, sizeof type);
    type.name = "mine", type.forward = no_function;
    ds_custom(&type, NULL, &b->v, 1, 1);
}
static ds_result no_segment(void *user, ds_tape *tape, const ds_var *in, ds_var *out)
{
    (void)user, (void)tape;
    out[0] = in[0];
    return DSIM_OK;
}
static void checkpoint(body *b) { ds_checkpoint(no_segment, NULL, &b->v, 1, 1); }
static void forward(body *b)
{
    const ds_real one = 1;
    ds_forward(&b->v, &one, 1);
}
static void hessian(body *b)
{
    ds_real H;
    ds_hessian(ds_square(b->v), &b->v, 1, &H);
}
static void set_input(body *b) { ds_set_input(b->v, 1); }
static void component_too_large(body *b) { ds_load_part(b->x, b->lane, 3); }
static void component_that_wraps(body *b) { ds_load_part(b->x, b->lane, (size_t)-1); }
static void component_of_index(body *b) { ds_load_index(b->e, b->lane, 2); }
static void component_stored(body *b) { ds_store_part(b->y, b->lane, 1, b->v); }
static void three_of_one(body *b) { ds_load3(b->u, b->lane); }
static void nine_of_three(body *b) { ds_load33(b->x, b->lane); }
static void store_three(body *b) { ds_store3(b->y, b->lane, ds_load3(b->x, b->lane)); }
static void no_name(body *b) { ds_arg_in(b->k, NULL, 1); }
static void empty_name(body *b) { ds_arg_out(b->k, "", 1); }
static void same_name(body *b) { ds_arg_sum(b->k, "x", 1); }
static void no_components(body *b) { ds_arg_in(b->k, "z", 0); }
static void many_components(body *b) { ds_arg_in(b->k, "z", 4097); }
static void axis_too_large(body *b) { ds_lane_axis(b->k, 1); }
static void lanes_of_no_axis(body *b) { ds_lanes(b->k, 3); }
static void vector_of_constants(body *b) { ds_store3(b->x, b->lane, ds_pack3(ds_c(1), ds_c(2), ds_c(3))); }
static void list_of_mixed(body *b)
{
    ds_var list[2];
    list[0] = b->v, list[1] = b->tape_v;
    ds_sum(list, 2);
}

static const misuse misuses[] = {
    { "a sum is read", read_sum, DSIM_ERROR_RACE, "'s' is declared as sum" },
    { "an out is read", read_out, DSIM_ERROR_RACE, "'y' is declared as out" },
    { "an in is written", write_in, DSIM_ERROR_RACE, "'x' is declared as in" },
    { "a sum is written", write_sum, DSIM_ERROR_RACE, "'s' is declared as sum" },
    { "an out is added to", add_to_out, DSIM_ERROR_RACE, "'y' is declared as out" },
    { "an update is added to", add_to_update, DSIM_ERROR_RACE, "'u' is declared as update" },
    { "an in is added to", add_to_in, DSIM_ERROR_RACE, "'x' is declared as in" },
    { "an index from numbers", index_from_numbers, DSIM_ERROR_RACE, "'x' is declared as in" },
    { "a number from indices", number_from_indices, DSIM_ERROR_RACE, "'e' is declared as index" },
    { "an element is stored twice", store_twice, DSIM_ERROR_RACE, "'y'" },
    { "an update is stored twice", update_twice, DSIM_ERROR_RACE, "'u'" },
    { "an update is read elsewhere", read_update_elsewhere, DSIM_ERROR_RACE, "'u'" },
    { "an update is written elsewhere", write_update_elsewhere, DSIM_ERROR_RACE, "'u'" },
    { "an argument that is not there", not_declared, DSIM_ERROR_ARGUMENT, "ds_load" },
    { "an argument that never was", not_declared_at_all, DSIM_ERROR_ARGUMENT, "ds_store" },
    { "an index of another kernel", foreign_index, DSIM_ERROR_MIXED, "ds_load" },
    { "indices of two kernels", mixed_indices, DSIM_ERROR_MIXED, "ds_index_add" },
    { "another kernel's index as number", foreign_index_as_number, DSIM_ERROR_MIXED, "ds_index_number" },
    { "an index that is not there", bad_index, DSIM_ERROR_MIXED, "ds_load" },
    { "a number as index", number_as_index, DSIM_ERROR_MIXED, "ds_load" },
    { "a variable of a tape", variable_of_a_tape, DSIM_ERROR_MIXED, "ds_store" },
    { "a variable of another kernel", variable_of_another_kernel, DSIM_ERROR_MIXED, "ds_store" },
    { "an operation with a tape's variable", mixed_with_a_tape, DSIM_ERROR_MIXED, "ds_add" },
    { "an operation with another kernel's", mixed_with_another_kernel, DSIM_ERROR_MIXED, "ds_mul" },
    { "a list with a tape's variable", list_of_mixed, DSIM_ERROR_MIXED, "ds_sum" },
    { "ds_backward", backward, DSIM_ERROR_NO_VALUE, "ds_backward" },
    { "ds_branch", branch, DSIM_ERROR_NO_VALUE, "ds_branch" },
    { "ds_custom", custom, DSIM_ERROR_NO_VALUE, "ds_" },
    { "ds_checkpoint", checkpoint, DSIM_ERROR_NO_VALUE, "ds_checkpoint" },
    { "ds_forward", forward, DSIM_ERROR_NO_VALUE, "ds_forward" },
    { "ds_hessian", hessian, DSIM_ERROR_NO_VALUE, "ds_" },
    { "ds_set_input", set_input, DSIM_ERROR_NO_VALUE, "ds_set_input" },
    { "a component too large", component_too_large, DSIM_ERROR_ARGUMENT, "'x'" },
    { "a component that wraps around", component_that_wraps, DSIM_ERROR_ARGUMENT, "'x'" },
    { "a component of an index", component_of_index, DSIM_ERROR_ARGUMENT, "'e'" },
    { "a component stored", component_stored, DSIM_ERROR_ARGUMENT, "'y'" },
    { "three numbers of one", three_of_one, DSIM_ERROR_ARGUMENT, "'u'" },
    { "nine numbers of three", nine_of_three, DSIM_ERROR_ARGUMENT, "'x'" },
    { "three numbers into one", store_three, DSIM_ERROR_ARGUMENT, "'y'" },
    { "an argument without name", no_name, DSIM_ERROR_ARGUMENT, "name" },
    { "an argument with an empty name", empty_name, DSIM_ERROR_ARGUMENT, "name" },
    { "two arguments of the same name", same_name, DSIM_ERROR_ARGUMENT, "'x'" },
    { "an argument without components", no_components, DSIM_ERROR_ARGUMENT, "'z'" },
    { "an argument with too many", many_components, DSIM_ERROR_ARGUMENT, "'z'" },
    { "an axis too large", axis_too_large, DSIM_ERROR_ARGUMENT, "ds_lane_axis" },
    { "lanes of no axis", lanes_of_no_axis, DSIM_ERROR_ARGUMENT, "ds_lanes" },
    { "a vector of constants", vector_of_constants, DSIM_ERROR_RACE, "'x'" },
};

static int logged;
static void count_logs(void *user, ds_result code, const char *text)
{
    (void)user;
    logged += code && text[0];
}
static void begin(body *b)
{
    ds_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    memset(b, 0, sizeof *b);
    desc.log.write = count_logs;
    b->k = ds_kernel_begin(&desc, "mine");
    b->other = ds_kernel_begin(NULL, "other");
    b->t = ds_tape_create(NULL);
    b->x = ds_arg_in(b->k, "x", 3), b->y = ds_arg_out(b->k, "y", 1), b->s = ds_arg_sum(b->k, "s", 1);
    b->u = ds_arg_update(b->k, "u", 1), b->e = ds_arg_index(b->k, "e", 2);
    b->other_x = ds_arg_in(b->other, "x", 1);
    b->lane = ds_lane(b->k);
    b->v = ds_load_part(b->x, b->lane, 1);
    b->other_v = ds_load(b->other_x, ds_lane(b->other));
    b->tape_v = ds_input(b->t, 2);
}
static void end(body *b)
{
    ds_kernel_destroy(b->k);
    ds_kernel_destroy(b->other);
    ds_tape_destroy(b->t);
}

static void test_recording(void)
{
    ds_runner *const r = ds_runner_create(NULL);
    for (size_t i = 0; i < COUNT(misuses); i++) {
        const misuse *const m = misuses + i;
        ds_kernel *d;
        body b;
        char first[400];
        int told;
        ds_real zero = 0;
        ds_array args[5];
        begin(&b);
        logged = 0;
        m->commit(&b);
        ds_add_at(b.s, b.lane, b.v); /* what follows changes nothing */
        TAP_OK(ds_kernel_end(b.k) == m->code, "%s: %s", m->name, ds_result_name(ds_kernel_error(b.k)->code));
        memcpy(first, ds_kernel_error(b.k)->text, sizeof first);
        told = logged;
        TAP_HAS(first, "kernel 'mine'", "%s: names the kernel", m->name);
        TAP_HAS(first, m->words, "%s: says what", m->name);
        d = ds_kernel_adjoint(b.k, NULL);
        for (int a = 0; a < 5; a++) args[a] = ds_array_reals(&zero, 1, 1);
        TAP_OK(ds_kernel_error(d)->code == m->code && ds_launch(r, b.k, 1, args, 5) == m->code &&
                   ds_launch(r, d, 1, args, 5) == m->code && zero == 0,
               "%s: no derivative, no launch", m->name);
        TAP_OK(!strcmp(first, ds_kernel_error(b.k)->text) && told == 1, "%s: the first sticks, told once",
               m->name);
        ds_kernel_destroy(d);
        end(&b);
    }
    ds_runner_destroy(r);
}

/* what is not told to a kernel: it is not there, or the variable goes elsewhere */
static void test_elsewhere(void)
{
    body b;
    ds_arg none;
    ds_kernel_desc desc;
    memset(&none, 0, sizeof none);
    begin(&b);
    ds_add(b.tape_v, b.v);
    TAP_OK(ds_tape_error(b.t)->code || ds_kernel_end(b.k), "a kernel's variable on a tape");
    end(&b);
    begin(&b);
    TAP_OK(isnan((double)ds_value(b.v)) && isnan((double)ds_grad(b.v)) && isnan((double)ds_tangent(b.v)),
           "a kernel's variable has no value, gradient, tangent");
    ds_store(b.y, b.lane, b.v);
    TAP_OK(ds_kernel_end(b.k) == DSIM_ERROR_NO_VALUE, "and who asks is told");
    end(&b);
    begin(&b);
    ds_load(b.other_x, b.lane);
    TAP_OK(ds_kernel_error(b.other)->code == DSIM_ERROR_MIXED && !ds_kernel_error(b.k)->code,
           "the index of one kernel in an array of another: told to the array's");
    end(&b);
    begin(&b);
    {
        const ds_index i = ds_floor_index(b.tape_v);
        TAP_OK(ds_tape_error(b.t)->code == DSIM_ERROR_MIXED,
               "the floor of a tape's variable: told to the tape");
        ds_store(b.y, b.lane, ds_load(b.x, i));
        TAP_OK(!ds_kernel_end(b.k) && i.kernel == NULL && i.at < 0, "and no element has that index");
    }
    end(&b);
    begin(&b);
    TAP_OK(ds_kernel_end(b.k) == DSIM_ERROR_ARGUMENT, "a kernel without effects");
    TAP_HAS(ds_kernel_error(b.k)->text, "neither stores nor adds", "in words");
    end(&b);
    begin(&b);
    ds_store(b.y, b.lane, b.v);
    TAP_OK(!ds_kernel_end(b.k) && ds_kernel_end(b.k) == DSIM_ERROR_ORDER, "end twice");
    TAP_OK(!ds_kernel_error(b.k)->code, "the kernel is as good as before");
    end(&b);
    for (int what = 0; what < 6; what++) {
        begin(&b);
        ds_store(b.y, b.lane, b.v);
        ds_kernel_end(b.k);
        if (what == 0) ds_load(b.x, b.lane);
        if (what == 1) ds_store(b.y, ds_i(1), ds_c(1));
        if (what == 2) ds_arg_in(b.k, "late", 1);
        if (what == 3) ds_lane(b.k);
        if (what == 4) ds_index_add(b.lane, b.lane);
        if (what == 5) ds_index_number(b.k, ds_i(3));
        TAP_OK(ds_kernel_error(b.k)->code == DSIM_ERROR_ORDER, "the body has ended: late call %d", what);
        end(&b);
    }
    /* NULL everywhere */
    TAP_OK(ds_kernel_error(NULL)->code == DSIM_ERROR_ARGUMENT &&
               ds_runner_error(NULL)->code == DSIM_ERROR_ARGUMENT,
           "errors of NULL");
    TAP_OK(ds_kernel_end(NULL) == DSIM_ERROR_ARGUMENT && !ds_kernel_adjoint(NULL, NULL) &&
               !ds_kernel_tangent(NULL, "x") && !ds_kernel_gradient(NULL, NULL) &&
               !ds_kernel_hessian(NULL, NULL),
           "end and derivatives of NULL");
    TAP_OK(!ds_arg_in(NULL, "x", 1).kernel && !ds_lane(NULL).kernel && !ds_lane_axis(NULL, 0).kernel &&
               !ds_lanes(NULL, 0).kernel && !ds_index_scalar(NULL, "n").kernel,
           "arguments and indices of NULL");
    TAP_OK(isnan((double)ds_value(ds_load(none, ds_i(0)))) && isnan((double)ds_value(ds_scalar(NULL, "c"))) &&
               isnan((double)ds_value(ds_index_number(NULL, ds_i(0)))) &&
               !ds_load_index(none, ds_i(0), 0).kernel,
           "loads from nothing");
    ds_store(none, ds_i(0), ds_c(1));
    ds_add_at(none, ds_i(0), ds_c(1));
    ds_kernel_destroy(NULL);
    ds_runner_destroy(NULL);
    TAP_OK(ds_kernel_get_info(NULL).hash == 0 && ds_kernel_report(NULL, NULL, 0) == 0,
           "what is known of NULL");
    memset(&desc, 0, sizeof desc);
    desc.rank = 4;
    TAP_OK(!ds_kernel_begin(&desc, "four"), "four dimensions are too many");
    {
        ds_kernel *const k = ds_kernel_begin(NULL, NULL);
        char text[300], cut[10];
        ds_store(ds_arg_out(k, "y", 1), ds_lane(k), ds_c(1));
        TAP_OK(!ds_kernel_end(k), "a kernel without name");
        TAP_OK(ds_kernel_report(k, text, sizeof text) > 0 && ds_kernel_report(k, cut, sizeof cut) > 0 &&
                   strlen(cut) < 10,
               "reports fit");
        ds_kernel_destroy(k);
    }
}

/* Derivatives. */
static void test_deriving(void)
{
    static const char *const wrong[] = { "z", "x z", "y", "s", "e", " x  u zz", "xx", "x_bar" };
    body b;
    ds_kernel *d;
    begin(&b);
    d = ds_kernel_adjoint(b.k, NULL);
    TAP_OK(ds_kernel_error(d)->code == DSIM_ERROR_ORDER, "a derivative before the end");
    TAP_HAS(ds_kernel_error(d)->text, "'mine_adjoint'", "names the kernel");
    ds_kernel_destroy(d);
    ds_store(b.y, b.lane, ds_square(b.v));
    ds_kernel_end(b.k);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        d = i % 4 == 0   ? ds_kernel_adjoint(b.k, wrong[i])
            : i % 4 == 1 ? ds_kernel_tangent(b.k, wrong[i])
            : i % 4 == 2 ? ds_kernel_gradient(b.k, wrong[i])
                         : ds_kernel_hessian(b.k, wrong[i]);
        TAP_OK(ds_kernel_error(d)->code == DSIM_ERROR_ARGUMENT, "derivative by '%s'", wrong[i]);
        TAP_HAS(ds_kernel_error(d)->text, "there is no in or update argument '", "by '%s': in words",
                wrong[i]);
        ds_kernel_destroy(d);
    }
    d = ds_kernel_adjoint(b.k, "  u   x ");
    TAP_OK(!ds_kernel_error(d)->code && !ds_kernel_error(b.k)->code,
           "blanks are free, the kernel stays good");
    ds_kernel_destroy(d);
    d = ds_kernel_gradient(b.k, "u");
    TAP_OK(ds_kernel_error(d)->code == DSIM_ERROR_ARGUMENT, "a gradient without coordinates");
    ds_kernel_destroy(d);
    end(&b);
    {
        ds_kernel *const k = ds_kernel_begin(NULL, "wide");
        const ds_arg x = ds_arg_in(k, "x", 100), y = ds_arg_out(k, "y", 1);
        ds_var sum = ds_c(0);
        for (size_t i = 0; i < 100; i++) sum = ds_add(sum, ds_square(ds_load_part(x, ds_lane(k), i)));
        ds_store(y, ds_lane(k), sum);
        ds_kernel_end(k);
        d = ds_kernel_hessian(k, "x");
        TAP_OK(ds_kernel_error(d)->code == DSIM_ERROR_ARGUMENT, "a Hessian by too many numbers");
        TAP_HAS(ds_kernel_error(d)->text, "100", "says how many");
        ds_kernel_destroy(d);
        d = ds_kernel_gradient(k, "x");
        TAP_OK(!ds_kernel_error(d)->code, "but a gradient");
        ds_kernel_destroy(d);
        ds_kernel_destroy(k);
    }
}

/* Launches: a good one with one thing changed. */
enum { LANES = 20, ARGS = 5 };
typedef struct scene {
    ds_array args[ARGS]; /* x [3] in, y out, s sum, u update, e [2] index */
    size_t lanes, n_args;
    ds_real x[3 * LANES + 1], y[LANES + 1], s[LANES], u[LANES];
    int32_t e[2 * LANES];
} scene;
typedef struct bad_launch {
    const char *name;
    void (*commit)(scene *s);
    ds_result code;
    size_t index;
    const char *words, *more;
} bad_launch;
static void fewer_arrays(scene *s) { s->n_args = 4; }
static void more_arrays(scene *s) { s->n_args = 6; }
static void other_components(scene *s) { s->args[0].components = 2; }
static void no_components_of_array(scene *s) { s->args[1].components = 0; }
static void integers_as_numbers(scene *s) { s->args[0].type = DSIM_ARRAY_INT32; }
static void numbers_as_integers(scene *s) { s->args[4] = ds_array_reals(s->x, LANES, 2); }
static void no_type(scene *s) { s->args[3].type = (ds_array_type)77; }
static void small_stride(scene *s) { s->args[0].stride = 2; }
static void small_pitch(scene *s) { s->args[0].stride = 1, s->args[0].pitch = 5; }
static void no_data(scene *s) { s->args[2].data = NULL; }
static void no_index_data(scene *s) { s->args[4].data = NULL; }
static void read_and_written(scene *s) { s->args[1].data = s->x + 5; }
static void two_sums(scene *s) { s->args[2].data = s->u + LANES / 2, s->args[2].n = LANES / 2; }
static void interleaved_too_close(scene *s) { s->args[1].data = s->x + 2, s->args[1].stride = 3; }
static void written_indices(scene *s) { s->args[1].data = s->e, s->args[1].type = DSIM_ARRAY_FLOAT; }
static void misaligned(scene *s) { s->args[1].data = (char *)s->y + 2; }
static void misaligned_indices(scene *s) { s->args[4].data = (char *)s->e + 1, s->args[4].n = LANES - 1; }
static void index_outside(scene *s) { s->e[2 * 13 + 1] = LANES; }
static void index_negative(scene *s) { s->e[2 * 7] = -3; }
static void index_of_a_store(scene *s) { s->args[1].n = 9; }
static void short_index_array(scene *s) { s->args[4].n = 18; }
static void short_update(scene *s) { s->args[3].n = 19; }
static void short_sum(scene *s) { s->args[2].n = 11; }
static void empty_array(scene *s) { s->args[3].n = 0, s->args[3].data = NULL; }
static void too_many_lanes(scene *s) { s->lanes = LANES + 1; }
static void lanes_overflow(scene *s) { s->lanes = (size_t)-1; }
static void huge_array(scene *s) { s->args[0].n = (size_t)-1 / 2; }
static void huge_stride(scene *s) { s->args[0].stride = (size_t)-1 / 8; }
static void huge_pitch(scene *s) { s->args[0].pitch = (size_t)-1 / 2; }

static const bad_launch bad_launches[] = {
    { "fewer arrays", fewer_arrays, DSIM_ERROR_ARGUMENT, 4, "so many arguments: 5", "" },
    { "more arrays", more_arrays, DSIM_ERROR_ARGUMENT, 6, "so many arguments: 5", "" },
    { "other components", other_components, DSIM_ERROR_ARGUMENT, 0, "'x'", "components" },
    { "no components", no_components_of_array, DSIM_ERROR_ARGUMENT, 1, "'y'", "components" },
    { "integers as numbers", integers_as_numbers, DSIM_ERROR_ARGUMENT, 0, "'x'", "int32" },
    { "numbers as integers", numbers_as_integers, DSIM_ERROR_ARGUMENT, 4, "'e'", "int32" },
    { "no type", no_type, DSIM_ERROR_ARGUMENT, 3, "'u'", "" },
    { "a stride that is too small", small_stride, DSIM_ERROR_ARGUMENT, 0, "'x'", "stride" },
    { "a pitch that is too small", small_pitch, DSIM_ERROR_ARGUMENT, 0, "'x'", "pitch" },
    { "no data", no_data, DSIM_ERROR_ARGUMENT, 2, "'s'", "NULL" },
    { "no indices", no_index_data, DSIM_ERROR_ARGUMENT, 4, "'e'", "NULL" },
    { "an array read and written", read_and_written, DSIM_ERROR_RACE, 1, "'y'", "'x'" },
    { "an array of two sums", two_sums, DSIM_ERROR_RACE, 2, "'s'", "'u'" },
    { "arrays interleaved too close", interleaved_too_close, DSIM_ERROR_RACE, 1, "'y'", "'x'" },
    { "indices that are written", written_indices, DSIM_ERROR_RACE, 1, "'y'", "'e'" },
    { "data between two numbers", misaligned, DSIM_ERROR_ARGUMENT, 1, "'y'", "aligned" },
    { "indices between two numbers", misaligned_indices, DSIM_ERROR_ARGUMENT, 4, "'e'", "aligned" },
    { "an index outside", index_outside, DSIM_ERROR_RANGE, 13, "'s'", "lane 13 uses element 20 of 20" },
    { "a negative index", index_negative, DSIM_ERROR_RANGE, 7, "'x'", "lane 7 uses element -3 of 20" },
    { "a store outside", index_of_a_store, DSIM_ERROR_RANGE, 9, "'y'", "lane 9 uses element 9 of 9" },
    { "a short index array", short_index_array, DSIM_ERROR_RANGE, 18, "'e'",
      "lane 18 uses element 18 of 18" },
    { "a short update", short_update, DSIM_ERROR_RANGE, 19, "'u'", "lane 19 uses element 19 of 19" },
    { "a short sum", short_sum, DSIM_ERROR_RANGE, 0, "'s'", "lane 0 uses element 19 of 11" },
    { "an empty array", empty_array, DSIM_ERROR_RANGE, 0, "'u'", "lane 0 uses element 0 of 0" },
    { "too many lanes", too_many_lanes, DSIM_ERROR_RANGE, LANES, "'e'", "lane 20 uses element 20 of 20" },
    { "lanes that nothing counts", lanes_overflow, DSIM_ERROR_OVERFLOW, 0, "lanes", "" },
    { "a huge array", huge_array, DSIM_ERROR_ARGUMENT, 0, "'x'", "address space" },
    { "a huge stride", huge_stride, DSIM_ERROR_ARGUMENT, 0, "'x'", "address space" },
    { "a huge pitch", huge_pitch, DSIM_ERROR_ARGUMENT, 0, "'x'", "address space" },
};

static ds_kernel *good_kernel(const ds_allocator *allocator)
{
    ds_kernel_desc desc;
    ds_kernel *k;
    memset(&desc, 0, sizeof desc);
    if (allocator) desc.allocator = *allocator;
    k = ds_kernel_begin(&desc, "mine");
    if (k) {
        const ds_arg x = ds_arg_in(k, "x", 3), y = ds_arg_out(k, "y", 1), s = ds_arg_sum(k, "s", 1);
        const ds_arg u = ds_arg_update(k, "u", 1), e = ds_arg_index(k, "e", 2);
        const ds_index lane = ds_lane(k), i = ds_load_index(e, lane, 0), j = ds_load_index(e, lane, 1);
        const ds_var3 p = ds_load3(x, i);
        const ds_var l = ds_safe_norm3(p), f = ds_mul(l, ds_load(u, lane));
        ds_store(y, lane, f);
        ds_add_at(s, j, ds_sin(f));
        ds_store(u, lane, ds_fma(f, f, l));
        ds_kernel_end(k);
    }
    return k;
}
static void fill(scene *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 3 * LANES; i++) s->x[i] = (ds_real)(i % 7) / 4;
    for (int i = 0; i < LANES; i++) {
        s->y[i] = -1, s->s[i] = (ds_real)i, s->u[i] = (ds_real)1 / (ds_real)(i + 1);
        s->e[2 * i] = i * 3 % LANES, s->e[2 * i + 1] = LANES - 1 - i;
    }
    s->lanes = LANES, s->n_args = ARGS;
    s->args[0] = ds_array_reals(s->x, LANES, 3), s->args[1] = ds_array_reals(s->y, LANES, 1);
    s->args[2] = ds_array_reals(s->s, LANES, 1), s->args[3] = ds_array_reals(s->u, LANES, 1);
    s->args[4] = ds_array_indices(s->e, LANES, 2);
}
static int same_numbers(const scene *a, const scene *b)
{
    return !memcmp(a->x, b->x, sizeof a->x) && !memcmp(a->y, b->y, sizeof a->y) &&
           !memcmp(a->s, b->s, sizeof a->s) && !memcmp(a->u, b->u, sizeof a->u) &&
           !memcmp(a->e, b->e, sizeof a->e);
}

static void test_launching(void)
{
    ds_kernel *const k = good_kernel(NULL);
    ds_runner_desc desc;
    ds_runner *r;
    static scene s, before;
    memset(&desc, 0, sizeof desc);
    desc.log.write = count_logs;
    r = ds_runner_create(&desc);
    for (size_t i = 0; i < COUNT(bad_launches); i++) {
        const bad_launch *const m = bad_launches + i;
        ds_result result;
        fill(&s);
        m->commit(&s);
        before = s;
        logged = 0;
        result = ds_launch(r, k, s.lanes, s.args, s.n_args);
        TAP_OK(result == m->code && ds_runner_error(r)->code == m->code, "%s: %s", m->name,
               ds_result_name(result));
        TAP_OK(ds_runner_error(r)->index == m->index, "%s: index %d", m->name,
               (int)ds_runner_error(r)->index);
        TAP_HAS(ds_runner_error(r)->text, "kernel 'mine'", "%s: names the kernel", m->name);
        TAP_HAS(ds_runner_error(r)->text, m->words, "%s: says where", m->name);
        TAP_HAS(ds_runner_error(r)->text, m->more, "%s: says what", m->name);
        TAP_OK(same_numbers(&s, &before) && logged == 1, "%s: arrays as they were, told once", m->name);
        fill(&s);
        TAP_OK(!ds_launch(r, k, s.lanes, s.args, s.n_args) && !ds_runner_error(r)->code && s.y[0] != -1,
               "%s: a good launch follows", m->name);
    }
    fill(&s);
    TAP_OK(ds_launch(NULL, k, 1, s.args, ARGS) == DSIM_ERROR_ARGUMENT &&
               ds_launch(r, NULL, 1, s.args, ARGS) == DSIM_ERROR_ARGUMENT &&
               ds_launch_grid(r, k, NULL, s.args, ARGS) == DSIM_ERROR_ARGUMENT &&
               ds_launch(r, k, 1, NULL, ARGS) == DSIM_ERROR_ARGUMENT,
           "launches of and with NULL");
    {
        body b;
        begin(&b);
        ds_store(b.y, b.lane, b.v);
        TAP_OK(ds_launch(r, b.k, LANES, s.args, ARGS) == DSIM_ERROR_ORDER, "a launch before the end");
        TAP_HAS(ds_runner_error(r)->text, "ds_kernel_end", "says what to do");
        end(&b);
    }
    {
        ds_kernel_desc flat;
        ds_kernel *grid;
        const size_t lanes[2] = { (size_t)1 << (4 * sizeof(size_t)), (size_t)1 << (4 * sizeof(size_t)) };
        memset(&flat, 0, sizeof flat);
        flat.rank = 2;
        grid = ds_kernel_begin(&flat, "grid");
        ds_store(ds_arg_out(grid, "y", 1), ds_lane(grid), ds_index_number(grid, ds_lane_axis(grid, 1)));
        ds_kernel_end(grid);
        TAP_OK(ds_launch(r, grid, 1, s.args + 1, 1) == DSIM_ERROR_ARGUMENT, "a grid by ds_launch");
        TAP_HAS(ds_runner_error(r)->text, "ds_launch_grid", "says what to do");
        TAP_OK(ds_launch_grid(r, grid, lanes, s.args + 1, 1) == DSIM_ERROR_OVERFLOW,
               "a grid that nothing counts");
        ds_kernel_destroy(grid);
    }
    { /* arrays that derivatives do not look at may be anything */
        ds_kernel *const a = ds_kernel_adjoint(k, "x");
        ds_array args[2 * ARGS];
        ds_real x_bar[3 * LANES] = { 0 }, u_bar[LANES] = { 0 }, ones[LANES];
        fill(&s);
        memset(args, 0, sizeof args);
        for (int i = 0; i < LANES; i++) ones[i] = 1;
        args[0] = s.args[0], args[3] = s.args[3], args[4] = s.args[4];
        args[1].components = 99, args[1].type = (ds_array_type)-3;
        args[5] = ds_array_reals(x_bar, LANES, 3), args[6] = args[7] = ds_array_reals(ones, LANES, 1);
        args[8] = ds_array_reals(u_bar, LANES, 1);
        TAP_OK(ds_launch(r, a, LANES, args, 2 * ARGS) == DSIM_OK && x_bar[0] == x_bar[0],
               "arrays that are not looked at");
        ds_kernel_destroy(a);
    }
    ds_runner_destroy(r);
    ds_kernel_destroy(k);
}

/* a kernel, its derivative `way` (0: none) and a launch; the first error, or DSIM_OK. named: the sentence,
   where there is an object that has one */
static ds_result everything(counter *c, int way, char *named)
{
    const ds_allocator allocator = allocator_of(c);
    ds_runner_desc desc;
    ds_kernel *k, *d = NULL;
    ds_runner *r;
    static scene s;
    ds_array args[2 * ARGS];
    static ds_real wide[LANES * 20], narrow[LANES * 20];
    ds_result result = DSIM_ERROR_MEMORY;
    memset(&desc, 0, sizeof desc);
    desc.allocator = allocator;
    named[0] = 0;
    fill(&s);
    memset(args, 0, sizeof args);
    memset(narrow, 0, sizeof narrow);
    for (int i = 0; i < ARGS; i++) args[i] = s.args[i];
    args[5] = ds_array_reals(wide, LANES, way > 2 ? 4 : 3),
    args[6] = ds_array_reals(narrow, LANES, way > 2 ? 10 : 1);
    args[7] = ds_array_reals(narrow + LANES, LANES, 1),
    args[8] = ds_array_reals(narrow + 2 * LANES, LANES, 1);
    k = good_kernel(&allocator);
    r = ds_runner_create(&desc);
    if (k && way)
        d = way == 1   ? ds_kernel_adjoint(k, NULL)
            : way == 2 ? ds_kernel_tangent(k, NULL)
            : way == 3 ? ds_kernel_gradient(k, NULL)
                       : ds_kernel_hessian(k, NULL);
    if (k && ds_kernel_error(k)->code) {
        result = ds_kernel_error(k)->code;
        strcpy(named, ds_kernel_error(k)->text);
    } else if (d && ds_kernel_error(d)->code) {
        result = ds_kernel_error(d)->code;
        strcpy(named, ds_kernel_error(d)->text);
    } else if (k && r && (d || !way)) {
        static const size_t n[] = { 5, 10, 10, 6, 7 };
        result = ds_launch(r, way ? d : k, LANES, args, n[way]);
        strcpy(named, ds_runner_error(r)->text);
    }
    ds_kernel_destroy(d);
    ds_kernel_destroy(k);
    ds_runner_destroy(r);
    return result;
}

static void test_memory(void)
{
    static const char *const ways[] = { "launch", "adjoint", "tangent", "gradient", "Hessian" };
    char named[400];
    for (int way = 0; way < 5; way++) {
        counter c;
        size_t calls;
        int codes = 1, leaks = 0, sentences = 1, unnamed = 0;
        memset(&c, 0, sizeof c);
        if (!TAP_OK(everything(&c, way, named) == DSIM_OK, "%s: enough memory", ways[way]))
            tap_diag("%s", named);
        calls = c.calls;
        TAP_OK(c.live == 0 && c.wrong == 0 && calls > 10, "%s: all is given back (%d allocations)", ways[way],
               (int)calls);
        for (size_t i = 0; i < 2 * calls; i++) {
            memset(&c, 0, sizeof c);
            c.fail_at = i / 2 + 1, c.for_good = (int)(i % 2);
            codes &= everything(&c, way, named) == DSIM_ERROR_MEMORY;
            leaks += c.live != 0 || c.wrong != 0;
            if (named[0])
                sentences &= strstr(named, "'mine") && strstr(named, ds_result_text(DSIM_ERROR_MEMORY));
            else
                unnamed++;
        }
        TAP_OK(codes, "%s: each failure is MEMORY", ways[way]);
        TAP_OK(sentences && unnamed < 20, "%s: and named, where there is a kernel or runner", ways[way]);
        TAP_OK(!leaks, "%s: nothing leaks", ways[way]);
    }
}

int main(void)
{
    test_recording();
    test_elsewhere();
    test_deriving();
    test_launching();
    test_memory();
    return tap_end();
}
