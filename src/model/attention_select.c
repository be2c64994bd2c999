// The stage in which queries choose keys (selectors.h): ranks of units of one group after the other, the
// largest kept, and what that means for keys.
#include "config/layer_list.h"
#include "model/attention_ways.h"
#include "model/scores.h"
#include "model/selectors.h"

#include <stdlib.h>
#include <string.h>

bool selector_present(const model_layer *layer) {
    return !selector_of_layer(layer)->absent;
}

int selector_block_of(const fv_model_config *config, int i) {
    bool single = selector_type_of((int)layer_selector(config, i))->single;
    return single ? 1 : layer_selector_block(config, i);
}

int selector_n_choices(const model_layer *layer) {
    const selector_type *type = selector_of_layer(layer);
    return type->n_choices != NULL ? type->n_choices(layer) : 1;
}

int selector_choice_of(const model_layer *layer, int h) {
    return h * selector_n_choices(layer) / model_attention_of(layer)->heads.n;
}

static fv_status plan_units(model_layer *layer, fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    if (a->selector.n_units_of != NULL) return FV_OK; // layers are planned twice
    a->selector.n_units_of = malloc((size_t)layer->out.n * sizeof *a->selector.n_units_of);
    if (a->selector.n_units_of == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    for (int i = 0; i < layer->out.n; i++)
        a->selector.n_units_of[i] = layer->out.at[i] / a->selector.block + 1;
    a->selector.n_units = a->selector.n_units_of[layer->out.n - 1];
    return FV_OK;
}

// Where the last query does not see itself its own unit may be one more than there are keys: slopes of
// metric scores, which lie in rows of keys, then need room of their own behind the means.
static bool has_more_units(const model_layer *layer) {
    return model_attention_of(layer)->selector.n_units > attention_n_keys(layer) &&
           score_is_metric((kernel_score)layer->model->config.model.score);
}

static bool has_window(const model_layer *layer) {
    return model_attention_of(layer)->sight.window > 0;
}

fv_status selector_plan(fv_model *model, model_layer *layer, fv_error *error) {
    const selector_type *type = selector_of_layer(layer);
    const attention_selector *selector = &model_attention_of(layer)->selector;
    if (type->absent) return FV_OK;
    fv_status status = plan_units(layer, error);
    if (status != FV_OK) return status;
    size_t rows = (size_t)layer->out.n, units = (size_t)selector->n_units;
    size_t kept = (size_t)(model->group_capacity * selector_n_choices(layer)) * rows;
    size_t keys = (size_t)attention_n_keys(layer), d = (size_t)model->config.model.n_embd;
    const size_t ranks = rows * units * FV_LANES;
    // Behind a window there may be far more units than keys, and others' scratch is too small for them.
    layer->buffer[RANKS] = arena_reserve(&model->plan, ranks, sizeof(real));
    layer->buffer[FAR_RANKS] = 0;
    if (has_window(layer))
        layer->buffer[FAR_RANKS] = arena_reserve(&model->plan, ranks, sizeof(real));
    layer->buffer[UNITS_KEPT] = arena_reserve(&model->plan, rows * units, sizeof(uint16_t));
    layer->buffer[KEYS_KEPT] = arena_reserve(&model->plan, kept * keys, sizeof(uint16_t));
    size_t spare = has_more_units(layer) ? rows * units : 0;
    if (type->ranks_means)
        layer->buffer[MEANS] =
            arena_reserve(&model->plan, (units * d + spare) * FV_LANES, sizeof(real));
    if (type->learn != NULL) selector_plan_lesson(model, layer);
    return type->plan != NULL ? type->plan(model, layer, error) : FV_OK;
}

// Weights of all keys that queries see, where those of the head will be; unseen keys have 0. `stretch`
// [16]: of all scores, or NULL.
static void weigh_all(const model_tile *tile, const kernel_attend *attend, real *stretch) {
    kernel_attend dense = *attend;
    dense.d_value = 0;
    dense.normaliser = FV_NORMALISE_SOFTMAX;
    dense.stretch = (kernel_attend_rows){stretch, 0, 0};
    tile->kernels->attend(&dense);
    for (int g = 0; g < dense.n_groups; g++)
        for (int i = 0; i < dense.n_queries; i++)
            for (int j = 0; j < dense.n_rows_keys; j++)
                if (!attend_sees(&dense, i, j))
                    memset(dense.p.data + g * dense.p.group_stride + i * dense.p.row_stride +
                               (ptrdiff_t)j * FV_LANES,
                           0, FV_LANES * sizeof(real));
}

// The means [unit][d_key][16] of the keys of each block that has any.
static void average(const selection *s, const kernel_attend *a, int group, real *means) {
    const size_t size = (size_t)a->d_key * FV_LANES;
    const real *keys = a->k.data + group * a->k.group_stride;
    memset(means, 0, (size_t)s->n_units * size * sizeof *means);
    for (int j = 0, first = 0; j < s->n_keys; j++) {
        int unit = s->key_at[j] / s->block;
        real *mean = means + (size_t)unit * size;
        for (size_t f = 0; f < size; f++) mean[f] += keys[j * a->k.row_stride + (ptrdiff_t)f];
        bool last = j + 1 == s->n_keys || s->key_at[j + 1] / s->block != unit;
        for (size_t f = 0; f < size && last; f++) mean[f] /= (real)(j + 1 - first);
        if (last) first = j + 1;
    }
}

// The same of the keys that query i sees, which a window may cut out of a block, and in seen [unit] all bits
// of the units that have any.
static void average_seen(const selection *s, const kernel_attend *a, int group, int i, real *means,
                         uint16_t *seen) {
    const size_t size = (size_t)a->d_key * FV_LANES;
    const real *keys = a->k.data + group * a->k.group_stride;
    memset(seen, 0, (size_t)s->n_units * sizeof *seen);
    for (int j = 0, n = 0; j < s->n_keys; j++) {
        if (!attend_sees(a, i, j)) continue;
        int unit = s->key_at[j] / s->block;
        real *mean = means + (size_t)unit * size;
        if (seen[unit] == 0) memset(mean, 0, size * sizeof *mean);
        n = seen[unit] == 0 ? 1 : n + 1;
        seen[unit] = UINT16_MAX;
        // Running, since the last key of the unit that is seen is not known yet.
        for (size_t f = 0; f < size; f++)
            mean[f] += (keys[j * a->k.row_stride + (ptrdiff_t)f] - mean[f]) / (real)n;
    }
}

// Weights of units' means, as those of keys: but nothing is added to their scores for where they stand.
static void weigh_means(const selection *s, const model_tile *tile, const kernel_attend *attend,
                        int group, const int *n_units_of, real *stretch, real *means) {
    kernel_attend a = *attend;
    const model_layer *layer = s->lab->layer;
    if (has_more_units(layer))
        a.slopes = (kernel_attend_rows){means + (ptrdiff_t)s->n_units * a.d_key * FV_LANES,
                                        (ptrdiff_t)s->n_units * FV_LANES, 0};
    a.normaliser = FV_NORMALISE_SOFTMAX;
    a.stretch = (kernel_attend_rows){stretch, 0, 0};
    a.d_value = 0;
    a.cap = a.bias = 0;
    a.sink = NULL;
    a.n_groups = 1;
    a.q.data += group * a.q.group_stride;
    a.k = a.v = (kernel_attend_rows){means, (ptrdiff_t)a.d_key * FV_LANES, 0};
    a.p = (kernel_attend_rows){s->ranks, (ptrdiff_t)s->n_units * FV_LANES, 0};
    a.n_rows_keys = s->n_units;
    a.n_keys = n_units_of;
    a.first_key = NULL;
    a.n_sinks = 0;
    if (!has_window(layer)) {
        average(s, attend, group, means);
        tile->kernels->attend(&a);
        return;
    }
    uint16_t *seen = arena_at(tile->workspace, layer->buffer[UNITS_KEPT]);
    a.n_queries = 1;
    a.kept = seen;
    for (int i = 0; i < s->n_queries; i++) {
        average_seen(s, attend, group, i, means, seen);
        tile->kernels->attend(&a);
        a.q.data += a.q.row_stride;
        a.p.data += a.p.row_stride;
        a.n_keys++;
    }
}

// Weights of one group's keys, where they lie, from scores times a stretch.
static void weigh_group(const model_tile *tile, const kernel_attend *attend, int group,
                        real *stretch) {
    kernel_attend a = *attend;
    a.n_groups = 1;
    a.sink = NULL;
    kernel_attend_rows *const rows[] = {&a.q, &a.k, &a.v, &a.z, &a.p, &a.slopes};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i]->data != NULL) rows[i]->data += group * rows[i]->group_stride;
    weigh_all(tile, &a, stretch);
}

// A query chooses among the units of which it sees a key; from two keys on its own is kept anyway.
static void refuse_units(const selection *s, const kernel_attend *attend, const int *n_units_of) {
    for (int i = 0; i < s->n_queries; i++) {
        int own = n_units_of[i] - 1;
        real *ranks = s->ranks + (ptrdiff_t)i * s->n_units * FV_LANES;
        for (int u = 0, j = 0; u < s->n_units; u++) {
            bool seen = false;
            for (; j < s->n_keys && s->key_at[j] / s->block == u; j++)
                seen |= attend_sees(attend, i, j);
            if (seen && (u != own || s->block == 1)) continue;
            for (int l = 0; l < FV_LANES; l++) ranks[u * FV_LANES + l] = -1;
        }
    }
}

// Ranks of what is too far below the largest score to have a weight. Scratch of the way back is free.
static void rank_far(const selection *s, const selector_type *type, const model_tile *tile,
                     const kernel_attend *attend, int group, const int *n_units_of, real *means,
                     real *scratch) {
    _Alignas(FV_ALIGNMENT) real stretch[FV_LANES];
    for (int l = 0; l < FV_LANES; l++) stretch[l] = (real)FV_FLATTENED;
    selection flattened = *s;
    flattened.ranks = scratch;
    if (means != NULL)
        weigh_means(&flattened, tile, attend, group, n_units_of, stretch, means);
    else
        weigh_group(tile, attend, group, stretch);
    if (type->rank) type->rank(&flattened);
    selection_mend(s, scratch);
}

// What units are kept is said of their keys.
static void keep_keys(const selection *s, const int *n_units_of, const uint16_t *units,
                      uint16_t *keys) {
    for (int i = 0; i < s->n_queries; i++)
        for (int j = 0; j < s->n_keys; j++) {
            int unit = s->key_at[j] / s->block;
            bool own = s->block > 1 && unit == n_units_of[i] - 1;
            keys[(ptrdiff_t)i * s->n_keys + j] =
                own ? UINT16_MAX : units[(ptrdiff_t)i * s->n_units + unit];
        }
}

selection selector_view(const model_layer *layer, const model_tile *tile, int h,
                        const kernel_attend *attend, selection_lab *lab) {
    const attention_selector *selector = &model_attention_of(layer)->selector;
    bool own = selector_of_layer(layer)->n_choices == NULL;
    *lab = (selection_lab){layer, tile, attend, 0, own ? h : selector_choice_of(layer, h)};
    return (selection){.config = &layer->model->config,
                       .layer = layer->index,
                       .head = h,
                       .n_queries = attend->n_queries,
                       .n_keys = attend->n_rows_keys,
                       .block = selector->block,
                       .n_units = selector->n_units,
                       .query_at = layer->out.at,
                       .key_at = layer->in.at,
                       .step = tile->step,
                       .ranks = tile_buffer(tile, layer->buffer[RANKS]),
                       .lab = lab};
}

uint16_t *selector_kept(const model_layer *layer, const model_tile *tile, int choice) {
    uint16_t *keys = arena_at(tile->workspace, layer->buffer[KEYS_KEPT]);
    return keys + (ptrdiff_t)choice * layer->model->group_capacity * layer->out.n *
                      attention_n_keys(layer);
}

// Whether head h is the first of those that choose together.
static bool chooses(const model_layer *layer, int h) {
    return h == 0 || selector_of_layer(layer)->n_choices == NULL ||
           selector_choice_of(layer, h) != selector_choice_of(layer, h - 1);
}

void selector_choose(const model_layer *layer, const model_tile *tile, int h,
                     kernel_attend *attend) {
    const selector_type *type = selector_of_layer(layer);
    const attention_selector *selector = &model_attention_of(layer)->selector;
    if (type->absent || (tile->dense && type->learn != NULL)) return;
    uint16_t *units = arena_at(tile->workspace, layer->buffer[UNITS_KEPT]);
    uint16_t *keys = selector_kept(layer, tile, selector_choice_of(layer, h));
    const int *n_units_of = selector->n_units_of;
    real *means = type->ranks_means ? tile_buffer(tile, layer->buffer[MEANS]) : NULL;
    selection_lab lab;
    selection s = selector_view(layer, tile, h, attend, &lab);
    bool shared = !chooses(layer, h); // with the head before
    bool far = selector_reads_far(model_attention_of(layer)->normaliser, type);
    if (type->reads_weights && !shared) weigh_all(tile, attend, NULL);
    for (int g = 0; g < tile->n_groups && !shared; g++) {
        lab.group = g;
        s.sample = (uint32_t)(tile->first_group + g) * FV_LANES;
        if (means != NULL) weigh_means(&s, tile, attend, g, n_units_of, NULL, means);
        if (type->reads_weights) s.weights = attend->p.data + g * attend->p.group_stride;
        if (type->rank) type->rank(&s);
        refuse_units(&s, attend, n_units_of);
        if (far && selection_is_flat(&s, selector->k - (s.block > 1)))
            rank_far(&s, type, tile, attend, g, n_units_of, means,
                     has_window(layer) ? tile_buffer(tile, layer->buffer[FAR_RANKS])
                                       : attention_scratch_of(layer, tile, S_DQ));
        tile->kernels->select(&(kernel_select){.n_rows = layer->out.n,
                                               .n_units = s.n_units,
                                               .k = selector->k - (s.block > 1),
                                               .ranks = s.ranks,
                                               .kept = units});
        keep_keys(&s, n_units_of, units,
                  keys + (ptrdiff_t)g * layer->out.n * (ptrdiff_t)attend->n_rows_keys);
    }
    attend->kept = keys;
}
