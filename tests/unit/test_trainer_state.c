// A trainer that is put back to a state goes on as it did, bit for bit, whatever the optimizer keeps.
#include "config/stages.h"
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

static void restore(fv_trainer *trainer, const real *state, trainer_place place) {
    fv_error error;
    assert_int_equal(trainer_restore(trainer, state, place, &error), FV_OK);
}

static void check(const char *optimizer) {
    fv_config config;
    fv_trainer *one = create(optimizer, &config), *other = create(optimizer, &config);
    size_t size = trainer_state_size(one) * sizeof(real);
    real *state = malloc(size), *end = malloc(size), *again = malloc(size);
    assert_true(state && end && again);
    go(one, 10);
    trainer_place place = trainer_save(one, state);
    go(one, 10);
    trainer_save(one, end);
    restore(one, state, place);
    assert_int_equal(fv_trainer_steps_done(one), 10);
    go(one, 10);
    trainer_save(one, again);
    assert_memory_equal(end, again, size);
    go(other, 3); // a trainer that has gone elsewhere
    restore(other, state, place);
    go(other, 10);
    trainer_save(other, again);
    assert_memory_equal(end, again, size);
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

// --- stages ---------------------------------------------------------------------------------------

static const char STAGES[] = "[{at: 10, task.offset: 2, train.learning_rate: 0.01}, {at: 20, "
                             "train.optimizer: sgd}, {at: 30, reset: true, train.optimizer: adam}]";
enum { END = 40 };

static void end_of(const fv_trainer *trainer, float *params) {
    size_t n = fv_model_n_params(fv_trainer_model(trainer));
    memcpy(params, fv_trainer_params(trainer), n * sizeof *params);
}

static fv_trainer *create_staged(const char *stages, fv_config *config) {
    fv_error error;
    fv_trainer_free(create("adam", config));
    assert_int_equal(fv_config_set(config, "train.stages", stages, &error), FV_OK);
    fv_trainer *trainer;
    assert_int_equal(fv_trainer_create(config, 1, &trainer, &error), FV_OK);
    return trainer;
}

// From every state of the run, wherever the trainer is by then, it ends as it did.
static void test_states_in_stages(void **unused) {
    (void)unused;
    fv_config config;
    fv_trainer *trainer = create_staged(STAGES, &config);
    real *states[END];
    trainer_place places[END];
    for (int i = 0; i < END; i++) {
        states[i] = malloc(trainer_state_size(trainer) * sizeof(real));
        assert_non_null(states[i]);
        places[i] = trainer_save(trainer, states[i]);
        go(trainer, 1);
    }
    float end[256], again[256];
    assert_true(fv_model_n_params(fv_trainer_model(trainer)) <= 256);
    end_of(trainer, end);
    for (int i = 0; i < END; i++) {
        int from = i * 7 % END; // forwards and backwards over stages
        restore(trainer, states[from], places[from]);
        go(trainer, END - from);
        end_of(trainer, again);
        assert_memory_equal(end, again, fv_model_n_params(fv_trainer_model(trainer)) * sizeof *end);
        restore(trainer, states[from], places[from]);
    }
    for (int i = 0; i < END; i++) free(states[i]);
    fv_trainer_free(trainer);
}

// A rate that is changed on the way is a stage of the run that has it from the beginning.
static void test_stages_on_the_way(void **unused) {
    (void)unused;
    fv_error error;
    fv_config config, whole;
    float end[256], again[256];
    fv_trainer *one = create_staged("[{at: 7, train.learning_rate: 0.05}]", &config);
    go(one, 20);
    end_of(one, end);
    fv_trainer *other = create("adam", &whole);
    go(other, 7);
    assert_int_equal(stages_set(&whole, 7, "train.learning_rate", "5e-2", &error), FV_OK);
    assert_int_equal(trainer_restage(other, &whole, &error), FV_OK);
    go(other, 13);
    end_of(other, again);
    size_t n = fv_model_n_params(fv_trainer_model(one));
    assert_memory_equal(end, again, n * sizeof *end);
    assert_int_equal(stages_set(&whole, 20, "train.learning_rate", "1", &error), FV_OK);
    assert_int_equal(trainer_restage(other, &whole, &error), FV_OK);
    go(one, 5);
    go(other, 5);
    end_of(one, end);
    end_of(other, again);
    assert_memory_not_equal(end, again, n * sizeof *end); // another rate is another way
    fv_trainer_free(one);
    fv_trainer_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_optimizer),
                                       cmocka_unit_test(test_states_in_stages),
                                       cmocka_unit_test(test_stages_on_the_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
