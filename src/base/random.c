#include "base/random.h"

#include <math.h>

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void random_init(random_source *random, uint64_t seed, random_stream stream, uint32_t step,
                 uint32_t sample) {
    *random = (random_source){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                              .counter = {sample, 0, step, (uint32_t)stream},
                              .used = 4};
}

uint32_t random_u32(random_source *random) {
    if (random->used == 4) {
        random_philox(random->counter, random->key, random->words);
        random->counter[1]++;
        random->used = 0;
    }
    return random->words[random->used++];
}

uint32_t random_below(random_source *random, uint32_t n) {
    return (uint32_t)(((uint64_t)random_u32(random) * n) >> 32);
}

double random_uniform(random_source *random) {
    return ((double)random_u32(random) + 0.5) * 0x1p-32;
}

double random_normal(random_source *random) {
    double radius = sqrt(-2 * log(random_uniform(random)));
    return radius * cos(6.283185307179586 * random_uniform(random));
}
