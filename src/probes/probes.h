// The probes, once. A new probe is its own file with `fv_status fv_measure_<name>(...)` and one
// line here.
#ifndef FOVEA_PROBES_PROBES_H
#define FOVEA_PROBES_PROBES_H

#include <fovea/probe.h>
#include <stdbool.h>

// X(name, one line of help, what else an experiment needs for it), in the order of `fovea probe`
// and docs/probes.md.
#define FV_PROBE_LIST(X)                                                                           \
    X(effective_dimension,                                                                         \
      "effective dimension of each embedding: exp of the entropy of its PCA explained-variance "   \
      "ratios",                                                                                    \
      "")                                                                                          \
    X(effective_rank,                                                                              \
      "effective rank of W_Q, W_K, W_V, W_O and the circuits QK and OV: exp of the entropy of "    \
      "their normalised squared singular values",                                                  \
      "")                                                                                          \
    X(embedding_norm, "root mean square length of each embedding's rows", "")                      \
    X(attention_mass,                                                                              \
      "mean attention by distance back from the query, at the positions that the loss reads", "")  \
    X(token_groups,                                                                                \
      "number of groups of tokens that the predictions tell apart: exp of the entropy of the "     \
      "groups' shares of the vocabulary",                                                          \
      "")                                                                                          \
    X(neighbours, "distance of consecutive tokens in the embedding, over that of all pairs", "")   \
    X(separation,                                                                                  \
      "positional embeddings along the direction that separates the position to attend to, and "   \
      "the QK circuit's quadratic form along it",                                                  \
      "model: {positions: learned}")                                                               \
    X(current_token, "attention of each head to the query's own position", "")                     \
    X(previous_token, "attention of each head to the position in front of the query", "")          \
    X(duplicate_token, "attention of each head to earlier occurrences of the query's token",       \
      "task: {vocab_size: 4}")                                                                     \
    X(induction,                                                                                   \
      "attention of each head to what followed earlier occurrences of the query's token (prefix "  \
      "matching); on repeated random tokens where the task's sequences repeat none",               \
      "")                                                                                          \
    X(token_loss, "loss by the token that is to be predicted", "")                                 \
    X(position_loss, "loss by the position of the prediction",                                     \
      "task: {name: induction, loss: all}")                                                        \
    X(score_power, "power of each head of harmonic attention that learns it",                      \
      "model: {score: harmonic, score_power_learned: true}")                                       \
    X(swaps, "tokens of a two-dimensional embedding with another neighbour around their circle",   \
      "model: {n_embd: 2}")                                                                        \
    X(needle_grid,                                                                                 \
      "accuracy by length and depth of what the task hides, within the training lengths and "      \
      "beyond",                                                                                    \
      "task: {name: needle, vocab_size: 32, context_length: 32}")

// Lists of probes as records keep them: names in alphabetical order, each once, separated by
// commas. `text` has FV_PROBES_SIZE bytes.
void probes_list(const fv_probe *const *list, int n, char *text);
bool probes_listed(const char *text, const char *name);

// Adds the probes of `more` to `text`, names that this Fovea does not know included.
void probes_unite(char *text, const char *more);

#define FV_PROBE_DECLARE(name, help, needs)                                                        \
    fv_status fv_measure_##name(const fv_model *model, const float *params, int step,              \
                                fv_record *record, fv_error *error);
FV_PROBE_LIST(FV_PROBE_DECLARE)
#undef FV_PROBE_DECLARE

#endif
