// Prompts that are written into files instead of being asked: every task at every length of the
// options, as long as they can be by the endpoint's count, or by estimates without one.
#ifndef FOVEA_SERVED_WRITTEN_H
#define FOVEA_SERVED_WRITTEN_H

#include "served/length.h"
#include "served/source.h"

#include <fovea/eval.h>

// A task at a length.
typedef struct written_part {
    const served_task *task;
    served_sample_place place; // of its first sample, without a depth
    length_rule rule;
} written_part;

// Starts as {0}; prepared or not, it must be freed.
typedef struct written {
    const fv_served_options *options;
    served_source source;
    token_counter counter;
    prompt prompt; // the one that was built last
    written_part *parts;
    int n_parts;
    fv_error left_out; // why a task has no prompt of some length; FV_OK where all have
} written;

// Connects, and finds what fills all lengths. Lengths that a task has no prompt of are left out;
// FV_USAGE where that leaves nothing, or for options that no task reads.
fv_status written_prepare(written *w, const fv_served_options *options, wire_api api,
                          fv_error *error);
void written_free(written *w);

// Of an answer.
int written_max_tokens(const written *w, const served_task *task);

// Builds the prompt of a place of the part: w->prompt, and how many tokens it has. place->n_units is
// 0 where none fits into the length.
fv_status written_build(written *w, const written_part *part, served_sample_place *place,
                        int *tokens, fv_error *error);

// What is said after all others are written: FV_OK, or what was left out.
fv_status written_left_out(const written *w, fv_error *error);

#endif
