#!/bin/sh
# Ways to put the header into a program: two files, C and C++ mixed, private copies, included twice. All give
# the same numbers, and so do the knobs that change how recording functions are called.

. text/tap.sh

include="-O0 -I$(dirname "$header")"
same=$tests/text/same.c

cp "$same" "$work/same.cc"
printf '#define DIFFSIM_IMPLEMENTATION\n#include "diffsim.h"\n' >"$work/impl.c"
cp "$work/impl.c" "$work/impl.cc"

# build and run: OBJECT ... -> its line, or what went wrong
run() { $linker "$@" -o "$work/program" -lm 2>&1 && "$work/program"; }
# compile COMPILER FLAGS SOURCE OBJECT
compile() { $1 $include $2 -c "$3" -o "$work/$4.o" 2>&1; }

linker=$any_cc
compile "$any_cc" '' "$work/impl.c" impl
compile "$any_cc" -DSAME_DECLARES "$same" user
want=$(run "$work/user.o" "$work/impl.o")
diag "$want"
check "two files" test "${want%% *}" = values

compile "$any_cc" '-DDIFFSIM_STATIC -DSAME_NO_MAIN' "$same" second
compile "$any_cc" '-DDIFFSIM_STATIC -DSAME_TWICE' "$same" first
equal "a private copy in each of two files" "$(run "$work/first.o" "$work/second.o")" "$want"

{ printf '#include "diffsim.h"\n#include "diffsim.h"\n' && cat "$work/impl.c" "$work/impl.c" &&
    printf '#undef DIFFSIM_IMPLEMENTATION\n#include "diffsim.h"\n' && cat "$same"; } >"$work/late.c"
compile "$any_cc" -DSAME_DECLARES "$work/late.c" late
equal "included five times, the implementation late" "$(run "$work/late.o")" "$want"

# a file chooses for itself how it records, as long as somebody has the functions it calls
compile "$any_cc" -DDIFFSIM_NO_INLINE "$work/impl.c" impl_called
compile "$any_cc" '-DDIFFSIM_NO_INLINE -DSAME_DECLARES' "$same" user_called
equal "DIFFSIM_NO_INLINE" "$(run "$work/user_called.o" "$work/impl_called.o")" "$want"
compile "$any_cc" '-DDIFFSIM_DEBUG -DSAME_DECLARES' "$same" user_debug
equal "DIFFSIM_DEBUG in the user's file" "$(run "$work/user_debug.o" "$work/impl.o")" "$want"
equal "and DIFFSIM_NO_INLINE in the other" "$(run "$work/user_debug.o" "$work/impl_called.o")" "$want"

# float and double do not meet: either way around the linker misses the makers of tapes
compile "$any_cc" -DDIFFSIM_REAL=float "$work/impl.c" impl_float
compile "$any_cc" '-DDIFFSIM_REAL=float -DSAME_DECLARES' "$same" user_float
for pair in 'user impl_float' 'user_float impl'; do
    run "$work/${pair% *}.o" "$work/${pair#* }.o" >"$work/mixed"
    check "$pair: do not link, float and double" grep -q ds_tape_create "$work/mixed"
done
check "float and float do" $linker "$work/user_float.o" "$work/impl_float.o" -o "$work/program" -lm

# the pool is there for files that ask for it, if the implementation was asked, too
for language in c cc; do
    memory=NULL
    test $language = cc && memory='ds_allocator{}'
    cat >"$work/pool.$language" <<END
#include "diffsim.h"
int main(void)
{
    ds_pool *pool = ds_pool_create(2, $memory);
    const int good = pool && ds_pool_jobs(pool).n_workers == 2;
    ds_pool_destroy(pool);
    return !good;
}
END
done
compile "$any_cc" -DDIFFSIM_THREADS "$work/impl.c" impl_pool
compile "$any_cc" -DDIFFSIM_THREADS "$work/pool.c" user_pool
equal "DIFFSIM_THREADS in two files" "$(run "$work/user_pool.o" "$work/impl_pool.o" -pthread; echo $?)" 0
equal "and in that of the implementation only" "$(run "$work/user.o" "$work/impl_pool.o" -pthread)" "$want"
run "$work/user_pool.o" "$work/impl.o" -pthread >"$work/missing"
check "in that of the user only: does not link" grep -q ds_pool_create "$work/missing"

if have "$CXX" g++; then
    linker=$CXX
    equal "DIFFSIM_THREADS in C++, by reference" \
        "$(compile "$CXX" -DDIFFSIM_THREADS "$work/pool.cc" user_pool_cc)" ''
    cp "$(object double)" "$work/impl.o"
    compile "$CXX" -DSAME_DECLARES "$work/same.cc" user_cc
    equal "implementation in C, user in C++" "$(run "$work/user_cc.o" "$work/impl.o" -pthread)" "$want"
    if test -n "$FULL"; then
        compile "$CXX" '' "$work/impl.cc" impl_cc
        equal "implementation in C++, user in C" "$(run "$work/user.o" "$work/impl_cc.o")" "$want"
        equal "both in C++" "$(run "$work/user_cc.o" "$work/impl_cc.o")" "$want"
        compile "$CXX" -DDIFFSIM_THREADS "$work/impl.cc" impl_pool_cc
        equal "both in C++, DIFFSIM_THREADS" \
            "$(run "$work/user_pool_cc.o" "$work/impl_pool_cc.o" -pthread; echo $?)" 0
    fi
else
    skip "C and C++ mixed" "$type_this"
fi

if test -n "$FULL"; then
    linker=$CC
    compile "$CC" -DSAME_TWICE "$same" first
    equal "a private copy beside the public one" "$(run "$work/first.o" "$work/second.o")" "$want"
    for flags in '' -DDIFFSIM_NO_INLINE -DDIFFSIM_DEBUG '-DDIFFSIM_NO_INLINE -DDIFFSIM_DEBUG' \
        '-DDIFFSIM_STATIC -DDIFFSIM_DEBUG'; do
        compile "$CC" "$flags" "$same" knob
        equal "$flags, one file" "$(run "$work/knob.o")" "$want"
    done
fi

finish
