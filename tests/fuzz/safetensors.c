// Fuzzes the reader of safetensors and, behind it, of checkpoints: whatever a file holds, it is
// read or refused with a message.
#define _GNU_SOURCE
#include "base/safetensors.h"
#include "config/config_check.h"

#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A checkpoint is read from a file: this one lives in memory.
static fv_status read_checkpoint(const uint8_t *data, size_t size, fv_error *error) {
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("checkpoint", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    fv_config config;
    fv_model *model;
    float *params;
    fv_status status = fv_checkpoint_read(path, &config, &model, &params, error);
    if ((status == FV_OK) != (model != NULL && params != NULL)) abort();
    const fv_field *culprit;
    if (status == FV_OK && config_check(&config, &culprit, error) != FV_OK) abort();
    fv_model_free(model);
    free(params);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    safetensors file;
    fv_error error = {0};
    fv_status status = safetensors_parse("INPUT", data, size, size, &file, &error);
    uint64_t covered = 0;
    for (int i = 0; status == FV_OK && i < file.n_tensors; i++)
        covered += file.tensors[i].end - file.tensors[i].begin;
    if (status == FV_OK && file.data + covered != size) abort();
    if (status != FV_OK && error.text[0] == '\0') abort();
    safetensors_close(&file);
    if (status == FV_OK && read_checkpoint(data, size, &error) != FV_OK && error.text[0] == '\0')
        abort();
    return 0;
}
