// `fovea run`: one experiment file.
#include "fleet/fleet.h"
#include "options.h"
#include "ranks/context_ranks.h"
#include "study_console.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/machine.h>
#include <stdio.h>
#include <string.h>

typedef struct run_request {
    const char *out; // NULL: out/<experiment>
    int jobs, share, n_shares;
    bool json, quiet, all;
    fleet *helpers;       // other processes, or NULL
    context_ranks *ranks; // or those that share every sequence
} run_request;

// Reads "3/16"; "" leaves the whole sweep.
static bool read_share(const char *text, run_request *request) {
    char rest;
    if (*text == '\0') return true;
    return strspn(text, "0123456789/") == strlen(text) && strlen(text) < 16 &&
           sscanf(text, "%d/%d%c", &request->share, &request->n_shares, &rest) == 2 &&
           request->share >= 1 && request->share <= request->n_shares;
}

static void print_paths(FILE *stream, const fv_study *s, const char *folder) {
    fputc('\n', stream);
    for (int i = 0; i < s->n_figures; i++) {
        const fv_drawn *drawn = &s->figures[i];
        if (drawn->svg != NULL) fprintf(stream, "%s\n", drawn->svg);
        if (drawn->png != NULL) fprintf(stream, "%s\n", drawn->png);
        if (drawn->gif != NULL) fprintf(stream, "%s\n", drawn->gif);
    }
    fprintf(stream, "%s/report.html\n", folder);
}

static int train_and_report(fv_study *s, fv_store *store, const char *folder,
                            const run_request *request) {
    progress *display = progress_create(stderr, request->quiet);
    const study_options options = {.folder = folder,
                                   .jobs = request->jobs,
                                   .json = request->json,
                                   .progress = display,
                                   .fleet = request->helpers,
                                   .ranks = request->ranks,
                                   .share = request->share,
                                   .n_shares = request->n_shares};
    tool_catch_interrupts();
    int exit_code = study_run(s, store, &options);
    progress_free(display);
    if (exit_code == EXIT_DONE && request->n_shares > 1 && !request->quiet)
        fprintf(request->json ? stderr : stdout,
                "share %d of %d is in %s; 'fovea runs merge' joins the shares\n", request->share,
                request->n_shares, folder);
    if (!s->finished) return exit_code;
    int written =
        study_write_reports(folder, s->experiment->name, (const fv_study *const *)&s, 1, false);
    FILE *stream = request->json ? stderr : stdout;
    if (!request->quiet) study_print_verdicts(stream, (const fv_study *const *)&s, 1);
    if (!request->quiet) print_paths(stream, s, folder);
    return exit_code != EXIT_DONE ? exit_code : written;
}

static int run_in(const char *folder, fv_study *s, const run_request *request) {
    fv_store *store = NULL;
    int exit_code = study_make_folder(folder, "fovea.db");
    if (exit_code == EXIT_DONE) exit_code = study_open_store(folder, &store);
    if (exit_code == EXIT_DONE) exit_code = train_and_report(s, store, folder, request);
    fv_store_close(store);
    return exit_code;
}

static int run_command(int argc, char **argv, fleet *helpers, context_ranks *ranks, bool *quiet) {
    run_request request = {.jobs = fv_machine_cores(), .helpers = helpers, .ranks = ranks};
    const char *share = "";
    const tool_option options[] = {
        OPTION_TEXT("out", &request.out, "DIR",
                    "folder of the run store, figures, claims.json and report.html; "
                    "out/<experiment> if not given"),
        OPTION_INT("jobs", &request.jobs, "N", 1, 4096, "threads; all cores if not given"),
        OPTION_TEXT("share", &share, "K/N",
                    "trains the K-th of N equal shares of the sweep and draws nothing; each with "
                    "its own --out, for 'fovea runs merge' to join"),
        OPTION_FLAG("all", &request.all,
                    "trains optional runs too: those that a file holds back for their length"),
        OPTION_FLAG("json", &request.json,
                    "a line of JSON on stdout for every run, everything else on stderr"),
        OPTION_FLAG("quiet", &request.quiet, "prints errors only, and what --json asks for"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "run FILE [key=value ...] [options]",
        .about =
            "Trains every run of an experiment file that the run store does not have, draws its "
            "figures and judges its claims. key=value replaces a field of the file; lists and "
            "ranges make a grid. Ctrl-C stops; the same command goes on from there. Under mpirun "
            "the "
            "processes share the sweep, each training one run at a time; with train.context_ranks "
            "they share every sequence, and attention goes around the ring of them.",
        .example = "fovea run experiments/sparse-attention-1/sticky-plateau.yaml "
                   "task.vocab_size=4,10,100 train.seed=5..9\n"
                   "mpirun -n 2 fovea run experiments/sparse-attention-1/sticky-plateau.yaml\n"
                   "mpirun -n 2 fovea run long.yaml train.context_ranks=2",
        .min_operands = 1,
        .max_operands = 1,
        .overrides = true};
    tool_operands given;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &given, &exit_code)) return exit_code;

    *quiet = request.quiet;
    if (helpers != NULL) request.jobs = fleet_size(helpers);
    if (ranks != NULL) request.jobs = 1;
    if (!read_share(share, &request))
        return tool_usage_error("run: --share must be K/N with K from 1 to N, as in 3/16, not "
                                "'%s'",
                                share);

    fv_study *s = NULL;
    exit_code = study_read(given.items[0], given.overrides, given.n_overrides, request.all, &s);
    if (exit_code == EXIT_DONE && request.n_shares > 1 && s->experiment->adaptive != NULL)
        exit_code = tool_usage_error("run: an adaptive sweep cannot be shared: what it runs next "
                                     "depends on all results so far");
    if (exit_code == EXIT_DONE && request.n_shares > 1 && s->experiment->choose != NULL)
        exit_code = tool_usage_error("run: a sweep with 'choose' cannot be shared: its runs depend "
                                     "on those that try the values");
    if (exit_code == EXIT_DONE && !request.quiet) exit_code = study_warn(s);
    if (exit_code == EXIT_DONE) {
        char folder[512];
        snprintf(folder, sizeof folder, "out/%s", s->experiment->name);
        exit_code = run_in(request.out != NULL ? request.out : folder, s, &request);
    }
    fv_study_free(s);
    return exit_code;
}

// Every process reads the file to know that it is one of the ranks; rank 0 runs it.
static int run_over_ranks(int argc, char **argv) {
    context_ranks ranks = {0};
    bool quiet = true;
    int exit_code = ring_group_join(true, &ranks.group);
    if (exit_code != EXIT_DONE) return exit_code;
    if (ring_group_transport(ranks.group).rank > 0) {
        exit_code = context_ranks_serve(ranks.group);
    } else {
        exit_code = run_command(argc, argv, NULL, &ranks, &quiet);
        context_ranks_end(&ranks, quiet);
    }
    ring_group_leave(ranks.group);
    return exit_code;
}

int cmd_run(int argc, char **argv) {
    fleet *helpers;
    bool served, quiet;
    if (fleet_is_launched() && context_ranks_asked(argc, argv) > 1)
        return run_over_ranks(argc, argv);
    int exit_code = fleet_join(&helpers, &served);
    if (served || exit_code != EXIT_DONE) return exit_code;
    exit_code = run_command(argc, argv, helpers, NULL, &quiet);
    fleet_leave(helpers, exit_code);
    return exit_code;
}
