#include <fovea/chart.h>

#include "figures/colour.h"
#include "figures/empty.h"
#include "figures/fonts.h"
#include "figures/scratch.h"
#include "figures/sheet.h"
#include "figures/tics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// A chart on its way: the script, and the labels in the order of their first use.
typedef struct plan {
    const fv_chart *chart;
    figure_scratch scratch;
    figure_sheet sheet;
    legend_entry *legend;
    int n_legend;
    figure_empty empty;
} plan;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a chart");
}

// --- labels and colours ------------------------------------------------------------------------

static void enter(plan *p, const char *label, figure_mark mark) {
    if (label == NULL) return;
    for (int i = 0; i < p->n_legend; i++)
        if (strcmp(p->legend[i].text, label) == 0) return;
    p->legend[p->n_legend] = (legend_entry){label, colour_name(p->n_legend), mark};
    p->n_legend++;
}

static unsigned colour_of(const plan *p, const char *label) {
    for (int i = 0; label != NULL && i < p->n_legend; i++)
        if (strcmp(p->legend[i].text, label) == 0) return p->legend[i].colour;
    return FV_REFERENCE;
}

static figure_mark mark_of(fv_chart_style style) {
    return style == FV_CHART_DASHED   ? FV_MARK_DASHED
           : style == FV_CHART_POINTS ? FV_MARK_POINT
                                      : FV_MARK_LINE;
}

static fv_status make_legend(plan *p, fv_error *error) {
    size_t most = 1;
    for (int i = 0; i < p->chart->n_panels; i++)
        most += (size_t)p->chart->panels[i].n_lines + (size_t)p->chart->panels[i].n_bars;
    p->legend = scratch_get(&p->scratch, most, sizeof *p->legend);
    if (p->legend == NULL) return no_memory(error);
    for (int i = 0; i < p->chart->n_panels; i++) {
        const fv_chart_panel *panel = &p->chart->panels[i];
        for (int l = 0; l < panel->n_lines; l++)
            enter(p, panel->lines[l].label, mark_of(panel->lines[l].style));
        for (int b = 0; b < panel->n_bars; b++) enter(p, panel->bars[b].label, FV_MARK_BOX);
    }
    return FV_OK;
}

// --- one panel ---------------------------------------------------------------------------------

static void set_scales(const fv_chart_panel *from, figure_panel *panel) {
    scale_init(&panel->x, from->xlog);
    scale_init(&panel->y, from->ylog);
    for (int l = 0; l < from->n_lines; l++)
        for (int i = 0; i < from->lines[l].n; i++) {
            scale_add(&panel->x, from->lines[l].x[i]);
            scale_add(&panel->y, from->lines[l].y[i]);
        }
    for (int b = 0; b < from->n_bars; b++)
        for (int i = 0; i < from->bars[b].n; i++) {
            scale_add(&panel->x, from->bars[b].from[i]);
            scale_add(&panel->x, from->bars[b].to[i]);
        }
    scale_finish(&panel->x, NAN, NAN, from->n_rows > 0 ? 0 : 0.03);
    if (from->n_rows > 0)
        scale_finish(&panel->y, -0.5, from->n_rows - 0.5, 0);
    else
        scale_finish(&panel->y, from->from_zero && !from->ylog ? 0 : NAN, NAN, 0.05);
}

// Rows have names instead of numbers; row 0 is the top one.
static void name_rows(const fv_chart_panel *from, const figure_panel *panel) {
    FILE *script = panel->script;
    fputs("set ytics (", script);
    for (int r = 0; r < from->n_rows; r++) {
        if (r > 0) fputs(", ", script);
        gnuplot_string(script, from->rows[r]);
        fprintf(script, " %d", from->n_rows - 1 - r);
    }
    fputs(")\n", script);
}

static void draw_line(const plan *p, figure_panel *panel, const fv_chart_line *line) {
    unsigned colour = colour_of(p, line->label);
    panel_block_begin(panel);
    for (int i = 0; i < line->n; i++) {
        if (isfinite(line->x[i]) && isfinite(line->y[i]))
            fprintf(panel->script, "%.9g %.9g\n", line->x[i], line->y[i]);
        else
            fputs("\n", panel->script); // a gap
    }
    if (line->style == FV_CHART_POINTS)
        panel_block_end(panel,
                        "using 1:2 with linespoints lw 0.9 pt 7 ps 0.6 lc rgb '#%06x' "
                        "notitle",
                        colour);
    else
        panel_block_end(panel, "using 1:2 with lines lw 1.9 dt %s lc rgb '#%06x' notitle",
                        line->style == FV_CHART_DASHED ? "(10,5)" : "solid", colour);
}

static void draw_bars(const plan *p, const fv_chart_panel *from, figure_panel *panel,
                      const fv_chart_bars *bars) {
    const double half = 0.36;
    panel_block_begin(panel);
    for (int i = 0; i < bars->n; i++) {
        double middle = from->n_rows - 1 - bars->row[i];
        fprintf(panel->script, "%.9g %g %.9g %.9g %g %g\n", 0.5 * (bars->from[i] + bars->to[i]),
                middle, bars->from[i], bars->to[i], middle - half, middle + half);
    }
    panel_block_end(panel,
                    "using 1:2:3:4:5:6 with boxxyerror fillstyle solid noborder lc rgb '#%06x' "
                    "notitle",
                    colour_of(p, bars->label));
}

// Why the panel shows nothing, or NULL where it shows something.
static const char *reason_of(const fv_chart_panel *from, const figure_panel *panel) {
    for (int b = 0; b < from->n_bars; b++)
        if (from->bars[b].n > 0) return NULL;
    for (int l = 0; l < from->n_lines; l++)
        for (int i = 0; i < from->lines[l].n; i++)
            if (scale_shows(&panel->x, from->lines[l].x[i]) &&
                scale_shows(&panel->y, from->lines[l].y[i]))
                return NULL;
    return "there is no point that the axes can show";
}

static fv_status draw_panel(plan *p, int i, fv_error *error) {
    const fv_chart_panel *from = &p->chart->panels[i];
    figure_panel panel;
    if (panel_begin(&panel, &p->sheet, i, from->title) != FV_OK) return no_memory(error);
    set_scales(from, &panel);
    panel_axes(&panel, from->xlabel, from->ylabel, NULL, false);
    if (from->n_rows > 0) name_rows(from, &panel);
    for (int b = 0; b < from->n_bars; b++)
        if (from->bars[b].n > 0) draw_bars(p, from, &panel, &from->bars[b]);
    for (int l = 0; l < from->n_lines; l++)
        if (from->lines[l].n > 0) draw_line(p, &panel, &from->lines[l]);
    empty_panel(&p->empty, &panel, reason_of(from, &panel));
    return panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
}

static fv_status write_script(plan *p, FILE *script, fv_error *error) {
    const fv_chart *chart = p->chart;
    double names = 0;
    fv_status status = make_legend(p, error);
    if (status != FV_OK) return status;
    for (int i = 0; i < chart->n_panels; i++)
        for (int r = 0; r < chart->panels[i].n_rows; r++)
            names = fmax(names, text_width(chart->panels[i].rows[r], 10.5));
    bool single = chart->n_panels == 1;
    double height = chart->panel_height > 0 ? chart->panel_height : single ? 300 : 230;
    for (int i = 0; i < chart->n_panels; i++) {
        figure_panel panel;
        set_scales(&chart->panels[i], &panel);
        if (chart->panels[i].n_rows == 0)
            names = fmax(names, tics_width(&panel.y, height) + FV_SHEET_BESIDE - 16);
    }
    p->sheet = (figure_sheet){.script = script,
                              .n = chart->n_panels,
                              .panel_width = chart->panel_width > 0 ? chart->panel_width
                                             : single               ? 440
                                                                    : 0,
                              .panel_height = height,
                              .pad_left = fmax(58, names + 16),
                              .pad_right = 16,
                              .title = chart->title,
                              .note = chart->note,
                              .legend = p->legend,
                              .legend_of = "names",
                              .n_legend = p->n_legend};
    for (int i = 0; i < chart->n_panels; i++) sheet_room_for(&p->sheet, chart->panels[i].title);
    sheet_plan(&p->sheet);
    sheet_begin(&p->sheet);
    for (int i = 0; status == FV_OK && i < chart->n_panels; i++) status = draw_panel(p, i, error);
    sheet_end(&p->sheet);
    return status;
}

// --- pictures ----------------------------------------------------------------------------------

typedef struct picture_file {
    figure_picture picture;
    const char *path;
} picture_file;

// Draws the script; *remark (may be NULL) gets what to tell, malloc, where there is something.
static fv_status draw_file(plan *p, const char *script, size_t length, const picture_file *file,
                           char **remark, fv_error *error) {
    figure_drawable drawable;
    fv_status status = fonts_drawable(&p->scratch, file->picture, script, length, &drawable, error);
    if (status != FV_OK) return status;
    if (drawable.remark != NULL && remark != NULL && *remark == NULL &&
        (*remark = strdup(drawable.remark)) == NULL)
        return no_memory(error);
    return gnuplot_draw(drawable.script, drawable.length, file->picture, p->sheet.width,
                        p->sheet.height, file->path, error);
}

static fv_status draw_files(const fv_chart *chart, const picture_file *files, int n, char **remark,
                            fv_error *error) {
    plan p = {.chart = chart};
    char *text = NULL;
    size_t length = 0;
    FILE *script = open_memstream(&text, &length);
    if (script == NULL) return no_memory(error);
    fv_status status = write_script(&p, script, error);
    bool broken = ferror(script) != 0;
    broken |= fclose(script) != 0;
    if (status == FV_OK && broken) status = no_memory(error);
    for (int i = 0; status == FV_OK && i < n; i++)
        status = draw_file(&p, text, length, &files[i], remark, error);
    free(text);
    scratch_free(&p.scratch);
    return status;
}

static char *path_of(const char *folder, const char *name, const char *ending) {
    size_t size = strlen(folder) + strlen(name) + strlen(ending) + 2;
    char *path = malloc(size);
    if (path != NULL) snprintf(path, size, "%s/%s%s", folder, name, ending);
    return path;
}

fv_status fv_chart_draw(const fv_chart *chart, const char *folder, const char *name,
                        fv_drawn *drawn, fv_error *error) {
    *drawn = (fv_drawn){.title = strdup(chart->title ? chart->title : name),
                        .svg = path_of(folder, name, ".svg"),
                        .png = path_of(folder, name, ".png")};
    fv_status status = FV_OK;
    if (drawn->title == NULL || drawn->svg == NULL || drawn->png == NULL) status = no_memory(error);
    const picture_file files[] = {{FV_PICTURE_SVG, drawn->svg}, {FV_PICTURE_PNG, drawn->png}};
    if (status == FV_OK) status = draw_files(chart, files, 2, &drawn->remark, error);
    if (status != FV_OK) fv_drawn_free(drawn);
    return status;
}

fv_status fv_chart_draw_file(const fv_chart *chart, const char *path, fv_error *error) {
    const char *ending = strrchr(path, '.');
    bool svg = ending != NULL && strcmp(ending, ".svg") == 0;
    if (!svg && (ending == NULL || strcmp(ending, ".png") != 0))
        return fv_fail(error, FV_USAGE, "%s: a picture's name ends in .svg or .png", path);
    const picture_file file = {svg ? FV_PICTURE_SVG : FV_PICTURE_PNG, path};
    return draw_files(chart, &file, 1, NULL, error);
}
