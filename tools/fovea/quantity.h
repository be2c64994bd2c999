// Large numbers on the command line and in tables: "128k", "128Ki", "24GiB"; 41.94 GB.
#ifndef FOVEA_TOOL_QUANTITY_H
#define FOVEA_TOOL_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

// Reads a whole number with an optional unit: k, M, G, T, P, E for powers of 1000, Ki, Mi, Gi, ...
// for powers of 1024, and with `bytes` a B behind it; a capital K is 1024 tokens (128K is 131,072,
// as vLLM reads it). Digits may be grouped (128_000), a power of ten may stand in place of a unit
// (1e6). False where it is none or exceeds 64 bits, or, but for bytes, where a part of one is left
// (1.5).
bool quantity_read(const char *text, bool bytes, uint64_t *value);

// Four digits and a prefix: "41.94 G" and the unit. `text` holds 24 characters or more.
const char *quantity_text(double value, const char *unit, char *text);

#endif
