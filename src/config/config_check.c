// What must hold between fields, one function a section.
#include "config/config_check.h"

#include "config/config_readers.h"
#include "config/layer_list.h"

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

static fv_status check_similar(const check *c) {
    if (c->config->task.context_length >= 2) return FV_OK;
    return refuse(c, "task.context_length",
                  "task.context_length 1 has no earlier token for task.name similar to find; it "
                  "needs 2 or more");
}

// The one length that sequences of the task have; 0 where they may have others.
static int only_length(const fv_task_config *task) {
    return task->name == FV_TASK_RECALL ? 2 * task->n_pairs + 1 : 0;
}

void config_settle_length(fv_task_config *task) {
    if (task->context_length == 0) task->context_length = only_length(task);
}

static fv_status check_recall(const check *c) {
    const fv_task_config *task = &c->config->task;
    bool split = task->pool == FV_POOL_SPLIT;
    int n_keys = split ? task->vocab_size / 2 : task->vocab_size;
    if (task->n_pairs > n_keys)
        return refuse(c, "task.n_pairs",
                      "task.n_pairs %d needs as many different keys, and task.vocab_size %d with "
                      "task.pool %s has %d",
                      task->n_pairs, task->vocab_size, split ? "split" : "shared", n_keys);
    if (task->context_length != only_length(task))
        return refuse(c, "task.context_length",
                      "task.context_length %d does not fit task.n_pairs %d; task.name recall has 2 "
                      "n_pairs + 1 = %d tokens",
                      task->context_length, task->n_pairs, only_length(task));
    if (task->context_repetition > task->n_pairs)
        return refuse(c, "task.context_repetition",
                      "task.context_repetition %g is more than all task.n_pairs %d pairs",
                      task->context_repetition, task->n_pairs);
    if (task->sample_repetition > 0 && n_keys < 2)
        return refuse(c, "task.sample_repetition",
                      "task.sample_repetition repeats two keys, and task.vocab_size %d has %d",
                      task->vocab_size, n_keys);
    return FV_OK;
}

static fv_status check_mqar(const check *c) {
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2 - 1; // token 0 is filler
    if (task->n_pairs > n_keys)
        return refuse(c, "task.n_pairs",
                      "task.n_pairs %d needs as many different keys, and task.vocab_size %d has %d "
                      "(1 to vocab_size / 2 - 1)",
                      task->n_pairs, task->vocab_size, n_keys);
    if (task->context_length < 4 * task->n_pairs)
        return refuse(c, "task.context_length",
                      "task.context_length %d does not hold task.n_pairs %d pairs and as many "
                      "queries; task.name mqar needs 4 n_pairs = %d tokens or more",
                      task->context_length, task->n_pairs, 4 * task->n_pairs);
    return FV_OK;
}

static fv_status check_induction(const check *c) {
    const fv_task_config *task = &c->config->task;
    if (task->context_length < 2)
        return refuse(c, "task.context_length",
                      "task.context_length 1 cannot repeat; task.name induction needs 2 or more");
    if (task->period >= task->context_length)
        return refuse(c, "task.period",
                      "task.period %d leaves no repetition in task.context_length %d; it allows 1 "
                      "to %d",
                      task->period, task->context_length, task->context_length - 1);
    return FV_OK;
}

static fv_status check_selective_copy(const check *c) {
    const fv_task_config *task = &c->config->task;
    if (task->vocab_size < 3)
        return refuse(c, "task.vocab_size",
                      "task.vocab_size %d holds the blank and the marker of task.name "
                      "selective_copy and no data; it needs 3 or more",
                      task->vocab_size);
    if (task->context_length < 2 * task->n_copy)
        return refuse(c, "task.n_copy",
                      "task.n_copy %d tokens and as many markers do not fit task.context_length "
                      "%d; it allows 1 to %d",
                      task->n_copy, task->context_length, task->context_length / 2);
    return FV_OK;
}

static fv_status check_needle(const check *c) {
    const fv_task_config *task = &c->config->task;
    if (task->context_length >= 3) return FV_OK;
    return refuse(c, "task.context_length",
                  "task.context_length %d holds no needle and its question; task.name needle needs "
                  "3 or more",
                  task->context_length);
}

static fv_status check_needle_multi(const check *c) {
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2, tail = task->n_queries * task->n_values;
    int needed = 2 * task->n_pairs * task->n_values + tail;
    if (task->n_pairs > n_keys)
        return refuse(c, "task.n_pairs",
                      "task.n_pairs %d needs as many different keys, and task.vocab_size %d has %d",
                      task->n_pairs, task->vocab_size, n_keys);
    if (task->n_queries > task->n_pairs)
        return refuse(c, "task.n_queries",
                      "task.n_queries %d asks for more keys than there are; task.n_pairs %d allows "
                      "1 to %d",
                      task->n_queries, task->n_pairs, task->n_pairs);
    if (task->context_length < needed)
        return refuse(c, "task.context_length",
                      "task.context_length %d does not hold the needles and questions; n_pairs %d, "
                      "n_values %d and n_queries %d need %d tokens or more",
                      task->context_length, task->n_pairs, task->n_values, task->n_queries, needed);
    return FV_OK;
}

static fv_status check_kv_retrieval(const check *c) {
    const fv_task_config *task = &c->config->task;
    int n_keys = task->vocab_size / 2, n_pairs = (task->context_length - 1) / 2;
    if (n_pairs < 1)
        return refuse(c, "task.context_length",
                      "task.context_length %d holds no pair and its question; task.name "
                      "kv_retrieval needs 3 or more",
                      task->context_length);
    if (n_pairs > n_keys || n_pairs > 8192)
        return refuse(c, "task.context_length",
                      "task.context_length %d holds %d pairs, and task.vocab_size %d has %d keys; "
                      "task.name kv_retrieval takes one for each pair, and no more than 8192",
                      task->context_length, n_pairs, task->vocab_size, n_keys);
    return FV_OK;
}

static fv_status check_position(const check *c) {
    if (c->config->task.context_length >= 2) return FV_OK;
    return refuse(c, "task.context_length",
                  "task.context_length 1 has no place to ask for; task.name position needs 2 or "
                  "more");
}

// What the task itself asks of sequences of a length.
static fv_status check_length(const check *c, int length) {
    static fv_status (*const checks[FV_TASK_COUNT])(const check *) = {
        [FV_TASK_COPY] = check_copy,
        [FV_TASK_SIMILAR] = check_similar,
        [FV_TASK_RECALL] = check_recall,
        [FV_TASK_MQAR] = check_mqar,
        [FV_TASK_INDUCTION] = check_induction,
        [FV_TASK_SELECTIVE_COPY] = check_selective_copy,
        [FV_TASK_NEEDLE] = check_needle,
        [FV_TASK_NEEDLE_MULTI] = check_needle_multi,
        [FV_TASK_KV_RETRIEVAL] = check_kv_retrieval,
        [FV_TASK_POSITION] = check_position,
    };
    fv_config config = *c->config;
    config.task.context_length = length;
    return checks[config.task.name](&(check){&config, c->culprit, c->error});
}

// Training lengths: inside the context, and every one of them a length that the task can have.
static fv_status check_lengths(const check *c) {
    const fv_task_config *task = &c->config->task;
    int longest = task->length_max > 0 ? task->length_max : task->context_length;
    int shortest = task->length_min > 0 ? task->length_min : longest;
    if (longest > task->context_length)
        return refuse(c, "task.length_max",
                      "task.length_max %d is longer than what the model reads; "
                      "task.context_length allows 1 to %d",
                      longest, task->context_length);
    if (shortest > longest)
        return refuse(c, "task.length_min",
                      "task.length_min %d is longer than the longest training sequence; it allows "
                      "1 to %d",
                      shortest, longest);
    if ((longest - shortest) / task->length_step >= FV_MAX_LENGTHS)
        return refuse(c, "task.length_step",
                      "task.length_step %d makes %d training lengths; no more than %d are kept "
                      "ready, so that it needs %d or more",
                      task->length_step, (longest - shortest) / task->length_step + 1,
                      FV_MAX_LENGTHS, (longest - shortest) / FV_MAX_LENGTHS + 1);
    if (longest - shortest >= task->length_step && task->data == FV_DATA_FIXED)
        return refuse(c, "task.length_min",
                      "task.length_min %d draws lengths, and a fixed training set has one; set "
                      "task.data fresh or leave length_min out",
                      shortest);
    fv_status status = check_length(c, longest);
    return status == FV_OK ? check_length(c, shortest) : status;
}

static fv_status check_task(const check *c) {
    const fv_task_config *task = &c->config->task;
    if (task->context_length == 0 && only_length(task) == 0)
        return refuse(
            c, "task.context_length",
            "task.context_length must be a whole number from 1 to 65536 for task.name %s; "
            "0, the length that follows from n_pairs, is for recall",
            fv_field_find("task.name")->choices[task->name]);
    fv_status status = check_length(c, task->context_length);
    return status == FV_OK ? check_lengths(c) : status;
}

// What layer i of the list sees. Its own option is to be changed, or else the model's field.
static fv_status check_window(const check *c, int i) {
    const fv_model_config *model = &c->config->model;
    int window = layer_window(model, i), sinks = layer_sinks(model, i);
    int context = c->config->task.context_length;
    const char *key = model->layers.sinks[i].given ? "model.layers" : "model.sinks";
    if (sinks > context)
        return refuse(c, key,
                      "%s: %d sinks reach past the context; task.context_length %d allows 0 to %d",
                      key, sinks, context, context);
    if (model->layers.sinks[i].given && sinks > 0 && window == 0)
        return refuse(c, "model.layers",
                      "model.layers: sinks belong to a window, and attention(sinks=%d) has none; "
                      "without one every earlier position is seen, the first ones too",
                      sinks);
    key = model->layers.window[i].given ? "model.layers" : "model.window";
    if (window == 1 && sinks == 0 && model->exclude_self)
        return refuse(c, key,
                      "%s: a window of 1 holds only the position itself, which model.exclude_self "
                      "takes out; it needs 2 or more, or sinks",
                      key);
    return FV_OK;
}

static fv_status check_model(const check *c) {
    const fv_model_config *model = &c->config->model;
    for (int i = 0; i < model->layers.n; i++) {
        fv_status status = model->layers.kind[i] == FV_LAYER_ATTENTION ? check_window(c, i) : FV_OK;
        if (status != FV_OK) return status;
    }
    if (model->d_score > model->n_embd / model->n_head)
        return refuse(
            c, "model.d_score",
            "model.d_score %d is more than a head has; n_embd / n_head allows 1 to %d, and "
            "0 for all",
            model->d_score, model->n_embd / model->n_head);
    if (model->d_positions > model->n_embd)
        return refuse(c, "model.d_positions",
                      "model.d_positions %d is wider than the stream; model.n_embd allows 1 to %d, "
                      "and 0 for all",
                      model->d_positions, model->n_embd);
    if (model->n_embd % model->n_head != 0)
        return refuse(c, "model.n_head",
                      "model.n_head %d does not divide model.n_embd %d; each head gets n_embd / "
                      "n_head dimensions",
                      model->n_head, model->n_embd);
    if (model->exclude_self && c->config->task.context_length == 1)
        return refuse(
            c, "model.exclude_self",
            "model.exclude_self leaves the only position of task.context_length 1 nothing "
            "to attend to; it needs a context of 2 or more");
    return FV_OK;
}

// Of a parameter without a gradient, such as that of a token that is not drawn, both moments are 0.
static fv_status check_epsilon(const check *c) {
    const double least = 1e-30;
    const fv_train_config *train = &c->config->train;
    bool adam = train->optimizer == FV_OPTIMIZER_ADAM || train->optimizer == FV_OPTIMIZER_ADAMW;
    if (!adam || train->epsilon >= least) return FV_OK;
    return refuse(c, "train.epsilon",
                  "train.epsilon %g leaves adam 0 / 0 for a parameter without a gradient, such as "
                  "that of a token that is not drawn; it needs %g or more",
                  train->epsilon, least);
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
        return FV_OK;
    case FV_METRIC_LOSS:
        return check_threshold(c, "the loss", 1e-30, 1e30);
    case FV_METRIC_PERPLEXITY:
        return check_threshold(c, "perplexity", 1, 1e30);
    case FV_METRIC_TEST_ACCURACY:
        if (!config_has_test(task))
            return refuse(c, "train.stop_metric",
                          "train.stop_metric test_accuracy needs a test set: task.data fixed (or "
                          "recall with repetition) and task.n_test above 0");
        return check_threshold(c, "accuracy", 1e-30, 1);
    default:
        return check_threshold(c, "accuracy", 1e-30, 1);
    }
}

bool config_has_test(const fv_task_config *task) {
    bool repeats = task->name == FV_TASK_RECALL &&
                   (task->context_repetition > 1 || task->sample_repetition > 0);
    return task->n_test > 0 && (task->data == FV_DATA_FIXED || repeats);
}

fv_status config_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    const check c = {config, culprit, error};
    *culprit = NULL;
    fv_status status = check_task(&c);
    if (status == FV_OK) status = check_model(&c);
    if (status == FV_OK) status = check_epsilon(&c);
    if (status == FV_OK) status = check_stop(&c);
    return status;
}

fv_status fv_config_check(const fv_config *config, fv_error *error) {
    const fv_field *culprit;
    fv_status status = config_check_readers(config, &culprit, error);
    return status == FV_OK ? config_check(config, &culprit, error) : status;
}
