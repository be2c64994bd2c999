// Training steps: the update rules against their definitions in double precision, losses and
// gradients of whole batches against a naive forward pass, and results that do not depend on
// threads or on the instruction set.
#include "naive.h"

#include "model/layers.h"
#include "train/optimizer.h"

#include <fovea/machine.h>
#include <fovea/train.h>

// One parameter's update as the papers write it.
typedef struct exact_update {
    double p, m, v;
} exact_update;

static void exact_step(const fv_train_config *c, int step, double g, exact_update *u) {
    double rate = c->learning_rate;
    bool decoupled = c->optimizer == FV_OPTIMIZER_ADAMW;
    if (!decoupled) g += c->weight_decay * u->p;
    if (decoupled) u->p *= 1 - rate * c->weight_decay;
    switch (c->optimizer) {
    case FV_OPTIMIZER_SGD:
        u->p -= rate * g;
        return;
    case FV_OPTIMIZER_MOMENTUM:
        u->v = c->momentum * u->v + g;
        u->p -= rate * u->v;
        return;
    default:
        u->m = c->beta1 * u->m + (1 - c->beta1) * g;
        u->v = c->beta2 * u->v + (1 - c->beta2) * g * g;
        u->p -= rate * (u->m / (1 - pow(c->beta1, step + 1))) /
                (sqrt(u->v / (1 - pow(c->beta2, step + 1))) + c->epsilon);
    }
}

// The oracle: largest difference of parameters from the exact ones after `steps` updates by
// gradients that span eight orders of magnitude, in units of the learning rate. `exact` may follow
// another configuration than `config`.
static double update_error(const fv_config *config, const fv_config *exact,
                           const kernel_set *kernels, int steps) {
    enum { N = 64 };
    static _Alignas(64) float params[N], m[N], v[N], gradient[N];
    exact_update truth[N];
    train_optimizer optimizer = {
        .config = &config->train, .n = N, .params = params, .m = m, .v = v};
    uint64_t random = 37;
    for (int i = 0; i < N; i++) {
        params[i] = (float)noise(&random);
        m[i] = v[i] = 0;
        truth[i] = (exact_update){.p = (double)params[i]};
    }
    for (int step = 0; step < steps; step++) {
        for (int i = 0; i < N; i++) {
            gradient[i] = (float)(noise(&random) * pow(10, i % 8 - 6));
            exact_step(&exact->train, step, (double)gradient[i], &truth[i]);
        }
        optimizer_step(&optimizer, kernels, step, gradient);
    }
    double error = 0;
    for (int i = 0; i < N; i++) error = fmax(error, fabs((double)params[i] - truth[i].p));
    return error / config->train.learning_rate;
}

static const char *const update_rules[] = {
    "train.optimizer=sgd",
    "train.optimizer=sgd train.weight_decay=0.1",
    "train.optimizer=momentum",
    "train.optimizer=momentum train.momentum=0.5 train.weight_decay=0.1",
    "train.optimizer=adam",
    "train.optimizer=adam train.weight_decay=0.1 train.beta1=0.5 train.beta2=0.9",
    "train.optimizer=adam train.epsilon=1e-3",
    "train.optimizer=adamw train.weight_decay=0.1",
    "train.optimizer=adamw train.weight_decay=0.01 train.beta1=0",
};
enum { N_RULES = sizeof update_rules / sizeof *update_rules };

static const double update_tolerance = 2e-4; // of a learning rate of 0.01: 2e-6, after 20 steps

static fv_config rule(int i) {
    char words[256];
    snprintf(words, sizeof words, "%s train.learning_rate=0.01", update_rules[i]);
    return configure(words);
}

static void test_updates(void **state) {
    (void)state;
    for (int k = 0; kernels_available()[k]; k++)
        for (int i = 0; i < N_RULES; i++) {
            fv_config config = rule(i);
            double one = update_error(&config, &config, kernels_available()[k], 1);
            double many = update_error(&config, &config, kernels_available()[k], 20);
            if (!(one <= update_tolerance && many <= update_tolerance))
                fail_msg("%s, %s: off by %g after one step, %g after 20",
                         kernels_available()[k]->name, update_rules[i], one, many);
        }
}

// Every rule is told from every other, and from itself with a slightly different constant.
static void test_update_oracle_catches_faults(void **state) {
    (void)state;
    for (int i = 0; i < N_RULES; i++)
        for (int k = 0; k < N_RULES; k++) {
            fv_config config = rule(i), other = rule(k);
            bool passes = update_error(&config, &other, kernels_get(), 20) <= update_tolerance;
            if (passes != (i == k)) fail_msg("%s taken for %s", update_rules[i], update_rules[k]);
        }
    fv_config config = rule(4), other = config;
    other.train.beta2 = 0.9991;
    assert_true(update_error(&config, &other, kernels_get(), 20) > update_tolerance);
    other = config;
    other.train.learning_rate *= 1.001;
    assert_true(update_error(&config, &other, kernels_get(), 20) > update_tolerance);
}

// Adam's largest error after 100 steps relative to how far a parameter has come, for gradients of
// one sign, so that parameters move, over nine orders of magnitude.
static double adam_error(const fv_config *config, const kernel_set *kernels) {
    enum { N = 64 };
    static _Alignas(64) float params[N], m[N], v[N], gradient[N];
    exact_update truth[N];
    train_optimizer optimizer = {
        .config = &config->train, .n = N, .params = params, .m = m, .v = v};
    uint64_t random = 41;
    for (int i = 0; i < N; i++) {
        params[i] = m[i] = v[i] = 0;
        truth[i] = (exact_update){.p = 0};
    }
    for (int step = 0; step < 100; step++) {
        for (int i = 0; i < N; i++) {
            gradient[i] = (float)((0.5 + noise01(&random)) * pow(10, i % 9 - 6));
            exact_step(&config->train, step, (double)gradient[i], &truth[i]);
        }
        optimizer_step(&optimizer, kernels, step, gradient);
    }
    double error = 0;
    for (int i = 0; i < N; i++)
        error = fmax(error, fabs((double)params[i] - truth[i].p) / fabs(truth[i].p));
    return error;
}

// Whatever the betas, up to the largest that are allowed: 1 - beta is not that of a rounded beta.
static void test_betas(void **state) {
    (void)state;
    static const double betas[][2] = {{0.9, 0.999}, {0.9, 0.95},          {0.5, 0.9},
                                      {0.95, 0.99}, {0.99, 0.9999},       {0, 0.999},
                                      {0.9, 0},     {0.9999, 0.999999},   {0.7, 0.9999999},
                                      {0.99, 0.9},  {0.999999, 0.9999999}};
    for (int k = 0; kernels_available()[k]; k++)
        for (size_t i = 0; i < sizeof betas / sizeof *betas; i++) {
            fv_config config = configure("train.learning_rate=0.01");
            config.train.beta1 = betas[i][0];
            config.train.beta2 = betas[i][1];
            double error = adam_error(&config, kernels_available()[k]);
            if (!(error <= 1.2e-6))
                fail_msg("%s, betas %.9g and %.9g: off by %g", kernels_available()[k]->name,
                         betas[i][0], betas[i][1], error);
        }
}

static void test_schedules(void **state) {
    (void)state;
    static const struct {
        const char *words;
        struct {
            int step;
            double rate; // as a share of the peak
        } at[5];
    } cases[] = {
        {"train.schedule=constant", {{0, 1}, {1, 1}, {50, 1}, {99, 1}, {100, 1}}},
        {"train.schedule=warmup train.warmup_steps=10",
         {{0, 0.1}, {4, 0.5}, {9, 1}, {10, 1}, {99, 1}}},
        {"train.schedule=linear", {{0, 1}, {33, 2.0 / 3}, {66, 1.0 / 3}, {98, 1.0 / 99}, {99, 0}}},
        {"train.schedule=linear train.final_rate=0.5",
         {{0, 1}, {33, 5.0 / 6}, {66, 4.0 / 6}, {98, 0.5 + 0.5 / 99}, {99, 0.5}}},
        {"train.schedule=cosine", {{0, 1}, {33, 0.75}, {66, 0.25}, {99, 0}, {99, 0}}},
        {"train.schedule=cosine train.final_rate=0.2 train.warmup_steps=20",
         {{0, 0.05}, {19, 1}, {20, 1}, {99, 0.2}, {99, 0.2}}},
        {"train.schedule=step train.decay_every=25 train.decay_factor=0.5",
         {{0, 1}, {24, 1}, {25, 0.5}, {74, 0.25}, {75, 0.125}}},
        {"train.schedule=step train.decay_every=25 train.warmup_steps=5",
         {{0, 0.2}, {4, 1}, {29, 1}, {30, 0.1}, {55, 0.01}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_config config = configure(cases[i].words);
        config.train.steps = 100;
        config.train.learning_rate = 0.03;
        for (int k = 0; k < 5; k++) {
            double rate = schedule_rate(&config.train, cases[i].at[k].step) / 0.03;
            if (!(fabs(rate - cases[i].at[k].rate) < 1e-9))
                fail_msg("%s: %g of the peak at step %d, wanted %g", cases[i].words, rate,
                         cases[i].at[k].step, cases[i].at[k].rate);
        }
    }
}

// Schedules stay defined where nothing is left to decay.
static void test_schedules_of_short_runs(void **state) {
    (void)state;
    static const char *const names[] = {"linear", "cosine", "step"};
    for (int i = 0; i < 3; i++)
        for (int steps = 0; steps < 3; steps++) {
            char words[128];
            snprintf(words, sizeof words, "train.schedule=%s train.steps=%d train.warmup_steps=%d",
                     names[i], steps, steps);
            fv_config config = configure(words);
            for (int step = 0; step <= steps; step++)
                check_between(schedule_rate(&config.train, step), 0, 1e-3);
        }
}

static void test_clipping(void **state) {
    (void)state;
    fv_config config = configure("train.optimizer=sgd train.clip_norm=0.5 train.learning_rate=1");
    _Alignas(64) float params[16] = {0}, m[16] = {0}, v[16] = {0};
    _Alignas(64) float large[16] = {3, 0, -4}, small[16] = {0.3f, 0, -0.4f};
    train_optimizer optimizer = {
        .config = &config.train, .n = 16, .params = params, .m = m, .v = v};
    optimizer_step(&optimizer, kernels_get(), 0, large); // norm 5
    check_near((double)params[0], -0.3, 1e-7);
    check_near((double)params[2], 0.4, 1e-7);
    optimizer_step(&optimizer, kernels_get(), 1, small); // norm 0.5: as it is
    check_near((double)params[0], -0.6, 1e-7);
    check_near((double)params[2], 0.8, 1e-7);
}

// A trainer and the batch of its next step, for a naive pass over it.
typedef struct rig {
    fv_config config;
    fv_trainer *trainer;
    task_data data;
    int n_loss;
    const int *positions;
    double *params;
    int32_t *tokens, *targets; // [groups][T][16], [groups][n_loss][16]
} rig;

enum { L = FV_LANES };

static rig rig_create(const char *words) {
    rig r = {.config = configure(words)};
    check_ok(fv_trainer_create(&r.config, 2, &r.trainer, NULL));
    check_ok(data_create(&r.config.task, (uint64_t)r.config.train.seed, true, &r.data, NULL));
    const fv_model *model = fv_trainer_model(r.trainer);
    r.positions = fv_model_loss_positions(model, &r.n_loss);
    size_t n_groups = ((size_t)r.config.train.batch_size + L - 1) / L;
    r.params = malloc(fv_model_n_params(model) * sizeof *r.params);
    r.tokens =
        aligned_alloc(64, n_groups * (size_t)r.config.task.context_length * L * sizeof *r.tokens);
    r.targets = aligned_alloc(64, n_groups * (size_t)r.n_loss * L * sizeof *r.targets);
    return r;
}

static void rig_free(rig *r) {
    fv_trainer_free(r->trainer);
    data_free(&r->data);
    free(r->params);
    free(r->tokens);
    free(r->targets);
}

// Parameters and batch of the step that comes next.
static void rig_prepare(rig *r) {
    const fv_model *model = fv_trainer_model(r->trainer);
    const float *params = fv_trainer_params(r->trainer);
    for (size_t i = 0; i < fv_model_n_params(model); i++) r->params[i] = (double)params[i];
    data_batch(&r->data, FV_STREAM_TRAIN, (uint32_t)fv_trainer_steps_done(r->trainer), 0,
               (r->config.train.batch_size + L - 1) / L, r->config.train.batch_size, r->tokens,
               r->targets);
}

// Mean loss and accuracy of the prepared batch.
static double naive_batch(const rig *r, double *accuracy) {
    int T = r->config.task.context_length, V = r->config.task.vocab_size;
    double *logits = malloc((size_t)T * (size_t)V * sizeof *logits), loss = 0, correct = 0;
    int32_t *tokens = malloc((size_t)T * sizeof *tokens);
    for (int s = 0; s < r->config.train.batch_size; s++) {
        for (int t = 0; t < T; t++) tokens[t] = r->tokens[(s / L * T + t) * L + s % L];
        naive_forward(fv_trainer_model(r->trainer), r->params, tokens, logits, NULL);
        for (int i = 0; i < r->n_loss; i++) {
            const double *row = logits + r->positions[i] * V;
            int target = r->targets[(s / L * r->n_loss + i) * L + s % L], best = 0;
            for (int v = 1; v < V; v++)
                if (row[v] > row[best]) best = v;
            loss += naive_loss(row, V, target);
            correct += best == target;
        }
    }
    free(logits);
    free(tokens);
    double n = (double)r->config.train.batch_size * r->n_loss;
    if (accuracy) *accuracy = correct / n;
    return loss / n;
}

// The oracle: the error of `gradient` against central differences of the naive loss on every
// `stride`-th parameter, relative to the largest of them.
static double gradient_error(const rig *r, const float *gradient, size_t stride) {
    const double h = 1e-4;
    double error = 0, largest = 0;
    for (size_t i = 0; i < fv_model_n_params(fv_trainer_model(r->trainer)); i += stride) {
        double kept = r->params[i];
        r->params[i] = kept + h;
        double above = naive_batch(r, NULL);
        r->params[i] = kept - h;
        double slope = (above - naive_batch(r, NULL)) / (2 * h);
        r->params[i] = kept;
        largest = fmax(largest, fabs(slope));
        error = fmax(error, fabs(slope - (double)gradient[i]));
        if (!isfinite((double)gradient[i])) error = INFINITY;
    }
    return error / largest;
}

static int n_tiles(const rig *r) {
    int capacity = fv_trainer_model(r->trainer)->group_capacity;
    return ((r->config.train.batch_size + L - 1) / L + capacity - 1) / capacity;
}

static const struct {
    const char *words;
    int stride, fewest_tiles;
} batches[] = {
    {"task.vocab_size=10 train.batch_size=256", 1, 1},
    {"task.vocab_size=10 train.batch_size=1", 1, 1},
    {"task.vocab_size=10 train.batch_size=17 task.loss=all model.positions=learned", 3, 1},
    {"task.vocab_size=20 task.context_length=5 train.batch_size=300 model.n_embd=8 task.loss=all "
     "model.n_head=2 model.layers=[attention,mlp] model.residual=true model.norm=layer "
     "model.bias=true",
     97, 2},
    {"task.vocab_size=30 task.context_length=24 train.batch_size=333 model.n_embd=12 "
     "model.layers=[attention,attention] model.residual=true task.offset=1",
     173, 9},
};
enum { N_BATCHES = sizeof batches / sizeof *batches };

static const double gradient_tolerance = 2e-5;

// Loss, accuracy and gradient of the first steps; batches of one tile, of several, and of more
// tiles than there are gradient buffers.
static void test_losses_and_gradients(void **state) {
    (void)state;
    for (int i = 0; i < N_BATCHES; i++) {
        rig r = rig_create(batches[i].words);
        if (n_tiles(&r) < batches[i].fewest_tiles)
            fail_msg("%s: %d tiles, too few for this test", batches[i].words, n_tiles(&r));
        for (int step = 0; step < 2; step++) {
            double accuracy, wanted_accuracy;
            rig_prepare(&r);
            double wanted = naive_batch(&r, &wanted_accuracy);
            double loss = fv_trainer_step(r.trainer, &accuracy);
            double error =
                gradient_error(&r, fv_trainer_gradient(r.trainer), (size_t)batches[i].stride);
            if (!(fabs(loss - wanted) <= 1e-5 * wanted && error <= gradient_tolerance))
                fail_msg("%s, step %d: loss %.8g, wanted %.8g; gradient off by %g",
                         batches[i].words, step, loss, wanted, error);
            // A tie to the last digit may fall either way.
            check_near(accuracy, wanted_accuracy, 1.5 / (r.config.train.batch_size * r.n_loss));
        }
        rig_free(&r);
    }
}

static void test_gradient_oracle_catches_faults(void **state) {
    (void)state;
    rig r = rig_create(batches[0].words);
    rig_prepare(&r);
    fv_trainer_step(r.trainer, NULL);
    size_t n = fv_model_n_params(fv_trainer_model(r.trainer));
    float *gradient = malloc(n * sizeof *gradient);
    memcpy(gradient, fv_trainer_gradient(r.trainer), n * sizeof *gradient);
    assert_true(gradient_error(&r, gradient, 1) <= gradient_tolerance);
    size_t largest = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(gradient[i]) > fabsf(gradient[largest])) largest = i;
    gradient[largest] *= 1 + 1e-3f;
    assert_true(gradient_error(&r, gradient, 1) > gradient_tolerance);
    gradient[largest] *= -1;
    assert_true(gradient_error(&r, gradient, 1) > gradient_tolerance);
    rig_prepare(&r); // another batch
    assert_true(gradient_error(&r, fv_trainer_gradient(r.trainer), 1) > gradient_tolerance);
    free(gradient);
    rig_free(&r);
}

// Held-out loss and accuracy are those of the public test data.
static void test_held_out_data(void **state) {
    (void)state;
    enum { N = 100 };
    rig r = rig_create("task.vocab_size=10 task.data=fixed task.n_train=64 task.n_test=100 "
                       "train.batch_size=100 train.seed=5");
    int32_t tokens[N * 4], targets[N];
    check_ok(fv_model_test_data(fv_trainer_model(r.trainer), 5, 0, N, tokens, targets));
    for (int steps = 0; steps < 3; steps++) {
        double loss, accuracy, wanted_accuracy;
        rig_prepare(&r);
        for (int s = 0; s < N; s++) { // the batch gives way to the test data
            for (int t = 0; t < 4; t++) r.tokens[(s / L * 4 + t) * L + s % L] = tokens[s * 4 + t];
            r.targets[s] = targets[s];
        }
        double wanted = naive_batch(&r, &wanted_accuracy);
        fv_trainer_test(r.trainer, &loss, &accuracy);
        check_near(loss, wanted, 1e-5);
        check_near(accuracy, wanted_accuracy, 1.5 / N);
        fv_trainer_step(r.trainer, NULL);
    }
    rig_free(&r);
}

// Parameters after some steps, by a variant and a number of threads. malloc.
static float *train(const char *words, const char *kernels, int n_threads, int steps, size_t *n) {
    fv_config config = configure(words);
    fv_trainer *trainer;
    check_ok(fv_kernels_force(kernels, NULL));
    check_ok(fv_trainer_create(&config, n_threads, &trainer, NULL));
    for (int i = 0; i < steps; i++) fv_trainer_step(trainer, NULL);
    *n = fv_model_n_params(fv_trainer_model(trainer));
    float *params = malloc(*n * sizeof *params);
    memcpy(params, fv_trainer_params(trainer), *n * sizeof *params);
    fv_trainer_free(trainer);
    return params;
}

// Largest difference of two sets of parameters relative to the largest; 0 only where all bits
// agree.
static double distance(const float *a, const float *b, size_t n) {
    double largest = 0, difference = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
        if (!isfinite((double)a[i] - (double)b[i])) return INFINITY;
    }
    return memcmp(a, b, n * sizeof *a) == 0 ? 0 : fmax(difference / largest, 1e-30);
}

#define SEVERAL_TILES                                                                              \
    "task.vocab_size=12 task.context_length=6 train.batch_size=290 model.n_embd=8 task.loss=all "  \
    "model.layers=[attention,mlp] model.residual=true model.norm=rms "

static void test_threads_do_not_matter(void **state) {
    (void)state;
    enum { STEPS = 1000 };
    const char *chosen = fv_kernels_name();
    rig r = rig_create(SEVERAL_TILES);
    if (n_tiles(&r) < 3) fail_msg("%d tiles, too few for this test", n_tiles(&r));
    rig_free(&r);
    size_t n;
    float *alone = train(SEVERAL_TILES, chosen, 1, STEPS, &n);
    for (int n_threads = 2; n_threads <= 3; n_threads++) {
        float *shared = train(SEVERAL_TILES, chosen, n_threads, STEPS, &n);
        assert_true(distance(alone, shared, n) == 0);
        free(shared);
    }
    float *muon = train(SEVERAL_TILES "train.optimizer=muon", chosen, 1, 50, &n);
    float *muon_shared = train(SEVERAL_TILES "train.optimizer=muon", chosen, 3, 50, &n);
    assert_true(distance(muon, muon_shared, n) == 0);
    free(muon);
    free(muon_shared);
    float *other = train(SEVERAL_TILES "train.seed=1", chosen, 1, STEPS, &n);
    assert_true(distance(alone, other, n) > 0);
    free(alone);
    free(other);
}

static bool runs_here(const char *kernels) {
    for (int k = 0; kernels_available()[k]; k++)
        if (strcmp(kernels_available()[k]->name, kernels) == 0) return true;
    return false;
}

static const struct {
    const char *words;
    int steps;
} runs[] = {
    {"task.vocab_size=4", 1000},
    {"task.vocab_size=10", 1000},
    {"task.vocab_size=100 train.batch_size=64", 1000},
    {"task.vocab_size=10 task.distribution=zipf task.data=fixed train.optimizer=momentum", 300},
    {SEVERAL_TILES "train.clip_norm=0.1 train.optimizer=adamw train.weight_decay=0.1", 100},
    {"task.vocab_size=33 task.context_length=9 train.batch_size=50 model.n_embd=9 model.n_head=3 "
     "model.layers=[attention,layer_norm,mlp] model.bias=true model.positions=learned "
     "model.tied=true",
     100},
    {"task.vocab_size=20 task.context_length=20 train.batch_size=40 model.n_embd=10 "
     "model.positions=sinusoidal train.optimizer=sgd train.learning_rate=0.1 model.activation=relu "
     "model.layers=[attention,attention,mlp] model.residual=true",
     100},
    {SEVERAL_TILES "train.optimizer=muon train.learning_rate=0.02 train.weight_decay=0.1", 100},
    {SEVERAL_TILES "model.norm_place=sandwich model.activation=swiglu model.readout=harmonic", 100},
};
enum { N_RUNS = sizeof runs / sizeof *runs };

static void test_avx2_and_avx512_agree(void **state) {
    (void)state;
    if (!runs_here("avx2") || !runs_here("avx512")) skip();
    const char *chosen = fv_kernels_name();
    for (int i = 0; i < N_RUNS; i++) {
        size_t n;
        float *a = train(runs[i].words, "avx2", 1, runs[i].steps, &n);
        float *b = train(runs[i].words, "avx512", 2, runs[i].steps, &n);
        if (distance(a, b, n) != 0)
            fail_msg("%s: avx2 and avx512 differ by %g after %d steps", runs[i].words,
                     distance(a, b, n), runs[i].steps);
        free(a);
        free(b);
    }
    check_ok(fv_kernels_force(chosen, NULL));
}

// The others round differently. After ten steps parameters agree to 1e-4 of the largest.
static void test_other_variants_stay_close(void **state) {
    (void)state;
    const char *chosen = fv_kernels_name();
    for (int i = 0; i < N_RUNS; i++) {
        size_t n;
        float *a = train(runs[i].words, "reference", 1, 10, &n);
        for (int k = 1; kernels_available()[k]; k++) {
            float *b = train(runs[i].words, kernels_available()[k]->name, 1, 10, &n);
            if (!(distance(a, b, n) <= 1e-4))
                fail_msg("%s: %s is off by %g", runs[i].words, kernels_available()[k]->name,
                         distance(a, b, n));
            free(b);
        }
        free(a);
    }
    check_ok(fv_kernels_force(chosen, NULL));
}

// A batch of 300 is trained as such: neither the lanes of the last tile without samples nor the
// size of tiles leave a trace. Fixed data of one sequence: every batch size has the same gradient.
// Other data, the same start; and another start with the same data.
static void test_seeds_of_data_and_start(void **state) {
    (void)state;
    size_t n;
    float *start = train("train.seed=1", "reference", 1, 0, &n);
    float *same = train("train.seed=1 task.seed=2", "reference", 1, 0, &n);
    float *other = train("train.seed=2 task.seed=1", "reference", 1, 0, &n);
    assert_true(distance(start, same, n) == 0);
    assert_true(distance(start, other, n) > 0);
    float *trained = train("train.seed=1", "reference", 1, 2, &n);
    float *said = train("train.seed=1 task.seed=1", "reference", 1, 2, &n);
    float *apart = train("train.seed=1 task.seed=2", "reference", 1, 2, &n);
    assert_true(distance(trained, said, n) == 0);
    assert_true(distance(trained, apart, n) > 0);
    float *const all[] = {start, same, other, trained, said, apart};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void test_batch_size_of_one_sequence(void **state) {
    (void)state;
    size_t n;
    const char *chosen = fv_kernels_name();
    float *one = train("task.data=fixed task.n_train=1 train.batch_size=1", chosen, 1, 20, &n);
    static const char *const others[] = {"task.data=fixed task.n_train=1 train.batch_size=17",
                                         "task.data=fixed task.n_train=1 train.batch_size=700"};
    for (int i = 0; i < 2; i++) {
        float *many = train(others[i], chosen, 1, 20, &n);
        check_between(distance(one, many, n), 0, 1e-4);
        free(many);
    }
    free(one);
}

static void test_unknown_kernels_are_refused(void **state) {
    (void)state;
    fv_error error;
    const char *chosen = fv_kernels_name();
    assert_int_equal(fv_kernels_force("avx1024", &error), FV_USAGE);
    assert_non_null(strstr(error.text, "avx1024"));
    assert_non_null(strstr(error.text, "reference, portable"));
    assert_string_equal(fv_kernels_name(), chosen);
}

// Rates of tokens so rare that a batch never holds them: they are numbers, and leave no others.
static void test_rates_of_rare_tokens(void **state) {
    (void)state;
    static const char *const cases[] = {
        "train.token_rate_power=-0.5",
        "train.token_rate_power=-0.5 train.optimizer=sgd",
        "train.token_rate_power=-10",
        "train.token_rate_power=-10 train.learning_rate=1000 train.optimizer=momentum",
        "train.token_rate_power=10",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        snprintf(words, sizeof words,
                 "task.vocab_size=20000 task.distribution=zipf task.zipf_alpha=4 "
                 "train.batch_size=16 %s",
                 cases[i]);
        rig r = rig_create(words);
        fv_trainer_step(r.trainer, NULL);
        const fv_model *model = fv_trainer_model(r.trainer);
        const float *params = fv_trainer_params(r.trainer);
        for (size_t k = 0; k < fv_model_n_params(model); k++)
            if (!isfinite(params[k])) fail_msg("%s: parameter %zu is %g", cases[i], k, params[k]);
        rig_free(&r);
    }
}

// Operations of a step, counted by hand for one attention layer with the last position scored.
static void test_cost(void **state) {
    (void)state;
    rig r = rig_create(
        "task.vocab_size=100 task.context_length=4 model.n_embd=10 train.batch_size=256");
    fv_step_cost cost = fv_trainer_cost(r.trainer);
    // Multiply-adds a sequence: queries and outputs of one position, keys and values of four,
    // scores and sums over four keys, unembedding.
    double wanted = 2 * 100 + 2 * 4 * 100 + 2 * 4 * 10 + 10 * 100;
    check_near(cost.flops, 6 * wanted * 256, 1e-3 * cost.flops);
    check_near(cost.exps, 256 * (4 + 100), 1e-3 * cost.exps);
    assert_true(cost.executed_flops > 0 && cost.executed_flops <= cost.flops);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_update_oracle_catches_faults),
        cmocka_unit_test(test_betas),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_schedules_of_short_runs),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_losses_and_gradients),
        cmocka_unit_test(test_gradient_oracle_catches_faults),
        cmocka_unit_test(test_held_out_data),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_avx2_and_avx512_agree),
        cmocka_unit_test(test_other_variants_stay_close),
        cmocka_unit_test(test_seeds_of_data_and_start),
        cmocka_unit_test(test_batch_size_of_one_sequence),
        cmocka_unit_test(test_unknown_kernels_are_refused),
        cmocka_unit_test(test_rates_of_rare_tokens),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
