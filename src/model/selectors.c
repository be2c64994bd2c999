#include "model/selectors.h"

#include "model/attention_layer.h"

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

const config_part *const FV_PARTS_OF_SELECTOR[] = {
#define FV_PART_SELECTOR(NAME, name) &selector_##name.part,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_SELECTOR(int kind) {
    const selector_type *type = selector_type_of(kind);
    if (!type->absent && !type->ranks_means && type->rank == NULL) return "rank";
    if (type->learn != NULL && type->differentiate == NULL) return "differentiate";
    return type->learn == NULL && type->differentiate != NULL ? "learn" : NULL;
}
