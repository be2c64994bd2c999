// Whenever a change makes the same configuration give other bits, it gets a row here, with a
// version higher than all before and a test that holds for every configuration it touches (and may
// hold for more: their runs are then trained again for nothing).
#include "base/numerics.h"

enum { FIRST_VERSION = 1 };

// Attention over 512 keys and more goes through the tiled kernel, which sums in another order.
static bool is_long(const fv_config *config) {
    return config->task.context_length >= 512;
}

// Rates of tokens take the frequencies of the task's own distribution; and rare tokens' from their
// weights.
static bool rates_tokens(const fv_config *config) {
    return config->train.token_rate_power != 0;
}

// The first layer's projections are looked up, not computed at every position.
static bool looks_up(const fv_config *config) {
    const fv_model_config *model = &config->model;
    return model->n_embd % 16 == 0 && model->norm == FV_NORM_NONE && model->layers.n > 0 &&
           model->layers.kind[0] == FV_LAYER_ATTENTION;
}

// Slots that hardly ever come are drawn among the free ones.
static bool asks_far(const fv_config *config) {
    return config->task.name == FV_TASK_MQAR && config->task.gap_power > 1;
}

// What dies out becomes 0 before it is subnormal, and Adam's shares are those of the unrounded
// betas.
static bool always(const fv_config *config) {
    (void)config;
    return true;
}

static const struct {
    int version;
    bool (*touches)(const fv_config *config);
} changes[] = {
    {2, is_long}, {3, looks_up}, {4, rates_tokens}, {4, asks_far}, {5, always},
};

int numerics_version(const fv_config *config) {
    int version = FIRST_VERSION;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (changes[i].version > version && changes[i].touches(config))
            version = changes[i].version;
    }
    return version;
}
