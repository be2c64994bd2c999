// The claims of the open experiment, judged on records that the workers have trained.
#include "web.h"

#include "record_words.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <stdlib.h>

static fv_record **records; // [n_records], NULL: not there yet
static int n_records;

void web_close_records(void) {
    for (int i = 0; i < n_records; i++) {
        if (records[i]) fv_record_free(records[i]);
        free(records[i]);
    }
    free(records);
    records = NULL;
    n_records = 0;
}

static int make_room(int n) {
    if (records) return FV_OK;
    records = calloc((size_t)n, sizeof *records);
    if (records == NULL)
        return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for %d runs", n);
    n_records = n;
    return FV_OK;
}

static int set_config(const fv_experiment *experiment, int i, fv_record *record) {
    fv_config *config = malloc(sizeof *config);
    if (config == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    fv_experiment_config(experiment, i, config);
    fv_status status = fv_record_set_config(record, config, web_failure());
    free(config);
    return status;
}

int web_give(int i, const uint32_t *words, int n) {
    const fv_experiment *experiment = web_experiment();
    int n_runs = experiment ? fv_experiment_n_runs(experiment) : 0;
    if (i < 0 || i >= n_runs)
        return fv_fail(web_failure(), FV_USAGE, "no experiment with a run %d is open", i);
    int status = make_room(n_runs);
    if (status != FV_OK) return status;
    if (records[i]) fv_record_free(records[i]);
    if (records[i] == NULL) records[i] = calloc(1, sizeof *records[i]);
    if (records[i] == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a run");
    fv_record_init(records[i]);
    status = set_config(experiment, i, records[i]);
    return status == FV_OK ? (int)record_words_unpack(words, n, records[i], web_failure()) : status;
}

static void write_judgement(const fv_judgement *j, text_buffer *out) {
    put_item(out);
    text_add(out, "{");
    const char *const texts[][2] = {{"id", j->id},
                                    {"statement", j->statement},
                                    {"published", j->published},
                                    {"measured", j->measured},
                                    {"verdict", fv_verdict_text(j->verdict)},
                                    {"note", j->note}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_key(out, texts[i][0]);
        put_string(out, texts[i][1] ? texts[i][1] : "");
    }
    text_add(out, "}");
}

int web_judge(void) {
    const fv_experiment *experiment = web_experiment();
    int missing = n_records == 0;
    for (int i = 0; i < n_records; i++) missing += records[i] == NULL;
    if (experiment == NULL || missing > 0)
        return fv_fail(web_failure(), FV_USAGE, "%d runs of the experiment are not trained yet",
                       missing);
    fv_judgement *judgements;
    fv_status status = fv_claims_judge(experiment, (const fv_record *const *)records, n_records,
                                       &judgements, web_failure());
    if (status != FV_OK) return status;
    text_buffer *out = web_begin_text();
    text_add(out, "[");
    for (int i = 0; i < experiment->n_claims; i++) write_judgement(&judgements[i], out);
    text_add(out, "]");
    fv_judgements_free(judgements, experiment->n_claims);
    return web_end_text();
}
