#include "base/gguf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF files are little-endian");

enum { MAX_KEY = 65535, MAX_TEXT = 4096, MAX_DEPTH = 4 };

static const struct {
    const char *name;
    uint32_t type;
    uint64_t block, bytes;
} TYPES[] = {
#define TYPE_ROW(NAME, number, block, bytes) {#NAME, number, block, bytes},
    GGUF_TYPES(TYPE_ROW)
#undef TYPE_ROW
};
enum { N_TYPES = sizeof TYPES / sizeof TYPES[0] };

const char *gguf_type_name(uint32_t type) {
    for (int i = 0; i < N_TYPES; i++)
        if (TYPES[i].type == type) return TYPES[i].name;
    return NULL;
}

// --- bytes -------------------------------------------------------------------------------------

typedef struct reader {
    FILE *file;
    const char *name;
    uint64_t left; // bytes of the file, UINT64_MAX: unknown
    uint64_t kept; // entries of lists
    fv_status status;
    fv_error *error;
} reader;

static bool refuse(reader *r, const char *format, ...) FV_PRINTF(2, 3);

// Notes what is wrong, the first of all; false.
static bool refuse(reader *r, const char *format, ...) {
    char what[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (r->status == FV_OK)
        r->status = fv_fail(r->error, FV_FORMAT, "%s is not a valid GGUF file: %s", r->name, what);
    return false;
}

static bool no_memory(reader *r) {
    if (r->status == FV_OK)
        r->status = fv_fail(r->error, FV_NO_MEMORY, "out of memory reading %s", r->name);
    return false;
}

static bool ends(reader *r) {
    return refuse(r, "it ends inside its header; it may be truncated");
}

// Whether n things of `size` bytes each can follow.
static bool can_follow(reader *r, uint64_t n, uint64_t size) {
    return r->left == UINT64_MAX || n <= r->left / size || ends(r);
}

static bool take(reader *r, void *bytes, size_t n) {
    if (!can_follow(r, n, 1)) return false;
    if (fread(bytes, 1, n, r->file) != n) return ends(r);
    if (r->left != UINT64_MAX) r->left -= n;
    return true;
}

static bool skip(reader *r, uint64_t n) {
    char scrap[4096];
    if (!can_follow(r, n, 1)) return false;
    for (size_t some; n > 0; n -= some) {
        some = n < sizeof scrap ? (size_t)n : sizeof scrap;
        if (!take(r, scrap, some)) return false;
    }
    return true;
}

// A text of at most `most` bytes, malloc; *text is NULL for a longer one, which is skipped.
static bool take_text(reader *r, uint64_t most, char **text) {
    uint64_t n;
    *text = NULL;
    if (!take(r, &n, sizeof n) || !can_follow(r, n, 1)) return false;
    if (n > most) return skip(r, n);
    *text = malloc((size_t)n + 1);
    if (*text == NULL) return no_memory(r);
    (*text)[n] = '\0';
    return take(r, *text, (size_t)n);
}

// --- values ------------------------------------------------------------------------------------

// X(NAME, number, C type, jansson's value).
#define SCALARS(X)                                                                                 \
    X(U8, 0, uint8_t, json_integer(value))                                                         \
    X(I8, 1, int8_t, json_integer(value))                                                          \
    X(U16, 2, uint16_t, json_integer(value))                                                       \
    X(I16, 3, int16_t, json_integer(value))                                                        \
    X(U32, 4, uint32_t, json_integer(value))                                                       \
    X(I32, 5, int32_t, json_integer(value))                                                        \
    X(F32, 6, float, json_finite((double)value))                                                   \
    X(BOOL, 7, uint8_t, json_boolean(value != 0))                                                  \
    X(U64, 10, uint64_t, json_unsigned(value))                                                     \
    X(I64, 11, int64_t, json_integer(value))                                                       \
    X(F64, 12, double, json_finite(value))

enum { IS_TEXT = 8, IS_LIST = 9 };

static json_t *json_finite(double value) {
    json_t *real = json_real(value);
    return real != NULL ? real : json_null();
}

static json_t *json_unsigned(uint64_t value) {
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

// Bytes of a number of that type, 0 for what is none.
static uint64_t scalar_size(uint32_t type) {
    switch (type) {
#define SIZE(NAME, number, ctype, json)                                                            \
    case number:                                                                                   \
        return sizeof(ctype);
        SCALARS(SIZE)
#undef SIZE
    default:
        return 0;
    }
}

static json_t *take_scalar(reader *r, uint32_t type) {
    switch (type) {
#define TAKE(NAME, number, ctype, json)                                                            \
    case number: {                                                                                 \
        ctype value;                                                                               \
        return take(r, &value, sizeof value) ? json : NULL;                                        \
    }
        SCALARS(TAKE)
#undef TAKE
    default:
        return NULL;
    }
}

static json_t *take_value(reader *r, const char *key, uint32_t type, int depth);

static json_t *take_numbers(reader *r, uint32_t type, uint64_t n) {
    json_t *list = json_array();
    for (uint64_t i = 0; i < n && list != NULL; i++) {
        if (json_array_append_new(list, take_scalar(r, type)) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    if (list == NULL) no_memory(r);
    return list;
}

static json_t *take_list(reader *r, const char *key, int depth) {
    uint32_t type;
    uint64_t n;
    if (!take(r, &type, sizeof type) || !take(r, &n, sizeof n)) return NULL;
    uint64_t size = scalar_size(type);
    if (size > 0) {
        if (!can_follow(r, n, size)) return NULL;
        if (n <= GGUF_MAX_LIST - r->kept) {
            r->kept += n;
            return take_numbers(r, type, n);
        }
        if (n > UINT64_MAX / size) ends(r);
        if (r->status != FV_OK || !skip(r, n * size)) return NULL;
    } else {
        // A text takes 8 bytes at least, a list 12.
        if (!can_follow(r, n, 8)) return NULL;
        for (uint64_t i = 0; i < n && r->status == FV_OK; i++)
            json_decref(take_value(r, key, type, depth + 1));
    }
    return r->status == FV_OK ? json_pack("{s:o}", "length", json_unsigned(n)) : NULL;
}

// NULL where it is not there, with r->status.
static json_t *take_value(reader *r, const char *key, uint32_t type, int depth) {
    char *text;
    json_t *value = NULL;
    if (type == IS_LIST && depth < MAX_DEPTH) {
        value = take_list(r, key, depth);
    } else if (type == IS_TEXT) {
        if (!take_text(r, MAX_TEXT, &text)) {
            free(text);
            return NULL;
        }
        value = text != NULL ? json_string(text) : NULL; // NULL for what is no UTF-8, too
        free(text);
        if (value == NULL) value = json_null();
    } else if (scalar_size(type) > 0) {
        value = take_scalar(r, type);
    } else {
        refuse(r, "key '%.64s': its type is %" PRIu32 "; types are 0 to 12, lists in lists %d deep",
               key, type, MAX_DEPTH);
    }
    if (value == NULL) no_memory(r); // unless something else was wrong
    return value;
}

static bool take_pair(reader *r, json_t *pairs) {
    char *key;
    uint32_t type;
    json_t *value = NULL;
    bool right = take_text(r, MAX_KEY, &key) && take(r, &type, sizeof type);
    if (right && key == NULL) right = refuse(r, "a key is longer than %d bytes", MAX_KEY);
    if (right && json_object_get(pairs, key) != NULL)
        right = refuse(r, "the key '%.64s' stands there twice", key);
    if (right) value = take_value(r, key, type, 0);
    right = right && value != NULL;
    // A key that is no UTF-8 means nothing to anybody.
    if (right && json_object_set(pairs, key, value) != 0) right = true;
    json_decref(value);
    free(key);
    return right;
}

// --- tensors -----------------------------------------------------------------------------------

static bool measure(reader *r, gguf_tensor *t) {
    t->numbers = 1;
    for (int d = 0; d < t->n_dims; d++)
        if (__builtin_mul_overflow(t->numbers, t->dims[d], &t->numbers))
            return refuse(r, "tensor '%.64s': its size does not fit into 64 bits", t->name);
    for (int i = 0; i < N_TYPES; i++) {
        if (TYPES[i].type != t->type) continue;
        if (t->dims[0] % TYPES[i].block != 0)
            return refuse(r,
                          "tensor '%.64s': rows of %s must be of %" PRIu64
                          " numbers or a multiple, not %" PRIu64,
                          t->name, TYPES[i].name, TYPES[i].block, t->dims[0]);
        if (__builtin_mul_overflow(t->numbers / TYPES[i].block, TYPES[i].bytes, &t->bytes))
            return refuse(r, "tensor '%.64s': its size does not fit into 64 bits", t->name);
        return true;
    }
    return refuse(r, "tensor '%.64s': its type is %" PRIu32 ", which is none of ggml's", t->name,
                  t->type);
}

static bool take_tensor(reader *r, gguf_tensor *t) {
    uint32_t n_dims;
    uint64_t offset;
    for (int d = 0; d < GGUF_MAX_DIMS; d++) t->dims[d] = 1;
    if (!take_text(r, MAX_KEY, &t->name)) return false;
    if (t->name == NULL) return refuse(r, "a tensor's name is longer than %d bytes", MAX_KEY);
    if (!take(r, &n_dims, sizeof n_dims)) return false;
    if (n_dims > GGUF_MAX_DIMS)
        return refuse(r, "tensor '%.64s': it has %" PRIu32 " dimensions; there are at most %d",
                      t->name, n_dims, GGUF_MAX_DIMS);
    t->n_dims = (int)n_dims;
    return take(r, t->dims, n_dims * sizeof t->dims[0]) && take(r, &t->type, sizeof t->type) &&
           take(r, &offset, sizeof offset) && measure(r, t);
}

// Grows as tensors come, so that a pipe's count alone allocates nothing.
static bool take_tensors(reader *r, gguf *out, uint64_t n) {
    uint64_t capacity = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (i == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            gguf_tensor *grown = realloc(out->tensors, capacity * sizeof *grown);
            if (grown == NULL) return no_memory(r);
            out->tensors = grown;
        }
        out->tensors[i] = (gguf_tensor){0};
        out->n_tensors = i + 1;
        if (!take_tensor(r, &out->tensors[i])) return false;
    }
    return true;
}

// --- the header --------------------------------------------------------------------------------

static bool take_version(reader *r) {
    char magic[4];
    uint32_t version;
    if (!take(r, magic, sizeof magic) || !take(r, &version, sizeof version)) return false;
    if (memcmp(magic, "GGUF", sizeof magic) != 0)
        return refuse(r, "it does not begin with \"GGUF\"");
    if (version == 2 || version == 3) return true;
    if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
        return refuse(r, "it is big-endian; little-endian ones are read");
    return refuse(r, "its version is %" PRIu32 "; 2 and 3 are read", version);
}

fv_status gguf_read(FILE *file, const char *name, uint64_t size, gguf *out, fv_error *error) {
    reader r = {.file = file, .name = name, .left = size, .error = error};
    uint64_t n_tensors, n_pairs;
    *out = (gguf){.pairs = json_object()};
    if (out->pairs == NULL) no_memory(&r);
    if (r.status != FV_OK || !take_version(&r) || !take(&r, &n_tensors, sizeof n_tensors) ||
        !take(&r, &n_pairs, sizeof n_pairs))
        return r.status;
    if (n_pairs > GGUF_MAX_PAIRS || n_tensors > GGUF_MAX_TENSORS)
        refuse(&r, "it claims %" PRIu64 " keys and %" PRIu64 " tensors; at most %d and %d are read",
               n_pairs, n_tensors, GGUF_MAX_PAIRS, GGUF_MAX_TENSORS);
    for (uint64_t i = 0; i < n_pairs && r.status == FV_OK; i++)
        if (!take_pair(&r, out->pairs)) break;
    if (r.status == FV_OK) take_tensors(&r, out, n_tensors);
    return r.status;
}

void gguf_free(gguf *file) {
    json_decref(file->pairs);
    for (uint64_t i = 0; i < file->n_tensors; i++) free(file->tensors[i].name);
    free(file->tensors);
    *file = (gguf){0};
}

static const char *without_block(const char *name) {
    if (strncmp(name, "blk.", 4) != 0) return name;
    const char *digits = name + 4;
    size_t n = strspn(digits, "0123456789");
    return digits[n] == '.' ? digits + n + 1 : name;
}

bool gguf_has(const gguf *file, const char *name) {
    for (uint64_t i = 0; i < file->n_tensors; i++)
        if (strcmp(without_block(file->tensors[i].name), name) == 0) return true;
    return false;
}
