// An index for each group of heads that share keys (MiniMax sparse attention, arXiv 2606.13392): one small
// query a group and one key for all of them rank keys by their product, blocks by their best key, and every
// group chooses for itself. It learns from the sum of what the heads of the group give to the keys.
#include "model/attention_layer.h"
#include "model/key_index.h"

static key_index index_for(const fv_model_config *config, int n_kv) {
    return (key_index){n_kv, 1, config->indexer_width, false};
}
static key_index index_of(const model_layer *layer) {
    return index_for(&layer->model->config.model, model_attention_of(layer)->heads.n_kv);
}

static int n_choices(const model_layer *layer) {
    return index_of(layer).n_choices;
}
static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    key_index index = index_of(layer);
    return index_plan(model, layer, &index, error);
}
static void prepare(const model_layer *layer, const model_tile *tile, real *x) {
    key_index index = index_of(layer);
    index_prepare(layer, tile, &index, x);
}
static void rank(const selection *s) {
    key_index index = index_of(s->lab->layer);
    index_rank(s, &index);
}
static void learn(const selection *s, const selection_lesson *lesson) {
    key_index index = index_of(s->lab->layer);
    index_learn(s, &index, lesson);
}
static void differentiate(const model_layer *layer, const model_tile *tile, real *x) {
    key_index index = index_of(layer);
    index_differentiate(layer, tile, &index, x);
}
static double cost(const model_layer *layer, double pairs) {
    key_index index = index_of(layer);
    return index_cost(layer, &index, pairs);
}
static fv_status check(const config_checking *c, int i) {
    (void)i;
    return index_check(c, "group_indexer");
}

const selector_type selector_group_indexer = {
    .part =
        {.help =
             "the blocks whose best key a small learned index ranks highest, one choice for the "
             "heads that share keys (MiniMax sparse attention)",
         .example = "model: {selector: group_indexer, selector_block: 2, selector_k: 2, n_head: 2, "
                    "n_kv_head: 1}",
         .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block),
                   FV_READS(model.indexer_width), FV_READS(train.indexer_warmup),
                   FV_READS(train.indexer_weight), FV_READS(train.indexer_frozen)},
         .check = check},
    .index = index_for,
    .n_choices = n_choices,
    .plan = plan,
    .free = index_free,
    .prepare = prepare,
    .rank = rank,
    .learn = learn,
    .differentiate = differentiate,
    .cost = cost,
};
