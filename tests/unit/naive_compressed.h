// Native sparse attention by its definition (src/model/nsa.h), query by query and head by head.

// Weights of n scores by a softmax over those that are finite.
static void naive_nsa_weigh(double *p, int n) {
    bool any = false;
    for (int j = 0; j < n; j++) any |= isfinite(p[j]);
    if (any)
        naive_softmax(p, n);
    else
        memset(p, 0, sizeof *p * (size_t)n);
}

static double naive_dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int f = 0; f < n; f++) sum += a[f] * b[f];
    return sum;
}

// Entries of `rows` rows: one of model.compress_block rows every model.compress_stride.
static int naive_stride(const fv_model_config *c) {
    return c->compress_stride > 0 ? c->compress_stride : c->compress_block;
}
static int naive_entries(const fv_model_config *c, int rows) {
    int n = 0;
    while (n * naive_stride(c) + c->compress_block <= rows) n++;
    return n;
}

// What a learned map makes entry e of the head's rows x [T][d]; of one with a hidden layer by map_b and map_out.
static void naive_entry(const naive *n, const char *map, int layer, const double *x, int e,
                        int width, double *y) {
    const fv_model_config *c = &n->config->model;
    const int hidden = c->compress_hidden, columns = hidden > 0 ? hidden : width;
    double inner[512], *to = hidden > 0 ? inner : y;
    char name[64];
    const double *w = naive_param(n, map, layer);
    for (int o = 0; o < columns; o++) {
        to[o] = 0;
        for (int p = 0; p < c->compress_block; p++)
            for (int f = 0; f < width; f++)
                to[o] += x[(e * naive_stride(c) + p) * n->d + f] * w[(p * width + f) * columns + o];
    }
    if (hidden == 0) return;
    snprintf(name, sizeof name, "%s_b", map);
    const double *b = naive_param(n, name, layer);
    for (int o = 0; o < hidden; o++)
        inner[o] = naive_activation(FV_ACTIVATION_GELU, inner[o] + b[o]);
    snprintf(name, sizeof name, "%s_out", map);
    naive_linear(inner, naive_param(n, name, layer), NULL, hidden, width, y);
}

// The blocks that the heads of `group` keep for query t, of their weights of entries [heads][n_entries].
static void naive_nsa_choose(const fv_model_config *c, int t, int group, int together,
                             const double *weights, int n_entries, bool *kept) {
    const int block = c->nsa_block > 0 ? c->nsa_block : c->compress_block, own = t / block;
    double ranks[512], last = INFINITY;
    memset(kept, 0, sizeof *kept * 512);
    kept[own] = true;
    for (int u = 0; u < c->nsa_first; u++) kept[u] = true;
    for (int u = 0; u < own; u++) {
        ranks[u] = 0;
        for (int e = 0; e < naive_entries(c, t + 1); e++)
            for (int p = 0; p < c->compress_block; p++)
                for (int h = group * together; h < (group + 1) * together; h++)
                    if ((e * naive_stride(c) + p) / block == u)
                        ranks[u] += weights[h * n_entries + e] / together / c->compress_block;
    }
    for (int left = c->compress_k - 1 - c->nsa_first; left >= 0; left--) {
        int best = -1;
        for (int u = 0; u < own; u++)
            if (!kept[u] && (best < 0 || ranks[u] > ranks[best] * (1 + 1e-12))) best = u;
        if (best < 0) return;
        if (left == 0) {
            // The same block twice stays the same, of which the first is kept.
            if (last - ranks[best] >= 1e-12) naive_margin = fmin(naive_margin, last - ranks[best]);
            return;
        }
        kept[best] = true;
        last = ranks[best];
    }
}

static void naive_nsa(const naive *n, int layer) {
    static const char *const NAMES[3][3] = {
        {"blocks.%d.nsa.compressed.W_K", "blocks.%d.nsa.compressed.W_V",
         "blocks.%d.nsa.compressed.W_G"},
        {"blocks.%d.nsa.selected.W_K", "blocks.%d.nsa.selected.W_V", "blocks.%d.nsa.selected.W_G"},
        {"blocks.%d.nsa.window.W_K", "blocks.%d.nsa.window.W_V", "blocks.%d.nsa.window.W_G"}};
    const fv_model_config *c = &n->config->model;
    const int d = n->d, T = n->T, H = c->n_head, width = d / H;
    const int block = c->nsa_block > 0 ? c->nsa_block : c->compress_block;
    const int n_kv = c->n_kv_head > 0 ? c->n_kv_head : H, together = H / n_kv;
    const int kv = n_kv * width, n_blocks = naive_entries(c, T);
    const size_t rows = (size_t)(T * d);
    double *normed = calloc(10 * rows, sizeof *normed), *q = normed + rows, *turned = q + rows,
           *k[3], *v[3];
    for (int b = 0; b < 3; b++) {
        k[b] = turned + (size_t)(2 * b + 1) * rows;
        v[b] = k[b] + rows;
    }
    naive_norm_rows(n, "blocks.%d.ln_nsa.w", "blocks.%d.ln_nsa.b", layer, normed);
    for (int t = 0; t < T; t++) {
        const double *x = normed + t * d;
        naive_linear(x, naive_param(n, "blocks.%d.nsa.W_Q", layer), NULL, d, d, q + t * d);
        memcpy(turned + t * d, q + t * d, sizeof *q * (size_t)d);
        for (int b = 0; b < 3; b++) {
            naive_linear(x, naive_param(n, NAMES[b][0], layer), NULL, d, kv, k[b] + t * d);
            naive_linear(x, naive_param(n, NAMES[b][1], layer), NULL, d, kv, v[b] + t * d);
        }
        for (int h = 0; h < H && c->positions == FV_POSITIONS_ROPE; h++)
            naive_turn(n, t, turned + t * d + h * width);
        for (int h = 0; h < n_kv && c->positions == FV_POSITIONS_ROPE; h++) {
            naive_turn(n, t, k[1] + t * d + h * width);
            naive_turn(n, t, k[2] + t * d + h * width);
        }
    }
    double *p = calloc((size_t)(H * (n_blocks + 1) + T), sizeof *p), *far = p + T;
    double *z = calloc((size_t)d, sizeof *z), *y = calloc((size_t)d, sizeof *y);
    for (int t = 0; t < T; t++) {
        const double *x = normed + t * d;
        double gates[3][64], entry[512];
        bool kept[512];
        memset(z, 0, sizeof *z * (size_t)d);
        for (int b = 0; b < 3; b++)
            naive_linear(x, naive_param(n, NAMES[b][2], layer), NULL, d, H, gates[b]);
        for (int h = 0; h < H; h++) { // compressed
            const int shared = h / together * width;
            double *weights = far + h * n_blocks, share = 1 / (1 + exp(-gates[0][h]));
            for (int u = 0; u < n_blocks; u++) {
                weights[u] = -INFINITY;
                if (u >= naive_entries(c, t + 1)) continue;
                naive_entry(n, "blocks.%d.nsa.compress_K", layer, k[0] + shared, u, width, entry);
                weights[u] = naive_dot(q + t * d + h * width, entry, width) / sqrt(width);
            }
            naive_nsa_weigh(weights, n_blocks);
            for (int u = 0; u < n_blocks; u++) {
                if (u >= naive_entries(c, t + 1)) continue;
                naive_entry(n, "blocks.%d.nsa.compress_V", layer, v[0] + shared, u, width, entry);
                for (int f = 0; f < width; f++) z[h * width + f] += share * weights[u] * entry[f];
            }
        }
        for (int h = 0; h < H; h++)
            for (int b = 1; b < 3; b++) { // selected, window
                const int shared = h / together * width;
                const double share = 1 / (1 + exp(-gates[b][h]));
                naive_nsa_choose(c, t, h / together, together, far, n_blocks, kept);
                for (int j = 0; j <= t; j++) {
                    bool sees = b == 1 ? kept[j / block] : j > t - c->compress_window;
                    p[j] =
                        sees ? naive_dot(turned + t * d + h * width, k[b] + j * d + shared, width) /
                                   sqrt(width)
                             : -INFINITY;
                }
                naive_nsa_weigh(p, t + 1);
                for (int j = 0; j <= t; j++)
                    for (int f = 0; f < width; f++)
                        z[h * width + f] += share * p[j] * v[b][j * d + shared + f];
            }
        naive_linear(z, naive_param(n, "blocks.%d.nsa.W_O", layer), NULL, d, d, y);
        for (int f = 0; f < d; f++) n->x[t * d + f] = y[f] + (c->residual ? n->x[t * d + f] : 0);
    }
    free(p);
    free(z);
    free(y);
    free(normed);
}

// Compressed entries and a window by their definition (src/model/compressed_attention.c).
static void naive_compressed(const naive *n, int layer) {
    const fv_model_config *c = &n->config->model;
    const int d = n->d, T = n->T, H = c->n_head, width = d / H, block = c->compress_block;
    const int n_kv = c->n_kv_head > 0 ? c->n_kv_head : H, together = H / n_kv;
    const int kv = n_kv * width, n_blocks = naive_entries(c, T);
    const bool turns = c->positions == FV_POSITIONS_ROPE;
    const size_t rows = (size_t)(T * d);
    double *normed = calloc(4 * rows + (size_t)(H * (n_blocks + T)), sizeof *normed);
    double *q = normed + rows, *k = q + rows, *v = k + rows, *scores = v + rows;
    double z[256], y[256], entry[256], key[256];
    naive_norm_rows(n, "blocks.%d.ln_compressed.w", "blocks.%d.ln_compressed.b", layer, normed);
    for (int t = 0; t < T; t++) {
        const double *x = normed + t * d;
        naive_linear(x, naive_param(n, "blocks.%d.compressed.W_Q", layer), NULL, d, d, q + t * d);
        naive_linear(x, naive_param(n, "blocks.%d.compressed.W_K", layer), NULL, d, kv, k + t * d);
        naive_linear(x, naive_param(n, "blocks.%d.compressed.W_V", layer), NULL, d, kv, v + t * d);
        for (int h = 0; h < H && turns; h++) naive_turn(n, t, q + t * d + h * width);
    }
    for (int t = 0; t < T; t++) {
        const int whole = naive_entries(c, t + 1);
        memset(z, 0, sizeof z);
        for (int h = 0; h < H; h++) {
            const int shared = h / together * width;
            double *p = scores + h * (n_blocks + T);
            for (int j = 0; j < n_blocks + T; j++) {
                const int at = j < n_blocks ? j * naive_stride(c) + block - 1 : j - n_blocks;
                p[j] = -INFINITY;
                if (at > t || (j >= n_blocks && at <= t - c->compress_window)) continue;
                if (j < n_blocks)
                    naive_entry(n, "blocks.%d.compressed.compress_K", layer, k + shared, j, width,
                                key);
                else
                    memcpy(key, k + at * d + shared, sizeof *key * (size_t)width);
                if (turns) naive_turn(n, at, key);
                p[j] = naive_dot(q + t * d + h * width, key, width) / sqrt(width);
            }
        }
        for (int group = 0; group < n_kv && c->compress_k > 0 && whole > c->compress_k; group++) {
            double ranks[512] = {0}, sorted[512];
            for (int h = group * together; h < (group + 1) * together; h++) {
                double share[512];
                memcpy(share, scores + h * (n_blocks + T), sizeof *share * (size_t)whole);
                naive_softmax(share, whole);
                for (int u = 0; u < whole; u++) ranks[u] += share[u] / together;
            }
            int kept = 0;
            memcpy(sorted, ranks, sizeof *sorted * (size_t)whole);
            for (int a = 0; a < whole; a++) // descending
                for (int b = a + 1; b < whole; b++)
                    if (sorted[b] > sorted[a]) {
                        double larger = sorted[b];
                        sorted[b] = sorted[a];
                        sorted[a] = larger;
                    }
            const double last = sorted[c->compress_k - 1], next = sorted[c->compress_k];
            if (last - next >= 1e-12) naive_margin = fmin(naive_margin, last - next);
            for (int u = 0; u < whole; u++) {
                bool keeps = ranks[u] > last + 1e-12 ||
                             (fabs(ranks[u] - last) <= 1e-12 && kept < c->compress_k);
                kept += keeps;
                for (int h = group * together; h < (group + 1) * together && !keeps; h++)
                    scores[h * (n_blocks + T) + u] = -INFINITY;
            }
        }
        for (int h = 0; h < H; h++) {
            const int shared = h / together * width;
            double *p = scores + h * (n_blocks + T);
            naive_softmax(p, n_blocks + T);
            for (int j = 0; j < n_blocks + T; j++) {
                if (p[j] == 0) continue;
                if (j < n_blocks)
                    naive_entry(n, "blocks.%d.compressed.compress_V", layer, v + shared, j, width,
                                entry);
                else
                    memcpy(entry, v + (j - n_blocks) * d + shared, sizeof *entry * (size_t)width);
                for (int f = 0; f < width; f++) z[h * width + f] += p[j] * entry[f];
            }
        }
        naive_linear(z, naive_param(n, "blocks.%d.compressed.W_O", layer), NULL, d, d, y);
        for (int f = 0; f < d; f++) n->x[t * d + f] = y[f] + (c->residual ? n->x[t * d + f] : 0);
    }
    free(normed);
}
