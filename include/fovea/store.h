// The run store: one SQLite file (WAL) that holds whole runs or nothing of them. docs/store.md has
// the schema. One connection writes; open one store per process and hand it records from one
// thread.
#ifndef FOVEA_STORE_H
#define FOVEA_STORE_H

#include <fovea/record.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_store fv_store;

typedef enum fv_store_mode {
    FV_STORE_READ,  // must exist; nothing is written
    FV_STORE_WRITE, // created where it does not exist
} fv_store_mode;

// Opens `path`. Fails with FV_NEWER for a store of a newer schema, FV_STORE for a file that is not
// a run store, FV_IO where the folder cannot be written, FV_NOT_FOUND for a store to read that does
// not exist. While one process has the store open for writing, a second one that wants to write
// fails with FV_STORE and the first one's process number; readers are always let in.
FV_API fv_status fv_store_open(const char *path, fv_store_mode mode, fv_store **store,
                               fv_error *error);
FV_API void fv_store_close(fv_store *store);

// Stores and evaluations that another program has locked are waited for, ten seconds long. With
// `say` they are waited for until they are free or *interrupted is set, and `say` is told, once,
// for whom. For the whole process; to be called before any is opened.
FV_API void fv_store_on_wait(void (*say)(void *context, const char *text), void *context,
                             const volatile int *interrupted);

// Whether a run is there, whole.
FV_API bool fv_store_has(fv_store *store, const char *id);

// Adds a run in one transaction; replaces one of the same id. `experiment` names the file it came
// from. The caller may group several puts between fv_store_begin and fv_store_commit.
FV_API fv_status fv_store_put(fv_store *store, const char *experiment, const fv_record *record,
                              fv_error *error);
FV_API fv_status fv_store_begin(fv_store *store, fv_error *error);
FV_API fv_status fv_store_commit(fv_store *store, fv_error *error);

// Loads a whole run; `id` may be a unique prefix (4 digits or more). Fails with FV_NOT_FOUND.
FV_API fv_status fv_store_get(fv_store *store, const char *id, fv_record *record, fv_error *error);

// Deletes a run; `id` as in fv_store_get.
FV_API fv_status fv_store_delete(fv_store *store, const char *id, fv_error *error);

// Every row of every run against its digest, the runs against their number and combined digest, and
// SQLite's own check of its pages: calls `damage` for whatever is wrong, with the run's id, or ""
// where it is the store, and a sentence.
typedef void (*fv_store_damage)(void *context, const char *id, const char *what);
typedef struct fv_checked {
    int n_runs, n_unchecked; // without digests, in older stores
} fv_checked;
FV_API fv_status fv_store_check(fv_store *store, fv_store_damage damage, void *context,
                                fv_checked *checked, fv_error *error);

// Gives the runs of older stores the digests that they lack, *n_added of them, makes the indexes
// anew, moves rows whose run is missing into the table `damaged`, and writes the whole file anew
// where SQLite finds fault with its pages.
FV_API fv_status fv_store_complete(fv_store *store, int *n_added, fv_error *error);

// Where runs have vanished or cannot be found, makes the indexes anew, and moves damaged runs into
// the table `damaged`; calls `say` with a sentence about each. Costs a look at every run's id.
typedef void (*fv_store_say)(void *context, const char *text);
FV_API fv_status fv_store_mend(fv_store *store, fv_store_say say, void *context, fv_error *error);

// A digest of everything that was computed: configuration, outcome, steps, series and snapshots,
// bit by bit, of every run in the order of ids; not of times, origin or order of arrival. Two
// stores with equal digests hold the same results. With `id` not NULL the digest of that run alone
// (id as in fv_store_get). 16 hexadecimal digits.
FV_API fv_status fv_store_digest(fv_store *store, const char *id, char digest[17], fv_error *error);

// Adds every run of `from` that `into` lacks; counts up `merged`. Where both have a run its results
// must be the same bit for bit, else FV_STORE and the run's id; a run that different probes
// measured gets the curves of both. Between fv_store_begin and
// fv_store_commit of `into`, all is added or, where it is closed without commit, nothing.
typedef struct fv_merged {
    int added, same, united;
} fv_merged;
FV_API fv_status fv_store_merge(fv_store *into, fv_store *from, fv_merged *merged, fv_error *error);

// Calls `visit` for every run, oldest first, with the record's config, outcome, steps and times
// (no series, no snapshots) and the final value of every series as `final` [n_final]. A visit that
// does not return FV_OK ends the walk with that status.
typedef struct fv_final {
    const char *name;
    double value;
} fv_final;
typedef fv_status (*fv_store_visit)(void *context, const fv_record *record, const char *experiment,
                                    const fv_final *final, int n_final);
FV_API fv_status fv_store_each(fv_store *store, fv_store_visit visit, void *context,
                               fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
