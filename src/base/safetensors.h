// The safetensors format, low level: named tensors in one file.
//
//   u64 N | N bytes of JSON, padded with spaces | the tensors' bytes, one after the other
//   {"__metadata__": {"key": "text"},
//    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
//
// Opening checks everything before anything is used, and reads the header alone: its size is
// bounded, keys are unique, every product of a shape fits, the tensors cover the rest of the file
// exactly, without hole, overlap or trailing byte. Source: the format's description and reference
// reader (huggingface/safetensors, tensor.rs).
#ifndef BASE_SAFETENSORS_H
#define BASE_SAFETENSORS_H

#include <fovea/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAFETENSORS_MAX_HEADER = 16 << 20, // bytes; the reference reader allows 100 MB
    SAFETENSORS_MAX_TENSORS = 65536,
    SAFETENSORS_MAX_DIMS = 8
};

// name, bits of one element; in the order in which the reference writer sorts, last first.
#define SAFETENSORS_DTYPES(X)                                                                      \
    X(BOOL, 8)                                                                                     \
    X(U8, 8)                                                                                       \
    X(I8, 8)                                                                                       \
    X(F8_E5M2, 8)                                                                                  \
    X(F8_E4M3, 8)                                                                                  \
    X(I16, 16)                                                                                     \
    X(U16, 16)                                                                                     \
    X(F16, 16)                                                                                     \
    X(BF16, 16)                                                                                    \
    X(I32, 32)                                                                                     \
    X(U32, 32)                                                                                     \
    X(F32, 32)                                                                                     \
    X(C64, 64)                                                                                     \
    X(F64, 64)                                                                                     \
    X(I64, 64)                                                                                     \
    X(U64, 64)

typedef enum safetensors_dtype {
#define SAFETENSORS_ENUM(name, bits) SAFETENSORS_##name,
    SAFETENSORS_DTYPES(SAFETENSORS_ENUM)
#undef SAFETENSORS_ENUM
        SAFETENSORS_DTYPE_COUNT
} safetensors_dtype;

typedef struct safetensors_tensor {
    const char *name;
    safetensors_dtype dtype;
    int n_dims;
    uint64_t shape[SAFETENSORS_MAX_DIMS];
    uint64_t begin, end; // bytes, from the start of the tensors' bytes
} safetensors_tensor;

typedef struct safetensors {
    char *path;    // for messages
    int file;      // descriptor, -1 where only a header was parsed
    uint64_t data; // where the tensors' bytes begin in the file
    uint8_t *map;  // the whole file in memory, map_size bytes, after safetensors_map; NULL before
    size_t map_size;
    json_t *header; // owns the names and the metadata
    int n_tensors;
    safetensors_tensor *tensors; // in the order of their bytes
} safetensors;

// Opens a file and reads its header. Fails with FV_NOT_FOUND, FV_IO, FV_FORMAT. Close it also after
// a failure.
fv_status safetensors_open(const char *path, safetensors *file, fv_error *error);

// The same for a header in memory: `bytes` holds the file's first n_bytes, header included, of
// file_size.
fv_status safetensors_parse(const char *path, const uint8_t *bytes, size_t n_bytes,
                            uint64_t file_size, safetensors *file, fv_error *error);
void safetensors_close(safetensors *file);

// The tensor of a name, or NULL. Takes O(n_tensors).
const safetensors_tensor *safetensors_find(const safetensors *file, const char *name);

// The text of a metadata key, or NULL.
const char *safetensors_metadata(const safetensors *file, const char *key);

// Reads all bytes of a tensor into `bytes` [end - begin].
fv_status safetensors_read(const safetensors *file, const safetensors_tensor *tensor, void *bytes,
                           fv_error *error);

// Maps an opened file into memory, which reads of it what is looked at: then a tensor's bytes begin at
// safetensors_bytes. They are gone after safetensors_close. FV_IO.
fv_status safetensors_map(safetensors *file, fv_error *error);
static inline const uint8_t *safetensors_bytes(const safetensors *file,
                                               const safetensors_tensor *tensor) {
    return file->map + file->data + tensor->begin;
}

// A tensor to be written, F32: data [shape[0]] ... [shape[n_dims - 1]].
typedef struct safetensors_item {
    const char *name;
    int n_dims;
    uint64_t shape[SAFETENSORS_MAX_DIMS];
    const float *data;
} safetensors_item;

// Writes a file: the metadata first (an object of texts; borrowed), then the items, which it sorts
// by name as the reference writer does. The file appears whole or not at all, and is on disk on
// return.
fv_status safetensors_write(const char *path, json_t *metadata, safetensors_item *items,
                            int n_items, fv_error *error);

#endif
