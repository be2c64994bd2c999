// Many runs in one pass over the tables: a tenth of what it takes to ask for each.
#ifndef FOVEA_STORE_STORE_WALK_H
#define FOVEA_STORE_STORE_WALK_H

#include "store/store_db.h"

typedef struct store_walker {
    // Whether the run is to be read; the call behind it is take's, of the same run, or none.
    bool (*wants)(void *context, const char *id);
    // A run, checked as fv_store_get checks it; what the record owns is the callee's from then on.
    // Ends the walk with what it returns, unless FV_OK.
    fv_status (*take)(void *context, fv_record *record);
    void *context;
    bool brief; // its curves have their last points only, at its last step, and it has no snapshots
} store_walker;

// Every run that is wanted and whole, in the order in which they were stored. A run with which
// anything is wrong, whose rows do not stand together, or that has no digest, is passed over
// without a word: fv_store_get has the words. Within a transaction of its own. At the end FV_STORE
// where the indexes, which the walk does without, do not lead to the rows that it has seen: what it
// handed over is whole, and others would not find it.
fv_status store_walk(fv_store *store, const store_walker *walker, fv_error *error);

#endif
