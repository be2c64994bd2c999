// The probes, once. A new probe is its own file with its descriptor, probe_<name>, and one line
// here.
#ifndef FOVEA_PROBES_PROBES_H
#define FOVEA_PROBES_PROBES_H

#include "probes/probe_reading.h"

#include <fovea/probe.h>
#include <stdbool.h>

// In the order of `fovea probe` and docs/probes.md.
#define FV_PROBE_LIST(X)                                                                           \
    X(effective_dimension)                                                                         \
    X(effective_rank)                                                                              \
    X(circuit_form)                                                                                \
    X(composition)                                                                                 \
    X(embedding_norm)                                                                              \
    X(attention_mass)                                                                              \
    X(token_groups)                                                                                \
    X(neighbours)                                                                                  \
    X(separation)                                                                                  \
    X(current_token)                                                                               \
    X(previous_token)                                                                              \
    X(first_token)                                                                                 \
    X(duplicate_token)                                                                             \
    X(induction)                                                                                   \
    X(ablation)                                                                                    \
    X(indexer_recall)                                                                              \
    X(token_loss)                                                                                  \
    X(position_loss)                                                                               \
    X(score_power)                                                                                 \
    X(swaps)                                                                                       \
    X(needle_grid)                                                                                 \
    X(length_accuracy)

#define FV_PROBE_DECLARE(name) extern const fv_probe probe_##name;
FV_PROBE_LIST(FV_PROBE_DECLARE)
#undef FV_PROBE_DECLARE

// FV_USAGE where the descriptor of the probe of a name lacks a member that nothing works without.
fv_status probes_check(const char *name, fv_error *error);

// Lists of probes as records keep them: names in alphabetical order, each once, separated by
// commas. `text` has FV_PROBES_SIZE bytes.
void probes_list(const fv_probe *const *list, int n, char *text);
bool probes_listed(const char *text, const char *name);

// Adds the probes of `more` to `text`, names that this Fovea does not know included.
void probes_unite(char *text, const char *more);

#endif
