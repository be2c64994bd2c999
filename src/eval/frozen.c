#include "eval/frozen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static const char FIRST[] = "{\"fovea_set\": ";
enum { VERSION = 1, HASH_SIZE = 33 };

static void *start_hash(fv_error *error) {
    XXH3_state_t *state = XXH3_createState();
    if (state != NULL)
        XXH3_128bits_reset(state);
    else
        fv_fail(error, FV_NO_MEMORY, "out of memory");
    return state;
}

static void write_hash(const void *state, char *text) {
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    snprintf(text, HASH_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

// --- reading -----------------------------------------------------------------------------------

static void check_end(frozen_check *c, const json_line *line) {
    char found[HASH_SIZE];
    const char *told = json_string_value(json_object_get(line->object, "xxh3_128"));
    json_int_t n = json_integer_value(json_object_get(line->object, "fovea_set_end"));
    write_hash(c->hash, found);
    c->ended = true;
    if (told == NULL || strcmp(told, found) != 0)
        snprintf(c->why, sizeof c->why, "its hash is %s and should be %.32s", found,
                 told != NULL ? told : "in its last line");
    else if (n != c->n)
        snprintf(c->why, sizeof c->why, "it has %d questions and should have %lld", c->n,
                 (long long)n);
}

fv_status frozen_take(frozen_check *c, const json_line *line, bool *is_question, fv_error *error) {
    const json_t *version = json_object_get(line->object, "fovea_set");
    bool first = c->hash == NULL;
    *is_question = false;
    if (first && json_integer_value(version) != VERSION)
        return fv_fail(error, FV_USAGE,
                       "%s: is a frozen set of version %lld, and this Fovea reads version %d",
                       line->where, (long long)json_integer_value(version), VERSION);
    if (first && (c->hash = start_hash(error)) == NULL) return FV_NO_MEMORY;
    if (c->ended) snprintf(c->why, sizeof c->why, "something stands behind its last line");
    if (json_object_get(line->object, "fovea_set_end") != NULL && !c->ended) {
        check_end(c, line);
        return FV_OK;
    }
    XXH3_128bits_update(c->hash, line->text, line->n);
    *is_question = !first;
    c->n += !first;
    return FV_OK;
}

fv_status frozen_end(frozen_check *c, const char *path, fv_status status, fv_error *error) {
    char why[sizeof c->why];
    bool ended = c->ended;
    snprintf(why, sizeof why, "%s", c->why);
    XXH3_freeState(c->hash);
    *c = (frozen_check){0};
    bool else_wrong = status == FV_NO_MEMORY || status == FV_USAGE; // the file may be whole
    if (else_wrong || (status == FV_OK && ended && *why == '\0')) return status;
    return fv_fail(
        error, FV_FORMAT,
        "%s is not as it was frozen, it was cut short or changed (%s); take a whole copy "
        "of it, or freeze it again",
        path,
        *why    ? why
        : ended ? "its lines are others"
                : "its last line is missing");
}

// Of packed bytes, the first ones: gzread would fail over what is broken further on.
static void unpack_begin(unsigned char *packed, size_t n, char *begin, size_t size) {
    z_stream stream = {.next_in = packed,
                       .avail_in = (unsigned)n,
                       .next_out = (unsigned char *)begin,
                       .avail_out = (unsigned)size};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return; // a gzip header, the largest window
    inflate(&stream, Z_SYNC_FLUSH);
    inflateEnd(&stream);
}

bool frozen_begins(const char *path) {
    enum { SIZE = sizeof FIRST - 1 };
    unsigned char bytes[4096] = {0};
    char begin[SIZE] = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (bytes[0] == 0x1f && bytes[1] == 0x8b)
        unpack_begin(bytes, n, begin, SIZE);
    else
        memcpy(begin, bytes, SIZE);
    return memcmp(begin, FIRST, SIZE) == 0;
}

// --- writing -----------------------------------------------------------------------------------

static fv_status put(frozen_writer *w, const char *text, size_t n, fv_error *error) {
    enum { PART = 1 << 30 }; // gzwrite takes an unsigned
    for (size_t part; n > 0; n -= part, text += part) {
        part = n < PART ? n : PART;
        if (gzwrite(w->file, text, (unsigned)part) == (int)part) continue;
        return fv_fail(error, FV_IO, "the set cannot be written: %s",
                       errno != 0 ? strerror(errno) : "no room");
    }
    return FV_OK;
}

static fv_status put_hashed(frozen_writer *w, const text_buffer *line, fv_error *error) {
    if (line->failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    XXH3_128bits_update(w->hash, line->data, line->n);
    return put(w, line->data, line->n, error);
}

fv_status frozen_open(frozen_writer *w, FILE *stream, bool plain, const char *head,
                      fv_error *error) {
    int copy = dup(fileno(stream));
    text_buffer line = {0};
    *w = (frozen_writer){.file = copy >= 0 ? gzdopen(copy, plain ? "wbT" : "wb6") : NULL};
    if (w->file == NULL && copy >= 0) close(copy);
    if (w->file == NULL)
        return fv_fail(error, FV_IO, "the set cannot be written: %s", strerror(errno));
    w->hash = start_hash(error);
    if (w->hash == NULL) return FV_NO_MEMORY;
    text_add(&line, "%s%d%s}\n", FIRST, VERSION, head);
    fv_status status = put_hashed(w, &line, error);
    text_free(&line);
    return status;
}

fv_status frozen_write(frozen_writer *w, const text_buffer *lines, int n, fv_error *error) {
    w->n += n;
    return put_hashed(w, lines, error);
}

fv_status frozen_close(frozen_writer *w, fv_status status, char *hash, fv_error *error) {
    char line[128];
    if (status == FV_OK) {
        write_hash(w->hash, hash);
        int n = snprintf(line, sizeof line, "{\"fovea_set_end\": %d, \"xxh3_128\": \"%s\"}\n", w->n,
                         hash);
        status = put(w, line, (size_t)n, error);
    }
    if (w->file != NULL && gzclose(w->file) != Z_OK && status == FV_OK)
        status = fv_fail(error, FV_IO, "the set cannot be written: %s",
                         errno != 0 ? strerror(errno) : "no room");
    XXH3_freeState(w->hash);
    *w = (frozen_writer){0};
    return status;
}
