// muon and the fields that it brings along. A part of fields.def.
// clang-format off
FV_PART(OPTIMIZER, MUON, muon)
FV_FIELD(train, muon_momentum, REAL, "0.95", 0, 0.999999, "muon: decay of the momentum of matrices")
FV_FIELD(train, rest_rate, REAL, "1e-3", 0, 1000, "muon: peak learning rate of what AdamW updates, in place of learning_rate")
