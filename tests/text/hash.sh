#!/bin/sh
# One hash: values, gradients and Hessians of text/same.c, and those of kernels in text/same_kernels.c in
# blocks of any width and any number of parts, have the same bits with every compiler and level.
# The hashes below are those of every IEEE machine; they change only if the library changes what it computes.

. text/tap.sh

double='values 5e2587f6c7136fe9 gradients 7d32e285cbc57b1d'
double="$double hessians eab40445cddd62aa matrices 2e3d227a976f7319 f 1656.62275"
float='values 75f6a044c1fa6c55 gradients f2b610714c772f26'
float="$float hessians 9476e9fb355b2f16 matrices d279847f4129aa6d f 1656.5968"
double_kernels='kernels 49fc40687c62c02d adjoints 0b2a8eee044dfc57 Hessians 6cd6112f9b21f424'
float_kernels='kernels c3c7ebd1d5bd1697 adjoints 14c22a2baacdc070 Hessians cfbb3cffe41ac8e5'

include=-I$(dirname "$header")
for program in same same_kernels; do
    cp text/$program.c "$work/$program.c"
    cp text/$program.c "$work/$program.cc"
done
program=same

# machines beside this one, if they are there: a cross compiler and a way to run what it makes (the others,
# with Windows and wasm, and more levels are in full/portability.sh)
others='arm-linux-gnueabihf-gcc=qemu-arm-static riscv64-linux-gnu-gcc=qemu-riscv64-static
        powerpc64le-linux-gnu-gcc=qemu-ppc64le-static'

# one COMPILER PACKAGE FLAGS REAL WANT [RUNNER]: of $program
one()
{
    name="$1 $3 $4"
    test $program = same || name="kernels: $name"
    if ! have "$1" "$2"; then
        skip "$name" "$type_this"
        return
    fi
    source=$program.c
    case $1 in *++*) source=$program.cc ;; esac
    static=${6:+-static}
    # static: what the program does not call is not compiled
    if $1 $3 $static -DDIFFSIM_STATIC -DDIFFSIM_REAL="$4" "$include" "$work/$source" -o "$work/same" -lm \
        >"$work/log" 2>&1; then
        equal "$name" "$(${6:-} "$work/same" 2>&1 | tr -d '\r')" "$5"
    else
        empty "$name: compiles" "$work/log"
    fi
}

native=
echo 'int main(void) { return 0; }' >"$work/native.c"
$CC -march=native "$work/native.c" -o "$work/native" 2>/dev/null && native=-march=native

one "$CC" gcc "-O2 $native" double "$double"
one tcc tcc '' double "$double" # not float: tcc 0.9.27 loses float arguments beside structs of floats

if test -n "$FULL"; then
    one "$CC" gcc "-O2 $native" float "$float"
    one clang clang "-O2 $native" double "$double"
    one clang clang "-O2 $native" float "$float"
    one "$CC" gcc "-O2 -flto $native" double "$double"
    one "$CC" gcc "-O3 -funroll-loops $native" float "$float"
    one clang++ clang "-O3 $native" double "$double"
    for real in double float; do
        want=$(eval "printf %s \"\$$real\"")
        one "$CC" gcc -Os $real "$want"
        test $real = double || one clang clang -O1 float "$float"
        for pair in $others; do
            have "${pair%=*}" && have "${pair#*=}" && one "${pair%=*}" '' -O2 $real "$want" "${pair#*=}"
        done
    done
fi

program=same_kernels
# in quick by the library that the other tests use
if test -n "$FULL"; then
    one "$CC" gcc "-O2 $native" double "$double_kernels"
elif check "kernels: builds" "$CC" -O1 -DSAME_DECLARES "$include" "$work/same_kernels.c" "$(object double)" \
    -o "$work/same" -lm -pthread; then
    equal "kernels: $CC" "$("$work/same" 2>&1)" "$double_kernels"
fi
one tcc tcc '' double "$double_kernels"
if test -n "$FULL"; then
    for flags in -O0 "-O3 $native"; do one "$CC" gcc "$flags" double "$double_kernels"; done
    one "$CXX" g++ -O1 double "$double_kernels"
    one clang clang "-O2 $native" double "$double_kernels"
    one "$CC" gcc "-O2 $native" float "$float_kernels"
    one clang clang -O1 float "$float_kernels"
    for real in double float; do
        want=$(eval "printf %s \"\$${real}_kernels\"")
        for pair in $others; do
            have "${pair%=*}" && have "${pair#*=}" && one "${pair%=*}" '' -O2 $real "$want" "${pair#*=}"
        done
    done
fi

finish
