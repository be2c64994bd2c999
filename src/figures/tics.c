#include "figures/tics.h"

#include "figures/fit.h"

#include <math.h>
#include <string.h>

enum { MOST_LINEAR = 100 };

// The room of a number along its axis: its width below, its height at the side.
static double room_of(const char *text, bool across) {
    return across ? text_width(text, FV_TIC_SIZE) + 6 : FV_TIC_SIZE + 3;
}

static figure_tic *add(figure_tics *tics, double value, int digits) {
    if (tics->n == FV_MOST_TICS) tics->n--;
    figure_tic *tic = &tics->items[tics->n++];
    *tic = (figure_tic){.value = value, .digits = digits};
    return tic;
}

// --- linear ------------------------------------------------------------------------------------

// The largest of 1, 2, 5 times a power of ten that is not above `size` by much.
static double round_step(double size) {
    double power = pow(10, floor(log10(size)));
    double share = size / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

// Numbers that are equally far apart.
typedef struct linear {
    double first, step; // the first as a multiple of the step
    int digits;         // enough to tell neighbours apart, as far as a double does
    int exponent;       // of the power of ten that they count in
    bool thousands;     // they count in k
} linear;

// What numbers up to `largest` in size count in, where their steps allow it.
static void choose_units(double largest, linear *l) {
    bool large = l->step >= 100 && largest >= 1e6, small = l->step < 1e-4 && largest < 1e-3;
    l->exponent = large || small ? (int)floor(log10(largest * (1 + 1e-12))) : 0;
    l->thousands = l->step >= 100 && largest >= 1e4 && !large;
}

static linear linear_of(const figure_scale *scale, double length, double gap) {
    double step = round_step((scale->high - scale->low) / fmax(2, length / gap));
    if (scale->whole && step < 1) step = 1;
    double largest = fmax(fabs(scale->low), fabs(scale->high));
    linear l = {.first = ceil(scale->low / step - 1e-9),
                .step = step,
                .digits = (int)fmin(15, fmax(6, ceil(log10(largest / step)) + 1))};
    double last = floor(scale->high / step + 1e-9);
    choose_units(step * fmax(fabs(l.first), fabs(last)), &l);
    return l;
}

static void linear_text(const linear *l, double value, char text[FV_NUMBER_TEXT]) {
    if (l->thousands && value != 0) {
        number_text(value / 1000, l->digits, text);
        strcat(text, "k");
    } else {
        number_in_units(value, l->exponent, l->digits, text);
    }
}

// The choice with the most numbers that do not touch: fewer where they are long, but two or more.
static linear choose_steps(const figure_scale *scale, double length, bool across) {
    linear l = linear_of(scale, length, 70);
    double gap = 112;
    for (int i = 0; i < 3; i++, gap *= 1.6) {
        char text[FV_NUMBER_TEXT];
        linear_text(&l, (l.first + 1) * l.step, text);
        if (room_of(text, across) <= length * l.step / (scale->high - scale->low)) break;
        linear sparser = linear_of(scale, length, gap);
        if ((sparser.first + 1) * sparser.step > scale->high) break;
        l = sparser;
    }
    return l;
}

static void find_linear(const figure_scale *scale, double length, bool across, figure_tics *tics) {
    linear l = choose_steps(scale, length, across);
    double end = -INFINITY;
    for (int i = 0; i < MOST_LINEAR; i++) {
        double value = (l.first + i) * l.step;
        char text[FV_NUMBER_TEXT];
        if (value > scale->high + 1e-9 * (scale->high - scale->low)) break;
        linear_text(&l, value, text);
        // Ends that a double can hardly step between.
        if (tics->n > 0 && strcmp(tics->items[tics->n - 1].text, text) == 0) continue;
        figure_tic *tic = add(tics, value, l.digits + 3);
        double at = length * scale_place(scale, value), half = 0.5 * room_of(text, across);
        if (at - half < end) continue;
        end = at + half;
        strcpy(tic->text, text);
    }
}

// --- logarithmic -------------------------------------------------------------------------------

// Which multiples of the decades bear numbers.
typedef enum labelled { DECADES, ONE_TWO_FIVE, PRIMES, ALL_MULTIPLES } labelled;

typedef struct logarithmic {
    int first, last; // decades
    int every;       // that many decades have one number
    labelled which;
    bool plain; // all are written out: 0.01, 1, 100
} logarithmic;

static bool is_labelled(const logarithmic *l, int m, int exponent) {
    static const char *const multiples[] = {"1", "125", "12357", "123456789"};
    if (m == 1 && exponent % l->every != 0) return false;
    return strchr(multiples[l->which], '0' + m) != NULL;
}

static void log_text(const logarithmic *l, int m, int exponent, char text[FV_NUMBER_TEXT]) {
    if (l->plain || l->which != DECADES)
        number_in_units(m * pow(10, exponent), l->plain ? 0 : exponent, 6, text);
    else
        power_text(exponent, text);
}

static bool holds_nearly(const figure_scale *scale, double value) {
    return value >= scale->low * (1 - 1e-9) && value <= scale->high * (1 + 1e-9);
}

// Decades carry numbers (every second or third where there are many), or some of their multiples
// too. All nine multiples get a small tic, or where decades are many these alone.
static void add_logarithmic(const figure_scale *scale, const logarithmic *l, figure_tics *tics) {
    tics->n = 0;
    for (int e = l->first; e <= l->last; e++)
        for (int m = 1; m <= (l->every > 1 ? 1 : 9); m++) {
            double value = m * pow(10, e);
            if (!holds_nearly(scale, value)) continue;
            figure_tic *tic = add(tics, value, 9);
            if (is_labelled(l, m, e)) log_text(l, m, e, tic->text);
        }
}

static void write_plainly_if_short(const figure_scale *scale, logarithmic *l) {
    l->plain = true;
    for (int e = l->first; e <= l->last; e++)
        for (int m = 1; m <= 9; m++)
            if (is_labelled(l, m, e) && holds_nearly(scale, m * pow(10, e)))
                l->plain &= l->which == DECADES ? e >= -3 && e <= 4 : e >= -4 && e <= 5;
}

// How many numbers the axis would have; 0 where two of them would touch.
static int count_numbers(const figure_scale *scale, const figure_tics *tics, double length,
                         bool across) {
    int n = 0;
    double end = -INFINITY;
    for (int i = 0; i < tics->n; i++) {
        const figure_tic *tic = &tics->items[i];
        if (tic->text[0] == '\0') continue;
        double at = length * scale_place(scale, tic->value);
        double half = 0.5 * room_of(tic->text, across);
        if (at - half < end) return 0;
        end = at + half;
        n++;
    }
    return n;
}

// Makes the choice `which`; the numbers that it gives.
static int try(const figure_scale *scale, double length, bool across, labelled which,
               logarithmic *l, figure_tics *tics) {
    l->which = which;
    write_plainly_if_short(scale, l);
    add_logarithmic(scale, l, tics);
    return count_numbers(scale, tics, length, across);
}

// A scale needs two numbers to be read, and three to be seen as logarithmic: the first choice that
// has them and room for them, else numbers that are equally far apart.
static void find_logarithmic(const figure_scale *scale, double length, bool across,
                             figure_tics *tics) {
    double span = log10(scale->high) - log10(scale->low);
    logarithmic l = {.first = (int)floor(log10(scale->low)),
                     .last = (int)floor(log10(scale->high)),
                     .every = (int)fmax(1, ceil(span / fmax(2, length / 40)))};
    labelled least = span > 2.2 ? DECADES : ONE_TWO_FIVE;
    while (l.every < span && try(scale, length, across, DECADES, &l, tics) == 0) l.every++;
    for (labelled which = least; which <= ALL_MULTIPLES; which++)
        if (try(scale, length, across, which, &l, tics) >= 3) return;
    for (labelled which = DECADES; which <= ALL_MULTIPLES && span > 0.9; which++)
        if (try(scale, length, across, which, &l, tics) == 2) return;
    tics->n = 0;
    find_linear(scale, length, across, tics);
}

// --- both --------------------------------------------------------------------------------------

void tics_find(const figure_scale *scale, double length, bool across, figure_tics *tics) {
    tics->n = 0;
    if (scale->invented) return;
    if (scale->log)
        find_logarithmic(scale, length, across, tics);
    else
        find_linear(scale, length, across, tics);
}

int tics_at(const figure_scale *scale, double length, bool across, const double *values, int n,
            figure_tics *tics) {
    double end = -INFINITY;
    int n_numbers = 0;
    tics->n = 0;
    for (int i = 0; i < n && tics->n < FV_MOST_TICS; i++) {
        char text[FV_NUMBER_TEXT];
        number_text(values[i], 6, text);
        double at = length * scale_place(scale, values[i]);
        double half = 0.5 * room_of(text, across);
        if (!isfinite(at)) continue; // zero on a logarithmic axis
        figure_tic *tic = add(tics, values[i], 9);
        if (at - half < end) continue;
        end = at + half;
        strcpy(tic->text, text);
        n_numbers++;
    }
    return n_numbers;
}

double tics_width(const figure_scale *scale, double length) {
    figure_tics tics;
    double widest = 0;
    tics_find(scale, length, false, &tics);
    for (int i = 0; i < tics.n; i++)
        widest = fmax(widest, text_width(tics.items[i].text, FV_TIC_SIZE));
    return widest;
}
