// Makes the manual pages and the completions of bash, zsh and fish from the tables that the tool
// itself is driven by: verbs, their options, and the configuration fields.
#ifndef FOVEA_MANUAL_H
#define FOVEA_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

enum { MAX_OPTIONS = 64, MAX_FORMS = 2, MAX_VERBS = 32 };

typedef struct verb_option {
    char *name, *help;
    char *argument; // NULL: a flag
} verb_option;

// One way to call a verb. `needle` and `middle` have two: of a server, and of own models.
typedef struct verb_form {
    char *synopsis, *about, *example;
    bool overrides;
    int n_options;
    verb_option options[MAX_OPTIONS];
} verb_form;

typedef struct verb_page {
    const char *name, *help;
    int n_forms;
    verb_form forms[MAX_FORMS];
} verb_page;

typedef struct manual {
    const char *date; // of the release, 2026-01-31
    int n_verbs;
    verb_page verbs[MAX_VERBS];
} manual;

// fovea(1), that of a verb, and fovea-fields(5).
void man_write_tool(FILE *file, const manual *m);
void man_write_verb(FILE *file, const manual *m, const verb_page *verb);
void man_write_fields(FILE *file, const manual *m);

// The tables in front of completion.bash, completion.zsh and completion.fish.
void complete_write_bash(FILE *file, const manual *m);
void complete_write_zsh(FILE *file, const manual *m);
void complete_write_fish(FILE *file, const manual *m);

#endif
