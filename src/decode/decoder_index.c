// An index of keys in a decoder (model/key_index.h): its keys are cached beside attention's own, and turned
// by the same positions. Sixteen neighbouring queries lie in the lanes, and each pair is computed by what
// computes it in the lab, so that both have the same bits and choose alike.
#include "config/layer_list.h"
#include "decode/decoder_weigh.h"
#include "model/attention_keys.h"

#include <math.h>
#include <string.h>

enum { L = FV_LANES };
enum { INDEX_Q = 5, INDEX_K, INDEX_W }; // behind attention's own maps

// --- what a layer has ----------------------------------------------------------------------------

void decoder_index_load(decoder_loader *l, decoder_layer *layer) {
    static const char *const names[] = {"blocks.%d.attn.selector.W_Q",
                                        "blocks.%d.attn.selector.W_K",
                                        "blocks.%d.attn.selector.W_w"};
    const fv_model *model = decoder_loader_model(l);
    const fv_model_config *config = &fv_model_config_of(model)->model;
    const selector_type *type = selector_type_of((int)layer_selector(config, layer->place));
    decoder_index *index = &layer->attention.index;
    index->present = type->index != NULL;
    if (!index->present) return;
    index->is = type->index(config, heads_of(config, layer->place).n_kv);
    index->longest = model->n_positions;
    for (int i = 0; i < 2 + index->is.weighted; i++) {
        const fv_tensor *w = decoder_tensor(l, layer, names[i]);
        layer->map[INDEX_Q + i] = decoder_load_map(l, w, 0, w->shape[1], NULL);
    }
}

void decoder_index_reserve(fv_decoder *d, decoder_layer *layer) {
    decoder_index *index = &layer->attention.index;
    if (!index->present) return;
    const size_t width = (size_t)index->is.width, heads = (size_t)index->is.n_heads;
    const size_t piece = (size_t)d->sizes.piece, one = sizeof(float);
    const size_t rows = (size_t)layer->attention.capacity;
    index->at_k = arena_reserve(&d->kept, rows, width * one);
    memory_arena *w = &d->working;
    index->at_q = arena_reserve(w, piece, (size_t)layer->map[INDEX_Q].n_out * one);
    index->at_w = arena_reserve(w, piece, heads * one);
    index->at_cosines = arena_reserve(w, piece, width * one);
    index->at_sines = arena_reserve(w, piece, width * one);
    index->at_query = arena_reserve(w, heads * (width + 1), L * one);
    index->at_key = arena_reserve(w, width, L * one);
    index->at_row = arena_reserve(w, rows, L * one);
}

fv_status decoder_index_plan(const fv_decoder *d, decoder_layer *layer, fv_error *error) {
    decoder_index *index = &layer->attention.index;
    if (!index->present) return FV_OK;
    return index_turning(&d->config, &index->is, index->longest, &index->rotary, error);
}

void decoder_index_free(decoder_layer *layer) {
    rotary_free(&layer->attention.index.rotary);
}

double decoder_index_operations(const decoder_layer *layer, double n_queries, double n_keys,
                                double pairs) {
    const decoder_index *index = &layer->attention.index;
    if (!index->present) return 0;
    double of_query = decoder_map_operations(&layer->map[INDEX_Q]) +
                      (index->is.weighted ? decoder_map_operations(&layer->map[INDEX_W]) : 0);
    return n_queries * of_query + n_keys * decoder_map_operations(&layer->map[INDEX_K]) +
           pairs * index->is.n_choices * index->is.n_heads * (index->is.width + index->is.weighted);
}

// --- a piece -------------------------------------------------------------------------------------

// Rows [n][heads][width] of neighbouring positions of the piece, the first of which is `from`.
static void turn(const fv_decoder *d, const decoder_index *index, int64_t from, int64_t n,
                 int64_t heads, float *x) {
    const rotary *r = &index->rotary;
    for (int64_t i = 0; i < n * heads && r->n_pairs > 0; i++, x += index->is.width) {
        const int64_t at = (from + i / heads) * r->n_pairs;
        const float *cosine = decoder_working(d, index->at_cosines) + at;
        const float *sine = decoder_working(d, index->at_sines) + at;
        for (int m = 0; m < r->n_pairs; m++) {
            float *first = x + (ptrdiff_t)m * r->step, *second = first + r->apart, before = *first;
            *first = before * cosine[m] - *second * sine[m];
            *second = before * sine[m] + *second * cosine[m];
        }
    }
}

void decoder_index_keys(const fv_decoder *d, const decoder_layer *layer, int64_t n,
                        const float *x) {
    const decoder_index *index = &layer->attention.index;
    if (!index->present) return;
    if (index->rotary.n_pairs > 0)
        rotary_fill(&index->rotary, d->n_seen, n, decoder_working(d, index->at_cosines),
                    decoder_working(d, index->at_sines));
    float *k = decoder_kept(d, index->at_k) + layer->attention.n_held * index->is.width;
    decoder_project(d, &layer->map[INDEX_K], n, x, k);
    turn(d, index, 0, n, 1, k);
}

void decoder_index_queries(const fv_decoder *d, const decoder_layer *layer, int64_t from, int64_t n,
                           const float *x) {
    const decoder_index *index = &layer->attention.index;
    if (!index->present) return;
    float *q = decoder_working(d, index->at_q);
    decoder_project(d, &layer->map[INDEX_Q], n, x, q);
    turn(d, index, from, n, (int64_t)index->is.n_choices * index->is.n_heads, q);
    if (index->is.weighted)
        decoder_project(d, &layer->map[INDEX_W], n, x, decoder_working(d, index->at_w));
}

// --- sixteen queries -----------------------------------------------------------------------------

// Rows [n][stride] of the lanes' queries, `n` numbers of each: to [n][16].
static void spread(const weighing *w, const float *rows, int64_t stride, int n, float *to) {
    for (int l = 0; l < L; l++) {
        const float *row = rows + (w->query + (l < w->n ? l : w->n - 1)) * stride;
        for (int f = 0; f < n; f++) to[f * L + l] = row[f];
    }
}

void decoder_index_rank(fv_decoder *d, const decoder_layer *layer, const weighing *w,
                        const selection *s, int choice) {
    const decoder_index *index = &layer->attention.index;
    const int width = index->is.width, heads = index->is.n_heads;
    float *q = decoder_working(d, index->at_query), *k = decoder_working(d, index->at_key);
    float *weights = index->is.weighted ? q + heads * width * L : NULL;
    float *row = decoder_working(d, index->at_row);
    spread(w, decoder_working(d, index->at_q) + choice * heads * width, layer->map[INDEX_Q].n_out,
           heads * width, q);
    if (weights) spread(w, decoder_working(d, index->at_w), heads, heads, weights);
    for (int j = 0; j < s->n_keys; j++) {
        const float *key = decoder_kept(d, index->at_k) + (int64_t)w->rows[j] * width;
        for (int f = 0; f < width; f++)
            for (int l = 0; l < L; l++) k[f * L + l] = key[f];
        index_of_pair(&index->is, q, weights, k, row + j * L);
        for (int l = 0; l < L; l++)
            if (!(w->kept[j] >> l & 1)) row[j * L + l] = -INFINITY;
    }
    index_rank_row(s, kernels_get(), row, s->ranks);
}
