#include "tasks/array_file.h"

#include "base/safetensors.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- numbers ---------------------------------------------------------------------------------------

#define NUMBER_TYPES(X)                                                                            \
    X(I8, int8_t, "|i1", whole_signed)                                                             \
    X(U8, uint8_t, "|u1", whole_unsigned)                                                          \
    X(I16, int16_t, "<i2", whole_signed)                                                           \
    X(U16, uint16_t, "<u2", whole_unsigned)                                                        \
    X(I32, int32_t, "<i4", whole_signed)                                                           \
    X(U32, uint32_t, "<u4", whole_unsigned)                                                        \
    X(I64, int64_t, "<i8", whole_signed)                                                           \
    X(U64, uint64_t, "<u8", whole_unsigned)                                                        \
    X(F32, float, "<f4", real_bits)                                                                \
    X(F64, double, "<f8", real_bits)

// Numbers that an int32_t cannot hold are no token: they become ones that none is either.
static int32_t whole_signed(int64_t value) {
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}
static int32_t whole_unsigned(uint64_t value) {
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}
static int32_t real_bits(double value) {
    float narrow = (float)value;
    int32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

static bool is_real(safetensors_dtype type) {
    return type == SAFETENSORS_F32 || type == SAFETENSORS_F64;
}

static int32_t word_at(safetensors_dtype type, const void *bytes, size_t i) {
    switch (type) {
#define NUMBER(NAME, type, descr, convert)                                                         \
    case SAFETENSORS_##NAME: {                                                                     \
        type value;                                                                                \
        memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);                      \
        return convert(value);                                                                     \
    }
        NUMBER_TYPES(NUMBER)
#undef NUMBER
    default:
        return 0;
    }
}

static size_t size_of(safetensors_dtype type) {
    switch (type) {
#define SIZE(NAME, type, descr, convert)                                                           \
    case SAFETENSORS_##NAME:                                                                       \
        return sizeof(type);
        NUMBER_TYPES(SIZE)
#undef SIZE
    default:
        return 0; // none of these
    }
}

static fv_status no_memory(const char *path, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for %s", path);
}

uint64_t array_width(const array_read *a, int from) {
    uint64_t n = 1;
    for (int i = from; i < a->n_dims; i++) n *= a->shape[i];
    return n;
}

static fv_status check_shape(const char *path, const array_read *a, fv_error *error) {
    bool fits = a->n_dims >= 1 && a->n_dims <= ARRAY_DIMS;
    uint64_t n = 1;
    for (int i = 0; i < a->n_dims && fits; i++)
        fits = a->shape[i] > 0 && a->shape[i] <= 1u << 30 && (n *= a->shape[i]) <= 1ull << 40;
    if (fits) return FV_OK;
    return fv_fail(error, FV_FORMAT,
                   "%s: %s must have 1 to %d dimensions, none of them 0, as in [N, T]", path,
                   a->name, ARRAY_DIMS);
}

// Takes `bytes` of so many numbers as they lie in the file.
static fv_status convert(const char *path, array_read *a, safetensors_dtype type, const void *bytes,
                         fv_error *error) {
    size_t n = (size_t)array_width(a, 0);
    a->words = malloc(n * sizeof *a->words);
    if (a->words == NULL) return no_memory(path, error);
    a->real = is_real(type);
    for (size_t i = 0; i < n; i++) a->words[i] = word_at(type, bytes, i);
    return FV_OK;
}

// --- safetensors -------------------------------------------------------------------------------------

static fv_status read_tensor(const safetensors *file, array_read *a, fv_error *error) {
    const safetensors_tensor *tensor = safetensors_find(file, a->name);
    if (tensor == NULL) return FV_OK;
    a->there = true;
    a->n_dims = tensor->n_dims;
    for (int i = 0; i < ARRAY_DIMS && i < tensor->n_dims; i++) a->shape[i] = tensor->shape[i];
    fv_status status = check_shape(file->path, a, error);
    if (status != FV_OK) return status;
    if (size_of(tensor->dtype) == 0)
        return fv_fail(error, FV_FORMAT,
                       "%s: %s must be whole numbers, such as I32 or I64, or reals, F32 or F64",
                       file->path, a->name);
    void *bytes = malloc(tensor->end - tensor->begin);
    if (bytes == NULL) return no_memory(file->path, error);
    status = safetensors_read(file, tensor, bytes, error);
    if (status == FV_OK) status = convert(file->path, a, tensor->dtype, bytes, error);
    free(bytes);
    return status;
}

// --- npy -----------------------------------------------------------------------------------------------

static fv_status malformed(const char *path, const char *what, fv_error *error) {
    return fv_fail(error, FV_FORMAT,
                   "%s: %s; write it with numpy.save of a C-ordered array of int32, int64 or "
                   "float32",
                   path, what);
}

// {'descr': '<i4', 'fortran_order': False, 'shape': (10, 4), }
static fv_status read_npy_header(const char *path, const char *header, array_read *a,
                                 safetensors_dtype *type, fv_error *error) {
    const char *descr = strstr(header, "'descr': '"), *shape = strstr(header, "'shape': (");
    if (descr == NULL || shape == NULL)
        return malformed(path, "its header is none of NumPy's", error);
    if (strstr(header, "'fortran_order': False") == NULL)
        return malformed(path, "its array is in Fortran's order", error);
    *type = SAFETENSORS_DTYPE_COUNT;
    descr += strlen("'descr': '");
#define TYPE(NAME, type_, text, way)                                                               \
    if (strncmp(descr, text "'", strlen(text "'")) == 0) *type = SAFETENSORS_##NAME;
    NUMBER_TYPES(TYPE)
#undef TYPE
    if (*type == SAFETENSORS_DTYPE_COUNT)
        return malformed(path, "it holds neither whole numbers nor reals", error);
    shape += strlen("'shape': (");
    for (a->n_dims = 0; *shape >= '0' && *shape <= '9'; a->n_dims++) {
        char *end;
        unsigned long long size = strtoull(shape, &end, 10);
        if (a->n_dims < ARRAY_DIMS) a->shape[a->n_dims] = size;
        shape = end + strspn(end, ", ");
    }
    return FV_OK;
}

static fv_status read_npy_stream(FILE *stream, const char *path, array_read *a, fv_error *error) {
    unsigned char start[10];
    char header[4096];
    if (fread(start, 1, sizeof start, stream) != sizeof start ||
        memcmp(start, "\x93NUMPY\x01\x00", 8) != 0)
        return malformed(path, "it is no .npy file of version 1.0", error);
    size_t size = (size_t)start[8] | (size_t)start[9] << 8;
    if (size >= sizeof header || fread(header, 1, size, stream) != size)
        return malformed(path, "its header is cut off", error);
    header[size] = '\0';
    safetensors_dtype type;
    fv_status status = read_npy_header(path, header, a, &type, error);
    if (status == FV_OK) status = check_shape(path, a, error);
    if (status != FV_OK) return status;
    size_t n_bytes = size_of(type) * (size_t)array_width(a, 0);
    void *bytes = malloc(n_bytes);
    if (bytes == NULL) return no_memory(path, error);
    if (fread(bytes, 1, n_bytes, stream) != n_bytes || fgetc(stream) != EOF)
        status = malformed(path, "its size is not that of its shape", error);
    else
        status = convert(path, a, type, bytes, error);
    free(bytes);
    return status;
}

static fv_status read_npy(const char *folder, array_read *a, fv_error *error) {
    text_buffer path = {0};
    text_add(&path, "%s/%s.npy", folder, a->name);
    if (path.failed) return no_memory(folder, error);
    FILE *stream = fopen(path.data, "rb");
    fv_status status = FV_OK;
    a->there = stream != NULL;
    if (stream != NULL) {
        status = read_npy_stream(stream, path.data, a, error);
        fclose(stream);
    } else if (errno != ENOENT) {
        status = fv_fail(error, FV_IO, "%s cannot be read: %s", path.data, strerror(errno));
    }
    text_free(&path);
    return status;
}

fv_status arrays_read(const char *path, bool folder, array_read *arrays, int n, fv_error *error) {
    fv_status status = FV_OK;
    if (folder) {
        for (int i = 0; i < n && status == FV_OK; i++) status = read_npy(path, &arrays[i], error);
        return status;
    }
    safetensors file;
    status = safetensors_open(path, &file, error);
    for (int i = 0; i < n && status == FV_OK; i++) status = read_tensor(&file, &arrays[i], error);
    safetensors_close(&file);
    return status;
}
