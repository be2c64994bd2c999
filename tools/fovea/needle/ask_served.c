#include "needle/ask_served.h"

#include "needle/against.h"
#include "needle/asked_models.h"
#include "needle/cells_folder.h"
#include "needle/context_lines.h"
#include "needle/orders.h"
#include "needle/request_headers.h"
#include "needle/served_tables.h"
#include "number_list.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

#include <fovea/whole_file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LIST = 256 };

// The request's lists, read.
typedef struct lists {
    char *task_text;
    const char *tasks[64];
    int lengths[MOST_LIST];
    double depths[MOST_LIST];
    request_headers headers;
    int loads[MOST_LIST];
    fv_served_options options;
} lists;

bool served_has_option(int argc, char **argv, const char *name) {
    size_t n = strlen(name);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, n) == 0 &&
            (argv[i][2 + n] == '\0' || argv[i][2 + n] == '='))
            return true;
    return false;
}

// --- lists of the command line -----------------------------------------------------------------

static int read_lengths(const served_request *r, lists *l) {
    int n = number_list_whole(r->lengths, 1, 100000000, l->lengths, MOST_LIST);
    l->options.n_lengths = n;
    l->options.lengths = l->lengths;
    if (n > 0) return EXIT_DONE;
    return tool_usage_error("%s: lengths are whole numbers with commas, as in 1000,2000,4000, not "
                            "'%s'",
                            r->verb, r->lengths);
}

// One number is no axis: its answers count whatever they were asked under.
static int read_loads(const served_request *r, lists *l) {
    enum { MOST_IN_FLIGHT = 1024 };
    int n = number_list_whole(r->concurrency, 1, MOST_IN_FLIGHT, l->loads, MOST_LIST);
    if (n < 1)
        return tool_usage_error("%s: --concurrency is a whole number from 1 to %d, or several with "
                                "commas as in 1,16,64, not '%s'",
                                r->verb, MOST_IN_FLIGHT, r->concurrency);
    l->options.in_flight = l->loads[0];
    l->options.loads = l->loads;
    l->options.n_loads = n > 1 ? n : 0;
    if (n == 1 || r->predictions == NULL) return EXIT_DONE;
    return tool_usage_error("%s: --predictions writes the answers under one load; give one number "
                            "to --concurrency",
                            r->verb);
}

static int read_depths(const served_request *r, lists *l) {
    int n = number_list(r->depths, l->depths, MOST_LIST);
    l->options.n_depths = n;
    l->options.depths = l->depths;
    if (n < 0)
        return tool_usage_error("%s: depths are percentages with commas or a range, as in 0,50,100 "
                                "or 0..100, not '%s'",
                                r->verb, r->depths);
    for (int i = 0; i < n; i++)
        if (l->depths[i] < 0 || l->depths[i] > 100)
            return tool_usage_error("%s: a depth is a percentage from 0 to 100, not %g", r->verb,
                                    l->depths[i]);
    return EXIT_DONE;
}

static bool has_depth(const char *task) {
    for (int i = 0; fv_eval_task_name(i) != NULL; i++)
        if (strcmp(fv_eval_task_name(i), task) == 0) return fv_eval_task_has_depth(i);
    return true; // the name is refused later
}

// What no task has is not asked for in vain.
static int check_depths(const served_request *r, const lists *l) {
    bool any = false;
    for (int t = 0; t < l->options.n_tasks; t++) any |= has_depth(l->tasks[t]);
    if (any || !r->depths_given) return EXIT_DONE;
    return tool_usage_error("%s: %s has no depth; leave out --depths", r->verb, l->tasks[0]);
}

// Whether `all` means a task: its lengths are tokens, and what it needs of the user's is there.
static bool is_of_all(const served_request *r, int i) {
    const char *name = fv_eval_task_name(i);
    if (strcmp(fv_eval_task_unit(i), "tokens") != 0) return false;
    if (strcmp(name, "latent") == 0) return r->needles != NULL;
    if (strncmp(name, "mrcr_", 5) == 0) return false; // chats, for which RULER has no form
    return r->documents != NULL || strncmp(name, "qa_", 3) != 0;
}

// "a,b"; "all" is every task that can be asked for.
static int read_tasks(const served_request *r, lists *l) {
    int n = 0;
    l->options.tasks = l->tasks;
    l->task_text = strdup(r->tasks);
    if (l->task_text == NULL) return tool_usage_error("out of memory");
    if (strcmp(r->tasks, "all") == 0) {
        for (int i = 0; fv_eval_task_name(i) != NULL; i++)
            if (is_of_all(r, i)) l->tasks[n++] = fv_eval_task_name(i);
    } else {
        for (char *name = strtok(l->task_text, ","); name != NULL && n < 64;
             name = strtok(NULL, ","))
            l->tasks[n++] = name;
    }
    l->options.n_tasks = n;
    if (n > 0) return EXIT_DONE;
    return tool_usage_error("%s: --task needs the name of a task", r->verb);
}

static void on_progress(void *context, int n_done, int n_failed, int n_all, double seconds,
                        double seconds_left) {
    (void)n_failed;
    const fv_lab_progress now = {.n_runs = n_all,
                                 .n_done = n_done,
                                 .share = n_all > 0 ? (double)n_done / n_all : 1,
                                 .seconds = seconds,
                                 .seconds_left = seconds_left,
                                 .experiment = "needle",
                                 .perplexity = NAN};
    progress_update(context, &now);
}

static void on_note(void *context, const char *text) {
    char line[512];
    progress_clear(context);
    snprintf(line, sizeof line, "%s", text);
    fv_printable(line, sizeof line);
    fprintf(stderr, "%s\n", line);
}

static const char *environment(const char *name) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? text : NULL;
}

// As curl does.
static const char *certificates(const served_request *r) {
    if (r->cacert != NULL) return r->cacert;
    const char *file = environment("CURL_CA_BUNDLE");
    return file != NULL ? file : environment("SSL_CERT_FILE");
}

static void free_lists(lists *l) {
    request_headers_free(&l->headers);
    free(l->task_text);
}

static int read_request(const served_request *r, lists *l) {
    const char *key = environment("FOVEA_API_KEY");
    if (key == NULL) key = environment("OPENAI_API_KEY");
    *l = (lists){.options = {.folder = r->out,
                             .api = r->api,
                             .key = key,
                             .cacert = certificates(r),
                             .extra = r->extra,
                             .thoughts = r->thoughts,
                             .logprobs = r->logprobs || r->against != NULL,
                             .same_model = r->same_model,
                             .reuse_unknown = r->reuse_unknown,
                             .haystack = r->haystack,
                             .documents = r->documents,
                             .needles = r->needles,
                             .needle = r->needle,
                             .question = r->question,
                             .answer = r->answer,
                             .questions = r->questions,
                             .seed = (uint64_t)r->seed,
                             .max_tokens = r->max_tokens,
                             .samples = r->samples > 0         ? r->samples
                                        : r->questions != NULL ? 0
                                                               : 10,
                             .interval = r->interval,
                             .retries = r->retries,
                             .timeout = r->timeout,
                             .retry_wait = r->retry_wait,
                             .interrupted = &tool_interrupted,
                             .on_progress = on_progress,
                             .on_note = r->quiet ? NULL : on_note,
                             .dry = r->dry}};
    int exit_code = request_headers_read(r->verb, &r->headers, &l->headers);
    l->options.headers = (const char *const *)l->headers.lines;
    l->options.n_headers = l->headers.n;
    l->options.secrets = (const char *const *)l->headers.secrets;
    l->options.n_secrets = l->headers.n_secrets;
    if (exit_code == EXIT_DONE) exit_code = read_tasks(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_lengths(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_depths(r, l);
    if (exit_code == EXIT_DONE) exit_code = check_depths(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_loads(r, l);
    return exit_code;
}

// --- the plan ----------------------------------------------------------------------------------

static void print_amount(FILE *out, double amount) {
    if (amount >= 1e6)
        fprintf(out, "%.4g million", amount / 1e6);
    else
        fprintf(out, "%.0f", amount);
}

static const char *plural(int n) {
    return n == 1 ? "" : "s";
}

static double cost_of(const served_request *r, const fv_served_plan *plan) {
    return (plan->prompt_tokens * r->price_in + plan->answer_tokens * r->price_out) / 1e6;
}

// How many requests are in flight, where that is not what was wanted.
static void print_in_flight(FILE *out, const fv_served_options *o, const fv_served_plan *plan) {
    if (plan->in_flight < o->in_flight * (1 + o->n_more_endpoints))
        fprintf(out, "in flight      %d at once, for which descriptors are enough\n",
                plan->in_flight);
    if (plan->idle_load > 0)
        fprintf(out,
                "in flight      never %d at once: there are fewer requests under that load; "
                "--samples gives more\n",
                plan->idle_load);
}

static void print_plan(FILE *out, const served_request *r, const fv_served_options *o,
                       const fv_served_plan *plan) {
    char whom[512];
    const char *rest = o->n_more_endpoints > 0 ? ", and more endpoints" : "";
    snprintf(whom, sizeof whom, "%s at %s%s", o->label ? o->label : o->model, o->endpoint, rest);
    fv_printable(whom, sizeof whom);
    fprintf(out, "%s: %d cell%s, %d request%s", whom, plan->n_cells, plural(plan->n_cells),
            plan->n_requests, plural(plan->n_requests));
    if (r->interval > 0) fputs(" at most", out);
    if (plan->n_stored > 0) fprintf(out, ", %d answered before", plan->n_stored);
    if (plan->n_unknown > 0)
        fprintf(out, ", %d of the requests by an unknown server (--reuse-unknown counts these)",
                plan->n_unknown);
    fputs("\nprompt tokens  ", out);
    print_amount(out, plan->prompt_tokens);
    fputs(", of which ", out);
    print_amount(out, plan->shared_tokens);
    fputs(" repeat the prompt before", out);
    if (*plan->counted != '\0')
        fprintf(out, plan->estimated ? " (estimated by: %s, 5 %% to spare)" : " (counted by: %s)",
                plan->counted);
    fputs("\nanswer tokens  ", out);
    print_amount(out, plan->answer_tokens);
    fputs(" at most\ntime           ", out);
    if (plan->seconds < 0)
        fputs("known after the first answers\n", out);
    else
        fprintf(out, "about %.3g s, by the answers so far, with %s in flight\n", plan->seconds,
                r->concurrency);
    print_in_flight(out, o, plan);
    if (plan->context > 0) fprintf(out, "context        %d tokens", plan->context);
    if (plan->n_beyond > 0)
        fprintf(out, "; the lengths of %d requests are above it", plan->n_beyond);
    if (plan->context > 0) fputc('\n', out);
    if (r->price_in > 0 || r->price_out > 0)
        fprintf(out, "cost           %.4g at most, at %g and %g a million tokens\n",
                cost_of(r, plan), r->price_in, r->price_out);
}

static int print_plan_json(const served_request *r, const fv_served_plan *plan, fv_served *served) {
    json_t *object =
        json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:i, s:s, s:b, s:o, s:i, s:i}", "cells",
                  plan->n_cells, "requests", plan->n_requests, "stored", plan->n_stored,
                  "prompt_tokens", tool_number_json(plan->prompt_tokens), "shared_tokens",
                  tool_number_json(plan->shared_tokens), "answer_tokens",
                  tool_number_json(plan->answer_tokens), "seconds",
                  plan->seconds < 0 ? json_null() : tool_number_json(plan->seconds), "context",
                  plan->context, "counted", plan->counted, "estimated", plan->estimated, "cost",
                  tool_number_json(cost_of(r, plan)), "unknown", plan->n_unknown, "beyond_context",
                  plan->n_beyond);
    int exit_code = against_plan_json(r, served, object);
    if (exit_code == EXIT_DONE) return tool_print_json(object);
    json_decref(object);
    return exit_code;
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
    json_t *more =
        json_pack("{s:s, s:s?, s:s, s:o, s:o, s:i, s:i, s:o}", "endpoint", p.endpoint, "server",
                  p.server, "model_asked", p.model, "sampling", json_loads(p.sampling, 0, NULL),
                  "extra", json_loads(p.extra, 0, NULL), "max_tokens", p.max_tokens, "unknown",
                  p.n_unknown, "concurrency", load);
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
    if (context_lines(tables, r->json, cells) != EXIT_DONE) return EXIT_FAILED;
    return print_faults(served) > 0 ? EXIT_FAILED : EXIT_DONE;
}

// --- the verbs ---------------------------------------------------------------------------------

static int plan(const served_request *r, const fv_served_options *o, fv_served *served) {
    fv_served_plan made;
    fv_served_plan_make(served, &made);
    if (r->dry && r->json) return print_plan_json(r, &made, served);
    if (r->dry || !r->quiet) print_plan(r->dry ? stdout : stderr, r, o, &made);
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
static int ask_models(const served_request *r, lists *l, asked_models *models, fv_cells *all,
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

static int run(const served_request *r, lists *l, asked_models *models) {
    fv_cells cells = {0};
    fv_error error;
    bool asked = false;
    int exit_code = asked_models_start(models, &l->options, &error) == FV_OK
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
    lists l;
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
    exit_code = read_request(r, &l);
    if (exit_code == EXIT_DONE) exit_code = against_check(r);
    l.options.prompts_of = against_prompts(r);
    tool_catch_interrupts();
    progress *display = progress_create(stderr, r->quiet);
    progress_set_unit(display, "requests");
    l.options.context = display;
    if (exit_code == EXIT_DONE) exit_code = run(r, &l, &models);
    progress_free(display);
    free_lists(&l);
    return exit_code;
}

// The request of files whose prompts are counted by one server, or by none.
static int read_counted(const served_request *r, lists *l) {
    int exit_code = read_request(r, l);
    if (exit_code == EXIT_DONE && (r->endpoints.n > 1 || r->models.n > 1))
        exit_code = tool_usage_error("%s: the tokens of a file are counted by one server; give "
                                     "--endpoint and --model once",
                                     r->verb);
    l->options.endpoint = r->endpoints.n > 0 ? r->endpoints.items[0] : NULL;
    l->options.model = r->models.n > 0 ? r->models.items[0] : NULL;
    return exit_code;
}

int served_write_data(const served_request *r, const char *folder) {
    lists l;
    fv_error error;
    int exit_code = read_counted(r, &l);
    tool_catch_interrupts();
    if (exit_code == EXIT_DONE && fv_ruler_write(&l.options, folder, &error) != FV_OK)
        exit_code = tool_fail(&error);
    if (exit_code == EXIT_DONE && !r->quiet)
        printf("%s/LENGTH/TASK/validation.jsonl: %d task%s, %d length%s, %d sample%s each\n",
               folder, l.options.n_tasks, plural(l.options.n_tasks), l.options.n_lengths,
               plural(l.options.n_lengths), l.options.samples, plural(l.options.samples));
    free_lists(&l);
    return exit_code;
}

int served_freeze(const served_request *r, const char *path) {
    lists l;
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
    free_lists(&l);
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
