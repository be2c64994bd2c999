// Chooses the kernels: the fastest variant that this CPU runs, or the one that FOVEA_CPU names.
#include "kernels/contracts.h"
#include "kernels/variants.h"

#include <fovea/machine.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(const kernel_set *) chosen;

static const kernel_set *available[8]; // NULL-terminated

#define ENTRY(variant, result, name, parameters, arguments) .name = FV_KERNEL_OF(variant, name),
#define TABLE(variant, kind, runs_here)                                                            \
    static const kernel_set variant = {                                                            \
        .name = #variant, .arithmetic = kind, FV_KERNEL_LIST(ENTRY, variant)};
FV_VARIANTS(TABLE)
#undef TABLE
#undef ENTRY

// Builds with assertions never see the bare tables.
#ifdef NDEBUG
#define HELD(table) (table)
#else
#define HELD(table) kernels_checked(table)
#endif

static void find_available(void) {
    int n = 0;
#define APPEND(variant, arithmetic, runs_here)                                                     \
    if (runs_here) available[n++] = HELD(&variant);
    FV_VARIANTS(APPEND)
#undef APPEND
}

const kernel_set *const *kernels_available(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_available);
    return available;
}

const kernel_set *kernels_named(const char *name) {
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if (strcmp((*k)->name, name) == 0) return *k;
    return NULL;
}

static const kernel_set *fastest(void) {
    const kernel_set *const *k = kernels_available();
    while (k[1]) k++;
    return *k;
}

fv_status fv_kernels_force(const char *name, fv_error *error) {
    const kernel_set *kernels = kernels_named(name);
    if (kernels == NULL) {
        char names[128] = "";
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            strcat(names, k == kernels_available() ? "" : ", ");
            strcat(names, (*k)->name);
        }
        return fv_fail(error, FV_USAGE, "no kernels called '%s' run on this CPU; it runs %s", name,
                       names);
    }
    atomic_store(&chosen, kernels);
    return FV_OK;
}

const kernel_set *kernels_get(void) {
    const kernel_set *kernels = atomic_load(&chosen);
    if (kernels) return kernels;
    const char *name = getenv("FOVEA_CPU");
    kernels = name ? kernels_named(name) : NULL;
    if (kernels == NULL) kernels = fastest();
    atomic_store(&chosen, kernels);
    return kernels;
}

fv_arithmetic fv_kernels_arithmetic(void) {
    return kernels_get()->arithmetic;
}

const char *fv_kernels_name(void) {
    return kernels_get()->name;
}

const char *fv_kernels_nth(int i) {
    const kernel_set *const *k = kernels_available();
    while (*k && i > 0) k++, i--;
    return *k && i == 0 ? (*k)->name : NULL;
}
