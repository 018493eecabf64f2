#!/bin/sh
# Bugs planted in shells, contact and friction (see planting).

. full/planting

begin test_shells test_contact

script=test_shells
plant 'a rest shape with a wrong shear' 'membrane stvk|gradient' \
    's|^    constants\[1\] = ds_neg(ds_safe_div(ds_dot3(d1, d2), ds_mul(a, twice)));|    constants[1] = ds_safe_div(ds_dot3(d1, d2), ds_mul(a, twice));|'
plant 'a measure without the thickness' 'area times thickness' \
    's|^    constants\[5\] = ds_mul(ds_mul(ds_c(0.5), twice), ds_parameter(e, 2));|    constants[5] = ds_mul(ds_c(0.5), twice);|'
plant 'Lame parameters of a solid' 'plane stress' \
    's|^    ds_lame_plane_stress(ds_parameter(e, 0), ds_parameter(e, 1), constants + 3, constants + 4);|    ds_lame(ds_parameter(e, 0), ds_parameter(e, 1), constants + 3, constants + 4);|'
plant 'a membrane with the unconverted modulus' 'plane stress' \
    's|ds_fma(s.mu, shear, ds_mul(ds_add(s.la, s.mu), bulk))|ds_fma(s.mu, shear, ds_mul(s.la, bulk))|'
plant 'a logarithm that is not continued' 'finite without an area' 's|ds_log_guarded(s.j, 0.1)|ds_log(s.j)|'
plant 'an angle of the wrong sign' 'rest angle' \
    's|^    const ds_var s = ds_neg(ds_mul(ds_mul(scale, f->length), ds_dot3(f->n1, f->b)));|    const ds_var s = ds_mul(ds_mul(scale, f->length), ds_dot3(f->n1, f->b));|'
plant 'a hinge whose length is that of now' 'longer edge|same dissipation' \
    's|ds_mul(ds_mul(ds_mul(ds_c(0.5), ds_parameter(e, 2)), ds_constant(e, 3)), ds_square(turn))|ds_mul(ds_mul(ds_mul(ds_c(0.5), ds_parameter(e, 2)), f.length), ds_square(turn))|'
plant 'no guard of flattened hinges' 'finite without an area' \
    's|^    const ds_var is_flat = ds_lt(ds_add(ds_abs(s), ds_abs(c)), ds_c(1e-16));|    const ds_var is_flat = ds_lt(ds_add(ds_abs(s), ds_abs(c)), ds_c(-1));|'
plant 'cotangents of the wrong ends' 'quadratic bending' \
    's|^    constants\[0\] = ds_mul(root, ds_add(c01, c02));|    constants[0] = ds_mul(root, ds_add(c03, c04));|'
plant 'air with all of its force at each point' 'wind lifts' 's|ds_c(-0.5 / 3)|ds_c(-0.5)|'
plant 'lift that is not even in the normal' 'either side' \
    's|ds_safe_div(through, twice));|ds_safe_div(ds_abs(through), twice));|'

script=test_contact
plant 'a barrier without its end' 'nothing from there on' \
    's|^    return ds_select(ds_lt(d, range), inner, ds_c(0));|    return inner;|'
plant 'a ramp with a kink' 'C2' 's|rest = ds_fma(ds_c(-0.5), t, ds_c(1));|rest = ds_c(0.5);|'
plant 'a potential with a slope of 0 at its join' 'slope w there' \
    's|^    return ds_select(ds_lt(x, w), inner, outer);|    return ds_select(ds_lt(x, w), inner, ds_fma(ds_relu(ds_sub(x, w)), x, ds_mul(ds_c(0.6), w2)));|'
plant 'a series with a wrong term' 'its slope is softplus|its curvature' 's|(1.0 / 42) / 5040.0|(1.0 / 43) / 5040.0|'
plant 'friction of a root, without a curvature at rest' 'its curvature' \
    's|^    const ds_var inner = ds_fma(square, ds_fma(ds_c(-1.0 / 3), part, ds_c(1)), ds_mul(ds_c(1.0 / 3), slip));|    const ds_var inner = ds_fma(ds_mul(y, part), ds_fma(ds_c(-1.0 / 3), part, ds_c(1)), ds_mul(ds_c(1.0 / 3), slip)); (void)square;|'
plant 'a tanh without a series at rest' 'its curvature' 's|is_small = ds_lt(q, ds_c(0.02))|is_small = ds_lt(q, ds_c(-1))|'
plant 'a line without ends' 'capsule' 's|ds_naxpy3(ds_clamp(along, ds_c(0), ds_c(1)), line, from)|ds_naxpy3(along, line, from)|'
plant 'a side of a box without a slope' 'on side' 's|is_out = ds_lt(ds_c(0), largest);|is_out = ds_le(ds_c(0), largest);|'
plant 'a slope that forgets its turn' 'box' \
    's|^    if (slope) \*slope = ds_rotate3(ds_pack4(w, u), \*slope);||'
plant 'slopes of knots that are wrong' 'within the cone' \
    's|^    k->w_dot\[1\] = ds_fma(ds_c(1.5), t2, ds_mul(ds_c(-2), t));|    k->w_dot[1] = ds_fma(ds_c(1.5), t2, ds_mul(ds_c(-1.9), t));|'
plant 'a place outside that is not brought back' 'outside|grid' \
    's|^    return ds_add(value\[0\], ds_safe_norm3(beyond));|    return value[0];|'
plant 'a normal force without the slope' 'grid.*friction|within the cone' \
    's|ds_parameter(e, 0), ds_parameter(e, 1)), ds_safe_norm3(slope));|ds_parameter(e, 0), ds_parameter(e, 1)), ds_c(1));|'
plant 'damping that pulls' 'no more' \
    's|^    return ds_select(ds_lt(z, ds_c(0.5)), ds_mul(ds_c(0.5), ds_mul(z, away)), fast);|    return (void)fast, ds_mul(ds_c(0.5), ds_mul(z, away));|'
plant 'friction of the whole velocity' 'no more' \
    's|rub = slide(ds_dot3(along, along)|rub = slide(ds_dot3(v, v)|'
plant 'a field that is not counted' 'no field 4|field 4' \
    's|"there is no field ", i, 1, DSI_MOST_FIELDS)|"there is no field ", i, 1, 9)|'

finish
