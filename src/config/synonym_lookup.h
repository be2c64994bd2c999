// The words of synonyms.h looked up.
#ifndef CONFIG_SYNONYM_LOOKUP_H
#define CONFIG_SYNONYM_LOOKUP_H

// The name in the list `of` that is called `word` elsewhere, or NULL. Capitals, dashes and
// underscores do not matter; of a dotted key the last part counts.
const char *synonym_of(const char *of, const char *word);

// The distance (text_distance) of a plain word to the nearest of those that stand for the name, or
// INT_MAX where more than one letter in eight and one besides would differ.
int synonym_distance(const char *of, const char *name, const char *word);

// Why there is nothing that is called `word` elsewhere: a sentence without its point, or NULL.
const char *synonym_absent(const char *word);

// The nearest of the NULL-terminated names of the list `of`: what is meant by another word, else
// what is closest in spelling.
const char *synonym_nearest(const char *of, const char *word, const char *const *names);

#endif
