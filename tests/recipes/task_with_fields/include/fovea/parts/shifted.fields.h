// shifted and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, SHIFTED, shifted)
FV_FIELD(task, shift, INT, "1", 0, 1000, "shifted: what is added to the last token")
