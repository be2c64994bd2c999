#include "export_batches.h"

#include <fovea/config.h>
#include <fovea/model.h>
#include <fovea/train.h>
#include <fovea/whole_file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Version 1.0: ten bytes, then a header that ends at a multiple of 64.
static fv_status write_npy(const char *folder, const char *name, const int32_t *values, size_t n,
                           size_t width, fv_error *error) {
    char path[4200], header[118 + 1];
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    int length =
        snprintf(header, sizeof header,
                 "{'descr': '<i4', 'fortran_order': False, 'shape': (%zu, %zu), }", n, width);
    memset(header + length, ' ', sizeof header - 1 - (size_t)length);
    header[sizeof header - 2] = '\n';
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    bool good = fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file.stream) == 10 &&
                fwrite(header, 1, sizeof header - 1, file.stream) == sizeof header - 1 &&
                fwrite(values, sizeof *values, n * width, file.stream) == n * width;
    status = fv_whole_file_close(&file, good, error);
    if (status == FV_OK && !good) status = fv_fail(error, FV_IO, "%s cannot be written", path);
    if (status == FV_OK) printf("%s\n", path);
    return status;
}

static fv_status count_positions(const fv_config *config, int *n_loss, fv_error *error) {
    fv_model *model;
    fv_status status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    fv_model_loss_positions(model, n_loss);
    fv_model_free(model);
    return FV_OK;
}

fv_status export_batches(const fv_config *config, int n_steps, const char *folder,
                         fv_error *error) {
    int n_loss;
    fv_status status = fv_folder_make(folder, NULL, error);
    if (status == FV_OK) status = count_positions(config, &n_loss, error);
    if (status != FV_OK) return status;
    if (n_steps == 0) n_steps = config->train.steps;
    size_t n = (size_t)n_steps * (size_t)config->train.batch_size;
    size_t T = (size_t)config->task.context_length;
    int32_t *tokens = calloc(n, T * sizeof *tokens);
    int32_t *targets = calloc(n, (size_t)n_loss * sizeof *targets);
    if (tokens == NULL || targets == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for %d steps; --steps takes fewer",
                         n_steps);
    if (status == FV_OK) status = fv_training_batches(config, 0, n_steps, tokens, targets, error);
    if (status == FV_OK) status = write_npy(folder, "tokens", tokens, n, T, error);
    if (status == FV_OK) status = write_npy(folder, "targets", targets, n, (size_t)n_loss, error);
    free(tokens);
    free(targets);
    return status;
}
