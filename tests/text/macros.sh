#!/bin/sh
# Macros: the header leaves only its own defined, and stands a user's.

. text/tap.sh

# names FLAGS FILE: the macros defined at its end
names() { $CC -E -dM "$@" | awk '$1 == "#define" { sub(/\(.*/, "", $2); print $2 }' | sort -u; }

printf '#include <%s>\n' math.h stddef.h stdint.h float.h stdlib.h string.h >"$work/libc.c"
printf '#include "%s"\n' "$header" >"$work/header.c"
for flags in -DDIFFSIM_IMPLEMENTATION -DDIFFSIM_STATIC -DDIFFSIM_THREADS -DDIFFSIM_NO_INLINE \
    -DDIFFSIM_REAL=float '-DDIFFSIM_DEBUG -DDIFFSIM_IMPLEMENTATION'; do
    names "$work/libc.c" >"$work/before"
    names $flags "$work/header.c" >"$work/after"
    comm -13 "$work/before" "$work/after" >"$work/left"
    check "$flags: macros are left" grep -q -x DIFFSIM_H "$work/left"
    case $flags in
    *DEBUG*) own='^(DSI_|DSIM_|DIFFSIM_|ds_[a-z])' ;; # recording calls become macros that know their line
    *float*) own='^(DSI_|DSIM_|DIFFSIM_|ds_[a-z0-9_]*$)' ;; # names of a float build's own: see text/link.sh
    *) own='^(DSI_|DSIM_|DIFFSIM_)' ;;
    esac
    grep -v -E "$own" "$work/left" >"$work/found"
    empty "$flags: macros begin with DSI_, DSIM_ or DIFFSIM_" "$work/found"
    grep -E '^DSI_(ROW|EACH_[0-9])$' "$work/left" >"$work/found"
    empty "$flags: row macros are undefined again" "$work/found"
done

# C++ operators leave their guard
if have "$CXX" g++; then
    for flags in -DDIFFSIM_DEBUG '-DDIFFSIM_DEBUG -DDIFFSIM_OPERATORS'; do
        $CXX -E -dM $flags -x c++ "$work/header.c" | awk '{ sub(/\(.*/, "", $2); print $2 }' | sort -u >"$work/left"
        test -f "$work/plain" || mv "$work/left" "$work/plain"
    done
    equal "C++ operators leave their guard, no other macro" \
        "$(comm -3 "$work/plain" "$work/left" | tr -d '\t')" "DIFFSIM_OPERATORS
DSI_OPERATORS_PART"
else
    skip "macros of the C++ operators" "$type_this"
fi

# a user with short names: one letter each, and what other libraries define
{
    printf '#include <%s>\n' math.h stddef.h stdint.h stdio.h
    for name in A B C D E F G H I J K L M N O P Q R S T U V W X Y Z \
        ADD SUB MUL DIV NEG LOG EXP SIN COS SIGN OK ERROR TRUE FALSE DS_OK INPUT CONST VOID near far small \
        interface IN OUT DOUBLE FLOAT REAL NODE TAPE VAR EPSILON PI BLOCK INLINE UNUSED RESTRICT LIKELY; do
        echo "#undef $name"
        echo "#define $name (11 @ $name)"
    done
    for name in 'MIN(a,b)' 'MAX(a,b)' 'min(a,b)' 'max(a,b)' 'ABS(x)' 'SQUARE(x)' 'SQRT(x)' 'CLAMP(x,a,b)' \
        'ROW(x)' 'EACH(x)' 'assert(x)' 'swap(a,b)' 'lerp(a,b,t)'; do
        echo "#define $name (12 @ hostile)"
    done
    printf '#include "%s"\n' "$header"
    cat <<'END'
static ds_var f(ds_tape *t)
{
    ds_var a = ds_input(t, 2);
    ds_var3 b = ds_pack3(a, a, a);
    return ds_add(ds_select(ds_lt(a, ds_c(3)), ds_sin(a), a), ds_dot3(b, ds_axpy3(a, b, b)));
}
int main(void)
{
    ds_tape *t = ds_tape_create(NULL);
    int wrong = ds_backward(f(t)) != DSIM_OK;
    ds_tape_destroy(t);
    return wrong;
}
END
} >"$work/hostile.c"
cp "$work/hostile.c" "$work/hostile.cc"
compilers="$CC tcc $CXX"
knobs='-DDIFFSIM_REAL=float -DDIFFSIM_DEBUG -DDIFFSIM_OPERATORS'
if test -n "$FULL"; then
    compilers="$compilers clang clang++"
    knobs="$knobs -DDIFFSIM_REAL=double -DDIFFSIM_NO_INLINE"
fi
for compiler in $compilers; do
    package=${compiler%++}
    test "$compiler" = "$CXX" && package=g++
    if ! have "$compiler" "$package"; then
        skip "hostile macros, $compiler" "$type_this"
        continue
    fi
    source=hostile.c
    case $compiler in *++*) source=hostile.cc ;; esac
    for flags in $knobs; do
        check "hostile macros, $compiler $flags" $compiler $flags -c "$work/$source" -o "$work/hostile.o"
    done
done

# what windows.h defines, before the implementation
windows='-Dnear= -Dfar= -Dsmall=char -Dinterface=struct -Dhyper=__int64 -DIN= -DOUT= -DOPTIONAL= -DERROR=0'
check "the implementation after the macros of windows.h" \
    $CC $windows -DDIFFSIM_IMPLEMENTATION -fsyntax-only -x c "$header"

finish
