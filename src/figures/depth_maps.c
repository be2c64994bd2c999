#include "figures/depth_maps.h"
#include "figures/numbers.h"

#include <math.h>
#include <string.h>

static bool alike(const fv_cell *a, const fv_cell *b, int keys) {
    if ((keys & FV_CELL_MODEL) && strcmp(a->model, b->model) != 0) return false;
    if ((keys & FV_CELL_TASK) && (strcmp(a->task, b->task) != 0 || strcmp(a->unit, b->unit) != 0))
        return false;
    return !(keys & FV_CELL_LENGTH) || a->length == b->length;
}

fv_status cells_group(const cells_view *view, int keys, bool with_depth, cell_groups *groups,
                      fv_error *error) {
    const fv_cells *cells = view->cells;
    *groups = (cell_groups){0};
    groups->group = scratch_get(view->scratch, (size_t)cells->n, sizeof *groups->group);
    groups->first = scratch_get(view->scratch, (size_t)cells->n, sizeof *groups->first);
    if (groups->group == NULL || groups->first == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure of %d cells", cells->n);
    for (int i = 0; i < cells->n; i++) {
        const fv_cell *cell = &cells->items[i];
        groups->group[i] = -1;
        if (with_depth && isnan(cell->depth)) continue;
        int g = 0;
        while (g < groups->n && !alike(groups->first[g], cell, keys)) g++;
        if (g == groups->n) groups->first[groups->n++] = cell;
        groups->group[i] = g;
    }
    return FV_OK;
}

static bool all_share(const cells_view *view, int key) {
    const fv_cells *cells = view->cells;
    for (int i = 1; i < cells->n; i++)
        if (!alike(&cells->items[0], &cells->items[i], key)) return false;
    return true;
}

const char *cells_title(const cells_view *view, const fv_cell *cell, int keys) {
    const char *text = "";
    if (keys & FV_CELL_TASK) text = cell->task;
    if (text != NULL && (keys & FV_CELL_LENGTH))
        text = scratch_text(view->scratch, "%s%s%d %s", text, *text ? ", " : "", cell->length,
                            cell->unit);
    if (text != NULL && (keys & FV_CELL_MODEL) && !all_share(view, FV_CELL_MODEL))
        text = scratch_text(view->scratch, "%s%s%s", text, *text ? ", " : "", cell->model);
    return text != NULL ? text : "";
}

static const char *interval_text(figure_scratch *scratch, const fv_cell *cell) {
    double low, high;
    fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
    const char *all = fv_cell_asked(cell) > cell->n
                          ? scratch_text(scratch, ", %d asked", fv_cell_asked(cell))
                          : "";
    return all == NULL ? NULL
                       : scratch_text(scratch, "%d of %d found%s (95 %%: %.0f to %.0f %%)",
                                      cell->hits, cell->n, all, 100 * low, 100 * high);
}

// "first token 0.5 s, prefill 800 and decode 40 tokens a second (timings)", as far as it is known.
static const char *speed_text(figure_scratch *scratch, const fv_speed *speed) {
    char first[FV_NUMBER_TEXT], prefill[FV_NUMBER_TEXT], decode[FV_NUMBER_TEXT];
    number_text(speed->first_token, 3, first);
    number_text(speed->prefill, 3, prefill);
    number_text(speed->decode, 3, decode);
    if (!(speed->first_token > 0)) return "";
    const char *text = scratch_text(
        scratch, "first token %s s%s%s%s%s%s%s%s", first, speed->prefill > 0 ? ", prefill " : "",
        speed->prefill > 0 ? prefill : "", speed->decode > 0 ? ", decode " : "",
        speed->decode > 0 ? decode : "", *speed->by != '\0' ? " tokens a second (" : "", speed->by,
        *speed->by != '\0' ? ")" : "");
    return text != NULL ? text : "";
}

const char *cell_tip(figure_scratch *scratch, const fv_cell *cell) {
    const char *place =
        isnan(cell->depth)
            ? scratch_text(scratch, "%d %s", cell->length, cell->unit)
            : scratch_text(scratch, "depth %g %%, %d %s", cell->depth, cell->length, cell->unit);
    const char *counts = interval_text(scratch, cell);
    char others[160];
    fv_cell_otherwise(cell, others, sizeof others);
    const char *speed = speed_text(scratch, &cell->speed);
    if (place == NULL || counts == NULL) return "";
    const char *tip =
        scratch_text(scratch, "%s, %s\n%s\n%s%s%s%s%s", cell->model, cell->task, place, counts,
                     *others ? ", " : "", others, *speed != '\0' ? "\n" : "", speed);
    return tip != NULL ? tip : "";
}

const char *cells_reason(const cells_view *view, const cell_groups *groups, int g) {
    for (int i = 0; i < view->cells->n; i++)
        if (groups->group[i] == g && view->cells->items[i].n > 0) return NULL;
    return view->crossed ? "every run diverged" : "no question has an answer that counts";
}

void cells_spot(cells_view *view, const figure_panel *panel, figure_box box, const char *text) {
    hot_spots *spots = &view->spots;
    if (spots->n == spots->capacity) {
        int capacity = spots->capacity > 0 ? 2 * spots->capacity : 64;
        hot_spot *grown = scratch_get(view->scratch, (size_t)capacity, sizeof *grown);
        if (grown == NULL) return;
        if (spots->n > 0) memcpy(grown, spots->items, (size_t)spots->n * sizeof *grown);
        spots->items = grown;
        spots->capacity = capacity;
    }
    spots->items[spots->n++] = (hot_spot){{panel->left + box.left, panel->top + box.top,
                                           panel->left + box.right, panel->top + box.bottom},
                                          text};
}
