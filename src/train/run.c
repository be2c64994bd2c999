// A whole run: steps, curves, probes, snapshots, and how it ended.
#include "base/clock.h"
#include "config/config_check.h"
#include "config/part.h"
#include "probes/probes.h"
#include "train/optimizer.h"
#include "train/ranks.h"

#include <fovea/machine.h>
#include <fovea/train.h>

#include <math.h>
#include <stdio.h>

typedef struct run {
    const fv_config *config;
    const fv_run_options *options;
    fv_trainer *trainer;
    fv_probing *probing; // NULL until the first measurement
    fv_record *record;
    fv_error *error;
    bool tests; // held-out metrics are measured
    double started, training_seconds;
} run;

static fv_status add(run *r, const char *series, int step, double value) {
    fv_status status = fv_record_add(r->record, series, step, (float)value);
    return status == FV_OK ? FV_OK
                           : fv_fail(r->error, status, "out of memory for the curves of a run");
}

// A loss, its perplexity and the accuracy under three names; squared errors have the first alone.
static fv_status add_metrics(run *r, int step, const char *const names[3], double loss,
                             double accuracy) {
    fv_status status = add(r, names[0], step, loss);
    if (task_outputs(&r->config->task) > 0) return status;
    if (status == FV_OK) status = add(r, names[1], step, exp(loss));
    if (status == FV_OK) status = add(r, names[2], step, accuracy);
    return status;
}

static bool wants_snapshot(const fv_train_config *config, int step) {
    if (step == config->steps) return false; // the result is kept anyway
    if (config->snapshot_every > 0 && step % config->snapshot_every == 0) return true;
    for (int i = 0; i < config->snapshots.n; i++)
        if (config->snapshots.value[i] == step) return true;
    return false;
}

static bool wants_probes(const fv_train_config *config, int step) {
    int every = config->probe_every > 0 ? config->probe_every : config->log_every;
    return step % every == 0 || step == config->steps;
}

// What is measured on the parameters before a step.
static fv_status observe(run *r, int step) {
    const float *params = fv_trainer_params(r->trainer);
    fv_status status = FV_OK;
    if (wants_snapshot(&r->config->train, step)) {
        status = fv_record_add_snapshot(r->record, step, params);
        if (status != FV_OK) return fv_fail(r->error, status, "out of memory for a snapshot");
    }
    if (!wants_probes(&r->config->train, step)) return FV_OK;
    if (r->options->n_probes == 0) return FV_OK;
    if (r->probing == NULL)
        status = fv_probing_create(fv_trainer_model(r->trainer), r->options->probes,
                                   r->options->n_probes, &r->probing, r->error);
    return status == FV_OK ? fv_probing_measure(r->probing, params, step, r->record, r->error)
                           : status;
}

static fv_status observe_test(run *r, int step) {
    static const char *const names[] = {"test_loss", "test_perplexity", "test_accuracy"};
    double loss, accuracy;
    fv_trainer_test(r->trainer, &loss, &accuracy);
    return add_metrics(r, step, names, loss, accuracy);
}

static bool reached_goal(const run *r) {
    static const char *const names[FV_METRIC_COUNT] = {
        [FV_METRIC_LOSS] = "loss",
        [FV_METRIC_PERPLEXITY] = "perplexity",
        [FV_METRIC_ACCURACY] = "accuracy",
        [FV_METRIC_TEST_ACCURACY] = "test_accuracy",
    };
    int metric = r->config->train.stop_metric;
    if (metric == FV_METRIC_NONE) return false;
    const fv_series *series = fv_record_find(r->record, names[metric]);
    if (series == NULL || series->n == 0) return false;
    double value = series->values[series->n - 1], goal = r->config->train.stop_value;
    bool accuracy = metric == FV_METRIC_ACCURACY || metric == FV_METRIC_TEST_ACCURACY;
    return accuracy ? value >= goal : value <= goal;
}

// What selectors of attention learn from, layer by layer and the sum of all.
static fv_status add_own_losses(run *r, int step) {
    fv_status status = FV_OK;
    double sum = 0;
    int n = 0, index;
    for (int i = 0; i < r->config->model.layers.n && status == FV_OK; i++) {
        char name[32];
        double loss = trainer_own_loss(r->trainer, i, &index);
        if (isnan(loss)) continue;
        snprintf(name, sizeof name, "selector_loss.%d", index);
        status = add(r, name, step, loss);
        sum += loss;
        n++;
    }
    return n > 0 && status == FV_OK ? add(r, "selector_loss", step, sum) : status;
}

// Where a stage begins, all that is measured at its first step is measured of its task.
static fv_status enter_stage(run *r) {
    bool entered;
    fv_status status = trainer_enter_stage(r->trainer, &entered, r->error);
    if (status != FV_OK || !entered) return status;
    fv_probing_free(r->probing);
    r->probing = NULL;
    r->config = trainer_config(r->trainer);
    r->tests = config_has_test(&r->config->task);
    return FV_OK;
}

// One step; *ended when the run is over before its last step.
static fv_status take_step(run *r, int step, bool *ended) {
    static const char *const names[] = {"loss", "perplexity", "accuracy"};
    fv_status status = enter_stage(r);
    if (status != FV_OK) return status;
    const fv_train_config *config = &r->config->train;
    bool logs = step % config->log_every == 0 || step == config->steps - 1;
    status = observe(r, step);
    if (status == FV_OK && logs && r->tests) status = observe_test(r, step);
    if (status != FV_OK) return status;
    status = fv_trainer_prepare(r->trainer, r->error);
    if (status != FV_OK) return status;
    double accuracy, begun = clock_now();
    double loss = fv_trainer_step(r->trainer, logs ? &accuracy : NULL);
    r->training_seconds += clock_now() - begun;
    status = trainer_rank_failed(r->trainer, r->error);
    if (status != FV_OK) return status;
    if (!isfinite(loss)) {
        r->record->outcome = FV_OUTCOME_DIVERGED;
        *ended = true;
        return FV_OK;
    }
    if (!logs) return FV_OK;
    status = add_metrics(r, step, names, loss, accuracy);
    if (status == FV_OK) status = add_own_losses(r, step);
    if (status == FV_OK) status = add(r, "learning_rate", step, schedule_rate(config, step));
    if (r->options->on_log) r->options->on_log(r->options->context, step, exp(loss));
    if (reached_goal(r)) {
        r->record->outcome = FV_OUTCOME_STOPPED;
        *ended = true;
    }
    return status;
}

// The flag may be set by another thread or a signal handler.
static bool is_interrupted(const fv_run_options *options) {
    return options->interrupted && __atomic_load_n(options->interrupted, __ATOMIC_RELAXED) != 0;
}

static fv_status train(run *r) {
    int n = r->config->train.steps, step = 0;
    bool ended = false;
    fv_status status = FV_OK;
    for (; step < n && !ended && status == FV_OK; step++) {
        if (trainer_any_rank(r->trainer, is_interrupted(r->options)))
            return fv_fail(r->error, FV_INTERRUPTED, "interrupted at step %d of %d", step, n);
        status = take_step(r, step, &ended);
    }
    if (status != FV_OK) return status;
    r->record->steps = step;
    bool diverged = r->record->outcome == FV_OUTCOME_DIVERGED;
    if (!diverged && r->tests) status = observe_test(r, step);
    if (!diverged && status == FV_OK && !ended) status = observe(r, step);
    if (status == FV_OK &&
        fv_record_add_snapshot(r->record, step, fv_trainer_params(r->trainer)) != FV_OK)
        status = fv_fail(r->error, FV_NO_MEMORY, "out of memory for a snapshot");
    return status;
}

fv_status fv_run(const fv_config *config, const fv_run_options *options, fv_record *record,
                 fv_error *error) {
    run r = {.config = config, .options = options, .record = record, .error = error};
    r.tests = config_has_test(&config->task);
    r.started = clock_now();
    fv_status status = options->ranks
                           ? fv_trainer_create_rank(config, options->ranks, &r.trainer, error)
                           : fv_trainer_create(config, options->n_threads, &r.trainer, error);
    if (status != FV_OK) return status;
    status = fv_record_set_config(record, config, error);
    if (status != FV_OK) {
        fv_trainer_free(r.trainer);
        return status;
    }
    record->numerics = fv_config_numerics(config);
    snprintf(record->kernels, sizeof record->kernels, "%s", fv_kernels_name());
    probes_list(options->probes, options->n_probes, record->probes);
    fv_config_id(config, fv_kernels_arithmetic(), record->id);
    record->outcome = FV_OUTCOME_DONE;
    record->n_params = fv_model_n_params(fv_trainer_model(r.trainer));
    status = train(&r);
    record->wall_seconds = clock_now() - r.started;
    record->us_per_step = record->steps > 0 ? 1e6 * r.training_seconds / record->steps : 0;
    if (options->ranks_report) *options->ranks_report = fv_trainer_ranks(r.trainer);
    fv_probing_free(r.probing);
    fv_trainer_free(r.trainer);
    return status;
}
