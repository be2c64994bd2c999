// What an answer is worth: the published metrics, and the class of an answer.
#ifndef FOVEA_SERVED_SCORE_H
#define FOVEA_SERVED_SCORE_H

#include "served/served_task.h"

#include <fovea/eval.h>

// The share of the expected values found, 0 to 1: of all of them (EVAL_MATCH_ALL), or 1 for any
// (EVAL_MATCH_PART, EVAL_SUBSPAN). Capitals do not matter. EVAL_MRCR: how alike the texts are.
double served_score_reply(served_metric metric, const char *reply, char *const *answers,
                          int n_answers);

// RULER's metric of a task, by its name.
served_metric served_ruler_metric(const char *task);

// What came of a sample.
typedef struct served_verdict {
    fv_answer answer;
    double score;
    char distractor[64];     // the value of the prompt that was given instead, or ""
    double distractor_depth; // percent of the prompt before it
} served_verdict;

// `cut`: the reply ended because the limit of new tokens was reached. What has no answer in it then
// was cut off; a value of the asked form that is not expected is wrong, however the reply goes on.
// `loops`: it repeated itself up to there, which is a class of its own where no value of the prompt
// was given.
void served_judge(const served_task *task, const prompt *p, const char *reply, bool cut, bool loops,
                  served_verdict *verdict);

#endif
