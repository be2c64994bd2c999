#include "model/selectors.h"

#include "model/attention_layer.h"
#include "model/normalisers.h"

const selector_type selector_none = {
    .part = {.help = "a query keeps every key that it sees", .example = "model: {selector: none}"},
    .absent = true,
};

const selector_type *selector_type_of(int kind) {
    static const selector_type *const types[] = {
#define FV_PART_SELECTOR(NAME, name) &selector_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const selector_type *selector_of_layer(const model_layer *layer) {
    return selector_type_of(model_attention_of(layer)->selector.kind);
}

size_t selector_add(fv_model *model, const model_layer *layer, const char *name, int rows,
                    int columns) {
    size_t at = model_add(model, FV_INIT_LINEAR, rows, columns, rows, "blocks.%d.attn.selector.%s",
                          layer->index, name);
    for (int i = 0; i < model->n_tensors; i++)
        if (model->tensors[i].offset == at) model->params[i].apart = true;
    return at;
}

bool selector_reads_far(int normaliser, const selector_type *type) {
    bool softmax_like = normaliser_type_of(normaliser)->stretch == FV_NO_STRETCH &&
                        normaliser_rule_of((kernel_normaliser)normaliser) != FV_RULE_ALONE;
    return type->ranks_means || (type->reads_weights && !softmax_like);
}

bool selection_is_flat(const selection *s, int k) {
    for (int i = 0; i < s->n_queries && k > 0; i++) {
        const real *ranks = s->ranks + (ptrdiff_t)i * s->n_units * FV_LANES;
        int any = 0, above[FV_LANES] = {0}, zeros[FV_LANES] = {0};
        for (int x = 0; x < s->n_units * FV_LANES; x++) any |= ranks[x] == 0;
        if (!any) continue; // nearly always
        for (int u = 0; u < s->n_units; u++)
            for (int l = 0; l < FV_LANES; l++) {
                above[l] += ranks[u * FV_LANES + l] > 0;
                zeros[l] += ranks[u * FV_LANES + l] == 0;
            }
        for (int l = 0; l < FV_LANES; l++)
            if (above[l] < k && zeros[l] > 0) return true;
    }
    return false;
}

void selection_mend(const selection *s, const real *flattened) {
    const real below = (real)0x1p-80; // of all weights that are not 0
    size_t n = (size_t)s->n_queries * (size_t)s->n_units * FV_LANES;
    for (size_t i = 0; i < n; i++)
        if (s->ranks[i] == 0) s->ranks[i] = flattened[i] * below;
}

const config_part *const FV_PARTS_OF_SELECTOR[] = {
#define FV_PART_SELECTOR(NAME, name) &selector_##name.part,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_SELECTOR(int kind) {
    const selector_type *type = selector_type_of(kind);
    if (!type->absent && !type->ranks_means && type->rank == NULL) return "rank";
    if (type->plan != NULL && type->index == NULL && !type->whole_only) return "index";
    if (type->learn != NULL && type->differentiate == NULL) return "differentiate";
    return type->learn == NULL && type->differentiate != NULL ? "learn" : NULL;
}
