#!/bin/sh
# Bugs planted in layers 1 to 6 and in what holds the header together (see planting).

. full/planting

begin head layers symbols macros link hash warnings parse_time programs test_m3 test_mlp

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

script=test_m3
plant 'a step to the trace of the stretch is wrong' 'without a branch' 's|(l \* l + h / 2)|(l * l - h / 2)|'
plant 'a rotation is not made one' 'polar_rotates' 's/q4 = r4 + (r4 \* e4 - r3/q4 = r4 + (r4 * e4 + r3/'
plant 'what has not converged is taken' 'polar_rotates' 's/most - error \* error/most + error * error/'
plant 'tiny matrices are taken' 'without a branch' 's/low = n - (ds_real)1e-8/low = n + (ds_real)1e-8/'

script=test_mlp
plant 'a wrong slope of tanh' 'gradient by parameters' '/DSI_ROW(TANH,/s/1 - dsi_product(v, v)/1 - v/'
plant 'a relu that lets through' 'textbook' 's/x\[i\] > 0 ? x\[i\] : 0;/x[i] > -1 ? x[i] : 0;/'
plant 'a bias without its gradient' 'gradient by parameters' 's/^\( *for .*\) b_bar\[i\] += g/\1 b_bar[i] -= g/'
plant 'inputs without the last layer' 'by inputs' 's/ block->combine(next + j \* lanes, w + j/&+ 1 - 1 + (j > 0)/'
plant 'sums in another order' 'bits' '/define DSI_COMBINED_4/s/to\[k\] + c0 \* f\[k\]) + c1 \* f1/to[k] + c1 * f1[k]) + c0 * f/'
plant 'memory that stays filled' 'vjp after that' '/->filled = 0;$/d'
plant 'a batch that fits too little memory' 'a byte too little' 's/b->bytes < need/b->bytes + 8 < need/'
plant 'weights twice as wide' 'variance' 's/sqrt(6 \/ (inputs + outputs))/sqrt(24 \/ (inputs + outputs))/'
plant 'a block of constants in a wrong place' 'others are copied' \
    's/leaf.at + constants++/leaf.at + ++constants/'

# kernels. random_kernels: 'tape' is a wrong number, 'bits' are others as text, in other blocks or parts

finish
