// The rows of a parameter tensor (token embeddings, positional embeddings) as points of the plane,
// over the snapshots of a run: what scatter, trajectories and animation draw.
#ifndef FOVEA_FIGURES_CLOUD_H
#define FOVEA_FIGURES_CLOUD_H

#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"

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

typedef struct fv_cloud {
    const fv_record *record;
    bool positions; // rows are positions, not tokens: numbered ..., -1, 0 up to the last one
    int n_rows;
    int n_steps;
    int *steps;    // [n_steps] of the snapshots
    double *place; // [n_steps][n_rows][2]
    char x_name[32], y_name[32];
} fv_cloud;

// Reads the rows of run `run`: of all snapshots with `step` < 0, else of the snapshot nearest to
// it. Principal components are those of all points read. Fails with FV_USAGE for a tensor that the
// model does not have.
fv_status fv_cloud_read(const fv_figure_view *view, int run, double step, fv_cloud *cloud,
                        fv_error *error);

static inline const double *fv_cloud_at(const fv_cloud *cloud, int s, int row) {
    return &cloud->place[2 * ((size_t)s * (size_t)cloud->n_rows + (size_t)row)];
}

unsigned fv_cloud_colour(const fv_cloud *cloud, int row);
void fv_cloud_label(const fv_cloud *cloud, int row, char *text, size_t size);

// Sets panel's scales to hold every point, with units equally long on both axes.
void fv_cloud_scales(const fv_cloud *cloud, fv_panel *panel);

// Writes the label of each row near its place in step s, where nothing is in the way; without room
// a label is left out.
void fv_cloud_write_labels(const fv_cloud *cloud, int s, fv_obstacles *obstacles, fv_panel *panel);

// Checks `tensor` against the model of every selected configuration, and that snapshots are taken
// where `path` says that one is not enough.
fv_status fv_cloud_check(const fv_figure_view *view, bool path, fv_error *error);

// Splits the runs into panels of one setting each.
fv_status fv_cloud_panels(const fv_figure_view *view, fv_partition *panels, fv_error *error);

// Plans a sheet of square panels and draws each through `draw_panel`, which gets the first run of
// its setting. Shared by scatter and trajectories.
typedef fv_status (*fv_cloud_draw)(const fv_figure_view *view, const fv_cloud *cloud,
                                   fv_obstacles *obstacles, fv_panel *panel, fv_error *error);
fv_status fv_cloud_sheet(fv_figure_view *view, double step, const char *note,
                         fv_cloud_draw draw_panel, fv_error *error);

#endif
