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
        cmocka_unit_test(a_nan_has_the_same_bits_from_everywhere),
        cmocka_unit_test(every_outcome_has_a_text),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
