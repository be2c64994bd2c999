// What the two halves of decoder_weigh.c and decoder_select.c share: sixteen neighbouring queries of one
// head, the keys that they see, and which of these they keep.
#ifndef DECODE_DECODER_WEIGH_H
#define DECODE_DECODER_WEIGH_H

#include "decode/decoder_plan.h"
#include "kernels/kernels.h"
#include "model/normalisers.h"
#include "model/selectors.h"

// What a head has of its own. Scores are those of lanes (kernels/lab_kernels.h).
typedef struct weighing_head {
    int index;
    kernel_score score;
    float scale, power, floor, alpha;
    kernel_normaliser normaliser;
    normaliser_stretch stretch;
    const float *stretch_by, *stretch_power; // of the head, or [d_head] each
    double cap, slope;                       // 0: none
    const double *sink;                      // NULL: none
} weighing_head;

typedef struct weighing {
    weighing_head head;
    int64_t d_head, row; // of the cache, where the first lane's query stands
    int n;               // lanes in use; the others are the last of them again
    int ahead;           // of its row each stands in the sequence: 1 where it does not see itself
    const float *q;      // [d_head][16]
    int n_keys, n_sinks; // rows that any lane sees: the first n_sinks, and from `from` on
    int64_t from;
    int *rows;      // [n_keys] of the cache
    uint16_t *kept; // [n_keys], bit l: lane l sees the key, and keeps it
    int64_t query;  // of the first lane, among those of the run
    int chosen; // whose units are in place, of choices that several heads make together; -1: none's
} weighing;

static inline int64_t weigh_row(const weighing *w, int lane) {
    return w->row + (lane < w->n ? lane : w->n - 1);
}

// scores [n][16] of the lanes' queries and n rows of keys.
void weigh_scores(const weighing *w, int64_t n, const float *k, float *scores);

// Weights [n][16] of n keys by a normaliser, of scores times the stretch [16] of their lane (or NULL). A key
// that is not kept has weight 0. The head's sink joins the sum where `sink` says so.
void weigh_keys(const weighing *w, int n, kernel_normaliser normaliser, const float *scores,
                const uint16_t *kept, const float *stretch, bool sink, float *weights);

// The layer's selector takes bits out of w->kept. k: the cached keys of the head; scores [n_keys][16];
// `weights` is room for as many.
void decoder_select(fv_decoder *d, decoder_layer *layer, weighing *w, const float *k,
                    const float *scores, float *weights);

// Ranks of units by the layer's index, for a choice of heads (decoder_index.c).
void decoder_index_rank(fv_decoder *d, const decoder_layer *layer, const weighing *w,
                        const selection *s, int choice);

// Of a selection without training: top_p takes bits out of w->kept.
void decoder_keep_mass(fv_decoder *d, const weighing *w, const float *scores, float *weights);

// Where keys are evicted: the single query's keys, those that are left to its head and its own, with copies
// of their rows; and what becomes of them once it has weighed them.
void decoder_evict_list(fv_decoder *d, decoder_layer *layer, weighing *w, const float **k,
                        const float **v);
void decoder_evict_one(fv_decoder *d, decoder_layer *layer, const weighing *w,
                       const float *weights);

#endif
