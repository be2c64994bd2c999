// The core's limits: as many independent multiply-adds, and exponentials from the first-level
// cache, as the instruction set can do.
#include "kernels/simd.h"

double KERNEL(peak_fma)(long n, double *flops) {
    enum { CHAINS = 12 };
    vf acc[CHAINS], factor = vf_set1(0.999f), addend = vf_set1(1e-3f);
    __asm__ volatile("" : "+m"(factor), "+m"(addend)); // not known at compile time
    UNROLL for (int j = 0; j < CHAINS; j++) acc[j] = vf_set1((float)j);
    for (long i = 0; i < n; i++)
        UNROLL for (int j = 0; j < CHAINS; j++) acc[j] = vf_fma(acc[j], factor, addend);
    vf sum = acc[0];
    for (int j = 1; j < CHAINS; j++) sum += acc[j];
    *flops = 2.0 * VW * CHAINS * (double)n;
    return (double)sum[0];
}

double KERNEL(peak_exp)(long n, double *exps) {
    enum { SIZE = 1024 };
    static _Alignas(64) _Thread_local float x[SIZE], y[SIZE];
    for (int i = 0; i < SIZE; i++) x[i] = -20.0f * (float)i / SIZE;
    for (long i = 0; i < n; i++) {
        for (int j = 0; j < SIZE; j += 4 * VW)
            UNROLL for (int k = 0; k < 4; k++)
                vf_store(y + j + k * VW, vf_exp(vf_load(x + j + k * VW)));
        __asm__ volatile("" : : "r"(x), "r"(y) : "memory");
    }
    *exps = (double)SIZE * (double)n;
    return (double)y[SIZE / 2];
}
