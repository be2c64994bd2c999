// Scalable softmax (Nakanishi, arXiv 2501.19399): scores times s log n, n being the keys that the query
// sees, so that a longer context does not flatten the weights. Every head learns its s, which begins as
// 1. A part of fields.def; kernels/normaliser_formulas.h says what each of its words means.
// clang-format off
FV_NORMALISER(SSMAX, ssmax,
    EXPONENTIAL,             // how the weights are found
    1,                       // unit
    r,                       // weight: the rule has its own
    r,                       // weight / r
    total,                   // total^unit
    p,                       // slope
    LOG(p),                  // the score again
    NO_ALPHA,
    STRETCH_OF_HEAD,
    1,                       // exponentials a key
    0,                       // TransformerLens has it
    "softmax of the score times s log n: n keys seen, s learned by each head", // help
    "model: {normaliser: ssmax}", // example
    NO_FIELDS)               // fields that it reads
