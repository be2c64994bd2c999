// The reference of recurrences whose state is a matrix; a part of reference.c.

static real *in_row(kernel_rows rows, ptrdiff_t row, int feature, int l) {
    return rows.data + row * rows.stride + feature * L + l;
}

// Number i of the key of head h, and of its decay.
static int key_at(const kernel_recurrence *a, int h, int i) {
    return (a->shared ? 0 : h * a->n_key) + i;
}
static real decay_at(const kernel_recurrence *a, ptrdiff_t row, int h, int i, int l) {
    if (a->n_decay == 0) return 1;
    return *in_row(a->decay, row, a->n_decay == 1 ? h : h * a->n_key + i, l);
}
static real rate_at(const kernel_recurrence *a, ptrdiff_t row, int h, int l) {
    return a->rate.data ? *in_row(a->rate, row, h, l) : 1;
}

// Column j of a state moves on to position `row`; returns v less what was held for the key.
static real recur(const kernel_recurrence *a, ptrdiff_t row, int h, int j, int l, real *state) {
    real held = 0;
    for (int i = 0; i < a->n_key; i++) {
        state[i] *= decay_at(a, row, h, i, l);
        held += *in_row(a->k, row, key_at(a, h, i), l) * state[i];
    }
    real v = *in_row(a->v, row, h * a->n_value + j, l), left = a->replaces ? v - held : v;
    for (int i = 0; i < a->n_key; i++)
        state[i] = kernel_flush(state[i] + *in_row(a->k, row, key_at(a, h, i), l) *
                                               rate_at(a, row, h, l) * left,
                                FV_LEAST);
    return left;
}

static void recurrence_column(const kernel_recurrence *a, int g, int h, int j, int l) {
    real state[FV_RECURRENCE_MAX_KEY] = {0};
    for (int t = 0, o = 0; t < a->n_rows && o < a->n_outputs; t++) {
        ptrdiff_t row = (ptrdiff_t)g * a->n_rows + t, out = (ptrdiff_t)g * a->n_outputs + o;
        recur(a, row, h, j, l, state);
        if (a->rows[o] != t) continue;
        real sum = 0;
        for (int i = 0; i < a->n_key; i++) sum += *in_row(a->q, out, key_at(a, h, i), l) * state[i];
        real skip = a->skip ? a->skip[h] * *in_row(a->v, row, h * a->n_value + j, l) : 0;
        *in_row(a->y, out, h * a->n_value + j, l) = a->scale * sum + skip;
        o++;
    }
}

#define EACH_COLUMN(a)                                                                             \
    for (int g = 0; g < (a)->n_groups; g++)                                                        \
        for (int h = 0; h < (a)->n_heads; h++)                                                     \
            for (int j = 0; j < (a)->n_value; j++)                                                 \
                for (int l = 0; l < L; l++)

void KERNEL(recurrence)(const kernel_recurrence *a) {
    EACH_COLUMN(a) recurrence_column(a, g, h, j, l);
}

// What an output hands back to the state's column and to its query.
static void output_back(const kernel_recurrence_gradient *b, ptrdiff_t row, ptrdiff_t out, int h,
                        int j, int l, const real *state, real *dstate) {
    const kernel_recurrence *a = &b->forward;
    real dy = *in_row(b->dy, out, h * a->n_value + j, l);
    for (int i = 0; i < a->n_key; i++) {
        dstate[i] += a->scale * dy * *in_row(a->q, out, key_at(a, h, i), l);
        *in_row(b->dq, out, key_at(a, h, i), l) += a->scale * dy * state[i];
    }
    if (a->skip == NULL) return;
    *in_row(b->dv, row, h * a->n_value + j, l) += a->skip[h] * dy;
    b->dskip[h] += dy * *in_row(a->v, row, h * a->n_value + j, l);
}

// Back from a state to the one before it; `left` is what recur returned.
static void recur_back(const kernel_recurrence_gradient *b, ptrdiff_t row, int h, int j, int l,
                       const real *before, real left, real *dstate) {
    const kernel_recurrence *a = &b->forward;
    real rate = rate_at(a, row, h, l), dadded = 0;
    for (int i = 0; i < a->n_key; i++) {
        dadded += *in_row(a->k, row, key_at(a, h, i), l) * dstate[i];
        *in_row(b->dk, row, key_at(a, h, i), l) += rate * left * dstate[i];
    }
    *in_row(b->dv, row, h * a->n_value + j, l) += rate * dadded;
    if (a->rate.data) *in_row(b->drate, row, h, l) += left * dadded;
    for (int i = 0; i < a->n_key; i++) {
        real decay = decay_at(a, row, h, i, l);
        if (a->replaces) {
            *in_row(b->dk, row, key_at(a, h, i), l) -= rate * dadded * decay * before[i];
            dstate[i] -= rate * dadded * *in_row(a->k, row, key_at(a, h, i), l);
        }
        if (a->n_decay > 0)
            *in_row(b->ddecay, row, a->n_decay == 1 ? h : h * a->n_key + i, l) +=
                dstate[i] * before[i];
        dstate[i] = kernel_flush(dstate[i] * decay, FV_LEAST);
    }
}

static void recurrence_column_back(const kernel_recurrence_gradient *b, int g, int h, int j,
                                   int l) {
    const kernel_recurrence *a = &b->forward;
    const int n = a->n_key;
    real dstate[FV_RECURRENCE_MAX_KEY] = {0}, state[FV_RECURRENCE_MAX_KEY] = {0};
    for (int t = 0; t < a->n_rows; t++) { // kept: the states, and what was left, [rows][K + 1]
        real *kept = b->scratch + (size_t)t * (size_t)(n + 1);
        kept[n] = recur(a, (ptrdiff_t)g * a->n_rows + t, h, j, l, state);
        for (int i = 0; i < n; i++) kept[i] = state[i];
    }
    static const real NONE[FV_RECURRENCE_MAX_KEY];
    for (int t = a->n_rows - 1, o = a->n_outputs - 1; t >= 0; t--) {
        ptrdiff_t row = (ptrdiff_t)g * a->n_rows + t;
        const real *kept = b->scratch + (size_t)t * (size_t)(n + 1);
        if (o >= 0 && a->rows[o] == t) {
            output_back(b, row, (ptrdiff_t)g * a->n_outputs + o, h, j, l, kept, dstate);
            o--;
        }
        recur_back(b, row, h, j, l, t > 0 ? kept - (n + 1) : NONE, kept[n], dstate);
    }
}

static void clear_features(kernel_rows rows, ptrdiff_t n_rows, int n_features) {
    for (ptrdiff_t r = 0; r < n_rows && rows.data; r++)
        for (int i = 0; i < n_features * L; i++) rows.data[r * rows.stride + i] = 0;
}

void KERNEL(recurrence_gradient)(const kernel_recurrence_gradient *b) {
    const kernel_recurrence *a = &b->forward;
    const ptrdiff_t n_in = (ptrdiff_t)a->n_groups * a->n_rows;
    const int keys = (a->shared ? 1 : a->n_heads) * a->n_key;
    clear_features(b->dq, (ptrdiff_t)a->n_groups * a->n_outputs, keys);
    clear_features(b->dk, n_in, keys);
    clear_features(b->dv, n_in, a->n_heads * a->n_value);
    clear_features(b->ddecay, n_in, a->n_heads * a->n_decay);
    clear_features(b->drate, n_in, a->n_heads);
    EACH_COLUMN(a) recurrence_column_back(b, g, h, j, l);
}

#define EACH_FEATURE(a)                                                                            \
    for (ptrdiff_t r = 0; r < (a)->n_rows; r++)                                                    \
        for (int f = 0; f < (a)->n_features; f++)                                                  \
            for (int l = 0; l < L; l++)

static real before_softplus(const kernel_decay *a, ptrdiff_t r, int f, int l) {
    real x = *in_row(a->x, r, f, l);
    return (a->negative ? -x : x) + (a->bias ? a->bias[f] : 0);
}

void KERNEL(decay)(const kernel_decay *a) {
    EACH_FEATURE(a) {
        real step = softplus(before_softplus(a, r, f, l));
        *in_row(a->step, r, f, l) = step;
        *in_row(a->decay, r, f, l) = kernel_exp_share(a->factor[f] * step);
    }
}

void KERNEL(decay_gradient)(const kernel_decay_gradient *b) {
    const kernel_decay *a = &b->forward;
    EACH_FEATURE(a) {
        real ddecay = *in_row(b->ddecay, r, f, l) * *in_row(a->decay, r, f, l);
        real dstep = ddecay * a->factor[f] + (b->dstep.data ? *in_row(b->dstep, r, f, l) : 0);
        real d = kernel_flush(dstep * sigmoid(before_softplus(a, r, f, l)), FV_LEAST);
        *in_row(b->dx, r, f, l) = a->negative ? -d : d;
        if (b->dfactor) b->dfactor[f] += ddecay * *in_row(a->step, r, f, l);
        if (b->dbias) b->dbias[f] += d;
    }
}

void KERNEL(ratio)(const kernel_ratio *a) {
    EACH_FEATURE(a) {
        real below = *in_row(a->x, r, a->n_features, l) + FV_RATIO_LEAST;
        *in_row(a->y, r, f, l) = *in_row(a->x, r, f, l) / below;
    }
}

void KERNEL(ratio_gradient)(const kernel_ratio_gradient *b) {
    const kernel_ratio *a = &b->forward;
    for (ptrdiff_t r = 0; r < a->n_rows; r++)
        for (int l = 0; l < L; l++) {
            real inverse = 1 / (*in_row(a->x, r, a->n_features, l) + FV_RATIO_LEAST), sum = 0;
            for (int f = 0; f < a->n_features; f++) {
                real d = *in_row(b->dy, r, f, l) * inverse;
                *in_row(b->dx, r, f, l) = d;
                sum += d * *in_row(a->y, r, f, l);
            }
            *in_row(b->dx, r, a->n_features, l) = -sum;
        }
}

#ifndef FOVEA_DOUBLE
void KERNEL(state_step)(const kernel_state_step *a) {
    for (int j = 0; j < a->n_columns; j++) {
        float held = 0, sum = 0;
        for (int i = 0; i < a->n_key; i++) {
            float *s = a->state + (size_t)i * (size_t)a->n_columns + j;
            *s *= a->n_decay == 0 ? 1 : a->decay[a->n_decay == 1 ? 0 : i];
            held += a->k[i] * *s;
        }
        float added = a->rate * (a->replaces ? a->v[j] - held : a->v[j]);
        for (int i = 0; i < a->n_key; i++) {
            float *s = a->state + (size_t)i * (size_t)a->n_columns + j;
            *s = kernel_flush(*s + a->k[i] * added, FV_LEAST);
            if (a->q) sum += a->q[i] * *s;
        }
        if (a->q) a->y[j] = sum;
    }
}
#endif
