// What a mask is made of: checks, copies, and the random blocks drawn.
#include "attention/mask.h"

#include "base/random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static fv_status check_not_negative(const fv_attention_mask *m, fv_error *error) {
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"window", m->window},
                  {"sinks", m->sinks},
                  {"stride", m->stride},
                  {"stride_window", m->stride_window},
                  {"n_globals", m->n_globals},
                  {"block", m->block},
                  {"random_blocks", m->random_blocks},
                  {"selected", m->selected}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < 0)
            return fv_fail(error, FV_USAGE, "mask: %s is %" PRId64 "; it must be 0 or more",
                           fields[i].name, fields[i].value);
    if (m->stride_window > 0 && m->stride == 0)
        return fv_fail(error, FV_USAGE,
                       "mask: stride_window is %" PRId64 " without a stride to count in",
                       m->stride_window);
    return FV_OK;
}

static fv_status copy_globals(const fv_attention_mask *m, attention_mask *mask, fv_error *error) {
    if (m->n_globals == 0) return FV_OK;
    if (m->globals == NULL)
        return fv_fail(error, FV_USAGE, "mask: n_globals is %" PRId64 " and globals is NULL",
                       m->n_globals);
    int64_t end = mask->end_query > mask->end_key ? mask->end_query : mask->end_key;
    for (int64_t i = 0; i < m->n_globals; i++) {
        if (m->globals[i] < 0 || m->globals[i] >= end)
            return fv_fail(error, FV_USAGE,
                           "mask: global %" PRId64 " is at position %" PRId64
                           ", outside of the sequence's 0 to %" PRId64,
                           i, m->globals[i], end - 1);
        if (i > 0 && m->globals[i] <= m->globals[i - 1])
            return fv_fail(error, FV_USAGE,
                           "mask: global %" PRId64 " is at position %" PRId64
                           ", not behind the one before it; positions must ascend",
                           i, m->globals[i]);
    }
    mask->globals = malloc((size_t)m->n_globals * sizeof *mask->globals);
    if (mask->globals == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for the mask's globals");
    memcpy(mask->globals, m->globals, (size_t)m->n_globals * sizeof *mask->globals);
    mask->n_globals = m->n_globals;
    return FV_OK;
}

static fv_status make_selection(const fv_attention_mask *m, attention_mask *mask, fv_error *error) {
    size_t bytes;
    if (m->selected > mask->n_block_columns)
        return fv_fail(error, FV_USAGE,
                       "mask: %" PRId64 " selected blocks; %" PRId64 " keys have %" PRId64
                       " blocks of %" PRId64,
                       m->selected, mask->end_key, mask->n_block_columns, mask->block);
    if (__builtin_mul_overflow((size_t)mask->n_block_rows, mask->bitmap_row, &bytes) ||
        __builtin_mul_overflow(bytes, (size_t)mask->n_bitmaps, &bytes) ||
        (mask->bitmap = calloc(bytes, 1)) == NULL)
        return fv_fail(error, FV_NO_MEMORY,
                       "out of memory for the selections of %" PRId64 " heads of keys",
                       mask->n_bitmaps);
    mask->n_selected = m->selected;
    return FV_OK;
}

static fv_status copy_bitmap(const fv_attention_mask *m, attention_mask *mask, fv_error *error) {
    if (m->bitmap == NULL && m->bitmap_bytes > 0)
        return fv_fail(error, FV_USAGE, "mask: bitmap_bytes is %zu and bitmap is NULL",
                       m->bitmap_bytes);
    if (m->bitmap != NULL && m->selected > 0)
        return fv_fail(error, FV_USAGE,
                       "mask: %" PRId64 " selected blocks take the place of the bitmap; leave one "
                       "of the two out",
                       m->selected);
    if (m->selected > 0) return make_selection(m, mask, error);
    if (m->bitmap == NULL) return FV_OK;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)mask->n_block_rows, mask->bitmap_row, &bytes) ||
        bytes != m->bitmap_bytes)
        return fv_fail(error, FV_USAGE,
                       "mask: the bitmap has %zu bytes; %" PRId64 " block rows and %" PRId64
                       " block columns of %" PRId64 " positions need %" PRId64 " x %zu bytes",
                       m->bitmap_bytes, mask->n_block_rows, mask->n_block_columns, mask->block,
                       mask->n_block_rows, mask->bitmap_row);
    mask->bitmap = malloc(bytes);
    if (mask->bitmap == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a bitmap of %zu bytes", bytes);
    memcpy(mask->bitmap, m->bitmap, bytes);
    return FV_OK;
}

// n different numbers below `below`, ascending, each set equally likely (Floyd's algorithm).
static void draw_different(random_source *random, int64_t below, int64_t n, int32_t *out) {
    for (int64_t i = 0; i < n; i++) {
        int64_t last = below - n + i;
        int32_t pick = (int32_t)random_below(random, (uint32_t)last + 1);
        for (int64_t j = 0; j < i; j++)
            if (out[j] == pick) {
                pick = (int32_t)last;
                break;
            }
        int64_t at = i;
        for (; at > 0 && out[at - 1] > pick; at--) out[at] = out[at - 1];
        out[at] = pick;
    }
}

static fv_status draw_random_blocks(const fv_attention_mask *m, attention_mask *mask,
                                    fv_error *error) {
    if (m->random_blocks == 0) return FV_OK;
    int64_t per_row = min64(m->random_blocks, mask->n_block_columns);
    size_t bytes;
    if (mask->n_block_rows > INT32_MAX || mask->n_block_columns > INT32_MAX ||
        __builtin_mul_overflow((size_t)mask->n_block_rows, (size_t)per_row * sizeof(int32_t),
                               &bytes))
        return fv_fail(error, FV_USAGE,
                       "mask: %" PRId64 " random blocks of %" PRId64
                       " positions are too many to list; a larger block makes fewer",
                       per_row, mask->block);
    mask->random = malloc(bytes);
    if (mask->random == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %zu bytes of random blocks", bytes);
    mask->n_random = per_row;
    for (int64_t row = 0; row < mask->n_block_rows; row++) {
        random_source random;
        random_init(&random, m->random_seed, FV_STREAM_INIT, 0, (uint32_t)row);
        int64_t below =
            mask->causal ? min64(row + 1, mask->n_block_columns) : mask->n_block_columns;
        int64_t n = min64(per_row, below);
        int32_t *columns = mask->random + row * per_row;
        draw_different(&random, below, n, columns);
        for (int64_t i = n; i < per_row; i++) columns[i] = -1;
    }
    return FV_OK;
}

fv_status mask_create(const fv_attention_config *config, attention_mask *mask, fv_error *error) {
    const fv_attention_mask *m = &config->mask;
    *mask = (attention_mask){.causal = m->causal,
                             .end_query = config->first_query + config->n_query,
                             .end_key = config->n_key,
                             .sinks = min64(m->sinks, config->n_key),
                             .block = m->block ? m->block : 64};
    fv_status status = check_not_negative(m, error);
    if (status != FV_OK) return status;
    int64_t span = mask->end_query > mask->end_key ? mask->end_query : mask->end_key;
    // Beyond the whole sequence distances mean no more: sums of positions cannot overflow.
    mask->window = min64(m->window, span);
    mask->stride = min64(m->stride, span);
    mask->stride_reach = span;
    int64_t reach;
    if (m->stride_window > 0 && !__builtin_mul_overflow(mask->stride, m->stride_window, &reach))
        mask->stride_reach = min64(reach, span);
    mask->block = min64(mask->block, span);
    mask->n_block_rows = (mask->end_query + mask->block - 1) / mask->block;
    mask->n_block_columns = (mask->end_key + mask->block - 1) / mask->block;
    mask->bitmap_row = (size_t)(mask->n_block_columns + 7) / 8;
    mask->n_bitmaps = m->selected > 0 ? config->n_batch * config->n_kv_head : 1;
    status = copy_globals(m, mask, error);
    if (status == FV_OK) status = copy_bitmap(m, mask, error);
    if (status == FV_OK) status = draw_random_blocks(m, mask, error);
    if (status != FV_OK) {
        mask_free(mask);
        return status;
    }
    mask->has_blocks = mask->bitmap != NULL || mask->n_random > 0;
    mask->everything = mask->window == 0 && mask->sinks == 0 && mask->stride == 0 &&
                       mask->n_globals == 0 && !mask->has_blocks;
    return FV_OK;
}

void mask_free(attention_mask *mask) {
    free(mask->globals);
    free(mask->bitmap);
    free(mask->random);
    *mask = (attention_mask){0};
}
