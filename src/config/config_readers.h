// Fields that not every configuration reads. A value that nobody reads is a mistake: a score_beta
// beside dot-product attention changes nothing, and whoever set it believes that it does.
//
// A sweep may mix choices, of which some read a field and others do not; there the field must be
// read by one of them, and those that do not read it train as if it had its default.
#ifndef CONFIG_CONFIG_READERS_H
#define CONFIG_CONFIG_READERS_H

#include <fovea/config.h>

// Bits of a number, and of a layer's own option (config/layer_list.h), behind those of the layers.
enum { CONFIG_AT_DEFAULT = 1 << false, CONFIG_SET = 1 << true };
#define CONFIG_LAYER_OPTION(option) ((uint64_t)1 << (FV_LAYER_COUNT + (option)))

// The choices of another field that read it, a set of bits: 1 << FV_..._X of a choice list or of
// the layers of a list, 1 << false or 1 << true, 1 << (not the default) of a number.
typedef struct config_choices {
    const char *key; // of the other field; NULL ends a list of alternatives
    uint64_t bits;
} config_choices;

enum { CONFIG_ALTERNATIVES = 4 };

// What one field needs to be read: any of the alternatives. A field may have several such rows, all
// of which must hold.
typedef struct config_reader {
    const char *key;
    config_choices any[CONFIG_ALTERNATIVES + 1];
} config_reader;

const config_reader *config_readers(int *n);

// Whether the other field has one of the choices.
bool config_chooses(const config_choices *choices, const fv_config *config);

bool config_is_default(const fv_config *config, const fv_field *field);

// Whether the configuration reads the field.
bool config_reads(const fv_config *config, const fv_field *field);

// "task.ties later is not read by task.name copy, only by similar": FV_USAGE, with the value that
// `setting` gives the field and what `choosing` has instead of the choices. Of a sweep these may be
// two configurations.
fv_status config_refuse_unread(const config_reader *reader, const fv_config *setting,
                               const fv_config *choosing, fv_error *error);

// What must be chosen for the field to be read: "task.name recall and mqar"; "" where it always is.
void config_readers_text(const fv_field *field, char *text, size_t size);

// Refuses a configuration on its own that sets a field without reading it. *culprit: that field.
fv_status config_check_readers(const fv_config *config, const fv_field **culprit, fv_error *error);

// Gives every field that is not read its default.
void config_drop_unread(fv_config *config);

#endif
