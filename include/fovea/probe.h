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
} fv_probe;

// All probes, and the one of a name (or NULL), and the nearest name for messages.
FV_API const fv_probe *const *fv_probes(int *n);
FV_API const fv_probe *fv_probe_find(const char *name);
FV_API const char *fv_probe_nearest(const char *name);

#ifdef __cplusplus
}
#endif
#endif
