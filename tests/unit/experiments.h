// Experiment files for tests: written to a folder of their own, read, and refused.
#ifndef TESTS_EXPERIMENTS_H
#define TESTS_EXPERIMENTS_H

#include <fovea/experiment.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/fovea-experiment-XXXXXX/sticky.plateau.yaml";
static char folder[sizeof path];

static inline int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fovea-experiment-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    memcpy(path, folder, strlen(folder));
    return 0;
}

static inline int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static inline void write_bytes(const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        fail_msg("%s cannot be written", path);
}

static inline fv_experiment *read_with(const char *yaml, const char *const *overrides, int n) {
    write_bytes(yaml, strlen(yaml));
    fv_experiment *experiment;
    fv_error error = {0};
    if (fv_experiment_read(path, overrides, n, &experiment, &error) != FV_OK)
        fail_msg("%s", error.text);
    return experiment;
}

static inline fv_experiment *read_text(const char *yaml) {
    return read_with(yaml, NULL, 0);
}

// "4 10 100": the field's values over all runs, in their order.
static inline void expect_runs(const fv_experiment *experiment, const char *key,
                               const char *expected) {
    char all[4096] = "";
    fv_record run;
    fv_record_init(&run);
    assert_int_equal(fv_record_set_config(&run, NULL, NULL), FV_OK);
    for (int i = 0; i < fv_experiment_n_runs(experiment); i++) {
        fv_experiment_config(experiment, i, run.config);
        if (i > 0) strcat(all, " ");
        size_t used = strlen(all);
        fv_config_get(run.config, fv_field_find(key), all + used, sizeof all - used);
    }
    fv_record_free(&run);
    assert_string_equal(all, expected);
}

static inline void expect_refused_with(const char *yaml, const char *const *overrides, int n,
                                       fv_status status, const char *message) {
    write_bytes(yaml, strlen(yaml));
    fv_experiment *experiment = (fv_experiment *)&status;
    fv_error error = {0};
    fv_status got = fv_experiment_read(path, overrides, n, &experiment, &error);
    assert_null(experiment);
    char expected[1024];
    const char *rest = message;
    expected[0] = '\0';
    if (strncmp(message, "@", 1) == 0) snprintf(expected, sizeof expected, "%s", path), rest++;
    strncat(expected, rest, sizeof expected - strlen(expected) - 1);
    if (strstr(error.text, expected) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, expected);
    assert_int_equal(got, status);
    assert_int_equal(error.status, status);
}

#endif
