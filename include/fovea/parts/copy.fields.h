// copy and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, COPY, copy)
FV_FIELD(task, offset, INT, "0", 0, 65535, "copy: how far back from the last token the target lies (0 = the last token itself)")
FV_FIELD(task, index, INT, "-1", -1, 65535, "copy: position of the target from the start; -1 uses offset instead")
