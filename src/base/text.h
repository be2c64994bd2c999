// Small functions for text: a growing buffer, spelling distance, exact number formats.
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A growing text, always terminated. Start with {0}; once memory runs out `failed` stays set and
// additions do nothing, so that callers check once at the end.
typedef struct text_buffer {
    char *data; // NULL until the first addition
    size_t n, capacity;
    bool failed;
} text_buffer;

void text_add(text_buffer *b, const char *format, ...) FV_PRINTF(2, 3);
void text_add_char(text_buffer *b, char c);
void text_add_n(text_buffer *b, const char *source, size_t n); // n bytes as they are
void text_free(text_buffer *b);

// strdup and strndup under names of our own; NULL without memory.
char *text_copy(const char *source);
char *text_copy_n(const char *source, size_t n);

// Damerau-Levenshtein distance (optimal string alignment): the fewest insertions, deletions,
// substitutions and swaps of neighbours that turn a into b. Only the first 63 characters count.
int text_distance(const char *a, const char *b);

// A word as names are written here: small letters, '_' for '-' and blanks. Cut to `size`.
void text_plain(const char *word, char *plain, size_t size);

// The choice of a NULL-terminated list that is closest in spelling, capitals and dashes aside; the
// first of several equals.
const char *text_nearest(const char *word, const char *const *choices);

// Reads all of `source` as a decimal number: no spaces, no hexadecimal, no infinities. A whole
// number may have a power of ten behind it ("1e4", "2.5e3"), as long as nothing is left of a point.
bool text_to_int(const char *source, long long *value);
bool text_to_real(const char *source, double *value);

// Reads "0..9", "1e3..1e4"; whether the ends are in order is the caller's to see.
bool text_to_range(const char *source, long long *first, long long *last);
bool text_to_reals(const char *source, double *first, double *last); // "1e-3..1e-1"

// The bytes of the UTF-8 character at `text`, of which n are left; 0 where there is none.
size_t text_character(const char *text, size_t n);

// Files of other programs may begin with a byte order mark. Its length in UTF-8 (3, or 0 without
// one), and "UTF-16" or "UTF-32" for a text that is written so, which nothing here reads, else
// NULL.
size_t text_mark(const char *text, size_t n);
const char *text_wide(const char *text, size_t n);

// Writes the shortest decimal text that reads back to exactly `value`. Returns its length; `size`
// of 32 is always enough.
int text_from_real(double value, char *out, size_t size);

// 64-bit FNV-1a, continued from `hash`; start with TEXT_HASH_START.
#define TEXT_HASH_START 0xcbf29ce484222325u
uint64_t text_hash(uint64_t hash, const char *source);

#endif
