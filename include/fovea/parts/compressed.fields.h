// Layers with compressed keys, and the fields that they bring along. A part of fields.def.
// clang-format off
FV_PART(LAYER, NSA, nsa)
FV_PART(LAYER, COMPRESSED_ATTENTION, compressed_attention)
FV_FIELD(model, compress_block, INT, "2", 1, 65536, "nsa, compressed_attention: neighbouring keys that a learned map makes one entry; of nsa also what is selected together, unless nsa_block says otherwise")
FV_FIELD(model, compress_stride, INT, "0", 0, 65536, "nsa, compressed_attention: keys from the beginning of an entry to that of the next; entries overlap where it is less than compress_block, 0 is as many")
FV_FIELD(model, compress_hidden, INT, "0", 0, 65536, "nsa, compressed_attention: width of a hidden layer (GELU) of the map that makes keys one; 0: the map is linear")
FV_FIELD(model, compress_k, INT, "2", 0, 65536, "nsa: blocks whose single keys a query selects, its own among them; compressed_attention: compressed keys that it selects, 0 for all")
FV_FIELD(model, compress_window, INT, "4", 1, 65536, "nsa, compressed_attention: last keys that a query sees one by one, its own among them")
FV_FIELD(model, nsa_block, INT, "0", 0, 65536, "nsa: neighbouring keys that are selected together; 0 is compress_block")
FV_FIELD(model, nsa_first, INT, "0", 0, 65536, "nsa: first blocks of the sequence that every query selects, among its compress_k")
