// Sigmoid attention (Ramapuram et al., arXiv 2409.04431): every key has a weight of its own, whatever
// the others have. The bias -log n, n being the keys that the query sees, lets weights add up to about 1
// where scores are near 0. A part of fields.def; kernels/normaliser_formulas.h says what each of its
// words means.
// clang-format off
FV_NORMALISER(SIGMOID, sigmoid,
    ALONE,                   // how the weights are found
    1,                       // unit
    SIGMOID(r),              // weight
    r,                       // weight / r
    total,                   // total^unit
    p * (1.0f - p),          // slope
    p,                       // the score again
    NO_ALPHA,
    NO_STRETCH,
    1,                       // exponentials a key
    0,                       // TransformerLens has it
    "1 / (1 + exp(log n - score)): n keys seen; the weights of a query need not add up to 1", // help
    "model: {normaliser: sigmoid}", // example
    NO_FIELDS)               // fields that it reads
