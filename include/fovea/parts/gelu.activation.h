// The GELU (Hendrycks & Gimpel, 2016) by its tanh form, which is x sigmoid(2 u) with
// u = sqrt(2 / pi) (x + 0.044715 x^3). A part of fields.def; kernels/activation_formulas.h says what each
// of its words means.
// clang-format off
FV_ACTIVATION(GELU, gelu,
    "x times the normal distribution function of x, by its tanh form", // help
    "gelu_new",              // in TransformerLens
    1,                       // exponentials a feature
    SIGMOID(x * FMA(x * x, 2.0f * NUMBER(0.7978845608028654) * NUMBER(0.044715), 2.0f * NUMBER(0.7978845608028654))), // g
    x * g,                   // f(x)
    dy * FMA(x * g * (1.0f - g), FMA(x * x, 6.0f * NUMBER(0.7978845608028654) * NUMBER(0.044715), 2.0f * NUMBER(0.7978845608028654)), g)) // dy f'(x)
