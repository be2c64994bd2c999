#include "base/json_lines.h"

#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

char *json_value_text(const json_t *value) {
    if (json_is_string(value)) return text_copy(json_string_value(value));
    return json_dumps(value, JSON_ENCODE_ANY);
}

static fv_status cannot_read(const char *path, int why, fv_error *error) {
    return fv_fail(error, why == ENOENT || why == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                   "%s cannot be read: %s", path, strerror(why));
}

// Lines are read again by where they begin, so that a packed file is unpacked once, into a file
// without a name.
static FILE *unpack(FILE *packed) {
    enum { PART = 1 << 16 };
    int copy = dup(fileno(packed));
    gzFile from = copy >= 0 && lseek(copy, 0, SEEK_SET) == 0 ? gzdopen(copy, "rb") : NULL;
    FILE *to = from != NULL ? tmpfile() : NULL;
    char *part = malloc(PART);
    int n = 0;
    bool good = to != NULL && part != NULL;
    while (good && (n = gzread(from, part, PART)) > 0)
        good = fwrite(part, 1, (size_t)n, to) == (size_t)n;
    good = good && n == 0 && fflush(to) == 0 && fseek(to, 0, SEEK_SET) == 0;
    free(part);
    if (from == NULL && copy >= 0) close(copy);
    if (from != NULL && gzclose(from) != Z_OK) good = false; // it ends too early
    if (!good && to != NULL) fclose(to);
    return good ? to : NULL;
}

fv_status json_lines_open(const char *path, FILE **file, fv_error *error) {
    unsigned char magic[2] = {0};
    *file = fopen(path, "rb");
    if (*file == NULL) return cannot_read(path, errno, error);
    bool packed = fread(magic, 1, 2, *file) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    clearerr(*file); // a folder is told by whoever reads on
    rewind(*file);
    if (!packed) return FV_OK;
    FILE *plain = unpack(*file);
    fclose(*file);
    *file = plain;
    if (plain != NULL) return FV_OK;
    return fv_fail(error, FV_IO,
                   "%s cannot be unpacked: its gzip data are damaged, or there is no "
                   "room for temporary files",
                   path);
}

static fv_status parse(const char *text, size_t n, size_t flags, const char *where, json_t **object,
                       fv_error *error) {
    json_error_t why;
    *object = json_read(text, n, flags, &why);
    if (*object == NULL) return fv_fail(error, FV_FORMAT, "%s: is no JSON: %s", where, why.text);
    if (json_is_object(*object)) return FV_OK;
    json_decref(*object);
    *object = NULL;
    return fv_fail(error, FV_FORMAT, "%s: is no JSON object", where);
}

fv_status json_lines_each(const char *path, size_t flags, json_visit visit, void *context,
                          fv_error *error) {
    FILE *file;
    char *text = NULL, where[4200];
    size_t capacity = 0;
    fv_status status = json_lines_open(path, &file, error);
    if (status != FV_OK) return status;
    ssize_t n;
    long at = 0;
    errno = 0;
    for (int number = 1; status == FV_OK && (n = getline(&text, &capacity, file)) > 0; number++) {
        size_t mark = number == 1 ? text_mark(text, (size_t)n) : 0;
        json_line line = {.text = text + mark, .n = (size_t)n - mark, .where = where};
        line.at = at + (long)mark;
        at += n;
        if (strspn(line.text, " \t\r\n") == line.n) continue;
        snprintf(where, sizeof where, "%s:%d", path, number);
        status = parse(line.text, line.n, flags, where, &line.object, error);
        if (status == FV_OK) status = visit(context, &line, error);
        json_decref(line.object);
    }
    // Neither a broken disk nor a folder is the end of a file.
    if (status == FV_OK && !feof(file)) status = cannot_read(path, errno != 0 ? errno : EIO, error);
    free(text);
    fclose(file);
    return status;
}

fv_status json_lines_read(FILE *file, const char *path, long at, size_t flags, json_t **object,
                          fv_error *error) {
    char *text = NULL;
    size_t capacity = 0;
    *object = NULL;
    errno = 0;
    ssize_t n = fseek(file, at, SEEK_SET) == 0 ? getline(&text, &capacity, file) : -1;
    fv_status status = n > 0 ? parse(text, (size_t)n, flags, path, object, error)
                             : cannot_read(path, errno != 0 ? errno : EIO, error);
    free(text);
    return status;
}
