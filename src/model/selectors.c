#include "model/selectors.h"

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

const config_part *const FV_PARTS_OF_SELECTOR[] = {
#define FV_PART_SELECTOR(NAME, name) &selector_##name.part,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_SELECTOR(int kind) {
    const selector_type *type = selector_type_of(kind);
    return type->absent || type->ranks_means || type->rank != NULL ? NULL : "rank";
}
