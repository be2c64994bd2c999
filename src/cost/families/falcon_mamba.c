// Falcon-Mamba: Mamba whose norms of dt, B and C have no weights.
#include "cost/families.h"

const cost_family cost_family_falcon_mamba = {
    .source = "FalconMambaConfig",
    .defaults = cost_mamba_defaults,
    .read = cost_read_mamba,
};
