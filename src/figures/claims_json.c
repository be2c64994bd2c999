#include <fovea/figure.h>
#include <fovea/whole_file.h>

#include <jansson.h>
#include <math.h>

// JSON has no NaN: a measure that never came is null.
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *seeds_json(const int *seeds, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n && list != NULL; i++)
        if (json_array_append_new(list, json_integer(seeds[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

// The steps at which the first and the last run diverged, or nothing.
static json_t *divergence_json(const fv_divergence *diverged) {
    if (diverged->n == 0) return json_array();
    return json_pack("[i, i]", diverged->first, diverged->last);
}

static json_t *judgement_json(const fv_judgement *j) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:i, s:i, "
                     "s:o}",
                     "id", j->id, "source", j->source, "statement", j->statement, "published",
                     j->published, "measured", j->measured, "verdict", fv_verdict_text(j->verdict),
                     "note", j->note, "n_seeds", j->n_seeds, "n_agree", j->n_agree, "undecided",
                     seeds_json(j->undecided, j->n_undecided), "median", number(j->median),
                     "lowest", number(j->lowest), "highest", number(j->highest), "n_runs",
                     j->diverged.n_runs, "n_diverged", j->diverged.n, "diverged_at",
                     divergence_json(&j->diverged));
}

fv_status fv_claims_write_json(const char *path, const fv_judgement *judgements, int n,
                               fv_error *error) {
    json_t *list = json_array();
    int failed = list == NULL;
    for (int i = 0; i < n && !failed; i++)
        failed = json_array_append_new(list, judgement_json(&judgements[i])) != 0;
    if (failed) {
        json_decref(list);
        return fv_fail(error, FV_NO_MEMORY, "out of memory while writing %s", path);
    }
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        json_dumpf(list, file.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        fputc('\n', file.stream);
        status = fv_whole_file_close(&file, 1, error);
    }
    json_decref(list);
    return status;
}
