// The machine: what it is, which kernels were chosen for it, and its measured limits.
#ifndef FOVEA_MACHINE_H
#define FOVEA_MACHINE_H

#include <fovea/arithmetic.h>
#include <fovea/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

FV_API const char *fv_version(void);      // "0.1.0"
FV_API const char *fv_kernels_name(void); // "avx512", "avx2", "neon", "portable" or "reference"
FV_API fv_arithmetic fv_kernels_arithmetic(void);
FV_API const char *fv_machine_cpu(void); // "AMD EPYC 9R14"
FV_API int fv_machine_cores(void);       // cores this process may use

// Forces a kernel variant by name; the environment variable FOVEA_CPU does the same at start.
// Fails with FV_USAGE for an unknown name or one that this CPU cannot run.
FV_API fv_status fv_kernels_force(const char *name, fv_error *error);

// The i-th set of kernels that this CPU runs, slowest first ("reference" is 0); NULL past the last.
FV_API const char *fv_kernels_nth(int i);

// Limits of one core, measured now with the chosen kernels' vector width, taking about `seconds`.
typedef struct fv_limits {
    double fma_flops;        // peak single-precision operations a second (multiply-add = 2)
    double exps;             // peak exponentials a second
    double bytes_per_second; // streaming read from main memory
    double clock_hz;         // estimated from a chain of dependent additions
} fv_limits;
FV_API void fv_machine_limits(double seconds, fv_limits *limits);

// The same without the memory's (bytes_per_second is 0), which takes longer to measure.
FV_API void fv_machine_core_limits(double seconds, fv_limits *limits);

#ifdef __cplusplus
}
#endif
#endif
