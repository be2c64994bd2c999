// The list of layers as text: "attention", "attention*3", "attention(window=8 sinks=2)". Options
// are separated by blanks because a comma would end the item of a YAML list.
#ifndef CONFIG_LAYER_LIST_H
#define CONFIG_LAYER_LIST_H

#include <fovea/config.h>

// Adds the layers that one item of the list names. Fails with FV_USAGE and leaves `layers` as it
// was. `field` is that of the list.
fv_status layer_list_add(const fv_field *field, const char *item, fv_layers *layers,
                         fv_error *error);

// The value that holds for layer i, its own or else the model's: layer_window(model, i), ... of the
// type that the field model.window has.
#define FV_LAYER_OPTION(name, ...)                                                                 \
    typedef __typeof__(((fv_model_config *)0)->name) layer_type_of_##name;                         \
    layer_type_of_##name layer_##name(const fv_model_config *model, int i);
#include <fovea/fields.def>

// The options of layers, in the order of fields.def: LAYER_OPTION_window, ...
enum {
#define FV_LAYER_OPTION(name, ...) LAYER_OPTION_##name,
#include <fovea/fields.def>
    N_LAYER_OPTIONS
};

// Whether layer i says for itself that an option is other than its field's default.
bool layer_sets(const fv_layers *layers, int i, int option);

// Every layer says the option for itself, or nothing where it is the default; the model's field is
// the default.
void layer_option_settle(fv_config *config, int option);

// The key of an option's field, its name, and the layer that takes it.
const char *layer_option_key(int option);
const char *layer_option_name(int option);
const char *layer_option_owner(int option);

#endif
