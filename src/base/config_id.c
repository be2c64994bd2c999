// The identity of a run. Only what differs from the defaults is hashed, in alphabetical order, so
// that a new field or another order of the table leaves the identity of old runs as it was.
#include "base/numerics.h"
#include "base/text.h"

#include <fovea/config.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(section, name, TYPE, default_text, lowest, highest, help) +1
enum {
    N_FIELDS = 0 FV_FIELDS(COUNT),
    LONGEST_VALUE = 4096, // a list of FV_MAX_LAYERS or FV_MAX_INTS items fits
};

static int by_key(const void *a, const void *b) {
    return strcmp((*(const fv_field *const *)a)->key, (*(const fv_field *const *)b)->key);
}

static uint64_t hash_fields(uint64_t hash, const fv_config *config) {
    int n;
    const fv_field *fields = fv_fields(&n), *sorted[N_FIELDS];
    for (int i = 0; i < n; i++) sorted[i] = &fields[i];
    qsort(sorted, (size_t)n, sizeof sorted[0], by_key);

    fv_config defaults;
    fv_config_init(&defaults);
    for (int i = 0; i < n; i++) {
        char value[LONGEST_VALUE], default_value[LONGEST_VALUE];
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

// The alphabetically first of the names behind `previous` (NULL: the first of all), or NULL.
static const char *next_name(const char *const *names, int n, const char *previous) {
    const char *next = NULL;
    for (int i = 0; i < n; i++) {
        bool behind = previous == NULL || strcmp(names[i], previous) > 0;
        if (behind && (next == NULL || strcmp(names[i], next) < 0)) next = names[i];
    }
    return next;
}

static uint64_t hash_names(uint64_t hash, const char *const *names, int n) {
    for (const char *name = next_name(names, n, NULL); name; name = next_name(names, n, name)) {
        hash = text_hash(hash, name);
        hash = text_hash(hash, ",");
    }
    return hash;
}

void fv_config_id(const fv_config *config, const char *const *probes, int n_probes, char id[17]) {
    char version[32];
    snprintf(version, sizeof version, "\nnumerics=%d\n", numerics_version(config));
    uint64_t hash = hash_fields(TEXT_HASH_START, config);
    hash = text_hash(hash, "probes=");
    hash = hash_names(hash, probes, n_probes);
    hash = text_hash(hash, version);
    snprintf(id, 17, "%016" PRIx64, hash);
}
