// gallery.md: every figure beside its claims and verdicts, as Markdown that refers to the pictures
// next to it. What report.html is to a browser, this is to a repository: `make gallery` turns it
// into docs/gallery.md.
#include <fovea/figure.h>
#include <fovea/machine.h>
#include <fovea/whole_file.h>

#include <string.h>

// Nothing in `text` may end a cell, begin a tag or start an emphasis.
static void write_text(FILE *md, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n')
            fputc(' ', md);
        else if (*c == '<')
            fputs("&lt;", md);
        else if (strchr("|*_`[]\\", *c) != NULL)
            fprintf(md, "\\%c", *c);
        else
            fputc(*c, md);
    }
}

// `file` as seen from the folder of `page`; as it is where it lies elsewhere.
static const char *seen_from(const char *page, const char *file) {
    const char *slash = strrchr(page, '/');
    size_t length = slash != NULL ? (size_t)(slash - page) + 1 : 0;
    return strncmp(page, file, length) == 0 ? file + length : file;
}

// Paths stand between < and >, so that blanks do no harm.
static void write_figure(FILE *md, const char *page, const fv_drawn *drawn) {
    const char *picture = drawn->svg != NULL ? drawn->svg : drawn->gif;
    if (picture == NULL) return;
    fputs("![", md);
    write_text(md, drawn->title != NULL ? drawn->title : "");
    fprintf(md, "](<%s>)\n\n", seen_from(page, picture));
}

static void write_claims(FILE *md, const fv_report_part *part) {
    if (part->n_judgements == 0) return;
    fputs("| verdict | claim | published | measured | seeds |\n| --- | --- | --- | --- | --- |\n",
          md);
    for (int i = 0; i < part->n_judgements; i++) {
        const fv_judgement *j = &part->judgements[i];
        const char *cells[] = {j->statement, j->published, j->measured, j->note};
        fprintf(md, "| %s |", fv_verdict_text(j->verdict));
        for (int c = 0; c < 4; c++) {
            fputc(' ', md);
            write_text(md, cells[c]);
            fputs(" |", md);
        }
        fputc('\n', md);
    }
    fputc('\n', md);
}

static void write_choice(void *context, const char *sentence) {
    FILE *md = context;
    fputs("- ", md);
    write_text(md, sentence);
    fputc('\n', md);
}

static fv_status write_choices(FILE *md, const fv_experiment *experiment, fv_error *error) {
    char rule[1024];
    if (experiment->choose == NULL) return FV_OK;
    fv_experiment_choice_rule(experiment, rule, sizeof rule);
    write_text(md, rule);
    fputs(":\n\n", md);
    fv_status status = fv_experiment_choices(experiment, write_choice, md, error);
    fputc('\n', md);
    return status;
}

static fv_status write_part(FILE *md, const char *page, const fv_report_part *part,
                            fv_error *error) {
    const fv_experiment *experiment = part->experiment;
    fputs("## ", md);
    write_text(md, *experiment->source ? experiment->source : experiment->name);
    const char *slash = strrchr(experiment->path, '/'), *post = slash;
    while (post != NULL && post > experiment->path && post[-1] != '/') post--;
    char diverged[128];
    bool any = fv_divergence_text(&part->diverged, diverged, sizeof diverged) > 0;
    fprintf(md, "\n\n`%s`, %d run%s, numerics %d%s%s\n\n", post != NULL ? post : experiment->path,
            part->n_runs, part->n_runs == 1 ? "" : "s", part->numerics, any ? "; " : "", diverged);
    fv_status status = write_choices(md, experiment, error);
    for (int f = 0; f < part->n_figures; f++) write_figure(md, page, &part->figures[f]);
    write_claims(md, part);
    return status;
}

static void write_tally(FILE *md, const fv_report_part *parts, int n_parts) {
    int counts[FV_VERDICT_COUNT] = {0}, total = 0;
    for (int i = 0; i < n_parts; i++)
        for (int j = 0; j < parts[i].n_judgements; j++, total++)
            counts[parts[i].judgements[j].verdict]++;
    fprintf(md, "%d experiment%s, %d claim%s:", n_parts, n_parts == 1 ? "" : "s", total,
            total == 1 ? "" : "s");
    for (int v = 0; v < FV_VERDICT_COUNT; v++)
        if (v != FV_NOT_COMPARABLE || counts[v] > 0)
            fprintf(md, "%s %d %s", v > 0 ? "," : "", counts[v], fv_verdict_text((fv_verdict)v));
    fprintf(md, ". Fovea %s, %s kernels, %s.\n\n", fv_version(), fv_kernels_name(),
            fv_machine_cpu());
}

fv_status fv_gallery_write(const char *path, const char *title, const fv_report_part *parts,
                           int n_parts, fv_error *error) {
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    fputs("# ", file.stream);
    write_text(file.stream, title);
    fputs("\n\n", file.stream);
    write_tally(file.stream, parts, n_parts);
    for (int i = 0; i < n_parts && status == FV_OK; i++)
        status = write_part(file.stream, path, &parts[i], error);
    fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
    return status == FV_OK ? closed : status;
}
