// How fast a reply came, and what of it was thought.
#ifndef FOVEA_SERVED_REPLY_SPEED_H
#define FOVEA_SERVED_REPLY_SPEED_H

#include "eval/asks.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Tokens a second of a prompt, of which n_read were read in `seconds` and n_cached were there from
// before. 0 where fewer were read than not: a few tokens cost what starting costs.
double reply_speed_prefill(double n_read, double n_cached, double seconds);

// From the object `timings` of llama.cpp: {cache_n, prompt_n, prompt_ms, predicted_n,
// predicted_ms}.
void reply_speed_from_timings(const json_t *timings, asks_speed *speed);

// Tokens of thought among those of the answer: what usage says, else (*estimated) by the share of
// bytes, of n_thought to n_said. -1 where neither says that there was a thought.
int reply_thought_tokens(const json_t *usage, int completion_tokens, size_t n_thought,
                         size_t n_said, bool *estimated);

// Tokens of the prompt that the server had from before: by usage or timings, or -1.
int reply_cached_tokens(const json_t *usage, const json_t *timings);

#endif
