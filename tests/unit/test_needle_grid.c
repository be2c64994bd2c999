// What a model finds where, on a model whose answers are known: embedding and values one-hot,
// attention uniform, so that the logits count the values that stand in front. Asked for one of n
// values it says the smallest of the most frequent ones.
#include "configurations.h"

#include "probes/retrieval.h"

#include <fovea/probe.h>
#include <stdbool.h>

enum { V = 16, HALF = V / 2 };

#define WORDS "task.name=kv_retrieval task.vocab_size=16 model.n_embd=16 task.context_length="

// Sets tensor `name` [V][V] to one on the diagonal from row `first` on.
static void set_identity(const fv_model *model, float *params, const char *name, int first) {
    const fv_tensor *tensor = fv_model_tensor(model, name);
    for (int i = 0; i < V; i++)
        for (int j = 0; j < V; j++) params[tensor->offset + i * V + j] = i == j && i >= first;
}

static float *make_counter(const fv_model *model) {
    float *params = calloc(fv_model_n_params(model), sizeof *params);
    set_identity(model, params, "embed.W_E", 0);
    set_identity(model, params, "blocks.0.attn.W_V", 0);
    set_identity(model, params, "blocks.0.attn.W_O", 0);
    set_identity(model, params, "unembed.W_U", HALF);
    return params;
}

static probe_retrieval ask(const fv_config *config, const float *params, int length, double depth,
                           int n) {
    probe_retrieval result;
    fv_error error;
    if (retrieval_ask(config, params, length, depth, &(retrieval_source){.seed = 1}, n, NULL,
                      &result, &error) != FV_OK)
        fail_msg("%s", error.text);
    assert_int_equal(result.n, n);
    assert_int_equal(result.found + result.part + result.distractor + result.wrong, n);
    return result;
}

static void test_answers(void **state) {
    (void)state;
    enum { N = 4000 };
    fv_config config = configure(WORDS "5");
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = make_counter(model);
    probe_retrieval one = ask(&config, params, 3, 50, N);
    assert_int_equal(one.found, N);
    check_near(one.score, 1, 0);
    // Of two values the smaller is said: right where it is asked for or both are the same.
    double share = 0.5 * (1 + 1.0 / HALF);
    for (int depth = 0; depth <= 100; depth += 100) {
        probe_retrieval two = ask(&config, params, 5, depth, N);
        check_near((double)two.found / N, share, 6 * sqrt(share * (1 - share) / N));
        check_near(two.score, (double)two.found / N, 1e-9);
        assert_int_equal(two.distractor, N - two.found);
    }
    // Longer than the model's own context, and every length of sequence blocks.
    probe_retrieval many = ask(&config, params, 17, 100, 300);
    assert_int_equal(many.wrong, 0);
    check_between(many.found, 1, 299);
    // Every logit is 0: the answer is token 0, no value at all.
    memset(params, 0, fv_model_n_params(model) * sizeof *params);
    assert_int_equal(ask(&config, params, 5, 0, 100).wrong, 100);
    free(params);
    fv_model_free(model);
}

// A window of two tokens shows the last value alone.
static void test_depths(void **state) {
    (void)state;
    fv_config config = configure(WORDS "5 model.window=2");
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = make_counter(model);
    assert_int_equal(ask(&config, params, 5, 100, 500).found, 500);
    double share = 1.0 / HALF; // both values are the same
    check_near(ask(&config, params, 5, 0, 2000).found / 2000.0, share,
               6 * sqrt(share * (1 - share) / 2000));
    free(params);
    fv_model_free(model);
}

// Of several answers some can be right.
static void test_parts(void **state) {
    (void)state;
    fv_config config = configure("task.name=needle_multi task.vocab_size=16 model.n_embd=16 "
                                 "task.n_pairs=2 task.n_queries=2 task.context_length=6");
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = make_counter(model);
    // Both answers are the smaller value of the two: one is right, or both where they are equal.
    probe_retrieval result = ask(&config, params, 6, 0, 2000);
    double same = 1.0 / HALF;
    check_near(result.found / 2000.0, same, 6 * sqrt(same * (1 - same) / 2000));
    assert_int_equal(result.part, 2000 - result.found);
    check_near(result.score, 0.5 + 0.5 * result.found / 2000, 1e-9);
    free(params);
    fv_model_free(model);
}

static bool count_and_stop(void *context, double operations) {
    double *left = context;
    return (*left -= operations) > 0;
}

// Through the decoder, sequence by sequence, the same questions have the same answers, and prompts
// can be longer than any field of a configuration allows.
static void test_decoder(void **state) {
    (void)state;
    static const char *const WORDS_OF[] = {
        WORDS "5", WORDS "17 model.window=4", WORDS "17 model.normaliser=entmax15",
        WORDS "17 model.selector=random_topk model.selector_k=3",
        ("task.name=needle_multi task.vocab_size=16 model.n_embd=16 task.n_pairs=2 "
         "task.n_queries=2 task.context_length=6")};
    const retrieval_source from = {.seed = 3, .first = 21};
    for (int i = 0; i < 5; i++) {
        fv_config config = configure(WORDS_OF[i]);
        fv_model *model;
        check_ok(fv_model_create(&config, &model, NULL));
        float *params = make_counter(model);
        for (int length = 6; length < 18; length += 5) {
            probe_retrieval lanes, read;
            check_ok(retrieval_ask(&config, params, length, 50, &from, 100, NULL, &lanes, NULL));
            check_ok(
                retrieval_read(&config, params, length, 50, &from, 100, NULL, NULL, &read, NULL));
            assert_memory_equal(&lanes, &read, sizeof lanes);
        }
        free(params);
        fv_model_free(model);
    }
}

static void check_long_prompts(const char *more) {
    char words[256];
    snprintf(words, sizeof words,
             "task.name=needle task.vocab_size=16 model.n_embd=16 task.context_length=8 %s", more);
    fv_config config = configure(words);
    fv_model *model;
    probe_retrieval result;
    fv_error error;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = make_counter(model);
    check_ok(retrieval_read(&config, params, 100000, 50, &(retrieval_source){.seed = 3}, 2, NULL,
                            NULL, &result, NULL));
    assert_int_equal(result.n, 2);
    assert_int_equal(result.wrong, 0); // the most frequent value, and all values stand in it
    double left = 1e6;
    const retrieval_listener stopping = {.watch = count_and_stop, .context = &left};
    assert_int_equal(retrieval_read(&config, params, 100000, 50, &(retrieval_source){.seed = 3}, 2,
                                    NULL, &stopping, &result, &error),
                     FV_INTERRUPTED);
    assert_true(left <= 0);
    free(params);
    fv_model_free(model);
}

static void test_long_prompts(void **state) {
    (void)state;
    check_long_prompts("");
    check_long_prompts("model.normaliser=entmax15");
    check_long_prompts("model.normaliser=sigmoid model.selector=none");
}

static void test_plan(void **state) {
    (void)state;
    fv_config config = configure("task.name=needle task.context_length=64 task.length_min=8 "
                                 "task.length_max=32 task.length_step=8");
    static const int RANGE[] = {8, 16, 24, 32, 40, 48, 56, 64}, TWICE[] = {32, 40, 48, 56, 64};
    grid_plan plan;
    grid_plan_make(&config.task, &plan);
    assert_int_equal(plan.n_lengths, 8);
    assert_int_equal(plan.n_trained, 4);
    assert_memory_equal(plan.lengths, RANGE, sizeof RANGE);
    check_near(plan.depths[10], 100, 0);
    config.task.length_min = 0;
    grid_plan_make(&config.task, &plan);
    assert_int_equal(plan.n_lengths, 5);
    assert_int_equal(plan.n_trained, 1);
    assert_memory_equal(plan.lengths, TWICE, sizeof TWICE);
    config.task.length_max = 0;
    grid_plan_make(&config.task, &plan);
    assert_int_equal(plan.n_lengths, 1);
    assert_int_equal(plan.lengths[0], 64);
}

static double last_value(const fv_record *record, const char *series) {
    const fv_series *s = fv_record_find(record, series);
    if (s == NULL) fail_msg("no series %s", series);
    return (double)s->values[s->n - 1];
}

// Where the shortest sequences of training have fewer keys than queries keep, and no whole block.
static void check_cells_of(const char *layers) {
    char words[256];
    snprintf(words, sizeof words,
             WORDS "16 task.length_min=4 model.compress_block=8 model.layers=[%s]", layers);
    fv_config config = read_configuration("", words);
    fv_model *model;
    fv_record record;
    config.model.n_embd = 2, config.model.n_head = 1;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = malloc(fv_model_n_params(model) * sizeof *params);
    fv_model_init_params(model, 3, params);
    fv_record_init(&record);
    check_ok(fv_probe_measure(fv_probe_find("needle_grid"), model, params, 7, &record, NULL));
    check_between(last_value(&record, "needle_grid.4[0]"), 0, 1);
    check_between(last_value(&record, "needle_grid.16[100]"), 0, 1);
    fv_record_free(&record);
    free(params);
    fv_model_free(model);
}

static void test_probe_of_lengths(void) {
    check_cells_of("attention(selector=topk selector_k=10)");
    check_cells_of("attention(window=12 selector=block_topk selector_k=3 selector_block=5)");
    check_cells_of("compressed_attention");
    check_cells_of("nsa");
}

static void test_probe(void **state) {
    (void)state;
    fv_config config = configure(WORDS "5 task.length_max=3");
    fv_model *model;
    fv_record record;
    check_ok(fv_model_create(&config, &model, NULL));
    float *params = make_counter(model);
    fv_record_init(&record);
    check_ok(fv_probe_measure(fv_probe_find("needle_grid"), model, params, 7, &record, NULL));
    check_near(last_value(&record, "needle_grid.3[0]"), 1, 0);
    check_near(last_value(&record, "needle_grid.within_lowest"), 1, 0);
    check_near(last_value(&record, "needle_grid.start"), 1, 0);
    // Lengths 4 and 5, eleven depths each.
    double share = 0.5 * (1 + (1 + 1.0 / HALF) / 2), beyond = 0;
    for (int length = 4; length <= 5; length++)
        for (int depth = 0; depth <= 100; depth += 10) {
            char name[64];
            snprintf(name, sizeof name, "needle_grid.%d[%d]", length, depth);
            beyond += last_value(&record, name) / 22;
        }
    check_near(last_value(&record, "needle_grid.beyond"), beyond, 1e-6);
    check_between(beyond, 0.5, share);
    fv_record_free(&record);
    fv_model_free(model);
    free(params);
    test_probe_of_lengths();
    // A task that hides nothing has no such series.
    config = configure("task.name=copy");
    check_ok(fv_model_create(&config, &model, NULL));
    params = calloc(fv_model_n_params(model), sizeof *params);
    fv_record_init(&record);
    check_ok(fv_probe_measure(fv_probe_find("needle_grid"), model, params, 0, &record, NULL));
    assert_int_equal(record.n_series, 0);
    fv_record_free(&record);
    fv_model_free(model);
    free(params);
}

static void check_refused(const char *words, int length, double depth, const char *fragment) {
    fv_config config = configure(words);
    fv_error error;
    assert_int_equal(retrieval_check(&config, length, depth, &error), FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("%s: '%s' does not say '%s'", words, error.text, fragment);
}

static void test_refusals(void **state) {
    (void)state;
    check_refused("task.name=copy", 4, 0, "task.name copy hides nothing");
    check_refused("task.name=needle", 8, 101, "it takes 0 to 100");
    check_refused("task.name=needle", 8, NAN, "it takes 0 to 100");
    check_refused("task.name=needle", 0, 50, "1 to 1048576");
    check_refused("task.name=needle", 2, 50, "holds no needle");
    check_refused("task.name=needle model.positions=learned", 8, 50, "beyond the 4 positions");
    check_refused(WORDS "5", 19, 50, "16 has 8 keys");
    fv_config config = configure("task.name=needle model.positions=sinusoidal");
    check_ok(retrieval_check(&config, 8, 50, NULL));
    // What a layer says of a selector does not keep longer questions from it.
    config =
        configure("task.name=needle task.context_length=20 "
                  "model.layers=[attention(selector=block_topk selector_k=2 selector_block=3)]");
    check_ok(retrieval_check(&config, 8000, 50, NULL));
    check_refused("task.name=needle model.layers=[nsa]", 5000, 50, "allows up to 4096");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_depths),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_plan),
        cmocka_unit_test(test_decoder), cmocka_unit_test(test_long_prompts),
        cmocka_unit_test(test_probe),   cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
