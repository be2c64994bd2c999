// A configuration as one flat JSON object, its fields under their dotted keys: how the run store
// and checkpoints keep it, and what SQL's json_extract and pandas read.
#ifndef FOVEA_STORE_CONFIG_JSON_H
#define FOVEA_STORE_CONFIG_JSON_H

#include <fovea/fields.h>

// Every field, in the order of fields.def. Reals have the shortest text that reads back to the same
// value. The caller frees the text; NULL without memory.
char *config_to_json(const fv_config *config);

// Reads such an object; fields that it does not name get their defaults. Fails with FV_NEWER for a
// field that this version does not know, FV_FORMAT for anything else that is wrong. `where` names
// the source in messages.
fv_status config_from_json(const char *json, const char *where, fv_config *config, fv_error *error);

// Reads one member of such an object, `"key":value`, [n] bytes of text. Fails as config_from_json.
fv_status config_member_from_json(const char *member, size_t n, const char *where,
                                  fv_config *config, fv_error *error);

#endif
