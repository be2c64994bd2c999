// Token embedding plus positions. Where windows leave positions out that nobody sees, the rows fall
// into several runs of neighbouring positions, and the kernels take one of these, and one group, at
// a time.
#include "model/hooks.h"
#include "model/positions.h"

#include <stdlib.h>
#include <string.h>

static fv_status fill_table(fv_model *model, const positions_type *type, fv_error *error) {
    size_t n = (size_t)model->n_positions, d = (size_t)model->config.model.n_embd;
    if (model->fixed_positions != NULL) return FV_OK;
    model->fixed_positions = malloc(n * d * sizeof *model->fixed_positions);
    if (model->fixed_positions == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a table of positions");
    type->fill(0, model->n_positions, (int)d, model->fixed_positions);
    return FV_OK;
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    int d = model->config.model.n_embd;
    layer->param[FV_EMBEDDING_TOKENS] =
        model_add(model, FV_INIT_EMBEDDING, model->config.task.vocab_size, d, d, "embed.W_E");
    layer->y = model_reserve(model, layer->out.n, d);
    const positions_type *positions = positions_type_of(model->config.model.positions);
    if (positions->plan) positions->plan(model, layer);
    return positions->fill ? fill_table(model, positions, error) : FV_OK;
}

const real *positions_table(const model_tile *tile) {
    const positions_type *type = positions_type_of(tile->model->config.model.positions);
    if (!positions_are_added(type)) return NULL;
    return type->fill ? tile->model->fixed_positions
                      : tile->params + tile->model->layers[0].param[FV_EMBEDDING_POSITIONS];
}

// Rows [row, row + n) of groups [group, group + n_groups), at neighbouring positions.
typedef struct run {
    int row, n, group, n_groups;
} run;

// Steps to the next run; false behind the last. Starts from {0}.
static bool next_run(const model_layer *layer, const model_tile *tile, run *r) {
    const model_positions *out = &layer->out;
    if (out->at[out->n - 1] - out->at[0] == out->n - 1) { // one run, of all groups at once
        bool first = r->n == 0;
        *r = (run){0, out->n, 0, tile->n_groups};
        return first;
    }
    r->row += r->n;
    if (r->row == out->n) {
        r->row = 0;
        r->group++;
    }
    for (r->n = 1; r->row + r->n < out->n; r->n++)
        if (out->at[r->row + r->n] != out->at[r->row] + r->n) break;
    r->n_groups = 1;
    return r->group < tile->n_groups;
}

static kernel_embed kernel_arguments(const model_layer *layer, const model_tile *tile, run r,
                                     real *x) {
    const fv_config *config = &layer->model->config;
    int first = layer->out.at[r.row], d = config->model.n_embd;
    ptrdiff_t stride = (ptrdiff_t)config->task.context_length * FV_LANES;
    const int32_t *tokens = arena_at(tile->workspace, layer->model->tokens);
    const real *positions = positions_table(tile);
    return (kernel_embed){.n_groups = r.n_groups,
                          .n_rows = r.n,
                          .n_embd = d,
                          .vocab_size = config->task.vocab_size,
                          .tokens = tokens + r.group * stride + first * FV_LANES,
                          .tokens_group_stride = stride,
                          .table = tile->params + layer->param[FV_EMBEDDING_TOKENS],
                          .positions = positions ? positions + (size_t)first * d : NULL,
                          .x = x + ((size_t)r.group * layer->out.n + r.row) * d * FV_LANES};
}

static void forward(const model_layer *layer, const model_tile *tile) {
    for (run r = {0}; next_run(layer, tile, &r);) {
        kernel_embed arguments = kernel_arguments(layer, tile, r, tile_buffer(tile, layer->y));
        tile->kernels->embed(&arguments);
    }
}

static void backward(const model_layer *layer, const model_tile *tile) {
    const fv_config *config = &layer->model->config;
    for (run r = {0}; next_run(layer, tile, &r);) {
        kernel_embed_gradient arguments = {
            .forward = kernel_arguments(layer, tile, r, tile_buffer(tile, layer->dy)),
            .dtable = tile->gradient + layer->param[FV_EMBEDDING_TOKENS]};
        if (positions_type_of(config->model.positions)->plan)
            arguments.dpositions = tile->gradient + layer->param[FV_EMBEDDING_POSITIONS] +
                                   (size_t)layer->out.at[r.row] * config->model.n_embd;
        tile->kernels->embed_gradient(&arguments);
    }
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    (void)layer;
    *textbook = *executed = *exps = 0; // moves data only
}

// Rows of the table of tokens, and of positions: what forward adds up.
static model_lanes lanes_tokens(const model_layer *layer, const model_tile *tile, real *scratch) {
    for (run r = {0}; next_run(layer, tile, &r);) {
        kernel_embed arguments = kernel_arguments(layer, tile, r, scratch);
        arguments.positions = NULL;
        tile->kernels->embed(&arguments);
    }
    return lanes_dense(scratch, layer->out.n, layer->model->config.model.n_embd);
}

static model_lanes lanes_positions(const model_layer *layer, const model_tile *tile,
                                   real *scratch) {
    const real *table = positions_table(tile);
    size_t d = (size_t)layer->model->config.model.n_embd, n = (size_t)layer->out.n;
    for (size_t i = 0; i < (size_t)tile->n_groups * n * d; i++) {
        size_t position = (size_t)layer->out.at[i / d % n];
        for (int l = 0; l < FV_LANES; l++)
            scratch[i * FV_LANES + (size_t)l] = table[position * d + i % d];
    }
    return lanes_dense(scratch, layer->out.n, (int)d);
}

static bool has_positions(const model_layer *layer) {
    return positions_are_added(positions_type_of(layer->model->config.model.positions));
}

static const layer_hook hooks[] = {
    {"hook_embed", "Td", lanes_tokens, FV_HOOK_MADE, NULL},
    {"hook_pos_embed", "Td", lanes_positions, FV_HOOK_MADE, has_positions},
    {0}};

const layer_type layer_embedding = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .hooks = hooks,
};

// --- reals in place of tokens ---------------------------------------------------------------------

// The beginning of a model that reads reals: a learned linear map of each position's vector in place of an
// embedding, plus positions; with model.embedding direct the vector itself.
//
// Inputs lie where tokens do, as bits of float32 [G][T][k][16].

enum inputs_param { W = FV_EMBEDDING_TOKENS, BIAS = FV_EMBEDDING_POSITIONS + 1 };
enum inputs_buffer { X }; // [out][k], of the positions that are asked for

static bool is_direct(const fv_model *model) {
    return model->config.model.embedding == FV_EMBEDDING_DIRECT;
}

static fv_status inputs_plan(fv_model *model, model_layer *layer, fv_error *error) {
    int d = model->config.model.n_embd, k = model->data.n_inputs;
    layer->param[BIAS] = SIZE_MAX;
    if (!is_direct(model)) {
        layer->param[W] = model_add(model, FV_INIT_LINEAR, k, d, k, "embed.W_E");
        if (model->config.model.bias)
            layer->param[BIAS] = model_add(model, FV_INIT_BIAS, d, 0, k, "embed.b_E");
    }
    layer->buffer[X] = model_reserve(model, layer->out.n, k);
    layer->y = model_reserve(model, layer->out.n, d);
    const positions_type *positions = positions_type_of(model->config.model.positions);
    if (positions->plan) positions->plan(model, layer);
    return positions->fill ? fill_table(model, positions, error) : FV_OK;
}

static model_linear inputs_map(const model_layer *layer) {
    return (model_linear){.w = layer->param[W],
                          .b = layer->param[BIAS],
                          .n_in = layer->model->data.n_inputs,
                          .n_out = layer->model->config.model.n_embd};
}

// The vectors of the positions that are asked for, as reals.
static void gather(const model_layer *layer, const model_tile *tile, real *x) {
    const fv_model *model = layer->model;
    size_t T = (size_t)model->config.task.context_length, n = (size_t)layer->out.n;
    size_t row = (size_t)model->data.n_inputs * FV_LANES;
    const char *words = arena_at(tile->workspace, model->tokens);
    for (size_t r = 0; r < (size_t)tile->n_groups * n; r++) {
        size_t from = (r / n * T + (size_t)layer->out.at[r % n]) * row;
        for (size_t i = 0; i < row; i++) {
            float value;
            memcpy(&value, words + (from + i) * sizeof value, sizeof value);
            x[r * row + i] = (real)value;
        }
    }
}

static void inputs_forward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, k = layer->model->data.n_inputs;
    int n_rows = tile->n_groups * layer->out.n;
    real *x = tile_buffer(tile, layer->buffer[X]), *y = tile_buffer(tile, layer->y);
    gather(layer, tile, x);
    if (is_direct(layer->model))
        memcpy(y, x, (size_t)n_rows * (size_t)d * FV_LANES * sizeof *y);
    else
        linear_forward(tile, inputs_map(layer), n_rows, rows_dense(x, k), rows_dense(y, d), false);
    const real *table = positions_table(tile);
    for (size_t i = 0; table != NULL && i < (size_t)n_rows * (size_t)d; i++) {
        size_t at = (size_t)layer->out.at[i / (size_t)d % (size_t)layer->out.n];
        real here = table[at * (size_t)d + i % (size_t)d];
        for (size_t l = 0; l < FV_LANES; l++) y[i * FV_LANES + l] += here;
    }
}

static void inputs_backward(const model_layer *layer, const model_tile *tile) {
    const fv_model_config *config = &layer->model->config.model;
    int d = config->n_embd, k = layer->model->data.n_inputs, n_rows = tile->n_groups * layer->out.n;
    real *dy = tile_buffer(tile, layer->dy), *x = tile_buffer(tile, layer->buffer[X]);
    if (!is_direct(layer->model))
        linear_backward(tile, inputs_map(layer), n_rows, rows_dense(x, k), rows_dense(dy, d),
                        (kernel_rows){0}, false);
    if (!positions_type_of(config->positions)->plan) return;
    real *dtable = tile->gradient + layer->param[FV_EMBEDDING_POSITIONS];
    for (size_t i = 0; i < (size_t)n_rows * (size_t)d; i++) {
        size_t at = (size_t)layer->out.at[i / (size_t)d % (size_t)layer->out.n];
        real sum = 0;
        for (size_t l = 0; l < FV_LANES; l++) sum += dy[i * FV_LANES + l];
        dtable[at * (size_t)d + i % (size_t)d] += sum;
    }
}

static void inputs_cost(const model_layer *layer, double *textbook, double *executed,
                        double *exps) {
    double n =
        (double)layer->out.n * layer->model->data.n_inputs * layer->model->config.model.n_embd;
    *textbook = *executed = is_direct(layer->model) ? 0 : n;
    *exps = 0;
}

const layer_type layer_inputs = {
    .plan = inputs_plan,
    .forward = inputs_forward,
    .backward = inputs_backward,
    .cost = inputs_cost,
};
