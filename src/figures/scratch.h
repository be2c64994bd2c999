// Memory that lives as long as one drawing: taken piece by piece, given back all at once, so that
// drawing code has no cleanup paths.
#ifndef FOVEA_FIGURES_SCRATCH_H
#define FOVEA_FIGURES_SCRATCH_H

#include <fovea/status.h>
#include <stddef.h>

typedef struct fv_scratch {
    struct fv_scratch_block *blocks;
} fv_scratch; // starts as {0}

// count zeroed elements of `size` bytes, or NULL. count may be 0.
void *fv_scratch_get(fv_scratch *scratch, size_t count, size_t size);

// Formatted text, or NULL.
char *fv_scratch_text(fv_scratch *scratch, const char *format, ...) FV_PRINTF(2, 3);

void fv_scratch_free(fv_scratch *scratch);

#endif
