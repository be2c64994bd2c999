// Selectors that learn which keys to keep, and the fields that they bring along. A part of fields.def.
// clang-format off
FV_PART(SELECTOR, INDEXER, indexer)
FV_PART(SELECTOR, GROUP_INDEXER, group_indexer)
FV_FIELD(model, indexer_heads, INT, "2", 1, 64, "indexer: heads of its queries, each with a weight that the query gives it")
FV_FIELD(model, indexer_width, INT, "8", 1, 1024, "indexers: features of one of their queries, and of their keys")
