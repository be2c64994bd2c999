// Probes: measurements of a model, taken as curves while it trains or once on a finished run.
#ifndef FOVEA_PROBE_H
#define FOVEA_PROBE_H

#include <fovea/model.h>
#include <fovea/record.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// What a probe measures.
typedef struct fv_probe_view {
    const fv_model *model;
    const float *params;
    int step;
    const void *read; // what its reading made of test sequences; NULL without one
} fv_probe_view;

typedef struct fv_probe {
    const char *name;  // "effective_rank"
    const char *help;  // one line: what it measures and in which normalisation
    const char *needs; // a line of an experiment file without which it measures nothing, or NULL
    // What it reads of a forward pass over test sequences (src/probes/reading.h); NULL: parameters
    // alone.
    const struct fv_reading *reads;
    // FV_USAGE with the reason for a model that it does not take; NULL: it takes every model.
    fv_status (*check)(const fv_model *model, fv_error *error);
    // Adds its points to `record`'s series, which are named after the probe
    // ("effective_rank.blocks.0.attn.W_Q", "attention_mass.0[1]" = layer 0, offset 1).
    fv_status (*measure)(const fv_probe_view *view, fv_record *record, fv_error *error);
    // It takes long: a run measures it at its last step alone.
    bool at_end;
} fv_probe;

// Probes of one model, measured together at each step: what several of them read of the same test
// sequences comes from one forward pass. It owns these sequences and what is kept of them (at most
// 4 MB of attention patterns of each kind of sequences, more only for a single long one, and 32 MB
// of logits), so that a step takes no more memory. `model` must outlive it. Fails as
// fv_probe_check does for the first probe that does not take the model.
typedef struct fv_probing fv_probing;
FV_API fv_status fv_probing_create(const fv_model *model, const fv_probe *const *probes, int n,
                                   fv_probing **probing, fv_error *error);
FV_API void fv_probing_free(fv_probing *probing);

// Measures the parameters at `step`, probe by probe in the order given; those of the end (at_end) only
// where `step` is train.steps.
FV_API fv_status fv_probing_measure(fv_probing *probing, const float *params, int step,
                                    fv_record *record, fv_error *error);

// Whether the probe takes this model; FV_USAGE with the reason where not.
FV_API fv_status fv_probe_check(const fv_probe *probe, const fv_model *model, fv_error *error);

// One probe, once.
FV_API fv_status fv_probe_measure(const fv_probe *probe, const fv_model *model, const float *params,
                                  int step, fv_record *record, fv_error *error);

// All probes, and the one of a name (or NULL), and the nearest name for messages.
FV_API const fv_probe *const *fv_probes(int *n);
FV_API const fv_probe *fv_probe_find(const char *name);
FV_API const char *fv_probe_nearest(const char *name);

// The separation direction s [n_embd] of a model with learned positions: the unit vector from the
// positional embedding of the position to attend to (task copy: the source; other tasks: the
// previous position) to the mean of all others. False where there is none: no learned positions,
// fewer than two, or all the same.
FV_API bool fv_separation_fit(const fv_model *model, const float *params, double *s);

// s^T W_Q^h (W_K^h)^T s of attention layer `layer`, counted from 0, for any s [n_embd]; head -1
// sums over all heads. NAN where there is no such layer.
FV_API double fv_qk_form(const fv_model *model, const float *params, int layer, int head,
                         const double *s);

#ifdef __cplusplus
}
#endif
#endif
