// Adaptive scalable entmax (Vasylenko et al., arXiv 2506.16640): 1.5-entmax of scores times
// 1 + beta (log n)^gamma, n being the keys that the query sees. Of every query q of head h,
// beta = log(1 + exp(q . w_beta)) and gamma = 3 tanh(q . w_gamma), with vectors w_beta and w_gamma that
// the head learns. A query that sees one key gives it weight 1. A part of fields.def;
// kernels/normaliser_formulas.h says what each of its words means.
// clang-format off
FV_NORMALISER(ASENTMAX, asentmax,
    THRESHOLD,               // how the weights are found
    0.5f,                    // unit
    r * r,                   // weight
    r,                       // weight / r
    SQRT(total),             // total^unit
    SQRT(p),                 // slope
    SQRT(p),                 // the score again
    NO_ALPHA,
    STRETCH_OF_QUERY,
    0,                       // exponentials a key
    0,                       // TransformerLens has it
    "entmax15 of the score times 1 + beta (log n)^gamma: n keys seen, beta and gamma from the query", // help
    "model: {normaliser: asentmax}", // example
    NO_FIELDS)               // fields that it reads
