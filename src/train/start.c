#include "train/start.h"

#include "base/text.h"

#include <fovea/checkpoint.h>
#include <fovea/record.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

typedef struct start {
    struct start *next;
    char digest[17];
    fv_model *model;
    float *params;
} start;

// A file in one state.
typedef struct state {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t changed;
} state;

typedef struct seen {
    struct seen *next;
    state state;
    char digest[17];
} seen;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static start *starts;
static seen *files;

static start *find(const char *digest) {
    start *s = starts;
    while (s != NULL && strcmp(s->digest, digest) != 0) s = s->next;
    return s;
}

// Names and shapes are part of it: equal numbers in other places are other parameters.
static void make_digest(const fv_model *model, const float *params, char digest[17]) {
    uint64_t hash = 0;
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        const fv_tensor *tensor = &tensors[i];
        uint64_t shape[] = {(uint64_t)tensor->n_dims, (uint64_t)tensor->shape[0],
                            (uint64_t)tensor->shape[1]};
        if (tensor->n_dims < 2) shape[2] = 0;
        hash = XXH3_64bits_withSeed(tensor->name, strlen(tensor->name), hash);
        hash = XXH3_64bits_withSeed(shape, sizeof shape, hash);
        hash = XXH3_64bits_withSeed(params + tensor->offset, tensor->size * sizeof *params, hash);
    }
    snprintf(digest, 17, "%016" PRIx64, hash);
}

static fv_status keep(fv_model *model, float *params, char digest[17], fv_error *error) {
    make_digest(model, params, digest);
    start *s = find(digest) == NULL ? calloc(1, sizeof *s) : NULL;
    if (s == NULL) {
        bool known = find(digest) != NULL;
        fv_model_free(model);
        free(params);
        return known ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for parameters");
    }
    *s = (start){.next = starts, .model = model, .params = params};
    memcpy(s->digest, digest, sizeof s->digest);
    starts = s;
    return FV_OK;
}

fv_status start_keep(fv_model *model, float *params, char digest[17], fv_error *error) {
    pthread_mutex_lock(&lock);
    fv_status status = keep(model, params, digest, error);
    pthread_mutex_unlock(&lock);
    return status;
}

static bool state_of(const char *path, state *s) {
    struct stat info;
    if (stat(path, &info) != 0) return false;
    *s = (state){.device = info.st_dev,
                 .inode = info.st_ino,
                 .size = info.st_size,
                 .changed = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec};
    return true;
}

static bool same_state(const state *a, const state *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed == b->changed;
}

static fv_status read_file(const char *path, char digest[17], fv_error *error) {
    state now;
    bool there = state_of(path, &now);
    for (seen *f = files; there && f != NULL; f = f->next)
        if (same_state(&f->state, &now)) {
            memcpy(digest, f->digest, sizeof f->digest);
            return FV_OK;
        }
    fv_record room; // for a configuration
    fv_record_init(&room);
    seen *f = calloc(1, sizeof *f);
    fv_model *model = NULL;
    float *params = NULL;
    fv_status status =
        f != NULL && fv_record_set_config(&room, NULL, NULL) == FV_OK
            ? fv_checkpoint_read(path, room.config, &model, &params, error)
            : fv_fail(error, FV_NO_MEMORY, "out of memory for the checkpoint %s", path);
    if (status == FV_OK) status = keep(model, params, digest, error);
    if (status == FV_OK && there) {
        *f = (seen){.next = files, .state = now};
        memcpy(f->digest, digest, sizeof f->digest);
        files = f;
        f = NULL;
    }
    free(f);
    fv_record_free(&room);
    return status;
}

fv_status start_read(const char *path, char digest[17], fv_error *error) {
    pthread_mutex_lock(&lock);
    fv_status status = read_file(path, digest, error);
    pthread_mutex_unlock(&lock);
    return status;
}

// --- into another model ------------------------------------------------------------------------------

static const char *text_in(const fv_config *config, const char *key) {
    return (const char *)config + fv_field_find(key)->offset;
}

static void shape_text(const fv_tensor *tensor, char text[32]) {
    if (tensor->n_dims > 1)
        snprintf(text, 32, "[%d][%d]", tensor->shape[0], tensor->shape[1]);
    else
        snprintf(text, 32, "[%d]", tensor->shape[0]);
}

static fv_status copy(const fv_config *config, const start *s, const fv_model *model, float *params,
                      fv_error *error) {
    const char *path = text_in(config, "train.from");
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        const fv_tensor *to = &tensors[i], *from = fv_model_tensor(s->model, to->name);
        char here[32], there[32];
        shape_text(to, here);
        if (from == NULL)
            return fv_fail(error, FV_USAGE,
                           "train.from: %s has no tensor %s, which this model begins with", path,
                           to->name);
        shape_text(from, there);
        if (strcmp(here, there) != 0)
            return fv_fail(error, FV_USAGE, "train.from: %s of %s is %s, and this model has %s",
                           to->name, path, there, here);
        if (params != NULL)
            memcpy(params + to->offset, s->params + from->offset, to->size * sizeof *params);
    }
    tensors = fv_model_tensors(s->model, &n);
    for (int i = 0; i < n; i++)
        if (fv_model_tensor(model, tensors[i].name) == NULL)
            return fv_fail(error, FV_USAGE, "train.from: this model has no place for %s of %s",
                           tensors[i].name, path);
    return FV_OK;
}

// Another process may train what was planned here: there the file is read again.
fv_status start_fill(const fv_config *config, const fv_model *model, float *params,
                     fv_error *error) {
    const char *path = text_in(config, "train.from");
    const char *wanted = text_in(config, "train.from_digest");
    char digest[17];
    fv_error why = {0};
    pthread_mutex_lock(&lock);
    start *s = find(wanted);
    fv_status status = FV_OK;
    if (s == NULL) status = read_file(path, digest, &why);
    if (s == NULL && status != FV_OK)
        fv_fail(error, status,
                "train.from: the parameters %.16s of %.100s are not here: %.700s; a checkpoint "
                "('fovea export %.100s --format safetensors') can be read everywhere",
                wanted, path, why.text, path);
    if (s == NULL && status == FV_OK && (s = find(wanted)) == NULL)
        status = fv_fail(error, FV_USAGE,
                         "train.from: %s holds other parameters (digest %s) than are asked for "
                         "(train.from_digest %.16s)",
                         path, digest, wanted);
    if (status == FV_OK) status = copy(config, s, model, params, error);
    pthread_mutex_unlock(&lock);
    return status;
}
