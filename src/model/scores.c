#include "model/scores.h"

#include <math.h>

// What the numbers of scores are made of (kernels/score_formulas.h).
#define POWER(now, again) (now)
#define NO_POWER          1
#define FLOOR(now)        (now)
#define NO_FLOOR          0
#define FIELDS(...)       __VA_ARGS__
#define NO_FIELDS         0

#define NUMBERS(name, words, type, number, scale_, power_, floor_)                                 \
    static void name##_##words(const fv_model_config *config, int d_head, type *to) {              \
        (void)config, (void)d_head;                                                                \
        to->scale = (number)(scale_);                                                              \
        to->power = (number)(power_);                                                              \
        to->floor = (number)(floor_);                                                              \
    }

#define SQRT(x) real_sqrt((real)(x))
#define FV_SCORE(NAME, name, of, bends, factor, value, slope, power, floor, scale, ...)            \
    NUMBERS(name, on_lanes, kernel_attend, real, scale, power, floor)
#include "kernels/score_list.h"

#undef SQRT
#define SQRT(x) sqrt((double)(x))
#define FV_SCORE(NAME, name, of, bends, factor, value, slope, power, floor, scale, ...)            \
    NUMBERS(name, on_tiles, fv_attention_config, double, scale, power, floor)
#include "kernels/score_list.h"

#define FV_SCORE(NAME, name, of, bends, factor, value, slope, power, floor, scale, theirs_, help_, \
                 example_, reads_)                                                                 \
    static const score_type score_##name = {                                                       \
        .part = {.help = help_, .example = example_, .reads = {reads_}},                           \
        .theirs = theirs_,                                                                         \
        .on_lanes = name##_on_lanes,                                                               \
        .on_tiles = name##_on_tiles,                                                               \
    };                                                                                             \
    _Static_assert((int)FV_SCORE_##NAME == (int)FV_KERNEL_##NAME, "scores in one order");
#include "kernels/score_list.h"

const score_type *score_type_of(int kind) {
    static const score_type *const types[] = {
#define FV_PART_SCORE(NAME, name) &score_##name,
#include <fovea/fields.def>
    };
    return types[kind];
}

const config_part *const FV_PARTS_OF_SCORE[] = {
#define FV_PART_SCORE(NAME, name) &score_##name.part,
#include <fovea/fields.def>
};

// Nothing: a score that lacks one of its words does not compile.
const char *FV_LACKS_OF_SCORE(int kind) {
    (void)kind;
    return NULL;
}
