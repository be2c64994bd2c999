// A request's lists and options, read into those of the library.
#ifndef FOVEA_TOOL_SERVED_LISTS_H
#define FOVEA_TOOL_SERVED_LISTS_H

#include "needle/ask_served.h"
#include "needle/request_headers.h"

enum { SERVED_MOST_LIST = 256 };

// The request's lists, read.
typedef struct served_lists {
    char *task_text;
    const char *tasks[64];
    int lengths[SERVED_MOST_LIST];
    double depths[SERVED_MOST_LIST];
    request_headers headers;
    int loads[SERVED_MOST_LIST];
    fv_served_options options;
} served_lists;

// EXIT_DONE, or wrong usage after a message. The lists are freed in either case.
int served_lists_read(const served_request *r, served_lists *l);
void served_lists_free(served_lists *l);

#endif
