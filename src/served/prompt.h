// One prompt, in pieces: ranges of a haystack, which stay where they are, and the few words of
// its own (the question, the needles). Sending, hashing and printing walk over the pieces.
#ifndef FOVEA_SERVED_PROMPT_H
#define FOVEA_SERVED_PROMPT_H

#include "served/haystack.h"

// Bytes [raw, raw + n_raw) of the plain text and [escaped, escaped + n_escaped) of the escaped one.
// Between the messages of a chat stands what ends one and begins the next, in the escaped text
// alone: `bread."},{"role":"assistant","content":"quiet ...`.
typedef struct prompt_piece {
    const haystack *from; // NULL: the prompt's own text
    size_t raw, n_raw, escaped, n_escaped;
    bool between; // two messages
} prompt_piece;

// Starts as {0}; prompt_clear makes it empty again and keeps its memory.
typedef struct prompt {
    prompt_piece *pieces;
    int n_pieces, capacity;
    text_buffer raw, escaped; // its own text
    size_t n_raw, n_escaped;  // of all pieces
    size_t n_between;         // of the escaped text, between messages
    int n_messages;           // of a chat; 0: one of the user, without more ado
    uint64_t hash;            // of its own text and of the haystacks' ranges: a fingerprint
    const char *system;       // the system message of a chat, or NULL; constant
    text_buffer prefix;       // how the answer begins; the last piece, where it is not empty
    char **answers;           // [n_answers], the values expected
    int n_answers;
    bool failed; // out of memory
} prompt;

void prompt_clear(prompt *p);
void prompt_free(prompt *p);

// Appends text, or units [first, first + n) of a haystack, which goes on from its start at its end.
void prompt_add(prompt *p, const char *format, ...) FV_PRINTF(2, 3);
void prompt_add_n(prompt *p, const char *text, size_t n);
void prompt_add_units(prompt *p, const haystack *h, int first, int n);

// Appends n_units units from `offset` on with texts between them, each before unit `at` of these
// (0 to n_units) and ordered by it, and separators everywhere but at the end.
typedef struct prompt_insert {
    int at;
    const char *text;
} prompt_insert;
void prompt_add_context(prompt *p, const haystack *h, int offset, int n_units,
                        const prompt_insert *inserts, int n_inserts);

// Begins a message of a chat; before anything else, or for prompts of one message not at all.
void prompt_message(prompt *p, const char *role);

// Appends how the answer begins; the prompt's end.
void prompt_end(prompt *p, const char *prefix);
void prompt_answer(prompt *p, const char *answer); // one more value is expected

// The bytes of piece i, as plain text or escaped.
const char *prompt_piece_raw(const prompt *p, int i);
const char *prompt_piece_escaped(const prompt *p, int i);

// The plain text, without the answer's beginning where `input_only` is set. The caller frees it.
char *prompt_text(const prompt *p, bool input_only);

// The messages of a chat as JSON, as they are sent. The caller frees it.
char *prompt_chat(const prompt *p);
void prompt_add_chat(const prompt *p, text_buffer *text); // appends the same

// Where `value` stands in the prompt as a whole word: the share of the prompt before its first
// occurrence, or -1.
double prompt_find(const prompt *p, const char *value);

#endif
