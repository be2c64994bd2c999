#include <fovea/figure.h>

#include "config/record_config.h"
#include "config/synonym_lookup.h"
#include "figures/fonts.h"
#include "figures/kind.h"
#include "figures/rehearse.h"
#include "figures/runs.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <stdlib.h>
#include <string.h>

static const figure_kind *const kinds[] = {
#define KIND(name) &figure_##name,
    FV_FIGURE_KIND_LIST(KIND)
#undef KIND
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const figure_kind *const *figure_kinds(int *n) {
    *n = N_KINDS;
    return kinds;
}

static fv_status find_kind(const figure_view *view, const figure_kind **kind, fv_error *error) {
    const char *name = fv_options_text(view->options, "kind", NULL);
    const char *names[N_KINDS + 1] = {NULL};
    char list[128] = "";
    for (int i = 0; i < N_KINDS; i++) {
        *kind = kinds[i];
        names[i] = kinds[i]->name;
        if (name != NULL && strcmp(name, kinds[i]->name) == 0) return FV_OK;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", kinds[i]->name);
    }
    if (name == NULL)
        return figure_fail(view, NULL, error, "`kind` is missing; it is one of %s", list);
    return figure_fail(view, "kind", error,
                       "there is no kind '%.60s'; it is one of %s, and the nearest is '%s'", name,
                       list, synonym_nearest("figure", name, names));
}

// The file name of a figure: its `name`, else the experiment's, with a number from the second
// figure on.
static char *name_of(const fv_experiment *experiment, const fv_options *figure,
                     figure_scratch *scratch) {
    const char *name = fv_options_text(figure, "name", NULL);
    if (name != NULL) return scratch_text(scratch, "%s", name);
    long index = figure - experiment->figures;
    if (experiment->figures == NULL || index <= 0 || index >= experiment->n_figures)
        return scratch_text(scratch, "%s", experiment->name);
    return scratch_text(scratch, "%s-%ld", experiment->name, index + 1);
}

// Two figures of one name would overwrite each other.
static fv_status check_name(const figure_view *view, fv_error *error) {
    const fv_experiment *experiment = view->experiment;
    const char *name = name_of(experiment, view->options, view->scratch);
    if (name == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < experiment->n_figures && &experiment->figures[i] != view->options; i++) {
        const char *other = name_of(experiment, &experiment->figures[i], view->scratch);
        if (other != NULL && strcmp(name, other) == 0)
            return figure_fail(view, "name", error,
                               "another figure of the experiment is named \"%s\" too; give each "
                               "a `name` of its own",
                               name);
    }
    return FV_OK;
}

static fv_status load_configs(figure_view *view, fv_error *error) {
    size_t n = (size_t)fv_experiment_n_runs(view->experiment);
    fv_config *configs = scratch_get(view->scratch, n, sizeof *configs);
    view->runs.configs = scratch_get(view->scratch, n, sizeof *view->runs.configs);
    if (configs == NULL || view->runs.configs == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        fv_experiment_config(view->experiment, (int)i, &configs[i]);
        view->runs.configs[i] = &configs[i];
    }
    view->runs.n = (int)n;
    return FV_OK;
}

fv_status fv_figure_rehearse(const fv_experiment *experiment, const fv_options *figure,
                             fv_error *error) {
    figure_scratch scratch = {0};
    figure_view view = {.experiment = experiment, .options = figure, .scratch = &scratch};
    const figure_kind *kind;
    fv_status status = find_kind(&view, &kind, error);
    if (status == FV_OK) status = load_configs(&view, error);
    if (status == FV_OK) status = runs_select(&view, error);
    if (status == FV_OK) status = figure_rehearse_options(&view, kind, error);
    scratch_free(&scratch);
    return status;
}

fv_status fv_figure_check(const fv_experiment *experiment, const fv_options *figure,
                          fv_error *error) {
    figure_scratch scratch = {0};
    figure_view view = {.experiment = experiment, .options = figure, .scratch = &scratch};
    const figure_kind *kind;
    fv_status status = find_kind(&view, &kind, error);
    if (status == FV_OK) status = figure_check_options(experiment, figure, kind, error);
    if (status == FV_OK) status = check_name(&view, error);
    if (status == FV_OK) status = load_configs(&view, error);
    if (status == FV_OK) status = runs_select(&view, error);
    if (status == FV_OK) status = kind->check(&view, error);
    scratch_free(&scratch);
    return status;
}

static fv_status use_records(figure_view *view, const fv_record *const *records, int n,
                             fv_error *error) {
    figure_runs *runs = &view->runs;
    if (record_check_configs(records, n, error) != FV_OK) return FV_USAGE;
    runs->configs = scratch_get(view->scratch, (size_t)n, sizeof *runs->configs);
    runs->records = scratch_get(view->scratch, (size_t)n, sizeof *runs->records);
    if (runs->configs == NULL || runs->records == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) {
        runs->records[i] = records[i];
        runs->configs[i] = records[i]->config;
    }
    runs->n = n;
    if (n > 0) return FV_OK;
    return figure_fail(view, NULL, error, "there is no run to draw");
}

void figure_remark(figure_view *view, const char *line) {
    if (line == NULL) return;
    const char *both =
        view->remark == NULL ? line : scratch_text(view->scratch, "%s\n%s", view->remark, line);
    if (both != NULL) view->remark = both;
}

// A figure's script on its way to pictures.
typedef struct drawing {
    figure_view *view;
    const char *script;
    size_t length;
    const char *folder, *name;
} drawing;

// Lets one picture of the script begin, and keeps its path in *path.
static fv_status begin_picture(const drawing *d, figure_picture picture, const char *extension,
                               char **path, gnuplot_drawing *begun, fv_error *error) {
    size_t size = strlen(d->folder) + strlen(d->name) + strlen(extension) + 3;
    *path = malloc(size);
    if (*path == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    snprintf(*path, size, "%s/%s.%s", d->folder, d->name, extension);
    figure_drawable drawable;
    fv_status status =
        fonts_drawable(d->view->scratch, picture, d->script, d->length, &drawable, error);
    figure_remark(d->view, drawable.remark);
    if (status != FV_OK) return status;
    return gnuplot_begin(begun, drawable.script, drawable.length, picture, d->view->width,
                         d->view->height, *path, error);
}

static fv_status finish_svg(const drawing *d, gnuplot_drawing *svg, const char *path,
                            fv_error *error) {
    fv_status status = gnuplot_finish(svg, error);
    return status == FV_OK ? spots_write(path, &d->view->spots, error) : status;
}

// Both at once, unless there is one core only: a PNG takes most of the time, and of an SVG that is
// not to be had none is wanted.
static fv_status draw_svg_and_png(const drawing *d, fv_drawn *drawn, fv_error *error) {
    gnuplot_drawing svg = {.in = NULL}, png = {.in = NULL};
    bool one_by_one = fv_machine_cores() < 2;
    fv_status status = begin_picture(d, FV_PICTURE_SVG, "svg", &drawn->svg, &svg, error);
    if (status == FV_OK && one_by_one) status = finish_svg(d, &svg, drawn->svg, error);
    if (status == FV_OK) status = begin_picture(d, FV_PICTURE_PNG, "png", &drawn->png, &png, error);
    if (status == FV_OK && !one_by_one) status = finish_svg(d, &svg, drawn->svg, error);
    if (status == FV_OK) status = gnuplot_finish(&png, error);
    gnuplot_drop(&svg);
    gnuplot_drop(&png);
    return status;
}

static fv_status draw_pictures(const figure_kind *kind, figure_view *view, const char *script,
                               size_t length, const char *folder, fv_drawn *drawn,
                               fv_error *error) {
    const char *name = name_of(view->experiment, view->options, view->scratch);
    const char *source = view->experiment->source;
    const char *title = fv_options_text(view->options, "title", source && *source ? source : name);
    if (name == NULL || (drawn->title = strdup(title)) == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    const drawing d = {view, script, length, folder, name};
    if (!kind->animated) return draw_svg_and_png(&d, drawn, error);
    gnuplot_drawing gif = {.in = NULL};
    fv_status status = begin_picture(&d, FV_PICTURE_GIF, "gif", &drawn->gif, &gif, error);
    return status == FV_OK ? gnuplot_finish(&gif, error) : status;
}

fv_status fv_figure_draw(const fv_experiment *experiment, const fv_options *figure,
                         const fv_record *const *records, int n_records, const char *folder,
                         fv_drawn *drawn, fv_error *error) {
    figure_scratch scratch = {0};
    figure_view view = {.experiment = experiment, .options = figure, .scratch = &scratch};
    const figure_kind *kind;
    char *script = NULL;
    size_t length = 0;
    *drawn = (fv_drawn){0};

    fv_status status = find_kind(&view, &kind, error);
    if (status == FV_OK) status = figure_check_options(experiment, figure, kind, error);
    if (status == FV_OK) status = use_records(&view, records, n_records, error);
    if (status == FV_OK) status = runs_select(&view, error);
    if (status != FV_OK) goto done;

    view.script = open_memstream(&script, &length);
    if (view.script == NULL) {
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
        goto done;
    }
    status = kind->draw(&view, error);
    bool broken = ferror(view.script) != 0;
    broken |= fclose(view.script) != 0;
    if (status == FV_OK && broken) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = draw_pictures(kind, &view, script, length, folder, drawn, error);
    if (status == FV_OK && view.remark != NULL && (drawn->remark = strdup(view.remark)) == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
done:
    if (status != FV_OK) fv_drawn_free(drawn);
    free(script);
    scratch_free(&scratch);
    return status;
}

void fv_drawn_free(fv_drawn *drawn) {
    if (drawn == NULL) return;
    free(drawn->title);
    free(drawn->svg);
    free(drawn->png);
    free(drawn->gif);
    free(drawn->remark);
    *drawn = (fv_drawn){0};
}
