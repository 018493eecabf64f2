#!/bin/sh
# How long a file that includes the header takes the compiler, its start included: only printed, best of 10.

. text/tap.sh

include="-I$(dirname "$header")"
echo '#include "diffsim.h"' >"$work/header.c"
printf '#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n' >"$work/libc.c"
cp "$work/header.c" "$work/header.cc"

# milliseconds of COMMAND
best()
{
    for round in 1 2 3 4 5 6 7 8 9 10; do
        begin=$(date +%s%N)
        "$@" || return 1
        end=$(date +%s%N)
        echo $(((end - begin) / 10000))
    done | sort -n | awk 'NR == 1 { printf "%.0f ms", $1 / 100; found = 1 } END { exit !found }'
}

case $(date +%s%N) in
*N) skip "time to parse the declarations" "date has no parts of a second" ;;
*)
    for compiler in $CC ${FULL:+clang $CXX}; do
        if ! have "$compiler"; then
            skip "time to parse the declarations, $compiler" "$type_this"
            continue
        fi
        source=header.c
        case $compiler in *++) source=header.cc ;; esac
        times=$(best $compiler $include -fsyntax-only "$work/$source")
        short=$(best $compiler $include -fsyntax-only -DDIFFSIM_NO_INLINE "$work/$source")
        check "$compiler parses the declarations in $times, with DIFFSIM_NO_INLINE in $short" test -n "$short"
        diag "$compiler: $times, with DIFFSIM_NO_INLINE $short, <math.h> and its kin alone $(best $compiler \
            -fsyntax-only "$work/libc.c")"
    done
    ;;
esac

finish
