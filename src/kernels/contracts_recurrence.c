// What the kernels of recurrences ask of their arguments (recurrence_kernels.h).
#include "kernels/contracts.h"
#include "kernels/demand.h"

static const char *recurrence_shape(const kernel_recurrence *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0 && a->n_heads >= 0 && a->n_value >= 0,
           "n_groups, n_rows, n_heads or n_value is below 0");
    DEMAND(a->n_key >= 1 && a->n_key <= FV_RECURRENCE_MAX_KEY,
           "n_key is outside of 1 .. FV_RECURRENCE_MAX_KEY");
    DEMAND(a->n_decay == 0 || a->n_decay == 1 || a->n_decay == a->n_key,
           "n_decay is not 0, 1 or n_key");
    for (int o = 0; o < a->n_outputs; o++)
        DEMAND(a->rows[o] >= 0 && a->rows[o] < a->n_rows && (o == 0 || a->rows[o] > a->rows[o - 1]),
               "rows do not increase within 0 .. n_rows - 1");
    DEMAND(on_lanes(a->q) && on_lanes(a->k) && on_lanes(a->v),
           UNALIGNED("q, k or v, or a stride of theirs"));
    DEMAND(a->n_decay == 0 || on_lanes(a->decay), UNALIGNED("decay or its stride"));
    DEMAND(a->rate.data == NULL || on_lanes(a->rate), UNALIGNED("rate or its stride"));
    return NULL;
}

const char *contract_recurrence(const kernel_recurrence *a) {
    DEMAND(on_lanes(a->y), UNALIGNED("y or its stride"));
    return recurrence_shape(a);
}

const char *contract_recurrence_gradient(const kernel_recurrence_gradient *b) {
    const kernel_recurrence *a = &b->forward;
    DEMAND(on_lanes(b->dy) && on_lanes(b->dq), UNALIGNED("dy or dq, or a stride of theirs"));
    DEMAND(on_lanes(b->dk) && on_lanes(b->dv), UNALIGNED("dk or dv, or a stride of theirs"));
    DEMAND((a->n_decay > 0) == (b->ddecay.data != NULL), "decay and ddecay are not there together");
    DEMAND((a->rate.data != NULL) == (b->drate.data != NULL),
           "rate and drate are not there together");
    DEMAND((a->skip != NULL) == (b->dskip != NULL), "skip and dskip are not there together");
    DEMAND(is_aligned(b->scratch), UNALIGNED("scratch"));
    return recurrence_shape(a);
}

static const char *decay_shape(const kernel_decay *a) {
    DEMAND(a->n_rows >= 0 && a->n_features >= 0, "n_rows or n_features is below 0");
    DEMAND(a->factor != NULL, "factor is NULL");
    DEMAND(on_lanes(a->x) && on_lanes(a->step) && on_lanes(a->decay),
           UNALIGNED("x, step or decay, or a stride of theirs"));
    return NULL;
}

const char *contract_decay(const kernel_decay *a) {
    return decay_shape(a);
}

const char *contract_decay_gradient(const kernel_decay_gradient *b) {
    DEMAND(on_lanes(b->ddecay) && on_lanes(b->dx),
           UNALIGNED("ddecay or dx, or a stride of theirs"));
    DEMAND(b->dstep.data == NULL || on_lanes(b->dstep), UNALIGNED("dstep or its stride"));
    return decay_shape(&b->forward);
}

static const char *ratio_shape(const kernel_ratio *a) {
    DEMAND(a->n_rows >= 0 && a->n_features >= 0, "n_rows or n_features is below 0");
    DEMAND(on_lanes(a->x) && on_lanes(a->y), UNALIGNED("x or y, or a stride of theirs"));
    return NULL;
}

const char *contract_ratio(const kernel_ratio *a) {
    return ratio_shape(a);
}

const char *contract_ratio_gradient(const kernel_ratio_gradient *b) {
    DEMAND(on_lanes(b->dy) && on_lanes(b->dx), UNALIGNED("dy or dx, or a stride of theirs"));
    return ratio_shape(&b->forward);
}

#ifndef FOVEA_DOUBLE
const char *contract_state_step(const kernel_state_step *a) {
    DEMAND(a->n_key >= 1 && a->n_columns >= FV_LANES && a->n_columns % FV_LANES == 0,
           "n_key is below 1, or n_columns no multiple of 16");
    DEMAND(a->n_decay == 0 || a->n_decay == 1 || a->n_decay == a->n_key,
           "n_decay is not 0, 1 or n_key");
    DEMAND(a->n_decay == 0 || a->decay != NULL, "decay is NULL");
    DEMAND(a->k != NULL, "k is NULL");
    DEMAND(is_aligned(a->v) && is_aligned(a->state), UNALIGNED("v or state"));
    DEMAND(a->q == NULL || is_aligned(a->y), UNALIGNED("y"));
    DEMAND(a->room == NULL || is_aligned(a->room), UNALIGNED("room"));
    return NULL;
}
#endif
