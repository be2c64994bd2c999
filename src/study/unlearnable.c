#include "study/warnings.h"

#include "config/layer_list.h"
#include "model/positions.h"
#include "tasks/task_type.h"

#include <fovea/task.h>

// --- what a model sees ---------------------------------------------------------------------------

static const layer_type *layer(const fv_config *c, int i) {
    return layer_type_of(c->model.layers.kind[i]);
}

// Layers that carry something from one position to another, and those that attend among them.
typedef struct mixing {
    int n, n_attending;
} mixing;

static mixing mixing_layers(const fv_config *c) {
    mixing m = {0};
    for (int i = 0; i < c->model.layers.n; i++) {
        m.n += layer(c, i)->needs != NULL;
        m.n_attending += layer(c, i)->attends;
    }
    return m;
}

// How far in front of the query the answer stands; -1 where that differs from sequence to sequence.
static int distance(const fv_config *c) {
    const task_type *task = task_of(&c->task);
    return task->distance ? task->distance(&c->task) : -1;
}

// The most that all layers together reach back.
static long reach(const fv_config *c) {
    long sum = 0;
    for (int i = 0; i < c->model.layers.n; i++)
        if (layer(c, i)->reach) sum += layer(c, i)->reach(c, i);
    return sum;
}

static const positions_type *positions(const fv_config *c) {
    return positions_type_of(c->model.positions);
}

// --- the rules -----------------------------------------------------------------------------------

static bool forgets_tokens(const fv_config *c) {
    return c->model.embedding == FV_EMBEDDING_RESAMPLED && !c->model.tied;
}

static bool needs_numbers(const fv_config *c) {
    return c->model.embedding == FV_EMBEDDING_RESAMPLED && c->model.tied &&
           task_of(&c->task)->asks_numbers;
}

static bool stays_in_place(const fv_config *c) {
    return mixing_layers(c).n == 0 && distance(c) != 0;
}

static bool is_out_of_sight(const fv_config *c) {
    return mixing_layers(c).n > 0 && distance(c) > reach(c);
}

// Without a residual stream every layer goes at least one position back.
static bool is_too_near(const fv_config *c) {
    mixing m = mixing_layers(c);
    int n = m.n_attending, d = distance(c);
    return n > 0 && n == m.n && c->model.exclude_self && !c->model.residual && d >= 0 && d < n;
}

// One attention layer that sees everything, without positions.
static bool is_blind(const fv_config *c) {
    mixing m = mixing_layers(c);
    int window = 0;
    for (int i = 0; i < c->model.layers.n; i++)
        if (layer(c, i)->attends) window = layer_window(&c->model, i);
    bool order = window > 0 && window < c->task.context_length;
    if (m.n_attending != 1 || m.n != 1 || order || c->model.positions != FV_POSITIONS_NONE ||
        c->model.exclude_self)
        return false;
    return fv_task_blind_loss(&c->task) > fv_task_bayes_loss(&c->task) + 1e-6;
}

static bool begins_at_zero(const fv_config *c) {
    const fv_model_config *model = &c->model;
    if (positions(c)->fill || model->embedding == FV_EMBEDDING_DIRECT) return false;
    if (model->init == FV_INIT_NORMAL) return model->init_sigma == 0;
    return model->init == FV_INIT_POSTS && model->embedding_sigma == 0 && model->tied;
}

static bool never_moves(const fv_config *c) {
    const fv_train_config *train = &c->train;
    const fv_model_config *model = &c->model;
    bool embeds =
        model->embedding == FV_EMBEDDING_LEARNED || model->embedding == FV_EMBEDDING_NOISY;
    bool places = positions(c)->plan != NULL;
    bool moves = (train->embedding_rate > 0 && (embeds || places)) ||
                 (train->layer_rate > 0 && model->layers.n > 0) ||
                 (train->unembedding_rate > 0 && !model->tied);
    return train->steps > 0 && (train->learning_rate == 0 || !moves);
}

// X(function, whether a sweep may mean it as a contrast with runs that learn, what is said).
#define RULE_LIST(X)                                                                               \
    X(forgets_tokens, false,                                                                       \
      "cannot learn which token to answer: model.embedding resampled gives every token a new "     \
      "vector at each step, and an unembedding of its own does not follow; set model.tied true")   \
    X(needs_numbers, false,                                                                        \
      "cannot learn the task: it asks what tokens mean as numbers, and model.embedding resampled " \
      "gives every token a new vector at each step; take model.embedding learned or fixed")        \
    X(stays_in_place, true,                                                                        \
      "cannot see what is asked for: no layer of model.layers looks at other positions; add "      \
      "attention or mamba")                                                                        \
    X(is_out_of_sight, true,                                                                       \
      "cannot see what is asked for: it stands further back than the windows of all attention "    \
      "layers together reach; widen model.window, or add layers")                                  \
    X(is_too_near, true,                                                                           \
      "cannot see what is asked for: with model.exclude_self and without model.residual every "    \
      "attention layer goes at least one position back, further than it stands")                   \
    X(is_blind, true,                                                                              \
      "cannot learn the task: one attention layer with model.positions none does not see the "     \
      "order of tokens, and its loss stays above blind_loss; set model.positions learned")         \
    X(begins_at_zero, false,                                                                       \
      "cannot learn anything: all that a gradient would come from begins at 0; set "               \
      "model.init_sigma or "                                                                       \
      "model.embedding_sigma above 0")                                                             \
    X(never_moves, true,                                                                           \
      "cannot learn anything: nothing that a rate above 0 belongs to is trained; see "             \
      "train.learning_rate "                                                                       \
      "and the rates of embedding, layers and unembedding")

static const struct rule {
    bool (*holds)(const fv_config *config);
    bool contrast;
    const char *what;
} RULES[] = {
#define ROW(function, contrast, what) {function, contrast, what},
    RULE_LIST(ROW)
#undef ROW
};

const int n_unlearnable = sizeof RULES / sizeof *RULES;

void unlearnable_find(const fv_experiment *experiment, int i, text_buffer *text) {
    int n = warnings_n_runs(experiment), n_held = 0;
    for (int r = 0; r < n; r++) {
        fv_config config;
        fv_experiment_config(experiment, r, &config);
        n_held += RULES[i].holds(&config);
        if (RULES[i].contrast && n_held <= r) return; // others learn
    }
    if (n_held == 0) return;
    if (n_held < n)
        text_add(text, "%d of %s%d runs %s", n_held, n < experiment->n_runs ? "the first " : "", n,
                 RULES[i].what);
    else
        text_add(text, "%s %s", n == 1 ? "its run" : "its runs", RULES[i].what);
}
