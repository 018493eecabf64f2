#!/bin/sh
# Everywhere: the header compiles without a warning in every configuration of the first part (optimised it does in
# text/warnings.sh); text/same.c has the hash (values, gradients, Hessians, matrices) that text/hash.sh knows, and
# text/same_kernels.c another, over all compilers, levels, languages and machines of the second; what a build
# cannot promise, ds_build_info() says in the third.

. text/tap.sh

include=-I$(dirname "$header")
common='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Werror'
c_only="$common -Wstrict-prototypes -Wmissing-prototypes"
printf '#define DIFFSIM_IMPLEMENTATION\n#include "diffsim.h"\n' >"$work/all.c"
for name in all.cc all.cu; do { echo '#define DIFFSIM_OPERATORS' && cat "$work/all.c"; } >"$work/$name"; done
for name in c cc; do { echo '#define DIFFSIM_THREADS' && cat "$work/all.$name"; } >"$work/threads.$name"; done
for name in c cc cu; do
    cp text/same.c "$work/same.$name"
    cp text/same_kernels.c "$work/same_kernels.$name"
done
cp full/refused.c "$work/refused.c"

# what this machine has
native=
echo 'int main(void) { return 0; }' >"$work/trial.c"
$CC -march=native "$work/trial.c" -o "$work/trial" 2>/dev/null && native=-march=native
static='-O2 -static -std=gnu99'
i686="$static -msse2 -mfpmath=sse"
wasm='--target=wasm32-wasi -O2 -std=c99 -Wl,-z,stack-size=1048576' # 64 KiB as a rule
nvcc='-O2 -Xcompiler -Wall,-Wextra -Werror all-warnings'
WINEPREFIX=$work/wine WINEDEBUG=-all
export WINEPREFIX WINEDEBUG

# package COMPILER: what to install for it
package()
{
    case $1 in
    g++) echo g++ ;;
    clang-cl*) echo clang-tools-14 ;;
    clang*) echo clang ;;
    i686*) echo gcc-i686-linux-gnu libc6-dev-i386-cross ;;
    aarch64*) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
    s390x*) echo gcc-s390x-linux-gnu libc6-dev-s390x-cross ;;
    x86_64-w64-mingw32-gcc) echo gcc-mingw-w64-x86-64 ;;
    nvcc) echo nvidia-cuda-toolkit ;;
    node) echo nodejs ;;
    qemu*) echo qemu-user-static ;;
    wasm-ld) echo lld wasi-libc libclang-rt-14-dev-wasm32 ;;
    *) echo "$1" ;;
    esac
}
# there NAME COMMAND: true if it is; else skips NAME with what to type
there()
{
    have "$2" "$(package "$2")" && return
    skip "$1" "$type_this"
    return 1
}

# quiet FILE COMPILER FLAGS: a compilation that says nothing, in double and in float
quiet()
{
    file=$1
    shift
    for real in double float; do
        name="no warning: $(echo "$* $real" | sed "s| -W[-a-z]*||g; s|-imsvc [^ ]*|-imsvc msvc|")"
        there "$name" "$1" || continue
        "$@" -DDIFFSIM_REAL=$real "$include" -c "${work#"$PWD"/}/$file" -o "$work/quiet.o" >"$work/log" 2>&1 ||
            echo "exit status $?" >>"$work/log"
        empty "$name" "$work/log"
    done
}

for standard in c99 c11 c17 c2x; do
    for compiler in gcc clang; do quiet threads.c $compiler -std=$standard $c_only -fsyntax-only; done
done
for standard in c++11 c++14 c++17 c++20; do
    for compiler in g++ clang++; do quiet threads.cc $compiler -std=$standard $common -fsyntax-only; done
done
quiet all.c tcc -std=c99 -Wall -Werror
quiet all.c clang -std=c99 -m32 -msse2 $c_only -fsyntax-only
quiet all.c i686-linux-gnu-gcc -std=c99 -msse2 -mfpmath=sse $c_only -fsyntax-only
quiet all.c i686-linux-gnu-gcc -std=c99 -mfpmath=387 $c_only -fsyntax-only
quiet all.c aarch64-linux-gnu-gcc -std=c99 $c_only -fsyntax-only
quiet all.c s390x-linux-gnu-gcc -std=c99 $c_only -fsyntax-only
quiet all.c x86_64-w64-mingw32-gcc -std=c99 $c_only -include windows.h -include dsound.h -fsyntax-only
clang_cl=clang-cl
have clang-cl || clang_cl=$(ls /usr/bin/clang-cl-* 2>/dev/null | sed -n '1s|.*/||p')
for version in 1900 1938; do
    microsoft="-W4 -WX -Wno-unused-command-line-argument -fmsc-version=$version -Xclang -ffreestanding"
    quiet all.c ${clang_cl:-clang-cl} -TC $microsoft -imsvc full/msvc -fsyntax-only
    quiet all.cc ${clang_cl:-clang-cl} -TP $microsoft -imsvc full/msvc -fsyntax-only
done
quiet all.cu nvcc -x cu $nvcc
quiet threads.c tcc -std=c99 -Wall -Werror
quiet threads.c aarch64-linux-gnu-gcc -std=c99 $c_only -fsyntax-only
quiet threads.c s390x-linux-gnu-gcc -std=c99 $c_only -fsyntax-only
quiet threads.c x86_64-w64-mingw32-gcc -std=c99 $c_only -fsyntax-only
quiet threads.c ${clang_cl:-clang-cl} -TC $microsoft -imsvc full/msvc -fsyntax-only
quiet threads.cc ${clang_cl:-clang-cl} -TP $microsoft -imsvc full/msvc -fsyntax-only

# the pool on the threads of Windows, and kernels on it
if there "test_pool on Windows" x86_64-w64-mingw32-gcc && there "test_pool on Windows" wine; then
    check "test_pool on Windows: builds" x86_64-w64-mingw32-gcc -O1 -DDIFFSIM_STATIC test_pool.c -o "$work/pool.exe" -lm
    check "test_pool on Windows" wine "$work/pool.exe"
fi

# same FILE RUNNER COMPILER FLAGS: its hash in $real is the one wanted. Static: what is not called is
# not compiled, which halves the time.
same()
{
    file=$1
    runner=$2
    shift 2
    name="same bits: $(echo "${file#same.*} $* $real" | sed 's| -W[-a-z]*||g; s|^ ||')"
    there "$name" "$1" || return
    test -z "$runner" || there "$name" "${runner%% *}" || return
    rm -f "$work/same.out"
    if "$@" -DDIFFSIM_STATIC -DDIFFSIM_REAL=$real "$include" "$work/$file" -o "$work/same.out" -lm \
        >"$work/log" 2>&1; then
        got=$($runner "$work/same.out" 2>"$work/noise" | tr -d '\r')
        equal "$name" "$got" "$want"
    else
        empty "$name: compiles" "$work/log"
    fi
}

# the four hashes
eval "$(sed -n '/^double=/,/^float_kernels=/p' text/hash.sh)"
for real in double float; do
    want=$(eval "printf %s \"\$$real\"")
    check "$real: there is a hash" test "${want#values * gradients }" != "$want"
    same same.c '' $CC -O0
    same same.c '' gcc -O1
    same same.c '' gcc -O2
    same same.c '' gcc -O3 $native
    same same.c '' clang -O0
    same same.c '' clang -O3 $native
    same same.cc '' g++ -O2 -std=c++11 $native
    same same.cc '' clang++ -O2 -std=c++11 $native
    if test $real = double; then
        same same.c '' tcc
        same same.c '' clang -O1
        same same.c '' clang -O2
        same same.cu '' nvcc -x cu $nvcc
    else
        skip "same bits: tcc float" "tcc 0.9.27 loses float arguments beside structs of floats"
    fi
    same same.c '' i686-linux-gnu-gcc $i686
    same same.c qemu-aarch64-static aarch64-linux-gnu-gcc $static
    same same.c qemu-s390x-static s390x-linux-gnu-gcc $static
    same same.c wine x86_64-w64-mingw32-gcc -O2
    there "same bits: wasm $real" wasm-ld && same same.c 'node --no-warnings full/wasi.js' clang $wasm

    # kernels, in blocks of any width and in any number of parts
    want=$(eval "printf %s \"\$${real}_kernels\"")
    check "$real: there is a hash of kernels" test "${want#kernels * adjoints }" != "$want"
    same same_kernels.c '' $CC -O1
    same same_kernels.c '' clang -O3 $native
    same same_kernels.cc '' g++ -O2 -std=c++11 $native
    test $real = double && same same_kernels.c '' tcc
    same same_kernels.c '' i686-linux-gnu-gcc $i686
    same same_kernels.c qemu-aarch64-static aarch64-linux-gnu-gcc $static
    same same_kernels.c qemu-s390x-static s390x-linux-gnu-gcc $static
    same same_kernels.c wine x86_64-w64-mingw32-gcc -O2
    there "same bits: kernels, wasm $real" wasm-ld &&
        same same_kernels.c 'node --no-warnings full/wasi.js' clang $wasm
done
command -v wineserver >/dev/null 2>&1 && wineserver -k 2>/dev/null

# refused WORD RUNNER COMPILER FLAGS: compiles, and knows that its bits are others
refused()
{
    word=$1
    runner=$2
    shift 2
    there "refused: $*" "$1" || return
    test -z "$runner" || there "refused: $*" "$runner" || return
    check "refused: $*: compiles" "$@" "$include" "$work/refused.c" -o "$work/refused" -lm
    check "refused: $*: knows '$word'" $runner "$work/refused" "$word"
}
check "a strict build: compiles" $CC -O2 "$include" "$work/refused.c" -o "$work/refused" -lm
"$work/refused" '' >"$work/strict"
check "a strict build: has the same bits" grep -q '^same_bits 1' "$work/strict"
for level in -O0 -O2; do
    for real in double float; do
        refused 'extra precision' '' i686-linux-gnu-gcc $level -static -mfpmath=387 -DDIFFSIM_REAL=$real
        refused 'fast-math' '' gcc $level -ffast-math -DDIFFSIM_REAL=$real
        refused 'fast-math' '' clang $level -ffast-math -DDIFFSIM_REAL=$real
    done
    refused 'fast-math' '' gcc $level -fassociative-math -fno-signed-zeros -fno-trapping-math
    refused 'rounding mode' '' gcc $level -frounding-math -DREFUSED_ROUNDING
done
refused 'extra precision' '' i686-linux-gnu-gcc -O2 -static -std=c99 -mfpmath=387
refused 'extra precision' qemu-s390x-static s390x-linux-gnu-gcc -O2 -static -std=c99 -DDIFFSIM_REAL=float
# strict objects, and a linker that was told -ffast-math: the start-up code flushes
gcc -O2 -c "$include" "$work/refused.c" -o "$work/strict.o" 2>"$work/log"
check "refused: linked with -ffast-math: links" gcc -ffast-math "$work/strict.o" -o "$work/refused" -lm
check "refused: linked with -ffast-math: knows 'denormals'" "$work/refused" denormals

finish
