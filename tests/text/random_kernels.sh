#!/bin/sh
# Random kernels three ways (random_kernels.c): values and derivatives are those of a tape, and printed C
# gives the bits of the interpreter, whatever the width of a block and the number of parts. The quick form is
# always the same and short; in full it takes a minute, and begins with the same seeds.
# KERNEL_SECONDS= how long; SEED= the first kernel, one that failed before.

. text/tap.sh

seconds=0
first=1
seeds=30
test -n "$FULL" && seconds=60 seeds=60
seconds=${KERNEL_SECONDS:-$seconds}
first=${SEED:-$first}
include="-I$(dirname "$header") -I."

# build NAME COMPILER FLAG ...: tcc, which cannot link gcc's objects, makes its own implementation
build()
{
    build_name=$1
    shift
    if test "$1" = tcc; then
        "$@" $include -DDIFFSIM_IMPLEMENTATION text/random_kernels.c -o "$work/$build_name" -lm
    else
        "$@" $include -DDSI_IMPLEMENTED text/random_kernels.c "$(object double)" -o "$work/$build_name" -lm -pthread
    fi
}
# passes NAME WORDS: the program of this name; what it says of seeds is shown
passes()
{
    if "$work/$@" >"$work/out" 2>&1; then
        ok "$*"
    else
        not_ok "$* (again with SEED= that of a line below)"
    fi
    sed 's/^# //; s/^/# /; 30q' "$work/out"
}

compiler="$CC -O1"
test -z "$FULL" && compiler=$any_cc
check "builds" build kernels $compiler
passes kernels tape "$seconds" "$first"
# as_text COMPILER FLAG ...: $seeds kernels and their derivatives in one file
as_text()
{
    check "$seeds seeds from $first are printed" \
        sh -c "'$work/kernels' print $seeds $first >'$work/text.h'"
    check "$*: compiles" build text "$@" -DPRINTED="\"$work/text.h\""
    passes text bits "$seeds" "$first"
}
as_text $compiler
if test -n "$FULL"; then
    seeds=12
    as_text "$CC" -std=c99 -O2
    have clang && as_text clang -std=c99 -O1
fi

finish
