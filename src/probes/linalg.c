#include "probes/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static fv_status no_memory(fv_error *error, int rows, int cols) {
    return fv_fail(error, FV_NO_MEMORY, "no memory for the spectrum of a %d x %d matrix", rows,
                   cols);
}

double effective_number(const double *weights, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += weights[i] > 0 || isnan(weights[i]) ? weights[i] : 0;
    if (sum == 0) return 0;
    if (!isfinite(sum)) return NAN;
    double entropy = 0;
    for (int i = 0; i < n; i++) {
        double p = weights[i] / sum;
        if (p > 0) entropy -= p * log(p);
    }
    return exp(entropy);
}

// gram [cols][cols] = (a - 1 mean^T)^T (a - 1 mean^T), with `row` [cols] as room for one row.
static void form_gram(probe_matrix a, const double *mean, double *row, double *gram) {
    int n = a.cols;
    memset(gram, 0, (size_t)n * n * sizeof *gram);
    for (int r = 0; r < a.rows; r++) {
        for (int c = 0; c < n; c++) row[c] = matrix_at(a, r, c) - (mean ? mean[c] : 0);
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++) gram[(size_t)i * n + j] += row[i] * row[j];
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) gram[(size_t)j * n + i] = gram[(size_t)i * n + j];
}

static void column_means(probe_matrix a, double *mean) {
    for (int c = 0; c < a.cols; c++) {
        mean[c] = 0;
        for (int r = 0; r < a.rows; r++) mean[c] += matrix_at(a, r, c);
        mean[c] /= a.rows;
    }
}

// The Gram matrix of centred columns, centred again on both sides: what form_gram of the transposed
// matrix needs so that the small side may be the rows. P G P with P = 1 - 11^T / n.
static void centre_both_sides(double *gram, int n, double *mean) {
    double all = 0;
    for (int i = 0; i < n; i++) {
        mean[i] = 0;
        for (int j = 0; j < n; j++) mean[i] += gram[(size_t)i * n + j];
        mean[i] /= n;
        all += mean[i] / n;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) gram[(size_t)i * n + j] += all - mean[i] - mean[j];
}

fv_status probe_spectrum(probe_matrix a, bool centred, double *squares, fv_error *error) {
    bool wide = a.rows < a.cols;
    probe_matrix tall = wide ? matrix_transposed(a) : a;
    int n = tall.cols;
    if (n == 0) return FV_OK;
    double *gram = calloc((size_t)n * n, sizeof *gram);
    double *room = calloc((size_t)n * 2, sizeof *room);
    fv_status status = FV_OK;
    if (gram == NULL || room == NULL) {
        status = no_memory(error, a.rows, a.cols);
        goto done;
    }
    double *mean = room + n;
    if (centred && !wide) column_means(tall, mean);
    form_gram(tall, centred && !wide ? mean : NULL, room, gram);
    if (centred && wide) centre_both_sides(gram, n, mean);
    status = eigen_symmetric(gram, n, false, squares, error);
    for (int i = 0; i < n; i++)
        if (squares[i] < 0) squares[i] = 0; // rounding
done:
    free(gram);
    free(room);
    return status;
}

static fv_status effective_number_of(probe_matrix a, bool centred, double *number,
                                     fv_error *error) {
    int n = a.rows < a.cols ? a.rows : a.cols;
    double *squares = calloc((size_t)n + 1, sizeof *squares);
    if (squares == NULL) return no_memory(error, a.rows, a.cols);
    fv_status status = probe_spectrum(a, centred, squares, error);
    if (status == FV_OK) *number = effective_number(squares, n);
    free(squares);
    return status;
}

fv_status linalg_effective_rank(probe_matrix a, double *rank, fv_error *error) {
    return effective_number_of(a, false, rank, error);
}

fv_status linalg_effective_dimension(probe_matrix a, double *dimension, fv_error *error) {
    return effective_number_of(a, true, dimension, error);
}

// middle = S Gb S^T with S = L^1/2 U, where Ga = U^T L U (eigenvectors in the rows of `vectors`).
static void sandwich(const double *vectors, const double *values, const double *gram_b, int n,
                     double *half, double *middle) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += vectors[(size_t)i * n + k] * gram_b[(size_t)k * n + j];
            half[(size_t)i * n + j] = sum;
        }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++) sum += half[(size_t)i * n + k] * vectors[(size_t)j * n + k];
            double scale = values[i] > 0 && values[j] > 0 ? sqrt(values[i]) * sqrt(values[j]) : 0;
            middle[(size_t)i * n + j] = isnan(values[i]) ? NAN : scale * sum;
        }
}

// The squared singular values of a b^T are the eigenvalues of (a^T a)(b^T b), which
// (a^T a)^1/2 (b^T b) (a^T a)^1/2 has too, and that is symmetric.
fv_status effective_rank_product(probe_matrix a, probe_matrix b, double *rank, fv_error *error) {
    int n = a.cols;
    size_t square = (size_t)n * n;
    double *gram_a = calloc(square + 1, sizeof *gram_a),
           *gram_b = calloc(square + 1, sizeof *gram_b);
    double *half = calloc(square + 1, sizeof *half), *middle = calloc(square + 1, sizeof *middle);
    double *values = calloc((size_t)n + 1, sizeof *values);
    fv_status status = FV_OK;
    if (!gram_a || !gram_b || !half || !middle || !values) {
        status = no_memory(error, a.rows, b.rows);
        goto done;
    }
    form_gram(a, NULL, values, gram_a);
    form_gram(b, NULL, values, gram_b);
    status = eigen_symmetric(gram_a, n, true, values, error);
    if (status != FV_OK) goto done;
    sandwich(gram_a, values, gram_b, n, half, middle);
    status = eigen_symmetric(middle, n, false, values, error);
    if (status == FV_OK) *rank = effective_number(values, n);
done:
    free(gram_a);
    free(gram_b);
    free(half);
    free(middle);
    free(values);
    return status;
}

static void point_largest_entry_up(double *axis, int dimension) {
    int largest = 0;
    for (int c = 1; c < dimension; c++)
        if (fabs(axis[c]) > fabs(axis[largest])) largest = c;
    if (axis[largest] < 0)
        for (int c = 0; c < dimension; c++) axis[c] = -axis[c];
}

// The axes from the eigenvectors of the points' own Gram matrix (more coordinates than points):
// axis = sum over points of eigenvector entry x centred point, normalised.
static void axes_from_points(probe_matrix points, const double *vectors, probe_pca *pca) {
    for (int k = 0; k < pca->n; k++) {
        double *axis = pca->axes + (size_t)k * pca->dimension, norm = 0;
        for (int c = 0; c < pca->dimension; c++) {
            for (int r = 0; r < points.rows; r++)
                axis[c] +=
                    vectors[(size_t)k * points.rows + r] * (matrix_at(points, r, c) - pca->mean[c]);
            norm += axis[c] * axis[c];
        }
        // The centring takes one dimension: the last axis is empty but for rounding.
        norm = pca->explained[k] > 1e-12 * pca->explained[0] ? 1 / sqrt(norm) : 0;
        for (int c = 0; c < pca->dimension; c++) axis[c] *= norm;
    }
}

static void shares_of_variance(probe_pca *pca) {
    double sum = 0;
    for (int k = 0; k < pca->n; k++) {
        if (pca->explained[k] < 0) pca->explained[k] = 0;
        sum += pca->explained[k];
    }
    for (int k = 0; k < pca->n; k++) pca->explained[k] = sum > 0 ? pca->explained[k] / sum : 0;
}

fv_status pca_fit(probe_matrix points, probe_pca *pca, fv_error *error) {
    bool wide = points.rows < points.cols;
    int n = wide ? points.rows : points.cols;
    *pca = (probe_pca){.dimension = points.cols, .n = n};
    pca->mean = calloc((size_t)points.cols + 1, sizeof *pca->mean);
    pca->axes = calloc((size_t)n * points.cols + 1, sizeof *pca->axes);
    pca->explained = calloc((size_t)n + 1, sizeof *pca->explained);
    double *gram = calloc((size_t)n * n + 1, sizeof *gram);
    double *room = calloc((size_t)n * 2 + 1, sizeof *room);
    fv_status status = FV_OK;
    if (!pca->mean || !pca->axes || !pca->explained || !gram || !room) {
        status = no_memory(error, points.rows, points.cols);
        goto done;
    }
    if (points.rows > 0) column_means(points, pca->mean);
    form_gram(wide ? matrix_transposed(points) : points, wide ? NULL : pca->mean, room, gram);
    if (wide) centre_both_sides(gram, n, room + n);
    status = eigen_symmetric(gram, n, true, pca->explained, error);
    if (status != FV_OK) goto done;
    if (wide)
        axes_from_points(points, gram, pca);
    else
        memcpy(pca->axes, gram, (size_t)n * n * sizeof *gram);
    for (int k = 0; k < n; k++)
        point_largest_entry_up(pca->axes + (size_t)k * pca->dimension, pca->dimension);
    shares_of_variance(pca);
done:
    free(gram);
    free(room);
    if (status != FV_OK) pca_free(pca);
    return status;
}

void pca_free(probe_pca *pca) {
    free(pca->mean);
    free(pca->axes);
    free(pca->explained);
    *pca = (probe_pca){0};
}

void pca_project(const probe_pca *pca, probe_matrix points, int n_axes, double *out) {
    for (int r = 0; r < points.rows; r++)
        for (int k = 0; k < n_axes; k++) {
            double sum = 0;
            for (int c = 0; k < pca->n && c < pca->dimension; c++)
                sum += (matrix_at(points, r, c) - pca->mean[c]) *
                       pca->axes[(size_t)k * pca->dimension + c];
            out[(size_t)r * n_axes + k] = sum;
        }
}
