#include "model/checkpoint_map.h"

#include "model/activations.h"
#include "model/attention_keys.h"
#include "model/checkpoint_lens.h"
#include "model/layers.h"
#include "model/positions.h"

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
    INPUTS,  // tokens, or the reals of a position
    OUTPUTS, // tokens, or the reals of a target
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

// What an attention of TransformerLens has beside, where its configuration says so.
static const plan NORMS_OF_HEADS[] = {{"attn.q_norm.w", NONE, NONE, D_HEAD},
                                      {"attn.k_norm.w", NONE, NONE, D_HEAD}};
static const plan SINKS[] = {{"attn.sinks", NONE, NONE, HEADS}};

// Its names for tensors of heads that are shared.
static const char *const SHARED[][2] = {{"attn.W_K", "attn._W_K"},
                                        {"attn.W_V", "attn._W_V"},
                                        {"attn.b_K", "attn._b_K"},
                                        {"attn.b_V", "attn._b_V"}};

static const plan MLP[] = {{"mlp.W_gate", NONE, IN, D_MLP}, {"mlp.W_in", NONE, IN, D_MLP},
                           {"mlp.b_in", NONE, NONE, D_MLP}, {"mlp.W_out", NONE, D_MLP, OUT},
                           {"mlp.b_out", NONE, NONE, OUT},  {"ln2.w", NONE, NONE, IN},
                           {"ln2.b", NONE, NONE, IN},       {"ln2_post.w", NONE, NONE, OUT},
                           {"ln2_post.b", NONE, NONE, OUT}};

static const plan EMBEDDING[] = {{"embed.W_E", NONE, INPUTS, OUT},
                                 {"pos_embed.W_pos", NONE, CONTEXT, OUT}};

static const plan HEAD[] = {{"ln_final.w", NONE, NONE, IN},
                            {"ln_final.b", NONE, NONE, IN},
                            {"unembed.W_U", NONE, IN, OUTPUTS},
                            {"unembed.b_U", NONE, NONE, OUTPUTS}};

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static block_half half_of(const fv_layers *layers, int i) {
    return layer_type_of(layers->kind[i])->half;
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
    case INPUTS:
        return task_inputs(&config->task) > 0 ? task_inputs(&config->task)
                                              : config->task.vocab_size;
    case OUTPUTS:
        return task_outputs(&config->task) > 0 ? task_outputs(&config->task)
                                               : config->task.vocab_size;
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

static const char *name_in_file(const checkpoint_map *map, const char *name) {
    for (int i = 0; map->theirs && map->kv_heads > 0 && i < COUNT(SHARED); i++)
        if (strcmp(SHARED[i][0], name) == 0) return SHARED[i][1];
    return name;
}

// Adds the tensor of `row` under the name "<prefix><plan's name>", filled from the model's tensor
// "<own><plan's name>" where there is one. False without memory.
static bool add(checkpoint_map *map, const fv_model *model, const plan *row, const char *prefix,
                const char *own, stream_parts parts) {
    const fv_config *config = &model->config;
    checkpoint_entry *entry = new_entry(map);
    if (entry == NULL) return false;
    snprintf(entry->name, sizeof entry->name, "%s%s", prefix, name_in_file(map, row->name));
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

// Whether the tensor "lnX.w" or "lnX.b" exists under model.norm and norm_place, the map of a gate, and a table
// of positions; every other tensor does.
static bool exists(const checkpoint_map *map, const fv_config *config, const plan *row) {
    const fv_model_config *model = &config->model;
    if (strcmp(row->name, "pos_embed.W_pos") == 0)
        return !map->theirs || positions_type_of(model->positions)->turn == NULL;
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
        if (!exists(map, &model->config, &plans[i])) continue;
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

// The norms and sinks of a block's attention, which TransformerLens has in every block where it has any.
static bool add_theirs(checkpoint_map *map, const fv_model *model, const char *prefix,
                       const char *own, stream_parts parts) {
    bool made = true;
    if (map->has_qk_norm)
        made = add_all(map, model, NORMS_OF_HEADS, COUNT(NORMS_OF_HEADS), prefix, own, parts);
    if (made && map->has_sinks) made = add_all(map, model, SINKS, COUNT(SINKS), prefix, own, parts);
    return made;
}

static int kv_heads_of(const checkpoint_map *map, const fv_model *model, const model_layer *layer) {
    const fv_model_config *config = &model->config.model;
    if (layer) return heads_of(config, (int)(layer - model->layers) - 1).n_kv;
    return map->theirs && map->kv_heads > 0 ? map->kv_heads : config->n_head;
}

// One half of a block, zeros where the model lacks the layer (NULL); what else it has is added.
static bool add_half(checkpoint_map *map, const fv_model *model, bool mlp, int block,
                     const model_layer *layer, stream_parts parts) {
    char prefix[24], own[24];
    size_t length = layer ? (size_t)snprintf(own, sizeof own, "blocks.%d.", layer->index) : 0;
    snprintf(prefix, sizeof prefix, "blocks.%d.", block);
    if (!mlp) parts.n_kv_head = kv_heads_of(map, model, layer);
    bool made = add_all(map, model, mlp ? MLP : ATTENTION, mlp ? COUNT(MLP) : COUNT(ATTENTION),
                        prefix, layer ? own : NULL, parts);
    if (made && !mlp && map->theirs)
        made = add_theirs(map, model, prefix, layer ? own : NULL, parts);
    for (int i = 0; layer && i < layer->n_tensors && made; i++) {
        const fv_tensor *tensor = &model->tensors[layer->first_tensor + i];
        const char *rest = name_in_file(map, tensor->name + length);
        char name[sizeof tensor->name + sizeof prefix];
        snprintf(name, sizeof name, "%s%s", prefix, rest);
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
    checkpoint_entry *positions = find(map, "pos_embed.W_pos");
    if (model->fixed_positions != NULL && positions != NULL) {
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
    checkpoint_lens_attention(&model->config, widen, map);
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
