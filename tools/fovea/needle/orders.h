// `fovea middle --order`: what the order of documents does.
#ifndef FOVEA_TOOL_ORDERS_H
#define FOVEA_TOOL_ORDERS_H

#include "needle/ask_served.h"

#include <stdio.h>

enum { ORDERS_TEXT = 128 }; // bytes

// Writes the tasks that --order stands for, "qa_ends,qa_rank", into `tasks` [ORDERS_TEXT]. EXIT_DONE,
// or wrong usage after a message.
int orders_read(const char *order, const char *task, char *tasks);

// Prints every two orders that were asked, as a table on `out` or as lines of JSON on stdout.
fv_status orders_print(FILE *out, bool json, fv_served *served, fv_error *error);

#endif
