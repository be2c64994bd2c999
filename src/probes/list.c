#include "probes/probes.h"

#include "base/synonyms.h"

#include <string.h>

#define PROBE(name, help, needs)                                                                   \
    static const fv_probe probe_##name = {#name, help, fv_measure_##name, needs};
FV_PROBE_LIST(PROBE)
#undef PROBE

#define POINTER(name, help, needs) &probe_##name,
static const fv_probe *const probes[] = {FV_PROBE_LIST(POINTER)};
#undef POINTER
enum { N_PROBES = sizeof probes / sizeof probes[0] };

const fv_probe *const *fv_probes(int *n) {
    *n = N_PROBES;
    return probes;
}

const fv_probe *fv_probe_find(const char *name) {
    for (int i = 0; i < N_PROBES; i++)
        if (strcmp(probes[i]->name, name) == 0) return probes[i];
    return NULL;
}

const char *fv_probe_nearest(const char *name) {
#define NAME(probe, help, needs) #probe,
    static const char *const names[] = {FV_PROBE_LIST(NAME) NULL};
#undef NAME
    return synonym_nearest("probe", name, names);
}
