#!/bin/sh
# What the object of the implementation shows to a linker: ds_ and dsi_ names, no writable data, nothing from
# outside but memory and mathematics, with DIFFSIM_THREADS also POSIX threads. Under DIFFSIM_STATIC it shows
# no name at all. (The quick form looks at the objects of two builds and makes
# two with any compiler; the full form looks at those of all builds, BUILDS, that have no sanitizers.)

. text/tap.sh

if ! have nm binutils; then
    skip "symbols" "$type_this"
    finish
fi

# <string.h>, realloc and free, of <math.h> what is exact in double and float, and what compilers call on their
# own (bcmp is memcmp whose sign nobody asks for; __cpu_model is libgcc's, behind __builtin_cpu_supports). exp
# and its kin are the library's own.
memory='mem(cpy|move|set|cmp|chr)|bcmp|strlen|strcmp|strncmp|realloc|free|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail'
memory="$memory|__cpu_model|__cpu_indicator_init"
maths='fabs|floor|ceil|sqrt|fmod|ldexp|frexp'
allowed="^($memory|($maths)f?)\$"
threads='pthread_(create|join|mutex_(init|destroy|lock|unlock)|cond_(init|destroy|wait|broadcast))|sysconf'

# examine NAME OBJECT
examine()
{
    nm -g "$2" | awk 'NF == 3 { print $2, $3 }' >"$work/global"
    case $1 in
    *STATIC*)
        empty "$1: no global name" "$work/global"
        ;;
    *)
        check "$1: global names are there" grep -q ds_tape_create "$work/global"
        grep -v -E '^[A-Z] dsi?_' "$work/global" >"$work/found"
        empty "$1: global names begin with ds_ or dsi_" "$work/found"
        ;;
    esac
    # .data.rel.ro holds constants with addresses
    nm -f sysv "$2" | awk -F'|' '$3 ~ /[BbCcDdSsGgVvWwu]/ && $7 !~ /^\.data\.rel\.ro/' >"$work/found"
    empty "$1: no writable data, nothing weak" "$work/found"
    nm -u "$2" | awk '{ print $2 }' | grep -v -E "$allowed" >"$work/found"
    case $1 in
    *THREADS*)
        check "$1: the pool is there" grep -q ds_pool_create "$work/global"
        grep -v -x -E "$threads" "$work/found" >"$work/more"
        empty "$1: needs memory, mathematics and threads only" "$work/more"
        ;;
    *)
        grep ds_pool "$work/global" >>"$work/found"
        empty "$1: needs memory and mathematics only, and has no pool" "$work/found"
        ;;
    esac
}

# compile COMPILER FLAGS
compile()
{
    if ! have "$1"; then
        skip "symbols of $1" "$type_this"
        return
    fi
    check "$1 $2: compiles" $1 $2 -DDIFFSIM_IMPLEMENTATION -x c -c "$header" -o "$work/impl.o"
    examine "$1 $2" "$work/impl.o"
}

examine 'double DIFFSIM_THREADS' "$(object double)"
examine 'float DIFFSIM_THREADS' "$(object float)"
if test -z "$FULL"; then
    compile $object_cc -O0
    compile $object_cc '-O0 -DDIFFSIM_STATIC'
else
    for build in $BUILDS; do
        if test -f "build/impl.$build.o"; then
            examine "$build DIFFSIM_THREADS" "build/impl.$build.o"
        else
            skip "symbols of $build" "no compiler for this build"
        fi
    done
    for flags in -O0 -O2; do
        for compiler in $CC clang; do
            compile $compiler "$flags"
            compile $compiler "$flags -DDIFFSIM_STATIC"
        done
    done
    for flags in -DDIFFSIM_THREADS -DDIFFSIM_NO_INLINE -DDIFFSIM_DEBUG; do compile clang "-O0 $flags"; done
fi

finish
