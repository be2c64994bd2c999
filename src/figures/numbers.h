// How pictures write numbers: 0.05, 2000, 1.5e6, 2e-5, with a minus that is one.
#ifndef FOVEA_FIGURES_NUMBERS_H
#define FOVEA_FIGURES_NUMBERS_H

enum { FV_NUMBER_TEXT = 48 }; // bytes that hold any number

// At most `digits` significant digits, but whole numbers below a million in full.
void number_text(double value, int digits, char text[FV_NUMBER_TEXT]);

// value * 10^-exponent, followed by the power: 0.5e12. Zero stays 0.
void number_in_units(double value, int exponent, int digits, char text[FV_NUMBER_TEXT]);

// 10⁻⁵
void power_text(int exponent, char text[FV_NUMBER_TEXT]);

#endif
