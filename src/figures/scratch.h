// Memory that lives as long as one drawing: taken piece by piece, given back all at once, so that
// drawing code has no cleanup paths.
#ifndef FOVEA_FIGURES_SCRATCH_H
#define FOVEA_FIGURES_SCRATCH_H

#include <fovea/status.h>
#include <stddef.h>

typedef struct figure_scratch {
    struct scratch_block *blocks;
} figure_scratch; // starts as {0}

// count zeroed elements of `size` bytes, or NULL. count may be 0.
void *scratch_get(figure_scratch *scratch, size_t count, size_t size);

// Formatted text, or NULL.
char *scratch_text(figure_scratch *scratch, const char *format, ...) FV_PRINTF(2, 3);

void scratch_free(figure_scratch *scratch);

#endif
