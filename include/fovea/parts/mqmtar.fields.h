// mqmtar and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, MQMTAR, mqmtar)
FV_FIELD(task, key_tokens, INT, "2", 1, 8, "mqmtar: tokens of a key")
FV_FIELD(task, value_tokens, INT, "2", 1, 8, "mqmtar: tokens of a value")
