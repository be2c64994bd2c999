// Decomposes a mask into components (mask.h) for rows that lie where a placement says.
#include "attention/mask.h"

#include <stdlib.h>

int64_t mask_columns(const attention_mask *mask) {
    return mask->sinks + mask->n_globals;
}

// A placement of S ranges has S lists in place, S lists of each residue class, and at most
// S lists of globals for queries and one of columns for keys.
fv_status components_create(const attention_mask *mask, mask_components *components,
                            fv_error *error) {
    size_t n_lists = 2 * (2 * FV_MAX_RANGES + 2) +
                     2 * FV_MAX_RANGES * (size_t)(mask->stride > 0 ? mask->stride : 0);
    size_t n_list = 2 * (size_t)mask_columns(mask) + 2 * (size_t)mask->n_globals + 1;
    *components = (mask_components){.lists = calloc(n_lists, sizeof *components->lists),
                                    .listed = calloc(n_list, sizeof *components->listed)};
    if (components->lists && components->listed) return FV_OK;
    components_free(components);
    return fv_fail(error, FV_NO_MEMORY, "out of memory for the index lists of a mask");
}

void components_free(mask_components *components) {
    free(components->lists);
    free(components->listed);
    *components = (mask_components){0};
}

// The lists in place, without padding (positions from `end` on).
static int in_place(const attention_placement *at, int64_t end, index_list *lists) {
    int n = 0;
    int64_t row = 0;
    for (int i = 0; i < at->n_ranges; i++) {
        const position_range *s = &at->ranges[i];
        int64_t exist = s->first >= end ? 0 : (end - s->first + s->step - 1) / s->step;
        if (exist > s->n) exist = s->n;
        row += s->n;
        if (exist <= 0) continue;
        lists[n] = (index_list){.n = exist,
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

// Each list in place as lists of one residue class each.
static int by_residue(const index_list *in, int n_in, int64_t stride, index_list *out) {
    int n = 0;
    for (int i = 0; i < n_in; i++) {
        int64_t classes = stride / common_divisor(stride, in[i].step);
        for (int64_t c = 0; c < classes && c < in[i].n; c++) {
            int64_t position = index_list_position(&in[i], c);
            out[n] = (index_list){.n = (in[i].n - c + classes - 1) / classes,
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
static void list_position(const index_list *in, int n_in, int64_t position, index_list *out,
                          int64_t *rows, int64_t *positions) {
    for (int i = 0; i < n_in; i++) {
        int64_t distance = position - in[i].position;
        if (distance < 0 || distance % in[i].step != 0 || distance / in[i].step >= in[i].n)
            continue;
        rows[out->n] = in[i].row + distance / in[i].step;
        positions[out->n++] = position;
    }
}

// Sinks and globals among the keys in place.
static void list_columns(const attention_mask *mask, const index_list *in, int n_in,
                         index_list *out, int64_t *rows, int64_t *positions) {
    *out = (index_list){.rows = rows, .positions = positions, .kind = FV_COLUMNS, .residue = -1};
    for (int64_t p = 0; p < mask->sinks; p++) list_position(in, n_in, p, out, rows, positions);
    for (int64_t i = 0; i < mask->n_globals; i++)
        if (mask->globals[i] >= mask->sinks)
            list_position(in, n_in, mask->globals[i], out, rows, positions);
}

// True where the BAND component and its columns can have pairs.
static bool has_band(const attention_mask *mask, const index_list *columns) {
    return mask->everything || mask->window > 0 || mask->has_blocks || columns->n > 0;
}

void components_set(const attention_mask *mask, const attention_placement *queries,
                    const attention_placement *keys, mask_components *components) {
    index_list *next = components->lists;
    int64_t *list = components->listed, n_columns = mask_columns(mask);
    components->n = 0;

    mask_component first = {.queries = next};
    first.n_queries = in_place(queries, mask->end_query, next);
    next += first.n_queries;
    index_list *columns = first.keys = next++;
    index_list *band = next;
    int n_band = in_place(keys, mask->end_key, band);
    next += n_band;
    first.n_keys = 1 + n_band;
    list_columns(mask, band, n_band, columns, list, list + n_columns);
    list += 2 * n_columns;
    // Strides alone leave nothing to it, and the next component is the first to see every query.
    if (mask->stride == 0 || has_band(mask, columns))
        components->component[components->n++] = first;

    if (mask->stride > 0) {
        mask_component *stride = &components->component[components->n++];
        stride->queries = next;
        stride->n_queries = by_residue(first.queries, first.n_queries, mask->stride, next);
        next += stride->n_queries;
        stride->keys = next;
        stride->n_keys = by_residue(band, n_band, mask->stride, next);
        next += stride->n_keys;
    }
    if (mask->n_globals > 0) {
        mask_component *rows = &components->component[components->n++];
        rows->queries = next++;
        rows->n_queries = 1;
        *rows->queries =
            (index_list){.rows = list, .positions = list + mask->n_globals, .residue = -1};
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
