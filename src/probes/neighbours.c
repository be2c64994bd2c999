// Does the embedding know that tokens are numbers? "neighbours.embed.W_E" is the root mean square
// distance of consecutive tokens, i and i + 1, over that of all pairs, both in the plane of the
// first two principal components: 1 where numbers and places have nothing to do with each other,
// near 0 where the tokens form a line. The plane is what figures of embeddings show; beyond it wide
// embeddings keep neighbours apart, so that they can be told from each other.
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

enum { PLANE = 2 };

// The mean square distance of all pairs of n points is 2 n / (n - 1) times their variance.
static double neighbour_distance(const double *points, int n, int n_axes) {
    double steps = 0, variance = 0;
    for (int c = 0; c < n_axes; c++) {
        double mean = 0;
        for (int r = 0; r < n; r++) mean += points[r * n_axes + c] / n;
        for (int r = 0; r < n; r++) {
            double away = points[r * n_axes + c] - mean;
            double step = r > 0 ? points[r * n_axes + c] - points[(r - 1) * n_axes + c] : 0;
            variance += away * away / n;
            steps += step * step / (n - 1);
        }
    }
    return variance > 0 ? sqrt(steps * (n - 1) / (2 * n * variance)) : NAN;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    const fv_tensor *tensor = fv_model_tensor(model, "embed.W_E");
    probe_matrix rows = matrix_of_tensor(tensor, params);
    int n_axes = rows.cols < PLANE ? rows.cols : PLANE;
    double *points = malloc((size_t)rows.rows * (size_t)n_axes * sizeof *points);
    if (points == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %d tokens", rows.rows);
    probe_pca pca = {0};
    fv_status status = pca_fit(rows, &pca, error);
    if (status == FV_OK) {
        pca_project(&pca, rows, n_axes, points);
        status = probe_add(record, "neighbours", tensor->name, step,
                           neighbour_distance(points, rows.rows, n_axes), error);
        pca_free(&pca);
    }
    free(points);
    return status;
}

const fv_probe probe_neighbours = {
    .name = "neighbours",
    .help = "distance of consecutive tokens in the embedding, over that of all pairs",
    .measure = measure,
};
