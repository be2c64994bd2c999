#include <fovea/claim.h>
#include <fovea/config.h>
#include <fovea/record.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void keeps_series_apart_and_in_order(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    for (int step = 0; step < 1000; step++)
        for (int s = 0; s < 5; s++) {
            char name[16];
            snprintf(name, sizeof name, "series[%d]", s);
            assert_int_equal(fv_record_add(&record, name, step, (float)(step * 5 + s)), FV_OK);
        }
    assert_int_equal(record.n_series, 5);
    const fv_series *third = fv_record_find(&record, "series[2]");
    assert_non_null(third);
    assert_int_equal(third->n, 1000);
    for (int step = 0; step < 1000; step++) {
        assert_int_equal(third->steps[step], step);
        assert_true(third->values[step] == (float)(step * 5 + 2));
    }
    assert_null(fv_record_find(&record, "series[5]"));
    fv_record_free(&record);
}

static void refuses_steps_that_do_not_increase(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    assert_int_equal(fv_record_add(&record, "loss", 10, 1), FV_OK);
    assert_int_equal(fv_record_add(&record, "loss", 10, 2), FV_USAGE);
    assert_int_equal(fv_record_add(&record, "loss", 9, 2), FV_USAGE);
    assert_int_equal(fv_record_add(&record, "loss", 11, NAN), FV_OK);
    assert_int_equal(fv_record_find(&record, "loss")->n, 2);
    record.n_params = 1;
    assert_int_equal(fv_record_add_snapshot(&record, 5, &(float){1}), FV_OK);
    assert_int_equal(fv_record_add_snapshot(&record, 5, &(float){1}), FV_USAGE);
    fv_record_free(&record);
}

static void refuses_names_that_do_not_fit(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    char name[65];
    memset(name, 'a', 64);
    name[64] = '\0';
    assert_int_equal(fv_record_add(&record, name, 0, 1), FV_USAGE);
    name[63] = '\0';
    assert_int_equal(fv_record_add(&record, name, 0, 1), FV_OK);
    assert_string_equal(record.series[0].name, name);
    fv_record_free(&record);
}

static void snapshots_are_copies(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    float params[3] = {1, 2, 3};
    record.n_params = 3;
    for (int i = 0; i < 9; i++) {
        params[0] = (float)i;
        assert_int_equal(fv_record_add_snapshot(&record, i * 10, params), FV_OK);
    }
    assert_int_equal(record.n_snapshots, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(record.snapshots[i].step, i * 10);
        assert_true(record.snapshots[i].params[0] == (float)i);
        assert_true(record.snapshots[i].params[2] == 3);
    }
    fv_record_free(&record);
    assert_int_equal(record.n_snapshots, 0);
    fv_record_free(&record); // twice is fine
    fv_record_free(NULL);
}

static void the_configuration_is_a_copy_that_stays(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    assert_null(record.config);
    assert_int_equal(fv_record_set_config(&record, NULL, NULL), FV_OK);
    fv_config config, *kept = record.config;
    fv_config_init(&config);
    assert_int_equal(kept->train.steps, config.train.steps);
    config.train.steps = 7;
    assert_int_equal(fv_record_set_config(&record, &config, NULL), FV_OK);
    config.train.steps = 8;
    assert_ptr_equal(record.config, kept);
    assert_int_equal(fv_record_set_config(&record, record.config, NULL), FV_OK);
    assert_int_equal(record.config->train.steps, 7);
    fv_record_free(&record);
    assert_null(record.config);
}

static void check_refused(fv_status status, const fv_error *error) {
    assert_int_equal(status, FV_USAGE);
    assert_string_equal(error->text,
                        "run '3fa29c41' has no configuration; give its record one with "
                        "fv_record_set_config");
}

static void without_a_configuration_nothing_is_asked_of_it(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    strcpy(record.id, "3fa29c41");
    fv_record_add(&record, "loss", 0, 2);
    double value;
    fv_error error;
    check_refused(fv_measure("final(loss) / train.steps", &record, &value, &error), &error);
    check_refused(fv_measure("bayes_loss", &record, &value, &error), &error);
    assert_int_equal(fv_measure("final(loss)", &record, &value, &error), FV_OK);
    assert_true(value == 2);
    const fv_experiment experiment = {.path = NULL};
    const fv_record *const records[] = {&record};
    fv_judgement *judgements;
    check_refused(fv_claims_judge(&experiment, records, 1, &judgements, &error), &error);
    fv_record_free(&record);
}

static void a_nan_has_the_same_bits_from_everywhere(void **state) {
    (void)state;
    fv_record record;
    fv_record_init(&record);
    record.n_params = 2;
    const float params[] = {-NAN, copysignf(NAN, 1)};
    assert_int_equal(fv_record_add_snapshot(&record, 0, params), FV_OK);
    assert_int_equal(fv_record_add(&record, "loss", 0, params[0]), FV_OK);
    assert_int_equal(fv_record_add(&record, "loss", 1, params[1]), FV_OK);
    const float *kept = record.snapshots[0].params, *values = record.series[0].values;
    assert_true(isnan(kept[0]) && isnan(values[0]));
    assert_memory_equal(&kept[0], &kept[1], sizeof *kept);
    assert_memory_equal(&values[0], &values[1], sizeof *values);
    fv_record_free(&record);
}

static void every_outcome_has_a_text(void **state) {
    (void)state;
    assert_string_equal(fv_outcome_text(FV_OUTCOME_DONE), "done");
    assert_string_equal(fv_outcome_text(FV_OUTCOME_STOPPED), "stopped");
    assert_string_equal(fv_outcome_text(FV_OUTCOME_DIVERGED), "diverged");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_series_apart_and_in_order),
        cmocka_unit_test(refuses_steps_that_do_not_increase),
        cmocka_unit_test(refuses_names_that_do_not_fit),
        cmocka_unit_test(snapshots_are_copies),
        cmocka_unit_test(the_configuration_is_a_copy_that_stays),
        cmocka_unit_test(without_a_configuration_nothing_is_asked_of_it),
        cmocka_unit_test(a_nan_has_the_same_bits_from_everywhere),
        cmocka_unit_test(every_outcome_has_a_text),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
