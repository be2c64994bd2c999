// Eigenvalues: LAPACK's; where there is no LAPACK, Jacobi's of symmetric matrices.
#include "probes/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void swap_rows(double *a, int n, int i, int j) {
    for (int c = 0; c < n; c++) {
        double t = a[(size_t)i * n + c];
        a[(size_t)i * n + c] = a[(size_t)j * n + c];
        a[(size_t)j * n + c] = t;
    }
}

// One-sided Jacobi (Hestenes 1958; Golub and Van Loan, 8.6.3): the rows of a are turned against each other
// until all pairs are orthogonal. Then row i of the turned matrix is values[i] times an eigenvector, whose
// length is the singular value and whose sign the turns, collected in `turns`, tell: turned = turns a, and
// a symmetric a with turned_i = value_i turns_i. Returns whether any pair was turned.
static bool turn_all(double *a, double *turns, int n) {
    bool turned = false;
    for (int p = 0; p < n - 1; p++)
        for (int q = p + 1; q < n; q++) {
            double *x = a + (size_t)p * n, *y = a + (size_t)q * n, xx = 0, yy = 0, xy = 0;
            for (int c = 0; c < n; c++) xx += x[c] * x[c], yy += y[c] * y[c], xy += x[c] * y[c];
            if (!(fabs(xy) > 1e-15 * sqrt(xx * yy)) || xy == 0) continue;
            turned = true;
            double zeta = (yy - xx) / (2 * xy);
            double t = copysign(1, zeta) / (fabs(zeta) + sqrt(1 + zeta * zeta));
            double cosine = 1 / sqrt(1 + t * t), sine = cosine * t;
            double *u = turns + (size_t)p * n, *v = turns + (size_t)q * n;
            for (int c = 0; c < n; c++) {
                double x0 = x[c], u0 = u[c];
                x[c] = cosine * x0 - sine * y[c];
                y[c] = sine * x0 + cosine * y[c];
                u[c] = cosine * u0 - sine * v[c];
                v[c] = sine * u0 + cosine * v[c];
            }
        }
    return turned;
}

static void sort_largest_first(double *values, double *vectors, int n) {
    for (int i = 0; i < n; i++) {
        int largest = i;
        for (int j = i + 1; j < n; j++)
            if (values[j] > values[largest]) largest = j;
        if (largest == i) continue;
        double t = values[i];
        values[i] = values[largest];
        values[largest] = t;
        swap_rows(vectors, n, i, largest);
    }
}

fv_status eigen_jacobi(double *a, int n, bool vectors, double *values, fv_error *error) {
    enum { MOST_SWEEPS = 60 };
    double *turns = calloc((size_t)n * n + 1, sizeof *turns);
    if (turns == NULL)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the spectrum of a %d x %d matrix", n, n);
    double all = 0;
    for (int i = 0; i < n * n; i++) all += a[i];
    for (int i = 0; i < n; i++) turns[(size_t)i * n + i] = 1;
    bool finite = isfinite(all);
    for (int sweep = 0; finite && sweep < MOST_SWEEPS && turn_all(a, turns, n); sweep++) {
    }
    for (int i = 0; i < n; i++) {
        values[i] = finite ? 0 : NAN;
        for (int c = 0; finite && c < n; c++)
            values[i] += a[(size_t)i * n + c] * turns[(size_t)i * n + c];
    }
    if (finite) sort_largest_first(values, turns, n);
    if (vectors) memcpy(a, turns, (size_t)n * n * sizeof *a);
    free(turns);
    return FV_OK;
}

#ifdef FOVEA_WITHOUT_LAPACK
fv_status eigen_symmetric(double *a, int n, bool vectors, double *values, fv_error *error) {
    return eigen_jacobi(a, n, vectors, values, error);
}

fv_status eigen_real_parts(double *a, int n, double *parts, fv_error *error) {
    (void)a;
    (void)error;
    for (int i = 0; i < n; i++) parts[i] = NAN;
    return FV_OK;
}
#else
#include <lapacke.h>

fv_status eigen_symmetric(double *a, int n, bool vectors, double *values, fv_error *error) {
    if (n == 0) return FV_OK;
    // Column-major eigenvectors in columns are row-major eigenvectors in rows.
    int info = LAPACKE_dsyev(LAPACK_COL_MAJOR, vectors ? 'V' : 'N', 'U', n, a, n, values);
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the spectrum of a %d x %d matrix", n, n);
    if (info != 0) { // NaN in the input, or no convergence, which infinities cause
        for (int i = 0; i < n; i++) values[i] = NAN;
        return FV_OK;
    }
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        double t = values[i];
        values[i] = values[j];
        values[j] = t;
        if (vectors) swap_rows(a, n, i, j);
    }
    return FV_OK;
}

fv_status eigen_real_parts(double *a, int n, double *parts, fv_error *error) {
    double *imaginary = calloc((size_t)n + 1, sizeof *imaginary), unused;
    if (imaginary == NULL)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the spectrum of a %d x %d matrix", n, n);
    int info = n == 0 ? 0
                      : LAPACKE_dgeev(LAPACK_ROW_MAJOR, 'N', 'N', n, a, n, parts, imaginary,
                                      &unused, 1, &unused, 1);
    free(imaginary);
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the spectrum of a %d x %d matrix", n, n);
    for (int i = 0; i < n && info != 0; i++) parts[i] = NAN; // as above
    return FV_OK;
}
#endif
