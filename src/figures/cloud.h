// The rows of a parameter tensor (token embeddings, positional embeddings) as points of the plane,
// over the snapshots of a run: what scatter, trajectories and animation draw.
#ifndef FOVEA_FIGURES_CLOUD_H
#define FOVEA_FIGURES_CLOUD_H

#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"

enum { FV_MOST_POINTS = 20000, FV_MOST_PATHS = 500 }; // that one panel shows

// The options that the three kinds share.
#define FV_CLOUD_OPTIONS                                                                           \
    {"tensor", FV_OPTION_TEXT, false, NULL,                                                        \
     "the tensor whose rows are drawn: embed.W_E if not given, pos_embed.W_pos, unembed.W_U "      \
     "(its columns), ..."},                                                                        \
        {"projection", FV_OPTION_CHOICE, false, "axes|pca",                                        \
         "the first two coordinates, or the first two principal components; axes up to two "       \
         "dimensions and pca above if not given"},                                                 \
    {                                                                                              \
        "labels", FV_OPTION_BOOL, false, NULL,                                                     \
            "write each row's number beside it (true if not given), where there is room"           \
    }

typedef struct figure_cloud {
    const fv_record *record;
    bool positions; // rows are positions, not tokens: numbered ..., -1, 0 up to the last one
    bool flat;      // one dimension of its own: the other axis is something else
    int n_all;      // rows of the tensor
    int n_rows;     // that are drawn: every `every`-th of them
    int every;
    int n_steps;
    int *steps;            // [n_steps] of the snapshots
    double *place;         // [n_steps][n_rows][2]
    bool whole_x, whole_y; // these axes count steps or rows
    char x_name[32], y_name[32];
} figure_cloud;

// Reads the rows of run `run`, at most `most` of them evenly chosen: of all snapshots with `step` <
// 0, else of the snapshot nearest to it. Principal components are those of all finite points read.
// Fails with FV_USAGE for a tensor that the model does not have.
fv_status cloud_read(const figure_view *view, int run, double step, int most, figure_cloud *cloud,
                     fv_error *error);

// Gives a cloud of one dimension a second axis: the rows' numbers, or with `over_time` the step,
// which then lies along x. Others stay as they are.
void cloud_unfold(figure_cloud *cloud, bool over_time);

static inline const double *cloud_at(const figure_cloud *cloud, int s, int row) {
    return &cloud->place[2 * ((size_t)s * (size_t)cloud->n_rows + (size_t)row)];
}

// Whether row `row` has a place in step s.
bool cloud_has(const figure_cloud *cloud, int s, int row);

// The last step in which the row has a place, or -1.
int cloud_last(const figure_cloud *cloud, int row);

// Why no point of steps [first, last] has a place, or NULL where one has.
const char *cloud_reason(const figure_view *view, const figure_cloud *cloud, int first, int last);

unsigned cloud_colour(const figure_cloud *cloud, int row);
void cloud_label(const figure_cloud *cloud, int row, char *text, size_t size);

// Sets panel's scales to hold every point, with units equally long on both axes.
void cloud_scales(const figure_cloud *cloud, figure_panel *panel);

// Writes the label of each row near its place in step s, a circle of `radius` pixels, where nothing
// is in the way; without room a label is left out.
void cloud_write_labels(const figure_cloud *cloud, int s, double radius,
                        figure_obstacles *obstacles, figure_panel *panel);

// Checks `tensor` against the model of every selected configuration, and that snapshots are taken
// where `path` says that one is not enough.
fv_status cloud_check(const figure_view *view, bool path, fv_error *error);

// Splits the runs into panels of one setting each.
fv_status cloud_panels(const figure_view *view, figure_partition *panels, fv_error *error);

// A figure of one picture of a cloud a panel, shared by scatter and trajectories.
typedef struct cloud_figure {
    double step;      // as cloud_read takes it
    int most;         // rows
    const char *note; // below; NULL for none
    bool crosses;     // draw_panel marks the ends of diverged runs with crosses
    fv_status (*draw_panel)(const figure_view *view, const figure_cloud *cloud,
                            figure_obstacles *obstacles, figure_panel *panel, fv_error *error);
} cloud_figure;

// Plans a sheet of square panels and draws each from the first run of its setting.
fv_status cloud_sheet(figure_view *view, const cloud_figure *figure, fv_error *error);

#endif
