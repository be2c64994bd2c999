// k_hop and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(TASK, K_HOP, k_hop)
FV_FIELD(task, n_hops, INT, "2", 1, 8, "k_hop: links from the name that is asked for to the answer")
FV_FIELD(task, n_chains, INT, "4", 1, 512, "k_hop: chains of n_hops links, the one that is asked for included")
