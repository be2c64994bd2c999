// `fovea reproduce`: every experiment of a post, into one run store and one report.
#include "options.h"
#include "posts.h"
#include "study_console.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/train.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reproduction {
    const char *post;
    const char *out;
    int jobs;
    bool json, all;
    const path_list *files;
    fv_study **studies; // [n], of the files
    int n;
    int *order; // [n] the quickest first
} reproduction;

// Of a step's operations at a core's limits: what steps of these sizes are measured to reach
// (docs/performance-results.md).
static const double REACHED = 0.45;

// Seconds of one core for all runs of a study, whether they are stored or not.
static double core_seconds(const fv_study *study, const fv_limits *limits) {
    double seconds = 0;
    for (int i = 0; i < fv_experiment_n_runs(study->experiment); i++) {
        fv_config config;
        fv_step_cost cost;
        double tokens;
        fv_experiment_config(study->experiment, i, &config);
        if (fv_step_cost_of(&config, &cost, &tokens, NULL) == FV_OK)
            seconds += config.train.steps *
                       (cost.executed_flops / limits->fma_flops + cost.exps / limits->exps);
    }
    return seconds / REACHED;
}

// Puts the quickest study first, so that most is to be seen early, and says how long all will take.
static int plan_time(reproduction *r) {
    fv_limits limits;
    double *seconds = calloc((size_t)r->n, sizeof *seconds), all = 0;
    r->order = calloc((size_t)r->n, sizeof *r->order);
    if (seconds == NULL || r->order == NULL) {
        free(seconds);
        return tool_no_memory();
    }
    fv_machine_core_limits(0.05, &limits);
    for (int i = 0; i < r->n; i++) {
        int at = i;
        all += seconds[i] = core_seconds(r->studies[i], &limits);
        for (; at > 0 && seconds[r->order[at - 1]] > seconds[i]; at--)
            r->order[at] = r->order[at - 1];
        r->order[at] = i;
    }
    double clock = all / (r->jobs < fv_machine_cores() ? r->jobs : fv_machine_cores());
    if (clock >= 60)
        fprintf(
            stderr,
            "%d experiments, the quickest first: about %.0f minutes for what is not stored yet\n",
            r->n, clock / 60);
    free(seconds);
    return EXIT_DONE;
}

// All files are read and checked before the first is trained.
static int read_studies(reproduction *r) {
    r->studies = calloc((size_t)r->files->n, sizeof *r->studies);
    if (r->studies == NULL) return tool_no_memory();
    int exit_code = EXIT_DONE;
    while (r->n < r->files->n && exit_code == EXIT_DONE) {
        fv_study **s = &r->studies[r->n++];
        exit_code = study_read(r->files->items[r->n - 1], NULL, 0, r->all, s);
        if (exit_code == EXIT_DONE) exit_code = study_warn(*s);
    }
    return exit_code;
}

// Posts may use the same names for their figures: with all of them each post has its own folder.
static int figure_folder(const reproduction *r, const char *file, char *folder, size_t size) {
    snprintf(folder, size, "%s", r->out);
    if (strcmp(r->post, "all") != 0) return EXIT_DONE;
    const char *end = strrchr(file, '/'), *begin = end;
    while (begin > file && begin[-1] != '/') begin--;
    snprintf(folder, size, "%s/%.*s", r->out, (int)(end - begin), begin);
    return study_make_folder(folder, NULL);
}

// Trains one study after the other; what fails in one does not keep the others back, except for a
// failure to train.
static int run_studies(reproduction *r, fv_store *store) {
    progress *display = progress_create(stderr, false);
    int exit_code = EXIT_DONE;
    bool going = true;
    for (int k = 0; k < r->n && going; k++) {
        const int i = r->order[k];
        char folder[PATH_MAX];
        int code = figure_folder(r, r->files->items[i], folder, sizeof folder);
        const study_options options = {
            .folder = folder, .jobs = r->jobs, .json = r->json, .progress = display};
        if (code == EXIT_DONE) code = study_run(r->studies[i], store, &options);
        if (code != EXIT_DONE && exit_code == EXIT_DONE) exit_code = code;
        going = r->studies[i]->finished && !tool_interrupted;
    }
    progress_free(display);
    return exit_code;
}

static int report(const reproduction *r) {
    FILE *stream = r->json ? stderr : stdout;
    const char *slash = strrchr(r->post, '/');
    const char *title = slash != NULL ? slash + 1 : r->post;
    const fv_study *const *studies = (const fv_study *const *)r->studies;
    int exit_code = study_write_reports(r->out, title, studies, r->n, true);
    study_print_verdicts(stream, studies, r->n);
    fprintf(stream, "%s/report.html\n", r->out);
    return exit_code;
}

static int reproduce(reproduction *r) {
    int exit_code = read_studies(r);
    if (exit_code == EXIT_DONE) exit_code = plan_time(r);
    if (exit_code == EXIT_DONE) exit_code = study_make_folder(r->out, "fovea.db");
    fv_store *store = NULL;
    if (exit_code == EXIT_DONE) exit_code = study_open_store(r->out, &store);
    if (exit_code == EXIT_DONE) {
        tool_catch_interrupts();
        exit_code = run_studies(r, store);
        if (r->studies[r->order[r->n - 1]]->finished && !tool_interrupted) {
            int reported = report(r);
            if (exit_code == EXIT_DONE) exit_code = reported;
        }
    }
    fv_store_close(store);
    return exit_code;
}

int cmd_reproduce(int argc, char **argv) {
    reproduction r = {.jobs = fv_machine_cores()};
    const tool_option options[] = {
        OPTION_TEXT(
            "out", &r.out, "DIR",
            "folder of the run store, figures, claims.json, report.html and gallery.md; out/POST "
            "if not given"),
        OPTION_INT("jobs", &r.jobs, "N", 1, 4096, "threads; all cores if not given"),
        OPTION_FLAG("all", &r.all,
                    "trains optional runs too: those that a file holds back for their length"),
        OPTION_FLAG("json", &r.json,
                    "a line of JSON on stdout for every run, everything else on stderr"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "reproduce POST|all [options]",
        .about =
            "Trains every experiment of a post, draws its figures and judges every claim. POST "
            "is a folder of experiment files under experiments/ (or a path to one). 'all' is "
            "every one but phase-diagrams. The quickest experiment comes first; where all take "
            "more "
            "than a minute the time is estimated. Ctrl-C stops; the same command goes on from "
            "there.",
        .example = "fovea reproduce sparse-attention-1 --out out/sparse-attention-1",
        .min_operands = 1,
        .max_operands = 1};
    tool_operands given;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &given, &exit_code)) return exit_code;

    char post[PATH_MAX], out[PATH_MAX];
    snprintf(post, sizeof post, "%s", given.items[0]);
    for (size_t n = strlen(post); n > 1 && post[n - 1] == '/'; n--) post[n - 1] = '\0';
    const char *slash = strrchr(post, '/');
    snprintf(out, sizeof out, "out/%.*s", PATH_MAX - 8, slash != NULL ? slash + 1 : post);
    r.post = post;
    if (r.out == NULL) r.out = out;

    path_list files;
    exit_code = posts_find(post, &files);
    if (exit_code != EXIT_DONE) return exit_code;
    r.files = &files;
    exit_code = reproduce(&r);
    for (int i = 0; i < r.n; i++) fv_study_free(r.studies[i]);
    free(r.studies);
    free(r.order);
    path_list_free(&files);
    return exit_code;
}
