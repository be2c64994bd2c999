// Squared distances: a Gaussian kernel between queries and keys. A part of fields.def, with the field
// that it brings along; kernels/score_formulas.h says what each word means.
// clang-format off
FV_SCORE(EUCLIDEAN, euclidean,
    DISTANCE,                // x
    0,                       // f'(x) depends on x
    scale,                   // factor
    x * -factor,             // score
    c,                       // c f'(x)
    NO_POWER,
    NO_FLOOR,
    config->score_beta,      // scale
    0,                       // TransformerLens has it
    "softmax of -score_beta |q - k|^2", // help
    "model: {score: euclidean, score_beta: 2}", // example
    FIELDS(FV_READS(model.score_beta))) // fields that it reads
FV_FIELD(model, score_beta, REAL, "1.0", 1e-6, 1e6, "euclidean: inverse temperature beta")
