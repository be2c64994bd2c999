// What a crossover benchmark found: tables, crossing points, the verdict on the claim, the figure.
#include "bench/crossing.h"
#include "bench/crossover.h"
#include "quantity.h"
#include "table.h"
#include "tool.h"

#include <math.h>
#include <string.h>

enum { MAX_CROSSINGS = 8 };

static const struct {
    const char *name, *title, *label;
    double unit;
} MEASURES[CROSSOVER_N_MEASURES] = {
    [CROSSOVER_FORWARD] = {"forward", "One forward pass of a layer", "ms", 1e-3},
    [CROSSOVER_TOKEN] = {"token", "One more token after n", "µs", 1e-6},
    [CROSSOVER_MEMORY] = {"memory", "Memory that a pass holds beside the weights", "MB", 1e6},
    [CROSSOVER_KEPT] = {"kept", "Memory kept for the next token", "MB", 1e6},
};

static const char *const ABOUT[CROSSOVER_N_LAYERS] = {
#define ABOUT_LAYER(name, label, about) about,
    CROSSOVER_LAYERS(ABOUT_LAYER)
#undef ABOUT_LAYER
};

// --- what follows from the numbers ---------------------------------------------------------------

static int crossings_of(const crossover *c, int measure, int layer, double *at) {
    int n = crossings(c->n, c->length, c->value[measure][CROSSOVER_DENSE], c->value[measure][layer],
                      MAX_CROSSINGS, at);
    return n < MAX_CROSSINGS ? n : MAX_CROSSINGS;
}

// Three digits: more are not in a measurement.
static double rounded(double x) {
    double digit = pow(10, floor(log10(x)) - 2);
    return round(x / digit) * digit;
}

// "from n = 1230 on", or what else is true of the layer against dense attention.
static void describe(const crossover *c, int measure, int layer, char *text, size_t size) {
    const double *dense = c->value[measure][CROSSOVER_DENSE], *other = c->value[measure][layer];
    double at[MAX_CROSSINGS];
    int n = crossings_of(c, measure, layer, at);
    bool below = other[c->n - 1] < dense[c->n - 1];
    int first = 0;
    while (first + 1 < c->n && other[first] >= dense[first]) first++;
    if (n == 0 && below && first > 0)
        snprintf(text, size, "from n = %.0f on, the same before", c->length[first]);
    else if (n == 0)
        snprintf(text, size, below ? "at every length measured" : "at no length measured");
    else
        snprintf(text, size, below ? "from n = %.0f on%s" : "not beyond n = %.0f%s",
                 rounded(at[n - 1]), n > 1 ? ", crossing more than once" : "");
}

// Index of a length, or -1.
static int index_of(const crossover *c, double length) {
    for (int i = 0; i < c->n; i++)
        if (c->length[i] == length) return i;
    return -1;
}

static const char CLAIM[] = "attention is faster at 1K, Mamba from 16K on";

typedef enum verdict {
    UNCHECKED, // lengths stop below
    HOLDS,
    PARTLY,
    FAILS,
} verdict;
static const char *const VERDICTS[] = {[UNCHECKED] = "not checked",
                                       [HOLDS] = "reproduced",
                                       [PARTLY] = "partly",
                                       [FAILS] = "not reproduced"};

static verdict judge_claim(const crossover *c, char *text, size_t size) {
    const double *dense = c->value[CROSSOVER_FORWARD][CROSSOVER_DENSE];
    const double *mamba = c->value[CROSSOVER_FORWARD][CROSSOVER_MAMBA];
    int early = index_of(c, 1024), late = index_of(c, 16384);
    if (early < 0 || late < 0) {
        snprintf(text, size, "lengths stop at %.0f; --max-n 16384 or more checks it",
                 c->length[c->n - 1]);
        return UNCHECKED;
    }
    bool first = dense[early] < mamba[early], second = true;
    for (int i = late; i < c->n; i++) second = second && mamba[i] < dense[i];
    snprintf(text, size,
             "at 1024 dense attention takes %.2f of Mamba's time, at 16384 %.2f, at %.0f %.2f",
             dense[early] / mamba[early], dense[late] / mamba[late], c->length[c->n - 1],
             dense[c->n - 1] / mamba[c->n - 1]);
    return first && second ? HOLDS : first || second ? PARTLY : FAILS;
}

// --- text ----------------------------------------------------------------------------------------

static int print_table(const crossover *c, int measure) {
    table t;
    table_init(&t, CROSSOVER_N_LAYERS + 1);
    table_add(&t, "n");
    for (int l = 0; l < CROSSOVER_N_LAYERS; l++) table_add(&t, "%s", crossover_names[l]);
    for (int i = 0; i < c->n; i++) {
        table_add(&t, "%.0f", c->length[i]);
        for (int l = 0; l < CROSSOVER_N_LAYERS; l++)
            table_add_number(&t, c->value[measure][l][i] / MEASURES[measure].unit);
    }
    printf("\n%s, %s\n", MEASURES[measure].title, MEASURES[measure].label);
    return table_show(&t);
}

int crossover_print(const crossover *c) {
    char text[160];
    int last = c->n - 1;
    printf("%s, %s kernels, one thread; width %d, heads %d; fp32\n", fv_machine_cpu(),
           fv_kernels_name(), CROSSOVER_WIDTH, CROSSOVER_HEADS);
    for (int l = 0; l < CROSSOVER_N_LAYERS; l++)
        printf("  %-14s %s: %.2f of this core's peak at n = %.0f\n", crossover_names[l], ABOUT[l],
               c->limit[l][last] / c->value[CROSSOVER_FORWARD][l][last], c->length[last]);
    int code = EXIT_DONE;
    for (int k = 0; code == EXIT_DONE && k < CROSSOVER_N_MEASURES; k++) code = print_table(c, k);
    if (code != EXIT_DONE) return code;
    for (int k = 0; k < CROSSOVER_N_MEASURES; k++) {
        printf("\n%s: less than dense\n", MEASURES[k].title);
        for (int l = CROSSOVER_DENSE + 1; l < CROSSOVER_N_LAYERS; l++) {
            describe(c, k, l, text, sizeof text);
            printf("  %-14s %s\n", crossover_names[l], text);
        }
    }
    verdict given = judge_claim(c, text, sizeof text);
    printf("\nClaim: %s\n  %s: %s\n", CLAIM, VERDICTS[given], text);
    return EXIT_DONE;
}

// --- JSON ----------------------------------------------------------------------------------------

static json_t *config_json(int layer, double n) {
    json_t *config = json_pack("{s:s, s:f, s:i, s:s}", "layer", crossover_names[layer], "n", n,
                               "d_model", CROSSOVER_WIDTH, "about", ABOUT[layer]);
    if (config && layer != CROSSOVER_MAMBA)
        json_object_set_new(config, "n_head", json_integer(CROSSOVER_HEADS));
    return config;
}

static int print_case(const crossover *c, int layer, int at) {
    char name[48];
    double seconds = c->value[CROSSOVER_FORWARD][layer][at], limit = c->limit[layer][at];
    snprintf(name, sizeof name, "%s n%.0f", crossover_names[layer], c->length[at]);
    return tool_print_json(json_pack(
        "{s:s, s:o, s:f, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:s, s:s}", "name", name, "config",
        config_json(layer, c->length[at]), "best", 1e3 * seconds, "passes", c->passes[layer][at],
        "unit", "ms", "limit", 1e3 * limit, "fraction_of_limit", limit / seconds, "token_us",
        1e6 * c->value[CROSSOVER_TOKEN][layer][at], "memory_bytes",
        c->value[CROSSOVER_MEMORY][layer][at], "kept_bytes", c->value[CROSSOVER_KEPT][layer][at],
        "kernels", fv_kernels_name(), "cpu", fv_machine_cpu()));
}

static int print_crossings(const crossover *c, int measure, int layer) {
    double at[MAX_CROSSINGS];
    int n = crossings_of(c, measure, layer, at), last = c->n - 1;
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, tool_number_json(at[i]));
    return tool_print_json(
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:b}", "name", "crossing", "measure",
                  MEASURES[measure].name, "layer", crossover_names[layer], "against",
                  crossover_names[CROSSOVER_DENSE], "n", list, "less_at_longest",
                  c->value[measure][layer][last] < c->value[measure][CROSSOVER_DENSE][last]));
}

int crossover_print_json(const crossover *c) {
    int code = EXIT_DONE;
    char text[160];
    for (int l = 0; l < CROSSOVER_N_LAYERS; l++)
        for (int i = 0; code == EXIT_DONE && i < c->n; i++) code = print_case(c, l, i);
    for (int k = 0; k < CROSSOVER_N_MEASURES; k++)
        for (int l = CROSSOVER_DENSE + 1; code == EXIT_DONE && l < CROSSOVER_N_LAYERS; l++)
            code = print_crossings(c, k, l);
    if (code != EXIT_DONE) return code;
    verdict given = judge_claim(c, text, sizeof text);
    return tool_print_json(json_pack("{s:s, s:s, s:s, s:s}", "name", "claim", "statement", CLAIM,
                                     "verdict", VERDICTS[given], "note", text));
}

// --- the figure ----------------------------------------------------------------------------------

// Crossings as points that no line joins.
typedef struct marks {
    int n;
    double x[2 * MAX_CROSSINGS * CROSSOVER_N_LAYERS], y[2 * MAX_CROSSINGS * CROSSOVER_N_LAYERS];
} marks;

static double value_at(const crossover *c, const double *y, double x) {
    int i = 0;
    while (i + 2 < c->n && c->length[i + 1] < x) i++;
    double share = log(x / c->length[i]) / log(c->length[i + 1] / c->length[i]);
    return y[i] * pow(y[i + 1] / y[i], share);
}

static void add_marks(const crossover *c, int measure, marks *m) {
    double at[MAX_CROSSINGS];
    for (int l = CROSSOVER_DENSE + 1; l < CROSSOVER_N_LAYERS; l++) {
        int n = crossings_of(c, measure, l, at);
        for (int i = 0; i < n; i++) {
            m->x[m->n] = at[i];
            m->y[m->n++] =
                value_at(c, c->value[measure][CROSSOVER_DENSE], at[i]) / MEASURES[measure].unit;
            m->x[m->n] = m->y[m->n] = NAN;
            m->n++;
        }
    }
}

fv_status crossover_draw(const crossover *c, const char *folder, fv_error *error) {
    enum { LINES = CROSSOVER_N_LAYERS + 1 };
    static double y[CROSSOVER_N_MEASURES][CROSSOVER_N_LAYERS][CROSSOVER_MOST];
    static marks m[CROSSOVER_N_MEASURES];
    fv_chart_line lines[CROSSOVER_N_MEASURES][LINES];
    fv_chart_panel panels[CROSSOVER_N_MEASURES];
    memset(m, 0, sizeof m);
    for (int k = 0; k < CROSSOVER_N_MEASURES; k++) {
        for (int l = 0; l < CROSSOVER_N_LAYERS; l++) {
            for (int i = 0; i < c->n; i++) y[k][l][i] = c->value[k][l][i] / MEASURES[k].unit;
            lines[k][l] =
                (fv_chart_line){.label = crossover_names[l],
                                .style = l == CROSSOVER_HYBRID ? FV_CHART_DASHED : FV_CHART_LINE,
                                .n = c->n,
                                .x = c->length,
                                .y = y[k][l]};
        }
        add_marks(c, k, &m[k]);
        lines[k][CROSSOVER_N_LAYERS] =
            (fv_chart_line){"crosses dense", FV_CHART_POINTS, m[k].n, m[k].x, m[k].y};
        panels[k] = (fv_chart_panel){.title = MEASURES[k].title,
                                     .xlabel = "n, positions",
                                     .ylabel = MEASURES[k].label,
                                     .xlog = true,
                                     .ylog = true,
                                     .lines = lines[k],
                                     .n_lines = LINES};
    }
    char note[200];
    snprintf(
        note, sizeof note,
        "%s, one thread; width %d, %d heads, fp32. Block-sparse attention holds and keeps what "
        "dense attention does: their lines of memory coincide.",
        fv_machine_cpu(), CROSSOVER_WIDTH, CROSSOVER_HEADS);
    const fv_chart chart = {.title = "Attention and its alternatives over the context",
                            .note = note,
                            .panels = panels,
                            .n_panels = CROSSOVER_N_MEASURES};
    return tool_draw(&chart, folder, "crossover", error);
}
