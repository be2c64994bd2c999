// Numbers that die out become 0 before they are subnormal, where an operation takes many times as
// long: in each kernel where that happens, in the optimizers, and after long trainings, whose every
// tensor is searched. No clock is asked.
#include "configurations.h"
#include "subnormal.h"

#include "model/layers.h"
#include "train/lengths.h"
#include "train/optimizer.h"

#include <float.h>
#include <fovea/machine.h>
#include <fovea/train.h>

enum { L = FV_LANES };

#define EACH_VARIANT(kernels)                                                                      \
    const kernel_set *const *kernels = kernels_available();                                        \
    *kernels;                                                                                      \
    kernels++

// --- kernels -------------------------------------------------------------------------------------

enum { T = 9, D = 4, V = 40 };

// Causal attention of n_queries of T positions over scores that differ by hundreds, and its
// gradient for a dz of any smallness: no weight and no gradient of a score dies slowly.
static void attend(const kernel_set *kernels, int n_queries, kernel_score score, float smallness) {
    static _Alignas(64) float q[T * D * L], k[T * D * L], v[T * D * L], z[T * D * L], p[T * T * L];
    static _Alignas(64) float slopes[T * T * L], ds[T * T * L], dz[T * D * L], dq[T * D * L];
    static _Alignas(64) float dk[T * D * L], dv[T * D * L];
    int n_keys[T];
    uint64_t random = 7;
    for (int i = 0; i < T * D * L; i++) {
        q[i] = (float)(8 * noise(&random));
        k[i] = (float)(8 * noise(&random));
        v[i] = (float)noise(&random);
        dz[i] = (float)noise(&random) * powf(smallness, (float)noise01(&random));
        dk[i] = dv[i] = 0;
    }
    memset(p, 0, sizeof p);
    memset(ds, 0, sizeof ds);
    for (int i = 0; i < n_queries; i++) n_keys[i] = T - n_queries + 1 + i;
#define ROWS(x) {x, D * L, 0}
    kernel_attend a = {.n_groups = 1, .n_queries = n_queries, .n_rows_keys = T, .n_keys = n_keys};
    a.d_key = a.d_value = D;
    a.score = score;
    a.scale = 1, a.power = 30, a.floor = 1e-3f;
    a.q = (kernel_attend_rows)ROWS(q), a.k = (kernel_attend_rows)ROWS(k),
    a.v = (kernel_attend_rows)ROWS(v);
    a.z = (kernel_attend_rows)ROWS(z);
    a.p = (kernel_attend_rows){p, T * L, 0};
    a.slopes = (kernel_attend_rows){slopes, T * L, 0};
    kernels->attend(&a);
    CHECK_NONE(kernels->name, p, (size_t)(n_queries * T * L));
    CHECK_NONE(kernels->name, z, (size_t)(n_queries * D * L));
    kernels->attend_gradient(&(kernel_attend_gradient){.forward = a,
                                                       .dz = ROWS(dz),
                                                       .dq = ROWS(dq),
                                                       .dk = ROWS(dk),
                                                       .dv = ROWS(dv),
                                                       .scratch = ds});
#undef ROWS
    if (!score_is_metric(score)) CHECK_NONE(kernels->name, ds, (size_t)(n_queries * T * L));
}

static void test_attention(void **state) {
    (void)state;
    for (EACH_VARIANT(k))
        for (int score = FV_KERNEL_DOT; score < FV_N_SCORES; score++) {
            attend(*k, 1, (kernel_score)score, 1);
            attend(*k, T, (kernel_score)score, 1e-30f);
        }
}

static void test_cross_entropy(void **state) {
    (void)state;
    static _Alignas(64) float logits[T * V * L], losses[T * L], inverse[T * L];
    static _Alignas(64) int32_t targets[T * L];
    for (EACH_VARIANT(k))
        for (int classes = 5; classes <= V; classes += V - 5) {
            uint64_t random = 11;
            for (int i = 0; i < T * classes * L; i++) logits[i] = (float)(60 * noise(&random));
            for (int i = 0; i < T * L; i++) targets[i] = i % classes;
            (*k)->cross_entropy(&(kernel_cross_entropy){.n_rows = T,
                                                        .vocab_size = classes,
                                                        .logits = logits,
                                                        .targets = targets,
                                                        .weight = 1,
                                                        .losses = losses,
                                                        .inverse = inverse});
            CHECK_NONE((*k)->name, logits, (size_t)(T * classes * L));
        }
}

static void test_activations(void **state) {
    (void)state;
    enum { N = 1024 };
    static _Alignas(64) float x[N], y[N], dy[N], dx[N];
    for (int i = 0; i < N; i++) x[i] = -0.05f * (float)i, dy[i] = 1e-17f;
    for (EACH_VARIANT(k))
        for (int kind = 0; kind < FV_N_ACTIVATIONS; kind++) {
            (*k)->activate((kernel_activation)kind, N, x, y);
            (*k)->activate_gradient((kernel_activation)kind, N, x, dy, dx);
            CHECK_NONE((*k)->name, y, N);
            CHECK_NONE((*k)->name, dx, N);
        }
}

// A state that one input filled and no other refreshes, and the gradient of an output at the end.
static void test_scan(void **state) {
    (void)state;
    enum { ROWS = 300, N = 3 };
    static _Alignas(64) float u[ROWS * L], raw[ROWS * L], b[ROWS * N * L], c[N * L], z[L], y[L];
    static _Alignas(64) float delta[ROWS * L], sum[L], dy[L], du[ROWS * L], draw[ROWS * L], dz[L];
    static _Alignas(64) float db[ROWS * N * L], dc[N * L], kept[ROWS * FV_SCAN_SCRATCH * L];
    float a[N] = {-0.5f, -1, -40}, skip = 0, bias = 0, da[N] = {0}, dskip = 0;
    const int rows = ROWS - 1;
    for (int i = 0; i < ROWS * L; i++) u[i] = i < L, raw[i] = 0.1f * (float)(i % L);
    for (int i = 0; i < ROWS * N * L; i++) b[i] = 1;
    for (int l = 0; l < N * L; l++) c[l] = 1;
    for (int l = 0; l < L; l++) z[l] = 1, dy[l] = 1;
    for (EACH_VARIANT(k)) {
        kernel_scan s = {.n_groups = 1, .n_rows = ROWS, .n_outputs = 1, .n_channels = 1};
        s.n_state = N, s.rows = &rows;
        s.a = a, s.skip = &skip, s.bias = &bias, s.u = u, s.raw = raw,
        s.b = (kernel_rows){b, N * L};
        s.c = c, s.z = z, s.delta = delta, s.sum = sum, s.y = y;
        (*k)->scan(&s);
        CHECK_NONE((*k)->name, y, L);
        memset(kept, 0, sizeof kept);
        (*k)->scan_gradient(&(kernel_scan_gradient){.forward = s,
                                                    .dy = dy,
                                                    .du = du,
                                                    .draw = draw,
                                                    .dz = dz,
                                                    .db = {db, N * L},
                                                    .dc = dc,
                                                    .da = da,
                                                    .dskip = &dskip,
                                                    .scratch = kept});
        CHECK_NONE((*k)->name, kept, (size_t)(ROWS * FV_SCAN_SCRATCH * L));
        CHECK_NONE((*k)->name, du, (size_t)(ROWS * L));
        CHECK_NONE((*k)->name, db, (size_t)(ROWS * N * L));
    }
}

// --- optimizers ----------------------------------------------------------------------------------

// Gradients of every size down to the smallest float, then none for as long as it takes for every
// moment and, where weights decay, every parameter to die.
static void test_optimizers(void **state) {
    (void)state;
    enum { N = 160, STEPS = 30000 };
    static const char *const rules[] = {
        "train.optimizer=adam", "train.optimizer=adam train.beta2=0.9999999 train.beta1=0.99",
        "train.optimizer=adam train.beta1=0 train.beta2=0 train.epsilon=1e-4",
        "train.optimizer=adamw train.weight_decay=1 train.learning_rate=0.01",
        "train.optimizer=momentum train.weight_decay=1 train.learning_rate=0.01"};
    for (EACH_VARIANT(k))
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
            static _Alignas(64) float params[N], m[N], v[N], gradient[N];
            fv_config config = configure(rules[r]);
            train_optimizer o = {.config = &config.train, .n = N, .params = params, .m = m, .v = v};
            for (int i = 0; i < N; i++) params[i] = i % 2 ? 0 : 1, m[i] = v[i] = 0;
            for (int step = 0; step < STEPS; step++) {
                for (int i = 0; i < N; i++) gradient[i] = step < 3 ? ldexpf(1, 10 - i) : 0;
                optimizer_step(&o, *k, step, gradient);
                if (step > 5 && step % 10 != 0) continue;
                CHECK_NONE((*k)->name, params, N);
                CHECK_NONE((*k)->name, m, N);
                CHECK_NONE((*k)->name, v, N);
            }
        }
}

// --- trainings -----------------------------------------------------------------------------------

// A training by the engine's own parts, all of whose memory can be looked at.
typedef struct training {
    fv_config config;
    fv_model *model;
    train_lengths lengths;
    memory_arena workspace, memory;
    train_optimizer optimizer;
    float *gradient;
} training;

static training training_create(const char *words) {
    training t = {.config = configure(words)};
    check_ok(fv_model_create(&t.config, &t.model, NULL));
    check_ok(lengths_create(t.model, &t.lengths, NULL));
    t.workspace = lengths_workspace(&t.lengths);
    check_ok(arena_allocate(&t.workspace, NULL));
    size_t n = (fv_model_n_params(t.model) + L - 1) / L * L, at[4];
    for (int i = 0; i < 4; i++) at[i] = arena_reserve(&t.memory, n, sizeof(float));
    check_ok(arena_allocate(&t.memory, NULL));
    t.optimizer = (train_optimizer){.config = &t.config.train, .n = n};
    t.optimizer.params = arena_at(&t.memory, at[0]);
    t.optimizer.m = arena_at(&t.memory, at[1]);
    t.optimizer.v = arena_at(&t.memory, at[2]);
    t.gradient = arena_at(&t.memory, at[3]);
    fv_model_init_params(t.model, 1, t.optimizer.params);
    return t;
}

static void training_free(training *t) {
    arena_free(&t->memory);
    arena_free(&t->workspace);
    lengths_free(&t->lengths);
    fv_model_free(t->model);
}

static void training_step(training *t, const kernel_set *kernels, int step) {
    const train_length *length = lengths_longest(&t->lengths);
    const fv_model *model = length->model;
    int batch = t->config.train.batch_size;
    model_tile tile = {.model = model, .kernels = kernels, .workspace = &t->workspace};
    tile.params = t->optimizer.params;
    tile.gradient = t->gradient;
    tile.weight = 1 / (float)(batch * length->data.n_targets);
    memset(t->gradient, 0, t->optimizer.n * sizeof *t->gradient);
    for (int i = 0; i < length->n_tiles; i++) {
        int group = i * model->group_capacity, left = (batch + L - 1) / L - group;
        tile.n_groups = left < model->group_capacity ? left : model->group_capacity;
        data_batch(&length->data, FV_STREAM_TRAIN, (uint32_t)step, group, tile.n_groups, batch,
                   arena_at(&t->workspace, model->tokens), arena_at(&t->workspace, model->targets));
        tile_run(&tile);
    }
    train_optimizer optimizer = t->optimizer;
    optimizer.config = &t->config.train; // which has moved since
    optimizer_step(&optimizer, kernels, step, t->gradient);
}

// Offsets, kept in order.
enum { MOST_OFFSETS = 400 };
typedef struct offsets {
    size_t at[MOST_OFFSETS], n;
} offsets;

static void offsets_add(offsets *o, size_t offset) {
    assert_true(o->n < MOST_OFFSETS);
    size_t i = o->n++;
    for (; i > 0 && o->at[i - 1] > offset; i--) o->at[i] = o->at[i - 1];
    o->at[i] = offset;
}

// Where the buffers of a workspace begin, as far as layers name them; the last is the end.
static offsets buffers_of(const training *t) {
    const fv_model *model = lengths_longest(&t->lengths)->model;
    const size_t own[] = {0, model->tokens, model->targets, model->losses, t->workspace.size};
    offsets begins = {.n = 0};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) offsets_add(&begins, own[i]);
    for (int i = 0; i < model->n_layers; i++) {
        const model_layer *layer = &model->layers[i];
        const size_t ends[] = {layer->x, layer->y, layer->dx, layer->dy};
        for (int k = 0; k < 4; k++)
            if (ends[k] <= t->workspace.size) offsets_add(&begins, ends[k]);
        for (int k = 0; k < FV_LAYER_BUFFERS; k++)
            if (layer->buffer[k] <= t->workspace.size) offsets_add(&begins, layer->buffer[k]);
    }
    return begins;
}

// What a search has found so far, buffer by buffer.
typedef struct search {
    offsets begins;
    size_t found[MOST_OFFSETS], looked_at[MOST_OFFSETS];
} search;

// Looks at every tensor of the workspace but the integers of tokens and targets.
static void look(const training *t, search *s) {
    const fv_model *model = lengths_longest(&t->lengths)->model;
    s->begins = buffers_of(t);
    for (size_t i = 0; i + 1 < s->begins.n; i++) {
        size_t at = s->begins.at[i], numbers = (s->begins.at[i + 1] - at) / sizeof(float);
        if (at == model->tokens || at == model->targets) continue;
        s->found[i] += n_subnormal(arena_at(&t->workspace, at), numbers);
        s->looked_at[i] += numbers;
    }
}

// The largest share of subnormal numbers in any tensor, looked at ten times in the last half of a
// training; parameters and moments have none. *where is the offset of that tensor.
static double worst_share(const char *words, const kernel_set *kernels, int steps, size_t *where) {
    static search s;
    s = (search){.begins.n = 0};
    training t = training_create(words);
    for (int step = 0; step < steps; step++) {
        training_step(&t, kernels, step);
        if (step < steps / 2 || (step + 1) % (steps / 20) != 0) continue;
        look(&t, &s);
        CHECK_NONE(kernels->name, t.optimizer.params, t.optimizer.n);
        CHECK_NONE(kernels->name, t.optimizer.m, t.optimizer.n);
        CHECK_NONE(kernels->name, t.optimizer.v, t.optimizer.n);
    }
    double worst = 0;
    for (size_t i = 0; i < s.begins.n; i++) {
        double share = s.looked_at[i] ? (double)s.found[i] / (double)s.looked_at[i] : 0;
        if (share <= worst) continue;
        worst = share;
        *where = s.begins.at[i];
    }
    training_free(&t);
    return worst;
}

static const struct {
    const char *words;
    int steps;
} trainings[] = {
    {"task.vocab_size=100 train.batch_size=256 train.learning_rate=1e-2", 20000},
    {"task.vocab_size=100 train.batch_size=64 task.distribution=zipf task.zipf_alpha=2 "
     "model.n_embd=4 train.optimizer=adamw train.weight_decay=0.5 train.learning_rate=1e-2",
     20000},
    {"task.vocab_size=8 task.context_length=8 task.loss=all model.n_embd=8 train.batch_size=64 "
     "model.layers=[attention*2] model.positions=learned train.learning_rate=1e-2",
     4000},
    {"task.vocab_size=8 task.context_length=8 task.loss=all model.n_embd=8 train.batch_size=64 "
     "model.layers=[attention,mlp] model.positions=learned model.residual=true model.norm=layer "
     "train.learning_rate=1e-2",
     3000},
    {"task.vocab_size=7 task.context_length=9 task.loss=all model.n_embd=3 train.batch_size=64 "
     "model.score=euclidean model.positions=learned train.learning_rate=1e-2",
     6000},
    {"task.name=mqar task.n_pairs=2 task.vocab_size=16 task.context_length=16 model.n_embd=8 "
     "model.layers=[mamba,attention] model.norm=rms model.residual=true train.batch_size=32 "
     "train.learning_rate=1e-2",
     1500},
    {"task.vocab_size=8 task.context_length=4 task.loss=all model.n_embd=8 train.batch_size=64 "
     "train.optimizer=momentum train.learning_rate=1",
     10000},
};

static void test_trainings(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof trainings / sizeof *trainings; i++) {
        size_t where = 0;
        double worst = worst_share(trainings[i].words, kernels_get(), trainings[i].steps, &where);
        if (worst > 1e-5)
            fail_msg("%s: after %d steps %g of the tensor at %zu are subnormal", trainings[i].words,
                     trainings[i].steps, worst, where);
    }
}

static size_t total(const size_t counts[MOST_OFFSETS]) {
    size_t sum = 0;
    for (size_t i = 0; i < MOST_OFFSETS; i++) sum += counts[i];
    return sum;
}

// The search looks nearly everywhere, and finds a subnormal number where one is.
static void test_search(void **state) {
    (void)state;
    static search s;
    training t = training_create(trainings[0].words);
    training_step(&t, kernels_get(), 0);
    look(&t, &s);
    assert_true(total(s.found) == 0);
    assert_true((double)total(s.looked_at) > 0.9 * (double)(t.workspace.size / sizeof(float)));
    float *losses = arena_at(&t.workspace, lengths_longest(&t.lengths)->model->losses);
    losses[3] = -FLT_MIN / 2;
    look(&t, &s);
    assert_true(total(s.found) == 1);
    training_free(&t);
    const float x[] = {0, FLT_MIN, -FLT_MIN / 2, expf(-90), INFINITY, NAN};
    assert_true(n_subnormal(x, 6) == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),   cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_scan),
        cmocka_unit_test(test_optimizers),  cmocka_unit_test(test_search),
        cmocka_unit_test(test_trainings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
