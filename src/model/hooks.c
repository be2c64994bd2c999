// The activations of a model by their names: the residual stream around each layer, and what each
// layer lists of its own.
#include "model/hooks.h"
#include "model/attention_keys.h"

#include "model/activations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int extent(const fv_config *config, int place, int n_rows, char letter) {
    const fv_model_config *model = &config->model;
    switch (letter) {
    case 'T':
        return n_rows;
    case 'K': // keys
        return config->task.context_length;
    case 'd':
        return model->n_embd;
    case 'H':
        return model->n_head;
    case 'G': // heads of keys and values; the embedding is no item of the list
        return heads_of(model, place - 1).n_kv;
    case 'h':
        return model->n_embd / model->n_head;
    case 'm':
        return mlp_width(model);
    case 'V':
        return task_outputs(&config->task) > 0 ? task_outputs(&config->task)
                                               : config->task.vocab_size;
    case 'E': // channels of a mamba layer,
        return model->mamba_expand * model->n_embd;
    case 'N': // and its state
        return model->mamba_state;
    default:
        return 1;
    }
}

// --- lanes --------------------------------------------------------------------------------------

// Columns [from, to) of a row of vectors, of one lane.
static void leave(const real *restrict row, int lane, int from, int to, float *restrict out) {
    for (int j = from; j < to; j++) out[j] = (float)row[j * FV_LANES + lane];
}

static void enter(real *restrict row, int lane, int from, int to, const float *restrict in) {
    for (int j = from; j < to; j++) row[j * FV_LANES + lane] = in[j];
}

// Rows [n_rows][width], the last dimension the width; of each the columns that are there.
void lanes_leave(const model_lanes *lanes, const fv_hook *is, int sequence, float *out) {
    int width = is->shape[is->n_dims - 1], n_rows = (int)(is->size / (size_t)width);
    int lane = sequence % FV_LANES;
    const real *row = lanes->data + sequence / FV_LANES * lanes->group_stride;
    const seen_rows *seen = lanes->seen;
    for (int r = 0; r < n_rows; r++, row += lanes->row_stride, out += width) {
        if (seen == NULL) {
            leave(row, lane, 0, width, out);
            continue;
        }
        int query = r % seen->n_queries, first = seen->first_key[query];
        leave(row, lane, 0, seen->n_sinks < first ? seen->n_sinks : first, out);
        leave(row, lane, first, seen->n_keys[query], out);
    }
}

void lanes_enter(const model_lanes *lanes, const fv_hook *is, int sequence, const float *in) {
    int width = is->shape[is->n_dims - 1], n_rows = (int)(is->size / (size_t)width);
    int lane = sequence % FV_LANES;
    real *row = lanes->data + sequence / FV_LANES * lanes->group_stride;
    const seen_rows *seen = lanes->seen;
    for (int r = 0; r < n_rows; r++, row += lanes->row_stride, in += width) {
        if (seen == NULL) {
            enter(row, lane, 0, width, in);
            continue;
        }
        int query = r % seen->n_queries, first = seen->first_key[query];
        enter(row, lane, 0, seen->n_sinks < first ? seen->n_sinks : first, in);
        enter(row, lane, first, seen->n_keys[query], in);
    }
}

// --- the residual stream -----------------------------------------------------------------------

static model_lanes lanes_before(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->x), layer->in.n, layer->model->config.model.n_embd);
}

static model_lanes lanes_after(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer_output(layer)), layer->out.n,
                       layer->model->config.model.n_embd);
}

// What a layer adds to the stream, where that is its normalised output.
static model_lanes lanes_added(const model_layer *layer, const model_tile *tile, real *scratch) {
    (void)scratch;
    return lanes_dense(tile_buffer(tile, layer->behind.norm.y), layer->out.n,
                       layer->model->config.model.n_embd);
}

static const layer_hook resid_pre = {"hook_resid_pre", "Td", lanes_before, FV_HOOK_LIES, NULL},
                        resid_mid = {"hook_resid_mid", "Td", lanes_before, FV_HOOK_LIES, NULL},
                        resid_post = {"hook_resid_post", "Td", lanes_after, FV_HOOK_LIES, NULL};

static const layer_hook added[] = {{"hook_attn_out", "Td", lanes_added, FV_HOOK_LIES, NULL},
                                   {"hook_mlp_out", "Td", lanes_added, FV_HOOK_LIES, NULL}};

// The hook in whose place another one stands where the layer's output is normalised before it is added.
static const layer_hook *hook_here(const model_layer *layer, const layer_hook *hook) {
    bool behind = layer->behind.norm.present && norms_outputs(&layer->model->config.model);
    for (int i = 0; behind && i < 2; i++)
        if (strcmp(added[i].name, hook->name) == 0) return &added[i];
    return hook;
}

// What layers call tile_edit for. A norm behind a layer has added its output where it stands.
static bool is_replaceable(const layer_hook *hook) {
    static const char *const NAMES[] = {
        "hook_resid_pre", "hook_resid_mid", "hook_resid_post",     "attn.hook_q",
        "attn.hook_k",    "attn.hook_v",    "attn.hook_pattern",   "attn.hook_z",
        "hook_attn_out",  "mlp.hook_pre",   "mlp.hook_pre_linear", "mlp.hook_post",
        "hook_mlp_out"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(NAMES[i], hook->name) == 0) return hook->lanes != lanes_added;
    return false;
}

// --- the list ----------------------------------------------------------------------------------

typedef struct sites {
    const fv_model *model;
    int n_rows, n;
    hook_site *all;
} sites;

static void add(sites *s, int layer, const char *place, const layer_hook *hook) {
    if (hook->exists != NULL && !hook->exists(&s->model->layers[layer])) return;
    hook_site *site = &s->all[s->n++];
    *site = (hook_site){.layer = layer, .hook = hook};
    snprintf(site->is.name, sizeof site->is.name, "%s%s", place, hook->name);
    site->is.size = 1;
    site->is.replaceable = is_replaceable(hook);
    for (const char *letter = hook->shape; *letter != '\0'; letter++) {
        int size = extent(&s->model->config, layer, s->n_rows, *letter);
        site->is.shape[site->is.n_dims++] = size;
        site->is.size *= (size_t)size;
    }
}

static void add_layer(sites *s, int layer, const char *place) {
    const layer_hook *hook = s->model->layers[layer].type->hooks;
    for (; hook != NULL && hook->name != NULL; hook++)
        add(s, layer, place, hook_here(&s->model->layers[layer], hook));
}

static bool is_attention(const fv_model *model, int layer) {
    return model->layers[layer].type->half == FV_HALF_ATTENTION;
}
static bool is_mlp(const fv_model *model, int layer) {
    return model->layers[layer].type->half == FV_HALF_MLP;
}

// Whether no mlp follows that belongs to the same block: the next of its layers begins another one.
static bool ends_block(const fv_model *model, int layer) {
    int next = layer + 1;
    while (next < model->n_layers - 1 && !is_attention(model, next) && !is_mlp(model, next)) next++;
    return is_mlp(model, layer) || !is_mlp(model, next);
}

// A layer that TransformerLens does not have counts for itself: "norms.0.hook_scale",
// "blocks.0.mamba.hook_resid_pre".
static void add_own(sites *s, int i) {
    const model_layer *layer = &s->model->layers[i];
    bool is_norm = layer->type->is_norm;
    char place[32], stream[64];
    snprintf(place, sizeof place, is_norm ? "norms.%d." : "blocks.%d.", layer->index);
    int kind = s->model->config.model.layers.kind[i - 1]; // the embedding is no item of the list
    const char *name = fv_field_find("model.layers")->choices[kind];
    snprintf(stream, sizeof stream, "%s%s.", place, name);
    if (!is_norm) add(s, i, stream, &resid_pre);
    add_layer(s, i, place);
    if (!is_norm) add(s, i, stream, &resid_post);
}

// Blocks as in checkpoint_map.h, with other layers between them.
static void add_layers(sites *s) {
    bool whole = true; // the last block has its mlp
    int block = -1;
    for (int i = 1; i < s->model->n_layers - 1; i++) {
        bool mlp = is_mlp(s->model, i), begins = !mlp || whole;
        if (!mlp && !is_attention(s->model, i)) {
            add_own(s, i);
            continue;
        }
        if (begins) block++;
        whole = mlp;
        char place[32];
        snprintf(place, sizeof place, "blocks.%d.", block);
        add(s, i, place, begins ? &resid_pre : &resid_mid);
        add_layer(s, i, place);
        if (ends_block(s->model, i)) add(s, i, place, &resid_post);
    }
}

// Two for the stream around each layer, and its own.
static size_t most_sites(const fv_model *model) {
    size_t n = 2 * (size_t)model->n_layers;
    for (int i = 0; i < model->n_layers; i++)
        for (const layer_hook *h = model->layers[i].type->hooks; h && h->name; h++) n++;
    return n;
}

fv_status hook_sites(const fv_model *model, int n_rows, hook_site **out, int *n, fv_error *error) {
    sites s = {.model = model, .n_rows = n_rows};
    s.all = calloc(most_sites(model), sizeof *s.all);
    if (s.all == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    add_layer(&s, 0, "");
    add_layers(&s);
    add_layer(&s, model->n_layers - 1, "");
    *out = s.all;
    *n = s.n;
    return FV_OK;
}

fv_status fv_hooks_list(const fv_model *model, fv_hook **hooks, int *n, fv_error *error) {
    hook_site *all;
    fv_status status = hook_sites(model, model->config.task.context_length, &all, n, error);
    if (status != FV_OK) return status;
    *hooks = calloc((size_t)*n + 1, sizeof **hooks);
    if (*hooks == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    for (int i = 0; status == FV_OK && i < *n; i++) (*hooks)[i] = all[i].is;
    free(all);
    return status;
}
