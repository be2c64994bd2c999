// mlp and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(LAYER, MLP, mlp)
FV_CHOICE_FIELD(model, activation, ACTIVATION, "gelu", "mlp: nonlinearity")
FV_FIELD(model, d_mlp, INT, "0", 0, 65536, "mlp: hidden width; 0 means 4 n_embd, and 8/3 n_embd, rounded to the nearest whole number, of gated activations, whose three maps then have as many weights")
