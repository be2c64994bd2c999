// A part is what a configuration chooses by name: a task, a layer, a score, an optimizer, ... Each
// is one file with one descriptor and one line in include/fovea/parts/. Configurations know parts
// only by what stands here; the lists themselves belong to the rooms that hold the parts.
#ifndef CONFIG_PART_H
#define CONFIG_PART_H

#include "config/config_readers.h"

// A configuration being checked, and who hears of what is wrong.
typedef struct config_checking {
    const fv_config *config;
    const fv_field **culprit; // the field that the message asks to change
    fv_error *error;
} config_checking;

// FV_USAGE, with the field of that key as the culprit.
fv_status check_refuse(const config_checking *c, const char *key, const char *format, ...)
    FV_PRINTF(3, 4);

enum { FV_PART_READS = 32, FV_PART_RULES = 8, FV_PART_SAME = 16 };

// A field that a part reads: FV_READS(task.n_pairs).
#define FV_READS(field) offsetof(fv_config, field)

// Two ways to say the same: `settle` leaves the simpler one of them.
typedef struct config_settling {
    const char *key; // whose values come to the same
    void (*settle)(fv_config *config);
    const char *why;
    const char *into; // another field that says it then, or NULL
} config_settling;

typedef struct config_part {
    const char *help;    // what it is, in one line
    const char *example; // lines of an experiment file that have it
    // The fields that are read because this part is chosen. One that no part reads is read always.
    size_t reads[FV_PART_READS];
    // What else must hold for one of them to be read.
    config_reader rules[FV_PART_RULES];
    // What of its fields says the same in two ways, whether the part is chosen or not.
    config_settling same[FV_PART_SAME];
    // What must hold between fields for this part to make sense; NULL: nothing. `i` is the place
    // in the list of layers, of other parts 0. A task is asked once for each of its lengths.
    fv_status (*check)(const config_checking *c, int i);
    // The version of the numerics that it needs (config/numerics.c); NULL: none of its own.
    int (*numerics)(const fv_config *config);
} config_part;

// The groups of parts: X(GROUP, the field that chooses). The room that holds the parts defines an
// array [FV_<GROUP>_COUNT] of each, and a function that names what the descriptor of one lacks
// beside that: a member that nothing works without. NULL: it is whole.
#define FV_PART_GROUPS(X)                                                                          \
    X(TASK, "task.name")                                                                           \
    X(LAYER, "model.layers")                                                                       \
    X(ACTIVATION, "model.activation")                                                              \
    X(SCORE, "model.score")                                                                        \
    X(NORMALISER, "model.normaliser")                                                              \
    X(SELECTOR, "model.selector")                                                                  \
    X(POSITIONS, "model.positions")                                                                \
    X(OPTIMIZER, "train.optimizer")                                                                \
    X(SCHEDULE, "train.schedule")
#define FV_PART_GROUP(GROUP, key)                                                                  \
    extern const config_part *const FV_PARTS_OF_##GROUP[FV_##GROUP##_COUNT];                       \
    const char *FV_LACKS_OF_##GROUP(int kind);
FV_PART_GROUPS(FV_PART_GROUP)
#undef FV_PART_GROUP

// The parts of the group that the field `key` chooses from, *n of them; NULL for other fields.
const config_part *const *parts_of(const char *key, int *n);

// Names the parts of that group for which `has` holds, `last` in front of the last of them: "none
// or sinusoidal" with " or ".
void parts_that(const char *key, bool (*has)(int kind), const char *last, char *text, size_t size);

// The i-th way, over all parts, in which two values come to the same; NULL behind the last.
const config_settling *parts_settling(int i);

// What the i-th part of the group that `key` names lacks in its descriptor; NULL: nothing.
const char *part_lacks(const char *key, int i);

// That nothing is lacking in the descriptors of all parts that the configuration has, and that
// every field that a part brought along is read by one.
fv_status parts_check_whole(const config_checking *c);

// Checks every part that the configuration has, tasks left out.
fv_status parts_check(const config_checking *c);

// The highest version of the numerics that a part of the configuration needs; 0 for none.
int parts_numerics(const fv_config *config);

// The one length that sequences of the task have; 0 where they may have others.
int task_only_length(const fv_task_config *config);

// Real numbers of its positions in place of tokens, and of its targets; 0: tokens.
int task_inputs(const fv_task_config *config);
int task_outputs(const fv_task_config *config);

// Whether training draws what held-out data does not.
bool task_repeats(const fv_task_config *config);

// The tasks that have one length, and those that may repeat: "recall".
void tasks_of_one_length(char *text, size_t size);
void tasks_that_repeat(char *text, size_t size);

#endif
