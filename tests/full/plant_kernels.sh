#!/bin/sh
# Bugs planted in kernels (see planting).

. full/planting

begin ctext random_kernels test_kernels test_kernel_programs test_kernel_misuse test_kernel_lines test_kernel_forms

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

script=test_kernel_lines
plant 'a call that does not tell its line' 'ds_store' '/^#define ds_store(a, /d'
plant 'expressions that forget their lines' "'floor' has its line" \
    's/^    dsi_keep_expr_place(body, body->n_exprs);//'

script=test_kernel_programs
plant 'a difference from 0 that drops its minus' 'their values' \
    's/^        if (a == 0) return dsi_emit_neg(body, b);/        if (a == 0) return b;/'
plant 'sums in another order' 'three sums' \
    's/if (before > first || (before == first && order\[k - 1\] < moved)) break;/break;/'
plant 'a plan that stays when the list of indices has changed' 'indices change, without an id' \
    's/^        if (!a->id) return 0;//'
plant 'a remainder with the sign of the dividend' 'index operation 4' \
    's/^    return a \/ b - (a % b != 0 .*/    return a \/ b;/'
plant 'numbers of a block that come from the one before' '' \
    's/^        if (block->flat % DSI_CHUNK == 0) memset(part, 0, .*//'

script=test_kernel_forms
plant 'a sum of two fused kernels that forgets the second' 'gain what both add' \
    's/body->effects\[k\].value = both;/(void)both;/'
plant 'a sum of two fused kernels that stays apart' 'added to once' \
    's/        if (k < f->n_first) {/        if (k > f->n_first) {/'

script=ctext
plant 'printed text of a kernel that has changed' 'another hash' \
    's/^        if (printed->hash == kernel->program.text_hash) {/        if (1) {/'
plant 'fused kernels that load another component' 'bits' \
    's/body->effects\[i\].arg == arg && body->effects\[i\].component == e->c &&/body->effects[i].arg == arg \&\&/'
plant 'neighbours that text adds to in the order of elements' 'bits' \
    's/p->sums\[i\].count > 2 ? 0 : from > 0 ? 2 : 1;/p->sums[i].count > 2 ? 0 : from > 0 ? 1 : 2;/'
plant 'last lanes that text adds twice' 'bits' 's/skip = (int)(at + 16 - end);/skip = (int)(at + 15 - end);/'
plant 'elements that gain from a lane too many at the edge' 'bits' \
    's/widths\[k\] = up < 0 || up >= last ? 0 : (unsigned)n;/widths[k] = up < 0 || up >= last ? 0 : (unsigned)n + 1;/'
plant 'elements that gain in another order' 'bits' \
    's/k > 0 \&\& p->apart\[k - 1\] < other - apart; k--/k > 0 \&\& p->apart[k - 1] > other - apart; k--/'
plant 'a column of indices that begins one later' 'bits' \
    's/^                        (size_t)a->first \* dsi_stride_of(array);/&  r->column++;/'

finish
