// Tasks on whole sequences: each is solved from its tokens alone in the plainest way, first on
// sequences written by hand, then on what the task draws.
#include "batches.h"

#include "tasks/draw.h"

#include <fovea/task.h>

enum { MOST = 128 };

// Answers at the loss positions, in their order; returns how many there are.
typedef int solver(const fv_task_config *config, const int32_t *tokens, int32_t *answers);

// --- solvers ------------------------------------------------------------------------------------

static int body_of(const fv_task_config *config, const int32_t *tokens) {
    int n = 0;
    while (tokens[n] != config->vocab_size - 1) n++;
    assert_int_equal(2 * n, config->context_length);
    return n;
}

static int solve_copy(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int n = body_of(config, tokens);
    for (int i = 0; i < n; i++) answers[i] = tokens[i];
    return n;
}

static int solve_reverse(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int n = body_of(config, tokens);
    for (int i = 0; i < n; i++) answers[i] = tokens[n - 1 - i];
    return n;
}

static int solve_sort(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int n = body_of(config, tokens), said = 0;
    for (int v = 0; v < config->vocab_size - 1; v++)
        for (int i = 0; i < n; i++)
            if (tokens[i] == v) answers[said++] = v;
    return said;
}

static int solve_n_back(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? config->n_back : last; t <= last; t++)
        answers[n++] = tokens[t] == tokens[t - config->n_back] ? 1 : 0;
    return n;
}

static int solve_local_count(const fv_task_config *config, const int32_t *tokens,
                             int32_t *answers) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++, n++) {
        answers[n] = -1;
        for (int back = 0; back < config->count_window && back <= t; back++)
            answers[n] += tokens[t - back] == tokens[t];
    }
    return n;
}

// Of positions that are not scored the answer is -1.
static int solve_flip_flop(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int write = config->vocab_size - 3, kept = -1, n = 0, last = config->context_length - 1;
    assert_int_equal(tokens[0], write);
    assert_int_equal(tokens[last], write + 1);
    for (int t = 0; t <= last; t += 2) {
        assert_in_range(tokens[t], write, write + 2);
        if (tokens[t] == write) kept = tokens[t + 1];
        bool reads = tokens[t] == write + 1;
        if (reads && t < last) assert_int_equal(tokens[t + 1], kept);
        if (t > 0 && (config->loss == FV_LOSS_ALL || t == last)) answers[n++] = reads ? kept : -1;
    }
    return n;
}

// Follows links from the question until there is none.
static int solve_k_hop(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int last = config->context_length - 1, hops = 0;
    int32_t name = tokens[last];
    for (int t = 0; t + 1 < last;) {
        if (tokens[t] == 0) {
            t++;
        } else if (tokens[t] == name) {
            name = tokens[t + 1];
            hops++;
            t = 0;
        } else {
            t += 2;
        }
    }
    assert_int_equal(hops, config->n_hops);
    answers[0] = name;
    return 1;
}

static int solve_mqmtar(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int k = config->key_tokens, v = config->value_tokens, size = k + v, n = 0, found = 0;
    int question = config->context_length - config->n_queries * size + 1;
    assert_int_equal(tokens[question - 1], config->vocab_size - 1);
    int body = (question - 1) % size;
    for (int q = 0; q < config->n_queries; q++) {
        const int32_t *key = tokens + question + q * size;
        for (int at = body; at + size < question; at += size) {
            if (memcmp(tokens + at, key, (size_t)k * sizeof *key) != 0) continue;
            for (int i = 0; i < v; i++) answers[n++] = tokens[at + k + i];
            found++;
        }
        for (int i = 0; i < v && (q < config->n_queries - 1 || i < v - 1); i++)
            assert_int_equal(key[k + i], answers[n - v + i]);
    }
    assert_int_equal(found, config->n_queries); // each asked key stands there once
    return n;
}

// --- by hand ------------------------------------------------------------------------------------

typedef struct hand {
    const char *words;
    solver *solve;
    int n;
    int32_t tokens[16], answers[8];
} hand;

static const hand HANDS[] = {
    {"name=copy_sequence context_length=8 vocab_size=8",
     solve_copy,
     4,
     {3, 1, 4, 1, 7, 3, 1, 4},
     {3, 1, 4, 1}},
    {"name=reverse context_length=8 vocab_size=8",
     solve_reverse,
     4,
     {3, 1, 4, 1, 7, 1, 4, 1},
     {1, 4, 1, 3}},
    {"name=sort context_length=8 vocab_size=8",
     solve_sort,
     4,
     {3, 1, 4, 1, 7, 1, 1, 3},
     {1, 1, 3, 4}},
    {"name=n_back n_back=2 context_length=6 vocab_size=8 loss=all",
     solve_n_back,
     4,
     {5, 7, 5, 2, 5, 2},
     {1, 0, 1, 1}},
    {"name=local_count count_window=3 context_length=6 vocab_size=8 loss=all",
     solve_local_count,
     6,
     {2, 2, 0, 2, 1, 2},
     {0, 1, 0, 1, 0, 1}},
    {"name=flip_flop context_length=11 vocab_size=5",
     solve_flip_flop,
     1,
     {2, 1, 4, 0, 4, 1, 2, 0, 4, 1, 3},
     {0}},
    {"name=k_hop n_hops=2 n_chains=2 context_length=12 vocab_size=8",
     solve_k_hop,
     1,
     {0, 2, 3, 0, 6, 7, 1, 2, 0, 5, 6, 1},
     {3}},
    {"name=mqmtar n_queries=1 key_tokens=2 value_tokens=2 context_length=16 vocab_size=10",
     solve_mqmtar,
     2,
     {0, 1, 7, 8, 2, 3, 5, 4, 0, 2, 6, 6, 9, 2, 3, 5},
     {5, 4}},
};
enum { N_HANDS = sizeof HANDS / sizeof *HANDS };

static fv_config task_of_words(const char *words) {
    char all[512];
    size_t used = 0;
    for (const char *word = words; *word != '\0';) {
        size_t n = strcspn(word, " ");
        used += (size_t)snprintf(all + used, sizeof all - used, "task.%.*s ", (int)n, word);
        word += n + (word[n] == ' ');
    }
    return configure(all);
}

// What the task itself answers where it does so from tokens, and the solvers.
static void test_by_hand(void **state) {
    (void)state;
    for (int i = 0; i < N_HANDS; i++) {
        const hand *h = &HANDS[i];
        fv_config config = task_of_words(h->words);
        int32_t answers[MOST];
        assert_int_equal(h->solve(&config.task, h->tokens, answers), h->n);
        assert_memory_equal(answers, h->answers, (size_t)h->n * sizeof *answers);
        const task_type *task = task_of(&config.task);
        if (task->answer == NULL) continue;
        int32_t lanes[16 * FV_LANES], targets[8 * FV_LANES];
        for (int t = 0; t < 16 * FV_LANES; t++) lanes[t] = h->tokens[t / FV_LANES];
        task->answer(&config.task, lanes, targets);
        for (int t = 0; t < h->n * FV_LANES; t++)
            assert_int_equal(targets[t], h->answers[t / FV_LANES]);
    }
}

// --- what is drawn ------------------------------------------------------------------------------

static void check_drawn(const char *words, solver *solve) {
    enum { N = 200 };
    fv_config config = task_of_words(words);
    task_data data;
    check_ok(data_create(&config.task, 3, true, &data, NULL));
    batch b = take_batch(&data, FV_STREAM_TRAIN, 5, N, 2);
    int n_targets = data.task->n_targets ? data.task->n_targets(&config.task) : b.n_loss;
    for (int s = 0; s < N; s++) {
        int32_t answers[MOST];
        int n = solve(&config.task, b.tokens + s * b.n_tokens, answers), scored = 0;
        assert_int_equal(n, b.n_loss);
        for (int i = 0; i < n; i++) {
            if (answers[i] != b.targets[s * n + i])
                fail_msg("%s: answer %d of sequence %d is %d, not %d", words, i, s,
                         b.targets[s * n + i], answers[i]);
            scored += answers[i] >= 0;
        }
        assert_int_equal(scored, n_targets);
    }
    check_near(fv_task_bayes_loss(&config.task), 0, 0);
    batch_free(&b);
    data_free(&data);
}

static void test_drawn(void **state) {
    (void)state;
    check_drawn("name=copy_sequence context_length=2 vocab_size=3", solve_copy);
    check_drawn("name=copy_sequence context_length=40", solve_copy);
    check_drawn("name=reverse context_length=18 vocab_size=5", solve_reverse);
    check_drawn("name=reverse context_length=40", solve_reverse);
    check_drawn("name=sort context_length=34 vocab_size=4", solve_sort);
    check_drawn("name=sort context_length=64", solve_sort);
    check_drawn("name=n_back context_length=20 loss=all vocab_size=2", solve_n_back);
    check_drawn("name=n_back context_length=20 n_back=7", solve_n_back);
    check_drawn("name=local_count context_length=30 loss=all vocab_size=9", solve_local_count);
    check_drawn("name=local_count context_length=30 count_window=1", solve_local_count);
    check_drawn("name=flip_flop context_length=3 vocab_size=5", solve_flip_flop);
    check_drawn("name=flip_flop context_length=65 vocab_size=7", solve_flip_flop);
    check_drawn("name=flip_flop context_length=101 vocab_size=5 loss=all ignore_share=0.5",
                solve_flip_flop);
    check_drawn("name=flip_flop context_length=101 vocab_size=5 loss=all", solve_flip_flop);
    check_drawn("name=k_hop n_hops=1 n_chains=1 context_length=3 vocab_size=3", solve_k_hop);
    check_drawn("name=k_hop n_hops=8 n_chains=3 context_length=49", solve_k_hop);
    check_drawn("name=k_hop n_hops=3 n_chains=4 context_length=100", solve_k_hop);
    check_drawn("name=mqmtar context_length=8 vocab_size=5", solve_mqmtar);
    check_drawn("name=mqmtar n_queries=5 key_tokens=3 value_tokens=1 context_length=102",
                solve_mqmtar);
    check_drawn("name=mqmtar n_queries=4 value_tokens=3 context_length=128 vocab_size=9",
                solve_mqmtar);
}

// --- how it is drawn ----------------------------------------------------------------------------

// The share of N sequences for which `holds`, which should be `expected`.
static void check_share(const char *words, double expected,
                        bool (*holds)(const fv_task_config *config, const int32_t *tokens,
                                      const int32_t *targets)) {
    enum { N = 8000 };
    fv_config config = task_of_words(words);
    task_data data;
    check_ok(data_create(&config.task, 4, true, &data, NULL));
    batch b = take_batch(&data, FV_STREAM_TRAIN, 1, N, 4);
    int n = 0;
    for (int s = 0; s < N; s++)
        n += holds(&config.task, b.tokens + s * b.n_tokens, b.targets + s * b.n_loss);
    double off = (double)n / N - expected;
    if (!(fabs(off) <= 5 * sqrt(expected * (1 - expected) / N)))
        fail_msg("%s: %g, not %g", words, (double)n / N, expected);
    batch_free(&b);
    data_free(&data);
}

static bool says_yes(const fv_task_config *config, const int32_t *tokens, const int32_t *targets) {
    (void)config, (void)tokens;
    return targets[0] == 1;
}
static bool ignores_third(const fv_task_config *config, const int32_t *tokens,
                          const int32_t *targets) {
    (void)targets;
    return tokens[4] == config->vocab_size - 1;
}
static bool reads_third(const fv_task_config *config, const int32_t *tokens,
                        const int32_t *targets) {
    (void)config, (void)tokens;
    return targets[1] >= 0;
}
static bool begins_with_filler(const fv_task_config *config, const int32_t *tokens,
                               const int32_t *targets) {
    (void)config, (void)targets;
    return tokens[0] == 0;
}
static bool asks_the_first_link(const fv_task_config *config, const int32_t *tokens,
                                const int32_t *targets) {
    (void)targets;
    return tokens[0] == tokens[config->context_length - 1];
}
static bool asks_the_first_pair(const fv_task_config *config, const int32_t *tokens,
                                const int32_t *targets) {
    (void)targets;
    int question = config->context_length - 3;
    return tokens[0] == tokens[question] && tokens[1] == tokens[question + 1];
}

static void test_shares(void **state) {
    (void)state;
    check_share("name=n_back context_length=9 vocab_size=30", 0.5, says_yes);
    check_share("name=flip_flop context_length=21 vocab_size=5", 0.8, ignores_third);
    // Two reads among eight places; of the six others a share of 2 p / (1 + p) is ignored.
    check_share("name=flip_flop context_length=19 vocab_size=5 loss=all ignore_share=0.5", 0.25,
                reads_third);
    check_share("name=flip_flop context_length=19 vocab_size=5 loss=all ignore_share=0.5",
                0.75 * 2 / 3, ignores_third);
    // 16 fillers and 4 links in 20 places.
    check_share("name=k_hop n_hops=2 n_chains=2 context_length=25", 0.8, begins_with_filler);
    check_share("name=k_hop n_hops=2 n_chains=2 context_length=9", 0.25, asks_the_first_link);
    check_share("name=mqmtar context_length=24 vocab_size=41", 0.2, asks_the_first_pair);
}

// --- what is refused ----------------------------------------------------------------------------

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *words, *fragment;
    } cases[] = {
        {"name=copy_sequence context_length=7", "7 tokens is odd"},
        {"name=reverse context_length=8 vocab_size=2", "3 or more"},
        {"name=sort context_length=16 length_min=8 length_max=16", "even one"},
        {"name=sort context_length=16 length_min=7 length_max=16 length_step=2", "odd"},
        {"name=copy_sequence context_length=8 loss=all", "task.loss all is not read"},
        {"name=n_back n_back=8 context_length=8", "1 to 7"},
        {"name=local_count count_window=9 vocab_size=8", "1 to 8"},
        {"name=flip_flop context_length=9 vocab_size=4", "5 or more"},
        {"name=flip_flop context_length=8", "odd number"},
        {"name=flip_flop context_length=9 length_min=5", "even step"},
        {"name=k_hop n_hops=9", "1 to 8"},
        {"name=k_hop n_hops=8 n_chains=4 vocab_size=36 context_length=65", "37 or more"},
        {"name=k_hop n_hops=8 n_chains=4 context_length=64", "65 tokens or more"},
        {"name=k_hop n_hops=8 n_chains=200 vocab_size=5000 context_length=5000", "1024"},
        {"name=mqmtar context_length=7", "8 tokens or more"},
        {"name=mqmtar context_length=99 vocab_size=5 n_queries=3", "half of them"},
        {"name=mqmtar context_length=99 vocab_size=4", "5 or more"},
        {"name=copy n_back=3", "task.n_back 3 is not read by task.name copy, only by n_back"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_config config;
        fv_error error = {0};
        fv_config_init(&config);
        fv_status status = FV_OK;
        char words[256], *rest = NULL;
        snprintf(words, sizeof words, "%s", cases[i].words);
        for (char *word = strtok_r(words, " ", &rest); word && status == FV_OK;
             word = strtok_r(NULL, " ", &rest)) {
            char key[64];
            size_t n = strcspn(word, "=");
            snprintf(key, sizeof key, "task.%.*s", (int)n, word);
            status = fv_config_set(&config, key, word + n + 1, &error);
        }
        if (status == FV_OK) status = fv_config_check(&config, &error);
        assert_int_equal(status, FV_USAGE);
        if (strstr(error.text, cases[i].fragment) == NULL)
            fail_msg("%s: '%s' lacks '%s'", cases[i].words, error.text, cases[i].fragment);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
