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

// The column's width; negative, as printf takes it, where its cells are not all numbers.
static int width(const table *t, int column) {
    size_t widest = 0;
    bool numbers = t->n > t->n_columns;
    for (int i = column; i < t->n; i += t->n_columns) {
        size_t length = strlen(t->cells[i]);
        if (length > widest) widest = length;
        if (i >= t->n_columns) numbers = numbers && is_number(t->cells[i]);
    }
    return numbers ? (int)widest : -(int)widest;
}

bool table_print(const table *t, FILE *out) {
    int *widths = malloc((size_t)t->n_columns * sizeof *widths);
    if (widths == NULL || t->failed) {
        free(widths);
        return false;
    }
    for (int c = 0; c < t->n_columns; c++) widths[c] = width(t, c);
    for (int i = 0; i < t->n; i++) {
        int column = i % t->n_columns;
        bool last = column == t->n_columns - 1;
        // No blanks at the end of a line.
        fprintf(out, "%*s%s", last && widths[column] < 0 ? 0 : widths[column], t->cells[i],
                last ? "\n" : "  ");
    }
    free(widths);
    return true;
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
