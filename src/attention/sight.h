// Which keys a query sees in a model: those before it and itself, within a window, and a few first
// ones (StreamingLLM, arXiv 2309.17453). Here it is said once, in positions; rows of lanes
// (model/attention_keys.c), tiles and the decoder's cache are planned from it.
//
//     keys 0 1 2 3 4 5 6 7 8 ...      window 3, sinks 2
//     query 7: s s . . . w w w
#ifndef ATTENTION_SIGHT_H
#define ATTENTION_SIGHT_H

#include <fovea/attention.h>

typedef struct attention_sight {
    int64_t window; // positions up to the query, itself among them; 0: all
    int64_t sinks;  // first positions that are seen as well; 0 without a window
    bool exclude_self;
} attention_sight;

// The window's keys are those from the first to below the end. The sinks come before them.
static inline int64_t sight_first(const attention_sight *s, int64_t query) {
    return s->window > 0 && query >= s->window ? query - s->window + 1 : 0;
}
static inline int64_t sight_end(const attention_sight *s, int64_t query) {
    return s->exclude_self ? query : query + 1;
}

static inline bool sight_sees(const attention_sight *s, int64_t query, int64_t key) {
    return key < sight_end(s, query) && (key >= sight_first(s, query) || key < s->sinks);
}

// The same as a mask of tiled attention. There every query sees itself: one that should not stands
// a position before its own.
static inline fv_attention_mask sight_mask(const attention_sight *s) {
    fv_attention_mask mask = {.causal = true};
    if (s->window == 0) return mask;
    mask.window = s->window - s->exclude_self; // 0 leaves the sinks alone
    mask.sinks = s->sinks;
    return mask;
}

#endif
