#!/bin/sh
# Bugs planted in worlds (see planting).

. full/planting

begin test_world test_assembly

script=test_world
plant 'a logarithm that is not taken' 'the logarithm is there' \
    's/(number->logarithmic ? (double)ds_real_log((ds_real)value) : value)/value/'
plant 'springs that are measured in a plane' 'springs are as long as they are' \
    's/^        for (k = 0; k < 3 \&\& p < set->n_points \&\& q/        for (k = 0; k < 2 \&\& p < set->n_points \&\& q/'
plant 'parameters changed in place that are not seen' 'changed in place are seen' \
    's/(!w->is_derived || (bytes && memcmp(w->param, w->seen, bytes)))/!w->is_derived/'
plant 'a part of a step that is dropped with whole ones' 'the part of a step is not' \
    's/world->left = most + (world->left - floor(world->left));/world->left = most;/'
plant 'worlds side by side whose axes are exchanged' 'bits it has alone|W6' \
    '/void ds_world_get(/,/^}/s/world->d.worlds, i \/ 3, i % 3, which/world->d.worlds, i \/ 3, 2 - i % 3, which/'
plant 'friction of the other law' 'sphere_penalty_tanh' \
    's/^\( *\)(rubs ? 1 + (int)contact->friction_law : 0)/\1(rubs ? 1 : 0)/'
plant 'models of any parameters' 'refused 13' \
    's/^    return type->energy && type->n_points == n_points && .*/    return type->energy \&\& type->n_points == n_points \&\& parameters[0];/'
plant 'a state that is lost when memory ends' 'allocations may fail' \
    's/^    if (!w->state) return dsi_world_adopt(w, NULL);/    w->stepper = s;\n    if (!w->state) return dsi_world_adopt(w, NULL);/'
plant 'a grid that lies where its field does, whatever is asked' 'where it was asked for' \
    's/^    for (k = 0; numbers \&\& k < 4; k++) to\[k\] = numbers\[k\];/    for (k = 0; numbers \&\& k < 0; k++) to[k] = numbers[k];/'
plant 'sides of a grid in another order' 'a sphere but for' \
    's/^    to\[5\] = ds_number_make((double)grid->ny);/    to[5] = ds_number_make((double)grid->nx);/'
plant 'a field that is not copied' 'a sphere but for|backward' \
    's/^            fields\[i\].values = (ds_real \*)dsi_copy_into(.*/            fields[i].values = from->values;/'

script=test_assembly
plant 'a damper whose force is lost' 'force is that of hand-made gradients' \
    '/^    bars = kernels.DSI_ROLE_FORCE.->args/,/^    joined/s/bars\[1\].name, bars\[2\].name/bars[1].name, bars[1].name/'
plant 'a damper that has its own kernel besides' 'one force' \
    's/ && !(part == DSIM_ENERGY_PART_DISSIPATION && family->is_joined);/;/'

finish
