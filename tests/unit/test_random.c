// The random numbers: the generator against the published vectors, and what is made of it.
#include "engine.h"

#include "base/random.h"
#include "kernels/kernels.h"

static void check_vector(const uint32_t counter[4], const uint32_t key[2],
                         const uint32_t wanted[4]) {
    uint32_t words[4];
    random_philox(counter, key, words);
    for (int i = 0; i < 4; i++) assert_int_equal(words[i], wanted[i]);
}

// Known answers of Random123's kat_vectors for philox4x32-10.
static void test_known_answers(void **state) {
    (void)state;
    check_vector((uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0, 0},
                 (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_vector((uint32_t[]){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                 (uint32_t[]){0xffffffff, 0xffffffff},
                 (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_vector((uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                 (uint32_t[]){0xa4093822, 0x299f31d0},
                 (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

// The sequence is the blocks of counters (sample, 0, 1, ..., step, stream), word after word.
static void test_sequence_is_its_blocks(void **state) {
    (void)state;
    random_source random;
    random_init(&random, 0x123456789abcdef0u, FV_STREAM_TEST, 5, 6);
    for (uint32_t block = 0; block < 3; block++) {
        uint32_t words[4];
        random_philox((uint32_t[]){6, block, 5, FV_STREAM_TEST},
                      (uint32_t[]){0x9abcdef0u, 0x12345678u}, words);
        for (int i = 0; i < 4; i++) assert_int_equal(random_u32(&random), words[i]);
    }
}

// Pearson's statistic of counts against equal expectations, less its mean, in standard deviations.
static double chi_square(const int *counts, int n, int total) {
    double wanted = (double)total / n, sum = 0;
    for (int i = 0; i < n; i++) sum += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
    return (sum - (n - 1)) / sqrt(2.0 * (n - 1));
}

static void test_below_is_uniform(void **state) {
    (void)state;
    static const int sizes[] = {2, 3, 10, 100, 1000};
    for (int k = 0; k < 5; k++) {
        enum { N = 200000 };
        static int counts[1000];
        memset(counts, 0, sizeof counts);
        random_source random;
        random_init(&random, 1, FV_STREAM_TRAIN, 0, 0);
        for (int i = 0; i < N; i++) {
            uint32_t value = random_below(&random, (uint32_t)sizes[k]);
            assert_true(value < (uint32_t)sizes[k]);
            counts[value]++;
        }
        check_between(chi_square(counts, sizes[k], N), -4.5, 4.5);
        counts[0] += N / sizes[k] / 4 + 1000; // the statistic sees a crooked die
        assert_true(chi_square(counts, sizes[k], N) > 4.5);
    }
}

// The largest number that can be drawn is n - 1, the smallest 0, for every n.
static void test_below_at_its_ends(void **state) {
    (void)state;
    random_source random = {.words = {0, 0xffffffffu, 0, 0xffffffffu}, .used = 0};
    assert_int_equal(random_below(&random, 7), 0);
    assert_int_equal(random_below(&random, 7), 6);
    random.used = 0;
    check_between(random_uniform(&random), 1e-11, 1e-9);
    check_between(random_uniform(&random), 1 - 1e-9, 1 - 1e-11);
    random.used = 0;
    for (int i = 0; i < 2; i++) assert_true(isfinite(random_normal(&random)));
}

// Moments of the normal numbers, each within about five of its standard deviations.
static void test_normal_moments(void **state) {
    (void)state;
    enum { N = 400000 };
    double moments[5] = {0};
    random_source random;
    random_init(&random, 2, FV_STREAM_INIT, 0, 0);
    for (int i = 0; i < N; i++) {
        double x = random_normal(&random), power = 1;
        for (int k = 1; k <= 4; k++) moments[k] += (power *= x) / N;
    }
    check_near(moments[1], 0, 5 * sqrt(1.0 / N));
    check_near(moments[2], 1, 5 * sqrt(2.0 / N));
    check_near(moments[3], 0, 5 * sqrt(15.0 / N));
    check_near(moments[4], 3, 5 * sqrt(96.0 / N));
}

// Correlation of two sequences of uniform numbers.
static double correlation(random_source a, random_source b) {
    enum { N = 20000 };
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += (random_uniform(&a) - 0.5) * (random_uniform(&b) - 0.5) * 12 / N;
    return sum;
}

// Sequences that differ in one part of their name have nothing in common.
static void test_streams_are_independent(void **state) {
    (void)state;
    random_source base, other;
    random_init(&base, 3, FV_STREAM_TRAIN, 4, 5);
    assert_true(correlation(base, base) > 0.9);
    const struct {
        uint64_t seed;
        random_stream stream;
        uint32_t step, sample;
    } others[] = {{4, FV_STREAM_TRAIN, 4, 5}, {3 + (1ull << 32), FV_STREAM_TRAIN, 4, 5},
                  {3, FV_STREAM_TEST, 4, 5},  {3, FV_STREAM_INIT, 4, 5},
                  {3, FV_STREAM_TRAIN, 5, 5}, {3, FV_STREAM_TRAIN, 4, 6},
                  {3, FV_STREAM_TRAIN, 5, 4}, {5, FV_STREAM_TRAIN, 4, 3}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        random_init(&other, others[i].seed, others[i].stream, others[i].step, others[i].sample);
        check_between(correlation(base, other), -5 / sqrt(20000), 5 / sqrt(20000));
        random_source a = base;
        int n_equal = 0;
        for (int k = 0; k < 1000; k++) n_equal += random_u32(&a) == random_u32(&other);
        assert_int_equal(n_equal, 0);
    }
}

// Tokens drawn sixteen lanes at a time are the scalar sequence's numbers, in every variant and for
// contexts around the four words of a block.
static void test_vector_draw_is_scalar_draw(void **state) {
    (void)state;
    static const int contexts[] = {1, 3, 4, 5, 8, 65};
    static _Alignas(64) int32_t tokens[2 * 65 * FV_LANES];
    for (int k = 0; kernels_available()[k]; k++)
        for (int c = 0; c < 6; c++) {
            kernel_draw draw = {.seed = 0xfedcba9876543210u,
                                .stream = FV_STREAM_TEST,
                                .step = 9,
                                .first_sample = 0xfffffff0u, // and past the end of 32 bits
                                .n_groups = 2,
                                .n_rows = contexts[c],
                                .vocab_size = 1000003,
                                .tokens = tokens};
            kernels_available()[k]->draw(&draw);
            for (uint32_t s = 0; s < 2 * FV_LANES; s++) {
                random_source random;
                random_init(&random, draw.seed, FV_STREAM_TEST, 9, 0xfffffff0u + s);
                for (int t = 0; t < contexts[c]; t++) {
                    int32_t token = tokens[((int)(s / FV_LANES) * contexts[c] + t) * FV_LANES +
                                           (int)(s % FV_LANES)];
                    assert_int_equal(token, random_below(&random, draw.vocab_size));
                }
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_sequence_is_its_blocks),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_below_at_its_ends),
        cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_streams_are_independent),
        cmocka_unit_test(test_vector_draw_is_scalar_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
