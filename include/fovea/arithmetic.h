#ifndef FOVEA_ARITHMETIC_H
#define FOVEA_ARITHMETIC_H

#include <fovea/status.h>

// How kernels round: three kinds that differ in the last digits. Within a kind all kernels give the
// same bits. X(name, text)
#define FV_ARITHMETIC_LIST(X)                                                                      \
    X(FUSED, "fused")         /* multiply-adds round once: avx2, avx512, neon */                   \
    X(PLAIN, "plain")         /* every operation rounds: portable */                               \
    X(REFERENCE, "reference") /* the order of the plain loops that define the math */

typedef enum fv_arithmetic {
#define FV_ARITHMETIC_ENUM(name, text) FV_ARITHMETIC_##name,
    FV_ARITHMETIC_LIST(FV_ARITHMETIC_ENUM)
#undef FV_ARITHMETIC_ENUM
} fv_arithmetic;

#ifdef __cplusplus
extern "C" {
#endif

FV_API const char *fv_arithmetic_text(fv_arithmetic arithmetic);

#ifdef __cplusplus
}
#endif
#endif
