#include "figures/cloud.h"

#include "figures/colour.h"
#include "figures/diverged.h"
#include "figures/empty.h"
#include "probes/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_SIZE = 9 };

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure");
}

static const char *tensor_name(const figure_view *view) {
    return fv_options_text(view->options, "tensor", "embed.W_E");
}

static fv_status find_tensor(const figure_view *view, const fv_config *config, fv_model **model,
                             const fv_tensor **tensor, fv_error *error) {
    fv_status status = fv_model_create(config, model, error);
    if (status != FV_OK) return status;
    *tensor = fv_model_tensor(*model, tensor_name(view));
    if (*tensor != NULL && (*tensor)->n_dims == 2) return FV_OK;
    char list[500] = "";
    int n;
    const fv_tensor *all = fv_model_tensors(*model, &n);
    for (int i = 0; i < n; i++) {
        size_t used = strlen(list);
        if (all[i].n_dims == 2)
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", all[i].name);
    }
    fv_model_free(*model);
    *model = NULL;
    return figure_fail(view, "tensor", error, "the model has no matrix \"%s\"; it has %s",
                       tensor_name(view), list);
}

// --- reading -----------------------------------------------------------------------------------

// Rows are what lies along the vocabulary or the positions: the unembedding [d][V] has them as
// columns.
static probe_matrix matrix_of(const fv_tensor *tensor, const float *params) {
    probe_matrix matrix =
        probe_matrix_of(params + tensor->offset, tensor->shape[0], tensor->shape[1]);
    return strcmp(tensor->name, "unembed.W_U") == 0 ? matrix_transposed(matrix) : matrix;
}

static bool is_finite_row(const float *row, int dims) {
    for (int k = 0; k < dims; k++)
        if (!isfinite(row[k])) return false;
    return true;
}

// The principal axes of the finite points: those of a run that diverged late are worth seeing.
static fv_status fit_axes(const figure_view *view, const float *points, size_t n, int dims,
                          probe_pca *pca, fv_error *error) {
    float *finite = scratch_get(view->scratch, n * (size_t)dims, sizeof *finite);
    size_t kept = 0;
    if (finite == NULL) return no_memory(error);
    for (size_t i = 0; i < n; i++) {
        const float *row = points + i * (size_t)dims;
        if (is_finite_row(row, dims))
            memcpy(finite + kept++ * (size_t)dims, row, (size_t)dims * sizeof *row);
    }
    return pca_fit(probe_matrix_of(finite, (int)kept, dims), pca, error);
}

// "PC 1 (57 %)"; without the share where there is none to explain.
static void name_component(const probe_pca *pca, int k, char name[32]) {
    if (pca->n > k && pca->explained[0] > 0)
        snprintf(name, 32, "PC %d (%.0f %%)", k + 1, 100 * pca->explained[k]);
    else
        snprintf(name, 32, "PC %d", k + 1);
}

static fv_status project(const figure_view *view, const float *points, int dims,
                         figure_cloud *cloud, fv_error *error) {
    const char *projection =
        fv_options_text(view->options, "projection", dims <= 2 ? "axes" : "pca");
    size_t n = (size_t)cloud->n_steps * (size_t)cloud->n_rows;
    cloud->flat = dims == 1;
    if (strcmp(projection, "axes") == 0 || dims == 1) {
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 2; k++)
                cloud->place[2 * i + (size_t)k] =
                    k < dims ? points[i * (size_t)dims + (size_t)k] : 0;
        snprintf(cloud->x_name, sizeof cloud->x_name, "embedding dimension 1");
        snprintf(cloud->y_name, sizeof cloud->y_name, "embedding dimension 2");
        return FV_OK;
    }
    probe_pca pca;
    fv_status status = fit_axes(view, points, n, dims, &pca, error);
    if (status != FV_OK) return status;
    pca_project(&pca, probe_matrix_of(points, (int)n, dims), 2, cloud->place);
    for (size_t i = 0; i < n; i++) // no axis may make NaN a zero
        if (!is_finite_row(points + i * (size_t)dims, dims))
            cloud->place[2 * i] = cloud->place[2 * i + 1] = NAN;
    name_component(&pca, 0, cloud->x_name);
    name_component(&pca, 1, cloud->y_name);
    pca_free(&pca);
    return FV_OK;
}

// Sets the sizes of the cloud and takes its memory; false without.
static bool reserve(const figure_view *view, int n_all, int n_steps, int most,
                    figure_cloud *cloud) {
    cloud->n_all = n_all;
    cloud->every = (n_all + most - 1) / most;
    cloud->n_rows = (n_all + cloud->every - 1) / cloud->every;
    cloud->n_steps = n_steps;
    size_t n = (size_t)n_steps * (size_t)cloud->n_rows;
    cloud->steps = scratch_get(view->scratch, (size_t)n_steps, sizeof *cloud->steps);
    cloud->place = scratch_get(view->scratch, 2 * n, sizeof *cloud->place);
    return cloud->steps != NULL && cloud->place != NULL;
}

static fv_status read_points(const figure_view *view, const fv_tensor *tensor, double step,
                             int most, figure_cloud *cloud, fv_error *error) {
    const fv_record *record = cloud->record;
    probe_matrix shape = matrix_of(tensor, record->snapshots[0].params);
    int first = step < 0 ? 0 : runs_snapshot(record, step);
    cloud->positions = strcmp(tensor->name, "pos_embed.W_pos") == 0;
    if (!reserve(view, shape.rows, step < 0 ? record->n_snapshots : 1, most, cloud))
        return no_memory(error);
    size_t n = (size_t)cloud->n_steps * (size_t)cloud->n_rows, dims = (size_t)shape.cols;
    float *points = scratch_get(view->scratch, n * dims, sizeof *points), *at = points;
    if (points == NULL) return no_memory(error);
    for (int s = 0; s < cloud->n_steps; s++) {
        const fv_snapshot *snapshot = &record->snapshots[first + s];
        probe_matrix matrix = matrix_of(tensor, snapshot->params);
        cloud->steps[s] = snapshot->step;
        for (int r = 0; r < cloud->n_rows; r++)
            for (int c = 0; c < matrix.cols; c++)
                *at++ = (float)matrix_at(matrix, r * cloud->every, c);
    }
    return project(view, points, shape.cols, cloud, error);
}

fv_status cloud_read(const figure_view *view, int run, double step, int most, figure_cloud *cloud,
                     fv_error *error) {
    const fv_record *record = view->runs.records[run];
    fv_model *model = NULL;
    const fv_tensor *tensor;
    *cloud = (figure_cloud){.record = record};
    fv_status status = find_tensor(view, record->config, &model, &tensor, error);
    if (status != FV_OK) return status;
    if (record->n_snapshots == 0 || record->n_params != fv_model_n_params(model))
        status = figure_fail(view, NULL, error,
                             "run %s was stored without the parameters that are drawn", record->id);
    else
        status = read_points(view, tensor, step, most, cloud, error);
    fv_model_free(model);
    return status;
}

// The number that a row is known by.
static int number_of(const figure_cloud *cloud, int row) {
    return cloud->positions ? row * cloud->every - (cloud->n_all - 1) : row * cloud->every;
}

void cloud_unfold(figure_cloud *cloud, bool over_time) {
    if (!cloud->flat) return;
    for (int s = 0; s < cloud->n_steps; s++)
        for (int r = 0; r < cloud->n_rows; r++) {
            double *at = &cloud->place[2 * ((size_t)s * (size_t)cloud->n_rows + (size_t)r)];
            at[1] = over_time ? at[0] : number_of(cloud, r);
            if (over_time && isfinite(at[1])) at[0] = cloud->steps[s];
        }
    cloud->whole_x = over_time;
    cloud->whole_y = !over_time;
    if (over_time) snprintf(cloud->y_name, sizeof cloud->y_name, "%s", cloud->x_name);
    if (over_time)
        snprintf(cloud->x_name, sizeof cloud->x_name, "training step");
    else
        snprintf(cloud->y_name, sizeof cloud->y_name, cloud->positions ? "position" : "row");
}

bool cloud_has(const figure_cloud *cloud, int s, int row) {
    const double *at = cloud_at(cloud, s, row);
    return isfinite(at[0]) && isfinite(at[1]);
}

int cloud_last(const figure_cloud *cloud, int row) {
    int s = cloud->n_steps - 1;
    while (s >= 0 && !cloud_has(cloud, s, row)) s--;
    return s;
}

const char *cloud_reason(const figure_view *view, const figure_cloud *cloud, int first, int last) {
    for (int s = first; s <= last; s++)
        for (int r = 0; r < cloud->n_rows; r++)
            if (cloud_has(cloud, s, r)) return NULL;
    if (cloud->record->outcome != FV_OUTCOME_DIVERGED) return "every coordinate is NaN or infinite";
    return scratch_text(view->scratch,
                        "every coordinate is NaN or infinite: the run diverged at step %d",
                        fv_record_diverged_at(cloud->record));
}

// --- drawing -----------------------------------------------------------------------------------

unsigned cloud_colour(const figure_cloud *cloud, int row) {
    if (cloud->n_rows <= FV_DISTINCT) return colour_name(row);
    return colour_line((double)row / (cloud->n_rows - 1));
}

void cloud_label(const figure_cloud *cloud, int row, char *text, size_t size) {
    int number = number_of(cloud, row);
    snprintf(text, size, "%s%d", number < 0 ? "−" : "", abs(number));
}

void cloud_scales(const figure_cloud *cloud, figure_panel *panel) {
    scale_init(&panel->x, false);
    scale_init(&panel->y, false);
    panel->x.whole = cloud->whole_x;
    panel->y.whole = cloud->whole_y;
    for (int s = 0; s < cloud->n_steps; s++)
        for (int r = 0; r < cloud->n_rows; r++) {
            scale_add(&panel->x, cloud_at(cloud, s, r)[0]);
            scale_add(&panel->y, cloud_at(cloud, s, r)[1]);
        }
    scale_finish(&panel->x, NAN, NAN, 0.08);
    scale_finish(&panel->y, NAN, NAN, 0.08);
    if (!cloud->flat) scales_equalize(&panel->x, &panel->y, panel->width, panel->height);
}

// The free place for a label around a circle at (x, y) that is nearest to it, and then to pointing
// away from the middle.
static bool place_label(const figure_obstacles *obstacles, const figure_panel *panel, double x,
                        double y, double radius, double width, double height, figure_box *place) {
    double outwards = atan2(y - panel->height / 2, x - panel->width / 2);
    for (int ring = 0; ring < 4; ring++)
        for (int k = 0; k < 12; k++) {
            double turn = (k + 1) / 2 * (k % 2 ? 1 : -1) * (M_PI / 6);
            double away = radius + 1 + 2 * ring;
            double middle_x = x + cos(outwards + turn) * (away + width / 2);
            double middle_y = y + sin(outwards + turn) * (away + height / 2);
            *place = (figure_box){middle_x - width / 2, middle_y - height / 2, middle_x + width / 2,
                                  middle_y + height / 2};
            bool inside = place->left >= 0 && place->top >= 0 && place->right <= panel->width &&
                          place->bottom <= panel->height;
            if (inside && obstacles_hits(obstacles, *place) == 0) return true;
        }
    return false;
}

void cloud_write_labels(const figure_cloud *cloud, int s, double radius,
                        figure_obstacles *obstacles, figure_panel *panel) {
    for (int r = 0; r < cloud->n_rows; r++) {
        const double *at = cloud_at(cloud, s, r);
        double size = cloud->n_rows <= 12 ? 12 : LABEL_SIZE;
        char text[16];
        figure_box place;
        cloud_label(cloud, r, text, sizeof text);
        if (!isfinite(at[0]) || !isfinite(at[1]) ||
            !place_label(obstacles, panel, panel_x(panel, at[0]), panel_y(panel, at[1]), radius,
                         text_width(text, size) + 1, 0.85 * size, &place))
            continue;
        panel_text(panel, 0.5 * (place.left + place.right), 0.5 * (place.top + place.bottom), 'c',
                   size, FV_INK, text);
        obstacles_add(obstacles, place);
    }
}

// --- checks and the sheet ----------------------------------------------------------------------

fv_status cloud_panels(const figure_view *view, figure_partition *panels, fv_error *error) {
    const figure_partition *const one[] = {panels};
    fv_status status = runs_split(view, "panel", false, NULL, 0, panels, error);
    if (status == FV_OK) status = runs_check_alike(view, one, 1, error);
    return status;
}

static bool takes_snapshots(const fv_config *config) {
    char list[8];
    fv_config_get(config, fv_field_find("train.snapshots"), list, sizeof list);
    return strcmp(list, "[]") != 0 ||
           fv_config_number(config, fv_field_find("train.snapshot_every")) > 0;
}

fv_status cloud_check(const figure_view *view, bool path, fv_error *error) {
    figure_partition panels;
    fv_status status = cloud_panels(view, &panels, error);
    for (int i = 0; status == FV_OK && i < panels.n; i++) {
        const fv_config *config = view->runs.configs[panels.first[i]];
        fv_model *model = NULL;
        const fv_tensor *tensor;
        status = find_tensor(view, config, &model, &tensor, error);
        fv_model_free(model);
        if (status == FV_OK && path && !takes_snapshots(config))
            status = figure_fail(view, NULL, error,
                                 "it draws parameters over training, but no snapshots are "
                                 "taken; set train.snapshot_every");
    }
    return status;
}

// "a; b", where either may be NULL.
static const char *joined(const figure_view *view, const char *a, const char *b) {
    if (a == NULL || b == NULL) return a != NULL ? a : b;
    return scratch_text(view->scratch, "%s; %s", a, b);
}

// The most rows that the tensor has in any panel.
static fv_status count_rows(const figure_view *view, const figure_partition *panels, int *most,
                            fv_error *error) {
    *most = 0;
    for (int i = 0; i < panels->n; i++) {
        fv_model *model = NULL;
        const fv_tensor *tensor = NULL;
        const fv_config *config = view->runs.configs[panels->first[i]];
        fv_status status = find_tensor(view, config, &model, &tensor, error);
        if (status != FV_OK || tensor == NULL) return status;
        int rows = tensor->shape[strcmp(tensor->name, "unembed.W_U") == 0];
        if (rows > *most) *most = rows;
        fv_model_free(model);
    }
    return FV_OK;
}

// "500 of 100000 rows, evenly chosen; colour: first row dark, last row light", of a panel with
// `rows` rows.
static const char *note_of(const figure_view *view, const cloud_figure *figure, int rows) {
    const char *note = figure->note;
    int every = (rows + figure->most - 1) / figure->most;
    if (every > 1)
        note = joined(view, note,
                      scratch_text(view->scratch, "%d of %d rows, evenly chosen",
                                   (rows + every - 1) / every, rows));
    if (rows > FV_DISTINCT) note = joined(view, note, "colour: first row dark, last row light");
    return diverged_note(view, note);
}

static void plan_sheet(const figure_view *view, const figure_partition *panels,
                       const cloud_figure *figure, int rows, figure_sheet *sheet) {
    static const char *names[] = {"embedding dimension 1", "embedding dimension 2"};
    double side = panels->n == 1 ? 420 : 300;
    *sheet = (figure_sheet){.script = view->script,
                            .n = panels->n,
                            .columns = (int)fv_options_number(view->options, "columns", 0),
                            .panel_width = side,
                            .panel_height = side,
                            .pad_left = 64,
                            .title = fv_options_text(view->options, "title", NULL),
                            .note = note_of(view, figure, rows),
                            .xlabel = names[0],
                            .ylabel = names[1]};
    legend_entry *legend = scratch_get(view->scratch, 1, sizeof *legend);
    if (figure->crosses && runs_diverged(view) > 0 && legend != NULL) {
        legend[0] = diverged_entry();
        sheet->legend = legend;
        sheet->n_legend = 1;
    }
    for (int i = 0; i < panels->n; i++)
        sheet_room_for(sheet, runs_title(view, panels->first[i], panels, NULL));
    sheet_plan(sheet);
}

// Says in the lower left corner that the run diverged; labels keep away.
static void say_diverged(const figure_view *view, const figure_cloud *cloud,
                         figure_obstacles *obstacles, figure_panel *panel) {
    if (cloud->record->outcome != FV_OUTCOME_DIVERGED) return;
    const char *text =
        scratch_text(view->scratch, "diverged at step %d", fv_record_diverged_at(cloud->record));
    if (text == NULL) return;
    double y = panel->height - 12, width = text_width(text, 10);
    panel_boxed(panel, 8, y, 'l', 10, FV_INK, text);
    obstacles_add(obstacles, (figure_box){8, y - 7, 8 + width, y + 7});
}

static fv_status draw_cloud(const figure_view *view, const cloud_figure *figure,
                            const figure_cloud *cloud, figure_obstacles *obstacles,
                            figure_empty *empty, figure_panel *panel, fv_error *error) {
    cloud_scales(cloud, panel);
    panel_axes(panel, cloud->x_name, cloud->y_name, NULL, false);
    obstacles_clear(obstacles);
    const char *reason = cloud_reason(view, cloud, 0, cloud->n_steps - 1);
    if (reason == NULL) say_diverged(view, cloud, obstacles, panel);
    fv_status status = figure->draw_panel(view, cloud, obstacles, panel, error);
    empty_panel(empty, panel, reason);
    return status;
}

fv_status cloud_sheet(figure_view *view, const cloud_figure *figure, fv_error *error) {
    figure_partition panels;
    figure_sheet sheet;
    figure_cloud cloud;
    figure_obstacles obstacles;
    figure_empty empty = {0};
    int rows;
    fv_status status = cloud_panels(view, &panels, error);
    if (status == FV_OK) status = count_rows(view, &panels, &rows, error);
    if (status != FV_OK) return status;
    plan_sheet(view, &panels, figure, rows, &sheet);
    if (!obstacles_init(&obstacles, view->scratch, sheet.panel_width, sheet.panel_height))
        return no_memory(error);
    sheet_begin(&sheet);
    for (int i = 0; status == FV_OK && i < panels.n; i++) {
        figure_panel panel;
        int run = panels.first[i];
        status = cloud_read(view, run, figure->step, figure->most, &cloud, error);
        if (status != FV_OK) return status;
        cloud_unfold(&cloud, figure->step < 0);
        const char *title = runs_title(view, run, &panels, NULL);
        if (title == NULL || panel_begin(&panel, &sheet, i, title) != FV_OK)
            return no_memory(error);
        status = draw_cloud(view, figure, &cloud, &obstacles, &empty, &panel, error);
        if (status == FV_OK && panel_end(&panel) != FV_OK) status = no_memory(error);
        panel_drop(&panel);
    }
    sheet_end(&sheet);
    empty_figure(&empty, view, panels.n);
    view->width = sheet.width;
    view->height = sheet.height;
    return status;
}
