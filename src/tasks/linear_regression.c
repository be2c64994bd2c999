// Linear regression in a single location: T vectors, and the answer is a linear map of one of them.
//
//   x1 x2 ... xT -> W x_a          x_t in R^k standard normal, W [m, k]
//
// The main model of "The emergence of sparse attention" (Zucchet et al., 2025, arXiv 2505.17863): the place
// a, task.location, and the map W, of normal entries with variance 1/k from task.rule_seed, are the same
// for all sequences. What must be learned is where to look and what to make of it, and each is of no use
// without the other: the loss stays at a plateau until both emerge.
//
// task.context_repetition B puts copies of x_a into the B - 1 places in front of a (around the sequence),
// and task.sample_repetition p gives that share of training sequences one and the same x_a. Held-out data
// have neither. task.noise is added to the targets. The loss is the mean square over the m numbers of an
// answer: 1 for the answer 0. Bayes-optimal loss: task.noise squared.
#include "tasks/place.h"
#include "tasks/reals.h"

#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>

int reals_in(const fv_task_config *config) {
    return config->inputs > 0 ? config->inputs : FV_FEW_REALS;
}
int reals_out(const fv_task_config *config) {
    return config->outputs > 0 ? config->outputs : FV_FEW_REALS;
}

void reals_draw_map(const fv_task_config *config, uint32_t number, int rows, int columns,
                    double *w) {
    random_source random;
    random_init(&random, (uint64_t)config->rule_seed, FV_STREAM_RULE, number, 0);
    for (int i = 0; i < rows * columns; i++) w[i] = random_normal(&random) / sqrt(rows);
}

void reals_put_targets(const task_fill *fill, const double *outputs) {
    for (int j = 0; j < reals_out(fill->config); j++) {
        double noise = fill->config->noise > 0 ? random_normal(fill->random) : 0;
        fill->targets[(ptrdiff_t)j * fill->stride] =
            real_word((float)(outputs[j] + fill->config->noise * noise));
    }
}

double reals_noise_loss(const fv_task_config *config) {
    return config->noise * config->noise;
}

void reals_settle(fv_config *c) {
    bool built_in = c->task.name == FV_TASK_LINEAR_REGRESSION || c->task.name == FV_TASK_TEACHER;
    if (built_in && c->task.inputs == FV_FEW_REALS) c->task.inputs = 0;
    if (built_in && c->task.outputs == FV_FEW_REALS) c->task.outputs = 0;
}

enum { MOST_REALS = 4096 };

typedef struct map {
    double *w;        // [k][m]
    double *repeated; // [k], the x_a of task.sample_repetition
} map;

static void own_free(const void *own) {
    map *m = (map *)(uintptr_t)own;
    if (m == NULL) return;
    free(m->w);
    free(m->repeated);
    free(m);
}

static fv_status own_create(const fv_task_config *config, const void **own, fv_error *error) {
    int k = reals_in(config), n = reals_out(config);
    map *m = calloc(1, sizeof *m);
    if (m != NULL) {
        m->w = malloc((size_t)k * (size_t)n * sizeof *m->w);
        m->repeated = malloc((size_t)k * sizeof *m->repeated);
    }
    if (m == NULL || m->w == NULL || m->repeated == NULL) {
        own_free(m);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a map of %d x %d", k, n);
    }
    reals_draw_map(config, 0, k, n, m->w);
    random_source random;
    random_init(&random, (uint64_t)config->rule_seed, FV_STREAM_RULE, 1, 0);
    for (int i = 0; i < k; i++) m->repeated[i] = random_normal(&random);
    *own = m;
    return FV_OK;
}

static int location(const fv_task_config *config) {
    return config->location >= 0 ? config->location : config->context_length - 1;
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    const map *m = fill->own;
    int T = config->context_length, k = reals_in(config), n = reals_out(config),
        stride = fill->stride;
    double answer[MOST_REALS] = {0};
    for (int i = 0; i < T * k; i++)
        fill->tokens[(ptrdiff_t)i * stride] = real_word((float)random_normal(fill->random));
    bool again =
        config->sample_repetition > 0 && random_uniform(fill->random) < config->sample_repetition;
    int32_t *x = fill->tokens + (ptrdiff_t)location(config) * k * stride;
    for (int i = 0; i < k; i++) {
        if (again) x[(ptrdiff_t)i * stride] = real_word((float)m->repeated[i]);
        float value;
        memcpy(&value, &x[(ptrdiff_t)i * stride], sizeof value);
        for (int j = 0; j < n; j++)
            answer[j] += (double)value * m->w[(size_t)i * (size_t)n + (size_t)j];
    }
    for (int copy = 1; copy < (int)config->context_repetition; copy++) {
        int t = (location(config) - copy + T) % T;
        for (int i = 0; i < k; i++)
            fill->tokens[((ptrdiff_t)t * k + i) * stride] = x[(ptrdiff_t)i * stride];
    }
    reals_put_targets(fill, answer);
}

static void hold_out(fv_task_config *config) {
    config->context_repetition = 1;
    config->sample_repetition = 0;
}

static bool repeats(const fv_task_config *config) {
    return config->context_repetition > 1 || config->sample_repetition > 0;
}

static int distance(const fv_task_config *config) {
    return config->context_length - 1 - location(config);
}

static int attended(const fv_task_config *config) {
    return location(config);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->location >= task->context_length)
        return check_refuse(
            c, "task.location",
            "task.location %d lies past the context; task.context_length %d allows 0 to %d",
            task->location, task->context_length, task->context_length - 1);
    if (task->context_repetition > task->context_length ||
        task->context_repetition != (int)task->context_repetition)
        return check_refuse(c, "task.context_repetition",
                            "task.context_repetition %g of task.name linear_regression must be a "
                            "whole number of places, 1 to %d",
                            task->context_repetition, task->context_length);
    return FV_OK;
}

const task_type task_linear_regression = {
    .part = {.help = "a linear map of the real vector at one place of the sequence, the same place "
                     "and map always",
             .example =
                 "task: {name: linear_regression, inputs: 8, outputs: 8, context_length: 16}\n"
                 "model: {layers: [pooling], embedding: direct, n_embd: 8}",
             .reads = {FV_READS(task.inputs), FV_READS(task.outputs), FV_READS(task.location),
                       FV_READS(task.noise), FV_READS(task.rule_seed),
                       FV_READS(task.context_repetition), FV_READS(task.sample_repetition)},
             .same = {{"task.inputs", reals_settle, "0 is 8", NULL},
                      {"task.outputs", reals_settle, "0 is 8", NULL}},
             .check = check},
    .n_inputs = reals_in,
    .n_outputs = reals_out,
    .repeats = repeats,
    .own_create = own_create,
    .own_free = own_free,
    .loss_positions = task_last_position,
    .fill = fill,
    .hold_out = hold_out,
    .distance = distance,
    .attended = attended,
    .bayes_loss = reals_noise_loss,
};
