// Student's t: weights proportional to (1 + |q - k|^2)^-scale, with tails as long as t-SNE's (van der
// Maaten & Hinton, 2008). A part of fields.def; kernels/score_formulas.h says what each word means.
// clang-format off
FV_SCORE(STUDENT, student,
    DISTANCE,                // x
    1,                       // f'(x) depends on x
    scale,                   // factor
    FINITE(LOG(x + 1.0f) * -factor, x), // score
    c / (x + 1.0f),          // c f'(x)
    NO_POWER,
    NO_FLOOR,
    1 / SQRT(d_head),        // scale
    0,                       // TransformerLens has it
    "weights proportional to (1 + |q - k|^2)^(-1 / sqrt(d_head))", // help
    "model: {score: student}", // example
    NO_FIELDS)               // fields that it reads
