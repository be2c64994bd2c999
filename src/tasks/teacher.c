// A teacher network: the answer is what a random network makes of the last vector.
//
//   x1 ... xT -> V tanh(... tanh(W x_T))        x in R^k standard normal
//
// task.teacher_depth hidden layers of task.teacher_width, all weights normal with variance 1 / (their
// inputs), from task.rule_seed: one teacher for all runs. task.noise is added to the targets. What a student
// (a stack of MLPs) needs to follow it is known: a hidden layer of that width. The loss is the mean square
// over the m numbers of an answer. Bayes-optimal loss: task.noise squared.
#include "tasks/place.h"
#include "tasks/reals.h"

#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_REALS = 4096 };

// Weights [k][width], [width][width] ... [width][m], one behind the other.
static size_t n_weights(const fv_task_config *config) {
    size_t k = (size_t)reals_in(config), m = (size_t)reals_out(config);
    size_t width = (size_t)config->teacher_width, depth = (size_t)config->teacher_depth;
    return width * (k + m + (depth - 1) * width);
}

static fv_status own_create(const fv_task_config *config, const void **own, fv_error *error) {
    int k = reals_in(config), m = reals_out(config), width = config->teacher_width;
    double *w = malloc(n_weights(config) * sizeof *w), *at = w;
    if (w == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a teacher");
    for (int i = 0; i <= config->teacher_depth; i++) {
        int rows = i == 0 ? k : width, columns = i == config->teacher_depth ? m : width;
        reals_draw_map(config, (uint32_t)i, rows, columns, at);
        at += (size_t)rows * (size_t)columns;
    }
    *own = w;
    return FV_OK;
}

static void own_free(const void *own) {
    free((void *)(uintptr_t)own);
}

// y [columns] = x [rows] W.
static void multiply(const double *x, const double *w, int rows, int columns, double *y) {
    for (int j = 0; j < columns; j++) y[j] = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) y[j] += x[i] * w[(size_t)i * (size_t)columns + (size_t)j];
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int k = reals_in(config), m = reals_out(config), width = config->teacher_width;
    int n = config->context_length * k;
    double x[MOST_REALS], y[MOST_REALS];
    for (int i = 0; i < n; i++) {
        float value = (float)random_normal(fill->random);
        fill->tokens[(ptrdiff_t)i * fill->stride] = real_word(value);
        if (i >= n - k) x[i - (n - k)] = (double)value;
    }
    const double *w = fill->own;
    for (int i = 0; i <= config->teacher_depth; i++) {
        int rows = i == 0 ? k : width, columns = i == config->teacher_depth ? m : width;
        multiply(x, w, rows, columns, y);
        for (int j = 0; j < columns; j++) x[j] = i < config->teacher_depth ? tanh(y[j]) : y[j];
        w += (size_t)rows * (size_t)columns;
    }
    reals_put_targets(fill, y);
}

const task_type task_teacher = {
    .part = {.help = "what a random network makes of the last of some real vectors",
             .example = "task: {name: teacher, inputs: 8, outputs: 2, teacher_width: 16, "
                        "context_length: 1}\nmodel: {layers: [mlp], n_embd: 16}",
             .reads = {FV_READS(task.inputs), FV_READS(task.outputs), FV_READS(task.teacher_width),
                       FV_READS(task.teacher_depth), FV_READS(task.noise),
                       FV_READS(task.rule_seed)}},
    .n_inputs = reals_in,
    .n_outputs = reals_out,
    .own_create = own_create,
    .own_free = own_free,
    .loss_positions = task_last_position,
    .fill = fill,
    .bayes_loss = reals_noise_loss,
};
