// Which models a command asks, and where: --endpoint, --serve, --model and --label, each of which may
// be given several times.
#ifndef FOVEA_TOOL_ASKED_MODELS_H
#define FOVEA_TOOL_ASKED_MODELS_H

#include "needle/ask_served.h"

#include <fovea/local_server.h>

typedef struct asked_models {
    int n;
    const option_texts *names, *labels, *endpoints; // of the request
    const char *command;                            // of --serve
    fv_local_server *server;                        // that it started
    bool stored;                                    // or need not start
} asked_models;

// EXIT_DONE, or wrong usage after a message.
int asked_models_read(const served_request *r, asked_models *out);

// Starts the server of --serve, if any, with the key and the waiting of the options; not where
// everything is answered, unless a model is asked `again`.
fv_status asked_models_start(asked_models *models, const fv_served_options *options, bool again,
                             fv_error *error);

// FV_IO where that server has ended by itself.
fv_status asked_models_check(const asked_models *models, fv_error *error);
void asked_models_stop(asked_models *models);

// Writes model i, its label and its endpoints into the options.
void asked_models_choose(const asked_models *models, int i, fv_served_options *options);

#endif
