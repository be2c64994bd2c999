// A frozen set: prompts as bytes, so that whoever has the file asks the same questions. JSON Lines,
// packed with gzip unless its name ends in .jsonl:
//
//   {"fovea_set": 1, "fovea": "0.1.0", "seed": 42, "tokenizer": {"counted_by": "vllm", ...}}
//   {"task", "length", "depth", "sample", "tokens", "max_tokens", "metric", "system"?, "input",
//    "answer_prefix", "outputs"}                               a question, by task and length
//   {..., "messages": [{"role", "content"}, ...], "outputs"}   a chat
//   ...
//   {"fovea_set_end": 240, "xxh3_128": "0123..."}              how many, and the hash of all before
//
// A question's `tokens` are those of its prompt as the tokenizer counted them, its `length` is what
// it was made for, prompt and answer together. The hash is XXH3 (128 bits) of all bytes before the
// last line.
#ifndef FOVEA_EVAL_FROZEN_H
#define FOVEA_EVAL_FROZEN_H

#include "base/json_lines.h"
#include "base/text.h"

#include <zlib.h>

// --- reading: is it what was frozen? -----------------------------------------------------------

// Starts as {0}.
typedef struct frozen_check {
    void *hash; // of the lines so far
    int n;      // questions so far
    bool ended;
    char why[120]; // what is wrong, or ""
} frozen_check;

// Takes the next line; *is_question where it is neither the first nor the last. FV_USAGE for a
// set of another version; what else is wrong with it is told by frozen_end.
fv_status frozen_take(frozen_check *check, const json_line *line, bool *is_question,
                      fv_error *error);

// With `status` as reading went: FV_FORMAT where the file is not what was frozen, cut short or
// changed, with one message for all of it (FV_USAGE and FV_NO_MEMORY stay). Frees the check.
fv_status frozen_end(frozen_check *check, const char *path, fv_status status, fv_error *error);

// Whether a file begins like a frozen set, packed or not, whatever comes behind.
bool frozen_begins(const char *path);

// --- writing -----------------------------------------------------------------------------------

typedef struct frozen_writer {
    gzFile file;
    void *hash;
    int n;
} frozen_writer;

// Writes to the stream, which stays open; `plain`: not packed. `head` are the members of the first
// line but its first, ", \"seed\": 42". Same lines, same bytes.
fv_status frozen_open(frozen_writer *writer, FILE *stream, bool plain, const char *head,
                      fv_error *error);
// Lines of n questions.
fv_status frozen_write(frozen_writer *writer, const text_buffer *lines, int n, fv_error *error);

// With `status` as writing went so far: writes the last line, and its hash into *hash [33].
fv_status frozen_close(frozen_writer *writer, fv_status status, char *hash, fv_error *error);

#endif
