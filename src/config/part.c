#include "config/part.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct group {
    const char *key;
    const config_part *const *parts;
    int n;
    const char *(*lacks)(int kind);
} GROUPS[] = {
#define ROW(GROUP, key) {key, FV_PARTS_OF_##GROUP, FV_##GROUP##_COUNT, FV_LACKS_OF_##GROUP},
    FV_PART_GROUPS(ROW)
#undef ROW
};
enum { N_GROUPS = sizeof GROUPS / sizeof *GROUPS };

static const fv_field *group_fields[N_GROUPS];
static pthread_once_t found = PTHREAD_ONCE_INIT;

static void find_fields(void) {
    for (int i = 0; i < N_GROUPS; i++) group_fields[i] = fv_field_find(GROUPS[i].key);
}

static const fv_field *field_of(const struct group *group) {
    pthread_once(&found, find_fields);
    return group_fields[group - GROUPS];
}

const config_part *const *parts_of(const char *key, int *n) {
    for (int i = 0; i < N_GROUPS; i++) {
        if (strcmp(GROUPS[i].key, key) != 0) continue;
        *n = GROUPS[i].n;
        return GROUPS[i].parts;
    }
    return NULL;
}

void parts_that(const char *key, bool (*has)(int kind), const char *last, char *text, size_t size) {
    const char *const *names = fv_field_find(key)->choices;
    int n = 0, i = 0;
    size_t used = 0;
    *text = '\0';
    for (int kind = 0; names[kind] != NULL; kind++) n += has(kind);
    for (int kind = 0; names[kind] != NULL && used < size; kind++) {
        if (!has(kind)) continue;
        const char *before = i == 0 ? "" : i == n - 1 ? last : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", before, names[kind]);
        i++;
    }
}

fv_status check_refuse(const config_checking *c, const char *key, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    *c->culprit = fv_field_find(key);
    return fv_fail(c->error, FV_USAGE, "%s", message);
}

// The number of the i-th part that the configuration has of a group; -1 behind the last.
static int chosen_kind(const struct group *group, const fv_config *config, int i) {
    const fv_field *field = field_of(group);
    if (field->type == FV_TYPE_LAYERS) {
        const fv_layers *layers = &config->model.layers;
        return i < layers->n ? layers->kind[i] : -1;
    }
    return i == 0 && config_reads(config, field) ? (int)fv_config_number(config, field) : -1;
}

static const config_part *chosen(const struct group *group, const fv_config *config, int i) {
    int kind = chosen_kind(group, config, i);
    return kind >= 0 ? group->parts[kind] : NULL;
}

// --- what is lacking -----------------------------------------------------------------------------

static const char *lacks(const struct group *group, int kind) {
    const config_part *part = group->parts[kind];
    return part->help == NULL      ? "part.help"
           : part->example == NULL ? "part.example"
                                   : group->lacks(kind);
}

const char *part_lacks(const char *key, int i) {
    for (int g = 0; g < N_GROUPS; g++)
        if (strcmp(GROUPS[g].key, key) == 0) return lacks(&GROUPS[g], i);
    return NULL;
}

// The fields in the order of fields.def, those that parts brought along between braces.
static const char *const LISTED[] = {
#define FV_PARTS(GROUP)                     "{",
#define FV_PARTS_END(GROUP)                 "}",
#define FV_FIELD(section, name, ...)        #section "." #name,
#define FV_CHOICE_FIELD(section, name, ...) #section "." #name,
#include <fovea/fields.def>
};
enum { N_LISTED = sizeof LISTED / sizeof *LISTED };

// The first field that a part brought along and that none reads; NULL where all are read. It is the
// same for every configuration, of which sweeps have millions.
static const char *unread_field;
static pthread_once_t looked = PTHREAD_ONCE_INIT;

static void look_for_unread(void) {
    int n;
    bool brought = false;
    const config_reader *readers = config_readers(&n);
    for (int f = 0; f < N_LISTED && unread_field == NULL; f++) {
        const char *key = LISTED[f];
        bool brace = *key == '{' || *key == '}', read = false;
        if (brace) brought = *key == '{';
        for (int i = 0; i < n; i++) read |= strcmp(readers[i].key, key) == 0;
        if (brought && !brace && !read) unread_field = key;
    }
}

static fv_status check_brought(const config_checking *c) {
    pthread_once(&looked, look_for_unread);
    if (unread_field == NULL) return FV_OK;
    return check_refuse(c, unread_field,
                        "%s is read by no part; the descriptor of the one that brought it along "
                        "says so: .reads = {FV_READS(%s)}",
                        unread_field, unread_field);
}

fv_status parts_check_whole(const config_checking *c) {
    int kind;
    for (int g = 0; g < N_GROUPS; g++)
        for (int i = 0; (kind = chosen_kind(&GROUPS[g], c->config, i)) >= 0; i++) {
            const char *member = lacks(&GROUPS[g], kind), *key = GROUPS[g].key;
            if (member != NULL)
                return check_refuse(c, key, "%s %s is not whole: its descriptor has no .%s", key,
                                    fv_field_find(key)->choices[kind], member);
        }
    return check_brought(c);
}

// --- all parts that a configuration has ----------------------------------------------------------

const config_settling *parts_settling(int i) {
    for (int g = 0; g < N_GROUPS; g++)
        for (int p = 0; p < GROUPS[g].n; p++)
            for (int k = 0; k < FV_PART_SAME; k++) {
                const config_settling *same = &GROUPS[g].parts[p]->same[k];
                if (same->settle != NULL && i-- == 0) return same;
            }
    return NULL;
}

fv_status parts_check(const config_checking *c) {
    fv_status status = FV_OK;
    for (int g = 0; g < N_GROUPS; g++) {
        if (GROUPS[g].parts == FV_PARTS_OF_TASK) continue;
        const config_part *part;
        for (int i = 0; status == FV_OK && (part = chosen(&GROUPS[g], c->config, i)) != NULL; i++)
            if (part->check != NULL) status = part->check(c, i);
    }
    return status;
}

int parts_numerics(const fv_config *config) {
    int version = 0;
    for (int g = 0; g < N_GROUPS; g++) {
        const config_part *part;
        for (int i = 0; (part = chosen(&GROUPS[g], config, i)) != NULL; i++) {
            int needed = part->numerics != NULL ? part->numerics(config) : 0;
            if (needed > version) version = needed;
        }
    }
    return version;
}
