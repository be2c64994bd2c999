// Whole runs: a cell of a map with its measure, or a run of an experiment whose record goes to the worker
// that judges.
#include "web.h"

#include "record_words.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <fovea/train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *words; // the last record
static int n_words;

const uint32_t *web_record(void) {
    return words;
}

int web_record_size(void) {
    return n_words;
}

static void write_curve(const fv_record *record, text_buffer *out) {
    enum { MOST_POINTS = 240 };
    const fv_series *series = fv_record_find(record, "perplexity");
    int n = series ? series->n : 0, stride = 1 + n / MOST_POINTS;
    put_key(out, "curve");
    text_add(out, "[");
    for (int i = 0; i < n; i++) {
        if (i % stride != 0 && i != n - 1) continue;
        put_item(out);
        text_add(out, "[%d,", (int)series->steps[i]);
        put_number(out, (double)series->values[i]);
        text_add(out, "]");
    }
    text_add(out, "]");
}

static int write_result(const fv_record *record, const char *measure) {
    double value = NAN;
    fv_status status = FV_OK;
    if (*measure != '\0') status = fv_measure(measure, record, &value, web_failure());
    if (status != FV_OK) return status;
    text_buffer *out = web_begin_text();
    text_add(out, "{\"value\":");
    put_number(out, value);
    put_key(out, "outcome");
    put_string(out, fv_outcome_text(record->outcome));
    text_add(out, ",\"steps\":%d,\"us_per_step\":%.5g", record->steps, record->us_per_step);
    write_curve(record, out);
    text_add(out, "}");
    return web_end_text();
}

static int train(const fv_config *config, const fv_experiment *of, const char *measure) {
    const fv_run_options options = {.n_threads = 1, .probes = of->probes, .n_probes = of->n_probes};
    fv_record record;
    fv_record_init(&record);
    int status = fv_config_check(config, web_failure());
    if (status == FV_OK) status = fv_run(config, &options, &record, web_failure());
    if (status == FV_OK) status = write_result(&record, measure);
    if (status == FV_OK) {
        free(words);
        words = record_words_pack(&record, &n_words);
        if (words == NULL) status = fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    }
    fv_record_free(&record);
    return status;
}

static int train_first(const fv_experiment *of, int i, const char *measure) {
    fv_config *config = malloc(sizeof *config);
    if (config == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    fv_experiment_config(of, i, config);
    int status = train(config, of, measure);
    free(config);
    return status;
}

int web_cell(const char *yaml, const char *measure) {
    fv_experiment *read;
    fv_status status = web_read(yaml, &read);
    if (status != FV_OK) return status;
    int done = train_first(read, 0, measure);
    fv_experiment_free(read);
    return done;
}

int web_train(int i) {
    const fv_experiment *of = web_experiment();
    if (of == NULL || i < 0 || i >= fv_experiment_n_runs(of))
        return fv_fail(web_failure(), FV_USAGE, "no experiment with a run %d is open", i);
    return train_first(of, i, "");
}
