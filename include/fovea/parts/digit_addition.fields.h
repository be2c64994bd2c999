// digit_addition and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, DIGIT_ADDITION, digit_addition)
FV_FIELD(task, reversed, BOOL, "false", 0, 0, "digit_addition: the answer begins with its last digit")
