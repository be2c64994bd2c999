// Configurations as JSON, one like the one before: the runs of a store differ in few fields, and
// parsing 86 of them is most of the time of a listing. Members whose text is that of a text read
// before have the value that was read then; only the others are parsed.
#ifndef FOVEA_STORE_CONFIG_NEAR_H
#define FOVEA_STORE_CONFIG_NEAR_H

#include <fovea/fields.h>
#include <stdbool.h>
#include <stddef.h>

// The text that was last read whole. Zeroed before its first use.
typedef struct config_near {
    fv_config *config;
    char *text;
    int n;       // members of the object; 0: nothing is known
    int *begins; // [n] where each begins in the text,
    int *values; // [n] and its value,
    int *ends;   // [n] and the comma or brace behind it
    int capacity;
} config_near;

void config_near_free(config_near *near);

// config_from_json, with the same result, message and status.
fv_status config_near_read(config_near *near, const char *json, const char *where,
                           fv_config *config, fv_error *error);

#endif
