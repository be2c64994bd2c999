// Questions about documents, from the files that RULER's qa tasks are made of: SQuAD 2.0 (qa_1) and
// HotpotQA (qa_2). All documents of a file, each once and in the order of their bytes, are one
// haystack, and a question knows which of them are its own:
//
//             own                      more
//   SQuAD     the paragraph asked of   the other paragraphs of its article
//   HotpotQA  the ten that come with the question, two of which answer it
#ifndef FOVEA_SERVED_READING_H
#define FOVEA_SERVED_READING_H

#include "served/haystack.h"

#include <jansson.h>

typedef enum reading_format { READING_SQUAD, READING_HOTPOTQA, READING_N_FORMATS } reading_format;

typedef struct reading_question {
    json_t *query, *answers; // a text; a text or a list of {text}
    int own, n_own;          // numbers[own ...] are documents
    int more, n_more;
} reading_question;

typedef struct reading {
    haystack documents;
    reading_question *questions;
    int n_questions, question_capacity;
    int *numbers;
    int n_numbers, number_capacity;
} reading;

// Reads PATH, or of a folder squad.json or hotpotqa.json, as RULER's scripts name them. *file (to
// be freed) is the file's path. FV_NOT_FOUND, FV_IO, FV_FORMAT.
fv_status reading_open(const char *path, reading_format format, reading **out, char **file,
                       fv_error *error);
void reading_free(reading *r);

// The n-th answer, or NULL behind the last.
const char *reading_answer(const reading_question *question, size_t n);

#endif
