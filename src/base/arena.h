// One aligned block of memory, laid out before it is used: reserve every buffer first, allocate
// once, then ask where each one lies. Nothing is allocated while a model trains.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>

enum { FV_ALIGNMENT = 64 };

typedef struct fv_arena {
    char *base;      // NULL while planning
    size_t size;     // bytes reserved so far, a multiple of FV_ALIGNMENT
    bool overflowed; // a reservation did not fit into size_t
} fv_arena;

// Reserves count elements of `size` bytes; returns the offset to pass to fv_arena_at.
size_t fv_arena_reserve(fv_arena *arena, size_t count, size_t size);

// Allocates what was reserved, zeroed. FV_NO_MEMORY also when a reservation overflowed.
fv_status fv_arena_allocate(fv_arena *arena, fv_error *error);
void fv_arena_free(fv_arena *arena);

static inline void *fv_arena_at(const fv_arena *arena, size_t offset) {
    return arena->base + offset;
}

#endif
