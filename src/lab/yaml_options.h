// The mappings of figures and claims, read from YAML.
#ifndef LAB_YAML_OPTIONS_H
#define LAB_YAML_OPTIONS_H

#include "base/yaml.h"

#include <fovea/experiment.h>

// Flattens a mapping into `options`: "where: {task.vocab_size: 100}" becomes the key
// "where.task.vocab_size". Fails with FV_USAGE; `path` and the line begin the message. `options` is
// freed with options_free, after a failure too.
fv_status options_read(const char *path, const yaml_value *mapping, fv_options *options,
                       fv_error *error);
void options_free(fv_options *options);

// Whether more parentheses open than close: a call that a comma of YAML has cut in two.
bool options_is_cut(const char *text);

#endif
