// Included in front of every source file (CMakeLists.txt): numbers are written and read with a
// decimal point, whatever locale the program that calls the library has set. With setlocale(LC_ALL,
// "") in German C's functions write "0,01", which no configuration, id, JSON or gnuplot script may
// contain. The thread's locale is C's for the length of a call; the program's stays as it is.
#ifndef BASE_C_LOCALE_H
#define BASE_C_LOCALE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fovea/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int c_locale_snprintf(char *out, size_t size, const char *format, ...) FV_PRINTF(3, 4);
int c_locale_vsnprintf(char *out, size_t size, const char *format, va_list arguments)
    FV_PRINTF(3, 0);
int c_locale_fprintf(FILE *out, const char *format, ...) FV_PRINTF(2, 3);
int c_locale_vfprintf(FILE *out, const char *format, va_list arguments) FV_PRINTF(2, 0);
double c_locale_strtod(const char *text, char **end);

#define snprintf  c_locale_snprintf
#define vsnprintf c_locale_vsnprintf
#define fprintf   c_locale_fprintf
#define vfprintf  c_locale_vfprintf
#define strtod    c_locale_strtod

#endif
