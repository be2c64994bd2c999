// Accuracy over depth at one length, a line with its interval for each model: whether the middle of
// the context is lost.
#include "figures/run_cells.h"

static const figure_option options[] = {
    {"color", FV_OPTION_FIELDS, false, NULL,
     "one line for each combination of these fields' values; if not given, the fields that differ "
     "between the runs"},
    {"labels", FV_OPTION_TEXTS, false, NULL,
     "names of the lines, in their order; what differs between them if not given"},
    {"length", FV_OPTION_NUMBER, false, NULL,
     "length of the sequences; each run's longest training length if not given"},
};

static int length_of(const figure_view *view) {
    return (int)fv_options_number(view->options, "length", 0);
}

static fv_status check(const figure_view *view, fv_error *error) {
    return run_cells_check(view, "color", length_of(view), error);
}

static fv_status draw(figure_view *view, fv_error *error) {
    return run_cells_draw(view, "color", length_of(view), cells_draw_middle, error);
}

const figure_kind figure_middle = {
    .name = "middle",
    .help = "accuracy over depth at one length, as the probe needle_grid measures it",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: middle, color: model.layers, labels: [attention, mamba]}",
    .needs = "task: {name: needle, vocab_size: 32, context_length: 32}\ntrain: {steps: "
             "200}\nsweep: {model.layers: [[attention], [mamba]]}\nprobes: [needle_grid]",
    .check = check,
    .draw = draw,
};
