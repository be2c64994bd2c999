// The reference of the convolution and the scan of a Mamba layer; a part of reference.c.

static real sigmoid(real x) {
    return x > 0 ? 1 / (1 + real_exp(-x)) : kernel_exp_share(x) / (1 + kernel_exp_share(x));
}

static real softplus(real x) {
    return (x <= 0 ? 0 : x) + real_log1p(kernel_exp_share(x > 0 ? -x : x));
}

static real silu_slope(real x) {
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
}

// Element of row t, feature f, lane l in group g of [G][n_rows][n_features][16].
static size_t element(int n_rows, int n_features, int g, int t, int f, int l) {
    return ((((size_t)g * n_rows) + t) * n_features + f) * L + l;
}

static real conv_before_silu(const kernel_conv *a, int g, int t, int f, int l) {
    real sum = a->b ? a->b[f] : 0;
    for (int k = 0; k < a->width; k++) {
        int from = t - a->width + 1 + k;
        if (from < 0) continue;
        sum += a->w[f * a->width + k] * a->x[element(a->n_rows, a->n_features, g, from, f, l)];
    }
    return sum;
}

void KERNEL(conv)(const kernel_conv *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t++)
            for (int f = 0; f < a->n_features; f++)
                for (int l = 0; l < L; l++) {
                    real y = conv_before_silu(a, g, t, f, l);
                    a->y[element(a->n_rows, a->n_features, g, t, f, l)] =
                        a->plain ? y : y * sigmoid(y);
                }
}

static void conv_sample_gradient(const kernel_conv_gradient *b, int g, int f, int l) {
    const kernel_conv *a = &b->forward;
    for (int t = 0; t < a->n_rows; t++) {
        size_t at_t = element(a->n_rows, a->n_features, g, t, f, l);
        if (!a->plain) b->dy[at_t] *= silu_slope(conv_before_silu(a, g, t, f, l));
        b->dx[at_t] = 0;
        if (b->db) b->db[f] += b->dy[at_t];
        for (int k = 0; k < a->width; k++) {
            int from = t - a->width + 1 + k;
            if (from < 0) continue;
            size_t at_from = element(a->n_rows, a->n_features, g, from, f, l);
            b->dx[at_from] += b->dy[at_t] * a->w[f * a->width + k];
            b->dw[f * a->width + k] += b->dy[at_t] * a->x[at_from];
        }
    }
}

void KERNEL(conv_gradient)(const kernel_conv_gradient *b) {
    for (int g = 0; g < b->forward.n_groups; g++)
        for (int f = 0; f < b->forward.n_features; f++)
            for (int l = 0; l < L; l++) conv_sample_gradient(b, g, f, l);
}

// The output that row t is, or -1.
static int output_of(const kernel_scan *s, int t) {
    for (int o = 0; o < s->n_outputs; o++)
        if (s->rows[o] == t) return o;
    return -1;
}

// Runs number n of channel f's state over all positions; adds it to the outputs' sums, or keeps it
// in states [rows][16].
static void scan_state(const kernel_scan *s, int g, int f, int n, int l, real *states) {
    real h = 0, a = s->a[f * s->n_state + n];
    for (int t = 0; t < s->n_rows; t++) {
        size_t i = element(s->n_rows, s->n_channels, g, t, f, l);
        real b = s->b.data[((ptrdiff_t)g * s->n_rows + t) * s->b.stride + n * L + l];
        h = kernel_flush(kernel_exp_share(s->delta[i] * a) * h + s->delta[i] * s->u[i] * b,
                         FV_LEAST);
        int o = output_of(s, t);
        if (states)
            states[t * L] = h;
        else if (o >= 0)
            s->sum[element(s->n_outputs, s->n_channels, g, o, f, l)] +=
                h * s->c[element(s->n_outputs, s->n_state, g, o, n, l)];
    }
}

static void scan_sample(const kernel_scan *s, int g, int f, int l) {
    for (int t = 0; t < s->n_rows; t++) {
        size_t i = element(s->n_rows, s->n_channels, g, t, f, l);
        int o = output_of(s, t);
        s->delta[i] = softplus(s->raw[i] + s->bias[f]);
        if (o >= 0) s->sum[element(s->n_outputs, s->n_channels, g, o, f, l)] = s->skip[f] * s->u[i];
    }
    for (int n = 0; n < s->n_state; n++) scan_state(s, g, f, n, l, NULL);
    for (int o = 0; o < s->n_outputs; o++) {
        size_t i = element(s->n_outputs, s->n_channels, g, o, f, l);
        s->y[i] = s->sum[i] * s->z[i] * sigmoid(s->z[i]);
    }
}

void KERNEL(scan)(const kernel_scan *s) {
    for (int g = 0; g < s->n_groups; g++)
        for (int f = 0; f < s->n_channels; f++)
            for (int l = 0; l < L; l++) scan_sample(s, g, f, l);
}

// Back through number n of the state. draw gathers the gradient of delta.
static void scan_state_gradient(const kernel_scan_gradient *b, int g, int f, int n, int l) {
    const kernel_scan *s = &b->forward;
    real *states = b->scratch + l, dh = 0, a = s->a[f * s->n_state + n];
    scan_state(s, g, f, n, l, states);
    for (int t = s->n_rows - 1; t >= 0; t--) {
        size_t i = element(s->n_rows, s->n_channels, g, t, f, l);
        ptrdiff_t row = (ptrdiff_t)g * s->n_rows + t;
        int o = output_of(s, t);
        if (o >= 0) {
            size_t j = element(s->n_outputs, s->n_channels, g, o, f, l);
            size_t k = element(s->n_outputs, s->n_state, g, o, n, l);
            real dsum = b->dy[j] * s->z[j] * sigmoid(s->z[j]);
            dh += dsum * s->c[k];
            b->dc[k] += dsum * states[t * L];
        }
        real decay = kernel_exp_share(s->delta[i] * a), before = t > 0 ? states[(t - 1) * L] : 0;
        real bt = s->b.data[row * s->b.stride + n * L + l];
        b->db.data[row * b->db.stride + n * L + l] += dh * s->delta[i] * s->u[i];
        b->du[i] += dh * bt * s->delta[i];
        if (real_abs(dh * decay) < FV_LEAST) decay = 0;
        b->draw[i] += dh * (bt * s->u[i] + decay * before * a);
        b->da[f * s->n_state + n] += dh * decay * before * s->delta[i];
        dh *= decay;
    }
}

static void scan_sample_gradient(const kernel_scan_gradient *b, int g, int f, int l) {
    const kernel_scan *s = &b->forward;
    for (int t = 0; t < s->n_rows; t++) {
        size_t i = element(s->n_rows, s->n_channels, g, t, f, l);
        b->du[i] = b->draw[i] = 0;
    }
    for (int n = 0; n < s->n_state; n++) scan_state_gradient(b, g, f, n, l);
    for (int t = 0; t < s->n_rows; t++) {
        size_t i = element(s->n_rows, s->n_channels, g, t, f, l);
        b->draw[i] *= sigmoid(s->raw[i] + s->bias[f]);
    }
    for (int o = 0; o < s->n_outputs; o++) {
        size_t i = element(s->n_outputs, s->n_channels, g, o, f, l);
        size_t j = element(s->n_rows, s->n_channels, g, s->rows[o], f, l);
        real dsum = b->dy[i] * s->z[i] * sigmoid(s->z[i]);
        b->du[j] += dsum * s->skip[f];
        b->dskip[f] += dsum * s->u[j];
        b->dz[i] = b->dy[i] * s->sum[i] * silu_slope(s->z[i]);
    }
}

void KERNEL(scan_gradient)(const kernel_scan_gradient *b) {
    const kernel_scan *s = &b->forward;
    for (int g = 0; g < s->n_groups; g++)
        for (int n = 0; n < s->n_state; n++)
            for (int l = 0; l < L; l++) {
                for (int t = 0; t < s->n_rows; t++)
                    b->db.data[((ptrdiff_t)g * s->n_rows + t) * b->db.stride + n * L + l] = 0;
                for (int o = 0; o < s->n_outputs; o++)
                    b->dc[element(s->n_outputs, s->n_state, g, o, n, l)] = 0;
            }
    for (int g = 0; g < s->n_groups; g++)
        for (int f = 0; f < s->n_channels; f++)
            for (int l = 0; l < L; l++) scan_sample_gradient(b, g, f, l);
}
