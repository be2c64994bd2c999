// `fovea cost`: what a model costs at a context length, with every formula.
#include "cost/cost_devices.h"
#include "cost/cost_measured.h"
#include "cost/cost_names.h"
#include "cost/cost_rank.h"
#include "options.h"
#include "quantity.h"
#include "tool.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CURVES = 16 }; // beyond that models are ranked

typedef struct cost_options {
    const char *model, *context, *memory, *measured, *mask, *logits, *engine, *out;
    int batch, bytes, page;
    const char *cache_bytes;
    double weight_bytes, state_bytes, price;
    const char *flops, *bandwidth;
    int tp, pp, cp, dp, ep;
    const char *sort;
    bool recompute, compare, json;
} cost_options;

static bool read_engine(const char *name, fv_cost_engine *engine) {
    for (int i = 0; i < FV_COST_ENGINE_COUNT; i++)
        if (strcmp(name, fv_cost_engine_name((fv_cost_engine)i)) == 0) {
            *engine = (fv_cost_engine)i;
            return true;
        }
    return false;
}

// Formats of a cache by name, with the bytes of a number: blocks of 32 with their scales
// (llama.cpp, ggml-common.h), 8-bit floats, and vLLM's for latents, which has its own for a whole
// token.
static const struct {
    const char *name;
    double bytes;
    bool ds_mla;
} CACHES[] = {{"f32", 4, false},        {"f16", 2, false},       {"bf16", 2, false},
              {"fp8", 1, false},        {"q8_0", 1.0625, false}, {"q5_1", 0.75, false},
              {"q5_0", 0.6875, false},  {"q4_1", 0.625, false},  {"q4_0", 0.5625, false},
              {"nvfp4", 0.5625, false}, {"fp8_ds_mla", 1, true}};

static bool read_cache_bytes(const char *text, fv_cost_setting *setting) {
    for (size_t i = 0; i < sizeof CACHES / sizeof CACHES[0]; i++)
        if (strcmp(text, CACHES[i].name) == 0) {
            setting->cache_bytes = CACHES[i].bytes;
            setting->ds_mla = CACHES[i].ds_mla;
            return true;
        }
    char *end;
    setting->cache_bytes = strtod(text, &end);
    return end != text && *end == '\0' && setting->cache_bytes >= 0.0625 &&
           setting->cache_bytes <= 8;
}

static int read_devices(const cost_options *o, cost_request *request) {
    fv_cost_devices *d = &request->devices;
    fv_cost_devices_init(d);
    d->tp = (uint64_t)o->tp, d->pp = (uint64_t)o->pp, d->cp = (uint64_t)o->cp;
    d->dp = (uint64_t)o->dp, d->ep = (uint64_t)o->ep;
    d->link_bytes = o->bytes;
    request->price = o->price;
    if (o->flops != NULL && !cost_read_rate(o->flops, "FLOP", &d->flops))
        return tool_usage_error("cost: --flops must be operations a second as in 989T, not '%s'",
                                o->flops);
    if (o->bandwidth != NULL && !cost_read_rate(o->bandwidth, "B", &d->bandwidth))
        return tool_usage_error("cost: --bandwidth must be bytes a second as in 3.35TB, not '%s'",
                                o->bandwidth);
    if ((o->flops == NULL) != (o->bandwidth == NULL))
        return tool_usage_error("cost: bounds of time need both --flops and --bandwidth");
    if (o->price > 0 && o->flops == NULL)
        return tool_usage_error(
            "cost: --price needs --flops and --bandwidth, which bound the time");
    return EXIT_DONE;
}

static int read_request(const cost_options *o, cost_request *request) {
    fv_cost_setting_init(&request->setting);
    fv_cost_setting *s = &request->setting;
    if (!quantity_read(o->context, false, &s->tokens) || s->tokens == 0)
        return tool_usage_error("cost: --context must be a number of tokens as in 128000, 128k "
                                "(128,000) or 128K (131,072), not '%s'",
                                o->context);
    if (o->memory != NULL &&
        (!quantity_read(o->memory, true, &request->memory) || request->memory == 0))
        return tool_usage_error("cost: --memory must be a number of bytes as in 24GB or 24GiB, "
                                "not '%s'",
                                o->memory);
    if (o->measured != NULL &&
        (request->n_points = cost_read_points(o->measured, &request->points)) == 0)
        return tool_usage_error("cost: --measured must be contexts with the memory that was taken, "
                                "as in 4096:1.9GB,65536:9.1GB, not '%s'",
                                o->measured);
    if (strcmp(o->mask, "causal") != 0 && strcmp(o->mask, "full") != 0)
        return tool_usage_error("cost: --mask must be causal or full, not '%s'", o->mask);
    if (strcmp(o->logits, "last") != 0 && strcmp(o->logits, "all") != 0)
        return tool_usage_error("cost: --logits must be last or all, not '%s'", o->logits);
    if (!read_engine(o->engine, &s->engine))
        return tool_usage_error("cost: --engine must be ideal, vllm, llamacpp or transformers, not "
                                "'%s'",
                                o->engine);
    s->batch = (uint64_t)o->batch;
    s->cache_bytes = o->bytes;
    if (o->cache_bytes != NULL && !read_cache_bytes(o->cache_bytes, s))
        return tool_usage_error(
            "cost: --cache-bytes must be a number from 0.0625 to 8 or a format: "
            "f32, f16, bf16, fp8, q8_0, q5_1, q5_0, q4_1, q4_0, nvfp4 or "
            "fp8_ds_mla, not '%s'",
            o->cache_bytes);
    s->state_bytes = o->state_bytes > 0 ? o->state_bytes : o->bytes;
    s->engine_state_bytes = o->state_bytes;
    s->all_logits = strcmp(o->logits, "all") == 0;
    s->page = (uint64_t)o->page;
    s->full = strcmp(o->mask, "full") == 0;
    s->recompute = o->recompute;
    request->weight_bytes = o->weight_bytes;
    request->plain_bytes = o->bytes;
    return read_devices(o, request);
}

// What is wrong with the measurements is said before anything is printed.
static int check_points(const cost_request *request, int n_models, const cost_options *o) {
    fv_cost_line line;
    fv_error error = {0};
    if (n_models > 1 || o->out != NULL)
        return tool_usage_error("cost: --measured is of one model, without --out");
    if (cost_has_devices(request))
        return tool_usage_error("cost: --measured is of one device, without --tp, --pp, --cp, --dp "
                                "and --ep");
    fv_status status = fv_cost_line_fit(request->points, request->n_points, &line, &error);
    return status == FV_OK ? EXIT_DONE : tool_usage_error("cost: --measured: %s", error.text);
}

static fv_status show_one(const cost_subject *subject, const cost_request *request, bool json,
                          int *exit_code, fv_error *error) {
    if (!json) return cost_print(subject, request, error);
    json_t *object;
    fv_status status = cost_json(subject, request, &object, error);
    if (status == FV_OK) *exit_code = tool_print_json(object);
    return status;
}

static fv_status read_models(const char *const *paths, int n, cost_subject *subjects,
                             fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < n; i++) subjects[i].path = paths[i];
    cost_name_subjects(subjects, n);
    for (int i = 0; status == FV_OK && i < n; i++)
        status = fv_cost_model_read(paths[i], &subjects[i].model, error);
    return status;
}

static int show(const char *const *paths, int n, const cost_request *request, const cost_options *o,
                cost_column sort) {
    cost_subject *subjects = calloc((size_t)n, sizeof *subjects);
    fv_error error = {0};
    int exit_code = EXIT_DONE;
    fv_status status = subjects != NULL ? read_models(paths, n, subjects, &error)
                                        : fv_fail(&error, FV_NO_MEMORY, "out of memory for models");
    bool ranked = o->compare || o->sort != NULL || n > MAX_CURVES;
    if (status == FV_OK && ranked)
        status = cost_rank(subjects, n, request, sort, o->out, o->json, &exit_code, &error);
    else if (status == FV_OK && n == 1 && o->out == NULL)
        status = show_one(&subjects[0], request, o->json, &exit_code, &error);
    else if (status == FV_OK)
        status = cost_compare(subjects, n, request, o->out, o->json, &exit_code, &error);
    for (int i = 0; subjects != NULL && i < n; i++) fv_cost_model_free(subjects[i].model);
    free(subjects);
    return status == FV_OK ? exit_code : tool_fail(&error);
}

static int read_sort(const cost_options *o, const cost_request *request, cost_column *sort) {
    char names[256];
    *sort = COST_COLUMN_PARAMETERS;
    if (o->sort == NULL || cost_find_column(o->sort, request, sort)) return EXIT_DONE;
    return tool_usage_error("cost: --sort must be one of %s, and have what it is of (--memory, "
                            "--flops and --bandwidth, --price), not '%s'",
                            cost_column_names(names), o->sort);
}

static int run(const cost_options *o, const char *const *paths, int n) {
    cost_request request = {0};
    cost_column sort;
    int exit_code = read_request(o, &request);
    if (exit_code == EXIT_DONE && request.n_points > 0) exit_code = check_points(&request, n, o);
    if (exit_code == EXIT_DONE) exit_code = read_sort(o, &request, &sort);
    if (exit_code == EXIT_DONE) exit_code = show(paths, n, &request, o, sort);
    free(request.points);
    return exit_code;
}

int cmd_cost(int argc, char **argv) {
    cost_options o = {.context = "4096",
                      .mask = "causal",
                      .logits = "last",
                      .engine = "ideal",
                      .batch = 1,
                      .bytes = 2,
                      .page = 16,
                      .tp = 1,
                      .pp = 1,
                      .cp = 1,
                      .dp = 1,
                      .ep = 1};
    const tool_option options[] = {
        OPTION_TEXT("model", &o.model, "CONFIG.json", "a model's config.json, as an operand"),
        OPTION_TEXT("context", &o.context, "N",
                    "tokens: 128000, 128_000, 128k, 1e6; 128K and 128Ki are 131072 (4096)"),
        OPTION_INT("batch", &o.batch, "B", 1, 1e9, "sequences (1)"),
        OPTION_INT("bytes", &o.bytes, "N", 1, 8, "of a number: parameters, cache and state (2)"),
        OPTION_REAL("weight-bytes", &o.weight_bytes, "X", 0.0625, 8,
                    "of every parameter, whatever the file packs: 0.5 for four bits"),
        OPTION_TEXT("cache-bytes", &o.cache_bytes, "X|FORMAT",
                    "of a number in the KV cache: 1.0625, or q8_0, q4_0, fp8, fp8_ds_mla, ..."),
        OPTION_REAL("state-bytes", &o.state_bytes, "X", 0.0625, 8, "of a number in the state"),
        OPTION_TEXT("logits", &o.logits, "last|all",
                    "which positions prefill computes them of (last)"),
        OPTION_INT("page", &o.page, "TOKENS", 1, 1e6, "tokens in a page of the cache (16)"),
        OPTION_TEXT("mask", &o.mask, "causal|full", "which keys a query sees (causal)"),
        OPTION_FLAG("recompute", &o.recompute,
                    "training computes scores again, as tiled attention does"),
        OPTION_TEXT("engine", &o.engine, "NAME",
                    "how memory is reserved: ideal, vllm, llamacpp or transformers (ideal)"),
        OPTION_TEXT("memory", &o.memory, "SIZE", "also find the largest context for 24GiB or 24GB"),
        OPTION_INT("tp", &o.tp, "N", 1, 65536, "devices that divide heads and widths (1)"),
        OPTION_INT("pp", &o.pp, "N", 1, 65536, "devices that divide layers (1)"),
        OPTION_INT("cp", &o.cp, "N", 1, 65536, "devices that divide the tokens of a cache (1)"),
        OPTION_INT("dp", &o.dp, "N", 1, 65536, "replicas that divide the sequences (1)"),
        OPTION_INT("ep", &o.ep, "N", 1, 65536,
                   "devices, of those of a stage, that divide the experts of a layer (1)"),
        OPTION_TEXT("flops", &o.flops, "RATE", "of a device, a second: bounds of time; 989T"),
        OPTION_TEXT("bandwidth", &o.bandwidth, "RATE",
                    "of a device's memory, a second: bounds of time; 3.35TB"),
        OPTION_REAL("price", &o.price, "P", 0, 1e9,
                    "of a device, an hour: a bound of money for a million tokens"),
        OPTION_TEXT("measured", &o.measured, "TOKENS:SIZE,...",
                    "fit fixed bytes and bytes a token to an engine's memory, beside the formula"),
        OPTION_TEXT("out", &o.out, "DIR",
                    "draw cost.svg and cost.png there: memory and FLOPs over the context"),
        OPTION_FLAG("compare", &o.compare,
                    "a row for each of any number of models; --out draws compare.svg and .png"),
        OPTION_TEXT("sort", &o.sort, "COLUMN",
                    "order of --compare: parameters, active, cache, memory, first_token, "
                    "tokens_a_second, ... (parameters)"),
        OPTION_FLAG("json", &o.json, "totals, parts and layers; with several models JSON Lines"),
        OPTION_END};
    static char about[4096];
    snprintf(about, sizeof about,
             "Reads a model's config.json (or a folder that has one, or a GGUF file) and prints "
             "what it costs at a context length: parameters, FLOPs of prefill, decoding and "
             "training, KV cache and recurrent state, with each formula. Several models are "
             "compared over contexts up to N. Families (model_type): %s.",
             fv_cost_families());
    const tool_usage usage = {
        .synopsis = "cost CONFIG.json ... --context N [options]",
        .about = about,
        .example = "fovea cost --model examples/configs/llama-3.1-70b.json --context 128000\n"
                   "fovea cost --model examples/configs/llama-3.1-8b.json --memory 24GiB\n"
                   "fovea cost examples/configs/llama-3.1-8b.json --measured "
                   "4096:1.9GB,65536:9.1GB\n"
                   "fovea cost examples/configs/deepseek-v3.json --context 32k --batch 64 --tp 8 "
                   "--ep 8 --memory 141GB --flops 989T --bandwidth 4.8TB --price 3\n"
                   "fovea cost examples/configs/{llama-3.1-8b,falcon-mamba-7b,jamba-1.5-mini}.json "
                   "--context 256Ki --out out\n"
                   "fovea cost examples/configs/*.json --compare --sort active --context 128k "
                   "--out out",
        .max_operands = -1};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    const char **paths = calloc((size_t)operands.n + 1, sizeof *paths);
    if (paths == NULL) return tool_no_memory();
    int n = 0;
    if (o.model != NULL) paths[n++] = o.model;
    for (int i = 0; i < operands.n; i++) paths[n++] = operands.items[i];
    exit_code = n > 0 ? run(&o, paths, n)
                      : tool_usage_error("cost needs a model: fovea %s", usage.synopsis);
    free(paths);
    return exit_code;
}
