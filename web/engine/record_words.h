// A record as words of 32 bits, which workers send each other: what training measured, not its
// configuration, which both know by its number in the experiment.
//
//   outcome, steps, n_series, n_params, n_snapshots
//   n_series times:    name (16 words), n, steps [n], values [n]
//   n_snapshots times: step, params [n_params]
#ifndef WEB_ENGINE_RECORD_WORDS_H
#define WEB_ENGINE_RECORD_WORDS_H

#include <fovea/record.h>

// malloc, *n words; NULL without memory.
uint32_t *record_words_pack(const fv_record *record, int *n);

// Into an initialised record; FV_FORMAT for words that pack has not written.
fv_status record_words_unpack(const uint32_t *words, int n, fv_record *record, fv_error *error);

#endif
