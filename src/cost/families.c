#include "cost/families.h"

#include <string.h>

static const cost_family *const FAMILIES[] = {
#define ENTRY(name) &cost_family_##name,
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

const cost_family *cost_family_find(const char *name) {
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++)
        if (strcmp(FAMILIES[i]->name, name) == 0 || holds_word(FAMILIES[i]->others, name))
            return FAMILIES[i];
    return NULL;
}
