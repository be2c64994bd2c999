// The gated layer of Shazeer (2020, arXiv 2002.05202) with the GELU. A part of fields.def.
// clang-format off
FV_GATED(GEGLU, geglu,
    "gelu(x W_gate) times x W_in: two maps into the hidden features", // help
    gelu)                    // what the gate goes through
