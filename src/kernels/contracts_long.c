// Contracts of the kernels of one long sequence: tiles of attention, decoding, the scan.
#ifndef FOVEA_DOUBLE
#include "kernels/contracts.h"

#include "kernels/demand.h"

static bool is_width(int n) {
    return n >= FV_LANES && n % FV_LANES == 0;
}

const char *contract_to_columns(int n, const float *rows, float factor, float *columns) {
    (void)factor;
    DEMAND(is_width(n), "n is no multiple of 16");
    DEMAND(is_aligned(rows) && is_aligned(columns), UNALIGNED("rows or columns"));
    return NULL;
}

const char *contract_to_rows(int n, const float *columns, const float *factors, float *rows) {
    DEMAND(is_aligned(factors), UNALIGNED("factors"));
    return contract_to_columns(n, rows, 1, (float *)columns);
}

static const char *tile_shape(int d, int n_keys, const tile_score *score) {
    DEMAND(d >= 1 && d <= FV_MAX_HEAD_WIDTH, "d is outside of 1 .. FV_MAX_HEAD_WIDTH");
    DEMAND(n_keys >= 0 && n_keys <= FV_TILE_KEYS, "n_keys is outside of 0 .. 128");
    DEMAND(score->kind < FV_N_SCORES, "there is no such score");
    DEMAND(!score_has_floor(score->kind) || !(score->floor <= 0), "floor is not above 0");
    return NULL;
}

const char *contract_tile(const tile_job *t) {
    DEMAND(t->k != NULL && t->v != NULL, "k or v is NULL");
    DEMAND(t->n_keys <= 1 || (t->k_stride >= t->d && t->v_stride >= t->d),
           "k_stride or v_stride is below d");
    DEMAND(t->n_ahead >= 0, "n_ahead is below 0");
    DEMAND(is_aligned(t->qt) && is_aligned(t->ot), UNALIGNED("qt or ot"));
    DEMAND(is_aligned(t->p), UNALIGNED("p"));
    DEMAND(is_aligned(t->largest) && is_aligned(t->sum), UNALIGNED("largest or sum"));
    return tile_shape(t->d, t->n_keys, &t->score);
}

const char *contract_tile_gradient(const kernel_tile_gradient *t) {
    DEMAND(is_width(t->d_padded) && t->d_padded >= t->d,
           "d_padded is below d or no multiple of 16");
    DEMAND(is_aligned(t->qt) && is_aligned(t->gt), UNALIGNED("qt or gt"));
    DEMAND(is_aligned(t->q) && is_aligned(t->g), UNALIGNED("q or g"));
    DEMAND(is_aligned(t->logsumexp) && is_aligned(t->delta), UNALIGNED("logsumexp or delta"));
    DEMAND(is_aligned(t->k) && is_aligned(t->v), UNALIGNED("k or v"));
    DEMAND(is_aligned(t->p) && is_aligned(t->ds), UNALIGNED("p or ds"));
    DEMAND(is_aligned(t->dq), UNALIGNED("dq"));
    DEMAND(is_aligned(t->dk) && is_aligned(t->dv), UNALIGNED("dk or dv"));
    return tile_shape(t->d, t->n_keys, &t->score);
}

const char *contract_decode(const decode_job *t) {
    DEMAND(is_width(t->d_padded), "d_padded is no multiple of 16");
    DEMAND(t->n_heads >= 0, "n_heads is below 0");
    DEMAND(t->n_rows >= t->n_keys, "n_rows is below n_keys");
    DEMAND(t->k != NULL && t->v != NULL, "k or v is NULL");
    DEMAND(is_aligned(t->q) && is_aligned(t->o), UNALIGNED("q or o"));
    DEMAND(is_aligned(t->p), UNALIGNED("p"));
    DEMAND(!t->bfloat16 || is_aligned(t->paired), UNALIGNED("paired"));
    DEMAND(t->largest != NULL && t->sum != NULL, "largest or sum is NULL");
    return tile_shape(t->d_padded, t->n_keys, &t->score);
}

const char *contract_long_scan(const kernel_scan_chunk *s) {
    DEMAND(s->n >= 0, "n is below 0");
    DEMAND(s->width >= 1 && s->width <= FV_SCAN_BLOCK, "width is outside of 1 .. FV_SCAN_BLOCK");
    DEMAND(s->n_state >= 1 && s->n_state <= FV_SCAN_MAX_STATE,
           "n_state is outside of 1 .. FV_SCAN_MAX_STATE");
    DEMAND(s->row >= s->width, "row is below width");
    DEMAND(s->ahead == 0 || s->ahead_lines > 0, "ahead is not 0 and ahead_lines is");
    DEMAND(s->u != NULL && s->delta != NULL, "u or delta is NULL");
    DEMAND(s->b != NULL && s->c != NULL, "b or c is NULL");
    DEMAND(is_aligned(s->a), UNALIGNED("a"));
    DEMAND(is_aligned(s->skip) && is_aligned(s->bias), UNALIGNED("skip or bias"));
    DEMAND(is_aligned(s->state), UNALIGNED("state"));
    DEMAND(is_aligned(s->step) && is_aligned(s->drive), UNALIGNED("step or drive"));
    DEMAND(is_aligned(s->sum), UNALIGNED("sum"));
    DEMAND(is_aligned_or_null(s->total), UNALIGNED("total"));
    return NULL;
}

const char *contract_long_scan_gradient(const scan_chunk_gradient *g) {
    DEMAND(g->dy != NULL && g->du != NULL && g->ddelta != NULL, "dy, du or ddelta is NULL");
    DEMAND(g->db != NULL && g->dc != NULL, "db or dc is NULL");
    DEMAND(is_aligned(g->dstate) && is_aligned(g->da), UNALIGNED("dstate or da"));
    DEMAND(is_aligned(g->dskip) && is_aligned(g->dbias), UNALIGNED("dskip or dbias"));
    DEMAND(is_aligned(g->dsum) && is_aligned(g->ddrive), UNALIGNED("dsum or ddrive"));
    DEMAND(is_aligned(g->dstep), UNALIGNED("dstep"));
    DEMAND(is_aligned(g->kept) && is_aligned(g->lanes), UNALIGNED("kept or lanes"));
    return contract_long_scan(&g->forward);
}

const char *contract_chunk(const kernel_chunk *j) {
    DEMAND(j->n >= 1 && j->n <= FV_CHUNK, "n is outside of 1 .. FV_CHUNK");
    DEMAND(j->n_key >= 1 && j->n_key <= FV_CHUNK_WIDEST,
           "n_key is outside of 1 .. FV_CHUNK_WIDEST");
    DEMAND(j->n_value >= 1 && j->n_value <= FV_CHUNK_WIDEST,
           "n_value is outside of 1 .. FV_CHUNK_WIDEST");
    DEMAND(j->k != NULL && j->v != NULL, "k or v is NULL");
    DEMAND(j->y == NULL || j->q != NULL, "y is asked for without q");
    DEMAND(j->key_row >= j->n_key && j->value_row >= j->n_value,
           "key_row is below n_key, or value_row below n_value");
    DEMAND(is_aligned(j->state), UNALIGNED("state"));
    DEMAND(is_aligned(j->scratch), UNALIGNED("scratch"));
    return NULL;
}

const char *contract_chunk_gradient(const kernel_chunk_gradient *g) {
    DEMAND(g->forward.q != NULL && g->dy != NULL, "q or dy is NULL");
    DEMAND(g->dq != NULL && g->dk != NULL && g->dv != NULL, "dq, dk or dv is NULL");
    DEMAND(is_aligned(g->dstate), UNALIGNED("dstate"));
    return contract_chunk(&g->forward);
}
#endif
