// How formats of quantised weights pack a matrix, in bytes: the numbers, their scales, zero points
// and whatever else is stored for each matrix.
//
//   mxfp4         OCP Microscaling Formats 1.0, and gpt-oss's checkpoints: 32 numbers of an input
//                 row in 16 bytes, and a scale of 8 bits.
//   fp8           DeepSeek-V3's checkpoints (weight_scale_inv), transformers' FineGrainedFP8Config:
//                 a byte a number, a float for each block of weight_block_size, 128 x 128; without
//                 blocks a float for the matrix, and one for its inputs where they are static.
//                 scale_fmt ue8m0 has scales of 8 bits; expert_dtype fp4 packs experts as mxfp4.
//   fbgemm_fp8    a byte a number, a float for each output.
//   awq           AutoAWQ's WQLinear_GEMM: words of 32 bits along the outputs; for each group of
//                 inputs a scale of 16 bits and a packed zero point.
//   gptq          AutoGPTQ's QuantLinear: words along the inputs; the same, and g_idx, a word for
//                 each input.
//   bitsandbytes  4 bits: a float for each 64 numbers (absmax), and a table of 16 floats. With
//                 double quantisation (QLoRA, section 3) a byte for each 64 and a float for each
//                 256 of those, their mean, and a table of 256 floats. 8 bits: a float for each
//                 output (SCB).
//   compressed-tensors  vllm-project's formats: integers packed to words of 32 bits along the
//                 inputs, with a shape of two 64-bit numbers; 8 bits as they are; nvfp4: 16 numbers
//                 a scale of 8 bits, and a float for the matrix and one for its inputs; mxfp4.
//                 Scales in 16 bits (of channels, groups, blocks or the matrix), zero points packed
//                 along the outputs where it is not symmetric.
//   modelopt      nvfp4 as above; fp8 with two floats a matrix.
#ifndef COST_PACKING_H
#define COST_PACKING_H

#include <fovea/cost.h>

typedef struct cost_packing {
    uint64_t bits;         // of a number
    bool words_in;         // packed to words of 32 bits, along the inputs
    bool words_out;        // or along the outputs; otherwise to bytes
    uint64_t group_in;     // inputs that share a scale; 0: all
    uint64_t group_out;    // outputs that share a scale; 0: all
    uint64_t group_flat;   // or numbers that do, whatever row they are in; 0: not so
    uint64_t scale_bits;   // of a scale; 0: there is none
    uint64_t zero_bits;    // of the zero point beside it, in words along the outputs; 0: none
    uint64_t scale_group;  // scales that share a float; 0: not quantised themselves
    uint64_t input_bytes;  // for each input
    uint64_t matrix_bytes; // for each matrix
} cost_packing;

// The bytes of a matrix from `in` to `out` numbers. FV_COST_TOO_LARGE where they do not fit.
fv_cost_number cost_packing_bytes(const cost_packing *packing, fv_cost_number in,
                                  fv_cost_number out);

#endif
