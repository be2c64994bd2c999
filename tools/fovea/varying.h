// The fields that tell runs apart: columns of tables and of CSV files.
#ifndef FOVEA_TOOL_VARYING_H
#define FOVEA_TOOL_VARYING_H

#include <fovea/fields.h>

enum { VARYING_MOST = 64 };

// Those in which n configurations differ, in the order of all fields; returns how many. The
// configurations lie `stride` bytes apart, as a member of an array's elements.
int varying_find(const fv_config *first, size_t stride, int n,
                 const fv_field *varying[VARYING_MOST]);

#endif
