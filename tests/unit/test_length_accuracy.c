// The probe length_accuracy against accuracies counted from logits of whole sequences, when it is
// measured, and what it refuses; and the operations of training as measures.
#include "configurations.h"

#include <fovea/claim.h>
#include <fovea/probe.h>
#include <fovea/train.h>

// A model with its initial parameters.
typedef struct subject {
    fv_config config;
    fv_model *model;
    float *params;
} subject;

static subject subject_of(const char *words) {
    subject s = {.config = configure(words)};
    check_ok(fv_model_create(&s.config, &s.model, NULL));
    s.params = malloc(fv_model_n_params(s.model) * sizeof *s.params);
    fv_model_init_params(s.model, 5, s.params);
    return s;
}

static void subject_free(subject *s) {
    fv_model_free(s->model);
    free(s->params);
}

// The share of right answers of the first n test sequences of a length; of each the last one alone
// with `last`.
static double count(const subject *s, int length, int n, bool last) {
    fv_config config = s->config;
    fv_model *model;
    int n_loss, right = 0, asked = 0, V = config.task.vocab_size;
    config.task.context_length = length;
    config.task.length_min = config.task.length_max = 0;
    config.train.batch_size = 16;
    check_ok(fv_model_create(&config, &model, NULL));
    fv_model_loss_positions(model, &n_loss);
    int32_t *tokens = malloc((size_t)(n * length) * sizeof *tokens);
    int32_t *targets = malloc((size_t)(n * n_loss) * sizeof *targets);
    float *logits = malloc((size_t)n * (size_t)n_loss * (size_t)V * sizeof *logits);
    check_ok(fv_model_test_data(model, (uint64_t)config.train.seed, 0, n, tokens, targets));
    check_ok(fv_model_logits(model, s->params, tokens, n, logits, NULL));
    for (int i = last ? n_loss - 1 : 0; i < n * n_loss; i += last ? n_loss : 1) {
        const float *row = logits + (size_t)i * (size_t)V;
        int best = 0;
        for (int v = 1; v < V; v++)
            if (row[v] > row[best]) best = v;
        asked += targets[i] >= 0;
        right += targets[i] == best;
    }
    free(tokens);
    free(targets);
    free(logits);
    fv_model_free(model);
    return (double)right / asked;
}

static double point(const fv_record *record, const char *series) {
    const fv_series *s = fv_record_find(record, series);
    if (s == NULL) fail_msg("there is no series '%s'", series);
    assert_int_equal(s->n, 1);
    return (double)s->values[0];
}

static void measure(const subject *s, fv_record *record) {
    fv_record_init(record);
    check_ok(
        fv_probe_measure(fv_probe_find("length_accuracy"), s->model, s->params, 0, record, NULL));
}

static void test_whole_sequences(void **state) {
    (void)state;
    fv_record record;
    subject s = subject_of("task.name=flip_flop task.vocab_size=5 task.context_length=17 "
                           "task.loss=all task.length_min=9 task.length_step=2 model.n_embd=4");
    measure(&s, &record);
    // Of two and more times 17 tokens, one less where that is even.
    check_near(point(&record, "length_accuracy[1]"), count(&s, 17, 256, false), 1e-6);
    check_near(point(&record, "length_accuracy[2]"), count(&s, 33, 256, false), 1e-6);
    check_near(point(&record, "length_accuracy[8]"), count(&s, 135, 256, false), 1e-6);
    fv_record_free(&record);
    subject_free(&s);
}

// From 4096 tokens on the decoder reads, and beyond 64 times the last answer counts alone.
static void test_long_sequences(void **state) {
    (void)state;
    fv_record record;
    subject s = subject_of("task.name=n_back task.vocab_size=5 task.context_length=64 "
                           "task.loss=all task.test_ratios=[64,65] model.n_embd=2");
    measure(&s, &record);
    // Rounding may turn an answer or two of the quarter of a million.
    check_near(point(&record, "length_accuracy[64]"), count(&s, 4096, 64, false), 1e-4);
    check_near(point(&record, "length_accuracy[65]"), count(&s, 4160, 63, true), 1.0 / 63 + 1e-6);
    fv_record_free(&record);
    subject_free(&s);
}

static float *tensor(const subject *s, const char *name) {
    return s->params + fv_model_tensor(s->model, name)->offset;
}

// x [d] times W [d][n], in double.
static void times(const double *x, const float *w, int d, int n, double *y) {
    for (int o = 0; o < n; o++) {
        y[o] = 0;
        for (int f = 0; f < d; f++) y[o] += x[f] * (double)w[f * n + o];
    }
}

// The last token's most likely successor, by one attention layer of one head that keeps the k largest scores.
static int answer_of_topk(const subject *s, const int32_t *tokens, int n, int k) {
    enum { D = 2, V = 8 };
    const float *embed = tensor(s, "embed.W_E"), *w_k = tensor(s, "blocks.0.attn.W_K");
    double x[D], q[D], key[D], value[D], z[D] = {0}, y[D], logits[V], sum = 0, next = INFINITY;
    double *scores = malloc((size_t)n * sizeof *scores);
    for (int f = 0; f < D; f++) x[f] = (double)embed[tokens[n - 1] * D + f];
    times(x, tensor(s, "blocks.0.attn.W_Q"), D, D, q);
    for (int j = 0; j < n; j++) {
        for (int f = 0; f < D; f++) x[f] = (double)embed[tokens[j] * D + f];
        times(x, w_k, D, D, key);
        scores[j] = (q[0] * key[0] + q[1] * key[1]) / sqrt(D);
    }
    for (int kept = 0; kept < k; kept++) { // the first among equals
        int best = 0;
        for (int j = 1; j < n; j++)
            if (scores[j] > scores[best]) best = j;
        if (kept == 0) next = scores[best];
        double weight = exp(scores[best] - next);
        for (int f = 0; f < D; f++) x[f] = (double)embed[tokens[best] * D + f];
        times(x, tensor(s, "blocks.0.attn.W_V"), D, D, value);
        for (int f = 0; f < D; f++) z[f] += weight * value[f];
        sum += weight;
        scores[best] = -INFINITY;
    }
    free(scores);
    for (int f = 0; f < D; f++) z[f] /= sum;
    times(z, tensor(s, "blocks.0.attn.W_O"), D, D, y);
    times(y, tensor(s, "unembed.W_U"), D, V, logits);
    int best = 0;
    for (int v = 1; v < V; v++)
        if (logits[v] > logits[best]) best = v;
    return best;
}

// Selectors keep the weights of all pairs in training, and no task may be that long; a decoder reads it.
static void test_long_selections(void **state) {
    (void)state;
    enum { LENGTH = 65 * 64, N = 63 };
    fv_record record;
    subject s = subject_of("task.name=n_back task.vocab_size=8 task.context_length=64 "
                           "task.loss=last task.test_ratios=[65] model.n_embd=2 model.init=normal "
                           "model.init_sigma=0.7 model.selector=topk model.selector_k=3");
    // What a query reads is what it says.
    const char *const maps[] = {"Q", "K", "V", "O"};
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.0.attn.W_%s", maps[i]);
        memcpy(tensor(&s, name), (const float[]){1, 0, 0, 1}, 4 * sizeof(float));
    }
    tensor(&s, "blocks.0.attn.W_Q")[0] = tensor(&s, "blocks.0.attn.W_Q")[3] = 0.1F;
    for (int v = 0; v < 8; v++)
        for (int f = 0; f < 2; f++) {
            const double angle = 0.785 * v - 1.57 * f;
            tensor(&s, "embed.W_E")[v * 2 + f] = (float)((1 + v) * cos(angle));
            // It says 0 or 1, as n_back does: which half its keys are in.
            tensor(&s, "unembed.W_U")[f * 8 + v] = f > 0 || v > 1 ? 0 : v == 0 ? 1 : -1;
        }
    measure(&s, &record);
    int32_t *tokens = malloc((size_t)(N * LENGTH) * sizeof *tokens), targets[N];
    fv_config long_ones = s.config;
    long_ones.task.context_length = LENGTH;
    long_ones.model.selector = FV_SELECTOR_NONE;
    long_ones.task.test_ratios.value[0] = 1;
    fv_model *model;
    check_ok(fv_model_create(&long_ones, &model, NULL));
    check_ok(fv_model_test_data(model, (uint64_t)s.config.train.seed, 0, N, tokens, targets));
    int right = 0;
    for (int i = 0; i < N; i++)
        right += answer_of_topk(&s, tokens + (ptrdiff_t)i * LENGTH, LENGTH, 3) == targets[i];
    check_near(point(&record, "length_accuracy[65]"), (double)right / N, 1e-6);
    fv_record_free(&record);
    fv_model *chooses = s.model;
    s.model = model; // of all keys it answers otherwise
    measure(&s, &record);
    s.model = chooses;
    assert_true(fabs(point(&record, "length_accuracy[1]") - (double)right / N) > 1e-3);
    free(tokens);
    fv_model_free(model);
    fv_record_free(&record);
    subject_free(&s);
}

// Positions are stretched from the trained length, whatever length is asked: a decoder of the trained
// model knows no other.
static void test_stretched_positions(void **state) {
    (void)state;
    enum { T = 32, N = 256, FROM = 16 };
    const char *const stretched[] = {"yarn", "llama3"};
    for (int i = 0; i < 2; i++) {
        char words[256];
        snprintf(words, sizeof words,
                 "task.name=n_back task.vocab_size=5 task.context_length=%d task.loss=all "
                 "task.test_ratios=[2] model.n_embd=8 model.n_head=1 model.init=normal "
                 "model.init_sigma=1 model.positions=rope model.rope_scaling=%s "
                 "model.rope_factor=32 model.rope_base=100",
                 FROM, stretched[i]);
        subject s = subject_of(words);
        fv_record record;
        measure(&s, &record);
        // The same positions, said outright.
        s.config.model.rope_original = FROM;
        check_near(point(&record, "length_accuracy[2]"), count(&s, T, N, false), 1e-6);
        s.config.model.rope_original = T;
        assert_true(fabs(point(&record, "length_accuracy[2]") - count(&s, T, N, false)) > 1e-3);
        fv_record_free(&record);
        subject_free(&s);
    }
}

static void test_at_the_end_alone(void **state) {
    (void)state;
    fv_config config = configure("task.name=n_back task.context_length=8 task.vocab_size=4 "
                                 "model.n_embd=2 train.steps=20 train.batch_size=16");
    const fv_probe *probes[] = {fv_probe_find("length_accuracy"), fv_probe_find("embedding_norm")};
    const fv_run_options options = {.n_threads = 1, .probes = probes, .n_probes = 2};
    fv_record record;
    fv_record_init(&record);
    check_ok(fv_run(&config, &options, &record, NULL));
    const fv_series *s = fv_record_find(&record, "length_accuracy[4]");
    assert_non_null(s);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->steps[0], 20);
    double value;
    check_ok(fv_measure("final(length_accuracy[4])", &record, &value, NULL));
    check_near(value, (double)s->values[0], 0);
    fv_record_free(&record);
}

static void check_refusal(const char *words, const char *fragment) {
    subject s = subject_of(words);
    fv_error error = {0};
    assert_int_equal(fv_probe_check(fv_probe_find("length_accuracy"), s.model, &error), FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("%s: '%s' lacks '%s'", words, error.text, fragment);
    subject_free(&s);
}

static void test_refusals(void **state) {
    (void)state;
    check_refusal("task.name=recall task.n_pairs=4 task.context_length=9", "2 times the training");
    check_refusal("task.context_length=8 model.positions=learned", "learned an embedding for 8");
    check_refusal("task.context_length=65536 task.test_ratios=[1,1000]", "1048576 or fewer");
    // No decoder reads it, and it keeps the weights of all pairs.
    check_refusal("task.name=n_back task.context_length=64 task.test_ratios=[65] model.n_embd=4 "
                  "model.layers=[compressed_attention,pooling]",
                  "keeps the weights of all pairs");
    check_refusal("task.name=custom task.custom=mine", "task.name custom have one length");
}

// Of [attention, mamba, mlp].
static void check_layers_of_kinds(const fv_record *record) {
    double value;
    fv_error error;
    check_ok(fv_measure("layer_share('mamba')", record, &value, NULL));
    check_near(value, 1.0 / 3, 1e-15);
    check_ok(
        fv_measure("layer_place('mlp') + 10 * layer_place('attention')", record, &value, NULL));
    check_near(value, 2, 0);
    check_ok(fv_measure("layer_place('gla')", record, &value, NULL));
    assert_true(isnan(value));
    assert_int_equal(fv_measure("layer_share('attn')", record, &value, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "there is no such layer"));
}

// Against the trainer's own account of a step.
static void test_operations(void **state) {
    (void)state;
    fv_config config = configure("task.name=sort task.context_length=16 task.length_min=8 "
                                 "task.length_step=4 task.vocab_size=9 model.n_embd=8 "
                                 "model.layers=[attention,mamba,mlp] train.batch_size=20");
    fv_trainer *trainer;
    check_ok(fv_trainer_create(&config, 1, &trainer, NULL));
    double step = fv_trainer_cost(trainer).flops, value;
    fv_trainer_free(trainer);
    fv_record record;
    fv_record_init(&record);
    check_ok(fv_record_set_config(&record, &config, NULL));
    record.steps = 7;
    check_ok(fv_measure("flops_per_step", &record, &value, NULL));
    check_near(value, step, 0);
    check_ok(fv_measure("flops", &record, &value, NULL));
    check_near(value, 7 * step, 0);
    check_ok(fv_measure("flops_per_token", &record, &value, NULL)); // 8, 12 and 16 tokens
    check_near(value, step / (20 * 12), 1e-9 * step);
    double layers = 0, all;
    for (int i = 0; i < 3; i++) {
        char expression[32];
        snprintf(expression, sizeof expression, "layer_state_bytes(%d)", i);
        check_ok(fv_measure(expression, &record, &value, NULL));
        assert_true(i == 2 ? value == 0 : value > 0);
        layers += value;
    }
    check_ok(fv_measure("state_bytes", &record, &all, NULL));
    check_near(layers, all, 0);
    fv_error error;
    assert_int_equal(fv_measure("layer_state_bytes(3)", &record, &value, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "counted from 0"));
    check_layers_of_kinds(&record);
    fv_record_free(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_sequences),  cmocka_unit_test(test_long_sequences),
        cmocka_unit_test(test_long_selections),  cmocka_unit_test(test_stretched_positions),
        cmocka_unit_test(test_at_the_end_alone), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
