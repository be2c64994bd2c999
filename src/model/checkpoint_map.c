#include "model/checkpoint_map.h"

#include "config/layer_list.h"
#include "model/activations.h"
#include "model/attention_keys.h"
#include "model/layers.h"
#include "model/normalisers.h"
#include "model/positions.h"
#include "model/scores.h"
#include "model/selectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a dimension of a tensor counts. IN and OUT are the residual stream as a layer reads and
// writes it: widening places the model's matrices along these two.
typedef enum axis {
    NONE,
    IN,
    OUT,
    HEADS,
    KV_HEADS,
    D_HEAD,
    D_MLP,
    VOCAB,
    CONTEXT,
} axis;

typedef struct plan {
    const char *name;
    axis heads; // NONE, or has a leading dimension of HEADS or KV_HEADS
    axis rows, columns;
} plan;

// The halves of a TransformerLens block, of which a model may lack one.
static const plan ATTENTION[] = {{"attn.W_Q", HEADS, IN, D_HEAD},
                                 {"attn.W_K", KV_HEADS, IN, D_HEAD},
                                 {"attn.W_V", KV_HEADS, IN, D_HEAD},
                                 {"attn.W_O", HEADS, D_HEAD, OUT},
                                 {"attn.b_Q", NONE, HEADS, D_HEAD},
                                 {"attn.b_K", NONE, KV_HEADS, D_HEAD},
                                 {"attn.b_V", NONE, KV_HEADS, D_HEAD},
                                 {"attn.b_O", NONE, NONE, OUT},
                                 {"ln1.w", NONE, NONE, IN},
                                 {"ln1.b", NONE, NONE, IN},
                                 {"ln1_post.w", NONE, NONE, OUT},
                                 {"ln1_post.b", NONE, NONE, OUT}};

static const plan MLP[] = {{"mlp.W_gate", NONE, IN, D_MLP}, {"mlp.W_in", NONE, IN, D_MLP},
                           {"mlp.b_in", NONE, NONE, D_MLP}, {"mlp.W_out", NONE, D_MLP, OUT},
                           {"mlp.b_out", NONE, NONE, OUT},  {"ln2.w", NONE, NONE, IN},
                           {"ln2.b", NONE, NONE, IN},       {"ln2_post.w", NONE, NONE, OUT},
                           {"ln2_post.b", NONE, NONE, OUT}};

static const plan EMBEDDING[] = {{"embed.W_E", NONE, VOCAB, OUT},
                                 {"pos_embed.W_pos", NONE, CONTEXT, OUT}};

static const plan HEAD[] = {{"ln_final.w", NONE, NONE, IN},
                            {"ln_final.b", NONE, NONE, IN},
                            {"unembed.W_U", NONE, IN, VOCAB},
                            {"unembed.b_U", NONE, NONE, VOCAB}};

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static block_half half_of(const fv_layers *layers, int i) {
    return layer_type_of(layers->kind[i])->half;
}

const char *checkpoint_obstacle(const fv_config *config, bool widen) {
    const fv_model_config *model = &config->model;
    for (int i = 0; i < model->layers.n; i++) {
        if (half_of(&model->layers, i) == FV_NO_HALF)
            return "TransformerLens has no layers besides attention and mlp; it normalises in "
                   "front "
                   "of these, as model.norm does";
    }
    if (!score_type_of(model->score)->theirs)
        return "its attention weights are not a softmax of dot products (model.score), the only "
               "ones "
               "that TransformerLens has";
    for (int i = 0; i < model->layers.n; i++)
        if (!normaliser_type_of((int)layer_normaliser(model, i))->theirs)
            return "its attention weights are not those of a softmax (model.normaliser), the only "
                   "ones that TransformerLens has";
    for (int i = 0; i < model->layers.n; i++)
        if (layer_n_kv_head(model, i) != 0 && layer_n_kv_head(model, i) != model->n_head)
            return "heads share keys and values (model.n_kv_head), which the configuration written "
                   "for TransformerLens does not express";
    if (positions_type_of(model->positions)->turn || positions_type_of(model->positions)->slopes)
        return "its positions are not added to the stream (model.positions), which the "
               "configuration "
               "written for TransformerLens does not express";
    for (int i = 0; i < model->layers.n; i++)
        if (layer_qk_norm(model, i) != FV_QK_NORM_NONE || layer_soft_cap(model, i) > 0 ||
            layer_sink_logit(model, i) != FV_SINK_LOGIT_NONE ||
            layer_gate(model, i) != FV_GATE_NONE)
            return "its attention has parts (model.qk_norm, soft_cap, sink_logit, gate) that the "
                   "configuration written for TransformerLens does not express";
    for (int i = 0; i < model->layers.n; i++)
        if (!selector_type_of((int)layer_selector(model, i))->absent)
            return "its queries keep some of the keys (model.selector), which TransformerLens does "
                   "not do";
    for (int i = 0; i < model->layers.n; i++)
        if (layer_window(model, i) > 0)
            return "a position does not attend to all before it (model.window), which the "
                   "configuration written for TransformerLens does not express";
    bool has_mlp;
    checkpoint_blocks(&model->layers, &has_mlp);
    if (has_mlp && activation_applied(model->activation)->theirs == NULL)
        return "TransformerLens does not have its activation (model.activation)";
    if (has_mlp && model->bias && activation_is_gated(model->activation))
        return "the maps of its gated layer have biases (model.bias) in front of the product, "
               "where "
               "TransformerLens adds one behind it";
    if (model->readout != FV_READOUT_LINEAR)
        return "its logits are distances (model.readout), and TransformerLens has linear ones "
               "alone";
    if (model->exclude_self)
        return "a position does not attend to itself (model.exclude_self), which TransformerLens "
               "cannot exclude";
    if (norms_behind(model) && model->norm_place != FV_NORM_PLACE_SANDWICH)
        return "its norms stand behind its layers alone (model.norm_place), and TransformerLens "
               "has them "
               "in front, or on both sides";
    if (model->residual) return NULL;
    if (!widen)
        return "it has no residual stream, which TransformerLens cannot switch off; widening "
               "represents it exactly";
    if (model->norm != FV_NORM_NONE)
        return "it has no residual stream and model.norm is not none; a norm over the widened "
               "stream "
               "is not the norm over one layer's output";
    return NULL;
}

int checkpoint_blocks(const fv_layers *layers, bool *has_mlp) {
    int n = 0;
    bool full = true; // the last block has its MLP
    *has_mlp = false;
    for (int i = 0; i < layers->n; i++) {
        bool mlp = half_of(layers, i) == FV_HALF_MLP;
        if (half_of(layers, i) == FV_NO_HALF) continue;
        if (!mlp || full) n++;
        full = mlp;
        *has_mlp |= mlp;
    }
    return n;
}

// --- one entry ---------------------------------------------------------------------------------

static int extent(const fv_config *config, int n_kv_head, int width, axis axis_kind) {
    const fv_model_config *model = &config->model;
    switch (axis_kind) {
    case NONE:
        return 0;
    case IN:
    case OUT:
        return width;
    case HEADS:
        return model->n_head;
    case KV_HEADS:
        return n_kv_head;
    case D_HEAD:
        return model->n_embd / model->n_head;
    case D_MLP:
        return mlp_width(model);
    case VOCAB:
        return config->task.vocab_size;
    case CONTEXT:
        return config->task.context_length;
    }
    return 0;
}

static checkpoint_entry *new_entry(checkpoint_map *map) {
    if (map->n == map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : 32;
        void *entries = realloc(map->entries, capacity * sizeof *map->entries);
        if (entries == NULL) return NULL;
        map->entries = entries;
        map->capacity = capacity;
    }
    checkpoint_entry *entry = &map->entries[map->n++];
    *entry = (checkpoint_entry){0};
    return entry;
}

// Where the parts of the stream begin that a layer reads and writes, and its heads of keys.
typedef struct stream_parts {
    int in, out, n_kv_head;
} stream_parts;

// Adds the tensor of `row` under the name "<prefix><plan's name>", filled from the model's tensor
// "<own><plan's name>" where there is one. False without memory.
static bool add(checkpoint_map *map, const fv_model *model, const plan *row, const char *prefix,
                const char *own, stream_parts parts) {
    const fv_config *config = &model->config;
    checkpoint_entry *entry = new_entry(map);
    if (entry == NULL) return false;
    snprintf(entry->name, sizeof entry->name, "%s%s", prefix, row->name);
    int n_kv = parts.n_kv_head;
    entry->heads = extent(config, n_kv, map->width, row->heads);
    entry->rows = extent(config, n_kv, map->width, row->rows);
    entry->columns = extent(config, n_kv, map->width, row->columns);
    int d = config->model.n_embd;
    entry->n_rows = row->rows == NONE ? 1 : extent(config, n_kv, d, row->rows);
    entry->n_columns = extent(config, n_kv, d, row->columns);
    entry->row = row->rows == IN ? parts.in : 0;
    entry->column = row->columns == IN ? parts.in : row->columns == OUT ? parts.out : 0;

    if (own == NULL) return true;
    char name[sizeof entry->name];
    snprintf(name, sizeof name, "%s%s", own, row->name);
    const fv_tensor *tensor = fv_model_tensor(model, name);
    if (tensor == NULL) return true;
    entry->source = SOURCE_PARAMS;
    entry->offset = tensor->offset;
    // The model keeps the heads of a matrix side by side: [d][H d_head] and [H d_head][d].
    size_t columns = (size_t)entry->n_columns;
    bool heads_in_columns = row->heads != NONE && row->columns == D_HEAD;
    entry->column_stride = 1;
    entry->row_stride = heads_in_columns ? columns * (size_t)entry->heads : columns;
    entry->head_stride = heads_in_columns ? columns : columns * (size_t)entry->n_rows;
    return true;
}

static checkpoint_entry *find(const checkpoint_map *map, const char *name) {
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->entries[i].name, name) == 0) return &map->entries[i];
    return NULL;
}

// --- the whole file ----------------------------------------------------------------------------

// Whether the tensor "lnX.w" or "lnX.b" exists under model.norm and norm_place, and the map of a gate;
// every other tensor does.
static bool exists(const fv_config *config, const plan *row) {
    const fv_model_config *model = &config->model;
    if (strcmp(row->name, "mlp.W_gate") == 0) return activation_is_gated(model->activation);
    if (strncmp(row->name, "ln", 2) != 0) return true;
    if (row->name[strlen(row->name) - 1] == 'b' && model->norm != FV_NORM_LAYER) return false;
    if (strstr(row->name, "_post") != NULL) return norms_behind(model);
    bool last = strncmp(row->name, "ln_final", 8) == 0;
    bool here = last ? model->norm_place != FV_NORM_PLACE_POST : norms_in_front(model);
    return model->norm != FV_NORM_NONE && here;
}

static bool add_all(checkpoint_map *map, const fv_model *model, const plan *plans, int n,
                    const char *prefix, const char *own, stream_parts parts) {
    for (int i = 0; i < n; i++) {
        if (!exists(&model->config, &plans[i])) continue;
        if (!add(map, model, &plans[i], prefix, own, parts)) return false;
    }
    return true;
}

// A tensor as the model has it, under a name of this block.
static bool add_as_it_is(checkpoint_map *map, const fv_tensor *tensor, const char *name) {
    checkpoint_entry *entry = new_entry(map);
    if (entry == NULL) return false;
    bool matrix = tensor->n_dims == 2;
    *entry = (checkpoint_entry){.source = SOURCE_PARAMS, .offset = tensor->offset};
    snprintf(entry->name, sizeof entry->name, "%.*s", (int)sizeof entry->name - 1, name);
    entry->rows = matrix ? tensor->shape[0] : 0;
    entry->n_rows = matrix ? tensor->shape[0] : 1;
    entry->columns = entry->n_columns = tensor->shape[matrix];
    entry->row_stride = (size_t)entry->columns;
    entry->head_stride = tensor->size;
    entry->column_stride = 1;
    return true;
}

// A layer that is no half of a block.
static bool add_own(checkpoint_map *map, const fv_model *model, const model_layer *layer) {
    bool made = true;
    for (int i = 0; i < layer->n_tensors && made; i++) {
        const fv_tensor *tensor = &model->tensors[layer->first_tensor + i];
        made = add_as_it_is(map, tensor, tensor->name);
    }
    return made;
}

// One half of a block, zeros where the model lacks the layer (NULL); what else it has is added.
static bool add_half(checkpoint_map *map, const fv_model *model, bool mlp, int block,
                     const model_layer *layer, stream_parts parts) {
    char prefix[24], own[24];
    size_t length = layer ? (size_t)snprintf(own, sizeof own, "blocks.%d.", layer->index) : 0;
    snprintf(prefix, sizeof prefix, "blocks.%d.", block);
    const fv_model_config *config = &model->config.model;
    parts.n_kv_head =
        layer && !mlp ? heads_of(config, (int)(layer - model->layers) - 1).n_kv : config->n_head;
    bool made = add_all(map, model, mlp ? MLP : ATTENTION, mlp ? COUNT(MLP) : COUNT(ATTENTION),
                        prefix, layer ? own : NULL, parts);
    for (int i = 0; layer && i < layer->n_tensors && made; i++) {
        const fv_tensor *tensor = &model->tensors[layer->first_tensor + i];
        char name[sizeof tensor->name + sizeof prefix];
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name + length);
        if (find(map, name) == NULL) made = add_as_it_is(map, tensor, name);
    }
    return made;
}

// Walks the list of layers; see the head of checkpoint_map.h for how blocks are cut.
static bool add_blocks(checkpoint_map *map, const fv_model *model, int step) {
    const fv_layers *layers = &model->config.model.layers;
    int block = -1;
    bool full = true, made = true;
    stream_parts parts = {.out = step};
    for (int i = 0; made && i < layers->n; i++) {
        const model_layer *layer = &model->layers[i + 1];
        switch (layer->type->half) {
        case FV_HALF_ATTENTION:
            if (!full && map->has_mlp)
                made = add_half(map, model, true, block, NULL, (stream_parts){0});
            made = made && add_half(map, model, false, ++block, layer, parts);
            full = false;
            break;
        case FV_HALF_MLP:
            if (full) made = add_half(map, model, false, ++block, NULL, (stream_parts){0});
            made = made && add_half(map, model, true, block, layer, parts);
            full = true;
            break;
        case FV_NO_HALF:
            made = add_own(map, model, layer);
        }
        parts.in += step;
        parts.out += step;
    }
    if (made && !full && map->has_mlp)
        made = add_half(map, model, true, block, NULL, (stream_parts){0});
    return made;
}

// Sources that are no tensor of their own: sinusoidal positions, the tied unembedding.
static void set_derived(const checkpoint_map *map, const fv_model *model) {
    size_t d = (size_t)model->config.model.n_embd;
    if (model->fixed_positions != NULL) {
        checkpoint_entry *positions = find(map, "pos_embed.W_pos");
        positions->source = SOURCE_POSITIONS;
        positions->row_stride = d;
        positions->column_stride = 1;
    }
    if (model->config.model.tied) {
        checkpoint_entry *unembedding = find(map, "unembed.W_U");
        unembedding->source = SOURCE_DERIVED;
        unembedding->offset = fv_model_tensor(model, "embed.W_E")->offset;
        unembedding->row_stride = 1;
        unembedding->column_stride = d;
    }
}

fv_status checkpoint_map_create(const fv_model *model, bool widen, checkpoint_map *map,
                                fv_error *error) {
    const fv_model_config *config = &model->config.model;
    bool widened = widen && !config->residual;
    int d = config->n_embd;
    *map = (checkpoint_map){.width = widened ? (config->layers.n + 1) * d : d};
    map->n_blocks = checkpoint_blocks(&config->layers, &map->has_mlp);
    stream_parts first = {0}, last = {.in = map->width - d};
    bool made = add_all(map, model, EMBEDDING, COUNT(EMBEDDING), "", "", first) &&
                add_blocks(map, model, widened ? d : 0) &&
                add_all(map, model, HEAD, COUNT(HEAD), "", "", last);
    if (made) {
        set_derived(map, model);
        return FV_OK;
    }
    checkpoint_map_free(map);
    return fv_fail(error, FV_NO_MEMORY, "out of memory laying out a checkpoint");
}

void checkpoint_map_free(checkpoint_map *map) {
    free(map->entries);
    *map = (checkpoint_map){0};
}

size_t checkpoint_entry_size(const checkpoint_entry *entry) {
    size_t heads = entry->heads > 0 ? (size_t)entry->heads : 1;
    size_t rows = entry->rows > 0 ? (size_t)entry->rows : 1;
    return heads * rows * (size_t)entry->columns;
}

int checkpoint_entry_shape(const checkpoint_entry *entry, uint64_t shape[3]) {
    int n = 0;
    if (entry->heads > 0) shape[n++] = (uint64_t)entry->heads;
    if (entry->rows > 0) shape[n++] = (uint64_t)entry->rows;
    shape[n++] = (uint64_t)entry->columns;
    return n;
}
