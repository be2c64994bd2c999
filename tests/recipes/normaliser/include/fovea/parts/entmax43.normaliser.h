// 4/3-entmax: weights fall with the third power to a threshold, below which they are 0 (Peters, Niculae &
// Martins, arXiv 1905.05702, for alpha 4/3): nearer to softmax than 1.5-entmax. A part of fields.def;
// kernels/normaliser_formulas.h says what each of its words means.
// clang-format off
FV_NORMALISER(ENTMAX43, entmax43,
    THRESHOLD,               // how the weights are found
    1.0f / 3.0f,             // unit
    r * r * r,               // weight
    r * r,                   // weight / r
    POW(total, 1.0f / 3.0f), // total^unit
    POW(p, 2.0f / 3.0f),     // slope
    POW(p, 1.0f / 3.0f),     // the score again
    NO_ALPHA,
    NO_STRETCH,
    0,                       // exponentials a key
    0,                       // TransformerLens has it
    "(score / 3 - threshold)^3, 0 below it; the weights of a query add up to 1", // help
    "model: {normaliser: entmax43}", // example
    NO_FIELDS)               // fields that it reads
