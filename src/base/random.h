// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number is a function of (seed, stream, step, sample, block), so that data
// do not depend on batch tiles, threads or ranks, and no two uses ever share numbers.
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

typedef enum random_stream {
    FV_STREAM_INIT,   // initial parameters
    FV_STREAM_TRAIN,  // training sequences
    FV_STREAM_TEST,   // held-out sequences
    FV_STREAM_SWEEP,  // configurations of a sampled sweep
    FV_STREAM_LENGTH, // the length of each training step's sequences
    FV_STREAM_RULE,   // what a task itself is drawn from: task.rule_seed
} random_stream;

// The four words of a counter under a key: Philox4x32 with ten rounds.
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// A sequence of numbers for one (seed, stream, step, sample).
typedef struct random_source {
    uint32_t key[2], counter[4];
    uint32_t words[4];
    int used; // of words; 4 asks for the next block
} random_source;

void random_init(random_source *random, uint64_t seed, random_stream stream, uint32_t step,
                 uint32_t sample);
uint32_t random_u32(random_source *random);
uint32_t random_below(random_source *random, uint32_t n); // uniform on [0, n), by multiplication
double random_uniform(random_source *random);             // on (0, 1)
double random_normal(random_source *random);              // mean 0, variance 1 (Box-Muller)

#endif
