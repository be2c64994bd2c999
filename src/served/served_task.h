// The tasks for served models. A task builds the prompt of one sample from its place alone: the
// same place gives the same prompt on every machine, today and when it is asked for again.
#ifndef FOVEA_SERVED_SERVED_TASK_H
#define FOVEA_SERVED_SERVED_TASK_H

#include "served/prompt.h"
#include "served/reading.h"

#include <jansson.h>

// What prompts are built from: haystacks by kind (those that the tasks asked for are built), and
// the user's questions with documents.
typedef enum served_hay {
    EVAL_HAY_NOISE = 1,
    EVAL_HAY_TEXT,         // the user's folder
    EVAL_HAY_NEEDLES,      // word -> number
    EVAL_HAY_UUID_NEEDLES, // uuid -> uuid
    EVAL_HAY_PAIRS,
    EVAL_N_HAYSTACKS,
    EVAL_HAY_NONE = EVAL_N_HAYSTACKS, // words of the task's own
    EVAL_HAY_DOCUMENTS,               // questions with their documents
    EVAL_HAY_READING,                 // SQuAD or HotpotQA
} served_hay;
typedef struct served_source {
    haystack hay[EVAL_N_HAYSTACKS]; // n_units 0: not built
    json_t *documents;              // a list of {question, answers, ctxs}
    uint64_t documents_digest;
    json_t *needles; // a list of {needle, question, answers, distractors}
    uint64_t needles_digest;
    json_t *needle;                       // one of the same form, of the task classic
    reading *readings[READING_N_FORMATS]; // NULL: not read
    char *reading_files[READING_N_FORMATS];
} served_source;

// Needles that users bring.
typedef enum served_needles {
    EVAL_NEEDLES_OWN,  // none: the task has its own
    EVAL_NEEDLES_FILE, // those of a file (told_needles.h)
    EVAL_NEEDLE_TOLD   // one by --needle, --question and --answer, or the task's own
} served_needles;

// How an answer is scored: RULER's string_match_all and string_match_part, lost-in-the-middle's
// best_subspan_em, MRCR's likeness of a text to be repeated.
typedef enum served_metric {
    EVAL_MATCH_ALL,
    EVAL_MATCH_PART,
    EVAL_SUBSPAN,
    EVAL_MRCR // answers: the text, and what it and the reply must begin with
} served_metric;

// What an answer looks like, right or wrong. A reply that runs on to the limit of tokens has been
// given where it has a value of that form, else it was cut off before.
typedef enum served_form {
    EVAL_FORM_LINE,     // any line that has ended
    EVAL_FORM_VALUE,    // a word of the task's kind of values
    EVAL_FORM_VARIABLE, // five capitals
    EVAL_FORM_ITEM,     // "3. otter"
    EVAL_FORM_CODE      // a word of the prompt, six small letters
} served_form;

// Where a sample stands.
typedef struct served_sample_place {
    uint64_t seed;
    int sample;     // from 0
    int length;     // as asked for, in the task's unit
    int n_units;    // of the haystack (words, pairs, documents), which make that length
    double depth;   // percent; NAN: drawn
    served_hay hay; // which haystack
} served_sample_place;

typedef struct served_task served_task;
struct served_task {
    const char *name, *help;
    fv_status (*build)(const served_task *task, const served_source *source,
                       const served_sample_place *place, prompt *p, fv_error *error);
    served_hay hay; // the haystack it asks for
    bool any_hay;   // or another that --haystack names
    served_kind key, value;
    int n_keys, n_values, n_queries;
    bool has_depth;   // one needle, whose depth the place says
    int max_tokens;   // of the answer
    const char *unit; // of lengths: "tokens", "pairs", "documents"
    served_metric metric;
    served_form form;
    int least_units; // of the haystack
    bool distracts;  // other values like the answer stand in the prompt
    double spread;   // share of tokens by which prompts differ, beyond what their haystacks do
    reading_format reading; // of task_reading.c
    served_needles needles;
    bool as_is;        // prompts come from a file, as long as they are
    const char *order; // of documents, where orders are compared: each question is asked once
};

// The tasks, a line each: X(name) for a descriptor served_task_<name>.
// clang-format off
#define SERVED_TASK_LIST(X) \
    X(niah_single_1) \
    X(niah_single_2) \
    X(niah_single_3) \
    X(niah_multikey_1) \
    X(niah_multikey_2) \
    X(niah_multikey_3) \
    X(niah_multivalue) \
    X(niah_multiquery) \
    X(vt) \
    X(cwe) \
    X(fwe) \
    X(qa_1) \
    X(qa_2) \
    X(classic) \
    X(latent) \
    X(mrcr_2) \
    X(mrcr_4) \
    X(mrcr_8) \
    X(kv) \
    X(kv_query_aware) \
    X(qa) \
    X(qa_ends) \
    X(qa_rank) \
    X(qa_shuffled)
// clang-format on
#define EVAL_TASK_DECLARE(name) extern const served_task served_task_##name;
SERVED_TASK_LIST(EVAL_TASK_DECLARE)
#undef EVAL_TASK_DECLARE

// The task of a name; task i and its name, NULL behind the last; FV_USAGE where there is no task of a
// name, or its descriptor lacks a member that nothing works without.
const served_task *served_task_find(const char *name);
const served_task *served_task_at(int i);
const char *served_task_name(int i);
fv_status served_task_check(const char *name, fv_error *error);

// Reads a file of questions with documents: JSON Lines {question, answers: [text],
// ctxs: [{title, text, isgold}]}, as lost-in-the-middle has them.
fv_status served_read_documents(const char *path, json_t **documents, uint64_t *digest,
                                fv_error *error);

// Whether the task's lengths are tokens, which its haystack is cut to.
bool served_task_fits(const served_task *task);

// RULER's depths: n of 40 values from 0 to 100, each at most once.
enum { SERVED_MOST_DRAWN = 40 };
void served_draw_depths(random_source *random, int n, double *depths);

// The random numbers of a sample: of its task, length, depth and number.
void served_place_random(const served_task *task, const served_sample_place *place,
                         random_source *random);

#endif
