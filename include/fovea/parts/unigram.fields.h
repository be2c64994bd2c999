// unigram and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, UNIGRAM, unigram)
FV_FIELD(task, bos, BOOL, "false", 0, 0, "next tokens: sequences begin with token vocab_size - 1, which is never drawn")
