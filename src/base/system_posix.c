#include "base/system.h"

#if !SYSTEM_LINUX
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __APPLE__ // whose shared libraries have no `environ`
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

int system_cores(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

void system_cpu_name(char *name, size_t size) {
    struct utsname kind;
    snprintf(name, size, "%s", uname(&kind) >= 0 ? kind.machine : "unknown CPU");
}

// A program that another thread starts between the two calls keeps the descriptor, which POSIX
// before 2024 cannot help.
static int close_on_exec(int descriptor) {
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

FILE *system_unnamed_file(void) {
    FILE *file = tmpfile();
    if (file != NULL) close_on_exec(fileno(file));
    return file;
}

int system_pipe(int ends[2]) {
    if (pipe(ends) != 0) return -1;
    for (int i = 0; i < 2; i++) close_on_exec(ends[i]);
    return 0;
}

bool system_is_on_network(const char *path) {
    (void)path; // POSIX does not tell
    return false;
}

void system_prefer_large_pages(void *memory, size_t size) {
    (void)memory, (void)size; // POSIX knows none
}

char **system_environment(void) {
    return environ;
}
#endif
