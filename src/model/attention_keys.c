// Plans an attention layer: which positions it reads, which of their rows each query sees, and
// which of three ways computes them.
#include "config/layer_list.h"
#include "model/attention_layer.h"

#include <stdlib.h>

fv_sight fv_sight_of(const fv_model_config *config, int i) {
    int window = layer_window(config, i);
    return (fv_sight){.window = window,
                      .sinks = window > 0 ? layer_sinks(config, i) : 0,
                      .exclude_self = config->exclude_self};
}

fv_status fv_attention_layer_create(fv_layer *layer, int i, fv_error *error) {
    fv_attention_layer *a = calloc(1, sizeof *a);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    a->sight = fv_sight_of(&layer->model->config.model, i);
    layer->own = a;
    return FV_OK;
}

void fv_attention_layer_free(fv_layer *layer) {
    fv_attention_layer *a = fv_attention_of(layer);
    if (a == NULL) return;
    free(a->seen.first_key);
    free(a->seen.n_keys);
    free(a);
}

fv_status fv_attention_needs(const fv_layer *layer, fv_positions *in, fv_error *error) {
    const fv_sight *sight = &fv_attention_of(layer)->sight;
    const fv_positions *out = &layer->out;
    in->at = malloc((size_t)(out->at[out->n - 1] + 1) * sizeof *in->at);
    if (in->at == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for positions");
    in->n = 0;
    // Of all queries behind a key the nearest sees it if any does.
    for (int t = 0, i = 0; i < out->n; t++) {
        if (t == out->at[i] || fv_sight_sees(sight, out->at[i], t)) in->at[in->n++] = t;
        if (t == out->at[i]) i++;
    }
    return FV_OK;
}

// Rows of a window and of the sinks lie side by side, since `in` holds every position that any
// query sees.
static void plan_rows(const fv_layer *layer, fv_attention_layer *a) {
    const fv_positions *in = &layer->in, *out = &layer->out;
    fv_seen_rows *seen = &a->seen;
    for (int i = 0, first = 0, end = 0; i < out->n; i++) {
        while (in->at[first] < fv_sight_first(&a->sight, out->at[i])) first++;
        while (end < in->n && in->at[end] < fv_sight_end(&a->sight, out->at[i])) end++;
        seen->n_keys[i] = end;
        seen->first_key[i] = first > seen->n_sinks ? first : 0;
        if (seen->first_key[i] > end) seen->first_key[i] = end;
    }
}

// Positions as at most two stretches: all, the last ones, or some sinks and a window.
static bool place(const fv_positions *positions, fv_placement *placement) {
    *placement = (fv_placement){0};
    for (int i = 0; i < positions->n; i++) {
        if (i == 0 || positions->at[i] != positions->at[i - 1] + 1) {
            if (placement->n_stretches == FV_MAX_STRETCHES) return false;
            placement->stretches[placement->n_stretches++] =
                (fv_stretch){.first = positions->at[i], .step = 1};
        }
        placement->stretches[placement->n_stretches - 1].n++;
    }
    return true;
}

// Tiles know no query that does not see itself, no gradient of a score's power, no wider heads, no
// three stretches of positions, and no double precision.
static bool fits_tiles(const fv_layer *layer, fv_attention_layer *a) {
    const fv_model_config *config = &layer->model->config.model;
    return sizeof(real) == sizeof(float) && !a->sight.exclude_self &&
           !config->score_power_learned && config->n_embd / config->n_head <= FV_MAX_HEAD_WIDTH &&
           place(&layer->out, &a->queries) && place(&layer->in, &a->keys);
}

// The one choice between the ways; docs/architecture.md says how they differ.
static fv_attention_way choose_way(const fv_layer *layer, fv_attention_layer *a) {
    const fv_model *model = layer->model;
    const fv_model_config *config = &model->config.model;
    // A single query meets the inputs themselves: 4 d operations a key and head, not 4 d^2. That
    // takes a score that is linear in the key, and nobody who asks to see keys and values.
    if (layer->out.n == 1 && config->n_head <= config->n_embd && !model->seen &&
        !fv_score_is_metric((fv_score)config->score))
        return FV_ATTEND_POOLED;
    // Short contexts have no tiles to fill, and patterns that are to be seen must be kept.
    if (layer->in.n >= FV_LONG_CONTEXT && !model->keeps_patterns && fits_tiles(layer, a))
        return FV_ATTEND_TILES;
    return FV_ATTEND_LANES;
}

fv_status fv_attention_plan_keys(fv_layer *layer, fv_error *error) {
    fv_attention_layer *a = fv_attention_of(layer);
    a->way = choose_way(layer, a);
    if (a->seen.n_keys != NULL) return FV_OK; // layers are planned twice
    size_t n = (size_t)layer->out.n;
    a->seen = (fv_seen_rows){.n_queries = layer->out.n,
                             .n_sinks = (int)a->sight.sinks,
                             .n_keys = malloc(n * sizeof *a->seen.n_keys),
                             .first_key = malloc(n * sizeof *a->seen.first_key)};
    if (a->seen.n_keys == NULL || a->seen.first_key == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    plan_rows(layer, a);
    return FV_OK;
}
