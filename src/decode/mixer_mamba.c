// A Mamba block (Gu & Dao, 2023) in stretches of positions: the scan's state and the last inputs of
// the convolution are all that goes from one to the next.
#include "decode/mixer_plan.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

static size_t past_of(const fv_mixer *m) {
    return (size_t)(m->sizes.conv_width - 1) * (size_t)m->sizes.E;
}

void mixer_mamba_reserve(fv_mixer *m) {
    mixer_mamba_state *s = &m->mamba;
    size_t E = (size_t)m->sizes.E, N = (size_t)m->sizes.N, stretch = (size_t)m->sizes.stretch;
    s->at_state = fv_arena_reserve(&m->kept, N * E, sizeof(float));
    size_t *const inner[] = {&s->at_u, &s->at_z, &s->at_delta, &s->at_y};
    for (int i = 0; i < 4; i++)
        *inner[i] = fv_arena_reserve(&m->working, stretch * E, sizeof(float));
    s->at_inner = fv_arena_reserve(&m->working, past_of(m) + stretch * E, sizeof(float));
    s->at_step = fv_arena_reserve(&m->working, stretch * (size_t)m->sizes.R, sizeof(float));
    s->at_b = fv_arena_reserve(&m->working, stretch * N, sizeof(float));
    s->at_c = fv_arena_reserve(&m->working, stretch * N, sizeof(float));
    s->at_gate = fv_arena_reserve(&m->working, E + FV_LANES, sizeof(float));
}

void mixer_mamba_free(fv_mixer *m) {
    fv_selective_scan_free(m->mamba.scan);
    fv_selective_scan_free(m->mamba.one_step);
}

void mixer_mamba_reset(fv_mixer *m) {
    memset(mixer_kept(m, m->mamba.at_state), 0, (size_t)(m->sizes.N * m->sizes.E) * sizeof(float));
    memset(mixer_working(m, m->mamba.at_inner), 0, past_of(m) * sizeof(float));
}

// u = silu(bias + sum over taps of w x), channel by channel: the channels are the vector.
static void convolve(const fv_mixer *m, int64_t n, const float *inner, float *u) {
    const float *w = m->array[FV_MIXER_CONV], *bias = m->array[FV_MIXER_CONV_BIAS];
    size_t E = (size_t)m->sizes.E, padded = (E + FV_LANES - 1) / FV_LANES * FV_LANES;
    float *restrict gate = mixer_working(m, m->mamba.at_gate);
    for (size_t t = 0; t < (size_t)n; t++) {
        float *restrict y = u + t * E;
        memcpy(y, bias, E * sizeof *y);
        for (size_t k = 0; k < (size_t)m->sizes.conv_width; k++) {
            const float *x = inner + (t + k) * E, *tap = w + k * E;
            for (size_t e = 0; e < E; e++) y[e] += tap[e] * x[e];
        }
        for (size_t e = 0; e < E; e++) gate[e] = -fabsf(y[e]);
        fv_kernels_get()->exp_array(padded, gate, gate);
        for (size_t e = 0; e < E; e++) y[e] *= (y[e] < 0 ? gate[e] : 1) / (1 + gate[e]);
    }
}

// The scan's plan for n positions; that of a whole stretch is used again and again.
static fv_status scan_of(fv_mixer *m, int64_t n, fv_selective_scan **out, fv_error *error) {
    fv_selective_scan **plan = n == 1 ? &m->mamba.one_step : &m->mamba.scan;
    if (n > 1 && m->mamba.scan_length != n) {
        fv_selective_scan_free(*plan);
        *plan = NULL;
        m->mamba.scan_length = n;
    }
    if (*plan == NULL) {
        fv_selective_scan_config config;
        fv_selective_scan_config_init(&config);
        config.n = n;
        config.n_channels = m->sizes.E;
        config.n_state = m->sizes.N;
        config.segments = config.n_threads = 1;
        fv_status status = fv_selective_scan_create(&config, plan, error);
        if (status != FV_OK) return status;
    }
    *out = *plan;
    return FV_OK;
}

fv_status mixer_mamba_pass(fv_mixer *m, int64_t n, const float *x, float *y, fv_error *error) {
    const mixer_mamba_state *s = &m->mamba;
    float *inner = mixer_working(m, s->at_inner), *u = mixer_working(m, s->at_u);
    float *z = mixer_working(m, s->at_z), *delta = mixer_working(m, s->at_delta);
    float *step = mixer_working(m, s->at_step), *gated = mixer_working(m, s->at_y);
    float *b = mixer_working(m, s->at_b), *c = mixer_working(m, s->at_c);
    float *state = mixer_kept(m, s->at_state);
    size_t past = past_of(m);
    fv_selective_scan *scan;
    fv_status status = scan_of(m, n, &scan, error);
    if (status != FV_OK) return status;

    mixer_project(m, FV_MIXER_IN_U, n, x, inner + past);
    mixer_project(m, FV_MIXER_IN_Z, n, x, z);
    convolve(m, n, inner, u);
    memmove(inner, inner + (size_t)(n * m->sizes.E), past * sizeof *inner);
    mixer_project(m, FV_MIXER_TO_STEP, n, u, step);
    mixer_project(m, FV_MIXER_TO_B, n, u, b);
    mixer_project(m, FV_MIXER_TO_C, n, u, c);
    mixer_project(m, FV_MIXER_STEP, n, step, delta);
    const fv_selective_scan_input input = {.u = u,
                                           .delta = delta,
                                           .A = m->array[FV_MIXER_A],
                                           .B = b,
                                           .C = c,
                                           .D = m->array[FV_MIXER_D],
                                           .bias = m->array[FV_MIXER_STEP_BIAS],
                                           .z = z,
                                           .initial = state};
    status = n == 1 ? fv_selective_scan_step(scan, &input, state, gated, error)
                    : fv_selective_scan_forward(scan, &input, gated, state, false, error);
    if (status == FV_OK) mixer_project(m, FV_MIXER_OUT, n, gated, y);
    return status;
}
