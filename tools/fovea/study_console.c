#include "study_console.h"

#include "fleet/fleet.h"
#include "ranks/context_ranks.h"
#include "run_json.h"
#include "tool.h"

#include <fovea/whole_file.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

int study_read(const char *path, const char *const *overrides, int n_overrides, bool complete,
               fv_study **s) {
    fv_error error;
    fv_status status = fv_study_read(path, overrides, n_overrides, complete, s, &error);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

static void print_warning(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "fovea: warning: %s\n", sentence);
}

int study_warn(const fv_study *s) {
    fv_error error;
    fv_status status = fv_experiment_warn(s->experiment, print_warning, NULL, &error);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

typedef struct watch {
    const study_options *options;
    const fv_study *study;
    int failed, unheard; // exit codes: of the last failure, and of runs that nobody could be told
} watch;

static void on_run(void *context, const fv_record *record, bool cached) {
    watch *w = context;
    if (!w->options->json || w->unheard != EXIT_DONE) return;
    progress_clear(w->options->progress);
    w->unheard = tool_print_json(run_json(w->study->experiment->name, record, cached));
    if (w->unheard != EXIT_DONE) tool_interrupted = 1; // nobody listens any more
}

static void on_progress(void *context, const fv_lab_progress *now) {
    const watch *w = context;
    progress_update(w->options->progress, now);
}

static void on_trained(void *context) {
    const watch *w = context;
    progress_finish(w->options->progress);
}

static void on_notice(void *context, const char *text) {
    const watch *w = context;
    progress_clear(w->options->progress);
    fprintf(stderr, "fovea: %s\n", text);
}

static void on_left_out(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "fovea: %s\n", sentence);
}

static void on_drawn(void *context, const fv_drawn *drawn) {
    (void)context;
    tool_tell_remark(drawn->svg != NULL ? drawn->svg : drawn->gif, drawn->remark);
}

static void on_failure(void *context, const fv_error *failure) {
    watch *w = context;
    if (w->unheard != EXIT_DONE) return;
    int code = tool_fail(failure);
    if (w->failed == EXIT_DONE || failure->status == FV_INTERRUPTED) w->failed = code;
}

int study_run(fv_study *s, fv_store *store, const study_options *options) {
    watch w = {.options = options, .study = s};
    const fv_study_options o = {
        .folder = options->folder,
        .lab = {.n_jobs = options->jobs,
                .remote = options->ranks   ? context_ranks_train
                          : options->fleet ? fleet_train
                                           : NULL,
                .remote_context = options->ranks ? (void *)options->ranks : options->fleet,
                .remote_always = options->ranks != NULL,
                .share = options->share,
                .n_shares = options->n_shares,
                .interrupted = &tool_interrupted,
                .on_progress = on_progress,
                .on_run = on_run,
                .on_notice = on_notice,
                .context = &w},
        .on_trained = on_trained,
        .on_drawn = on_drawn,
        .on_left_out = on_left_out,
        .on_failure = on_failure};
    fv_study_run(s, store, &o, NULL);
    return w.unheard != EXIT_DONE ? w.unheard : w.failed;
}

int study_write_reports(const char *folder, const char *title, const fv_study *const *studies,
                        int n, bool gallery) {
    fv_error error;
    fv_status status = fv_study_write_reports(folder, title, studies, n, gallery, &error);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}

static void print_verdict(FILE *stream, const fv_judgement *j) {
    fprintf(stream, "  %-15s %s\n  %-15s ", fv_verdict_text(j->verdict), j->statement, "");
    if (j->published[0] != '\0') fprintf(stream, "published %s, ", j->published);
    fprintf(stream, "measured %s; %s\n", j->measured, j->note);
}

void study_print_verdicts(FILE *stream, const fv_study *const *studies, int n) {
    int counts[FV_VERDICT_COUNT] = {0}, total = 0;
    for (int i = 0; i < n; i++) {
        if (studies[i]->n_verdicts == 0) continue;
        const fv_experiment *experiment = studies[i]->experiment;
        fprintf(stream, "\n%s: %s\n", experiment->name, experiment->source);
        if (experiment->n_left_out > 0)
            fprintf(stream, "  without %d optional run%s, which --all trains\n",
                    experiment->n_left_out, experiment->n_left_out > 1 ? "s" : "");
        for (int j = 0; j < studies[i]->n_verdicts; j++) {
            print_verdict(stream, studies[i]->verdicts[j]);
            counts[studies[i]->verdicts[j]->verdict]++;
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
