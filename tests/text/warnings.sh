#!/bin/sh
# No warnings: every compiler, C99 to C2x and C++11 to C++20, double and float, declarations, implementation.
# The quick form takes the oldest standard of each compiler and does not optimise; the full form does that in
# every standard (for the implementation full/portability.sh does), and optimises, which some warnings need, in
# the oldest. Both look at what the compilers said of the implementations in build/.

. text/tap.sh

common='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Werror'
c_only="$common -Wstrict-prototypes -Wmissing-prototypes"
include=-I$(dirname "$header")

echo 'typedef int not_empty;' >"$work/rest"
for language in c cc; do
    { echo '#include "diffsim.h"' && cat "$work/rest"; } >"$work/declarations.$language"
    printf '#define DIFFSIM_IMPLEMENTATION\n#include "diffsim.h"\n' >"$work/implementation.$language"
    cp text/same.c "$work/program.$language"
done

# one COMPILER FLAGS FILE DEFINES
one() { check "$1 ${2%% -W*} $3 ${4#-D}" $1 $2 $include $4 -c "$work/$3" -o "$work/object.o"; }

# what a compiler is asked in the language c or cc, with these flags
ask()
{
    test -n "$FULL" || one "$1" "$2" implementation.$3 '-DDIFFSIM_REAL=float -DDIFFSIM_THREADS'
    one "$1" "$2" program.$3 -DDIFFSIM_DEBUG
    test -z "$FULL" && test "$3" = cc && return
    test -n "$FULL" || one "$1" "$2" implementation.$3 -DDIFFSIM_REAL=double
    for real in double float; do one "$1" "$2" declarations.$3 -DDIFFSIM_REAL=$real; done
    test "$3" = c || one "$1" "$2" declarations.$3 '-DDIFFSIM_REAL=float -DDIFFSIM_OPERATORS'
    test -n "$FULL" || return
    for knob in STATIC NO_INLINE; do one "$1" "$2" program.$3 -DDIFFSIM_$knob; done
}

for compiler in gcc clang tcc g++ clang++; do
    package=${compiler%++}
    test $compiler = g++ && package=g++
    if ! have $compiler $package; then
        skip "warnings of $compiler" "$type_this"
        continue
    fi
    case $compiler in
    tcc) ask tcc '-std=c99 -Wall -Werror' c ;;
    *++)
        if test -z "$FULL"; then
            ask $compiler "-std=c++11 $common -fsyntax-only" cc
        else
            for standard in c++11 c++14 c++17 c++20; do
                ask $compiler "-std=$standard $common -fsyntax-only" cc
            done
            one $compiler "-std=c++11 -O2 $common" implementation.cc -DDIFFSIM_THREADS
            one $compiler "-std=c++11 -O2 $common" program.cc -DDIFFSIM_STATIC
        fi
        ;;
    *)
        if test -z "$FULL"; then
            ask $compiler "-std=c99 $c_only -fsyntax-only" c
        else
            for standard in c99 c11 c17 c2x; do
                ask $compiler "-std=$standard $c_only -fsyntax-only" c
            done
            one $compiler "-std=c99 -O2 $c_only" program.c -DDIFFSIM_STATIC
        fi
        ;;
    esac
done

# what is in build/, in every build that has a log here
if test "$header" -ef ../diffsim.h; then
    for log in build/impl.*.log; do
        test -f "$log" || continue
        empty "the implementation in build/: $(basename "$log" .log)" "$log"
    done
fi

# the test programs themselves
test -n "$FULL" || finish
for file in test_*.c tap.h; do
    test -f "$file" || continue
    check "$file: no warnings" $CC -std=c99 $c_only -fsyntax-only -x c "$file"
done
for file in test_*.cc; do
    test -f "$file" && have "$CXX" g++ || continue
    check "$file: no warnings" $CXX -std=c++11 $common -DDSI_IMPLEMENTED -fsyntax-only "$file"
done

finish
