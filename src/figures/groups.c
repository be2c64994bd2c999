#include "figures/groups.h"

#include "figures/colour.h"
#include "figures/tics.h"

#include <math.h>
#include <string.h>

enum { MOST_NAMED = 12 }; // numbers in a legend

static double number_of(const figure_groups *groups, int group) {
    const figure_partition *of = groups->of;
    return fv_config_number(groups->view->runs.configs[of->first[group]], of->fields[0]);
}

fv_status groups_init(const figure_view *view, const figure_partition *of, figure_groups *groups,
                      fv_error *error) {
    *groups = (figure_groups){.view = view, .of = of};
    groups->rank = scratch_get(view->scratch, (size_t)of->n + 1, sizeof *groups->rank);
    if (groups->rank == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
    groups->numeric = of->n_fields == 1 &&
                      (of->fields[0]->type == FV_TYPE_INT || of->fields[0]->type == FV_TYPE_REAL);
    groups->bar = groups->numeric && of->n > MOST_NAMED;
    for (int g = 0; g < of->n; g++) {
        int below = 0;
        for (int other = 0; groups->numeric && other < of->n; other++)
            below += number_of(groups, other) < number_of(groups, g);
        groups->rank[g] = groups->numeric ? below : g;
    }
    return FV_OK;
}

unsigned groups_colour(const figure_groups *groups, int group) {
    int n = groups->of->n;
    if (n <= 2 || !groups->numeric) return colour_name(groups->rank[group]);
    return colour_line((double)groups->rank[group] / (n - 1));
}

int groups_ranked(const figure_groups *groups, int k) {
    int group = 0;
    while (group < groups->of->n - 1 && groups->rank[group] != k) group++;
    return group;
}

const char *groups_noun(const figure_groups *groups) {
    if (groups->of->n_fields != 1) return "settings";
    return scratch_text(groups->view->scratch, "values of %s", field_short(groups->of->fields[0]));
}

// --- the bar -----------------------------------------------------------------------------------

// The numbers of every `every`-th value.
static void write_values(const figure_groups *groups, int every, int digits, figure_tics *tics) {
    tics->n = 0;
    for (int k = 0; k < groups->of->n && tics->n < FV_MOST_TICS; k += every) {
        figure_tic *tic = &tics->items[tics->n++];
        *tic = (figure_tic){.value = k, .digits = 9};
        number_text(number_of(groups, groups_ranked(groups, k)), digits, tic->text);
    }
}

static bool all_differ(const figure_tics *tics) {
    for (int i = 1; i < tics->n; i++)
        if (strcmp(tics->items[i].text, tics->items[i - 1].text) == 0) return false;
    return true;
}

// Numbers beside a bar of `length` pixels, with the fewest digits that tell them apart.
static void find_tics(const figure_groups *groups, double length, figure_tics *tics) {
    int every = (int)ceil(2 * FV_TIC_SIZE * (groups->of->n - 1) / length), digits = 2;
    do write_values(groups, every, digits, tics);
    while (!all_differ(tics) && digits++ < 9);
}

void groups_plan_bar(const figure_groups *groups, figure_sheet *sheet) {
    figure_tics tics;
    double widest = 0;
    if (!groups->bar) return;
    find_tics(groups, sheet->panel_height, &tics);
    for (int i = 0; i < tics.n; i++)
        widest = fmax(widest, text_width(tics.items[i].text, FV_TIC_SIZE));
    sheet->bar = FV_SHEET_BAR + widest;
    sheet->bar_label = field_label(groups->view->scratch, groups->of->fields[0]);
}

void groups_draw_bar(const figure_groups *groups, figure_panel *panel, int i) {
    const figure_sheet *sheet = panel->sheet;
    const figure_scale scale = {.low = 0, .high = groups->of->n - 1};
    figure_tics tics;
    if (!groups->bar || (i % sheet->columns != sheet->columns - 1 && i != sheet->n - 1)) return;
    find_tics(groups, panel->height, &tics);
    panel_colour_bar(panel, &scale, &tics, colour_line, sheet->bar_label);
}
