// Tasks on whole sequences: each is solved from its tokens alone in the plainest way, first on
// sequences written by hand, then on what the task draws.
#include "batches.h"
#include "folder.h"

#include "base/safetensors.h"
#include "tasks/draw.h"
#include "tasks/markov_matrix.h"

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

static int solve_parity(const fv_task_config *config, const int32_t *tokens, int32_t *answers) {
    int n = 0, last = config->context_length - 1;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++, n++) {
        answers[n] = 0;
        for (int i = 0; i <= t; i++)
            for (int ones = 0; ones < tokens[i]; ones++) // turns as often as the token says
                answers[n] = answers[n] + 1 == config->vocab_size ? 0 : answers[n] + 1;
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
    {"name=parity context_length=6 vocab_size=2 loss=all",
     solve_parity,
     6,
     {1, 0, 1, 1, 0, 1},
     {1, 1, 0, 1, 1, 0}},
    {"name=parity context_length=5 vocab_size=3", solve_parity, 1, {2, 2, 0, 1, 2}, {1}},
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
    check_drawn("name=parity context_length=64 vocab_size=2 loss=all", solve_parity);
    check_drawn("name=parity context_length=1 vocab_size=5", solve_parity);
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
    check_share("name=parity context_length=9 vocab_size=2", 0.5, says_yes);
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

// Fields of a task, by their names without "task.", that cannot be, and what the message says.
static void check_refused(const char *fields, const char *fragment) {
    fv_config config;
    fv_error error = {0};
    fv_config_init(&config);
    fv_status status = FV_OK;
    char words[256], *rest = NULL;
    snprintf(words, sizeof words, "%s", fields);
    for (char *word = strtok_r(words, " ", &rest); word && status == FV_OK;
         word = strtok_r(NULL, " ", &rest)) {
        char key[64];
        size_t n = strcspn(word, "=");
        snprintf(key, sizeof key, "task.%.*s", (int)n, word);
        status = fv_config_set(&config, key, word + n + 1, &error);
    }
    if (status == FV_OK) status = fv_config_check(&config, &error);
    assert_int_equal(status, FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("%s: '%s' lacks '%s'", fields, error.text, fragment);
}

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
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].words, cases[i].fragment);
}

// --- next tokens and sums: losses against sums over all sequences -------------------------------

static double bayes(const char *words) {
    fv_config config = configure(words);
    return fv_task_bayes_loss(&config.task);
}

// --- next tokens ----------------------------------------------------------------------------------

// Token t + 1 is the target of position t, and a beginning is there once.
static void check_shift(const char *words, bool bos) {
    task_data data = make_data(words, true);
    int T = data.config.context_length, V = data.config.vocab_size;
    for (int stream = FV_STREAM_TRAIN; stream <= FV_STREAM_TEST; stream++) {
        batch b = take_batch(&data, (random_stream)stream, 3, 300, 2);
        for (int s = 0; s < b.n; s++) {
            const int32_t *x = b.tokens + s * T, *y = b.targets + s * b.n_loss;
            if (bos) assert_int_equal(x[0], V - 1);
            for (int t = bos; t < T; t++) assert_true(x[t] < V - bos);
            for (int t = 0; t + 1 < T && b.n_loss == T; t++) assert_int_equal(y[t], x[t + 1]);
            assert_true(y[b.n_loss - 1] >= 0 && y[b.n_loss - 1] < V - bos);
        }
        batch_free(&b);
    }
    data_free(&data);
}

static void test_shift(void **state) {
    (void)state;
    check_shift("task.name=unigram task.context_length=6 task.loss=all task.distribution=zipf",
                false);
    check_shift("task.name=unigram task.context_length=6 task.loss=all task.bos=true", true);
    check_shift("task.name=unigram task.context_length=1 task.bos=true", true);
    check_shift("task.name=markov task.vocab_size=6 task.context_length=5 task.loss=all", false);
    check_shift("task.name=markov task.vocab_size=6 task.context_length=5 task.loss=all "
                "task.markov_order=3 task.bos=true",
                true);
    check_shift("task.name=markov task.vocab_size=6 task.context_length=2 task.markov_order=3",
                false);
}

static void test_unigram_losses(void **state) {
    (void)state;
    check_near(bayes("task.name=unigram task.vocab_size=7"), log(7), 1e-12);
    check_near(bayes("task.name=unigram task.vocab_size=7 task.bos=true"), log(6), 1e-12);
    double sum = 0, entropy = 0;
    for (int r = 1; r <= 100; r++) sum += 1.0 / r;
    for (int r = 1; r <= 100; r++) entropy -= 1 / (r * sum) * log(1 / (r * sum));
    check_near(bayes("task.name=unigram task.vocab_size=101 task.bos=true task.distribution=zipf "
                     "task.loss=all"),
               entropy, 1e-12);
    // After 1, 2 and 3 of 5 different tokens: 4, 3 and 2 are left.
    check_near(bayes("task.name=unigram task.vocab_size=5 task.context_length=3 task.loss=all "
                     "task.distinct=true"),
               (log(4) + log(3) + log(2)) / 3, 1e-12);
}

// Every token comes once, each in every place as often.
static void test_distinct(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.vocab_size=6 task.context_length=5 task.offset=2 task.distinct=true",
        "task.name=unigram task.vocab_size=6 task.context_length=5 task.distinct=true"};
    for (int i = 0; i < 2; i++) {
        task_data data = make_data(cases[i], true);
        batch b = take_batch(&data, FV_STREAM_TRAIN, 1, 6000, 4);
        int count[5][6] = {{0}};
        for (int s = 0; s < b.n; s++) {
            unsigned seen = i == 1 ? 1u << b.targets[s] : 0;
            for (int t = 0; t < 5; t++) {
                int token = b.tokens[s * 5 + t];
                assert_false(seen >> token & 1);
                seen |= 1u << token;
                count[t][token]++;
            }
        }
        for (int t = 0; t < 5; t++)
            for (int v = 0; v < 6; v++) check_near(count[t][v] / 6000.0, 1.0 / 6, 0.025); // 5 sigma
        batch_free(&b);
        data_free(&data);
    }
    fv_config config =
        configure("task.vocab_size=10 task.context_length=10 task.offset=3 task.distinct=true");
    check_near(fv_task_blind_loss(&config.task), 2.1972, 1e-4); // ln 9
}

// --- Markov chains --------------------------------------------------------------------------------

// P(next | state), off its cumulative sums.
static double share(const markov_matrix *m, size_t state, int j) {
    const double *row = m->cumulative + state * (size_t)m->n_symbols;
    return row[j] - (j > 0 ? row[j - 1] : 0);
}

// The entropy of the next token given the k before it, by a sum over all windows of order + k + 1 tokens,
// whose first `order` are as the stationary distribution has them.
static double entropy_given(const markov_matrix *m, int k) {
    size_t V = (size_t)m->n_symbols, n = 1, seen = 1;
    double joint[2][1 << 12] = {{0}};
    for (int i = 0; i < k; i++) seen *= V;
    for (int i = 0; i < m->order + k + 1; i++) n *= V;
    for (size_t w = 0; w < n; w++) { // digits of w, the oldest first
        size_t state = 0, rest = n, at = 0;
        double p = 1;
        for (int i = 0; i < m->order + k + 1; i++) {
            rest /= V;
            size_t digit = w / rest % V;
            if (i == m->order) p = m->start[state] - (state > 0 ? m->start[state - 1] : 0);
            if (i >= m->order) {
                p *= share(m, state, (int)digit);
                at = at * V + digit;
            }
            state = state % (m->n_states / V) * V + digit;
        }
        joint[1][at] += p;
        joint[0][at / V] += p;
    }
    double loss = 0;
    for (size_t i = 0; i < seen * V; i++)
        if (joint[1][i] > 0) loss -= joint[1][i] * log(joint[1][i] / joint[0][i / V]);
    return loss;
}

static void test_markov_entropies(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.transitions=uniform", "task.transitions=zipf task.zipf_alpha=1.5",
        "task.transitions=low_rank task.matrix_rank=2", "task.markov_order=2",
        "task.markov_order=3 task.transitions=zipf"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        snprintf(words, sizeof words, "task.name=markov task.vocab_size=3 %s", cases[i]);
        fv_config config = configure(words);
        const markov_matrix *m;
        check_ok(markov_matrix_take(&config.task, &m, NULL));
        for (int k = 0; k <= m->order; k++) check_near(m->entropy[k], entropy_given(m, k), 1e-9);
        for (int k = 0; k < m->order; k++) assert_true(m->entropy[k] > m->entropy[k + 1]);
        for (size_t s = 0; s < m->n_states; s++) check_near(m->cumulative[s * 3 + 2], 1, 1e-12);
        markov_matrix_release(m);
    }
}

// A walk on a circle has the entropy of its hops, from a uniform start; one that always hops has none.
static void test_circle(void **state) {
    (void)state;
    double stays = 0.5, hops = 0.3, back = 0.2;
    double entropy = -stays * log(stays) - hops * log(hops) - back * log(back);
    check_near(bayes("task.name=markov task.transitions=circle task.hop_on=0.3 task.hop_back=0.2 "
                     "task.vocab_size=20"),
               entropy, 1e-12);
    check_near(bayes("task.name=markov task.transitions=circle task.hop_on=1 task.hop_back=0 "
                     "task.vocab_size=20"),
               0, 1e-12);
    // With a beginning the first token is a guess among 20, and 3 positions know the one before.
    check_near(bayes("task.name=markov task.transitions=circle task.hop_on=1 task.hop_back=0 "
                     "task.vocab_size=21 task.bos=true task.loss=all task.context_length=4"),
               log(20) / 4, 1e-12);
}

// Shares of pairs that are drawn: each within 5 standard deviations of what the matrix says.
static void test_markov_draws(void **state) {
    (void)state;
    fv_config config =
        configure("task.name=markov task.vocab_size=4 task.markov_order=2 task.context_length=4 "
                  "task.loss=all");
    task_data data = make_data("task.name=markov task.vocab_size=4 task.markov_order=2 "
                               "task.context_length=4 task.loss=all",
                               true);
    const markov_matrix *m;
    check_ok(markov_matrix_take(&config.task, &m, NULL));
    enum { N = 20000 };
    batch b = take_batch(&data, FV_STREAM_TRAIN, 1, N, 4);
    int count[16][4] = {{0}}, n[16] = {0};
    for (int s = 0; s < N; s++) {
        const int32_t *x = b.tokens + s * 4;
        count[x[2] * 4 + x[3]][b.targets[s * 4 + 3]]++;
        n[x[2] * 4 + x[3]]++;
    }
    for (size_t i = 0; i < 16; i++) {
        double p = m->start[i] - (i > 0 ? m->start[i - 1] : 0);
        check_near((double)n[i] / N, p, 5 * sqrt(p * (1 - p) / N));
        for (int j = 0; j < 4; j++)
            check_near((double)count[i][j] / n[i], share(m, i, j), 5 * sqrt(0.25 / n[i]));
    }
    batch_free(&b);
    data_free(&data);
    markov_matrix_release(m);
}

// The rule's seed says which matrix it is, and no other seed does.
static void test_rule_seed(void **state) {
    (void)state;
    double one = bayes("task.name=markov task.vocab_size=9");
    check_near(bayes("task.name=markov task.vocab_size=9 train.seed=4 task.seed=2"), one, 0);
    assert_true(fabs(bayes("task.name=markov task.vocab_size=9 task.rule_seed=1") - one) > 1e-6);
}

static void write_matrix(const float *values, uint64_t rows, uint64_t columns) {
    safetensors_item item = {
        .name = "transitions", .n_dims = 2, .shape = {rows, columns}, .data = values};
    json_t *metadata = json_object();
    check_ok(safetensors_write(path, metadata, &item, 1, NULL));
    json_decref(metadata);
}

static void test_matrix_in_a_file(void **state) {
    (void)state;
    assert_int_equal(folder_make("matrix.safetensors"), 0);
    static const float good[] = {0.5f, 0.5f, 0.25f, 0.75f}, bad[] = {0.5f, 0.5f, 0.25f, 0.7f};
    write_matrix(good, 2, 2);
    fv_config config = configure("task.name=copy task.vocab_size=2");
    config.task.name = FV_TASK_MARKOV;
    config.task.transitions = FV_TRANSITIONS_FILE;
    snprintf(config.task.path.value, sizeof config.task.path.value, "%s", path);
    check_ok(markov_settle(&config, NULL));
    // Stationary: 1/3 and 2/3.
    double wanted = log(2) / 3 - 2.0 / 3 * (0.25 * log(0.25) + 0.75 * log(0.75));
    check_near(fv_task_bayes_loss(&config.task), wanted, 1e-9);
    fv_error error = {0};
    fv_config larger = config;
    larger.task.vocab_size = 3;
    assert_int_equal(markov_settle(&larger, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "needs [3, 3]"));
    write_matrix(bad, 2, 2);
    assert_int_equal(markov_settle(&config, &error), FV_USAGE); // other numbers than its digest's
    assert_non_null(strstr(error.text, "another matrix"));
    config.task.digest.value[0] = '\0';
    assert_int_equal(markov_settle(&config, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "row 1 of transitions is no distribution"));
    assert_int_equal(remove_folder(NULL), 0);
}

// --- sums -------------------------------------------------------------------------------------------

static void test_modular_addition(void **state) {
    (void)state;
    enum { P = 7, N = 4000 };
    task_data data = make_data(
        "task.name=modular_addition task.vocab_size=8 task.context_length=3 task.held_out=0.3",
        true);
    bool seen[2][P * P] = {{false}};
    for (int test = 0; test < 2; test++) {
        batch b = take_batch(&data, test ? FV_STREAM_TEST : FV_STREAM_TRAIN, 0, N, 4);
        for (int s = 0; s < N; s++) {
            const int32_t *x = b.tokens + s * 3;
            assert_int_equal(x[2], P);
            assert_int_equal(b.targets[s], (x[0] + x[1]) % P);
            seen[test][x[0] * P + x[1]] = true;
        }
        batch_free(&b);
    }
    int n_held = 0;
    for (int i = 0; i < P * P; i++) {
        assert_true(seen[0][i] != seen[1][i]); // each in one of them
        n_held += seen[1][i];
    }
    assert_int_equal(n_held, 15); // of 49
    data_free(&data);
    fv_config config =
        configure("task.name=modular_addition task.vocab_size=8 task.context_length=3 "
                  "task.held_out=0.3 train.stop_metric=test_accuracy train.stop_value=0.9");
    check_ok(fv_config_check(&config, NULL)); // there is a test set
}

static void check_sums(bool reversed) {
    enum { D = 3, BASE = 10 };
    char words[128];
    snprintf(words, sizeof words,
             "task.name=digit_addition task.vocab_size=12 task.context_length=11 task.reversed=%s",
             reversed ? "true" : "false");
    task_data data = make_data(words, true);
    assert_int_equal(data.n_loss, D + 1);
    assert_int_equal(data.loss_positions[0], 2 * D + 1);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 0, 500, 2);
    for (int s = 0; s < b.n; s++) {
        const int32_t *x = b.tokens + s * 11, *y = b.targets + s * (D + 1);
        int a = 0, c = 0, sum = 0;
        for (int i = 0; i < D; i++) a = BASE * a + x[i];
        for (int i = 0; i < D; i++) c = BASE * c + x[D + 1 + i];
        for (int i = 0; i <= D; i++) sum = BASE * sum + y[reversed ? D - i : i];
        assert_int_equal(sum, a + c);
        assert_int_equal(x[D], BASE);
        assert_int_equal(x[2 * D + 1], BASE + 1);
        for (int i = 0; i < D; i++) assert_int_equal(x[2 * D + 2 + i], y[i]);
    }
    batch_free(&b);
    data_free(&data);
}

static void test_digit_addition(void **state) {
    (void)state;
    check_sums(false);
    check_sums(true);
}

// --- what is refused ------------------------------------------------------------------------------

static void test_refusals_of_reals(void **state) {
    (void)state;
    static const struct {
        const char *words, *fragment;
    } cases[] = {
        {"task.name=linear_regression task.location=4", "allows 0 to 3"},
        {"task.name=linear_regression task.context_repetition=1.5", "whole number of places"},
        {"task.name=linear_regression model.embedding=direct model.n_embd=4", "direct needs 8"},
        {"model.embedding=direct", "task.name copy has tokens"},
        {"task.name=teacher model.tied=true", "model.tied ties tables of tokens"},
        {"task.name=teacher model.readout=harmonic", "asks for reals"},
        {"task.name=teacher task.location=1", "only by linear_regression"},
        {"task.name=teacher train.stop_metric=perplexity train.stop_value=2", "there is loss"},
        {"task.inputs=3", "task.inputs 3 is not read by task.name copy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_configuration_refused("", cases[i].words, cases[i].fragment);
}

// Held-out sequences repeat nothing; copies stand in front of the place, around the sequence.
static void test_linear_regression(void **state) {
    (void)state;
    enum { T = 4, K = 3, N = 64 };
    task_data data =
        make_data("task.name=linear_regression task.inputs=3 task.outputs=2 task.location=0 "
                  "task.context_repetition=2 task.sample_repetition=0.5",
                  true);
    static _Alignas(64) int32_t x[N * T * K], y[N * 2];
    int n_equal[2] = {0};
    for (int test = 0; test < 2; test++) {
        data_batch(&data, test ? FV_STREAM_TEST : FV_STREAM_TRAIN, 1, 0, N / 16, N, x, y);
        for (int s = 0; s < N; s++) {
            const int32_t *first = x + s / 16 * T * K * 16 + s % 16, *last = first + 3 * K * 16;
            n_equal[test] += first[0] == last[0] && first[16] == last[16];
        }
    }
    assert_int_equal(n_equal[0], N);
    assert_int_equal(n_equal[1], 0);
    data_free(&data);
    check_near(bayes("task.name=linear_regression task.noise=0.5"), 0.25, 1e-12);
}

static void test_next_refusals(void **state) {
    (void)state;
    static const struct {
        const char *words, *fragment;
    } cases[] = {
        {"name=unigram vocab_size=5 distinct=true context_length=5", "length of 1 to 4"},
        {"vocab_size=5 distinct=true context_length=6", "length of 1 to 5"},
        {"name=unigram distribution=zipf distinct=true",
         "task.distinct true is not read by task.distribution zipf"},
        {"name=sort distinct=true context_length=8",
         "task.distinct true is not read by task.name sort"},
        {"bos=true", "only by unigram and markov"},
        {"name=markov vocab_size=2 bos=true", "3 or more"},
        {"name=markov vocab_size=100 markov_order=3", "1e+08 numbers; it can have 4194304"},
        {"name=markov transitions=circle hop_on=0.6 hop_back=0.6", "more than 1"},
        {"name=markov hop_on=0.5", "only by circle"},
        {"name=markov transitions=zipf matrix_rank=2", "only by low_rank"},
        {"name=markov transitions=file", "task.transitions file needs task.path"},
        {"name=markov path=x", "only by file"},
        {"name=modular_addition", "must be 3"},
        {"name=modular_addition context_length=3 vocab_size=2", "3 or more"},
        {"name=modular_addition context_length=3 vocab_size=5000 held_out=0.5", "up to 2049"},
        {"name=digit_addition context_length=9", "3 n + 2"},
        {"name=digit_addition context_length=8 vocab_size=3", "12 for decimal"},
        {"name=digit_addition context_length=8 length_min=5 length_step=2", "a digit more is 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].words, cases[i].fragment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_unigram_losses),
        cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_markov_entropies),
        cmocka_unit_test(test_circle),
        cmocka_unit_test(test_markov_draws),
        cmocka_unit_test(test_rule_seed),
        cmocka_unit_test(test_matrix_in_a_file),
        cmocka_unit_test(test_modular_addition),
        cmocka_unit_test(test_digit_addition),
        cmocka_unit_test(test_next_refusals),
        cmocka_unit_test(test_refusals_of_reals),
        cmocka_unit_test(test_linear_regression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
