// Runs that an older Fovea trained of the same configurations. Their numerics are part of their
// identity, so that they are not taken for what is asked for; whoever trains those again should
// hear why.
#ifndef LAB_OLDER_RUNS_H
#define LAB_OLDER_RUNS_H

#include <fovea/store.h>

typedef struct older_runs {
    int n;           // configurations of which the store has a run of older numerics only
    int first, last; // the versions of those runs, the newest that each configuration has
    int now;         // the newest version that they are trained with now
} older_runs;

// Counts the configuration, of which the store has no run of its present numerics. `probes` are
// those of the experiment (probes_list).
void older_runs_count(older_runs *older, fv_store *store, const fv_config *config,
                      const char *probes);

// "NAME: 12 stored runs are of numerics 4, ...". Only where n > 0.
void older_runs_text(const older_runs *older, const char *experiment, char *text, size_t size);

#endif
