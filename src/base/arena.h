// One aligned block of memory, laid out before it is used: reserve every buffer first, allocate
// once, then ask where each one lies. Nothing is allocated while a model trains.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>

enum { FV_ALIGNMENT = 64 };

typedef struct memory_arena {
    char *base;      // NULL while planning
    size_t size;     // bytes reserved so far, a multiple of FV_ALIGNMENT
    bool overflowed; // a reservation did not fit into size_t
} memory_arena;

// Reserves count elements of `size` bytes; returns the offset to pass to arena_at.
size_t arena_reserve(memory_arena *arena, size_t count, size_t size);

// Allocates what was reserved, zeroed. FV_NO_MEMORY also when a reservation overflowed.
fv_status arena_allocate(memory_arena *arena, fv_error *error);
void arena_free(memory_arena *arena);

static inline void *arena_at(const memory_arena *arena, size_t offset) {
    return arena->base + offset;
}

#endif
