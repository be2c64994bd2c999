// Scatter: token embeddings as points, each with its number and coloured by it, so that the order
// of tokens, where the model finds one, is seen at a glance.
#include "figures/cloud.h"
#include "figures/colour.h"

#include <math.h>

static const figure_option options[] = {
    FV_CLOUD_OPTIONS,
    {"step", FV_OPTION_NUMBER, false, NULL,
     "the snapshot nearest to this step; the last if not given"},
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values, drawn from its first seed"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

static fv_status draw_panel(const figure_view *view, const figure_cloud *cloud,
                            figure_obstacles *obstacles, figure_panel *panel, fv_error *error) {
    (void)error;
    double radius = cloud->n_rows <= 12 ? 6 : 4;
    panel_block_begin(panel);
    for (int r = 0; r < cloud->n_rows; r++) {
        const double *at = cloud_at(cloud, 0, r);
        if (!cloud_has(cloud, 0, r)) continue;
        double x = panel_x(panel, at[0]), y = panel_y(panel, at[1]);
        obstacles_add(obstacles, (figure_box){x - radius, y - radius, x + radius, y + radius});
        fprintf(panel->script, "%.7g %.7g %u\n", at[0], at[1], cloud_colour(cloud, r));
    }
    panel_block_end(panel, "using 1:2:3 with points pt 7 ps %g lc rgb variable notitle",
                    radius / 6);
    if (figure_flag(view->options, "labels", true))
        cloud_write_labels(cloud, 0, radius, obstacles, panel);
    return FV_OK;
}

static fv_status check(const figure_view *view, fv_error *error) {
    return cloud_check(view, false, error);
}

static fv_status draw(figure_view *view, fv_error *error) {
    double step = figure_number(view->options, "step");
    const cloud_figure figure = {.step = isnan(step) ? INT32_MAX : fmax(step, 0),
                                 .most = FV_MOST_POINTS,
                                 .draw_panel = draw_panel};
    return cloud_sheet(view, &figure, error);
}

const figure_kind figure_scatter = {
    .name = "scatter",
    .help = "embeddings at one step as labelled points",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: scatter, tensor: embed.W_E, panel: model.n_embd, seed: 0}",
    .needs = "train: {steps: 500, snapshots: [500]}\nsweep: {model.n_embd: [2, 10]}",
    .check = check,
    .draw = draw,
};
