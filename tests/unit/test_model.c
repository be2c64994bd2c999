// The public face of a model: logits and attention patterns against a naive forward pass, initial
// parameters against their distributions, test data against the training stream.
#include "naive.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>

// Sequences of a model and what it makes of them.
typedef struct sample {
    fv_model *model;
    int n, T, V, n_loss;
    const int *positions;
    float *params, *logits; // logits [n][n_loss][V]
    double *exact;          // the parameters in double
    int32_t *tokens;        // [n][T]
} sample;

static sample sample_create(const char *words, int n) {
    fv_config config = configure(words);
    sample s = {.n = n, .T = config.task.context_length, .V = config.task.vocab_size};
    check_ok(fv_model_create(&config, &s.model, NULL));
    s.positions = fv_model_loss_positions(s.model, &s.n_loss);
    size_t n_params = fv_model_n_params(s.model);
    s.params = malloc(n_params * sizeof *s.params);
    s.exact = malloc(n_params * sizeof *s.exact);
    s.tokens = malloc((size_t)n * (size_t)s.T * sizeof *s.tokens);
    s.logits = malloc((size_t)n * (size_t)s.n_loss * (size_t)s.V * sizeof *s.logits);
    uint64_t random = 29; // norms and biases leave the special values that they start from
    fv_model_init_params(s.model, 31, s.params);
    for (size_t i = 0; i < n_params; i++) {
        s.params[i] += (float)(0.3 * noise(&random));
        s.exact[i] = (double)s.params[i];
    }
    for (int i = 0; i < n * s.T; i++) s.tokens[i] = noise_below(&random, s.V);
    return s;
}

static void sample_free(sample *s) {
    fv_model_free(s->model);
    free(s->params);
    free(s->exact);
    free(s->tokens);
    free(s->logits);
}

// The oracle: the largest difference of the engine's logits from the naive ones, relative to the
// largest of those.
static double logits_error(const sample *s) {
    double *exact = malloc((size_t)s->T * (size_t)s->V * sizeof *exact), error = 0, largest = 0;
    check_ok(fv_model_logits(s->model, s->params, s->tokens, s->n, s->logits, NULL));
    for (int i = 0; i < s->n; i++) {
        naive_forward(s->model, s->exact, s->tokens + i * s->T, exact, NULL);
        for (int k = 0; k < s->n_loss; k++)
            for (int v = 0; v < s->V; v++) {
                double wanted = exact[s->positions[k] * s->V + v];
                double value = (double)s->logits[(i * s->n_loss + k) * s->V + v];
                if (!isfinite(value)) error = INFINITY;
                largest = fmax(largest, fabs(wanted));
                error = fmax(error, fabs(value - wanted));
            }
    }
    free(exact);
    return error / largest;
}

static size_t patterns_per_sequence(const sample *s) {
    int n_head = fv_model_config_of(s->model)->model.n_head;
    return (size_t)fv_model_n_attention(s->model) * (size_t)n_head * (size_t)s->T * (size_t)s->T;
}

// The same for attention patterns; infinite where one of them is no causal distribution.
static double patterns_error(const sample *s) {
    size_t size = patterns_per_sequence(s);
    float *patterns = malloc((size_t)s->n * size * sizeof *patterns);
    double *logits = malloc((size_t)s->T * (size_t)s->V * sizeof *logits), error = 0;
    double *exact = calloc(size, sizeof *exact);
    check_ok(fv_model_patterns(s->model, s->params, s->tokens, s->n, patterns, NULL));
    for (int i = 0; i < s->n; i++) {
        const float *p = patterns + (size_t)i * size;
        naive_forward(s->model, s->exact, s->tokens + i * s->T, logits, exact);
        for (size_t k = 0; k < size; k++) error = fmax(error, fabs((double)p[k] - exact[k]));
        for (size_t row = 0; row < size; row += (size_t)s->T) {
            double sum = 0;
            for (size_t j = 0; j < (size_t)s->T; j++) {
                sum += (double)p[row + j];
                bool later = j > row / (size_t)s->T % (size_t)s->T;
                if (later ? p[row + j] != 0 : !(p[row + j] >= 0)) error = INFINITY;
            }
            // Without its own key the first position attends to nothing.
            bool nothing = fv_model_config_of(s->model)->model.exclude_self &&
                           row / (size_t)s->T % (size_t)s->T == 0;
            if (!(fabs(sum - (nothing ? 0 : 1)) < 1e-5)) error = INFINITY;
        }
    }
    free(patterns);
    free(logits);
    free(exact);
    return error;
}

#define SHAPE "task.vocab_size=11 task.context_length=6 model.n_embd=6 train.batch_size=32 "
static const char *const configurations[] = {
    SHAPE "model.layers=[attention]",
    SHAPE "model.layers=[attention] task.loss=all",
    SHAPE "model.layers=[attention] model.n_head=2 model.bias=true model.positions=learned",
    SHAPE "model.layers=[attention] model.n_head=6 task.loss=all model.positions=sinusoidal",
    SHAPE "model.layers=[attention,attention] model.residual=true model.tied=true",
    SHAPE "model.layers=[attention] model.score=euclidean model.score_beta=0.5",
    SHAPE "model.layers=[attention,attention] model.score=harmonic model.n_head=2 task.loss=all",
    SHAPE "model.layers=[attention] model.exclude_self=true",
    SHAPE "model.layers=[attention] model.window=2 task.loss=all",
    SHAPE "model.layers=[attention] model.window=3 model.sinks=1",
    SHAPE "model.layers=[attention] model.score=harmonic model.score_power_learned=true",
    ("task.vocab_size=5 task.context_length=40 model.n_embd=8 model.n_head=2 "
     "model.layers=[mlp,attention(window=7),attention(window=5 sinks=3),attention] "
     "model.window=11 model.sinks=2 model.residual=true model.norm=layer"),
    ("task.vocab_size=5 task.context_length=40 model.n_embd=8 model.n_head=2 task.loss=all "
     "model.layers=[attention,attention(window=0)] model.window=9 model.sinks=6 "
     "model.exclude_self=true model.score=euclidean model.positions=learned"),
    SHAPE "model.layers=[attention,attention] model.residual=true task.loss=all task.index=3",
    SHAPE "model.layers=[attention,mlp] model.residual=true model.norm=layer model.bias=true",
    SHAPE "model.layers=[mlp,attention] model.norm=rms model.activation=relu task.loss=all "
          "task.offset=2",
    SHAPE "model.layers=[layer_norm,attention,rms_norm,mlp,attention] model.residual=true "
          "model.n_head=3 model.norm=layer model.positions=learned model.tied=true model.bias=true",
    SHAPE "model.layers=[mlp] model.d_mlp=3 model.positions=learned task.loss=all",
    SHAPE "model.layers=[] model.norm=rms model.positions=sinusoidal",
    "task.vocab_size=2 task.context_length=1 model.n_embd=1 train.batch_size=1",
    "task.vocab_size=300 task.context_length=3 model.n_embd=17 train.batch_size=5 task.loss=all",
    ("task.vocab_size=5 task.context_length=40 model.n_embd=8 model.n_head=2 task.loss=all "
     "model.layers=[attention,mlp,attention] model.residual=true model.norm=layer"),
};
enum { N_CONFIGURATIONS = sizeof configurations / sizeof *configurations };

static const double tolerance = 2e-5;

static void check_configuration(const char *words, const char *kernels) {
    static const int sizes[] = {1, 16, 17, 70};
    for (int k = 0; k < 4; k++) {
        sample s = sample_create(words, sizes[k]);
        double logits = logits_error(&s), patterns = patterns_error(&s);
        if (!(logits <= tolerance && patterns <= tolerance))
            fail_msg("%s, %s, %d sequences: logits are off by %g, patterns by %g", kernels, words,
                     sizes[k], logits, patterns);
        sample_free(&s);
    }
}

static void test_logits_and_patterns(void **state) {
    (void)state;
    const char *chosen = fv_kernels_name();
    for (int k = 0; kernels_available()[k]; k++) {
        check_ok(fv_kernels_force(kernels_available()[k]->name, NULL));
        for (int i = 0; i < N_CONFIGURATIONS; i++)
            check_configuration(configurations[i], fv_kernels_name());
    }
    check_ok(fv_kernels_force(chosen, NULL));
}

// Scores that lie hundreds apart: a softmax gives most entries nothing, and the best of these are kept all the
// same, by the mean of what heads that share keys would give them.
static void test_far_entries(void **state) {
    (void)state;
    static const char *const more[] = {
        "model.compress_k=3", "model.compress_k=4 model.n_head=2 model.n_kv_head=1",
        "model.compress_k=3 model.compress_stride=1 model.nsa_block=4",
        "model.compress_k=4 model.nsa_first=1 model.compress_hidden=3"};
    for (int i = 0; i < 4; i++) {
        char words[512];
        snprintf(words, sizeof words,
                 "task.context_length=16 task.vocab_size=7 task.loss=all model.n_embd=4 "
                 "model.init=normal model.init_sigma=1.4 model.compress_block=2 "
                 "model.compress_window=1 model.layers=[nsa] %s",
                 more[i]);
        sample s = sample_create(words, 32);
        double error = logits_error(&s);
        if (!(error <= tolerance)) fail_msg("%s: logits are off by %g", words, error);
        sample_free(&s);
    }
}

// One parameter of each tensor off by a hundredth of the tensor's size, in the naive pass only, is
// seen.
static void test_oracle_catches_faults(void **state) {
    (void)state;
    sample s = sample_create(SHAPE "model.layers=[attention,mlp] model.residual=true task.loss=all "
                                   "model.norm=layer model.bias=true model.positions=learned",
                             40);
    assert_true(logits_error(&s) <= tolerance && patterns_error(&s) <= tolerance);
    int n;
    const fv_tensor *tensors = fv_model_tensors(s.model, &n);
    for (int i = 0; i < n; i++) {
        double *entry = s.exact + tensors[i].offset + tensors[i].size / 2, kept = *entry;
        *entry += 0.01;
        bool no_effect =
            strcmp(tensors[i].name, "blocks.0.attn.b_K") == 0; // shifts all scores alike
        if ((logits_error(&s) > tolerance) == no_effect) fail_msg("%s", tensors[i].name);
        *entry = kept;
    }
    double *query = s.exact + fv_model_tensor(s.model, "blocks.0.attn.W_Q")->offset;
    *query = -*query;
    assert_true(patterns_error(&s) > tolerance);
    sample_free(&s);
}

// A forward pass over some sequences does not depend on the others, to the bit.
static void test_logits_do_not_depend_on_the_batch(void **state) {
    (void)state;
    sample s = sample_create(SHAPE "model.layers=[attention,mlp] task.loss=all", 70);
    size_t size = (size_t)s.n_loss * (size_t)s.V;
    float *one = malloc(size * sizeof *one);
    check_ok(fv_model_logits(s.model, s.params, s.tokens, s.n, s.logits, NULL));
    for (int i = 0; i < s.n; i += 23) {
        check_ok(fv_model_logits(s.model, s.params, s.tokens + i * s.T, 1, one, NULL));
        assert_memory_equal(one, s.logits + (size_t)i * size, size * sizeof *one);
    }
    free(one);
    sample_free(&s);
}

// Mean, standard deviation and largest magnitude of a tensor.
typedef struct moments {
    double mean, deviation, largest;
    size_t n;
} moments;

static moments moments_of(const char *words, const char *name, uint64_t seed) {
    fv_config config = configure(words);
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = malloc(fv_model_n_params(model) * sizeof *params);
    fv_model_init_params(model, seed, params);
    const fv_tensor *tensor = fv_model_tensor(model, name);
    if (tensor == NULL) fail_msg("no tensor %s", name);
    moments m = {.n = tensor->size};
    for (size_t i = 0; i < m.n; i++) {
        double x = (double)params[tensor->offset + i];
        m.mean += x / (double)m.n;
        m.deviation += x * x / (double)m.n;
        m.largest = fmax(m.largest, fabs(x));
    }
    m.deviation = sqrt(m.deviation - m.mean * m.mean);
    free(params);
    fv_model_free(model);
    return m;
}

// `normal`: N(0, size), else U(-size, size).
static void check_init(const char *words, const char *name, bool normal, double size) {
    moments m = moments_of(words, name, 3);
    double deviation = normal ? size : size / sqrt(3);
    if (!(fabs(m.mean) <= 5 * deviation / sqrt((double)m.n) &&
          fabs(m.deviation - deviation) <= 5 * deviation / sqrt((double)m.n) &&
          (normal ? m.largest > 2 * size : m.largest <= size)))
        fail_msg("%s: %s has mean %g, deviation %g, largest %g; wanted %s of size %g", words, name,
                 m.mean, m.deviation, m.largest, normal ? "normal" : "uniform", size);
}

static void test_initialisations(void **state) {
    (void)state;
#define LARGE                                                                                      \
    "task.vocab_size=200 task.context_length=50 model.n_embd=64 model.layers=[attention,mlp] "     \
    "model.positions=learned model.bias=true model.norm=layer model.d_mlp=100 "
    check_init(LARGE, "embed.W_E", true, 1);
    check_init(LARGE, "pos_embed.W_pos", true, 1);
    check_init(LARGE, "blocks.0.attn.W_Q", false, 1 / sqrt(64));
    check_init(LARGE, "blocks.0.attn.W_O", false, 1 / sqrt(64));
    check_init(LARGE, "blocks.0.attn.b_V", false, 1 / sqrt(64));
    check_init(LARGE, "blocks.0.mlp.W_in", false, 1 / sqrt(64));
    check_init(LARGE, "blocks.0.mlp.W_out", false, 1 / sqrt(100));
    check_init(LARGE, "blocks.0.mlp.b_out", false, 1 / sqrt(100));
    check_init(LARGE, "unembed.W_U", false, 1 / sqrt(64));
    check_init(LARGE "model.embedding_sigma=0.1", "embed.W_E", true, 0.1);
    check_init(LARGE "model.embedding_sigma=0.1", "unembed.W_U", false, 1 / sqrt(64));
    check_init(LARGE "model.init=uniform", "embed.W_E", false, 1 / sqrt(64));
    check_init(LARGE "model.init=uniform", "blocks.0.mlp.W_out", false, 1 / sqrt(100));
    check_init(LARGE "model.init=normal model.init_sigma=0.3", "blocks.0.attn.W_V", true, 0.3);
    check_init(LARGE "model.init=normal model.init_sigma=0.3", "embed.W_E", true, 0.3);
    check_init(LARGE "model.init=gpt2", "embed.W_E", true, 0.02);
    check_init(LARGE "model.init=gpt2", "blocks.0.mlp.W_in", true, 0.02);
    check_init(LARGE "model.init=gpt2", "blocks.0.attn.W_O", true, 0.02 / sqrt(2));
    check_init(LARGE "model.init=gpt2", "blocks.0.mlp.W_out", true, 0.02 / sqrt(2));
    static const char *const biases[] = {"blocks.0.attn.b_Q", "blocks.0.mlp.b_in", "ln_final.b"};
    for (int i = 0; i < 3; i++)
        assert_true(moments_of(LARGE "model.init=gpt2", biases[i], 3).largest == 0);
    moments ones = moments_of(LARGE, "blocks.0.ln1.w", 3);
    assert_true(ones.mean == 1 && ones.deviation == 0);
}

// Seeds differ; a tensor does not depend on what the model holds after it.
static void test_initialisation_streams(void **state) {
    (void)state;
    moments a = moments_of(LARGE, "blocks.0.attn.W_K", 3),
            b = moments_of(LARGE, "blocks.0.attn.W_K", 4);
    moments c = moments_of(LARGE "model.tied=true task.context_length=7", "blocks.0.attn.W_K", 3);
    moments d = moments_of(LARGE, "blocks.0.attn.W_Q", 3);
    assert_true(a.mean != b.mean && a.mean == c.mean && a.mean != d.mean);
}

static void test_tensors_tile_the_parameters(void **state) {
    (void)state;
    for (int i = 0; i < N_CONFIGURATIONS; i++) {
        fv_config config = configure(configurations[i]);
        fv_model *model;
        int n;
        size_t end = 0;
        check_ok(fv_model_create(&config, &model, NULL));
        const fv_tensor *tensors = fv_model_tensors(model, &n);
        for (int k = 0; k < n; k++) {
            size_t columns = tensors[k].n_dims == 2 ? (size_t)tensors[k].shape[1] : 1;
            assert_int_equal(tensors[k].offset, end);
            assert_int_equal(tensors[k].size, (size_t)tensors[k].shape[0] * columns);
            assert_ptr_equal(fv_model_tensor(model, tensors[k].name), &tensors[k]);
            end += tensors[k].size;
        }
        assert_int_equal(fv_model_n_params(model), end);
        fv_model_free(model);
    }
}

// Test sequences are numbered: any range of them is the same, from wherever it begins.
static void test_test_data(void **state) {
    (void)state;
    enum { N = 50, T = 6 };
    sample s = sample_create(SHAPE "task.loss=all task.offset=2", 1);
    int32_t all[N * T], answers[N * T], some[20 * T], their_answers[20 * T], other[N * T];
    assert_int_equal(s.n_loss, 4);
    check_ok(fv_model_test_data(s.model, 5, 0, N, all, answers));
    for (uint64_t first = 0; first < 30; first += 7) {
        check_ok(fv_model_test_data(s.model, 5, first, 20, some, their_answers));
        assert_memory_equal(some, all + first * T, sizeof some);
        assert_memory_equal(their_answers, answers + first * 4, 20 * 4 * sizeof *answers);
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 4; k++)
            assert_int_equal(answers[i * 4 + k], all[i * T + s.positions[k] - 2]);
    check_ok(fv_model_test_data(s.model, 6, 0, N, other, answers));
    assert_memory_not_equal(other, all, sizeof all);
    sample_free(&s);
}

static void test_sinusoids(void **state) {
    (void)state;
    sample s = sample_create(SHAPE "model.positions=sinusoidal", 1);
    const float *table = fv_model_sinusoids(s.model);
    for (int t = 0; t < 6; t++)
        for (int f = 0; f < 6; f++) {
            double angle = t / pow(10000, f / 2 * 2 / 6.0);
            check_near((double)table[t * 6 + f], f % 2 ? cos(angle) : sin(angle), 1e-7);
        }
    sample_free(&s);
    s = sample_create(SHAPE "model.positions=learned", 1);
    assert_null(fv_model_sinusoids(s.model));
    sample_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_and_patterns),
        cmocka_unit_test(test_far_entries),
        cmocka_unit_test(test_oracle_catches_faults),
        cmocka_unit_test(test_logits_do_not_depend_on_the_batch),
        cmocka_unit_test(test_initialisations),
        cmocka_unit_test(test_initialisation_streams),
        cmocka_unit_test(test_tensors_tile_the_parameters),
        cmocka_unit_test(test_test_data),
        cmocka_unit_test(test_sinusoids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
