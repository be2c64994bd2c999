// `fovea explore`: the page of docs/explorer.md on loopback, with a store in it.
#include "explore/explore.h"
#include "options.h"
#include "target.h"
#include "tool.h"
#include "verbs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What FOVEA_WEB names; without it beside the program, as `make web` leaves it, or where it is installed.
static bool find_folder(char folder[PATH_MAX]) {
    const char *named = getenv("FOVEA_WEB");
    char program[PATH_MAX], index[PATH_MAX + 16];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) *slash = '\0';
    for (int i = named ? 0 : 1; i < (named ? 1 : 3); i++) {
        if (i == 0) snprintf(folder, PATH_MAX, "%s", named);
        if (i == 1) snprintf(folder, PATH_MAX, "%.4000s/web", program);
        if (i == 2) snprintf(folder, PATH_MAX, "%s/web", FOVEA_DATA_DIR);
        snprintf(index, sizeof index, "%s/index.html", folder);
        if (*folder != '\0' && access(index, R_OK) == 0) return true;
    }
    return false;
}

static bool is_experiment(const char *operand) {
    const char *end = strrchr(operand, '.');
    return end != NULL && (strcmp(end, ".yaml") == 0 || strcmp(end, ".yml") == 0);
}

int cmd_explore(int argc, char **argv) {
    int port = 8137;
    const tool_option options[] = {
        OPTION_INT("port", &port, "N", 0, 65535, "port of 127.0.0.1; 0: one that is free (8137)"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "explore [FILE] [options]",
        .about =
            "Serves the explorer, a page that trains in the browser, on 127.0.0.1, and opens in it "
            "the runs of the store FILE (a folder such as out, or its fovea.db; nothing of it is "
            "changed) or the experiment FILE.yaml. 'make web' builds the page; without this verb "
            "build/web/explorer.html opens from the disk.",
        .example = "fovea explore out\n"
                   "fovea explore experiments/sparse-attention-1/sticky-plateau.yaml --port 0",
        .max_operands = 1};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    char folder[PATH_MAX];
    if (!find_folder(folder))
        return tool_usage_error(
            "explore: there is no page beside the program; 'make web' builds it, or "
            "FOVEA_WEB names its folder");
    explore_site site = {.folder = folder};
    run_target target;
    fv_error error = {0};
    const char *operand = operands.n > 0 ? operands.items[0] : NULL;
    if (operand != NULL && is_experiment(operand)) {
        if (access(operand, R_OK) != 0)
            return tool_usage_error("explore: %s cannot be read", operand);
        site.experiment = operand;
    } else if (operand != NULL) {
        if (target_open(operand, FV_STORE_READ, &target, &site.store, &error) != FV_OK)
            return tool_fail(&error);
        site.source = operand;
    }
    exit_code = explore_serve(&site, port);
    fv_store_close(site.store);
    return exit_code;
}
