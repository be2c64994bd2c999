// How the stages of an attention layer fit together: attention.c calls them in order, and each file
// beside it is one of them.
//
//     project   q, k, v of the layer's (normalised) input      attention_project.c
//     norm      of q and k                                     attention_qk_norm.c
//     turn      q and k by their positions                     attention_turn.c
//     stretch   by what scores are multiplied                  attention_normalise.c
//     select    which keys each query keeps                    attention_select.c
//               and what that learns                           attention_lesson.c
//     attend    z = softmax(score(q, k)) v, by one of          attention_pooled.c
//               three ways                                     attention_textbook.c
//               with what becomes of scores                    attention_shape.c
//     gate      z                                              attention_gate.c
//     W_O       and the stream                                 attention.c
//
// Rows of queries have n_head heads of d_head features side by side, rows of keys and values
// n_kv_head of them.
#ifndef MODEL_ATTENTION_WAYS_H
#define MODEL_ATTENTION_WAYS_H

#include "model/attention_layer.h"
#include "model/attention_rows.h"
#include "model/selectors.h"

// Gradients on their way back. Those of z and q live only inside backward and share one region with
// what else does: carried queries and pools, and a group's scores.
typedef struct attention_gradients {
    real *dz, *dq; // [G][out.n][q][16]
    real *dk, *dv; // [G][in.n][kv][16]; of a pooled layer NULL
} attention_gradients;

enum attention_scratch { S_DZ, S_DQ, S_DCARRIED, S_DPOOLED, S_SCORES };
real *attention_scratch_of(const model_layer *layer, const model_tile *tile,
                           enum attention_scratch which);

static inline bool attention_goes_by(const model_layer *layer, attention_way way) {
    return model_attention_of(layer)->way == way;
}

// Whether queries are projected and carried, and pools projected and put out, by chains of two maps:
// nothing happens between them, and one head reads all features.
bool attention_is_chained(const model_layer *layer);

// Keys that the last query could see: the width of a row of probabilities.
static inline int attention_n_keys(const model_layer *layer) {
    return model_attention_of(layer)->seen.n_keys[layer->out.n - 1];
}

// W_Q, W_K, W_V or W_O with its bias.
model_linear attention_linear(const model_layer *layer, enum param w);

// The attention kernel's arguments for head h but for its queries, keys, values and sums.
kernel_attend attention_arguments(const model_layer *layer, const model_tile *tile, int h);

// Rows [G][in.n][width] that no query attends to get no gradient from attention, which leaves them
// as they are: clears all.
void attention_clear_unattended(const model_layer *layer, const model_tile *tile, real *rows,
                                int width);

// x is the layer's input, or what its norm makes of it; dx is overwritten.
void project_forward(const model_layer *layer, const model_tile *tile, real *x);
void project_queries_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                              const attention_gradients *g);
void project_keys_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                           const attention_gradients *g);
// dy [G][out.n][n_out] through a map of the inputs at the outputs' positions: dx +=, with room
// [G][out.n][d] in `spare`.
void outputs_backward(const model_layer *layer, const model_tile *tile, model_linear linear,
                      real *x, real *dx, real *dy, real *spare);
void look_up_backward(const model_layer *layer, const model_tile *tile, real *dx,
                      const attention_gradients *g);

// The stage of the selector: units and memory, and the keys that the queries of head h keep among the
// arguments of the attention kernel, whose p holds anything afterwards.
fv_status selector_plan(fv_model *model, model_layer *layer, fv_error *error);
void selector_choose(const model_layer *layer, const model_tile *tile, int h,
                     kernel_attend *attend);
// Choices of a layer, and the one of head h.
int selector_n_choices(const model_layer *layer);
int selector_choice_of(const model_layer *layer, int h);
// A choice as selectors see it, of the head's arguments, which must stay; and what the lab shows of it.
selection selector_view(const model_layer *layer, const model_tile *tile, int h,
                        const kernel_attend *attend, selection_lab *lab);
// The keys that a choice kept, [G][out.n][keys] bits.
uint16_t *selector_kept(const model_layer *layer, const model_tile *tile, int choice);

// Selectors that learn: what they make of the layer's inputs x, and on the way back, while these and the
// weights of all heads are still there, their loss and the gradients of their parameters.
void selector_prepare(const model_layer *layer, const model_tile *tile, real *x);
void selector_plan_lesson(fv_model *model, model_layer *layer);
void selector_learn(const model_layer *layer, const model_tile *tile, real *x);

// Stages of the normaliser: what is learned and counted for it, the stretch of every query, and its
// way back to the head's parameters and to dq.
fv_status normaliser_plan_counts(model_layer *layer, fv_error *error);
void normaliser_plan(fv_model *model, model_layer *layer);
void normaliser_forward(const model_layer *layer, const model_tile *tile);
void normaliser_backward(const model_layer *layer, const model_tile *tile,
                         const attention_gradients *g);

// Head h's normaliser among the arguments of the attention kernel; and the gradients of that call with
// those of the head's alpha and stretch.
void normaliser_choose(const model_layer *layer, const model_tile *tile, int h,
                       kernel_attend *attend);
void normaliser_attend_backward(const model_layer *layer, const model_tile *tile, int h,
                                kernel_attend_gradient *job);

// What the selector takes off and adds to operations that were counted of all `pairs` of a sequence.
void selector_count(const model_layer *layer, double pairs, double *textbook, double *executed,
                    double *exps);

// Sums values again with the pattern that a replacement has left (activation_edit.h).
void attention_weigh(const model_layer *layer, const model_tile *tile);

void pooled_forward(const model_layer *layer, const model_tile *tile, real *x);
// From dz to dq, W_K, W_V and the part of dx that flows through keys and values.
void pooled_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                     const attention_gradients *g);

// Of a chained layer, in place of W_O and of the queries' projection. dx has its other parts.
void pooled_output(const model_layer *layer, const model_tile *tile, real *y);
void pooled_output_backward(const model_layer *layer, const model_tile *tile, kernel_rows dy,
                            const attention_gradients *g);
void pooled_queries_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                             const attention_gradients *g);

// What the weights of head h would be if its queries kept every key, or which keys they keep as ones and
// zeros, into rows of a buffer of one's own; behind the layer's forward pass.
void textbook_weights(const model_layer *layer, const model_tile *tile, int h,
                      kernel_attend_rows to);
void textbook_kept(const model_layer *layer, const model_tile *tile, int h, kernel_attend_rows to);
void textbook_forward(const model_layer *layer, const model_tile *tile);
// From dz to dq, dk and dv.
void textbook_backward(const model_layer *layer, const model_tile *tile,
                       const attention_gradients *g);

// --- parts of some layers, which do nothing in the others ----------------------------------------

void qk_norm_plan(fv_model *model, model_layer *layer);
void qk_norm_forward(const model_layer *layer, const model_tile *tile);
void qk_norm_backward(const model_layer *layer, const model_tile *tile,
                      const attention_gradients *g);

fv_status turn_plan(model_layer *layer, fv_error *error);
void turn_free(attention_layer *attention);
void turn_forward(const model_layer *layer, const model_tile *tile);
void turn_backward(const model_layer *layer, const model_tile *tile, const attention_gradients *g);

fv_status shape_plan(model_layer *layer, fv_error *error);
void shape_plan_params(fv_model *model, model_layer *layer);
void shape_plan_buffers(fv_model *model, model_layer *layer);
bool shape_keeps_slopes(const model_layer *layer);
void shape_arguments(const model_layer *layer, const model_tile *tile, int h, kernel_attend *k);
// Head h's sink and its gradient; NULL where there is none.
const real *shape_sink(const model_layer *layer, const model_tile *tile, int h);
real *shape_dsink(const model_layer *layer, const model_tile *tile, int h);

void gate_plan_params(fv_model *model, model_layer *layer);
void gate_plan(fv_model *model, model_layer *layer);
void gate_forward(const model_layer *layer, const model_tile *tile, real *x);
void gate_backward(const model_layer *layer, const model_tile *tile, const attention_gradients *g);
void gate_project_backward(const model_layer *layer, const model_tile *tile, real *x, real *dx,
                           const attention_gradients *g);

#endif
