// Models of the lab asked what they find in their context: cells of depth and length, counted in
// tokens, on held-out sequences of the model's own task (needle, needle_multi, kv_retrieval or
// position). The cells are those that served models fill (eval.h), so that one figure shows both.
#ifndef FOVEA_OWN_H
#define FOVEA_OWN_H

#include <fovea/compare.h>
#include <fovea/decode.h>
#include <fovea/eval.h>
#include <fovea/fields.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FV_OWN_MOST = 64 };         // lengths, and depths
enum { FV_OWN_LONGEST = 1048576 }; // tokens

// The questions of a frozen set of sequences, read from its file.
typedef struct fv_own_set fv_own_set;

// Where asking stands. Time left is guessed from the multiply-adds that are left.
typedef struct fv_own_progress {
    int n_done, n_all;            // cells
    double share;                 // of the work, 0 to 1
    double seconds, seconds_left; // the latter negative while unknown
} fv_own_progress;

typedef struct fv_own_plan {
    int n_lengths, n_depths;
    int lengths[FV_OWN_MOST];
    double depths[FV_OWN_MOST]; // 0 to 100
    int n_samples;              // of each cell
    double width;               // 0, or: samples are added until the 95 % interval is no wider
    int most_samples;           // then no more than these
    uint64_t seed;              // of the sequences; training never draws them
    int n_threads;              // the result does not depend on it
    const char *folder;         // NULL, or: every answer is stored in its eval.db
    const fv_own_set *set;      // NULL, or: its sequences are asked, none is drawn; fv_own_set_use
    fv_decoder_keep keep;       // all 0, or: the decoder reads every prompt, and keeps these keys
    const volatile int *interrupted;
    // NULL, or called some times a second, by one thread at a time.
    void (*on_progress)(void *context, const fv_own_progress *progress);
    void *context;
} fv_own_plan;

// The usual plans. For a map: eight lengths from the shortest that the model was trained on to
// those beyond its training, up to twice the longest (learned positions: up to context_length), and
// depths in steps of 10. For the middle: depths in steps of 5 at the longest training length.
FV_API void fv_own_plan_map(const fv_config *config, fv_own_plan *plan);
FV_API void fv_own_plan_middle(const fv_config *config, fv_own_plan *plan);

// Whether the model can be asked all of it: FV_USAGE with a sentence where not.
FV_API fv_status fv_own_check(const fv_config *config, const fv_own_plan *plan, fv_error *error);

// Asks the model with these parameters: sixteen sequences at a time by its own forward pass, those
// of 4096 tokens and more one at a time by the decoder (decode.h), which needs memory for a cache
// or a state alone. Puts a cell for every length and depth, `label` naming the model. An answer
// that is another token of the context counts as a distractor. A cell has the same sequences in
// every plan of the same seed. With a folder, which must exist, answers are kept there under the
// label: FV_USAGE where those of the label are another model's, FV_STORE while another process
// writes there. FV_INTERRUPTED leaves `cells` and the folder as they were.
FV_API fv_status fv_own_measure(const fv_config *config, const float *params, const char *label,
                                const fv_own_plan *plan, fv_cells *cells, fv_error *error);

// The seed with which the model of the lab under `label` was asked last into FOLDER/eval.db;
// FV_NOT_FOUND where there is none.
FV_API fv_status fv_own_seed(const char *folder, const char *label, uint64_t *seed,
                             fv_error *error);

// Compares what is stored in the plan's folder under `label` with what is under `first` ([0] of
// the comparison): answers to the plan's questions with its seed, of the same task and tokens.
// fv_comparison_free frees it, after failure too.
FV_API fv_status fv_own_compare(const fv_config *config, const fv_own_plan *plan, const char *label,
                                const char *first, fv_comparison *comparison, fv_error *error);

// --- frozen sets -------------------------------------------------------------------------------

// Writes the sequences that the plan would ask into `path`, with their answers, lengths, depths, the
// task's fields and a hash, packed with gzip unless its name ends in .jsonl (src/eval/own_set.h has
// the form). The same plan gives the same bytes. FV_USAGE with a width: a set has n_samples a cell.
FV_API fv_status fv_own_freeze(const fv_config *config, const fv_own_plan *plan, const char *path,
                               fv_frozen *made, fv_error *error);

// Reads such a file. FV_FORMAT where it is not what was frozen, FV_USAGE for a set of texts, which
// served models are asked. fv_own_set_free frees it (NULL: nothing).
FV_API fv_status fv_own_set_read(const char *path, fv_own_set **set, fv_error *error);
FV_API void fv_own_set_free(fv_own_set *set);

// Puts the set's task into `config`, and its lengths, depths, seed and number of samples, if the
// plan has more, into the plan, which keeps `set`. FV_USAGE where the model has another vocabulary.
FV_API fv_status fv_own_set_use(const fv_own_set *set, fv_config *config, fv_own_plan *plan,
                                fv_error *error);

// The tokens of a flip's question with blanks between them. The caller frees it.
FV_API fv_status fv_own_flip_prompt(const fv_config *config, const fv_own_plan *plan,
                                    const fv_comparison *comparison, const fv_flip *flip,
                                    char **prompt, fv_error *error);

// A name for the model's architecture: "2 x attention, learned positions", for figures that show
// several. As long as it has to be, at most 96 characters with the end.
FV_API void fv_own_label(const fv_config *config, char label[96]);

#ifdef __cplusplus
}
#endif
#endif
