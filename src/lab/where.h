// Which runs a part of an experiment file speaks of: the members of a mapping from fields to the
// values that they must have, as claims and figures (`where`) and `optional` hold it. A list of
// values matches any of them.
#ifndef FOVEA_LAB_WHERE_H
#define FOVEA_LAB_WHERE_H

#include <fovea/experiment.h>

// The field of an option whose key is `prefix` and a dotted key ("where.task.vocab_size"); NULL
// where it begins otherwise or names no field.
const char *where_key(const fv_option *option, const char *prefix);

// Whether `key`, from where_key, is a field and each value one that it can take. Fails with
// FV_USAGE; the message knows no place.
fv_status where_check(const fv_option *option, const char *key, fv_error *error);

// Whether the configuration has one of the option's values; both from where_check.
bool where_matches(const fv_option *option, const char *key, const fv_config *config);

// Whether the configuration has the values that every option with the prefix asks for.
bool where_selects(const fv_options *options, const char *prefix, const fv_config *config);

#endif
