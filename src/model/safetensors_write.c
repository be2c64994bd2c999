// Writing safetensors: into a temporary file beside the target, which takes the target's name only
// once all of it is on disk.
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static bool write_all(int file, const void *bytes, size_t n) {
    const char *next = bytes;
    while (n > 0) {
        ssize_t put = write(file, next, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        next += put;
        n -= (size_t)put;
    }
    return true;
}

static bool write_items(int file, const safetensors_item *items, int n_items) {
    for (int i = 0; i < n_items; i++) {
        size_t size = sizeof(float);
        for (int d = 0; d < items[i].n_dims; d++) size *= (size_t)items[i].shape[d];
        if (!write_all(file, items[i].data, size)) return false;
    }
    return true;
}

// Makes the new name durable, as far as the file system lets us.
static void sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = strndup(slash == NULL ? "." : path, length);
    int file = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (file >= 0) {
        fsync(file);
        close(file);
    }
    free(folder);
}

static fv_status write_file(const char *path, const char *temporary, const char *header,
                            size_t header_size, const safetensors_item *items, int n_items,
                            fv_error *error) {
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool written = file >= 0 && write_all(file, header, header_size) &&
                   write_items(file, items, n_items) && fsync(file) == 0;
    int cause = errno;
    if (file >= 0 && close(file) != 0 && written) {
        cause = errno;
        written = false;
    }
    if (written && rename(temporary, path) != 0) {
        cause = errno;
        written = false;
    }
    if (written) {
        sync_folder(path);
        return FV_OK;
    }
    if (file >= 0) unlink(temporary);
    return fv_fail(error, FV_IO, "cannot write %s: %s", path, strerror(cause));
}

fv_status safetensors_write(const char *path, json_t *metadata, safetensors_item *items,
                            int n_items, fv_error *error) {
    qsort(items, (size_t)n_items, sizeof *items, by_name);
    size_t header_size = 0, path_size = strlen(path) + 32;
    char *header = make_header(metadata, items, n_items, &header_size);
    char *temporary = malloc(path_size);
    fv_status status = FV_OK;
    if (header == NULL || temporary == NULL) {
        status = fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    } else {
        snprintf(temporary, path_size, "%s.%ld.part", path, (long)getpid());
        status = write_file(path, temporary, header, header_size, items, n_items, error);
    }
    free(temporary);
    free(header);
    return status;
}
