// Causal attention as a careful programmer would write it over a matrix library: blocks of 256
// queries x 512 keys, products by OpenBLAS, a running softmax between them. attention.py holds
// Fovea's tiles against it and against PyTorch. One head, rows [n][d]; exponentials by the C
// library's vectors of sixteen:
//
//     gcc -O3 -march=native -mprefer-vector-width=512 -ffast-math -shared -fPIC blocked.c -o
//         blocked.so -lopenblas -lm
#include <cblas.h>
#include <math.h>
#include <string.h>

enum { QUERIES = 256, KEYS = 512 };

static float scores[QUERIES * KEYS], slopes[QUERIES * KEYS];

static int least(int a, int b) {
    return a < b ? a : b;
}

// The keys of the block that query `row` sees.
static int seen(int row, int first_key, int n_keys) {
    int n = row + 1 - first_key;
    return n < 0 ? 0 : least(n, n_keys);
}

// scores = q k^T for a block.
static void product(int nq, int nk, int d, const float *q, const float *k, float *to) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, nq, nk, d, 1, q, d, k, d, 0, to, KEYS);
}

// One row of scores becomes weights; returns their sum. *largest is the running maximum.
static float weigh(float *row, int n, int n_keys, float scale, float *largest) {
    float most = *largest, sum = 0;
    for (int j = 0; j < n; j++) most = row[j] * scale > most ? row[j] * scale : most;
    for (int j = 0; j < n; j++) {
        row[j] = expf(row[j] * scale - most);
        sum += row[j];
    }
    memset(row + n, 0, (size_t)(n_keys - n) * sizeof *row);
    *largest = most;
    return sum;
}

void blocked_forward(int n, int d, const float *q, const float *k, const float *v, float *o,
                     float *logsumexp) {
    float scale = 1 / sqrtf((float)d);
    for (int i = 0; i < n; i += QUERIES) {
        int nq = least(QUERIES, n - i);
        float largest[QUERIES], sum[QUERIES];
        for (int r = 0; r < nq; r++) largest[r] = -INFINITY, sum[r] = 0;
        memset(o + (size_t)i * d, 0, (size_t)nq * d * sizeof *o);
        for (int j = 0; j < i + nq; j += KEYS) {
            int nk = least(KEYS, i + nq - j);
            product(nq, nk, d, q + (size_t)i * d, k + (size_t)j * d, scores);
            for (int r = 0; r < nq; r++) {
                float before = largest[r];
                float added = weigh(scores + r * KEYS, seen(i + r, j, nk), nk, scale, &largest[r]);
                float shrink = j == 0 ? 0 : expf(before - largest[r]);
                sum[r] = sum[r] * shrink + added;
                for (int c = 0; c < d; c++) o[(size_t)(i + r) * d + c] *= shrink;
            }
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, nq, d, nk, 1, scores, KEYS,
                        v + (size_t)j * d, d, 1, o + (size_t)i * d, d);
        }
        for (int r = 0; r < nq; r++) {
            for (int c = 0; c < d; c++) o[(size_t)(i + r) * d + c] /= sum[r];
            logsumexp[i + r] = largest[r] + logf(sum[r]);
        }
    }
}

// In `scores` the weights, in `slopes` the gradients of the scaled scores.
static void differentiate(int i, int j, int nq, int nk, float scale, const float *logsumexp,
                          const float *delta) {
    for (int r = 0; r < nq; r++) {
        float *p = scores + r * KEYS, *s = slopes + r * KEYS;
        int n = seen(i + r, j, nk);
        float less = logsumexp[i + r], mean = delta[r];
        for (int c = 0; c < n; c++) p[c] = expf(p[c] * scale - less);
        for (int c = 0; c < n; c++) s[c] = p[c] * (s[c] - mean) * scale;
        memset(p + n, 0, (size_t)(nk - n) * sizeof *p);
        memset(s + n, 0, (size_t)(nk - n) * sizeof *s);
    }
}

void blocked_backward(int n, int d, const float *q, const float *k, const float *v, const float *o,
                      const float *logsumexp, const float *d_o, float *dq, float *dk, float *dv) {
    float scale = 1 / sqrtf((float)d);
    float *const gradients[] = {dq, dk, dv};
    for (int g = 0; g < 3; g++) memset(gradients[g], 0, (size_t)n * d * sizeof(float));
    for (int i = 0; i < n; i += QUERIES) {
        int nq = least(QUERIES, n - i);
        size_t a = (size_t)i * d;
        float delta[QUERIES];
        for (int r = 0; r < nq; r++) {
            delta[r] = 0;
            for (int c = 0; c < d; c++)
                delta[r] += o[a + (size_t)(r * d + c)] * d_o[a + (size_t)(r * d + c)];
        }
        for (int j = 0; j < i + nq; j += KEYS) {
            int nk = least(KEYS, i + nq - j);
            size_t b = (size_t)j * d;
            product(nq, nk, d, q + a, k + b, scores);
            product(nq, nk, d, d_o + a, v + b, slopes);
            differentiate(i, j, nq, nk, scale, logsumexp, delta);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, nq, d, nk, 1, slopes, KEYS,
                        k + b, d, 1, dq + a, d);
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, nk, d, nq, 1, slopes, KEYS, q + a,
                        d, 1, dk + b, d);
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, nk, d, nq, 1, scores, KEYS,
                        d_o + a, d, 1, dv + b, d);
        }
    }
}
