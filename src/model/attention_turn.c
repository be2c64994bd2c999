// Rotary positions: queries and keys are turned in place; on the way back by the negative angle.
#include "model/attention_ways.h"
#include "model/positions.h"

#include <math.h>
#include <stdlib.h>

fv_status rotary_create(const fv_config *config, int longest, rotary *to, fv_error *error) {
    const positions_type *type = positions_type_of(config->model.positions);
    *to = (rotary){0};
    if (type->turn == NULL) return FV_OK;
    int d_head = config->model.n_embd / config->model.n_head;
    to->frequency = calloc((size_t)d_head, sizeof *to->frequency);
    if (to->frequency == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for rotary positions");
    type->turn(config, longest, to);
    return FV_OK;
}

void rotary_keep_original(const fv_config *trained, fv_config *asked) {
    if (trained->model.rope_scaling != FV_ROPE_SCALING_NONE && trained->model.rope_original == 0)
        asked->model.rope_original = trained->task.context_length;
}

void rotary_free(rotary *r) {
    free(r->frequency);
    *r = (rotary){0};
}

void rotary_fill(const rotary *r, int64_t first, int64_t n, real *cosines, real *sines) {
    for (int64_t t = 0; t < n; t++)
        for (int m = 0; m < r->n_pairs; m++) {
            double angle = (double)(first + t) * r->frequency[m];
            *cosines++ = (real)(r->scale * cos(angle));
            *sines++ = (real)(r->scale * sin(angle));
        }
}

real *rotary_table(const rotary *r, int n, const int *at) {
    size_t size = (size_t)n * (size_t)r->n_pairs;
    real *table = malloc(2 * size * sizeof *table);
    for (int i = 0; table != NULL && i < n; i++) {
        real *row = table + (ptrdiff_t)i * r->n_pairs;
        rotary_fill(r, at[i], 1, row, row + size);
    }
    return table;
}

fv_status turn_plan(model_layer *layer, fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    const fv_model *model = layer->model;
    if (a->turned_q != NULL) return FV_OK; // layers are planned twice
    fv_status status = rotary_create(&model->config, model->n_positions, &a->rotary, error);
    if (status != FV_OK || a->rotary.n_pairs == 0) return status;
    a->turned_q = rotary_table(&a->rotary, layer->out.n, layer->out.at);
    a->turned_k = rotary_table(&a->rotary, layer->in.n, layer->in.at);
    if (a->turned_q != NULL && a->turned_k != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for rotary positions");
}

void turn_free(attention_layer *a) {
    rotary_free(&a->rotary);
    free(a->turned_q);
    free(a->turned_k);
}

static void rotate(const model_layer *layer, const model_tile *tile, const real *table, int n_rows,
                   int n_heads, real *x, bool back) {
    const attention_layer *a = model_attention_of(layer);
    rotate_heads(tile, &a->rotary, table, n_rows, n_heads, a->heads.width, x, back);
}

void turn_forward(const model_layer *layer, const model_tile *tile) {
    const attention_layer *a = model_attention_of(layer);
    if (a->rotary.n_pairs == 0) return;
    rotate(layer, tile, a->turned_q, layer->out.n, a->heads.n, tile_buffer(tile, layer->buffer[Q]),
           false);
    rotate(layer, tile, a->turned_k, layer->in.n, a->heads.n_kv,
           tile_buffer(tile, layer->buffer[K]), false);
}

void turn_backward(const model_layer *layer, const model_tile *tile, const attention_gradients *g) {
    const attention_layer *a = model_attention_of(layer);
    if (a->rotary.n_pairs == 0) return;
    rotate(layer, tile, a->turned_q, layer->out.n, a->heads.n, g->dq, true);
    rotate(layer, tile, a->turned_k, layer->in.n, a->heads.n_kv, g->dk, true);
}
