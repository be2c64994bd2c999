#define _GNU_SOURCE // memmem
#include "served/prompt.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void prompt_clear(prompt *p) {
    p->n_pieces = 0;
    p->raw.n = p->escaped.n = p->prefix.n = 0;
    p->n_raw = p->n_escaped = p->n_between = 0;
    p->n_messages = 0;
    p->hash = TEXT_HASH_START;
    p->system = NULL;
    for (int i = 0; i < p->n_answers; i++) free(p->answers[i]);
    p->n_answers = 0;
}

void prompt_free(prompt *p) {
    prompt_clear(p);
    free(p->pieces);
    free(p->answers);
    text_free(&p->raw);
    text_free(&p->escaped);
    text_free(&p->prefix);
    *p = (prompt){0};
}

static void mix(prompt *p, uint64_t word) {
    p->hash = (p->hash ^ word) * 0x100000001b3u;
    p->hash ^= p->hash >> 31;
}

static prompt_piece *add_piece(prompt *p) {
    if (p->n_pieces == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 16;
        prompt_piece *grown = realloc(p->pieces, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            p->failed = true;
            return NULL;
        }
        p->pieces = grown;
        p->capacity = capacity;
    }
    return &p->pieces[p->n_pieces++];
}

void prompt_message(prompt *p, const char *role) {
    size_t at = p->escaped.n;
    if (p->n_messages++ > 0) text_add(&p->escaped, "\"},{\"role\":\"");
    haystack_escape(&p->escaped, role, strlen(role));
    text_add(&p->escaped, "\",\"content\":\"");
    p->failed |= p->escaped.failed;
    prompt_piece *piece = p->failed ? NULL : add_piece(p);
    if (piece == NULL) return;
    *piece = (prompt_piece){NULL, p->raw.n, 0, at, p->escaped.n - at, true};
    p->n_escaped += piece->n_escaped;
    p->n_between += piece->n_escaped;
    p->hash = text_hash(p->hash, role);
}

void prompt_add_n(prompt *p, const char *text, size_t n) {
    if (n == 0) return;
    size_t raw = p->raw.n, escaped = p->escaped.n;
    text_add_n(&p->raw, text, n);
    haystack_escape(&p->escaped, text, n);
    p->failed |= p->raw.failed || p->escaped.failed;
    if (p->failed) return;
    prompt_piece *last = p->n_pieces > 0 ? &p->pieces[p->n_pieces - 1] : NULL;
    if (last == NULL || last->from != NULL || last->between) {
        last = add_piece(p);
        if (last == NULL) return;
        *last = (prompt_piece){NULL, raw, 0, escaped, 0, false};
    }
    last->n_raw += n;
    last->n_escaped += p->escaped.n - escaped;
    p->n_raw += n;
    p->n_escaped += p->escaped.n - escaped;
    for (size_t i = 0; i < n; i++) p->hash = (p->hash ^ (unsigned char)text[i]) * 0x100000001b3u;
}

void prompt_add(prompt *p, const char *format, ...) {
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof small) {
        prompt_add_n(p, small, (size_t)n);
        return;
    }
    char *large = n < 0 ? NULL : malloc((size_t)n + 1);
    p->failed |= large == NULL;
    if (large == NULL) return;
    va_start(arguments, format);
    vsnprintf(large, (size_t)n + 1, format, arguments);
    va_end(arguments);
    prompt_add_n(p, large, (size_t)n);
    free(large);
}

// Units [first, first + n) without going round.
static void add_units(prompt *p, const haystack *h, int first, int n) {
    prompt_piece *piece = n > 0 ? add_piece(p) : NULL;
    if (piece == NULL) return;
    *piece = (prompt_piece){h,
                            h->raw_at[first],
                            h->raw_at[first + n] - h->raw_at[first],
                            h->escaped_at[first],
                            h->escaped_at[first + n] - h->escaped_at[first],
                            false};
    p->n_raw += piece->n_raw;
    p->n_escaped += piece->n_escaped;
    mix(p, h->digest);
    mix(p, (uint64_t)first << 32 | (uint32_t)n);
}

void prompt_add_units(prompt *p, const haystack *h, int first, int n) {
    first %= h->n_units;
    while (n > 0) {
        int here = h->n_units - first < n ? h->n_units - first : n;
        add_units(p, h, first, here);
        n -= here;
        first = 0;
    }
}

void prompt_add_context(prompt *p, const haystack *h, int offset, int n_units,
                        const prompt_insert *inserts, int n_inserts) {
    const char *separator = h->raw.data + h->raw_at[1] - h->n_separator;
    int done = 0;
    for (int i = 0; i < n_inserts; i++) {
        prompt_add_units(p, h, offset + done, inserts[i].at - done);
        done = inserts[i].at;
        prompt_add_n(p, inserts[i].text, strlen(inserts[i].text));
        prompt_add_n(p, separator, h->n_separator);
    }
    prompt_add_units(p, h, offset + done, n_units - done);
    if (p->n_pieces == 0 || p->failed) return;
    prompt_piece *last = &p->pieces[p->n_pieces - 1];
    last->n_raw -= h->n_separator;
    last->n_escaped -= h->n_separator_escaped;
    p->n_raw -= h->n_separator;
    p->n_escaped -= h->n_separator_escaped;
    if (last->from == NULL) {
        p->raw.n -= h->n_separator;
        p->escaped.n -= h->n_separator_escaped;
    }
}

void prompt_end(prompt *p, const char *prefix) {
    text_add(&p->prefix, "%s", prefix);
    p->failed |= p->prefix.failed;
    prompt_add_n(p, prefix, strlen(prefix));
}

void prompt_answer(prompt *p, const char *answer) {
    char **grown = realloc(p->answers, ((size_t)p->n_answers + 1) * sizeof *grown);
    if (grown != NULL) p->answers = grown;
    char *copy = grown != NULL ? text_copy(answer) : NULL;
    p->failed |= copy == NULL;
    if (copy != NULL) p->answers[p->n_answers++] = copy;
}

const char *prompt_piece_raw(const prompt *p, int i) {
    const prompt_piece *piece = &p->pieces[i];
    return (piece->from != NULL ? piece->from->raw.data : p->raw.data) + piece->raw;
}

const char *prompt_piece_escaped(const prompt *p, int i) {
    const prompt_piece *piece = &p->pieces[i];
    return (piece->from != NULL ? piece->from->escaped.data : p->escaped.data) + piece->escaped;
}

char *prompt_text(const prompt *p, bool input_only) {
    size_t n = p->n_raw - (input_only ? p->prefix.n : 0), at = 0;
    char *text = malloc(p->n_raw + 1);
    if (text == NULL) return NULL;
    for (int i = 0; i < p->n_pieces; i++) {
        memcpy(text + at, prompt_piece_raw(p, i), p->pieces[i].n_raw);
        at += p->pieces[i].n_raw;
    }
    text[n] = '\0';
    return text;
}

void prompt_add_chat(const prompt *p, text_buffer *text) {
    text_add(text, "[{\"role\":\"");
    for (int i = 0; i < p->n_pieces; i++)
        text_add_n(text, prompt_piece_escaped(p, i), p->pieces[i].n_escaped);
    text_add(text, "\"}]");
}

char *prompt_chat(const prompt *p) {
    text_buffer text = {0};
    prompt_add_chat(p, &text);
    text_add_char(&text, '\n');
    if (text.failed) text_free(&text);
    return text.data;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '-';
}

double prompt_find(const prompt *p, const char *value) {
    size_t length = strlen(value), before = 0;
    for (int i = 0; i < p->n_pieces && length > 0; i++) {
        const char *text = prompt_piece_raw(p, i);
        size_t n = p->pieces[i].n_raw;
        for (const char *at = text; (at = memmem(at, n - (size_t)(at - text), value, length));
             at++) {
            size_t start = (size_t)(at - text), end = start + length;
            if ((start > 0 && is_word(at[-1])) || (end < n && is_word(at[length]))) continue;
            return (double)(before + start) / (double)p->n_raw;
        }
        before += n;
    }
    return -1;
}
