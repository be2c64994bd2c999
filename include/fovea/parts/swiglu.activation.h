// The gated layer of Shazeer (2020, arXiv 2002.05202) with the SiLU. A part of fields.def.
// clang-format off
FV_GATED(SWIGLU, swiglu,
    "silu(x W_gate) times x W_in: two maps into the hidden features", // help
    silu)                    // what the gate goes through
