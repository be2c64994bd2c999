// The SiLU, also called swish (Elfwing et al., 2017; Ramachandran et al., 2017). A part of fields.def;
// kernels/activation_formulas.h says what each of its words means.
// clang-format off
FV_ACTIVATION(SILU, silu,
    "x / (1 + exp(-x))",     // help
    "silu",                  // in TransformerLens
    1,                       // exponentials a feature
    SIGMOID(x),              // g
    x * g,                   // f(x)
    dy * FMA(x * g, 1.0f - g, g)) // dy f'(x)
