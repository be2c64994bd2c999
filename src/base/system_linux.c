#define _GNU_SOURCE // sched_getaffinity, memfd_create, pipe2
#include "base/system.h"

#if SYSTEM_LINUX
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

extern char **environ;

int system_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

// Arm's kernels give no name of a model: the kind then has to do.
void system_cpu_name(char *name, size_t size) {
    char line[256];
    struct utsname kind;
    snprintf(name, size, "%s", uname(&kind) == 0 ? kind.machine : "unknown CPU");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, size, "%s", colon + 2);
        break;
    }
    if (file) fclose(file);
}

FILE *system_unnamed_file(void) {
    int descriptor = memfd_create("fovea", MFD_CLOEXEC);
    if (descriptor < 0) {
        FILE *file = tmpfile();
        if (file != NULL) fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
        return file;
    }
    FILE *file = fdopen(descriptor, "w+");
    if (file == NULL) close(descriptor);
    return file;
}

int system_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

bool system_is_on_network(const char *path) {
    static const unsigned KINDS[] = {0x6969 /* NFS */,        0x517b /* SMB */,
                                     0xff534d42 /* CIFS */,   0xfe534d42 /* SMB2 */,
                                     0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */,
                                     0x19830326 /* BeeGFS */, 0x00c36400 /* Ceph */,
                                     0x5346414f /* AFS */,    0x01021997 /* 9P */};
    struct statfs system;
    if (statfs(path, &system) != 0) return false;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if ((unsigned)system.f_type == KINDS[i]) return true;
    return false;
}

void system_prefer_large_pages(void *memory, size_t size) {
    madvise(memory, size, MADV_HUGEPAGE); // without them all goes on, slower
}

char **system_environment(void) {
    return environ;
}
#endif
