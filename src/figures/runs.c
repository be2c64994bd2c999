#include "figures/runs.h"

#include "config/as_written.h"
#include "lab/choose.h"
#include "lab/sweep.h"
#include "lab/where.h"

#include <ctype.h>
#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The letters of docs/notation.md.
#define SHORT_NAMES(X)                                                                             \
    X("task.vocab_size", "V")                                                                      \
    X("model.n_embd", "d")                                                                         \
    X("task.context_length", "C")                                                                  \
    X("model.n_head", "H")                                                                         \
    X("train.batch_size", "B")                                                                     \
    X("train.learning_rate", "lr")

// The fields that name a setting in every title; the first ones of the list above.
enum { N_TITLE_FIELDS = 3, MOST_PANELS = 64 };

static const struct {
    const char *key, *text;
} short_names[] = {
#define SHORT_NAME(key, text) {key, text},
    SHORT_NAMES(SHORT_NAME)
#undef SHORT_NAME
};
enum { N_SHORT_NAMES = sizeof short_names / sizeof *short_names };

static bool is_seed(const fv_field *field) {
    return strcmp(field->key, "train.seed") == 0;
}

// --- filtering ---------------------------------------------------------------------------------

// Drops the runs whose field has none of the values.
static fv_status keep_values(figure_view *view, const fv_option *option, const char *field,
                             fv_error *error) {
    figure_runs *runs = &view->runs;
    fv_error cause;
    if (where_check(option, field, &cause) != FV_OK)
        return figure_fail(view, option->key, error, "%s", cause.text);
    int n = 0;
    for (int i = 0; i < runs->n; i++) {
        if (!where_matches(option, field, runs->configs[i])) continue;
        runs->configs[n] = runs->configs[i];
        if (runs->records != NULL) runs->records[n] = runs->records[i];
        n++;
    }
    runs->n = n;
    if (n > 0) return FV_OK;
    return figure_fail(view, option->key, error,
                       "no run of the experiment has the value that `%s` asks for", option->key);
}

fv_status runs_select(figure_view *view, fv_error *error) {
    for (int i = 0; i < view->options->n; i++) {
        const fv_option *option = &view->options->items[i];
        const char *key = option->key;
        if (strcmp(key, "seed") == 0)
            key = "train.seed";
        else if (strncmp(key, "where.", 6) == 0)
            key += 6;
        else
            continue;
        fv_status status = keep_values(view, option, key, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

// --- splitting ---------------------------------------------------------------------------------

static bool same_group(const fv_config *a, const fv_config *b, const figure_partition *partition) {
    for (int f = 0; f < partition->n_fields; f++)
        if (!fv_config_same(a, b, partition->fields[f])) return false;
    return true;
}

static void assign_groups(const figure_runs *runs, figure_partition *partition) {
    for (int i = 0; i < runs->n; i++) {
        int g = 0;
        while (g < partition->n &&
               !same_group(runs->configs[i], runs->configs[partition->first[g]], partition))
            g++;
        if (g == partition->n) partition->first[partition->n++] = i;
        partition->group[i] = g;
    }
}

static bool has_field(const figure_partition *partition, const fv_field *field) {
    for (int f = 0; f < partition->n_fields; f++)
        if (partition->fields[f] == field) return true;
    return false;
}

static bool differs(const figure_runs *runs, const fv_field *field) {
    for (int i = 1; i < runs->n; i++)
        if (!fv_config_same(runs->configs[0], runs->configs[i], field)) return true;
    return false;
}

// A field that is chosen for each arm says nothing that the arm's own fields do not.
static void add_differing(const figure_runs *runs, const fv_choose *choose,
                          const figure_partition *const *taken, int n_taken,
                          figure_partition *partition) {
    int n_fields;
    const fv_field *fields = fv_fields(&n_fields);
    for (int f = 0; f < n_fields; f++) {
        bool skip = is_seed(&fields[f]) || choose_has(choose, &fields[f]);
        for (int t = 0; t < n_taken; t++) skip |= has_field(taken[t], &fields[f]);
        if (!skip && differs(runs, &fields[f]))
            partition->fields[partition->n_fields++] = &fields[f];
    }
}

fv_status runs_split(const figure_view *view, const char *key, bool otherwise_none,
                     const figure_partition *const *taken, int n_taken, figure_partition *partition,
                     fv_error *error) {
    const figure_runs *runs = &view->runs;
    const fv_option *option = fv_options_find(view->options, key);
    int n_fields;
    fv_fields(&n_fields);
    if (option != NULL && option->n_values > n_fields) n_fields = option->n_values;
    *partition = (figure_partition){
        .fields = scratch_get(view->scratch, (size_t)n_fields, sizeof *partition->fields),
        .group = scratch_get(view->scratch, (size_t)runs->n, sizeof *partition->group),
        .first = scratch_get(view->scratch, (size_t)runs->n, sizeof *partition->first)};
    if (partition->fields == NULL || partition->group == NULL || partition->first == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (option == NULL && !otherwise_none)
        add_differing(runs, view->experiment->choose, taken, n_taken, partition);
    for (int v = 0; option != NULL && v < option->n_values; v++)
        if (strcmp(option->values[v], "none") != 0)
            partition->fields[partition->n_fields++] = fv_field_find(option->values[v]);
    assign_groups(runs, partition);
    if (partition->n > MOST_PANELS && strcmp(key, "panel") == 0)
        return figure_fail(view, key, error,
                           "that makes %d panels, and a page holds %d; select with `where` or "
                           "name fewer fields in `panel`",
                           partition->n, MOST_PANELS);
    return FV_OK;
}

void runs_leave(const figure_view *view, const figure_partition *other,
                figure_partition *partition) {
    int n = 0;
    for (int f = 0; f < partition->n_fields; f++)
        if (!has_field(other, partition->fields[f])) partition->fields[n++] = partition->fields[f];
    partition->n_fields = n;
    partition->n = 0;
    assign_groups(&view->runs, partition);
}

// The first run that falls into the same groups as run i: one of `leaders`, [n_leaders], which gains i
// where there is none.
static int leader_of(int i, const figure_partition *const *partitions, int n_partitions,
                     int *leaders, int *n_leaders) {
    for (int l = *n_leaders - 1; l >= 0; l--) {
        bool together = true;
        for (int p = 0; p < n_partitions; p++)
            together = together && partitions[p]->group[i] == partitions[p]->group[leaders[l]];
        if (together) return leaders[l];
    }
    leaders[(*n_leaders)++] = i;
    return i;
}

fv_status runs_check_alike(const figure_view *view, const figure_partition *const *partitions,
                           int n_partitions, fv_error *error) {
    const figure_runs *runs = &view->runs;
    int n_fields, n_leaders = 0;
    const fv_field *fields = fv_fields(&n_fields);
    int *leaders = scratch_get(view->scratch, (size_t)runs->n, sizeof *leaders);
    if (leaders == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < runs->n; i++) {
        int j = leader_of(i, partitions, n_partitions, leaders, &n_leaders);
        for (int f = 0; j < i && f < n_fields; f++)
            if (!is_seed(&fields[f]) &&
                !fv_config_same(runs->configs[i], runs->configs[j], &fields[f]))
                return figure_fail(view, NULL, error,
                                   "runs that differ in %s would be drawn as one; %sselect one "
                                   "value with `where`",
                                   fields[f].key, n_partitions > 0 ? "add it to `panel` or " : "");
    }
    return FV_OK;
}

int runs_snapshot(const fv_record *record, double step) {
    int nearest = 0;
    for (int s = 1; s < record->n_snapshots; s++)
        if (fabs(record->snapshots[s].step - step) <= fabs(record->snapshots[nearest].step - step))
            nearest = s;
    return nearest;
}

fv_status runs_check_swept(const figure_view *view, const char *key, fv_error *error) {
    const fv_option *option = fv_options_find(view->options, key);
    for (int i = 0; i < option->n_values; i++)
        if (sweep_varies(view->experiment, fv_field_find(option->values[i]))) return FV_OK;
    const fv_field *field = fv_field_find(option->values[0]);
    fv_config first;
    char value[128];
    fv_experiment_config(view->experiment, 0, &first);
    fv_config_get(&first, field, value, sizeof value);
    return figure_fail(view, key, error,
                       "`%s` is %s, which is %s in every run; put it into `sweep` with several "
                       "values",
                       key, field->key, value);
}

// --- names -------------------------------------------------------------------------------------

const char *field_short(const fv_field *field) {
    for (int i = 0; i < N_SHORT_NAMES; i++)
        if (strcmp(short_names[i].key, field->key) == 0) return short_names[i].text;
    const char *dot = strchr(field->key, '.');
    return dot ? dot + 1 : field->key;
}

const char *field_label(figure_scratch *scratch, const fv_field *field) {
    const char *dot = strchr(field->key, '.'), *name = dot ? dot + 1 : field->key;
    const char *letter = field_short(field);
    if (strcmp(name, letter) == 0) return name;
    const char *both = scratch_text(scratch, "%s, %s", name, letter);
    return both ? both : name;
}

// The layers as an experiment file may write them, repetitions short: "[mamba*7, attention]".
static void write_layers(const fv_layers *layers, const char *const *names, char *text,
                         size_t size) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0, n; i < layers->n && used < size; i += n) {
        for (n = 1; i + n < layers->n && layers->kind[i + n] == layers->kind[i];) n++;
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
                                 names[layers->kind[i]]);
        if (n > 1 && used < size) used += (size_t)snprintf(text + used, size - used, "*%d", n);
    }
    if (used < size) snprintf(text + used, size - used, "]");
}

// Appends "name = value" to a text of `size` bytes; what does not fit is cut.
static void append_value(char *text, size_t size, const fv_config *config, const fv_field *field) {
    size_t used = strlen(text);
    char value[128];
    if (field->type == FV_TYPE_LAYERS)
        write_layers(&config->model.layers, field->choices, value, sizeof value);
    else
        fv_config_get(config, field, value, sizeof value);
    snprintf(text + used, size - used, "%s%s = %s", used ? ", " : "", field_short(field), value);
}

// Whether all runs of the panel of `run` have its value.
static bool is_shared(const figure_view *view, int run, const figure_partition *panels,
                      const fv_field *field) {
    for (int i = 0; i < view->runs.n; i++)
        if (panels->group[i] == panels->group[run] &&
            !fv_config_same(view->runs.configs[i], view->runs.configs[run], field))
            return false;
    return true;
}

char *runs_title(const figure_view *view, int run, const figure_partition *partition,
                 const figure_partition *without) {
    char text[256] = "";
    const fv_config *config = view->runs.configs[run];
    for (int i = 0; i < N_TITLE_FIELDS; i++) {
        const fv_field *field = fv_field_find(short_names[i].key);
        if ((without == NULL || !has_field(without, field)) &&
            is_shared(view, run, partition, field))
            append_value(text, sizeof text, config, field);
    }
    for (int f = 0; f < partition->n_fields; f++) {
        bool shown = false;
        for (int i = 0; i < N_TITLE_FIELDS; i++)
            shown |= strcmp(short_names[i].key, partition->fields[f]->key) == 0;
        if (!shown) append_value(text, sizeof text, config, partition->fields[f]);
    }
    return scratch_text(view->scratch, "%s", text);
}

char *runs_label(const figure_view *view, int run, const figure_partition *partition) {
    char text[256] = "";
    for (int f = 0; f < partition->n_fields; f++)
        if (partition->n_fields == 1 || partition->n == 1 ||
            differs(&view->runs, partition->fields[f]))
            append_value(text, sizeof text, view->runs.configs[run], partition->fields[f]);
    return scratch_text(view->scratch, "%s", text);
}

// The length of the dotted name that starts at `text`.
static size_t name_length(const char *text) {
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == '.') n++;
    return n;
}

char *expression_short(figure_scratch *scratch, const char *expression) {
    char *text = scratch_get(scratch, strlen(expression) + 1, 1), *at = text;
    if (text == NULL) return NULL;
    for (const char *c = expression; *c;) {
        size_t n = name_length(c);
        char key[64];
        const fv_field *field = NULL;
        if (n > 0 && n < sizeof key) {
            memcpy(key, c, n);
            key[n] = '\0';
            field = fv_field_find(key);
        }
        if (field != NULL) {
            at = stpcpy(at, field_short(field)); // never longer than the key
        } else {
            size_t copied = n > 0 ? n : 1;
            memcpy(at, c, copied);
            at += copied;
        }
        c += n > 0 ? n : 1;
    }
    return text;
}

char *expression_operand(figure_scratch *scratch, const char *expression) {
    char *text = expression_short(scratch, expression), *at = NULL;
    if (text == NULL) return NULL;
    strtod(text, &at);
    if (at == text) at += name_length(text);
    int depth = 0;
    if (*at == '(') // a call's arguments, or parentheses that are there already
        do {
            depth += (*at == '(') - (*at == ')');
            at++;
        } while (*at != '\0' && depth > 0);
    bool single = *at == '\0' && *text != '-';
    return single ? text : scratch_text(scratch, "(%s)", text);
}

char *series_label(figure_scratch *scratch, const char *series) {
    char root[64];
    size_t n = strcspn(series, ".[");
    if (n >= sizeof root) return scratch_text(scratch, "%s", series);
    memcpy(root, series, n);
    root[n] = '\0';
    for (char *c = root; *c; c++)
        if (*c == '_') *c = ' ';
    const char *rest = series + n, *last = strrchr(rest, '.');
    if (*rest == '\0') return scratch_text(scratch, "%s", root);
    if (*rest == '[' || last == NULL) return scratch_text(scratch, "%s%s", root, rest);
    int layer = 0;
    bool of_block = strncmp(rest, ".blocks.", strlen(".blocks.")) == 0;
    bool is_head = last[1] == 'h' && isdigit((unsigned char)last[2]);
    if (!of_block && (is_head || isdigit((unsigned char)last[1])))
        return scratch_text(scratch, "%s %s", root, rest + 1); // "ablation 0.h1"
    while (of_block && is_head && last > rest && *--last != '.') {
    } // "effective rank QK.h0"
    if (sscanf(rest, ".blocks.%d.", &layer) == 1 && layer > 0)
        return scratch_text(scratch, "%s %s, layer %d", root, last + 1, layer);
    return scratch_text(scratch, "%s %s", root, last + 1);
}
