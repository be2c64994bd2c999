#include <fovea/study.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// --- reading -------------------------------------------------------------------------------------

static bool is_partial(const fv_study *s) {
    return s->overridden || s->experiment->n_left_out > 0;
}

static bool fits_whole_sweep(const char *path, int figure) {
    fv_experiment *plain = NULL;
    bool fits = fv_experiment_read(path, NULL, 0, &plain, NULL) == FV_OK &&
                fv_experiment_complete(plain, NULL) == FV_OK &&
                fv_figure_check(plain, &plain->figures[figure], NULL) == FV_OK;
    fv_experiment_free(plain);
    return fits;
}

// A figure that only overrides or missing optional runs leave without its own is no mistake:
// draw() leaves it out.
static fv_status check_figures(const fv_study *s, const char *path, fv_error *error) {
    for (int i = 0; i < s->experiment->n_figures; i++) {
        fv_status status = fv_figure_check(s->experiment, &s->experiment->figures[i], error);
        bool excused = is_partial(s) && status == FV_USAGE && fits_whole_sweep(path, i);
        if (status != FV_OK && !excused) return status;
    }
    return FV_OK;
}

// What only runs can tell of a file's mistakes, while there is still nothing to undo. An experiment
// without some of its runs may leave claims and figures without theirs: judge() and draw() see.
static fv_status rehearse(const fv_study *s, fv_error *error) {
    const fv_experiment *e = s->experiment;
    if (is_partial(s)) return FV_OK;
    fv_status status = e->n_probes > 0 ? fv_lab_rehearse(e, error) : FV_OK;
    if (status == FV_OK) status = fv_claims_rehearse(e, error);
    for (int i = 0; status == FV_OK && i < e->n_figures; i++)
        status = fv_figure_rehearse(e, &e->figures[i], error);
    return status;
}

fv_status fv_study_read(const char *path, const char *const *overrides, int n_overrides,
                        bool complete, fv_study **out, fv_error *error) {
    fv_study *s = *out = calloc(1, sizeof *s);
    if (s == NULL) return no_memory(error);
    s->overridden = n_overrides > 0;
    fv_status status = fv_experiment_read(path, overrides, n_overrides, &s->experiment, error);
    if (status == FV_OK && complete) status = fv_experiment_complete(s->experiment, error);
    if (status == FV_OK) s->n_runs = fv_experiment_n_runs(s->experiment);
    if (status == FV_OK) status = fv_claims_check(s->experiment, error);
    if (status == FV_OK) status = check_figures(s, path, error);
    if (status == FV_OK) status = rehearse(s, error);
    if (status == FV_OK) return FV_OK;
    fv_study_free(s);
    *out = NULL;
    return status;
}

void fv_study_free(fv_study *s) {
    if (s == NULL) return;
    for (int i = 0; i < s->n_figures; i++) fv_drawn_free(&s->figures[i]);
    for (int i = 0; i < s->n_verdicts; i++) fv_judgements_free(s->verdicts[i], 1);
    free(s->figures);
    free(s->verdicts);
    fv_records_free(s->records, s->n_runs);
    fv_experiment_free(s->experiment);
    free(s);
}

// --- training ------------------------------------------------------------------------------------

// The ids of the runs that earlier rounds of an adaptive sweep have told of already.
typedef struct told {
    char (*ids)[17]; // [n], sorted
    size_t n;
} told;

typedef struct work {
    fv_study *study;
    fv_store *store;
    const fv_study_options *options;
    told told;
    fv_error first; // failure
} work;

// Every failure is told; the first comes back.
static void fail(work *w, const fv_error *failure) {
    if (w->first.status == FV_OK) w->first = *failure;
    if (w->options->on_failure != NULL) w->options->on_failure(w->options->lab.context, failure);
}

static int compare_ids(const void *a, const void *b) {
    return strcmp(a, b);
}

static bool tell_all(told *t, fv_record *const *records, int n) {
    free(t->ids);
    *t = (told){malloc((size_t)n * sizeof *t->ids), (size_t)n};
    if (t->ids == NULL) return false;
    for (int i = 0; i < n; i++) memcpy(t->ids[i], records[i]->id, sizeof t->ids[i]);
    qsort(t->ids, t->n, sizeof *t->ids, compare_ids);
    return true;
}

static void on_run(void *context, const fv_record *record, bool cached) {
    const work *w = context;
    const fv_lab_options *lab = &w->options->lab;
    const told *t = &w->told;
    if (t->n > 0 && bsearch(record->id, t->ids, t->n, sizeof *t->ids, compare_ids)) return;
    w->study->wall_seconds += record->wall_seconds;
    fv_divergence_add(&w->study->diverged, record);
    if (record->numerics > w->study->numerics) w->study->numerics = record->numerics;
    if (lab->on_run != NULL) lab->on_run(lab->context, record, cached);
}

static void on_progress(void *context, const fv_lab_progress *now) {
    const fv_lab_options *lab = &((const work *)context)->options->lab;
    if (lab->on_progress != NULL) lab->on_progress(lab->context, now);
}

static void on_notice(void *context, const char *text) {
    const fv_lab_options *lab = &((const work *)context)->options->lab;
    if (lab->on_notice != NULL) lab->on_notice(lab->context, text);
}

static fv_status train_round(work *w, fv_record ***records, fv_error *error) {
    const fv_study_options *options = w->options;
    fv_lab_options lab = options->lab;
    lab.on_progress = on_progress;
    lab.on_run = on_run;
    lab.on_notice = on_notice;
    lab.context = w;
    fv_status status = fv_lab_run(w->study->experiment, w->store, &lab, records, error);
    if (options->on_trained != NULL) options->on_trained(options->lab.context);
    return status;
}

static void on_choice(void *context, const char *sentence) {
    const work *w = context;
    char text[1024];
    snprintf(text, sizeof text, "%s: %s", w->study->experiment->name, sentence);
    on_notice(context, text);
}

// Whether anybody asks for the records: without, a sweep of any length fits into memory.
static bool needs_records(const work *w) {
    const fv_experiment *e = w->study->experiment;
    if (w->options->lab.n_shares > 1) return false;
    return e->adaptive != NULL || e->choose != NULL || e->n_claims > 0 ||
           w->options->keep_records || (e->n_figures > 0 && w->options->folder != NULL);
}

// The runs of the sweep, round after round where it is adaptive or where a field is chosen. *records stays NULL after a
// failure, and where nobody asks for them.
static void train(work *w, fv_record ***records) {
    fv_study *s = w->study;
    fv_error error = {0};
    bool more, keeps = needs_records(w);
    fv_status status = fv_experiment_try(s->experiment, &error);
    s->n_runs = fv_experiment_n_runs(s->experiment);
    do {
        more = false;
        if (status != FV_OK) break;
        status = train_round(w, keeps ? records : NULL, &error);
        if (status != FV_OK || !keeps) break;
        const fv_record *const *all = (const fv_record *const *)*records;
        status = fv_experiment_refine(s->experiment, all, &more, &error);
        if (status == FV_OK && !more) break;
        if (status == FV_OK && !tell_all(&w->told, *records, s->n_runs)) status = no_memory(&error);
        fv_records_free(*records, s->n_runs);
        *records = NULL;
        s->n_runs = fv_experiment_n_runs(s->experiment);
        if (status == FV_OK) status = fv_experiment_choices(s->experiment, on_choice, w, &error);
    } while (more && status == FV_OK);
    free(w->told.ids);
    if (status != FV_OK) fail(w, &error);
}

// --- figures and claims --------------------------------------------------------------------------

// With overrides, or without the optional runs, a figure or a claim may be left without the runs
// that it speaks of.
static bool is_left_out(const work *w, const fv_error *error) {
    if (!is_partial(w->study) || error->status != FV_USAGE) return false;
    char sentence[sizeof error->text + 64];
    snprintf(sentence, sizeof sentence, "left out %s: %s",
             w->study->overridden ? "because of the overrides" : "without the optional runs",
             error->text);
    if (w->options->on_left_out != NULL) w->options->on_left_out(w->options->lab.context, sentence);
    return true;
}

// Out of memory, a full disk: what comes next would fail as well and only say the same again.
static bool is_fatal(fv_status status) {
    return status == FV_NO_MEMORY || status == FV_IO || status == FV_STORE;
}

static bool is_interrupted(const work *w) {
    const volatile int *interrupted = w->options->lab.interrupted;
    return interrupted != NULL && *interrupted;
}

static void fail_memory(work *w) {
    fv_error error;
    no_memory(&error);
    w->study->finished = false;
    fail(w, &error);
}

static void draw(work *w, const fv_record *const *records) {
    fv_study *s = w->study;
    int n = s->experiment->n_figures;
    s->figures = calloc(n > 0 ? (size_t)n : 1, sizeof *s->figures);
    if (s->figures == NULL) fail_memory(w);
    for (int i = 0; i < n && s->finished && !is_interrupted(w); i++) {
        fv_error error;
        fv_drawn *drawn = &s->figures[s->n_figures];
        fv_status status = fv_figure_draw(s->experiment, &s->experiment->figures[i], records,
                                          s->n_runs, w->options->folder, drawn, &error);
        if (status == FV_OK) {
            s->n_figures++;
            if (w->options->on_drawn != NULL) w->options->on_drawn(w->options->lab.context, drawn);
        } else {
            fv_drawn_free(drawn);
        }
        if (status == FV_OK || status == FV_INTERRUPTED || is_left_out(w, &error)) continue;
        fail(w, &error);
        s->finished = !is_fatal(status);
    }
}

// Without its last figures a report would pass for a whole one.
static void stop(work *w) {
    fv_study *s = w->study;
    s->finished = false;
    fv_error error;
    fv_fail(
        &error, FV_INTERRUPTED,
        "%s: interrupted with all runs stored and %d of %d figures drawn; the same command goes "
        "on from there",
        s->experiment->name, s->n_figures, s->experiment->n_figures);
    w->first = error;
    fail(w, &error);
}

static void judge(work *w, const fv_record *const *records) {
    fv_study *s = w->study;
    int n = s->experiment->n_claims;
    s->verdicts = calloc(n > 0 ? (size_t)n : 1, sizeof(fv_judgement *));
    if (s->verdicts == NULL) fail_memory(w);
    for (int i = 0; i < n && s->finished; i++) {
        fv_experiment alone = *s->experiment; // with this claim only
        alone.claims = &s->experiment->claims[i];
        alone.n_claims = 1;
        fv_error error;
        fv_judgement **verdict = &s->verdicts[s->n_verdicts];
        fv_status status = fv_claims_judge(&alone, records, s->n_runs, verdict, &error);
        if (status == FV_OK) s->n_verdicts++;
        if (status == FV_OK || is_left_out(w, &error)) continue;
        fail(w, &error);
        s->finished = !is_fatal(status);
    }
}

static void judge_and_draw(work *w, const fv_record *const *records) {
    fv_study *s = w->study;
    s->finished = true;
    judge(w, records);
    if (s->finished && w->options->folder != NULL) draw(w, records);
    if (is_interrupted(w) && s->finished) stop(w);
}

fv_status fv_study_run(fv_study *s, fv_store *store, const fv_study_options *options,
                       fv_error *error) {
    work w = {.study = s, .store = store, .options = options};
    fv_record **records = NULL;
    train(&w, &records);
    bool whole = w.first.status == FV_OK && options->lab.n_shares <= 1;
    if (whole) judge_and_draw(&w, (const fv_record *const *)records);
    if (whole && options->keep_records)
        s->records = records;
    else
        fv_records_free(records, s->n_runs);
    if (w.first.status != FV_OK && error != NULL) *error = w.first;
    return w.first.status;
}

// --- reports -------------------------------------------------------------------------------------

// All verdicts in one array, their texts shared; the array is the caller's. NULL without memory.
static fv_judgement *gather(const fv_study *const *studies, int n, int *n_verdicts) {
    *n_verdicts = 0;
    for (int i = 0; i < n; i++) *n_verdicts += studies[i]->n_verdicts;
    fv_judgement *all = calloc((size_t)*n_verdicts + 1, sizeof *all);
    if (all == NULL) return NULL;
    fv_judgement *next = all;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < studies[i]->n_verdicts; j++) *next++ = *studies[i]->verdicts[j];
    return all;
}

// The parts of a report, malloc; `verdicts` as gather() made them. NULL without memory.
static fv_report_part *make_parts(const fv_study *const *studies, int n,
                                  const fv_judgement *verdicts) {
    fv_report_part *parts = calloc((size_t)n + 1, sizeof *parts);
    for (int i = 0; parts != NULL && i < n; i++) {
        const fv_study *s = studies[i];
        parts[i] = (fv_report_part){s->experiment,   s->figures,    s->n_figures,
                                    verdicts,        s->n_verdicts, s->n_runs,
                                    s->wall_seconds, s->diverged,   s->numerics};
        verdicts += s->n_verdicts;
    }
    return parts;
}

static fv_status write_reports(const char *folder, const char *title, const fv_report_part *parts,
                               int n, const fv_judgement *verdicts, int n_verdicts, bool gallery,
                               fv_error *error) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/claims.json", folder);
    fv_status status = fv_claims_write_json(path, verdicts, n_verdicts, error);
    snprintf(path, sizeof path, "%s/report.html", folder);
    if (status == FV_OK) status = fv_report_write(path, title, parts, n, error);
    snprintf(path, sizeof path, "%s/gallery.md", folder);
    if (status == FV_OK && gallery) status = fv_gallery_write(path, title, parts, n, error);
    return status;
}

fv_status fv_study_write_reports(const char *folder, const char *title,
                                 const fv_study *const *studies, int n, bool gallery,
                                 fv_error *error) {
    int n_verdicts;
    fv_judgement *verdicts = gather(studies, n, &n_verdicts);
    fv_report_part *parts = verdicts != NULL ? make_parts(studies, n, verdicts) : NULL;
    fv_status status = parts == NULL ? no_memory(error)
                                     : write_reports(folder, title, parts, n, verdicts, n_verdicts,
                                                     gallery, error);
    free(parts);
    free(verdicts);
    return status;
}
