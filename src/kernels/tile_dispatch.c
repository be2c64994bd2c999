// The tile kernels of the variant that was chosen for this CPU (kernels/dispatch.c).
#include "kernels/tile_kernels.h"
#include "kernels/variants.h"

#include <string.h>

#define DECLARE(name, available) extern const fv_tile_kernels fv_tile_kernels_##name;
FV_VARIANTS(DECLARE)
#undef DECLARE

const fv_tile_kernels *fv_tile_kernels_named(const char *name) {
#define RETURN_IF_NAMED(variant, available)                                                        \
    if (strcmp(name, #variant) == 0 && (available)) return &fv_tile_kernels_##variant;
    FV_VARIANTS(RETURN_IF_NAMED)
#undef RETURN_IF_NAMED
    return NULL;
}

const fv_tile_kernels *fv_tile_kernels_get(void) {
    return fv_tile_kernels_named(fv_kernels_get()->name);
}
