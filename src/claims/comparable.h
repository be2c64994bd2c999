// Whether a claim is judged on the runs that its file speaks of. Overrides of the command line may
// change a run, add runs to the sweep or take some away; what comes of such runs says nothing of
// the claim. Other seeds, or runs that are watched otherwise, do: FV_UNCOMPARED_FIELDS (fields.h).
#ifndef FOVEA_CLAIMS_COMPARABLE_H
#define FOVEA_CLAIMS_COMPARABLE_H

#include "base/text.h"
#include "claims/claim_plan.h"

// Adds what keeps the claim's runs from being compared: "train.steps was changed", as an axis is
// that has lost values. Nothing where they are, seeds apart, those of the file. Fails only without
// memory.
fv_status comparable_find(const fv_experiment *experiment, const claim_plan *plan, text_buffer *why,
                          fv_error *error);

// Adds all that overrides have changed of the sweep, seeds and watching too: one of them may have
// left a claim without its runs.
fv_status comparable_blame(const fv_experiment *experiment, text_buffer *why, fv_error *error);

#endif
