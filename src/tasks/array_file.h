// Arrays that somebody else has made, by name: tensors of a safetensors file, or .npy files of a folder.
// Whole numbers of any type, or reals.
#ifndef TASKS_ARRAY_FILE_H
#define TASKS_ARRAY_FILE_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARRAY_DIMS = 3 };

typedef struct array_read {
    const char *name;
    bool there; // false: the file has none of that name
    bool
        real; // numbers are float32 as they lie in memory; else whole, those beyond int32_t at its ends
    int n_dims; // 1 to ARRAY_DIMS
    uint64_t shape[ARRAY_DIMS];
    int32_t *words; // [shape[0]]...; whole numbers, or the bits of reals; the caller frees them
} array_read;

// Reads the arrays of these names, where they are there. Fails with FV_NOT_FOUND, FV_IO, FV_FORMAT and a
// sentence; what has been read by then is still the caller's.
fv_status arrays_read(const char *path, bool folder, array_read *arrays, int n, fv_error *error);

// The size of the array behind its first dimension `from`, at least 1.
uint64_t array_width(const array_read *a, int from);

#endif
