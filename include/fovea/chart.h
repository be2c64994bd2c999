// Charts of numbers that the caller holds: curves, measured points and bars over time, in panels.
// Figures of experiments (figure.h) read runs; a chart knows nothing about them.
#ifndef FOVEA_CHART_H
#define FOVEA_CHART_H

#include <fovea/figure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fv_chart_style {
    FV_CHART_LINE,
    FV_CHART_DASHED,
    FV_CHART_POINTS, // and a thin line between them
} fv_chart_style;

// Equal labels share a colour and an entry of the legend, over all panels of the chart; NULL has
// no entry. Points that are not finite leave a gap.
typedef struct fv_chart_line {
    const char *label;
    fv_chart_style style;
    int n;
    const double *x, *y; // [n]
} fv_chart_line;

// Horizontal bars: from[i] to to[i] on row[i], counted from 0 at the top.
typedef struct fv_chart_bars {
    const char *label;
    int n;
    const double *from, *to; // [n]
    const int *row;          // [n]
} fv_chart_bars;

typedef struct fv_chart_panel {
    const char *title, *xlabel, *ylabel; // NULL for none
    bool xlog, ylog;
    bool from_zero; // the y axis begins at 0
    const fv_chart_line *lines;
    int n_lines;
    const fv_chart_bars *bars;
    int n_bars;
    const char *const *rows; // names of the rows that bars lie on, instead of a y axis
    int n_rows;
} fv_chart_panel;

typedef struct fv_chart {
    const char *title, *note; // NULL for none
    const fv_chart_panel *panels;
    int n_panels;
    double panel_width, panel_height; // 0: the usual size
} fv_chart;

// Draws folder/NAME.svg and folder/NAME.png. Fails with FV_MISSING_PROGRAM without gnuplot.
FV_API fv_status fv_chart_draw(const fv_chart *chart, const char *folder, const char *name,
                               fv_drawn *drawn, fv_error *error);

// Draws one picture; its kind follows from the path's ending, .svg or .png (FV_USAGE: neither).
FV_API fv_status fv_chart_draw_file(const fv_chart *chart, const char *path, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
