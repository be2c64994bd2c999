// Reading fields of a config.json. A field that is missing stands as the library's class has it,
// and a note says so; a field that nothing asks for is named in a note too, unless it is known to
// cost nothing. What is wrong with a field is kept, the first one counts.
//
// Keys may be alternatives, "num_experts|num_local_experts", of which the first that the file has
// counts and the first names the default; dots lead into objects ("attn_config.kv_n_heads").
#ifndef COST_CONFIG_H
#define COST_CONFIG_H

#include "base/text.h"

#include <jansson.h>
#include <stdint.h>

// What the class of the library has where a file says nothing. Flags are 0 and 1.
typedef struct cost_default {
    const char *key; // NULL: the end
    int64_t value;
} cost_default;
#define COST_NONE INT64_MIN // None
enum { COST_CLASSES = 4 };  // a family, and what it is like

typedef struct cost_config {
    const char *name;   // of the file
    const char *family; // model_type
    const char *source; // the class that the defaults are of: "MistralConfig"
    const cost_default
        *defaults[COST_CLASSES]; // the first that has a key counts; to the first NULL
    json_t *fields;
    json_t *used;          // object whose keys were asked for
    const json_t *origins; // NULL, or a key of the file itself for each list of fields it became
    bool longer_lists;     // lists may have entries for more layers than there are
    bool even_heads;       // heads that do not share the width evenly are refused
    text_buffer missing, notes;
    fv_status status; // of the first field that is wrong
    fv_error *error;
} cost_config;

// A whole number from 1 to 2^31 - 1; 1 where it is missing or wrong, so that one can go on.
uint64_t cost_config_need(cost_config *c, const char *key);

// The same from 0.
uint64_t cost_config_count(cost_config *c, const char *key);

// The same of a field that may be None, from 1 or from 0: `otherwise` where it is.
uint64_t cost_config_size(cost_config *c, const char *key, uint64_t otherwise);
uint64_t cost_config_get(cost_config *c, const char *key, uint64_t otherwise);

bool cost_config_flag(cost_config *c, const char *key);

// Whether the file gives the field, and not as null. Does not count as asking for it.
bool cost_config_has(const cost_config *c, const char *key);

// Whether the file or the class says what the field is, other than None.
bool cost_config_says(const cost_config *c, const char *key);

// The field as it stands, NULL where it is absent or null. Counts as asking for it.
json_t *cost_config_find(cost_config *c, const char *key);

// The field as a list, NULL where it is absent, null or (an error) something else.
json_t *cost_config_list(cost_config *c, const char *key);

// Which of `words` each layer is, of which the last is NULL: fills kinds[n_layers] with their
// numbers and returns true; false where the file does not say. "a|b" are two names for one.
bool cost_config_kinds(cost_config *c, const char *key, uint64_t n_layers, const char *const *words,
                       uint8_t *kinds);

// A list of numbers of layers, from 0: marks[i] is whether i is among them. False without a list.
bool cost_config_marks(cost_config *c, const char *key, uint64_t n_layers, uint8_t *marks);

// Notes that a field is wrong: `what` it is and what would be right. The first one counts.
void cost_config_wrong(cost_config *c, const char *key, const char *format, ...) FV_PRINTF(3, 4);

// The same of fields that must fit each other; a missing one among them is the better message.
void cost_config_expect(cost_config *c, bool right, const char *key, const char *format, ...)
    FV_PRINTF(4, 5);

// Adds a line about the model.
void cost_config_note(cost_config *c, const char *format, ...) FV_PRINTF(2, 3);

// Names the fields that nothing asked for in a note.
void cost_config_name_unread(cost_config *c);

// FV_OK, or the failure of the first wrong field, or of the missing ones.
fv_status cost_config_finish(cost_config *c);

#endif
