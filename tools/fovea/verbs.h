// The verbs of the command line, once. Each `cmd_<verb>.c` defines `int cmd_<verb>(int argc,
// char **argv)`, where argv[0] is the verb itself, and returns the exit code (tool.h). A new verb
// is a new file and one line here.
#ifndef FOVEA_TOOL_VERBS_H
#define FOVEA_TOOL_VERBS_H

// X(verb, one line of help), in the order of `fovea help`.
#define VERB_LIST(X)                                                                               \
    X(run, "trains an experiment file, draws its figures, judges its claims")                      \
    X(reproduce, "does so for every experiment of a post")                                         \
    X(probe, "looks into a trained model: circuits, ranks, attention, predictions")                \
    X(runs, "lists, shows and deletes stored runs")                                                \
    X(export, "writes runs as safetensors or CSV")                                                 \
    X(bench, "times the kernels against this machine's own limits")                                \
    X(cost, "says what a model costs at a context length, from its config.json")                   \
    X(needle, "asks own and served models for what is hidden in a long prompt")                    \
    X(middle, "draws the lost-in-the-middle curve of own and served models")                       \
    X(ring, "attention over many processes: ring attention under mpirun")                          \
    X(explore, "serves a page that trains in the browser, and a store's runs in it")               \
    X(info, "prints the build, the machine and the kernels chosen for it")                         \
    X(help, "explains a verb or a configuration field")

#define VERB_DECLARE(verb, help) int cmd_##verb(int argc, char **argv);
VERB_LIST(VERB_DECLARE)
#undef VERB_DECLARE

#endif
