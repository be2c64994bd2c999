// The next of independent tokens: nothing in the sequence says what comes, and the best that a model can
// learn is how often each token does. What post 5 looks at: where attention goes that has nothing to find.
//
//   x1 x2 ... xT -> x2 x3 ... x(T+1)     each from task.distribution
//
// Bayes-optimal loss: the entropy of task.distribution. With task.distinct a sequence is the beginning of
// a random permutation, and after t tokens one of the V - t others comes: a loss of ln(V - t).
#include "tasks/next_token.h"

#include <math.h>

static int first_scored(const fv_task_config *config) {
    return config->loss == FV_LOSS_ALL ? 0 : config->context_length - 1;
}

int next_token_positions(const fv_task_config *config, int *positions) {
    int n = 0;
    for (int t = first_scored(config); t < config->context_length; t++) positions[n++] = t;
    return n;
}

int next_token_drawn(const fv_task_config *config) {
    return config->context_length + 1 - config->bos;
}

void next_token_put(const task_fill *fill, int i, int32_t token) {
    const fv_task_config *config = fill->config;
    int at = i + config->bos, scored = at - 1 - first_scored(config);
    if (i == 0 && config->bos) fill->tokens[0] = config->vocab_size - 1;
    if (at < config->context_length) fill->tokens[(ptrdiff_t)at * fill->stride] = token;
    if (scored >= 0) fill->targets[(ptrdiff_t)scored * fill->stride] = token;
}

double next_token_loss(const fv_task_config *config,
                       double (*loss)(const fv_task_config *config, const void *context, int seen),
                       const void *context) {
    double sum = 0;
    for (int t = first_scored(config); t < config->context_length; t++)
        sum += loss(config, context, t + 1 - config->bos);
    return sum / (config->context_length - first_scored(config));
}

int next_token_distance(const fv_task_config *config) {
    (void)config;
    return -1;
}

static int n_weights(const fv_task_config *config) {
    return config->vocab_size - config->bos;
}

static double weight(const fv_task_config *config, int r) {
    return config->distribution == FV_DISTRIBUTION_ZIPF ? pow(r + 1, -config->zipf_alpha) : 1;
}

static void fill(const task_fill *fill) {
    int n = next_token_drawn(fill->config);
    int32_t tokens[FV_MOST_DISTINCT];
    if (fill->config->distinct) draw_distinct(fill->random, n_weights(fill->config), n, tokens, 1);
    for (int i = 0; i < n; i++)
        next_token_put(fill, i,
                       fill->config->distinct ? tokens[i]
                                              : weights_draw(fill->weights, fill->random));
}

static double entropy(const fv_task_config *config) {
    double sum = 0, weighted = 0;
    for (int r = 0; r < n_weights(config); r++) {
        double w = weight(config, r);
        sum += w;
        weighted += w * log(w);
    }
    return log(sum) - weighted / sum;
}

static double loss_after(const fv_task_config *config, const void *context, int seen) {
    const double *of_all = context;
    return config->distinct ? log(n_weights(config) - seen) : *of_all;
}

static double bayes_loss(const fv_task_config *config) {
    double of_all = entropy(config);
    return next_token_loss(config, loss_after, &of_all);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int n = next_token_drawn(task), most = n_weights(task);
    if (!task->distinct) return FV_OK;
    if (most > FV_MOST_DISTINCT) most = FV_MOST_DISTINCT;
    if (n <= most) return FV_OK;
    return check_refuse(c, "task.distinct",
                        "task.distinct: a sequence of %d different tokens, the last target among "
                        "them, does not fit task.vocab_size %d%s; it allows a length of 1 to %d",
                        n, task->vocab_size, task->bos ? " without the token of task.bos" : "",
                        most - 1 + task->bos);
}

const task_type task_unigram = {
    .part = {.help = "the next of independent tokens: how often each of them comes",
             .example = "task: {name: unigram, distribution: zipf, vocab_size: 101, bos: true, "
                        "context_length: 8, loss: all}",
             .reads = {FV_READS(task.distribution), FV_READS(task.loss), FV_READS(task.bos),
                       FV_READS(task.distinct)},
             .check = check},
    .loss_positions = next_token_positions,
    .n_weights = n_weights,
    .weight = weight,
    .fill = fill,
    .distance = next_token_distance,
    .bayes_loss = bayes_loss,
};
