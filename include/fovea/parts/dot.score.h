// Scaled dot products (Vaswani et al., 2017). A part of fields.def; kernels/score_formulas.h says what
// each of its words means.
// clang-format off
FV_SCORE(DOT, dot,
    PRODUCT,                 // x
    0,                       // f'(x) depends on x
    scale,                   // factor
    x,                       // score: kernels multiply products by the factor themselves
    c,                       // c f'(x)
    NO_POWER,
    NO_FLOOR,
    1 / SQRT(d_head),        // scale
    1,                       // TransformerLens has it
    "softmax of q.k / sqrt(d_head)", // help
    "model: {score: dot}",   // example
    NO_FIELDS)               // fields that it reads
