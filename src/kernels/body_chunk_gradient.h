// The gradient of a chunk of a recurrence (chunk_kernels.h); a part of body_chunk.h, and made of
// its products.
//
// A log decay at t weighs whatever crosses t: the state before the chunk where it is read at t or
// later or survives the chunk, what is written before t and survives, and pairs on both sides of
// t. Each is summed as it is; none is a difference of larger sums.

static const float ONCE = 1;

// Of what was written, from the state after the chunk and from outputs; `writes` of the former.
static void written_back(const kernel_chunk_gradient *g, const chunk_room *r) {
    multiply(&(matrix_product){.m = C,
                               .n = r->values,
                               .k = r->keys,
                               .c = r->dw,
                               .c_row = r->value_row,
                               .a = r->late,
                               .a_m = r->key_row,
                               .a_k = 1,
                               .b = g->dstate,
                               .b_row = r->value_row});
    dot_rows(r->w, r->dw, r->value_row, C, r->values, r->writes);
    multiply(&(matrix_product){.shape = LEFT_UPPER,
                               .m = C,
                               .n = r->values,
                               .k = C,
                               .c = r->dw,
                               .c_row = r->value_row,
                               .a = r->p,
                               .a_m = 1,
                               .a_k = SQUARE_ROW,
                               .b = r->y,
                               .b_row = r->value_row,
                               .factor = &ONCE});
}

// dp = dY W' on and below the diagonal; p becomes what pairs weigh in the loss, p dp below the
// diagonal, and dp the gradient of q . k.
static void pairs_back(const chunk_room *r) {
    multiply(&(matrix_product){.shape = RESULT_LOWER,
                               .m = C,
                               .n = C,
                               .k = r->values,
                               .c = r->dp,
                               .c_row = SQUARE_ROW,
                               .a = r->y,
                               .a_m = r->value_row,
                               .a_k = 1,
                               .b = r->wt,
                               .b_row = SQUARE_ROW});
    for (int t = 0; t < C; t++)
        for (int s = 0; s <= t; s += VW) {
            float *p = r->p + t * SQUARE_ROW + s;
            vf weight = vf_load(p) * vf_load(r->dp + t * SQUARE_ROW + s);
            vf_store(p, vf_and(weight, lanes_before(t, s)));
        }
    weigh_pairs(r, r->dp, 1);
}

static void queries_back(const chunk_room *r) {
    multiply(&(matrix_product){.m = C,
                               .n = r->keys,
                               .k = r->values,
                               .c = r->dq,
                               .c_row = r->key_row,
                               .a = r->early_dy,
                               .a_m = r->value_row,
                               .a_k = 1,
                               .b = r->st,
                               .b_row = r->key_row});
    dot_rows(r->q, r->dq, r->key_row, C, r->keys, r->reads);
    multiply(&(matrix_product){.shape = LEFT_LOWER,
                               .m = C,
                               .n = r->keys,
                               .k = C,
                               .c = r->dq,
                               .c_row = r->key_row,
                               .a = r->dp,
                               .a_m = SQUARE_ROW,
                               .a_k = 1,
                               .b = r->k,
                               .b_row = r->key_row,
                               .factor = &ONCE});
}

static void keys_back(const chunk_room *r) {
    multiply(&(matrix_product){.m = C,
                               .n = r->keys,
                               .k = r->values,
                               .c = r->dk,
                               .c_row = r->key_row,
                               .a = r->w,
                               .a_m = r->value_row,
                               .a_k = 1,
                               .b = r->dst,
                               .b_row = r->key_row});
    multiply(&(matrix_product){.shape = LEFT_UPPER,
                               .m = C,
                               .n = r->keys,
                               .k = C,
                               .c = r->dk,
                               .c_row = r->key_row,
                               .a = r->dp,
                               .a_m = 1,
                               .a_k = SQUARE_ROW,
                               .b = r->q,
                               .b_row = r->key_row,
                               .factor = r->until,
                               .factor_step = 1});
}

// From dw, which becomes the gradient of what the solver was given, through the pairs of keys: dp
// becomes what k_t . k_s contribute to.
static void solver_back(const chunk_room *r) {
    _Alignas(64) float sums[C];
    const ptrdiff_t last = (C - 1) * SQUARE_ROW;
    solve(&(matrix_product){.n = r->values,
                            .c = r->dw + (C - 1) * r->value_row,
                            .c_row = -r->value_row,
                            .a = r->solver + last + C - 1,
                            .a_m = -1,
                            .a_k = -SQUARE_ROW}); // transposed, from the last position to the first
    multiply(&(matrix_product){.shape = RESULT_LOWER,
                               .m = C,
                               .n = C,
                               .k = r->values,
                               .c = r->dp,
                               .c_row = SQUARE_ROW,
                               .a = r->dw,
                               .a_m = r->value_row,
                               .a_k = 1,
                               .b = r->wt,
                               .b_row = SQUARE_ROW});
    for (int t = 0; t < C; t++)
        for (int s = 0; s < C; s += VW) {
            const ptrdiff_t at = t * SQUARE_ROW + s;
            vf x = vf_and(vf_load(r->dp + at), lanes_before(t, s));
            vf_store(r->dp + at, x);
            vf_store(r->p + at, vf_fma(x, vf_load(r->solver + at), vf_load(r->p + at)));
        }
    dot_rows(r->dw, r->v, r->value_row, C, r->values, r->drate);
    dot_rows(r->dp, r->pairs, SQUARE_ROW, C, C, sums);
    for (int t = 0; t < C; t++) r->drate[t] -= sums[t];
    for (int t = 0; t < C; t++)
        for (int s = 0; s < C; s += VW) {
            float *x = r->dp + t * SQUARE_ROW + s;
            vf_store(x, vf_load(x) * vf_load(r->decays + t * SQUARE_ROW + s) * -r->rate[t]);
        }
}

// The delta rule: dw becomes dv, and keys get what they asked the state and each other.
static void delta_back(const chunk_room *r) {
    _Alignas(64) float sums[C];
    solver_back(r);
    scale(r->dw, r->rate, r->values, r->value_row, r->dw);
    for (int t = 0; t < C; t++) sums[t] = -r->since[t];
    scale(r->dw, sums, r->values, r->value_row, r->dheld);
    dot_rows(r->dheld, r->held, r->value_row, C, r->values, sums);
    for (int t = 0; t < C; t++) r->reads[t] += sums[t];
    multiply(&(matrix_product){.m = C,
                               .n = r->keys,
                               .k = r->values,
                               .c = r->dk,
                               .c_row = r->key_row,
                               .a = r->dheld,
                               .a_m = r->value_row,
                               .a_k = 1,
                               .b = r->st,
                               .b_row = r->key_row,
                               .factor = &ONCE});
    multiply(&(matrix_product){.shape = LEFT_LOWER,
                               .m = C,
                               .n = r->keys,
                               .k = C,
                               .c = r->dk,
                               .c_row = r->key_row,
                               .a = r->dp,
                               .a_m = SQUARE_ROW,
                               .a_k = 1,
                               .b = r->k,
                               .b_row = r->key_row,
                               .factor = &ONCE});
    multiply(&(matrix_product){.shape = LEFT_UPPER,
                               .m = C,
                               .n = r->keys,
                               .k = C,
                               .c = r->dk,
                               .c_row = r->key_row,
                               .a = r->dp,
                               .a_m = 1,
                               .a_k = SQUARE_ROW,
                               .b = r->k,
                               .b_row = r->key_row,
                               .factor = &ONCE});
}

// Of log decays, from what p, reads and writes hold and what of the state survives.
static void decays_back(const kernel_chunk_gradient *g, const chunk_room *r) {
    _Alignas(64) float sums[FV_CHUNK_WIDEST];
    double survives = 0, later = 0, earlier = 0;
    dot_rows(g->dstate, g->forward.state, r->value_row, r->keys, r->values, sums);
    for (int i = 0; i < r->keys; i++) survives += (double)sums[i];
    survives *= (double)r->whole;
    for (int t = C - 2; t > 0; t--) // pairs that cross t: all rows from t on, left of t
        for (int s = 0; s < t; s += VW) {
            float *p = r->p + t * SQUARE_ROW + s;
            vf_store(p, vf_load(p) + vf_and(vf_load(p + SQUARE_ROW), lanes_before(t, s)));
        }
    for (int t = 0; t < C; t += 16) {
        vf acc[16][PARTS];
        for (int i = 0; i < 16; i++) UNROLL for (int part = 0; part < PARTS; part++) {
                acc[i][part] = vf_set1(0);
                for (int s = part * VW; s < C; s += L)
                    acc[i][part] += vf_load(r->p + (t + i) * SQUARE_ROW + s);
            }
        reduce16(acc, r->dlog + t);
    }
    for (int t = 0; t < C; earlier += (double)r->writes[t++])
        r->dlog[t] = (float)((double)r->dlog[t] + earlier + survives);
    for (int t = C - 1; t >= 0; t--) {
        later += (double)r->reads[t];
        r->dlog[t] = (float)((double)r->dlog[t] + later);
    }
}

static void state_back(const kernel_chunk_gradient *g, const chunk_room *r) {
    matrix_product x = {.m = r->keys,
                        .n = r->values,
                        .k = C,
                        .c = g->dstate,
                        .c_row = r->value_row,
                        .a = r->q,
                        .a_m = 1,
                        .a_k = r->key_row,
                        .b = r->early_dy,
                        .b_row = r->value_row,
                        .factor = &r->whole};
    multiply(&x);
    if (g->forward.replaces) {
        x.a = r->k, x.b = r->dheld, x.factor = &ONCE;
        multiply(&x);
    }
    flush_rows(g->dstate, r->keys, r->values, r->value_row);
}

// Padded rows times factor to rows `to_row` floats apart.
static void unpack(int n, const float *from, ptrdiff_t row, int width, float factor, bool adds,
                   float *to, ptrdiff_t to_row) {
    for (int t = 0; t < n; t++)
        for (int f = 0; f < width; f++) {
            float x = from[t * row + f] * factor;
            to[t * to_row + f] = adds ? to[t * to_row + f] + x : x;
        }
}

static void hand_back(const kernel_chunk_gradient *g, const chunk_room *r) {
    const kernel_chunk *j = &g->forward;
    unpack(j->n, r->dq, r->key_row, j->n_key, j->scale, g->adds, g->dq, j->key_row);
    unpack(j->n, r->dk, r->key_row, j->n_key, 1, g->adds, g->dk, j->key_row);
    unpack(j->n, r->dw, r->value_row, j->n_value, 1, false, g->dv, j->value_row);
    if (g->drate) unpack(j->n, r->drate, 1, 1, 1, false, g->drate, j->head_row);
    if (g->dlog_decay) unpack(j->n, r->dlog, 1, 1, 1, false, g->dlog_decay, j->head_row);
}

void KERNEL(chunk_gradient)(const kernel_chunk_gradient *g) {
    const kernel_chunk *j = &g->forward;
    chunk_room r = room_of(j);
    begin_chunk(j, &r, true);
    pack(j, g->dy, j->value_row, j->n_value, 1, r.y, r.value_row);
    scale(r.y, r.since, r.values, r.value_row, r.early_dy);
    transpose(r.w, r.value_row, C, r.values, r.wt, SQUARE_ROW);
    transpose(j->state, r.value_row, r.keys, r.values, r.st, r.key_row);
    transpose(g->dstate, r.value_row, r.keys, r.values, r.dst, r.key_row);
    written_back(g, &r);
    pairs_back(&r);
    queries_back(&r);
    keys_back(&r);
    if (j->replaces) {
        delta_back(&r);
    } else {
        dot_rows(r.v, r.dw, r.value_row, C, r.values, r.drate);
        scale(r.dw, r.rate, r.values, r.value_row, r.dw);
    }
    if (g->dlog_decay) decays_back(g, &r);
    state_back(g, &r);
    hand_back(g, &r);
}
