// Does a model use its context? Questions whose answers stand at a known depth of a long prompt,
// put to models of the lab and to models behind an OpenAI-compatible server, and the table of cells
// that both fill: how often the answer was found at each depth and length, with what certainty, and
// what was said instead. docs/long-context.md is the guide.
#ifndef FOVEA_EVAL_H
#define FOVEA_EVAL_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What came of one question. The last two are no answers: they count neither as hits nor as misses,
// and the next call asks again.
// name, text
#define FV_ANSWER_LIST(X)                                                                          \
    X(FOUND, "found")           /* every expected value */                                         \
    X(PART, "part")             /* some of several expected values */                              \
    X(DISTRACTOR, "distractor") /* a value that stands elsewhere in the prompt */                  \
    X(WRONG, "wrong")           /* something else */                                               \
    X(REFUSAL, "refusal")       /* says that it cannot, or that nothing is there */                \
    X(EMPTY, "empty")           /* nothing */                                                      \
    X(CUT, "cut off")           /* ended by the limit of new tokens before the value came */       \
    X(LOOPING, "looping")       /* repeated itself until that limit */                             \
    X(TRUNCATED, "truncated")   /* the server read less than it was sent */                        \
    X(ERROR, "error")           /* no usable reply */

typedef enum fv_answer {
#define FV_ANSWER_ENUM(name, text) FV_ANSWER_##name,
    FV_ANSWER_LIST(FV_ANSWER_ENUM)
#undef FV_ANSWER_ENUM
        FV_N_ANSWERS
} fv_answer;

FV_API const char *fv_answer_text(fv_answer answer);
FV_API bool fv_answer_counts(fv_answer answer); // false for TRUNCATED and ERROR

// How fast the answers of a cell came: medians of those of which it is known; 0 where of none.
typedef struct fv_speed {
    double first_token; // seconds from the request to its first token
    double prefill;     // tokens a second of the prompt, but for those that the server had before
    double decode;      // tokens a second of the answer, behind its first
    char by[20];        // what both rates are from: "timings", llama.cpp's own, "stream", when the
                        // pieces of a streamed answer came, or "timings, stream"; ""
} fv_speed;

// One cell of a depth x length grid, of one model and task. All answers that count are n, those
// with every expected value are hits.
typedef struct fv_cell {
    char model[240];    // the label of figures: "Mamba, 2 layers", "llama-3.1-8b"
    char task[48];      // "niah_single_1", "kv", ...
    char unit[16];      // what `length` counts: "tokens", "pairs", "documents"
    int length;         // of the whole prompt
    int trained_length; // the longest one that the model was trained on, 0 if not known
    double depth; // percent of the prompt before the answer, 0 to 100; NAN: nowhere in particular
    int n, hits;
    double score; // mean share of the expected values that were found, 0 to 1 (RULER's metric)
    int counts[FV_N_ANSWERS];
    char settings[128]; // what was asked otherwise than usual: "completions, max_tokens 512"; ""
    fv_speed speed;
    double thought_tokens; // of an answer, mean; 0 where not known
} fv_cell;

// The settings of cells of served models that were stored before it was noted who answered.
#define FV_SETTINGS_UNKNOWN "server unknown"

// A table of cells, in the order of their arrival. Starts as {0}.
typedef struct fv_cells {
    fv_cell *items;
    int n, capacity;
} fv_cells;

// Adds a copy of `cell`, or replaces the one of the same model, settings, task, unit, length and
// depth.
FV_API fv_status fv_cells_put(fv_cells *cells, const fv_cell *cell, fv_error *error);
FV_API void fv_cells_free(fv_cells *cells);

// The cell of the same model, settings, task, unit, length and depth as `place`, or NULL.
FV_API const fv_cell *fv_cells_find(const fv_cells *cells, const fv_cell *place);

// How many questions of the cell were asked: n, and those whose answers do not count.
FV_API int fv_cell_asked(const fv_cell *cell);

// Counts one more answer in the cell: n, hits, counts and the running mean of score.
FV_API void fv_cell_count(fv_cell *cell, fv_answer answer, double score);

// Writes what was answered but for what was found, "wrong 2, refusal 1"; "" for nothing else. 160
// bytes hold it.
FV_API void fv_cell_otherwise(const fv_cell *cell, char *text, size_t size);

// The Wilson score interval of hits among n trials (E. B. Wilson, JASA 22, 1927): the shares p for
// which |hits/n - p| <= z sqrt(p (1 - p) / n). z = FV_Z95 gives 95 %. Without trials [0, 1].
#define FV_Z95 1.959963984540054
FV_API void fv_wilson(int hits, int n, double z, double *low, double *high);

// The cell as one line of JSON without its newline: model, task, unit, length, depth (null for
// NAN), asked, n, hits, rate, low, high (95 %), score, trained_length, `answers` {class: count},
// settings, and first_token, prefill, decode, timed_by and thought_tokens (null where not known). The caller frees it; NULL without memory.
FV_API char *fv_cell_json(const fv_cell *cell);

// The table `cells` of the SQLite file FOLDER/eval.db (docs/long-context.md has the schema), which
// is made where it does not exist, with its folder. Saving replaces cells of the same model,
// settings, task, unit, length and depth and keeps all others, so that several commands can fill
// one folder; loading appends. FV_NOT_FOUND where there is nothing to load.
FV_API fv_status fv_cells_save(const char *folder, const fv_cells *cells, fv_error *error);
FV_API fv_status fv_cells_load(const char *folder, fv_cells *cells, fv_error *error);

// Every row of FOLDER/eval.db against its digest, its tables against the number of their rows and
// their combined digest, and SQLite's own check: calls `say` with a sentence about whatever is
// wrong; *n_rows counts the rows that have digests. Loading does this for the rows it reads and
// fails with FV_STORE.
typedef void (*fv_eval_say)(void *context, const char *text);
FV_API fv_status fv_eval_check(const char *folder, fv_eval_say say, void *context, int *n_rows,
                               fv_error *error);

// The same before something is added: damaged rows are moved into the table `damaged` and indexes
// made anew, so that what is missing can be asked again. Does nothing where there is no file.
FV_API fv_status fv_eval_mend(const char *folder, fv_eval_say say, void *context, fv_error *error);

// Draws the table into `folder`, each as NAME.svg and NAME.png, and writes FOLDER/report.html with
// all of them, intervals and classes on hover, and the cells as a table:
//   map      depth x length heat maps, a panel for each task and model
//   middle   rate over depth with bands of the intervals, a panel for each task and length, a line
//            for each model: the lost-in-the-middle curve
//   together the same of models that were asked different things, of the lab and served, in one
//            panel: each at the longest length that it was trained on, or was asked at
//   lengths  rate over length, all depths together, a panel for each task, a line for each model
// A model whose cells have several settings, or are of an unknown server, stands there once for
// each of them. Figures that the table has nothing for are left out. FV_MISSING_PROGRAM without
// gnuplot.
FV_API fv_status fv_cells_report(const char *folder, const char *title, const fv_cells *cells,
                                 fv_error *error);

// The same; *remark becomes what a reader should be told of the pictures, such as characters that
// no font has, or NULL. The caller frees it.
FV_API fv_status fv_cells_draw(const char *folder, const char *title, const fv_cells *cells,
                               char **remark, fv_error *error);

// --- served models -----------------------------------------------------------------------------

// What to ask a server. Texts and arrays are the caller's and live as long as the fv_served.
typedef struct fv_served_options {
    const char *folder; // of eval.db
    const char *
        endpoint; // "http://localhost:8000", ".../v1", ".../v1/chat/completions?x=y"; NULL: nothing is asked, only built
    const char *const *more_endpoints; // of the same model, which share the work
    int n_more_endpoints;
    const char *command; // that started the server: whose answers they are, whatever its port is;
                         // NULL where the address says it
    const char *model;   // as the server calls it
    const char *label;   // what answers are kept under in eval.db, and what figures call the model;
                         // NULL: the model and the address, "llama at localhost:8000"
    const char *api;     // "chat" or "completions"
    const char *key;     // sent as a bearer token, stored nowhere; NULL for none
    const char *const *headers; // more lines "NAME: VALUE" of every request
    int n_headers;
    const char *const *secrets; // texts in them that are neither stored nor printed
    int n_secrets;
    const char *cacert; // a file of certificates that https servers are checked by; NULL: the usual
    const char *thoughts;   // one more pair of marks around a thought, "OPEN,CLOSE"; NULL for none
    const char *extra;      // a JSON object of more members of every request; NULL for none
    const char *prompts_of; // NULL, or a label in eval.db: its prompts are asked, to the byte, and
                            // nothing that it has not answered
    bool logprobs;   // log-probabilities are asked for, and those of the expected answers stored,
                     // of servers that tell them
    bool same_model; // stored answers of the label are of this model, though of another address
                     // or another name
    bool reuse_unknown; // answers count that were stored before it was noted who answered

    const char *const *tasks; // fv_eval_task_name
    int n_tasks;
    const int *lengths; // in the tasks' unit
    int n_lengths;
    const double *depths; // percent, for tasks with a depth
    int n_depths;
    const char *haystack;  // NULL: each task's own; "noise", "needle", or a folder of text files
    const char *documents; // a JSON Lines file for the task qa; for qa_1 and qa_2 SQuAD's and
                           // HotpotQA's, or a folder of squad.json and hotpotqa.json
    const char *needles;   // a JSON Lines file {needle, question, answers, distractors} for latent
    const char *needle, *question, *answer; // in place of those of the task classic: what is
                                            // hidden, what is asked, and what must stand in the
                                            // reply, texts with bars between them; {key} and
                                            // {value} are drawn. NULL: its own
    const char *questions; // NULL, or a data file of RULER or a folder TASK/validation.jsonl of
                           // them, rows of MRCR, chats or a frozen set: asked as they are in place
                           // of tasks, lengths and depths
    uint64_t seed;
    int max_tokens; // of an answer; 0: each task's own

    int samples;       // of each cell; of `questions` at most these, 0: all
    double interval;   // 0, or: asks until the 95 % interval is at most this wide, or `samples`
    int in_flight;     // requests at once, of each endpoint
    const int *loads;  // [n_loads] requests at once, one after the other: everything is asked under
    int n_loads;       // each of them, and its cells stand apart; 0: as `in_flight` has it
    int retries;       // tries of a request after the first
    double timeout;    // seconds for one try
    double retry_wait; // seconds before the second try; doubles with every further one

    const volatile int *interrupted;
    // Called some times a second while questions are asked.
    void (*on_progress)(void *context, int n_done, int n_failed, int n_all, double seconds,
                        double seconds_left);
    // Called with a sentence about what is waited for: a server that loads its model,
    // or that asks for a pause (Retry-After). May be NULL.
    void (*on_note)(void *context, const char *text);
    void *context;
    bool dry;         // writes nothing and asks nothing but lengths
    bool stored_only; // no server is there, nor needed: fv_served_stored has said so
} fv_served_options;

typedef struct fv_served fv_served;

// The names of all tasks, one line about each, and the unit of their lengths; NULL past the last.
FV_API const char *fv_eval_task_name(int i);
FV_API const char *fv_eval_task_help(int i);
FV_API const char *fv_eval_task_unit(int i);
FV_API bool fv_eval_task_has_depth(int i); // whether its answer stands at one depth

// Checks the options, reads or builds the haystacks, opens eval.db and finds, where answers are
// missing, how much fills each length in the server's own tokens. A server that is not ready yet is
// waited for, for `timeout` seconds. A length that a task has no prompt of is left out (a fault);
// FV_USAGE where that leaves nothing. FV_USAGE, FV_FORMAT, FV_NOT_FOUND for what the caller can put
// right, such as a label whose answers are of another address or model; FV_IO where no server
// answers; FV_STORE while another process asks into the same folder. Not thread-safe.
FV_API fv_status fv_served_open(const fv_served_options *options, fv_served **served,
                                fv_error *error);
FV_API void fv_served_close(fv_served *served);

// Whether everything that the options ask for is answered already, so that no server is needed;
// nothing is asked. Fails as fv_served_open does before it asks.
FV_API fv_status fv_served_stored(const fv_served_options *options, bool *all, fv_error *error);

// What a call of fv_served_ask will do.
typedef struct fv_served_plan {
    int n_cells;
    int n_requests;       // to be asked; with an interval at most
    int n_stored;         // answered by earlier calls
    int n_unknown;        // of the requests, those that have an answer of an unknown server
    double prompt_tokens; // of the requests
    double shared_tokens; // of these, the ones that repeat the beginning of an earlier prompt
    double answer_tokens; // at most
    double seconds;       // by the speed of stored answers; negative while there are none
    int context;          // of the server, in tokens; 0 where it does not say
    int n_beyond;         // of the requests, those at lengths above the context
    int in_flight;        // requests at once: fewer than wanted where descriptors are few
    int idle_load;        // the largest load with requests, but fewer than itself; 0: none
    const char *counted;  // how tokens are counted: "vllm", "llama.cpp", "llama-cpp", or estimated:
                          // "usage", "estimate"; "" where nothing is to be asked
    bool estimated;       // lengths are estimates with 5 % to spare, not counts
} fv_served_plan;
FV_API void fv_served_plan_make(const fv_served *served, fv_served_plan *plan);

// Asks everything that is missing, in an order that lets the server reuse prefixes: the same
// haystack, its needle moving from deep to shallow. Every answer is stored as it comes: after a
// kill only the requests that were in flight are asked again. FV_INTERRUPTED when told to stop;
// failed requests are no failure of the call.
FV_API fv_status fv_served_ask(fv_served *served, fv_error *error);

// The cells from everything stored that counts; they are added to `cells`. Cell i of the first call
// is that of fv_served_provenance_of.
FV_API fv_status fv_served_cells(fv_served *served, fv_cells *cells, fv_error *error);

// The cells of the same places from answers of unknown servers, whether they count or not; those
// that have any are added to `cells`.
FV_API fv_status fv_served_unknown(fv_served *served, fv_cells *cells, fv_error *error);

// Where the answers of a cell come from. Texts live as long as the fv_served.
typedef struct fv_served_provenance {
    const char *label, *endpoint; // several with commas
    const char *server;           // its name and version, NULL where it does not tell
    const char *model;            // as requests name it
    const char *sampling, *extra; // JSON objects
    int max_tokens;               // as sent; 0: not at all
    int n_unknown;                // answers of unknown servers that were counted
    int load;                     // of the options' loads; 0 where there are none
} fv_served_provenance;

// False past the last cell.
FV_API bool fv_served_provenance_of(const fv_served *served, int cell,
                                    fv_served_provenance *provenance);

// What failed, by kind: `n` questions, with what the server said to the last of them. `unasked`
// questions were left out after that failure, as no better end was in sight.
typedef struct fv_served_fault {
    char kind[48], note[256];
    int n, unasked;
    bool lasting; // the same call leaves them out again
} fv_served_fault;
FV_API const fv_served_fault *fv_served_faults(const fv_served *served, int *n);

// A stored question and its prompt, built again from its row.
typedef struct fv_shown {
    char *prompt;  // as it was sent
    char *system;  // the system message, or NULL
    char *summary; // one line a fact: where, what was expected, what came of it
    bool same;     // whether the prompt is the one that was asked, by its fingerprint
} fv_shown;
FV_API fv_status fv_served_show(const char *folder, int64_t row, fv_shown *shown, fv_error *error);
FV_API void fv_shown_free(fv_shown *shown);

// --- frozen sets -------------------------------------------------------------------------------

typedef struct fv_frozen {
    int n;         // questions
    char hash[33]; // of the set: XXH3, 128 bits
} fv_frozen;

// Writes the prompts that the options would ask into `path`, packed with gzip unless its name ends
// in .jsonl: what is asked with `questions` everywhere, byte for byte, with its depths and lengths.
// Tokens are counted by the endpoint, or estimated without one. The same options and counts give
// the same bytes. Where a task has no prompt of a length, all others are written and FV_USAGE says
// which is missing.
FV_API fv_status fv_served_freeze(const fv_served_options *options, const char *path,
                                  fv_frozen *made, fv_error *error);

// --- RULER's files -----------------------------------------------------------------------------

// Writes FOLDER/LENGTH/TASK/validation.jsonl with `samples` lines {index, input, outputs, length,
// length_w_model_temp, answer_prefix} for every task and length of the options, whose needles
// stand at random depths as in RULER. Tokens are counted by the endpoint, or estimated without one
// (with 5 % to spare). Where a task has no prompt of a length, all others are written and FV_USAGE
// says which is missing.
FV_API fv_status fv_ruler_write(const fv_served_options *options, const char *folder,
                                fv_error *error);

// Writes the stored answers as RULER's client does: FOLDER/LENGTH/TASK.jsonl, of `questions`
// FOLDER/TASK.jsonl, with lines {index, pred, input, outputs, others, truncation, length}.
FV_API fv_status fv_ruler_predictions(fv_served *served, const char *folder, fv_error *error);

// The score of one file of predictions, by RULER's own metric of the task that the file's name
// begins with: qa string_match_part, all others string_match_all. Rows of MRCR that have a
// `response` are scored by its metric.
typedef struct fv_ruler_score {
    char task[64];
    double score; // 0 to 100, to two digits; of MRCR not rounded
    int n, nulls; // lines, and those with an empty prediction
} fv_ruler_score;

// Scores TASK.jsonl, or every TASK.jsonl of a folder, whose summary.csv is written as RULER's
// scorer does where `summary` is set. The caller frees *scores.
FV_API fv_status fv_ruler_score_files(const char *path, bool summary, fv_ruler_score **scores,
                                      int *n, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
