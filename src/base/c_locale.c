#include "base/c_locale.h"

#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include <pthread.h>

#undef snprintf
#undef vsnprintf
#undef fprintf
#undef vfprintf
#undef strtod

static locale_t c_locale; // 0, which changes nothing, where there is no memory for it
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

// Returns what the thread had, for uselocale to set again.
static locale_t enter(void) {
    pthread_once(&once, make_locale);
    return uselocale(c_locale);
}

int c_locale_vsnprintf(char *out, size_t size, const char *format, va_list arguments) {
    locale_t before = enter();
    int length = vsnprintf(out, size, format, arguments);
    uselocale(before);
    return length;
}

int c_locale_snprintf(char *out, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = c_locale_vsnprintf(out, size, format, arguments);
    va_end(arguments);
    return length;
}

int c_locale_vfprintf(FILE *out, const char *format, va_list arguments) {
    locale_t before = enter();
    int length = vfprintf(out, format, arguments);
    uselocale(before);
    return length;
}

int c_locale_fprintf(FILE *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = c_locale_vfprintf(out, format, arguments);
    va_end(arguments);
    return length;
}

double c_locale_strtod(const char *text, char **end) {
    locale_t before = enter();
    double value = strtod(text, end);
    uselocale(before);
    return value;
}
