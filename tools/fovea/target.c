#include "target.h"

#include <fovea/experiment.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Whether a file begins as no database does. An empty one may become a store.
static bool is_other_file(const char *path) {
    static const char BEGINNING[] = "SQLite format 3";
    char bytes[sizeof BEGINNING];
    FILE *file = is_file(path) ? fopen(path, "rb") : NULL;
    if (file == NULL) return false;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return n > 0 && memcmp(bytes, BEGINNING, n) != 0;
}

// The store that a folder or a file is; false where it is none. Folders are taken at their word, so
// that the message about a missing store names the file that was looked for.
static bool as_store(const char *operand, run_target *t) {
    size_t length = strlen(operand);
    while (length > 1 && operand[length - 1] == '/') length--;
    const char *rest = is_folder(operand) ? "/fovea.db" : "";
    if (rest[0] == '\0' && !is_file(operand)) return false;
    int n = snprintf(t->path, sizeof t->path, "%.*s%s", (int)length, operand, rest);
    return n > 0 && (size_t)n < sizeof t->path;
}

static bool looks_like_id(const char *text) {
    size_t length = strlen(text);
    return length >= 4 && length <= 16 && strspn(text, "0123456789abcdef") == length;
}

fv_status target_find(const char *operand, run_target *t, fv_error *error) {
    *t = (run_target){0};
    if (is_other_file(operand))
        return fv_fail(
            error, FV_USAGE,
            "%s is no run store; name the folder that 'fovea run' wrote (out), its store "
            "(out/fovea.db), or a run in it (out/3fa29c41)",
            operand);
    if (as_store(operand, t)) return FV_OK;
    const char *slash = strrchr(operand, '/'), *id = slash != NULL ? slash + 1 : operand;
    char store[sizeof t->path] = "out";
    if (slash != NULL)
        snprintf(store, sizeof store, "%.*s", slash > operand ? (int)(slash - operand) : 1,
                 operand);
    if (looks_like_id(id) && as_store(store, t)) {
        snprintf(t->id, sizeof t->id, "%s", id);
        return FV_OK;
    }
    return fv_fail(error, FV_NOT_FOUND,
                   "there is neither a run store nor a run %s; name an output folder (out), its "
                   "store (out/fovea.db), or a run in it (out/3fa29c41)",
                   operand);
}

// --- a folder of stores ------------------------------------------------------------------------

static fv_status look_for_run(const char *path, const char *id, fv_error *error) {
    fv_store *store;
    fv_record record;
    fv_status status = fv_store_open(path, FV_STORE_READ, &store, error);
    if (status != FV_OK) return status;
    status = fv_store_get(store, id, &record, error);
    if (status == FV_OK) fv_record_free(&record);
    fv_store_close(store);
    return status;
}

// "out/a/fovea.db, out/b/fovea.db, ..."
static void list_stores(const glob_t *stores, char *text, size_t size) {
    enum { MOST = 5 };
    size_t used = 0;
    for (size_t i = 0; i < stores->gl_pathc && i < MOST && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 stores->gl_pathv[i]);
    if (stores->gl_pathc > MOST && used < size) snprintf(text + used, size - used, ", ...");
}

// The one store among them that has the run becomes the target's. Where none has it, one that
// cannot be read might.
static fv_status choose_store(run_target *t, const glob_t *stores, const char *names,
                              fv_error *error) {
    const char *found = NULL;
    fv_error unread = {0};
    for (size_t i = 0; i < stores->gl_pathc; i++) {
        const char *path = stores->gl_pathv[i];
        fv_error why;
        fv_status status = look_for_run(path, t->id, &why);
        if (status != FV_OK && status != FV_NOT_FOUND) unread = why;
        if (status != FV_OK) continue;
        if (found != NULL)
            return fv_fail(error, FV_USAGE, "run %s is in %s and in %s; name one of them", t->id,
                           found, path);
        found = path;
    }
    if (found == NULL && unread.status != FV_OK)
        return fv_fail(error, unread.status, "%s", unread.text);
    if (found == NULL)
        return fv_fail(error, FV_NOT_FOUND,
                       "there is no run %s in %s; 'fovea runs' lists what a store has", t->id,
                       names);
    snprintf(t->path, sizeof t->path, "%s", found);
    return FV_OK;
}

// Where the folder has no store of its own; what has none below either is left to fv_store_open.
static fv_status look_below(run_target *t, fv_error *error) {
    char pattern[sizeof t->path + 4];
    const char *slash = strrchr(t->path, '/');
    if (slash == NULL) return FV_OK;
    snprintf(pattern, sizeof pattern, "%.*s/*%s", (int)(slash - t->path), t->path, slash);
    glob_t stores;
    if (glob(pattern, 0, NULL, &stores) != 0) return FV_OK;
    char names[300] = "";
    list_stores(&stores, names, sizeof names);
    fv_status status = FV_OK;
    if (t->id[0] != '\0')
        status = choose_store(t, &stores, names, error);
    else
        status = fv_fail(error, FV_NOT_FOUND, "there is no run store %s, but there is %s", t->path,
                         names);
    globfree(&stores);
    return status;
}

fv_status target_open(const char *operand, fv_store_mode mode, run_target *t, fv_store **store,
                      fv_error *error) {
    *store = NULL;
    fv_status status = target_find(operand, t, error);
    if (status == FV_OK && !is_file(t->path)) status = look_below(t, error);
    // A store to be changed must exist too.
    if (status == FV_OK && mode == FV_STORE_WRITE && !is_file(t->path)) mode = FV_STORE_READ;
    return status == FV_OK ? fv_store_open(t->path, mode, store, error) : status;
}

fv_status target_snapshot(const fv_record *record, int step, const fv_snapshot **snapshot,
                          fv_error *error) {
    *snapshot = NULL;
    for (int i = 0; i < record->n_snapshots; i++)
        if (step < 0 || record->snapshots[i].step == step) *snapshot = &record->snapshots[i];
    if (*snapshot != NULL) return FV_OK;
    return fv_fail(error, FV_NOT_FOUND,
                   "run %s has no snapshot of step %d; 'fovea runs DIR show %s' lists those it "
                   "has, train.snapshots and train.snapshot_every take more",
                   record->id, step, record->id);
}

// --- filters -----------------------------------------------------------------------------------

// Splits "key=value"; false where the key is too long to be one.
static bool split(const char *text, char *key, size_t size, const char **value) {
    size_t length = strcspn(text, "=");
    if (length >= size) return false;
    memcpy(key, text, length);
    key[length] = '\0';
    *value = text + length + (text[length] == '=');
    return true;
}

static fv_status check_outcome(const char *value, fv_error *error) {
#define IS_OUTCOME(name, text) || strcmp(value, text) == 0
    bool known = false FV_OUTCOME_LIST(IS_OUTCOME);
#undef IS_OUTCOME
#define OUTCOME_TEXT(name, text) " " text
    if (known) return FV_OK;
    return fv_fail(error, FV_USAGE, "there is no outcome '%.40s'; the outcomes are:%s", value,
                   FV_OUTCOME_LIST(OUTCOME_TEXT));
#undef OUTCOME_TEXT
}

fv_status filter_check(const run_filter *f, fv_error *error) {
    for (int i = 0; i < f->n; i++) {
        char key[128];
        const char *value;
        if (!split(f->texts[i], key, sizeof key, &value))
            return fv_fail(error, FV_USAGE, "there is no field '%.40s...'", f->texts[i]);
        fv_status status = FV_OK;
        if (strcmp(key, "outcome") == 0)
            status = check_outcome(value, error);
        else if (strcmp(key, "experiment") != 0)
            status = fv_where_check(key, value, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static bool matches(const char *text, const fv_record *record, const char *experiment) {
    char key[128];
    const char *value;
    if (!split(text, key, sizeof key, &value)) return false;
    if (strcmp(key, "experiment") == 0) return strcmp(value, experiment) == 0;
    if (strcmp(key, "outcome") == 0) return strcmp(value, fv_outcome_text(record->outcome)) == 0;
    return fv_where_matches(key, value, record->config);
}

bool filter_matches(const run_filter *f, const fv_record *record, const char *experiment) {
    for (int i = 0; i < f->n; i++)
        if (!matches(f->texts[i], record, experiment)) return false;
    return true;
}
