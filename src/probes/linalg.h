// Small dense linear algebra in double for probes and figures: spectra, effective ranks, PCA.
//
// Everything rests on one trick: the squared singular values of a [rows][cols] matrix are the
// eigenvalues of the smaller of its two Gram matrices, so that a [V][d] embedding costs one d x d
// symmetric eigenproblem (LAPACK dsyev) and never an SVD of V x d. Squaring costs half the digits
// of the small singular values; an entropy of squared singular values cannot see that.
//
// Thread-safe; every call allocates its own workspace and frees it.
#ifndef FOVEA_PROBES_LINALG_H
#define FOVEA_PROBES_LINALG_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>

// A view of float numbers as a matrix; element (r, c) is data[r * row_stride + c * col_stride].
typedef struct probe_matrix {
    const float *data;
    int rows, cols;
    ptrdiff_t row_stride, col_stride;
} probe_matrix;

static inline probe_matrix probe_matrix_of(const float *data, int rows, int cols) {
    return (probe_matrix){data, rows, cols, cols, 1};
}
static inline probe_matrix matrix_transposed(probe_matrix a) {
    return (probe_matrix){a.data, a.cols, a.rows, a.col_stride, a.row_stride};
}
static inline double matrix_at(probe_matrix a, int r, int c) {
    return a.data[r * a.row_stride + c * a.col_stride];
}

// exp(-sum p log p) with p = weights / sum(weights): how many of the n weights count. Between 1 and
// n; 0 where the weights add up to nothing, NAN where they are not finite. Negative weights count
// as 0.
double effective_number(const double *weights, int n);

// Eigenvalues of the symmetric a [n][n], largest first, into values [n]. With `vectors`, row i of a
// becomes the eigenvector of values[i]; otherwise a is destroyed.
fv_status eigen_symmetric(double *a, int n, bool vectors, double *values, fv_error *error);

// The same without LAPACK (eigen.c), for symmetric matrices without eigenvalues of equal size and
// opposite sign, such as Gram matrices: to 1e-6 of the largest. A build with -DFOVEA_WITHOUT_LAPACK has
// no other.
fv_status eigen_jacobi(double *a, int n, bool vectors, double *values, fv_error *error);

// Real parts of the eigenvalues of a [n][n], in no order, into parts [n]; destroys a. NAN where it is not
// finite, and in a build without LAPACK.
fv_status eigen_real_parts(double *a, int n, double *parts, fv_error *error);

// Squared singular values, largest first, into squares [min(rows, cols)]. With `centred`, of the
// matrix less its column means: the variances along its principal axes, times rows.
fv_status probe_spectrum(probe_matrix a, bool centred, double *squares, fv_error *error);

// The effective number of squared singular values: 1 for rank one, d for an orthogonal matrix.
fv_status linalg_effective_rank(probe_matrix a, double *rank, fv_error *error);

// The same of the product a b^T, a [m][k] and b [n][k], at the cost of k x k eigenproblems.
fv_status effective_rank_product(probe_matrix a, probe_matrix b, double *rank, fv_error *error);

// The effective number of PCA explained variances of the rows: the effective dimension of an
// embedding [V][d].
fv_status linalg_effective_dimension(probe_matrix a, double *dimension, fv_error *error);

// Principal axes of a cloud of points. The sign of an axis is chosen so that its entry of largest
// magnitude is positive: pictures of the same points do not flip.
typedef struct probe_pca {
    int dimension;     // of a point
    int n;             // axes: min(n_points, dimension)
    double *mean;      // [dimension]
    double *axes;      // [n][dimension], orthonormal rows, largest variance first
    double *explained; // [n], shares of the variance; all 0 for coinciding points
} probe_pca;

fv_status pca_fit(probe_matrix points, probe_pca *pca, fv_error *error);
void pca_free(probe_pca *pca); // what it owns, not the structure

// Coordinates of `points` along the first n_axes axes into out [points.rows][n_axes]; axes that the
// fit does not have give 0.
void pca_project(const probe_pca *pca, probe_matrix points, int n_axes, double *out);

#endif
