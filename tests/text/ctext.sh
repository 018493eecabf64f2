#!/bin/sh
# Kernels printed as C: the text is the same whoever made it, compiles without a warning, is found by its
# content and gives the bits of the interpreter; text of another kernel or number type is ignored.

. text/tap.sh

warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Werror'
include="-I$(dirname "$header") -I."
native=
echo 'int main(void) { return 0; }' >"$work/native.c"
$CC -march=native "$work/native.c" -o "$work/native" 2>/dev/null && native=-march=native
cp text/ctext.c "$work/ctext.cc"

# build NAME SOURCE REAL COMPILER FLAG ...: $work/NAME from the program and an implementation; tcc, which
# cannot link gcc's, makes its own
build()
{
    build_name=$1
    build_source=$2
    build_real=$3
    shift 3
    rm -f "$work/$build_name"
    if test "$1" = tcc; then
        "$@" $include -DDIFFSIM_IMPLEMENTATION "$build_source" -o "$work/$build_name" -lm
    else
        "$@" $include -DDIFFSIM_REAL="$build_real" -DDSI_IMPLEMENTED "$build_source" \
            "$(object "$build_real")" -o "$work/$build_name" -lm -pthread
    fi
}

# printed TEXT REAL COMPILER PACKAGE FLAG ...: the program with this text; what it says goes to $work/said
printed()
{
    printed_text=$1
    printed_real=$2
    compiler=$3
    package=$4
    shift 4
    name="$compiler $* $printed_real"
    name=$(echo "$name" | sed "s/ $warnings//")
    if ! have "$compiler" "$package"; then
        skip "$name" "$type_this"
        return 1
    fi
    source=text/ctext.c
    case $compiler in *++) source=$work/ctext.cc ;; esac
    if build run "$source" "$printed_real" "$compiler" "$@" -DPRINTED="\"$printed_text\"" \
        >"$work/log" 2>&1; then
        "$work/run" >"$work/said" 2>&1
        status=$?
        return 0
    fi
    empty "$name: compiles" "$work/log"
    return 1
}

# same TEXT REAL COMPILER PACKAGE FLAG ...: runs as text, with the interpreter's bits and those of the others
same()
{
    printed "$@" || return
    equal "$name: all kernels run as text, with the interpreter's bits" \
        "$status $(sed '$d' "$work/said" | sort -u)" "0 the kernel ran as printed text"
    equal "$name: the bits of the others" "$(tail -1 "$work/said")" "$(cat "$work/hash_$2")"
}

# NVRTC of the toolkit that nvcc belongs to: its folder, or nothing
toolkit=
if command -v nvcc >/dev/null 2>&1; then
    toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
    test -e "$toolkit/include/nvrtc.h" || toolkit=
fi
library=
for folder in lib64 lib lib/x86_64-linux-gnu targets/x86_64-linux/lib; do
    test -n "$toolkit" && test -e "$toolkit/$folder/libnvrtc.so" && library=$toolkit/$folder
done

reals=double
test -n "$FULL" && reals='double float'
for real in $reals; do
    text=$work/text_$real.h
    build print text/ctext.c $real "$CC" -O0
    check "$real: kernels are printed" sh -c "'$work/print' print >'$text'"
    "$work/print" | tail -1 >"$work/hash_$real"
    awk 'length > 160' "$text" >"$work/wide"
    empty "$real: no line is wider than 160 columns" "$work/wide"
    if have tcc && test $real = double; then
        build print text/ctext.c $real tcc
        check "$real: tcc's library prints the same" sh -c "'$work/print' print | cmp - '$text'"
    fi
    if test -n "$FULL" && have clang; then
        clangs=build/impl.clang_O2_native.o
        test $real = float && clangs=build/impl.clang_O3_native_float.o
        clang -O1 $include -DDIFFSIM_REAL=$real -DDSI_IMPLEMENTED text/ctext.c $clangs -o "$work/print" -lm -pthread
        check "$real: clang's library prints the same" sh -c "'$work/print' print | cmp - '$text'"
    fi
    same "$text" $real "$CC" gcc -std=c99 -O${FULL:-0} $warnings
    test $real = double && same "$text" $real tcc tcc
    "$work/print" cuda >"$work/text_$real.cu"
    if have "$CXX" g++; then
        check "$real: as CUDA, on a shim" build run "$work/ctext.cc" $real "$CXX" -std=c++11 -O0 -I. \
            -DCUDA="\"$work/text_$real.cu\""
        check "$real: CUDA text and the interpreter agree to rounding" "$work/run"
    fi
    name="$real: NVRTC compiles it as a string, without a word"
    if test -z "$library"; then
        skip "$name" "no NVRTC: install the CUDA toolkit"
    elif check "$real: a program with NVRTC builds" "$CC" -I"$toolkit/include" text/nvrtc.c -L"$library" \
        -Wl,-rpath,"$library" -lnvrtc -o "$work/nvrtc"; then
        check "$name" "$work/nvrtc" "$work/text_$real.cu"
        diag "$(tail -1 "$work/check.out")"
    fi
    test -n "$FULL" || continue
    if have nvcc nvidia-cuda-toolkit; then
        check "$real: nvcc compiles it" nvcc -arch=sm_80 -c "$work/text_$real.cu" -o "$work/text_$real.cuo"
    else
        skip "$real: nvcc compiles it" "no nvcc: install the CUDA toolkit"
    fi
    same "$text" $real "$CC" gcc -std=c99 -O3 $native $warnings
    same "$text" $real clang clang -std=gnu99 -O2 $warnings
    same "$text" $real "$CXX" g++ -std=c++11 -O0 $warnings
    same "$text" $real clang++ clang -std=c++11 -Os $native $warnings
done

# text that does not belong is not used: of a kernel that has changed, another number type, another format
text=$work/text_double.h
ignored()
{
    sed "$2" "$text" >"$work/other.h"
    printed "$work/other.h" double "$object_cc" "$object_cc" -O0 || return
    equal "$1: the interpreter runs" "$status $(sed '$d' "$work/said" | sort -u)" \
        "0 interpreted: $3"
    equal "$1: with the same bits" "$(tail -1 "$work/said")" "$(cat "$work/hash_double")"
}
ignored 'another hash' 's/{ UINT64_C(0x/{ 1 + UINT64_C(0x/' \
    'the kernel has changed since it was printed; print it again'
ignored 'another number type' 's/), 8, \([0-9]*\), "/), 4, \1, "/' \
    'the printed kernel is for numbers of another size; print it again'
ignored 'another format' 's/), 8, [0-9]*, "/), 8, 1, "/' \
    'the printed kernel has the format of another version; print it again'
ignored 'another kernel' 's/{ UINT64_C(0x\(.*\)", /{ 1 + UINT64_C(0x\1 b", /' \
    'no printed kernel has this name or content'

finish
