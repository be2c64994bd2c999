// What is said of configuration fields beside their table, fields.def.
#ifndef FOVEA_FIELDS_H
#define FOVEA_FIELDS_H

// Fields that say which of many equal runs is meant, or how it is watched, not what is trained:
// X(section, name). Claims about runs in which the command line has changed no other are judged.
#define FV_UNCOMPARED_FIELDS(X)                                                                    \
    X(train, seed)                                                                                 \
    X(train, log_every)                                                                            \
    X(train, probe_every)                                                                          \
    X(train, snapshot_every)                                                                       \
    X(train, snapshots)

#endif
