// A model whose parameters a test sets by hand, and the record that probes measure it into.
#ifndef TESTS_SUBJECT_H
#define TESTS_SUBJECT_H

#include "configurations.h"

#include <fovea/claim.h>
#include <fovea/model.h>
#include <fovea/probe.h>
#include <fovea/record.h>

typedef struct subject {
    fv_config config;
    fv_model *model;
    float *params; // zeros at first
    fv_record record;
} subject;

static inline void subject_open(subject *s, const char *words) {
    s->config = configure(words);
    check_ok(fv_model_create(&s->config, &s->model, NULL));
    s->params = calloc(fv_model_n_params(s->model), sizeof *s->params);
    fv_record_init(&s->record);
    check_ok(fv_record_set_config(&s->record, &s->config, NULL));
    s->record.n_params = fv_model_n_params(s->model);
}

static inline void subject_close(subject *s) {
    fv_record_free(&s->record);
    free(s->params);
    fv_model_free(s->model);
}

static inline double subject_measure(const subject *s, const char *expression) {
    double value;
    fv_error error;
    if (fv_measure(expression, &s->record, &value, &error) != FV_OK) fail_msg("%s", error.text);
    return value;
}

// Puts point order[i] of x [n][2] at the i-th place around a circle about (3, -5).
static inline void subject_circle(float *x, const int *order, int n, double radius) {
    for (int i = 0; i < n; i++) {
        double angle = 6.283185307179586 * i / n + 0.1;
        x[2 * order[i]] = (float)(3 + radius * cos(angle));
        x[2 * order[i] + 1] = (float)(radius * sin(angle) - 5);
    }
}

#endif
