#!/bin/sh
# A test that has never failed is not yet a test: bugs are planted in copies of the header, one at a time, and
# the script or program that should catch each has to, with a failing check of the name said here.

. text/tap.sh

original=$header

# where programs are compiled, the compiler that does it at once
quick_cc="$CC -O0"
have tcc && quick_cc=tcc

# ask NAME HEADER: runs a script in its quick form, or a program, output in $work/out
ask()
{
    if test -f "text/$1.sh"; then
        HEADER=$2 WORK=$work/run FULL= sh "text/$1.sh" >"$work/out" 2>&1
        return
    fi
    mkdir -p "$work/program/tests"
    cp "$2" "$work/program/diffsim.h"
    cp "$1.c" tap.h "$work/program/tests"
    $quick_cc "$work/program/tests/$1.c" -o "$work/program/run" -lm >"$work/out" 2>&1 &&
        "$work/program/run" >"$work/out" 2>&1
}

# plant WHAT CHECK EDIT: EDIT is a sed script, CHECK a pattern of the check of $script that fails then
plant()
{
    sed "$3" "$original" >"$work/diffsim.h"
    if cmp -s "$work/diffsim.h" "$original"; then
        not_ok "$script: $1: the edit finds its place in the header"
        return
    fi
    ask "$script" "$work/diffsim.h"
    status=$?
    # what failed before does not count
    sed -n 's/^not ok [0-9]* - //p' "$work/out" | grep -v -x -F -f "$work/before.$script" >"$work/new"
    if test $status != 0 && grep -q -E "$2" "$work/new"; then
        ok "$script catches: $1"
    else
        not_ok "$script catches: $1"
        diag "exit status $status"
        grep '^not ok' "$work/out" | sed 's/^/# /; 10q'
    fi
}

for script in head layers symbols macros link hash warnings parse_time programs \
    ctext random_kernels test_kernels test_kernel_programs test_kernel_misuse; do
    ask "$script" "$original"
    sed -n 's/^not ok [0-9]* - //p' "$work/out" >"$work/before.$script"
    empty "$script passes before planting" "$work/before.$script"
done

# places: the first function of layer 1, declarations, the first page
version='^DIFFSIM_API const char \*ds_version(void) {'
build_info='^DIFFSIM_API ds_build ds_build_info(void'
stray='extern int ds_stray(void); int ds_stray(void) { return 1; }'
lines='\n\n\n\n\n\n\n\n\n\n'
lines=$lines$lines$lines$lines$lines$lines$lines$lines$lines$lines
wide='............................................................'

script=head
plant 'a section missing from the contents' 'contents' '/^     2 maths /d'
plant 'a wrong number in a mark' 'impl marks' 's/^\(.. >>impl\) 5 ops/\1 4 ops/'
plant 'an inline section nobody declares' 'inline marks' 's/^\(.. >>inline\) 6 tape/\1 6 tapes/'
plant 'no end mark' 'last marks' '/^.. >>impl end/d'
plant 'a knob not in the list' 'knobs' '/^     DIFFSIM_NO_INLINE /d'
plant 'a desc that C++ cannot hand over by reference' 'DSI_REFERENCES' '/DSI_ROW(size_t, ds_tape_bytes,/d'
plant 'a version in one place only' 'version' 's/\(DIFFSIM_VERSION_STRING "[0-9.]*\)/\11/'
plant 'a long first page' 'first page' "3s/\$/$lines/"
plant 'a tab' 'tabs' "s/^    return DSIM_OK;/	return DSIM_OK;/"
plant 'a letter outside ASCII' 'ASCII' '3s/$/ \xc3\xa4/'
plant 'a space at the end' 'space' '3s/$/ /'
plant 'a wide line' 'columns' "3s/\$/$wide$wide/"
plant 'work left' 'left to do' '3s/$/ TO''DO/'
plant 'a long function' 'over 100 lines' "s/^    DIFFSIM_ASSERT(report);/$lines&/"

script=layers
plant 'base calls the tape' 'compiles|uses nothing above' \
    "s/\\($version\\).*/\\1 return ds_tape_error(NULL)->text; }/"
plant 'base knows a type of the tape' 'compiles' "s/$version/static ds_mark *dsi_above;\n&/"

script=symbols
plant 'a global variable' 'no writable data' "s/$version/& static int calls; calls++;/"
plant 'an initialised variable' 'no writable data' "s/$version/& static int calls = 3; calls++;/"
plant 'a name without prefix' 'begin with ds_' "s/$version/int stray(void); int stray(void) { return 1; }\n&/"
plant 'output' 'memory and mathematics' "s/$version/int puts(const char *);\n& puts(\"\");/"
plant 'errno' 'memory and mathematics' "s/$version/#include <errno.h>\n& errno = 0;/"
plant 'threads without the knob' 'no pool' 's/^#ifdef DIFFSIM_THREADS$/#if 1/'
plant 'abort' 'memory and mathematics' "s/$version/& if (!ds_version_number()) abort();/"
plant 'a function that DIFFSIM_STATIC leaves global' 'no global name' "s/$version/$stray\n&/"

script=macros
plant 'a macro without prefix' 'begin with DSI_' 's/^#define DSI_NEG(x)/#define NEG(x) (-(x))\n&/'
plant 'a row macro left defined' 'undefined again' \
    '/^.. Changes/s/^/#define DSI_ROW(NAME, sentence)\n/'
plant 'a macro that the C++ operators leave' 'their guard' '/^#undef DSI_TOLD/d'
plant 'a short name in an inline function' 'hostile' \
    's/^DSI_INLINE ds_real ds_v3_norm(ds_v3 a) {/DSI_INLINE ds_real ds_v3_norm(ds_v3 N) { ds_v3 a = N;/'
plant 'a call of something named min' 'hostile' \
    's/^DSI_INLINE ds_v3 ds_v3_neg/DSI_INLINE int dsi_call(int (*min)(int)) { return min(1); }\n&/'

script=link
plant 'float and double objects that link' 'do not link' '/^#define ds_tape_create ds_tape_create_float/d'
plant 'no guard around the implementation' 'included five times' 's/ && !defined(DSI_IMPLEMENTED)//'
plant 'no extern "C"' 'C\+\+' 's/^extern "C" {/extern "C++" {/'
plant 'a debug macro that calls another function' 'DIFFSIM_DEBUG' \
    's/^#define ds_sub(p, q) DSI_HERE_2(ds_sub,/#define ds_sub(p, q) DSI_HERE_2(ds_add,/'
plant 'a function that DIFFSIM_STATIC leaves global' 'private copy' "s/$version/$stray\n&/"
plant 'recording functions that are always inline' 'DIFFSIM_NO_INLINE' \
    's/^#define DSI_RECORDS DIFFSIM_API.*/#define DSI_RECORDS static/'

script=hash
plant 'products that may be fused' 'native' '/^    DSI_FENCE(result);/d'
plant 'elementary functions that may be fused' 'native' 's/"fp-contract=off", "no-trapping/"no-trapping/'
plant 'Hessians that may be fused' 'native' 's/^#pragma GCC optimize("fp-contract=off")$//'
plant 'another order of a sum' 'native' \
    's/^\(#define DSI_SUM3(p, q)\) .*/\1 DSI_ADD(DSI_MUL(p.x, q.x), DSI_MINOR(p.y, q.y, p.z, -q.z))/'

script=warnings
plant 'an unused variable' 'gcc' "s/$version/& int unused;/"
plant 'a pointer from void * without a cast' 'g\+\+' 's/tape->motion = (ds_real \*)motion/tape->motion = motion/'
plant 'a double constant in float' 'gcc .*float' \
    "s/$version/static ds_real dsi_half(ds_real x) { return 0.5 * x; }\n& (void)dsi_half(1);/"
plant 'a function without a prototype' 'gcc' "s/$version/int ds_bare(void) { return 1; }\n&/"
plant 'a sign lost' 'gcc' "s/$version/& size_t count = 3; int lost = count; (void)lost;/"
plant 'a declaration without types' 'declarations' "s/${build_info}/DIFFSIM_API ds_build ds_build_info(/"

script=parse_time
plant 'a syntax error in the declarations' 'parses' "s/${build_info})/&)/"

script=programs
plant 'a wrong derivative' 'first gradient: output' '/DSI_ROW(sin,/s/DSI_COS(a)/DSI_SIN(a)/'
plant 'an output that is not what is printed' 'output' 's/^       f -0.838246 /       f -0.838247 /'
plant 'a bug in the tape of the head' 'whole tape in 60 lines: output' 's/ cos(a->value)/ sin(a->value)/'
more='\n       \/\/ one more line'
more=$more$more$more$more$more
plant 'a tape of more than 60 lines' 'at most 60' "s/^       static int n;/&$more$more$more/"

# kernels. random_kernels: 'tape' is a wrong number, 'bits' are others as text, in other blocks or parts
script=random_kernels
plant 'a simplifier that drops a minus' 'tape' \
    's/^        if (minus_b) return dsi_emit(body, DSI_OP_sub, a, bare_b, 0);/        if (minus_b) b = bare_b;/'
plant 'a factor that is lost where it moves out of a sum' 'tape' \
    's/^    double of_a = 1, of_b = sign;/    double of_a = 1, of_b = 1;/'
plant 'an adjoint that only one operand of a product gets' 'tape' \
    's/^                gain\[0\] = dsi_emit(body, DSI_OP_add, gain\[0\], gain\[1\], 0);//'
plant 'a number that is written and keeps its adjoint' 'tape' \
    's/^                if (k == kernel->body.n_effects) { /                if (1) { /'
plant 'a Hessian that counts once what counts twice' 'tape' \
    's/^    return a ? dsi_emit(body, DSI_OP_add, a, a, 0) : 0;/    return a;/'
plant 'a slot that is free before it was read' 'tape' \
    's/^        if (operands & 2 && s->last\[e->b\] < at) s->last\[e->b\] = at;//'
plant 'a part that adds to the first element of the next' 'bits' \
    's/dsi_line_at(line, \*end - 1) < low || dsi_line_at(line, \*end - 1) >= high/dsi_line_at(line, *end - 1) > high/'
plant 'text with another order of operands' 'bits' 's/DSI_ROW(sub, "A - B")/DSI_ROW(sub, "B - A")/'

script=test_kernels
plant 'a closed gate that does not move' 'reverse2|forward2|Hessian|adjoint' \
    's/dsi_emit(body, DSI_X_gate, a_dot, dsi_emit(body, DSI_OP_mul, a_dot, e.c, 0), e.c)/0/'
plant 'tangents that are clipped' 'tangents are not clipped' '/clipping is for adjoints only .\/$/d'
plant 'the slope of a gate without its factor' 'reverse2|forward2|Hessian|adjoint' \
    's/^    if (p \/ q != 1) c = .*//'

script=test_kernel_misuse
plant 'an index that is not checked' 'outside|index|range' \
    's/^    if (low >= 0 \&\& (uint64_t)high < most) return 1;/    return 1;/'

script=test_kernel_programs
plant 'a difference from 0 that drops its minus' 'their values' \
    's/^        if (a == 0) return dsi_emit_neg(body, b);/        if (a == 0) return b;/'
plant 'sums in another order' 'three sums' \
    's/dsi_line_of(run, body->effects\[order\[k - 1\]\].index)->first < line->first/& \&\& 0/'
plant 'a plan that stays when the list of indices has changed' 'indices change, without an id' \
    's/^        if (!a->id) return 0;//'
plant 'a remainder with the sign of the dividend' 'index operation 4' \
    's/^    return a \/ b - (a % b != 0 .*/    return a \/ b;/'
plant 'numbers of a block that come from the one before' '' \
    's/^        if (block->flat % DSI_CHUNK == 0) memset(part, 0, .*//'

script=ctext
plant 'printed text of a kernel that has changed' 'another hash' \
    's/^        if (printed->hash == kernel->program.text_hash) {/        if (1) {/'
plant 'fused kernels that load another component' 'bits' \
    's/body->effects\[i\].arg == arg && body->effects\[i\].component == e->c &&/body->effects[i].arg == arg \&\&/'

finish
