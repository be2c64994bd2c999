// What must hold between fields, one function a section.
#include "base/config_check.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct check {
    const fv_config *config;
    const fv_field **culprit;
    fv_error *error;
} check;

static fv_status refuse(const check *c, const char *key, const char *format, ...) FV_PRINTF(3, 4);

static fv_status refuse(const check *c, const char *key, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    *c->culprit = fv_field_find(key);
    return fv_fail(c->error, FV_USAGE, "%s", message);
}

static fv_status check_copy(const check *c) {
    const fv_task_config *task = &c->config->task;
    if (task->index >= task->context_length)
        return refuse(c, "task.index",
                      "task.index %d lies past the context; task.context_length %d allows 0 to %d",
                      task->index, task->context_length, task->context_length - 1);
    if (task->index < 0 && task->offset >= task->context_length)
        return refuse(c, "task.offset",
                      "task.offset %d reaches past the context; task.context_length %d allows 0 to "
                      "%d",
                      task->offset, task->context_length, task->context_length - 1);
    return FV_OK;
}

static fv_status check_task(const check *c) {
    switch (c->config->task.name) {
    case FV_TASK_COPY:
        return check_copy(c);
    }
    return FV_OK;
}

static fv_status check_model(const check *c) {
    const fv_model_config *model = &c->config->model;
    if (model->n_embd % model->n_head != 0)
        return refuse(c, "model.n_head",
                      "model.n_head %d does not divide model.n_embd %d; each head gets n_embd / "
                      "n_head dimensions",
                      model->n_head, model->n_embd);
    return FV_OK;
}

// A threshold that can never be reached is a slip of the pen.
static fv_status check_threshold(const check *c, const char *metric, double lowest,
                                 double highest) {
    double value = c->config->train.stop_value;
    if (value >= lowest && value <= highest) return FV_OK;
    return refuse(
        c, "train.stop_value",
        "train.stop_value %g can never be reached or always is: %s lies between %g and %g", value,
        metric, lowest, highest);
}

static fv_status check_stop(const check *c) {
    const fv_train_config *train = &c->config->train;
    const fv_task_config *task = &c->config->task;
    switch (train->stop_metric) {
    case FV_METRIC_NONE:
        if (train->stop_value == 0) return FV_OK;
        return refuse(c, "train.stop_value",
                      "train.stop_value %g needs train.stop_metric: loss, perplexity, accuracy or "
                      "test_accuracy",
                      train->stop_value);
    case FV_METRIC_LOSS:
        return check_threshold(c, "the loss", 1e-30, 1e30);
    case FV_METRIC_PERPLEXITY:
        return check_threshold(c, "perplexity", 1, 1e30);
    case FV_METRIC_TEST_ACCURACY:
        if (task->data != FV_DATA_FIXED || task->n_test == 0)
            return refuse(c, "train.stop_metric",
                          "train.stop_metric test_accuracy needs a test set: task.data fixed and "
                          "task.n_test above 0");
        return check_threshold(c, "accuracy", 1e-30, 1);
    default:
        return check_threshold(c, "accuracy", 1e-30, 1);
    }
}

fv_status config_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    const check c = {config, culprit, error};
    *culprit = NULL;
    fv_status status = check_task(&c);
    if (status == FV_OK) status = check_model(&c);
    if (status == FV_OK) status = check_stop(&c);
    return status;
}

fv_status fv_config_check(const fv_config *config, fv_error *error) {
    const fv_field *culprit;
    return config_check(config, &culprit, error);
}
