#include "probe/probe_history.h"

#include "table.h"
#include "tool.h"

#include <fovea/probe.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_SHOWN = 20,    // swaps printed
    N_ROWS = 12,     // snapshots printed, evenly chosen
    MAX_COLUMNS = 16 // positions and forms printed
};

// --- swaps -------------------------------------------------------------------------------------

// The series `swaps` measured on the snapshots, into `measured`.
static fv_status measure_snapshots(const fv_model *model, const fv_record *record,
                                   fv_record *measured, fv_error *error) {
    const fv_probe *probe = fv_probe_find("swaps");
    fv_status status = FV_OK;
    for (int i = 0; i < record->n_snapshots && status == FV_OK; i++)
        status = fv_probe_measure(probe, model, record->snapshots[i].params,
                                  record->snapshots[i].step, measured, error);
    return status;
}

static fv_status take_swaps(const fv_series *series, probe_swaps *swaps, fv_error *error) {
    swaps->n_measured = series->n - 1;
    swaps->steps = calloc((size_t)series->n + 1, sizeof *swaps->steps);
    swaps->n_tokens = calloc((size_t)series->n + 1, sizeof *swaps->n_tokens);
    if (swaps->steps == NULL || swaps->n_tokens == NULL)
        return fv_fail(error, FV_NO_MEMORY, "no memory for %d measurements", series->n);
    for (int i = 1; i < series->n; i++) {
        if (!(series->values[i] > 0)) continue;
        swaps->steps[swaps->n] = series->steps[i];
        swaps->n_tokens[swaps->n++] = (int)series->values[i];
    }
    return FV_OK;
}

fv_status probe_swaps_find(const fv_model *model, const fv_record *record, probe_swaps *swaps,
                           fv_error *error) {
    *swaps = (probe_swaps){0};
    fv_record measured;
    fv_record_init(&measured);
    const fv_series *series = fv_record_find(record, "swaps");
    swaps->recorded = series != NULL;
    fv_status status = FV_OK;
    if (series == NULL && record->n_snapshots > 1) {
        status = measure_snapshots(model, record, &measured, error);
        series = fv_record_find(&measured, "swaps");
    }
    if (status == FV_USAGE) status = FV_OK; // a model that the probe cannot take has no swaps
    if (status == FV_OK && series != NULL && series->n > 1)
        status = take_swaps(series, swaps, error);
    fv_record_free(&measured);
    return status;
}

void probe_swaps_free(probe_swaps *swaps) {
    free(swaps->steps);
    free(swaps->n_tokens);
    *swaps = (probe_swaps){0};
}

json_t *probe_swaps_json(const probe_swaps *swaps) {
    json_t *steps = json_array(), *tokens = json_array();
    for (int i = 0; i < swaps->n; i++) {
        json_array_append_new(steps, json_integer(swaps->steps[i]));
        json_array_append_new(tokens, json_integer(swaps->n_tokens[i]));
    }
    return json_pack("{s:s, s:i, s:o, s:o}", "from", swaps->recorded ? "probe" : "snapshots",
                     "measured", swaps->n_measured, "steps", steps, "tokens", tokens);
}

void probe_swaps_print(const probe_swaps *swaps) {
    if (swaps->n_measured == 0) return;
    printf("\nswaps at %d of %d %s", swaps->n, swaps->n_measured,
           swaps->recorded ? "measurements" : "snapshots");
    if (swaps->n > N_SHOWN) printf(", the last %d", N_SHOWN);
    puts(swaps->n > 0 ? ": step (tokens with another neighbour)" : "");
    int first = swaps->n > N_SHOWN ? swaps->n - N_SHOWN : 0;
    for (int i = first; i < swaps->n; i++)
        printf("%s%d (%d)", i > first ? ", " : "  ", swaps->steps[i], swaps->n_tokens[i]);
    if (swaps->n > 0) putchar('\n');
}

// --- a path along a direction ------------------------------------------------------------------

static void follow(const fv_model *model, const float *params, const probe_path *path, int i) {
    const fv_tensor *pos = fv_model_tensor(model, "pos_embed.W_pos");
    int n_head = fv_model_sizes_of(model).n_head;
    for (int t = 0; pos != NULL && t < path->T && t < pos->shape[0]; t++) {
        const float *row = params + pos->offset + (size_t)t * (size_t)pos->shape[1];
        double sum = 0;
        for (int c = 0; c < pos->shape[1]; c++) sum += row[c] * path->s[c];
        path->position[(size_t)i * (size_t)path->T + (size_t)t] = sum;
    }
    for (int f = 0; f < path->n_forms; f++)
        path->forms[(size_t)i * (size_t)path->n_forms + (size_t)f] =
            fv_qk_form(model, params, f / n_head, f % n_head, path->s);
}

static fv_status allocate(const probe_subject *subject, probe_path *path, fv_error *error) {
    fv_model_sizes sizes = fv_model_sizes_of(subject->model);
    int n_snapshots = subject->record.n_snapshots;
    path->n = n_snapshots > 0 ? n_snapshots : 1;
    path->T = fv_model_tensor(subject->model, "pos_embed.W_pos") ? sizes.context_length : 0;
    path->n_forms = fv_model_n_attention(subject->model) * sizes.n_head;
    path->s = calloc((size_t)sizes.n_embd, sizeof *path->s);
    path->steps = calloc((size_t)path->n, sizeof *path->steps);
    path->position = calloc((size_t)path->n * (size_t)path->T + 1, sizeof *path->position);
    path->forms = calloc((size_t)path->n * (size_t)path->n_forms + 1, sizeof *path->forms);
    if (path->s && path->steps && path->position && path->forms) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the paths of %d positions", path->T);
}

fv_status probe_path_find(const probe_subject *subject, const double *given, int n_given,
                          probe_path *path, fv_error *error) {
    *path = (probe_path){.fitted = given == NULL};
    int d = fv_model_sizes_of(subject->model).n_embd;
    if (given != NULL && n_given != d)
        return fv_fail(error, FV_USAGE, "--direction has %d numbers; the model is %d wide", n_given,
                       d);
    fv_status status = allocate(subject, path, error);
    if (status != FV_OK) return status;
    if (given != NULL)
        memcpy(path->s, given, (size_t)d * sizeof *given);
    else if (!fv_separation_fit(subject->model, subject->params, path->s))
        path->n = 0;
    const fv_record *record = &subject->record;
    for (int i = 0; i < path->n; i++) {
        bool stored = record->n_snapshots > 0;
        path->steps[i] = stored ? record->snapshots[i].step : -1;
        follow(subject->model, stored ? record->snapshots[i].params : subject->params, path, i);
    }
    return FV_OK;
}

void probe_path_free(probe_path *path) {
    free(path->s);
    free(path->steps);
    free(path->position);
    free(path->forms);
    *path = (probe_path){0};
}

static json_t *row_json(const double *values, int n) {
    json_t *row = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(row, tool_number_json(values[i]));
    return row;
}

json_t *probe_path_json(const probe_path *path, int n_embd) {
    if (path->n == 0) return json_null();
    json_t *steps = json_array(), *positions = json_array(), *forms = json_array();
    for (int i = 0; i < path->n; i++) {
        json_array_append_new(steps,
                              path->steps[i] < 0 ? json_null() : json_integer(path->steps[i]));
        json_array_append_new(positions, row_json(path->position + (size_t)i * path->T, path->T));
        json_array_append_new(forms,
                              row_json(path->forms + (size_t)i * path->n_forms, path->n_forms));
    }
    return json_pack("{s:o, s:b, s:o, s:o, s:o}", "direction", row_json(path->s, n_embd), "fitted",
                     path->fitted, "steps", steps, "positions", positions, "forms", forms);
}

static void add_row(table *t, const probe_path *path, int i, int T, int n_forms) {
    if (path->steps[i] < 0)
        table_add(t, "-");
    else
        table_add(t, "%d", path->steps[i]);
    for (int p = 0; p < T; p++) table_add(t, "%.3f", path->position[(size_t)i * path->T + p]);
    for (int f = 0; f < n_forms; f++)
        table_add(t, "%.3f", path->forms[(size_t)i * path->n_forms + f]);
}

int probe_path_print(const probe_path *path, int n_embd, int n_head) {
    if (path->n == 0) return EXIT_DONE;
    int T = path->T < MAX_COLUMNS ? path->T : MAX_COLUMNS;
    int n_forms = path->n_forms < MAX_COLUMNS ? path->n_forms : MAX_COLUMNS;
    printf("\npositions p along s and s QK s of each %s, s = (",
           n_head > 1 ? "layer and head" : "layer");
    for (int c = 0; c < n_embd && c < MAX_COLUMNS; c++)
        printf("%s%.3g", c > 0 ? ", " : "", path->s[c]);
    printf("%s), %s\n", n_embd > MAX_COLUMNS ? ", ..." : "",
           path->fitted ? "which separates the position to attend to" : "as given");
    table t;
    table_init(&t, 1 + T + n_forms);
    table_add(&t, "step");
    for (int p = 0; p < T; p++) table_add(&t, "p%d", p);
    for (int f = 0; f < n_forms; f++)
        if (n_head > 1)
            table_add(&t, "%d.h%d", f / n_head, f % n_head);
        else
            table_add(&t, "layer %d", f);
    int n_rows = path->n < N_ROWS ? path->n : N_ROWS;
    for (int r = 0; r < n_rows; r++)
        add_row(&t, path, n_rows > 1 ? r * (path->n - 1) / (n_rows - 1) : 0, T, n_forms);
    return table_show(&t);
}
