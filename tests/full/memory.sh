#!/bin/sh
# Nothing is read before it is written (clang's memory sanitizer, valgrind), nothing leaks (valgrind), tapes
# of two threads have nothing in common, and the pool and kernels on it hand over what they share (thread
# sanitizers of gcc and clang, helgrind). Each tool has to find a planted fault, too.

. text/tap.sh

include=-I$(dirname "$header")
cat >"$work/unwritten.c" <<'END'
#include <stdlib.h>
int main(int argc, char **argv)
{
    int *x = malloc(8 * sizeof *x), r;
    x[argc] = 1;
    r = x[argc + 1] ? argv[0][0] == 'x' : 0;
    free(x);
    return r;
}
END

# implementation COMPILER FLAGS: what the programs of a tool link
implementation()
{
    "$@" -DDIFFSIM_THREADS -DDIFFSIM_IMPLEMENTATION -x c -c "$header" -o "$work/impl.o"
}
# program NAME COMPILER FLAGS: a test program with it
program()
{
    name=$1
    shift
    sh compile.sh "$work/$name" "$name.c" "$work/impl.o" "$@"
}
# other SOURCE OUTPUT COMPILER FLAGS: another program with it
other()
{
    source=$1
    output=$2
    shift 2
    "$@" "$include" -DDSI_IMPLEMENTED "$source" "$work/impl.o" -o "$work/$output" -lm -pthread
}

memory='clang -O1 -g -fsanitize=memory -fno-sanitize-recover=all'
if ! have clang "clang libclang-rt-dev"; then
    skip "memory sanitizer" "$type_this"
elif ! $memory "$work/unwritten.c" -o "$work/unwritten" 2>"$work/log"; then
    skip "memory sanitizer" "not here: apt-get install libclang-rt-dev"
else
    "$work/unwritten" >"$work/found" 2>&1
    check "memory sanitizer: finds what is not written" grep -q use-of-uninitialized-value "$work/found"
    implementation $memory
    for name in test_tape test_base test_m3 test_misuse; do
        check "memory sanitizer: $name builds" program $name $memory
        check "memory sanitizer: $name" "$work/$name"
    done
    check "memory sanitizer: text/same.c builds" other text/same.c same $memory
    check "memory sanitizer: text/same.c" "$work/same"
fi

watch='valgrind -q --leak-check=full --errors-for-leak-kinds=all --error-exitcode=99'
if ! have valgrind "valgrind libc6-dbg"; then
    skip "valgrind" "$type_this"
else
    $CC -O0 -g "$work/unwritten.c" -o "$work/unwritten"
    check "valgrind: finds what is not written" \
        sh -c "$watch '$work/unwritten' 2>&1 | grep -q 'uninitialised value'"
    implementation $CC -O1 -g
    for name in test_tape test_misuse; do
        check "valgrind: $name builds" program $name $CC -O1 -g
        check "valgrind: $name" $watch "$work/$name"
    done
    other text/same.c same $CC -O1 -g
    check "valgrind: text/same.c" $watch "$work/same"
    other full/two_threads.c threads $CC -O1 -g
    check "valgrind: two threads" $watch "$work/threads"
    check "helgrind: two threads" valgrind -q --tool=helgrind --error-exitcode=99 "$work/threads"
    other full/two_threads.c shared $CC -O1 -g -DSHARED_NUMBER
    check "helgrind: finds a number that two workers change" \
        sh -c "valgrind -q --tool=helgrind '$work/shared' 2>&1 | grep -q 'data race'"
fi

# some kernels move addresses more than older sanitizers stand
still=
command -v setarch >/dev/null 2>&1 && setarch -R true 2>/dev/null && still='setarch -R'
for compiler in gcc clang; do
    threads="$compiler -O1 -g -fsanitize=thread"
    if ! have $compiler || ! implementation $threads 2>"$work/log" ||
        ! other full/two_threads.c threads $threads 2>"$work/log"; then
        skip "thread sanitizer of $compiler" "not here: apt-get install $compiler libclang-rt-dev"
        continue
    fi
    check "thread sanitizer of $compiler: two tapes in two threads, and a pool" $still "$work/threads"
    check "thread sanitizer of $compiler: test_pool builds" program test_pool $threads
    check "thread sanitizer of $compiler: test_pool" $still "$work/test_pool"
    other full/two_threads.c shared $threads -DSHARED_NUMBER
    $still "$work/shared" >"$work/found" 2>&1
    check "thread sanitizer of $compiler: finds a number that two workers change" \
        grep -q 'data race' "$work/found"
    other full/two_threads.c shared $threads -DSHARED_TAPE
    (ulimit -t 60 && $still "$work/shared") >"$work/found" 2>&1 # what it does then is anybody's guess
    check "thread sanitizer of $compiler: finds a tape in two threads" grep -q 'data race' "$work/found"
done

finish
