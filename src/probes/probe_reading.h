// What probes read of a forward pass. A reading says which test sequences it wants to see and which
// of their activations, and makes of them what its probes measure: attention patterns, sums of
// losses. Readings of the same sequences share one pass, and probes share readings (probing.c).
#ifndef FOVEA_PROBES_PROBE_READING_H
#define FOVEA_PROBES_PROBE_READING_H

#include <fovea/activation_cache.h>

typedef enum probe_sequences {
    FV_SEQUENCES_NONE,     // this model has nothing to read
    FV_SEQUENCES_TEST,     // test sequences of the model's seed, from the first on
    FV_SEQUENCES_REPEATED, // uniformly random tokens that repeat: token t is token t - T/2
} probe_sequences;

typedef struct probe_reads {
    probe_sequences sequences;
    fv_rows_kept rows;
    const char *names; // a shell pattern (activation_cache.h)
    int n;             // sequences
    int most_at_once;  // so that they need no more memory than they should; 0: all at once
} probe_reads;

// Some of the sequences and what was kept of them.
typedef struct probe_piece {
    const fv_activations *activations; // of more than these, perhaps
    int n;                             // sequences
    const int32_t *tokens;             // [n][T]
    const int32_t *targets;            // [n][loss positions], -1: none; not of repeated sequences
    probe_sequences sequences;
} probe_piece;

typedef struct fv_reading {
    // What it reads of this model; a function of the model alone, which holds for a whole run.
    fv_status (*plan)(const fv_model *model, probe_reads *reads, fv_error *error);
    // Its memory, for all steps of a run.
    fv_status (*create)(const fv_model *model, const probe_reads *reads, void **state,
                        fv_error *error);
    void (*free)(void *state);
    void (*begin)(void *state); // a step; NULL: there is nothing to do
    // The sequences in their order, piece by piece.
    void (*take)(void *state, const probe_piece *piece);
} fv_reading;

extern const fv_reading reading_patterns; // head_batch, head_scores.h
extern const fv_reading reading_prefix;   // the same, of sequences that repeat tokens
extern const fv_reading reading_losses;   // probe_losses, predictions.h
extern const fv_reading reading_confusion;

#endif
