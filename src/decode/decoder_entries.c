// Layers with compressed keys (model/nsa.h, model/compressed_attention.c) in pieces of positions: keys, values and
// the entries that are made of them stay for all later queries, each of which looks at them in plain loops and in
// double precision. These layers are for what they learn; nothing here is fast.
#include "decode/decoder_plan.h"
#include "model/compress.h"
#include "model/nsa.h"

#include <math.h>
#include <string.h>

enum entries_map {
    MAP_Q,
    MAP_OUT,
    MAP_K,
    MAP_V = MAP_K + NSA_BRANCHES,
    MAP_G = MAP_V + NSA_BRANCHES
};
enum entries_array { BLOCKS, BIASES = BLOCKS + 2, OUTS = BIASES + 2 }; // of keys, of values

static decoder_entries *of(decoder_layer *layer) {
    return &layer->entries;
}

// --- weights -------------------------------------------------------------------------------------

static const fv_tensor *tensor_of(decoder_loader *l, const decoder_layer *layer, const char *room,
                                  const char *name) {
    char format[64];
    snprintf(format, sizeof format, "blocks.%%d.%s.%s", room, name);
    return decoder_tensor(l, layer, format);
}

static decode_projection map_of(decoder_loader *l, const decoder_layer *layer, const char *room,
                                const char *name) {
    const fv_tensor *w = tensor_of(l, layer, room, name);
    return decoder_load_map(l, w, 0, w->shape[1], NULL);
}

static void load_compression(decoder_loader *l, decoder_layer *layer, const char *room) {
    static const char *const names[] = {"compress_K",   "compress_V",     "compress_K_b",
                                        "compress_V_b", "compress_K_out", "compress_V_out"};
    for (int i = 0; i < 6; i++) {
        const fv_tensor *values = tensor_of(l, layer, room, names[i]);
        if (values) layer->array[BLOCKS + i] = decoder_load_array(l, values);
    }
    layer->map[MAP_Q] = map_of(l, layer, room, "W_Q");
    layer->map[MAP_OUT] = map_of(l, layer, room, "W_O");
}

static void load_nsa(decoder_loader *l, decoder_layer *layer) {
    static const char *const names[] = {"compressed.W_K", "selected.W_K", "window.W_K",
                                        "compressed.W_V", "selected.W_V", "window.W_V",
                                        "compressed.W_G", "selected.W_G", "window.W_G"};
    load_compression(l, layer, "nsa");
    for (int i = 0; i < 9; i++) layer->map[MAP_K + i] = map_of(l, layer, "nsa", names[i]);
}

static void load_compressed(decoder_loader *l, decoder_layer *layer) {
    load_compression(l, layer, "compressed");
    layer->map[MAP_K] = map_of(l, layer, "compressed", "W_K");
    layer->map[MAP_V] = map_of(l, layer, "compressed", "W_V");
}

// --- what is kept --------------------------------------------------------------------------------

// Keys of compressed attention are there twice, before and after they are turned.
static void reserve_kept(fv_decoder *d, decoder_entries *e, int n_keys, int n_values) {
    const size_t row = (size_t)(e->heads.n_kv * e->heads.width) * sizeof(float);
    for (int i = 0; i < n_keys; i++) e->at_k[i] = arena_reserve(&d->kept, (size_t)d->n, row);
    for (int i = 0; i < n_values; i++) e->at_v[i] = arena_reserve(&d->kept, (size_t)d->n, row);
    for (int i = 0; i < 2; i++)
        e->at_entries[i] = arena_reserve(&d->kept, (size_t)e->map.n_blocks + 1, row);
}

static void reserve_common(fv_decoder *d, decoder_layer *layer) {
    decoder_entries *e = of(layer);
    const fv_model_config *m = &d->config.model;
    const size_t one = sizeof(float), piece = (size_t)d->sizes.piece, width = (size_t)d->sizes.d;
    const size_t rows = (size_t)d->n, heads = (size_t)d->sizes.n_head;
    memory_arena *w = &d->working;
    e->heads = heads_of(m, layer->place);
    e->map = compress_of(m, &e->heads, (int)d->n);
    e->block = nsa_block_of(m);
    e->k = m->compress_k;
    e->first = m->nsa_first;
    e->window = m->compress_window;
    e->at_q = arena_reserve(w, piece, width * one);
    e->at_turned = arena_reserve(w, piece, width * one);
    e->at_sums = arena_reserve(w, piece, width * one);
    for (int b = 0; b < NSA_BRANCHES; b++) e->at_gates[b] = arena_reserve(w, piece, heads * one);
    e->at_turns = arena_reserve(w, 2 * width, one);
    e->at_inner = arena_reserve(w, (size_t)e->map.hidden + width, sizeof(double));
    e->at_weights = arena_reserve(w, heads * ((size_t)e->map.n_blocks + 1), sizeof(double));
    e->at_scores = arena_reserve(w, rows + (size_t)e->map.n_blocks, sizeof(double));
    e->at_ranks = arena_reserve(w, rows + 1, sizeof(double));
    e->at_chosen = arena_reserve(w, rows + 1, 1);
}

static void reserve_nsa(fv_decoder *d, decoder_layer *layer) {
    reserve_common(d, layer);
    reserve_kept(d, of(layer), NSA_BRANCHES, NSA_BRANCHES);
}

static void reserve_compressed(fv_decoder *d, decoder_layer *layer) {
    reserve_common(d, layer);
    reserve_kept(d, of(layer), 2, 1);
}

static bool reaches(const decoder_layer *layer, int64_t n, int64_t left) {
    (void)layer;
    (void)n;
    (void)left;
    return true;
}

static void forget(fv_decoder *d, decoder_layer *layer, int64_t n, int64_t left) {
    (void)d;
    decoder_entries *e = of(layer);
    e->n_held = left == 0 ? 0 : e->n_held - n;
}

// --- entries -------------------------------------------------------------------------------------

// Rows [heads][width] at one position.
static void turn(const fv_decoder *d, const decoder_entries *e, int64_t position, int heads,
                 float *x) {
    const rotary *r = &d->rotary;
    if (r->n_pairs == 0) return;
    float *cosines = decoder_working(d, e->at_turns), *sines = cosines + d->sizes.d;
    rotary_fill(r, position, 1, cosines, sines);
    for (int h = 0; h < heads; h++, x += e->heads.width)
        for (int m = 0; m < r->n_pairs; m++) {
            float *first = x + (ptrdiff_t)m * r->step, *second = first + r->apart, before = *first;
            *first = before * cosines[m] - *second * sines[m];
            *second = before * sines[m] + *second * cosines[m];
        }
}

static double gelu(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

// One entry of keys (i 0) or values (1) from rows x [block][heads width].
static void make_entry(const fv_decoder *d, decoder_layer *layer, int i, const float *x, float *y) {
    const decoder_entries *e = of(layer);
    const int width = e->heads.width, hidden = e->map.hidden, n = hidden > 0 ? hidden : width;
    const float *w = layer->array[BLOCKS + i];
    double *inner = arena_at(&d->working, e->at_inner);
    for (int h = 0; h < e->heads.n_kv; h++, y += width) {
        for (int o = 0; o < n; o++) inner[o] = hidden > 0 ? (double)layer->array[BIASES + i][o] : 0;
        for (int p = 0; p < e->map.block; p++)
            for (int f = 0; f < width; f++) {
                const double from = (double)x[p * e->heads.kv + h * width + f];
                const float *row = w + (ptrdiff_t)(p * width + f) * n;
                for (int o = 0; o < n; o++) inner[o] += from * (double)row[o];
            }
        for (int o = 0; o < hidden; o++) inner[o] = gelu(inner[o]);
        for (int f = 0; f < width; f++) {
            double sum = hidden > 0 ? 0 : inner[f];
            for (int o = 0; o < hidden; o++)
                sum += inner[o] * (double)layer->array[OUTS + i][o * width + f];
            y[f] = (float)sum;
        }
    }
}

// The entries that the last n positions made whole, of keys and values as they were before they were turned.
static void make_entries(const fv_decoder *d, decoder_layer *layer, int64_t n, bool turns) {
    const decoder_entries *e = of(layer);
    const int kv = e->heads.kv;
    const int end = compress_whole(&e->map, (int)(e->n_held + n));
    for (int at = compress_whole(&e->map, (int)e->n_held); at < end; at++) {
        const ptrdiff_t from = (ptrdiff_t)at * e->map.stride * kv;
        float *key = decoder_kept(d, e->at_entries[0]) + (ptrdiff_t)at * kv;
        float *value = decoder_kept(d, e->at_entries[1]) + (ptrdiff_t)at * kv;
        make_entry(d, layer, 0, decoder_kept(d, e->at_k[0]) + from, key);
        make_entry(d, layer, 1, decoder_kept(d, e->at_v[0]) + from, value);
        if (turns) turn(d, e, (int64_t)at * e->map.stride + e->map.block - 1, e->heads.n_kv, key);
    }
}

// --- a query -------------------------------------------------------------------------------------

// Scores of n rows of keys, those of its head.
static void score(const decoder_entries *e, const float *q, const float *k, int64_t n,
                  double *scores) {
    for (int64_t j = 0; j < n; j++, k += e->heads.kv) {
        double sum = 0;
        for (int f = 0; f < e->heads.width; f++) sum += (double)q[f] * (double)k[f];
        scores[j] = sum / sqrt(e->heads.width);
    }
}

// Scores become logarithms of weights, -INFINITY where they are that.
static void weigh(int64_t n, double *scores) {
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) most = fmax(most, scores[j]);
    for (int64_t j = 0; j < n && most > -INFINITY; j++) sum += exp(scores[j] - most);
    for (int64_t j = 0; j < n && most > -INFINITY; j++) scores[j] -= most + log(sum);
}

// o [width] += share of the values that the logarithms of weights pool.
static void pool(const decoder_entries *e, const double *weights, const float *v, int64_t n,
                 double share, double *o) {
    for (int64_t j = 0; j < n; j++, v += e->heads.kv) {
        const double weight = share * exp(weights[j]);
        for (int f = 0; f < e->heads.width && weight != 0; f++) o[f] += weight * (double)v[f];
    }
}

// Keeps the `k` units of the largest rank among n, the first among equals.
static void keep_largest(const double *ranks, int n, int k, unsigned char *kept) {
    for (; k > 0; k--) {
        int best = -1;
        for (int u = 0; u < n; u++)
            if (!kept[u] && (best < 0 || ranks[u] > ranks[best])) best = u;
        if (best < 0) return;
        kept[best] = 1;
    }
}

// Logarithms of what the heads of a group give to unit u of `block` positions (0: of one entry): weights [heads]
// [n_entries] of entries, of which `whole` are there.
static double rank_of(const decoder_entries *e, const double *weights, int n_heads, int whole,
                      int u, int block) {
    const int stride = e->map.stride, length = e->map.block, n = e->map.n_blocks + 1;
    int first = u, end = u + 1; // entries that share positions with it
    if (block > 0) {
        first = u * block < length ? 0 : (u * block - length) / stride + 1;
        end = ((u + 1) * block - 1) / stride + 1;
    }
    if (end > whole) end = whole;
    double most = -INFINITY, sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = first; i < end; i++) {
            int from = i * stride, to = from + length;
            if (block > 0 && from < u * block) from = u * block;
            if (block > 0 && to > (u + 1) * block) to = (u + 1) * block;
            for (int h = 0; h < n_heads && to > from; h++) {
                const double weight = weights[h * n + i] + log((double)(to - from) / length);
                if (pass == 0)
                    most = fmax(most, weight);
                else
                    sum += most > -INFINITY ? exp(weight - most) : 0;
            }
        }
    return most + log(sum > 0 ? sum : 1);
}

static double gate_of(const fv_decoder *d, const decoder_entries *e, int branch, int64_t row,
                      int h) {
    const float *gates = decoder_working(d, e->at_gates[branch]);
    return 1 / (1 + exp(-(double)gates[row * d->sizes.n_head + h]));
}

// The compressed branch of a group's heads; their weights stay.
static void look_at_entries(fv_decoder *d, const decoder_entries *e, int64_t row, int whole,
                            int group, double *o) {
    const int width = e->heads.width, together = e->heads.n / e->heads.n_kv;
    const float *keys = decoder_kept(d, e->at_entries[0]) + group * width;
    const float *values = decoder_kept(d, e->at_entries[1]) + group * width;
    double *weights = arena_at(&d->working, e->at_weights);
    for (int i = 0; i < together; i++, weights += e->map.n_blocks + 1) {
        const int h = group * together + i;
        const float *q = decoder_working(d, e->at_q) + row * d->sizes.d + h * width;
        score(e, q, keys, whole, weights);
        weigh(whole, weights);
        pool(e, weights, values, whole, gate_of(d, e, NSA_COMPRESSED, row, h), o + i * width);
    }
}

// The other two branches at position t.
static void look_at_keys(fv_decoder *d, const decoder_entries *e, int64_t row, int64_t t, int group,
                         const unsigned char *kept, double *o) {
    const int width = e->heads.width, together = e->heads.n / e->heads.n_kv;
    double *scores = arena_at(&d->working, e->at_scores);
    for (int i = 0; i < 2 * together; i++) {
        const int b = NSA_SELECTED + i % 2, h = group * together + i / 2;
        const float *q = decoder_working(d, e->at_turned) + row * d->sizes.d + h * width;
        score(e, q, decoder_kept(d, e->at_k[b]) + group * width, t + 1, scores);
        for (int64_t j = 0; j <= t; j++)
            if (b == NSA_SELECTED ? !kept[j / e->block] : j <= t - e->window) scores[j] = -INFINITY;
        weigh(t + 1, scores);
        pool(e, scores, decoder_kept(d, e->at_v[b]) + group * width, t + 1,
             gate_of(d, e, (int)b, row, h), o + i / 2 * width);
    }
}

static void query_nsa(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t t, double *o) {
    const decoder_entries *e = of(layer);
    const int together = e->heads.n / e->heads.n_kv, whole = compress_whole(&e->map, (int)t + 1);
    const int own = (int)(t / e->block);
    double *ranks = arena_at(&d->working, e->at_ranks);
    unsigned char *kept = arena_at(&d->working, e->at_chosen);
    for (int group = 0; group < e->heads.n_kv; group++, o += together * e->heads.width) {
        look_at_entries(d, e, row, whole, group, o);
        for (int u = 0; u <= own; u++) kept[u] = u == own || u < e->first;
        for (int u = 0; u < own; u++)
            ranks[u] =
                rank_of(e, arena_at(&d->working, e->at_weights), together, whole, u, e->block);
        keep_largest(ranks, own, e->k - 1 - e->first, kept);
        look_at_keys(d, e, row, t, group, kept, o);
    }
}

static void query_compressed(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t t,
                             double *o) {
    const decoder_entries *e = of(layer);
    const int width = e->heads.width, together = e->heads.n / e->heads.n_kv;
    const int whole = compress_whole(&e->map, (int)t + 1), n = e->map.n_blocks + 1;
    const int64_t near = t + 1 < e->window ? t + 1 : e->window, first = t + 1 - near;
    double *weights = arena_at(&d->working, e->at_weights),
           *ranks = arena_at(&d->working, e->at_ranks);
    double *scores = arena_at(&d->working, e->at_scores);
    unsigned char *kept = arena_at(&d->working, e->at_chosen);
    for (int group = 0; group < e->heads.n_kv; group++) {
        const float *entries = decoder_kept(d, e->at_entries[0]) + group * width;
        const float *keys = decoder_kept(d, e->at_k[1]) + first * e->heads.kv + group * width;
        const float *q =
            decoder_working(d, e->at_turned) + row * d->sizes.d + group * together * width;
        for (int i = 0; i < together; i++) {
            score(e, q + i * width, entries, whole, weights + i * n);
            weigh(whole, weights + i * n);
        }
        memset(kept, e->k == 0, (size_t)whole);
        for (int u = 0; u < whole; u++) ranks[u] = rank_of(e, weights, together, whole, u, 0);
        keep_largest(ranks, whole, e->k, kept);
        for (int i = 0; i < together; i++, o += width) {
            score(e, q + i * width, entries, whole, scores);
            for (int u = 0; u < whole; u++)
                if (!kept[u]) scores[u] = -INFINITY;
            score(e, q + i * width, keys, near, scores + whole);
            weigh(whole + near, scores);
            pool(e, scores, decoder_kept(d, e->at_entries[1]) + group * width, whole, 1, o);
            pool(e, scores + whole,
                 decoder_kept(d, e->at_v[0]) + first * e->heads.kv + group * width, near, 1, o);
        }
    }
}

// --- a piece -------------------------------------------------------------------------------------

// Keys and values of n positions behind those that are held.
static void append(const fv_decoder *d, decoder_layer *layer, int map, size_t at, int64_t n,
                   const float *x, bool turns) {
    const decoder_entries *e = of(layer);
    float *rows = decoder_kept(d, at) + e->n_held * e->heads.kv;
    decoder_project(d, &layer->map[map], n, x, rows);
    for (int64_t i = 0; i < n && turns; i++)
        turn(d, e, e->n_held + i, e->heads.n_kv, rows + i * e->heads.kv);
}

typedef void query_function(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t t, double *o);

// The queries of a run and what they read, from the run's first position in the piece on.
static void pass_run(fv_decoder *d, decoder_layer *layer, query_function *query, int n_gates,
                     decoder_run run, const float *x, float *y) {
    const decoder_entries *e = of(layer);
    const int64_t width = d->sizes.d;
    float *q = decoder_working(d, e->at_q), *turned = decoder_working(d, e->at_turned);
    float *sums = decoder_working(d, e->at_sums);
    decoder_project(d, &layer->map[MAP_Q], run.n, x, q);
    for (int b = 0; b < n_gates; b++)
        decoder_project(d, &layer->map[MAP_G + b], run.n, x, decoder_working(d, e->at_gates[b]));
    memcpy(turned, q, (size_t)(run.n * width) * sizeof *q);
    double *o = (double *)arena_at(&d->working, e->at_inner) + e->map.hidden;
    for (int64_t i = 0; i < run.n; i++) {
        const int64_t t = e->n_held + run.first + i;
        turn(d, e, t, e->heads.n, turned + i * width);
        memset(o, 0, (size_t)width * sizeof *o);
        query(d, layer, i, t, o);
        for (int64_t f = 0; f < width; f++) sums[i * width + f] = (float)o[f];
    }
    decoder_project(d, &layer->map[MAP_OUT], run.n, sums, y);
}

static fv_status pass_rows(fv_decoder *d, decoder_layer *layer, query_function *query, int n_gates,
                           int64_t n, const float *x, const decoder_rows *rows, float *y) {
    for (int64_t r = 0; r < rows->n_runs; r++) {
        const decoder_run run = rows->runs[r];
        pass_run(d, layer, query, n_gates, run, x + run.first * d->sizes.d, y);
        y += run.n * d->sizes.d;
    }
    of(layer)->n_held += n;
    return FV_OK;
}

static fv_status pass_nsa(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                          const decoder_rows *rows, float *y, fv_error *error) {
    (void)error;
    const decoder_entries *e = of(layer);
    for (int b = 0; b < NSA_BRANCHES; b++) {
        append(d, layer, MAP_K + b, e->at_k[b], n, x, b != NSA_COMPRESSED);
        append(d, layer, MAP_V + b, e->at_v[b], n, x, false);
    }
    make_entries(d, layer, n, false);
    return pass_rows(d, layer, query_nsa, NSA_BRANCHES, n, x, rows, y);
}

static fv_status pass_compressed(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                                 const decoder_rows *rows, float *y, fv_error *error) {
    (void)error;
    const decoder_entries *e = of(layer);
    append(d, layer, MAP_K, e->at_k[0], n, x, false);
    append(d, layer, MAP_K, e->at_k[1], n, x, true);
    append(d, layer, MAP_V, e->at_v[0], n, x, false);
    make_entries(d, layer, n, true);
    return pass_rows(d, layer, query_compressed, 0, n, x, rows, y);
}

static double operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    const decoder_entries *e = &layer->entries;
    const double queries = last ? 1 : n, pairs = last ? n : n * n / 2;
    double each = decoder_map_operations(&layer->map[MAP_Q]) * 2, keys = 0;
    for (int i = MAP_K; i < MAP_G; i++)
        if (layer->map[i].packed) keys += decoder_map_operations(&layer->map[i]);
    return n * keys + queries * each + 2 * compress_cost(&e->map) +
           2 * (double)d->sizes.d * pairs * (1 + 1.0 / e->map.stride);
}

const decoder_kind decoder_kind_nsa = {.norm = "blocks.%d.ln_nsa",
                                       .mixes_positions = true,
                                       .load = load_nsa,
                                       .reserve = reserve_nsa,
                                       .pass = pass_nsa,
                                       .reaches = reaches,
                                       .forget = forget,
                                       .operations = operations};

const decoder_kind decoder_kind_compressed_attention = {.norm = "blocks.%d.ln_compressed",
                                                        .mixes_positions = true,
                                                        .load = load_compressed,
                                                        .reserve = reserve_compressed,
                                                        .pass = pass_compressed,
                                                        .reaches = reaches,
                                                        .forget = forget,
                                                        .operations = operations};
