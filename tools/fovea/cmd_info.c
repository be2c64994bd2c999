// `fovea info`: the build, the machine, and what the engine makes of it.
#include "options.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/machine.h>
#include <jansson.h>
#include <lapacke.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

// Every variant this CPU can run is found by forcing it; the chosen one is put back at the end.
static json_t *available_kernels(void) {
    static const char *const NAMES[] = {"reference", "portable", "avx2", "avx512", "neon"};
    const char *chosen = fv_kernels_name();
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (fv_kernels_force(NAMES[i], NULL) == FV_OK)
            json_array_append_new(list, json_string(NAMES[i]));
    fv_kernels_force(chosen, NULL);
    return list;
}

// The first line that `gnuplot --version` prints, or null where there is no gnuplot.
static json_t *gnuplot_version(void) {
    char line[128] = "";
    FILE *pipe = popen("gnuplot --version 2>/dev/null", "r");
    if (pipe == NULL) return json_null();
    bool read = fgets(line, sizeof line, pipe) != NULL;
    if (pclose(pipe) != 0 || !read) return json_null();
    line[strcspn(line, "\n")] = '\0';
    const char *number = strncmp(line, "gnuplot ", 8) == 0 ? line + 8 : line;
    return json_string(number);
}

static json_t *dependencies(void) {
    char lapack[32];
    int major, minor, patch;
    LAPACKE_ilaver(&major, &minor, &patch);
    snprintf(lapack, sizeof lapack, "%d.%d.%d", major, minor, patch);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "sqlite", sqlite3_libversion(), "libyaml",
                     yaml_get_version_string(), "jansson", jansson_version_str(), "lapack", lapack,
                     "gnuplot", gnuplot_version());
}

static json_t *limits(void) {
    fv_limits measured;
    fv_machine_limits(1.0, &measured);
    return json_pack("{s:f, s:f, s:f, s:f}", "fma_flops", measured.fma_flops, "exps", measured.exps,
                     "bytes_per_second", measured.bytes_per_second, "clock_hz", measured.clock_hz);
}

static const char *compiler(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

static void print_plain(const json_t *facts) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)facts, key, value) {
        if (json_is_object(value)) {
            printf("%s:\n", key);
            const char *inner;
            json_t *number;
            json_object_foreach(value, inner, number) {
                if (json_is_real(number))
                    printf("  %-16s %.3g G\n", inner, json_real_value(number) / 1e9);
                else
                    printf("  %-16s %s\n", inner,
                           json_is_string(number) ? json_string_value(number) : "not installed");
            }
            continue;
        }
        printf("%-18s", key);
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item) printf("%s%s", i ? ", " : "", json_string_value(item));
        if (json_is_string(value)) printf("%s", json_string_value(value));
        if (json_is_integer(value)) printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        putchar('\n');
    }
}

int cmd_info(int argc, char **argv) {
    bool json = false, measure = false;
    const tool_option options[] = {
        OPTION_FLAG("limits", &measure,
                    "measure what one core can do: multiply-adds, exponentials, memory (1 s)"),
        OPTION_FLAG("json", &json, "one JSON object on stdout"), OPTION_END};
    const tool_usage usage = {
        .synopsis = "info [options]",
        .about = "Prints the build, the machine, the kernels chosen for it and the versions of the "
                 "libraries in use. FOVEA_CPU=reference|portable|avx2|avx512|neon forces kernels.",
        .example = "fovea info --limits"};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    json_t *facts = json_pack("{s:s, s:s, s:s, s:i, s:s, s:o, s:o}", "version", fv_version(),
                              "compiler", compiler(), "cpu", fv_machine_cpu(), "cores",
                              fv_machine_cores(), "kernels", fv_kernels_name(), "kernels_available",
                              available_kernels(), "libraries", dependencies());
    if (facts != NULL && measure) json_object_set_new(facts, "limits_of_one_core", limits());
    if (json || facts == NULL) return tool_print_json(facts);
    print_plain(facts);
    json_decref(facts);
    return EXIT_DONE;
}
