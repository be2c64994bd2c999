// From inputs to queries, keys and values and back: by linear maps, or by tables of what tokens and
// positions become (token_tables.h).
#include "model/attention_ways.h"

#include <string.h>

// Of queries, keys and values those that are needed.
static int n_projections(const model_layer *layer, const model_tile *tile) {
    return tile->stops_early == layer ? 2 : 3;
}

// Where queries (0), keys or values go.
static size_t projected(const model_layer *layer, int i) {
    return layer->buffer[i == 0 ? RAW_Q : i == 1 ? RAW_K : V];
}

// Queries, and keys and values unless what they are made of is pooled.
static void map_forward(const model_layer *layer, const model_tile *tile, real *x) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    const attention_heads *heads = &model_attention_of(layer)->heads;
    real *compact = tile_buffer(tile, layer->buffer[COMPACT]);
    linear_forward(tile, attention_linear(layer, W_Q), n,
                   rows_of_output(layer, tile, x, compact, false),
                   rows_dense(tile_buffer(tile, layer->buffer[RAW_Q]), heads->q), false);
    if (attention_goes_by(layer, FV_ATTEND_POOLED)) return;
    for (int i = 0; i < n_projections(layer, tile) - 1; i++)
        linear_forward(tile, attention_linear(layer, W_K + i), tile->n_groups * layer->in.n,
                       rows_dense(x, d),
                       rows_dense(tile_buffer(tile, projected(layer, 1 + i)), heads->kv), false);
}

static void look_up_forward(const model_layer *layer, const model_tile *tile) {
    token_tables_begin(layer, tile);
    for (int i = 0; i < n_projections(layer, tile); i++)
        token_tables_forward(layer, tile, attention_linear(layer, W_Q + i),
                             i == 0 ? &layer->out : &layer->in,
                             tile_buffer(tile, projected(layer, i)));
}

void project_forward(const model_layer *layer, const model_tile *tile, real *x) {
    if (model_attention_of(layer)->tables.present)
        look_up_forward(layer, tile);
    else if (!attention_is_chained(layer)) // which projects where it carries
        map_forward(layer, tile, x);
}

void project_keys_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                           const attention_gradients *g) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->in.n;
    int kv = model_attention_of(layer)->heads.kv;
    linear_backward(tile, attention_linear(layer, W_K), n, rows_dense(x, d), rows_dense(g->dk, kv),
                    rows_dense(dx, d), false);
    linear_backward(tile, attention_linear(layer, W_V), n, rows_dense(x, d), rows_dense(g->dv, kv),
                    rows_dense(dx, d), true);
}

// The inputs are rows of x: their gradient joins what is there, by way of `spare` where they are no
// view.
void outputs_backward(const model_layer *layer, const model_tile *tile, model_linear linear,
                      real *x, real *dx, real *dy, real *spare) {
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *compact = tile_buffer(tile, layer->buffer[COMPACT]);
    kernel_rows inputs = rows_of_output(layer, tile, x, compact, false);
    kernel_rows dinputs = rows_of_output(layer, tile, dx, spare, false);
    bool view = inputs.data != compact;
    linear_backward(tile, linear, n, inputs, rows_dense(dy, linear.n_out),
                    view ? dinputs : rows_dense(spare, d), view);
    if (!view) rows_add(layer, tile, rows_dense(spare, d), dx);
}

// dz is no longer needed.
void project_queries_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                              const attention_gradients *g) {
    outputs_backward(layer, tile, attention_linear(layer, W_Q), x, dx, g->dq, g->dz);
}

// What queries, keys and values came from are the embeddings themselves: only what passes the layer
// by is left for dx.
void look_up_backward(const model_layer *layer, const model_tile *tile, real *dx,
                      const attention_gradients *g) {
    real *const slopes[] = {g->dq, g->dk, g->dv};
    for (int i = 0; i < 3; i++)
        token_tables_backward(layer, tile, attention_linear(layer, W_Q + i),
                              i == 0 ? &layer->out : &layer->in, slopes[i], i == 0);
    token_tables_end(layer, tile);
    if (layer->returns == LAYER_RETURNS_DX)
        memset(dx, 0,
               (size_t)tile->n_groups * (size_t)layer->in.n *
                   (size_t)layer->model->config.model.n_embd * FV_LANES * sizeof *dx);
}
