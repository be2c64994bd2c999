#include "lab/origin.h"

#include "base/text.h"
#include "train/rates_check.h"
#include "train/start.h"

#include <fovea/store.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_SIZE = 256 }; // of a field's text, its 0 among them

typedef struct known {
    struct known *next;
    char from[TEXT_SIZE], digest[17];
} known;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known *runs;

static bool is_kind(const char *path, mode_t kind) {
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

// The text of a field of type TEXT in a configuration.
static char *text_in(const fv_config *config, const char *key) {
    return (char *)(uintptr_t)config + fv_field_find(key)->offset;
}

// FOLDER/ID@STEP into its parts; false where it is none.
typedef struct run_name {
    char store[TEXT_SIZE + 16], id[17];
    int step; // -1: the result
} run_name;

static bool split(const char *from, run_name *run) {
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "%s", from);
    long long step;
    run->step = -1;
    char *at = strrchr(text, '@');
    if (at != NULL) {
        if (!text_to_int(at + 1, &step) || step < 0 || step > 1000000000) return false;
        run->step = (int)step;
        *at = '\0';
    }
    char *slash = strrchr(text, '/');
    const char *id = slash != NULL ? slash + 1 : text, *folder = slash != NULL ? text : "out";
    size_t n = strlen(id);
    if (n < 4 || n > 16 || strspn(id, "0123456789abcdef") != n) return false;
    snprintf(run->id, sizeof run->id, "%s", id);
    if (slash != NULL) *slash = '\0';
    bool is_folder = is_kind(folder, S_IFDIR);
    snprintf(run->store, sizeof run->store, "%s%s", folder, is_folder ? "/fovea.db" : "");
    return true;
}

static fv_status keep_snapshot(const fv_record *record, int step, const char *from, char digest[17],
                               fv_error *error) {
    const fv_snapshot *found = NULL;
    for (int i = 0; i < record->n_snapshots; i++)
        if (step < 0 || record->snapshots[i].step == step) found = &record->snapshots[i];
    if (found == NULL)
        return fv_fail(error, FV_USAGE,
                       "train.from: the run of %s has no snapshot of that step; train.snapshots "
                       "takes more",
                       from);
    fv_model *model = NULL;
    fv_status status = fv_model_create(record->config, &model, error);
    if (status != FV_OK) return status;
    float *params = malloc(record->n_params * sizeof *params);
    if (params == NULL || fv_model_n_params(model) != record->n_params) {
        fv_model_free(model);
        free(params);
        return fv_fail(error, FV_NO_MEMORY, "train.from: no memory for the parameters of %s", from);
    }
    memcpy(params, found->params, record->n_params * sizeof *params);
    return start_keep(model, params, digest, error);
}

static fv_status read_run(const run_name *run, const char *from, char digest[17], fv_error *error) {
    fv_store *store;
    fv_record record;
    fv_error why = {0};
    fv_status status = fv_store_open(run->store, FV_STORE_READ, &store, &why);
    if (status != FV_OK) return fv_fail(error, status, "train.from: %.900s", why.text);
    status = fv_store_get(store, run->id, &record, &why);
    if (status == FV_OK) {
        status = keep_snapshot(&record, run->step, from, digest, error);
        fv_record_free(&record);
    } else {
        fv_fail(error, status, "train.from: %.900s", why.text);
    }
    fv_store_close(store);
    return status;
}

static fv_status find_run(const char *from, char digest[17], fv_error *error) {
    for (const known *k = runs; k != NULL; k = k->next)
        if (strcmp(k->from, from) == 0) {
            memcpy(digest, k->digest, sizeof k->digest);
            return FV_OK;
        }
    run_name run;
    if (!split(from, &run))
        return fv_fail(error, FV_NOT_FOUND,
                       "train.from: there is neither a checkpoint nor a run %s; name a file that "
                       "'fovea export RUN --format safetensors' wrote, or a run of a store "
                       "(out/3fa29c41, out/3fa29c41@500)",
                       from);
    fv_status status = read_run(&run, from, digest, error);
    known *k = status == FV_OK ? calloc(1, sizeof *k) : NULL;
    if (k == NULL) return status;
    k->next = runs;
    snprintf(k->from, sizeof k->from, "%s", from);
    memcpy(k->digest, digest, sizeof k->digest);
    runs = k;
    return FV_OK;
}

fv_status origin_settle(fv_config *config, fv_error *error) {
    const char *from = text_in(config, "train.from");
    char *known_digest = text_in(config, "train.from_digest");
    if (from[0] == '\0') return FV_OK;
    char digest[17];
    fv_error why = {0};
    fv_status status;
    if (is_kind(from, S_IFREG)) {
        status = start_read(from, digest, &why);
        if (status != FV_OK) return fv_fail(error, status, "train.from: %.900s", why.text);
    } else {
        pthread_mutex_lock(&lock);
        status = find_run(from, digest, error);
        pthread_mutex_unlock(&lock);
    }
    if (status != FV_OK) return status;
    if (known_digest[0] == '\0') memcpy(known_digest, digest, sizeof digest);
    if (strcmp(known_digest, digest) == 0) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "train.from: %s holds other parameters (digest %s) than are asked for "
                   "(train.from_digest %.16s)",
                   from, digest, known_digest);
}

fv_status origin_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    fv_status status = rates_check(config, NULL, culprit, error);
    if (status != FV_OK || *text_in(config, "train.from") == '\0') return status;
    fv_model *model = NULL;
    status = fv_model_create(config, &model, error);
    if (status == FV_OK) status = start_fill(config, model, NULL, error);
    if (status != FV_OK) *culprit = fv_field_find("train.from");
    fv_model_free(model);
    return status;
}
