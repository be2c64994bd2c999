#include "tool.h"
#include "verbs.h"

#include <fcntl.h>
#include <fovea/machine.h>
#include <fovea/store.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verb;

static const verb VERBS[] = {
#define VERB_ROW(verb, help) {#verb, cmd_##verb},
    VERB_LIST(VERB_ROW)
#undef VERB_ROW
};

// FOVEA_CPU names the kernels; a name that this CPU cannot run is refused before anything starts.
static int choose_kernels(void) {
    const char *name = getenv("FOVEA_CPU");
    if (name == NULL || *name == '\0') return EXIT_DONE;
    fv_error error;
    if (fv_kernels_force(name, &error) == FV_OK) return EXIT_DONE;
    return tool_usage_error("FOVEA_CPU: %s", error.text);
}

// A closed standard stream would give its number to the next file that is opened, and what is
// printed would go there.
static void open_streams(void) {
    int file;
    do file = open("/dev/null", O_RDONLY);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0) close(file);
}

// What a verb printed may still fail to be written, as on a full disk.
static int check_output(int exit_code) {
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || exit_code != EXIT_DONE) return exit_code;
    fputs("fovea: the output cannot be written\n", stderr);
    return EXIT_FAILED;
}

static int print_version(void) {
    printf("fovea %s\n", fv_version());
    return EXIT_DONE;
}

static void say_wait(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "fovea: %s\n", text);
}

int main(int argc, char **argv) {
    open_streams();
    signal(SIGXFSZ, SIG_IGN); // `ulimit -f`: the write that meets the limit fails instead
    if (argc < 2) {
        char *help[] = {"help", NULL};
        cmd_help(1, help);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) return check_output(print_version());
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    fv_store_on_wait(say_wait, NULL, &tool_interrupted);
    int exit_code = choose_kernels();
    if (exit_code != EXIT_DONE) return exit_code;
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++)
        if (strcmp(name, VERBS[i].name) == 0) return check_output(VERBS[i].run(argc - 1, argv + 1));
    if (strcmp(name, "-v") == 0 || strcmp(name, "-V") == 0 || strcasecmp(name, "--version") == 0 ||
        strcmp(name, "version") == 0)
        return tool_usage_error("there is no verb '%s'; write fovea --version", name);
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++)
        if (strcasecmp(name, VERBS[i].name) == 0)
            return tool_usage_error("there is no verb '%s'; write %s", name, VERBS[i].name);
#define VERB_NAME(verb, help) " " #verb
    return tool_usage_error("there is no verb '%s'; the verbs are:" VERB_LIST(VERB_NAME), name);
}
