// Copy a token that has been seen: the one `offset` back from the position that predicts, or the
// one at `index` from the start. Bayes-optimal loss: 0.
//
// A position-blind model sees the query x_t and, in any order, the t tokens before it. If the
// target is one of those, the best that it can say is each token's share of them, count / t. The
// other t - 1 tokens are drawn independently of the target, so that a target r of probability w_r
// has count - 1 ~ Binomial(t - 1, w_r), and the loss is E log(t / count): perplexities
// of 1.99, 2.96 and 8.52 for uniform tokens, V = 100 and contexts of 3, 4 and 10. It is a bound for
// all models without positions; (C - 2) / (C - 1) V, where models stall that cannot even read which
// tokens are there, is not.
//
// With task.distinct a sequence is the beginning of a random permutation, and the position-blind loss at
// position t is log t: 2.197 at t = 9, where draws with replacement leave 2.05.
#include "tasks/task_type.h"

#include <math.h>
#include <string.h>

enum { L = 16 };

// The position whose token is the answer at position t, or -1.
static int source(const fv_task_config *config, int t) {
    if (config->index >= 0) return config->index <= t ? config->index : -1;
    return t >= config->offset ? t - config->offset : -1;
}

static int first_query(const fv_task_config *config) {
    return config->loss == FV_LOSS_ALL ? 0 : config->context_length - 1;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = 0;
    for (int t = first_query(config); t < config->context_length; t++)
        if (source(config, t) >= 0) positions[n++] = t;
    return n;
}

static void answer(const fv_task_config *config, const int32_t *tokens, int32_t *targets) {
    for (int t = first_query(config); t < config->context_length; t++) {
        int from = source(config, t);
        if (from < 0) continue;
        memcpy(targets, tokens + from * L, L * sizeof *targets);
        targets += L;
    }
}

// E log(n / (1 + k)) for k ~ Binomial(n - 1, p), by the recurrence of its probabilities.
static double expected_surprise(int n, double p) {
    if (p >= 1) return 0;
    double probability = exp((n - 1) * log1p(-p)), loss = 0;
    for (int k = 0; k < n; k++) {
        loss += probability * log((double)n / (1 + k));
        probability *= (n - 1 - k) / (k + 1.0) * p / (1 - p);
    }
    return loss;
}

static double blind_loss_at(const fv_task_config *config, int t) {
    if (source(config, t) == t) return 0; // the query itself
    if (config->distinct) return log(t);  // one of the others, each there once
    if (config->distribution == FV_DISTRIBUTION_UNIFORM)
        return expected_surprise(t, 1.0 / config->vocab_size);
    double sum = 0, loss = 0;
    for (int r = 0; r < config->vocab_size; r++) sum += pow(r + 1, -config->zipf_alpha);
    for (int r = 0; r < config->vocab_size; r++) {
        double w = pow(r + 1, -config->zipf_alpha) / sum;
        loss += w * expected_surprise(t, w);
    }
    return loss;
}

static double blind_loss(const fv_task_config *config) {
    double sum = 0;
    int n = 0;
    for (int t = first_query(config); t < config->context_length; t++) {
        if (source(config, t) < 0) continue;
        sum += blind_loss_at(config, t);
        n++;
    }
    return sum / n;
}

static bool has_one_length(const fv_task_config *config) {
    return config->length_min == 0 && config->length_max == 0;
}

static int distance(const fv_task_config *config) {
    if (config->index < 0) return config->offset;
    bool fixed = config->loss == FV_LOSS_LAST && has_one_length(config);
    return fixed ? config->context_length - 1 - config->index : -1;
}

static int attended(const fv_task_config *config) {
    int last = config->context_length - 1;
    return config->index >= 0 ? config->index : last - config->offset;
}

static void settle_index(fv_config *c) {
    if (c->task.index < 0 || !has_one_length(&c->task) || c->task.loss != FV_LOSS_LAST) return;
    c->task.offset = c->task.context_length - 1 - c->task.index;
    c->task.index = -1;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int most = task->vocab_size < FV_MOST_DISTINCT ? task->vocab_size : FV_MOST_DISTINCT;
    if (task->distinct && task->context_length > most)
        return check_refuse(c, "task.distinct",
                            "task.distinct: %d different tokens do not fit task.vocab_size %d; it "
                            "allows a length of 1 to %d",
                            task->context_length, task->vocab_size, most);
    if (task->index >= task->context_length)
        return check_refuse(
            c, "task.index",
            "task.index %d lies past the context; task.context_length %d allows 0 to %d",
            task->index, task->context_length, task->context_length - 1);
    if (task->index < 0 && task->offset >= task->context_length)
        return check_refuse(
            c, "task.offset",
            "task.offset %d reaches past the context; task.context_length %d allows 0 to "
            "%d",
            task->offset, task->context_length, task->context_length - 1);
    return FV_OK;
}

const task_type task_copy = {
    .part = {.help = "the token that stands `offset` back from the last one, or at `index`",
             .example = "task: {name: copy, offset: 1, vocab_size: 100, context_length: 4}",
             .reads = {FV_READS(task.offset), FV_READS(task.index), FV_READS(task.loss),
                       FV_READS(task.distribution), FV_READS(task.distinct)},
             .rules = {{"task.offset", {{"task.index", CONFIG_AT_DEFAULT}}}},
             .same = {{"task.index", settle_index, "both name one position of the sequence",
                       "task.offset"}},
             .check = check},
    .loss_positions = loss_positions,
    .answer = answer,
    .distance = distance,
    .attended = attended,
    .bayes_loss = task_no_loss,
    .blind_loss = blind_loss,
};
