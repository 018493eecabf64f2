#!/bin/sh
# Programs in texts do what the texts say: the two in the head of the header, and every one in the README.
# They are taken out, built with the command the README gives, run, and what they print is compared with what
# stands there.
# All C programs but the first link the implementation in build/, made with the same command. (The quick form
# builds with -O0 for -O2, the first with any compiler, and C++ links what is in build/, too.)

. text/tap.sh

mkdir -p "$work/run"
cp "$header" "$work/run/"
readme=$tests/../README.md

# the command of the README, for program.c and program.cc
command_of() { grep -o -E "$1 -[^\`]*-lm" "$readme" 2>/dev/null | head -1; }
generic() { sed -E "s/[A-Za-z0-9_]+\.(c|cc|cpp)( |\$)/program.$1\2/; s/ -o +[^ ]+//; s/\$/ -o program/"; }
build_c=$(command_of cc | generic c)
build_cc=$(command_of 'c\+\+' | generic cc)
build_c=${build_c:-cc -O2 program.c -o program -lm}
build_cc=${build_cc:-c++ -O2 program.cc -o program -lm}
if test -z "$FULL"; then
    build_c=$(echo "$build_c" | sed 's/-O2/-O0/')
    build_cc=$(echo "$build_cc" | sed 's/-O2/-O0/')
fi

# try NAME SOURCE SUFFIX WANTED-FILE
try()
{
    rm -f "$work/run/program"
    cp "$2" "$work/run/program.$3"
    build=$build_c
    test "$3" = cc && build=$build_cc
    case $build in
    'cc '*) build="${first_cc:-$CC} ${build#cc }" ;;
    'c++ '*) build="$CXX ${build#c++ }" ;;
    esac
    check "$1: $build" sh -c "cd '$work/run' && $build"
    test -x "$work/run/program" || return
    (cd "$work/run" && ./program) >"$work/got" 2>&1
    equal "$1: exit status" $? 0
    equal "$1: output" "$(sed 's/ *$//' "$work/got")" "$(sed 's/ *$//' "$4")"
}

# the lines of a section of the head; the code in it stands 7 columns in
section()
{
    awk -v title="   $1" '$0 == title { on = 1; next } on && /^   [A-Z ]*$/ && !/^ *$/ { exit } on' "$header"
}
code() { sed -n 's/^       //p; s/^ *$//p'; }

section 'THE FIRST GRADIENT' | awk '/^   prints/ { exit } 1' | code >"$work/first.c"
section 'THE FIRST GRADIENT' | awk 'on; /^   prints/ { on = 1 }' | code | grep . >"$work/printed"
check "the head has a first program" grep -q 'int main' "$work/first.c"
check "and says what it prints" test -s "$work/printed"
first_cc=$any_cc
try "the first gradient" "$work/first.c" c "$work/printed"
first_cc=
if test -z "$FULL"; then
    build_c="$build_c -DDSI_IMPLEMENTED $(object double) -lm -pthread"
    build_cc="$build_cc -DDSI_IMPLEMENTED $(object double) -lm -pthread"
elif test -f build/impl.O2.o; then
    build_c="$build_c -DDSI_IMPLEMENTED $tests/build/impl.O2.o -lm -pthread"
fi

section 'THE WHOLE TAPE IN 60 LINES' | awk '/^       /  { on = 1 } on' | code >"$work/micro.c"
check "the head has a whole tape" grep -q 'int main' "$work/micro.c"
check "it has $(grep -c . "$work/micro.c") lines, at most 60" test "$(grep -c . "$work/micro.c")" -le 60
try "the whole tape in 60 lines" "$work/micro.c" c "$work/printed"

# README.md: ```c blocks with a main, each followed by the ``` block it prints
if test -f "$readme"; then
    awk -v at="$work/block" '
        /^```/ && !inside { inside = 1; kind = substr($0, 4); text = ""; next }
        /^```/ {
            inside = 0
            if (kind ~ /^(c|cpp|c\+\+)$/) {
                wanted = text ~ /int main/
                if (!wanted) next
                n++
                file = at n (kind == "c" ? ".c" : ".cc")
                printf "%s", text >file
                close(file)
                print n, kind == "c" ? "c" : "cc"
            } else if (wanted && kind ~ /^(text)?$/) {
                file = at n ".out"
                printf "%s", text >file
                close(file)
                wanted = 0
            }
            next
        }
        inside { text = text $0 "\n" }' "$readme" >"$work/blocks"
    check "the README has programs" test -s "$work/blocks"
    while read -r n suffix; do
        if test $suffix = cc && ! have "$CXX" g++; then
            skip "README program $n" "$type_this"
        elif test -f "$work/block$n.out"; then
            if test -z "$FULL" && cmp -s "$work/block$n.c" "$work/first.c"; then
                equal "README program $n, the head's" "$(cat "$work/block$n.out")" "$(cat "$work/printed")"
                continue
            fi
            try "README program $n" "$work/block$n.$suffix" "$suffix" "$work/block$n.out"
        else
            not_ok "README program $n: its output follows it"
        fi
    done <"$work/blocks"
else
    skip "README programs" "no README.md"
fi

finish
