#include "probes/probes.h"

#include "config/synonym_lookup.h"

#include <string.h>

#define POINTER(name) &probe_##name,
static const fv_probe *const probes[] = {FV_PROBE_LIST(POINTER)};
#undef POINTER
enum { N_PROBES = sizeof probes / sizeof probes[0] };

// Every probe fits into a record's list, a comma behind each.
#define LENGTH(name) +(int)sizeof #name
_Static_assert(0 FV_PROBE_LIST(LENGTH) <= FV_PROBES_SIZE, "FV_PROBES_SIZE is too small");
#undef LENGTH

bool probes_listed(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += length)
        if ((at == text || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
    return false;
}

// The order of the first name of a list and another name.
static int compare(const char *list, const char *name) {
    size_t n = strcspn(list, ","), m = strlen(name);
    int order = memcmp(list, name, n < m ? n : m);
    return order != 0 ? order : (n > m) - (n < m);
}

// Puts a name of `length` bytes where it belongs; a list that has no room stays as it is.
static void insert(char *text, const char *name, size_t length) {
    char copy[64];
    size_t size = strlen(text);
    if (length == 0 || length >= sizeof copy || size + length + 2 > FV_PROBES_SIZE) return;
    memcpy(copy, name, length);
    copy[length] = '\0';
    if (probes_listed(text, copy)) return;
    char *at = text;
    while (*at != '\0' && compare(at, copy) < 0) {
        at += strcspn(at, ",");
        at += *at == ',';
    }
    bool last = *at == '\0';
    memmove(at + length + 1, at, size + 1 - (size_t)(at - text));
    if (last) { // behind a comma, or first of all
        if (at > text) *at++ = ',';
        memcpy(at, copy, length + 1);
    } else {
        memcpy(at, copy, length);
        at[length] = ',';
    }
}

void probes_unite(char *text, const char *more) {
    while (*more != '\0') {
        size_t length = strcspn(more, ",");
        insert(text, more, length);
        more += length + (more[length] == ',');
    }
}

void probes_list(const fv_probe *const *list, int n, char *text) {
    text[0] = '\0';
    for (int i = 0; i < n; i++) insert(text, list[i]->name, strlen(list[i]->name));
}

const fv_probe *const *fv_probes(int *n) {
    *n = N_PROBES;
    return probes;
}

static const char *const names[] = {
#define NAME(probe) #probe,
    FV_PROBE_LIST(NAME) NULL
#undef NAME
};

const fv_probe *fv_probe_find(const char *name) {
    for (int i = 0; i < N_PROBES; i++)
        if (strcmp(names[i], name) == 0) return probes[i];
    return NULL;
}

const char *fv_probe_nearest(const char *name) {
    return synonym_nearest("probe", name, names);
}

static const char *lacks(const fv_probe *probe, const char *name) {
    if (probe->name == NULL || strcmp(probe->name, name) != 0) return "name";
    if (probe->help == NULL) return "help";
    return probe->measure == NULL ? "measure" : NULL;
}

fv_status probes_check(const char *name, fv_error *error) {
    const fv_probe *probe = fv_probe_find(name);
    const char *member = probe != NULL ? lacks(probe, name) : NULL;
    return member == NULL
               ? FV_OK
               : fv_fail(error, FV_USAGE, "the probe %s is not whole: its descriptor has no .%s",
                         name, member);
}
