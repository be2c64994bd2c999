// attention and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(LAYER, ATTENTION, attention)
FV_FIELD(model, exclude_self, BOOL, "false", 0, 0, "a position does not attend to itself; the first one then attends to nothing")
FV_FIELD(model, window, INT, "0", 0, 65536, "attention sees this many keys, up to and including the query's own position; 0 is the whole context")
FV_FIELD(model, sinks, INT, "0", 0, 65536, "attention also sees this many first positions of the sequence, however far behind the window they lie")
FV_FIELD(model, d_score, INT, "0", 0, 8192, "features of a head's queries and keys that its score compares, the others stay 0; 0 means n_embd / n_head")
FV_FIELD(model, n_kv_head, INT, "0", 0, 1024, "heads of keys and values: head h of queries reads head h n_kv_head / n_head of them (grouped queries; 1 is multi-query); divides n_head; 0 means n_head")
FV_LAYER_OPTION(window, ATTENTION)
FV_LAYER_OPTION(sinks, ATTENTION)
FV_LAYER_OPTION(n_kv_head, ATTENTION)
FV_LAYER_OPTION(selector, ATTENTION)
FV_LAYER_OPTION(selector_k, ATTENTION)
FV_LAYER_OPTION(selector_block, ATTENTION)
