// Layers with a matrix for their state, as their papers write them: whole matrices and no shortcuts; a part
// of naive.h.

#define NAIVE_RECURRENCES(X)                                                                       \
    X(LINEAR_ATTENTION, linear_attention)                                                          \
    X(RETNET, retnet)                                                                              \
    X(GLA, gla)                                                                                    \
    X(MAMBA2, mamba2)                                                                              \
    X(DELTANET, deltanet)                                                                          \
    X(GATED_DELTANET, gated_deltanet)

typedef struct naive_state {
    const char *name;
    int H, K, V, taps;
    bool delta, own_decays, shared; // decays of rows; one key for all heads
} naive_state;

static const double *naive_of(const naive *n, const naive_state *s, const char *tensor, int layer) {
    char format[64];
    snprintf(format, sizeof format, "blocks.%%d.%s.%s", s->name, tensor);
    return naive_param(n, format, layer);
}

// x [T][d] through W_<which> and a convolution with SiLU where there is one: malloc [T][width].
static double *naive_strand(const naive *n, const naive_state *s, int layer, const char *which,
                            const char *conv, const double *x, int width) {
    char name[16];
    double *mapped = malloc(sizeof(double) * (size_t)(2 * n->T * width)),
           *y = mapped + n->T * width;
    snprintf(name, sizeof name, "W_%s", which);
    for (int t = 0; t < n->T; t++)
        naive_linear(x + t * n->d, naive_of(n, s, name, layer), NULL, n->d, width,
                     mapped + t * width);
    if (s->taps == 0) return mapped;
    snprintf(name, sizeof name, "conv_%s.w", conv);
    const double *w = naive_of(n, s, name, layer);
    snprintf(name, sizeof name, "conv_%s.b", conv);
    const double *b = strcmp(s->name, "mamba2") == 0 ? naive_of(n, s, name, layer) : NULL;
    for (int t = 0; t < n->T; t++)
        for (int f = 0; f < width; f++) {
            double sum = b ? b[f] : 0;
            for (int back = 0; back < s->taps && back <= t; back++)
                sum += w[f * s->taps + s->taps - 1 - back] * mapped[(t - back) * width + f];
            y[t * width + f] = naive_silu(sum);
        }
    memcpy(mapped, y, sizeof(double) * (size_t)(n->T * width));
    return mapped;
}

static void naive_to_unit(double *x, int n) {
    double square = 0; // as the norm of a model has it: 1e-5 beside the mean square
    for (int i = 0; i < n; i++) square += x[i] * x[i] / n;
    for (int i = 0; i < n; i++) x[i] /= sqrt(square + 1e-5) * sqrt(n);
}

static double naive_softplus(double x) {
    return log1p(exp(x));
}

// Steps and decays of head h at a position: x [d] -> decay [K]; returns the step.
static double naive_decays(const naive *n, const naive_state *s, int layer, int h, const double *x,
                           double *decay) {
    bool is_retnet = strcmp(s->name, "retnet") == 0, is_gla = strcmp(s->name, "gla") == 0;
    double step = 0;
    for (int i = 0; i < s->K; i++) decay[i] = is_retnet ? 1 - pow(2, -5 - h) : 1;
    if (is_retnet || strcmp(s->name, "deltanet") == 0 || strcmp(s->name, "linear_attention") == 0)
        return 0;
    const double *w = naive_of(n, s, "W_decay", layer);
    int width = s->own_decays ? s->H * s->K : s->H;
    for (int i = 0; i < s->K; i++) {
        int at = s->own_decays ? h * s->K + i : h;
        double raw = 0;
        for (int f = 0; f < n->d; f++) raw += x[f] * w[f * width + at];
        if (is_gla) {
            decay[i] = pow(1 / (1 + exp(-raw)), 1 / 16.0);
            continue;
        }
        step = naive_softplus(raw + naive_of(n, s, "dt_bias", layer)[at]);
        decay[i] = exp(-step * exp(naive_of(n, s, "A_log", layer)[h]));
    }
    return step;
}

// One head: q, k rows of q_width numbers from q_first on, v rows of H V -> y [T][H V]. The state's last
// column sums up the keys.
static void naive_head(const naive *n, const naive_state *s, int layer, int h, const double *x,
                       const double *q, const double *k, const double *v, double *y) {
    const int K = s->K, V = s->V, keys = s->shared ? K : s->H * K, first = s->shared ? 0 : h * K;
    bool is_mamba = strcmp(s->name, "mamba2") == 0,
         linear = strcmp(s->name, "linear_attention") == 0;
    bool counts = linear && n->config->model.feature_map == FV_FEATURE_MAP_ELU_PLUS_ONE;
    double *S = calloc((size_t)(K * (V + 1)), sizeof *S), decay[256];
    for (int t = 0; t < n->T; t++) {
        const double *kt = k + t * keys + first, *qt = q + t * keys + first,
                     *vt = v + (t * s->H + h) * V;
        double step = naive_decays(n, s, layer, h, x + t * n->d, decay), rate = is_mamba ? step : 1;
        if (s->delta) {
            double raw = 0;
            const double *w = naive_of(n, s, "W_beta", layer);
            for (int f = 0; f < n->d; f++) raw += x[t * n->d + f] * w[f * s->H + h];
            rate = 1 / (1 + exp(-raw));
        }
        for (int j = 0; j <= V; j++) {
            double held = 0, sum = 0, value = j < V ? vt[j] : 1;
            for (int i = 0; i < K; i++) S[i * (V + 1) + j] *= decay[i];
            for (int i = 0; i < K && s->delta; i++) held += kt[i] * S[i * (V + 1) + j];
            for (int i = 0; i < K; i++) S[i * (V + 1) + j] += rate * kt[i] * (value - held);
            for (int i = 0; i < K; i++) sum += qt[i] * S[i * (V + 1) + j];
            if (j < V)
                y[(t * s->H + h) * V + j] = sum;
            else if (counts)
                for (int f = 0; f < V; f++) y[(t * s->H + h) * V + f] /= sum + 1e-6;
        }
        for (int j = 0; j < V; j++)
            if (is_mamba)
                y[(t * s->H + h) * V + j] += naive_of(n, s, "D", layer)[h] * vt[j];
            else if (!counts)
                y[(t * s->H + h) * V + j] /= sqrt(K);
    }
    free(S);
}

static void naive_rms(double *x, const double *w, int n) {
    double square = 0;
    for (int i = 0; i < n; i++) square += x[i] * x[i] / n;
    for (int i = 0; i < n; i++) x[i] *= w[i] / sqrt(square + 1e-5);
}

// Norms and gate of y [H V] at a position whose input is x.
static void naive_gate(const naive *n, const naive_state *s, int layer, const double *x,
                       double *y) {
    const int width = s->H * s->V;
    bool is_mamba = strcmp(s->name, "mamba2") == 0, is_delta = strcmp(s->name, "deltanet") == 0;
    if (strcmp(s->name, "linear_attention") == 0) return;
    for (int h = 0; h < s->H && !is_mamba; h++)
        naive_rms(y + h * s->V, naive_of(n, s, "norm.w", layer), s->V);
    for (int f = 0; f < width && !is_delta; f++) {
        double gate = 0;
        for (int i = 0; i < n->d; i++) gate += x[i] * naive_of(n, s, "W_G", layer)[i * width + f];
        y[f] *= naive_silu(gate);
    }
    if (is_mamba) naive_rms(y, naive_of(n, s, "norm.w", layer), width);
}

static naive_state naive_state_of(const naive *n, int kind) {
#define NAME_OF(NAME, name) [FV_LAYER_##NAME] = #name,
    static const char *const NAMES[FV_LAYER_COUNT] = {NAIVE_RECURRENCES(NAME_OF)};
#undef NAME_OF
    const fv_model_config *m = &n->config->model;
    naive_state s = {.name = NAMES[kind], .H = m->n_head, .V = n->d / m->n_head};
    s.delta = kind == FV_LAYER_DELTANET || kind == FV_LAYER_GATED_DELTANET;
    s.K = m->recurrent_key > 0 ? m->recurrent_key : s.V;
    s.taps = m->recurrent_conv >= 0 ? m->recurrent_conv : s.delta ? 4 : 0;
    s.own_decays = kind == FV_LAYER_GLA ||
                   (kind == FV_LAYER_GATED_DELTANET && m->decay_of == FV_DECAY_OF_CHANNEL);
    if (kind != FV_LAYER_MAMBA2) return s;
    s.shared = true;
    s.K = m->mamba_state;
    s.V *= m->mamba_expand;
    s.taps = m->mamba_conv;
    return s;
}

static void naive_recurrence(const naive *n, int kind, int layer) {
    naive_state s = naive_state_of(n, kind);
    const int T = n->T, d = n->d, width = s.H * s.V, n_keys = s.shared ? 1 : s.H;
    double *x = malloc(sizeof(double) * (size_t)(T * d + T * width + d)), *y = x + T * d,
           *z = y + T * width;
    char w[64], b[64];
    snprintf(w, sizeof w, "blocks.%%d.ln_%s.w", s.name);
    snprintf(b, sizeof b, "blocks.%%d.ln_%s.b", s.name);
    naive_norm_rows(n, w, b, layer, x);
    double *q = naive_strand(n, &s, layer, "Q", "q", x, n_keys * s.K);
    double *k = naive_strand(n, &s, layer, "K", "k", x, n_keys * s.K);
    double *v = naive_strand(n, &s, layer, "V", "v", x, width);
    bool positive =
        kind == FV_LAYER_LINEAR_ATTENTION && n->config->model.feature_map != FV_FEATURE_MAP_NONE;
    for (int i = 0; i < T * n_keys * s.K && positive; i++) {
        q[i] = q[i] > 0 ? q[i] + 1 : exp(q[i]);
        k[i] = k[i] > 0 ? k[i] + 1 : exp(k[i]);
    }
    for (int i = 0; i < T * n_keys && s.delta; i++) {
        naive_to_unit(q + i * s.K, s.K);
        naive_to_unit(k + i * s.K, s.K);
    }
    for (int h = 0; h < s.H; h++) naive_head(n, &s, layer, h, x, q, k, v, y);
    for (int t = 0; t < T; t++) {
        naive_gate(n, &s, layer, x + t * d, y + t * width);
        naive_linear(y + t * width, naive_of(n, &s, "W_O", layer), NULL, width, d, z);
        for (int f = 0; f < d; f++)
            n->x[t * d + f] = z[f] + (n->config->model.residual ? n->x[t * d + f] : 0);
    }
    free(q);
    free(k);
    free(v);
    free(x);
}

static void naive_short_convolution(const naive *n, int layer) {
    const int T = n->T, d = n->d, taps = n->config->model.conv_taps;
    double *x = malloc(sizeof(double) * (size_t)(T * d));
    const double *w = naive_param(n, "blocks.%d.conv.w", layer);
    naive_norm_rows(n, "blocks.%d.ln_conv.w", "blocks.%d.ln_conv.b", layer, x);
    for (int t = 0; t < T; t++)
        for (int f = 0; f < d; f++) {
            double sum = n->config->model.residual ? n->x[t * d + f] : 0;
            for (int back = 0; back < taps && back <= t; back++)
                sum += w[f * taps + taps - 1 - back] * x[(t - back) * d + f];
            n->x[t * d + f] = sum;
        }
    free(x);
}
