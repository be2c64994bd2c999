// mamba and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(LAYER, MAMBA, mamba)
FV_FIELD(model, mamba_state, INT, "16", 1, 256, "mamba: numbers in the state of each channel, N")
FV_FIELD(model, mamba_expand, INT, "2", 1, 16, "mamba: channels as a multiple of n_embd")
FV_FIELD(model, mamba_conv, INT, "4", 1, 16, "mamba: taps of the causal convolution")
FV_FIELD(model, mamba_dt_rank, INT, "0", 0, 8192, "mamba: rank of the map to the time steps; 0 means n_embd / 16, rounded up")
