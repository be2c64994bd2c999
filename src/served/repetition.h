// Whether a text runs in circles.
#ifndef FOVEA_SERVED_REPETITION_H
#define FOVEA_SERVED_REPETITION_H

#include <stdbool.h>
#include <stddef.h>

// Whether the n bytes end in one piece repeated without a gap: at least four times, and over 64
// bytes or more. The last time may be cut short. Only the last 64 KiB are looked at; without memory
// false.
bool ends_in_repetition(const char *text, size_t n);

#endif
