// Writing safetensors.
#include "base/safetensors.h"

#include <fovea/whole_file.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    const safetensors_item *x = a, *y = b;
    return strcmp(x->name, y->name);
}

// The item's entry behind the *at bytes written so far. NULL without memory, or where a size
// overflows.
static json_t *make_entry(const safetensors_item *item, uint64_t *at) {
    json_t *shape = json_array();
    uint64_t size = sizeof(float), begin = *at;
    bool made = shape != NULL;
    for (int i = 0; made && i < item->n_dims; i++)
        made = !__builtin_mul_overflow(size, item->shape[i], &size) &&
               json_array_append_new(shape, json_integer((json_int_t)item->shape[i])) == 0;
    made = made && !__builtin_add_overflow(begin, size, at) && *at <= INT64_MAX;
    json_t *entry = made ? json_pack("{s:s, s:O, s:[I, I]}", "dtype", "F32", "shape", shape,
                                     "data_offsets", (json_int_t)begin, (json_int_t)*at)
                         : NULL;
    json_decref(shape);
    return entry;
}

// The length and the header as the file begins with them. NULL without memory.
static char *make_header(json_t *metadata, const safetensors_item *items, int n_items,
                         size_t *size) {
    json_t *header = json_object();
    bool made = json_object_set(header, "__metadata__", metadata) == 0;
    uint64_t at = 0;
    for (int i = 0; i < n_items; i++)
        made = made && json_object_set_new(header, items[i].name, make_entry(&items[i], &at)) == 0;
    size_t length = made ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    uint64_t padded = (length + 7) / 8 * 8;
    char *bytes = length > 0 ? malloc(sizeof padded + padded) : NULL;
    if (bytes != NULL) {
        memcpy(bytes, &padded, sizeof padded);
        memset(bytes + sizeof padded, ' ', padded);
        json_dumpb(header, bytes + sizeof padded, length, JSON_COMPACT);
        *size = sizeof padded + padded;
    }
    json_decref(header);
    return bytes;
}

static void write_items(FILE *out, const safetensors_item *items, int n_items) {
    for (int i = 0; i < n_items; i++) {
        size_t n = 1;
        for (int d = 0; d < items[i].n_dims; d++) n *= (size_t)items[i].shape[d];
        fwrite(items[i].data, sizeof(float), n, out);
    }
}

fv_status safetensors_write(const char *path, json_t *metadata, safetensors_item *items,
                            int n_items, fv_error *error) {
    qsort(items, (size_t)n_items, sizeof *items, by_name);
    size_t header_size = 0;
    char *header = make_header(metadata, items, n_items, &header_size);
    if (header == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        fwrite(header, 1, header_size, file.stream);
        write_items(file.stream, items, n_items);
        status = fv_whole_file_close(&file, 1, error);
    }
    free(header);
    return status;
}
