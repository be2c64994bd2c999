#include "needle/against.h"

#include "needle/gates.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double wanted_power = 0.8;
static const double assumed_share = 0.9; // found, where nothing is stored

static bool is_address(const char *text) {
    return strstr(text, "://") != NULL;
}

// --- the options ---------------------------------------------------------------------------------

int against_check(const served_request *r) {
    const gate_limits limits = against_limits(r);
    const char *alone = !isnan(r->fail_within) ? "fail-unless-within"
                        : r->fail_worse        ? "fail-if-worse"
                        : r->noise             ? "noise"
                                               : NULL;
    if (r->against == NULL && alone != NULL)
        return tool_usage_error("%s: --%s compares; say with whom by --against LABEL or URL",
                                r->verb, alone);
    if ((r->against_model != NULL || r->against_label != NULL) &&
        (r->against == NULL || !is_address(r->against)))
        return tool_usage_error("%s: --against-model and --against-label are of a server; give its "
                                "address with --against URL",
                                r->verb);
    if (r->against != NULL && r->interval > 0)
        return tool_usage_error("%s: --interval asks each model as much as it needs, and --against "
                                "needs the same questions; leave out one of them",
                                r->verb);
    if (r->against != NULL && r->label != NULL && strcmp(r->against, r->label) == 0)
        return tool_usage_error("%s: '%s' cannot be compared with itself; --noise asks it twice",
                                r->verb, r->label);
    if (r->junit != NULL && r->against == NULL && !gates_wanted(&limits))
        return tool_usage_error("%s: --junit needs something to judge: give --fail-under or "
                                "--against",
                                r->verb);
    if (!isnan(r->difference) && !r->dry)
        return tool_usage_error("%s: --difference plans; give it with --dry-run", r->verb);
    return EXIT_DONE;
}

const char *against_prompts(const served_request *r) {
    return r->against != NULL && !is_address(r->against) ? r->against : NULL;
}

// --- the plan ------------------------------------------------------------------------------------

// What shows --difference: the share found, and questions by how the errors of two models meet; 0
// questions: more than ten million.
typedef struct power {
    double share, less;
    bool stored; // the share is that of stored answers
    int nested, independent;
} power;

static fv_status stored_share(fv_served *served, power *p, fv_error *error) {
    fv_cells cells = {0};
    int hits = 0, n = 0;
    fv_status status = fv_served_cells(served, &cells, error);
    for (int i = 0; i < cells.n; i++) {
        hits += cells.items[i].hits;
        n += cells.items[i].n;
    }
    p->stored = n > 0;
    p->share = n > 0 ? (double)hits / n : assumed_share;
    fv_cells_free(&cells);
    return status;
}

static int find_power(const served_request *r, fv_served *served, power *p) {
    fv_error error;
    *p = (power){0};
    if (stored_share(served, p, &error) != FV_OK) return tool_fail(&error);
    if (isnan(r->difference)) return EXIT_DONE;
    p->less = p->share - r->difference;
    if (p->less < 0)
        return tool_usage_error("%s: of %.3g found no %g more can be missed; give a smaller "
                                "--difference",
                                r->verb, p->share, r->difference);
    p->nested = fv_paired_questions(r->difference, 0, r->alpha, wanted_power);
    p->independent = fv_paired_questions(p->share * (1 - p->less), (1 - p->share) * p->less,
                                         r->alpha, wanted_power);
    return EXIT_DONE;
}

static void print_questions(FILE *out, int n, const char *where) {
    if (n > 0)
        fprintf(out, "%d prompts %s", n, where);
    else
        fprintf(out, "more than ten million %s", where);
}

// How many prompts pass --fail-unless-within, of equal models: which never differ, differ at one
// question in a hundred, or err independently. 0: more than ten million.
typedef struct within_power {
    int n[3];
    bool exact[3];
} within_power;

static within_power find_within(const served_request *r, const power *p) {
    const double flips[3] = {0, 0.005, p->share * (1 - p->share)}; // each way
    within_power found;
    for (int i = 0; i < 3; i++)
        found.n[i] = fv_within_questions(flips[i], flips[i], r->fail_within, r->alpha, wanted_power,
                                         &found.exact[i]);
    return found;
}

static void print_worse(FILE *out, const served_request *r, const power *p) {
    fprintf(out,
            "power          in 80 %% of cases --fail-if-worse at %g sees %.4g in place of %.4g "
            "(%s) with\n               ",
            r->alpha, p->less, p->share, p->stored ? "as stored answers have" : "assumed");
    print_questions(out, p->nested, "where errors nest, ");
    print_questions(out, p->independent, "where they are independent\n");
}

static void print_within(FILE *out, const served_request *r, const power *p) {
    static const char *const WHERE[] = {"where\n               they never differ, ",
                                        "where they flip at one in a hundred, ",
                                        "where errors are independent\n"};
    const within_power w = find_within(r, p);
    fprintf(out,
            "power          in 80 %% of cases --fail-unless-within %g at %g passes equal models "
            "with ",
            r->fail_within, r->alpha);
    for (int i = 0; i < 3; i++) {
        if (!w.exact[i]) fputs("about ", out);
        print_questions(out, w.n[i], WHERE[i]);
    }
}

int against_plan(FILE *out, const served_request *r, const fv_served_plan *plan,
                 fv_served *served) {
    power p;
    int n = plan->n_requests + plan->n_stored;
    if (r->against != NULL && is_address(r->against))
        fprintf(out, "against        %s is asked the same %d, as far as it was not before\n",
                r->against, n);
    if (r->noise) fprintf(out, "noise          the model is asked the same %d again\n", n);
    if (isnan(r->difference) && isnan(r->fail_within)) return EXIT_DONE;
    int exit_code = find_power(r, served, &p);
    if (exit_code != EXIT_DONE) return exit_code;
    if (!isnan(r->difference)) print_worse(out, r, &p);
    if (!isnan(r->fail_within)) print_within(out, r, &p);
    return EXIT_DONE;
}

static json_t *within_json(const served_request *r, const power *p) {
    const within_power w = find_within(r, p);
    return json_pack("{s:f, s:f, s:i, s:i, s:i, s:[b,b,b]}", "margin", r->fail_within, "alpha",
                     r->alpha, "same", w.n[0], "one_in_hundred", w.n[1], "independent", w.n[2],
                     "exact", w.exact[0], w.exact[1], w.exact[2]);
}

int against_plan_json(const served_request *r, fv_served *served, json_t *plan) {
    power p;
    if (isnan(r->difference) && isnan(r->fail_within)) return EXIT_DONE;
    int exit_code = find_power(r, served, &p);
    if (exit_code == EXIT_DONE && !isnan(r->difference))
        json_object_set_new(plan, "power",
                            json_pack("{s:f, s:f, s:b, s:f, s:i, s:i}", "share", p.share,
                                      "difference", r->difference, "stored", p.stored, "alpha",
                                      r->alpha, "nested", p.nested, "independent", p.independent));
    if (exit_code == EXIT_DONE && !isnan(r->fail_within))
        json_object_set_new(plan, "power_within", within_json(r, &p));
    return exit_code;
}

// --- asking --------------------------------------------------------------------------------------

int against_worse(int a, int b) {
    static const int RANK[] = {
        [EXIT_DONE] = 0, [EXIT_FAILED] = 1, [EXIT_USAGE] = 3, [EXIT_GATE] = 2};
    return RANK[a] >= RANK[b] ? a : b;
}

static char *again_label(const char *label) {
    size_t size = strlen(label) + sizeof " (again)";
    char *text = malloc(size);
    if (text != NULL) snprintf(text, size, "%s (again)", label);
    return text;
}

// The same model, prompts, order and requests in flight.
static int ask_again(const served_request *r, const fv_served_options *options, const char *label,
                     const char *again) {
    served_request second = *r;
    fv_served_options o = *options;
    fv_cells none = {0};
    bool asked = false;
    second.quiet = true;
    second.json = false;
    second.predictions = NULL;
    o.label = again;
    o.prompts_of = label;
    o.on_note = NULL;
    int exit_code = served_session(&second, &o, &none, &asked, NULL);
    fv_cells_free(&none);
    return exit_code;
}

// Keys and headers belong to the server that they are for.
static void take_key(const served_request *r, fv_served_options *o) {
    const char *key = getenv("FOVEA_AGAINST_API_KEY");
    if (strcmp(r->against, r->endpoint) != 0) {
        o->key = NULL;
        o->n_headers = 0;
    }
    if (key != NULL && *key != '\0') o->key = key;
}

static int ask_other(const served_request *r, const fv_served_options *options, const char *label,
                     fv_cells *cells, char **other) {
    served_request second = *r;
    fv_served_options o = *options;
    bool asked = false;
    second.endpoint = o.endpoint = r->against;
    second.model = o.model = r->against_model != NULL ? r->against_model : r->model;
    second.label = o.label = r->against_label;
    o.more_endpoints = NULL;
    o.n_more_endpoints = 0;
    o.command = NULL;
    o.stored_only = false;
    second.predictions = NULL;
    take_key(r, &o);
    o.prompts_of = label;
    fv_cells theirs = {0};
    fv_error error;
    int exit_code = served_session(&second, &o, &theirs, &asked, other);
    for (int i = 0; i < theirs.n; i++)
        if (fv_cells_put(cells, &theirs.items[i], &error) != FV_OK) exit_code = tool_fail(&error);
    fv_cells_free(&theirs);
    return exit_code;
}

// --- comparing -------------------------------------------------------------------------------------

static void measure_noise(const fv_comparison *c, against_noise *noise) {
    *noise =
        (against_noise){.n = c->all.counts.n, .n_flips = c->n_flips, .n_changed = c->all.counts.n};
    for (int a = 0; a < FV_N_ANSWERS; a++) noise->n_changed -= c->classes[a][a];
}

static fv_status flip_prompt(void *context, const fv_flip *flip, char **prompt, fv_error *error) {
    return fv_flip_prompt(context, flip, prompt, error);
}

// Everything that is stored, compared, printed and judged.
static int compare(const served_request *r, fv_served *served, const char *const label[2],
                   const char *again, gate_counts *counts) {
    fv_comparison c = {0}, twice = {0};
    against_noise noise = {0};
    fv_error error;
    fv_status status = fv_served_compare(served, label[0], &c, &error);
    if (status == FV_OK && again != NULL) status = fv_served_compare(served, again, &twice, &error);
    if (status == FV_OK) measure_noise(&twice, &noise);
    const against_sides sides = {{label[0], label[1]}, &c, &noise, flip_prompt, served};
    int exit_code = status == FV_OK ? against_report(r, &sides, counts) : tool_fail(&error);
    fv_comparison_free(&c);
    fv_comparison_free(&twice);
    return exit_code;
}

static int compare_stored(const served_request *r, const fv_served_options *options,
                          const char *const label[2], const char *again, gate_counts *counts) {
    fv_served_options o = *options;
    fv_served *served;
    fv_error error;
    o.dry = true; // reads what is stored
    if (fv_served_open(&o, &served, &error) != FV_OK) return tool_fail(&error);
    int exit_code = compare(r, served, label, again, counts);
    fv_served_close(served);
    return exit_code;
}

int against_run(const served_request *r, const fv_served_options *options, const char *label,
                fv_cells *cells) {
    bool asks = is_address(r->against);
    char *other = asks ? NULL : strdup(r->against), *again = r->noise ? again_label(label) : NULL;
    gate_counts counts = {0};
    int exit_code = EXIT_DONE;
    against_count(cells, &counts);
    if ((!asks && other == NULL) || (r->noise && again == NULL)) exit_code = tool_no_memory();
    if (exit_code == EXIT_DONE && again != NULL) exit_code = ask_again(r, options, label, again);
    if (exit_code != EXIT_USAGE && asks && !tool_interrupted)
        exit_code = against_worse(exit_code, ask_other(r, options, label, cells, &other));
    if (exit_code != EXIT_USAGE && !tool_interrupted && other != NULL) {
        const char *const labels[2] = {other, label};
        if (strcmp(other, label) == 0)
            exit_code = tool_usage_error("%s: '%s' cannot be compared with itself; give another "
                                         "server, or --against-label",
                                         r->verb, label);
        else
            exit_code =
                against_worse(exit_code, compare_stored(r, options, labels, again, &counts));
    }
    free(other);
    free(again);
    return exit_code;
}
