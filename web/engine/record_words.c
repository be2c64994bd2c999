#include "record_words.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 5, NAME = sizeof((fv_series *)0)->name / 4 };

uint32_t *record_words_pack(const fv_record *record, int *n) {
    size_t size = HEAD;
    for (int i = 0; i < record->n_series; i++) size += NAME + 1 + 2 * (size_t)record->series[i].n;
    size += (size_t)record->n_snapshots * (1 + record->n_params);
    uint32_t *words = malloc(size * sizeof *words), *at = words;
    if (words == NULL) return NULL;
    const uint32_t head[HEAD] = {record->outcome, (uint32_t)record->steps,
                                 (uint32_t)record->n_series, (uint32_t)record->n_params,
                                 (uint32_t)record->n_snapshots};
    memcpy(at, head, sizeof head);
    at += HEAD;
    for (int i = 0; i < record->n_series; i++) {
        const fv_series *series = &record->series[i];
        memcpy(at, series->name, sizeof series->name);
        at += NAME;
        *at++ = (uint32_t)series->n;
        memcpy(at, series->steps, (size_t)series->n * 4);
        memcpy(at + series->n, series->values, (size_t)series->n * 4);
        at += 2 * series->n;
    }
    for (int i = 0; i < record->n_snapshots; i++) {
        *at++ = (uint32_t)record->snapshots[i].step;
        memcpy(at, record->snapshots[i].params, record->n_params * 4);
        at += record->n_params;
    }
    *n = (int)(at - words);
    return words;
}

static fv_status fail(fv_error *error) {
    return fv_fail(error, FV_FORMAT, "a record of another worker is cut short");
}

static fv_status unpack_series(const uint32_t **at, const uint32_t *end, fv_record *record,
                               fv_error *error) {
    if (end - *at < NAME + 1) return fail(error);
    char name[4 * NAME];
    memcpy(name, *at, sizeof name);
    uint32_t n = (*at)[NAME];
    *at += NAME + 1;
    if (name[sizeof name - 1] != '\0' || (size_t)(end - *at) < 2 * (size_t)n) return fail(error);
    for (uint32_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, *at + n + i, sizeof value);
        fv_status status = fv_record_add(record, name, (int)(*at)[i], value);
        if (status != FV_OK) return fv_fail(error, status, "a record of another worker is damaged");
    }
    *at += 2 * n;
    return FV_OK;
}

fv_status record_words_unpack(const uint32_t *words, int n, fv_record *record, fv_error *error) {
    const uint32_t *at = words + HEAD, *end = words + n;
    if (n < HEAD) return fail(error);
    record->outcome = (fv_outcome)words[0];
    record->steps = (int)words[1];
    record->n_params = words[3];
    for (uint32_t i = 0; i < words[2]; i++) {
        fv_status status = unpack_series(&at, end, record, error);
        if (status != FV_OK) return status;
    }
    for (uint32_t i = 0; i < words[4]; i++) {
        if ((size_t)(end - at) < 1 + record->n_params) return fail(error);
        const float *params = (const float *)(const void *)(at + 1);
        fv_status status = fv_record_add_snapshot(record, (int)*at, params);
        if (status != FV_OK) return fv_fail(error, status, "a record of another worker is damaged");
        at += 1 + record->n_params;
    }
    return FV_OK;
}
