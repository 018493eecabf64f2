# tap.sh - TAP for the tests that are shell scripts, which begin with:  . text/tap.sh
#
#   ok NAME                      not_ok NAME                    diag TEXT       skip NAME REASON
#   check NAME COMMAND ...       passes if the command does; what it printed is shown when it fails
#   equal NAME GOT WANT          two texts
#   have COMMAND [PACKAGE]       true if it is there; else $type_this says what to type
#   finish                       the plan; ends the script
#
# In force then: $header (absolute), $work (an empty folder of the script's own), $CC, $CXX, $any_cc, $object_cc,
# $FULL (empty or 1). UNTIL=PATTERN ends a script at the first check that fails and whose name has it.

set -u
LC_ALL=C
export LC_ALL
header=$(cd "$(dirname "${HEADER:-../diffsim.h}")" && pwd)/diffsim.h
tests=$(pwd)
work=${WORK:-$tests/build/work}/$(basename "$0" .sh)
rm -rf "$work"
mkdir -p "$work"
CC=${CC:-cc}
CXX=${CXX:-c++}
FULL=${FULL:-}
count=0
failures=0

# where any compiler will do, the quick form takes the fastest there is
any_cc=$CC
test -z "$FULL" && command -v tcc >/dev/null 2>&1 && any_cc=tcc
# ... or the fastest of those whose objects $CC links
object_cc=$CC
test -z "$FULL" && command -v clang >/dev/null 2>&1 && object_cc=clang

ok() { count=$((count + 1)) && echo "ok $count - $*"; }
not_ok()
{
    count=$((count + 1))
    failures=$((failures + 1))
    echo "not ok $count - $*"
    test -n "${UNTIL:-}" && echo "$*" | grep -q -E "$UNTIL" && exit 1
}
diag() { echo "# $*"; }
skip() { ok "$1 # SKIP $2"; }

check()
{
    check_name=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        ok "$check_name"
    else
        not_ok "$check_name"
        sed 's/^/# /; 20q' "$work/check.out"
    fi
}

equal()
{
    if test "$2" = "$3"; then
        ok "$1"
    else
        not_ok "$1"
        printf '%s\n' "$2" | sed 's/^/# got      /; 10q'
        printf '%s\n' "$3" | sed 's/^/# expected /; 10q'
    fi
}

have()
{
    type_this="no $1: apt-get install ${2:-$1}"
    command -v "$1" >/dev/null 2>&1
}

# object REAL: the implementation, with its pool (link with -pthread): that in build/ if it is of $header, else
# a new one
object()
{
    made=$tests/build/impl.$1.o
    if test "$header" -ef "$tests/../diffsim.h" && test "$made" -nt "$header"; then
        echo "$made"
        return
    fi
    made=$work/impl.$1.o
    test -f "$made" || $object_cc -O0 -DDIFFSIM_REAL="$1" -DDIFFSIM_THREADS -DDIFFSIM_IMPLEMENTATION \
        -x c -c "$header" -o "$made"
    echo "$made"
}

# empty NAME FILE: passes when nothing was found, else shows what was
empty()
{
    if test -s "$2"; then
        not_ok "$1"
        sed 's/^/# /; 20q' "$2"
    else
        ok "$1"
    fi
}

finish()
{
    echo "1..$count"
    test $failures = 0 && test $count -gt 0
    exit
}
