#include "ring/ring_data.h"

#include "ring/ring_run.h"

#include <math.h>

int64_t ring_part_rows(const ring_part *part) {
    return fv_ring_rows(part->config->layout, part->config->attention.n_key, part->n_ranks,
                        part->rank);
}

static int64_t heads_of(const ring_part *part, int tensor) {
    bool keys = tensor == RING_K || tensor == RING_V || tensor == RING_DK || tensor == RING_DV;
    return keys ? part->config->attention.n_kv_head : part->config->attention.n_head;
}

size_t ring_part_size(const ring_part *part, int tensor) {
    const fv_attention_config *a = &part->config->attention;
    return (size_t)(a->n_batch * heads_of(part, tensor) * ring_part_rows(part) * a->d_head);
}

// splitmix64 (Steele, Lea, Flood, 2014): neighbouring counters give independent words.
static uint64_t mixed(uint64_t counter) {
    uint64_t z = counter * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// The sum of four uniform numbers, scaled: close enough to normal for scores.
static float number(uint64_t counter) {
    uint64_t bits = mixed(counter);
    int sum = 0;
    for (int i = 0; i < 4; i++) sum += (int)(bits >> 16 * i & 0xffff);
    return (float)((sum - 2 * 65535) / (65535 * sqrt(4.0 / 12)));
}

void ring_part_draw(const ring_part *part, int tensor, float *to) {
    const fv_attention_config *a = &part->config->attention;
    int64_t rows = ring_part_rows(part), n_heads = heads_of(part, tensor);
    for (int64_t head = 0; head < a->n_batch * n_heads; head++)
        for (int64_t i = 0; i < rows; i++) {
            int64_t at =
                fv_ring_position(part->config->layout, a->n_key, part->n_ranks, part->rank, i);
            uint64_t first =
                ((uint64_t)(tensor * a->n_batch * n_heads + head) * (uint64_t)a->n_key +
                 (uint64_t)at) *
                (uint64_t)a->d_head;
            for (int64_t f = 0; f < a->d_head; f++)
                *to++ = number(((uint64_t)tensor << 60) + first + (uint64_t)f);
        }
}

double ring_part_distance(const ring_part *part, int tensor, const float *mine,
                          const float *whole) {
    const fv_attention_config *a = &part->config->attention;
    int64_t rows = ring_part_rows(part), n_heads = heads_of(part, tensor);
    double apart = 0;
    for (int64_t head = 0; head < a->n_batch * n_heads; head++)
        for (int64_t i = 0; i < rows; i++, mine += a->d_head) {
            int64_t at =
                fv_ring_position(part->config->layout, a->n_key, part->n_ranks, part->rank, i);
            const float *other = whole + (head * a->n_key + at) * a->d_head;
            for (int64_t f = 0; f < a->d_head; f++) {
                double d = fabs((double)mine[f] - (double)other[f]);
                if (!(d <= apart)) apart = d; // also what is not a number
            }
        }
    return apart;
}
