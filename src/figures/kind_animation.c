// Animation: the rows of a tensor moving through training, as a GIF; each frame shows where the
// rows are and the last part of their way. Rows of a run that diverged end as crosses, where
// they were last.
#include "figures/cloud.h"
#include "figures/colour.h"
#include "figures/diverged.h"
#include "figures/empty.h"

#include <math.h>

enum { MOST_FRAMES = 80, TAIL = 8, HOLD = 10 };

static const figure_option options[] = {
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

static void draw_tails(const figure_cloud *cloud, const int *snapshots, int frame,
                       figure_panel *panel) {
    int first = snapshots[frame > TAIL ? frame - TAIL : 0], last = snapshots[frame];
    for (int r = 0; r < cloud->n_rows; r++) {
        panel_block_begin(panel);
        for (int s = first; s <= last; s++) {
            const double *at = cloud_at(cloud, s, r);
            if (cloud_has(cloud, s, r)) fprintf(panel->script, "%.5g %.5g\n", at[0], at[1]);
        }
        panel_block_end(panel, "using 1:2 with lines lw 2 lc rgb '#%06x' notitle",
                        colour_pale(cloud_colour(cloud, r), 0.45));
    }
}

static void draw_points(const figure_cloud *cloud, int s, bool labels, figure_obstacles *obstacles,
                        figure_panel *panel) {
    double radius = cloud->n_rows <= 12 ? 7 : 4;
    panel_block_begin(panel);
    for (int r = 0; r < cloud->n_rows; r++) {
        const double *at = cloud_at(cloud, s, r);
        if (!cloud_has(cloud, s, r)) continue;
        double x = panel_x(panel, at[0]), y = panel_y(panel, at[1]);
        obstacles_add(obstacles, (figure_box){x - radius, y - radius, x + radius, y + radius});
        fprintf(panel->script, "%.5g %.5g %u\n", at[0], at[1], cloud_colour(cloud, r));
    }
    panel_block_end(panel, "using 1:2:3 with points pt 7 ps %g lc rgb variable notitle",
                    radius / 5);
    // Labels that come and go as neighbours pass would flicker: many rows go without.
    if (labels && cloud->n_rows <= 40) cloud_write_labels(cloud, s, radius, obstacles, panel);
}

// Rows that have lost their place, as crosses where they had their last.
static void draw_lost(const figure_cloud *cloud, int s, figure_panel *panel) {
    int n = 0;
    for (int r = 0; r < cloud->n_rows; r++) {
        int last = cloud_last(cloud, r);
        if (last < 0 || last >= s || cloud_has(cloud, s, r)) continue;
        if (n++ == 0) panel_block_begin(panel);
        const double *at = cloud_at(cloud, last, r);
        fprintf(panel->script, "%.5g %.5g %u\n", at[0], at[1], cloud_colour(cloud, r));
    }
    if (n > 0)
        panel_block_end(panel, "using 1:2:3 with points " FV_CROSS " lc rgb variable notitle");
}

static void write_title(const figure_cloud *cloud, int s, char *title, size_t size) {
    double perplexity = value_at(cloud->record, "perplexity", cloud->steps[s]);
    bool diverged = cloud->record->outcome == FV_OUTCOME_DIVERGED &&
                    cloud->steps[s] >= fv_record_diverged_at(cloud->record);
    if (diverged)
        snprintf(title, size, "diverged at step %d", fv_record_diverged_at(cloud->record));
    else
        snprintf(title, size, isnan(perplexity) ? "step %d" : "step %d, perplexity %.2f",
                 cloud->steps[s], perplexity);
}

// The animation on its way: what all frames share.
typedef struct animation {
    const figure_view *view;
    figure_sheet sheet;
    figure_cloud cloud;
    figure_obstacles obstacles;
    const char *reason; // why it is empty, or NULL
    figure_empty empty;
    int snapshots[200 + HOLD], n; // of each frame
} animation;

static fv_status draw_frame(animation *a, int frame, fv_error *error) {
    figure_panel panel;
    int s = a->snapshots[frame];
    char title[80];
    write_title(&a->cloud, s, title, sizeof title);
    sheet_begin(&a->sheet);
    if (panel_begin(&panel, &a->sheet, 0, title) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for an animation");
    obstacles_clear(&a->obstacles);
    cloud_scales(&a->cloud, &panel);
    panel_axes(&panel, a->cloud.x_name, a->cloud.y_name, NULL, false);
    draw_tails(&a->cloud, a->snapshots, frame, &panel);
    draw_lost(&a->cloud, s, &panel);
    draw_points(&a->cloud, s, figure_flag(a->view->options, "labels", true), &a->obstacles, &panel);
    empty_panel(&a->empty, &panel, a->reason);
    fv_status status = panel_end(&panel);
    sheet_end(&a->sheet);
    return status == FV_OK ? FV_OK : fv_fail(error, status, "out of memory for an animation");
}

static fv_status check(const figure_view *view, fv_error *error) {
    figure_partition panels;
    fv_status status = cloud_check(view, true, error);
    if (status == FV_OK) status = cloud_panels(view, &panels, error);
    if (status == FV_OK && panels.n > 1)
        return figure_fail(view, NULL, error,
                           "an animation shows one setting, but the runs differ in %s; select "
                           "one with `where`",
                           panels.fields[0]->key);
    return status;
}

static void choose_snapshots(animation *a) {
    int steps = a->cloud.n_steps;
    int most = (int)fmin(fmax(fv_options_number(a->view->options, "frames", MOST_FRAMES), 2), 200);
    int frames = steps < most ? steps : most;
    for (int f = 0; f < frames; f++)
        a->snapshots[a->n++] = frames > 1 ? (int)((long long)f * (steps - 1) / (frames - 1)) : 0;
    for (int f = 0; f < HOLD; f++) a->snapshots[a->n++] = steps - 1;
}

static void plan_sheet(animation *a) {
    const figure_cloud *cloud = &a->cloud;
    const char *rows = cloud->every > 1
                           ? scratch_text(a->view->scratch, "%d of %d rows, evenly chosen",
                                          cloud->n_rows, cloud->n_all)
                           : NULL;
    a->sheet = (figure_sheet){.script = a->view->script,
                              .n = 1,
                              .panel_width = 380,
                              .panel_height = 380,
                              .title = fv_options_text(a->view->options, "title", NULL),
                              .plain = true, // a GIF has one font
                              .note = diverged_note(a->view, rows)};
    sheet_plan(&a->sheet);
}

static fv_status draw(figure_view *view, fv_error *error) {
    animation a = {.view = view};
    fv_status status = check(view, error);
    if (status == FV_OK) status = cloud_read(view, 0, -1, FV_MOST_PATHS, &a.cloud, error);
    if (status != FV_OK) return status;
    cloud_unfold(&a.cloud, false);
    a.reason = cloud_reason(view, &a.cloud, 0, a.cloud.n_steps - 1);
    choose_snapshots(&a);
    plan_sheet(&a);
    if (!obstacles_init(&a.obstacles, view->scratch, a.sheet.panel_width, a.sheet.panel_height))
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int f = 0; status == FV_OK && f < a.n; f++) status = draw_frame(&a, f, error);
    a.empty.n = a.empty.n > 0; // every frame says the same
    empty_figure(&a.empty, view, 1);
    view->width = a.sheet.width;
    view->height = a.sheet.height;
    return status;
}

const figure_kind figure_animation = {
    .name = "animation",
    .help = "embeddings moving through training, as a GIF",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .animated = true,
    .example = "{kind: animation, tensor: embed.W_E, where: {task.vocab_size: 4}, seed: 0}",
    .needs = "task: {vocab_size: 4}\ntrain: {steps: 500, snapshot_every: 100}",
    .check = check,
    .draw = draw,
};
