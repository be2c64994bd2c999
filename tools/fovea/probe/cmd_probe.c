// `fovea probe`: circuits, ranks, attention and predictions of one trained model.
#include "number_list.h"
#include "options.h"
#include "probe/probe_cache.h"
#include "probe/probe_findings.h"
#include "probe/probe_history.h"
#include "probe/probe_prompt.h"
#include "tool.h"
#include "verbs.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1048576 };

// "1,2,3,4" -> tokens, malloc. NULL where it is no list of whole numbers or there is no memory.
static int32_t *read_tokens(const char *list, int *n) {
    size_t most = 1;
    for (const char *c = list; *c != '\0'; c++) most += *c == ',';
    int32_t *tokens = most <= MAX_TOKENS ? calloc(most, sizeof *tokens) : NULL;
    *n = tokens != NULL ? number_list_whole(list, 0, INT_MAX, tokens, (int)most) : -1;
    if (*n > 0) return tokens;
    free(tokens);
    return NULL;
}

// "1,-0.5" -> numbers, malloc. NULL where it is no list of numbers or there is no memory.
static double *read_direction(const char *list, int *n) {
    double *numbers = calloc(strlen(list) + 1, sizeof *numbers);
    *n = 0;
    while (numbers != NULL) {
        char *end;
        double value = strtod(list, &end);
        if (end == list || !isfinite(value) || (*end != ',' && *end != '\0')) {
            free(numbers);
            return NULL;
        }
        numbers[(*n)++] = value;
        if (*end == '\0') break;
        list = end + 1;
    }
    return numbers;
}

typedef struct request {
    const char *operand;
    int step;
    int32_t *tokens; // [n_tokens], or NULL
    int n_tokens;
    bool prompt;       // they are one
    int more;          // tokens to go on with
    double *direction; // [n_direction], or NULL
    int n_direction;
    const char *cache, *out; // activations that are asked for, and the file for them; or NULL
    bool json;
} request;

static int print_all(const probe_findings *f, const probe_swaps *swaps, const probe_path *path,
                     bool json) {
    fv_model_sizes sizes = fv_model_sizes_of(f->subject->model);
    if (json) {
        json_t *object = probe_findings_json(f);
        json_object_set_new(object, "swaps", probe_swaps_json(swaps));
        json_object_set_new(object, "separation", probe_path_json(path, sizes.n_embd));
        return tool_print_json(object);
    }
    int exit_code = probe_findings_print(f);
    if (exit_code == EXIT_DONE) exit_code = probe_path_print(path, sizes.n_embd, sizes.n_head);
    if (exit_code == EXIT_DONE) probe_swaps_print(swaps);
    return exit_code;
}

static fv_status probe_subject_tell(const probe_subject *subject, const request *r, int *exit_code,
                                    fv_error *error) {
    probe_findings findings;
    probe_swaps swaps = {0};
    probe_path path = {0};
    fv_status status = probe_findings_make(subject, r->tokens, r->n_tokens, &findings, error);
    if (status != FV_OK) return status;
    status = probe_path_find(subject, r->direction, r->n_direction, &path, error);
    if (status == FV_OK) status = probe_swaps_find(subject->model, &subject->record, &swaps, error);
    if (status == FV_OK) *exit_code = print_all(&findings, &swaps, &path, r->json);
    probe_swaps_free(&swaps);
    probe_path_free(&path);
    probe_findings_free(&findings);
    return status;
}

static fv_status probe(const request *r, int *exit_code, fv_error *error) {
    probe_subject subject;
    // A model of transformers reads as many tokens as there are, or else so many that sixteen sequences of
    // them fit into memory side by side.
    int length = r->prompt ? 0 : r->tokens != NULL ? r->n_tokens : 64;
    fv_status status = probe_subject_load(r->operand, r->step, length, &subject, error);
    const probe_cache_request cache = {r->cache, r->tokens, r->n_tokens, r->out, r->json};
    if (status == FV_OK && r->cache != NULL)
        status = probe_cache_tell(&subject, &cache, exit_code, error);
    else if (status == FV_OK && r->prompt)
        *exit_code = probe_prompt_tell(&subject, r->tokens, r->n_tokens, r->more, r->json);
    else if (status == FV_OK)
        status = probe_subject_tell(&subject, r, exit_code, error);
    probe_subject_free(&subject);
    return status;
}

// What options do not go together; NULL: none.
static const char *misplaced(const request *r, const char *tokens, const char *direction,
                             const char *prompt) {
    if (prompt != NULL && (tokens != NULL || direction != NULL || r->cache != NULL))
        return "--prompt is read instead of what --tokens, --direction and --cache are for; give "
               "one or the other";
    if (r->more > 0 && prompt == NULL)
        return "--continue goes on behind a prompt; give one with --prompt 1,2,3";
    if (r->out != NULL && r->cache == NULL)
        return "--out is the file for what --cache names; without it the findings go to stdout";
    if (r->out != NULL && (r->json || strcmp(r->cache, "list") == 0))
        return "--out writes values to a file; --json and --cache list print on stdout";
    if (direction != NULL && r->cache != NULL)
        return "--direction follows positions and circuits, which --cache does not show";
    return NULL;
}

int cmd_probe(int argc, char **argv) {
    const char *list = NULL, *direction = NULL, *prompt = NULL;
    request r = {.step = -1};
    const tool_option options[] = {
        OPTION_TEXT("tokens", &list, "1,2,3,4",
                    "the input, as many tokens as the context; the task's first test sequence if "
                    "not given"),
        OPTION_TEXT("prompt", &prompt, "1,2,3",
                    "instead of all that: reads these tokens, as many as you like, and prints how "
                    "likely each next one is"),
        OPTION_INT("continue", &r.more, "N", 0, 1048576,
                   "goes on behind the prompt by N tokens, the likeliest each time"),
        OPTION_INT("step", &r.step, "N", 0, INT32_MAX,
                   "the snapshot of step N instead of the run's result"),
        OPTION_TEXT("direction", &direction, "1,1",
                    "follows positions and circuits along this direction; along the fitted "
                    "separation direction if not given"),
        OPTION_TEXT("cache", &r.cache, "NAMES",
                    "shows these activations instead, as TransformerLens names them: names and "
                    "patterns with commas, as in blocks.*.attn.hook_pattern; 'list' shows which "
                    "there are"),
        OPTION_TEXT("out", &r.out, "FILE", "writes them to this safetensors file"),
        OPTION_FLAG("json", &r.json, "one JSON object on stdout, everything else on stderr"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "probe RUN|CHECKPOINT [options]",
        .about = "Measures a trained model with every probe, and shows the circuit W_Q W_K^T of "
                 "narrow models, the attention and the predictions on one input, and of a run "
                 "with snapshots the paths of its positions and the swaps of its tokens. RUN is a "
                 "run of a "
                 "store, DIR/ID with the first digits of its id; CHECKPOINT a .safetensors file "
                 "that Fovea wrote, or a folder of transformers with a GPT-2, Llama, Qwen 3 or "
                 "Mamba.",
        .example = "fovea probe out/3fa2 --tokens 1,2,3,0\n"
                   "fovea probe model.safetensors --json\n"
                   "fovea probe out/3fa2 --prompt 1,2,3 --continue 8\n"
                   "fovea probe out/3fa2 --cache blocks.0.attn.hook_pattern,logits",
        .min_operands = 1,
        .max_operands = 1};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    const char *wrong = misplaced(&r, list, direction, prompt);
    if (wrong != NULL) return tool_usage_error("%s", wrong);
    r.prompt = prompt != NULL;
    if (r.prompt) list = prompt;
    if (list != NULL && (r.tokens = read_tokens(list, &r.n_tokens)) == NULL)
        return tool_usage_error("--%s takes whole numbers with commas, as in 1,2,3,4, not '%s'",
                                r.prompt ? "prompt" : "tokens", list);
    if (direction != NULL && (r.direction = read_direction(direction, &r.n_direction)) == NULL) {
        free(r.tokens);
        return tool_usage_error("--direction takes numbers with commas, as in 1,-0.5, not '%s'",
                                direction);
    }
    r.operand = operands.items[0];
    fv_error error = {0};
    exit_code = EXIT_DONE;
    fv_status status = probe(&r, &exit_code, &error);
    free(r.tokens);
    free(r.direction);
    return status == FV_OK ? exit_code : tool_fail(&error);
}
