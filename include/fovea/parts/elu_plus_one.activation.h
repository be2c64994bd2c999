// The exponential linear unit plus one, which is never below 0: what linear attention makes queries and keys
// positive with (Katharopoulos et al., 2020, arXiv 2006.16236). A part of fields.def;
// kernels/activation_formulas.h says what each of its words means. exp(n) of an n below 0 is s / (1 - s)
// with s = sigmoid(n).
// clang-format off
FV_ACTIVATION(ELU_PLUS_ONE, elu_plus_one,
    "x + 1, below 0 exp(x)", // help
    NULL,                    // in TransformerLens
    1,                       // exponentials a feature
    SIGMOID(-POSITIVE(-x)),  // g: of what x is below 0
    POSITIVE(x) + g / (1.0f - g), // f(x)
    dy * (g / (1.0f - g)))   // dy f'(x)
