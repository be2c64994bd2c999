#include "served/haystack.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void haystack_escape(text_buffer *out, const char *text, size_t n) {
    static const char NAMES[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        text_add_n(out, text + start, i - start);
        start = i + 1;
        const char *name = NULL;
        for (size_t k = 0; k + 1 < sizeof NAMES && name == NULL; k += 2)
            if (NAMES[k] == (char)c) name = &NAMES[k + 1];
        if (name != NULL)
            text_add(out, "\\%c", *name);
        else
            text_add(out, "\\u%04x", c);
    }
    text_add_n(out, text + start, n - start);
}

// Control characters that a text has.
static bool is_layout(char c) {
    return c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

size_t haystack_not_text(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t length = text_character(text + i, n - i);
        bool control = (unsigned char)text[i] < 0x20 && !is_layout(text[i]);
        if (length == 0 || control) return i;
        i += length;
    }
    return n;
}

void haystack_free(haystack *h) {
    text_free(&h->raw);
    text_free(&h->escaped);
    free(h->raw_at);
    free(h->escaped_at);
    *h = (haystack){0};
}

static bool make_room(haystack *h) {
    if (h->n_units + 1 < h->capacity) return true;
    int capacity = h->capacity ? 2 * h->capacity : 1024;
    size_t size = (size_t)capacity * sizeof(size_t);
    size_t *raw_at = realloc(h->raw_at, size);
    if (raw_at != NULL) h->raw_at = raw_at;
    size_t *escaped_at = realloc(h->escaped_at, size);
    if (escaped_at != NULL) h->escaped_at = escaped_at;
    if (raw_at == NULL || escaped_at == NULL) return false;
    h->capacity = capacity;
    return true;
}

// Adds a unit and its separator.
static void add_unit(haystack *h, const char *text, size_t n, const char *separator) {
    if (!make_room(h)) {
        h->raw.failed = true;
        return;
    }
    h->raw_at[h->n_units] = h->raw.n;
    h->escaped_at[h->n_units] = h->escaped.n;
    text_add_n(&h->raw, text, n);
    haystack_escape(&h->escaped, text, n);
    size_t escaped = h->escaped.n;
    text_add_n(&h->raw, separator, strlen(separator));
    haystack_escape(&h->escaped, separator, strlen(separator));
    h->n_separator = strlen(separator);
    h->n_separator_escaped = h->escaped.n - escaped;
    h->n_units++;
    h->raw_at[h->n_units] = h->raw.n;
    h->escaped_at[h->n_units] = h->escaped.n;
}

static fv_status check(haystack *h, fv_error *error) {
    if (!h->raw.failed && !h->escaped.failed) return FV_OK;
    haystack_free(h);
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a haystack");
}

// --- generated ---------------------------------------------------------------------------------

void haystack_needle(served_kind value_kind, const char *key, const char *value,
                     char out[HAYSTACK_NEEDLE_SIZE]) {
    snprintf(out, HAYSTACK_NEEDLE_SIZE, "One of the special magic %s for %s is: %s.",
             served_kind_text(value_kind), key, value);
}

fv_status haystack_generate(haystack *h, haystack_kind kind, served_kind key, served_kind value,
                            uint64_t seed, int n_units, fv_error *error) {
    static const char NOISE[] = "The grass is green. The sky is blue. The sun is yellow. Here we "
                                "go. There and back again.";
    *h = (haystack){.kind = kind};
    // Every unit has random numbers of its own, so that a longer haystack begins like a shorter
    // one.
    for (int i = 0; i < n_units && !h->raw.failed; i++) {
        char k[EVAL_VALUE_SIZE] = "", v[EVAL_VALUE_SIZE] = "", unit[HAYSTACK_NEEDLE_SIZE];
        random_source random;
        served_random(&random, seed, "haystack", kind * 16 + value, i);
        served_draw(&random, key, k);
        served_draw(&random, value, v);
        if (kind == HAYSTACK_NEEDLES) haystack_needle(value, k, v, unit);
        if (kind == HAYSTACK_PAIRS) snprintf(unit, sizeof unit, "\"%s\": \"%s\"", k, v);
        const char *text = kind == HAYSTACK_NOISE ? NOISE : unit;
        add_unit(h, text, strlen(text), kind == HAYSTACK_PAIRS ? ",\n " : "\n");
    }
    // Not of the text, which is as long as one call needs: of what it is made from.
    char made[64];
    snprintf(made, sizeof made, "%d %d %d %llu", kind, key, value, (unsigned long long)seed);
    h->digest = text_hash(TEXT_HASH_START, made);
    return check(h, error);
}

int haystack_offset(const haystack *h, uint64_t seed, int sample) {
    // Independent of how long a generated haystack is, so that it may be as long as one call needs.
    enum { GENERATED_OFFSETS = 1024 };
    if (h->kind == HAYSTACK_NOISE) return 0;
    bool generated = h->kind != HAYSTACK_TEXT;
    int n = generated && h->n_units > GENERATED_OFFSETS ? GENERATED_OFFSETS : h->n_units;
    random_source random;
    served_random(&random, seed, "offset", 0, sample);
    return (int)random_below(&random, (uint32_t)n);
}

// --- a folder of text files --------------------------------------------------------------------

enum { MOST_BYTES = 256 << 20 };

static bool is_blank(char c) {
    return c == ' ' || is_layout(c);
}

// Whether the character at `text` is one of the list.
static bool is_among(const char *const *list, const char *text, size_t n) {
    for (; *list != NULL; list++)
        if (strlen(*list) <= n && memcmp(*list, text, strlen(*list)) == 0) return true;
    return false;
}

// The bytes of the sentence's end at `text`, or 0: . ! ? before a blank; the wide ones of Chinese
// and Japanese, behind which no blank stands, with the brackets and quotes that close there. A wide
// point between wide digits or letters is none.
static size_t sentence_end(const char *text, size_t n) {
    static const char *const ENDS[] = {"。", "！", "？", "｡", "．", NULL};
    static const char *const CLOSING[] = {"」", "』", "）", "】", "》", "〉", "］",
                                          "｣",  "”",  "’",  "。", "！", "？", NULL};
    enum { WIDE = 3 };
    if (strchr(".!?", *text) != NULL) return n == 1 || is_blank(text[1]);
    if (!is_among(ENDS, text, n)) return 0;
    bool point = memcmp(text, "．", WIDE) == 0, inside = n > WIDE && text[WIDE] == '\xef';
    if (point && inside && !is_among(ENDS, text + WIDE, n - WIDE) &&
        !is_among(CLOSING, text + WIDE, n - WIDE))
        return 0;
    size_t end = WIDE;
    while (end < n && is_among(CLOSING, text + end, n - end)) end += WIDE;
    return end;
}

// Cuts text into sentences: at their ends, and at empty lines. Blanks within a sentence become
// single spaces, so that no line breaks of the file's width remain.
static void add_sentences(haystack *h, const char *text, size_t n) {
    text_buffer sentence = {0};
    for (size_t i = 0; i < n && !sentence.failed; i++) {
        bool blank = is_blank(text[i]);
        bool paragraph = text[i] == '\n' && i + 1 < n && strchr("\n\r", text[i + 1]) != NULL;
        size_t mark = sentence_end(text + i, n - i);
        if (!blank) text_add_n(&sentence, text + i, mark > 0 ? mark : 1);
        i += mark > 0 ? mark - 1 : 0;
        if (blank && sentence.n > 0 && sentence.data[sentence.n - 1] != ' ')
            text_add_char(&sentence, ' ');
        bool end = mark > 0 || paragraph || i + 1 == n;
        while (end && sentence.n > 0 && sentence.data[sentence.n - 1] == ' ')
            sentence.data[--sentence.n] = '\0';
        if (!end || sentence.n == 0) continue;
        add_unit(h, sentence.data, sentence.n, " ");
        sentence.n = 0;
    }
    h->raw.failed |= sentence.failed;
    text_free(&sentence);
}

static fv_status read_file(haystack *h, const char *path, fv_error *error) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return fv_fail(error, FV_IO, "%s cannot be read: %s", path, strerror(errno));
    text_buffer text = {0};
    char block[1 << 14];
    for (size_t n;
         h->raw.n + text.n <= MOST_BYTES && (n = fread(block, 1, sizeof block, file)) > 0;)
        text_add_n(&text, block, n);
    bool broken = ferror(file) != 0;
    fclose(file);
    fv_status status = FV_OK;
    size_t bad = text.data != NULL ? haystack_not_text(text.data, text.n) : 0;
    const char *wide = text.data != NULL ? text_wide(text.data, text.n) : NULL;
    size_t mark = text.data != NULL ? text_mark(text.data, text.n) : 0;
    if (broken)
        status = fv_fail(error, FV_IO, "%s cannot be read: %s", path, strerror(errno));
    else if (h->raw.n + text.n > MOST_BYTES)
        status = fv_fail(error, FV_FORMAT,
                         "the folder of %s holds more than %d MB, more than any context; give a "
                         "smaller one",
                         path, MOST_BYTES >> 20);
    else if (text.failed)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory while reading %s", path);
    else if (wide != NULL)
        status = fv_fail(error, FV_FORMAT, "%s is %s text; save it as UTF-8", path, wide);
    else if (bad < text.n)
        status = fv_fail(error, FV_FORMAT,
                         "%s is not UTF-8 text (byte %zu); a haystack folder holds text files only",
                         path, bad + 1);
    else if (text.n > mark)
        add_sentences(h, text.data + mark, text.n - mark);
    text_free(&text);
    return status;
}

// A byte at a time is slow on megabytes; words of eight bytes are digest enough.
static uint64_t digest_of(const text_buffer *text) {
    uint64_t digest = TEXT_HASH_START ^ text->n, word;
    size_t whole = text->n / sizeof word * sizeof word;
    for (size_t i = 0; i < whole; i += sizeof word) {
        memcpy(&word, text->data + i, sizeof word);
        digest = (digest ^ word) * 0x100000001b3u;
        digest ^= digest >> 29;
    }
    return text->n > 0 ? text_hash(digest, text->data + whole) : digest;
}

fv_status haystack_take(haystack *h, char *const *units, int n, const char *separator,
                        fv_error *error) {
    *h = (haystack){.kind = HAYSTACK_TAKEN};
    for (int i = 0; i < n; i++) add_unit(h, units[i], strlen(units[i]), separator);
    h->digest = digest_of(&h->raw);
    return check(h, error);
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

fv_status haystack_read(haystack *h, const char *folder, fv_error *error) {
    *h = (haystack){.kind = HAYSTACK_TEXT};
    struct dirent **entries;
    int n = scandir(folder, &entries, wanted, by_bytes);
    if (n < 0)
        return fv_fail(error, errno == ENOENT || errno == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                       "the haystack %s cannot be read: %s; give a folder of text files, or noise, "
                       "or needle",
                       folder, strerror(errno));
    fv_status status = FV_OK;
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat file;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        bool regular = length > 0 && (size_t)length < sizeof path && stat(path, &file) == 0 &&
                       S_ISREG(file.st_mode);
        if (status == FV_OK && regular) status = read_file(h, path, error);
        free(entries[i]);
    }
    free(entries);
    if (status == FV_OK) status = check(h, error);
    if (status == FV_OK) h->digest = digest_of(&h->raw);
    if (status == FV_OK && h->n_units == 0)
        status = fv_fail(error, FV_FORMAT,
                         "the haystack %s has no text: give a folder of text files, or noise, or "
                         "needle",
                         folder);
    if (status != FV_OK) haystack_free(h);
    return status;
}
