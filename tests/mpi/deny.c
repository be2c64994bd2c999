// Preloaded into one rank, refuses it memory: FOVEA_DENY=FROM-TO fails its allocations of FROM to
// TO bytes. Ranks are told apart by who has it preloaded, and allocations by their sizes, which
// those of MPI itself do not have.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);

static size_t from, to;

__attribute__((constructor)) static void read_range(void) {
    const char *text = getenv("FOVEA_DENY");
    if (text != NULL && sscanf(text, "%zu-%zu", &from, &to) != 2) abort();
}

static int is_denied(size_t size) {
    if (to == 0 || size < from || size > to) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return is_denied(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    return is_denied(n * size) ? NULL : __libc_calloc(n, size);
}
