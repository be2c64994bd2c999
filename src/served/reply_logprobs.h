// Log-probabilities of a reply's tokens, as servers tell them, and what of them is the expected
// answer's. Two forms, in a choice's `logprobs`:
//
//   {"content": [{"token", "bytes", "logprob", "top_logprobs": [{"token", "bytes", "logprob"}]}]}
//   {"tokens": [...], "token_logprobs": [...], "top_logprobs": [{"token": logprob}]}
//
// The first is OpenAI's of chats and llama.cpp's of both APIs, the second OpenAI's and vLLM's of
// completions.
#ifndef FOVEA_SERVED_REPLY_LOGPROBS_H
#define FOVEA_SERVED_REPLY_LOGPROBS_H

#include "served/served_task.h"

// Adds what a choice of the reply `root` tells to the list *told, which is made where it is NULL.
void reply_logprobs_take(const json_t *root, const json_t *choice, json_t **told);

// The log-probabilities of the tokens of the expected answer, and their sum: of all answers where
// the metric wants all of them, else of one. The tokens are those of the reply, of which the last
// may be one that the reply does not have but the server names beside it: of an answer that is
// missed, that is known where it differs in its last token. NULL where not told.
json_t *reply_logprobs_of(const json_t *told, const char *reply, served_metric metric,
                          char *const *answers, int n_answers, double *sum);

#endif
