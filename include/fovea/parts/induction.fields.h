// induction and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, INDUCTION, induction)
FV_FIELD(task, period, INT, "0", 0, 65535, "induction: tokens before the sequence repeats; 0 means half of context_length")
