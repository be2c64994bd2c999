#include "table.h"

#include "tool.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(table *t, int n_columns) {
    *t = (table){.n_columns = n_columns};
}

static bool make_room(table *t) {
    if (t->n < t->capacity) return true;
    int capacity = t->capacity ? 2 * t->capacity : 256;
    char **cells = realloc(t->cells, (size_t)capacity * sizeof *cells);
    if (cells == NULL) return false;
    t->cells = cells;
    t->capacity = capacity;
    return true;
}

void table_add(table *t, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fv_printable(text, sizeof text);
    char *cell = make_room(t) ? strdup(text) : NULL;
    t->failed |= cell == NULL;
    if (cell != NULL) t->cells[t->n++] = cell;
}

void table_add_texts(table *t, const char *const *texts) {
    for (; *texts != NULL; texts++) table_add(t, "%s", *texts);
}

void table_add_number(table *t, double value) {
    if (isfinite(value))
        table_add(t, "%.4g", value);
    else
        table_add(t, "-");
}

static bool is_number(const char *text) {
    char *end;
    if (strcmp(text, "-") == 0) return true;
    strtod(text, &end);
    return end != text && *end == '\0';
}

// A column's width, and whether its cells are all numbers, which then stand to the right.
typedef struct column {
    size_t width;
    bool is_text, has_cells;
} column;

static void measure_row(column *columns, char *const *cells, int n, bool header) {
    for (int c = 0; c < n; c++) {
        size_t length = strlen(cells[c]);
        if (length > columns[c].width) columns[c].width = length;
        if (header) continue;
        columns[c].has_cells = true;
        columns[c].is_text = columns[c].is_text || !is_number(cells[c]);
    }
}

// No blanks at the end of a line.
static void print_row(const column *columns, char *const *cells, int n, FILE *out) {
    for (int c = 0; c < n; c++) {
        bool left = columns[c].is_text || !columns[c].has_cells, last = c == n - 1;
        int width = (int)columns[c].width;
        fprintf(out, "%*s%s",
                left && last ? 0
                : left       ? -width
                             : width,
                cells[c], last ? "\n" : "  ");
    }
}

bool table_print(const table *t, FILE *out) {
    column *columns = calloc((size_t)t->n_columns, sizeof *columns);
    bool whole = columns != NULL && !t->failed;
    for (int i = 0; whole && i < t->n; i += t->n_columns)
        measure_row(columns, t->cells + i, t->n_columns, i == 0);
    for (int i = 0; whole && i < t->n; i += t->n_columns)
        print_row(columns, t->cells + i, t->n_columns, out);
    free(columns);
    return whole;
}

static void empty(table *t) {
    for (int i = 0; i < t->n; i++) free(t->cells[i]);
    t->n = 0;
}

int table_show_rows(int n_columns, int n, void (*add_cells)(void *context, int row, table *t),
                    void *context) {
    table t;
    table_init(&t, n_columns);
    column *columns = calloc((size_t)n_columns, sizeof *columns);
    t.failed = columns == NULL;
    for (int pass = 0; pass < 2; pass++)
        for (int row = -1; row < n && !t.failed; row++) {
            empty(&t);
            add_cells(context, row, &t);
            if (t.failed) break;
            if (pass == 0)
                measure_row(columns, t.cells, n_columns, row < 0);
            else
                print_row(columns, t.cells, n_columns, stdout);
        }
    bool done = !t.failed;
    free(columns);
    table_free(&t);
    return done ? EXIT_DONE : tool_no_memory();
}

void table_free(table *t) {
    for (int i = 0; i < t->n; i++) free(t->cells[i]);
    free(t->cells);
    *t = (table){0};
}

int table_show(table *t) {
    bool done = table_print(t, stdout);
    table_free(t);
    return done ? EXIT_DONE : tool_no_memory();
}
