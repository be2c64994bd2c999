// Frozen sets of sequences: what is asked is what the file has, by both ways of asking, and a file
// that was changed, cut short or is for something else is refused. The model says the value that
// stands in front (its attention is uniform, embedding and values one-hot).
#include "configurations.h"
#include "eval/frozen.h"
#include "probes/retrieval.h"

#include <fovea/model.h>
#include <fovea/own.h>
#include <xxhash.h>

enum { V = 16, HALF = V / 2 };

#define WORDS "task.name=kv_retrieval task.vocab_size=16 model.n_embd=16 task.context_length=3"

static char folder[40], path[64];

static int folder_create(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fovea-set-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/set.jsonl", folder);
    return 0;
}

static int folder_remove(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static float *make_counter(const fv_config *config) {
    static const char *const NAMES[] = {"embed.W_E", "blocks.0.attn.W_V", "blocks.0.attn.W_O",
                                        "unembed.W_U"};
    fv_model *model;
    check_ok(fv_model_create(config, &model, NULL));
    float *params = calloc(fv_model_n_params(model), sizeof *params);
    for (int k = 0; k < 4; k++)
        for (int i = k == 3 ? HALF : 0; i < V; i++)
            params[fv_model_tensor(model, NAMES[k])->offset + (size_t)(i * V + i)] = 1;
    fv_model_free(model);
    return params;
}

#define HEAD                                                                                       \
    ", \"seed\": 4, \"sequences\": {\"task.name\": \"kv_retrieval\", \"task.vocab_size\": "        \
    "\"16\"}, \"lengths\": [3], \"depths\": [0], \"samples\": 2"
#define LINE(sample, tokens, outputs)                                                              \
    "{\"length\": 3, \"depth\": 0, \"sample\": " sample ", \"tokens\": [" tokens                   \
    "], \"outputs\": [" outputs "]}\n"

// A set with a right hash, whatever it has.
static void write_set(const char *head, int n, const char *const *lines) {
    FILE *file = fopen(path, "wb");
    frozen_writer writer;
    char hash[33];
    assert_non_null(file);
    check_ok(frozen_open(&writer, file, true, head, NULL));
    for (int i = 0; i < n; i++) {
        text_buffer line = {0};
        text_add(&line, "%s", lines[i]);
        check_ok(frozen_write(&writer, &line, 1, NULL));
        text_free(&line);
    }
    check_ok(frozen_close(&writer, FV_OK, hash, NULL));
    fclose(file);
}

// Sequences that no seed draws, the second with an answer that does not stand in it.
static void test_asked(void **state) {
    (void)state;
    static const char *const LINES[] = {LINE("0", "1, 9, 1", "9"), LINE("1", "2, 11, 2", "12")};
    fv_config config = configure(WORDS);
    float *params = make_counter(&config);
    fv_own_set *set;
    fv_own_plan plan;
    fv_error error;
    fv_cells cells = {0};
    fv_comparison c = {0};
    fv_flip flip = {.sample = 1};
    char *prompt;
    write_set(HEAD, 2, LINES);
    check_ok(fv_own_set_read(path, &set, &error));
    config.task.name = FV_TASK_NEEDLE; // the set's counts
    fv_own_plan_map(&config, &plan);
    check_ok(fv_own_set_use(set, &config, &plan, &error));
    assert_int_equal(config.task.name, FV_TASK_KV_RETRIEVAL);
    assert_true(plan.n_lengths == 1 && plan.n_depths == 1 && plan.n_samples == 2 && plan.seed == 4);
    plan.folder = folder;
    check_ok(fv_own_measure(&config, params, "a", &plan, &cells, &error));
    assert_string_equal(cells.items[0].task, "kv_retrieval, data");
    assert_int_equal(cells.items[0].n, 2);
    assert_int_equal(cells.items[0].hits, 1);
    assert_int_equal(fv_own_compare(&config, &plan, "a", "nobody", &c, &error), FV_NOT_FOUND);
    fv_comparison_free(&c);
    check_ok(fv_own_measure(&config, params, "b", &plan, &cells, &error));
    check_ok(fv_own_compare(&config, &plan, "b", "a", &c, &error));
    assert_true(c.all.counts.n == 2 && c.n_flips == 0 && c.all.found[0] == 1);
    const char *const shown[] = {"1 9 1", "2 11 2"};
    for (flip.sample = 0; flip.sample < 2; flip.sample++) {
        int32_t tokens[3];
        for (int i = 0, at = 0, read; i < 3; i++, at += read)
            sscanf(shown[flip.sample] + at, "%d%n", &tokens[i], &read);
        flip.prompt_hash = XXH3_64bits(tokens, sizeof tokens);
        check_ok(fv_own_flip_prompt(&config, &plan, &c, &flip, &prompt, &error));
        assert_string_equal(prompt, shown[flip.sample]);
        free(prompt);
    }
    plan.n_samples = 3;
    assert_int_equal(fv_own_check(&config, &plan, &error), FV_USAGE);
    fv_comparison_free(&c);
    fv_cells_free(&cells);
    fv_own_set_free(set);
    free(params);
}

typedef struct copies {
    int n;
    int32_t tokens[40][11], targets[40][2];
} copies;

static void keep(void *context, const retrieval_answer *drawn) {
    copies *c = context;
    memcpy(c->tokens[c->n], drawn->tokens, sizeof c->tokens[0]);
    memcpy(c->targets[c->n++], drawn->expected, (size_t)drawn->n * sizeof **c->targets);
}

// Drawn questions that are given back are the same questions; with other answers none is found.
static void test_both_ways(void **state) {
    (void)state;
    fv_config config = configure("task.name=needle_multi task.vocab_size=16 model.n_embd=16 "
                                 "task.n_pairs=2 task.n_queries=2 task.context_length=6");
    float *params = make_counter(&config);
    copies c = {0};
    probe_retrieval drawn, given, read;
    fv_error error;
    const retrieval_listener keeps = {.take = keep, .context = &c};
    retrieval_source from = {.seed = 3, .first = 21};
    check_ok(retrieval_draw(&config, 11, 50, 3, 21, 40, &keeps, NULL));
    check_ok(retrieval_ask(&config, params, 11, 50, &from, 40, NULL, &drawn, NULL));
    from = (retrieval_source){
        .seed = 99, .tokens = c.tokens[0], .targets = c.targets[0], .n_answers = 2};
    check_ok(retrieval_ask(&config, params, 11, 50, &from, 40, NULL, &given, NULL));
    check_ok(retrieval_read(&config, params, 11, 50, &from, 40, NULL, NULL, &read, NULL));
    assert_memory_equal(&drawn, &given, sizeof drawn);
    assert_memory_equal(&drawn, &read, sizeof drawn);
    assert_true(drawn.score > 0);
    memset(c.targets, 0, sizeof c.targets); // no value
    check_ok(retrieval_ask(&config, params, 11, 50, &from, 40, NULL, &given, NULL));
    check_ok(retrieval_read(&config, params, 11, 50, &from, 40, NULL, NULL, &read, NULL));
    assert_true(given.score == 0 && given.found == 0);
    assert_memory_equal(&given, &read, sizeof given);
    from.n_answers = 1;
    assert_int_equal(retrieval_ask(&config, params, 11, 50, &from, 4, NULL, &given, &error),
                     FV_FORMAT);
    assert_int_equal(retrieval_read(&config, params, 11, 50, &from, 4, NULL, NULL, &read, &error),
                     FV_FORMAT);
    free(params);
}

static void check_refused(fv_status wanted, const char *said) {
    fv_own_set *set;
    fv_error error;
    assert_int_equal(fv_own_set_read(path, &set, &error), wanted);
    assert_null(set);
    if (strstr(error.text, said) == NULL) fail_msg("'%s' does not say '%s'", error.text, said);
}

static void test_grids(void **state) {
    (void)state;
    const char *const lines[][3] = {
        {LINE("0", "1, 9, 1", "9"), LINE("2", "1, 9, 1", "9")},
        {LINE("0", "1, 9, 1", "9"), LINE("1", "1, 9", "9")},
        {LINE("0", "1, 9, 1", "9"), LINE("1", "1, 16, 1", "9")},
        {LINE("0", "1, 9, 1", "9"), LINE("1", "1, 9, 1", "9, 9")},
        {LINE("0", "1, 9, 1", ""), LINE("1", "1, 9, 1", "")},
        {LINE("0", "1, 9, 1", "9"), LINE("1", "1, 9, 1", "9"), LINE("2", "1, 9, 1", "9")},
    };
    for (int i = 0; i < 6; i++) {
        write_set(HEAD, i == 5 ? 3 : 2, lines[i]);
        check_refused(FV_FORMAT, "set.jsonl:");
    }
    write_set(HEAD, 1, lines[0]);
    check_refused(FV_FORMAT, "has 1 questions and a grid of 1 cells of 2");
    write_set(", \"seed\": 4, \"sequences\": {}, \"lengths\": [3], \"depths\": [0]", 0, NULL);
    check_refused(FV_FORMAT, "has no grid");
    write_set(", \"seed\": 4, \"tokenizer\": {}", 0, NULL);
    check_refused(FV_USAGE, "has texts, for served models");
}

static void put(const char *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

// Wherever a byte is changed or the file ends.
static void test_changed(void **state) {
    (void)state;
    enum { SIZE = 1 << 14 };
    static char bytes[SIZE];
    fv_config config = configure(WORDS);
    fv_own_plan plan = {.n_lengths = 1,
                        .n_depths = 2,
                        .lengths = {3},
                        .depths = {0, 100},
                        .n_samples = 5,
                        .seed = 4,
                        .n_threads = 1};
    fv_frozen made;
    fv_own_set *set;
    fv_error error;
    check_ok(fv_own_freeze(&config, &plan, path, &made, &error));
    assert_int_equal(made.n, 10);
    FILE *file = fopen(path, "rb");
    size_t n = fread(bytes, 1, SIZE, file);
    fclose(file);
    for (size_t i = 20; i + 1 < n; i += 13) {
        bytes[i] ^= 1;
        put(bytes, n);
        bytes[i] ^= 1;
        check_refused(FV_FORMAT, "is not as it was frozen");
        put(bytes, i);
        check_refused(FV_FORMAT, "is not as it was frozen");
    }
    put(bytes, n);
    check_ok(fv_own_set_read(path, &set, &error));
    config = configure("task.name=kv_retrieval task.vocab_size=32 task.context_length=3");
    assert_int_equal(fv_own_set_use(set, &config, &plan, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "is for models of task.vocab_size 16, and this one has 32"));
    fv_own_set_free(set);
    plan.width = 0.1;
    assert_int_equal(fv_own_freeze(&config, &plan, path, &made, &error), FV_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asked, folder_create, folder_remove),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test_setup_teardown(test_grids, folder_create, folder_remove),
        cmocka_unit_test_setup_teardown(test_changed, folder_create, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
