// Heat maps of depth and length, one panel a model: where in its context a model of the lab finds
// what it is asked for.
#include "figures/run_cells.h"

static const figure_option options[] = {
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values; if not given, the fields that differ "
     "between the runs"},
    {"labels", FV_OPTION_TEXTS, false, NULL,
     "names of the panels, in their order; what differs between them if not given"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

static fv_status check(const figure_view *view, fv_error *error) {
    return run_cells_check(view, "panel", FV_ALL_LENGTHS, error);
}

static fv_status draw(figure_view *view, fv_error *error) {
    return run_cells_draw(view, "panel", FV_ALL_LENGTHS, cells_draw_map, error);
}

const figure_kind figure_needle = {
    .name = "needle",
    .help = "accuracy by depth and length, as the probe needle_grid measures it",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: needle, panel: model.positions, labels: [learned, sinusoidal, none]}",
    .needs = "task: {name: needle, vocab_size: 32, context_length: 32}\ntrain: {steps: "
             "200}\nsweep: {model.positions: [learned, sinusoidal, none]}\nprobes: [needle_grid]",
    .check = check,
    .draw = draw,
};
