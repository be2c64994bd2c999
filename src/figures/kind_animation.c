// Animation: the rows of a tensor moving through training, as a GIF; each frame shows where the
// rows are and the last stretch of their way.
#include "figures/cloud.h"
#include "figures/colour.h"

#include <math.h>

enum { MOST_FRAMES = 80, TAIL = 8, HOLD = 10 };

static const fv_figure_option options[] = {
    FV_CLOUD_OPTIONS,
    {"frames", FV_OPTION_NUMBER, false, NULL, "most frames, up to 200; 80 if not given"},
};

// The value of a series at the last step that is not after `step`, or NAN.
static double value_at(const fv_record *record, const char *name, int step) {
    const fv_series *series = fv_record_find(record, name);
    double value = NAN;
    for (int i = 0; series != NULL && i < series->n && series->steps[i] <= step; i++)
        value = series->values[i];
    return value;
}

static void draw_tails(const fv_cloud *cloud, const int *snapshots, int frame, fv_panel *panel) {
    int first = snapshots[frame > TAIL ? frame - TAIL : 0], last = snapshots[frame];
    for (int r = 0; r < cloud->n_rows; r++) {
        fv_panel_block_begin(panel);
        for (int s = first; s <= last; s++) {
            const double *at = fv_cloud_at(cloud, s, r);
            if (isfinite(at[0]) && isfinite(at[1]))
                fprintf(panel->script, "%.5g %.5g\n", at[0], at[1]);
        }
        fv_panel_block_end(panel, "using 1:2 with lines lw 2 lc rgb '#%06x' notitle",
                           fv_colour_pale(fv_cloud_colour(cloud, r), 0.45));
    }
}

static void draw_points(const fv_cloud *cloud, int s, bool labels, fv_obstacles *obstacles,
                        fv_panel *panel) {
    double radius = cloud->n_rows <= 12 ? 7 : 4;
    fv_panel_block_begin(panel);
    for (int r = 0; r < cloud->n_rows; r++) {
        const double *at = fv_cloud_at(cloud, s, r);
        if (!isfinite(at[0]) || !isfinite(at[1])) continue;
        double x = fv_panel_x(panel, at[0]), y = fv_panel_y(panel, at[1]);
        fv_obstacles_add(obstacles, (fv_box){x - radius, y - radius, x + radius, y + radius});
        fprintf(panel->script, "%.5g %.5g %u\n", at[0], at[1], fv_cloud_colour(cloud, r));
    }
    fv_panel_block_end(panel, "using 1:2:3 with points pt 7 ps %g lc rgb variable notitle",
                       radius / 5);
    // Labels that come and go as neighbours pass would flicker: many rows go without.
    if (labels && cloud->n_rows <= 40) fv_cloud_write_labels(cloud, s, obstacles, panel);
}

static fv_status draw_frame(const fv_figure_view *view, const fv_sheet *sheet,
                            const fv_cloud *cloud, const int *snapshots, int frame,
                            fv_obstacles *obstacles, fv_error *error) {
    fv_panel panel;
    int s = snapshots[frame];
    double perplexity = value_at(cloud->record, "perplexity", cloud->steps[s]);
    char title[80];
    snprintf(title, sizeof title, isnan(perplexity) ? "step %d" : "step %d, perplexity %.2f",
             cloud->steps[s], perplexity);
    fv_sheet_begin(sheet);
    if (fv_panel_begin(&panel, sheet, 0, title) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for an animation");
    obstacles->n = 0;
    fv_cloud_scales(cloud, &panel);
    fv_panel_axes(&panel, cloud->x_name, cloud->y_name, NULL, false);
    draw_tails(cloud, snapshots, frame, &panel);
    draw_points(cloud, s, fv_figure_flag(view->options, "labels", true), obstacles, &panel);
    fv_status status = fv_panel_end(&panel);
    fv_sheet_end(sheet);
    return status == FV_OK ? FV_OK : fv_fail(error, status, "out of memory for an animation");
}

static fv_status check(const fv_figure_view *view, fv_error *error) {
    fv_partition panels;
    fv_status status = fv_cloud_check(view, true, error);
    if (status == FV_OK) status = fv_cloud_panels(view, &panels, error);
    if (status == FV_OK && panels.n > 1)
        return fv_figure_fail(view, NULL, error,
                              "an animation shows one setting, but the runs differ in %s; select "
                              "one with `where`",
                              panels.fields[0]->key);
    return status;
}

static fv_status draw(fv_figure_view *view, fv_error *error) {
    fv_cloud cloud;
    int snapshots[200 + HOLD], n = 0;
    fv_status status = check(view, error);
    if (status == FV_OK) status = fv_cloud_read(view, 0, -1, &cloud, error);
    if (status != FV_OK) return status;
    int most = (int)fmin(fmax(fv_options_number(view->options, "frames", MOST_FRAMES), 2), 200);
    int frames = cloud.n_steps < most ? cloud.n_steps : most;
    for (int f = 0; f < frames; f++)
        snapshots[n++] = frames > 1 ? (int)((long long)f * (cloud.n_steps - 1) / (frames - 1)) : 0;
    for (int f = 0; f < HOLD; f++) snapshots[n++] = cloud.n_steps - 1;

    fv_sheet sheet = {.script = view->script,
                      .n = 1,
                      .panel_width = 380,
                      .panel_height = 380,
                      .title = fv_options_text(view->options, "title", NULL)};
    fv_obstacles obstacles = {.boxes = fv_scratch_get(view->scratch, 4096, sizeof(fv_box)),
                              .capacity = 4096};
    if (obstacles.boxes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_sheet_plan(&sheet);
    for (int f = 0; status == FV_OK && f < n; f++)
        status = draw_frame(view, &sheet, &cloud, snapshots, f, &obstacles, error);
    view->width = sheet.width;
    view->height = sheet.height;
    return status;
}

const fv_figure_kind fv_figure_animation = {
    .name = "animation",
    .help = "embeddings moving through training, as a GIF",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .animated = true,
    .example = "{kind: animation, tensor: embed.W_E, where: {task.vocab_size: 4}, seed: 0}",
    .check = check,
    .draw = draw,
};
