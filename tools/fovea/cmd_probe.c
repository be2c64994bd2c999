// `fovea probe`: circuits, ranks, attention and predictions of one trained model.
#include "options.h"
#include "probe_findings.h"
#include "tool.h"
#include "verbs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 65536 };

// "1,2,3,4" -> tokens, malloc. NULL where it is no list of whole numbers or there is no memory.
static int32_t *read_tokens(const char *list, int *n) {
    size_t most = 1;
    for (const char *c = list; *c != '\0'; c++) most += *c == ',';
    int32_t *tokens = most <= MAX_TOKENS ? calloc(most, sizeof *tokens) : NULL;
    *n = 0;
    while (tokens != NULL) {
        char *end;
        long value = strtol(list, &end, 10);
        if (end == list || value < 0 || value > INT_MAX || (*end != ',' && *end != '\0')) {
            free(tokens);
            return NULL;
        }
        tokens[(*n)++] = (int32_t)value;
        if (*end == '\0') break;
        list = end + 1;
    }
    return tokens;
}

static fv_status probe(const char *operand, int step, const int32_t *tokens, int n_tokens,
                       bool json, int *exit_code, fv_error *error) {
    probe_subject subject;
    probe_findings findings;
    fv_status status = probe_subject_load(operand, step, &subject, error);
    if (status == FV_OK) {
        status = probe_findings_make(&subject, tokens, n_tokens, &findings, error);
        if (status == FV_OK) {
            if (json)
                *exit_code = tool_print_json(probe_findings_json(&findings));
            else
                probe_findings_print(&findings, stdout);
            probe_findings_free(&findings);
        }
    }
    probe_subject_free(&subject);
    return status;
}

int cmd_probe(int argc, char **argv) {
    const char *list = NULL;
    bool json = false;
    int step = -1;
    const tool_option options[] = {
        OPTION_TEXT("tokens", &list, "1,2,3,4",
                    "the input, as many tokens as the context; the task's first test sequence if "
                    "not given"),
        OPTION_INT("step", &step, "N", 0, INT32_MAX,
                   "the snapshot of step N instead of the run's result"),
        OPTION_FLAG("json", &json, "one JSON object on stdout, everything else on stderr"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "probe RUN|CHECKPOINT [options]",
        .about = "Measures a trained model with every probe, and shows the circuit W_Q W_K^T of "
                 "narrow models, the attention and the predictions on one input. RUN is a run of a "
                 "store, DIR/ID with the first digits of its id; CHECKPOINT a .safetensors file "
                 "that Fovea wrote.",
        .example = "fovea probe out/3fa2 --tokens 1,2,3,0\n"
                   "fovea probe model.safetensors --json",
        .min_operands = 1,
        .max_operands = 1};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    int32_t *tokens = NULL;
    int n_tokens = 0;
    if (list != NULL && (tokens = read_tokens(list, &n_tokens)) == NULL)
        return tool_usage_error("--tokens takes whole numbers with commas, as in 1,2,3,4, not '%s'",
                                list);
    fv_error error = {0};
    exit_code = EXIT_DONE;
    fv_status status = probe(operands.items[0], step, tokens, n_tokens, json, &exit_code, &error);
    free(tokens);
    return status == FV_OK ? exit_code : tool_fail(&error);
}
