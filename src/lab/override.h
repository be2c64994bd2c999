// key=value of a command line, in place of what an experiment file says.
#ifndef LAB_OVERRIDE_H
#define LAB_OVERRIDE_H

#include <fovea/experiment.h>

// Gives the field of "task.vocab_size=4,10,100" these values in the base configuration, or as an
// axis of every grid. FV_USAGE, with the file's path where it says what belongs there. *field is
// the one that was set.
fv_status override_apply(fv_experiment *experiment, const char *text, const fv_field **field,
                         fv_error *error);

#endif
