// alpha-entmax (arXiv 1905.05702), softmax where alpha is 1 and sparsemax where it is 2. Each head may
// learn its alpha (Correia, Niculae & Martins, arXiv 1909.00015). A part of fields.def, with the fields
// that it brings along; kernels/normaliser_formulas.h says what each of its words means.
// clang-format off
FV_NORMALISER(ENTMAX, entmax,
    THRESHOLD,               // how the weights are found
    alpha - 1,               // unit
    POW(r, 1 / (alpha - 1)), // weight
    RATIO(w, r),             // weight / r
    POW(total, alpha - 1),   // total^unit
    POW(p, 2 - alpha),       // slope
    POW(p, alpha - 1),       // the score again
    ALPHA,
    NO_STRETCH,
    2,                       // exponentials a key
    0,                       // TransformerLens has it
    "power 1 / (alpha - 1) of alpha - 1 times the score less a threshold, 0 below it; adds up to 1", // help
    "model: {normaliser: entmax, entmax_alpha: 1.3}", // example
    FIELDS(FV_READS(model.entmax_alpha), FV_READS(model.entmax_alpha_learned))) // fields that it reads
FV_FIELD(model, entmax_alpha, REAL, "1.5", 1.01, 2, "entmax: alpha, from nearly softmax (1.01) to sparsemax (2); where heads learn it, what it begins as")
FV_FIELD(model, entmax_alpha_learned, BOOL, "true", 0, 0, "entmax: every head learns its alpha, between 1.01 and 2")
