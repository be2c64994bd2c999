// What travels in a fleet: a run to be trained, as text, and its result, as bytes. Both ends are
// the same program on the same kind of machine.
#ifndef FOVEA_TOOL_PARCEL_H
#define FOVEA_TOOL_PARCEL_H

#include <fovea/probe.h>
#include <fovea/record.h>

// "probe=NAME" and "task.vocab_size=100" lines. The caller frees it; NULL without memory.
char *parcel_order(const fv_config *config, const fv_probe *const *probes, int n_probes);

// Reads an order, which it cuts into its lines; `probes` has room for all that there are.
fv_status parcel_read_order(char *order, fv_config *config, const fv_probe **probes, int *n_probes,
                            fv_error *error);

// How a run ended and, where it did well, all of its record but id and configuration. The caller
// frees it; NULL without memory.
char *parcel_result(fv_status status, const fv_error *failure, const fv_record *record,
                    size_t *size);

// Puts a result into the record. Returns the run's status, or FV_FORMAT for what is no result.
fv_status parcel_read_result(const char *result, size_t size, fv_record *record, fv_error *error);

#endif
