// Runs whose sequences lie on all processes that mpirun started (train.context_ranks). Rank 0 is the command
// as ever; the others make every run that it begins together with it, each with its part of the positions, and
// keep nothing.
#ifndef FOVEA_TOOL_CONTEXT_RANKS_H
#define FOVEA_TOOL_CONTEXT_RANKS_H

#include "ring/ring_group.h"

#include <fovea/lab.h>

// The largest train.context_ranks of the experiment that the arguments of `run` name; 1 where there is none
// that can be read, which the command itself will say.
int context_ranks_asked(int argc, char **argv);

typedef struct context_ranks {
    ring_group *group;
    // Of all runs so far: steps, their seconds, and what the ranks told each other.
    double steps, seconds, waited, bytes;
} context_ranks;

// fv_lab_options.remote of rank 0, with a context_ranks as its context.
fv_status context_ranks_train(void *context, int worker, const fv_config *config,
                              const fv_probe *const *probes, int n_probes,
                              const volatile int *interrupted, fv_record *record, fv_error *error);

// Of the other ranks: trains with rank 0 until it ends. Returns an exit code.
int context_ranks_serve(ring_group *group);

// Rank 0 sends the others home, and prints what a step took, unless it was asked to be quiet.
void context_ranks_end(context_ranks *ranks, bool quiet);

#endif
