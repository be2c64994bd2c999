#include "longctx/cost_config.h"

#include <stdarg.h>
#include <stdio.h>

enum { LARGEST = INT32_MAX };

void cost_config_wrong(cost_config *c, const char *key, const char *format, ...) {
    if (c->status != FV_OK) return;
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    c->status = fv_fail(c->error, FV_FORMAT, "%s: %s %s", c->name, key, what);
}

// The field, or NULL where it is absent or null.
static json_t *find(const cost_config *c, const char *key) {
    json_t *value = json_object_get(c->fields, key);
    return json_is_null(value) ? NULL : value;
}

static uint64_t whole_number(cost_config *c, const char *key, const json_t *value, int64_t lowest) {
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number >= lowest && number <= LARGEST) return (uint64_t)number;
    }
    cost_config_wrong(c, key, "must be a whole number from %d to %d", (int)lowest, LARGEST);
    return (uint64_t)lowest;
}

uint64_t cost_config_need(cost_config *c, const char *key) {
    const json_t *value = find(c, key);
    if (value != NULL) return whole_number(c, key, value, 1);
    text_add(&c->missing, "%s%s", c->missing.n ? ", " : "", key);
    return 1;
}

uint64_t cost_config_get(cost_config *c, const char *key, uint64_t otherwise) {
    const json_t *value = find(c, key);
    return value != NULL ? whole_number(c, key, value, 0) : otherwise;
}

bool cost_config_flag(cost_config *c, const char *key, bool otherwise) {
    const json_t *value = find(c, key);
    if (value == NULL) return otherwise;
    if (!json_is_boolean(value)) cost_config_wrong(c, key, "must be true or false");
    return json_is_true(value);
}

json_t *cost_config_list(cost_config *c, const char *key) {
    json_t *value = find(c, key);
    if (value == NULL || json_is_array(value)) return value;
    cost_config_wrong(c, key, "must be a list");
    return NULL;
}

fv_status cost_config_finish(cost_config *c) {
    if (c->status != FV_OK) return c->status;
    if (c->missing.failed) return fv_fail(c->error, FV_NO_MEMORY, "out of memory for a config");
    if (c->missing.n == 0) return FV_OK;
    return fv_fail(c->error, FV_FORMAT, "%s: a config of the family %s must have %s", c->name,
                   c->family, c->missing.data);
}
