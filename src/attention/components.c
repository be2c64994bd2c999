// Cuts a mask's pairs into phases (mask.h) for rows that lie where a placement says.
#include "attention/mask.h"

#include <stdlib.h>

int64_t mask_columns(const attention_mask *mask) {
    return mask->sinks + mask->n_globals;
}

// A placement of S stretches has S strands in place, S strands of each residue class, and at most
// S lists of globals for queries and one of columns for keys.
fv_status phases_create(const attention_mask *mask, attention_phases *phases, fv_error *error) {
    size_t n_strands = 2 * (2 * FV_MAX_STRETCHES + 2) +
                       2 * FV_MAX_STRETCHES * (size_t)(mask->stride > 0 ? mask->stride : 0);
    size_t n_list = 2 * (size_t)mask_columns(mask) + 2 * (size_t)mask->n_globals + 1;
    *phases = (attention_phases){.strands = calloc(n_strands, sizeof *phases->strands),
                                 .lists = calloc(n_list, sizeof *phases->lists)};
    if (phases->strands && phases->lists) return FV_OK;
    phases_free(phases);
    return fv_fail(error, FV_NO_MEMORY, "out of memory for the strands of a mask");
}

void phases_free(attention_phases *phases) {
    free(phases->strands);
    free(phases->lists);
    *phases = (attention_phases){0};
}

// The strands in place, without padding (positions from `end` on).
static int in_place(const attention_placement *at, int64_t end, attention_strand *strands) {
    int n = 0;
    int64_t row = 0;
    for (int i = 0; i < at->n_stretches; i++) {
        const attention_stretch *s = &at->stretches[i];
        int64_t exist = s->first >= end ? 0 : (end - s->first + s->step - 1) / s->step;
        if (exist > s->n) exist = s->n;
        row += s->n;
        if (exist <= 0) continue;
        strands[n] = (attention_strand){.n = exist,
                                        .row = row - s->n,
                                        .row_step = 1,
                                        .position = s->first,
                                        .step = s->step,
                                        .kind = FV_BAND,
                                        .residue = -1};
        n++;
    }
    return n;
}

static int64_t common_divisor(int64_t a, int64_t b) {
    return b == 0 ? a : common_divisor(b, a % b);
}

// Each strand in place as strands of one residue class each.
static int by_residue(const attention_strand *in, int n_in, int64_t stride, attention_strand *out) {
    int n = 0;
    for (int i = 0; i < n_in; i++) {
        int64_t classes = stride / common_divisor(stride, in[i].step);
        for (int64_t c = 0; c < classes && c < in[i].n; c++) {
            int64_t position = strand_position(&in[i], c);
            out[n] = (attention_strand){.n = (in[i].n - c + classes - 1) / classes,
                                        .row = in[i].row + c,
                                        .row_step = classes,
                                        .position = position,
                                        .step = in[i].step * classes,
                                        .kind = FV_STRIDE,
                                        .residue = position % stride};
            n++;
        }
    }
    return n;
}

// Appends the row that stands at `position`, where there is one.
static void list_position(const attention_strand *in, int n_in, int64_t position,
                          attention_strand *out, int64_t *rows, int64_t *positions) {
    for (int i = 0; i < n_in; i++) {
        int64_t distance = position - in[i].position;
        if (distance < 0 || distance % in[i].step != 0 || distance / in[i].step >= in[i].n)
            continue;
        rows[out->n] = in[i].row + distance / in[i].step;
        positions[out->n++] = position;
    }
}

// Sinks and globals among the keys in place.
static void list_columns(const attention_mask *mask, const attention_strand *in, int n_in,
                         attention_strand *out, int64_t *rows, int64_t *positions) {
    *out =
        (attention_strand){.rows = rows, .positions = positions, .kind = FV_COLUMNS, .residue = -1};
    for (int64_t p = 0; p < mask->sinks; p++) list_position(in, n_in, p, out, rows, positions);
    for (int64_t i = 0; i < mask->n_globals; i++)
        if (mask->globals[i] >= mask->sinks)
            list_position(in, n_in, mask->globals[i], out, rows, positions);
}

// True where the BAND phase and its columns can have pairs.
static bool has_band(const attention_mask *mask, const attention_strand *columns) {
    return mask->everything || mask->window > 0 || mask->has_blocks || columns->n > 0;
}

void phases_set(const attention_mask *mask, const attention_placement *queries,
                const attention_placement *keys, attention_phases *phases) {
    attention_strand *next = phases->strands;
    int64_t *list = phases->lists, n_columns = mask_columns(mask);
    phases->n = 0;

    attention_phase first = {.queries = next};
    first.n_queries = in_place(queries, mask->end_query, next);
    next += first.n_queries;
    attention_strand *columns = first.keys = next++;
    attention_strand *band = next;
    int n_band = in_place(keys, mask->end_key, band);
    next += n_band;
    first.n_keys = 1 + n_band;
    list_columns(mask, band, n_band, columns, list, list + n_columns);
    list += 2 * n_columns;
    // Strides alone leave nothing to it, and the next phase then is the first to see every query.
    if (mask->stride == 0 || has_band(mask, columns)) phases->phase[phases->n++] = first;

    if (mask->stride > 0) {
        attention_phase *stride = &phases->phase[phases->n++];
        stride->queries = next;
        stride->n_queries = by_residue(first.queries, first.n_queries, mask->stride, next);
        next += stride->n_queries;
        stride->keys = next;
        stride->n_keys = by_residue(band, n_band, mask->stride, next);
        next += stride->n_keys;
    }
    if (mask->n_globals > 0) {
        attention_phase *rows = &phases->phase[phases->n++];
        rows->queries = next++;
        rows->n_queries = 1;
        *rows->queries =
            (attention_strand){.rows = list, .positions = list + mask->n_globals, .residue = -1};
        for (int64_t i = 0; i < mask->n_globals; i++)
            list_position(first.queries, first.n_queries, mask->globals[i], rows->queries, list,
                          list + mask->n_globals);
        rows->keys = next;
        rows->n_keys = n_band;
        for (int i = 0; i < n_band; i++) {
            next[i] = band[i];
            next[i].kind = FV_ROWS;
        }
    }
}
