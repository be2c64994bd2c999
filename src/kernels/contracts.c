// Kernels that ask for their contract before they work: one wrapper a kernel and variant.
#include "kernels/contracts.h"

#include "kernels/variants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hold(const char *kernel, const char *fault) {
    if (fault == NULL) return;
    fprintf(stderr, "fovea: kernel %s: %s\n", kernel, fault);
    abort();
}

#define BODY_void(call)   call
#define BODY_double(call) return call
#define CHECKED(variant, result, name, parameters, arguments)                                      \
    static result checked_##name##_##variant parameters {                                          \
        hold(#name, contract_##name arguments);                                                    \
        BODY_##result(FV_KERNEL_OF(variant, name) arguments);                                      \
    }
#define ENTRY(variant, result, name, parameters, arguments) .name = checked_##name##_##variant,
#define TABLE(variant, kind, runs_here)                                                            \
    FV_KERNEL_LIST(CHECKED, variant)                                                               \
    static const kernel_set checked_##variant = {                                                  \
        .name = #variant, .arithmetic = kind, FV_KERNEL_LIST(ENTRY, variant)};
FV_VARIANTS(TABLE)

const kernel_set *kernels_checked(const kernel_set *kernels) {
#define RETURN(variant, kind, runs_here)                                                           \
    if (strcmp(kernels->name, #variant) == 0) return &checked_##variant;
    FV_VARIANTS(RETURN)
    return kernels;
}
