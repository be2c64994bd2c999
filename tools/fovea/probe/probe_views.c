// The two views of what `fovea probe` found: JSON, and tables for people.
#include "probe/probe_findings.h"
#include "table.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_TOP = 5,          // predictions shown at each position
    MAX_MAP_TEXT = 16,  // longest context whose whole attention map is printed
    N_KEYS = 8,         // of longer ones: the keys with most attention,
    N_QUERIES = 8,      // of the first queries
    MAX_LIST_TEXT = 10, // longest list of one probe printed number by number
    MAX_QK_TEXT = 8,    // widest circuit printed,
    MAX_QK_JSON = 64    // and given as JSON
};

// --- JSON --------------------------------------------------------------------------------------

static json_t *numbers_json(const float *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, tool_number_json(values[i]));
    return list;
}

static json_t *integers_json(const int32_t *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(values[i]));
    return list;
}

// [layer][head][query][key]
static json_t *patterns_json(const probe_findings *f) {
    json_t *layers = json_array();
    const float *row = f->patterns;
    for (int l = 0; l < f->n_attention; l++) {
        json_t *heads = json_array();
        for (int h = 0; h < f->H; h++) {
            json_t *queries = json_array();
            for (int q = 0; q < f->T; q++, row += f->T)
                json_array_append_new(queries, numbers_json(row, f->T));
            json_array_append_new(heads, queries);
        }
        json_array_append_new(layers, heads);
    }
    return layers;
}

static json_t *predictions_json(const probe_findings *f) {
    json_t *list = json_array();
    for (int i = 0; i < f->n_loss; i++) {
        int tokens[N_TOP];
        double probabilities[N_TOP];
        int n = probe_top(f, i, N_TOP, tokens, probabilities);
        json_t *top = json_array();
        for (int k = 0; k < n; k++)
            json_array_append_new(top, json_pack("{s:i, s:o}", "token", tokens[k], "probability",
                                                 tool_number_json(probabilities[k])));
        json_t *target = f->targets[i] < 0 ? json_null() : json_integer(f->targets[i]);
        json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "position", f->loss_positions[i],
                                              "target", target, "top", top));
    }
    return list;
}

static json_t *matrix_json(const double *values, int n) {
    json_t *rows = json_array();
    for (int i = 0; i < n; i++) {
        json_t *row = json_array();
        for (int j = 0; j < n; j++)
            json_array_append_new(row, tool_number_json(values[(size_t)i * n + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *circuits_json(const probe_findings *f) {
    json_t *circuits = json_object();
    int d = fv_model_sizes_of(f->subject->model).n_embd;
    for (int l = 0; l < f->n_attention && d <= MAX_QK_JSON; l++)
        for (int h = 0; h < f->H; h++) {
            char name[64];
            double *circuit = probe_qk_circuit(f, l, h, name);
            if (circuit != NULL) json_object_set_new(circuits, name, matrix_json(circuit, d));
            free(circuit);
        }
    return circuits;
}

json_t *probe_findings_json(const probe_findings *f) {
    json_t *probes = json_object();
    for (int i = 0; i < f->measured.n_series; i++)
        json_object_set_new(probes, f->measured.series[i].name,
                            tool_number_json(f->measured.series[i].values[0]));
    const probe_subject *s = f->subject;
    json_t *step = s->step < 0 ? json_null() : json_integer(s->step);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model", s->name, "step", step,
                     "config", tool_config_json(s->config), "probes", probes, "tokens",
                     integers_json(f->tokens, f->T), "predictions", predictions_json(f), "circuits",
                     circuits_json(f), "patterns", patterns_json(f));
}

// --- tables ------------------------------------------------------------------------------------

// How many series from `first` on are of one list, name[0], name[1], ...
static int list_length(const fv_record *measured, int first) {
    const fv_series *series = measured->series;
    size_t stem = strcspn(series[first].name, "[");
    int n = 1;
    while (series[first].name[stem] == '[' && first + n < measured->n_series &&
           strncmp(series[first + n].name, series[first].name, stem + 1) == 0)
        n++;
    return n;
}

// Long lists, as of a loss for every token, as one row; --json has all.
static void add_list(table *t, const fv_series *series, int n) {
    double lowest = INFINITY, highest = -INFINITY;
    for (int i = 0; i < n; i++) {
        lowest = fmin(lowest, series[i].values[0]);
        highest = fmax(highest, series[i].values[0]);
    }
    table_add(t, "%.*s (%d)", (int)strcspn(series->name, "["), series->name, n);
    table_add(t, "%.4g to %.4g", lowest, highest);
}

static int print_probes(const probe_findings *f) {
    table t;
    table_init(&t, 2);
    table_add(&t, "probe");
    table_add(&t, "value");
    for (int i = 0, n; i < f->measured.n_series; i += n) {
        const fv_series *series = &f->measured.series[i];
        n = list_length(&f->measured, i);
        if (n > MAX_LIST_TEXT) {
            add_list(&t, series, n);
            continue;
        }
        n = 1;
        table_add(&t, "%s", series->name);
        table_add_number(&t, series->values[0]);
    }
    return table_show(&t);
}

static void print_circuit(const char *name, const double *circuit, int d) {
    printf("\n%s, W_Q W_K^T: how a query (row) and a key (column) direction attract\n", name);
    for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) printf(" %9.3f", circuit[(size_t)i * d + j]);
        putchar('\n');
    }
}

static void print_circuits(const probe_findings *f) {
    int d = fv_model_sizes_of(f->subject->model).n_embd;
    if (f->n_attention > 0 && d > MAX_QK_TEXT)
        printf("\nQK circuits of width %d are too wide to print%s\n", d,
               d <= MAX_QK_JSON ? " (--json has them)" : "");
    for (int l = 0; l < f->n_attention && d <= MAX_QK_TEXT; l++)
        for (int h = 0; h < f->H; h++) {
            char name[64];
            double *circuit = probe_qk_circuit(f, l, h, name);
            if (circuit != NULL) print_circuit(name, circuit, d);
            free(circuit);
        }
}

// Keys across, queries down; keys that a query cannot see stay empty.
static int print_map(const probe_findings *f, const float *map) {
    table t;
    table_init(&t, f->T + 1);
    table_add(&t, "query");
    for (int k = 0; k < f->T; k++) table_add(&t, "%d", f->tokens[k]);
    for (int q = 0; q < f->T; q++) {
        table_add(&t, "%d", f->tokens[q]);
        for (int k = 0; k < f->T; k++)
            if (k <= q)
                table_add(&t, "%.3f", map[q * f->T + k]);
            else
                table_add(&t, ".");
    }
    return table_show(&t);
}

// The keys that get most attention from the query at `position`, largest first.
static void print_largest_keys(const probe_findings *f, const float *row, int position) {
    int taken[N_KEYS];
    printf("query at %d (token %d):", position, f->tokens[position]);
    for (int n = 0; n < N_KEYS && n <= position; n++) {
        int best = -1;
        for (int k = 0; k <= position; k++) {
            bool used = false;
            for (int j = 0; j < n; j++) used |= taken[j] == k;
            if (!used && (best < 0 || row[k] > row[best])) best = k;
        }
        taken[n] = best;
        printf("%s %d at %d %.3f", n > 0 ? "," : "", f->tokens[best], best, row[best]);
    }
    putchar('\n');
}

static void say_what_is_left_out(const probe_findings *f) {
    int longest = f->loss_positions[f->n_loss - 1] + 1; // keys of the last query
    if (longest > N_KEYS) printf(", the %d largest of each query", N_KEYS);
    if (f->n_loss > N_QUERIES) printf(", %d of %d queries", N_QUERIES, f->n_loss);
    if (longest > N_KEYS || f->n_loss > N_QUERIES) printf(" (--json has all)");
}

static int print_patterns(const probe_findings *f) {
    int exit_code = EXIT_DONE;
    for (int m = 0; exit_code == EXIT_DONE && m < f->n_attention * f->H; m++) {
        const float *map = f->patterns + (size_t)m * (size_t)f->T * (size_t)f->T;
        printf("\nattention of layer %d", m / f->H);
        if (f->H > 1) printf(", head %d", m % f->H);
        if (f->T > MAX_MAP_TEXT) say_what_is_left_out(f);
        putchar('\n');
        if (f->T <= MAX_MAP_TEXT) {
            exit_code = print_map(f, map);
            continue;
        }
        for (int i = 0; i < f->n_loss && i < N_QUERIES; i++)
            print_largest_keys(f, map + (size_t)f->loss_positions[i] * (size_t)f->T,
                               f->loss_positions[i]);
    }
    return exit_code;
}

static void print_predictions(const probe_findings *f) {
    printf("\npredictions");
    if (f->V > N_TOP) printf(", the %d likeliest of %d tokens", N_TOP, f->V);
    putchar('\n');
    for (int i = 0; i < f->n_loss; i++) {
        int tokens[N_TOP];
        double probabilities[N_TOP];
        int n = probe_top(f, i, N_TOP, tokens, probabilities);
        printf("at %d:", f->loss_positions[i]);
        for (int k = 0; k < n; k++)
            printf("%s %d %.3f", k > 0 ? "," : "", tokens[k], probabilities[k]);
        if (f->targets[i] >= 0) printf("   target %d", f->targets[i]);
        putchar('\n');
    }
}

int probe_findings_print(const probe_findings *f) {
    const probe_subject *s = f->subject;
    printf("%s", s->name);
    if (s->step >= 0) printf(", step %d", s->step);
    printf(": V %d, d %d, H %d, T %d\n\n", f->V, fv_model_sizes_of(s->model).n_embd, f->H, f->T);
    int exit_code = print_probes(f);
    if (exit_code != EXIT_DONE) return exit_code;
    print_circuits(f);
    printf("\ninput");
    for (int i = 0; i < f->T; i++) printf(" %d", f->tokens[i]);
    putchar('\n');
    exit_code = print_patterns(f);
    if (exit_code == EXIT_DONE) print_predictions(f);
    return exit_code;
}
