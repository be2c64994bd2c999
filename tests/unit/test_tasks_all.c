// What every task of include/fovea/parts/tasks.def keeps to, new ones without a line here: tokens
// and targets of the vocabulary, loss positions inside the sequence and in order, as many targets
// as it says, the same sequences from the same seed, and losses that can be.
#include "configurations.h"
#include "tasks/data.h"
#include "tasks/task_type.h"

#include <fovea/task.h>

enum { L = 16, GROUPS = 2, MOST = 256 };

// The task in the first of some shapes that it takes.
static fv_config some_configuration(int name) {
    static const char *const SHAPES[] = {
        "task.context_length=16", "task.context_length=9", "task.context_length=24 task.n_copy=4",
        "task.context_length=1",  "task.context_length=3", "task.context_length=5"};
    fv_error error;
    for (int s = 0; s < 6; s++) {
        char words[128];
        const char *pairs = s < 2 ? "task.n_pairs=4 " : "";
        snprintf(words, sizeof words, "task.vocab_size=32 %s%s", pairs, SHAPES[s]);
        fv_config config = read_configuration("", words);
        config.task.name = name;
        config_drop_unread(&config);
        if (fv_config_check(&config, &error) == FV_OK) return config;
    }
    fail_msg("%s takes no shape: %s", fv_field_find("task.name")->choices[name], error.text);
    return (fv_config){0};
}

static float real_of(int32_t word) {
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static void check_sequences(const fv_config *config, const char *name) {
    const task_type *task = task_of(&config->task);
    task_data data;
    assert_int_equal(data_create(&config->task, 7, true, &data, NULL), FV_OK);
    int T = config->task.context_length, n_loss = data.n_loss;
    bool reads = data.n_inputs == 0, says = data.n_outputs == 0; // tokens
    assert_true(data.n_in <= MOST && data.n_out <= MOST && n_loss >= 1 && n_loss <= T);
    for (int i = 0; i < n_loss; i++) {
        int before = i > 0 ? data.loss_positions[i - 1] : -1;
        assert_true(data.loss_positions[i] > before && data.loss_positions[i] < T);
    }
    _Alignas(64) static int32_t tokens[2][GROUPS * MOST * L]; // as kernels store
    _Alignas(64) static int32_t targets[2][GROUPS * MOST * L];
    for (int again = 0; again < 2; again++)
        data_batch(&data, FV_STREAM_TRAIN, 3, 0, GROUPS, GROUPS * L, tokens[again], targets[again]);
    int n_targets = 0, V = config->task.vocab_size;
    for (int i = 0; i < GROUPS * data.n_in * L; i++) {
        assert_int_equal(tokens[0][i], tokens[1][i]);
        if (!reads) assert_true(isfinite(real_of(tokens[0][i])));
        if (reads && (tokens[0][i] < 0 || tokens[0][i] >= V))
            fail_msg("%s: token %d", name, tokens[0][i]);
    }
    for (int i = 0; i < GROUPS * data.n_out * L; i++) {
        assert_int_equal(targets[0][i], targets[1][i]);
        if (!says) assert_true(isfinite(real_of(targets[0][i])));
        if (says && (targets[0][i] < -1 || targets[0][i] >= V))
            fail_msg("%s: target %d", name, targets[0][i]);
        n_targets += says && targets[0][i] >= 0;
    }
    int expected = task->n_targets ? task->n_targets(&config->task) : n_loss;
    if (says) assert_int_equal(n_targets, GROUPS * L * expected);
    data_free(&data);
}

static void test_sequences(void **state) {
    (void)state;
    for (int i = 0; i < FV_TASK_COUNT; i++) {
        if (task_of(&(fv_task_config){.name = i})->foreign)
            continue; // test_custom.c, test_files.py
        const char *name = fv_field_find("task.name")->choices[i];
        fv_config config = some_configuration(i);
        check_sequences(&config, name);
        double bayes = fv_task_bayes_loss(&config.task), blind = fv_task_blind_loss(&config.task);
        if (bayes < 0 || blind < 0 || blind < bayes) fail_msg("%s: loss below the best", name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
