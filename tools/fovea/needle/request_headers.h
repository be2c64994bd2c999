// --header "NAME: VALUE": more headers of every request. $NAME or ${NAME} in a value stands for that
// variable of the environment, so that no secret is typed where others can read it.
#ifndef FOVEA_TOOL_REQUEST_HEADERS_H
#define FOVEA_TOOL_REQUEST_HEADERS_H

#include "options.h"

typedef struct request_headers {
    char *lines[OPTION_MOST_TEXTS];   // [n]
    char *secrets[OPTION_MOST_TEXTS]; // [n_secrets]: values from the environment
    int n, n_secrets;
} request_headers;

// Starts with {0}. EXIT_DONE, or wrong usage after a message.
int request_headers_read(const char *verb, const option_texts *texts, request_headers *out);
void request_headers_free(request_headers *headers);

#endif
