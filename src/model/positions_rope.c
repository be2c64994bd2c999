// Rotary positions, and the ways to stretch them beyond the lengths that a model was trained with:
//
//     linear   positions divided by the factor s (position interpolation, arXiv 2306.15595)
//     ntk      base times s^(r / (r - 2)): the slowest pair is stretched by s, the fastest not at all
//     yarn     between the two, by how often a pair turns within the original length L0: pairs of
//              more than beta_fast turns stay, of fewer than beta_slow are divided by s, and a ramp
//              over the pairs' numbers lies between; cosines and sines times 0.1 ln s + 1
//              (arXiv 2309.00071)
//     llama3   pairs with wavelengths below L0 / high_freq_factor stay, above L0 / low_freq_factor
//              are divided by s, and in between blend (Llama 3.1)
//
// A factor of 0 is how many times a sequence is longer than L0, and 1 up to there: trained up to L0, a model
// is asked beyond under the scaling and was never trained with it.
//
// Where publications leave a choice it is that of transformers' modeling_rope_utils.
#include "model/positions.h"

#include <math.h>

static const double TURN = 6.283185307179586;

static int width_of(const fv_model_config *c) {
    return c->rope_width > 0 ? c->rope_width : c->n_embd / c->n_head;
}

// The number of the pair that turns so often within the original length, if numbers were real.
static double pair_of_turns(const fv_model_config *m, double original, double turns) {
    return width_of(m) * log(original / (turns * TURN)) / (2 * log(m->rope_base));
}

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static void stretch_yarn(const fv_model_config *m, double original, double s, rotary *r) {
    int width = width_of(m);
    double low = clamp(floor(pair_of_turns(m, original, m->rope_beta_fast)), 0, width - 1);
    double high = clamp(ceil(pair_of_turns(m, original, m->rope_beta_slow)), 0, width - 1);
    if (high == low) high += 0.001;
    for (int i = 0; i < r->n_pairs; i++) {
        double stretched = clamp((i - low) / (high - low), 0, 1);
        r->frequency[i] *= stretched / s + (1 - stretched);
    }
    r->scale = m->rope_mscale > 0 ? m->rope_mscale : 0.1 * log(s) + 1;
}

static void stretch_llama3(const fv_model_config *m, double original, double s, rotary *r) {
    double low = m->rope_low_freq, high = m->rope_high_freq;
    for (int i = 0; i < r->n_pairs; i++) {
        double turns = original * r->frequency[i] / TURN;
        double kept = clamp((turns - low) / (high - low), 0, 1);
        r->frequency[i] *= (1 - kept) / s + kept;
    }
}

static void turn(const fv_config *c, int longest, rotary *r) {
    const fv_model_config *m = &c->model;
    int width = width_of(m);
    bool halves = m->rope_pairs == FV_ROPE_PAIRS_HALF;
    double original = m->rope_original > 0 ? m->rope_original : longest;
    double base = m->rope_base, s = m->rope_factor;
    if (s == 0) s = fmax(1, c->task.context_length / original);
    if (m->rope_scaling == FV_ROPE_SCALING_NTK) base *= pow(s, (double)width / (width - 2));
    r->n_pairs = width / 2;
    r->step = halves ? 1 : 2;
    r->apart = halves ? width / 2 : 1;
    r->scale = 1;
    for (int i = 0; i < r->n_pairs; i++) r->frequency[i] = pow(base, -2.0 * i / width);
    if (m->rope_scaling == FV_ROPE_SCALING_LINEAR)
        for (int i = 0; i < r->n_pairs; i++) r->frequency[i] /= s;
    if (m->rope_scaling == FV_ROPE_SCALING_YARN) stretch_yarn(m, original, s, r);
    if (m->rope_scaling == FV_ROPE_SCALING_LLAMA3) stretch_llama3(m, original, s, r);
}

static void settle(fv_config *c) {
    fv_model_config *m = &c->model;
    if (m->rope_width == m->n_embd / m->n_head) m->rope_width = 0;
    if (m->rope_original == c->task.context_length) m->rope_original = 0;
}

static fv_status check_width(const config_checking *c) {
    const fv_model_config *m = &c->config->model;
    int d_head = m->n_embd / m->n_head, width = width_of(m), most = d_head - d_head % 2;
    if (m->rope_width > d_head)
        return check_refuse(c, "model.rope_width",
                            "model.rope_width %d is more than a head has; n_embd / n_head allows 2 "
                            "to %d, and 0 for all",
                            m->rope_width, most);
    if (width % 2 != 0)
        return check_refuse(c, m->rope_width > 0 ? "model.rope_width" : "model.positions",
                            "model.positions rope turns pairs of features, and %d is odd; %s",
                            width,
                            d_head > 1 ? "an even model.rope_width leaves the others as they are"
                                       : "heads need two features or more");
    if (m->d_score > 0 && width > m->d_score)
        return check_refuse(c, "model.rope_width",
                            "model.positions rope would turn features that model.d_score %d leaves "
                            "out into those that are compared; model.rope_width must be %d or less",
                            m->d_score, m->d_score - m->d_score % 2);
    return FV_OK;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_model_config *m = &c->config->model;
    fv_status status = check_width(c);
    if (status != FV_OK) return status;
    if (m->rope_factor > 0 && m->rope_factor < 1)
        return check_refuse(
            c, "model.rope_factor",
            "model.rope_factor %g would squeeze positions; it takes 1 and more, or 0 "
            "for how many times a sequence is longer than model.rope_original",
            m->rope_factor);
    if (m->rope_scaling == FV_ROPE_SCALING_NTK && width_of(m) <= 2)
        return check_refuse(
            c, "model.rope_scaling",
            "model.rope_scaling ntk stretches pairs by how slow they are, and there "
            "is one alone; it needs a rotary width of 4 or more");
    if (m->rope_scaling == FV_ROPE_SCALING_LLAMA3 && m->rope_high_freq <= m->rope_low_freq)
        return check_refuse(c, "model.rope_high_freq",
                            "model.rope_high_freq %g must be above model.rope_low_freq %g",
                            m->rope_high_freq, m->rope_low_freq);
    if (m->rope_scaling == FV_ROPE_SCALING_YARN && m->rope_beta_fast < m->rope_beta_slow)
        return check_refuse(c, "model.rope_beta_fast",
                            "model.rope_beta_fast %g must not be below model.rope_beta_slow %g",
                            m->rope_beta_fast, m->rope_beta_slow);
    return FV_OK;
}

#define STRETCHED                                                                                  \
    (1 << FV_ROPE_SCALING_LINEAR | 1 << FV_ROPE_SCALING_NTK | 1 << FV_ROPE_SCALING_YARN |          \
     1 << FV_ROPE_SCALING_LLAMA3)
#define YARN   (1 << FV_ROPE_SCALING_YARN)
#define LLAMA3 (1 << FV_ROPE_SCALING_LLAMA3)

const positions_type positions_rope = {
    .part = {.help = "queries and keys are turned by their position, pair by pair of features: a "
                     "score depends on the distance of two positions alone",
             .example = "model: {positions: rope, n_embd: 8, rope_base: 10000}",
             .reads = {FV_READS(model.rope_base), FV_READS(model.rope_width),
                       FV_READS(model.rope_pairs), FV_READS(model.rope_scaling),
                       FV_READS(model.rope_factor), FV_READS(model.rope_original),
                       FV_READS(model.rope_beta_fast), FV_READS(model.rope_beta_slow),
                       FV_READS(model.rope_mscale), FV_READS(model.rope_low_freq),
                       FV_READS(model.rope_high_freq)},
             .rules = {{"model.rope_factor", {{"model.rope_scaling", STRETCHED}}},
                       {"model.rope_original", {{"model.rope_scaling", STRETCHED}}},
                       {"model.rope_beta_fast", {{"model.rope_scaling", YARN}}},
                       {"model.rope_beta_slow", {{"model.rope_scaling", YARN}}},
                       {"model.rope_mscale", {{"model.rope_scaling", YARN}}},
                       {"model.rope_low_freq", {{"model.rope_scaling", LLAMA3}}},
                       {"model.rope_high_freq", {{"model.rope_scaling", LLAMA3}}}},
             .same = {{"model.rope_width", settle, "0 is the whole head", NULL},
                      {"model.rope_original", settle, "0 is the length of the context", NULL}},
             .check = check},
    .turn = turn,
};
