// The tasks of the later posts, each held against its definition, worked out again from the tokens
// in the plainest way; what is refused; and the losses that no model can beat.
#include "batches.h"

#include "tasks/draw.h"

#include <fovea/claim.h>
#include <fovea/task.h>
#include <fovea/train.h>

// Takes batches of both streams and gives every sequence to `check`.
typedef void check_sequence(const task_data *data, bool held_out, const int32_t *tokens,
                            const int32_t *targets);

static void for_sequences(const char *words, int n, check_sequence *check) {
    task_data data = make_data(words, true);
    for (int stream = FV_STREAM_TRAIN; stream <= FV_STREAM_TEST; stream++) {
        batch b = take_batch(&data, (random_stream)stream, 5, n, 2);
        for (int s = 0; s < n; s++)
            check(&data, stream == FV_STREAM_TEST, b.tokens + s * b.n_tokens,
                  b.targets + s * b.n_loss);
        batch_free(&b);
    }
    data_free(&data);
}

// --- similar ------------------------------------------------------------------------------------

// How much worse than another an earlier token at s is as an answer at t: distance first, then the
// tie rule, both in one number.
static int penalty(const fv_task_config *config, const int32_t *tokens, int s, int t) {
    int distance = abs(tokens[s] - tokens[t]), rank = 0;
    switch (config->ties) {
    case FV_TIES_SMALLER:
        rank = tokens[s];
        break;
    case FV_TIES_LARGER:
        rank = -tokens[s];
        break;
    case FV_TIES_EARLIER:
        rank = s;
        break;
    case FV_TIES_LATER:
        rank = -s;
        break;
    }
    return 1000 * distance + rank;
}

static void check_similar(const task_data *data, bool held_out, const int32_t *tokens,
                          const int32_t *targets) {
    (void)held_out;
    for (int i = 0; i < data->n_loss; i++) {
        int t = data->loss_positions[i], best = 0;
        for (int s = 1; s < t; s++)
            if (penalty(&data->config, tokens, s, t) < penalty(&data->config, tokens, best, t))
                best = s;
        assert_int_equal(targets[i], tokens[best]);
    }
}

static void test_similar(void **state) {
    (void)state;
    for_sequences("task.name=similar task.context_length=2 task.vocab_size=5", 50, check_similar);
    for_sequences("task.name=similar task.context_length=10 task.vocab_size=100", 300,
                  check_similar);
    static const char *const ties[] = {"smaller", "larger", "earlier", "later"};
    for (int i = 0; i < 4; i++) {
        char words[128];
        snprintf(words, sizeof words,
                 "task.name=similar task.context_length=6 task.vocab_size=9 task.loss=all "
                 "task.ties=%s",
                 ties[i]);
        for_sequences(words, 300, check_similar);
    }
    task_data data = make_data("task.name=similar task.context_length=6 task.loss=all", true);
    assert_int_equal(data.n_loss, 5); // the first token has no earlier one
    data_free(&data);
}

// The post's own example: 1 5 10 6 -> 5; and 5 7 6, where the rule decides.
static void test_similar_by_hand(void **state) {
    (void)state;
    fv_config config = configure("task.name=similar task.context_length=4");
    int32_t tokens[4 * 16], targets[16];
    static const int32_t post[] = {1, 5, 10, 6}, tie[] = {1, 5, 7, 6};
    for (int t = 0; t < 4; t++)
        for (int l = 0; l < 16; l++) tokens[t * 16 + l] = l < 8 ? post[t] : tie[t];
    static const int32_t wanted[] = {5, 7, 5, 7};
    for (int ties = 0; ties < FV_TIES_COUNT; ties++) {
        config.task.ties = ties;
        task_of(&config.task)->answer(&config.task, tokens, targets);
        assert_int_equal(targets[0], 5);
        assert_int_equal(targets[15], wanted[ties]);
    }
}

// --- recall -------------------------------------------------------------------------------------

static bool in_range(int32_t token, int low, int high) {
    return token >= low && token < high;
}

static void check_recall(const task_data *data, bool held_out, const int32_t *tokens,
                         const int32_t *targets) {
    const fv_task_config *config = &data->config;
    int n = config->n_pairs, vocab = config->vocab_size, occurrences = 0;
    int half = config->pool == FV_POOL_SPLIT ? vocab / 2 : 0;
    int32_t query = tokens[2 * n];
    assert_int_equal(data->n_loss, 1);
    assert_int_equal(data->loss_positions[0], 2 * n);
    for (int i = 0; i < n; i++) {
        assert_true(in_range(tokens[2 * i], 0, half > 0 ? half : vocab));
        assert_true(in_range(tokens[2 * i + 1], half, vocab));
        if (tokens[2 * i] == query) {
            occurrences++;
            assert_int_equal(targets[0], tokens[2 * i + 1]);
        }
        for (int k = 0; k < i; k++) {
            bool same_key = tokens[2 * i] == tokens[2 * k];
            if (same_key) assert_int_equal(tokens[2 * i], query);
            assert_true(same_key == (tokens[2 * i + 1] == tokens[2 * k + 1]));
        }
    }
    bool repeats = config->context_repetition > 1 && !held_out;
    assert_true(repeats ? occurrences >= 1 : occurrences == 1);
}

static void test_recall(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.n_pairs=1 task.context_length=3 task.vocab_size=2",
        "task.n_pairs=1 task.context_length=3 task.vocab_size=3 task.pool=split",
        "task.n_pairs=32 task.context_length=65 task.vocab_size=64",
        "task.n_pairs=32 task.context_length=65 task.vocab_size=64 task.pool=split",
        "task.n_pairs=32 task.context_length=65 task.vocab_size=32",
        "task.n_pairs=8 task.context_length=17 task.vocab_size=20 task.context_repetition=3.5",
        "task.n_pairs=8 task.context_length=17 task.vocab_size=20 task.context_repetition=8",
        "task.n_pairs=8 task.context_length=17 task.vocab_size=16 task.sample_repetition=0.7 "
        "task.pool=split",
        "task.n_pairs=4 task.context_length=9 task.vocab_size=9 task.sample_repetition=1 "
        "task.context_repetition=2",
        "task.n_pairs=600 task.context_length=1201 task.vocab_size=5000",
        "task.n_pairs=40 task.context_length=81 task.vocab_size=99 task.data=fixed task.n_train=40",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        snprintf(words, sizeof words, "task.name=recall %s", cases[i]);
        for_sequences(words, 100, check_recall);
    }
}

// Means over sequences: occurrences of the query, and of query tokens 0 or 1.
static void recall_means(const char *words, random_stream stream, double *repeats, double *fixed) {
    enum { N = 20000 };
    task_data data = make_data(words, true);
    batch b = take_batch(&data, stream, 0, N, 16);
    int last = b.n_tokens - 1;
    double n_repeats = 0, n_fixed = 0;
    for (int s = 0; s < N; s++) {
        const int32_t *tokens = b.tokens + s * b.n_tokens;
        for (int t = 0; t < last; t += 2) n_repeats += tokens[t] == tokens[last];
        n_fixed += tokens[last] < 2;
    }
    *repeats = n_repeats / N;
    *fixed = n_fixed / N;
    batch_free(&b);
    data_free(&data);
}

static void test_repetition(void **state) {
    (void)state;
    const char *words = "task.name=recall task.n_pairs=16 task.context_length=33 "
                        "task.vocab_size=50 task.context_repetition=4 task.sample_repetition=0.5";
    double repeats, fixed;
    recall_means(words, FV_STREAM_TRAIN, &repeats, &fixed);
    check_near(repeats, 4, 0.06);                 // 1 + Binomial(15, 1/5): deviation 1.55 / sqrt(N)
    check_near(fixed, 0.5 + 0.5 * 2 / 50, 0.015); // p + (1 - p) 2 / V
    recall_means(words, FV_STREAM_TEST, &repeats, &fixed);
    check_near(repeats, 1, 0);
    check_near(fixed, 2.0 / 50, 0.006);
}

// The place of the queried pair is uniform: Pearson's statistic over 8 slots, with queries from
// outside of the keys among them.
static void test_query_place_is_uniform(void **state) {
    (void)state;
    enum { N = 16000, SLOTS = 8 };
    task_data data = make_data("task.name=recall task.n_pairs=8 task.context_length=17 "
                               "task.vocab_size=12 task.sample_repetition=0.6",
                               true);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 1, N, 16);
    double counts[SLOTS] = {0}, statistic = 0;
    for (int s = 0; s < N; s++)
        for (int i = 0; i < SLOTS; i++)
            counts[i] += b.tokens[s * 17 + 2 * i] == b.tokens[s * 17 + 16];
    for (int i = 0; i < SLOTS; i++)
        statistic += (counts[i] - N / SLOTS) * (counts[i] - N / SLOTS) / (N / SLOTS);
    check_between(statistic, 0, 30); // 7 degrees of freedom: 1e-4
    batch_free(&b);
    data_free(&data);
}

// --- mqar ---------------------------------------------------------------------------------------

static void check_mqar(const task_data *data, bool held_out, const int32_t *tokens,
                       const int32_t *targets) {
    (void)held_out;
    const fv_task_config *config = &data->config;
    int n = config->n_pairs, half = config->vocab_size / 2, asked = 0;
    for (int i = 0; i < n; i++) {
        assert_true(in_range(tokens[2 * i], 1, half));
        assert_true(in_range(tokens[2 * i + 1], half, config->vocab_size));
        for (int k = 0; k < i; k++) {
            assert_int_not_equal(tokens[2 * i], tokens[2 * k]);
            assert_int_not_equal(tokens[2 * i + 1], tokens[2 * k + 1]);
        }
        int times = 0;
        for (int q = 0; q < data->n_loss; q++) {
            if (targets[q] != tokens[2 * i + 1]) continue;
            assert_int_equal(tokens[data->loss_positions[q]], tokens[2 * i]);
            times++;
        }
        assert_int_equal(times, 1);
    }
    for (int q = 0; q < data->n_loss; q++) {
        int t = data->loss_positions[q];
        assert_true(t % 2 == 0 && t >= 2 * n);
        asked += targets[q] >= 0;
        if (config->filler == FV_FILLER_ZERO) {
            if (targets[q] < 0) assert_int_equal(tokens[t], 0);
            if (t + 1 < config->context_length) assert_int_equal(tokens[t + 1], 0);
        }
    }
    assert_int_equal(asked, n);
    assert_int_equal(data->n_targets, n);
}

static void test_mqar(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.n_pairs=1 task.context_length=4 task.vocab_size=4",
        "task.n_pairs=8 task.context_length=32 task.vocab_size=64",
        "task.n_pairs=8 task.context_length=101 task.vocab_size=18 task.gap_power=1",
        "task.n_pairs=16 task.context_length=256 task.vocab_size=8192 task.filler=random",
        "task.n_pairs=4 task.context_length=64 task.vocab_size=64 task.data=fixed task.n_train=33",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        snprintf(words, sizeof words, "task.name=mqar %s", cases[i]);
        for_sequences(words, 60, check_mqar);
    }
}

// One query among ten slots: Pearson's statistic against g^(power - 1).
static double gap_error(const char *words, double power) {
    enum { N = 20000, SLOTS = 10 };
    task_data data = make_data(words, true);
    assert_int_equal(data.n_loss, SLOTS);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 0, N, 16);
    double counts[SLOTS] = {0}, sum = 0, statistic = 0;
    for (int i = 0; i < N * SLOTS; i++) counts[i % SLOTS] += b.targets[i] >= 0;
    for (int g = 1; g <= SLOTS; g++) sum += pow(g, power - 1);
    for (int g = 1; g <= SLOTS; g++) {
        double wanted = N * pow(g, power - 1) / sum;
        statistic += (counts[g - 1] - wanted) * (counts[g - 1] - wanted) / wanted;
    }
    batch_free(&b);
    data_free(&data);
    return statistic;
}

static void test_gaps(void **state) {
    (void)state;
    const char *words = "task.name=mqar task.n_pairs=1 task.context_length=22 task.gap_power=";
    char half[128], uniform[128];
    snprintf(half, sizeof half, "%s0.5", words);
    snprintf(uniform, sizeof uniform, "%s1", words);
    check_between(gap_error(half, 0.5), 0, 35); // 9 degrees of freedom: 6e-5
    check_between(gap_error(uniform, 1), 0, 35);
    assert_true(gap_error(half, 0.6) > 35);
}

// The slot that sample s of a batch asks key i in.
static int slot_of_key(const task_data *data, const batch *b, int s, int i) {
    const int32_t *tokens = b->tokens + (size_t)s * (size_t)b->n_tokens;
    for (int g = 0; g < data->n_loss; g++)
        if (tokens[data->loss_positions[g]] == tokens[2 * i]) return g;
    fail_msg("key %d is asked for nowhere", i);
    return -1;
}

// As many slots as keys: every slot is asked in, however rarely it would be drawn, and of two slots
// a and b the first is a with odds of a^(power - 1) to b^(power - 1). The largest error of all
// pairs, in standard deviations.
static double order_error(int n_pairs, double drawn, double claimed) {
    enum { N = 4000, MOST = 16 };
    char words[160];
    snprintf(words, sizeof words,
             "task.name=mqar task.n_pairs=%d task.context_length=%d task.gap_power=%g", n_pairs,
             4 * n_pairs, drawn);
    task_data data = make_data(words, true);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 0, N, 10);
    double before[MOST][MOST] = {{0}}, worst = 0;
    for (int s = 0; s < N; s++) {
        int slots[MOST];
        for (int i = 0; i < n_pairs; i++) slots[i] = slot_of_key(&data, &b, s, i);
        for (int i = 0; i < n_pairs; i++)
            for (int j = i + 1; j < n_pairs; j++) before[slots[i]][slots[j]]++;
    }
    for (int g = 0; g < n_pairs; g++) {
        for (int h = g + 1; h < n_pairs; h++) {
            assert_true(before[g][h] + before[h][g] == N);
            double share = 1 / (1 + pow((h + 1.0) / (g + 1), claimed - 1));
            double wanted = N * share, variance = N * share * (1 - share);
            worst = fmax(worst, fabs(before[g][h] - wanted) / sqrt(variance + 1));
        }
    }
    batch_free(&b);
    data_free(&data);
    return worst;
}

static void test_rare_slots(void **state) {
    (void)state;
    static const double powers[] = {0, 1, 5, 10};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        check_between(order_error(4, powers[i], powers[i]), 0, 5);
        check_between(order_error(16, powers[i], powers[i]), 0, 5);
    }
    assert_true(order_error(16, 5, 4.5) > 5);
}

// --- induction and selective copy ---------------------------------------------------------------

static void check_induction(const task_data *data, bool held_out, const int32_t *tokens,
                            const int32_t *targets) {
    (void)held_out;
    const fv_task_config *config = &data->config;
    int period = config->period > 0 ? config->period : config->context_length / 2;
    for (int t = period; t < config->context_length; t++)
        assert_int_equal(tokens[t], tokens[t % period]);
    int first = config->loss == FV_LOSS_ALL ? period : config->context_length - 1;
    assert_int_equal(data->n_loss, config->context_length - first);
    for (int i = 0; i < data->n_loss; i++) {
        assert_int_equal(data->loss_positions[i], first + i);
        assert_int_equal(targets[i], tokens[(first + i + 1) % period]);
    }
}

static void test_induction(void **state) {
    (void)state;
    for_sequences("task.name=induction task.context_length=2", 40, check_induction);
    for_sequences("task.name=induction task.context_length=64 task.loss=all", 40, check_induction);
    for_sequences("task.name=induction task.context_length=23 task.period=5 task.loss=all", 40,
                  check_induction);
    for_sequences("task.name=induction task.context_length=9 task.period=8 "
                  "task.distribution=zipf",
                  40, check_induction);
}

static void check_selective_copy(const task_data *data, bool held_out, const int32_t *tokens,
                                 const int32_t *targets) {
    (void)held_out;
    const fv_task_config *config = &data->config;
    int body = config->context_length - config->n_copy, n = 0;
    for (int t = 0; t < config->context_length; t++) {
        if (t >= body)
            assert_int_equal(tokens[t], config->vocab_size - 1);
        else if (tokens[t] != config->vocab_size - 2)
            assert_int_equal(targets[n++], tokens[t]);
    }
    assert_int_equal(n, config->n_copy);
    assert_int_equal(data->n_loss, config->n_copy);
    for (int i = 0; i < n; i++) assert_int_equal(data->loss_positions[i], body + i);
}

static void test_selective_copy(void **state) {
    (void)state;
    for_sequences("task.name=selective_copy task.n_copy=1 task.context_length=2 task.vocab_size=3",
                  40, check_selective_copy);
    for_sequences("task.name=selective_copy task.context_length=256 task.vocab_size=16", 40,
                  check_selective_copy);
    for_sequences("task.name=selective_copy task.n_copy=20 task.context_length=41", 40,
                  check_selective_copy);
}

// --- all of them --------------------------------------------------------------------------------

// The second and third of three draws, put into map x map boxes, against equally likely choices;
// for both ways of drawing.
static double distinct_error(int pool, int map) {
    enum { N = 24000 };
    double counts[64] = {0}, statistic = 0;
    int n_cells = map * map;
    for (uint32_t s = 0; s < N; s++) {
        random_source random;
        random_init(&random, 9, FV_STREAM_TRAIN, 0, s);
        int32_t out[6];
        draw_distinct(&random, pool, 3, out, 2);
        assert_true(out[0] != out[2] && out[0] != out[4] && out[2] != out[4]);
        for (int i = 0; i < 3; i++) assert_true(in_range(out[2 * i], 0, pool));
        counts[out[2] * map / pool * map + out[4] * map / pool]++;
    }
    for (int i = 0; i < n_cells; i++) {
        int row = i / map, column = i % map, size = pool / map;
        double pairs = (double)size * (row == column ? size - 1 : size);
        double wanted = N * pairs / ((double)pool * (pool - 1));
        if (wanted > 0) statistic += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
    }
    return statistic;
}

static void test_distinct_draws(void **state) {
    (void)state;
    check_between(distinct_error(8, 8), 0, 110);    // 55 degrees of freedom: 1e-5
    check_between(distinct_error(4000, 8), 0, 118); // 63
    int32_t *all = malloc(FV_MOST_DISTINCT * sizeof *all);
    bool *seen = calloc(FV_MOST_DISTINCT, sizeof *seen);
    random_source random;
    random_init(&random, 1, FV_STREAM_TRAIN, 0, 0);
    draw_distinct(&random, FV_MOST_DISTINCT, FV_MOST_DISTINCT, all, 1);
    for (int i = 0; i < FV_MOST_DISTINCT; i++) {
        assert_false(seen[all[i]]);
        seen[all[i]] = true;
    }
    free(all);
    free(seen);
}

static const char *const EVERY_TASK[] = {
    "task.name=similar task.context_length=7",
    "task.name=recall task.n_pairs=5 task.context_length=11",
    "task.name=recall task.n_pairs=5 task.context_length=11 task.data=fixed task.n_train=50",
    ("task.name=recall task.n_pairs=9 task.context_length=19 task.context_repetition=3 "
     "task.sample_repetition=0.5"),
    "task.name=mqar task.n_pairs=5 task.context_length=40 task.filler=random",
    "task.name=mqar task.n_pairs=5 task.context_length=40 task.data=fixed task.n_train=50",
    "task.name=induction task.context_length=12 task.loss=all",
    "task.name=selective_copy task.n_copy=4 task.context_length=20",
};
enum { N_EVERY_TASK = sizeof EVERY_TASK / sizeof *EVERY_TASK };

static void test_batches_do_not_depend_on_tiles(void **state) {
    (void)state;
    for (int i = 0; i < N_EVERY_TASK; i++) {
        task_data data = make_data(EVERY_TASK[i], true);
        batch small = take_batch(&data, FV_STREAM_TRAIN, 3, 17, 2);
        batch large = take_batch(&data, FV_STREAM_TRAIN, 3, 64, 4);
        batch single = take_batch(&data, FV_STREAM_TRAIN, 3, 64, 1);
        batch later = take_batch(&data, FV_STREAM_TRAIN, 4, 64, 4);
        batch test = take_batch(&data, FV_STREAM_TEST, 3, 64, 4);
        assert_true(same_prefix(&small, &large));
        assert_true(same_prefix(&single, &large));
        assert_false(same_prefix(&later, &large));
        assert_false(same_prefix(&test, &large));
        batch_free(&small);
        batch_free(&large);
        batch_free(&single);
        batch_free(&later);
        batch_free(&test);
        data_free(&data);
    }
}

// The loss is a mean over targets, so that a model that says nothing starts at log V however few of
// the loss positions have one.
static void test_loss_is_per_target(void **state) {
    (void)state;
    for (int i = 0; i < N_EVERY_TASK; i++) {
        char words[256];
        snprintf(words, sizeof words, "%s task.vocab_size=64 model.init=normal", EVERY_TASK[i]);
        fv_config config = configure(words);
        config.model.init_sigma = 1e-6;
        fv_trainer *trainer;
        fv_error error;
        if (fv_trainer_create(&config, 1, &trainer, &error) != FV_OK) fail_msg("%s", error.text);
        check_near(fv_trainer_step(trainer, NULL), log(64), 1e-4);
        double loss, accuracy;
        fv_trainer_test(trainer, &loss, &accuracy);
        check_near(loss, log(64), 0.05);
        fv_trainer_free(trainer);
    }
}

// --- losses that no model can beat --------------------------------------------------------------

// By enumeration of all sequences: the best guess given the query and the multiset of earlier
// tokens.
static double enumerated_blind_loss(const fv_task_config *config) {
    int n = config->context_length, vocab = config->vocab_size, total = 1, last = n - 1;
    for (int t = 0; t < n; t++) total *= vocab;
    double sum = 0, loss = 0;
    for (int r = 0; r < vocab; r++) sum += pow(r + 1, -config->zipf_alpha);
    for (int code = 0; code < total; code++) {
        int tokens[16], count = 0;
        double probability = 1;
        for (int t = 0, rest = code; t < n; t++, rest /= vocab) {
            tokens[t] = rest % vocab;
            bool zipf = config->distribution == FV_DISTRIBUTION_ZIPF;
            probability *= zipf ? pow(tokens[t] + 1, -config->zipf_alpha) / sum : 1.0 / vocab;
        }
        int from = config->index >= 0 ? config->index : last - config->offset;
        for (int t = 0; t < last; t++) count += tokens[t] == tokens[from];
        if (from < last) loss += probability * log((double)last / count);
    }
    return loss;
}

static void test_blind_loss(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.vocab_size=3 task.context_length=5 task.offset=1",
        "task.vocab_size=3 task.context_length=5 task.offset=3",
        "task.vocab_size=3 task.context_length=5 task.index=0",
        "task.vocab_size=3 task.context_length=5 task.index=4",
        "task.vocab_size=4 task.context_length=4 task.offset=0",
        "task.vocab_size=4 task.context_length=4 task.offset=2 task.distribution=zipf",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_config config = configure(cases[i]);
        check_near(fv_task_blind_loss(&config.task), enumerated_blind_loss(&config.task), 1e-12);
    }
    static const struct {
        const char *words;
        double perplexity;
    } published[] = {
        {"task.offset=1 task.vocab_size=100 task.context_length=3", 1.99},
        {"task.offset=1 task.vocab_size=100 task.context_length=4", 2.96},
        {"task.offset=1 task.vocab_size=100 task.context_length=10", 8.52},
        {"task.offset=1 task.vocab_size=10 task.context_length=10", 5.55},
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        fv_config config = configure(published[i].words);
        check_near(exp(fv_task_blind_loss(&config.task)), published[i].perplexity, 0.005);
    }
    // With a loss at every position it is the mean over contexts.
    fv_config all =
        configure("task.vocab_size=7 task.context_length=3 task.offset=1 task.loss=all");
    fv_config third = configure("task.vocab_size=7 task.context_length=3 task.offset=1");
    check_near(fv_task_blind_loss(&all.task), fv_task_blind_loss(&third.task) / 2, 1e-12);
}

static void test_known_losses(void **state) {
    (void)state;
    for (int i = 0; i < N_EVERY_TASK; i++) {
        fv_config config = configure(EVERY_TASK[i]);
        check_near(fv_task_bayes_loss(&config.task), 0, 0);
    }
    fv_config similar = configure("task.name=similar");
    check_near(fv_task_blind_loss(&similar.task), 0, 0);
    similar.task.ties = FV_TIES_LATER; // a place that such a model cannot see
    assert_true(isnan(fv_task_blind_loss(&similar.task)));
    fv_config recall = configure("task.name=recall task.n_pairs=2 task.context_length=5");
    assert_true(isnan(fv_task_blind_loss(&recall.task)));
}

// In measures they are numbers of the configuration, and NULL where they are not known.
static void test_known_losses_in_measures(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    fv_error error;
    double value;
    fv_config config = configure("task.offset=1 task.context_length=3");
    check_ok(fv_record_set_config(&record, &config, NULL));
    check_ok(fv_measure("blind_perplexity + bayes_loss", &record, &value, &error));
    check_near(value, exp(fv_task_blind_loss(&record.config->task)), 1e-12);
    config = configure("task.name=recall task.n_pairs=2 task.context_length=5");
    check_ok(fv_record_set_config(&record, &config, NULL));
    check_ok(fv_measure("bayes_perplexity", &record, &value, &error));
    check_near(value, 1, 0);
    check_ok(fv_measure("blind_loss", &record, &value, &error));
    assert_true(isnan(value));
    assert_int_equal(fv_measure("final(blind_loss)", &record, &value, &error), FV_USAGE);
    fv_record_free(&record);
}

static void test_state_bytes(void **state) {
    (void)state;
    static const struct {
        const char *words;
        double bytes;
    } cases[] = {
        {"model.layers=[mamba*7,attention] model.mamba_state=8 model.mamba_expand=1",
         4 * (7 * 32 * (8 + 3) + 64 * 2 * 32)},
        {"model.layers=[attention,mlp] model.window=8 model.sinks=2", 4 * 10 * 2 * 32},
        {"model.layers=[attention] model.window=70", 4 * 64 * 2 * 32},
        {"model.layers=[attention] model.n_head=2 model.d_score=4", 4 * 64 * (8 + 32)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        snprintf(words, sizeof words, "task.context_length=64 model.n_embd=32 %s", cases[i].words);
        fv_record record;
        fv_record_init(&record);
        fv_config config = configure(words);
        check_ok(fv_record_set_config(&record, &config, NULL));
        double value;
        check_ok(fv_measure("state_bytes", &record, &value, NULL));
        check_near(value, cases[i].bytes, 0);
        fv_record_free(&record);
    }
}

// --- what is refused ----------------------------------------------------------------------------

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *words, *fragment;
    } cases[] = {
        {"name=recall n_pairs=33 vocab_size=32 context_length=67", "has 32"},
        {"name=recall n_pairs=33 vocab_size=64 context_length=67 pool=split", "has 32"},
        {"name=recall n_pairs=8 context_length=18", "2 n_pairs + 1 = 17"},
        {"name=recall", "2 n_pairs + 1 = 17"},
        {"name=recall n_pairs=4 context_length=9 context_repetition=5", "context_repetition 5"},
        {"name=recall n_pairs=1 context_length=3 vocab_size=2 pool=split sample_repetition=1",
         "two keys"},
        {"name=recall n_pairs=4 context_length=9 loss=all", "task.loss all is not read"},
        {"name=recall n_pairs=4 context_length=9 distribution=zipf", "distribution zipf"},
        {"name=mqar n_pairs=8 context_length=31", "4 n_pairs = 32"},
        {"name=mqar n_pairs=8 context_length=32 vocab_size=16", "has 7"},
        {"name=mqar n_pairs=8 context_length=32 pool=split", "only by recall"},
        {"name=induction context_length=1", "2 or more"},
        {"name=induction period=4", "1 to 3"},
        {"name=selective_copy n_copy=3 context_length=5", "1 to 2"},
        {"name=selective_copy n_copy=1 vocab_size=2", "3 or more"},
        {"name=similar context_length=1", "2 or more"},
        {"name=similar offset=1", "task.offset 1 is not read by task.name similar, only by copy"},
        {"name=copy ties=later", "task.ties later is not read by task.name copy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_configuration_refused("task.", cases[i].words, cases[i].fragment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_similar),
        cmocka_unit_test(test_similar_by_hand),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_repetition),
        cmocka_unit_test(test_query_place_is_uniform),
        cmocka_unit_test(test_mqar),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_rare_slots),
        cmocka_unit_test(test_induction),
        cmocka_unit_test(test_selective_copy),
        cmocka_unit_test(test_distinct_draws),
        cmocka_unit_test(test_batches_do_not_depend_on_tiles),
        cmocka_unit_test(test_loss_is_per_target),
        cmocka_unit_test(test_blind_loss),
        cmocka_unit_test(test_known_losses),
        cmocka_unit_test(test_known_losses_in_measures),
        cmocka_unit_test(test_state_bytes),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
