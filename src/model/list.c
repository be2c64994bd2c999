// The parts that models are made of, by the lists of include/fovea/parts/.
#include "model/layers.h"
#include "model/positions.h"

const positions_type positions_none = {
    .part = {.help = "none: attention then sees no order, but for what windows and masks leave out",
             .example = "model: {positions: none}"},
    .none = true,
};

const positions_type *positions_type_of(int kind) {
    static const positions_type *const types[] = {
#define FV_PART_POSITIONS(NAME, name) &positions_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

static bool goes_beyond(int kind) {
    return positions_type_of(kind)->plan == NULL;
}
void positions_without_table(char *text, size_t size) {
    parts_that("model.positions", goes_beyond, " or ", text, size);
}

const layer_type *layer_type_of(int kind) {
    static const layer_type *const types[] = {
#define FV_PART_LAYER(NAME, name) &layer_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const char *FV_LACKS_OF_LAYER(int kind) {
    const layer_type *type = layer_type_of(kind);
    if (type->plan == NULL) return "plan";
    if (type->forward == NULL) return "forward";
    if (type->backward == NULL) return "backward";
    return type->cost == NULL ? "cost" : NULL;
}
const char *FV_LACKS_OF_POSITIONS(int kind) {
    const positions_type *type = positions_type_of(kind);
    bool one = type->none || type->turn || type->slopes || positions_are_added(type);
    return one ? NULL : "fill";
}

const config_part *const FV_PARTS_OF_LAYER[] = {
#define FV_PART_LAYER(NAME, name) &layer_##name.part,
#include <fovea/fields.def>
};
const config_part *const FV_PARTS_OF_POSITIONS[] = {
#define FV_PART_POSITIONS(NAME, name) &positions_##name.part,
#include <fovea/fields.def>
};
