// The fleet: processes that `mpirun` started together, on one host or many. Rank 0 is the command
// as ever: it reads the file, hands out runs one by one, stores what comes back and draws. The
// others only train. So there is one writer, whoever is fast gets more, and results are those of a
// single process, bit for bit.
#ifndef FOVEA_TOOL_FLEET_H
#define FOVEA_TOOL_FLEET_H

#include <fovea/lab.h>

typedef struct fleet fleet;

// Whether an mpirun or srun has started this process.
bool fleet_is_launched(void);

// Joins the fleet that this process was started in; *out stays NULL where it is alone. A member
// that is not rank 0 serves here until rank 0 leaves, and *served becomes true: all that is left to
// do is to return the exit code. Returns an exit code.
int fleet_join(fleet **out, bool *served);

// How many processes train, this one included; 1 for NULL.
int fleet_size(const fleet *f);

// fv_lab_options.remote, with the fleet as its context: trains the run on whichever other process
// is free, or here where none is left.
fv_status fleet_train(void *context, int worker, const fv_config *config,
                      const fv_probe *const *probes, int n_probes, const volatile int *interrupted,
                      fv_record *record, fv_error *error);

// Sends the others home; those that still train are not waited for, but ended. After this nothing
// of the fleet may be used.
void fleet_leave(fleet *f, int exit_code);

#endif
