// Trajectories: the path of each row of a tensor through training, from an open circle to a full
// one, with arrowheads that show which way it went. A path of a run that diverged ends in a cross,
// where its last finite point is.
#include "figures/cloud.h"
#include "figures/colour.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_PATH_POINTS = 400, FEW_ROWS = 16 };

static const figure_option options[] = {
    FV_CLOUD_OPTIONS,
    {"panel", FV_OPTION_FIELDS, false, NULL,
     "one panel for each combination of these fields' values, drawn from its first seed"},
    {"columns", FV_OPTION_NUMBER, false, NULL, "panels in a row"},
};

typedef struct pixel {
    double x, y;
} pixel;

static pixel pixel_of(const figure_cloud *cloud, const figure_panel *panel, int s, int row) {
    const double *at = cloud_at(cloud, s, row);
    return (pixel){panel_x(panel, at[0]), panel_y(panel, at[1])};
}

// The distance in pixels between two neighbouring snapshots; 0 where one is not finite.
static double distance(pixel a, pixel b) {
    double length = hypot(b.x - a.x, b.y - a.y);
    return isfinite(length) ? length : 0;
}

static double path_length(const figure_cloud *cloud, const figure_panel *panel, int row) {
    double length = 0;
    for (int s = 1; s < cloud->n_steps; s++)
        length += distance(pixel_of(cloud, panel, s - 1, row), pixel_of(cloud, panel, s, row));
    return length;
}

// The point after `length` pixels of the path.
static pixel walk(const figure_cloud *cloud, const figure_panel *panel, int row, double length) {
    pixel from = pixel_of(cloud, panel, 0, row);
    for (int s = 1; s < cloud->n_steps; s++) {
        pixel to = pixel_of(cloud, panel, s, row);
        double part = distance(from, to);
        if (part > 0 && length <= part)
            return (pixel){from.x + (to.x - from.x) * length / part,
                           from.y + (to.y - from.y) * length / part};
        length -= part;
        if (part > 0) from = to;
    }
    return from;
}

// How straight the path is around a place: the share of 24 pixels of path that the straight way
// between their ends takes. Corners and places where the path jitters have little.
static double straightness(const figure_cloud *cloud, const figure_panel *panel, int row,
                           double length) {
    return distance(walk(cloud, panel, row, length - 12), walk(cloud, panel, row, length + 12)) /
           24;
}

// Heads on the first and the last third of a path: one for the way into the plateau, one for the
// way out; each where the path is straightest.
static void draw_heads(const figure_cloud *cloud, int row, figure_panel *panel) {
    double length = path_length(cloud, panel, row);
    if (length < 60) return;
    for (int third = 0; third < 3; third += 2) {
        double best = 0, most = 0;
        for (int k = 1; k < 12; k++) {
            double place = fmax(length * (third + k / 12.0) / 3, 14);
            double straight = straightness(cloud, panel, row, place) - 0.02 * abs(k - 6);
            if (straight <= most) continue;
            most = straight;
            best = place;
        }
        pixel tip = walk(cloud, panel, row, best + 6), tail = walk(cloud, panel, row, best - 6);
        if (distance(tail, tip) < 4) continue;
        panel_arrow(panel, tail.x, tail.y, tip.x, tip.y, cloud_colour(cloud, row));
    }
}

static void draw_path(const figure_cloud *cloud, int row, figure_obstacles *obstacles,
                      figure_panel *panel) {
    int every = (cloud->n_steps + MOST_PATH_POINTS - 1) / MOST_PATH_POINTS;
    pixel before = pixel_of(cloud, panel, 0, row);
    panel_block_begin(panel);
    for (int s = 0; s < cloud->n_steps; s++) {
        const double *at = cloud_at(cloud, s, row);
        if (s % every != 0 && s != cloud->n_steps - 1) continue;
        if (!cloud_has(cloud, s, row)) continue;
        pixel now = pixel_of(cloud, panel, s, row);
        obstacles_add_segment(obstacles, before.x, before.y, now.x, now.y);
        fprintf(panel->script, "%.7g %.7g\n", at[0], at[1]);
        before = now;
    }
    panel_block_end(panel, "using 1:2 with lines lw %g lc rgb '#%06x' notitle",
                    cloud->n_rows <= FEW_ROWS ? 2.2 : 1.1, cloud_colour(cloud, row));
}

static double circle_size(const figure_cloud *cloud) {
    return cloud->n_rows <= FEW_ROWS ? 1 : 0.5;
}

// The rows at the first step as open circles: white inside, each whole above those before it.
static void draw_starts(const figure_cloud *cloud, figure_panel *panel) {
    double size = circle_size(cloud);
    panel_block_begin(panel);
    for (int r = 0; r < cloud->n_rows; r++) {
        const double *at = cloud_at(cloud, 0, r);
        if (cloud_has(cloud, 0, r))
            fprintf(panel->script, "%.7g %.7g %g %u\n%.7g %.7g %g %u\n", at[0], at[1], size,
                    cloud_colour(cloud, r), at[0], at[1], 0.6 * size, 0xffffffu);
    }
    panel_block_end(panel, "using 1:2:3:4 with points pt 7 ps variable lc rgb variable notitle");
}

// Where the paths end: full circles, or the crosses of a run that diverged. Labels keep away.
static void draw_ends(const figure_cloud *cloud, figure_obstacles *obstacles, figure_panel *panel) {
    double radius = 6 * circle_size(cloud);
    bool diverged = cloud->record->outcome == FV_OUTCOME_DIVERGED;
    panel_block_begin(panel);
    for (int r = 0; r < cloud->n_rows; r++) {
        int s = diverged ? cloud_last(cloud, r) : cloud->n_steps - 1;
        if (s < 0 || !cloud_has(cloud, s, r)) continue;
        const double *at = cloud_at(cloud, s, r);
        pixel end = pixel_of(cloud, panel, s, r);
        obstacles_add(obstacles,
                      (figure_box){end.x - radius, end.y - radius, end.x + radius, end.y + radius});
        fprintf(panel->script, "%.7g %.7g %u\n", at[0], at[1], cloud_colour(cloud, r));
    }
    if (diverged)
        panel_block_end(panel, "using 1:2:3 with points " FV_CROSS " lc rgb variable notitle");
    else
        panel_block_end(panel, "using 1:2:3 with points pt 7 ps %g lc rgb variable notitle",
                        circle_size(cloud));
}

static fv_status draw_panel(const figure_view *view, const figure_cloud *cloud,
                            figure_obstacles *obstacles, figure_panel *panel, fv_error *error) {
    (void)error;
    for (int r = 0; r < cloud->n_rows; r++) draw_path(cloud, r, obstacles, panel);
    draw_starts(cloud, panel);
    draw_ends(cloud, obstacles, panel);
    if (cloud->n_rows <= FEW_ROWS)
        for (int r = 0; r < cloud->n_rows; r++) draw_heads(cloud, r, panel);
    if (figure_flag(view->options, "labels", true))
        cloud_write_labels(cloud, cloud->n_steps - 1, 6 * circle_size(cloud), obstacles, panel);
    return FV_OK;
}

static fv_status check(const figure_view *view, fv_error *error) {
    return cloud_check(view, true, error);
}

static fv_status draw(figure_view *view, fv_error *error) {
    const cloud_figure figure = {.step = -1,
                                 .most = FV_MOST_PATHS,
                                 .note =
                                     "open circle: initialisation, full circle: end of training",
                                 .crosses = true,
                                 .draw_panel = draw_panel};
    return cloud_sheet(view, &figure, error);
}

const figure_kind figure_trajectories = {
    .name = "trajectories",
    .help = "paths of embeddings through training",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: trajectories, tensor: embed.W_E, where: {task.vocab_size: 4}, seed: 0}",
    .needs = "task: {vocab_size: 4}\ntrain: {steps: 500, snapshot_every: 50}",
    .check = check,
    .draw = draw,
};
