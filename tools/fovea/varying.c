#include "varying.h"

static bool varies(const fv_config *first, size_t stride, int n, const fv_field *field) {
    for (int i = 1; i < n; i++) {
        const void *config = (const char *)first + (size_t)i * stride;
        if (!fv_config_same(first, config, field)) return true;
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
