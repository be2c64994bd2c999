// `fovea export`: curves as CSV, parameters as safetensors.
#include "export_batches.h"
#include "options.h"
#include "run_json.h"
#include "target.h"
#include "tool.h"
#include "varying.h"
#include "verbs.h"

#include <errno.h>
#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <fovea/whole_file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// The runs to export, by id and in the store's order, with what is needed to name them.
typedef struct selection {
    run_filter filter;
    const char *id; // a prefix, or NULL for all
    int n, capacity;
    struct selected {
        char id[17];
        char *experiment;
        fv_config config;
        int diverged_at; // -1: did not
        char numerics[NUMERICS_SIZE];
        char kernels[FV_KERNELS_SIZE];
    } * runs;
    fv_divergence diverged;
} selection;

static fv_status select_run(void *context, const fv_record *record, const char *experiment,
                            const fv_final *final, int n_final) {
    (void) final;
    (void)n_final;
    selection *s = context;
    if (s->id != NULL && strncmp(record->id, s->id, strlen(s->id)) != 0) return FV_OK;
    if (!filter_matches(&s->filter, record, experiment)) return FV_OK;
    if (s->n == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 64;
        struct selected *runs = realloc(s->runs, (size_t)capacity * sizeof *runs);
        if (runs == NULL) return FV_NO_MEMORY;
        s->runs = runs;
        s->capacity = capacity;
    }
    struct selected *run = &s->runs[s->n];
    strcpy(run->id, record->id);
    run->config = *record->config;
    run->diverged_at = fv_record_diverged_at(record);
    fv_divergence_add(&s->diverged, record);
    run_numerics_text(record, run->numerics);
    snprintf(run->kernels, sizeof run->kernels, "%s", run_kernels_text(record));
    run->experiment = strdup(experiment);
    if (run->experiment == NULL) return FV_NO_MEMORY;
    s->n++;
    return FV_OK;
}

static void free_selection(selection *s) {
    for (int i = 0; i < s->n; i++) free(s->runs[i].experiment);
    free(s->runs);
}

// --- CSV ---------------------------------------------------------------------------------------

// Writes a cell, quoted where it must be (RFC 4180).
static void print_cell(FILE *out, const char *text) {
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

// `diverges`: there is a column for the step at which a run diverged.
static void print_run(FILE *out, const struct selected *run, const fv_record *record,
                      const fv_field *const *varying, int n_varying, bool diverges) {
    for (int s = 0; s < record->n_series; s++) {
        const fv_series *series = &record->series[s];
        for (int i = 0; i < series->n; i++) {
            fprintf(out, "%s,", run->id);
            print_cell(out, run->experiment);
            for (int f = 0; f < n_varying; f++) {
                char text[FV_VALUE_SIZE];
                fv_config_get(&run->config, varying[f], text, sizeof text);
                fputc(',', out);
                print_cell(out, text);
            }
            if (diverges) fputc(',', out);
            if (run->diverged_at >= 0) fprintf(out, "%d", run->diverged_at);
            fputc(',', out);
            print_cell(out, series->name);
            fprintf(out, ",%d,", series->steps[i]);
            // An empty cell is what readers take for a missing number.
            if (!isnan(series->values[i])) fprintf(out, "%.9g", (double)series->values[i]);
            fprintf(out, ",%s,%s\n", run->numerics, run->kernels);
        }
    }
}

static fv_status write_csv(fv_store *store, const selection *s, FILE *out, fv_error *error) {
    const fv_field *varying[VARYING_MOST];
    int n_varying = varying_find(&s->runs->config, sizeof *s->runs, s->n, varying);
    fputs("run_id,experiment", out);
    for (int i = 0; i < n_varying; i++) fprintf(out, ",%s", varying[i]->key);
    bool diverges = s->diverged.n > 0;
    fprintf(out, "%s,series,step,value,numerics,kernels\n", diverges ? ",diverged_at" : "");
    fv_status status = FV_OK;
    for (int i = 0; status == FV_OK && i < s->n; i++) {
        fv_record record;
        status = fv_store_get(store, s->runs[i].id, &record, error);
        if (status == FV_OK) print_run(out, &s->runs[i], &record, varying, n_varying, diverges);
        fv_record_free(&record);
    }
    return status;
}

static fv_status print_csv(fv_store *store, const selection *s, fv_error *error) {
    fv_status status = write_csv(store, s, stdout, error);
    if (status == FV_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = fv_fail(error, FV_IO, "cannot write the CSV: %s", strerror(errno));
    return status;
}

// Writes to stdout, or to a file that appears whole or not at all.
static fv_status export_csv(fv_store *store, const selection *s, const char *path,
                            fv_error *error) {
    if (path == NULL) return print_csv(store, s, error);
    fv_whole_file file;
    fv_status status = fv_whole_file_check(path, error);
    if (status == FV_OK) status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    status = write_csv(store, s, file.stream, error);
    fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
    return status != FV_OK ? status : closed;
}

// --- safetensors -------------------------------------------------------------------------------

typedef struct checkpoint_options {
    const char *out;
    bool widen;
    bool hf;  // folders for transformers
    int step; // of the snapshot; -1: the result
} checkpoint_options;

static fv_status write_checkpoint(const fv_record *record, const checkpoint_options *options,
                                  const char *path, fv_error *error) {
    const fv_snapshot *snapshot;
    fv_status status = target_snapshot(record, options->step, &snapshot, error);
    if (status != FV_OK) return status;
    fv_model *model;
    status = fv_model_create(record->config, &model, error);
    if (status != FV_OK) return status;
    status = options->hf
                 ? fv_checkpoint_write_hf(path, model, snapshot->params, error)
                 : fv_checkpoint_write(path, model, snapshot->params, options->widen, error);
    fv_model_free(model);
    if (status != FV_OK) return status;
    fv_error reason = {0};
    printf("%s\n", path);
    if (options->hf) return FV_OK;
    if (fv_checkpoint_transformerlens(record->config, options->widen, &reason) != FV_OK)
        tool_note("%s is for Fovea alone: %s", path, reason.text);
    return FV_OK;
}

// For transformers a run is a folder: --out, or below it one for each of several.
static fv_status export_folders(fv_store *store, const selection *s,
                                const checkpoint_options *options, fv_error *error) {
    const char *out = options->out != NULL ? options->out : ".";
    fv_status status = FV_OK;
    for (int i = 0; status == FV_OK && i < s->n; i++) {
        fv_record record;
        char path[4200];
        if (options->out != NULL && s->n == 1)
            snprintf(path, sizeof path, "%s", out);
        else
            snprintf(path, sizeof path, "%s/%s", out, s->runs[i].id);
        status = fv_store_get(store, s->runs[i].id, &record, error);
        if (status == FV_OK) status = write_checkpoint(&record, options, path, error);
        fv_record_free(&record);
    }
    return status;
}

// One run goes to the file --out; several go to the folder --out, each under its id.
static fv_status export_checkpoints(fv_store *store, const selection *s,
                                    const checkpoint_options *options, fv_error *error) {
    struct stat info;
    bool folder = options->out != NULL && stat(options->out, &info) == 0 && S_ISDIR(info.st_mode);
    if (s->n > 1 && !folder)
        return fv_fail(error, FV_USAGE,
                       "%d runs need a folder to be exported to; make one and name it with --out, "
                       "or choose one run",
                       s->n);
    fv_status status = FV_OK;
    if (folder)
        fv_folder_sweep(options->out);
    else if (options->out != NULL)
        status = fv_whole_file_check(options->out, error);
    else
        fv_folder_sweep(".");
    for (int i = 0; status == FV_OK && i < s->n; i++) {
        fv_record record;
        char path[4200];
        if (options->out != NULL && !folder)
            snprintf(path, sizeof path, "%s", options->out);
        else
            snprintf(path, sizeof path, "%s/%s.safetensors", folder ? options->out : ".",
                     s->runs[i].id);
        status = fv_store_get(store, s->runs[i].id, &record, error);
        if (status == FV_OK) status = write_checkpoint(&record, options, path, error);
        fv_record_free(&record);
    }
    return status;
}

// --- batches -----------------------------------------------------------------------------------

typedef struct batch_options {
    const char *folder; // NULL: not asked for
    int n_steps;        // 0: all
} batch_options;

static fv_status export_training_data(const selection *s, const batch_options *options,
                                      fv_error *error) {
    if (s->n > 1)
        return fv_fail(error, FV_USAGE,
                       "--batches takes one run, and these are %d; name it as DIR/ID", s->n);
    return export_batches(&s->runs[0].config, options->n_steps, options->folder, error);
}

// --- the verb ----------------------------------------------------------------------------------

static fv_status export(const char *operand, selection *s, const char *format,
                        const checkpoint_options *options, const batch_options *batches,
                        fv_error *error) {
    run_target target;
    fv_store *store;
    fv_status status = filter_check(&s->filter, error);
    if (status == FV_OK) status = target_open(operand, FV_STORE_READ, &target, &store, error);
    if (status != FV_OK) return status;
    if (target.id[0] != '\0') s->id = target.id;
    status = fv_store_each(store, select_run, s, error);
    if (status == FV_NO_MEMORY) fv_fail(error, status, "out of memory listing runs");
    if (status == FV_OK && s->n == 0)
        status = fv_fail(error, FV_NOT_FOUND, "%s has no such run; 'fovea runs' lists what it has",
                         target.path);
    if (status == FV_OK && batches->folder != NULL)
        status = export_training_data(s, batches, error);
    else if (status == FV_OK && strcmp(format, "csv") == 0)
        status = export_csv(store, s, options->out, error);
    else if (status == FV_OK && options->hf)
        status = export_folders(store, s, options, error);
    else if (status == FV_OK)
        status = export_checkpoints(store, s, options, error);
    fv_store_close(store);
    char diverged[128];
    if (status == FV_OK && fv_divergence_text(&s->diverged, diverged, sizeof diverged) > 0)
        fprintf(stderr, "%s\n", diverged);
    return status;
}

int cmd_export(int argc, char **argv) {
    const char *format = NULL;
    checkpoint_options checkpoint = {.step = -1};
    batch_options batches = {0};
    const tool_option options[] = {
        OPTION_TEXT("format", &format, "csv|safetensors|hf",
                    "csv: every point of every series, a row each (the default); safetensors: "
                    "parameters under TransformerLens's names; hf: a folder that transformers "
                    "opens as GPT-2, Llama, Qwen 3 or Mamba, whichever has all of the run's parts"),
        OPTION_TEXT("out", &checkpoint.out, "FILE",
                    "csv: the file (stdout otherwise); safetensors: the file or folder "
                    "(./RUN.safetensors otherwise); hf: the folder (./RUN otherwise)"),
        OPTION_FLAG("widen", &checkpoint.widen,
                    "safetensors: demand a file for TransformerLens, and widen models without "
                    "residual stream"),
        OPTION_INT("step", &checkpoint.step, "N", 0, INT32_MAX,
                   "safetensors and hf: the snapshot of step N instead of the result"),
        OPTION_TEXT("batches", &batches.folder, "FOLDER",
                    "the very sequences that a run trained on, in their order: tokens.npy and "
                    "targets.npy, which task.name file reads too"),
        OPTION_INT("steps", &batches.n_steps, "N", 1, INT32_MAX,
                   "batches: of the first N steps, not of all"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "export DIR|RUN [key=value ...] [options]",
        .about = "Exports the runs of a store, DIR/fovea.db, or one run of it, DIR/ID with the "
                 "first digits of its id; with key=value only those that have this value of a "
                 "field, of outcome or of experiment.",
        .example = "fovea export out task.vocab_size=100 --out curves.csv\n"
                   "fovea export out/3fa2 --format safetensors --out model.safetensors\n"
                   "fovea export out/3fa2 --format safetensors --widen --out lens.safetensors\n"
                   "fovea export out/3fa2 --format hf --out folder\n"
                   "fovea export out/3fa2 --batches out/batches --steps 10",
        .min_operands = 1,
        .max_operands = 1,
        .overrides = true};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    if (batches.folder != NULL &&
        (format != NULL || checkpoint.out != NULL || checkpoint.widen || checkpoint.step >= 0))
        return tool_usage_error("export: --batches goes with --steps alone; --format, --out, "
                                "--widen and --step are of curves and parameters");
    if (format == NULL) format = "csv";
    checkpoint.hf = strcmp(format, "hf") == 0;
    if (strcmp(format, "csv") != 0 && strcmp(format, "safetensors") != 0 && !checkpoint.hf)
        return tool_usage_error("export --format takes csv, safetensors or hf, not '%s'", format);
    if (strcmp(format, "csv") == 0 && (checkpoint.widen || checkpoint.step >= 0))
        return tool_usage_error("export: --widen and --step belong to --format safetensors");
    if (checkpoint.hf && checkpoint.widen)
        return tool_usage_error("export: --widen belongs to --format safetensors");
    if (batches.n_steps > 0 && batches.folder == NULL)
        return tool_usage_error("export: --steps belongs to --batches");
    selection s = {.filter = {operands.overrides, operands.n_overrides}};
    fv_error error = {0};
    fv_status status = export(operands.items[0], &s, format, &checkpoint, &batches, &error);
    free_selection(&s);
    return status == FV_OK ? EXIT_DONE : tool_fail(&error);
}
