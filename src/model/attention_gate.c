// A gate on what heads hand on: z times sigmoid(x W_G), a gate for each head or each feature, before
// W_O (arXiv 2505.06708).
#include "model/attention_ways.h"

static int n_gates(const model_layer *layer) {
    const attention_layer *a = model_attention_of(layer);
    return a->gate == FV_GATE_HEAD ? a->heads.n : a->heads.q;
}

static model_linear linear(const model_layer *layer) {
    return (model_linear){layer->param[W_G], layer->param[B_G], layer->model->config.model.n_embd,
                          n_gates(layer)};
}

void gate_plan_params(fv_model *model, model_layer *layer) {
    int d = model->config.model.n_embd, l = layer->index;
    if (model_attention_of(layer)->gate == FV_GATE_NONE) return;
    layer->param[W_G] =
        model_add(model, FV_INIT_LINEAR, d, n_gates(layer), d, "blocks.%d.attn.W_G", l);
    layer->param[B_G] = SIZE_MAX;
    if (model->config.model.bias)
        layer->param[B_G] =
            model_add(model, FV_INIT_BIAS, n_gates(layer), 0, d, "blocks.%d.attn.b_G", l);
}

void gate_plan(fv_model *model, model_layer *layer) {
    const attention_layer *a = model_attention_of(layer);
    layer->buffer[GATED] = layer->buffer[Z];
    if (a->gate == FV_GATE_NONE) return;
    layer->buffer[GATED] = model_reserve(model, layer->out.n, a->heads.q);
    layer->buffer[GATES] = model_reserve(model, layer->out.n, n_gates(layer));
    layer->buffer[D_GATES] = model_reserve(model, layer->out.n, n_gates(layer));
}

static kernel_sigmoid_gate arguments(const model_layer *layer, const model_tile *tile) {
    const attention_layer *a = model_attention_of(layer);
    int gates = n_gates(layer);
    return (kernel_sigmoid_gate){.n_gates =
                                     (size_t)tile->n_groups * (size_t)layer->out.n * (size_t)gates,
                                 .width = a->heads.q / gates,
                                 .g = tile_buffer(tile, layer->buffer[GATES]),
                                 .x = tile_buffer(tile, layer->buffer[Z]),
                                 .y = tile_buffer(tile, layer->buffer[GATED])};
}

void gate_forward(const model_layer *layer, const model_tile *tile, real *x) {
    if (model_attention_of(layer)->gate == FV_GATE_NONE) return;
    real *compact = tile_buffer(tile, layer->buffer[COMPACT]);
    linear_forward(tile, linear(layer), tile->n_groups * layer->out.n,
                   rows_of_output(layer, tile, x, compact, false),
                   rows_dense(tile_buffer(tile, layer->buffer[GATES]), n_gates(layer)), false);
    kernel_sigmoid_gate gate = arguments(layer, tile);
    tile->kernels->sigmoid_gate(&gate);
}

void gate_backward(const model_layer *layer, const model_tile *tile, const attention_gradients *g) {
    if (model_attention_of(layer)->gate == FV_GATE_NONE) return;
    tile->kernels->sigmoid_gate_gradient(
        &(kernel_sigmoid_gate_gradient){.forward = arguments(layer, tile),
                                        .dy = g->dz,
                                        .dg = tile_buffer(tile, layer->buffer[D_GATES]),
                                        .dx = g->dz});
}

void gate_project_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                           const attention_gradients *g) {
    if (model_attention_of(layer)->gate == FV_GATE_NONE) return;
    outputs_backward(layer, tile, linear(layer), x, dx, tile_buffer(tile, layer->buffer[D_GATES]),
                     g->dz);
}
