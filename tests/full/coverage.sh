#!/bin/sh
# What the tests run of diffsim.h: lines (at least 95 %) and branches. All test programs in double and float,
# text/same.c with every knob and text/ctext.c, in gcc builds without optimisation, counted together. Programs
# link one implementation for each number type, where compile.sh says that they can; its counters add up.

. text/tap.sh

if ! have gcc || ! have gcovr; then
    skip "coverage" "$type_this"
    finish
fi

# atomic: test_pool has threads
counted="gcc -O0 --coverage -fprofile-update=atomic -I$(dirname "$header") -I."
# build PROGRAM NAME FLAG ...: the counters are named after the output
build()
{
    program=$1
    name=$2
    shift 2
    $counted "$@" "$program" -o "$work/$name" -lm -pthread
}

for real in double float; do
    check "the implementation in $real builds" $counted -DDIFFSIM_REAL=$real -DDIFFSIM_THREADS \
        -DDIFFSIM_IMPLEMENTATION -x c -c "$header" -o "$work/impl_$real.o"
    for program in test_*.c; do
        test -f "$program" || continue
        name=${program%.c}_$real
        check "$program in $real builds" sh compile.sh "$work/$name" "$program" "$work/impl_$real.o" $counted \
            -DDIFFSIM_REAL=$real
        "$work/$name" >/dev/null 2>&1 # whether it passes is asked elsewhere
    done
done
rm -f a-test_*.gcno # of compile.sh, which asks whether a program compiles
build text/same.c same -DSAME_DECLARES "$work/impl_double.o" && "$work/same" >/dev/null
for knob in DEBUG NO_INLINE STATIC; do
    build text/same.c same_$knob -DDIFFSIM_$knob && "$work/same_$knob" >/dev/null
done

for real in double float; do
    build text/ctext.c ctext_$real -DDSI_IMPLEMENTED -DDIFFSIM_REAL=$real "$work/impl_$real.o" || continue
    for what in print cuda ''; do "$work/ctext_$real" $what >/dev/null 2>&1; done
done

gcovr -r "$(dirname "$header")" -f '.*diffsim\.h' --txt "$work/lines.txt" --csv "$work/lines.csv" "$work" \
    >"$work/gcovr.out" 2>&1
check "gcovr counts" test -s "$work/lines.csv"
# filename, line_total, line_covered, line_percent, branch_total, branch_covered, branch_percent, ...
numbers=$(awk -F, 'NR > 1 && $2 { printf "%.1f %.1f", 100 * $3 / $2, $5 ? 100 * $6 / $5 : 0 }' \
    "$work/lines.csv")
lines=${numbers% *}
check "$lines % of the lines, at least 95" awk "BEGIN { exit !(${lines:-0} >= 95) }"
diag "lines $lines %, branches ${numbers#* } %"
diag "not run: $(awk '/diffsim.h/ { $1 = $2 = $3 = $4 = ""; print }' "$work/lines.txt")"
finish
