#!/bin/sh
# Bugs planted in rollouts (see planting).

. full/planting

begin test_rollout test_stepper test_run_file test_prepared

script=test_rollout
plant 'a state kept one step too early' 'dynamic programming|so many are run' \
    's/^    rest = beta\[0\] - beta\[1\]; /    rest = beta[0] - beta[1] - 1; /'
plant 'a state that is taken for the one behind it' 'one set of bits' 's/^        r->after = k;$/        r->after = k ? k + 1 : 0;/'
plant 'traces of a segment in one place' 'one set of bits' \
    's/dsi_frame(r, segments + i + 1), dsi_trace(r, i));/dsi_frame(r, segments + i + 1), dsi_trace(r, 0));/'
plant 'a cut one step too late' 'last window' 's/k % r->d.truncation == 0 \&\& k)/(k + 1) % r->d.truncation == 0 \&\& k)/'
plant 'a loss that does not move with the controls' 'the loss moves' 's/^        if (c) r->loss_dot +=/        if (0) r->loss_dot +=/'
plant 'a Gauss-Newton product with the wrong adjoint' 'Gauss|J' 's/bar.next_bar = r->bar_dot\[0\];/bar.next_bar = r->bar[0];/'
plant 'steps that are not compared' 'done twice|kind 2' 's/^    if (i == n) return DSIM_OK;$/    if (i <= n) return DSIM_OK;/'
plant 'states that are not compared when computed again' 'computed again' \
    's/^    else if (r->hashes\[k + 1\] != hash)/    else if (0)/'

plant 'derived numbers of old parameters' 'derived once' 's/^    if (!result) rollout->has_derived = 0;$//'
plant 'adjoints of derived numbers that stay' 'derived numbers' \
    's/^        dsi_fill_reals(r->derived_bar, 0, r->s.n_derived);$//'
plant 'a loss that does not move with derived numbers' 'tangents and loss|the loss moves' \
    's/^        r->loss_dot += dsi_inner(r->seed + of_derived,.*$//'

script=test_stepper
plant 'derived numbers that are parameters' 'derived|stiffness' \
    's/^    r.at\[DSIM_BOUND_DERIVED\] = (ds_real \*)(uintptr_t)derived;/    (void)derived; r.at[DSIM_BOUND_DERIVED] = r.at[DSIM_BOUND_PARAM];/'
plant 'a number that is stored first and goes on' 'in part|wave' \
    's/^            else if (!whole) dsi_mark_stored(/            else if (0) dsi_mark_stored(/'
plant 'what is stored over others, taken for the first' 'over others|scratch|wave' \
    's/^            if (dsi_is_touched_before(list, j, b)) continue;$//'
plant 'states that are read and not kept' 'a wave|bits|conserv|moves' 's/^    return !s->stateless || !d->loss_at_end || d->second;/    return !d->loss_at_end;/'
plant 'numbers that are stored and keep their adjoint' 'wave|scratch|decide' \
    's/^    return rest ? dsi_run_listed(list, j, DSI_RUN_ERASER/    return 0 ? dsi_run_listed(list, j, DSI_RUN_ERASER/'
plant 'a number that was overwritten' 'springs|gradient of the tape' \
    's/^             (b->to != DSIM_BOUND_STATE || !dsi_is_written_within(list, j, list->n, b)))/             1)/'
plant 'a copy that holds too long' 'springs|gradient of the tape' \
    's/ || dsi_is_written_within(list, slot->launch, j, b))$/)/'
plant 'copies whose tangents are not kept' 'Hessian' \
    's/^        if (trace_dot) dsi_fill_slots(list, j, dots, trace_dot);//'
plant 'a first touch that is none' 'scratch' \
    's/^            if (dsi_is_sharing(list->launches\[k\].bindings + i, region)) return 1;/            (void)region;/'
plant 'a replay with old controls' 'as by hand|recorded' 's/^    if (!result \&\& r->d.n_control) result = /    if (0) result = /'
plant 'a record that is taken for another' 'as by hand|recorded|bits' \
    's/^    if (serial \&\& serial == record->serial) return/    if (serial \&\& record->serial) return/'
plant 'adjoints of an end that do not move' 'Hessian|as by hand' \
    's/^    for (i = 0; seeds_dot \&\& i < record->n_out; i++)/    for (i = 0; 0 \&\& i < record->n_out; i++)/'

script=test_run_file
plant 'derived numbers of parameters that were not loaded' 'derived anew' 's/^    r->has_derived = 0;$//'
plant 'a checksum of the first chunk only' 'every bit|good file|saved|loaded' \
    's/^    f->crc = dsi_crc(bytes, n, f->crc);$/    if (f->at < 100) f->crc = dsi_crc(bytes, n, f->crc);/'
plant 'a file that is half loaded' 'nothing has changed' \
    's/^    result = dsi_check_sum(r, r->last, r->s.n_state, "loaded, state ");//;s/^        dsi_read_reals(\&f, r->last, r->s.n_state);/        dsi_read_reals(\&f, r->state, r->s.n_state);/'

script=test_prepared
plant 'a scalar of the first run' 'other numbers' 's/^        if (known \&\& e->op != DSI_X_load) continue;/        if (known) continue;/'
plant 'a place that is written twice' 'refused in a run' \
    's/^            if (k != i \&\& dsi_is_meeting(p, i, k)) return/            if (0) return/'
plant 'a plan of old numbers' 'others when numbers|or refused' 's/^    p->known = !run->program->floors;/    p->known = 1;/'

finish
