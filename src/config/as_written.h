// Values that are kept as they are written, one line of YAML: lists of patterns of names, factors by such
// patterns, stages of training. They are brought into one form when they are set, so that equal values are
// equal texts: sorted where the order means nothing, numbers as fv_config_get writes them.
#ifndef CONFIG_AS_WRITTEN_H
#define CONFIG_AS_WRITTEN_H

#include "base/yaml.h"

#include <fovea/fields.h>

enum { WRITTEN_SIZE = 1024 }; // bytes of an fv_written, its 0 among them

static inline bool field_is_written(const fv_field *field) {
    return field->type == FV_TYPE_NAMES || field->type == FV_TYPE_FACTORS ||
           field->type == FV_TYPE_STAGES;
}

// Whether a YAML list is one value of the field.
static inline bool field_is_list(const fv_field *field) {
    return field->type == FV_TYPE_INTS || field->type == FV_TYPE_LAYERS ||
           field->type == FV_TYPE_NAMES || field->type == FV_TYPE_STAGES;
}

// Checks the value and writes it into an fv_written. FV_USAGE with a sentence.
fv_status written_set(const fv_field *field, const yaml_value *given, void *written,
                      fv_error *error);

// Whether a pattern of a tensor's name fits it. `*` stands for any characters and `?` for one; a pattern
// without a dot is compared with the last part of the name, one with dots with the name or with what of
// it stands behind a dot.
bool pattern_fits(const char *pattern, const char *name);

// The i-th pattern of a list, or of factors together with its number; false behind the last.
bool written_pattern(const char *written, int i, char pattern[128], double *factor);

#endif
