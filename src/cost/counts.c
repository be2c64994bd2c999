// A model's parts and layers.
#include "cost/counts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_part(cost_part *part) {
    const char *text = cost_kind_text(part->kind);
    if (part->dims.chunk > 0)
        snprintf(part->name, sizeof part->name, "%s, chunks of %" PRIu64, text, part->dims.chunk);
    else if (part->dims.window > 0)
        snprintf(part->name, sizeof part->name, "%s, window %" PRIu64, text, part->dims.window);
    else
        snprintf(part->name, sizeof part->name, "%s", text);
}

// The number of the part, or -1 without memory.
static int find_part(fv_cost_model *model, cost_kind kind, const cost_dims *dims) {
    for (int p = 0; p < model->n_parts; p++)
        if (model->parts[p].kind == kind && memcmp(&model->parts[p].dims, dims, sizeof *dims) == 0)
            return p;
    if (model->n_parts == model->capacity) {
        int capacity = model->capacity > 0 ? 2 * model->capacity : 8;
        cost_part *parts = realloc(model->parts, (size_t)capacity * sizeof *parts);
        if (parts == NULL) return -1;
        model->parts = parts;
        model->capacity = capacity;
    }
    cost_part *part = &model->parts[model->n_parts];
    *part = (cost_part){.kind = kind, .dims = *dims};
    name_part(part);
    return model->n_parts++;
}

fv_status cost_model_add(fv_cost_model *model, uint64_t layer, cost_kind kind,
                         const cost_dims *dims, uint64_t n_copies) {
    cost_layer *l = &model->layers[layer];
    int p = find_part(model, kind, dims);
    if (p < 0) return FV_NO_MEMORY;
    if (p >= COST_MAX_PARTS || l->n == COST_LAYER_PARTS) return FV_FORMAT;
    cost_part *part = &model->parts[p];
    bool owns = n_copies == 0 || part->n_copies < n_copies;
    part->n_layers++;
    part->n_copies += owns;
    l->parts[l->n] = (uint16_t)p;
    l->owns[l->n++] = owns;
    return FV_OK;
}

void fv_cost_model_free(fv_cost_model *model) {
    if (model == NULL) return;
    free(model->parts);
    free(model->layers);
    free(model->notes);
    free(model);
}

const char *fv_cost_model_family(const fv_cost_model *model) {
    return model->family;
}
const char *fv_cost_model_notes(const fv_cost_model *model) {
    return model->notes != NULL ? model->notes : "";
}
uint64_t fv_cost_model_max_tokens(const fv_cost_model *model) {
    return model->max_tokens;
}
int fv_cost_n_parts(const fv_cost_model *model) {
    return model->n_parts;
}
uint64_t fv_cost_n_layers(const fv_cost_model *model) {
    return model->n_layers;
}

void fv_cost_part_get(const fv_cost_model *model, int part, fv_cost_part *out) {
    const cost_part *p = &model->parts[part];
    *out = (fv_cost_part){.name = p->name,
                          .n_layers = p->n_layers,
                          .n_copies = p->n_copies,
                          .kv_heads = p->dims.kv_heads,
                          .query_heads = p->dims.heads};
}

int fv_cost_layer_parts(const fv_cost_model *model, uint64_t layer, int *parts, int capacity) {
    const cost_layer *l = &model->layers[layer];
    for (int i = 0; i < l->n && i < capacity; i++) parts[i] = l->parts[i];
    return l->n;
}
