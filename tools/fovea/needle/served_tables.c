#include "needle/served_tables.h"

#include "table.h"

#include <math.h>
#include <string.h>

static bool same_task(const fv_cell *a, const fv_cell *b) {
    return strcmp(a->task, b->task) == 0 && a->length == b->length;
}

static void add_place(table *t, const fv_cell *cell, bool first) {
    table_add(t, "%s", first ? cell->task : "");
    if (first)
        table_add(t, "%d %s", cell->length, cell->unit);
    else
        table_add(t, "%s", "");
    if (isnan(cell->depth))
        table_add(t, "%s", "");
    else
        table_add(t, "%g %%", cell->depth);
}

static void add_cell(table *t, const fv_cell *cell, bool first) {
    char others[160];
    double low, high;
    fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
    fv_cell_otherwise(cell, others, sizeof others);
    add_place(t, cell, first);
    if (fv_cell_asked(cell) > cell->n)
        table_add(t, "%d of %d, %d asked", cell->hits, cell->n, fv_cell_asked(cell));
    else
        table_add(t, "%d of %d", cell->hits, cell->n);
    table_add(t, "%.0f to %.0f %%", 100 * low, 100 * high);
    table_add(t, "%.1f", 100 * cell->score);
    table_add(t, "%s", *others ? others : "-");
}

// One row a cell, of the `n` cells from `begin` on. The cells of a task and length come from deep
// to shallow and are printed as the context reads.
static bool print_some(FILE *out, const fv_cells *cells, int begin, int n) {
    static const char *const HEADERS[] = {"task", "length", "depth",     "found",
                                          "95 %", "score",  "otherwise", NULL};
    table t;
    table_init(&t, 7);
    table_add_texts(&t, HEADERS);
    for (int i = begin, end; i < begin + n; i = end) {
        for (end = i + 1; end < begin + n && same_task(&cells->items[i], &cells->items[end]);)
            end++;
        for (int k = end - 1; k >= i; k--) add_cell(&t, &cells->items[k], k == end - 1);
    }
    bool printed = table_print(&t, out);
    table_free(&t);
    return printed;
}

static void add_number(table *t, double value, const char *unit) {
    if (value >= 100)
        table_add(t, "%.0f%s", value, unit);
    else if (value > 0)
        table_add(t, "%.3g%s", value, unit);
    else
        table_add(t, "%s", "-");
}

// How fast the answers of the cells came, where that is known.
static bool print_speeds(FILE *out, const fv_cells *cells, int begin, int n) {
    static const char *const HEADERS[] = {"task",   "length",   "depth",   "first token", "prefill",
                                          "decode", "timed by", "thought", NULL};
    bool any = false;
    for (int i = begin; i < begin + n; i++) any |= cells->items[i].speed.first_token > 0;
    if (!any) return true;
    table t;
    table_init(&t, 8);
    table_add_texts(&t, HEADERS);
    for (int i = begin, end; i < begin + n; i = end) {
        for (end = i + 1; end < begin + n && same_task(&cells->items[i], &cells->items[end]);)
            end++;
        for (int k = end - 1; k >= i; k--) {
            const fv_cell *cell = &cells->items[k];
            add_place(&t, cell, k == end - 1);
            add_number(&t, cell->speed.first_token, " s");
            add_number(&t, cell->speed.prefill, "");
            add_number(&t, cell->speed.decode, "");
            table_add(&t, "%s", *cell->speed.by != '\0' ? cell->speed.by : "-");
            add_number(&t, cell->thought_tokens, "");
        }
    }
    fputs("\ntokens a second, and of thought in an answer:\n", out);
    bool printed = table_print(&t, out);
    table_free(&t);
    return printed;
}

bool served_print_cells(FILE *out, const fv_cells *cells, const fv_served_options *o) {
    if (o == NULL) return print_some(out, cells, 0, cells->n);
    if (o->n_loads == 0)
        return print_some(out, cells, 0, cells->n) && print_speeds(out, cells, 0, cells->n);
    bool printed = true;
    for (int l = 0, n = cells->n / o->n_loads; l < o->n_loads; l++) {
        fprintf(out, "%s%d in flight:\n", l > 0 ? "\n" : "", o->loads[l]);
        printed &= print_some(out, cells, l * n, n) && print_speeds(out, cells, l * n, n);
    }
    return printed;
}
