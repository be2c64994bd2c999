// That records have a configuration, before anything asks what it says.
#ifndef CONFIG_RECORD_CONFIG_H
#define CONFIG_RECORD_CONFIG_H

#include <fovea/record.h>

// FV_USAGE where one of the n records that are not NULL has none.
fv_status record_check_configs(const fv_record *const *records, int n, fv_error *error);

#endif
