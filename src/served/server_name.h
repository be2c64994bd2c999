// Which program serves a model: its name and version, as far as it tells.
#ifndef FOVEA_SERVED_SERVER_NAME_H
#define FOVEA_SERVED_SERVER_NAME_H

#include "served/address.h"
#include "served/http.h"

enum { SERVER_NAME_SIZE = 160 };

// "llama.cpp b4567-0a1b2c3", "vllm 0.6.3 (uvicorn)", "uvicorn", or "" where it tells nothing: from
// the list of models, llama.cpp's /props, vLLM's /version and the header Server, each asked once.
// *answers says whether there is a server at all. FV_INTERRUPTED is the only failure.
fv_status server_name_ask(http *h, const address *at, const volatile int *interrupted,
                          char name[SERVER_NAME_SIZE], bool *answers, fv_error *error);

#endif
