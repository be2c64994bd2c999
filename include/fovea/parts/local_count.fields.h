// local_count and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, LOCAL_COUNT, local_count)
FV_FIELD(task, count_window, INT, "8", 1, 65536, "local_count: tokens among which the current one is counted, itself included")
