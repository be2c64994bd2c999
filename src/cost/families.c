#include "cost/families.h"

#include <string.h>

static const struct entry {
    const char *name;
    const cost_family *family;
} FAMILIES[] = {
#define ENTRY(name) {#name, &cost_family_##name},
    COST_FAMILY_LIST(ENTRY)
#undef ENTRY
};

const char *fv_cost_families(void) {
#define NAME(name) ", " #name
    return &(COST_FAMILY_LIST(NAME))[2]; // behind the first comma
#undef NAME
}

static bool holds_word(const char *words, const char *word) {
    size_t n = strlen(word);
    while (words != NULL && *words != '\0') {
        size_t length = strcspn(words, " ");
        if (length == n && memcmp(words, word, n) == 0) return true;
        words += length + strspn(words + length, " ");
    }
    return false;
}

const cost_family *cost_family_find(const char *name, const char **called) {
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        const struct entry *e = &FAMILIES[i];
        if (strcmp(e->name, name) != 0 && !holds_word(e->family->others, name)) continue;
        *called = e->name;
        return e->family;
    }
    return NULL;
}

const char *cost_family_lacks(const cost_family *family) {
    if (family->like != NULL) family = family->like;
    if (family->source == NULL) return "source";
    if (family->defaults == NULL) return "defaults";
    return family->read == NULL ? "read" : NULL;
}
