// Which units of a row are kept: the k largest, lane by lane (kernel_select). Up to a few are found by
// insertion, more by their bits: those of floats above 0 rise with the float, so that the k-th largest is
// put together from the highest bit down, by counting how many are as large.
#include "kernels/simd.h"

enum { FEW_UNITS = 8 };

// The bits of the k-th largest rank, 0 where fewer than k stand for choice.
INLINE vi last_of_few(const float *ranks, int n, int k) {
    vf list[FEW_UNITS];
    for (int i = 0; i < k; i++) list[i] = vf_set1(0);
    for (int u = 0; u < n; u++) {
        vf x = vf_load(ranks + u * L);
        for (int i = 0; i < k; i++) {
            vf larger = vf_max(list[i], x);
            x = vf_min(list[i], x);
            list[i] = larger;
        }
    }
    return (vi)list[k - 1];
}

INLINE vi last_of_many(const float *ranks, int n, int k) {
    vi last = vi_set1(0), wanted = vi_set1(k);
    for (int bit = 29; bit >= 0; bit--) {
        vi tried = last | vi_set1(1 << bit), n_as_large = vi_set1(0);
        for (int u = 0; u < n; u++) n_as_large -= (vi)vf_load(ranks + u * L) >= tried;
        vi enough = n_as_large >= wanted;
        last = (tried & enough) | (last & ~enough);
    }
    return last;
}

INLINE void select_row(const kernel_select *a, const float *ranks, int part, uint16_t *kept) {
    const int n = a->n_units, k = a->k;
    if (k <= 0) return;
    vi last = k <= FEW_UNITS ? last_of_few(ranks, n, k) : last_of_many(ranks, n, k);
    vi above = vi_set1(0);
    for (int u = 0; u < n; u++) above -= (vi)vf_load(ranks + u * L) > last;
    vi left = vi_set1(k) - above; // for those that are as large as the last
    for (int u = 0; u < n; u++) {
        vi x = (vi)vf_load(ranks + u * L), equal = (x == last) & (left > 0);
        left += equal;
        kept[u] |= (uint16_t)(vi_bits((x > last) | equal) << (part * VW));
    }
}

void KERNEL(select)(const kernel_select *a) {
    memset(a->kept, 0, (size_t)a->n_rows * (size_t)a->n_units * sizeof *a->kept);
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++)
            select_row(a, a->ranks + (ptrdiff_t)r * a->n_units * L + part * VW, part,
                       a->kept + (ptrdiff_t)r * a->n_units);
}
