// Probes: measurements of a model, taken as curves while it trains or once on a finished run.
#ifndef FOVEA_PROBE_H
#define FOVEA_PROBE_H

#include <fovea/model.h>
#include <fovea/record.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_probe {
    const char *name; // "effective_rank"
    const char *help; // one line: what it measures and in which normalisation
    // Measures the parameters at `step` and adds its points to `record`'s series, named after the
    // probe ("effective_rank.blocks.0.attn.W_Q", "attention_mass.0[1]" = layer 0, offset 1).
    fv_status (*measure)(const fv_model *model, const float *params, int step, fv_record *record,
                         fv_error *error);
    const char *needs; // a line of an experiment file without which it measures nothing, or ""
} fv_probe;

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
