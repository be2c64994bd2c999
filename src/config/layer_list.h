// The list of layers as text: "attention", "attention*3", "attention(window=8 sinks=2)". Options
// are separated by blanks because a comma would end the item of a YAML list.
#ifndef CONFIG_LAYER_LIST_H
#define CONFIG_LAYER_LIST_H

#include <fovea/config.h>

// Adds the layers that one item of the list names. Fails with FV_USAGE and leaves `layers` as it
// was. `field` is that of the list.
fv_status layer_list_add(const fv_field *field, const char *item, fv_layers *layers,
                         fv_error *error);

// The value that holds for layer i: its own, or else the model's.
int layer_window(const fv_model_config *model, int i);
int layer_sinks(const fv_model_config *model, int i);

#endif
