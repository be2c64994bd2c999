// A decoder as its parts share it: decoder.c walks a sequence through the layers, decoder_load.c
// takes the weights out of the model, decoder_rows.c has what each position does for itself,
// decoder_attention.c, decoder_entries.c, decoder_mamba.c and decoder_recurrence.c what mixes positions.
#ifndef DECODE_DECODER_PLAN_H
#define DECODE_DECODER_PLAN_H

#include "base/arena.h"
#include "decode/project.h"
#include "model/compress.h"
#include "model/key_index.h"
#include "model/recurrence.h"
#include "model/rotary.h"

#include <fovea/config.h>
#include <fovea/decode.h>
#include <fovea/scan.h>

// Positions that pass through the layers at a time: what a decoder holds beside its weights and
// what it keeps is proportional to this, not to the sequence.
enum { DECODER_PIECE = 1024 };

// Positions of a piece whose outputs a layer is asked for: runs of neighbours, ascending, and how
// many they are in all.
typedef struct decoder_run {
    int64_t first, n;
} decoder_run;
typedef struct decoder_rows {
    int64_t n, n_runs;
    const decoder_run *runs;
} decoder_rows;

typedef struct decoder_norm {
    bool present, center;
    const float *w, *b; // [d]
} decoder_norm;

// What ranks keys for a selector (model/key_index.h): its keys [capacity][width] in `kept`, its queries
// [piece][choices heads width] and their weights [piece][heads], of one run of queries, in `working`.
typedef struct decoder_index {
    bool present;
    key_index is;
    int longest; // positions that the model was made for
    rotary rotary;
    size_t at_k, at_q, at_w;
    size_t at_cosines, at_sines; // [piece][pairs] of the positions of the piece
    size_t at_query, at_key;     // [heads][width][16] with weights [heads][16] behind; [width][16]
    size_t at_row;               // [capacity][16]: the index of one block of queries
} decoder_index;

// Keys and values, [n_kv][capacity][d_head]. Behind a window only what a later query sees is
// carried on: the sinks, and as many rows as the window has.
typedef struct decoder_attention {
    fv_attention_mask mask; // of rows of the cache; without its arrays
    int64_t capacity, n_held;
    int64_t n_kv;      // heads of keys and values
    int qk_norm, gate; // FV_QK_NORM_*, FV_GATE_*
    double soft_cap;
    double *slopes, *sinks; // [n_head] of positions, and logits that join the sums; or NULL
    int64_t n_sinks, keep;  // rows that a later query can see, where the cache drops the others
    bool rolling;           // it does
    bool exclude_self;      // a query stands one row before its own
    bool weighs;            // by decoder_weigh.c, without plans
    bool evicts;            // keys that are not among those of decoder_evict.c are gone
    size_t at_evict;        // in `kept`: decoder_evict.c
    size_t at_k, at_v;      // in `kept`
    int n_plans;            // 1, or one for each head where heads differ in their score
    fv_attention **plans;   // [n_plans]
    fv_attention *one_head; // of any of the heads; NULL where the plans are
    decoder_index index;
} decoder_attention;

typedef struct decoder_mamba {
    size_t at_state; // [N][E], in `kept`
    size_t at_past;  // [conv_width - 1][E]: the last inputs of the convolution
} decoder_mamba;

// States [H][K][columns] in `kept`, and the last inputs of the convolutions of queries, keys and values; the
// others are in `working`.
typedef struct decoder_recurrence {
    recurrence is;
    size_t at_state, at_past[3];
    size_t at_mapped[3], at_strand[3]; // [past + piece][features], [piece][features]
    size_t at_rate, at_step, at_decay; // [piece][H], [piece][decays]
    size_t at_heads, at_gate, at_row;  // [piece][H V] twice, [2][columns]
} decoder_recurrence;

typedef struct decoder_conv {
    size_t at_past;   // [taps - 1][d], in `kept`
    size_t at_inputs; // [taps - 1 + piece][d], in `working`
} decoder_conv;

// Keys, values [capacity][kv] of each branch in `kept`, and the entries that were made of the first of these; the
// others are in `working` (decoder_entries.c).
typedef struct decoder_entries {
    attention_heads heads;
    compression map; // of the longest sequence
    int block, k, first;
    int64_t window, n_held;
    size_t at_k[3], at_v[3], at_entries[2];
    size_t at_q, at_turned, at_sums, at_gates[3]; // [piece][d], [piece][H]
    size_t at_turns, at_inner; // of one position; in double, a query's outputs behind it
    size_t at_weights, at_scores, at_ranks; // in double: [H][entries + 1], [rows, entries], [rows]
    size_t at_chosen;                       // [rows] bytes
} decoder_entries;

enum { DECODER_MAPS = 12, DECODER_ARRAYS = 12 }; // named by an enum of each kind

enum decoder_attention_array {
    A_LOG_POWER,
    A_SINKS,
    A_Q_NORM,
    A_K_NORM,
    A_ALPHA_LOGIT,
    A_STRETCH_BY,
    A_STRETCH_POWER
};

typedef struct decoder_layer decoder_layer;
typedef struct decoder_loader decoder_loader;

// What a kind of layer does; functions that a kind does without are NULL.
typedef struct decoder_kind {
    const char *norm; // "blocks.%d.ln1": the norm in front
    int own_norm;     // FV_NORM_LAYER, FV_NORM_RMS: the layer is one itself
    bool mixes_positions;
    // Takes the weights: called twice, the second time with somewhere to put them.
    void (*load)(decoder_loader *loader, decoder_layer *layer);
    // Reserves what is kept; makes what it works with.
    void (*reserve)(fv_decoder *decoder, decoder_layer *layer);
    fv_status (*plan)(fv_decoder *decoder, decoder_layer *layer, fv_error *error);
    // From x [n][d], the next n positions, to y [rows->n][d] of those asked for.
    fv_status (*pass)(fv_decoder *decoder, decoder_layer *layer, int64_t n, const float *x,
                      const decoder_rows *rows, float *y, fv_error *error);
    // Whether the last n positions can be forgotten, `left` remaining; forgets them.
    bool (*reaches)(const decoder_layer *layer, int64_t n, int64_t left);
    void (*forget)(fv_decoder *decoder, decoder_layer *layer, int64_t n, int64_t left);
    // Multiply-adds for n positions; those of outputs at the last one alone with `last`.
    double (*operations)(const fv_decoder *decoder, const decoder_layer *layer, double n,
                         bool last);
    void (*free)(decoder_layer *layer);
} decoder_kind;

struct decoder_layer {
    const decoder_kind *kind;
    int place, index; // in the list of layers, and among those of its kind
    bool residual;
    decoder_norm norm, behind;
    decode_projection map[DECODER_MAPS];
    const float *array[DECODER_ARRAYS];
    decoder_attention attention;
    decoder_mamba mamba;
    decoder_recurrence recurrence;
    decoder_conv conv;
    decoder_entries entries;
};

typedef struct decoder_sizes {
    int64_t d, n_head, d_head, n_vocab, d_mlp;
    int64_t E, N, R, conv_width; // of mamba
    int64_t piece;
    int64_t widest; // outputs of a map, but for the unembedding
} decoder_sizes;

// Offsets in `working` of decoder_weigh.c, for the most rows `n` that a layer's cache has.
typedef struct weigh_buffers {
    size_t n;
    size_t q, z, sums;      // [d_head][16], the last in double
    size_t scores, weights; // [n][16]
    size_t kept, rows;      // [n]: bits of lanes, rows of the cache
    size_t ranks, far;      // [n][16]
    size_t units;           // [n]: bits of lanes
    size_t means, values;   // [n][d_head]; values where keys are evicted
} weigh_buffers;

// Offsets in `working`, which the layers share.
typedef struct decoder_buffers {
    size_t x, normed, y;              // [piece][d]
    size_t scratch;                   // of projections
    size_t lanes;                     // of norms: sixteen positions at a time
    size_t hidden, linear;            // of the mlp: [FV_PROJECT_POSITIONS][d_mlp]
    size_t q, o, rows, part;          // of attention: [piece][d] each
    size_t gates;                     // [piece][d]
    size_t cosines, sines;            // [piece][pairs], of the positions of the piece
    size_t logsumexps, running;       // [piece], [piece] in double
    size_t inner, u, z, delta, gated; // of mamba: [conv_width - 1 + piece][E], [piece][E]
    size_t step, b, c, gate;          // [piece][R], [piece][N] twice, [E]
    weigh_buffers weigh;
} decoder_buffers;

struct fv_decoder {
    fv_config config;
    fv_attention_mask mask; // in place of each layer's own where has_mask
    fv_decoder_keep keep;
    bool has_mask;
    int64_t *globals; // the mask's
    int n_threads;
    int64_t n, n_seen;
    decoder_sizes sizes;
    int n_layers, top; // the last layer that mixes positions; -1
    decoder_layer *layers;
    const float *embedding, *positions; // [V][d]; [table][d] or NULL
    // Rows [n][d] of positions that are not learned, or NULL.
    void (*fill_positions)(int64_t first, int64_t n, int d, float *rows);
    rotary rotary; // how queries and keys are turned
    decoder_norm last_norm;
    decode_projection unembedding;
    memory_arena weights, kept, working;
    decoder_buffers at;
    decoder_run *runs;                  // [piece]
    fv_selective_scan *scan, *one_step; // of a piece, and of a single position
    int64_t scan_length;
};

static inline float *decoder_kept(const fv_decoder *d, size_t at) {
    return arena_at(&d->kept, at);
}
static inline float *decoder_working(const fv_decoder *d, size_t at) {
    return arena_at(&d->working, at);
}

#define DECODER_RECURRENCES(X)                                                                     \
    X(LINEAR_ATTENTION, linear_attention)                                                          \
    X(RETNET, retnet)                                                                              \
    X(GLA, gla)                                                                                    \
    X(MAMBA2, mamba2)                                                                              \
    X(DELTANET, deltanet)                                                                          \
    X(GATED_DELTANET, gated_deltanet)
// `reaches` of a state, which keeps nothing of what it was before.
static inline bool decoder_state_reaches(const decoder_layer *layer, int64_t n, int64_t left) {
    (void)layer;
    return n == 0 || left == 0;
}

// The layers that can be read piece by piece, a line each; a model that has others is refused.
#define DECODER_KINDS(X)                                                                           \
    X(ATTENTION, attention)                                                                        \
    X(MLP, mlp)                                                                                    \
    X(LAYER_NORM, layer_norm)                                                                      \
    X(RMS_NORM, rms_norm)                                                                          \
    X(MAMBA, mamba)                                                                                \
    X(SHORT_CONVOLUTION, short_convolution)                                                        \
    X(NSA, nsa)                                                                                    \
    X(COMPRESSED_ATTENTION, compressed_attention)                                                  \
    DECODER_RECURRENCES(X)
#define DECLARE(NAME, name) extern const decoder_kind decoder_kind_##name;
DECODER_KINDS(DECLARE)
#undef DECLARE

// --- weights (decoder_load.c) --------------------------------------------------------------------

// Takes all weights and the sizes of their shapes. FV_USAGE for a part that the decoder does not
// know.
fv_status decoder_load(fv_decoder *decoder, const fv_model *model, const float *params,
                       fv_error *error);

const fv_model *decoder_loader_model(const decoder_loader *loader);
const decoder_sizes *decoder_loader_sizes(const decoder_loader *loader);
const float *decoder_loader_values(const decoder_loader *loader, const fv_tensor *tensor);
// The layer's tensor `name` as in "blocks.%d.attn.W_Q".
const fv_tensor *decoder_tensor(const decoder_loader *loader, const decoder_layer *layer,
                                const char *name);
// Outputs first .. first + n_out - 1 of W [n_in][columns], with a bias or NULL.
decode_projection decoder_load_map(decoder_loader *loader, const fv_tensor *w, int first, int n_out,
                                   const fv_tensor *bias);
// A copy, with zeros up to the next sixteen; NULL in the first of the two calls.
float *decoder_load_array(decoder_loader *loader, const fv_tensor *tensor);

// --- rows (decoder_rows.c) -----------------------------------------------------------------------

// The rows' tokens of this piece, with their positions: x [rows->n][d].
void decoder_embed(const fv_decoder *decoder, const int32_t *tokens, const decoder_rows *rows,
                   float *x);
void decoder_normalise(const fv_decoder *decoder, const decoder_norm *norm, int64_t n,
                       const float *x, float *y);
// y = x W + b for n positions, in rows.
void decoder_project(const fv_decoder *decoder, const decode_projection *map, int64_t n,
                     const float *x, float *y);
// Logits [n][V] of x [n][d].
void decoder_unembed(const fv_decoder *decoder, int64_t n, float *x, float *logits);

// Positions whose logits are computed at a time: a wide vocabulary leaves room for fewer.
static inline int64_t decoder_unembedded_at_once(const fv_decoder *decoder) {
    enum { MOST = 1 << 19 }; // numbers
    int64_t n = MOST / (decoder->sizes.n_vocab + 15);
    return n < 1 ? 1 : n > FV_PROJECT_POSITIONS ? FV_PROJECT_POSITIONS : n;
}

// --- attention that needs all weights of a query at once (decoder_weigh.c) ------------------------

// Whether layer `place` of the list does.
bool decoder_weighs(const fv_decoder *decoder, int place);
bool decoder_selects(const fv_decoder *decoder, int place); // keys that queries keep
void decoder_weigh_reserve(fv_decoder *decoder, const decoder_attention *attention);
// o [n_head][n][d_head] of the queries q that stand at `row` of the cache and behind it.
void decoder_weigh(fv_decoder *decoder, decoder_layer *layer, int64_t row, int64_t n,
                   const float *q, float *o);

// --- an index of keys (decoder_index.c) -------------------------------------------------------------

// Does nothing where the layer's selector has none; else in the order of a layer's life (decoder_kind).
void decoder_index_load(decoder_loader *loader, decoder_layer *layer);
void decoder_index_reserve(fv_decoder *decoder, decoder_layer *layer);
fv_status decoder_index_plan(const fv_decoder *decoder, decoder_layer *layer, fv_error *error);
void decoder_index_free(decoder_layer *layer);
// Keys of the n positions of a piece, x [n][d], join the cache behind its n_held rows; before the queries.
void decoder_index_keys(const fv_decoder *decoder, const decoder_layer *layer, int64_t n,
                        const float *x);
// Queries of n positions of the piece, the first of which is its position `from`; x begins there.
void decoder_index_queries(const fv_decoder *decoder, const decoder_layer *layer, int64_t from,
                           int64_t n, const float *x);
double decoder_index_operations(const decoder_layer *layer, double n_queries, double n_keys,
                                double pairs);

// --- keys that queries do without (decoder_evict.c) -----------------------------------------------

// FV_USAGE where the model cannot keep keys so.
fv_status decoder_keep_check(const fv_decoder *decoder, fv_error *error);

// Whether keys are gone for good once queries have attended, so that every query counts.
static inline bool decoder_evicts(const fv_decoder *decoder) {
    return decoder->keep.kind == FV_KEEP_H2O || decoder->keep.kind == FV_KEEP_SNAPKV;
}
void decoder_evict_reserve(fv_decoder *decoder, decoder_layer *layer);
void decoder_evict_forget(const fv_decoder *decoder, decoder_layer *layer);

static inline double decoder_map_operations(const decode_projection *map) {
    return (double)map->n_in * map->n_out;
}

#endif
