// The fields that tell runs apart: columns of tables and of CSV files.
#ifndef FOVEA_TOOL_VARYING_H
#define FOVEA_TOOL_VARYING_H

#include <fovea/fields.h>

#include <stdbool.h>

enum { VARYING_MOST = 64 };

// Whether two configurations have the same value of a field.
bool varying_same(const fv_config *a, const fv_config *b, const fv_field *field);

// Those in which n configurations differ, in the order of all fields; returns how many. The
// configurations lie `stride` bytes apart, as a member of an array's elements.
int varying_find(const fv_config *first, size_t stride, int n,
                 const fv_field *varying[VARYING_MOST]);

#endif
