#!/bin/sh
# Layers: a layer uses lower ones only. For every layer n the header is cut after it, the implementation
# together with the declarations and inline functions (in full also the implementation alone); what is left
# compiles, links and runs with a program that calls one function of each layer in it.

. text/tap.sh

# a statement for each layer; `used` keeps it alive
calls()
{
    case $1 in
    1) echo 'size_t size; used += ds_size_mul(6, 7, &size) == DSIM_OK;' ;;
    2) echo 'used += ds_v3_dot(ds_v3_make(1, 2, 3), ds_v3_make(1, 2, 3)) > ds_real_exp(1);' ;;
    3) echo 'ds_real a[1] = { 4 }, x[1] = { 8 };
             used += !ds_cholesky_factor(a, 1, NULL) && !ds_cholesky_solve(a, 1, x) && x[0] == 2;' ;;
    4) echo 'ds_problem p = { 0 };
             used += ds_minimise(&p, NULL, NULL, NULL) == DSIM_ERROR_ARGUMENT;' ;;
    5) echo 'used += dsi_mul(2, 3) > 0;' ;;
    6) echo 'ds_tape *t = ds_tape_create(NULL);
             used += ds_backward(ds_mul(ds_input(t, 2), ds_c(3))) == DSIM_OK;
             ds_tape_destroy(t);' ;;
    7) echo 'ds_kernel *k = ds_kernel_begin(NULL, "square"); ds_runner *r = ds_runner_create(NULL);
             ds_real x[3] = { 1, 2, 3 }, y[3] = { 0, 0, 0 };
             ds_arg in = ds_arg_in(k, "x", 1), out = ds_arg_out(k, "y", 1);
             ds_array args[2];
             args[0] = ds_array_reals(x, 3, 1);
             args[1] = ds_array_reals(y, 3, 1);
             ds_store(out, ds_lane(k), ds_square(ds_load(in, ds_lane(k))));
             used += !ds_kernel_end(k) && !ds_launch(r, k, 3, args, 2) && y[2] == 9;
             ds_runner_destroy(r);
             ds_kernel_destroy(k);' ;;
    8) echo 'ds_checkpoint_plan plan; used += ds_rollout_plan(NULL, NULL, &plan) == DSIM_ERROR_ARGUMENT;' ;;
    9) echo 'ds_mesh mesh; used += !ds_mesh_box(NULL, &mesh, NULL) && mesh.n_tets == 320; ds_mesh_destroy(&mesh);' ;;
    10) echo 'ds_kernel *k = ds_energy_kernel(NULL, NULL, DSIM_ENERGY_PART_ENERGY, NULL);
              ds_energies_desc desc = { 0 };
              ds_energies *e = ds_energies_create(&desc);
              used += ds_kernel_error(k)->code == DSIM_ERROR_ARGUMENT && !ds_energies_system(e);
              ds_energies_destroy(e);
              ds_kernel_destroy(k);' ;;
    11) echo 'ds_error error; used += ds_integrator_check(NULL, NULL, &error) == DSIM_ERROR_ARGUMENT;' ;;
    13) echo 'ds_world *w = ds_world_create(NULL); ds_real x[3] = { 1, 2, 3 };
              ds_world_add_points(w, x, 1, 2);
              used += ds_world_positions(w)[1] == 2;
              ds_world_destroy(w);' ;;
    15) echo 'used += ds_optimizer_bytes(3) > 0;' ;;
    16) echo 'ds_check_report report; ds_real at[1] = { 2 };
              used += ds_check_gradient(square, NULL, at, 1, NULL, &report) == DSIM_OK;' ;;
    esac
}
before()
{
    if test "$1" = 16; then
        echo 'static ds_result square(void *user, const ds_real *x, size_t n, ds_real *value, ds_real *grad)
              { (void)user; (void)n; *value = x[0] * x[0]; if (grad) grad[0] = 2 * x[0]; return DSIM_OK; }'
    fi
}

# cut LAST KIND ...: the header without the sections of these kinds (api, inline, impl) above LAST
cut_header()
{
    awk -v last="$1" -v kinds=" $2 " '
        /^\/\* >>[a-z]+ / {
            kind = substr($2, 3)
            off = index(kinds, " " kind " ") && $3 != "end" && $3 + 0 > last
        }
        kind == "inline" && /^#ifdef __cplusplus$/ { off = 0 }
        !off' "$header"
}

program()
{
    echo '#define DIFFSIM_IMPLEMENTATION'
    echo '#include "diffsim.h"'
    for n in $layers; do test "$n" -gt "$1" || before "$n"; done
    echo 'int main(void) { int used = 0;'
    for n in $layers; do test "$n" -gt "$1" || echo "{ $(calls "$n") }"; done
    echo "return used != $2; }"
}

layers=$(sed -n 's|^/\* >>impl \([0-9][0-9]*\) .*|\1|p' "$header")
below=0
for last in $layers; do
    below=$((below + 1))
    check "layer $last has a call in this test" test -n "$(calls "$last")"
    for kinds in 'api inline impl' impl; do
        test -z "$FULL" && test "$kinds" = impl && continue
        name="layers 1 to $last, cut in $kinds"
        rm -f "$work"/*.o "$work/program"
        cut_header "$last" "$kinds" >"$work/diffsim.h"
        program "$last" $below >"$work/program.c"
        check "$name: compiles" $any_cc -O0 -c "$work/program.c" -o "$work/program.o"
        test -f "$work/program.o" || continue
        nm -u "$work/program.o" | grep -E '\bdsi?_' >"$work/undefined"
        empty "$name: uses nothing above" "$work/undefined"
        check "$name: links" $any_cc "$work/program.o" -o "$work/program" -lm
        check "$name: runs" "$work/program"
    done
done

finish
