// What a comparison must show for its command to succeed: the gates of --fail-under,
// --fail-unless-within and --fail-if-worse. Each tests a null hypothesis, which it states.
#ifndef FOVEA_TOOL_GATES_H
#define FOVEA_TOOL_GATES_H

#include <fovea/paired.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct gate_limits {
    double under, within; // NAN where not asked for
    bool worse;
    double alpha;
} gate_limits;

// What is judged.
typedef struct gate_counts {
    int found, n;     // of the model that is asked
    bool compared;    // whether `paired` is there
    fv_paired paired; // beside the model that it is compared with
    int n_unanswered; // questions without an answer (of both, where compared)
} gate_counts;

typedef struct gate {
    char name[48];    // as on the command line: "--fail-under 0.95"
    char null[96];    // "found in 95 % or more"
    char judged[160]; // "p = 0.03: 151 of 168"
    double p;
    bool failed;
} gate;

enum { N_GATES = 3, EXIT_GATE = 3 };
typedef struct gates {
    int n, n_failed;
    gate items[N_GATES];
} gates;

bool gates_wanted(const gate_limits *limits);
void gates_judge(const gate_limits *limits, const gate_counts *counts, gates *out);
void gates_print(const gates *g, FILE *out);
json_t *gates_json(const gates *g);

// Writes the gates, and whether every question has an answer, as a test suite of JUnit's XML.
fv_status gates_junit(const gates *g, const gate_counts *counts, const char *suite,
                      const char *summary, const char *path, fv_error *error);

#endif
