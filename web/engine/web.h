// What the page calls: the engine as functions of numbers and texts, since that is what crosses from
// JavaScript. One instance of the module is one worker's: one experiment, one run that is shown live,
// and the records that are to be judged.
//
// Texts that come in are UTF-8 and end with a 0 (web_room gives the memory). What is returned as text is
// JSON in one buffer, web_text. A function that can fail returns an
// fv_status, 0 or negative, and leaves its sentence in web_error.
#ifndef WEB_ENGINE_WEB_H
#define WEB_ENGINE_WEB_H

#include "base/text.h"

#include <fovea/experiment.h>

#define WEB_API __attribute__((used, visibility("default")))

// Memory for a text or an array of the caller's, until the next call; NULL where there is none.
WEB_API void *web_room(int size);
WEB_API const char *web_text(void);  // what calls have written since web_forget
WEB_API const char *web_error(void); // why one failed
WEB_API void web_forget(void);

// --- experiments (describe.c) --------------------------------------------------------------------

// {"version", "kernels", "fields": [{key, type, default, lowest, highest, choices, help}], "probes": ...}
WEB_API int web_describe(void);

// Reads an experiment in YAML, which replaces the one before: {"name", "source", "n_runs", "fields": what
// its first run has that is no default, "axes": [{key, values}], "probes", "figures", "claims": [{id,
// statement, measure}], "warnings"}.
WEB_API int web_open(const char *name, const char *yaml);

// The fields of run i of it that are no defaults: {"task.vocab_size": "100", ...}, values as YAML.
WEB_API int web_configuration(int i);

// Whether a measure can be written like this, with what training logs and the probes of the experiment.
WEB_API int web_check_measure(const char *measure);

// --- one model, live (live.c, views.c) -----------------------------------------------------------

// Begins a run of the configuration that `yaml` says (the first run of that experiment). {"steps", "V",
// "T", "d", "H", "n_attention", "n_params", "bayes": perplexity}.
WEB_API int web_begin(const char *yaml);

// Takes up to n steps, or as many as begin before `seconds` are over. {"step", "rate": of the next step, "ended":
// "" or how, "points": [[step, loss, perplexity, accuracy, learning rate], ...]}.
WEB_API int web_steps(int n, double seconds);

// The learning rate from the next step on, as a stage of the run, whatever its later stages said of it.
// {"rate", "stages": train.stages as they are then}.
WEB_API int web_rate(const char *rate);

// Goes back to the last kept state at or before `step`, or looks at it; the state of every step % n == 0 is
// kept, n growing with the run. Stages stay. {"step", "rate"}.
WEB_API int web_rewind(int step);

// What the model is at this step: {"step", "embeddings": {points [V][2], share}, "positions": ...,
// "attention": [{tokens [T], layers: [[[[...]]]]}], "qk": [layers [H][d][d]], "ranks": [[name, value]]}.
// `sequences` says how many; `sequence`, a text of token numbers, is put in front of them.
WEB_API int web_view(int sequences, const char *sequence);

// Puts parameters of a stored run, n bytes of them, where the run's are, to be looked at by web_view; a run
// goes on from its own with web_rewind.
WEB_API int web_place(int step, const float *params, int n);

// The parameters, n_params floats, and 16 digits of a hash of their bits.
WEB_API const float *web_params(void);
WEB_API int web_digest(void);

// --- many models (cells.c) -----------------------------------------------------------------------

// Trains what `yaml` says to its end and evaluates the measure: {"value": number or null, "outcome",
// "steps", "us_per_step", "curve": [[step, perplexity], ...]}. web_record then holds the record.
WEB_API int web_cell(const char *yaml, const char *measure);

// Trains run i of the open experiment; web_record holds its record.
WEB_API int web_train(int i);

// The last record as words of 32 bits, *n of them in web_record_size: what web_give takes in another
// worker.
WEB_API const uint32_t *web_record(void);
WEB_API int web_record_size(void);

// --- claims (judge.c) ----------------------------------------------------------------------------

// Record of run i of the open experiment, as web_record packed it.
WEB_API int web_give(int i, const uint32_t *words, int n);
// Judges once all are there: [{"id", "statement", "published", "measured", "verdict", "note"}].
WEB_API int web_judge(void);

// --- for the files here --------------------------------------------------------------------------

text_buffer *web_begin_text(void);                                // the buffer of web_text, emptied
int web_end_text(void);                                           // 0, or FV_NO_MEMORY
fv_error *web_failure(void);                                      // the buffer of web_error
fv_experiment *web_experiment(void);                              // the open one, or NULL
fv_status web_read(const char *yaml, fv_experiment **experiment); // one that a function is given
void web_close_records(void);                                     // those that judge.c holds

void put_string(text_buffer *out, const char *text); // "..." with what must be escaped
void put_key(text_buffer *out, const char *key);     // "key": , with a comma where one is due
void put_number(text_buffer *out, double value);     // null where it is none
void put_item(text_buffer *out);                     // a comma where one is due

#endif
