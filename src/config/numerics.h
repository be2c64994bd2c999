// The version of the engine's numerics that a configuration's results have. It is part of every
// run's identity, so that stores never mix results of two versions, and a change that touches some
// configurations leaves the runs of all others where they are found.
#ifndef CONFIG_NUMERICS_H
#define CONFIG_NUMERICS_H

#include <fovea/fields.h>

int numerics_version(const fv_config *config);

// The identity that the configuration's run has, or had, under a version of the numerics: as
// fv_config_id, which asks for the present one. `probes`: "", or for a run of the time when probes
// were part of the identity its probes in alphabetical order, separated by commas.
void numerics_id(const fv_config *config, fv_arithmetic arithmetic, const char *probes, int version,
                 char id[17]);

#endif
