// file and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, FILE, file)
FV_FIELD(task, path, TEXT, "", 0, 0, "where the sequences of task file are: a safetensors file, or a folder of .npy files; no part of a run's identity")
FV_FIELD(task, digest, TEXT, "", 0, 0, "of all sequences there, 16 hexadecimal digits, in a run's identity in place of the path; found when the experiment is read")
