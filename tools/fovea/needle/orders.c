#include "needle/orders.h"

#include "table.h"
#include "tool.h"

#include <fovea/orders.h>
#include <stdlib.h>
#include <string.h>

static bool is_order(const char *name, size_t n) {
    static const char *const NAMES[] = {"ends", "rank", "shuffled"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strlen(NAMES[i]) == n && memcmp(NAMES[i], name, n) == 0) return true;
    return false;
}

// Whether the list "qa_ends,qa_rank" has this order.
static bool is_there(const char *tasks, const char *order, size_t n) {
    for (const char *at = tasks; (at = strstr(at, "qa_")) != NULL;) {
        at += strlen("qa_");
        if (strcspn(at, ",") == n && memcmp(at, order, n) == 0) return true;
    }
    return false;
}

int orders_read(const char *order, const char *task, char *tasks) {
    size_t used = 0;
    *tasks = '\0';
    if (strcmp(task, "qa") != 0)
        return tool_usage_error("middle: --order puts documents into order: give --task qa and "
                                "--documents FILE");
    for (const char *at = order; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t n = strcspn(at, ",");
        if (!is_order(at, n) || used + n + 5 > ORDERS_TEXT)
            return tool_usage_error("middle: --order takes ends, rank and shuffled, with commas, "
                                    "not '%s'",
                                    order);
        if (is_there(tasks, at, n))
            return tool_usage_error("middle: --order has %.*s twice; leave one out", (int)n, at);
        const char *comma = used > 0 ? "," : "";
        used += (size_t)snprintf(tasks + used, ORDERS_TEXT - used, "%sqa_%.*s", comma, (int)n, at);
    }
    return EXIT_DONE;
}

static void add_row(table *t, const fv_order_pair *pair) {
    const fv_paired *c = &pair->counts;
    double difference = c->n > 0 ? 100.0 * (c->won - c->lost) / c->n : 0;
    table_add(t, "%s against %s", pair->second, pair->first);
    table_add(t, "%d documents", pair->length);
    table_add(t, "%d", c->n);
    table_add(t, "%d", c->won);
    table_add(t, "%d", c->lost);
    table_add(t, "%+.1f %%", difference);
    table_add(t, "%+.1f to %+.1f %%", 100 * pair->low, 100 * pair->high);
    table_add(t, "%.3g", pair->p);
    table_add(t, "%.3g", pair->holm);
}

static void print_table(FILE *out, const fv_order_pair *pairs, int n) {
    static const char *const HEADERS[] = {"order",       "length",     "questions", "first only",
                                          "second only", "difference", "95 %",      "p",
                                          "Holm",        NULL};
    table t;
    table_init(&t, 9);
    table_add_texts(&t, HEADERS);
    for (int i = 0; i < n; i++) add_row(&t, &pairs[i]);
    fputc('\n', out);
    table_print(&t, out);
    table_free(&t);
}

static int print_json(const fv_order_pair *pair) {
    return tool_print_json(
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "order", pair->second,
                  "against", pair->first, "length", pair->length, "questions", pair->counts.n,
                  "found_alone", pair->counts.won, "missed_alone", pair->counts.lost, "low",
                  tool_number_json(pair->low), "high", tool_number_json(pair->high), "p",
                  tool_number_json(pair->p), "holm", tool_number_json(pair->holm)));
}

fv_status orders_print(FILE *out, bool json, fv_served *served, fv_error *error) {
    fv_order_pair *pairs;
    int n;
    fv_status status = fv_served_orders(served, &pairs, &n, error);
    if (status != FV_OK) return status;
    if (out != NULL && n > 0) print_table(out, pairs, n);
    for (int i = 0; i < n && json && status == FV_OK; i++)
        if (print_json(&pairs[i]) != EXIT_DONE)
            status = fv_fail(error, FV_IO, "the JSON output cannot be written");
    free(pairs);
    return status;
}
