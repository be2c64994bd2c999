// What a layer is made of: parameters inside the model's flat array, buffers inside a tile's
// workspace, and the positions it must compute.
//
// A tile is G groups of sixteen samples; it goes forward and backward while it is in cache. Which
// positions a layer computes is derived from the top down, from those that the loss reads: an
// attention layer asked for the last position computes one query, and asks the layer below for the
// positions of its keys: all of them, or the sinks and a window.
#ifndef MODEL_LAYERS_H
#define MODEL_LAYERS_H

#include "base/arena.h"
#include "config/part.h"
#include "kernels/kernels.h"
#include "tasks/data.h"

#include <fovea/model.h>
#include <fovea/ring.h>

// Increasing positions of a sequence.
typedef struct model_positions {
    int n;
    int *at; // [n]
} model_positions;

typedef enum init_kind {
    FV_INIT_EMBEDDING, // fan_in is the width
    FV_INIT_LINEAR,    // U(+-1 / sqrt(fan_in))
    FV_INIT_OUTPUT,    // the same, writing into the residual stream (gpt2 scales it down)
    FV_INIT_BIAS,      // U(+-1 / sqrt(fan_in)) in the posts' initialisation, else 0
    FV_INIT_ZERO,
    FV_INIT_ONE,
    FV_INIT_FAN_IN,     // U(+-1 / sqrt(fan_in)) whatever model.init says
    FV_INIT_TIME_STEP,  // b with log(1 + exp(b)) log-uniform in [1e-3, 1e-1]
    FV_INIT_LOG_COLUMN, // log(1 + column) of rows of fan_in
    FV_INIT_LOG_POWER,  // log(model.score_power)
    FV_INIT_ALPHA,      // what makes alphas of model.entmax_alpha
} init_kind;

typedef struct model_param {
    init_kind init;
    int fan_in;
    // Of every `period` numbers the first `kept` are learned and the others stay 0; 0: all are
    // learned.
    int kept, period;
    bool apart; // only a loss of its layer's own reaches it (model_layer.own_loss)
} model_param;

static inline bool param_is_learned(const model_param *param, size_t k) {
    return param->kept == 0 || k % (size_t)param->period < (size_t)param->kept;
}

struct fv_model {
    fv_config config; // task.context_length: of the sequences it reads
    int n_positions;  // rows of positional tables; at least context_length
    task_data data;   // loss positions and test sequences; never the training set
    int n_tensors;
    fv_tensor *tensors;
    model_param *params; // [n_tensors]
    int tensor_capacity;
    bool short_of_memory; // while it is planned
    size_t n_params;

    // Of a rank that holds some positions of every sequence, all of which it computes; attention
    // goes to the others through this. NULL: the model has whole sequences.
    const fv_ring_transport *ranks;

    bool seen;           // by a cache of activations: nothing is computed by a way around them
    bool keeps_patterns; // attention's probabilities stay, however long the context
    bool replaced;       // activations of it: every stage computes what it hands on, in one tile
    int max_groups;      // of a batch
    int group_capacity;  // G, groups in a full tile
    memory_arena plan;   // the layout of a workspace (base is NULL)
    int n_layers;        // embedding, config layers, head
    struct model_layer *layers;
    int n_attention;
    real *fixed_positions;     // [n_positions][d] or NULL
    size_t tokens, targets;    // buffers [G][data.n_in][16], [G][data.n_out][16]
    size_t losses, correct;    // [G][n_loss][16]
    size_t stream_gradient[2]; // dx of even and odd layers
};

// A tile at work. Buffers of the layers are offsets into `workspace`.
typedef struct model_tile {
    const fv_model *model;
    const kernel_set *kernels;
    const memory_arena *workspace;
    int n_groups;
    uint32_t step, first_group; // of the batch: which random choices are its own
    const real *params;
    real *gradient; // [n_params], accumulated; NULL: forward only
    real weight;    // of each target in the loss
    bool count_correct;
    bool dense;         // selectors that learn keep every key (train.indexer_warmup)
    int n_samples;      // of the whole batch; 0: every lane has one
    real sample_weight; // of each sample in losses of layers' own; 0: these are not computed
    void *const *own;   // [n_layers], of this worker alone: model_worker_layers
    const struct model_layer
        *stops_early;        // attention that computes only its probabilities, or NULL
    struct model_edit *edit; // what is replaced on the way (activation_edit.h); NULL: nothing
} model_tile;

static inline real *tile_buffer(const model_tile *tile, size_t offset) {
    return arena_at(tile->workspace, offset);
}

// What layers keep: slots named by an enum in each layer's file, but for the embedding's
// parameters, which the first layer may read, too.
enum { FV_EMBEDDING_TOKENS, FV_EMBEDDING_POSITIONS };
enum { FV_LAYER_PARAMS = 32, FV_LAYER_BUFFERS = 80 };

// A norm in front of a layer.
typedef struct norm_part {
    bool present, center;
    int width;            // features of a row
    size_t w, b;          // parameters
    size_t y, mean, rstd; // buffers
    char name[32];        // "blocks.0.ln1", whether it is present or not
} norm_part;

// A norm behind a layer (model.norm_place), which its forward and backward pass know nothing of:
// y = norm(f(x)), or with `skips` y = x + norm(f(x)), where the layer itself does not add x.
typedef struct norm_behind {
    norm_part norm;
    bool skips;
    size_t y;      // with skips; else it is the norm's
    size_t inputs; // with skips: x at the positions of y
    size_t dy;
} norm_behind;

typedef struct model_layer model_layer;
typedef struct layer_hook layer_hook;

// Which half of a TransformerLens block a layer is: its tensors have the names and shapes of
// model/checkpoint_map.c, so that checkpoints of it open there.
typedef enum block_half { FV_NO_HALF, FV_HALF_ATTENTION, FV_HALF_MLP } block_half;

// What a layer hands back to the one before it.
typedef enum layer_returns {
    LAYER_RETURNS_DX,
    LAYER_RETURNS_DY, // dx would be dy: it lies in its place
    LAYER_RETURNS_NOTHING,
} layer_returns;

typedef struct layer_type {
    bool attends; // by what earlier positions hold: it sees their order by no state
    block_half half;
    bool is_norm; // counted with the other norms, and never beside a residual stream
    // Makes layer->own of what the configuration says of layer i of its list, and frees it. NULL:
    // the layer owns nothing.
    fv_status (*create)(model_layer *layer, int i, fv_error *error);
    void (*free)(model_layer *layer);
    // The positions that the layer reads to compute those of `out`; NULL: the same ones, and
    // nothing goes from one position to another.
    fv_status (*needs)(const model_layer *layer, model_positions *in, fv_error *error);
    // What every worker has for itself beside the workspace, tile->own[layer]. NULL: nothing.
    fv_status (*worker_create)(const model_layer *layer, void **own, fv_error *error);
    void (*worker_free)(void *own);
    // Reserves parameters and buffers. `model` is being built; layer->in and ->out are known. What
    // keeps a layer from being made is said in *error.
    fv_status (*plan)(fv_model *model, model_layer *layer, fv_error *error);
    // Reads buffer x [G][in.n][d][16], writes y [G][out.n][d][16].
    void (*forward)(const model_layer *layer, const model_tile *tile);
    // Reads dy, overwrites dx, adds to the parameters' gradients.
    void (*backward)(const model_layer *layer, const model_tile *tile);
    // Multiply-adds per sequence: as a textbook computes the wanted positions, and as executed
    // here; exponentials per sequence. Forward only.
    void (*cost)(const model_layer *layer, double *textbook, double *executed, double *exps);
    config_part part; // of what may stand in a list of layers
    // How many positions back layer i of the list reaches, itself not counted. NULL: none.
    int (*reach)(const fv_config *config, int i);
    // Numbers that it hands on from token to token once the context is full. NULL: none.
    double (*state)(const fv_config *config, int i);
    // What can be seen of it after forward, ended by a hook without name: hooks.h.
    const layer_hook *hooks;
} layer_type;

// The type of FV_LAYER_<kind>.
const layer_type *layer_type_of(int kind);

struct model_layer {
    const layer_type *type;
    const fv_model *model;
    int index; // among the layers of its own kind
    model_positions in, out;
    int *rows; // [out.n] row of in that holds each position of out
    size_t x, y, dx, dy;
    layer_returns returns;       // of the first layer, where it has seen to the embeddings itself
    int first_tensor, n_tensors; // of the model's, that it alone has
    size_t param[FV_LAYER_PARAMS];
    size_t buffer[FV_LAYER_BUFFERS];
    norm_part norm;
    norm_behind behind;
    // [G][16]: what the layer adds to the loss for parameters that nothing else reaches, a sum over
    // own_terms of every sample; 0 terms: nothing.
    size_t own_loss;
    double own_terms;
    bool residual;
    void *own; // what only its type knows
};

extern const layer_type layer_embedding, layer_head;
extern const layer_type layer_inputs, layer_outputs; // in their places where a task has reals
#define FV_PART_LAYER(NAME, name) extern const layer_type layer_##name;
#include <fovea/fields.def>

// All positions up to the last of `out`: what a recurrence needs.
fv_status needs_all_before(const model_layer *layer, model_positions *in, fv_error *error);

// What is added to the embeddings of tokens, [n_positions][d]; NULL without positions.
const real *positions_table(const model_tile *tile);

// Adds a parameter tensor ("blocks.0.attn.W_Q") unless there is one of that name; columns 0 makes a
// vector. Returns its offset.
size_t model_add(fv_model *model, init_kind init, int rows, int columns, int fan_in,
                 const char *format, ...) FV_PRINTF(6, 7);

// Holds all but the first `kept` of every `period` numbers of the tensor at `offset` at 0.
void model_restrict(fv_model *model, size_t offset, int kept, int period);

// Reserves [G][rows][features][16] reals.
size_t model_reserve(fv_model *model, int rows, int features);

// The rows of x that hold the layer's output positions, as a matrix of G * out.n rows: a view where
// rows lie at equal distance, else a copy in `compact`. With `dense` also a view has no gaps.
kernel_rows rows_of_output(const model_layer *layer, const model_tile *tile, real *x, real *compact,
                           bool dense);

// y = x at the output positions: what a layer that adds to the stream begins with.
void rows_copy_outputs(const model_layer *layer, const model_tile *tile, real *x, real *y);

// Adds dy, rows at the output positions, to the matching rows of dx.
void rows_add(const model_layer *layer, const model_tile *tile, kernel_rows dy, real *dx);

// The same two for rows of any width [G][in.n][width][16]; the view has no gaps.
kernel_rows rows_at_outputs(const model_layer *layer, const model_tile *tile, real *x, int width,
                            real *compact);
void rows_add_at_outputs(const model_layer *layer, const model_tile *tile, kernel_rows dy,
                         int width, real *dx);

// All rows of a dense buffer [G][rows][features][16].
static inline kernel_rows rows_dense(real *data, int features) {
    return (kernel_rows){data, (ptrdiff_t)features * FV_LANES};
}

// The norm in front of a layer, named "blocks.%d.ln1" and so on, where model.norm_place has one there.
// `kind` is FV_NORM_*.
void norm_plan(fv_model *model, norm_part *norm, int kind, int rows, const char *name);
// The same wherever norms stand.
void norm_plan_always(fv_model *model, norm_part *norm, int kind, int rows, const char *name);
// One of rows of any width.
void norm_plan_width(fv_model *model, norm_part *norm, int kind, int rows, int width,
                     const char *name);
// Returns the normalised rows, or x itself where there is no norm.
real *norm_forward(const norm_part *norm, const model_tile *tile, int rows, real *x);
// dx = gradient at x of dy; where there is no norm dx must be dy.
void norm_backward(const norm_part *norm, const model_tile *tile, int rows, real *x, real *dy,
                   real *dx);

// The norm behind a layer that has been planned.
void norm_behind_plan(fv_model *model, model_layer *layer);
// Behind the layer's forward pass, and in front of its backward pass, whose dy it replaces by the
// gradient of the layer's own output; norm_behind_skip once that has made dx.
void norm_behind_forward(const model_layer *layer, const model_tile *tile);
void norm_behind_backward(const model_layer *layer, const model_tile *tile);
void norm_behind_skip(const model_layer *layer, const model_tile *tile);

// The power of distances in harmonic readouts.
static inline double readout_power(const fv_model_config *config) {
    return config->readout_power > 0 ? config->readout_power : config->n_embd;
}

// What the next layer reads.
static inline size_t layer_output(const model_layer *layer) {
    return !layer->behind.norm.present ? layer->y
           : layer->behind.skips       ? layer->behind.y
                                       : layer->behind.norm.y;
}

// Whether model.norm_place has norms in front of layers, and behind them.
static inline bool norms_in_front(const fv_model_config *config) {
    return config->norm_place == FV_NORM_PLACE_PRE || config->norm_place == FV_NORM_PLACE_SANDWICH;
}
static inline bool norms_behind(const fv_model_config *config) {
    return config->norm != FV_NORM_NONE && config->norm_place != FV_NORM_PLACE_PRE;
}
// Whether the norm behind a layer comes in front of the sum with its input.
static inline bool norms_outputs(const fv_model_config *config) {
    return norms_behind(config) && config->norm_place != FV_NORM_PLACE_POST;
}

// y = x W + b and its gradients, for the parameters at `w` [n_in][n_out] and `b` (SIZE_MAX: none).
typedef struct model_linear {
    size_t w, b;
    int n_in, n_out;
} model_linear;
void linear_forward(const model_tile *tile, model_linear linear, int n_rows, kernel_rows x,
                    kernel_rows y, bool accumulate);
// dx may be {NULL}; with `accumulate` dx += .
void linear_backward(const model_tile *tile, model_linear linear, int n_rows, kernel_rows x,
                     kernel_rows dy, kernel_rows dx, bool accumulate);

// Plans a model that computes the given positions at the top instead of those of the loss, for at
// most max_groups groups at a time.
fv_status model_plan(const fv_config *config, const model_positions *top, int max_groups,
                     fv_model **model, fv_error *error);

// The same for a configuration whose context_length is shorter than that of the model it stands
// for, n_positions: both have the same parameters, so that one array serves every length.
fv_status model_plan_part(const fv_config *config, int n_positions, const model_positions *top,
                          int max_groups, fv_model **model, fv_error *error);

// The same for a model whose activations are to be seen: attention computes its queries, keys and
// values as a textbook does, and with `patterns` keeps its probabilities however long the context.
fv_status model_plan_seen(const fv_config *config, int n_positions, const model_positions *top,
                          int max_groups, bool patterns, fv_model **model, fv_error *error);

// The same for a model of which activations are to be replaced: all of max_groups are one tile.
fv_status model_plan_replaced(const fv_config *config, int n_positions, const model_positions *top,
                              int max_groups, fv_model **model, fv_error *error);

// The same for one of several ranks: every layer computes the positions `own`, and each of them may have
// a target. Tiles of one group. `ranks` outlives the model.
fv_status model_plan_rank(const fv_config *config, int n_positions, const model_positions *own,
                          const fv_ring_transport *ranks, fv_model **model, fv_error *error);

// Draws the initial values of tensor i; `draw` 0 is the model's own initialisation, others are
// independent of it.
void model_init_tensor(const fv_model *model, int i, uint64_t seed, uint32_t draw, float *values);

// What the layers of a model have for one worker: made before it starts, so that workers on one
// model wait for nothing and allocate nothing. Threads that run at the same time need one each, as
// they need a workspace each.
typedef struct model_worker_layers {
    const fv_model *model;
    void **own; // [n_layers]
} model_worker_layers;
fv_status worker_layers_create(const fv_model *model, model_worker_layers *layers, fv_error *error);
void worker_layers_free(model_worker_layers *layers);

// One layer with all that belongs to it, the norm behind it included.
void layer_forward(const model_layer *layer, const model_tile *tile);

// Forward through all layers; with tile->gradient also backward. Tokens and targets must be in
// place.
void tile_run(const model_tile *tile);

#endif
