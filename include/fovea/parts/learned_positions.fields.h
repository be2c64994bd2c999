// learned and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(POSITIONS, LEARNED, learned)
FV_FIELD(model, d_positions, INT, "0", 0, 8192, "learned positions: features that positional embeddings have, the others stay 0; 0 means n_embd")
