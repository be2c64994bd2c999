// The configuration of one run: three plain structures generated from fields.def.
#ifndef FOVEA_CONFIG_H
#define FOVEA_CONFIG_H

#include <fovea/arithmetic.h>
#include <fovea/fields.h>
#include <fovea/score.h>
#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FV_MAX_LAYERS = 64, FV_MAX_INTS = 64, FV_MAX_LENGTHS = 512 };

// enum { FV_LOSS_LAST, ..., FV_LOSS_COUNT }; and so on for every list of choices and of parts.
#define FV_CHOICES(LIST)            enum {
#define FV_CHOICE(LIST, NAME, text) FV_##LIST##_##NAME,
#define FV_CHOICES_END(LIST)                                                                       \
    FV_##LIST##_COUNT                                                                              \
    }                                                                                              \
    ;
#include <fovea/fields.def>
// Scores are those of score.h.
#define FV_WITHOUT_SCORES
#define FV_PARTS(GROUP)            enum {
#define FV_PART(GROUP, NAME, name) FV_##GROUP##_##NAME,
#define FV_PARTS_END(GROUP)                                                                        \
    FV_##GROUP##_COUNT                                                                             \
    }                                                                                              \
    ;
#include <fovea/fields.def>
#undef FV_WITHOUT_SCORES

// What a layer of the list says for itself; where it is not given the model's field holds.
typedef struct fv_layer_option {
    bool given;
    int value;
} fv_layer_option;

typedef struct fv_layers {
    int n;
    int kind[FV_MAX_LAYERS]; // FV_LAYER_*
#define FV_LAYER_OPTION(name, LAYER, lowest, highest) fv_layer_option name[FV_MAX_LAYERS];
#include <fovea/fields.def>
} fv_layers;

typedef struct fv_ints {
    int n;
    int value[FV_MAX_INTS];
} fv_ints;

#define FV_CTYPE_INT    int
#define FV_CTYPE_REAL   double
#define FV_CTYPE_BOOL   bool
#define FV_CTYPE_INTS   fv_ints
#define FV_CTYPE_LAYERS fv_layers

// The members of one section: FV_IN_<section wanted>_<section of the field>.
#define FV_IN_task_task(member) member
#define FV_IN_task_model(member)
#define FV_IN_task_train(member)
#define FV_IN_model_task(member)
#define FV_IN_model_model(member) member
#define FV_IN_model_train(member)
#define FV_IN_train_task(member)
#define FV_IN_train_model(member)
#define FV_IN_train_train(member) member

typedef struct fv_task_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_task_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_task_##section(int name;)
#include <fovea/fields.def>
} fv_task_config;
typedef struct fv_model_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_model_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_model_##section(int name;)
#include <fovea/fields.def>
} fv_model_config;
typedef struct fv_train_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_train_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_train_##section(int name;)
#include <fovea/fields.def>
} fv_train_config;

typedef struct fv_config {
    fv_task_config task;
    fv_model_config model;
    fv_train_config train;
} fv_config;

typedef enum fv_type {
    FV_TYPE_INT,
    FV_TYPE_REAL,
    FV_TYPE_BOOL,
    FV_TYPE_CHOICE,
    FV_TYPE_INTS,
    FV_TYPE_LAYERS
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

// Checks what single fields cannot: n_embd divisible by n_head, offset inside the context, no value
// that nothing reads, ... Fails with FV_USAGE and a sentence that says what would be right. The
// last of these is a mistake only in a configuration on its own: one run of a sweep may have a
// field that others read, and trains as if it had its default.
FV_API fv_status fv_config_check(const fv_config *config, fv_error *error);

// The version of the numerics that this Fovea computes the configuration with. It rises with every
// change that gives other bits.
FV_API int fv_config_numerics(const fv_config *config);

// The identity of a run, which names its result bit for bit: 16 hexadecimal digits, a hash of every
// field whose value is not its default, of fv_config_numerics and of the arithmetic
// (fv_kernels_arithmetic of machine.h for a run of this process). What is measured of a run, its
// probes, is no part of it.
FV_API void fv_config_id(const fv_config *config, fv_arithmetic arithmetic, char id[17]);

#ifdef __cplusplus
}
#endif
#endif
