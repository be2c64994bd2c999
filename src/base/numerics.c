// Whenever a change makes the same configuration give other bits, it gets a row here, with a
// version higher than all before and a test that holds for every configuration it touches (and may
// hold for more: their runs are then trained again for nothing).
#include "base/numerics.h"

enum { FIRST_VERSION = 1 };

// What dies out becomes 0 before it is subnormal, and Adam's shares are those of the unrounded
// betas: a new beginning, which left no row of the versions before.
static bool always(const fv_config *config) {
    (void)config;
    return true;
}

static const struct {
    int version;
    bool (*touches)(const fv_config *config);
} changes[] = {
    {5, always},
};

int numerics_version(const fv_config *config) {
    int version = FIRST_VERSION;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (changes[i].version > version && changes[i].touches(config))
            version = changes[i].version;
    }
    return version;
}
