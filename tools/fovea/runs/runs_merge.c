#include "runs/runs_merge.h"

#include "study_console.h"
#include "target.h"
#include "tool.h"

#include <stdio.h>

// `into` names a folder, or the file of a store in it.
static int open_into(const char *into, fv_store **store) {
    run_target target;
    fv_error error = {0};
    if (target_find(into, &target, NULL) != FV_OK || target.id[0] != '\0') {
        int exit_code = study_make_folder(into, "fovea.db");
        return exit_code == EXIT_DONE ? study_open_store(into, store) : exit_code;
    }
    fv_status status = fv_store_open(target.path, FV_STORE_WRITE, store, &error);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

static fv_status add(fv_store *into, const char *from, fv_merged *merged, fv_error *error) {
    run_target target;
    fv_store *store = NULL;
    fv_status status = target_open(from, FV_STORE_READ, &target, &store, error);
    if (status == FV_OK && target.id[0] != '\0')
        status = fv_fail(error, FV_USAGE, "%s is a single run; merge takes whole stores", from);
    if (status == FV_OK) status = fv_store_merge(into, store, merged, error);
    fv_store_close(store);
    return status;
}

// Before `into` is made: a mistyped name leaves nothing behind.
static bool all_open(const char *const *from, int n, fv_error *error) {
    run_target target;
    for (int i = 0; i < n; i++) {
        fv_store *store;
        if (target_open(from[i], FV_STORE_READ, &target, &store, error) != FV_OK) return false;
        fv_store_close(store);
    }
    return true;
}

int runs_merge(const char *into, const char *const *from, int n, bool json) {
    fv_error error = {0};
    if (!all_open(from, n, &error)) return tool_fail(&error);
    fv_store *store = NULL;
    int exit_code = open_into(into, &store);
    if (exit_code != EXIT_DONE) return exit_code;
    fv_merged merged = {0};
    fv_status status = fv_store_begin(store, &error);
    for (int i = 0; i < n && status == FV_OK; i++) status = add(store, from[i], &merged, &error);
    if (status == FV_OK) status = fv_store_commit(store, &error);
    fv_store_close(store); // without the commit this takes everything back
    if (status != FV_OK) return tool_fail(&error);
    if (json)
        return tool_print_json(json_pack("{s:s, s:i, s:i, s:i}", "into", into, "added",
                                         merged.added, "same", merged.same, "united",
                                         merged.united));
    printf("%s: %d run%s added, %d already there", into, merged.added, merged.added == 1 ? "" : "s",
           merged.same);
    if (merged.united > 0) printf(", %d with the curves of both", merged.united);
    putchar('\n');
    return EXIT_DONE;
}
