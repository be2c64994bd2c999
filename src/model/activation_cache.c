// A forward pass that keeps activations: tile by tile, the samples of what is asked for leave their
// lanes and stand one sequence after the other.
#include "base/safetensors.h"
#include "config/synonym_lookup.h"
#include "model/activation_edit.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

struct fv_activations {
    fv_model *own; // planned for all positions; NULL: the caller's model is the one at work
    const fv_model *model;
    int n_sequences, n_filled;
    int n;
    hook_site *sites; // [n]
    float **values;   // [n] of [n_sequences][size]
    int n_layers;     // that have to run
    memory_arena workspace;
    model_worker_layers layers;
    real *scratch; // [G][the largest activation that is made][16]
    real *params;  // in the lab's number type, where that is not float
    model_tile tile;
    model_edit edit; // of its function NULL: nothing is replaced
};

// --- what is kept ------------------------------------------------------------------------------

static fv_status refuse(const fv_activations *a, const char *name, fv_error *error) {
    if (strpbrk(name, "*?[") != NULL)
        return fv_fail(error, FV_USAGE,
                       "the model has no activation like '%.64s'; it has %d, from %s to %s", name,
                       a->n, a->sites[0].is.name, a->sites[a->n - 1].is.name);
    const char **names = calloc((size_t)a->n + 1, sizeof *names);
    if (names == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    for (int i = 0; i < a->n; i++) names[i] = a->sites[i].is.name;
    fv_status status =
        fv_fail(error, FV_USAGE, "the model has no activation '%.64s'; the nearest is '%s'", name,
                synonym_nearest("activation", name, names));
    free(names);
    return status;
}

// Leaves those sites that one of the names names, in their order.
static fv_status choose(fv_activations *a, const char *const *names, int n_names, fv_error *error) {
    bool *chosen = calloc((size_t)a->n + 1, sizeof *chosen);
    if (chosen == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    fv_status status = FV_OK;
    for (int k = 0; k < n_names && status == FV_OK; k++) {
        bool any = false;
        for (int i = 0; i < a->n; i++)
            if (fnmatch(names[k], a->sites[i].is.name, 0) == 0) any = chosen[i] = true;
        if (!any) status = refuse(a, names[k], error);
    }
    int n = 0;
    for (int i = 0; i < a->n && status == FV_OK; i++)
        if (chosen[i]) a->sites[n++] = a->sites[i];
    a->n = n;
    free(chosen);
    return status;
}

// At the positions of the loss only the head has one row for each.
static void leave_head(fv_activations *a) {
    int n = 0;
    for (int i = 0; i < a->n; i++)
        if (a->sites[i].layer == a->model->n_layers - 1) a->sites[n++] = a->sites[i];
    a->n = n;
}

// --- memory ------------------------------------------------------------------------------------

static fv_status plan_all_positions(fv_activations *a, fv_error *error) {
    const fv_model *model = a->model;
    int T = model->config.task.context_length, n_groups = (a->n_sequences + L - 1) / L;
    if (n_groups < 1) n_groups = 1;
    bool patterns = false;
    for (int i = 0; i < a->n; i++) patterns |= strchr(a->sites[i].hook->shape, 'K') != NULL;
    model_positions all = {T, malloc((size_t)T * sizeof *all.at)};
    if (all.at == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for %d positions", T);
    for (int t = 0; t < T; t++) all.at[t] = t;
    fv_status status = a->edit.function != NULL
                           ? model_plan_replaced(&model->config, model->n_positions, &all, n_groups,
                                                 &a->own, error)
                           : model_plan_seen(&model->config, model->n_positions, &all, n_groups,
                                             patterns, &a->own, error);
    free(all.at);
    if (status == FV_OK) a->model = a->own;
    return status;
}

// Room for the values; how far the forward pass has to go for them, and the largest that is made.
static fv_status reserve_values(fv_activations *a, size_t *made, fv_error *error) {
    a->values = calloc((size_t)a->n + 1, sizeof *a->values);
    *made = 0;
    for (int i = 0; a->values != NULL && i < a->n; i++) {
        const hook_site *site = &a->sites[i];
        int n_layers = site->layer + 1;
        if (n_layers == a->model->n_layers) n_layers--; // the head computes when it is seen
        if (n_layers > a->n_layers) a->n_layers = n_layers;
        if (site->hook->kind == FV_HOOK_MADE && site->is.size > *made) *made = site->is.size;
        size_t size;
        if (__builtin_mul_overflow(site->is.size, sizeof(float), &size)) size = SIZE_MAX;
        a->values[i] = calloc((size_t)a->n_sequences, size); // what is never seen stays 0
        if (a->values[i] == NULL)
            return fv_fail(error, FV_NO_MEMORY, "out of memory for %s of %d sequences",
                           site->is.name, a->n_sequences);
    }
    if (a->values != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
}

// The last layer that runs, if what is kept of it is there before it is through.
static const model_layer *stops_early(const fv_activations *a) {
    int last = a->n_layers - 1;
    bool early = a->n > 0 && a->edit.function == NULL;
    for (int i = 0; i < a->n; i++) // the head is behind the last
        early &= a->sites[i].layer < last || a->sites[i].hook->kind == FV_HOOK_EARLY;
    return early ? &a->model->layers[last] : NULL;
}

static fv_status reserve(fv_activations *a, fv_error *error) {
    size_t made, tile = (size_t)a->model->group_capacity * L * sizeof(real);
    fv_status status = reserve_values(a, &made, error);
    if (status != FV_OK) return status;
    a->workspace = a->model->plan;
    size_t scratch = arena_reserve(&a->workspace, made, tile);
    size_t params = arena_reserve(&a->workspace, a->model->n_params,
                                  sizeof(real) == sizeof(float) ? 0 : sizeof(real));
    status = arena_allocate(&a->workspace, error);
    if (status != FV_OK) return status;
    a->scratch = arena_at(&a->workspace, scratch);
    a->params = arena_at(&a->workspace, params);
    status = worker_layers_create(a->model, &a->layers, error);
    a->tile = (model_tile){.model = a->model,
                           .kernels = kernels_get(),
                           .workspace = &a->workspace,
                           .own = a->layers.own,
                           .stops_early = stops_early(a),
                           .edit = a->edit.function != NULL ? &a->edit : NULL};
    return status;
}

// What is replaced, where there is a function for it.
static fv_status plan_edit(fv_activations *a, const char *const *names, int n_names,
                           fv_error *error) {
    hook_site *all;
    int n;
    fv_status status = hook_sites(a->model, a->model->config.task.context_length, &all, &n, error);
    return status == FV_OK ? edit_create(all, n, names, n_names, a->n_sequences, &a->edit, error)
                           : status;
}

static fv_status create(const fv_model *model, const char *const *names, int n_names,
                        fv_rows_kept rows, int n_sequences, const fv_replacing *replacing,
                        fv_activations **out, fv_error *error) {
    if (model->data.n_inputs > 0)
        return fv_fail(error, FV_USAGE,
                       "activations are those of sequences of tokens, and task.name %s has reals",
                       fv_field_find("task.name")->choices[model->config.task.name]);
    fv_activations *a = calloc(1, sizeof *a);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    a->model = model;
    a->n_sequences = n_sequences;
    if (replacing != NULL)
        a->edit = (model_edit){.function = replacing->function, .context = replacing->context};
    bool all = rows == FV_KEEP_ALL_POSITIONS;
    const model_layer *head = &model->layers[model->n_layers - 1];
    int n_rows = all ? model->config.task.context_length : head->out.n;
    fv_status status = hook_sites(model, n_rows, &a->sites, &a->n, error);
    if (status == FV_OK && !all) leave_head(a);
    if (status == FV_OK) status = choose(a, names, n_names, error);
    if (status == FV_OK && replacing != NULL)
        status = plan_edit(a, replacing->names, replacing->n_names, error);
    if (status == FV_OK && all) status = plan_all_positions(a, error);
    if (status == FV_OK) status = reserve(a, error);
    if (status != FV_OK) {
        fv_activations_free(a);
        return status;
    }
    *out = a;
    return FV_OK;
}

fv_status fv_activations_create(const fv_model *model, const char *const *names, int n_names,
                                fv_rows_kept rows, int n_sequences, fv_activations **out,
                                fv_error *error) {
    return create(model, names, n_names, rows, n_sequences, NULL, out, error);
}

fv_status fv_activations_create_replacing(const fv_model *model, const char *const *names,
                                          int n_names, int n_sequences,
                                          const fv_replacing *replacing, fv_activations **out,
                                          fv_error *error) {
    return create(model, names, n_names, FV_KEEP_ALL_POSITIONS, n_sequences, replacing, out, error);
}

void fv_activations_free(fv_activations *a) {
    if (a == NULL) return;
    for (int i = 0; a->values != NULL && i < a->n; i++) free(a->values[i]);
    free(a->values);
    free(a->sites);
    arena_free(&a->workspace);
    worker_layers_free(&a->layers);
    fv_model_free(a->own);
    edit_free(&a->edit);
    free(a);
}

// --- the forward pass --------------------------------------------------------------------------

// Puts sequences first .. of tokens [n][T] into the tile's lanes; the last lanes may repeat the
// last sequence.
static void enter_lanes(fv_activations *a, const int32_t *tokens, int first, int n) {
    int T = a->model->data.n_in, groups = (n - first + L - 1) / L;
    a->tile.n_groups = groups < a->model->group_capacity ? groups : a->model->group_capacity;
    int32_t *lanes = arena_at(&a->workspace, a->model->tokens);
    for (int g = 0; g < a->tile.n_groups; g++)
        for (int l = 0; l < L; l++) {
            int sample = first + g * L + l < n ? first + g * L + l : n - 1;
            for (int t = 0; t < T; t++)
                lanes[(g * T + t) * L + l] = tokens[(size_t)sample * (size_t)T + (size_t)t];
        }
}

static void keep(fv_activations *a, int first, int n) {
    for (int i = 0; i < a->n; i++) {
        const hook_site *site = &a->sites[i];
        model_lanes lanes = site->hook->lanes(&a->model->layers[site->layer], &a->tile, a->scratch);
        for (int s = 0; s < a->tile.n_groups * L && first + s < n; s++)
            lanes_leave(&lanes, &site->is, s, a->values[i] + (size_t)(first + s) * site->is.size);
    }
}

static const real *convert(fv_activations *a, const float *params) {
#ifdef FOVEA_DOUBLE
    for (size_t i = 0; i < a->model->n_params; i++) a->params[i] = params[i];
    return a->params;
#else
    (void)a;
    return params;
#endif
}

void fv_activations_fill(fv_activations *a, const float *params, const int32_t *tokens, int n) {
    a->tile.params = convert(a, params);
    a->n_filled = n;
    for (int first = 0; first < n; first += a->model->group_capacity * L) {
        enter_lanes(a, tokens, first, n);
        a->edit.n_sequences = n - first;
        for (int i = 0; i < a->n_layers; i++) {
            const model_layer *layer = &a->model->layers[i];
            tile_edit(layer, &a->tile, "hook_resid_pre");
            tile_edit(layer, &a->tile, "hook_resid_mid");
            layer_forward(layer, &a->tile);
            tile_edit(layer, &a->tile, "hook_resid_post");
        }
        keep(a, first, n);
    }
}

// --- what it found -----------------------------------------------------------------------------

int fv_activations_n(const fv_activations *a) {
    return a->n;
}

const fv_hook *fv_activations_kept(const fv_activations *a, int i) {
    return &a->sites[i].is;
}

const float *fv_activations_at(const fv_activations *a, int i) {
    return a->values[i];
}

const float *fv_activations_get(const fv_activations *a, const char *name) {
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->sites[i].is.name, name) == 0) return a->values[i];
    return NULL;
}

// "1,2,3" of the first sequence, malloc; NULL without memory.
static char *tokens_text(const fv_activations *a, const int32_t *tokens) {
    int T = a->model->data.n_inputs > 0 ? 0 : a->model->data.n_in; // reals have no text
    char *text = malloc((size_t)T * 12 + 1), *at = text;
    if (text != NULL) *text = '\0';
    for (int t = 0; text != NULL && t < T; t++)
        at += sprintf(at, t > 0 ? ",%d" : "%d", (int)tokens[t]);
    return text;
}

fv_status fv_activations_write(const fv_activations *a, const char *path, const int32_t *tokens,
                               fv_error *error) {
    char *text = tokens_text(a, tokens);
    json_t *metadata = text != NULL ? json_pack("{s:s, s:s, s:s}", "format", "fovea activations",
                                                "fovea_version", FOVEA_VERSION, "tokens", text)
                                    : NULL;
    safetensors_item *items = calloc((size_t)a->n + 1, sizeof *items);
    for (int i = 0; items != NULL && i < a->n; i++) {
        const fv_hook *is = &a->sites[i].is;
        items[i] = (safetensors_item){.name = is->name, .n_dims = is->n_dims + 1};
        items[i].shape[0] = (uint64_t)a->n_filled;
        for (int d = 0; d < is->n_dims; d++) items[i].shape[d + 1] = (uint64_t)is->shape[d];
        items[i].data = a->values[i];
    }
    fv_status status = metadata != NULL && items != NULL
                           ? safetensors_write(path, metadata, items, a->n, error)
                           : fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    free(items);
    json_decref(metadata);
    free(text);
    return status;
}
