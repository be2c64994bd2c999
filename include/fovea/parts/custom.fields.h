// custom and the fields that it brings along: what the calling program knows its task by. A part of fields.def.
// clang-format off
FV_PART(TASK, CUSTOM, custom)
FV_FIELD(task, custom, TEXT, "", 0, 0, "name of a task that the calling program defines, such as a class in Python")
FV_FIELD(task, custom_version, INT, "0", 0, 2147483647, "its version, which its author raises with every change of what it draws")
