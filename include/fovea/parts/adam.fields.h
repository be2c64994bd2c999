// adam and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(OPTIMIZER, ADAM, adam)
FV_FIELD(train, beta1, REAL, "0.9", 0, 0.999999, "adam: decay of the first moment")
FV_FIELD(train, beta2, REAL, "0.999", 0, 0.9999999, "adam: decay of the second moment")
FV_FIELD(train, epsilon, REAL, "1e-8", 0, 1, "adam: added to the root of the second moment")
