// Sequences that somebody else has made: a safetensors file with the tensors tokens [N, T] and targets
// [N] or [N, T], and perhaps test_tokens and test_targets, or a folder with .npy files of these names.
// Whole numbers of any type; -1 is no target. Or reals: inputs [N, T, k] in place of tokens, and targets
// [N, m] or [N, T, m], each of which is there.
#ifndef TASKS_SEQUENCE_FILE_H
#define TASKS_SEQUENCE_FILE_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sequence_extreme { // the lowest or highest number, and its sequence
    int32_t value;
    int64_t sequence;
} sequence_extreme;

typedef struct sequence_file {
    int n, n_test, n_tokens, n_loss;
    int n_inputs, n_outputs; // reals of a position, of a target; 0: it is a whole number
    int n_in, n_out;         // numbers of a sequence, of all its targets
    int32_t *rows; // [n + n_test][n_in + n_out]: tokens, or the bits of reals; then targets
    double n_targets, n_test_targets; // of a sequence, on average
    sequence_extreme lowest_token, highest_token, lowest_target, highest_target;
    char digest[17]; // of everything above: the same for any container and type
} sequence_file;

// Reads what lies at `path`, once for the process while it stays as it is; the file is its, and stays.
// FV_NOT_FOUND, FV_IO, FV_FORMAT with a sentence. Thread-safe.
fv_status sequence_file_get(const char *path, const sequence_file **file, fv_error *error);

#endif
