// Products of plain matrices go through the lab's map: sixteen columns of the right one are its
// lanes. Tables are made once for a tile; V + T rows are few beside those of a tile's samples.
#include "model/attention_layer.h"
#include "model/positions.h"

#include <string.h>

enum { L = FV_LANES };

static int n_tokens(const model_layer *layer) {
    return layer->model->config.task.vocab_size;
}

static int n_positions(const model_layer *layer) {
    int kind = layer->model->config.model.positions;
    return positions_are_added(positions_type_of(kind)) ? layer->in.n : 0;
}

static bool is_run(const model_positions *positions) {
    return positions->at[positions->n - 1] - positions->at[0] == positions->n - 1;
}

static bool fit(const model_layer *layer) {
    const fv_config *config = &layer->model->config;
    bool is_first = layer == &layer->model->layers[1];
    int rows = n_tokens(layer) + n_positions(layer), d = config->model.n_embd;
    // Half of a group's rows at most.
    return is_first && !layer->model->replaced && layer->model->data.n_inputs == 0 &&
           model_attention_of(layer)->gate == FV_GATE_NONE && config->model.norm == FV_NORM_NONE &&
           d % L == 0 && model_attention_of(layer)->heads.kv % L == 0 && is_run(&layer->in) &&
           is_run(&layer->out) && rows <= L / 2 * layer->in.n;
}

void token_tables_plan(fv_model *model, model_layer *layer) {
    token_tables *tables = &model_attention_of(layer)->tables;
    if (!(tables->present = fit(layer))) return;
    size_t rows = (size_t)n_tokens(layer) + (size_t)n_positions(layer);
    size_t d = (size_t)model->config.model.n_embd, most = rows > d ? rows : d;
    tables->inputs = arena_reserve(&model->plan, rows * d, sizeof(real));
    tables->outputs = arena_reserve(&model->plan, rows * d, sizeof(real));
    tables->dinputs = arena_reserve(&model->plan, rows * d, sizeof(real));
    tables->columns = arena_reserve(&model->plan, most * d, sizeof(real));
    tables->products = arena_reserve(&model->plan, most * d, sizeof(real));
}

double token_tables_rows(const model_layer *layer) {
    return (double)(n_tokens(layer) + n_positions(layer)) / (L * layer->model->group_capacity);
}

// A matrix: entry (i, j) at data[i * row + j * column].
typedef struct matrix {
    const real *data;
    ptrdiff_t row, column;
} matrix;

// C [m][n] (+)= A [m][k] B [k][n]; n is a multiple of sixteen, C dense.
static void multiply(const model_layer *layer, const model_tile *tile, int m, int n, int k,
                     matrix a, matrix b, real *c, bool accumulate) {
    real *columns = tile_buffer(tile, model_attention_of(layer)->tables.columns);
    real *products = tile_buffer(tile, model_attention_of(layer)->tables.products);
    for (int piece = 0; piece < n / L; piece++)
        for (int i = 0; i < k; i++)
            for (int l = 0; l < L; l++)
                columns[((ptrdiff_t)piece * k + i) * L + l] =
                    b.data[i * b.row + ((ptrdiff_t)piece * L + l) * b.column];
    tile->kernels->map(&(kernel_map){.n_rows = n / L,
                                     .n_in = k,
                                     .n_out = m,
                                     .x = rows_dense(columns, k),
                                     .y = rows_dense(products, m),
                                     .w = a.data,
                                     .w_in = a.column,
                                     .w_out = a.row});
    for (int piece = 0; piece < n / L; piece++)
        for (int i = 0; i < m; i++)
            for (int l = 0; l < L; l++) {
                real *to = &c[(ptrdiff_t)i * n + (ptrdiff_t)piece * L + l];
                real product = products[((ptrdiff_t)piece * m + i) * L + l];
                *to = accumulate ? *to + product : product;
            }
}

void token_tables_begin(const model_layer *layer, const model_tile *tile) {
    size_t d = (size_t)layer->model->config.model.n_embd;
    size_t tokens = (size_t)n_tokens(layer) * d, positions = (size_t)n_positions(layer) * d;
    real *inputs = tile_buffer(tile, model_attention_of(layer)->tables.inputs);
    memcpy(inputs, tile->params + layer->model->layers[0].param[FV_EMBEDDING_TOKENS],
           tokens * sizeof *inputs);
    if (positions > 0)
        memcpy(inputs + tokens, positions_table(tile) + (size_t)layer->in.at[0] * d,
               positions * sizeof *inputs);
}

// Looks rows up in the table of outputs, or sums what comes back into it.
static kernel_embed look_up(const model_layer *layer, const model_tile *tile,
                            const model_positions *positions, int width, real *y) {
    const fv_config *config = &layer->model->config;
    const int32_t *tokens = arena_at(tile->workspace, layer->model->tokens);
    const real *table = tile_buffer(tile, model_attention_of(layer)->tables.outputs);
    ptrdiff_t first = n_tokens(layer) + positions->at[0] - layer->in.at[0];
    return (kernel_embed){.n_groups = tile->n_groups,
                          .n_rows = positions->n,
                          .n_embd = width,
                          .vocab_size = config->task.vocab_size,
                          .tokens = tokens + (ptrdiff_t)positions->at[0] * L,
                          .tokens_group_stride = (ptrdiff_t)config->task.context_length * L,
                          .table = table,
                          .positions = n_positions(layer) > 0 ? table + first * width : NULL,
                          .x = y};
}

void token_tables_forward(const model_layer *layer, const model_tile *tile, model_linear linear,
                          const model_positions *positions, real *y) {
    int d = linear.n_in, width = linear.n_out, rows = n_tokens(layer) + n_positions(layer);
    real *outputs = tile_buffer(tile, model_attention_of(layer)->tables.outputs);
    multiply(layer, tile, rows, width, d,
             (matrix){tile_buffer(tile, model_attention_of(layer)->tables.inputs), d, 1},
             (matrix){tile->params + linear.w, width, 1}, outputs, false);
    for (int v = 0; linear.b != SIZE_MAX && v < n_tokens(layer); v++)
        for (int f = 0; f < width; f++)
            outputs[v * width + f] += tile->params[linear.b + (size_t)f];
    kernel_embed arguments = look_up(layer, tile, positions, width, y);
    tile->kernels->embed(&arguments);
}

void token_tables_backward(const model_layer *layer, const model_tile *tile, model_linear linear,
                           const model_positions *positions, real *dy, bool overwrite) {
    int d = linear.n_in, width = linear.n_out, rows = n_tokens(layer) + n_positions(layer);
    real *doutputs = tile_buffer(tile, model_attention_of(layer)->tables.outputs);
    memset(doutputs, 0, (size_t)rows * (size_t)width * sizeof *doutputs);
    kernel_embed forward = look_up(layer, tile, positions, width, dy);
    ptrdiff_t first = forward.positions != NULL ? forward.positions - forward.table : 0;
    tile->kernels->embed_gradient(&(kernel_embed_gradient){
        .forward = forward, .dtable = doutputs, .dpositions = first > 0 ? doutputs + first : NULL});
    // dW = inputs^T doutputs, dinputs = doutputs W^T
    multiply(layer, tile, d, width, rows,
             (matrix){tile_buffer(tile, model_attention_of(layer)->tables.inputs), 1, d},
             (matrix){doutputs, width, 1}, tile->gradient + linear.w, true);
    multiply(layer, tile, rows, d, width, (matrix){doutputs, width, 1},
             (matrix){tile->params + linear.w, 1, width},
             tile_buffer(tile, model_attention_of(layer)->tables.dinputs), !overwrite);
    for (int v = 0; linear.b != SIZE_MAX && v < n_tokens(layer); v++)
        for (int f = 0; f < width; f++)
            tile->gradient[linear.b + (size_t)f] += doutputs[v * width + f];
}

void token_tables_end(const model_layer *layer, const model_tile *tile) {
    size_t d = (size_t)layer->model->config.model.n_embd, tokens = (size_t)n_tokens(layer) * d;
    const real *dinputs = tile_buffer(tile, model_attention_of(layer)->tables.dinputs);
    const size_t *embedding = layer->model->layers[0].param;
    real *dtokens = tile->gradient + embedding[FV_EMBEDDING_TOKENS];
    for (size_t i = 0; i < tokens; i++) dtokens[i] += dinputs[i];
    if (positions_type_of(layer->model->config.model.positions)->plan == NULL) return;
    real *dpositions =
        tile->gradient + embedding[FV_EMBEDDING_POSITIONS] + (size_t)layer->in.at[0] * d;
    for (size_t i = 0; i < (size_t)layer->in.n * d; i++) dpositions[i] += dinputs[tokens + i];
}
