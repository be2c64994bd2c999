// What a layer of native sparse attention owns (nsa.h): its places, parameters and buffers, its branches as
// arguments of the attention kernel, the choice of blocks, and what all of it costs.
#include "model/nsa.h"

#include "model/attention_rows.h"

#include <fovea/config.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int nsa_block_of(const fv_model_config *config) {
    return config->nsa_block > 0 ? config->nsa_block : config->compress_block;
}

// --- places --------------------------------------------------------------------------------------

// Rows of keys are positions, all up to the last query's.
static fv_status plan_places(const fv_model *model, model_layer *layer, fv_error *error) {
    nsa *a = nsa_of(layer);
    const size_t n = (size_t)layer->out.n;
    if (a->n_whole != NULL) return FV_OK; // layers are planned twice
    for (int i = 0; i < 2; i++)
        a->map[i] = compress_of(&model->config.model, &a->heads, layer->in.n);
    a->n_blocks = a->map[0].n_blocks;
    a->n_units = (layer->in.n + a->block - 1) / a->block;
    a->n_whole = malloc(n * sizeof *a->n_whole);
    a->n_keys = malloc(n * sizeof *a->n_keys);
    a->first_key = malloc(n * sizeof *a->first_key);
    a->n_past = malloc(n * sizeof *a->n_past);
    if (a->n_whole == NULL || a->n_keys == NULL || a->first_key == NULL || a->n_past == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for nsa");
    for (int i = 0; i < layer->out.n; i++) {
        a->n_keys[i] = layer->out.at[i] + 1;
        a->n_whole[i] = compress_whole(&a->map[0], a->n_keys[i]);
        a->n_past[i] = layer->out.at[i] / a->block;
        a->first_key[i] = a->n_keys[i] > a->window ? a->n_keys[i] - a->window : 0;
    }
    fv_status status = rotary_create(&model->config, model->n_positions, &a->rotary, error);
    if (status != FV_OK || a->rotary.n_pairs == 0) return status;
    a->turned_q = rotary_table(&a->rotary, layer->out.n, layer->out.at);
    a->turned_k = rotary_table(&a->rotary, layer->in.n, layer->in.at);
    if (a->turned_q != NULL && a->turned_k != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for nsa");
}

// --- parameters and buffers ----------------------------------------------------------------------

static void plan_params(fv_model *model, model_layer *layer) {
    static const char *const branches[] = {"compressed", "selected", "window"};
    nsa *a = nsa_of(layer);
    const int d = model->config.model.n_embd, l = layer->index, kv = a->heads.kv;
    layer->param[W_Q] = model_add(model, FV_INIT_LINEAR, d, d, d, "blocks.%d.nsa.W_Q", l);
    for (int b = 0; b < NSA_BRANCHES; b++) {
        layer->param[W_K + b] =
            model_add(model, FV_INIT_LINEAR, d, kv, d, "blocks.%d.nsa.%s.W_K", l, branches[b]);
        layer->param[W_V + b] =
            model_add(model, FV_INIT_LINEAR, d, kv, d, "blocks.%d.nsa.%s.W_V", l, branches[b]);
        layer->param[W_G + b] = model_add(model, FV_INIT_LINEAR, d, a->heads.n, d,
                                          "blocks.%d.nsa.%s.W_G", l, branches[b]);
    }
    compress_plan(model, layer, "nsa.compress_K", &a->map[0]);
    compress_plan(model, layer, "nsa.compress_V", &a->map[1]);
    layer->param[W_O] = model_add(model, FV_INIT_OUTPUT, d, d, d, "blocks.%d.nsa.W_O", l);
}

static int n_rows_of_keys(const model_layer *layer, nsa_branch b) {
    return b == NSA_COMPRESSED ? nsa_of(layer)->n_blocks : layer->in.n;
}

static void plan_choice(fv_model *model, model_layer *layer) {
    const nsa *a = nsa_of(layer);
    const size_t rows = (size_t)layer->out.n, units = (size_t)a->n_units;
    size_t choices = (size_t)model->group_capacity * (size_t)a->heads.n_kv;
    layer->buffer[RANKS] = arena_reserve(&model->plan, rows * units * FV_LANES, sizeof(real));
    layer->buffer[FAR_RANKS] = arena_reserve(&model->plan, rows * units * FV_LANES, sizeof(real));
    layer->buffer[UNITS] = arena_reserve(&model->plan, rows * units, sizeof(uint16_t));
    layer->buffer[KEPT] =
        arena_reserve(&model->plan, choices * rows * (size_t)layer->in.n, sizeof(uint16_t));
}

static void plan_buffers(fv_model *model, model_layer *layer) {
    static const int of_rows[] = {Q, SUM, GATED, COMPACT, D_SUM, D_Z, D_Q, D_TURNED_Q, D_PART};
    const nsa *a = nsa_of(layer);
    const int d = model->config.model.n_embd, n_in = layer->in.n, n_out = layer->out.n;
    for (size_t i = 0; i < sizeof of_rows / sizeof *of_rows; i++)
        layer->buffer[of_rows[i]] = model_reserve(model, n_out, d);
    layer->buffer[TURNED_Q] = a->rotary.n_pairs > 0 ? model_reserve(model, n_out, d) //
                                                    : layer->buffer[Q];
    for (int b = 0; b < NSA_BRANCHES; b++) {
        const int of_keys[] = {K, V, D_K, D_V};
        for (int i = 0; i < 4; i++)
            layer->buffer[of_keys[i] + b] = model_reserve(model, n_in, a->heads.kv);
        layer->buffer[P + b] = model_reserve(model, n_out * a->heads.n, n_rows_of_keys(layer, b));
        layer->buffer[Z + b] = model_reserve(model, n_out, d);
        layer->buffer[GATES + b] = model_reserve(model, n_out, a->heads.n);
        layer->buffer[D_GATES + b] = model_reserve(model, n_out, a->heads.n);
    }
    const int entries[] = {ENTRIES_K, ENTRIES_V, D_ENTRIES_K, D_ENTRIES_V};
    for (int i = 0; i < 4; i++)
        layer->buffer[entries[i]] = model_reserve(model, a->n_blocks, a->heads.kv);
    size_t scratch = (size_t)n_out * (size_t)n_in * FV_LANES;
    layer->buffer[SCRATCH] = arena_reserve(&model->plan, scratch, sizeof(real));
    layer->buffer[D_NORMED] = layer->norm.present ? model_reserve(model, n_in, d) : 0;
    layer->y = model_reserve(model, n_out, d);
}

fv_status nsa_plan(fv_model *model, model_layer *layer, fv_error *error) {
    char name[32];
    snprintf(name, sizeof name, "blocks.%d.ln_nsa", layer->index);
    fv_status status = plan_places(model, layer, error);
    if (status != FV_OK) return status;
    norm_plan(model, &layer->norm, model->config.model.norm, layer->in.n, name);
    plan_params(model, layer);
    plan_choice(model, layer);
    plan_buffers(model, layer);
    return FV_OK;
}

// --- a branch ------------------------------------------------------------------------------------

static uint16_t *kept_of(const model_layer *layer, const model_tile *tile, int group) {
    uint16_t *kept = arena_at(tile->workspace, layer->buffer[KEPT]);
    return kept + (ptrdiff_t)group * layer->model->group_capacity * layer->out.n * layer->in.n;
}

kernel_attend nsa_attend(const model_layer *layer, const model_tile *tile, nsa_branch b, int h) {
    const nsa *a = nsa_of(layer);
    const attention_heads *heads = &a->heads;
    const bool entries = b == NSA_COMPRESSED;
    const int n_keys = n_rows_of_keys(layer, b), n_out = layer->out.n;
    const int first = h * heads->width, shared = attention_kv_first(heads, h);
    real *p = tile_buffer(tile, layer->buffer[P + b]) + (ptrdiff_t)h * n_out * n_keys * FV_LANES;
    const size_t *at = layer->buffer;
    kernel_attend_rows weights = attend_rows(p, n_out * heads->n, n_keys, 0);
    return (kernel_attend){
        .n_groups = tile->n_groups,
        .n_queries = n_out,
        .n_rows_keys = n_keys,
        .d_key = heads->width,
        .d_value = heads->width,
        .n_keys = entries ? a->n_whole : a->n_keys,
        .first_key = b == NSA_WINDOW ? a->first_key : NULL,
        .score = FV_KERNEL_DOT,
        .scale = 1 / real_sqrt((real)heads->width),
        .normaliser = FV_NORMALISE_SOFTMAX,
        .kept = b == NSA_SELECTED ? kept_of(layer, tile, h * heads->n_kv / heads->n) : NULL,
        .q = attend_rows(tile_buffer(tile, at[entries ? Q : TURNED_Q]), n_out, heads->q, first),
        .k = attend_rows(tile_buffer(tile, at[entries ? ENTRIES_K : K + b]), n_keys, heads->kv,
                         shared),
        .v = attend_rows(tile_buffer(tile, at[entries ? ENTRIES_V : V + b]), n_keys, heads->kv,
                         shared),
        .z = attend_rows(tile_buffer(tile, at[Z + b]), n_out, heads->q, first),
        .p = weights,
        .slopes = weights};
}

// --- the choice ----------------------------------------------------------------------------------

static kernel_attend attend_entries(const model_layer *layer, const model_tile *tile, int h) {
    return nsa_attend(layer, tile, NSA_COMPRESSED, h);
}

// The first blocks and a query's own are kept in any case.
static void keep_keys(const model_layer *layer, const uint16_t *units, uint16_t *keys) {
    const nsa *a = nsa_of(layer);
    for (int i = 0; i < layer->out.n; i++)
        for (int j = 0; j < layer->in.n; j++) {
            const int unit = j / a->block;
            const bool always = unit == a->n_past[i] || unit < a->first;
            keys[i * layer->in.n + j] = always ? UINT16_MAX : units[i * a->n_units + unit];
        }
}

// Of the blocks before a query's own, behind the first ones.
void nsa_select(const model_layer *layer, const model_tile *tile) {
    const nsa *a = nsa_of(layer);
    real *ranks = tile_buffer(tile, layer->buffer[RANKS]);
    uint16_t *units = arena_at(tile->workspace, layer->buffer[UNITS]);
    const compress_ranking ranking = {.heads = &a->heads,
                                      .n_rows = layer->out.n,
                                      .n_units = a->n_units,
                                      .unit = a->block,
                                      .k = a->k - 1 - a->first,
                                      .n_choosable = a->n_past,
                                      .n_whole = a->n_whole,
                                      .weights =
                                          tile_buffer(tile, layer->buffer[P + NSA_COMPRESSED]),
                                      .far = tile_buffer(tile, layer->buffer[FAR_RANKS]),
                                      .flat = tile_buffer(tile, layer->buffer[SCRATCH]),
                                      .attend = attend_entries,
                                      .layer = layer};
    const ptrdiff_t row = (ptrdiff_t)a->n_units * FV_LANES;
    for (int group = 0; group < a->heads.n_kv; group++)
        for (int g = 0; g < tile->n_groups; g++) {
            compress_rank(tile, &a->map[0], &ranking, group, g, ranks);
            for (int i = 0; i < layer->out.n; i++)
                for (int x = 0; x < a->first * FV_LANES && x < row; x++) ranks[i * row + x] = -1;
            tile->kernels->select(&(kernel_select){.n_rows = layer->out.n,
                                                   .n_units = a->n_units,
                                                   .k = ranking.k,
                                                   .ranks = ranks,
                                                   .kept = units});
            keep_keys(layer, units,
                      kept_of(layer, tile, group) + (ptrdiff_t)g * layer->out.n * layer->in.n);
        }
}

// --- what a sequence costs -----------------------------------------------------------------------

// Of the selected branch the textbook computes what is kept, the lab all before the query.
void nsa_cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const nsa *a = nsa_of(layer);
    const double d = layer->model->config.model.n_embd, n_in = layer->in.n, n_out = layer->out.n;
    double pairs = 0, all = 0;
    for (int i = 0; i < layer->out.n; i++) {
        const int past = a->n_past[i], own = a->n_keys[i] - past * a->block;
        const int others = a->k - 1 < past ? a->k - 1 : past;
        const int near = a->n_keys[i] - a->first_key[i];
        pairs += a->n_whole[i] + own + others * a->block + near;
        all += a->n_whole[i] + a->n_keys[i] + near;
    }
    const double maps = 2 * n_out * d * d + 2 * NSA_BRANCHES * n_in * d * a->heads.kv +
                        NSA_BRANCHES * n_out * d * a->heads.n + 2 * compress_cost(&a->map[0]);
    *textbook = maps + 2 * pairs * d;
    *executed = maps + 2 * all * d;
    *exps = all * a->heads.n + NSA_BRANCHES * n_out * a->heads.n + 2 * compress_exps(&a->map[0]);
}
