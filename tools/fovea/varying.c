#include "varying.h"

#include <string.h>

static bool varies(const fv_config *first, size_t stride, int n, const fv_field *field) {
    char usual[4096], other[4096];
    for (int i = 0; i < n; i++) {
        const void *config = (const char *)first + (size_t)i * stride;
        fv_config_get(config, field, i ? other : usual, sizeof usual);
        if (i > 0 && strcmp(usual, other) != 0) return true;
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
