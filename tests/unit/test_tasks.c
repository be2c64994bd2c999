// Tasks and batches: targets against their definition, and batches that depend on nothing but seed,
// stream, step and sample.
#include "batches.h"

// The answer of the copy task at position t, by its definition; -1 where there is none.
static int copied(const fv_task_config *config, const int32_t *tokens, int t) {
    int from = config->index >= 0 ? config->index : t - config->offset;
    return from >= 0 && from <= t ? tokens[from] : -1;
}

static void check_copy(const char *words) {
    task_data data = make_data(words, true);
    const fv_task_config *config = &data.config;
    int last = config->context_length - 1, n_wanted = 0;
    for (int t = config->loss == FV_LOSS_ALL ? 0 : last; t <= last; t++) {
        int32_t zeros[64] = {0};
        if (copied(config, zeros, t) < 0) continue;
        assert_int_equal(data.loss_positions[n_wanted++], t);
    }
    assert_int_equal(data.n_loss, n_wanted);
    for (int stream = FV_STREAM_TRAIN; stream <= FV_STREAM_TEST; stream++) {
        batch b = take_batch(&data, (random_stream)stream, 2, 37, 2);
        for (int s = 0; s < b.n; s++)
            for (int i = 0; i < b.n_loss; i++)
                assert_int_equal(b.targets[s * b.n_loss + i],
                                 copied(config, b.tokens + s * b.n_tokens, data.loss_positions[i]));
        batch_free(&b);
    }
    data_free(&data);
}

static void test_copy(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.context_length=1",
        "task.context_length=4",
        "task.context_length=4 task.offset=3",
        "task.context_length=5 task.offset=1 task.loss=all",
        "task.context_length=5 task.index=0",
        "task.context_length=5 task.index=2 task.loss=all",
        "task.context_length=5 task.index=4 task.loss=all",
        "task.context_length=33 task.loss=all task.vocab_size=2",
        "task.context_length=7 task.offset=2 task.loss=all task.distribution=zipf",
        "task.context_length=6 task.offset=2 task.loss=all task.data=fixed task.n_train=30",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_copy(cases[i]);
}

// A sequence depends on its number alone: not on the size of the batch, nor on the tiles it is cut
// into.
static void test_batches_do_not_depend_on_tiles(void **state) {
    (void)state;
    static const char *const cases[] = {
        "task.context_length=6 task.loss=all",
        "task.context_length=6 task.distribution=zipf",
        "task.context_length=6 task.data=fixed task.n_train=50",
    };
    for (int i = 0; i < 3; i++) {
        task_data data = make_data(cases[i], true);
        batch small = take_batch(&data, FV_STREAM_TRAIN, 3, 17, 2);
        batch large = take_batch(&data, FV_STREAM_TRAIN, 3, 64, 4);
        batch single = take_batch(&data, FV_STREAM_TRAIN, 3, 64, 1);
        batch later = take_batch(&data, FV_STREAM_TRAIN, 4, 64, 4);
        assert_true(same_prefix(&small, &large));
        assert_true(same_prefix(&single, &large));
        assert_false(same_prefix(&later, &large));
        batch_free(&small);
        batch_free(&large);
        batch_free(&single);
        batch_free(&later);
        data_free(&data);
    }
}

// task.seed is that of the data alone, and without it train.seed is.
static void test_seed_of_the_data(void **state) {
    (void)state;
    fv_config apart = configure("task.context_length=6 train.seed=1 task.seed=3"), both = apart;
    both.task.seed = -1;
    assert_int_equal(fv_task_seed(&apart), 3);
    assert_int_equal(fv_task_seed(&both), 1);
    task_data three = make_data("task.context_length=6 train.seed=3", true);
    task_data data = make_data("task.context_length=6 train.seed=1 task.seed=3", true);
    batch a = take_batch(&three, FV_STREAM_TRAIN, 2, 32, 2);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 2, 32, 2);
    assert_true(same_prefix(&a, &b));
    batch_free(&a);
    batch_free(&b);
    data_free(&three);
    data_free(&data);
}

static void test_seed_and_stream_matter(void **state) {
    (void)state;
    task_data data = make_data("task.context_length=6", true);
    task_data other = make_data("task.context_length=6 train.seed=1", true);
    batch train = take_batch(&data, FV_STREAM_TRAIN, 0, 32, 2);
    batch test = take_batch(&data, FV_STREAM_TEST, 0, 32, 2);
    batch seed = take_batch(&other, FV_STREAM_TRAIN, 0, 32, 2);
    assert_false(same_prefix(&train, &test));
    assert_false(same_prefix(&train, &seed));
    batch_free(&train);
    batch_free(&test);
    batch_free(&seed);
    data_free(&data);
    data_free(&other);
}

// Pearson's statistic of the tokens of many sequences against (r + 1)^-alpha, less its mean, in
// standard deviations. The oracle of the distribution.
static double distribution_error(const char *words, double alpha) {
    enum { N = 20000 };
    task_data data = make_data(words, true);
    batch b = take_batch(&data, FV_STREAM_TRAIN, 0, N, 16);
    int n_vocab = data.config.vocab_size;
    double *counts = calloc((size_t)n_vocab, sizeof *counts), sum = 0, statistic = 0;
    for (int i = 0; i < N * b.n_tokens; i++) counts[b.tokens[i]]++;
    for (int r = 0; r < n_vocab; r++) sum += pow(r + 1, -alpha);
    for (int r = 0; r < n_vocab; r++) {
        double wanted = N * b.n_tokens * pow(r + 1, -alpha) / sum;
        statistic += (counts[r] - wanted) * (counts[r] - wanted) / wanted;
    }
    free(counts);
    batch_free(&b);
    data_free(&data);
    return fabs(statistic - (n_vocab - 1)) / sqrt(2.0 * (n_vocab - 1));
}

static void test_distributions(void **state) {
    (void)state;
    check_between(distribution_error("task.vocab_size=100", 0), 0, 4.5);
    check_between(distribution_error("task.vocab_size=2", 0), 0, 4.5);
    check_between(distribution_error("task.vocab_size=100 task.distribution=zipf", 1), 0, 4.5);
    check_between(
        distribution_error("task.vocab_size=30 task.distribution=zipf task.zipf_alpha=2", 2), 0,
        4.5);
    check_between(
        distribution_error("task.vocab_size=30 task.distribution=zipf task.zipf_alpha=0", 0), 0,
        4.5);
    // It notices a power that is off by a twentieth.
    assert_true(distribution_error("task.vocab_size=100 task.distribution=zipf", 1.05) > 4.5);
    assert_true(distribution_error("task.vocab_size=100", 0.05) > 4.5);
}

static double steep(const void *unused, int i) {
    (void)unused;
    return pow(i + 1, -4);
}

// A share is its weight over their sum, also where it is nothing beside the shares before it.
static void test_small_shares(void **state) {
    (void)state;
    enum { N = 20000 };
    task_weights weights;
    check_ok(weights_create(N, steep, NULL, &weights));
    double sum = 0;
    for (int i = 0; i < N; i++) sum += pow(i + 1, -4);
    for (int i = 0; i < N; i++)
        check_near(weights_share(&weights, i) * sum / pow(i + 1, -4), 1, 1e-12);
    weights_free(&weights);
}

// The number of a sequence, for looking it up.
static uint64_t fingerprint(const int32_t *tokens, int n) {
    uint64_t hash = 14695981039346656037u;
    for (int t = 0; t < n; t++) hash = (hash ^ (uint64_t)tokens[t]) * 1099511628211u;
    return hash;
}

// Fixed data: few different sequences, all of them used about equally often, others held out.
static void test_fixed_data_repeat(void **state) {
    (void)state;
    enum { N_TRAIN = 20, N_STEPS = 40, BATCH = 48 };
    task_data data = make_data("task.context_length=8 task.data=fixed task.n_train=20", true);
    uint64_t seen[N_TRAIN];
    int counts[N_TRAIN] = {0}, n_seen = 0;
    for (uint32_t step = 0; step < N_STEPS; step++) {
        batch b = take_batch(&data, FV_STREAM_TRAIN, step, BATCH, 3);
        for (int s = 0; s < BATCH; s++) {
            uint64_t print = fingerprint(b.tokens + s * 8, 8);
            int i = 0;
            while (i < n_seen && seen[i] != print) i++;
            assert_true(i < N_TRAIN);
            if (i == n_seen) seen[n_seen++] = print;
            counts[i]++;
        }
        batch_free(&b);
    }
    assert_int_equal(n_seen, N_TRAIN);
    for (int i = 0; i < N_TRAIN; i++) check_near(counts[i], 96, 50); // 96 +- 10
    batch held_out = take_batch(&data, FV_STREAM_TEST, 0, 64, 4);
    for (int s = 0; s < 64; s++)
        for (int i = 0; i < N_TRAIN; i++)
            assert_true(seen[i] != fingerprint(held_out.tokens + s * 8, 8));
    batch_free(&held_out);
    data_free(&data);
}

// The training set does not depend on how large it is: a set of 20 is the beginning of one of 50,
// so that curves over n_train compare like with like.
static void test_fixed_set_grows_at_its_end(void **state) {
    (void)state;
    task_data small = make_data("task.context_length=8 task.data=fixed task.n_train=20", true);
    task_data large = make_data("task.context_length=8 task.data=fixed task.n_train=50", true);
    assert_memory_equal(small.fixed, large.fixed, 20 * (8 + 1) * sizeof *small.fixed);
    data_free(&small);
    data_free(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_batches_do_not_depend_on_tiles),
        cmocka_unit_test(test_seed_of_the_data),
        cmocka_unit_test(test_seed_and_stream_matter),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_small_shares),
        cmocka_unit_test(test_fixed_data_repeat),
        cmocka_unit_test(test_fixed_set_grows_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
