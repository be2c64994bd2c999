// Tasks of the calling program: known and unknown ones, what they hand over, and how they fail.
#include "configurations.h"
#include "tasks/data.h"

#include <fovea/custom_task.h>
#include <fovea/train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 40, T = 3, STEPS = 200 };
static const char CONFIG[] = "task.name=custom task.custom=counts task.custom_version=3 "
                             "task.vocab_size=50 task.context_length=3 train.batch_size=40 "
                             "train.steps=200 model.n_embd=4";

typedef struct maker {
    int n_calls, n_most;
    int fails_at; // index of the call that fails, or -1
    int token;    // instead of its own, or -1
    int target;   // likewise, or -2
} maker;

// Tokens count on from sequence to sequence; the target is the last token, for every second one.
static fv_status make(void *context, const fv_custom_batch *b, fv_error *error) {
    maker *m = context;
    m->n_calls++;
    if (b->n > m->n_most) m->n_most = b->n;
    assert_int_equal(b->n_tokens, T);
    assert_int_equal(b->n_targets, 1);
    assert_int_equal(b->vocab_size, 50);
    if ((int)b->index == m->fails_at) return fv_fail(error, FV_USAGE, "call %d fails", m->fails_at);
    for (int s = 0; s < b->n; s++) {
        int64_t sequence = (int64_t)b->index * b->n + s + 7 * b->stream + 11 * (int64_t)b->seed;
        for (int t = 0; t < T; t++) b->tokens[s * T + t] = (int32_t)((sequence + t) % 50);
        b->targets[s] = s % 2 ? -1 : b->tokens[s * T + T - 1];
    }
    if (m->token >= 0) b->tokens[T + 1] = m->token;
    if (m->target > -2) b->targets[1] = m->target;
    return FV_OK;
}

static maker begin(void) {
    return (maker){.fails_at = -1, .token = -1, .target = -2};
}

static void know(maker *m) {
    const fv_custom_task task = {"counts", 3, make, m};
    check_ok(fv_custom_task_add(&task, NULL));
}

static void a_step_has_its_sequences(void **state) {
    (void)state;
    maker m = begin();
    know(&m);
    fv_config config = configure(CONFIG);
    task_data data;
    check_ok(data_create(&config.task, 2, true, &data, NULL));
    check_ok(data_feed(&data, B, STEPS, NULL));
    int32_t tokens[3 * T * 16], targets[3 * 16];
    int piece = 64 * B; // sequences
    for (uint32_t step = 0; step < STEPS; step++) {
        check_ok(data_take(&data, step, NULL));
        data_batch(&data, FV_STREAM_TRAIN, step, 0, 3, B, tokens, targets);
        assert_true(data_n_targets(&data, FV_STREAM_TRAIN, B) == B / 2);
        for (int s = 0; s < 48; s++) {
            int lane = s / 16 * T * 16 + s % 16, first = (int)step / 64 * piece;
            int sequence = first + (int)(step % 64) * B + s + 22;
            for (int t = 0; t < T && s < B; t++)
                assert_int_equal(tokens[lane + t * 16], (sequence + t) % 50);
            bool has = s < B && s % 2 == 0;
            assert_int_equal(targets[s], has ? (sequence + T - 1) % 50 : -1);
        }
    }
    data_free(&data);
    assert_int_equal(m.n_most, piece);
    assert_int_equal(m.n_calls, 4); // 200 steps in pieces of 64
    fv_custom_task_remove("counts", 3);
}

static void train(const fv_config *config, int n_threads, fv_record *record) {
    fv_error error;
    fv_record_init(record);
    const fv_run_options options = {.n_threads = n_threads};
    if (fv_run(config, &options, record, &error) != FV_OK) fail_msg("%s", error.text);
}

static void runs_are_the_same_for_any_threads(void **state) {
    (void)state;
    maker m = begin();
    know(&m);
    fv_config config = configure(CONFIG);
    fv_record one, two;
    train(&config, 1, &one);
    train(&config, 2, &two);
    assert_string_equal(one.id, two.id);
    const fv_snapshot *a = &one.snapshots[0], *b = &two.snapshots[0];
    assert_memory_equal(a->params, b->params, one.n_params * sizeof *a->params);
    const fv_series *loss = fv_record_find(&one, "loss");
    assert_true(isfinite(loss->values[loss->n - 1]));
    fv_record_free(&one);
    fv_record_free(&two);
    fv_custom_task_remove("counts", 3);
}

static void expect_failure(const char *changes, const char *sentence) {
    char words[512];
    snprintf(words, sizeof words, "%s %s", CONFIG, changes);
    fv_config config = configure(words);
    fv_error error = {0};
    fv_record record;
    fv_record_init(&record);
    const fv_run_options options = {.n_threads = 1};
    assert_int_equal(fv_run(&config, &options, &record, &error), FV_USAGE);
    if (strstr(error.text, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, sentence);
    fv_record_free(&record);
}

static void failures_have_their_sentence(void **state) {
    (void)state;
    expect_failure("", "the task counts (version 3) belongs to the program that defines it");
    maker m = begin();
    know(&m);
    expect_failure("task.custom_version=4", "the task counts (version 4)");
    m.fails_at = 0;
    expect_failure("", "call 0 fails");
    m.fails_at = 2; // while the first ones are trained
    expect_failure("", "call 2 fails");
    expect_failure("task.data=fixed task.n_train=1000", "call 2 fails");
    m = begin();
    m.token = 50;
    expect_failure("", "token 50 of sequence 1, position 1, is outside 0 to 49");
    m = begin();

    m.target = 50;
    expect_failure("", "target 50 of sequence 1, position 0, is outside 0 to 49");
    fv_custom_task_remove("counts", 3);
    expect_failure("", "the task counts (version 3) belongs to the program");
}

static void fixed_data_and_test_sequences(void **state) {
    (void)state;
    maker m = begin();
    know(&m);
    char words[512];
    snprintf(words, sizeof words, "%s task.data=fixed task.n_train=300 task.n_test=70", CONFIG);
    fv_config config = configure(words);
    fv_record record;
    train(&config, 2, &record);
    assert_non_null(fv_record_find(&record, "test_loss"));
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    int32_t tokens[5 * T], targets[5];
    check_ok(fv_model_test_data(model, 1, 254, 5, tokens, targets)); // of two calls
    for (int s = 0; s < 5; s++) {
        int sequence = 254 + s + 7 + 11;
        for (int t = 0; t < T; t++) assert_int_equal(tokens[s * T + t], (sequence + t) % 50);
        assert_int_equal(targets[s], s % 2 ? -1 : (sequence + T - 1) % 50);
    }
    fv_custom_task_remove("counts", 3);
    assert_int_equal(fv_model_test_data(model, 1, 0, 5, tokens, targets), FV_USAGE);
    fv_model_free(model);
    fv_record_free(&record);
}

static void names_are_checked(void **state) {
    (void)state;
    fv_error error;
    const fv_custom_task nameless = {"", 0, make, NULL}, negative = {"a", -1, make, NULL};
    assert_int_equal(fv_custom_task_add(&nameless, &error), FV_USAGE);
    assert_int_equal(fv_custom_task_add(&negative, &error), FV_USAGE);
    fv_custom_task_remove("absent", 0);
    check_configuration_refused("", "task.name=custom", "needs the name of a task");
    check_configuration_refused("", "task.name=custom task.custom=a task.length_min=2",
                                "have one length");
}

static void texts_are_fields(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *text;
    } cases[] = {{"Sums", "Sums"},
                 {"7", "7"},
                 {"\"two words\"", "\"two words\""},
                 {"'it''s \"this\\\"'", "\"it's \\\"this\\\\\\\"\""},
                 {"\"\"", "\"\""},
                 {"Zürich", "\"Zürich\""}};
    const fv_field *field = fv_field_find("task.custom");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_config config, again;
        fv_config_init(&config);
        again = config;
        char text[600];
        check_ok(fv_config_set(&config, "task.custom", cases[i].yaml, NULL));
        fv_config_get(&config, field, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        check_ok(fv_config_set(&again, "task.custom", text, NULL));
        assert_memory_equal(&config.task.custom, &again.task.custom, sizeof config.task.custom);
    }
    fv_config config;
    fv_error error;
    fv_config_init(&config);
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[255] = '\0';
    check_ok(fv_config_set(&config, "task.custom", longest, NULL));
    longest[255] = 'a';
    longest[256] = '\0';
    assert_int_equal(fv_config_set(&config, "task.custom", longest, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "a text of at most 255 bytes"));
    assert_int_equal(fv_config_set(&config, "task.custom", "\"a\\tb\"", &error), FV_USAGE);
    assert_int_equal(fv_config_set(&config, "task.custom", "[a]", &error), FV_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_has_its_sequences),
        cmocka_unit_test(runs_are_the_same_for_any_threads),
        cmocka_unit_test(failures_have_their_sentence),
        cmocka_unit_test(fixed_data_and_test_sequences),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(texts_are_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
