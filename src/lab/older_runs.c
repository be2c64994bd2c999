#include "lab/older_runs.h"

#include "config/numerics.h"

#include <fovea/machine.h>
#include <stdio.h>

static bool has(fv_store *store, const fv_config *config, const char *probes, int version) {
    char id[17];
    numerics_id(config, fv_kernels_arithmetic(), probes, version, id);
    return fv_store_has(store, id);
}

void older_runs_count(older_runs *older, fv_store *store, const fv_config *config,
                      const char *probes) {
    int now = numerics_version(config), version = now - 1;
    while (version > 0 && !has(store, config, "", version) &&
           (*probes == '\0' || !has(store, config, probes, version)))
        version--;
    if (version == 0) return;
    if (older->n == 0 || version < older->first) older->first = version;
    if (version > older->last) older->last = version;
    if (now > older->now) older->now = now;
    older->n++;
}

void older_runs_text(const older_runs *older, const char *experiment, char *text, size_t size) {
    bool one = older->n == 1;
    char versions[48];
    if (older->first == older->last)
        snprintf(versions, sizeof versions, "%d", older->last);
    else
        snprintf(versions, sizeof versions, "%d to %d", older->first, older->last);
    snprintf(
        text, size,
        "%s: %d stored run%s of numerics %s, older than this Fovea's %d, and %s trained again; "
        "the old %s in the store",
        experiment, older->n, one ? " is" : "s are", versions, older->now, one ? "is" : "are",
        one ? "one stays" : "ones stay");
}
