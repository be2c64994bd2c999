// An index that is learned (DeepSeek sparse attention, the DeepSeek-V3.2 report's lightning indexer): a few
// small heads whose weighted sum ranks single keys, one choice for all heads of the layer. It learns from
// what these give to the keys, their sum: for train.indexer_warmup steps from dense attention, then from the
// keys that it kept itself, as in the report. Unlike there the model itself is trained from the first step.
#include "model/attention_layer.h"
#include "model/key_index.h"

static key_index index_for(const fv_model_config *config, int n_kv) {
    (void)n_kv;
    return (key_index){1, config->indexer_heads, config->indexer_width, true};
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
    return index_check(c, "indexer");
}

const selector_type selector_indexer = {
    .part = {.help = "the keys that a small learned index ranks highest, the same for all heads "
                     "(DeepSeek sparse attention); blocks by their best key",
             .example = "model: {selector: indexer, selector_k: 2, indexer_width: 4}",
             .reads = {FV_READS(model.selector_k), FV_READS(model.selector_block),
                       FV_READS(model.indexer_heads), FV_READS(model.indexer_width),
                       FV_READS(train.indexer_warmup), FV_READS(train.indexer_weight),
                       FV_READS(train.indexer_frozen)},
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
