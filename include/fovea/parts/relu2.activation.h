// The squared rectifier of Primer (So et al., 2021, arXiv 2109.08668). A part of fields.def;
// kernels/activation_formulas.h says what each of its words means.
// clang-format off
FV_ACTIVATION(RELU2, relu2,
    "max(x, 0)^2",           // help
    NULL,                    // in TransformerLens
    0,                       // exponentials a feature
    POSITIVE(x),             // g
    g * g,                   // f(x)
    dy * (g + g))            // dy f'(x)
