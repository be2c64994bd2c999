// What experiment files are made of, for whoever explains it: every name with one line of help and
// an example that runs. All of it comes from the tables that read the files.
#ifndef FOVEA_TOPIC_H
#define FOVEA_TOPIC_H

#include <fovea/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// X(NAME, one of them, several)
#define FV_TOPIC_LIST(X)                                                                           \
    X(FIELD, "field", "fields")                                                                    \
    X(TASK, "task", "tasks")                                                                       \
    X(LAYER, "layer", "layers")                                                                    \
    X(ACTIVATION, "activation", "activations")                                                     \
    X(SCORE, "score", "scores")                                                                    \
    X(NORMALISER, "normaliser", "normalisers")                                                     \
    X(SELECTOR, "selector of keys", "selectors")                                                   \
    X(POSITIONS, "positional embedding", "positions")                                              \
    X(OPTIMIZER, "optimizer", "optimizers")                                                        \
    X(SCHEDULE, "schedule", "schedules")                                                           \
    X(PROBE, "probe", "probes")                                                                    \
    X(MEASURE, "measure", "measures")                                                              \
    X(FIGURE, "kind of figure", "figures")                                                         \
    X(KEY, "key of figures", "keys")                                                               \
    X(CLAIM, "key of claims", "claims")                                                            \
    X(SECTION, "key of experiment files", "sections")

typedef enum fv_topic_kind {
#define FV_TOPIC_ENUM(name, one, several) FV_TOPIC_##name,
    FV_TOPIC_LIST(FV_TOPIC_ENUM)
#undef FV_TOPIC_ENUM
        FV_TOPIC_COUNT
} fv_topic_kind;

FV_API const char *fv_topic_text(fv_topic_kind kind, bool several);

typedef struct fv_topic {
    const char *name;  // "train.seed", "heatmap", "final"
    const char *of;    // KEY: the kind of figure, "" for keys of all; else ""
    const char *help;  // one line
    char takes[320];   // what its value is, or its arguments; "" where it has none
    char read_by[320]; // FIELD: the parts and values that read it; "" where it always is
    char example[512]; // lines of an experiment file; FIELD: "train.seed=0", for a command line
} fv_topic;

// Topic i of a kind, from 0, in the order of the documents; false behind the last.
FV_API bool fv_topic_at(fv_topic_kind kind, int i, fv_topic *topic);

// The name of the kind that other libraries call `word`, or NULL; what is nearest to it in meaning
// or spelling, NULL where nothing is near; and, of fields alone, why there is no such thing, or
// NULL.
FV_API const char *fv_topic_meant(fv_topic_kind kind, const char *word);
FV_API const char *fv_topic_nearest(fv_topic_kind kind, const char *word);
FV_API const char *fv_topic_absent(const char *word);

// All of this as one JSON object: "version", then for each kind (fields, tasks, ..., sections) a list of objects
// with name, help, and where they have them takes, read_by and example; fields with type, default, lowest,
// highest and choices; keys of figures with the kind of figure, null for all. The text is made once and stays;
// NULL without memory.
FV_API const char *fv_topics_json(void);

// A JSON schema (draft 7) of experiment files, for editors: every key, field, value and range; not what must hold
// between fields, which reading a file checks. The text is made once and stays; NULL without memory.
FV_API const char *fv_experiment_schema(void);

#ifdef __cplusplus
}
#endif
#endif
