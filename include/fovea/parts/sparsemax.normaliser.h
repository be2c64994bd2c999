// The nearest point of the simplex (Martins & Astudillo, arXiv 1602.02068): weights fall linearly to a
// threshold, below which they are 0. A part of fields.def; kernels/normaliser_formulas.h says what each
// of its words means.
// clang-format off
FV_NORMALISER(SPARSEMAX, sparsemax,
    THRESHOLD,               // how the weights are found
    1,                       // unit
    r,                       // weight
    ONE_ABOVE(r),            // weight / r
    total,                   // total^unit
    ONE_ABOVE(p),            // slope
    p,                       // the score again
    NO_ALPHA,
    NO_STRETCH,
    0,                       // exponentials a key
    0,                       // TransformerLens has it
    "score less a threshold, 0 below it; the weights of a query add up to 1", // help
    "model: {normaliser: sparsemax}", // example
    NO_FIELDS)               // fields that it reads
