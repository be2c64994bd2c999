#include "figures/scale.h"

#include "figures/colour.h"
#include "figures/fit.h"

#include <math.h>
#include <string.h>

enum { MAX_TICS = 100 };

static const double TIC_SIZE = 10.5;

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
    if (scale->high <= scale->low) scale->high = scale->log ? scale->low * 10 : scale->low + 1;
}

double fv_scale_place(const fv_scale *scale, double value) {
    if (scale->log) return (log(value) - log(scale->low)) / (log(scale->high) - log(scale->low));
    return (value - scale->low) / (scale->high - scale->low);
}

double fv_scale_value(const fv_scale *scale, double share) {
    if (scale->log) return exp(log(scale->low) + share * (log(scale->high) - log(scale->low)));
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

// Numbers that are equally far apart.
typedef struct linear {
    double first, step; // the first as a multiple of the step
    int digits;         // enough to tell neighbours apart, as far as a double does
    unit counts;
} linear;

static linear linear_of(const fv_scale *scale, double length, double gap) {
    double step = round_step((scale->high - scale->low) / fmax(2, length / gap));
    double largest = fmax(fabs(scale->low), fabs(scale->high));
    return (linear){.first = ceil(scale->low / step - 1e-9),
                    .step = step,
                    .digits = (int)fmin(15, fmax(6, ceil(log10(largest / step)) + 1)),
                    .counts = unit_of(largest, step)};
}

static void linear_text(const linear *l, double value, char text[40]) {
    snprintf(text, 40, "%s%.*g%s", value < 0 ? "−" : "", l->digits, fabs(value) / l->counts.size,
             value != 0 ? l->counts.suffix : "");
}

// The room of a number along its axis: its width below, its height at the side.
static double room_of(const char *text, bool across) {
    return across ? fv_text_width(text, TIC_SIZE) + 6 : TIC_SIZE + 3;
}

// Round numbers from end to end.
static void write_linear(const fv_scale *scale, FILE *script, double length, bool across) {
    double range = scale->high - scale->low, gap = 70;
    linear l = linear_of(scale, length, gap);
    char text[40];
    for (int k = 0; k < 3; k++) { // fewer where they are long
        linear_text(&l, (l.first + 1) * l.step, text);
        if (room_of(text, across) <= length * l.step / range) break;
        l = linear_of(scale, length, gap *= 1.6);
    }
    const char *separator = "";
    for (int i = 0; i < MAX_TICS; i++) {
        double value = (l.first + i) * l.step;
        if (value > scale->high + 1e-9 * range) break;
        linear_text(&l, value, text);
        fprintf(script, "%s'%s' %.*g", separator, text, l.digits + 3, value);
        separator = ", ";
    }
}

static void power_text(int exponent, char text[40]) {
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char number[16];
    snprintf(text, 40, exponent >= 0 && exponent <= 3 ? "%g" : "10", pow(10, exponent));
    if (exponent >= 0 && exponent <= 3) return;
    snprintf(number, sizeof number, "%d", exponent);
    for (const char *c = number; *c; c++) strcat(text, *c == '-' ? "⁻" : digits[*c - '0']);
}

static void multiple_text(int m, int exponent, char text[40]) {
    if (exponent < 6)
        snprintf(text, 40, "%g", m * pow(10, exponent));
    else
        snprintf(text, 40, "%de%d", m, exponent);
}

// Which multiples of the decades bear numbers.
typedef enum labelled { DECADES, FEW_MULTIPLES, ALL_MULTIPLES } labelled;

// The number at m times a power of ten; false where there is none.
static bool number_at(labelled which, int m, int exponent, int every, char text[40]) {
    *text = '\0';
    if (m == 1 && exponent % every == 0)
        power_text(exponent, text);
    else if (which == ALL_MULTIPLES || (which == FEW_MULTIPLES && (m == 1 || m == 2 || m == 5)))
        multiple_text(m, exponent, text);
    return *text != '\0';
}

static bool holds_nearly(const fv_scale *scale, double value) {
    return value >= scale->low * (1 - 1e-9) && value <= scale->high * (1 + 1e-9);
}

typedef struct decades {
    int first, last;
    int every; // that many have one number
} decades;

static decades decades_of(const fv_scale *scale, double length) {
    decades d = {(int)floor(log10(scale->low)), (int)floor(log10(scale->high)), 1};
    d.every = (int)fmax(1, ceil((log10(scale->high) - log10(scale->low)) / fmax(2, length / 40)));
    return d;
}

// Decades carry numbers (every second or third where there are many); where these are few their
// multiples by 2 and 5 do too. All nine multiples get a small tic of level 1, or where decades are
// many these alone.
static void write_log(const fv_scale *scale, FILE *script, decades d, labelled which) {
    const char *separator = "";
    for (int e = d.first; e <= d.last; e++)
        for (int m = 1; m <= (d.every > 1 ? 1 : 9); m++) {
            double value = m * pow(10, e);
            char text[40];
            if (!holds_nearly(scale, value)) continue;
            bool number = number_at(which, m, e, d.every, text);
            fprintf(script, "%s'%s' %.9g %d", separator, text, value, number ? 0 : 1);
            separator = ", ";
        }
}

// How many numbers the axis would have; 0 where two of them would touch.
static int count_numbers(const fv_scale *scale, decades d, labelled which, double length,
                         bool across) {
    int n = 0;
    double end = -INFINITY;
    for (int e = d.first; e <= d.last; e++)
        for (int m = 1; m <= 9; m++) {
            double value = m * pow(10, e);
            char text[40];
            if (!holds_nearly(scale, value) || !number_at(which, m, e, d.every, text)) continue;
            double at = length * fv_scale_place(scale, value), half = 0.5 * room_of(text, across);
            if (at - half < end) return 0;
            end = at + half;
            n++;
        }
    return n;
}

// A scale needs two numbers to be read, and three to be seen as logarithmic: the first choice that
// has them and room for them, else numbers that are equally far apart.
static void write_logarithmic(const fv_scale *scale, FILE *script, double length, bool across) {
    decades d = decades_of(scale, length);
    bool many = scale->high > 160 * scale->low;
    for (labelled which = many ? DECADES : FEW_MULTIPLES; which <= ALL_MULTIPLES; which++) {
        if (count_numbers(scale, d, which, length, across) < 3) continue;
        write_log(scale, script, d, which);
        return;
    }
    if (many)
        write_log(scale, script, d, DECADES);
    else
        write_linear(scale, script, length, across);
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
        write_logarithmic(scale, script, length, *axis == 'x');
    else
        write_linear(scale, script, length, *axis == 'x');
    fputs(")\n", script);
}
