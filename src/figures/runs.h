// Which runs a figure draws and where: filtered by `where` and `seed`, split into panels and
// colours by configuration fields, titled by what a reader must know about them.
#ifndef FOVEA_FIGURES_RUNS_H
#define FOVEA_FIGURES_RUNS_H

#include "figures/kind.h"

// The runs split by the values of some fields, in the order in which the values appear.
typedef struct figure_partition {
    const fv_field **fields;
    int n_fields;
    int n;      // groups
    int *group; // [runs.n]
    int *first; // [n]: a run of each group
} figure_partition;

// Keeps of view->runs what the options `where` and `seed` select. Fails with FV_USAGE where that is
// nothing.
fv_status runs_select(figure_view *view, fv_error *error);

// Splits by the fields of the option `key`. Where that option is not given: by every field that
// differs between runs, but train.seed and the fields of the `taken` partitions; or, with
// `otherwise_none`, not at all.
fv_status runs_split(const figure_view *view, const char *key, bool otherwise_none,
                     const figure_partition *const *taken, int n_taken, figure_partition *partition,
                     fv_error *error);

// Leaves the fields of `other` to it: what tells panels apart need not tell lines within one apart.
void runs_leave(const figure_view *view, const figure_partition *other,
                figure_partition *partition);

// Fails with FV_USAGE where two runs fall together in all `partitions` and yet differ in more than
// their seed: a figure that hides such a difference would mislead.
fv_status runs_check_alike(const figure_view *view, const figure_partition *const *partitions,
                           int n_partitions, fv_error *error);

// Fails with FV_USAGE where all runs of the experiment, selected or not, have one value of the
// field, or of each of the fields, that the option `key` puts along an axis: what the figure is
// about is not in its file.
fv_status runs_check_swept(const figure_view *view, const char *key, fv_error *error);

// Which of the record's snapshots, of which it has some, is nearest to a step; the later one of two.
int runs_snapshot(const fv_record *record, double step);

// "V = 100, d = 2, C = 4, lr = 0.1": the three fields that every setting is known by, and those of
// the partition, less those of `without` (may be NULL). In scratch memory, or NULL.
char *runs_title(const figure_view *view, int run, const figure_partition *partition,
                 const figure_partition *without);

// "d = 10": the partition's fields alone, as far as they tell its groups apart.
char *runs_label(const figure_view *view, int run, const figure_partition *partition);

// "V" for task.vocab_size; a field without a usual letter gives its key's last part.
const char *field_short(const fv_field *field);

// "n_embd, d": the name of an axis along the field. The name alone without memory.
const char *field_label(figure_scratch *scratch, const fv_field *field);

// An expression over fields with their short names: "V / 2". In scratch memory, or NULL.
char *expression_short(figure_scratch *scratch, const char *expression);

// The same as one side of an operator: in parentheses, unless it is a single name, number or call.
char *expression_operand(figure_scratch *scratch, const char *expression);

// "effective rank W_Q" for "effective_rank.blocks.0.attn.W_Q". In scratch memory, or NULL.
char *series_label(figure_scratch *scratch, const char *series);

#endif
