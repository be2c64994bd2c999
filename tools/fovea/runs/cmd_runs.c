// `fovea runs`: what a run store holds.
#include "options.h"
#include "run_json.h"
#include "runs/runs_check.h"
#include "runs/runs_list.h"
#include "runs/runs_merge.h"
#include "table.h"
#include "target.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/config.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- show --------------------------------------------------------------------------------------

static int print_series(const fv_record *record) {
    static const char *const HEADERS[] = {"series",  "points", "first", "lowest",
                                          "highest", "final",  NULL};
    table t;
    table_init(&t, 6);
    table_add_texts(&t, HEADERS);
    for (int i = 0; i < record->n_series; i++) {
        const fv_series *series = &record->series[i];
        double lowest = INFINITY, highest = -INFINITY;
        for (int j = 0; j < series->n; j++) {
            lowest = fmin(lowest, (double)series->values[j]);
            highest = fmax(highest, (double)series->values[j]);
        }
        table_add(&t, "%s", series->name);
        table_add(&t, "%d", series->n);
        table_add_number(&t, series->n > 0 ? (double)series->values[0] : NAN);
        table_add_number(&t, lowest);
        table_add_number(&t, highest);
        bool ends = series->n > 0 && record->outcome != FV_OUTCOME_DIVERGED;
        table_add_number(&t, ends ? (double)series->values[series->n - 1] : NAN);
    }
    return table_show(&t);
}

static int print_run(const fv_record *record, const char *experiment) {
    char at[32] = "", numerics[NUMERICS_SIZE];
    run_numerics_text(record, numerics);
    if (record->outcome == FV_OUTCOME_DIVERGED)
        snprintf(at, sizeof at, " at step %d,", fv_record_diverged_at(record));
    printf("run %s of %s: %s%s after %d steps, %.3g s, %.3g us per step\n", record->id, experiment,
           fv_outcome_text(record->outcome), at, record->steps, record->wall_seconds,
           record->us_per_step);
    printf("numerics %s%s, kernels %s, probes %s\n\n", numerics,
           run_is_older(record) ? " (older than this Fovea's)" : "", run_kernels_text(record),
           record->numerics == 0       ? "before"
           : record->probes[0] == '\0' ? "none"
                                       : record->probes);
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_config defaults;
    fv_config_init(&defaults);
    int width = 0;
    for (int i = 0; i < n; i++)
        if ((int)strlen(fields[i].key) > width) width = (int)strlen(fields[i].key);
    for (int i = 0; i < n; i++) {
        char value[FV_VALUE_SIZE], usual[FV_VALUE_SIZE];
        fv_config_get(record->config, &fields[i], value, sizeof value);
        fv_config_get(&defaults, &fields[i], usual, sizeof usual);
        printf("%c %-*s %s\n", strcmp(value, usual) != 0 ? '*' : ' ', width, fields[i].key, value);
    }
    printf("(* not the default)\n\n");
    int exit_code = print_series(record);
    if (exit_code != EXIT_DONE) return exit_code;
    printf("\nsnapshots of %zu parameters at steps", record->n_params);
    for (int i = 0; i < record->n_snapshots; i++)
        printf("%s %d", i ? "," : "", record->snapshots[i].step);
    puts(record->n_snapshots > 0 ? "" : ": none");
    return EXIT_DONE;
}

// The name of the experiment that a run came from, which its record does not hold.
typedef struct run_origin {
    const char *id;
    char experiment[256];
} run_origin;

static fv_status find_origin(void *context, const fv_record *record, const char *experiment,
                             const fv_final *final, int n_final) {
    (void) final;
    (void)n_final;
    run_origin *wanted = context;
    if (strcmp(record->id, wanted->id) != 0) return FV_OK;
    snprintf(wanted->experiment, sizeof wanted->experiment, "%s", experiment);
    return FV_INTERRUPTED; // no need to go on
}

static int show_run(fv_store *store, const char *id, bool json) {
    fv_record record;
    fv_error error = {0};
    if (fv_store_get(store, id, &record, &error) != FV_OK) return tool_fail(&error);
    run_origin origin = {.id = record.id};
    fv_status status = fv_store_each(store, find_origin, &origin, &error);
    bool found = status == FV_OK || status == FV_INTERRUPTED;
    int exit_code = found ? EXIT_DONE : tool_fail(&error);
    if (exit_code != EXIT_DONE) {
        fv_record_free(&record);
        return exit_code;
    }
    if (json)
        exit_code = tool_print_json(run_json(origin.experiment, &record, true));
    else
        exit_code = print_run(&record, origin.experiment);
    fv_record_free(&record);
    return exit_code;
}

// --- delete and digest -------------------------------------------------------------------------

static int delete_runs(fv_store *store, const char *const *ids, int n) {
    fv_error error = {0};
    fv_status status = fv_store_begin(store, &error);
    for (int i = 0; status == FV_OK && i < n; i++) status = fv_store_delete(store, ids[i], &error);
    if (status == FV_OK) status = fv_store_commit(store, &error);
    if (status != FV_OK) return tool_fail(&error); // closing the store takes all of it back
    fprintf(stderr, "deleted %d run%s\n", n, n == 1 ? "" : "s");
    return EXIT_DONE;
}

static int print_digest(fv_store *store, const char *id, bool json) {
    char digest[17];
    fv_error error = {0};
    if (fv_store_digest(store, id, digest, &error) != FV_OK) return tool_fail(&error);
    if (json) return tool_print_json(json_pack("{s:s}", "digest", digest));
    puts(digest);
    return EXIT_DONE;
}

int cmd_runs(int argc, char **argv) {
    bool json = false, digest = false, check = false, writes = false;
    runs_choice choice = {.most = 0};
    const tool_option options[] = {
        OPTION_TEXT("where", &choice.where, "EXPR",
                    "only runs of which this holds: an expression over fields, as in claims, and "
                    "measures of one run, like final(loss)"),
        OPTION_INT("limit", &choice.most, "N", 1, 2147483647,
                   "no more than the first N of them, and looks no further"),
        OPTION_FLAG("json", &json, "JSON Lines on stdout, as 'fovea run --json' prints them"),
        OPTION_FLAG("digest", &digest,
                    "print a digest of everything computed, times excepted: equal digests are "
                    "equal results, bit for bit"),
        OPTION_FLAG(
            "check", &check,
            "hold everything that is stored against its digests and let SQLite look at its "
            "pages, DIR/eval.db too where there is one; a line for whatever is damaged, and exit "
            "code 1"),
        OPTION_FLAG(
            "write", &writes,
            "with --check: first give runs of older stores the digests that they lack, make "
            "the indexes anew, and move rows without a run to the table damaged"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "runs DIR [show RUN | delete RUN ...] [key=value ...] [options]\n"
                    "       fovea runs merge INTO FROM ... [options]",
        .about = "Lists the runs of a store, DIR/fovea.db; with key=value only those that have "
                 "this value of a field, of outcome or of experiment. 'show' prints one run, "
                 "'delete' removes runs. RUN is an id or its first 4 or more digits. 'merge' adds "
                 "the runs of the stores FROM to the store INTO, all or none of them; a run that "
                 "two stores have with different results is an error.",
        .example = "fovea runs out task.vocab_size=100 outcome=done\n"
                   "fovea runs out --where 'final(accuracy) < 0.9 and model.n_embd > 1' --limit 5\n"
                   "fovea runs out show 3fa2\n"
                   "fovea runs out --digest\n"
                   "fovea runs out --check\n"
                   "fovea runs merge out share-1 share-2",
        .min_operands = 1,
        .max_operands = -1,
        .overrides = true};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    if (writes && !check) return tool_usage_error("runs --write belongs to --check");
    bool merges = strcmp(operands.items[0], "merge") == 0;
    bool chooses = operands.n_overrides > 0 || choice.where != NULL || choice.most > 0;
    if ((merges || operands.n > 1 || digest) && chooses)
        return tool_usage_error("runs: %s among runs that are listed, and there is '%s'",
                                operands.n_overrides > 0 ? "key=value chooses"
                                                         : "--where and --limit choose",
                                digest ? "--digest" : operands.items[merges ? 0 : 1]);
    if (check && (digest || operands.n > 1 || chooses))
        return tool_usage_error("runs --check is of a whole store, as in 'fovea runs out --check'");
    if (merges) {
        if (digest) return tool_usage_error("runs merge has no --digest");
        if (operands.n < 3)
            return tool_usage_error("runs merge needs a store to add to and stores to add, as in "
                                    "'fovea runs merge out share-1 share-2'");
        return runs_merge(operands.items[1], operands.items + 2, operands.n - 2, json);
    }
    const char *action = operands.n > 1 ? operands.items[1] : "list";
    bool shows = strcmp(action, "show") == 0, deletes = strcmp(action, "delete") == 0;
    if (operands.n > 1 && !shows && !deletes)
        return tool_usage_error("runs can 'show' or 'delete', not '%s'", action);
    if (deletes && (digest || json))
        return tool_usage_error("runs DIR delete prints neither --digest nor --json");
    if ((shows && operands.n != 3) || (deletes && operands.n < 3))
        return tool_usage_error("runs DIR %s needs %s", action,
                                shows ? "the id of one run" : "the ids of runs");

    int evaluated = EXIT_DONE;
    if (check && runs_folder_has(operands.items[0], "eval.db")) {
        evaluated = runs_check_evaluation(operands.items[0], json);
        if (!runs_folder_has(operands.items[0], "fovea.db")) return evaluated;
    }
    choice.filter = (run_filter){operands.overrides, operands.n_overrides};
    fv_store *store;
    run_target target;
    fv_error error = {0};
    if (runs_choice_check(&choice, &error) != FV_OK ||
        target_open(operands.items[0], deletes || writes ? FV_STORE_WRITE : FV_STORE_READ, &target,
                    &store, &error) != FV_OK)
        return tool_fail(&error);
    const char *id = target.id[0] != '\0' ? target.id : NULL;
    if (check && id != NULL)
        exit_code =
            tool_usage_error("runs --check is of a whole store, as in 'fovea runs out --check'");
    else if (check)
        exit_code = runs_check(store, evaluated, writes, json);
    else if (deletes)
        exit_code = delete_runs(store, operands.items + 2, operands.n - 2);
    else if (digest)
        exit_code = print_digest(store, shows ? operands.items[2] : id, json);
    else if (shows || id != NULL)
        exit_code = show_run(store, shows ? operands.items[2] : id, json);
    else
        exit_code = runs_list(store, &choice, json);
    fv_store_close(store);
    return exit_code;
}
