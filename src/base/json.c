#include "base/json.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char REPLACEMENT[] = "\\ufffd";

typedef struct mender {
    const char *at, *end;
    text_buffer out;
} mender;

// The number of a \uXXXX at `at`, or -1.
static long unit_at(const char *at, const char *end) {
    char digits[5] = "", *rest;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !isxdigit((unsigned char)at[2])) return -1;
    memcpy(digits, at + 2, 4);
    long unit = strtol(digits, &rest, 16);
    return rest == digits + 4 ? unit : -1;
}

static bool is_high(long unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(long unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

static void mend_escape(mender *m) {
    long unit = unit_at(m->at, m->end);
    size_t n = unit >= 0 ? 6 : m->end - m->at > 1 ? 2 : 1;
    if (is_high(unit) && is_low(unit_at(m->at + 6, m->end))) n = 12;
    bool bad = unit == 0 || (n == 6 && (is_high(unit) || is_low(unit)));
    text_add_n(&m->out, bad ? REPLACEMENT : m->at, bad ? sizeof REPLACEMENT - 1 : n);
    m->at += n;
}

// A string, from its quote to the closing one. False for one that does not close.
static bool mend_string(mender *m) {
    text_add_char(&m->out, *m->at++);
    while (m->at < m->end) {
        unsigned char c = (unsigned char)*m->at;
        size_t n = text_character(m->at, (size_t)(m->end - m->at));
        if (c == '\\') {
            mend_escape(m);
            continue;
        }
        if (c == '\0' || n == 0)
            text_add(&m->out, "%s", REPLACEMENT);
        else if (c < 0x20)
            text_add(&m->out, "\\u%04x", c);
        else
            text_add_n(&m->out, m->at, n);
        m->at += n > 0 ? n : 1;
        if (c == '"') return true;
    }
    return false;
}

// Whether jansson has no value for this word: a number too large, or none.
static bool is_no_number(const char *word) {
    static const char *const NAMES[] = {"NaN", "Infinity", "nan", "inf", "infinity"};
    const char *name = word + (*word == '-' || *word == '+');
    double real;
    long long whole;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i]) == 0) return true;
    if (!isdigit((unsigned char)*name)) return false;
    if (name[strspn(name, "0123456789")] == '\0') return !text_to_int(word, &whole);
    return name[strspn(name, "0123456789.eE+-")] == '\0' && !text_to_real(word, &real);
}

// A word or a number, whose characters go on to the next separator.
static void mend_word(mender *m) {
    const char *from = m->at;
    while (m->at < m->end && (isalnum((unsigned char)*m->at) || strchr("+-._", *m->at) != NULL) &&
           *m->at != '\0')
        m->at++;
    size_t n = (size_t)(m->at - from);
    char *word = text_copy_n(from, n);
    const char *quote = word != NULL && is_no_number(word) ? "\"" : "";
    m->out.failed |= word == NULL;
    text_add(&m->out, "%s", quote);
    text_add_n(&m->out, from, n);
    text_add(&m->out, "%s", quote);
    free(word);
}

// The whole text as jansson takes it. False where its last string does not close.
static bool mend(mender *m) {
    while (m->at < m->end) {
        char c = *m->at;
        if (c == '"') {
            if (!mend_string(m)) return false;
        } else if (isalnum((unsigned char)c) || c == '-' || c == '+') {
            mend_word(m);
        } else {
            text_add_char(&m->out, c);
            m->at++;
        }
    }
    return true;
}

static json_t *no_memory(json_error_t *why) {
    *why = (json_error_t){.line = 1, .text = "out of memory"};
    why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; // as json_error_code reads it
    return NULL;
}

json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *why) {
    json_error_t unused;
    if (why == NULL) why = &unused;
    const char *wide = text_wide(text, n);
    if (wide != NULL) {
        *why = (json_error_t){.line = 1};
        snprintf(why->text, sizeof why->text - 1, "it is %s text; save it as UTF-8", wide);
        return NULL;
    }
    size_t mark = text_mark(text, n);
    json_t *root = json_loadb(text + mark, n - mark, flags, why);
    if (root != NULL || json_error_code(why) == json_error_out_of_memory) return root;
    mender m = {.at = text + mark, .end = text + n};
    bool closed = mend(&m);
    if (m.out.failed) {
        text_free(&m.out);
        return no_memory(why);
    }
    // Of a string that does not close, jansson's first word names the line.
    if (closed) root = json_loadb(m.out.data != NULL ? m.out.data : "", m.out.n, flags, why);
    text_free(&m.out);
    return root;
}

json_t *json_read_file(FILE *file, size_t flags, json_error_t *why) {
    text_buffer text = {0};
    char block[1 << 14];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;) text_add_n(&text, block, n);
    json_t *root = text.failed ? no_memory(why)
                               : json_read(text.data != NULL ? text.data : "", text.n, flags, why);
    text_free(&text);
    return root;
}
