// momentum and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(OPTIMIZER, MOMENTUM, momentum)
FV_FIELD(train, momentum, REAL, "0.9", 0, 0.999999, "momentum: decay of the velocity")
