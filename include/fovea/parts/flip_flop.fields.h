// flip_flop and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, FLIP_FLOP, flip_flop)
FV_FIELD(task, ignore_share, REAL, "0.8", 0, 0.99, "flip_flop: share of the instructions whose value is to be ignored")
