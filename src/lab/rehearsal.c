#include "lab/rehearsal.h"

#include <fovea/config.h>
#include <fovea/lab.h>
#include <fovea/machine.h>
#include <fovea/train.h>
#include <string.h>

void rehearsal_init(rehearsal *r, const fv_experiment *experiment) {
    *r = (rehearsal){.experiment = experiment};
    fv_record_init(&r->record);
}

void rehearsal_free(rehearsal *r) {
    fv_record_free(&r->record);
    rehearsal_init(r, r->experiment);
}

fv_status rehearsal_run(rehearsal *r, const fv_config *config, const fv_record **record,
                        fv_error *error) {
    const fv_experiment *experiment = r->experiment;
    fv_config once = *config;
    enum { FEW = 16 }; // sequences: names do not depend on how many there are
    if (once.train.batch_size > FEW) once.train.batch_size = FEW;
    if (once.task.n_test > FEW) once.task.n_test = FEW;
    once.train.steps = 1;
    once.train.context_ranks = 1;
    once.train.snapshot_every = once.train.snapshots.n = 0;
    once.train.stop_metric = FV_METRIC_NONE;
    once.train.stop_value = 0;
    char id[17];
    fv_config_id(&once, fv_kernels_arithmetic(), id);
    *record = NULL;
    if (strcmp(id, r->id) != 0) {
        rehearsal_free(r);
        const fv_run_options options = {
            .n_threads = 1, .probes = experiment->probes, .n_probes = experiment->n_probes};
        fv_error cause = {0};
        fv_status status = fv_run(&once, &options, &r->record, &cause);
        if (status != FV_OK)
            return fv_fail(error, status, "%s: %.900s", experiment->path, cause.text);
        memcpy(r->id, id, sizeof r->id);
    }
    *r->record.config = *config; // the record has one since it was filled
    if (r->record.outcome != FV_OUTCOME_DIVERGED) *record = &r->record;
    return FV_OK;
}

fv_status fv_lab_rehearse(const fv_experiment *experiment, fv_error *error) {
    rehearsal stage;
    const fv_record *record;
    fv_config config;
    fv_experiment_config(experiment, 0, &config);
    rehearsal_init(&stage, experiment);
    fv_status status = rehearsal_run(&stage, &config, &record, error);
    rehearsal_free(&stage);
    return status;
}
