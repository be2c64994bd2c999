// Axes: the range of a variable, linear or logarithmic, where a value lies on it, and its tics.
#ifndef FOVEA_FIGURES_SCALE_H
#define FOVEA_FIGURES_SCALE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct figure_scale {
    double low, high; // low > high while empty
    bool log;
    bool invented; // nothing was added and no end given: the axis gets no numbers
    bool whole;    // it counts something: no tics between whole numbers
} figure_scale;

// Of the numbers along axes, as gnuplot counts.
#define FV_TIC_SIZE 10.5

void scale_init(figure_scale *scale, bool log);

// Widens the range to hold `value`; what the axis cannot show (not finite; not positive on a
// logarithmic axis) changes nothing.
void scale_add(figure_scale *scale, double value);

// Whether the axis can show `value` at all: finite, and positive on a logarithmic one.
bool scale_shows(const figure_scale *scale, double value);

// Ends the collecting: replaces the ends by `low` and `high` where these are not NAN, gives an
// empty or pointlike range a width, and leaves `padding` (a share of the length) free at the ends
// that were not given.
void scale_finish(figure_scale *scale, double low, double high, double padding);

// 0 at the low end, 1 at the high end.
double scale_place(const figure_scale *scale, double value);

// The value at a share of the length: the inverse of scale_place.
double scale_value(const figure_scale *scale, double share);

// Whether `value` lies between the ends.
bool scale_holds(const figure_scale *scale, double value);

// Makes the units of both (linear) axes equally long on a panel of width x height.
void scales_equalize(figure_scale *x, figure_scale *y, double width, double height);

// Writes how the tics of `axis` look.
void scale_write_tics(FILE *script, const char *axis);

// Writes gnuplot's range and tics of `axis` ("x", "y", "y2", "cb").
struct figure_tics;
void scale_write(const figure_scale *scale, const struct figure_tics *tics, FILE *script,
                 const char *axis);

#endif
