#include "cost/families.h"

#include "base/text.h"

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

const char *cost_family_nearest(const char *name) {
#define QUOTED(name) #name,
    static const char *const NAMES[] = {COST_FAMILY_LIST(QUOTED) NULL};
#undef QUOTED
    return text_nearest(name, NAMES);
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

// The first of the family and those that it is like which has the member.
#define FIRST(family, member)                                                                      \
    while ((family)->member == NULL && (family)->like != NULL) (family) = (family)->like

static const char *source_of(const cost_family *family) {
    FIRST(family, source);
    return family->source;
}

static void (*reader_of(const cost_family *family))(cost_config *c, fv_cost_model *model) {
    FIRST(family, read);
    return family->read;
}

const char *cost_family_lacks(const cost_family *family) {
    if (source_of(family) == NULL) return "source";
    if (reader_of(family) == NULL) return "read";
    FIRST(family, defaults);
    return family->defaults == NULL ? "defaults" : NULL;
}

void cost_family_read(const cost_family *family, cost_config *c, fv_cost_model *model) {
    int n = 0;
    c->source = source_of(family);
    c->even_heads = family->even_heads;
    for (const cost_family *f = family; f != NULL && n < COST_CLASSES; f = f->like)
        if (f->defaults != NULL) c->defaults[n++] = f->defaults;
    reader_of(family)(c, model);
}
