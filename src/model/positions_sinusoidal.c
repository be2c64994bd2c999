// The sinusoids of Vaswani et al. (2017): sin at even features, cos at odd ones.
#include "model/positions.h"

#include <math.h>

static void fill(int64_t first, int64_t n, int d, real *rows) {
    for (int f = 0; f < d; f++) {
        double frequency = pow(10000, -(double)(f / 2 * 2) / d);
        for (int64_t t = 0; t < n; t++) {
            double angle = (double)(first + t) * frequency;
            rows[t * d + f] = (real)(f % 2 == 0 ? sin(angle) : cos(angle));
        }
    }
}

const positions_type positions_sinusoidal = {
    .part = {.help = "sines and cosines of the position at n_embd / 2 frequencies, as drawn up in "
                     "'Attention is all you need'",
             .example = "model: {positions: sinusoidal, n_embd: 8}"},
    .fill = fill,
};
