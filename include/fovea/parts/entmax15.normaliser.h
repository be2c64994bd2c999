// 1.5-entmax (Peters, Niculae & Martins, arXiv 1905.05702), between softmax and sparsemax: the square of
// half the score less a threshold. A part of fields.def; kernels/normaliser_formulas.h says what each of
// its words means.
// clang-format off
FV_NORMALISER(ENTMAX15, entmax15,
    THRESHOLD,               // how the weights are found
    0.5f,                    // unit
    r * r,                   // weight
    r,                       // weight / r
    SQRT(total),             // total^unit
    SQRT(p),                 // slope
    SQRT(p),                 // the score again
    NO_ALPHA,
    NO_STRETCH,
    0,                       // exponentials a key
    0,                       // TransformerLens has it
    "square of half the score less a threshold, 0 below it; adds up to 1", // help
    "model: {normaliser: entmax15}", // example
    NO_FIELDS)               // fields that it reads
