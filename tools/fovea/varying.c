#include "varying.h"

#include <fovea/config.h>
#include <string.h>

bool varying_same(const fv_config *a, const fv_config *b, const fv_field *field) {
    const void *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    char one[4096], other[4096];
    switch (field->type) {
    case FV_TYPE_REAL:
        return *(const double *)x == *(const double *)y;
    case FV_TYPE_INT:
    case FV_TYPE_CHOICE:
        return *(const int *)x == *(const int *)y;
    case FV_TYPE_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case FV_TYPE_TEXT:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        return strcmp(x, y) == 0;
    case FV_TYPE_INTS:
        if (memcmp(x, y, sizeof(fv_ints)) == 0) return true;
        break;
    case FV_TYPE_LAYERS:
        if (memcmp(x, y, sizeof(fv_layers)) == 0) return true;
        break;
    }
    fv_config_get(a, field, one, sizeof one);
    fv_config_get(b, field, other, sizeof other);
    return strcmp(one, other) == 0;
}

static bool varies(const fv_config *first, size_t stride, int n, const fv_field *field) {
    for (int i = 1; i < n; i++) {
        const void *config = (const char *)first + (size_t)i * stride;
        if (!varying_same(first, config, field)) return true;
    }
    return false;
}

int varying_find(const fv_config *first, size_t stride, int n,
                 const fv_field *varying[VARYING_MOST]) {
    int n_fields, n_varying = 0;
    const fv_field *fields = fv_fields(&n_fields);
    for (int i = 0; i < n_fields && n_varying < VARYING_MOST; i++)
        if (varies(first, stride, n, &fields[i])) varying[n_varying++] = &fields[i];
    return n_varying;
}
