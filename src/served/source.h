// Which haystack a task uses, and building it.
#ifndef FOVEA_SERVED_SOURCE_H
#define FOVEA_SERVED_SOURCE_H

#include "served/data_file.h"

// Where prompts come from: as in fv_served_options.
typedef struct source_options {
    const char *haystack, *documents;
    const char *needles;                    // a file, for tasks of EVAL_NEEDLES_FILE
    const char *needle, *question, *answer; // for those of EVAL_NEEDLE_TOLD; NULL: the task's own
    const char *told;                       // the same as a name has them, or NULL
    uint64_t seed;
    int longest; // length that will be asked for, in the task's unit
} source_options;

// Builds what the task needs and `source` lacks. *hay is the haystack, and *name (to be freed) says
// what the prompts are made of: generated ones by their kind, the user's with path and digest.
fv_status source_prepare(served_source *source, const served_task *task,
                         const source_options *options, served_hay *hay, char **name,
                         fv_error *error);
void source_free(served_source *source);

// The same name for the questions of a data file.
fv_status source_data_name(const data_file *data, char **name, fv_error *error);

// What a name was made from; "" for what it was not. `told` is a part of the name, or NULL.
typedef struct source_origin {
    char haystack[4096], documents[4096], questions[4096], needles[4096];
    const char *told;
} source_origin;
void source_from_name(const char *name, source_origin *origin);

// Whether another haystack than its own can be chosen for the task.
bool source_takes_haystack(const served_task *task);

#endif
