// Of a run that is listed only what the table shows is kept, some 150 bytes, so that a store of a
// million runs can be listed: its configuration as what differs from the first one's.
#include "runs/runs_list.h"

#include "run_json.h"
#include "table.h"
#include "tool.h"
#include "varying.h"

#include <ctype.h>
#include <fovea/claim.h>
#include <fovea/config.h>
#include <fovea/probe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_FIELDS = 255 };

typedef struct run_row {
    char id[17];
    bool older;
    unsigned char outcome;
    int steps, numerics;
    const char *experiment, *kernels;               // in the listing's names
    double us_per_step, loss, perplexity, accuracy; // NAN: none, as of a run that diverged
    char *differs; // "\1value\0\7value\0": places of fields, from 1 on, and their values; "" at the
                   // end
} run_row;

typedef struct listing {
    const runs_choice *choice;
    bool json;
    int exit_code;
    int n, capacity, n_shown;
    run_row *rows;
    fv_config first;          // of the first row
    bool varies[MOST_FIELDS]; // the field differs in some row
    int n_names;
    char **names; // experiments and kernels, each once
    fv_divergence diverged;
} listing;

// --- what is kept of a run -----------------------------------------------------------------------

static double value_of(const fv_final *final, int n_final, const char *name) {
    for (int i = 0; i < n_final; i++)
        if (strcmp(final[i].name, name) == 0) return final[i].value;
    return NAN;
}

// The one copy of a text; NULL without memory. There are few: the last is looked at first.
static const char *name_of(listing *list, const char *text) {
    for (int i = list->n_names - 1; i >= 0; i--)
        if (strcmp(list->names[i], text) == 0) return list->names[i];
    char **names = realloc(list->names, (size_t)(list->n_names + 1) * sizeof *names);
    if (names == NULL) return NULL;
    list->names = names;
    char *copy = strdup(text);
    if (copy != NULL) list->names[list->n_names++] = copy;
    return copy;
}

// The fields in which the configuration is not the first one; NULL without memory.
static char *describe(listing *list, const fv_config *config) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n && i < MOST_FIELDS; i++) {
        char value[256];
        if (fv_config_same(&list->first, config, &fields[i])) continue;
        fv_config_get(config, &fields[i], value, sizeof value);
        fprintf(out, "%c%s%c", i + 1, value, '\0');
        list->varies[i] = true;
    }
    fputc('\0', out);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (!failed) return text;
    free(text);
    return NULL;
}

static fv_status add_row(listing *list, const fv_record *record, const char *experiment,
                         const fv_final *final, int n_final) {
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 64;
        run_row *rows = realloc(list->rows, (size_t)capacity * sizeof *rows);
        if (rows == NULL) return FV_NO_MEMORY;
        list->rows = rows;
        list->capacity = capacity;
    }
    if (list->n == 0) list->first = *record->config;
    if (record->outcome == FV_OUTCOME_DIVERGED) n_final = 0;
    run_row row = {.older = run_is_older(record),
                   .outcome = (unsigned char)record->outcome,
                   .steps = record->steps,
                   .numerics = record->numerics,
                   .experiment = name_of(list, experiment),
                   .kernels = name_of(list, run_kernels_text(record)),
                   .us_per_step = record->us_per_step,
                   .loss = value_of(final, n_final, "loss"),
                   .perplexity = value_of(final, n_final, "perplexity"),
                   .accuracy = value_of(final, n_final, "accuracy"),
                   .differs = describe(list, record->config)};
    memcpy(row.id, record->id, sizeof row.id);
    if (row.differs != NULL) list->rows[list->n++] = row;
    return row.differs != NULL && row.experiment && row.kernels ? FV_OK : FV_NO_MEMORY;
}

// --- choosing ------------------------------------------------------------------------------------

// A record whose series are its final values; fv_record_free frees it, also where this fails.
static fv_status make_brief(const fv_record *record, const fv_final *final, int n_final,
                            fv_record *brief) {
    *brief = *record;
    brief->config = NULL;
    fv_status status = fv_record_set_config(brief, record->config, NULL);
    for (int i = 0; status == FV_OK && i < n_final; i++)
        status = fv_record_add(brief, final[i].name, record->steps, (float) final[i].value);
    return status;
}

fv_status runs_choice_check(const runs_choice *choice, fv_error *error) {
    int n;
    const fv_probe *const *probes = fv_probes(&n);
    fv_status status = filter_check(&choice->filter, error);
    if (status != FV_OK || choice->where == NULL) return status;
    return fv_measure_check(choice->where, probes, n, error);
}

// Prints the run as `run --json` does.
static fv_status print_line(listing *list, const fv_record *brief, const char *experiment) {
    list->exit_code = tool_print_json(run_json(experiment, brief, true));
    return list->exit_code == EXIT_DONE ? FV_OK : FV_INTERRUPTED;
}

// Whether what stands before a bracket, n letters, asks nothing of a run's curves but their ends.
static bool is_of_ends(const char *word, size_t n) {
    static const char *const WORDS[] = {"final", "and",  "or",   "not",   "in",       "between",
                                        "is",    "case", "when", "then",  "else",     "like",
                                        "abs",   "max",  "min",  "round", "coalesce", NULL};
    for (int i = 0; WORDS[i] != NULL; i++)
        if (strlen(WORDS[i]) == n && strncasecmp(word, WORDS[i], n) == 0) return true;
    return n == 0;
}

// Whether the expression can be told from final values, which listings have at hand.
static bool asks_ends_only(const char *expression) {
    for (const char *open = strchr(expression, '('); open != NULL; open = strchr(open + 1, '(')) {
        const char *end = open;
        while (end > expression && isspace((unsigned char)end[-1])) end--;
        const char *word = end;
        while (word > expression && (isalnum((unsigned char)word[-1]) || word[-1] == '_')) word--;
        if (!is_of_ends(word, (size_t)(end - word))) return false;
    }
    return true;
}

typedef struct walk {
    listing *list;
    fv_store *store;
    bool ends_only;
    fv_error *error;
} walk;

// A run that lacks what is asked for is not chosen.
static fv_status choose(const walk *w, const fv_record *brief, bool *chosen) {
    const char *where = w->list->choice->where;
    fv_record whole;
    fv_error why = {0};
    double value = 0;
    fv_status status = FV_OK;
    if (w->ends_only) {
        status = fv_measure(where, brief, &value, &why);
    } else {
        status = fv_store_get(w->store, brief->id, &whole, &why);
        if (status != FV_OK) return fv_fail(w->error, status, "%s", why.text);
        status = fv_measure(where, &whole, &value, &why);
        fv_record_free(&whole);
    }
    *chosen = status == FV_OK && !isnan(value) && value != 0;
    return status == FV_USAGE ? FV_OK : status;
}

static fv_status take(const walk *w, const fv_record *record, const fv_record *brief,
                      const char *experiment, const fv_final *final, int n_final) {
    listing *list = w->list;
    fv_divergence_add(&list->diverged, record);
    list->n_shown++;
    return list->json ? print_line(list, brief, experiment)
                      : add_row(list, record, experiment, final, n_final);
}

static fv_status visit(void *context, const fv_record *record, const char *experiment,
                       const fv_final *final, int n_final) {
    const walk *w = context;
    listing *list = w->list;
    const runs_choice *choice = list->choice;
    fv_record brief;
    bool chosen = true;
    if (!filter_matches(&choice->filter, record, experiment)) return FV_OK;
    bool needs_brief = list->json || choice->where != NULL;
    fv_status status = needs_brief ? make_brief(record, final, n_final, &brief) : FV_OK;
    if (status != FV_OK) return status;
    if (choice->where != NULL) status = choose(w, &brief, &chosen);
    if (status == FV_OK && chosen) status = take(w, record, &brief, experiment, final, n_final);
    if (needs_brief) fv_record_free(&brief);
    if (status == FV_OK && choice->most > 0 && list->n_shown == choice->most) return FV_INTERRUPTED;
    return status;
}

// --- the table -----------------------------------------------------------------------------------

typedef struct view {
    const listing *list;
    const fv_field *varying[VARYING_MOST];
    int places[VARYING_MOST]; // among all fields
    int n_varying;
} view;

static void find_varying(view *v) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n && i < MOST_FIELDS && v->n_varying < VARYING_MOST; i++) {
        if (!v->list->varies[i]) continue;
        v->varying[v->n_varying] = &fields[i];
        v->places[v->n_varying++] = i;
    }
}

static void add_headers(const view *v, table *t) {
    static const char *const LEFT[] = {"run", "experiment", "outcome", NULL};
    static const char *const RIGHT[] = {"steps",    "us/step",  "loss",    "perplexity",
                                        "accuracy", "numerics", "kernels", NULL};
    table_add_texts(t, LEFT);
    for (int i = 0; i < v->n_varying; i++) table_add(t, "%s", v->varying[i]->key);
    table_add_texts(t, RIGHT);
}

// The row's values are in the order of fields, as the columns are.
static void add_varying(const view *v, const run_row *row, table *t) {
    const char *next = row->differs;
    for (int i = 0; i < v->n_varying; i++) {
        char text[256];
        while (*next != '\0' && (unsigned char)*next < v->places[i] + 1) next += strlen(next) + 1;
        if ((unsigned char)*next == v->places[i] + 1) {
            table_add(t, "%s", next + 1);
            continue;
        }
        fv_config_get(&v->list->first, v->varying[i], text, sizeof text);
        table_add(t, "%s", text);
    }
}

static void add_cells(void *context, int r, table *t) {
    const view *v = context;
    if (r < 0) {
        add_headers(v, t);
        return;
    }
    const run_row *row = &v->list->rows[r];
    table_add(t, "%s", row->id);
    table_add(t, "%s", row->experiment);
    table_add(t, "%s", fv_outcome_text((fv_outcome)row->outcome));
    add_varying(v, row, t);
    table_add(t, "%d", row->steps);
    table_add_number(t, row->us_per_step);
    table_add_number(t, row->loss);
    table_add_number(t, row->perplexity);
    table_add_number(t, row->accuracy);
    if (row->numerics > 0)
        table_add(t, "%d", row->numerics);
    else
        table_add(t, "before");
    table_add(t, "%s", row->kernels);
}

static int print_table(const listing *list) {
    view v = {.list = list};
    int n_older = 0;
    find_varying(&v);
    for (int r = 0; r < list->n; r++) n_older += list->rows[r].older;
    int exit_code = table_show_rows(10 + v.n_varying, list->n, add_cells, &v);
    if (exit_code == EXIT_DONE && n_older > 0)
        printf("\n%d of %d run%s of older numerics than this Fovea's, which trains them again when "
               "an experiment asks for them\n",
               n_older, list->n, list->n == 1 ? " is" : "s are");
    return exit_code;
}

static void free_listing(listing *list) {
    for (int i = 0; i < list->n; i++) free(list->rows[i].differs);
    for (int i = 0; i < list->n_names; i++) free(list->names[i]);
    free(list->rows);
    free(list->names);
}

int runs_list(fv_store *store, const runs_choice *choice, bool json) {
    listing list = {.choice = choice, .json = json};
    fv_error error = {0};
    walk w = {&list, store, choice->where != NULL && asks_ends_only(choice->where), &error};
    fv_status status = fv_store_each(store, visit, &w, &error);
    int exit_code = list.exit_code;
    if (status == FV_INTERRUPTED) status = FV_OK; // as many as were asked for, or nobody reads on
    if (status == FV_NO_MEMORY && error.text[0] == '\0')
        fv_fail(&error, FV_NO_MEMORY, "out of memory listing runs");
    if (status != FV_OK && exit_code == EXIT_DONE)
        exit_code = tool_fail(&error);
    else if (status == FV_OK && !json && list.n > 0)
        exit_code = print_table(&list);
    else if (status == FV_OK && !json)
        puts(choice->filter.n > 0 || choice->where != NULL ? "no run has these values"
                                                           : "the store has no runs yet");
    char diverged[128];
    if (exit_code == EXIT_DONE && fv_divergence_text(&list.diverged, diverged, sizeof diverged) > 0)
        fprintf(stderr, "%s\n", diverged);
    free_listing(&list);
    return exit_code;
}
