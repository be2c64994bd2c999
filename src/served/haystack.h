// Haystacks: what needles are hidden in. A haystack is built once as a row of units (a sentence, a
// line, a pair), each with the separator that follows it, both as plain text and escaped for JSON.
// Prompts point into it and copy nothing:
//
//   raw      | The grass ... again.\n| The grass ... again.\n | ...
//   raw_at     0                       93                       186
//   escaped  | The grass ... again.\\n| The grass ... again.\\n| ...
#ifndef FOVEA_SERVED_HAYSTACK_H
#define FOVEA_SERVED_HAYSTACK_H

#include "base/text.h"
#include "served/words.h"

typedef enum haystack_kind {
    HAYSTACK_NOISE,   // one sentence, again and again
    HAYSTACK_TEXT,    // the sentences of a folder of text files
    HAYSTACK_NEEDLES, // sentences like the needle's own, of other keys
    HAYSTACK_PAIRS,   // JSON pairs of uuids
    HAYSTACK_TAKEN    // whatever the caller has
} haystack_kind;

typedef struct haystack {
    haystack_kind kind;
    text_buffer raw, escaped;
    size_t *raw_at, *escaped_at; // [n_units + 1], where each unit begins
    int n_units, capacity;
    size_t n_separator, n_separator_escaped; // bytes at the end of every unit
    uint64_t digest; // of a folder's text, or of what a generated one is made from
} haystack;

// `value` is what the needles of HAYSTACK_NEEDLES hide; n_units is what a prompt needs at most.
fv_status haystack_generate(haystack *h, haystack_kind kind, served_kind key, served_kind value,
                            uint64_t seed, int n_units, fv_error *error);

// Every regular file of the folder in the order of names, which must be UTF-8 text; not those whose
// names begin with a dot. Fails with FV_NOT_FOUND for a folder that is not there, FV_FORMAT for one
// without any text, or a file that is no text (the message names file and byte).
fv_status haystack_read(haystack *h, const char *folder, fv_error *error);

// Units that are there already.
fv_status haystack_take(haystack *h, char *const *units, int n, const char *separator,
                        fv_error *error);
void haystack_free(haystack *h);

// Where the units of a sample begin: samples read different parts of a haystack.
int haystack_offset(const haystack *h, uint64_t seed, int sample);

// "One of the special magic numbers for quiet-otter is: 1234567."
enum { HAYSTACK_NEEDLE_SIZE = 160 };
void haystack_needle(served_kind value_kind, const char *key, const char *value,
                     char out[HAYSTACK_NEEDLE_SIZE]);

// Appends `text` escaped for the inside of a JSON string. Bytes above 0x7f stay as they are.
void haystack_escape(text_buffer *out, const char *text, size_t n);

// The offset of the first byte that is not UTF-8 text (control characters but tab, line feed, form
// feed and carriage return are none either), or n.
size_t haystack_not_text(const char *text, size_t n);

#endif
