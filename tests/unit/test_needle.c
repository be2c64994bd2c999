// Tasks that hide something in the context: each sequence held against the definition, worked out
// again from the tokens; where it is hidden; and what is refused.
#include "batches.h"

typedef void check_sequence(const task_data *data, const int32_t *tokens, const int32_t *targets);

// Takes batches of both streams and gives every sequence to `check`.
static void for_sequences(const char *words, int n, check_sequence *check) {
    task_data data = make_data(words, true);
    for (int stream = FV_STREAM_TRAIN; stream <= FV_STREAM_TEST; stream++) {
        batch b = take_batch(&data, (random_stream)stream, 3, n, 2);
        for (int s = 0; s < n; s++)
            check(&data, b.tokens + s * b.n_tokens, b.targets + s * b.n_loss);
        batch_free(&b);
    }
    data_free(&data);
}

// --- needles ------------------------------------------------------------------------------------

enum { MOST_KEYS = 64 };

// The values of a key in the order in which they stand in a body of n tokens.
static int values_of(const fv_task_config *config, const int32_t *tokens, int n, int32_t key,
                     int32_t *values) {
    int n_values = 0;
    for (int t = 0; t < n; t++) {
        if (tokens[t] != key) continue;
        assert_true(t + 1 < n && tokens[t + 1] >= config->vocab_size / 2);
        if (values) values[n_values] = tokens[t + 1];
        n_values++;
    }
    return n_values;
}

static void check_haystack(const task_data *data, const int32_t *tokens, const int32_t *targets) {
    const fv_task_config *c = &data->config;
    bool multi = c->name == FV_TASK_NEEDLE_MULTI;
    int n_keys = multi ? c->n_pairs : 1, n_queries = multi ? c->n_queries : 1;
    int n_values = multi ? c->n_values : 1, tail = n_queries * n_values, seen = 0;
    int body = c->context_length - tail, half = c->vocab_size / 2;
    for (int key = 0; key < half; key++) {
        int n = values_of(c, tokens, body, key, NULL);
        if (n > 0) assert_int_equal(n, n_values);
        seen += n > 0;
    }
    assert_int_equal(seen, n_keys);
    assert_int_equal(data->n_loss, tail);
    bool asked[MOST_KEYS] = {false};
    for (int q = 0; q < n_queries; q++) {
        int32_t key = tokens[body + q * n_values], values[MOST_KEYS];
        assert_true(key < half && !asked[key]);
        asked[key] = true;
        assert_int_equal(values_of(c, tokens, body, key, values), n_values);
        for (int i = 0; i < n_values; i++) {
            assert_int_equal(data->loss_positions[q * n_values + i], body + q * n_values + i);
            assert_int_equal(targets[q * n_values + i], values[i]);
            if (i > 0) assert_int_equal(tokens[body + q * n_values + i], values[i - 1]);
        }
    }
}

static void test_haystacks(void **state) {
    (void)state;
    static const char *const words[] = {
        "task.name=needle task.context_length=3 task.vocab_size=4",
        "task.name=needle task.context_length=32 task.vocab_size=17",
        "task.name=needle task.context_length=32 task.vocab_size=32 task.depth=30",
        "task.name=needle_multi task.context_length=3 task.vocab_size=4 task.n_pairs=1",
        "task.name=needle_multi task.context_length=40 task.vocab_size=32 task.n_pairs=8",
        "task.name=needle_multi task.context_length=20 task.vocab_size=16 task.n_pairs=5 "
        "task.n_queries=3",
        "task.name=needle_multi task.context_length=30 task.vocab_size=16 task.n_pairs=3 "
        "task.n_queries=2 task.n_values=3",
        // No hay at all, and every key there is.
        "task.name=needle_multi task.context_length=24 task.vocab_size=8 task.n_pairs=4 "
        "task.n_queries=4 task.n_values=2",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for_sequences(words[i], 200, check_haystack);
}

// --- pairs and places ---------------------------------------------------------------------------

static void check_pairs(const task_data *data, const int32_t *tokens, const int32_t *targets) {
    const fv_task_config *c = &data->config;
    int last = c->context_length - 1, first = last % 2, half = c->vocab_size / 2, found = 0;
    bool seen[MOST_KEYS] = {false};
    if (first) assert_true(tokens[0] >= half);
    for (int t = first; t < last; t += 2) {
        assert_true(tokens[t] < half && !seen[tokens[t]] && tokens[t + 1] >= half);
        seen[tokens[t]] = true;
        if (tokens[t] != tokens[last]) continue;
        assert_int_equal(targets[0], tokens[t + 1]);
        found++;
    }
    assert_int_equal(found, 1);
}

static void check_places(const task_data *data, const int32_t *tokens, const int32_t *targets) {
    const fv_task_config *c = &data->config;
    int last = c->context_length - 1, place = tokens[last] - c->vocab_size / 2;
    assert_true(place >= 0 && place < last);
    for (int t = 0; t < last; t++) assert_true(tokens[t] < c->vocab_size / 2);
    assert_int_equal(targets[0], tokens[place]);
}

static void test_pairs_and_places(void **state) {
    (void)state;
    for_sequences("task.name=kv_retrieval task.context_length=3 task.vocab_size=2", 50,
                  check_pairs);
    for_sequences("task.name=kv_retrieval task.context_length=33 task.vocab_size=32", 300,
                  check_pairs);
    for_sequences("task.name=kv_retrieval task.context_length=30 task.vocab_size=40", 300,
                  check_pairs);
    for_sequences("task.name=position task.context_length=2 task.vocab_size=2", 50, check_places);
    for_sequences("task.name=position task.context_length=17 task.vocab_size=32", 300,
                  check_places);
    for_sequences("task.name=position task.context_length=30 task.vocab_size=20", 300,
                  check_places);
}

// --- depth --------------------------------------------------------------------------------------

// Where the answer stands: the place of the question's token, or of the pair or place itself.
static int place_of_answer(const task_data *data, const int32_t *tokens) {
    const fv_task_config *c = &data->config;
    int32_t asked = tokens[data->loss_positions[0]];
    if (c->name == FV_TASK_POSITION) return asked - c->vocab_size / 2;
    int t = 0;
    while (tokens[t] != asked) t++;
    return t;
}

static void check_depth(const char *task, double depth, int place) {
    char words[256];
    snprintf(words, sizeof words, "%s task.depth=%g", task, depth);
    task_data data = make_data(words, true);
    batch b = take_batch(&data, FV_STREAM_TEST, 0, 64, 1);
    for (int s = 0; s < b.n; s++)
        assert_int_equal(place_of_answer(&data, b.tokens + s * b.n_tokens), place);
    batch_free(&b);
    data_free(&data);
}

static void test_depth(void **state) {
    (void)state;
    const char *needle = "task.name=needle task.context_length=23 task.vocab_size=16";
    check_depth(needle, 0, 0); // 21 places, 0 to 20
    check_depth(needle, 50, 10);
    check_depth(needle, 100, 20);
    const char *pairs = "task.name=kv_retrieval task.context_length=23 task.vocab_size=32";
    check_depth(pairs, 0, 0); // 11 pairs
    check_depth(pairs, 50, 10);
    check_depth(pairs, 100, 20);
    const char *place = "task.name=position task.context_length=12 task.vocab_size=32";
    check_depth(place, 10, 1);
    check_depth(place, 100, 10);
    // With several needles only the ends have one place: what lies before the needle moves it.
    const char *multi = "task.name=needle_multi task.context_length=33 task.vocab_size=16 "
                        "task.n_pairs=4 task.n_queries=2";
    check_depth(multi, 0, 0);
    check_depth(multi, 100, 29);
}

// Without a depth every place is as likely as any other: chi squared at six standard deviations.
static void check_uniform(const char *words, int n_places, int apart) {
    enum { N = 8192 };
    task_data data = make_data(words, true);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 1, N, 4);
    double expected = (double)N / n_places, chi = 0;
    int *count = calloc((size_t)n_places, sizeof *count);
    for (int s = 0; s < N; s++) {
        int place = place_of_answer(&data, b.tokens + s * b.n_tokens);
        assert_true(place % apart == 0 && place / apart < n_places);
        count[place / apart]++;
    }
    for (int i = 0; i < n_places; i++) chi += pow(count[i] - expected, 2) / expected;
    check_between(chi, 0, n_places + 6 * sqrt(2.0 * n_places));
    free(count);
    batch_free(&b);
    data_free(&data);
}

static void test_any_depth(void **state) {
    (void)state;
    check_uniform("task.name=needle task.context_length=32 task.vocab_size=16", 30, 1);
    check_uniform("task.name=kv_retrieval task.context_length=33 task.vocab_size=64", 16, 2);
    check_uniform("task.name=position task.context_length=21 task.vocab_size=64", 20, 1);
    // Four needles and one token of hay make five slots. The needle asked for is in slot s with
    // probability 1/5, and the hay before it in s of the four other places that it can have.
    task_data data = make_data("task.name=needle_multi task.context_length=10 task.vocab_size=16 "
                               "task.n_pairs=4 task.n_queries=1",
                               true);
    int count[8] = {0};
    batch b = take_batch(&data, FV_STREAM_TRAIN, 1, 8192, 4);
    for (int s = 0; s < b.n; s++) count[place_of_answer(&data, b.tokens + s * b.n_tokens)]++;
    for (int t = 0; t < 8; t++) {
        double even = t % 2 == 0 ? (4 - t / 2) / 20.0 : (t / 2 + 1) / 20.0;
        check_near(count[t] / 8192.0, even, 6 * sqrt(even / 8192));
    }
    batch_free(&b);
    data_free(&data);
}

// --- what is refused ----------------------------------------------------------------------------

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *words, *fragment;
    } cases[] = {
        {"name=needle context_length=2", "holds no needle"},
        {"name=needle context_length=8 n_values=2", "only by needle_multi"},
        {"name=copy depth=50", "only by needle"},
        {"name=needle_multi context_length=16 n_pairs=8 vocab_size=32", "17 tokens or more"},
        {"name=needle_multi context_length=99 n_pairs=8 n_values=4 n_queries=9", "allows 1 to 8"},
        {"name=needle_multi context_length=99 n_pairs=8 vocab_size=14", "has 7"},
        {"name=kv_retrieval context_length=2", "holds no pair"},
        {"name=kv_retrieval context_length=19 vocab_size=16", "16 has 8 keys"},
        {"name=position context_length=1", "no place"},
        {"name=needle context_length=32 length_max=33", "allows 1 to 32"},
        {"name=needle context_length=32 length_min=17 length_max=16", "allows 1 to 16"},
        {"name=needle context_length=32 length_min=2", "holds no needle"},
        {"name=needle context_length=32 length_min=8 data=fixed", "task.data fresh"},
        {"name=needle context_length=4096 length_min=8", "needs 8 or more"},
        {"name=recall n_pairs=4 context_length=9 length_min=7", "n_pairs + 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_configuration_refused("task.", cases[i].words, cases[i].fragment);
    fv_config config = configure("task.name=needle");
    fv_error error;
    assert_int_equal(fv_config_set(&config, "task.depth", "101", &error), FV_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_haystacks), cmocka_unit_test(test_pairs_and_places),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_any_depth),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
