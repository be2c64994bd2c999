// Which keys the queries of a decoder keep (model/selectors.h): the lab's stage attention_select.c for
// neighbouring queries of one sequence, whose lanes see one key more from each to the next.
#include "config/layer_list.h"
#include "decode/decoder_weigh.h"
#include "model/attention_layer.h"

#include <string.h>

enum { L = FV_LANES };

// Means [unit][d_head] of the keys of each unit that the cache has by now; rows of keys are positions.
static void average(const selection *s, int64_t d_head, const float *k, float *means) {
    for (int u = 0; u < s->n_units; u++, means += d_head) {
        int first = u * s->block, end = first + s->block < s->n_keys ? first + s->block : s->n_keys;
        memset(means, 0, (size_t)d_head * sizeof *means);
        for (int j = first; j < end; j++)
            for (int64_t f = 0; f < d_head; f++) means[f] += k[j * d_head + f];
        for (int64_t f = 0; f < d_head; f++) means[f] /= (float)(end - first);
    }
}

// The same of the keys that a lane sees behind its window.
static void average_seen(const selection *s, const weighing *w, int lane, const float *k,
                         float *means) {
    const int64_t d_head = w->d_head;
    memset(means, 0, (size_t)(s->n_units * d_head) * sizeof *means);
    for (int j = 0, n = 0, last = -1; j < s->n_keys; j++) {
        if (!(w->kept[j] >> lane & 1)) continue;
        int unit = s->key_at[j] / s->block;
        n = unit == last ? n + 1 : 1;
        last = unit;
        float *mean = means + unit * d_head;
        const float *key = k + w->rows[j] * d_head;
        for (int64_t f = 0; f < d_head; f++) mean[f] += (key[f] - mean[f]) / (float)n;
    }
}

static int own_unit(const selection *s, const weighing *w, int lane) {
    return selection_query_at(s, 0, lane < w->n ? lane : w->n - 1) / s->block;
}

// Bits of the lanes that see a key of each unit.
static void list_units(const selection *s, const weighing *w, uint16_t *seen) {
    memset(seen, 0, (size_t)s->n_units * sizeof *seen);
    for (int j = 0; j < s->n_keys; j++) seen[s->key_at[j] / s->block] |= w->kept[j];
}

static void weigh_means(fv_decoder *d, const decoder_attention *a, const selection *s,
                        const weighing *w, const float *k, const uint16_t *seen,
                        const float *stretch) {
    float *means = decoder_working(d, d->at.weigh.means);
    // The weights' room is free: no selector reads both.
    float *scores = decoder_working(d, d->at.weigh.weights);
    if (a->mask.window == 0 && a->mask.sinks == 0) {
        average(s, w->d_head, k, means);
        weigh_scores(w, s->n_units, means, scores);
    } else {
        for (int l = 0; l < w->n; l++) { // no two of which see the same keys
            average_seen(s, w, l, k, means);
            weigh_scores(w, s->n_units, means, s->ranks);
            for (int u = 0; u < s->n_units; u++) scores[u * L + l] = s->ranks[u * L + l];
        }
        for (int u = 0; u < s->n_units; u++)
            for (int l = w->n; l < L; l++) scores[u * L + l] = scores[u * L + w->n - 1];
    }
    weigh_keys(w, s->n_units, FV_NORMALISE_SOFTMAX, scores, seen, stretch, false, s->ranks);
}

static void refuse_units(const selection *s, const weighing *w, const uint16_t *seen) {
    for (int u = 0; u < s->n_units; u++)
        for (int l = 0; l < L; l++)
            if (!(seen[u] >> l & 1) || (u == own_unit(s, w, l) && s->block > 1))
                s->ranks[u * L + l] = -1;
}

// Ranks of what is too far below the largest score to have a weight.
static void rank_far(fv_decoder *d, const decoder_attention *a, const selection *s,
                     const selector_type *type, const weighing *w, const float *k,
                     const uint16_t *seen, const float *scores, float *weights) {
    float stretch[L];
    for (int l = 0; l < L; l++) stretch[l] = FV_FLATTENED;
    selection flattened = *s;
    flattened.ranks = decoder_working(d, d->at.weigh.far);
    if (type->ranks_means)
        weigh_means(d, a, &flattened, w, k, seen, stretch);
    else
        weigh_keys(w, w->n_keys, FV_NORMALISE_SOFTMAX, scores, w->kept, stretch, false, weights);
    if (type->rank) type->rank(&flattened);
    selection_mend(s, flattened.ranks);
}

// What the layer's selector says of units, in the order of their ranks.
static void rank_units(fv_decoder *d, decoder_layer *layer, const selection *s, weighing *w,
                       const float *k, const float *scores, float *weights) {
    const fv_model_config *model = &d->config.model;
    const selector_type *type = selector_type_of((int)layer_selector(model, layer->place));
    int n_others = layer_selector_k(model, layer->place) - (s->block > 1); // but the own
    const decoder_attention *a = &layer->attention;
    uint16_t *units = arena_at(&d->working, d->at.weigh.units);
    list_units(s, w, units);
    if (type->ranks_means) weigh_means(d, a, s, w, k, units, NULL);
    if (type->reads_weights)
        weigh_keys(w, w->n_keys, FV_NORMALISE_SOFTMAX, scores, w->kept, NULL, true, weights);
    if (a->index.present)
        decoder_index_rank(d, layer, w, s, w->chosen);
    else if (type->rank)
        type->rank(s);
    refuse_units(s, w, units);
    if (selector_reads_far((int)layer_normaliser(model, layer->place), type) &&
        selection_is_flat(s, n_others))
        rank_far(d, a, s, type, w, k, units, scores, weights);
    kernels_get()->select(&(kernel_select){
        .n_rows = 1, .n_units = s->n_units, .k = n_others, .ranks = s->ranks, .kept = units});
}

void decoder_select(fv_decoder *d, decoder_layer *layer, weighing *w, const float *k,
                    const float *scores, float *weights) {
    const fv_model_config *model = &d->config.model;
    const selector_type *type = selector_type_of((int)layer_selector(model, layer->place));
    const int block = type->absent ? 1 : selector_block_of(model, layer->place);
    if (d->keep.kind == FV_KEEP_TOP_P) decoder_keep_mass(d, w, scores, weights);
    if (type->absent) return;
    int query_at = (int)w->row + w->ahead;
    const uint16_t *units = arena_at(&d->working, d->at.weigh.units);
    selection s = {.config = &d->config,
                   .layer = layer->index,
                   .head = w->head.index,
                   .n_queries = 1,
                   .n_keys = w->n_keys,
                   .block = block,
                   .n_units = w->rows[w->n_keys - 1] / block + 1,
                   .query_at = &query_at,
                   .key_at = w->rows,
                   .queries_in_lanes = true,
                   .weights = weights,
                   .ranks = decoder_working(d, d->at.weigh.ranks)};
    const decoder_index *index = &layer->attention.index;
    int choice = index->present ? w->head.index * index->is.n_choices / (int)d->sizes.n_head : -1;
    bool chosen = index->present && choice == w->chosen;
    w->chosen = choice;
    if (!chosen) rank_units(d, layer, &s, w, k, scores, weights);
    for (int j = 0; j < w->n_keys; j++) {
        uint16_t kept = units[w->rows[j] / block];
        for (int l = 0; l < L && block > 1; l++)
            if (own_unit(&s, w, l) == w->rows[j] / block) kept |= (uint16_t)(1u << l);
        w->kept[j] &= kept;
    }
}
