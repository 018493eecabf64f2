#!/bin/sh
# The table of operations as C text compiles and gives the bits of the table itself; as CUDA text nvcc
# compiles it.

. text/tap.sh

reals=double
test -n "$FULL" && reals='double float'
for real in $reals; do
    $CC -std=c99 -O1 -DDIFFSIM_STATIC -DDIFFSIM_REAL=$real text/ops_text.c -o "$work/ops_$real" -lm
    "$work/ops_$real" run >"$work/table_$real"
    "$work/ops_$real" c >"$work/text_$real.c"
    "$work/ops_$real" cuda >"$work/text_$real.cu"
    check "$real: C text of $(wc -l <"$work/text_$real.c") lines compiles" \
        $CC -std=c99 -O1 -Wall -Wextra -Wno-unused-function "$work/text_$real.c" "$(object $real)" \
        -o "$work/text_$real" -lm -pthread
    "$work/text_$real" >"$work/printed_$real"
    check "$real: and agrees with the table in $(wc -l <"$work/table_$real") numbers" \
        cmp "$work/table_$real" "$work/printed_$real"
    check "$real: which is not empty" test "$(wc -l <"$work/table_$real")" -gt 1000
    if test -z "$FULL"; then
        continue
    elif have nvcc nvidia-cuda-toolkit; then
        check "$real: CUDA text compiles with nvcc" \
            nvcc -std=c++14 -arch=sm_80 "$work/text_$real.cu" -c -o "$work/text_$real.cuo"
    else
        skip "$real: CUDA text compiles with nvcc" "no nvcc: install the CUDA toolkit"
    fi
done
finish
