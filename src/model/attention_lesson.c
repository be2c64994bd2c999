// What a selector with a loss is taught (selectors.h): how much the heads of each of its choices gave to
// every key, once attention has been computed. While train.indexer_warmup lasts that is dense attention,
// then attention to the keys that were kept.
#include "model/attention_ways.h"

#include <fovea/config.h>
#include <string.h>

enum { L = FV_LANES };

void selector_prepare(const model_layer *layer, const model_tile *tile, real *x) {
    const selector_type *type = selector_of_layer(layer);
    if (type->prepare != NULL) type->prepare(layer, tile, x);
}

void selector_plan_lesson(fv_model *model, model_layer *layer) {
    size_t pairs = (size_t)layer->out.n * (size_t)attention_n_keys(layer);
    layer->buffer[COMPARED] = arena_reserve(&model->plan, pairs, sizeof(uint16_t));
    layer->own_loss = model_reserve(model, 1, 1);
    layer->own_terms = (double)layer->out.n * selector_n_choices(layer);
}

// The sum of what the choice's heads gave to every key that a query sees, [query][key][16].
static void add_heads(const selection *s, real *target) {
    const int n_keys = s->n_keys, n_head = model_attention_of(s->lab->layer)->heads.n;
    memset(target, 0, (size_t)(s->n_queries * n_keys) * L * sizeof *target);
    for (int h = s->head; h < n_head && selector_choice_of(s->lab->layer, h) == s->lab->choice;
         h++) {
        const kernel_attend_rows p = attention_arguments(s->lab->layer, s->lab->tile, h).p;
        for (int i = 0; i < s->n_queries; i++)
            for (int j = 0; j < n_keys; j++) {
                if (!attend_sees(s->lab->attend, i, j)) continue;
                const real *from =
                    p.data + s->lab->group * p.group_stride + i * p.row_stride + (ptrdiff_t)j * L;
                real *to = target + ((ptrdiff_t)i * n_keys + j) * L;
                for (int l = 0; l < L; l++) to[l] += from[l];
            }
    }
}

// Every query's adds up to 1. A query to whose keys nothing was given compares none.
static void normalise(const selection *s, real *target, uint16_t *compared) {
    const int n_keys = s->n_keys;
    const uint16_t *kept = NULL;
    if (!s->lab->tile->dense)
        kept = selector_kept(s->lab->layer, s->lab->tile, s->lab->choice) +
               (ptrdiff_t)s->lab->group * s->n_queries * n_keys;
    for (int i = 0; i < s->n_queries; i++) {
        real total[L] = {0}, *row = target + (ptrdiff_t)i * n_keys * L;
        uint16_t any = 0;
        for (int j = 0; j < n_keys; j++)
            for (int l = 0; l < L; l++) total[l] += row[j * L + l];
        for (int l = 0; l < L; l++) {
            any |= (uint16_t)((total[l] > 0) << l);
            total[l] = total[l] > 0 ? 1 / total[l] : 0;
        }
        for (int j = 0; j < n_keys; j++) {
            ptrdiff_t at = (ptrdiff_t)i * n_keys + j;
            bool seen = attend_sees(s->lab->attend, i, j);
            compared[at] = seen ? (kept != NULL ? kept[at] : UINT16_MAX) & any : 0;
            for (int l = 0; l < L; l++) row[j * L + l] *= total[l];
        }
    }
}

// Which lanes of a group hold a sample.
static bool is_sample(const model_tile *tile, int group, int lane) {
    int sample = ((int)tile->first_group + group) * L + lane;
    return tile->n_samples == 0 || sample < tile->n_samples;
}

static void learn_group(const selection *s, real weight, real *loss) {
    real weights[L], *target = attention_scratch_of(s->lab->layer, s->lab->tile, S_SCORES);
    uint16_t *compared = arena_at(s->lab->tile->workspace, s->lab->layer->buffer[COMPARED]);
    for (int l = 0; l < L; l++) weights[l] = is_sample(s->lab->tile, s->lab->group, l) ? weight : 0;
    add_heads(s, target);
    normalise(s, target, compared);
    if (s->lab->tile->dense)
        selector_of_layer(s->lab->layer)->rank(s); // for what it leaves to learning
    selector_of_layer(s->lab->layer)
        ->learn(s, &(selection_lesson){target, compared, weights, loss});
    for (int l = 0; l < L; l++)
        if (!is_sample(s->lab->tile, s->lab->group, l)) loss[l] = 0;
}

void selector_learn(const model_layer *layer, const model_tile *tile, real *x) {
    const selector_type *type = selector_of_layer(layer);
    if (type->learn == NULL || tile->sample_weight == 0) return;
    const fv_train_config *train = &layer->model->config.train;
    real weight = train->indexer_frozen ? 0 : (real)train->indexer_weight;
    weight *= tile->sample_weight / (real)layer->own_terms;
    real *losses = tile_buffer(tile, layer->own_loss);
    memset(losses, 0, (size_t)(tile->n_groups * L) * sizeof *losses);
    for (int h = 0; h < model_attention_of(layer)->heads.n; h++) {
        if (h > 0 && selector_choice_of(layer, h) == selector_choice_of(layer, h - 1)) continue;
        kernel_attend attend = attention_arguments(layer, tile, h);
        selection_lab lab;
        selection s = selector_view(layer, tile, h, &attend, &lab);
        for (lab.group = 0; lab.group < tile->n_groups; lab.group++)
            learn_group(&s, weight, losses + (ptrdiff_t)lab.group * L);
    }
    if (weight > 0) type->differentiate(layer, tile, x);
}
