// The end of the model: final norm, unembedding, softmax cross-entropy, and where the gradient
// starts.
//
// Logits are [rows][V][16], the widest activation of a small model. They live only in a chunk of
// rows: unembed, cross-entropy, both gradients, next chunk, by one kernel (kernel_readout). The softmax
// is normalised nowhere: the gradient of a row is (e_n - [n = target] sum) * inverse, linear in `inverse`, so the V numbers
// stay as they are and the d numbers around them are scaled.
//
// With model.readout harmonic (Baek et al., 2025, arXiv 2502.01628) a logit is -n log |h - u_v| for the
// token's unembedding u_v and n = model.readout_power, so that p_v is proportional to |h - u_v|^-n and
// all behind it is as before.
#include "model/hooks.h"

#include <string.h>

enum param { W_U, B_U };
enum buffer { COMPACT, LOGITS, INVERSE, SCALED, D_ROWS, D_NORMED, SQUARES };

enum { CHUNK_FLOATS = 1 << 17 }; // logits in a chunk: 512 KB

static int chunk_rows(const model_layer *layer) {
    int rows = CHUNK_FLOATS / (layer->model->config.task.vocab_size * FV_LANES);
    return rows < 32 ? 32 : rows;
}

static bool is_harmonic(const fv_model *model) {
    return model->config.model.readout == FV_READOUT_HARMONIC;
}

static fv_status plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    int d = model->config.model.n_embd, n = layer->out.n;
    const fv_model_config *config = &model->config.model;
    bool normed = config->norm_place != FV_NORM_PLACE_POST; // else the last layer's is behind it
    norm_plan_always(model, &layer->norm, normed ? config->norm : FV_NORM_NONE, n, "ln_final");
    layer->param[W_U] =
        model->config.model.tied
            ? fv_model_tensor(model, "embed.W_E")->offset
            : model_add(model, FV_INIT_LINEAR, d, model->config.task.vocab_size, d, "unembed.W_U");
    int total = model->group_capacity * n, chunk = chunk_rows(layer);
    size_t rows = (size_t)(total < chunk ? total : chunk);
    size_t row = (size_t)model->config.task.vocab_size * FV_LANES * sizeof(real);
    layer->buffer[COMPACT] = model_reserve(model, n, d);
    layer->buffer[LOGITS] = arena_reserve(&model->plan, rows, row);
    if (is_harmonic(model)) layer->buffer[SQUARES] = arena_reserve(&model->plan, rows, row);
    layer->buffer[INVERSE] = model_reserve(model, n, 1);
    layer->buffer[SCALED] = model_reserve(model, n, d);
    layer->buffer[D_ROWS] = model_reserve(model, n, d);
    layer->buffer[D_NORMED] = model_reserve(model, n, d);
    return FV_OK;
}

// The unembedding W_U [d][V], or the token embedding's transpose.
static void strides(const model_layer *layer, ptrdiff_t *in, ptrdiff_t *out) {
    const fv_config *config = &layer->model->config;
    *in = config->model.tied ? 1 : config->task.vocab_size;
    *out = config->model.tied ? config->model.n_embd : 1;
}

static kernel_distances distances(const model_layer *layer, const model_tile *tile, int n_rows,
                                  kernel_rows x, real *squares, real *logits) {
    const fv_config *config = &layer->model->config;
    int n_vocab = config->task.vocab_size;
    kernel_distances d = {.n_rows = n_rows,
                          .n_in = config->model.n_embd,
                          .n_out = n_vocab,
                          .x = x,
                          .w = tile->params + layer->param[W_U],
                          .factor = (real)(readout_power(&config->model) / 2),
                          .floor = (real)config->model.readout_floor,
                          .squares = rows_dense(squares, n_vocab),
                          .y = rows_dense(logits, n_vocab)};
    strides(layer, &d.w_in, &d.w_out);
    return d;
}

// `squares` has room for as many numbers as `logits`, and may be the same where nothing is asked of it;
// it is read with distances alone.
static void unembed(const model_layer *layer, const model_tile *tile, int n_rows, kernel_rows x,
                    real *squares, real *logits) {
    const fv_config *config = &layer->model->config;
    if (is_harmonic(layer->model)) {
        kernel_distances job = distances(layer, tile, n_rows, x, squares, logits);
        tile->kernels->distances(&job);
        return;
    }
    kernel_map map = {.n_rows = n_rows,
                      .n_in = config->model.n_embd,
                      .n_out = config->task.vocab_size,
                      .x = x,
                      .y = rows_dense(logits, config->task.vocab_size),
                      .w = tile->params + layer->param[W_U]};
    strides(layer, &map.w_in, &map.w_out);
    tile->kernels->map(&map);
}

// From the unscaled gradient in `logits`, which it overwrites.
static void distances_gradient(const model_layer *layer, const model_tile *tile, int n_rows,
                               kernel_rows x, real *logits, const real *inverse, real *dx) {
    const fv_config *config = &layer->model->config;
    real *squares = tile_buffer(tile, layer->buffer[SQUARES]);
    tile->kernels->distances_gradient(
        &(kernel_distances_gradient){.forward = distances(layer, tile, n_rows, x, squares, logits),
                                     .dy = rows_dense(logits, config->task.vocab_size),
                                     .scale = inverse,
                                     .dx = rows_dense(dx, config->model.n_embd),
                                     .dw = tile->gradient + layer->param[W_U]});
}

// The scored rows [G * out.n][d][16], normalised.
static kernel_rows scored_rows(const model_layer *layer, const model_tile *tile) {
    kernel_rows x = rows_of_output(layer, tile, tile_buffer(tile, layer->x),
                                   tile_buffer(tile, layer->buffer[COMPACT]), layer->norm.present);
    x.data = norm_forward(&layer->norm, tile, layer->out.n, x.data);
    return x;
}

// The rows of one chunk, and where what is made of them goes.
typedef struct chunk {
    int n;
    kernel_rows x;
    const int32_t *targets;
    real *losses, *correct, *inverse, *scaled, *dx, *logits;
} chunk;

static void read_linear(const model_layer *layer, const model_tile *tile, const chunk *c) {
    const fv_config *config = &layer->model->config;
    kernel_readout job = {.n_rows = c->n,
                          .n_in = config->model.n_embd,
                          .n_out = config->task.vocab_size,
                          .x = c->x,
                          .w = tile->params + layer->param[W_U],
                          .targets = c->targets,
                          .weight = tile->weight,
                          .losses = c->losses,
                          .correct = c->correct,
                          .dw = tile->gradient ? tile->gradient + layer->param[W_U] : NULL,
                          .dx = c->dx,
                          .logits = c->logits,
                          .inverse = c->inverse,
                          .scaled = c->scaled};
    strides(layer, &job.w_in, &job.w_out);
    tile->kernels->readout(&job);
}

static void read_harmonic(const model_layer *layer, const model_tile *tile, const chunk *c) {
    unembed(layer, tile, c->n, c->x, tile_buffer(tile, layer->buffer[SQUARES]), c->logits);
    tile->kernels->cross_entropy(
        &(kernel_cross_entropy){.n_rows = c->n,
                                .vocab_size = layer->model->config.task.vocab_size,
                                .logits = c->logits,
                                .targets = c->targets,
                                .weight = tile->weight,
                                .losses = c->losses,
                                .correct = c->correct,
                                .inverse = tile->gradient ? c->inverse : NULL});
    if (tile->gradient) distances_gradient(layer, tile, c->n, c->x, c->logits, c->inverse, c->dx);
}

static void forward(const model_layer *layer, const model_tile *tile) {
    const fv_model *model = layer->model;
    ptrdiff_t row = (ptrdiff_t)model->config.model.n_embd * FV_LANES;
    int total = tile->n_groups * layer->out.n, most = chunk_rows(layer);
    kernel_rows x = scored_rows(layer, tile);
    const int32_t *targets = arena_at(tile->workspace, model->targets);
    for (int r = 0; r < total; r += most) {
        const ptrdiff_t lanes = (ptrdiff_t)r * FV_LANES;
        real *correct = tile_buffer(tile, model->correct) + lanes;
        const chunk c = {.n = total - r < most ? total - r : most,
                         .x = {x.data + r * x.stride, x.stride},
                         .targets = targets + lanes,
                         .losses = tile_buffer(tile, model->losses) + lanes,
                         .correct = tile->count_correct ? correct : NULL,
                         .inverse = tile_buffer(tile, layer->buffer[INVERSE]) + lanes,
                         .scaled = tile_buffer(tile, layer->buffer[SCALED]) + r * row,
                         .dx = tile_buffer(tile, layer->buffer[D_ROWS]) + r * row,
                         .logits = tile_buffer(tile, layer->buffer[LOGITS])};
        (is_harmonic(model) ? read_harmonic : read_linear)(layer, tile, &c);
    }
}

static void backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd;
    real *drows = tile_buffer(tile, layer->buffer[D_ROWS]);
    real *dx = tile_buffer(tile, layer->dx);
    if (layer->norm.present) {
        kernel_rows plain = rows_of_output(layer, tile, tile_buffer(tile, layer->x),
                                           tile_buffer(tile, layer->buffer[COMPACT]), true);
        real *dplain = tile_buffer(tile, layer->buffer[D_NORMED]);
        norm_backward(&layer->norm, tile, layer->out.n, plain.data, drows, dplain);
        drows = dplain;
    }
    size_t bytes = (size_t)tile->n_groups * (size_t)layer->in.n * (size_t)d * FV_LANES * sizeof *dx;
    if (layer->out.n == layer->in.n) {
        memcpy(dx, drows, bytes);
    } else {
        memset(dx, 0, bytes);
        rows_add(layer, tile, rows_dense(drows, d), dx);
    }
}

static void cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const fv_config *config = &layer->model->config;
    double logits = (double)layer->out.n * config->task.vocab_size;
    *textbook = *executed = logits * config->model.n_embd;
    *exps = is_harmonic(layer->model) ? 2 * logits : logits; // a logarithm counts like one
}

// The head is not run for what is seen of it, since its forward pass reads targets.
static model_lanes lanes_scale(const model_layer *layer, const model_tile *tile, real *scratch) {
    scored_rows(layer, tile);
    return norm_scale(layer, tile, scratch);
}

static model_lanes lanes_normalized(const model_layer *layer, const model_tile *tile,
                                    real *scratch) {
    scored_rows(layer, tile);
    return norm_normalized(layer, tile, scratch);
}

static model_lanes lanes_logits(const model_layer *layer, const model_tile *tile, real *scratch) {
    unembed(layer, tile, tile->n_groups * layer->out.n, scored_rows(layer, tile), scratch, scratch);
    return lanes_dense(scratch, layer->out.n, layer->model->config.task.vocab_size);
}

static const layer_hook hooks[] = {
    {"ln_final.hook_scale", "T1", lanes_scale, FV_HOOK_MADE, norm_exists},
    {"ln_final.hook_normalized", "Td", lanes_normalized, FV_HOOK_MADE, norm_exists},
    {"logits", "TV", lanes_logits, FV_HOOK_MADE, NULL},
    {0}};

const layer_type layer_head = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .hooks = hooks,
};

// --- reals in place of tokens ---------------------------------------------------------------------

// The end of a model whose targets are reals: final norm, a linear map to m numbers, and the squared error
//
//     loss = sum_j (y_j - t_j)^2 / m
//
// of every scored position. Targets lie where those of tokens do, as bits of float32 [G][n_loss][m][16];
// one whose first number is the word -1 is none.

static fv_status outputs_plan(fv_model *model, model_layer *layer, fv_error *error) {
    (void)error;
    const fv_model_config *config = &model->config.model;
    int d = config->n_embd, n = layer->out.n, m = model->data.n_outputs;
    bool normed = config->norm_place != FV_NORM_PLACE_POST; // else the last layer's is behind it
    norm_plan_always(model, &layer->norm, normed ? config->norm : FV_NORM_NONE, n, "ln_final");
    layer->param[W_U] = model_add(model, FV_INIT_LINEAR, d, m, d, "unembed.W_U");
    layer->param[B_U] =
        config->bias ? model_add(model, FV_INIT_BIAS, m, 0, d, "unembed.b_U") : SIZE_MAX;
    layer->buffer[COMPACT] = model_reserve(model, n, d);
    layer->buffer[LOGITS] = model_reserve(model, n, m);
    layer->buffer[D_ROWS] = model_reserve(model, n, d);
    layer->buffer[D_NORMED] = model_reserve(model, n, d);
    return FV_OK;
}

static model_linear outputs_map(const model_layer *layer) {
    return (model_linear){.w = layer->param[W_U],
                          .b = layer->param[B_U],
                          .n_in = layer->model->config.model.n_embd,
                          .n_out = layer->model->data.n_outputs};
}

// y [m][16] of one position becomes its gradient, of which `weight` is a target's.
static void score_row(int m, real weight, const char *words, real *y, real *losses) {
    for (int l = 0; l < FV_LANES; l++) {
        int32_t first;
        memcpy(&first, words + (size_t)l * sizeof first, sizeof first);
        real sum = 0;
        for (int j = 0; j < m; j++) {
            size_t at = (size_t)j * FV_LANES + (size_t)l;
            float target;
            memcpy(&target, words + at * sizeof target, sizeof target);
            real error = first == -1 ? 0 : y[at] - (real)target;
            sum += error * error;
            y[at] = 2 * weight * error / (real)m;
        }
        losses[l] = sum / (real)m;
    }
}

static void outputs_forward(const model_layer *layer, const model_tile *tile) {
    const fv_model *model = layer->model;
    int n_rows = tile->n_groups * layer->out.n, m = model->data.n_outputs;
    real *y = tile_buffer(tile, layer->buffer[LOGITS]), *losses = tile_buffer(tile, model->losses);
    linear_forward(tile, outputs_map(layer), n_rows, scored_rows(layer, tile), rows_dense(y, m),
                   false);
    const char *words = arena_at(tile->workspace, model->targets);
    size_t row = (size_t)m * FV_LANES;
    for (size_t r = 0; r < (size_t)n_rows; r++)
        score_row(m, tile->weight, words + r * row * sizeof(float), y + r * row,
                  losses + r * FV_LANES);
    if (tile->count_correct) // nothing is right or wrong
        memset(tile_buffer(tile, model->correct), 0, (size_t)n_rows * FV_LANES * sizeof(real));
}

static void outputs_backward(const model_layer *layer, const model_tile *tile) {
    int d = layer->model->config.model.n_embd, m = layer->model->data.n_outputs;
    kernel_rows x = layer->norm.present
                        ? rows_dense(tile_buffer(tile, layer->norm.y), d)
                        : rows_of_output(layer, tile, tile_buffer(tile, layer->x),
                                         tile_buffer(tile, layer->buffer[COMPACT]), false);
    linear_backward(tile, outputs_map(layer), tile->n_groups * layer->out.n, x,
                    rows_dense(tile_buffer(tile, layer->buffer[LOGITS]), m),
                    rows_dense(tile_buffer(tile, layer->buffer[D_ROWS]), d), false);
    backward(layer, tile);
}

static void outputs_cost(const model_layer *layer, double *textbook, double *executed,
                         double *exps) {
    *textbook = *executed =
        (double)layer->out.n * layer->model->config.model.n_embd * layer->model->data.n_outputs;
    *exps = 0;
}

// The head is not run for what is seen of it, since its forward pass reads targets.
static model_lanes lanes_outputs(const model_layer *layer, const model_tile *tile, real *scratch) {
    int m = layer->model->data.n_outputs;
    linear_forward(tile, outputs_map(layer), tile->n_groups * layer->out.n,
                   scored_rows(layer, tile), rows_dense(scratch, m), false);
    return lanes_dense(scratch, layer->out.n, m);
}

static const layer_hook output_hooks[] = {{"logits", "TV", lanes_outputs, FV_HOOK_MADE, NULL}, {0}};

const layer_type layer_outputs = {
    .plan = outputs_plan,
    .forward = outputs_forward,
    .backward = outputs_backward,
    .cost = outputs_cost,
    .hooks = output_hooks,
};
