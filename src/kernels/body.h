// The body of every variant but the reference, built once per instruction set. See kernels.h for
// what each kernel computes; the files included here say how.
#include "kernels/body_attend.h"
#include "kernels/body_elementwise.h"
#include "kernels/body_embed.h"
#include "kernels/body_map.h"
#include "kernels/body_peak.h"
#include "kernels/body_scan.h"

// The vectors of four floats have no fused multiply-add (simd.h).
#define FV_KERNEL_TABLE(variant)                                                                   \
    const fv_kernels fv_kernels_##variant = {#variant,                                             \
                                             VW > 4 ? FV_ARITHMETIC_FUSED : FV_ARITHMETIC_PLAIN,   \
                                             draw,                                                 \
                                             embed,                                                \
                                             embed_gradient,                                       \
                                             map,                                                  \
                                             map_gradient,                                         \
                                             bias_gradient,                                        \
                                             attend,                                               \
                                             attend_gradient,                                      \
                                             cross_entropy,                                        \
                                             norm,                                                 \
                                             norm_gradient,                                        \
                                             activate,                                             \
                                             activate_gradient,                                    \
                                             scale_rows,                                           \
                                             adam,                                                 \
                                             exp_array,                                            \
                                             log_array,                                            \
                                             peak_fma,                                             \
                                             peak_exp,                                             \
                                             conv,                                                 \
                                             conv_gradient,                                        \
                                             scan,                                                 \
                                             scan_gradient}
