// Attention over one long sequence through libfovea: a causal window with sinks, forward, backward,
// and the newest query again from a cache of keys. Build it against an installed Fovea:
//
//     cc attention.c $(pkg-config --cflags --libs fovea) -lm -o attention && ./attention
//
// or with the CMakeLists.txt beside it.
#include <fovea/attention.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POSITIONS = 8192, HEADS = 4, KV_HEADS = 2, WIDTH = 64 };

static float *numbers(size_t n) {
    float *x = (float *)malloc(n * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = sinf((float)i * 0.37f);
    return x;
}

int main(void) {
    fv_attention_config config;
    fv_attention_config_init(&config); // causal
    config.n_query = config.n_key = POSITIONS;
    config.n_head = HEADS;
    config.n_kv_head = KV_HEADS;
    config.d_head = WIDTH;
    config.mask.window = 512;
    config.mask.sinks = 4;

    fv_attention *attention = NULL;
    fv_error error;
    if (fv_attention_create(&config, &attention, &error) != FV_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    size_t n_q = (size_t)HEADS * POSITIONS * WIDTH, n_kv = (size_t)KV_HEADS * POSITIONS * WIDTH;
    size_t rows = (size_t)HEADS * POSITIONS, last_row = (size_t)(POSITIONS - 1) * WIDTH;
    float *q = numbers(n_q), *k = numbers(n_kv), *v = numbers(n_kv), *d_o = numbers(n_q);
    float *o = numbers(n_q), *log_sum = numbers(rows);
    float *dq = numbers(n_q), *dk = numbers(n_kv), *dv = numbers(n_kv);
    float last[HEADS * WIDTH], newest[HEADS * WIDTH];
    if (!q || !k || !v || !d_o || !o || !log_sum || !dq || !dk || !dv) return 1;

    if (fv_attention_forward(attention, q, k, v, o, log_sum, &error) ||
        fv_attention_backward(attention, q, k, v, o, log_sum, d_o, dq, dk, dv, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (int h = 0; h < HEADS; h++)
        for (int f = 0; f < WIDTH; f++)
            last[h * WIDTH + f] = q[(size_t)h * POSITIONS * WIDTH + last_row + (size_t)f];
    if (fv_attention_decode(attention, POSITIONS, last, k, v, newest, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    float difference = 0;
    for (int h = 0; h < HEADS; h++)
        for (int f = 0; f < WIDTH; f++) {
            float x = o[(size_t)h * POSITIONS * WIDTH + last_row + (size_t)f];
            difference = fmaxf(difference, fabsf(x - newest[h * WIDTH + f]));
        }
    double all = 0.5 * POSITIONS * (POSITIONS + 1.0);
    printf("%.1f %% of the causal pairs; decode differs from forward's last row by at most %.1e\n",
           100 * fv_attention_pairs(attention) / all, difference);
    fv_attention_free(attention);
    free(q), free(k), free(v), free(d_o), free(o), free(log_sum), free(dq), free(dk), free(dv);
    return difference < 1e-5f ? 0 : 1;
}
