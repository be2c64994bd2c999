// Which program serves a model, and which model: as far as it tells.
#ifndef FOVEA_SERVED_SERVER_NAME_H
#define FOVEA_SERVED_SERVER_NAME_H

#include "served/address.h"
#include "served/http.h"

typedef struct server_told {
    bool answers;    // whether there is a server at all
    bool ready;      // and it lists its models, or never does
    int context;     // tokens of prompt and answer; 0 where it does not say
    char name[160];  // "llama.cpp b4567-0a1b2c3", "vllm 0.6.3 (uvicorn)", "uvicorn", or ""
    char model[128]; // the only model that it lists, where that is not the one asked for; or ""
} server_told;

// Asks the list of models, llama.cpp's /props and vLLM's /version once each, and takes the header
// Server. A server of one model answers whatever it is asked for: then only its list tells which
// one that is. FV_INTERRUPTED is the only failure.
fv_status server_ask(http *h, const address *at, const char *model, const volatile int *interrupted,
                     server_told *told, fv_error *error);

#endif
