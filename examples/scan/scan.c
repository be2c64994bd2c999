// A selective scan over a long sequence, then its gradient, then one more position.
//
//     cmake -S . -B build && cmake --build build && build/scan
//     cc scan.c $(pkg-config --cflags --libs fovea) -lm -o scan && ./scan
#include <fovea/scan.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 4096, CHANNELS = 256, STATE = 16 };

static int fail(const fv_error *error) {
    fprintf(stderr, "%s\n", error->text);
    return 1;
}

static float *wave(size_t n, float centre, float height, float stride) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = centre + height * sinf(stride * (float)i);
    return x;
}

int main(void) {
    fv_selective_scan_config config;
    fv_selective_scan_config_init(&config); // a state of 16, softplus
    config.n = N;
    config.n_channels = CHANNELS;

    size_t rows = (size_t)N * CHANNELS, maps = (size_t)N * STATE, own = (size_t)CHANNELS * STATE;
    fv_selective_scan_input input = {.u = wave(rows, 0, 1, 0.37f),
                                     .delta = wave(rows, -4.6f, 2.3f, 0.11f),
                                     .A = wave(own, -8, 7, 0.3f),
                                     .B = wave(maps, 0, 1, 0.7f),
                                     .C = wave(maps, 0, 1, 0.3f)};
    float *y = wave(rows, 0, 0, 0), *dy = wave(rows, 0, 1, 0.2f), *state = wave(own, 0, 0, 0);
    fv_selective_scan_gradient gradient = {.du = wave(rows, 0, 0, 0),
                                           .ddelta = wave(rows, 0, 0, 0),
                                           .dA = wave(own, 0, 0, 0),
                                           .dB = wave(maps, 0, 0, 0),
                                           .dC = wave(maps, 0, 0, 0)};

    fv_error error;
    fv_selective_scan *scan;
    if (fv_selective_scan_create(&config, &scan, &error) != FV_OK) return fail(&error);
    if (fv_selective_scan_forward(scan, &input, y, state, true, &error) != FV_OK ||
        fv_selective_scan_backward(scan, &input, dy, &gradient, &error) != FV_OK)
        return fail(&error);
    printf("y at the last position: %.5f %.5f ...\n", y[rows - CHANNELS], y[rows - CHANNELS + 1]);
    printf("dA of channel 0: %.5f %.5f ...\n", gradient.dA[0], gradient.dA[1]);

    // The sequence goes on with its first position; the state is all that is left of the rest.
    if (fv_selective_scan_step(scan, &input, state, y, &error) != FV_OK) return fail(&error);
    printf("y one position later: %.5f %.5f ...\n", y[0], y[1]);
    printf("states %zu bytes, scan and its kept states %.1f MB\n", own * sizeof *state,
           (double)fv_selective_scan_bytes(scan) / 1e6);
    fv_selective_scan_free(scan);
    return 0;
}
