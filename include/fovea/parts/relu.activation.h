// The rectifier (Nair & Hinton, 2010). A part of fields.def; kernels/activation_formulas.h says what
// each of its words means.
// clang-format off
FV_ACTIVATION(RELU, relu,
    "max(x, 0)",             // help
    "relu",                  // in TransformerLens
    0,                       // exponentials a feature
    POSITIVE(x),             // g
    g,                       // f(x)
    WHERE_POSITIVE(x, dy))   // dy f'(x)
