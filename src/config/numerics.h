// The version of the engine's numerics that a configuration's results have. It is part of every
// run's identity, so that stores never mix results of two versions, and a change that touches some
// configurations leaves the runs of all others where they are found.
#ifndef CONFIG_NUMERICS_H
#define CONFIG_NUMERICS_H

#include <fovea/config.h>

int numerics_version(const fv_config *config);

#endif
