// Configurations by the names of their fields: the field table, and what is done with a whole
// configuration. None of it needs the members of the structures, which are in config.h: what
// includes this header alone is not compiled again when a field is added.
#ifndef FOVEA_FIELDS_H
#define FOVEA_FIELDS_H

#include <fovea/arithmetic.h>
#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The configuration of one run, its three sections, and a list of layers: config.h.
typedef struct fv_config fv_config;
typedef struct fv_task_config fv_task_config;
typedef struct fv_model_config fv_model_config;
typedef struct fv_train_config fv_train_config;
typedef struct fv_layers fv_layers;

typedef enum fv_type {
    FV_TYPE_INT,
    FV_TYPE_REAL,
    FV_TYPE_BOOL,
    FV_TYPE_CHOICE,
    FV_TYPE_INTS,
    FV_TYPE_LAYERS,
    FV_TYPE_TEXT,
    FV_TYPE_NAMES,   // a list of patterns of names
    FV_TYPE_FACTORS, // a mapping from such patterns to numbers
    FV_TYPE_STAGES   // a list of mappings: a step, and fields that change there
} fv_type;

// One row of the field table.
typedef struct fv_field {
    const char *key; // dotted: "task.vocab_size"
    fv_type type;
    const char *default_text;
    double lowest, highest;
    const char *const *choices; // NULL-terminated; CHOICE and LAYERS only
    const char *help;
    size_t offset; // into fv_config
} fv_field;

// Room for the longest text of a layer of a list, and of a field's value.
enum { FV_LAYER_SIZE = 512, FV_VALUE_SIZE = 64 * FV_LAYER_SIZE };

// All fields in the order of fields.def.
FV_API const fv_field *fv_fields(int *n);

// The field of a dotted key, or NULL. `fv_field_nearest` gives the key closest in spelling.
FV_API const fv_field *fv_field_find(const char *key);
FV_API const char *fv_field_nearest(const char *key);

// Sets every field to its default.
FV_API void fv_config_init(fv_config *config);

// Sets one field from YAML text ("1e-3", "[attention, mlp]"). Fails with FV_USAGE for an unknown
// key (naming the nearest), a value of the wrong type, or one outside the field's range.
FV_API fv_status fv_config_set(fv_config *config, const char *key, const char *yaml,
                               fv_error *error);

// The field's value as text that fv_config_set reads back to the same value (reals in shortest form
// that round-trips). Returns the length that the whole text has, like snprintf.
FV_API int fv_config_get(const fv_config *config, const fv_field *field, char *text, size_t size);

// Layer i of the list as the list's text names it: "mlp", "attention(window=8 sinks=2)". Returns
// the length that the whole text has, like snprintf.
FV_API int fv_layer_text(const fv_layers *layers, int i, char *text, size_t size);

// The field's value as a number: INT, REAL, BOOL and CHOICE (its index); NAN for lists.
FV_API double fv_config_number(const fv_config *config, const fv_field *field);

// Whether two configurations have the same value of a field; lists by what they say.
FV_API bool fv_config_same(const fv_config *a, const fv_config *b, const fv_field *field);

// Checks what single fields cannot: n_embd divisible by n_head, offset inside the context, no value
// that nothing reads, ... Fails with FV_USAGE and a sentence that says what would be right. The
// last of these is a mistake only in a configuration on its own: one run of a sweep may have a
// field that others read, and trains as if it had its default.
FV_API fv_status fv_config_check(const fv_config *config, fv_error *error);

// The version of the numerics that this Fovea computes the configuration with. It rises with every
// change that gives other bits.
FV_API int fv_config_numerics(const fv_config *config);

// The identity of a run, which names its result bit for bit: 16 hexadecimal digits, a hash of every
// field whose value is not its default (but task.path and train.from, for which digests stand), of fv_config_numerics and of the arithmetic
// (fv_kernels_arithmetic of machine.h for a run of this process). What is measured of a run, its
// probes, is no part of it.
FV_API void fv_config_id(const fv_config *config, fv_arithmetic arithmetic, char id[17]);

// Fields that say which of many equal runs is meant, or how it is watched, not what is trained:
// X(section, name). Claims about runs in which the command line has changed no other are judged.
#define FV_UNCOMPARED_FIELDS(X)                                                                    \
    X(train, seed)                                                                                 \
    X(task, seed)                                                                                  \
    X(train, log_every)                                                                            \
    X(train, probe_every)                                                                          \
    X(train, snapshot_every)                                                                       \
    X(train, snapshots)

#ifdef __cplusplus
}
#endif
#endif
