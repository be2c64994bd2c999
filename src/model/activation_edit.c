#include "model/activation_edit.h"

#include "config/synonym_lookup.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

bool edit_apply(const model_layer *layer, const model_tile *tile, const char *name) {
    model_edit *e = tile->edit;
    int place = (int)(layer - layer->model->layers), i = 0;
    while (i < e->n && !(e->sites[i].layer == place && strcmp(e->sites[i].hook->name, name) == 0))
        i++;
    if (i == e->n) return false;
    const hook_site *site = &e->sites[i];
    model_lanes lanes = site->hook->lanes(layer, tile, e->made);
    size_t size = site->is.size;
    memset(e->values, 0, (size_t)e->n_sequences * size * sizeof *e->values);
    for (int s = 0; s < e->n_sequences; s++)
        lanes_leave(&lanes, &site->is, s, e->values + (size_t)s * size);
    e->function(e->context, &site->is, e->n_sequences, e->values);
    for (int s = 0; s < e->n_sequences; s++)
        lanes_enter(&lanes, &site->is, s, e->values + (size_t)s * size);
    return true;
}

bool tile_edit_output(const model_layer *layer, const model_tile *tile, const char *name) {
    if (!tile_edit(layer, tile, name)) return false;
    int d = layer->model->config.model.n_embd, n = tile->n_groups * layer->out.n;
    real *y = tile_buffer(tile, layer->y);
    const real *x = tile_buffer(tile, layer->x), *made = tile->edit->made;
    // Inputs and outputs are the same positions: all.
    for (size_t i = 0; i < (size_t)n * (size_t)d * L; i++)
        y[i] = layer->residual ? x[i] + made[i] : made[i];
    return true;
}

// --- what is replaced ---------------------------------------------------------------------------

static fv_status refuse(const hook_site *all, int n, const char *name, fv_error *error) {
    const char **names = calloc((size_t)n + 1, sizeof *names);
    if (names == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for activations");
    int n_names = 0;
    bool exists = false;
    for (int i = 0; i < n; i++) {
        if (all[i].is.replaceable) names[n_names++] = all[i].is.name;
        exists |= fnmatch(name, all[i].is.name, 0) == 0;
    }
    fv_status status = fv_fail(error, FV_USAGE, "%s '%.64s'%s; the nearest that can be is '%s'",
                               exists ? "the activation" : "the model has no activation", name,
                               exists ? " is shown and cannot be replaced" : "",
                               n_names > 0 ? synonym_nearest("activation", name, names) : "none");
    free(names);
    return status;
}

static bool is_named(const hook_site *site, const char *name) {
    return site->is.replaceable && fnmatch(name, site->is.name, 0) == 0;
}

fv_status edit_create(hook_site *all, int n_all, const char *const *names, int n_names,
                      int n_sequences, model_edit *edit, fv_error *error) {
    size_t largest = 1;
    edit->sites = all;
    for (int k = 0; k < n_names; k++) {
        bool any = false;
        for (int i = 0; i < n_all; i++) any |= is_named(&all[i], names[k]);
        if (!any) return refuse(all, n_all, names[k], error);
    }
    for (int i = 0; i < n_all; i++) {
        bool chosen = false;
        for (int k = 0; k < n_names; k++) chosen |= is_named(&all[i], names[k]);
        if (!chosen) continue;
        if (all[i].is.size > largest) largest = all[i].is.size;
        edit->sites[edit->n++] = all[i];
    }
    size_t groups = ((size_t)n_sequences + L - 1) / L + 1;
    edit->values = calloc((size_t)n_sequences + 1, largest * sizeof *edit->values);
    edit->made = aligned_alloc(FV_ALIGNMENT, groups * largest * L * sizeof *edit->made);
    if (edit->values != NULL && edit->made != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for activations of %d sequences",
                   n_sequences);
}

void edit_free(model_edit *edit) {
    free(edit->sites);
    free(edit->values);
    free(edit->made);
    *edit = (model_edit){0};
}
