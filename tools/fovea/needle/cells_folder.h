// The folder that `fovea needle` and `fovea middle` leave: eval.db, figures, report.html.
#ifndef FOVEA_TOOL_CELLS_FOLDER_H
#define FOVEA_TOOL_CELLS_FOLDER_H

#include <fovea/eval.h>

#define CELLS_WITH_HELP                                                                            \
    "more folders of results, with commas, whose models are drawn with these, of the lab and "     \
    "served; nothing of them is stored in --out"

// Whether the folders that `with` lists (NULL for none) are there and agree, before something long
// is started.
fv_status cells_folder_check(const char *with, fv_error *error);

// Says what of the folder's file is damaged and puts it aside, before something is added; NULL for
// no folder.
fv_status cells_folder_mend(const char *folder, fv_error *error);

// Makes the folder and its file, to which nothing is added yet: what cannot be kept need not be
// computed.
fv_status cells_folder_make(const char *folder, fv_error *error);

// Adds the cells to those of `folder` and draws them all, together with those of the folders that
// `with` lists (NULL for none). FV_USAGE where two folders have a cell with different answers.
fv_status cells_folder_keep(const char *folder, const char *with, const fv_cells *cells,
                            fv_error *error);

#endif
