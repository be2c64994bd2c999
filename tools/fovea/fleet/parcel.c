#include "fleet/parcel.h"

#include <fovea/machine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *parcel_order(const fv_config *config, const fv_probe *const *probes, int n_probes) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    char id[17];
    fv_config_id(config, fv_kernels_arithmetic(), id);
    fprintf(out, "id=%s\n", id);
    for (int i = 0; i < n_probes; i++) fprintf(out, "probe=%s\n", probes[i]->name);
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        char value[FV_VALUE_SIZE];
        fv_config_get(config, &fields[i], value, sizeof value);
        fprintf(out, "%s=%s\n", fields[i].key, value);
    }
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

// Whoever computes otherwise would give the run's name to another result.
static fv_status check_id(const fv_config *config, const char *id, fv_error *error) {
    char mine[17];
    fv_config_id(config, fv_kernels_arithmetic(), mine);
    if (strcmp(id, mine) == 0) return FV_OK;
    return fv_fail(
        error, FV_USAGE,
        "process on %s gives other bits than the one that asks (numerics %d, kernels %s, "
        "%s arithmetic); all must be the same fovea, and FOVEA_CPU=portable in the "
        "environment of all lets machines without AVX2 take part",
        fv_machine_cpu(), fv_config_numerics(config), fv_kernels_name(),
        fv_arithmetic_text(fv_kernels_arithmetic()));
}

fv_status parcel_read_order(char *order, fv_config *config, const fv_probe **probes, int *n_probes,
                            fv_error *error) {
    fv_config_init(config);
    *n_probes = 0;
    const char *id = "";
    int n_known;
    fv_probes(&n_known);
    char *rest = NULL;
    for (char *line = strtok_r(order, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        if (value == NULL) return fv_fail(error, FV_FORMAT, "an order has no line '%.100s'", line);
        *value++ = '\0';
        fv_status status = FV_OK;
        if (strcmp(line, "id") == 0)
            id = value;
        else if (strcmp(line, "probe") != 0)
            status = fv_config_set(config, line, value, error);
        else if (*n_probes == n_known || (probes[*n_probes] = fv_probe_find(value)) == NULL)
            status = fv_fail(error, FV_FORMAT, "this fovea has no probe '%.100s'", value);
        else
            ++*n_probes;
        if (status != FV_OK) return status;
    }
    return check_id(config, id, error);
}

// What a result begins with. Then each series: its name, n, steps, values; each snapshot: its step
// and parameters.
typedef struct head {
    int status, outcome, steps, n_series, n_snapshots, numerics;
    char id[17], kernels[FV_KERNELS_SIZE], probes[FV_PROBES_SIZE];
    double wall_seconds, us_per_step;
    size_t n_params;
    char error[sizeof((fv_error *)0)->text];
} head;

char *parcel_result(fv_status status, const fv_error *failure, const fv_record *record,
                    size_t *size) {
    char *bytes = NULL;
    FILE *out = open_memstream(&bytes, size);
    if (out == NULL) return NULL;
    head h = {.status = status};
    if (status == FV_OK) {
        h = (head){.outcome = (int)record->outcome,
                   .steps = record->steps,
                   .n_series = record->n_series,
                   .n_snapshots = record->n_snapshots,
                   .wall_seconds = record->wall_seconds,
                   .us_per_step = record->us_per_step,
                   .n_params = record->n_params,
                   .numerics = record->numerics};
        memcpy(h.id, record->id, sizeof h.id);
        memcpy(h.kernels, record->kernels, sizeof h.kernels);
        memcpy(h.probes, record->probes, sizeof h.probes);
    } else
        snprintf(h.error, sizeof h.error, "%s", failure->text);
    fwrite(&h, sizeof h, 1, out);
    for (int i = 0; i < h.n_series; i++) {
        const fv_series *s = &record->series[i];
        fwrite(s->name, sizeof s->name, 1, out);
        fwrite(&s->n, sizeof s->n, 1, out);
        fwrite(s->steps, sizeof *s->steps, (size_t)s->n, out);
        fwrite(s->values, sizeof *s->values, (size_t)s->n, out);
    }
    for (int i = 0; i < h.n_snapshots; i++) {
        fwrite(&record->snapshots[i].step, sizeof record->snapshots[i].step, 1, out);
        fwrite(record->snapshots[i].params, sizeof(float), record->n_params, out);
    }
    if (fclose(out) == 0) return bytes;
    free(bytes);
    return NULL;
}

typedef struct cursor {
    const char *next;
    size_t left;
} cursor;

// The next n elements, or NULL where there are not as many.
static const void *take(cursor *c, size_t n, size_t size) {
    if (n > c->left / size) return NULL;
    const char *here = c->next;
    c->next += n * size;
    c->left -= n * size;
    return here;
}

static fv_status malformed(fv_error *error) {
    return fv_fail(error, FV_FORMAT,
                   "a result of another process is cut short; all must be the "
                   "same fovea");
}

static fv_status read_series(cursor *c, fv_record *record, fv_error *error) {
    char name[sizeof record->series->name];
    const char *text = take(c, sizeof name, 1);
    const void *count = take(c, 1, sizeof(int));
    int n = 0;
    if (text == NULL || count == NULL) return malformed(error);
    memcpy(name, text, sizeof name);
    name[sizeof name - 1] = '\0';
    memcpy(&n, count, sizeof n);
    const char *steps = n >= 0 ? take(c, (size_t)n, sizeof(int32_t)) : NULL;
    const char *values = steps != NULL ? take(c, (size_t)n, sizeof(float)) : NULL;
    if (values == NULL) return malformed(error);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        int32_t step;
        float value;
        memcpy(&step, steps + (size_t)i * sizeof step, sizeof step);
        memcpy(&value, values + (size_t)i * sizeof value, sizeof value);
        status = fv_record_add(record, name, step, value);
    }
    return status == FV_OK ? status : fv_fail(error, status, "a result cannot be kept");
}

static fv_status read_snapshot(cursor *c, fv_record *record, fv_error *error) {
    const void *number = take(c, 1, sizeof(int));
    const void *bytes = number != NULL ? take(c, record->n_params, sizeof(float)) : NULL;
    if (bytes == NULL) return malformed(error);
    int step;
    memcpy(&step, number, sizeof step);
    float *params = malloc(record->n_params * sizeof *params + 1); // aligned
    if (params == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a result");
    memcpy(params, bytes, record->n_params * sizeof *params);
    fv_status status = fv_record_add_snapshot(record, step, params);
    free(params);
    return status == FV_OK ? status : fv_fail(error, status, "a snapshot cannot be kept");
}

fv_status parcel_read_result(const char *result, size_t size, fv_record *record, fv_error *error) {
    cursor c = {result, size};
    const void *bytes = take(&c, 1, sizeof(head));
    if (bytes == NULL) return malformed(error);
    head h;
    memcpy(&h, bytes, sizeof h);
    h.error[sizeof h.error - 1] = '\0';
    if (h.status != FV_OK) return fv_fail(error, (fv_status)h.status, "%s", h.error);
    record->outcome = (fv_outcome)h.outcome;
    record->steps = h.steps;
    record->wall_seconds = h.wall_seconds;
    record->us_per_step = h.us_per_step;
    record->n_params = h.n_params;
    record->numerics = h.numerics;
    memcpy(record->id, h.id, sizeof record->id);
    memcpy(record->kernels, h.kernels, sizeof record->kernels);
    memcpy(record->probes, h.probes, sizeof record->probes);
    fv_status status = FV_OK;
    for (int i = 0; i < h.n_series && status == FV_OK; i++) status = read_series(&c, record, error);
    for (int i = 0; i < h.n_snapshots && status == FV_OK; i++)
        status = read_snapshot(&c, record, error);
    return status;
}
