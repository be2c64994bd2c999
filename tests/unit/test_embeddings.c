// Embeddings that are not simply learned, and learning rates that differ between parameters.
#include "configurations.h"

#include <fovea/train.h>

enum { STEPS = 5 };

typedef struct trained {
    fv_trainer *trainer;
    float *before; // [n_params]
} trained;

// A few steps of a small model, with what its parameters were beforehand.
static trained train(const char *words, int steps) {
    fv_config config = configure(words);
    fv_error error;
    trained t;
    if (fv_trainer_create(&config, 1, &t.trainer, &error) != FV_OK) fail_msg("%s", error.text);
    size_t bytes = fv_model_n_params(fv_trainer_model(t.trainer)) * sizeof *t.before;
    t.before = malloc(bytes);
    memcpy(t.before, fv_trainer_params(t.trainer), bytes);
    for (int i = 0; i < steps; i++) fv_trainer_step(t.trainer, NULL);
    return t;
}

static void release(trained *t) {
    fv_trainer_free(t->trainer);
    free(t->before);
}

// The largest change of entries [first, last) of a tensor.
static double change(const trained *t, const char *name, size_t first, size_t last) {
    const fv_tensor *tensor = fv_model_tensor(fv_trainer_model(t->trainer), name);
    const float *now = fv_trainer_params(t->trainer) + tensor->offset;
    double largest = 0;
    for (size_t i = first; i < last && i < tensor->size; i++)
        largest = fmax(largest, fabs((double)(now[i] - t->before[tensor->offset + i])));
    return largest;
}

#define SMALL "task.vocab_size=10 train.batch_size=32 "

static void test_fixed_embeddings_stay(void **state) {
    (void)state;
    trained t = train(SMALL "model.embedding=fixed", STEPS);
    assert_true(change(&t, "embed.W_E", 0, SIZE_MAX) == 0);
    assert_true(change(&t, "unembed.W_U", 0, SIZE_MAX) > 0);
    release(&t);
}

static void test_resampled_embeddings_are_drawn_anew(void **state) {
    (void)state;
    trained one = train(SMALL "model.embedding=resampled", 1);
    trained two = train(SMALL "model.embedding=resampled", 2);
    const float *first = fv_trainer_params(one.trainer), *second = fv_trainer_params(two.trainer);
    const fv_tensor *table = fv_model_tensor(fv_trainer_model(one.trainer), "embed.W_E");
    int n_same = 0;
    for (size_t i = 0; i < table->size; i++)
        n_same += first[table->offset + i] == second[table->offset + i];
    assert_int_equal(n_same, 0);
    assert_true(change(&one, "embed.W_E", 0, SIZE_MAX) > 0.1);
    release(&one);
    release(&two);
}

// The noise is gone after the step, but the step felt it.
static void test_noise_is_taken_off_again(void **state) {
    (void)state;
    trained quiet = train(SMALL "train.optimizer=sgd", 1);
    trained noisy =
        train(SMALL "train.optimizer=sgd model.embedding=noisy model.embedding_noise=2", 1);
    assert_true(change(&noisy, "embed.W_E", 0, SIZE_MAX) < 0.01);
    size_t n = fv_model_n_params(fv_trainer_model(quiet.trainer));
    assert_memory_not_equal(fv_trainer_params(quiet.trainer), fv_trainer_params(noisy.trainer),
                            n * sizeof(float));
    release(&quiet);
    release(&noisy);
}

// Plain descent moves a parameter by its gradient times its own rate.
static void test_groups_have_their_rates(void **state) {
    (void)state;
    trained plain = train(SMALL "train.optimizer=sgd", 1);
    trained t = train(SMALL "train.optimizer=sgd train.embedding_rate=3 train.layer_rate=0.5 "
                            "train.unembedding_rate=0",
                      1);
    static const struct {
        const char *name;
        double factor;
    } groups[] = {{"embed.W_E", 3}, {"blocks.0.attn.W_V", 0.5}, {"unembed.W_U", 0}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        double wanted = groups[i].factor * change(&plain, groups[i].name, 0, SIZE_MAX);
        check_near(change(&t, groups[i].name, 0, SIZE_MAX), wanted, 1e-3 * wanted + 2e-7);
    }
    release(&plain);
    release(&t);
}

// Zipf with alpha 1 over 2 tokens: frequencies 2/3 and 1/3, so factors (4/3)^-1 and (2/3)^-1.
static void test_rare_tokens_learn_faster(void **state) {
    (void)state;
    const char *words = "task.vocab_size=2 task.distribution=zipf train.optimizer=sgd "
                        "train.batch_size=64 train.learning_rate=0.1 ";
    char scaled[256];
    snprintf(scaled, sizeof scaled, "%strain.token_rate_power=-1", words);
    trained plain = train(words, 1), t = train(scaled, 1);
    for (size_t row = 0; row < 2; row++) {
        double factor = row == 0 ? 0.75 : 1.5;
        double wanted = factor * change(&plain, "embed.W_E", 2 * row, 2 * row + 2);
        check_near(change(&t, "embed.W_E", 2 * row, 2 * row + 2), wanted, 1e-3 * wanted + 2e-7);
    }
    release(&plain);
    release(&t);
}

// Whether a trained tensor is 0 in all but the first `kept` of every `period` numbers, and nowhere
// in those.
static bool is_restricted(const trained *t, const char *name, size_t kept, size_t period) {
    const fv_tensor *tensor = fv_model_tensor(fv_trainer_model(t->trainer), name);
    const float *now = fv_trainer_params(t->trainer) + tensor->offset;
    for (size_t i = 0; i < tensor->size; i++)
        if ((now[i] != 0) != (i % period < kept)) return false;
    return true;
}

static void test_narrow_scores_and_positions_stay_narrow(void **state) {
    (void)state;
    trained t = train(SMALL "model.n_embd=6 model.n_head=2 model.d_score=1 model.d_positions=2 "
                            "model.positions=learned model.bias=true train.optimizer=adamw "
                            "train.weight_decay=0.1 task.offset=1",
                      STEPS);
    assert_true(is_restricted(&t, "blocks.0.attn.W_Q", 1, 3));
    assert_true(is_restricted(&t, "blocks.0.attn.W_K", 1, 3));
    assert_true(is_restricted(&t, "blocks.0.attn.b_Q", 1, 3));
    assert_true(is_restricted(&t, "pos_embed.W_pos", 2, 6));
    assert_true(is_restricted(&t, "blocks.0.attn.W_V", 3, 3));
    assert_false(is_restricted(&t, "blocks.0.attn.W_V", 1, 3));
    assert_true(change(&t, "blocks.0.attn.W_Q", 0, 1) > 0);
    assert_true(change(&t, "pos_embed.W_pos", 0, 2) > 0);
    release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_embeddings_stay),
        cmocka_unit_test(test_resampled_embeddings_are_drawn_anew),
        cmocka_unit_test(test_noise_is_taken_off_again),
        cmocka_unit_test(test_groups_have_their_rates),
        cmocka_unit_test(test_rare_tokens_learn_faster),
        cmocka_unit_test(test_narrow_scores_and_positions_stay_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
