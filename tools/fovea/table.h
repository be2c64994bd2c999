// A table as plain text: columns as wide as their widest cell, numbers to the right.
#ifndef FOVEA_TOOL_TABLE_H
#define FOVEA_TOOL_TABLE_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct table {
    int n_columns;
    int n, capacity; // cells, headers included
    char **cells;
    bool failed; // out of memory: nothing is printed
} table;

// Starts a table; the first n_columns cells are the headers.
void table_init(table *t, int n_columns);

// Adds the next cell, row by row.
void table_add(table *t, const char *format, ...) FV_PRINTF(2, 3);

// Adds every text of a list ended by NULL.
void table_add_texts(table *t, const char *const *texts);

// Adds a number in short form; "-" where it is not finite.
void table_add_number(table *t, double value);

// Prints the table; false where memory was or is short.
bool table_print(const table *t, FILE *out);
void table_free(table *t);

// Prints a table of n rows and their headers, row -1, on stdout. Every row is made twice, by
// `add_cells` with n_columns cells, so that no more than one is kept. Returns EXIT_DONE, or
// EXIT_FAILED with a message.
int table_show_rows(int n_columns, int n, void (*add_cells)(void *context, int row, table *t),
                    void *context);

// Prints the table on stdout and frees it. Returns EXIT_DONE, or EXIT_FAILED with a message.
int table_show(table *t);

#endif
