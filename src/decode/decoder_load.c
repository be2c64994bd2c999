// From a model's flat array to what a decoder multiplies by: matrices packed, the rest copied. All
// of it is walked twice, first to learn how much memory it takes.
#include "config/layer_list.h"
#include "decode/decoder_plan.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/positions.h"
#include "model/selectors.h"

#include <stdio.h>
#include <string.h>

struct decoder_loader {
    fv_decoder *decoder;
    const fv_model *model;
    const float *params;
    memory_arena arena; // reserved so far
    bool fills;         // the second walk
};

// NULL: a layer that is not on the list.
static const decoder_kind *const KINDS[FV_LAYER_COUNT] = {
#define ROW(NAME, name) [FV_LAYER_##NAME] = &decoder_kind_##name,
    DECODER_KINDS(ROW)
#undef ROW
};

// --- tensors -------------------------------------------------------------------------------------

static float *reserve(decoder_loader *l, size_t n, size_t size) {
    size_t at = arena_reserve(&l->arena, (n + FV_LANES - 1) / FV_LANES * FV_LANES, size);
    return l->fills ? arena_at(&l->decoder->weights, at) : NULL;
}

const fv_model *decoder_loader_model(const decoder_loader *l) {
    return l->model;
}
const decoder_sizes *decoder_loader_sizes(const decoder_loader *l) {
    return &l->decoder->sizes;
}
const float *decoder_loader_values(const decoder_loader *l, const fv_tensor *tensor) {
    return l->params + tensor->offset;
}

const fv_tensor *decoder_tensor(const decoder_loader *l, const decoder_layer *layer,
                                const char *name) {
    char whole[64];
    snprintf(whole, sizeof whole, name, layer->index);
    return fv_model_tensor(l->model, whole);
}

float *decoder_load_array(decoder_loader *l, const fv_tensor *tensor) {
    float *to = reserve(l, tensor->size, sizeof *to);
    if (to) memcpy(to, l->params + tensor->offset, tensor->size * sizeof *to);
    return to;
}

// W is read at w[k * w_in + f * w_out].
static decode_projection load_packed(decoder_loader *l, int n_in, int n_out, const float *w,
                                     ptrdiff_t w_in, ptrdiff_t w_out) {
    float *to = reserve(l, projection_size(n_in, n_out), sizeof *to);
    if (to) projection_pack(n_in, n_out, w, w_in, w_out, to);
    return (decode_projection){n_in, n_out, to, NULL};
}

decode_projection decoder_load_map(decoder_loader *l, const fv_tensor *w, int first, int n_out,
                                   const fv_tensor *bias) {
    decode_projection map =
        load_packed(l, w->shape[0], n_out, l->params + w->offset + first, w->shape[1], 1);
    if (bias) map.bias = decoder_load_array(l, bias);
    if (n_out > l->decoder->sizes.widest) l->decoder->sizes.widest = n_out;
    return map;
}

// The norm of that name, which is there or not.
static void load_norm(decoder_loader *l, int kind, const char *name, int index,
                      decoder_norm *norm) {
    char whole[64];
    size_t length = (size_t)snprintf(whole, sizeof whole, name, index);
    snprintf(whole + length, sizeof whole - length, ".w");
    const fv_tensor *w = fv_model_tensor(l->model, whole);
    norm->present = w != NULL;
    norm->center = kind == FV_NORM_LAYER;
    if (!norm->present) return;
    norm->w = decoder_load_array(l, w);
    snprintf(whole + length, sizeof whole - length, ".b");
    if (norm->center) norm->b = decoder_load_array(l, fv_model_tensor(l->model, whole));
}

// --- the ends of the stack -----------------------------------------------------------------------

static void load_positions(decoder_loader *l) {
    fv_decoder *d = l->decoder;
    d->fill_positions = positions_type_of(d->config.model.positions)->fill;
    if (positions_type_of(d->config.model.positions)->plan)
        d->positions = decoder_load_array(l, fv_model_tensor(l->model, "pos_embed.W_pos"));
}

static void load_unembedding(decoder_loader *l) {
    fv_decoder *d = l->decoder;
    const fv_tensor *w = fv_model_tensor(l->model, "embed.W_E");
    ptrdiff_t w_in = 1, w_out = d->sizes.d;
    if (!d->config.model.tied) {
        w = fv_model_tensor(l->model, "unembed.W_U");
        w_in = d->sizes.n_vocab;
        w_out = 1;
    }
    d->unembedding =
        load_packed(l, (int)d->sizes.d, (int)d->sizes.n_vocab, l->params + w->offset, w_in, w_out);
}

static void load_all(decoder_loader *l) {
    fv_decoder *d = l->decoder;
    d->embedding = decoder_load_array(l, fv_model_tensor(l->model, "embed.W_E"));
    load_positions(l);
    for (int i = 0; i < d->n_layers; i++) {
        decoder_layer *layer = &d->layers[i];
        if (layer->kind->norm) {
            char behind[48];
            snprintf(behind, sizeof behind, "%s_post", layer->kind->norm);
            load_norm(l, d->config.model.norm, layer->kind->norm, layer->index, &layer->norm);
            load_norm(l, d->config.model.norm, behind, layer->index, &layer->behind);
        }
        if (layer->kind->own_norm != FV_NORM_NONE)
            load_norm(l, layer->kind->own_norm, "norms.%d", layer->index, &layer->norm);
        if (layer->kind->load) layer->kind->load(l, layer);
    }
    load_norm(l, d->config.model.norm, "ln_final", 0, &d->last_norm);
    load_unembedding(l);
}

// --- the stack -----------------------------------------------------------------------------------

// Masks in place of a layer's own are for tiles; a selector that reads more than every decoder has is
// for whole sequences.
static fv_status check_attention(const fv_decoder *d, int i, fv_error *error) {
    const fv_model_config *model = &d->config.model;
    const int kind = (int)layer_selector(model, i);
    const char *name = fv_field_find("model.selector")->choices[kind];
    if (selector_type_of(kind)->whole_only)
        return fv_fail(error, FV_USAGE,
                       "decoder: attention with model.selector %s does not go piece by piece; "
                       "fv_model_logits reads whole sequences",
                       name);
    if (model->positions == FV_POSITIONS_ROPE && model->rope_scaling != FV_ROPE_SCALING_NONE &&
        model->rope_factor == 0)
        return fv_fail(error, FV_USAGE,
                       "decoder: model.rope_factor 0 follows the length of whole sequences, which "
                       "piece by piece is not known; give the factor itself");
    if (model->layers.kind[i] == FV_LAYER_ATTENTION && d->has_mask && decoder_weighs(d, i))
        return fv_fail(
            error, FV_USAGE,
            "decoder: a mask in place of the model's own is for model.normaliser softmax "
            "and model.selector none; leave `mask` out");
    return FV_OK;
}

static fv_status choose_layers(fv_decoder *d, const fv_model *model, fv_error *error) {
    const fv_layers *list = &d->config.model.layers;
    if (model->data.n_inputs > 0 || model->data.n_outputs > 0)
        return fv_fail(error, FV_USAGE,
                       "decoder: models of reals (task.name %s) do not go token by token; "
                       "fv_model_logits reads whole sequences",
                       fv_field_find("task.name")->choices[d->config.task.name]);
    d->top = -1;
    for (int i = 0; i < list->n; i++) {
        const model_layer *layer = &model->layers[i + 1]; // behind the embedding
        int kind = list->kind[i];
        if (KINDS[kind] == NULL)
            return fv_fail(error, FV_USAGE,
                           "decoder: layers of the kind %s do not go piece by piece; "
                           "fv_model_logits reads whole sequences",
                           fv_field_find("model.layers")->choices[kind]);
        d->layers[i] = (decoder_layer){.kind = KINDS[kind],
                                       .place = i,
                                       .index = layer->index,
                                       .residual = layer->residual || layer->behind.skips};
        fv_status status = check_attention(d, i, error);
        if (status != FV_OK) return status;
        if (KINDS[kind]->mixes_positions) d->top = i;
    }
    return FV_OK;
}

static void set_sizes(fv_decoder *d) {
    const fv_model_config *m = &d->config.model;
    decoder_sizes *s = &d->sizes;
    *s = (decoder_sizes){.d = m->n_embd,
                         .widest = m->n_embd,
                         .n_head = m->n_head,
                         .d_head = m->n_embd / m->n_head,
                         .n_vocab = d->config.task.vocab_size,
                         .d_mlp = mlp_width(m),
                         .E = (int64_t)m->mamba_expand * m->n_embd,
                         .N = m->mamba_state,
                         .R = m->mamba_dt_rank > 0 ? m->mamba_dt_rank : (m->n_embd + 15) / 16,
                         .conv_width = m->mamba_conv};
}

// A piece of the widest layer takes 16 MiB, or more where it would be short.
static int64_t piece_of(const fv_decoder *d) {
    enum { MOST = 1 << 22, LEAST = 64 };
    int64_t n = MOST / d->sizes.widest;
    n = n > DECODER_PIECE ? DECODER_PIECE : n < LEAST ? LEAST : n;
    return d->n < n ? d->n : n;
}

fv_status decoder_load(fv_decoder *d, const fv_model *model, const float *params, fv_error *error) {
    decoder_loader l = {.decoder = d, .model = model, .params = params};
    fv_status status = choose_layers(d, model, error);
    if (status != FV_OK) return status;
    set_sizes(d);
    load_all(&l);
    d->weights = l.arena;
    if (arena_allocate(&d->weights, NULL) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder's weights, %.1f MB",
                       (double)l.arena.size / 1e6);
    l.arena = (memory_arena){0};
    l.fills = true;
    load_all(&l);
    d->sizes.piece = piece_of(d);
    return FV_OK;
}
