// The keys and values that needles are made of, and where their random numbers come from.
#ifndef FOVEA_SERVED_WORDS_H
#define FOVEA_SERVED_WORDS_H

#include "base/random.h"

#include <stddef.h>

typedef enum eval_kind { EVAL_WORDS, EVAL_NUMBERS, EVAL_UUIDS } eval_kind;
enum { EVAL_VALUE_SIZE = 40 };

// "words", "numbers", "uuids", as prompts name them.
const char *eval_kind_text(eval_kind kind);

// Draws a word, a number of seven digits, or a uuid.
void eval_draw(fv_random *random, eval_kind kind, char out[EVAL_VALUE_SIZE]);

// Every order of the n items is as likely as any other.
void eval_shuffle(fv_random *random, int *items, int n);

// All words, by number; `index` in [0, eval_n_words()).
int eval_n_words(void);
void eval_word(int index, char *out, size_t size);

// The random numbers of one use: a function of the seed, the use's name, a place and the sample.
void eval_random(fv_random *random, uint64_t seed, const char *name, int64_t place, int sample);

#endif
