// Needles of users' own: a sentence to hide, a question about it, and what must stand in a reply.
//
//   {"needle": "Yuki lives next to the Semper Opera House.", "question": "Who has been to Dresden?",
//    "answers": ["Yuki"], "distractors": ["Ana lives next to a bakery."]}
//
// Everywhere in them {key} is a word and {value} a number of seven digits, drawn for each sample.
#ifndef FOVEA_SERVED_TOLD_NEEDLES_H
#define FOVEA_SERVED_TOLD_NEEDLES_H

#include "base/text.h"

#include <jansson.h>

enum { TOLD_MOST_DISTRACTORS = 15 };

// A list of the lines of a file. FV_FORMAT for a line that is no needle; the message names it.
fv_status told_needles_read(const char *path, json_t **needles, uint64_t *digest, fv_error *error);

// One needle from texts; `answer` may have several with bars between them, which must all stand in
// a reply, and is the drawn value where it is NULL. FV_USAGE where a text is missing.
fv_status told_needles_make(const char *needle, const char *question, const char *answer,
                            json_t **out, fv_error *error);

// `text` with the drawn words in it. The caller frees it; NULL without memory.
char *told_needles_fill(const char *text, const char *key, const char *value);

#endif
