// A trained model that reads one sequence piece by piece: creation, and the walk of a piece through
// the layers.
//
//     tokens -> embedding -> [norm -> layer (+ input)] ... -> norm -> unembedding -> logits
//                           (norm_place has others behind layers)
//               n rows       n rows up to the last layer that mixes positions, whose outputs are
//                            computed at the asked positions alone, and those rows from there on
#include "decode/decoder_plan.h"
#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/positions.h"

#include "attention/plan.h"

#include <fovea/config.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t MOST_POSITIONS = (int64_t)1 << 40;

void fv_decoder_options_init(fv_decoder_options *options) {
    *options = (fv_decoder_options){.n_threads = 1};
}

// --- checks --------------------------------------------------------------------------------------

static fv_status refuse_beyond(int64_t n, int learned, fv_error *error) {
    char others[256];
    positions_without_table(others, sizeof others);
    return fv_fail(error, FV_USAGE,
                   "decoder: %" PRId64 " positions, and the model has learned an embedding for %d; "
                   "model.positions %s go beyond, or a larger task.context_length in training",
                   n, learned, others);
}

static fv_status check_room(const fv_model *model, int64_t n, fv_error *error) {
    if (n < 1 || n > MOST_POSITIONS)
        return fv_fail(error, FV_USAGE,
                       "decoder: room for %" PRId64 " positions; it takes 1 to %" PRId64, n,
                       MOST_POSITIONS);
    const fv_tensor *table = fv_model_tensor(model, "pos_embed.W_pos");
    if (table && n > table->shape[0]) return refuse_beyond(n, table->shape[0], error);
    return FV_OK;
}

// Everything else of a mask is checked where attention is planned.
static fv_status check_mask(const fv_model *model, const fv_attention_mask *mask, fv_error *error) {
    if (mask == NULL) return FV_OK;
    if (!mask->causal || mask->bitmap != NULL)
        return fv_fail(error, FV_USAGE,
                       "decoder: a sequence that goes in piece by piece needs a causal mask "
                       "without a bitmap");
    if (fv_model_config_of(model)->model.exclude_self)
        return fv_fail(error, FV_USAGE,
                       "decoder: model.exclude_self has a mask of its own; leave `mask` out");
    return FV_OK;
}

// --- creation ------------------------------------------------------------------------------------

static fv_status copy_mask(fv_decoder *d, const fv_attention_mask *mask, fv_error *error) {
    if (mask == NULL) return FV_OK;
    size_t n = mask->n_globals > 0 ? (size_t)mask->n_globals : 0;
    d->has_mask = true;
    d->mask = *mask;
    if (n == 0) return FV_OK;
    d->globals = malloc(n * sizeof *d->globals);
    if (d->globals == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a mask");
    memcpy(d->globals, mask->globals, n * sizeof *d->globals);
    d->mask.globals = d->globals;
    return FV_OK;
}

static size_t reserve_rows(fv_decoder *d, int64_t rows, int64_t width) {
    return arena_reserve(&d->working, (size_t)rows, (size_t)width * sizeof(float));
}

static void reserve_mamba(fv_decoder *d) {
    const decoder_sizes *s = &d->sizes;
    size_t *const inner[] = {&d->at.u, &d->at.z, &d->at.delta, &d->at.gated};
    for (int i = 0; i < 4; i++) *inner[i] = reserve_rows(d, s->piece, s->E);
    d->at.inner = reserve_rows(d, s->conv_width - 1 + s->piece, s->E);
    d->at.step = reserve_rows(d, s->piece, s->R);
    d->at.b = reserve_rows(d, s->piece, s->N);
    d->at.c = reserve_rows(d, s->piece, s->N);
    d->at.gate = reserve_rows(d, 1, s->E + FV_LANES);
}

static void reserve_attention(fv_decoder *d) {
    const decoder_sizes *s = &d->sizes;
    d->at.q = reserve_rows(d, s->piece, s->d);
    d->at.o = reserve_rows(d, s->piece, s->d);
    d->at.rows = reserve_rows(d, s->piece, s->d);
    d->at.gates = reserve_rows(d, s->piece, s->d);
    d->at.part = reserve_rows(d, s->piece, s->d_head);
    d->at.logsumexps = reserve_rows(d, s->piece, 1);
    d->at.running = reserve_rows(d, s->piece, 2);
}

static bool has(const fv_decoder *d, const decoder_kind *kind) {
    for (int i = 0; i < d->n_layers; i++)
        if (d->layers[i].kind == kind) return true;
    return false;
}

static void reserve_working(fv_decoder *d) {
    const decoder_sizes *s = &d->sizes;
    size_t *const stream[] = {&d->at.x, &d->at.normed, &d->at.y};
    for (int i = 0; i < 3; i++) *stream[i] = reserve_rows(d, s->piece, s->d);
    int64_t maps = (s->widest + FV_LANES) * FV_PROJECT_POSITIONS;
    int64_t logits = (s->n_vocab + FV_LANES) * decoder_unembedded_at_once(d);
    d->at.scratch = reserve_rows(d, 1, maps > logits ? maps : logits);
    d->at.lanes = reserve_rows(d, 2 * s->d + 2, FV_LANES);
    if (has(d, &decoder_kind_mlp)) {
        d->at.hidden = reserve_rows(d, FV_PROJECT_POSITIONS, s->d_mlp);
        if (activation_is_gated(d->config.model.activation))
            d->at.linear = reserve_rows(d, FV_PROJECT_POSITIONS, s->d_mlp);
    }
    d->at.cosines = reserve_rows(d, s->piece, d->rotary.n_pairs);
    d->at.sines = reserve_rows(d, s->piece, d->rotary.n_pairs);
    if (has(d, &decoder_kind_attention)) reserve_attention(d);
    if (has(d, &decoder_kind_mamba)) reserve_mamba(d);
}

static fv_status allocate(const fv_decoder *d, memory_arena *arena, fv_error *error) {
    if (arena_allocate(arena, NULL) == FV_OK) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY,
                   "out of memory: reading %" PRId64 " positions takes %.1f MB of %s", d->n,
                   (double)arena->size / 1e6, arena == &d->kept ? "cache" : "working memory");
}

static fv_status prepare(fv_decoder *d, const fv_model *model, const float *params,
                         fv_error *error) {
    d->n_layers = d->config.model.layers.n;
    d->layers = calloc((size_t)d->n_layers + 1, sizeof *d->layers);
    if (d->layers == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder");
    fv_status status = decoder_load(d, model, params, error);
    if (status == FV_OK) status = rotary_create(&d->config, model->n_positions, &d->rotary, error);
    if (status != FV_OK) return status;
    d->runs = calloc((size_t)d->sizes.piece, sizeof *d->runs);
    if (d->runs == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder");
    for (int i = 0; i < d->n_layers; i++)
        if (d->layers[i].kind->reserve) d->layers[i].kind->reserve(d, &d->layers[i]);
    reserve_working(d);
    for (int i = 0; i < d->n_layers && status == FV_OK; i++)
        if (d->layers[i].kind->plan) status = d->layers[i].kind->plan(d, &d->layers[i], error);
    if (status == FV_OK) status = allocate(d, &d->kept, error);
    return status == FV_OK ? allocate(d, &d->working, error) : status;
}

fv_status fv_decoder_create(const fv_model *model, const float *params,
                            const fv_decoder_options *options, fv_decoder **out, fv_error *error) {
    fv_decoder_options usual;
    fv_decoder_options_init(&usual);
    if (options == NULL) options = &usual;
    const fv_config *config = fv_model_config_of(model);
    int64_t n = options->n != 0 ? options->n : config->task.context_length;
    *out = NULL;
    fv_status status = check_room(model, n, error);
    if (status == FV_OK) status = check_mask(model, options->mask, error);
    if (status != FV_OK) return status;
    fv_decoder *d = calloc(1, sizeof *d);
    if (d == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder");
    d->config = *config;
    d->n = n;
    d->n_threads = options->n_threads;
    d->keep = options->keep;
    status = copy_mask(d, options->mask, error);
    if (status == FV_OK) status = decoder_keep_check(d, error);
    if (status == FV_OK) status = prepare(d, model, params, error);
    if (status == FV_OK)
        *out = d;
    else
        fv_decoder_free(d);
    return status;
}

void fv_decoder_free(fv_decoder *d) {
    if (d == NULL) return;
    for (int i = 0; d->layers && i < d->n_layers; i++)
        if (d->layers[i].kind && d->layers[i].kind->free) d->layers[i].kind->free(&d->layers[i]);
    fv_selective_scan_free(d->scan);
    fv_selective_scan_free(d->one_step);
    rotary_free(&d->rotary);
    arena_free(&d->weights);
    arena_free(&d->kept);
    arena_free(&d->working);
    free(d->layers);
    free(d->runs);
    free(d->globals);
    free(d);
}

// --- a piece -------------------------------------------------------------------------------------

// The rows at the asked positions move to the front.
static void keep_asked(const fv_decoder *d, const decoder_rows *asked, float *x) {
    size_t width = (size_t)d->sizes.d, to = 0;
    for (int64_t r = 0; r < asked->n_runs; r++) {
        size_t first = (size_t)asked->runs[r].first, n = (size_t)asked->runs[r].n;
        memmove(x + to * width, x + first * width, n * width * sizeof *x);
        to += n;
    }
}

static fv_status pass_layer(fv_decoder *d, decoder_layer *layer, int64_t n,
                            const decoder_rows *wanted, fv_error *error) {
    float *x = decoder_working(d, d->at.x), *y = decoder_working(d, d->at.y), *from = x;
    if (layer->norm.present && layer->kind->norm) {
        from = decoder_working(d, d->at.normed);
        decoder_normalise(d, &layer->norm, n, x, from);
    }
    fv_status status = layer->kind->pass(d, layer, n, from, wanted, y, error);
    if (status != FV_OK) return status;
    int64_t numbers = wanted->n * d->sizes.d;
    bool of_sum = layer->behind.present && !norms_outputs(&d->config.model);
    if (layer->behind.present && !of_sum) decoder_normalise(d, &layer->behind, wanted->n, y, y);
    if (layer->residual) {
        if (wanted->n < n) keep_asked(d, wanted, x);
        for (int64_t i = 0; i < numbers; i++) x[i] += y[i];
    } else {
        memcpy(x, y, (size_t)numbers * sizeof *x);
    }
    if (of_sum) decoder_normalise(d, &layer->behind, wanted->n, x, x);
    return FV_OK;
}

static fv_status pass_piece(fv_decoder *d, int64_t n, const int32_t *tokens,
                            const decoder_rows *asked, float *logits, fv_error *error) {
    const decoder_run everything = {0, n};
    const decoder_rows all = {n, 1, &everything};
    fv_status status = FV_OK;
    int64_t rows = d->top < 0 ? asked->n : n;
    if (d->rotary.n_pairs > 0)
        rotary_fill(&d->rotary, d->n_seen, n, decoder_working(d, d->at.cosines),
                    decoder_working(d, d->at.sines));
    decoder_embed(d, tokens, d->top < 0 ? asked : &all, decoder_working(d, d->at.x));
    for (int i = 0; i < d->n_layers && rows > 0 && status == FV_OK; i++) {
        const decoder_run left = {0, rows};
        const decoder_rows same = {rows, 1, &left};
        status = pass_layer(d, &d->layers[i], rows, i == d->top ? asked : &same, error);
        if (i == d->top) rows = asked->n;
    }
    if (status == FV_OK && rows > 0) decoder_unembed(d, rows, decoder_working(d, d->at.x), logits);
    return status;
}

// --- a sequence ----------------------------------------------------------------------------------

static fv_status check_read(const fv_decoder *d, int64_t count, const int32_t *tokens,
                            int64_t n_asked, const int64_t *asked, fv_error *error) {
    if (count < 1 || count > d->n - d->n_seen)
        return fv_fail(error, FV_USAGE,
                       "decoder: %" PRId64 " tokens after %" PRId64
                       "; the sequence has room for %" PRId64 " in all",
                       count, d->n_seen, d->n);
    for (int64_t i = 0; i < count; i++)
        if (tokens[i] < 0 || tokens[i] >= d->sizes.n_vocab)
            return fv_fail(error, FV_USAGE,
                           "decoder: token %d at position %" PRId64
                           "; the model knows 0 to %" PRId64,
                           (int)tokens[i], d->n_seen + i, d->sizes.n_vocab - 1);
    for (int64_t i = 0; i < n_asked; i++)
        if (asked[i] < (i > 0 ? asked[i - 1] + 1 : d->n_seen) || asked[i] >= d->n_seen + count)
            return fv_fail(error, FV_USAGE,
                           "decoder: logits of position %" PRId64 "; they are asked in ascending "
                           "order among those read now, %" PRId64 " to %" PRId64,
                           asked[i], d->n_seen, d->n_seen + count - 1);
    return FV_OK;
}

// The asked positions of a piece of n from d->n_seen on, as runs; returns how many there are.
static decoder_rows find_runs(fv_decoder *d, int64_t n, int64_t n_asked, const int64_t *asked) {
    decoder_rows rows = {.runs = d->runs};
    for (; rows.n < n_asked && asked[rows.n] < d->n_seen + n; rows.n++) {
        int64_t at = asked[rows.n] - d->n_seen;
        decoder_run *last = rows.n_runs > 0 ? &d->runs[rows.n_runs - 1] : NULL;
        if (last && last->first + last->n == at)
            last->n++;
        else
            d->runs[rows.n_runs++] = (decoder_run){at, 1};
    }
    return rows;
}

fv_status fv_decoder_read(fv_decoder *d, int64_t count, const int32_t *tokens, int64_t n_asked,
                          const int64_t *asked, float *logits, fv_error *error) {
    fv_status status = check_read(d, count, tokens, n_asked, asked, error);
    for (int64_t done = 0, n; status == FV_OK && done < count; done += n) {
        n = count - done < d->sizes.piece ? count - done : d->sizes.piece;
        decoder_rows rows = find_runs(d, n, n_asked, asked);
        status = pass_piece(d, n, tokens + done, &rows, logits, error);
        if (status != FV_OK) break;
        d->n_seen += n;
        if (rows.n == 0) continue;
        n_asked -= rows.n;
        asked += rows.n;
        logits += rows.n * d->sizes.n_vocab;
    }
    return status;
}

int64_t fv_decoder_seen(const fv_decoder *d) {
    return d->n_seen;
}

fv_status fv_decoder_rewind(fv_decoder *d, int64_t n_seen, fv_error *error) {
    int64_t n = d->n_seen - n_seen;
    if (n_seen < 0 || n < 0)
        return fv_fail(error, FV_USAGE,
                       "decoder: position %" PRId64 " is not behind the sequence's %" PRId64,
                       n_seen, d->n_seen);
    for (int i = 0; i < d->n_layers && n_seen > 0; i++)
        if (d->layers[i].kind->reaches && !d->layers[i].kind->reaches(&d->layers[i], n, n_seen))
            return fv_fail(error, FV_USAGE,
                           "decoder: what was seen before position %" PRId64
                           " is not kept; the sequence can begin again, at 0",
                           n_seen);
    for (int i = 0; i < d->n_layers; i++)
        if (d->layers[i].kind->forget) d->layers[i].kind->forget(d, &d->layers[i], n, n_seen);
    d->n_seen = n_seen;
    return FV_OK;
}

// --- what it takes -------------------------------------------------------------------------------

double fv_decoder_operations(const fv_decoder *d, int64_t n) {
    double sum = decoder_map_operations(&d->unembedding);
    for (int i = 0; i < d->n_layers; i++) {
        const decoder_layer *layer = &d->layers[i];
        if (layer->kind->operations)
            sum += layer->kind->operations(d, layer, (double)n, i == d->top);
    }
    return sum;
}

fv_decoder_memory fv_decoder_bytes(const fv_decoder *d) {
    fv_decoder_memory bytes = {d->weights.size, d->kept.size, d->working.size};
    for (int i = 0; i < d->n_layers; i++) {
        const decoder_attention *a = &d->layers[i].attention;
        for (int h = 0; h < a->n_plans; h++) bytes.working += a->plans[h]->arena.size;
        if (a->one_head) bytes.working += a->one_head->arena.size;
    }
    if (d->scan) bytes.working += fv_selective_scan_bytes(d->scan);
    if (d->one_step) bytes.working += fv_selective_scan_bytes(d->one_step);
    return bytes;
}
