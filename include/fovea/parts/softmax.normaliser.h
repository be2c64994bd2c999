// Exponentials of the scores over their sum. A part of fields.def; kernels/normaliser_formulas.h says
// what each of its words means.
// clang-format off
FV_NORMALISER(SOFTMAX, softmax,
    EXPONENTIAL,             // how the weights are found
    1,                       // unit
    r,                       // weight: the rule has its own
    r,                       // weight / r
    total,                   // total^unit
    p,                       // slope
    LOG(p),                  // the score again
    NO_ALPHA,
    NO_STRETCH,
    1,                       // exponentials a key
    1,                       // TransformerLens has it
    "exp(score) over the sum of these", // help
    "model: {normaliser: softmax}", // example
    NO_FIELDS)               // fields that it reads
