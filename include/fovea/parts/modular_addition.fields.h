// modular_addition and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, MODULAR_ADDITION, modular_addition)
FV_FIELD(task, held_out, REAL, "0.0", 0, 0.99, "modular_addition: share of all pairs of numbers that training never sees, and test data are drawn from")
