#include "needle/ask_served.h"

#include "needle/against.h"
#include "needle/asked_models.h"
#include "needle/cells_folder.h"
#include "needle/context_lines.h"
#include "needle/orders.h"
#include "needle/plan_lines.h"
#include "needle/served_lists.h"
#include "needle/served_tables.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

#include <fovea/whole_file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool served_has_option(int argc, char **argv, const char *name) {
    size_t n = strlen(name);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, n) == 0 &&
            (argv[i][2 + n] == '\0' || argv[i][2 + n] == '='))
            return true;
    return false;
}

// --- results -----------------------------------------------------------------------------------

// What failed and why; how many questions that leaves open.
static int print_faults(const fv_served *served) {
    int n, n_open = 0, n_lasting = 0;
    const fv_served_fault *faults = fv_served_faults(served, &n);
    static const char *const HEADERS[] = {"failed", "not asked", "why", "the last said", NULL};
    table t;
    table_init(&t, 4);
    table_add_texts(&t, HEADERS);
    for (int i = 0; i < n; i++) {
        if (faults[i].n + faults[i].unasked == 0) continue;
        int open = faults[i].n + faults[i].unasked;
        n_open += open;
        n_lasting += faults[i].lasting ? open : 0;
        table_add(&t, "%d", faults[i].n);
        table_add(&t, "%d", faults[i].unasked);
        table_add(&t, "%s", faults[i].kind);
        table_add(&t, "%s", faults[i].note);
    }
    if (n_open > 0) {
        fputc('\n', stderr);
        table_print(&t, stderr);
        if (n_open > n_lasting)
            fprintf(stderr, "the same command asks these %d again, and nothing else\n",
                    n_open - n_lasting);
        if (n_lasting > 0) fprintf(stderr, "%d have no prompt of their length\n", n_lasting);
    }
    table_free(&t);
    return n_open;
}

// A line of JSON: the cell, and where its answers come from.
static bool print_cell_json(const fv_served *served, const fv_cells *cells, int i) {
    char *text = fv_cell_json(&cells->items[i]);
    json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
    fv_served_provenance p;
    free(text);
    if (object == NULL || !fv_served_provenance_of(served, i, &p)) return false;
    json_t *load = p.load > 0 ? json_integer(p.load) : json_null();
    json_t *more = json_pack("{s:s, s:s?, s:s, s:o, s:o, s:i, s:i, s:o, s:o}", "endpoint",
                             p.endpoint, "server", p.server, "model_asked", p.model, "sampling",
                             json_loads(p.sampling, 0, NULL), "extra", json_loads(p.extra, 0, NULL),
                             "max_tokens", p.max_tokens, "unknown", p.n_unknown, "concurrency",
                             load, "context_use", context_json(cells, i));
    bool whole = more != NULL && json_object_update(object, more) == 0;
    json_decref(more);
    char *line = whole ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    bool printed = line != NULL && puts(line) >= 0 && fflush(stdout) == 0;
    free(line);
    return printed;
}

// The answers that nobody knows the server of, apart.
static fv_status print_unknown(FILE *out, const served_request *r, fv_served *served,
                               fv_error *error) {
    fv_cells cells = {0};
    fv_status status = fv_served_unknown(served, &cells, error);
    if (status == FV_OK && cells.n > 0) {
        fprintf(out, "\nof an unknown server, stored before that was noted%s:\n",
                r->reuse_unknown ? "; counted above where nothing else is"
                                 : "; --reuse-unknown counts them");
        served_print_cells(out, &cells, NULL);
    }
    fv_cells_free(&cells);
    return status;
}

static const char *plural(int n) {
    return n == 1 ? "" : "s";
}

// The cells, printed; what failed is told at the end.
static int report(const served_request *r, const fv_served_options *o, fv_served *served,
                  fv_cells *cells) {
    fv_error error;
    fv_status status = fv_served_cells(served, cells, &error);
    if (status == FV_OK && r->predictions != NULL)
        status = fv_ruler_predictions(served, r->predictions, &error);
    for (int i = 0; i < cells->n && r->json && status == FV_OK; i++) {
        if (!print_cell_json(served, cells, i))
            status = fv_fail(&error, FV_IO, "the JSON output cannot be written");
    }
    if (status == FV_OK && !r->quiet) {
        FILE *out = r->json ? stderr : stdout;
        if (r->models.n > 1) fprintf(out, "\n%s\n", o->label != NULL ? o->label : o->model);
        served_print_cells(out, cells, o);
        status = print_unknown(out, r, served, &error);
    }
    FILE *tables = r->quiet ? NULL : r->json ? stderr : stdout;
    if (status == FV_OK) status = orders_print(tables, r->json, served, &error);
    if (status != FV_OK) return tool_fail(&error);
    if (tables != NULL) context_print(tables, cells);
    return print_faults(served) > 0 ? EXIT_FAILED : EXIT_DONE;
}

// --- the verbs ---------------------------------------------------------------------------------

static int plan(const served_request *r, const fv_served_options *o, fv_served *served) {
    fv_served_plan made;
    fv_served_plan_make(served, &made);
    if (r->dry && r->json) return served_print_plan_json(r, &made, served);
    if (r->dry || !r->quiet) served_print_plan(r->dry ? stdout : stderr, r, o, &made);
    return r->dry ? against_plan(stdout, r, &made, served) : EXIT_DONE;
}

static char *label_of(const fv_served *served) {
    fv_served_provenance p;
    return fv_served_provenance_of(served, 0, &p) ? strdup(p.label) : NULL;
}

int served_session(const served_request *r, const fv_served_options *options, fv_cells *cells,
                   bool *asked, char **label) {
    fv_error error;
    fv_served *served;
    fv_status status = fv_served_open(options, &served, &error);
    if (status != FV_OK) return tool_fail(&error);
    if (label != NULL) *label = label_of(served);
    int exit_code = plan(r, options, served);
    if (!r->dry && exit_code == EXIT_DONE) {
        if (r->predictions != NULL) status = fv_folder_make(r->predictions, NULL, &error);
        if (status == FV_OK) status = fv_served_ask(served, &error);
        progress_finish(options->context);
        *asked = status == FV_OK;
        exit_code = *asked ? report(r, options, served, cells) : tool_fail(&error);
        if (status == FV_INTERRUPTED)
            fputs("answers so far are stored; the same command asks the rest\n", stderr);
    }
    fv_served_close(served);
    return exit_code;
}

int served_refuse_nobody(const char *verb) {
    return tool_usage_error("%s needs a model: a run or a checkpoint of the lab, or a served one "
                            "with --endpoint URL --model NAME; see 'fovea %s --help'",
                            verb, verb);
}

static fv_status add_all(fv_cells *to, const fv_cells *cells, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < cells->n && status == FV_OK; i++)
        status = fv_cells_put(to, &cells->items[i], error);
    return status;
}

// Asks one model, and judges it.
static int ask_one(const served_request *r, const fv_served_options *o, fv_cells *cells,
                   bool *asked) {
    served_request one = *r;
    char *label = NULL;
    one.endpoint = o->endpoint;
    one.model = o->model;
    one.label = o->label;
    int exit_code = against_check(&one);
    if (exit_code == EXIT_DONE) exit_code = served_session(&one, o, cells, asked, &label);
    if (*asked && label != NULL && !tool_interrupted)
        exit_code =
            against_worse(exit_code, one.against != NULL ? against_run(&one, o, label, cells)
                                                         : against_nobody(&one, cells, label));
    free(label);
    return exit_code;
}

// One model after the other. What fails of one stops the others only where they would fail alike.
static int ask_models(const served_request *r, served_lists *l, asked_models *models, fv_cells *all,
                      bool *asked) {
    int worst = EXIT_DONE;
    for (int i = 0; i < models->n && !tool_interrupted && worst != EXIT_USAGE; i++) {
        fv_cells cells = {0};
        fv_error error;
        bool whole = false;
        asked_models_choose(models, i, &l->options);
        int exit_code = ask_one(r, &l->options, &cells, &whole);
        if (whole && add_all(all, &cells, &error) != FV_OK) exit_code = tool_fail(&error);
        fv_cells_free(&cells);
        *asked |= whole;
        worst = against_worse(worst, exit_code);
        if (asked_models_check(models, &error) != FV_OK) return tool_fail(&error);
    }
    return worst;
}

static int run(const served_request *r, served_lists *l, asked_models *models) {
    fv_cells cells = {0};
    fv_error error;
    bool asked = false;
    int exit_code = asked_models_start(models, &l->options, r->noise, &error) == FV_OK
                        ? ask_models(r, l, models, &cells, &asked)
                        : tool_fail(&error);
    // The server's memory is free, and the folder for the next command, while figures are drawn.
    asked_models_stop(models);
    if (asked && cells_folder_keep(r->out, r->with, &cells, &error) != FV_OK)
        exit_code = tool_fail(&error);
    else if (asked && !r->quiet)
        fprintf(r->json ? stderr : stdout, "\n%s/report.html\n", r->out);
    fv_cells_free(&cells);
    return exit_code;
}

int served_run(const served_request *r) {
    served_lists l;
    asked_models models;
    fv_error error;
    int exit_code = asked_models_read(r, &models);
    if (exit_code != EXIT_DONE) return exit_code;
    if (r->dry && r->predictions != NULL)
        return tool_usage_error(
            "%s: --predictions does not go with --dry-run; leave one of them out", r->verb);
    if (cells_folder_check(r->with, &error) != FV_OK ||
        (!r->dry && cells_folder_mend(r->out, &error) != FV_OK))
        return tool_fail(&error);
    exit_code = served_lists_read(r, &l);
    if (exit_code == EXIT_DONE) exit_code = against_check(r);
    l.options.prompts_of = against_prompts(r);
    tool_catch_interrupts();
    progress *display = progress_create(stderr, r->quiet);
    progress_set_unit(display, "requests");
    l.options.context = display;
    if (exit_code == EXIT_DONE) exit_code = run(r, &l, &models);
    progress_free(display);
    served_lists_free(&l);
    return exit_code;
}

// The request of files whose prompts are counted by one server, or by none.
static int read_counted(const served_request *r, served_lists *l) {
    int exit_code = served_lists_read(r, l);
    if (exit_code == EXIT_DONE && (r->endpoints.n > 1 || r->models.n > 1))
        exit_code = tool_usage_error("%s: the tokens of a file are counted by one server; give "
                                     "--endpoint and --model once",
                                     r->verb);
    l->options.endpoint = r->endpoints.n > 0 ? r->endpoints.items[0] : NULL;
    l->options.model = r->models.n > 0 ? r->models.items[0] : NULL;
    return exit_code;
}

int served_write_data(const served_request *r, const char *folder) {
    served_lists l;
    fv_error error;
    int exit_code = read_counted(r, &l);
    tool_catch_interrupts();
    if (exit_code == EXIT_DONE && fv_ruler_write(&l.options, folder, &error) != FV_OK)
        exit_code = tool_fail(&error);
    if (exit_code == EXIT_DONE && !r->quiet)
        printf("%s/LENGTH/TASK/validation.jsonl: %d task%s, %d length%s, %d sample%s each\n",
               folder, l.options.n_tasks, plural(l.options.n_tasks), l.options.n_lengths,
               plural(l.options.n_lengths), l.options.samples, plural(l.options.samples));
    served_lists_free(&l);
    return exit_code;
}

int served_freeze(const served_request *r, const char *path) {
    served_lists l;
    fv_error error;
    fv_frozen made;
    int exit_code = read_counted(r, &l);
    tool_catch_interrupts();
    if (exit_code == EXIT_DONE && fv_served_freeze(&l.options, path, &made, &error) != FV_OK)
        exit_code = tool_fail(&error);
    if (exit_code == EXIT_DONE && r->json)
        exit_code = tool_print_json(
            json_pack("{s:s, s:i, s:s}", "set", path, "questions", made.n, "xxh3_128", made.hash));
    else if (exit_code == EXIT_DONE && !r->quiet)
        printf("%s: %d question%s, hash %s\n", path, made.n, plural(made.n), made.hash);
    served_lists_free(&l);
    return exit_code;
}

int served_show(const served_request *r, int row) {
    fv_error error;
    fv_shown shown;
    if (fv_served_show(r->out, row, &shown, &error) != FV_OK) return tool_fail(&error);
    fputs(shown.summary, stderr);
    if (shown.system != NULL) fprintf(stderr, "system message: %s\n", shown.system);
    int exit_code = shown.same ? EXIT_DONE : EXIT_FAILED;
    if (!shown.same)
        fputs(
            "fovea: this is not the prompt that was asked: what it is made of has changed since\n",
            stderr);
    fputs(shown.prompt, stdout);
    if (fflush(stdout) != 0) exit_code = EXIT_FAILED;
    fv_shown_free(&shown);
    return exit_code;
}

int served_score(const served_request *r, const char *path) {
    fv_error error;
    fv_ruler_score *scores;
    int n, exit_code = EXIT_DONE;
    if (fv_ruler_score_files(path, true, &scores, &n, &error) != FV_OK) return tool_fail(&error);
    static const char *const HEADERS[] = {"task", "score", "nulls", NULL};
    table t;
    double sum = 0;
    table_init(&t, 3);
    table_add_texts(&t, HEADERS);
    for (int i = 0; i < n; i++) {
        const fv_ruler_score *s = &scores[i];
        sum += s->score;
        table_add(&t, "%s", s->task);
        table_add(&t, "%.2f", s->score);
        table_add(&t, "%d/%d", s->nulls, s->n);
        if (r->json && exit_code == EXIT_DONE)
            exit_code = tool_print_json(json_pack("{s:s, s:f, s:i, s:i}", "task", s->task, "score",
                                                  s->score, "nulls", s->nulls, "n", s->n));
    }
    if (!r->json) {
        table_print(&t, stdout);
        if (n > 1) printf("average %.2f\n", sum / n);
    }
    table_free(&t);
    free(scores);
    return exit_code;
}
