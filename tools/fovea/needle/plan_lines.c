#include "needle/plan_lines.h"

#include "needle/against.h"
#include "tool.h"

static void print_amount(FILE *out, double amount) {
    if (amount >= 1e6)
        fprintf(out, "%.4g million", amount / 1e6);
    else
        fprintf(out, "%.0f", amount);
}

static const char *plural(int n) {
    return n == 1 ? "" : "s";
}

static double cost_of(const served_request *r, const fv_served_plan *plan) {
    return (plan->prompt_tokens * r->price_in + plan->answer_tokens * r->price_out) / 1e6;
}

// How many requests are in flight, where that is not what was wanted.
static void print_in_flight(FILE *out, const fv_served_options *o, const fv_served_plan *plan) {
    if (plan->in_flight < o->in_flight * (1 + o->n_more_endpoints))
        fprintf(out, "in flight      %d at once, for which descriptors are enough\n",
                plan->in_flight);
    if (plan->idle_load > 0)
        fprintf(out,
                "in flight      never %d at once: there are fewer requests under that load; "
                "--samples gives more\n",
                plan->idle_load);
}

void served_print_plan(FILE *out, const served_request *r, const fv_served_options *o,
                       const fv_served_plan *plan) {
    char whom[512];
    const char *rest = o->n_more_endpoints > 0 ? ", and more endpoints" : "";
    const char *name = o->label != NULL ? o->label : o->model;
    if (o->stored_only)
        snprintf(whom, sizeof whom, "%s, whose server need not be started", name);
    else
        snprintf(whom, sizeof whom, "%s at %s%s", name, o->endpoint, rest);
    fv_printable(whom, sizeof whom);
    fprintf(out, "%s: %d cell%s, %d request%s", whom, plan->n_cells, plural(plan->n_cells),
            plan->n_requests, plural(plan->n_requests));
    if (r->interval > 0) fputs(" at most", out);
    if (plan->n_stored > 0) fprintf(out, ", %d answered before", plan->n_stored);
    if (plan->n_unknown > 0)
        fprintf(out, ", %d of the requests by an unknown server (--reuse-unknown counts these)",
                plan->n_unknown);
    fputs("\nprompt tokens  ", out);
    print_amount(out, plan->prompt_tokens);
    fputs(", of which ", out);
    print_amount(out, plan->shared_tokens);
    fputs(" repeat the prompt before", out);
    if (*plan->counted != '\0')
        fprintf(out, plan->estimated ? " (estimated by: %s, 5 %% to spare)" : " (counted by: %s)",
                plan->counted);
    fputs("\nanswer tokens  ", out);
    print_amount(out, plan->answer_tokens);
    fputs(" at most\ntime           ", out);
    if (plan->seconds < 0)
        fputs("known after the first answers\n", out);
    else
        fprintf(out, "about %.3g s, by the answers so far, with %s in flight\n", plan->seconds,
                r->concurrency);
    print_in_flight(out, o, plan);
    if (plan->context > 0) fprintf(out, "context        %d tokens", plan->context);
    if (plan->n_beyond > 0)
        fprintf(out, "; the lengths of %d requests are above it", plan->n_beyond);
    if (plan->context > 0) fputc('\n', out);
    if (r->price_in > 0 || r->price_out > 0)
        fprintf(out, "cost           %.4g at most, at %g and %g a million tokens\n",
                cost_of(r, plan), r->price_in, r->price_out);
}

int served_print_plan_json(const served_request *r, const fv_served_plan *plan, fv_served *served) {
    json_t *object =
        json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:i, s:s, s:b, s:o, s:i, s:i}", "cells",
                  plan->n_cells, "requests", plan->n_requests, "stored", plan->n_stored,
                  "prompt_tokens", tool_number_json(plan->prompt_tokens), "shared_tokens",
                  tool_number_json(plan->shared_tokens), "answer_tokens",
                  tool_number_json(plan->answer_tokens), "seconds",
                  plan->seconds < 0 ? json_null() : tool_number_json(plan->seconds), "context",
                  plan->context, "counted", plan->counted, "estimated", plan->estimated, "cost",
                  tool_number_json(cost_of(r, plan)), "unknown", plan->n_unknown, "beyond_context",
                  plan->n_beyond);
    int exit_code = against_plan_json(r, served, object);
    if (exit_code == EXIT_DONE) return tool_print_json(object);
    json_decref(object);
    return exit_code;
}
