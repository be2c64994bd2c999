// mqar and the fields that it brings along. A part of fields.def.
// clang-format off
FV_CHOICES(FILLER)
FV_CHOICE(FILLER, ZERO, "zero")
FV_CHOICE(FILLER, RANDOM, "random")
FV_CHOICES_END(FILLER)
FV_PART(TASK, MQAR, mqar)
FV_FIELD(task, gap_power, REAL, "0.01", 0, 10, "mqar: slot g behind the pairs is asked in with weight g^(gap_power - 1); 1 is uniform")
FV_CHOICE_FIELD(task, filler, FILLER, "zero", "mqar: what stands between queries: token 0, or uniform random tokens")
