// Reading fields of a config.json, keeping count of what is missing or wrong, so that readers of a
// family ask for what they need and the whole list of missing fields is one message at the end.
#ifndef COST_CONFIG_H
#define COST_CONFIG_H

#include "base/text.h"

#include <jansson.h>
#include <stdint.h>

typedef struct cost_config {
    const char *name;   // of the file
    const char *family; // model_type
    json_t *fields;
    text_buffer missing; // "hidden_size, vocab_size"
    fv_status status;    // of the first field that is wrong
    fv_error *error;
} cost_config;

// A whole number from 1 to 2^31 - 1; 1 where it is missing or wrong, so that one can go on.
uint64_t cost_config_need(cost_config *c, const char *key);

// The same for a field that may be absent or null: a size, from 1, or something of which there may
// be none, from 0.
uint64_t cost_config_size(cost_config *c, const char *key, uint64_t otherwise);
uint64_t cost_config_get(cost_config *c, const char *key, uint64_t otherwise);
bool cost_config_flag(cost_config *c, const char *key, bool otherwise);

// The field as a list, NULL where it is absent, null or (an error) something else.
json_t *cost_config_list(cost_config *c, const char *key);

// Of a list (NULL: nothing to check): one entry a layer, each one of the words, of which the last
// is NULL; or numbers of layers, from 0.
void cost_config_check_kinds(cost_config *c, const char *key, const json_t *list, uint64_t n_layers,
                             const char *const *words);
void cost_config_check_layers(cost_config *c, const char *key, const json_t *list,
                              uint64_t n_layers);

// Notes that a field is wrong: `what` it is and what would be right. The first one counts.
void cost_config_wrong(cost_config *c, const char *key, const char *format, ...) FV_PRINTF(3, 4);

// The same of fields that must fit each other; a missing one among them is the better message.
void cost_config_expect(cost_config *c, bool right, const char *key, const char *format, ...)
    FV_PRINTF(4, 5);

// FV_OK, or the failure of the first wrong field, or of the missing ones.
fv_status cost_config_finish(cost_config *c);

#endif
