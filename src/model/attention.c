// Causal multi-head attention: y = (softmax(q k^T / sqrt(d_head)) v) W_O, over all keys or over a
// window of them and a few sinks at the start of the sequence (StreamingLLM, arXiv 2309.17453).
// Heads of queries may share heads of keys and values (multi-query and grouped-query attention,
// arXiv 1911.02150 and 2305.13245).
//
// The order of its stages; attention_ways.h says where each of them is.
#include "model/attention_ways.h"

#include "config/layer_list.h"
#include "model/activation_edit.h"
#include "model/attention_long.h"
#include "model/normalisers.h"
#include "model/selectors.h"

#include <stdio.h>
#include <string.h>

// Parameters --------------------------------------------------------------------------------------

static bool is_shared(enum param w) {
    return w == W_K || w == W_V;
}

static void plan_params(fv_model *model, model_layer *layer) {
    static const char *const weights[] = {"W_Q", "W_K", "W_V", "W_O"};
    static const char *const biases[] = {"b_Q", "b_K", "b_V", "b_O"};
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = model->config.model.n_embd, l = layer->index;
    for (int i = 0; i < 4; i++)
        layer->param[W_Q + i] =
            model_add(model, i == W_O ? FV_INIT_OUTPUT : FV_INIT_LINEAR, d,
                      is_shared(W_Q + i) ? heads->kv : d, d, "blocks.%d.attn.%s", l, weights[i]);
    for (int i = 0; i < 4; i++)
        layer->param[B_Q + i] =
            model->config.model.bias
                ? model_add(model, FV_INIT_BIAS, is_shared(W_Q + i) ? heads->kv : d, 0, d,
                            "blocks.%d.attn.%s", l, biases[i])
                : SIZE_MAX;
    for (int i = 0; i < 2 && model->config.model.d_score > 0; i++) { // queries and keys
        model_restrict(model, layer->param[W_Q + i], model->config.model.d_score, heads->width);
        if (layer->param[B_Q + i] != SIZE_MAX)
            model_restrict(model, layer->param[B_Q + i], model->config.model.d_score, heads->width);
    }
    if (model->config.model.score_power_learned)
        layer->param[LOG_POWER] = model_add(model, FV_INIT_LOG_POWER, model->config.model.n_head, 0,
                                            1, "blocks.%d.attn.log_power", l);
    shape_plan_params(model, layer);
    gate_plan_params(model, layer);
}

// Buffers -----------------------------------------------------------------------------------------

static void plan_probabilities(fv_model *model, model_layer *layer) {
    int rows = layer->out.n * model->config.model.n_head, n_keys = attention_n_keys(layer);
    layer->buffer[P] = model_reserve(model, rows, n_keys);
    if (score_is_metric((kernel_score)model->config.model.score) || shape_keeps_slopes(layer))
        layer->buffer[SLOPES] = model_reserve(model, rows, n_keys);
}

static void plan_long_buffers(fv_model *model, model_layer *layer) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    size_t n_in = (size_t)layer->in.n, n_out = (size_t)layer->out.n;
    size_t d = (size_t)heads->q, kv = (size_t)heads->kv, n_head = (size_t)heads->n;
    layer->buffer[LOGSUMEXPS] = model_reserve(model, layer->out.n, (int)n_head);
    layer->buffer[LONG] = arena_reserve(
        &model->plan, (3 * n_out * d + 4 * n_in * kv + n_out * n_head) * FV_LANES, sizeof(real));
}

// An earlier attention layer of the same shape, whose turn on the way back comes later.
static const model_layer *alike(const fv_model *model, const model_layer *layer) {
    for (const model_layer *other = model->layers; other < layer; other++)
        if (other->type == layer->type && other->in.n == layer->in.n &&
            other->out.n == layer->out.n && attention_n_keys(other) == attention_n_keys(layer) &&
            model_attention_of(other)->heads.kv == model_attention_of(layer)->heads.kv &&
            model_attention_of(other)->way == model_attention_of(layer)->way)
            return other;
    return NULL;
}

// On the way back much of what went forward is done with: gradients take its place, and that of
// other layers' gradients, so that a tile has less to keep in the cache. Their own places stay
// reserved all the same. How many groups a tile has follows from the sum of all, and from that the
// order in which gradients are added up.
static void share_buffers(const fv_model *model, model_layer *layer) {
    const model_layer *other = alike(model, layer);
    if (other) layer->buffer[D_SCRATCH] = other->buffer[D_SCRATCH];
    if (attention_goes_by(layer, FV_ATTEND_POOLED)) return;
    if (other) layer->buffer[D_K] = other->buffer[D_K];
    if (layer->out.n == layer->in.n) layer->buffer[D_V] = layer->y;
    // Inputs that were looked up nobody reads again, but for a selector that learns from them.
    if (model_attention_of(layer)->tables.present && selector_of_layer(layer)->learn == NULL)
        layer->buffer[D_K] = layer->x;
}

static void plan_buffers(fv_model *model, model_layer *layer) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int d = model->config.model.n_embd, n_in = layer->in.n, n_out = layer->out.n;
    layer->buffer[COMPACT] = model_reserve(model, n_out, d);
    layer->buffer[Q] = model_reserve(model, n_out, heads->q);
    if (attention_goes_by(layer, FV_ATTEND_TILES))
        plan_long_buffers(model, layer);
    else
        plan_probabilities(model, layer);
    layer->buffer[Z] = model_reserve(model, n_out, heads->q);
    layer->y = model_reserve(model, n_out, d);
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    if (attention_goes_by(layer, FV_ATTEND_POOLED)) {
        layer->buffer[CARRIED] = model_reserve(model, n_out * heads->n, d);
        layer->buffer[POOLED] = model_reserve(model, n_out * heads->n, d);
    } else {
        for (int i = 0; i < 2; i++) {
            layer->buffer[K + i] = model_reserve(model, n_in, heads->kv);
            layer->buffer[D_K + i] = model_reserve(model, n_in, heads->kv);
        }
    }
    qk_norm_plan(model, layer);
    shape_plan_buffers(model, layer);
    gate_plan(model, layer);
    // Four matrices like q, and one group's scores.
    layer->buffer[D_SCRATCH] = model_reserve(model, 4 * n_out, d);
    size_t scores = (size_t)n_out * (size_t)attention_n_keys(layer) * FV_LANES;
    if (!attention_goes_by(layer, FV_ATTEND_TILES))
        arena_reserve(&model->plan, scores, sizeof(real));
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    const fv_model_config *config = &model->config.model;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln1", layer->index);
    fv_status status = attention_plan_keys(layer, error);
    if (status == FV_OK) status = turn_plan(layer, error);
    if (status == FV_OK) status = shape_plan(layer, error);
    if (status != FV_OK) return status;
    norm_plan(model, &layer->norm, config->norm, layer->in.n, name);
    plan_params(model, layer);
    status = normaliser_plan_counts(layer, error);
    if (status != FV_OK) return status;
    normaliser_plan(model, layer);
    status = selector_plan(model, layer, error);
    if (status != FV_OK) return status;
    plan_buffers(model, layer);
    if (!attention_goes_by(layer, FV_ATTEND_POOLED)) token_tables_plan(model, layer);
    share_buffers(model, layer);
    bool looked_up = model_attention_of(layer)->tables.present;
    if (looked_up && !layer->residual)
        layer->returns = LAYER_RETURNS_NOTHING;
    else if (looked_up && layer->out.n == layer->in.n)
        layer->returns = LAYER_RETURNS_DY;
    return FV_OK;
}

// What stages share -------------------------------------------------------------------------------

model_linear attention_linear(const model_layer *layer, enum param w) {
    int d = layer->model->config.model.n_embd;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    return (model_linear){layer->param[w], layer->param[w + 4], d, is_shared(w) ? heads->kv : d};
}

real *attention_scratch_of(const model_layer *layer, const model_tile *tile,
                           enum attention_scratch which) {
    // The gradient of z is made once that of W_O has read z, or what its gate made of it; z itself is
    // read again by tiles alone.
    if (which == S_DZ && !attention_goes_by(layer, FV_ATTEND_TILES))
        return tile_buffer(tile, layer->buffer[GATED]);
    size_t matrix = (size_t)layer->model->group_capacity * (size_t)layer->out.n *
                    (size_t)layer->model->config.model.n_embd * FV_LANES;
    return tile_buffer(tile, layer->buffer[D_SCRATCH]) + (size_t)which * matrix;
}

void attention_clear_unattended(const model_layer *layer, const model_tile *tile, real *rows,
                                int width) {
    size_t size = (size_t)tile->n_groups * (size_t)layer->in.n * (size_t)width * FV_LANES;
    if (attention_n_keys(layer) < layer->in.n) memset(rows, 0, size * sizeof *rows);
}

// The stages --------------------------------------------------------------------------------------

static void forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *x = tile_buffer(tile, layer->x), *y = tile_buffer(tile, layer->y);
    real *normed = norm_forward(&layer->norm, tile, layer->in.n, x);
    project_forward(layer, tile, normed);
    qk_norm_forward(layer, tile);
    turn_forward(layer, tile);
    normaliser_forward(layer, tile);
    tile_edit(layer, tile, "attn.hook_q");
    tile_edit(layer, tile, "attn.hook_k");
    tile_edit(layer, tile, "attn.hook_v");
    selector_prepare(layer, tile, normed);
    if (attention_goes_by(layer, FV_ATTEND_POOLED))
        pooled_forward(layer, tile, normed);
    else
        textbook_forward(layer, tile);
    if (tile->stops_early == layer) return;
    if (tile_edit(layer, tile, "attn.hook_pattern")) attention_weigh(layer, tile);
    gate_forward(layer, tile, normed);
    tile_edit(layer, tile, "attn.hook_z");
    if (tile_edit_output(layer, tile, "hook_attn_out")) return;
    if (layer->residual) rows_copy_outputs(layer, tile, x, y);
    if (attention_is_chained(layer))
        pooled_output(layer, tile, y);
    else
        linear_forward(tile, attention_linear(layer, W_O), n,
                       rows_dense(tile_buffer(tile, layer->buffer[GATED]), d), rows_dense(y, d),
                       layer->residual);
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *x = tile_buffer(tile, layer->x), *dx = tile_buffer(tile, layer->dx);
    real *normed = layer->norm.present ? tile_buffer(tile, layer->norm.y) : x;
    real *dnormed = layer->norm.present ? tile_buffer(tile, layer->buffer[D_NORMED]) : dx;
    bool pooled = attention_goes_by(layer, FV_ATTEND_POOLED);
    bool looked_up = model_attention_of(layer)->tables.present;
    bool chained = attention_is_chained(layer);
    const attention_gradients g = {attention_scratch_of(layer, tile, S_DZ),
                                   attention_scratch_of(layer, tile, S_DQ),
                                   pooled ? NULL : tile_buffer(tile, layer->buffer[D_K]),
                                   pooled ? NULL : tile_buffer(tile, layer->buffer[D_V])};
    kernel_rows dy = rows_dense(tile_buffer(tile, layer->dy), d);
    selector_learn(layer, tile, normed);
    if (chained)
        pooled_output_backward(layer, tile, dy, &g);
    else
        linear_backward(tile, attention_linear(layer, W_O), n,
                        rows_dense(tile_buffer(tile, layer->buffer[GATED]), d), dy,
                        rows_dense(g.dz, d), false);
    gate_backward(layer, tile, &g);
    if (pooled)
        pooled_backward(layer, tile, normed, dnormed, &g);
    else
        textbook_backward(layer, tile, &g);
    normaliser_backward(layer, tile, &g);
    turn_backward(layer, tile, &g);
    qk_norm_backward(layer, tile, &g);
    if (looked_up) {
        look_up_backward(layer, tile, dx, &g);
    } else if (chained) {
        pooled_queries_backward(layer, tile, normed, dnormed, &g);
    } else {
        if (!pooled) project_keys_backward(layer, tile, normed, dnormed, &g);
        project_queries_backward(layer, tile, normed, dnormed, &g);
    }
    gate_project_backward(layer, tile, normed, dnormed, &g);
    norm_backward(&layer->norm, tile, layer->in.n, x, dnormed, dx);
    if (layer->residual && layer->returns == LAYER_RETURNS_DX) rows_add(layer, tile, dy, dx);
}

// What a sequence costs ------------------------------------------------------------------------

// What the parts of some layers add: norms 3 a feature, turned pairs 2 a feature, a capped score and
// a gate an exponential, a sink one a query.
static void add_parts(const model_layer *layer, double pairs, double *textbook, double *executed,
                      double *exps) {
    const attention_layer *a = model_attention_of(layer);
    double n_head = a->heads.n, n_out = layer->out.n;
    double features = n_out * a->heads.q + (double)layer->in.n * a->heads.kv, more = 0;
    double gates = a->gate == FV_GATE_NONE ? 0 : a->gate == FV_GATE_HEAD ? n_head : a->heads.q;
    if (a->qk_norm != FV_QK_NORM_NONE) more += 3 * features;
    if (a->rotary.n_pairs > 0) more += 2 * features * 2 * a->rotary.n_pairs / a->heads.width;
    more += n_out * gates * layer->model->config.model.n_embd;
    *textbook += more;
    *executed += more;
    double each = normaliser_type_of(a->normaliser)->exps;
    *exps = pairs * n_head * (each + (a->soft_cap > 0)) + n_out * gates;
    if (a->sink_logit != FV_SINK_LOGIT_NONE) *exps += n_out * n_head;
    const selector_type *selector = selector_of_layer(layer);
    more = selector->cost != NULL ? selector->cost(layer, pairs) : 0;
    *textbook += more;
    *executed += more;
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    double d = layer->model->config.model.n_embd, n_head = heads->n, kv = heads->kv;
    double n_in = layer->in.n, n_out = layer->out.n, pairs = 0;
    const seen_rows *seen = &model_attention_of(layer)->seen;
    for (int i = 0; i < layer->out.n; i++) {
        int behind = seen->first_key[i] - seen->n_sinks; // what the window leaves out
        pairs += seen->n_keys[i] - (behind > 0 ? behind : 0);
    }
    double around = 2 * n_out * d * d; // W_Q and W_O
    *textbook = around + 2 * n_in * d * kv + 2 * pairs * d;
    *executed = attention_goes_by(layer, FV_ATTEND_POOLED)
                    ? around + 2 * n_out * d * d + 2 * pairs * d * n_head
                    : *textbook;
    if (model_attention_of(layer)->tables.present)
        *executed = (n_out + token_tables_rows(layer)) * d * d +
                    2 * token_tables_rows(layer) * d * kv + 2 * pairs * d;
    add_parts(layer, pairs, textbook, executed, exps);
    selector_count(layer, pairs, textbook, executed, exps);
}

const layer_type layer_attention = {
    .attends = true,
    .half = FV_HALF_ATTENTION,
    .create = attention_layer_create,
    .free = attention_layer_free,
    .needs = attention_needs,
    .worker_create = long_attention_create,
    .worker_free = long_attention_free,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .part =
        {.help =
             "multi-head attention over earlier positions, n_head heads of n_embd / n_head each; "
             "attention(window=8 sinks=2) sees a window and first positions",
         .example =
             "model: {layers: [attention(window=8 sinks=2), attention], n_embd: 8, n_head: 2}",
         .reads = {FV_READS(model.score), FV_READS(model.normaliser), FV_READS(model.selector),
                   FV_READS(model.exclude_self), FV_READS(model.residual), FV_READS(model.bias),
                   FV_READS(model.window), FV_READS(model.sinks), FV_READS(model.d_score),
                   FV_READS(model.n_kv_head), FV_READS(model.qk_norm), FV_READS(model.soft_cap),
                   FV_READS(model.sink_logit), FV_READS(model.gate)},
         .rules = {{"model.sinks",
                    {{"model.window", CONFIG_SET},
                     {"model.layers", CONFIG_LAYER_OPTION(LAYER_OPTION_window)}}}},
         .same = {{"model.window", attention_settle_windows,
                   "a window of the whole context hides nothing", "model.layers"},
                  {"model.layers", attention_settle_windows,
                   "they see the same positions and weigh them alike", NULL},
                  {"model.n_kv_head", attention_settle_options, "0 is model.n_head",
                   "model.layers"},
                  {"model.qk_norm", attention_settle_options, "layers say it themselves",
                   "model.layers"},
                  {"model.soft_cap", attention_settle_options, "layers say it themselves",
                   "model.layers"},
                  {"model.sink_logit", attention_settle_options, "layers say it themselves",
                   "model.layers"},
                  {"model.gate", attention_settle_options, "layers say it themselves",
                   "model.layers"},
                  {"model.normaliser", attention_settle_normaliser, "layers say it themselves",
                   "model.layers"},
                  {"model.d_score", attention_settle_d_score, "0 is all features of a head", NULL}},
         .check = attention_check,
         .numerics = attention_numerics},
    .reach = attention_reach,
    .state = attention_state,
    .hooks = attention_hooks,
};
