// needle_multi and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, NEEDLE_MULTI, needle_multi)
FV_FIELD(task, n_values, INT, "1", 1, 64, "needle_multi: needles of each key, each with its own value")
FV_FIELD(task, n_queries, INT, "1", 1, 8192, "needle_multi: keys that are asked for, one after the other")
