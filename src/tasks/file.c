// Sequences from a file: a fixed training set that somebody else has made. What must be predicted, and
// how well that can be done, is theirs to know.
#include "tasks/file.h"

#include "tasks/markov_matrix.h"
#include "tasks/task_type.h"

#include <fovea/config.h>
#include <stdio.h>
#include <string.h>

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++) positions[n++] = t;
    return n;
}

// Its sequences are rows of the file: data.c draws no other one.
static void fill(const task_fill *fill) {
    for (int t = 0; t < fill->config->context_length; t++) fill->tokens[t * fill->stride] = 0;
}

static int n_inputs(const fv_task_config *config) {
    return config->inputs;
}
static int n_outputs(const fv_task_config *config) {
    return config->outputs;
}

static int unknown_distance(const fv_task_config *config) {
    (void)config;
    return -1;
}

// A number of sequences that somebody has asked for is to be the file's.
static fv_status check_number(const fv_config *config, const char *key, int there,
                              fv_error *error) {
    fv_config usual;
    fv_config_init(&usual);
    const fv_field *field = fv_field_find(key);
    int asked = (int)fv_config_number(config, field);
    if (asked == there || asked == (int)fv_config_number(&usual, field)) return FV_OK;
    return fv_fail(error, FV_USAGE, "%s %d is not what %s has, %d; leave it out", key, asked,
                   config->task.path.value, there);
}

fv_status file_settle(fv_config *whole, fv_error *error) {
    fv_task_config *config = &whole->task;
    const sequence_file *file;
    if (config->name == FV_TASK_MARKOV) return markov_settle(whole, error);
    if (config->name != FV_TASK_FILE || config->path.value[0] == '\0') return FV_OK;
    fv_status status = sequence_file_get(config->path.value, &file, error);
    if (status != FV_OK) return status;
    if (config->digest.value[0] == '\0')
        snprintf(config->digest.value, sizeof config->digest.value, "%s", file->digest);
    status = check_number(whole, "task.inputs", file->n_inputs, error);
    if (status == FV_OK) status = check_number(whole, "task.outputs", file->n_outputs, error);
    if (status != FV_OK) return status;
    config->inputs = file->n_inputs;
    config->outputs = file->n_outputs;
    status = file_get(config, &file, error);
    if (status == FV_OK) status = check_number(whole, "task.n_train", file->n, error);
    if (status == FV_OK) status = check_number(whole, "task.n_test", file->n_test, error);
    if (status != FV_OK) return status;
    config->data = FV_DATA_FIXED;
    config->n_train = file->n;
    config->n_test = file->n_test;
    return FV_OK;
}

static fv_status check_range(const fv_task_config *config, const char *what,
                             const sequence_extreme *lowest, const sequence_extreme *highest,
                             int from, fv_error *error) {
    const sequence_extreme *bad = lowest->value < from ? lowest : highest;
    if (lowest->value >= from && highest->value < config->vocab_size) return FV_OK;
    return fv_fail(
        error, FV_USAGE, "%s: %s %d of sequence %lld is outside %d to %d (task.vocab_size %d)%s",
        config->path.value, what, bad->value, (long long)bad->sequence, from < 0 ? 0 : from,
        config->vocab_size - 1, config->vocab_size, from < 0 ? "; -1 is no target" : "");
}

fv_status file_get(const fv_task_config *config, const sequence_file **file, fv_error *error) {
    fv_status status = sequence_file_get(config->path.value, file, error);
    if (status != FV_OK) return status;
    const sequence_file *f = *file;
    int n_loss = config->loss == FV_LOSS_ALL ? config->context_length : 1;
    if (strcmp(f->digest, config->digest.value) != 0)
        return fv_fail(
            error, FV_USAGE,
            "%s holds other sequences (digest %s) than are asked for (task.digest %.16s)",
            config->path.value, f->digest, config->digest.value);
    if (f->n_tokens != config->context_length)
        return fv_fail(error, FV_USAGE,
                       "%s has sequences of %d tokens, and task.context_length is %d; set it to %d",
                       config->path.value, f->n_tokens, config->context_length, f->n_tokens);
    if (f->n_loss != n_loss)
        return fv_fail(error, FV_USAGE, "%s has %d target%s a sequence: set task.loss %s",
                       config->path.value, f->n_loss, f->n_loss == 1 ? "" : "s",
                       f->n_loss == 1 ? "last" : "all");
    if (f->n_inputs != config->inputs || f->n_outputs != config->outputs)
        return fv_fail(error, FV_USAGE,
                       "%s has %d reals a position and %d a target, and task.inputs is %d and "
                       "task.outputs %d; leave them out",
                       config->path.value, f->n_inputs, f->n_outputs, config->inputs,
                       config->outputs);
    status = f->n_inputs > 0
                 ? FV_OK
                 : check_range(config, "token", &f->lowest_token, &f->highest_token, 0, error);
    if (status != FV_OK || f->n_outputs > 0) return status;
    return check_range(config, "target", &f->lowest_target, &f->highest_target, -1, error);
}

fv_status file_test_rows(const fv_task_config *config, uint64_t first, int n, int32_t *rows,
                         fv_error *error) {
    const sequence_file *file;
    fv_status status = file_get(config, &file, error);
    if (status != FV_OK) return status;
    size_t size = (size_t)file->n_in + (size_t)file->n_out;
    bool test = file->n_test > 0;
    const int32_t *from = file->rows + (test ? (size_t)file->n * size : 0);
    uint64_t n_rows = (uint64_t)(test ? file->n_test : file->n);
    for (int i = 0; i < n; i++)
        memcpy(rows + (size_t)i * size, from + (first + (uint64_t)i) % n_rows * size,
               size * sizeof *rows);
    return FV_OK;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->path.value[0] == '\0')
        return check_refuse(
            c, "task.path",
            "task.name file needs task.path, a safetensors file or a folder of .npy "
            "files");
    if (task->digest.value[0] == '\0' || task->data != FV_DATA_FIXED)
        return check_refuse(c, "task.path",
                            "task.path %.100s has not been read; an experiment reads it",
                            task->path.value);
    return FV_OK;
}

const task_type task_file = {
    .part =
        {.help =
             "sequences of a file: tokens [N, T] and targets [N] or [N, T], -1 for none; or reals",
         .example = "task: {name: file, path: data.safetensors, vocab_size: 20, "
                    "context_length: 8}",
         .reads = {FV_READS(task.path), FV_READS(task.digest), FV_READS(task.loss),
                   FV_READS(task.inputs), FV_READS(task.outputs)},
         .check = check},
    .n_inputs = n_inputs,
    .n_outputs = n_outputs,
    .loss_positions = loss_positions,
    .fill = fill,
    .distance = unknown_distance,
    .foreign = true,
};
