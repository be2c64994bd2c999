// Where a served model is asked: what --endpoint gives, taken apart.
#ifndef FOVEA_SERVED_ADDRESS_H
#define FOVEA_SERVED_ADDRESS_H

#include <fovea/status.h>
#include <stdbool.h>

// Of "http://host:8000" or "http://host:8000/v1":
typedef struct address {
    char *root;  // "http://host:8000", where a server's own paths begin
    char *base;  // "http://host:8000/v1", where the API begins
    char *query; // "?api-version=2024-10-21", of all requests to the API, or ""
    char *url;   // "http://host:8000/v1/chat/completions"
    char *
        identity; // `base` and query with the host in small letters and no usual port: whose answers
} address;

// A host alone has its API at /v1. A path that is given is kept as it is: other versions have other
// ones ("/v1beta/openai", "/api/v3"), and a whole address of completions is asked as it is. A
// query is kept, but none that names a secret.
// FV_USAGE for what is no http address, has a password in it, or is of the other API.
fv_status address_read(const char *endpoint, bool chat, address *out, fv_error *error);
void address_free(address *at);

// What answers of a model at this address are kept under where the user names nothing:
// "llama at host:8000", with the path where it is not /v1. The caller frees it; NULL without memory.
char *address_label(const address *at, const char *model);

#endif
