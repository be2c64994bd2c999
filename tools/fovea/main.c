#include "tool.h"
#include "verbs.h"

#include <fovea/machine.h>
#include <stdio.h>
#include <string.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verb;

static const verb VERBS[] = {
#define VERB_ROW(verb, help) {#verb, cmd_##verb},
    VERB_LIST(VERB_ROW)
#undef VERB_ROW
};

int main(int argc, char **argv) {
    if (argc < 2) {
        char *help[] = {"help", NULL};
        cmd_help(1, help);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("fovea %s\n", fv_version());
        return EXIT_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++)
        if (strcmp(name, VERBS[i].name) == 0) return VERBS[i].run(argc - 1, argv + 1);
#define VERB_NAME(verb, help) " " #verb
    return tool_usage_error("there is no verb '%s'; the verbs are:" VERB_LIST(VERB_NAME), name);
}
