// similar and the fields that it brings along. A part of fields.def.
// clang-format off
FV_CHOICES(TIES)
FV_CHOICE(TIES, SMALLER, "smaller")
FV_CHOICE(TIES, LARGER, "larger")
FV_CHOICE(TIES, EARLIER, "earlier")
FV_CHOICE(TIES, LATER, "later")
FV_CHOICES_END(TIES)
FV_PART(TASK, SIMILAR, similar)
FV_CHOICE_FIELD(task, ties, TIES, "smaller", "similar: which of two equally near tokens is meant, by its value or by its place")
