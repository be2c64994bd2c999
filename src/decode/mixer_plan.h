// A layer that mixes positions, as its two kinds share it (mixer.c, mixer_attention.c,
// mixer_mamba.c).
#ifndef DECODE_MIXER_PLAN_H
#define DECODE_MIXER_PLAN_H

#include "base/arena.h"
#include "decode/project.h"

#include <fovea/mixer.h>
#include <fovea/scan.h>

// Positions that pass through a layer at a time: what it holds beside its weights and what it keeps
// is proportional to this, not to the sequence.
enum { MIXER_STRETCH = 1024 };

typedef struct mixer_sizes {
    int64_t d, E, N, R, conv_width, d_head, stretch;
} mixer_sizes;

// Arrays of the arenas `kept` and `working`, by offset.
typedef struct mixer_attention_state {
    int64_t capacity, n_held; // rows of the cache; n_held are filled
    int64_t keep;             // rows that a later query can see, where the cache drops the others
    bool rolling;             // it does
    size_t at_k, at_v;        // [head][capacity][d_head]
    size_t at_q, at_o;        // [head][stretch][d_head]
    size_t at_rows;           // [stretch][d]
    fv_attention *decode;     // made by the first single position
    size_t plan_bytes;        // of the largest plan so far
} mixer_attention_state;

typedef struct mixer_mamba_state {
    size_t at_state;                    // [N][E]
    size_t at_inner;                    // [conv_width - 1 + stretch][E], the past first
    size_t at_u, at_z, at_delta, at_y;  // [stretch][E]
    size_t at_step, at_b, at_c;         // [stretch][R], [N], [N]
    size_t at_gate;                     // [E], of the convolution's SiLU
    fv_selective_scan *scan, *one_step; // of a stretch, and of a single position
    int64_t scan_length;
} mixer_mamba_state;

struct fv_mixer {
    fv_mixer_config config; // weights are NULL, the mask's globals are `globals`
    mixer_sizes sizes;
    int64_t *globals;
    int64_t n_seen;
    fv_projection projection[FV_MIXER_N_WEIGHTS]; // of weights that are maps
    const float *array[FV_MIXER_N_WEIGHTS];       // of the others; CONV is [conv_width][E]
    fv_arena weights, kept, working;
    size_t at_scratch; // of projections
    mixer_attention_state attention;
    mixer_mamba_state mamba;
};

static inline float *mixer_kept(const fv_mixer *m, size_t at) {
    return fv_arena_at(&m->kept, at);
}
static inline float *mixer_working(const fv_mixer *m, size_t at) {
    return fv_arena_at(&m->working, at);
}

// y = x W for n positions, in rows.
void mixer_project(const fv_mixer *m, fv_mixer_weight w, int64_t n, const float *x, float *y);

// Of a kind: reserves arrays; passes n <= stretch positions on; starts a sequence; ends.
void mixer_attention_reserve(fv_mixer *m);
fv_status mixer_attention_pass(fv_mixer *m, int64_t n, const float *x, float *y, fv_error *error);
void mixer_attention_free(fv_mixer *m);
// Whether its cache can lose the last n rows and still hold what the next query sees.
bool mixer_attention_reaches(const fv_mixer *m, int64_t n);

void mixer_mamba_reserve(fv_mixer *m);
fv_status mixer_mamba_pass(fv_mixer *m, int64_t n, const float *x, float *y, fv_error *error);
void mixer_mamba_reset(fv_mixer *m);
void mixer_mamba_free(fv_mixer *m);

#endif
