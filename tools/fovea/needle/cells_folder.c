#include "needle/cells_folder.h"

#include "tool.h"

#include <stdlib.h>
#include <string.h>

static bool same_answers(const fv_cell *a, const fv_cell *b) {
    return a->n == b->n && memcmp(a->counts, b->counts, sizeof a->counts) == 0;
}

// Adds the cells of another folder. Neither of two different results may hide the other.
static fv_status add_folder(fv_cells *whole, const char *folder, fv_error *error) {
    fv_cells more = {0};
    fv_status status = fv_cells_load(folder, &more, error);
    for (int i = 0; i < more.n && status == FV_OK; i++) {
        const fv_cell *cell = &more.items[i], *known = fv_cells_find(whole, cell);
        if (known == NULL)
            status = fv_cells_put(whole, cell, error);
        else if (!same_answers(known, cell))
            status = fv_fail(error, FV_USAGE,
                             "%s has %s, %s at length %d with other answers than the folders "
                             "before it; ask one of the two under another --label",
                             folder, cell->model, cell->task, cell->length);
    }
    fv_cells_free(&more);
    return status;
}

static fv_status add_folders(fv_cells *whole, const char *with, fv_error *error) {
    char *names = with != NULL ? strdup(with) : NULL, *rest = NULL;
    if (with == NULL) return FV_OK;
    if (names == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = FV_OK;
    for (char *name = strtok_r(names, ",", &rest); name != NULL && status == FV_OK;
         name = strtok_r(NULL, ",", &rest))
        status = add_folder(whole, name, error);
    free(names);
    return status;
}

fv_status cells_folder_check(const char *with, fv_error *error) {
    fv_cells cells = {0};
    fv_status status = add_folders(&cells, with, error);
    fv_cells_free(&cells);
    return status;
}

static void tell(void *context, const char *text) {
    (void)context;
    tool_note("%s", text);
}

fv_status cells_folder_mend(const char *folder, fv_error *error) {
    return folder != NULL ? fv_eval_mend(folder, tell, NULL, error) : FV_OK;
}

fv_status cells_folder_make(const char *folder, fv_error *error) {
    const fv_cells none = {0};
    return fv_cells_save(folder, &none, error);
}

fv_status cells_folder_keep(const char *folder, const char *with, const fv_cells *cells,
                            fv_error *error) {
    fv_cells whole = {0};
    fv_status status = fv_cells_save(folder, cells, error);
    if (status == FV_OK) status = fv_cells_load(folder, &whole, error);
    if (status == FV_OK) status = add_folders(&whole, with, error);
    char *remark = NULL;
    if (status == FV_OK)
        status = fv_cells_draw(folder, "Does the model use its context?", &whole, &remark, error);
    if (status == FV_OK) tool_tell_remark(folder, remark);
    free(remark);
    fv_cells_free(&whole);
    return status;
}
