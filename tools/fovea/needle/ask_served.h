// What `fovea needle` and `fovea middle` share about served models: from command-line texts to
// questions asked, a table of what was found and one of what failed, and the report.
#ifndef FOVEA_TOOL_ASK_SERVED_H
#define FOVEA_TOOL_ASK_SERVED_H

#include "needle/cells_folder.h"
#include "options.h"

#include <fovea/eval.h>
#include <math.h>

typedef struct served_request {
    const char *verb; // "needle" or "middle"
    option_texts endpoints, models, labels;
    const char *endpoint, *model, *label; // of these, those that are asked now
    const char *serve, *api, *extra, *thoughts, *out, *with;
    const char *tasks, *lengths, *depths, *haystack, *documents, *questions, *predictions;
    const char *needles, *needle, *question, *answer;
    const char *concurrency;
    int samples, retries, max_tokens, seed;
    double interval, timeout, retry_wait, price_in, price_out;
    option_texts headers;
    const char *cacert;
    const char *against, *against_model, *against_label, *junit;
    double fail_under, fail_within, alpha, difference; // NAN: not given
    bool fail_worse, noise;
    bool logprobs;
    bool same_model, reuse_unknown, dry, json, quiet;
    bool depths_given;
} served_request;

// The values that options start with.
#define SERVED_USUAL                                                                               \
    .api = "chat", .concurrency = "8", .retries = 5, .seed = 42, .timeout = 600, .retry_wait = 1,  \
    .fail_under = NAN, .fail_within = NAN, .difference = NAN, .alpha = 0.05

// What must show for a command to succeed.
#define OPTION_GATES(r)                                                                            \
    OPTION_REAL("fail-under", &(r).fail_under, "P", 0.000001, 0.999999,                            \
                "exit code 3 if it is shown that the model finds less than the share P"),          \
        OPTION_REAL("fail-unless-within", &(r).fail_within, "M", 0.000001, 0.999999,               \
                    "exit code 3 unless it is shown that it finds at most M less than --against"), \
        OPTION_FLAG("fail-if-worse", &(r).fail_worse,                                              \
                    "exit code 3 if it is shown that it finds less often than --against"),         \
        OPTION_REAL("alpha", &(r).alpha, "A", 0.000001, 0.5,                                       \
                    "how probable 'shown' may be by chance; 0.05 if not given"),                   \
        OPTION_TEXT("junit", &(r).junit, "FILE", "writes the gates as JUnit's XML")

// The options that both verbs have, for the table of options.
#define SERVED_OPTIONS(r)                                                                          \
    OPTION_TEXTS(                                                                                  \
        "endpoint", &(r).endpoints, "URL",                                                         \
        "the server: http://HOST:PORT, for its API at /v1, or with a path of its own; given "      \
        "again, more servers of the same model, which share the work"),                            \
        OPTION_TEXT(                                                                               \
            "serve", &(r).serve, "COMMAND",                                                        \
            "starts the server, with a free port for {port}, as in 'llama-server -m x.gguf "       \
            "--port {port}', waits until it is ready and ends it at the end"),                     \
        OPTION_TEXTS("model", &(r).models, "NAME",                                                 \
                     "the model, as the server calls it; given again, more models, one after "     \
                     "the other, of the one server or each of its own --endpoint"),                \
        OPTION_TEXTS("label", &(r).labels, "TEXT",                                                 \
                     "what a model's answers are kept under and figures call it, one for each; "   \
                     "'NAME at HOST' if not given"),                                               \
        OPTION_FLAG("same-model", &(r).same_model,                                                 \
                    "the answers kept under this label are of the same model, though of another "  \
                    "address or name"),                                                            \
        OPTION_FLAG("reuse-unknown", &(r).reuse_unknown,                                           \
                    "counts answers that were stored before it was noted who answered"),           \
        OPTION_TEXT("api", &(r).api, "API", "chat (if not given) or completions"),                 \
        OPTION_INT("samples", &(r).samples, "N", 1, 100000,                                        \
                   "questions of each cell; 10 if not given"),                                     \
        OPTION_REAL(                                                                               \
            "interval", &(r).interval, "W", 0.001, 1,                                              \
            "asks until a cell's 95 % interval is at most this wide, or --samples are asked"),     \
        OPTION_INT("seed", &(r).seed, "N", 0, 2147483647,                                          \
                   "of keys, values and places; 42 if not given"),                                 \
        OPTION_INT("max-tokens", &(r).max_tokens, "N", 1, 1000000,                                 \
                   "of an answer; the task's own if not given, more for models that think first; " \
                   "with another limit answers are others"),                                       \
        OPTION_TEXT("concurrency", &(r).concurrency, "K,...",                                      \
                    "requests in flight at each endpoint; 8 if not given. Several, as in "         \
                    "1,16,64, ask everything "                                                     \
                    "under each of these loads, and show them apart"),                             \
        OPTION_INT("retries", &(r).retries, "N", 0, 100,                                           \
                   "tries of a request after the first; 5 if not given"),                          \
        OPTION_REAL(                                                                               \
            "retry-wait", &(r).retry_wait, "S", 0.001, 600,                                        \
            "seconds before the second try, doubled with every further one; 1 if not given"),      \
        OPTION_REAL("timeout", &(r).timeout, "S", 0.01, 86400,                                     \
                    "seconds that one try may take; 600 if not given"),                            \
        OPTION_TEXT("extra", &(r).extra, "JSON",                                                   \
                    "an object of more members for every request; null takes one away"),           \
        OPTION_TEXTS("header", &(r).headers, "NAME: VALUE",                                        \
                     "one more header of every request, as in 'api-key: $AZURE_API_KEY', where "   \
                     "$NAME is a variable of the environment; may be given again"),                \
        OPTION_TEXT("cacert", &(r).cacert, "FILE",                                                 \
                    "certificates of authorities that https servers are checked by, in place of "  \
                    "the machine's; else CURL_CA_BUNDLE or SSL_CERT_FILE of the environment"),     \
        OPTION_TEXT("thoughts", &(r).thoughts, "OPEN,CLOSE",                                       \
                    "marks around what the model thinks aloud, beside <think>, </think> and the "  \
                    "usual ones: it is no part of the answer"),                                    \
        OPTION_FLAG("logprobs", &(r).logprobs,                                                     \
                    "asks for log-probabilities, and stores those of the expected answer's "       \
                    "tokens; --against does so by itself"),                                        \
        OPTION_REAL("price-in", &(r).price_in, "P", 0, 1e6,                                        \
                    "price of a million prompt tokens, for the plan"),                             \
        OPTION_REAL("price-out", &(r).price_out, "P", 0, 1e6, "price of a million answer tokens"), \
        OPTION_FLAG("dry-run", &(r).dry,                                                           \
                    "prints the plan (requests, tokens, time, cost) and asks nothing"),            \
        OPTION_TEXT("against", &(r).against, "LABEL|URL",                                          \
                    "compares with what is stored under a label, or with a second server: the "    \
                    "same prompts for both, McNemar's exact test"),                                \
        OPTION_TEXT("against-model", &(r).against_model, "NAME",                                   \
                    "the model of that server; --model if not given"),                             \
        OPTION_TEXT("against-label", &(r).against_label, "TEXT",                                   \
                    "what its answers are kept under"),                                            \
        OPTION_FLAG("noise", &(r).noise,                                                           \
                    "asks the model a second time, and prints how often it differs from itself"),  \
        OPTION_GATES(r),                                                                           \
        OPTION_REAL("difference", &(r).difference, "D", 0.000001, 0.999999,                        \
                    "with --dry-run: how many prompts show that the share found is lower by D"),   \
        OPTION_TEXT("predictions", &(r).predictions, "DIR",                                        \
                    "also writes the answers as RULER's prediction files, DIR/LENGTH/TASK.jsonl"), \
        OPTION_TEXT("out", &(r).out, "DIR",                                                        \
                    "folder of eval.db, figures and report.html; out/needle if not given; "        \
                    "several models may share one"),                                               \
        OPTION_TEXT("with", &(r).with, "DIR,...", CELLS_WITH_HELP),                                \
        OPTION_FLAG("json", &(r).json,                                                             \
                    "a line of JSON for each cell on stdout, everything else on stderr"),          \
        OPTION_FLAG("quiet", &(r).quiet, "prints errors only, and what --json asks for")

// Whether the command line has --NAME or --NAME=...
bool served_has_option(int argc, char **argv, const char *name);

// Says that there is no model to ask; returns the exit code.
int served_refuse_nobody(const char *verb);

// Asks what the request says (or plans it, with `dry`); returns the exit code.
int served_run(const served_request *r);

// Asks what is missing by these options, or plans it; prints what was found, adds it to `cells` and
// sets *asked where that came to its end. *label (NULL: not wanted) is what the answers are kept
// under; the caller frees it. Returns the exit code.
int served_session(const served_request *r, const fv_served_options *options, fv_cells *cells,
                   bool *asked, char **label);

// Writes RULER's data files of the request into `folder`.
int served_write_data(const served_request *r, const char *folder);

// Writes a frozen set of the request to `path`.
int served_freeze(const served_request *r, const char *path);

// Prints the prompt of a stored question on stdout, exactly, and what came of it on stderr.
int served_show(const served_request *r, int row);

// Scores RULER's prediction files.
int served_score(const served_request *r, const char *path);

#endif
