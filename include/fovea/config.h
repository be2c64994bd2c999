// The configuration of one run: three plain structures generated from fields.def. Headers and files
// that read no member of them include fields.h.
#ifndef FOVEA_CONFIG_H
#define FOVEA_CONFIG_H

#include <fovea/fields.h>
#include <fovea/score.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FV_MAX_TEXT = 256,
    FV_MAX_WRITTEN = 1024,
    FV_MAX_LAYERS = 64,
    FV_MAX_INTS = 64,
    FV_MAX_LENGTHS = 512
};

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

// What a layer of the list says for itself, as fv_config_number gives it; where it is not given the
// model's field holds.
typedef struct fv_layer_option {
    bool given;
    double value;
} fv_layer_option;

struct fv_layers {
    int n;
    int kind[FV_MAX_LAYERS]; // FV_LAYER_*
#define FV_LAYER_OPTION(name, LAYER) fv_layer_option name[FV_MAX_LAYERS];
#include <fovea/fields.def>
};

typedef struct fv_ints {
    int n;
    int value[FV_MAX_INTS];
} fv_ints;

typedef struct fv_text {
    char value[FV_MAX_TEXT]; // UTF-8, ends with a 0
} fv_text;

// What is kept as it is written, one line of YAML in one form: equal values are equal texts.
typedef struct fv_written {
    char value[FV_MAX_WRITTEN]; // ends with a 0
} fv_written;

#define FV_CTYPE_INT     int
#define FV_CTYPE_REAL    double
#define FV_CTYPE_BOOL    bool
#define FV_CTYPE_INTS    fv_ints
#define FV_CTYPE_LAYERS  fv_layers
#define FV_CTYPE_TEXT    fv_text
#define FV_CTYPE_NAMES   fv_written
#define FV_CTYPE_FACTORS fv_written
#define FV_CTYPE_STAGES  fv_written

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

struct fv_task_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_task_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_task_##section(int name;)
#include <fovea/fields.def>
};
struct fv_model_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_model_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_model_##section(int name;)
#include <fovea/fields.def>
};
struct fv_train_config {
#define FV_FIELD(section, name, TYPE, ...)  FV_IN_train_##section(FV_CTYPE_##TYPE name;)
#define FV_CHOICE_FIELD(section, name, ...) FV_IN_train_##section(int name;)
#include <fovea/fields.def>
};

struct fv_config {
    fv_task_config task;
    fv_model_config model;
    fv_train_config train;
};

#ifdef __cplusplus
}
#endif
#endif
