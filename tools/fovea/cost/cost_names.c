#include "cost/cost_names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *ending) {
    size_t n = strlen(text), e = strlen(ending);
    return n > e && strcmp(text + n - e, ending) == 0;
}

// The path without what says nothing: a slash at its end, config.json, an ending.
static void simplify(const char *path, char plain[PATH_MAX]) {
    if (strcmp(path, "-") == 0) path = "stdin";
    bool dots = strcmp(path, ".") == 0 || strcmp(path, "..") == 0 || strcmp(path, "./") == 0;
    if (!dots || realpath(path, plain) == NULL) snprintf(plain, PATH_MAX, "%s", path);
    for (size_t n = strlen(plain); n > 1 && plain[n - 1] == '/'; n--) plain[n - 1] = '\0';
    if (ends_with(plain, "/config.json")) *strrchr(plain, '/') = '\0';
    if (ends_with(plain, ".json") || ends_with(plain, ".gguf")) *strrchr(plain, '.') = '\0';
}

// The last `parts` parts of a path between slashes.
static const char *tail(const char *path, int parts) {
    const char *at = path + strlen(path);
    while (at > path) {
        if (at[-1] == '/' && --parts == 0) break;
        at--;
    }
    return at;
}

// Takes the last part off all paths, as long as it is the same and something is left in front.
static void cut_common_ends(char (*paths)[PATH_MAX], int n) {
    for (;;) {
        for (int i = 0; i < n; i++) {
            const char *last = tail(paths[i], 1);
            if (last <= paths[i] + 1 || strcmp(last, tail(paths[0], 1)) != 0) return;
        }
        for (int i = 0; i < n; i++) *strrchr(paths[i], '/') = '\0';
    }
}

static bool is_shared(char (*paths)[PATH_MAX], int n, int i, int parts) {
    for (int k = 0; k < n; k++)
        if (strcmp(paths[k], paths[i]) != 0 &&
            strcmp(tail(paths[k], parts), tail(paths[i], parts)) == 0)
            return true;
    return false;
}

void cost_name_subjects(cost_subject *subjects, int n) {
    char(*paths)[PATH_MAX] = calloc((size_t)n, sizeof *paths);
    for (int i = 0; paths != NULL && i < n; i++) simplify(subjects[i].path, paths[i]);
    bool differ = false;
    for (int i = 0; paths != NULL && i < n; i++) differ = differ || strcmp(paths[i], paths[0]) != 0;
    if (differ) cut_common_ends(paths, n);
    for (int i = 0; i < n; i++) {
        int parts = 1;
        while (paths != NULL && is_shared(paths, n, i, parts) && tail(paths[i], parts) > paths[i])
            parts++;
        const char *name = paths != NULL ? tail(paths[i], parts) : subjects[i].path;
        size_t length = strlen(name), most = sizeof subjects[i].name - 1;
        snprintf(subjects[i].name, sizeof subjects[i].name, "%s",
                 length > most ? name + length - most : name);
    }
    free(paths);
}
