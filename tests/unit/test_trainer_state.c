// A trainer that is put back to a state goes on as it did, bit for bit, whatever the optimizer keeps.
#include "train/trainer_state.h"

#include <fovea/config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static fv_trainer *create(const char *optimizer, fv_config *config) {
    fv_error error;
    fv_config_init(config);
    const char *const settings[][2] = {{"task.vocab_size", "6"},
                                       {"model.n_embd", "4"},
                                       {"train.batch_size", "32"},
                                       {"train.steps", "100"},
                                       {"train.optimizer", optimizer}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        assert_int_equal(fv_config_set(config, settings[i][0], settings[i][1], &error), FV_OK);
    fv_trainer *trainer;
    assert_int_equal(fv_trainer_create(config, 1, &trainer, &error), FV_OK);
    return trainer;
}

static void go(fv_trainer *trainer, int n) {
    for (int i = 0; i < n; i++) fv_trainer_step(trainer, NULL);
}

static void check(const char *optimizer) {
    fv_config config;
    fv_trainer *one = create(optimizer, &config), *other = create(optimizer, &config);
    size_t size = trainer_state_size(one) * sizeof(real);
    real *state = malloc(size), *end = malloc(size), *again = malloc(size);
    assert_true(state && end && again);
    go(one, 10);
    trainer_save(one, state);
    go(one, 10);
    trainer_save(one, end);
    trainer_restore(one, state, 10);
    assert_int_equal(fv_trainer_steps_done(one), 10);
    go(one, 10);
    trainer_save(one, again);
    assert_memory_equal(end, again, size);
    go(other, 3); // a trainer that has gone elsewhere
    trainer_restore(other, state, 10);
    go(other, 10);
    trainer_save(other, again);
    assert_memory_equal(end, again, size);
    trainer_restore(other, state, 10); // another rate is another way
    trainer_set_rate(other, 2 * config.train.learning_rate);
    go(other, 10);
    trainer_save(other, again);
    assert_memory_not_equal(end, again, size);
    free(state);
    free(end);
    free(again);
    fv_trainer_free(one);
    fv_trainer_free(other);
}

static void test_every_optimizer(void **unused) {
    (void)unused;
    const fv_field *field = fv_field_find("train.optimizer");
    for (int i = 0; field->choices[i] != NULL; i++) check(field->choices[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_optimizer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
