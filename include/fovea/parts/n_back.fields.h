// n_back and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, N_BACK, n_back)
FV_FIELD(task, n_back, INT, "2", 1, 65535, "n_back: steps back to the token that each one is compared with")
