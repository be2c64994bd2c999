#include "runs/runs_check.h"

#include "tool.h"

#include <fovea/eval.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct finding {
    bool json;
    int n, exit_code;
} finding;

static void on_damage(void *context, const char *id, const char *what) {
    finding *f = context;
    f->n++;
    if (!f->json)
        printf("%s\n", what);
    else if (f->exit_code == EXIT_DONE)
        f->exit_code = tool_print_json(json_pack("{s:s, s:s}", "run_id", id, "damage", what));
}

int runs_check(fv_store *store, int evaluated, bool writes, bool json) {
    fv_error error = {0};
    finding f = {.json = json};
    fv_checked c = {0};
    int n_added = 0;
    if (writes && fv_store_complete(store, &n_added, &error) != FV_OK) return tool_fail(&error);
    if (fv_store_check(store, on_damage, &f, &c, &error) != FV_OK) return tool_fail(&error);
    if (f.exit_code != EXIT_DONE) return f.exit_code;
    if (json) {
        int exit_code =
            tool_print_json(json_pack("{s:i, s:i, s:i, s:i}", "runs", c.n_runs, "damaged", f.n,
                                      "unchecked", c.n_unchecked, "completed", n_added));
        return f.n > 0 ? EXIT_FAILED : exit_code != EXIT_DONE ? exit_code : evaluated;
    }
    if (writes)
        printf("%d run%s of an older store got digests\n", n_added, n_added == 1 ? "" : "s");
    if (f.n == 0) printf("%d run%s, none damaged\n", c.n_runs, c.n_runs == 1 ? "" : "s");
    if (f.n == 0 && c.n_unchecked > 0)
        printf("%d of them have no digest yet; --check --write adds what older stores lack\n",
               c.n_unchecked);
    return f.n > 0 ? EXIT_FAILED : evaluated;
}

bool runs_folder_has(const char *folder, const char *name) {
    char path[4096];
    struct stat file;
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path && stat(path, &file) == 0;
}

static void on_eval_damage(void *context, const char *what) {
    on_damage(context, "", what);
}

int runs_check_evaluation(const char *folder, bool json) {
    fv_error error = {0};
    finding f = {.json = json};
    int n_rows;
    if (fv_eval_check(folder, on_eval_damage, &f, &n_rows, &error) != FV_OK)
        return tool_fail(&error);
    if (f.exit_code != EXIT_DONE) return f.exit_code;
    if (json) {
        int exit_code = tool_print_json(json_pack("{s:i, s:i}", "rows", n_rows, "damaged", f.n));
        return f.n > 0 ? EXIT_FAILED : exit_code;
    }
    if (f.n == 0) printf("eval.db: %d row%s, none damaged\n", n_rows, n_rows == 1 ? "" : "s");
    return f.n > 0 ? EXIT_FAILED : EXIT_DONE;
}
