// Contracts of the lab's kernels (lab_kernels.h), where sixteen samples are the lanes.
#include "kernels/contracts.h"

#include "kernels/demand.h"

// Rows of lanes: the first on a whole vector, and every other as well.
static bool attend_on_lanes(const kernel_attend_rows *rows) {
    return is_aligned(rows->data) && rows->row_stride % FV_LANES == 0 &&
           rows->group_stride % FV_LANES == 0;
}

static bool ascends(const int *at, int n) {
    for (int i = 1; i < n; i++)
        if (at[i] < at[i - 1]) return false;
    return true;
}

static bool within(const int32_t *tokens, ptrdiff_t n, int lowest, int end) {
    for (ptrdiff_t i = 0; i < n; i++)
        if (tokens[i] < lowest || tokens[i] >= end) return false;
    return true;
}

const char *contract_draw(const kernel_draw *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0, "n_groups or n_rows is below 0");
    DEMAND(a->vocab_size >= 1, "vocab_size is 0; there must be a token to draw");
    DEMAND(is_aligned(a->tokens), UNALIGNED("tokens"));
    return NULL;
}

static const char *embed_shape(const kernel_embed *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0, "n_groups or n_rows is below 0");
    DEMAND(a->n_embd >= 1 && a->vocab_size >= 1, "n_embd or vocab_size is below 1");
    DEMAND(a->x != NULL && is_aligned(a->x), UNALIGNED("x"));
    DEMAND(is_aligned(a->tokens) && a->tokens_group_stride % FV_LANES == 0,
           UNALIGNED("tokens or their group_stride"));
    for (int g = 0; g < a->n_groups; g++)
        DEMAND(within(a->tokens + g * a->tokens_group_stride, (ptrdiff_t)a->n_rows * FV_LANES, 0,
                      a->vocab_size),
               "a token is outside of the vocabulary");
    return NULL;
}

const char *contract_embed(const kernel_embed *a) {
    DEMAND(a->table != NULL, "table is NULL");
    return embed_shape(a);
}

const char *contract_embed_gradient(const kernel_embed_gradient *b) {
    DEMAND(b->dtable != NULL, "dtable is NULL");
    return embed_shape(&b->forward);
}

const char *contract_map(const kernel_map *a) {
    DEMAND(a->n_rows >= 0 && a->n_out >= 0, "n_rows or n_out is below 0");
    DEMAND(a->n_in >= 1, "n_in is below 1");
    DEMAND(a->w != NULL, "w is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(a->y), UNALIGNED("y or its stride"));
    DEMAND(a->n_rows == 0 || a->x.data != a->y.data, "x and y are the same rows");
    return NULL;
}

const char *contract_map_gradient(const kernel_map_gradient *a) {
    DEMAND(a->n_rows >= 0 && a->n_in >= 0 && a->n_out >= 0, "n_rows, n_in or n_out is below 0");
    DEMAND(a->dw != NULL, "dw is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(a->dy), UNALIGNED("dy or its stride"));
    return NULL;
}

static const char *chain_shape(const kernel_chain *a) {
    DEMAND(a->n_rows >= 0 && a->n_out >= 0, "n_rows or n_out is below 0");
    DEMAND(a->n_in >= 1 && a->n_mid >= 1, "n_in or n_mid is below 1");
    DEMAND(a->w1 != NULL && a->w2 != NULL, "w1 or w2 is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(a->mid), UNALIGNED("mid or its stride"));
    DEMAND(a->n_rows == 0 || a->x.data != a->mid.data, "x and mid are the same rows");
    return NULL;
}

const char *contract_chain(const kernel_chain *a) {
    DEMAND(on_lanes(a->y), UNALIGNED("y or its stride"));
    DEMAND(a->n_rows == 0 || (a->y.data != a->mid.data && a->y.data != a->x.data),
           "y is the rows of x or mid");
    return chain_shape(a);
}

const char *contract_chain_gradient(const kernel_chain_gradient *b) {
    DEMAND(on_lanes(b->dy), UNALIGNED("dy or its stride"));
    DEMAND(on_lanes(b->dmid), UNALIGNED("dmid or its stride"));
    DEMAND(on_lanes(b->dx), UNALIGNED("dx or its stride"));
    DEMAND(b->dw1 != NULL && b->dw2 != NULL, "dw1 or dw2 is NULL");
    DEMAND(b->forward.n_rows == 0 || (b->dmid.data != b->dy.data && b->dx.data != b->dmid.data),
           "dmid is the rows of dy or dx");
    return chain_shape(&b->forward);
}

static const char *distances_shape(const kernel_distances *a) {
    DEMAND(a->n_rows >= 0 && a->n_out >= 0, "n_rows or n_out is below 0");
    DEMAND(a->n_in >= 1, "n_in is below 1");
    DEMAND(a->w != NULL, "w is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(a->squares), UNALIGNED("squares or its stride"));
    DEMAND(!(a->floor < (real)0x1p-126), "floor is 0, negative or subnormal");
    return NULL;
}

const char *contract_distances(const kernel_distances *a) {
    DEMAND(on_lanes(a->y), UNALIGNED("y or its stride"));
    return distances_shape(a);
}

const char *contract_distances_gradient(const kernel_distances_gradient *b) {
    DEMAND(on_lanes(b->dy), UNALIGNED("dy or its stride"));
    DEMAND(on_lanes(b->dx), UNALIGNED("dx or its stride"));
    DEMAND(is_aligned(b->scale), UNALIGNED("scale"));
    DEMAND(b->dw != NULL, "dw is NULL");
    return distances_shape(&b->forward);
}

const char *contract_bias_gradient(int n_rows, int n_out, kernel_rows dy, real *db) {
    DEMAND(n_rows >= 0 && n_out >= 0, "n_rows or n_out is below 0");
    DEMAND(db != NULL, "db is NULL");
    DEMAND(on_lanes(dy), UNALIGNED("dy or its stride"));
    return NULL;
}

// Which keys queries see.
static const char *attend_keys(const kernel_attend *a) {
    int n = a->n_queries;
    DEMAND(a->n_keys != NULL && ascends(a->n_keys, n), "n_keys decreases from a query to the next");
    DEMAND(n == 0 || a->n_keys[0] >= 0, "n_keys is below 0");
    DEMAND(n == 0 || a->n_keys[n - 1] <= a->n_rows_keys, "n_keys is beyond n_rows_keys");
    DEMAND(a->n_sinks >= 0, "n_sinks is below 0");
    if (a->first_key == NULL) return NULL;
    DEMAND(ascends(a->first_key, n), "first_key decreases from a query to the next");
    for (int i = 0; i < n; i++)
        DEMAND(a->first_key[i] >= 0 && a->first_key[i] <= a->n_keys[i],
               "first_key is outside of 0 .. n_keys");
    return NULL;
}

const char *contract_attend(const kernel_attend *a) {
    DEMAND(a->n_groups >= 0 && a->n_queries >= 0, "n_groups or n_queries is below 0");
    DEMAND(a->d_key >= 1 && a->d_value >= 0, "d_key is below 1 or d_value below 0");
    DEMAND(attend_on_lanes(&a->q), UNALIGNED("q or a stride"));
    DEMAND(attend_on_lanes(&a->k), UNALIGNED("k or a stride"));
    DEMAND(attend_on_lanes(&a->v), UNALIGNED("v or a stride"));
    DEMAND(attend_on_lanes(&a->z), UNALIGNED("z or a stride"));
    DEMAND(attend_on_lanes(&a->p), UNALIGNED("p or a stride"));
    DEMAND(a->score < FV_N_SCORES, "there is no such score");
    if (score_is_metric(a->score) || a->cap != 0) {
        DEMAND(attend_on_lanes(&a->slopes), UNALIGNED("slopes or a stride"));
        DEMAND(a->slopes.data != a->p.data, "p and slopes are the same rows");
    }
    DEMAND(a->normaliser < FV_N_NORMALISERS, "there is no such normaliser");
    DEMAND(!normaliser_has_alpha(a->normaliser) || (a->alpha > 1 && a->alpha <= 2),
           "alpha is outside of (1, 2]");
    DEMAND(a->stretch.data == NULL || attend_on_lanes(&a->stretch),
           UNALIGNED("stretch or a stride"));
    DEMAND(a->cap == 0 || !score_is_metric(a->score), "a score of distances has a cap");
    DEMAND(a->bias == 0 || (a->query_at != NULL && a->key_at != NULL),
           "query_at or key_at is NULL, and there is a bias");
    DEMAND(a->sink == NULL || a->normaliser == FV_NORMALISE_SOFTMAX, "a sink beside no softmax");
    DEMAND(a->sink == NULL || is_aligned(a->sink_p), UNALIGNED("sink_p"));
    DEMAND(!score_has_floor(a->score) || !(a->floor <= 0), "floor is not above 0");
    return attend_keys(a);
}

const char *contract_attend_gradient(const kernel_attend_gradient *b) {
    DEMAND(attend_on_lanes(&b->dz), UNALIGNED("dz or a stride"));
    DEMAND(attend_on_lanes(&b->dq), UNALIGNED("dq or a stride"));
    DEMAND(attend_on_lanes(&b->dk), UNALIGNED("dk or a stride"));
    DEMAND(attend_on_lanes(&b->dv), UNALIGNED("dv or a stride"));
    DEMAND(is_aligned(b->scratch), UNALIGNED("scratch"));
    DEMAND(b->dlog_power == NULL || score_has_power(b->forward.score),
           "dlog_power is asked for, and the score has no power");
    DEMAND(b->dalpha == NULL || normaliser_has_alpha(b->forward.normaliser),
           "dalpha is asked for, and the normaliser has no alpha");
    DEMAND(b->forward.stretch.data == NULL || attend_on_lanes(&b->dstretch),
           UNALIGNED("dstretch or a stride"));
    return contract_attend(&b->forward);
}

const char *contract_select(const kernel_select *a) {
    DEMAND(a->n_rows >= 0 && a->n_units >= 0 && a->k >= 0, "n_rows, n_units or k is below 0");
    DEMAND(is_aligned(a->ranks), UNALIGNED("ranks"));
    DEMAND(a->kept != NULL, "kept is NULL");
    for (ptrdiff_t i = 0; i < (ptrdiff_t)a->n_rows * a->n_units * FV_LANES; i++)
        DEMAND(!(a->ranks[i] >= 2), "a rank is 2 or more");
    return NULL;
}

const char *contract_stretch(const kernel_stretch *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0, "n_groups or n_rows is below 0");
    DEMAND(a->log_n != NULL, "log_n is NULL");
    DEMAND(on_lanes(a->raw), UNALIGNED("raw or its stride"));
    DEMAND(on_lanes(a->stretch), UNALIGNED("stretch or its stride"));
    return NULL;
}

const char *contract_stretch_gradient(const kernel_stretch_gradient *b) {
    DEMAND(on_lanes(b->draw), UNALIGNED("draw or its stride"));
    return contract_stretch(&b->forward);
}

const char *contract_cross_entropy(const kernel_cross_entropy *a) {
    DEMAND(a->n_rows >= 0 && a->vocab_size >= 1, "n_rows is below 0 or vocab_size below 1");
    DEMAND(is_aligned(a->logits), UNALIGNED("logits"));
    DEMAND(is_aligned(a->targets), UNALIGNED("targets"));
    DEMAND(is_aligned(a->losses), UNALIGNED("losses"));
    DEMAND(is_aligned_or_null(a->correct), UNALIGNED("correct"));
    DEMAND(is_aligned_or_null(a->inverse), UNALIGNED("inverse"));
    DEMAND(within(a->targets, (ptrdiff_t)a->n_rows * FV_LANES, -1, a->vocab_size),
           "a target is outside of the vocabulary and not -1");
    return NULL;
}

const char *contract_readout(const kernel_readout *a) {
    DEMAND(a->n_rows >= 0 && a->n_in >= 1 && a->n_out >= 1,
           "n_rows is below 0, or a width below 1");
    DEMAND(a->w != NULL, "w is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(is_aligned(a->targets), UNALIGNED("targets"));
    DEMAND(is_aligned(a->losses), UNALIGNED("losses"));
    DEMAND(is_aligned_or_null(a->correct), UNALIGNED("correct"));
    DEMAND(is_aligned(a->logits), UNALIGNED("logits"));
    DEMAND(within(a->targets, (ptrdiff_t)a->n_rows * FV_LANES, -1, a->n_out),
           "a target is outside of the vocabulary and not -1");
    if (a->dw == NULL) return NULL;
    DEMAND(is_aligned(a->dx) && a->dx != a->x.data, UNALIGNED("dx is x, or"));
    DEMAND(is_aligned(a->inverse), UNALIGNED("inverse"));
    DEMAND(is_aligned(a->scaled), UNALIGNED("scaled"));
    return NULL;
}

const char *contract_rotate(const kernel_rotate *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0 && a->n_heads >= 0, "a size is below 0");
    DEMAND(a->n_pairs >= 1 && a->step >= 1 && a->apart >= 1, "n_pairs, step or apart is below 1");
    DEMAND((a->n_pairs - 1) * a->step + a->apart < a->head_width, "a pair is outside of its head");
    DEMAND(is_aligned(a->x), UNALIGNED("x"));
    DEMAND(a->cosines != NULL && a->sines != NULL, "cosines or sines is NULL");
    return NULL;
}

const char *contract_sigmoid_gate(const kernel_sigmoid_gate *a) {
    DEMAND(a->width >= 1, "width is below 1");
    DEMAND(is_aligned(a->g), UNALIGNED("g"));
    DEMAND(is_aligned(a->x), UNALIGNED("x"));
    DEMAND(is_aligned_or_null(a->y), "y is no multiple of 64 bytes");
    return NULL;
}

const char *contract_sigmoid_gate_gradient(const kernel_sigmoid_gate_gradient *b) {
    DEMAND(is_aligned(b->dy), UNALIGNED("dy"));
    DEMAND(is_aligned(b->dg), UNALIGNED("dg"));
    DEMAND(is_aligned(b->dx), UNALIGNED("dx"));
    return contract_sigmoid_gate(&b->forward);
}

const char *contract_norm(const kernel_norm *a) {
    DEMAND(a->n_rows >= 0 && a->n_features >= 1, "n_rows is below 0 or n_features below 1");
    DEMAND(a->w != NULL, "w is NULL");
    DEMAND(on_lanes(a->x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(a->y), UNALIGNED("y or its stride"));
    DEMAND(!a->center || is_aligned(a->mean), UNALIGNED("mean"));
    DEMAND(is_aligned(a->rstd), UNALIGNED("rstd"));
    return NULL;
}

const char *contract_norm_gradient(const kernel_norm_gradient *b) {
    DEMAND(b->dw != NULL, "dw is NULL");
    DEMAND(on_lanes(b->dy), UNALIGNED("dy or its stride"));
    DEMAND(on_lanes(b->dx), UNALIGNED("dx or its stride"));
    return contract_norm(&b->forward);
}

const char *contract_activate(kernel_activation kind, size_t n, const real *x, real *y) {
    DEMAND((unsigned)kind < FV_N_ACTIVATIONS, "there is no such activation");
    DEMAND(n % FV_LANES == 0, "n is no multiple of 16");
    DEMAND(is_aligned(x) && is_aligned(y), UNALIGNED("x or y"));
    return NULL;
}

const char *contract_activate_gradient(kernel_activation kind, size_t n, const real *x,
                                       const real *dy, real *dx) {
    DEMAND(is_aligned(dy), UNALIGNED("dy"));
    return contract_activate(kind, n, x, dx);
}

const char *contract_gate(const kernel_gate *a) {
    DEMAND(is_aligned(a->u), UNALIGNED("u"));
    return contract_activate(a->kind, a->n, a->x, a->y);
}

const char *contract_gate_gradient(const kernel_gate_gradient *b) {
    const kernel_gate *a = &b->forward;
    DEMAND(is_aligned(a->u) && is_aligned(b->dy), UNALIGNED("u or dy"));
    DEMAND(is_aligned(b->du), UNALIGNED("du"));
    DEMAND(b->dx != a->x && b->dx != a->u && b->dx != b->dy && b->du != a->x && b->du != a->u &&
               b->du != b->dy && b->du != b->dx,
           "dx or du is read too");
    return contract_activate(a->kind, a->n, a->x, b->dx);
}

const char *contract_scale_rows(int n_rows, int n_features, kernel_rows x, const real *scale,
                                kernel_rows y) {
    DEMAND(n_rows >= 0 && n_features >= 0, "n_rows or n_features is below 0");
    DEMAND(on_lanes(x), UNALIGNED("x or its stride"));
    DEMAND(on_lanes(y), UNALIGNED("y or its stride"));
    DEMAND(is_aligned(scale), UNALIGNED("scale"));
    return NULL;
}

const char *contract_adam(const kernel_adam *a) {
    DEMAND(a->n % FV_LANES == 0, "n is no multiple of 16");
    DEMAND(is_aligned(a->params) && is_aligned(a->m) && is_aligned(a->v),
           UNALIGNED("params, m or v"));
    DEMAND(is_aligned(a->gradient), UNALIGNED("gradient"));
    DEMAND(is_aligned_or_null(a->rate_scale), UNALIGNED("rate_scale"));
    DEMAND(a->share1 >= 0 && a->share1 <= 1 && a->share2 >= 0 && a->share2 <= 1,
           "share1 or share2 is outside of 0 .. 1");
    return NULL;
}

const char *contract_exp_array(size_t n, const real *x, real *y) {
    DEMAND(n % FV_LANES == 0, "n is no multiple of 16");
    DEMAND(is_aligned(x) && is_aligned(y), UNALIGNED("x or y"));
    return NULL;
}

const char *contract_log_array(size_t n, const real *x, real *y) {
    for (size_t i = 0; i < n; i++)
        DEMAND(!(x[i] < (real)0x1p-126), "x is 0, negative or subnormal");
    return contract_exp_array(n, x, y);
}

const char *contract_peak_fma(long n, double *flops) {
    DEMAND(n >= 0 && flops != NULL, "n is below 0 or flops is NULL");
    return NULL;
}

const char *contract_peak_exp(long n, double *exps) {
    DEMAND(n >= 0 && exps != NULL, "n is below 0 or exps is NULL");
    return NULL;
}

static const char *conv_shape(const kernel_conv *a) {
    DEMAND(a->n_groups >= 0 && a->n_rows >= 0 && a->n_features >= 0,
           "n_groups, n_rows or n_features is below 0");
    DEMAND(a->width >= 1 && a->width <= FV_CONV_MAX_WIDTH,
           "width is outside of 1 .. FV_CONV_MAX_WIDTH");
    DEMAND(a->w != NULL, "w is NULL");
    DEMAND(is_aligned(a->x), UNALIGNED("x"));
    return NULL;
}

const char *contract_conv(const kernel_conv *a) {
    DEMAND(is_aligned(a->y), UNALIGNED("y"));
    return conv_shape(a);
}

const char *contract_conv_gradient(const kernel_conv_gradient *b) {
    DEMAND(is_aligned(b->dy) && is_aligned(b->dx), UNALIGNED("dy or dx"));
    DEMAND(b->dw != NULL, "dw is NULL");
    DEMAND((b->forward.b != NULL) == (b->db != NULL), "b and db are not there together");
    return conv_shape(&b->forward);
}

static const char *scan_shape(const kernel_scan *s) {
    DEMAND(s->n_groups >= 0 && s->n_rows >= 0 && s->n_channels >= 0,
           "n_groups, n_rows or n_channels is below 0");
    DEMAND(s->n_state >= 1 && s->n_state <= FV_SCAN_MAX_STATE,
           "n_state is outside of 1 .. FV_SCAN_MAX_STATE");
    for (int o = 0; o < s->n_outputs; o++)
        DEMAND(s->rows[o] >= 0 && s->rows[o] < s->n_rows && (o == 0 || s->rows[o] > s->rows[o - 1]),
               "rows do not increase within 0 .. n_rows - 1");
    DEMAND(s->a != NULL && s->skip != NULL && s->bias != NULL, "a, skip or bias is NULL");
    DEMAND(is_aligned(s->u) && is_aligned(s->raw), UNALIGNED("u or raw"));
    DEMAND(on_lanes(s->b), UNALIGNED("b or its stride"));
    DEMAND(is_aligned(s->c) && is_aligned(s->z), UNALIGNED("c or z"));
    DEMAND(is_aligned(s->delta) && is_aligned(s->sum), UNALIGNED("delta or sum"));
    return NULL;
}

const char *contract_scan(const kernel_scan *s) {
    DEMAND(is_aligned(s->y), UNALIGNED("y"));
    return scan_shape(s);
}

const char *contract_scan_gradient(const kernel_scan_gradient *b) {
    DEMAND(is_aligned(b->dy) && is_aligned(b->du), UNALIGNED("dy or du"));
    DEMAND(is_aligned(b->draw) && is_aligned(b->dz), UNALIGNED("draw or dz"));
    DEMAND(on_lanes(b->db), UNALIGNED("db or its stride"));
    DEMAND(is_aligned(b->dc), UNALIGNED("dc"));
    DEMAND(b->da != NULL && b->dskip != NULL, "da or dskip is NULL");
    DEMAND(is_aligned(b->scratch), UNALIGNED("scratch"));
    return scan_shape(&b->forward);
}
