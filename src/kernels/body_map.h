// Linear maps on lanes. A block of TI rows x TJ outputs stays in registers while the inputs pass:
// each loaded activation vector feeds TJ multiply-adds, each broadcast weight TI.
//
// Blocks of 3 x 8 (24 accumulators) suit 32 registers; narrower outputs take more rows.
// Wide inputs are walked in chunks of rows that stay in the second-level cache.
#include "kernels/simd.h"

// Rows by outputs of a register block.
#if REGISTERS == 32
#define MAP_BLOCKS(X) X(3, 8) X(4, 7) X(4, 6) X(4, 5) X(6, 4) X(8, 3) X(8, 2) X(8, 1)
enum { MAP_WIDEST = 8 };
#else
#define MAP_BLOCKS(X) X(3, 4) X(3, 3) X(4, 2) X(8, 1)
enum { MAP_WIDEST = 4 };
#endif

enum { MAP_CHUNK_FLOATS = 1 << 16 }; // activations in a chunk of rows: 256 KB

INLINE void map_block(const kernel_map *a, int r, int n, int part, int TI, int TJ) {
    const float *x = a->x.data + r * a->x.stride + part * VW;
    const float *w = a->w + n * a->w_out;
    float *y = a->y.data + r * a->y.stride + n * L + part * VW;
    vf acc[8][8];
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) acc[i][j] =
        a->accumulate ? vf_load(y + i * a->y.stride + j * L) : vf_set1(0);
    if (a->bias)
        UNROLL for (int j = 0; j < TJ; j++) UNROLL for (int i = 0; i < TI; i++) acc[i][j] +=
            a->bias[n + j];
    for (int k = 0; k < a->n_in; k++, x += L, w += a->w_in) {
        vf input[8];
        UNROLL for (int i = 0; i < TI; i++) input[i] = vf_load(x + i * a->x.stride);
        UNROLL for (int j = 0; j < TJ; j++) {
            vf weight = vf_set1(w[j * a->w_out]);
            UNROLL for (int i = 0; i < TI; i++) acc[i][j] = vf_fma(input[i], weight, acc[i][j]);
        }
    }
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++)
        vf_store(y + i * a->y.stride + j * L, acc[i][j]);
}

// Outputs n .. n + TJ - 1 of rows first .. last - 1.
#define DEFINE_MAP_COLUMNS(TI, TJ)                                                                 \
    static void map_columns_##TJ(const kernel_map *a, int first, int last, int n, int part) {      \
        int r = first;                                                                             \
        for (; r + TI <= last; r += TI) map_block(a, r, n, part, TI, TJ);                          \
        for (; r < last; r++) map_block(a, r, n, part, 1, TJ);                                     \
    }
MAP_BLOCKS(DEFINE_MAP_COLUMNS)
#undef DEFINE_MAP_COLUMNS

static void map_rows(const kernel_map *a, int first, int last, int part) {
    for (int n = 0; n < a->n_out;) {
        int width = a->n_out - n < MAP_WIDEST ? a->n_out - n : MAP_WIDEST;
        switch (width) {
#define CASE(TI, TJ)                                                                               \
    case TJ:                                                                                       \
        map_columns_##TJ(a, first, last, n, part);                                                 \
        break;
            MAP_BLOCKS(CASE)
#undef CASE
        }
        n += width;
    }
}

void KERNEL(map)(const kernel_map *a) {
    int chunk = MAP_CHUNK_FLOATS / (a->n_in * L);
    chunk = chunk < 24 ? 24 : chunk;
    for (int first = 0; first < a->n_rows; first += chunk) {
        int last = first + chunk < a->n_rows ? first + chunk : a->n_rows;
        for (int part = 0; part < PARTS; part++) map_rows(a, first, last, part);
    }
}

// Weight gradients: a block of TI inputs x TJ outputs keeps TI * TJ <= 16 accumulators while the
// rows pass; their lanes are summed once per chunk of rows. Sixteen registers hold the twelve
// accumulators of 3 x 4, three inputs and a slope; thirty-two hold 4 x 4 and more.
enum { GRADIENT_CHUNK_ROWS = 128 };

// clang-format off
#define NARROW_BLOCKS(X)                                                                           \
    X(3, 4) X(3, 3) X(3, 2) X(3, 1) X(2, 4) X(2, 3) X(2, 2) X(2, 1)                                \
    X(1, 8) X(1, 4) X(1, 3) X(1, 2) X(1, 1)
#if REGISTERS == 32
#define GRADIENT_BLOCKS(X) X(4, 4) X(4, 3) X(4, 2) X(4, 1) X(2, 8) NARROW_BLOCKS(X)
enum { GRADIENT_TALLEST = 4, GRADIENT_WIDEST_PAIR = 8 };
#else
#define GRADIENT_BLOCKS(X) NARROW_BLOCKS(X)
enum { GRADIENT_TALLEST = 3, GRADIENT_WIDEST_PAIR = 4 };
#endif
// clang-format on

INLINE void map_gradient_block(const kernel_map_gradient *a, int first, int last, int k, int n,
                               int TI, int TJ) {
    vf total[16][PARTS];
    UNROLL for (int i = TI * TJ; i < 16; i++) UNROLL for (int part = 0; part < PARTS; part++)
        total[i][part] = vf_set1(0);
    UNROLL for (int part = 0; part < PARTS; part++) {
        const float *x = a->x.data + first * a->x.stride + k * L + part * VW;
        const float *dy = a->dy.data + first * a->dy.stride + n * L + part * VW;
        vf acc[16];
        UNROLL for (int i = 0; i < TI * TJ; i++) acc[i] = vf_set1(0);
        for (int r = first; r < last; r++, x += a->x.stride, dy += a->dy.stride) {
            vf input[4];
            UNROLL for (int i = 0; i < TI; i++) input[i] = vf_load(x + i * L);
            UNROLL for (int j = 0; j < TJ; j++) {
                vf slope = vf_load(dy + j * L);
                UNROLL for (int i = 0; i < TI; i++) acc[i * TJ + j] =
                    vf_fma(input[i], slope, acc[i * TJ + j]);
            }
        }
        UNROLL for (int i = 0; i < TI * TJ; i++) total[i][part] = acc[i];
    }
    float sum[16];
    reduce16(total, sum);
    float *dw = a->dw + k * a->w_in + n * a->w_out;
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++)
        dw[i * a->w_in + j * a->w_out] += sum[i * TJ + j];
}

#define DEFINE_GRADIENT_ROWS(TI, TJ)                                                               \
    static void map_gradient_##TI##x##TJ(const kernel_map_gradient *a, int first, int last, int k, \
                                         int n) {                                                  \
        map_gradient_block(a, first, last, k, n, TI, TJ);                                          \
    }
GRADIENT_BLOCKS(DEFINE_GRADIENT_ROWS)
#undef DEFINE_GRADIENT_ROWS

// The next part of `left` rows or columns in parts of at most `most`, without leaving a single one.
INLINE int block_size(int left, int most) {
    if (left >= most + 2 || left == most) return most;
    return left == most + 1 && most > 2 ? most - 1 : left < most ? left : most;
}

// Few inputs leave room for eight outputs.
INLINE int block_width(int left, int TI) {
    int most = TI == 1 ? 8 : TI == 2 ? GRADIENT_WIDEST_PAIR : 4;
    return left >= most ? most : left >= 4 ? 4 : left;
}

void KERNEL(map_gradient)(const kernel_map_gradient *a) {
    for (int first = 0; first < a->n_rows; first += GRADIENT_CHUNK_ROWS) {
        int last = first + GRADIENT_CHUNK_ROWS;
        if (last > a->n_rows) last = a->n_rows;
        for (int k = 0, TI; k < a->n_in; k += TI) {
            TI = block_size(a->n_in - k, GRADIENT_TALLEST);
            for (int n = 0, TJ; n < a->n_out; n += TJ) {
                TJ = block_width(a->n_out - n, TI);
                switch (TI * 16 + TJ) {
#define CASE(TI_, TJ_)                                                                             \
    case TI_ * 16 + TJ_:                                                                           \
        map_gradient_##TI_##x##TJ_(a, first, last, k, n);                                          \
        break;
                    GRADIENT_BLOCKS(CASE)
#undef CASE
                }
            }
        }
    }
}

void KERNEL(bias_gradient)(int n_rows, int n_out, kernel_rows dy, float *db) {
    for (int n = 0; n < n_out; n += 16) {
        int width = n_out - n < 16 ? n_out - n : 16;
        float sum[16];
        sum_features(dy.data + n * L, dy.stride, n_rows, width, sum);
        for (int j = 0; j < width; j++) db[n + j] += sum[j];
    }
}
