// Does a model of the lab find what stands at a given depth of a context of a given length? Asked
// with held-out sequences of its own task, task.depth set.
#ifndef PROBES_RETRIEVAL_H
#define PROBES_RETRIEVAL_H

#include <fovea/decode.h>
#include <fovea/fields.h>
#include <stdbool.h>

enum { FV_RETRIEVAL_LONGEST = 1048576 }; // tokens of a question

// A question is a sequence; its answers are the task's targets in it.
typedef struct probe_retrieval {
    int n;
    int found;      // every answer right
    int part;       // some of several right
    int distractor; // none right; the first is another token of the same half that stands in front
    int wrong;      // something else
    double score;   // mean share of right answers
} probe_retrieval;

// The lengths that training drew from.
int training_longest(const fv_task_config *task);
int training_shortest(const fv_task_config *task);

// What the trained model is asked with in sequences of one length: rotary positions that are stretched
// from the length of the context are so from the trained one, whatever this length.
fv_config config_of_length(const fv_config *config, int length);

// Whether `config`'s model can be asked at this length and depth: FV_USAGE with a sentence for
// tasks that hide nothing, lengths that the task or the table of learned positions does not reach.
fv_status retrieval_check(const fv_config *config, int length, double depth, fv_error *error);

typedef enum retrieval_class {
    RETRIEVAL_FOUND,
    RETRIEVAL_PART,
    RETRIEVAL_DISTRACTOR,
    RETRIEVAL_WRONG
} retrieval_class;

// What came of one question.
typedef struct retrieval_answer {
    uint64_t index; // of its sequence
    int n_tokens, n;
    const int32_t *tokens;          // [n_tokens]
    const int32_t *expected, *said; // [n]
    const double *logprobs;         // [n], of the expected tokens
    retrieval_class class;
    double score; // share of right ones
} retrieval_answer;

// Whoever listens; each may be NULL.
typedef struct retrieval_listener {
    // Told after some hundred tokens how many multiply-adds they took. False ends the reading with
    // FV_INTERRUPTED.
    bool (*watch)(void *context, double operations);
    void (*take)(void *context, const retrieval_answer *answer);
    void *context;
} retrieval_listener;

// Which questions: test sequences `first` and on of `seed`, or such as were drawn before.
typedef struct retrieval_source {
    uint64_t seed, first;
    const int32_t *tokens, *targets; // of question `first` and on: [n][length], [n][n_answers];
                                     // NULL: they are drawn
    int n_answers;
} retrieval_source;

// Asks n questions; `listener` may be NULL. FV_FORMAT where those that were drawn before have
// other numbers of answers than the task. Thread-safe.
fv_status retrieval_ask(const fv_config *config, const float *params, int length, double depth,
                        const retrieval_source *from, int n, const retrieval_listener *listener,
                        probe_retrieval *result, fv_error *error);

// The same questions, one after the other through a decoder (fovea/decode.h), whose memory beside
// its cache does not grow with the length: for prompts whose activations would not fit. `how`
// (but for its n) may be NULL.
fv_status retrieval_read(const fv_config *config, const float *params, int length, double depth,
                         const retrieval_source *from, int n, const fv_decoder_options *how,
                         const retrieval_listener *listener, probe_retrieval *result,
                         fv_error *error);

// The tokens [length] of question `index`.
fv_status retrieval_prompt(const fv_config *config, int length, double depth, uint64_t seed,
                           uint64_t index, int32_t *tokens, fv_error *error);

// Hands n questions, test sequences `first` and on of `seed`, to listener->take without asking
// anybody: nothing was said, and there are no log-probabilities.
fv_status retrieval_draw(const fv_config *config, int length, double depth, uint64_t seed,
                         uint64_t first, int n, const retrieval_listener *listener,
                         fv_error *error);

// The cells that the probe needle_grid measures: training lengths, then longer ones.
enum { FV_GRID_DEPTHS = 11, FV_GRID_LENGTHS = 8, FV_GRID_SAMPLES = 128 };
typedef struct grid_plan {
    int n_lengths, n_trained; // lengths[0 .. n_trained - 1] are within training
    int lengths[FV_GRID_LENGTHS];
    double depths[FV_GRID_DEPTHS];
} grid_plan;
void grid_plan_make(const fv_task_config *task, grid_plan *plan);

// "32[50]": the name of a cell's series behind "needle_grid.".
enum { FV_GRID_NAME = 32 };
void grid_name(int length, double depth, char name[FV_GRID_NAME]);

#endif
