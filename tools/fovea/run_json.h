// One run as a JSON object: what `run --json` and `reproduce --json` print a line of per run.
#ifndef FOVEA_TOOL_RUN_JSON_H
#define FOVEA_TOOL_RUN_JSON_H

#include <fovea/record.h>
#include <jansson.h>

// {run_id, experiment, cached, config, outcome, diverged_at, steps, wall_seconds, us_per_step,
// final, probes}: `final` the last value of every metric, `probes` of every probe's series, null
// those of a run that diverged. NULL without memory.
json_t *run_json(const char *experiment, const fv_record *record, bool cached);

#endif
