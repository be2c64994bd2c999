// One run as a JSON object: what `run --json` and `reproduce --json` print a line of per run.
#ifndef FOVEA_TOOL_RUN_JSON_H
#define FOVEA_TOOL_RUN_JSON_H

#include <fovea/record.h>
#include <jansson.h>

// {run_id, experiment, cached, config, outcome, diverged_at, steps, wall_seconds, us_per_step,
// final, probes, numerics, older, kernels, measured}: `final` the last value of every metric,
// `probes` of every probe's series, null those of a run that diverged; `measured` the names of the
// probes. NULL without memory.
json_t *run_json(const char *experiment, const fv_record *record, bool cached);

// Whether this Fovea would give the run another result: its numerics have changed since.
bool run_is_older(const fv_record *record);

// The version of the run's numerics as text, and the kernels that it was trained with; "before" for
// runs of when neither was kept.
enum { NUMERICS_SIZE = 16 };
void run_numerics_text(const fv_record *record, char text[NUMERICS_SIZE]);
const char *run_kernels_text(const fv_record *record);

#endif
