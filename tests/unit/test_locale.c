// A program that calls the library may have set a locale in which 0.01 is written "0,01": what the
// library reads, writes and names runs by stays as it is, and so does the program's locale.
#include "base/text.h"
#include "store/config_json.h"

#include <fovea/config.h>
#include <fovea/status.h>

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const LOCALES[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "ru_RU.UTF-8",
                                      "pt_BR.UTF-8", "pl_PL.UTF-8", "de_DE",       "fr_FR"};

static bool set_a_decimal_comma(void) {
    for (size_t i = 0; i < sizeof LOCALES / sizeof *LOCALES; i++)
        if (setlocale(LC_ALL, LOCALES[i]) != NULL && *localeconv()->decimal_point == ',')
            return true;
    return false;
}

// What becomes of numbers on every way in and out: a configuration, its id and JSON, a message.
static char *everything(void) {
    text_buffer all = {0};
    fv_error error = {0};
    fv_config config;
    char id[17];
    fv_config_init(&config);
    assert_int_equal(fv_config_set(&config, "train.learning_rate", "0.0125", &error), FV_OK);
    fv_config_id(&config, FV_ARITHMETIC_FUSED, id);
    char *json = config_to_json(&config);
    fv_fail(&error, FV_USAGE, "%g is too much", 1.5);
    text_add(&all, "%s %s %s %.3f", id, json, error.text, 2.25);
    free(json);
    return all.data;
}

static void numbers_have_a_point(void **state) {
    (void)state;
    char *expected = everything();
    assert_non_null(strstr(expected, "0.0125"));
    if (!set_a_decimal_comma()) {
        free(expected);
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    char *found = everything(), own[8];
    snprintf(own, sizeof own, "%.1f", 0.5);
    setlocale(LC_ALL, "C");
    assert_string_equal(found, expected);
    assert_string_equal(own, "0,5");
    free(expected);
    free(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_have_a_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
