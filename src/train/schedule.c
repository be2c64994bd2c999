// Learning rates over time, after a linear rise over warmup_steps.
#include "train/optimizer.h"

#include <math.h>

// Between the peak and final_rate of it: 1 at the start, 0 at the end.
static double between(const fv_train_config *config, double rest) {
    return config->final_rate + (1 - config->final_rate) * rest;
}

static double constant(const fv_train_config *config, int step, double share) {
    (void)config, (void)step, (void)share;
    return 1;
}

static double cosine(const fv_train_config *config, int step, double share) {
    (void)step;
    return between(config, 0.5 * (1 + cos(3.141592653589793 * share)));
}

static double linear(const fv_train_config *config, int step, double share) {
    (void)step;
    return between(config, 1 - share);
}

static double steps(const fv_train_config *config, int step, double share) {
    (void)share;
    return pow(config->decay_factor, step / config->decay_every);
}

static void settle_warmup(fv_config *c) {
    if (c->train.schedule == FV_SCHEDULE_WARMUP) c->train.schedule = FV_SCHEDULE_CONSTANT;
}

static void settle_falling(fv_config *c) {
    int *schedule = &c->train.schedule;
    bool falls = *schedule == FV_SCHEDULE_COSINE || *schedule == FV_SCHEDULE_LINEAR;
    if (falls && c->train.final_rate == 1) *schedule = FV_SCHEDULE_CONSTANT;
}

static void settle_steps(fv_config *c) {
    const fv_train_config *train = &c->train;
    bool decays = train->decay_factor != 1 && train->decay_every < train->steps;
    if (train->schedule == FV_SCHEDULE_STEP && !decays) c->train.schedule = FV_SCHEDULE_CONSTANT;
}

#define SETTLES(function)                                                                          \
    {                                                                                              \
        { "train.schedule", function, "the rate is constant, after any warm-up, in both", NULL }   \
    }

const schedule_type schedule_constant = {
    .part = {.help = "the same rate throughout", .example = "train: {schedule: constant}"},
    .factor = constant,
};

// Warm-up has nothing but its steps; without them it is `constant`.
const schedule_type schedule_warmup = {
    .part = {.help = "a linear rise over warmup_steps, then the same rate",
             .example = "train: {schedule: warmup, warmup_steps: 100}",
             .same = SETTLES(settle_warmup),
             .rules = {{"train.schedule",
                        {{"train.warmup_steps", CONFIG_SET},
                         {"train.schedule",
                          (1u << FV_SCHEDULE_COUNT) - 1 - (1u << FV_SCHEDULE_WARMUP)}}}}},
    .factor = constant,
};

const schedule_type schedule_cosine = {
    .part = {.help = "half a cosine from the peak to final_rate of it",
             .example = "train: {schedule: cosine, final_rate: 0.1}",
             .reads = {FV_READS(train.final_rate)},
             .same = SETTLES(settle_falling)},
    .factor = cosine,
};

const schedule_type schedule_linear = {
    .part = {.help = "a straight line from the peak to final_rate of it",
             .example = "train: {schedule: linear}",
             .reads = {FV_READS(train.final_rate)},
             .same = SETTLES(settle_falling)},
    .factor = linear,
};

const schedule_type schedule_step = {
    .part = {.help = "times decay_factor every decay_every steps",
             .example = "train: {schedule: step, decay_every: 500, decay_factor: 0.5}",
             .reads = {FV_READS(train.decay_every), FV_READS(train.decay_factor)},
             .same = SETTLES(settle_steps)},
    .factor = steps,
};

static const schedule_type *const schedules[] = {
#define FV_PART_SCHEDULE(NAME, name) &schedule_##name,
#include <fovea/fields.def>
};

const config_part *const FV_PARTS_OF_SCHEDULE[] = {
#define FV_PART_SCHEDULE(NAME, name) &schedule_##name.part,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_SCHEDULE(int kind) {
    return schedules[kind]->factor == NULL ? "factor" : NULL;
}

double schedule_rate(const fv_train_config *config, int step) {
    double rate = config->learning_rate;
    if (step < config->warmup_steps) return rate * (step + 1) / config->warmup_steps;
    int behind = step - config->warmup_steps, length = config->steps - config->warmup_steps;
    double share = length > 1 ? (double)behind / (length - 1) : 0;
    return rate * schedules[config->schedule]->factor(config, behind, share);
}
