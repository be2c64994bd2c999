// Layers with compressed keys, and the fields that they bring along. A part of fields.def.
// clang-format off
FV_PART(LAYER, NSA, nsa)
FV_PART(LAYER, COMPRESSED_ATTENTION, compressed_attention)
FV_FIELD(model, compress_block, INT, "2", 1, 65536, "nsa, compressed_attention: neighbouring keys that a learned map makes one; of nsa also what is selected together")
FV_FIELD(model, compress_k, INT, "2", 0, 65536, "nsa: blocks whose single keys a query selects, its own among them; compressed_attention: compressed keys that it selects, 0 for all")
FV_FIELD(model, compress_window, INT, "4", 1, 65536, "nsa, compressed_attention: last keys that a query sees one by one, its own among them")
