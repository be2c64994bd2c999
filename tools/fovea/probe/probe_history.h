// What `fovea probe` tells of a run's past: its swaps, and its positions along one direction.
#ifndef FOVEA_TOOL_PROBE_HISTORY_H
#define FOVEA_TOOL_PROBE_HISTORY_H

#include "probe/probe_findings.h"

// The measurements at which tokens changed places around their circle (docs/probes.md, swaps).
typedef struct probe_swaps {
    int n_measured; // measurements compared; 0: the run has no circle, or nothing to compare
    bool recorded;  // by the run's own probe; otherwise found between its snapshots
    int n;
    int *steps;    // [n]
    int *n_tokens; // [n], with another successor
} probe_swaps;

// From the run's series `swaps`, else from its snapshots.
fv_status probe_swaps_find(const fv_model *model, const fv_record *record, probe_swaps *swaps,
                           fv_error *error);
void probe_swaps_free(probe_swaps *swaps);

// Positional embeddings and the circuits' quadratic forms along a fixed direction s, snapshot by
// snapshot.
typedef struct probe_path {
    bool fitted; // s is the separation direction of the last snapshot
    int n, T, n_forms;
    double *s;        // [n_embd]
    int *steps;       // [n]; -1: a checkpoint, which has no steps
    double *position; // [n][T], s . p; 0 without learned positions
    double *forms;    // [n][n_forms], s^T W_Q W_K^T s of every attention layer and head
} probe_path;

// `given` [n_given] is the direction, or NULL to fit one. path->n is 0 where none can be fitted.
// Fails with FV_USAGE for a direction of another width than the model's.
fv_status probe_path_find(const probe_subject *subject, const double *given, int n_given,
                          probe_path *path, fv_error *error);
void probe_path_free(probe_path *path);

json_t *probe_swaps_json(const probe_swaps *swaps);
json_t *probe_path_json(const probe_path *path, int n_embd);
void probe_swaps_print(const probe_swaps *swaps);
int probe_path_print(const probe_path *path, int n_embd, int n_head);

#endif
