// The keys and values that needles are made of, and where their random numbers come from.
#ifndef FOVEA_SERVED_WORDS_H
#define FOVEA_SERVED_WORDS_H

#include "base/random.h"

#include <stddef.h>

typedef enum served_kind { EVAL_WORDS, EVAL_NUMBERS, EVAL_UUIDS } served_kind;
enum { EVAL_VALUE_SIZE = 40 };

// "words", "numbers", "uuids", as prompts name them.
const char *served_kind_text(served_kind kind);

// Draws a word, a number of seven digits, or a uuid.
void served_draw(random_source *random, served_kind kind, char out[EVAL_VALUE_SIZE]);

// Every order of the n items is as likely as any other.
void served_shuffle(random_source *random, int *items, int n);

// All words, by number; `index` in [0, served_n_words()).
int served_n_words(void);
void served_word(int index, char *out, size_t size);

// Words without a dash, which cost half the tokens, but are few: `index` in [0,
// served_n_short_words()). None is a part of another.
int served_n_short_words(void);
const char *served_short_word(int index);

// The random numbers of one use: a function of the seed, the use's name, a place and the sample.
void served_random(random_source *random, uint64_t seed, const char *name, int64_t place,
                   int sample);

#endif
