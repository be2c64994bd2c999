// -power / 2 log(|q - k|^2 + floor): weights fall off with a power of the distance. A part of
// fields.def, with the fields that it brings along; kernels/score_formulas.h says what each word means.
// clang-format off
FV_SCORE(HARMONIC, harmonic,
    DISTANCE,                // x
    1,                       // f'(x) depends on x
    power / 2,               // factor
    FINITE(LOG(x + floor) * -factor, x), // score
    c / (x + floor),         // c f'(x)
    POWER(config->score_power, LOG(-factor / slope) * -factor),
    FLOOR(config->score_floor),
    1,                       // scale
    0,                       // TransformerLens has it
    "weights proportional to |q - k|^-score_power", // help
    "model: {score: harmonic, score_power: 4}", // example
    FIELDS(FV_READS(model.score_power), FV_READS(model.score_floor), FV_READS(model.score_power_learned))) // fields that it reads
FV_FIELD(model, score_power, REAL, "2.0", 1e-3, 1000, "harmonic: power of the distance")
FV_FIELD(model, score_floor, REAL, "1e-3", 1e-9, 1e6, "harmonic: added to the squared distance, so that coincident points weigh finitely")
FV_FIELD(model, score_power_learned, BOOL, "false", 0, 0, "harmonic: every head learns its power, starting from score_power")
