// A ramp: feature 0 grows by a sixteenth from position to position, the others stay as they are.
#include "model/positions.h"

static void fill(int64_t first, int64_t n, int d, real *rows) {
    for (int64_t t = 0; t < n; t++)
        for (int f = 0; f < d; f++) rows[t * d + f] = f == 0 ? (real)(first + t) / 16 : 0;
}

const positions_type positions_ramp = {
    .part =
        {
            .help = "feature 0 grows by a sixteenth from position to position",
            .example = "model: {positions: ramp}",
        },
    .fill = fill,
};
