// euclidean and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(SCORE, EUCLIDEAN, euclidean)
FV_FIELD(model, score_beta, REAL, "1.0", 1e-6, 1e6, "euclidean: inverse temperature beta")
