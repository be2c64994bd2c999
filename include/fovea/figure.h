// Figures: an experiment's runs drawn with gnuplot as SVG and PNG (animations as GIF), and the
// one-file HTML report. docs/figures.md lists the kinds and their options.
#ifndef FOVEA_FIGURE_H
#define FOVEA_FIGURE_H

#include <fovea/claim.h>
#include <fovea/experiment.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_drawn {
    char *title;
    char *svg, *png, *gif; // paths; svg and png, or gif alone for an animation
    char *remark; // what a reader should be told, a line each: that nothing has a value; or NULL
} fv_drawn;

// Checks one figure's options (unknown kind, unknown key, missing key) without any run.
FV_API fv_status fv_figure_check(const fv_experiment *experiment, const fv_options *figure,
                                 fv_error *error);

// Checks what only runs can tell, on one step of the runs that it draws: that one of them has each
// series, and that measures find theirs in the first. Fails with FV_USAGE (file:line), or as a
// probe does that cannot measure that run.
FV_API fv_status fv_figure_rehearse(const fv_experiment *experiment, const fv_options *figure,
                                    fv_error *error);

// The kinds of figures and their options as Markdown, made from the tables that fv_figure_check
// reads; of one kind, or of all with NULL. The caller frees the text; NULL for an unknown kind or
// without memory.
FV_API char *fv_figure_help(const char *kind);

// Draws the figure into `folder` as NAME.svg and NAME.png (or NAME.gif). Fails with
// FV_MISSING_PROGRAM where gnuplot is not installed.
FV_API fv_status fv_figure_draw(const fv_experiment *experiment, const fv_options *figure,
                                const fv_record *const *records, int n_records, const char *folder,
                                fv_drawn *drawn, fv_error *error);
FV_API void fv_drawn_free(fv_drawn *drawn);

// While *flag is not 0, all drawing of this process ends with FV_INTERRUPTED: gnuplot runs in a
// process group of its own and does not hear the terminal's signals. NULL (the usual) for none.
FV_API void fv_drawing_interrupt(const volatile int *flag);

// Kills the gnuplot that is drawing, if any. May be called from a signal handler that then ends the
// process.
FV_API void fv_drawing_abandon(void);

// One experiment's part of a report.
typedef struct fv_report_part {
    const fv_experiment *experiment;
    const fv_drawn *figures;
    int n_figures;
    const fv_judgement *judgements;
    int n_judgements;
    int n_runs;
    double wall_seconds; // training time summed over runs
    fv_divergence diverged;
    int numerics; // the newest version that a run was trained with (fv_record)
} fv_report_part;

// Writes a self-contained HTML file: figures inline, the table of claims and verdicts, every
// configuration, the machine. Needs no network to open.
FV_API fv_status fv_report_write(const char *path, const char *title, const fv_report_part *parts,
                                 int n_parts, fv_error *error);

// Writes the same figures and verdicts as Markdown, which shows the pictures by their paths as seen
// from its own folder.
FV_API fv_status fv_gallery_write(const char *path, const char *title, const fv_report_part *parts,
                                  int n_parts, fv_error *error);

// Writes claims.json: a list of {id, source, statement, published, measured, verdict, note, ...}.
FV_API fv_status fv_claims_write_json(const char *path, const fv_judgement *judgements, int n,
                                      fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
