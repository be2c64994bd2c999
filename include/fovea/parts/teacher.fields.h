// teacher and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, TEACHER, teacher)
FV_FIELD(task, teacher_width, INT, "16", 1, 4096, "teacher: width of its hidden layers")
FV_FIELD(task, teacher_depth, INT, "1", 1, 16, "teacher: number of its hidden layers")
