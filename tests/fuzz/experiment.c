// Fuzzes the reader of experiment files and of command-line overrides: whatever the bytes, the file
// is read or refused with one sentence, and what was read holds together.
//
// The file ends at the first zero byte; what follows are overrides, a zero byte between them.
#define _GNU_SOURCE
#include "config/config_check.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <fovea/experiment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_OVERRIDES = 4 };

// Experiments are read from a file: this one lives in memory.
static const char *write_file(const uint8_t *data, size_t size) {
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("experiment", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    return path;
}

// Every configuration is sound, and its values read back to the same identity.
static void check_runs(const fv_experiment *experiment) {
    int n_fields, n = fv_experiment_n_runs(experiment);
    const fv_field *fields = fv_fields(&n_fields);
    if (n < 1) abort();
    for (int i = 0; i < n && i < 10; i++) {
        fv_config config, again;
        fv_experiment_config(experiment, i, &config);
        const fv_field *culprit;
        if (config_check(&config, &culprit, NULL) != FV_OK) abort();
        fv_config_init(&again);
        for (int f = 0; f < n_fields; f++) {
            char value[2048];
            fv_config_get(&config, &fields[f], value, sizeof value);
            if (fv_config_set(&again, fields[f].key, value, NULL) != FV_OK) abort();
        }
        char id[17], id_again[17];
        fv_config_id(&config, FV_ARITHMETIC_FUSED, id);
        fv_config_id(&again, FV_ARITHMETIC_FUSED, id_again);
        if (strcmp(id, id_again) != 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    const char *overrides[MAX_OVERRIDES];
    int n = 0;
    for (size_t i = strlen(text) + 1; i <= size && n < MAX_OVERRIDES; i += strlen(text + i) + 1)
        overrides[n++] = text + i;

    fv_experiment *experiment;
    fv_error error = {0};
    const char *path = write_file(data, strlen(text));
    fv_status status = fv_experiment_read(path, overrides, n, &experiment, &error);
    if (status != FV_OK && (experiment != NULL || error.text[0] == '\0')) abort();
    if (status == FV_OK) {
        check_runs(experiment);
        if (fv_claims_check(experiment, &error) != FV_OK && error.text[0] == '\0') abort();
    }
    fv_experiment_free(experiment);
    free(text);
    return 0;
}
