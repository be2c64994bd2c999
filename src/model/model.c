// Plans a model: which layer computes which positions, where its parameters and buffers lie, and
// how many samples a tile holds.
#include "config/config_readers.h"
#include "model/layers.h"

#include <fovea/task.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A tile's workspace should stay in the first- or second-level cache: small models take several
// groups of samples at once, so that calls and loops are paid once for all of them.
enum { TILE_BYTES = 256 * 1024 };

// Room for one more tensor. Without it the model is short of memory and its plan fails.
static bool make_room(fv_model *model) {
    if (model->n_tensors < model->tensor_capacity) return true;
    int capacity = 2 * model->tensor_capacity + 16;
    fv_tensor *tensors = realloc(model->tensors, (size_t)capacity * sizeof *tensors);
    if (tensors != NULL) model->tensors = tensors;
    model_param *params = realloc(model->params, (size_t)capacity * sizeof *params);
    if (params != NULL) model->params = params;
    if (tensors == NULL || params == NULL) {
        model->short_of_memory = true;
        return false;
    }
    model->tensor_capacity = capacity;
    return true;
}

size_t model_add(fv_model *model, init_kind init, int rows, int columns, int fan_in,
                 const char *format, ...) {
    if (!make_room(model)) return 0;
    fv_tensor *tensor = &model->tensors[model->n_tensors];
    *tensor = (fv_tensor){0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tensor->name, sizeof tensor->name, format, arguments);
    va_end(arguments);
    const fv_tensor *known = fv_model_tensor(model, tensor->name);
    if (known) return known->offset;
    model->params[model->n_tensors++] = (model_param){.init = init, .fan_in = fan_in};
    tensor->n_dims = columns > 0 ? 2 : 1;
    tensor->shape[0] = rows;
    tensor->shape[1] = columns;
    tensor->offset = model->n_params;
    tensor->size = (size_t)rows * (size_t)(columns > 0 ? columns : 1);
    model->n_params += tensor->size;
    return tensor->offset;
}

void model_restrict(fv_model *model, size_t offset, int kept, int period) {
    for (int i = 0; i < model->n_tensors; i++) {
        if (model->tensors[i].offset != offset) continue;
        model->params[i].kept = kept;
        model->params[i].period = period;
    }
}

size_t model_reserve(fv_model *model, int rows, int features) {
    return arena_reserve(&model->plan,
                         (size_t)model->group_capacity * (size_t)rows * (size_t)features,
                         FV_LANES * sizeof(real));
}

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a model's plan");
}

static fv_status copy_positions(const model_positions *from, model_positions *to, fv_error *error) {
    to->n = from->n;
    to->at = malloc((size_t)from->n * sizeof *to->at);
    if (to->at == NULL) return no_memory(error);
    memcpy(to->at, from->at, (size_t)from->n * sizeof *to->at);
    return FV_OK;
}

fv_status needs_all_before(const model_layer *layer, model_positions *in, fv_error *error) {
    in->n = layer->out.at[layer->out.n - 1] + 1;
    in->at = malloc((size_t)in->n * sizeof *in->at);
    if (in->at == NULL) return no_memory(error);
    for (int i = 0; i < in->n; i++) in->at[i] = i;
    return FV_OK;
}

static fv_status find_rows(model_layer *layer, fv_error *error) {
    layer->rows = malloc((size_t)layer->out.n * sizeof *layer->rows);
    if (layer->rows == NULL) return no_memory(error);
    for (int i = 0, row = 0; i < layer->out.n; i++) {
        while (layer->in.at[row] != layer->out.at[i]) row++;
        layer->rows[i] = row;
    }
    return FV_OK;
}

// From the top down: what each layer is asked for.
static fv_status plan_positions(fv_model *model, const model_positions *top, fv_error *error) {
    const model_positions *wanted = top;
    for (int i = model->n_layers - 1; i >= 0; i--) {
        model_layer *layer = &model->layers[i];
        fv_status status = copy_positions(wanted, &layer->out, error);
        if (status == FV_OK)
            status = layer->type->needs ? layer->type->needs(layer, &layer->in, error)
                                        : copy_positions(&layer->out, &layer->in, error);
        if (status == FV_OK) status = find_rows(layer, error);
        if (status != FV_OK) return status;
        wanted = &layer->in;
    }
    return FV_OK;
}

static fv_status choose_layers(fv_model *model, fv_error *error) {
    const fv_layers *list = &model->config.model.layers;
    int count[FV_LAYER_COUNT] = {0}, n_norms = 0;
    for (int i = 0; i < model->n_layers; i++) model->layers[i].model = model;
    model->layers[0].type = model->data.n_inputs > 0 ? &layer_inputs : &layer_embedding;
    for (int i = 0; i < list->n; i++) {
        model_layer *layer = &model->layers[i + 1];
        layer->type = layer_type_of(list->kind[i]);
        bool adds = !norms_outputs(&model->config.model); // else the norm behind it does
        layer->residual = model->config.model.residual && adds && !layer->type->is_norm;
        // All norms count together: "norms.0", "norms.1", ...
        layer->index = layer->type->is_norm ? n_norms++ : count[list->kind[i]]++;
        model->n_attention += layer->type == &layer_attention;
        if (layer->type->create == NULL) continue;
        fv_status status = layer->type->create(layer, i, error);
        if (status != FV_OK) return status;
    }
    model->layers[list->n + 1].type = model->data.n_outputs > 0 ? &layer_outputs : &layer_head;
    return FV_OK;
}

// Reserves everything for tiles of `groups` groups.
static fv_status plan_buffers(fv_model *model, int groups, fv_error *error) {
    model->group_capacity = groups;
    model->plan = (memory_arena){0};
    int widest = 1, d = model->config.model.n_embd;
    model->tokens = model_reserve(model, model->data.n_in, 1);
    model->targets = model_reserve(model, model->data.n_out, 1);
    for (int i = 0; i < model->n_layers; i++) {
        model_layer *layer = &model->layers[i];
        if (i > 0) layer->x = layer_output(&model->layers[i - 1]);
        int first = model->n_tensors;
        fv_status status = layer->type->plan(model, layer, error);
        bool listed = i > 0 && i < model->n_layers - 1;
        if (status == FV_OK && listed) norm_behind_plan(model, layer);
        if (model->n_tensors > first) { // the first time
            layer->first_tensor = first;
            layer->n_tensors = model->n_tensors - first;
        }
        if (status == FV_OK && model->short_of_memory) status = no_memory(error);
        if (status != FV_OK) return status;
        if (layer->in.n > widest) widest = layer->in.n;
    }
    int n_top = model->layers[model->n_layers - 1].out.n;
    model->losses = model_reserve(model, n_top, 1);
    model->correct = model_reserve(model, n_top, 1);
    for (int i = 0; i < 2; i++) model->stream_gradient[i] = model_reserve(model, widest, d);
    for (int i = 0; i < model->n_layers; i++) {
        model->layers[i].dx = model->stream_gradient[i % 2];
        model->layers[i].dy = model->stream_gradient[(i + 1) % 2];
    }
    if (model->layers[1].returns == LAYER_RETURNS_DY)
        model->layers[0].dy = model->layers[1].dx = model->layers[1].dy;
    return FV_OK;
}

// Groups a tile holds so that it stays in cache, spread evenly over the tiles.
static int choose_groups(size_t bytes_per_group, int max_groups) {
    size_t fitting = TILE_BYTES / bytes_per_group;
    int groups = fitting < 1 ? 1 : fitting > (size_t)max_groups ? max_groups : (int)fitting;
    int n_tiles = (max_groups + groups - 1) / groups;
    return (max_groups + n_tiles - 1) / n_tiles;
}

static fv_status allocate(fv_model *model, fv_error *error) {
    model->n_layers = model->config.model.layers.n + 2;
    model->layers = calloc((size_t)model->n_layers, sizeof *model->layers);
    return model->layers ? FV_OK : no_memory(error);
}

// A rank's own positions may each have a target.
static fv_status score_positions(fv_model *model, const model_positions *own, fv_error *error) {
    model_positions copy;
    fv_status status = copy_positions(own, &copy, error);
    if (status != FV_OK) return status;
    free(model->data.loss_positions);
    model->data.loss_positions = copy.at;
    model->data.n_loss = model->data.n_out = copy.n; // ranks have no reals
    return FV_OK;
}

static fv_status plan_model(const fv_model *as, const fv_config *config, const model_positions *top,
                            fv_model **out, fv_error *error) {
    fv_model *model = calloc(1, sizeof *model);
    if (model == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a model");
    *model = *as;
    model->config = *config;
    config_drop_unread(&model->config);
    int max_groups = model->max_groups;
    fv_status status =
        data_create(&model->config.task, fv_task_seed(config), false, &model->data, error);
    if (status == FV_OK && model->ranks) status = score_positions(model, top, error);
    if (status == FV_OK) {
        model_positions loss = {model->data.n_loss, model->data.loss_positions};
        status = allocate(model, error);
        if (status == FV_OK) status = choose_layers(model, error);
        if (status == FV_OK) status = plan_positions(model, top ? top : &loss, error);
        if (status == FV_OK) status = plan_buffers(model, 1, error);
        if (status == FV_OK)
            status = plan_buffers(
                model, model->replaced ? max_groups : choose_groups(model->plan.size, max_groups),
                error);
    }
    if (status != FV_OK) {
        fv_model_free(model);
        return status;
    }
    *out = model;
    return FV_OK;
}

fv_status model_plan_part(const fv_config *config, int n_positions, const model_positions *top,
                          int max_groups, fv_model **model, fv_error *error) {
    const fv_model as = {.n_positions = n_positions, .max_groups = max_groups};
    return plan_model(&as, config, top, model, error);
}

fv_status model_plan_seen(const fv_config *config, int n_positions, const model_positions *top,
                          int max_groups, bool patterns, fv_model **model, fv_error *error) {
    const fv_model as = {.n_positions = n_positions,
                         .max_groups = max_groups,
                         .seen = true,
                         .keeps_patterns = patterns};
    return plan_model(&as, config, top, model, error);
}

fv_status model_plan_replaced(const fv_config *config, int n_positions, const model_positions *top,
                              int max_groups, fv_model **model, fv_error *error) {
    const fv_model as = {.n_positions = n_positions,
                         .max_groups = max_groups,
                         .seen = true,
                         .keeps_patterns = true,
                         .replaced = true};
    return plan_model(&as, config, top, model, error);
}

fv_status model_plan_rank(const fv_config *config, int n_positions, const model_positions *own,
                          const fv_ring_transport *ranks, fv_model **model, fv_error *error) {
    const fv_model as = {.n_positions = n_positions, .max_groups = 1, .ranks = ranks};
    return plan_model(&as, config, own, model, error);
}

fv_status model_plan(const fv_config *config, const model_positions *top, int max_groups,
                     fv_model **model, fv_error *error) {
    return model_plan_part(config, config->task.context_length, top, max_groups, model, error);
}

fv_status fv_model_create(const fv_config *config, fv_model **model, fv_error *error) {
    return model_plan(config, NULL, (config->train.batch_size + FV_LANES - 1) / FV_LANES, model,
                      error);
}

void fv_model_free(fv_model *model) {
    if (model == NULL) return;
    for (int i = 0; model->layers && i < model->n_layers; i++) {
        model_layer *layer = &model->layers[i];
        free(layer->in.at);
        free(layer->out.at);
        free(layer->rows);
        if (layer->type != NULL && layer->type->free != NULL) layer->type->free(layer);
    }
    free(model->layers);
    free(model->tensors);
    free(model->params);
    free(model->fixed_positions);
    data_free(&model->data);
    free(model);
}

size_t fv_model_n_params(const fv_model *model) {
    return model->n_params;
}
const fv_config *fv_model_config_of(const fv_model *model) {
    return &model->config;
}
fv_model_sizes fv_model_sizes_of(const fv_model *model) {
    const fv_config *config = &model->config;
    return (fv_model_sizes){.context_length = config->task.context_length,
                            .vocab_size = config->task.vocab_size,
                            .n_embd = config->model.n_embd,
                            .n_head = config->model.n_head};
}
int fv_model_n_attention(const fv_model *model) {
    return model->n_attention;
}

#ifndef FOVEA_DOUBLE
const float *fv_model_sinusoids(const fv_model *model) {
    return model->fixed_positions;
}
#endif

const fv_tensor *fv_model_tensors(const fv_model *model, int *n) {
    *n = model->n_tensors;
    return model->tensors;
}

const fv_tensor *fv_model_tensor(const fv_model *model, const char *name) {
    for (int i = 0; i < model->n_tensors; i++)
        if (strcmp(model->tensors[i].name, name) == 0) return &model->tensors[i];
    return NULL;
}

const int *fv_model_loss_positions(const fv_model *model, int *n) {
    *n = model->data.n_loss;
    return model->data.loss_positions;
}

fv_status worker_layers_create(const fv_model *model, model_worker_layers *layers,
                               fv_error *error) {
    *layers = (model_worker_layers){model, calloc((size_t)model->n_layers, sizeof(void *))};
    fv_status status = layers->own != NULL ? FV_OK : no_memory(error);
    for (int i = 0; i < model->n_layers && status == FV_OK; i++) {
        const model_layer *layer = &model->layers[i];
        if (layer->type->worker_create != NULL)
            status = layer->type->worker_create(layer, &layers->own[i], error);
    }
    if (status != FV_OK) worker_layers_free(layers);
    return status;
}

void worker_layers_free(model_worker_layers *layers) {
    for (int i = 0; layers->own != NULL && i < layers->model->n_layers; i++)
        if (layers->own[i] != NULL) layers->model->layers[i].type->worker_free(layers->own[i]);
    free(layers->own);
    *layers = (model_worker_layers){0};
}

void layer_forward(const model_layer *layer, const model_tile *tile) {
    layer->type->forward(layer, tile);
    norm_behind_forward(layer, tile);
}

static void layer_backward(const model_layer *layer, const model_tile *tile) {
    norm_behind_backward(layer, tile);
    layer->type->backward(layer, tile);
    norm_behind_skip(layer, tile);
}

void tile_run(const model_tile *tile) {
    const fv_model *model = tile->model;
    for (int i = 0; i < model->n_layers; i++) layer_forward(&model->layers[i], tile);
    int first = model->layers[1].returns == LAYER_RETURNS_NOTHING ? 1 : 0;
    for (int i = model->n_layers - 1; tile->gradient && i >= first; i--)
        layer_backward(&model->layers[i], tile);
}
