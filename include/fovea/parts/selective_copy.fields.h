// selective_copy and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, SELECTIVE_COPY, selective_copy)
FV_FIELD(task, n_copy, INT, "16", 1, 32768, "selective_copy: tokens to be copied")
