// A share of a sweep, for machines that cannot talk to each other: all runs, the longest first, are
// dealt out in turns, so that shares are about equally long. Who gets what depends on the sweep
// alone, not on what any store has already: a repeated command finds its own share again.
#ifndef LAB_SHARE_H
#define LAB_SHARE_H

#include <fovea/status.h>
#include <stdbool.h>

// Sets mine[i] for the runs of share `share` of 1 to n_shares; `work` [n] is how long each takes.
// Fails only without memory.
fv_status share_deal(const double *work, int n, int share, int n_shares, bool *mine,
                     fv_error *error);

#endif
