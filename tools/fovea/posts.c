#include "posts.h"

#include "tool.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ROOTS = 5 };

void path_list_free(path_list *list) {
    for (int i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    *list = (path_list){0};
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Appends what the pattern matches, sorted.
static int add_matches(path_list *list, const char *pattern) {
    glob_t found;
    int problem = glob(pattern, GLOB_MARK, NULL, &found);
    if (problem == GLOB_NOMATCH) return EXIT_DONE;
    if (problem != 0) return tool_no_memory();
    size_t n = (size_t)list->n + found.gl_pathc;
    char **items = realloc(list->items, n * sizeof *items);
    if (items != NULL) list->items = items;
    for (size_t i = 0; items != NULL && i < found.gl_pathc; i++) {
        char *copy = strdup(found.gl_pathv[i]);
        if (copy == NULL) items = NULL;
        if (copy != NULL) list->items[list->n++] = copy;
    }
    globfree(&found);
    return items != NULL ? EXIT_DONE : tool_no_memory();
}

typedef struct roots {
    int n;
    char paths[MAX_ROOTS][PATH_MAX];
} roots;

static void add_root(roots *r, const char *folder, const char *below) {
    int length = snprintf(r->paths[r->n], PATH_MAX, "%s%s", folder, below);
    if (length < PATH_MAX && is_folder(r->paths[r->n])) r->n++;
}

// The folders that exist, the nearest first.
static void find_roots(roots *r) {
    r->n = 0;
    const char *named = getenv("FOVEA_EXPERIMENTS");
    if (named != NULL && *named != '\0') add_root(r, named, "");
    add_root(r, "experiments", "");
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0) {
        program[length] = '\0';
        *strrchr(program, '/') = '\0';
        add_root(r, program, "/../experiments");
        add_root(r, program, "/../share/fovea/experiments");
    }
#ifdef FOVEA_DATA_DIR
    add_root(r, FOVEA_DATA_DIR, "/experiments");
#endif
}

// The names of the folders in `root`, for a message.
static int refuse_post(const char *post, const roots *r) {
    if (r->n == 0)
        return tool_usage_error("no folder of experiments is found; name one in FOVEA_EXPERIMENTS");
    char pattern[PATH_MAX + 8], names[512] = "";
    snprintf(pattern, sizeof pattern, "%s/*/", r->paths[0]);
    path_list folders = {0};
    int exit_code = add_matches(&folders, pattern);
    for (int i = 0; i < folders.n && exit_code == EXIT_DONE; i++) {
        char *path = folders.items[i];
        path[strlen(path) - 1] = '\0'; // GLOB_MARK's slash
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                 strrchr(path, '/') + 1);
    }
    path_list_free(&folders);
    if (exit_code != EXIT_DONE) return exit_code;
    return tool_usage_error(
        "there is no post '%s' in %s, which has: %s; 'all' means every one but phase-diagrams",
        post, r->paths[0], names);
}

static int find_in(const char *folder, const char *below, path_list *files) {
    char pattern[2 * PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s%s/*.yaml", folder, below);
    return add_matches(files, pattern);
}

// Maps take minutes each. They belong to no post and are asked for by name.
static void leave_out_maps(path_list *files) {
    int kept = 0;
    for (int i = 0; i < files->n; i++) {
        if (strstr(files->items[i], "/phase-diagrams/") == NULL)
            files->items[kept++] = files->items[i];
        else
            free(files->items[i]);
    }
    files->n = kept;
}

int posts_find(const char *post, path_list *files) {
    *files = (path_list){0};
    roots r;
    find_roots(&r);
    int exit_code = EXIT_DONE;
    bool all = strcmp(post, "all") == 0;
    if (strchr(post, '/') != NULL) {
        exit_code = find_in(post, "", files);
    } else {
        for (int i = 0; i < r.n && files->n == 0 && exit_code == EXIT_DONE; i++) {
            char below[PATH_MAX];
            snprintf(below, sizeof below, "/%s", all ? "*" : post);
            exit_code = find_in(r.paths[i], below, files);
            if (all) leave_out_maps(files);
        }
    }
    if (exit_code == EXIT_DONE && files->n == 0) exit_code = refuse_post(post, &r);
    if (exit_code != EXIT_DONE) path_list_free(files);
    return exit_code;
}
