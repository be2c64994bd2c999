// Questions about documents, of which one has the answer: a line {question, answers, ctxs} of a file of
// "Lost in the Middle", and the prompt of some of its documents in some order.
#ifndef FOVEA_SERVED_QA_DOCUMENTS_H
#define FOVEA_SERVED_QA_DOCUMENTS_H

#include "served/served_task.h"

// The line of a sample; samples beyond their number begin again.
const json_t *qa_line(const served_source *source, int sample);

bool qa_is_gold(const json_t *document);

// FV_USAGE where the line has fewer than n - 1 documents beside those with the answer.
fv_status qa_check_size(const json_t *line, int n, fv_error *error);

// Adds the prompt with the n documents as they come, and its answers.
fv_status qa_add_prompt(prompt *p, const json_t *line, const json_t *const *documents, int n,
                        fv_error *error);

#endif
