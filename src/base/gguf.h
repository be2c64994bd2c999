// The header of a GGUF file (ggml-org/ggml, docs/gguf.md): what it says of a model and which
// tensors it has. The tensors' bytes are not looked at, and need not be there.
//
//   "GGUF" | u32 version | u64 n_tensors | u64 n_pairs
//   pairs:    text key | u32 type | value       text: u64 length, bytes; array: u32 type, u64 n
//   tensors:  text name | u32 n_dims | u64 dims[n_dims] | u32 type | u64 offset
//
// Little-endian, versions 2 and 3. Nothing is allocated for a length that the file is too short
// for: every length is held against what is left of it, and what comes through a pipe is kept only
// as far as it has come.
#ifndef BASE_GGUF_H
#define BASE_GGUF_H

#include <fovea/status.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// X(NAME, number, numbers in a block, bytes of a block): ggml's types (ggml.h, ggml-common.h).
#define GGUF_TYPES(X)                                                                              \
    X(F32, 0, 1, 4)                                                                                \
    X(F16, 1, 1, 2)                                                                                \
    X(Q4_0, 2, 32, 18)                                                                             \
    X(Q4_1, 3, 32, 20)                                                                             \
    X(Q5_0, 6, 32, 22)                                                                             \
    X(Q5_1, 7, 32, 24)                                                                             \
    X(Q8_0, 8, 32, 34)                                                                             \
    X(Q8_1, 9, 32, 40)                                                                             \
    X(Q2_K, 10, 256, 84)                                                                           \
    X(Q3_K, 11, 256, 110)                                                                          \
    X(Q4_K, 12, 256, 144)                                                                          \
    X(Q5_K, 13, 256, 176)                                                                          \
    X(Q6_K, 14, 256, 210)                                                                          \
    X(Q8_K, 15, 256, 292)                                                                          \
    X(IQ2_XXS, 16, 256, 66)                                                                        \
    X(IQ2_XS, 17, 256, 74)                                                                         \
    X(IQ3_XXS, 18, 256, 98)                                                                        \
    X(IQ1_S, 19, 256, 50)                                                                          \
    X(IQ4_NL, 20, 32, 18)                                                                          \
    X(IQ3_S, 21, 256, 110)                                                                         \
    X(IQ2_S, 22, 256, 82)                                                                          \
    X(IQ4_XS, 23, 256, 136)                                                                        \
    X(I8, 24, 1, 1)                                                                                \
    X(I16, 25, 1, 2)                                                                               \
    X(I32, 26, 1, 4)                                                                               \
    X(I64, 27, 1, 8)                                                                               \
    X(F64, 28, 1, 8)                                                                               \
    X(IQ1_M, 29, 256, 56)                                                                          \
    X(BF16, 30, 1, 2)                                                                              \
    X(TQ1_0, 34, 256, 54)                                                                          \
    X(TQ2_0, 35, 256, 66)                                                                          \
    X(MXFP4, 39, 32, 17)                                                                           \
    X(NVFP4, 40, 64, 36)                                                                           \
    X(Q1_0, 41, 128, 18)

enum {
    GGUF_MAX_DIMS = 4,
    GGUF_MAX_PAIRS = 65536,
    GGUF_MAX_TENSORS = 1 << 20,
    GGUF_MAX_LIST = 65536 // entries of all lists that are kept
};

typedef struct gguf_tensor {
    char *name;
    int n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; // the fastest first; 1 beyond n_dims
    uint32_t type;
    uint64_t numbers, bytes;
} gguf_tensor;

typedef struct gguf {
    // key: number, true or false, text or list of them. A long text is null; a list that is not
    // kept, as it is long or holds texts, is {"length": n}.
    json_t *pairs;
    uint64_t n_tensors;
    gguf_tensor *tensors; // [n_tensors]
} gguf;

// Reads the header from where the file stands, in front of the magic. `name` stands in messages;
// `size` is how many bytes there are, UINT64_MAX where nobody knows. Fails with FV_FORMAT (which
// says where, and what would be right) and FV_NO_MEMORY. Free it also after a failure.
fv_status gguf_read(FILE *file, const char *name, uint64_t size, gguf *out, fv_error *error);
void gguf_free(gguf *file);

// "Q4_K"; NULL for a number that is no type.
const char *gguf_type_name(uint32_t type);

// Whether some tensor is of that name, or of that name in a block: "blk.3." and it.
bool gguf_has(const gguf *file, const char *name);

#endif
