#include "figures/scale.h"

#include "figures/colour.h"

#include <math.h>
#include <string.h>
enum { MAX_TICS = 100 };

void fv_scale_init(fv_scale *scale, bool log) {
    *scale = (fv_scale){.low = INFINITY, .high = -INFINITY, .log = log};
}

bool fv_scale_shows(const fv_scale *scale, double value) {
    return isfinite(value) && !(scale->log && value <= 0);
}

void fv_scale_add(fv_scale *scale, double value) {
    if (!fv_scale_shows(scale, value)) return;
    scale->low = fmin(scale->low, value);
    scale->high = fmax(scale->high, value);
}

void fv_scale_finish(fv_scale *scale, double low, double high, double padding) {
    if (!isnan(low) && (!scale->log || low > 0)) scale->low = low;
    if (!isnan(high) && (!scale->log || high > 0)) scale->high = high;
    scale->invented = !isfinite(scale->low) && !isfinite(scale->high);
    if (!isfinite(scale->low) || !isfinite(scale->high)) {
        scale->low = isfinite(scale->low) ? scale->low : scale->log ? 0.1 : 0;
        scale->high = isfinite(scale->high) ? scale->high : scale->low + 1;
    }
    if (scale->log) {
        double margin = log(scale->high / scale->low) * padding;
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
    if (scale->high <= scale->low) scale->high = scale->log ? scale->low * 10 : scale->low + 1;
}

double fv_scale_place(const fv_scale *scale, double value) {
    if (scale->log) return log(value / scale->low) / log(scale->high / scale->low);
    return (value - scale->low) / (scale->high - scale->low);
}

double fv_scale_value(const fv_scale *scale, double share) {
    if (scale->log) return scale->low * pow(scale->high / scale->low, share);
    return scale->low + (scale->high - scale->low) * share;
}

bool fv_scale_holds(const fv_scale *scale, double value) {
    return value >= scale->low && value <= scale->high;
}

static void widen(fv_scale *scale, double length) {
    double middle = 0.5 * (scale->low + scale->high);
    scale->low = middle - 0.5 * length;
    scale->high = middle + 0.5 * length;
}

void fv_scales_equalize(fv_scale *x, fv_scale *y, double width, double height) {
    double unit = fmax((x->high - x->low) / width, (y->high - y->low) / height);
    widen(x, unit * width);
    widen(y, unit * height);
}

// The largest of 1, 2, 5 times a power of ten that is not above `size` by much.
static double round_step(double size) {
    double power = pow(10, floor(log10(size)));
    double share = size / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

// What the numbers of an axis count in: thousands, or from a million on one power of ten for all.
typedef struct unit {
    double size;
    char suffix[16];
} unit;

static unit unit_of(double largest, double step) {
    unit u = {1, ""};
    if (step < 100 || largest < 10000) return u;
    if (largest < 1e6) return (unit){1000, "k"};
    int exponent = 3 * (int)floor(log10(largest) / 3);
    u.size = pow(10, exponent);
    snprintf(u.suffix, sizeof u.suffix, "e%d", exponent);
    return u;
}

static void write_linear(const fv_scale *scale, FILE *script, double length) {
    double range = scale->high - scale->low;
    double step = round_step(range / fmax(2, length / 70));
    double largest = fmax(fabs(scale->low), fabs(scale->high));
    unit u = unit_of(largest, step);
    // Enough to tell neighbours apart, as far as a double does.
    int digits = (int)fmin(15, fmax(6, ceil(log10(largest / step)) + 1));
    const char *separator = "";
    double first = ceil(scale->low / step - 1e-9);
    for (int i = 0; i < MAX_TICS; i++) {
        double value = (first + i) * step;
        if (value > scale->high + 1e-9 * range) break;
        fprintf(script, "%s'%s%.*g%s' %.*g", separator, value < 0 ? "−" : "", digits,
                fabs(value) / u.size, value != 0 ? u.suffix : "", digits + 3, value);
        separator = ", ";
    }
}

static void write_power(FILE *script, int exponent) {
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    if (exponent >= 0 && exponent <= 3) {
        fprintf(script, "'%g'", pow(10, exponent));
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%d", exponent);
    fputs("'10", script);
    for (const char *c = text; *c; c++) fputs(*c == '-' ? "⁻" : digits[*c - '0'], script);
    fputc('\'', script);
}

static void write_multiple(FILE *script, int m, int exponent) {
    if (exponent < 6)
        fprintf(script, "'%g'", m * pow(10, exponent));
    else
        fprintf(script, "'%de%d'", m, exponent);
}

// Decades carry labels (every second or third where there are many); below two decades their
// multiples by 2 and 5 do too. All nine multiples get a small tic of level 1.
static void write_log(const fv_scale *scale, FILE *script, double length) {
    double decades = log10(scale->high / scale->low);
    int every = (int)fmax(1, ceil(decades / fmax(2, length / 40)));
    bool multiples = decades < 2.2;
    const char *separator = "";
    for (int e = (int)floor(log10(scale->low)); e <= (int)floor(log10(scale->high)); e++) {
        for (int m = 1; m <= 9; m++) {
            double value = m * pow(10, e);
            if (value < scale->low * (1 - 1e-9) || value > scale->high * (1 + 1e-9)) continue;
            fputs(separator, script);
            separator = ", ";
            if (m == 1 && e % every == 0)
                write_power(script, e);
            else if (multiples && (m == 1 || m == 2 || m == 5))
                write_multiple(script, m, e);
            else
                fputs("''", script);
            bool major = (m == 1 && e % every == 0) || (multiples && (m == 2 || m == 5));
            fprintf(script, " %.9g %d", value, major ? 0 : 1);
        }
    }
}

void fv_scale_write_tics(FILE *script, const char *axis) {
    bool below = strcmp(axis, "x") == 0;
    fprintf(script,
            "set %stics out nomirror scale 0.5,0.25 font ',10.5' textcolor rgb '#%06x' offset %s\n",
            axis, FV_TICS, below ? "0,0.3" : "0,0");
}

void fv_scale_write(const fv_scale *scale, FILE *script, const char *axis, double length) {
    if (scale->log) fprintf(script, "set logscale %s\n", axis);
    fprintf(script, "set %srange [%.9g:%.9g]\n", axis, scale->low, scale->high);
    if (scale->invented) {
        fprintf(script, "unset %stics\n", axis);
        return;
    }
    fv_scale_write_tics(script, axis);
    fprintf(script, "set %stics (", axis);
    if (scale->log)
        write_log(scale, script, length);
    else
        write_linear(scale, script, length);
    fputs(")\n", script);
}
