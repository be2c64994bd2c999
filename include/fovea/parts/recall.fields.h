// recall and the fields that it brings along. A part of fields.def.
// clang-format off
FV_CHOICES(POOL)
FV_CHOICE(POOL, SHARED, "shared")
FV_CHOICE(POOL, SPLIT, "split")
FV_CHOICES_END(POOL)
FV_PART(TASK, RECALL, recall)
FV_FIELD(task, n_pairs, INT, "8", 1, 8192, "pairs of a key and its value, or needles of different keys, in a sequence")
FV_CHOICE_FIELD(task, pool, POOL, "shared", "recall: keys and values are both drawn from the whole vocabulary, or keys from its lower and values from its upper half")
FV_FIELD(task, context_repetition, REAL, "1.0", 1, 8192, "recall: mean occurrences B of the queried pair in a training sequence; 1 is exactly one")
FV_FIELD(task, sample_repetition, REAL, "0.0", 0, 1, "recall: share p of training sequences whose query is one of two fixed tokens")
