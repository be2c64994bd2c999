// A claim of an experiment file, read and checked: what to measure on which runs, and when a seed
// agrees.
#ifndef FOVEA_LAB_CLAIM_PLAN_H
#define FOVEA_LAB_CLAIM_PLAN_H

#include <fovea/claim.h>

typedef enum fv_claim_kind {
    FV_CLAIM_NEAR,  // |measure - published| <= tolerance
    FV_CLAIM_BOUND, // above < measure < below
    FV_CLAIM_TREND, // the measure rises or falls along a field
} fv_claim_kind;

typedef struct fv_claim_plan {
    const fv_options *options;
    const char *statement, *measure, *published, *note; // in the experiment
    char id[64];
    fv_claim_kind kind;
    double target, tolerance;
    double above, below; // -INFINITY and INFINITY where not given
    const fv_field *across;
    double sign; // +1 increasing, -1 decreasing
} fv_claim_plan;

// Reads claim i. Fails with FV_USAGE and "file:line: ...".
fv_status fv_claim_read(const fv_experiment *experiment, int i, fv_claim_plan *plan,
                        fv_error *error);

// Whether the claim's `where` picks runs of this configuration.
bool fv_claim_selects(const fv_claim_plan *plan, const fv_config *config);

#endif
