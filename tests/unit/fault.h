// Faults to plant: kernel tables in which one kernel has one slip of the kind that people make. A
// test that has an oracle shows with them that the oracle can say no.
//
// Every slip is made in the arguments and the sound kernel does the rest, so that a faulty table
// looks right everywhere but in the one place.
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

static const kernel_set *fault_sound; // does the rest

static void fault_draw(const kernel_draw *a) {
    kernel_draw b = *a;
    b.step++;
    fault_sound->draw(&b);
}

static void fault_embed(const kernel_embed *a) {
    kernel_embed b = *a;
    b.positions = NULL;
    fault_sound->embed(&b);
}

static void fault_embed_gradient(const kernel_embed_gradient *a) {
    kernel_embed_gradient b = *a;
    b.forward.n_rows--; // the last position's tokens get no gradient
    fault_sound->embed_gradient(&b);
}

static void fault_map_bias(const kernel_map *a) {
    kernel_map b = *a;
    b.bias = NULL;
    fault_sound->map(&b);
}

static void fault_map_accumulate(const kernel_map *a) {
    kernel_map b = *a;
    b.accumulate = false;
    fault_sound->map(&b);
}

static void fault_map_gradient(const kernel_map_gradient *a) {
    kernel_map_gradient b = *a;
    b.n_rows--;
    fault_sound->map_gradient(&b);
}

static void fault_bias_gradient(int n_rows, int n_out, kernel_rows dy, real *db) {
    fault_sound->bias_gradient(n_rows - 1, n_out, dy, db);
}

static void fault_attend_scale(const kernel_attend *a) {
    kernel_attend b = *a;
    b.scale *= (real)1.001;
    fault_sound->attend(&b);
}

// Every query sees one key too many, where there is one.
static void fault_attend_mask(const kernel_attend *a) {
    kernel_attend b = *a;
    int *n_keys = malloc((size_t)a->n_queries * sizeof *n_keys);
    for (int i = 0; i < a->n_queries; i++)
        n_keys[i] = a->n_keys[i] + (a->n_keys[i] < a->n_rows_keys);
    b.n_keys = n_keys;
    fault_sound->attend(&b);
    free(n_keys);
}

// Every query sees the whole context, where there is a window.
static void fault_attend_window(const kernel_attend *a) {
    kernel_attend b = *a;
    b.first_key = NULL;
    fault_sound->attend(&b);
}

// Keys behind the window give no values, but keep their gradients.
static void fault_attend_gradient_window(const kernel_attend_gradient *a) {
    kernel_attend_gradient b = *a;
    b.forward.n_sinks = 0;
    fault_sound->attend_gradient(&b);
}

static void fault_attend_gradient_sign(const kernel_attend_gradient *a) {
    kernel_attend_gradient b = *a;
    b.forward.scale = -b.forward.scale;
    fault_sound->attend_gradient(&b);
}

// Every query takes the first one's gradient.
static void fault_attend_gradient_rows(const kernel_attend_gradient *a) {
    kernel_attend_gradient b = *a;
    b.dz.row_stride = 0;
    fault_sound->attend_gradient(&b);
}

static void fault_attend_normaliser(const kernel_attend *a) {
    kernel_attend b = *a;
    b.normaliser =
        a->normaliser == FV_NORMALISE_SPARSEMAX ? FV_NORMALISE_ENTMAX15 : FV_NORMALISE_SPARSEMAX;
    fault_sound->attend(&b);
}

// As if weights had come of another normaliser.
static void fault_attend_gradient_normaliser(const kernel_attend_gradient *a) {
    kernel_attend_gradient b = *a;
    b.dalpha = NULL;
    b.forward.normaliser = a->forward.normaliser == FV_NORMALISE_SPARSEMAX ? FV_NORMALISE_SOFTMAX
                                                                           : FV_NORMALISE_SPARSEMAX;
    fault_sound->attend_gradient(&b);
}

static void fault_attend_kept(const kernel_attend *a) {
    kernel_attend b = *a;
    b.kept = NULL;
    fault_sound->attend(&b);
}

static void fault_select(const kernel_select *a) {
    kernel_select b = *a;
    b.k++;
    fault_sound->select(&b);
}

// Queries take the number of keys of the one before them.
static void fault_stretch(const kernel_stretch *a) {
    kernel_stretch b = *a;
    real *log_n = malloc((size_t)a->n_rows * sizeof *log_n);
    for (int i = 0; i < a->n_rows; i++) log_n[i] = i > 0 ? a->log_n[i - 1] : a->log_n[0] + 1;
    b.log_n = log_n;
    fault_sound->stretch(&b);
    free(log_n);
}

// beta's gradient for both.
static void fault_stretch_gradient(const kernel_stretch_gradient *a) {
    fault_sound->stretch_gradient(a);
    for (int r = 0; r < a->forward.n_groups * a->forward.n_rows; r++) {
        real *draw = a->draw.data + r * a->draw.stride;
        memcpy(draw + FV_LANES, draw, FV_LANES * sizeof *draw);
    }
}

static void fault_distances(const kernel_distances *a) {
    kernel_distances b = *a;
    b.factor *= (real)1.001;
    fault_sound->distances(&b);
}

// As if tokens stood at the origin.
static void fault_distances_gradient(const kernel_distances_gradient *a) {
    kernel_distances_gradient b = *a;
    size_t n = (size_t)a->forward.n_in * (size_t)a->forward.n_out;
    real *zeros = calloc(n, sizeof *zeros);
    b.forward.w = zeros;
    fault_sound->distances_gradient(&b);
    free(zeros);
}

static void fault_rotate(const kernel_rotate *a) {
    kernel_rotate b = *a;
    b.back = !b.back;
    fault_sound->rotate(&b);
}

// The first gate stays shut.
static void fault_sigmoid_gate(const kernel_sigmoid_gate *a) {
    fault_sound->sigmoid_gate(a);
    memset(a->y, 0, FV_LANES * sizeof *a->y);
}

// The gates get no gradient.
static void fault_sigmoid_gate_gradient(const kernel_sigmoid_gate_gradient *a) {
    fault_sound->sigmoid_gate_gradient(a);
    memset(a->dg, 0, a->forward.n_gates * FV_LANES * sizeof *a->dg);
}

static void fault_cross_entropy(const kernel_cross_entropy *a) {
    kernel_cross_entropy b = *a;
    b.weight *= (real)1.001;
    fault_sound->cross_entropy(&b);
}

static void fault_chain(const kernel_chain *a) {
    kernel_chain b = *a;
    b.accumulate = !a->accumulate;
    if (b.accumulate)
        for (int r = 0; r < a->n_rows; r++)
            for (int i = 0; i < a->n_out * FV_LANES; i++) a->y.data[r * a->y.stride + i] = 1;
    fault_sound->chain(&b);
}

// The second map's weights get no gradient.
static void fault_chain_gradient(const kernel_chain_gradient *a) {
    kernel_chain_gradient b = *a;
    size_t n = (size_t)(a->forward.n_mid * a->forward.n_out);
    real *kept = malloc((n + 1) * sizeof *kept);
    memcpy(kept, a->dw2, n * sizeof *kept);
    fault_sound->chain_gradient(&b);
    memcpy(a->dw2, kept, n * sizeof *kept);
    free(kept);
}

// The last class gets no gradient.
static void fault_readout(const kernel_readout *a) {
    real kept[128];
    int last = a->n_out - 1;
    for (int k = 0; a->dw && k < a->n_in; k++) kept[k] = a->dw[k * a->w_in + last * a->w_out];
    fault_sound->readout(a);
    for (int k = 0; a->dw && k < a->n_in; k++) a->dw[k * a->w_in + last * a->w_out] = kept[k];
}

static void fault_norm(const kernel_norm *a) {
    kernel_norm b = *a;
    b.n_features -= b.n_features > 1; // the last feature is left out
    fault_sound->norm(&b);
}

static void fault_norm_gradient(const kernel_norm_gradient *a) {
    kernel_norm_gradient b = *a;
    b.forward.center = false; // as if the mean did not depend on x
    fault_sound->norm_gradient(&b);
}

// The next activation of the list takes its place.
static kernel_activation fault_neighbour(kernel_activation kind) {
    return (kernel_activation)(((int)kind + 1) % FV_N_ACTIVATIONS);
}

static void fault_activate(kernel_activation kind, size_t n, const real *x, real *y) {
    fault_sound->activate(fault_neighbour(kind), n, x, y);
}

static void fault_activate_gradient(kernel_activation kind, size_t n, const real *x, const real *dy,
                                    real *dx) {
    fault_sound->activate_gradient(fault_neighbour(kind), n, x, dy, dx);
}

static void fault_gate(const kernel_gate *a) {
    kernel_gate b = *a;
    b.kind = fault_neighbour(a->kind);
    fault_sound->gate(&b);
}

// The gate gets the gradient of the other map.
static void fault_gate_gradient(const kernel_gate_gradient *a) {
    kernel_gate_gradient b = *a;
    b.dx = a->du;
    b.du = a->dx;
    fault_sound->gate_gradient(&b);
}

static void fault_scale_rows(int n_rows, int n_features, kernel_rows x, const real *scale,
                             kernel_rows y) {
    fault_sound->scale_rows(n_rows - 1, n_features, x, scale, y);
}

static void fault_adam_correction(const kernel_adam *a) {
    kernel_adam b = *a;
    b.root_correction = 1;
    fault_sound->adam(&b);
}

static void fault_adam_decay(const kernel_adam *a) {
    kernel_adam b = *a;
    b.decay = 0;
    fault_sound->adam(&b);
}

// Three units in the last place: more than the bound, less than any eye would see.
static void fault_last_places(size_t n, real *y) {
    for (size_t i = 0; i < n; i++) y[i] *= 1 + 3 * (real)(sizeof(real) == 4 ? 0x1p-23 : 0x1p-52);
}

static void fault_exp(size_t n, const real *x, real *y) {
    fault_sound->exp_array(n, x, y);
    fault_last_places(n, y);
}

static void fault_log(size_t n, const real *x, real *y) {
    fault_sound->log_array(n, x, y);
    fault_last_places(n, y);
}

// The kernel with zeros in place of one of its arrays.
#define FAULT_ZEROS(function, kernel, member, n_member)                                            \
    static void function(const kernel_##kernel *a) {                                               \
        kernel_##kernel b = *a;                                                                    \
        real *zeros = calloc((size_t)a->n_member, sizeof *zeros);                                  \
        b.member = zeros;                                                                          \
        fault_sound->kernel(&b);                                                                   \
        free(zeros);                                                                               \
    }
FAULT_ZEROS(fault_conv_bias, conv, b, n_features)
FAULT_ZEROS(fault_scan_skip, scan, skip, n_channels)
FAULT_ZEROS(fault_scan_bias, scan, bias, n_channels)
#undef FAULT_ZEROS

// The last group's input gets a gradient of zero.
static void fault_conv_gradient(const kernel_conv_gradient *a) {
    kernel_conv_gradient b = *a;
    size_t n = (size_t)a->forward.n_rows * (size_t)a->forward.n_features * FV_LANES;
    b.forward.n_groups--;
    memset(b.dx + (size_t)b.forward.n_groups * n, 0, n * sizeof *b.dx);
    fault_sound->conv_gradient(&b);
}

static void fault_scan_gradient_a(const kernel_scan_gradient *a) {
    kernel_scan_gradient b = *a;
    size_t n = (size_t)a->forward.n_channels * (size_t)a->forward.n_state;
    real *elsewhere = calloc(n, sizeof *elsewhere);
    b.da = elsewhere;
    fault_sound->scan_gradient(&b);
    free(elsewhere);
}

// u gets what the skip hands it and nothing through the state.
static void fault_scan_gradient_c(const kernel_scan_gradient *a) {
    kernel_scan_gradient b = *a;
    const kernel_scan *s = &a->forward;
    size_t n = (size_t)s->n_groups * (size_t)s->n_outputs * (size_t)s->n_state * FV_LANES;
    real *zeros = aligned_alloc(64, n * sizeof *zeros);
    memset(zeros, 0, n * sizeof *zeros);
    b.forward.c = zeros;
    fault_sound->scan_gradient(&b);
    free(zeros);
}

static void fault_recurrence_keeps(const kernel_recurrence *a) {
    kernel_recurrence b = *a;
    b.replaces = !a->replaces;
    fault_sound->recurrence(&b);
}

static void fault_recurrence_decay(const kernel_recurrence *a) {
    kernel_recurrence b = *a;
    b.n_decay = 0;
    fault_sound->recurrence(&b);
}

// The delta rule's gradient without what it takes out.
static void fault_recurrence_gradient(const kernel_recurrence_gradient *a) {
    kernel_recurrence_gradient b = *a;
    b.forward.replaces = !a->forward.replaces;
    fault_sound->recurrence_gradient(&b);
}

static void fault_recurrence_gradient_scale(const kernel_recurrence_gradient *a) {
    kernel_recurrence_gradient b = *a;
    b.forward.scale *= 1.001f;
    fault_sound->recurrence_gradient(&b);
}

static void fault_decay(const kernel_decay *a) {
    kernel_decay b = *a;
    b.negative = !a->negative;
    fault_sound->decay(&b);
}

static void fault_decay_gradient(const kernel_decay_gradient *a) {
    kernel_decay_gradient b = *a;
    real *elsewhere = calloc((size_t)a->forward.n_features, sizeof *elsewhere);
    b.dfactor = elsewhere;
    fault_sound->decay_gradient(&b);
    free(elsewhere);
}

// The last feature of a row is divided by, instead of what is behind it.
static void fault_ratio(const kernel_ratio *a) {
    kernel_ratio b = *a;
    b.n_features--;
    fault_sound->ratio(&b);
}

static void fault_ratio_gradient(const kernel_ratio_gradient *a) {
    kernel_ratio_gradient b = *a;
    b.forward.y = a->dy;
    fault_sound->ratio_gradient(&b);
}

#ifndef FOVEA_DOUBLE
static void fault_state_step(const kernel_state_step *a) {
    kernel_state_step b = *a;
    b.replaces = !a->replaces;
    fault_sound->state_step(&b);
}
#define FAULTS_OF_LONG(X) X("holds what it should replace", state_step, fault_state_step)
#else
#define FAULTS_OF_LONG(X)
#endif

// name of the fault, kernel, what it replaces the kernel by
#define FAULTS(X)                                                                                  \
    X("draws of the next step", draw, fault_draw)                                                  \
    X("positions not added", embed, fault_embed)                                                   \
    X("last position without gradient", embed_gradient, fault_embed_gradient)                      \
    X("bias forgotten", map, fault_map_bias)                                                       \
    X("replaces instead of adding", map, fault_map_accumulate)                                     \
    X("last row forgotten", map_gradient, fault_map_gradient)                                      \
    X("adds what it should replace", chain, fault_chain)                                           \
    X("second map without gradient", chain_gradient, fault_chain_gradient)                         \
    X("factor off by 1e-3", distances, fault_distances)                                            \
    X("tokens at the origin", distances_gradient, fault_distances_gradient)                        \
    X("last row forgotten", bias_gradient, fault_bias_gradient)                                    \
    X("scale off by 1e-3", attend, fault_attend_scale)                                             \
    X("sees the next key", attend, fault_attend_mask)                                              \
    X("sees behind its window", attend, fault_attend_window)                                       \
    X("forgets the sinks", attend_gradient, fault_attend_gradient_window)                          \
    X("sign flipped", attend_gradient, fault_attend_gradient_sign)                                 \
    X("gradient of the first query for all", attend_gradient, fault_attend_gradient_rows)          \
    X("another normaliser", attend, fault_attend_normaliser)                                       \
    X("another normaliser", attend_gradient, fault_attend_gradient_normaliser)                     \
    X("keeps every key", attend, fault_attend_kept)                                                \
    X("keeps one more", select, fault_select)                                                      \
    X("counts of the query before", stretch, fault_stretch)                                        \
    X("gradient of beta for both", stretch_gradient, fault_stretch_gradient)                       \
    X("turned the other way", rotate, fault_rotate)                                                \
    X("a gate stays shut", sigmoid_gate, fault_sigmoid_gate)                                       \
    X("gates without gradient", sigmoid_gate_gradient, fault_sigmoid_gate_gradient)                \
    X("weight off by 1e-3", cross_entropy, fault_cross_entropy)                                    \
    X("last class without gradient", readout, fault_readout)                                       \
    X("last feature left out", norm, fault_norm)                                                   \
    X("mean taken for a constant", norm_gradient, fault_norm_gradient)                             \
    X("the other activation", activate, fault_activate)                                            \
    X("the other activation", activate_gradient, fault_activate_gradient)                          \
    X("the other activation", gate, fault_gate)                                                    \
    X("gradients of the two maps exchanged", gate_gradient, fault_gate_gradient)                   \
    X("last row forgotten", scale_rows, fault_scale_rows)                                          \
    X("bias correction forgotten", adam, fault_adam_correction)                                    \
    X("decay forgotten", adam, fault_adam_decay)                                                   \
    X("bias forgotten", conv, fault_conv_bias)                                                     \
    X("last group without gradient", conv_gradient, fault_conv_gradient)                           \
    X("skip forgotten", scan, fault_scan_skip)                                                     \
    X("steps without bias", scan, fault_scan_bias)                                                 \
    X("gradient of the decay forgotten", scan_gradient, fault_scan_gradient_a)                     \
    X("no gradient through the state", scan_gradient, fault_scan_gradient_c)                       \
    X("holds what it should replace", recurrence, fault_recurrence_keeps)                          \
    X("decay forgotten", recurrence, fault_recurrence_decay)                                       \
    X("the other rule", recurrence_gradient, fault_recurrence_gradient)                            \
    X("scale off by 1e-3", recurrence_gradient, fault_recurrence_gradient_scale)                   \
    X("sign of x flipped", decay, fault_decay)                                                     \
    X("gradient of the factor forgotten", decay_gradient, fault_decay_gradient)                    \
    X("divides by its neighbour", ratio, fault_ratio)                                              \
    X("dy taken for y", ratio_gradient, fault_ratio_gradient)                                      \
    X("3 units in the last place", exp_array, fault_exp)                                           \
    X("3 units in the last place", log_array, fault_log)                                           \
    FAULTS_OF_LONG(X)

#define FAULT_COUNT(name, kernel, function) +1
enum { N_FAULTS = 0 FAULTS(FAULT_COUNT) };
#undef FAULT_COUNT

typedef struct fault {
    const char *name, *kernel;
    kernel_set kernels;
} fault;

// Plants every fault in a copy of `sound` of its own.
static inline void faults_plant(const kernel_set *sound, fault faults[N_FAULTS]) {
    fault_sound = sound;
    fault *f = faults;
#define FAULT_PLANT(name_, kernel_, function)                                                      \
    *f = (fault){name_, #kernel_, *sound};                                                         \
    f++->kernels.kernel_ = function;
    FAULTS(FAULT_PLANT)
#undef FAULT_PLANT
}

#endif
