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

// Weight gradients: a block of TI inputs x TJ outputs keeps TI * TJ accumulators while the rows
// pass; their lanes are summed once per chunk of rows. Sixteen registers hold the twelve
// accumulators of 3 x 4, three inputs and a slope; thirty-two hold 6 x 4. Few inputs leave room for
// more outputs.
enum { GRADIENT_CHUNK_ROWS = 128, GRADIENT_WIDEST = 4, PACKED_INPUTS = 16 };

// clang-format off
#define NARROW_BLOCKS(X) X(3, 4) X(3, 3) X(3, 2) X(3, 1) X(2, 4) X(2, 3) X(2, 2) X(2, 1)           \
    X(1, 8) X(1, 4) X(1, 3) X(1, 2) X(1, 1)
#if REGISTERS == 32
#define GRADIENT_BLOCKS(X) X(6, 4) X(6, 3) X(6, 2) X(6, 1) X(5, 4) X(5, 3) X(5, 2) X(5, 1)         \
    X(4, 4) X(4, 3) X(4, 2) X(4, 1) X(2, 8) NARROW_BLOCKS(X)
enum { GRADIENT_TALLEST = 6, GRADIENT_WIDEST_PAIR = 8 };
#else
#define GRADIENT_BLOCKS(X) NARROW_BLOCKS(X)
enum { GRADIENT_TALLEST = 3, GRADIENT_WIDEST_PAIR = 4 };
#endif
// clang-format on

// Some rows of inputs and of slopes. Vector `column` of a row lies column * slope_column behind
// slopes; what lies VW floats behind an input, and slope_part behind a slope, is the next part's.
typedef struct gradient_rows {
    int n;
    const float *x, *slopes;
    ptrdiff_t x_stride, slope_stride, slope_column, slope_part;
} gradient_rows;

INLINE void map_gradient_block(const gradient_rows *a, float *sum, int TI, int TJ) {
    vf total[32][PARTS];
    UNROLL for (int i = TI * TJ; i < (TI * TJ + 15) / 16 * 16; i++)
        UNROLL for (int part = 0; part < PARTS; part++) total[i][part] = vf_set1(0);
    UNROLL for (int part = 0; part < PARTS; part++) {
        const float *x = a->x + part * VW, *slopes = a->slopes + part * a->slope_part;
        vf acc[32];
        UNROLL for (int i = 0; i < TI * TJ; i++) acc[i] = vf_set1(0);
        for (int r = 0; r < a->n; r++, x += a->x_stride, slopes += a->slope_stride) {
            vf input[GRADIENT_TALLEST];
            UNROLL for (int i = 0; i < TI; i++) input[i] = vf_load(x + i * L);
            UNROLL for (int j = 0; j < TJ; j++) {
                vf slope = vf_load(slopes + j * a->slope_column);
                UNROLL for (int i = 0; i < TI; i++) acc[i * TJ + j] =
                    vf_fma(input[i], slope, acc[i * TJ + j]);
            }
        }
        UNROLL for (int i = 0; i < TI * TJ; i++) total[i][part] = acc[i];
    }
    reduce(total, TI * TJ, sum);
}

#define DEFINE_GRADIENT_ROWS(TI, TJ)                                                               \
    static void map_gradient_##TI##x##TJ(const gradient_rows *rows, float *dw, ptrdiff_t w_in,     \
                                         ptrdiff_t w_out) {                                        \
        float sum[32];                                                                             \
        map_gradient_block(rows, sum, TI, TJ);                                                     \
        UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++)                    \
            dw[i * w_in + j * w_out] += sum[i * TJ + j];                                           \
    }
GRADIENT_BLOCKS(DEFINE_GRADIENT_ROWS)
#undef DEFINE_GRADIENT_ROWS

// The next of the fewest parts, about equal, into which `left` falls with at most `most` in each.
INLINE int even_part(int left, int most) {
    int parts = (left + most - 1) / most;
    return (left + parts - 1) / parts;
}

// TJ columns for all inputs.
static void map_gradient_columns(const kernel_map_gradient *a, gradient_rows rows, int n, int TJ) {
    const float *x = rows.x;
    for (int k = 0, TI; k < a->n_in; k += TI) {
        TI = even_part(a->n_in - k, GRADIENT_TALLEST);
        float *dw = a->dw + k * a->w_in + n * a->w_out;
        rows.x = x + k * L;
        switch (TI * 16 + TJ) {
#define CASE(TI_, TJ_)                                                                             \
    case TI_ * 16 + TJ_:                                                                           \
        map_gradient_##TI_##x##TJ_(&rows, dw, a->w_in, a->w_out);                                  \
        break;
            GRADIENT_BLOCKS(CASE)
#undef CASE
        }
    }
}

// Rows of wide activations lie kilobytes apart, where columns share a few sets of the first-level
// cache: the slopes of a block's columns are put side by side, and stay there while all inputs
// pass.
static void pack_slopes(gradient_rows *rows, int TJ, float *packed) {
    for (int part = 0; part < PARTS; part++) {
        const float *from = rows->slopes + part * VW;
        float *to = packed + part * rows->n * TJ * VW;
        for (int r = 0; r < rows->n; r++, from += rows->slope_stride)
            for (int j = 0; j < TJ; j++, to += VW) vf_store(to, vf_load(from + j * L));
    }
    rows->slopes = packed;
    rows->slope_stride = TJ * VW;
    rows->slope_column = VW;
    rows->slope_part = (ptrdiff_t)rows->n * TJ * VW;
}

void KERNEL(map_gradient)(const kernel_map_gradient *a) {
    _Alignas(64) float packed[GRADIENT_CHUNK_ROWS * GRADIENT_WIDEST * L];
    const int most = a->n_in == 1 ? 8 : a->n_in == 2 ? GRADIENT_WIDEST_PAIR : GRADIENT_WIDEST;
    for (int first = 0; first < a->n_rows; first += GRADIENT_CHUNK_ROWS) {
        int n_rows = a->n_rows - first;
        if (n_rows > GRADIENT_CHUNK_ROWS) n_rows = GRADIENT_CHUNK_ROWS;
        for (int n = 0, TJ; n < a->n_out; n += TJ) {
            int left = a->n_out - n;
            TJ = most == GRADIENT_WIDEST ? even_part(left, most)
                 : left >= most          ? most
                 : left >= 4             ? 4
                                         : left;
            gradient_rows rows = {n_rows,
                                  a->x.data + first * a->x.stride,
                                  a->dy.data + first * a->dy.stride + n * L,
                                  a->x.stride,
                                  a->dy.stride,
                                  L,
                                  VW};
            if (a->n_in >= PACKED_INPUTS) pack_slopes(&rows, TJ, packed);
            map_gradient_columns(a, rows, n, TJ);
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
