// Which tensor of a checkpoint holds which tensor of a model.
//
// A checkpoint has TransformerLens's names and shapes. There a block is one attention and one MLP,
// so that a list of layers is cut into blocks: an attention begins a block, and so does an MLP that
// follows an MLP. What a block lacks is there as zeros, and adds nothing to the residual stream:
//
//     [attention, attention, mlp]  ->  block 0: attn, (mlp = 0)   block 1: attn, mlp
//
// A model without residual stream is widened. Its L layers become a residual stream of L + 1 parts
// of width d: layer l reads part l and writes part l + 1, which nothing else writes, so that adding
// is replacing. Every matrix of the model stands inside a larger one of zeros:
//
//     W_E [V][(L+1) d]: part 0     W_Q [H][(L+1) d][d_head]: rows of part l
//     W_U [(L+1) d][V]: part L     W_O [H][d_head][(L+1) d]: columns of part l + 1
#ifndef FOVEA_MODEL_CHECKPOINT_MAP_H
#define FOVEA_MODEL_CHECKPOINT_MAP_H

#include <fovea/model.h>

typedef enum checkpoint_source {
    SOURCE_ZEROS,     // TransformerLens has this tensor, the model does not
    SOURCE_PARAMS,    // a tensor of the model
    SOURCE_DERIVED,   // of the model, but stored elsewhere too: the tied unembedding
    SOURCE_POSITIONS, // the table of positions that are not learned
} checkpoint_source;

// One tensor of the file: [heads][rows][columns], of which [heads][n_rows][n_columns] from (row,
// column) on come from the source and the rest is zero. Dimensions that TransformerLens does not
// have are 0 in `heads` and `rows`.
typedef struct checkpoint_entry {
    char name[48];
    checkpoint_source source;
    int heads, rows, columns;
    int row, column, n_rows, n_columns;
    size_t offset, head_stride, row_stride, column_stride; // of the source, in floats
} checkpoint_entry;

typedef struct checkpoint_map {
    int n_blocks;
    int width; // of the residual stream in the file: d, or (L + 1) d
    bool has_mlp;
    // For TransformerLens: heads of keys where they are shared, and what every attention of it has.
    bool theirs, has_qk_norm, has_sinks;
    int kv_heads;
    size_t n, capacity;
    checkpoint_entry *entries;
} checkpoint_map;

// Lists every tensor of the file. `widen` only where there is no obstacle to it.
fv_status checkpoint_map_create(const fv_model *model, bool widen, checkpoint_map *map,
                                fv_error *error);
void checkpoint_map_free(checkpoint_map *map);

// The elements of an entry, and its shape; returns the number of dimensions.
size_t checkpoint_entry_size(const checkpoint_entry *entry);
int checkpoint_entry_shape(const checkpoint_entry *entry, uint64_t shape[3]);

// The numbers of TransformerLens blocks and whether there is any MLP among them.
int checkpoint_blocks(const fv_layers *layers, bool *has_mlp);

#endif
