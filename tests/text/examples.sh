#!/bin/sh
# The examples build, run with --quick, and their result lines are the known answers.

. text/tap.sh

# all link the implementation in build/, as if each program had seen it
flags='-O0 -DDSI_IMPLEMENTED'
library="$(object double) -pthread"
test -n "$FULL" && flags='-O1 -DDSI_IMPLEMENTED'
build()
{
    make -s -C ../examples "$1" BUILD="$work" CC="$CC" CXX="$CXX" CFLAGS="-std=c99 $flags" \
        CXXFLAGS="-std=c++11 $flags" LDFLAGS="$library"
}
check "all examples build" build all

for source in ../examples/*.c ../examples/*.cc; do
    name=$(basename "${source%.*}")
    if test "$source" != "${source%.cc}" && ! have "$CXX" g++; then
        skip "$name" "$type_this"
        continue
    fi
    check "$name --quick runs" "$work/$name" --quick --out "$work/out"
done

# agree ORACLE SCENE PROGRAM ARGS: the rows of the oracle file that belong to a scene
agree()
{
    oracle=$1
    scene=$2
    shift 2
    "$@" >"$work/results" 2>"$work/noise"
    awk -v scene="$scene" -v oracle="$oracle" '
        FNR == NR { if ($1 == "result") got[$2] = $3; next }
        $1 == scene || $1 == "both" {
            miss = got[$2] - $3
            if (miss < 0) miss = -miss
            size = $3 < 0 ? -$3 : $3
            verdict = ($2 in got) && miss <= $4 * size ? "ok" : "not ok"
            printf "%s %s, %s: %s is %s (%s within %s)\n", verdict, oracle, scene, $2, got[$2], $3, $4
        }' "$work/results" "oracle/$oracle.txt" >"$work/verdicts"
    while read -r verdict rest; do
        case $verdict in
        ok) ok "$rest" ;;
        not) not_ok "${rest#ok }" ;;
        esac
    done <"$work/verdicts"
}
agree mass_spring_simple paper "$work/mass_spring" --out "$work/out"
agree mass_spring_simple wall "$work/mass_spring" --wall --out "$work/out"
check "wave in pairs, within 2 MB, runs" "$work/wave" --memory 2 --quick --out "$work/out"
check "wave --original --quick runs" "$work/wave" --original --quick --out "$work/out"
agree robots quick "$work/mass_spring_robots" --quick --out "$work/out"
if test -n "$FULL"; then
    "$work/mass_spring_robots" --out "$work/out" >"$work/robots" 2>&1
    check "robots learn what they shall: five times, in the middle" \
        awk '$1 == "result" { got[$2] = $3 } END {
            exit !(got["careful_best_impact"] < -0.437 && got["careful_best_naive"] < -0.2565 &&
                   got["paper_last_impact"] < -0.33 && got["paper_last_naive"] > -0.24) }' "$work/robots"
fi
for name in gradient_explosion time_of_impact kernels wave energy; do
    agree gradient_studies $name "$work/$name" --quick --out "$work/out"
done

# with the implementation in its own file, where realloc and free are its own
check "no_malloc builds alone" $any_cc ../examples/no_malloc.c -o "$work/no_malloc" -lm
agree gradient_studies no_malloc "$work/no_malloc"

for name in energy wave; do
    check "$name builds with the text that it has printed" build ${name}_printed
    for form in $name ${name}_printed; do "$work/$form" --quick --out "$work/out" >"$work/$form.out" 2>&1; done
    check "$name as text: that is what ran" grep -q 'the kernel ran as printed text' "$work/${name}_printed.out"
    equal "$name as text: the same bits" "$(grep -o 'hash of .*\|^result.*' "$work/${name}_printed.out")" \
        "$(grep -o 'hash of .*\|^result.*' "$work/$name.out" || echo none)"
done

"$work/02_throw" --out "$work/out" >"$work/throw" 2>&1
check "02_throw hits" \
    awk '$1 == "result" && $2 == "miss" { found = $3 < 1e-6 } END { exit !found }' "$work/throw"
check "02_throw certifies its gradient" grep -q "the gradient is right: 3 of 3" "$work/throw"
"$work/fit_a_curve" --out "$work/out" >"$work/fit" 2>&1
check "fit_a_curve: the truth is within 3 standard errors, the noise is as assumed" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["worst_in_standard_errors"] < 3 && got["chi_square_per_freedom"] < 1.4 &&
               got["chi_square_per_freedom"] > 0.6 && got["amplitude"] > 0.7 && got["iterations"] < 20) }' "$work/fit"
"$work/custom_node" >"$work/custom"
check "custom_node: first and second derivatives are those of differences" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["by_e"] > 2.123 && got["by_e"] < 2.124 && got["error"] < 1e-9 && got["error2"] < 1e-4) }' \
    "$work/custom"
if test -x "$work/cpp_operators"; then
    "$work/cpp_operators" >"$work/pendulum"
    check "cpp_operators certifies its gradient" grep -q "the gradient is right: 4 of 4" "$work/pendulum"
    check "cpp_operators conserves the energy" \
        awk '$2 == "drift" { found = $3 > 0 && $3 < 1e-7 } END { exit !found }' "$work/pendulum"
fi
"$work/your_own_energy" --quick --out "$work/out" >"$work/rope" 2>/dev/null
check "your_own_energy: the rope sags a metre, by a gradient that is right" \
    awk '$1 == "result" { got[$2] = $3 } /the gradient is right: 2 of 2/ { right = 1 } END {
        exit !(right && got["loss"] < 1e-20 && got["stiffness"] > 54.78 && got["stiffness"] < 54.80) }' "$work/rope"
"$work/bounce_models" --quick --out "$work/out" >"$work/bounce" 2>/dev/null
check "bounce_models: naive and leaky gradients are wrong, that of the time of impact is exact, springs are near" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["naive_gradient"] > 0.4 && got["leaky_gradient"] > 0.4 && got["naive_flight"] < 1e-3 &&
               got["impact_flight"] < 1e-12 && got["impact_gradient"] < 1e-10 && got["penalty_gradient"] < 0.06 &&
               got["softplus_gradient"] < 0.06 && got["barrier_gradient"] < 0.06) }' "$work/bounce"
"$work/jelly" --quick --out "$work/out" >"$work/jelly.out" 2>/dev/null
check "jelly: both moduli within 1e-6, by a gradient that is right; the floor holds" \
    awk '$1 == "result" { got[$2] = $3 }
        /the gradient is right: 2 of 2/ { right = 1 }
        function near(a, b) { return a > b * (1 - 1e-6) && a < b * (1 + 1e-6) }
        END { exit !(right && near(got["young"], 20000) && near(got["poisson"], 0.42) && got["loss"] < 1e-14 &&
                     got["loss_first"] > 1e-3 && got["deepest"] < 0 && got["deepest"] > -0.04) }' \
    "$work/jelly.out"
equal "jelly: the motion is there for ParaView, 40 tetrahedra five times" \
    "$(cat "$work"/out/jelly_[0-4].vtk | grep -c '^CELLS 40 200$')" 5
"$work/cloth" --quick --out "$work/out" >"$work/cloth.out" 2>/dev/null
check "cloth: the wind within 1e-6, by a gradient that is right; the flag hardly stretches" \
    awk '$1 == "result" { got[$2] = $3 }
        /the gradient is right: 3 of 3/ { right = 1 }
        function near(a, b) { return a > b * (1 - 1e-6) && a < b * (1 + 1e-6) }
        END { exit !(right && near(got["wind_x"], 5) && near(got["wind_y"], 1) && near(got["wind_z"], 2.5) &&
                     got["loss"] < 1e-14 && got["loss_first"] > 0.1 &&
                     got["reach"] >= 1 && got["reach"] < 1.1) }' "$work/cloth.out"
# linear tetrahedra lock: one layer misses two thirds, whatever its gradient says
"$work/cantilever" --quick --out "$work/out" >"$work/beam" 2>/dev/null
check "cantilever: the gradient by E is -deflection/E, settled beams are those at rest, coarse ones lock" \
    awk '$1 == "result" { got[$2] = $3 } END {
        settled = got["settled_against_rest"]; one = got["settled_gradient"] - 1
        exit !(got["gradient_error"] < 1e-8 && settled < 1e-4 && settled > -1e-4 && one < 1e-3 && one > -1e-3 &&
               got["error_one_layer"] > 0.6 && got["error_one_layer"] < 0.75 && got["error_finest"] < 0.4) }' \
    "$work/beam"
if test -n "$FULL"; then
    "$work/cantilever" --out "$work/out" >"$work/beam" 2>/dev/null
    check "cantilever: order 2 towards Timoshenko's deflection" \
        awk '$1 == "result" { got[$2] = $3 } END {
            exit !(got["order"] > 1.8 && got["order"] < 2.1 && got["error_finest"] < 0.02 &&
                   got["extrapolated_error"] < 0.003) }' "$work/beam"
fi
"$work/torch_diffsim_tour" --quick --out "$work/out" >"$work/tour" 2>/dev/null
check "torch_diffsim_tour: certified, the same bits from segments, moduli of elements begin to be found" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["checked"] == 1 && got["same_bits"] == 1 && got["segments_memory"] < 0.25 &&
               got["adam_correlation"] > 0.6 && got["adamw_correlation"] > 0.6 && got["adam_error"] < 0.3 &&
               got["adam_loss_ratio"] < 0.03 && got["adamw_loss_ratio"] < 0.03) }' "$work/tour"
check "torch_diffsim_tour: modulus and ratio of the block are found" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["block_young"] > 98e3 && got["block_young"] < 102e3 && got["block_poisson"] > 0.395 &&
               got["block_poisson"] < 0.405) }' "$work/tour"
if test -n "$FULL"; then
    "$work/torch_diffsim_tour" --out "$work/out" >"$work/tour" 2>/dev/null
    check "torch_diffsim_tour: moduli of all elements are found" \
        awk '$1 == "result" { got[$2] = $3 } END {
            exit !(got["checked"] == 1 && got["adam_correlation"] > 0.98 && got["adamw_correlation"] > 0.98 &&
                   got["adam_error"] < 0.05 && got["adam_loss_ratio"] < 1e-4) }' "$work/tour"
fi
"$work/explain" >"$work/explained"
check "explain: every cause is found" \
    awk '$1 == "result" { n++; good += $3 == 1 } END { exit !(n == 5 && good == 5) }' "$work/explained"
"$work/world_batch" --quick --out "$work/out" >"$work/batch" 2>/dev/null
check "world_batch: a world has its own bits among others and with any threads, and the chain is found" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["worlds"] == 400 && got["threads_differ"] == 0 && got["alone_differ"] == 0 &&
               ("alone_differ" in got) && ("threads_differ" in got) && got["alone_gradient_off"] < 1e-11 &&
               got["found"] > 0.02 && got["best_stiffness"] > 29.99 && got["best_stiffness"] < 30.01 &&
               got["best_drag"] > 0.0999 && got["best_drag"] < 0.1001) }' "$work/batch"
"$work/game_loop" --quick --out "$work/out" >"$work/game" 2>/dev/null
check "game_loop: nothing allocated after the first frame, bounded work, the same bits again, drawn in between" \
    awk '$1 == "result" { got[$2] = $3 } END {
        exit !(got["first_frame_allocations"] > 0 && ("later_allocations" in got) &&
               got["later_allocations"] == 0 && got["hitch_steps"] == 80 && got["replay_same"] == 1 &&
               got["steps"] > 1500 && ("drawn_off" in got) && got["drawn_off"] < 1e-12 &&
               got["jelly_lowest"] > -0.02 && got["jelly_x"] > -0.6 && got["jelly_x"] < 0.5) }' "$work/game"
check "01_gradient has at most 25 lines" test "$(wc -l <../examples/01_gradient.c)" -le 25
finish
