#include "config/part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct group {
    const char *key;
    const fv_part *const *parts;
    int n;
} GROUPS[] = {
#define ROW(GROUP, key) {key, FV_PARTS_OF_##GROUP, FV_##GROUP##_COUNT},
    FV_PART_GROUPS(ROW)
#undef ROW
};
enum { N_GROUPS = sizeof GROUPS / sizeof *GROUPS };

const fv_part *const *fv_parts_of(const char *key, int *n) {
    for (int i = 0; i < N_GROUPS; i++) {
        if (strcmp(GROUPS[i].key, key) != 0) continue;
        *n = GROUPS[i].n;
        return GROUPS[i].parts;
    }
    return NULL;
}

fv_status fv_check_refuse(const fv_check *c, const char *key, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    *c->culprit = fv_field_find(key);
    return fv_fail(c->error, FV_USAGE, "%s", message);
}

// The i-th part that the configuration has of a group; NULL behind the last.
static const fv_part *chosen(const struct group *group, const fv_config *config, int i) {
    const fv_field *field = fv_field_find(group->key);
    if (field->type == FV_TYPE_LAYERS) {
        const fv_layers *layers = &config->model.layers;
        return i < layers->n ? group->parts[layers->kind[i]] : NULL;
    }
    return i == 0 && config_reads(config, field)
               ? group->parts[(int)fv_config_number(config, field)]
               : NULL;
}

const fv_settling *fv_parts_settling(int i) {
    for (int g = 0; g < N_GROUPS; g++)
        for (int p = 0; p < GROUPS[g].n; p++)
            for (int k = 0; k < FV_PART_SAME; k++) {
                const fv_settling *same = &GROUPS[g].parts[p]->same[k];
                if (same->settle != NULL && i-- == 0) return same;
            }
    return NULL;
}

fv_status fv_parts_check(const fv_check *c) {
    fv_status status = FV_OK;
    for (int g = 0; g < N_GROUPS; g++) {
        if (GROUPS[g].parts == FV_PARTS_OF_TASK) continue;
        const fv_part *part;
        for (int i = 0; status == FV_OK && (part = chosen(&GROUPS[g], c->config, i)) != NULL; i++)
            if (part->check != NULL) status = part->check(c, i);
    }
    return status;
}

int fv_parts_numerics(const fv_config *config) {
    int version = 0;
    for (int g = 0; g < N_GROUPS; g++) {
        const fv_part *part;
        for (int i = 0; (part = chosen(&GROUPS[g], config, i)) != NULL; i++) {
            int needed = part->numerics != NULL ? part->numerics(config) : 0;
            if (needed > version) version = needed;
        }
    }
    return version;
}
