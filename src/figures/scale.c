#include "figures/scale.h"

#include "figures/colour.h"
#include "figures/tics.h"

#include <math.h>
#include <string.h>

void scale_init(figure_scale *scale, bool log) {
    *scale = (figure_scale){.low = INFINITY, .high = -INFINITY, .log = log};
}

bool scale_shows(const figure_scale *scale, double value) {
    return isfinite(value) && !(scale->log && value <= 0);
}

void scale_add(figure_scale *scale, double value) {
    if (!scale_shows(scale, value)) return;
    scale->low = fmin(scale->low, value);
    scale->high = fmax(scale->high, value);
}

void scale_finish(figure_scale *scale, double low, double high, double padding) {
    if (!isnan(low) && (!scale->log || low > 0)) scale->low = low;
    if (!isnan(high) && (!scale->log || high > 0)) scale->high = high;
    scale->invented = !isfinite(scale->low) && !isfinite(scale->high);
    if (!isfinite(scale->low) || !isfinite(scale->high)) {
        scale->low = isfinite(scale->low) ? scale->low : scale->log ? 0.1 : 0;
        scale->high = isfinite(scale->high) ? scale->high : scale->low + 1;
    }
    if (scale->log) {
        double margin = (log(scale->high) - log(scale->low)) * padding;
        if (scale->high <= scale->low * (1 + 1e-9)) margin = log(2);
        if (isnan(low)) scale->low *= exp(-margin);
        if (isnan(high)) scale->high *= exp(margin);
    } else {
        double size = fmax(fabs(scale->low), fabs(scale->high));
        double margin = (scale->high - scale->low) * padding;
        if (scale->high - scale->low <= 1e-6 * size || size == 0)
            margin = size == 0 ? 1 : 0.1 * size;
        if (isnan(low)) scale->low -= margin;
        if (isnan(high)) scale->high += margin;
    }
    // Room for sums of a few such numbers.
    scale->low = fmax(scale->low, scale->log ? 1e-300 : -1e300);
    scale->high = fmin(scale->high, 1e300);
    if (scale->high <= scale->low) scale->high = scale->log ? scale->low * 10 : scale->low + 1;
}

double scale_place(const figure_scale *scale, double value) {
    if (scale->log) return (log(value) - log(scale->low)) / (log(scale->high) - log(scale->low));
    return (value - scale->low) / (scale->high - scale->low);
}

double scale_value(const figure_scale *scale, double share) {
    if (scale->log) return exp(log(scale->low) + share * (log(scale->high) - log(scale->low)));
    return scale->low + (scale->high - scale->low) * share;
}

bool scale_holds(const figure_scale *scale, double value) {
    return value >= scale->low && value <= scale->high;
}

static void widen(figure_scale *scale, double length) {
    double middle = 0.5 * (scale->low + scale->high);
    scale->low = middle - 0.5 * length;
    scale->high = middle + 0.5 * length;
}

void scales_equalize(figure_scale *x, figure_scale *y, double width, double height) {
    double unit = fmax((x->high - x->low) / width, (y->high - y->low) / height);
    widen(x, unit * width);
    widen(y, unit * height);
}

void scale_write_tics(FILE *script, const char *axis) {
    bool below = strcmp(axis, "x") == 0;
    fprintf(script,
            "set %stics out nomirror scale 0.5,0.25 font ',10.5' textcolor rgb '#%06x' offset %s\n",
            axis, FV_TICS, below ? "0,0.3" : "0,0");
}

void scale_write(const figure_scale *scale, const figure_tics *tics, FILE *script,
                 const char *axis) {
    if (scale->log) fprintf(script, "set logscale %s\n", axis);
    fprintf(script, "set %srange [%.9g:%.9g]\n", axis, scale->low, scale->high);
    if (scale->invented) {
        fprintf(script, "unset %stics\n", axis);
        return;
    }
    scale_write_tics(script, axis);
    fprintf(script, "set %stics (", axis);
    for (int i = 0; i < tics->n; i++) {
        const figure_tic *tic = &tics->items[i];
        fprintf(script, "%s'%s' %.*g%s", i > 0 ? ", " : "", tic->text, tic->digits, tic->value,
                tic->text[0] != '\0' ? "" : " 1");
    }
    fputs(")\n", script);
}
