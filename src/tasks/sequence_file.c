#include "tasks/sequence_file.h"

#include "base/safetensors.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

// --- arrays of whole numbers -------------------------------------------------------------------------

// One array as it was read; in files of two kinds it has a name.
typedef struct array {
    bool there;
    int n_dims;
    uint64_t shape[2];
    int32_t *values;
} array;

#define WHOLE_TYPES(X)                                                                             \
    X(I8, int8_t, "|i1", signed)                                                                   \
    X(U8, uint8_t, "|u1", unsigned)                                                                \
    X(I16, int16_t, "<i2", signed)                                                                 \
    X(U16, uint16_t, "<u2", unsigned)                                                              \
    X(I32, int32_t, "<i4", signed)                                                                 \
    X(U32, uint32_t, "<u4", unsigned)                                                              \
    X(I64, int64_t, "<i8", signed)                                                                 \
    X(U64, uint64_t, "<u8", unsigned)

// Numbers that an int32_t cannot hold are no token: they become ones that none is either.
static int32_t narrow_signed(int64_t value) {
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}
static int32_t narrow_unsigned(uint64_t value) {
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static int32_t number_at(safetensors_dtype type, const void *bytes, size_t i) {
    switch (type) {
#define NUMBER(NAME, type, descr, way)                                                             \
    case SAFETENSORS_##NAME: {                                                                     \
        type value;                                                                                \
        memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);                      \
        return narrow_##way(value);                                                                \
    }
        WHOLE_TYPES(NUMBER)
#undef NUMBER
    default:
        return 0;
    }
}

static size_t size_of(safetensors_dtype type) {
    switch (type) {
#define SIZE(NAME, type, descr, way)                                                               \
    case SAFETENSORS_##NAME:                                                                       \
        return sizeof(type);
        WHOLE_TYPES(SIZE)
#undef SIZE
    default:
        return 0; // no whole number
    }
}

static fv_status no_memory(const char *path, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for %s", path);
}

static fv_status check_shape(const char *path, const char *name, const array *a, fv_error *error) {
    bool tokens = strstr(name, "tokens") != NULL;
    bool fits = a->n_dims == 2 || (a->n_dims == 1 && !tokens);
    for (int i = 0; i < a->n_dims && fits; i++) fits = a->shape[i] > 0 && a->shape[i] <= 1u << 30;
    if (fits) return FV_OK;
    return fv_fail(error, FV_FORMAT, "%s: %s must have the shape %s, with at least one sequence",
                   path, name, tokens ? "[N, T]" : "[N] or [N, T]");
}

// Takes `bytes` of so many numbers as they lie in the file.
static fv_status convert(const char *path, array *a, safetensors_dtype type, const void *bytes,
                         fv_error *error) {
    size_t n = (size_t)a->shape[0] * (a->n_dims == 2 ? (size_t)a->shape[1] : 1);
    a->values = malloc(n * sizeof *a->values);
    if (a->values == NULL) return no_memory(path, error);
    for (size_t i = 0; i < n; i++) a->values[i] = number_at(type, bytes, i);
    return FV_OK;
}

// --- safetensors ---------------------------------------------------------------------------------------

static fv_status read_tensor(const safetensors *file, const char *name, array *a, fv_error *error) {
    const safetensors_tensor *tensor = safetensors_find(file, name);
    if (tensor == NULL) return FV_OK;
    a->there = true;
    a->n_dims = tensor->n_dims;
    for (int i = 0; i < 2 && i < tensor->n_dims; i++) a->shape[i] = tensor->shape[i];
    fv_status status = check_shape(file->path, name, a, error);
    if (status != FV_OK) return status;
    if (size_of(tensor->dtype) == 0)
        return fv_fail(error, FV_FORMAT, "%s: %s must be whole numbers, such as I32 or I64",
                       file->path, name);
    void *bytes = malloc(tensor->end - tensor->begin);
    if (bytes == NULL) return no_memory(file->path, error);
    status = safetensors_read(file, tensor, bytes, error);
    if (status == FV_OK) status = convert(file->path, a, tensor->dtype, bytes, error);
    free(bytes);
    return status;
}

// --- npy -------------------------------------------------------------------------------------------------

static fv_status malformed(const char *path, const char *what, fv_error *error) {
    return fv_fail(error, FV_FORMAT,
                   "%s: %s; write it with numpy.save of a C-ordered array of int32 or int64", path,
                   what);
}

// {'descr': '<i4', 'fortran_order': False, 'shape': (10, 4), }
static fv_status read_npy_header(const char *path, const char *header, array *a,
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
    WHOLE_TYPES(TYPE)
#undef TYPE
    if (*type == SAFETENSORS_DTYPE_COUNT)
        return malformed(path, "it does not hold whole numbers", error);
    shape += strlen("'shape': (");
    for (a->n_dims = 0; *shape >= '0' && *shape <= '9'; a->n_dims++) {
        char *end;
        unsigned long long size = strtoull(shape, &end, 10);
        if (a->n_dims < 2) a->shape[a->n_dims] = size;
        shape = end + strspn(end, ", ");
    }
    return FV_OK;
}

static fv_status read_npy_stream(FILE *stream, const char *path, const char *name, array *a,
                                 fv_error *error) {
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
    if (status == FV_OK) status = check_shape(path, name, a, error);
    if (status != FV_OK) return status;
    size_t n_bytes =
        size_of(type) * (size_t)a->shape[0] * (a->n_dims == 2 ? (size_t)a->shape[1] : 1);
    void *bytes = malloc(n_bytes);
    if (bytes == NULL) return no_memory(path, error);
    if (fread(bytes, 1, n_bytes, stream) != n_bytes || fgetc(stream) != EOF)
        status = malformed(path, "its size is not that of its shape", error);
    else
        status = convert(path, a, type, bytes, error);
    free(bytes);
    return status;
}

static fv_status read_npy(const char *folder, const char *name, array *a, fv_error *error) {
    text_buffer path = {0};
    text_add(&path, "%s/%s.npy", folder, name);
    if (path.failed) return no_memory(folder, error);
    FILE *stream = fopen(path.data, "rb");
    fv_status status = FV_OK;
    a->there = stream != NULL;
    if (stream != NULL) {
        status = read_npy_stream(stream, path.data, name, a, error);
        fclose(stream);
    } else if (errno != ENOENT) {
        status = fv_fail(error, FV_IO, "%s cannot be read: %s", path.data, strerror(errno));
    }
    text_free(&path);
    return status;
}

// --- all of it -----------------------------------------------------------------------------------------

enum { TOKENS, TARGETS, TEST_TOKENS, TEST_TARGETS, N_ARRAYS };
static const char *const NAMES[N_ARRAYS] = {"tokens", "targets", "test_tokens", "test_targets"};

static fv_status read_arrays(const char *path, bool folder, array *arrays, fv_error *error) {
    fv_status status = FV_OK;
    if (folder) {
        for (int i = 0; i < N_ARRAYS && status == FV_OK; i++)
            status = read_npy(path, NAMES[i], &arrays[i], error);
        return status;
    }
    safetensors file;
    status = safetensors_open(path, &file, error);
    for (int i = 0; i < N_ARRAYS && status == FV_OK; i++)
        status = read_tensor(&file, NAMES[i], &arrays[i], error);
    safetensors_close(&file);
    return status;
}

static uint64_t n_targets_of(const array *a) {
    return a->n_dims == 2 ? a->shape[1] : 1;
}

static fv_status check_arrays(const char *path, const array *a, fv_error *error) {
    if (!a[TOKENS].there || !a[TARGETS].there)
        return fv_fail(error, FV_FORMAT,
                       "%s has no %s; it needs tokens [N, T] and targets [N] or [N, T]", path,
                       a[TOKENS].there ? "targets" : "tokens");
    if (a[TEST_TOKENS].there != a[TEST_TARGETS].there)
        return fv_fail(error, FV_FORMAT, "%s has %s without %s", path,
                       NAMES[a[TEST_TOKENS].there ? TEST_TOKENS : TEST_TARGETS],
                       NAMES[a[TEST_TOKENS].there ? TEST_TARGETS : TEST_TOKENS]);
    uint64_t T = a[TOKENS].shape[1], n_loss = n_targets_of(&a[TARGETS]);
    for (int i = 0; i < N_ARRAYS; i += 2) {
        if (!a[i].there) continue;
        bool fits = a[i].shape[0] == a[i + 1].shape[0] && a[i].shape[1] == T &&
                    n_targets_of(&a[i + 1]) == n_loss;
        if (!fits || (n_loss != 1 && n_loss != T))
            return fv_fail(error, FV_FORMAT,
                           "%s: %s has %" PRIu64 " sequences of %" PRIu64 ", and %s %" PRIu64
                           " of %" PRIu64 "; both must have N, of T = %" PRIu64
                           " tokens and 1 or T targets",
                           path, NAMES[i], a[i].shape[0], a[i].shape[1], NAMES[i + 1],
                           a[i + 1].shape[0], n_targets_of(&a[i + 1]), T);
    }
    return FV_OK;
}

static void look(sequence_extreme *lowest, sequence_extreme *highest, int32_t value, int64_t i) {
    if (value < lowest->value) *lowest = (sequence_extreme){value, i};
    if (value > highest->value) *highest = (sequence_extreme){value, i};
}

// Rows of both sets, one after the other, and what is known of them.
static fv_status join(const char *path, const array *a, sequence_file *file, fv_error *error) {
    file->n = (int)a[TOKENS].shape[0];
    file->n_test = a[TEST_TOKENS].there ? (int)a[TEST_TOKENS].shape[0] : 0;
    file->n_tokens = (int)a[TOKENS].shape[1];
    file->n_loss = (int)n_targets_of(&a[TARGETS]);
    size_t T = (size_t)file->n_tokens, n_loss = (size_t)file->n_loss, size = T + n_loss, bytes;
    size_t n = (size_t)file->n + (size_t)file->n_test;
    if (__builtin_mul_overflow(n, size * sizeof *file->rows, &bytes) ||
        (file->rows = malloc(bytes)) == NULL)
        return no_memory(path, error);
    file->lowest_token.value = file->lowest_target.value = INT32_MAX;
    file->highest_token.value = file->highest_target.value = INT32_MIN;
    double targets[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        bool test = i >= (size_t)file->n;
        size_t k = test ? i - (size_t)file->n : i;
        int32_t *row = file->rows + i * size;
        memcpy(row, a[test ? TEST_TOKENS : TOKENS].values + k * T, T * sizeof *row);
        memcpy(row + T, a[test ? TEST_TARGETS : TARGETS].values + k * n_loss, n_loss * sizeof *row);
        for (size_t t = 0; t < T; t++)
            look(&file->lowest_token, &file->highest_token, row[t], (int64_t)i);
        for (size_t t = T; t < size; t++) {
            look(&file->lowest_target, &file->highest_target, row[t], (int64_t)i);
            targets[test] += row[t] >= 0;
        }
    }
    file->n_targets = targets[0] / file->n;
    file->n_test_targets = file->n_test > 0 ? targets[1] / file->n_test : 0;
    if (targets[0] == 0 || (file->n_test > 0 && targets[1] == 0))
        return fv_fail(error, FV_FORMAT, "%s: no sequence of %s has a target; -1 is no target",
                       path, NAMES[targets[0] == 0 ? TARGETS : TEST_TARGETS]);
    const uint64_t sizes[] = {(uint64_t)file->n, (uint64_t)file->n_test, T, n_loss};
    uint64_t hash = XXH3_64bits_withSeed(file->rows, bytes, XXH3_64bits(sizes, sizeof sizes));
    snprintf(file->digest, sizeof file->digest, "%016" PRIx64, hash);
    return FV_OK;
}

static fv_status load(const char *path, bool folder, sequence_file *file, fv_error *error) {
    array arrays[N_ARRAYS] = {0};
    fv_status status = read_arrays(path, folder, arrays, error);
    if (status == FV_OK) status = check_arrays(path, arrays, error);
    if (status == FV_OK) status = join(path, arrays, file, error);
    for (int i = 0; i < N_ARRAYS; i++) free(arrays[i].values);
    return status;
}

// --- those that were read --------------------------------------------------------------------------------

typedef struct entry {
    struct entry *next;
    char *path;
    dev_t device;
    ino_t inode;
    off_t size; // sums over the files of a folder
    int64_t changed;
    sequence_file file;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *entries;

static void add_file(entry *e, const struct stat *info) {
    e->size += info->st_size;
    int64_t changed = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    e->changed = changed > e->changed ? changed : e->changed;
}

// What tells one state of the data from another.
static fv_status identify(const char *path, entry *e, bool *folder, fv_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return fv_fail(error, errno == ENOENT ? FV_NOT_FOUND : FV_IO, "%s: %s", path,
                       strerror(errno));
    e->device = info.st_dev;
    e->inode = info.st_ino;
    *folder = S_ISDIR(info.st_mode);
    if (!*folder) add_file(e, &info);
    for (int i = 0; i < N_ARRAYS && *folder; i++) {
        text_buffer name = {0};
        text_add(&name, "%s/%s.npy", path, NAMES[i]);
        if (!name.failed && stat(name.data, &info) == 0) add_file(e, &info);
        text_free(&name);
    }
    return FV_OK;
}

static entry *find(const entry *wanted, const char *path) {
    for (entry *e = entries; e != NULL; e = e->next)
        if (e->device == wanted->device && e->inode == wanted->inode && e->size == wanted->size &&
            e->changed == wanted->changed && strcmp(e->path, path) == 0)
            return e;
    return NULL;
}

static fv_status get(const char *path, const sequence_file **file, fv_error *error) {
    entry wanted = {0}, *e;
    bool folder;
    fv_status status = identify(path, &wanted, &folder, error);
    if (status != FV_OK) return status;
    if ((e = find(&wanted, path)) == NULL) {
        e = calloc(1, sizeof *e);
        if (e != NULL) {
            *e = wanted;
            e->path = text_copy(path);
        }
        if (e == NULL || e->path == NULL) {
            free(e);
            return no_memory(path, error);
        }
        status = load(path, folder, &e->file, error);
        if (status != FV_OK) {
            free(e->file.rows);
            free(e->path);
            free(e);
            return status;
        }
        e->next = entries;
        entries = e;
    }
    *file = &e->file;
    return FV_OK;
}

fv_status sequence_file_get(const char *path, const sequence_file **file, fv_error *error) {
    *file = NULL;
    pthread_mutex_lock(&lock);
    fv_status status = get(path, file, error);
    pthread_mutex_unlock(&lock);
    return status;
}
