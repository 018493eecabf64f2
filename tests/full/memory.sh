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

# program NAME COMPILER FLAGS: a test program, whole
program()
{
    name=$1
    shift
    sh compile.sh "$work/$name" "$name.c" "$work/impl.o" "$@"
}

memory='clang -O1 -g -fsanitize=memory -fno-sanitize-recover=all'
if ! have clang "clang libclang-rt-dev"; then
    skip "memory sanitizer" "$type_this"
elif ! $memory "$work/unwritten.c" -o "$work/unwritten" 2>"$work/log"; then
    skip "memory sanitizer" "not here: apt-get install libclang-rt-dev"
else
    "$work/unwritten" >"$work/found" 2>&1
    check "memory sanitizer: finds what is not written" grep -q use-of-uninitialized-value "$work/found"
    $memory -DDIFFSIM_IMPLEMENTATION -x c -c "$header" -o "$work/impl.o"
    for name in test_tape test_base test_m3 test_misuse; do
        check "memory sanitizer: $name builds" program $name $memory
        check "memory sanitizer: $name" "$work/$name"
    done
    check "memory sanitizer: text/same.c builds" $memory "$include" text/same.c -o "$work/same" -lm
    check "memory sanitizer: text/same.c" "$work/same"
fi

watch='valgrind -q --leak-check=full --errors-for-leak-kinds=all --error-exitcode=99'
if ! have valgrind "valgrind libc6-dbg"; then
    skip "valgrind" "$type_this"
else
    $CC -O0 -g "$work/unwritten.c" -o "$work/unwritten"
    check "valgrind: finds what is not written" \
        sh -c "$watch '$work/unwritten' 2>&1 | grep -q 'uninitialised value'"
    $CC -O1 -g -DDIFFSIM_IMPLEMENTATION -x c -c "$header" -o "$work/impl.o"
    for name in test_tape test_misuse; do
        check "valgrind: $name builds" program $name $CC -O1 -g
        check "valgrind: $name" $watch "$work/$name"
    done
    $CC -O1 -g "$include" text/same.c -o "$work/same" -lm
    check "valgrind: text/same.c" $watch "$work/same"
    $CC -O1 -g "$include" full/two_threads.c -o "$work/threads" -lm -pthread
    check "valgrind: two threads" $watch "$work/threads"
    check "helgrind: two threads" valgrind -q --tool=helgrind --error-exitcode=99 "$work/threads"
    $CC -O1 -g -DSHARED_NUMBER "$include" full/two_threads.c -o "$work/shared" -lm -pthread
    check "helgrind: finds a number that two workers change" \
        sh -c "valgrind -q --tool=helgrind '$work/shared' 2>&1 | grep -q 'data race'"
fi

# some kernels move addresses more than older sanitizers stand
still=
command -v setarch >/dev/null 2>&1 && setarch -R true 2>/dev/null && still='setarch -R'
for compiler in gcc clang; do
    threads="$compiler -O1 -g -fsanitize=thread $include full/two_threads.c -pthread"
    if ! have $compiler || ! $threads -o "$work/threads" -lm 2>"$work/log"; then
        skip "thread sanitizer of $compiler" "not here: apt-get install $compiler libclang-rt-dev"
        continue
    fi
    check "thread sanitizer of $compiler: two tapes in two threads, and a pool" $still "$work/threads"
    check "thread sanitizer of $compiler: test_pool builds" \
        $compiler -O1 -g -fsanitize=thread -DDIFFSIM_STATIC test_pool.c -o "$work/pool" -pthread -lm
    check "thread sanitizer of $compiler: test_pool" $still "$work/pool"
    $threads -DSHARED_NUMBER -o "$work/shared" -lm
    $still "$work/shared" >"$work/found" 2>&1
    check "thread sanitizer of $compiler: finds a number that two workers change" \
        grep -q 'data race' "$work/found"
    $threads -DSHARED_TAPE -o "$work/shared" -lm
    (ulimit -t 60 && $still "$work/shared") >"$work/found" 2>&1 # what it does then is anybody's guess
    check "thread sanitizer of $compiler: finds a tape in two threads" grep -q 'data race' "$work/found"
done

finish
