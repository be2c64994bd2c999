// Plans an attention layer: which positions it reads, which of their rows each query sees, and
// which of three ways computes them.
#include "config/layer_list.h"
#include "model/attention_ways.h"
#include "model/normalisers.h"
#include "model/positions.h"
#include "model/selectors.h"

#include <stdlib.h>
#include <string.h>

attention_sight sight_of(const fv_model_config *config, int i) {
    int window = layer_window(config, i);
    return (attention_sight){.window = window,
                             .sinks = window > 0 ? layer_sinks(config, i) : 0,
                             .exclude_self = config->exclude_self};
}

attention_heads heads_of(const fv_model_config *config, int i) {
    int width = config->n_embd / config->n_head, n_kv = layer_n_kv_head(config, i);
    if (n_kv == 0) n_kv = config->n_head;
    return (attention_heads){config->n_head, n_kv, width, config->n_embd, n_kv * width};
}

static attention_selector selector_of(const fv_model_config *config, int i) {
    return (attention_selector){.kind = (int)layer_selector(config, i),
                                .k = layer_selector_k(config, i),
                                .block = selector_block_of(config, i)};
}

fv_status attention_layer_create(model_layer *layer, int i, fv_error *error) {
    attention_layer *a = calloc(1, sizeof *a);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    a->heads = heads_of(&layer->model->config.model, i);
    const fv_model_config *config = &layer->model->config.model;
    a->normaliser = (int)layer_normaliser(config, i);
    a->qk_norm = layer_qk_norm(config, i);
    a->sink_logit = layer_sink_logit(config, i);
    a->gate = layer_gate(config, i);
    a->soft_cap = layer_soft_cap(config, i);
    a->sight = sight_of(&layer->model->config.model, i);
    a->selector = selector_of(&layer->model->config.model, i);
    layer->own = a;
    return FV_OK;
}

void attention_layer_free(model_layer *layer) {
    attention_layer *a = model_attention_of(layer);
    if (a == NULL) return;
    turn_free(a);
    free(a->slopes);
    free(a->seen.first_key);
    free(a->seen.n_keys);
    free(a->log_n);
    free(a->selector.n_units_of);
    if (selector_of_layer(layer)->free != NULL) selector_of_layer(layer)->free(layer);
    free(a);
}

fv_status attention_needs(const model_layer *layer, model_positions *in, fv_error *error) {
    const attention_sight *sight = &model_attention_of(layer)->sight;
    const model_positions *out = &layer->out;
    in->at = malloc((size_t)(out->at[out->n - 1] + 1) * sizeof *in->at);
    if (in->at == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for positions");
    in->n = 0;
    if (layer->model->ranks) { // the others' keys come by
        in->n = out->n;
        memcpy(in->at, out->at, (size_t)out->n * sizeof *in->at);
        return FV_OK;
    }
    // Of all queries behind a key the nearest sees it if any does.
    for (int t = 0, i = 0; i < out->n; t++) {
        if (t == out->at[i] || sight_sees(sight, out->at[i], t)) in->at[in->n++] = t;
        if (t == out->at[i]) i++;
    }
    return FV_OK;
}

// Rows of a window and of the sinks lie side by side, since `in` holds every position that any
// query sees.
static void plan_rows(const model_layer *layer, attention_layer *a) {
    const model_positions *in = &layer->in, *out = &layer->out;
    seen_rows *seen = &a->seen;
    for (int i = 0, first = 0, end = 0; i < out->n; i++) {
        while (in->at[first] < sight_first(&a->sight, out->at[i])) first++;
        while (end < in->n && in->at[end] < sight_end(&a->sight, out->at[i])) end++;
        seen->n_keys[i] = end;
        seen->first_key[i] = first > seen->n_sinks ? first : 0;
        if (seen->first_key[i] > end) seen->first_key[i] = end;
    }
}

// Positions as at most two ranges: all, the last ones, or some sinks and a window.
static bool place(const model_positions *positions, attention_placement *placement) {
    *placement = (attention_placement){0};
    for (int i = 0; i < positions->n; i++) {
        if (i == 0 || positions->at[i] != positions->at[i - 1] + 1) {
            if (placement->n_ranges == FV_MAX_RANGES) return false;
            placement->ranges[placement->n_ranges++] =
                (position_range){.first = positions->at[i], .step = 1};
        }
        placement->ranges[placement->n_ranges - 1].n++;
    }
    return true;
}

// A value's bias goes through weights that add up to 1, and one added to all scores of a query through
// those that do not change with it.
static bool fits_pool(const fv_model_config *config, const attention_layer *a) {
    return !score_is_metric((kernel_score)config->score) &&
           normaliser_rule_of((kernel_normaliser)a->normaliser) != FV_RULE_ALONE;
}

// Tiles know no selector, no normaliser but softmax, no query that does not see itself, no gradient of a score's power, no wider heads, no
// three ranges of positions, and no double precision.
static bool fits_tiles(const model_layer *layer, attention_layer *a) {
    if (sizeof(real) != sizeof(float)) return false;
    const fv_model_config *config = &layer->model->config.model;
    return !selector_present(layer) && normaliser_is_softmax(a->normaliser) &&
           !a->sight.exclude_self && !config->score_power_learned &&
           config->n_embd / config->n_head <= FV_MAX_HEAD_WIDTH &&
           place(&layer->out, &a->queries) && place(&layer->in, &a->keys);
}

// Whether the score of a key is linear in its input, up to what all keys of a query share: b_K adds
// the same to all, which a cap or a sink would see.
static bool is_linear(const model_layer *layer, const attention_layer *a) {
    const fv_model_config *config = &layer->model->config.model;
    bool shared = !config->bias || (a->soft_cap == 0 && a->sink_logit == FV_SINK_LOGIT_NONE);
    return positions_type_of(config->positions)->turn == NULL && a->qk_norm == FV_QK_NORM_NONE &&
           shared && !score_is_metric((kernel_score)config->score);
}

// The one choice between the ways; docs/architecture.md says how they differ.
static attention_way choose_way(const model_layer *layer, attention_layer *a) {
    const fv_model *model = layer->model;
    const fv_model_config *config = &model->config.model;
    if (model->ranks && fits_tiles(layer, a)) return FV_ATTEND_TILES;
    // A single query meets the inputs themselves: 4 d operations a key and head, not 4 d^2. That
    // takes a score that is linear in the key (no norm of keys, none that are turned), and nobody who
    // asks to see keys and values.
    if (layer->out.n == 1 && config->n_head <= config->n_embd && !model->seen &&
        fits_pool(config, a) && is_linear(layer, a))
        return FV_ATTEND_POOLED;
    // Short contexts have no tiles to fill, and patterns that are to be seen must be kept.
    if (layer->in.n >= FV_LONG_CONTEXT && !model->keeps_patterns && fits_tiles(layer, a))
        return FV_ATTEND_TILES;
    return FV_ATTEND_LANES;
}

fv_status attention_plan_keys(model_layer *layer, fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    a->way = choose_way(layer, a);
    if (a->seen.n_keys != NULL) return FV_OK; // layers are planned twice
    size_t n = (size_t)layer->out.n;
    a->seen = (seen_rows){.n_queries = layer->out.n,
                          .n_sinks = (int)a->sight.sinks,
                          .n_keys = malloc(n * sizeof *a->seen.n_keys),
                          .first_key = malloc(n * sizeof *a->seen.first_key)};
    if (a->seen.n_keys == NULL || a->seen.first_key == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    plan_rows(layer, a);
    return FV_OK;
}
