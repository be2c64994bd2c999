// What an experiment does that its author hardly meant and that only its results would show: each
// is said once, in a sentence, before anything is trained. A mistake that no reading of the file
// could excuse is an error and no warning.
#ifndef FOVEA_STUDY_WARNINGS_H
#define FOVEA_STUDY_WARNINGS_H

#include "base/text.h"

#include <fovea/experiment.h>

// Runs that are looked at, so that the largest sweeps begin without a delay.
enum { WARNINGS_MAX_RUNS = 10000 };

// How many of the sweep's runs are looked at.
int warnings_n_runs(const fv_experiment *experiment);

// Each adds its sentence, or leaves the text empty where there is nothing to say.

// Runs that train the same model under two names: a field of the sweep that changes nothing.
fv_status repeats_find(const fv_experiment *experiment, text_buffer *text, fv_error *error);

// Claim i, or figure i: a mean or a sum, or an agreement of all of a seed's runs, over samples that
// differ.
fv_status samples_of_claim(const fv_experiment *experiment, int i, text_buffer *text,
                           fv_error *error);
fv_status samples_of_figure(const fv_experiment *experiment, int i, text_buffer *text,
                            fv_error *error);

// Configurations whose task no training can teach. Rule i of n_unlearnable; at most one sentence.
extern const int n_unlearnable;
void unlearnable_find(const fv_experiment *experiment, int i, text_buffer *text);

#endif
