// The check of a whole configuration that also says which field to look at.
#ifndef BASE_CONFIG_CHECK_H
#define BASE_CONFIG_CHECK_H

#include <fovea/config.h>

// As fv_config_check. *culprit receives the field that the message asks to change, NULL where none
// is wrong; readers of files turn it into a line.
fv_status config_check(const fv_config *config, const fv_field **culprit, fv_error *error);

#endif
