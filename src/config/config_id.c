// The identity of a run. Only what differs from the defaults is hashed, in alphabetical order, so
// that a new field or another order of the table leaves the identity of old runs as it was.
#include "base/text.h"
#include "config/numerics.h"

#include <fovea/config.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FV_FIELD(...)        +1
#define FV_CHOICE_FIELD(...) +1
enum {
    N_FIELDS = 0
#include <fovea/fields.def>
};

static int by_key(const void *a, const void *b) {
    return strcmp((*(const fv_field *const *)a)->key, (*(const fv_field *const *)b)->key);
}

static const fv_field *sorted[N_FIELDS];
static fv_config defaults;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) sorted[i] = &fields[i];
    qsort(sorted, (size_t)n, sizeof sorted[0], by_key);
    fv_config_init(&defaults);
}

// Most fields of most runs have their default, which takes no text to see.
static bool is_plainly_default(const fv_config *config, const fv_field *field) {
    switch (field->type) {
    case FV_TYPE_INT:
    case FV_TYPE_REAL:
    case FV_TYPE_BOOL:
    case FV_TYPE_CHOICE:
        return fv_config_number(config, field) == fv_config_number(&defaults, field);
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
    case FV_TYPE_TEXT:
        return strcmp((const char *)config + field->offset,
                      (const char *)&defaults + field->offset) == 0;
    case FV_TYPE_INTS:
    case FV_TYPE_LAYERS:
        break;
    }
    return false;
}

// Where something lies says nothing of what it is: its digest does.
static bool is_place(const fv_field *field) {
    return field->offset == offsetof(fv_config, task.path) ||
           field->offset == offsetof(fv_config, train.from);
}

static uint64_t hash_fields(uint64_t hash, const fv_config *config) {
    pthread_once(&prepared, prepare);
    for (int i = 0; i < N_FIELDS; i++) {
        char value[FV_VALUE_SIZE], default_value[FV_VALUE_SIZE];
        if (is_plainly_default(config, sorted[i]) || is_place(sorted[i])) continue;
        fv_config_get(config, sorted[i], value, sizeof value);
        fv_config_get(&defaults, sorted[i], default_value, sizeof default_value);
        if (strcmp(value, default_value) == 0) continue;
        hash = text_hash(hash, sorted[i]->key);
        hash = text_hash(hash, "=");
        hash = text_hash(hash, value);
        hash = text_hash(hash, "\n");
    }
    return hash;
}

const char *fv_arithmetic_text(fv_arithmetic arithmetic) {
    switch (arithmetic) {
#define TEXT(name, text)                                                                           \
    case FV_ARITHMETIC_##name:                                                                     \
        return text;
        FV_ARITHMETIC_LIST(TEXT)
#undef TEXT
    }
    return "unknown";
}

int fv_config_numerics(const fv_config *config) {
    return numerics_version(config);
}

void numerics_id(const fv_config *config, fv_arithmetic arithmetic, const char *probes, int version,
                 char id[17]) {
    uint64_t hash = text_hash(hash_fields(TEXT_HASH_START, config), "probes=");
    hash = text_hash(hash, probes);
    if (*probes != '\0') hash = text_hash(hash, ",");
    char rest[96];
    int n = snprintf(rest, sizeof rest, "\nnumerics=%d\n", version);
    if (arithmetic != FV_ARITHMETIC_FUSED)
        snprintf(rest + n, sizeof rest - (size_t)n, "arithmetic=%s\n",
                 fv_arithmetic_text(arithmetic));
    snprintf(id, 17, "%016" PRIx64, text_hash(hash, rest));
}

void fv_config_id(const fv_config *config, fv_arithmetic arithmetic, char id[17]) {
    numerics_id(config, arithmetic, "", numerics_version(config), id);
}
