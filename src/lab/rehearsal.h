// A rehearsal: one step of a run, for the names of what it will have measured. Which series a run
// has follows from its task, model and probes together (swaps want a width of 2, test_accuracy a
// test set), and only the run itself knows all of it. One step takes milliseconds, where finding
// out from the whole sweep may take hours.
#ifndef FOVEA_LAB_REHEARSAL_H
#define FOVEA_LAB_REHEARSAL_H

#include <fovea/experiment.h>
#include <fovea/record.h>

typedef struct rehearsal {
    const fv_experiment *experiment;
    char id[17]; // of the run in `record`; "" before the first
    fv_record record;
} rehearsal;

void rehearsal_init(rehearsal *r, const fv_experiment *experiment);
void rehearsal_free(rehearsal *r);

// *record: the run after one step, owned by the rehearsal until the next call; NULL where the first
// step diverges, which leaves its series unknown. Fails as the run itself would, with the file's
// name.
fv_status rehearsal_run(rehearsal *r, const fv_config *config, const fv_record **record,
                        fv_error *error);

#endif
