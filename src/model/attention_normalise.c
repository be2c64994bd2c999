// What a head learns for its normaliser (normalisers.h): its alpha, or by how much the scores of each
// query are stretched before they become weights.
#include "model/attention_ways.h"
#include "model/normalisers.h"

#include <math.h>
#include <stdlib.h>

static const normaliser_type *type_of(const model_layer *layer) {
    return normaliser_type_of(model_attention_of(layer)->normaliser);
}

static bool learns_alpha(const model_layer *layer) {
    return type_of(layer)->alpha && layer->model->config.model.entmax_alpha_learned;
}

// 0 of queries that see one key, or none: nothing that a stretch could change.
fv_status normaliser_plan_counts(model_layer *layer, fv_error *error) {
    attention_layer *a = model_attention_of(layer);
    const seen_rows *seen = &a->seen;
    if (type_of(layer)->stretch == FV_NO_STRETCH || a->log_n != NULL) return FV_OK;
    a->log_n = malloc((size_t)layer->out.n * sizeof *a->log_n);
    if (a->log_n == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    for (int i = 0; i < layer->out.n; i++) {
        int behind = seen->first_key[i] - seen->n_sinks;
        int n = seen->n_keys[i] - (behind > 0 ? behind : 0);
        a->log_n[i] = n > 1 ? (real)log(n) : 0;
    }
    return FV_OK;
}

void normaliser_plan(fv_model *model, model_layer *layer) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int l = layer->index, n_out = layer->out.n;
    if (learns_alpha(layer))
        layer->param[ALPHA_LOGIT] =
            model_add(model, FV_INIT_ALPHA, heads->n, 0, 1, "blocks.%d.attn.alpha_logit", l);
    switch (type_of(layer)->stretch) {
    case FV_NO_STRETCH:
        return;
    case FV_STRETCH_OF_HEAD:
        layer->param[STRETCH_BY] =
            model_add(model, FV_INIT_ONE, heads->n, 0, 1, "blocks.%d.attn.score_stretch", l);
        break;
    case FV_STRETCH_OF_QUERY:
        layer->param[STRETCH_BY] =
            model_add(model, FV_INIT_ZERO, heads->n, heads->width, 1, "blocks.%d.attn.W_beta", l);
        layer->param[STRETCH_POWER] =
            model_add(model, FV_INIT_ZERO, heads->n, heads->width, 1, "blocks.%d.attn.W_gamma", l);
        layer->buffer[STRETCH_RAW] = model_reserve(model, n_out, 2 * heads->n);
        layer->buffer[D_STRETCH_RAW] = model_reserve(model, n_out, 2);
    }
    layer->buffer[STRETCH] = model_reserve(model, n_out, heads->n);
    layer->buffer[D_STRETCH] = model_reserve(model, n_out, heads->n);
}

// Head h's column of a buffer [G][out.n][heads][16].
static kernel_rows head_column(const model_layer *layer, const model_tile *tile, enum buffer which,
                               int h) {
    int n = model_attention_of(layer)->heads.n;
    return (kernel_rows){tile_buffer(tile, layer->buffer[which]) + (ptrdiff_t)h * FV_LANES,
                         (ptrdiff_t)n * FV_LANES};
}

static kernel_rows queries_of(const model_layer *layer, real *q, int h) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    return (kernel_rows){q + (ptrdiff_t)h * heads->width * FV_LANES,
                         (ptrdiff_t)heads->q * FV_LANES};
}

static kernel_stretch stretch_job(const model_layer *layer, const model_tile *tile, int h,
                                  kernel_rows stretch) {
    int n = model_attention_of(layer)->heads.n;
    return (kernel_stretch){
        .n_groups = tile->n_groups,
        .n_rows = layer->out.n,
        .log_n = model_attention_of(layer)->log_n,
        .raw = {tile_buffer(tile, layer->buffer[STRETCH_RAW]) + (ptrdiff_t)(2 * h) * FV_LANES,
                (ptrdiff_t)(2 * n) * FV_LANES},
        .stretch = stretch};
}

static void stretch_by_head(const model_layer *layer, const model_tile *tile, int h) {
    kernel_rows to = head_column(layer, tile, STRETCH, h);
    const real by = tile->params[layer->param[STRETCH_BY] + (size_t)h];
    for (int r = 0; r < tile->n_groups * layer->out.n; r++)
        for (int l = 0; l < FV_LANES; l++)
            to.data[r * to.stride + l] = by * model_attention_of(layer)->log_n[r % layer->out.n];
}

// beta's and gamma's vector of head h, of whose query each makes a number.
static const real *vector_of(const model_layer *layer, const model_tile *tile, int h, int which) {
    size_t at = layer->param[which == 0 ? STRETCH_BY : STRETCH_POWER];
    return tile->params + at + (size_t)(h * model_attention_of(layer)->heads.width);
}

static void stretch_by_query(const model_layer *layer, const model_tile *tile, int h) {
    int n = tile->n_groups * layer->out.n;
    kernel_rows q = queries_of(layer, tile_buffer(tile, layer->buffer[Q]), h);
    kernel_stretch job = stretch_job(layer, tile, h, head_column(layer, tile, STRETCH, h));
    for (int which = 0; which < 2; which++)
        tile->kernels->map(&(kernel_map){.n_rows = n,
                                         .n_in = model_attention_of(layer)->heads.width,
                                         .n_out = 1,
                                         .x = q,
                                         .y = {job.raw.data + which * FV_LANES, job.raw.stride},
                                         .w = vector_of(layer, tile, h, which),
                                         .w_in = 1,
                                         .w_out = 1});
    tile->kernels->stretch(&job);
}

void normaliser_forward(const model_layer *layer, const model_tile *tile) {
    normaliser_stretch stretch = type_of(layer)->stretch;
    for (int h = 0; stretch != FV_NO_STRETCH && h < model_attention_of(layer)->heads.n; h++)
        if (stretch == FV_STRETCH_OF_HEAD)
            stretch_by_head(layer, tile, h);
        else
            stretch_by_query(layer, tile, h);
}

static void stretch_by_head_backward(const model_layer *layer, const model_tile *tile, int h) {
    kernel_rows d = head_column(layer, tile, D_STRETCH, h);
    real sum = 0;
    for (int r = 0; r < tile->n_groups * layer->out.n; r++)
        for (int l = 0; l < FV_LANES; l++)
            sum += d.data[r * d.stride + l] * model_attention_of(layer)->log_n[r % layer->out.n];
    tile->gradient[layer->param[STRETCH_BY] + (size_t)h] += sum;
}

static void stretch_by_query_backward(const model_layer *layer, const model_tile *tile, int h,
                                      real *dq) {
    int n = tile->n_groups * layer->out.n, width = model_attention_of(layer)->heads.width;
    kernel_stretch_gradient job = {
        .forward = stretch_job(layer, tile, h, head_column(layer, tile, D_STRETCH, h)),
        .draw = rows_dense(tile_buffer(tile, layer->buffer[D_STRETCH_RAW]), 2)};
    tile->kernels->stretch_gradient(&job);
    for (int which = 0; which < 2; which++) {
        const real *vector = vector_of(layer, tile, h, which);
        kernel_rows d = {job.draw.data + which * FV_LANES, job.draw.stride};
        tile->kernels->map_gradient(
            &(kernel_map_gradient){.n_rows = n,
                                   .n_in = width,
                                   .n_out = 1,
                                   .x = queries_of(layer, tile_buffer(tile, layer->buffer[Q]), h),
                                   .dy = d,
                                   .dw = tile->gradient + (vector - tile->params),
                                   .w_in = 1,
                                   .w_out = 1});
        tile->kernels->map(&(kernel_map){.n_rows = n,
                                         .n_in = 1,
                                         .n_out = width,
                                         .x = d,
                                         .y = queries_of(layer, dq, h),
                                         .w = vector,
                                         .w_in = 1,
                                         .w_out = 1,
                                         .accumulate = true});
    }
}

void normaliser_backward(const model_layer *layer, const model_tile *tile,
                         const attention_gradients *g) {
    normaliser_stretch stretch = type_of(layer)->stretch;
    for (int h = 0; stretch != FV_NO_STRETCH && h < model_attention_of(layer)->heads.n; h++)
        if (stretch == FV_STRETCH_OF_HEAD)
            stretch_by_head_backward(layer, tile, h);
        else
            stretch_by_query_backward(layer, tile, h, g->dq);
}

static real alpha_of(const model_layer *layer, const model_tile *tile, int h, real *slope) {
    if (!learns_alpha(layer)) return (real)layer->model->config.model.entmax_alpha;
    return normaliser_alpha(tile->params[layer->param[ALPHA_LOGIT] + (size_t)h], slope);
}

void normaliser_choose(const model_layer *layer, const model_tile *tile, int h,
                       kernel_attend *attend) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    real slope;
    attend->normaliser = (kernel_normaliser)model_attention_of(layer)->normaliser;
    if (type_of(layer)->alpha) attend->alpha = alpha_of(layer, tile, h, &slope);
    if (type_of(layer)->stretch != FV_NO_STRETCH)
        attend->stretch =
            attend_rows(tile_buffer(tile, layer->buffer[STRETCH]), layer->out.n, heads->n, h);
}

void normaliser_attend_backward(const model_layer *layer, const model_tile *tile, int h,
                                kernel_attend_gradient *job) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    real dalpha = 0, slope = 0;
    if (learns_alpha(layer)) {
        alpha_of(layer, tile, h, &slope);
        job->dalpha = &dalpha;
    }
    if (type_of(layer)->stretch != FV_NO_STRETCH)
        job->dstretch =
            attend_rows(tile_buffer(tile, layer->buffer[D_STRETCH]), layer->out.n, heads->n, h);
    tile->kernels->attend_gradient(job);
    if (job->dalpha) tile->gradient[layer->param[ALPHA_LOGIT] + (size_t)h] += dalpha * slope;
}
