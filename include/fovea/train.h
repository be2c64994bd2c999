// Training: single steps, and whole runs that leave a record.
#ifndef FOVEA_TRAIN_H
#define FOVEA_TRAIN_H

#include <fovea/model.h>
#include <fovea/probe.h>
#include <fovea/record.h>
#include <fovea/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_trainer fv_trainer;

// A trainer owns parameters, optimizer state, data stream and workspaces; nothing is allocated
// afterwards. n_threads >= 1 share each step; the result does not depend on it.
FV_API fv_status fv_trainer_create(const fv_config *config, int n_threads, fv_trainer **trainer,
                                   fv_error *error);
FV_API void fv_trainer_free(fv_trainer *trainer);

// One of the train.context_ranks trainers that share every sequence, the same call on every rank: each
// has some positions of all sequences (the ring's zigzag), attention goes around the ring, and gradients
// are added up over the ranks, so that every one of them has the same parameters. Steps and tests are
// then calls that all ranks make at the same time. `ranks` outlives the trainer. FV_USAGE for parts that
// are not carried from rank to rank, and for another number of ranks.
FV_API fv_status fv_trainer_create_rank(const fv_config *config, const fv_ring_transport *ranks,
                                        fv_trainer **trainer, fv_error *error);

// What the ranks have told each other since the trainer was made: what this one has sent, and how long it
// has waited. All 0 without ranks.
typedef struct fv_ranks_report {
    int n_ranks;
    uint64_t bytes_sent;
    double wait_seconds;
} fv_ranks_report;
FV_API fv_ranks_report fv_trainer_ranks(const fv_trainer *trainer);

// Sees that the next step has its data: waits for a custom task (custom_task.h), whose failure comes
// back. Of other tasks they are always there.
FV_API fv_status fv_trainer_prepare(fv_trainer *trainer, fv_error *error);

// Takes one step: fresh data, forward, backward, update. Returns the mean loss over the batch in
// nats, before the update. With `accuracy` not NULL also measures the share of targets that are the
// argmax of their logits, which costs a little more. NAN, and no step, where fv_trainer_prepare fails.
FV_API double fv_trainer_step(fv_trainer *trainer, double *accuracy);

// Draws the sequences of the next step on the calling thread and does nothing else: what the data of a
// step takes. The step is still to be taken, and draws them again.
FV_API void fv_trainer_draw(fv_trainer *trainer);

// Mean loss and accuracy over task.n_test held-out sequences (task.n_test > 0), of the longest
// length that is trained.
FV_API void fv_trainer_test(fv_trainer *trainer, double *loss, double *accuracy);

FV_API int fv_trainer_steps_done(const fv_trainer *trainer);
// The model of the whole task.context_length, whatever lengths are trained. Where train.stages are, that of the
// stage of the last step: another one behind each of them, with the same parameters.
FV_API const fv_model *fv_trainer_model(const fv_trainer *trainer);
FV_API const float *fv_trainer_params(const fv_trainer *trainer); // [n_params]

// The gradient of the mean loss over the batch of the last step, [n_params], as the update used it:
// clipped to clip_norm, and with the L2 penalty of weight_decay for optimizers other than adamw; 0 for what
// train.freeze names, but for that penalty.
FV_API const float *fv_trainer_gradient(const fv_trainer *trainer);

// Operations of one step (forward, backward, update; the mean over training lengths), counted for
// the textbook arrangement that computes only what the loss reads: `flops` (multiply-add = 2) and
// `exps`. `executed_flops` is what this engine's own arrangement needs, which can be less.
typedef struct fv_step_cost {
    double flops, exps, executed_flops;
} fv_step_cost;
FV_API fv_step_cost fv_trainer_cost(const fv_trainer *trainer);

// The same of a checked configuration without training it, and the tokens that a step reads.
FV_API fv_status fv_step_cost_of(const fv_config *config, fv_step_cost *cost, double *tokens,
                                 fv_error *error);

typedef struct fv_run_options {
    int n_threads; // >= 1
    const fv_probe *const *probes;
    int n_probes;
    const volatile int
        *interrupted; // polled at every step; the run ends with FV_INTERRUPTED once set
    // Called at every logged point with the training perplexity; may be NULL.
    void (*on_log)(void *context, int step, double perplexity);
    void *context;
    // NULL, or the ranks that train.context_ranks asks for, all of which make the same call. What one
    // is asked by `interrupted` ends the run on all.
    const fv_ring_transport *ranks;
    fv_ranks_report *ranks_report; // filled where it is not NULL
} fv_run_options;

// Trains the configuration to its end and fills `record` (initialised by the caller) with its
// identity, what computed and measured it, the series loss, perplexity, accuracy (of the training
// batch, before the update of that step), learning_rate, for fixed data and task.n_test > 0 also
// test_loss, test_perplexity, test_accuracy, then the probes' series, and snapshots. Divergence is
// an outcome, not an error.
FV_API fv_status fv_run(const fv_config *config, const fv_run_options *options, fv_record *record,
                        fv_error *error);

// The very batches that a run of the configuration trains on: tokens [n_steps][batch_size][T] and
// targets [n_steps][batch_size][loss positions], -1 for none, of steps first_step and on, as the lab
// would train them. FV_USAGE for steps that there are not and for runs that draw their lengths; fails
// as custom and file tasks do. Of stages (train.stages) those of one shape with the first.
FV_API fv_status fv_training_batches(const fv_config *config, int first_step, int n_steps,
                                     int32_t *tokens, int32_t *targets, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
