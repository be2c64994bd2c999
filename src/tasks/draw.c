#include "tasks/draw.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

fv_status weights_create(int n, double (*weight)(const void *context, int i), const void *context,
                         task_weights *weights) {
    *weights = (task_weights){.n = n, .cumulative = malloc((size_t)n * sizeof(double))};
    weights->shares = malloc((size_t)n * sizeof(double));
    if (weights->cumulative == NULL || weights->shares == NULL) {
        weights_free(weights);
        return FV_NO_MEMORY;
    }
    double sum = 0, below = 0;
    for (int i = 0; i < n; i++) sum += weights->shares[i] = weight(context, i);
    for (int i = 0; i < n; i++) {
        below += weights->shares[i] /= sum;
        weights->cumulative[i] = below;
    }
    return FV_OK;
}

void weights_free(task_weights *weights) {
    free(weights->cumulative);
    free(weights->shares);
    *weights = (task_weights){0};
}

// Not a difference of cumulative weights: beside a sum near 1 a small share cancels to 0.
double weights_share(const task_weights *weights, int i) {
    return weights->shares == NULL ? 1.0 / weights->n : weights->shares[i];
}

int weights_draw(const task_weights *weights, random_source *random) {
    if (weights->cumulative == NULL) return (int)random_below(random, (uint32_t)weights->n);
    double u = random_uniform(random);
    int low = 0, high = weights->n - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (weights->cumulative[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The first n steps of Fisher and Yates' shuffle.
static void shuffle(random_source *random, int pool, int n, int32_t *out, int stride) {
    uint16_t values[FV_DENSE_POOL];
    for (int i = 0; i < pool; i++) values[i] = (uint16_t)i;
    for (int i = 0; i < n; i++) {
        int k = i + (int)random_below(random, (uint32_t)(pool - i));
        uint16_t value = values[k];
        values[k] = values[i];
        out[(size_t)i * stride] = value;
    }
}

// Draws again what has been drawn before; a hash table at most half full remembers it.
static void reject(random_source *random, int pool, int n, int32_t *out, int stride) {
    int32_t seen[2 * FV_MOST_DISTINCT]; // value + 1, 0 for an empty place
    uint32_t mask = 1;
    while (mask < 2 * (uint32_t)n) mask *= 2;
    memset(seen, 0, mask * sizeof *seen);
    mask--;
    for (int i = 0; i < n;) {
        int32_t value = (int32_t)random_below(random, (uint32_t)pool);
        uint32_t place = ((uint32_t)value * 0x9E3779B9u >> 7) & mask;
        while (seen[place] != 0 && seen[place] != value + 1) place = (place + 1) & mask;
        if (seen[place] != 0) continue;
        seen[place] = value + 1;
        out[(size_t)i++ * stride] = value;
    }
}

void draw_distinct(random_source *random, int pool, int n, int32_t *out, int stride) {
    assert(n <= pool && (pool <= FV_DENSE_POOL || n <= FV_MOST_DISTINCT));
    if (pool <= FV_DENSE_POOL)
        shuffle(random, pool, n, out, stride);
    else
        reject(random, pool, n, out, stride);
}
