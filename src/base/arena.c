#include "base/arena.h"

#include "base/system.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t arena_reserve(memory_arena *arena, size_t count, size_t size) {
    size_t bytes, offset = arena->size;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, FV_ALIGNMENT - 1, &bytes) ||
        __builtin_add_overflow(arena->size, bytes & ~(size_t)(FV_ALIGNMENT - 1), &arena->size))
        arena->overflowed = true;
    return offset;
}

// Rows of wide activations lie a page of 4 KiB or more apart, and a block of them has more pages than
// the processor keeps at hand: what fills pages of 2 MiB gets those, where the system has them.
enum { LARGE_PAGE = 1 << 21 };

fv_status arena_allocate(memory_arena *arena, fv_error *error) {
    size_t size = arena->size > 0 ? arena->size : FV_ALIGNMENT;
    bool large = size >= LARGE_PAGE && size < PTRDIFF_MAX;
    if (large) size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    if (!arena->overflowed && size < PTRDIFF_MAX)
        arena->base = aligned_alloc(large ? LARGE_PAGE : FV_ALIGNMENT, size);
    if (large && arena->base) system_prefer_large_pages(arena->base, size);
    if (arena->base == NULL)
        return fv_fail(error, FV_NO_MEMORY,
                       "out of memory: this model needs a workspace of %.1f MB; a smaller "
                       "batch_size, context_length or n_embd needs less",
                       (double)arena->size / 1e6);
    memset(arena->base, 0, size);
    return FV_OK;
}

void arena_free(memory_arena *arena) {
    free(arena->base);
    *arena = (memory_arena){0};
}
