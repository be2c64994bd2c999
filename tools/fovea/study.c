#include "study.h"

#include "fleet/fleet.h"
#include "run_json.h"
#include "tool.h"

#include <fovea/whole_file.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

// With overrides, or without the optional runs, a figure or a claim may be left without the runs
// that it speaks of.
static bool is_left_out(const study *s, const fv_error *error) {
    bool partial = s->overridden || s->experiment->n_left_out > 0;
    if (!partial || error->status != FV_USAGE) return false;
    bool optional = s->experiment->n_left_out > 0;
    fprintf(stderr, "fovea: left out %s%s%s: %s\n", optional ? "without the optional runs" : "",
            optional && s->overridden ? " and " : "",
            s->overridden ? "because of the overrides" : "", error->text);
    return true;
}

// Out of memory, a full disk: what comes next would fail as well and only say the same again.
static bool is_fatal(fv_status status) {
    return status == FV_NO_MEMORY || status == FV_IO || status == FV_STORE;
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
static int check_figures(const study *s, const char *path) {
    for (int i = 0; i < s->experiment->n_figures; i++) {
        fv_error error;
        if (fv_figure_check(s->experiment, &s->experiment->figures[i], &error) == FV_OK) continue;
        bool partial = s->overridden || s->experiment->n_left_out > 0;
        bool excused = partial && error.status == FV_USAGE && fits_whole_sweep(path, i);
        if (!excused) return tool_fail(&error);
    }
    return EXIT_DONE;
}

// What only runs can tell of a file's mistakes, while there is still nothing to undo. An experiment
// without some of its runs may leave claims and figures without theirs: judge() and draw() see.
static int rehearse(const study *s) {
    fv_error error;
    if (s->overridden || s->experiment->n_left_out > 0) return EXIT_DONE;
    if (s->experiment->n_probes > 0 && fv_lab_rehearse(s->experiment, &error) != FV_OK)
        return tool_fail(&error);
    if (fv_claims_rehearse(s->experiment, &error) != FV_OK) return tool_fail(&error);
    for (int i = 0; i < s->experiment->n_figures; i++)
        if (fv_figure_rehearse(s->experiment, &s->experiment->figures[i], &error) != FV_OK)
            return tool_fail(&error);
    return EXIT_DONE;
}

int study_read(study *s, const char *path, const char *const *overrides, int n_overrides,
               bool complete) {
    *s = (study){.overridden = n_overrides > 0};
    fv_error error;
    if (fv_experiment_read(path, overrides, n_overrides, &s->experiment, &error) != FV_OK)
        return tool_fail(&error);
    if (complete && fv_experiment_complete(s->experiment, &error) != FV_OK)
        return tool_fail(&error);
    s->n_runs = fv_experiment_n_runs(s->experiment);
    if (fv_claims_check(s->experiment, &error) != FV_OK) return tool_fail(&error);
    int exit_code = check_figures(s, path);
    return exit_code == EXIT_DONE ? rehearse(s) : exit_code;
}

static void print_warning(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "fovea: warning: %s\n", sentence);
}

int study_warn(const study *s) {
    fv_error error;
    fv_status status = fv_experiment_warn(s->experiment, print_warning, NULL, &error);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

// The ids of the runs that earlier rounds of an adaptive sweep have told of already.
typedef struct told {
    char (*ids)[17]; // [n], sorted
    size_t n;
} told;

typedef struct watch {
    const study_options *options;
    study *study;
    told told;
    int exit_code;
} watch;

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
    watch *w = context;
    const told *t = &w->told;
    if (t->n > 0 && bsearch(record->id, t->ids, t->n, sizeof *t->ids, compare_ids)) return;
    w->study->wall_seconds += record->wall_seconds;
    if (!w->options->json || w->exit_code != EXIT_DONE) return;
    progress_clear(w->options->progress);
    int code = tool_print_json(run_json(w->study->experiment->name, record, cached));
    if (code != EXIT_DONE) {
        w->exit_code = code;
        tool_interrupted = 1; // nobody listens any more
    }
}

static void on_progress(void *context, const fv_lab_progress *now) {
    watch *w = context;
    progress_update(w->options->progress, now);
}

static void on_notice(void *context, const char *text) {
    const watch *w = context;
    progress_clear(w->options->progress);
    fprintf(stderr, "fovea: %s\n", text);
}

static fv_status train_round(watch *w, fv_store *store, fv_record ***records, fv_error *error) {
    const study_options *options = w->options;
    const fv_lab_options lab = {.n_jobs = options->jobs,
                                .remote = options->fleet != NULL ? fleet_train : NULL,
                                .remote_context = options->fleet,
                                .share = options->share,
                                .n_shares = options->n_shares,
                                .interrupted = &tool_interrupted,
                                .on_progress = on_progress,
                                .on_run = on_run,
                                .on_notice = on_notice,
                                .context = w};
    fv_status status = fv_lab_run(w->study->experiment, store, &lab, records, error);
    progress_finish(options->progress);
    return status;
}

// The runs of the sweep, round after round where it is adaptive. *records stays NULL after a
// failure.
static int train(study *s, fv_store *store, const study_options *options, fv_record ***records) {
    watch w = {.options = options, .study = s};
    fv_error error = {0};
    bool more;
    fv_status status;
    do {
        more = false;
        status = train_round(&w, store, records, &error);
        if (status != FV_OK || options->n_shares > 1) break;
        const fv_record *const *all = (const fv_record *const *)*records;
        status = fv_experiment_refine(s->experiment, all, &more, &error);
        if (status == FV_OK && !more) break;
        if (status == FV_OK && !tell_all(&w.told, *records, s->n_runs))
            status = fv_fail(&error, FV_NO_MEMORY, "out of memory");
        fv_records_free(*records, s->n_runs);
        *records = NULL;
        s->n_runs = fv_experiment_n_runs(s->experiment);
    } while (more && status == FV_OK);
    free(w.told.ids);
    if (w.exit_code != EXIT_DONE) return w.exit_code;
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

static int draw(study *s, const fv_record *const *records, const char *folder) {
    int n = s->experiment->n_figures, exit_code = EXIT_DONE;
    s->figures = calloc(n > 0 ? (size_t)n : 1, sizeof *s->figures);
    s->finished = s->figures != NULL;
    if (s->figures == NULL) return tool_no_memory();
    for (int i = 0; i < n && s->finished && !tool_interrupted; i++) {
        fv_error error;
        fv_drawn *drawn = &s->figures[s->n_figures];
        fv_status status = fv_figure_draw(s->experiment, &s->experiment->figures[i], records,
                                          s->n_runs, folder, drawn, &error);
        if (status == FV_OK) {
            s->n_figures++;
            tool_tell_remark(drawn->svg != NULL ? drawn->svg : drawn->gif, drawn->remark);
        } else {
            fv_drawn_free(drawn);
        }
        if (status == FV_OK || status == FV_INTERRUPTED || is_left_out(s, &error)) continue;
        exit_code = tool_fail(&error);
        s->finished = !is_fatal(status);
    }
    return exit_code;
}

// Without its last figures a report would pass for a whole one.
static int interrupted(study *s) {
    s->finished = false;
    fv_error error;
    fv_fail(
        &error, FV_INTERRUPTED,
        "%s: interrupted with all runs stored and %d of %d figures drawn; the same command goes "
        "on from there",
        s->experiment->name, s->n_figures, s->experiment->n_figures);
    return tool_fail(&error);
}

static int judge(study *s, const fv_record *const *records) {
    int n = s->experiment->n_claims, exit_code = EXIT_DONE;
    s->verdicts = calloc(n > 0 ? (size_t)n : 1, sizeof(fv_judgement *));
    s->finished = s->verdicts != NULL;
    if (s->verdicts == NULL) return tool_no_memory();
    for (int i = 0; i < n && s->finished; i++) {
        fv_experiment alone = *s->experiment; // with this claim only
        alone.claims = &s->experiment->claims[i];
        alone.n_claims = 1;
        fv_error error;
        fv_judgement **verdict = &s->verdicts[s->n_verdicts];
        fv_status status = fv_claims_judge(&alone, records, s->n_runs, verdict, &error);
        if (status == FV_OK) s->n_verdicts++;
        if (status == FV_OK || is_left_out(s, &error)) continue;
        exit_code = tool_fail(&error);
        s->finished = !is_fatal(status);
    }
    return exit_code;
}

int study_run(study *s, fv_store *store, const study_options *options) {
    fv_record **records = NULL;
    int exit_code = train(s, store, options, &records);
    if (records == NULL) return exit_code;
    if (options->n_shares > 1 || exit_code != EXIT_DONE) {
        fv_records_free(records, s->n_runs);
        return exit_code;
    }
    s->finished = true;
    const fv_record *const *all = (const fv_record *const *)records;
    for (int i = 0; i < s->n_runs; i++) {
        fv_divergence_add(&s->diverged, all[i]);
        if (all[i]->numerics > s->numerics) s->numerics = all[i]->numerics;
    }
    int judged = judge(s, all);
    int drawn = s->finished ? draw(s, all, options->folder) : EXIT_DONE;
    fv_records_free(records, s->n_runs);
    if (tool_interrupted && s->finished) return interrupted(s);
    return judged != EXIT_DONE ? judged : drawn;
}

void study_free(study *s) {
    for (int i = 0; i < s->n_figures; i++) fv_drawn_free(&s->figures[i]);
    for (int i = 0; i < s->n_verdicts; i++) fv_judgements_free(s->verdicts[i], 1);
    free(s->figures);
    free(s->verdicts);
    fv_experiment_free(s->experiment);
    *s = (study){0};
}

// All verdicts in one array, their texts shared; the array is the caller's. NULL without memory.
static fv_judgement *gather(const study *studies, int n, int *n_verdicts) {
    *n_verdicts = 0;
    for (int i = 0; i < n; i++) *n_verdicts += studies[i].n_verdicts;
    fv_judgement *all = calloc((size_t)*n_verdicts + 1, sizeof *all);
    if (all == NULL) return NULL;
    fv_judgement *next = all;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < studies[i].n_verdicts; j++) *next++ = *studies[i].verdicts[j];
    return all;
}

// The parts of a report, malloc; `verdicts` as gather() made them. NULL without memory.
static fv_report_part *make_parts(const study *studies, int n, const fv_judgement *verdicts) {
    fv_report_part *parts = calloc((size_t)n + 1, sizeof *parts);
    for (int i = 0; parts != NULL && i < n; i++) {
        const study *s = &studies[i];
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

int study_write_reports(const char *folder, const char *title, const study *studies, int n,
                        bool gallery) {
    int n_verdicts;
    fv_judgement *verdicts = gather(studies, n, &n_verdicts);
    fv_report_part *parts = verdicts != NULL ? make_parts(studies, n, verdicts) : NULL;
    fv_error error = {FV_NO_MEMORY, "out of memory"};
    fv_status status = FV_NO_MEMORY;
    if (parts != NULL)
        status = write_reports(folder, title, parts, n, verdicts, n_verdicts, gallery, &error);
    free(parts);
    free(verdicts);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

static void print_verdict(FILE *stream, const fv_judgement *j) {
    fprintf(stream, "  %-15s %s\n  %-15s ", fv_verdict_text(j->verdict), j->statement, "");
    if (j->published[0] != '\0') fprintf(stream, "published %s, ", j->published);
    fprintf(stream, "measured %s; %s\n", j->measured, j->note);
}

void study_print_verdicts(FILE *stream, const study *studies, int n) {
    int counts[FV_VERDICT_COUNT] = {0}, total = 0;
    for (int i = 0; i < n; i++) {
        if (studies[i].n_verdicts == 0) continue;
        const fv_experiment *experiment = studies[i].experiment;
        fprintf(stream, "\n%s: %s\n", experiment->name, experiment->source);
        if (experiment->n_left_out > 0)
            fprintf(stream, "  without %d optional run%s, which --all trains\n",
                    experiment->n_left_out, experiment->n_left_out > 1 ? "s" : "");
        for (int j = 0; j < studies[i].n_verdicts; j++) {
            print_verdict(stream, studies[i].verdicts[j]);
            counts[studies[i].verdicts[j]->verdict]++;
            total++;
        }
    }
    if (total == 0) return;
    fprintf(stream, "\n%d claim%s:", total, total == 1 ? "" : "s");
    for (int v = 0; v < FV_VERDICT_COUNT; v++)
        if (v != FV_NOT_COMPARABLE || counts[v] > 0)
            fprintf(stream, "%s %d %s", v > 0 ? "," : "", counts[v],
                    fv_verdict_text((fv_verdict)v));
    fputc('\n', stream);
}

int study_make_folder(const char *folder, const char *database) {
    fv_error error;
    fv_status status = fv_folder_make(folder, database, &error);
    if (status == FV_USAGE)
        strncat(error.text, " with --out DIR", sizeof error.text - strlen(error.text) - 1);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

int study_open_store(const char *folder, fv_store **store) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/fovea.db", folder);
    fv_error error;
    if (fv_store_open(path, FV_STORE_WRITE, store, &error) == FV_OK) return EXIT_DONE;
    return tool_fail(&error);
}
