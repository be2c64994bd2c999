#include "base/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little-endian");

static const struct {
    const char *name;
    unsigned bits;
} DTYPES[] = {
#define DTYPE_ROW(name, bits) {#name, bits},
    SAFETENSORS_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};

enum { LENGTH_SIZE = 8 }; // of the header's length in front of it

static fv_status malformed(const safetensors *file, const char *name, const char *what,
                           fv_error *error) {
    if (name == NULL)
        return fv_fail(error, FV_FORMAT, "%s is not a valid safetensors file: %s", file->path,
                       what);
    return fv_fail(error, FV_FORMAT, "%s is not a valid safetensors file: tensor '%.64s': %s",
                   file->path, name, what);
}

static fv_status no_memory(const safetensors *file, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", file->path);
}

// --- the header --------------------------------------------------------------------------------

// The length that the file's first bytes give to the header, checked against the file.
static fv_status header_length(const safetensors *file, const uint8_t *bytes, size_t n_bytes,
                               uint64_t file_size, size_t *length, fv_error *error) {
    if (n_bytes < LENGTH_SIZE || file_size < LENGTH_SIZE)
        return malformed(file, NULL, "it is shorter than 8 bytes", error);
    uint64_t n;
    memcpy(&n, bytes, sizeof n);
    if (n > SAFETENSORS_MAX_HEADER)
        return malformed(file, NULL, "its header claims more than 16 MB", error);
    if (n > file_size - LENGTH_SIZE)
        return malformed(file, NULL, "it ends inside its header; it may be truncated", error);
    if (n == 0) return malformed(file, NULL, "its header is empty", error);
    *length = (size_t)n;
    return FV_OK;
}

// Bounds the work and memory of parsing: every JSON value costs far more than its shortest text,
// and needs one of these characters.
static bool is_bounded(const char *json, size_t n) {
    size_t structure = 0;
    for (size_t i = 0; i < n; i++) structure += json[i] == ',' || json[i] == '[' || json[i] == '{';
    return structure <= (size_t)16 * SAFETENSORS_MAX_TENSORS;
}

static bool read_size(const json_t *value, uint64_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *size = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_dtype(const json_t *value, safetensors_dtype *dtype) {
    if (!json_is_string(value)) return false;
    for (int i = 0; i < SAFETENSORS_DTYPE_COUNT; i++) {
        *dtype = (safetensors_dtype)i;
        if (strcmp(DTYPES[i].name, json_string_value(value)) == 0) return true;
    }
    return false;
}

// The shape, and the bytes that it takes; false where it is no shape or its product overflows.
static bool read_shape(const json_t *value, safetensors_tensor *tensor, uint64_t *bytes) {
    if (!json_is_array(value) || json_array_size(value) > SAFETENSORS_MAX_DIMS) return false;
    tensor->n_dims = (int)json_array_size(value);
    *bytes = DTYPES[tensor->dtype].bits / 8;
    for (int i = 0; i < tensor->n_dims; i++) {
        if (!read_size(json_array_get(value, (size_t)i), &tensor->shape[i])) return false;
        if (__builtin_mul_overflow(*bytes, tensor->shape[i], bytes)) return false;
    }
    return true;
}

static fv_status read_entry(const safetensors *file, const char *name, const json_t *entry,
                            safetensors_tensor *tensor, fv_error *error) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t bytes;
    tensor->name = name;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return malformed(file, name, "it must have dtype, shape and data_offsets", error);
    if (!read_dtype(json_object_get(entry, "dtype"), &tensor->dtype))
        return malformed(file, name, "its dtype is unknown", error);
    if (!read_shape(json_object_get(entry, "shape"), tensor, &bytes))
        return malformed(file, name,
                         "its shape must be a list of at most 8 sizes whose product fits", error);
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_size(json_array_get(offsets, 0), &tensor->begin) ||
        !read_size(json_array_get(offsets, 1), &tensor->end) || tensor->end < tensor->begin)
        return malformed(file, name, "its data_offsets must be [begin, end]", error);
    if (tensor->end - tensor->begin != bytes)
        return malformed(file, name, "its data_offsets and its shape differ in size", error);
    return FV_OK;
}

static fv_status check_metadata(const safetensors *file, const json_t *metadata, fv_error *error) {
    if (!json_is_object(metadata))
        return malformed(file, NULL, "its __metadata__ must be an object", error);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) {
        if (!json_is_string(value))
            return malformed(file, NULL, "its __metadata__ must hold texts only", error);
    }
    return FV_OK;
}

static int by_offset(const void *a, const void *b) {
    const safetensors_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static fv_status check_cover(const safetensors *file, uint64_t data_size, fv_error *error) {
    uint64_t at = 0;
    for (int i = 0; i < file->n_tensors; i++) {
        if (file->tensors[i].begin != at)
            return malformed(file, file->tensors[i].name,
                             "it does not begin where the tensor before it ends", error);
        at = file->tensors[i].end;
    }
    if (at > data_size)
        return malformed(file, NULL, "it ends before its last tensor does; it may be truncated",
                         error);
    if (at < data_size) return malformed(file, NULL, "bytes follow its last tensor", error);
    return FV_OK;
}

static fv_status read_entries(safetensors *file, fv_error *error) {
    size_t n = json_object_size(file->header);
    if (n > SAFETENSORS_MAX_TENSORS)
        return malformed(file, NULL, "it has more than 65536 tensors", error);
    file->tensors = calloc(n > 0 ? n : 1, sizeof *file->tensors);
    if (file->tensors == NULL) return no_memory(file, error);
    const char *name;
    json_t *entry;
    fv_status status = FV_OK;
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            status = check_metadata(file, entry, error);
        else
            status = read_entry(file, name, entry, &file->tensors[file->n_tensors++], error);
        if (status != FV_OK) return status;
    }
    qsort(file->tensors, (size_t)file->n_tensors, sizeof *file->tensors, by_offset);
    return FV_OK;
}

// Parses the header `json` of a file whose data take data_size bytes.
static fv_status parse_header(safetensors *file, const char *json, size_t length,
                              uint64_t data_size, fv_error *error) {
    if (json[0] != '{') return malformed(file, NULL, "its header does not begin with '{'", error);
    if (!is_bounded(json, length))
        return malformed(file, NULL, "its header holds more than 65536 tensors can need", error);
    json_error_t cause;
    file->header = json_loadb(json, length, JSON_REJECT_DUPLICATES, &cause);
    if (file->header == NULL && json_error_code(&cause) == json_error_out_of_memory)
        return no_memory(file, error);
    if (file->header == NULL) return malformed(file, NULL, cause.text, error);
    fv_status status = read_entries(file, error);
    return status == FV_OK ? check_cover(file, data_size, error) : status;
}

static fv_status start(const char *path, safetensors *file, fv_error *error) {
    *file = (safetensors){.file = -1, .path = strdup(path)};
    if (file->path != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", path);
}

fv_status safetensors_parse(const char *path, const uint8_t *bytes, size_t n_bytes,
                            uint64_t file_size, safetensors *file, fv_error *error) {
    size_t length = 0;
    fv_status status = start(path, file, error);
    if (status == FV_OK) status = header_length(file, bytes, n_bytes, file_size, &length, error);
    if (status != FV_OK) return status;
    if (length > n_bytes - LENGTH_SIZE)
        return malformed(file, NULL, "it ends inside its header; it may be truncated", error);
    file->data = LENGTH_SIZE + length;
    return parse_header(file, (const char *)bytes + LENGTH_SIZE, length, file_size - file->data,
                        error);
}

// --- files -------------------------------------------------------------------------------------

// Reads exactly n bytes at `at`; a file that became shorter meanwhile is an error too.
static bool read_at(int file, void *bytes, size_t n, uint64_t at) {
    char *next = bytes;
    while (n > 0) {
        ssize_t got = pread(file, next, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = EIO;
            return false;
        }
        next += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

static fv_status open_file(safetensors *file, uint64_t *size, fv_error *error) {
    struct stat stat;
    file->file = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->file < 0 && errno == ENOENT)
        return fv_fail(error, FV_NOT_FOUND, "there is no file %s", file->path);
    if (file->file < 0 || fstat(file->file, &stat) != 0)
        return fv_fail(error, FV_IO, "cannot open %s: %s", file->path, strerror(errno));
    if (!S_ISREG(stat.st_mode)) return malformed(file, NULL, "it is not a regular file", error);
    *size = (uint64_t)stat.st_size;
    return FV_OK;
}

fv_status safetensors_open(const char *path, safetensors *file, fv_error *error) {
    uint64_t size = 0;
    size_t length = 0;
    uint8_t prefix[LENGTH_SIZE];
    fv_status status = start(path, file, error);
    if (status == FV_OK) status = open_file(file, &size, error);
    if (status != FV_OK) return status;
    size_t n_prefix = size < LENGTH_SIZE ? (size_t)size : LENGTH_SIZE;
    if (!read_at(file->file, prefix, n_prefix, 0))
        return fv_fail(error, FV_IO, "cannot read %s: %s", path, strerror(errno));
    status = header_length(file, prefix, n_prefix, size, &length, error);
    if (status != FV_OK) return status;
    char *json = malloc(length + 1);
    if (json == NULL) return no_memory(file, error);
    file->data = LENGTH_SIZE + length;
    if (read_at(file->file, json, length, LENGTH_SIZE))
        status = parse_header(file, json, length, size - file->data, error);
    else
        status = fv_fail(error, FV_IO, "cannot read %s: %s", path, strerror(errno));
    free(json);
    return status;
}

fv_status safetensors_map(safetensors *file, fv_error *error) {
    struct stat stat;
    if (fstat(file->file, &stat) != 0)
        return fv_fail(error, FV_IO, "cannot read %s: %s", file->path, strerror(errno));
    void *map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file->file, 0);
    if (map == MAP_FAILED)
        return fv_fail(error, FV_IO, "cannot map %s: %s", file->path, strerror(errno));
    file->map = map;
    file->map_size = (size_t)stat.st_size;
    // Another program may have cut it since its header was checked.
    uint64_t end = file->n_tensors > 0 ? file->tensors[file->n_tensors - 1].end : 0;
    if (file->data + end <= file->map_size) return FV_OK;
    return malformed(file, NULL, "it has become shorter while it was read", error);
}

void safetensors_close(safetensors *file) {
    if (file->map != NULL) munmap(file->map, file->map_size);
    if (file->file >= 0) close(file->file);
    json_decref(file->header);
    free(file->tensors);
    free(file->path);
    *file = (safetensors){.file = -1};
}

const safetensors_tensor *safetensors_find(const safetensors *file, const char *name) {
    for (int i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

const char *safetensors_metadata(const safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

fv_status safetensors_read(const safetensors *file, const safetensors_tensor *tensor, void *bytes,
                           fv_error *error) {
    size_t size = (size_t)(tensor->end - tensor->begin);
    if (read_at(file->file, bytes, size, file->data + tensor->begin)) return FV_OK;
    return fv_fail(error, FV_IO, "cannot read tensor '%s' of %s: %s", tensor->name, file->path,
                   strerror(errno));
}
