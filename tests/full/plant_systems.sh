#!/bin/sh
# Bugs planted in systems (see planting).

. full/planting

begin test_integrators test_assembly

script=test_integrators
plant 'a stage of RK4 without its factor 2 on the way back' 'RK4.*(dot products|passes)' \
    's/^        if (k == 1 || k == 2) m.p = 2 \* m.sixth;//'
plant 'adjoints of position and velocity exchanged' 'SEMI_IMPLICIT_EULER.*(dot products|passes)' \
    's/^    const ds_real lx = m->lx\[i\], a = m->lv\[i\] + m->late \* lx,/    const ds_real lx = m->lv[i], a = m->lx[i] + m->late * lx,/'
plant 'a Verlet whose second force sees half a velocity' 'VELOCITY_VERLET, order of velocities' \
    's/w = im != 0 ? moved : v, pushed = w + kick;/w = im != 0 ? moved : v, pushed = w;/;s/pushed = v + kick + kick;/pushed = v + kick;/;s|m->half \* (zv + w) \* m->im|m->half * w * m->im|'
plant 'a clamp that is not what its derivative says' 'clamp TANH: ds_check_stepper' \
    's|^        \*q = c / r \* (1 - \*t \* \*t) / r2;|        *q = c / r * (1 - *t) / r2;|'
plant 'a pinned point that a force moves' 'RK4.*(velocities stay|moves evenly|passes)' \
    's/^    return im != 0 ? rate : 0;/    return rate;/'
plant 'a dt that the position does not see' 'EULER.*(dot products|passes)|gradient of all' \
    's/^        w->h_bar += dsi_inner(m.lx, w->it->d.kind == .*/        w->h_bar += 0;/'
plant 'a dt that is taken for stable and is not' 'stable below|unstable beyond' \
    's|^    h = 4 / (d + sqrt(d \* d + 4 \* w \* w));|    h = 4 / (d + sqrt(d * d + 2 * w * w));|'
plant 'a substep that begins where the last one did' 'four substeps|dot products' \
    's/^    return trace ? (ds_real \*)(uintptr_t)trace + (j - 1) \* 2 \* it->n : it->between\[j & 1\];/    return it->between[0];/'
plant 'a stepper that is not asked why' 'the dt that would be stable' \
    's/^    const ds_error \*const why = r->s.explain ? r->s.explain(r->s.user, io, bad) : NULL;/    const ds_error *const why = io ? NULL : r->s.explain(r->s.user, io, bad);/'

script=test_assembly
plant 'a field that stands where the energy is' 'contacts with a grid|bare kernels' \
    's/^    to\[2 \* n - 1 - set->family->n_fields\[part\]\] =/    to[2 * n - 1] =/'
plant 'worlds that sum into their field' '3 worlds: forces|4 worlds|5 worlds|energy of each' \
    's/whose), result = n - 1 - family->n_fields\[part\];/whose), result = n - 1;/'
plant 'adjoints of fields that nobody keeps' 'contacts with a grid|vjp' \
    's/^    family->n_fields\[part\] = base->n_args - n;/&\n    n = base->n_args;/'
plant 'a field of the second set that is that of the first' 'are looked up' \
    's/ds_array_reals(set->fields\[i\].values, set->fields\[i\].n, 1)/ds_array_reals(set->fields[0].values, set->fields[0].n, 1)/'

finish
