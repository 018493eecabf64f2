#!/bin/sh
# The elementary functions are within 1 ulp of the exact value over their whole range, measured against MPFR;
# the table of the largest errors is printed. Then a coefficient is changed, and the measurement sees it.
# POINTS= of each range (200000).

. text/tap.sh

# build REAL FOLDER OUTPUT: the program with the header of that folder
build() { $CC -O2 -Wall -Wextra -DDIFFSIM_REAL="$1" -I"$2" full/ulp.c -o "$3" -lmpfr -lgmp -lm; }

echo '#include <mpfr.h>
int main(void) { mpfr_t x; mpfr_init(x); mpfr_clear(x); return 0; }' >"$work/mpfr.c"
if ! $CC "$work/mpfr.c" -o "$work/mpfr" -lmpfr -lgmp >/dev/null 2>&1; then
    skip "errors in ulp" "no MPFR: apt-get install libmpfr-dev"
    finish
fi

for real in double float; do
    check "$real: the measurement builds" build $real "$(dirname "$header")" "$work/ulp_$real"
    if "$work/ulp_$real" "${POINTS:-200000}" >"$work/table"; then
        ok "$real: at most 1 ulp"
    else
        not_ok "$real: at most 1 ulp"
    fi
    cat "$work/table"
    equal "$real: every function is in the table" "$(grep -c ulp "$work/table")" 18
done

# plant NAME EDIT: a coefficient off in its tenth digit or so
plant()
{
    sed "$2" "$header" >"$work/diffsim.h"
    if cmp -s "$work/diffsim.h" "$header"; then
        not_ok "$1: the edit finds its place"
    elif ! build double "$work" "$work/planted" >"$work/log" 2>&1; then
        not_ok "$1: builds"
    elif "$work/planted" 5000 "$1" >"$work/log"; then
        not_ok "$1: a changed coefficient is seen"
        cat "$work/log"
    else
        ok "$1: a changed coefficient is seen"
    fi
}
plant exp 's/0\.008333333333330055/0.008333333333130055/'
plant sin 's/0\.008333333333322413/0.008333333333122413/'
plant log 's/0\.3999999999989889/0.3999999999889889/'
plant erf 's/-0\.1800761010500735/-0.1800761010400735/'
plant atan2 's/0\.4636476090008061/0.4636476090008062/'
plant tan 's/0xe99c7026b45f7e41/0xe99c7026b45f7e40/; s/0x3991d639835339f4/0/'
plant pow 's/1\.850371707708594e-17/1.850371707708594e-16/'

finish
