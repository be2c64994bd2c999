// What `fovea explore` serves: the page's files, and a store as JSON.
#ifndef FOVEA_TOOL_EXPLORE_H
#define FOVEA_TOOL_EXPLORE_H

#include <fovea/store.h>
#include <jansson.h>

typedef struct explore_site {
    const char *folder;     // of the page's files
    const char *experiment; // the path of an experiment file, or NULL
    const char *source;     // what the store was called, or NULL
    fv_store *store;        // NULL: none is opened
} explore_site;

// Serves the site on 127.0.0.1 until tool_interrupted is set; port 0: one that is free. Says the address on
// stderr. The store is asked by the serving thread alone. Returns an exit code.
int explore_serve(const explore_site *site, int port);

// {"source", "runs": [{id, experiment, outcome, steps, config, final}]}, what is no default in config. NULL
// with the reason in *error.
json_t *explore_runs(const explore_site *site, fv_error *error);

// {"id", "experiment", "config", "outcome", "steps", "series": {name: [[step, value], ...]}, "n_params",
// "snapshots": [{"step", "params": base64 of little-endian floats}]}.
json_t *explore_run(const explore_site *site, const char *id, fv_error *error);

#endif
