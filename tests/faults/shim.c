// Preloaded into the tool, makes one call fail: FOVEA_FAULT=KIND:K[+]:HOW
//
//   KIND  "memory" (malloc and its kin) or "disk" (write, fsync, rename and their kin)
//   K     the K-th call of that kind since main began fails; with '+', all from the K-th on
//   HOW   disk: ENOSPC, EIO or "short" (half of a write happens)
//
// FOVEA_FAULT_COUNT names a file that receives the number of calls of each kind at the end. Only
// the tool itself is touched, not the programs it starts; not its stdout and stderr either, where
// the message must appear.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { MEMORY, DISK, N_KINDS };
static const char *const KINDS[N_KINDS] = {"memory", "disk"};

static atomic_bool armed;
static atomic_long counts[N_KINDS];
static int fault_kind = -1;
static long fault_at;
static bool fault_stays, fault_short;
static int fault_error = ENOMEM;

// Counts a call and says whether it must fail.
static bool fails(int kind) {
    if (!atomic_load(&armed)) return false;
    long call = atomic_fetch_add(&counts[kind], 1) + 1;
    if (kind != fault_kind || !(fault_stays ? call >= fault_at : call == fault_at)) return false;
    errno = fault_error;
    return true;
}

// --- memory ------------------------------------------------------------------------------------

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    return fails(MEMORY) ? NULL : __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
    return fails(MEMORY) ? NULL : __libc_calloc(n, size);
}
void *realloc(void *old, size_t size) {
    return fails(MEMORY) ? NULL : __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    return fails(MEMORY) ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    if (fails(MEMORY)) return ENOMEM;
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}

// --- disk --------------------------------------------------------------------------------------

// The C library's own function behind ours.
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static bool watched(int file) {
    return file > STDERR_FILENO;
}

#define WRITE(name, ...)                                                                           \
    REAL(name);                                                                                    \
    if (!watched(file) || !fails(DISK)) return real(file, bytes, n, ##__VA_ARGS__);                \
    return fault_short && n > 1 ? real(file, bytes, n / 2, ##__VA_ARGS__) : -1

ssize_t write(int file, const void *bytes, size_t n) {
    WRITE(write);
}
ssize_t pwrite(int file, const void *bytes, size_t n, off_t at) {
    WRITE(pwrite, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t n, off64_t at) {
    WRITE(pwrite64, at);
}

#define CHANGE(name, ...)                                                                          \
    REAL(name);                                                                                    \
    return fails(DISK) ? -1 : real(__VA_ARGS__)

int fsync(int file) {
    CHANGE(fsync, file);
}
int fdatasync(int file) {
    CHANGE(fdatasync, file);
}
int ftruncate(int file, off_t size) {
    CHANGE(ftruncate, file, size);
}
int ftruncate64(int file, off64_t size) {
    CHANGE(ftruncate64, file, size);
}
int rename(const char *from, const char *to) {
    CHANGE(rename, from, to);
}

// stdio writes through the C library's inside, where no shim reaches; what a full disk leaves of it
// is an error at fclose.
int fclose(FILE *stream) {
    REAL(fclose);
    bool failing = watched(fileno(stream)) && fails(DISK);
    int result = real(stream);
    if (!failing) return result;
    errno = fault_error;
    return EOF;
}

// --- arming ------------------------------------------------------------------------------------

static void read_fault(const char *text) {
    char kind[16] = "", how[16] = "";
    char plus = 0;
    if (sscanf(text, "%15[a-z]:%ld", kind, &fault_at) != 2) abort();
    sscanf(text, "%*[a-z]:%*d%c", &plus);
    fault_stays = plus == '+';
    const char *last = strrchr(text, ':');
    snprintf(how, sizeof how, "%s", last + 1);
    for (int i = 0; i < N_KINDS; i++)
        if (strcmp(kind, KINDS[i]) == 0) fault_kind = i;
    if (fault_kind < 0) abort();
    if (fault_kind == DISK) fault_error = strcmp(how, "ENOSPC") == 0 ? ENOSPC : EIO;
    fault_short = strcmp(how, "short") == 0;
}

static void write_counts(void) {
    atomic_store(&armed, false);
    FILE *out = fopen(getenv("FOVEA_FAULT_COUNT"), "w");
    if (out == NULL) return;
    for (int i = 0; i < N_KINDS; i++) fprintf(out, "%s %ld\n", KINDS[i], atomic_load(&counts[i]));
    fclose(out);
}

static int (*main_of_program)(int, char **, char **);

static int main_armed(int argc, char **argv, char **environment) {
    const char *fault = getenv("FOVEA_FAULT");
    if (fault != NULL) read_fault(fault);
    if (getenv("FOVEA_FAULT_COUNT") != NULL) atexit(write_counts);
    unsetenv("LD_PRELOAD"); // for the programs that it starts
    atomic_store(&armed, true);
    int result = main_of_program(argc, argv, environment);
    atomic_store(&armed, false);
    return result;
}

// Wraps main, so that the loader and the libraries' constructors are not counted.
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
                      void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
                      void *stack_end) {
    REAL(__libc_start_main);
    main_of_program = program;
    return real(main_armed, argc, argv, init, fini, loader_fini, stack_end);
}
