#include "served/speeds.h"

#include <stdio.h>
#include <stdlib.h>

static void add(speeds *s, int kind, double value) {
    if (!(value > 0)) return;
    if (s->n[kind] == s->capacity[kind]) {
        int capacity = s->capacity[kind] > 0 ? 2 * s->capacity[kind] : 16;
        float *grown = realloc(s->values[kind], (size_t)capacity * sizeof *grown);
        if (grown == NULL) return;
        s->values[kind] = grown;
        s->capacity[kind] = capacity;
    }
    s->values[kind][s->n[kind]++] = (float)value;
}

void speeds_add(speeds *s, const asks_row *row) {
    add(s, 0, row->speed.first_token);
    add(s, 1, row->speed.prefill);
    add(s, 2, row->speed.decode);
    s->by_timings |= row->speed.by == ASKS_TIMED_BY_TIMINGS;
    s->by_stream |= row->speed.by == ASKS_TIMED_BY_STREAM;
    if (row->thought_tokens < 0) return;
    s->thought += row->thought_tokens;
    s->n_thought++;
}

static int by_value(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static double median(float *values, int n) {
    if (n == 0) return 0;
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 == 1 ? values[n / 2] : 0.5 * ((double)values[n / 2 - 1] + values[n / 2]);
}

void speeds_of(speeds *s, fv_cell *cell) {
    cell->speed = (fv_speed){.first_token = median(s->values[0], s->n[0]),
                             .prefill = median(s->values[1], s->n[1]),
                             .decode = median(s->values[2], s->n[2])};
    const char *timings = s->by_timings ? asks_timed_text(ASKS_TIMED_BY_TIMINGS) : "";
    const char *stream = s->by_stream ? asks_timed_text(ASKS_TIMED_BY_STREAM) : "";
    snprintf(cell->speed.by, sizeof cell->speed.by, "%s%s%s", timings,
             *timings != '\0' && *stream != '\0' ? ", " : "", stream);
    cell->thought_tokens = s->n_thought > 0 ? s->thought / s->n_thought : 0;
}

void speeds_forget(speeds *s) {
    for (int k = 0; k < SPEEDS_N; k++) s->n[k] = 0;
    s->by_timings = s->by_stream = false;
    s->thought = s->n_thought = 0;
}

void speeds_free(speeds *s) {
    for (int k = 0; k < SPEEDS_N; k++) free(s->values[k]);
    *s = (speeds){0};
}
