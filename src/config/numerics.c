// Whenever a change makes the same configuration give other bits, it gets a row here, with a
// version higher than all before and a test that holds for every configuration it touches (and may
// hold for more: their runs are then trained again for nothing). What concerns one part alone is
// said by its descriptor (config/part.h).
#include "config/numerics.h"

#include "config/part.h"
#include "config/stages.h"

#include <limits.h>

enum { FIRST_VERSION = 1 };

// What dies out becomes 0 before it is subnormal, and Adam's shares are those of the unrounded
// betas: a new beginning, which left no row of the versions before.
static bool always(const fv_config *config) {
    (void)config;
    return true;
}

// Backward, the tiled kernel of attention over 512 keys and more takes a score for equal to the
// logsumexp where they differ by no more than its rounding.
static bool is_long(const fv_config *config) {
    return config->task.context_length >= 512;
}

static const struct {
    int version;
    bool (*touches)(const fv_config *config);
} changes[] = {
    {5, always},
    {6, is_long},
};

static int version_of(const fv_config *config) {
    int version = parts_numerics(config);
    if (version < FIRST_VERSION) version = FIRST_VERSION;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (changes[i].version > version && changes[i].touches(config))
            version = changes[i].version;
    }
    return version;
}

// A run has the latest version that any of its stages has.
int numerics_version(const fv_config *config) {
    int version = version_of(config);
    if (!stages_any(config)) return version;
    fv_config there;
    stage_now now = {0};
    for (int step = 0; step < INT_MAX; step = now.next) {
        if (stages_at(config, step, &there, &now, NULL) != FV_OK) break;
        int own = version_of(&there);
        if (own > version) version = own;
    }
    return version;
}
