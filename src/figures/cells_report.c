#include "eval/cells.h"
#include "figures/depth_maps.h"
#include "figures/fonts.h"
#include "figures/html.h"
#include "figures/report_style.h"

#include <fovea/machine.h>
#include <fovea/whole_file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// name, what the report says above it
#define CELLS_FIGURE_LIST(X)                                                                       \
    X(map, "By depth and length")                                                                  \
    X(first_token, "Time to the first token")                                                      \
    X(prefill, "Speed of the prompt")                                                              \
    X(decode, "Speed of the answer")                                                               \
    X(middle, "By depth: what the middle loses")                                                   \
    X(together, "By depth: all of them in one panel")                                              \
    X(lengths, "By length, all depths together")

typedef struct cells_figure {
    const char *name, *heading;
    fv_status (*draw)(cells_view *view, fv_error *error);
} cells_figure;

static const cells_figure figures[] = {
#define FIGURE(name, heading) {#name, heading, cells_draw_##name},
    CELLS_FIGURE_LIST(FIGURE)
#undef FIGURE
};

// --- pictures ----------------------------------------------------------------------------------

static fv_status draw_script(cells_view *view, const char *script, size_t length,
                             const char *folder, const char *name, fv_error *error) {
    static const struct {
        figure_picture picture;
        const char *extension;
    } KINDS[] = {{FV_PICTURE_SVG, "svg"}, {FV_PICTURE_PNG, "png"}};
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++) {
        const char *path =
            scratch_text(view->scratch, "%s/%s.%s", folder, name, KINDS[k].extension);
        if (path == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
        figure_drawable drawable;
        fv_status status =
            fonts_drawable(view->scratch, KINDS[k].picture, script, length, &drawable, error);
        if (status == FV_OK)
            status = gnuplot_draw(drawable.script, drawable.length, KINDS[k].picture,
                                  view->sheet.width, view->sheet.height, path, error);
        if (view->remark == NULL) view->remark = drawable.remark;
        if (status == FV_OK && KINDS[k].picture == FV_PICTURE_SVG)
            status = spots_write(path, &view->spots, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

// Draws one figure into the folder; sheet.width stays 0 where there is nothing to draw.
static fv_status draw_figure(cells_view *view, const cells_figure *figure, const char *folder,
                             fv_error *error) {
    char *script = NULL;
    size_t length = 0;
    view->script = open_memstream(&script, &length);
    if (view->script == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = figure->draw(view, error);
    bool broken = ferror(view->script) != 0;
    broken |= fclose(view->script) != 0;
    if (status == FV_OK && broken) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK && view->sheet.width > 0)
        status = draw_script(view, script, length, folder, figure->name, error);
    free(script);
    return status;
}

// --- the page ----------------------------------------------------------------------------------

static fv_status write_picture(FILE *html, const cells_view *view, const cells_figure *figure,
                               const char *folder, fv_error *error) {
    const char *path = scratch_text(view->scratch, "%s/%s.svg", folder, figure->name);
    const char *prefix = scratch_text(view->scratch, "%s-", figure->name);
    if (path == NULL || prefix == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fprintf(html, "<section><h2>%s</h2>\n<figure><div class=\"picture\">", figure->heading);
    fv_status status = html_svg(html, path, prefix, figure->heading, error);
    fputs("</div></figure></section>\n", html);
    return status;
}

static void write_row(FILE *html, const fv_cell *cell) {
    double low, high;
    fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
    fputs("<tr><td>", html);
    html_text(html, cell->model);
    fputs("</td><td>", html);
    html_text(html, cell->task);
    fprintf(html, "</td><td class=\"number\">%d ", cell->length);
    html_text(html, cell->unit);
    fputs("</td><td class=\"number\">", html);
    if (!isnan(cell->depth)) fprintf(html, "%g %%", cell->depth);
    fprintf(html, "</td><td class=\"number\">%d of %d", cell->hits, cell->n);
    if (fv_cell_asked(cell) > cell->n) fprintf(html, ", %d asked", fv_cell_asked(cell));
    fputs("</td>", html);
    fprintf(html, "<td class=\"number\">%.0f to %.0f %%</td><td class=\"number\">%.1f</td>",
            100 * low, 100 * high, 100 * cell->score);
    char others[160];
    fv_cell_otherwise(cell, others, sizeof others);
    fprintf(html, "<td class=\"note\">%s</td></tr>\n", others);
}

static void write_table(FILE *html, const fv_cells *cells) {
    fputs("<section><h2>Every cell</h2>\n<details><summary>Hits, intervals and what was said "
          "instead</summary><div class=\"scroll\"><table><tr><th>Model</th><th>Task</th>"
          "<th>Length</th><th>Depth</th><th>Found</th><th>95 %</th><th>Score</th>"
          "<th>Other answers</th></tr>\n",
          html);
    for (int i = 0; i < cells->n; i++) write_row(html, &cells->items[i]);
    fputs("</table></div></details></section>\n", html);
}

static void write_start(FILE *html, const char *title, const fv_cells *cells) {
    long n = 0;
    for (int i = 0; i < cells->n; i++) n += cells->items[i].n;
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
          html);
    html_text(html, title);
    fprintf(html, "</title>\n<style>\n%s</style></head>\n<body>\n<header><div><h1>", report_style);
    html_text(html, title);
    fprintf(html,
            "</h1>\n<p class=\"quiet\">%d cells, %ld answers; point at a cell for its interval and "
            "its answers</p></div></header>\n<main>\n",
            cells->n, n);
}

fv_status fv_cells_report(const char *folder, const char *title, const fv_cells *cells,
                          fv_error *error) {
    return fv_cells_draw(folder, title, cells, NULL, error);
}

static fv_status draw_all(const char *folder, const char *title, const fv_cells *cells,
                          char **remark, fv_error *error) {
    figure_scratch scratch = {0};
    const char *first_remark = NULL;
    if (remark != NULL) *remark = NULL;
    fv_whole_file file;
    const char *path = scratch_text(&scratch, "%s/report.html", folder);
    fv_status status = path == NULL ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                    : fv_whole_file_open(&file, path, error);
    if (status != FV_OK) {
        scratch_free(&scratch);
        return status;
    }
    write_start(file.stream, title, cells);
    for (size_t f = 0; f < sizeof figures / sizeof *figures && status == FV_OK; f++) {
        cells_view view = {.cells = cells, .scratch = &scratch};
        status = draw_figure(&view, &figures[f], folder, error);
        if (status == FV_OK && view.sheet.width > 0)
            status = write_picture(file.stream, &view, &figures[f], folder, error);
        if (first_remark == NULL) first_remark = view.remark; // the others are about the same texts
    }
    if (status == FV_OK && remark != NULL && first_remark != NULL &&
        (*remark = strdup(first_remark)) == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    write_table(file.stream, cells);
    fprintf(file.stream, "</main>\n<footer>Fovea ");
    html_text(file.stream, fv_version());
    fputs("</footer>\n</body></html>\n", file.stream);
    fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
    scratch_free(&scratch);
    return status != FV_OK ? status : closed;
}

fv_status fv_cells_draw(const char *folder, const char *title, const fv_cells *cells, char **remark,
                        fv_error *error) {
    fv_cells named;
    fv_status status = cells_name_apart(cells, &named, error);
    if (status == FV_OK) status = draw_all(folder, title, &named, remark, error);
    fv_cells_free(&named);
    return status;
}
