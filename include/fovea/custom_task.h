// Tasks of the program that calls the library: task.name custom, and by which name and version in
// task.custom and task.custom_version. They are the task's identity: whoever changes what it draws
// raises the version. A run of a custom task is stored, listed and drawn as any other; it is trained
// where its task is known.
#ifndef FOVEA_CUSTOM_TASK_H
#define FOVEA_CUSTOM_TASK_H

#include <fovea/status.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Which sequences are asked for, and where they go. The same seed, stream, index and n must give the
// same sequences, and others otherwise: then a run has the same bits however it is trained.
typedef struct fv_custom_batch {
    uint64_t seed;  // fv_task_seed: task.seed, or train.seed
    int stream;     // 0: training, 1: held-out sequences
    uint64_t index; // of this call in its stream
    int n;          // sequences: of many steps at once
    int n_tokens;   // in each, task.context_length
    int n_targets;  // of each: 1 (the last position's) with task.loss last, else n_tokens
    int vocab_size;
    int n_inputs;  // reals of a position in place of its token, task.inputs; 0: tokens
    int n_outputs; // reals of a target, task.outputs; 0: tokens
    // [n][n_tokens], each 0 to vocab_size - 1; or the bits of float32 [n][n_tokens][n_inputs]. The
    // callee writes all.
    int32_t *tokens;
    // [n][n_targets], likewise, or -1 for none; or float32 [n][n_targets][n_outputs], all finite.
    int32_t *targets;
} fv_custom_batch;

typedef struct fv_custom_task {
    const char *name; // copied
    int version;
    // Fills the batch. Called from one thread of the library, ahead of training, for all runs. What
    // it writes is checked. A status other than FV_OK, with a sentence, fails the run.
    fv_status (*batch)(void *context, const fv_custom_batch *batch, fv_error *error);
    void *context;
} fv_custom_task;

// Makes the task known to this process, in place of one of the same name and version. Thread-safe;
// not while runs of that task are trained. FV_USAGE for a name that is empty or has 256 bytes or
// more, FV_NO_MEMORY.
FV_API fv_status fv_custom_task_add(const fv_custom_task *task, fv_error *error);
FV_API void fv_custom_task_remove(const char *name, int version);

#ifdef __cplusplus
}
#endif
#endif
