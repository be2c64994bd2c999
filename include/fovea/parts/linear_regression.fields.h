// linear_regression and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, LINEAR_REGRESSION, linear_regression)
FV_FIELD(task, location, INT, "-1", -1, 65535, "linear_regression: the place whose vector is the answer's, from 0; -1 means the last")
