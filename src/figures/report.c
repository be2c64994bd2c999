// report.html: one file that opens anywhere without network, scripts or fonts of its own.
// Everything that comes from experiment files is escaped on its way in.
#include <fovea/config.h>
#include <fovea/figure.h>
#include <fovea/machine.h>
#include <fovea/whole_file.h>

#include "config/config_check.h"
#include "figures/html.h"
#include "figures/report_style.h"

#include <string.h>

static const char *const verdict_class[FV_VERDICT_COUNT] = {
    [FV_REPRODUCED] = "good",
    [FV_PARTLY] = "half",
    [FV_NOT_REPRODUCED] = "bad",
    [FV_NOT_COMPARABLE] = "apart",
};

static void count_verdicts(const fv_report_part *part, int counts[FV_VERDICT_COUNT]) {
    for (int i = 0; i < part->n_judgements; i++) counts[part->judgements[i].verdict]++;
}

static void write_duration(FILE *html, double seconds) {
    if (seconds < 120)
        fprintf(html, "%.3g s", seconds);
    else if (seconds < 7200)
        fprintf(html, "%.3g min", seconds / 60);
    else
        fprintf(html, "%.3g h", seconds / 3600);
}

static void write_runs(FILE *html, int n_runs, double seconds, const fv_divergence *diverged) {
    char text[128];
    fprintf(html, "%d run%s, ", n_runs, n_runs == 1 ? "" : "s");
    write_duration(html, seconds);
    fputs(" of training", html);
    if (fv_divergence_text(diverged, text, sizeof text) > 0) fprintf(html, "; %s", text);
}

// --- header ------------------------------------------------------------------------------------

static void write_tally(FILE *html, const int counts[FV_VERDICT_COUNT], int total) {
    fputs("<div class=\"tally\">", html);
    for (int v = 0; v < FV_VERDICT_COUNT; v++)
        if (v != FV_NOT_COMPARABLE || counts[v] > 0)
            fprintf(html, "<div class=\"%s\"><b>%d</b>%s</div>", verdict_class[v], counts[v],
                    fv_verdict_text((fv_verdict)v));
    fputs("</div>\n<div class=\"share\" aria-hidden=\"true\">", html);
    for (int v = 0; v < FV_VERDICT_COUNT; v++)
        fprintf(html, "<i class=\"%s\" style=\"width:%.3f%%\"></i>", verdict_class[v],
                100.0 * counts[v] / total);
    fputs("</div>\n", html);
}

static void write_header(FILE *html, const char *title, const fv_report_part *parts, int n_parts) {
    int counts[FV_VERDICT_COUNT] = {0}, n_runs = 0, n_claims = 0;
    double seconds = 0;
    fv_divergence diverged = {0};
    for (int i = 0; i < n_parts; i++) {
        fv_divergence_join(&diverged, &parts[i].diverged);
        count_verdicts(&parts[i], counts);
        n_claims += parts[i].n_judgements;
        n_runs += parts[i].n_runs;
        seconds += parts[i].wall_seconds;
    }
    fputs("<header><div><h1>", html);
    html_text(html, title);
    fprintf(html, "</h1>\n<p class=\"quiet\">%d experiment%s, %d claim%s, ", n_parts,
            n_parts == 1 ? "" : "s", n_claims, n_claims == 1 ? "" : "s");
    write_runs(html, n_runs, seconds, &diverged);
    fputs("</p>\n", html);
    if (n_claims > 0) write_tally(html, counts, n_claims);
    if (n_parts > 1) {
        fputs("<nav>", html);
        for (int i = 0; i < n_parts; i++) {
            fprintf(html, "<a href=\"#part%d\">", i + 1);
            html_text(html, parts[i].experiment->name);
            fputs("</a>", html);
        }
        fputs("</nav>\n", html);
    }
    fputs("</div></header>\n", html);
}

// --- one experiment ----------------------------------------------------------------------------

// A caption that repeats the heading says nothing.
static fv_status write_figure(FILE *html, const fv_drawn *drawn, const char *heading, int part,
                              int figure, fv_error *error) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "p%df%d-", part + 1, figure + 1);
    const char *title = drawn->title ? drawn->title : "";
    fv_status status = FV_OK;
    fputs("<figure><div class=\"picture\">", html);
    if (drawn->svg != NULL)
        status = html_svg(html, drawn->svg, prefix, title, error);
    else if (drawn->gif != NULL)
        status = html_image(html, drawn->gif, "image/gif", title, error);
    fputs("</div>", html);
    if (strcmp(title, heading) != 0) {
        fputs("<figcaption>", html);
        html_text(html, title);
        fputs("</figcaption>", html);
    }
    fputs("</figure>\n", html);
    return status;
}

static void write_cell(FILE *html, const char *class, const char *text) {
    fprintf(html, "<td%s%s%s>", *class ? " class=\"" : "", class, *class ? "\"" : "");
    html_text(html, text);
    fputs("</td>", html);
}

static void write_claims(FILE *html, const fv_report_part *part) {
    if (part->n_judgements == 0) return;
    fputs("<div class=\"scroll\"><table><tr><th>Verdict</th><th>Claim</th><th>Published</th>"
          "<th>Measured</th><th>Seeds</th></tr>\n",
          html);
    for (int i = 0; i < part->n_judgements; i++) {
        const fv_judgement *j = &part->judgements[i];
        fprintf(html, "<tr><td><span class=\"badge %s\">%s</span></td>", verdict_class[j->verdict],
                fv_verdict_text(j->verdict));
        write_cell(html, "", j->statement);
        write_cell(html, "number", j->published);
        write_cell(html, "number", j->measured);
        write_cell(html, "note", j->note);
        fputs("</tr>\n", html);
    }
    fputs("</table></div>\n", html);
}

static bool in_sweep(const fv_experiment *experiment, const fv_field *field) {
    for (int g = 0; g < experiment->n_grids; g++)
        for (int a = 0; a < experiment->grids[g].n_axes; a++)
            if (experiment->grids[g].axes[a].field == field) return true;
    return false;
}

// A length that follows from a field of the sweep is no setting.
static bool length_varies(const fv_experiment *experiment, const fv_field *field) {
    return strcmp(field->key, "task.context_length") == 0 &&
           experiment->base->task.context_length == 0 &&
           in_sweep(experiment, fv_field_find("task.n_pairs"));
}

// The fields that the experiment sets; all others have their defaults.
static void write_settings(FILE *html, const fv_experiment *experiment) {
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_config usual, base = *experiment->base;
    fv_config_init(&usual);
    config_settle_length(&base.task);
    for (int f = 0; f < n; f++) {
        char value[512], otherwise[512];
        fv_config_get(&base, &fields[f], value, sizeof value);
        fv_config_get(&usual, &fields[f], otherwise, sizeof otherwise);
        if (strcmp(value, otherwise) == 0 || in_sweep(experiment, &fields[f]) ||
            length_varies(experiment, &fields[f]))
            continue;
        fputs("<tr>", html);
        write_cell(html, "", fields[f].key);
        write_cell(html, "", value);
        fputs("</tr>\n", html);
    }
}

static void write_sweep(FILE *html, const fv_experiment *experiment) {
    for (int g = 0; g < experiment->n_grids; g++)
        for (int a = 0; a < experiment->grids[g].n_axes; a++) {
            const fv_axis *axis = &experiment->grids[g].axes[a];
            fputs("<tr class=\"sweep\"><td>", html);
            html_text(html, axis->field->key);
            if (experiment->n_grids > 1) fprintf(html, " (grid %d)", g + 1);
            fputs("</td><td>", html);
            for (int v = 0; v < axis->n; v++) {
                if (v > 0) fputs(", ", html);
                html_text(html, axis->values[v]);
            }
            fputs("</td></tr>\n", html);
        }
}

static void write_choice(void *context, const char *sentence) {
    FILE *html = context;
    fputs("<li>", html);
    html_text(html, sentence);
    fputs("</li>\n", html);
}

static fv_status write_choices(FILE *html, const fv_experiment *experiment, fv_error *error) {
    char rule[1024];
    if (experiment->choose == NULL) return FV_OK;
    fv_experiment_choice_rule(experiment, rule, sizeof rule);
    fputs("<details><summary>", html);
    html_text(html, rule);
    fputs("</summary>\n<ul>\n", html);
    fv_status status = fv_experiment_choices(experiment, write_choice, html, error);
    fputs("</ul></details>\n", html);
    return status;
}

static fv_status write_part(FILE *html, const fv_report_part *part, int index, fv_error *error) {
    const fv_experiment *experiment = part->experiment;
    const char *heading = *experiment->source ? experiment->source : experiment->name;
    fprintf(html, "<section id=\"part%d\"><h2>", index + 1);
    html_text(html, heading);
    fputs("</h2>\n<p class=\"quiet\"><code>", html);
    html_text(html, experiment->path);
    fputs("</code>, ", html);
    write_runs(html, part->n_runs, part->wall_seconds, &part->diverged);
    fputs("</p>\n", html);
    for (int f = 0; f < part->n_figures; f++) {
        fv_status status = write_figure(html, &part->figures[f], heading, index, f, error);
        if (status != FV_OK) return status;
    }
    write_claims(html, part);
    fputs("<details><summary>Configuration: what differs from the defaults, and the sweep"
          "</summary>\n<div class=\"scroll\"><table class=\"config\">\n",
          html);
    write_settings(html, experiment);
    write_sweep(html, experiment);
    fputs("</table></div></details>\n", html);
    fv_status status = write_choices(html, experiment, error);
    fputs("</section>\n", html);
    return status;
}

// --- the page ----------------------------------------------------------------------------------

static void write_machine(FILE *html) {
    fputs("<footer>Fovea ", html);
    html_text(html, fv_version());
    fputs(" with ", html);
    html_text(html, fv_kernels_name());
    fputs(" kernels on ", html);
    html_text(html, fv_machine_cpu());
    int cores = fv_machine_cores();
    fprintf(html, ", %d core%s</footer>\n", cores, cores == 1 ? "" : "s");
}

fv_status fv_report_write(const char *path, const char *title, const fv_report_part *parts,
                          int n_parts, fv_error *error) {
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    FILE *html = file.stream;
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
          html);
    html_text(html, title);
    fprintf(html, "</title>\n<style>\n%s</style></head>\n<body>\n", report_style);
    write_header(html, title, parts, n_parts);
    fputs("<main>\n", html);
    for (int i = 0; i < n_parts && status == FV_OK; i++)
        status = write_part(html, &parts[i], i, error);
    fputs("</main>\n", html);
    write_machine(html);
    fputs("</body></html>\n", html);
    fv_status closed = fv_whole_file_close(&file, status == FV_OK, error);
    return status != FV_OK ? status : closed;
}
