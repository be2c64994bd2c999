// Gradients of random stacks of parts: for each tensor the derivative along a direction of its own,
// half its gradient and half random, against central differences in double precision.
//
// A stack that has a kink where it is measured (a rectifier, a choice of keys) has no derivative there:
// differences of two widths then disagree with each other, and the stack is drawn anew. How many were is
// counted, and few may be: one whose gradient is wrong has differences that agree.
//
// Half of the stacks with attention have a selector of keys, a normaliser, or a layer of compressed keys. Where
// keys are chosen or cut off, a stack is drawn anew if a plain forward pass (tests/unit/naive.h) finds a gap of
// scores or a margin of the support below ten steps of the difference.
//
// FOVEA_STACKS says how many (500; make gradients: 10,000), FOVEA_STACK_SEED which.
#include "../unit/configurations.h"
#include "../unit/fault.h"
#include "../unit/naive.h"
#include "../unit/stacks.h"

#include "model/layers.h"
#include "tasks/reals.h"

enum { L = FV_LANES, LONGEST = 12, USUAL = 500 };

static const double TOLERANCE = 1e-6; // of a tensor's derivative, or of 1e-4 of the largest one
static const double WIDTH = 1e-4, SPARSE_WIDTH = 2e-5; // where keys are chosen
// Of losses of 1 to 4 differences of these widths are good to 3e-11.
static const double LEAST = 3e-5, SPARSE_LEAST = 1e-4;

// Wide stacks take most of the time and say little more: one in 64 of them is kept.
static void draw_words(char words[1024], uint64_t *random) {
    int width;
    do {
        stack_draw_words(words, random, LONGEST);
        const char *at = strstr(words, "model.n_embd=");
        width = at != NULL ? atoi(at + strlen("model.n_embd=")) : 0;
    } while (width > 16 && noise_below(random, 64) > 0);
}

// A layer in front of the others, of keys that become one.
static void draw_compressed(char words[1024], uint64_t *random, int length) {
    static const char FRONT[] = "model.layers=[";
    static const char *const layers[] = {"nsa", "compressed_attention"};
    const char *layer = layers[noise_below(random, 2)];
    char *at = words + strlen(FRONT);
    size_t n = strlen(layer);
    memmove(at + n + 1, at, strlen(at) + 1);
    memcpy(at, layer, n);
    at[n] = ',';
    const int block = 1 + noise_below(random, 2);
    stack_say(words, " model.compress_block=%d model.compress_k=%d model.compress_window=%d", block,
              length < 4 ? 1 : 1 + noise_below(random, 2), 1 + noise_below(random, 5));
    if (noise_below(random, 2))
        stack_say(words, " model.compress_hidden=%d", 1 + noise_below(random, 4));
    if (block > 1 && noise_below(random, 2)) stack_say(words, " model.compress_stride=1");
    if (length >= 4 && strcmp(layer, "nsa") == 0 && noise_below(random, 2))
        stack_say(words, " model.nsa_block=%d", 1 + noise_below(random, 2));
}

static void draw_selector(char words[1024], uint64_t *random, int length) {
    static const char *const names[] = {"topk",        "block_topk", "block_max",    "oracle_topk",
                                        "random_topk", "indexer",    "group_indexer"};
    const int which = noise_below(random, 7);
    const bool itself = strstr(words, "exclude_self") == NULL;
    const bool blocks = which > 0 && itself && length > 2 && noise_below(random, 2);
    int k = itself ? 1 + noise_below(random, 2) : 1; // what the narrowest window shows
    if (!blocks && strstr(words, "window") == NULL && itself)
        k = 1 + noise_below(random, length < 5 ? length : 5);
    stack_say(words, " model.selector=%s model.selector_k=%d", names[which], k);
    if (blocks) stack_say(words, " model.selector_block=2");
    if (which == 5 || which == 6) stack_say(words, " model.indexer_width=4");
}

// Choices of keys, for stacks with attention.
static void draw_choices(char words[1024], uint64_t *random) {
    static const char *const normalisers[] = {"sparsemax", "entmax15", "entmax",
                                              "ssmax",     "asentmax", "sigmoid"};
    const int length = atoi(strstr(words, "task.context_length=") + strlen("task.context_length="));
    if (strstr(words, "model.n_head=") == NULL) return; // no attention
    if (strstr(words, "sink_logit") == NULL && noise_below(random, 4) == 0)
        stack_say(words, " model.normaliser=%s", normalisers[noise_below(random, 6)]);
    if (noise_below(random, 3) == 0) draw_selector(words, random, length);
    if (strstr(words, "alibi") == NULL && noise_below(random, 8) == 0)
        draw_compressed(words, random, length);
}

typedef struct rig {
    fv_model *model;
    const kernel_set *kernels;
    memory_arena workspace;
    model_worker_layers layers;
    double *params, *gradient, *direction;
    double width; // h
    bool sparse;  // keys are chosen, or cut off
} rig;

static bool is_sparse(const char *words) {
    static const char *const signs[] = {"model.selector=", "sparsemax", "entmax", "nsa",
                                        "compressed_attention"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(words, signs[i]) != NULL) return true;
    return false;
}

// How near any key comes to being chosen or left out.
static double margin_of(const rig *r) {
    const fv_task_config *task = &r->model->config.task;
    int32_t *sequence = malloc((size_t)task->context_length * sizeof *sequence);
    double *logits =
        malloc((size_t)task->context_length * (size_t)task->vocab_size * sizeof *logits);
    const int32_t *tokens = arena_at(&r->workspace, r->model->tokens);
    naive_margin = INFINITY;
    data_batch(&r->model->data, FV_STREAM_TRAIN, 0, 0, 1, L,
               arena_at(&r->workspace, r->model->tokens),
               arena_at(&r->workspace, r->model->targets));
    for (int s = 0; s < L; s++) {
        for (int t = 0; t < task->context_length; t++) sequence[t] = tokens[t * L + s];
        naive_forward_of((naive){.model = r->model, .params = r->params}, sequence, logits);
    }
    free(sequence);
    free(logits);
    return naive_margin;
}

static void rig_open(rig *r, const char *words, uint64_t *random) {
    fv_config config = configure(words);
    config.train.batch_size = L;
    r->kernels = kernels_get();
    check_ok(model_plan(&config, NULL, 1, &r->model, NULL));
    check_ok(worker_layers_create(r->model, &r->layers, NULL));
    r->workspace = r->model->plan;
    check_ok(arena_allocate(&r->workspace, NULL));
    size_t n = r->model->n_params;
    float *initial = malloc(n * sizeof *initial);
    r->params = malloc(n * sizeof *r->params);
    r->gradient = calloc(n, sizeof *r->gradient);
    r->direction = malloc(n * sizeof *r->direction);
    fv_model_init_params(r->model, 11, initial);
    for (int i = 0; i < r->model->n_tensors; i++)
        for (size_t k = 0; k < r->model->tensors[i].size; k++) {
            size_t at = r->model->tensors[i].offset + k;
            bool learned = param_is_learned(&r->model->params[i], k);
            r->params[at] = initial[at] + (learned ? 0.2 * noise(random) : 0);
        }
    free(initial);
    r->sparse = is_sparse(words);
    r->width = r->sparse ? SPARSE_WIDTH : WIDTH;
}

static void rig_close(rig *r) {
    worker_layers_free(&r->layers);
    arena_free(&r->workspace);
    free(r->params);
    free(r->gradient);
    free(r->direction);
    fv_model_free(r->model);
}

// The mean loss of a batch; with `gradient` also its gradient, and *own is what selectors learn from.
static double run_all(const rig *r, double *gradient, double *own) {
    const fv_model *model = r->model;
    int n = model->data.n_loss * L;
    model_tile tile = {.model = model,
                       .kernels = r->kernels,
                       .workspace = &r->workspace,
                       .n_groups = 1,
                       .params = r->params,
                       .gradient = gradient,
                       .n_samples = L,
                       .sample_weight = 1.0 / L,
                       .weight = 1.0 / n,
                       .own = r->layers.own};
    data_batch(&model->data, FV_STREAM_TRAIN, 0, 0, 1, L, arena_at(&r->workspace, model->tokens),
               arena_at(&r->workspace, model->targets));
    tile_run(&tile);
    const double *losses = tile_buffer(&tile, model->losses);
    double loss = 0;
    for (int i = 0; i < n; i++) loss += losses[i];
    *own = 0;
    for (int i = 0; i < model->n_layers && gradient != NULL; i++) {
        const double *apart = tile_buffer(&tile, model->layers[i].own_loss);
        for (int l = 0; l < L && model->layers[i].own_terms > 0; l++)
            *own += apart[l] / (model->layers[i].own_terms * L);
    }
    return loss / n;
}

static double run(const rig *r, double *gradient) {
    double own;
    return run_all(r, gradient, &own);
}

// What selectors learn from: no parameter of theirs is in the loss.
static double run_apart(const rig *r) {
    double own, *ignored = calloc(r->model->n_params, sizeof *ignored);
    run_all(r, ignored, &own);
    free(ignored);
    return own;
}

// Of the loss along the direction of a tensor, by the five-point difference.
static double difference(const rig *r, const fv_tensor *tensor, bool apart, double width) {
    static const double weights[] = {1, -8, 0, 8, -1};
    double sum = 0, *at = r->params + tensor->offset, *kept = malloc(tensor->size * sizeof *kept);
    memcpy(kept, at, tensor->size * sizeof *kept);
    for (int k = 0; k < 5; k++) {
        if (weights[k] == 0) continue;
        for (size_t i = 0; i < tensor->size; i++)
            at[i] = kept[i] + (k - 2) * width * r->direction[tensor->offset + i];
        sum += weights[k] * (apart ? run_apart(r) : run(r, NULL));
    }
    memcpy(at, kept, tensor->size * sizeof *kept);
    free(kept);
    return sum / (12 * width);
}

// A unit vector for a tensor: half its gradient and half random, nothing where it is not learned.
static void choose_direction(const rig *r, int i, uint64_t *random) {
    const fv_tensor *tensor = &r->model->tensors[i];
    double *d = r->direction + tensor->offset, square = 0, slopes = 0;
    const double *g = r->gradient + tensor->offset;
    for (size_t k = 0; k < tensor->size; k++) {
        d[k] = param_is_learned(&r->model->params[i], k) ? noise(random) : 0;
        square += d[k] * d[k];
        slopes += g[k] * g[k];
    }
    double size = 0;
    for (size_t k = 0; k < tensor->size; k++) {
        d[k] = (square > 0 ? d[k] / sqrt(square) : 0) + (slopes > 0 ? g[k] / sqrt(slopes) : 0);
        size += d[k] * d[k];
    }
    for (size_t k = 0; k < tensor->size; k++) d[k] /= size > 0 ? sqrt(size) : 1;
}

typedef enum outcome { RIGHT, WRONG, KINKED, TOO_NEAR } outcome;

static outcome check_tensor(const rig *r, int i, double floor, double *error) {
    const fv_tensor *tensor = &r->model->tensors[i];
    double slope = 0;
    for (size_t k = 0; k < tensor->size; k++)
        slope += r->gradient[tensor->offset + k] * r->direction[tensor->offset + k];
    const bool apart = r->model->params[i].apart;
    double wide = difference(r, tensor, apart, r->width), scale = fmax(fabs(slope), floor);
    *error = fabs(wide - slope) / scale;
    if (*error <= TOLERANCE) return RIGHT;
    // Narrow enough to pass a kink by, or to leave what bends behind.
    double narrow = difference(r, tensor, apart, r->width / 64);
    if (fabs(narrow - slope) <= 30 * TOLERANCE * scale) return RIGHT;
    return fabs(narrow - wide) > 30 * TOLERANCE * scale ? KINKED : WRONG;
}

static outcome check_stack(rig *r, uint64_t *random, const char **worst, double *error) {
    double largest = 0;
    if (r->sparse && margin_of(r) < 10 * r->width) return TOO_NEAR;
    memset(r->gradient, 0, r->model->n_params * sizeof *r->gradient);
    memset(r->workspace.base, 0xff, r->workspace.size);
    run(r, r->gradient);
    for (int i = 0; i < r->model->n_tensors; i++) {
        const fv_tensor *tensor = &r->model->tensors[i];
        double square = 0;
        for (size_t k = 0; k < tensor->size; k++)
            square += r->gradient[tensor->offset + k] * r->gradient[tensor->offset + k];
        largest = fmax(largest, sqrt(square));
    }
    for (int i = 0; i < r->model->n_tensors; i++) {
        choose_direction(r, i, random);
        double least = r->sparse ? SPARSE_LEAST : LEAST;
        outcome found = check_tensor(r, i, fmax(1e-4 * largest, least), error);
        *worst = r->model->tensors[i].name;
        if (found != RIGHT) return found;
    }
    return RIGHT;
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_stacks(void **state) {
    (void)state;
    int n = (int)number_of("FOVEA_STACKS", USUAL), redrawn = 0, too_near = 0, n_sparse = 0;
    uint64_t random = number_of("FOVEA_STACK_SEED", 1);
    for (int done = 0; done < n;) {
        char words[1024];
        const char *worst;
        double error;
        rig r;
        draw_words(words, &random);
        draw_choices(words, &random);
        rig_open(&r, words, &random);
        outcome found = check_stack(&r, &random, &worst, &error);
        n_sparse += r.sparse && found == RIGHT;
        rig_close(&r);
        if (found == WRONG) fail_msg("%s: gradient of %s is off by %g", words, worst, error);
        done += found == RIGHT;
        redrawn += found == KINKED;
        too_near += found == TOO_NEAR;
        if (redrawn > 20 + done) fail_msg("%d of %d stacks were drawn anew", redrawn, done);
    }
    printf("%d stacks, %d of them choose keys; drawn anew: %d for a kink, %d for a margin below "
           "10 h\n",
           n, n_sparse, redrawn, too_near);
    assert_true(redrawn <= n / 10 + 5);
    assert_true(too_near <= n && (n < 100 || n_sparse > n / 10));
}

// Stacks in which gradients once took the place of what was still to be read.
static void test_kept_inputs(void **state) {
    (void)state;
    static const char *const words[] = {
        "model.layers=[attention,layer_norm,attention,attention] model.n_head=1 "
        "model.residual=true "
        "model.n_embd=16 model.norm=none task.vocab_size=9 task.context_length=16 "
        "model.selector=group_indexer model.selector_k=1 model.selector_block=2 "
        "model.indexer_width=4 task.loss=all",
        "model.layers=[attention,attention] model.n_head=1 model.n_embd=16 model.norm=none "
        "model.positions=learned task.vocab_size=9 task.context_length=16 model.selector=indexer "
        "model.selector_k=16 model.indexer_width=4 task.loss=all"};
    for (int i = 0; i < 2; i++) {
        uint64_t random = 5;
        const char *worst;
        double error;
        rig r;
        rig_open(&r, words[i], &random);
        if (check_stack(&r, &random, &worst, &error) != RIGHT)
            fail_msg("%s: gradient of %s is off by %g", words[i], worst, error);
        rig_close(&r);
    }
}

// A slip in a kernel of the backward pass is seen in some stack.
static void test_planted_slips(void **state) {
    (void)state;
    static const char *const backward[] = {"map_gradient", "norm_gradient", "attend_gradient",
                                           "activate_gradient"};
    fault faults[N_FAULTS];
    faults_plant(kernels_get(), faults);
    for (int i = 0; i < N_FAULTS; i++) {
        bool listed = false, caught = false;
        for (int k = 0; k < 4; k++) listed |= strcmp(faults[i].kernel, backward[k]) == 0;
        listed &= strcmp(faults[i].name, "forgets the sinks") != 0; // few sequences reach that far
        uint64_t random = 5;
        for (int draws = 0; listed && !caught && draws < 60; draws++) {
            char words[1024];
            const char *worst;
            double error;
            rig r;
            draw_words(words, &random);
            rig_open(&r, words, &random);
            r.kernels = &faults[i].kernels;
            caught = check_stack(&r, &random, &worst, &error) == WRONG;
            rig_close(&r);
        }
        if (listed && !caught) fail_msg("%s (%s) passes", faults[i].kernel, faults[i].name);
    }
}

// --- reals -----------------------------------------------------------------------------------------

// Models of reals in double precision: gradients of every tensor against central differences, and the loss
// against a forward pass in the plainest way. Cases have no kinks (or a step so small that no sample
// stands on one), weights with margins around them, and targets that are not there.

typedef struct reals_rig {
    fv_model *model;
    task_data data;
    memory_arena workspace;
    model_worker_layers layers;
    int n_samples, n_groups;
    double *params, *gradient;
    int32_t *tokens, *targets;
} reals_rig;

static reals_rig reals_open(const char *words) {
    fv_config config = configure(words);
    reals_rig r = {.n_samples = config.train.batch_size};
    r.n_groups = (r.n_samples + L - 1) / L;
    check_ok(model_plan(&config, NULL, r.n_groups, &r.model, NULL));
    check_ok(data_create(&config.task, 7, true, &r.data, NULL));
    r.workspace = r.model->plan;
    check_ok(arena_allocate(&r.workspace, NULL));
    check_ok(worker_layers_create(r.model, &r.layers, NULL));
    size_t n = r.model->n_params, groups = (size_t)r.n_groups;
    r.params = malloc(n * sizeof *r.params);
    r.gradient = malloc(n * sizeof *r.gradient);
    r.tokens = aligned_alloc(64, groups * (size_t)r.data.n_in * L * sizeof *r.tokens);
    r.targets = aligned_alloc(64, groups * (size_t)r.data.n_out * L * sizeof *r.targets);
    data_batch(&r.data, FV_STREAM_TRAIN, 3, 0, r.n_groups, r.n_samples, r.tokens, r.targets);
    float *initial = malloc(n * sizeof *initial);
    fv_model_init_params(r.model, 11, initial);
    uint64_t random = 13;
    for (size_t i = 0; i < n; i++) r.params[i] = (double)initial[i] + 0.3 * noise(&random);
    free(initial);
    return r;
}

static void reals_close(reals_rig *r) {
    worker_layers_free(&r->layers);
    fv_model_free(r->model);
    data_free(&r->data);
    arena_free(&r->workspace);
    free(r->params);
    free(r->gradient);
    free(r->tokens);
    free(r->targets);
}

static double reals_run(reals_rig *r, double *gradient) {
    const fv_model *model = r->model;
    size_t n_in = (size_t)r->data.n_in * L, n_out = (size_t)r->data.n_out * L;
    double loss = 0, n_targets = (double)r->n_samples * r->data.n_loss;
    for (int first = 0; first < r->n_groups; first += model->group_capacity) {
        int left = r->n_groups - first;
        model_tile tile = {.model = model,
                           .own = r->layers.own,
                           .kernels = kernels_get(),
                           .workspace = &r->workspace,
                           .n_groups = left < model->group_capacity ? left : model->group_capacity,
                           .params = r->params,
                           .gradient = gradient,
                           .first_group = (uint32_t)first,
                           .n_samples = r->n_samples,
                           .weight = 1 / n_targets};
        size_t groups = (size_t)tile.n_groups;
        memcpy(arena_at(&r->workspace, model->tokens), r->tokens + (size_t)first * n_in,
               groups * n_in * sizeof *r->tokens);
        memcpy(arena_at(&r->workspace, model->targets), r->targets + (size_t)first * n_out,
               groups * n_out * sizeof *r->targets);
        tile_run(&tile);
        const double *losses = tile_buffer(&tile, model->losses);
        for (size_t i = 0; i < groups * (size_t)r->data.n_loss * L; i++) loss += losses[i];
    }
    return loss / n_targets;
}

// The largest error of the gradient in any tensor, relative to the model's largest.
static double reals_error(reals_rig *r, double h) {
    static const double weights[] = {1, -8, 0, 8, -1};
    memset(r->gradient, 0, r->model->n_params * sizeof *r->gradient);
    memset(r->workspace.base, 0xff, r->workspace.size); // nothing is read that was not written
    reals_run(r, r->gradient);
    double largest = 0, error = 0;
    for (size_t i = 0; i < r->model->n_params; i++) {
        double kept = r->params[i], sum = 0;
        for (int k = 0; k < 5; k++) {
            r->params[i] = kept + (k - 2) * h;
            if (k != 2) sum += weights[k] * reals_run(r, NULL);
        }
        r->params[i] = kept;
        double numeric = sum / (12 * h);
        largest = fmax(largest, fabs(numeric));
        error = fmax(error, isfinite(r->gradient[i]) ? fabs(numeric - r->gradient[i]) : INFINITY);
    }
    return error / largest;
}

#define REGRESSION "task.name=linear_regression task.inputs=3 task.outputs=2 train.batch_size=19 "
#define TEACHER    "task.name=teacher task.inputs=3 task.outputs=2 train.batch_size=19 "

static const char *const real_cases[] = {
    REGRESSION "task.context_length=5 model.layers=[pooling] model.n_embd=3 model.embedding=direct",
    REGRESSION "task.context_length=5 model.layers=[pooling] model.n_embd=4 "
               "task.location=1",
    REGRESSION "task.context_length=5 model.layers=[pooling,pooling] model.n_embd=4 "
               "model.residual=true model.norm=layer model.positions=learned",
    REGRESSION "task.context_length=4 model.layers=[attention,mlp] model.n_embd=4 "
               "model.residual=true model.positions=learned model.activation=gelu",
    REGRESSION "task.context_length=4 model.layers=[attention] model.n_embd=16 model.n_head=1 "
               "model.positions=sinusoidal task.context_repetition=2 task.sample_repetition=0.5",
    TEACHER "task.context_length=1 model.layers=[mlp] model.n_embd=4 model.activation=silu",
    TEACHER "task.context_length=2 model.layers=[mlp,mlp,mlp] model.n_embd=4 "
            "model.activation=gelu model.residual=true model.norm=rms",
    TEACHER "task.context_length=1 model.layers=[mlp*8] model.n_embd=4 model.activation=gelu "
            "model.residual=true model.norm=layer model.norm_place=post",
    TEACHER "task.context_length=1 model.layers=[mlp*32] model.n_embd=3 model.d_mlp=3 "
            "model.activation=silu model.residual=true",
    TEACHER "task.context_length=1 model.layers=[layer_norm] model.n_embd=4 task.noise=0.5 "
            "task.teacher_depth=3",
    TEACHER "task.context_length=3 model.layers=[mamba] model.n_embd=4",
};

static void test_gradients_of_reals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof real_cases / sizeof *real_cases; i++) {
        reals_rig r = reals_open(real_cases[i]);
        double error = reals_error(&r, 1e-3);
        if (!(error < 1e-6)) fail_msg("%s: %g", real_cases[i], error);
        reals_close(&r);
    }
}

// The oracle sees a gradient that is wrong in one number.
static void test_oracle_of_reals(void **state) {
    (void)state;
    reals_rig r = reals_open(real_cases[1]);
    assert_true(reals_error(&r, 1e-3) < 1e-6);
    r.params[2] += 0.1;
    double *gradient = calloc(r.model->n_params, sizeof *gradient), error = 0;
    reals_run(&r, gradient); // at other parameters
    for (size_t i = 0; i < r.model->n_params; i++)
        error = fmax(error, fabs(gradient[i] - r.gradient[i]));
    assert_true(error > 1e-4);
    free(gradient);
    reals_close(&r);
}

static double real_at(const int32_t *words, size_t i) {
    float value;
    memcpy(&value, &words[i], sizeof value);
    return (double)value;
}
static const double *real_param(const reals_rig *r, const char *name) {
    return r->params + fv_model_tensor(r->model, name)->offset;
}

// The paper's model: y = W sum_t softmax(a)_t x_t, its mean squared error.
static void test_loss_of_the_main_model(void **state) {
    (void)state;
    enum { T = 5, K = 3, M = 2 };
    reals_rig r = reals_open(real_cases[0]);
    const double *a = real_param(&r, "blocks.0.pool.a"), *w = real_param(&r, "unembed.W_U");
    double p[T], total = 0, loss = 0;
    for (int t = 0; t < T; t++) total += p[t] = exp(a[t]);
    for (int s = 0; s < r.n_samples; s++) {
        const int32_t *x = r.tokens + (size_t)(s / L) * T * K * L + s % L;
        const int32_t *y = r.targets + (size_t)(s / L) * M * L + s % L;
        for (int j = 0; j < M; j++) {
            double out = 0;
            for (int t = 0; t < T; t++)
                for (int i = 0; i < K; i++)
                    out += p[t] / total * real_at(x, (size_t)(t * K + i) * L) * w[i * M + j];
            loss += pow(out - real_at(y, (size_t)j * L), 2) / M;
        }
    }
    check_near(reals_run(&r, NULL), loss / r.n_samples, 1e-12);
    reals_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks),          cmocka_unit_test(test_kept_inputs),
        cmocka_unit_test(test_planted_slips),   cmocka_unit_test(test_gradients_of_reals),
        cmocka_unit_test(test_oracle_of_reals), cmocka_unit_test(test_loss_of_the_main_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
