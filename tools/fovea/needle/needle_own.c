// `fovea needle` and `fovea middle` for models of the lab.
#include "needle/needle.h"

#include "needle/against.h"
#include "needle/cells_folder.h"
#include "needle/context_lines.h"
#include "number_list.h"
#include "options.h"
#include "probe/probe_findings.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

#include <errno.h>
#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/model.h>
#include <fovea/own.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum needle_view {
    NEEDLE_MAP,   // depth x length
    NEEDLE_MIDDLE // depth, at one length
} needle_view;

typedef struct request {
    const char *lengths, *depths, *label, *out, *with, *data, *freeze;
    const char *keep; // NULL, or as fv_decoder_keep_read takes it
    int samples, most_samples, step, seed, jobs, recent;
    double width;
    served_request judged; // its options of comparing
    bool json;
    const fv_own_set *set; // of `data`
} request;

// --- what was asked for -------------------------------------------------------------------------

static fv_status read_lengths(const char *list, fv_own_plan *plan, fv_error *error) {
    int n = number_list_whole(list, 1, FV_OWN_LONGEST, plan->lengths, FV_OWN_MOST);
    if (n < 0)
        return fv_fail(error, FV_USAGE,
                       "--lengths takes up to %d whole numbers of 1 to %d with commas, as in "
                       "16,32,64, not '%s'",
                       FV_OWN_MOST, FV_OWN_LONGEST, list);
    plan->n_lengths = n;
    return FV_OK;
}

static fv_status read_depths(const char *list, fv_own_plan *plan, fv_error *error) {
    int n = number_list(list, plan->depths, FV_OWN_MOST);
    for (int i = 0; i < n; i++)
        if (plan->depths[i] < 0 || plan->depths[i] > 100) n = -1;
    if (n < 0)
        return fv_fail(error, FV_USAGE,
                       "--depths takes up to %d percentages of 0 to 100 with commas, as in "
                       "0,50,100, not '%s'",
                       FV_OWN_MOST, list);
    plan->n_depths = n;
    return FV_OK;
}

// What no parameter depends on: how rotary positions are stretched beyond the trained length, and which keys
// a query keeps.
static bool stretches(const char *key) {
    if (strncmp(key, "model.selector", 14) == 0) return true;
    bool fixed = strcmp(key, "model.rope_width") == 0 || strcmp(key, "model.rope_pairs") == 0;
    return strncmp(key, "model.rope_", 11) == 0 && !fixed;
}

static fv_status count_numbers(const fv_config *config, size_t *n, fv_error *error) {
    fv_model *model;
    fv_status status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    *n = fv_model_n_params(model);
    fv_model_free(model);
    return FV_OK;
}

// Some selectors learn: a model that was trained without has nothing for them.
static fv_status check_numbers(const fv_config *trained, const fv_config *asked, fv_error *error) {
    size_t has = 0, needs = 0;
    if (trained->model.selector == asked->model.selector) return FV_OK;
    fv_status status = count_numbers(trained, &has, error);
    if (status == FV_OK) status = count_numbers(asked, &needs, error);
    if (status != FV_OK || has == needs) return status;
    const char *const *names = fv_field_find("model.selector")->choices;
    return fv_fail(
        error, FV_USAGE,
        "model.selector %s is learned, and this model was trained with model.selector %s; "
        "topk, block_topk, block_max, oracle_topk and random_topk learn nothing",
        names[has > needs ? trained->model.selector : asked->model.selector],
        names[trained->model.selector]);
}

// Asks a model for more than it was trained for: fields of the task, but those that the model's
// parameters depend on, and other scalings of rotary positions.
static fv_status override_task(const tool_operands *operands, fv_config *config, fv_error *error) {
    static const char *const FIXED[] = {"task.vocab_size", "task.context_length", "task.length_min",
                                        "task.length_max"};
    const fv_config trained = *config;
    for (int i = 0; i < operands->n_overrides; i++) {
        const char *text = operands->overrides[i];
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(text, "="), text);
        bool fixed = strncmp(key, "task.", 5) != 0 && !stretches(key);
        for (size_t k = 0; k < sizeof FIXED / sizeof *FIXED; k++)
            fixed |= strcmp(key, FIXED[k]) == 0;
        if (fixed)
            return fv_fail(
                error, FV_USAGE,
                "%s is the trained model's own; only what its task hides can be changed, "
                "as in task.name=needle_multi task.n_pairs=4, the scaling of rotary positions, "
                "as in model.rope_scaling=yarn model.rope_factor=4, selectors, as in "
                "model.selector=topk model.selector_k=8, and --lengths",
                key);
        fv_status status = fv_config_set(config, key, strchr(text, '=') + 1, error);
        if (status != FV_OK) return status;
    }
    return check_numbers(&trained, config, error);
}

static fv_status make_plan(const request *r, needle_view view, fv_config *config, fv_own_plan *plan,
                           fv_error *error) {
    if (view == NEEDLE_MAP)
        fv_own_plan_map(config, plan);
    else
        fv_own_plan_middle(config, plan);
    plan->n_threads = r->jobs;
    plan->interrupted = &tool_interrupted;
    plan->width = r->width;
    if (r->samples > 0) plan->n_samples = r->samples;
    plan->most_samples = r->most_samples;
    plan->folder = r->out;
    fv_status status = FV_OK;
    if (r->keep == NULL && r->recent > 0)
        return fv_fail(error, FV_USAGE,
                       "--recent %d is of --keep h2o=N or snapkv=N, and there is none", r->recent);
    if (r->keep != NULL) status = fv_decoder_keep_read(r->keep, &plan->keep, error);
    if (status != FV_OK) return status;
    plan->keep.recent = r->recent;
    if (r->set != NULL && r->samples == 0) plan->n_samples = INT_MAX; // all that it has
    if (r->set != NULL)
        status = fv_own_set_use(r->set, config, plan, error);
    else if (r->seed >= 0)
        plan->seed = (uint64_t)r->seed;
    else if (r->judged.against != NULL) // the same questions
        status = fv_own_seed(r->out, r->judged.against, &plan->seed, error);
    if (status == FV_OK && r->lengths) status = read_lengths(r->lengths, plan, error);
    if (status == FV_OK && r->depths) status = read_depths(r->depths, plan, error);
    return status == FV_OK ? fv_own_check(config, plan, error) : status;
}

// --- what is shown ------------------------------------------------------------------------------

// The cells that one model added, one row a depth, one column a length, in percent.
static bool print_cells(const fv_cell *cells, const fv_own_plan *plan, const char *label) {
    table t;
    printf("%s: %s, found in %%\n", label, cells->task);
    table_init(&t, plan->n_lengths + 1);
    table_add(&t, "depth");
    for (int l = 0; l < plan->n_lengths; l++)
        table_add(&t, plan->lengths[l] > cells->trained_length ? "(%d)" : "%d", plan->lengths[l]);
    for (int d = 0; d < plan->n_depths; d++) {
        table_add(&t, "%g %%", plan->depths[d]);
        for (int l = 0; l < plan->n_lengths; l++) {
            const fv_cell *cell = &cells[l * plan->n_depths + d];
            table_add(&t, "%.0f", 100.0 * cell->hits / cell->n);
        }
    }
    bool printed = table_print(&t, stdout);
    table_free(&t);
    return printed;
}

// The cell and what its curve comes to; the caller frees it.
static char *line_of(const fv_cells *cells, int i) {
    char *cell = fv_cell_json(&cells->items[i]);
    json_t *object = cell != NULL ? json_loads(cell, 0, NULL) : NULL;
    free(cell);
    json_object_set_new(object, "context_use", context_json(cells, i));
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    return line;
}

static fv_status show(const fv_cells *cells, const fv_own_plan *plan, const char *label, bool json,
                      fv_error *error) {
    for (int i = 0; json && i < cells->n; i++) {
        char *line = line_of(cells, i);
        if (line == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for a line of JSON");
        puts(line);
        free(line);
    }
    if (!json && !print_cells(cells->items, plan, label))
        return fv_fail(error, FV_NO_MEMORY, "no memory for a table");
    if (!json) context_print(stdout, cells);
    if (fflush(stdout) == 0) return FV_OK;
    return fv_fail(error, FV_IO, "the results cannot be written: %s", strerror(errno));
}

// --- asking -------------------------------------------------------------------------------------

static void make_label(const request *r, const probe_subject *subject, int n_operands,
                       char label[96]) {
    if (r->label != NULL) {
        snprintf(label, 96, "%s", r->label);
        return;
    }
    fv_own_label(subject->config, label);
    // Models from elsewhere have many layers and a name.
    if (strlen(label) > 60 && fv_checkpoint_is_hf(subject->name)) {
        const char *end = strrchr(subject->name, '/');
        snprintf(label, 96, "%.60s", end != NULL && end[1] != '\0' ? end + 1 : subject->name);
    }
    if (r->keep != NULL) {
        size_t length = strlen(label);
        if (length > 70) length = 70;
        snprintf(label + length, 96 - length, ", %.20s", r->keep);
    }
    if (n_operands == 1) return;
    // Two models of one architecture stay two.
    const char *name =
        strrchr(subject->name, '/') ? strrchr(subject->name, '/') + 1 : subject->name;
    size_t used = strlen(label);
    if (used > 70) used = 70;
    snprintf(label + used, 96 - used, " (%.20s)", name);
}

// What is asked in a moment shows no progress.
static void on_progress(void *context, const fv_own_progress *report) {
    enum { MOMENT = 2 }; // seconds
    if (report->seconds < MOMENT) return;
    const fv_lab_progress now = {.n_runs = report->n_all,
                                 .n_done = report->n_done,
                                 .share = report->share,
                                 .seconds = report->seconds,
                                 .seconds_left = report->seconds_left,
                                 .experiment = "needle",
                                 .perplexity = NAN};
    progress_update(context, &now);
}

static fv_status measure(const probe_subject *subject, const char *label, fv_own_plan *plan,
                         fv_cells *cells, fv_error *error) {
    progress *display = progress_create(stderr, false);
    progress_set_unit(display, "cells");
    plan->on_progress = on_progress;
    plan->context = display;
    fv_status status = fv_own_measure(subject->config, subject->params, label, plan, cells, error);
    progress_clear(display);
    progress_free(display);
    return status;
}

static fv_status check_against(const request *r, const char *label, fv_error *error) {
    if (r->judged.against == NULL || strcmp(r->judged.against, label) != 0) return FV_OK;
    return fv_fail(error, FV_USAGE, "'%s' cannot be compared with itself; give a --label", label);
}

typedef struct asked_model {
    const fv_config *config;
    const fv_own_plan *plan;
    const fv_comparison *comparison;
} asked_model;

static fv_status flip_prompt(void *context, const fv_flip *flip, char **prompt, fv_error *error) {
    const asked_model *m = context;
    return fv_own_flip_prompt(m->config, m->plan, m->comparison, flip, prompt, error);
}

// Compares the model with --against, and judges it. *exit_code is what the gates say.
static fv_status judge(const request *r, asked_model *m, const char *label, const fv_cells *cells,
                       int *exit_code, fv_error *error) {
    served_request judged = r->judged;
    fv_comparison c = {0};
    const against_noise none = {0};
    gate_counts counts = {0};
    fv_status status = FV_OK;
    judged.out = r->out;
    judged.json = r->json;
    if (judged.against == NULL) {
        *exit_code = against_nobody(&judged, cells, label);
        return FV_OK;
    }
    against_count(cells, &counts);
    status = fv_own_compare(m->config, m->plan, label, judged.against, &c, error);
    m->comparison = &c;
    const against_sides sides = {{judged.against, label}, &c, &none, flip_prompt, m};
    if (status == FV_OK) *exit_code = against_report(&judged, &sides, &counts);
    m->comparison = NULL;
    fv_comparison_free(&c);
    return status;
}

// Writes the model's questions into a file and asks nobody.
static fv_status freeze(const request *r, needle_view view, const tool_operands *operands,
                        fv_error *error) {
    probe_subject subject;
    fv_own_plan plan;
    fv_frozen made = {0};
    fv_status status = probe_subject_load(operands->items[0], r->step, 0, &subject, error);
    if (status == FV_OK) status = override_task(operands, subject.config, error);
    if (status == FV_OK) status = make_plan(r, view, subject.config, &plan, error);
    if (status == FV_OK) status = fv_own_freeze(subject.config, &plan, r->freeze, &made, error);
    if (status == FV_OK && r->json)
        tool_print_json(json_pack("{s:s, s:i, s:s}", "set", r->freeze, "questions", made.n,
                                  "xxh3_128", made.hash));
    else if (status == FV_OK)
        printf("%s: %d questions, hash %s\n", r->freeze, made.n, made.hash);
    probe_subject_free(&subject);
    return status;
}

// Asks one model, puts its cells to the others and judges it.
static fv_status ask(const request *r, needle_view view, const tool_operands *operands, int i,
                     fv_cells *all, int *exit_code, fv_error *error) {
    const char *operand = operands->items[i];
    probe_subject subject;
    fv_own_plan plan;
    fv_cells cells = {0};
    char label[96] = "";
    fv_status status = probe_subject_load(operand, r->step, 0, &subject, error);
    if (status == FV_OK) status = override_task(operands, subject.config, error);
    if (status == FV_OK) status = make_plan(r, view, subject.config, &plan, error);
    if (status == FV_OK && r->out != NULL) status = cells_folder_make(r->out, error);
    if (status == FV_OK) {
        make_label(r, &subject, operands->n, label);
        status = check_against(r, label, error);
    }
    if (status == FV_OK) {
        tool_note("asking %s: %d lengths, %d depths, %d sequences each%s", operand, plan.n_lengths,
                  plan.n_depths, plan.n_samples, plan.width > 0 ? " or more" : "");
        status = measure(&subject, label, &plan, &cells, error);
    }
    if (status == FV_OK) status = show(&cells, &plan, label, r->json, error);
    for (int c = 0; c < cells.n && status == FV_OK; c++)
        status = fv_cells_put(all, &cells.items[c], error);
    asked_model asked = {.config = subject.config, .plan = &plan};
    if (status == FV_OK) status = judge(r, &asked, label, &cells, exit_code, error);
    fv_cells_free(&cells);
    probe_subject_free(&subject);
    return status;
}

static int refuse(const request *r, const tool_operands *operands) {
    if (r->label != NULL && operands->n > 1)
        return tool_usage_error("--label names one model, and there are %d; leave it out or ask "
                                "them one after the other with the same --out",
                                operands->n);
    if (r->judged.against != NULL && (r->out == NULL || operands->n != 1))
        return tool_usage_error("%s: --against compares one model with what is stored under a "
                                "label: give one model and --out DIR, the folder where that is",
                                r->judged.verb);
    if (r->with != NULL && r->out == NULL)
        return tool_usage_error("--with needs --out DIR, the folder of the figures");
    if (r->freeze != NULL && (operands->n != 1 || r->out != NULL || r->data != NULL))
        return tool_usage_error(
            "%s: --freeze writes the questions of one model and asks none: give "
            "one, and neither --out nor --data",
            r->judged.verb);
    if (r->data != NULL &&
        (r->lengths || r->depths || r->seed >= 0 || r->width > 0 || operands->n_overrides > 0))
        return tool_usage_error("%s: --data asks what its file has; leave out --lengths, --depths, "
                                "--seed, --width and task.key=value",
                                r->judged.verb);
    return against_check(&r->judged);
}

static int run(request *r, needle_view view, const tool_operands *operands) {
    fv_cells cells = {0};
    fv_error error = {0};
    fv_own_set *set = NULL;
    int judged = refuse(r, operands);
    if (judged != EXIT_DONE) return judged;
    if (r->freeze != NULL) {
        tool_catch_interrupts();
        return freeze(r, view, operands, &error) == FV_OK ? EXIT_DONE : tool_fail(&error);
    }
    fv_status status = cells_folder_check(r->with, &error);
    if (status == FV_OK && r->data != NULL) status = fv_own_set_read(r->data, &set, &error);
    r->set = set;
    if (status == FV_OK) status = cells_folder_mend(r->out, &error);
    tool_catch_interrupts();
    for (int i = 0; i < operands->n && status == FV_OK; i++)
        status = ask(r, view, operands, i, &cells, &judged, &error);
    if (status == FV_OK && r->out != NULL) {
        status = cells_folder_keep(r->out, r->with, &cells, &error);
        if (status == FV_OK) tool_note("%s/report.html", r->out);
    }
    fv_cells_free(&cells);
    fv_own_set_free(set);
    return status == FV_OK ? judged : tool_fail(&error);
}

// `map`: of needle, not of middle.
#define OWN_OPTIONS(r, map)                                                                        \
    OPTION_TEXT("lengths", &(r).lengths, "16,32,64",                                               \
                map ? "tokens of the sequences; from the shortest trained to beyond the longest "  \
                      "if not given"                                                               \
                    : "tokens of the sequences; the longest trained if not given"),                \
        OPTION_TEXT("depths", &(r).depths, "0,50,100",                                             \
                    map ? "percent of the way to the answer; steps of 10 if not given"             \
                        : "percent of the way to the answer; steps of 5 if not given"),            \
        OPTION_INT("samples", &(r).samples, "N", 1, 10000000,                                      \
                   "sequences of each cell; 256 if not given"),                                    \
        OPTION_REAL(                                                                               \
            "width", &(r).width, "W", 0.001, 1,                                                    \
            "adds sequences to a cell until its 95 % interval is no wider than this share"),       \
        OPTION_INT("most-samples", &(r).most_samples, "N", 1, 10000000,                            \
                   "but no more than these; 10000 if not given"),                                  \
        OPTION_INT("seed", &(r).seed, "N", 0, INT32_MAX,                                           \
                   "of the sequences; the run's own if not given"),                                \
        OPTION_INT("step", &(r).step, "N", 0, INT32_MAX,                                           \
                   "the snapshot of step N instead of the run's result"),                          \
        OPTION_TEXT("label", &(r).label, "TEXT",                                                   \
                    "the model's name in figures; its layers if not given"),                       \
        OPTION_TEXT("out", &(r).out, "DIR",                                                        \
                    "adds the cells to DIR/eval.db and draws all that it has into DIR"),           \
        OPTION_TEXT("with", &(r).with, "DIR,...", CELLS_WITH_HELP),                                \
        OPTION_TEXT("freeze", &(r).freeze, "SET",                                                  \
                    "writes the sequences with their answers into SET.jsonl.gz, and asks nobody"), \
        OPTION_TEXT("data", &(r).data, "SET",                                                      \
                    "asks what such a file has, all of it or --samples of each cell"),             \
        OPTION_TEXT("against", &(r).judged.against, "LABEL",                                       \
                    "compares with what a model of the lab answered under a label of --out: the "  \
                    "same sequences, McNemar's exact test, and a permutation test of "             \
                    "log-probabilities"),                                                          \
        OPTION_GATES((r).judged),                                                                  \
        OPTION_TEXT("keep", &(r).keep, "NAME=N",                                                   \
                    "queries keep some keys, though the model was trained with all: top_p=0.9 of " \
                    "the mass; h2o=64 or snapkv=64 keys, the others evicted"),                     \
        OPTION_INT("recent", &(r).recent, "N", 0, 1 << 20,                                         \
                   "of these h2o and snapkv always keep the last N; half of them if not given, "   \
                   "of snapkv 16 at most"),                                                        \
        OPTION_INT("jobs", &(r).jobs, "N", 1, 4096, "threads; all cores if not given"),            \
        OPTION_FLAG("json", &(r).json, "a line of JSON for each cell on stdout")

bool needle_own_reads(const char *option) {
    request r;
    const tool_option options[] = {OWN_OPTIONS(r, true), OPTION_END};
    return options_have(options, option);
}

static int own(int argc, char **argv, needle_view view,
               const char *(*elsewhere)(const char *option)) {
    request r = {.step = -1,
                 .seed = -1,
                 .jobs = fv_machine_cores(),
                 .most_samples = 10000,
                 .judged = {SERVED_USUAL, .verb = argv[0]}};
    bool map = view == NEEDLE_MAP;
    const tool_option options[] = {OWN_OPTIONS(r, map), OPTION_END};
    const tool_usage usage = {
        .synopsis = map ? "needle RUN|CHECKPOINT ... [task.key=value ...] [options]"
                        : "middle RUN|CHECKPOINT ... [task.key=value ...] [options]",
        .about =
            map ? "Asks models of the lab for what their task hides, over a grid of depths and "
                  "lengths. RUN is a run of a store, DIR/ID with the first digits of its id; "
                  "CHECKPOINT a .safetensors file that Fovea wrote, or a folder of transformers. "
                  "With "
                  "key=value it is asked for another task than its own."
                : "Asks models of the lab for what their task hides, over depth at one length: "
                  "the lost-in-the-middle curve. RUN is a run of a store, DIR/ID with the first "
                  "digits of its id; CHECKPOINT a .safetensors file that Fovea wrote, or a folder "
                  "of "
                  "transformers. With "
                  "key=value "
                  "it is asked for another task than its own.",
        .example =
            map ? "fovea needle out/3fa2 --out map\n"
                  "fovea needle out/3fa2 --lengths 64,256 --keep h2o=32\n"
                  "fovea needle model.safetensors --lengths 16,32,64 --depths 0,50,100 --json\n"
                  "fovea needle out/77ab --out map --label other --against 'attention' "
                  "--fail-if-worse\n"
                  "fovea needle out/3fa2 --freeze set.jsonl.gz --lengths 16,32,64\n"
                  "fovea needle out/77ab --data set.jsonl.gz --out map\n"
                  "fovea needle --with map,out/needle --out both"
                : "fovea middle out/3fa2 out/77ab --out map --with out/needle\n"
                  "fovea middle model.safetensors --lengths 64 --width 0.05",
        .min_operands = 0,
        .max_operands = -1,
        .overrides = true,
        .elsewhere = elsewhere};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    if (operands.n == 0 && r.with == NULL) return served_refuse_nobody(argv[0]);
    return run(&r, view, &operands);
}

int needle_own(int argc, char **argv, const char *(*elsewhere)(const char *option)) {
    return own(argc, argv, NEEDLE_MAP, elsewhere);
}

int middle_own(int argc, char **argv, const char *(*elsewhere)(const char *option)) {
    return own(argc, argv, NEEDLE_MIDDLE, elsewhere);
}
