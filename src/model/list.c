// The parts that models are made of, by the lists of include/fovea/parts/.
#include "model/activations.h"
#include "model/positions.h"
#include "model/scores.h"

const fv_positions_type fv_positions_none = {
    .part = {.help = "none: attention then sees no order, but for what windows and masks leave out",
             .example = "model: {positions: none}"},
    .absent = true,
};

const fv_positions_type *fv_positions_type_of(int kind) {
    static const fv_positions_type *const types[] = {
#define FV_PART_POSITIONS(NAME, name) &fv_positions_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const fv_layer_type *fv_layer_type_of(int kind) {
    static const fv_layer_type *const types[] = {
#define FV_PART_LAYER(NAME, name) &fv_layer_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const char *FV_LACKS_OF_LAYER(int kind) {
    const fv_layer_type *type = fv_layer_type_of(kind);
    if (type->plan == NULL) return "plan";
    if (type->forward == NULL) return "forward";
    if (type->backward == NULL) return "backward";
    return type->cost == NULL ? "cost" : NULL;
}
const char *FV_LACKS_OF_ACTIVATION(int kind) {
    return fv_activation_type_of(kind)->kernel == 0 ? "kernel" : NULL;
}
const char *FV_LACKS_OF_SCORE(int kind) {
    return fv_score_type_of(kind)->scale == NULL ? "scale" : NULL;
}
const char *FV_LACKS_OF_POSITIONS(int kind) {
    const fv_positions_type *type = fv_positions_type_of(kind);
    return type->absent || type->plan || type->fill != NULL ? NULL : "fill";
}

const fv_part *const FV_PARTS_OF_LAYER[] = {
#define FV_PART_LAYER(NAME, name) &fv_layer_##name.part,
#include <fovea/fields.def>
};
const fv_part *const FV_PARTS_OF_ACTIVATION[] = {
#define FV_PART_ACTIVATION(NAME, name) &fv_activation_##name.part,
#include <fovea/fields.def>
};
const fv_part *const FV_PARTS_OF_SCORE[] = {
#define FV_PART_SCORE(NAME, name) &fv_score_##name.part,
#include <fovea/fields.def>
};
const fv_part *const FV_PARTS_OF_POSITIONS[] = {
#define FV_PART_POSITIONS(NAME, name) &fv_positions_##name.part,
#include <fovea/fields.def>
};
