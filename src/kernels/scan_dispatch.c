#include "kernels/scan_kernels.h"
#include "kernels/variants.h"

#include <string.h>

#define DECLARE(name, available) extern const fv_scan_kernels fv_scan_kernels_##name;
FV_VARIANTS(DECLARE)
#undef DECLARE

const fv_scan_kernels *fv_scan_kernels_get(void) {
    const char *name = fv_kernels_get()->name;
#define RETURN_IF_NAMED(variant, available)                                                        \
    if (strcmp(name, #variant) == 0) return &fv_scan_kernels_##variant;
    FV_VARIANTS(RETURN_IF_NAMED)
#undef RETURN_IF_NAMED
    return &fv_scan_kernels_reference;
}
