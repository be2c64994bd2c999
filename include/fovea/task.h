// What is known about a task without training anything: its seed, and losses that no model can beat.
// Both of these are mean cross-entropies per target, in nats, on the data that training draws; measures and the
// reference lines of figures know them as bayes_loss and blind_loss, bayes_perplexity and
// blind_perplexity.
#ifndef FOVEA_TASK_H
#define FOVEA_TASK_H

#include <fovea/fields.h>
#include <fovea/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// The seed of training and held-out data: task.seed, or train.seed where that is -1.
FV_API uint64_t fv_task_seed(const fv_config *config);

// The Bayes-optimal loss: that of a predictor that sees everything in front of the answer and knows
// how sequences are drawn. NAN where it is not known.
FV_API double fv_task_bayes_loss(const fv_task_config *config);

// The lowest loss of a predictor that sees the query and which earlier tokens there are, but not
// where: one attention layer without positions. NAN where it is not known. A causal mask alone
// tells stacks of several layers about positions, so that it does not bound them.
FV_API double fv_task_blind_loss(const fv_task_config *config);

#ifdef __cplusplus
}
#endif
#endif
