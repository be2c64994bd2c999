// What `fovea bench crossover` has measured, and how it is shown: the benchmark (bench_crossover.c)
// fills it, the views (crossover_view.c) print and draw it.
#ifndef FOVEA_TOOL_CROSSOVER_H
#define FOVEA_TOOL_CROSSOVER_H

#include <fovea/machine.h>
#include <stdbool.h>

// The width of every layer, and what the others look at: 512 keys a query.
enum {
    CROSSOVER_WIDTH = 512,
    CROSSOVER_HEADS = 8,
    CROSSOVER_SEEN = 512,
    CROSSOVER_LOCAL = 192, // of block-sparse attention: window, globals, random blocks of 64
    CROSSOVER_GLOBALS = 128,
    CROSSOVER_RANDOM = 3,
};

// X(name, label, short). The hybrid is the mean of seven Mamba layers and a dense one.
#define CROSSOVER_LAYERS(X)                                                                        \
    X(DENSE, "dense", "dense causal attention")                                                    \
    X(WINDOW, "window", "sliding window of 512")                                                   \
    X(SPARSE, "block-sparse", "window 192, 128 globals, 3 random blocks of 64")                    \
    X(MAMBA, "mamba", "Mamba, 2 x 512 channels, state 16")                                         \
    X(MAMBA2, "mamba2", "Mamba-2, 8 heads of 64 x 128")                                            \
    X(GATED_DELTANET, "gated-deltanet", "gated DeltaNet, 8 heads of 64 x 64")                      \
    X(HYBRID, "hybrid", "mean of seven mamba and one dense")
#define CROSSOVER_ENUM(name, label, about) CROSSOVER_##name,
enum { CROSSOVER_LAYERS(CROSSOVER_ENUM) CROSSOVER_N_LAYERS };
#undef CROSSOVER_ENUM
extern const char *const crossover_names[CROSSOVER_N_LAYERS];

// What is compared, each against the sequence's length: one panel of the figure.
enum {
    CROSSOVER_FORWARD, // seconds of a forward pass
    CROSSOVER_MEMORY,  // bytes held beside the weights
    CROSSOVER_TOKEN,   // seconds of one more token
    CROSSOVER_KEPT,    // bytes that it needs, of those held
    CROSSOVER_N_MEASURES
};

enum { CROSSOVER_SHORTEST = 256, CROSSOVER_LONGEST = 131072, CROSSOVER_MOST = 12 };

typedef struct crossover {
    int n; // lengths measured by every layer
    double length[CROSSOVER_MOST];
    double value[CROSSOVER_N_MEASURES][CROSSOVER_N_LAYERS][CROSSOVER_MOST];
    double limit[CROSSOVER_N_LAYERS]
                [CROSSOVER_MOST];                   // seconds of a forward pass at this core's peak
    int passes[CROSSOVER_N_LAYERS][CROSSOVER_MOST]; // of which the best counts
    fv_limits peak;
} crossover;

// The tables, crossings and verdict as text or JSON Lines; both return an exit code.
int crossover_print(const crossover *c);
int crossover_print_json(const crossover *c);

// crossover.svg and crossover.png in the folder.
fv_status crossover_draw(const crossover *c, const char *folder, fv_error *error);

#endif
