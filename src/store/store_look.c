// All damage of a store told, a line each with the one thing to do about it. What is wrong with the
// file itself (its pages, then its indexes) is told alone: runs read through it would seem damaged
// that are not, and what mends a run needs a file that can be read. Whether `--check --write` can
// write the pages anew is found out on a copy.
#include "store/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct look {
    fv_store *store;
    fv_store_damage damage;
    void *context;
    int n;                      // damages told
    char unreadable[STORE_WHY]; // why SQLite cannot follow the file; ""
} look;

static void tell(look *l, const char *id, const char *why) {
    l->damage(l->context, id, why);
    l->n++;
}

// --- pages -------------------------------------------------------------------------------------

// Calls `found` for every page that SQLite finds fault with or, where it names none, for the first
// fault: the others follow from it.
typedef void (*page_visit)(void *context, const char *why);

static fv_status each_page(fv_store *store, page_visit found, void *context, fv_error *error) {
    char other[STORE_WHY] = "", why[STORE_WHY];
    bool any = false;
    sqlite3_stmt *rows = store_statement(store, STATEMENT_QUICK_CHECK);
    if (rows == NULL) return store_fail(store, "cannot be read", error);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(rows, 0);
        if (text == NULL || strcmp(text, "ok") == 0) continue;
        snprintf(why, sizeof why, "%.300s", text);
        for (char *c = why; *c != '\0'; c++)
            if (*c == '\n') *c = ' ';
        if (strncmp(why, "***", 3) == 0) {
            found(context, why);
            any = true;
        } else if (other[0] == '\0') {
            memcpy(other, why, sizeof other);
        }
    }
    if (!any && other[0] != '\0') found(context, other);
    if (sqlite3_reset(rows) == SQLITE_OK) return FV_OK;
    return store_fail(store, "cannot be read", error);
}

static void keep_first(void *context, const char *why) {
    char *first = context;
    if (first[0] == '\0') snprintf(first, STORE_WHY, "%s", why);
}

fv_status store_check_pages(fv_store *store, char why[STORE_WHY], fv_error *error) {
    why[0] = '\0';
    return each_page(store, keep_first, why, error);
}

// --- what lies on them -------------------------------------------------------------------------

// Where SQLite cannot follow the file, that is kept to be told once.
static void tell_unless_unreadable(look *l, const char *id, const char *why) {
    if (l->store->unreadable[0] == '\0')
        tell(l, id, why);
    else
        memcpy(l->unreadable, l->store->unreadable, STORE_WHY);
    l->store->unreadable[0] = '\0';
}

// A failure while looking: damage is told, unless the file cannot be followed, which is told once
// and of the file; whatever else it is ends the look.
static fv_status note(look *l, fv_status status, const fv_error *why, fv_error *error) {
    if (status == FV_OK) return FV_OK;
    if (!store_is_damage(l->store, status)) {
        if (error != NULL) *error = *why;
        return status;
    }
    tell_unless_unreadable(l, "", why->text);
    return FV_OK;
}

static fv_status tell_run(void *context, const store_row *row, const char *why) {
    tell_unless_unreadable(context, row->id, why);
    return FV_OK;
}

static fv_status look_at_orphans(look *l, fv_error *error) {
    sqlite3_stmt *rows = store_statement(l->store, STATEMENT_ORPHANS);
    if (rows == NULL) return store_fail(l->store, "cannot be read", error);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        char why[1000];
        const char *text = (const char *)sqlite3_column_text(rows, 0);
        char id[41];
        snprintf(id, sizeof id, "%s", text != NULL ? text : "");
        for (char *c = id; *c != '\0'; c++)
            if (*c <= ' ' || *c > '~') *c = '?'; // a flipped bit need not leave UTF-8
        snprintf(why, sizeof why,
                 "run store %.500s is damaged: it has rows of a run %s and not the run; 'fovea "
                 "runs DIR --check --write' moves them to the table damaged",
                 l->store->path, id);
        tell(l, "", why);
    }
    if (sqlite3_reset(rows) == SQLITE_OK) return FV_OK;
    return store_fail(l->store, "cannot be read", error);
}

static fv_status look_at_runs(look *l, fv_error *error) {
    bool indexed;
    fv_error why = {0};
    fv_status status = store_compare_frame(l->store, &indexed, &why);
    bool whole = status == FV_OK;
    status = note(l, status, &why, error);
    if (status != FV_OK || !indexed) return status;
    l->store->framed = true; // what is wrong with the frame has been told
    status = store_each_damaged(l->store, tell_run, l, error);
    l->store->framed = whole;
    if (status != FV_OK) return status;
    return note(l, look_at_orphans(l, &why), &why, error);
}

// --- what can be done about pages --------------------------------------------------------------

static void ignore(void *context, const char *id, const char *why) {
    (void)context;
    (void)id;
    (void)why;
}

static bool copy_pages(sqlite3 *into, sqlite3 *from) {
    sqlite3_backup *backup = sqlite3_backup_init(into, "main", from, "main");
    bool copied = backup != NULL && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
    return sqlite3_backup_finish(backup) == SQLITE_OK && copied;
}

static bool try_on_a_copy(fv_store *store) {
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX };
    fv_store *copy = calloc(1, sizeof *copy);
    if (copy == NULL) return false;
    int n_added;
    copy->is_copy = true;
    copy->path = strdup(store->path);
    copy->digest = sql_digest_create();
    copy->schema = store->schema;
    bool renewed = copy->path != NULL && copy->digest != NULL &&
                   sqlite3_open_v2("", &copy->db, FLAGS, NULL) == SQLITE_OK &&
                   copy_pages(copy->db, store->db) && store_bring_up(copy, NULL) == FV_OK &&
                   fv_store_complete(copy, &n_added, NULL) == FV_OK;
    look l = {.store = copy, .damage = ignore};
    renewed = renewed && look_at_runs(&l, NULL) == FV_OK && l.unreadable[0] == '\0';
    fv_store_close(copy);
    return renewed;
}

bool store_can_be_renewed(fv_store *store) {
    if (store->renewable == 0) store->renewable = !store->is_copy && try_on_a_copy(store) ? 1 : -1;
    return store->renewable > 0;
}

static void tell_page(void *context, const char *why) {
    look *l = context;
    char text[1000];
    snprintf(text, sizeof text, "run store %.500s is damaged: %s; %s", l->store->path, why,
             store_can_be_renewed(l->store) ? STORE_RENEW : STORE_MOVE_AWAY);
    tell(l, "", text);
}

// --- the whole look ----------------------------------------------------------------------------

// The runs, and how many of them have no digest.
static fv_status count_runs(fv_store *store, fv_checked *checked, fv_error *error) {
    store_frame table;
    fv_status status = store_scan(store, STATEMENT_SCAN_TABLE, &table, error);
    checked->n_runs = (int)table.total.n_runs;
    checked->n_unchecked = (int)table.n_lacking;
    return status;
}

fv_status fv_store_check(fv_store *store, fv_store_damage damage, void *context,
                         fv_checked *checked, fv_error *error) {
    look l = {.store = store, .damage = damage, .context = context};
    fv_error why = {0};
    if (!store_do(store, STATEMENT_READ)) return store_fail(store, "cannot be read", error);
    fv_status status = note(&l, each_page(store, tell_page, &l, &why), &why, error);
    bool whole = l.n == 0; // else pages that have been told say why
    if (status == FV_OK && whole) status = look_at_runs(&l, error);
    if (status == FV_OK && whole && l.unreadable[0] != '\0') tell_page(&l, l.unreadable);
    if (status == FV_OK) {
        status = count_runs(store, checked, &why);
        if (l.n > 0 && store_is_damage(store, status))
            status = FV_OK; // of what cannot be read there is no count
        else if (status != FV_OK && error != NULL)
            *error = why;
    }
    store_do(store, STATEMENT_COMMIT);
    return status;
}
