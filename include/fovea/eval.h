// Does a model use its context? Questions whose answers stand at a known depth of a long prompt,
// put to models of the lab and to models behind an OpenAI-compatible server, and the table of cells
// that both fill: how often the answer was found at each depth and length, with what certainty, and
// what was said instead. docs/long-context.md is the guide.
#ifndef FOVEA_EVAL_H
#define FOVEA_EVAL_H

#include <fovea/status.h>
#include <stdbool.h>
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

// One cell of a depth x length grid, of one model and task. All answers that count are n, those
// with every expected value are hits.
typedef struct fv_cell {
    char model[96];     // the label of figures: "Mamba, 2 layers", "llama-3.1-8b"
    char task[48];      // "niah_single_1", "kv", ...
    char unit[16];      // what `length` counts: "tokens", "pairs", "documents"
    int length;         // of the whole prompt
    int trained_length; // the longest one that the model was trained on, 0 if not known
    double depth; // percent of the prompt before the answer, 0 to 100; NAN: nowhere in particular
    int n, hits;
    double score; // mean share of the expected values that were found, 0 to 1 (RULER's metric)
    int counts[FV_N_ANSWERS];
} fv_cell;

// A table of cells, in the order of their arrival. Starts as {0}.
typedef struct fv_cells {
    fv_cell *items;
    int n, capacity;
} fv_cells;

// Adds a copy of `cell`, or replaces the one of the same model, task, unit, length and depth.
FV_API fv_status fv_cells_put(fv_cells *cells, const fv_cell *cell, fv_error *error);
FV_API void fv_cells_free(fv_cells *cells);

// Counts one more answer in the cell: n, hits, counts and the running mean of score.
FV_API void fv_cell_count(fv_cell *cell, fv_answer answer, double score);

// The Wilson score interval of hits among n trials (E. B. Wilson, JASA 22, 1927): the shares p for
// which |hits/n - p| <= z sqrt(p (1 - p) / n). z = FV_Z95 gives 95 %. Without trials [0, 1].
#define FV_Z95 1.959963984540054
FV_API void fv_wilson(int hits, int n, double z, double *low, double *high);

// The cell as one line of JSON without its newline: model, task, unit, length, depth (null for
// NAN), n, hits, rate, low, high (95 %), score, trained_length and `answers` {class: count}. The
// caller frees it; NULL without memory.
FV_API char *fv_cell_json(const fv_cell *cell);

// The table `cells` of the SQLite file FOLDER/eval.db (docs/long-context.md has the schema), which
// is made where it does not exist. Saving replaces cells of the same model, task, unit, length and
// depth and keeps all others, so that several commands can fill one folder; loading appends.
// FV_NOT_FOUND where there is nothing to load.
FV_API fv_status fv_cells_save(const char *folder, const fv_cells *cells, fv_error *error);
FV_API fv_status fv_cells_load(const char *folder, fv_cells *cells, fv_error *error);

// Draws the table into `folder`, each as NAME.svg and NAME.png, and writes FOLDER/report.html with
// all of them, intervals and classes on hover, and the cells as a table:
//   map      depth x length heat maps, a panel for each task and model
//   middle   rate over depth with bands of the intervals, a panel for each task and length, a line
//            for each model: the lost-in-the-middle curve
//   lengths  rate over length, all depths together, a panel for each task, a line for each model
// Figures that the table has nothing for are left out. FV_MISSING_PROGRAM without gnuplot.
FV_API fv_status fv_cells_report(const char *folder, const char *title, const fv_cells *cells,
                                 fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
