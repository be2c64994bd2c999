// The trainings that `fovea bench train` and `bench converged` time.
#ifndef FOVEA_TOOL_TRAIN_CASES_H
#define FOVEA_TOOL_TRAIN_CASES_H

#include <fovea/fields.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct train_case {
    const char *name;
    int vocab_size, n_embd, context_length, n_layers, batch_size;
    bool all_positions; // loss at every position, learned positions
    bool residual;      // with learned positions
    const char *part;   // fields of the model, "n_head=4 n_kv_head=1", or NULL
    int n_head; // 0: one, and attention alone; else a small GPT on induction: an MLP of four
                // times the width behind each attention, RMS norms, relu
} train_case;

extern const train_case train_cases[];
extern const size_t n_train_cases;

fv_config train_case_config(const train_case *c);

#endif
