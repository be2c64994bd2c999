// The page's interface compiled natively: trains the first run of experiment files cut to STEPS steps and
// prints a line each, "FILE DIGEST MICROSECONDS", which tests/web/bits.mjs holds the module's lines against.
//
//   FOVEA_CPU=portable web_native STEPS FILE...
//   FOVEA_CPU=portable web_native --cells MEASURE FILE...     the page's answer for each as a cell of a map
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, file) == 0) exit(2);
    fclose(file);
    return text;
}

static int fail(const char *path) {
    printf("%s: %s\n", path, web_error());
    return 1;
}

static int cells(int n, char **arguments) {
    for (int i = 1; i < n; i++) {
        char *yaml = read_file(arguments[i]);
        if (web_cell(yaml, arguments[0]) < 0) return fail(arguments[i]);
        puts(web_text());
        fflush(stdout);
        free(yaml);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--cells") == 0) return cells(argc - 2, argv + 2);
    for (int i = 2; i < argc; i++) {
        char *yaml = read_file(argv[i]);
        struct timespec begun, ended;
        int steps = atoi(argv[1]);
        if (web_begin(yaml) < 0) return fail(argv[i]);
        clock_gettime(CLOCK_MONOTONIC, &begun);
        if (web_steps(steps, 0) < 0) return fail(argv[i]);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        if (web_digest() < 0) return fail(argv[i]);
        double seconds =
            (double)(ended.tv_sec - begun.tv_sec) + 1e-9 * (double)(ended.tv_nsec - begun.tv_nsec);
        printf("%s %s %.1f\n", argv[i], web_text(), 1e6 * seconds / steps);
        fflush(stdout);
        free(yaml);
    }
    return 0;
}
