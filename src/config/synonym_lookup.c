#include "config/synonym_lookup.h"

#include "base/text.h"

#include <fovea/synonyms.h>
#include <limits.h>
#include <string.h>

static const struct {
    const char *of, *name, *words;
} ROWS[] = {
#define ROW(of, name, words) {of, name, words},
    FV_SYNONYMS(ROW)
#undef ROW
};
enum { N_ROWS = sizeof ROWS / sizeof *ROWS };

static const struct {
    const char *words, *sentence;
} ABSENT[] = {
#define ROW(words, sentence) {words, sentence},
    FV_ABSENT(ROW)
#undef ROW
};
enum { N_ABSENT = sizeof ABSENT / sizeof *ABSENT };

// Whether the n characters at `word` spell `other`, underscores aside.
static bool spells(const char *word, size_t n, const char *other) {
    for (size_t i = 0;; i++, other++) {
        while (i < n && word[i] == '_') i++;
        while (*other == '_') other++;
        if (i == n || *other == '\0') return i == n && *other == '\0';
        if (word[i] != *other) return false;
    }
}

// Whether one of the words is the key; those without a dot, its last part.
static bool lists(const char *words, const char *key) {
    const char *dot = strrchr(key, '.'), *last = dot != NULL ? dot + 1 : key;
    for (size_t n; *words != '\0'; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        bool whole = memchr(words, '.', n) != NULL;
        if (spells(words, n, whole ? key : last)) return true;
    }
    return false;
}

const char *synonym_of(const char *of, const char *word) {
    char plain[128];
    text_plain(word, plain, sizeof plain);
    for (int i = 0; i < N_ROWS; i++)
        if (strcmp(ROWS[i].of, of) == 0 && lists(ROWS[i].words, plain)) return ROWS[i].name;
    return NULL;
}

// text_distance to the nearest of the words; those with a dot are keys, not words.
static int distance_to(const char *words, const char *word) {
    int nearest = INT_MAX;
    char one[64];
    for (size_t n; *words != '\0'; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (n >= sizeof one || memchr(words, '.', n) != NULL) continue;
        memcpy(one, words, n);
        one[n] = '\0';
        int distance = text_distance(one, word);
        if (distance < nearest) nearest = distance;
    }
    return nearest;
}

int synonym_distance(const char *of, const char *name, const char *word) {
    int n = (int)strlen(word), nearest = INT_MAX, most = n < 3 ? 0 : 1 + n / 8;
    for (int i = 0; i < N_ROWS; i++) {
        if (strcmp(ROWS[i].of, of) != 0 || strcmp(ROWS[i].name, name) != 0) continue;
        int distance = distance_to(ROWS[i].words, word);
        if (distance < nearest) nearest = distance;
    }
    return nearest <= most ? nearest : INT_MAX;
}

const char *synonym_absent(const char *word) {
    char plain[128];
    text_plain(word, plain, sizeof plain);
    for (int i = 0; i < N_ABSENT; i++)
        if (lists(ABSENT[i].words, plain)) return ABSENT[i].sentence;
    return NULL;
}

const char *synonym_nearest(const char *of, const char *word, const char *const *names) {
    char plain[128];
    text_plain(word, plain, sizeof plain);
    for (int i = 0; names[i] != NULL; i++)
        if (spells(plain, strlen(plain), names[i])) return names[i];
    const char *meant = synonym_of(of, word);
    for (int i = 0; meant != NULL && names[i] != NULL; i++)
        if (strcmp(names[i], meant) == 0) return names[i];
    return text_nearest(word, names);
}
