// What must hold between fields, whichever parts a configuration has; each part knows the rest.
#include "config/config_check.h"

#include "config/part.h"
#include "config/stages.h"

void config_settle_length(fv_task_config *task) {
    if (task->context_length == 0) task->context_length = task_only_length(task);
}

// What the task itself asks of sequences of a length.
static fv_status check_length(const config_checking *c, int length) {
    fv_config config = *c->config;
    config.task.context_length = length;
    const config_part *part = FV_PARTS_OF_TASK[config.task.name];
    return part->check == NULL ? FV_OK
                               : part->check(&(config_checking){&config, c->culprit, c->error}, 0);
}

// Training lengths: inside the context, and every one of them a length that the task can have.
static fv_status check_lengths(const config_checking *c) {
    const fv_task_config *task = &c->config->task;
    int longest = task->length_max > 0 ? task->length_max : task->context_length;
    int shortest = task->length_min > 0 ? task->length_min : longest;
    if (longest > task->context_length)
        return check_refuse(c, "task.length_max",
                            "task.length_max %d is longer than what the model reads; "
                            "task.context_length allows 1 to %d",
                            longest, task->context_length);
    if (shortest > longest)
        return check_refuse(
            c, "task.length_min",
            "task.length_min %d is longer than the longest training sequence; it allows "
            "1 to %d",
            shortest, longest);
    if ((longest - shortest) / task->length_step >= FV_MAX_LENGTHS)
        return check_refuse(
            c, "task.length_step",
            "task.length_step %d makes %d training lengths; no more than %d are kept "
            "ready, so that it needs %d or more",
            task->length_step, (longest - shortest) / task->length_step + 1, FV_MAX_LENGTHS,
            (longest - shortest) / FV_MAX_LENGTHS + 1);
    if (longest - shortest >= task->length_step && task->data == FV_DATA_FIXED)
        return check_refuse(
            c, "task.length_min",
            "task.length_min %d draws lengths, and a fixed training set has one; set "
            "task.data fresh or leave length_min out",
            shortest);
    fv_status status = check_length(c, longest);
    return status == FV_OK ? check_length(c, shortest) : status;
}

static fv_status refuse_no_length(const config_checking *c) {
    char tasks[256];
    tasks_of_one_length(tasks, sizeof tasks);
    return check_refuse(
        c, "task.context_length",
        "task.context_length must be a whole number from 1 to 65536 for task.name %s; "
        "0, the length that follows from other fields, is for %s",
        fv_field_find("task.name")->choices[c->config->task.name], tasks);
}

static fv_status check_task(const config_checking *c) {
    const fv_task_config *task = &c->config->task;
    if (task->context_length == 0 && task_only_length(task) == 0) return refuse_no_length(c);
    fv_status status = check_length(c, task->context_length);
    return status == FV_OK ? check_lengths(c) : status;
}

static fv_status check_model(const config_checking *c) {
    const fv_model_config *model = &c->config->model;
    if (model->n_embd % model->n_head == 0) return FV_OK;
    return check_refuse(c, "model.n_head",
                        "model.n_head %d does not divide model.n_embd %d; each head gets n_embd "
                        "/ n_head dimensions",
                        model->n_head, model->n_embd);
}

// Models of real numbers in place of tokens.
static fv_status check_reals(const config_checking *c) {
    const fv_model_config *model = &c->config->model;
    int n_inputs = task_inputs(&c->config->task), n_outputs = task_outputs(&c->config->task);
    const char *task = fv_field_find("task.name")->choices[c->config->task.name];
    bool direct = model->embedding == FV_EMBEDDING_DIRECT;
    if (direct && n_inputs == 0)
        return check_refuse(
            c, "model.embedding",
            "model.embedding direct hands on the reals of a position, and task.name "
            "%s has tokens; it needs a task with inputs, such as linear_regression",
            task);
    if (direct && n_inputs != model->n_embd)
        return check_refuse(c, "model.n_embd",
                            "model.n_embd %d is not the number of reals of a position; "
                            "model.embedding direct needs %d",
                            model->n_embd, n_inputs);
    if (model->tied && (n_inputs > 0 || n_outputs > 0))
        return check_refuse(
            c, "model.tied",
            "model.tied ties tables of tokens, and task.name %s has reals; leave it "
            "out",
            task);
    if (model->readout == FV_READOUT_HARMONIC && n_outputs > 0)
        return check_refuse(
            c, "model.readout",
            "model.readout harmonic weighs tokens, and task.name %s asks for reals; "
            "leave it out",
            task);
    return FV_OK;
}

// A threshold that can never be reached is a slip of the pen.
static fv_status check_threshold(const config_checking *c, const char *metric, double lowest,
                                 double highest) {
    double value = c->config->train.stop_value;
    if (value >= lowest && value <= highest) return FV_OK;
    return check_refuse(
        c, "train.stop_value",
        "train.stop_value %g can never be reached or always is: %s lies between %g and %g", value,
        metric, lowest, highest);
}

static fv_status refuse_no_test(const config_checking *c) {
    char tasks[256];
    tasks_that_repeat(tasks, sizeof tasks);
    return check_refuse(c, "train.stop_metric",
                        "train.stop_metric test_accuracy needs a test set: task.data fixed (or %s "
                        "that trains on other data than it is tested on) and task.n_test above 0",
                        tasks);
}

static fv_status check_stop(const config_checking *c) {
    const fv_train_config *train = &c->config->train;
    const fv_task_config *task = &c->config->task;
    bool reals = task_outputs(task) > 0;
    if (reals && train->stop_metric != FV_METRIC_NONE && train->stop_metric != FV_METRIC_LOSS)
        return check_refuse(c, "train.stop_metric",
                            "train.stop_metric %s is for tokens; with real targets there is loss",
                            fv_field_find("train.stop_metric")->choices[train->stop_metric]);
    switch (train->stop_metric) {
    case FV_METRIC_NONE:
        return FV_OK;
    case FV_METRIC_LOSS:
        return check_threshold(c, "the loss", 1e-30, 1e30);
    case FV_METRIC_PERPLEXITY:
        return check_threshold(c, "perplexity", 1, 1e30);
    case FV_METRIC_TEST_ACCURACY:
        if (!config_has_test(task)) return refuse_no_test(c);
        return check_threshold(c, "accuracy", 1e-30, 1);
    default:
        return check_threshold(c, "accuracy", 1e-30, 1);
    }
}

// A place says nothing of what a run began as; its digest does.
static fv_status check_start(const config_checking *c) {
    const fv_train_config *train = &c->config->train;
    bool place = train->from.value[0] != '\0', digest = train->from_digest.value[0] != '\0';
    if (place == digest) return FV_OK;
    if (place)
        return check_refuse(c, "train.from",
                            "train.from %.100s has not been read; an experiment reads it",
                            train->from.value);
    return check_refuse(c, "train.from_digest",
                        "train.from_digest %.16s needs train.from, where these parameters are",
                        train->from_digest.value);
}

bool config_has_test(const fv_task_config *task) {
    return task->n_test > 0 && (task->data == FV_DATA_FIXED || task_repeats(task));
}

fv_status config_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    const config_checking c = {config, culprit, error};
    *culprit = NULL;
    fv_status status = parts_check_whole(&c);
    if (status == FV_OK) status = check_task(&c);
    if (status == FV_OK) status = parts_check(&c);
    if (status == FV_OK) status = check_model(&c);
    if (status == FV_OK) status = check_reals(&c);
    if (status == FV_OK) status = check_stop(&c);
    if (status == FV_OK) status = check_start(&c);
    if (status == FV_OK) status = stages_check(config, culprit, error);
    return status;
}

fv_status fv_config_check(const fv_config *config, fv_error *error) {
    const fv_field *culprit;
    fv_status status = config_check_readers(config, &culprit, error);
    return status == FV_OK ? config_check(config, &culprit, error) : status;
}
