// What the configuration of attention layers means: how far they see, what they hand on, which
// values say the same, and which make no sense.
#include "config/layer_list.h"
#include "model/attention_layer.h"
#include "model/normalisers.h"
#include "model/selectors.h"
#include "tasks/task_type.h"

#include <stdlib.h>

// A whole context where the layer sees it or has sinks.
int attention_reach(const fv_config *config, int i) {
    int window = layer_window(&config->model, i);
    bool whole = window == 0 || layer_sinks(&config->model, i) > 0;
    return whole ? config->task.context_length : window - 1;
}

// Keys and values of what it still sees.
double attention_state(const fv_config *config, int i) {
    const fv_model_config *m = &config->model;
    int window = layer_window(m, i), seen = config->task.context_length;
    if (window > 0 && window + layer_sinks(m, i) < seen) seen = window + layer_sinks(m, i);
    const attention_heads heads = heads_of(m, i);
    int keys = m->d_score > 0 ? m->d_score * heads.n_kv : heads.kv;
    return (double)seen * (keys + heads.kv);
}

// Every layer gets its own window and sinks; none where they show it the whole context.
void attention_settle_windows(fv_config *c) {
    fv_layers *layers = &c->model.layers;
    for (int i = 0; i < layers->n; i++) {
        if (layer_type_of(layers->kind[i]) != &layer_attention) continue;
        int window = layer_window(&c->model, i), sinks = layer_sinks(&c->model, i);
        bool whole = window == 0 || window + sinks >= c->task.context_length;
        layers->window[i] = (fv_layer_option){!whole, whole ? 0 : window};
        layers->sinks[i] = (fv_layer_option){!whole, whole ? 0 : sinks};
    }
    c->model.window = c->model.sinks = 0;
}

// Every layer says for itself what is not the default.
void attention_settle_options(fv_config *c) {
    fv_layers *layers = &c->model.layers;
    layer_option_settle(c, LAYER_OPTION_n_kv_head);
    layer_option_settle(c, LAYER_OPTION_qk_norm);
    layer_option_settle(c, LAYER_OPTION_soft_cap);
    layer_option_settle(c, LAYER_OPTION_sink_logit);
    layer_option_settle(c, LAYER_OPTION_gate);
    for (int i = 0; i < layers->n; i++)
        if (layers->n_kv_head[i].value == c->model.n_head)
            layers->n_kv_head[i] = (fv_layer_option){false, 0};
}

// One rule for all layers is the model's; where they differ each says what is not a softmax.
void attention_settle_normaliser(fv_config *c) {
    fv_layers *layers = &c->model.layers;
    int rule[FV_MAX_LAYERS], first = -1;
    bool alike = true;
    for (int i = 0; i < layers->n; i++) {
        if (layer_type_of(layers->kind[i]) != &layer_attention) continue;
        rule[i] = (int)layer_normaliser(&c->model, i);
        if (first < 0) first = rule[i];
        alike &= rule[i] == first;
    }
    if (first < 0) return;
    for (int i = 0; i < layers->n; i++)
        if (layer_type_of(layers->kind[i]) == &layer_attention) {
            const bool says = !alike && rule[i] != FV_NORMALISER_SOFTMAX;
            layers->normaliser[i] = (fv_layer_option){says, says ? rule[i] : 0};
        }
    c->model.normaliser = alike ? first : FV_NORMALISER_SOFTMAX;
}

void attention_settle_d_score(fv_config *c) {
    if (c->model.d_score == c->model.n_embd / c->model.n_head) c->model.d_score = 0;
}

// What layer i of the list sees. Its own option is to be changed, or else the model's field.
static fv_status check_window(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    int window = layer_window(model, i), sinks = layer_sinks(model, i);
    int context = c->config->task.context_length;
    const char *key = model->layers.sinks[i].given ? "model.layers" : "model.sinks";
    if (sinks > context)
        return check_refuse(
            c, key, "%s: %d sinks reach past the context; task.context_length %d allows 0 to %d",
            key, sinks, context, context);
    if (model->layers.sinks[i].given && sinks > 0 && window == 0)
        return check_refuse(
            c, "model.layers",
            "model.layers: sinks belong to a window, and attention(sinks=%d) has none; "
            "without one every earlier position is seen, the first ones too",
            sinks);
    key = model->layers.window[i].given ? "model.layers" : "model.window";
    if (window == 1 && sinks == 0 && model->exclude_self)
        return check_refuse(
            c, key,
            "%s: a window of 1 holds only the position itself, which model.exclude_self "
            "takes out; it needs 2 or more, or sinks",
            key);
    return FV_OK;
}

fv_status attention_check_heads(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    int n_kv = layer_n_kv_head(model, i), n = model->n_head, below = n_kv;
    if (n_kv == 0 || n % n_kv == 0) return FV_OK;
    while (below > 1 && n % below != 0) below--;
    if (below > n) below = n;
    const char *key = model->layers.n_kv_head[i].given ? "model.layers" : "model.n_kv_head";
    return check_refuse(c, key,
                        "%s: %d heads of queries cannot share %d heads of keys and values evenly; "
                        "n_kv_head must divide model.n_head %d, as %d does",
                        key, n, n_kv, n, below);
}

// Whether the loss reads one position and no layer above i looks at others: then it has one query.
static bool has_one_query(const fv_config *config, int i) {
    const fv_layers *layers = &config->model.layers;
    for (int above = i + 1; above < layers->n; above++)
        if (layer_type_of(layers->kind[above])->reach != NULL) return false;
    int *positions = malloc((size_t)config->task.context_length * sizeof *positions);
    bool one =
        positions != NULL && task_of(&config->task)->loss_positions(&config->task, positions) == 1;
    free(positions);
    return one;
}

// Before version 7 gradients of later layers took the place of a first layer's inputs, which it looks up
// (token_tables.h), before its selector had learned from them.
int attention_numerics(const fv_config *config) {
    enum { INPUTS_STAY = 7 };
    const fv_model_config *model = &config->model;
    const fv_layers *layers = &model->layers;
    if (layer_type_of(layers->kind[0]) != &layer_attention || model->norm != FV_NORM_NONE ||
        model->n_embd % FV_LANES != 0 || config->train.indexer_frozen ||
        selector_type_of((int)layer_selector(model, 0))->learn == NULL)
        return 0;
    for (int i = 1; i < layers->n; i++)
        if (layer_type_of(layers->kind[i]) == &layer_attention && !has_one_query(config, i))
            return INPUTS_STAY;
    return 0;
}

// Whether layer i sees more pairs of positions than can be kept.
static bool sees_too_many(const fv_config *config, int i) {
    int64_t context = config->task.context_length, most = FV_KEPT_CONTEXT;
    int64_t window = layer_window(&config->model, i), sinks = layer_sinks(&config->model, i);
    int64_t keys = window > 0 && window + sinks < context ? window + sinks : context;
    return context > most && context * keys > most * most &&
           (keys > most * most || !has_one_query(config, i));
}

// The key that says what layer i has of a selector's option.
#define KEY_OF(model, option, i)                                                                   \
    ((model)->layers.option[i].given ? "model.layers" : "model." #option)

// What a layer says of a selector that it has not.
static fv_status check_selector_options(const config_checking *c, int i) {
    const fv_layers *layers = &c->config->model.layers;
    const int kind = (int)layer_selector(&c->config->model, i);
    const selector_type *type = selector_type_of(kind);
    const char *name = fv_field_find("model.selector")->choices[kind], *option = NULL;
    if (layers->selector_k[i].given && type->absent) option = "selector_k";
    if (layers->selector_block[i].given && (type->absent || type->single))
        option = "selector_block";
    if (option == NULL) return FV_OK;
    return check_refuse(c, "model.layers",
                        "model.layers: attention(%s=N) needs a selector that reads it, as in "
                        "attention(selector=%s %s=N), and has %s",
                        option,
                        type->absent && !layers->selector_block[i].given ? "topk" : "block_topk",
                        option, name);
}

// Units that any query of layer i sees a key of, at most.
static int most_units(const fv_config *config, int i) {
    const fv_model_config *model = &config->model;
    const int block = selector_block_of(model, i), context = config->task.context_length;
    const attention_sight sight = sight_of(model, i);
    int most = 0;
    for (int t = 0; t < context; t++) {
        int first = (int)sight_first(&sight, t), end = (int)sight_end(&sight, t);
        int sinks = sight.sinks < first ? (int)sight.sinks : first;
        int near = end > first ? (end - 1) / block + 1 - first / block : 0;
        int far = (sinks + block - 1) / block;
        if (near > 0 && far > first / block) far = first / block; // one that both are in
        if (near + far > most) most = near + far;
    }
    return most;
}

static fv_status check_selector(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    const int kind = (int)layer_selector(model, i), k = layer_selector_k(model, i);
    const int context = c->config->task.context_length, block = selector_block_of(model, i);
    fv_status status = check_selector_options(c, i);
    const selector_type *type = selector_type_of(kind);
    if (status != FV_OK || type->absent) return status;
    if (type->part.check != NULL) status = type->part.check(c, i);
    if (status != FV_OK) return status;
    const char *name = fv_field_find("model.selector")->choices[kind];
    if (context > FV_KEPT_CONTEXT)
        return check_refuse(c, KEY_OF(model, selector, i),
                            "model.selector %s keeps the weights of all pairs of positions, which "
                            "task.context_length %d makes too many; it allows up to %d",
                            name, context, FV_KEPT_CONTEXT);
    if (block > 1 && model->exclude_self)
        return check_refuse(c, "model.exclude_self",
                            "model.selector %s keeps the query's own block, in which "
                            "model.exclude_self may leave nothing; model.selector_block 1 keeps "
                            "single keys",
                            name);
    if (block > context)
        return check_refuse(c, KEY_OF(model, selector_block, i),
                            "model.selector_block %d is more than the context has; "
                            "task.context_length %d allows 1 to %d",
                            block, context, context);
    int n_units = (context + block - 1) / block, n_seen = most_units(c->config, i);
    if (n_seen < n_units && k > n_seen)
        return check_refuse(
            c, KEY_OF(model, selector_k, i),
            "model.selector_k %d is more than there is to keep: a window of %d with %d sinks shows "
            "a query %d %s at most; it allows 1 to %d",
            k, layer_window(model, i), layer_sinks(model, i), n_seen, block > 1 ? "blocks" : "keys",
            n_seen);
    if (k > n_units)
        return check_refuse(
            c, KEY_OF(model, selector_k, i),
            "model.selector_k %d is more than there is to keep: task.context_length "
            "%d has %d %s; it allows 1 to %d",
            k, context, n_units, block > 1 ? "blocks" : "keys", n_units);
    return FV_OK;
}

static fv_status check_cap(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    if (layer_soft_cap(model, i) == 0 || !score_is_metric((kernel_score)model->score)) return FV_OK;
    const char *key = model->layers.soft_cap[i].given ? "model.layers" : "model.soft_cap";
    return check_refuse(c, key,
                        "%s: a soft cap bounds products, and model.score %s compares distances, "
                        "which it would make alike; it needs model.score dot",
                        key, fv_field_find("model.score")->choices[model->score]);
}

static fv_status check_sink(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    const int normaliser = (int)layer_normaliser(model, i);
    if (layer_sink_logit(model, i) == FV_SINK_LOGIT_NONE || normaliser == FV_NORMALISER_SOFTMAX)
        return FV_OK;
    const char *key = model->layers.sink_logit[i].given ? "model.layers" : "model.sink_logit";
    return check_refuse(
        c, key,
        "%s: a sink joins the sum of a softmax, and model.normaliser %s has another; "
        "it needs model.normaliser softmax",
        key, fv_field_find("model.normaliser")->choices[normaliser]);
}

fv_status attention_check(const config_checking *c, int i) {
    const fv_model_config *model = &c->config->model;
    fv_status status = check_window(c, i);
    if (status == FV_OK) status = check_selector(c, i);
    if (status == FV_OK) status = attention_check_heads(c, i);
    if (status == FV_OK) status = check_cap(c, i);
    if (status == FV_OK) status = check_sink(c, i);
    if (status != FV_OK) return status;
    const int normaliser = (int)layer_normaliser(model, i);
    if (!normaliser_is_softmax(normaliser) && sees_too_many(c->config, i))
        return check_refuse(
            c, KEY_OF(model, normaliser, i),
            "model.normaliser %s keeps the weights of all pairs of positions, which "
            "task.context_length %d makes too many; it allows up to %d, layers of a window or of "
            "one "
            "query longer ones, and softmax any length",
            fv_field_find("model.normaliser")->choices[normaliser], c->config->task.context_length,
            FV_KEPT_CONTEXT);
    if (model->d_score > model->n_embd / model->n_head)
        return check_refuse(c, "model.d_score",
                            "model.d_score %d is more than a head has; n_embd / n_head allows 1 "
                            "to %d, and 0 for all",
                            model->d_score, model->n_embd / model->n_head);
    if (model->exclude_self && c->config->task.context_length == 1)
        return check_refuse(c, "model.exclude_self",
                            "model.exclude_self leaves the only position of task.context_length "
                            "1 nothing to attend "
                            "to; it needs a context of 2 or more");
    return FV_OK;
}
