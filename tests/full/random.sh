#!/bin/sh
# Random calls, good and bad, on several tapes, under the address and undefined behaviour sanitizers, beside a
# model that knows what each has to say (random_calls.c). Then bugs are planted, and found: memory that is too
# short, a gradient that lacks a part, a replay that forgets one number.
# CALLS= how many, else a minute of them; SEED= the first sequence, else the clock says.

. text/tap.sh

checks='-fsanitize=address,undefined -fno-sanitize-recover=all'
compiler="clang -O1 -g $checks"
if ! have clang "clang libclang-rt-dev" || ! echo 'int main(void) { return 0; }' |
    $compiler -x c - -o "$work/trial" 2>/dev/null; then
    compiler="$CC -O1 -g $checks"
fi
if ! echo 'int main(void) { return 0; }' | $compiler -x c - -o "$work/trial" 2>/dev/null; then
    skip "random calls" "no sanitizers: apt-get install clang libclang-rt-dev"
    finish
fi

# build FOLDER OUTPUT: with the header of that folder
build() { $compiler -I"$1" full/random_calls.c -o "$2" -lm; }

seed=${SEED:-$(date +%s)000000}
amount="seconds 60"
test -n "${CALLS:-}" && amount="calls $CALLS"
check "random calls: builds" build "$(dirname "$header")" "$work/random"
if "$work/random" $amount $seed >"$work/out" 2>&1; then
    ok "random calls: all as in the model"
else
    not_ok "random calls: all as in the model"
fi
grep -v '^ *0x\|^=>' "$work/out" | sed 's/^/# /; 60q'

# plant WHAT EDIT WORDS: the bug is found within a minute, with these words, and reduced
plant()
{
    sed "$2" "$header" >"$work/diffsim.h"
    if cmp -s "$work/diffsim.h" "$header"; then
        not_ok "$1: the edit finds its place"
    elif ! build "$work" "$work/planted" >"$work/log" 2>&1; then
        not_ok "$1: builds"
    else
        "$work/planted" seconds 60 1 >"$work/found" 2>&1
        check "$1: is found" grep -q "$3" "$work/found"
        check "$1: is reduced to less than 20 calls" grep -q '^reduced to 1\{0,1\}[0-9] calls' "$work/found"
    fi
}
compiler=$(echo "$compiler" | sed 's/-O1/-O0/') # which compiles faster
plant "one adjoint less than there are" \
    's/\(const size_t need = tape->cap_values + DSI_ADJOINT_GAP\);/\1 - 1;/' 'AddressSanitizer'
plant "half the gradient of a dot product" \
    's/^\( *\)bar\[q\] += dsi_product(g, x\[p\]);/\1bar[q] += 0;/' 'the tangent'
plant "a replay that forgets a number" \
    's/ds_reals_tanh(val + node->a, val \(. result, node->b\));/ds_reals_tanh(val + node->a, val \1 - 1);/' \
    'in the model'

finish
